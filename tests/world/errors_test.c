/* SPDX-License-Identifier: Apache-2.0 */
/* Each call of the operating system that the library makes, and each error that its manual page names: the table says what
 * becomes of it, and a scenario is run in which the k-th such call answers it. scripts/check_calls.py complains when the
 * library makes a call that is not in the table.
 *
 *      AGAIN     the call is made again, or what it was for is done in another way: the scenario does not notice
 *      HARMLESS  nothing depends on it: the scenario does not notice
 *      TOLD      the public call answers this error, or the one that stands in the table for it
 *
 * Whatever comes, the scenario works again afterwards, and nothing is left: no descriptor, no block of memory, no thread,
 * no child. No descriptor is ever closed twice. */
#include <dirent.h>
#include <netdb.h>

#include "world/scenes.h"

/* ---- the table ---- */

typedef enum verdict { AGAIN, HARMLESS, TOLD } verdict;

#if defined REIN_ASAN || defined REIN_TSAN
enum { SANITIZED = 1 }; /* the sanitizer's runtime is linked in, and makes some of these calls for itself */
#else
enum { SANITIZED = 0 };
#endif
enum { NOT_NARROW = 1, FRESH = 2, OURS_ALONE = 4, MOST_ERRORS = 16 };

typedef struct row {
        const char *call, *file;
        verdict verdict;
        int (*scenario)(void);
        unsigned how;            /* NOT_NARROW: on every descriptor; FRESH: in a process that has not used the library;
                                    OURS_ALONE: not where a sanitizer makes it, too */
        int told;                /* the code instead, above 0; 0: the error's own */
        int errors[MOST_ERRORS]; /* up to a 0 */
} row;

#define ROW(call, file, verdict, scenario, how, told, ...)                                                             \
        {                                                                                                              \
                call, file, verdict, scenario, how, told,                                                              \
                {                                                                                                      \
                        __VA_ARGS__, 0                                                                                 \
                }                                                                                                      \
        }
#define NONE(call, file) ROW(call, file, HARMLESS, NULL, 0, 0, 0) /* not made to fail here, for the reason beside it */

