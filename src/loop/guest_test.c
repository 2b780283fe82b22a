/* SPDX-License-Identifier: Apache-2.0 */
/* The loop as a guest, in a poll loop of the test's own. Those of libuv and GLib: guest_uv_test.c, guest_glib_test.c. */
#include <rein/loop.h>

#include <poll.h>
#include <sys/socket.h>

#include "loop/loop.h"
#include "support.h"
#include "visit.h"

static void test_in_a_poll_loop(void **state)
{
        (void)state;
        int pair[2];
        visit v = {0};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        v.fd = pair[0];
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true));
        struct pollfd set[2] = {{.fd = rein_loop_fd(guest), .events = POLLIN}, {.fd = pair[1], .events = POLLIN}};
        rein_future *f = rein_submit(guest, stay, &v, NULL);
        for (rein_time tick = rein_now(); !rein_gone(f);) {
                assert_true(poll(set, 2, 1) >= 0);
                if (rein_now().ns >= tick.ns) {
                        v.ticks++;
                        tick = rein_after(REIN_MS(1));
                }
                char c;
                if (set[1].revents && read(pair[1], &c, 1) == 1)
                        assert_int_equal(write(pair[1], &c, 1), 1);
                if (set[0].revents)
                        assert_true(rein_loop_turn(guest) >= 0);
        }
        assert_int_equal(rein_loop_turn(guest), 0);
        was_well(guest, f, &v);
        close(pair[1]);
}

typedef struct outside {
        rein_executor *guest;
        atomic_int ran, ended;
} outside;

static void *post_from_outside(void *arg)
{
        outside *o = arg;
        for (int i = 0; i < 1000; i++)
                rein_drop(rein_submit(o->guest, job_count, &o->ran, NULL));
        o->ended = 1;
        return NULL;
}

static void test_posts_of_other_threads_make_the_descriptor_readable(void **state)
{
        (void)state;
        outside o = {.guest = rein_loop_new(REIN_LOOP(.hosted = true))};
        struct pollfd set = {.fd = rein_loop_fd(o.guest), .events = POLLIN};
        pthread_t t = go(post_from_outside, &o);
        while (o.ran < 1000) {
                assert_int_equal(poll(&set, 1, 20000), 1); /* never a post that nobody hears of */
                assert_true(rein_loop_turn(o.guest) >= 0);
        }
        join(t);
        rein_executor_free(o.guest);
}

static int sleep_short(void *arg)
{
        (void)arg;
        return rein_sleep(rein_after(REIN_MS(1)));
}

/* The descriptor is asked for when a coroutine sleeps already; and after a stop, and a restart. */
static void test_deadlines_and_a_restart_reach_the_descriptor(void **state)
{
        (void)state;
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true));
        for (int round = 0; round < 3; round++) {
                rein_future *f = rein_submit(guest, sleep_short, NULL, NULL);
                struct pollfd set = {.events = POLLIN};
                if (round == 0) {
                        assert_in_range(rein_loop_turn(guest), 0, 1); /* its time may have come already */
                        set.fd = rein_loop_fd(guest);
                } else {
                        set.fd = rein_loop_fd(guest);
                }
                while (!rein_gone(f)) {
                        assert_int_equal(poll(&set, 1, 20000), 1);
                        assert_true(rein_loop_turn(guest) >= 0);
                }
                assert_int_equal(rein_code(f), 0);
                rein_drop(f);
                assert_int_equal(rein_executor_stop(guest, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
                assert_int_equal(rein_executor_restart(guest), 0);
        }
        rein_executor_free(guest);
}

static int free_guest(void *arg)
{
        rein_executor_free(arg);
        return 0;
}

static void test_a_guest_freed_by_its_own_job_is_gone_after_that_turn(void **state)
{
        (void)state;
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true));
        rein_drop(rein_submit(guest, free_guest, guest, NULL));
        int rc = rein_loop_turn(guest);
        assert_in_range(rc, 0, 1);
}

static void test_the_portable_one_has_no_descriptor(void **state)
{
        (void)state;
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true, .portable = true));
        assert_int_equal(rein_loop_fd(guest), -ENOTSUP);
        rein_future *f = rein_submit(guest, job_seven, NULL, NULL);
        assert_int_equal(rein_loop_turn(guest), 0); /* it can be turned all the same */
        assert_int_equal(rein_code(f), 7);
        rein_drop(f);
        rein_executor_free(guest);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_in_a_poll_loop),
                cmocka_unit_test(test_posts_of_other_threads_make_the_descriptor_readable),
                cmocka_unit_test(test_deadlines_and_a_restart_reach_the_descriptor),
                cmocka_unit_test(test_a_guest_freed_by_its_own_job_is_gone_after_that_turn),
                cmocka_unit_test(test_the_portable_one_has_no_descriptor),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
