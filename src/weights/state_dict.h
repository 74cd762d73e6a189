/* Other people's weights as named tensors in a mapped file: .safetensors, or .pth as torch.save
 * writes it in the zip layout and wrote it before PyTorch 1.6, told apart by content. Nothing is
 * copied until state_dict_copy, and nothing in a file can run (torch.load(weights_only=True)). */
#ifndef WEIGHTS_STATE_DICT_H
#define WEIGHTS_STATE_DICT_H

#include "weights/pth.h"
#include "weights/safetensors.h"

enum { STATE_DICT_MAX_RANK = SAFETENSORS_MAX_RANK };

struct sd_tensor {
    const char *name; /* without the prefix that was stripped */
    enum st_dtype dtype;
    int rank;
    int64_t dim[STATE_DICT_MAX_RANK];
    int64_t stride[STATE_DICT_MAX_RANK]; /* in elements, 0 or more */
    const uint8_t *data;     /* of its first element, not aligned; the file's checksum is */
    struct zip_entry *entry; /* compared in state_dict_copy. NULL: the format has none */
};

struct state_dict {
    char *path;
    const char *format;       /* "safetensors", "torch.save (zip)", "torch.save (legacy)" */
    struct sd_tensor *tensor; /* (n_tensor) in the file's order */
    int n_tensor;
    const char *inside; /* the entry of a checkpoint that they are in: "model"; "" = the file */
    const char *prefix; /* what stood before the names: "module."; "" = nothing */
    /* private */
    const struct sd_tensor **by_name;
    struct file_map map;
    struct arena arena;
    struct safetensors safetensors;
    struct pth pth;
};

/* Maps and checks the file at path. A checkpoint's state_dict_ema, model_ema, state_dict, model or
 * model_state_dict is entered (in this order, timm's) and the prefixes that DDP, torch.compile and
 * Lightning put before all names are dropped. ERR_MODEL with one line that names path and rule. */
MUST_CHECK bool state_dict_open(struct state_dict *s, const char *path, struct err *e);
/* The same on bytes that outlive s; the path is for messages. */
MUST_CHECK bool state_dict_parse(struct state_dict *s, const char *path, const uint8_t *byte,
                                 size_t n, struct err *e);
void state_dict_close(struct state_dict *s);
const struct sd_tensor *state_dict_find(const struct state_dict *s, const char *name);
/* "in its entry model, names begin with module.", into out; "" when nothing was stripped. */
const char *state_dict_stripped(const struct state_dict *s, char *out, size_t size);

/* Elements of t: the product of its dimensions. */
size_t sd_tensor_count(const struct sd_tensor *t);
/* "64x3x7x7", "scalar", into out. */
const char *sd_tensor_shape(const struct sd_tensor *t, char *out, size_t size);
/* The elements as floats in C order, as torch.Tensor.float() gives them, into n that must be its
 * count. ERR_MODEL names the tensor when its checksum is wrong, an element is not finite, or its
 * type is none of BOOL, U8..U64, I8..I64, F16, BF16, F32, F64. Not for two threads on one file. */
MUST_CHECK bool state_dict_copy(const struct state_dict *s, const struct sd_tensor *t,
                                float *out, size_t n, struct err *e);

#endif
