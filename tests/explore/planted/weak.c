/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that are too weak. No search through sequentially consistent schedules sees these. */
#include "planted.h"

static word value, state, refs, fields[2];

static memory_order with(memory_order weak, memory_order enough)
{
        return planted_broken ? weak : enough;
}

static memory_order of_load, of_store;

static void publish(void *arg)
{
        (void)arg;
        word_store(&value, 7, memory_order_relaxed);
        word_store(&state, 1, of_store);
}

static void look(void *arg)
{
        (void)arg;
        if (!word_load(&state, of_load))
                return;
        planted_saw[0] = word_load(&value, memory_order_relaxed);
        EXPLORE_CHECK(planted_saw[0] == 7);
}

static void publication(memory_order load, memory_order store)
{
        value = state = (word){0};
        of_load = load;
        of_store = store;
        explore_start("reader", look, NULL);
        explore_start("writer", publish, NULL);
}

/* The state is loaded without acquire: settled, and the value is not there. */
static void acquire_missing(void)
{
        publication(with(memory_order_relaxed, memory_order_acquire), memory_order_release);
}

/* The state is stored without release: the same, from the other side. */
static void release_missing(void)
{
        publication(memory_order_acquire, with(memory_order_relaxed, memory_order_release));
}

static void write_and_drop(void *arg)
{
        const uintptr_t me = (uintptr_t)arg;
        word_store(&fields[me], 1, memory_order_relaxed);
        if (word_add(&refs, (uint64_t)-1, with(memory_order_release, memory_order_acq_rel)) != 1)
                return;
        planted_saw[0] = me;
        EXPLORE_CHECK(word_load(&fields[1 - me], memory_order_relaxed) == 1);
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
        word_cas(&state, &one, 2, with(memory_order_relaxed, memory_order_acq_rel));
        if (one == 1)
                word_store(&refs, 1, memory_order_release);
}

static void look_at_relayed(void *arg)
{
        (void)arg;
        if (!word_load(&refs, memory_order_acquire))
                return;
        planted_saw[0] = word_load(&value, memory_order_relaxed);
        EXPLORE_CHECK(planted_saw[0] == 7);
}

/* A thread that claims a published job passes it on without having acquired it: the third does not see what the first wrote. */
static void claim_without_acquire(void)
{
        value = state = refs = (word){0};
        of_store = memory_order_release;
        explore_start("writer", publish, NULL);
        explore_start("claimer", relay, NULL);
        explore_start("reader", look_at_relayed, NULL);
}

static void pass_on(void *arg)
{
        (void)arg;
        if (word_load(&state, memory_order_relaxed) != 1)
                return;
        if (planted_broken)
                word_store(&state, 2, memory_order_relaxed);
        else
                word_add(&state, 1, memory_order_relaxed);
}

static void look_at_two(void *arg)
{
        (void)arg;
        if (word_load(&state, memory_order_acquire) != 2)
                return;
        planted_saw[0] = word_load(&value, memory_order_relaxed);
        EXPLORE_CHECK(planted_saw[0] == 7);
}

/* After the release the state is stored again, not updated: who gets the second store has not acquired the first. The
 * twin's update carries the release on. */
static void release_overwritten(void)
{
        value = state = (word){0};
        of_store = memory_order_release;
        explore_start("writer", publish, NULL);
        explore_start("second writer", pass_on, NULL);
        explore_start("reader", look_at_two, NULL);
}

static rn_lock lock;

static void write_locked(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        word_store(&value, 7, memory_order_relaxed);
        word_store(&state, 1, memory_order_relaxed);
        rn_lock_give(&lock);
}

static void look_unlocked(void *arg)
{
        (void)arg;
        if (!planted_broken)
                rn_lock_take(&lock);
        const bool settled = word_load(&state, memory_order_relaxed);
        planted_saw[0] = word_load(&value, memory_order_relaxed);
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
        planted_saw[0] = word_load(&value, memory_order_relaxed);
        EXPLORE_CHECK(planted_saw[0] == 7);
}

/* A thread is started before what it needs is stored. Stored before, it is seen without any order. */
static void started_too_early(void)
{
        value = (word){0};
        if (planted_broken)
                explore_start("thread", use, NULL);
        word_store(&value, 7, memory_order_relaxed);
        if (!planted_broken)
                explore_start("thread", use, NULL);
}

static void come(void *arg)
{
        (void)arg;
        word_store(&value, 1, with(memory_order_release, memory_order_seq_cst));
        planted_saw[0] = word_load(&state, memory_order_seq_cst);
}

static void fall_asleep(void *arg)
{
        (void)arg;
        word_swap(&state, 1, memory_order_seq_cst);
        planted_saw[1] = word_swap(&value, 0, memory_order_seq_cst);
}

static int one_saw_the_other(void)
{
        return planted_saw[0] || planted_saw[1] ? 0 : -EPROTO;
}

/* A thread stores that something has come, and looks whether the other sleeps. A processor may keep a store back behind
 * that load when it is only a release, so that the other misses it, whose own operations are all updates. */
static void store_kept_back(void)
{
        value = state = (word){0};
        explore_start("caller", come, NULL);
        explore_start("sleeper", fall_asleep, NULL);
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
        {"store-kept-back", store_kept_back, one_saw_the_other, BY_WEAK(60), BY_WEAK(0), REIN_SIM_FAILED},
        {"started-too-early", started_too_early, NULL, BY_WEAK(40), BY_WEAK(0), REIN_SIM_FAILED},
        {0},
};
