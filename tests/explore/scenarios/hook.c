/* SPDX-License-Identifier: Apache-2.0 */
/* Hook regions and the poke: a stop reaches whoever is inside, is repeated until it leaves, and never comes outside. */
#include <errno.h>

#include "core/hook.h"
#include "core/world.h"
#include "scenarios/scenarios.h"

static rein_scope scope, second, shield;
static rein_hook hook, inner;

enum { STOPS, CLOSED, OUTSIDE, POKED, CLOSED_TOO, CODE, CANCELED };

static bool is_open;

static void stop(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(is_open); /* confined to the region */
        mark[STOPS]++;
}

static void cancel(void *arg)
{
        (void)arg;
        rein_scope_cancel(&scope, "no more");
        mark[CANCELED]++;
}

static void set_up(void)
{
        begin();
        is_open = false;
        rein_scope_open(&scope, REIN_NEVER);
        /* the clock and the hand are there, and a region was open before */
        EXPLORE_CHECK(rein_hook_open(&hook, stop, NULL) == 0 && rein_hook_close(&hook, 0) == 0);
}

static void clean_up(void)
{
        int rc = rein_scope_close(&scope, REIN_ECANCELED);
        EXPLORE_CHECK(rc == REIN_ESTOPPED || rc == REIN_ECANCELED);
        EXPLORE_CHECK(rn_slab_count(&rn_world_now()->hooks) == 0);
}

static void close_cancel(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        int rc = rein_hook_open(&hook, stop, NULL);
        if (rc == 0) {
                mark[CLOSED] = 1 + rein_hook_close(&hook, 0);
                EXPLORE_CHECK(mark[CLOSED] == (mark[STOPS] ? 1 + REIN_ECANCELED : 1));
        } else {
                EXPLORE_CHECK(rc == REIN_ECANCELED && mark[STOPS] == 0);
        }
        is_open = false;
        explore_calm();
        EXPLORE_CHECK(mark[STOPS] <= 1);
        clean_up();
}

/* It blocks until it is stopped, and the first stop may have come too early: so it is sent again. */
static rn_a32 may_block;

static void unblock(void *arg)
{
        stop(arg);
        rn_sim_wake(&may_block, 1); /* lost, when nobody sleeps yet */
}

static void block_foreign(void)
{
        rn_sim_task *me = rn_sim->running;
        rn_sim_op((rn_op){.kind = RN_OP_LOOK, .at = &may_block, .len = 1});
        me->woken = me->poked = false;
        me->until = RN_NEVER;
        me->slept_at = ++rn_sim->queue;
        rn_sim_op((rn_op){.kind = RN_OP_SLEEP, .at = &may_block, .len = 1});
}

static void cancel_resend(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        if (rein_hook_open(&hook, unblock, NULL) == 0) {
                block_foreign(); /* for ever, if a stop were lost */
                EXPLORE_CHECK(rein_hook_close(&hook, 0) == REIN_ECANCELED);
                mark[CLOSED] = 1;
        }
        is_open = false;
        explore_calm();
        mark[STOPS] = mark[STOPS] > 2 ? 2 : mark[STOPS];
        clean_up();
}

/* A region in no scope, whose descriptor is being closed: it is struck by force. The thread that strikes may be slower than
 * the timer of the next stop. */
static void strike_by_force(void *arg)
{
        rn_hook *struck = NULL;
        rn_hook_strike(arg, &struck);
        rn_hooks_hit(struck);
}

static void forced_resend(void)
{
        rn_hook *region;
        begin();
        is_open = true;
        EXPLORE_CHECK(rein_hook_open(&hook, unblock, NULL) == 0 && rein_hook_close(&hook, 0) == 0);
        EXPLORE_CHECK(rn_hook_begin(rn_self(), "a read", unblock, NULL, &region) == 0);
        explore_go();
        explore_start("close", strike_by_force, region);
        block_foreign(); /* for ever, if a stop were lost */
        EXPLORE_CHECK(rn_hook_finish(rn_self(), region));
        is_open = false;
        explore_calm();
        EXPLORE_CHECK(mark[STOPS] > 0);
        mark[STOPS] = mark[STOPS] > 2 ? 2 : mark[STOPS];
}

/* The record of a region that was struck is used again: the deadline of the next region reaches it, and nothing that was
 * meant for the first one does. */
static rein_time next_due;

