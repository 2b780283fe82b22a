/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: poll, read, write, signals as descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "plat/linux/error.h"
#include "plat/plat.h"

_Static_assert(POLLIN == RN_POLLIN && POLLOUT == RN_POLLOUT && POLLERR == RN_POLLERR && POLLHUP == RN_POLLHUP &&
                       POLLNVAL == RN_POLLNVAL,
               "poll(2) events");

/* ---- waiting ---- */

enum { FEW = 8 };

static mode_t fd_kind(int fd)
{
        struct stat st;
        return fstat(fd, &st) == 0 ? st.st_mode & S_IFMT : 0;
}

/* A simulation has no regular file: they are the system's, and always ready. */
static int fd_poll_files(const rn_machine *sim, rn_polled *all)
{
        int n = 0;
        for (rn_polled *p = all; p; p = p->next) {
                p->got = sim->owns(p->fd) || rn_sys_is_stream(p->fd) ? 0 : p->events;
                n += p->got != 0;
        }
        return n;
}

static int fd_poll_set(struct pollfd *set, nfds_t n, int64_t until)
{
        struct timespec span, *limit = NULL;
        if (until != RN_NEVER) {
                int64_t now = rn_clock(), left = until > now ? until - now : 0;
                span.tv_sec = (time_t)(left / 1000000000);
                span.tv_nsec = (long)(left % 1000000000);
                limit = &span;
        }
        const int rc = ppoll(set, n, limit, NULL);
        return rc < 0 && errno != EINTR ? rn_minus(errno) : rc < 0 ? 0 : rc;
}

int rn_sys_poll(rn_polled *all, int wake, int64_t until)
{
        const rn_machine *sim = rn_virtual();
        if (sim) {
                const int ready = fd_poll_files(sim, all);
                return ready ? ready : sim->poll(all, wake, until);
        }
        RN_ASSERT(all || wake >= 0, "a poll waits for something");
        struct pollfd few[1 + FEW], *set = few;
        size_t n = 1;
        for (rn_polled *p = all; p; p = p->next, n++)
                p->got = 0;
        if (rn_choose(2, RN_CHOOSE_INTR))
                return 0;
        if (n > 1 + FEW && !(set = rn_alloc(n * sizeof *set)))
                return -ENOMEM;
        struct pollfd *at = set;
        *at++ = (struct pollfd){.fd = wake, .events = POLLIN};
        for (const rn_polled *p = all; p; p = p->next)
                *at++ = (struct pollfd){.fd = p->fd, .events = (short)p->events};
        int rc = fd_poll_set(set, n, until);
        if (rc > 0) {
                rc -= set[0].revents != 0;
                at = set + 1;
                for (rn_polled *p = all; p; p = p->next)
                        p->got = at++->revents;
        }
        if (set != few)
                rn_free(set);
        return rc;
}

int rn_sys_wakefd(void)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->wakefd();
        if (rn_choose(2, RN_CHOOSE_FD))
                return -EMFILE;
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        return fd < 0 ? rn_minus(errno) : fd;
}

void rn_sys_wakefd_ring(int wake)
{
        const rn_machine *sim = rn_virtual();
        if (sim) {
                sim->wakefd_ring(wake);
                return;
        }
        int saved = errno;
        uint64_t one = 1;
        RN_ASSERT(wake >= 0, "a task that polls has a descriptor to be woken by");
        while (write(wake, &one, sizeof one) < 0 && errno == EINTR)
                ; /* it can only fail full, and then it is readable */
        errno = saved;
}

void rn_sys_wakefd_drain(int wake)
{
        const rn_machine *sim = rn_virtual();
        if (sim) {
                sim->wakefd_drain(wake);
                return;
        }
        uint64_t count;
        ssize_t n = read(wake, &count, sizeof count);
        (void)n; /* EAGAIN: nothing to drain */
}

/* ---- reading and writing ---- */

int rn_sys_close(int fd)
{
        const rn_machine *sim = rn_virtual();
        if (sim && sim->owns(fd))
                return sim->close(fd);
        return close(fd) == 0 || errno == EINTR ? 0 : rn_minus(errno); /* after EINTR Linux has closed it */
}

void rn_sys_close_own(int fd)
{
        const int rc = rn_sys_close(fd);
        RN_ASSERT(rc != -EBADF, "a descriptor of the library's own is closed once");
        (void)rc;
}

bool rn_sys_is_stream(int fd)
{
        const rn_machine *sim = rn_virtual();
        if (sim && sim->owns(fd))
                return true;
        mode_t m = fd_kind(fd);
        return m != S_IFREG && m != S_IFDIR && m != S_IFBLK;
}

bool rn_sys_is_socket(int fd)
{
        const rn_machine *sim = rn_virtual();
        if (sim && sim->owns(fd))
                return true; /* it never blocks, as a socket does not */
        return fd_kind(fd) == S_IFSOCK;
}

int64_t rn_sys_read(int fd, void *buf, size_t n, bool socket)
{
        const rn_machine *sim = rn_virtual();
        if (sim && (sim->owns(fd) || fd_kind(fd) != S_IFREG))
                return sim->read(fd, buf, n);
        if (rn_choose(2, RN_CHOOSE_INTR))
                return -EINTR;
        if (socket && rn_choose(2, RN_CHOOSE_AGAIN) && fd_kind(fd) == S_IFSOCK)
                return -EAGAIN;
        ssize_t got = socket ? recv(fd, buf, n, MSG_DONTWAIT) : read(fd, buf, n);
        RN_ASSERT(got < 0 || (size_t)got <= n, "a read gets no more than there is room for");
        return got < 0 ? rn_minus(errno) : got;
}

