/* Pictures live in one block each. */
#include "image/image.h"

#include "base/mem.h"

bool image_init(struct image *im, int w, int h, struct err *e)
{
    *im = (struct image){.w = w, .h = h};
    im->pixel = mem_new((size_t)w * (size_t)h, 3, e);
    return im->pixel != NULL;
}

bool image_raw(struct image *im, int w, int h, struct err *e)
{
    *im = (struct image){.w = w, .h = h};
    im->pixel = mem_raw((size_t)w * (size_t)h, 3, e);
    return im->pixel != NULL;
}

void image_release(struct image *im)
{
    if (im) {
        mem_free(im->pixel);
        *im = (struct image){0};
    }
}
