/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines: what waits in them, by time, by descriptor, by signal; their stacks, and what happens when there is no
 * memory for one. Every test runs with both pollers.
 *
 * It takes up to ten seconds of a processor: a hundred thousand coroutines are parked at once, under each poller. */
#include <rein/loop.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "loop/loop.h"
#include "need.h"

static bool portable;

static void passes(rein_fn fn, void *arg)
{
        int rc = rein_run(fn, arg, REIN_LOOP(.portable = portable));
        if (rc < 0)
                rein_error_print(stderr, rein_trail());
        assert_int_equal(rc, 0);
}

static void let_others_run(void)
{
        rein_sleep(REIN_NOWAIT);
        rein_sleep(REIN_NOWAIT);
}

/* ---- time ---- */

enum { SLEEPERS = 200 };

typedef struct sleeper {
        rein_time at;
        int *order, *count, mine;
} sleeper;

static int sleep_until(void *arg)
{
        sleeper *s = arg;
        int rc = rein_sleep(s->at);
        if (rein_now().ns < s->at.ns)
                return rein_fail(-EPROTO, "too early");
        s->order[(*s->count)++] = s->mine;
        return rc;
}

/* Started last: the others sleep by now. */
static int look_at_the_clock(void *arg)
{
        *(rein_time *)arg = rein_now();
        return 0;
}

/* So many sleep until moments after `span` has gone by. *in_time: all of them slept before the first of these. */
static int sleepers_wake(int64_t span, bool *in_time)
{
        int order[SLEEPERS], count = 0;
        sleeper s[SLEEPERS];
        rein_time first = rein_after(span), asleep = first;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < SLEEPERS; i++) {
                int place = i * 77 % SLEEPERS;
                s[i] = (sleeper){REIN_TIME(first.ns + place * 1000), order, &count, place};
                rein_spawn(&g, NULL, sleep_until, &s[i], NULL);
        }
        rein_spawn(&g, NULL, look_at_the_clock, &asleep, NULL);
        NEED(rein_group_close(&g, 0) == 0);
        NEED(count == SLEEPERS);
        *in_time = asleep.ns < first.ns;
        for (int i = 0; i < SLEEPERS && *in_time; i++)
                NEED(order[i] == i);
        return 0;
}

static int sleepers_wake_in_order(void *arg)
{
        (void)arg;
        bool in_time = false;
        for (int64_t span = REIN_MS(2); !in_time; span *= 2) /* on a busy machine the first moments are over too soon */
                NEED(sleepers_wake(span, &in_time) == 0);
        return 0;
}

static void test_sleepers_wake_in_the_order_of_their_times_and_none_too_early(void **state)
{
        (void)state;
        passes(sleepers_wake_in_order, NULL);
}

static int count_waits(void *arg)
{
        (void)arg;
        char c;
        int ends[2];
        NEED(pipe2(ends, O_CLOEXEC) == 0);
        rein_future *never;
        rein_promise *p = rein_promise_new(&never);
        rein_time soon = rein_after(REIN_MS(1));
        NEED(rein_read(ends[0], &c, 1, soon) == REIN_ETIMEOUT);
        NEED(rein_wait_fd(ends[0], POLLIN, REIN_NOWAIT) == REIN_ETIMEOUT);
        NEED(rein_await(never, NULL, rein_after(REIN_MS(1))) == REIN_ETIMEOUT);
        NEED(rein_wait_signal(SIGUSR2, rein_after(REIN_MS(1))) == REIN_ETIMEOUT);
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        NEED(rein_scope_close(&s, (int)rein_read(ends[0], &c, 1, REIN_NEVER)) == REIN_ETIMEOUT);
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(never);
        close(ends[0]);
        close(ends[1]);
        return 0;
}

static void test_every_wait_ends_at_its_time_or_at_its_scopes(void **state)
{
        (void)state;
        passes(count_waits, NULL);
}

/* ---- descriptors ---- */

typedef struct echo {
        int listener, port, rounds;
} echo;

static int answer(void *arg)
{
        int fd = *(int *)arg;
        char buf[64];
        int64_t n;
        while ((n = rein_read(fd, buf, sizeof buf, REIN_NEVER)) > 0)
                if (rein_write(fd, buf, (size_t)n, REIN_NEVER) < 0)
                        break;
        rein_close(fd);
        return n < 0 ? (int)n : 0;
}

static int serve(void *arg)
{
        echo *e = arg;
        rein_group g;
        rein_group_open(&g, NULL);
        int fd;
        while ((fd = rein_accept(e->listener, REIN_NEVER)) >= 0)
                rein_spawn(&g, NULL, answer, REIN_COPY(fd));
        return rein_group_close(&g, fd == -EBADF ? 0 : fd);
}

