/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate.h"

/* ---- two threads, one counter ---- */

static pthread_mutex_t lock;
static pthread_spinlock_t spin;
static int counter;

static void *count(void *locks)
{
        for (int i = 0; i < 3; i++) {
                if (locks)
                        pthread_mutex_lock(&lock);
                int had = counter;
                rein_sim_point("between");
                counter = had + 1;
                if (locks)
                        pthread_mutex_unlock(&lock);
        }
        return NULL;
}

static int two_count(void *none)
{
        counter = 0;
        CHECK(pthread_mutex_init(&lock, NULL) == 0);
        pthread_t a = start_thread(count, none ? NULL : &lock), b = start_thread(count, none ? NULL : &lock);
        join_thread(a);
        join_thread(b);
        CHECK(pthread_mutex_destroy(&lock) == 0);
        return counter == 6 ? 0 : rein_fail(REIN_EUSER, "counted to %d", counter);
}

static void a_mutex_excludes(void **state)
{
        (void)state;
        program_passes(two_count);
}

static void without_it_a_count_is_lost(void **state)
{
        (void)state;
        program_is_found(two_count, &counter, REIN_SIM_FAILED, "counted to ");
}

static void *spin_count(void *arg)
{
        (void)arg;
        pthread_spin_lock(&spin);
        int had = counter;
        rein_sim_point("between");
        counter = had + 1;
        CHECK(pthread_spin_unlock(&spin) == 0);
        return NULL;
}

static int two_spin(void *arg)
{
        (void)arg;
        counter = 0;
        CHECK(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE) == 0);
        pthread_t a = start_thread(spin_count, NULL), b = start_thread(spin_count, NULL);
        join_thread(a);
        join_thread(b);
        CHECK(pthread_spin_trylock(&spin) == 0);
        CHECK(pthread_spin_trylock(&spin) == EBUSY);
        CHECK(pthread_spin_unlock(&spin) == 0);
        CHECK(pthread_spin_destroy(&spin) == 0);
        CHECK(counter == 2);
        return 0;
}

static void a_spin_lock_excludes(void **state)
{
        (void)state;
        program_passes(two_spin);
}

/* ---- types ---- */

static void *try_it(void *arg)
{
        struct timespec soon = from_now(CLOCK_REALTIME, 20), mono = from_now(CLOCK_MONOTONIC, 20);
        CHECK(pthread_mutex_trylock(arg) == EBUSY);
        CHECK(pthread_mutex_timedlock(arg, &soon) == ETIMEDOUT);
        CHECK(pthread_mutex_clocklock(arg, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
        CHECK(pthread_mutex_clocklock(arg, CLOCK_MONOTONIC, &(struct timespec){.tv_nsec = -1}) == EINVAL);
        return NULL;
}

static int types(void *arg)
{
        static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
        pthread_mutex_t checking;
        pthread_mutexattr_t attr;
        (void)arg;
        CHECK(pthread_mutex_lock(&recursive) == 0);
        CHECK(pthread_mutex_lock(&recursive) == 0);
        CHECK(pthread_mutex_trylock(&recursive) == 0);
        CHECK(pthread_mutex_unlock(&recursive) == 0);
        CHECK(pthread_mutex_unlock(&recursive) == 0);
        join_thread(start_thread(try_it, &recursive)); /* held once still */
        CHECK(pthread_mutex_unlock(&recursive) == 0);
        CHECK(pthread_mutex_unlock(&recursive) == EPERM);

        CHECK(pthread_mutexattr_init(&attr) == 0);
        CHECK(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK) == 0);
        CHECK(pthread_mutex_init(&checking, &attr) == 0);
        CHECK(pthread_mutex_lock(&checking) == 0);
        CHECK(pthread_mutex_lock(&checking) == EDEADLK);
        CHECK(pthread_mutex_trylock(&checking) == EBUSY);
        CHECK(pthread_mutex_destroy(&checking) == EBUSY);
        CHECK(pthread_mutex_unlock(&checking) == 0);
        CHECK(pthread_mutex_unlock(&checking) == EPERM);
        CHECK(pthread_mutex_destroy(&checking) == 0);
        return 0;
}

static void recursive_and_checking_ones_know_their_owner(void **state)
{
        (void)state;
        program_passes(types);
}

/* ---- mistakes ---- */

static int locks_twice(void *arg)
{
        pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
        (void)arg;
        pthread_mutex_lock(&m);
        return pthread_mutex_lock(&m);
}

static int sleeps_with_the_lock(void *arg)
{
        int rc = pthread_mutex_lock(arg);
        if (rc == 0)
                rc = rein_sleep(rein_after(REIN_MS(1)));
        pthread_mutex_unlock(arg);
        return rc;
}

static int two_coroutines(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, sleeps_with_the_lock, arg, REIN_JOB(.name = "first"));
        rein_spawn(&g, NULL, sleeps_with_the_lock, arg, REIN_JOB(.name = "second"));
        return rein_group_close(&g, 0);
}

