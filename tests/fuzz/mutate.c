#include "mutate.h"

#include <string.h>

static uint32_t number(const uint8_t *p, int bytes, int big)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << 8 * (big ? bytes - 1 - i : i);
    return v;
}

/* Chunks: a length and a type in some order, data, and what else each one has. */
static int chunks(const struct blob *b, size_t at, size_t length_at, size_t extra, int big,
                  struct piece *out)
{
    int n_piece = 0;
    while (n_piece < MAX_PIECES && at + 8 <= b->n) {
        size_t n = (size_t)number(b->byte + at + length_at, 4, big) + 8 + extra;
        if (!big)
            n += n & 1;
        if (n > b->n - at)
            break;
        out[n_piece++] = (struct piece){at, n, at + length_at, 4};
        at += n;
    }
    return n_piece;
}

static int segments(const struct blob *b, struct piece *out)
{
    int n_piece = 0;
    for (size_t at = 2; n_piece < MAX_PIECES && at + 4 <= b->n;) {
        size_t n = (size_t)number(b->byte + at + 2, 2, 1) + 2;
        if (b->byte[at] != 0xff || n > b->n - at)
            break;
        out[n_piece++] = (struct piece){at, n, at + 2, 2};
        if (b->byte[at + 1] == 0xda) /* pixels follow */
            break;
        at += n;
    }
    return n_piece;
}

/* Sub-blocks wherever they may begin: an approximation that hits real ones often enough. */
static int sub_blocks(const struct blob *b, struct piece *out)
{
    int n_piece = 0;
    for (size_t at = 13; n_piece < MAX_PIECES && at < b->n; at++) {
        size_t n = (size_t)b->byte[at] + 1;
        int starts = b->byte[at - 1] == 0x21 || b->byte[at - 1] == 0x2c || at % 17 == 0;
        if (starts && n <= b->n - at) {
            out[n_piece++] = (struct piece){at, n, at, 1};
            at += n - 1; /* pieces do not overlap */
        }
    }
    return n_piece;
}

int pieces_find(const struct blob *b, struct piece *out)
{
    if (b->n < 16)
        return 0;
    switch (b->byte[0]) {
    case 0x89:
        return chunks(b, 8, 0, 4, 1, out);
    case 'R':
        return chunks(b, 12, 4, 0, 0, out);
    case 0xff:
        return segments(b, out);
    default:
        return sub_blocks(b, out);
    }
}

static uint32_t crc32_png(const uint8_t *byte, size_t n)
{
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            table[i] = i;
            for (int bit = 0; bit < 8; bit++)
                table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
        }
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ table[(crc ^ byte[i]) & 255];
    return ~crc;
}

static void repair_checksums(struct blob *b)
{
    struct piece piece[MAX_PIECES];
    if (b->n < 16 || b->byte[0] != 0x89)
        return;
    int n_piece = pieces_find(b, piece);
    for (int i = 0; i < n_piece; i++) {
        uint8_t *end = b->byte + piece[i].at + piece[i].n - 4;
        uint32_t crc = crc32_png(b->byte + piece[i].at + 4, piece[i].n - 8);
        for (int k = 0; k < 4; k++)
            end[k] = (uint8_t)(crc >> (24 - 8 * k));
    }
}

static size_t below(struct rng *r, size_t n)
{
    return n ? rng_below(r, (uint32_t)n) : 0;
}

static uint8_t odd_byte(struct rng *r)
{
    static const uint8_t odd[] = {0, 1, 2, 0x10, 0x7f, 0x80, 0xfe, 0xff, 0xd8, 0xd9, 0xda};
    return rng_below(r, 2) ? (uint8_t)rng_u32(r) : odd[below(r, sizeof(odd))];
}

/* n bytes from elsewhere over, or between, what is there. */
static void splice(struct blob *b, const uint8_t *from, size_t n, size_t at, int insert)
{
    if (insert) {
        n = n < b->room - b->n ? n : b->room - b->n;
        memmove(b->byte + at + n, b->byte + at, b->n - at);
        b->n += n;
    } else {
        n = n < b->n - at ? n : b->n - at;
    }
    memmove(b->byte + at, from, n);
}

static void change_length(struct blob *b, struct rng *r)
{
    struct piece piece[MAX_PIECES];
    int n_piece = pieces_find(b, piece);
    if (n_piece == 0)
        return;
    const struct piece *p = &piece[below(r, (size_t)n_piece)];
    for (int i = 0; i < p->length_bytes; i++)
        if (rng_below(r, 2))
            b->byte[p->length_at + (size_t)i] = odd_byte(r);
}

/* Two pieces change places; or one is repeated, or lost. */
static void move_piece(struct blob *b, struct rng *r)
{
    struct piece piece[MAX_PIECES];
    int n_piece = pieces_find(b, piece);
    if (n_piece < 2)
        return;
    size_t i = below(r, (size_t)n_piece - 1), k = i + 1 + below(r, (size_t)n_piece - 1 - i);
    const struct piece *first = &piece[i], *second = &piece[k];
    switch (rng_below(r, 3)) {
    case 0: {
        uint8_t kept[4096];
        size_t n = first->n < sizeof(kept) ? first->n : sizeof(kept);
        memcpy(kept, b->byte + first->at, n);
        size_t gap = second->at + second->n - first->at - n;
        memmove(b->byte + first->at, b->byte + first->at + n, gap);
        memcpy(b->byte + first->at + gap, kept, n);
        break;
    }
    case 1:
        if (second->n <= b->room - b->n) {
            memmove(b->byte + first->at + second->n, b->byte + first->at, b->n - first->at);
            memmove(b->byte + first->at, b->byte + second->at + second->n, second->n);
            b->n += second->n;
        }
        break;
    default:
        memmove(b->byte + first->at, b->byte + first->at + first->n,
                b->n - first->at - first->n);
        b->n -= first->n;
    }
}

static void change(struct blob *b, const struct blob *other, struct rng *r)
{
    size_t at = below(r, b->n), n = 1 + below(r, 32);
    switch (rng_below(r, 8)) {
    case 0:
        b->byte[at] ^= (uint8_t)(1u << rng_below(r, 8));
        break;
    case 1:
        b->byte[at] = odd_byte(r);
        break;
    case 2: {
        size_t from = below(r, other->n);
        n = n < other->n - from ? n : other->n - from;
        splice(b, other->byte + from, n, at, (int)rng_below(r, 2));
        break;
    }
    case 3: /* bytes lost in the middle */
        n = n < b->n - at ? n : b->n - at;
        memmove(b->byte + at, b->byte + at + n, b->n - at - n);
        b->n -= n;
        break;
    case 4: /* truncation, seldom: most truncated files are refused at once */
        if (rng_below(r, 4) == 0)
            b->n = at;
        break;
    case 5:
        change_length(b, r);
        break;
    case 6:
        move_piece(b, r);
        break;
    default: /* the header, where sizes and types are */
        b->byte[below(r, b->n < 64 ? b->n : 64)] = odd_byte(r);
    }
}

void mutate(struct blob *b, const struct blob *other, struct rng *r)
{
    for (int n = 1 + (int)rng_below(r, 4); n > 0 && b->n > 0; n--)
        change(b, other, r);
    if (rng_below(r, 8) > 0)
        repair_checksums(b);
}
