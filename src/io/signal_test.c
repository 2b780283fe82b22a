/* SPDX-License-Identifier: Apache-2.0 */
/* A wait for a signal for which there is no descriptor: the signal is looked for all the same, after pauses, so that a loop
 * that goes on after an error has none to pass over. What is counted is how often a descriptor was asked for;
 * in a rein_run its own wait for an interrupt asks too. */
#include <sys/resource.h>

#include "need.h"
#include "refusals.h"

enum { FOR_EVER = 1 << 30, FEW = 64, MANY = 1000 };

/* In a coroutine of each kind of loop, in a job and in a thread. */
static void everywhere(rein_fn fn)
{
        for (int place = 0; place < 4; place++) {
                rein_executor *pool = place == 2 ? rein_pool_new(REIN_POOL(.threads = 1)) : NULL;
                int rc = place < 2 ? rein_run(fn, NULL, REIN_LOOP(.portable = place == 1))
                         : pool    ? rein_on(pool, fn, NULL, REIN_JOB(.on_worker = true))
                                   : fn(NULL);
                end();
                rein_executor_free(pool);
                if (rc < 0)
                        rein_error_print(stderr, rein_trail());
                assert_int_equal(rc, 0);
        }
}

static bool is_blocked(int signo)
{
        sigset_t now;
        pthread_sigmask(SIG_BLOCK, NULL, &now);
        return sigismember(&now, signo) == 1;
}

/* ---- what ends the wait ---- */

static void send_at_the_third(int n)
{
        if (n == 3)
                kill(getpid(), SIGUSR1); /* blocked in every thread: main does so first */
}

static int comes_without(void *arg)
{
        (void)arg;
        begin(FOR_EVER, send_at_the_third);
        const int rc = rein_wait_signal(SIGUSR1, rein_after(REIN_SEC(10)));
        end();
        NEED(rc == SIGUSR1 && attempts < FEW && is_blocked(SIGUSR1));
        NEED(rein_wait_signal(SIGUSR1, REIN_NOWAIT) == REIN_ETIMEOUT); /* it was taken */
        return 0;
}

static void test_a_signal_comes_while_there_is_no_descriptor(void **state)
{
        (void)state;
        everywhere(comes_without);
}

static int finds_one(void *arg)
{
        (void)arg;
        begin(2, send_at_the_third); /* the third attempt is granted */
        const int rc = rein_wait_signal(SIGUSR1, rein_after(REIN_SEC(10)));
        end();
        NEED(rc == SIGUSR1 && refusals == 0);
        return 0;
}

static void test_a_descriptor_is_there_after_a_while(void **state)
{
        (void)state;
        everywhere(finds_one);
}

static int times_out(void *arg)
{
        (void)arg;
        const bool was = is_blocked(SIGUSR2);
        begin(FOR_EVER, NULL);
        NEED(rein_wait_signal(SIGUSR2, REIN_NOWAIT) == REIN_ETIMEOUT && attempts == 1);
        attempts = 0;
        NEED(rein_wait_signal(SIGUSR2, rein_after(REIN_MS(4))) == REIN_ETIMEOUT && attempts < FEW);
        end();
        NEED(is_blocked(SIGUSR2) == was);
        kill(getpid(), SIGUSR1);
        begin(FOR_EVER, NULL);
        NEED(rein_wait_signal(SIGUSR1, REIN_NOWAIT) == SIGUSR1); /* what is there wins */
        end();
        return 0;
}

static void test_the_time_ends_it(void **state)
{
        (void)state;
        everywhere(times_out);
}

static rein_scope *unwanted;

static void cancel_at_the_third(int n)
{
        if (n == 3)
                rein_scope_cancel(unwanted, "not wanted any more");
}

static int is_cancelled(void *arg)
{
        (void)arg;
        rein_scope s;
        const bool was = is_blocked(SIGUSR2);
        rein_scope_open(&s, REIN_NEVER);
        unwanted = &s;
        begin(FOR_EVER, cancel_at_the_third);
        const int rc = rein_wait_signal(SIGUSR2, REIN_NEVER);
        end();
        NEED(rein_scope_close(&s, rc) == REIN_ESTOPPED);
        NEED(rc == REIN_ECANCELED && attempts < FEW && is_blocked(SIGUSR2) == was);
        return 0;
}

static void test_a_cancel_ends_it(void **state)
{
        (void)state;
        everywhere(is_cancelled);
}

/* ---- a process at its limit ---- */

static int rounds, answers;
static bool heard; /* or it has given up */

static int goes_round(void *arg)
{
        (void)arg;
        int rc;
        while ((rc = rein_sleep(REIN_NOWAIT)) == 0)
                rounds++;
        return rc;
}

/* Whatever it answers, it goes on until the signal has come. */
static int hears(void *arg)
{
        (void)arg;
        const rein_time until = rein_after(REIN_SEC(10));
        for (int rc = 0; rc != SIGUSR1 && rc != REIN_ETIMEOUT && answers < MANY; answers++)
                rc = rein_wait_signal(SIGUSR1, until);
        heard = true;
        return 0;
}

static int at_the_limit(void *arg)
{
        (void)arg;
        struct rlimit before;
        rein_group g;
        NEED(getrlimit(RLIMIT_NOFILE, &before) == 0);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_spawn(&g, NULL, goes_round, NULL, NULL);
        rounds = answers = 0;
        heard = false;
        begin(0, NULL); /* it counts */
        const int lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);
        close(lowest);
        NEED(setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)lowest, before.rlim_max}) == 0);
        rein_spawn(&g, NULL, hears, NULL, NULL);
        while (attempts < 3)
                NEED(rein_sleep(REIN_NOWAIT) == 0);
        kill(getpid(), SIGUSR1);
        while (!heard)
                NEED(rein_sleep(REIN_NOWAIT) == 0);
        NEED(setrlimit(RLIMIT_NOFILE, &before) == 0);
        end();
        rein_group_cancel(&g, "enough");
        NEED(rein_group_close(&g, 0) == REIN_ESTOPPED);
        NEED(answers == 1 && rein_wait_signal(SIGUSR1, REIN_NOWAIT) == REIN_ETIMEOUT);
        NEED(rounds > 0 && attempts < FEW);
        return 0;
}

static void test_a_plain_loop_at_the_limit_of_descriptors_does_not_spin(void **state)
{
        (void)state;
        for (int portable = 0; portable < 2; portable++) {
                int rc = rein_run(at_the_limit, NULL, REIN_LOOP(.portable = portable));
                end();
                if (rc < 0)
                        rein_error_print(stderr, rein_trail());
                assert_int_equal(rc, 0);
        }
}

static int mask(int how)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        return pthread_sigmask(how, &set, NULL);
}

static int block(void **state)
{
        (void)state;
        return mask(SIG_BLOCK); /* before there are threads */
}

static int unblock(void **state)
{
        (void)state;
        return mask(SIG_UNBLOCK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_signal_comes_while_there_is_no_descriptor),
                cmocka_unit_test(test_a_descriptor_is_there_after_a_while),
                cmocka_unit_test(test_the_time_ends_it),
                cmocka_unit_test(test_a_cancel_ends_it),
                cmocka_unit_test(test_a_plain_loop_at_the_limit_of_descriptors_does_not_spin),
        };
        rn_choose_by(refuse);
        return cmocka_run_group_tests(tests, block, unblock);
}
