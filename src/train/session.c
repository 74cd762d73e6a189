#include "train/session.h"

#include "augment/crop.h"
#include "backend/cpu/isa.h"
#include "base/build.h"
#include "data/picture.h"

#include <stdio.h>
#include <string.h>

enum { SPARE_BYTES = 64 << 20 };

bool precision_choose(const struct backend *b, int precision, enum dtype *out, struct err *e)
{
    bool can = b->isa && b->isa->bf16;
    bool bf16 = precision == PRECISION_BF16 || (precision == PRECISION_AUTO && can);
    *out = bf16 ? DTYPE_BF16 : DTYPE_F32;
    return precision != PRECISION_BF16 || can ||
           err_set(e, ERR_DEVICE,
                   "--precision bf16: this processor (%s) has no bf16 instructions; use fp32",
                   b->isa ? b->isa->name : b->ops->name);
}

static bool open_data(struct session *s, const struct session_request *r, struct err *e)
{
    const struct source_config *from = &r->cfg->source;
    struct dataset_config cfg = {
        .path = r->data, .train = from->train, .val = from->val, .test = from->test};
    s->data = dataset_open(&cfg, PART_TRAIN, e);
    if (!s->data)
        return false;
    s->val_data = s->data;
    if (!dataset_has(&cfg, PART_VAL))
        return true;
    const char **classes =
        arena_new(&s->arena, (size_t)s->data->n_class + 1, sizeof(*classes), e);
    if (!classes)
        return false;
    memcpy(classes, s->data->class_name, (size_t)s->data->n_class * sizeof(*classes));
    cfg.classes = classes;
    s->val_data = dataset_open(&cfg, PART_VAL, e);
    return s->val_data != NULL;
}

/* The starting pictures of this run (data/picture.h): as stated, as the weights ask, or as large as a
 * crop of a stated side cuts from, for validation should see things as large as training does. */
static struct picture_rule rule_of(const struct session *s, const struct session_request *r)
{
    const struct preprocess *pre = &s->pretrained.pre; /* zero: none */
    int size = (int)r->cfg->model.size;
    int side = (int)r->cfg->source.resize;
    if (!side)
        side = pre->resize_px ? pre->resize_px : crop_side_px(&r->cfg->augment, size);
    return (struct picture_rule){picture_side(s->data, size, side), pre->filter};
}

static bool on_prepared(void *ctx, int done, int total)
{
    const struct session_request *r = ctx;
    if (r->events && r->events->preparing)
        r->events->preparing(r->events->ctx, done, total);
    return !r->stop || *r->stop == 0;
}

static void on_warning(void *ctx, const char *text)
{
    const struct session_request *r = ctx;
    if (r->events && r->events->warn)
        r->events->warn(r->events->ctx, text);
}

static bool write_issues(const struct session *s, struct err *e)
{
    size_t n;
    char *text = pictures_issues(s->data, &n, e);
    bool ok = text && run_write(&s->run, "issues.json", text, n, e);
    mem_free(text);
    return ok;
}

/* Bad pictures go before anything counts on their number. */
static bool prepare(struct session *s, const struct session_request *r, struct err *e)
{
    struct pictures_request p = {
        .cfg = &r->cfg->pictures,
        .root = r->data,
        .rule = rule_of(s, r),
        .n_thread = s->backend->n_thread,
        .progress = on_prepared,
        .warn = on_warning,
        .ctx = (void *)(uintptr_t)r,
    };
    s->cache = pictures_cache(&p, s->data);
    bool ok = pictures_verify(&p, s->data, s->cache, e) &&
              (s->val_data == s->data || pictures_verify(&p, s->val_data, s->cache, e));
    if (!ok && r->stop && *r->stop) {
        e->signal = *r->stop;
        return err_set(e, ERR_INTERRUPTED, "stopped by signal %d before the first step",
                       e->signal);
    }
    if (ok && r->out && s->data->n_issue > 0)
        ok = write_issues(s, e);
    return ok;
}

/* Has the run directory the whole record of a run? */
static bool is_begun(const struct session *s, const struct session_request *r)
{
    return r->out && run_has(&s->run, "environment.json");
}

