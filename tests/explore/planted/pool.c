/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: permits, threads that come and go, full queues, stops. */
#include "planted.h"

/* ---- permits ---- */

enum { RUNNING = 1, ENDED, ABANDONED };

static word permits, job, running;

static void permit_take(void)
{
        for (;;) {
                uint64_t free = get(&permits);
                if (free && move(&permits, free, free - 1))
                        return;
                if (!free)
                        word_wait(&permits, 0);
        }
}

static void permit_give(void)
{
        plus(&permits, 1);
        word_wake(&permits, 1);
}

static void run_stubborn_job(void *arg)
{
        (void)arg;
        plus(&running, 1);
        minus(&running, 1);
        planted_saw[0] = move(&job, RUNNING, ENDED);
        if (planted_saw[0] || !planted_broken)
                permit_give();
}

static void abandon(void *arg)
{
        (void)arg;
        planted_saw[1] = move(&job, RUNNING, ABANDONED);
        if (planted_saw[1] && planted_broken)
                permit_give();
}

static void run_next_job(void *arg)
{
        (void)arg;
        permit_take();
        EXPLORE_CHECK(plus(&running, 1) == 1);
        minus(&running, 1);
        permit_give();
}

/* The permit of an abandoned job is given on while its code still runs: two run where one may (lessons.md 1: ten threads
 * under a limit of two). */
static void abandon_frees_permit(void)
{
        permits = running = (word){0};
        job = (word){RUNNING};
        explore_start("stubborn", run_stubborn_job, NULL);
        explore_start("canceller", abandon, NULL);
        explore_start("next", run_next_job, NULL);
}

static rn_lock lock;
static struct {
        bool waits, lent, queued;
} seen_by_all;

static void say(bool *what)
{
        rn_lock_take(&lock);
        *what = true;
        rn_lock_give(&lock);
}

static void wait_for_own_pool(void *arg)
{
        (void)arg;
        if (planted_broken)
                say(&seen_by_all.waits);
        say(&seen_by_all.lent);
        if (!planted_broken)
                say(&seen_by_all.waits);
}

static void look_for_knots(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        const bool knot = seen_by_all.waits && !seen_by_all.lent && seen_by_all.queued;
        planted_saw[0] = seen_by_all.waits + 2u * seen_by_all.lent;
        rn_lock_give(&lock);
        EXPLORE_CHECK(!knot);
}

/* A job says that it waits, then lends its permit: who looks in between finds a knot that is none (met in rein). */
static void lent_after_said(void)
{
        memset(&seen_by_all, 0, sizeof seen_by_all);
        lock = (rn_lock){0};
        seen_by_all.queued = true;
        explore_start("waiter", wait_for_own_pool, NULL);
        explore_start("looker", look_for_knots, NULL);
}

/* ---- knots that a signal ties ---- */

static word moved, holder_waits, told;

static void signal_without_mutex(void *arg)
{
        (void)arg;
        const bool waits = planted_broken && get(&holder_waits);
        put(&moved, 1);
        planted_saw[0] = planted_broken ? waits : get(&holder_waits);
        if (planted_saw[0]) /* the signalled one looks, and lets the holder know */
                ring(&told);
}

static void wait_with_mutex(void *arg)
{
        (void)arg;
        put(&holder_waits, 1);
        planted_saw[1] = get(&moved);
        if (!planted_saw[1])
                wait_for(&told);
}

/* A signal sends a waiter back to its mutex, whose holder waits for that waiter: no wait begins, so nobody looks but by
 * these two words. The signaller looks whether the holder waits, and then moves its man. */
static void signal_ties_a_knot(void)
{
        moved = holder_waits = told = (word){0};
        explore_start("signaller", signal_without_mutex, NULL);
        explore_start("holder", wait_with_mutex, NULL);
}

/* ---- elastic pools ---- */

static word queued, armed;

static void look_at_pool(void *arg)
{
        (void)arg;
        for (int found = 0; found < 2;) {
                while (!get(&armed))
                        word_wait(&armed, 0);
                uint64_t jobs = planted_broken ? get(&queued) : 0;
                if (!jobs)
                        put(&armed, 0);
                if (!planted_broken)
                        jobs = get(&queued);
                if (!jobs)
                        continue;
                put(&armed, 1);
                minus(&queued, 1);
                found++;
        }
}

static void submit_to_elastic(void *arg)
{
        (void)arg;
        plus(&queued, 1);
        if (move(&armed, 0, 1))
                word_wake(&armed, 1);
}

/* The pool's watcher finds the queue empty, then says that it does not look any more; the submit in between sees it
 * still looking (met in rein: an elastic pool that stopped looking, its timer set by what was true before). */
static void pool_stopped_looking(void)
{
        queued = armed = (word){1};
        explore_start("watcher", look_at_pool, NULL);
        explore_start("submitter", submit_to_elastic, NULL);
}

/* ---- idle threads ---- */

static struct {
        int queued, idle, tokens, ran;
} p;

static rn_a32 bell;
static int64_t idle_ends;

