/* Decodes and resamples pictures for tests/parity/images.py. Each line on standard input is
 *     SHRINK MODE A B FILTER PATH
 * with MODE keep, size (A x B), shorter (side A) or crop (A x B); FILTER 0 bilinear, 1 bicubic,
 * 2 nearest. The answer is a line, "ok W H NOTES" and the W x H x 3 bytes, or "err MESSAGE". */
#include "image/decode.h"
#include "image/resize.h"

#include <stdio.h>
#include <string.h>

struct job {
    int shrink, a, b, filter;
    char mode[16], path[4096];
};

static bool run(const struct job *job, struct image *out, struct decode_info *info,
                struct err *e)
{
    struct image whole;
    if (!decode_file(job->path, job->shrink, &whole, info, e))
        return false;
    enum resize_filter filter = (enum resize_filter)job->filter;
    bool ok = true;
    if (strcmp(job->mode, "size") == 0)
        ok = resize(&whole, job->a, job->b, filter, out, e);
    else if (strcmp(job->mode, "shorter") == 0)
        ok = resize_shorter(&whole, job->a, filter, out, e);
    else if (strcmp(job->mode, "crop") == 0)
        ok = center_crop(&whole, job->a, job->b, out, e);
    else {
        *out = whole;
        return true;
    }
    image_release(&whole);
    return ok;
}

int main(void)
{
    struct job job;
    while (scanf("%d %15s %d %d %d %4095[^\n]", &job.shrink, job.mode, &job.a, &job.b,
                 &job.filter, job.path) == 6) {
        struct err e = {0};
        struct image out = {0};
        struct decode_info info = {0};
        if (run(&job, &out, &info, &e)) {
            printf("ok %d %d %u\n", out.w, out.h, info.notes);
            fwrite(out.pixel, 3, (size_t)out.w * (size_t)out.h, stdout);
        } else {
            printf("err %s\n", e.msg);
        }
        fflush(stdout);
        image_release(&out);
    }
    return 0;
}
