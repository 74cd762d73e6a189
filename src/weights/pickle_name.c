/* One row a name. A "call" builds a value from its arguments: what the function of that name would
 * make of them, so far as weights need it. */
#include "weights/pickle_name.h"

#include <stdio.h>
#include <string.h>

enum role {
    ROLE_OPAQUE, /* may be called; what comes of it is of no use here */
    ROLE_DICT,
    ROLE_TENSOR,
    ROLE_PARAMETER,
    ROLE_STORAGE, /* of elements of dtype */
    ROLE_DTYPE,
};

static const struct known {
    const char *name;
    enum role role;
    enum st_dtype dtype;
    uint8_t n_least, n_most; /* arguments */
} rows[] = {
    {.name = ""}, /* 0: not known */
    {.name = "collections.OrderedDict", .role = ROLE_DICT, .n_most = 1},
    {"torch._utils._rebuild_tensor", ROLE_TENSOR, ST_F32, 4, 4}, /* before PyTorch 0.4 */
    {"torch._utils._rebuild_tensor_v2", ROLE_TENSOR, ST_F32, 6, 7},
    {"torch._utils._rebuild_tensor_v3", ROLE_TENSOR, ST_F32, 7, 8}, /* untyped, then a dtype */
    {"torch._utils._rebuild_parameter", ROLE_PARAMETER, ST_F32, 3, 3},
    {"torch._utils._rebuild_parameter_with_state", ROLE_PARAMETER, ST_F32, 4, 4},
    {"torch.nn.parameter.Parameter", ROLE_PARAMETER, ST_F32, 1, 2}, /* before PyTorch 0.4 */
    {"torch.FloatStorage", ROLE_STORAGE, ST_F32, 0, 0},
    {"torch.DoubleStorage", ROLE_STORAGE, ST_F64, 0, 0},
    {"torch.HalfStorage", ROLE_STORAGE, ST_F16, 0, 0},
    {"torch.BFloat16Storage", ROLE_STORAGE, ST_BF16, 0, 0},
    {"torch.LongStorage", ROLE_STORAGE, ST_I64, 0, 0},
    {"torch.IntStorage", ROLE_STORAGE, ST_I32, 0, 0},
    {"torch.ShortStorage", ROLE_STORAGE, ST_I16, 0, 0},
    {"torch.CharStorage", ROLE_STORAGE, ST_I8, 0, 0},
    {"torch.ByteStorage", ROLE_STORAGE, ST_U8, 0, 0},
    {"torch.BoolStorage", ROLE_STORAGE, ST_BOOL, 0, 0},
    {"torch.ComplexFloatStorage", ROLE_STORAGE, ST_C64, 0, 0},
    {"torch.storage.UntypedStorage", ROLE_STORAGE, ST_U8, 0, 0},
    {"torch.uint16", ROLE_DTYPE, ST_U16, 0, 0},
    {"torch.uint32", ROLE_DTYPE, ST_U32, 0, 0},
    {"torch.uint64", ROLE_DTYPE, ST_U64, 0, 0},
    /* What training checkpoints hold beside the weights. */
    {.name = "torch.Size", .n_most = 1},
    {.name = "torch.device", .n_most = 2},
    {.name = "collections.Counter", .n_most = 1},
    {.name = "collections.defaultdict", .n_most = 2},
    {.name = "__builtin__.set", .n_most = 1},
    {.name = "builtins.set", .n_most = 1},
    {.name = "_codecs.encode", .n_most = 2}, /* bytes */
    {.name = "numpy.dtype", .n_most = 3},
    {.name = "numpy.core.multiarray.scalar", .n_most = 2},
    {.name = "numpy._core.multiarray.scalar", .n_most = 2},
};

/* Modules, or functions of one, that a file names for one purpose. Nothing here would run them;
 * that a file tries to is worth saying, as other programs would. */
/* clang-format off */
static const char *const harmful[] = {
    "os.", "posix.", "nt.", "sys.", "subprocess.", "importlib.", "runpy.", "shutil.", "socket.",
    "pty.", "ctypes.", "webbrowser.",
    "builtins.eval", "builtins.exec", "builtins.compile", "builtins.open", "builtins.__import__",
    "__builtin__.eval", "__builtin__.exec", "__builtin__.compile", "__builtin__.open",
    "__builtin__.__import__", "__builtin__.file",
};
/* clang-format on */

static bool is(const struct pickle_value *v, enum pickle_type type)
{
    return v->type == type;
}