static int call_and_echo(void *arg)
{
        echo *e = arg;
        char port[16], buf[8];
        snprintf(port, sizeof port, "%d", e->port);
        int fd = rein_connect("127.0.0.1", port, REIN_NEVER);
        NEED(fd >= 0);
        for (int i = 0; i < e->rounds; i++) {
                NEED(rein_write(fd, "12345678", 8, REIN_NEVER) == 8);
                for (int64_t have = 0; have < 8;) {
                        int64_t n = rein_read(fd, buf + have, (size_t)(8 - have), REIN_NEVER);
                        NEED(n > 0);
                        have += n;
                }
                NEED(memcmp(buf, "12345678", 8) == 0);
        }
        NEED(rein_close(fd) == 0);
        return 0;
}

static int server_and_clients(void *arg)
{
        (void)arg;
        struct sockaddr_in at;
        socklen_t n = sizeof at;
        echo e = {.listener = rein_listen("127.0.0.1", "0", 64), .rounds = 50};
        NEED(e.listener >= 0 && getsockname(e.listener, (struct sockaddr *)&at, &n) == 0);
        e.port = ntohs(at.sin_port);
        rein_group servers, clients;
        rein_group_open(&servers, NULL);
        rein_spawn(&servers, NULL, serve, &e, NULL);
        rein_group_open(&clients, NULL);
        for (int i = 0; i < 20; i++)
                rein_spawn(&clients, NULL, call_and_echo, &e, NULL);
        NEED(rein_group_close(&clients, 0) == 0);
        NEED(rein_close(e.listener) == 0); /* gets the server out of its accept */
        NEED(rein_group_close(&servers, 0) == 0);
        return 0;
}

static void test_sockets_listen_accept_connect_read_write_and_close(void **state)
{
        (void)state;
        passes(server_and_clients, NULL);
}

static int connect_to_nobody(void *arg)
{
        (void)arg;
        NEED(rein_connect("127.0.0.1", "1", REIN_NEVER) == -ECONNREFUSED);
        int l = rein_listen("localhost", "0", 1); /* a name: looked up by a thread */
        NEED(l >= 0);
        NEED(rein_close(l) == 0);
        NEED(rein_connect("127.0.0.1", "no-such-service-at-all", REIN_NEVER) == -EADDRNOTAVAIL);
        return 0;
}

static void test_failures_of_sockets_are_told(void **state)
{
        (void)state;
        passes(connect_to_nobody, NULL);
}

typedef struct shared {
        int fd;
        atomic_int woken;
        char got[8];
        int count;
} shared;

static int wait_for_it(void *arg)
{
        shared *s = arg;
        int rc = rein_wait_fd(s->fd, POLLIN, REIN_NEVER);
        s->woken++;
        return rc < 0 ? rc : 0;
}

static int wait_to_write(void *arg)
{
        shared *s = arg;
        int rc = rein_wait_fd(s->fd, POLLOUT, REIN_NEVER);
        s->woken += 100;
        return rc == POLLOUT ? 0 : -EPROTO;
}

static int several_wait_for_one(void *arg)
{
        (void)arg;
        int pair[2];
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        shared s = {.fd = pair[0]};
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 5; i++)
                rein_spawn(&g, NULL, wait_for_it, &s, NULL);
        rein_spawn(&g, NULL, wait_to_write, &s, NULL); /* it can at once: the others go on waiting */
        while (s.woken < 100)
                rein_sleep(REIN_NOWAIT);
        NEED(s.woken == 100);
        NEED(write(pair[1], "x", 1) == 1);
        NEED(rein_group_close(&g, 0) == 0);
        NEED(s.woken == 105);
        close(pair[0]);
        close(pair[1]);
        return 0;
}

static void test_several_coroutines_wait_for_one_descriptor_each_for_its_own_events(void **state)
{
        (void)state;
        passes(several_wait_for_one, NULL);
}

static int read_some(void *arg)
{
        shared *s = arg;
        int64_t n = rein_read(s->fd, s->got, sizeof s->got, REIN_NEVER);
        s->woken++;
        return (int)n;
}

