/* SPDX-License-Identifier: Apache-2.0 */
/* What the library guarantees, looked at while it runs. Only in builds with RN_DEBUG (dev, asan, tsan, explore); a release
 * has none of it, and evaluates none of the conditions.
 *
 * RN_ASSERT(condition, "sentence")   says what a function is owed, or what must not be. The sentence is what is true when
 *                                    all is well: "the lock of the executor is held".
 * RN_SOUND(rn_NOUN_wrong(x))         asks a record whether it adds up. Each record with an invariant has such a function,
 *                                    beside the code that keeps it: NULL, or a text that lives for ever and says what does
 *                                    not add up. It changes nothing and takes no lock; its comment says which one is held.
 *
 * In a simulation a failure ends the schedule, which can then be replayed. Elsewhere it is told on stderr, and the process
 * aborts. What a caller can get wrong is not asserted: it is answered with an error. */
#ifndef RN_PLAT_CHECK_H
#define RN_PLAT_CHECK_H

#include <stddef.h>

#include "plat/atomic.h"

#if defined RN_DEBUG && RN_DEBUG
#define RN_CHECKING 1
#else
#define RN_CHECKING 0
#endif

#define RN_ASSERT(condition, sentence)                                                                                 \
        (!RN_CHECKING || (condition) ? (void)0 : rn_check_failed(__FILE__, __LINE__, "this is not true", sentence))

#define RN_SOUND(asked)                                                                                                \
        do {                                                                                                           \
                const char *wrong_ = RN_CHECKING && RN_AT_REST() ? (asked) : NULL;                                     \
                if (wrong_)                                                                                            \
                        rn_check_failed(__FILE__, __LINE__, #asked, wrong_);                                           \
        } while (0)

#ifdef __clang_analyzer__
#define RN_ENDS_ANALYSIS __attribute__((analyzer_noreturn)) /* what comes after a condition may count on it */
#else
#define RN_ENDS_ANALYSIS
#endif

/* Tells of it, and ends the schedule of the simulation, or the process. Returns only while a simulation ends anyway. */
RN_ENDS_ANALYSIS __attribute__((cold)) void rn_check_failed(const char *file, int line, const char *asked,
                                                            const char *what);

#endif
