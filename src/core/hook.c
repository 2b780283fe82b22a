/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hook.h"

#include <errno.h>

#include "core/scope.h"
#include "core/task.h"
#include "core/work.h"
#include "core/world.h"

enum { FREE, WORKING, INTERRUPTING, INTERRUPTED, FINISHED, MISSED };

static const int64_t first_delay = 50000, last_delay = 10000000;

static int64_t hook_packed(uint32_t generation, int state)
{
        return (int64_t)((uint64_t)generation << 3 | (uint64_t)state);
}

/* ---- striking and hitting ---- */

static bool hook_move(rn_hook *h, uint32_t generation, int from, int to)
{
        int64_t was = hook_packed(generation, from);
        /* What the region was opened for is before each call of `stop`, and each of those before its close. */
        rn_told_release(&h->state);
        const bool moved = rn_cas64(&h->state, &was, hook_packed(generation, to));
        if (moved)
                rn_told_acquire(&h->state);
        return moved;
}

/* By the region's timer. false: the region is closed, or another thread is hitting it, which arms the timer again. */
static bool hook_strike(rn_hook *h, uint32_t generation)
{
        for (;;) {
                if (hook_move(h, generation, WORKING, INTERRUPTING) ||
                    hook_move(h, generation, INTERRUPTED, INTERRUPTING))
                        return true;
                if (hook_move(h, generation, INTERRUPTING, MISSED))
                        return false;
                const int64_t state = rn_load64(&h->state);
                if (state == hook_packed(generation, MISSED) || state == hook_packed(generation, FINISHED) ||
                    state >> 3 != (int64_t)generation)
                        return false;
        }
}

/* The state is INTERRUPTING, and this thread has stored that. */
static void hook_hit(rn_hook *h)
{
        uint32_t generation = rn_slab_generation(&h->in_slab);
        rn_task *self = rn_self_if();
        RN_ASSERT(rn_peek64(&h->state) == hook_packed(generation, INTERRUPTING) ||
                          rn_peek64(&h->state) == hook_packed(generation, MISSED),
                  "the thread that hits a region has struck it, and the region is still open");
        h->used = true;
        if (self)
                self->hitting++;
        if (h->stop) {
                h->stop(h->arg);
        } else {
                if (h->work) /* a stop may have come before the foreign call: a poke that interrupts it knows more */
                        rn_work_note_frames(h->work, h->task);
                rn_poke(h->thread_id);
        }
        if (self)
                self->hitting--;
        for (;;) {
                rn_timer_arm(&h->timer, rn_clock() + h->delay, generation);
                h->delay = 2 * h->delay < last_delay ? 2 * h->delay : last_delay;
                if (hook_move(h, generation, INTERRUPTING, INTERRUPTED))
                        return;
                RN_ASSERT(rn_peek64(&h->state) == hook_packed(generation, MISSED),
                          "only a missed resend comes in between");
                rn_store64(&h->state, hook_packed(generation, INTERRUPTING)); /* it was MISSED: that resend is over */
        }
}

/* When to strike h, opened in s. */
static int64_t hook_due(rn_hook *h, const rn_scope *s)
{
        if (rn_load32(&h->forced))
                return INT64_MIN;
        while (s->inner)
                s = s->inner;
        return rn_load64(&s->cancel_at);
}

/* By its scope's time. A task that forces it meanwhile has armed it sooner, or is seen here. */
static void hook_arm(rn_hook *h, int64_t at, uint32_t generation)
{
        rn_timer_arm(&h->timer, at, generation);
        if (rn_load32(&h->forced))
                rn_timer_arm(&h->timer, rn_clock(), generation);
}

void rn_hook_strike(rn_hook *h, rn_hook **struck)
{
        rn_store32(&h->forced, 1);
        if (hook_move(h, rn_slab_generation(&h->in_slab), WORKING, INTERRUPTING)) {
                h->fire_next = *struck;
                *struck = h;
        } /* else it has been struck, and its resends go on */
}

void rn_hooks_strike_locked(rn_scope *s, int64_t now, rn_hook **struck)
{
        RN_ASSERT(rn_scope_locked(s), "the lock of the family is held");
        RN_LIST_EACH(l, &s->hooks) {
                rn_hook *h = RN_ITEM(l, rn_hook, link);
                int64_t at = hook_due(h, s);
                uint32_t generation = rn_slab_generation(&h->in_slab);
                if (at > now) {
                        if (at != RN_NEVER)
                                hook_arm(h, at, generation);
                        continue;
                }
                if (hook_move(h, generation, WORKING, INTERRUPTING)) {
                        h->fire_next = *struck;
                        *struck = h;
                }
        }
}

void rn_hooks_hit(rn_hook *struck)
{
        while (struck) {
                rn_hook *next = struck->fire_next;
                RN_ASSERT(next != struck, "a region is struck once in a list");
                hook_hit(struck);
                struck = next;
        }
}