static int closed_and_used_again(void *arg)
{
        bool keeps_a_copy = *(bool *)arg;
        for (int round = 0; round < 20; round++) {
                int old[2], new[2], copy = -1;
                NEED(pipe2(old, O_CLOEXEC) == 0);
                if (keeps_a_copy)
                        copy = fcntl(old[0], F_DUPFD_CLOEXEC, 0);
                shared s = {.fd = old[0]}, t = {.fd = old[0]};
                rein_group g;
                rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
                rein_future *f[3] = {rein_spawn_future(&g, NULL, read_some, &s, NULL),
                                     rein_spawn_future(&g, NULL, read_some, &s, NULL)};
                let_others_run();
                NEED(rein_close(old[0]) == 0); /* both leave, in the next turn */
                NEED(pipe2(new, O_CLOEXEC) == 0);
                NEED(new[0] == old[0]); /* the number is another's by then */
                f[2] = rein_spawn_future(&g, NULL, read_some, &t, NULL);
                let_others_run();
                NEED(rein_code(f[0]) == -EBADF && rein_code(f[1]) == -EBADF);
                NEED(write(old[1], "old", 3) == (keeps_a_copy ? 3 : -1)); /* a copy is readable; the new one is not */
                let_others_run();
                NEED(rein_code(f[2]) == REIN_EPENDING);
                NEED(write(new[1], "new", 3) == 3);
                NEED(rein_group_join(&g, REIN_NEVER) == 0);
                NEED(rein_code(f[2]) == 3 && memcmp(t.got, "new", 3) == 0);
                NEED(rein_group_close(&g, 0) == 0);
                close(new[0]);
                close(new[1]);
                close(old[1]);
                if (copy >= 0)
                        close(copy);
        }
        return 0;
}

static void test_a_closed_descriptor_wakes_its_waiters_and_its_number_is_another_afterwards(void **state)
{
        (void)state;
        signal(SIGPIPE, SIG_IGN);
        passes(closed_and_used_again, &(bool){false});
        passes(closed_and_used_again, &(bool){true});
        signal(SIGPIPE, SIG_DFL);
}

/* The user closes behind our back, and opens anew: whoever waits afterwards hears of the new one. */
static int closed_behind_our_back(void *arg)
{
        (void)arg;
        for (int round = 0; round < 20; round++) {
                int old[2], new[2];
                NEED(pipe2(old, O_CLOEXEC) == 0);
                int copy = fcntl(old[0], F_DUPFD_CLOEXEC, 0);
                NEED(rein_wait_fd(old[0], POLLIN, rein_after(1000)) == REIN_ETIMEOUT);
                close(old[0]);
                NEED(pipe2(new, O_CLOEXEC) == 0 && new[0] == old[0]);
                NEED(write(old[1], "x", 1) == 1);
                NEED(rein_wait_fd(new[0], POLLIN, rein_after(1000)) == REIN_ETIMEOUT);
                NEED(write(new[1], "y", 1) == 1);
                NEED(rein_wait_fd(new[0], POLLIN, REIN_NEVER) == POLLIN);
                const int all[] = {old[1], new[0], new[1], copy};
                for (size_t i = 0; i < COUNT(all); i++)
                        close(all[i]);
        }
        NEED(rein_wait_fd(900, POLLIN, REIN_NEVER) == -EBADF);
        return 0;
}

static void test_a_number_that_the_user_closed_and_opened_anew_is_the_new_file(void **state)
{
        (void)state;
        passes(closed_behind_our_back, NULL);
}

static int listen_to_signal(void *arg)
{
        int rc = rein_wait_signal(SIGUSR1, REIN_NEVER);
        atomic_fetch_add((atomic_int *)arg, 1);
        return rc == SIGUSR1 ? 0 : rc;
}

static int two_listen(void *arg)
{
        (void)arg;
        atomic_int heard = 0;
        sigset_t now;
        rein_group g;
        rein_group_open(&g, NULL);
        rein_future *first = rein_spawn_future(&g, NULL, listen_to_signal, &heard, NULL);
        rein_spawn(&g, NULL, listen_to_signal, &heard, NULL);
        let_others_run();
        (void)first;
        raise(SIGUSR1);
        while (heard == 0)
                rein_sleep(rein_after(REIN_MS(1)));
        NEED(heard == 1);
        raise(SIGUSR1); /* still blocked, for the other one: else this is death */
        NEED(rein_group_close(&g, 0) == 0);
        NEED(heard == 2);
        pthread_sigmask(SIG_BLOCK, NULL, &now);
        NEED(!sigismember(&now, SIGUSR1)); /* and the mask is what it was */
        return 0;
}

static void test_two_coroutines_listen_to_one_signal_and_the_mask_is_put_back(void **state)
{
        (void)state;
        passes(two_listen, NULL);
}

/* ---- the thread is never blocked ---- */

