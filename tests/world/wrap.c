/* SPDX-License-Identifier: Apache-2.0 */
#include "wrap.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* A child that shares our memory makes some of these calls, on a stack that the sanitizers do not know. */
#if defined __clang__
#define UNWATCHED __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define UNWATCHED
#endif

/* ---- the plan ---- */

static struct {
        _Atomic(const char *) call; /* NULL: none */
        atomic_int fd, error;
        atomic_uint at, seen;
        atomic_bool fired, forked;
} plan;
static bool is_forked;

static _Atomic(const char *) missing;
static atomic_int missing_error;
static atomic_int closed_twice;
static atomic_long blocks;
static _Thread_local bool not_counted;

void world_plan(const char *call, int fd, unsigned at, int error)
{
        plan.call = NULL;
        plan.fd = fd;
        plan.at = at;
        plan.error = error;
        plan.seen = 0;
        plan.fired = false;
        plan.call = call;
}

void world_plan_forked(bool forked)
{
        plan.forked = forked;
}

void world_plan_fd(int fd)
{
        plan.fd = fd;
}

unsigned world_seen(void)
{
        return plan.seen;
}

bool world_fired(void)
{
        return plan.fired;
}

void world_end(void)
{
        plan.call = NULL;
}

void world_missing(const char *call, int error)
{
        missing_error = error;
        missing = call;
}

void world_mine(bool yes)
{
        not_counted = yes;
}

int world_closed_twice(void)
{
        return closed_twice;
}

long world_blocks(void)
{
        return blocks;
}

/* 0: make the call; else how it fails. */
UNWATCHED static int asked(const char *call, int fd)
{
        const char *wanted = atomic_load_explicit(&missing, memory_order_acquire);
        if (wanted && strcmp(wanted, call) == 0)
                return missing_error;
        wanted = atomic_load_explicit(&plan.call, memory_order_acquire);
        if (!wanted || not_counted || is_forked != plan.forked || strcmp(wanted, call) != 0)
                return 0;
        const int only = atomic_load_explicit(&plan.fd, memory_order_relaxed);
        if (only >= 0 && fd >= 0 && only != fd)
                return 0;
        if (atomic_fetch_add(&plan.seen, 1) + 1 != plan.at || plan.error == WORLD_COUNT)
                return 0;
        plan.fired = true;
        return plan.error;
}

/* ---- calls that answer -1 and an errno ---- */

