/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds the loop up, and whose stack was too small: both only where the loop's options ask for it. */
#include <stdio.h>
#include <string.h>

#include "loop/loop.h"

static const int64_t told_every = 1000000000;

void rn_loop_held_up(rn_loop *l, const rein_work *w, int64_t span)
{
        const int64_t now = rn_clock();
        if (l->slow_told && now - l->slow_told < told_every) {
                l->slow_untold++;
                return;
        }
        char who[RN_NAME_TEXT * 2 + 32], more[48] = "";
        rn_work_describe(w, who, sizeof who);
        if (l->slow_untold)
                snprintf(more, sizeof more, "; %u more were not told", l->slow_untold);
        fprintf(stderr, "rein: %s held the loop up for %lld ms (rein_to_thread is for such stretches)%s\n", who,
                (long long)(span / 1000000), more);
        l->slow_told = now;
        l->slow_untold = 0;
}

/* In a signal handler, on the thread that faulted: nothing here locks or allocates. */
static size_t explain(const void *address, char *text, size_t n)
{
        const rn_fiber *f = rn_fiber_of(rn_self_if());
        if (!f || !f->work)
                return 0;
        const char *at = address, *low = f->coro.stack.low;
        if (at >= low || at < low - RN_GUARD)
                return 0;
        const char *parts[] = {"rein: stack overflow in ",
                               f->work->name[0] ? "coroutine '" : "a coroutine of ",
                               f->work->name[0] ? f->work->name : f->work->future.place,
                               f->work->name[0] ? "' of the loop '" : " of the loop '",
                               f->loop->base.name,
                               "': give it a larger .stack_size\n"};
        size_t used = 0;
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
                size_t len = strlen(parts[i]), room = n - used;
                len = len < room ? len : room;
                memcpy(text + used, parts[i], len);
                used += len;
        }
        return used;
}

/* On the thread and stack of who threw; the C++ runtime ends the program after it. */
static void tell_of_throw(void)
{
        const rn_fiber *f = rn_fiber_of(rn_self_if());
        char who[RN_NAME_TEXT * 2 + 32];
        if (!f || !f->work)
                return;
        rn_work_describe(f->work, who, sizeof who);
        fprintf(stderr, "rein: an exception that nobody catches leaves %s: what a job throws, it must catch\n", who);
}

void rn_loop_watch_throws(void)
{
        rn_coro_on_throw(tell_of_throw);
}

int rn_loop_watch_faults(rn_loop *l)
{
        if (!l->tell_overflow || rn_virtual())
                return 0;
        rn_fault_watch(explain);
        return rn_fault_stack(&l->fault_stack);
}

void rn_loop_unwatch_faults(rn_loop *l)
{
        rn_fault_stack_free(l->fault_stack);
        l->fault_stack = NULL;
}
