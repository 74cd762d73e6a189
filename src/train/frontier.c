#include "train/frontier.h"

#include "augment/augment.h"
#include "backend/backend.h"
#include "backend/cpu/isa.h"
#include "base/bf16.h"
#include "base/build.h"
#include "data/feature_cache.h"
#include "data/picture.h"
#include "graph/op.h"
#include "op/params.h"

#include <string.h>

/* Pictures that the prefix plan computes at a time. Fixed, and part of the key: kernels may be chosen
 * by it. */
enum { PREFIX_N = 32 };

struct frontier {
    struct frontier_request r;
    struct node *node;
    size_t count;        /* floats of an item */
    struct plan *prefix; /* NULL: not needed so far */
    uint64_t weights_key;
    struct feature_cache *cache[2];
    float *features; /* (max_n, count) */
    uint16_t *half;  /* (count) one item as bf16 */
};

struct node *frontier_node(const struct frontier *f)
{
    return f->node;
}

/* -- where it is -- */

static bool is_live(const struct frontier_request *r, const struct node *n)
{
    bool held = freeze_holds(r->freeze, n, r->upto);
    if (n->op->random)
        return ((const struct dropout_param *)n->param)->p > 0 &&
               !(held && !r->freeze->cfg->frozen_dropout);
    return !held && (n->n_weight > 0 || n->op->batch_statistics);
}

static void mark_needed(const struct network *net, bool *needed)
{
    needed[net->model.loss->id] = true;
    for (int i = net->graph->n_node - 1; i >= 0; i--)
        for (int k = 0; needed[i] && k < net->graph->node[i]->n_in; k++)
            needed[net->graph->node[i]->in[k]->id] = true;
}

/* The last node that all edges between before and behind it go through, before all that is live and
 * behind the first weights: the work of anything less is not worth keeping. */
static struct node *find(const struct frontier_request *r, bool *needed, int *reader)
{
    const struct graph *g = r->net->graph;
    mark_needed(r->net, needed);
    for (int i = 0; i < g->n_node; i++)
        for (int k = 0; needed[i] && k < g->node[i]->n_in; k++)
            reader[g->node[i]->in[k]->id] = i; /* the last one stays */
    struct node *found = NULL;
    bool work = false;
    for (int i = 0, reach = 0; i < g->n_node; i++) {
        if (!needed[i])
            continue;
        if (is_live(r, g->node[i]))
            break;
        work |= g->node[i]->n_weight > 0;
        if (work && reach <= i)
            found = g->node[i];
        reach = reader[i] > reach ? reader[i] : reach;
    }
    return found;
}

/* -- keys -- */

/* Options as texts, because structs have padding; those that change nothing in evaluation aside. */
static uint64_t hash_options(const struct option *row, const void *of, uint64_t h)
{
    static const char *const idle[] = {"dropout", "dropout-where", "stochastic-depth",
                                       "label-smoothing", "aux"};
    for (; row && row->name; row++) {
        char text[1024];
        bool skip = false;
        for (size_t i = 0; i < COUNT_OF(idle); i++)
            skip |= strcmp(row->name, idle[i]) == 0;
        option_text(row, of, text, sizeof(text));
        h = skip ? h : hash64(text, strlen(text), h);
    }
    return h;
}

static uint64_t hash_model(const struct network *net, uint64_t h)
{
    struct model_config copy = net->config;
    struct option_table table[MODEL_MAX_TABLES];
    int n = model_tables(&copy, table);
    for (int i = 0; i < n; i++)
        h = hash_options(table[i].row, table[i].into, h);
    return h;
}

/* All that the frontier of a given input depends on. */
static uint64_t hash_prefix(const struct frontier *f)
{
    const struct network *net = f->r.net;
    const struct preprocess *pre = &net->pre;
    int32_t facts[] = {(int32_t)f->r.compute, PREFIX_N,         pre->size_px,
                       pre->resize_px,        (int)pre->filter, f->node->id};
    uint64_t h = hash64(LINNET_VERSION, strlen(LINNET_VERSION), 1);
    const char *isa = f->r.backend->isa ? f->r.backend->isa->name : f->r.backend->ops->name;
    h = hash64(isa, strlen(isa), h);
    h = hash64(facts, sizeof(facts), h);
    h = hash64(pre->mean, sizeof(pre->mean), h);
    h = hash64(pre->std, sizeof(pre->std), hash_model(net, h));
    for (int i = 0; i <= f->node->id; i++) {
        const struct node *n = net->graph->node[i];
        h = hash64(n->name, strlen(n->name), hash64(n->op->name, strlen(n->op->name), h));
        h = hash64(n->out.dim, (size_t)n->out.rank * sizeof(*n->out.dim), h);
        for (int k = 0; k < n->n_in; k++)
            h = hash64(&n->in[k]->id, sizeof(n->in[k]->id), h);
        for (int k = 0; k < n->n_weight; k++)
            if (!n->weight[k].integer)
                h = hash64(weights_at(net->weights, n, k),
                           shape_count(&n->weight[k].shape) * sizeof(float), h);
    }
    return h;
}

