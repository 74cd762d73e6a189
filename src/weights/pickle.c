/* A stack machine with one small function an opcode: the opcodes without one are refused. Nothing
 * walks values by recursion, so that no nesting can exhaust the stack. The opcodes are those of
 * Lib/pickletools.py. */
#include "weights/pickle.h"

#include "weights/pickle_name.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 256, BYTE_VALUES = 256 };

struct machine {
    struct pickle *p;
    const uint8_t *at, *end;
    struct pickle_value **stack;
    size_t n_stack, stack_room;
    struct pickle_value **memo;
    size_t memo_room;
    size_t mark[PICKLE_MAX_DEPTH]; /* heights of the stack */
    int n_mark;
    bool done, limited;                  /* limited: end is not that of the file */
    int arg;                             /* of the opcode at hand */
    struct pickle_value *shared, *small; /* None, False, True; 0 .. 255: they never change */
};

static bool refuse(struct err *e, const char *why)
{
    err_set(e, ERR_MODEL, "%s", why);
    return false; /* as the compiler must see */
}

/* *out = the next n bytes. */
static bool take(struct machine *m, size_t n, const uint8_t **out, struct err *e)
{
    if ((size_t)(m->end - m->at) < n)
        return refuse(e, m->limited ? "longer than 8 MiB" : "cut short");
    *out = m->at;
    m->at += n;
    return true;
}

static bool take_number(struct machine *m, int bytes, uint32_t *out, struct err *e)
{
    const uint8_t *p;
    if (!take(m, (size_t)bytes, &p, e))
        return false;
    *out = 0;
    for (int i = 0; i < bytes; i++)
        *out |= (uint32_t)p[i] << 8 * i;
    return true;
}

/* Room for element number `at` of a growing array of at most `most`. */
static bool reserve(struct pickle_value ***array, size_t *room, size_t at, size_t most,
                    const char *what, struct err *e)
{
    if (at >= most)
        return err_set(e, ERR_MODEL, "a %s of more than %zu values", what, most);
    if (at < *room)
        return true;
    size_t wanted = 2 * at < 256 ? 256 : 2 * at < most ? 2 * at : most;
    struct pickle_value **grown = mem_grow(*array, *room, wanted, sizeof(*grown), e);
    if (!grown)
        return false;
    *array = grown;
    *room = wanted;
    return true;
}

/* v may be NULL: its maker has told why. */
static bool push(struct machine *m, struct pickle_value *v, struct err *e)
{
    if (!v || !reserve(&m->stack, &m->stack_room, m->n_stack, PICKLE_MAX_STACK, "stack", e))
        return false;
    m->stack[m->n_stack++] = v;
    return true;
}

/* The n topmost values, the lowest first; none from below the last mark. */
static bool pop(struct machine *m, size_t n, struct pickle_value ***out, struct err *e)
{
    size_t floor = m->n_mark ? m->mark[m->n_mark - 1] : 0;
    if (m->n_stack - floor < n)
        return refuse(e, "takes more values than there are");
    m->n_stack -= n;
    *out = m->stack + m->n_stack;
    return true;
}

/* What stands above the last mark, which goes too. */
static bool pop_mark(struct machine *m, size_t *n, struct pickle_value ***out, struct err *e)
{
    if (m->n_mark == 0)
        return refuse(e, "takes a mark, and there is none");
    m->n_mark--;
    *n = m->n_stack - m->mark[m->n_mark];
    m->n_stack = m->mark[m->n_mark];
    *out = m->stack + m->n_stack;
    return true;
}

static bool op_mark(struct machine *m, struct err *e)
{
    if (m->n_mark == PICKLE_MAX_DEPTH)
        return refuse(e, "nests more than 64 deep");
    m->mark[m->n_mark++] = m->n_stack;
    return true;
}

static bool op_stop(struct machine *m, struct err *e)
{
    if (m->n_stack != 1 || m->n_mark != 0)
        return refuse(e, "ends with other than one value");
    m->p->root = m->stack[0];
    m->done = true;
    return true;
}

