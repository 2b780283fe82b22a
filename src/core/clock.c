/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"

#include <errno.h>

#include "core/task.h"
#include "core/world.h"

static bool timer_sooner(const rn_heap_node *a, const rn_heap_node *b)
{
        return RN_ITEM(a, rn_timer, node)->at < RN_ITEM(b, rn_timer, node)->at;
}

void rn_clock_init(rn_clockwork *c)
{
        rn_store32(&c->lock.word, 0);
        rn_store32(&c->hand_lock.word, 0);
        c->state = 0;
        c->timers = (rn_heap){.before = timer_sooner};
        c->sleeps_until = RN_NEVER;
        c->clock_task = c->hand_task = NULL;
        rn_list_init(&c->errands);
}

static void clock_main(void *arg)
{
        rn_clockwork *c = arg;
        rn_task *self = rn_self();
        RN_ASSERT(self, "the task of the clock thread was made before the thread");
        rn_lock_take(&c->lock);
        RN_ASSERT(!c->clock_task, "there is one clock thread");
        c->clock_task = self;
        for (;;) {
                rn_timer *t = c->timers.root ? RN_ITEM(c->timers.root, rn_timer, node) : NULL;
                if (t && t->at <= rn_clock()) {
                        rn_heap_remove(&c->timers, &t->node);
                        void (*fire)(rn_timer *, uint32_t) = t->fire;
                        uint32_t tag = t->tag;
                        rn_lock_give(&c->lock);
                        fire(t, tag);
                        rn_lock_take(&c->lock);
                        continue;
                }
                int64_t until = c->sleeps_until = t ? t->at : RN_NEVER;
                rn_lock_give(&c->lock);
                rn_park(self, until);
                rn_lock_take(&c->lock);
        }
}

static void hand_main(void *arg)
{
        rn_clockwork *c = arg;
        rn_task *self = rn_self();
        RN_ASSERT(self, "the task of the hand thread was made before the thread");
        rn_lock_take(&c->hand_lock);
        RN_ASSERT(!c->hand_task, "there is one hand thread");
        c->hand_task = self;
        for (;;) {
                rn_link *l = rn_list_pop(&c->errands);
                if (l) {
                        rn_errand *e = RN_ITEM(l, rn_errand, link);
                        void (*run)(rn_errand *, uint32_t) = e->run;
                        uint32_t tag = e->tag;
                        rn_lock_give(&c->hand_lock);
                        run(e, tag);
                } else {
                        rn_lock_give(&c->hand_lock);
                        rn_park(self, RN_NEVER);
                }
                rn_lock_take(&c->hand_lock);
        }
}

/* A thread reserves its task before it is relied upon: without one it could not park. */
typedef struct begin {
        void (*main)(void *);
        rn_clockwork *clock;
        rn_task *task;
} begin;

static void clock_begin_thread(void *arg)
{
        begin b = *(begin *)arg;
        rn_free(arg);
        rn_task_adopt_surely(b.task);
        b.main(b.clock);
}

static int clock_start_thread(rn_clockwork *c, void (*main)(void *), const char *name)
{
        RN_ASSERT(rn_lock_held(&c->lock), "the lock of the clock is held: two threads must not start it both");
        begin *b = rn_alloc(sizeof *b);
        rn_task *t = b ? rn_task_new() : NULL;
        int rc = -ENOMEM;
        if (t) {
                *b = (begin){main, c, t};
                rc = rn_thread_start(clock_begin_thread, b, name, 0);
        }
        if (rc < 0) {
                if (t)
                        rn_task_free(t);
                rn_free(b);
        }
        return rc;
}

enum { CLOCK_RUNS = 1, HAND_RUNS = 2 };

int rn_clock_start(void)
{
        rn_clockwork *c = &rn_world_now()->clock;
        int rc = 0;
        rn_lock_take(&c->lock);
        if (!(c->state & CLOCK_RUNS) && (rc = clock_start_thread(c, clock_main, "rein-clock")) == 0)
                c->state |= CLOCK_RUNS;
        if (rc == 0 && !(c->state & HAND_RUNS) && (rc = clock_start_thread(c, hand_main, "rein-hand")) == 0)
                c->state |= HAND_RUNS;
        rn_lock_give(&c->lock);
        return rc;
}

bool rn_timer_arm(rn_timer *t, int64_t at, uint32_t tag)
{
        rn_clockwork *c = &rn_world_now()->clock;
        rn_task *wake = NULL;
        RN_ASSERT(t->fire, "a timer that is armed has something to do");
        rn_lock_take(&c->lock);
        RN_ASSERT(c->state & CLOCK_RUNS, "the clock thread was started before a timer is armed");
        bool was = t->node.in;
        if (was)
                rn_heap_remove(&c->timers, &t->node);
        t->at = at;
        t->tag = tag;
        rn_heap_push(&c->timers, &t->node);
        if (at < c->sleeps_until) {
                c->sleeps_until = at;
                wake = c->clock_task;
        }
        rn_lock_give(&c->lock);
        if (wake)
                rn_unpark(wake);
        return !was;
}

bool rn_timer_disarm(rn_timer *t)
{
        rn_clockwork *c = &rn_world_now()->clock;
        rn_lock_take(&c->lock);
        bool was = t->node.in;
        if (was)
                rn_heap_remove(&c->timers, &t->node);
        rn_lock_give(&c->lock);
        return was;
}

bool rn_hand(rn_errand *e, uint32_t tag)
{
        rn_clockwork *c = &rn_world_now()->clock;
        RN_ASSERT(e->run, "an errand for the hand has something to do");
        rn_lock_take(&c->hand_lock);
        bool was = rn_linked(&e->link);
        e->tag = tag;
        if (!was)
                rn_list_push(&c->errands, &e->link);
        rn_task *hand = c->hand_task;
        rn_lock_give(&c->hand_lock);
        if (hand && !was)
                rn_unpark(hand);
        return !was;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

const char *rn_timers_wrong(const rn_clockwork *c)
{
        const char *what = rn_heap_wrong(&c->timers);
        const rn_timer *first = c->timers.root ? RN_ITEM(c->timers.root, rn_timer, node) : NULL;
        if (what || !first)
                return what;
        if (!first->fire)
                return "a timer is armed that has nothing to do";
        if (first->at < c->sleeps_until)
                return "the clock sleeps longer than until the first timer";
        return NULL;
}

const char *rn_errands_wrong(const rn_clockwork *c)
{
        size_t n;
        const char *what = rn_list_wrong(&c->errands, &n);
        if (what)
                return what;
        RN_LIST_EACH(l, &c->errands)
                if (!RN_ITEM(l, rn_errand, link)->run)
                        return "an errand waits for the hand that has nothing to do";
        return NULL;
}

#endif
