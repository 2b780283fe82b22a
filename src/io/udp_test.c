/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams: the same calls in a plain thread, a pool's thread and a coroutine. */
#include "everywhere.h"

#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

static void passes_everywhere(rein_fn fn, void *arg)
{
        for (int place = 0; place < PLACES; place++) {
                int rc = there(place, fn, arg);
                if (rc != 0)
                        fail_msg("in place %d: line %d (%s)", place, REIN_EUSER - rc, rein_code_name(rc));
        }
}

static int port_of(int fd)
{
        rein_addr own;
        char text[REIN_ADDR_TEXT];
        if (rein_addr_local(fd, &own) < 0)
                return -1;
        const char *port = strrchr(rein_addr_text(&own, text), ':');
        return port ? atoi(port + 1) : -1;
}

/* Connected to fd's port. */
static int client_of(const char *host, int fd)
{
        char port[16];
        snprintf(port, sizeof port, "%d", port_of(fd));
        return rein_udp_connect(host, port, REIN_NEVER);
}

/* ---- what comes and goes ---- */

static rein_time at_once = {INT64_MIN}; /* REIN_NOWAIT; not where "at once" is made to fail */

static int there_and_back(void *arg)
{
        const char *host = arg;
        char bytes[3000], got[3000];
        rein_addr from = {0}, own, expected;
        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (char)(i * 31);
        int server = rein_udp_bind(host, "0");
        int client = client_of(host, server);
        OK(server >= 0 && client >= 0);
        OK(fcntl(server, F_GETFD) == FD_CLOEXEC && fcntl(client, F_GETFD) == FD_CLOEXEC);
        static const size_t sizes[] = {1, 0, 1400, 0, 3000};
        for (size_t i = 0; i < COUNT(sizes); i++) {
                int64_t n = (int64_t)sizes[i];
                OK(rein_sendto(client, bytes, sizes[i], NULL, REIN_NEVER) == n);
                OK(rein_recvfrom(server, got, sizeof got, &from, REIN_NEVER) == n);
                OK(memcmp(bytes, got, sizes[i]) == 0);
                OK(rein_addr_local(client, &own) == 0 && rein_addr_equal(&own, &from));
                OK(rein_sendto(server, bytes, sizes[i], &from, at_once) == n);
                OK(rein_wait_fd(client, POLLIN, REIN_NEVER) == POLLIN);
                OK(rein_recvfrom(client, got, sizeof got, &from, at_once) == n);
                OK(rein_addr_local(server, &expected) == 0 && rein_addr_equal(&expected, &from));
                OK(!rein_addr_equal(&own, &from));
        }
        OK(rein_sendto(client, NULL, 0, NULL, REIN_NEVER) == 0);
        OK(rein_recvfrom(server, NULL, 0, NULL, REIN_NEVER) == 0);
        OK(rein_close(client) == 0 && rein_close(server) == 0);
        return 0;
}

static void test_datagrams_come_as_they_were_sent(void **state)
{
        (void)state;
        passes_everywhere(there_and_back, (void *)(uintptr_t) "127.0.0.1");
        passes_everywhere(there_and_back, (void *)(uintptr_t) "::1");
}

static int cut_short(void *arg)
{
        (void)arg;
        char got[4] = "....";
        rein_addr from = {0}, own;
        int server = rein_udp_bind("127.0.0.1", "0"), client = client_of("127.0.0.1", server);
        OK(rein_sendto(client, "abcdef", 6, NULL, REIN_NEVER) == 6);
        OK(rein_sendto(client, "ghi", 3, NULL, REIN_NEVER) == 3);
        OK(rein_recvfrom(server, got, 4, &from, REIN_NEVER) == -EMSGSIZE);
        OK(memcmp(got, "abcd", 4) == 0); /* what there was room for */
        OK(rein_addr_local(client, &own) == 0 && rein_addr_equal(&own, &from));
        OK(rein_recvfrom(server, got, 3, NULL, REIN_NEVER) == 3 && memcmp(got, "ghi", 3) == 0);
        static const char much[70000];
        OK(rein_sendto(client, much, sizeof much, NULL, REIN_NEVER) == -EMSGSIZE);
        OK(rein_recvfrom(server, got, 4, NULL, REIN_NOWAIT) == REIN_ETIMEOUT);
        OK(rein_close(client) == 0 && rein_close(server) == 0);
        return 0;
}

