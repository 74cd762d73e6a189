/* model_adapt for test_models.py: parity_embedding FROM TO D, with (1 + FROM * FROM, D) floats on
 * standard input; writes (1 + TO * TO, D). */
#include "model/adapt.h"
#include "op/params.h"

#include <stdio.h>
#include <stdlib.h>

static bool run(int from, int to, int D, struct graph *g, struct err *e)
{
    struct input_param p = {.shape = {.rank = 3, .dim = {1, to * to + 1, D}}};
    struct shape shape = {.rank = 3, .dim = {1, from * from + 1, D}};
    struct node *x = graph_add(g, &op_input, "x", &p, NULL, 0, e);
    struct node *n =
        x ? graph_add(g, &op_position_embedding, "embedding", NULL, &x, 1, e) : NULL;
    size_t n_in = shape_count(&shape), n_out = n ? shape_count(&n->out) : 0;
    float *in = mem_new(n_in, sizeof(*in), e), *out = mem_new(n_out, sizeof(*out), e);
    bool ok = n && in && out && fread(in, sizeof(*in), n_in, stdin) == n_in &&
              model_adapt(n, 0, in, &shape, out, e) &&
              fwrite(out, sizeof(*out), n_out, stdout) == n_out;
    mem_free(in);
    mem_free(out);
    return ok;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct graph *g = argc == 4 ? graph_new(&e) : NULL;
    bool ok = g && run(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), g, &e);
    if (!ok)
        fprintf(stderr, "parity_embedding: %s\n", e.msg);
    graph_free(g);
    return !ok;
}
