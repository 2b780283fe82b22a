/* SPDX-License-Identifier: Apache-2.0 */
#include "core/group.h"

#include <errno.h>
#include <stdio.h>

#include "core/adopt.h"
#include "core/deadlock.h"
#include "core/executor.h"
#include "core/hook.h"
#include "core/opts.h"
#include "core/share.h"
#include "core/world.h"

/* ---- the handle ---- */

typedef struct handle {
        rn_aptr record;
        rn_a32 generation;
        uint32_t magic;
        rn_opener opener;
        const char *place;
        uint32_t process;
        int error; /* why it could not be opened */
} handle;

_Static_assert(sizeof(handle) <= sizeof(rein_group), "rein_group has room for its handle");

enum { OPEN = 0x6209e001, UNOPENED = 0x6209e002 };

void rein_group_open_at(const char *place, rein_group *group, const rein_group_opts *given)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        handle *h = (handle *)(void *)group;
        rn_task *self = rn_self();
        rein_group_opts opts = {.size = sizeof opts};
        const char *what = NULL;
        int rc = given ? rn_opts_take(&opts, sizeof opts, given, given->size, &what) : 0;
        if (rc == 0 && ((unsigned)opts.policy > REIN_EACH || opts.width < 0)) {
                rc = -EINVAL;
                what = "policy must be one of the four, and width from 1 to 2147483647; 0 is no limit";
        }
        rn_group *g = NULL;
        rn_scope *s = NULL;
        if (rc == 0 && self && (g = rn_slab_take(&rn_world_now()->groups))) {
                s = rn_scope_new(self->now->scope, self, opts.until.ns ? opts.until.ns : RN_NEVER, -1, place);
                if (!s)
                        rn_slab_give(&rn_world_now()->groups, g);
        }
        h->opener = rn_opener_of(self);
        h->process = rn_generation();
        h->place = place;
        h->magic = s ? OPEN : UNOPENED;
        h->error = rc ? rc : s ? 0 : -ENOMEM;
        rn_storeptr(&h->record, s ? g : NULL);
        rn_store32(&h->generation, s ? rn_slab_generation(&g->in_slab) : 0);
        if (!s) {
                rn_unopened(self, 1);
                rn_fail(h->error, place, "the group could not be opened: %s", what ? what : "no memory");
                return;
        }
        RN_ASSERT(rn_list_empty(&s->children), "the scope of a group that opens is empty");
        g->scope = s;
        rn_storeptr(&g->found, s);
        g->owner = self;
        g->policy = opts.policy;
        g->width = opts.width;
        g->unfinished = g->foreground = g->failed = g->canceled = g->ended = 0;
        g->adopted = 0;
        g->succeeded = g->decided = g->joining = g->overtaken = g->stopped = g->cut_short = g->closed_to_foreign =
                false;
        rn_store32(&g->closing, 0);
        rn_list_init(&g->futures);
        rn_list_init(&g->spawners);
        g->place = place;
        rn_scope_lock(s);
        s->group = g;
        rn_scope_unlock(s);
        self->now->scope = s;
}

/* The group behind the handle with its family locked; NULL: it is not open. */
static rn_group *group_find_locked(rein_group *group)
{
        handle *h = (handle *)(void *)group;
        if (!group || h->magic != OPEN || h->process != rn_generation())
                return NULL;
        rn_group *g = rn_loadptr(&h->record);
        uint32_t generation = rn_load32(&h->generation);
        rn_scope *s = rn_loadptr(&g->found);
        if (rn_slab_generation(&g->in_slab) != generation)
                return NULL;
        rn_scope *head = rn_scope_head(s);
        rn_lock_take(&head->lock);
        /* The group is given back before its scope is: with the right generation now, s is its scope, and stays. */
        bool open = !rn_load32(&g->closing) && rn_scope_head(s) == head;
        if (open && rn_slab_generation(&g->in_slab) == generation)
                return g;
        rn_lock_give(&head->lock);
        return NULL;
}

