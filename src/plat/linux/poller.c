/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for many descriptors at once: by epoll(7), and by poll(2) where that is asked for (it is what a system without
 * epoll has). A descriptor is watched for one event only and then forgotten until it is watched again: numbers are closed
 * and used again behind our back, and what was registered once and for all would miss the new one's events. To find that
 * out before each wait costs as much as arming, which finds it out by itself (docs/decisions/0011).
 *
 * One thread owns a poller; rn_poller_ring is for everybody. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "plat/linux/error.h"
#include "plat/linux/poller.h"
#include "plat/plat.h"

enum { MOST = 64 };

#if RN_CHECKING

static const char *poller_set_wrong(const rn_poller *p)
{
        if (!p->set || !p->count || p->count > p->room)
                return "the table of a poller is fuller than there is room";
        if (p->set[0].fd != p->bell || p->set[0].events != POLLIN)
                return "the first in the table of a poller is not its bell";
        for (size_t i = 1; i < p->count && i < MOST; i++) {
                if (p->set[i].fd < 0 || p->set[i].fd == p->bell || !p->set[i].events)
                        return "a poller watches a descriptor that is none, or its own, or for nothing";
                for (size_t k = 1; k < i; k++)
                        if (p->set[k].fd == p->set[i].fd)
                                return "a poller watches a descriptor twice";
        }
        return NULL;
}

const char *rn_poller_wrong(const rn_poller *p)
{
        if (p->bell < 0 || p->bell == p->epoll || p->bell == p->alarm || (p->alarm >= 0 && p->alarm == p->epoll))
                return "a poller has lost a descriptor of its own, or has it twice";
        if (p->alarm < 0 && p->alarm_at != RN_NEVER)
                return "a poller that nobody hosts has an alarm";
        if (p->epoll >= 0)
                return p->set || p->count ? "a poller by epoll has a table" : NULL;
        return p->alarm >= 0 ? "a poller without a descriptor has an alarm" : poller_set_wrong(p);
}

#endif

static int poller_add_own(rn_poller *p, int fd)
{
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : rn_minus(errno);
}

static int poller_open_all(rn_poller *p, bool portable)
{
        p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (p->bell < 0)
                return rn_minus(errno);
        if (portable) {
                p->room = 16;
                p->set = rn_alloc(p->room * sizeof *p->set);
                if (!p->set)
                        return -ENOMEM;
                p->set[0] = (struct pollfd){.fd = p->bell, .events = POLLIN};
                p->count = 1;
                return 0;
        }
        p->epoll = epoll_create1(EPOLL_CLOEXEC);
        return p->epoll < 0 ? rn_minus(errno) : poller_add_own(p, p->bell);
}

int rn_poller_new(bool portable, rn_poller **made)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->poller_new(portable, made);
        if (rn_choose(2, RN_CHOOSE_FD))
                return -EMFILE;
        rn_poller *p = rn_alloc(sizeof *p);
        if (!p)
                return -ENOMEM;
        p->epoll = p->bell = p->alarm = -1;
        p->alarm_at = RN_NEVER;
        int rc = poller_open_all(p, portable);
        if (rc < 0)
                rn_poller_free(p);
        else
                *made = p;
        return rc;
}

void rn_poller_free(rn_poller *p)
{
        if (!p)
                return;
        const rn_machine *sim = rn_virtual();
        if (sim) {
                sim->poller_free(p);
                return;
        }
        const int fds[] = {p->epoll, p->bell, p->alarm};
        for (size_t i = 0; i < 3; i++)
                if (fds[i] >= 0)
                        rn_sys_close_own(fds[i]);
        rn_free(p->set);
        rn_free(p);
}

/* ---- who is watched ---- */

static struct pollfd *poller_find(rn_poller *p, int fd)
{
        for (size_t i = 1; i < p->count; i++)
                if (p->set[i].fd == fd)
                        return &p->set[i];
        return NULL;
}