static const row table[] = {
#define FD "src/plat/linux/fd.c"
        ROW("ppoll", FD, AGAIN, wait_for_pipe, 0, 0, EINTR),
        ROW("ppoll", FD, TOLD, wait_for_pipe, 0, 0, ENOMEM, EINVAL, EFAULT),
        ROW("ppoll", FD, HARMLESS, read_pipe, 0, 0, WORLD_HUP), /* POLLHUP alone: what is there is read all the same */
        ROW("ppoll", FD, AGAIN, select_two, NOT_NARROW, 0, EINTR),
        ROW("ppoll", FD, TOLD, select_two, NOT_NARROW, 0, ENOMEM, EINVAL, EFAULT),
        ROW("eventfd", FD, AGAIN, wait_for_pipe, FRESH, 0, EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL),
        ROW("eventfd", FD, AGAIN, select_two, FRESH | NOT_NARROW, 0, EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL),
        ROW("write", FD, AGAIN, write_pipe, 0, 0, EINTR, EAGAIN, WORLD_SHORT),
        ROW("write", FD, TOLD, write_pipe, 0, 0, EIO, ENOSPC, EDQUOT, EFBIG, EPERM, EBADF, EINVAL, EFAULT),
        ROW("write", FD, AGAIN, wake_one_that_polls, NOT_NARROW, 0,
            EINTR), /* EAGAIN would say: it is readable already */
        ROW("read", FD, AGAIN, read_pipe, 0, 0, EINTR, EAGAIN, WORLD_SHORT),
        ROW("read", FD, TOLD, read_pipe, 0, 0, EIO, EISDIR, EBADF, EINVAL, EFAULT),
        ROW("read", FD, AGAIN, wake_one_that_polls, NOT_NARROW, 0, EINTR, EAGAIN),
        ROW("read", FD, AGAIN, wait_for_signal, NOT_NARROW, 0, EINTR, EAGAIN),
        ROW("read", FD, TOLD, wait_for_signal, NOT_NARROW, 0, EIO, EINVAL),
        ROW("recv", FD, AGAIN, read_socket, 0, 0, EINTR, EAGAIN, WORLD_SHORT),
        ROW("recv", FD, TOLD, read_socket, 0, 0, ECONNREFUSED, ECONNRESET, ENOMEM, ENOTCONN, ETIMEDOUT, EBADF, EINVAL),
        ROW("send", FD, AGAIN, write_socket, 0, 0, EINTR, EAGAIN, WORLD_SHORT),
        ROW("send", FD, TOLD, write_socket, 0, 0, EACCES, EALREADY, ECONNRESET, EDESTADDRREQ, EISCONN, EMSGSIZE,
            ENOBUFS, ENOMEM, ENOTCONN, EOPNOTSUPP, EPIPE, EBADF, EINVAL),
        ROW("preadv2", FD, AGAIN, file, 0, 0, EINTR, EAGAIN, ENOSYS, EOPNOTSUPP, EINVAL, WORLD_SHORT),
        ROW("preadv2", FD, TOLD, file, 0, 0, EIO, EISDIR, EBADF, EFAULT, EOVERFLOW),
        ROW("pwritev2", FD, AGAIN, file, 0, 0, EINTR, EAGAIN, ENOSYS, EOPNOTSUPP, EINVAL, WORLD_SHORT),
        ROW("pwritev2", FD, TOLD, file, 0, 0, EIO, ENOSPC, EDQUOT, EFBIG, EPERM, EBADF, EFAULT),
        ROW("preadv2", FD, AGAIN, loop, 0, 0, EINTR, EAGAIN, ENOSYS, EOPNOTSUPP, EINVAL, WORLD_SHORT),
        ROW("fstat", FD, HARMLESS, read_pipe, 0, 0, ENOMEM, EOVERFLOW, EBADF), /* then it is polled first */
        ROW("fcntl:F_GETFL", FD, HARMLESS, accept_in_a_loop, 0, 0, EBADF),     /* then it may block */
        ROW("close", FD, AGAIN, close_pipe, 0, 0, EINTR),                      /* it is closed: Linux says so */
        ROW("close", FD, TOLD, close_pipe, 0, 0, EIO, ENOSPC, EDQUOT),
        ROW("close", FD, HARMLESS, wait_for_signal, NOT_NARROW, 0, EINTR, EIO),
        ROW("sigaction", FD, HARMLESS, loop, NOT_NARROW, 0, EINVAL, EFAULT), /* then ^C is the program's */
        ROW("sigpending", FD, HARMLESS, write_pipe, NOT_NARROW, 0, EFAULT),
        ROW("sigtimedwait", FD, AGAIN, write_for_nobody, NOT_NARROW, 0, EINTR),
        NONE("pthread_sigmask", FD), /* fails for another manner alone */
        ROW("signalfd", FD, AGAIN, wait_for_signal, NOT_NARROW, 0, EMFILE, ENFILE, ENOMEM),
        ROW("signalfd", FD, TOLD, wait_for_signal, NOT_NARROW, 0, ENODEV, EINVAL),

#define SOCKET "src/plat/linux/socket.c"
        ROW("getaddrinfo", SOCKET, AGAIN, by_number, 0, 0, -EAI_NONAME, -EAI_FAIL, -EAI_FAMILY,
            -EAI_SERVICE), /* a name? */
        ROW("getaddrinfo", SOCKET, TOLD, by_number, 0, ENOMEM, -EAI_MEMORY),
        ROW("getaddrinfo", SOCKET, TOLD, by_name, 0, EADDRNOTAVAIL, -EAI_NONAME, -EAI_FAIL, -EAI_FAMILY, -EAI_SERVICE,
            -EAI_SOCKTYPE, -EAI_NODATA, -EAI_ADDRFAMILY),
        ROW("getaddrinfo", SOCKET, TOLD, by_name, 0, ENOMEM, -EAI_MEMORY),
        ROW("getaddrinfo", SOCKET, TOLD, by_name, 0, EAGAIN, -EAI_AGAIN),
        ROW("getaddrinfo:EAI_SYSTEM", SOCKET, TOLD, by_name, 0, 0, EMFILE, ENFILE, ENOMEM, EIO),
        ROW("getaddrinfo:EAI_SYSTEM", SOCKET, TOLD, by_number, 0, 0, EMFILE, ENFILE, ENOMEM, EIO),
        ROW("getaddrinfo:EAI_SYSTEM", SOCKET, AGAIN, by_number, 0, 0, EINTR),
        ROW("getaddrinfo:EAI_SYSTEM", SOCKET, AGAIN, by_name, 0, 0, EINTR),
        ROW("socket", SOCKET, TOLD, tcp, 0, 0, EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM,
            EPROTONOSUPPORT),
        ROW("socket", SOCKET, TOLD, udp, 0, 0, EMFILE, ENFILE, ENOBUFS, ENOMEM),
        ROW("setsockopt", SOCKET, HARMLESS, tcp, NOT_NARROW, 0, EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK),
        ROW("bind", SOCKET, TOLD, tcp, NOT_NARROW, 0, EACCES, EADDRINUSE, EBADF, EINVAL, ENOTSOCK, EADDRNOTAVAIL,
            ENOMEM),
        ROW("bind", SOCKET, TOLD, udp, NOT_NARROW, 0, EACCES, EADDRINUSE, EADDRNOTAVAIL),
        ROW("listen", SOCKET, TOLD, tcp, NOT_NARROW, 0, EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP),
        ROW("accept4", SOCKET, AGAIN, accept_one, 0, 0, EINTR, EAGAIN, ECONNABORTED, ENETDOWN, EPROTO, ENOPROTOOPT,
            EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH, EMFILE, ENFILE, ENOBUFS, ENOMEM),
        ROW("accept4", SOCKET, TOLD, accept_one, 0, 0, EBADF, EFAULT, EINVAL, ENOTSOCK, EOPNOTSUPP, EPERM),
        ROW("connect", SOCKET, TOLD, tcp, NOT_NARROW, 0, EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN,
            EALREADY, EBADF, ECONNREFUSED, EISCONN, ENETUNREACH, ENOTSOCK, EPROTOTYPE, ETIMEDOUT),
        ROW("connect", SOCKET, AGAIN, tcp, NOT_NARROW, 0, EINTR), /* it goes on */
        ROW("connect", SOCKET, TOLD, udp, NOT_NARROW, 0, EACCES, ENETUNREACH, EAGAIN),
        ROW("getsockopt", SOCKET, TOLD, tcp, NOT_NARROW, 0, EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK),
        ROW("sendto", SOCKET, AGAIN, udp, NOT_NARROW, 0, EINTR, EAGAIN),
        ROW("sendto", SOCKET, TOLD, udp, NOT_NARROW, 0, EACCES, ECONNREFUSED, EMSGSIZE, ENOBUFS, ENOMEM, EPIPE,
            EDESTADDRREQ, ENOTSOCK, EBADF),
        ROW("recvmsg", SOCKET, AGAIN, udp, NOT_NARROW, 0, EINTR, EAGAIN),
        ROW("recvmsg", SOCKET, TOLD, udp, NOT_NARROW, 0, ECONNREFUSED, ENOMEM, ENOTCONN, ENOTSOCK, EBADF, EFAULT,
            EINVAL),
        ROW("getsockname", SOCKET, TOLD, udp, NOT_NARROW, 0, EBADF, EFAULT, EINVAL, ENOBUFS, ENOTSOCK),
        ROW("close", FD, HARMLESS, tcp, NOT_NARROW, 0, EINTR, EIO),

#define POLLER "src/plat/linux/poller.c"
        ROW("eventfd", POLLER, TOLD, loop, NOT_NARROW, 0, EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL),
        ROW("epoll_create1", POLLER, TOLD, loop, NOT_NARROW, 0, EMFILE, ENFILE, ENOMEM, EINVAL),
        ROW("epoll_ctl", POLLER, TOLD, hosted, NOT_NARROW, 0, EEXIST, ENOMEM, ENOSPC, ELOOP, EPERM, EBADF, EINVAL),
        ROW("SYS_epoll_ctl", POLLER, TOLD, loop, 0, 0, ENOMEM, ENOSPC, ELOOP),
        ROW("SYS_epoll_ctl", POLLER, TOLD, two_in_a_loop, 0, 0, ENOMEM, ENOSPC, EBADF),
        ROW("SYS_epoll_ctl", POLLER, TOLD, select_in_a_loop, 0, 0, ENOMEM, ENOSPC),
        ROW("SYS_epoll_ctl", POLLER, AGAIN, select_in_a_loop, 0, 0, EPERM),
        ROW("SYS_epoll_pwait2", POLLER, AGAIN, loop, NOT_NARROW, 0, EINTR),
        ROW("SYS_epoll_pwait2", POLLER, AGAIN, loop, NOT_NARROW | FRESH, 0, EPERM, ENOSYS),
        ROW("epoll_wait", POLLER, AGAIN, loop_of_an_old_kernel, NOT_NARROW | FRESH, 0, EINTR),
        ROW("ppoll", POLLER, AGAIN, portable_loop, NOT_NARROW, 0, EINTR, ENOMEM),
        ROW("timerfd_create", POLLER, TOLD, hosted, NOT_NARROW, 0, EMFILE, ENFILE, ENODEV, ENOMEM, EPERM, EINVAL),
        ROW("timerfd_settime", POLLER, HARMLESS, hosted, NOT_NARROW, 0, EINVAL, ECANCELED, EFAULT),
        ROW("read", POLLER, AGAIN, loop, NOT_NARROW, 0, EINTR, EAGAIN),
        ROW("write", POLLER, AGAIN, ring_a_loop, NOT_NARROW, 0, EINTR),
        ROW("close", POLLER, HARMLESS, loop, NOT_NARROW, 0, EINTR, EIO),
        ROW("close", POLLER, HARMLESS, hosted, NOT_NARROW, 0, EINTR, EIO),

#define THREAD "src/plat/linux/thread.c"
        ROW("pthread_create", THREAD, TOLD, one_thread, OURS_ALONE, 0, EAGAIN, EPERM, EINVAL),
        ROW("pthread_create", THREAD, TOLD, one_thread, FRESH | OURS_ALONE, 0, EAGAIN,
            EPERM), /* the clock's, the hand's */
        ROW("pthread_attr_init", THREAD, TOLD, one_thread, OURS_ALONE, 0, ENOMEM),
        ROW("pthread_attr_setstacksize", THREAD, TOLD, one_thread, OURS_ALONE, 0, EINVAL),
        NONE("pthread_attr_setdetachstate", THREAD), /* fails for another state alone */
        NONE("pthread_attr_destroy", THREAD),        /* names no error */
        ROW("pthread_setname_np", THREAD, HARMLESS, pool, 0, 0, ERANGE, EACCES),
        ROW("pthread_key_create", THREAD, TOLD, wait_for_pipe, FRESH | OURS_ALONE, ENOMEM, EAGAIN, ENOMEM),
        ROW("pthread_setspecific", THREAD, TOLD, wait_for_pipe, FRESH | OURS_ALONE, ENOMEM, ENOMEM),
        ROW("pthread_setspecific", THREAD, AGAIN, one_thread, OURS_ALONE, 0,
            ENOMEM), /* in a thread of the library's own */
        ROW("pthread_setspecific", THREAD, AGAIN, watched_loop, OURS_ALONE, 0, ENOMEM),
        NONE("pthread_sigmask", THREAD), /* fails for another manner alone */
        ROW("pthread_atfork", THREAD, AGAIN, object_in_a_fork, FRESH | OURS_ALONE, 0, ENOMEM),
        ROW("atexit", THREAD, HARMLESS, pool, FRESH | OURS_ALONE, 0, ENOMEM),
        ROW("atexit", THREAD, TOLD, child, FRESH | OURS_ALONE, 0, ENOMEM),
        ROW("sigaction", THREAD, HARMLESS, poke, FRESH, 0, EINVAL, EFAULT),         /* another signal is taken */
        ROW("SYS_tgkill", THREAD, AGAIN, poke, 0, 0, EAGAIN, ENOMEM, ESRCH, EPERM), /* EAGAIN: RLIMIT_SIGPENDING */

#define WORD "src/plat/linux/word.c"
        ROW("SYS_futex", WORD, AGAIN, pool, 0, 0, EINTR, EAGAIN, ETIMEDOUT),
        NONE("nanosleep", WORD),   /* EINTR: the turn is short */
        NONE("sched_yield", WORD), /* always succeeds */

#define MEMORY "src/plat/linux/memory.c"
        NONE("calloc", MEMORY),        /* tests/oom_walk walks every one */
        NONE("clock_gettime", MEMORY), /* fails for an unknown clock alone */
        ROW("getrandom", MEMORY, HARMLESS, retry, FRESH, 0, EAGAIN, EINTR, EFAULT, EINVAL, ENOSYS),

#define STACKS "src/plat/linux/stack.c"
        NONE("mmap", STACKS), /* see many_stacks: half as much is tried */
        ROW("mmap", STACKS, AGAIN, coroutine_with_a_stack, FRESH, 0, ENOMEM, EAGAIN, EPERM),
        ROW("madvise", STACKS, AGAIN, coroutine_with_a_stack, FRESH, 0, EINVAL, EACCES, EAGAIN, EIO, EPERM),
        ROW("mprotect", STACKS, TOLD, coroutine_guarded_by_maps, FRESH, ENOMEM, ENOMEM, EACCES, EINVAL),
        ROW("munmap", STACKS, AGAIN, many_stacks, 0, 0, ENOMEM, EINVAL),

#define CHILD "src/plat/linux/child.c"
        ROW("pipe2", CHILD, TOLD, child, 0, 0, EMFILE, ENFILE, EFAULT, EINVAL),
        ROW("open:/dev/null", CHILD, TOLD, child, 0, 0, EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, ENXIO, EPERM),
        ROW("open:/dev/null", CHILD, AGAIN, child, 0, 0, EINTR),
        ROW("fcntl:F_GETFD", CHILD, TOLD, child_with_crossed_descriptors, NOT_NARROW, EBADF, EBADF),
        ROW("fcntl:F_SETFL", CHILD, TOLD, child, NOT_NARROW, 0, EPERM, EBADF),
        ROW("fcntl:F_DUPFD_CLOEXEC", CHILD, TOLD, child_with_crossed_descriptors, NOT_NARROW, 0, EMFILE, EINVAL, EBADF),
        ROW("fcntl:F_SETFD", CHILD, HARMLESS, child_in_its_group, NOT_NARROW, 0, EBADF),
        ROW("dup2", CHILD, AGAIN, child, NOT_NARROW, 0, EINTR, EBUSY),
        ROW("dup2", CHILD, TOLD, child, NOT_NARROW, 0, EBADF, EMFILE),
        ROW("SYS_close_range", CHILD, AGAIN, child, 0, 0, ENOSYS, EINVAL, EMFILE, ENOMEM),
        NONE("SYS_getdents64", CHILD), /* tests/world/nosys: after ENOSYS of the one above */
        NONE("open", CHILD),           /* the same, and /dev/null */
        NONE("getrlimit", CHILD),      /* the same, without a /proc */
        NONE("fcntl", CHILD),          /* by its commands, above */
        ROW("sigaction", CHILD, HARMLESS, child, 0, 0, EINVAL, EFAULT),
        NONE("sigprocmask", CHILD), /* fails for another manner alone */
        ROW("setrlimit", CHILD, TOLD, child, 0, 0, EINVAL, EPERM, EFAULT),
        ROW("setsid", CHILD, TOLD, child, 0, 0, EPERM),
        ROW("setpgid", CHILD, TOLD, child_in_its_group, 0, 0, EACCES, EINVAL, EPERM, ESRCH),
        ROW("chdir", CHILD, TOLD, child, 0, 0, EACCES, EFAULT, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR),
        ROW("execvpe", CHILD, TOLD, child, 0, 0, E2BIG, EACCES, EAGAIN, EIO, EISDIR, ELIBBAD, ELOOP, EMFILE, ENFILE,
            ENOENT, ENOEXEC, ENOMEM, ENOTDIR, EPERM, ETXTBSY),
        ROW("clone", CHILD, TOLD, child, 0, 0, EAGAIN, ENOMEM, ENOSPC, EPERM, EMFILE, EINVAL),
        NONE("pthread_sigmask", CHILD), /* fails for another manner alone */
        ROW("SYS_pidfd_open", CHILD, TOLD, child, FRESH, 0, ENOSYS),
        ROW("SYS_pidfd_open", CHILD, HARMLESS, child, FRESH, 0, EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL, EPERM),
        ROW("SYS_pidfd_send_signal", CHILD, AGAIN, child_in_our_group, 0, 0, ENOSYS, EPERM), /* by its number */
        ROW("SYS_pidfd_send_signal", CHILD, TOLD, child_in_our_group, 0, 0, EBADF, EINVAL, ESRCH),
        ROW("kill", CHILD, TOLD, child_in_its_group, 0, 0, EINVAL, EPERM, ESRCH),
        ROW("SYS_waitid", CHILD, AGAIN, child, 0, 0, EINTR),
        NONE("write", CHILD), /* of a child that does not share our memory: an emulator's */
        NONE("read", CHILD),  /* the same */
        ROW("close", CHILD, HARMLESS, child, NOT_NARROW, 0, EINTR, EIO),

#define PROC "src/plat/linux/proc.c"
        ROW("open:/proc", PROC, HARMLESS, stuck, 0, 0, EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, EINTR),
        ROW("open:/sys", PROC, HARMLESS, default_pool, 0, 0, EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, EINTR),
        NONE("open", PROC), /* by its two folders, above */
        ROW("read", PROC, HARMLESS, stuck, NOT_NARROW, 0, EINTR, EIO, ESRCH, ENOMEM, WORLD_SHORT),
        ROW("close", PROC, HARMLESS, stuck, NOT_NARROW, 0, EINTR, EIO),
        ROW("sched_getaffinity", PROC, HARMLESS, default_pool, 0, 0, EINVAL, EFAULT, ESRCH, EPERM),
        NONE("sysconf", "src/plat/linux/stack.c"), /* the size of a page is always known */
        NONE("sysconf", PROC),                     /* tests/world/nosys: where sched_getaffinity is missing */

#define FRAMES "src/plat/linux/frames.c"
        ROW("process_vm_readv", FRAMES, HARMLESS, stuck, 0, 0, EFAULT, EINVAL, ENOMEM, EPERM, ESRCH),
        ROW("sigaction", FRAMES, HARMLESS, watched_loop, FRESH, 0, EINVAL, EFAULT), /* another signal is taken */
        NONE("SYS_tgkill", FRAMES), /* then the frames of a job that computes are not told */
        NONE("pthread_sigmask", FRAMES),

#define CRASH "src/plat/linux/crash.c"
        NONE("write", CRASH), /* the last line of a program that dies */
        ROW("sigaltstack", CRASH, HARMLESS, watched_loop, OURS_ALONE, 0, EFAULT, EINVAL, ENOMEM, EPERM),
        ROW("sigaction", CRASH, HARMLESS, watched_loop, FRESH, 0, EINVAL, EFAULT),
};

