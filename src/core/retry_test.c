/* SPDX-License-Identifier: Apache-2.0 */
/* Retries: how often, how long, what is never retried, and what the caller is told. */
#include "support.h"

#include "crew.h"

typedef struct tries {
        int n, succeed_at, code, told;
        rein_time until;
        rein_scope *scope;
} tries;

static int try_it(void *arg)
{
        tries *t = arg;
        t->n++;
        return t->n == t->succeed_at ? 100 + t->n : rein_fail(t->code, "no luck in %d", t->n);
}

#define QUICK .delay_ns = 1, .delay_max_ns = 1

static void test_a_success_ends_it_and_is_returned(void **state)
{
        (void)state;
        for (int at = 1; at <= 3; at++) {
                tries t = {.succeed_at = at, .code = -EAGAIN};
                assert_int_equal(rein_retry(REIN_RETRY(QUICK), try_it, &t), 100 + at);
                assert_int_equal(t.n, at);
        }
        tries once = {.succeed_at = 1};
        assert_int_equal(rein_retry(NULL, try_it, &once), 101);
}

static void test_the_cause_chain_holds_every_try_newest_first(void **state)
{
        (void)state;
        tries t = {.code = -EAGAIN};
        assert_int_equal(rein_retry(REIN_RETRY(.tries = 5, QUICK), try_it, &t), -EAGAIN);
        assert_int_equal(t.n, 5);
        const rein_error *e = rein_trail();
        for (int i = 5; i >= 1; i--, e = rein_error_cause(e)) {
                char text[32];
                snprintf(text, sizeof text, "no luck in %d", i);
                assert_int_equal(rein_error_code(e), -EAGAIN);
                assert_non_null(strstr(rein_error_text(e), text));
        }
        assert_null(e);
}

static int fail_with_a_cause(void *arg)
{
        tries *t = arg;
        t->n++;
        rein_fail(-ENOENT, "cause %d", t->n);
        return rein_wrap(-EAGAIN, "try %d", t->n);
}

static void test_causes_of_a_try_stand_beside_the_earlier_ones(void **state)
{
        (void)state;
        tries t = {0};
        assert_int_equal(rein_retry(REIN_RETRY(.tries = 3, QUICK), fail_with_a_cause, &t), -EAGAIN);
        char *text = NULL;
        size_t n = 0;
        FILE *to = open_memstream(&text, &n);
        rein_error_print(to, rein_trail());
        fclose(to);
        for (int i = 1; i <= 3; i++) {
                char cause[32], try[32];
                snprintf(cause, sizeof cause, "cause %d", i);
                snprintf(try, sizeof try, "try %d", i);
                assert_non_null(strstr(text, cause));
                assert_non_null(strstr(text, try));
        }
        free(text);
}

static void test_only_what_may_pass_is_tried_again(void **state)
{
        (void)state;
        static const int transient[] = {-EAGAIN,       -EINTR,        -EBUSY,        -ECONNREFUSED, -ECONNRESET,
                                        -ECONNABORTED, -EPIPE,        -ENETDOWN,     -ENETUNREACH,  -EHOSTDOWN,
                                        -EHOSTUNREACH, -ETIMEDOUT,    -ENOBUFS,      -ENFILE,       -EMFILE,
                                        -ENOMEM,       REIN_ETIMEOUT, REIN_EREJECTED};
        static const int final[] = {-EINVAL,         -ENOENT,    -EIO,           REIN_EFAILED,  REIN_EBROKEN,
                                    REIN_EABANDONED, REIN_EUSER, REIN_ECANCELED, REIN_EDEADLOCK};
        for (size_t i = 0; i < COUNT(transient); i++) {
                tries t = {.code = transient[i]};
                assert_int_equal(rein_retry(REIN_RETRY(.tries = 2, QUICK), try_it, &t), transient[i]);
                assert_int_equal(t.n, 2);
        }
        for (size_t i = 0; i < COUNT(final); i++) {
                tries t = {.code = final[i]};
                assert_int_equal(rein_retry(REIN_RETRY(.tries = 2, QUICK), try_it, &t), final[i]);
                assert_int_equal(t.n, 1);
        }
}

static bool ask(int code, const rein_error *e, void *ctx)
{
        tries *t = ctx;
        t->told = code == -EIO && e && strstr(rein_error_text(e), "no luck") ? t->told + 1 : -100;
        return t->n < 4;
}