/* ---- a child parts ---- */

void rn_group_wake_spawners(rn_group *g)
{
        RN_LIST_EACH(l, &g->spawners)
                rn_unpark(RN_ITEM(l, rn_sleeper, link)->task);
}

static void group_cancel_background(rn_group *g, rn_fired *fired)
{
        if (g->foreground || g->adopted)
                return;
        RN_LIST_EACH(l, &g->scope->children) {
                rn_scope *s = RN_ITEM(l, rn_scope, sibling);
                if (s->work && s->work->background)
                        rn_scope_cancel_locked(s, "only background children are left in the group", "the group", NULL,
                                               fired);
        }
        if (fired->unstarted && !fired->reason[0])
                snprintf(fired->reason, sizeof fired->reason, "only background children are left in the group");
}

static void group_cancel_rest(rn_group *g, const char *name, const char *what, rn_fired *fired)
{
        char why[RN_WHY_TEXT];
        snprintf(why, sizeof why, "%s%s%s %s", name[0] ? "child '" : "a child", name, name[0] ? "'" : "", what);
        rn_scope_cancel_locked(g->scope, why, "its group", g->place, fired);
}

/* A failure counts as reported by the group, but where each child stands alone. */
static void group_keep_failure(rn_group *g, rein_error *e)
{
        RN_ASSERT(g->failed < g->ended, "only a child that ended can have failed");
        if (g->failed < RN_GROUP_FAILURES)
                g->failures[g->failed] = rn_error_ref(e);
        g->failed++;
}

static void group_apply_policy(rn_group *g, int code, rein_error *e, const char *name, rn_fired *fired)
{
        const bool good = code >= 0, bad = code < 0 && code != REIN_ECANCELED;
        g->ended++;
        g->succeeded |= good;
        g->canceled += code == REIN_ECANCELED;
        switch (g->policy) {
        case REIN_ALL:
                if (bad) {
                        group_keep_failure(g, e);
                        group_cancel_rest(g, name, "failed", fired);
                }
                break;
        case REIN_FIRST:
                if (bad)
                        group_keep_failure(g, e);
                if (good)
                        group_cancel_rest(g, name, "succeeded", fired);
                break;
        case REIN_ANY:
                if (bad && !g->decided)
                        group_keep_failure(g, e);
                if (good || bad) {
                        g->decided = true;
                        group_cancel_rest(g, name, good ? "succeeded" : "failed", fired);
                }
                break;
        case REIN_EACH:
                break;
        }
}

/* true: its owner slept. */
static bool group_part_locked(rn_group *g, bool background, int code, rein_error *e, const char *name, rn_fired *fired)
{
        RN_ASSERT(rn_scope_locked(g->scope), "the lock of the family is held");
        RN_ASSERT(g->unfinished > 0 && (background || g->foreground > 0), "a child that parts was counted");
        RN_ASSERT(!rn_peek32(&g->closing), "a group does not close before its children have parted");
        const int64_t cancel_at = rn_load64(&g->scope->cancel_at);
        const bool late = cancel_at != RN_NEVER && cancel_at <= rn_clock();
        g->overtaken |= late;
        g->cut_short |= late && !background;
        group_apply_policy(g, code, e, name, fired);
        g->unfinished--;
        if (!background)
                g->foreground--;
        rn_group_wake_spawners(g);
        return (!g->unfinished || !g->foreground) && rn_unpark(g->owner); /* what a join waits for, or cancels */
}

bool rn_group_child_parts(rein_work *w)
{
        rn_group *g = w->group;
        rn_scope *head = rn_scope_head(g->scope);
        rn_fired fired = {0};
        if (g->policy != REIN_EACH)
                rn_future_seen(&w->future);
        rn_lock_take(&head->lock);
        const bool woke =
                group_part_locked(g, w->background, w->future.outcome.code, w->future.outcome.error, w->name, &fired);
        rn_lock_give(&head->lock); /* g may be gone from here on */
        rn_fired_carry_out(&fired);
        return woke;
}