static void test_what_is_too_long_is_said_so(void **state)
{
        (void)state;
        passes_everywhere(cut_short, NULL);
}

static int nobody_there(void *arg)
{
        char byte;
        rein_addr from = {.len = 77};
        int server = rein_udp_bind("127.0.0.1", "0"), client = client_of("127.0.0.1", server);
        OK(rein_close(server) == 0);
        OK(rein_sendto(client, "x", 1, NULL, REIN_NEVER) == 1);
        if (arg) {
                OK(rein_recvfrom(client, &byte, 1, &from, REIN_NEVER) == -ECONNREFUSED);
        } else {
                OK(rein_wait_fd(client, POLLIN, REIN_NEVER) & POLLERR);
                OK(rein_sendto(client, "x", 1, NULL, REIN_NEVER) == -ECONNREFUSED);
        }
        OK(from.len == 77);
        OK(rein_recvfrom(client, &byte, 1, &from, REIN_NOWAIT) == REIN_ETIMEOUT); /* told once */
        OK(rein_close(client) == 0);
        return 0;
}

static void test_a_peer_that_is_not_there_is_told(void **state)
{
        (void)state;
        passes_everywhere(nobody_there, NULL);
        passes_everywhere(nobody_there, &in);
}

/* ---- addresses ---- */

static int addresses(void *arg)
{
        (void)arg;
        char text[REIN_ADDR_TEXT], expected[64];
        rein_addr a, b;
        int v4 = rein_udp_bind("127.0.0.1", "0"), v6 = rein_udp_bind("::1", "0"), any = rein_udp_bind(NULL, "0");
        OK(v4 >= 0 && v6 >= 0 && any >= 0);
        OK(rein_addr_find(v4, "127.0.0.1", "53", &a, REIN_NEVER) == 0);
        OK(strcmp(rein_addr_text(&a, text), "127.0.0.1:53") == 0);
        OK(rein_addr_find(v6, "::1", "54", &b, REIN_NEVER) == 0);
        OK(strcmp(rein_addr_text(&b, text), "[::1]:54") == 0);
        OK(!rein_addr_equal(&a, &b));
        OK(rein_addr_find(v4, "::1", "54", &a, REIN_NEVER) == -EADDRNOTAVAIL); /* not in its family */
        OK(rein_addr_find(v6, "127.0.0.1", "54", &a, REIN_NEVER) == -EADDRNOTAVAIL);
        OK(strcmp(rein_addr_text(&a, text), "127.0.0.1:53") == 0); /* as it was */
        OK(rein_addr_find(-1, "::1", "54", &a, REIN_NEVER) == 0 && rein_addr_equal(&a, &b));
        OK(rein_addr_find(v4, "localhost", "55", &a, REIN_NEVER) == 0); /* a name: by a thread */
        OK(strcmp(rein_addr_text(&a, text), "127.0.0.1:55") == 0);
        OK(rein_addr_find(-1, "no.such.name.invalid", "55", &a, REIN_NEVER) < 0);
        OK(rein_addr_local(any, &a) == 0);
        snprintf(expected, sizeof expected, "0.0.0.0:%d", port_of(any));
        OK(strcmp(rein_addr_text(&a, text), expected) == 0);
        int other = client_of("127.0.0.1", any); /* every address is also this one */
        OK(rein_sendto(other, "x", 1, NULL, REIN_NEVER) == 1);
        OK(rein_recvfrom(any, text, 1, NULL, REIN_NEVER) == 1);
        OK(rein_udp_bind("127.0.0.1", NULL) == -EINVAL && rein_udp_connect(NULL, "53", REIN_NEVER) == -EINVAL);
        OK(rein_addr_find(v4, NULL, "53", &a, REIN_NEVER) == -EINVAL);
        OK(rein_addr_find(v4, "127.0.0.1", "53", NULL, REIN_NEVER) == -EINVAL);
        snprintf(expected, sizeof expected, "%d", port_of(v4));
        OK(rein_udp_bind("127.0.0.1", expected) == -EADDRINUSE);
        OK(rein_udp_connect("255.255.255.255", expected, REIN_NEVER) == -EACCES); /* broadcasts must be asked for */
        OK(rein_close(v4) == 0 && rein_close(v6) == 0 && rein_close(any) == 0 && rein_close(other) == 0);
        OK(rein_addr_local(v4, &a) == -EBADF);
        a = (rein_addr){0};
        OK(strcmp(rein_addr_text(&a, text), "") == 0);
        return 0;
}

