/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells about processors and threads: sched_getaffinity(2), cgroup v1 and v2 quotas, and
 * /proc/self/task/TID/{syscall,wchan,schedstat} (proc(5)). Unreadable means "not told", never an error. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plat/linux/task_file.h"
#include "plat/plat.h"

static bool proc_slurp(const char *path, char *buf, size_t n)
{
        RN_ASSERT(n > 1, "there is room for what a file says");
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t got;
        do
                got = read(fd, buf, n - 1);
        while (got < 0 && errno == EINTR);
        close(fd);
        if (got <= 0)
                return false;
        buf[got] = 0;
        return true;
}

/* ---- processors ---- */

/* A quota of 150 ms in 100 ms is worth two processors: round up, since a job that waits costs none. */
static int quota_cpus(void)
{
        char text[128];
        long long quota = -1, period = 0;
        if (proc_slurp("/sys/fs/cgroup/cpu.max", text, sizeof text)) {
                if (sscanf(text, "%lld %lld", &quota, &period) != 2)
                        quota = -1;
        } else if (proc_slurp("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", text, sizeof text)) {
                quota = atoll(text);
                if (proc_slurp("/sys/fs/cgroup/cpu/cpu.cfs_period_us", text, sizeof text))
                        period = atoll(text);
        }
        return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

int rn_cpus_granted(void)
{
        int cpus = 0;
        for (int max = 1024; cpus == 0 && max <= 1 << 20; max *= 4) {
                cpu_set_t *set = CPU_ALLOC((size_t)max);
                if (!set)
                        break;
                if (sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)max), set) == 0)
                        cpus = CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)max), set);
                CPU_FREE(set);
        }
        if (cpus <= 0)
                cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
        int quota = quota_cpus();
        RN_ASSERT(quota >= 0, "a quota of processors is some, or none is told");
        if (quota && quota < cpus)
                cpus = quota;
        return cpus > 0 ? cpus : 1;
}

/* ---- threads ---- */

static const char *call_name(long nr)
{
        static const struct {
                long nr;
                const char *name;
        } names[] = {
                {SYS_read, "read"},
                {SYS_write, "write"},
                {SYS_readv, "readv"},
                {SYS_writev, "writev"},
                {SYS_pread64, "pread"},
                {SYS_pwrite64, "pwrite"},
                {SYS_openat, "openat"},
                {SYS_close, "close"},
                {SYS_fsync, "fsync"},
                {SYS_futex, "futex"},
                {SYS_ppoll, "ppoll"},
                {SYS_pselect6, "pselect"},
                {SYS_epoll_pwait, "epoll_wait"},
                {SYS_nanosleep, "nanosleep"},
                {SYS_clock_nanosleep, "clock_nanosleep"},
                {SYS_connect, "connect"},
                {SYS_accept, "accept"},
                {SYS_accept4, "accept4"},
                {SYS_recvfrom, "recvfrom"},
                {SYS_recvmsg, "recvmsg"},
                {SYS_sendto, "sendto"},
                {SYS_sendmsg, "sendmsg"},
                {SYS_wait4, "wait4"},
                {SYS_waitid, "waitid"},
                {SYS_flock, "flock"},
                {SYS_fcntl, "fcntl"},
                {SYS_rt_sigtimedwait, "sigtimedwait"},
                {SYS_rt_sigsuspend, "sigsuspend"},
                {SYS_msgrcv, "msgrcv"},
                {SYS_semtimedop, "semtimedop"},
#ifdef SYS_poll
                {SYS_poll, "poll"},
                {SYS_select, "select"},
                {SYS_epoll_wait, "epoll_wait"},
                {SYS_open, "open"},
                {SYS_pause, "pause"},
#endif
        };
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (names[i].nr == nr)
                        return names[i].name;
        return NULL;
}

bool rn_task_file(uint32_t id, const char *what, char *buf, size_t n)
{
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%u/%s", id, what);
        return proc_slurp(path, buf, n);
}

void rn_thread_doing(uint32_t id, char *text, size_t n)
{
        const rn_machine *m = rn_virtual();
        if (m) {
                m->thread_doing(id, text, n);
                return;
        }
        char line[256], where[64];
        text[0] = 0;
        if (!rn_task_file(id, "syscall", line, sizeof line))
                return;
        if (strncmp(line, "running", 7) == 0) {
                snprintf(text, n, "its own code");
                return;
        }
        long nr = atol(line);
        if (nr < 0) {
                snprintf(text, n, "its own code");
                return;
        }
        const char *name = call_name(nr);
        if (!rn_task_file(id, "wchan", where, sizeof where) || !strcmp(where, "0"))
                where[0] = 0;
        char number[24];
        snprintf(number, sizeof number, "%ld", nr);
        snprintf(text, n, "system call %s%s%s%s", name ? name : number, where[0] ? " (" : "", where,
                 where[0] ? ")" : "");
}

bool rn_thread_probe(uint32_t id, int64_t *cpu_ns, int64_t *call, uint64_t *digest)
{
        const rn_machine *m = rn_virtual();
        if (m)
                return m->thread_probe(id, cpu_ns, call, digest);
        char line[256];
        if (!rn_task_file(id, "schedstat", line, sizeof line))
                return false;
        *cpu_ns = atoll(line);
        if (!rn_task_file(id, "syscall", line, sizeof line))
                return false;
        *call = strncmp(line, "running", 7) == 0 ? -1 : atoll(line);
        uint64_t h = 1469598103934665603u; /* FNV-1a */
        for (const char *c = line; *c; c++)
                h = (h ^ (unsigned char)*c) * 1099511628211u;
        *digest = h;
        return true;
}