static bool hook_is_being_hit(const rn_hook *h)
{
        const int64_t state = rn_load64(&h->state) & 7;
        return state == INTERRUPTING || state == MISSED;
}

void rn_hooks_wait_struck(const rn_task *t)
{
        for (const rn_hook *h = t->now->hook; h && !t->hitting; h = h->outer) {
                for (unsigned round = 0; hook_is_being_hit(h); round++)
                        rn_pause(round);
                rn_told_acquire(&h->state);
        }
}

void rn_hooks_unshield_locked(rn_scope *outside)
{
        RN_ASSERT(rn_scope_locked(outside), "the lock of the family is held");
        rn_task *t = outside->task;
        for (rn_scope *s = outside; s && s->task == t; s = s->parent) {
                RN_LIST_EACH(l, &s->hooks) {
                        rn_hook *h = RN_ITEM(l, rn_hook, link);
                        int64_t at = rn_load64(&outside->cancel_at);
                        if (at != RN_NEVER)
                                hook_arm(h, at, rn_slab_generation(&h->in_slab));
                }
        }
}

/* The region's time came by the clock. Strike it, unless it is closed or a shield holds it back. */
static bool hook_strike_when_due(rn_hook *h, uint32_t generation)
{
        rn_scope *s = rn_loadptr(&h->scope);
        if (!s) /* only by force, and a region of a later generation stands this */
                return rn_load32(&h->forced) && hook_strike(h, generation);
        rn_scope *head = rn_scope_head(s);
        rn_lock_take(&head->lock);
        int64_t state = rn_load64(&h->state), now = rn_clock();
        bool struck = false;
        if (rn_loadptr(&h->scope) == s && rn_scope_head(s) == head && state >> 3 == (int64_t)generation &&
            (state & 7) != FINISHED) {
                /* Open, and it cannot leave the list, nor its timer be another's, while we hold the lock. */
                int64_t at = hook_due(h, s);
                if (at <= now)
                        struck = hook_strike(h, generation);
                else if (at != RN_NEVER)
                        hook_arm(h, at, generation);
        }
        rn_lock_give(&head->lock);
        return struck;
}

static void hook_errand(rn_errand *e, uint32_t generation)
{
        rn_hook *h = RN_ITEM(e, rn_hook, errand);
        if (hook_strike_when_due(h, generation))
                hook_hit(h);
}

static void hook_poke_timer(rn_timer *t, uint32_t generation)
{
        hook_errand(&RN_ITEM(t, rn_hook, timer)->errand, generation);
}

static void hook_timer(rn_timer *t, uint32_t generation)
{
        rn_hand(&RN_ITEM(t, rn_hook, timer)->errand, generation);
}

/* ---- opening and closing ---- */

rn_hook *rn_hook_innermost(const rn_task *t)
{
        rn_hook *h = t->now->hook;
        return h && rn_loadptr(&h->scope) == t->now->scope ? h : NULL;
}

int rn_hook_begin(rn_task *t, const char *place, void (*stop)(void *), void *arg, rn_hook **out)
{
        rn_scope *s = t->now->scope;
        if (rn_canceled(t))
                return REIN_ECANCELED;
        int rc = rn_clock_start();
        if (rc == 0 && !stop)
                rc = rn_poke_setup();
        if (rc < 0)
                return rc;
        rn_hook *h = rn_slab_take(&rn_world_now()->hooks);
        if (!h)
                return -ENOMEM;
        uint32_t generation = rn_slab_generation(&h->in_slab);
        RN_ASSERT(t == rn_self_if(), "a task opens regions of its own");
        RN_ASSERT(!rn_linked(&h->link), "a region that opens is in no list");
        h->task = t;
        h->work = t->now->work;
        h->outer = t->now->hook;
        h->stop = stop;
        h->arg = arg;
        h->thread_id = rn_load32(&t->thread_id);
        h->used = false;
        rn_store32(&h->forced, 0);
        h->delay = first_delay;
        h->timer.fire = stop ? hook_timer : hook_poke_timer;
        if (!h->errand.run) /* an errand of an earlier region may still be waiting */
                h->errand.run = hook_errand;
        h->place = place;
        h->was_blocked = !stop && rn_poke_unblock();
        rn_storeptr(&h->scope, s);
        if (s) {
                rn_scope_lock(s);
                int64_t at = rn_load64(&s->cancel_at);
                if (at != RN_NEVER && at <= rn_clock())
                        rc = REIN_ECANCELED;
                else
                        rn_list_push(&s->hooks, &h->link);
                rn_told_release(&h->state);
                rn_store64(&h->state, hook_packed(generation, rc < 0 ? FINISHED : WORKING));
                if (rc == 0 && at != RN_NEVER)
                        rn_timer_arm(&h->timer, at, generation);
                rn_scope_unlock(s);
        } else {
                rn_told_release(&h->state);
                rn_store64(&h->state, hook_packed(generation, WORKING));
        }
        if (rc < 0) {
                if (h->was_blocked)
                        rn_poke_land(true);
                rn_slab_give(&rn_world_now()->hooks, h);
                return rc;
        }
        h->was_doing = rn_task_doing_for_ever(t, (rn_doing){"hook region", place});
        t->now->hook = *out = h;
        return 0;
}

