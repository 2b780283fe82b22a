/* SPDX-License-Identifier: Apache-2.0 */
/* Hook regions: one word with a generation and a state; the poke; what runs when a thread ends. */
#include "planted.h"

enum { WORKING, STRIKING, STRUCK, FINISHED };

enum { MS = 1000000 };

static word region, canceled;
static uint32_t worker_id;

static void region_open(uint64_t generation)
{
        put(&region, generation << 2 | WORKING);
}

static void region_close(bool waits)
{
        for (unsigned round = 0;; round++) {
                uint64_t v = get(&region);
                if ((v & 3) != STRIKING || !waits) {
                        if (move(&region, v, v | FINISHED))
                                return;
                } else {
                        rn_pause(round);
                }
        }
}

/* Only who strikes may poke or stop; it says so with region_struck. */
static bool strike(uint64_t generation, bool any_generation)
{
        uint64_t v = get(&region);
        if ((v & 3) == FINISHED || (v & 3) == STRIKING || (!any_generation && v >> 2 != generation))
                return false;
        return v && move(&region, v, (v & ~3ull) | STRIKING);
}

static void region_struck(void)
{
        uint64_t v = get(&region);
        put(&region, (v & ~3ull) | STRUCK);
}

static void poke(void)
{
        rn_virtual()->poke(worker_id);
}

static int block_for(int64_t ns)
{
        return rein_sim_block((rein_time){rn_sim->now + ns});
}

/* ---- the poke ---- */

static void two_calls(void *arg)
{
        (void)arg;
        worker_id = rn_virtual()->thread_id();
        region_open(1);
        planted_saw[0] = block_for(MS) == -EINTR;
        region_close(true);
        planted_saw[1] = block_for(MS) == -EINTR; /* no region is open: nobody may poke */
        EXPLORE_CHECK(!planted_saw[1]);
}

static void poke_and_resend(void *arg)
{
        (void)arg;
        if (!strike(1, false))
                return;
        poke();
        region_struck();
        if (planted_broken) {
                if ((get(&region) & 3) == STRUCK)
                        poke();
        } else if (strike(1, false)) {
                poke();
                region_struck();
        }
}

/* A resend that looks at the state, then pokes: the region closes in between, and the next call gets it (lessons.md 1:
 * 1,405 of 20,000 next jobs). */
static void blind_resend(void)
{
        region = (word){0};
        explore_start("worker", two_calls, NULL);
        explore_start("canceller", poke_and_resend, NULL);
}

static void one_call(void *arg)
{
        (void)arg;
        worker_id = rn_virtual()->thread_id();
        region_open(1);
        if (!get(&canceled))
                planted_saw[0] = block_for(INT64_MAX / 4) == -EINTR;
        region_close(true);
}

static void cancel_the_call(void *arg)
{
        (void)arg;
        put(&canceled, 1);
        while (strike(1, false)) {
                poke();
                region_struck();
                if (planted_broken)
                        return;
                block_for(50000);
        }
}

static int64_t began;

static int in_time(void)
{
        return rn_sim->now - began < MS ? 0 : -EPROTO;
}

/* The hook fires once, before the call has begun to block, and never again (lessons.md 1: lost 23 times in 4,000). */
static void hook_too_early(void)
{
        region = canceled = (word){0};
        began = rn_sim->now;
        explore_start("worker", one_call, NULL);
        explore_start("canceller", cancel_the_call, NULL);
}

/* ---- generations ---- */

static void two_regions(void *arg)
{
        (void)arg;
        region_open(1);
        region_close(true);
        region_open(2);
        planted_saw[0] = get(&region) & 3;
        EXPLORE_CHECK((get(&region) & 3) == WORKING);
        region_close(true);
}

static void strike_the_first(void *arg)
{
        (void)arg;
        planted_saw[1] = strike(1, planted_broken);
        if (planted_saw[1])
                region_struck();
}

