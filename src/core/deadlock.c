/* SPDX-License-Identifier: Apache-2.0 */
#include "core/deadlock.h"

#include <stdio.h>
#include <string.h>

#include "core/share.h"
#include "core/world.h"

/* ---- lending ---- */

static bool waits_for_work_of(const rn_wait_target *what, const rein_executor *x)
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
        rn_scope *heads[MAX_DEPTH + 1]; /* of the families locked so far */
        int locked;
        char text[CIRCLE_TEXT];
} search;

/* The circle is found from its far end: each step puts itself before what is there. */
static void search_tell(search *s, const char *front, const char *what)
{
        char rest[CIRCLE_TEXT];
        snprintf(rest, sizeof rest, "%s", s->text);
        snprintf(s->text, sizeof s->text, "%s%.100s%.360s", front, what, rest);
}

static bool task_leads_back(search *s, const rn_task *t, int depth);

/* Lock a family, unless this search has it locked: groups nest in one. Only who holds the graph's lock holds several. */
static bool lock_family(search *s, rn_scope *head)
{
        RN_ASSERT(s->locked <= MAX_DEPTH, "a search has room for the families that it locks");
        for (int i = 0; i < s->locked; i++)
                if (s->heads[i] == head)
                        return false;
        rn_lock_take(&head->lock);
        s->heads[s->locked++] = head;
        return true;
}

/* A child that is self, or leads there. */
static bool group_leads_back(search *s, const rn_group *g, int depth)
{
        rn_scope *head = rn_scope_head(g->scope);
        bool found = false, mine = lock_family(s, head);
        RN_LIST_EACH(l, &g->scope->children) {
                const rn_scope *child = RN_ITEM(l, rn_scope, sibling);
                const rn_task *t = child->work ? child->task : NULL;
                if (!found && t && (t == s->self ? depth > 0 : task_leads_back(s, t, depth + 1)))
                        found = true;
        }
        if (mine) {
                RN_ASSERT(s->locked > 0 && s->heads[s->locked - 1] == head, "families are given back in reverse order");
                s->locked--;
                rn_lock_give(&head->lock);
        }
        return found;
}

/* Whose mutex it waits for; NULL: nobody's yet. */
static const rn_task *holder_of(const rn_wait_target *target)
{
        return !target->once || rn_load32(target->once) ? rn_loadptr(target->held_by) : NULL;
}

/* Its holder is self, or leads there. */
static bool holder_leads_back(search *s, const rn_task *t, int depth)
{
        const rn_task *holder = holder_of(&t->target);
        if (!holder || holder == t || (holder != s->self && !task_leads_back(s, holder, depth + 1)))
                return false;
        char who[96] = "a plain thread";
        if (holder->now->work)
                rn_work_describe(holder->now->work, who, sizeof who);
        search_tell(s, depth ? ", which waits for a mutex of " : "a mutex of ", who);
        return true;
}

/* Its wait ends by itself: it was cancelled since it began, or will be. */
static bool task_will_leave(const rn_task *t)
{
        return t->target.cancelable && rn_cancel_at(t) != RN_NEVER;
}

/* Does what `t` waits for wait for self? Graph lock held: every task in the circle sits in its wait. */
static bool task_leads_back(search *s, const rn_task *t, int depth)
{
        if (depth > MAX_DEPTH || ++s->steps > MAX_STEPS)
                return false;
        if (t->target.any || task_will_leave(t))
                return false;
        if (t->target.group && group_leads_back(s, t->target.group, depth)) {
                search_tell(s, depth ? ", which waits for the group of " : "the group of ",
                            rn_base_name(t->target.group->place));
                return true;
        }
        if (t->target.held_by)
                return holder_leads_back(s, t, depth);
        for (size_t i = 0; i < t->target.count; i++) {
                const rein_work *w = rn_work_of(t->target.futures[i]);
                rn_task *runner = w && !rn_future_is(&w->future, RN_SETTLED) ? rn_loadptr((rn_aptr *)&w->runner) : NULL;
                if (!runner)
                        continue;
                if (runner == s->self || task_leads_back(s, runner, depth + 1)) {
                        char who[96];
                        rn_work_describe(w, who, sizeof who);
                        search_tell(s, depth ? ", which waits for " : "", who);
                        return true;
                }
        }
        return false;
}

/* ---- the knot ---- */

static const int64_t look_after = 10000000;

static bool task_can_go(const rn_task *t)
{
        return !t || !rn_linked(&t->waiting) || t->can_go;
}

