/* SPDX-License-Identifier: Apache-2.0 */
/* What the process has one of. A forked child starts with an empty world: its locks are free, its slabs and lists empty,
 * its threads not started; objects of the parent carry the parent's generation, and every call on them answers -EPERM.
 *
 * Lock order of the library, outermost first. No user code runs under any of them.
 *      deadlock graph
 *      executor (its queue, threads, list of works)
 *      scope family (a tree of scopes, their regions and groups)
 *      future
 *      wait set
 *      mutexes and conditions, semaphores, events, barriers, channels (several channels: the oldest first)
 *      slabs, clock, hand, world, descriptors (leaves) */
#ifndef RN_CORE_WORLD_H
#define RN_CORE_WORLD_H

#include "core/clock.h"
#include "core/list.h"
#include "core/slab.h"
#include "rein/error.h"

enum { RN_FD_BUCKETS = 256 };

typedef struct rn_world {
        rn_a64 state; /* generation << 1 | 1 while it is being set up */
        rn_lock lock; /* executors, unseen */
        rn_slab tasks, scopes, groups, hooks;
        rn_shelf works, promises; /* but in a simulation, and for sanitizers: handle.h */
        rn_slab fibers;           /* src/loop: tasks that are coroutines; item_size 0: not set up yet, world lock */
        rn_clockwork clock;
        rn_lock graph;       /* who waits for whom: deadlock.c */
        rn_link waiting;     /* tasks that wait without limit */
        rn_link executors;   /* those that exit must stop */
        rn_a32 exit_watched; /* for ever, also in a forked child: exit handlers are inherited */
        rn_lock fd_lock;
        rn_link fd_calls[RN_FD_BUCKETS]; /* who is in a call with a descriptor: src/io; fd lock, as the next */
        rn_link signal_waiters;
        rn_link children;        /* processes that were started and are not gone: src/io/child.c */
        rn_a32 children_watched; /* as exit_watched */
        rn_link lookups;         /* of names, that wait for a thread: src/io/lookup.h */
        uint32_t lookup_threads, lookups_given_up;
        uint32_t pools_made;
        rn_errand signals_errand; /* for the hand, when the first thread of the process has ended */
        uint64_t signals_left;    /* what that one let through; written before the errand is handed over */
#if RN_CHECKING
        rn_lock objects_lock;
        size_t fd_calls_open; /* how many are in fd_calls; fd lock */
        rn_link objects;      /* mutexes, channels and others: src/sync/object.h */
#endif
        void (*unseen)(const rein_error *e, void *arg);
        void *unseen_arg;
} rn_world;

rn_world *rn_world_now(void);

#endif
