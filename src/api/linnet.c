/* Version, errors, backends. */
#include "api/api.h"

#include "backend/cpu/isa.h"
#include "base/build.h"

#include <stdio.h>

const char *linnet_version(void)
{
    return LINNET_VERSION;
}

bool api_fail(struct linnet_error *out, const struct err *e)
{
    out->status = err_status(e);
    snprintf(out->text, sizeof(out->text), "%s", e->msg);
    return false;
}

struct node *api_node(const struct graph *g, const char *name, struct err *e)
{
    struct node *n = graph_find(g, name);
    if (!n)
        err_set(e, ERR_USAGE, "the graph has no node %s", name);
    return n;
}

struct linnet_backend *linnet_backend_open(const char *name, int n_thread,
                                           struct linnet_error *out)
{
    struct err e = {0};
    struct linnet_backend *b = mem_new(1, sizeof(*b), &e);
    if (b)
        b->backend = backend_open(name, n_thread, &e);
    if (b && b->backend)
        return b;
    mem_free(b);
    api_fail(out, &e);
    return NULL;
}

void linnet_backend_close(struct linnet_backend *b)
{
    if (!b)
        return;
    backend_close(b->backend);
    mem_free(b);
}

const char *linnet_backend_isa(const struct linnet_backend *b)
{
    return b->backend->isa ? b->backend->isa->name : "";
}
