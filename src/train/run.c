#include "train/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

char *run_path(const char *dir, const char *name, struct err *e)
{
    return mem_printf(e, "%s/%s", dir, name);
}

/* Writes our pid for whoever comes second; the lock itself is the kernel's and dies with us. */
static bool state_holder(int fd, const char *path, struct err *e)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0)
        return err_errno(e, path);
    return file_append(fd, path, text, (size_t)n, e);
}

static bool take_lock(struct run *r, const char *path, struct err *e)
{
    r->lock = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (r->lock < 0)
        return err_errno(e, path);
    if (flock(r->lock, LOCK_EX | LOCK_NB) == 0)
        return state_holder(r->lock, path, e);
    if (errno != EWOULDBLOCK)
        return err_errno(e, path);
    char pid[32] = "";
    ssize_t n = pread(r->lock, pid, sizeof(pid) - 1, 0);
    pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return err_set(e, ERR_USAGE,
                   "%s: in use by process %s; wait for it or choose another --out", r->dir,
                   pid[0] ? pid : "(unknown)");
}

/* What a killed process left of a write that never happened. */
static void remove_torn(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *f = d ? readdir(d) : NULL; f; f = readdir(d))
        if (strstr(f->d_name, ".tmp."))
            unlinkat(dirfd(d), f->d_name, 0);
    if (d)
        closedir(d);
}

static bool open_one(struct journal *j, const char *dir, const char *name, struct err *e)
{
    char *path = run_path(dir, name, e);
    bool ok = path && journal_open(j, path, e);
    mem_free(path);
    return ok;
}

bool run_open(struct run *r, const char *dir, struct err *e)
{
    *r = (struct run){.lock = -1};
    r->metrics.fd = r->samples.fd = r->timing.fd = r->log.fd = -1;
    r->dir = mem_text(dir, e);
    bool ok = r->dir && dir_make(dir, e);
    char *lock = ok ? run_path(dir, "lock", e) : NULL;
    ok = lock && take_lock(r, lock, e);
    mem_free(lock);
    if (ok)
        remove_torn(dir);
    ok = ok && open_one(&r->metrics, dir, "metrics.jsonl", e) &&
         open_one(&r->samples, dir, "samples.jsonl", e) &&
         open_one(&r->timing, dir, "timing.jsonl", e) && open_one(&r->log, dir, "log.txt", e);
    if (!ok)
        run_close(r);
    return ok;
}

void run_close(struct run *r)
{
    if (!r->dir)
        return;
    journal_close(&r->metrics);
    journal_close(&r->samples);
    journal_close(&r->timing);
    journal_close(&r->log);
    if (r->lock >= 0)
        close(r->lock);
    mem_free(r->dir);
    *r = (struct run){.lock = -1};
}

bool run_has(const struct run *r, const char *name)
{
    struct err e;
    struct stat st;
    char *path = run_path(r->dir, name, &e);
    bool has = path && lstat(path, &st) == 0;
    mem_free(path);
    return has;
}

bool run_write(const struct run *r, const char *name, const char *text, size_t n, struct err *e)
{
    char *path = run_path(r->dir, name, e);
    struct file_part part = {text, n};
    bool ok = path && file_write_atomic(path, &part, 1, e);
    mem_free(path);
    return ok;
}

bool run_need_space(const struct run *r, size_t bytes, struct err *e)
{
    struct statvfs fs;
    if (statvfs(r->dir, &fs) != 0)
        return err_errno(e, r->dir);
    double room = (double)fs.f_bavail * (double)fs.f_frsize;
    if (room >= (double)bytes)
        return true;
    return err_set(e, ERR_STORAGE,
                   "%s: %.1f MB free, %.1f MB needed for checkpoints; free some or choose "
                   "another --out",
                   r->dir, room / 1e6, (double)bytes / 1e6);
}

bool run_keep(const struct run *r, const char *name, const char *kept, struct err *e)
{
    char *from = run_path(r->dir, name, e), *to = run_path(r->dir, kept, e);
    bool ok = from && to;
    if (ok && run_has(r, name))
        ok = file_keep(from, to, e);
    mem_free(from);
    mem_free(to);
    return ok;
}

void run_log(struct run *r, const char *fmt, ...)
{
    char line[1024], stamp[32];
    struct tm tm;
    time_t now = time(NULL);
    struct err e;
    va_list args;
    va_start(args, fmt);
    char text[900];
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    int n = snprintf(line, sizeof(line), "%s %s\n", stamp, text);
    bool kept = journal_add(&r->log, line, (size_t)n, &e);
    (void)kept; /* without memory there is nobody to tell */
}
