/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: clone(2) with CLONE_VM and CLONE_VFORK, as posix_spawn(3) does it, because what that costs does not
 * grow with our memory; and by ourselves, for CLONE_PIDFD: a pidfd that is there or not before there is a child, and never
 * a number alone.
 *
 * The child shares our memory until it calls execve, on a stack of its own, while the thread that started it waits. So it
 * only makes system calls. Every signal is blocked from before the clone until its handlers are gone: none of ours may
 * run in there. What failed is in the memory we share. What emulates us (valgrind, the thread sanitizer) may make a fork of
 * it, whose memory we do not see: so the first start of a process finds that out, and uses a pipe that an exec closes. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plat/linux/error.h"
#include "plat/plat.h"
#include "rein/child.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define P_PIDFD_       3
#define CLOSE_ON_EXEC_ 4 /* CLOSE_RANGE_CLOEXEC */

/* ThreadSanitizer's own clone would lock its tables twice in one memory. */
static int clone_sharing(void)
{
        return __tsan_release ? 0 : CLONE_VM | CLONE_VFORK;
}

/* The stack it runs on is not the one the sanitizers know. */
#define UNWATCHED __attribute__((no_sanitize("address", "thread", "undefined")))

enum { STACK = 16 << 10, SIGNALS = 65, MOST_NUMBERS = 1 << 20 };

/* ---- descriptors ---- */

/* The three lowest are a child's own business, and a pipe that got such a number would be in the way. */
static int fd_above_standard(int fd)
{
        if (fd < 0 || fd > 2)
                return fd;
        int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3), err = errno;
        close(fd);
        errno = err;
        return higher;
}

int rn_sys_pipe(int fds[2])
{
        if (rn_choose(2, RN_CHOOSE_FD))
                return -EMFILE;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return rn_minus(errno);
        for (int i = 0; i < 2; i++) {
                fds[i] = fd_above_standard(fds[i]);
                if (fds[i] < 0) {
                        int err = errno;
                        close(fds[!i]);
                        return rn_minus(err);
                }
        }
        return 0;
}

int rn_sys_null(void)
{
        int fd;
        if (rn_choose(2, RN_CHOOSE_FD))
                return -EMFILE;
        do
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        fd = fd_above_standard(fd);
        return fd < 0 ? rn_minus(errno) : fd;
}

bool rn_sys_is_open(int fd)
{
        return fcntl(fd, F_GETFD) >= 0;
}

int rn_sys_not_blocking(int fd)
{
        return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? rn_minus(errno) : 0;
}

/* ---- the child's side ---- */

typedef struct failure {
        int error;
        const char *at; /* the address is the same in both */
} failure;

typedef struct image {
        const rn_sys_child *child;
        char *const *env;
        int tell;    /* the pipe, or -1 */
        bool shared; /* the child was here */
        failure failure;
} image;

/* An entry of a folder, as getdents64(2) writes it. */
typedef struct entry {
        uint64_t inode;
        int64_t next;
        unsigned short size;
        unsigned char type;
        char name[];
} entry;

