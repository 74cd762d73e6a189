/* Reads weight files for tests/parity/test_weights.py. Each line on standard input is a path; the
 * answer is a line, "ok COUNT FORMAT|WHAT WAS STRIPPED" or "err KIND MESSAGE", and for each tensor
 * "NAME|DTYPE|SHAPE|COUNT" and COUNT floats. */
#include "weights/state_dict.h"

#include <stdio.h>
#include <string.h>

static bool dump_tensor(const struct state_dict *s, const struct sd_tensor *t, struct err *e)
{
    char shape[256];
    size_t n = sd_tensor_count(t);
    float *x = mem_new(n, sizeof(*x), e);
    bool ok = x && state_dict_copy(s, t, x, n, e);
    if (ok) {
        printf("%s|%s|%s|%zu\n", t->name, st_dtype_name(t->dtype),
               sd_tensor_shape(t, shape, sizeof(shape)), n);
        fwrite(x, sizeof(*x), n, stdout);
    }
    mem_free(x);
    return ok;
}

static bool dump(const char *path, struct err *e)
{
    struct state_dict s;
    char stripped[256];
    if (!state_dict_open(&s, path, e))
        return false;
    printf("ok %d %s|%s\n", s.n_tensor, s.format,
           state_dict_stripped(&s, stripped, sizeof(stripped)));
    bool ok = true;
    for (int i = 0; ok && i < s.n_tensor; i++)
        ok = dump_tensor(&s, &s.tensor[i], e);
    state_dict_close(&s);
    return ok;
}

int main(void)
{
    char path[4096];
    while (fgets(path, sizeof(path), stdin)) {
        struct err e = {0};
        path[strcspn(path, "\n")] = '\0';
        if (!dump(path, &e))
            printf("err %d %s\n", (int)e.kind, e.msg);
        fflush(stdout);
    }
    return 0;
}
