/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate.h"

static pthread_mutex_t lock;
static pthread_cond_t cond;
static int tokens, taken;

static void begin(const pthread_condattr_t *attr)
{
        tokens = taken = 0;
        CHECK(pthread_mutex_init(&lock, NULL) == 0);
        CHECK(pthread_cond_init(&cond, attr) == 0);
}

static int end(int rc)
{
        CHECK(pthread_cond_destroy(&cond) == 0);
        CHECK(pthread_mutex_destroy(&lock) == 0);
        return rc;
}

/* ---- signals and broadcasts ---- */

static void *take_while(void *arg)
{
        (void)arg;
        pthread_mutex_lock(&lock);
        while (tokens == 0)
                pthread_cond_wait(&cond, &lock);
        tokens--;
        taken++;
        pthread_mutex_unlock(&lock);
        return NULL;
}

static void *take_if(void *arg)
{
        (void)arg;
        pthread_mutex_lock(&lock);
        if (tokens == 0)
                pthread_cond_wait(&cond, &lock);
        CHECK(tokens > 0);
        tokens--;
        taken++;
        pthread_mutex_unlock(&lock);
        return NULL;
}

static void put(int n, int (*wake)(pthread_cond_t *))
{
        pthread_mutex_lock(&lock);
        tokens += n;
        wake(&cond);
        pthread_mutex_unlock(&lock);
}

static int three_take(void *(*take)(void *))
{
        pthread_t t[3];
        begin(NULL);
        for (int i = 0; i < 3; i++)
                t[i] = start_thread(take, NULL);
        put(1, pthread_cond_signal);
        put(2, pthread_cond_broadcast);
        for (int i = 0; i < 3; i++)
                join_thread(t[i]);
        CHECK(taken == 3 && tokens == 0);
        return end(0);
}

static int right(void *arg)
{
        (void)arg;
        return three_take(take_while);
}

static int wrong(void *arg)
{
        (void)arg;
        return three_take(take_if);
}

static void waiters_get_what_was_signalled(void **state)
{
        (void)state;
        program_passes(right);
}

static void if_instead_of_while_is_found(void **state)
{
        (void)state;
        program_is_found(wrong, NULL, REIN_SIM_FAILED, "check failed: tokens > 0");
}

/* ---- the waiter that is woken ---- */

static int line[3], stood, went, the_longest, another;

static void *stand_in_line(void *arg)
{
        const int me = *(int *)arg;
        pthread_mutex_lock(&lock);
        line[stood++] = me;
        pthread_cond_wait(&cond, &lock);
        if (went++ == 0) {
                the_longest += me == line[0];
                another += me != line[0];
        }
        pthread_mutex_unlock(&lock);
        return NULL;
}

static int one_of_three(void *arg)
{
        int number[3] = {0, 1, 2};
        pthread_t t[3];
        (void)arg;
        begin(NULL);
        stood = went = 0;
        for (int i = 0; i < 3; i++)
                t[i] = start_thread(stand_in_line, &number[i]);
        rein_sleep(rein_after(1)); /* all of them stand there by then */
        pthread_mutex_lock(&lock);
        CHECK(stood == 3);
        pthread_cond_signal(&cond);
        pthread_mutex_unlock(&lock);
        rein_sleep(rein_after(1));
        CHECK(went == 1);
        pthread_cond_broadcast(&cond);
        for (int i = 0; i < 3; i++)
                join_thread(t[i]);
        return end(0);
}

static void a_signal_wakes_any_one_of_those_who_wait(void **state)
{
        (void)state;
        generator = REIN_SIM_RANDOM;
        assert_int_equal(program_explore(one_of_three, NULL, 0), 0);
        generator = REIN_SIM_MIXED;
        assert_true(the_longest > 0 && another > 0);
}

static int for_nothing;

static int waits_for_nobody(void *arg)
{
        struct timespec at = from_now(CLOCK_REALTIME, 1000);
        (void)arg;
        begin(NULL);
        pthread_mutex_lock(&lock);
        for_nothing += pthread_cond_timedwait(&cond, &lock, &at) == 0;
        pthread_mutex_unlock(&lock);
        return end(0);
}

static void a_wait_ends_for_no_reason_when_asked_for(void **state)
{
        (void)state;
        assert_int_equal(program_explore(waits_for_nobody, NULL, 0), 0);
        assert_int_equal(for_nothing, 0);
        assert_int_equal(program_explore(waits_for_nobody, NULL, REIN_SIM_SPURIOUS), 0);
        assert_true(for_nothing > 0);
}

/* ---- lost wake-ups ---- */

static void *wait_without_asking(void *arg)
{
        (void)arg;
        pthread_mutex_lock(&lock);
        pthread_cond_wait(&cond, &lock);
        pthread_mutex_unlock(&lock);
        return NULL;
}

