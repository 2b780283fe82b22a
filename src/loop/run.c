/* SPDX-License-Identifier: Apache-2.0 */
/* A whole program in a loop (rein_run), and threads for what blocks (rein_to_thread). */
#include <errno.h>
#include <stdio.h>

#include "core/opts.h"
#include "core/receipt.h"
#include "core/share.h"
#include "core/stop.h"
#include "loop/loop.h"
#include "rein/rein.h"

/* ---- the whole program ---- */

/* ^C cancels main; a second one finds the signal as it was before. */
static int watch_interrupt(void *arg)
{
        int rc = rein_wait_signal(rn_interrupt_signal(), REIN_NEVER);
        if (rc > 0)
                rein_cancel(arg, "interrupted");
        return rc == REIN_ECANCELED || rc > 0 ? 0 : rc;
}

/* In the scope of the caller, as rein_on: a cancel of rein_run's caller is one of main. */
static rein_future *run_start_main(const char *place, rein_executor *x, rein_fn fn, void *arg)
{
        rn_task *self = rn_self_if();
        rein_future *failed = NULL;
        rein_work *w = rn_executor_job(self, place, "rein_run", x, fn, arg, REIN_JOB(.name = "main"), self->now->scope,
                                       &failed);
        if (!w)
                return failed;
        rn_future_hold(&w->future);
        if (self->now->unopened)
                rn_executor_refuse(w, REIN_ECANCELED, "no memory to open a scope around it");
        else
                rn_share_or_accept(self, x, w);
        return &w->future;
}

/* The same in a simulation, without a coroutine that would be one more in each of its schedules. The record in the list has
 * a reference to its job. Whoever takes the record out of the list gives that back: rein_run may return, and the record be
 * gone, before the cancel is over. */
static void run_interrupt(rein_future *job)
{
        rn_load32(&job->refs); /* the thread sanitizer does not see the order of a simulation's threads */
        rn_told_acquire(&job->refs);
        rn_future_cancel(job, "interrupted", "rein_run"); /* which may have dropped it by now */
        rn_future_unref(job);
}

static void run_interruptible_in(const rn_machine *sim, rn_interruptible *me)
{
        rn_future_ref(me->job);
        rn_told_release(&me->job->refs);
        me->cancel = run_interrupt;
        me->next = *sim->interruptible;
        *sim->interruptible = me;
}

static void run_interruptible_out(const rn_machine *sim, const rn_interruptible *me)
{
        rn_interruptible **at = sim->interruptible;
        while (*at && *at != me)
                at = &(*at)->next;
        if (!*at)
                return;
        *at = me->next;
        rn_future_unref(me->job);
}

static void run_turn_until_gone(rn_loop *l, rein_future *f)
{
        while (!rein_gone(f))
                rn_loop_turn(l, RN_NEVER);
}

int rein_run_at(const char *place, rein_fn fn, void *arg, const rein_loop_opts *given)
{
        RN_CALL();
        rein_loop_opts o = {.size = sizeof o};
        const char *what = NULL;
        int rc = given ? rn_opts_take(&o, sizeof o, given, given->size, &what) : 0;
        if (rc < 0 || !fn)
                return rein_fail_at(place, rc < 0 ? rc : -EINVAL, "%s", rc < 0 ? what : "rein_run needs a function");
        if (rn_fiber_of(rn_self_if()))
                return rein_fail_at(place, -EPERM, "rein_run inside of a loop: its coroutines would stand still");
        o.hosted = true;
        if (!o.name)
                o.name = "main";
        rein_executor *x = rein_loop_new_at(place, &o);
        if (!x)
                return rein_wrap_at(place, rein_error_code(rein_trail()), "rein_run has no loop");
        rn_loop *l = rn_loop_of(x);
        rn_executor_ref(x);
        rein_future *main = run_start_main(place, x, fn, arg), *watcher = NULL;
        if (rn_interrupt_signal())
                watcher = rein_submit_at(place, x, watch_interrupt, main,
                                         REIN_JOB(.name = "interrupt", .background = true));
        const rn_machine *sim = rn_virtual();
        rn_interruptible me = {.job = main};
        if (sim)
                run_interruptible_in(sim, &me);
        run_turn_until_gone(l, main);
        if (sim)
                run_interruptible_out(sim, &me);
        if (watcher) {
                rein_cancel(watcher, "the program has ended");
                run_turn_until_gone(l, watcher);
                rn_future_seen(watcher);
                rein_drop(watcher);
        }
        rn_stop_and_let_go(x, "when its program had ended", "has ended, and this did not leave");
        rn_executor_unref(x);
        return rn_future_answer(main, rn_self_if());
}

/* ---- threads for what blocks ---- */

static rein_executor *loop_offload(rn_loop *l)
{
        if (!l->offload) {
                char name[RN_NAME_TEXT];
                snprintf(name, sizeof name, "%.30s offload", l->base.name);
                l->offload = rein_pool_new_at(l->base.place,
                                              REIN_POOL(.name = name, .elastic = true, .grace_ns = l->base.grace));
                RN_ASSERT(!l->offload_is_mine, "a loop makes one pool of its own");
                l->offload_is_mine = l->offload != NULL;
        }
        return l->offload;
}

int rein_to_thread_at(const char *place, rein_fn fn, void *arg, const rein_job *job)
{
        RN_CALL();
        rn_fiber *f = rn_fiber_of(rn_self_if());
        rein_executor *x = f ? loop_offload(f->loop) : NULL;
        if (x)
                return rein_on_at(place, x, fn, arg, job);
        rn_job_release(job, arg); /* it will never run */
        if (!f)
                return rein_fail_at(place, -EPERM, "rein_to_thread is for coroutines of a loop: here, just call it");
        return rein_wrap_at(place, rein_error_code(rein_trail()), "the loop's pool for blocking calls");
}

int rn_fiber_offload(rn_task *self, const char *name, int (*fn)(void *), void *arg)
{
        (void)self;
        return rein_to_thread_at(name, fn, arg, REIN_JOB(.name = name));
}