static bool work_can_go(rein_work *w)
{
        if (rn_share_run(w))
                w = rn_share_run(w);
        const rn_task *arriving = rn_loadptr(&w->arriving);
        switch (rn_load32(&w->state)) {
        case RN_WORK_QUEUED:
                if (arriving)
                        return task_can_go(arriving);
                return !w->executor->kind->could_run || w->executor->kind->could_run(w->executor, task_can_go);
        case RN_WORK_RUNNING:
                return task_can_go(rn_loadptr(&w->runner));
        default:
                return true;
        }
}

static bool futures_let_go(const rn_wait_target *target)
{
        bool all = true, one = false;
        for (size_t i = 0; i < target->count; i++) {
                rein_work *w = rn_work_of(target->futures[i]);
                bool can = !w || rn_future_is(&w->future, RN_GONE) || work_can_go(w);
                all &= can;
                one |= can;
        }
        return target->any ? one : all;
}

static bool group_lets_go(const rn_wait_target *target)
{
        rn_group *g = target->group;
        bool all = true, one = false;
        size_t seen = 0;
        rn_scope_lock(g->scope);
        RN_LIST_EACH(l, &g->scope->children) {
                const rn_scope *child = RN_ITEM(l, rn_scope, sibling);
                if (!child->work)
                        continue;
                seen++;
                bool can = child->task ? task_can_go(child->task) : work_can_go(child->work);
                all &= can;
                one |= can && !child->work->background; /* it has no place that another could get */
        }
        one |= seen < g->unfinished; /* some are on their way in or out */
        one |= g->width && g->foreground < (size_t)g->width;
        one |= rn_load64(&g->scope->cancel_at) != RN_NEVER; /* then nobody waits for a place */
        all |= g->adopted > 0;                              /* what a foreign thread may yet do, nobody knows */
        rn_scope_unlock(g->scope);
        return target->any ? one : all;
}

static bool wait_can_go(const rn_task *t)
{
        const rn_wait_target *target = &t->target;
        rein_executor *x = target->executor;
        if (task_will_leave(t))
                return true;
        if (target->held_by) {
                const rn_task *holder = holder_of(target);
                return holder == t || task_can_go(holder);
        }
        if (!x)
                return target->group ? group_lets_go(target) : futures_let_go(target);
        if (x->kind->could_run(x, task_can_go))
                return true;
        /* Asked last: a job that could run a moment ago may have ended, and given t what it waits for. */
        return target->permit_of ? rn_load32(&target->permit_of->permit) == RN_HAS_PERMIT : x->kind->has_room(x);
}

static void knot_mark_locked(rn_world *world)
{
        RN_ASSERT(rn_lock_held(&world->graph), "the lock of the graph is held");
        for (bool more = true; more;) {
                more = false;
                RN_LIST_EACH(l, &world->waiting) {
                        rn_task *t = RN_ITEM(l, rn_task, waiting);
                        if (!t->can_go && wait_can_go(t))
                                more = t->can_go = true;
                }
        }
}

/* Who can go on? One look answers for everybody whose wait had begun: thousands of coroutines that wait must not each
 * look at all the others. A knot that is tied later is found by the look of the wait that ties it. */
static void knot_look_at_all_locked(rn_world *world)
{
        RN_LIST_EACH(l, &world->waiting)
                RN_ITEM(l, rn_task, waiting)->can_go = false;
        knot_mark_locked(world);
        RN_LIST_EACH(l, &world->waiting) {
                rn_task *t = RN_ITEM(l, rn_task, waiting);
                t->looked_at = t->can_go;
        }
}

static void knot_describe_locked(rn_world *world, char *text, size_t n)
{
        size_t used = 0, left = 0;
        RN_LIST_EACH(l, &world->waiting) {
                const rn_task *t = RN_ITEM(l, rn_task, waiting);
                if (t->can_go)
                        continue;
                char who[96] = "a plain thread", line[160];
                if (t->now->work)
                        rn_work_describe(t->now->work, who, sizeof who);
                const char *doing = rn_loadptr((rn_aptr *)(uintptr_t)&t->doing);
                snprintf(line, sizeof line, "%s%s in %s", used ? "; " : "", who, doing ? doing : "a wait");
                if (used + strlen(line) < n - sizeof "; and 1000000 more")
                        used += (size_t)snprintf(text + used, n - used, "%s", line);
                else
                        left++;
        }
        if (left)
                snprintf(text + used, n - used, "; and %zu more", left);
}

static bool task_in_a_knot_locked(rn_world *world, rn_task *self)
{
        if (self->looked_at)
                return false;
        knot_look_at_all_locked(world);
        return !self->can_go;
}

