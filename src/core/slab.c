/* SPDX-License-Identifier: Apache-2.0 */
#include "core/slab.h"

enum { CHUNK_ITEMS = RN_BUNDLE, CACHE_LINE = 64, LINES_AHEAD = 6 };

/* ---- shelves and stocks ---- */

/* While it is explored, a slab's lock keeps nobody out: taking and giving commutes. */
static bool shelf_is_locked(const rn_shelf *s)
{
        return RN_EXPLORING || rn_lock_held(&s->lock);
}

static rn_free_record *shelf_take_loose(rn_shelf *s)
{
        RN_ASSERT(shelf_is_locked(s), "the lock of the shelf is held");
        rn_free_record *one = s->loose;
        if (one)
                s->loose = one->next;
        return one;
}

static void shelf_give_loose(rn_shelf *s, rn_free_record *one)
{
        RN_ASSERT(shelf_is_locked(s), "the lock of the shelf is held");
        RN_ASSERT(s->loose != one, "a record is not laid on the shelf twice");
        one->next = s->loose;
        s->loose = one;
}

static rn_free_record *shelf_take_bundle(rn_shelf *s)
{
        rn_free_record *first = s->bundles;
        if (first) {
                RN_ASSERT(s->bundle_count > 0, "a shelf on which a bundle lies counts it");
                s->bundles = first->bundle;
                s->bundle_count--;
        }
        return first;
}

static void shelf_give_bundle(rn_shelf *s, rn_free_record *first)
{
        first->bundle = s->bundles;
        s->bundles = first;
        s->bundle_count++;
}

/* One for a thread that has no stock. Lock held. */
static rn_free_record *shelf_take_one(rn_shelf *s)
{
        if (!s->loose)
                s->loose = shelf_take_bundle(s);
        return shelf_take_loose(s);
}

static void stock_refill(rn_stock *mine)
{
        rn_shelf *s = mine->shelf;
        RN_ASSERT(!mine->open, "a stock is filled up when its open bundle is empty");
        if (mine->full) {
                mine->open = mine->full;
                mine->full = NULL;
                mine->count = RN_BUNDLE;
                return;
        }
        rn_lock_take(&s->lock);
        mine->open = shelf_take_bundle(s);
        mine->count = mine->open ? RN_BUNDLE : 0;
        for (rn_free_record *one; mine->count < RN_BUNDLE && (one = shelf_take_loose(s)); mine->count++) {
                one->next = mine->open;
                mine->open = one;
        }
        rn_lock_give(&s->lock);
}

/* The next record that will be taken was perhaps written last by another CPU. Its first lines come here, to be written,
 * while the one that is taken now is made ready. */
static void stock_fetch_ahead(rn_free_record *next)
{
        for (size_t line = 0; next && line < LINES_AHEAD; line++)
                __builtin_prefetch((char *)next + line * CACHE_LINE, 1);
}

void *rn_stock_take(rn_stock *mine)
{
        if (!mine->count)
                stock_refill(mine);
        rn_free_record *one = mine->open;
        if (one) {
                RN_ASSERT(mine->count > 0, "a stock that has a record counts it");
                mine->open = one->next;
                mine->count--;
                stock_fetch_ahead(mine->open);
        }
        return one;
}