/* Which training pictures validate: the run's record, or drawn. */
static bool split(struct session *s, const struct session_request *r, struct err *e)
{
    const struct loop_config *loop = &r->cfg->loop;
    s->in_val = mem_new((size_t)s->data->n_sample, 1, e);
    if (!s->in_val)
        return false;
    bool drawn = s->val_data == s->data && loop->val_fraction > 0;
    char *path = r->out ? run_path(r->out, "split.txt", e) : mem_text("", e);
    /* of a run that was refused before it began, the split may be another one */
    bool known = path && is_begun(s, r) && run_has(&s->run, "split.txt");
    bool ok = path != NULL;
    if (ok && known)
        ok = split_read(s->data, path, s->in_val, e);
    else if (ok && drawn)
        ok = split_stratified(s->data, loop->val_fraction, (uint64_t)loop->seed, s->in_val, e);
    if (ok && r->out && !known)
        ok = split_write(s->data, s->in_val, path, e);
    mem_free(path);
    for (int i = 0; ok && i < s->data->n_sample; i++)
        s->n_val += s->in_val[i];
    s->n_train = s->data->n_sample - s->n_val;
    if (s->val_data != s->data)
        s->n_val = s->val_data->n_sample;
    return ok;
}

static uint64_t fingerprint(const struct dataset *d)
{
    uint64_t hash = 0;
    for (int i = 0; i < d->n_sample; i++) {
        const struct sample *p = &d->sample[i];
        const char *name = dataset_name(d, i);
        int64_t facts[3] = {p->size, p->mtime_ns, p->label};
        hash = hash64(name, strlen(name), hash);
        hash = hash64(facts, sizeof(facts), hash);
    }
    return hash;
}

static void list_facts(struct session *s, const struct session_request *r)
{
    struct facts *f = &s->facts;
    const struct backend *b = s->backend;
    facts_add(f, "version", "%s", LINNET_VERSION);
    facts_add(f, "device", "%s", b->ops->name);
    facts_add(f, "instructions", "%s", b->isa ? b->isa->name : "plain C");
    if (!r->cfg->loop.deterministic)
        facts_add(f, "threads", "%d", b->n_thread);
    facts_add(f, "precision", "%s", s->compute == DTYPE_BF16 ? "bf16" : "fp32");
    facts_add(f, "classes", "%d", s->data->n_class);
    facts_add(f, "training pictures", "%d", s->n_train);
    facts_add(f, "validation pictures", "%d", s->n_val);
    facts_add(f, "data", "%016llx", (unsigned long long)fingerprint(s->data));
    if (r->cfg->freeze.weights && !s->weights_gone)
        facts_add(
            f, "initial weights", "%016llx",
            (unsigned long long)hash64(
                s->net.weights->value, s->net.graph->n_value * sizeof(float),
                hash64(s->net.weights->buffer, s->net.graph->n_buffer * sizeof(float), 0)));
    if (s->val_data != s->data)
        facts_add(f, "validation data", "%016llx",
                  (unsigned long long)fingerprint(s->val_data));
}

/* Writes the record of a new run, or holds an old one against what is now. */
static bool keep_record(struct session *s, const struct session_request *r, struct err *e)
{
    struct changes c = r->changes ? *r->changes : (struct changes){0};
    bool begun = is_begun(s, r);
    if (r->resume && begun && !record_compare_facts(&s->run, &s->facts, &c, e))
        return false;
    if (!r->force && !record_unchanged(r->out, &c, e))
        return false;
    if (c.n)
        run_log(&s->run, "forced: %s", c.text);
    if (s->weights_gone)
        run_log(&s->run, "%s is gone: going on from the run's own weights",
                r->cfg->freeze.weights);
    if (r->resume && begun && !c.n)
        return true;
    struct json_writer w = {.lines = true};
    json_open(&w, NULL, '[');
    for (int i = 0; i < s->data->n_class; i++)
        json_put_text(&w, NULL, s->data->class_name[i]);
    json_close(&w, ']');
    bool ok = json_done(&w, e) && run_write(&s->run, "classes.json", w.text, w.n, e);
    json_writer_release(&w);
    return ok && record_write_config(&s->run, r->cfg, r->data, &c, e) &&
           record_write_facts(&s->run, &s->facts, e);
}

static bool class_weights(const struct session *s, const struct session_request *r, float *out)
{
    if (r->cfg->loop.class_weight == CLASS_WEIGHT_NONE)
        return false;
    const struct dataset *d = s->data;
    for (int c = 0; c < d->n_class; c++)
        out[c] = 0;
    for (int i = 0; i < d->n_sample; i++)
        if (!s->in_val[i])
            out[d->sample[i].label]++;
    for (int c = 0; c < d->n_class; c++)
        out[c] = out[c] > 0 ? (float)s->n_train / ((float)d->n_class * out[c]) : 1;
    return true;
}