/* None, False or True. */
static bool op_shared(struct machine *m, struct err *e)
{
    return push(m, m->shared + m->arg, e);
}

static bool push_int(struct machine *m, int64_t i, struct err *e)
{
    if (i >= 0 && i < BYTE_VALUES)
        return push(m, m->small + i, e);
    struct pickle_value *v = pickle_new(m->p, PICKLE_INT, e);
    if (v)
        v->i = i;
    return push(m, v, e);
}

/* 1 or 2 bytes are unsigned, 4 are signed. */
static bool op_int(struct machine *m, struct err *e)
{
    uint32_t v;
    return take_number(m, m->arg, &v, e) && push_int(m, (int32_t)v, e);
}

/* Two's complement of n bytes; one that 8 bytes do not hold (the seed of some generator) is of no
 * use here. */
static bool op_long(struct machine *m, struct err *e)
{
    uint32_t n;
    const uint8_t *p;
    if (!take_number(m, 1, &n, e) || !take(m, n, &p, e))
        return false;
    if (n > 8) {
        struct pickle_value *v = pickle_new(m->p, PICKLE_OPAQUE, e);
        if (v) {
            v->text = "int";
            v->n = 3;
        }
        return push(m, v, e);
    }
    uint64_t i = n && p[n - 1] & 0x80 ? UINT64_MAX : 0;
    while (n > 0)
        i = i << 8 | p[--n];
    return push_int(m, (int64_t)i, e);
}

static bool op_real(struct machine *m, struct err *e)
{
    const uint8_t *p;
    struct pickle_value *v = pickle_new(m->p, PICKLE_REAL, e);
    uint64_t bits = 0;
    if (!v || !take(m, 8, &p, e))
        return false;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    memcpy(&v->real, &bits, sizeof(bits));
    return push(m, v, e);
}

/* Python 2's texts have one byte of length. */
static bool op_text(struct machine *m, struct err *e)
{
    uint32_t n;
    const uint8_t *p;
    if (!take_number(m, m->arg, &n, e) || !take(m, n, &p, e))
        return false;
    struct pickle_value *v = pickle_new(m->p, PICKLE_TEXT, e);
    if (v) {
        v->text = (const char *)p;
        v->n = n;
    }
    return push(m, v, e);
}

static bool op_empty(struct machine *m, struct err *e)
{
    return push(m, pickle_new(m->p, (enum pickle_type)m->arg, e), e);
}

static bool push_tuple(struct machine *m, struct pickle_value **item, size_t n, struct err *e)
{
    struct pickle_value *v = pickle_new(m->p, PICKLE_TUPLE, e);
    return v && pickle_hold(m->p, v, item, n, e) && push(m, v, e);
}

static bool op_tuple(struct machine *m, struct err *e)
{
    size_t n;
    struct pickle_value **item;
    return pop_mark(m, &n, &item, e) && push_tuple(m, item, n, e);
}

/* Of arg values. */
static bool op_tuple_of(struct machine *m, struct err *e)
{
    struct pickle_value **item;
    return pop(m, (size_t)m->arg, &item, e) && push_tuple(m, item, (size_t)m->arg, e);
}

/* The value that the popped ones are for, left in its place. */
static bool top(struct machine *m, struct pickle_value **out, struct err *e)
{
    struct pickle_value **v;
    if (!pop(m, 1, &v, e))
        return false;
    m->n_stack++;
    *out = *v;
    return true;
}

/* n values into the list or dict on top; an opaque object keeps none. */
static bool add(struct machine *m, enum pickle_type into, struct pickle_value **v, size_t n,
                struct err *e)
{
    struct pickle_value *target;
    if (!top(m, &target, e))
        return false;
    if (target->type == PICKLE_OPAQUE)
        return true;
    if (target->type != into) {
        char text[128];
        return err_set(e, ERR_MODEL, "sets items of a %s",
                       pickle_describe(target, text, sizeof(text)));
    }
    return pickle_hold(m->p, target, v, n, e);
}

