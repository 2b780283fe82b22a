/* SPDX-License-Identifier: Apache-2.0 */
/* Whose stack was too small, and how deep they all went: only where the loop's options ask for it; and who lets an exception
 * out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/message.h"
#include "loop/loop.h"
#include "rein/loop.h"

/* ---- how deep each function goes ---- */

enum { MOST_DEPTHS = 128 };

/* Of a function; in the last one, of all that have no room. */
typedef struct depth {
        rein_fn fn;
        size_t deepest, stack;
        unsigned long runs;
        char who[RN_NAME_TEXT * 2]; /* the deepest of them */
} depth;

struct rn_depths {
        bool told, crowded; /* crowded: the last one is of several functions */
        size_t count;
        depth of[MOST_DEPTHS];
};

rn_depths *rn_loop_depths_new(void)
{
        return rn_alloc(sizeof(rn_depths));
}

static depth *depth_of(rn_depths *d, rein_fn fn)
{
        size_t i = 0;
        while (i < d->count && i < MOST_DEPTHS - 1 && d->of[i].fn != fn)
                i++;
        if (i == d->count)
                d->of[d->count++].fn = fn;
        d->crowded |= d->of[i].fn != fn;
        return &d->of[i];
}

void rn_loop_note_depth(rn_loop *l, const rein_work *w, const rn_stack *s)
{
        if (rn_load64(&w->started) == 0)
                return;
        const size_t deepest = rn_stack_deepest(s);
        RN_ASSERT(deepest <= s->size, "what was written to a stack is inside of it");
        depth *d = depth_of(l->depths, w->fn);
        d->runs++;
        if (deepest <= d->deepest)
                return;
        d->deepest = deepest;
        d->stack = s->size;
        if (w->name[0])
                snprintf(d->who, sizeof d->who, "'%s'", w->name);
        else
                snprintf(d->who, sizeof d->who, "of %s", rn_base_name(w->future.place));
}

static const depth *depth_next_deepest(const rn_depths *d, const depth *after)
{
        const depth *best = NULL;
        for (const depth *i = d->of; i < d->of + d->count; i++) {
                const bool later = !after || i->deepest < after->deepest || (i->deepest == after->deepest && i > after);
                if (later && (!best || i->deepest > best->deepest))
                        best = i;
        }
        return best;
}

void rn_loop_tell_depths(const rn_loop *l)
{
        if (!l->depths || l->depths->told)
                return;
        l->depths->told = true;
        rn_message m;
        rn_message_begin(&m, stderr);
        rn_message_add(&m, "rein: stacks in the loop '%s': bytes written at most, of how many, in how many runs\n",
                       l->base.name);
        for (const depth *i = NULL; (i = depth_next_deepest(l->depths, i));)
                rn_message_add(&m, "rein: %8zu of %zu, %lu runs: job %s%s\n", i->deepest, i->stack, i->runs, i->who,
                               i == &l->depths->of[MOST_DEPTHS - 1] && l->depths->crowded
                                       ? ", and more functions than are told apart"
                                       : "");
        rn_message_end(&m);
}

/* ---- overflow, exceptions ---- */

/* In a signal handler, on the thread that faulted: nothing here locks or allocates. */
static size_t overflow_explain(const void *address, char *text, size_t n)
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

/* On the thread and stack of the code that threw; the C++ runtime ends the program after it. */
static void throw_tell(void)
{
        const rn_fiber *f = rn_fiber_of(rn_self_if());
        char who[RN_NAME_TEXT * 2 + 32];
        if (!f || !f->work)
                return;
        rn_work_describe(f->work, who, sizeof who);
        rn_say("rein: an exception that nobody catches leaves %s: what a job throws, it must catch\n", who);
}

void rn_loop_watch_throws(void)
{
        rn_coro_on_throw(throw_tell);
}

int rein_loop_keep_exceptions(void *(*globals)(void))
{
        RN_CALL();
        const char *call = "rein_loop_keep_exceptions";
        const rn_task *self = rn_self_if();
        if (!globals)
                return rn_fail(-EINVAL, call, "no __cxa_get_globals: dlsym finds it in a C++ library");
        const int rc = rn_coro_keep_exceptions(self ? self->coro : NULL, globals);
        if (rc == 0)
                return 0;
        return rn_fail(rc, call, "%s",
                       rc == -EBUSY ? "an exception is being handled on this thread: call it outside of catch blocks"
                                    : "the exceptions of another C++ runtime are kept");
}

/* The signal that asks for frames has its handler on that stack too. */
int rn_loop_watch_faults(rn_loop *l)
{
        if (rn_virtual() || !(l->tell_overflow || (l->slow && l->slow_frames)))
                return 0;
        if (l->tell_overflow)
                rn_fault_watch(overflow_explain);
        int rc = rn_fault_stack(&l->fault_stack);
        return rc < 0 || !l->slow_frames ? rc : rn_frames_by_signal();
}

void rn_loop_unwatch_faults(rn_loop *l)
{
        rn_fault_stack_free(l->fault_stack);
        l->fault_stack = NULL;
}
