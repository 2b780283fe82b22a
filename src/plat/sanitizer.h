/* SPDX-License-Identifier: Apache-2.0 */
/* What the library tells the sanitizers of a program that was compiled with one, while the library was not.
 *
 * A program is compiled with -fsanitize=thread or address and linked with the released library. The sanitizer does not see
 * what the library does, but it sees the calls of libc that the library makes, and all that the program does. So it has to
 * be told of three things: that one thread hands something to another (rn_told_release before, rn_told_acquire after), that
 * a coroutine goes on (coro.c), and that the program uses a handle (rn_told_used), which is an error when its memory was
 * given back.
 *
 * The references are weak: they are NULL unless the runtime of a sanitizer is in the program, and then each place costs a
 * compare and a branch. In a build of the library with a sanitizer the compiler has put all this in; the functions here do
 * nothing there, so that the annotations hide no mistake of the library's own. The fibers are told in both. */
#ifndef RN_PLAT_SANITIZER_H
#define RN_PLAT_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plat/atomic.h"

/* In the runtimes of gcc and clang: ThreadSanitizer's, AddressSanitizer's, those of both. */
extern void __tsan_acquire(void *at) __attribute__((weak));
extern void __tsan_release(void *at) __attribute__((weak));
extern void __sanitizer_print_stack_trace(void) __attribute__((weak));

#if defined REIN_TSAN || defined REIN_ASAN || RN_EXPLORING
#define RN_TELLS 0
#else
#define RN_TELLS 1
#endif

/* Is the runtime of a sanitizer in this program? Also true of others, for which there is nothing to do. */
static inline bool rn_sanitized(void)
{
        return __builtin_expect(__sanitizer_print_stack_trace != NULL, 0);
}

/* What this thread did until now is before what a thread does that acquires the same address later. */
static inline void rn_told_release(const volatile void *at)
{
        if (RN_TELLS && __builtin_expect(__tsan_release != NULL, 0))
                __tsan_release((void *)(uintptr_t)at);
}

static inline void rn_told_acquire(const volatile void *at)
{
        if (RN_TELLS && __builtin_expect(__tsan_acquire != NULL, 0))
                __tsan_acquire((void *)(uintptr_t)at);
}

/* rn_sub32 of a count of holders: what each of them did is before what the last one does. */
static inline uint32_t rn_told_sub32(rn_a32 *holders)
{
        rn_told_release(holders);
        const uint32_t left = rn_sub32(holders, 1);
        if (left == 0)
                rn_told_acquire(holders);
        return left;
}

__attribute__((cold)) void rn_handle_is_used(const void *record, const void *caller);

/* The program has brought this record of the library's (NULL: none). In a public function: the report names its caller. */
#define RN_TOLD_USED(record)                                                                                           \
        (RN_TELLS && rn_sanitized() && (record) ? rn_handle_is_used(record, __builtin_return_address(0)) : (void)0)

#endif
