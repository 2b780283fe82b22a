/* SPDX-License-Identifier: Apache-2.0 */
/* Records of one type whose memory is never given back, each with a generation: a pointer that comes late finds a record
 * of the same type, sees by the generation that it is not its own any more, and does no harm. Tasks (whose doors may be
 * rung late), scopes, groups and hook regions live in slabs. */
#ifndef RN_CORE_SLAB_H
#define RN_CORE_SLAB_H

#include "core/list.h"
#include "plat/plat.h"

/* First member of every record. Odd: taken; even: free. */
typedef struct rn_kept {
        rn_link link;
        rn_a32 generation;
} rn_kept;

typedef struct rn_slab_chunk {
        struct rn_slab_chunk *next;
} rn_slab_chunk;

typedef struct rn_slab {
        rn_lock lock;
        size_t item_size;
        rn_link free, live;
        size_t live_count;
        rn_slab_chunk *chunks;
} rn_slab;

/* Also again, in a forked child: what was taken stays taken for ever. */
void rn_slab_init(rn_slab *s, size_t item_size);
/* NULL: no memory. Of the fields only `kept` was touched. */
void *rn_slab_take(rn_slab *s);
void rn_slab_give(rn_slab *s, void *item);

static inline uint32_t rn_kept_generation(rn_kept *k)
{
        return rn_load32(&k->generation);
}

#endif
