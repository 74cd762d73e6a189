#include "cmd/inference.h"
#include "cmd/progress.h"
#include "cmd/stop.h"
#include "train/pretrained.h"

#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct inference, field)
const struct option inference_options[] = {
    {.name = "model",
     .type = OPTION_STRING,
     .offset = AT(model),
     .group = "Pretrained, in place of RUN",
     .help = "architecture: mobilenet_v2, ...; linnet zoo lists them"},
    {.name = "weights",
     .type = OPTION_STRING,
     .offset = AT(weights),
     .help =
         "its weights: a .pth or .safetensors file, or a name of the zoo; default: those that "
         "linnet pull got"},
    {.name = "size",
     .type = OPTION_INT,
     .offset = AT(size),
     .max.i = 4096,
     .help = "side of its input, in pixels; 0 = the weights' own"},
    {.name = "batch",
     .type = OPTION_INT,
     .offset = AT(batch),
     .min.i = 1,
     .max.i = 4096,
     .fallback.i = 32,
     .group = "Machine",
     .help = "pictures at a time"},
    {.name = "threads",
     .type = OPTION_INT,
     .offset = AT(threads),
     .max.i = 1024,
     .help = "0 = all that this process may use"},
    {.name = NULL},
};

int inference_operands(const struct inference *s)
{
    return s->model || s->weights ? 0 : 1;
}

static bool choose_model(const char *name, struct model_config *out, struct arena *a,
                         struct err *e)
{
    struct option_table table[MODEL_MAX_TABLES];
    return option_defaults(table, model_tables(out, table), a, e) &&
           option_set(table, 1, "model", name, a, e);
}

static bool open_pretrained(const struct inference *s, struct arena *a, struct network *net,
                            struct err *e)
{
    struct model_config config;
    struct pretrained p = {0};
    if (!s->model)
        return err_set(e, ERR_USAGE, "--weights %s: --model says of which architecture",
                       s->weights);
    if (!choose_model(s->model, &config, a, e))
        return false;
    config.size = s->size;
    struct pretrained_spec spec = {.network = {.config = &config, .pre = &p.pre}};
    bool ok = pretrained_open(&p, s->weights ? s->weights : "default", &config, e) &&
              pretrained_network(net, &p, &spec, e);
    pretrained_close(&p);
    return ok;
}

bool inference_explain(const char *path, const char *command, struct err *e)
{
    struct err ignored = {0};
    struct state_dict s;
    if (e->kind != ERR_MODEL || !state_dict_open(&s, path, &ignored))
        return false;
    if (strcmp(s.format, "safetensors") != 0 || !seal_present(&s.safetensors))
        err_set(
            e, ERR_MODEL,
            "%s: weights that linnet did not write; %s--model NAME --weights %s says of which "
            "architecture",
            path, command, path);
    state_dict_close(&s);
    return false;
}

static bool open_network(const struct inference *s, const struct call *call,
                         struct network *net, struct err *e)
{
    if (inference_operands(s) == 0)
        return open_pretrained(s, call->arena, net, e);
    if (s->size > 0)
        return err_set(e, ERR_USAGE, "--size %lld: a trained model has its own",
                       (long long)s->size);
    return model_load(net, call->operand[0], e) || inference_explain(call->operand[0], "", e);
}

bool inference_open(const struct inference *s, const struct call *call, bool features,
                    struct predictor *p, struct listing *l, struct err *e)
{
    struct network net = {0};
    int first = inference_operands(s);
    l->arena = call->arena;
    if (call->n_operand <= first)
        return err_set(e, ERR_USAGE,
                       "%s and nothing else: pictures, and RUN or --model, are needed",
                       call->operand[0]);
    for (int i = first; i < call->n_operand; i++)
        if (!listing_add(l, call->operand[i], e))
            return false;
    if (l->n == 0)
        return err_set(e, ERR_DATA, "no pictures found");
    struct predictor_request r = {.n_thread = (int)s->threads,
                                  .max_n = l->n < (int)s->batch ? l->n : (int)s->batch,
                                  .features = features};
    return open_network(s, call, &net, e) && predictor_open(p, &net, &r, e);
}

static void draw(struct progress *bar, const char *label, int done, int total)
{
    char fact[48];
    snprintf(fact, sizeof(fact), "%d of %d", done, total);
    if (label)
        progress_draw(bar, &(struct progress_line){.label = label,
                                                   .share = (double)done / total,
                                                   .fact = (const char *[]){fact, NULL}});
}

static bool give_rows(const struct inference_each *s, struct progress *bar, struct picture *of,
                      int n, int *n_bad, struct err *e)
{
    const struct predictor *p = s->predictor;
    for (int i = 0; i < n; i++) {
        if (of[i].e.kind != ERR_NONE) {
            progress_say(bar, "linnet: %s: %s", s->command, of[i].e.msg);
            ++*n_bad;
        } else if (!s->row(s->ctx, &of[i], p->out + (size_t)i * (size_t)p->n_out, e)) {
            return false;
        }
    }
    return true;
}

static bool each(const struct inference_each *s, struct progress *bar, int *n_bad,
                 struct err *e)
{
    const volatile sig_atomic_t *stop = stop_watch();
    struct listing *l = s->listing;
    int most = s->predictor->max_n;
    for (int at = 0; at < l->n; at += most) {
        int n = l->n - at < most ? l->n - at : most;
        if (*stop) {
            e->signal = *stop;
            return err_set(e, ERR_INTERRUPTED, "stopped by signal %d", *stop);
        }
        draw(bar, s->label, at, l->n);
        if (!predictor_run(s->predictor, l->at + at, n, e) ||
            !give_rows(s, bar, l->at + at, n, n_bad, e))
            return false;
        fflush(stdout);
    }
    return true;
}

bool inference_each(const struct inference_each *s, int *n_bad, struct err *e)
{
    struct progress bar;
    progress_open(&bar, stderr);
    *n_bad = 0;
    bool ok = each(s, &bar, n_bad, e);
    progress_clear(&bar);
    return ok;
}
