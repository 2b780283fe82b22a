/* SPDX-License-Identifier: Apache-2.0 */
/* Timers by their deadline: a hierarchy of wheels (G. Varghese, T. Lauck, "Hashed and hierarchical timing wheels", 1987)
 * in front of a heap. Nodes are embedded; nothing allocates; what is taken out before its time costs a list removal.
 *
 * A tick is 2^16 ns. `cursor` is the tick up to which everything lies in the heap, in exact order; what is later lies
 * in the wheels: on level k, in the slot of its k-th digit (to the base 64), where k is the highest digit in which its
 * tick differs from the cursor. So whatever is on a level is sooner than all on the levels above, and on one level the
 * lowest slot is the soonest. The cursor moves to a slot's beginning when that has come, or when the heap is empty and
 * the slot is on level 0, and the slot's nodes go down. Eight levels hold every deadline there is.
 *
 * One thread's, or its owner's lock's. */
#ifndef RN_CORE_WHEEL_H
#define RN_CORE_WHEEL_H

#include <stdint.h>

#include "core/heap.h"
#include "core/list.h"

enum { RN_WHEEL_LEVELS = 8, RN_WHEEL_SLOTS = 64 };

typedef struct rn_wheel_node {
        union {
                rn_link link;
                rn_heap_node heap;
        };
        int64_t at;
        uint16_t place; /* 0: nowhere; 1: in the heap; 2: in the first slot */
} rn_wheel_node;

typedef struct rn_wheel {
        int64_t cursor;
        size_t count;
        rn_heap heap;
        uint64_t filled[RN_WHEEL_LEVELS]; /* a bit for every slot with nodes */
        rn_link slots[RN_WHEEL_LEVELS][RN_WHEEL_SLOTS];
} rn_wheel;

void rn_wheel_init(rn_wheel *w);
void rn_wheel_push(rn_wheel *w, rn_wheel_node *n, int64_t at); /* n is nowhere */
void rn_wheel_remove(rn_wheel *w, rn_wheel_node *n);           /* n is in w */
rn_wheel_node *rn_wheel_pop(rn_wheel *w, int64_t now);         /* the soonest, if its time has come; or NULL */
/* When to look again: no later than the soonest, and then exactly, or else at a time at which more is known. INT64_MAX:
 * it is empty. */
int64_t rn_wheel_next(rn_wheel *w);

const char *rn_wheel_wrong(const rn_wheel *w);

static inline bool rn_wheel_in(const rn_wheel_node *n)
{
        return n->place != 0;
}

#endif