/* ---- spawning ---- */

/* Is the running task a job of the group, or below one? It must never wait for a place it holds itself. Family locked. */
static bool group_inside(const rn_group *g, const rn_task *self)
{
        for (const rn_ambient *a = self->now; a; a = a->outer)
                if (a->work && rn_scope_head(a->work->root) == rn_scope_head(g->scope) &&
                    rn_scope_within(a->work->root, g->scope))
                        return true;
        return false;
}

/* Nobody needs a place in a group that is cancelled: the child never runs. Children in the background have none. Family
 * locked. */
static bool group_has_place(const rn_group *g)
{
        return !g->width || g->foreground < (size_t)g->width || rn_load64(&g->scope->cancel_at) <= rn_clock();
}

/* Wait until there was a place. Family locked on entry and on return: another task may have taken it by then. 0;
 * REIN_ECANCELED, REIN_EDEADLOCK. */
static int group_wait_for_place(rn_group *g, rn_task *self)
{
        RN_ASSERT(rn_scope_locked(g->scope), "the lock of the family is held");
        RN_ASSERT(g->width > 0, "only a group with a width has no place for another child");
        rn_scope *head = rn_scope_head(g->scope);
        rn_sleeper me = {.task = self};
        rn_wait wait;
        rn_list_push(&g->spawners, &me.link); /* from here on a close of the group waits for us */
        rn_lock_give(&head->lock);
        rn_doing was = rn_task_doing_for_ever(self, (rn_doing){"rein_spawn, for a place in the group of", g->place});
        bool for_ever = rn_load64(&g->scope->cancel_at) == RN_NEVER && rn_cancel_at(self) == RN_NEVER;
        int rc = rn_wait_begin(self, &(rn_wait_target){.group = g, .any = true, .cancelable = true}, for_ever, &wait);
        for (bool room = false; rc == 0;) {
                rn_lock_take(&head->lock);
                int64_t until = rn_load64(&g->scope->cancel_at);
                room = group_has_place(g);
                rn_lock_give(&head->lock);
                if (room)
                        break;
                rc = rn_wait_turn_looking(self, until, true, &wait);
                if (rc == REIN_ETIMEOUT)
                        rc = 0; /* the group's deadline: the child will see it */
        }
        rn_wait_end(self, &wait);
        rn_task_doing_for_ever(self, was);
        rn_lock_take(&head->lock);
        rn_list_remove(&me.link);
        rn_unpark(g->owner);
        return rc;
}

/* Count a child in, waiting for a place if it needs one. 0, and *why not 0 if it must not run: no place was had, or there is no
 * memory for a task to wait with; or -EPERM. */
static int group_count_in(rein_group *group, rn_task *self, bool background, rn_group **out, int *why)
{
        rn_group *g = group_find_locked(group);
        if (g && g->width) { /* else it never blocks */
                rn_scope_unlock(g->scope);
                rn_stretch_spend(self, RN_SPENDS_CALL);
                g = group_find_locked(group);
        }
        if (!g)
                return -EPERM;
        *why = !self ? -ENOMEM : self->now->unopened ? REIN_ECANCELED : 0;
        while (!*why && !background && !group_has_place(g) && !group_inside(g, self))
                *why = group_wait_for_place(g, self);
        g->unfinished++;
        g->foreground += !background;
        rn_scope_unlock(g->scope);
        *out = g;
        return 0;
}

/* The trail of a spawn that finds no open group. */
static void group_tell_refusal(const rein_group *group)
{
        const handle *h = (const handle *)(const void *)group;
        if (!group || (h->magic != OPEN && h->magic != UNOPENED))
                rn_misused("rein_spawn", "this group was never opened, or is closed");
        else if (h->magic == UNOPENED)
                rn_fail(-EPERM, "rein_spawn", "the group could not be opened at %s", h->place);
        else
                rn_fail(-EPERM, "rein_spawn", "the group opened at %s is closed already", h->place);
}