#define WRAP(name, type, fd, failure, parameters, arguments)                                                           \
        type __real_##name parameters;                                                                                 \
        type __wrap_##name parameters;                                                                                 \
        UNWATCHED type __wrap_##name parameters                                                                        \
        {                                                                                                              \
                const int error_ = asked(#name, fd);                                                                   \
                if (!error_)                                                                                           \
                        return __real_##name arguments;                                                                \
                errno = error_;                                                                                        \
                return failure;                                                                                        \
        }

/* The same, of a call that moves bytes. */
#define WRAP_MOVE(name, fd, n, parameters, arguments)                                                                  \
        ssize_t __real_##name parameters;                                                                              \
        ssize_t __wrap_##name parameters;                                                                              \
        UNWATCHED ssize_t __wrap_##name parameters                                                                     \
        {                                                                                                              \
                const int error_ = asked(#name, fd);                                                                   \
                if (error_ == WORLD_SHORT && (n) > 1)                                                                  \
                        (n) = 1;                                                                                       \
                if (error_ <= 0)                                                                                       \
                        return __real_##name arguments;                                                                \
                errno = error_;                                                                                        \
                return -1;                                                                                             \
        }

WRAP(accept4, int, fd, -1, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
WRAP(bind, int, fd, -1, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(chdir, int, -1, -1, (const char *path), (path))
WRAP(dup2, int, from, -1, (int from, int to), (from, to))
WRAP(epoll_create1, int, -1, -1, (int flags), (flags))
WRAP(epoll_ctl, int, fd, -1, (int epoll, int how, int fd, struct epoll_event *e), (epoll, how, fd, e))
WRAP(epoll_wait, int, fd, -1, (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms))
WRAP(eventfd, int, -1, -1, (unsigned n, int flags), (n, flags))
WRAP(execvpe, int, -1, -1, (const char *file, char *const argv[], char *const env[]), (file, argv, env))
WRAP(fstat, int, fd, -1, (int fd, struct stat *st), (fd, st))
WRAP(getpgid, pid_t, -1, -1, (pid_t pid), (pid))
WRAP(getrlimit, int, -1, -1, (__rlimit_resource_t which, struct rlimit *l), (which, l))
WRAP(getsockname, int, fd, -1, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
WRAP(getsockopt, int, fd, -1, (int fd, int level, int name, void *to, socklen_t *n), (fd, level, name, to, n))
WRAP(kill, int, -1, -1, (pid_t pid, int signo), (pid, signo))
WRAP(listen, int, fd, -1, (int fd, int backlog), (fd, backlog))
WRAP(madvise, int, -1, -1, (void *at, size_t size, int how), (at, size, how))
WRAP(mprotect, int, -1, -1, (void *at, size_t size, int how), (at, size, how))
WRAP(munmap, int, -1, -1, (void *at, size_t size), (at, size))
WRAP(nanosleep, int, -1, -1, (const struct timespec *span, struct timespec *left), (span, left))
WRAP(pipe2, int, -1, -1, (int fds[2], int flags), (fds, flags))
WRAP(sched_getaffinity, int, -1, -1, (pid_t pid, size_t n, cpu_set_t *set), (pid, n, set))
WRAP(setpgid, int, -1, -1, (pid_t pid, pid_t group), (pid, group))
WRAP(setrlimit, int, -1, -1, (__rlimit_resource_t which, const struct rlimit *l), (which, l))
WRAP(setsid, pid_t, -1, -1, (void), ())
WRAP(setsockopt, int, fd, -1, (int fd, int level, int name, const void *from, socklen_t n), (fd, level, name, from, n))
WRAP(sigaction, int, -1, -1, (int signo, const struct sigaction *to, struct sigaction *had), (signo, to, had))
WRAP(sigaltstack, int, -1, -1, (const stack_t *to, stack_t *had), (to, had))
WRAP(signalfd, int, fd, -1, (int fd, const sigset_t *set, int flags), (fd, set, flags))
WRAP(sigpending, int, -1, -1, (sigset_t * set), (set))
WRAP(sigprocmask, int, -1, -1, (int how, const sigset_t *set, sigset_t *had), (how, set, had))
WRAP(sigtimedwait, int, -1, -1, (const sigset_t *set, siginfo_t *info, const struct timespec *span), (set, info, span))
WRAP(socket, int, -1, -1, (int family, int type, int protocol), (family, type, protocol))
WRAP(sysconf, long, -1, -1, (int name), (name))
WRAP(timerfd_create, int, -1, -1, (clockid_t clock, int flags), (clock, flags))
WRAP(timerfd_settime, int, fd, -1, (int fd, int flags, const struct itimerspec *to, struct itimerspec *had),
     (fd, flags, to, had))
WRAP(waitid, int, -1, -1, (idtype_t type, id_t id, siginfo_t *info, int how), (type, id, info, how))
WRAP(waitpid, pid_t, -1, -1, (pid_t pid, int *status, int how), (pid, status, how))
WRAP(mmap, void *, -1, MAP_FAILED, (void *at, size_t n, int how, int flags, int fd, off_t from),
     (at, n, how, flags, fd, from))
WRAP(fopen, FILE *, -1, NULL, (const char *name, const char *how), (name, how))
WRAP(mkostemp, int, -1, -1, (char *name, int flags), (name, flags))
WRAP(unlink, int, -1, -1, (const char *name), (name))
WRAP(eventfd_write, int, fd, -1, (int fd, eventfd_t n), (fd, n))
WRAP(close_range, int, -1, -1, (unsigned from, unsigned to, int flags), (from, to, flags))

WRAP_MOVE(getrandom, -1, n, (void *to, size_t n, unsigned flags), (to, n, flags))
WRAP_MOVE(pread, fd, n, (int fd, void *to, size_t n, off_t at), (fd, to, n, at))
WRAP_MOVE(pwrite, fd, n, (int fd, const void *from, size_t n, off_t at), (fd, from, n, at))
WRAP_MOVE(read, fd, n, (int fd, void *to, size_t n), (fd, to, n))
WRAP_MOVE(recv, fd, n, (int fd, void *to, size_t n, int flags), (fd, to, n, flags))
WRAP_MOVE(send, fd, n, (int fd, const void *from, size_t n, int flags), (fd, from, n, flags))
WRAP_MOVE(write, fd, n, (int fd, const void *from, size_t n), (fd, from, n))
WRAP(recvmsg, ssize_t, fd, -1, (int fd, struct msghdr *m, int flags), (fd, m, flags))
WRAP(sendto, ssize_t, fd, -1, (int fd, const void *from, size_t n, int flags, const struct sockaddr *to, socklen_t len),
     (fd, from, n, flags, to, len))
WRAP(process_vm_readv, ssize_t, -1, -1,
     (pid_t pid, const struct iovec *to, unsigned long n, const struct iovec *from, unsigned long m,
      unsigned long flags),
     (pid, to, n, from, m, flags))

/* One part each, as the library makes them. */
#define WRAP_VECTOR(name)                                                                                              \
        ssize_t __real_##name(int fd, const struct iovec *part, int n, off_t at, int flags);                           \
        ssize_t __wrap_##name(int fd, const struct iovec *part, int n, off_t at, int flags);                           \
        ssize_t __wrap_##name(int fd, const struct iovec *part, int n, off_t at, int flags)                            \
        {                                                                                                              \
                const int error_ = asked(#name, fd);                                                                   \
                const struct iovec one = {part->iov_base, 1};                                                          \
                if (error_ <= 0)                                                                                       \
                        return __real_##name(fd, error_ == WORLD_SHORT && part->iov_len > 1 ? &one : part, n, at,      \
                                             flags);                                                                   \
                errno = error_;                                                                                        \
                return -1;                                                                                             \
        }

WRAP_VECTOR(preadv2)
WRAP_VECTOR(pwritev2)

/* ---- calls that answer the error itself ---- */

#define WRAP_CODE(name, parameters, arguments)                                                                         \
        int __real_##name parameters;                                                                                  \
        int __wrap_##name parameters;                                                                                  \
        int __wrap_##name parameters                                                                                   \
        {                                                                                                              \
                const int error_ = asked(#name, -1);                                                                   \
                return error_ ? error_ : __real_##name arguments;                                                      \
        }

WRAP_CODE(atexit, (void (*fn)(void)), (fn))
WRAP_CODE(pthread_atfork, (void (*before)(void), void (*parent)(void), void (*child)(void)), (before, parent, child))
WRAP_CODE(pthread_attr_init, (pthread_attr_t * a), (a))
WRAP_CODE(pthread_attr_setstacksize, (pthread_attr_t * a, size_t size), (a, size))
WRAP_CODE(pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg), (t, a, fn, arg))
WRAP_CODE(pthread_key_create, (pthread_key_t * key, void (*end)(void *)), (key, end))
WRAP_CODE(pthread_setname_np, (pthread_t t, const char *name), (t, name))
WRAP_CODE(pthread_setspecific, (pthread_key_t key, const void *value), (key, value))

int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list);

/* "getaddrinfo" has the codes of gai_strerror(3), above 0 here; "getaddrinfo:EAI_SYSTEM" an errno. */
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
        int error = asked("getaddrinfo", -1);
        if (error)
                return -error;
        error = asked("getaddrinfo:EAI_SYSTEM", -1);
        if (!error)
                return __real_getaddrinfo(host, service, hints, list);
        errno = error;
        return EAI_SYSTEM;
}

/* ---- those with more to them ---- */

pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_connect(int fd, const struct sockaddr *to, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t n);
int __real_fcntl(int fd, int how, ...);
int __wrap_fcntl(int fd, int how, ...);
int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);
int __real_ppoll(struct pollfd *set, nfds_t n, const struct timespec *span, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *set, nfds_t n, const struct timespec *span, const sigset_t *mask);
int __real_poll(struct pollfd *set, nfds_t n, int ms);
int __wrap_poll(struct pollfd *set, nfds_t n, int ms);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __real_prctl(int what, ...);
int __wrap_prctl(int what, ...);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void __real_free(void *p);
void __wrap_free(void *p);

pid_t __wrap_fork(void)
{
        const int error = asked("fork", -1);
        if (error) {
                errno = error;
                return -1;
        }
        const pid_t pid = __real_fork();
        is_forked |= pid == 0;
        return pid;
}

UNWATCHED int __wrap_close(int fd)
{
        const int error = asked("close", fd);
        const bool open = __real_fcntl(fd, F_GETFD) >= 0;
        closed_twice += !open;
        const int rc = __real_close(fd);
        if (!error)
                return rc;
        errno = error;
        return -1;
}

/* One that a signal interrupts goes on. */
UNWATCHED int __wrap_connect(int fd, const struct sockaddr *to, socklen_t n)
{
        const int error = asked("connect", fd);
        const int rc = error == 0 || error == EINTR ? __real_connect(fd, to, n) : -1;
        if (!error)
                return rc;
        errno = error;
        return -1;
}

UNWATCHED int __wrap_fcntl(int fd, int how, ...)
{
        va_list more;
        va_start(more, how);
        const int argument = va_arg(more, int); /* some take none, and are called without */
        va_end(more);
        const int error = asked(how == F_GETFD           ? "fcntl:F_GETFD"
                                : how == F_SETFD         ? "fcntl:F_SETFD"
                                : how == F_GETFL         ? "fcntl:F_GETFL"
                                : how == F_SETFL         ? "fcntl:F_SETFL"
                                : how == F_DUPFD_CLOEXEC ? "fcntl:F_DUPFD_CLOEXEC"
                                                         : "fcntl",
                                fd);
        if (!error)
                return __real_fcntl(fd, how, argument);
        errno = error;
        return -1;
}

UNWATCHED int __wrap_open(const char *name, int flags, ...)
{
        va_list more;
        va_start(more, flags);
        const int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
        va_end(more);
        const int error = asked(strcmp(name, "/dev/null") == 0     ? "open:/dev/null"
                                : strncmp(name, "/proc/", 6) == 0  ? "open:/proc"
                                : strncmp(name, "/sys/", 5) == 0   ? "open:/sys"
                                : (flags & O_TMPFILE) == O_TMPFILE ? "open:O_TMPFILE"
                                                                   : "open",
                                -1);
        if (!error)
                return __real_open(name, flags, mode);
        errno = error;
        return -1;
}

static int hung_up(struct pollfd *set, nfds_t n)
{
        int many = 0;
        for (nfds_t i = 0; i < n; i++) {
                set[i].revents = plan.fd < 0 || plan.fd == set[i].fd ? POLLHUP : 0;
                many += set[i].revents != 0;
        }
        return many;
}

/* Of the last descriptor in the set, which is the one that somebody waits for. */
int __wrap_ppoll(struct pollfd *set, nfds_t n, const struct timespec *span, const sigset_t *mask)
{
        const int error = asked("ppoll", n ? set[n - 1].fd : -1);
        if (error == WORLD_HUP)
                return hung_up(set, n);
        if (!error)
                return __real_ppoll(set, n, span, mask);
        errno = error;
        return -1;
}

int __wrap_poll(struct pollfd *set, nfds_t n, int ms)
{
        const int error = asked("poll", n ? set[n - 1].fd : -1);
        if (!error)
                return __real_poll(set, n, ms);
        errno = error;
        return -1;
}

UNWATCHED long __wrap_syscall(long number, ...)
{
        va_list more;
        long a[6];
        va_start(more, number);
        for (int i = 0; i < 6; i++)
                a[i] = va_arg(more, long); /* what was not given is not looked at */
        va_end(more);
        const bool wakes = number == SYS_futex && (a[1] & 127) == 1;
        const int error = asked(wakes                             ? "SYS_futex:FUTEX_WAKE"
                                : number == SYS_futex             ? "SYS_futex"
                                : number == SYS_epoll_ctl         ? "SYS_epoll_ctl"
                                : number == SYS_epoll_pwait2      ? "SYS_epoll_pwait2"
                                : number == SYS_waitid            ? "SYS_waitid"
                                : number == SYS_pidfd_open        ? "SYS_pidfd_open"
                                : number == SYS_pidfd_send_signal ? "SYS_pidfd_send_signal"
                                : number == SYS_close_range       ? "SYS_close_range"
                                : number == SYS_getdents64        ? "SYS_getdents64"
                                : number == SYS_tgkill            ? "SYS_tgkill"
                                : number == SYS_kcmp              ? "SYS_kcmp"
                                                                  : "syscall",
                                number == SYS_epoll_ctl ? (int)a[2] : -1);
        if (!error)
                return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        errno = error;
        return -1;
}

int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
        va_list more;
        va_start(more, arg);
        void *where = va_arg(more, void *);
        va_end(more);
        const int error = asked("clone", -1);
        if (!error)
                return __real_clone(fn, stack, flags, arg, where);
        errno = error;
        return -1;
}

int __wrap_prctl(int what, ...)
{
        va_list more;
        unsigned long a[4];
        va_start(more, what);
        for (int i = 0; i < 4; i++)
                a[i] = va_arg(more, unsigned long);
        va_end(more);
        const int error = asked(what == PR_SET_CHILD_SUBREAPER ? "prctl:PR_SET_CHILD_SUBREAPER" : "prctl", -1);
        if (!error)
                return __real_prctl(what, a[0], a[1], a[2], a[3]);
        errno = error;
        return -1;
}

void *__wrap_calloc(size_t n, size_t size)
{
        if (asked("calloc", -1))
                return NULL;
        void *p = __real_calloc(n, size);
        blocks += p != NULL;
        return p;
}

/* getline(3) is an inline call of this one. */
ssize_t __real___getdelim(char **line, size_t *room, int end, FILE *from);
ssize_t __wrap___getdelim(char **line, size_t *room, int end, FILE *from);
ssize_t __wrap___getdelim(char **line, size_t *room, int end, FILE *from)
{
        const int error = asked("getline", -1);
        if (!error)
                return __real___getdelim(line, room, end, from);
        errno = error;
        return -1;
}

void *__wrap_malloc(size_t n)
{
        if (asked("malloc", -1))
                return NULL;
        void *p = __real_malloc(n);
        blocks += p != NULL;
        return p;
}

void *__wrap_realloc(void *p, size_t n)
{
        if (asked("realloc", -1))
                return NULL;
        void *more = __real_realloc(p, n);
        blocks += !p && more;
        return more;
}

void __wrap_free(void *p)
{
        blocks -= p != NULL;
        __real_free(p);
}
