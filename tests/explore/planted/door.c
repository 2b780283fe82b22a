/* SPDX-License-Identifier: Apache-2.0 */
/* Doors: the one of the library itself, and what it would be with a weaker order. */
#include "planted.h"

#include "core/task.h"

/* ---- with words ---- */

static word flag, asleep;

static memory_order in(memory_order weak)
{
        return planted_broken ? weak : memory_order_seq_cst;
}

static void wait_at_door(void *arg)
{
        (void)arg;
        word_store(&asleep, 1, in(memory_order_release));
        planted_saw[0] = word_load(&flag, in(memory_order_acquire));
        if (!planted_saw[0])
                word_wait(&asleep, 1);
}

static void ring_at_door(void *arg)
{
        (void)arg;
        word_store(&flag, 1, in(memory_order_release));
        planted_saw[1] = word_load(&asleep, in(memory_order_acquire));
        if (!planted_saw[1])
                return;
        word_store(&asleep, 0, memory_order_seq_cst);
        word_wake(&asleep, 1);
}

/* Each side stores its own word and looks at the other's: with release and acquire both may find the old value
 * (Dekker's mutual exclusion). */
static void dekker_door(void)
{
        flag = asleep = (word){0};
        explore_start("waiter", wait_at_door, NULL);
        explore_start("waker", ring_at_door, NULL);
}

/* ---- the library's own ----
 * Here the two variants are one source: the plans weaken the order of all the library's atomics. */

static rn_a32 said, waits;
static rn_task *waiter;

static void unpark_if_it_waits(void *arg)
{
        (void)arg;
        rn_store32(&said, 1);
        if (rn_load32(&waits))
                rn_unpark(waiter);
}

/* A waiter that says so in a word of its own, over rn_park and rn_unpark: the Dekker bug again, in atomic.h's words. */
static void library_dekker(void)
{
        rn_set32(&said, 0);
        rn_set32(&waits, 0);
        waiter = rn_self();
        explore_start("waker", unpark_if_it_waits, NULL);
        rn_store32(&waits, 1);
        while (!rn_load32(&said))
                rn_park(waiter, RN_NEVER);
}

static void unpark_always(void *arg)
{
        (void)arg;
        rn_store32(&said, 1);
        rn_unpark(waiter);
}

/* The door alone is read-modify-writes of one word: acquire and release are enough for it, and acquire alone is not. */
static void library_door(void)
{
        rn_set32(&said, 0);
        waiter = rn_self();
        explore_start("waker", unpark_always, NULL);
        while (!rn_load32(&said))
                rn_park(waiter, RN_NEVER);
}

const planted planted_doors[] = {
        {"dekker-door", dekker_door, NULL, BY_WEAK(40), BY_WEAK(0), REIN_SIM_DEADLOCK},
        {"library-dekker",
         library_dekker,
         NULL,
         {.how = EXPLORE_FULL, .weak = true, .budget = 60, .order = memory_order_acq_rel},
         BY_WEAK(0),
         REIN_SIM_DEADLOCK},
        {"library-door",
         library_door,
         NULL,
         {.how = EXPLORE_FULL, .weak = true, .budget = 40, .order = memory_order_acquire},
         {.how = EXPLORE_FULL, .weak = true, .order = memory_order_acq_rel},
         REIN_SIM_DEADLOCK},
        {0},
};
