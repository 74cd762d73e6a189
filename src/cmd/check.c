/* linnet check: every picture of a data set looked at once, its parts compared. Prints tables, or
 * JSON; writes nothing. */
#include "cmd/command.h"
#include "cmd/progress.h"
#include "cmd/table.h"
#include "data/inspect.h"

#include <stddef.h>
#include <string.h>

enum { MAX_PARTS = 3, SHOWN = 20 };

struct check_config {
    const char *train, *val, *test;
    int64_t threads;
    bool json, strict, all;
};

static const struct option check_options[] = {
    {.name = "train",
     .type = OPTION_STRING,
     .offset = offsetof(struct check_config, train),
     .group = "Data",
     .help = "folder of the training part below DIR; found by default (train, or DIR itself)"},
    {.name = "val",
     .type = OPTION_STRING,
     .offset = offsetof(struct check_config, val),
     .help = "folder of the validation part; found by default (val, beside test)"},
    {.name = "test",
     .type = OPTION_STRING,
     .offset = offsetof(struct check_config, test),
     .help = "folder of the test part; found by default (test, or val)"},
    {.name = "threads",
     .type = OPTION_INT,
     .offset = offsetof(struct check_config, threads),
     .max.i = 1024,
     .help = "decoding threads; 0 = all that the process may use"},
    {.name = "json",
     .type = OPTION_BOOL,
     .offset = offsetof(struct check_config, json),
     .group = "Output",
     .help = "everything found, as one JSON object"},
    {.name = "all",
     .type = OPTION_BOOL,
     .offset = offsetof(struct check_config, all),
     .help = "list everything found, not the first 20 of each kind"},
    {.name = "strict",
     .type = OPTION_BOOL,
     .offset = offsetof(struct check_config, strict),
     .help = "exit with 7 when parts share a picture, else with 3 when a file is unreadable"},
    {0},
};

/* The data set with what was found. */
struct checked {
    const char *path; /* DIR, as given */
    struct dataset *d[MAX_PARTS];
    enum part part[MAX_PARTS];
    int n_part;
    struct inspection in;
    int n_leak, n_conflict, n_bad, n_kind[FINDING_KINDS];
};

static const char *const part_name[] = {"train", "val", "test"};
static const char *const kind_name[] = {"same bytes", "same pixels", "near duplicate"};
static const struct {
    unsigned bit;
    const char *name;
} notes[] = {
    {IMAGE_NOTE_GREY, "grey"},         {IMAGE_NOTE_PALETTE, "palette"},
    {IMAGE_NOTE_ALPHA, "transparent"}, {IMAGE_NOTE_16_BIT, "16-bit"},
    {IMAGE_NOTE_CMYK, "CMYK"},         {IMAGE_NOTE_ROTATED, "rotated by EXIF"},
    {IMAGE_NOTE_ANIMATED, "animated"}, {IMAGE_NOTE_EXTENSION, "wrong extension"},
};

static bool open_parts(struct checked *k, const char *path, const struct check_config *cfg,
                       struct err *e)
{
    struct dataset_config data = {
        .path = path, .train = cfg->train, .val = cfg->val, .test = cfg->test, .lenient = true};
    for (int p = 0; p < MAX_PARTS; p++) {
        if (p != PART_TRAIN && !dataset_has(&data, (enum part)p))
            continue;
        k->part[k->n_part] = (enum part)p;
        k->d[k->n_part] = dataset_open(&data, (enum part)p, e);
        if (!k->d[k->n_part++])
            return false;
    }
    return true;
}

static void count(struct checked *k)
{
    k->n_bad = k->in.n_bad;
    for (int p = 0; p < k->n_part; p++)
        for (int i = 0; i < k->d[p]->n_issue; i++)
            k->n_bad += k->d[p]->issue[i].bad;
    for (int i = 0; i < k->in.n_finding; i++) {
        k->n_kind[k->in.finding[i].kind]++;
        k->n_leak += k->in.finding[i].leak;
        k->n_conflict += k->in.finding[i].conflict;
    }
}

/* path below DIR for a terminal: control characters as \xNN. */
static const char *shown(const struct checked *k, const char *path, char text[1024])
{
    struct err one_line;
    size_t n = strlen(k->path);
    bool below = !strncmp(path, k->path, n) && (path[n] == '/' || (n && path[n - 1] == '/'));
    err_set(&one_line, ERR_DATA, "%s", below ? path + n + (path[n] == '/') : path);
    snprintf(text, 1024, "%s", one_line.msg);
    return text;
}

static int count_note(const struct checked *k, int part, unsigned bit)
{
    int n = 0;
    for (int i = 0; i < k->in.n; i++)
        n += k->in.at[i].d == k->d[part] && !k->in.at[i].bad && (k->in.at[i].info.notes & bit);
    return n;
}