/* A pipe has no MSG_NOSIGNAL: hold SIGPIPE back, and take the one we raised. now: as pwritev2(2) with RWF_NOWAIT. */
static ssize_t fd_write_quietly(int fd, const void *buf, size_t n, bool now)
{
        struct iovec part = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
        sigset_t pipe, had, pending;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        sigpending(&pending);
        bool was_pending = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &pipe, &had);
        ssize_t put = now ? pwritev2(fd, &part, 1, -1, RWF_NOWAIT) : write(fd, buf, n);
        int err = errno;
        if (put < 0 && err == EPIPE && !was_pending) {
                struct timespec zero = {0, 0};
                while (sigtimedwait(&pipe, NULL, &zero) < 0 && errno == EINTR)
                        ;
        }
        pthread_sigmask(SIG_SETMASK, &had, NULL);
        RN_ASSERT(put < 0 || (size_t)put <= n, "a write takes no more than there is");
        errno = err;
        return put;
}

int64_t rn_sys_write(int fd, const void *buf, size_t n, bool socket)
{
        const rn_machine *sim = rn_virtual();
        if (sim && (sim->owns(fd) || fd_kind(fd) != S_IFREG))
                return sim->write(fd, buf, n);
        if (rn_choose(2, RN_CHOOSE_INTR))
                return -EINTR;
        if (socket && rn_choose(2, RN_CHOOSE_AGAIN) && fd_kind(fd) == S_IFSOCK)
                return -EAGAIN;
        ssize_t put = socket ? send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) : fd_write_quietly(fd, buf, n, false);
        return put < 0 ? rn_minus(errno) : put;
}

bool rn_sys_may_block(int fd)
{
        const rn_machine *sim = rn_virtual();
        if (sim && sim->owns(fd))
                return false;
        int flags = fcntl(fd, F_GETFL);
        return flags < 0 || !(flags & O_NONBLOCK);
}

/* Not every kind of file, nor every kernel, knows RWF_NOWAIT; one that is O_NONBLOCK does not need it. */
static bool kernel_knows_no_nowait(int err)
{
        return err == EOPNOTSUPP || err == ENOSYS || err == EINVAL;
}

int64_t rn_sys_read_now(int fd, void *buf, size_t n)
{
        if (rn_choose(2, RN_CHOOSE_INTR))
                return -EINTR;
        if (rn_choose(2, RN_CHOOSE_AGAIN))
                return -EAGAIN;
        if (rn_virtual()) /* whether it is in memory would not be the schedule's */
                return rn_sys_read(fd, buf, n, false);
        struct iovec part = {.iov_base = buf, .iov_len = n};
        ssize_t got = preadv2(fd, &part, 1, -1, RWF_NOWAIT);
        if (got < 0 && kernel_knows_no_nowait(errno)) {
                if (fd_kind(fd) == S_IFREG || rn_sys_may_block(fd))
                        return -ENOTSUP;
                got = read(fd, buf, n);
        }
        return got < 0 ? rn_minus(errno) : got;
}

int64_t rn_sys_write_now(int fd, const void *buf, size_t n)
{
        if (rn_choose(2, RN_CHOOSE_INTR))
                return -EINTR;
        if (rn_choose(2, RN_CHOOSE_AGAIN))
                return -EAGAIN;
        if (rn_virtual())
                return rn_sys_write(fd, buf, n, false);
        ssize_t put = fd_write_quietly(fd, buf, n, true);
        if (put < 0 && kernel_knows_no_nowait(errno)) {
                if (fd_kind(fd) == S_IFREG || rn_sys_may_block(fd))
                        return -ENOTSUP;
                put = fd_write_quietly(fd, buf, n, false);
        }
        return put < 0 ? rn_minus(errno) : put;
}

/* ---- signals as descriptors ---- */

int rn_interrupt_signal(void)
{
        struct sigaction had;
        if (rn_virtual() || sigaction(SIGINT, NULL, &had) != 0)
                return 0;
        return had.sa_flags & SA_SIGINFO || had.sa_handler != SIG_DFL ? 0 : SIGINT;
}

bool rn_is_interrupt(int signo)
{
        return signo == SIGINT;
}

enum { LAST_SIGNAL = 64 };

int rn_sys_signal_block(int signo, bool *was_blocked)
{
        sigset_t set, had;
        sigemptyset(&set);
        if (rn_virtual()) /* it has no masks */
                return signo <= 0 || signo > LAST_SIGNAL ? -EINVAL : 0;
        if (signo == SIGKILL || signo == SIGSTOP || sigaddset(&set, signo) != 0)
                return -EINVAL;
        pthread_sigmask(SIG_BLOCK, &set, &had);
        *was_blocked = sigismember(&had, signo) == 1;
        return 0;
}

void rn_sys_signal_unblock(int signo, bool was_blocked)
{
        sigset_t set;
        if (was_blocked || rn_virtual())
                return;
        sigemptyset(&set);
        sigaddset(&set, signo);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int rn_sys_signal_open(int signo)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->signal_open(signo);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, signo);
        if (rn_choose(2, RN_CHOOSE_FD))
                return -EMFILE;
        int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? rn_minus(errno) : fd;
}

static int signal_take_pending(int signo)
{
        const struct timespec now = {0, 0};
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, signo);
        return sigtimedwait(&set, NULL, &now) == signo;
}

int rn_sys_signal_take(int fd, int signo)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->signal_take(fd, signo);
        if (fd < 0)
                return signal_take_pending(signo);
        struct signalfd_siginfo info;
        ssize_t n = read(fd, &info, sizeof info);
        if (n == (ssize_t)sizeof info)
                return 1;
        return n < 0 && errno != EAGAIN && errno != EINTR ? rn_minus(errno) : 0;
}
