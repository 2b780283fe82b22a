/* SPDX-License-Identifier: Apache-2.0 */
/* Both pollers keep one contract (plat/plat.h): a watch is for one report, numbers may be closed and used again, a ring
 * ends a wait, and an alarm makes the descriptor of a guest readable. */
#include <poll.h>

#include "plat/plat.h"
#include "support.h"

static bool portable;

typedef struct bench {
        rn_poller *poller;
        int ends[2];
} bench;

static int set_up(void **state)
{
        bench *b = calloc(1, sizeof *b);
        *state = b;
        return rn_poller_new(portable, &b->poller) < 0 || pipe2(b->ends, O_CLOEXEC) < 0;
}

static int tear_down(void **state)
{
        bench *b = *state;
        rn_poller_free(b->poller);
        close(b->ends[0]);
        close(b->ends[1]);
        free(b);
        return 0;
}

enum { ROOM = 64 };

static int look(const bench *b, rn_ready *found)
{
        return rn_poller_wait(b->poller, found, ROOM, 0);
}

static void test_a_watch_is_for_one_report(void **state)
{
        bench *b = *state;
        rn_ready found[ROOM];
        assert_int_equal(write(b->ends[1], "x", 1), 1);
        assert_int_equal(rn_poller_watch(b->poller, b->ends[0], RN_POLLIN), 0);
        assert_int_equal(rn_poller_wait(b->poller, found, ROOM, RN_NEVER), 1);
        assert_int_equal(found[0].fd, b->ends[0]);
        assert_int_equal(found[0].events, RN_POLLIN);
        assert_int_equal(look(b, found), 0); /* still readable, and not told again */
        assert_int_equal(rn_poller_watch(b->poller, b->ends[0], RN_POLLIN), 0);
        assert_int_equal(look(b, found), 1);
}

static void test_a_second_watch_replaces_the_first_and_an_unwatch_ends_it(void **state)
{
        bench *b = *state;
        rn_ready found[ROOM];
        int fd = b->ends[1];
        assert_int_equal(rn_poller_watch(b->poller, fd, RN_POLLIN), 0);
        assert_int_equal(look(b, found), 0);
        assert_int_equal(rn_poller_watch(b->poller, fd, RN_POLLOUT), 0);
        assert_int_equal(look(b, found), 1);
        assert_int_equal(found[0].events, RN_POLLOUT);
        assert_int_equal(rn_poller_watch(b->poller, fd, RN_POLLOUT), 0);
        rn_poller_unwatch(b->poller, fd);
        rn_poller_unwatch(b->poller, fd); /* twice is once */
        assert_int_equal(look(b, found), 0);
}

static void test_an_end_that_hangs_up_is_told_whatever_was_asked(void **state)
{
        bench *b = *state;
        rn_ready found[ROOM];
        assert_int_equal(rn_poller_watch(b->poller, b->ends[0], RN_POLLIN), 0);
        close(b->ends[1]);
        assert_int_equal(look(b, found), 1);
        assert_true(found[0].events & RN_POLLHUP);
        b->ends[1] = fcntl(0, F_DUPFD_CLOEXEC, 0);
}

static void test_a_number_used_again_is_the_new_file(void **state)
{
        bench *b = *state;
        rn_ready found[ROOM];
        int old = b->ends[0], writer = b->ends[1], anew[2];
        assert_int_equal(rn_poller_watch(b->poller, old, RN_POLLIN), 0);
        close(old);
        assert_int_equal(pipe2(anew, O_CLOEXEC), 0);
        assert_int_equal(anew[0], old);
        assert_int_equal(rn_poller_watch(b->poller, anew[0], RN_POLLIN), 0);
        assert_int_equal(write(anew[1], "x", 1), 1);
        assert_int_equal(look(b, found), 1);
        assert_int_equal(found[0].fd, anew[0]);
        close(writer);
        b->ends[1] = anew[1];
}

static void test_what_is_forgotten_before_its_close_is_not_told_although_a_copy_lives(void **state)
{
        bench *b = *state;
        rn_ready found[ROOM];
        int copy = fcntl(b->ends[0], F_DUPFD_CLOEXEC, 0), fd = b->ends[0];
        assert_int_equal(rn_poller_watch(b->poller, fd, RN_POLLIN), 0);
        rn_poller_forget(b->poller, fd);
        rn_poller_unwatch(b->poller, fd); /* as its waiter does, when it wakes */
        close(fd);
        b->ends[0] = copy;
        assert_int_equal(write(b->ends[1], "x", 1), 1);
        assert_int_equal(look(b, found), 0);
}

