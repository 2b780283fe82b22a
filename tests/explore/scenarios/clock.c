/* SPDX-License-Identifier: Apache-2.0 */
/* The clock thread: a timer fires or is disarmed, never both, and a new earliest one is not slept over. */
#include "core/clock.h"
#include "core/task.h"
#include "core/world.h"
#include "scenarios/scenarios.h"

enum { FIRED, FIRED_TOO, DISARMED, RAN, WAS_ARMED };

static rn_timer timer, timer_too;
static rn_errand errand;
static int64_t at;

/* t->at may be what it was armed for next. */
static void fire(rn_timer *t, uint32_t tag)
{
        (void)t;
        const int64_t again = tag == FIRED && mark[FIRED] > 0 ? 500 : 0;
        EXPLORE_CHECK(rn_clock() >= (tag == FIRED_TOO ? at - 500 : at + again));
        mark[tag]++;
}

static void set_up(void)
{
        begin();
        EXPLORE_CHECK(rn_clock_start() == 0);
        timer = timer_too = (rn_timer){.fire = fire};
        at = rn_clock() + 1000;
}

static void disarm(void *arg)
{
        (void)arg;
        rein_sim_block(REIN_TIME(at));
        mark[DISARMED] = rn_timer_disarm(&timer);
}

static void fire_disarm(void)
{
        set_up();
        explore_go();
        rn_timer_arm(&timer, at, FIRED);
        explore_start("disarm", disarm, NULL);
        rein_sim_block(REIN_TIME(at + 1000));
        explore_calm();
        EXPLORE_CHECK(mark[FIRED] + mark[DISARMED] == 1);
}

static void arm_other(void *arg)
{
        (void)arg;
        rn_timer_arm(&timer_too, at - 500, FIRED_TOO);
}

/* Two arm at once, and the earlier one comes second: the clock looks again. */
static void arm_arm(void)
{
        set_up();
        explore_go();
        explore_start("arm", arm_other, NULL);
        rn_timer_arm(&timer, at, FIRED);
        rein_sim_block(REIN_TIME(at - 500));
        rein_sim_block(REIN_TIME(at));
        rein_sim_block(REIN_TIME(at + 1));
        explore_calm();
        EXPLORE_CHECK(mark[FIRED] == 1 && mark[FIRED_TOO] == 1);
}

/* Armed again in the moment in which it fires: it fires once or twice, and is disarmed at most once. */
static void again(void *arg)
{
        (void)arg;
        rein_sim_block(REIN_TIME(at));
        mark[WAS_ARMED] = !rn_timer_arm(&timer, at + 500, FIRED);
}

static void fire_arm_again(void)
{
        set_up();
        explore_go();
        rn_timer_arm(&timer, at, FIRED);
        explore_start("again", again, NULL);
        rein_sim_block(REIN_TIME(at + 1000));
        explore_calm();
        EXPLORE_CHECK(mark[FIRED] == 2 - mark[WAS_ARMED]);
}

/* The hand: one errand is run once for all who hand it over while it waits. */
static void ran(rn_errand *e, uint32_t tag)
{
        (void)e;
        EXPLORE_CHECK(tag == 1 || tag == 2);
        mark[RAN]++;
}

static void hand_over(void *arg)
{
        if (rn_hand(&errand, 1 + (arg != NULL)))
                mark[FIRED]++;
}

static void hand_hand(void)
{
        set_up();
        errand = (rn_errand){.run = ran};
        explore_go();
        explore_start("hands", hand_over, NULL);
        explore_start("hands too", hand_over, &errand);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == mark[FIRED] && mark[RAN] >= 1);
}

/* Handed over again: whether it waits or runs by then, what it is told in the end is the last that was said. */
static void note_tag(rn_errand *e, uint32_t tag)
{
        (void)e;
        mark[RAN] = (int)tag;
}

static void hand_again(void)
{
        set_up();
        errand = (rn_errand){.run = note_tag};
        explore_go();
        rn_hand(&errand, 1);
        rn_hand(&errand, 2);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 2);
}

/* Two ask for the clock's threads at once, and the first thread starts under them. */
static void start(void *arg)
{
        *(int *)arg = 1 + rn_clock_start();
}

static void start_start(void)
{
        begin();
        explore_go();
        explore_start("start", start, &mark[FIRED]);
        explore_start("start too", start, &mark[FIRED_TOO]);
        explore_calm();
        EXPLORE_CHECK(mark[FIRED] == 1 && mark[FIRED_TOO] == 1);
        EXPLORE_CHECK(rn_world_now()->clock.clock_task && rn_world_now()->clock.hand_task);
        EXPLORE_CHECK(rn_slab_count(&rn_world_now()->tasks) == 2 + (size_t)(rn_sim->running->word != NULL));
}

static void start_memory(void)
{
        begin();
        explore_go();
        explore_start("start", start, &mark[FIRED]);
        explore_start("start too", start, &mark[FIRED_TOO]);
        explore_calm();
        EXPLORE_CHECK(mark[FIRED] == 1 || mark[FIRED_TOO] == 1);
}

/* No thread can be had, once: nothing is left of that, and the next who asks has them. */
static void start_poor(void)
{
        begin();
        rn_self();
        explore_go();
        start(&mark[FIRED]);
        EXPLORE_CHECK(mark[FIRED] == 1 || rn_slab_count(&rn_world_now()->tasks) <= 2);
        start(&mark[FIRED_TOO]);
        explore_calm();
        EXPLORE_CHECK(mark[FIRED_TOO] == 1 && rn_slab_count(&rn_world_now()->tasks) == 3);
}

static const entry list[] = {
        {"timer-fire-disarm", fire_disarm, {ALL(), BOUNDED(2, EARLY(2))}},
        {"timer-arm-arm", arm_arm, {ALL(), BOUNDED(2, EARLY(2))}},
        {"timer-fire-arm", fire_arm_again, {ALL(), BOUNDED(2, EARLY(2))}},
        {"hand-hand", hand_hand, {ALL()}},
        {"hand-again", hand_again, {ALL()}},
        {"clock-start-poor", start_poor, {BOUNDED(1, .faults = REIN_SIM_THREAD, .most_surprises = 1)}},
        {"clock-start-start", start_start, {ALL()}},
        {"clock-start-memory", start_memory, {BOUNDED(2, OUT_OF_MEMORY)}},
};

const entries clock_scenarios = ENTRIES(list);
