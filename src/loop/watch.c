/* SPDX-License-Identifier: Apache-2.0 */
/* Which job holds the loop up, told while it does: only where the loop's options ask for it. */
#include <stdio.h>
#include <string.h>

#include "core/message.h"
#include "loop/loop.h"

static const int64_t told_every = 1000000000;
enum { MOST_FRAMES = 16 };

static rn_loop *stall_of(rn_stall *s)
{
        return (rn_loop *)(void *)((char *)s - offsetof(rn_loop, stall));
}

/* Taken down by the thread that is about to tell; the lock is held. */
static bool stall_may_tell_locked(rn_stall *s, int64_t since, int64_t now)
{
        RN_ASSERT(rn_lock_held(&s->lock), "what was told is noted under its lock");
        if (s->this_one == since)
                return false;
        s->this_one = since;
        if (s->last && now - s->last < told_every) {
                s->untold++;
                return false;
        }
        s->last = now;
        return true;
}

static void stall_say(const char *who, const char *held, int64_t span, const char *more, unsigned untold,
                      const char *frames)
{
        char others[48] = "";
        if (untold)
                snprintf(others, sizeof others, "; %u more were not told", untold);
        rn_say("rein: %s %s %lld ms%s (rein_to_thread is for such stretches)%s\n%s", who, held,
               (long long)(span / 1000000), more, others, frames);
}

static int64_t stall_later(int64_t at, int64_t span)
{
        return span > RN_NEVER - at ? RN_NEVER : at + span;
}

static void stall_arm(rn_stall *s, int64_t at)
{
        uint32_t none = 0;
        if (!rn_cas32(&s->armed, &none, 1))
                return;
        rn_executor_ref(&stall_of(s)->base);
        rn_timer_arm(&s->timer, at, 0);
}

void rn_stall_begin(rn_loop *l, const rn_fiber *f)
{
        rn_stall *s = &l->stall;
        const int64_t now = rn_clock();
        RN_ASSERT(l->slow > 0 && !rn_get64(&s->since), "one stretch of a coroutine is timed at once");
        s->work = f->work;
        s->thread_id = rn_load32(&f->task.thread_id);
        s->stack_end = f->coro.stack.low + f->coro.stack.size;
        rn_told_release(&s->since);
        rn_store64(&s->since, now * 2);
        if (!rn_load32(&s->armed))
                stall_arm(s, stall_later(now, l->slow));
}

void rn_stall_end(rn_loop *l)
{
        rn_stall *s = &l->stall;
        const int64_t was = rn_swap64(&s->since, 0);
        RN_ASSERT(was > 1, "a stretch that ends has begun");
        for (unsigned round = 0; (was & 1) && rn_load32(&s->looking); round++)
                rn_pause(round);
        if (was & 1)
                rn_told_acquire(&s->looking);
        const int64_t now = rn_clock(), span = now - was / 2;
        if (span < l->slow)
                return;
        rn_lock_take(&s->lock);
        const bool tell = stall_may_tell_locked(s, was / 2, now);
        const unsigned untold = s->untold;
        s->untold = tell ? 0 : untold;
        rn_lock_give(&s->lock);
        if (!tell)
                return;
        char who[RN_NAME_TEXT * 2 + 32];
        rn_work_describe(s->work, who, sizeof who);
        stall_say(who, "held the loop up for", span, "", untold, "");
}

/* On the clock thread. */
static void stall_look(rn_timer *t, uint32_t tag)
{
        rn_stall *s = RN_ITEM(t, rn_stall, timer);
        rn_loop *l = stall_of(s);
        const int64_t now = rn_clock(), since = rn_load64(&s->since) / 2;
        (void)tag;
        RN_ASSERT(rn_get32(&s->armed), "a timer that fires was armed");
        if (since && now - since < l->slow) {
                rn_timer_arm(t, stall_later(since, l->slow), 0);
        } else if (since) {
                rn_executor_ref(&l->base);
                if (!rn_hand(&s->errand, 0))
                        rn_executor_unref(&l->base);
                rn_timer_arm(t, now + told_every, 0); /* whom it finds sooner may not be told */
        } else {                                      /* idle: who is resumed next arms it, unless it has been */
                rn_store32(&s->armed, 0);
                if (rn_load64(&s->since))
                        stall_arm(s, stall_later(now, l->slow));
                rn_executor_unref(&l->base);
        }
}

static int64_t stall_pin(rn_stall *s)
{
        int64_t since = rn_load64(&s->since);
        rn_store32(&s->looking, 1);
        if (since && rn_cas64(&s->since, &since, since | 1)) {
                rn_told_acquire(&s->since);
                return since / 2;
        }
        rn_store32(&s->looking, 0);
        return 0;
}

static void stall_unpin(rn_stall *s, int64_t since)
{
        int64_t pinned = since * 2 + 1;
        rn_told_release(&s->looking);
        rn_cas64(&s->since, &pinned, since * 2); /* else it has returned, and waits */
        rn_store32(&s->looking, 0);
}

/* On the hand thread. */
static void stall_tell(rn_errand *e, uint32_t tag)
{
        rn_stall *s = RN_ITEM(e, rn_stall, errand);
        rn_loop *l = stall_of(s);
        char who[RN_NAME_TEXT * 2 + 32], doing[RN_STUCK_TEXT], more[RN_STUCK_TEXT + 128];
        uintptr_t frames[MOST_FRAMES];
        (void)tag;
        const int64_t since = stall_pin(s), now = rn_clock();
        bool may = since && now - since >= l->slow;
        unsigned untold = 0;
        int n = 0;
        if (may) {
                rn_lock_take(&s->lock);
                may = stall_may_tell_locked(s, since, now);
                untold = s->untold;
                s->untold = may ? 0 : untold;
                rn_lock_give(&s->lock);
        }
        if (may) {
                RN_POINT(RN_ACCESS_READ, s->work); /* what follows reads it without one */
                rn_work_describe(s->work, who, sizeof who);
                rn_thread_doing(s->thread_id, doing, sizeof doing);
                n = rn_thread_frames(s->thread_id, s->stack_end, l->slow_frames, frames, MOST_FRAMES);
                snprintf(more, sizeof more, " so far, in %s; submitted at %.100s", doing[0] ? doing : "its own code",
                         rn_base_name(s->work->future.place));
        }
        if (since)
                stall_unpin(s, since);
        char text[MOST_FRAMES * 128] = "";
        size_t used = 0;
        for (int i = 0; i < n; i++) {
                char frame[112];
                rn_frame_text(frames[i], true, frame, sizeof frame);
                used += (size_t)snprintf(text + used, sizeof text - used, "        %s %s\n", i ? "from" : "at", frame);
        }
        if (may)
                stall_say(who, "holds the loop up, for", now - since, more, untold, text);
        rn_executor_unref(&l->base);
}

void rn_stall_init(rn_loop *l)
{
        l->stall.timer.fire = stall_look;
        l->stall.errand.run = stall_tell;
}

void rn_stall_freed(rn_loop *l)
{
        if (!l->slow || !rn_timer_disarm(&l->stall.timer))
                return;
        rn_store32(&l->stall.armed, 0);
        rn_executor_unref(&l->base);
}
