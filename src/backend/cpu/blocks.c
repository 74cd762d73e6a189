#include "backend/cpu/blocks.h"

#include "base/parallel.h"

/* oneDNN's names of the orders, for vectors of 8 and 16. */
static const struct {
    enum blocks_order order;
    int lanes;
    dnnl_data_type_t type;
    dnnl_format_tag_t tag;
} layouts[] = {
    {BLOCKS_TURNED, 8, dnnl_f32, dnnl_ABcd8b8a},
    {BLOCKS_PLAIN, 8, dnnl_f32, dnnl_ABcd8a8b},
    {BLOCKS_TURNED, 16, dnnl_f32, dnnl_ABcd16b16a},
    {BLOCKS_BY_INPUTS, 16, dnnl_f32, dnnl_BAcd16a16b},
    {BLOCKS_TURNED, 16, dnnl_bf16, dnnl_ABcd8b16a2b},
    {BLOCKS_BY_INPUTS, 16, dnnl_bf16, dnnl_BAcd8a16b2a},
};

static bool same(md_ref a, int K, int C, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    struct md m;
    if (md_init(&m, 4, (dnnl_dims_t){K, C, 1, 1}, type, tag) != dnnl_success)
        return false;
    bool equal = dnnl_memory_desc_equal(a, md_of(&m));
    md_release(&m);
    return equal;
}

struct blocks blocks_of_weights(const struct isa *isa, int K, int C, md_ref weights)
{
    static const struct blocks_kernels *const f32[ISA_COUNT] = ISA_BUILDS(blocks_f32);
    static const struct blocks_kernels *const bf16[ISA_COUNT] = ISA_BF16_ROW(&blocks_bf16);
    for (size_t i = 0; i < COUNT_OF(layouts); i++) {
        const struct blocks_kernels *kernels =
            (layouts[i].type == dnnl_bf16 ? bf16 : f32)[isa->id];
        if (kernels && layouts[i].lanes == isa->lanes && K % isa->lanes == 0 &&
            C % isa->lanes == 0 && same(weights, K, C, layouts[i].type, layouts[i].tag))
            return (struct blocks){layouts[i].order, isa->lanes, K, C, kernels};
    }
    return (struct blocks){.order = BLOCKS_NONE};
}

struct job {
    const struct blocks *b;
    const float *from;
    void *to;
};

static void pack_row(void *ctx, int row, int thread)
{
    const struct job *j = ctx;
    (void)thread;
    j->b->kernels->pack[j->b->order](j->from, j->b->K, j->b->C, row, j->to);
}

static void unpack_row(void *ctx, int row, int thread)
{
    const struct job *j = ctx;
    (void)thread;
    j->b->kernels->unpack(j->from, j->b->K, j->b->C, row, j->to);
}

void blocks_pack(const struct blocks *b, const float *w, void *blocks, int n_thread)
{
    int rows = (b->order == BLOCKS_BY_INPUTS ? b->C : b->K) / b->lanes;
    parallel_for(n_thread, rows, pack_row, &(struct job){b, w, blocks});
}

void blocks_unpack(const struct blocks *b, const float *blocks, float *w, int n_thread)
{
    parallel_for(n_thread, b->K / b->lanes, unpack_row, &(struct job){b, blocks, w});
}
