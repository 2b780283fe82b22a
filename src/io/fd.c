/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors. Whoever is in a call with one is in a list of the process, one for some of the numbers, so that rein_close
 * can get it out: a number alone would be waited for for ever, or be somebody else's by the time it is looked at.
 *
 * When rein_close finds a call inside a system call, that one closes the number on its way out (fd.h has the states). The
 * other way, to let rein_close wait until nobody is inside, would make it block on a disk or a terminal, and hang in a
 * stop hook that closes what its own job reads. What it costs: the number may be free a moment after rein_close returns,
 * and what close(2) itself has to say is then lost.
 *
 * A descriptor the user opened may block, and its flags are not ours to change. A socket is asked with MSG_DONTWAIT. On
 * anything else, between the poll that says "readable" and the read another reader may be faster: the call is made
 * inside a hook region with the poke, so that a cancel, or a rein_close, gets it out all the same.
 *
 * A socket is asked first and waited for when it has said EAGAIN: what is there, or has room, costs one system call. Each
 * wait then arms the descriptor anew (docs/decisions/0011 has why). Two exceptions. A read in a coroutine waits first,
 * unless the task's last read of that number filled its buffer: most requests come after the answer to the last one. An
 * accept waits first, since one that finds nobody costs more than arming. What kind of file
 * it is, is asked of the system only for those that have said ENOTSOCK.
 *
 * A coroutine must not block its thread at all. It makes calls that answer -EAGAIN instead; where there is no such call
 * (a regular file that is not in memory, a terminal), the whole of it is made by a thread of the loop's.
 *
 * The lists are under world->fd_lock. `state` goes NUDGED, CLOSED and CONDEMNED under it only; the call itself goes in and
 * out without. A hook is looked at under the lock, which its call takes before it closes the region. */
#include "io/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "core/hook.h"
#include "core/world.h"
#include "core/wrong.h"
#include "rein/io.h"

enum {
        IDLE = RN_FD_IDLE,
        INSIDE = RN_FD_INSIDE,
        NUDGED = RN_FD_NUDGED,
        CONDEMNED = RN_FD_CONDEMNED,
        CLOSED = RN_FD_CLOSED
};

/* ---- who is in a call with which ---- */

int rn_io_enter(rn_task **self)
{
        *self = rn_self();
        if (!*self)
                return -ENOMEM;
        rn_stretch_spend(*self, RN_SPENDS_CALL);
        return rn_canceled(*self) ? REIN_ECANCELED : 0;
}

int rn_bytes_check(const char *call, size_t n)
{
        return n <= INT64_MAX ? 0
                              : rn_fail(-EINVAL, call, "%zu bytes: from 0 to %" PRId64 " can be moved", n, INT64_MAX);
}

bool rn_io_is_shortage(int code)
{
        return code == -EMFILE || code == -ENFILE || code == -ENOBUFS || code == -ENOMEM || code == -EAGAIN;
}

static rn_fd_call *fd_call_of(rn_link *l)
{
        return RN_ITEM(l, rn_fd_call, link);
}

static rn_link *fd_calls_at(rn_world *world, int fd)
{
        return &world->fd_calls[(unsigned)fd % RN_FD_BUCKETS];
}

#if RN_CHECKING

/* The hook of one that was got out stays until it has taken the lock. */
static const char *fd_call_wrong(const rn_fd_call *c, int fd, bool *idle_before)
{
        const uint32_t state = rn_get32(&c->state);
        if (state > CLOSED)
                return "a call with a descriptor is in no state that it has";
        if (!c->task || !c->doing || (unsigned)c->fd % RN_FD_BUCKETS != (unsigned)fd % RN_FD_BUCKETS)
                return "a call is in the list of other descriptors, or nobody's";
        if (state == CONDEMNED && *idle_before)
                return "a call that keeps its number open is not in front of the others";
        if ((state == CONDEMNED || state == NUDGED) && c->hook && c->hook->task != c->task)
                return "a call is to be got out of a region of another task";
        *idle_before |= state != CONDEMNED;
        return NULL;
}

