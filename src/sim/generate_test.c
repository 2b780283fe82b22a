/* SPDX-License-Identifier: Apache-2.0 */
/* Which task is next: depth-first search counts what it must, PCT finds what chance does not, the same seed gives the same run. */
#include "support.h"

#include "crew.h"

static int explore(uint32_t generator, uint32_t depth, uint64_t schedules, rein_fn fn, rein_sim_report *r)
{
        *r = (rein_sim_report){.size = sizeof *r};
        return rein_sim_explore(
                REIN_SIM(.generator = generator, .depth = depth, .schedules = schedules, .quiet = true, .report = r),
                fn, NULL);
}

/* ---- depth first ---- */

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

static atomic_int seen[9];

static int chooses(void *arg)
{
        (void)arg;
        uint32_t a = rein_sim_choose(3);
        atomic_fetch_add(&seen[3 * a + rein_sim_choose(3)], 1);
        return 0;
}

static void dfs_takes_every_choice(void **state)
{
        (void)state;
        rein_sim_report r;
        memset(seen, 0, sizeof seen);
        assert_int_equal(explore(REIN_SIM_DFS, 0, 0, nothing, &r), 0);
        assert_true(r.complete);
        assert_int_equal(r.schedules, 3); /* one with each bound: 0, 1, 2 */
        assert_int_equal(explore(REIN_SIM_DFS, 0, 0, chooses, &r), 0);
        assert_true(r.complete);
        assert_int_equal(r.schedules, 27);
        for (int i = 0; i < 9; i++)
                assert_int_equal(atomic_load(&seen[i]), 3);
}

/* Two tasks of n points each, started together. What is counted is the order of their steps: letters in a word. */
enum { WORD = 16, WORDS = 64 };
static char words[WORDS][WORD + 1];
static int count_words, points_each;
static atomic_int written;
static char word[WORD + 1];

static void letters(void *arg)
{
        for (int i = 0; i < points_each; i++) {
                rein_sim_point("a step");
                word[atomic_fetch_add(&written, 1)] = *(const char *)arg;
        }
}

static int two_write(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h[2];
        char a = 'a', b = 'b';
        atomic_store(&written, 0);
        memset(word, 0, sizeof word);
        crew_go(&c, &h[0], "a", letters, &a);
        crew_go(&c, &h[1], "b", letters, &b);
        crew_join(&c);
        int i = 0;
        while (i < count_words && strcmp(words[i], word) != 0)
                i++;
        if (i == count_words && count_words < WORDS)
                memcpy(words[count_words++], word, sizeof word);
        return 0;
}

/* Words of n a's and n b's that a search with so many preemptions reaches: all of them with 2n, the two in which one
 * goes after the other without any. */
static void dfs_reaches_every_order(void **state)
{
        (void)state;
        static const int all[] = {0, 2, 6, 20}; /* (2n over n) */
        for (points_each = 1; points_each <= 3; points_each++) {
                rein_sim_report r = {.size = sizeof r};
                count_words = 0;
                assert_int_equal(rein_sim_explore(REIN_SIM(.generator = REIN_SIM_DFS, .bound = 6, .schedules = 1000000,
                                                           .quiet = true, .report = &r),
                                                  two_write, NULL),
                                 0);
                assert_true(r.complete);
                assert_int_equal(count_words, all[points_each]);
        }
}

static void dfs_that_was_cut_short_says_so(void **state)
{
        (void)state;
        rein_sim_report r;
        points_each = 3;
        assert_int_equal(explore(REIN_SIM_DFS, 0, 10, two_write, &r), 0);
        assert_false(r.complete);
        assert_int_equal(r.schedules, 10);
}

/* ---- a bug of depth two, far away ---- */

enum { LONG = 40 };
static atomic_int pending, pushed, ran;

static void settles(void *arg)
{
        (void)arg;
        for (int i = 0; i < LONG; i++)
                rein_sim_point("settles");
        atomic_store(&pending, 0);
        if (atomic_load(&pushed))
                atomic_fetch_add(&ran, 1);
        for (int i = 0; i < LONG; i++)
                rein_sim_point("settled");
}

