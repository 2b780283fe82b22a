/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors, sockets and signals: what blocks leaves at once on a cancel, a limit or a rein_close. */
#include "support.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* One call that blocks, on a thread of its own and in a scope that the test may cancel. */
typedef struct blocked {
        int (*call)(struct blocked *b);
        int fd;
        rein_time until;
        rein_scope scope;
        seat seat;
        atomic_int open;
        int rc;
} blocked;

static void *block(void *arg)
{
        blocked *b = arg;
        rein_scope_open(&b->scope, REIN_NEVER);
        sit(&b->seat);
        atomic_store(&b->open, 1);
        b->rc = b->call(b);
        (void)rein_scope_close(&b->scope, 0);
        return NULL;
}

static int call_wait_fd(blocked *b)
{
        return rein_wait_fd(b->fd, POLLIN, b->until);
}

static int call_read(blocked *b)
{
        char c;
        return (int)rein_read(b->fd, &c, 1, b->until);
}

static int call_accept(blocked *b)
{
        return rein_accept(b->fd, b->until);
}

static int call_write(blocked *b)
{
        static const char much[1 << 20];
        return (int)rein_write(b->fd, much, sizeof much, b->until);
}

static int call_signal(blocked *b)
{
        return rein_wait_signal(SIGUSR1, b->until);
}

/* A port nobody answers at: a backlog that is full. */
static int call_connect(blocked *b)
{
        char port[16];
        int made[64], n = 0, rc = 0;
        snprintf(port, sizeof port, "%d", b->fd);
        while (n < (int)COUNT(made) && rc >= 0)
                made[n++] = rc = rein_connect("127.0.0.1", port, b->until);
        while (n-- > 0)
                if (made[n] >= 0)
                        close(made[n]); /* it stays in the backlog */
        return rc < 0 ? rc : 0;
}

static int port_of(int fd)
{
        struct sockaddr_in at;
        socklen_t n = sizeof at;
        assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
        return ntohs(at.sin_port);
}

typedef struct fds {
        int pipe_in[2], pipe_out[2], pair[2], listener, full, full_port;
} fds;

static void open_fds(fds *f)
{
        assert_int_equal(pipe2(f->pipe_in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(f->pipe_out, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->pair), 0);
        f->listener = rein_listen("127.0.0.1", "0", 8);
        f->full = rein_listen("127.0.0.1", "0", 1);
        assert_true(f->listener >= 0 && f->full >= 0);
        f->full_port = port_of(f->full);
}

static void close_fds(fds *f)
{
        const int all[] = {f->pipe_in[0], f->pipe_in[1], f->pipe_out[0], f->pipe_out[1],
                           f->pair[0],    f->pair[1],    f->listener,    f->full};
        for (size_t i = 0; i < COUNT(all); i++)
                close(all[i]); /* some are closed already */
}

static size_t cases(const fds *f, blocked *b, const char **doing)
{
        size_t n = 0;
#define CASE(what, fn, d) (doing[n] = (what), b[n++] = (blocked){.call = (fn), .fd = (d), .until = REIN_NEVER})
        CASE("rein_wait_fd", call_wait_fd, f->pipe_in[0]);
        CASE("rein_read", call_read, f->pipe_in[0]);
        CASE("rein_read", call_read, f->pair[0]);
        CASE("rein_write", call_write, f->pipe_out[1]);
        CASE("rein_write", call_write, f->pair[0]);
        CASE("rein_accept", call_accept, f->listener);
        CASE("rein_connect", call_connect, f->full_port);
        CASE("rein_wait_signal", call_signal, 0);
#undef CASE
        return n;
}

/* A writer waits when there is no room, and it says so after that: before, it is on its way through its bytes. */
static void until_it_waits(blocked *b, const char *doing)
{
        EVENTUALLY(b->open);
        if (b->call == call_write)
                EVENTUALLY(poll(&(struct pollfd){.fd = b->fd, .events = POLLOUT}, 1, 0) == 0);
        EVENTUALLY(sits_in(&b->seat, doing));
}

static void test_every_call_leaves_at_once_when_it_is_cancelled(void **state)
{
        (void)state;
        fds f;
        open_fds(&f);
        blocked b[8];
        const char *doing[8];
        size_t n = cases(&f, b, doing);
        for (size_t i = 0; i < n; i++) {
                pthread_t t = go(block, &b[i]);
                until_it_waits(&b[i], doing[i]);
                rein_scope_cancel(&b[i].scope, NULL);
                join(t);
                assert_int_equal(b[i].rc, REIN_ECANCELED);
        }
        close_fds(&f);
}

static void test_every_call_leaves_at_its_limit_and_with_nowait_at_once(void **state)
{
        (void)state;
        fds f;
        open_fds(&f);
        blocked b[8];
        const char *doing[8];
        size_t n = cases(&f, b, doing);
        for (size_t i = 0; i < n; i++) {
                const rein_time limits[] = {REIN_NOWAIT, REIN_TIME(0), REIN_TIME(-1), rein_after(REIN_MS(1))};
                for (size_t k = 0; k < COUNT(limits); k++) {
                        b[i].until = limits[k];
                        assert_int_equal(b[i].call(&b[i]), REIN_ETIMEOUT);
                }
        }
        close_fds(&f);
}

static void test_every_call_checks_the_scope_at_entry(void **state)
{
        (void)state;
        fds f;
        open_fds(&f);
        blocked b[8];
        const char *doing[8];
        rein_scope s;
        size_t n = cases(&f, b, doing);
        assert_int_equal(write(f.pipe_in[1], "x", 1), 1); /* although there is something to read */
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, NULL);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(b[i].call(&b[i]), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_int_equal(call_read(&b[1]), 1);
        close_fds(&f);
}

/* A deadline of the scope ends it at its time, though nobody wakes the call. */
static void *within_a_moment(void *arg)
{
        blocked *b = arg;
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_MS(2)));
        b->rc = b->call(b);
        if (rein_scope_close(&s, b->rc) != REIN_ETIMEOUT)
                b->rc = -EPROTO;
        return NULL;
}

