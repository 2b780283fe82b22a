/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: a scope with children. All of a group's fields are under its scope's family lock.
 *
 * A child is counted from before its work is made until it *parts*: until it is gone, or, if it may be abandoned, has
 * settled. Then its failure, if it is one, is kept (the first 16 whole), the policy is applied, and its memory goes:
 * the group knows only the children that are still there, through its scope's tree, and those whose futures it keeps. */
#ifndef RN_CORE_GROUP_H
#define RN_CORE_GROUP_H

#include "core/scope.h"
#include "core/work.h"
#include "rein/group.h"

enum { RN_GROUP_FAILURES = 16 };

typedef struct rn_group {
        rn_slab_item in_slab;
        rn_scope *scope;
        rn_aptr found; /* the same, for a caller that comes by the handle and may come late */
        rn_task *owner;
        rein_policy policy;
        int width;
        size_t unfinished, foreground; /* children; those that are not in the background */
        size_t failed, canceled, ended;
        bool succeeded, decided; /* FIRST: there was a success. ANY: there was an end */
        bool joining;            /* the owner waits for the children */
        size_t adopted;          /* foreign threads inside (adopt.h), and who is about to lend it */
        bool closed_to_foreign;  /* its close has begun */
        bool overtaken;          /* a child was still there when the group was cancelled */
        bool stopped;            /* by rein_group_cancel */
        bool cut_short;          /* a child, not one in the background, was still there then, or came later */
        rn_a32 closing;          /* being given back */
        rein_error *failures[RN_GROUP_FAILURES];
        rn_link futures;
        rn_link spawners; /* rn_sleeper: they wait for a place */
        const char *place;
} rn_group;

bool rn_group_child_parts(rein_work *w); /* true: its owner slept */
void rn_group_wake_spawners(rn_group *g);
/* Not closed before let_go: its scope. NULL: it is not open, or its close has begun. */
rn_scope *rn_group_hold(rein_group *group);
void rn_group_let_go(rn_scope *s);
void rn_group_force_close(rn_task *t, rn_group *g); /* a job left it open */

/* Family lock held, or alone. */
const char *rn_group_wrong(const rn_group *g);
const char *rn_group_ask(const void *handle); /* asks.h: a rein_group */

#endif