static void unblock_when_due(void *arg)
{
        EXPLORE_CHECK(rn_clock() >= next_due.ns);
        unblock(arg);
}

static void reopen(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        if (rein_hook_open(&hook, stop, NULL) == 0)
                mark[CLOSED] = 1 + rein_hook_close(&hook, 0);
        is_open = false;
        mark[CODE] = rein_checkpoint();
        rein_scope_close(&scope, mark[CODE]);
        next_due = rein_after(REIN_MS(1));
        rein_scope_open(&second, next_due);
        is_open = true;
        EXPLORE_CHECK(rein_hook_open(&hook, unblock_when_due, NULL) == 0);
        block_foreign(); /* for ever, if its deadline were lost */
        EXPLORE_CHECK(rein_hook_close(&hook, 0) == REIN_ECANCELED);
        is_open = false;
        explore_calm();
        mark[STOPS] = mark[STOPS] > 2 ? 2 : mark[STOPS];
        EXPLORE_CHECK(rein_scope_close(&second, REIN_ECANCELED) == REIN_ETIMEOUT);
}

/* The cancel comes late in the region, and the next region has the same record: its own time is not lost over it. */
static void cancel_reopen(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        if (rein_hook_open(&hook, stop, NULL) == 0)
                mark[CLOSED] = 1 + rein_hook_close(&hook, 0);
        is_open = false;
        (void)rein_scope_close(&scope, 0);
        rein_scope_open(&second, rein_after(REIN_MS(1)));
        is_open = true;
        if (rein_hook_open(&hook, unblock, NULL) == 0) {
                block_foreign(); /* for ever, if its timer were gone */
                EXPLORE_CHECK(rein_hook_close(&hook, 0) == REIN_ECANCELED);
        }
        is_open = false;
        explore_calm();
        mark[STOPS] = 0;
        EXPLORE_CHECK(rein_scope_close(&second, REIN_ECANCELED) == REIN_ETIMEOUT);
}

/* The region is in a scope below the one that is cancelled. */
static void cancel_outer(void)
{
        set_up();
        rein_scope_open(&second, REIN_NEVER);
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        if (rein_hook_open(&hook, unblock, NULL) == 0) {
                block_foreign(); /* for ever, if it were not struck */
                EXPLORE_CHECK(rein_hook_close(&hook, 0) == REIN_ECANCELED);
                mark[CLOSED] = 1;
        }
        is_open = false;
        explore_calm();
        mark[STOPS] = mark[STOPS] > 2 ? 2 : mark[STOPS];
        EXPLORE_CHECK(rein_scope_close(&second, 0) == 0);
        clean_up();
}

/* The same by the signal. What comes after the region is never interrupted by it. */
static void poke(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        if (rein_hook_open(&hook, REIN_POKE, NULL) == 0) {
                EXPLORE_CHECK(rein_sim_block(REIN_NEVER) == -EINTR);
                EXPLORE_CHECK(rein_hook_close(&hook, 0) == REIN_ECANCELED);
                mark[CLOSED] = 1;
        }
        mark[OUTSIDE] = rein_sim_block(rein_after(REIN_MS(50)));
        EXPLORE_CHECK(mark[OUTSIDE] == 0);
        explore_calm();
        clean_up();
}

/* A region that may end by itself in the moment of the poke. */
static void poke_close(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        if (rein_hook_open(&hook, REIN_POKE, NULL) == 0) {
                mark[POKED] = rein_sim_block(REIN_NOWAIT);
                mark[CLOSED] = 1 + rein_hook_close(&hook, 0);
        }
        mark[OUTSIDE] = rein_sim_block(rein_after(REIN_MS(50)));
        EXPLORE_CHECK(mark[OUTSIDE] == 0);
        explore_calm();
        clean_up();
}

/* A region in a region: the inner one is stopped, then the outer one, each in itself. */
static int stops_inner;

static void stop_inner(void *arg)
{
        (void)arg;
        stops_inner++;
}

static void nested(void)
{
        set_up();
        stops_inner = 0;
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        if (rein_hook_open(&hook, stop, NULL) == 0) {
                if (rein_hook_open(&inner, stop_inner, NULL) == 0) {
                        mark[CLOSED_TOO] = 1 + rein_hook_close(&inner, 0);
                        EXPLORE_CHECK(mark[CLOSED_TOO] == (stops_inner ? 1 + REIN_ECANCELED : 1));
                }
                mark[CLOSED] = 1 + rein_hook_close(&hook, 0);
                EXPLORE_CHECK(mark[CLOSED] == (mark[STOPS] ? 1 + REIN_ECANCELED : 1));
        }
        is_open = false;
        explore_calm();
        clean_up();
}

