/* SPDX-License-Identifier: Apache-2.0 */
/* Barriers: all or nobody; one is the last; a party that leaves breaks it for the others. */
#include "broken.h"
#include "members.h"

#include "sync/barrier.h"

enum { PARTIES = 5 };

static int arrive(member *m)
{
        return rein_barrier_arrive(m->object, m->until);
}

typedef struct race {
        rein_barrier *barrier;
        atomic_int rounds[PARTIES], last, too_far;
} race;

static int run_rounds(member *m)
{
        race *r = m->object;
        for (int i = 0; i < 100; i++) {
                atomic_fetch_add(&r->rounds[m->number], 1);
                int rc = rein_barrier_arrive(r->barrier, REIN_NEVER);
                if (rc < 0)
                        return rc;
                atomic_fetch_add(&r->last, rc);
                for (int k = 0; k < PARTIES; k++) {
                        int ahead = r->rounds[k] - (i + 1);
                        if (ahead < 0 || ahead > 1)
                                atomic_fetch_add(&r->too_far, 1);
                }
        }
        return 0;
}

static void test_nobody_goes_on_before_all_have_come(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                race r = {.barrier = rein_barrier_new(PARTIES)};
                member m[PARTIES];
                for (int i = 0; i < PARTIES; i++) {
                        m[i] = (member){.call = run_rounds, .object = &r, .number = i};
                        member_start(&m[i], crew_of(form, i));
                }
                for (int i = 0; i < PARTIES; i++)
                        assert_int_equal(member_end(&m[i]), 0);
                assert_int_equal(r.last, 100);
                assert_int_equal(r.too_far, 0);
                rein_barrier_free(r.barrier);
        }
}

static void test_who_leaves_breaks_it_until_a_reset(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                rein_barrier *b = rein_barrier_new(4);
                member m[3];
                for (int i = 0; i < 3; i++) {
                        m[i] = (member){.call = arrive, .object = b, .number = i};
                        member_in_line(&m[i], crew_of(form, i), "rein_barrier_arrive");
                }
                rein_cancel(m[1].future, "it is not needed");
                assert_int_equal(member_end(&m[1]), REIN_ECANCELED);
                assert_int_equal(member_end(&m[0]), REIN_EBROKEN);
                assert_int_equal(member_end(&m[2]), REIN_EBROKEN);
                assert_int_equal(rein_barrier_arrive(b, REIN_NEVER), REIN_EBROKEN);
                assert_int_equal(rein_error_code(rein_trail()), REIN_EBROKEN);
                assert_int_equal(rein_barrier_reset(b), 0);
                for (int i = 0; i < 3; i++) {
                        m[i] = (member){.call = arrive, .object = b, .number = i};
                        member_in_line(&m[i], crew_of(form, i), "rein_barrier_arrive");
                }
                assert_int_equal(rein_barrier_arrive(b, REIN_NEVER), 1);
                for (int i = 0; i < 3; i++)
                        assert_int_equal(member_end(&m[i]), 0);
                rein_barrier_free(b);
        }
}

static void test_out_of_time_cancelled_before_reset_meanwhile(void **state)
{
        (void)state;
        rein_barrier *b = rein_barrier_new(2);
        assert_int_equal(rein_barrier_arrive(b, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_barrier_arrive(b, REIN_NOWAIT), REIN_EBROKEN);
        rein_barrier_reset(b);
        member m = {.call = arrive, .object = b};
        member_in_line(&m, crew_loop, "rein_barrier_arrive");
        rein_barrier_reset(b);
        assert_int_equal(member_end(&m), REIN_EBROKEN);
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, "it came cancelled");
        assert_int_equal(rein_barrier_arrive(b, REIN_NEVER), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_int_equal(rein_barrier_arrive(b, REIN_NEVER), REIN_EBROKEN);
        rein_barrier_free(b);
        b = rein_barrier_new(1);
        assert_int_equal(rein_barrier_arrive(b, REIN_NOWAIT), 1);
        assert_int_equal(rein_barrier_arrive(b, REIN_NOWAIT), 1);
        rein_barrier_free(b);
        rein_barrier_free(NULL);
        assert_null(rein_barrier_new(0));
        assert_int_equal(rein_barrier_arrive(NULL, REIN_NEVER), -EINVAL);
        assert_int_equal(rein_barrier_reset(NULL), -EINVAL);
}

static void test_without_memory_there_is_none(void **state)
{
        (void)state;
        support_poor = true;
        assert_null(rein_barrier_new(1));
        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
        support_poor = false;
}

/* ---- does it add up? ---- */

static rein_barrier made;
static rn_turn made_turn;
static rn_stand made_stand;

static void make(void)
{
        made = (rein_barrier){.parties = 2, .here = 1};
        made_turn = (rn_turn){.task = rn_self()};
        made_stand = (rn_stand){.turn = &made_turn};
        rn_list_init(&made.line);
        rn_list_push(&made.line, &made_stand.link);
}

static const char *ask(void)
{
        return rn_barrier_wrong(&made);
}

static void the_line_is_torn(void)
{
        broken_list(&made_stand.link);
}

static void all_have_come(void)
{
        made.here = 2;
}

static void broken_and_waited_at(void)
{
        made.broken = true;
}

static void broken_and_counted(void)
{
        rn_list_remove(&made_stand.link);
        made.broken = true;
}

static void one_has_left_and_is_counted(void)
{
        rn_list_remove(&made_stand.link);
}

static void one_waits_and_is_not_counted(void)
{
        made.here = 0;
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {the_line_is_torn, broken_links},
                {all_have_come, "all have come to a barrier, and it has let nobody go"},
                {broken_and_waited_at, "somebody waits at a barrier that is broken"},
                {broken_and_counted, "somebody waits at a barrier that is broken"},
                {one_has_left_and_is_counted, "a barrier counts others than those that wait at it"},
                {one_waits_and_is_not_counted, "a barrier counts others than those that wait at it"},
        };
        broken_each(make, ask, ways, COUNT(ways));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nobody_goes_on_before_all_have_come),
                cmocka_unit_test(test_who_leaves_breaks_it_until_a_reset),
                cmocka_unit_test(test_out_of_time_cancelled_before_reset_meanwhile),
                cmocka_unit_test(test_without_memory_there_is_none),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
        };
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
