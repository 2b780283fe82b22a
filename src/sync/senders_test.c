/* SPDX-License-Identifier: Apache-2.0 */
/* A channel that closes when the last job that sends to it is gone, however each of them ends: it returns, fails, never
 * starts, is refused, is abandoned. */
#include "members.h"

enum { SENDERS = 5, EACH = 20 };

/* Until the channel says that it is over: how many items, or a code. */
static int drain(rein_chan *c)
{
        int item, rc, n = 0;
        while ((rc = rein_chan_recv(c, &item, rein_after(REIN_SEC(20)))) == 1)
                n++;
        return rc < 0 ? rc : n;
}

/* Is it open, and empty? */
static bool is_open(rein_chan *c)
{
        int item;
        return rein_chan_recv(c, &item, REIN_NOWAIT) == REIN_ETIMEOUT;
}

static int send_some(void *arg)
{
        for (int i = 0; i < EACH; i++) {
                int rc = rein_chan_send(arg, &i, REIN_NEVER);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static void test_it_closes_when_the_last_sender_has_gone(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                rein_group g;
                rein_chan *c = rein_chan_new(sizeof(int), 3, NULL);
                rein_group_open(&g, NULL);
                for (int i = 0; i < SENDERS; i++)
                        rein_spawn(&g, crew_of(form, i), send_some, c, REIN_JOB(.sends = c));
                rein_chan_finish(c);
                assert_int_equal(drain(c), SENDERS * EACH);
                assert_int_equal(rein_group_close(&g, 0), 0);
                rein_chan_free(c);
        }
}

static int send_nothing(void *arg)
{
        (void)arg;
        return 0;
}

/* The first may have gone before the second one is submitted: that is not the end. */
static void test_it_stays_open_until_it_is_finished(void **state)
{
        (void)state;
        rein_chan *c = rein_chan_new(sizeof(int), EACH, NULL);
        for (int i = 0; i < 3; i++) {
                rein_future *f = rein_submit(crew_pool, send_nothing, NULL, REIN_JOB(.sends = c));
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
                rein_drop(f);
                assert_true(is_open(c));
        }
        rein_chan_finish(c);
        rein_chan_finish(c);
        assert_int_equal(drain(c), 0);
        rein_chan_free(c);
        rein_chan_finish(NULL);
        c = rein_chan_new(sizeof(int), 1, NULL);
        rein_chan_finish(c); /* nobody sends */
        assert_int_equal(drain(c), 0);
        assert_int_equal(rein_chan_send(c, &(int){0}, REIN_NOWAIT), -EPIPE);
        rein_chan_free(c);
}

/* A sender starts another one after the finish: it counts, because its starter still does. */
static int send_and_pass_on(void *arg)
{
        rein_drop(rein_submit(crew_loop, send_some, arg, REIN_JOB(.sends = arg)));
        return 0;
}

static void test_a_sender_may_start_others_later(void **state)
{
        (void)state;
        rein_chan *c = rein_chan_new(sizeof(int), 1, NULL);
        gate g = gate_new();
        rein_future *hold = rein_submit(crew_pool, job_pass, &g, REIN_JOB(.sends = c));
        rein_chan_finish(c);
        rein_future *f = rein_submit(crew_pool, send_and_pass_on, c, REIN_JOB(.sends = c));
        gate_open(&g);
        assert_int_equal(drain(c), EACH);
        rein_drop(hold);
        rein_drop(f);
        rein_chan_free(c);
        gate_free(&g);
}

static int fail_early(void *arg)
{
        (void)arg;
        return rein_fail(-EIO, "before it has sent anything");
}

static void test_a_sender_that_fails_is_gone_too(void **state)
{
        (void)state;
        rein_chan *c = rein_chan_new(sizeof(int), 1, NULL);
        rein_future *f = rein_submit(crew_pool, fail_early, NULL, REIN_JOB(.sends = c));
        rein_chan_finish(c);
        assert_int_equal(drain(c), 0);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        rein_drop(f);
        rein_chan_free(c);
}

static void test_a_sender_that_never_starts_is_gone_too(void **state)
{
        (void)state;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = REIN_FULL_REJECT));
        rein_chan *c = rein_chan_new(sizeof(int), 1, NULL);
        gate g = gate_new();
        seat s = {NULL};
        rein_future *busy = rein_submit(pool, job_sleep, &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_future *queued = rein_submit(pool, send_some, c, REIN_JOB(.sends = c));
        rein_future *full = rein_submit(pool, send_some, c, REIN_JOB(.sends = c));
        rein_future *wrong = rein_submit(pool, send_some, c, REIN_JOB(.sends = c, .limit_ns = -1));
        assert_int_equal(rein_code(full), REIN_EREJECTED);
        assert_int_equal(rein_code(wrong), -EINVAL);
        rein_chan_finish(c);
        assert_true(is_open(c)); /* one is still queued */
        assert_int_equal(rein_cancel(queued, "not needed"), REIN_NEVER_STARTED);
        assert_int_equal(drain(c), 0);
        rein_cancel(busy, "the test is over");
        rein_drop(busy);
        rein_drop(queued);
        rein_drop(full);
        rein_drop(wrong);
        rein_executor_free(pool);
        rein_chan_free(c);
        gate_free(&g);
}

