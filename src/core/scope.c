/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/adopt.h"
#include "core/group.h"
#include "core/hook.h"
#include "core/task.h"
#include "core/work.h"
#include "core/world.h"
#include "core/text.h"

/* ---- records ---- */

static int64_t scope_later(int64_t at, int64_t span)
{
        if (at == RN_NEVER || at == INT64_MIN)
                return at;
        return span > 0 && at > INT64_MAX - span ? RN_NEVER : at + span;
}

static int64_t scope_inherited(const rn_scope *s)
{
        if (!s->parent)
                return RN_NEVER;
        int64_t at = rn_load64(&s->parent->cancel_at);
        return s->grace >= 0 ? scope_later(at, s->grace) : at;
}

static int64_t scope_earliest(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

/* What is not in the tree yet; nobody has it. self: the running task, or NULL. */
static rn_scope *scope_make(const rn_task *self, rn_scope *parent, rn_task *task, rein_work *work, int64_t until,
                            int64_t grace, const char *place)
{
        rn_scope *s =
                self && self->stocks ? rn_slab_take_by(&self->stocks->scopes) : rn_slab_take(&rn_world_now()->scopes);
        if (!s)
                return NULL;
        RN_ASSERT(!parent || rn_get32(&parent->refs) > 0, "somebody holds the scope in which another one opens");
        RN_ASSERT(!work || !task, "a job's scope gets its task when the job runs");
        if (RN_CHECKING)
                rn_tell32(&s->closed, 1); /* in its first life too nobody is asked before it is whole */
        /* These four pair with the loads in rn_scope_find_locked: a thread that is late and reads one of them reads the
         * generation afterwards, which was raised before. */
        rn_init32(&s->refs, 1);
        s->parent = parent;
        s->inner = NULL;
        rn_list_init(&s->children);
        rn_list_init(&s->hooks);
        s->sibling = (rn_link){0};
        s->task = task;
        s->work = work;
        s->group = NULL;
        s->ticket = NULL;
        s->adoption = NULL;
        s->until = until;
        s->canceled_at = RN_NEVER;
        s->grace = grace;
        s->place = place;
        s->why[0] = 0;
        rn_initptr(&s->family, parent ? rn_scope_head(parent) : s);
        rn_init64(&s->cancel_at, until);
        rn_init32(&s->closed, 0); /* last: now it is whole */
        return s;
}

void rn_scope_link(rn_scope *s)
{
        rn_scope *parent = s->parent, *head = rn_scope_head(s);
        if (!parent)
                return;
        rn_scope_ref(head);
        rn_lock_take(&head->lock);
        RN_ASSERT(!rn_peek32(&parent->closed), "nothing opens below a scope that was left");
        RN_ASSERT(!s->task || !parent->inner, "what a task opens is in the innermost scope of it");
        rn_list_push(&parent->children, &s->sibling);
        if (s->task)
                parent->inner = s;
        rn_store64(&s->cancel_at, scope_earliest(s->until, scope_inherited(s)));
        rn_lock_give(&head->lock);
}

rn_scope *rn_scope_new(rn_scope *parent, rn_task *task, int64_t until, int64_t grace, const char *place)
{
        rn_scope *s = scope_make(task ? task : rn_self_if(), parent, task, NULL, until, grace, place);
        if (s)
                rn_scope_link(s);
        return s;
}

rn_scope *rn_scope_new_root(const rn_task *self, rn_scope *parent, rein_work *work, const char *place)
{
        return scope_make(self, parent, NULL, work, RN_NEVER, -1, place);
}

void rn_scope_ref(rn_scope *s)
{
        RN_ASSERT(rn_get32(&s->refs) > 0, "a scope that gets another holder has one");
        rn_add32(&s->refs, 1);
}

void rn_scope_unref(rn_scope *s)
{
        RN_ASSERT(rn_get32(&s->refs) > 0, "a scope is not let go more often than it was held");
        while (rn_told_sub32(&s->refs) == 0) {
                rn_scope *head = rn_scope_head(s);
                RN_ASSERT(rn_peek32(&s->closed), "a scope that nobody holds was left");
                RN_ASSERT(rn_list_empty(&s->children) && rn_list_empty(&s->hooks) && !rn_linked(&s->sibling),
                          "a scope that is given back is in no tree, and nothing is in it");
                const rn_task *self = rn_self_if();
                if (self && self->stocks)
                        rn_slab_give_by(&self->stocks->scopes, s);
                else
                        rn_slab_give(&rn_world_now()->scopes, s);
                if (head == s)
                        return;
                s = head;
        }
}

void rn_scope_cut(rn_scope *s)
{
        RN_ASSERT(rn_scope_locked(s), "the lock of the family is held");
        if (!s->parent)
                return;
        if (s->parent->inner == s)
                s->parent->inner = NULL;
        if (rn_linked(&s->sibling))
                rn_list_remove(&s->sibling);
        s->parent = NULL;
}

/* What is below a scope that is left was lent. */
static __attribute__((noinline)) void scope_leave_lent(rn_scope *s)
{
        rn_fired fired = {0};
        rn_scope_lock(s);
        rn_lent_end_locked(s, &fired);
        rn_scope_unlock(s);
        rn_fired_carry_out(&fired);
}

void rn_scope_leave(rn_scope *s)
{
        rn_scope_lock(s);
        RN_ASSERT(!rn_peek32(&s->closed), "a scope is left once");
        RN_ASSERT(rn_list_empty(&s->hooks), "no region is open in a scope that is left");
        RN_ASSERT(!s->group, "a group is given back before its scope is left");
        if (s->work) {
                s->work = NULL;
                s->task = NULL;
        }
        if (!rn_list_empty(&s->children)) {
                rn_scope_unlock(s);
                scope_leave_lent(s);
                rn_scope_lock(s);
        }
        RN_ASSERT(rn_list_empty(&s->children), "what is left below a scope when it closes was lent");
        if (s->grace >= 0 && s->parent && s->task)
                rn_hooks_unshield_locked(s->parent); /* regions outside of the shield had their hooks held back */
        rn_scope_cut(s);
        rn_store32(&s->closed, 1);
        rn_scope_unlock(s);
        rn_scope_unref(s);
}

rn_scope *rn_scope_find_locked(rn_scope *record, uint32_t generation)
{
        while (record && rn_slab_generation(&record->in_slab) == generation) {
                rn_scope *head = rn_loadptr(&record->family);
                rn_lock_take(&head->lock);
                /* `closed` first: if the generation is right afterwards, it was read from this life of the record. */
                bool open = !rn_load32(&record->closed), same = rn_loadptr(&record->family) == head;
                if (open && same && rn_slab_generation(&record->in_slab) == generation)
                        return record;
                rn_lock_give(&head->lock);
                if (same)
                        break;
        }
        return NULL;
}

bool rn_scope_within(const rn_scope *s, const rn_scope *above)
{
        for (; s; s = s->parent)
                if (s == above)
                        return true;
        return false;
}

/* ---- cancelling ---- */

void rn_scope_whoami(char out[RN_WHO_TEXT])
{
        rn_task *t = rn_self_if();
        if (t && t->now->work)
                rn_work_describe(t->now->work, out, RN_WHO_TEXT);
        else
                rn_text_copy(out, RN_WHO_TEXT, "a plain thread");
}

/* The next of the tree below top, parents first; skip: leave out what is below s. */
static rn_scope *scope_walk(rn_scope *top, rn_scope *s, bool skip)
{
        rn_link *l = skip ? NULL : rn_list_first(&s->children);
        while (!l) {
                if (s == top)
                        return NULL;
                rn_link *next = s->sibling.next;
                if (next != &s->parent->children)
                        l = next;
                else
                        s = s->parent;
        }
        return RN_ITEM(l, rn_scope, sibling);
}

static void scope_lower(rn_scope *s, int64_t at, int64_t now, rn_fired *fired)
{
        RN_ASSERT(at < rn_peek64(&s->cancel_at), "the time of a cancel only falls");
        rn_told_release(&s->cancel_at);
        rn_store64(&s->cancel_at, at);
        if (s->work)
                rn_work_canceled_locked(s->work, at <= now, fired);
        if (s->task && !s->inner)
                rn_unpark(s->task);
        if (s->group)
                rn_group_wake_spawners(s->group);
}

void rn_scope_cancel_locked(rn_scope *top, const char *why, const char *who, const char *place, rn_fired *fired)
{
        int64_t now = rn_clock();
        RN_ASSERT(rn_scope_locked(top), "the lock of the family is held");
        if (top->canceled_at != RN_NEVER || rn_load32(&top->closed))
                return;
        top->canceled_at = now;
        top->canceled_from = place;
        rn_text_copy(top->why, sizeof top->why, why ? why : "cancelled");
        rn_text_copy(top->who, sizeof top->who, who ? who : "");
        if (now >= rn_load64(&top->cancel_at))
                return; /* its inside is cancelled already, by an earlier deadline or from above */
        for (rn_scope *s = top, *next; s; s = next) {
                int64_t at = s == top ? now : scope_inherited(s);
                bool lowers = at < rn_load64(&s->cancel_at);
                if (lowers)
                        scope_lower(s, at, now, fired);
                next = scope_walk(top, s, !lowers);
        }
        for (rn_scope *s = top; s; s = scope_walk(top, s, false))
                rn_hooks_strike_locked(s, now, &fired->hooks);
        if (fired->unstarted)
                rn_scope_reason_locked(top, fired->reason, sizeof fired->reason);
}

void rn_fired_carry_out(rn_fired *fired)
{
        rn_hooks_hit(fired->hooks);
        fired->hooks = NULL;
        rn_works_never(fired->unstarted, REIN_ECANCELED, fired->reason);
        fired->unstarted = NULL;
}

void rn_scope_cancel_record(rn_scope *s, const char *why, const char *place)
{
        rn_fired fired = {0};
        char who[RN_WHO_TEXT];
        rn_scope_whoami(who);
        rn_scope_lock(s);
        rn_scope_cancel_locked(s, why, who, place, &fired);
        rn_scope_unlock(s);
        rn_fired_carry_out(&fired);
}

/* ---- reasons ---- */

rn_scope *rn_scope_culprit_locked(rn_scope *s)
{
        RN_ASSERT(rn_scope_locked(s), "the lock of the family is held");
        int64_t now = rn_clock(), held_back = 0, best = RN_NEVER;
        rn_scope *culprit = NULL;
        for (; s; s = s->parent) {
                int64_t at = scope_later(scope_earliest(s->until, s->canceled_at), held_back);
                if (at <= now && at < best) {
                        best = at;
                        culprit = s;
                }
                if (s->grace >= 0)
                        held_back = scope_later(held_back, s->grace);
        }
        return culprit;
}

void rn_scope_reason_locked(rn_scope *s, char *out, size_t n)
{
        out[0] = 0;
        rn_scope *c = rn_scope_culprit_locked(s);
        if (!c)
                return;
        if (c->canceled_at < c->until || c->until == RN_NEVER)
                snprintf(out, n, "%s (by %s%s%s)", c->why, c->who[0] ? c->who : "rein", c->canceled_from ? ", " : "",
                         c->canceled_from ? rn_base_name(c->canceled_from) : "");
        else if (c->work)
                snprintf(out, n, "its time limit passed (submitted at %s)", rn_base_name(c->place));
        else
                snprintf(out, n, "the deadline of the %s opened at %s passed", c->group ? "group" : "scope",
                         rn_base_name(c->place));
}

const char *rein_why(void)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        rn_task *t = rn_self_if();
        if (t ? t->now->unopened > 0 : rn_canceled_without_task())
                return "no memory to open a scope";
        if (!t)
                return NULL;
        rn_scope *s = t->now->scope;
        if (!s || !rn_canceled(t))
                return NULL;
        rn_scope_lock(s);
        rn_scope_reason_locked(s, t->why, sizeof t->why);
        rn_scope_unlock(s);
        return t->why[0] ? t->why : NULL;
}

