/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: who may run one, who may say that it never runs, who counts it; runs that are shared; timers; descriptors. */
#include "planted.h"

enum { QUEUED, RUNNING, ENDED, NEVER };

typedef struct job {
        word refs, state;
} job;

static job one;
static word ran, answered;

static bool change(word *w, uint64_t from, uint64_t to)
{
        if (!planted_broken)
                return move(w, from, to);
        if (get(w) != from)
                return false;
        put(w, to);
        return true;
}

/* ---- cancel and run ---- */

static void run_it(void *arg)
{
        (void)arg;
        if (change(&one.state, QUEUED, RUNNING))
                put(&ran, 1);
}

static void cancel_it(void *arg)
{
        (void)arg;
        if (change(&one.state, QUEUED, NEVER))
                put(&answered, 1);
}

static int either(void)
{
        planted_saw[0] = ran.v * 2 + answered.v;
        return ran.v + answered.v == 1 ? 0 : -EPROTO;
}

/* Cancel answers that the job never runs, and it runs (problems.md 4.3). */
static void canceled_but_runs(void)
{
        memset(&one, 0, sizeof one);
        ran = answered = (word){0};
        explore_start("thread", run_it, NULL);
        explore_start("canceller", cancel_it, NULL);
}

static void drop(job *j)
{
        if (minus(&j->refs, 1) == 0)
                rn_free(j);
}

static rn_lock lock;
static bool in_queue;

static void pop(void *arg)
{
        job *j = arg;
        rn_lock_take(&lock);
        in_queue = false;
        rn_lock_give(&lock);
        planted_saw[0] = move(&j->state, QUEUED, RUNNING);
        drop(j);
}

static void forbid(void *arg)
{
        job *j = arg;
        rn_lock_take(&lock);
        const bool there = in_queue;
        if (there && !planted_broken)
                plus(&j->refs, 1);
        if (there)
                planted_saw[1] = move(&j->state, QUEUED, NEVER);
        rn_lock_give(&lock);
        if (!there)
                return;
        if (planted_broken)
                plus(&j->refs, 1);
        drop(j);
}

/* A cancel forbids the job, then takes its reference to it: the thread that finds it forbidden has dropped the last one
 * (met in rein). */
static void reference_after_forbidden(void)
{
        job *j = rn_alloc(sizeof *j);
        j->refs.v = 1;
        lock = (rn_lock){0};
        in_queue = true;
        explore_start("thread", pop, j);
        explore_start("canceller", forbid, j);
}

/* ---- counting ---- */

static word outstanding;

static void settle_and_count(void *arg)
{
        (void)arg;
        if (change(&one.state, RUNNING, ENDED))
                minus(&outstanding, 1);
}

static int other_still_counted(void)
{
        planted_saw[0] = outstanding.v;
        return outstanding.v == 1 ? 0 : -EPROTO;
}

/* The cancel of a job and the end of its thread both count it as settled: the stop returns while another one runs (met in
 * rein). */
static void counted_twice(void)
{
        one.state = (word){RUNNING};
        outstanding = (word){2};
        explore_start("ending thread", settle_and_count, NULL);
        explore_start("canceller", settle_and_count, NULL);
}

static void list_in_receipt(void *arg)
{
        (void)arg;
        const bool queued = get(&one.state) == QUEUED;
        const bool forbidden = move(&one.state, QUEUED, NEVER);
        planted_saw[0] = planted_broken ? queued : forbidden;
}

static void run_one(void *arg)
{
        (void)arg;
        planted_saw[1] = move(&one.state, QUEUED, RUNNING);
}

static int listed_or_ran(void)
{
        return planted_saw[0] + planted_saw[1] == 1 ? 0 : -EPROTO;
}

/* A stop's receipt lists what it found queued, not what it has forbidden: the job runs, and the receipt says never. */
static void receipt_lies(void)
{
        one.state = (word){QUEUED};
        explore_start("thread", run_one, NULL);
        explore_start("stopper", list_in_receipt, NULL);
}

