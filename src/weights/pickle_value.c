/* The values of a pickle: made in its arena within its share of memory, and looked at. */
#include "weights/pickle_name.h"

#include <stdio.h>
#include <string.h>

static bool refuse(struct err *e, const char *why)
{
    return err_set(e, ERR_MODEL, "%s", why);
}

void *pickle_room(struct pickle *p, size_t n, size_t size, struct err *e)
{
    if (n > PICKLE_MAX_MEMORY / size || p->memory + n * size > PICKLE_MAX_MEMORY) {
        refuse(e, "more values than 30 MiB hold");
        return NULL;
    }
    p->memory += n * size;
    return arena_new(&p->arena, n, size, e);
}

struct pickle_value *pickle_new(struct pickle *p, enum pickle_type type, struct err *e)
{
    struct pickle_value *v = pickle_room(p, 1, sizeof(*v), e);
    if (v)
        v->type = (uint8_t)type;
    return v;
}

/* What an array of n values has room for: it doubles. */
static size_t room_of(size_t n)
{
    size_t room = n > 0;
    while (room < n)
        room *= 2;
    return room;
}

bool pickle_hold(struct pickle *p, struct pickle_value *into, struct pickle_value **v, size_t n,
                 struct err *e)
{
    size_t used = into->n, room = room_of(used + n);
    if (room > room_of(used)) {
        struct pickle_value **grown = pickle_room(p, room, sizeof(*grown), e);
        if (!grown)
            return false;
        if (used)
            memcpy(grown, into->item, used * sizeof(*grown));
        into->item = grown;
    }
    for (size_t i = 0; i < n; i++) {
        if (v[i]->depth >= PICKLE_MAX_DEPTH)
            return refuse(e, "nests more than 64 deep");
        into->item[used + i] = v[i];
        if (into->depth <= v[i]->depth)
            into->depth = (uint8_t)(v[i]->depth + 1);
    }
    into->n = (uint32_t)(used + n);
    return true;
}

bool pickle_text_is(const struct pickle_value *v, const char *text)
{
    return v && v->type == PICKLE_TEXT && v->n == strlen(text) &&
           memcmp(v->text, text, v->n) == 0;
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key)
{
    for (uint32_t i = dict && dict->type == PICKLE_DICT ? dict->n : 0; i >= 2; i -= 2)
        if (pickle_text_is(dict->item[i - 2], key))
            return dict->item[i - 1];
    return NULL;
}

const char *pickle_describe(const struct pickle_value *v, char *out, size_t size)
{
    static const char *const name[] = {
        [PICKLE_NONE] = "None",       [PICKLE_BOOL] = "bool",     [PICKLE_INT] = "int",
        [PICKLE_REAL] = "float",      [PICKLE_TEXT] = "text",     [PICKLE_TUPLE] = "tuple",
        [PICKLE_LIST] = "list",       [PICKLE_DICT] = "dict",     [PICKLE_GLOBAL] = "",
        [PICKLE_STORAGE] = "storage", [PICKLE_TENSOR] = "tensor", [PICKLE_OPAQUE] = "",
    };
    if (v->type == PICKLE_GLOBAL || v->type == PICKLE_OPAQUE)
        snprintf(out, size, "%.*s", (int)v->n, v->text);
    else
        snprintf(out, size, "%s", name[v->type]);
    return out;
}