static void test_every_call_leaves_at_the_deadline_of_its_scope(void **state)
{
        (void)state;
        fds f;
        open_fds(&f);
        blocked b[8];
        const char *doing[8];
        size_t n = cases(&f, b, doing);
        for (size_t i = 0; i < n; i++) {
                join(go(within_a_moment, &b[i]));
                assert_int_equal(b[i].rc, REIN_ECANCELED);
        }
        close_fds(&f);
}

static void test_close_wakes_who_waits_for_the_descriptor(void **state)
{
        (void)state;
        for (int round = 0; round < 10; round++) {
                fds f;
                open_fds(&f);
                blocked b[8];
                const char *doing[8];
                cases(&f, b, doing);
                for (size_t i = 0; i < 6; i++) { /* those that wait for a descriptor of the user's */
                        if (i == 1 || i == 4)
                                continue; /* the same descriptor as the one before */
                        pthread_t t = go(block, &b[i]);
                        until_it_waits(&b[i], doing[i]);
                        assert_int_equal(rein_close(b[i].fd), 0);
                        join(t);
                        assert_int_equal(b[i].rc, -EBADF);
                }
                close_fds(&f);
        }
}

static void test_close_wakes_every_waiter_and_nobody_elses(void **state)
{
        (void)state;
        int a[2], c[2];
        assert_int_equal(pipe2(a, O_CLOEXEC), 0);
        assert_int_equal(pipe2(c, O_CLOEXEC), 0);
        blocked b[5];
        pthread_t t[5];
        for (int i = 0; i < 5; i++) {
                b[i] = (blocked){
                        .call = i % 2 ? call_read : call_wait_fd, .fd = i < 4 ? a[0] : c[0], .until = REIN_NEVER};
                t[i] = go(block, &b[i]);
        }
        for (int i = 0; i < 5; i++)
                EVENTUALLY(b[i].open && sits_in(&b[i].seat, i % 2 ? "rein_read" : "rein_wait_fd"));
        assert_int_equal(rein_close(a[0]), 0);
        for (int i = 0; i < 4; i++) {
                join(t[i]);
                assert_int_equal(b[i].rc, -EBADF);
        }
        assert_int_equal(write(c[1], "x", 1), 1);
        join(t[4]);
        assert_true(b[4].rc & POLLIN);
        close(a[1]);
        close(c[0]);
        close(c[1]);
}