/* ---- running a row ---- */

/* One that hangs is told by name. */
static _Atomic(const row *) running;
static atomic_int running_error;
static atomic_uint running_at;

static int entries(const char *folder)
{
        int n = 0;
        DIR *d = opendir(folder);
        while (d && readdir(d))
                n++;
        if (d)
                closedir(d);
        return n;
}

typedef struct standing {
        int fds, threads;
        long blocks;
} standing;

static standing standing_now(void)
{
        return (standing){entries("/proc/self/fd"), entries("/proc/self/task"), world_blocks()};
}

static int run(const row *r, unsigned at, int error)
{
        narrow = !(r->how & NOT_NARROW);
        running_error = error;
        running_at = at;
        world_plan(r->call, -1, at, error);
        return r->scenario();
}

/* What is wrong with an answer; NULL: nothing. */
static const char *judge(const row *r, int error, int rc)
{
        const int told = -(r->told ? r->told : error);
        if (rc <= REIN_EUSER)
                return "went on with a wrong result";
        if (r->verdict != TOLD)
                return rc == 0 ? NULL : "did not stand it";
        if (rc == 0)
                return "did not tell";
        return rc == told && !strstr(rein_code_name(rc), "unknown") ? NULL : "told something else";
}

static int mistakes;

static const char *name_of(int error)
{
        return error > 0              ? strerrorname_np(error)
               : error == WORLD_SHORT ? "one byte"
               : error == WORLD_HUP   ? "POLLHUP"
                                      : "?";
}

