/* SHA-256 (FIPS 180-4): what a file from elsewhere is known by. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_TEXT = 65 }; /* 64 hex digits and a NUL */

struct sha256 {
    uint32_t state[8];
    uint64_t n; /* bytes so far */
    uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *byte, size_t n);
/* The hash of all that was added, in lower case; s may go on. Returns text. */
char *sha256_text(const struct sha256 *s, char text[SHA256_TEXT]);

#endif
