/* A list of pictures with labels, from a folder, a CSV or IDX files. What comes in is a path, what
 * goes out is classes and samples; no picture is decoded here, and the test part is not opened
 * unless it is the part asked for.
 *
 * A folder holds train/ and test/ or val/, or the class folders themselves. test/ is the test part;
 * where there is no test/, val/ is (so with train/ and val/ alone the validation part is split off
 * train/); with both, val/ is the validation part. A CSV has the columns path and label, its test
 * part is another CSV; IDX files are named as MNIST's, gzipped or not. */
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

/* Something about a path worth telling. */
struct dataset_issue {
    const char *path;
    const char *why;
    bool left_out; /* not among the samples */
    bool bad;      /* a picture that cannot be read: counts towards --max-bad */
};

struct dataset {
    const char *root; /* of this part: sample[].path begins with it */
    int n_class, n_sample;
    const char **class_name; /* natural order ("2" before "10") */
    struct sample *sample;   /* grouped by class, natural order inside */
    /* Already in memory (IDX): (n_sample, raw_h, raw_w) grey bytes; NULL for files. */
    const uint8_t *raw;
    int raw_h, raw_w;
    const struct dataset_issue *issue; /* what was left out or odd, in the order found */
    int n_issue, room_issue;
    struct arena arena;
};

struct dataset_config {
    const char *path;
    const char *train, *test; /* sub-folders (or files); NULL = found. "." = path itself */
    const char *const
        *classes;    /* NULL-ended: labels must be among these; NULL = from the data */
    const char *val; /* sub-folder of the validation part; NULL = found */
    bool lenient;    /* one class or none at all is no error (`check`) */
};

/* Reads one part. ERR_DATA: missing, empty, one class only, a class that is not in cfg->classes. */
MUST_CHECK struct dataset *dataset_open(const struct dataset_config *cfg, enum part part,
                                        struct err *e);
/* Has the data set this part of its own? PART_VAL and PART_TEST need not be there. */
bool dataset_has(const struct dataset_config *cfg, enum part part);
void dataset_free(struct dataset *d);

/* Where sample i lies below the root: the name in splits, logs and messages. */
const char *dataset_name(const struct dataset *d, int i);
/* Index of a class by its name, -1 when there is none. */
int dataset_class(const struct dataset *d, const char *name);
/* Adds to d->issue; path and why are copied. */
MUST_CHECK bool dataset_note(struct dataset *d, struct dataset_issue issue, struct err *e);

/* Splits a training part: val_fraction of each class (rounded to the nearest picture, at least one
 * stays in train), drawn by (seed, class) from the class's order. in_val is (n_sample). */
MUST_CHECK bool split_stratified(const struct dataset *d, double val_fraction, uint64_t seed,
                                 uint8_t *in_val, struct err *e);
/* The split as a file of the run, atomically: a line per picture, "val<TAB>cat/0017.jpg", with
 * control characters and backslashes as \xNN. Reading it back needs exactly the same pictures:
 * ERR_DATA names the first that is missing or new. */
MUST_CHECK bool split_write(const struct dataset *d, const uint8_t *in_val, const char *path,
                            struct err *e);
MUST_CHECK bool split_read(const struct dataset *d, const char *path, uint8_t *in_val,
                           struct err *e);

#endif
