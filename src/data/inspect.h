/* Looks at every picture of a data set's parts, the test part too: what cannot be read, what is
 * odd, and what is there twice. For `linnet check`; training never calls it. */
#ifndef DATA_INSPECT_H
#define DATA_INSPECT_H

#include "data/dataset.h"
#include "image/decode.h"

enum {
    PRINT_SIDE = 16, /* of the small copy */
    PRINT_WORDS = 4, /* 256 signs of horizontal differences of its grey copy */
    NEAR_BITS = 24,  /* most differing signs, and ... */
    NEAR_DIFFERENCE =
        8, /* ... mean difference of the small copies' values, of near duplicates */
};

struct inspected {
    const struct dataset *d;
    int part;   /* enum part */
    int sample; /* in d */
    char *bad;  /* why it cannot be read, NULL = it can; owned */
    struct decode_info info;
    uint64_t bytes[2], pixels[2]; /* 128-bit fingerprints */
    uint64_t print[PRINT_WORDS];
    uint8_t small[PRINT_SIDE * PRINT_SIDE * 3];
    float mean, contrast; /* of small: grey level and its deviation */
};

enum finding_kind { SAME_BYTES, SAME_PIXELS, NEAR_DUPLICATE, FINDING_KINDS };

/* Picture b is picture a again; a comes first, in the training part if either is. */
struct finding {
    enum finding_kind kind;
    int a, b;
    bool leak;     /* they lie in different parts */
    bool conflict; /* their classes have different names */
};

struct inspection {
    struct inspected *at; /* (n) train, val, test; each in its data set's order */
    int n, n_bad;
    struct finding *finding;
    int n_finding;
};

/* d: n_part data sets with the part of each, which outlive the inspection. */
MUST_CHECK bool inspect(const struct dataset *const *d, const enum part *part, int n_part,
                        int n_thread, bool (*progress)(void *ctx, int done, int total),
                        void *ctx, struct inspection *out, struct err *e);
void inspection_release(struct inspection *in);

/* The second half, for tests: fills in finding from at. */
MUST_CHECK bool inspect_find(struct inspection *in, int n_thread, struct err *e);

#endif
