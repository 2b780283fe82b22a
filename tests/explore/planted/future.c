/* SPDX-License-Identifier: Apache-2.0 */
/* Futures: settling, callbacks, references, failures nobody looked at. */
#include "planted.h"

enum { PENDING, CLAIMED, SETTLED, FAILED, CANCELED };

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
        } while (!word_cas(&list, &head, (uintptr_t)c, RN_ORDER_SEQ_CST));
}

static void settle(void *arg)
{
        (void)arg;
        put(&state, SETTLED);
        for (int i = 0; i < wakes; i++)
                plus(&woken, 1);
        run((callback *)(uintptr_t)word_swap(&list, left_open ? 0 : (uintptr_t)&closed, RN_ORDER_SEQ_CST));
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

/* A callback added between the settle and the emptying of the list is never run (problems.md 1.5). */
static void lost_callback(void)
{
        left_open = planted_broken;
        uncut = false;
        callbacks(1, 0);
}

/* The same while settling has a long way to go: the settler wakes 24 waiters first. */
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

/* Value and error are read one after the other, and taken for a pair because the state did not change (problems.md 1.5:
 * done, and yet no result). */
static void torn_snapshot(void)
{
        state = value = error = (word){0};
        explore_start("reader", read_both, NULL);
        explore_start("settler", write_both, NULL);
}

/* ---- who settles ---- */

static bool claim(void)
{
        if (!planted_broken)
                return move(&state, PENDING, CLAIMED);
        if (get(&state) != PENDING)
                return false;
        put(&state, CLAIMED);
        return true;
}

static void race_to_settle(void *arg)
{
        const uint64_t me = (uintptr_t)arg;
        if (!claim())
                return;
        put(&value, me);
        put(&state, SETTLED);
        planted_saw[me] = 1;
}

/* The state is looked at, then written: two settlers win (problems.md 1.1). */
static void two_winners(void)
{
        state = value = (word){0};
        explore_start("first", race_to_settle, (void *)1);
        explore_start("second", race_to_settle, (void *)2);
}

static int one_winner(void)
{
        planted_saw[0] = value.v;
        return planted_saw[1] + planted_saw[2] == 1 ? 0 : -EPROTO;
}

enum { A_SETTLE = 1, NOTHING };

static word posted;

static void settle_when_posted(void *arg)
{
        (void)arg;
        wait_for(&posted);
        if (get(&posted) == NOTHING)
                return;
        if (planted_broken) {
                EXPLORE_CHECK(get(&state) == PENDING);
                put(&state, SETTLED);
        } else {
                planted_saw[0] = move(&state, PENDING, SETTLED);
        }
}

static void post(void *arg)
{
        (void)arg;
        put(&posted, get(&state) == PENDING ? A_SETTLE : NOTHING);
        word_wake(&posted, 1);
}

static void cancel(void *arg)
{
        (void)arg;
        planted_saw[1] = move(&state, PENDING, CANCELED);
}

/* Whoever hands a settle to the loop has looked whether the future is cancelled; it was cancelled since, and the loop
 * breaks (problems.md 1.3). */
static void settle_after_cancel(void)
{
        state = posted = (word){0};
        explore_start("loop", settle_when_posted, NULL);
        explore_start("poster", post, NULL);
        explore_start("canceller", cancel, NULL);
}

/* ---- wake-ups ---- */

static word waiting;

static void await(void *arg)
{
        (void)arg;
        if (planted_broken && get(&state) == SETTLED)
                return;
        put(&waiting, 1);
        if (planted_broken || get(&state) != SETTLED)
                word_wait(&waiting, 1);
}

static void settle_and_wake(void *arg)
{
        (void)arg;
        put(&state, SETTLED);
        if (move(&waiting, 1, 0))
                word_wake(&waiting, 1);
}

/* The waiter looks at the state, then says that it waits: a settle in between wakes nobody. */
static void lost_wakeup(void)
{
        state = waiting = (word){0};
        explore_start("waiter", await, NULL);
        explore_start("settler", settle_and_wake, NULL);
}

static rn_a32 bell, ready;

static void loop(void *arg)
{
        (void)arg;
        const int64_t began = rn_sim->now;
        while (!rn_load32(&ready))
                rn_word_wait(&bell, 0, began + 2000000000);
        EXPLORE_CHECK(rn_sim->now == began);
}

static void settle_from_outside(void *arg)
{
        (void)arg;
        rn_store32(&ready, 1);
        if (planted_broken)
                return;
        rn_store32(&bell, 1);
        rn_word_wake(&bell, 1);
}

/* Set from another thread, the result is in the loop's queue, and nothing wakes the loop before its next timer
 * (problems.md 1.2). */
static void wakes_nobody(void)
{
        rn_set32(&bell, 0);
        rn_set32(&ready, 0);
        explore_start("loop", loop, NULL);
        explore_start("settler", settle_from_outside, NULL);
}

/* ---- the end of a future ---- */

typedef struct record {
        word refs, state, list;
} record;

static void drop(record *f)
{
        if (minus(&f->refs, 1) == 0)
                rn_free(f);
}

static void settle_record(void *arg)
{
        record *f = arg;
        put(&f->state, SETTLED);
        if (planted_broken)
                drop(f);
        word_swap(&f->list, 1, RN_ORDER_SEQ_CST);
        if (!planted_broken)
                drop(f);
}

static void look_and_drop(void *arg)
{
        record *f = arg;
        planted_saw[0] = get(&f->state);
        drop(f);
}

/* The settler gives its reference back before it has emptied the list, and the user drops the last one. */
static void freed_while_settling(void)
{
        record *f = rn_alloc(sizeof *f);
        f->refs.v = 2;
        explore_start("user", look_and_drop, f);
        explore_start("settler", settle_record, f);
}

static word holders, reported;

static void report(void)
{
        if (move(&reported, 0, 1))
                planted_saw[0]++;
}

static void fail(void *arg)
{
        (void)arg;
        uint64_t users = planted_broken ? get(&holders) : 0;
        put(&state, FAILED);
        if (!planted_broken)
                users = get(&holders);
        if (!users)
                report();
}

static void let_go(void *arg)
{
        (void)arg;
        put(&holders, 0);
        if (get(&state) == FAILED)
                report();
}

/* The settler looks whether anybody holds the future before it fails it; the last holder leaves in between, and the
 * error vanishes (problems.md 2.1, 2.3). */
static void unseen_error(void)
{
        state = reported = (word){0};
        holders = (word){1};
        explore_start("settler", fail, NULL);
        explore_start("user", let_go, NULL);
}

static int reported_once(void)
{
        return planted_saw[0] == 1 ? 0 : -EPROTO;
}

/* ---- cancel hooks ---- */

static rn_lock hook_lock;
static int callers;
static bool inside;

static void note(bool begins, bool in)
{
        rn_lock_take(&hook_lock);
        if (planted_broken)
                callers = begins;
        else
                callers += begins ? 1 : -1;
        inside = in;
        rn_lock_give(&hook_lock);
}

/* A hook that sets another one, which is called at once. */
static void call_hooks(void *arg)
{
        (void)arg;
        note(true, true);
        note(true, true);
        note(false, true);
        note(false, false);
}

static void remove_hook(void *arg)
{
        (void)arg;
        rn_lock_take(&hook_lock);
        const bool removed = callers == 0, too_early = inside;
        rn_lock_give(&hook_lock);
        EXPLORE_CHECK(!removed || !too_early);
}

/* Two calls of cancel hooks share one note that says a hook runs: the end of the inner one takes it away, and whoever
 * removes the hook does not wait for the outer one (src/core/promise.c: `callers`). */
static void one_note_for_two_hooks(void)
{
        hook_lock = (rn_lock){0};
        callers = 0;
        inside = false;
        explore_start("canceller", call_hooks, NULL);
        explore_start("remover", remove_hook, NULL);
}

const planted planted_futures[] = {
        {"lost-callback", lost_callback, one_once, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {"lost-callback-far", lost_callback_far, one_once, BY_PCT(2, 60), COMPLETELY, REIN_SIM_FAILED},
        {"callback-twice", callback_twice, both_once, BY_BOUND(2, 160), COMPLETELY, REIN_SIM_FAILED},
        {"torn-snapshot", torn_snapshot, NULL, BY_BOUND(2, 180), COMPLETELY, REIN_SIM_FAILED},
        {"two-winners", two_winners, one_winner, BY_RANDOM(20), COMPLETELY, REIN_SIM_FAILED},
        {"settle-after-cancel", settle_after_cancel, NULL, BY_PCT(2, 40), COMPLETELY, REIN_SIM_FAILED},
        {"lost-wakeup", lost_wakeup, NULL, BY_DPOR(80), COMPLETELY, REIN_SIM_DEADLOCK},
        {"wakes-nobody", wakes_nobody, NULL, BY_RANDOM(20), COMPLETELY, REIN_SIM_FAILED},
        {"freed-while-settling", freed_while_settling, NULL, BY_DPOR(20), COMPLETELY, REIN_SIM_MISUSE},
        {"one-note-for-two-hooks", one_note_for_two_hooks, NULL, BY_DPOR(100), COMPLETELY, REIN_SIM_FAILED},
        {"unseen-error", unseen_error, reported_once, BY_BOUND(1, 80), COMPLETELY, REIN_SIM_FAILED},
        {0},
};