static int two_readers_one_byte(void *arg)
{
        (void)arg;
        int ends[2];
        NEED(pipe2(ends, O_CLOEXEC) == 0); /* blocking, as the user's are */
        shared s = {.fd = ends[0]};
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        for (int i = 0; i < 3; i++)
                rein_spawn(&g, NULL, read_some, &s, NULL);
        let_others_run();
        NEED(write(ends[1], "x", 1) == 1);
        while (s.woken == 0)
                rein_sleep(REIN_NOWAIT);
        for (int i = 0; i < 32; i++)
                rein_sleep(REIN_NOWAIT); /* those who came too late wait in the poller, not in read(2) */
        NEED(s.woken == 1);
        NEED(!(fcntl(ends[0], F_GETFL) & O_NONBLOCK));
        close(ends[1]);
        NEED(rein_group_join(&g, REIN_NEVER) == 0);
        NEED(s.woken == 3);
        NEED(rein_group_close(&g, 0) == 0);
        close(ends[0]);
        return 0;
}

static void test_a_reader_that_comes_too_late_does_not_block_the_loop(void **state)
{
        (void)state;
        passes(two_readers_one_byte, NULL);
}

static int accept_one(void *arg)
{
        shared *s = arg;
        int fd = rein_accept(s->fd, REIN_NEVER);
        if (fd >= 0)
                close(fd);
        s->woken++;
        return fd < 0 ? fd : 0;
}