static void test_again_decides_with_code_error_and_context(void **state)
{
        (void)state;
        tries t = {.code = -EIO};
        assert_int_equal(rein_retry(REIN_RETRY(.tries = 9, QUICK, .again = ask, .ctx = &t), try_it, &t), -EIO);
        assert_int_equal(t.n, 4);
        assert_int_equal(t.told, 4);
}

/* ---- a cancel is never retried ---- */

static int cancel_then_fail(void *arg)
{
        tries *t = arg;
        t->n++;
        rein_scope_cancel(t->scope, "from inside");
        return t->code == REIN_ECANCELED ? rein_sleep(REIN_NEVER) : rein_fail(t->code, "and failed");
}

static bool always(int code, const rein_error *e, void *ctx)
{
        (void)code;
        (void)e;
        (void)ctx;
        return true;
}

static void test_a_cancel_of_the_caller_is_never_retried(void **state)
{
        (void)state;
        static const int codes[] = {REIN_ECANCELED, -EAGAIN};
        for (size_t i = 0; i < COUNT(codes); i++) {
                rein_scope s;
                tries t = {.code = codes[i], .scope = &s};
                rein_scope_open(&s, REIN_NEVER);
                assert_int_equal(rein_retry(REIN_RETRY(.tries = 5, QUICK, .again = always), cancel_then_fail, &t),
                                 REIN_ECANCELED);
                assert_int_equal(t.n, 1);
                assert_int_equal(rein_retry(REIN_RETRY(.tries = 5), try_it, &t), REIN_ECANCELED); /* not begun */
                assert_int_equal(t.n, 1);
                (void)rein_scope_close(&s, 0);
        }
}

typedef struct patient {
        rein_scope scope;
        seat seat;
        atomic_int open;
        tries tries;
        int rc;
} patient;

static void *retry_slowly(void *arg)
{
        patient *p = arg;
        rein_scope_open(&p->scope, REIN_NEVER);
        sit(&p->seat);
        p->rc = rein_retry(REIN_RETRY(.tries = 1000, .delay_ns = REIN_SEC(3600), .delay_max_ns = REIN_SEC(3600)),
                           try_it, &p->tries);
        (void)rein_scope_close(&p->scope, 0);
        return NULL;
}

static void test_a_cancel_ends_a_delay_at_once(void **state)
{
        (void)state;
        patient p = {.tries = {.code = -EAGAIN}};
        pthread_t t = go(retry_slowly, &p);
        EVENTUALLY(sits_in(&p.seat, "rein_sleep"));
        rein_scope_cancel(&p.scope, NULL);
        join(t);
        assert_int_equal(p.rc, REIN_ECANCELED);
}

/* ---- limits ---- */

static int hang(void *arg)
{
        tries *t = arg;
        t->n++;
        return rein_sleep(REIN_NEVER);
}

static void test_each_try_has_its_limit_and_counts_as_a_timeout(void **state)
{
        (void)state;
        tries t = {0};
        assert_int_equal(rein_retry(REIN_RETRY(.tries = 3, QUICK, .each_ns = REIN_MS(1)), hang, &t), REIN_ETIMEOUT);
        assert_int_equal(t.n, 3);
}

static void test_a_delay_that_would_end_too_late_is_not_begun_and_the_last_error_returned(void **state)
{
        (void)state;
        tries t = {.code = -EAGAIN};
        int64_t hour = REIN_SEC(3600);
        int rc = rein_retry(REIN_RETRY(.tries = 1000000, .delay_ns = INT64_MAX / 4, .delay_max_ns = INT64_MAX / 2,
                                       .until = rein_after(hour)),
                            try_it, &t);
        assert_int_equal(rc, -EAGAIN); /* at once: the chance of a delay below an hour is 1 in millions */
        assert_int_equal(t.n, 1);
        t = (tries){.code = -EAGAIN};
        rc = rein_retry(REIN_RETRY(.until = REIN_TIME(1)), try_it, &t); /* no try starts later */
        assert_int_equal(rc, REIN_ETIMEOUT);
        assert_int_equal(t.n, 0);
}

static int fail_then_hang(void *arg)
{
        tries *t = arg;
        return ++t->n == 1 ? rein_fail(-EAGAIN, "the first") : rein_sleep(REIN_NEVER);
}

static void test_the_last_error_is_returned_and_not_the_timeout_of_the_whole(void **state)
{
        (void)state;
        tries t = {0};
        int rc = rein_retry(REIN_RETRY(.tries = 5, QUICK, .until = rein_after(REIN_MS(30))), fail_then_hang, &t);
        assert_int_equal(t.n, 2);
        assert_int_equal(rc, -EAGAIN);
}

