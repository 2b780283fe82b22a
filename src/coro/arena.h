/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas: large mappings from which slots for stacks of one size are cut, each with a guard below it. */
#ifndef RN_CORO_ARENA_H
#define RN_CORO_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rn_arena rn_arena;

/* A slot of at least size bytes, rounded up to a power of two: low is its lowest byte that may be touched. Of an
 * arena, the one given back last is taken first. 0, -ENOMEM. Any thread. */
int rn_arena_take(size_t size, char **low, size_t *got, rn_arena **from);

/* Give it back. Nothing runs on it, and it is never read again. Any thread. */
void rn_arena_give(rn_arena *a, char *low);

/* For tests: slots in use; free ones that may have memory; those of arenas in which none is in use; arenas. */
typedef struct rn_arena_count {
        size_t used, warm, unused, arenas;
} rn_arena_count;
rn_arena_count rn_arenas_now(void);
void rn_arenas_let_go(void); /* for tests: arenas in which none is in use are unmapped */

/* Slots of arenas in which none is in use, at most; half of what may be warm above what is in use (arena.c). How much a
 * warm one keeps, from its top. */
enum { RN_ARENA_SPARE = 4096, RN_ARENA_KEPT = 16 << 10 };

#endif
