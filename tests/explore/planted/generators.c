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

static uint64_t first_word(void)
{
        return planted_saw[0];
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

static word anew, there, behind;

static void load_anew(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(word_load(&anew, memory_order_relaxed) == 0);
}

static void make_anew(void)
{
        anew = (word){0};
        word_store(&anew, 5, memory_order_seq_cst);
        anew = (word){0};
        explore_start("reader", load_anew, NULL);
}

static void spin(void *arg)
{
        (void)arg;
        unsigned round = 0;
        while (!get(&there))
                rn_pause(round++);
        planted_saw[0] = get(&behind) + 2u * (round > 0);
}

static void store_both(void *arg)
{
        (void)arg;
        put(&there, 1);
        put(&behind, 1);
}

static void spinner(void)
{
        there = behind = (word){0};
        explore_start("spinner", spin, NULL);
        explore_start("writer", store_both, NULL);
}

enum { STORES_BEFORE = 20 };

static uint64_t most_rounds;

static void spin_and_count(void *arg)
{
        (void)arg;
        unsigned round = 0;
        while (!get(&there))
                rn_pause(round++);
        most_rounds = round > most_rounds ? round : most_rounds;
}

static void store_many(void *arg)
{
        (void)arg;
        for (int i = 0; i < STORES_BEFORE; i++)
                put(&there, 0);
        put(&there, 1);
}

static void long_spin(void)
{
        there = (word){0};
        explore_start("spinner", spin_and_count, NULL);
        explore_start("writer", store_many, NULL);
}

static void who_spins_waits(void)
{
        const planted spins = {.name = "long spin", .body = long_spin};
        most_rounds = 0;
        const explored e = search(&spins, (explore_plan)BY_PCT(2, 200));
        expect(!e.ended && most_rounds > 0 && most_rounds < 5, "who spins falls below the one that it waits for");
}

static void what_is_seen(void)
{
        const planted made = {.name = "made anew", .body = make_anew};
        const explored e = search(&made, (explore_plan){.how = EXPLORE_FULL, .weak = true});
        expect(e.complete && !e.ended, "nobody gets what was stored before a word was made anew");
        const scenario s = {.name = "spinner", .body = spinner, .state = first_word};
        bool both = true;
        for (int weak = 0; weak < 2; weak++) {
                const explore_plan plan = {.how = EXPLORE_FULL, .weak = weak};
                const explored spun = explore_by(&s, &plan, false);
                both = both && spun.complete && spun.states == 4;
        }
        expect(both, "who spins goes on as soon as what it waits for is stored, or later");
}

/* More stores to a word than the weak memory keeps: the one before the last can still be got, again and again. */
static word many;
static bool got_twice;

static void store_once_more(void *arg)
{
        (void)arg;
        word_store(&many, 8, memory_order_relaxed);
        word_store(&there, 1, memory_order_relaxed);
}

static void load_twice(void *arg)
{
        (void)arg;
        const uint64_t first = word_load(&many, memory_order_relaxed), after = word_load(&there, memory_order_relaxed),
                       second = word_load(&many, memory_order_relaxed);
        got_twice |= first == 7 && after == 1 && second == 7;
        EXPLORE_CHECK(second >= first && first >= 7);
}

static void nine_stores(void)
{
        many = there = (word){0};
        for (uint64_t i = 1; i <= 7; i++) /* the first value is a store, too */
                word_store(&many, i, memory_order_relaxed);
        explore_start("writer", store_once_more, NULL);
        explore_start("reader", load_twice, NULL);
}

static void what_is_kept(void)
{
        const planted stores = {.name = "nine stores", .body = nine_stores};
        got_twice = false;
        const explored e = search(&stores, (explore_plan){.how = EXPLORE_FULL, .weak = true});
        expect(e.complete && !e.ended && got_twice,
               "an older store can be got again, also when others are kept no more");
}

/* ---- what a search notes ---- */

static void only_steps(void)
{
        there = (word){0};
        put(&there, 1);
}

static void only_waits(void)
{
        rein_sim_sleep_on(&there, "sleeps on a word", (rein_time){rn_sim->now + 1});
}

static void only_sleeps(void)
{
        rein_sim_block((rein_time){rn_sim->now + 1});
}

/* By it scenarios are put to early timers and to spurious wake-ups, or not. */
static void what_is_noted(void)
{
        const planted steps = {.name = "steps", .body = only_steps}, waits = {.name = "waits", .body = only_waits},
                      sleeps = {.name = "sleeps", .body = only_sleeps};
        const explore_plan plan = {.how = EXPLORE_BOUNDED};
        const explored none = search(&steps, plan), waited = search(&waits, plan), slept = search(&sleeps, plan);
        expect(waited.waits && !none.waits && !slept.waits,
               "a search notes whether something waits that may be woken for no reason");
        expect(slept.timed && !none.timed, "and whether something sleeps until a time");
}

static void weak_bugs(void)
{
        static const char *const of_order[] = {"acquire-missing",       "release-missing",     "relaxed-drop",
                                               "claim-without-acquire", "release-overwritten", "store-kept-back"};
        planted_broken = true;
        bool seen = false;
        for (size_t i = 0; i < sizeof of_order / sizeof *of_order; i++)
                seen = seen || search(named(planted_weak, of_order[i]), (explore_plan){.how = EXPLORE_FULL}).ended;
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
                                             {.how = EXPLORE_FULL, .budget = 60},
                                             {EXPLORE_BOUNDED, 2, .budget = 0},
                                             BY_RANDOM(500),
                                             BY_PCT(3, 500),
                                             {.how = EXPLORE_FULL, .budget = 3000, .weak = true}};
        enum { PLANS = sizeof plans / sizeof plans[0] };
        const planted *const of[] = {named(planted_futures, "callback-twice"), named(planted_hooks, "blind-poke"),
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
        word_count(&sum, (uintptr_t)arg, memory_order_seq_cst);
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

static int ends[2];
static word wrote, did_read;

static void write_to_pipe(void *arg)
{
        (void)arg;
        rn_sys_write(ends[1], "a", 1, false);
        ring(&wrote);
}

static void read_from_pipe(void *arg)
{
        (void)arg;
        char byte;
        planted_saw[0] = rn_sys_read(ends[0], &byte, 1, false) == 1;
        ring(&did_read);
}

static void close_pipe(void *arg)
{
        (void)arg;
        wait_for(&wrote);
        wait_for(&did_read);
        rn_sys_close(ends[0]);
        rn_sys_close(ends[1]);
}

static void piped(void)
{
        wrote = did_read = (word){0};
        rein_sim_pipe(ends, 4);
        explore_start("writer", write_to_pipe, NULL);
        explore_start("reader", read_from_pipe, NULL);
        explore_start("closer", close_pipe, NULL);
}

static char *block;

static void use_its_middle(void *arg)
{
        (void)arg;
        put((word *)(void *)(block + 32), 1);
}

static void free_it(void *arg)
{
        (void)arg;
        rn_free(block);
}

static void used_and_freed(void)
{
        block = rn_alloc(64);
        explore_start("user", use_its_middle, NULL);
        explore_start("owner", free_it, NULL);
}

static void commuting(void)
{
        const planted freed = {.name = "freed", .body = used_and_freed};
        expect(search(&freed, (explore_plan){.how = EXPLORE_ALL}).ended == REIN_SIM_MISUSE,
               "a free and a use of any part of the memory have two orders");
        const scenario pipe = {.name = "pipe", .body = piped, .state = first_word};
        const explored two = explore_by(&pipe, &(explore_plan){.how = EXPLORE_ALL}, false);
        expect(two.complete && two.states == 2, "a read and a write of one pipe have two orders");
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
        what_is_seen();
        who_spins_waits();
        what_is_kept();
        what_is_noted();
        twice();
        commuting();
        return wrong;
}
