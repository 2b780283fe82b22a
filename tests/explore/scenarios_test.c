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

enum { FEWEST = 155, COMPARED_BY_DAY = 20000, COMPARED_BY_NIGHT = 1000000 };

/* ---- the searches ---- */

static unsigned ran, failed, searches;
static uint64_t schedules, steps;
static bool narrate, nightly;

static void fail(const char *name, const char *why)
{
        printf("FAILED %s: %s\n", name, why);
        failed++;
}

static explored search_by(const scenario *s, const explore_plan *p)
{
        const explored e = explore_by(s, p, narrate);
        searches++;
        schedules += e.schedules;
        steps += e.steps;
        return e;
}

typedef enum whose { ITS_OWN, OF_ALL } whose;

static explored look(const scenario *s, const explore_plan *p, whose of)
{
        char how[EXPLORE_NAME];
        const int64_t from = rn_clock();
        explored e = search_by(s, p);
        printf("%-28s %-20s%s %-12s %8" PRIu64 " %8" PRIu64 " %6" PRIu64 " %5" PRIu64 " %6.2f s\n", s->name,
               explore_how_name(p, how), of == OF_ALL ? "*" : " ",
               e.ended      ? "FOUND"
               : e.complete ? "complete"
               : p->budget  ? "not complete"
                            : "CUT OFF",
               e.schedules, e.redundant, e.states, e.longest, (double)(rn_clock() - from) / 1e9);
        if (e.ended)
                fail(s->name, e.text);
        else if (of == ITS_OWN && !p->budget && !e.complete)
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
        explored e = search_by(s, &plan);
        const char *how = "every interleaving";
        if (!e.ended && !e.complete) {
                plan = (explore_plan){.how = EXPLORE_BOUNDED, .bound = 2, .budget = most / 4};
                e = search_by(s, &plan);
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

/* ---- the searches of all scenarios ---- */

/* A scenario that does not name a search of the kind itself is put to it, unless it says why not. Each has one preemption,
 * and: a wait that ends for no reason; a timer that fires early; loads that get older stores; a point after each store and
 * each lock given, so that what a task does there comes late. The first two only where something waits. */
static const struct {
        explore_plan plan;
        uint64_t most;
} defaults[] = {
        {{.faults = REIN_SIM_SPURIOUS, .most_surprises = 1}, 4000},
        {{.faults = REIN_SIM_EARLY, .most_surprises = 1}, 2000},
        {{.weak = true}, 4000},
        {{.after = true}, 4000},
};

/* Does the scenario name such a search itself, or say why there is none? */
static bool is_named(const entry *en, const explore_plan *p)
{
        for (size_t i = 0; i < MOST_SEARCHES; i++) {
                const search *k = &en->searches[i];
                const bool alike = k->plan.faults == p->faults && k->plan.weak == p->weak && k->plan.after == p->after;
                if (!alike || k->when == NEVER_RUN || k->when == NIGHTLY)
                        continue;
                if (k->when == LEFT_OUT)
                        printf("%-28s   no such search as +early: %s\n", en->name, k->why);
                if (k->when == LEFT_OUT || k->plan.how == EXPLORE_BOUNDED || k->plan.how == EXPLORE_FULL)
                        return true;
        }
        return false;
}

static void run_defaults(const scenario *s, const entry *en, bool waits, bool timed)
{
        for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
                explore_plan plan = defaults[i].plan;
                const bool any = plan.faults == REIN_SIM_SPURIOUS ? waits : plan.faults != REIN_SIM_EARLY || timed;
                plan.how = EXPLORE_BOUNDED;
                plan.bound = 1;
                plan.budget = defaults[i].most;
                if (any && !is_named(en, &plan))
                        look(s, &plan, OF_ALL);
        }
}

static void run(const entry *en)
{
        if (scenario_named(en->name) != en)
                fail(en->name, "there are two of this name");
        scenario s = {.name = en->name, .body = en->body, .state = marks_seen};
        bool waits = false, timed = false;
        for (size_t i = 0; i < MOST_SEARCHES; i++) {
                const search *how = &en->searches[i];
                if (how->when == NEVER_RUN || how->when == LEFT_OUT || (how->when == NIGHTLY && !nightly))
                        continue;
                explored e = look(&s, &how->plan, ITS_OWN);
                waits |= e.waits;
                timed |= e.timed;
                if (how->plan.how == EXPLORE_ALL && e.complete && !how->plan.word_locks && !how->plan.slabs)
                        compare(&s, &e);
        }
        run_defaults(&s, en, waits, timed);
        ran++;
}

static bool wanted(const char *name, int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], name) == 0)
                        return true;
        return argc < 2;
}

static int list_all(void)
{
        for (size_t i = 0; i < ALL_SCENARIOS; i++)
                for (size_t k = 0; k < all_scenarios[i]->count; k++)
                        puts(all_scenarios[i]->list[k].name);
        return 0;
}

int main(int argc, char **argv)
{
        if (argc == 2 && strcmp(argv[1], "--list") == 0)
                return list_all();
        narrate = argc > 1;
        nightly = getenv("REIN_NIGHTLY") != NULL;
        printf("%-28s %-21s %-12s %8s %8s %6s %5s\n", "scenario", "search (*: of all)", "", "runs", "cut", "states",
               "steps");
        for (size_t i = 0; i < ALL_SCENARIOS; i++)
                for (size_t k = 0; k < all_scenarios[i]->count; k++)
                        if (wanted(all_scenarios[i]->list[k].name, argc, argv))
                                run(&all_scenarios[i]->list[k]);
        printf("%u scenarios, %u searches, %" PRIu64 " schedules, %" PRIu64 " steps, %u failures\n", ran, searches,
               schedules, steps, failed);
        if (argc < 2 && ran < FEWEST)
                fail("all", "scenarios are missing");
        return failed != 0 || ran == 0;
}