static int blocking_listener(void *arg)
{
        (void)arg;
        struct sockaddr_in at;
        socklen_t n = sizeof at;
        char port[16];
        int fd = rein_listen("127.0.0.1", "0", 8);
        NEED(fd >= 0 && getsockname(fd, (struct sockaddr *)&at, &n) == 0);
        NEED(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
        snprintf(port, sizeof port, "%d", ntohs(at.sin_port));
        shared s = {.fd = fd};
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        for (int i = 0; i < 2; i++)
                rein_spawn(&g, NULL, accept_one, &s, NULL);
        let_others_run();
        int c = rein_connect("127.0.0.1", port, REIN_NEVER);
        NEED(c >= 0);
        while (s.woken == 0)
                rein_sleep(rein_after(REIN_MS(1)));
        NEED(rein_close(fd) == 0);
        NEED(rein_group_close(&g, 0) == 0);
        NEED(s.woken == 2);
        close(c);
        return 0;
}

static void test_a_listener_that_may_block_is_accepted_from_by_a_thread(void **state)
{
        (void)state;
        passes(blocking_listener, NULL);
}

static int regular_file(void *arg)
{
        (void)arg;
        char name[] = "/tmp/rein-fiber-XXXXXX", text[64] = {0};
        int fd = mkostemp(name, O_CLOEXEC);
        NEED(fd >= 0 && unlink(name) == 0);
        static char much[1 << 20];
        memset(much, 'm', sizeof much);
        NEED(rein_write(fd, much, sizeof much, REIN_NEVER) == sizeof much);
        NEED(rein_write(fd, "the end", 7, REIN_NEVER) == 7);
        NEED(lseek(fd, -7, SEEK_CUR) == (1 << 20));
        NEED(rein_read(fd, text, sizeof text, REIN_NEVER) == 7);
        NEED(strcmp(text, "the end") == 0);
        NEED(rein_read(fd, text, sizeof text, REIN_NEVER) == 0);
        NEED(rein_wait_fd(fd, POLLIN, REIN_NEVER) == POLLIN);
        close(fd);
        return 0;
}

static void test_regular_files_are_read_and_written(void **state)
{
        (void)state;
        passes(regular_file, NULL);
}

/* Every call that must not block says that it would: what is read comes by a thread, and a cancel gets it out. */
static uint32_t would_block(uint32_t n, rn_choice kind)
{
        (void)n;
        return kind == RN_CHOOSE_AGAIN && rn_fiber_of(rn_self_if());
}

static void test_what_is_not_in_memory_is_read_by_a_thread(void **state)
{
        (void)state;
        rn_choose_by(would_block);
        passes(regular_file, NULL);
        rn_choose_by(NULL);
}

/* A terminal cannot be asked not to block, and a pipe of another process may be empty again after the poll. */
static int terminal(void *arg)
{
        (void)arg;
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        NEED(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
        int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        NEED(slave >= 0);
        shared s = {.fd = slave};
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_future *f = rein_spawn_future(&g, NULL, read_some, &s, NULL);
        rein_future *late = rein_spawn_future(&g, NULL, read_some, &s, NULL);
        let_others_run();
        NEED(rein_write(master, "hello\n", 6, REIN_NEVER) == 6);
        while (s.woken == 0)
                rein_sleep(rein_after(REIN_MS(1)));
        rein_future *other = rein_code(f) == REIN_EPENDING ? f : late;
        NEED(rein_code(other) == REIN_EPENDING);
        rein_cancel(other, "it would read for ever");
        NEED(rein_group_join(&g, REIN_NEVER) == 0);
        NEED(rein_code(other) == REIN_ECANCELED);
        NEED(memcmp(s.got, "hello\n", 6) == 0);
        NEED(rein_group_close(&g, 0) == 0);
        close(slave);
        close(master);
        return 0;
}

static void test_a_terminal_is_read_without_blocking_the_loop(void **state)
{
        (void)state;
        passes(terminal, NULL);
}

static int look_up(void *arg)
{
        atomic_int *done = arg;
        int fd = rein_connect("localhost", "1", REIN_NEVER);
        atomic_fetch_add(done, 1);
        return fd == -ECONNREFUSED ? 0 : fd;
}

static int more_lookups_than_threads(void *arg)
{
        atomic_int *done = arg;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 100; i++)
                rein_spawn(&g, NULL, look_up, done, NULL);
        return rein_group_close(&g, 0);
}

static void test_lookups_have_a_lane_of_their_own(void **state)
{
        (void)state;
        atomic_int done = 0;
        passes(more_lookups_than_threads, &done);
        assert_int_equal(done, 100);
        rn_world *w = rn_world_now();
        EVENTUALLY(({
                rn_lock_take(&w->fd_lock);
                bool none = w->lookup_threads == 0 && rn_list_empty(&w->lookups);
                rn_lock_give(&w->fd_lock);
                none;
        }));
}

/* ---- many, and too many ---- */

enum { CROWD = 100000 };

static int wait_in_the_crowd(void *arg)
{
        gate *g = arg;
        return gate_pass(g);
}

static int a_crowd(void *arg)
{
        size_t n = *(size_t *)arg;
        gate g = gate_new();
        rein_group group;
        rein_group_open(&group, NULL);
        for (size_t i = 0; i < n; i++)
                rein_spawn(&group, NULL, wait_in_the_crowd, &g, NULL);
        for (size_t i = 0; i < n / 64 + 2; i++)
                rein_sleep(REIN_NOWAIT);
        rn_loop *l = rn_fiber_of(rn_self())->loop;
        NEED(rn_load32(&l->busy) == n + 2 && rn_load32(&l->jobs) == 0); /* all parked: main, and who waits for ^C */
        gate_open(&g);
        NEED(rein_group_close(&group, 0) == 0);
        gate_free(&g);
        return 0;
}

static void test_a_hundred_thousand_coroutines_are_parked_at_once(void **state)
{
        (void)state;
        size_t n = CROWD;
#if defined REIN_TSAN
        n = 1000; /* a fiber of its is a mapping */
#elif defined REIN_ASAN
        n = 10000; /* it has a second stack for each */
#endif
        passes(a_crowd, &n);
}

enum { TOO_MANY = 2000 };

/* The bytes of address space that the process has. */
static rlim_t address_space(void)
{
        long pages = 0;
        FILE *statm = fopen("/proc/self/statm", "r");
        int found = statm ? fscanf(statm, "%ld", &pages) : 0;
        if (statm)
                fclose(statm);
        return found == 1 ? (rlim_t)pages * 4096 : 0;
}

/* Submit more coroutines than have room in so many bytes; how many run, how many had no stack? */
static int crowd_in(rein_executor *here, rlim_t room, gate *g, rein_future **f, int *failed, int *waits)
{
        struct rlimit had, tight;
        rlim_t used = address_space();
        NEED(used && getrlimit(RLIMIT_AS, &had) == 0);
        tight = (struct rlimit){.rlim_cur = used + room, .rlim_max = had.rlim_max};
        NEED(setrlimit(RLIMIT_AS, &tight) == 0);
        for (int i = 0; i < TOO_MANY; i++)
                f[i] = rein_submit(here, job_pass, g, NULL);
        for (int i = 0; i < TOO_MANY / 64 + 2; i++)
                rein_sleep(REIN_NOWAIT);
        *failed = *waits = 0;
        for (int i = 0; i < TOO_MANY; i++) {
                *failed += rein_code(f[i]) == -ENOMEM;
                *waits += rein_code(f[i]) == REIN_EPENDING;
        }
        NEED(setrlimit(RLIMIT_AS, &had) == 0);
        return 0;
}

static int too_many(void *arg)
{
        (void)arg;
        atomic_int released = 0;
        int failed = 0, waits = 0;
        rein_future *f[TOO_MANY];
        rein_executor *here = rn_self()->now->work->executor;
        /* A thread of rein that begins meanwhile may take all the room: malloc reserves 128 MiB for it. Then it has what
         * it needs, and the next attempt has its room to itself. */
        for (int attempt = 0; attempt < 8 && (failed == 0 || waits == 0); attempt++) {
                gate g = gate_new();
                NEED(crowd_in(here, 64u << 20, &g, f, &failed, &waits) == 0);
                gate_open(&g);
                NEED(failed + waits == TOO_MANY);
                for (int i = 0; i < TOO_MANY; i++) {
                        int rc = rein_await(f[i], NULL, REIN_NEVER);
                        NEED(rc == 0 || rein_code(f[i]) == -ENOMEM);
                        rein_drop(f[i]);
                }
                gate_free(&g);
        }
        NEED(failed > 0 && waits > 0);
        rein_future *later = rein_submit(here, job_count, &released, REIN_JOB(.release = release_count));
        NEED(rein_await(later, NULL, REIN_NEVER) == 0 && released == 2);
        rein_drop(later);
        return 0;
}

static int program_too_many(void)
{
        int rc = rein_run(too_many, NULL, NULL);
        if (rc < 0)
                rein_error_print(stderr, rein_trail());
        return rc != 0;
}

static void test_when_stacks_run_out_a_coroutine_fails_cleanly_and_later_ones_run(void **state)
{
        (void)state;
#if defined __SANITIZE_ADDRESS__ || defined REIN_ASAN || defined REIN_TSAN
        skip(); /* their shadow is larger than any limit */
#endif
        assert_int_equal(program_run("too-many", NULL, 0), 0);
}

/* ---- how deep they go ---- */

static int sink(volatile char *above, int depth);

static int dive(void *depth)
{
        return sink(NULL, *(int *)depth) < 0;
}

static int dive_elsewhere(void *depth)
{
        rein_sleep(REIN_NOWAIT);
        return dive(depth);
}

static int dive_several(void *arg)
{
        (void)arg;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 10; i <= 50; i += 20) {
                int less = i / 5;
                rein_spawn(&g, NULL, dive, REIN_COPY(i, .name = i == 50 ? "deepest" : "less deep"));
                rein_spawn(&g, NULL, dive_elsewhere, REIN_COPY(less));
        }
        return rein_group_close(&g, 0);
}

