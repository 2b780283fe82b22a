/* SPDX-License-Identifier: Apache-2.0 */
/* Calls with descriptors that need not wait, in coroutines: a socket is asked before it is waited for, the others run
 * nevertheless, and neither a cancel nor a close is missed on the way. Every test runs with both pollers. */
#include <rein/loop.h>

#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "loop/loop.h"
#include "need.h"

static bool portable;

static void passes(rein_fn fn)
{
        int rc = rein_run(fn, NULL, REIN_LOOP(.portable = portable));
        if (rc < 0)
                rein_error_print(stderr, rein_trail());
        assert_int_equal(rc, 0);
}

/* How often the others have run. */
static int rounds;

static int goes_round(void *arg)
{
        (void)arg;
        int rc;
        while ((rc = rein_sleep(REIN_NOWAIT)) == 0)
                rounds++;
        return rc;
}

/* fn, beside a coroutine that goes round for ever. */
static int beside(rein_group *g, int (*fn)(void))
{
        rein_group_open(g, REIN_GROUP(.policy = REIN_EACH));
        rein_spawn(g, NULL, goes_round, NULL, NULL);
        for (int then = rounds; rounds == then;)
                rein_sleep(REIN_NOWAIT);
        int rc = fn();
        rein_group_cancel(g, "enough");
        int left = rein_group_close(g, 0);
        return rc ? rc : left == REIN_ESTOPPED ? 0 : left < 0 ? left : -EPROTO;
}

/* ---- what is there is had at once ---- */

static int moves(void)
{
        int pair[2], then = rounds;
        char text[8];
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        for (int i = 0; i < 3; i++)
                NEED(rein_write(pair[0], "word", 4, REIN_NEVER) == 4);
        NEED(rounds == then); /* there was room */
        NEED(rein_read(pair[1], text, 4, REIN_NEVER) == 4);
        then = rounds;
        NEED(rein_read(pair[1], text, 4, REIN_NEVER) == 4); /* the last one filled its buffer */
        NEED(rounds == then);
        NEED(rein_read(pair[1], text, 8, REIN_NEVER) == 4);
        NEED(rounds == then);
        NEED(rein_read(pair[1], text, 8, rein_after(1000)) == REIN_ETIMEOUT);
        NEED(rounds > then);
        NEED(rein_close(pair[0]) == 0);
        NEED(rein_read(pair[1], text, 8, REIN_NEVER) == 0);
        NEED(rein_close(pair[1]) == 0);
        return 0;
}

static int receives(void)
{
        rein_addr own;
        char text[4];
        int fd = rein_udp_bind("127.0.0.1", "0");
        NEED(fd >= 0 && rein_addr_local(fd, &own) == 0);
        for (int i = 0; i < 3; i++)
                NEED(rein_sendto(fd, "abc", 3, &own, REIN_NEVER) == 3);
        int then = rounds;
        for (int i = 0; i < 3; i++)
                NEED(rein_recvfrom(fd, text, 4, NULL, REIN_NEVER) == 3);
        NEED(rounds == then);
        NEED(rein_recvfrom(fd, text, 4, NULL, rein_after(1000)) == REIN_ETIMEOUT);
        enum { MANY = 64 };
        for (int i = 0; i < MANY; i++)
                NEED(rein_sendto(fd, "abc", 3, &own, REIN_NEVER) == 3);
        then = rounds;
        NEED(rein_recvfrom(fd, text, 4, NULL, REIN_NEVER) == 3);
        NEED(rounds > then); /* the last time there was none: it waits first */
        int waits = 0;
        for (int i = 1; i < MANY; i++) {
                then = rounds;
                NEED(rein_recvfrom(fd, text, 4, NULL, REIN_NEVER) == 3);
                waits += rounds > then + 1;
        }
        NEED(waits < MANY / 2); /* it has found out that there are many */
        NEED(rein_close(fd) == 0);
        int pipes[2];
        NEED(pipe2(pipes, O_CLOEXEC) == 0);
        NEED(rein_recvfrom(pipes[0], text, 4, NULL, REIN_NEVER) == -ENOTSOCK); /* and it is not waited for */
        close(pipes[0]);
        close(pipes[1]);
        return 0;
}

static int had_at_once(void *arg)
{
        (void)arg;
        rein_group g;
        int rc = beside(&g, moves);
        return rc ? rc : beside(&g, receives);
}

static void test_what_is_there_is_had_without_a_wait(void **state)
{
        (void)state;
        passes(had_at_once);
}

/* ---- the others run ---- */

enum { OFTEN = 1000, SELDOM = 64 };

