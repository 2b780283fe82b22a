/* SPDX-License-Identifier: Apache-2.0 */
/* The trail, the tree of an error, its printing, the names of codes, and what nobody looked at. */
#include "support.h"

#include "core/error.h"

static void test_fail_begins_anew_and_wrap_puts_a_line_on_top(void **state)
{
        (void)state;
        assert_int_equal(rein_fail(-ENOENT, "no page %d", 7), -ENOENT);
        assert_int_equal(rein_wrap(REIN_EUSER, "cannot render"), REIN_EUSER);
        const rein_error *e = rein_trail();
        assert_int_equal(rein_error_code(e), REIN_EUSER);
        assert_string_equal(rein_error_text(e), "cannot render");
        assert_non_null(strstr(rein_error_where(e), "error_test.c:"));
        e = rein_error_cause(e);
        assert_string_equal(rein_error_text(e), "no page 7");
        assert_null(rein_error_cause(e));
        rein_fail(-EIO, "another story");
        assert_null(rein_error_cause(rein_trail()));
        rein_fail(-EIO, "it said: %s", rein_error_text(rein_trail())); /* from the very trail that gives way */
        assert_string_equal(rein_error_text(rein_trail()), "it said: another story");
}

static void test_null_errors_are_answered(void **state)
{
        (void)state;
        assert_int_equal(rein_error_code(NULL), 0);
        assert_string_equal(rein_error_text(NULL), "");
        assert_string_equal(rein_error_where(NULL), "");
        assert_null(rein_error_cause(NULL));
        assert_null(rein_error_next(NULL));
        assert_false(rein_error_is(NULL, -EIO));
        rein_error_print(stderr, NULL);
}

static rein_error *make(int code, rein_error *cause, rein_error *next, const char *text)
{
        return rn_error_make(NULL, code, "here", cause, next, "%s", text);
}

static void test_is_looks_at_causes_and_at_fellows_of_causes(void **state)
{
        (void)state;
        rein_error *e =
                make(-1, make(-2, make(-3, NULL, NULL, "c"), make(-4, make(-5, NULL, NULL, "e"), NULL, "d"), "b"), NULL,
                     "a");
        for (int code = -5; code <= -1; code++)
                assert_true(rein_error_is(e, code));
        assert_false(rein_error_is(e, -6));
        assert_false(rein_error_is(e, 0));
        rn_error_unref(e);
}

static void test_print_shows_the_tree_and_escapes_control_characters(void **state)
{
        (void)state;
        rein_error *e =
                make(REIN_EFAILED, make(-EIO, NULL, make(REIN_EUSER - 3, NULL, NULL, "two"), "one\n\x1b[31m\x7f\x1f "),
                     NULL, "top");
        char *text = NULL;
        size_t n = 0;
        FILE *to = open_memstream(&text, &n);
        rein_error_print(to, e);
        fclose(to);
        assert_non_null(strstr(text, "REIN_EFAILED: top"));
        assert_non_null(strstr(text, "because EIO: one\\x0a\\x1b[31m\\x7f\\x1f "));
        assert_non_null(strstr(text, "and user code -21003: two"));
        assert_null(strchr(text, '\x1b'));
        free(text);
        rn_error_unref(e);
}

static void test_names_of_codes(void **state)
{
        (void)state;
        assert_string_equal(rein_code_name(0), "success");
        assert_string_equal(rein_code_name(17), "success");
        assert_string_equal(rein_code_name(-EINVAL), "EINVAL");
        assert_string_equal(rein_code_name(REIN_ETIMEOUT), "REIN_ETIMEOUT");
        assert_string_equal(rein_code_name(REIN_EALREADY), "REIN_EALREADY");
        assert_string_equal(rein_code_name(REIN_EUSER), "user code -21000");
        assert_string_equal(rein_code_name(-19999), "unknown code -19999");
        assert_string_equal(rein_code_name(INT32_MIN), "user code -2147483648");
}

/* ---- shared, immutable ---- */

typedef struct reader {
        rein_future *f;
        int same;
} reader;