static rein_future *group_spawn(const char *place, rein_group *group, rein_executor *on, rein_fn fn, void *arg,
                                const rein_job *job, bool keep)
{
        rn_task *self = rn_self();
        rn_group *g = NULL;
        rein_job copy;
        const char *what = NULL;
        bool valid = rn_job_take(&copy, job, arg, &what) == 0;
        bool background = valid && copy.background;
        int why = 0;
        int rc = group_count_in(group, self, background, &g, &why);
        if (rc < 0 || !self)
                rn_job_release(job, arg);
        if (rc < 0) {
                group_tell_refusal(group);
                return rn_future_immortal(rc);
        }
        rn_scope *s = g->scope, *head = rn_scope_head(s);
        rein_future *f = rn_future_immortal(-ENOMEM);
        rein_work *w = NULL;
        if (self)
                w = rn_executor_job(self, place, "rein_spawn", on ? on : rn_executor_here(self), fn, arg, job, s, &f);
        if (w) {
                f = &w->future;
                w->group = g;
                rn_future_hold(f);
        }
        if (keep && f->process) {
                rn_lock_take(&head->lock);
                rn_list_push(&g->futures, &f->in_group);
                rn_lock_give(&head->lock);
        }
        if (w && why) {
                rn_executor_refuse(w, why,
                                   why == REIN_ECANCELED ? "cancelled while it waited for a place in its group"
                                                         : rein_error_text(rein_trail()));
        } else if (w) {
                rn_share_or_accept(self, w->executor, w);
        } else { /* a child that has failed before it was one */
                rn_fired fired = {0};
                if (g->policy != REIN_EACH)
                        rn_future_seen(f);
                else if (!f->process)
                        rn_unseen(f->outcome.error);
                rn_lock_take(&head->lock);
                group_part_locked(g, background, f->outcome.code, f->outcome.error, valid && copy.name ? copy.name : "",
                                  &fired);
                rn_lock_give(&head->lock);
                rn_fired_carry_out(&fired);
        }
        if (self != ((handle *)(void *)group)->opener.task && (g = group_find_locked(group))) {
                if (g->joining)
                        rn_unpark(g->owner); /* it may have to lend its permit for this one, or to cancel it */
                rn_scope_unlock(g->scope);
        }
        return f;
}

void rein_spawn_at(const char *place, rein_group *group, rein_executor *on, rein_fn fn, void *arg, const rein_job *job)
{
        RN_CALL();
        RN_ASKS_ONCE(group, group);
        rein_drop(group_spawn(place, group, on, fn, arg, job, false));
}

rein_future *rein_spawn_future_at(const char *place, rein_group *group, rein_executor *on, rein_fn fn, void *arg,
                                  const rein_job *job)
{
        RN_CALL();
        RN_ASKS_ONCE(group, group);
        return group_spawn(place, group, on, fn, arg, job, true);
}

void rein_group_cancel_at(const char *place, rein_group *group, const char *why)
{
        RN_CALL();
        RN_ASKS_ONCE(group, group);
        rn_fired fired = {0};
        char who[RN_WHO_TEXT];
        rn_scope_whoami(who);
        rn_group *g = group_find_locked(group);
        if (!g)
                return;
        rn_scope *head = rn_scope_head(g->scope);
        g->stopped = true;
        rn_scope_cancel_locked(g->scope, why, who, place, &fired);
        rn_lock_give(&head->lock);
        rn_fired_carry_out(&fired);
}

/* ---- foreign threads inside: adopt.c ---- */

rn_scope *rn_group_hold(rein_group *group)
{
        rn_group *g = group_find_locked(group);
        if (!g)
                return NULL;
        rn_scope *s = g->closed_to_foreign ? NULL : g->scope;
        g->adopted += s != NULL;
        rn_scope_unlock(g->scope);
        return s;
}

