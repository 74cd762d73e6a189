#include "train/predict.h"

#include "augment/augment.h"
#include "base/parallel.h"
#include "data/picture.h"
#include "train/evaluate.h"
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

bool predictor_open(struct predictor *p, const char *path, int n_thread, int max_n,
                    struct err *e)
{
    *p = (struct predictor){.max_n = max_n};
    char *file = model_file(path, false, e);
    bool ok = file && network_load(&p->net, file, e);
    mem_free(file);
    ok = ok && (p->backend = backend_open("auto", n_thread, e)) != NULL;
    if (ok) {
        struct evaluation_request r = {
            .backend = p->backend, .net = &p->net, .max_n = max_n, .compute = DTYPE_F32};
        size_t side = (size_t)p->net.pre.size_px, n = (size_t)max_n;
        ok = (p->plan = evaluation_plan(&r, e)) != NULL &&
             (p->pixel = mem_new(n, side * side * 3, e)) != NULL &&
             (p->logits = mem_new(n * (size_t)p->net.n_class, sizeof(float), e)) != NULL;
    }
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
    mem_free(p->logits);
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

bool predictor_run(struct predictor *p, struct picture *of, int n, struct err *e)
{
    struct decoding d = {p, of};
    parallel_for(p->backend->n_thread, n, prepare, &d);
    return plan_feed(p->plan, p->net.model.input, p->pixel, n, e) &&
           plan_forward(p->plan, 0, e) && plan_read(p->plan, p->net.model.logits, p->logits, e);
}