/* Not in the frame of the one that parks: what waits should need little stack. */
__attribute__((noinline)) static int knot_look(rn_task *self)
{
        char text[CIRCLE_TEXT] = "";
        rn_world *world = rn_world_now();
        rn_lock_take(&world->graph);
        const bool knot = task_in_a_knot_locked(world, self);
        if (knot)
                knot_describe_locked(world, text, sizeof text);
        rn_lock_give(&world->graph);
        return knot ? rn_fail(REIN_EDEADLOCK, "deadlock",
                              "this wait can never end: all of these wait for each other: %s", text)
                    : 0;
}

/* ---- who cannot leave ---- */

enum { MOST_TRIES = 16 };

/* Of those in the knot, one without whose wait self could go on. */
static rn_task *knot_who_frees_locked(rn_world *world, const rn_task *self)
{
        int tries = 0;
        RN_LIST_EACH(l, &world->waiting) {
                rn_task *one = RN_ITEM(l, rn_task, waiting);
                if (one->looked_at || one->target.stays)
                        continue;
                if (tries++ == MOST_TRIES)
                        break;
                RN_LIST_EACH(k, &world->waiting)
                        RN_ITEM(k, rn_task, waiting)->can_go = RN_ITEM(k, rn_task, waiting)->looked_at;
                one->can_go = true;
                knot_mark_locked(world);
                if (self->can_go)
                        return one;
        }
        return NULL;
}

static void task_let_look_locked(rn_task *t)
{
        rn_store32(&t->look_again, 1);
        rn_unpark(t);
}

/* Self is in a knot: somebody in it who may leave looks again, and is told. */
static void knot_let_another_look_locked(rn_world *world, const rn_task *self)
{
        rn_task *one = knot_who_frees_locked(world, self);
        if (one) {
                task_let_look_locked(one);
                return;
        }
        RN_LIST_EACH(l, &world->waiting) {
                rn_task *t = RN_ITEM(l, rn_task, waiting);
                if (!t->looked_at && !t->target.stays)
                        task_let_look_locked(t);
        }
}

/* Is there reason to look again, after a while? */
static bool knot_look_for_others(rn_task *self)
{
        rn_world *world = rn_world_now();
        rn_lock_take(&world->graph);
        const bool knot = task_in_a_knot_locked(world, self);
        if (knot)
                knot_let_another_look_locked(world, self);
        rn_lock_give(&world->graph);
        return knot;
}

void rn_wait_turn_staying(rn_task *self, rn_wait *wait)
{
        RN_ASSERT(wait->said && self->target.stays, "a task that cannot leave its wait has said so");
        if (wait->look_at == RN_NEVER || rn_clock() < wait->look_at)
                rn_park(self, wait->look_at);
        else
                wait->look_at = knot_look_for_others(self) ? rn_clock() + look_after : RN_NEVER;
}

/* ---- waiting ---- */

int rn_wait_turn_looking(rn_task *self, int64_t until, bool cancelable, rn_wait *wait)
{
        int64_t limit = wait->look_at < until ? wait->look_at : until;
        int rc = 0;
        /* Stored before the unpark in task_let_look_locked: the door orders it before this. It is taken back before the look,
         * which takes the graph lock: whoever stores it later, under that lock, is not overwritten. */
        if (rn_peek32(&self->look_again)) {
                rn_tell32(&self->look_again, 0);
                rc = knot_look(self);
                if (rc < 0)
                        return rc;
        }
        if (cancelable)
                rc = rn_wait_turn(self, limit);
        else if (limit != RN_NEVER && limit <= rn_clock())
                rc = REIN_ETIMEOUT;
        else
                rn_park(self, limit);
        if (rc != REIN_ETIMEOUT || limit != wait->look_at)
                return rc;
        wait->look_at = RN_NEVER;
        return knot_look(self);
}

int rn_wait_lend(rn_task *self, const rn_wait_target *what, rn_wait *wait)
{
        rein_work *mine = wait->mine ? NULL : holder_of_permit(self);
        if (!mine || !mine->executor->kind->lend || !waits_for_work_of(what, mine->executor))
                return 0;
        RN_ASSERT(rn_get32(&mine->permit) == RN_HAS_PERMIT, "a permit that is lent is one's own");
        int lent = mine->executor->kind->lend(mine->executor, mine);
        if (lent > 0)
                wait->mine = mine;
        return lent < 0 ? lent : 0;
}

static bool task_holds_a_mutex(const rn_task *self)
{
        for (const rn_ambient *a = self->now; a; a = a->outer)
                if (a->held)
                        return true;
        return false;
}

static void wait_say_locked(rn_world *world, rn_task *self, const rn_wait_target *what, rn_wait *wait)
{
        RN_ASSERT(rn_lock_held(&world->graph), "the lock of the graph is held");
        RN_ASSERT(!self->target.count && !self->target.group && !self->target.executor && !self->target.held_by,
                  "a task waits for one thing at a time");
        self->target = *what;
        self->looked_at = false;
        rn_list_push(&world->waiting, &self->waiting);
        if (task_holds_a_mutex(self))
                rn_store32(&self->holder_waits, 1);
        wait->said = true;
        wait->look_at = rn_clock() + look_after;
}