static int program_depths(void)
{
        rein_executor *loop = rein_loop_new(REIN_LOOP(.name = "sea", .tell_stacks = true, .stack_size = 256 << 10));
        rein_future *f = rein_submit(loop, dive_several, NULL, REIN_JOB(.name = "captain"));
        int rc = rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        rein_executor_free(loop);
        return rc != 0;
}

static void test_a_loop_tells_how_deep_each_function_went(void **state)
{
        (void)state;
        char said[1024];
        assert_int_equal(program_run("depths", said, sizeof said), 0);
        const char *head = "rein: stacks in the loop 'sea': bytes written at most, of how many, in how many runs\n";
        assert_memory_equal(said, head, strlen(head));
        size_t bytes[3], sizes[3];
        unsigned long runs[3];
        char who[3][96];
        const char *line = said + strlen(head);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(sscanf(line, "rein: %zu of %zu, %lu runs: job %95[^\n]", &bytes[i], &sizes[i],
                                        &runs[i], who[i]),
                                 4);
                assert_int_equal(sizes[i], 256 << 10);
                assert_true(i == 0 || bytes[i] <= bytes[i - 1]);
                line = strchr(line, '\n') + 1;
        }
        assert_string_equal(line, "");       /* a line for each function */
#if !defined REIN_ASAN && !defined REIN_TSAN /* whose frames lie elsewhere, or are larger */
        assert_in_range(bytes[0], 50 * 512, 50 * 1024);
        assert_string_equal(who[0], "'deepest'");
        assert_int_equal(runs[0], 3);
        int captain = strcmp(who[1], "'captain'") == 0 ? 1 : 2;
        assert_string_equal(who[captain], "'captain'");
        assert_int_equal(runs[captain], 1);
        assert_int_equal(runs[3 - captain], 3);
        assert_memory_equal(who[3 - captain], "of fiber_test.c:", 16);
        assert_in_range(bytes[3 - captain], 10 * 512, 10 * 1024 + 4096);
#endif
}

/* ---- a stack that is too small ---- */

static int sink(volatile char *above, int depth)
{
        volatile char here[512];
        here[0] = above ? above[0] : 1;
        return depth ? sink(here, depth - 1) + here[0] : 0;
}

static int overflow(void *arg)
{
        (void)arg;
        return sink(NULL, 1 << 20);
}

