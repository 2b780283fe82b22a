/* SPDX-License-Identifier: Apache-2.0 */
#include "core/slab.h"

enum { CHUNK_ITEMS = RN_BUNDLE, CACHE_LINE = 64 };

/* ---- shelves and stocks ---- */

static rn_spare *take_loose(rn_shelf *s)
{
        rn_spare *one = s->loose;
        if (one)
                s->loose = one->next;
        return one;
}

static void give_loose(rn_shelf *s, rn_spare *one)
{
        one->next = s->loose;
        s->loose = one;
}

static rn_spare *take_bundle(rn_shelf *s)
{
        rn_spare *first = s->bundles;
        if (first) {
                s->bundles = first->bundle;
                s->bundle_count--;
        }
        return first;
}

static void give_bundle(rn_shelf *s, rn_spare *first)
{
        first->bundle = s->bundles;
        s->bundles = first;
        s->bundle_count++;
}

/* One for who has no stock. Lock held. */
static rn_spare *take_one(rn_shelf *s)
{
        if (!s->loose)
                s->loose = take_bundle(s);
        return take_loose(s);
}

static void refill(rn_stock *mine)
{
        rn_shelf *s = mine->shelf;
        if (mine->full) {
                mine->open = mine->full;
                mine->full = NULL;
                mine->count = RN_BUNDLE;
                return;
        }
        rn_lock_take(&s->lock);
        mine->open = take_bundle(s);
        mine->count = mine->open ? RN_BUNDLE : 0;
        for (rn_spare *one; mine->count < RN_BUNDLE && (one = take_loose(s)); mine->count++) {
                one->next = mine->open;
                mine->open = one;
        }
        rn_lock_give(&s->lock);
}

void *rn_stock_take(rn_stock *mine)
{
        if (!mine->count)
                refill(mine);
        rn_spare *one = mine->open;
        if (one) {
                mine->open = one->next;
                mine->count--;
        }
        return one;
}

rn_spare *rn_stock_give(rn_stock *mine, void *record, size_t most)
{
        rn_shelf *s = mine->shelf;
        rn_spare *one = record, *over = NULL;
        if (mine->count == RN_BUNDLE) {
                if (mine->full) {
                        rn_lock_take(&s->lock);
                        if (s->bundle_count < most)
                                give_bundle(s, mine->full);
                        else
                                over = mine->full;
                        rn_lock_give(&s->lock);
                }
                mine->full = mine->open;
                mine->open = NULL;
                mine->count = 0;
        }
        one->next = mine->open;
        mine->open = one;
        mine->count++;
        return over;
}

void rn_stock_empty(rn_stock *mine)
{
        rn_shelf *s = mine->shelf;
        rn_lock_take(&s->lock);
        if (mine->full)
                give_bundle(s, mine->full);
        for (rn_spare *one; (one = mine->open);) {
                mine->open = one->next;
                give_loose(s, one);
        }
        rn_lock_give(&s->lock);
        *mine = (rn_stock){.shelf = s};
}

/* ---- slabs ---- */

void rn_slab_init(rn_slab *s, size_t item_size)
{
        rn_store32(&s->shelf.lock.word, 0);
        s->shelf.bundles = s->shelf.loose = NULL;
        s->shelf.bundle_count = 0;
        for (rn_slab_chunk *c; (c = s->chunks);) {
                s->chunks = c->next;
                c->next = s->inherited;
                s->inherited = c;
        }
        s->item_size = (item_size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

/* The first one begins with the first cache line behind the chunk's own words: memory need not come aligned to that. */
static rn_kept *item(const rn_slab *s, const rn_slab_chunk *c, size_t i)
{
        const uintptr_t first = ((uintptr_t)c + CACHE_LINE) & ~(uintptr_t)(CACHE_LINE - 1);
        return (rn_kept *)(first + i * s->item_size);
}

/* Lock held. */
static rn_kept *take_locked(rn_slab *s)
{
        rn_spare *one = take_one(&s->shelf);
        rn_slab_chunk *c = one ? NULL : rn_alloc_kept(CACHE_LINE + s->item_size * CHUNK_ITEMS);
        if (c) {
                c->next = s->chunks;
                s->chunks = c;
                for (size_t i = CHUNK_ITEMS; i-- > 0;)
                        give_loose(&s->shelf, &item(s, c, i)->spare);
                one = take_one(&s->shelf);
        }
        return (rn_kept *)(void *)one;
}

void *rn_slab_take(rn_slab *s)
{
        if (rn_choose(2, RN_CHOOSE_ALLOC))
                return NULL;
        rn_lock_take(&s->shelf.lock);
        rn_kept *k = take_locked(s);
        if (k)
                rn_add32(&k->generation, 1);
        rn_lock_give(&s->shelf.lock);
        return k;
}

void rn_slab_give(rn_slab *s, void *record)
{
        rn_kept *k = record;
        rn_lock_take(&s->shelf.lock);
        rn_add32(&k->generation, 1);
        give_loose(&s->shelf, &k->spare);
        rn_lock_give(&s->shelf.lock);
}

void *rn_slab_take_by(rn_stock *mine)
{
        if (rn_choose(2, RN_CHOOSE_ALLOC))
                return NULL;
        rn_kept *k = rn_stock_take(mine);
        if (!k) {
                rn_slab *s = (rn_slab *)(void *)mine->shelf;
                rn_lock_take(&s->shelf.lock);
                k = take_locked(s);
                rn_lock_give(&s->shelf.lock);
        }
        if (k)
                rn_add32(&k->generation, 1);
        return k;
}

void rn_slab_give_by(rn_stock *mine, void *record)
{
        rn_kept *k = record;
        rn_add32(&k->generation, 1);
        rn_stock_give(mine, k, SIZE_MAX);
}

void *rn_slab_next(const rn_slab *s, const void *after)
{
        const rn_slab_chunk *c = s->chunks;
        size_t i = 0;
        if (after) {
                while ((const char *)after < (const char *)c ||
                       (const void *)after >= (const void *)item(s, c, CHUNK_ITEMS))
                        c = c->next;
                i = (size_t)((const char *)after - (const char *)item(s, c, 0)) / s->item_size + 1;
        }
        for (; c; c = c->next, i = 0)
                for (; i < CHUNK_ITEMS; i++)
                        if (rn_get32(&item(s, c, i)->generation) % 2)
                                return item(s, c, i);
        return NULL;
}

size_t rn_slab_count(rn_slab *s)
{
        size_t n = 0;
        rn_lock_take(&s->shelf.lock);
        for (const rn_slab_chunk *c = s->chunks; c; c = c->next)
                for (size_t i = 0; i < CHUNK_ITEMS; i++)
                        n += rn_get32(&item(s, c, i)->generation) % 2;
        rn_lock_give(&s->shelf.lock);
        return n;
}