static int there_and_back(void)
{
        int pair[2], then = rounds;
        char byte = 'x';
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        NEED(rein_write(pair[0], &byte, 1, REIN_NEVER) == 1);
        for (int i = 0; i < OFTEN; i++) {
                NEED(rein_write(pair[0], &byte, 1, REIN_NEVER) == 1);
                NEED(rein_read(pair[1], &byte, 1, REIN_NEVER) == 1);
        }
        NEED(rounds - then >= OFTEN / SELDOM);
        close(pair[0]);
        close(pair[1]);
        return 0;
}

static int datagrams_there_and_back(void)
{
        rein_addr own;
        char byte = 'x';
        int fd = rein_udp_bind("127.0.0.1", "0"), then = rounds;
        NEED(fd >= 0 && rein_addr_local(fd, &own) == 0);
        for (int i = 0; i < OFTEN; i++) {
                NEED(rein_sendto(fd, &byte, 1, &own, REIN_NEVER) == 1);
                NEED(rein_recvfrom(fd, &byte, 1, NULL, REIN_NEVER) == 1);
        }
        NEED(rounds - then >= OFTEN / SELDOM);
        NEED(rein_close(fd) == 0);
        return 0;
}

static int never_empty(void *arg)
{
        (void)arg;
        rein_group g;
        int rc = beside(&g, there_and_back);
        return rc ? rc : beside(&g, datagrams_there_and_back);
}

static void test_who_never_has_to_wait_lets_the_others_run(void **state)
{
        (void)state;
        passes(never_empty);
}

/* ---- a cancel between two pieces ---- */

static int drained = -1, pieces;
static rein_scope *unwanted;

/* Before each system call of the writer the other end is emptied: there always is some room. Before the third, a cancel. */
static uint32_t empty_it(uint32_t n, rn_choice kind)
{
        (void)n;
        static char sink[1 << 16];
        if (kind != RN_CHOOSE_INTR || drained < 0)
                return 0;
        while (recv(drained, sink, sizeof sink, MSG_DONTWAIT) > 0)
                ;
        if (++pieces == 3)
                rein_scope_cancel(unwanted, "not wanted any more");
        return 0;
}

static int canceled_on_the_way(void *arg)
{
        (void)arg;
        enum { MUCH = 8 << 20 };
        int pair[2];
        char *much = calloc(1, MUCH);
        NEED(much && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        unwanted = &s;
        pieces = 0;
        drained = pair[1];
        const int64_t rc = rein_write(pair[0], much, MUCH, REIN_NEVER);
        drained = -1;
        NEED(rein_scope_close(&s, (int)rc) == REIN_ESTOPPED);
        free(much);
        close(pair[0]);
        close(pair[1]);
        NEED(rc == REIN_ECANCELED && pieces >= 3 && pieces <= 4);
        return 0;
}

static void test_a_writer_that_never_has_to_wait_is_cancelled_between_two_pieces(void **state)
{
        (void)state;
        rn_choose_by(empty_it);
        passes(canceled_on_the_way);
        rn_choose_by(NULL);
}

/* ---- a close while the others run ---- */

typedef struct closing {
        int pair[2], next[2];
        int64_t rc;
        bool closed;
} closing;

static int writes_on_and_on(void *arg)
{
        closing *c = arg;
        while (!c->closed && (c->rc = rein_write(c->pair[0], "x", 1, REIN_NEVER)) == 1)
                ;
        return 0;
}

static int closed_meanwhile(void *arg)
{
        (void)arg;
        closing c = {.rc = 0};
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c.pair) == 0 &&
             socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c.next) == 0);
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_spawn(&g, NULL, writes_on_and_on, &c, NULL);
        int there = 0, left = -1;
        for (; there == 0; rein_sleep(REIN_NOWAIT))
                NEED(ioctl(c.pair[1], FIONREAD, &there) == 0); /* now it is in a call, and lets us run */
        NEED(rein_close(c.pair[0]) == 0);
        c.closed = true;
        NEED(dup3(c.next[0], c.pair[0], O_CLOEXEC) == c.pair[0]);
        NEED(rein_group_close(&g, 0) == 0);
        NEED(c.rc == -EBADF);
        NEED(ioctl(c.next[1], FIONREAD, &left) == 0 && left == 0);
        const int all[] = {c.pair[0], c.pair[1], c.next[0], c.next[1]};
        for (size_t i = 0; i < COUNT(all); i++)
                close(all[i]);
        return 0;
}

static void test_who_lets_the_others_run_does_not_touch_the_next_owner_of_its_number(void **state)
{
        (void)state;
        passes(closed_meanwhile);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_there_is_had_without_a_wait),
                cmocka_unit_test(test_who_never_has_to_wait_lets_the_others_run),
                cmocka_unit_test(test_a_writer_that_never_has_to_wait_is_cancelled_between_two_pieces),
                cmocka_unit_test(test_who_lets_the_others_run_does_not_touch_the_next_owner_of_its_number),
        };
        int rc = cmocka_run_group_tests_name("epoll", tests, NULL, NULL);
        portable = true;
        return rc + cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
