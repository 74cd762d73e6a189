/* Dropout masks: Philox4x32-10 (base/rng.h) for V channels at once. A block has the words of four
 * elements in logical order, so of four neighbours in a row of one channel; a lane's elements may
 * begin anywhere in a block, hence the second block and the shift by phase. */
#include "backend/cpu/fused.h"
#include "backend/cpu/vmask.h"

struct block {
    vecu w[4];
};

ALWAYS void product(vecu a, uint32_t by, vecu *hi, vecu *lo)
{
    const vecu k = (vecu){0} + by;
    vec64 even = vmul_even(a, k), odd = vmul_even((vecu)((vec64)a >> 32), k);
    const vec64 upper = (vec64){0} + 0xffffffff00000000u;
    *lo = (vecu)((even & ~upper) | (odd << 32));
    *hi = (vecu)((even >> 32) | (odd & upper));
}

ALWAYS struct block philox(const struct fused_draw *d, vecu c0)
{
    vecu c1 = (vecu){0} + d->counter[1], c2 = (vecu){0} + d->counter[2];
    vecu c3 = (vecu){0} + d->counter[3];
    uint32_t k0 = d->key[0], k1 = d->key[1];
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        vecu hi0, lo0, hi1, lo1;
        product(c0, 0xD2511F53u, &hi0, &lo0);
        product(c2, 0xCD9E8D57u, &hi1, &lo1);
        c0 = hi1 ^ c1 ^ k0;
        c1 = lo1;
        c2 = hi0 ^ c3 ^ k1;
        c3 = lo0;
    }
    return (struct block){{c0, c1, c2, c3}};
}

void ISA_NAME(fused_draw)(const struct fused_draw *d);
void ISA_NAME(fused_draw)(const struct fused_draw *d)
{
    vecu block = {0}, phase = {0};
    for (int l = 0; l < V; l++) {
        uint64_t i = d->first + (uint64_t)l * d->stride;
        block[l] = (uint32_t)(i / 4);
        phase[l] = (uint32_t)(i % 4);
    }
    vmask from1 = vge_int(phase, 1), from2 = vge_int(phase, 2), from3 = vge_int(phase, 3);
    vword *keep = d->keep;
    struct block now = philox(d, block);
    for (int i = 0; i < d->count; i += 4) {
        block += 1;
        struct block next = philox(d, block);
        const vecu w[7] = {now.w[0],  now.w[1],  now.w[2], now.w[3],
                           next.w[0], next.w[1], next.w[2]};
        for (int j = 0; j < 4 && i + j < d->count; j++) {
            vecu word = vpick_int(from1, w[j + 1], w[j]);
            word = vpick_int(from2, w[j + 2], word);
            word = vpick_int(from3, w[j + 3], word);
            keep[i + j] = vbits(vge_int(word >> 8, d->threshold));
        }
        now = next;
    }
}
