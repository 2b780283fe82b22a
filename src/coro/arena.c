/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas of stacks.
 *
 * A slot is a guard and above it the stack; what is above that is the next slot's guard. Sizes are powers of two, a
 * class each, so that what one coroutine leaves fits the next. The first arena of a class has a few slots, each further
 * one doubles what there is, up to 64 MiB; when there are no addresses for so much (a limit), it is half of that, down to
 * a single slot. A slot gets its guard when it is taken for the first time, and keeps it as long as its arena.
 *
 * Memory. A slot given back is warm: it keeps the top of its stack, which spares the next one page faults, and loses what
 * is deeper. When there are more warm ones than are in use, and twice RN_ARENA_SPARE, some lose all of theirs and are
 * cold. Arenas that nobody uses stay as long as they have no more than RN_ARENA_SPARE slots together; beyond that, the
 * one that has been so for longest is unmapped, which costs a seventh of purging its slots one by one. Slots are taken
 * from the arena that was full last, so that others come to have none in use.
 *
 * One lock for all, held for a few instructions, for a guard, or for a new arena's mapping. In a forked child everything
 * begins anew: the parent's arenas stay mapped, and what is given back to them is left alone. */

/* The simulator makes its stacks here between two scheduling points: the lock is none itself. */
#undef REIN_EXPLORE
#include "coro/arena.h"

#include <errno.h>
#include <stdint.h>

#include "plat/plat.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(marker)  ((void)(marker))
#endif

enum {
        LEAST_SHIFT = 14, /* 16 KiB */
        MOST_SHIFT = 46,
        CLASSES = MOST_SHIFT - LEAST_SHIFT + 1,
        FIRST_SLOTS = 8,
        MOST_BYTES = 64 << 20
};

typedef struct slot {
        uint16_t next; /* of its list: the number of another and one; 0: the last */
        bool guarded;
        unsigned marker; /* valgrind's name for it */
} slot;

/* The lists an arena is in, each with the oldest member first: while it has a free slot (one such list a class), a warm
 * slot, no slot in use. */
enum { FREE, WARM, UNUSED, LISTS };

typedef struct arena_list {
        rn_arena *first, *last;
} arena_list;

struct rn_arena {
        rn_arena *next[LISTS], *prev[LISTS];
        char *low;
        size_t size, stride;  /* of a stack; from one to the next */
        uint32_t kind, slots; /* its class */
        uint32_t used, fresh; /* slots in use; those from fresh on were never taken */
        uint32_t process;
        uint16_t warm, cold; /* lists of free slots */
        uint32_t warm_count;
        slot slot[];
};

typedef struct class
{
        arena_list free;
        size_t slots; /* in all of its arenas */
} class;

static struct arenas {
        rn_a64 state; /* twice the process's generation; and one, while it is set up */
        rn_lock lock;
        class classes[CLASSES];
        arena_list warm, unused;
        rn_arena_count count;
} all;

static void arenas_set_up(void)
{
        const int64_t ready = (int64_t)rn_generation_really() << 1;
        int64_t state = rn_load64(&all.state);
        for (unsigned round = 0; state != ready; round++) {
                if (state != (ready | 1) && rn_cas64(&all.state, &state, ready | 1)) {
                        rn_set32(&all.lock.word, 0); /* the store of `state` below orders it before whoever takes it */
                        for (int i = 0; i < CLASSES; i++)
                                all.classes[i] = (class){0};
                        all.warm = all.unused = (arena_list){0};
                        all.count = (rn_arena_count){0};
                        rn_store64(&all.state, ready);
                        break;
                }
                rn_pause(round);
                state = rn_load64(&all.state);
        }
}

/* ---- lists ---- */

static void arena_link_in(rn_arena *a, arena_list *list, int which)
{
        RN_ASSERT(list->first != a && list->last != a, "an arena is not put into a list twice");
        a->prev[which] = list->last;
        a->next[which] = NULL;
        *(list->last ? &list->last->next[which] : &list->first) = a;
        list->last = a;
}

static void arena_link_out(rn_arena *a, arena_list *list, int which)
{
        RN_ASSERT(a->prev[which] ? a->prev[which]->next[which] == a : list->first == a,
                  "an arena that is taken out of a list is in it");
        *(a->prev[which] ? &a->prev[which]->next[which] : &list->first) = a->next[which];
        *(a->next[which] ? &a->next[which]->prev[which] : &list->last) = a->prev[which];
}

/* ---- making and unmaking ---- */

