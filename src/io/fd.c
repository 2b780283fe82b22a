/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors. Who waits is in a list of the process, so that rein_close can wake it: a number alone would be waited for
 * for ever, or be somebody else's by the time it is looked at.
 *
 * A descriptor the user opened may block, and its flags are not ours to change. A socket is asked with MSG_DONTWAIT. On
 * anything else, between the poll that says "readable" and the read another reader may be faster: the call is made
 * inside a hook region with the poke, so that a cancel gets it out all the same. */
#include "io/fd.h"

#include <errno.h>
#include <limits.h>

#include "core/hook.h"
#include "core/world.h"
#include "rein/io.h"

/* ---- who waits for which ---- */

typedef struct fd_waiter {
        rn_link link;
        rn_task *task;
        int fd;
        bool closed;
} fd_waiter;

int rn_io_enter(rn_task **self)
{
        *self = rn_self();
        if (!*self)
                return -ENOMEM;
        return rn_canceled(*self) ? REIN_ECANCELED : 0;
}

int rn_fd_wait(rn_task *self, int fd, int events, int64_t until, const char *doing)
{
        fd_waiter me = {.task = self, .fd = fd};
        rn_world *world = rn_world_now();
        rn_lock_take(&world->fd_lock);
        rn_list_push(&world->fd_waiters, &me.link);
        rn_lock_give(&world->fd_lock);
        rn_doing was = rn_task_doing(self, (rn_doing){doing, NULL});
        int rc = 0;
        bool closed = false;
        while (rc == 0 && !closed) {
                int64_t at = rn_cancel_at(self), now = rn_clock();
                if (at != RN_NEVER && at <= now)
                        rc = REIN_ECANCELED;
                else
                        rc = self->backend->poll(self, fd, events, at < until ? at : until);
                if (rc == 0 && until != RN_NEVER && until <= rn_clock())
                        rc = REIN_ETIMEOUT;
                rn_lock_take(&world->fd_lock);
                closed = me.closed;
                rn_lock_give(&world->fd_lock);
        }
        rn_task_doing(self, was);
        rn_lock_take(&world->fd_lock);
        rn_list_remove(&me.link);
        rn_lock_give(&world->fd_lock);
        if (closed || (rc > 0 && (rc & RN_POLLNVAL)))
                return -EBADF;
        return rc;
}

int rein_wait_fd(int fd, int poll_events, rein_time until)
{
        RN_CALL();
        rn_task *self;
        int rc = rn_io_enter(&self);
        if (rc < 0)
                return rc;
        if (fd < 0 || poll_events <= 0 || poll_events > SHRT_MAX)
                return fd < 0 ? -EBADF : rn_fail(-EINVAL, "rein_wait_fd", "events are those of poll(2)");
        return rn_fd_wait(self, fd, poll_events, until.ns, "rein_wait_fd");
}

int rein_close(int fd)
{
        RN_CALL();
        if (fd < 0)
                return -EBADF;
        rn_world *world = rn_world_now();
        rn_lock_take(&world->fd_lock);
        RN_LIST_EACH(l, &world->fd_waiters) {
                fd_waiter *w = RN_ITEM(l, fd_waiter, link);
                if (w->fd == fd) {
                        w->closed = true;
                        rn_unpark(w->task);
                }
        }
        rn_lock_give(&world->fd_lock);
        return rn_sys_close(fd);
}

/* ---- reading and writing ---- */

typedef struct transfer {
        rn_task *self;
        int fd;
        int64_t until;
        bool writes, socket, stream;
        const char *doing;
} transfer;

static transfer transfer_of(rn_task *self, int fd, int64_t until, bool writes)
{
        bool socket = rn_sys_is_socket(fd);
        return (transfer){
                self, fd, until, writes, socket, socket || rn_sys_is_stream(fd), writes ? "rein_write" : "rein_read"};
}

/* The system call, which may block although the poll said no. 0 and *done; or why no region could be opened for it. */
static int call(const transfer *t, void *to, const void *from, size_t n, int64_t *done)
{
        rn_hook *h = NULL;
        if (!t->socket) {
                int rc = rn_hook_begin(t->self, t->doing, NULL, NULL, &h);
                if (rc < 0)
                        return rc;
        }
        *done = t->writes ? rn_sys_write(t->fd, from, n, t->socket) : rn_sys_read(t->fd, to, n, t->socket);
        if (h && rn_hook_finish(t->self, h) && *done == -EINTR)
                *done = REIN_ECANCELED;
        return 0;
}

/* Some bytes: wait, try, and again if somebody else was faster or a signal came. */
static int64_t move(const transfer *t, void *to, const void *from, size_t n)
{
        for (;;) {
                int64_t done = 0;
                int rc = 0;
                if (t->stream)
                        rc = rn_fd_wait(t->self, t->fd, t->writes ? RN_POLLOUT : RN_POLLIN, t->until, t->doing);
                if (rc >= 0)
                        rc = call(t, to, from, n, &done);
                if (rc < 0)
                        return rc;
                if (done != -EAGAIN && done != -EINTR)
                        return done;
                if (rn_canceled(t->self))
                        return REIN_ECANCELED;
                if (t->until != RN_NEVER && t->until <= rn_clock())
                        return REIN_ETIMEOUT;
        }
}

int64_t rein_read(int fd, void *buf, size_t n, rein_time until)
{
        RN_CALL();
        rn_task *self;
        int rc = rn_io_enter(&self);
        if (rc < 0)
                return rc;
        if (n == 0)
                return 0;
        transfer t = transfer_of(self, fd, until.ns, false);
        return move(&t, buf, NULL, n);
}

int64_t rein_write(int fd, const void *buf, size_t n, rein_time until)
{
        RN_CALL();
        rn_task *self;
        int rc = rn_io_enter(&self);
        if (rc < 0)
                return rc;
        transfer t = transfer_of(self, fd, until.ns, true);
        const char *at = buf;
        for (size_t left = n; left;) {
                size_t piece = t.stream && !t.socket && left > RN_PIPE_ATOMIC ? RN_PIPE_ATOMIC : left;
                int64_t done = move(&t, NULL, at, piece);
                if (done < 0)
                        return done;
                at += done;
                left -= (size_t)done;
        }
        return (int64_t)n;
}