static int poller_watch_by_poll(rn_poller *p, int fd, int events)
{
        struct pollfd *old = poller_find(p, fd);
        RN_SOUND(rn_poller_wrong(p));
        if (old) {
                old->events = (short)events;
                return 0;
        }
        if (p->count == p->room) {
                struct pollfd *more = rn_alloc(2 * p->room * sizeof *more);
                if (!more)
                        return -ENOMEM;
                RN_ASSERT(p->room > 0 && p->room <= SIZE_MAX / 2 / sizeof *more,
                          "a table that grows has a size to double");
                for (size_t i = 0; i < p->count; i++)
                        more[i] = p->set[i];
                rn_free(p->set);
                p->set = more;
                p->room *= 2;
        }
        p->set[p->count++] = (struct pollfd){.fd = fd, .events = (short)events};
        RN_SOUND(rn_poller_wrong(p));
        return 0;
}

/* Another thread may be closing fd just now; it has got out those who wait for it, and they or their neighbours are on
 * their way. By the bare call: the thread sanitizer takes that for a race, and here a number is all that is needed. */
static int poller_change(const rn_poller *p, int how, int fd, struct epoll_event *e)
{
        return (int)syscall(SYS_epoll_ctl, p->epoll, how, fd, e);
}

int rn_poller_watch(rn_poller *p, int fd, int events)
{
        const rn_machine *sim = rn_virtual();
        RN_ASSERT(fd >= 0 && events > 0 && events <= SHRT_MAX, "a descriptor is watched for something");
        if (sim)
                return sim->owns(fd) || rn_sys_is_stream(fd) ? sim->poller_watch(p, fd, events) : -EPERM;
        RN_ASSERT(fd != p->bell && fd != p->alarm && fd != p->epoll, "a poller's own descriptors are not for others");
        if (p->epoll < 0)
                return poller_watch_by_poll(p, fd, events);
        struct epoll_event e = {.events = (uint32_t)events | EPOLLONESHOT, .data.fd = fd};
        if (poller_change(p, EPOLL_CTL_MOD, fd, &e) == 0)
                return 0;
        if (errno != ENOENT)
                return rn_minus(errno);
        return poller_change(p, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : rn_minus(errno);
}

void rn_poller_unwatch(rn_poller *p, int fd)
{
        const rn_machine *sim = rn_virtual();
        if (sim) {
                sim->poller_unwatch(p, fd);
                return;
        }
        if (p->epoll >= 0) {
                struct epoll_event none = {.data.fd = fd};
                poller_change(p, EPOLL_CTL_DEL, fd, &none); /* it may be closed already */
                return;
        }
        struct pollfd *old = poller_find(p, fd);
        RN_ASSERT(fd != p->bell, "a poller never loses its bell");
        if (old)
                *old = p->set[--p->count];
}

void rn_poller_forget(rn_poller *p, int fd)
{
        const rn_machine *sim = rn_virtual();
        if (sim) {
                sim->poller_unwatch(p, fd);
                return;
        }
        struct epoll_event none = {.data.fd = fd};
        if (p->epoll >= 0) /* poll(2) asks for numbers: nothing of the old file is left there */
                epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, &none);
}

/* ---- waiting ---- */

static void poller_drain(int fd)
{
        uint64_t count;
        ssize_t n = read(fd, &count, sizeof count);
        (void)n; /* EAGAIN: nothing was there */
}

