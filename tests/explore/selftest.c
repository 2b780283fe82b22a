/* SPDX-License-Identifier: Apache-2.0 */
/* The program `explore`: does the explorer find what it is there to find? Usage:
 *      explore --selftest      every planted bug is found within its budget, by the generator that is named, and is gone
 *                              without the fault; the reduction reaches what the full search reaches
 *      explore --list          the planted bugs
 *      explore --only NAME     one of them, by every generator
 *      explore --tell NAME     one of them: the failing schedule, step by step
 * A planted bug is a fault of the real code (woven.c), or a small model with one (planted/). One that is not found is a
 * defect of the explorer or of its scenario. Exit status: 0 when all is as it should be. */
#include <stdio.h>

#include "planted/planted.h"
#include "woven.h"

bool planted_broken;
uint64_t planted_saw[8];

static const planted *const families[] = {planted_futures, planted_doors, planted_weak, planted_hooks};
enum { FAMILIES = sizeof families / sizeof families[0], MOST_IN_FULL = 2000000 };

typedef unsigned long long ull;

static const planted *current;

static void body(void)
{
        memset(planted_saw, 0, sizeof planted_saw);
        current->body();
}

static uint64_t state(void)
{
        uint64_t h = 14695981039346656037u;
        for (int i = 0; i < 8; i++)
                h = (h ^ planted_saw[i]) * 1099511628211u;
        return h;
}

static explored search(const planted *p, bool broken, explore_plan plan, bool tell)
{
        const scenario s = {.name = p->name, .body = body, .check = p->check, .state = state};
        planted_broken = broken;
        current = p;
        return explore_by(&s, &plan, tell);
}

const char *ended_name(int ended)
{
        static const char *const names[] = {"passed", "failed check",   "deadlock",         "livelock", "left running",
                                            "leak",   "unseen failure", "misuse of memory", "unstable"};
        return names[ended];
}

/* ---- one bug ---- */

/* false: not found, or its twin is not clean. */
static bool try(const planted *p)
{
        char by[EXPLORE_NAME], cleaned[EXPLORE_NAME];
        const explored bug = search(p, true, p->found_by, false);
        const explored twin = search(p, false, p->clean_by, false);
        const bool found = bug.ended == p->ends, clean = twin.ended == REIN_SIM_PASSED && twin.complete;
        printf("%-26s %-17s %6llu of %6llu %4llu  %-17s %-11s %8llu%s%s\n", p->name, explore_how_name(&p->found_by, by),
               (ull)bug.schedules, (ull)p->found_by.budget, (ull)bug.preemptions, ended_name(bug.ended),
               explore_how_name(&p->clean_by, cleaned), (ull)twin.schedules, found ? "" : "  NOT FOUND",
               clean ? "" : "  NOT CLEAN");
        if (!found && bug.ended)
                printf("    %s, and it should be: %s\n", bug.text, ended_name(p->ends));
        if (twin.ended)
                printf("    without the bug: %s\n", twin.text);
        return found && clean;
}

static int try_all(int *count)
{
        int wrong = 0;
        printf("%-26s %-17s %16s %4s  %-17s %-11s %8s\n", "model", "found by", "schedules", "pre.", "as", "clean by",
               "schedules");
        for (int f = 0; f < FAMILIES; f++)
                for (const planted *p = families[f]; p->name; p++, ++*count)
                        wrong += !try(p);
        printf("%d models, %d wrong\n", *count, wrong);
        return wrong;
}

/* ---- the reduction ---- */

static bool same_verdict(const planted *p, bool broken, ull *full_schedules, ull *dpor_schedules)
{
        const explored dpor = search(p, broken, (explore_plan){.how = EXPLORE_ALL}, false);
        const explored full = search(p, broken, (explore_plan){.how = EXPLORE_FULL, .budget = MOST_IN_FULL}, false);
        if (full.ended == REIN_SIM_PASSED && !full.complete)
                return printf("%s: too large for the full search\n", p->name), true;
        *full_schedules += full.schedules;
        *dpor_schedules += dpor.schedules;
        if (full.ended == dpor.ended && full.complete == dpor.complete &&
            (full.ended || (full.states == dpor.states && full.states_digest == dpor.states_digest)))
                return true;
        printf("%s, %s: full ended %d, %llu states; dpor ended %d, %llu states\n", p->name,
               broken ? "broken" : "mended", full.ended, (ull)full.states, dpor.ended, (ull)dpor.states);
        return false;
}