static void test_addresses(void **state)
{
        (void)state;
        passes_everywhere(addresses, NULL);
}

/* ---- names that are looked up for long ---- */

static stubborn slow;

/* In the place of the C library's: for this name it takes until it is let go. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
        int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        if (!host || strcmp(host, "slow.example") != 0 || hints->ai_flags & AI_NUMERICHOST)
                return real(host, service, hints, list);
        stubborn_stay(&slow);
        return real("127.0.0.1", service, hints, list);
}

typedef struct asking {
        int how;
        rein_scope scope;
} asking;

enum { CONNECT, UDP_CONNECT, FIND, ASKS };

static int asks(void *arg)
{
        asking *a = arg;
        rein_addr addr = {.len = 77};
        int rc = 0;
        rein_scope_open(&a->scope, REIN_NEVER);
        if (a->how == CONNECT)
                rc = rein_connect("slow.example", "53", REIN_NEVER);
        else if (a->how == UDP_CONNECT)
                rc = rein_udp_connect("slow.example", "53", REIN_NEVER);
        else
                rc = rein_addr_find(-1, "slow.example", "53", &addr, REIN_NEVER);
        (void)rein_scope_close(&a->scope, 0);
        return addr.len == 77 ? rc : -EPROTO;
}

static void *asks_plainly(void *arg)
{
        return (void *)(intptr_t)asks(arg);
}

static int left_in(int place, int how)
{
        asking a = {.how = how};
        pthread_t t = 0;
        void *rc;
        rein_future *f = NULL;
        const int before = atomic_load(&slow.inside);
        if (place == PLAIN)
                t = go(asks_plainly, &a);
        else
                f = rein_submit(in[place], asks, &a, REIN_JOB(.on_worker = true));
        EVENTUALLY(slow.inside == before + 1);
        rein_scope_cancel(&a.scope, NULL);
        if (f)
                return ended(f);
        pthread_join(t, &rc);
        return (int)(intptr_t)rc;
}

static bool somebody_looks_up(void)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->fd_lock);
        const bool yes = w->lookup_threads > 0;
        rn_lock_give(&w->fd_lock);
        return yes;
}

/* What it finds when its caller has left is given back: the harness counts it. */
static void test_a_lookup_that_takes_long_is_left(void **state)
{
        (void)state;
        stubborn_init(&slow);
        for (int place = 0; place < PLACES; place++)
                for (int how = 0; how < ASKS; how++)
                        assert_int_equal(left_in(place, how), REIN_ECANCELED);
        assert_int_equal(slow.left, 0);
        stubborn_let_go(&slow, PLACES * ASKS);
        EVENTUALLY(!somebody_looks_up());
        assert_int_equal(slow.left, PLACES * ASKS);
}

static int wrong_descriptors(void *arg)
{
        (void)arg;
        char byte;
        int ends[2], closed, stream[2];
        rein_addr to = {0};
        OK(pipe2(ends, O_CLOEXEC) == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == 0);
        OK(rein_recvfrom(ends[0], &byte, 1, NULL, REIN_NEVER) == -ENOTSOCK);
        OK(rein_sendto(ends[1], "x", 1, NULL, REIN_NEVER) == -ENOTSOCK);
        closed = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
        close(closed);
        OK(rein_recvfrom(closed, &byte, 1, NULL, REIN_NEVER) == -EBADF);
        OK(rein_sendto(closed, "x", 1, NULL, REIN_NEVER) == -EBADF);
        OK(rein_sendto(stream[0], "x", 1, &to, REIN_NEVER) == -EINVAL); /* no address */
        int alone = rein_udp_bind("127.0.0.1", "0");
        OK(rein_sendto(alone, "x", 1, NULL, REIN_NEVER) == -EDESTADDRREQ);
        close(stream[1]);
        OK(rein_sendto(stream[0], "x", 1, NULL, REIN_NEVER) == -EPIPE); /* no SIGPIPE */
        close(stream[0]);
        close(ends[0]);
        close(ends[1]);
        OK(rein_close(alone) == 0);
        return 0;
}

static void test_what_has_no_datagrams_is_said_so(void **state)
{
        (void)state;
        passes_everywhere(wrong_descriptors, NULL);
}

/* ---- leaving ---- */

enum { COROUTINE_ASLEEP = 2 }; /* loop.h */

