/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets. A name is looked up on a thread of its own that keeps a promise: getaddrinfo(3) cannot be interrupted, and
 * who is cancelled must not wait for it. The thread then ends by itself, and what it found is released. */
#include <errno.h>
#include <string.h>

#include "core/promise.h"
#include "io/fd.h"
#include "rein/io.h"
#include "rein/future.h"

/* ---- looking up ---- */

typedef struct lookup {
        rein_promise *promise;
        char *service; /* behind host, in the same block */
        char host[];
} lookup;

static void free_list(void *list)
{
        rn_sys_addr_free(list);
}

static void look_up(void *arg)
{
        lookup *l = arg;
        rn_sys_addr *list;
        int rc = rn_sys_lookup(l->host, l->service, false, false, &list);
        if (rc < 0)
                rein_promise_break(l->promise, rc, "%s, service %s: no such address", l->host, l->service);
        else if (rein_promise_keep(l->promise, list, free_list) < 0)
                rn_sys_addr_free(list);
        rein_promise_drop(l->promise);
        rn_free(l);
}

static int resolve(const char *host, const char *service, int64_t until, rn_sys_addr **list)
{
        int rc = rn_sys_lookup(host, service, false, true, list);
        if (rc != -EADDRNOTAVAIL)
                return rc;
        size_t h = strlen(host) + 1, s = strlen(service) + 1;
        lookup *l = rn_alloc(sizeof *l + h + s);
        rein_future *found = NULL;
        if (!l)
                return -ENOMEM;
        memcpy(l->host, host, h);
        l->service = memcpy(l->host + h, service, s);
        l->promise = rn_promise_new("rein_connect", &found);
        rc = l->promise ? rn_thread_start(look_up, l, "rein-lookup", 0) : -ENOMEM;
        if (rc < 0) {
                rein_promise_drop(l->promise);
                rn_free(l);
        } else {
                rc = rein_await(found, NULL, REIN_TIME(until));
        }
        void *value = NULL;
        void (*release)(void *);
        if (rc == 0 && rein_take(found, &value, &release) == 0)
                *list = value;
        else if (rc == REIN_EFAILED)
                rc = rein_code(found);
        else if (found)
                rein_cancel(found, "nobody waits for this address any more");
        rein_drop(found);
        return rc;
}

/* ---- the calls ---- */

int rein_listen(const char *host, const char *service, int backlog)
{
        RN_CALL();
        rn_sys_addr *list;
        if (!service)
                return rn_fail(-EINVAL, "rein_listen", "a service is needed: a port number or a name");
        int rc = rn_sys_lookup(host, service, true, false, &list);
        if (rc < 0)
                return rc;
        rc = -EADDRNOTAVAIL;
        for (rn_sys_addr *a = list; a && rc < 0; a = a->next)
                rc = rn_sys_listen(a, backlog);
        rn_sys_addr_free(list);
        return rc;
}

/* A listening socket of the user's may block, when another was faster after the poll: accepted in a region. */
static int accept_one(rn_fd_call *c, int64_t until)
{
        for (;;) {
                if (rn_canceled(c->task))
                        return REIN_ECANCELED;
                int rc = rn_fd_wait(c, RN_POLLIN, until);
                if (rc > 0)
                        rc = rn_fd_enter(c, true);
                if (rc < 0)
                        return rc;
                int got = rn_sys_accept(c->fd);
                rn_fd_leave(c);
                if (got != -EAGAIN && got != -EINTR && got != -ECONNABORTED) /* another was faster; hung up */
                        return got;
        }
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
        return rc;
}

static int connect_one(rn_task *self, const rn_sys_addr *a, int64_t until)
{
        rn_fd_call c;
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
        rn_sys_close(fd);
        return rc;
}

int rein_connect(const char *host, const char *service, rein_time until)
{
        RN_CALL();
        rn_task *self;
        rn_sys_addr *list = NULL;
        int rc = rn_io_enter(&self);
        if (!host || !service)
                return rn_fail(-EINVAL, "rein_connect", "a host and a service are needed");
        if (rc == 0)
                rc = resolve(host, service, until.ns, &list);
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
