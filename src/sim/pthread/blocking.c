/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the kernel that block. A simulated program that slept in one would stop the whole simulation, and the schedule
 * would no longer say what happens. So each is first asked, in a way that does not wait, whether it would: what would
 * not (a regular file, a descriptor that is ready or non-blocking) is done, what would ends the schedule by name. poll
 * and select of no descriptor at all are sleeps. */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

WRAP(read);
WRAP(readv);
WRAP(recv);
WRAP(recvmsg);
WRAP(write);
WRAP(writev);
WRAP(send);
WRAP(sendmsg);
WRAP(poll);
WRAP(ppoll);
WRAP(select);
WRAP(pselect);
WRAP(epoll_wait);
WRAP(epoll_pwait);
WRAP(wait);
WRAP(waitpid);
WRAP(waitid);
WRAP(flock);
WRAP(pause);
WRAP(sigsuspend);
WRAP(sigwait);
WRAP(sigwaitinfo);
WRAP(sigtimedwait);
/* Those with addresses have parameters that ISO C does not know; the fortified forms below are declared by nobody. */
WRAP_AS(recvfrom, ssize_t, int, void *, size_t, int, struct sockaddr *restrict, socklen_t *restrict);
WRAP_AS(sendto, ssize_t, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
WRAP_AS(accept, int, int, struct sockaddr *restrict, socklen_t *restrict);
WRAP_AS(accept4, int, int, struct sockaddr *restrict, socklen_t *restrict, int);
WRAP_AS(connect, int, int, const struct sockaddr *, socklen_t);
WRAP_AS(__read_chk, ssize_t, int, void *, size_t, size_t);
WRAP_AS(__recv_chk, ssize_t, int, void *, size_t, size_t, int);
WRAP_AS(__recvfrom_chk, ssize_t, int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);
WRAP_AS(__poll_chk, int, struct pollfd *, nfds_t, int, size_t);
extern void __chk_fail(void) __attribute__((noreturn));

static _Noreturn void blocking_refuse(const char *call, int fd)
{
        if (fd >= 0)
                rn_p_refuse("would block in %s of descriptor %d, which is not the simulation's", call, fd);
        rn_p_refuse("would block in %s", call);
}

/* ---- descriptors ---- */

static void blocking_ready(const char *call, int fd, short events)
{
        if (!rn_p_inside())
                return;
        rein_sim_point(call);
        int flags = fcntl(fd, F_GETFL);
        struct pollfd p = {.fd = fd, .events = events};
        if (flags < 0 || flags & O_NONBLOCK || __real_poll(&p, 1, 0) != 0)
                return;
        blocking_refuse(call, fd);
}

static void blocking_ready_unless(bool does_not_wait, const char *call, int fd, short events)
{
        if (!does_not_wait)
                blocking_ready(call, fd, events);
}

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
        blocking_ready("read", fd, POLLIN);
        return __real_read(fd, buf, n);
}

ssize_t __wrap_readv(int fd, const struct iovec *v, int n)
{
        blocking_ready("readv", fd, POLLIN);
        return __real_readv(fd, v, n);
}

ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
        blocking_ready_unless(flags & MSG_DONTWAIT, "recv", fd, POLLIN);
        return __real_recv(fd, buf, n, flags);
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *restrict a, socklen_t *restrict length)
{
        blocking_ready_unless(flags & MSG_DONTWAIT, "recvfrom", fd, POLLIN);
        return __real_recvfrom(fd, buf, n, flags, a, length);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
        blocking_ready_unless(flags & MSG_DONTWAIT, "recvmsg", fd, POLLIN);
        return __real_recvmsg(fd, m, flags);
}

/* A pipe that polls writable takes PIPE_BUF bytes; more than that is written piece by piece. */
ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
        struct stat st;
        if (!rn_p_inside() || n <= PIPE_BUF || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)) {
                blocking_ready("write", fd, POLLOUT);
                return __real_write(fd, buf, n);
        }
        size_t done = 0;
        while (done < n) {
                blocking_ready("write", fd, POLLOUT);
                ssize_t k = __real_write(fd, (const char *)buf + done, n - done < PIPE_BUF ? n - done : PIPE_BUF);
                if (k < 0)
                        return done > 0 ? (ssize_t)done : k;
                done += (size_t)k;
        }
        return (ssize_t)done;
}

