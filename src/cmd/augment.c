/* linnet augment: shows on one sheet what the training options do to a picture. */
#include "augment/augment.h"
#include "cmd/command.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/resize.h"

#include <string.h>

enum { QUALITY = 92, MAX_SIZE = 1024, MAX_COLUMNS = 32 };

struct augment_call {
    struct augment_config augment;
    const char *out;
    int64_t size, columns, seed;
};

/* A row of the sheet: one transform on its own, or all (NULL). */
static bool draw_field(const struct augment_call *c, const struct transform *t, int sample,
                       const struct image *src, struct image *field, struct err *e)
{
    static const struct augment_config none = {0};
    struct rng r = rng_at((uint64_t)c->seed, RNG_AUGMENT, 0, (uint64_t)sample);
    bool plain = sample == 0 || (t && t->edit);
    if (plain && !augment_apply(&none, field->w, &r, src, field->pixel, e))
        return false;
    if (sample == 0)
        return true;
    if (!t)
        return augment_apply(&c->augment, field->w, &r, src, field->pixel, e);
    return t->crop ? t->crop(&c->augment, &r, src, field, e)
                   : t->edit(&c->augment, &r, field, e);
}

static void pin(const struct image *field, int row, int column, struct image *sheet)
{
    size_t n = 3 * (size_t)field->w, stride = 3 * (size_t)sheet->w;
    for (int y = 0; y < field->h; y++)
        memcpy(sheet->pixel + stride * (size_t)(row * field->h + y) + n * (size_t)column,
               field->pixel + n * (size_t)y, n);
}

/* The active transforms, then NULL for all of them; returns how many rows. */
static int rows_of(const struct augment_config *cfg, const struct transform **row)
{
    int n = 0;
    for (int i = 0; transforms[i]; i++)
        if (transforms[i]->active(cfg))
            row[n++] = transforms[i];
    row[n++] = NULL;
    return n;
}

static bool draw_sheet(const struct augment_call *c, const struct image *src,
                       const struct transform *const *row, int n_row, struct image *sheet,
                       struct err *e)
{
    struct image field;
    if (!image_init(&field, (int)c->size, (int)c->size, e))
        return false;
    bool ok = true;
    for (int i = 0; ok && i < n_row; i++)
        for (int k = 0; ok && k < (int)c->columns; k++) {
            ok = draw_field(c, row[i], k, src, &field, e);
            if (ok)
                pin(&field, i, k, sheet);
        }
    image_release(&field);
    return ok;
}

static bool read_start(const char *path, int size_px, struct image *out, struct err *e)
{
    struct image whole;
    if (!decode_file(path, 1, &whole, NULL, e))
        return false;
    bool ok = resize_shorter(&whole, augment_start_px(size_px), RESIZE_BILINEAR, out, e);
    image_release(&whole);
    return ok;
}

static bool augment_run(struct call *call, struct err *e)
{
    const struct augment_call *c = call->config;
    const struct transform *row[COMMAND_MAX_TABLES];
    struct image src, sheet = {0};
    if (!c->out)
        return err_set(e, ERR_USAGE, "--out FILE.jpg is needed: where the sheet goes");
    if (!augment_check(&c->augment, e) || !read_start(call->operand[0], (int)c->size, &src, e))
        return false;
    int n_row = rows_of(&c->augment, row);
    bool ok = image_init(&sheet, (int)(c->columns * c->size), n_row * (int)c->size, e) &&
              draw_sheet(c, &src, row, n_row, &sheet, e) &&
              encode_jpeg_file(&sheet, QUALITY, c->out, e);
    if (ok) {
        printf("%s: the picture, then %d drawings of it; the rows are", c->out,
               (int)c->columns - 1);
        for (int i = 0; i < n_row; i++)
            printf(" %s%s", row[i] ? row[i]->name : "all together", row[i] ? "," : "\n");
    }
    image_release(&sheet);
    image_release(&src);
    return ok;
}

static int augment_tables(void *config, struct option_table *table)
{
    struct augment_call *c = config;
    int n = 0;
    for (int i = 0; transforms[i]; i++)
        table[n++] = (struct option_table){transforms[i]->options, &c->augment};
    return n;
}

static const struct option augment_options[] = {
    {.name = "out",
     .type = OPTION_STRING,
     .offset = offsetof(struct augment_call, out),
     .group = "Sheet",
     .help = "the JPEG file to write"},
    {.name = "size",
     .type = OPTION_INT,
     .offset = offsetof(struct augment_call, size),
     .min.i = 1,
     .max.i = MAX_SIZE,
     .fallback.i = 128,
     .help = "side of the network's input, pixels"},
    {.name = "columns",
     .type = OPTION_INT,
     .offset = offsetof(struct augment_call, columns),
     .min.i = 2,
     .max.i = MAX_COLUMNS,
     .fallback.i = 8,
     .help = "fields in a row, of which the first is the picture itself"},
    {.name = "seed",
     .type = OPTION_INT,
     .offset = offsetof(struct augment_call, seed),
     .min.i = 0,
     .max.i = INT64_MAX,
     .fallback.i = 1,
     .help = "other numbers draw other changes"},
    {.name = NULL},
};

static const struct command_options options[] = {{augment_options, 0}, {NULL, 0}};

const struct command command_augment = {
    .name = "augment",
    .synopsis = "augment PICTURE --out SHEET.jpg [options]",
    .summary = "show on one sheet what the augmentation options do to a picture",
    .about = "A row for each transform that is on, by itself, and one for all together. The "
             "options\n"
             "are those of linnet train, with the same meaning and the same defaults.",
    .min_operand = 1,
    .max_operand = 1,
    .config_size = sizeof(struct augment_call),
    .options = options,
    .tables = augment_tables,
    .run = augment_run,
};