rn_free_record *rn_stock_give(rn_stock *mine, void *record, size_t most)
{
        rn_shelf *s = mine->shelf;
        rn_free_record *one = record, *over = NULL;
        RN_ASSERT(mine->count <= RN_BUNDLE, "the open bundle of a stock is no larger than a bundle");
        RN_ASSERT(!mine->count || mine->open != one, "a record is not given to a stock twice");
        if (mine->count == RN_BUNDLE) {
                if (mine->full) {
                        rn_lock_take(&s->lock);
                        if (s->bundle_count < most)
                                shelf_give_bundle(s, mine->full);
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
                shelf_give_bundle(s, mine->full);
        for (rn_free_record *one; (one = mine->open);) {
                mine->open = one->next;
                shelf_give_loose(s, one);
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
        RN_ASSERT(item_size >= sizeof(rn_slab_item), "a record of a slab begins with what a free one needs");
        s->item_size = (item_size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

/* The first one begins with the first cache line behind the chunk's own words: memory need not come aligned to that. */
static rn_slab_item *slab_item(const rn_slab *s, const rn_slab_chunk *c, size_t i)
{
        const uintptr_t first = ((uintptr_t)c + CACHE_LINE) & ~(uintptr_t)(CACHE_LINE - 1);
        return (rn_slab_item *)(first + i * s->item_size);
}

/* Lock held. */
static rn_slab_item *slab_take_locked(rn_slab *s)
{
        rn_free_record *one = shelf_take_one(&s->shelf);
        rn_slab_chunk *c = one ? NULL : rn_alloc_for_ever(CACHE_LINE + s->item_size * CHUNK_ITEMS);
        if (c) {
                c->next = s->chunks;
                s->chunks = c;
                for (size_t i = CHUNK_ITEMS; i-- > 0;)
                        shelf_give_loose(&s->shelf, &slab_item(s, c, i)->as_free);
                one = shelf_take_one(&s->shelf);
        }
        return (rn_slab_item *)(void *)one;
}

void *rn_slab_take(rn_slab *s)
{
        if (rn_choose(2, RN_CHOOSE_ALLOC))
                return NULL;
        rn_lock_take(&s->shelf.lock);
        rn_slab_item *k = slab_take_locked(s);
        RN_ASSERT(!k || rn_get32(&k->generation) % 2 == 0, "what is taken from a slab was free");
        if (k)
                rn_add32(&k->generation, 1);
        rn_lock_give(&s->shelf.lock);
        return k;
}

void rn_slab_give(rn_slab *s, void *record)
{
        rn_slab_item *k = record;
        RN_ASSERT(rn_get32(&k->generation) % 2, "what is given to a slab was taken");
        rn_lock_take(&s->shelf.lock);
        rn_add32(&k->generation, 1);
        shelf_give_loose(&s->shelf, &k->as_free);
        rn_lock_give(&s->shelf.lock);
}

void *rn_slab_take_by(rn_stock *mine)
{
        if (rn_choose(2, RN_CHOOSE_ALLOC))
                return NULL;
        rn_slab_item *k = rn_stock_take(mine);
        if (!k) {
                rn_slab *s = (rn_slab *)(void *)mine->shelf;
                rn_lock_take(&s->shelf.lock);
                k = slab_take_locked(s);
                rn_lock_give(&s->shelf.lock);
        }
        RN_ASSERT(!k || rn_get32(&k->generation) % 2 == 0, "what is taken from a stock was free");
        if (k)
                rn_add32(&k->generation, 1);
        return k;
}

void rn_slab_give_by(rn_stock *mine, void *record)
{
        rn_slab_item *k = record;
        RN_ASSERT(rn_get32(&k->generation) % 2, "what is given to a stock was taken");
        rn_add32(&k->generation, 1);
        rn_stock_give(mine, k, SIZE_MAX);
}

/* The first after this that is taken, or at all. */
static rn_slab_item *slab_walk(const rn_slab *s, const void *after, bool all)
{
        const rn_slab_chunk *c = s->chunks;
        size_t i = 0;
        if (after) {
                while (c && ((const char *)after < (const char *)c ||
                             (const void *)after >= (const void *)slab_item(s, c, CHUNK_ITEMS)))
                        c = c->next;
                RN_ASSERT(c, "the record that a walk goes on from is of this slab");
                i = (size_t)((const char *)after - (const char *)slab_item(s, c, 0)) / s->item_size + 1;
        }
        for (; c; c = c->next, i = 0)
                for (; i < CHUNK_ITEMS; i++)
                        if (all || rn_get32(&slab_item(s, c, i)->generation) % 2)
                                return slab_item(s, c, i);
        return NULL;
}

void *rn_slab_next(const rn_slab *s, const void *after)
{
        return slab_walk(s, after, false);
}

size_t rn_slab_count(rn_slab *s)
{
        size_t n = 0;
        rn_lock_take(&s->shelf.lock);
        for (const rn_slab_chunk *c = s->chunks; c; c = c->next)
                for (size_t i = 0; i < CHUNK_ITEMS; i++)
                        n += rn_get32(&slab_item(s, c, i)->generation) % 2;
        rn_lock_give(&s->shelf.lock);
        return n;
}

#if RN_CHECKING

enum { MOST_BUNDLES = 64 }; /* that a question looks into */

/* How many are in the list that begins with `first`, up to `most`. */
static size_t bundle_length(const rn_free_record *first, size_t most)
{
        size_t n = 0;
        for (; first && n < most; first = first->next)
                n++;
        return n;
}

const char *rn_shelf_wrong(const rn_shelf *s)
{
        size_t n = 0;
        const rn_free_record *first = s->bundles;
        for (; first && n < MOST_BUNDLES; first = first->bundle, n++)
                if (bundle_length(first, RN_BUNDLE + 1) != RN_BUNDLE)
                        return "a bundle on the shelf has not the number of records that a bundle has";
        if (first ? s->bundle_count < n : s->bundle_count != n)
                return "the shelf has not so many bundles as it counts";
        return NULL;
}

const char *rn_stock_wrong(const rn_stock *mine)
{
        if (mine->count > RN_BUNDLE)
                return "the open bundle of a stock has more records than a bundle";
        if (bundle_length(mine->open, RN_BUNDLE + 1) != mine->count)
                return "the open bundle of a stock has not so many records as it counts";
        if (mine->full && bundle_length(mine->full, RN_BUNDLE + 1) != RN_BUNDLE)
                return "the full bundle of a stock is not full";
        return NULL;
}

/* Asked for every free record: it may be in the middle of another one, but not out of line. */
static bool slab_may_be_item(const rn_slab *s, const void *p)
{
        const size_t room = CHUNK_ITEMS * s->item_size;
        for (const rn_slab_chunk *c = s->chunks; c; c = c->next)
                if ((uintptr_t)p - (uintptr_t)slab_item(s, c, 0) < room)
                        return (uintptr_t)p % _Alignof(rn_slab_item) == 0;
        return false;
}

/* The free ones of a list; *n is counted up. No list has more than all records together. */
static const char *shelf_list_wrong(const rn_slab *s, const rn_free_record *first, size_t all, size_t *n)
{
        for (; first; first = first->next) {
                if (!slab_may_be_item(s, first))
                        return "what lies on the shelf is no record of the slab";
                if (rn_get32(&((const rn_slab_item *)(const void *)first)->generation) % 2)
                        return "a record on the shelf is taken";
                if (++*n > all)
                        return "a record lies on the shelf twice";
        }
        return NULL;
}

const char *rn_slab_wrong(const rn_slab *s, bool exact)
{
        size_t all = 0, taken = 0, unused = 0;
        const char *what = rn_shelf_wrong(&s->shelf);
        for (const rn_slab_chunk *c = s->chunks; c; c = c->next, all += CHUNK_ITEMS)
                for (size_t i = 0; i < CHUNK_ITEMS; i++)
                        taken += rn_get32(&slab_item(s, c, i)->generation) % 2;
        if (all > (size_t)MOST_BUNDLES * RN_BUNDLE)
                return what;
        if (!what)
                what = shelf_list_wrong(s, s->shelf.loose, all - taken, &unused);
        for (const rn_free_record *first = s->shelf.bundles; first && !what; first = first->bundle)
                what = shelf_list_wrong(s, first, all - taken, &unused);
        if (!what && exact && taken + unused != all)
                what = "a record is lost: those taken and those on the shelf are fewer than there are";
        return what;
}

const void *rn_slab_next_of_all(const rn_slab *s, const void *after)
{
        return slab_walk(s, after, true);
}

#endif