static void adds(void *arg)
{
        (void)arg;
        if (atomic_load(&pending)) {
                rein_sim_point("pushes"); /* the settler has to go all its way here */
                atomic_store(&pushed, 1); /* after that nobody looks */
        } else {
                atomic_fetch_add(&ran, 1);
        }
}

static int lost_callback(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h[2];
        atomic_store(&pending, 1);
        atomic_store(&pushed, 0);
        atomic_store(&ran, 0);
        crew_go(&c, &h[0], "adds", adds, NULL);
        crew_go(&c, &h[1], "settles", settles, NULL);
        crew_join(&c);
        CHECK(atomic_load(&ran) == 1);
        return 0;
}

static void pct_finds_what_chance_does_not(void **state)
{
        (void)state;
        rein_sim_report r;
        enum { BUDGET = 2000 };
        assert_int_equal(explore(REIN_SIM_RANDOM, 0, BUDGET, lost_callback, &r), 0);
        assert_int_equal(r.schedules, BUDGET);
        assert_int_equal(explore(REIN_SIM_PCT, 2, BUDGET, lost_callback, &r), REIN_EFOUND);
        assert_int_equal(r.ended, REIN_SIM_FAILED);
        assert_int_equal(r.preemptions, 1);
        assert_in_range(r.until_found, 1, BUDGET);
        assert_int_equal(explore(REIN_SIM_MIXED, 0, BUDGET, lost_callback, &r), REIN_EFOUND);
        assert_int_equal(explore(REIN_SIM_DFS, 0, BUDGET, lost_callback, &r), REIN_EFOUND);
}

/* ---- how often something goes wrong ---- */

static atomic_int spurious;

static int waits_a_hundred_times(void *arg)
{
        for (int i = 0; i < 100; i++)
                atomic_fetch_add(&spurious, rein_sim_sleep_on(arg, "x", rein_after(1)) == 0);
        return 0;
}

/* In a hundred schedules; half of them do without the fault. */
static int ends_for_no_reason(uint32_t one_in)
{
        atomic_store(&spurious, 0);
        assert_int_equal(rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM, .schedules = 100,
                                                   .faults = REIN_SIM_SPURIOUS, .one_in = one_in),
                                          waits_a_hundred_times, &spurious),
                         0);
        return atomic_load(&spurious);
}

static void a_fault_is_as_frequent_as_asked_for(void **state)
{
        (void)state;
        assert_in_range(ends_for_no_reason(1), 4000, 8000); /* runs made again count twice */
        assert_in_range(ends_for_no_reason(4), 900, 1900);
        assert_in_range(ends_for_no_reason(0), 200, 500); /* 16 */
        assert_in_range(ends_for_no_reason(100), 25, 90);
}

/* ---- seeds ---- */

static uint64_t hash_of(uint64_t seed, uint32_t generator)
{
        rein_sim_report r = {.size = sizeof r};
        points_each = 3;
        count_words = WORDS;
        int rc = rein_sim_run(REIN_SIM(.seed = seed, .generator = generator, .quiet = true, .report = &r), two_write,
                              NULL);
        return rc == 0 ? r.hash : 0;
}

static void a_seed_is_a_schedule(void **state)
{
        (void)state;
        int differ = 0;
        for (uint64_t seed = 1; seed <= 50; seed++) {
                uint64_t h = hash_of(seed, REIN_SIM_RANDOM);
                assert_true(h != 0);
                assert_true(h == hash_of(seed, REIN_SIM_RANDOM));
                assert_true(hash_of(seed, REIN_SIM_PCT) == hash_of(seed, REIN_SIM_PCT));
                differ += h != hash_of(seed + 1, REIN_SIM_RANDOM);
        }
        assert_in_range(differ, 40, 50);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(dfs_takes_every_choice),
                cmocka_unit_test(dfs_reaches_every_order),
                cmocka_unit_test(dfs_that_was_cut_short_says_so),
                cmocka_unit_test(pct_finds_what_chance_does_not),
                cmocka_unit_test(a_fault_is_as_frequent_as_asked_for),
                cmocka_unit_test(a_seed_is_a_schedule),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
