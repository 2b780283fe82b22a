/* SPDX-License-Identifier: Apache-2.0 */
/* Names that are looked up: when no thread can be had for it; what does not add up among those that wait. */
#include "broken.h"

#include "io/net.h"

/* ---- no thread can be had ---- */

static atomic_int asked;
static atomic_bool refuse;

static bool a_name_waits(void)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->fd_lock);
        const bool waits = !rn_list_empty(&w->lookups);
        rn_lock_give(&w->fd_lock);
        return waits;
}

/* Both have been counted before one of them is refused its thread; and that one relies on the other before the other is. */
static uint32_t refuse_both(uint32_t n, rn_choice kind)
{
        (void)n;
        bool in_turn = false;
        if (kind != RN_CHOOSE_THREAD || !refuse)
                return 0;
        if (atomic_fetch_add(&asked, 1) == 0)
                COMES_TRUE(asked == 2, in_turn);
        else
                COMES_TRUE(a_name_waits(), in_turn);
        return in_turn;
}

static void *look_up(void *arg)
{
        int *rc = arg;
        rein_time until = rein_after(REIN_SEC(20));
        *rc = rein_connect("a.name.that.is.none", "80", until);
        return NULL;
}

static void test_a_name_that_relies_on_a_thread_that_cannot_be_had_is_told(void **state)
{
        (void)state;
        int rc[2] = {0, 0};
        pthread_t t[2];
        refuse = true;
        for (int i = 0; i < 2; i++)
                t[i] = go(look_up, &rc[i]);
        for (int i = 0; i < 2; i++)
                join(t[i]);
        refuse = false;
        assert_int_equal(asked, 2);
        assert_int_equal(rc[0], -EAGAIN);
        assert_int_equal(rc[1], -EAGAIN);
        assert_int_equal(rn_world_now()->lookup_threads, 0);
        assert_false(a_name_waits());
}

/* ---- does it add up? ---- */

static rn_world made;
static rn_lookup made_lookup[2];

static void make(void)
{
        made.lookup_threads = RN_LOOKUPS_AT_ONCE;
        rn_list_init(&made.lookups);
        for (int i = 0; i < 2; i++) {
                made_lookup[i] = (rn_lookup){.promise = (rein_promise *)(void *)&made, .service = made_lookup[i].host};
                rn_list_push(&made.lookups, &made_lookup[i].link);
        }
}

static const char *ask(void)
{
        return rn_lookups_wrong(&made);
}

static void too_many_threads(void)
{
        made.lookup_threads++;
}

static void the_list_is_torn(void)
{
        broken_list(&made_lookup[0].link);
}

static void no_thread_is_there(void)
{
        made.lookup_threads = 0;
}

static void for_nobody(void)
{
        made_lookup[1].promise = NULL;
}

static void for_no_service(void)
{
        made_lookup[1].service = NULL;
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {too_many_threads, "more threads look up names than may"},
                {the_list_is_torn, broken_links},
                {no_thread_is_there, "a name waits to be looked up, and no thread is there"},
                {for_nobody, "a name is to be looked up for nobody"},
                {for_no_service, "a name is to be looked up for nobody"},
        };
        broken_each(make, ask, ways, COUNT(ways));
}

static void a_name_waits_for_no_thread(void)
{
        broken_push(&rn_world_now()->lookups, &made_lookup[0].link);
}

static void test_a_simulation_finds_a_name_that_waits_for_no_thread(void **state)
{
        (void)state;
        static const broken_way way = {a_name_waits_for_no_thread,
                                       "does not add up: a name waits to be looked up, and no thread is there"};
        broken_in_a_simulation(NULL, &way, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_name_that_relies_on_a_thread_that_cannot_be_had_is_told),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
                cmocka_unit_test(test_a_simulation_finds_a_name_that_waits_for_no_thread),
        };
        rn_choose_by(refuse_both);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
