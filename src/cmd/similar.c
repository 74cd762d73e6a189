/* linnet similar: the pictures of a folder that look most like one, by the cosine of their features;
 * where they lie in sub-folders, also the class that the nearest vote for. */
#include "cmd/features.h"
#include "train/neighbours.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FORMAT_TEXT, FORMAT_JSON };
static const char *const formats[] = {"text", "json", NULL};

struct config {
    int64_t top, k;
    int format;
    struct inference inference;
};

#define AT(field) offsetof(struct config, field)
static const struct option options[] = {
    {.name = "top",
     .type = OPTION_INT,
     .offset = AT(top),
     .min.i = 1,
     .max.i = 10000,
     .fallback.i = 5,
     .group = "Output",
     .help = "pictures told of, the nearest first"},
    {.name = "k",
     .type = OPTION_INT,
     .offset = AT(k),
     .min.i = 1,
     .max.i = 10000,
     .fallback.i = 10,
     .help = "nearest pictures that vote for the class, each weighted by its similarity"},
    {.name = "format",
     .type = OPTION_CHOICE,
     .offset = AT(format),
     .choice = formats,
     .fallback.s = "text",
     .help = "how to print"},
    {.name = NULL},
};

/* Row 0 is the picture that others are compared with. */
struct search {
    const struct config *cfg;
    const struct features *features;
    const char **label; /* (features.n) */
    bool *skip;         /* (features.n): is the picture itself */
    struct neighbour *nearest;
    int n_nearest;
    struct vote vote;
};

/* What is told of a neighbour is its distance, 1 - cosine, and rounding is no distance below 0. */
static double distance(const struct neighbour *n)
{
    return n->similarity < 1 ? 1 - n->similarity : 0;
}

static int least(int64_t a, int b)
{
    return a < b ? (int)a : b;
}

static void print_text(const struct search *s)
{
    const struct picture *const *of = s->features->of;
    printf("%s", of[0]->name);
    if (s->vote.label)
        printf(": %s %.1f %% (%d of %d neighbours)", s->vote.label, 100 * s->vote.share,
               s->vote.n, s->vote.of);
    putchar('\n');
    for (int i = 0; i < least(s->cfg->top, s->n_nearest); i++)
        printf("  %.4f  %s\n", distance(&s->nearest[i]), of[s->nearest[i].row]->name);
}

static void put_vote(struct json_writer *w, const struct vote *v)
{
    json_open(w, "class", '{');
    json_put_text(w, "name", v->label);
    json_put_real(w, "share", v->share);
    json_put_int(w, "votes", v->n);
    json_put_int(w, "voters", v->of);
    json_close(w, '}');
}

