/* SPDX-License-Identifier: Apache-2.0 */
/* Signals. While one is waited for it is blocked in the waiting thread. Several coroutines of one thread may wait for
 * the same: the last of them to leave puts the mask back to what the first found, so each is in a list of the process. */
#include <errno.h>

#include "core/world.h"
#include "io/fd.h"
#include "rein/io.h"

typedef struct listener {
        rn_link link; /* in world->signal_waiters; fd lock */
        uint32_t thread_id;
        int signo;
        bool was_blocked; /* before it, or before those it took over from */
} listener;

static void enlist(listener *me)
{
        rn_world *world = rn_world_now();
        rn_lock_take(&world->fd_lock);
        rn_list_push(&world->signal_waiters, &me->link);
        rn_lock_give(&world->fd_lock);
}

/* Is it for another one of this thread to put the mask back? */
static bool leave(listener *me)
{
        rn_world *world = rn_world_now();
        listener *heir = NULL;
        rn_lock_take(&world->fd_lock);
        RN_ASSERT(rn_linked(&me->link) && me->thread_id == rn_thread_id(),
                  "who waits for a signal leaves in its own thread");
        rn_list_remove(&me->link);
        RN_LIST_EACH(l, &world->signal_waiters) {
                listener *other = RN_ITEM(l, listener, link);
                if (other->thread_id == me->thread_id && other->signo == me->signo)
                        heir = other;
        }
        if (heir)
                heir->was_blocked = heir->was_blocked && me->was_blocked;
        rn_lock_give(&world->fd_lock);
        return heir != NULL;
}

int rein_wait_signal(int signo, rein_time until)
{
        RN_CALL();
        rn_task *self;
        listener me = {.thread_id = rn_thread_id(), .signo = signo};
        int rc = rn_io_enter(&self);
        if (rc < 0)
                return rc;
        int fd = rn_sys_signal_open(signo, &me.was_blocked);
        if (fd == -EINVAL)
                return rn_fail(
                        fd, "rein_wait_signal",
                        "signal %d: it must be from 1 to 64, and none of SIGKILL, SIGSTOP and the C library's own",
                        signo);
        if (fd < 0)
                return fd;
        enlist(&me);
        rn_fd_call c;
        rc = rn_fd_begin(&c, self, fd, "rein_wait_signal");
        if (rc == 0) {
                while ((rc = rn_fd_wait(&c, RN_POLLIN, until.ns)) > 0) {
                        rc = rn_sys_signal_take(fd); /* 0: another waiter took it */
                        if (rc != 0)
                                break;
                }
                rn_fd_end(&c);
        }
        rn_sys_signal_close(fd, signo, leave(&me) || me.was_blocked);
        return rc > 0 ? signo : rc;
}
