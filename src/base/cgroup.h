/* What the control groups around this process allow it (Linux, versions 1 and 2): the tightest
 * limit of its group and of all groups above. */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include <stdint.h>

struct cgroup {
    double cpus;                        /* CPUs' worth of time; 0 = no quota */
    uint64_t memory_limit, memory_used; /* bytes, of the tightest group; limit 0 = none */
};
/* "" for this machine; tests give a folder that holds proc/self/cgroup and sys/fs/cgroup. */
struct cgroup cgroup_limits(const char *root);

#endif
