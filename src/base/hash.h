/* Checksums: CRC-32C (Castagnoli) for what a disk may damage, CRC-32 as zip files have it, xxHash64
 * for tables and identity. None withstands an attacker. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *byte, size_t n); /* start from 0; continues */
uint32_t crc32c_plain(uint32_t crc, const void *byte,
                      size_t n);                              /* without SSE 4.2: the oracle */
uint32_t crc32_zip(uint32_t crc, const void *byte, size_t n); /* start from 0; continues */
uint32_t crc32_zip_plain(uint32_t crc, const void *byte,
                         size_t n);                         /* without PCLMULQDQ: the oracle */
uint64_t hash64(const void *byte, size_t n, uint64_t seed); /* xxHash64 */

#endif