/* Indices of the pictures to train on, or to validate on. */
static uint32_t *list_pictures(const struct session *s, bool training, int *n, struct err *e)
{
    const struct dataset *d = training ? s->data : s->val_data;
    uint32_t *index = mem_new((size_t)d->n_sample, sizeof(*index), e);
    *n = 0;
    for (int i = 0; index && i < d->n_sample; i++)
        if (d != s->data || (bool)s->in_val[i] != training)
            index[(*n)++] = (uint32_t)i;
    return index;
}

static bool measure_colours(struct session *s, const struct session_request *r,
                            struct preprocess *pre, struct err *e)
{
    float mean[3], std[3];
    int n;
    struct verify_config cfg = {
        .cache = s->cache, .rule = rule_of(s, r), .n_thread = s->backend->n_thread};
    uint32_t *index = list_pictures(s, true, &n, e);
    bool ok = index && dataset_statistics(s->data, index, n, &cfg, mean, std, e);
    mem_free(index);
    for (int c = 0; ok && c < 3; c++) {
        pre->mean[c] = (double)mean[c];
        pre->std[c] = std[c] > 0 ? (double)std[c] : 1; /* a set of one colour */
    }
    return ok;
}

/* What the network begins from: the weights asked for; where a run that goes on finds them gone, its own
 * last model, whose checkpoint holds all of them. */
static bool open_weights(struct session *s, const struct session_request *r, struct err *e)
{
    struct model_config *model = &r->cfg->model;
    struct err ignored;
    if (!r->cfg->freeze.weights ||
        pretrained_open(&s->pretrained, r->cfg->freeze.weights, model, e))
        return true;
    char *last = r->resume ? run_path(r->out, "last.safetensors", e) : NULL;
    s->weights_gone = last && pretrained_open(&s->pretrained, last, model, &ignored);
    mem_free(last);
    return s->weights_gone;
}

static bool make_network(struct session *s, const struct session_request *r, struct err *e)
{
    bool given = r->cfg->freeze.weights != NULL;
    struct preprocess pre = {.size_px = (int)r->cfg->model.size,
                             .resize_px = rule_of(s, r).side_px,
                             .mean = {0.485, 0.456, 0.406},
                             .std = {0.229, 0.224, 0.225}};
    if (given) {
        pre = s->pretrained.pre;
        pre.resize_px = rule_of(s, r).side_px;
    }
    if (r->cfg->loop.normalise == NORMALISE_DATA && !measure_colours(s, r, &pre, e))
        return false;
    float *weight = arena_new(&s->arena, (size_t)s->data->n_class, sizeof(*weight), e);
    struct network_spec spec = {.config = &r->cfg->model,
                                .pre = &pre,
                                .n_class = s->data->n_class,
                                .class_name = s->data->class_name};
    if (!weight)
        return false;
    if (class_weights(s, r, weight))
        spec.class_weight = weight;
    struct pretrained_spec from = {.network = spec, .seed = (uint64_t)r->cfg->loop.seed};
    return given ? pretrained_network(&s->net, &s->pretrained, &from, e)
                 : network_init(&s->net, &spec, from.seed, e);
}

static struct loader *make_loader(struct session *s, const struct session_request *r,
                                  bool training, struct err *e)
{
    const struct loop_config *loop = &r->cfg->loop;
    int which = training ? FRONTIER_TRAIN : FRONTIER_VAL, n;
    uint32_t *index = s->index[which] = list_pictures(s, training, &n, e);
    struct frontier_stream *stream = &s->stream[which];
    stream->data = training ? s->data : s->val_data;
    stream->loader = (struct loader_config){
        .index = index,
        .n_index = n,
        .batch = (int)loop->batch,
        .size_px = (int)r->cfg->model.size,
        .n_class = s->data->n_class,
        .order = !training        ? ORDER_SEQUENTIAL
                 : loop->balanced ? ORDER_BALANCED
                                  : ORDER_SHUFFLED,
        .merge_last = training,
        .seed = (uint64_t)loop->seed,
        .n_thread = s->backend->n_thread,
        .full_crop = r->cfg->source.full_crop,
        .augment = training ? &r->cfg->augment : NULL,
        .resize_px = s->net.pre.resize_px,
        .filter = (int)s->net.pre.filter,
        .cache = s->cache,
        .views = training ? (int)r->cfg->freeze.views : 0,
    };
    struct loader_config cfg = stream->loader;
    cfg.views = 0; /* until the trainer knows the phase */
    return index ? loader_new(stream->data, &cfg, e) : NULL;
}

