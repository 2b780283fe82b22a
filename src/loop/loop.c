/* SPDX-License-Identifier: Apache-2.0 */
/* The loop as an executor, and its turns. */
#include "loop/loop.h"

#include <errno.h>
#include <stdio.h>

#include "core/message.h"
#include "core/opts.h"
#include "core/ranges.h"
#include "core/world.h"
#include "rein/rein.h"

enum {
        READY_AT_ONCE = 64,  /* descriptors taken from the poller at a time */
        START_AT_ONCE = 256, /* jobs begun in a turn, at most */
        TAKE_AT_ONCE = 32,   /* jobs taken from the inbox under one lock */
        LOOK_EVERY = 64,     /* stretches of coroutines between two looks at the descriptors */
        STACK = 64 * 1024
};

static const rn_executor_kind loop_kind;

rn_loop *rn_loop_of(rein_executor *x)
{
        return x && x->kind == &loop_kind ? (rn_loop *)(void *)x : NULL;
}

static rn_loop *loop_of(rein_executor *x)
{
        return (rn_loop *)(void *)x;
}

/* ---- whose it is ---- */

/* The thread may have ended since, and its record be another's. */
static bool loop_turned_by(const rn_loop *l, rn_task *t)
{
        return t && t == l->thread && rn_slab_generation(&t->in_slab) == l->thread_generation;
}

bool rn_loop_mine(const rn_loop *l)
{
        return loop_turned_by(l, rn_self_if());
}

bool rn_loop_here(const rn_loop *l)
{
        rn_task *self = rn_self_if();
        const rn_fiber *f = rn_fiber_of(self);
        return f ? f->loop == l : loop_turned_by(l, self);
}

/* A simulated thread is a coroutine itself, and known to its machine as such. */
static void loop_hosted_here(rn_loop *l)
{
        const rn_machine *m = rn_virtual();
        if (!m)
                rn_coro_of_thread(&l->thread_coro);
        l->host = m ? m->coro() : &l->thread_coro;
}

static void loop_turned_by_now(rn_loop *l, rn_task *t)
{
        RN_ASSERT(!l->current && rn_list_empty(&l->ready), "a loop changes its thread while nobody is to run");
        l->thread = t;
        l->thread_generation = rn_slab_generation(&t->in_slab);
}

/* ---- posting ---- */

bool rn_loop_ring(rn_loop *l)
{
        if (!rn_load32(&l->asleep) || !rn_swap32(&l->asleep, 0))
                return false;
        rn_add32(&l->rings, 1);
        rn_poller_ring(l->poller);
        return true;
}

static void loop_lock(rn_loop *l)
{
        rn_lock_take(&l->base.lock);
        RN_SOUND(l->base.unfinished <= RN_LIST_ASKED ? rn_loop_wrong(&l->base) : NULL);
}

static void loop_unlock(rn_loop *l)
{
        RN_SOUND(l->base.unfinished <= RN_LIST_ASKED ? rn_loop_wrong(&l->base) : NULL);
        rn_lock_give(&l->base.lock);
}

static void loop_main(void *arg);

/* The loop with a thread of its own starts it with the first job. */
static int loop_start_thread(rn_loop *l)
{
        rn_task *t = rn_task_new();
        if (!t)
                return -ENOMEM;
        loop_turned_by_now(l, t);
        rn_executor_ref(&l->base);
        RN_ASSERT(rn_lock_held(&l->base.lock) && !l->running && !l->hosted, "a loop has one thread, or a host");
        int rc = rn_thread_start(loop_main, l, l->base.name, 0);
        if (rc < 0) {
                rn_task_free(t);
                rn_executor_unref(&l->base);
        }
        return rc;
}

/* Into the inbox of a loop that has somebody who turns it. Lock held. */
static bool loop_put(rein_executor *x, const rn_task *self, rein_work *w, rn_task **wake)
{
        (void)self; /* a loop keeps the order of all */
        (void)wake;
        rn_loop *l = loop_of(x);
        RN_ASSERT(rn_lock_held(&x->lock), "a job comes into an inbox under the executor's lock");
        RN_ASSERT(!rn_linked(&w->by_age) && w->executor == x, "a job is in the inbox of its own loop, once");
        if (!l->hosted && !l->running)
                return false;
        rn_list_push(&l->inbox, &w->by_age);
        rn_add32(&l->jobs, 1);
        rn_loop_ring(l);
        return true;
}