static struct timespec span_until(int64_t until)
{
        int64_t now = until > 0 ? rn_clock() : 0, left = until > now ? until - now : 0;
        return (struct timespec){.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
}

/* epoll_pwait2 has nanoseconds (Linux 5.11); without it they are rounded up to milliseconds. */
static int poller_wait_by_epoll(int epoll, struct epoll_event *events, int n, int64_t until)
{
        struct timespec span = span_until(until);
        static rn_a32 without;
        if (!rn_load32(&without)) {
                long got =
                        syscall(SYS_epoll_pwait2, epoll, events, n, until == RN_NEVER ? NULL : &span, NULL, (size_t)8);
                if (got >= 0 || (errno != ENOSYS && errno != EPERM)) /* EPERM: a filter that does not know it */
                        return (int)got;
                rn_store32(&without, 1);
        }
        int64_t ms = (int64_t)span.tv_sec * 1000 + (span.tv_nsec + 999999) / 1000000;
        return epoll_wait(epoll, events, n, until == RN_NEVER ? -1 : ms > INT_MAX ? INT_MAX : (int)ms);
}

static int poller_epolled(rn_poller *p, rn_ready *out, int n, int64_t until)
{
        struct epoll_event events[MOST];
        RN_ASSERT(n > 0, "there is room for what a poller finds");
        int got = poller_wait_by_epoll(p->epoll, events, n < MOST ? n : MOST, until), many = 0;
        for (int i = 0; i < got; i++) {
                int fd = events[i].data.fd;
                if (fd == p->bell || fd == p->alarm)
                        poller_drain(fd);
                else
                        out[many++] = (rn_ready){fd, (int)events[i].events};
        }
        RN_ASSERT(many <= n && got <= MOST, "a poller tells of no more than there is room for");
        return got < 0 && errno != EINTR ? rn_minus(errno) : many;
}

static int poller_polled(rn_poller *p, rn_ready *out, int n, int64_t until)
{
        struct timespec span = span_until(until);
        int got = ppoll(p->set, p->count, until == RN_NEVER ? NULL : &span, NULL), many = 0;
        if (got < 0)
                return errno == EINTR ? 0 : rn_minus(errno);
        if (p->set[0].revents)
                poller_drain(p->bell);
        for (size_t i = 1; i < p->count && many < n;) {
                if (!p->set[i].revents) {
                        i++;
                        continue;
                }
                out[many++] = (rn_ready){p->set[i].fd, p->set[i].revents};
                p->set[i] = p->set[--p->count];
        }
        RN_SOUND(rn_poller_wrong(p));
        return many;
}

int rn_poller_wait(rn_poller *p, rn_ready *out, int n, int64_t until)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->poller_wait(p, out, n, until);
        if (rn_choose(2, RN_CHOOSE_INTR))
                return 0;
        return p->epoll >= 0 ? poller_epolled(p, out, n, until) : poller_polled(p, out, n, until);
}

void rn_poller_ring(rn_poller *p)
{
        const rn_machine *sim = rn_virtual();
        if (sim) {
                sim->poller_ring(p);
                return;
        }
        int saved = errno;
        uint64_t one = 1;
        while (write(p->bell, &one, sizeof one) < 0 && errno == EINTR)
                ; /* full: it rings already */
        errno = saved;
}

/* ---- as a guest of another loop ---- */

int rn_poller_fd(rn_poller *p)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->poller_fd(p);
        if (p->epoll < 0)
                return -ENOTSUP;
        if (p->alarm < 0) {
                int made = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
                if (made < 0)
                        return rn_minus(errno);
                int rc = poller_add_own(p, made);
                if (rc < 0) {
                        close(made);
                        return rc;
                }
                p->alarm = made;
        }
        return p->epoll;
}

void rn_poller_alarm(rn_poller *p, int64_t at)
{
        const rn_machine *sim = rn_virtual();
        if (sim) {
                sim->poller_alarm(p, at);
                return;
        }
        if (p->alarm < 0 || at == p->alarm_at)
                return;
        RN_SOUND(rn_poller_wrong(p));
        struct itimerspec when = {{0, 0}, {0, 0}};
        if (at != RN_NEVER) {
                const int64_t due = at > 0 ? at : 1; /* zero would switch it off */
                when.it_value.tv_sec = (time_t)(due / 1000000000);
                when.it_value.tv_nsec = (long)(due % 1000000000);
        }
        if (timerfd_settime(p->alarm, TFD_TIMER_ABSTIME, &when, NULL) == 0)
                p->alarm_at = at;
}
