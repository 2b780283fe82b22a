/* SPDX-License-Identifier: Apache-2.0 */
/* Futures: callbacks, and what a reader gets. */
#include "planted.h"

enum { PENDING, SETTLED };

static word state;

/* ---- callbacks ---- */

typedef struct callback {
        struct callback *next;
        uint64_t ran;
} callback;

static callback calls[2], closed;
static word list, woken;
static bool left_open, uncut;
static int wakes;

static void run(callback *c)
{
        while (c && c != &closed) {
                callback *next = c->next;
                c->ran++;
                c = next;
        }
}

static void add(void *arg)
{
        callback *c = arg;
        if (get(&state) == SETTLED) {
                run(c);
                return;
        }
        uint64_t head = get(&list);
        do {
                if (head == (uintptr_t)&closed) {
                        if (!uncut)
                                c->next = NULL;
                        run(c);
                        return;
                }
                c->next = (callback *)(uintptr_t)head;
        } while (!word_cas(&list, &head, (uintptr_t)c, memory_order_seq_cst));
}

static void settle(void *arg)
{
        (void)arg;
        put(&state, SETTLED);
        for (int i = 0; i < wakes; i++)
                plus(&woken, 1);
        run((callback *)(uintptr_t)word_swap(&list, left_open ? 0 : (uintptr_t)&closed, memory_order_seq_cst));
}

static void callbacks(int adders, int waiters)
{
        static const char *const names[] = {"adder", "second adder"};
        state = list = woken = (word){0};
        memset(calls, 0, sizeof calls);
        wakes = waiters;
        for (int i = 0; i < adders; i++)
                explore_start(names[i], add, &calls[i]);
        explore_start("settler", settle, NULL);
}

static int each_once(int n)
{
        int rc = 0;
        for (int i = 0; i < n; i++) {
                planted_saw[i] = calls[i].ran * 4 + (calls[i].next ? (uint64_t)(calls[i].next - calls) + 1 : 0);
                if (calls[i].ran != 1)
                        rc = -EPROTO;
        }
        return rc;
}

/* A callback added between the settle and the emptying of the list is never run, while settling has a long way to go: the
 * settler wakes 24 waiters first. */
static void lost_callback_far(void)
{
        left_open = planted_broken;
        uncut = false;
        callbacks(1, 24);
}

static int one_once(void)
{
        return each_once(1);
}

/* A late adder's callback still points to the one it failed to put itself before: that one runs twice (met in the
 * prototype of the explorer). */
static void callback_twice(void)
{
        left_open = false;
        uncut = planted_broken;
        callbacks(2, 0);
}

static int both_once(void)
{
        return each_once(2);
}

/* ---- what a reader gets ---- */

static word value, error;

static void read_both(void *arg)
{
        (void)arg;
        uint64_t before = get(&state), v = get(&value), e = get(&error);
        const bool whole = planted_broken ? get(&state) == before : before == SETTLED;
        planted_saw[0] = whole ? v * 16 + e : 99;
        EXPLORE_CHECK(!whole || v == e);
}

static void write_both(void *arg)
{
        (void)arg;
        put(&value, 7);
        put(&error, 7);
        put(&state, SETTLED);
}

/* Value and error are read one after the other, and taken for a pair because the state did not change:
 * done, and yet no result. */
static void torn_snapshot(void)
{
        state = value = error = (word){0};
        explore_start("reader", read_both, NULL);
        explore_start("settler", write_both, NULL);
}

const planted planted_futures[] = {
        {"lost-callback-far", lost_callback_far, one_once, BY_PCT(2, 60), COMPLETELY, REIN_SIM_FAILED},
        {"callback-twice", callback_twice, both_once, BY_BOUND(2, 160), COMPLETELY, REIN_SIM_FAILED},
        {"torn-snapshot", torn_snapshot, NULL, BY_BOUND(2, 180), COMPLETELY, REIN_SIM_FAILED},
        {0},
};
