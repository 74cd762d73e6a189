#include "backend/cpu/isa.h"

#include <stdlib.h>
#include <string.h>

const struct isa isas[ISA_COUNT] = {
    {ISA_ID_GENERIC, "generic", 8, false},
    {ISA_ID_AVX2, "avx2", 8, false},
    {ISA_ID_AVX512, "avx512", 16, false},
    {ISA_ID_AVX512BF16, "avx512bf16", 16, true},
};

bool isa_present(const struct isa *isa)
{
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
    switch (isa->id) {
    case ISA_ID_GENERIC:
        return true;
    case ISA_ID_AVX2:
        return avx2;
    case ISA_ID_AVX512:
        return avx512;
    case ISA_ID_AVX512BF16:
        return avx512 && __builtin_cpu_supports("avx512bf16");
    case ISA_COUNT:
        break;
    }
    return false;
#else
    return isa->id == ISA_ID_GENERIC;
#endif
}

const struct isa *isa_choose(struct err *e)
{
    const char *forced = getenv("LINNET_ISA");
    for (int i = ISA_COUNT - 1; i >= 0; i--) {
        if (forced && *forced && strcmp(forced, isas[i].name) != 0)
            continue;
        if (isa_present(&isas[i]))
            return &isas[i];
        if (forced && *forced) {
            err_set(e, ERR_DEVICE, "LINNET_ISA=%s: this processor has no such instructions",
                    forced);
            return NULL;
        }
    }
    err_set(e, ERR_DEVICE, "LINNET_ISA=%s: known are generic, avx2, avx512, avx512bf16",
            forced ? forced : "");
    return NULL;
}
