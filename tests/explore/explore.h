/* SPDX-License-Identifier: Apache-2.0 */
/* Exploration of rein itself: scenarios in which a few tasks do a few calls at once, run under every schedule that can
 * make a difference, or as many as its bound allows. Only in the exploring build, where each atomic operation of the
 * library, each lock and each free of a shared object is a scheduling point. */
#ifndef TESTS_EXPLORE_H
#define TESTS_EXPLORE_H

#include "sim/sim.h"

typedef enum explore_how {
        EXPLORE_ALL,     /* dynamic partial-order reduction: complete when it ends */
        EXPLORE_BOUNDED, /* depth-first, up to `bound` preemptions: complete within that bound when it ends */
        EXPLORE_FULL,    /* depth-first without a bound: every interleaving */
        EXPLORE_RANDOM,
        EXPLORE_PCT
} explore_how;

typedef struct explore_plan {
        explore_how how;
        uint32_t bound;          /* BOUNDED: preemptions; PCT: depth */
        uint64_t budget;         /* schedules; 0: 2,000,000 */
        uint32_t faults;         /* REIN_SIM_...; not with ALL */
        bool weak;               /* loads may get older stores; not with ALL */
        memory_order order;      /* what the weak memory takes for sequentially consistent; 0: as the code has it */
        bool word_locks;         /* rn_lock is explored too, as the steps of its words */
        bool after;              /* a point also after each store, and after each lock given; not with ALL */
        bool slabs;              /* which record of a slab a task gets matters: else taking and giving them commutes */
        uint32_t most_surprises; /* faults and early timers in one schedule; 0: no limit */
} explore_plan;

/* body runs as the first task: it makes what is shared, starts the others, and may go on beside them. check runs when
 * all have ended: 0, or a negative code. state: a digest of how it ended, for comparing searches; may be NULL. */
typedef struct scenario {
        const char *name;
        void (*body)(void);
        int (*check)(void);
        uint64_t (*state)(void);
        explore_plan plan;
} scenario;

typedef struct explored {
        int ended; /* REIN_SIM_PASSED or how the failing schedule ended */
        bool complete;
        bool waits, timed; /* in one of its schedules: a wait that could end for no reason; a sleep with a limit */
        uint64_t schedules, redundant, steps, longest, preemptions;
        uint64_t states, states_digest; /* different final states, and a digest of their set */
        char text[RN_SIM_TEXT];
} explored;

/* Until a schedule fails, the search is complete, or the budget is spent. The failing schedule is made short. */
explored explore(const scenario *s);
/* The same, with another plan. tell: narrate the failing schedule. */
explored explore_by(const scenario *s, const explore_plan *plan, bool tell);

/* The different final states of the last search; how many. */
size_t explore_states(uint64_t *out, size_t room);

/* A task beside the running one. It must work: dies when it does not. */
void explore_start(const char *name, void (*main)(void *), void *arg);

/* What comes before the race and after it is not explored; it runs as it comes. explore_quiet: at the very beginning.
 * explore_go: everybody else rests now, and from here on every point is one. explore_calm: wait until nobody else can go
 * on (timers do not count); what comes then is quiet again. */
void explore_quiet(void);
void explore_go(void);
void explore_calm(void);

/* In any task: ends the schedule as failed. */
#define EXPLORE_CHECK(condition) explore_check((condition), #condition, __FILE__, __LINE__)
void explore_check(bool ok, const char *what, const char *file, int line);

enum { EXPLORE_NAME = 80 };
const char *explore_how_name(const explore_plan *p, char text[EXPLORE_NAME]);

#endif
