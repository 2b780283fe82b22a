/* SPDX-License-Identifier: Apache-2.0 */
/* Does everything add up that lives in a world? One walk over all its records; each has a function of its own
 * (rn_NOUN_wrong) beside the code that keeps it. A record whose lock is held is left out: somebody is at it.
 *
 * Only for a caller that is alone: a simulation between two steps, or a test whose threads are at rest. The walk takes no
 * lock, allocates nothing and is no step of a schedule: it reads atomics with rn_get only.
 *
 * src/loop, src/io and src/sync add what is theirs: executors by `wrong` of their kind, the rest by an asker. */
#ifndef RN_CORE_WRONG_H
#define RN_CORE_WRONG_H

#include "core/world.h"

struct rn_task;

/* What does not add up, or NULL; then where says of which record: "the scope opened at a.c:41". */
const char *rn_world_wrong(const rn_world *w, char *where, size_t n);

/* One more to ask. `world`: once in a walk, as rn_world_wrong. `task`: for each task that is in use, coroutines too: for
 * what it has on its stack. Either may be NULL. */
typedef struct rn_asker {
        const char *(*world)(const rn_world *w, char *where, size_t n);
        const char *(*task)(const struct rn_task *t);
        struct rn_asker *next;
} rn_asker;

/* Before there are threads: from a constructor, in builds with RN_CHECKING. The record stays the walk's. */
void rn_ask_also(rn_asker *a);

#endif
