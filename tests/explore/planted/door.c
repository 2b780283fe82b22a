/* SPDX-License-Identifier: Apache-2.0 */
/* Doors: the one of the library itself, and what it would be with a weaker order or without its sticky permit. */
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

/* Each side stores its own word and looks at the other's: with release and acquire both may find the old value (Dekker;
 * design.md, the door). */
static void dekker_door(void)
{
        flag = asleep = (word){0};
        explore_start("waiter", wait_at_door, NULL);
        explore_start("waker", ring_at_door, NULL);
}

/* ---- without the permit ---- */

enum { EMPTY, PERMIT, ASLEEP };

static word door;

static void park_at(word *d)
{
        if (move(d, EMPTY, ASLEEP))
                word_wait(d, ASLEEP);
        put(d, EMPTY);
}

static void unpark_at(word *d)
{
        if (planted_broken && get(d) != ASLEEP)
                return;
        if (word_swap(d, PERMIT, memory_order_seq_cst) == ASLEEP)
                word_wake(d, 1);
}

static void wait_for_flag(void *arg)
{
        (void)arg;
        while (!get(&flag))
                park_at(&door);
}

static void set_flag(void *arg)
{
        (void)arg;
        put(&flag, 1);
        unpark_at(&door);
}

/* An unpark that finds nobody asleep leaves nothing behind: who was about to park sleeps for ever. */
static void permit_not_sticky(void)
{
        flag = door = (word){0};
        explore_start("waiter", wait_for_flag, NULL);
        explore_start("waker", set_flag, NULL);
}

/* ---- several waiters, and what a wake means ---- */

static void wake_some(void *arg)
{
        (void)arg;
        put(&flag, 1);
        word_wake(&flag, planted_broken ? 1 : UINT32_MAX);
}

static void wait_rung(void *arg)
{
        (void)arg;
        wait_for(&flag);
}

/* A settle wakes one of two waiters (faults.md 25). */
static void wakes_one(void)
{
        flag = (word){0};
        explore_start("first waiter", wait_rung, NULL);
        explore_start("second waiter", wait_rung, NULL);
        explore_start("settler", wake_some, NULL);
}

static rn_a32 happened, bell;

static void wait_for_bell(void *arg)
{
        (void)arg;
        rn_word_wait(&bell, 0, RN_NEVER);
        while (!planted_broken && !rn_load32(&happened))
                rn_word_wait(&happened, 0, RN_NEVER);
        EXPLORE_CHECK(rn_load32(&happened));
}

static void ring_early(void *arg)
{
        (void)arg;
        rn_store32(&bell, 1); /* and finds nobody to wake */
}

static void ring_when_it_happened(void *arg)
{
        (void)arg;
        rn_store32(&happened, 1);
        rn_word_wake(&happened, 1);
        rn_store32(&bell, 1);
        rn_word_wake(&bell, 1);
}

/* A wait that ends at once, by an older ring, is taken for the wake-up (faults.md 24). */
static void believes_its_wake(void)
{
        rn_set32(&happened, 0);
        rn_set32(&bell, 0);
        explore_start("waiter", wait_for_bell, NULL);
        explore_start("earlier one", ring_early, NULL);
        explore_start("settler", ring_when_it_happened, NULL);
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
        {"permit-not-sticky", permit_not_sticky, NULL, BY_DPOR(120), COMPLETELY, REIN_SIM_DEADLOCK},
        {"wakes-one", wakes_one, NULL, BY_RANDOM(40), COMPLETELY, REIN_SIM_DEADLOCK},
        {"believes-its-wake", believes_its_wake, NULL, BY_DPOR(100), COMPLETELY, REIN_SIM_FAILED},
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
