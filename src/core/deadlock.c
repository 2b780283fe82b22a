/* SPDX-License-Identifier: Apache-2.0 */
#include "core/deadlock.h"

#include <stdio.h>

#include "core/world.h"

/* ---- lending ---- */

static bool waits_for_work_of(const rn_waits *what, const rein_executor *x)
{
        for (size_t i = 0; i < what->count; i++) {
                const rein_work *w = rn_work_of(what->futures[i]);
                if (w && w->executor == x && !rn_future_is(&w->future, RN_GONE))
                        return true;
        }
        bool found = false;
        if (what->group) {
                rn_scope_lock(what->group->scope);
                RN_LIST_EACH(l, &what->group->scope->children) {
                        const rn_scope *s = RN_ITEM(l, rn_scope, sibling);
                        found |= s->work && s->work->executor == x;
                }
                rn_scope_unlock(what->group->scope);
        }
        return found;
}

static rein_work *holder_of_permit(const rn_task *self)
{
        for (const rn_ambient *a = self->now; a; a = a->outer)
                if (a->work && rn_load32(&a->work->permit) == RN_HAS_PERMIT)
                        return a->work;
        return NULL;
}

/* ---- the circle ---- */

enum { MAX_DEPTH = 64, MAX_STEPS = 4096, CIRCLE_TEXT = 512 };

typedef struct search {
        rn_task *self;
        int steps;
        char text[CIRCLE_TEXT];
} search;

/* The circle is found from its far end: each step puts itself before what is there. */
static void tell(search *s, const char *front, const char *what)
{
        char rest[CIRCLE_TEXT];
        snprintf(rest, sizeof rest, "%s", s->text);
        snprintf(s->text, sizeof s->text, "%s%s%s", front, what, rest);
}

static bool runs_inside(const rn_task *t, const rn_group *g)
{
        bool inside = false;
        rn_scope_lock(g->scope);
        for (const rn_ambient *a = t->now; a; a = a->outer)
                inside |= a->work && rn_scope_head(a->work->root) == rn_scope_head(g->scope) &&
                          rn_scope_within(a->work->root, g->scope);
        rn_scope_unlock(g->scope);
        return inside;
}

/* Does what `t` waits for wait for self? Graph lock held: every task in the circle sits in its wait. */
static bool leads_back(search *s, const rn_task *t, int depth)
{
        if (depth > MAX_DEPTH || ++s->steps > MAX_STEPS)
                return false;
        if (t != s->self && t->waits.group && runs_inside(s->self, t->waits.group)) {
                tell(s, ", which waits for the group of ", t->waits.group->place);
                return true;
        }
        for (size_t i = 0; i < t->waits.count; i++) {
                const rein_work *w = rn_work_of(t->waits.futures[i]);
                rn_task *runner = w && !rn_future_is(&w->future, RN_SETTLED) ? rn_loadptr((rn_aptr *)&w->runner) : NULL;
                if (!runner)
                        continue;
                if (runner == s->self || leads_back(s, runner, depth + 1)) {
                        char who[96];
                        rn_work_describe(w, who, sizeof who);
                        tell(s, depth ? ", which waits for " : "", who);
                        return true;
                }
        }
        return false;
}

int rn_wait_begin(rn_task *self, const rn_waits *what, bool for_ever, rn_waiting *waiting)
{
        *waiting = (rn_waiting){0};
        int rc = 0;
        if (for_ever) {
                rn_world *world = rn_world_now();
                search s = {.self = self};
                rn_lock_take(&world->graph);
                self->waits = *what;
                waiting->said = true;
                bool found = leads_back(&s, self, 0);
                rn_lock_give(&world->graph);
                if (found)
                        rc = rn_fail(REIN_EDEADLOCK, "deadlock",
                                     "this wait can never end: you wait for %s, which is you", s.text);
        }
        rein_work *mine = holder_of_permit(self);
        if (rc == 0 && mine && mine->executor->kind->lend && waits_for_work_of(what, mine->executor)) {
                int lent = mine->executor->kind->lend(mine->executor, mine);
                if (lent > 0)
                        waiting->mine = mine;
                else if (lent < 0 && for_ever)
                        rc = rn_fail(lent, "deadlock",
                                     "this wait can never end: every thread of '%s' waits for jobs of "
                                     "'%s', and no thread can be started for them",
                                     mine->executor->name, mine->executor->name);
        }
        return rc;
}

void rn_wait_end(rn_task *self, rn_waiting *waiting)
{
        if (waiting->said) {
                rn_world *world = rn_world_now();
                rn_lock_take(&world->graph);
                self->waits = (rn_waits){0};
                rn_lock_give(&world->graph);
        }
        if (waiting->mine)
                waiting->mine->executor->kind->reclaim(waiting->mine->executor, waiting->mine, self);
}

/* ---- running it here ---- */

enum { LEAST_STACK = 96 * 1024, MAX_INLINE = 24, MAX_INLINE_UNKNOWN_STACK = 4 };

static bool reached_by(rein_work *w, const rn_scope *scope)
{
        rn_scope *root = rn_scope_find_locked(w->root, w->root_generation);
        if (!root)
                return false;
        bool within = rn_scope_within(root, scope);
        rn_scope_unlock(root);
        return within;
}

bool rn_claim_here(rn_task *self, rein_work *w)
{
        rein_executor *x = w->executor;
        if (!x->kind->claim || rn_load32(&w->state) != RN_WORK_QUEUED || w->on_worker || w->share || w->shared ||
            w->unheeded != REIN_WAIT_FOR_IT)
                return false;
        if (self->now->scope && !reached_by(w, self->now->scope))
                return false; /* a cancel of the waiter would not reach it */
        if (self->now->unopened || self->now->hook)
                return false;
        if (self->inline_depth >= (self->stack_size ? MAX_INLINE : MAX_INLINE_UNKNOWN_STACK) ||
            rn_stack_left(self->stack_base, self->stack_size) < LEAST_STACK)
                return false;
        if (!x->kind->claim(x, w, self))
                return false;
        rn_work_run_claimed(w);
        return true;
}