static void test_huge_delays_do_not_overflow(void **state)
{
        (void)state;
        rein_scope s;
        tries t = {.code = -EAGAIN};
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        int rc = rein_retry(REIN_RETRY(.tries = INT32_MAX, .delay_ns = INT64_MAX, .delay_max_ns = INT64_MAX), try_it,
                            &t);
        assert_int_equal(rein_scope_close(&s, rc), REIN_ETIMEOUT);
}

/* ---- budgets ---- */

static void test_a_budget_shared_by_callers_ends_a_storm(void **state)
{
        (void)state;
        rein_budget *b = rein_budget_new(10, 1);
        int tried = 0;
        for (int caller = 0; caller < 20; caller++) {
                tries t = {.code = -EAGAIN};
                assert_int_equal(rein_retry(REIN_RETRY(.tries = 3, QUICK, .budget = b), try_it, &t), -EAGAIN);
                tried += t.n;
        }
        assert_true(tried <= 20 + 5); /* 20 first tries, and as many retries as half the budget pays for */
        tries again = {.succeed_at = 2, .code = -EAGAIN};
        assert_int_equal(rein_retry(REIN_RETRY(QUICK, .budget = b), try_it, &again), -EAGAIN);
        for (int i = 0; i < 10; i++) { /* successes fill it up again */
                tries good = {.succeed_at = 1};
                assert_int_equal(rein_retry(REIN_RETRY(.budget = b), try_it, &good), 101);
        }
        again = (tries){.succeed_at = 2, .code = -EAGAIN};
        assert_int_equal(rein_retry(REIN_RETRY(QUICK, .budget = b), try_it, &again), 102);
        rein_budget_free(b);
        assert_null(rein_budget_new(0, 1));
        assert_int_equal(rein_error_code(rein_trail()), -EINVAL);
        assert_null(rein_budget_new(1, -1));
        rein_budget_free(NULL);
}

static void test_nonsense_is_refused_and_nothing_is_tried(void **state)
{
        (void)state;
        tries t = {.code = -EAGAIN};
        assert_int_equal(rein_retry(NULL, NULL, NULL), -EINVAL);
        assert_int_equal(rein_retry(REIN_RETRY(.tries = -1), try_it, &t), -EINVAL);
        assert_int_equal(rein_retry(REIN_RETRY(.delay_ns = -1), try_it, &t), -EINVAL);
        assert_int_equal(rein_retry(REIN_RETRY(.each_ns = -1), try_it, &t), -EINVAL);
        rein_retry_opts no_size = {.tries = 2};
        assert_int_equal(rein_retry(&no_size, try_it, &t), -EINVAL);
        assert_int_equal(t.n, 0);
}

/* ---- in virtual time, which is exact ---- */

typedef struct delays {
        int64_t last, most[6]; /* of the delay before the i-th try */
        int n;
} delays;

static int try_and_measure(void *arg)
{
        delays *d = arg;
        const int64_t now = rein_now().ns;
        if (d->n > 0 && now - d->last > d->most[d->n])
                d->most[d->n] = now - d->last;
        d->last = now;
        d->n++;
        return rein_fail(-EAGAIN, "once more");
}

static int retry_often(void *arg)
{
        delays *d = arg;
        int rc = -EAGAIN;
        for (int i = 0; i < 300 && rc == -EAGAIN; i++) {
                d->n = 0;
                rc = rein_retry(REIN_RETRY(.tries = 6, .delay_ns = REIN_SEC(1), .delay_max_ns = REIN_SEC(5)),
                                try_and_measure, d);
        }
        return rc == -EAGAIN ? 0 : -EPROTO;
}

/* The delay is drawn from nothing to a ceiling, which doubles. Of 300 none is over it, and one is over three quarters. */
static void test_the_ceiling_of_the_delay_doubles_up_to_its_most(void **state)
{
        (void)state;
        delays d = {.n = 0};
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), retry_often, &d), 0);
        static const int64_t ceiling[] = {0, 1, 2, 4, 5, 5};
        for (int i = 1; i < 6; i++) {
                assert_true(d.most[i] <= REIN_SEC(ceiling[i]));
                assert_true(d.most[i] > REIN_SEC(ceiling[i]) * 3 / 4);
        }
}

static void cancel_soon(void *scope)
{
        (void)rein_sleep(rein_after(REIN_MS(1)));
        rein_scope_cancel(scope, "no more");
}