static rn_arena *arena_map(unsigned kind)
{
        class *c = &all.classes[kind];
        const size_t size = (size_t)1 << (LEAST_SHIFT + kind), stride = size + RN_GUARD;
        size_t slots = c->slots > FIRST_SLOTS ? c->slots : FIRST_SLOTS;
        slots = slots * stride > MOST_BYTES ? MOST_BYTES / stride : slots;
        slots += slots == 0;
        char *low = NULL;
        for (; slots && !(low = rn_map_stacks(slots * stride)); slots /= 2)
                ;
        if (!low)
                return NULL;
        rn_arena *a = rn_host_alloc(sizeof *a + slots * sizeof a->slot[0]);
        if (!a) {
                rn_unmap_stacks(low, slots * stride);
                return NULL;
        }
        a->low = low;
        a->size = size;
        a->stride = stride;
        a->kind = kind;
        a->slots = (uint32_t)slots;
        a->process = rn_generation_really();
        c->slots += slots;
        all.count.arenas++;
        all.count.unused += slots;
        arena_link_in(a, &c->free, FREE);
        arena_link_in(a, &all.unused, UNUSED);
        return a;
}

/* Nobody sees it any more. false: it could not be done. */
static bool arena_unmap(rn_arena *a)
{
        if (!rn_unmap_stacks(a->low, a->slots * a->stride))
                return false;
        for (uint32_t i = 0; i < a->fresh; i++)
                if (a->slot[i].guarded)
                        VALGRIND_STACK_DEREGISTER(a->slot[i].marker);
        rn_host_free(a);
        return true;
}

/* ---- slots ---- */

static char *stack_of(const rn_arena *a, uint32_t i)
{
        return a->low + i * a->stride + RN_GUARD;
}

static void arena_push(rn_arena *a, bool warm, uint32_t i)
{
        RN_ASSERT(rn_lock_held(&all.lock), "the lock of the arenas is held");
        RN_ASSERT(i < a->fresh, "a slot that is free again was taken before");
        uint16_t *list = warm ? &a->warm : &a->cold;
        a->slot[i].next = *list;
        *list = (uint16_t)(i + 1);
        if (!warm)
                return;
        all.count.warm++;
        if (a->warm_count++ == 0)
                arena_link_in(a, &all.warm, WARM);
}

static uint32_t arena_pop(rn_arena *a, bool warm)
{
        uint16_t *list = warm ? &a->warm : &a->cold;
        RN_ASSERT(*list && *list <= a->fresh, "a slot is taken from a list that has one");
        RN_ASSERT(!warm || (all.count.warm > 0 && a->warm_count > 0), "a slot in a list of warm ones is counted");
        const uint32_t i = *list - 1u;
        *list = a->slot[i].next;
        if (!warm)
                return i;
        all.count.warm--;
        if (--a->warm_count == 0)
                arena_link_out(a, &all.warm, WARM);
        return i;
}

static void arena_begin_use(rn_arena *a)
{
        RN_ASSERT(a->used < a->slots, "an arena whose slot is taken has a free one");
        RN_ASSERT(a->used || all.count.unused >= a->slots, "the slots of an arena that nobody uses are counted");
        all.count.used++;
        if (a->used++ == 0) {
                all.count.unused -= a->slots;
                arena_link_out(a, &all.unused, UNUSED);
        }
        if (a->used == a->slots)
                arena_link_out(a, &all.classes[a->kind].free, FREE);
}

static void arena_end_use(rn_arena *a)
{
        RN_ASSERT(a->used > 0 && all.count.used > 0, "a slot that is given back was in use");
        all.count.used--;
        if (a->used == a->slots)
                arena_link_in(a, &all.classes[a->kind].free, FREE);
        if (--a->used == 0) {
                all.count.unused += a->slots;
                arena_link_in(a, &all.unused, UNUSED);
        }
}

static int arena_guard(rn_arena *a, uint32_t i)
{
        char *low = stack_of(a, i);
        if (a->slot[i].guarded)
                return 0;
        if (rn_guard(low - RN_GUARD, RN_GUARD) != 0)
                return -ENOMEM;
        a->slot[i].guarded = true;
        a->slot[i].marker = VALGRIND_STACK_REGISTER(low, low + a->size);
        return 0;
}

static char *arena_take_from(rn_arena *a)
{
        const bool warm = a->warm != 0;
        const uint32_t i = warm || a->cold ? arena_pop(a, warm) : a->fresh++;
        RN_ASSERT(i < a->slots, "an arena that is said to have a free slot has one");
        if (arena_guard(a, i) != 0) {
                arena_push(a, false, i);
                return NULL;
        }
        arena_begin_use(a);
        return stack_of(a, i);
}

