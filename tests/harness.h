/* SPDX-License-Identifier: Apache-2.0 */
/* Every test program ends as it began. The harness is linked into each of them (cmake/tests.cmake): it looks at the process
 * before main, and once more when main has returned 0 and rein has stopped what ran. Whatever is left by then is told, one
 * line a thing, and the program fails. It looks at the process it began in, not at forked children, and not at a program
 * that has failed anyway.
 *
 * A test that leaves something on purpose says so, in the place where it does. */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum harness_kind {
        HARNESS_TASKS, /* but those of the main thread, the clock and the hand */
        HARNESS_SCOPES,
        HARNESS_GROUPS,
        HARNESS_REGIONS, /* for hooks */
        HARNESS_FIBERS,
        HARNESS_EXECUTORS,
        HARNESS_TIMERS,      /* armed; errands that wait for the hand */
        HARNESS_WAITS,       /* what waits in a list of the world */
        HARNESS_LOCKS,       /* of the world, held */
        HARNESS_DESCRIPTORS, /* open now and not then, or the reverse */
        HARNESS_INHERITABLE, /* descriptors that were open without close-on-exec, if only for a moment */
        HARNESS_THREADS,     /* but the clock and the hand, which rein keeps for ever */
        HARNESS_CHILDREN,    /* processes, zombies too */
        HARNESS_SIGNALS,  /* what is blocked in the main thread, its stack for handlers; how each signal is answered */
        HARNESS_BLOCKS,   /* of memory that the library allocated; not looked at under the thread sanitizer */
        HARNESS_MAPPINGS, /* of memory, those of stacks among them */
        HARNESS_KINDS
} harness_kind;

/* So many of them are left on purpose, for this reason: neither more nor fewer. What is declared several times adds up. */
void harness_leaves(harness_kind kind, size_t n, const char *why);

/* The program ends in the middle of something: nothing is looked at. */
void harness_leaves_all(const char *why);

#ifdef __cplusplus
}
#endif

#endif
