/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: a scope with children, none of which outlives it. */
#ifndef REIN_GROUP_H
#define REIN_GROUP_H

#include <rein/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A group. Lives on the stack of the task that opens it. Opaque; do not copy it. */
typedef struct rein_group {
        uint64_t opaque[16];
} rein_group;

/* What the end of one child means for the group. */
typedef enum rein_policy {
        REIN_ALL,   /* one failure stops the rest; close reports every failure */
        REIN_FIRST, /* one success stops the rest; close fails when there was none */
        REIN_ANY,   /* the first end, good or bad, stops the rest, and is the group's */
        REIN_EACH   /* each stands alone: failures are for the holder of the child's future, else reported as unseen */
} rein_policy;

typedef struct rein_group_opts {
        size_t size;
        rein_policy policy;
        int width;       /* at most so many children not gone, those in the background not counted: rein_spawn waits for
                            a place. Default no limit */
        rein_time until; /* the group's deadline; default none */
} rein_group_opts;
#define REIN_GROUP(...) REIN_OPTS(rein_group_opts, __VA_ARGS__)

/* Open a group. It is a scope (scope.h) for what the task calls inside and for every child; the task that opens it
 * joins and closes it. opts NULL: REIN_ALL, no limits. When memory is short, or opts make no sense, the group opens
 * cancelled and close says so. Blocks: no. Any thread. Since 0.1. */
#define rein_group_open(...) rein_group_open_at(REIN_HERE, __VA_ARGS__)
REIN_API void rein_group_open_at(const char *place, rein_group *g, const rein_group_opts *opts);

/* Start a child on an executor. on NULL: the executor that the calling job runs on; a plain thread, and one that has
 * adopted a scope, runs on none, and then the child fails with -EINVAL. The call needs no check: what cannot start is
 * a failed child. The child's memory goes when it ends, so that a group may live for months.
 * Owns: arg as in rein_job; without arg_size it must live until the child is gone.
 * Blocks: with width, until there is a place or the group is cancelled (the child then never runs); a child in the
 * background needs no place, and a child of the group itself is never made to wait. And as rein_submit. Any task that
 * may reach g. A group that is not open starts nothing: the trail says so (-EPERM). Since 0.1. */
#define rein_spawn(...) rein_spawn_at(REIN_HERE, __VA_ARGS__)
REIN_API void rein_spawn_at(const char *place, rein_group *g, rein_executor *on, rein_fn fn, void *arg,
                            const rein_job *job);

/* Start a child as rein_spawn does, and keep its future in the group, readable until close. Owns: the future is the
 * group's; rein_ref keeps it longer. Blocks: as rein_spawn. Any task that may reach g. Returns: the future, never
 * NULL. Since 0.1. */
#define rein_spawn_future(...) rein_spawn_future_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_future *rein_spawn_future_at(const char *place, rein_group *g, rein_executor *on, rein_fn fn, void *arg,
                                           const rein_job *job);

/* Cancel the whole group: its children, and what its owner calls inside. Its close then says REIN_ESTOPPED. Twice is
 * once; the first reason stays. A group closed meanwhile is left alone. `why` is copied (95 bytes) and may be NULL.
 * Blocks: no (the stop hooks of open regions are called here). Any task that may reach g. Since 0.1. */
#define rein_group_cancel(...) rein_group_cancel_at(REIN_HERE, __VA_ARGS__)
REIN_API void rein_group_cancel_at(const char *place, rein_group *g, const char *why);

/* Wait until the children are gone (background ones are cancelled when only such are left). Futures that the group
 * keeps stay readable, and more children may be spawned afterwards.
 * Blocks: until then or `until`; a cancel reaches the children, and this call waits for them to leave. [owner]: the
 * task that opened it.
 * Returns: 0; REIN_ETIMEOUT; REIN_EDEADLOCK; -EPERM. Since 0.1. */
REIN_API int rein_group_join(rein_group *g, rein_time until);

/* Close the group: wait until its children are gone, and release what it kept. rc < 0 (a failure of your own) cancels
 * the children.
 * Blocks: until the children are gone. [owner]: the task that opened it.
 * Returns: rc when it is a failure of your own; REIN_EFAILED: the children failed by the policy, the trail has each
 * (the first 16 whole, the rest counted); REIN_ETIMEOUT: the group's deadline was the reason; REIN_ECANCELED: a scope
 * outside was; REIN_ESTOPPED: you cancelled the group yourself, by rein_group_cancel, and rc is REIN_ECANCELED, or a
 * child was still there then or never ran (a group that has its one success, by REIN_FIRST or REIN_ANY, is not
 * stopped); else rc, where REIN_ECANCELED becomes 0 when the policy cancelled the rest; -ENOMEM, -EINVAL: it could not
 * be opened; -EPERM: the group is another task's, is not open, or is not the innermost thing open; nothing changed.
 * Since 0.1. */
REIN_API int rein_group_close(rein_group *g, int rc) REIN_MUST;

#ifdef __cplusplus
}
#endif
#endif