void rn_group_let_go(rn_scope *s)
{
        rn_scope *head = rn_scope_head(s);
        rn_lock_take(&head->lock);
        RN_ASSERT(s->group && s->group->adopted > 0, "a group that is let go was held");
        if (--s->group->adopted == 0)
                rn_unpark(s->group->owner);
        rn_lock_give(&head->lock); /* the group, s and head may be gone from here on */
}

/* ---- joining and closing ---- */

static int group_check_owner(rein_group *group, const char *call, rn_task *self, rn_group **out)
{
        handle *h = (handle *)(void *)group;
        if (!group || (h->magic != OPEN && h->magic != UNOPENED))
                return rn_misused(call, "this group was never opened, or is closed");
        if (h->process != rn_generation() || !rn_opened_by(&h->opener, self))
                return rn_misused(call,
                                  "the group opened at %s belongs to another task: the task that opens a "
                                  "group closes it",
                                  h->place);
        rn_group *g = rn_loadptr(&h->record);
        if (h->magic == OPEN && rn_slab_generation(&g->in_slab) != rn_load32(&h->generation))
                return rn_misused(call, "the group opened at %s is closed already", h->place);
        *out = g;
        return 0;
}

/* closes: and nobody may come any more, from the moment on in which nobody is left. */
static bool group_all_parted(rn_group *g, bool closes)
{
        rn_fired fired = {0};
        rn_scope_lock(g->scope);
        g->closed_to_foreign |= closes;
        group_cancel_background(g, &fired);
        bool done = g->unfinished == 0 && g->adopted == 0 && rn_list_empty(&g->spawners);
        g->joining = !done;
        if (done && closes)
                rn_store32(&g->closing, 1);
        rn_scope_unlock(g->scope);
        rn_fired_carry_out(&fired);
        return done;
}

/* Wait for the children, whatever is cancelled. check: is that a deadlock? */
static int group_join(rn_group *g, rn_task *self, int64_t until, bool check, bool closes)
{
        RN_ASSERT(g->owner == self, "the owner of a group waits for its children");
        if (group_all_parted(g, closes))
                return 0;
        rn_doing was = rn_task_doing_for_ever(self, (rn_doing){"the children of the group of", g->place});
        rn_wait wait;
        int rc = rn_wait_begin(self, &(rn_wait_target){.group = g}, check && until == RN_NEVER, &wait);
        while (rc == 0 && !group_all_parted(g, closes)) {
                rn_wait_lend(self, &(rn_wait_target){.group = g}, &wait); /* a child may have come since */
                rc = rn_wait_turn_looking(self, until, false, &wait);
        }
        if (rc == REIN_ETIMEOUT && group_all_parted(g, closes))
                rc = 0; /* they left before the time was looked at: what is there wins */
        rn_wait_end(self, &wait);
        rn_task_doing_for_ever(self, was);
        return rc;
}

int rein_group_join(rein_group *group, rein_time until)
{
        RN_CALL();
        RN_ASKS(group, group);
        rn_task *self = rn_self_if();
        rn_group *g = NULL;
        rn_stretch_spend(self, RN_SPENDS_CALL);
        int rc = group_check_owner(group, "rein_group_join", self, &g);
        if (rc < 0 || !g)
                return rc;
        return group_join(g, self, until.ns, true, false);
}

static rein_error *group_chain_failures(rn_group *g)
{
        rein_error *chain = NULL;
        size_t n = g->failed < RN_GROUP_FAILURES ? g->failed : RN_GROUP_FAILURES;
        while (n--) {
                rein_error *e = g->failures[n];
                if (!e)
                        continue;
                rein_error *linked = rn_error_with_next(e, chain); /* uses chain up, also when it fails */
                chain = linked ? linked : rn_error_ref(e);
                rn_error_unref(e);
                g->failures[n] = NULL;
        }
        return chain;
}