/* Lend first, and say afterwards what one waits for: who looks in between sees a task that may go on, not a permit in
 * the hands of one that may not. */
int rn_wait_begin(rn_task *self, const rn_wait_target *what, bool for_ever, rn_wait *wait)
{
        *wait = (rn_wait){.look_at = RN_NEVER};
        int rc = rn_wait_lend(self, what, wait);
        if (!for_ever)
                return 0;
        if (rc < 0) {
                const rein_work *mine = holder_of_permit(self);
                const char *name = mine ? mine->executor->name : "";
                return rn_fail(rc, "deadlock",
                               "this wait can never end: every thread of '%s' waits for jobs of '%s', and "
                               "no thread can be started for them",
                               name, name);
        }
        rn_world *world = rn_world_now();
        search s; /* most of it is room: it is not cleared for every wait */
        s.self = self;
        s.steps = s.locked = 0;
        s.text[0] = 0;
        rn_lock_take(&world->graph);
        wait_say_locked(world, self, what, wait);
        bool found = task_leads_back(&s, self, 0);
        rn_lock_give(&world->graph);
        return found ? rn_fail(REIN_EDEADLOCK, "deadlock", "this wait can never end: you wait for %s, which is you",
                               s.text)
                     : 0;
}

void rn_wait_stay(rn_task *self, const rn_wait_target *what, rn_wait *wait)
{
        rn_world *world = rn_world_now();
        *wait = (rn_wait){0};
        rn_lock_take(&world->graph);
        wait_say_locked(world, self, what, wait);
        self->target.stays = true;
        rn_lock_give(&world->graph);
}

void rn_wait_end(rn_task *self, rn_wait *wait)
{
        if (wait->said) {
                rn_world *world = rn_world_now();
                rn_lock_take(&world->graph);
                RN_ASSERT(rn_linked(&self->waiting), "a task that has said what it waits for is in the list");
                self->target = (rn_wait_target){0};
                rn_list_remove(&self->waiting);
                if (rn_peek32(&self->look_again)) /* both are stored under the graph lock, which is held here */
                        rn_tell32(&self->look_again, 0);
                if (rn_peek32(&self->holder_waits))
                        rn_store32(&self->holder_waits, 0);
                rn_lock_give(&world->graph);
        }
        if (wait->mine)
                wait->mine->executor->kind->reclaim(wait->mine->executor, wait->mine, self);
}

/* ---- running it here ---- */

enum { LEAST_STACK = 96 * 1024, MAX_INLINE = 24, MAX_INLINE_UNKNOWN_STACK = 4 };

static bool work_reached_by(rein_work *w, const rn_scope *scope)
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
        if (!x->kind->claim || rn_load32(&w->state) != RN_WORK_QUEUED || w->on_worker || w->share ||
            w->unheeded != REIN_WAIT_FOR_IT)
                return false;
        if (self->now->scope && !work_reached_by(w, self->now->scope))
                return false; /* a cancel of the waiter would not reach it */
        if (self->now->unopened || self->now->hook || !self->backend->thread)
                return false; /* a coroutine never: it would hold up its loop */
        if (self->inline_depth >= (self->stack_size ? MAX_INLINE : MAX_INLINE_UNKNOWN_STACK) ||
            rn_stack_left(self->stack_base, self->stack_size) < LEAST_STACK)
                return false;
        if (!x->kind->claim(x, w, self))
                return false;
        rn_work_run_claimed(w);
        return true;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *wait_said_wrong(const rn_task *t)
{
        const rn_wait_target *w = &t->target;
        if (rn_get32(&t->in_slab.generation) % 2 == 0)
                return "a task that was given back still says what it waits for";
        if (!w->count && !w->group && !w->executor && !w->held_by)
                return "a task in the list of those that wait does not say for what";
        if (w->stays && !w->held_by && !w->permit_of)
                return "a task that cannot leave its wait waits for what it never had";
        return w->permit_of && w->permit_of->executor != w->executor
                       ? "a task wants the permit of a job back from an executor that is not the job's"
                       : NULL;
}

const char *rn_wait_targets_wrong(const rn_world *world)
{
        size_t n, seen = 0;
        const char *what = rn_list_wrong(&world->waiting, &n);
        if (what)
                return what;
        RN_LIST_EACH(l, &world->waiting) {
                what = wait_said_wrong(RN_ITEM(l, rn_task, waiting));
                if (what || ++seen > RN_LIST_ASKED)
                        return what;
        }
        return NULL;
}

#endif
