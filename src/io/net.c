/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of connections, and what names and ports may be. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/ranges.h"
#include "core/task.h"
#include "io/fd.h"
#include "io/lookup.h"
#include "io/net.h"
#include "rein/io.h"

/* ---- names ---- */

/* getaddrinfo(3) takes what strtoul(3) makes of a text for a port, and the lowest 16 bits of that: a blank, a sign, and
 * 65536 for 0. */
static bool service_is_number(const char *service)
{
        service += strspn(service, " \t\n\v\f\r");
        service += *service == '-' || *service == '+';
        return *service && !service[strspn(service, "0123456789")];
}

static bool service_is_port(const char *service, unsigned least)
{
        unsigned port = 0;
        if (*service < '0' || *service > '9')
                return false;
        for (; *service && port <= RN_MOST_PORT; service++)
                port = 10 * port + (unsigned)(*service - '0');
        return port >= least && port <= RN_MOST_PORT;
}

int rn_net_check(const char *call, const char *host, const char *service, rn_net_use use)
{
        const bool passive = use == RN_NET_LISTEN || use == RN_NET_BIND;
        const unsigned least = use == RN_NET_CONNECT || use == RN_NET_SEND;
        if (!passive && !host)
                return rn_fail(-EINVAL, call, "a host is needed: a name or an address");
        if (host && !*host)
                return rn_fail(-EINVAL, call, "the host is empty: a name or an address is needed%s",
                               passive ? ", or NULL for every address" : "");
        if (!service || !*service)
                return rn_fail(-EINVAL, call, "a service is needed: a port from %u to %d, or a name", least,
                               RN_MOST_PORT);
        if (service_is_number(service) && !service_is_port(service, least))
                return rn_fail(-EINVAL, call, "port '%.40s': it must be from %u to %d, in digits", service, least,
                               RN_MOST_PORT);
        return 0;
}

int rn_net_resolve(const char *call, const char *host, const char *service, rn_net_use use, int64_t until,
                   rn_sys_addr **list)
{
        const bool passive = use == RN_NET_LISTEN || use == RN_NET_BIND;
        const bool datagrams = use != RN_NET_LISTEN && use != RN_NET_CONNECT;
        const char *why = "";
        const int rc = rn_sys_lookup(host, service, passive, datagrams, true, list, &why);
        if (rc == -EADDRNOTAVAIL) /* a name */
                return rn_lookup_await(call, host, service, passive, datagrams, until, list);
        return rc < 0 ? rn_fail(rc, call, "host '%s', service '%s': %s", host ? host : "NULL", service, why) : 0;
}

/* ---- the calls ---- */

int rein_listen(const char *host, const char *service, int backlog)
{
        RN_CALL();
        rn_task *self;
        rn_sys_addr *list = NULL;
        int rc = rn_io_enter(&self);
        const int wrong = rn_net_check("rein_listen", host, service, RN_NET_LISTEN);
        if (wrong < 0)
                return wrong;
        if (backlog < 0)
                return rn_fail(-EINVAL, "rein_listen",
                               "backlog %d: it must be from 0 to %d, and the system has a limit of its own", backlog,
                               INT_MAX);
        if (rc == 0)
                rc = rn_net_resolve("rein_listen", host, service, RN_NET_LISTEN, RN_NEVER, &list);
        if (rc < 0)
                return rc;
        rc = -EADDRNOTAVAIL;
        for (rn_sys_addr *a = list; a && rc < 0; a = a->next)
                rc = rn_sys_listen(a, backlog);
        rn_sys_addr_free(list);
        return rc;
}

/* Nothing is wrong with the socket: there is no descriptor, memory or thread at this moment. The connection is still there, and
 * so the socket stays readable: a loop that goes on after the error would meet it again at once, and spin. So it is told only
 * when it has lasted. Nobody tells when a descriptor is free, so it is tried again after pauses, each twice as long. */
typedef struct shortage {
        int64_t told_at; /* 0: there was none */
        int64_t pause;
} shortage;

enum { FIRST_PAUSE_NS = 1000000, LONGEST_PAUSE_NS = 50000000, PATIENCE_NS = 1000000000 };

