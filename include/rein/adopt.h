/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that a foreign library made. A ticket lends the scope of the task that makes it; a callback of the library, on
 * whichever thread, adopts it, and until it returns it everything it calls of rein sees that scope: its deadline, its
 * cancels, its context values, and rein_why. Since 0.1.
 *
 *      rein_ticket *t = rein_group_lend(&g);
 *      library_call(on_event, t, drop_ticket);         // ... and on a thread of the library:
 *      rein_adopted a;
 *      int rc = rein_adopt(t, &a);                     // -ESTALE: it is over, do nothing
 *      if (rc == 0)
 *              rc = rein_return(&a, work_of_ours());
 */
#ifndef REIN_ADOPT_H
#define REIN_ADOPT_H

#include <rein/group.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_ticket rein_ticket; /* counted */

/* Lives on the stack of the thread that adopts. Opaque; do not copy it. */
typedef struct rein_adopted {
        uint64_t opaque[4];
} rein_adopted;

/* Lend the innermost scope of the running task (in none: nothing ever cancels), with the context values it has now. The
 * ticket is over when that scope is closed. A thread that is inside then is cancelled; the close does not wait for it.
 * Owns: yours; rein_ticket_drop. Blocks: no. Returns: the ticket; NULL: no memory. Since 0.1. */
#define rein_scope_lend() rein_scope_lend_at(REIN_HERE)
REIN_API rein_ticket *rein_scope_lend_at(const char *place);

/* Lend a group, with the context values of the running task. The ticket is over when rein_group_close is called, and that
 * waits until each thread that is inside has returned, as it waits for the children; so does rein_group_join. Such threads
 * take no place of its width and count for no policy. Any task that may reach g. Owns, blocks: as rein_scope_lend.
 * Returns: the ticket; NULL: the trail says why (-ENOMEM; -EPERM: the group is not open). Since 0.1. */
#define rein_group_lend(...) rein_group_lend_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_ticket *rein_group_lend_at(const char *place, rein_group *g);

/* One more holder of t, one less. The last one's drop ends it. NULL is allowed. Any thread, also one that never called
 * rein before. Blocks: no. Returns: t. Since 0.1. */
REIN_API rein_ticket *rein_ticket_ref(rein_ticket *t);
REIN_API void rein_ticket_drop(rein_ticket *t);

/* Act inside what t lends, until rein_return. Several threads may at once, and one may in another adoption, a job, a
 * scope, a hook region: those are out of sight meanwhile, and count again afterwards. A scope that is cancelled, but not
 * closed, can be adopted: the calls inside say so. The caller holds t as long as this call takes, the adoption itself from
 * then on. Blocks: no.
 * Returns: 0; and with nothing changed: -ESTALE: it is over; -ENOMEM; -EINVAL: no ticket, or no room;
 * -EPERM: the ticket is from before a fork(2). Since 0.1. */
#define rein_adopt(...) rein_adopt_at(REIN_HERE, __VA_ARGS__)
REIN_API int rein_adopt_at(const char *place, rein_ticket *t, rein_adopted *a);

/* Leave it. [owner] What was opened inside is closed. A trail of rc < 0 stays with the thread. A thread, or a job, that
 * ends without it has returned; the job fails with -EPROTO. Blocks: no.
 * Returns: rc; -EPERM: another thread's, something opened inside is open, or not inside; nothing changed.
 * Since 0.1. */
REIN_API int rein_return(rein_adopted *a, int rc);

#ifdef __cplusplus
}
#endif
#endif
