/* SPDX-License-Identifier: Apache-2.0 */
/* Calls with descriptors: what does not add up among them. What they do is in io_test.c. */
#include "broken.h"

#include "core/hook.h"
#include "io/fd.h"

enum { FD = 7, CALLS = 3 };

static rn_world made;
static rn_fd_call made_call[CALLS];
static rn_hook made_hook;

/* One keeps the number open, another is inside as well, a third waits for another number of the same list. */
static void make(void)
{
        rn_list_init(&made.fd_calls[FD]);
        made_hook = (rn_hook){.task = rn_self()};
        for (int i = 0; i < CALLS; i++) {
                made_call[i] = (rn_fd_call){.task = rn_self(), .doing = "test", .fd = i == 2 ? FD + RN_FD_BUCKETS : FD};
                rn_list_push(&made.fd_calls[FD], &made_call[i].link);
        }
        rn_store32(&made_call[0].state, RN_FD_CONDEMNED);
        made_call[0].hook = &made_hook;
        rn_store32(&made_call[1].state, RN_FD_INSIDE);
}

static const char *ask(void)
{
        return rn_fd_calls_wrong(&made, FD);
}

static void the_list_is_torn(void)
{
        broken_list(&made_call[1].link);
}

static void begun_twice(void)
{
        broken_push(&made.fd_calls[FD], &made_call[0].link);
}

static void in_no_state(void)
{
        rn_store32(&made_call[1].state, RN_FD_CLOSED + 1);
}

static void nobodys(void)
{
        made_call[1].task = NULL;
}

static void in_the_list_of_others(void)
{
        made_call[2].fd++;
}

static void condemned_and_not_in_front(void)
{
        rn_store32(&made_call[2].state, RN_FD_CONDEMNED);
}

static void in_a_region_of_another(void)
{
        made_hook.task = NULL;
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {the_list_is_torn, broken_links},
                {begun_twice, broken_links},
                {in_no_state, "a call with a descriptor is in no state that it has"},
                {nobodys, "a call is in the list of other descriptors, or nobody's"},
                {in_the_list_of_others, "a call is in the list of other descriptors, or nobody's"},
                {condemned_and_not_in_front, "a call that keeps its number open is not in front of the others"},
                {in_a_region_of_another, "a call is to be got out of a region of another task"},
        };
        broken_each(make, ask, ways, COUNT(ways));
}

static void test_a_long_list_is_looked_at_up_to_a_point(void **state)
{
        (void)state;
        enum { N = RN_LIST_ASKED + 100 };
        static rn_fd_call more[N];
        make();
        for (int i = 0; i < N; i++) {
                more[i] = (rn_fd_call){.task = rn_self(), .doing = "test", .fd = FD};
                rn_list_push(&made.fd_calls[FD], &more[i].link);
        }
        more[N - 1].task = NULL;
        assert_null(ask());
}

/* ---- several are inside ---- */

/* The first to leave stands behind the one that still keeps the number open, and is not asked for that any more. */
static void test_whoever_leaves_gives_way_to_those_that_keep_the_number(void **state)
{
        (void)state;
        int ends[2];
        rn_fd_call call[3];
        assert_int_equal(rn_sys_pipe(ends), 0);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(rn_fd_begin(&call[i], rn_self(), ends[0], "test"), 0);
                assert_int_equal(rn_fd_enter(&call[i], false), 0);
        }
        assert_int_equal(rein_close(ends[0]), 0);
        for (int i = 0; i < 2; i++) {
                rn_world *w = rn_world_now();
                assert_true(rn_sys_is_open(ends[0]));
                assert_int_equal(rn_fd_begin(&call[2], rn_self(), ends[0], "test"), -EBADF);
                rn_fd_leave(&call[1 - i]); /* the latest is the first of the list */
                assert_true(rn_fd_shut(&call[1 - i]));
                rn_lock_take(&w->fd_lock);
                assert_null(rn_fd_calls_wrong(w, ends[0]));
                rn_lock_give(&w->fd_lock);
        }
        assert_false(rn_sys_is_open(ends[0]));
        for (int i = 0; i < 2; i++)
                rn_fd_end(&call[i]);
        close(ends[1]);
}

/* ---- in a simulation ---- */

static void a_call_is_lost(void)
{
        rn_world_now()->fd_calls_open++;
}

static void a_call_is_torn(void)
{
        rn_world *w = rn_world_now();
        w->fd_calls_open++;
        w->fd_calls[FD].next = &made_call[0].link;
}

static void test_a_simulation_finds_what_does_not_add_up(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {a_call_is_lost, "the calls with descriptors are not as many as are counted"},
                {a_call_is_torn, "the list of calls does not add up: two neighbours"},
        };
        make();
        broken_in_a_simulation(NULL, ways, COUNT(ways));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_does_not_add_up_is_told),
                cmocka_unit_test(test_a_long_list_is_looked_at_up_to_a_point),
                cmocka_unit_test(test_whoever_leaves_gives_way_to_those_that_keep_the_number),
                cmocka_unit_test(test_a_simulation_finds_what_does_not_add_up),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