ssize_t __wrap_writev(int fd, const struct iovec *v, int n)
{
        blocking_ready("writev", fd, POLLOUT);
        return __real_writev(fd, v, n);
}

ssize_t __wrap_send(int fd, const void *buf, size_t n, int flags)
{
        blocking_ready_unless(flags & MSG_DONTWAIT, "send", fd, POLLOUT);
        return __real_send(fd, buf, n, flags);
}

ssize_t __wrap_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *a, socklen_t length)
{
        blocking_ready_unless(flags & MSG_DONTWAIT, "sendto", fd, POLLOUT);
        return __real_sendto(fd, buf, n, flags, a, length);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
        blocking_ready_unless(flags & MSG_DONTWAIT, "sendmsg", fd, POLLOUT);
        return __real_sendmsg(fd, m, flags);
}

int __wrap_accept(int fd, struct sockaddr *restrict a, socklen_t *restrict length)
{
        blocking_ready("accept", fd, POLLIN);
        return __real_accept(fd, a, length);
}

int __wrap_accept4(int fd, struct sockaddr *restrict a, socklen_t *restrict length, int flags)
{
        blocking_ready("accept4", fd, POLLIN);
        return __real_accept4(fd, a, length, flags);
}

/* Whether it would block nobody can tell beforehand, but that of a datagram socket never does. */
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t length)
{
        if (rn_p_inside()) {
                int type = 0, flags = fcntl(fd, F_GETFL);
                socklen_t size = sizeof type;
                rein_sim_point("connect");
                if (flags >= 0 && !(flags & O_NONBLOCK) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
                    type != SOCK_DGRAM)
                        blocking_refuse("connect", fd);
        }
        return __real_connect(fd, a, length);
}

int __wrap_flock(int fd, int operation)
{
        if (!rn_p_inside())
                return __real_flock(fd, operation);
        rein_sim_point("flock");
        int rc = __real_flock(fd, operation | LOCK_NB);
        if (rc < 0 && errno == EWOULDBLOCK && !(operation & LOCK_NB))
                blocking_refuse("flock", fd);
        return rc;
}

/* What a fortified program calls. */
ssize_t __wrap___read_chk(int fd, void *buf, size_t n, size_t room)
{
        if (n > room)
                __chk_fail();
        return __wrap_read(fd, buf, n);
}

ssize_t __wrap___recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
        if (n > room)
                __chk_fail();
        return __wrap_recv(fd, buf, n, flags);
}

ssize_t __wrap___recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *a,
                              socklen_t *length)
{
        if (n > room)
                __chk_fail();
        return __wrap_recvfrom(fd, buf, n, flags, a, length);
}

int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
        if (n > room / sizeof *fds)
                __chk_fail();
        return __wrap_poll(fds, n, timeout);
}

/* ---- waiting for several ---- */

/* Of no descriptor: 0 when the time is over. */
static int blocking_sleep_in(const char *what, int64_t span)
{
        int rc = rn_p_nap(rn_p_self(), span == RN_P_NEVER ? RN_P_NEVER : rein_after(span).ns, what);
        errno = rc ? rc : errno;
        return rc ? -1 : 0;
}

static int blocking_polled(const char *call, int found, bool waits)
{
        if (found == 0 && waits)
                blocking_refuse(call, -1);
        return found;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
        if (!rn_p_inside())
                return __real_poll(fds, n, timeout);
        rein_sim_point("poll");
        if (n == 0 && timeout != 0)
                return blocking_sleep_in("sleeps in poll", timeout < 0 ? RN_P_NEVER : timeout * INT64_C(1000000));
        return blocking_polled("poll", __real_poll(fds, n, 0), timeout != 0);
}

