/* SPDX-License-Identifier: Apache-2.0 */
/* An accept for whose connection there is no descriptor or memory: it is tried again, after pauses, and told when it has
 * lasted. So a loop that goes on after an error does not spin. What is counted is attempts and answers. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "need.h"
#include "refusals.h"

/* ---- a connection that waits ---- */

static int listening = -1, peer = -1;

static int connected(void)
{
        rein_addr own;
        listening = rein_listen("127.0.0.1", "0", 4);
        peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        NEED(listening >= 0 && peer >= 0 && rein_addr_local(listening, &own) == 0);
        struct sockaddr_in to;
        memcpy(&to, own.bytes, sizeof to);
        NEED(connect(peer, (struct sockaddr *)&to, sizeof to) == 0);
        return 0;
}

static void disconnected(void)
{
        close(peer);
        if (listening >= 0)
                rein_close(listening);
        listening = peer = -1;
}

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
                disconnected();
                if (rc < 0)
                        rein_error_print(stderr, rein_trail());
                assert_int_equal(rc, 0);
        }
}

/* ---- it ends ---- */

static int ends(void *arg)
{
        (void)arg;
        NEED(connected() == 0);
        begin(5, NULL);
        const int fd = rein_accept(listening, REIN_NEVER);
        NEED(fd >= 0 && attempts >= 6 && refusals <= 0);
        NEED(rein_close(fd) == 0);
        return 0;
}

static void test_a_shortage_that_ends_is_not_told(void **state)
{
        (void)state;
        everywhere(ends);
}

/* ---- it lasts ---- */

enum { FOR_EVER = 1 << 30, FEW = 64 };

static int lasts(void *arg)
{
        (void)arg;
        NEED(connected() == 0);
        NEED(rein_wait_fd(listening, POLLIN, REIN_NEVER) > 0); /* what the wait needs has its descriptors now */
        begin(FOR_EVER, NULL);
        NEED(rein_accept(listening, REIN_NEVER) == -EMFILE);
        NEED(attempts > 1 && attempts < FEW);
        NEED(rein_error_code(rein_trail()) == -EMFILE);
        NEED(strstr(rein_error_text(rein_trail()), "all the descriptors that it may have"));
        attempts = 0;
        NEED(rein_accept(listening, REIN_NOWAIT) == -EMFILE && attempts == 1);
        attempts = 0;
        NEED(rein_accept(listening, rein_after(REIN_MS(4))) == -EMFILE && attempts > 1 && attempts < 6);
        refusals = 0;
        const int fd = rein_accept(listening, REIN_NEVER); /* it has been there all the time */
        NEED(fd >= 0 && rein_close(fd) == 0);
        return 0;
}

static void test_one_that_lasts_is_told_after_few_attempts(void **state)
{
        (void)state;
        everywhere(lasts);
}

/* ---- what ends a pause ---- */

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
        NEED(connected() == 0);
        rein_scope_open(&s, REIN_NEVER);
        unwanted = &s;
        begin(FOR_EVER, cancel_at_the_third);
        const int rc = rein_accept(listening, REIN_NEVER);
        end();
        NEED(rein_scope_close(&s, rc) == REIN_ESTOPPED);
        NEED(rc == REIN_ECANCELED && attempts == 3);
        return 0;
}

static void test_a_cancel_ends_the_pause(void **state)
{
        (void)state;
        everywhere(is_cancelled);
}

static int accepts(void *arg)
{
        (void)arg;
        return rein_accept(listening, REIN_NEVER);
}

static int is_closed(void *arg)
{
        (void)arg;
        NEED(connected() == 0);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        NEED(pool);
        begin(FOR_EVER, NULL);
        rein_future *f = rein_submit(pool, accepts, NULL, REIN_JOB(.on_worker = true));
        while (attempts < 2)
                NEED(rein_sleep(rein_after(REIN_MS(1))) == 0);
        NEED(rein_close(listening) == 0);
        listening = -1;
        const int rc = rein_await(f, NULL, REIN_NEVER), code = rein_code(f);
        rein_drop(f);
        rein_executor_free(pool);
        NEED(rc == REIN_EFAILED && code == -EBADF);
        return 0;
}

static void test_a_close_ends_the_pause(void **state)
{
        (void)state;
        everywhere(is_closed);
}

/* ---- a process at its limit ---- */

static int answers, rounds;

static int serve(void *arg)
{
        (void)arg;
        for (;;) {
                const int fd = rein_accept(listening, REIN_NEVER);
                answers++;
                if (fd >= 0)
                        return rein_close(fd);
                if (fd == REIN_ECANCELED)
                        return fd;
        }
}

static int goes_round(void *arg)
{
        (void)arg;
        int rc;
        while ((rc = rein_sleep(REIN_NOWAIT)) == 0)
                rounds++;
        return rc;
}

static int at_the_limit(void *arg)
{
        (void)arg;
        struct rlimit before;
        rein_group g;
        NEED(connected() == 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_spawn(&g, NULL, goes_round, NULL, NULL);
        answers = rounds = 0;
        begin(0, NULL); /* it counts */
        const int lowest = fcntl(peer, F_DUPFD_CLOEXEC, 0);
        close(lowest);
        NEED(setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)lowest, before.rlim_max}) == 0);
        rein_spawn(&g, NULL, serve, NULL, NULL);
        while (attempts < 3)
                NEED(rein_sleep(REIN_NOWAIT) == 0);
        const int then = answers, meanwhile = rounds;
        NEED(setrlimit(RLIMIT_NOFILE, &before) == 0);
        while (answers == then)
                NEED(rein_sleep(REIN_NOWAIT) == 0);
        end();
        rein_group_cancel(&g, "enough");
        NEED(rein_group_close(&g, 0) == REIN_ESTOPPED);
        NEED(then == 0 && answers == 1 && meanwhile > 0 && attempts < FEW);
        return 0;
}

static void test_a_plain_loop_at_the_limit_of_descriptors_does_not_spin(void **state)
{
        (void)state;
        for (int portable = 0; portable < 2; portable++) {
                int rc = rein_run(at_the_limit, NULL, REIN_LOOP(.portable = portable));
                end();
                disconnected();
                if (rc < 0)
                        rein_error_print(stderr, rein_trail());
                assert_int_equal(rc, 0);
        }
}

/* ---- number 0 ---- */

static int is_number_0(void *arg)
{
        (void)arg;
        NEED(connected() == 0);
        NEED(rein_wait_fd(listening, POLLIN, REIN_NEVER) > 0); /* what the wait needs has its descriptors now */
        const int input = fcntl(0, F_DUPFD_CLOEXEC, 3);
        NEED(input >= 0);
        close(0);
        const int fd = rein_accept(listening, rein_after(REIN_SEC(10)));
        if (fd > 0)
                rein_close(fd);
        dup2(input, 0);
        close(input);
        if (fd != 0)
                return rein_fail(-EPROTO, "it answers %d", fd);
        return 0;
}

static void test_a_connection_may_have_the_number_0(void **state)
{
        (void)state;
        everywhere(is_number_0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_shortage_that_ends_is_not_told),
                cmocka_unit_test(test_one_that_lasts_is_told_after_few_attempts),
                cmocka_unit_test(test_a_cancel_ends_the_pause),
                cmocka_unit_test(test_a_close_ends_the_pause),
                cmocka_unit_test(test_a_plain_loop_at_the_limit_of_descriptors_does_not_spin),
                cmocka_unit_test(test_a_connection_may_have_the_number_0),
        };
        rn_choose_by(refuse);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
