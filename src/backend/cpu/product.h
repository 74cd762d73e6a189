/* Products of plain matrices: the seam between product.c (threads) and kernel/product_*.c (packing and
 * sums in registers, compiled for each instruction set). An element of c is one sum along k in one
 * order, whatever the blocks: the result is the same for any number of threads. */
#ifndef BACKEND_CPU_PRODUCT_H
#define BACKEND_CPU_PRODUCT_H

#include "backend/backend.h"
#include "backend/cpu/isa.h"

/* c (M, N) = scale a b, or + bias: a is (M, K), b (K, N), or with turn_a, turn_b their transposes; rows
 * lie ld_ floats apart. */
struct product {
    int M, N, K;
    bool turn_a, turn_b;
    const float *a, *b;
    int ld_a, ld_b, ld_c;
    float *c;
    float scale;       /* 0 = 1 */
    const float *bias; /* (N), or NULL */
};

/* Memory that one thread packs blocks of a and b in, aligned as vectors are. */
enum { PRODUCT_ROWS = 336, PRODUCT_DEPTH = 256, PRODUCT_PANEL = 32 };
enum { PRODUCT_PACK = ((PRODUCT_ROWS + PRODUCT_PANEL) * PRODUCT_DEPTH + 16) * 4 }; /* bytes */

struct product_kernels {
    void (*one)(const struct product *p, void *pack); /* on the thread that calls */
};
ISA_EXTERN(const struct product_kernels, product_f32);
/* Of a and b rounded to bf16, summed as floats. */
extern const struct product_kernels product_bf16_avx512bf16;

/* Those for a group: of bf16 where it computes in that. */
const struct product_kernels *product_of(const struct group *g);
/* In blocks, on the group's threads; pack: PRODUCT_PACK bytes for each of them. */
void product_run(const struct group *g, const struct product *p, void *pack);
/* sum (N) = the sum of the M rows of a, one behind the other. */
void column_sums(const struct group *g, const float *a, int M, int N, float *sum);

#endif