/* The same, starting its thread if need be. 0; REIN_EREJECTED: it was finished meanwhile; or why there is no thread. */
static int loop_enter(rn_loop *l, rein_work *w)
{
        rein_executor *x = &l->base;
        loop_lock(l);
        int rc = rn_load32(&w->state) == RN_WORK_QUEUED ? 0 : REIN_EREJECTED;
        bool start = rc == 0 && !l->hosted && !l->running;
        if (start)
                rc = loop_start_thread(l);
        l->running |= start && rc == 0;
        if (rc == 0)
                loop_put(x, NULL, w, NULL);
        loop_unlock(l);
        return rc;
}

static int loop_take(rein_executor *x, rein_work *w, const char **what)
{
        *what = "has no thread, and none could be started";
        return loop_enter(loop_of(x), w);
}

static void loop_post(rein_executor *x, rein_work *w)
{
        int rc = loop_enter(loop_of(x), w);
        if (rc == REIN_EREJECTED)
                rn_future_unref(&w->future); /* a stop gave it to the hand meanwhile */
        else if (rc < 0)
                rn_executor_rescue(x, w);
}

static void loop_dequeue(rein_executor *x, rein_work *w)
{
        loop_lock(loop_of(x));
        bool here = rn_linked(&w->by_age);
        if (here) {
                rn_list_remove(&w->by_age);
                rn_sub32(&loop_of(x)->jobs, 1);
                rn_loop_ring(loop_of(x)); /* it may have been the last that kept the loop from its end */
        }
        loop_unlock(loop_of(x));
        if (here)
                rn_future_unref(&w->future);
}

static void loop_stopping(rein_executor *x, rein_stop how)
{
        (void)how;
        loop_lock(loop_of(x));
        if (x->state != RN_OPEN) /* else it was restarted meanwhile */
                rn_store32(&loop_of(x)->closing, 1);
        rn_loop_ring(loop_of(x));
        loop_unlock(loop_of(x));
}

/* Something that a stop or rein_run waits for. What happens in the loop's own thread, it looks at by itself. */
static void loop_changed(rein_executor *x)
{
        rn_loop *l = loop_of(x);
        if (rn_loop_here(l))
                return;
        rn_store32(&l->news, 1);
        rn_loop_ring(l);
}

/* ---- turning ---- */

static void loop_start_job(rn_loop *l, rein_work *w)
{
        RN_ASSERT(l->to_start > 0 && rn_get32(&l->jobs) >= l->to_start, "a job that begins was taken from the inbox");
        RN_ASSERT(!rn_linked(&w->by_age), "a job that begins is in the inbox no more");
        l->to_start--;
        rn_sub32(&l->jobs, 1);
        if (rn_fiber_run(l, w))
                return;
        if (w->posted) {
                rn_executor_rescue(&l->base, w);
                return;
        }
        if (rn_work_forbid(w))
                rn_work_never(w, -ENOMEM, "there is no memory for the stack of another coroutine");
        rn_future_unref(&w->future); /* the run's */
}

static uint32_t loop_take_jobs(rn_loop *l, rein_work *batch[], uint32_t most)
{
        uint32_t n = 0;
        loop_lock(l);
        for (rn_link *first; n < most && (first = rn_list_pop(&l->inbox)); n++)
                batch[n] = RN_ITEM(first, rein_work, by_age);
        l->to_start += n;
        loop_unlock(l);
        return n;
}

/* What has come in so far, in its order. Each runs at once, so that those which do not wait need one stack between
 * them. One that is cancelled between being taken and being started is not in the inbox, and is given up here. */
