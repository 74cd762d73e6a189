/* Elements of any type and strides to floats in C order: the innermost dimension in one loop, the
 * others counted up like an odometer. Files are little-endian, as are the machines this runs on. */
#include "weights/state_dict.h"

#include "base/bf16.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, bits = h & 0x3ff;
    float f;
    if (exponent == 0) {
        f = (float)bits * 0x1p-24f; /* subnormal: exact */
        return sign ? -f : f;
    }
    bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | bits << 13;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

/* n elements, step apart, from bytes that are not aligned. */
#define ROW(name, type, value)                                                                 \
    static void name(const uint8_t *from, int64_t step, size_t n, float *out)                  \
    {                                                                                          \
        for (size_t i = 0; i < n; i++, from += step * (int64_t)sizeof(type)) {                 \
            type x;                                                                            \
            memcpy(&x, from, sizeof(x));                                                       \
            out[i] = value;                                                                    \
        }                                                                                      \
    }
ROW(row_bool, uint8_t, x != 0)
ROW(row_u8, uint8_t, (float)x)
ROW(row_i8, int8_t, (float)x)
ROW(row_i16, int16_t, (float)x)
ROW(row_u16, uint16_t, (float)x)
ROW(row_f16, uint16_t, half_to_float(x))
ROW(row_bf16, uint16_t, bf16_to_float(x))
ROW(row_i32, int32_t, (float)x)
ROW(row_u32, uint32_t, (float)x)
ROW(row_f32, float, x)
ROW(row_f64, double, (float)x)
ROW(row_i64, int64_t, (float)x)
ROW(row_u64, uint64_t, (float)x)

/* NULL: not a number, or of a type that weights do not come in. */
static void (*const row[ST_DTYPE_COUNT])(const uint8_t *, int64_t, size_t, float *) = {
    [ST_BOOL] = row_bool, [ST_U8] = row_u8,   [ST_I8] = row_i8,     [ST_I16] = row_i16,
    [ST_U16] = row_u16,   [ST_F16] = row_f16, [ST_BF16] = row_bf16, [ST_I32] = row_i32,
    [ST_U32] = row_u32,   [ST_F32] = row_f32, [ST_F64] = row_f64,   [ST_I64] = row_i64,
    [ST_U64] = row_u64,
};

size_t sd_tensor_count(const struct sd_tensor *t)
{
    size_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= (size_t)t->dim[i];
    return n;
}

const char *sd_tensor_shape(const struct sd_tensor *t, char *out, size_t size)
{
    size_t at = 0;
    snprintf(out, size, "scalar");
    for (int i = 0; i < t->rank && at < size; i++)
        at +=
            (size_t)snprintf(out + at, size - at, "%s%lld", i ? "x" : "", (long long)t->dim[i]);
    return out;
}

/* The trailing dimensions that lie without a gap, as one: its elements, and how many there are. */
static size_t merge_inner(const struct sd_tensor *t, int *n_outer, int64_t *step)
{
    size_t n = 1;
    int i = t->rank - 1;
    *step = 1;
    for (; i >= 0 && (t->dim[i] == 1 || t->stride[i] == (int64_t)n); i--)
        n *= (size_t)t->dim[i];
    if (n == 1 && i >= 0) { /* a gap in the innermost of more than one element */
        n = (size_t)t->dim[i];
        *step = t->stride[i];
        i--;
    }
    *n_outer = i + 1;
    return n;
}

static bool check_finite(const struct state_dict *s, const struct sd_tensor *t, const float *x,
                         size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return err_set(e, ERR_MODEL, "%s: %s holds %s at element %zu of %zu: not usable",
                           s->path, t->name, isnan(x[i]) ? "NaN" : "infinity", i, n);
    return true;
}

bool state_dict_copy(const struct state_dict *s, const struct sd_tensor *t, float *out,
                     size_t n, struct err *e)
{
    if (sd_tensor_count(t) != n) {
        char shape[128];
        return err_set(e, ERR_MODEL, "%s: %s is %s, expected %zu elements", s->path, t->name,
                       sd_tensor_shape(t, shape, sizeof(shape)), n);
    }
    if (!row[t->dtype])
        return err_set(e, ERR_MODEL, "%s: %s is of type %s, which is not read here", s->path,
                       t->name, st_dtype_name(t->dtype));
    if (t->entry && !zip_check(t->entry, e))
        return err_in(e, "%s: %s", s->path, t->name);
    int64_t step, at = 0, index[STATE_DICT_MAX_RANK] = {0};
    int n_outer;
    size_t n_row = n ? merge_inner(t, &n_outer, &step) : 0;
    for (size_t done = 0; done < n; done += n_row) {
        const uint8_t *from = t->data + at * (st_dtype_bits(t->dtype) / 8);
        if (t->dtype == ST_F32 && step == 1)
            memcpy(out + done, from, n_row * sizeof(*out));
        else
            row[t->dtype](from, step, n_row, out + done);
        for (int k = n_outer - 1; k >= 0; k--) {
            at += t->stride[k];
            if (++index[k] < t->dim[k])
                break;
            at -= t->stride[k] * t->dim[k];
            index[k] = 0;
        }
    }
    return check_finite(s, t, out, n, e);
}
