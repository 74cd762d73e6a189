/* A list of pictures with labels, from a folder, a CSV or IDX files. What comes in is a path, what
 * goes out is classes and samples; no picture is decoded here, and the test part is not opened. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/mem.h"

#include <stdint.h>
#include <sys/types.h>

/* Which part of the data set. */
enum part { PART_TRAIN, PART_VAL, PART_TEST };

struct sample {
    const char *path; /* bytes as the file system has them; for IDX "file.idx#17" */
    int label;        /* index into class_name; -1 = none (predicting) */
    /* Identity and age at the scan, for the cache's key and to notice drift. */
    dev_t dev;
    ino_t ino;
    int64_t size, mtime_ns;
};

struct dataset {
    const char *root;
    int n_class, n_sample;
    const char **class_name; /* natural order ("2" before "10") */
    struct sample *sample;   /* grouped by class, natural order inside */
    /* Already in memory (IDX): (n_sample, raw_h, raw_w) grey bytes; NULL for files. */
    const uint8_t *raw;
    int raw_h, raw_w;
    const struct dataset_issue *issue; /* what the scan left out or found odd */
    int n_issue;
    struct arena arena;
};

/* Something about a path worth telling: left out (bad) or only odd. */
struct dataset_issue {
    const char *path;
    const char *why;
    bool left_out;
};

struct dataset_config {
    const char *path;
    const char *train, *test;   /* sub-folders; NULL = found: train/, then test/ or val/ */
    const char *const *classes; /* NULL-ended: labels must be among these; NULL = from the data */
};

/* Reads one part (PART_TRAIN or PART_TEST). ERR_DATA: missing, empty, one class only. */
MUST_CHECK struct dataset *dataset_open(const struct dataset_config *cfg, enum part part,
                                        struct err *e);
void dataset_free(struct dataset *d);

/* Splits a training part: val_fraction of each class (rounded to the nearest picture, at least one
 * stays in train), drawn by (seed, class) from the class's order. in_val is (n_sample). */
MUST_CHECK bool split_stratified(const struct dataset *d, double val_fraction, uint64_t seed,
                                 uint8_t *in_val, struct err *e);

#endif