static bool loop_start_jobs(rn_loop *l)
{
        rein_work *batch[TAKE_AT_ONCE];
        const uint32_t come = rn_load32(&l->jobs), most = come < START_AT_ONCE ? come : START_AT_ONCE;
        uint32_t started = 0;
        for (uint32_t n = 1; started < most && n; started += n) {
                n = loop_take_jobs(l, batch, most - started < TAKE_AT_ONCE ? most - started : TAKE_AT_ONCE);
                for (uint32_t i = 0; i < n; i++)
                        loop_start_job(l, batch[i]);
        }
        return started > 0;
}

void rn_loop_look(rn_loop *l, int64_t until)
{
        rn_ready found[READY_AT_ONCE];
        RN_ASSERT(rn_loop_owned(l) && !l->current,
                  "a loop looks at its descriptors in its thread, between two coroutines");
        int n = rn_poller_wait(l->poller, found, READY_AT_ONCE, until);
        l->sure = RN_LOOP_AWAKE; /* it runs, though those that post may still ring */
        l->stretches = 0;
        if (n == -EBADF || n == -EINVAL) { /* to go on would be to spin */
                rn_say("rein: the descriptors of the loop '%s' were closed under it\n", l->base.name);
                rn_abort();
        }
        RN_ASSERT(n <= READY_AT_ONCE, "a poller tells of no more than there is room for");
        for (int i = 0; i < n; i++)
                rn_fibers_told(l, found[i].fd, found[i].events);
}

bool rn_loop_has_mail(const rn_loop *l)
{
        return rn_loadptr((rn_aptr *)&l->mail) || rn_load32((rn_a32 *)&l->jobs);
}

/* In a simulation time may have come to the next timer, by what others were busy with so long. */
static int64_t loop_time_now(rn_loop *l)
{
        const rn_machine *m = rn_virtual();
        return m ? m->clock_at(rn_wheel_next(&l->timers)) : rn_clock();
}

/* Everybody who is ready now runs once; what they make ready runs in the next turn, so that nobody starves timers and
 * descriptors. */
bool rn_loop_run_ready(rn_loop *l)
{
        rn_fibers_collect(l);
        bool any = loop_start_jobs(l);
        if (l->timers.count)
                rn_fibers_fire(l, loop_time_now(l));
        rn_link now;
        rn_list_init(&now);
        rn_list_move(&now, &l->ready);
        for (rn_link *i; (i = rn_list_pop(&now)); any = true)
                rn_fiber_resume(l, RN_ITEM(i, rn_fiber, ready));
        return any;
}

static bool loop_mail_is_there(const void *l)
{
        return rn_loop_has_mail(l);
}

/* Is it what a coroutine waits for from elsewhere, and comes at once? */
static bool loop_comes_soon(rn_loop *l)
{
        if (!l->expects)
                return false;
        const bool warm = l->expects_soon;
        l->expects = l->expects_soon = false;
        return rn_spin_until(&l->spin, warm, loop_mail_is_there, l);
}

static bool loop_done(const rn_loop *l)
{
        return rn_load32((rn_a32 *)&l->busy) == 0 && rn_load32((rn_a32 *)&l->jobs) == 0;
}

void rn_loop_wakes(rn_loop *l)
{
        l->sure = RN_LOOP_AWAKE;
        rn_swap32(&l->asleep, 0);
}

static void loop_turn(rn_loop *l, int64_t until)
{
        if (rn_loop_run_ready(l)) {
                if (l->stretches >= LOOK_EVERY)
                        rn_loop_look(l, 0);
                return;
        }
        if (until == RN_NEVER && loop_comes_soon(l))
                return;
        int64_t timer = rn_wheel_next(&l->timers);
        l->sleeps++;
        rn_swap32(&l->asleep, 1);
        bool stay =
                rn_loop_has_mail(l) || rn_swap32(&l->news, 0) || (!l->hosted && rn_load32(&l->closing) && loop_done(l));
        l->sure = stay ? RN_LOOP_AWAKE : RN_LOOP_SLEEPS;
        rn_loop_look(l, stay ? 0 : timer < until ? timer : until);
        rn_loop_wakes(l);
}

