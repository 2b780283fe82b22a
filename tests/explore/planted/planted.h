/* SPDX-License-Identifier: Apache-2.0 */
/* Models of protocols with one mistake each, which the explorer must find, and without it, which it must find clean:
 * small enough for the full search, so that the other searches can be compared with it, and with memory orders of their own.
 * (What the library does itself is planted in its own code: woven.h.) planted_broken says which of the two runs; they differ
 * in one place.
 *
 * A model keeps what is shared in static words, which its body makes anew, and tells in planted_saw what its tasks saw:
 * that is the final state by which searches are compared. */
#ifndef TESTS_EXPLORE_PLANTED_H
#define TESTS_EXPLORE_PLANTED_H

#include <errno.h>
#include <string.h>

#include "explore.h"
#include "plat/plat.h"
#include "words.h"

typedef struct planted {
        const char *name;
        void (*body)(void);
        int (*check)(void);    /* in the end; NULL: the tasks look themselves */
        explore_plan found_by; /* with the budget in which it must be found */
        explore_plan clean_by; /* must be complete without it; zeroes: EXPLORE_ALL */
        int ends;              /* REIN_SIM_FAILED... */
} planted;

/* Plans, with their budgets in schedules. */
#define BY_DPOR(n)                                                                                                     \
        {                                                                                                              \
                .how = EXPLORE_ALL, .budget = (n)                                                                      \
        }
#define BY_BOUND(bound, n)                                                                                             \
        {                                                                                                              \
                EXPLORE_BOUNDED, bound, .budget = (n)                                                                  \
        }
#define BY_RANDOM(n)                                                                                                   \
        {                                                                                                              \
                .how = EXPLORE_RANDOM, .budget = (n)                                                                   \
        }
#define BY_PCT(depth, n)                                                                                               \
        {                                                                                                              \
                EXPLORE_PCT, depth, .budget = (n)                                                                      \
        }
#define BY_WEAK(n)                                                                                                     \
        {                                                                                                              \
                .how = EXPLORE_FULL, .weak = true, .budget = (n)                                                       \
        }
#define COMPLETELY                                                                                                     \
        {                                                                                                              \
                0                                                                                                      \
        }

extern bool planted_broken;
extern uint64_t planted_saw[8];

/* Each ends with one that has no name. */
extern const planted planted_futures[], planted_doors[], planted_weak[], planted_hooks[];

/* The other tests of --selftest: how many of them failed. */
int planted_programs(void);   /* random small programs: the reduction against the full search */
int planted_litmus(void);     /* what the weak memory shows, and what not */
int planted_generators(void); /* what the generators are good and bad at; a search is the same twice */

/* ---- words, sequentially consistent ---- */

static inline uint64_t get(const word *w)
{
        return word_load(w, memory_order_seq_cst);
}

static inline void put(word *w, uint64_t x)
{
        word_store(w, x, memory_order_seq_cst);
}

static inline uint64_t plus(word *w, uint64_t x) /* the new value */
{
        return word_add(w, x, memory_order_seq_cst) + x;
}

static inline uint64_t minus(word *w, uint64_t x)
{
        return plus(w, 0 - x);
}

static inline bool move(word *w, uint64_t from, uint64_t to)
{
        return word_cas(w, &from, to, memory_order_seq_cst);
}

static inline void ring(word *w)
{
        put(w, 1);
        word_wake(w, UINT32_MAX);
}

static inline void wait_for(word *w) /* rung */
{
        while (!get(w))
                word_wait(w, 0);
}

#endif