int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
        if (!rn_p_inside())
                return __real_ppoll(fds, n, timeout, mask);
        rein_sim_point("ppoll");
        if (n == 0 && rn_p_span(timeout) != 0)
                return blocking_sleep_in("sleeps in ppoll", rn_p_span(timeout));
        return blocking_polled("ppoll", __real_ppoll(fds, n, &(struct timespec){0}, mask), rn_p_span(timeout) != 0);
}

static bool fd_sets_empty(int n, const fd_set *r, const fd_set *w, const fd_set *e)
{
        for (int i = 0; i < n; i++)
                if ((r && FD_ISSET(i, r)) || (w && FD_ISSET(i, w)) || (e && FD_ISSET(i, e)))
                        return false;
        return true;
}

int __wrap_pselect(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
                   const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
        if (!rn_p_inside())
                return __real_pselect(n, r, w, e, timeout, mask);
        rein_sim_point("pselect");
        if (fd_sets_empty(n, r, w, e) && rn_p_span(timeout) != 0)
                return blocking_sleep_in("sleeps in pselect", rn_p_span(timeout));
        return blocking_polled("pselect", __real_pselect(n, r, w, e, &(struct timespec){0}, mask),
                               rn_p_span(timeout) != 0);
}

int __wrap_select(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e, struct timeval *restrict timeout)
{
        if (!rn_p_inside())
                return __real_select(n, r, w, e, timeout);
        rein_sim_point("select");
        int64_t span = timeout ? timeout->tv_sec * INT64_C(1000000000) + timeout->tv_usec * INT64_C(1000) : RN_P_NEVER;
        if (fd_sets_empty(n, r, w, e) && span != 0)
                return blocking_sleep_in("sleeps in select", span);
        return blocking_polled("select", __real_select(n, r, w, e, &(struct timeval){0}), span != 0);
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
        if (!rn_p_inside())
                return __real_epoll_wait(fd, events, n, timeout);
        rein_sim_point("epoll_wait");
        return blocking_polled("epoll_wait", __real_epoll_wait(fd, events, n, 0), timeout != 0);
}

int __wrap_epoll_pwait(int fd, struct epoll_event *events, int n, int timeout, const sigset_t *mask)
{
        if (!rn_p_inside())
                return __real_epoll_pwait(fd, events, n, timeout, mask);
        rein_sim_point("epoll_pwait");
        return blocking_polled("epoll_pwait", __real_epoll_pwait(fd, events, n, 0, mask), timeout != 0);
}

/* ---- processes and signals ---- */

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
        if (!rn_p_inside())
                return __real_waitpid(pid, status, options);
        rein_sim_point("waitpid");
        return blocking_polled("waitpid", __real_waitpid(pid, status, options | WNOHANG), !(options & WNOHANG));
}

pid_t __wrap_wait(int *status)
{
        return rn_p_inside() ? __wrap_waitpid(-1, status, 0) : __real_wait(status);
}

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
        siginfo_t mine = {0}, *to = info ? info : &mine;
        if (!rn_p_inside())
                return __real_waitid(type, id, info, options);
        rein_sim_point("waitid");
        to->si_pid = 0;
        int rc = __real_waitid(type, id, to, options | WNOHANG);
        if (rc == 0 && to->si_pid == 0 && !(options & WNOHANG))
                blocking_refuse("waitid", -1);
        return rc;
}

#define WAITS(f, parameters, ...)                                                                                      \
        int __wrap_##f parameters                                                                                      \
        {                                                                                                              \
                if (rn_p_inside())                                                                                     \
                        blocking_refuse(#f, -1);                                                                       \
                return __real_##f(__VA_ARGS__);                                                                        \
        }

WAITS(pause, (void), )
WAITS(sigsuspend, (const sigset_t *mask), mask)
WAITS(sigwait, (const sigset_t *restrict set, int *restrict signo), set, signo)
WAITS(sigwaitinfo, (const sigset_t *restrict set, siginfo_t *restrict info), set, info)
WAITS(sigtimedwait, (const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict timeout),
      set, info, timeout)
