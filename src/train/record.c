#include "train/record.h"
#include "base/machine.h"

#include "base/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { MAX_RECORD = 16 << 20, MAX_VALUE = 1024 };

void facts_add(struct facts *f, const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    f->at[f->n].name = name;
    vsnprintf(f->at[f->n].text, sizeof(f->at->text), fmt, args);
    f->n++;
    va_end(args);
}

void changes_add(struct changes *c, const char *name, const char *was, const char *is)
{
    size_t at = strlen(c->text);
    snprintf(c->text + at, sizeof(c->text) - at, "%s%s was %s, is %s", c->n ? "; " : "", name,
             was, is);
    c->n++;
}

bool record_unchanged(const char *dir, const struct changes *c, struct err *e)
{
    return c->n == 0 ||
           err_set(e, ERR_USAGE,
                   "%s: would not go on as it began: %s (--force goes on all the same)", dir,
                   c->text);
}

bool record_read_json(const char *dir, const char *name, const struct json **out,
                      struct arena *a, struct err *e)
{
    char *path = run_path(dir, name, e);
    uint8_t *byte = NULL;
    size_t n;
    bool ok = path && file_read(path, MAX_RECORD, ERR_USAGE, &byte, &n, e);
    if (ok && !(*out = json_parse((const char *)byte, n, a, e))) {
        e->kind = e->kind == ERR_NOMEM ? ERR_NOMEM : ERR_STORAGE;
        ok = err_in(e, "%s", path);
    }
    mem_free(byte);
    mem_free(path);
    return ok;
}

static bool write_json(const struct run *r, const char *name, struct json_writer *w,
                       struct err *e)
{
    json_close(w, '}');
    bool ok = json_done(w, e) && run_write(r, name, w->text, w->n, e);
    json_writer_release(w);
    return ok;
}

bool record_write_config(const struct run *r, struct train_config *cfg, const char *data,
                         const struct changes *forced, struct err *e)
{
    struct option_table table[TRAIN_MAX_TABLES];
    int n = train_tables(cfg, table);
    struct json_writer w = {.lines = true};
    json_open(&w, NULL, '{');
    json_put_text(&w, "data", data);
    if (forced && forced->n)
        json_put_text(&w, "forced", forced->text);
    json_open(&w, "options", '{');
    if (!option_write_json(table, n, &w, e)) {
        json_writer_release(&w);
        return false;
    }
    json_close(&w, '}');
    return write_json(r, "config.json", &w, e);
}

bool record_read_config(const char *dir, struct train_config *cfg, const char **data,
                        struct arena *a, struct err *e)
{
    struct option_table table[TRAIN_MAX_TABLES];
    int n = train_tables(cfg, table);
    const struct json *root, *options;
    if (!record_read_json(dir, "config.json", &root, a, e) || !option_defaults(table, n, a, e))
        return false;
    *data = json_text(root, "data", NULL);
    options = json_get(root, "options");
    if (!*data || !options)
        return err_set(e, ERR_STORAGE, "%s/config.json: no data or no options in it", dir);
    return option_read_json(table, n, options, a, e) || err_in(e, "%s/config.json", dir);
}

void record_compare_config(struct train_config *now, struct train_config *stored,
                           struct changes *c)
{
    struct option_table new_table[TRAIN_MAX_TABLES], old_table[TRAIN_MAX_TABLES];
    int n = train_tables(now, new_table);
    train_tables(stored, old_table);
    for (int t = 0; t < n; t++)
        for (const struct option *row = new_table[t].row; row->name; row++) {
            char is[MAX_VALUE], was[MAX_VALUE];
            option_text(row, new_table[t].into, is, sizeof(is));
            option_text(row, old_table[t].into, was, sizeof(was));
            if (strcmp(is, was) != 0 && !train_option_is_free(row->name))
                changes_add(c, row->name, was, is);
        }
}

bool record_write_facts(const struct run *r, const struct facts *f, struct err *e)
{
    struct utsname u;
    char cpu[256];
    struct json_writer w = {.lines = true};
    uname(&u);
    json_open(&w, NULL, '{');
    json_open(&w, "must_not_change", '{');
    for (int i = 0; i < f->n; i++)
        json_put_text(&w, f->at[i].name, f->at[i].text);
    json_close(&w, '}');
    json_open(&w, "machine", '{');
    json_put_text(&w, "processor", machine_processor(cpu, sizeof(cpu)));
    json_put_int(&w, "processors", sysconf(_SC_NPROCESSORS_ONLN));
    json_put_text(&w, "system", u.sysname);
    json_put_text(&w, "release", u.release);
    json_close(&w, '}');
    return write_json(r, "environment.json", &w, e);
}

bool record_compare_facts(const struct run *r, const struct facts *f, struct changes *c,
                          struct err *e)
{
    struct arena a = {0};
    const struct json *root;
    bool ok = record_read_json(r->dir, "environment.json", &root, &a, e);
    const struct json *old = ok ? json_get(root, "must_not_change") : NULL;
    for (int i = 0; ok && i < f->n; i++) {
        const char *was = json_text(old, f->at[i].name, "not stated");
        if (strcmp(was, f->at[i].text) != 0)
            changes_add(c, f->at[i].name, was, f->at[i].text);
    }
    arena_release(&a);
    return ok;
}

bool record_write_size(const struct run *r, const struct model_size *size, struct err *e)
{
    struct json_writer w = {.lines = true};
    json_open(&w, NULL, '{');
    json_put_int(&w, "parameters", size->parameters);
    json_put_int(&w, "trained_parameters", size->trained);
    json_put_int(&w, "multiply_adds", size->macs);
    return write_json(r, "model.json", &w, e);
}

bool record_read_size(const char *dir, struct model_size *size, struct arena *a, struct err *e)
{
    const struct json *root;
    if (!record_read_json(dir, "model.json", &root, a, e))
        return false;
    *size = (struct model_size){.parameters = json_int(root, "parameters", -1),
                                .trained = json_int(root, "trained_parameters", -1),
                                .macs = json_int(root, "multiply_adds", -1)};
    return true;
}

static void put_plan(struct json_writer *w, const char *which, const struct plan *p)
{
    json_open(w, which, '[');
    for (int i = 0; p && plan_describe(p, i); i++) {
        struct plan_choice c = plan_chosen(p, i);
        json_open(w, NULL, '{');
        json_put_text(w, "node", c.node);
        json_put_text(w, "kernel", c.kernel);
        json_put_text(w, "group", plan_describe(p, i));
        json_close(w, '}');
    }
    json_close(w, ']');
}

bool record_write_plans(const struct run *r, const struct plan *train, const struct plan *eval,
                        struct err *e)
{
    struct json_writer w = {.lines = true};
    json_open(&w, NULL, '{');
    put_plan(&w, "train", train);
    put_plan(&w, "eval", eval);
    return write_json(r, "plan.json", &w, e);
}

bool record_read_plan(const struct run *r, const char *which, const struct plan_choice **out,
                      struct arena *a, struct err *e)
{
    const struct json *root, *list;
    *out = NULL;
    if (!run_has(r, "plan.json"))
        return true;
    if (!record_read_json(r->dir, "plan.json", &root, a, e))
        return false;
    list = json_get(root, which);
    size_t n = list && list->type == JSON_ARRAY ? (size_t)list->n : 0;
    struct plan_choice *choice = arena_new(a, n + 1, sizeof(*choice), e);
    for (size_t i = 0; choice && i < n; i++)
        choice[i] = (struct plan_choice){json_text(&list->item[i], "node", ""),
                                         json_text(&list->item[i], "kernel", "")};
    *out = choice;
    return choice != NULL;
}
