/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that there is not, and memory given back twice. */
#include "planted.h"

/* ---- out of memory ---- */

static void make_pair(void *arg)
{
        (void)arg;
        word *first = rn_alloc(sizeof *first), *second = first ? rn_alloc(sizeof *second) : NULL;
        planted_saw[0] = (first != NULL) + (second != NULL);
        if (second || !planted_broken)
                rn_free(first);
        rn_free(second);
}

/* The second allocation of a call fails, and the first is leaked (faults.md 1). */
static void oom_leak(void)
{
        explore_start("caller", make_pair, NULL);
}

static word called, over;
static word *reserved;

static void settle_and_call(void *arg)
{
        (void)arg;
        word *node = planted_broken ? rn_alloc(sizeof *node) : reserved;
        if (node) {
                put(&called, 1);
                rn_free(node);
        }
        ring(&over);
}

static void wait_for_call(void *arg)
{
        (void)arg;
        wait_for(&over);
        planted_saw[0] = get(&called);
        EXPLORE_CHECK(planted_saw[0]);
}

/* Settling needs memory to run a callback, and there is none: the callback is lost (faults.md 2). Without the bug the
 * memory is there since the callback was added, or adding it failed. */
static void oom_in_settle(void)
{
        called = over = (word){0};
        if (!planted_broken) {
                reserved = rn_alloc(sizeof *reserved);
                if (!reserved)
                        return;
        }
        explore_start("settler", settle_and_call, NULL);
        explore_start("waiter", wait_for_call, NULL);
}

/* ---- given back twice ---- */

static word refs;

static void drop(void *arg)
{
        uint64_t left = minus(&refs, 1);
        if (planted_broken)
                left = get(&refs);
        if (left == 0)
                rn_free(arg);
}

/* The count is lowered, then read: two droppers find zero. */
static void given_back_twice(void)
{
        refs = (word){2};
        word *shared = rn_alloc(sizeof *shared);
        explore_start("first", drop, shared);
        explore_start("second", drop, shared);
}

static word slots[2], taken;

static void push(void *arg)
{
        (void)arg;
        uint64_t n = get(&taken);
        while (!word_cas(&taken, &n, n + 1, memory_order_seq_cst))
                ;
        put(&slots[n], 1);
}

static void pop_all(void *arg)
{
        (void)arg;
        if (planted_broken) {
                for (uint64_t i = 0, n = get(&taken); i < n; i++)
                        EXPLORE_CHECK(get(&slots[i]));
                return;
        }
        for (int i = 0; i < 2 && get(&slots[i]); i++)
                planted_saw[0]++;
}

/* A slot is taken, then filled; who reads in between gets what is not there yet. */
static void slot_before_filled(void)
{
        memset(slots, 0, sizeof slots);
        taken = (word){0};
        explore_start("pusher", push, NULL);
        explore_start("second pusher", push, NULL);
        explore_start("reader", pop_all, NULL);
}

#define FAULTS .faults = REIN_SIM_ALLOC

const planted planted_memory[] = {
        {"oom-leak",
         oom_leak,
         NULL,
         {.how = EXPLORE_RANDOM, .budget = 500, FAULTS},
         {.how = EXPLORE_FULL, FAULTS},
         REIN_SIM_LEAK},
        {"oom-in-settle",
         oom_in_settle,
         NULL,
         {EXPLORE_BOUNDED, 1, .budget = 60, FAULTS},
         {.how = EXPLORE_FULL, FAULTS},
         REIN_SIM_FAILED},
        {"given-back-twice", given_back_twice, NULL, BY_BOUND(1, 80), COMPLETELY, REIN_SIM_MISUSE},
        {"slot-before-filled", slot_before_filled, NULL, BY_PCT(2, 80), COMPLETELY, REIN_SIM_FAILED},
        {0},
};