static bool op_append(struct machine *m, struct err *e)
{
    struct pickle_value **v;
    return pop(m, 1, &v, e) && add(m, PICKLE_LIST, v, 1, e);
}

static bool op_appends(struct machine *m, struct err *e)
{
    size_t n;
    struct pickle_value **v;
    return pop_mark(m, &n, &v, e) && add(m, PICKLE_LIST, v, n, e);
}

static bool op_set_item(struct machine *m, struct err *e)
{
    struct pickle_value **v;
    return pop(m, 2, &v, e) && add(m, PICKLE_DICT, v, 2, e);
}

static bool op_set_items(struct machine *m, struct err *e)
{
    size_t n;
    struct pickle_value **v;
    if (!pop_mark(m, &n, &v, e))
        return false;
    return n % 2 ? refuse(e, "sets a key without a value") : add(m, PICKLE_DICT, v, n, e);
}

/* An index of arg bytes. */
static bool op_put(struct machine *m, struct err *e)
{
    uint32_t i;
    struct pickle_value *v;
    if (!take_number(m, m->arg, &i, e) || !top(m, &v, e) ||
        !reserve(&m->memo, &m->memo_room, i, PICKLE_MAX_MEMO, "memo", e))
        return false;
    m->memo[i] = v;
    return true;
}

static bool op_get(struct machine *m, struct err *e)
{
    uint32_t i;
    if (!take_number(m, m->arg, &i, e))
        return false;
    if (i >= m->memo_room || !m->memo[i])
        return err_set(e, ERR_MODEL, "takes value %u of the memo, which was never put there",
                       i);
    return push(m, m->memo[i], e);
}

/* The next line, without its end. */
static bool take_line(struct machine *m, const uint8_t **line, size_t *n, struct err *e)
{
    size_t left = (size_t)(m->end - m->at), most = left < MAX_NAME ? left : MAX_NAME;
    const uint8_t *end = memchr(m->at, '\n', most);
    if (!end)
        return refuse(e, left < MAX_NAME ? "cut short" : "a name of more than 256 bytes");
    *line = m->at;
    *n = (size_t)(end - m->at);
    m->at = end + 1;
    return true;
}

static bool op_global(struct machine *m, struct err *e)
{
    const uint8_t *module, *name;
    size_t n_module, n_name;
    if (!take_line(m, &module, &n_module, e) || !take_line(m, &name, &n_name, e))
        return false;
    struct pickle_value *v = pickle_new(m->p, PICKLE_GLOBAL, e);
    char *text = v ? pickle_room(m->p, n_module + 1 + n_name, 1, e) : NULL;
    if (!text)
        return false;
    memcpy(text, module, n_module);
    text[n_module] = '.';
    memcpy(text + n_module + 1, name, n_name);
    v->text = text;
    v->n = (uint32_t)(n_module + 1 + n_name);
    return pickle_name(v, e) && push(m, v, e);
}

static bool op_reduce(struct machine *m, struct err *e)
{
    struct pickle_value **v;
    return pop(m, 2, &v, e) && push(m, pickle_call(m->p, v[0], v[1], e), e);
}

/* An object of a class that is not known here; those that are, are made by calls. */
static bool op_new_object(struct machine *m, struct err *e)
{
    struct pickle_value **v;
    if (!pop(m, 2, &v, e))
        return false;
    if (v[0]->type != PICKLE_GLOBAL || v[0]->known || v[1]->type != PICKLE_TUPLE)
        return refuse(e, "makes an object of what is no class");
    struct pickle_value *made = pickle_new(m->p, PICKLE_OPAQUE, e);
    if (made) {
        made->text = v[0]->text;
        made->n = v[0]->n;
    }
    return push(m, made, e);
}

/* Attributes: an OrderedDict's _metadata and those of opaque objects are of no use. */
static bool op_build(struct machine *m, struct err *e)
{
    struct pickle_value **state, *target;
    if (!pop(m, 1, &state, e) || !top(m, &target, e))
        return false;
    enum pickle_type type = target->type == PICKLE_DICT ? PICKLE_DICT : PICKLE_TUPLE;
    if (target->type == PICKLE_OPAQUE || (target->attributes && state[0]->type == type))
        return true;
    char text[128];
    return err_set(e, ERR_MODEL, "sets attributes of a %s",
                   pickle_describe(target, text, sizeof(text)));
}