/* A shield in a region holds the hook back for its grace, and not longer than it is open. */
static bool shielded;

static void stop_unshielded(void *arg)
{
        stop(arg);
        EXPLORE_CHECK(!shielded);
}

static void shield_in_region(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        if (rein_hook_open(&hook, stop_unshielded, NULL) == 0) {
                rein_shield_open(&shield, REIN_SEC(1));
                int before = mark[STOPS];
                shielded = before == 0;
                mark[CODE] = rein_checkpoint();
                EXPLORE_CHECK(mark[CODE] == 0);
                shielded = false;
                int rc = rein_scope_close(&shield, 0);
                EXPLORE_CHECK(rc == 0);
                if (before == 0)
                        rein_sim_block(rein_after(REIN_MS(1)));
                mark[CLOSED] = 1 + rein_hook_close(&hook, 0);
        }
        is_open = false;
        explore_calm();
        mark[STOPS] = mark[STOPS] > 2 ? 2 : mark[STOPS];
        clean_up();
}

/* What a shield held back comes when the shield is closed: its grace has no end. */
static void shield_close(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        if (rein_hook_open(&hook, unblock, NULL) == 0) {
                rein_shield_open(&shield, INT64_MAX);
                EXPLORE_CHECK(rein_scope_close(&shield, 0) == 0);
                block_foreign(); /* for ever, if the stop were lost */
                EXPLORE_CHECK(rein_hook_close(&hook, 0) == REIN_ECANCELED);
                mark[CLOSED] = 1;
        }
        is_open = false;
        explore_calm();
        mark[STOPS] = mark[STOPS] > 2 ? 2 : mark[STOPS];
        clean_up();
}

/* Only the opening: a stop that has struck is over by then. */
static void shield_open(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        if (rein_hook_open(&hook, stop_unshielded, NULL) == 0) {
                rein_shield_open(&shield, REIN_SEC(1));
                shielded = true;
                mark[CODE] = rein_checkpoint();
                EXPLORE_CHECK(mark[CODE] == 0);
                shielded = false;
                EXPLORE_CHECK(rein_scope_close(&shield, 0) == 0);
                mark[CLOSED] = 1 + rein_hook_close(&hook, 0);
        }
        is_open = false;
        explore_calm();
        mark[STOPS] = mark[STOPS] > 2 ? 2 : mark[STOPS];
        clean_up();
}

/* A call that blocks inside of the shield: when the grace is over, its stop comes, though the shield is still open. */
static void outlive_the_shield(void)
{
        is_open = true;
        if (rein_hook_open(&hook, unblock, NULL) == 0) {
                rein_shield_open(&shield, REIN_MS(1));
                block_foreign(); /* for ever, if nobody armed it for then */
                EXPLORE_CHECK(rein_checkpoint() == REIN_ECANCELED);
                EXPLORE_CHECK(rein_scope_close(&shield, 0) == 0);
                EXPLORE_CHECK(rein_hook_close(&hook, 0) == REIN_ECANCELED);
                mark[CLOSED] = 1;
        }
        is_open = false;
        explore_calm();
        mark[STOPS] = mark[STOPS] > 2 ? 2 : mark[STOPS];
}

static void shield_outlived(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        outlive_the_shield();
        clean_up();
}

static void shield_outlived_by_time(void)
{
        begin();
        is_open = false;
        rein_scope_open(&scope, rein_after(REIN_MS(1)));
        EXPLORE_CHECK(rein_hook_open(&hook, stop, NULL) == 0 && rein_hook_close(&hook, 0) == 0);
        explore_go();
        outlive_the_shield();
        EXPLORE_CHECK(rein_scope_close(&scope, REIN_ECANCELED) == REIN_ETIMEOUT);
}

/* The region is not of the scope around the shield, but of one further out. */
static void shield_far_out(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        is_open = true;
        if (rein_hook_open(&hook, unblock, NULL) == 0) {
                rein_scope_open(&second, REIN_NEVER);
                rein_shield_open(&shield, INT64_MAX);
                EXPLORE_CHECK(rein_scope_close(&shield, 0) == 0);
                block_foreign(); /* for ever, if the stop was held back and forgotten */
                EXPLORE_CHECK(rein_scope_close(&second, 0) == 0);
                EXPLORE_CHECK(rein_hook_close(&hook, 0) == REIN_ECANCELED);
                mark[CLOSED] = 1;
        }
        is_open = false;
        explore_calm();
        mark[STOPS] = mark[STOPS] > 2 ? 2 : mark[STOPS];
        clean_up();
}