static void worker(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        for (;;) {
                while (p.queued) {
                        p.queued--;
                        p.ran++;
                }
                p.idle++;
                rn_lock_give(&lock);
                rn_word_wait(&bell, 0, idle_ends);
                rn_lock_take(&lock);
                p.idle--;
                const bool late = rn_sim->now >= idle_ends;
                if (!p.tokens || (planted_broken && late))
                        break;
                p.tokens--;
        }
        rn_lock_give(&lock);
}

static void submit_late(void *arg)
{
        (void)arg;
        rein_sim_block((rein_time){idle_ends});
        rn_lock_take(&lock);
        p.queued++;
        const bool token = p.idle > 0;
        p.tokens += token;
        rn_lock_give(&lock);
        if (token)
                rn_word_wake(&bell, 1);
        else
                explore_start("new thread", worker, NULL);
}

static int ran_once(void)
{
        planted_saw[0] = (uint64_t)p.ran;
        return p.ran == 1 ? 0 : -EPROTO;
}

/* Idle threads are woken by tokens; one whose time is over leaves with the token that was meant for it, and the job
 * stays in the queue (met in rein). */
static void token_eaten(void)
{
        memset(&p, 0, sizeof p);
        lock = (rn_lock){0};
        rn_set32(&bell, 0);
        idle_ends = rn_sim->now + 1000000;
        explore_start("idle thread", worker, NULL);
        explore_start("submitter", submit_late, NULL);
}

/* ---- full queues ---- */

static word room, canceled, changes;

static void wait_for_room(void *arg)
{
        (void)arg;
        for (;;) {
                const uint64_t seen = get(&changes);
                planted_saw[0] = get(&canceled);
                if (planted_saw[0] || get(&room))
                        return;
                word_wait(&changes, seen);
        }
}

static void cancel_submitter(void *arg)
{
        (void)arg;
        put(&canceled, 1);
        if (planted_broken)
                return;
        plus(&changes, 1);
        word_wake(&changes, UINT32_MAX);
}

/* Who waits for room in a full queue is not woken when its job is cancelled (met in rein). */
static void room_not_told(void)
{
        room = canceled = changes = (word){0};
        explore_start("submitter", wait_for_room, NULL);
        explore_start("canceller", cancel_submitter, NULL);
}

/* ---- stops ---- */

static word kill_at;

static void stop_begin(void *arg)
{
        const uint64_t mine = (uintptr_t)arg;
        if (planted_broken) {
                put(&kill_at, mine);
                return;
        }
        uint64_t now = get(&kill_at);
        while (mine < now && !word_cas(&kill_at, &now, mine, memory_order_seq_cst))
                ;
}

static int the_earliest_holds(void)
{
        planted_saw[0] = kill_at.v;
        return kill_at.v == 100 ? 0 : -EPROTO;
}

/* A second stop with more patience postpones the first (met in rein). */
static void second_stop_postpones(void)
{
        kill_at = (word){UINT64_MAX};
        explore_start("patient", stop_begin, (void *)300);
        explore_start("impatient", stop_begin, (void *)100);
}

static word stopping;
static int accepted, settled;

static void submit(void *arg)
{
        (void)arg;
        bool refused = planted_broken && get(&stopping);
        rn_lock_take(&lock);
        if (!planted_broken)
                refused = get(&stopping);
        if (!refused) {
                p.queued++;
                accepted++;
        }
        rn_lock_give(&lock);
}

static void stop(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        put(&stopping, 1);
        settled += p.queued;
        p.queued = 0;
        rn_lock_give(&lock);
}

static int all_settled(void)
{
        planted_saw[0] = (uint64_t)accepted * 4 + (uint64_t)settled;
        return accepted == settled ? 0 : -EPROTO;
}

/* Whether the pool stops is looked at before its lock is taken: the stop empties the queue in between, and the job is
 * never settled (faults.md 35). */
static void submit_races_stop(void)
{
        memset(&p, 0, sizeof p);
        stopping = (word){0};
        lock = (rn_lock){0};
        accepted = settled = 0;
        explore_start("submitter", submit, NULL);
        explore_start("second submitter", submit, NULL);
        explore_start("stopper", stop, NULL);
}

const planted planted_pools[] = {
        {"abandon-frees-permit", abandon_frees_permit, NULL, BY_BOUND(1, 640), COMPLETELY, REIN_SIM_FAILED},
        {"lent-after-said", lent_after_said, NULL, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {"signal-ties-a-knot", signal_ties_a_knot, NULL, BY_DPOR(40), COMPLETELY, REIN_SIM_DEADLOCK},
        {"pool-stopped-looking", pool_stopped_looking, NULL, BY_DPOR(180), COMPLETELY, REIN_SIM_DEADLOCK},
        {"token-eaten", token_eaten, ran_once, BY_RANDOM(20), COMPLETELY, REIN_SIM_FAILED},
        {"room-not-told", room_not_told, NULL, BY_PCT(2, 20), COMPLETELY, REIN_SIM_DEADLOCK},
        {"second-stop-postpones", second_stop_postpones, the_earliest_holds, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {"submit-races-stop", submit_races_stop, all_settled, BY_BOUND(2, 160), COMPLETELY, REIN_SIM_FAILED},
        {0},
};