static void test_without_memory_for_the_job_it_does_not_count(void **state)
{
        (void)state;
        rein_chan *c = rein_chan_new(sizeof(int), 1, NULL);
        support_poor = true;
        rein_future *f = rein_submit(crew_pool, send_nothing, &(int){1}, REIN_JOB(.arg_size = sizeof(int), .sends = c));
        support_poor = false;
        assert_int_equal(rein_code(f), -ENOMEM);
        rein_drop(f);
        rein_chan_finish(c);
        assert_int_equal(drain(c), 0);
        rein_chan_free(c);
}

/* It hangs in foreign code and is given up: the receivers do not wait for it, and what it sends later is refused. */
typedef struct hung {
        stubborn *in;
        rein_chan *to;
        atomic_int *sent;
} hung;

static int hang_and_send(void *arg)
{
        hung *h = arg;
        stubborn_stay(h->in);
        atomic_store(h->sent, 1);
        return 0;
}

static void test_a_sender_that_was_abandoned_is_gone_for_the_channel(void **state)
{
        (void)state;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1), .replace_abandoned = 1));
        rein_chan *c = rein_chan_new(sizeof(int), 1, NULL);
        stubborn in;
        atomic_int sent = 0;
        stubborn_init(&in);
        rein_future *f = rein_submit(pool, hang_and_send,
                                     REIN_COPY(((hung){&in, c, &sent}), .sends = c, .unheeded = REIN_ABANDON_IT));
        EVENTUALLY(atomic_load(&in.inside) == 1);
        rein_chan_finish(c);
        assert_true(is_open(c));
        rein_cancel(f, "it hangs");
        assert_int_equal(drain(c), 0);
        rein_wait_all(&f, 1, REIN_NEVER);
        assert_int_equal(rein_code(f), REIN_EABANDONED);
        rein_chan_free(c);
        stubborn_let_go(&in, 1);
        EVENTUALLY(atomic_load(&sent) == 1);
        rein_drop(f);
        rein_executor_free(pool);
}

/* ---- a free while a job still sends ---- */

static int free_program(void)
{
        int bad = 0;
        crew_open(NULL);
        rein_chan *c = rein_chan_new(sizeof(int), 1, NULL);
        gate g = gate_new();
        rein_future *f[2];
        for (int i = 0; i < 2; i++)
                f[i] = rein_submit(crew_pool, job_pass, &g, REIN_JOB(.sends = c));
        rein_chan_free(c);
        bad += rein_error_code(rein_trail()) != -EBUSY;
        gate_open(&g);
        for (int i = 0; i < 2; i++) {
                bad += rein_await(f[i], NULL, REIN_NEVER) != 0;
                rein_drop(f[i]);
        }
        rein_chan_free(c);
        gate_free(&g);
        crew_close(NULL);
        return bad;
}

static void test_a_free_while_jobs_send_is_refused_and_told(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("free", said, sizeof said), 0);
        assert_string_equal(said, "rein: rein_chan_free: it is not freed: jobs that send to it are not gone: 2\n");
}

int main(int argc, char **argv)
{
        static const program programs[] = {{"free", free_program}};
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_closes_when_the_last_sender_has_gone),
                cmocka_unit_test(test_it_stays_open_until_it_is_finished),
                cmocka_unit_test(test_a_sender_may_start_others_later),
                cmocka_unit_test(test_a_sender_that_fails_is_gone_too),
                cmocka_unit_test(test_a_sender_that_never_starts_is_gone_too),
                cmocka_unit_test(test_without_memory_for_the_job_it_does_not_count),
                cmocka_unit_test(test_a_sender_that_was_abandoned_is_gone_for_the_channel),
                cmocka_unit_test(test_a_free_while_jobs_send_is_refused_and_told),
        };
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
