/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that take from a process, and from those it starts, a system call that rein can do without. */
#ifndef TESTS_WORLD_MISSING_H
#define TESTS_WORLD_MISSING_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
enum { GUARD_INSTALL = 102, POPULATE_READ = 22, ANY = -1 };

typedef struct missing {
        const char *name;
        long number;
        unsigned answer;
        int argument;   /* only when this one, from 0, */
        uint32_t value; /* is this; ANY: always */
        bool no_children;
} missing;

static const missing missing_calls[] = {
        {"nothing", -1, 0, ANY, 0, false},
        {"epoll_pwait2", SYS_epoll_pwait2, ENOSYS, ANY, 0, false},
        {"epoll_pwait2 by a filter", SYS_epoll_pwait2, EPERM, ANY, 0, false},
        {"pidfd_open", SYS_pidfd_open, ENOSYS, ANY, 0, true},
        {"pidfd_open by a filter", SYS_pidfd_open, EPERM, ANY, 0, false},
        {"pidfd_send_signal", SYS_pidfd_send_signal, ENOSYS, ANY, 0, false},
        {"pidfd_send_signal by a filter", SYS_pidfd_send_signal, EPERM, ANY, 0, false},
        {"close_range", SYS_close_range, ENOSYS, ANY, 0, false},
        {"close_range with close-on-exec", SYS_close_range, EINVAL, 2, 4, false},
        {"guards without a map", SYS_madvise, EINVAL, 2, GUARD_INSTALL, false},
        {"guards, by a filter", SYS_madvise, ENOSYS, 2, GUARD_INSTALL, false},
        {"looking at a guard", SYS_madvise, EINVAL, 2, POPULATE_READ, false},
        {"clone3", SYS_clone3, ENOSYS, ANY, 0, false},
        {"getrandom", SYS_getrandom, ENOSYS, ANY, 0, false},
        {"preadv2", SYS_preadv2, ENOSYS, ANY, 0, false},
        {"pwritev2", SYS_pwritev2, ENOSYS, ANY, 0, false},
        {"process_vm_readv", SYS_process_vm_readv, ENOSYS, ANY, 0, false},
        {"sched_getaffinity", SYS_sched_getaffinity, ENOSYS, ANY, 0, false},
        {"names of threads", SYS_prctl, EINVAL, 0, PR_SET_NAME, false},
};

/* From here on, for this process and its children. */
static inline int forbid(const missing *m)
{
        const bool any = m->argument == ANY;
        const uint32_t number = offsetof(struct seccomp_data, nr);
        const uint32_t argument = offsetof(struct seccomp_data, args) + (uint32_t)m->argument * sizeof(uint64_t);
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)m->number, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, any ? number : argument),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, any ? (uint32_t)m->number : m->value, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | m->answer),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = {sizeof code / sizeof *code, code};
        if (m->number < 0)
                return 0;
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

enum { MISSING_CALLS = sizeof missing_calls / sizeof missing_calls[0] };

static inline bool filters_are_allowed(void)
{
        return prctl(PR_GET_SECCOMP) >= 0;
}

#endif