static void part_row(struct table *t, const struct checked *k, int p)
{
    const struct dataset *d = k->d[p];
    int bad = 0, skipped = 0, twice = 0, leaks = 0;
    for (int i = 0; i < d->n_issue; i++) {
        bad += d->issue[i].bad;
        skipped += d->issue[i].left_out && !d->issue[i].bad;
    }
    for (int i = 0; i < k->in.n; i++)
        bad += k->in.at[i].d == d && k->in.at[i].bad;
    for (int i = 0; i < k->in.n_finding; i++) {
        const struct finding *f = k->in.finding + i;
        twice += k->in.at[f->b].d == d && !f->leak;
        leaks += k->in.at[f->b].d == d && f->leak;
    }
    table_cell(t, "%s", part_name[k->part[p]]);
    table_cell(t, "%d", d->n_class);
    table_cell(t, "%d", d->n_sample);
    table_cell(t, "%d", bad);
    table_cell(t, "%d", twice);
    table_cell(t, "%d", leaks);
    table_cell(t, "%d", skipped);
}

/* One line: "odd in train: 173 grey, 2 palette". */
static void print_notes(const struct checked *k, int p)
{
    int n_shown = 0;
    for (size_t i = 0; i < COUNT_OF(notes); i++) {
        int n = count_note(k, p, notes[i].bit);
        if (n && n_shown++)
            printf(", %d %s", n, notes[i].name);
        else if (n)
            printf("odd in %s: %d %s", part_name[k->part[p]], n, notes[i].name);
    }
    printf("%s", n_shown ? "\n" : "");
}

static bool print_summary(const struct checked *k, struct err *e)
{
    static const char *const head[] = {"part",  "classes", "pictures", "unreadable",
                                       "twice", "leaks",   "skipped"};
    struct table t = {.align = "lrrrrrr", .head = true};
    for (size_t i = 0; i < COUNT_OF(head); i++)
        table_cell(&t, "%s", head[i]);
    for (int p = 0; p < k->n_part; p++)
        part_row(&t, k, p);
    if (!table_print(&t, stdout, e))
        return false;
    for (int p = 0; p < k->n_part; p++)
        print_notes(k, p);
    return true;
}

/* A heading and at most SHOWN rows; the caller asks before each row. */
struct list {
    const char *title;
    int n, limit;
};

static bool list_more(struct list *l)
{
    if (l->n == 0)
        printf("\n%s\n", l->title);
    return l->n++ < l->limit;
}

static void list_end(const struct list *l)
{
    if (l->n > l->limit)
        printf("  ... and %d more (--all lists them)\n", l->n - l->limit);
}

static void print_issues(const struct checked *k, int limit, bool bad)
{
    struct list l = {.title = bad ? "unreadable" : "skipped or odd", .limit = limit};
    char text[1024];
    for (int p = 0; p < k->n_part; p++)
        for (int i = 0; i < k->d[p]->n_issue; i++)
            if (k->d[p]->issue[i].bad == bad && list_more(&l))
                printf("  %s: %s\n", shown(k, k->d[p]->issue[i].path, text),
                       k->d[p]->issue[i].why);
    for (int i = 0; bad && i < k->in.n; i++) {
        const struct inspected *at = k->in.at + i;
        if (at->bad && list_more(&l))
            printf("  %s: %s\n", shown(k, at->d->sample[at->sample].path, text), at->bad);
    }
    list_end(&l);
}

static void print_odd(const struct checked *k, int limit)
{
    struct list l = {.title = "odd", .limit = limit};
    char text[1024];
    for (int i = 0; i < k->in.n; i++) {
        const struct inspected *at = k->in.at + i;
        unsigned odd = at->bad ? 0 : at->info.notes & ~(unsigned)IMAGE_NOTE_GREY;
        if (!odd || !list_more(&l))
            continue;
        printf("  %s:", shown(k, at->d->sample[at->sample].path, text));
        for (size_t n = 0; n < COUNT_OF(notes); n++)
            if (odd & notes[n].bit)
                printf(" %s", notes[n].name);
        printf(" (%s, %d x %d)\n", at->info.format, at->info.w, at->info.h);
    }
    list_end(&l);
}

static void print_findings(const struct checked *k, int limit, bool leak)
{
    struct list l = {.title = leak ? "leaks: the same picture in two parts" : "there twice",
                     .limit = limit};
    char text[2][1024];
    for (int i = 0; i < k->in.n_finding; i++) {
        const struct finding *f = k->in.finding + i;
        const struct inspected *a = k->in.at + f->a, *b = k->in.at + f->b;
        if (f->leak == leak && list_more(&l))
            printf("  %s: %s  and  %s%s\n", kind_name[f->kind],
                   shown(k, a->d->sample[a->sample].path, text[0]),
                   shown(k, b->d->sample[b->sample].path, text[1]),
                   f->conflict ? "  (of different classes)" : "");
    }
    list_end(&l);
}

static bool print_tables(const struct checked *k, const struct check_config *cfg, struct err *e)
{
    int limit = cfg->all ? INT32_MAX : SHOWN;
    if (!print_summary(k, e))
        return false;
    print_issues(k, limit, true);
    print_findings(k, limit, true);
    print_findings(k, limit, false);
    print_odd(k, limit);
    print_issues(k, limit, false);
    return true;
}

