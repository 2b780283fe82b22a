/* SPDX-License-Identifier: Apache-2.0 */
#include "cpus.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int least(int a, int b)
{
        return a < b ? a : b;
}

/* A quota of cpu time a period, in whole cpus, or `most`. Version 2 has both in one file ("max 100000"); version 1
 * has a file for each (-1: none). */
static int quota(const char *quota_file, const char *period_file, int most)
{
        long long allowed = -1, period = 100000;
        FILE *f = fopen(quota_file, "re");
        if (!f)
                return most;
        int got = fscanf(f, period_file ? "%lld" : "%lld %lld", &allowed, &period);
        fclose(f);
        if (got >= 1 && period_file && (f = fopen(period_file, "re"))) {
                if (fscanf(f, "%lld", &period) != 1)
                        period = 0;
                fclose(f);
        }
        if (got < 1 || allowed <= 0 || period <= 0 || allowed / period >= most)
                return most;
        return least(most, (int)((allowed + period - 1) / period));
}

/* Every group from ours up to the root may set a limit. */
static int quota_of_groups(char *group, int most)
{
        for (;;) {
                char a[4200], b[4200];
                snprintf(a, sizeof a, "/sys/fs/cgroup%s/cpu.max", group);
                most = quota(a, NULL, most);
                snprintf(a, sizeof a, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
                snprintf(b, sizeof b, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
                most = quota(a, b, most);
                char *slash = strrchr(group, '/');
                if (!slash)
                        return most;
                *slash = '\0';
        }
}

int cpus_granted(void)
{
        int cpus = 1;
        for (int room = 1024; room <= 1 << 20; room *= 2) { /* EINVAL while the set is smaller than the kernel's */
                cpu_set_t *set = CPU_ALLOC((size_t)room);
                if (!set)
                        break;
                size_t size = CPU_ALLOC_SIZE((size_t)room);
                int rc = sched_getaffinity(0, size, set);
                if (rc == 0)
                        cpus = CPU_COUNT_S(size, set);
                CPU_FREE(set);
                if (rc == 0)
                        break;
        }
        char line[4096];
        FILE *f = fopen("/proc/self/cgroup", "re");
        while (f && fgets(line, sizeof line, f)) { /* "0::/user.slice", "3:cpu,cpuacct:/docker/1f" */
                char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
                line[strcspn(line, "\n")] = '\0';
                if (group && (group == names + 1 || strstr(names, "cpu")))
                        cpus = quota_of_groups(strcmp(group + 1, "/") == 0 ? group + 2 : group + 1, cpus);
        }
        if (f)
                fclose(f);
        return cpus > 1 ? cpus : 1;
}