bool rn_hook_finish(rn_task *t, rn_hook *h)
{
        uint32_t generation = rn_slab_generation(&h->in_slab);
        RN_ASSERT(h->task == t && t->now->hook == h, "a task closes its innermost region");
        for (unsigned round = 0;; round++) {
                if (hook_move(h, generation, WORKING, FINISHED) || hook_move(h, generation, INTERRUPTED, FINISHED))
                        break;
                rn_pause(round);
        }
        bool used = h->used;
        rn_scope *s = rn_loadptr(&h->scope);
        if (s) {
                rn_scope_lock(s);
                rn_list_remove(&h->link);
                rn_scope_unlock(s);
        }
        if (s || used)
                rn_timer_disarm(&h->timer);
        RN_ASSERT(!h->timer.node.in, "nobody arms the timer of a region that is closed");
        if (!h->stop && (used || h->was_blocked))
                rn_poke_land(h->was_blocked);
        if (used && t->now->work && (!rn_load32(&h->forced) || rn_canceled(t)))
                rn_work_stopped_by(t->now->work, h->stop ? RN_RUNG_HOOK : RN_RUNG_POKE);
        rn_task_doing_for_ever(t, h->was_doing);
        t->now->hook = h->outer;
        rn_slab_give(&rn_world_now()->hooks, h);
        return used;
}

/* ---- the public calls ---- */

typedef struct handle {
        rn_hook *record;
        rn_task *task;
        const char *place;
        uint32_t generation, magic;
} handle;

_Static_assert(sizeof(handle) <= sizeof(rein_hook), "rein_hook has room for its handle");

enum { OPEN = 0x400c0001 };

int rein_hook_open_at(const char *place, rein_hook *hook, void (*stop)(void *), void *arg)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        handle *h = (handle *)(void *)hook;
        h->magic = 0;
        rn_task *self = rn_self();
        if (!self)
                return -ENOMEM;
        int rc = rn_hook_begin(self, place, stop, arg, &h->record);
        if (rc < 0)
                return rc;
        h->task = self;
        h->place = place;
        h->generation = rn_slab_generation(&h->record->in_slab);
        h->magic = OPEN;
        return 0;
}

int rein_hook_close(rein_hook *hook, int rc)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        handle *h = (handle *)(void *)hook;
        rn_task *self = rn_self_if();
        if (!hook || h->magic != OPEN)
                return rn_misused("rein_hook_close", "this region is not open");
        if (!self || self != h->task)
                return rn_misused("rein_hook_close", "the region opened at %s belongs to another task", h->place);
        rn_hook *record = h->record;
        if (!record || rn_slab_generation(&record->in_slab) != h->generation || rn_hook_innermost(self) != record)
                return rn_misused("rein_hook_close",
                                  "something opened inside the region of %s is still open, or it "
                                  "is closed",
                                  h->place);
        h->magic = 0;
        return rn_hook_finish(self, record) ? REIN_ECANCELED : rc;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *hook_free_wrong(const rn_hook *h)
{
        if (rn_linked(&h->link))
                return "a region that was given back is still in the list of a scope";
        return rn_virtual() && h->timer.node.in ? "the timer of a region that was given back is armed" : NULL;
}

const char *rn_hook_wrong(const rn_hook *h)
{
        const uint32_t generation = rn_get32(&h->in_slab.generation);
        const int64_t state = rn_get64(&h->state);
        const bool linked = rn_linked(&h->link);
        if (generation % 2 == 0)
                return hook_free_wrong(h);
        if (state >> 3 != (int64_t)generation)
                return linked ? "a region in the list of a scope has the state of another generation" : NULL;
        if ((state & 7) < WORKING || (state & 7) > MISSED)
                return "a region's state is none of its states";
        if (linked && !rn_getptr(&h->scope))
                return "a region that was opened in no scope is in the list of one";
        if (!linked && rn_getptr(&h->scope) && (state & 7) != FINISHED)
                return "an open region is not in the list of its scope";
        if (!rn_virtual())
                return NULL; /* the rest is guarded by other locks */
        if (h->timer.node.in && h->timer.tag != generation)
                return "the timer of a region is armed for another generation";
        return h->delay < first_delay || h->delay > last_delay ? "the delay to a region's next resend is out of range"
                                                               : NULL;
}

#endif