static int compare_all(void)
{
        int wrong = 0, compared = 0;
        ull full = 0, dpor = 0;
        for (int f = 0; f < FAMILIES; f++)
                for (const planted *p = families[f]; p->name; p++)
                        for (int broken = 0; broken < 2; broken++, compared++)
                                if (!p->found_by.faults)
                                        wrong += !same_verdict(p, broken, &full, &dpor);
        if (dpor * 4 > full)
                wrong++, printf("the reduction reduces little\n");
        printf("%d models: %llu schedules by the full search, %llu by dpor; %d differ\n", compared, full, dpor, wrong);
        return wrong;
}

/* ---- the command ---- */

static const planted *named(const char *name)
{
        for (int f = 0; f < FAMILIES; f++)
                for (const planted *p = families[f]; p->name; p++)
                        if (strcmp(p->name, name) == 0)
                                return p;
        fprintf(stderr, "explore: no planted bug '%s'\n", name);
        return NULL;
}

static int list(void)
{
        char by[EXPLORE_NAME];
        for (int f = 0; f < FAMILIES; f++)
                for (const planted *p = families[f]; p->name; p++)
                        printf("%-26s %-16s a model\n", p->name, explore_how_name(&p->found_by, by));
        woven_list();
        return 0;
}

static int only(const char *name)
{
        const int rc = woven_only(name);
        if (rc >= 0)
                return rc;
        const planted *p = named(name);
        if (!p)
                return 2;
        bool ok = try(p);
        for (int k = EXPLORE_ALL; k <= EXPLORE_PCT; k++) {
                explore_plan plan = {(explore_how)k, k == EXPLORE_PCT ? 3 : 2, .budget = 200000};
                char by[EXPLORE_NAME];
                plan.faults = k == EXPLORE_ALL ? 0 : p->found_by.faults;
                plan.weak = k != EXPLORE_ALL && p->found_by.weak;
                plan.order = p->found_by.order;
                const explored e = search(p, true, plan, false);
                printf("    by %-14s %8llu schedules, %llu preemptions: %s %s\n", explore_how_name(&plan, by),
                       (ull)e.schedules, (ull)e.preemptions, ended_name(e.ended), e.text);
        }
        return !ok;
}

static int tell(const char *name)
{
        const int rc = woven_tell(name);
        if (rc >= 0)
                return rc;
        const planted *p = named(name);
        if (!p)
                return 2;
        const explored e = search(p, true, p->found_by, true);
        printf("%s: %s %s\n", name, ended_name(e.ended), e.text);
        return e.ended != p->ends;
}

static int selftest(void)
{
        int count = 0, models = 0, wrong = woven_try_all(&count);
        printf("\n");
        wrong += try_all(&models);
        printf("\n");
        wrong += compare_all();
        wrong += planted_programs();
        wrong += planted_litmus();
        wrong += planted_generators();
        printf("\nselftest: %d planted bugs ran, %d things wrong\n", count + models, wrong);
        return wrong > 0;
}

int main(int argc, char **argv)
{
        if (argc == 2 && strcmp(argv[1], "--selftest") == 0)
                return selftest();
        if (argc == 2 && strcmp(argv[1], "--list") == 0)
                return list();
        if (argc == 3 && strcmp(argv[1], "--only") == 0)
                return only(argv[2]);
        if (argc == 3 && strcmp(argv[1], "--tell") == 0)
                return tell(argv[2]);
        fprintf(stderr, "usage: explore --selftest | --list | --only NAME | --tell NAME\n");
        return 2;
}
