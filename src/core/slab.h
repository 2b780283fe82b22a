/* SPDX-License-Identifier: Apache-2.0 */
/* Records of one type, used again and again.
 *
 * A *shelf* has what is free of one type, for every thread. A *stock* is what one thread has of it for itself: two bundles
 * at most, so that it goes to the shelf, and to its lock, with a whole bundle or for one. The thread that takes and the thread that gives may be
 * different ones for ever: then bundles wander over the shelf from one to the other.
 *
 * A *slab* is a shelf of records whose memory is never given back, each with a generation: a pointer that comes late finds
 * a record of the same type, sees by the generation that it is not its own any more, and does no harm. Tasks (whose doors
 * may be rung late), scopes, groups and hook regions live in slabs. */
#ifndef RN_CORE_SLAB_H
#define RN_CORE_SLAB_H

#include "plat/plat.h"

enum { RN_BUNDLE = 32 };

/* What a free record begins with. */
typedef struct rn_free_record {
        struct rn_free_record *next;
        struct rn_free_record *bundle; /* of the first of a bundle on the shelf: the next bundle */
} rn_free_record;

typedef struct rn_shelf {
        rn_lock lock;
        rn_free_record *bundles, *loose;
        size_t bundle_count;
} rn_shelf;

/* One thread's, of one shelf. */
typedef struct rn_stock {
        rn_shelf *shelf;
        rn_free_record *open, *full; /* the one in use, and a whole one or none */
        unsigned count;              /* in `open` */
} rn_stock;

/* NULL: neither the stock nor the shelf has one. */
void *rn_stock_take(rn_stock *mine);
/* most: so many bundles may lie on the shelf; more than that come back, as a list by `next`. Else NULL. */
rn_free_record *rn_stock_give(rn_stock *mine, void *record, size_t most);
/* The thread ends: all of it to the shelf. */
void rn_stock_empty(rn_stock *mine);

/* First member of every record. Odd: taken; even: free. */
typedef struct rn_slab_item {
        rn_free_record as_free;
        rn_a32 generation;
} rn_slab_item;

typedef struct rn_slab_chunk {
        struct rn_slab_chunk *next;
} rn_slab_chunk;

typedef struct rn_slab {
        rn_shelf shelf; /* first */
        size_t item_size;
        rn_slab_chunk *chunks, *inherited; /* those of the process before a fork: what was taken there stays taken */
} rn_slab;

/* Also again, in a forked child, which then has none. */
void rn_slab_init(rn_slab *s, size_t item_size);
/* NULL: no memory. Of the fields only `in_slab` was touched. */
void *rn_slab_take(rn_slab *s);
void rn_slab_give(rn_slab *s, void *item);
/* The same by the running thread's stock of a slab. */
void *rn_slab_take_by(rn_stock *mine);
void rn_slab_give_by(rn_stock *mine, void *item);
/* The taken one after this (NULL: the first), or NULL. For who counts or reports; under the shelf's lock, or alone. */
void *rn_slab_next(const rn_slab *s, const void *item);
size_t rn_slab_count(rn_slab *s); /* the taken ones */

/* Shelf and slab: under the shelf's lock, or alone. The stock's owner asks it. exact: no thread keeps free records, nor is
 * about to take or to give one. */
const char *rn_shelf_wrong(const rn_shelf *s);
const char *rn_stock_wrong(const rn_stock *mine);
const char *rn_slab_wrong(const rn_slab *s, bool exact);
/* As rn_slab_next, and the free ones too: for questions. */
const void *rn_slab_next_of_all(const rn_slab *s, const void *item);

static inline uint32_t rn_slab_generation(rn_slab_item *k)
{
        return rn_load32(&k->generation);
}

#endif
