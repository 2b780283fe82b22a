/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks: mapping, a small cache, the high-water mark.
 *
 * The cache is one for the process, behind one lock that is held for a few instructions. A stack in it is unpoisoned
 * and nobody's. Painting: every byte that nobody wrote is 0xfe; a stack grows down, so the lowest other byte is how
 * deep it went. */

/* The simulator makes its stacks here between two scheduling points: the lock is none itself. */
#undef REIN_EXPLORE
#include "coro/coro.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "plat/plat.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_STACK_REGISTER(low, high)        0
#define VALGRIND_STACK_DEREGISTER(marker)         ((void)(marker))
#define VALGRIND_DISABLE_ERROR_REPORTING          ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING           ((void)0)
#define VALGRIND_MAKE_MEM_UNDEFINED(where, bytes) ((void)0)
#endif

enum { CACHED = 64, PAGE = 4096, PAINT = 0xfe };

static struct cache {
        rn_lock lock;
        unsigned count;
        rn_stack stacks[CACHED]; /* the one given back last, which is the warmest, is taken first */
} cache;

static rn_a32 painting;

static bool take_cached(rn_stack *s, size_t size)
{
        bool found = false;
        rn_lock_take(&cache.lock);
        for (unsigned i = cache.count; i > 0 && !found; i--)
                if (cache.stacks[i - 1].size == size) {
                        *s = cache.stacks[i - 1];
                        memmove(&cache.stacks[i - 1], &cache.stacks[i], (cache.count - i) * sizeof *s);
                        cache.count--;
                        found = true;
                }
        rn_lock_give(&cache.lock);
        return found;
}

static bool put_cached(const rn_stack *s)
{
        bool room = false;
        rn_lock_take(&cache.lock);
        if (cache.count < CACHED) {
                cache.stacks[cache.count++] = *s;
                room = true;
        }
        rn_lock_give(&cache.lock);
        return room;
}

/* ---- the high-water mark ---- */

/* What lies among and below the frames of a coroutine is read and painted past the sanitizers: redzones, memory that is
 * nobody's, accesses that nothing orders. */
#define UNWATCHED __attribute__((noinline, no_sanitize("address"), no_sanitize("thread")))

UNWATCHED static size_t first_written(const rn_stack *s)
{
        uint64_t untouched;
        memset(&untouched, PAINT, sizeof untouched);
        const uint64_t *words = (const uint64_t *)(const void *)s->low;
        size_t count = s->size / sizeof *words, i = 0;
        VALGRIND_DISABLE_ERROR_REPORTING;
        while (i < count && words[i] == untouched)
                i++;
        VALGRIND_ENABLE_ERROR_REPORTING;
        return i * sizeof *words;
}

UNWATCHED static void paint(rn_stack *s, size_t from)
{
        uint64_t untouched;
        memset(&untouched, PAINT, sizeof untouched);
        /* volatile, or it becomes a memset, which is watched */
        volatile uint64_t *words = (volatile uint64_t *)(void *)s->low;
        VALGRIND_MAKE_MEM_UNDEFINED(s->low + from, s->size - from);
        for (size_t i = from / sizeof *words; i < s->size / sizeof *words; i++)
                words[i] = untouched;
}

void rn_stack_paint(bool on)
{
        rn_store32(&painting, on);
}

size_t rn_stack_deepest(const rn_stack *s)
{
        return s->painted ? s->size - first_written(s) : 0;
}

void rn_stack_repaint(rn_stack *s)
{
        if (s->painted)
                paint(s, first_written(s));
}

/* ---- make and free ---- */

int rn_stack_make(rn_stack *s, size_t size)
{
        if (size > SIZE_MAX / 2)
                return -ENOMEM;
        size = size ? (size + PAGE - 1) & ~(size_t)(PAGE - 1) : PAGE;
        rn_stack got = {.size = size};
        if (!take_cached(&got, size)) {
                got.low = rn_map_guarded(size);
                if (!got.low)
                        return -ENOMEM;
                got.marker = VALGRIND_STACK_REGISTER(got.low, got.low + size);
        }
        bool paint_it = rn_load32(&painting) != 0;
        if (paint_it)
                paint(&got, got.painted ? first_written(&got) : 0);
        got.painted = paint_it;
        *s = got;
        return 0;
}

void rn_stack_free(rn_stack *s)
{
        if (s->low && !put_cached(s)) {
                VALGRIND_STACK_DEREGISTER(s->marker);
                rn_unmap_guarded(s->low, s->size);
        }
        *s = (rn_stack){0};
}