bool pickle_name(struct pickle_value *v, struct err *e)
{
    for (size_t i = 1; i < COUNT_OF(rows); i++)
        if (strlen(rows[i].name) == v->n && memcmp(rows[i].name, v->text, v->n) == 0)
            v->known = (uint8_t)i;
    for (size_t i = 0; !v->known && i < COUNT_OF(harmful); i++) {
        size_t n = strlen(harmful[i]);
        if (v->n >= n && memcmp(v->text, harmful[i], n) == 0)
            return err_set(e, ERR_MODEL,
                           "names %.*s, which runs commands where Python loads the file",
                           (int)v->n, v->text);
    }
    return true;
}

static bool refuse(struct err *e, const char *why)
{
    return err_set(e, ERR_MODEL, "%s", why);
}

/* Python 3 writes OrderedDict() and sets the items; Python 2 OrderedDict([[key, value], ...]). */
static struct pickle_value *make_dict(struct pickle *p, const struct pickle_value *args,
                                      struct err *e)
{
    const struct pickle_value *pairs = args->n ? args->item[0] : NULL;
    struct pickle_value *v = pickle_new(p, PICKLE_DICT, e);
    if (!v)
        return NULL;
    v->attributes = true;
    if (!pairs)
        return v;
    bool ok = is(pairs, PICKLE_LIST) || refuse(e, "an OrderedDict of what is no list");
    for (uint32_t i = 0; ok && i < pairs->n; i++) {
        const struct pickle_value *pair = pairs->item[i];
        ok = (is(pair, PICKLE_LIST) || is(pair, PICKLE_TUPLE)) && pair->n == 2
                 ? pickle_hold(p, v, pair->item, 2, e)
                 : refuse(e, "an OrderedDict of what are no pairs");
    }
    return ok ? v : NULL;
}

static bool read_counts(const struct pickle_value *v, int64_t *out, int *rank, struct err *e)
{
    if (!is(v, PICKLE_TUPLE) || v->n > SAFETENSORS_MAX_RANK)
        return refuse(e, "a tensor whose shape is no tuple of at most 8");
    for (uint32_t i = 0; i < v->n; i++) {
        if (!is(v->item[i], PICKLE_INT) || v->item[i]->i < 0)
            return refuse(e, "a tensor with a size or stride that is no count");
        out[i] = v->item[i]->i;
    }
    *rank = (int)v->n;
    return true;
}

/* Its last element lies within the storage; of one without elements, its offset. Strides of 0 may
 * repeat elements, but not to more than the storage has: reading one costs what the file does. */
static bool check_extent(const struct pickle_tensor *t, int64_t n_storage, struct err *e)
{
    int64_t count = 1, last = t->offset, way;
    bool empty = false, fits = true;
    for (int i = 0; i < t->rank; i++) {
        empty = empty || t->dim[i] == 0;
        fits = fits && !__builtin_mul_overflow(count, t->dim[i] ? t->dim[i] : 1, &count);
    }
    for (int i = 0; fits && !empty && i < t->rank; i++)
        fits = !__builtin_mul_overflow(t->dim[i] - 1, t->stride[i], &way) &&
               !__builtin_add_overflow(last, way, &last);
    fits = fits && (empty ? last <= n_storage : last < n_storage && count <= n_storage);
    return fits || refuse(e, "a tensor that reaches past its storage");
}

static bool check_type(struct pickle_tensor *t, const struct known *row,
                       const struct pickle_value *args, int64_t *n_storage, struct err *e)
{
    t->dtype = t->storage->dtype;
    *n_storage = t->storage->n;
    if (row->n_least != 7)
        return true;
    const struct pickle_value *dtype = args->item[6];
    if (t->dtype != ST_U8 || !is(dtype, PICKLE_GLOBAL) ||
        rows[dtype->known].role != ROLE_DTYPE) {
        char text[128];
        return err_set(e, ERR_MODEL, "a tensor of type %s, which is not read here",
                       pickle_describe(dtype, text, sizeof(text)));
    }
    t->dtype = rows[dtype->known].dtype;
    *n_storage /= st_dtype_bits(t->dtype) / 8;
    return true;
}

