/* SPDX-License-Identifier: Apache-2.0 */
/* Puts every scenario to its searches, and says what they came to: one line a search. Fails when one finds something,
 * when one that must be complete is not, when the reduction reaches other final states than the search without it, or
 * when scenarios are missing. Arguments: names; only those, and what fails is narrated; or --list: the names. REIN_NIGHTLY:
 * the deep searches as well. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plat/plat.h"
#include "scenarios/scenarios.h"

enum { FEWEST = 136, COMPARED_BY_DAY = 20000, COMPARED_BY_NIGHT = 1000000 };

int mark[MARKS];

static int64_t began;

void begin(void)
{
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

static uint64_t marks(void)
{
        uint64_t h = 14695981039346656037u;
        for (size_t i = 0; i < MARKS; i++)
                h = (h ^ (uint32_t)mark[i]) * 1099511628211u;
        return h;
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

/* ---- the searches ---- */

static unsigned ran, failed;
static bool narrate, nightly;

static void fail(const char *name, const char *why)
{
        printf("FAILED %s: %s\n", name, why);
        failed++;
}

static void name_of(const explore_plan *p, char text[64])
{
        char how[32];
        const char *name = explore_how_name(p, how);
        snprintf(text, 64, "%s%s%s%s%s%s", name, p->faults & REIN_SIM_EARLY ? " +early" : "",
                 p->faults & REIN_SIM_ALLOC ? " +memory" : "", p->faults & REIN_SIM_SPURIOUS ? " +spurious" : "",
                 p->faults & REIN_SIM_THREAD ? " +threads" : "", p->word_locks ? " +locks" : "");
}

static explored look(const scenario *s, const explore_plan *p, bool must_end)
{
        char how[64];
        int64_t from = rn_clock();
        explored e = explore_by(s, p, narrate);
        name_of(p, how);
        printf("%-28s %-20s %-12s %8" PRIu64 " %8" PRIu64 " %6" PRIu64 " %5" PRIu64 " %6.2f s\n", s->name, how,
               e.ended      ? "FOUND"
               : e.complete ? "complete"
               : p->budget  ? "not complete"
                            : "CUT OFF",
               e.schedules, e.redundant, e.states, e.longest, (double)(rn_clock() - from) / 1e9);
        if (e.ended)
                fail(s->name, e.text);
        else if (must_end && !e.complete)
                fail(s->name, "said to be complete, and is not");
        fflush(stdout);
        return e;
}

/* Whatever the plainer search meets in the end, the reduction must have met; and nothing else, if that one is complete. */
static void compare(const scenario *s, const explored *reduced)
{
        static uint64_t all[4096], some[4096];
        size_t n = explore_states(all, 4096);
        const uint64_t most = nightly ? COMPARED_BY_NIGHT : COMPARED_BY_DAY;
        explore_plan plan = {.how = EXPLORE_FULL, .budget = most};
        explored e = explore_by(s, &plan, narrate);
        const char *how = "every interleaving";
        if (!e.ended && !e.complete) {
                plan = (explore_plan){.how = EXPLORE_BOUNDED, .bound = 2, .budget = most / 4};
                e = explore_by(s, &plan, narrate);
                how = e.complete ? "bound 2" : "a part of bound 2";
        }
        size_t m = explore_states(some, 4096);
        for (size_t i = 0; i < m; i++) {
                bool there = false;
                for (size_t k = 0; k < n; k++)
                        there |= all[k] == some[i];
                if (!there) {
                        fail(s->name, "the reduction missed a final state");
                        return;
                }
        }
        if (e.ended)
                fail(s->name, e.text);
        else if (plan.how == EXPLORE_FULL && e.states_digest != reduced->states_digest)
                fail(s->name, "the reduction made a final state up");
        else
                printf("%-28s   against %s: %" PRIu64 " schedules, %s\n", s->name, how, e.schedules,
                       plan.how == EXPLORE_FULL ? "the same states" : "no other state");
}

static void run(const entry *en)
{
        scenario s = {.name = en->name, .body = en->body, .state = marks};
        for (size_t i = 0; i < MOST_SEARCHES; i++) {
                const search *how = &en->searches[i];
                if (how->when == NEVER_RUN || (how->when == NIGHTLY && !nightly))
                        continue;
                explored e = look(&s, &how->plan, !how->plan.budget);
                if (how->plan.how == EXPLORE_ALL && e.complete && !how->plan.word_locks && !how->plan.slabs)
                        compare(&s, &e);
        }
        ran++;
}

static bool wanted(const char *name, int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], name) == 0)
                        return true;
        return argc < 2;
}

static int list_all(const entries *const *files, size_t n)
{
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < files[i]->count; k++)
                        puts(files[i]->list[k].name);
        return 0;
}

int main(int argc, char **argv)
{
        const entries *const files[] = {&future_scenarios, &door_scenarios,  &work_scenarios,  &pool_scenarios,
                                        &group_scenarios,  &hook_scenarios,  &share_scenarios, &clock_scenarios,
                                        &sync_scenarios,   &adopt_scenarios, &loop_scenarios};
        if (argc == 2 && strcmp(argv[1], "--list") == 0)
                return list_all(files, sizeof files / sizeof files[0]);
        narrate = argc > 1;
        nightly = getenv("REIN_NIGHTLY") != NULL;
        printf("%-28s %-20s %-12s %8s %8s %6s %5s\n", "scenario", "search", "", "runs", "cut", "states", "steps");
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
                for (size_t k = 0; k < files[i]->count; k++)
                        if (wanted(files[i]->list[k].name, argc, argv))
                                run(&files[i]->list[k]);
        printf("%u scenarios, %u failures\n", ran, failed);
        if (argc < 2 && ran < FEWEST)
                fail("all", "scenarios are missing");
        return failed != 0 || ran == 0;
}
