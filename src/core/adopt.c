/* SPDX-License-Identifier: Apache-2.0 */
#include "core/adopt.h"

#include <errno.h>

#include "core/context.h"
#include "core/group.h"
#include "core/handle.h"
#include "core/hook.h"
#include "core/scope.h"

typedef struct handle {
        rn_adoption *adoption;
        rn_task *task;
        uint32_t magic, process;
} handle;

_Static_assert(sizeof(handle) <= sizeof(rein_adopted), "rein_adopted has room for its handle");

enum { INSIDE = 0x2d097001 };

/* ---- lending ---- */

static rein_ticket *ticket_lend(const char *place, const rn_task *self, rn_scope *scope, bool of_group)
{
        rein_ticket *t = rn_alloc(sizeof *t);
        rn_scope *lent = t ? rn_scope_new(scope, NULL, RN_NEVER, -1, place) : NULL;
        if (!lent) {
                rn_free(t);
                return NULL;
        }
        rn_store32(&t->refs, 1);
        t->process = rn_generation();
        t->scope = lent;
        t->context = rn_context_ref(self->now->context);
        t->place = place;
        t->of_group = of_group;
        rn_scope_lock(lent);
        lent->ticket = t;
        rn_scope_unlock(lent);
        return t;
}

rein_ticket *rein_scope_lend_at(const char *place)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        rn_task *self = rn_self();
        return self && !self->now->unopened ? ticket_lend(place, self, self->now->scope, false) : NULL;
}

rein_ticket *rein_group_lend_at(const char *place, rein_group *group)
{
        RN_CALL();
        RN_ASKS_ONCE(group, group);
        rn_task *self = rn_self();
        rn_scope *s = self ? rn_group_hold(group) : NULL;
        if (self && !s)
                rn_fail(-EPERM, place, "rein_group_lend: the group is not open, or being closed");
        rein_ticket *t = s ? ticket_lend(place, self, s, true) : NULL;
        if (s)
                rn_group_let_go(s);
        return t;
}

/* One from before a fork may be held and dropped: its tree is not here. */
static bool ticket_may(const rein_ticket *t, const char *call)
{
        if (t && t->process == RN_GIVEN_BACK)
                rn_handle_refused(t->process, call, (rn_handle_words){"the ticket", "dropped"}, NULL);
        return t && t->process != RN_GIVEN_BACK;
}

rein_ticket *rein_ticket_ref(rein_ticket *t)
{
        RN_ASKS(ticket, t);
        if (ticket_may(t, "rein_ticket_ref"))
                rn_add32(&t->refs, 1);
        return t;
}

void rein_ticket_drop(rein_ticket *t)
{
        RN_CALL();
        RN_ASKS_ONCE(ticket, t);
        const uint32_t left = ticket_may(t, "rein_ticket_drop") ? rn_told_sub32(&t->refs) : 1;
        RN_ASSERT(left < INT32_MAX, "a ticket is not dropped more often than it was held");
        if (left != 0)
                return;
        if (t->process == rn_generation()) { /* else it is of a tree that is not here */
                rn_scope_lock(t->scope);
                t->scope->ticket = NULL;
                rn_scope_cut(t->scope); /* at once: a close of what was lent does not see it any more */
                rn_scope_unlock(t->scope);
                rn_scope_leave(t->scope);
                rn_context_unref(t->context);
        }
        t->process = RN_GIVEN_BACK;
        rn_retire(t);
}

void rn_lent_end_locked(rn_scope *s, rn_fired *fired)
{
        RN_ASSERT(rn_scope_locked(s), "the lock of the family is held");
        rn_link *next;
        for (rn_link *l = s->children.next; l != &s->children; l = next) {
                rn_scope *lent = RN_ITEM(l, rn_scope, sibling);
                next = l->next;
                if (!lent->ticket)
                        continue;
                lent->ticket->over = true;
                rn_scope_cancel_locked(lent, "the scope that was lent is closed", NULL, s->place, fired);
                rn_scope_cut(lent);
        }
}

/* ---- adopting ---- */

static bool ticket_over_locked(const rein_ticket *t)
{
        RN_ASSERT(rn_scope_locked(t->scope), "the lock of the family is held");
        const rn_scope *of = t->scope->parent;
        RN_ASSERT(t->over || of || rn_peekptr(&t->scope->family) == t->scope, "what was lent is below what it is of");
        return t->over || (t->of_group && (!of->group || of->group->closed_to_foreign));
}

/* 0: and a group that was lent does not end before leave_group. */
static int ticket_come_in(rein_ticket *t)
{
        rn_scope_lock(t->scope);
        int rc = ticket_over_locked(t) ? -ESTALE : 0;
        if (rc == 0 && t->of_group)
                t->scope->parent->group->adopted++;
        rn_scope_unlock(t->scope);
        return rc;
}

static void ticket_go_out(rein_ticket *t)
{
        RN_ASSERT(!t->of_group || t->scope->parent, "a group that was lent stays while somebody is inside");
        if (t->of_group)
                rn_group_let_go(t->scope->parent); /* it is there: it waits for this */
}