const char *rn_fd_calls_wrong(const rn_world *w, int fd)
{
        const rn_link *list = &w->fd_calls[(unsigned)fd % RN_FD_BUCKETS];
        bool idle_before = false;
        size_t n, seen = 0;
        const char *what = rn_list_wrong(list, &n);
        if (what)
                return what;
        RN_LIST_EACH(l, list) {
                what = fd_call_wrong(RN_ITEM(l, rn_fd_call, link), fd, &idle_before);
                if (what || ++seen > RN_LIST_ASKED)
                        return what;
        }
        return NULL;
}

static const char *fd_calls_wrong(const rn_world *w)
{
        size_t open = 0;
        for (int i = 0; w->fd_calls_open && i < RN_FD_BUCKETS; i++) {
                if (rn_list_empty(&w->fd_calls[i]))
                        continue;
                const char *what = rn_fd_calls_wrong(w, i);
                if (what)
                        return what;
                RN_LIST_EACH(l, &w->fd_calls[i])
                        open++;
        }
        return open == w->fd_calls_open ? NULL : "the calls with descriptors are not as many as are counted";
}

static const char *fds_ask(const rn_world *w, char *where, size_t n)
{
        snprintf(where, n, "the list of calls");
        return rn_lock_held(&w->fd_lock) ? NULL : fd_calls_wrong(w);
}

__attribute__((constructor)) static void fds_ask_also(void)
{
        static rn_asker asker = {.world = fds_ask};
        rn_ask_also(&asker);
}

#endif

static rn_world *fd_lock_calls(int fd)
{
        rn_world *world = rn_world_now();
        rn_lock_take(&world->fd_lock);
        RN_SOUND(rn_fd_calls_wrong(world, fd));
        (void)fd;
        return world;
}

static void fd_unlock_calls(rn_world *world, int fd)
{
        RN_SOUND(rn_fd_calls_wrong(world, fd));
        (void)fd;
        rn_lock_give(&world->fd_lock);
}

static void fd_list_locked(rn_world *world, rn_fd_call *c)
{
#if RN_CHECKING
        world->fd_calls_open++;
#endif
        rn_list_push(fd_calls_at(world, c->fd), &c->link);
}

static void fd_unlist_locked(rn_world *world, rn_fd_call *c)
{
        RN_ASSERT(rn_linked(&c->link), "a call that ends has begun");
#if RN_CHECKING
        world->fd_calls_open--;
#else
        (void)world;
#endif
        rn_list_remove(&c->link);
}

static bool fd_condemned_locked(rn_world *world, int fd)
{
        RN_ASSERT(rn_lock_held(&world->fd_lock), "calls with descriptors are looked at under their lock");
        RN_LIST_EACH(l, fd_calls_at(world, fd)) {
                if (rn_load32(&fd_call_of(l)->state) != CONDEMNED)
                        break;
                if (fd_call_of(l)->fd == fd)
                        return true;
        }
        return false;
}

int rn_fd_begin(rn_fd_call *c, rn_task *self, int fd, const char *doing)
{
        *c = (rn_fd_call){.task = self, .fd = fd, .doing = doing};
        RN_ASSERT(self == rn_self_if() && doing, "a call with a descriptor is the running task's, and has a name");
        if (fd < 0) /* poll(2) would pass it over, and wait for ever */
                return -EBADF;
        rn_world *world = fd_lock_calls(fd);
        bool late = fd_condemned_locked(world, fd);
        if (!late)
                fd_list_locked(world, c);
        fd_unlock_calls(world, fd);
        return late ? -EBADF : 0;
}

void rn_fd_end(rn_fd_call *c)
{
        RN_ASSERT(rn_get32(&c->state) == IDLE || rn_get32(&c->state) == CLOSED,
                  "a call that ends is in no system call");
        rn_world *world = fd_lock_calls(c->fd);
        fd_unlist_locked(world, c);
        fd_unlock_calls(world, c->fd);
}

