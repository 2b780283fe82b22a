/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets and adoptions.
 *
 * What a ticket lends is a record in the tree of scopes: a child, without a task, of the scope that was lent. So cancels
 * and deadlines come by the tree. Each adoption is a scope below that one, whose task is who adopted.
 *
 *      the ticket     LENT ----> OVER       by the close of its scope (rn_scope_leave), or of its group, from its call on
 *      an adoption    INSIDE ----> RETURNED
 *                        |            ^
 *                        v            |
 *                     CUT OFF --------+     its scope was closed meanwhile: cancelled first, then out of the tree
 *
 * LENT -> OVER and each step of coming INSIDE are under the family's lock, so who adopts is refused, or is inside in time
 * to be cancelled. A group that was lent is not closed before `adopted`, its count of those inside, is 0: there is no CUT OFF.
 *
 * The memory: a holder's reference each, and an adoption's. The record in the tree is the ticket's. It counts the head of
 * the family, whose lock is there as long as somebody may take it.
 *
 * An adoption takes the place of what its task had in `now`, and keeps that: scope, region, context, trail, unopened. The
 * record is not in the caller's stack, because a thread may end without a return, and then its stack says nothing. */
#ifndef RN_CORE_ADOPT_H
#define RN_CORE_ADOPT_H

#include "core/task.h"
#include "rein/adopt.h"

typedef struct rn_adoption rn_adoption;

struct rein_ticket {
        rn_a32 refs;
        uint32_t process;
        struct rn_scope *scope; /* what is lent: a child of it */
        struct rn_context *context;
        const char *place;
        bool of_group;
        bool over; /* family lock */
};

struct rn_adoption {
        rein_ticket *ticket; /* a reference */
        struct rn_scope *scope;
        rn_ambient was; /* of these: scope, hook, context, trail, unopened */
        const char *place;
};

/* For scope.c: s is being left; end what was lent of it. Family locked; carry `fired` out afterwards. */
struct rn_fired;
void rn_lent_end_locked(struct rn_scope *s, struct rn_fired *fired);

const char *rn_adoption_place(const rn_adoption *a);
void rn_adoption_end(rn_task *t, rn_adoption *a); /* t has it, innermost */

/* Family lock held, or alone. Of what stands for a ticket, or is an adoption's. */
const char *rn_lent_wrong(const struct rn_scope *s);
const char *rn_ticket_ask(const void *t);        /* asks.h */
size_t rn_lent_inside(const struct rn_scope *s); /* how many a group counts that have adopted what s stands for */

#endif
