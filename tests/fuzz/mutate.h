/* Damages files at random, with their structure known: what tests/fuzz/image.c feeds the decoders. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include "base/rng.h"

#include <stddef.h>
#include <stdint.h>

/* A growing file: room is the size of byte. */
struct blob {
    uint8_t *byte;
    size_t n, room;
};

/* A stretch with a length field of its own: a PNG or RIFF chunk, a JPEG segment, a GIF block. */
struct piece {
    size_t at, n;     /* of the whole piece */
    size_t length_at; /* of the field, length_bytes wide */
    int length_bytes;
};

enum { MAX_PIECES = 64 };
int pieces_find(const struct blob *b, struct piece *out);

/* One to four changes: bits, bytes, splices from other, cuts, length fields, swapped pieces. PNG's
 * checksums are repaired mostly, so that the damage gets past them. */
void mutate(struct blob *b, const struct blob *other, struct rng *r);

#endif