typedef struct waiter {
        int fd;
        bool sends;
        rein_time until;
        rein_scope scope;
        seat seat;
        atomic_int open;
} waiter;

static int waits(void *arg)
{
        waiter *w = arg;
        char bytes[16];
        rein_scope_open(&w->scope, REIN_NEVER);
        sit(&w->seat);
        atomic_store(&w->open, 1);
        int64_t rc = w->sends ? rein_sendto(w->fd, "x", 1, NULL, w->until)
                              : rein_recvfrom(w->fd, bytes, sizeof bytes, NULL, w->until);
        (void)rein_scope_close(&w->scope, 0);
        return (int)rc;
}

static void *waits_plainly(void *arg)
{
        return (void *)(intptr_t)waits(arg);
}

typedef struct leaving {
        waiter w;
        int place;
        pthread_t thread;
        rein_future *future;
} leaving;

static void begin_to_wait(leaving *l, int place, int fd, bool sends)
{
        *l = (leaving){.w = {.fd = fd, .sends = sends, .until = REIN_NEVER}, .place = place};
        if (place == PLAIN)
                l->thread = go(waits_plainly, &l->w);
        else
                l->future = rein_submit(in[place], waits, &l->w, REIN_JOB(.on_worker = true));
        EVENTUALLY(l->w.open && sits_in(&l->w.seat, sends ? "rein_sendto" : "rein_recvfrom"));
        rn_task *task = atomic_load(&l->w.seat.task); /* a coroutine is asleep, its descriptor is watched */
        EVENTUALLY(task->backend->thread || rn_load32(&task->door.word) == COROUTINE_ASLEEP);
}

static int waited(leaving *l)
{
        void *rc;
        if (l->place != PLAIN)
                return ended(l->future);
        join_with(l->thread, &rc);
        return (int)(intptr_t)rc;
}

/* Two ends of which one takes no more. */
static void full_pair(int pair[2])
{
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
        while (send(pair[0], "x", 1, MSG_DONTWAIT) == 1)
                ;
        assert_int_equal(errno, EAGAIN);
}

static void test_every_wait_leaves_on_a_cancel(void **state)
{
        (void)state;
        for (int place = 0; place < PLACES; place++) {
                for (int sends = 0; sends <= 1; sends++) {
                        int pair[2];
                        leaving l;
                        full_pair(pair);
                        begin_to_wait(&l, place, pair[0], sends);
                        rein_scope_cancel(&l.w.scope, NULL);
                        assert_int_equal(waited(&l), REIN_ECANCELED);
                        close(pair[0]);
                        close(pair[1]);
                }
        }
}

static void test_close_wakes_every_waiter(void **state)
{
        (void)state;
        for (int sends = 0; sends <= 1; sends++) {
                int pair[2];
                leaving l[2 * PLACES];
                full_pair(pair);
                for (size_t i = 0; i < COUNT(l); i++)
                        begin_to_wait(&l[i], (int)i % PLACES, pair[0], sends);
                assert_int_equal(rein_close(pair[0]), 0);
                for (size_t i = 0; i < COUNT(l); i++)
                        assert_int_equal(waited(&l[i]), -EBADF);
                close(pair[1]);
        }
}

static int limits(void *arg)
{
        const int *pair = arg;
        const rein_time until[] = {REIN_NOWAIT, REIN_TIME(0), rein_after(REIN_MS(1))};
        char byte;
        rein_scope s;
        for (size_t i = 0; i < COUNT(until); i++) {
                OK(rein_recvfrom(pair[0], &byte, 1, NULL, until[i]) == REIN_ETIMEOUT);
                OK(rein_sendto(pair[0], "x", 1, NULL, until[i]) == REIN_ETIMEOUT);
        }
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        OK(rein_recvfrom(pair[0], &byte, 1, NULL, REIN_NEVER) == REIN_ECANCELED);
        OK(rein_sendto(pair[0], "x", 1, NULL, REIN_NEVER) == REIN_ECANCELED);
        OK(rein_sendto(pair[1], "x", 1, NULL, REIN_NEVER) == REIN_ECANCELED); /* at entry, although there is room */
        OK(rein_udp_bind("127.0.0.1", "0") == REIN_ECANCELED);
        OK(rein_udp_connect("127.0.0.1", "53", REIN_NEVER) == REIN_ECANCELED);
        OK(rein_scope_close(&s, REIN_ECANCELED) == REIN_ETIMEOUT);
        OK(rein_recvfrom(pair[0], &byte, 1, NULL, REIN_NOWAIT) == REIN_ETIMEOUT); /* so it was not sent */
        return 0;
}