int rn_arena_take(size_t size, char **low, size_t *got, rn_arena **from)
{
        unsigned kind = 0;
        while (kind < CLASSES && (size_t)1 << (LEAST_SHIFT + kind) < size)
                kind++;
        if (kind == CLASSES)
                return -ENOMEM;
        arenas_set_up();
        rn_lock_take(&all.lock);
        rn_arena *a = all.classes[kind].free.last;
        if (!a)
                a = arena_map(kind);
        *low = a ? arena_take_from(a) : NULL;
        rn_lock_give(&all.lock);
        if (!*low)
                return -ENOMEM;
        *got = a->size;
        *from = a;
        return 0;
}

/* Lock held. One that has been without use for longest, if there are more slots of such: it then belongs to the caller. */
static rn_arena *arena_superfluous(size_t most)
{
        rn_arena *a = all.count.unused > most ? all.unused.first : NULL;
        if (!a)
                return NULL;
        RN_ASSERT(!a->used, "an arena that is unmapped has no slot in use");
        arena_link_out(a, &all.unused, UNUSED);
        arena_link_out(a, &all.classes[a->kind].free, FREE);
        if (a->warm)
                arena_link_out(a, &all.warm, WARM);
        all.classes[a->kind].slots -= a->slots;
        all.count.arenas--;
        all.count.unused -= a->slots;
        all.count.warm -= a->warm_count;
        return a;
}

/* It could not be unmapped: it stays, without memory. */
static void arena_put_back(rn_arena *a)
{
        rn_purge(a->low, a->slots * a->stride);
        rn_lock_take(&all.lock);
        all.classes[a->kind].slots += a->slots;
        all.count.arenas++;
        all.count.unused += a->slots;
        a->cold = a->warm = 0;
        a->warm_count = 0;
        for (uint32_t i = 0; i < a->fresh; i++)
                arena_push(a, false, i);
        arena_link_in(a, &all.unused, UNUSED);
        arena_link_in(a, &all.classes[a->kind].free, FREE);
        rn_lock_give(&all.lock);
}

/* A slot is free, its memory as `warm` says. */
static void arena_put(rn_arena *a, char *low, bool warm)
{
        RN_ASSERT(low >= a->low && (size_t)(low - a->low) % a->stride == RN_GUARD,
                  "what is given back to an arena is one of its stacks");
        rn_lock_take(&all.lock);
        arena_push(a, warm, (uint32_t)((size_t)(low - a->low) / a->stride));
        arena_end_use(a);
        rn_arena *gone = arena_superfluous(RN_ARENA_SPARE);
        rn_lock_give(&all.lock);
        if (gone && !arena_unmap(gone))
                arena_put_back(gone);
}

/* A warm slot, of those there are too many of: it is in use until it is cold. NULL: there are not. */
static char *arena_too_warm(rn_arena **from)
{
        char *low = NULL;
        rn_lock_take(&all.lock);
        rn_arena *a = all.count.warm > all.count.used + 2 * (size_t)RN_ARENA_SPARE ? all.warm.first : NULL;
        if (a) {
                low = stack_of(a, arena_pop(a, true));
                arena_begin_use(a);
        }
        rn_lock_give(&all.lock);
        *from = a;
        return low;
}

void rn_arena_give(rn_arena *a, char *low)
{
        if (a->process != rn_generation_really())
                return;
        if (a->size > RN_ARENA_KEPT)
                rn_purge(low, a->size - RN_ARENA_KEPT);
        arena_put(a, low, true);
        for (int i = 0; i < 2 && (low = arena_too_warm(&a)); i++) { /* one more is warm, and one less in use */
                rn_purge(low, a->size);
                arena_put(a, low, false);
        }
}

rn_arena_count rn_arenas_now(void)
{
        arenas_set_up();
        rn_lock_take(&all.lock);
        rn_arena_count now = all.count;
        rn_lock_give(&all.lock);
        return now;
}

void rn_arenas_let_go(void)
{
        bool gone = true;
        arenas_set_up();
        while (gone) {
                rn_lock_take(&all.lock);
                rn_arena *a = arena_superfluous(0);
                rn_lock_give(&all.lock);
                gone = a && arena_unmap(a);
                if (a && !gone)
                        arena_put_back(a);
        }
}
