/* linnet similar: the pictures of a folder that look most like one, by the cosine of their features;
 * where they lie in sub-folders, also the class that the nearest vote for. */
#include "cmd/inference.h"
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

/* The first of the listing is the picture that others are compared with. */
struct search {
    const struct config *cfg;
    const struct listing *listing;
    float *photo;       /* (dim) its features; NULL: not read yet */
    struct stat itself; /* st_ino 0: no file */
    const char **label; /* (listing.n) */
    struct neighbours near;
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
    const struct picture *of = s->listing->at;
    printf("%s", of[0].name);
    if (s->vote.label)
        printf(": %s %.1f %% (%d of %d neighbours)", s->vote.label, 100 * s->vote.share,
               s->vote.n, s->vote.of);
    putchar('\n');
    for (int i = 0; i < least(s->cfg->top, s->near.n); i++)
        printf("  %.4f  %s\n", distance(&s->near.out[i]), of[s->near.out[i].row].name);
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
    const struct picture *of = s->listing->at;
    struct json_writer w = {.lines = true};
    json_open(&w, NULL, '{');
    json_put_text(&w, "file", of[0].name);
    if (s->vote.label)
        put_vote(&w, &s->vote);
    json_open(&w, "nearest", '[');
    for (int i = 0; i < least(s->cfg->top, s->near.n); i++) {
        const struct picture *near = &of[s->near.out[i].row];
        json_open(&w, NULL, '{');
        json_put_text(&w, "file", near->name);
        json_put_text(&w, "label", near->folder);
        json_put_real(&w, "distance", distance(&s->near.out[i]));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    return json_print(&w, e);
}

/* The picture may lie in the folder too, by any name: it is no neighbour of itself. */
static bool is_itself(const struct search *s, const struct picture *of)
{
    struct stat other;
    return s->itself.st_ino && stat(of->name, &other) == 0 &&
           s->itself.st_dev == other.st_dev && s->itself.st_ino == other.st_ino;
}

/* Only the photo's features are kept, and those of no other picture: a folder may be of any size. */
static bool take(void *ctx, const struct picture *of, const float *row, struct err *e)
{
    struct search *s = ctx;
    const struct picture *photo = s->listing->at;
    size_t bytes = (size_t)s->near.dim * sizeof(*row);
    if (of == photo) {
        if (!photo->byte && stat(photo->name, &s->itself) != 0)
            s->itself.st_ino = 0;
        if ((s->photo = mem_new(1, bytes, e)) != NULL)
            memcpy(s->photo, row, bytes);
        s->near.of = s->photo;
        return s->photo != NULL;
    }
    if (!s->photo)
        return err_set(e, ERR_DATA, "%s: nothing to compare with", photo->name);
    if (!is_itself(s, of))
        neighbours_add(&s->near, (int)(of - photo), row);
    return true;
}

static bool find(struct search *s, struct predictor *p, struct listing *l, struct err *e)
{
    int bad;
    int64_t most = s->cfg->top > s->cfg->k ? s->cfg->top : s->cfg->k;
    struct inference_each all = {.command = "similar",
                                 .predictor = p,
                                 .listing = l,
                                 .row = take,
                                 .ctx = s,
                                 .label = "features"};
    s->near = (struct neighbours){.dim = p->n_out, .k = least(most, l->n)};
    if (!(s->label = mem_new((size_t)l->n, sizeof(*s->label), e)) ||
        !(s->near.out = mem_new((size_t)s->near.k, sizeof(*s->near.out), e)) ||
        !inference_each(&all, &bad, e))
        return false;
    for (int i = 0; i < l->n; i++)
        s->label[i] = l->at[i].folder;
    if (!s->photo)
        return err_set(e, ERR_DATA, "%s: nothing to compare with", l->at[0].name);
    s->vote = neighbours_vote(s->near.out, least(s->cfg->k, s->near.n), s->label);
    return s->near.n > 0 ||
           err_set(e, ERR_DATA, "no other picture to compare %s with", l->at[0].name);
}

static bool search(const struct config *c, struct predictor *p, struct listing *l,
                   struct err *e)
{
    struct search s = {.cfg = c, .listing = l};
    bool ok = find(&s, p, l, e);
    if (ok && c->format == FORMAT_TEXT)
        print_text(&s);
    else if (ok)
        ok = print_json(&s, e);
    mem_free(s.photo);
    mem_free(s.label);
    mem_free(s.near.out);
    return ok;
}

/* PHOTO and DIR alone are compared by the smallest model that is good at it. */
static const char *const usual_model = "mobilenet_v2";

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
    ok = ok && search(c, &p, &l, e);
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