/* ---- shared runs ---- */

static struct {
        int mirrors;
        bool in_table, canceled, joined;
} shared;

static void detach_last(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        const bool last = --shared.mirrors == 0;
        if (last && !planted_broken)
                shared.in_table = false;
        rn_lock_give(&lock);
        rn_lock_take(&lock);
        if (last) {
                shared.canceled = true;
                shared.in_table = false;
        }
        rn_lock_give(&lock);
}

static void join_run(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        if (shared.in_table) {
                shared.mirrors++;
                shared.joined = true;
        }
        rn_lock_give(&lock);
}

static int joined_what_lives(void)
{
        planted_saw[0] = shared.joined + 2u * shared.canceled;
        return shared.joined && shared.canceled ? -EPROTO : 0;
}

/* The last mirror of a run leaves, and the run is cancelled later: who joined it in between is cancelled with it. */
static void joins_the_canceled(void)
{
        lock = (rn_lock){0};
        memset(&shared, 0, sizeof shared);
        shared.mirrors = 1;
        shared.in_table = true;
        explore_start("last mirror", detach_last, NULL);
        explore_start("joiner", join_run, NULL);
}

/* ---- timers ---- */

enum { ARMED, FIRING, FIRED, DISARMED };

static word timer;

static void clock_fires(void *arg)
{
        job *j = arg;
        if (!move(&timer, ARMED, FIRING))
                return;
        plus(&j->refs, 1);
        put(&timer, FIRED);
        word_wake(&timer, 1);
}

static void disarm_and_free(void *arg)
{
        planted_saw[0] = move(&timer, ARMED, DISARMED);
        while (!planted_saw[0] && !planted_broken && get(&timer) == FIRING)
                word_wait(&timer, FIRING);
        rn_free(arg);
}

/* Disarming a timer returns while its callback runs, and the owner frees what that works on. */
static void disarm_does_not_wait(void)
{
        timer = (word){ARMED};
        job *j = rn_alloc(sizeof *j);
        explore_start("clock", clock_fires, j);
        explore_start("owner", disarm_and_free, j);
}

/* ---- descriptors ---- */

enum { CLOSING = 100 };

static int mine[2], others[2];
static word users;

static bool enter(void)
{
        uint64_t n = get(&users);
        do
                if (n >= CLOSING)
                        return false;
        while (!word_cas(&users, &n, n + 1, memory_order_seq_cst));
        return true;
}

static void read_mine(void *arg)
{
        (void)arg;
        char byte = 0;
        if (!enter())
                return;
        if (rn_sys_poll(mine[0], RN_POLLIN, -1, rn_sim->now) > 0 && rn_sys_read(mine[0], &byte, 1, false) == 1)
                planted_saw[0] = (uint64_t)(unsigned char)byte;
        EXPLORE_CHECK(planted_saw[0] != 'b');
        minus(&users, 1);
        word_wake(&users, 1);
}

static void close_mine(void *arg)
{
        (void)arg;
        uint64_t n = plus(&users, CLOSING);
        while (!planted_broken && n != CLOSING) {
                word_wait(&users, n);
                n = get(&users);
        }
        rn_sys_close(mine[0]);
        rein_sim_pipe(others, 4);
        rn_sys_write(others[1], "b", 1, false);
        rn_sys_close(mine[1]);
        rn_sys_close(others[0]);
        rn_sys_close(others[1]);
}

/* A descriptor is closed between the poll and the read of another thread, and its number used again: that thread reads
 * what is not its own (met in rein). */
static void number_reused(void)
{
        users = (word){0};
        rein_sim_pipe(mine, 4);
        rn_sys_write(mine[1], "a", 1, false);
        explore_start("reader", read_mine, NULL);
        explore_start("closer", close_mine, NULL);
}

static word in_a_call, is_open, woken;

static void call_begins(void *arg)
{
        (void)arg;
        put(&in_a_call, 1);
        if (!get(&is_open))
                put(&woken, 1); /* the system says that there is no such descriptor */
}