static void test_what_is_not_open_is_said_so(void **state)
{
        (void)state;
        int ends[2];
        char c;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        close(ends[0]);
        close(ends[1]);
        assert_int_equal(rein_wait_fd(ends[0], POLLIN, REIN_NEVER), -EBADF);
        assert_int_equal(rein_wait_fd(-1, POLLIN, REIN_NEVER), -EBADF);
        assert_int_equal(rein_wait_fd(0, 0, REIN_NEVER), -EINVAL);
        assert_int_equal(rein_read(ends[0], &c, 1, REIN_NEVER), -EBADF);
        assert_int_equal(rein_write(ends[0], "x", 1, REIN_NEVER), -EBADF);
        assert_int_equal(rein_accept(ends[0], REIN_NEVER), -EBADF);
        assert_int_equal(rein_close(ends[0]), -EBADF);
        assert_int_equal(rein_close(-1), -EBADF);
        assert_int_equal(rein_wait_signal(SIGKILL, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_wait_signal(9999, REIN_NOWAIT), -EINVAL);
}

static void test_a_broken_pipe_is_an_error_not_a_signal(void **state)
{
        (void)state;
        int ends[2], pair[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        close(ends[0]);
        close(pair[0]);
        assert_int_equal(rein_write(ends[1], "x", 1, REIN_NEVER), -EPIPE); /* SIGPIPE would have killed us */
        assert_int_equal(rein_write(pair[1], "x", 1, REIN_NEVER), -EPIPE);
        sigset_t pending;
        sigpending(&pending);
        assert_int_equal(sigismember(&pending, SIGPIPE), 0);
        close(ends[1]);
        close(pair[1]);
}

static void test_a_read_gives_what_is_there_and_nothing_at_the_end(void **state)
{
        (void)state;
        int ends[2];
        char text[16] = "";
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(rein_write(ends[1], "hello", 5, REIN_NEVER), 5);
        assert_int_equal(rein_read(ends[0], text, sizeof text, REIN_NEVER), 5);
        assert_string_equal(text, "hello");
        assert_int_equal(rein_read(ends[0], text, 0, REIN_NEVER), 0);
        close(ends[1]);
        assert_int_equal(rein_read(ends[0], text, sizeof text, REIN_NEVER), 0);
        assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0); /* not ours to change */
        close(ends[0]);
        FILE *file = tmpfile(); /* a regular file: no poll */
        assert_int_equal(rein_write(fileno(file), "abc", 3, REIN_NEVER), 3);
        assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
        assert_int_equal(rein_read(fileno(file), text, 16, REIN_NEVER), 3);
        assert_int_equal(rein_read(fileno(file), text, 16, REIN_NEVER), 0);
        fclose(file);
}

enum { MUCH = 1 << 20 };

static void *drain(void *arg)
{
        static char buf[4096];
        size_t have = 0;
        for (int64_t n; (n = rein_read(*(int *)arg, buf, sizeof buf, REIN_NEVER)) > 0;)
                have += (size_t)n;
        return (void *)(uintptr_t)have;
}

static void test_a_write_writes_all_of_it_through_pipe_and_socket(void **state)
{
        (void)state;
        int ends[2], pair[2];
        void *have;
        char *much = calloc(1, MUCH);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        pthread_t t = go(drain, &ends[0]);
        assert_int_equal(rein_write(ends[1], much, MUCH, REIN_NEVER), MUCH);
        close(ends[1]);
        join_with(t, &have);
        assert_int_equal((uintptr_t)have, MUCH);
        t = go(drain, &pair[0]);
        assert_int_equal(rein_write(pair[1], much, MUCH, REIN_NEVER), MUCH);
        close(pair[1]);
        join_with(t, &have);
        assert_int_equal((uintptr_t)have, MUCH);
        close(ends[0]);
        close(pair[0]);
        free(much);
}

/* Many readers of one pipe: the one that loses the race after the poll is in read(2), and a cancel gets it out. */
static void test_readers_that_race_for_a_byte_leave_on_a_cancel(void **state)
{
        (void)state;
        enum { READERS = 6 };
        for (int round = 0; round < 30; round++) {
                int ends[2], got = 0, left = 0;
                blocked b[READERS];
                pthread_t t[READERS];
                assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
                for (int i = 0; i < READERS; i++) {
                        b[i] = (blocked){.call = call_read, .fd = ends[0], .until = REIN_NEVER};
                        t[i] = go(block, &b[i]);
                }
                for (int i = 0; i < READERS; i++)
                        EVENTUALLY(b[i].open && sits_in(&b[i].seat, "rein_read"));
                assert_int_equal(write(ends[1], "xx", 2), 2);
                for (int i = 0; i < READERS; i++)
                        rein_scope_cancel(&b[i].scope, NULL);
                for (int i = 0; i < READERS; i++) {
                        join(t[i]);
                        got += b[i].rc == 1;
                        left += b[i].rc == REIN_ECANCELED;
                }
                assert_int_equal(got + left, READERS);
                assert_true(got <= 2);
                close(ends[0]);
                close(ends[1]);
        }
}

/* ---- closed in the middle of a call ---- */

/* A thread stops at the n-th question of a kind that its call asks, until it is let go: at a region's opening (an
 * allocation) it is between the poll and the system call; an EINTR is inside a system call. What is no socket is asked
 * first whether it is one, then polled, then read. */
enum { IN_RECV = 1, IN_READ = 3 };

static _Thread_local struct stop {
        rn_choice kind;
        int n;
} stop_at;
static stubborn stops;

/* Lookups: a thread of theirs may stop where it copies what it has found; and there may be no thread for another one. */
static stubborn looks;
static atomic_int looks_stop, no_threads;

static bool is_a_lookup(void)
{
        char name[16] = "";
        return pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, "rein-lookup") == 0;
}