static void group_release(rn_group *g, rn_task *self)
{
        rn_scope *s = g->scope;
        RN_ASSERT(g->owner == self && self->now->scope == s,
                  "the owner of a group closes it, when it is its innermost");
        RN_ASSERT(rn_peek32(&g->closing) && !g->unfinished && !g->foreground && !g->adopted,
                  "a group that is given back has no children, and nobody is inside");
        RN_ASSERT(rn_list_empty(&g->spawners), "nobody waits for a place in a group that is given back");
        for (rn_link *l; (l = rn_list_pop(&g->futures));)
                rein_drop(RN_ITEM(l, rein_future, in_group));
        self->now->scope = s->parent && s->parent->task == self ? s->parent : NULL;
        rn_scope_lock(s);
        s->group = NULL;
        rn_scope_unlock(s);
        rn_slab_give(&rn_world_now()->groups, g);
        rn_scope_leave(s);
}

static bool group_failed_by_policy(const rn_group *g)
{
        switch (g->policy) {
        case REIN_ALL:
        case REIN_ANY:
                return g->failed > 0;
        case REIN_FIRST:
                return g->failed > 0 && !g->succeeded;
        case REIN_EACH:
                break;
        }
        return false;
}

/* It has what it was opened for: a cancel that came then, or came too late, takes nothing away. */
static bool group_succeeded_by_policy(const rn_group *g)
{
        return (g->policy == REIN_FIRST && g->succeeded) || (g->policy == REIN_ANY && g->decided && !g->failed);
}

int rein_group_close(rein_group *group, int rc)
{
        RN_CALL();
        RN_ASKS_ONCE(group, group);
        RN_ASKS(task, NULL);
        handle *h = (handle *)(void *)group;
        rn_task *self = rn_self_if();
        rn_group *g = NULL;
        rn_stretch_spend(self, RN_SPENDS_CALL);
        int wrong = group_check_owner(group, "rein_group_close", self, &g);
        if (wrong < 0)
                return wrong;
        if (h->magic == UNOPENED) {
                if (self ? self->now->unopened > 0 : rn_canceled_without_task())
                        rn_unopened(self, -1);
                h->magic = 0;
                return rn_fail(h->error, "rein_group_close", "the group of %s could not be opened", h->place);
        }
        if (!g || self->now->scope != g->scope || rn_hook_innermost(self))
                return rn_misused("rein_group_close",
                                  "something opened inside the group of %s is still open: close "
                                  "in the reverse order of opening",
                                  h->place);
        rn_scope *s = g->scope;
        if (rc < 0)
                rn_scope_cancel_record(s, "the group's body failed", g->place);
        int stuck = group_join(g, self, RN_NEVER, true, true);
        if (stuck == REIN_EDEADLOCK) { /* told once; the children are cancelled, and must be waited for all the same */
                rein_error *e = rn_trail_take(self, REIN_EDEADLOCK);
                rn_unseen(e);
                rn_error_unref(e);
                rn_scope_cancel_record(s, "waiting for the group's children is a deadlock", g->place);
                group_join(g, self, RN_NEVER, false, true);
        }
        bool concerned =
                (rc == REIN_ECANCELED || g->canceled || g->overtaken) && rn_load64(&s->cancel_at) <= rn_clock();
        int about = rn_scope_translate(s, concerned ? REIN_ECANCELED : 0);
        bool stopped =
                about == REIN_ESTOPPED && g->stopped && (rc < 0 || g->cut_short) && !group_succeeded_by_policy(g);
        bool failed = group_failed_by_policy(g);
        size_t count = g->failed, ended = g->ended;
        const char *place = g->place;
        rein_error *chain = group_chain_failures(g);
        if (failed && (rc >= 0 || rc == REIN_ECANCELED)) {
                rc = rn_fail_because(REIN_EFAILED, chain, place, "%zu of the group's %zu children failed%s", count,
                                     ended, count > RN_GROUP_FAILURES ? " (the first 16 are told)" : "");
        } else if (failed && chain) { /* the body failed by itself; the children's failures stand beside its own */
                rein_error *own = rn_trail_take(self, rc);
                rn_fail_because(rc, chain, place, "%s (and %zu of the group's children failed)",
                                own ? own->text : rein_code_name(rc), count);
                rn_error_unref(own);
        } else {
                rn_error_unref(chain);
                if (rc >= 0 || rc == REIN_ECANCELED) {
                        if (about == REIN_ETIMEOUT || about == REIN_ECANCELED || stopped)
                                rc = about;
                        else if (rc == REIN_ECANCELED)
                                rc = 0; /* the policy's cancel */
                }
        }
        group_release(g, self);
        return rc;
}

