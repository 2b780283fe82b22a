/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of a simulation: what comes without faults, what the faults do, and that they find what they are for. */
#include "support.h"

#include "crew.h"

#include <poll.h>
#include <sys/socket.h>

enum { NETWORK = REIN_SIM_LOSS | REIN_SIM_REORDER | REIN_SIM_TWICE, HARMLESS = REIN_SIM_HARMLESS & ~REIN_SIM_SPURIOUS };

static void passes(rein_fn fn, uint32_t faults)
{
        rein_sim_report r = {.size = sizeof r};
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 400, .faults = faults, .report = &r), fn, NULL), 0);
        assert_int_equal(r.schedules, 400);
}

/* ---- without faults of the network ---- */

static int alone(void *arg)
{
        (void)arg;
        char got[8], text[REIN_ADDR_TEXT];
        rein_addr from, own, to;
        int server = rein_udp_bind("server", "53"), any = rein_udp_bind(NULL, "54"), other = rein_udp_bind("a", "0");
        CHECK(rein_udp_bind("server", "53") == -EADDRINUSE);
        int client = rein_udp_connect("server", "53", REIN_NEVER);
        CHECK(server >= 0 && any >= 0 && other >= 0 && client >= 0);
        CHECK(rein_wait_fd(server, POLLIN, REIN_NOWAIT) == REIN_ETIMEOUT);
        CHECK(rein_wait_fd(server, POLLOUT, REIN_NEVER) == POLLOUT);
        CHECK(rein_sendto(client, "abcdef", 6, NULL, REIN_NEVER) == 6 &&
              rein_sendto(client, "", 0, NULL, REIN_NEVER) == 0);
        CHECK(rein_sendto(client, "gh", 2, NULL, REIN_NEVER) == 2);
        CHECK(rein_recvfrom(server, got, 4, &from, REIN_NEVER) == -EMSGSIZE && memcmp(got, "abcd", 4) == 0);
        CHECK(rein_addr_local(client, &own) == 0 && rein_addr_equal(&own, &from));
        CHECK(rein_recvfrom(server, got, 8, NULL, REIN_NEVER) == 0);
        CHECK(rein_recvfrom(server, got, 8, NULL, REIN_NEVER) == 2 && memcmp(got, "gh", 2) == 0);
        CHECK(rein_recvfrom(server, got, 8, NULL, rein_after(REIN_MS(1))) == REIN_ETIMEOUT);
        CHECK(rein_sendto(server, "ij", 2, &from, REIN_NEVER) == 2);
        CHECK(rein_read(client, got, 1, REIN_NEVER) == 1 && got[0] == 'i'); /* the rest is lost, as read(2) has it */
        CHECK(rein_addr_find(other, "anywhere", "54", &to, REIN_NEVER) == 0);
        CHECK(strcmp(rein_addr_text(&to, text), "anywhere:54") == 0);
        CHECK(rein_sendto(other, "k", 1, &to, REIN_NEVER) == 1);
        CHECK(rein_recvfrom(any, got, 8, &from, REIN_NEVER) == 1 && rein_addr_local(other, &own) == 0);
        CHECK(rein_addr_equal(&from, &own) && strncmp(rein_addr_text(&own, text), "a:", 2) == 0);
        CHECK(rein_sendto(other, "l", 1, NULL, REIN_NEVER) == -EDESTADDRREQ);
        CHECK(rein_addr_local(client, &to) == 0 && rein_sendto(other, "m", 1, &to, REIN_NEVER) == 1);
        CHECK(rein_recvfrom(client, got, 8, NULL, REIN_NOWAIT) == REIN_ETIMEOUT); /* it hears its peer alone */
        CHECK(rein_close(server) == 0 && rein_write(client, "n", 1, REIN_NEVER) == 1);
        CHECK(rein_recvfrom(client, got, 8, NULL, REIN_NEVER) == -ECONNREFUSED);
        CHECK(rein_sendto(client, "n", 1, NULL, REIN_NEVER) == 1);
        CHECK(rein_sendto(client, "n", 1, NULL, REIN_NEVER) == -ECONNREFUSED);
        CHECK(rein_sendto(client, "n", 1, NULL, REIN_NEVER) == 1); /* told once; and gone again */
        for (int i = 0; i < 70; i++)
                CHECK(rein_sendto(other, "o", 1, &own, REIN_NEVER) == 1); /* to itself; what it cannot hold is lost */
        for (int i = 0; i < 64; i++)
                CHECK(rein_recvfrom(other, got, 8, NULL, REIN_NEVER) == 1);
        CHECK(rein_recvfrom(other, got, 8, NULL, REIN_NOWAIT) == REIN_ETIMEOUT);
        static const char much[65508];
        CHECK(rein_sendto(other, much, sizeof much, &own, REIN_NEVER) == -EMSGSIZE);
        CHECK(rein_close(any) == 0 && rein_close(other) == 0 && rein_close(client) == 0);
        CHECK(rein_sendto(client, "p", 1, NULL, REIN_NEVER) == -EBADF && rein_addr_local(client, &own) < 0);
        return 0;
}