static void *read_many_times(void *arg)
{
        reader *r = arg;
        for (int i = 0; i < 200; i++) {
                if (rein_await(r->f, NULL, REIN_NEVER) != REIN_EFAILED)
                        return NULL;
                r->same += rein_error_cause(rein_trail()) == rein_error_of(r->f);
                rein_wrap(REIN_EUSER, "mine");
        }
        return NULL;
}

static void test_twenty_awaiters_of_one_failure_share_it(void **state)
{
        (void)state;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_promise_break(p, -EIO, "for all of you");
        rein_promise_drop(p);
        reader r[8];
        pthread_t t[8];
        for (int i = 0; i < 8; i++) {
                r[i] = (reader){f, 0};
                t[i] = go(read_many_times, &r[i]);
        }
        for (int i = 0; i < 8; i++) {
                join(t[i]);
                assert_int_equal(r[i].same, 200);
        }
        rein_drop(f);
}

static int fail_deep(void *arg)
{
        (void)arg;
        for (int i = 0; i < 50000; i++)
                rein_wrap(-EIO, "level %d", i);
        return -EIO;
}

static void test_a_very_long_chain_is_let_go_without_recursion(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .stack_size = 256 * 1024));
        rein_future *f = rein_submit(x, fail_deep, NULL, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        rein_drop(f);
        rein_fail(0, "let it go here");
        rein_executor_free(x);
}

static int another_code(void *arg)
{
        (void)arg;
        rein_fail(-ENOENT, "a story of something else");
        return -EIO;
}

static void test_a_stale_trail_is_never_told_with_another_code(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, another_code, NULL, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_code(f), -EIO);
        assert_null(strstr(rein_error_text(rein_error_of(f)), "something else"));
        rein_drop(f);
        rein_executor_free(x);
}

/* ---- without memory ---- */

static void test_the_story_is_told_without_memory_too(void **state)
{
        (void)state;
        rein_fail(0, "the task is there");
        support_poor = true;
        for (int i = 0; i < 10; i++) {
                assert_int_equal(rein_fail(-ENOENT, "poor %d", i), -ENOENT);
                assert_int_equal(rein_error_code(rein_trail()), -ENOENT);
                assert_non_null(strstr(rein_error_text(rein_trail()), "poor"));
                assert_int_equal(rein_wrap(-EIO, "wrapped"), -EIO);
                assert_int_equal(rein_error_code(rein_trail()), -EIO);
        }
        support_poor = false;
        assert_int_equal(rein_wrap(REIN_EUSER, "rich again"), REIN_EUSER);
        assert_true(rein_error_is(rein_trail(), -EIO));
        rein_fail(-EIO, "done");
        assert_null(rein_error_cause(rein_trail()));
}

/* ---- P9 ---- */

/* Jobs that run inside of each other, each with a story of its own. */
typedef struct nested {
        rein_executor *x;
        struct nested *inner;
        int number, inner_rc;
} nested;

static int tell_nested(void *arg)
{
        nested *n = arg;
        char text[16];
        support_poor = true;
        rein_wrap(rein_fail(-EIO, "before"), "story %d", n->number);
        support_poor = false;
        if (n->inner)
                n->inner_rc = rein_on(n->x, tell_nested, n->inner, NULL); /* its one thread is this one */
        snprintf(text, sizeof text, "story %d", n->number);
        return strcmp(rein_error_text(rein_trail()), text) == 0 ? 0 : REIN_EUSER - n->number;
}

static void test_a_job_inside_another_leaves_its_story_alone(void **state)
{
        (void)state;
        nested n[3] = {{.number = 0, .inner = &n[1]}, {.number = 1, .inner = &n[2]}, {.number = 2}};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        for (int i = 0; i < 3; i++)
                n[i].x = x;
        rein_future *f = rein_submit(x, tell_nested, n, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        for (int i = 0; i < 2; i++)
                assert_int_equal(n[i].inner_rc, 0);
        rein_drop(f);
        rein_executor_free(x);
}

static void p9_the_default_prints_to_stderr(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("unseen", said, sizeof said), 0);
        assert_non_null(strstr(said, "nobody looked at this failure"));
        assert_non_null(strstr(said, "EIO: the disk is on fire"));
        assert_non_null(strstr(said, "forgotten"));
}

