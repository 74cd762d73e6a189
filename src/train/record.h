/* What a run was asked for and what it runs on: config.json, environment.json and plan.json, written
 * at its start and compared at every resume, because the same bits need the same of all this; and
 * model.json, how large its network is. */
#ifndef TRAIN_RECORD_H
#define TRAIN_RECORD_H

#include "graph/plan.h"
#include "train/config.h"
#include "train/run.h"

/* Facts that must not change between the parts of a run, as texts. */
enum { RECORD_MAX_FACTS = 16 };
struct fact {
    const char *name;
    char text[96];
};
struct facts {
    int n;
    struct fact at[RECORD_MAX_FACTS];
};
void facts_add(struct facts *f, const char *name, const char *fmt, ...) PRINTF(3, 4);

/* What changed, as "lr was 0.1, is 0.2; batch was ..." */
struct changes {
    int n;
    char text[400];
};
void changes_add(struct changes *c, const char *name, const char *was, const char *is);
/* ERR_USAGE telling the changes, if any. */
MUST_CHECK bool record_unchanged(const char *dir, const struct changes *c, struct err *e);

MUST_CHECK bool record_write_config(const struct run *r, struct train_config *cfg,
                                    const char *data, const struct changes *forced,
                                    struct err *e);
/* Reads dir's config.json into *cfg (defaults where it says nothing) and *data, texts in the arena. */
MUST_CHECK bool record_read_config(const char *dir, struct train_config *cfg, const char **data,
                                   struct arena *a, struct err *e);
/* Lists the options that differ and may not. */
void record_compare_config(struct train_config *now, struct train_config *stored,
                           struct changes *c);

MUST_CHECK bool record_write_facts(const struct run *r, const struct facts *f, struct err *e);
MUST_CHECK bool record_compare_facts(const struct run *r, const struct facts *f,
                                     struct changes *c, struct err *e);

/* model.json. -1 = not known. */
struct model_size {
    int64_t parameters, trained; /* numbers; those that training changes */
    int64_t macs;                /* multiply-adds of a picture's forward pass */
};
MUST_CHECK bool record_write_size(const struct run *r, const struct model_size *size,
                                  struct err *e);
MUST_CHECK bool record_read_size(const char *dir, struct model_size *size, struct arena *a,
                                 struct err *e);

/* A file of a run, read. ERR_USAGE: there is none. ERR_STORAGE: no JSON. In the arena. */
MUST_CHECK bool record_read_json(const char *dir, const char *name, const struct json **out,
                                 struct arena *a, struct err *e);

/* Which kernel runs what, in the training plan and in the evaluating one. */
MUST_CHECK bool record_write_plans(const struct run *r, const struct plan *train,
                                   const struct plan *eval, struct err *e);
/* The lists of one of them ("train", "eval"), ended by node == NULL, in the arena; empty without a
 * record. */
MUST_CHECK bool record_read_plan(const struct run *r, const char *which,
                                 const struct plan_choice **out, struct arena *a,
                                 struct err *e);

#endif
