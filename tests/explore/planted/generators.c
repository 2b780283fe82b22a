/* SPDX-License-Identifier: Apache-2.0 */
/* What the generators are good and bad at, and that a search is the same whenever it is made. */
#include "planted.h"

#include <stdio.h>

static int wrong;

static void expect(bool ok, const char *what)
{
        printf("%-4s %s\n", ok ? "ok" : "NOT", what);
        wrong += !ok;
}

static const planted *named(const planted *p, const char *name)
{
        while (p->name && strcmp(p->name, name) != 0)
                p++;
        return p;
}

static explored search(const planted *p, explore_plan plan)
{
        const scenario s = {.name = p->name, .body = p->body, .check = p->check};
        memset(planted_saw, 0, sizeof planted_saw);
        return explore_by(&s, &plan, false);
}

/* ---- what is found by whom ---- */

static void far_bugs(void)
{
        const planted *far = named(planted_futures, "lost-callback-far"),
                      *torn = named(planted_futures, "torn-snapshot");
        planted_broken = true;
        expect(search(far, (explore_plan)BY_RANDOM(20000)).ended == REIN_SIM_PASSED,
               "20,000 random schedules do not find a bug for which one task must run a long way alone");
        expect(search(far, (explore_plan)BY_PCT(2, 400)).ended == REIN_SIM_FAILED,
               "and priorities with one change do in 400");
        const explored none = search(torn, (explore_plan){.how = EXPLORE_BOUNDED});
        expect(none.complete && none.ended == REIN_SIM_PASSED, "no bug is found without a preemption that it needs");
        const explored one = search(torn, (explore_plan){EXPLORE_BOUNDED, 2, .budget = 0});
        expect(one.ended == REIN_SIM_FAILED && one.preemptions > 0, "and it is found with it");
}

static void weak_bugs(void)
{
        planted_broken = true;
        bool seen = false;
        for (const planted *p = planted_weak; p->name; p++)
                seen = seen || search(p, (explore_plan){.how = EXPLORE_FULL}).ended != REIN_SIM_PASSED;
        seen = seen || search(named(planted_doors, "dekker-door"), (explore_plan){.how = EXPLORE_FULL}).ended;
        expect(!seen, "no search through sequentially consistent schedules finds an order that is too weak");
}

/* ---- twice ---- */

static bool equal(const explored *a, const explored *b)
{
        return a->ended == b->ended && a->complete == b->complete && a->schedules == b->schedules &&
               a->redundant == b->redundant && a->steps == b->steps && a->preemptions == b->preemptions &&
               a->longest == b->longest && strcmp(a->text, b->text) == 0;
}

static void twice(void)
{
        static const explore_plan plans[] = {{.how = EXPLORE_ALL},
                                             {.how = EXPLORE_FULL, .budget = 3000},
                                             {EXPLORE_BOUNDED, 2, .budget = 0},
                                             BY_RANDOM(500),
                                             BY_PCT(3, 500),
                                             {.how = EXPLORE_FULL, .budget = 3000, .weak = true}};
        enum { PLANS = sizeof plans / sizeof plans[0] };
        const planted *const of[] = {named(planted_futures, "callback-twice"), named(planted_hooks, "blind-resend"),
                                     named(planted_doors, "dekker-door")};
        bool same = true;
        for (int broken = 0; broken < 2; broken++) {
                explored first[3][PLANS];
                for (int round = 0; round < 2; round++)
                        for (int i = 0; i < 3; i++)
                                for (int k = 0; k < PLANS; k++) {
                                        planted_broken = broken;
                                        explored e = search(of[i], plans[k]);
                                        if (round == 0)
                                                first[i][k] = e;
                                        else
                                                same = same && equal(&first[i][k], &e);
                                }
        }
        expect(same, "a search made again after others counts the same");
}

/* ---- what commutes ---- */

static word sum;

static void count_three(void *arg)
{
        word_count(&sum, (uintptr_t)arg, RN_ORDER_SEQ_CST);
}

static void add_three(void *arg)
{
        plus(&sum, (uintptr_t)arg);
}

static void three_of(void (*main)(void *))
{
        sum = (word){0};
        for (uintptr_t i = 1; i <= 3; i++)
                explore_start("adder", main, (void *)i);
}

static void counters(void)
{
        three_of(count_three);
}

static void adders(void)
{
        three_of(add_three);
}

static void commuting(void)
{
        const planted counts = {.name = "counters", .body = counters}, adds = {.name = "adders", .body = adders};
        const explored one = search(&counts, (explore_plan){.how = EXPLORE_ALL}),
                       six = search(&adds, (explore_plan){.how = EXPLORE_ALL});
        expect(one.complete && one.schedules == 1, "three additions that nobody looks at have one order");
        expect(six.complete && six.schedules - six.redundant == 6, "and six when each looks at its result");
        expect(search(&counts, (explore_plan){.how = EXPLORE_FULL}).schedules == 6, "as they have in the full search");
}

int planted_generators(void)
{
        wrong = 0;
        far_bugs();
        weak_bugs();
        twice();
        commuting();
        return wrong;
}
