/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic words that say their memory order, for planted bugs: what the library has of its own is sequentially
 * consistent throughout. Every operation is a point, and takes part in the weak memory. */
#ifndef TESTS_EXPLORE_WORDS_H
#define TESTS_EXPLORE_WORDS_H

#include "sim/sim.h"

typedef struct word {
        uint64_t v;
} word;

static inline void word_point(rn_op_kind kind, const word *w)
{
        if (rn_sim->running)
                rn_sim_op((rn_op){.kind = kind, .at = w, .len = sizeof *w});
}

static inline uint64_t word_load(const word *w, memory_order order)
{
        word_point(RN_OP_READ, w);
        return rn_weak_load(w, w->v, order, false);
}

static inline void word_store(word *w, uint64_t x, memory_order order)
{
        word_point(RN_OP_WRITE, w);
        rn_weak_store(w, w->v, x, order, false);
        w->v = x;
}

static inline uint64_t word_update(word *w, uint64_t x, memory_order order)
{
        uint64_t old = rn_weak_load(w, w->v, order, true);
        rn_weak_store(w, old, x, order, true);
        w->v = x;
        return old;
}

static inline uint64_t word_swap(word *w, uint64_t x, memory_order order)
{
        word_point(RN_OP_UPDATE, w);
        return word_update(w, x, order);
}

static inline uint64_t word_add(word *w, uint64_t x, memory_order order) /* the old value */
{
        word_point(RN_OP_UPDATE, w);
        return word_update(w, w->v + x, order);
}

/* An addition whose result nobody looks at: two of them commute. */
static inline void word_count(word *w, uint64_t x, memory_order order)
{
        word_point(RN_OP_ADD, w);
        word_update(w, w->v + x, order);
}

static inline bool word_cas(word *w, uint64_t *old, uint64_t x, memory_order order)
{
        word_point(RN_OP_UPDATE, w);
        uint64_t now = rn_weak_load(w, w->v, order, true);
        if (now != *old) {
                *old = now;
                return false;
        }
        rn_weak_store(w, now, x, order, true);
        w->v = x;
        return true;
}

/* Sleep while *w is x; the value is looked at when the sleep begins, as by a futex. */
static inline void word_wait(word *w, uint64_t x)
{
        rn_sim_task *me = rn_sim->running;
        rn_sim_op((rn_op){.kind = RN_OP_LOOK, .at = w, .len = sizeof *w});
        if (w->v != x)
                return;
        me->woken = me->poked = false;
        me->until = RN_NEVER;
        me->slept_at = ++rn_sim->queue;
        rn_sim_op((rn_op){.kind = RN_OP_SLEEP, .at = w, .len = sizeof *w});
}

static inline void word_wake(word *w, uint32_t how_many)
{
        rn_sim_wake(w, how_many);
}

#endif