/* They are one thread, which holds it already. */
static int coroutines_with_a_mutex(void *arg)
{
        pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
        (void)arg;
        return rein_run(two_coroutines, &m, NULL);
}

static int unlocks_a_strangers(void *arg)
{
        pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
        (void)arg;
        return pthread_mutex_unlock(&m);
}

static int locks_a_destroyed_one(void *arg)
{
        pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
        (void)arg;
        pthread_mutex_destroy(&m);
        return pthread_mutex_lock(&m);
}

static void mistakes_are_named(void **state)
{
        (void)state;
        program_is_found(locks_twice, NULL, REIN_SIM_DEADLOCK, "'main' locks mutex #1, which it holds already");
        program_is_found(coroutines_with_a_mutex, NULL, REIN_SIM_DEADLOCK,
                         "job 'second' on 'main', locks mutex #1, which it holds already");
        program_is_found(coroutines_with_a_mutex, NULL, REIN_SIM_DEADLOCK,
                         "job 'first' on 'main', a coroutine of 'main', is in");
        program_is_found(unlocks_a_strangers, NULL, REIN_SIM_MISUSE, "'main' unlocks mutex #1, which nobody holds");
        program_is_found(locks_a_destroyed_one, NULL, REIN_SIM_MISUSE, "'main' uses mutex #1, which was destroyed");
}

static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER, right = PTHREAD_MUTEX_INITIALIZER;

static void *left_then_right(void *arg)
{
        (void)arg;
        pthread_mutex_lock(&left);
        pthread_mutex_lock(&right);
        pthread_mutex_unlock(&right);
        pthread_mutex_unlock(&left);
        return NULL;
}

static void *right_then_left(void *arg)
{
        (void)arg;
        pthread_mutex_lock(&right);
        pthread_mutex_lock(&left);
        pthread_mutex_unlock(&left);
        pthread_mutex_unlock(&right);
        return NULL;
}

static int philosophers(void *second)
{
        pthread_t a = start_thread(left_then_right, NULL),
                  b = start_thread(second ? right_then_left : left_then_right, NULL);
        join_thread(a);
        join_thread(b);
        return 0;
}

static void two_orders_are_a_deadlock(void **state)
{
        (void)state;
        program_passes(philosophers);
        program_is_found(philosophers, &left, REIN_SIM_DEADLOCK, "waits for mutex #2, which 'thread#");
        assert_non_null(strstr(rein_error_text(rein_trail()), "waits for mutex #1, which 'thread#"));
        assert_non_null(strstr(rein_error_text(rein_trail()), "'main' joins 'thread#1'"));
}

/* A schedule that ended in the middle leaves nothing behind: the same mutexes are free in the next, and outside. */
static void what_a_schedule_held_is_free_afterwards(void **state)
{
        (void)state;
        assert_int_equal(program_explore(philosophers, &left, 0), REIN_EFOUND);
        program_passes(philosophers);
        assert_int_equal(pthread_mutex_trylock(&left), 0);
        assert_int_equal(pthread_mutex_unlock(&left), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_mutex_excludes),
                cmocka_unit_test(without_it_a_count_is_lost),
                cmocka_unit_test(a_spin_lock_excludes),
                cmocka_unit_test(recursive_and_checking_ones_know_their_owner),
                cmocka_unit_test(mistakes_are_named),
                cmocka_unit_test(two_orders_are_a_deadlock),
                cmocka_unit_test(what_a_schedule_held_is_free_afterwards),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
