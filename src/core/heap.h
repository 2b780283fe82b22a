/* SPDX-License-Identifier: Apache-2.0 */
/* A pairing heap whose nodes are embedded in the items (M. Fredman, R. Sedgewick, D. Sleator, R. Tarjan, "The pairing
 * heap", 1986): it needs no memory, and takes any item out. Timers and the pool's queue are heaps. */
#ifndef RN_CORE_HEAP_H
#define RN_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rn_heap_node {
        struct rn_heap_node *child, *next, *prev; /* prev: the left sibling, or the parent of a first child */
        bool in;
} rn_heap_node;

typedef struct rn_heap {
        rn_heap_node *root;
        size_t count;
        bool (*before)(const rn_heap_node *a, const rn_heap_node *b);
} rn_heap;

void rn_heap_push(rn_heap *h, rn_heap_node *n);
void rn_heap_remove(rn_heap *h, rn_heap_node *n); /* n is in h */
rn_heap_node *rn_heap_pop(rn_heap *h);            /* the first, or NULL */

/* Asks the first nodes of a large heap only. */
const char *rn_heap_wrong(const rn_heap *h);

#endif
