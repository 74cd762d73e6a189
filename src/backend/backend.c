/* The table of devices. */
#include "backend/backend.h"

#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"
#include "base/parallel.h"

#include <string.h>

const struct backend_ops *const backends[] = {&cpu_backend, &ref_backend, NULL};

struct backend *backend_open(const char *name, int n_thread, struct err *e)
{
    bool any = !name || !strcmp(name, "auto");
    for (int i = 0; backends[i]; i++) {
        if ((!any && strcmp(name, backends[i]->name) != 0) || backends[i]->count() == 0)
            continue;
        struct backend *b = mem_new(1, sizeof(*b), e);
        if (!b)
            return NULL;
        b->ops = backends[i];
        b->n_thread = n_thread > 0 ? n_thread : parallel_threads();
        if (b->ops->open(b, e))
            return b;
        mem_free(b);
        return NULL;
    }
    err_set(e, ERR_DEVICE, "no device called %s; known are cpu and ref", any ? "auto" : name);
    return NULL;
}

void backend_close(struct backend *b)
{
    if (!b)
        return;
    b->ops->close(b);
    mem_free(b);
}
