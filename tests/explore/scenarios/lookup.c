/* SPDX-License-Identifier: Apache-2.0 */
/* Names that are looked up: the caller of one leaves while another stands in the queue behind it. The resolver of a simulation
 * does not hang, but how long its answer takes is part of the schedule; that there are threads which hang is said to the world
 * beforehand, so that a single one more fills the lane. */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/task.h"
#include "core/world.h"
#include "io/lookup.h"
#include "scenarios/scenarios.h"

enum { FIRST, SECOND, OVER };

static char name[200]; /* longer than an address of a simulation: there is no such host */
static rein_scope unwanted;

static int find(void)
{
        rein_addr a;
        return rein_addr_find(-1, name, "9", &a, REIN_NEVER);
}

static void second(void *arg)
{
        (void)arg;
        mark[SECOND] = find();
        mark[OVER]++;
}

static void cancels(void *arg)
{
        (void)arg;
        rein_scope_cancel(&unwanted, "not wanted any more");
        mark[OVER]++;
}

static void lane(uint32_t threads, uint32_t given_up)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->fd_lock);
        w->lookup_threads = threads;
        w->lookups_given_up = given_up;
        rn_lock_give(&w->fd_lock);
}

static void leave_while_another_waits(uint32_t threads, uint32_t given_up)
{
        begin();
        memset(name, 'x', sizeof name - 1);
        EXPLORE_CHECK(rn_self() != NULL && rn_clock_start() == 0);
        lane(threads, given_up);
        rein_scope_open(&unwanted, REIN_NEVER);
        explore_go();
        explore_start("second", second, NULL);
        explore_start("cancel", cancels, NULL);
        mark[FIRST] = find();
        (void)rein_scope_close(&unwanted, 0);
        explore_calm();
        EXPLORE_CHECK(mark[OVER] == 2);
        const rn_world *w = rn_world_now();
        EXPLORE_CHECK(w->lookup_threads == threads && w->lookups_given_up == given_up && rn_list_empty(&w->lookups));
        lane(0, 0);
}

/* Somebody still waits for those that hang: the second is looked up, and told. */
static void left(void)
{
        leave_while_another_waits(RN_LOOKUPS_AT_ONCE - 1, 0);
        EXPLORE_CHECK(mark[FIRST] == -EADDRNOTAVAIL || mark[FIRST] == REIN_ECANCELED);
        EXPLORE_CHECK(mark[SECOND] == -EADDRNOTAVAIL);
}

/* All the others were given up, and as many as may be spared: when the first is too, the second is refused. */
static void left_the_last(void)
{
        const uint32_t all = RN_LOOKUPS_AT_ONCE + RN_LOOKUPS_GIVEN_UP - 1;
        leave_while_another_waits(all, all);
        EXPLORE_CHECK(mark[FIRST] == -EADDRNOTAVAIL || mark[FIRST] == REIN_ECANCELED || mark[FIRST] == -EAGAIN);
        EXPLORE_CHECK(mark[SECOND] == -EADDRNOTAVAIL || mark[SECOND] == -EAGAIN);
}

static const entry list[] = {
        {"lookup-left", left, {BOUNDED(1), PCT(3, 10000), BY_NIGHT(2)}},
        {"lookup-left-the-last", left_the_last, {BOUNDED(1), PCT(3, 10000), BY_NIGHT(2)}},
        {"lookup-left-poor", left_the_last, {BOUNDED(1, .faults = REIN_SIM_THREAD, .most_surprises = 1)}},
};

const entries lookup_scenarios = ENTRIES(list);