/* What is bound to all hosts gets what nobody is bound to more closely, whoever was first. */
static int closest(void *arg)
{
        (void)arg;
        char c;
        int all = rein_udp_bind(NULL, "9"), one = rein_udp_bind("one", "9");
        int to_one = rein_udp_connect("one", "9", REIN_NEVER), to_two = rein_udp_connect("two", "9", REIN_NEVER);
        CHECK(rein_write(to_one, "1", 1, REIN_NEVER) == 1 && rein_write(to_two, "2", 1, REIN_NEVER) == 1);
        CHECK(rein_read(one, &c, 1, REIN_NOWAIT) == 1 && c == '1');
        CHECK(rein_read(all, &c, 1, REIN_NOWAIT) == 1 && c == '2');
        return rein_close(all) | rein_close(one) | rein_close(to_one) | rein_close(to_two);
}

static void without_faults(void **state)
{
        (void)state;
        passes(alone, 0);
        passes(closest, 0);
}

static int real_socket(void *arg)
{
        char c;
        return (int)rein_recvfrom(*(int *)arg, &c, 1, NULL, REIN_NEVER);
}

static void a_real_socket_is_refused(void **state)
{
        (void)state;
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true), real_socket, pair), REIN_EFOUND);
        close(pair[0]);
        close(pair[1]);
}

/* ---- the faults ---- */

enum { SENT = 6 };
static atomic_int lost, overtaken, doubled, most_overtaken;

/* One that is received after a later one was overtaken; one that never comes was lost. */
static int count_faults(void *arg)
{
        (void)arg;
        int to = rein_udp_bind("b", "1"), from = rein_udp_connect("b", "1", REIN_NEVER), seen[SENT] = {0};
        char last = -1, c;
        for (char i = 0; i < SENT; i++)
                CHECK(rein_sendto(from, &i, 1, NULL, REIN_NEVER) == 1);
        while (rein_recvfrom(to, &c, 1, NULL, REIN_NOWAIT) == 1) {
                int before = 0; /* of those that came in front of it: sent earlier, and still to come */
                for (int i = 0; i < c; i++)
                        before += seen[i] == 0;
                if (before > atomic_load(&most_overtaken))
                        atomic_store(&most_overtaken, before);
                seen[(int)c]++;
                atomic_fetch_add(&overtaken, c < last);
                last = c > last ? c : last;
        }
        for (int i = 0; i < SENT; i++) {
                atomic_fetch_add(&lost, seen[i] == 0);
                atomic_fetch_add(&doubled, seen[i] == 2);
        }
        return rein_close(to) | rein_close(from);
}

static void each_fault_comes_when_asked_for_and_only_then(void **state)
{
        (void)state;
        static const uint32_t faults[] = {0, REIN_SIM_LOSS, REIN_SIM_REORDER, REIN_SIM_TWICE};
        for (size_t i = 0; i < COUNT(faults); i++) {
                lost = overtaken = doubled = most_overtaken = 0;
                passes(count_faults, faults[i]);
                assert_int_equal(lost > 0, faults[i] == REIN_SIM_LOSS);
                assert_int_equal(overtaken > 0, faults[i] == REIN_SIM_REORDER);
                assert_int_equal(doubled > 0, faults[i] == REIN_SIM_TWICE);
                if (faults[i] == REIN_SIM_REORDER)
                        assert_int_equal(most_overtaken, 3);
        }
}

