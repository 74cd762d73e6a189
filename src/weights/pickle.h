/* Pickles as torch.save writes them (protocol 2), read as data: nothing in one can run, as there is
 * nothing here to call. The names that a state_dict is made of have a fixed meaning; an object of
 * any other class is an opaque value that holds nothing; a call of any other name, an opcode that
 * torch.save does not emit, or more than the limits is refused. */
#ifndef WEIGHTS_PICKLE_H
#define WEIGHTS_PICKLE_H

#include "base/mem.h"
#include "weights/safetensors.h"

enum {
    PICKLE_MAX_BYTES = 8 << 20,   /* of the pickle: some 60,000 tensors */
    PICKLE_MAX_MEMORY = 30 << 20, /* of its values */
    PICKLE_MAX_MEMO = 1 << 20,
    PICKLE_MAX_STACK = 1 << 20,
    PICKLE_MAX_DEPTH = 64, /* of values in values, and of marks */
};

enum pickle_type {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_REAL,
    PICKLE_TEXT,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_GLOBAL, /* a name, not called */
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_OPAQUE, /* what weights have no use for */
};

/* Where a tensor's elements lie, as the pickle claims; whoever has the file finds the bytes. */
struct pickle_storage {
    const char *key; /* n_key bytes, no NUL behind */
    size_t n_key;
    enum st_dtype dtype; /* ST_U8 when untyped */
    int64_t n;           /* elements */
    const uint8_t *data; /* the caller's: where the bytes are */
    void *owner;         /* the caller's */
    struct pickle_storage *next;
};

/* Offset and strides in elements; all elements lie within the storage's claim. */
struct pickle_tensor {
    struct pickle_storage *storage;
    enum st_dtype dtype;
    int64_t offset;
    int rank;
    int64_t dim[SAFETENSORS_MAX_RANK], stride[SAFETENSORS_MAX_RANK];
};

struct pickle_value {
    uint8_t type;    /* enum pickle_type */
    uint8_t depth;   /* 0: holds no values */
    uint8_t known;   /* of GLOBAL: row of the names that have a meaning, 0 = none */
    bool attributes; /* BUILD may add some: to an OrderedDict, a Parameter before PyTorch 0.4 */
    uint32_t n;      /* bytes of a text or name; values of a tuple, list or dict */
    /* text: of TEXT; "module.name" of GLOBAL; the class of OPAQUE; no NUL behind. */
    union {
        int64_t i; /* of BOOL too */
        double real;
        const char *text;
        struct pickle_value **item; /* of DICT: key, value, key, value ... */
        struct pickle_storage *storage;
        const struct pickle_tensor *tensor;
    };
};

struct pickle {
    struct arena arena;
    size_t memory; /* taken from the arena */
    const struct pickle_value *root;
    size_t used;                    /* bytes, to behind STOP */
    struct pickle_storage *storage; /* each mention of one, the latest first */
};

/* The pickle that byte begins with; texts are borrowed from it. ERR_MODEL names byte and rule. */
MUST_CHECK bool pickle_parse(struct pickle *p, const uint8_t *byte, size_t n, struct err *e);
void pickle_release(struct pickle *p);
/* A dict's value; the last one of a key, as in Python; NULL: none, or no dict. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);
bool pickle_text_is(const struct pickle_value *v, const char *text);
/* "dict", "tensor", "argparse.Namespace", into out; returns out. */
const char *pickle_describe(const struct pickle_value *v, char *out, size_t size);

#endif
