/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's coroutines: how they begin and end, park and wake, and wait for time and descriptors. A fiber runs one job
 * after the other on the same stack; when many are idle, some are given back. */
#include <errno.h>
#include <stdio.h>

#include "core/message.h"
#include "core/world.h"
#include "loop/loop.h"

enum { EMPTY = RN_FIBER_EMPTY, RUNG = RN_FIBER_RUNG, ASLEEP = RN_FIBER_ASLEEP };
enum { MOST_IDLE = 64, IDLE_BYTES = 4 << 20 };
enum { SPENT_COUNTS = 7 }; /* a whole stretch counts like so many more that end by a park */

static const rn_backend fiber_backend;

rn_fiber *rn_fiber_of(rn_task *t)
{
        return t && t->backend == &fiber_backend ? (rn_fiber *)(void *)t : NULL;
}

/* The same, of a task that is known to be one. */
static rn_fiber *fiber_of(rn_task *t)
{
        return (rn_fiber *)(void *)t;
}

static rn_link *loop_bucket(rn_loop *l, int fd)
{
        return &l->waiters[(unsigned)fd % RN_LOOP_BUCKETS];
}

/* ---- beginning and ending ---- */

/* Back to who resumed it. */
static void fiber_leave(rn_fiber *f)
{
        RN_ASSERT(f->loop->current == f && rn_self_word() == &f->task,
                  "only the coroutine that runs goes back to its loop");
        rn_coro_switch(&f->coro, f->loop->host, 0);
}

static void fiber_run(rein_work *w)
{
        if (rn_work_claim(w))
                rn_work_run_claimed(w);
        else
                rn_future_unref(&w->future); /* the run's: it was cancelled before it began */
}

static void fiber_run_measured(rn_fiber *f)
{
        rein_work *w = f->work;
        rn_future_ref(&w->future); /* it may end */
        rn_stack_paint(&f->coro.stack, true);
        fiber_run(w);
        rn_loop_note_depth(f->loop, w, &f->coro.stack);
        rn_future_unref(&w->future);
}

static void fiber_main(void *arg)
{
        rn_fiber *f = arg;
        rn_error_reserve reserve; /* its job's; no job runs inside another here */
        rn_error_reserve_init(&reserve);
        f->task.reserves = &reserve;
        f->task.reserve_count = 1;
        for (;;) {
                RN_ASSERT(f->work, "a coroutine that is resumed has a job");
                if (f->loop->depths)
                        fiber_run_measured(f);
                else
                        fiber_run(f->work);
                f->work = NULL;
                fiber_leave(f);
        }
}

/* In a forked child the loop's descriptors are still the parent's: to turn it here would take what is due there. */
static void loop_only_in_its_process(const rn_loop *l)
{
        if (rn_executor_ours(&l->base))
                return;
        rn_say("rein: a forked child came back into the loop '%s' of its parent: it must end by exec or _exit\n",
               l->base.name);
        rn_abort();
}

static rn_slab *fiber_slab(void)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->lock);
        if (!w->fibers.item_size)
                rn_slab_init(&w->fibers, sizeof(rn_fiber));
        rn_lock_give(&w->lock);
        return &w->fibers;
}

static rn_fiber *fiber_make(rn_loop *l, size_t stack)
{
        rn_fiber *f = rn_slab_take(fiber_slab());
        if (!f)
                return NULL;
        if (rn_choose(2, RN_CHOOSE_ALLOC) || rn_coro_make(&f->coro, stack, fiber_main, f) < 0) {
                rn_slab_give(fiber_slab(), f);
                return NULL;
        }
        rn_task_init(&f->task, &fiber_backend, NULL, 0); /* fiber_main has the reserve */
        rn_store32(&f->task.thread_id, rn_load32(&l->thread->thread_id));
        f->task.stocks = l->thread->stocks;
        f->task.coro = &f->coro;
        f->task.stack_base = f->coro.stack.low + f->coro.stack.size;
        f->task.stack_size = f->coro.stack.size;
        /* For rn_frames_take, which comes by the job's `runner`: that is stored later. */
        rn_tellptr(&f->task.stack_low, f->coro.stack.low);
        rn_tellptr(&f->task.stack_high, f->coro.stack.low + f->coro.stack.size);
        f->loop = l;
        f->work = NULL;
        f->larger = stack > l->stack_size;
        f->ready = (rn_link){0};
        f->awaited = NULL;
        f->timer = (rn_wheel_node){0};
        return f;
}

