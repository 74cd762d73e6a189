/* oneDNN's primitives as the kernels use them: made in plan() with their memory objects, bound to
 * addresses and run in run(), which allocates nothing. */
#ifndef BACKEND_CPU_DNNL_H
#define BACKEND_CPU_DNNL_H

#include "backend/cpu/dnnl_compat.h"
#include "base/err.h"

struct dnnl_context {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_attr_t attr; /* the caller provides the scratchpad */
};

enum { DNNL_OP_MAX_ARG = 6 };
struct dnnl_op {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[DNNL_OP_MAX_ARG];
    size_t bytes[DNNL_OP_MAX_ARG];
    int n_arg;
};

/* true, or ERR_NOMEM or ERR_DEVICE: "oneDNN: <what>: not implemented". */
MUST_CHECK bool dnnl_ok(dnnl_status_t status, const char *what, struct err *e);

MUST_CHECK bool dnnl_context_open(struct dnnl_context *c, struct err *e);
void dnnl_context_close(struct dnnl_context *c);

/* The primitive that pd describes, with arguments arg[0 .. n-1] (DNNL_ARG_*) and its scratchpad. */
MUST_CHECK bool dnnl_op_open(struct dnnl_op *op, const struct dnnl_context *c,
                             const_dnnl_primitive_desc_t pd, const int *arg, int n,
                             struct err *e);
/* A copy from one layout to another: arguments DNNL_ARG_FROM and DNNL_ARG_TO. */
MUST_CHECK bool dnnl_op_open_reorder(struct dnnl_op *op, const struct dnnl_context *c,
                                     md_ref from, md_ref to, struct err *e);
void dnnl_op_close(struct dnnl_op *op);

/* Bytes of an argument in the layout that the primitive chose; 0 = it has no such argument. */
size_t dnnl_op_bytes(const struct dnnl_op *op, int arg);
/* The description of an argument, lent by the op. */
MUST_CHECK bool dnnl_op_md(const struct dnnl_op *op, int arg, md_ref *desc, struct err *e);
/* An argument that the op does not have is left alone. */
MUST_CHECK bool dnnl_op_bind(struct dnnl_op *op, int arg, void *at, struct err *e);
MUST_CHECK bool dnnl_op_run(struct dnnl_op *op, const struct dnnl_context *c, struct err *e);

/* Threads of what is made and run from here on, on this thread's behalf. */
void dnnl_use_threads(int n_thread);

#endif
