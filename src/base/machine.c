#include "base/machine.h"
#include "base/cgroup.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

/* A line of /proc/meminfo, in bytes; 0 = not there. */
static uint64_t meminfo(const char *name)
{
    struct err e;
    uint8_t *text;
    size_t n;
    if (!file_read("/proc/meminfo", 1 << 16, ERR_STORAGE, &text, &n, &e))
        return 0;
    const char *line = strstr((const char *)text, name);
    uint64_t kib = line ? strtoull(line + strlen(name), NULL, 10) : 0;
    mem_free(text);
    return kib << 10;
}

char *machine_processor(char *text, size_t size)
{
    static const char name[] =
        "\nmodel name"; /* the first processor's; behind a tab and a colon */
    struct utsname system;
    struct err e;
    uint8_t *info;
    size_t n;
    snprintf(text, size, "%s", uname(&system) == 0 ? system.machine : "unknown");
    if (!file_read("/proc/cpuinfo", 0, ERR_STORAGE, &info, &n, &e))
        return text;
    const char *at = strstr((const char *)info, name);
    at = at ? strchr(at, ':') : NULL;
    if (at)
        snprintf(text, size, "%.*s", (int)strcspn(at + 2, "\n"), at + 2);
    mem_free(info);
    return text;
}

uint64_t machine_memory(void)
{
    return meminfo("MemTotal:");
}

uint64_t machine_memory_free(void)
{
    uint64_t available = meminfo("MemAvailable:");
    struct cgroup c = cgroup_limits("");
    uint64_t left = c.memory_limit > c.memory_used ? c.memory_limit - c.memory_used : 1;
    return c.memory_limit && (left < available || available == 0) ? left : available;
}

uint64_t machine_disk_free(const char *path)
{
    char folder[4096];
    struct statvfs st;
    if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
        return 0;
    while (statvfs(folder, &st) != 0) {
        char *slash = strrchr(folder, '/');
        if (slash > folder)
            *slash = '\0';
        else if (strcmp(folder, "/") != 0 && strcmp(folder, ".") != 0)
            strcpy(folder, slash ? "/" : ".");
        else
            return 0;
    }
    return (uint64_t)st.f_bavail * st.f_frsize;
}

const char *machine_cache_folder(struct arena *a, struct err *e)
{
    static const struct {
        const char *variable, *below;
    } place[] = {
        {"LINNET_CACHE", ""}, {"XDG_CACHE_HOME", "/linnet"}, {"HOME", "/.cache/linnet"}};
    for (size_t i = 0; i < COUNT_OF(place); i++) {
        const char *at = getenv(place[i].variable);
        if (!at || !*at)
            continue;
        size_t room = strlen(at) + strlen(place[i].below) + 1;
        char *path = arena_new(a, room, 1, e);
        if (path)
            snprintf(path, room, "%s%s", at, place[i].below);
        return path;
    }
    err_set(e, ERR_STORAGE, "no place for a cache: HOME is not set; name one in LINNET_CACHE");
    return NULL;
}