static void fiber_discard(rn_fiber *f)
{
        RN_ASSERT(!f->work && !rn_linked(&f->ready) && !f->awaited && !rn_wheel_in(&f->timer),
                  "a coroutine that is given back has no job and waits for nothing");
        f->task.coro = NULL;   /* it does not run in it */
        f->task.stocks = NULL; /* nor, if the loop is being freed, on its thread */
        void *word = rn_self_word();
        rn_self_word_switch(&f->task);
        rn_task_end(&f->task);
        rn_self_word_switch(word);
        rn_coro_free(&f->coro);
        rn_slab_give(fiber_slab(), f);
}

void rn_fiber_resume(rn_loop *l, rn_fiber *f)
{
        rein_work *w = f->work;
        RN_ASSERT(!l->current && rn_loop_owned(l), "a loop runs one coroutine at a time, in its own thread");
        RN_ASSERT(f->loop == l && w && !rn_linked(&f->ready),
                  "a coroutine that is resumed is not queued to be resumed again");
        l->current = f;
        if (l->slow) {
                rn_future_ref(&w->future); /* it may end */
                rn_stall_begin(l, f);
        }
        l->stretches++;
        f->task.stretch_left = RN_STRETCH;
        rn_self_word_switch(&f->task);
        rn_coro_switch(l->host, &f->coro, 0);
        loop_only_in_its_process(l);
        rn_self_word_switch(l->thread);
        l->current = NULL;
        if (l->slow) {
                rn_stall_end(l);
                rn_future_unref(&w->future);
        }
        if (f->work)
                return;
        RN_ASSERT(!rn_linked(&f->ready) && !f->awaited && !rn_wheel_in(&f->timer),
                  "a coroutine whose job has ended waits for nothing");
        if (!f->larger && l->idle_count < l->most_idle) {
                rn_list_push_front(&l->idle, &f->ready);
                l->idle_count++;
        } else {
                fiber_discard(f);
        }
        if (rn_sub32(&l->busy, 1) != 0 || !rn_load32(&l->closing))
                return;
        rn_lock_take(&l->base.lock);
        rn_executor_changed_locked(&l->base); /* its coroutines have left, a moment after their jobs were gone */
        rn_lock_give(&l->base.lock);
}

bool rn_fiber_run(rn_loop *l, rein_work *w)
{
        RN_ASSERT(w->executor == &l->base, "a loop runs its own jobs");
        const bool larger = w->stack_size > l->stack_size;
        rn_link *idle = larger ? NULL : rn_list_pop(&l->idle);
        rn_fiber *f = idle ? RN_ITEM(idle, rn_fiber, ready) : fiber_make(l, larger ? w->stack_size : l->stack_size);
        if (!f)
                return false;
        l->idle_count -= idle != NULL;
        RN_ASSERT(!f->work, "a coroutine has one job at a time");
        /* Only the loop's thread writes `busy`. A stop reads it (left) when the job has left the executor's list: the lock of
         * that orders this before it. */
        rn_tell32(&l->busy, rn_peek32(&l->busy) + 1);
        f->work = w;
        rn_fiber_resume(l, f);
        return true;
}

/* Their stacks keep all the memory they ever had: those of the large sizes are fewer. */
size_t rn_fibers_most_idle(size_t stack_size)
{
        const size_t most = IDLE_BYTES / stack_size;
        return most > MOST_IDLE ? MOST_IDLE : most;
}

void rn_fibers_free_idle(rn_loop *l)
{
        for (rn_link *i; (i = rn_list_pop(&l->idle));) {
                l->idle_count--;
                fiber_discard(RN_ITEM(i, rn_fiber, ready));
        }
}

/* ---- the door ---- */

/* The loop itself wakes it. */
static void fiber_wake_here(rn_loop *l, rn_fiber *f)
{
        uint32_t was = ASLEEP;
        RN_ASSERT(f->loop == l && f != l->current, "a loop wakes its own coroutines, between their stretches");
        if (rn_cas32(&f->task.door.word, &was, RUNG))
                rn_list_push(&l->ready, &f->ready);
}

static void fiber_park(rn_task *self, int64_t until)
{
        rn_fiber *f = fiber_of(self);
        rn_loop *l = f->loop;
        uint32_t was = EMPTY;
        RN_ASSERT(l->current == f, "a coroutine parks while it runs");
        RN_ASSERT(!rn_wheel_in(&f->timer), "a coroutine has no timer from an earlier wait");
        if (!rn_choose(2, RN_CHOOSE_SPURIOUS) && rn_cas32(&self->door.word, &was, ASLEEP)) {
                if (until != RN_NEVER)
                        rn_wheel_push(&l->timers, &f->timer, until);
                fiber_leave(f);
                if (rn_wheel_in(&f->timer))
                        rn_wheel_remove(&l->timers, &f->timer);
        }
        rn_swap32(&self->door.word, EMPTY);
        rn_told_acquire(&self->door.word);
}

