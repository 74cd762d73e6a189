/* For pickle.c: the names that mean something in a pickle, and what calling one comes to. */
#ifndef WEIGHTS_PICKLE_NAME_H
#define WEIGHTS_PICKLE_NAME_H

#include "weights/pickle.h"

/* A value of the pickle's own, zeroed; counted against its memory. */
MUST_CHECK struct pickle_value *pickle_new(struct pickle *p, enum pickle_type type,
                                           struct err *e);
/* n x size zeroed bytes of the pickle's own, counted as well. */
MUST_CHECK void *pickle_room(struct pickle *p, size_t n, size_t size, struct err *e);
/* Appends n values to a tuple, list or dict. */
MUST_CHECK bool pickle_hold(struct pickle *p, struct pickle_value *into,
                            struct pickle_value **v, size_t n, struct err *e);
/* Sets v->known; ERR_MODEL for names whose only use in a file is to run commands. */
MUST_CHECK bool pickle_name(struct pickle_value *v, struct err *e);
/* What callee(*args) is, without calling anything; NULL and ERR_MODEL when it may not be called. */
MUST_CHECK struct pickle_value *pickle_call(struct pickle *p, const struct pickle_value *callee,
                                            const struct pickle_value *args, struct err *e);
/* The storage that a persistent id tells of: ("storage", type, key, place, elements). */
MUST_CHECK struct pickle_value *
pickle_find_storage(struct pickle *p, const struct pickle_value *id, struct err *e);

#endif