static void test_limits_and_deadlines(void **state)
{
        (void)state;
        int pair[2];
        full_pair(pair);
        passes_everywhere(limits, pair);
        close(pair[0]);
        close(pair[1]);
}

static void test_each_datagram_goes_to_one_of_several_receivers(void **state)
{
        (void)state;
        leaving l[4 * PLACES];
        int server = rein_udp_bind("127.0.0.1", "0"), client = client_of("127.0.0.1", server);
        for (size_t i = 0; i < COUNT(l); i++)
                begin_to_wait(&l[i], (int)i % PLACES, server, false);
        for (size_t i = 0; i < COUNT(l); i++)
                assert_int_equal(rein_sendto(client, "123456789abc", i + 1, NULL, REIN_NEVER), (int)i + 1);
        unsigned seen = 0;
        for (size_t i = 0; i < COUNT(l); i++) {
                int n = waited(&l[i]);
                assert_in_range(n, 1, COUNT(l));
                assert_int_equal(seen & 1u << n, 0);
                seen |= 1u << n;
        }
        assert_int_equal(rein_close(client), 0);
        assert_int_equal(rein_close(server), 0);
}

/* A receiver whose socket is never empty lets the other coroutines run all the same. */
static atomic_int others;

static int another(void *arg)
{
        (void)arg;
        atomic_store(&others, 1);
        return 0;
}

static int takes_all(void *arg)
{
        char byte;
        rein_future *f = rein_submit(in[LOOP], another, NULL, NULL);
        rein_drop(f);
        for (int i = 0; i < 100; i++) {
                OK(rein_sendto(*(int *)arg, "x", 1, NULL, REIN_NEVER) == 1);
                OK(rein_recvfrom(*(int *)arg, &byte, 1, NULL, REIN_NEVER) == 1);
        }
        OK(atomic_load(&others) == 1);
        return 0;
}

static void test_a_busy_receiver_lets_others_run(void **state)
{
        (void)state;
        char port[16];
        int fd = rein_udp_bind("127.0.0.1", "0");
        snprintf(port, sizeof port, "%d", port_of(fd));
        rein_addr own;
        assert_int_equal(rein_addr_local(fd, &own), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)own.bytes, own.len), 0); /* it talks to itself */
        assert_int_equal(there(LOOP, takes_all, &fd), 0);
        assert_int_equal(rein_close(fd), 0);
}

/* ---- chance ---- */

static atomic_uint asked;

static uint32_t every_third(uint32_t n, rn_choice kind)
{
        (void)n;
        return (kind == RN_CHOOSE_INTR || kind == RN_CHOOSE_AGAIN) &&
               atomic_fetch_add(&asked, 1) * 2654435761u % 3 == 0;
}

static int stormy(void)
{
        rn_choose_by(every_third);
        at_once = REIN_NEVER;
        open_places(NULL);
        for (int place = 0; place < PLACES; place++)
                for (int i = 0; i < 50; i++)
                        if (there(place, there_and_back, (void *)(uintptr_t) "127.0.0.1") != 0)
                                return 1;
        close_places(NULL);
        return atomic_load(&asked) > 1000 ? 0 : 2;
}

static void test_interrupted_calls_are_continued(void **state)
{
        (void)state;
        assert_int_equal(program_run("stormy", NULL, 0), 0);
}

static const program programs[] = {{"stormy", stormy}};

int main(int argc, char **argv)
{
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_datagrams_come_as_they_were_sent),
                cmocka_unit_test(test_what_is_too_long_is_said_so),
                cmocka_unit_test(test_a_peer_that_is_not_there_is_told),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_a_lookup_that_takes_long_is_left),
                cmocka_unit_test(test_what_has_no_datagrams_is_said_so),
                cmocka_unit_test(test_every_wait_leaves_on_a_cancel),
                cmocka_unit_test(test_close_wakes_every_waiter),
                cmocka_unit_test(test_limits_and_deadlines),
                cmocka_unit_test(test_each_datagram_goes_to_one_of_several_receivers),
                cmocka_unit_test(test_a_busy_receiver_lets_others_run),
                cmocka_unit_test(test_interrupted_calls_are_continued),
        };
        return cmocka_run_group_tests(tests, open_places, close_places);
}