static void wrong(const row *r, unsigned at, int error, int rc, const char *what)
{
        mistakes++;
        fprintf(stderr, "%s (%s), call %u of them answers %s: the scenario %s: %s", r->call, r->file, at,
                name_of(error), what, rein_code_name(rc));
        fprintf(stderr, rc <= REIN_EUSER ? ", line %d\n" : "\n", REIN_EUSER - rc);
}

static void hangs(int signo)
{
        (void)signo;
        const row *r = running;
        fprintf(stderr, "%s (%s), call %u of them answers %s: hangs\n", r->call, r->file, running_at,
                name_of(running_error));
        _exit(1);
}

static void may_take(const row *r, unsigned seconds)
{
        running = r;
        signal(SIGALRM, hangs);
        alarm(seconds);
}

enum { MOST_CALLS = 8 };

/* Each error at the first call, and the first error at every call. */
static unsigned calls_for(const row *r, int which, unsigned seen)
{
        (void)r;
        return which > 0 || seen == 0 ? 1 : seen < MOST_CALLS ? seen : MOST_CALLS;
}

enum { THREADS_THAT_STAY = 3 }; /* this one, the clock's and the hand's */

static standing standing_at_rest(void)
{
        EVENTUALLY(entries("/proc/self/task") <= THREADS_THAT_STAY + 2);
        return standing_now();
}

