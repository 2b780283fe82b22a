/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that a foreign library made, or the program itself. A ticket lends the scope of the task that makes it. A
 * callback of the library, on whichever thread, adopts it; until the callback returns it, all that the callback calls
 * of rein is inside of that scope: its deadline, its cancels, its context values, and rein_why. Since 0.1.
 *
 *      rein_ticket *t = rein_group_lend(&g);
 *      library_call(on_event, t, drop_ticket);         // ... and on a thread of the library:
 *      rein_adopted a;
 *      int rc = rein_adopt(t, &a);                     // -ESTALE: the group is over, do nothing
 *      if (rc == 0)
 *              rc = rein_return(&a, work_of_ours());
 */
#ifndef REIN_ADOPT_H
#define REIN_ADOPT_H

#include <rein/group.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_ticket rein_ticket; /* counted: rein_ticket_ref, rein_ticket_drop */

/* What was adopted. Lives on the stack of the thread that adopts. Opaque; do not copy it. */
typedef struct rein_adopted {
        uint64_t opaque[4];
} rein_adopted;

/* Lend the innermost scope of the running task (a task without one lends a scope that nothing ever cancels), with the
 * context values that the task has now. The ticket is over when that scope is closed. A thread that is inside then is
 * cancelled; the close does not wait for it.
 * Owns: the ticket is the caller's: rein_ticket_drop. Blocks: no. Any thread.
 * Returns: the ticket; NULL: no memory. Since 0.1. */
#define rein_scope_lend() rein_scope_lend_at(REIN_HERE)
REIN_API rein_ticket *rein_scope_lend_at(const char *place);

/* Lend a group, with the context values of the running task. The ticket is over when rein_group_close is called, and
 * that call waits until each thread that is inside has returned, as it waits for the children; so does
 * rein_group_join. Such threads take no place of the group's width and count for no policy.
 * Owns: the ticket is the caller's: rein_ticket_drop. Blocks: no. Any task that may reach g.
 * Returns: the ticket; NULL: the trail says why (-ENOMEM; -EPERM: the group is not open). Since 0.1. */
#define rein_group_lend(...) rein_group_lend_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_ticket *rein_group_lend_at(const char *place, rein_group *g);

/* Take one more reference to t; give one back. The last one's drop ends the ticket. NULL is allowed. Blocks: no.
 * Any thread, also one that never called rein before. Returns: t. Since 0.1. */
REIN_API rein_ticket *rein_ticket_ref(rein_ticket *t);
REIN_API void rein_ticket_drop(rein_ticket *t);

/* Act inside of what t lends, until rein_return. Several threads may do so at once, and so may a thread that is inside
 * of another adoption, a job, a scope or a hook region: those are out of sight meanwhile, and count again afterwards.
 * A scope that is cancelled, but not closed, can be adopted: the calls inside say so. The caller holds t as long as
 * this call takes, the adoption itself from then on.
 * Blocks: no. Any thread.
 * Returns: 0; and with nothing changed: -ESTALE: what was lent is over; -ENOMEM; -EINVAL: no ticket, or no room;
 * -EPERM: the ticket is from before a fork(2). Since 0.1. */
#define rein_adopt(...) rein_adopt_at(REIN_HERE, __VA_ARGS__)
REIN_API int rein_adopt_at(const char *place, rein_ticket *t, rein_adopted *a);

/* Leave what was adopted. What was opened inside must be closed by then. With rc < 0 the trail of that failure stays
 * with the thread. A thread that ends without this call has returned; a job that ends without it has returned too, and
 * fails with -EPROTO.
 * Blocks: no. [owner]: the thread that adopted.
 * Returns: rc; -EPERM: another thread adopted it, something that was opened inside is still open, or the thread is not
 * inside; nothing changed. Since 0.1. */
REIN_API int rein_return(rein_adopted *a, int rc);

#ifdef __cplusplus
}
#endif
#endif