/* What it waits for may come at once: the loop does not sleep before it has seen whether it does. */
static void fiber_expects(rn_task *self, bool warm)
{
        rn_loop *l = fiber_of(self)->loop;
        l->expects = true;
        l->expects_soon |= warm;
}

/* Its door stays as it is: an unpark meanwhile leaves it rung, and queues nothing. */
static void fiber_yield(rn_task *self, bool spent)
{
        rn_fiber *f = fiber_of(self);
        f->loop->stretches += spent ? SPENT_COUNTS : 0;
        RN_ASSERT(!rn_linked(&f->ready), "a coroutine that runs is not among those to run");
        rn_list_push(&f->loop->ready, &f->ready);
        fiber_leave(f);
}

static bool fiber_unpark(rn_task *t)
{
        rn_fiber *f = fiber_of(t);
        uint32_t was = rn_load32(&t->door.word);
        rn_told_release(&t->door.word);
        while (!rn_cas32(&t->door.word, &was, RUNG))
                ;
        if (was != ASLEEP)
                return false;
        rn_loop *l = f->loop; /* it is alive as long as f waits to be resumed */
        rn_add32(&l->posters, 1);
        void *first = rn_loadptr(&l->mail);
        do
                rn_storeptr(&f->next, first);
        while (!rn_casptr(&l->mail, &first, f));
        const bool rang = rn_loop_ring(l);
        rn_sub32(&l->posters, 1);
        return rang;
}

void rn_fibers_collect(rn_loop *l)
{
        if (!rn_loadptr(&l->mail))
                return;
        rn_fiber *newest = rn_swapptr(&l->mail, NULL);
        rn_link mail;
        rn_list_init(&mail);
        for (rn_fiber *f = newest; f; f = rn_loadptr(&f->next)) {
                RN_ASSERT(f->loop == l && !rn_linked(&f->ready), "a coroutine is in the mail of its own loop, once");
                rn_list_push_front(&mail, &f->ready); /* the first posted is the first to run */
        }
        rn_list_move(&l->ready, &mail);
}

/* ---- time ---- */

void rn_fibers_fire(rn_loop *l, int64_t now)
{
        for (rn_wheel_node *n; (n = rn_wheel_pop(&l->timers, now));)
                fiber_wake_here(l, RN_ITEM(n, rn_fiber, timer));
}

/* ---- descriptors ----
 *
 * What a coroutine waits for is a list on its own stack. Each item of it is also in the list of its number, with those of
 * other coroutines, from awaited_begin to awaited_end: until it got something, which only the loop tells it, or until the coroutine
 * runs again. The poller watches each number for what all in that list want together, for one report; whatever an end of a
 * wait leaves in the list is watched anew. An item that got something is in no list; the first one wakes the coroutine, and
 * until that runs, others of the same wait may get something too. */

static void awaited_begin(rn_loop *l, rn_awaited *a)
{
        RN_ASSERT(a->polled.fd >= 0 && a->polled.events > 0, "a coroutine waits for something of a descriptor");
        rn_list_push(loop_bucket(l, a->polled.fd), &a->by_fd);
        l->waiting++;
}

static void awaited_end(rn_loop *l, rn_awaited *a)
{
        RN_ASSERT(l->waiting > 0, "a coroutine whose wait for a descriptor ends is counted");
        rn_list_remove(&a->by_fd);
        l->waiting--;
}

static rn_awaited *awaited_of(rn_link *by_fd)
{
        return RN_ITEM(by_fd, rn_awaited, by_fd);
}

/* What those who wait for fd want together. */
static int loop_wanted(rn_loop *l, int fd)
{
        int events = 0;
        RN_LIST_EACH(i, loop_bucket(l, fd)) {
                const rn_polled *p = &awaited_of(i)->polled;
                events |= p->fd == fd ? p->events : 0;
        }
        return events;
}

static int loop_rewatch(rn_loop *l, int fd)
{
        int events = loop_wanted(l, fd);
        if (events)
                return rn_poller_watch(l->poller, fd, events);
        rn_poller_unwatch(l->poller, fd);
        return 0;
}

/* What the poller does not watch has something all the same, or nobody would ever be told. */
static int awaited_got_unwatched(const rn_awaited *a, int rc)
{
        return rc == -EPERM   ? a->polled.events /* a regular file is always ready */
               : rc == -EBADF ? RN_POLLNVAL
                              : rc;
}

