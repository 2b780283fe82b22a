/* SPDX-License-Identifier: Apache-2.0 */
/* The public boundary: a call asks the record that it was given whether it adds up, at its entry and before it returns,
 * in builds with RN_CHECKING. Each noun has a function for that, rn_NOUN_ask: it takes what a caller may bring (NULL, or
 * something of another process: not asked), and asks under the lock that guards the record.
 *
 * In every build the sanitizer of the program, if it has one, is asked first whether the record is there at all
 * (plat/sanitizer.h).
 *
 * In a simulation no lock is taken, as that would be a step: the running task is alone, and a record whose lock is held
 * is not asked. */
#ifndef RN_CORE_ASKS_H
#define RN_CORE_ASKS_H

#include "plat/plat.h"

typedef const char *rn_ask(const void *record);

typedef struct rn_asks {
        const char *file, *noun;
        int line;
        const void *record;
        rn_ask *ask;
} rn_asks;

/* In a simulation: may what this lock guards be asked? The thread sanitizer knows of no order but that of locks, and would
 * call it a race: there only the questions after the steps are asked. */
static inline bool rn_ask_alone(const rn_lock *l)
{
#if defined REIN_TSAN
        (void)l;
        return false;
#else
        return !rn_lock_held(l);
#endif
}

/* For rn_NOUN_ask. false: it may not be asked now. */
static inline bool rn_ask_begin(rn_lock *l)
{
        if (rn_virtual())
                return rn_ask_alone(l);
        rn_lock_take(l);
        return true;
}

static inline void rn_ask_end(rn_lock *l)
{
        if (!rn_virtual())
                rn_lock_give(l);
}

#if RN_CHECKING

static inline void rn_ask_now(const rn_asks *a)
{
        const char *what = a->ask(a->record);
        if (what)
                rn_check_failed(a->file, a->line, a->noun, what);
}

static inline rn_asks rn_ask_first(rn_asks a)
{
        rn_ask_now(&a);
        return a;
}

/* The record is there as long as the call runs. */
#define RN_ASKS(noun, record)                                                                                          \
        RN_TOLD_USED(record);                                                                                          \
        const rn_asks asks_##noun __attribute__((cleanup(rn_ask_now), unused)) =                                       \
                rn_ask_first((rn_asks){__FILE__, #noun, __LINE__, record, rn_##noun##_ask})
/* It may be gone when the call returns: the call gives it back, or hands on what another thread, or user code inside of the
 * call, may take for the sign that nobody needs it any more (a promise kept, a job submitted, a scope cancelled). */
#define RN_ASKS_ONCE(noun, record)                                                                                     \
        (RN_TOLD_USED(record), rn_ask_now(&(rn_asks){__FILE__, #noun, __LINE__, record, rn_##noun##_ask}))

#else

#define RN_ASKS(noun, record)      RN_TOLD_USED(record)
#define RN_ASKS_ONCE(noun, record) RN_TOLD_USED(record)

#endif

#endif
