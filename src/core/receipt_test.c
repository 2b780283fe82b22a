/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts: which jobs they name, in what order, and what they tell of each. */
#include "support.h"

#include <rein/sim.h>

#include "core/receipt.h"

/* Jobs that the test makes and ends by hand: a custom executor that keeps what it is given. */
enum { MOST = 8 };

typedef struct bench {
        rein_executor *x;
        rein_work *given[MOST];
        size_t count;
        rein_future *f[MOST];
} bench;

static int keep_it(void *self, rein_work *w)
{
        bench *b = self;
        b->given[b->count++] = w;
        return 0;
}

static void post_it(void *self, rein_work *w)
{
        (void)keep_it(self, w);
}

static void bench_begin(bench *b, size_t n)
{
        static const char *const names[MOST] = {"zero", "one", "two", "three", "four", "five", "six", "seven"};
        *b = (bench){.x = NULL};
        const rein_executor_ops ops = {.size = sizeof ops, .accept = keep_it, .post = post_it};
        b->x = rein_executor_new(&ops, b);
        assert_non_null(b->x);
        for (size_t i = 0; i < n; i++)
                b->f[i] = rein_submit(b->x, job_seven, NULL, REIN_JOB(.name = names[i]));
}

static void bench_run(const bench *b, size_t i)
{
        rein_work_run(b->given[i]);
}

static void bench_end(bench *b, size_t n)
{
        for (size_t i = 0; i < n; i++)
                rein_drop(b->f[i]);
        rein_executor_free(b->x);
}

static void add(rein_receipt *r, const bench *b, size_t i)
{
        rn_future_ref(b->f[i]);
        rn_receipt_add(r, (rein_work *)(void *)b->f[i]);
}

static const char *name_at(const rein_receipt *r, size_t i)
{
        rein_straggler s = {.size = sizeof s};
        return rein_receipt_at(r, i, &s) ? s.name : "none"; /* borrowed from the job */
}

static void test_it_is_read_in_any_order(void **state)
{
        (void)state;
        bench b;
        bench_begin(&b, 4);
        rein_receipt *r = rn_receipt_new(0);
        for (size_t i = 0; i < 4; i++)
                add(r, &b, i);
        assert_int_equal(rein_receipt_count(r), 4);
        assert_string_equal(name_at(r, 0), "zero");
        assert_string_equal(name_at(r, 3), "three");
        assert_string_equal(name_at(r, 1), "one");
        assert_string_equal(name_at(r, 2), "two");
        assert_string_equal(name_at(r, 0), "zero");
        assert_string_equal(name_at(r, 4), "none");
        for (size_t i = 0; i < 4; i++)
                bench_run(&b, i);
        rein_receipt_free(r);
        bench_end(&b, 4);
}

/* What ended by itself leaves it; what comes afterwards stands behind what is left. */
static void test_what_ended_by_itself_is_pruned_and_the_next_is_found(void **state)
{
        (void)state;
        bench b;
        bench_begin(&b, 5);
        rein_receipt *r = rn_receipt_new(0);
        for (size_t i = 0; i < 3; i++)
                add(r, &b, i);
        bench_run(&b, 0);
        bench_run(&b, 2);
        rn_receipt_prune(r);
        assert_int_equal(rein_receipt_count(r), 1);
        assert_string_equal(name_at(r, 0), "one");
        add(r, &b, 3);
        assert_int_equal(rein_receipt_count(r), 2);
        assert_string_equal(name_at(r, 1), "three");
        bench_run(&b, 1);
        bench_run(&b, 3);
        rn_receipt_prune(r);
        assert_int_equal(rein_receipt_count(r), 0);
        add(r, &b, 4);
        assert_int_equal(rein_receipt_count(r), 1);
        assert_string_equal(name_at(r, 0), "four");
        bench_run(&b, 4);
        rein_receipt_free(r);
        bench_end(&b, 5);
}

/* Olds: what an earlier stop left behind. They come first; one that is gone leaves; all of them are let go in the end. */
static void test_what_an_earlier_stop_left_comes_first(void **state)
{
        (void)state;
        bench b;
        bench_begin(&b, 4);
        rein_receipt *r = rn_receipt_new(2);
        assert_true(rn_receipt_add_old(r, (rein_work *)(void *)b.f[0]));
        assert_true(rn_receipt_add_old(r, (rein_work *)(void *)b.f[1]));
        assert_false(rn_receipt_add_old(r, (rein_work *)(void *)b.f[2])); /* no room */
        assert_true(rn_receipt_stuck(r));
        add(r, &b, 3);
        assert_string_equal(name_at(r, 0), "zero");
        assert_string_equal(name_at(r, 2), "three");
        bench_run(&b, 0);
        bench_run(&b, 3);
        assert_true(rn_receipt_stuck(r)); /* one of the olds is there */
        rn_receipt_prune(r);
        assert_int_equal(rein_receipt_count(r), 1);
        assert_string_equal(name_at(r, 0), "one");
        bench_run(&b, 1);
        bench_run(&b, 2);
        assert_false(rn_receipt_stuck(r));
        rn_receipt_prune(r);
        assert_int_equal(rein_receipt_count(r), 0);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(rn_load32(&b.f[i]->refs), 2); /* the user's, the receipt's */
        rein_receipt_free(r);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(rn_load32(&b.f[i]->refs), 1);
        bench_end(&b, 4);
}

/* ---- in virtual time, which is exact ---- */

static int waits_to_be_stopped(void *arg)
{
        (void)arg;
        return rein_sleep(REIN_NEVER);
}

static int ages(void *arg)
{
        rein_receipt *r = NULL;
        rein_straggler runs = {.size = sizeof runs}, queued = {.size = sizeof queued};
        (void)arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *first = rein_submit(x, waits_to_be_stopped, NULL, REIN_JOB(.limit_ns = REIN_SEC(2)));
        rein_sim_block(rein_after(REIN_SEC(1)));
        rein_future *second = rein_submit(x, waits_to_be_stopped, NULL, REIN_JOB(.name = "second"));
        rein_future *third = rein_submit(x, job_seven, NULL, REIN_JOB(.name = "third"));
        rein_sim_block(rein_after(REIN_SEC(4))); /* the second began when the first one's limit had passed */
        int rc = rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, &r);
        bool right = rein_receipt_count(r) == 2 && rein_receipt_at(r, 0, &queued) && rein_receipt_at(r, 1, &runs);
        if (right && strcmp(runs.name, "third") == 0) {
                rein_straggler other = runs;
                runs = queued;
                queued = other;
        }
        right = right && runs.age_ns == REIN_SEC(3) && strcmp(runs.stopped_by, "asked") == 0 &&
                strcmp(runs.stuck_in, "rein_sleep") == 0 && queued.age_ns == REIN_SEC(4) &&
                strcmp(queued.stopped_by, "never started") == 0 && queued.stuck_in[0] == 0;
        (void)rein_code(first);
        rein_drop(first);
        rein_drop(second);
        rein_drop(third);
        rein_receipt_free(r);
        rein_executor_free(x);
        return right ? rc : -EPROTO;
}

static void test_the_age_counts_from_the_start_or_else_from_the_submit(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), ages, NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_is_read_in_any_order),
                cmocka_unit_test(test_what_ended_by_itself_is_pruned_and_the_next_is_found),
                cmocka_unit_test(test_what_an_earlier_stop_left_comes_first),
                cmocka_unit_test(test_the_age_counts_from_the_start_or_else_from_the_submit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
