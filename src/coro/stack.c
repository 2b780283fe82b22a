/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks: slots of arenas, and the high-water mark. Painting: every byte that nobody wrote is 0xfe; a stack grows down, so
 * the lowest other byte is how deep it went. */

/* The simulator makes its stacks here between two scheduling points: there is none in here. */
#undef REIN_EXPLORE
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "coro/arena.h"
#include "coro/coro.h"
#include "plat/plat.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING  ((void)0)
#endif

enum { PAINT = 0xfe };

/* ---- the high-water mark ---- */

/* What lies among and below the frames of a coroutine is read and painted past the sanitizers: redzones, memory that is
 * nobody's, accesses that nothing orders. */
#define UNWATCHED __attribute__((noinline, no_sanitize("address"), no_sanitize("thread")))

UNWATCHED static size_t stack_first_written(const rn_stack *s)
{
        uint64_t untouched;
        memset(&untouched, PAINT, sizeof untouched);
        const uint64_t *words = (const uint64_t *)(const void *)s->low;
        size_t count = s->size / sizeof *words, i = 0;
        VALGRIND_DISABLE_ERROR_REPORTING;
        while (i < count && words[i] == untouched)
                i++;
        VALGRIND_ENABLE_ERROR_REPORTING;
        RN_ASSERT(i <= count, "the mark of a stack is in it");
        return i * sizeof *words;
}

/* Its own frame and the red zone below it are spared when it runs on s. */
UNWATCHED void rn_stack_paint(rn_stack *s, bool from_it)
{
        enum { MARGIN = 512 };
        RN_ASSERT(!from_it || (size_t)((const char *)__builtin_frame_address(0) - s->low) < s->size,
                  "a stack that is painted from itself is the one that runs");
        size_t from = s->painted ? stack_first_written(s) : 0;
        size_t to = from_it ? (size_t)((const char *)__builtin_frame_address(0) - s->low) - MARGIN : s->size;
        s->painted = true;
        uint64_t untouched;
        memset(&untouched, PAINT, sizeof untouched);
        /* volatile, or it becomes a memset, which is watched */
        volatile uint64_t *words = (volatile uint64_t *)(void *)s->low;
        VALGRIND_DISABLE_ERROR_REPORTING;
        for (size_t i = from / sizeof *words; i < to / sizeof *words; i++)
                words[i] = untouched;
        VALGRIND_ENABLE_ERROR_REPORTING;
}

size_t rn_stack_deepest(const rn_stack *s)
{
        return s->painted ? s->size - stack_first_written(s) : 0;
}

/* ---- make and free ---- */

int rn_stack_make(rn_stack *s, size_t size)
{
        rn_stack got = {0};
        int rc = rn_arena_take(size, &got.low, &got.size, &got.arena);
        if (rc < 0)
                return rc;
        RN_ASSERT(got.size >= size && !(got.size & (got.size - 1)),
                  "a stack is a power of two, and as large as asked for");
        RN_ASSERT((uintptr_t)(got.low + got.size) % 64 == 0, "a stack begins at the end of a cache line");
        *s = got;
        return 0;
}

void rn_stack_free(rn_stack *s)
{
        if (s->low)
                rn_arena_give(s->arena, s->low);
        *s = (rn_stack){0};
}