/* The same with a poke, nested, and the shield between. */
static void poke_nested_shield(void)
{
        set_up();
        explore_go();
        explore_start("cancel", cancel, NULL);
        if (rein_hook_open(&hook, REIN_POKE, NULL) == 0) {
                rein_shield_open(&shield, REIN_SEC(1));
                if (rein_hook_open(&inner, REIN_POKE, NULL) == 0) {
                        mark[POKED] = rein_sim_block(rein_after(REIN_MS(1)));
                        mark[CLOSED_TOO] = 1 + rein_hook_close(&inner, 0);
                        EXPLORE_CHECK(mark[CLOSED_TOO] == 1); /* the shield's grace has not passed */
                }
                EXPLORE_CHECK(rein_scope_close(&shield, 0) == 0);
                EXPLORE_CHECK(rein_sim_block(REIN_NEVER) == -EINTR);
                EXPLORE_CHECK(rein_hook_close(&hook, 0) == REIN_ECANCELED);
        }
        mark[OUTSIDE] = rein_sim_block(rein_after(REIN_MS(50)));
        EXPLORE_CHECK(mark[OUTSIDE] == 0);
        explore_calm();
        clean_up();
}

/* The deadline instead of a cancel: the hand strikes. */
static void deadline_close(void)
{
        begin();
        is_open = false;
        static rein_time at;
        at = rein_after(REIN_MS(1));
        rein_scope_open(&scope, at);
        EXPLORE_CHECK(rein_hook_open(&hook, stop, NULL) == 0 && rein_hook_close(&hook, 0) == 0);
        explore_go();
        is_open = true;
        EXPLORE_CHECK(rein_hook_open(&hook, stop, NULL) == 0);
        rein_sim_block(at);
        mark[CLOSED] = 1 + rein_hook_close(&hook, 0);
        EXPLORE_CHECK(mark[CLOSED] == (mark[STOPS] ? 1 + REIN_ECANCELED : 1));
        is_open = false;
        rein_sim_block(rein_after(REIN_MS(20)));
        explore_calm();
        EXPLORE_CHECK(rein_scope_close(&scope, REIN_ECANCELED) == REIN_ETIMEOUT);
}

static const entry list[] = {
        {"hook-close-cancel",
         close_cancel,
         {ALL(), BOUNDED(1, .slabs = true), NOT_EARLY("the stop would be sent again")}},
        {"hook-cancel-resend", cancel_resend, {ALL(), BOUNDED(1, EARLY(2))}},
        {"hook-forced-resend", forced_resend, {ALL(), BOUNDED(2, EARLY(2))}},
        {"hook-reopen", reopen, {BOUNDED(2), PCT(3, 10000), BOUNDED(1, EARLY(1))}},
        {"poke", poke, {ALL(), BOUNDED(1, EARLY(2))}},
        {"poke-close", poke_close, {ALL(), BOUNDED(1, EARLY(2))}},
        {"hook-nested", nested, {ALL(), BOUNDED(1, EARLY(2))}},
        {"hook-shield-open", shield_open, {BOUNDED(3), BY_NIGHT_ALL(), NOT_EARLY("the shield's grace would be over")}},
        {"hook-shield-close", shield_close, {BOUNDED(2), PCT(3, 10000)}},
        {"hook-shield", shield_in_region, {BOUNDED(2), BY_NIGHT(3)}},
        {"poke-nested-shield",
         poke_nested_shield,
         {BOUNDED(2), BY_NIGHT(3), NOT_EARLY("the shield's grace would be over")}},
        {"hook-deadline-close", deadline_close, {ALL()}},
        {"hook-cancel-outer", cancel_outer, {ALL()}},
        {"hook-cancel-reopen", cancel_reopen, {BOUNDED(2)}},
        {"hook-shield-outlived", shield_outlived, {BOUNDED(1)}},
        {"hook-shield-outlived-by-time", shield_outlived_by_time, {BOUNDED(1)}},
        {"hook-shield-far-out", shield_far_out, {BOUNDED(1)}},
};

const entries hook_scenarios = ENTRIES(list);