static struct pickle_value *make_tensor(struct pickle *p, const struct known *row,
                                        const struct pickle_value *args, struct err *e)
{
    struct pickle_value **arg = args->item;
    struct pickle_value *v = pickle_new(p, PICKLE_TENSOR, e);
    struct pickle_tensor *t = v ? pickle_room(p, 1, sizeof(*t), e) : NULL;
    int n_stride;
    int64_t n_storage;
    if (!t)
        return NULL;
    if (!is(arg[0], PICKLE_STORAGE) || !is(arg[1], PICKLE_INT) || arg[1]->i < 0) {
        refuse(e, "a tensor without a storage and a place in it");
        return NULL;
    }
    t->storage = arg[0]->storage;
    t->offset = arg[1]->i;
    if (!read_counts(arg[2], t->dim, &t->rank, e) ||
        !read_counts(arg[3], t->stride, &n_stride, e))
        return NULL;
    if (n_stride != t->rank) {
        refuse(e, "a tensor with more sizes or more strides");
        return NULL;
    }
    if (!check_type(t, row, args, &n_storage, e) || !check_extent(t, n_storage, e))
        return NULL;
    v->tensor = t;
    return v;
}

/* The tensor it was made of. */
static struct pickle_value *make_parameter(struct pickle *p, const struct pickle_value *args,
                                           struct err *e)
{
    if (!is(args->item[0], PICKLE_TENSOR)) {
        refuse(e, "a parameter that is no tensor");
        return NULL;
    }
    struct pickle_value *v = pickle_new(p, PICKLE_TENSOR, e);
    if (v) {
        v->tensor = args->item[0]->tensor;
        v->attributes = true;
    }
    return v;
}

static struct pickle_value *make_opaque(struct pickle *p, const struct pickle_value *callee,
                                        struct err *e)
{
    struct pickle_value *v = pickle_new(p, PICKLE_OPAQUE, e);
    if (v) {
        v->text = callee->text;
        v->n = callee->n;
    }
    return v;
}

struct pickle_value *pickle_call(struct pickle *p, const struct pickle_value *callee,
                                 const struct pickle_value *args, struct err *e)
{
    if (!is(callee, PICKLE_GLOBAL) || !is(args, PICKLE_TUPLE)) {
        refuse(e, "calls what is no name");
        return NULL;
    }
    const struct known *row = &rows[callee->known];
    if (!callee->known || row->role == ROLE_STORAGE || row->role == ROLE_DTYPE) {
        err_set(e, ERR_MODEL, "calls %.*s, which is not among the names that weights need",
                (int)callee->n, callee->text);
        return NULL;
    }
    if (args->n < row->n_least || args->n > row->n_most) {
        err_set(e, ERR_MODEL, "calls %s with %u arguments, expected %d to %d", row->name,
                args->n, row->n_least, row->n_most);
        return NULL;
    }
    return row->role == ROLE_DICT        ? make_dict(p, args, e)
           : row->role == ROLE_TENSOR    ? make_tensor(p, row, args, e)
           : row->role == ROLE_PARAMETER ? make_parameter(p, args, e)
                                         : make_opaque(p, callee, e);
}

/* The sixth, a view of another storage, is None in all files since PyTorch 0.2. */
static bool is_storage(const struct pickle_value *id)
{
    if (!is(id, PICKLE_TUPLE) || id->n < 5 || id->n > 6)
        return false;
    struct pickle_value **at = id->item;
    return pickle_text_is(at[0], "storage") && is(at[1], PICKLE_GLOBAL) && at[1]->known &&
           rows[at[1]->known].role == ROLE_STORAGE && is(at[2], PICKLE_TEXT) &&
           is(at[3], PICKLE_TEXT) && is(at[4], PICKLE_INT) && at[4]->i >= 0 &&
           (id->n == 5 || is(at[5], PICKLE_NONE));
}

struct pickle_value *pickle_find_storage(struct pickle *p, const struct pickle_value *id,
                                         struct err *e)
{
    if (!is_storage(id)) {
        refuse(e, is(id, PICKLE_TUPLE) && id->n && pickle_text_is(id->item[0], "module")
                      ? "holds a model's program, not its weights alone"
                      : "refers to what is no storage of numbers");
        return NULL;
    }
    struct pickle_value *v = pickle_new(p, PICKLE_STORAGE, e);
    struct pickle_storage *s = v ? pickle_room(p, 1, sizeof(*s), e) : NULL;
    if (!s)
        return NULL;
    *s = (struct pickle_storage){.key = id->item[2]->text,
                                 .n_key = id->item[2]->n,
                                 .dtype = rows[id->item[1]->known].dtype,
                                 .n = id->item[4]->i,
                                 .next = p->storage};
    p->storage = s;
    v->storage = s;
    return v;
}
