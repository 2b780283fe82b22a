/* SPDX-License-Identifier: Apache-2.0 */
/* The clock thread, for deadlines nobody sleeps for: those of hook regions, grace, limits, start_by; and the hand
 * thread, for user code that must run although no thread of the user's asked for it: stop hooks whose deadline passed,
 * continuations after a stop. A hook that blocks stops the hand, but not time.
 *
 * A timer is embedded in the record it serves. rn_timer_arm and _disarm never block; a callback may be running while
 * its timer is disarmed: what it touches must be counted (works) or kept in a slab with a generation (regions).
 * Callbacks run on the clock thread without locks and must not run user code. */
#ifndef RN_CORE_CLOCK_H
#define RN_CORE_CLOCK_H

#include "core/heap.h"
#include "core/list.h"
#include "plat/plat.h"

typedef struct rn_timer {
        rn_heap_node node;
        int64_t at;
        void (*fire)(struct rn_timer *t, uint32_t tag);
        uint32_t tag; /* given back to fire: the generation of the record when it was armed */
} rn_timer;

/* An errand for the hand. At most one of a kind is waiting; handing it over again while it waits changes its tag. */
typedef struct rn_errand {
        rn_link link;
        void (*run)(struct rn_errand *e, uint32_t tag);
        uint32_t tag;
} rn_errand;

struct rn_task;

typedef struct rn_clockwork {
        rn_lock lock;
        int state; /* which of the two threads run */
        rn_heap timers;
        int64_t sleeps_until;
        struct rn_task *clock_task;
        rn_lock hand_lock;
        rn_link errands;
        struct rn_task *hand_task;
} rn_clockwork;

void rn_clock_init(rn_clockwork *c); /* of a new world */
int rn_clock_start(void);            /* 0, or why the threads could not be started: called before there is need */

/* true: it was not armed before (a counted owner takes a reference for it). */
bool rn_timer_arm(rn_timer *t, int64_t at, uint32_t tag);
/* true: it was armed and will not fire (a counted owner gives the reference back). */
bool rn_timer_disarm(rn_timer *t);

/* true: it was not waiting before. */
bool rn_hand(rn_errand *e, uint32_t tag);

const char *rn_timers_wrong(const rn_clockwork *c);  /* its lock held, or alone */
const char *rn_errands_wrong(const rn_clockwork *c); /* its hand_lock held, or alone */

#endif