static bool op_persistent_id(struct machine *m, struct err *e)
{
    struct pickle_value **v;
    return pop(m, 1, &v, e) && push(m, pickle_find_storage(m->p, v[0], e), e);
}

static const struct {
    bool (*run)(struct machine *m, struct err *e);
    int arg;
} op[BYTE_VALUES] = {
    /* clang-format off */
    ['('] = {op_mark, 0},            ['.'] = {op_stop, 0},
    ['N'] = {op_shared, 0},          [0x89] = {op_shared, 1},     [0x88] = {op_shared, 2},
    ['K'] = {op_int, 1},             ['M'] = {op_int, 2},         ['J'] = {op_int, 4},
    [0x8a] = {op_long, 0},           ['G'] = {op_real, 0},
    ['X'] = {op_text, 4},            ['U'] = {op_text, 1},
    [']'] = {op_empty, PICKLE_LIST}, ['}'] = {op_empty, PICKLE_DICT},
    [')'] = {op_tuple_of, 0},        [0x85] = {op_tuple_of, 1},
    [0x86] = {op_tuple_of, 2},       [0x87] = {op_tuple_of, 3},   ['t'] = {op_tuple, 0},
    ['a'] = {op_append, 0},          ['e'] = {op_appends, 0},
    ['s'] = {op_set_item, 0},        ['u'] = {op_set_items, 0},
    ['q'] = {op_put, 1},             ['r'] = {op_put, 4},
    ['h'] = {op_get, 1},             ['j'] = {op_get, 4},
    ['c'] = {op_global, 0},          ['R'] = {op_reduce, 0},      [0x81] = {op_new_object, 0},
    ['b'] = {op_build, 0},           ['Q'] = {op_persistent_id, 0},
    /* clang-format on */
};

static bool begin(struct machine *m, struct err *e)
{
    if (m->end - m->at < 2 || m->at[0] != 0x80 || m->at[1] != 2)
        return refuse(e, "not a pickle of protocol 2, which is what torch.save writes");
    m->at += 2;
    struct pickle_value *v = pickle_room(m->p, BYTE_VALUES + 3, sizeof(*v), e);
    if (!v)
        return false;
    m->small = v;
    m->shared = v + BYTE_VALUES;
    for (int i = 0; i < BYTE_VALUES; i++)
        v[i] = (struct pickle_value){.type = PICKLE_INT, .i = i};
    for (int i = 0; i < 2; i++)
        m->shared[1 + i] = (struct pickle_value){.type = PICKLE_BOOL, .i = i};
    return true;
}

static bool run(struct machine *m, struct err *e)
{
    while (!m->done) {
        const uint8_t *code;
        if (!take(m, 1, &code, e))
            return false;
        if (!op[*code].run)
            return err_set(e, ERR_MODEL, "opcode 0x%02x, which torch.save does not write",
                           *code);
        m->arg = op[*code].arg;
        if (!op[*code].run(m, e))
            return false;
    }
    return true;
}

bool pickle_parse(struct pickle *p, const uint8_t *byte, size_t n, struct err *e)
{
    struct machine m = {.p = p, .at = byte, .limited = n > PICKLE_MAX_BYTES};
    m.end = byte + (m.limited ? PICKLE_MAX_BYTES : n);
    *p = (struct pickle){0};
    bool ok = begin(&m, e) && run(&m, e);
    p->used = (size_t)(m.at - byte);
    if (!ok)
        err_in(e, "pickle, before byte %zu", p->used);
    mem_free(m.stack);
    mem_free(m.memo);
    if (!ok)
        pickle_release(p);
    return ok;
}

void pickle_release(struct pickle *p)
{
    arena_release(&p->arena);
    *p = (struct pickle){0};
}