UNWATCHED static void close_number_on_exec(const char *name)
{
        int fd = 0;
        for (; *name >= '0' && *name <= '9'; name++)
                fd = 10 * fd + (*name - '0');
        if (!*name && fd > 2)
                fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* All from 3 on. A kernel before Linux 5.11 does not do that at once: there they are taken one by one, as /proc lists
 * them, and without a /proc each number that the limit allows. readdir(3) would allocate. */
UNWATCHED static void close_others_on_exec(void)
{
        _Alignas(entry) char entries[1024];
        if (syscall(SYS_close_range, 3u, ~0u, CLOSE_ON_EXEC_) == 0)
                return;
        int list = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (long n; list >= 0 && (n = syscall(SYS_getdents64, list, entries, sizeof entries)) > 0;)
                for (long at = 0; at < n; at += ((const entry *)(const void *)(entries + at))->size)
                        close_number_on_exec(((const entry *)(const void *)(entries + at))->name);
        if (list >= 0) {
                close(list);
                return;
        }
        struct rlimit most = {MOST_NUMBERS, MOST_NUMBERS};
        getrlimit(RLIMIT_NOFILE, &most);
        for (int fd = 3; fd < MOST_NUMBERS && (rlim_t)fd < most.rlim_cur; fd++)
                fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* dup2(2) names both as no more than bad luck. */
UNWATCHED static bool fd_becomes(int from, int to)
{
        int rc;
        do
                rc = dup2(from, to);
        while (rc < 0 && (errno == EINTR || errno == EBUSY));
        return rc >= 0;
}

/* Those that are in the way of others first move out of it. */
UNWATCHED static bool image_take_descriptors(const rn_sys_child *c)
{
        int from[3];
        for (int i = 0; i < 3; i++) {
                from[i] = c->fds[i];
                if (from[i] != i && from[i] >= 0 && from[i] < 3 && (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3)) < 0)
                        return false;
        }
        for (int i = 0; i < 3; i++) {
                if (from[i] == i)
                        fcntl(i, F_SETFD, 0); /* perhaps not open, then it has none either */
                else if (!fd_becomes(from[i], i))
                        return false;
        }
        if (!c->share_fds)
                close_others_on_exec();
        return true;
}

/* One by one, about 10 of the 41 us that a start takes. clone3's CLONE_CLEAR_SIGHAND takes the handlers away at once, but
 * leaves what is ignored ignored; and to ask of each signal whether it is costs what this does (measured: 41 us too). */
UNWATCHED static void image_forget_signals(bool keep_ignored)
{
        struct sigaction normal = {.sa_handler = SIG_DFL}, was;
        for (int signo = 1; signo < SIGNALS; signo++)
                if (!keep_ignored || sigaction(signo, NULL, &was) != 0 || was.sa_handler != SIG_IGN)
                        sigaction(signo, &normal, NULL);
}

UNWATCHED static bool image_limit(const rn_sys_child *c)
{
        for (size_t i = 0; i < c->limits_count; i++) {
                struct rlimit l = {c->limits[i].soft, c->limits[i].hard};
                if (setrlimit((unsigned)c->limits[i].resource, &l) != 0)
                        return false;
        }
        return true;
}

UNWATCHED static const char *image_prepare(const rn_sys_child *c)
{
        image_forget_signals(c->keep_ignored);
        if (c->own_session ? setsid() < 0 : c->own_group && setpgid(0, 0) < 0)
                return "the process group";
        if (c->cwd && chdir(c->cwd) < 0)
                return "the directory";
        if (!image_take_descriptors(c))
                return "the descriptors";
        return image_limit(c) ? NULL : "the limits";
}

UNWATCHED static int image_become(void *arg)
{
        image *i = arg;
        i->shared = true;
        const char *failed = image_prepare(i->child);
        if (!failed) {
                sigset_t none;
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                execvpe(i->child->argv[0], i->child->argv, i->env);
                failed = "the program";
        }
        i->failure = (failure){errno, failed};
        while (i->tell >= 0 && write(i->tell, &i->failure, sizeof i->failure) < 0 && errno == EINTR)
                ;
        _exit(127);
}

/* ---- our side ---- */

static int64_t timeval_ns(struct timeval t)
{
        return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000;
}

/* waitid(2) itself: the C library's leaves the usage out. */
static int pidfd_wait(int pidfd, int how, siginfo_t *info, struct rusage *usage)
{
        int rc;
        RN_ASSERT(pidfd >= 0, "a process that is waited for has a descriptor");
        memset(info, 0, sizeof *info);
        do
                rc = (int)syscall(SYS_waitid, P_PIDFD_, pidfd, info, WEXITED | how, usage);
        while (rc < 0 && errno == EINTR);
        return rc < 0 ? rn_minus(errno) : info->si_pid != 0;
}

int rn_sys_child_ended(int pidfd)
{
        siginfo_t info;
        int rc = pidfd_wait(pidfd, WNOHANG | WNOWAIT, &info, NULL);
        return rc == -ECHILD ? 1 : rc;
}

int rn_sys_child_reap(int pidfd, rn_sys_child_end *end)
{
        siginfo_t info;
        struct rusage used = {0};
        int rc = pidfd_wait(pidfd, WNOHANG, &info, &used);
        *end = (rn_sys_child_end){.code = -1};
        if (rc == -ECHILD)
                return 1; /* SIGCHLD is ignored, or somebody waits for everybody */
        if (rc <= 0)
                return rc;
        if (info.si_code == CLD_EXITED)
                end->code = info.si_status;
        else
                end->signo = info.si_status;
        end->core_dumped = info.si_code == CLD_DUMPED;
        end->user_ns = timeval_ns(used.ru_utime);
        end->system_ns = timeval_ns(used.ru_stime);
        end->memory_max = (uint64_t)used.ru_maxrss * 1024;
        return 1;
}

/* The child alone: by its pidfd, and by its number where that call is missing (EPERM: a filter that does not know it).
 * The caller's lock keeps us from reaping it meanwhile, and whether somebody else has done so is asked first. */
static long process_signal(int pid, int pidfd, int signo)
{
        siginfo_t info;
        long rc = syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
        if (rc == 0 || (errno != ENOSYS && errno != EPERM))
                return rc;
        if (pidfd_wait(pidfd, WNOHANG | WNOWAIT, &info, NULL) == -ECHILD) {
                errno = ESRCH;
                return -1;
        }
        return kill(pid, signo);
}

int rn_sys_child_signal(int pid, int pidfd, bool group, int signo)
{
        RN_ASSERT(pid > 1 && pidfd >= 0, "a signal goes to a process of ours, and never to everybody");
        long rc = group ? kill(-pid, signo) : process_signal(pid, pidfd, signo);
        return rc < 0 ? rn_minus(errno) : 0;
}

/* Asked before there is a child: a kernel without CLONE_PIDFD passes it over in silence. */
static bool knows_pidfds(void)
{
        static rn_a32 known;
        if (rn_load32(&known))
                return true;
        int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
        if (fd < 0 && errno == ENOSYS)
                return false;
        if (fd >= 0) {
                close(fd);
                rn_store32(&known, 1);
        }
        return true;
}

static int image_start(rn_sys_child *c, image *i, char *stack, size_t size)
{
        sigset_t all, had;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &had);
        char *top = (char *)((uintptr_t)(stack + size) & ~(uintptr_t)15);
        RN_ASSERT(top > stack + STACK - 16 && top <= stack + size, "a child runs on the stack that is made for it");
        int saved = errno;
        c->pidfd = -1;
        c->pid = rn_choose(2, RN_CHOOSE_THREAD)
                         ? (errno = EAGAIN, -1)
                         : clone(image_become, top, clone_sharing() | CLONE_PIDFD | SIGCHLD, i, &c->pidfd);
        int err = errno;
        errno = saved; /* the child had the same one */
        pthread_sigmask(SIG_SETMASK, &had, NULL);
        RN_ASSERT((c->pid > 0) == (c->pidfd >= 0), "a process and its descriptor are there, or neither is");
        return c->pid < 0 ? rn_minus(err) : 0;
}