static uint32_t choose(uint32_t n, rn_choice kind)
{
        (void)n;
        if (stop_at.n && kind == stop_at.kind && --stop_at.n == 0)
                stubborn_stay(&stops);
        if (kind == RN_CHOOSE_ALLOC && atomic_load(&looks_stop) && is_a_lookup())
                stubborn_stay(&looks);
        return kind == RN_CHOOSE_THREAD && atomic_load(&no_threads);
}

typedef struct stopped {
        struct stop at;
        int fd;
        bool writes, scoped;
        size_t n;
        char text[2 * RN_PIPE_ATOMIC];
        seat seat;
        atomic_int left;
        int64_t rc;
} stopped;

static void *stop_in_call(void *arg)
{
        stopped *s = arg;
        rein_scope scope;
        if (s->scoped)
                rein_scope_open(&scope, REIN_NEVER);
        sit(&s->seat);
        stop_at = s->at;
        s->rc = s->writes ? rein_write(s->fd, s->text, s->n, REIN_NEVER) : rein_read(s->fd, s->text, s->n, REIN_NEVER);
        if ((s->scoped && rein_scope_close(&scope, 0) < 0) || rn_self()->now->hook)
                s->rc = -EPROTO;
        atomic_store(&s->left, 1);
        return NULL;
}

static pthread_t go_until_stopped(stopped *s)
{
        stubborn_init(&stops);
        pthread_t t = go(stop_in_call, s);
        EVENTUALLY(stops.inside == 1);
        return t;
}

/* Another file under the number of one that was closed. */
static void reuse(int number, int other)
{
        assert_int_equal(fcntl(number, F_GETFD), -1);
        assert_int_equal(dup3(other, number, O_CLOEXEC), number);
}

/* Let go, and in a system call again; where the system does not tell, at least let go. */
static bool is_in_a_call(seat *s)
{
        int64_t cpu, call = 0;
        uint64_t digest;
        rn_task *t = atomic_load(&s->task);
        (void)rn_thread_probe(rn_load32(&t->thread_id), &cpu, &call, &digest);
        return stops.left == 1 && call >= 0;
}

static int bytes_in(int fd)
{
        int n = -1;
        assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
        return n;
}

static void test_a_read_does_not_touch_the_next_owner_of_its_number(void **state)
{
        (void)state;
        int mine[2], next[2];
        assert_int_equal(pipe2(mine, O_CLOEXEC), 0);
        assert_int_equal(pipe2(next, O_CLOEXEC), 0);
        assert_int_equal(write(mine[1], "m", 1), 1);
        assert_int_equal(write(next[1], "next", 4), 4);
        stopped s = {.at = {RN_CHOOSE_ALLOC, 1}, .fd = mine[0], .n = 8};
        pthread_t t = go_until_stopped(&s);
        assert_int_equal(rein_close(mine[0]), 0);
        reuse(mine[0], next[0]);
        stubborn_let_go(&stops, 1);
        join(t);
        assert_int_equal(s.rc, -EBADF);
        assert_int_equal(bytes_in(next[0]), 4);
        const int all[] = {mine[0], mine[1], next[0], next[1]};
        for (size_t i = 0; i < COUNT(all); i++)
                assert_int_equal(rein_close(all[i]), 0);
}

