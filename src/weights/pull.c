#include "weights/pull.h"
#include "base/build.h"
#include "base/clock.h"
#include "base/machine.h"
#include "weights/part.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WAIT_S = 60 };

struct work {
    const struct pull_request *r;
    struct part part;
    int64_t total; /* bytes of the file as the server tells; -1 = not told */
    int64_t most;  /* bytes that the part had at best */
    bool joined;   /* the part is made of more than one answer */
    bool answered; /* the server was reached */
    bool wrong;    /* a file stands at the path, and its hash is not that of its name */
    bool useless;  /* what came is another file: nothing is kept */
    bool server_fault;
};

static void say(const struct work *w, const char *fmt, ...) PRINTF(2, 3);
static void say(const struct work *w, const char *fmt, ...)
{
    char text[512];
    struct err line; /* its text is one line, whatever a server said */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err_set(&line, ERR_NONE, "%s", text);
    w->r->events.say(w->r->events.ctx, line.msg);
}

static const char *file_name(const struct work *w)
{
    return strrchr(w->r->path, '/') + 1;
}

static bool not_stopped(const struct work *w, struct err *e)
{
    if (!w->r->stop || *w->r->stop == 0)
        return true;
    e->signal = *w->r->stop;
    return err_set(e, ERR_INTERRUPTED, "stopped by signal %d", e->signal);
}

static bool on_hashing(void *ctx, int64_t done, int64_t all, struct err *e)
{
    const struct work *w = ctx;
    w->r->events.progress(w->r->events.ctx, "checking", done, all);
    return not_stopped(w, e);
}

static bool is_right(const struct work *w, const struct sha256 *hash)
{
    char text[SHA256_TEXT];
    return strncmp(sha256_text(hash, text), w->r->hash, w->r->n_digit) == 0;
}

/* Is the file there, and is it the right one? */
static bool look(struct work *w, bool *right, struct err *e)
{
    struct sha256 hash;
    w->wrong = *right = false;
    if (access(w->r->path, F_OK) != 0)
        return true;
    if (!part_hash(w->r->path, &hash, on_hashing, w, e))
        return false;
    *right = is_right(w, &hash);
    w->wrong = !*right;
    w->total = (int64_t)hash.n;
    return true;
}

static bool fits_disk(const struct work *w, int64_t bytes, struct err *e)
{
    uint64_t free_bytes = machine_disk_free(w->r->path);
    return free_bytes >= (uint64_t)bytes ||
           err_set(e, ERR_STORAGE, "%s: %.1f MiB free, %.1f MiB needed", w->r->path,
                   (double)free_bytes / 0x1p20, (double)bytes / 0x1p20);
}

/* Is it the file that was asked for, going by its size? */
static bool fits_name(struct work *w, int64_t bytes, struct err *e)
{
    w->useless = w->r->max_bytes > 0 && bytes > w->r->max_bytes;
    return !w->useless ||
           err_set(e, ERR_MODEL,
                   "%s: %" PRId64 " bytes or more, at most %" PRId64 " expected: another file",
                   w->r->url, bytes, w->r->max_bytes);
}

static bool on_begin(void *ctx, const struct fetch_head *head, struct err *e)
{
    struct work *w = ctx;
    w->joined = head->at > 0;
    w->total = head->total;
    return (head->at > 0 || part_restart(&w->part, head->validator, e)) &&
           (w->total < 0 ||
            (fits_name(w, w->total, e) && fits_disk(w, w->total - head->at, e)));
}

static bool on_body(void *ctx, const void *byte, size_t n, struct err *e)
{
    struct work *w = ctx;
    if (!fits_name(w, w->part.n + (int64_t)n, e) || !part_append(&w->part, byte, n, e))
        return false;
    w->r->events.progress(w->r->events.ctx, "fetching", w->part.n, w->total > 0 ? w->total : 0);
    return not_stopped(w, e);
}

static bool rest(const struct work *w, double s, struct err *e)
{
    const struct timespec step = {.tv_nsec = 50000000};
    double until = clock_s() + s;
    while (clock_s() < until) {
        if (!not_stopped(w, e))
            return false;
        nanosleep(&step, NULL);
    }
    return not_stopped(w, e);
}

/* The server's last word. */
static bool refused(struct work *w, const char *why, struct err *e)
{
    w->server_fault = true;
    return err_set(e, ERR_STORAGE, "%s: %s", w->r->url, why);
}

/* After a try that brought less than all; `failures` tries in a row brought nothing new. */
static bool try_again(struct work *w, const struct fetch_result *end, int64_t failures,
                      struct err *e)
{
    double s = w->r->retry_s;
    if (failures > w->r->retries) {
        char why[320];
        snprintf(why, sizeof(why), "%s; given up after %" PRId64 " tries that brought nothing",
                 end->why, failures);
        return refused(w, why, e);
    }
    for (int64_t i = 1; i < failures && s < MAX_WAIT_S; i++)
        s *= 2;
    s = s < (double)end->wait_s ? (double)end->wait_s : s;
    s = s > MAX_WAIT_S ? MAX_WAIT_S : s;
    say(w, "%s: %s at %.1f MiB; trying again in %.3g s", file_name(w), end->why,
        (double)w->part.n / 0x1p20, s);
    return rest(w, s, e);
}

