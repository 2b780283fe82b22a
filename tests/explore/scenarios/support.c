/* SPDX-License-Identifier: Apache-2.0 */
/* What the scenarios share, and the list of them all. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "scenarios/scenarios.h"

int mark[MARKS];

static int64_t began;

/* ---- what is printed ---- */

static int told = -1; /* where it goes, while it goes nowhere */

void tell_nobody(void)
{
        const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        told = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        EXPLORE_CHECK(told >= 0 && nowhere >= 0 && dup2(nowhere, STDERR_FILENO) >= 0);
        close(nowhere);
}

void tell_again(void)
{
        if (told < 0)
                return;
        dup2(told, STDERR_FILENO);
        close(told);
        told = -1;
}

/* ---- the scene ---- */

void begin(void)
{
        tell_again();
        memset(mark, 0, sizeof mark);
        began = rn_clock();
        explore_quiet();
}

void others_may_come(void)
{
        static rn_a32 here;
        rn_store32(&here, 1);
}

void in_no_time(void)
{
        EXPLORE_CHECK(rn_clock() == began);
}

uint64_t marks_seen(void)
{
        uint64_t h = 14695981039346656037u;
        for (size_t i = 0; i < MARKS; i++)
                h = (h ^ (uint32_t)mark[i]) * 1099511628211u;
        return h;
}

void nobody_told(const rein_error *e, void *arg)
{
        (void)e;
        ++*(int *)arg;
}

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

rein_executor *warm_pool(int threads, const rein_pool_opts *opts)
{
        rein_executor *x = rein_pool_new(opts);
        EXPLORE_CHECK(x != NULL);
        rein_future *f[4];
        EXPLORE_CHECK(threads <= 4);
        for (int i = 0; i < threads; i++)
                f[i] = rein_submit(x, nothing, NULL, REIN_JOB(.on_worker = true));
        for (int i = 0; i < threads; i++) {
                EXPLORE_CHECK(rein_await(f[i], NULL, REIN_NEVER) == 0);
                rein_drop(f[i]);
        }
        return x;
}

static int take(void *self, rein_work *w)
{
        (void)self;
        rein_work_run(w);
        return 0;
}

static void post(void *self, rein_work *w)
{
        take(self, w);
}

rein_executor *inline_executor(void)
{
        rein_executor *x = rein_executor_new(
                &(rein_executor_ops){.size = sizeof(rein_executor_ops), .accept = take, .post = post}, NULL);
        EXPLORE_CHECK(x != NULL);
        return x;
}

int ends_with(rein_future *f)
{
        for (int i = 0; i < 5 && rein_code(f) == REIN_EPENDING; i++)
                (void)rein_await(f, NULL, rein_after(REIN_SEC(1)));
        return rein_code(f);
}

/* ---- all of them ---- */

const entries *const all_scenarios[ALL_SCENARIOS] = {
        &future_scenarios, &door_scenarios,    &work_scenarios,    &pool_scenarios, &group_scenarios,  &hook_scenarios,
        &share_scenarios,  &clock_scenarios,   &sync_scenarios,    &line_scenarios, &select_scenarios, &room_scenarios,
        &worker_scenarios, &elastic_scenarios, &abandon_scenarios, &turn_scenarios, &adopt_scenarios,  &loop_scenarios,
        &told_scenarios,   &fd_scenarios,      &lend_scenarios,    &stop_scenarios, &lookup_scenarios};

const entry *scenario_named(const char *name)
{
        for (size_t i = 0; i < ALL_SCENARIOS; i++)
                for (size_t k = 0; k < all_scenarios[i]->count; k++)
                        if (strcmp(all_scenarios[i]->list[k].name, name) == 0)
                                return &all_scenarios[i]->list[k];
        return NULL;
}