static int program_overflow(void)
{
        rein_executor *loop = rein_loop_new(REIN_LOOP(.name = "deep", .tell_overflow = true));
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        rein_future *f = rein_submit(loop, overflow, NULL, REIN_JOB(.name = "sinks"));
        rein_await(f, NULL, REIN_NEVER);
        return 0;
}

static int program_overflow_untold(void)
{
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        return rein_run(overflow, NULL, NULL);
}

static void test_an_overflow_is_death_by_sigsegv_and_names_the_coroutine_if_asked(void **state)
{
        (void)state;
#if defined __SANITIZE_ADDRESS__ || defined REIN_ASAN || defined REIN_TSAN
        skip(); /* their own handler has the word */
#endif
        char said[1024];
        assert_int_equal(program_run("overflow", said, sizeof said), -SIGSEGV);
        assert_string_equal(said, "rein: stack overflow in coroutine 'sinks' of the loop 'deep': "
                                  "give it a larger .stack_size\n");
        assert_int_equal(program_run("overflow-untold", said, sizeof said), -SIGSEGV);
        assert_string_equal(said, "");
}

static int deep_enough(void *arg)
{
        (void)arg;
        return sink(NULL, 1000) < 0;
}

static size_t stack_here(void)
{
        return rn_fiber_of(rn_self())->coro.stack.size;
}

static int note_stack(void *size)
{
        *(size_t *)size = stack_here();
        return 0;
}

/* The deep one's stack is its own: who comes after it has what the loop gives. */
static int some_are_deep(void *arg)
{
        (void)arg;
        size_t mine = stack_here(), deep = 0, later[2] = {0}, small = 0;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 3; i++) {
                rein_spawn(&g, NULL, deep_enough, NULL, REIN_JOB(.stack_size = 4 << 20));
                rein_spawn(&g, NULL, note_stack, &deep, REIN_JOB(.stack_size = 1 << 20));
                rein_spawn(&g, NULL, note_stack, &later[0], NULL);
                rein_spawn(&g, NULL, note_stack, &later[1], NULL);
                rein_spawn(&g, NULL, note_stack, &small, REIN_JOB(.stack_size = 16 << 10));
                NEED(rein_group_join(&g, REIN_NEVER) == 0);
                NEED(mine == 64 << 10 && deep == 1 << 20 && small == mine);
                NEED(later[0] == mine && later[1] == mine);
        }
        return rein_group_close(&g, 0);
}

static void test_a_job_that_needs_a_larger_stack_has_one(void **state)
{
        (void)state;
        passes(some_are_deep, NULL);
}

/* So many bytes of address space more than there are in use. */
static int limit_memory(rlim_t more, struct rlimit *before)
{
        unsigned long pages = 0;
        FILE *f = fopen("/proc/self/statm", "re");
        NEED(f && fscanf(f, "%lu", &pages) == 1 && getrlimit(RLIMIT_AS, before) == 0);
        fclose(f);
        const rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
        return setrlimit(RLIMIT_AS, &(struct rlimit){most, before->rlim_max});
}

static int too_large(void *unused)
{
        (void)unused;
        struct rlimit before;
        NEED(limit_memory((rlim_t)1 << 38, &before) == 0);
        rein_executor *here = rn_self()->now->work->executor;
        rein_future *f = rein_submit(here, job_seven, NULL, REIN_JOB(.stack_size = (size_t)1 << 40));
        NEED(rein_await(f, NULL, REIN_NEVER) < 0 && rein_code(f) == -ENOMEM);
        rein_drop(f);
        NEED(setrlimit(RLIMIT_AS, &before) == 0);
        f = rein_submit(here, job_seven, NULL, NULL);
        NEED(rein_await(f, NULL, REIN_NEVER) == 0 && rein_code(f) == 7);
        rein_drop(f);
        return 0;
}

static void test_a_stack_larger_than_memory_is_an_error_of_that_job(void **state)
{
        (void)state;
        passes(too_large, NULL);
}

static void test_the_stack_has_the_size_that_was_asked_for(void **state)
{
        (void)state;
        assert_int_equal(rein_run(deep_enough, NULL, REIN_LOOP(.portable = portable, .stack_size = 4 << 20)), 0);
}

/* ---- retries, as completed ---- */

static int fails_twice(void *arg)
{
        int *left = arg;
        return (*left)-- > 0 ? rein_fail(-EAGAIN, "not yet") : 0;
}