static bool print_json(const struct search *s, struct err *e)
{
    const struct picture *const *of = s->features->of;
    struct json_writer w = {.lines = true};
    json_open(&w, NULL, '{');
    json_put_text(&w, "file", of[0]->name);
    if (s->vote.label)
        put_vote(&w, &s->vote);
    json_open(&w, "nearest", '[');
    for (int i = 0; i < least(s->cfg->top, s->n_nearest); i++) {
        const struct picture *near = of[s->nearest[i].row];
        json_open(&w, NULL, '{');
        json_put_text(&w, "file", near->name);
        json_put_text(&w, "label", near->folder);
        json_put_real(&w, "distance", distance(&s->nearest[i]));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    bool ok = json_done(&w, e);
    if (ok)
        puts(w.text);
    json_writer_release(&w);
    return ok;
}

/* The picture may lie in the folder too, by any name: it is no neighbour of itself. */
static void leave_out_itself(struct search *s)
{
    struct stat own, other;
    const struct features *f = s->features;
    bool file = !f->of[0]->byte && stat(f->of[0]->name, &own) == 0;
    s->skip[0] = true;
    for (int i = 1; file && i < f->n; i++)
        s->skip[i] = stat(f->of[i]->name, &other) == 0 && own.st_dev == other.st_dev &&
                     own.st_ino == other.st_ino;
}

static bool find(struct search *s, struct err *e)
{
    const struct features *f = s->features;
    const struct config *c = s->cfg;
    int most = least(c->top > c->k ? c->top : c->k, f->n);
    size_t n = (size_t)f->n;
    if (!(s->label = mem_new(n, sizeof(*s->label), e)) ||
        !(s->skip = mem_new(n, sizeof(*s->skip), e)) ||
        !(s->nearest = mem_new((size_t)most, sizeof(*s->nearest), e)))
        return false;
    for (int i = 0; i < f->n; i++)
        s->label[i] = f->of[i]->folder;
    leave_out_itself(s);
    struct neighbours_query q = {
        .of = f->row, .row = f->row, .n = f->n, .dim = f->dim, .skip = s->skip};
    s->n_nearest = neighbours_find(&q, s->nearest, most);
    s->vote = neighbours_vote(s->nearest, least(c->k, s->n_nearest), s->label);
    return s->n_nearest > 0 ||
           err_set(e, ERR_DATA, "no other picture to compare %s with", f->of[0]->name);
}

static bool search(const struct config *c, const struct features *f, struct err *e)
{
    struct search s = {.cfg = c, .features = f};
    bool ok = find(&s, e);
    if (ok && c->format == FORMAT_TEXT)
        print_text(&s);
    else if (ok)
        ok = print_json(&s, e);
    mem_free(s.label);
    mem_free(s.skip);
    mem_free(s.nearest);
    return ok;
}

/* PHOTO and DIR alone are compared by the smallest model that is good at it. */
static const char *const usual_model = "mobilenet_v2";

static bool search_all(const struct config *c, struct predictor *p, struct listing *l,
                       struct err *e)
{
    struct features f = {0};
    int bad;
    bool ok = features_read(&f, "similar", p, l, &bad, e);
    if (ok && (f.n == 0 || f.of[0] != &l->at[0]))
        ok = err_set(e, ERR_DATA, "%s: nothing to compare with", l->at[0].name);
    ok = ok && search(c, &f, e);
    features_release(&f);
    return ok;
}

static bool run(struct call *call, struct err *e)
{
    const struct config *c = call->config;
    struct inference inf = c->inference;
    struct listing l = {0};
    struct predictor p = {0};
    if (call->n_operand == 2 && !inf.model)
        inf.model = usual_model;
    int first = inference_operands(&inf);
    const char *photo = call->operand[first];
    if (call->n_operand != first + 2)
        return err_set(e, ERR_USAGE, "\"%s\" is one too many: PHOTO and DIR come after --model",
                       call->operand[call->n_operand - 1]);
    bool ok = inference_open(&inf, call, true, &p, &l, e);
    if (ok && strcmp(l.at[0].name, photo) != 0)
        ok = err_set(e, ERR_USAGE, "%s is a folder: PHOTO is one picture", photo);
    ok = ok && search_all(c, &p, &l, e);
    predictor_close(&p);
    listing_release(&l);
    return ok;
}

const struct command command_similar = {
    .name = "similar",
    .synopsis = "similar RUN|--model NAME PHOTO DIR [options]",
    .summary = "the pictures of a folder that look most like one",
    .about =
        "RUN is a run directory or a model file; --model takes its place, and without either "
        "it\n"
        "is mobilenet_v2. PHOTO is a picture, or - for one on stdin; DIR the folder it is\n"
        "compared with. Distances are 1 - cosine of the features that the last layer reads.\n"
        "Where DIR has sub-folders, their names are classes, and the nearest vote for one.",
    .min_operand = 2,
    .max_operand = 3,
    .config_size = sizeof(struct config),
    .options =
        (const struct command_options[]){
            {options, 0}, {inference_options, offsetof(struct config, inference)}, {0}},
    .run = run,
};