bool rn_fd_shut(const rn_fd_call *c)
{
        return rn_load32(&c->state) == CLOSED;
}

int rn_fd_turn(rn_fd_call *c, int events, int64_t until)
{
        rn_task *self = c->task;
        RN_ASSERT(!c->hook && (rn_get32(&c->state) == IDLE || rn_get32(&c->state) == CLOSED),
                  "a call waits for its descriptor before or after its system call");
        int64_t at = rn_cancel_at(self);
        if (rn_fd_shut(c))
                return -EBADF;
        if (at != RN_NEVER && at <= rn_clock())
                return REIN_ECANCELED;
        const int64_t limit = at < until ? at : until;
        int rc = rn_poll_one(self, c->fd, events, limit);
        if (rc == 0 && limit != RN_NEVER && limit <= rn_clock() && !rn_fd_shut(c))
                rc = rn_sys_poll_one(c->fd, events, -1, INT64_MIN); /* the time came first: what is there wins */
        if (rn_fd_shut(c) || (rc > 0 && (rc & RN_POLLNVAL)))
                return -EBADF;
        return rc == 0 && until != RN_NEVER && until <= rn_clock() ? REIN_ETIMEOUT : rc;
}

int rn_fd_wait(rn_fd_call *c, int events, int64_t until)
{
        rn_doing was = rn_task_doing_for_ever(c->task, (rn_doing){c->doing, NULL});
        int rc;
        while ((rc = rn_fd_turn(c, events, until)) == 0)
                ;
        rn_task_doing_for_ever(c->task, was);
        return rc;
}

int rn_fd_enter(rn_fd_call *c, bool blocks)
{
        rn_hook *h = NULL;
        int rc = blocks ? rn_hook_begin(c->task, c->doing, NULL, NULL, &h) : 0;
        if (rc < 0)
                return rc;
        uint32_t idle = IDLE;
        RN_ASSERT(!c->hook, "a call makes one system call at a time");
        c->hook = h;
        if (rn_cas32(&c->state, &idle, INSIDE))
                return 0;
        if (h)
                rn_hook_finish(c->task, h);
        c->hook = NULL;
        return -EBADF;
}

/* Nobody is inside with it any more, but who came after rein_close had looked. */
static int fd_close_now(int fd)
{
        rn_hook *struck = NULL;
        const int rc = rn_sys_close(fd);
        rn_world *world = fd_lock_calls(fd);
        RN_LIST_EACH(l, fd_calls_at(world, fd)) {
                rn_fd_call *c = fd_call_of(l);
                uint32_t inside = INSIDE;
                if (c->fd != fd)
                        continue;
                if (!rn_cas32(&c->state, &inside, NUDGED))
                        rn_unpark(c->task);
                else if (c->hook)
                        rn_hook_strike(c->hook, &struck);
        }
        fd_unlock_calls(world, fd);
        rn_hooks_hit(struck);
        return rc;
}

void rn_fd_leave(rn_fd_call *c)
{
        uint32_t inside = INSIDE;
        bool last = false;
        rn_told_release(&c->state);
        if (!rn_cas32(&c->state, &inside, IDLE)) {
                rn_world *world = fd_lock_calls(c->fd);
                RN_ASSERT(rn_get32(&c->state) == CONDEMNED || rn_get32(&c->state) == NUDGED,
                          "a call that leaves a system call was inside");
                const bool condemned = rn_load32(&c->state) == CONDEMNED;
                rn_list_remove(&c->link);
                rn_list_push(fd_calls_at(world, c->fd), &c->link);
                rn_store32(&c->state, condemned ? CLOSED : IDLE);
                last = condemned && !fd_condemned_locked(world, c->fd);
                fd_unlock_calls(world, c->fd);
        }
        if (c->hook)
                rn_hook_finish(c->task, c->hook);
        c->hook = NULL;
        if (last)
                fd_close_now(c->fd);
}