void rn_group_force_close(rn_task *t, rn_group *g)
{
        rn_scope_cancel_record(g->scope, "the job that opened the group ended without closing it", g->place);
        group_join(g, t, RN_NEVER, false, true);
        rein_error *chain = group_chain_failures(g);
        rn_unseen(chain);
        rn_error_unref(chain);
        group_release(g, t);
}

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *group_failures_wrong(const rn_group *g)
{
        for (size_t i = g->failed; i < RN_GROUP_FAILURES; i++)
                if (g->failures[i])
                        return "it keeps a failure that it has not counted";
        if (g->failed + g->canceled > g->ended)
                return "more of its children failed or were cancelled than have ended";
        if ((g->policy == REIN_EACH && g->failed) || (g->policy == REIN_ANY && g->failed > 1))
                return "it keeps more failures than its policy knows";
        return NULL;
}

/* Children that are in the tree have not parted. */
static const char *group_children_wrong(const rn_group *g)
{
        size_t seen = 0, here = 0, foreground = 0, inside = 0;
        RN_LIST_EACH(l, &g->scope->children) {
                const rn_scope *s = RN_ITEM(l, rn_scope, sibling);
                const bool child = rn_virtual() && s->work && s->work->group == g; /* its spawner writes that */
                here += child;
                foreground += child && !s->work->background;
                inside += rn_lent_inside(s);
                if (++seen > RN_LIST_ASKED)
                        break;
        }
        if (g->foreground > g->unfinished)
                return "more of its children are in the foreground than there are";
        if (here > g->unfinished || foreground > g->foreground)
                return "more children are in its tree than it counts";
        return inside > g->adopted ? "more threads have adopted it than it counts" : NULL;
}

const char *rn_group_wrong(const rn_group *g)
{
        size_t waiting, kept;
        const char *what = rn_list_wrong(&g->spawners, &waiting);
        if (!what)
                what = rn_list_wrong(&g->futures, &kept);
        if (what)
                return what;
        if (rn_get32(&g->in_slab.generation) % 2 == 0)
                return "it was given back";
        if (g->width < 0 || !g->owner)
                return "it has no owner, or its width is negative";
        if (rn_get32(&g->closing) && (g->unfinished || g->adopted || waiting))
                return "it was closed while somebody was inside";
        what = group_failures_wrong(g);
        return what ? what : group_children_wrong(g);
}

const char *rn_group_ask(const void *group)
{
        const handle *h = group;
        if (!rn_virtual()) {
                const rn_group *g = group_find_locked((rein_group *)(uintptr_t)group);
                const char *what = g ? rn_scope_wrong(g->scope) : NULL;
                if (g)
                        rn_scope_unlock(g->scope);
                return what;
        }
        if (!h || h->magic != OPEN || h->process != rn_generation())
                return NULL;
        const rn_group *g = rn_peekptr(&h->record);
        if (rn_peek32(&g->in_slab.generation) != rn_peek32(&h->generation) || rn_peek32(&g->closing))
                return NULL;
        return rn_scope_ask_record(g->scope, rn_peek32(&g->scope->in_slab.generation));
}

#endif