/* Where two threads meet, a scenario may get by without the call: the one that is to be woken has not slept yet. */
static void run_once(const row *r, unsigned at, int error)
{
        bool fired = false;
        int rc = 0;
        for (int i = 0; i < 50 && !fired && rc == 0; i++) {
                rc = run(r, at, error);
                fired = world_fired();
                world_end();
                if (at > 1)
                        break;
        }
        const char *what = fired ? judge(r, error, rc) : at == 1 ? "does not make the call" : NULL;
        if (what)
                wrong(r, at, error, rc, what);
        rc = r->scenario();
        if (rc != 0)
                wrong(r, at, error, rc, "does not work any more afterwards");
        if (world_closed_twice())
                wrong(r, at, error, rc, "closed a descriptor twice");
}

static void each_error(const row *r)
{
        int rc = run(r, 0, WORLD_COUNT);
        const unsigned seen = world_seen();
        world_end();
        if (rc != 0)
                wrong(r, 0, 0, rc, "fails by itself");
        for (int e = 0; e < MOST_ERRORS && r->errors[e]; e++)
                for (unsigned k = 1; k <= calls_for(r, e, seen); k++)
                        run_once(r, k, r->errors[e]);
}

/* How many records of jobs there are varies with the threads that happen to have them, and grows until two bundles of each
 * thread are full: what leaks grows every time. */