int rein_checkpoint(void)
{
        RN_CALL();
        rn_task *t = rn_self_if();
        return (t ? rn_canceled(t) : rn_canceled_without_task()) ? REIN_ECANCELED : 0;
}

int rn_scope_translate(rn_scope *s, int rc)
{
        if (rc != REIN_ECANCELED)
                return rc;
        rn_scope_lock(s);
        int64_t now = rn_clock();
        if (scope_inherited(s) > now || !s->parent) {
                if (s->canceled_at < s->until && s->canceled_at <= now)
                        rc = REIN_ESTOPPED;
                else if (s->until <= now)
                        rc = REIN_ETIMEOUT;
        }
        rn_scope_unlock(s);
        return rc;
}

/* ---- the public calls ---- */

typedef struct handle {
        rn_aptr record;
        rn_a32 generation;
        uint32_t magic, process;
        rn_opener opener;
        const char *place;
} handle;

_Static_assert(sizeof(handle) <= sizeof(rein_scope), "rein_scope has room for its handle");

enum { OPEN = 0x5c09e001, UNOPENED = 0x5c09e002 };

static void scope_open(const char *place, rein_scope *s, int64_t until, int64_t grace)
{
        handle *h = (handle *)(void *)s;
        rn_task *self = rn_self();
        rn_scope *record = self ? rn_scope_new(self->now->scope, self, until, grace, place) : NULL;
        h->opener = rn_opener_of(self);
        h->process = rn_generation();
        h->place = place;
        h->magic = record ? OPEN : UNOPENED;
        rn_storeptr(&h->record, record);
        rn_store32(&h->generation, record ? rn_slab_generation(&record->in_slab) : 0);
        if (record)
                self->now->scope = record;
        else
                rn_unopened(self, 1);
}

