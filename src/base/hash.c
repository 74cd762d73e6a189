/* CRC-32C with the processor's instruction where it has one, CRC-32 by carry-less multiplication
 * (Gopal et al., Fast CRC Computation Using PCLMULQDQ, Intel 2009), else four bits at a time;
 * xxHash64 after Collet's specification (github.com/Cyan4973/xxHash, doc/xxhash_spec.md). */
#include "base/hash.h"

#include <endian.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* The CRC of each nibble: polynomial 0x1EDC6F41, reflected 0x82F63B78. */
static const uint32_t nibble_c[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
    0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

/* Polynomial 0x04C11DB7, reflected 0xEDB88320. */
static const uint32_t nibble_zip[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
    0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
    0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

static uint32_t crc_plain(const uint32_t nibble[16], uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

uint32_t crc32c_plain(uint32_t crc, const void *byte, size_t n)
{
    return crc_plain(nibble_c, crc, byte, n);
}

uint32_t crc32_zip_plain(uint32_t crc, const void *byte, size_t n)
{
    return crc_plain(nibble_zip, crc, byte, n);
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *p,
                                                            size_t n)
{
    uint64_t wide = (uint32_t)~crc, word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; n > 0; p++, n--)
        crc = __builtin_ia32_crc32qi(crc, *p);
    return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *byte, size_t n)
{
    return __builtin_cpu_supports("sse4.2") ? crc_sse42(crc, byte, n)
                                            : crc32c_plain(crc, byte, n);
}

/* x moved on by as many bits as k stands for, onto the 16 bytes there. */
__attribute__((target("pclmul"))) static __m128i fold(__m128i x, __m128i k, const uint8_t *at)
{
    __m128i low = _mm_clmulepi64_si128(x, k, 0x00), high = _mm_clmulepi64_si128(x, k, 0x11);
    __m128i next = _mm_loadu_si128((const __m128i *)(const void *)at);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* Four lanes of 16 bytes folded 64 bytes on, then into one, whose CRC is that of all. n >= 64. */
__attribute__((target("pclmul"))) static uint32_t crc_pclmul(uint32_t crc, const uint8_t *p,
                                                             size_t n)
{
    const __m128i by_64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4); /* x^480, x^544 mod P */
    const __m128i by_16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0); /* x^96, x^160 */
    __m128i lane[4];
    uint8_t rest[16];
    for (int i = 0; i < 4; i++)
        lane[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
    lane[0] = _mm_xor_si128(lane[0], _mm_cvtsi32_si128((int)~crc));
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64)
        for (int i = 0; i < 4; i++)
            lane[i] = fold(lane[i], by_64, p + 16 * i);
    for (int i = 1; i < 4; i++) {
        _mm_storeu_si128((__m128i *)(void *)rest, lane[i]);
        lane[0] = fold(lane[0], by_16, rest);
    }
    for (; n >= 16; p += 16, n -= 16)
        lane[0] = fold(lane[0], by_16, p);
    _mm_storeu_si128((__m128i *)(void *)rest, lane[0]);
    return crc32_zip_plain(crc32_zip_plain(~0u, rest, 16), p, n);
}

uint32_t crc32_zip(uint32_t crc, const void *byte, size_t n)
{
    return n >= 64 && __builtin_cpu_supports("pclmul") ? crc_pclmul(crc, byte, n)
                                                       : crc32_zip_plain(crc, byte, n);
}
#else
uint32_t crc32_zip(uint32_t crc, const void *byte, size_t n)
{
    return crc32_zip_plain(crc, byte, n);
}

uint32_t crc32c(uint32_t crc, const void *byte, size_t n)
{
    return crc32c_plain(crc, byte, n);
}
#endif

static const uint64_t prime1 = 0x9E3779B185EBCA87u, prime2 = 0xC2B2AE3D27D4EB4Fu,
                      prime3 = 0x165667B19E3779F9u, prime4 = 0x85EBCA77C2B2AE63u,
                      prime5 = 0x27D4EB2F165667C5u;

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

/* Little-endian words, as the specification has them. */
static uint64_t word64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof(x));
    return le64toh(x);
}

static uint32_t word32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof(x));
    return le32toh(x);
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * prime2, 31) * prime1;
}

/* Whole stripes of 32 bytes into four lanes, and those into one. */
static uint64_t stripes(const uint8_t *p, size_t n_stripe, uint64_t seed)
{
    uint64_t lane[4] = {seed + prime1 + prime2, seed + prime2, seed, seed - prime1};
    for (size_t s = 0; s < n_stripe; s++)
        for (int i = 0; i < 4; i++, p += 8)
            lane[i] = mix(lane[i], word64(p));
    uint64_t h =
        rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    for (int i = 0; i < 4; i++)
        h = (h ^ mix(0, lane[i])) * prime1 + prime4;
    return h;
}

uint64_t hash64(const void *byte, size_t n, uint64_t seed)
{
    const uint8_t *p = byte, *end = p + n;
    uint64_t h = n >= 32 ? stripes(p, n / 32, seed) : seed + prime5;
    p += n / 32 * 32;
    h += n;
    for (; end - p >= 8; p += 8)
        h = rotate(h ^ mix(0, word64(p)), 27) * prime1 + prime4;
    for (; end - p >= 4; p += 4)
        h = rotate(h ^ word32(p) * prime1, 23) * prime2 + prime3;
    for (; p < end; p++)
        h = rotate(h ^ *p * prime5, 11) * prime1;
    h = (h ^ h >> 33) * prime2;
    h = (h ^ h >> 29) * prime3;
    return h ^ h >> 32;
}