static int lost(void *arg)
{
        (void)arg;
        begin(NULL);
        pthread_t t = start_thread(wait_without_asking, NULL);
        pthread_cond_signal(&cond);
        join_thread(t);
        return end(0);
}

static void a_lost_wake_up_is_found(void **state)
{
        (void)state;
        program_is_found(lost, NULL, REIN_SIM_DEADLOCK,
                         "waits for condition #1, which was signalled before (1) when nobody waited");
}

static int waits_without_the_mutex(void *arg)
{
        (void)arg;
        begin(NULL);
        return pthread_cond_wait(&cond, &lock);
}

static int destroys_under_a_waiter(void *arg)
{
        (void)arg;
        begin(NULL);
        start_thread(wait_without_asking, NULL);
        rein_sleep(rein_after(REIN_MS(1)));
        return end(0);
}

static void mistakes_are_named(void **state)
{
        (void)state;
        program_is_found(waits_without_the_mutex, NULL, REIN_SIM_MISUSE, "waits for condition #1 without mutex #1");
        program_is_found(destroys_under_a_waiter, NULL, REIN_SIM_MISUSE,
                         "destroys condition #1, for which 'thread#1' waits");
}

/* ---- time ---- */

static int time_out(void *arg)
{
        pthread_condattr_t attr;
        (void)arg;
        CHECK(pthread_condattr_init(&attr) == 0);
        for (int i = 0; i < 3; i++) {
                clockid_t clock = i == 1 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
                CHECK(pthread_condattr_setclock(&attr, clock) == 0);
                begin(&attr);
                struct timespec at = from_now(clock, 30), later = from_now(CLOCK_MONOTONIC, 60);
                int rc;
                pthread_mutex_lock(&lock);
                while ((rc = i < 2 ? pthread_cond_timedwait(&cond, &lock, &at)
                                   : pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &later)) == 0)
                        ; /* it may wake for no reason */
                CHECK(rc == ETIMEDOUT);
                CHECK(pthread_cond_timedwait(&cond, &lock, &(struct timespec){.tv_nsec = 1000000000}) == EINVAL);
                CHECK(pthread_mutex_unlock(&lock) == 0);
                end(0);
        }
        return 0;
}

static void waits_time_out_by_their_clock(void **state)
{
        (void)state;
        program_passes(time_out);
}

static int a_year(void *arg)
{
        struct timespec at = from_now(CLOCK_REALTIME, 0);
        rein_time began = rein_now();
        (void)arg;
        at.tv_sec += 365 * 86400;
        begin(NULL);
        pthread_mutex_lock(&lock);
        CHECK(pthread_cond_timedwait(&cond, &lock, &at) == ETIMEDOUT);
        CHECK(rein_now().ns - began.ns == REIN_SEC(365 * 86400));
        pthread_mutex_unlock(&lock);
        return end(0);
}

/* 300 years of virtual time: this test would not end if any of it were real. */
static void a_year_passes_in_no_time(void **state)
{
        (void)state;
        assert_int_equal(program_explore(a_year, NULL, 0), 0);
}

/* ---- made outside ---- */

static pthread_mutex_t still = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t monotonic;

static int uses_one_from_outside(void *arg)
{
        struct timespec at = from_now(CLOCK_MONOTONIC, 1000);
        rein_time began = rein_now();
        (void)arg;
        pthread_mutex_lock(&still);
        CHECK(pthread_cond_timedwait(&monotonic, &still, &at) == ETIMEDOUT);
        CHECK(rein_now().ns - began.ns == REIN_SEC(1));
        pthread_mutex_unlock(&still);
        return 0;
}

static void one_made_outside_keeps_its_clock(void **state)
{
        pthread_condattr_t attr;
        (void)state;
        assert_int_equal(pthread_condattr_init(&attr), 0);
        assert_int_equal(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), 0);
        assert_int_equal(pthread_cond_init(&monotonic, &attr), 0);
        assert_int_equal(program_explore(uses_one_from_outside, NULL, 0), 0);
        assert_int_equal(pthread_cond_destroy(&monotonic), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_signal_wakes_any_one_of_those_who_wait),
                cmocka_unit_test(a_wait_ends_for_no_reason_when_asked_for),
                cmocka_unit_test(waiters_get_what_was_signalled),
                cmocka_unit_test(if_instead_of_while_is_found),
                cmocka_unit_test(a_lost_wake_up_is_found),
                cmocka_unit_test(mistakes_are_named),
                cmocka_unit_test(waits_time_out_by_their_clock),
                cmocka_unit_test(a_year_passes_in_no_time),
                cmocka_unit_test(one_made_outside_keeps_its_clock),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