static struct fetch_result ask_server(struct work *w, const struct fetch_request *ask,
                                      struct err *e)
{
#if WITH_CURL
    (void)w;
    return fetch(ask, e);
#else
    (void)ask;
    w->server_fault = true;
    err_set(e, ERR_DEVICE, "this build has no libcurl, so it downloads nothing");
    return (struct fetch_result){.end = FETCH_FAILED};
#endif
}

/* Asks until the server has sent the file to its end. */
static bool transfer(struct work *w, struct err *e)
{
    struct fetch_request ask = {.url = w->r->url,
                                .timeout_s = w->r->timeout_s,
                                .stop = w->r->stop,
                                .begin = on_begin,
                                .body = on_body,
                                .ctx = w};
    for (int64_t failures = 0;;) {
        ask.from = w->part.n;
        ask.validator = w->part.validator;
        struct fetch_result end = ask_server(w, &ask, e);
        if (end.end == FETCH_FAILED)
            return false;
        if (end.end == FETCH_DONE && (w->total < 0 || w->part.n == w->total))
            return true;
        if (end.end == FETCH_DONE)
            end = (struct fetch_result){FETCH_CUT, "ended early", 0};
        if (end.end == FETCH_REFUSED || (end.end == FETCH_UNREACHED && !w->answered))
            return refused(w, end.why, e);
        if (end.end == FETCH_NO_RANGE && !part_restart(&w->part, "", e))
            return false;
        w->answered = true;
        failures = w->part.n > w->most ? 1 : failures + 1;
        w->most = w->part.n > w->most ? w->part.n : w->most;
        if (!try_again(w, &end, failures, e))
            return false;
    }
}

static bool another_file(struct work *w, struct err *e)
{
    enum { SHOWN = 16 }; /* digits, of each */
    char text[SHA256_TEXT];
    int n = w->r->n_digit < SHOWN ? (int)w->r->n_digit : SHOWN;
    w->useless = true;
    return err_set(
        e, ERR_MODEL,
        "%s: SHA-256 %.*s... of %" PRId64 " bytes, expected %.*s: damaged, or another "
        "file; not kept",
        w->r->url, SHOWN, sha256_text(&w->part.hash, text), w->part.n, n, w->r->hash);
}

/* Parts that do not fit together are fetched once more in one piece. */
static bool get(struct work *w, struct err *e)
{
    w->most = w->part.n;
    if (w->part.n > 0 && is_right(w, &w->part.hash))
        return true;
    if (w->part.n > 0)
        say(w, "%s: going on at %.1f MiB", file_name(w), (double)w->part.n / 0x1p20);
    if (!transfer(w, e))
        return false;
    if (is_right(w, &w->part.hash))
        return true;
    if (!w->joined)
        return another_file(w, e);
    say(w, "%s: its parts do not fit together; fetching all of it", file_name(w));
    w->most = 0;
    return part_restart(&w->part, "", e) && transfer(w, e) &&
           (is_right(w, &w->part.hash) || another_file(w, e));
}

static bool make_folder(const char *path, struct err *e)
{
    char *folder = mem_printf(e, "%.*s", (int)(strrchr(path, '/') - path), path);
    bool ok = folder && dir_make(folder, e);
    mem_free(folder);
    return ok;
}

static bool bring(struct work *w, bool *was_here, struct err *e)
{
    if (!look(w, was_here, e) || *was_here)
        return *was_here;
    if (!make_folder(w->r->path, e) || !part_open(&w->part, w->r->path, on_hashing, w, e))
        return false;
    /* Whoever held the part until now may have brought the file. */
    bool ok = look(w, was_here, e);
    if (w->wrong)
        say(w, "%s: its SHA-256 is not that of its name; fetching it anew", w->r->path);
    if (ok && !*was_here && (ok = get(w, e))) {
        w->total = w->part.n;
        return part_publish(&w->part, w->r->path, e);
    }
    if (w->useless)
        part_drop(&w->part);
    else if (!ok && w->part.n > 0)
        err_set(e, e->kind, "%s; %.1f MiB are kept for the next pull", e->msg,
                (double)w->part.n / 0x1p20);
    part_close(&w->part);
    return ok;
}

bool pull(const struct pull_request *r, struct pull_report *report, struct err *e)
{
    struct work w = {.r = r, .total = -1};
    *report = (struct pull_report){0};
    bool ok = bring(&w, &report->was_here, e);
    report->bytes = w.total;
    report->server_fault = w.server_fault || w.useless;
    return ok;
}
