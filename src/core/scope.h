/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes: a tree of records, and in each the moment from which its inside is cancelled.
 *
 * The public rein_scope on a stack is a handle: a pointer to a record here and its generation. Records live in a slab,
 * so that a cancel that comes after the close finds another generation and goes away.
 *
 * A *family* is a tree of scopes: its head is the outermost one, and the head's lock guards the whole tree: links,
 * regions, groups, reasons. One lock a family keeps a cancel simple: it walks the tree once. Members count the head.
 *
 * cancel_at, the heart: min(own deadline, own cancel, parent's cancel_at), where a shield adds its grace to what comes
 * from the parent. It only ever falls. Deadlines need nobody to walk: they are in cancel_at from the opening on, and
 * sleepers sleep no longer than that. An explicit cancel lowers it down the tree, and meanwhile
 *      - unparks each task whose innermost scope was reached,
 *      - strikes the hook regions (hook.h),
 *      - takes the jobs that have not started out of the world (work.h);
 * the last two run user code, so they are collected in rn_fired and done once the lock is given back.
 *
 * `inner` is the scope that the same task opened inside; following it finds what the task is in right now, which
 * decides whether a shield holds a region's hook back. */
#ifndef RN_CORE_SCOPE_H
#define RN_CORE_SCOPE_H

#include "core/asks.h"
#include "core/list.h"
#include "core/slab.h"
#include "core/task.h"
#include "rein/scope.h"

struct rn_task;
struct rn_hook;
struct rn_group;
struct rein_work;

enum { RN_WHY_TEXT = 96, RN_WHO_TEXT = 48 };
_Static_assert(RN_REASON_TEXT >= RN_WHY_TEXT + RN_WHO_TEXT + 144, "a reason has room for its parts and a place");

typedef struct rn_scope {
        rn_slab_item in_slab;
        rn_lock lock;   /* the family's, when this is its head; kept across generations */
        rn_aptr family; /* the head */
        rn_a32 refs;    /* its opener, and of a head each member */
        struct rn_scope *parent, *inner;
        rn_link children, sibling, hooks;
        struct rn_task *task;         /* who runs in it; NULL: a job that has not started */
        struct rein_work *work;       /* of a job's root scope */
        struct rn_group *group;       /* of a group's scope */
        struct rein_ticket *ticket;   /* adopt.h: it stands for what was lent, */
        struct rn_adoption *adoption; /* or is the scope of one who adopted that */
        rn_a64 cancel_at;
        int64_t until, canceled_at; /* own deadline, own cancel */
        int64_t grace;              /* of a shield; -1: not a shield */
        rn_a32 closed;
        const char *place;
        const char *canceled_from; /* place of the cancel */
        char why[RN_WHY_TEXT], who[RN_WHO_TEXT];
} rn_scope;

/* What a cancel set in motion, to be carried out without locks. */
typedef struct rn_fired {
        struct rn_hook *hooks;
        struct rein_work *unstarted; /* each with a reference */
        char reason[RN_REASON_TEXT];
} rn_fired;

static inline rn_scope *rn_scope_head(rn_scope *s)
{
        return rn_loadptr(&s->family);
}

/* For assertions: is the lock of its family held? */
static inline bool rn_scope_locked(const rn_scope *s)
{
        return rn_lock_held(&((const rn_scope *)rn_peekptr(&s->family))->lock);
}

static inline void rn_scope_lock(rn_scope *s)
{
        rn_lock_take(&rn_scope_head(s)->lock);
}

static inline void rn_scope_unlock(rn_scope *s)
{
        rn_lock_give(&rn_scope_head(s)->lock);
}

/* A scope below parent (NULL: the head of a new family), linked. task: who runs in it, and then parent is its innermost
 * scope; NULL: a job's, to be started later. grace -1: no shield. NULL: no memory. */
rn_scope *rn_scope_new(rn_scope *parent, struct rn_task *task, int64_t until, int64_t grace, const char *place);
/* The root scope of a job that has not started, not linked yet: nothing reaches work before rn_scope_link. self: the
 * running task, or NULL. */
rn_scope *rn_scope_new_root(const struct rn_task *self, rn_scope *parent, struct rein_work *work, const char *place);
void rn_scope_link(rn_scope *s);
/* Out of the tree. The record goes when the last member of its family has. Close nothing inside afterwards. */
void rn_scope_leave(rn_scope *s);

void rn_scope_ref(rn_scope *s);
void rn_scope_unref(rn_scope *s);

/* Out of the tree, although its job runs on (abandoned): nothing above may reach it any more. Family lock held. */
void rn_scope_cut(rn_scope *s);

/* Cancel s and what is below. Family lock held; afterwards give it back and call rn_fired_carry_out. */
void rn_scope_cancel_locked(rn_scope *s, const char *why, const char *who, const char *place, rn_fired *fired);
void rn_scope_cancel_record(rn_scope *s, const char *why, const char *place); /* all of it */
void rn_fired_carry_out(rn_fired *fired);

/* What runs right now, for cancel reasons: "job 'x' on pool 'y'", "a plain thread". */
void rn_scope_whoami(char out[RN_WHO_TEXT]);

/* The reason why s is cancelled, in one line. Family lock held. Empty: it is not. */
void rn_scope_reason_locked(rn_scope *s, char *out, size_t n);
/* The scope that is the reason, s or one above; NULL: not cancelled. Family lock held. */
rn_scope *rn_scope_culprit_locked(rn_scope *s);

/* Turn a cancel of s itself into its own code, as rein_scope_close does. */
int rn_scope_translate(rn_scope *s, int rc);

/* The record behind a handle, its family locked; NULL: closed. */
rn_scope *rn_scope_find_locked(rn_scope *record, uint32_t generation);

/* Force closed what a job left open above `base` (groups are cancelled and joined). The first thing found is described
 * in text, if text is given. Returns how many there were. */
int rn_scope_unwind(struct rn_task *t, rn_scope *base, char *text, size_t n);

/* Is s, or one above it, `above`? Family lock held: an abandon may cut the chain. */
bool rn_scope_within(const rn_scope *s, const rn_scope *above);

/* Is this record a scope that is open? Not: it is free, left, or being made. */
bool rn_scope_is_open(const rn_scope *s);
/* Family lock held, or alone. Of an open one, and with what stands in its lists. */
const char *rn_scope_wrong(const rn_scope *s);
/* The same of it and all that is below: of a family's head, or of what was cut off. */
const char *rn_tree_wrong(const rn_scope *top);
const char *rn_scope_ask(const void *handle); /* asks.h: a rein_scope */
/* For the asking nouns that have a scope: s, whose generation was this one. */
const char *rn_scope_ask_record(rn_scope *s, uint32_t generation);

#endif