/* What c was when it became CLOSED or CONDEMNED, or had long been; NUDGED is INSIDE. */
static uint32_t fd_shut_locked(rn_fd_call *c)
{
        uint32_t was = IDLE;
        while (was == IDLE || was == INSIDE || was == NUDGED)
                if (rn_cas32(&c->state, &was, was == IDLE ? CLOSED : CONDEMNED))
                        break;
        rn_told_acquire(&c->state); /* the call has used the descriptor before this closes it */
        return was == NUDGED ? INSIDE : was;
}

int rein_close(int fd)
{
        RN_CALL();
        if (fd < 0)
                return -EBADF;
        rn_hook *struck = NULL;
        rn_world *world = fd_lock_calls(fd);
        bool late = fd_condemned_locked(world, fd), held = false;
        rn_link *next;
        rn_link *all = fd_calls_at(world, fd);
        for (rn_link *l = all->next; !late && l != all; l = next) {
                rn_fd_call *c = fd_call_of(l);
                next = l->next;
                if (c->fd != fd)
                        continue;
                switch (fd_shut_locked(c)) {
                case IDLE:
                        if (c->task->backend->forget)
                                c->task->backend->forget(c->task, fd);
                        rn_unpark(c->task);
                        break;
                case INSIDE:
                        held = true;
                        rn_list_remove(l);
                        rn_list_push_front(all, l);
                        if (c->hook)
                                rn_hook_strike(c->hook, &struck);
                        break;
                default:
                        break;
                }
        }
        fd_unlock_calls(world, fd);
        rn_hooks_hit(struck);
        if (late)
                return -EBADF;
        return held ? 0 : fd_close_now(fd);
}

void rein_release_fd(void *fd)
{
        const int *at = fd;
        if (at && *at >= 0)
                (void)rein_close(*at);
}

int rein_wait_fd(int fd, int poll_events, rein_time until)
{
        RN_CALL();
        rn_task *self;
        int rc = rn_io_enter(&self);
        if (rc < 0)
                return rc;
        if (fd < 0 || poll_events <= 0 || poll_events > SHRT_MAX)
                return fd < 0 ? -EBADF
                              : rn_fail(-EINVAL, "rein_wait_fd", "events must be those of poll(2): from 1 to %d",
                                        SHRT_MAX);
        rn_fd_call c;
        rc = rn_fd_begin(&c, self, fd, "rein_wait_fd");
        if (rc < 0)
                return rc;
        rc = rn_fd_wait(&c, poll_events, until.ns);
        rn_fd_end(&c);
        return rc;
}

/* ---- reading and writing ---- */

typedef struct transfer {
        rn_fd_call call;
        int64_t until;
        bool writes, socket, stream; /* a socket until it says that it is none */
        bool must_not_block;
        bool later; /* a read: not likely to find something */
} transfer;

static int transfer_begin(transfer *t, int fd, size_t n, int64_t until, bool writes)
{
        rn_task *self;
        const char *call = writes ? "rein_write" : "rein_read";
        int rc = rn_io_enter(&self);
        if (rc == 0)
                rc = rn_bytes_check(call, n);
        if (rc < 0)
                return rc;
        rc = rn_fd_begin(&t->call, self, fd, call);
        if (rc < 0)
                return rc;
        t->until = until;
        t->writes = writes;
        t->socket = t->stream = true;
        t->must_not_block = self->backend->offload != NULL;
        t->later = !writes && t->must_not_block && self->filled != (uint32_t)fd + 1;
        return 0;
}

/* -ENOTSOCK: that is known only now. */
static int64_t transfer_once(transfer *t, void *to, const void *from, size_t n)
{
        const int fd = t->call.fd;
        int64_t done;
        if (t->writes && t->stream && !t->socket && n > RN_PIPE_ATOMIC)
                n = RN_PIPE_ATOMIC;
        if (t->must_not_block && !t->socket)
                done = t->writes ? rn_sys_write_now(fd, from, n) : rn_sys_read_now(fd, to, n);
        else
                done = t->writes ? rn_sys_write(fd, from, n, t->socket) : rn_sys_read(fd, to, n, t->socket);
        if (done == -ENOTSOCK && t->socket) {
                t->socket = false;
                t->stream = rn_sys_is_stream(fd);
        }
        return done;
}