static void run_row(const row *r)
{
        standing before, after = {0};
        bool left = true;
        may_take(r, 20);
        (void)r->scenario(); /* what it makes once and keeps is there now */
        for (int round = 0; left && round < 24; round++) {
                before = standing_at_rest();
                each_error(r);
                after = standing_at_rest();
                left = after.fds != before.fds || after.blocks > before.blocks;
        }
        if (left) {
                mistakes++;
                fprintf(stderr, "%s (%s): %d descriptors and %ld blocks before, %d and %ld after\n", r->call, r->file,
                        before.fds, before.blocks, after.fds, after.blocks);
        }
        if (__real_waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) {
                mistakes++;
                fprintf(stderr, "%s (%s): a child is left\n", r->call, r->file);
        }
}

/* In a process that has not used the library, each one. */
static void run_fresh(const row *r, unsigned at, int error)
{
        pid_t pid = __real_fork();
        if (pid == 0) {
                may_take(r, 20);
                run_once(r, at, error);
                _exit(mistakes ? 1 : 0);
        }
        int status;
        assert_int_equal(__real_waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status))
                wrong(r, at, error, 0, strsignal(WTERMSIG(status)));
        else
                mistakes += WEXITSTATUS(status);
}

/* ---- the tests ---- */

static bool applies(const row *r)
{
        return !SANITIZED || !(r->how & OURS_ALONE);
}

/* Before this process uses the library. */
static void test_errors_at_the_first_use(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(table); i++) {
                const row *r = &table[i];
                for (int e = 0; (r->how & FRESH) && applies(r) && e < MOST_ERRORS && r->errors[e]; e++)
                        for (unsigned k = 1; k <= (e ? 1 : 3); k++)
                                run_fresh(r, k, r->errors[e]);
        }
        assert_int_equal(mistakes, 0);
}

static void test_each_error_of_each_call(void **state)
{
        (void)state;
        rein_on_unseen(unseen_note, &(unseen){0});
        for (size_t i = 0; i < COUNT(table); i++)
                if (table[i].scenario && !(table[i].how & FRESH) && applies(&table[i]))
                        run_row(&table[i]);
        assert_int_equal(mistakes, 0);
}

int main(void)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_errors_at_the_first_use),
                cmocka_unit_test(test_each_error_of_each_call),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        alarm(0);
        signal(SIGALRM, SIG_DFL);
        return failed;
}
