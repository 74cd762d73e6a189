/* linnet doctor: what this build and this machine have, one row a fact. */
#include "backend/cpu/isa.h"
#include "base/build.h"
#include "base/cgroup.h"
#include "base/machine.h"
#include "base/parallel.h"
#include "cmd/command.h"
#include "cmd/libraries.h"
#include "cmd/table.h"

#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void row(struct table *t, const char *topic, const char *thing, const char *state,
                const char *note)
{
    table_cell(t, "%s", topic);
    table_cell(t, "%s", thing);
    table_cell(t, "%s", state);
    table_cell(t, "%s", note);
}

static char *bytes_text(uint64_t n, char text[32])
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t u = 0;
    double v = (double)n;
    for (; v >= 1024 && u + 1 < COUNT_OF(unit); u++)
        v /= 1024;
    snprintf(text, 32, u < 2 ? "%.0f %s" : "%.1f %s", v, unit[u]);
    return text;
}

static void list_libraries(struct table *t)
{
    char text[32];
    for (int i = 0; libraries[i].name; i++)
        row(t, i ? "" : "library", libraries[i].name,
            libraries[i].version ? libraries[i].version(text) : "dropped",
            libraries[i].purpose);
}

static bool list_kernels(struct table *t, struct err *e)
{
    const struct isa *chosen = isa_choose(e);
    char note[64], name[256];
    row(t, "kernels", "processor", machine_processor(name, sizeof(name)), "");
    for (int i = 0; chosen && i < ISA_COUNT; i++) {
        snprintf(note, sizeof(note), "%d floats a vector%s%s", isas[i].lanes,
                 isas[i].bf16 ? ", bf16" : "", &isas[i] == chosen ? "; chosen" : "");
        row(t, "", isas[i].name,
            isa_present(&isas[i]) ? "compiled, runs here" : "compiled, not here", note);
    }
    return chosen != NULL;
}

static void list_limits(struct table *t)
{
    struct cgroup group = cgroup_limits("");
    char text[32], used[64];
    cpu_set_t set;
    snprintf(text, sizeof(text), "%d", parallel_threads());
    row(t, "threads", "to use", text, "the least of the three below");
    snprintf(text, sizeof(text), "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    row(t, "", "online", text, "");
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        snprintf(text, sizeof(text), "%d", CPU_COUNT(&set));
    row(t, "", "affinity", text, "");
    snprintf(text, sizeof(text), "%.3g", group.cpus);
    row(t, "", "cgroup quota", group.cpus > 0 ? text : "none", "");
    row(t, "memory", "free", bytes_text(machine_memory_free(), text), "");
    row(t, "", "installed", bytes_text(machine_memory(), text), "");
    if (group.memory_limit) {
        char amount[32];
        snprintf(used, sizeof(used), "%s of it used", bytes_text(group.memory_used, amount));
        row(t, "", "cgroup limit", bytes_text(group.memory_limit, text), used);
    } else {
        row(t, "", "cgroup limit", "none", "");
    }
}

static void list_disk(struct table *t, struct arena *a)
{
    char text[32], here[4096];
    struct err e;
    const char *cache = machine_cache_folder(a, &e);
    if (!getcwd(here, sizeof(here)))
        strcpy(here, ".");
    row(t, "disk", "this folder", bytes_text(machine_disk_free(here), text), here);
    if (cache)
        row(t, "", "cache", bytes_text(machine_disk_free(cache), text), cache);
    else
        row(t, "", "cache", "none", e.msg);
}

static bool doctor_run(struct call *c, struct err *e)
{
    struct table t = {.align = "llll"};
    row(&t, "linnet", "version", LINNET_VERSION, "");
    list_libraries(&t);
    if (!list_kernels(&t, e)) {
        table_release(&t);
        return false;
    }
    list_limits(&t);
    list_disk(&t, c->arena);
    return table_print(&t, stdout, e);
}

const struct command command_doctor = {
    .name = "doctor",
    .synopsis = "doctor",
    .summary =
        "what this build and this machine have: libraries, kernels, threads, memory, disk",
    .run = doctor_run,
};