static void test_a_write_ends_when_it_is_closed_between_two_pieces(void **state)
{
        (void)state;
        int mine[2], next[2];
        assert_int_equal(pipe2(mine, O_CLOEXEC), 0);
        assert_int_equal(pipe2(next, O_CLOEXEC), 0);
        stopped s = {.at = {RN_CHOOSE_ALLOC, 2}, .fd = mine[1], .n = 2 * RN_PIPE_ATOMIC, .writes = true};
        pthread_t t = go_until_stopped(&s);
        assert_int_equal(bytes_in(mine[0]), RN_PIPE_ATOMIC);
        assert_int_equal(rein_close(mine[1]), 0);
        reuse(mine[1], next[1]);
        stubborn_let_go(&stops, 1);
        join(t);
        assert_int_equal(s.rc, -EBADF);
        assert_int_equal(bytes_in(next[0]), 0);
        const int all[] = {mine[0], mine[1], next[0], next[1]};
        for (size_t i = 0; i < COUNT(all); i++)
                assert_int_equal(rein_close(all[i]), 0);
}

/* The number stays taken until the one inside has left, and it is that one who frees it. */
static void test_the_last_one_out_of_the_system_call_closes(void **state)
{
        (void)state;
        for (int socket = 0; socket <= 1; socket++) {
                int mine[2], byte = 'x';
                assert_int_equal(
                        socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, mine) : pipe2(mine, O_CLOEXEC), 0);
                assert_int_equal(write(mine[1], &byte, 1), 1);
                stopped s = {.at = {RN_CHOOSE_INTR, socket ? IN_RECV : IN_READ}, .fd = mine[0], .n = 8};
                pthread_t t = go_until_stopped(&s);
                assert_int_equal(rein_close(mine[0]), 0);
                assert_int_not_equal(fcntl(mine[0], F_GETFD), -1);
                assert_int_equal(rein_close(mine[0]), -EBADF);
                assert_int_equal(rein_read(mine[0], &byte, 1, REIN_NOWAIT), -EBADF);
                assert_int_equal(rein_wait_fd(mine[0], POLLIN, REIN_NOWAIT), -EBADF);
                stubborn_let_go(&stops, 1);
                join(t);
                assert_int_equal(s.rc, 1); /* what it got still counts */
                assert_int_equal(fcntl(mine[0], F_GETFD), -1);
                assert_int_equal(rein_close(mine[1]), 0);
        }
}

/* Two inside: the number is kept until both have left. */
static void test_the_first_one_out_does_not_close(void **state)
{
        (void)state;
        int mine[2];
        pthread_t t[2];
        stopped s[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, mine), 0);
        assert_int_equal(write(mine[1], "xx", 2), 2);
        stubborn_init(&stops);
        for (int i = 0; i < 2; i++) {
                s[i] = (stopped){.at = {RN_CHOOSE_INTR, IN_RECV}, .fd = mine[0], .n = 1};
                t[i] = go(stop_in_call, &s[i]);
        }
        EVENTUALLY(stops.inside == 2);
        assert_int_equal(rein_close(mine[0]), 0);
        stubborn_let_go(&stops, 1);
        EVENTUALLY(s[0].left || s[1].left);
        assert_int_not_equal(fcntl(mine[0], F_GETFD), -1);
        stubborn_let_go(&stops, 1);
        join(t[0]);
        join(t[1]);
        assert_true(s[0].rc == 1 && s[1].rc == 1);
        assert_int_equal(fcntl(mine[0], F_GETFD), -1);
        assert_int_equal(rein_close(mine[1]), 0);
}

/* One inside, and one that waits: this one leaves at once. */
static void test_close_does_not_let_the_waiting_wait_for_the_one_inside(void **state)
{
        (void)state;
        int mine[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, mine), 0);
        blocked b = {.call = call_wait_fd, .fd = mine[0], .until = REIN_NEVER};
        pthread_t waits = go(block, &b);
        until_it_waits(&b, "rein_wait_fd");
        stopped s = {.at = {RN_CHOOSE_INTR, IN_RECV}, .fd = mine[0], .n = 1};
        pthread_t inside = go_until_stopped(&s);
        assert_int_equal(rein_close(mine[0]), 0);
        join(waits);
        assert_int_equal(b.rc, -EBADF);
        assert_int_equal(s.left, 0);
        stubborn_let_go(&stops, 1);
        join(inside);
        assert_int_equal(s.rc, -EBADF);
        assert_int_equal(rein_close(mine[1]), 0);
}

