/* SPDX-License-Identifier: Apache-2.0 */
/* The planted faults of the real code. Each has to be found by the search named with it, in the scenario named with it, and
 * to be gone in the same search without it; and the reduction must not miss it. Each scenario that finds one has to be clean in the first of its daily
 * searches, or in the first schedules of that one: scenarios_test.c runs them in full. */
#include "woven.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenarios/scenarios.h"

enum { MOST_WHEN_CLEAN = 1000, MOST_WHEN_COMPARED = 2000, MOST_WHEN_ASKED = 3000 };

static explored run(const entry *en, const explore_plan *plan, int number, bool narrate)
{
        const scenario s = {.name = en->name, .body = en->body, .state = marks_seen};
        rn_planted = number;
        const explored e = explore_by(&s, plan, narrate);
        rn_planted = 0;
        return e;
}

static const woven *named(const char *name)
{
        for (const woven *w = woven_faults; w->name; w++)
                if (strcmp(w->name, name) == 0)
                        return w;
        return NULL;
}

static const entry *scenario_of(const woven *w)
{
        const entry *en = scenario_named(w->scenario);
        if (!en)
                printf("%s: there is no scenario '%s'\n", w->name, w->scenario);
        return en;
}

/* A sum that does not add up may tell of the fault first: which step it is asked before depends on how many schedules the
 * program has run. */
static bool ends_as_told(const explored *e, int ends)
{
        return e->ended == ends || (e->ended == REIN_SIM_FAILED && strstr(e->text, "does not add up"));
}

/* false: not found as said, or found where it is not. */
static bool try(const woven *w)
{
        char by[EXPLORE_NAME];
        const entry *en = scenario_of(w);
        if (!en)
                return false;
        const explored on = run(en, &w->found_by, w->number, false), off = run(en, &w->found_by, 0, false);
        const bool found = ends_as_told(&on, w->ends), clean = off.ended == REIN_SIM_PASSED;
        printf("%-26s %-24s %-16s %6" PRIu64 " of %6" PRIu64 " %4" PRIu64 "  %-16s %8" PRIu64 "%s%s%s\n", w->name,
               en->name, explore_how_name(&w->found_by, by), on.schedules, w->found_by.budget, on.preemptions,
               ended_name(on.ended), off.schedules, off.complete ? ", complete" : "", found ? "" : "  NOT FOUND",
               clean ? "" : "  NOT CLEAN");
        if (!found && on.ended)
                printf("    %s, and it should be: %s\n", on.text, ended_name(w->ends));
        if (!clean)
                printf("    without the fault: %s\n", off.text);
        fflush(stdout);
        return found && clean;
}

/* What another search through plain schedules has found, the reduction must find too, if it comes to its end. */
static bool reduction_misses(const woven *w, const explore_plan *found_by)
{
        const explore_plan plan = {.how = EXPLORE_ALL,
                                   .budget = MOST_WHEN_COMPARED,
                                   .word_locks = found_by->word_locks,
                                   .slabs = found_by->slabs};
        if (found_by->how == EXPLORE_ALL || found_by->faults || found_by->weak)
                return false;
        const explored e = run(scenario_named(w->scenario), &plan, w->number, false);
        if (e.complete && !e.ended)
                printf("%s: the reduction comes to its end after %" PRIu64 " schedules, and has not found it\n",
                       w->name, e.schedules);
        return e.complete && !e.ended;
}

static bool was_before(const woven *w)
{
        for (const woven *before = woven_faults; before < w; before++)
                if (strcmp(before->scenario, w->scenario) == 0)
                        return true;
        return false;
}