static int waits_inside(void *arg)
{
        (void)arg;
        int left = 2;
        NEED(rein_retry(REIN_RETRY(.tries = 5, .delay_ns = 1000), fails_twice, &left) == 0);
        NEED(left == -1);
        rein_future *f[3];
        gate g = gate_new();
        rein_group group;
        rein_group_open(&group, REIN_GROUP(.policy = REIN_EACH));
        f[0] = rein_spawn_future(&group, NULL, job_pass, &g, NULL);
        f[1] = rein_spawn_future(&group, NULL, job_seven, NULL, NULL);
        f[2] = rein_spawn_future(&group, NULL, job_fail, NULL, NULL);
        NEED(rein_wait_any(f, 3, REIN_NEVER) == 1);
        rein_done it;
        rein_done_open(&it, f, 3);
        NEED(rein_done_next(&it, REIN_NEVER) == 1);
        NEED(rein_done_next(&it, REIN_NEVER) == 2);
        NEED(rein_done_next(&it, rein_after(1000)) == REIN_ETIMEOUT);
        gate_open(&g);
        NEED(rein_done_next(&it, REIN_NEVER) == 0);
        NEED(rein_done_next(&it, REIN_NEVER) == -ENOENT);
        rein_done_close(&it);
        NEED(rein_group_close(&group, 0) == 0);
        gate_free(&g);
        return 0;
}

static void test_retries_and_waits_for_several_work_inside(void **state)
{
        (void)state;
        passes(waits_inside, NULL);
}

/* ---- trails and errno ---- */

static int own_trail(void *arg)
{
        int mine = *(int *)arg;
        errno = mine;
        rein_fail(-EIO, "number %d", mine);
        for (int i = 0; i < 10; i++)
                rein_sleep(REIN_NOWAIT);
        char text[32];
        snprintf(text, sizeof text, "number %d", mine);
        NEED(errno == mine);
        NEED(strcmp(rein_error_text(rein_trail()), text) == 0);
        return 0;
}

static int trails(void *arg)
{
        (void)arg;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 1; i <= 20; i++)
                rein_spawn(&g, NULL, own_trail, REIN_COPY(i));
        return rein_group_close(&g, 0);
}

static void test_errno_and_the_trail_are_each_coroutines_own(void **state)
{
        (void)state;
        passes(trails, NULL);
}

int main(int argc, char **argv)
{
        static const program programs[] = {{"too-many", program_too_many},
                                           {"overflow", program_overflow},
                                           {"depths", program_depths},
                                           {"overflow-untold", program_overflow_untold}};
        if (argc > 1)
                return program_main(programs, COUNT(programs), argc, argv);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sleepers_wake_in_the_order_of_their_times_and_none_too_early),
                cmocka_unit_test(test_every_wait_ends_at_its_time_or_at_its_scopes),
                cmocka_unit_test(test_sockets_listen_accept_connect_read_write_and_close),
                cmocka_unit_test(test_failures_of_sockets_are_told),
                cmocka_unit_test(test_several_coroutines_wait_for_one_descriptor_each_for_its_own_events),
                cmocka_unit_test(test_a_closed_descriptor_wakes_its_waiters_and_its_number_is_another_afterwards),
                cmocka_unit_test(test_a_number_that_the_user_closed_and_opened_anew_is_the_new_file),
                cmocka_unit_test(test_two_coroutines_listen_to_one_signal_and_the_mask_is_put_back),
                cmocka_unit_test(test_a_reader_that_comes_too_late_does_not_block_the_loop),
                cmocka_unit_test(test_a_listener_that_may_block_is_accepted_from_by_a_thread),
                cmocka_unit_test(test_regular_files_are_read_and_written),
                cmocka_unit_test(test_what_is_not_in_memory_is_read_by_a_thread),
                cmocka_unit_test(test_a_terminal_is_read_without_blocking_the_loop),
                cmocka_unit_test(test_lookups_have_a_lane_of_their_own),
                cmocka_unit_test(test_a_hundred_thousand_coroutines_are_parked_at_once),
                cmocka_unit_test(test_when_stacks_run_out_a_coroutine_fails_cleanly_and_later_ones_run),
                cmocka_unit_test(test_an_overflow_is_death_by_sigsegv_and_names_the_coroutine_if_asked),
                cmocka_unit_test(test_a_loop_tells_how_deep_each_function_went),
                cmocka_unit_test(test_the_stack_has_the_size_that_was_asked_for),
                cmocka_unit_test(test_a_job_that_needs_a_larger_stack_has_one),
                cmocka_unit_test(test_a_stack_larger_than_memory_is_an_error_of_that_job),
                cmocka_unit_test(test_retries_and_waits_for_several_work_inside),
                cmocka_unit_test(test_errno_and_the_trail_are_each_coroutines_own),
        };
        int rc = cmocka_run_group_tests_name("epoll", tests, NULL, NULL);
        portable = true;
        return rc + cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