/* The list of calls has one bucket for many numbers: the last that is being closed is not taken for the only one. */
static void test_two_numbers_of_one_bucket_are_being_closed(void **state)
{
        (void)state;
        int mine[2], far;
        pthread_t t[2];
        stopped s[2];
        char c;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, mine), 0);
        far = mine[0] + RN_FD_BUCKETS;
        assert_int_equal(dup3(mine[0], far, O_CLOEXEC), far);
        assert_int_equal(write(mine[1], "xx", 2), 2);
        stubborn_init(&stops);
        for (int i = 0; i < 2; i++) {
                s[i] = (stopped){.at = {RN_CHOOSE_INTR, IN_RECV}, .fd = i ? far : mine[0], .n = 1};
                t[i] = go(stop_in_call, &s[i]);
        }
        EVENTUALLY(stops.inside == 2);
        assert_int_equal(rein_close(mine[0]), 0);
        assert_int_equal(rein_close(far), 0);
        assert_int_equal(rein_read(mine[0], &c, 1, REIN_NOWAIT), -EBADF);
        assert_int_equal(rein_read(far, &c, 1, REIN_NOWAIT), -EBADF);
        stubborn_let_go(&stops, 2);
        join(t[0]);
        join(t[1]);
        assert_true(s[0].rc == 1 && s[1].rc == 1);
        assert_int_equal(rein_close(mine[1]), 0);
}

/* Another reader was faster after the poll: this one is in read(2), with a scope around it or without. */
static void test_close_gets_a_reader_out_of_the_system_call(void **state)
{
        (void)state;
        for (int round = 0; round < 20; round++) {
                int mine[2], byte;
                assert_int_equal(pipe2(mine, O_CLOEXEC), 0);
                assert_int_equal(write(mine[1], "x", 1), 1);
                stopped s = {.at = {RN_CHOOSE_INTR, IN_READ}, .fd = mine[0], .n = 8, .scoped = round % 4 > 1};
                pthread_t t = go_until_stopped(&s);
                assert_int_equal(read(mine[0], &byte, 1), 1);
                stubborn_let_go(&stops, 1);
                assert_true(sits_in(&s.seat, "hook region"));
                if (round % 2)
                        EVENTUALLY(is_in_a_call(&s.seat));
                assert_int_equal(rein_close(mine[0]), 0);
                join(t);
                assert_int_equal(s.rc, -EBADF);
                assert_int_equal(fcntl(mine[0], F_GETFD), -1);
                close(mine[1]);
        }
}

/* ---- sockets ---- */

static void *greet(void *arg)
{
        int fd = rein_accept(*(int *)arg, REIN_NEVER);
        if (fd < 0 || rein_write(fd, "welcome", 7, REIN_NEVER) != 7)
                return arg;
        rein_close(fd);
        return NULL;
}

static void test_listen_accept_connect(void **state)
{
        (void)state;
        static const char *const hosts[] = {"127.0.0.1", "localhost"};
        for (size_t i = 0; i < COUNT(hosts); i++) {
                char port[16], text[8] = "";
                void *failed;
                int fd = rein_listen("127.0.0.1", "0", 4);
                assert_true(fd >= 0);
                snprintf(port, sizeof port, "%d", port_of(fd));
                pthread_t t = go(greet, &fd);
                int to = rein_connect(hosts[i], port, rein_after(REIN_SEC(20)));
                assert_true(to >= 0);
                assert_true(fcntl(to, F_GETFD) & FD_CLOEXEC);
                assert_int_equal(rein_read(to, text, sizeof text, rein_after(REIN_SEC(20))), 7);
                assert_string_equal(text, "welcome");
                join_with(t, &failed);
                assert_null(failed);
                rein_close(to);
                rein_close(fd);
                assert_int_equal(rein_connect("127.0.0.1", port, rein_after(REIN_SEC(20))), -ECONNREFUSED);
        }
        assert_int_equal(rein_connect("127.0.0.1", "no-such-service", REIN_NEVER), -EADDRNOTAVAIL);
        assert_int_equal(rein_connect(NULL, "1", REIN_NEVER), -EINVAL);
        assert_int_equal(rein_listen("127.0.0.1", NULL, 1), -EINVAL);
        assert_true(rein_listen("192.0.2.1", "0", 1) < 0);
}