void rein_scope_open_at(const char *place, rein_scope *s, rein_time until)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        scope_open(place, s, until.ns, -1);
}

void rein_shield_open_at(const char *place, rein_scope *s, int64_t grace_ns)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        scope_open(place, s, RN_NEVER, grace_ns < 0 ? 0 : grace_ns);
        const rn_task *self = rn_self_if();
        if (self && self->now->hook)
                rn_hooks_wait_struck(self);
}

void rein_scope_cancel_at(const char *place, rein_scope *s, const char *why)
{
        RN_CALL();
        RN_ASKS_ONCE(scope, s);
        handle *h = (handle *)(void *)s;
        if (!s || h->magic != OPEN || h->process != rn_generation())
                return;
        rn_fired fired = {0};
        char who[RN_WHO_TEXT];
        rn_scope_whoami(who);
        rn_scope *record = rn_scope_find_locked(rn_loadptr(&h->record), rn_load32(&h->generation));
        if (!record)
                return;
        rn_scope_cancel_locked(record, why, who, place, &fired);
        rn_scope_unlock(record);
        rn_fired_carry_out(&fired);
}

int rein_scope_close(rein_scope *s, int rc)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        handle *h = (handle *)(void *)s;
        rn_task *self = rn_self_if();
        if (!s || (h->magic != OPEN && h->magic != UNOPENED))
                return rn_misused("rein_scope_close", "this scope was never opened, or is closed");
        if (h->process != rn_generation() || !rn_opened_by(&h->opener, self))
                return rn_misused("rein_scope_close",
                                  "the scope opened at %s belongs to another task: the task that "
                                  "opens a scope closes it",
                                  h->place);
        if (h->magic == UNOPENED) {
                if (self ? self->now->unopened > 0 : rn_canceled_without_task())
                        rn_unopened(self, -1);
                h->magic = 0;
                return -ENOMEM;
        }
        rn_scope *record = rn_loadptr(&h->record);
        if (rn_slab_generation(&record->in_slab) != rn_load32(&h->generation) || rn_load32(&record->closed))
                return rn_misused("rein_scope_close", "the scope opened at %s is closed already", h->place);
        if (self->now->scope != record || record->group || rn_hook_innermost(self))
                return rn_misused("rein_scope_close",
                                  "something opened inside the scope of %s is still open: close "
                                  "in the reverse order of opening",
                                  h->place);
        rc = rn_scope_translate(record, rc);
        self->now->scope = record->parent && record->parent->task == self ? record->parent : NULL;
        rn_scope_leave(record);
        return rc;
}

