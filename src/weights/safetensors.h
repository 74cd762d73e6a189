/* safetensors files: 8 bytes of little-endian length N, N bytes of JSON, then the tensors. The
 * reader trusts nothing: what is not exactly as the format says is refused before any tensor is
 * looked at, and memory stays in proportion to the file. */
#ifndef WEIGHTS_SAFETENSORS_H
#define WEIGHTS_SAFETENSORS_H

#include "base/file.h"
#include "base/json.h"

enum {
    SAFETENSORS_MAX_RANK = 8,
    SAFETENSORS_MAX_TENSORS = 100000,
    SAFETENSORS_MAX_NAME = 1024
};

enum st_dtype {
    ST_BOOL,
    ST_F4,
    ST_F6_E2M3,
    ST_F6_E3M2,
    ST_U8,
    ST_I8,
    ST_F8_E5M2,
    ST_F8_E4M3,
    ST_F8_E8M0,
    ST_F8_E4M3FNUZ,
    ST_F8_E5M2FNUZ,
    ST_I16,
    ST_U16,
    ST_F16,
    ST_BF16,
    ST_I32,
    ST_U32,
    ST_F32,
    ST_C64,
    ST_F64,
    ST_I64,
    ST_U64,
    ST_DTYPE_COUNT
};
const char *st_dtype_name(enum st_dtype d); /* "F32" */
int st_dtype_bits(enum st_dtype d);

struct st_tensor {
    const char *name;
    enum st_dtype dtype;
    int rank;
    int64_t dim[SAFETENSORS_MAX_RANK];
    const void *data; /* not aligned when read */
    size_t bytes;
};

struct safetensors {
    struct file_map map;
    struct arena arena;
    const uint8_t *header; /* the JSON text */
    size_t header_bytes;
    struct st_tensor *tensor; /* (n_tensor) in the order of their data */
    int n_tensor;
    const struct st_tensor **by_name; /* (n_tensor) sorted */
    const struct json *metadata;      /* text to text; NULL = none */
};

/* Maps and checks a file; ERR_MODEL names it and the broken rule. */
MUST_CHECK bool safetensors_open(struct safetensors *s, const char *path, struct err *e);
/* The same on bytes that outlive s. */
MUST_CHECK bool safetensors_parse(struct safetensors *s, const uint8_t *byte, size_t n,
                                  struct err *e);
void safetensors_close(struct safetensors *s);
const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name);
/* Lives as long as s; NULL when there is none. */
const char *safetensors_metadata(const struct safetensors *s, const char *key);

/* One line of __metadata__. */
struct st_note {
    const char *key, *value;
};
/* The header for these tensors, laid out in the given order and padded to a multiple of 64 bytes
 * with its length in front: *n bytes, the caller frees. */
MUST_CHECK char *safetensors_header(const struct st_tensor *tensor, int n_tensor,
                                    const struct st_note *note, int n_note, size_t *n,
                                    struct err *e);
/* header, then the tensors, in one atomic, synced write. */
MUST_CHECK bool safetensors_write(const char *path, const char *header, size_t n,
                                  const struct st_tensor *tensor, int n_tensor, struct err *e);

#endif
