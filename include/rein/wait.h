/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for several futures, and running a job elsewhere while the caller waits for it. */
#ifndef REIN_WAIT_H
#define REIN_WAIT_H

#include <rein/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Wait for all to be settled; wait for one of them; wait for the first that ends well (the others are then cancelled).
 * A caller that leaves cancels none of them. The same future may stand in the array more than once. n 0: all returns 0
 * at once, any and first return -ENOENT; n is at most INT_MAX.
 * Blocks: until then, `until`, or a cancel of the caller. Needs memory for more than 16 futures. Any thread.
 * Returns: all: 0, whatever the outcomes; any: the index of one that is settled (the lowest, if several are at entry);
 * first: the index of the first success, or REIN_EFAILED when all failed, the trail has each; REIN_ETIMEOUT,
 * REIN_ECANCELED, REIN_EDEADLOCK: about you; -EINVAL; -ENOMEM. Since 0.1. */
REIN_API int rein_wait_all(rein_future *const f[], size_t n, rein_time until);
REIN_API int rein_wait_any(rein_future *const f[], size_t n, rein_time until);
REIN_API int rein_wait_first(rein_future *const f[], size_t n, rein_time until);

/* A set of futures as they complete: each future once, in the order in which they settle; those settled at open come
 * first, in the order of the array; one that stands in the array twice comes once. Lives on the stack; opaque; do not
 * copy it. */
typedef struct rein_done {
        uint64_t opaque[6];
} rein_done;

/* Open a set of futures. The task that opens it reads and closes it. When that is not possible, rein_done_next says so:
 * -ENOMEM; -EINVAL: one of the futures is NULL, or there are more than INT_MAX; -EPERM: one is from before a fork.
 * Owns: you hold the futures until close. Blocks: no. Any thread. Since 0.1. */
#define rein_done_open(...) rein_done_open_at(REIN_HERE, __VA_ARGS__)
REIN_API void rein_done_open_at(const char *place, rein_done *it, rein_future *const f[], size_t n);

/* Wait for the next future of the set; close the set. Blocks: next: until one is settled, `until`, or a cancel of the
 * caller; close: no. [owner]: the task that opened it.
 * Returns: next: the index; -ENOENT: all were given; REIN_ETIMEOUT (the trail says "k of n unfinished");
 * REIN_ECANCELED; REIN_EDEADLOCK; -ENOMEM, -EINVAL, -EPERM: from open; -EPERM: the set is another task's, or not open.
 * Close does nothing then. Since 0.1. */
REIN_API int rein_done_next(rein_done *it, rein_time until);
REIN_API void rein_done_close(rein_done *it);

/* Run fn on x and wait here until it is *gone*, in the same scope: a cancel of the caller reaches it, and it is waited
 * for; one not yet started never runs. x NULL: the executor that the calling job runs on; a plain thread, and one that
 * has adopted a scope, runs on none: -EINVAL, as for rein_spawn. A job that may be abandoned is waited for until it is
 * settled.
 * Owns: arg, as in rein_job; without arg_size it may be on the caller's stack. Blocks: until then. Any thread.
 * Returns: what fn returned, with its trail; REIN_ECANCELED; REIN_ETIMEOUT: job.limit_ns passed; REIN_EABANDONED; or
 * why it could not start, as rein_submit. Since 0.1. */
#define rein_on(...) rein_on_at(REIN_HERE, __VA_ARGS__)
REIN_API int rein_on_at(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job);

#ifdef __cplusplus
}
#endif
#endif
