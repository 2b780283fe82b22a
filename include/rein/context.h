/* SPDX-License-Identifier: Apache-2.0 */
/* Values that travel with the work: each task has a set of them, and a child starts with what its parent had. */
#ifndef REIN_CONTEXT_H
#define REIN_CONTEXT_H

#include <rein/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A key is known by its address; make it static. `release`, if any, is called once for each value that was set, but
 * not for NULL, when no task holds that value any more, on whichever thread lets go of it last. */
typedef struct rein_key {
        const char *name;
        void (*release)(void *value);
} rein_key;

/* Set k for the running task and for the children it starts from now on. Children that run already keep theirs. A value
 * of NULL takes k away again.
 * Owns: on success rein owns value and releases it; on failure it stays the caller's.
 * Blocks: no. Any thread, for itself. Returns: 0; -EINVAL: no key; -ENOMEM. Since 0.1. */
REIN_API int rein_context_set(const rein_key *k, void *value);

/* Get the value of k in the running task. Owns: the value is borrowed, until this task sets k again or ends.
 * Blocks: no. Any thread, for itself. Returns: the value; NULL: there is none. Since 0.1. */
REIN_API void *rein_context_get(const rein_key *k);

#ifdef __cplusplus
}
#endif
#endif
