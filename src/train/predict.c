#include "train/predict.h"

#include "augment/augment.h"
#include "base/parallel.h"
#include "data/picture.h"
#include "train/run.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

char *model_file(const char *path, bool last, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        err_set(e, ERR_MODEL, "%s: %s; expected a run directory or a model file", path,
                strerror(errno));
        return NULL;
    }
    if (!S_ISDIR(st.st_mode))
        return mem_text(path, e);
    char *best = run_path(path, "best.safetensors", e);
    if (!best || (!last && stat(best, &st) == 0))
        return best;
    mem_free(best);
    char *newest = run_path(path, "last.safetensors", e);
    if (newest && stat(newest, &st) != 0) {
        err_set(e, ERR_MODEL, "%s: no model in it yet", path);
        mem_free(newest);
        return NULL;
    }
    return newest;
}

bool model_load(struct network *n, const char *path, struct err *e)
{
    char *file = model_file(path, false, e);
    bool ok = file && network_load(n, file, e);
    mem_free(file);
    return ok;
}

static bool choose_node(struct predictor *p, bool features, struct err *e)
{
    const struct model *m = &p->net.model;
    if (features && !m->head)
        return err_set(e, ERR_USAGE, "%s has no head, so no features before it", m->arch->name);
    p->node = features ? m->head->in[0] : m->logits;
    const struct shape *s = &p->node->out;
    p->n_out = s->dim[1];
    p->area = (int)(shape_count(s) / (size_t)p->n_out);
    return true;
}

static bool open_plan(struct predictor *p, const struct predictor_request *r, struct err *e)
{
    struct node *keep[] = {p->net.graph->node[p->node->id], NULL};
    struct plan_request request = {.graph = p->net.graph,
                                   .max_n = r->max_n,
                                   .mode = MODE_EVAL,
                                   .compute = DTYPE_F32,
                                   .keep = keep};
    p->plan = plan_new(p->backend, &request, p->net.weights, e);
    return p->plan != NULL;
}

bool predictor_open(struct predictor *p, struct network *take_net,
                    const struct predictor_request *r, struct err *e)
{
    *p = (struct predictor){.net = *take_net, .max_n = r->max_n};
    *take_net = (struct network){0};
    size_t side = (size_t)p->net.pre.size_px, n = (size_t)r->max_n;
    bool ok = choose_node(p, r->features, e) &&
              (p->backend = backend_open("auto", r->n_thread, e)) != NULL &&
              open_plan(p, r, e) && (p->pixel = mem_new(n, side * side * 3, e)) != NULL &&
              (p->raw = mem_new(n * shape_count(&p->node->out), sizeof(float), e)) != NULL &&
              (p->out = mem_new(n * (size_t)p->n_out, sizeof(float), e)) != NULL;
    if (!ok)
        predictor_close(p);
    return ok;
}

void predictor_close(struct predictor *p)
{
    plan_free(p->plan);
    network_release(&p->net);
    backend_close(p->backend);
    mem_free(p->pixel);
    mem_free(p->raw);
    mem_free(p->out);
    *p = (struct predictor){0};
}

struct decoding {
    struct predictor *p;
    struct picture *of;
};

/* The evaluation path of the loader: the starting picture, then its centre. */
static void prepare(void *ctx, int task, int thread)
{
    (void)thread;
    const struct decoding *d = ctx;
    static const struct augment_config centre_crop = {0};
    const struct preprocess *pre = &d->p->net.pre;
    struct picture *of = &d->of[task];
    size_t bytes = (size_t)pre->size_px * (size_t)pre->size_px * 3;
    uint8_t *out = d->p->pixel + (size_t)task * bytes;
    struct image im = {0};
    struct rng r = rng_at(0, RNG_AUGMENT, 0, 0);
    struct picture_rule rule = {pre->resize_px, pre->filter};
    of->e.kind = ERR_NONE;
    bool ok = of->byte ? decode_bytes(of->byte, of->n, 1, &im, NULL, &of->e) ||
                             err_in(&of->e, "%s", of->name)
                       : decode_file(of->name, 1, &im, NULL, &of->e);
    if (!ok)
        memset(out, 0, bytes);
    else if (!picture_scale(&im, rule, &of->e) ||
             !augment_apply(&centre_crop, pre->size_px, &r, &im, out, &of->e))
        err_in(&of->e, "%s", of->name);
    image_release(&im);
}

static void average(const struct predictor *p, int n)
{
    for (size_t i = 0; i < (size_t)n * (size_t)p->n_out; i++) {
        double sum = 0;
        for (int k = 0; k < p->area; k++)
            sum += p->raw[i * (size_t)p->area + (size_t)k];
        p->out[i] = (float)(sum / p->area);
    }
}

bool predictor_run(struct predictor *p, struct picture *of, int n, struct err *e)
{
    struct decoding d = {p, of};
    parallel_for(p->backend->n_thread, n, prepare, &d);
    if (!plan_feed(p->plan, p->net.model.input, p->pixel, n, e) ||
        !plan_forward(p->plan, 0, e) || !plan_read(p->plan, p->node, p->raw, e))
        return false;
    average(p, n);
    return true;
}