/* Without a fault, the scenarios that find one. */
static int try_clean(void)
{
        int wrong = 0, count = 0, complete = 0;
        uint64_t schedules = 0;
        for (const woven *w = woven_faults; w->name; w++) {
                const entry *en = was_before(w) ? NULL : scenario_named(w->scenario);
                if (!en)
                        continue;
                explore_plan plan = en->searches[0].plan;
                if (!plan.budget || plan.budget > MOST_WHEN_CLEAN)
                        plan.budget = MOST_WHEN_CLEAN;
                const explored e = run(en, &plan, 0, false);
                count++;
                complete += e.complete;
                schedules += e.schedules;
                if (!e.ended)
                        continue;
                printf("%s: not clean without a fault: %s\n", en->name, e.text);
                wrong++;
        }
        printf("%d scenarios without a fault: %" PRIu64 " schedules, %d of them complete; %d not clean\n", count,
               schedules, complete, wrong);
        return wrong;
}

int woven_try_all(int *count)
{
        int wrong = 0;
        printf("%-26s %-24s %-16s %16s %4s  %-16s %8s\n", "fault of the real code", "scenario", "found by", "schedules",
               "pre.", "as", "clean in");
        for (const woven *w = woven_faults; w->name; w++, ++*count)
                wrong += !try(w) || reduction_misses(w, &w->found_by);
        wrong += try_clean();
        printf("%d faults of the real code, %d wrong\n", *count, wrong);
        return wrong;
}

void woven_list(void)
{
        char by[EXPLORE_NAME];
        for (const woven *w = woven_faults; w->name; w++)
                printf("%-26s %-16s %s: %s\n", w->name, explore_how_name(&w->found_by, by), w->scenario, w->what);
}

static void ask(const woven *w, const entry *en, explore_plan plan)
{
        char by[EXPLORE_NAME], most[32] = "";
        if (!plan.budget || plan.budget > MOST_WHEN_ASKED)
                plan.budget = MOST_WHEN_ASKED;
        const pid_t child = fork();
        if (child == 0) { /* a fault may do what the simulator cannot stand */
                const explored e = run(en, &plan, w->number, false);
                if (plan.most_surprises > 1)
                        snprintf(most, sizeof most, ", %u at most", plan.most_surprises);
                printf("    by %s%s: %" PRIu64 " schedules, %" PRIu64 " preemptions: %s%s %s\n",
                       explore_how_name(&plan, by), most, e.schedules, e.preemptions, ended_name(e.ended),
                       e.complete ? ", complete" : "", e.text);
                fflush(stdout);
                _exit(0);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) < 0 || status)
                printf("    by %s: crashed\n", explore_how_name(&plan, by));
        fflush(stdout);
}

int woven_only(const char *name)
{
        const woven *w = named(name);
        const entry *en = w ? scenario_of(w) : NULL;
        if (!en)
                return -1;
        const bool ok = try(w);
        for (size_t i = 0; i < MOST_SEARCHES; i++)
                if (en->searches[i].when == ALWAYS)
                        ask(w, en, en->searches[i].plan);
        static const explore_plan plans[] = {
                {.how = EXPLORE_ALL},
                {.how = EXPLORE_BOUNDED, .bound = 1},
                {.how = EXPLORE_BOUNDED, .bound = 2},
                {.how = EXPLORE_RANDOM},
                {.how = EXPLORE_PCT, .bound = 2},
                {.how = EXPLORE_PCT, .bound = 3},
                {.how = EXPLORE_BOUNDED, .bound = 1, EARLY(1)},
                {.how = EXPLORE_RANDOM, EARLY(1)},
                {.how = EXPLORE_RANDOM, EARLY(2)},
                {.how = EXPLORE_PCT, .bound = 3, EARLY(1)},
                {.how = EXPLORE_PCT, .bound = 3, EARLY(2)},
                {.how = EXPLORE_RANDOM, .faults = REIN_SIM_SPURIOUS},
        };
        for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
                ask(w, en, plans[i]);
        return !ok;
}

int woven_tell(const char *name)
{
        const woven *w = named(name);
        const entry *en = w ? scenario_of(w) : NULL;
        if (!en)
                return -1;
        const explored e = run(en, &w->found_by, w->number, true);
        printf("%s: %s %s\n", name, ended_name(e.ended), e.text);
        return !ends_as_told(&e, w->ends);
}