static void json_issues(const struct checked *k, struct json_writer *w, const char *key,
                        bool bad)
{
    json_open(w, key, '[');
    for (int p = 0; p < k->n_part; p++)
        for (int i = 0; i < k->d[p]->n_issue; i++) {
            const struct dataset_issue *at = k->d[p]->issue + i;
            if (at->bad != bad)
                continue;
            json_open(w, NULL, '{');
            json_put_text(w, "path", at->path);
            json_put_text(w, "why", at->why);
            json_close(w, '}');
        }
    for (int i = 0; bad && i < k->in.n; i++) {
        const struct inspected *at = k->in.at + i;
        if (!at->bad)
            continue;
        json_open(w, NULL, '{');
        json_put_text(w, "path", at->d->sample[at->sample].path);
        json_put_text(w, "why", at->bad);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void json_odd(const struct checked *k, struct json_writer *w)
{
    json_open(w, "odd", '[');
    for (int i = 0; i < k->in.n; i++) {
        const struct inspected *at = k->in.at + i;
        if (at->bad || !at->info.notes)
            continue;
        json_open(w, NULL, '{');
        json_put_text(w, "path", at->d->sample[at->sample].path);
        json_open(w, "notes", '[');
        for (size_t n = 0; n < COUNT_OF(notes); n++)
            if (at->info.notes & notes[n].bit)
                json_put_text(w, NULL, notes[n].name);
        json_close(w, ']');
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void json_findings(const struct checked *k, struct json_writer *w)
{
    json_open(w, "duplicates", '[');
    for (int i = 0; i < k->in.n_finding; i++) {
        const struct finding *f = k->in.finding + i;
        const struct inspected *a = k->in.at + f->a, *b = k->in.at + f->b;
        json_open(w, NULL, '{');
        json_put_text(w, "kind", kind_name[f->kind]);
        json_put_bool(w, "leak", f->leak);
        json_put_bool(w, "label_conflict", f->conflict);
        json_put_text(w, "first", a->d->sample[a->sample].path);
        json_put_text(w, "second", b->d->sample[b->sample].path);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static bool print_json(const struct checked *k, struct err *e)
{
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    json_open(&w, "parts", '[');
    for (int p = 0; p < k->n_part; p++) {
        json_open(&w, NULL, '{');
        json_put_text(&w, "part", part_name[k->part[p]]);
        json_put_text(&w, "root", k->d[p]->root);
        json_put_int(&w, "classes", k->d[p]->n_class);
        json_put_int(&w, "pictures", k->d[p]->n_sample);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_issues(k, &w, "unreadable", true);
    json_findings(k, &w);
    json_odd(k, &w);
    json_issues(k, &w, "skipped", false);
    json_close(&w, '}');
    bool ok = json_done(&w, e);
    if (ok)
        printf("%s\n", w.text);
    json_writer_release(&w);
    return ok;
}

static bool show_progress(void *ctx, int done, int total)
{
    struct progress_line line = {.label = "checking",
                                 .share = total ? (double)done / total : 1};
    char fact[64];
    const char *const facts[] = {fact, NULL};
    snprintf(fact, sizeof(fact), "%d of %d pictures", done, total);
    line.fact = facts;
    progress_draw(ctx, &line);
    return true;
}

static bool check_run(struct call *c, struct err *e)
{
    const struct check_config *cfg = c->config;
    struct checked k = {.path = c->operand[0]};
    struct progress progress;
    progress_open(&progress, stderr);
    bool ok = open_parts(&k, c->operand[0], cfg, e) &&
              inspect((const struct dataset *const *)k.d, k.part, k.n_part, (int)cfg->threads,
                      show_progress, &progress, &k.in, e);
    progress_clear(&progress);
    if (ok) {
        count(&k);
        ok = cfg->json ? print_json(&k, e) : print_tables(&k, cfg, e);
    }
    if (ok && cfg->strict && k.n_leak)
        ok = err_set(e, ERR_LEAK, "%s: %d pictures are in two parts", c->operand[0], k.n_leak);
    else if (ok && cfg->strict && k.n_bad)
        ok = err_set(e, ERR_DATA, "%s: %d files cannot be read", c->operand[0], k.n_bad);
    inspection_release(&k.in);
    for (int p = 0; p < k.n_part; p++)
        dataset_free(k.d[p]);
    return ok;
}

static const struct command_options options[] = {{check_options, 0}, {NULL, 0}};

const struct command command_check = {
    .name = "check",
    .synopsis = "check DIR [options]",
    .summary = "find unreadable, odd, duplicate and leaking pictures in a data set",
    .about =
        "Reads every picture of all parts, the test part too. A leak is a picture of one part "
        "that is\nin another: the same bytes, the same pixels, or nearly (resized, "
        "recompressed). Nothing is written.",
    .min_operand = 1,
    .max_operand = 1,
    .config_size = sizeof(struct check_config),
    .options = options,
    .run = check_run,
};
