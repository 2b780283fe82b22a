/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that are too weak. No search through sequentially consistent schedules sees these. */
#include "planted.h"

static word value, state, refs, fields[2];

static rn_order with(rn_order weak, rn_order enough)
{
        return planted_broken ? weak : enough;
}

static rn_order of_load, of_store;

static void publish(void *arg)
{
        (void)arg;
        word_store(&value, 7, RN_ORDER_RELAXED);
        word_store(&state, 1, of_store);
}

static void look(void *arg)
{
        (void)arg;
        if (!word_load(&state, of_load))
                return;
        planted_saw[0] = word_load(&value, RN_ORDER_RELAXED);
        EXPLORE_CHECK(planted_saw[0] == 7);
}

static void publication(rn_order load, rn_order store)
{
        value = state = (word){0};
        of_load = load;
        of_store = store;
        explore_start("reader", look, NULL);
        explore_start("writer", publish, NULL);
}

/* The state is loaded without acquire: settled, and the value is not there (problems.md 1.5). */
static void acquire_missing(void)
{
        publication(with(RN_ORDER_RELAXED, RN_ORDER_ACQUIRE), RN_ORDER_RELEASE);
}

/* The state is stored without release: the same, from the other side. */
static void release_missing(void)
{
        publication(RN_ORDER_ACQUIRE, with(RN_ORDER_RELAXED, RN_ORDER_RELEASE));
}

static void write_and_drop(void *arg)
{
        const uintptr_t me = (uintptr_t)arg;
        word_store(&fields[me], 1, RN_ORDER_RELAXED);
        if (word_add(&refs, (uint64_t)-1, with(RN_ORDER_RELEASE, RN_ORDER_ACQ_REL)) != 1)
                return;
        planted_saw[0] = me;
        EXPLORE_CHECK(word_load(&fields[1 - me], RN_ORDER_RELAXED) == 1);
}

/* The last reference is dropped without acquire: who frees does not see what the others wrote. */
static void relaxed_drop(void)
{
        memset(fields, 0, sizeof fields);
        refs = (word){2};
        explore_start("first", write_and_drop, (void *)0);
        explore_start("second", write_and_drop, (void *)1);
}

static void relay(void *arg)
{
        (void)arg;
        uint64_t one = 1;
        word_cas(&state, &one, 2, with(RN_ORDER_RELAXED, RN_ORDER_ACQ_REL));
        if (one == 1)
                word_store(&refs, 1, RN_ORDER_RELEASE);
}

static void look_at_relayed(void *arg)
{
        (void)arg;
        if (!word_load(&refs, RN_ORDER_ACQUIRE))
                return;
        planted_saw[0] = word_load(&value, RN_ORDER_RELAXED);
        EXPLORE_CHECK(planted_saw[0] == 7);
}

/* Who claims a published job passes it on without having acquired it: the third does not see what the first wrote. */
static void claim_without_acquire(void)
{
        value = state = refs = (word){0};
        of_store = RN_ORDER_RELEASE;
        explore_start("writer", publish, NULL);
        explore_start("claimer", relay, NULL);
        explore_start("reader", look_at_relayed, NULL);
}

static void pass_on(void *arg)
{
        (void)arg;
        if (word_load(&state, RN_ORDER_RELAXED) != 1)
                return;
        if (planted_broken)
                word_store(&state, 2, RN_ORDER_RELAXED);
        else
                word_add(&state, 1, RN_ORDER_RELAXED);
}

static void look_at_two(void *arg)
{
        (void)arg;
        if (word_load(&state, RN_ORDER_ACQUIRE) != 2)
                return;
        planted_saw[0] = word_load(&value, RN_ORDER_RELAXED);
        EXPLORE_CHECK(planted_saw[0] == 7);
}

/* After the release the state is stored again, not updated: who gets the second store has not acquired the first. The
 * twin's update carries the release on. */
static void release_overwritten(void)
{
        value = state = (word){0};
        of_store = RN_ORDER_RELEASE;
        explore_start("writer", publish, NULL);
        explore_start("second writer", pass_on, NULL);
        explore_start("reader", look_at_two, NULL);
}

static rn_lock lock;

static void write_locked(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        word_store(&value, 7, RN_ORDER_RELAXED);
        word_store(&state, 1, RN_ORDER_RELAXED);
        rn_lock_give(&lock);
}

static void look_unlocked(void *arg)
{
        (void)arg;
        if (!planted_broken)
                rn_lock_take(&lock);
        const bool settled = word_load(&state, RN_ORDER_RELAXED);
        planted_saw[0] = word_load(&value, RN_ORDER_RELAXED);
        if (!planted_broken)
                rn_lock_give(&lock);
        EXPLORE_CHECK(!settled || planted_saw[0] == 7);
}

/* A reader does without the lock under which both words are written. */
static void lock_forgotten(void)
{
        lock = (rn_lock){0};
        value = state = (word){0};
        explore_start("writer", write_locked, NULL);
        explore_start("reader", look_unlocked, NULL);
}

static void use(void *arg)
{
        (void)arg;
        planted_saw[0] = word_load(&value, RN_ORDER_RELAXED);
        EXPLORE_CHECK(planted_saw[0] == 7);
}

/* A thread is started before what it needs is stored. Stored before, it is seen without any order. */
static void started_too_early(void)
{
        value = (word){0};
        if (planted_broken)
                explore_start("thread", use, NULL);
        word_store(&value, 7, RN_ORDER_RELAXED);
        if (!planted_broken)
                explore_start("thread", use, NULL);
}

const planted planted_weak[] = {
        {"acquire-missing", acquire_missing, NULL, BY_WEAK(60), BY_WEAK(0), REIN_SIM_FAILED},
        {"release-missing", release_missing, NULL, BY_WEAK(60), BY_WEAK(0), REIN_SIM_FAILED},
        {"relaxed-drop", relaxed_drop, NULL, BY_WEAK(40), BY_WEAK(0), REIN_SIM_FAILED},
        {"claim-without-acquire",
         claim_without_acquire,
         NULL,
         {.how = EXPLORE_RANDOM, .budget = 1560, .weak = true},
         BY_WEAK(0),
         REIN_SIM_FAILED},
        {"release-overwritten", release_overwritten, NULL, BY_WEAK(40), BY_WEAK(0), REIN_SIM_FAILED},
        {"lock-forgotten", lock_forgotten, NULL, BY_WEAK(40), BY_WEAK(0), REIN_SIM_FAILED},
        {"started-too-early", started_too_early, NULL, BY_WEAK(40), BY_WEAK(0), REIN_SIM_FAILED},
        {0},
};
