#include "base/cgroup.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 1024 };

/* A small file as text, NULL when there is none. The caller frees. */
static char *text_of(const char *folder, const char *name)
{
    char path[2 * PATH_SIZE];
    struct err e;
    uint8_t *byte;
    size_t n;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return file_read(path, 1 << 16, ERR_STORAGE, &byte, &n, &e) ? (char *)byte : NULL;
}

/* The first number of a file; fallback without a file, a number, or for "max". */
static double number_of(const char *folder, const char *name, double fallback)
{
    char *text = text_of(folder, name), *end = text;
    double v = text ? (double)strtoull(text, &end, 10) : fallback;
    if (end == text || (text && text[0] == '-'))
        v = fallback;
    mem_free(text);
    return v;
}

static void tighten_cpus(struct cgroup *c, double quota, double period)
{
    if (quota > 0 && period > 0 && (c->cpus == 0 || quota / period < c->cpus))
        c->cpus = quota / period;
}

/* Version 1 says "no limit" with a number of nearly 2^63. */
static void tighten_memory(struct cgroup *c, double limit, double used)
{
    if (limit > 0 && limit < 0x1p62 &&
        (c->memory_limit == 0 || limit < (double)c->memory_limit)) {
        c->memory_limit = (uint64_t)limit;
        c->memory_used = (uint64_t)used;
    }
}

static void look_v2(struct cgroup *c, const char *folder)
{
    char *text = text_of(folder, "cpu.max"); /* "max 100000" or "150000 100000" */
    double quota = 0, period = 0;
    if (text && sscanf(text, "%lf %lf", &quota, &period) == 2)
        tighten_cpus(c, quota, period);
    mem_free(text);
    tighten_memory(c, number_of(folder, "memory.max", 0),
                   number_of(folder, "memory.current", 0));
}

static void look_v1_cpu(struct cgroup *c, const char *folder)
{
    tighten_cpus(c, number_of(folder, "cpu.cfs_quota_us", 0),
                 number_of(folder, "cpu.cfs_period_us", 0));
}

static void look_v1_memory(struct cgroup *c, const char *folder)
{
    tighten_memory(c, number_of(folder, "memory.limit_in_bytes", 0),
                   number_of(folder, "memory.usage_in_bytes", 0));
}

/* The group and every one above it. In a container the path may be the host's, and only the top
 * is to be seen. */
static void walk(struct cgroup *c, const char *mount, const char *group,
                 void (*look)(struct cgroup *c, const char *folder))
{
    char folder[PATH_SIZE];
    if (snprintf(folder, sizeof(folder), "%s%s", mount, group) >= (int)sizeof(folder))
        return;
    size_t top = strlen(mount);
    for (;;) {
        look(c, folder);
        char *slash = strrchr(folder + top, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

static bool lists(const char *controllers, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = controllers; *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || !at[n]))
            return true;
    return false;
}

/* "4:memory:/group", or "0::/group" for version 2. */
static void line(struct cgroup *c, const char *root, char *text)
{
    char mount[PATH_SIZE];
    char *controllers = strchr(text, ':'), *group;
    if (!controllers || !(group = strchr(++controllers, ':')))
        return;
    *group++ = '\0';
    if (!*controllers) {
        snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup", root);
        walk(c, mount, group, look_v2);
    }
    snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup/cpu", root);
    if (lists(controllers, "cpu"))
        walk(c, mount, group, look_v1_cpu);
    snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup/memory", root);
    if (lists(controllers, "memory"))
        walk(c, mount, group, look_v1_memory);
}

struct cgroup cgroup_limits(const char *root)
{
    struct cgroup c = {0};
    char proc[PATH_SIZE], *save = NULL;
    snprintf(proc, sizeof(proc), "%s/proc/self", root);
    char *text = text_of(proc, "cgroup");
    for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
         l = strtok_r(NULL, "\n", &save))
        line(&c, root, l);
    mem_free(text);
    return c;
}