static int unseen_program(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_drop(rein_submit(x, job_fail, NULL, REIN_JOB(.name = "forgotten")));
        int rc = rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        rein_executor_free(x);
        return -rc;
}

static void p9_every_failure_is_told_exactly_once_or_looked_at(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 3));
        enum { N = 300 };
        rein_future *f[N];
        for (int i = 0; i < N; i++)
                f[i] = rein_submit(x, job_fail, NULL, NULL);
        for (int i = 0; i < N; i++) {
                if (i % 3 == 0)
                        (void)rein_await(f[i], NULL, REIN_NEVER);
                rein_drop(f[i]);
        }
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        rein_executor_free(x);
        EVENTUALLY(u.count == N - N / 3);
        rein_on_unseen(NULL, NULL);
}

/* What is because of a failure for which there was no memory keeps that one's story: the reserve tells another one soon. */
static void test_a_cause_from_the_reserve_is_copied(void **state)
{
        (void)state;
        rein_fail(0, "the task is there");
        support_poor = true;
        rein_fail(-EIO, "the first story");
        support_poor = false;
        rein_wrap(-EAGAIN, "because of it");
        rein_error *kept = rn_trail_take(rn_self(), -EAGAIN);
        assert_string_equal(rein_error_text(rein_error_cause(kept)), "the first story");
        support_poor = true;
        rein_fail(-EPERM, "the second story");
        support_poor = false;
        assert_string_equal(rein_error_text(rein_error_cause(kept)), "the first story");
        assert_int_equal(rein_error_code(rein_error_cause(kept)), -EIO);
        rn_error_unref(kept);
}

static void test_an_error_lets_its_cause_and_its_fellows_go(void **state)
{
        (void)state;
        rein_error *cause = make(-1, NULL, NULL, "cause"), *next = make(-2, NULL, NULL, "next");
        rein_error *e = make(-3, rn_error_ref(cause), rn_error_ref(next), "both");
        rein_error *other = rn_error_with_next(e, NULL);
        assert_int_equal(rn_load32(&cause->refs), 3);
        rn_error_unref(rn_error_ref(e));
        assert_int_equal(rn_load32(&next->refs), 2);
        rn_error_unref(e);
        assert_int_equal(rn_load32(&next->refs), 1);
        assert_int_equal(rn_load32(&cause->refs), 2);
        rn_error_unref(other);
        assert_int_equal(rn_load32(&cause->refs), 1);
        rn_error_unref(cause);
        rn_error_unref(next);
}

int main(int argc, char **argv)
{
        static const program programs[] = {{"unseen", unseen_program}};
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fail_begins_anew_and_wrap_puts_a_line_on_top),
                cmocka_unit_test(test_null_errors_are_answered),
                cmocka_unit_test(test_is_looks_at_causes_and_at_fellows_of_causes),
                cmocka_unit_test(test_print_shows_the_tree_and_escapes_control_characters),
                cmocka_unit_test(test_names_of_codes),
                cmocka_unit_test(test_twenty_awaiters_of_one_failure_share_it),
                cmocka_unit_test(test_a_very_long_chain_is_let_go_without_recursion),
                cmocka_unit_test(test_a_stale_trail_is_never_told_with_another_code),
                cmocka_unit_test(test_the_story_is_told_without_memory_too),
                cmocka_unit_test(test_a_job_inside_another_leaves_its_story_alone),
                cmocka_unit_test(p9_the_default_prints_to_stderr),
                cmocka_unit_test(p9_every_failure_is_told_exactly_once_or_looked_at),
                cmocka_unit_test(test_a_cause_from_the_reserve_is_copied),
                cmocka_unit_test(test_an_error_lets_its_cause_and_its_fellows_go),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