static void adoption_take_place(rn_task *self, rn_adoption *a)
{
        rn_ambient *now = self->now;
        a->was = *now;
        now->scope = a->scope;
        now->hook = NULL;
        now->context = rn_context_ref(a->ticket->context);
        now->trail = NULL;
        now->unopened = 0;
        self->inline_depth++; /* its errors have a reserve of their own */
}

static void adoption_give_place_back(rn_task *self, rn_adoption *a)
{
        rn_ambient *now = self->now;
        RN_ASSERT(now->scope == a->scope && !now->hook, "an adoption that ends is the innermost thing that is open");
        RN_ASSERT(self->inline_depth > 0, "an adoption is counted");
        rn_context *context = now->context;
        rn_error_set(&now->trail, NULL);
        self->inline_depth--;
        now->scope = a->was.scope;
        now->hook = a->was.hook;
        now->context = a->was.context;
        now->trail = a->was.trail;
        now->unopened = a->was.unopened;
        rn_context_unref(context);
}

static int adoption_begin(const char *place, rn_task *self, rein_ticket *t, rn_adoption **out)
{
        rn_adoption *a = rn_alloc(sizeof *a);
        rn_scope *s = a ? rn_scope_new(t->scope, NULL, RN_NEVER, -1, place) : NULL;
        if (!s) {
                rn_free(a);
                return -ENOMEM;
        }
        a->ticket = rein_ticket_ref(t);
        a->scope = s;
        a->place = place;
        rn_scope_lock(s); /* if it is over by now, s was born cancelled */
        s->task = self;
        s->adoption = a;
        rn_scope_unlock(s);
        adoption_take_place(self, a);
        *out = a;
        return 0;
}

int rein_adopt_at(const char *place, rein_ticket *t, rein_adopted *adopted)
{
        RN_CALL();
        RN_ASKS(ticket, t);
        handle *h = (handle *)(void *)adopted;
        if (!t || !h)
                return rn_fail(-EINVAL, place, "rein_adopt: a ticket and a place for what it opens are needed");
        *h = (handle){.magic = 0};
        if (!ticket_may(t, "rein_adopt"))
                return -EPERM;
        if (t->process != rn_generation())
                return rn_misused(place, "rein_adopt: the ticket was made before the fork");
        rn_task *self = rn_self();
        int rc = self ? ticket_come_in(t) : -ENOMEM;
        if (rc < 0)
                return rc;
        rc = adoption_begin(place, self, t, &h->adoption);
        if (rc < 0) {
                ticket_go_out(t);
                return rc;
        }
        h->task = self;
        h->process = t->process;
        h->magic = INSIDE;
        return 0;
}

const char *rn_adoption_place(const rn_adoption *a)
{
        return a->place;
}

void rn_adoption_end(rn_task *t, rn_adoption *a)
{
        rein_ticket *ticket = a->ticket;
        adoption_give_place_back(t, a);
        rn_scope_leave(a->scope);
        ticket_go_out(ticket);
        rn_free(a);
        rein_ticket_drop(ticket);
}

int rein_return(rein_adopted *adopted, int rc)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        handle *h = (handle *)(void *)adopted;
        rn_task *self = rn_self_if();
        if (!h || h->magic != INSIDE || h->process != rn_generation())
                return rn_misused("rein_return", "nothing was adopted here, or it was returned already");
        if (!self || self != h->task)
                return rn_misused("rein_return", "what another thread has adopted: the thread that adopts returns it");
        const rn_adoption *a = h->adoption;
        if (self->now->scope != a->scope || rn_hook_innermost(self) || self->now->unopened)
                return rn_misused("rein_return",
                                  "something opened since the adoption at %s is still open: close in the reverse order "
                                  "of opening",
                                  a->place);
        rein_error *trail = rc < 0 ? rn_error_ref(self->now->trail) : NULL;
        h->magic = 0;
        rn_adoption_end(self, h->adoption);
        if (trail)
                rn_error_set(&self->now->trail, trail);
        return rc;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

const char *rn_lent_wrong(const rn_scope *s)
{
        const rein_ticket *t = s->ticket;
        if (t && (t->scope != s || s->task))
                return "what was lent is not what its ticket stands for";
        if (t && !s->parent && rn_peekptr(&s->family) != s && !t->over)
                return "what was lent is cut off, and its ticket is not over";
        const rn_adoption *a = s->adoption;
        if (a && (a->scope != s || !s->task))
                return "the scope of an adoption has another one, or no task";
        return a && s->parent && s->parent->ticket != a->ticket ? "an adoption is not below what it adopted" : NULL;
}

size_t rn_lent_inside(const rn_scope *s)
{
        size_t n = 0;
        if (!s->ticket || !s->ticket->of_group)
                return 0;
        RN_LIST_EACH(l, &s->children)
                n += RN_ITEM(l, rn_scope, sibling)->adoption != NULL;
        return n;
}

const char *rn_ticket_ask(const void *record)
{
        const rein_ticket *t = record;
        if (!t || t->process != rn_generation())
                return NULL;
        if (!rn_peek32(&t->refs) || rn_peek32(&t->refs) > INT32_MAX)
                return "a ticket is used after its last holder dropped it";
        return rn_scope_ask_record(t->scope, rn_peek32(&t->scope->in_slab.generation));
}

#endif