int rein_within_at(const char *place, rein_time until, rein_fn fn, void *arg)
{
        RN_ASKS(task, NULL);
        rein_scope s;
        if (!fn)
                return rn_fail(-EINVAL, "rein_within", "no function to run");
        rein_scope_open_at(place, &s, until);
        return rein_scope_close(&s, rein_checkpoint() < 0 ? REIN_ECANCELED : fn(arg));
}

/* ---- what a job left open ---- */

int rn_scope_unwind(rn_task *t, rn_scope *base, char *text, size_t n)
{
        int count = 0;
        for (rn_held *m; (m = t->now->held); count++) {
                if (text && count == 0)
                        snprintf(text, n, "a mutex locked at %s still locked: unlock it on every path", m->place);
                m->give(m);
        }
        for (;;) {
                rn_hook *h = rn_hook_innermost(t);
                rn_scope *s = t->now->scope;
                const char *what = h                  ? "hook region"
                                   : s && s->group    ? "group"
                                   : s && s->adoption ? "adoption"
                                                      : "scope";
                if (!h && (!s || s == base))
                        break;
                if (text && count == 0)
                        snprintf(text, n, "%s %s opened at %s still open: close it on every path",
                                 what[0] == 'a' ? "an" : "a", what, h ? h->place : s->place);
                count++;
                if (h) {
                        rn_hook_finish(t, h);
                } else if (s->group) {
                        rn_group_force_close(t, s->group);
                } else if (s->adoption) {
                        rn_adoption_end(t, s->adoption);
                } else {
                        t->now->scope = s->parent && (s->parent == base || s->parent->task == t) ? s->parent : NULL;
                        rn_scope_leave(s);
                }
        }
        return count;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

bool rn_scope_is_open(const rn_scope *s)
{
        return rn_get32(&s->in_slab.generation) % 2 && !rn_get32(&s->closed) && rn_getptr(&s->family) &&
               s->children.next;
}

/* What comes down to s: as scope_inherited(), without a point of the exploring build. */
static int64_t scope_comes_down(const rn_scope *s)
{
        const int64_t at = s->parent ? rn_get64(&s->parent->cancel_at) : RN_NEVER;
        return s->grace >= 0 ? scope_later(at, s->grace) : at;
}

static const char *scope_time_wrong(const rn_scope *s)
{
        const int64_t at = rn_get64(&s->cancel_at), own = scope_earliest(s->until, s->canceled_at);
        if (at > own)
                return "it is cancelled later than by its own deadline or cancel";
        if (at > scope_comes_down(s))
                return "it is cancelled later than what is above it";
        if (at < own && at < scope_comes_down(s))
                return "it is cancelled, and nothing that could be the reason says so";
        return NULL;
}

static const char *scope_place_wrong(const rn_scope *s, const rn_scope *head)
{
        const rn_scope *p = s->parent;
        if (!p)
                return "a scope without a parent is among somebody's children";
        if (rn_get32(&p->closed))
                return "a scope was left before what is inside of it";
        if (rn_getptr(&p->family) != head)
                return "its parent is of another family";
        if (s->sibling.prev->next != &s->sibling || s->sibling.next->prev != &s->sibling)
                return "it and its siblings do not point to each other";
        return scope_time_wrong(s);
}

static const char *scope_inside_wrong(const rn_scope *s)
{
        size_t n;
        const char *what = rn_list_wrong(&s->children, &n);
        if (!what)
                what = rn_list_wrong(&s->hooks, &n);
        if (what)
                return what;
        size_t seen = 0;
        bool inner = !s->inner;
        RN_LIST_EACH(l, &s->children) {
                const rn_scope *c = RN_ITEM(l, rn_scope, sibling);
                inner |= c == s->inner;
                if (c->parent != s)
                        return "a child of it has another parent";
                if (++seen > RN_LIST_ASKED)
                        return NULL;
        }
        if (!inner)
                return "what its task opened inside of it is none of its children";
        return s->inner && s->inner->task != s->task ? "what was opened inside of it is another task's" : NULL;
}

static const char *scope_hooks_wrong(const rn_scope *s)
{
        size_t seen = 0;
        RN_LIST_EACH(l, &s->hooks) {
                const rn_hook *h = RN_ITEM(l, rn_hook, link);
                const char *what = rn_getptr(&h->scope) != s ? "a region in its list was opened in another scope"
                                                             : rn_hook_wrong(h);
                if (what || ++seen > RN_LIST_ASKED)
                        return what;
        }
        return NULL;
}

const char *rn_scope_wrong(const rn_scope *s)
{
        const rn_scope *head = rn_getptr(&s->family);
        if (!rn_get32(&s->refs))
                return "nobody holds it, and it was not given back";
        if (rn_get32(&head->in_slab.generation) % 2 == 0 || rn_getptr(&head->family) != head)
                return "the head of its family is none";
        /* What was cut off has kept the time that came from above. */
        const char *what = rn_linked(&s->sibling) ? scope_place_wrong(s, head) : s == head ? scope_time_wrong(s) : NULL;
        if (!what)
                what = scope_inside_wrong(s);
        if (!what)
                what = scope_hooks_wrong(s);
        if (!what && s->group && s->group->scope != s)
                what = "its group has another scope";
        if (!what && s->group)
                what = rn_group_wrong(s->group);
        return what ? what : rn_lent_wrong(s);
}

const char *rn_tree_wrong(const rn_scope *top)
{
        size_t members = 0;
        const char *what = NULL;
        const rn_scope *head = rn_getptr(&top->family);
        rn_scope *from = (rn_scope *)(uintptr_t)top;
        for (rn_scope *s = from; s && !what && members <= RN_LIST_ASKED; s = scope_walk(from, s, false), members++)
                what = rn_scope_wrong(s);
        if (!what && members > rn_get32(&head->refs))
                what = "its family has more members than hold its head";
        return what;
}

const char *rn_scope_ask_record(rn_scope *s, uint32_t generation)
{
        if (!rn_virtual()) {
                s = rn_scope_find_locked(s, generation);
        } else if (s) { /* without a step */
                const rn_scope *head = rn_peekptr(&s->family);
                const bool same = rn_peek32(&s->in_slab.generation) == generation && rn_scope_is_open(s);
                s = same && rn_ask_alone(&head->lock) ? s : NULL;
        }
        const char *what = s ? rn_scope_wrong(s) : NULL;
        if (s && !rn_virtual())
                rn_scope_unlock(s);
        return what;
}

const char *rn_scope_ask(const void *scope)
{
        const handle *h = scope;
        if (!h || h->magic != OPEN || h->process != rn_generation())
                return NULL;
        return rn_scope_ask_record(rn_peekptr(&h->record), rn_peek32(&h->generation));
}

#endif