/* Every view is the centre crop. */
static bool is_still(const struct loader_config *c)
{
    if (!c->augment)
        return true;
    for (int i = 0; transforms[i]; i++)
        if (transforms[i]->active(c->augment) &&
            !(transforms[i]->crop && c->augment->crop == AUGMENT_CROP_CENTRE))
            return false;
    return c->augment->crop_side <= 0 && !c->full_crop;
}

static uint64_t stream_key(const struct frontier *f, const struct loader_config *c)
{
    uint64_t h = f->weights_key;
    if (is_still(c))
        return h;
    h = hash64(&c->seed, sizeof(c->seed), h);
    h = hash64(&c->full_crop, sizeof(c->full_crop), h);
    for (int i = 0; transforms[i]; i++)
        h = hash_options(transforms[i]->options, c->augment, h);
    return h;
}

static struct feature_key key_of(const struct frontier *f, int stream, uint64_t sample,
                                 int view)
{
    const struct frontier_stream *s = &f->r.stream[stream];
    uint64_t of = is_still(&s->loader) ? 0 : sample << 16 | (uint64_t)view;
    return feature_key_of(s->data, (uint32_t)sample, of);
}

/* -- making it -- */

static bool make_prefix(struct frontier *f, struct err *e)
{
    struct plan_request r = {
        .graph = f->r.net->graph,
        .max_n = PREFIX_N,
        .mode = MODE_EVAL,
        .compute = f->r.compute,
        .keep = (struct node *[]){f->node, NULL},
    };
    f->prefix = plan_new(f->r.backend, &r, f->r.net->weights, e);
    return f->prefix != NULL;
}

bool frontier_new(struct frontier **out, const struct frontier_request *r, struct err *e)
{
    *out = NULL;
    size_t n_node = (size_t)r->net->graph->n_node;
    struct arena a = {0};
    bool *needed = arena_new(&a, n_node, sizeof(*needed), e);
    int *reader = needed ? arena_new(&a, n_node, sizeof(*reader), e) : NULL;
    struct node *node = reader && r->upto >= 0 ? find(r, needed, reader) : NULL;
    arena_release(&a);
    if (!node)
        return reader != NULL;
    struct frontier *f = mem_new(1, sizeof(*f), e);
    if (!f)
        return false;
    f->r = *r;
    f->node = node;
    f->count = shape_count(&node->out);
    size_t n = (size_t)(r->max_n > PREFIX_N ? r->max_n : PREFIX_N);
    f->features = mem_new(n * f->count, sizeof(float), e);
    f->half = mem_new(f->count, sizeof(*f->half), e);
    if (f->features && f->half) {
        *out = f;
        return true;
    }
    frontier_free(f);
    return false;
}

void frontier_free(struct frontier *f)
{
    if (!f)
        return;
    feature_cache_close(f->cache[0]);
    feature_cache_close(f->cache[1]);
    plan_free(f->prefix);
    mem_free(f->features);
    mem_free(f->half);
    mem_free(f);
}

/* -- computing -- */

/* The frontier of n pictures into f->features. */
static bool compute(struct frontier *f, const uint8_t *pixel, int n, struct err *e)
{
    const struct node *input = f->r.net->model.input;
    if (!f->prefix && !make_prefix(f, e))
        return false;
    size_t bytes = (size_t)f->r.net->pre.size_px * (size_t)f->r.net->pre.size_px * 3;
    for (int at = 0; at < n; at += PREFIX_N) {
        int part = n - at < PREFIX_N ? n - at : PREFIX_N;
        if (!plan_feed(f->prefix, input, pixel + (size_t)at * bytes, part, e) ||
            !plan_forward(f->prefix, 0, e) ||
            !plan_read(f->prefix, f->node, f->features + (size_t)at * f->count, e))
            return false;
    }
    if (f->r.compute == DTYPE_BF16)
        for (size_t i = 0; i < (size_t)n * f->count; i++)
            f->features[i] = bf16_to_float(bf16_from_float(f->features[i]));
    return true;
}

static bool look_up(struct frontier *f, int stream, const struct batch *b, struct err *e)
{
    for (int i = 0; i < b->n; i++) {
        struct feature_key key = key_of(f, stream, b->sample[i], b->view[i]);
        const void *data = f->cache[stream] ? feature_cache_get(f->cache[stream], &key) : NULL;
        float *to = f->features + (size_t)i * f->count;
        if (!data)
            return err_set(e, ERR_INTERNAL, "picture %llu has no features",
                           (unsigned long long)b->sample[i]);
        if (f->r.compute == DTYPE_BF16)
            for (size_t k = 0; k < f->count; k++)
                to[k] = bf16_to_float(((const uint16_t *)data)[k]);
        else
            memcpy(to, data, f->count * sizeof(*to));
    }
    return true;
}

