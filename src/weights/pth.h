/* What torch.save wrote, in the zip layout (since PyTorch 1.6) or in the one before it, as the tree
 * of values in it with each storage found in the file: nothing is copied and nothing can run. */
#ifndef WEIGHTS_PTH_H
#define WEIGHTS_PTH_H

#include "weights/pickle.h"
#include "weights/zip.h"

struct pth {
    struct zip zip; /* no entries in the older layout */
    struct pickle pickle;
};

/* True for the first bytes of either layout. */
bool pth_is_zip(const uint8_t *byte, size_t n);
bool pth_is_legacy(const uint8_t *byte, size_t n);
/* Reads a file's bytes, which outlive p. Each pickle_storage's data is in them, as large as its
 * claim; its owner is the zip_entry whose checksum stands for it, NULL in the older layout, which
 * has none. ERR_MODEL names the broken rule. */
MUST_CHECK bool pth_parse(struct pth *p, const uint8_t *byte, size_t n, struct err *e);
void pth_release(struct pth *p);

#endif