/* ---- a counter behind an unreliable network ---- */

typedef struct counter {
        bool by_number; /* what was counted before is not counted again */
        int fd, value, asked;
        int last;
} counter;

static void count_up(void *arg)
{
        counter *c = arg;
        int number;
        rein_addr from;
        (void)rein_wait_fd(c->fd, POLLIN, REIN_NOWAIT); /* it opens none from here on: a number closed stays so */
        while (rein_recvfrom(c->fd, &number, sizeof number, &from, REIN_NEVER) == sizeof number) {
                if (!c->by_number || number > c->last) {
                        c->value++;
                        c->last = number;
                }
                int64_t rc = rein_sendto(c->fd, &number, sizeof number, &from, REIN_NEVER);
                CHECK(rc == sizeof number || rc == -EBADF); /* the question came twice; nobody asks any more */
        }
}

/* Asked again until it answers: the number says to which question. */
static void add_one(counter *c, int fd)
{
        const int number = ++c->asked;
        for (int tries = 0; tries < 1000; tries++) {
                int answer;
                int64_t rc = rein_sendto(fd, &number, sizeof number, NULL, REIN_NEVER);
                while (rc > 0) {
                        rc = rein_recvfrom(fd, &answer, sizeof answer, NULL, rein_after(REIN_MS(10)));
                        if (rc == sizeof answer && answer == number)
                                return;
                }
        }
        CHECK(!"it never answered");
}

static int counting(bool by_number)
{
        crew k = {0};
        hand h;
        counter c = {.by_number = by_number, .fd = rein_udp_bind(NULL, "7")};
        int fd = rein_udp_connect("counter", "7", REIN_NEVER);
        CHECK(fd >= 0);
        crew_go(&k, &h, "counter", count_up, &c);
        for (int i = 0; i < 3; i++)
                add_one(&c, fd);
        CHECK(rein_close(c.fd) == 0);
        crew_join(&k);
        CHECK(rein_close(fd) == 0);
        CHECK(c.value == 3);
        return 0;
}

static int counts_well(void *arg)
{
        (void)arg;
        return counting(true);
}

static int counts_twice(void *arg)
{
        (void)arg;
        return counting(false);
}

static void a_protocol_that_is_right_holds(void **state)
{
        (void)state;
        passes(counts_well, NETWORK | HARMLESS | REIN_SIM_EARLY);
}

static void a_protocol_that_counts_twice_is_found(void **state)
{
        (void)state;
        static const uint32_t faults[] = {REIN_SIM_LOSS, REIN_SIM_TWICE};
        assert_int_equal(rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM), counts_twice, NULL), 0);
        for (size_t i = 0; i < COUNT(faults); i++) /* the answer is lost; the question comes twice */
                assert_int_equal(rein_sim_explore(REIN_SIM(.faults = faults[i], .quiet = true), counts_twice, NULL),
                                 REIN_EFOUND);
}

/* ---- waiting ---- */

static void close_it(void *arg)
{
        CHECK(rein_close(*(int *)arg) == 0);
}

static int close_wakes(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h;
        char byte;
        int fd = rein_udp_bind("a", "1");
        (void)rein_wait_fd(fd, POLLIN, REIN_NOWAIT); /* from here on nobody opens one: the number stays closed */
        crew_go(&c, &h, "closer", close_it, &fd);
        CHECK(rein_recvfrom(fd, &byte, 1, NULL, REIN_NEVER) == -EBADF);
        crew_join(&c);
        return 0;
}

static void a_close_wakes_the_receiver(void **state)
{
        (void)state;
        passes(close_wakes, HARMLESS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_faults),
                cmocka_unit_test(a_real_socket_is_refused),
                cmocka_unit_test(each_fault_comes_when_asked_for_and_only_then),
                cmocka_unit_test(a_protocol_that_is_right_holds),
                cmocka_unit_test(a_protocol_that_counts_twice_is_found),
                cmocka_unit_test(a_close_wakes_the_receiver),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
