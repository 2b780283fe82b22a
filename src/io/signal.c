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

static void listener_enlist(listener *me)
{
        rn_world *world = rn_world_now();
        rn_lock_take(&world->fd_lock);
        rn_list_push(&world->signal_waiters, &me->link);
        rn_lock_give(&world->fd_lock);
}

/* Is it for another one of this thread to put the mask back? */
static bool listener_leave(listener *me)
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

enum { FIRST_PAUSE_NS = 1000000, LONGEST_PAUSE_NS = 50000000 };

/* For a descriptor there is none, or no memory, at this moment: a call that failed for it would make a spin of a loop that
 * passes over that, just when a signal may be what ends the want. So the signal is looked for after pauses, each twice as
 * long, and so is a descriptor. Returns: 1: the signal was taken; 0: there is one, in *fd; REIN_ETIMEOUT; REIN_ECANCELED;
 * -errno. */
static int listener_wait_without_fd(rn_task *self, int signo, int *fd, int64_t until)
{
        for (int64_t pause = FIRST_PAUSE_NS;; pause = pause < LONGEST_PAUSE_NS / 2 ? 2 * pause : LONGEST_PAUSE_NS) {
                int rc = rn_sys_signal_take(-1, signo);
                const int64_t now = rn_clock();
                if (rc != 0)
                        return rc;
                if (until <= now)
                        return REIN_ETIMEOUT;
                const int64_t at = until - now < pause ? until : now + pause;
                do
                        rc = rn_wait_turn(self, at);
                while (rc == 0);
                if (rc != REIN_ETIMEOUT)
                        return rc;
                *fd = rn_sys_signal_open(signo);
                if (!rn_io_is_shortage(*fd))
                        return *fd < 0 ? *fd : 0;
        }
}

static int listener_wait_with_fd(rn_task *self, int signo, int fd, int64_t until)
{
        rn_fd_call c;
        int rc = rn_fd_begin(&c, self, fd, "rein_wait_signal");
        if (rc < 0)
                return rc;
        while ((rc = rn_fd_wait(&c, RN_POLLIN, until)) > 0) {
                rc = rn_sys_signal_take(fd, signo); /* 0: another waiter took it */
                if (rc != 0)
                        break;
        }
        rn_fd_end(&c);
        return rc;
}

int rein_wait_signal(int signo, rein_time until)
{
        RN_CALL();
        rn_task *self;
        listener me = {.thread_id = rn_thread_id(), .signo = signo};
        int rc = rn_io_enter(&self);
        if (rc < 0)
                return rc;
        rc = rn_sys_signal_block(signo, &me.was_blocked);
        if (rc < 0)
                return rn_fail(
                        rc, "rein_wait_signal",
                        "signal %d: it must be from 1 to 64, and none of SIGKILL, SIGSTOP and the C library's own",
                        signo);
        listener_enlist(&me);
        const rn_doing was = rn_task_doing_for_ever(self, (rn_doing){"rein_wait_signal", NULL});
        int fd = rn_sys_signal_open(signo);
        rc = rn_io_is_shortage(fd) ? listener_wait_without_fd(self, signo, &fd, until.ns) : fd < 0 ? fd : 0;
        if (rc == 0)
                rc = listener_wait_with_fd(self, signo, fd, until.ns);
        if (fd >= 0)
                rn_sys_close_own(fd);
        rn_task_doing_for_ever(self, was);
        rn_sys_signal_unblock(signo, listener_leave(&me) || me.was_blocked);
        return rc > 0 ? signo : rc;
}
