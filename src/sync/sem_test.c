/* SPDX-License-Identifier: Apache-2.0 */
/* Semaphores: the order also when some want many; the limit; leaving a line that one held up. */
#include "broken.h"
#include "members.h"

#include "sync/sem.h"

static int acquire(member *m) /* number: how many */
{
        return rein_sem_acquire(m->object, (size_t)m->number, m->until);
}

static void test_acquire_release(void **state)
{
        (void)state;
        rein_sem *sem = rein_sem_new(3);
        assert_int_equal(rein_sem_acquire(sem, 2, REIN_NOWAIT), 0);
        assert_int_equal(rein_sem_acquire(sem, 2, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_sem_acquire(sem, 1, REIN_NOWAIT), 0);
        assert_int_equal(rein_sem_acquire(sem, 1, rein_after(REIN_MS(1))), REIN_ETIMEOUT);
        assert_int_equal(rein_sem_release(sem, 3), 0);
        assert_int_equal(rein_sem_acquire(sem, 0, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_sem_release(sem, SIZE_MAX), -EOVERFLOW);
        assert_int_equal(rein_sem_acquire(sem, 3, REIN_NOWAIT), 0);
        assert_int_equal(rein_sem_acquire(NULL, 1, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_sem_release(NULL, 1), -EINVAL);
        rein_sem_free(sem);
        rein_sem_free(NULL);
}

static void test_it_counts_as_far_as_a_size_goes(void **state)
{
        (void)state;
        rein_sem *sem = rein_sem_new(1);
        assert_int_equal(rein_sem_release(sem, SIZE_MAX), -EOVERFLOW);
        assert_int_equal(rein_sem_release(sem, SIZE_MAX - 1), 0);
        assert_int_equal(rein_sem_release(sem, 1), -EOVERFLOW);
        assert_int_equal(rein_sem_acquire(sem, SIZE_MAX, REIN_NOWAIT), 0);
        assert_int_equal(rein_sem_acquire(sem, 1, REIN_NOWAIT), REIN_ETIMEOUT);
        rein_sem_free(sem);
}

static void test_units_go_to_the_first_in_line(void **state)
{
        (void)state;
        enum { N = 6 };
        for (int form = 0; form < FORMS; form++) {
                rein_sem *sem = rein_sem_new(0);
                member m[N];
                for (int i = 0; i < N; i++) {
                        m[i] = (member){.call = acquire, .object = sem, .number = i % 3 + 1};
                        member_in_line(&m[i], crew_of(form, i), "rein_sem_acquire");
                }
                for (int i = 0; i < N; i++) { /* one more would be the next one's */
                        assert_int_equal(rein_sem_release(sem, (size_t)(i % 3 + 1)), 0);
                        assert_int_equal(member_end(&m[i]), 0);
                        assert_int_equal(rein_sem_acquire(sem, 1, REIN_NOWAIT), REIN_ETIMEOUT);
                }
                rein_sem_free(sem);
        }
}

static void test_one_that_wants_many_is_not_overtaken(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                rein_sem *sem = rein_sem_new(0);
                member many = {.call = acquire, .object = sem, .number = 3};
                member few = {.call = acquire, .object = sem, .number = 1};
                member_in_line(&many, crew_of(form, 0), "rein_sem_acquire");
                member_in_line(&few, crew_of(form, 1), "rein_sem_acquire");
                assert_int_equal(rein_sem_release(sem, 2), 0);
                assert_int_equal(rein_sem_acquire(sem, 1, REIN_NOWAIT), REIN_ETIMEOUT);
                assert_int_equal(rein_code(few.future), REIN_EPENDING);
                assert_int_equal(rein_sem_release(sem, 1), 0);
                assert_int_equal(member_end(&many), 0);
                assert_int_equal(rein_code(few.future), REIN_EPENDING);
                assert_int_equal(rein_sem_release(sem, 1), 0);
                assert_int_equal(member_end(&few), 0);
                rein_sem_free(sem);
        }
}

static void test_when_the_one_that_held_them_up_leaves_the_others_go_on(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                rein_sem *sem = rein_sem_new(2);
                member many = {.call = acquire, .object = sem, .number = 9};
                member few[2] = {{.call = acquire, .object = sem, .number = 1},
                                 {.call = acquire, .object = sem, .number = 1}};
                member_in_line(&many, crew_of(form, 0), "rein_sem_acquire");
                for (int i = 0; i < 2; i++)
                        member_in_line(&few[i], crew_of(form, i), "rein_sem_acquire");
                rein_cancel(many.future, "it is not needed");
                assert_int_equal(member_end(&many), REIN_ECANCELED);
                assert_int_equal(member_end(&few[0]), 0);
                assert_int_equal(member_end(&few[1]), 0);
                assert_int_equal(rein_sem_acquire(sem, 1, REIN_NOWAIT), REIN_ETIMEOUT);
                rein_sem_free(sem);
        }
}

typedef struct limit {
        rein_sem *sem;
        atomic_int inside, most;
} limit;

static int go_in_and_out(member *m)
{
        limit *l = m->object;
        for (int i = 0; i < 300; i++) {
                int rc = rein_sem_acquire(l->sem, 1, REIN_NEVER);
                if (rc < 0)
                        return rc;
                int inside = atomic_fetch_add(&l->inside, 1) + 1, most = l->most;
                while (inside > most && !atomic_compare_exchange_weak(&l->most, &most, inside))
                        ;
                atomic_fetch_sub(&l->inside, 1);
                rein_sem_release(l->sem, 1);
        }
        return 0;
}

static void test_never_more_than_the_limit(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                limit l = {.sem = rein_sem_new(3)};
                member m[8];
                for (int i = 0; i < 8; i++) {
                        m[i] = (member){.call = go_in_and_out, .object = &l, .number = i};
                        member_start(&m[i], crew_of(form, i));
                }
                for (int i = 0; i < 8; i++)
                        assert_int_equal(member_end(&m[i]), 0);
                assert_in_range(l.most, 1, 3);
                assert_int_equal(rein_sem_acquire(l.sem, 3, REIN_NOWAIT), 0);
                rein_sem_free(l.sem);
        }
}

