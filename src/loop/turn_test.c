/* SPDX-License-Identifier: Apache-2.0 */
/* One turn after the other: how many begin in one, in which order those run that were woken, and what is kept of the
 * stacks of those that have ended. The loops are hosted, and turned by the test. */
#include <rein/loop.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "loop/loop.h"
#include "need.h"

static rein_executor *hosted(void)
{
        rein_executor *x = rein_loop_new(REIN_LOOP(.hosted = true));
        assert_non_null(x);
        return x;
}

static void turn_until_gone(rein_executor *x, rein_future *f)
{
        for (int i = 0; i < 1000 && !rein_gone(f); i++)
                assert_true(rein_loop_turn(x) >= 0);
        assert_true(rein_gone(f));
}

/* ---- how many begin ---- */

static int count(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static void test_many_jobs_begin_in_several_turns(void **state)
{
        (void)state;
        enum { JOBS = 700 };
        rein_executor *x = hosted();
        int ran = 0, turns = 0;
        for (int i = 0; i < JOBS; i++)
                rein_drop(rein_submit(x, count, &ran, NULL));
        for (int before; ran < JOBS; turns++) {
                before = ran;
                assert_true(rein_loop_turn(x) >= 0);
                assert_in_range(ran - before, 1, 256);
        }
        assert_int_equal(turns, 3);
        rein_executor_free(x);
}

typedef struct chain {
        rein_executor *x;
        int left, ran;
} chain;

static int submit_the_next(void *arg)
{
        chain *c = arg;
        c->ran++;
        if (c->left-- > 0)
                rein_drop(rein_submit(c->x, submit_the_next, c, NULL));
        return 0;
}

static void test_a_job_that_submits_another_leaves_it_to_the_next_turn(void **state)
{
        (void)state;
        chain c = {.x = hosted(), .left = 20};
        rein_drop(rein_submit(c.x, submit_the_next, &c, NULL));
        for (int turn = 1; turn <= 21; turn++) {
                assert_int_equal(rein_loop_turn(c.x), turn < 21); /* the one in the inbox is alive */
                assert_int_equal(c.ran, turn);
        }
        rein_executor_free(c.x);
}

/* ---- in which order they run ---- */

enum { N = 5 };

typedef struct sleeper {
        gate g;
        int number, *order, *count;
} sleeper;

static int pass_and_note(void *arg)
{
        sleeper *s = arg;
        int rc = gate_pass(&s->g);
        s->order[(*s->count)++] = s->number;
        return rc;
}

static void test_those_that_are_woken_run_in_the_order_in_which_they_were(void **state)
{
        (void)state;
        static const int woken[N] = {3, 0, 4, 1, 2};
        rein_executor *x = hosted();
        sleeper s[N];
        rein_future *f[N];
        int order[N], ran = 0;
        for (int i = 0; i < N; i++) {
                s[i] = (sleeper){gate_new(), i, order, &ran};
                f[i] = rein_submit(x, pass_and_note, &s[i], NULL);
        }
        assert_int_equal(rein_loop_turn(x), N);
        for (int i = 0; i < N; i++)
                gate_open(&s[woken[i]].g);
        assert_int_equal(ran, 0);
        for (int i = 0; i < N; i++)
                turn_until_gone(x, f[i]);
        for (int i = 0; i < N; i++) {
                assert_int_equal(order[i], woken[i]);
                rein_drop(f[i]);
                gate_free(&s[i].g);
        }
        rein_executor_free(x);
}

typedef struct yielder {
        int number, *order, *count;
} yielder;

static int yield_and_note(void *arg)
{
        yielder *y = arg;
        rn_task *self = rn_self();
        for (int round = 0; round < 3; round++) {
                y->order[(*y->count)++] = y->number;
                self->backend->yield(self, false);
        }
        return 0;
}

static void test_those_that_let_others_run_come_round_in_their_order(void **state)
{
        (void)state;
        rein_executor *x = hosted();
        yielder y[N];
        rein_future *f[N];
        int order[3 * N], ran = 0;
        for (int i = 0; i < N; i++) {
                y[i] = (yielder){i, order, &ran};
                f[i] = rein_submit(x, yield_and_note, &y[i], NULL);
        }
        for (int i = 0; i < N; i++)
                turn_until_gone(x, f[i]);
        for (int i = 0; i < 3 * N; i++)
                assert_int_equal(order[i], i % N);
        for (int i = 0; i < N; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
}

typedef struct tireless {
        bool enough;
        int rounds;
} tireless;

enum { FOR_EVER = 2000000 };

static int let_others_run(void *arg)
{
        tireless *t = arg;
        rn_task *self = rn_self();
        for (; !t->enough && t->rounds < FOR_EVER; t->rounds++)
                self->backend->yield(self, false);
        return 0;
}

static int sleep_short(void *arg)
{
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        ((tireless *)arg)->enough = true;
        return rc;
}

static void test_who_lets_others_run_lets_timers_fire(void **state)
{
        (void)state;
        rein_executor *x = hosted();
        tireless t = {false};
        struct pollfd tells = {.fd = rein_loop_fd(x), .events = POLLIN};
        rein_future *f[2] = {rein_submit(x, let_others_run, &t, NULL), rein_submit(x, sleep_short, &t, NULL)};
        for (int alive = 2; alive > 0; alive = rein_loop_turn(x))
                assert_int_equal(poll(&tells, 1, 0), 1); /* one is always ready */
        assert_in_range(t.rounds, 1, FOR_EVER - 1);
        for (int i = 0; i < 2; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
}

/* ---- stacks ---- */

static int note_stack(void *arg)
{
        *(size_t *)arg = rn_self()->stack_size;
        return 0;
}

static size_t stack_of_a_job(rein_executor *x, size_t wanted)
{
        size_t size = 0;
        rein_future *f = rein_submit(x, note_stack, &size, REIN_JOB(.stack_size = wanted));
        turn_until_gone(x, f);
        rein_drop(f);
        return size;
}

static size_t idle_stacks(const rn_loop *l)
{
        size_t n = 0;
        RN_LIST_EACH(i, &l->idle)
                n++;
        return n;
}

static void test_a_larger_stack_is_for_who_asked_for_it(void **state)
{
        (void)state;
        rein_executor *x = hosted();
        const size_t usual = stack_of_a_job(x, 0);
        const size_t larger = stack_of_a_job(x, 8 * usual);
        assert_true(larger >= 8 * usual);
        assert_int_equal(stack_of_a_job(x, 0), usual);
        assert_int_equal(idle_stacks(rn_loop_of(x)), 1);
        rein_executor_free(x);
}

static void test_one_stack_is_used_again_and_again(void **state)
{
        (void)state;
        rein_executor *x = hosted();
        rn_loop *l = rn_loop_of(x);
        for (int i = 0; i < 300; i++) { /* more than are kept */
                (void)stack_of_a_job(x, 0);
                assert_int_equal(idle_stacks(l), 1);
                assert_int_equal(l->idle_count, 1);
        }
        rein_executor_free(x);
}

static void test_fewer_large_stacks_are_kept(void **state)
{
        (void)state;
        assert_int_equal(rn_fibers_most_idle(16 << 10), 64);
        assert_int_equal(rn_fibers_most_idle(64 << 10), 64);
        assert_int_equal(rn_fibers_most_idle(128 << 10), 32);
        assert_int_equal(rn_fibers_most_idle(4 << 20), 1);
        assert_int_equal(rn_fibers_most_idle(64 << 20), 0);
        enum { MANY = 100 };
        rein_executor *x = hosted();
        sleeper s[MANY];
        rein_future *f[MANY];
        int order[MANY], ran = 0;
        gate g = gate_new();
        for (int i = 0; i < MANY; i++) {
                s[i] = (sleeper){g, i, order, &ran};
                f[i] = rein_submit(x, pass_and_note, &s[i], NULL);
        }
        assert_int_equal(rein_loop_turn(x), MANY);
        gate_open(&g);
        for (int i = 0; i < MANY; i++) {
                turn_until_gone(x, f[i]);
                rein_drop(f[i]);
        }
        assert_int_equal(idle_stacks(rn_loop_of(x)), 64);
        gate_free(&g);
        rein_executor_free(x);
}

/* ---- descriptors ---- */

typedef struct waits {
        int fd, events, got;
} waits;

static int wait_for_fd(void *arg)
{
        waits *w = arg;
        w->got = rein_wait_fd(w->fd, w->events, REIN_NEVER);
        return 0;
}

/* One wants to read, another one to write: what there is for the one leaves the other waiting, not forgotten. */
static void test_two_wait_for_one_descriptor_each_for_its_own(void **state)
{
        (void)state;
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        rein_executor *x = hosted();
        waits w[2] = {{pair[0], POLLIN, 0}, {pair[0], POLLOUT, 0}};
        rein_future *f[2];
        for (int i = 0; i < 2; i++)
                f[i] = rein_submit(x, wait_for_fd, &w[i], NULL);
        turn_until_gone(x, f[1]);
        assert_int_equal(w[1].got, POLLOUT);
        assert_int_equal(rein_loop_turn(x), 1);
        assert_int_equal(write(pair[1], "x", 1), 1);
        turn_until_gone(x, f[0]);
        assert_int_equal(w[0].got, POLLIN);
        for (int i = 0; i < 2; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
        close(pair[0]);
        close(pair[1]);
}

/* A copy of what was closed is still open: what comes to it is not for the next file of that number. */
static void test_what_was_closed_tells_nothing_of_its_number(void **state)
{
        (void)state;
        int old[2], new[2];
        assert_int_equal(pipe2(old, O_CLOEXEC), 0);
        const int copy = fcntl(old[0], F_DUPFD_CLOEXEC, 0);
        rein_executor *x = hosted();
        waits w[2] = {{old[0], POLLIN, 0}, {old[0], POLLIN, 0}};
        rein_future *f[2] = {rein_submit(x, wait_for_fd, &w[0], NULL)};
        assert_int_equal(rein_loop_turn(x), 1);
        assert_int_equal(rein_close(old[0]), 0);
        turn_until_gone(x, f[0]);
        assert_int_equal(w[0].got, -EBADF);
        assert_int_equal(pipe2(new, O_CLOEXEC), 0);
        assert_int_equal(new[0], w[1].fd);
        f[1] = rein_submit(x, wait_for_fd, &w[1], NULL);
        assert_int_equal(rein_loop_turn(x), 1);
        assert_int_equal(write(old[1], "x", 1), 1);
        for (int i = 0; i < 3; i++)
                assert_int_equal(rein_loop_turn(x), 1);
        assert_int_equal(write(new[1], "x", 1), 1);
        turn_until_gone(x, f[1]);
        assert_int_equal(w[1].got, POLLIN);
        for (int i = 0; i < 2; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
        const int all[] = {old[1], copy, new[0], new[1]};
        for (size_t i = 0; i < COUNT(all); i++)
                close(all[i]);
}

/* ---- several descriptors in one wait ---- */

typedef struct chooses {
        rein_case cases[3];
        size_t n;
        int which;
} chooses;

static int choose_one(void *arg)
{
        chooses *c = arg;
        c->which = -1;
        c->which = rein_select(c->cases, c->n, REIN_NEVER);
        return 0;
}

static int descriptors(void)
{
        int n = 0;
        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void pipes(int ends[][2], int n)
{
        for (int i = 0; i < n; i++)
                assert_int_equal(pipe2(ends[i], O_CLOEXEC), 0);
}

static void close_pipes(int ends[][2], int n)
{
        for (int i = 0; i < n; i++) {
                close(ends[i][0]);
                close(ends[i][1]);
        }
}

static rein_case readable(int fd)
{
        return (rein_case)REIN_ON_FD(fd, POLLIN);
}

/* The loop's own poller watches them, until the wait is over. */
static void test_a_wait_for_several_descriptors_takes_none_of_its_own(void **state)
{
        (void)state;
        int ends[3][2];
        pipes(ends, 3);
        rein_executor *x = hosted();
        rn_loop *l = rn_loop_of(x);
        const int before = descriptors();
        for (int which = 0; which < 3; which++) {
                char byte;
                chooses c = {{readable(ends[0][0]), readable(ends[1][0]), readable(ends[2][0])}, 3, -1};
                rein_future *f = rein_submit(x, choose_one, &c, NULL);
                assert_int_equal(rein_loop_turn(x), 1);
                assert_int_equal(l->waiting, 3);
                assert_int_equal(descriptors(), before);
                assert_int_equal(write(ends[which][1], "x", 1), 1);
                turn_until_gone(x, f);
                assert_int_equal(c.which, which);
                assert_int_equal(c.cases[which].result, POLLIN);
                assert_int_equal(l->waiting, 0);
                assert_int_equal(read(ends[which][0], &byte, 1), 1);
                rein_drop(f);
        }
        struct pollfd tells = {.fd = rein_loop_fd(x), .events = POLLIN};
        assert_int_equal(rein_loop_turn(x), 0);
        for (int i = 0; i < 3; i++) /* nobody waits for them any more */
                assert_int_equal(write(ends[i][1], "x", 1), 1);
        assert_int_equal(poll(&tells, 1, 0), 0);
        rein_executor_free(x);
        close_pipes(ends, 3);
}

/* What comes for both ends both waits; what comes for one leaves the other one watched. */
static void test_two_waits_for_overlapping_descriptors(void **state)
{
        (void)state;
        int ends[3][2];
        pipes(ends, 3);
        rein_executor *x = hosted();
        for (int middle = 0; middle < 2; middle++) {
                chooses c[2] = {{{readable(ends[0][0]), readable(ends[1][0])}, 2, -1},
                                {{readable(ends[1][0]), readable(ends[2][0])}, 2, -1}};
                rein_future *f[2];
                char byte;
                for (int i = 0; i < 2; i++)
                        f[i] = rein_submit(x, choose_one, &c[i], NULL);
                assert_int_equal(rein_loop_turn(x), 2);
                if (!middle) {
                        assert_int_equal(write(ends[0][1], "x", 1), 1);
                        turn_until_gone(x, f[0]);
                        assert_int_equal(c[0].which, 0);
                        assert_int_equal(read(ends[0][0], &byte, 1), 1);
                        for (int i = 0; i < 3; i++)
                                assert_int_equal(rein_loop_turn(x), 1);
                }
                assert_int_equal(write(ends[1][1], "x", 1), 1);
                for (int i = 0; i < 2; i++)
                        turn_until_gone(x, f[i]);
                assert_int_equal(c[0].which, middle);
                assert_int_equal(c[1].which, 0);
                assert_int_equal(read(ends[1][0], &byte, 1), 1);
                for (int i = 0; i < 2; i++)
                        rein_drop(f[i]);
        }
        rein_executor_free(x);
        close_pipes(ends, 3);
}

/* Two cases for one descriptor, and another coroutine that waits for it too: each gets its own. */
static void test_one_descriptor_twice_in_one_wait(void **state)
{
        (void)state;
        int pair[2];
        char block[4096] = {0};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        while (write(pair[0], block, sizeof block) > 0)
                ;
        rein_executor *x = hosted();
        chooses c = {{REIN_ON_FD(pair[0], POLLOUT), REIN_ON_FD(pair[0], POLLIN)}, 2, -1};
        waits w = {pair[0], POLLOUT, 0};
        rein_future *f[2] = {rein_submit(x, choose_one, &c, NULL), rein_submit(x, wait_for_fd, &w, NULL)};
        assert_int_equal(rein_loop_turn(x), 2);
        assert_int_equal(rn_loop_of(x)->waiting, 3);
        assert_int_equal(write(pair[1], "x", 1), 1);
        turn_until_gone(x, f[0]);
        assert_int_equal(c.which, 1);
        assert_int_equal(c.cases[1].result, POLLIN);
        for (int i = 0; i < 3; i++)
                assert_int_equal(rein_loop_turn(x), 1);
        while (read(pair[1], block, sizeof block) > 0)
                ;
        turn_until_gone(x, f[1]);
        assert_int_equal(w.got, POLLOUT);
        for (int i = 0; i < 2; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
        close(pair[0]);
        close(pair[1]);
}

/* A regular file is always ready, and a number may be nobody's: what the others have by then still goes before it. */
static void test_what_cannot_be_watched_among_several(void **state)
{
        (void)state;
        int ends[1][2];
        pipes(ends, 1);
        FILE *file = tmpfile();
        assert_non_null(file);
        const int copy = fcntl(fileno(file), F_DUPFD_CLOEXEC, 900);
        close(copy); /* nobody's */
        rein_executor *x = hosted();
        for (int is_there = 0; is_there < 2; is_there++) {
                chooses c[2] = {{{readable(ends[0][0]), readable(fileno(file))}, 2, -1},
                                {{readable(ends[0][0]), readable(copy)}, 2, -1}};
                for (int i = 0; i < 2; i++) {
                        rein_future *f = rein_submit(x, choose_one, &c[i], NULL);
                        turn_until_gone(x, f);
                        assert_int_equal(c[i].which, !is_there);
                        assert_int_equal(c[i].cases[!is_there].result, is_there || i == 0 ? POLLIN : -EBADF);
                        assert_int_equal(rn_loop_of(x)->waiting, 0);
                        rein_drop(f);
                }
                assert_int_equal(write(ends[0][1], "x", 1), 1);
        }
        rein_executor_free(x);
        fclose(file);
        close_pipes(ends, 1);
}

static void test_a_regular_file_is_always_ready(void **state)
{
        (void)state;
        FILE *file = tmpfile();
        assert_non_null(file);
        rein_executor *x = hosted();
        waits w = {fileno(file), POLLIN, 0};
        rein_future *f = rein_submit(x, wait_for_fd, &w, NULL);
        turn_until_gone(x, f);
        assert_int_equal(w.got, POLLIN);
        rein_drop(f);
        rein_executor_free(x);
        fclose(file);
}

static void test_a_hangup_is_told_to_who_wants_to_read(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        rein_executor *x = hosted();
        waits w = {ends[0], POLLIN, 0};
        rein_future *f = rein_submit(x, wait_for_fd, &w, NULL);
        assert_int_equal(rein_loop_turn(x), 1);
        close(ends[1]);
        turn_until_gone(x, f);
        assert_int_equal(w.got, POLLHUP);
        rein_drop(f);
        rein_executor_free(x);
        close(ends[0]);
}

/* Two descriptors whose waiters are in one list: what one waits for does not make the other one's tell, over and over. */
static void test_a_descriptor_is_watched_for_what_is_wanted_of_it(void **state)
{
        (void)state;
        int pair[2], full[2], flags;
        char block[4096] = {0};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(full, O_CLOEXEC), 0);
        const int twin = fcntl(full[1], F_DUPFD_CLOEXEC, pair[0] + RN_LOOP_BUCKETS);
        assert_int_equal(twin, pair[0] + RN_LOOP_BUCKETS);
        flags = fcntl(twin, F_GETFL);
        assert_int_equal(fcntl(twin, F_SETFL, flags | O_NONBLOCK), 0);
        while (write(twin, block, sizeof block) > 0)
                ;
        rein_executor *x = hosted();
        waits w[2] = {{twin, POLLOUT, 0}, {pair[0], POLLIN, 0}}; /* one could be written to, and is to be read */
        rein_future *f[2];
        for (int i = 0; i < 2; i++)
                f[i] = rein_submit(x, wait_for_fd, &w[i], NULL);
        struct pollfd tells = {.fd = rein_loop_fd(x), .events = POLLIN};
        for (int i = 0; i < 3; i++)
                assert_int_equal(rein_loop_turn(x), 2);
        assert_int_equal(poll(&tells, 1, 0), 0); /* nothing there is what anybody waits for */
        assert_int_equal(write(pair[1], "x", 1), 1);
        turn_until_gone(x, f[1]);
        assert_int_equal(w[1].got, POLLIN);
        while (read(full[0], block, sizeof block) == (ssize_t)sizeof block && poll(&tells, 1, 0) == 0)
                ;
        turn_until_gone(x, f[0]);
        assert_int_equal(w[0].got, POLLOUT);
        for (int i = 0; i < 2; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
        const int all[] = {pair[0], pair[1], full[0], full[1], twin};
        for (size_t i = 0; i < COUNT(all); i++)
                close(all[i]);
}

/* ---- whose it is ---- */

typedef struct owner {
        rein_executor *x;
        rn_task *task;
        int turn;
} owner;

static void *make_it(void *arg)
{
        owner *o = arg;
        o->x = rein_loop_new(REIN_LOOP(.hosted = true));
        o->task = rn_self();
        return NULL;
}

static void *turn_it(void *arg)
{
        owner *o = arg;
        if (rn_self() == o->task) /* the record of the thread that made it, for another thread now */
                o->turn = rein_loop_turn(o->x);
        return NULL;
}

static void test_a_thread_that_was_given_the_record_of_another_is_not_that_one(void **state)
{
        (void)state;
        owner o = {.turn = 1};
        join(go(make_it, &o));
        assert_non_null(o.x);
        for (int i = 0; i < 1000 && o.turn == 1; i++)
                join(go(turn_it, &o));
        assert_int_equal(o.turn, -EPERM);
        rein_executor_free(o.x);
}

/* ---- rein_run, and threads for what blocks ---- */

static int pool_for_blocking_calls(void *arg)
{
        NEED(rein_to_thread(job_seven, NULL, NULL) == 7);
        rn_loop *l = rn_loop_of(rn_self()->now->work->executor);
        *(int64_t *)arg = l->offload->grace;
        return 0;
}

static void test_the_pool_for_blocking_calls_has_the_grace_of_its_loop(void **state)
{
        (void)state;
        int64_t grace = 0;
        assert_int_equal(rein_run(pool_for_blocking_calls, &grace, REIN_LOOP(.grace_ns = REIN_MS(77))), 0);
        assert_int_equal(grace, REIN_MS(77));
}

static void test_what_cannot_go_to_a_thread_releases_its_argument(void **state)
{
        (void)state;
        atomic_int released = 0;
        assert_int_equal(rein_to_thread(job_count, &released, REIN_JOB(.release = release_count)), -EPERM);
        assert_int_equal(released, 1); /* and it did not run */
}

static int run_inside(void *arg)
{
        (void)arg;
        return rein_run(job_seven, NULL, NULL);
}

static void test_a_failure_that_run_returns_has_been_seen(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        assert_int_equal(rein_run(job_fail, NULL, NULL), -EIO);
        assert_int_equal(rein_run(run_inside, NULL, NULL), -EPERM);
        assert_non_null(strstr(rein_error_text(rein_trail()), "inside of a loop"));
        assert_int_equal(u.count, 0);
        rein_on_unseen(NULL, NULL);
}

/* There was no memory for the scope around it: nothing runs where its cancel would not reach. */
static void test_run_does_nothing_within_a_scope_that_could_not_be_opened(void **state)
{
        (void)state;
        rein_scope s;
        int ran = 0;
        support_poor = true;
        rein_scope_open(&s, REIN_NEVER);
        support_poor = false;
        assert_int_equal(rein_run(count, &ran, NULL), REIN_ECANCELED);
        assert_int_equal(ran, 0);
        assert_true(rein_scope_close(&s, 0) < 0);
}

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_many_jobs_begin_in_several_turns),
                cmocka_unit_test(test_a_job_that_submits_another_leaves_it_to_the_next_turn),
                cmocka_unit_test(test_those_that_are_woken_run_in_the_order_in_which_they_were),
                cmocka_unit_test(test_those_that_let_others_run_come_round_in_their_order),
                cmocka_unit_test(test_who_lets_others_run_lets_timers_fire),
                cmocka_unit_test(test_a_larger_stack_is_for_who_asked_for_it),
                cmocka_unit_test(test_one_stack_is_used_again_and_again),
                cmocka_unit_test(test_fewer_large_stacks_are_kept),
                cmocka_unit_test(test_two_wait_for_one_descriptor_each_for_its_own),
                cmocka_unit_test(test_what_was_closed_tells_nothing_of_its_number),
                cmocka_unit_test(test_a_wait_for_several_descriptors_takes_none_of_its_own),
                cmocka_unit_test(test_two_waits_for_overlapping_descriptors),
                cmocka_unit_test(test_one_descriptor_twice_in_one_wait),
                cmocka_unit_test(test_what_cannot_be_watched_among_several),
                cmocka_unit_test(test_a_regular_file_is_always_ready),
                cmocka_unit_test(test_a_hangup_is_told_to_who_wants_to_read),
                cmocka_unit_test(test_a_descriptor_is_watched_for_what_is_wanted_of_it),
                cmocka_unit_test(test_a_thread_that_was_given_the_record_of_another_is_not_that_one),
                cmocka_unit_test(test_the_pool_for_blocking_calls_has_the_grace_of_its_loop),
                cmocka_unit_test(test_what_cannot_go_to_a_thread_releases_its_argument),
                cmocka_unit_test(test_a_failure_that_run_returns_has_been_seen),
                cmocka_unit_test(test_run_does_nothing_within_a_scope_that_could_not_be_opened),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