/* What is not given back fails the simulation. */
static int cancelled_in_a_delay(void *arg)
{
        (void)arg;
        rein_scope s;
        crew c = {0};
        hand h;
        tries t = {.code = -EAGAIN};
        rein_scope_open(&s, REIN_NEVER);
        crew_go(&c, &h, "cancels", cancel_soon, &s);
        /* a delay of nothing is as likely as any other: but not sixty in a row */
        int rc = rein_retry(REIN_RETRY(.tries = 60, .delay_ns = REIN_SEC(3600), .delay_max_ns = REIN_SEC(3600)), try_it,
                            &t);
        crew_join(&c);
        (void)rein_scope_close(&s, rc);
        return rc == REIN_ECANCELED ? 0 : -EPROTO;
}

static void test_a_cancel_in_a_delay_lets_go_of_what_failed_before(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), cancelled_in_a_delay, NULL), 0);
}

static void test_a_budget_is_filled_to_its_most_and_empty_at_half(void **state)
{
        (void)state;
        rein_budget *b = rein_budget_new(4, 3);
        tries good = {.succeed_at = 1};
        for (int i = 0; i < 5; i++) {
                good.n = 0;
                assert_int_equal(rein_retry(REIN_RETRY(.budget = b), try_it, &good), 101);
        }
        tries bad = {.code = -EAGAIN};
        assert_int_equal(rein_retry(REIN_RETRY(.tries = 10, .budget = b, QUICK), try_it, &bad), -EAGAIN);
        assert_int_equal(bad.n, 2); /* the second failure brings it down to half */
        rein_budget_free(b);
}

static int sleeps_long(void *arg)
{
        (void)arg;
        return rein_sleep(REIN_NEVER);
}

static int try_longer_than_the_whole(void *arg)
{
        (void)arg;
        const int64_t began = rein_now().ns;
        int rc = rein_retry(REIN_RETRY(.tries = 1, .each_ns = REIN_SEC(10), .until = rein_after(REIN_SEC(1))),
                            sleeps_long, NULL);
        return rc == REIN_ETIMEOUT && rein_now().ns - began == REIN_SEC(1) ? 0 : -EPROTO;
}

static void test_a_try_does_not_outlast_the_whole(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), try_longer_than_the_whole, NULL), 0);
}

static int cancel_itself(void *arg)
{
        tries *t = arg;
        t->n++;
        rein_scope_cancel(t->scope, "no more");
        return rein_checkpoint();
}

static void test_a_cancel_of_the_caller_costs_no_token(void **state)
{
        (void)state;
        rein_budget *b = rein_budget_new(4, 0);
        rein_scope s;
        tries canceled = {.scope = &s};
        rein_scope_open(&s, REIN_NEVER);
        assert_int_equal(rein_retry(REIN_RETRY(.budget = b, QUICK), cancel_itself, &canceled), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ESTOPPED);
        assert_int_equal(canceled.n, 1);
        tries bad = {.code = -EAGAIN};
        assert_int_equal(rein_retry(REIN_RETRY(.tries = 10, .budget = b, QUICK), try_it, &bad), -EAGAIN);
        assert_int_equal(bad.n, 2); /* from four to half of that */
        rein_budget_free(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_success_ends_it_and_is_returned),
                cmocka_unit_test(test_the_cause_chain_holds_every_try_newest_first),
                cmocka_unit_test(test_causes_of_a_try_stand_beside_the_earlier_ones),
                cmocka_unit_test(test_only_what_may_pass_is_tried_again),
                cmocka_unit_test(test_again_decides_with_code_error_and_context),
                cmocka_unit_test(test_a_cancel_of_the_caller_is_never_retried),
                cmocka_unit_test(test_a_cancel_ends_a_delay_at_once),
                cmocka_unit_test(test_each_try_has_its_limit_and_counts_as_a_timeout),
                cmocka_unit_test(test_a_delay_that_would_end_too_late_is_not_begun_and_the_last_error_returned),
                cmocka_unit_test(test_the_last_error_is_returned_and_not_the_timeout_of_the_whole),
                cmocka_unit_test(test_huge_delays_do_not_overflow),
                cmocka_unit_test(test_a_budget_shared_by_callers_ends_a_storm),
                cmocka_unit_test(test_nonsense_is_refused_and_nothing_is_tried),
                cmocka_unit_test(test_the_ceiling_of_the_delay_doubles_up_to_its_most),
                cmocka_unit_test(test_a_cancel_in_a_delay_lets_go_of_what_failed_before),
                cmocka_unit_test(test_a_budget_is_filled_to_its_most_and_empty_at_half),
                cmocka_unit_test(test_a_try_does_not_outlast_the_whole),
                cmocka_unit_test(test_a_cancel_of_the_caller_costs_no_token),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