static void test_without_memory_there_is_none(void **state)
{
        (void)state;
        support_poor = true;
        assert_null(rein_sem_new(1));
        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
        support_poor = false;
}

/* ---- does it add up? ---- */

static rein_sem made;
static rn_turn made_turn[2];
static rn_stand made_stand[2];

/* One waits for three units, and one behind it for one. Two are free. */
static void make(void)
{
        made = (rein_sem){.units = 2};
        rn_list_init(&made.line);
        for (int i = 0; i < 2; i++) {
                made_turn[i] = (rn_turn){.task = rn_self()};
                made_stand[i] = (rn_stand){.turn = &made_turn[i], .wants = i ? 1 : 3};
                rn_list_push(&made.line, &made_stand[i].link);
        }
}

static const char *ask(void)
{
        return rn_sem_wrong(&made);
}

static void the_line_is_torn(void)
{
        broken_list(&made_stand[0].link);
}

static void enough_for_the_first(void)
{
        made.units++;
}

static void the_first_has_left_and_the_next_is_not_served(void)
{
        rn_list_remove(&made_stand[0].link);
}

static void waits_for_nothing(void)
{
        made_stand[1].wants = 0;
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {the_line_is_torn, broken_links},
                {enough_for_the_first, "the first in the line of a semaphore waits, and there are units enough"},
                {the_first_has_left_and_the_next_is_not_served,
                 "the first in the line of a semaphore waits, and there are units enough"},
                {waits_for_nothing, "somebody waits for no units at all"},
        };
        broken_each(make, ask, ways, COUNT(ways));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_acquire_release),
                cmocka_unit_test(test_it_counts_as_far_as_a_size_goes),
                cmocka_unit_test(test_units_go_to_the_first_in_line),
                cmocka_unit_test(test_one_that_wants_many_is_not_overtaken),
                cmocka_unit_test(test_when_the_one_that_held_them_up_leaves_the_others_go_on),
                cmocka_unit_test(test_never_more_than_the_limit),
                cmocka_unit_test(test_without_memory_there_is_none),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
        };
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