static bool make_trainer(struct session *s, const struct session_request *r, struct err *e)
{
    struct trainer_setup setup = {
        .cfg = r->cfg,
        .net = &s->net,
        .backend = s->backend,
        .compute = s->compute,
        .data = s->data,
        .train = s->train,
        .val = s->val,
        .n_train = s->n_train,
        .n_val = s->n_val,
        .stream = {s->stream[FRONTIER_TRAIN], s->stream[FRONTIER_VAL]},
        .run = r->out ? &s->run : NULL,
        .events = r->events,
        .stop = r->stop,
    };
    if (r->out && r->resume &&
        !(record_read_plan(&s->run, "train", &setup.choice, &s->arena, e) &&
          record_read_plan(&s->run, "eval", &setup.eval_choice, &s->arena, e)))
        return false;
    s->trainer = trainer_new(&setup, e);
    return s->trainer != NULL;
}

static bool take_up(struct session *s, const struct session_request *r, struct err *e)
{
    bool recorded = r->resume && run_has(&s->run, "plan.json");
    return (recorded ||
            record_write_plans(&s->run, s->trainer->plan, s->trainer->eval_plan, e)) &&
           trainer_resume(s->trainer, &s->resumed, e);
}

/* What trains is counted where the most does: in the last epoch. */
static bool write_size(const struct session *s, const struct train_config *cfg, struct err *e)
{
    const struct freeze *f = &s->trainer->freeze;
    struct model_size size = {
        .parameters = (int64_t)s->net.graph->n_value,
        .trained = (int64_t)freeze_trained(f, freeze_upto(f, cfg->loop.epochs - 1)),
        .macs = graph_macs(s->net.graph)};
    return record_write_size(&s->run, &size, e);
}

static bool open_all(struct session *s, const struct session_request *r, struct err *e)
{
    struct train_config *cfg = r->cfg;
    if (!open_weights(s, r, e) || !train_resolve(cfg, e) || !open_data(s, r, e) ||
        !(s->backend = backend_open(cfg->loop.backend, (int)cfg->loop.threads, e)) ||
        !precision_choose(s->backend, cfg->loop.precision, &s->compute, e) ||
        (r->out && !run_open(&s->run, r->out, e)) || !prepare(s, r, e) || !split(s, r, e))
        return false;
    if (s->n_train < 2)
        return err_set(e, ERR_DATA, "%s: %d pictures to train on; at least 2 are needed",
                       r->data, s->n_train);
    if (!make_network(s, r, e))
        return false;
    list_facts(s, r);
    bool begun = is_begun(s, r);
    if (begun && !keep_record(s, r, e))
        return false;
    s->train = make_loader(s, r, true, e);
    if (!s->train || (s->n_val > 0 && !(s->val = make_loader(s, r, false, e))) ||
        !make_trainer(s, r, e))
        return false;
    /* a new run is recorded last: what cannot be shall not stand in its place's way */
    return !r->out ||
           (run_need_space(&s->run, 2 * trainer_checkpoint_bytes(s->trainer) + SPARE_BYTES,
                           e) &&
            (begun || keep_record(s, r, e)) && take_up(s, r, e) && write_size(s, cfg, e));
}

bool session_open(struct session *s, const struct session_request *r, struct err *e)
{
    *s = (struct session){0};
    if (open_all(s, r, e))
        return true;
    session_close(s);
    return false;
}

void session_close(struct session *s)
{
    trainer_free(s->trainer);
    loader_free(s->train);
    loader_free(s->val);
    cache_close(s->cache);
    network_release(&s->net);
    pretrained_close(&s->pretrained);
    mem_free(s->index[FRONTIER_TRAIN]);
    mem_free(s->index[FRONTIER_VAL]);
    run_close(&s->run);
    backend_close(s->backend);
    mem_free(s->in_val);
    if (s->val_data != s->data)
        dataset_free(s->val_data);
    dataset_free(s->data);
    arena_release(&s->arena);
    *s = (struct session){0};
}
