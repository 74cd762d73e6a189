#include "base/cgroup.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char root[] = "/tmp/linnet_cgroup_XXXXXX";

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[256];
    struct err e;
    struct file_part part = {text, strlen(text)};
    snprintf(path, sizeof(path), "%s/%s", root, folder);
    assert_true(dir_make(path, &e));
    snprintf(path, sizeof(path), "%s/%s/%s", root, folder, name);
    assert_true(file_write_atomic(path, &part, 1, &e));
}

static void tightest_of_version_2(void **state)
{
    (void)state;
    put("proc/self", "cgroup", "0::/a/b\n");
    put("sys/fs/cgroup/a/b", "memory.max", "max\n");
    put("sys/fs/cgroup/a/b", "cpu.max", "300000 100000\n");
    put("sys/fs/cgroup/a", "memory.max", "1048576\n");
    put("sys/fs/cgroup/a", "memory.current", "4096\n");
    put("sys/fs/cgroup/a", "cpu.max", "150000 100000\n");
    put("sys/fs/cgroup", "cpu.max", "max 100000\n");
    struct cgroup c = cgroup_limits(root);
    assert_true(c.cpus == 1.5 && c.memory_limit == 1048576 && c.memory_used == 4096);
}

static void tightest_of_version_1(void **state)
{
    (void)state;
    put("proc/self", "cgroup", "9:name=systemd:/\n4:memory:/x/y\n3:cpu,cpuacct:/gone\n");
    put("sys/fs/cgroup/memory", "memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/x", "memory.limit_in_bytes", "2000000\n");
    put("sys/fs/cgroup/memory/x/y", "memory.limit_in_bytes", "3000000\n");
    put("sys/fs/cgroup/memory/x", "memory.usage_in_bytes", "1000\n");
    put("sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "50000\n");
    put("sys/fs/cgroup/cpu", "cpu.cfs_period_us", "100000\n");
    struct cgroup c = cgroup_limits(root);
    assert_true(c.cpus == 0.5 && c.memory_limit == 2000000 && c.memory_used == 1000);
    put("sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "-1\n");
    assert_true(cgroup_limits(root).cpus == 0);
}

static void none_is_no_limit(void **state)
{
    (void)state;
    struct cgroup c = cgroup_limits("/nowhere");
    assert_true(c.cpus == 0 && c.memory_limit == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tightest_of_version_2),
        cmocka_unit_test(tightest_of_version_1),
        cmocka_unit_test(none_is_no_limit),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