/* What it said by the pipe: nothing, when it became the program. */
static void image_hear(image *i, int from)
{
        ssize_t n;
        while ((n = read(from, &i->failure, sizeof i->failure)) < 0 && errno == EINTR)
                ;
        if (n != sizeof i->failure)
                i->failure = (failure){0, NULL};
}

int rn_sys_child_start(rn_sys_child *c)
{
        static rn_a32 sharing; /* memory with a child: known to be so */
        const bool shared = rn_load32(&sharing);
        int ends[2] = {-1, -1};
        size_t words = 0;
        c->failed = "";
        if (!knows_pidfds())
                return -ENOSYS;
        while (c->argv[words])
                words++;
        const size_t size = STACK + (words + 8) * sizeof(char *); /* execvpe puts argv there, for a script without #! */
        char *stack = rn_alloc(size);
        int rc = !stack ? -ENOMEM : shared ? 0 : rn_sys_pipe(ends);
        image i = {.child = c, .env = c->env ? c->env : environ, .tell = ends[1]};
        if (rc == 0)
                rc = image_start(c, &i, stack, size);
        if (ends[1] >= 0)
                rn_sys_close_own(ends[1]);
        if (rc == 0 && !shared) {
                if (!i.shared)
                        image_hear(&i, ends[0]); /* else what failed is here already */
                rn_store32(&sharing, i.shared);
        }
        if (ends[0] >= 0)
                rn_sys_close_own(ends[0]);
        if (rc == 0 && i.failure.at) {
                siginfo_t info;
                c->failed = i.failure.at;
                pidfd_wait(c->pidfd, 0, &info, NULL);
                rn_sys_close_own(c->pidfd);
                c->pidfd = -1;
                RN_ASSERT(*c->failed, "a start that fails says at what");
                rc = rn_minus(i.failure.error);
        }
        rn_free(stack);
        return rc;
}