static void test_a_number_that_is_not_open_is_told_at_once(void **state)
{
        bench *b = *state;
        rn_ready found[ROOM];
        int rc = rn_poller_watch(b->poller, 900, RN_POLLIN);
        if (rc == 0) { /* poll(2) says it when it waits */
                assert_int_equal(look(b, found), 1);
                assert_int_equal(found[0].events, RN_POLLNVAL);
        } else {
                assert_int_equal(rc, -EBADF);
        }
}

static void test_more_are_ready_than_there_is_room_for(void **state)
{
        bench *b = *state;
        enum { EACH = 100 };
        int fds[EACH];
        bool told[1024] = {false};
        rn_ready found[ROOM];
        for (int i = 0; i < EACH; i++) {
                fds[i] = fcntl(b->ends[1], F_DUPFD_CLOEXEC, 0);
                assert_in_range(fds[i], 0, 1023);
                assert_int_equal(rn_poller_watch(b->poller, fds[i], RN_POLLOUT), 0);
        }
        int count = 0;
        for (int n; (n = look(b, found)) > 0;)
                for (int i = 0; i < n; i++, count++) {
                        assert_false(told[found[i].fd]);
                        told[found[i].fd] = true;
                }
        assert_int_equal(count, EACH);
        for (int i = 0; i < EACH; i++)
                close(fds[i]);
}

static void *ring(void *arg)
{
        for (int i = 0; i < 100; i++)
                rn_poller_ring(arg);
        return NULL;
}

static void test_a_ring_ends_a_wait_also_when_it_came_before(void **state)
{
        bench *b = *state;
        rn_ready found[ROOM];
        rn_poller_ring(b->poller);
        assert_int_equal(rn_poller_wait(b->poller, found, ROOM, RN_NEVER), 0);
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
                t[i] = go(ring, b->poller);
        assert_int_equal(rn_poller_wait(b->poller, found, ROOM, RN_NEVER), 0);
        for (int i = 0; i < 4; i++)
                join(t[i]);
        look(b, found); /* what is left of 400 rings is taken at once */
        int64_t soon = rn_clock() + 1000000;
        assert_int_equal(rn_poller_wait(b->poller, found, ROOM, soon), 0);
        assert_true(rn_clock() >= soon); /* nobody rang: the time ended it, and not too early */
}

static void test_a_guests_descriptor_tells_of_all_there_is(void **state)
{
        bench *b = *state;
        rn_ready found[ROOM];
        int fd = rn_poller_fd(b->poller);
        if (portable) {
                assert_int_equal(fd, -ENOTSUP);
                return;
        }
        struct pollfd outer = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&outer, 1, 0), 0);
        rn_poller_ring(b->poller);
        assert_int_equal(poll(&outer, 1, 0), 1);
        assert_int_equal(look(b, found), 0);
        assert_int_equal(poll(&outer, 1, 0), 0);
        assert_int_equal(rn_poller_watch(b->poller, b->ends[1], RN_POLLOUT), 0);
        assert_int_equal(poll(&outer, 1, 0), 1);
        assert_int_equal(look(b, found), 1);
        rn_poller_alarm(b->poller, rn_clock() + 1000);
        assert_int_equal(poll(&outer, 1, -1), 1);
        assert_int_equal(look(b, found), 0);
        rn_poller_alarm(b->poller, INT64_MIN); /* long past */
        assert_int_equal(poll(&outer, 1, -1), 1);
        rn_poller_alarm(b->poller, RN_NEVER);
        assert_int_equal(poll(&outer, 1, 0), 0);
        assert_int_equal(rn_poller_fd(b->poller), fd);
}

static uint32_t no_descriptor(uint32_t n, rn_choice kind)
{
        (void)n;
        return kind == RN_CHOOSE_FD;
}

static void test_without_a_free_descriptor_there_is_no_poller(void **state)
{
        (void)state;
        rn_poller *p = NULL;
        rn_choose_by(no_descriptor);
        assert_int_equal(rn_poller_new(portable, &p), -EMFILE);
        rn_choose_by(NULL);
        assert_null(p);
        rn_poller_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define EACH(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
                EACH(test_a_watch_is_for_one_report),
                EACH(test_a_second_watch_replaces_the_first_and_an_unwatch_ends_it),
                EACH(test_an_end_that_hangs_up_is_told_whatever_was_asked),
                EACH(test_a_number_used_again_is_the_new_file),
                EACH(test_what_is_forgotten_before_its_close_is_not_told_although_a_copy_lives),
                EACH(test_a_number_that_is_not_open_is_told_at_once),
                EACH(test_more_are_ready_than_there_is_room_for),
                EACH(test_a_ring_ends_a_wait_also_when_it_came_before),
                EACH(test_a_guests_descriptor_tells_of_all_there_is),
                cmocka_unit_test(test_without_a_free_descriptor_there_is_no_poller),
        };
        int rc = cmocka_run_group_tests_name("epoll", tests, NULL, NULL);
        portable = true;
        return rc + cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