/* 0: try again; the shortage, when it has lasted; -EBADF, REIN_ECANCELED. */
static int shortage_sit_out(shortage *s, rn_fd_call *c, int code, int64_t until)
{
        rn_task *self = c->task;
        const int64_t now = rn_clock();
        if (!s->told_at) {
                s->told_at = until < now + PATIENCE_NS ? until : now + PATIENCE_NS;
                s->pause = FIRST_PAUSE_NS;
        }
        if (s->told_at <= now)
                return rn_fail(code, "rein_accept",
                               "there is nothing to accept a connection with, and was not for a while: %s",
                               code == -EMFILE   ? "the process has all the descriptors that it may have"
                               : code == -ENFILE ? "the system has all the files that it may have"
                               : code == -EAGAIN ? "no thread can be started"
                                                 : "no memory");
        const int64_t at = s->told_at - now < s->pause ? s->told_at : now + s->pause;
        const rn_doing was = rn_task_doing_for_ever(self, (rn_doing){"rein_accept, for a descriptor", NULL});
        int rc = 0;
        while (rc == 0 && !rn_fd_shut(c))
                rc = rn_wait_turn(self, at);
        rn_task_doing_for_ever(self, was);
        s->pause = s->pause < LONGEST_PAUSE_NS / 2 ? 2 * s->pause : LONGEST_PAUSE_NS;
        return rn_fd_shut(c) ? -EBADF : rc == REIN_ETIMEOUT ? 0 : rc;
}

/* A listening socket of the user's may block, when another was faster after the poll: accepted in a region, or, where
 * the caller must not block, by a thread (-ENOTSUP). */
static int accept_one(rn_fd_call *c, int64_t until)
{
        shortage s = {0};
        if (c->task->backend->offload && rn_sys_may_block(c->fd))
                return -ENOTSUP;
        for (;;) {
                if (rn_canceled(c->task))
                        return REIN_ECANCELED;
                int rc = rn_fd_wait(c, RN_POLLIN, until);
                if (rc > 0)
                        rc = rn_fd_enter(c, true);
                if (rc == 0) {
                        const int got = rn_sys_accept(c->fd);
                        rn_fd_leave(c);
                        if (got == -EAGAIN || got == -EINTR || got == -ECONNABORTED) /* another was faster; hung up */
                                continue;
                        if (got >= 0)
                                return got;
                        rc = got;
                }
                if (rn_io_is_shortage(rc))
                        rc = shortage_sit_out(&s, c, rc, until);
                if (rc < 0)
                        return rc;
        }
}

typedef struct accept_args {
        int fd, done;
        rein_time until;
} accept_args;

static int accept_call(void *arg)
{
        accept_args *e = arg;
        e->done = rein_accept(e->fd, e->until);
        return 0;
}

static int accept_by_a_thread(rn_task *self, int fd, rein_time until)
{
        accept_args e = {fd, 0, until};
        int rc = self->backend->offload(self, "rein_accept", accept_call, &e);
        return rc < 0 ? rc : e.done;
}

int rein_accept(int fd, rein_time until)
{
        RN_CALL();
        rn_task *self;
        rn_fd_call c;
        int rc = rn_io_enter(&self);
        if (rc < 0)
                return rc;
        rc = rn_fd_begin(&c, self, fd, "rein_accept");
        if (rc < 0)
                return rc;
        rc = accept_one(&c, until.ns);
        rn_fd_end(&c);
        return rc == -ENOTSUP && self->backend->offload ? accept_by_a_thread(self, fd, until) : rc;
}

static int connect_one(rn_task *self, const rn_sys_addr *a, int64_t until)
{
        rn_fd_call c;
        RN_ASSERT(a->len <= RN_ADDRESS, "an address is no longer than there is room for");
        int fd = rn_sys_connect(a);
        if (fd < 0)
                return fd;
        int rc = rn_fd_begin(&c, self, fd, "rein_connect");
        if (rc == 0) {
                rc = rn_fd_wait(&c, RN_POLLOUT, until);
                rn_fd_end(&c);
        }
        if (rc > 0)
                rc = rn_sys_connected(fd);
        if (rc == 0)
                return fd;
        rn_sys_close_own(fd);
        return rc;
}

int rein_connect(const char *host, const char *service, rein_time until)
{
        RN_CALL();
        rn_task *self;
        rn_sys_addr *list = NULL;
        int rc = rn_io_enter(&self);
        const int wrong = rn_net_check("rein_connect", host, service, RN_NET_CONNECT);
        if (wrong < 0)
                return wrong;
        if (rc == 0)
                rc = rn_net_resolve("rein_connect", host, service, RN_NET_CONNECT, until.ns, &list);
        if (rc < 0)
                return rc;
        rc = -EADDRNOTAVAIL;
        for (rn_sys_addr *a = list; a; a = a->next) {
                rc = connect_one(self, a, until.ns);
                if (rc >= 0 || rc == REIN_ECANCELED || rc == REIN_ETIMEOUT)
                        break;
        }
        rn_sys_addr_free(list);
        return rc;
}
