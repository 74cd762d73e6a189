/* Where a data set comes from: one row a kind, and what the rows fill in. Internal to data/. */
#ifndef DATA_SOURCE_H
#define DATA_SOURCE_H

#include "data/dataset.h"

/* A data set while it is read: samples in any order, labels into names in any order. */
struct scan {
    struct dataset *d;
    int room_sample, room_class;
};

/* The label of a class, added when new; -1 and e when there is no memory. */
int scan_class(struct scan *s, const char *name, struct err *e);
/* Copies the path. */
MUST_CHECK bool scan_sample(struct scan *s, struct sample sample, struct err *e);

struct source {
    const char *name;
    /* Is this where the data set is of this kind? */
    bool (*matches)(const char *path);
    bool (*has)(const struct dataset_config *cfg, enum part part);
    bool (*read)(struct scan *s, const struct dataset_config *cfg, enum part part,
                 struct err *e);
};
extern const struct source source_idx, source_csv, source_folder;

/* "2" before "10": digit runs as numbers, else bytes. */
int natural_compare(const char *a, const char *b);

#endif
