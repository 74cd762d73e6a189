#include "backend/cpu/dnnl.h"

void omp_set_num_threads(int n); /* of libgomp, which oneDNN runs on */

void dnnl_use_threads(int n_thread)
{
    omp_set_num_threads(n_thread);
}

bool dnnl_ok(dnnl_status_t status, const char *what, struct err *e)
{
    static const char *const text[] = {"success", "out of memory", "invalid arguments",
                                       "not implemented"};
    if (status == dnnl_success)
        return true;
    if ((size_t)status < COUNT_OF(text))
        return err_set(e, status == dnnl_out_of_memory ? ERR_NOMEM : ERR_DEVICE,
                       "oneDNN: %s: %s", what, text[status]);
    return err_set(e, ERR_DEVICE, "oneDNN: %s: status %d", what, (int)status);
}

bool dnnl_context_open(struct dnnl_context *c, struct err *e)
{
    if (dnnl_ok(dnnl_engine_create(&c->engine, dnnl_cpu, 0), "engine", e) &&
        dnnl_ok(dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags), "stream",
                e) &&
        dnnl_ok(dnnl_primitive_attr_create(&c->attr), "attributes", e) &&
        dnnl_ok(dnnl_primitive_attr_set_scratchpad_mode(c->attr, dnnl_scratchpad_mode_user),
                "scratchpad mode", e))
        return true;
    dnnl_context_close(c);
    return false;
}

void dnnl_context_close(struct dnnl_context *c)
{
    if (c->attr)
        dnnl_primitive_attr_destroy(c->attr);
    if (c->stream)
        dnnl_stream_destroy(c->stream);
    if (c->engine)
        dnnl_engine_destroy(c->engine);
    *c = (struct dnnl_context){0};
}

/* A memory object without an address; an argument of no bytes is left out. */
static bool add_memory(struct dnnl_op *op, const struct dnnl_context *c, int arg, md_ref desc,
                       struct err *e)
{
    size_t bytes = dnnl_memory_desc_get_size(desc);
    if (bytes == 0)
        return true;
    dnnl_exec_arg_t *a = &op->arg[op->n_arg];
    a->arg = arg;
    if (!dnnl_ok(dnnl_memory_create(&a->memory, desc, c->engine, DNNL_MEMORY_NONE), "memory",
                 e))
        return false;
    op->bytes[op->n_arg++] = bytes;
    return true;
}

static bool add_described(struct dnnl_op *op, const struct dnnl_context *c,
                          const_dnnl_primitive_desc_t pd, int arg, struct err *e)
{
    md_ref desc = arg == DNNL_ARG_SCRATCHPAD
                      ? dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0)
                      : dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg);
    if (!desc)
        return err_set(e, ERR_INTERNAL, "oneDNN: a primitive has no argument %d", arg);
    return add_memory(op, c, arg, desc, e);
}

bool dnnl_op_open(struct dnnl_op *op, const struct dnnl_context *c,
                  const_dnnl_primitive_desc_t pd, const int *arg, int n, struct err *e)
{
    bool ok = dnnl_ok(dnnl_primitive_create(&op->primitive, pd), "primitive", e) &&
              add_described(op, c, pd, DNNL_ARG_SCRATCHPAD, e);
    for (int i = 0; ok && i < n; i++)
        ok = add_described(op, c, pd, arg[i], e);
    if (!ok)
        dnnl_op_close(op);
    return ok;
}

bool dnnl_op_open_reorder(struct dnnl_op *op, const struct dnnl_context *c, md_ref from,
                          md_ref to, struct err *e)
{
    dnnl_primitive_desc_t pd = NULL;
    bool ok = dnnl_ok(dnnl_reorder_primitive_desc_create(&pd, from, c->engine, to, c->engine,
                                                         c->attr),
                      "reorder", e) &&
              dnnl_ok(dnnl_primitive_create(&op->primitive, pd), "reorder", e) &&
              add_described(op, c, pd, DNNL_ARG_SCRATCHPAD, e) &&
              add_memory(op, c, DNNL_ARG_FROM, from, e) &&
              add_memory(op, c, DNNL_ARG_TO, to, e);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (!ok)
        dnnl_op_close(op);
    return ok;
}

void dnnl_op_close(struct dnnl_op *op)
{
    for (int i = 0; i < op->n_arg; i++)
        dnnl_memory_destroy(op->arg[i].memory);
    if (op->primitive)
        dnnl_primitive_destroy(op->primitive);
    *op = (struct dnnl_op){0};
}

static int find(const struct dnnl_op *op, int arg)
{
    for (int i = 0; i < op->n_arg; i++)
        if (op->arg[i].arg == arg)
            return i;
    return -1;
}

size_t dnnl_op_bytes(const struct dnnl_op *op, int arg)
{
    int i = find(op, arg);
    return i < 0 ? 0 : op->bytes[i];
}

bool dnnl_op_md(const struct dnnl_op *op, int arg, md_ref *desc, struct err *e)
{
    int i = find(op, arg);
    if (i < 0)
        return err_set(e, ERR_INTERNAL, "oneDNN: a primitive has no argument %d", arg);
    return dnnl_ok(dnnl_memory_get_memory_desc(op->arg[i].memory, desc), "description", e);
}

bool dnnl_op_bind(struct dnnl_op *op, int arg, void *at, struct err *e)
{
    int i = find(op, arg);
    return i < 0 || dnnl_ok(dnnl_memory_set_data_handle(op->arg[i].memory, at), "address", e);
}

bool dnnl_op_run(struct dnnl_op *op, const struct dnnl_context *c, struct err *e)
{
    return dnnl_ok(dnnl_primitive_execute(op->primitive, c->stream, op->n_arg, op->arg), "run",
                   e) &&
           dnnl_ok(dnnl_stream_wait(c->stream), "wait", e);
}
