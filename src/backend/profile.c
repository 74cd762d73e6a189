/* Rows in memory, and as a JSON object of layer: kernel. */
#include "backend/profile.h"

#include "backend/cpu/isa.h"
#include "base/file.h"
#include "base/json.h"
#include "graph/op.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROFILE_MAX_BYTES = 16 << 20 };

char *profile_layer(const struct backend *b, const struct plan_request *r, const struct node *n,
                    char *text, size_t size)
{
    char in[64], out[64], weight[64] = "";
    if (n->n_weight >
        0) /* shape_text leaves the first extent out: it is the output's channels */
        shape_text(&n->weight[0].shape, weight, sizeof(weight));
    snprintf(text, size, "%s %s to %s, weight %s, batch %d, %s %s, %s/%s, %d threads",
             n->op->name, shape_text(&n->in[0]->out, in, sizeof(in)),
             shape_text(&n->out, out, sizeof(out)), weight, r->max_n,
             r->mode == MODE_TRAIN ? "training" : "evaluation",
             r->compute == DTYPE_BF16 ? "bf16" : "fp32", b->ops->name,
             b->isa ? b->isa->name : "plain", b->n_thread);
    return text;
}

const char *profile_find(const struct profile *p, const char *layer)
{
    for (int i = 0; p && i < p->n; i++)
        if (!strcmp(p->row[i].layer, layer))
            return p->row[i].kernel;
    return NULL;
}

bool profile_set(struct profile *p, const char *layer, const char *kernel, struct err *e)
{
    const char *name = arena_text(&p->arena, kernel, e);
    if (!name)
        return false;
    for (int i = 0; i < p->n; i++)
        if (!strcmp(p->row[i].layer, layer)) {
            p->row[i].kernel = name;
            return true;
        }
    if (p->n == p->room) {
        int room = p->room ? 2 * p->room : 32;
        void *grown = mem_grow(p->row, (size_t)p->n, (size_t)room, sizeof(*p->row), e);
        if (!grown)
            return false;
        p->row = grown;
        p->room = room;
    }
    p->row[p->n] = (struct profile_row){arena_text(&p->arena, layer, e), name};
    return p->row[p->n].layer && ++p->n;
}

static bool read_rows(struct profile *p, const char *text, size_t n, struct err *e)
{
    struct arena arena = {NULL};
    const struct json *v = json_parse(text, n, &arena, e);
    bool ok = v && (v->type == JSON_OBJECT || err_set(e, ERR_USAGE, "not a JSON object"));
    for (int i = 0; ok && i < v->n; i++)
        ok = v->item[i].type == JSON_STRING
                 ? profile_set(p, v->key[i], v->item[i].text, e)
                 : err_set(e, ERR_USAGE, "'%s' is not a kernel's name", v->key[i]);
    arena_release(&arena);
    return ok;
}

bool profile_read(struct profile *p, const char *path, struct err *e)
{
    uint8_t *byte = NULL;
    size_t n = 0;
    if (access(path, F_OK) != 0)
        return true;
    if (!file_read(path, PROFILE_MAX_BYTES, ERR_STORAGE, &byte, &n, e))
        return false;
    bool ok = read_rows(p, (const char *)byte, n, e) ||
              err_in(e, "%s (remove it, or write it anew with linnet bench --tune)", path);
    mem_free(byte);
    return ok;
}

bool profile_write(const struct profile *p, const char *path, struct err *e)
{
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    for (int i = 0; i < p->n; i++)
        json_put_text(&w, p->row[i].layer, p->row[i].kernel);
    json_close(&w, '}');
    bool ok =
        json_done(&w, e) && file_write_atomic(path, &(struct file_part){w.text, w.n}, 1, e);
    json_writer_release(&w);
    return ok;
}

void profile_release(struct profile *p)
{
    arena_release(&p->arena);
    mem_free(p->row);
    *p = (struct profile){0};
}
