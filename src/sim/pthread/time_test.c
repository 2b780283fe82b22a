/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and sleeps: all of the time is virtual, so it may be asserted to the nanosecond. */
#include "simulate.h"

#include <poll.h>
#include <sched.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

static int64_t ns_of(struct timespec t)
{
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t clock_ns(clockid_t clock)
{
        struct timespec t;
        CHECK(clock_gettime(clock, &t) == 0);
        return ns_of(t);
}

/* ---- sleeps ---- */

static int sleeps(void *arg)
{
        struct timespec hour = {.tv_sec = 3600, .tv_nsec = 1}, at;
        int64_t began = clock_ns(CLOCK_MONOTONIC);
        (void)arg;
        CHECK(nanosleep(&hour, NULL) == 0); /* foreign: virtual time, as all here */
        CHECK(clock_ns(CLOCK_MONOTONIC) - began == ns_of(hour));
        CHECK(clock_nanosleep(CLOCK_REALTIME, 0, &hour, NULL) == 0); /* foreign: virtual */
        CHECK(clock_ns(CLOCK_MONOTONIC) - began == 2 * ns_of(hour));
        at = from_now(CLOCK_REALTIME, 5000);
        CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL) == 0); /* foreign: virtual */
        CHECK(clock_ns(CLOCK_REALTIME) == ns_of(at));
        CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &hour, NULL) == 0); /* foreign: long past */
        began = clock_ns(CLOCK_MONOTONIC);
        CHECK(usleep(1500) == 0); /* foreign: virtual */
        CHECK(sleep(2) == 0);     /* foreign: virtual */
        CHECK(poll(NULL, 0, 3) == 0);
        CHECK(ppoll(NULL, 0, &(struct timespec){.tv_nsec = 7}, NULL) == 0);
        CHECK(select(0, NULL, NULL, NULL, &(struct timeval){.tv_usec = 2}) == 0);
        CHECK(pselect(0, NULL, NULL, NULL, &(struct timespec){.tv_nsec = 11}, NULL) == 0);
        CHECK(poll(NULL, 0, 0) == 0);
        CHECK(sched_yield() == 0);
        CHECK(clock_ns(CLOCK_MONOTONIC) - began == 2004502018);
        CHECK(nanosleep(&(struct timespec){.tv_nsec = -1}, NULL) == -1 && errno == EINVAL); /* foreign: refused */
        struct timespec never = {.tv_sec = -1};
        CHECK(clock_nanosleep(CLOCK_REALTIME, 0, &never, NULL) == EINVAL); /* foreign: refused */
        return 0;
}

static void sleeps_last_as_long_as_they_say(void **state)
{
        (void)state;
        assert_int_equal(program_explore(sleeps, NULL, 0), 0);
}

static void *sleep_long(void *order)
{
        struct timespec span = {.tv_sec = 100};
        nanosleep(&span, NULL); /* foreign: virtual */
        *(int *)order = *(int *)order * 10 + 2;
        return NULL;
}

static void *sleep_short(void *order)
{
        usleep(10); /* foreign: virtual */
        *(int *)order = *(int *)order * 10 + 1;
        return NULL;
}

static int two_sleep(void *arg)
{
        int order = 0;
        (void)arg;
        pthread_t a = start_thread(sleep_long, &order), b = start_thread(sleep_short, &order);
        join_thread(a);
        join_thread(b);
        return order == 12 ? 0 : -EIO;
}

static void who_sleeps_less_wakes_first(void **state)
{
        (void)state;
        assert_int_equal(program_explore(two_sleep, NULL, 0), 0);
}

static int for_ever(void *arg)
{
        (void)arg;
        return poll(NULL, 0, -1);
}

static void a_sleep_for_ever_is_a_deadlock(void **state)
{
        (void)state;
        program_is_found(for_ever, NULL, REIN_SIM_DEADLOCK, "'main' sleeps in poll");
}

/* ---- a sleep that is interrupted ---- */

static int long_sleep(void *arg)
{
        struct timespec day = {.tv_sec = 86400}, left = {0};
        rein_hook hook;
        (void)arg;
        CHECK(rein_hook_open(&hook, REIN_POKE, NULL) == 0);
        int rc = nanosleep(&day, &left), err = errno; /* foreign: virtual, and poked */
        CHECK(rc == -1 && err == EINTR);
        CHECK(left.tv_sec == 86399 && left.tv_nsec == 0);
        return rein_hook_close(&hook, -err);
}

static int poked(void *arg)
{
        (void)arg;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, long_sleep, NULL, NULL);
        rein_sleep(rein_after(REIN_SEC(1)));
        rein_cancel(f, "it sleeps too long");
        rein_await(f, NULL, REIN_NEVER);
        int rc = rein_code(f) == REIN_ECANCELED ? 0 : rein_fail(REIN_EUSER, "%s", rein_code_name(rein_code(f)));
        rein_drop(f);
        rein_executor_free(pool);
        return rc;
}

static void a_poke_interrupts_a_sleep(void **state)
{
        (void)state;
        assert_int_equal(program_explore(poked, NULL, 0), 0);
}

/* ---- clocks ---- */

static int64_t inside[4];

static int clocks(void *arg)
{
        struct timeval tv;
        struct timespec ts;
        int64_t real = clock_ns(CLOCK_REALTIME), mono = clock_ns(CLOCK_MONOTONIC);
        time_t stored;
        (void)arg;
        CHECK(mono == rein_now().ns);
        CHECK(gettimeofday(&tv, NULL) == 0);
        CHECK(tv.tv_sec == real / 1000000000 && tv.tv_usec == real % 1000000000 / 1000);
        CHECK(time(&stored) == tv.tv_sec && stored == tv.tv_sec);
        CHECK(timespec_get(&ts, TIME_UTC) == TIME_UTC && ns_of(ts) == real);
        CHECK(clock_ns(CLOCK_BOOTTIME) == mono && clock_ns(CLOCK_REALTIME_COARSE) == real);
        CHECK(inside[0] == 0 || (inside[0] == real && inside[1] == mono)); /* in every schedule the same */
        inside[0] = real;
        inside[1] = mono;
        return 0;
}

static void clocks_are_the_simulations(void **state)
{
        struct timeval tv;
        struct timespec ts, ts_now;
        (void)state;
        inside[0] = 0;
        assert_int_equal(program_explore(clocks, NULL, 0), 0);
        assert_int_equal(gettimeofday(&tv, NULL), 0);
        assert_int_equal(clock_gettime(CLOCK_REALTIME, &ts), 0);
        assert_int_equal(timespec_get(&ts_now, TIME_UTC), TIME_UTC);
        assert_true(ns_of(ts) != inside[0] && ts.tv_sec > 1600000000); /* the real one again */
        assert_true(tv.tv_sec > 1600000000 && time(NULL) > 1600000000 && ts_now.tv_sec > 1600000000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sleeps_last_as_long_as_they_say), cmocka_unit_test(who_sleeps_less_wakes_first),
                cmocka_unit_test(a_sleep_for_ever_is_a_deadlock),  cmocka_unit_test(a_poke_interrupts_a_sleep),
                cmocka_unit_test(clocks_are_the_simulations),
        };
        generator = REIN_SIM_RANDOM;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