bool frontier_feed(struct frontier *f, int stream, struct plan *tail, const struct batch *b,
                   struct err *e)
{
    return (b->pixel ? compute(f, b->pixel, b->n, e) : look_up(f, stream, b, e)) &&
           plan_feed(tail, f->node, f->features, b->n, e);
}

/* -- keeping -- */

static bool open_cache(struct frontier *f, int stream, struct err *note)
{
    const struct frontier_stream *s = &f->r.stream[stream];
    if (f->cache[stream])
        return true;
    if (f->weights_key == 0) /* not before: a resumed run has its weights only now */
        f->weights_key = hash_prefix(f);
    int views = s->loader.views > 1 && !is_still(&s->loader) ? s->loader.views : 1;
    struct feature_cache_config cfg = {
        .dir = f->r.cache_dir,
        .name = f->r.net->model.arch->name,
        .key = stream_key(f, &s->loader),
        .bytes = f->count * (f->r.compute == DTYPE_BF16 ? sizeof(uint16_t) : sizeof(float)),
        .limit = f->r.cache_limit,
        .n_expected = (int64_t)s->loader.n_index * views,
    };
    f->cache[stream] = feature_cache_open(&cfg, note);
    return f->cache[stream] != NULL;
}

static bool put(struct frontier *f, int stream, const struct batch *b, struct err *note)
{
    for (int i = 0; i < b->n; i++) {
        struct feature_key key = key_of(f, stream, b->sample[i], b->view[i]);
        const float *from = f->features + (size_t)i * f->count;
        const void *data = from;
        if (picture_drifted(f->r.stream[stream].data, (int)b->sample[i]))
            return err_set(note, ERR_DATA, "%s: changed since the scan",
                           f->r.stream[stream].data->sample[b->sample[i]].path);
        if (f->r.compute == DTYPE_BF16) {
            for (size_t k = 0; k < f->count; k++)
                f->half[k] = bf16_from_float(from[k]);
            data = f->half;
        }
        if (!feature_cache_put(f->cache[stream], &key, data, note))
            return false;
    }
    return true;
}

/* The pictures of the stream whose view is not there yet. */
static uint32_t *list_missing(struct frontier *f, int stream, int view, int *n, struct err *e)
{
    const struct loader_config *c = &f->r.stream[stream].loader;
    uint32_t *index = mem_new((size_t)c->n_index, sizeof(*index), e);
    *n = 0;
    for (int i = 0; index && i < c->n_index; i++) {
        struct feature_key key = key_of(f, stream, c->index[i], view);
        if (!feature_cache_get(f->cache[stream], &key))
            index[(*n)++] = c->index[i];
    }
    return index;
}

static bool fill(struct frontier *f, int stream, struct loader *l, int n,
                 const struct frontier_progress *p, bool *kept, struct err *note, struct err *e)
{
    const struct batch *b;
    for (int64_t done = 0; done < n && *kept; done += b->n) {
        if (p->stop && *p->stop) {
            e->signal = *p->stop;
            return err_set(e, ERR_INTERRUPTED, "stopped by signal %d", *p->stop);
        }
        if (!loader_next(l, &b, e) || !compute(f, b->pixel, b->n, e))
            return false;
        *kept = put(f, stream, b, note);
        if (p->done)
            p->done(p->ctx, done + b->n, n);
    }
    return true;
}

bool frontier_fill(struct frontier *f, int stream, int view, const struct frontier_progress *p,
                   bool *kept, struct err *note, struct err *e)
{
    const struct frontier_stream *s = &f->r.stream[stream];
    int n;
    *kept = open_cache(f, stream, note);
    uint32_t *index = *kept ? list_missing(f, stream, view, &n, e) : NULL;
    if (!*kept || (index && n == 0)) {
        mem_free(index);
        return true;
    }
    struct loader_config cfg = s->loader;
    cfg.index = index;
    cfg.n_index = n;
    cfg.batch = PREFIX_N;
    cfg.order = ORDER_SEQUENTIAL;
    cfg.merge_last = false;
    if (cfg.views == 0)
        cfg.views = 1;
    struct loader *l = index ? loader_new(s->data, &cfg, e) : NULL;
    bool ok = l && loader_seek(l, view, 0, e) && fill(f, stream, l, n, p, kept, note, e);
    loader_free(l);
    mem_free(index);
    if (ok && *kept) { /* its memory is the tail's now */
        plan_free(f->prefix);
        f->prefix = NULL;
    }
    return ok;
}
