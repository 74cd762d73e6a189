/* The directory of a zip archive, as torch.save writes them: entries stored, not compressed, back to
 * back from the first byte, the directory behind them, nothing else. Names are labels to look up and
 * never paths. The reader trusts nothing: each local header must say what the directory says. */
#ifndef WEIGHTS_ZIP_H
#define WEIGHTS_ZIP_H

#include "base/mem.h"

enum { ZIP_MAX_ENTRIES = 100000, ZIP_MAX_NAME = 1024 };

struct zip_entry {
    const char *name;
    const uint8_t *data; /* in the archive's bytes */
    size_t n;
    uint32_t crc; /* CRC-32 as the directory has it; zip_check compares */
    bool checked;
    size_t header_at;    /* of the local header in the archive */
    bool has_descriptor; /* checksum and sizes stand behind the data */
};

struct zip {
    struct arena arena;
    struct zip_entry *entry; /* (n_entry) sorted by name */
    int n_entry;
};

/* Reads the directory of n bytes that outlive z; ERR_MODEL names the broken rule. The checksums of
 * the data are left to zip_check, so that a large file opens at once. */
MUST_CHECK bool zip_parse(struct zip *z, const uint8_t *byte, size_t n, struct err *e);
void zip_release(struct zip *z);
struct zip_entry *zip_find(const struct zip *z, const char *name); /* NULL: none */
/* ERR_MODEL when the data is not what was written; computed once. */
MUST_CHECK bool zip_check(struct zip_entry *entry, struct err *e);

#endif
