/* SPDX-License-Identifier: Apache-2.0 */
#include "broken.h"
#include "members.h"

#include "sync/event.h"

static int wait_for(member *m)
{
        return rein_event_wait(m->object, m->until);
}

static void test_set_stays_until_it_is_cleared(void **state)
{
        (void)state;
        rein_event *e = rein_event_new();
        assert_int_equal(rein_event_wait(e, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_event_wait(e, rein_after(REIN_MS(1))), REIN_ETIMEOUT);
        assert_int_equal(rein_event_set(e), 0);
        assert_int_equal(rein_event_set(e), 0);
        assert_int_equal(rein_event_wait(e, REIN_NOWAIT), 0);
        assert_int_equal(rein_event_wait(e, REIN_NEVER), 0);
        assert_int_equal(rein_event_clear(e), 0);
        assert_int_equal(rein_event_wait(e, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_event_set(NULL), -EINVAL);
        assert_int_equal(rein_event_clear(NULL), -EINVAL);
        assert_int_equal(rein_event_wait(NULL, REIN_NOWAIT), -EINVAL);
        rein_event_free(e);
        rein_event_free(NULL);
}

static void test_all_who_wait_at_a_set_go_on_though_it_is_cleared_at_once(void **state)
{
        (void)state;
        enum { N = 20 }; /* more than are woken after the lock */
        rein_executor *wide = rein_pool_new(REIN_POOL(.threads = N));
        for (int form = 0; form < FORMS; form++) {
                rein_event *e = rein_event_new();
                member m[N];
                for (int i = 0; i < N; i++) {
                        rein_executor *x = crew_of(form, i);
                        m[i] = (member){.call = wait_for, .object = e, .number = i};
                        member_in_line(&m[i], x == crew_pool ? wide : x, "rein_event_wait");
                }
                assert_int_equal(rein_event_set(e), 0);
                assert_int_equal(rein_event_clear(e), 0);
                for (int i = 0; i < N; i++)
                        assert_int_equal(member_end(&m[i]), 0);
                rein_event_free(e);
        }
        rein_executor_free(wide);
}

static void test_a_cancelled_one_leaves(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                rein_event *e = rein_event_new();
                member m[2] = {{.call = wait_for, .object = e}, {.call = wait_for, .object = e}};
                for (int i = 0; i < 2; i++)
                        member_in_line(&m[i], crew_of(form, i), "rein_event_wait");
                rein_cancel(m[0].future, "it is not needed");
                assert_int_equal(member_end(&m[0]), REIN_ECANCELED);
                assert_int_equal(rein_code(m[1].future), REIN_EPENDING);
                rein_event_set(e);
                assert_int_equal(member_end(&m[1]), 0);
                rein_event_free(e);
        }
}

/* The last one let through frees it, while the one that set it may still be on its way out. */
static int wait_and_free(member *m)
{
        int rc = rein_event_wait(m->object, REIN_NEVER);
        rein_event_free(m->object);
        return rc;
}

static void test_who_was_let_through_may_free_it(void **state)
{
        (void)state;
        for (int round = 0; round < 200; round++) {
                rein_event *e = rein_event_new();
                member m = {.call = wait_and_free, .object = e};
                member_in_line(&m, crew_of(round % MIXED, 0), "rein_event_wait");
                rein_event_set(e);
                assert_int_equal(member_end(&m), 0);
        }
}

static void test_without_memory_there_is_none(void **state)
{
        (void)state;
        support_poor = true;
        assert_null(rein_event_new());
        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
        support_poor = false;
}

/* ---- does it add up? ---- */

static rein_event made;
static rn_turn made_turn;
static rn_stand made_stand;

static void make(void)
{
        made = (rein_event){0};
        made_turn = (rn_turn){.task = rn_self()};
        made_stand = (rn_stand){.turn = &made_turn};
        rn_list_init(&made.line);
        rn_list_push(&made.line, &made_stand.link);
}

static const char *ask(void)
{
        return rn_event_wrong(&made);
}

static void the_line_is_torn(void)
{
        broken_list(&made_stand.link);
}

static void set_and_waited_for(void)
{
        made.is_set = true;
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {the_line_is_torn, broken_links},
                {set_and_waited_for, "somebody waits for an event that has come"},
        };
        broken_each(make, ask, ways, COUNT(ways));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_set_stays_until_it_is_cleared),
                cmocka_unit_test(test_all_who_wait_at_a_set_go_on_though_it_is_cleared_at_once),
                cmocka_unit_test(test_a_cancelled_one_leaves),
                cmocka_unit_test(test_who_was_let_through_may_free_it),
                cmocka_unit_test(test_without_memory_there_is_none),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
        };
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