static void awaited_tell(rn_loop *l, rn_awaited *a, int got)
{
        a->polled.got = got;
        awaited_end(l, a);
        fiber_wake_here(l, fiber_of(a->task));
}

/* For the coroutines that still wait for fd. When it cannot be watched any more they are told why. */
static void loop_rewatch_for_others(rn_loop *l, int fd)
{
        const int rc = loop_rewatch(l, fd);
        rn_link *next, *all = loop_bucket(l, fd);
        for (rn_link *i = all->next; rc < 0 && i != all; i = next) {
                rn_awaited *a = awaited_of(i);
                next = i->next;
                if (a->polled.fd == fd)
                        awaited_tell(l, a, awaited_got_unwatched(a, rc));
        }
}

void rn_fibers_told(rn_loop *l, int fd, int events)
{
        bool left = false;
        RN_ASSERT(rn_loop_owned(l), "what the poller tells is told in the thread of its loop");
        rn_link *next, *all = loop_bucket(l, fd);
        for (rn_link *i = all->next; i != all; i = next) {
                rn_awaited *a = awaited_of(i);
                next = i->next;
                if (a->polled.fd != fd)
                        continue;
                const int got = events & (a->polled.events | RN_POLLERR | RN_POLLHUP | RN_POLLNVAL);
                if (got)
                        awaited_tell(l, a, got);
                else
                        left = true;
        }
        if (left)
                loop_rewatch_for_others(l, fd);
}

/* The wait of the running coroutine is over, or could not begin. */
static void fiber_end_waits(rn_loop *l, rn_fiber *f)
{
        for (rn_awaited *a = f->awaited; a; a = rn_awaited_next(a))
                if (rn_linked(&a->by_fd))
                        awaited_end(l, a);
        for (rn_awaited *a = f->awaited; a; a = rn_awaited_next(a))
                if (a->task && !a->polled.got)
                        loop_rewatch_for_others(l, a->polled.fd);
        f->awaited = NULL;
}

/* Returns: 0: all of them are watched; -errno: why `*unwatched` is not. */
static int fiber_begin_waits(rn_loop *l, rn_fiber *f, rn_awaited *all, rn_awaited **unwatched)
{
        for (rn_awaited *a = all; a; a = rn_awaited_next(a)) {
                a->polled.got = 0;
                a->task = NULL; /* it has not begun */
        }
        f->awaited = all;
        for (rn_awaited *a = all; a; a = rn_awaited_next(a)) {
                a->task = &f->task;
                awaited_begin(l, a);
                const int rc = loop_rewatch(l, a->polled.fd);
                *unwatched = a;
                if (rc < 0)
                        return rc;
        }
        return 0;
}

/* What cannot be watched is ready, or is none. What the others have by now is told with it. */
static int fiber_poll_unwatched(rn_awaited *all, rn_awaited *a, int why)
{
        if (why != -EPERM && why != -EBADF)
                return why;
        const int n = rn_sys_poll(&all->polled, -1, INT64_MIN);
        if (n != 0)
                return n;
        a->polled.got = awaited_got_unwatched(a, why); /* as it is not asked in the same way, or is another's by now */
        return 1;
}

static int fiber_poll_fds(rn_task *self, rn_awaited *all, int64_t until)
{
        rn_fiber *f = fiber_of(self);
        rn_loop *l = f->loop;
        rn_awaited *unwatched = NULL;
        const int why = fiber_begin_waits(l, f, all, &unwatched);
        if (why == 0)
                fiber_park(self, until);
        fiber_end_waits(l, f);
        if (why < 0)
                return fiber_poll_unwatched(all, unwatched, why);
        int n = 0, rc = 0;
        for (rn_awaited *a = all; a; a = rn_awaited_next(a)) {
                n += a->polled.got > 0;
                rc = a->polled.got < 0 ? a->polled.got : rc;
                a->polled.got = a->polled.got > 0 ? a->polled.got : 0;
        }
        return n > 0 ? n : rc;
}

static void fiber_close(rn_task *self)
{
        (void)self; /* it has no descriptor of its own */
}

/* The registration goes with the file, not with the number: one that is still open under another number would go on to
 * tell of this one. */
static void fiber_forget(rn_task *t, int fd)
{
        rn_poller_forget(fiber_of(t)->loop->poller, fd);
}

static const rn_backend fiber_backend = {
        .park = fiber_park,
        .unpark = fiber_unpark,
        .poll = fiber_poll_fds,
        .close = fiber_close,
        .yield = fiber_yield,
        .expects = fiber_expects,
        .forget = fiber_forget,
        .offload = rn_fiber_offload,
};