static void look_and_wake(void)
{
        if (get(&in_a_call))
                put(&woken, 1);
}

static void look_and_close(void *arg)
{
        (void)arg;
        look_and_wake();
        put(&is_open, 0);
        if (!planted_broken)
                look_and_wake();
}

static int was_woken(void)
{
        planted_saw[0] = woken.v;
        return woken.v ? 0 : -EPROTO;
}

/* A call begins when the close has looked who is in one, and has not closed yet: it waits for ever (met in rein). */
static void begins_while_closing(void)
{
        in_a_call = woken = (word){0};
        is_open = (word){1};
        explore_start("call", call_begins, NULL);
        explore_start("closer", look_and_close, NULL);
}

/* ---- a cancel as a job comes in ---- */

static word canceled_by_now, in_the_queue;

static void comes_in(void *arg)
{
        (void)arg;
        uint64_t canceled = planted_broken ? get(&canceled_by_now) : 0;
        put(&one.state, QUEUED);
        if (!planted_broken)
                canceled = get(&canceled_by_now);
        if (!canceled || !move(&one.state, QUEUED, NEVER))
                put(&in_the_queue, 1);
}

static void cancels_it(void *arg)
{
        (void)arg;
        put(&canceled_by_now, 1);
        planted_saw[0] = move(&one.state, QUEUED, NEVER);
}

static int not_left_in_the_queue(void)
{
        planted_saw[1] = in_the_queue.v;
        return one.state.v == NEVER ? 0 : -EPROTO;
}

/* A submit looks for a cancel and then makes its job one that a cancel can forbid: neither sees the other, and the job stays
 * in the queue until some thread looks at it. */
static void canceled_unseen(void)
{
        one.state = (word){RUNNING}; /* not yet one that can be forbidden */
        canceled_by_now = in_the_queue = (word){0};
        explore_start("submitter", comes_in, NULL);
        explore_start("canceller", cancels_it, NULL);
}

/* ---- the third answer of a cancel ---- */

static word code_returned, has_settled;

static void return_and_settle(void *arg)
{
        (void)arg;
        put(&code_returned, 1);
        put(&has_settled, 1);
}

static void ask_it_to_leave(void *arg)
{
        (void)arg;
        if (!get(&code_returned))
                return;
        const bool too_late = planted_broken || get(&has_settled);
        EXPLORE_CHECK(!too_late || get(&has_settled));
}

/* A cancel finds that the code has returned and says "too late": the future was pending still (met in rein: cancel_race). */
static void too_late_too_early(void)
{
        code_returned = has_settled = (word){0};
        explore_start("runner", return_and_settle, NULL);
        explore_start("canceller", ask_it_to_leave, NULL);
}

const planted planted_work[] = {
        {"canceled-but-runs", canceled_but_runs, either, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {"reference-after-forbidden", reference_after_forbidden, NULL, BY_DPOR(80), COMPLETELY, REIN_SIM_MISUSE},
        {"counted-twice", counted_twice, other_still_counted, BY_RANDOM(20), COMPLETELY, REIN_SIM_FAILED},
        {"receipt-lies", receipt_lies, listed_or_ran, BY_BOUND(1, 100), COMPLETELY, REIN_SIM_FAILED},
        {"joins-the-canceled", joins_the_canceled, joined_what_lives, BY_PCT(2, 240), COMPLETELY, REIN_SIM_FAILED},
        {"disarm-does-not-wait", disarm_does_not_wait, NULL, BY_DPOR(80), COMPLETELY, REIN_SIM_MISUSE},
        {"number-reused", number_reused, NULL, BY_DPOR(120), COMPLETELY, REIN_SIM_FAILED},
        {"begins-while-closing", begins_while_closing, was_woken, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {"canceled-unseen", canceled_unseen, not_left_in_the_queue, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {"too-late-too-early", too_late_too_early, NULL, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {0},
};