void rn_loop_turn(rn_loop *l, int64_t until)
{
        RN_ASSERT(rn_loop_owned(l) && !l->current, "a loop is turned by its thread, and not by one of its coroutines");
        l->sure = RN_LOOP_AWAKE;
        RN_SOUND(rn_fibers_wrong(l));
        loop_turn(l, until);
        RN_SOUND(rn_fibers_wrong(l));
}

/* ---- its own thread ---- */

static bool loop_may_end(rn_loop *l)
{
        rein_executor *x = &l->base;
        loop_lock(l);
        bool ends = x->state != RN_OPEN && loop_done(l);
        loop_unlock(l);
        return ends;
}

/* true: this thread is no longer the loop's; one that comes in now starts another. */
static bool loop_leave(rn_loop *l)
{
        rein_executor *x = &l->base;
        loop_lock(l);
        bool ends = x->state != RN_OPEN && loop_done(l);
        if (ends) {
                RN_ASSERT(rn_list_empty(&l->inbox) && rn_list_empty(&l->ready) && !l->timers.count && !l->idle_count,
                          "a thread leaves a loop in which there is nothing left to do, and no stack of its own");
                l->running = false;
                rn_executor_changed_locked(x);
        }
        loop_unlock(l);
        return ends;
}

static void loop_main(void *arg)
{
        rn_loop *l = arg;
        rn_task_adopt_surely(l->thread);
        loop_hosted_here(l);
        rn_loop_watch_faults(l); /* without memory or a signal they are not told */
        void *fault_stack = l->fault_stack;
        do {
                while (!loop_may_end(l))
                        rn_loop_turn(l, RN_NEVER);
                rn_fibers_free_idle(l);
        } while (!loop_leave(l));
        rn_fault_stack_free(fault_stack);
        rn_executor_unref(&l->base);
}

/* A stop called by its own coroutines waits for the others. */
static bool loop_left(rein_executor *x)
{
        rn_loop *l = loop_of(x);
        const uint32_t busy = rn_load32(&l->busy);
        if (x->in_stop)
                return busy <= x->in_stop;
        return !l->running && busy == 0;
}

/* ---- the executor ---- */

static int loop_restart(rein_executor *x)
{
        if (loop_of(x)->running)
                return -EBUSY;
        rn_store32(&loop_of(x)->closing, 0);
        return 0;
}

static size_t loop_threads(rein_executor *x)
{
        loop_lock(loop_of(x));
        size_t n = loop_of(x)->running;
        loop_unlock(loop_of(x));
        return n;
}

static void loop_destroy(rein_executor *x)
{
        rn_loop *l = loop_of(x);
        for (unsigned round = 0; rn_load32(&l->posters); round++)
                rn_pause(round);
        RN_ASSERT(!rn_get32(&l->jobs) && !rn_get32(&l->busy) && !l->running && rn_list_empty(&l->inbox),
                  "a loop that goes has no job, no coroutine and no thread");
        RN_ASSERT(!rn_get32(&l->stall.armed), "a loop that goes has no timer");
        rn_fibers_free_idle(l);
        rn_loop_tell_depths(l); /* it was freed by one of its own jobs */
        rn_poller_free(l->poller);
        rn_free(l->depths);
        rn_retire(l);
}

/* A stop that is waited for by the thread that turns the loop must turn it. */
static bool loop_help(rein_executor *x, int64_t until)
{
        rn_loop *l = loop_of(x);
        if (!l->hosted || !rn_loop_mine(l))
                return false;
        rn_loop_turn(l, until);
        rn_loop_rest(l);
        return true;
}

static bool loop_may_free(rein_executor *x)
{
        rn_loop *l = loop_of(x);
        return !l->hosted || rn_loop_here(l) || rn_slab_generation(&l->thread->in_slab) != l->thread_generation;
}

static void loop_freed(rein_executor *x)
{
        rn_loop *l = loop_of(x);
        rn_stall_freed(l);
        if (l->offload_is_mine)
                rein_executor_free(l->offload);
        l->offload_is_mine = false;
        l->offload = NULL;
        if (l->hosted && rn_loop_here(l))
                rn_loop_unwatch_faults(l);
        if (rn_load32(&l->busy) == 0)
                rn_loop_tell_depths(l);
}