/* A region's record is used again; a late canceller of the first strikes the second. */
static void stale_generation(void)
{
        region = (word){0};
        explore_start("worker", two_regions, NULL);
        explore_start("late canceller", strike_the_first, NULL);
}

/* ---- the stop's argument ---- */

static word *connection;

static void use_and_free(void *arg)
{
        (void)arg;
        region_open(1);
        region_close(!planted_broken);
        rn_free(connection);
}

static void stop_connection(void *arg)
{
        (void)arg;
        if (!strike(1, false))
                return;
        plus(connection, 1);
        region_struck();
}

static int stopped_or_not(void)
{
        planted_saw[0] = region.v;
        return 0;
}

/* The region closes while its stop is running: the stop works on what its owner has freed. */
static void close_does_not_wait(void)
{
        region = (word){0};
        connection = rn_alloc(sizeof *connection);
        explore_start("worker", use_and_free, NULL);
        explore_start("canceller", stop_connection, NULL);
}

/* ---- the end of a thread ---- */

typedef struct task {
        word scope, hooks;
} task;

static word gone;

static void exit_hook(task *t)
{
        plus(&t->hooks, 1);
}

static void thread(void *arg)
{
        task *t = arg;
        get(&t->scope);
        if (!planted_broken)
                exit_hook(t);
        ring(&gone);
        if (planted_broken)
                exit_hook(t);
}

static void join_thread(void *arg)
{
        wait_for(&gone);
        rn_free(arg);
}

/* The exit hooks of a thread run when its task was already taken for gone (met in rein: an exit hook without its task). */
static void exit_hook_without_task(void)
{
        gone = (word){0};
        task *t = rn_alloc(sizeof *t);
        explore_start("thread", thread, t);
        explore_start("joiner", join_thread, t);
}

/* ---- a shield in a region that was struck ---- */

static rn_lock scopes;
static bool shielded;
static word cleaning;

static void cancel_strikes(void *arg)
{
        (void)arg;
        rn_lock_take(&scopes);
        const bool hits = !shielded;
        if (hits)
                put(&region, STRIKING);
        rn_lock_give(&scopes);
        if (!hits)
                return;
        planted_saw[0] = get(&cleaning);
        put(&region, STRUCK);
}

static void shield_and_clean_up(void *arg)
{
        (void)arg;
        rn_lock_take(&scopes);
        shielded = true;
        rn_lock_give(&scopes);
        for (unsigned round = 0; !planted_broken && get(&region) == STRIKING; round++)
                rn_pause(round);
        put(&cleaning, 1);
        put(&cleaning, 0);
}

static int no_stop_in_the_shield(void)
{
        return planted_saw[0] ? -EPROTO : 0;
}

/* A cancel strikes under the lock and hits without it: a shield opened in between was hit (met in rein: hook-shield). */
static void hits_the_shield(void)
{
        scopes = (rn_lock){0};
        shielded = false;
        region = cleaning = (word){0};
        explore_start("canceller", cancel_strikes, NULL);
        explore_start("owner", shield_and_clean_up, NULL);
}

const planted planted_hooks[] = {
        {"blind-resend", blind_resend, NULL, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {"hook-too-early", hook_too_early, in_time, BY_DPOR(60), COMPLETELY, REIN_SIM_FAILED},
        {"stale-generation", stale_generation, NULL, BY_BOUND(2, 120), COMPLETELY, REIN_SIM_FAILED},
        {"close-does-not-wait", close_does_not_wait, stopped_or_not, BY_RANDOM(1280), COMPLETELY, REIN_SIM_MISUSE},
        {"exit-hook-without-task", exit_hook_without_task, NULL, BY_BOUND(1, 80), COMPLETELY, REIN_SIM_MISUSE},
        {"hits-the-shield", hits_the_shield, no_stop_in_the_shield, BY_DPOR(60), COMPLETELY, REIN_SIM_FAILED},
        {0},
};