/* Some bytes: a socket is asked, and waited for when it has none; what is no socket may block, and is waited for first.
 * Again if somebody else was faster or a signal came. -ENOTSUP: only a thread can. */
static int64_t transfer_move(transfer *t, void *to, const void *from, size_t n)
{
        const int events = t->writes ? RN_POLLOUT : RN_POLLIN;
        bool wait = t->socket ? t->later : t->stream, waited = false;
        for (;;) {
                int rc = wait ? rn_fd_wait(&t->call, events, t->until) : 0;
                waited |= wait;
                rn_stretch_spend(t->call.task, RN_SPENDS_SYSTEM_CALL);
                if (rc >= 0)
                        rc = rn_fd_enter(&t->call, !t->socket && !t->must_not_block);
                if (rc < 0)
                        return rc;
                const bool guessed = t->socket;
                int64_t done = transfer_once(t, to, from, n);
                rn_fd_leave(&t->call);
                RN_ASSERT(done <= (int64_t)n, "a transfer moves no more than it was asked to");
                if (done == -ENOTSOCK && guessed) {
                        wait = t->stream && !waited;
                        continue;
                }
                if (done == -EAGAIN && t->must_not_block && !t->stream)
                        return -ENOTSUP;
                if (done != -EAGAIN && done != -EINTR)
                        return done;
                if (rn_canceled(t->call.task))
                        return REIN_ECANCELED;
                if ((waited || !t->stream) && t->until != RN_NEVER && t->until <= rn_clock())
                        return REIN_ETIMEOUT;
                wait = t->socket ? done == -EAGAIN : t->stream;
        }
}

/* The same call, made by a thread. */
typedef struct transfer_args {
        int fd;
        void *to;
        const void *from;
        size_t n;
        rein_time until;
        int64_t done;
} transfer_args;

static int transfer_call(void *arg)
{
        transfer_args *e = arg;
        e->done = e->from ? rein_write(e->fd, e->from, e->n, e->until) : rein_read(e->fd, e->to, e->n, e->until);
        return 0;
}

static int64_t transfer_by_a_thread(const transfer *t, void *to, const void *from, size_t n)
{
        transfer_args e = {t->call.fd, to, from, n, REIN_TIME(t->until), 0};
        rn_task *self = t->call.task;
        int rc = self->backend->offload(self, t->call.doing, transfer_call, &e);
        return rc < 0 ? rc : e.done;
}

int64_t rein_read(int fd, void *buf, size_t n, rein_time until)
{
        RN_CALL();
        transfer t;
        int rc = transfer_begin(&t, fd, n, until.ns, false);
        if (rc < 0)
                return rc;
        int64_t done = n ? transfer_move(&t, buf, NULL, n) : 0;
        t.call.task->filled = done == (int64_t)n ? (uint32_t)fd + 1 : 0;
        rn_fd_end(&t.call);
        return done == -ENOTSUP && t.must_not_block ? transfer_by_a_thread(&t, buf, NULL, n) : done;
}

int64_t rein_write(int fd, const void *buf, size_t n, rein_time until)
{
        RN_CALL();
        transfer t;
        int rc = transfer_begin(&t, fd, n, until.ns, true);
        if (rc < 0)
                return rc;
        const char *at = buf;
        int64_t done = 0;
        size_t left = n;
        while (left && done >= 0) {
                done = left < n && rn_canceled(t.call.task) ? REIN_ECANCELED : transfer_move(&t, NULL, at, left);
                if (done >= 0) {
                        at += done;
                        left -= (size_t)done;
                }
        }
        rn_fd_end(&t.call);
        if (done == -ENOTSUP && t.must_not_block)
                done = transfer_by_a_thread(&t, NULL, at, left);
        return done < 0 ? done : (int64_t)n;
}