static bool nobody_looks_up(void)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->fd_lock);
        const bool yes = w->lookup_threads == 0 && rn_list_empty(&w->lookups);
        rn_lock_give(&w->fd_lock);
        return yes;
}

static int look_up(rein_time until)
{
        int fd = rein_connect("localhost", "1", until); /* nobody listens there */
        if (fd >= 0)
                rein_close(fd);
        return fd;
}

static void test_a_lookup_gives_its_thread_back(void **state)
{
        (void)state;
        for (int i = 0; i < 40; i++) /* more than there are threads for lookups */
                assert_int_equal(look_up(rein_after(REIN_SEC(20))), -ECONNREFUSED);
}

static void test_a_lookup_without_a_thread_is_told_so(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        EVENTUALLY(nobody_looks_up());
        atomic_store(&no_threads, 1);
        assert_int_equal(look_up(rein_after(REIN_SEC(20))), -EAGAIN);
        atomic_store(&no_threads, 0);
        rein_on_unseen(NULL, NULL);
        assert_int_equal(u.count, 0); /* it was told once, by the code */
        assert_int_equal(look_up(rein_after(REIN_SEC(20))), -ECONNREFUSED);
}

static void *look_up_and_leave(void *arg)
{
        rein_scope_open(arg, REIN_NEVER);
        int rc = look_up(REIN_NEVER);
        return (void *)(intptr_t)rein_scope_close(arg, rc);
}

/* Its thread cannot be stopped, but its caller leaves; and what no thread had begun is not begun any more. */
static void test_a_lookup_whose_caller_has_left_is_passed_by(void **state)
{
        (void)state;
        enum { AT_ONCE = 16, WAITING = 3 };
        rein_scope scope[AT_ONCE];
        pthread_t t[AT_ONCE];
        void *rc;
        stubborn_init(&looks);
        atomic_store(&looks_stop, 1);
        for (int i = 0; i < AT_ONCE; i++)
                t[i] = go(look_up_and_leave, &scope[i]);
        EVENTUALLY(looks.inside == AT_ONCE);
        for (int i = 0; i < WAITING; i++)
                assert_int_equal(look_up(rein_after(REIN_MS(1))), REIN_ETIMEOUT);
        for (int i = 0; i < AT_ONCE; i++) {
                rein_scope_cancel(&scope[i], NULL);
                join_with(t[i], &rc);
                assert_int_equal((intptr_t)rc, REIN_ESTOPPED);
        }
        stubborn_let_go(&looks, 20 * AT_ONCE);
        EVENTUALLY(nobody_looks_up());
        atomic_store(&looks_stop, 0);
        const int each = looks.inside / AT_ONCE; /* an address or two */
        assert_int_equal(looks.inside, AT_ONCE * each);
}

/* ---- signals ---- */

static void test_a_signal_is_waited_for(void **state)
{
        (void)state;
        blocked b = {.call = call_signal, .until = REIN_NEVER};
        pthread_t t = go(block, &b);
        EVENTUALLY(sits_in(&b.seat, "rein_wait_signal"));
        pthread_kill(t, SIGUSR1);
        join(t);
        assert_int_equal(b.rc, SIGUSR1);
        blocked c = {.call = call_signal, .until = REIN_NEVER};
        t = go(block, &c);
        EVENTUALLY(sits_in(&c.seat, "rein_wait_signal"));
        kill(getpid(), SIGUSR1); /* blocked in every thread: main does so first */
        join(t);
        assert_int_equal(c.rc, SIGUSR1);
}

static void test_a_wait_for_a_signal_leaves_it_blocked_or_not_as_it_was(void **state)
{
        (void)state;
        const int signals[] = {SIGUSR1, SIGUSR2};
        sigset_t before, after;
        pthread_sigmask(SIG_BLOCK, NULL, &before);
        assert_int_equal(sigismember(&before, SIGUSR1), 1);
        assert_int_equal(sigismember(&before, SIGUSR2), 0);
        for (size_t i = 0; i < COUNT(signals); i++) {
                assert_int_equal(rein_wait_signal(signals[i], REIN_NOWAIT), REIN_ETIMEOUT);
                pthread_sigmask(SIG_BLOCK, NULL, &after);
                assert_int_equal(sigismember(&after, signals[i]), sigismember(&before, signals[i]));
        }
}

/* ---- without waiting, in a coroutine ---- */