static const rn_executor_kind loop_kind = {
        .put = loop_put,
        .accept = loop_take,
        .post = loop_post,
        .dequeue = loop_dequeue,
        .stopping = loop_stopping,
        .left = loop_left,
        .restart = loop_restart,
        .threads = loop_threads,
        .destroy = loop_destroy,
        .help = loop_help,
        .changed = loop_changed,
        .may_free = loop_may_free,
        .freed = loop_freed,
        .wrong = rn_loop_wrong,
};

static void loop_undo(rn_loop *l)
{
        rn_executor_undo(&l->base);
        rn_poller_free(l->poller);
        rn_free(l->depths);
        rn_free(l);
}

static rn_loop *loop_make(const char *place, const rein_loop_opts *o, const char **what, int *rc)
{
        rn_loop *l = rn_alloc(sizeof *l);
        *what = "no memory, no descriptor, or rein's clock thread could not be started";
        *rc = l ? rn_poller_new(o->portable, &l->poller) : -ENOMEM;
        if (*rc == 0)
                *rc = rn_executor_init(&l->base, &loop_kind, place, o->name, "loop",
                                       o->grace_ns ? o->grace_ns : INT64_C(2000000000));
        if (*rc < 0) {
                if (l)
                        rn_poller_free(l->poller);
                rn_free(l);
                return NULL;
        }
        if (o->tell_stacks && !(l->depths = rn_loop_depths_new())) {
                loop_undo(l);
                *rc = -ENOMEM;
                return NULL;
        }
        l->stack_size = o->stack_size ? o->stack_size : STACK;
        l->most_idle = rn_fibers_most_idle(l->stack_size);
        l->slow = o->slow_ns;
        l->slow_frames = o->slow_frames;
        rn_stall_init(l);
        l->tell_overflow = o->tell_overflow;
        l->offload = o->offload;
        rn_list_init(&l->inbox);
        rn_list_init(&l->ready);
        rn_list_init(&l->idle);
        for (size_t i = 0; i < RN_LOOP_BUCKETS; i++)
                rn_list_init(&l->waiters[i]);
        rn_wheel_init(&l->timers);
        rn_loop_watch_throws();
        return l;
}

int rn_loop_host(rn_loop *l, const char **what)
{
        rn_task *self = rn_self();
        *what = "inside a coroutine: a loop that turned there would hold up the one around it";
        if (rn_fiber_of(self))
                return -EPERM;
        *what = "no memory";
        if (!self)
                return -ENOMEM;
        l->hosted = true;
        loop_turned_by_now(l, self);
        loop_hosted_here(l);
        rn_store32(&l->asleep, 1); /* whoever is first rings */
        l->sure = RN_LOOP_RESTS;
        return rn_loop_watch_faults(l);
}

static int loop_check(const rein_loop_opts *o, const char **what)
{
        if (o->grace_ns < 0 || o->slow_ns < 0)
                *what = "grace_ns and slow_ns must be " RN_SPAN_RANGE "; 0 is the default";
        else if (rn_stack_out_of_range(o->stack_size))
                *what = "stack_size must be " RN_STACK_RANGE "; 0 is the default, 64 KiB";
        else
                return 0;
        return -EINVAL;
}

rein_executor *rein_loop_new_at(const char *place, const rein_loop_opts *given)
{
        RN_CALL();
        rein_loop_opts o = {.size = sizeof o};
        const char *what = NULL;
        int rc = given ? rn_opts_take(&o, sizeof o, given, given->size, &what) : 0;
        if (rc == 0)
                rc = loop_check(&o, &what);
        rn_loop *l = rc == 0 ? loop_make(place, &o, &what, &rc) : NULL;
        if (l && o.hosted && (rc = rn_loop_host(l, &what)) < 0) {
                loop_undo(l);
                l = NULL;
        }
        if (!l) {
                rn_fail(rc, "rein_loop_new", "%s", what);
                return NULL;
        }
        rn_executor_publish(&l->base);
        return &l->base;
}
