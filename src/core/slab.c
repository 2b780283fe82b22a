/* SPDX-License-Identifier: Apache-2.0 */
#include "core/slab.h"

enum { CHUNK_ITEMS = 32 };

void rn_slab_init(rn_slab *s, size_t item_size)
{
        rn_store32(&s->lock.word, 0);
        s->item_size = (item_size + 63) & ~(size_t)63;
        rn_list_init(&s->free);
        rn_list_init(&s->live);
        s->live_count = 0;
}

static void grow(rn_slab *s)
{
        rn_slab_chunk *c = rn_alloc_kept(64 + s->item_size * CHUNK_ITEMS);
        if (!c)
                return;
        c->next = s->chunks;
        s->chunks = c;
        for (size_t i = 0; i < CHUNK_ITEMS; i++) {
                rn_kept *k = (rn_kept *)(void *)((char *)c + 64 + i * s->item_size);
                rn_list_push(&s->free, &k->link);
        }
}

void *rn_slab_take(rn_slab *s)
{
        if (rn_choose(2, RN_CHOOSE_ALLOC))
                return NULL;
        rn_kept *k = NULL;
        rn_lock_take(&s->lock);
        if (rn_list_empty(&s->free))
                grow(s);
        rn_link *l = rn_list_pop(&s->free);
        if (l) {
                k = RN_ITEM(l, rn_kept, link);
                rn_list_push(&s->live, &k->link);
                s->live_count++;
                rn_add32(&k->generation, 1);
        }
        rn_lock_give(&s->lock);
        return k;
}

void rn_slab_give(rn_slab *s, void *item)
{
        rn_kept *k = item;
        rn_lock_take(&s->lock);
        rn_add32(&k->generation, 1);
        rn_list_remove(&k->link);
        rn_list_push_front(&s->free, &k->link);
        s->live_count--;
        rn_lock_give(&s->lock);
}