static int no_wait(void *arg)
{
        const int *ends = arg;
        char c;
        bool all = rein_wait_fd(ends[0], POLLIN, REIN_NOWAIT) == POLLIN &&
                   rein_read(ends[0], &c, 1, REIN_NOWAIT) == 1 && rein_write(ends[1], &c, 1, REIN_NOWAIT) == 1 &&
                   rein_read(ends[0], &c, 1, rein_now()) == 1 &&
                   rein_read(ends[0], &c, 1, REIN_NOWAIT) == REIN_ETIMEOUT;
        return all ? 0 : REIN_EUSER;
}

static void test_what_is_there_is_had_without_waiting(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        rein_executor *loop = rein_loop_new(NULL);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(write(ends[1], "x", 1), 1);
                assert_int_equal(i ? no_wait(ends) : rein_on(loop, no_wait, ends, NULL), 0);
        }
        rein_executor_free(loop);
        close(ends[0]);
        close(ends[1]);
}

/* ---- sleep ---- */

static void test_sleep_is_over_at_its_time_and_never_is_until_cancelled(void **state)
{
        (void)state;
        int64_t before = rein_now().ns;
        assert_int_equal(rein_sleep(rein_after(REIN_MS(2))), 0);
        assert_true(rein_now().ns - before >= REIN_MS(2)); /* never early */
        assert_int_equal(rein_sleep(REIN_NOWAIT), 0);
        assert_int_equal(rein_sleep(REIN_TIME(0)), 0);
        assert_int_equal(rein_after(INT64_MAX).ns, REIN_NEVER.ns); /* saturates */
        assert_true(rein_after(-5).ns < rein_now().ns);
        assert_true(rein_after(INT64_MIN).ns < rein_now().ns);
        assert_int_equal(rein_within(rein_after(REIN_MS(1)), job_sleep, NULL), REIN_ETIMEOUT);
}

int main(void)
{
        sigset_t set, had;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &set, &had);
        rn_choose_by(choose);
        rein_executor_free(rein_pool_new(NULL)); /* the clock is there: a region's opening allocates its record alone */
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_call_leaves_at_once_when_it_is_cancelled),
                cmocka_unit_test(test_every_call_leaves_at_its_limit_and_with_nowait_at_once),
                cmocka_unit_test(test_every_call_checks_the_scope_at_entry),
                cmocka_unit_test(test_every_call_leaves_at_the_deadline_of_its_scope),
                cmocka_unit_test(test_close_wakes_who_waits_for_the_descriptor),
                cmocka_unit_test(test_close_wakes_every_waiter_and_nobody_elses),
                cmocka_unit_test(test_what_is_not_open_is_said_so),
                cmocka_unit_test(test_a_broken_pipe_is_an_error_not_a_signal),
                cmocka_unit_test(test_a_read_gives_what_is_there_and_nothing_at_the_end),
                cmocka_unit_test(test_a_write_writes_all_of_it_through_pipe_and_socket),
                cmocka_unit_test(test_readers_that_race_for_a_byte_leave_on_a_cancel),
                cmocka_unit_test(test_a_read_does_not_touch_the_next_owner_of_its_number),
                cmocka_unit_test(test_a_write_ends_when_it_is_closed_between_two_pieces),
                cmocka_unit_test(test_the_last_one_out_of_the_system_call_closes),
                cmocka_unit_test(test_the_first_one_out_does_not_close),
                cmocka_unit_test(test_close_does_not_let_the_waiting_wait_for_the_one_inside),
                cmocka_unit_test(test_two_numbers_of_one_bucket_are_being_closed),
                cmocka_unit_test(test_close_gets_a_reader_out_of_the_system_call),
                cmocka_unit_test(test_listen_accept_connect),
                cmocka_unit_test(test_a_lookup_gives_its_thread_back),
                cmocka_unit_test(test_a_lookup_without_a_thread_is_told_so),
                cmocka_unit_test(test_a_lookup_whose_caller_has_left_is_passed_by),
                cmocka_unit_test(test_what_is_there_is_had_without_waiting),
                cmocka_unit_test(test_a_signal_is_waited_for),
                cmocka_unit_test(test_a_wait_for_a_signal_leaves_it_blocked_or_not_as_it_was),
                cmocka_unit_test(test_sleep_is_over_at_its_time_and_never_is_until_cancelled),
        };
        int rc = cmocka_run_group_tests(tests, NULL, NULL);
        pthread_sigmask(SIG_SETMASK, &had, NULL);
        return rc;
}
