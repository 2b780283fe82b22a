/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers at both ends of their range: times, spans, sizes, counts, descriptors, signals, priorities, generations and
 * sequence numbers around their wrap. Each call answers what its header says; nothing crashes, hangs or overflows, which
 * the sanitizers' lanes see. */
#include <fcntl.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/hook.h"
#include "core/scope.h"
#include "everywhere.h"
#include "loop/loop.h"
#include "pool/pool.h"

/* A size that nobody has is no memory, and not the end of the program. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
        return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
        return "allocator_may_return_null=1";
}

/* ---- things to wait for ---- */

typedef struct things {
        int pipe[2], full[2], listener, datagrams, crowded[2];
        gate gate, other;
        rein_mutex *mutex;
        rein_cond *cond;
        rein_mutex *of_cond;
        rein_sem *sem;
        rein_event *event;
        rein_chan *empty, *closed_up; /* nobody sends, nobody receives */
        rein_executor *busy;
        rein_child *child;
} things;

static things t;

static char sleep_long[] = "sleep", long_time[] = "1000";

/* Holds the mutex until the gate is opened. */
static int job_hold(void *arg)
{
        int rc = rein_mutex_lock(t.mutex, REIN_NEVER);
        *(atomic_bool *)arg = true;
        (void)gate_pass(&t.gate);
        return rc < 0 ? rc : rein_mutex_unlock(t.mutex);
}

static int make_things(void **state)
{
        static char much[4096];
        static atomic_bool held;
        (void)state;
        in[POOL] = rein_pool_new(REIN_POOL(.name = "pool", .threads = 64)); /* all of them wait at once, and children */
        in[LOOP] = rein_loop_new(REIN_LOOP(.name = "loop"));
        if (!in[POOL] || !in[LOOP] || pipe2(t.pipe, O_CLOEXEC) || pipe2(t.full, O_CLOEXEC | O_NONBLOCK))
                return -1;
        while (write(t.full[1], much, sizeof much) > 0)
                ;
        fcntl(t.full[1], F_SETFL, 0);
        t.listener = rein_listen("127.0.0.1", "0", 1);
        t.datagrams = rein_udp_bind("127.0.0.1", "0");
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, t.crowded))
                return -1;
        while (send(t.crowded[0], "x", 1, MSG_DONTWAIT) == 1)
                ;
        t.gate = gate_new();
        t.other = gate_new();
        t.mutex = rein_mutex_new();
        t.of_cond = rein_mutex_new();
        t.cond = rein_cond_new(t.of_cond);
        t.sem = rein_sem_new(0);
        t.event = rein_event_new();
        t.empty = rein_chan_new(sizeof(int), 0, NULL);
        t.closed_up = rein_chan_new(sizeof(int), 0, NULL);
        t.busy = rein_pool_new(REIN_POOL(.name = "busy", .threads = 2));
        rein_drop(rein_submit(t.busy, job_hold, &held, REIN_JOB(.on_worker = true)));
        EVENTUALLY(held);
        if (rein_child_start(&t.child, (char *[]){sleep_long, long_time, NULL},
                             REIN_CHILD(.out = REIN_CHILD_NULL, .err = REIN_CHILD_NULL)) != 0)
                return -1;
        return 0;
}

static int free_things(void **state)
{
        const int fds[] = {t.pipe[0],  t.pipe[1],   t.full[0],    t.full[1],
                           t.listener, t.datagrams, t.crowded[0], t.crowded[1]};
        gate_open(&t.gate);
        (void)rein_executor_stop(t.busy, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        rein_executor_free(t.busy);
        gate_free(&t.gate);
        gate_free(&t.other);
        rein_child_free(t.child);
        rein_chan_free(t.empty);
        rein_chan_free(t.closed_up);
        rein_event_free(t.event);
        rein_sem_free(t.sem);
        rein_cond_free(t.cond);
        rein_mutex_free(t.of_cond);
        rein_mutex_free(t.mutex);
        for (size_t i = 0; i < COUNT(fds); i++)
                close(fds[i]);
        return close_places(state);
}

/* ---- points in time, for every call that has one ---- */

typedef int64_t (*waits)(rein_time until);

static int64_t w_sleep(rein_time until)
{
        int rc = rein_sleep(until);
        return rc == 0 ? REIN_ETIMEOUT : rc; /* its success is what others call a timeout */
}

static int64_t w_wait_fd(rein_time until)
{
        return rein_wait_fd(t.pipe[0], POLLIN, until);
}

static int64_t w_read(rein_time until)
{
        char byte;
        return rein_read(t.pipe[0], &byte, 1, until);
}

static int64_t w_write(rein_time until)
{
        return rein_write(t.full[1], "x", 1, until);
}

static int64_t w_accept(rein_time until)
{
        return rein_accept(t.listener, until);
}

static int64_t w_recvfrom(rein_time until)
{
        char byte;
        return rein_recvfrom(t.datagrams, &byte, 1, NULL, until);
}

static int64_t w_sendto(rein_time until)
{
        return rein_sendto(t.crowded[0], "x", 1, NULL, until);
}

static int64_t w_wait_signal(rein_time until)
{
        return rein_wait_signal(SIGUSR2, until);
}

static int64_t w_child_wait(rein_time until)
{
        rein_scope s; /* a cancel would stop it */
        rein_shield_open(&s, REIN_SEC(3600));
        int rc = rein_child_wait(t.child, NULL, until);
        (void)rein_scope_close(&s, 0);
        return rc;
}

static int64_t w_await(rein_time until)
{
        return rein_await(t.gate.open, NULL, until);
}

static int64_t w_wait_all(rein_time until)
{
        return rein_wait_all((rein_future *[]){t.gate.open, t.other.open}, 2, until);
}

static int64_t w_wait_any(rein_time until)
{
        return rein_wait_any((rein_future *[]){t.gate.open, t.other.open}, 2, until);
}

static int64_t w_wait_first(rein_time until)
{
        return rein_wait_first((rein_future *[]){t.gate.open, t.other.open}, 2, until);
}

static int64_t w_done_next(rein_time until)
{
        rein_done d;
        rein_done_open(&d, (rein_future *[]){t.gate.open}, 1);
        int rc = rein_done_next(&d, until);
        rein_done_close(&d);
        return rc;
}

static int64_t w_scope(rein_time until)
{
        rein_scope s;
        rein_scope_open(&s, until);
        return rein_scope_close(&s, rein_sleep(REIN_NEVER));
}

static int64_t w_group(rein_time until)
{
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.until = until.ns ? until : REIN_TIME(1))); /* 0 is none */
        rein_spawn(&g, in[POOL], job_sleep, NULL, NULL);
        return rein_group_close(&g, 0);
}

static int64_t w_group_join(rein_time until)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, in[POOL], job_sleep, NULL, NULL);
        int rc = rein_group_join(&g, until);
        rein_group_cancel(&g, "enough");
        const int closed = rein_group_close(&g, 0);
        if (rein_checkpoint() == REIN_ECANCELED) /* that reached the child, and the join waited for it */
                return rc == 0 ? REIN_ECANCELED : rc;
        return closed == REIN_ESTOPPED ? rc : -EPROTO;
}

static int64_t w_mutex(rein_time until)
{
        return rein_mutex_lock(t.mutex, until);
}

static int64_t w_cond(rein_time until)
{
        int rc = rein_mutex_lock(t.of_cond, REIN_NEVER);
        if (rc < 0)
                return rc;
        rc = rein_cond_wait(t.cond, until);
        return rein_mutex_unlock(t.of_cond) == 0 ? rc : -EPROTO;
}

static int64_t w_sem(rein_time until)
{
        return rein_sem_acquire(t.sem, 1, until);
}

static int64_t w_event(rein_time until)
{
        return rein_event_wait(t.event, until);
}

static int64_t w_barrier(rein_time until)
{
        rein_barrier *b = rein_barrier_new(2); /* of its own: one that leaves breaks it */
        int rc = rein_barrier_arrive(b, until);
        rein_barrier_free(b);
        return rc;
}

static int64_t w_send(rein_time until)
{
        return rein_chan_send(t.closed_up, &(int){1}, until);
}

static int64_t w_recv(rein_time until)
{
        int item;
        return rein_chan_recv(t.empty, &item, until);
}

static int64_t w_select(rein_time until)
{
        int item;
        rein_case cases[] = {REIN_ON_RECV(t.empty, &item), REIN_ON_SETTLED(t.gate.open), REIN_ON_FD(t.pipe[0], POLLIN)};
        return rein_select(cases, 3, until);
}

static int64_t w_select_two(rein_time until)
{
        rein_case cases[] = {REIN_ON_FD(t.listener, POLLIN), REIN_ON_FD(t.pipe[0], POLLIN)};
        return rein_select(cases, 2, until);
}

static int64_t w_select_time(rein_time until)
{
        rein_case cases[] = {REIN_ON_TIME(until)};
        int which = rein_select(cases, 1, REIN_NEVER);
        return which == 0 ? REIN_ETIMEOUT : which;
}

static int64_t w_retry(rein_time until)
{
        int rc = rein_retry(REIN_RETRY(.until = until.ns ? until : REIN_TIME(1), .tries = INT_MAX,
                                       .delay_ns = REIN_SEC(60), .delay_max_ns = INT64_MAX),
                            job_sleep, NULL);
        return rc;
}

typedef struct waiter {
        const char *name;
        waits call;
        bool deaf; /* a cancel does not reach it: only times that are past */
} waiter;

static const waiter waiters[] = {
        {"sleep", w_sleep, false},
        {"wait_fd", w_wait_fd, false},
        {"read", w_read, false},
        {"write", w_write, false},
        {"accept", w_accept, false},
        {"recvfrom", w_recvfrom, false},
        {"sendto", w_sendto, false},
        {"wait_signal", w_wait_signal, false},
        {"child_wait", w_child_wait, true},
        {"await", w_await, false},
        {"wait_all", w_wait_all, false},
        {"wait_any", w_wait_any, false},
        {"wait_first", w_wait_first, false},
        {"done_next", w_done_next, false},
        {"scope", w_scope, false},
        {"group", w_group, false},
        {"group_join", w_group_join, false},
        {"mutex", w_mutex, false},
        {"cond", w_cond, false},
        {"sem", w_sem, false},
        {"event", w_event, false},
        {"barrier", w_barrier, false},
        {"chan_send", w_send, false},
        {"chan_recv", w_recv, false},
        {"select", w_select, false},
        {"select two descriptors", w_select_two, false},
        {"select a time", w_select_time, false},
        {"retry", w_retry, false},
};

typedef struct attempt {
        const waiter *w;
        rein_time until;
        int64_t rc;
        seat seat;
        rein_scope scope;
        atomic_bool scoped;
} attempt;

static int job_wait(void *arg)
{
        attempt *a = arg;
        rein_scope_open(&a->scope, REIN_NEVER);
        sit(&a->seat);
        a->scoped = true;
        a->rc = a->w->call(a->until);
        (void)rein_scope_close(&a->scope, 0);
        return 0;
}

static const int64_t past[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN / 2, -1, 0, 1};
static const int64_t far[] = {INT64_MAX / 2, INT64_MAX - 1000000000, INT64_MAX - 1, INT64_MAX};

static void test_a_time_that_is_past_is_now(void **state)
{
        (void)state;
        for (int place = 0; place < PLACES; place++)
                for (size_t i = 0; i < COUNT(waiters); i++)
                        for (size_t k = 0; k < COUNT(past); k++) {
                                attempt a = {.w = &waiters[i], .until = REIN_TIME(past[k])};
                                assert_int_equal(there(place, job_wait, &a), 0);
                                if (a.rc != REIN_ETIMEOUT)
                                        fail_msg("%s until %lld, in place %d: %lld (%s)", a.w->name, (long long)past[k],
                                                 place, (long long)a.rc, rein_code_name((int)a.rc));
                        }
}

static void *job_wait_in_a_thread(void *arg)
{
        job_wait(arg);
        return NULL;
}

static bool waits_in_something(seat *s)
{
        rn_task *task = atomic_load(&s->task);
        return task && rn_loadptr(&task->doing);
}

/* All of them at once: none comes back before it is cancelled. */
static void wait_far(int place, int64_t until)
{
        static attempt all[COUNT(waiters)];
        pthread_t thread[COUNT(waiters)];
        rein_future *f[COUNT(waiters)];
        for (size_t i = 0; i < COUNT(waiters); i++) {
                all[i] = (attempt){.w = &waiters[i], .until = REIN_TIME(until)};
                if (waiters[i].deaf)
                        continue;
                if (place == PLAIN)
                        thread[i] = go(job_wait_in_a_thread, &all[i]);
                else
                        f[i] = rein_submit(in[place], job_wait, &all[i], REIN_JOB(.on_worker = true));
        }
        for (size_t i = 0; i < COUNT(waiters); i++)
                if (!waiters[i].deaf)
                        EVENTUALLY(all[i].rc != 0 || (all[i].scoped && waits_in_something(&all[i].seat)));
        for (size_t i = 0; i < COUNT(waiters); i++) {
                if (waiters[i].deaf)
                        continue;
                if (all[i].rc != 0)
                        fail_msg("%s until %lld, in place %d, came back: %lld (%s)", waiters[i].name, (long long)until,
                                 place, (long long)all[i].rc, rein_code_name((int)all[i].rc));
                rein_scope_cancel(&all[i].scope, "enough");
                if (place == PLAIN)
                        join(thread[i]);
                else
                        assert_int_equal(ended(f[i]), 0);
                if (all[i].rc != REIN_ECANCELED)
                        fail_msg("%s until %lld, in place %d: %lld (%s)", waiters[i].name, (long long)until, place,
                                 (long long)all[i].rc, rein_code_name((int)all[i].rc));
        }
}

static int job_try_with_a_permit(void *arg)
{
        int ends[2];
        char byte = 0;
        (void)arg;
        OK(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "x", 1) == 1);
        rn_unpark(rn_self());
        OK(rein_wait_fd(ends[0], POLLIN, REIN_NOWAIT) == POLLIN);
        rn_unpark(rn_self());
        rein_case one[] = {REIN_ON_FD(ends[0], POLLIN)};
        OK(rein_select(one, 1, REIN_NOWAIT) == 0 && one[0].result == POLLIN);
        rn_unpark(rn_self());
        rein_case two[] = {REIN_ON_FD(t.listener, POLLIN), REIN_ON_FD(ends[0], POLLIN)};
        OK(rein_select(two, 2, REIN_NOWAIT) == 1 && two[1].result == POLLIN);
        rn_unpark(rn_self());
        OK(rein_read(ends[0], &byte, 1, REIN_NOWAIT) == 1 && byte == 'x');
        rn_unpark(rn_self());
        OK(rein_read(ends[0], &byte, 1, REIN_NOWAIT) == REIN_ETIMEOUT);
        rn_unpark(rn_self());
        OK(rein_write(ends[1], "y", 1, REIN_NOWAIT) == 1);
        rn_unpark(rn_self());
        OK(rein_wait_fd(INT_MAX, POLLIN, REIN_NOWAIT) == -EBADF);
        close(ends[0]);
        close(ends[1]);
        return 0;
}

/* A wake-up that is left from before does not take the place of the one look. */
static void test_what_is_there_is_found_by_a_single_look(void **state)
{
        (void)state;
        for (int place = 0; place < PLACES; place++) {
                int rc = there(place, job_try_with_a_permit, NULL);
                if (rc != 0)
                        fail_msg("in place %d: line %d", place, REIN_EUSER - rc);
        }
}

static void test_a_time_that_is_far_is_waited_for(void **state)
{
        (void)state;
        for (int place = 0; place < PLACES; place++)
                for (size_t k = 0; k < COUNT(far); k++)
                        wait_far(place, far[k]);
}

static void test_a_sum_of_times_stays_in_range(void **state)
{
        (void)state;
        const int64_t now = rein_now().ns;
        assert_true(rein_after(INT64_MAX).ns == REIN_NEVER.ns);
        assert_true(rein_after(INT64_MAX - 1).ns == REIN_NEVER.ns);
        assert_true(rein_after(INT64_MIN).ns < 0);
        assert_true(rein_after(INT64_MIN + 1).ns < 0);
        assert_true(rein_after(-1).ns >= now - 1);
        assert_true(rein_after(0).ns >= now);
        assert_true(rein_after(1).ns > now);
}

/* ---- stops ---- */

static void test_a_stop_at_either_end_of_time(void **state)
{
        static const int64_t grace[] = {1, INT64_MAX - 1, INT64_MAX};
        (void)state;
        for (size_t i = 0; i < COUNT(grace); i++) {
                for (size_t k = 0; k < COUNT(past) + COUNT(far); k++) {
                        const rein_time until = REIN_TIME(k < COUNT(past) ? past[k] : far[k - COUNT(past)]);
                        rein_executor *x = rein_pool_new(
                                REIN_POOL(.name = "stopped", .threads = 1, .grace_ns = grace[i], .idle_ns = grace[i]));
                        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
                        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
                        rein_drop(f);
                        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, until), 0);
                        int rc = rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL);
                        assert_true(rc == 0 || (rc == REIN_ESTUCK && k < COUNT(past)));
                        rein_executor_free(x);
                }
        }
}

/* ---- spans ---- */

static int job_shielded(void *arg)
{
        rein_scope outer, inner;
        const int64_t grace = *(int64_t *)arg;
        rein_scope_open(&outer, REIN_NEVER);
        rein_scope_cancel(&outer, "at once");
        OK(rein_checkpoint() == REIN_ECANCELED);
        rein_shield_open(&inner, grace);
        OK(rein_checkpoint() == (grace > REIN_SEC(60) ? 0 : REIN_ECANCELED));
        OK(rein_scope_close(&inner, 0) == 0);
        OK(rein_scope_close(&outer, 0) == 0);
        return 0;
}

static int job_limited(void *arg)
{
        (void)arg;
        return rein_sleep(rein_after(REIN_MS(1)));
}

static int job_past_its_limit(void *arg)
{
        (void)arg;
        return rein_sleep(REIN_NEVER);
}

static void test_spans_from_one_nanosecond_to_all_there_is(void **state)
{
        int64_t graces[] = {INT64_MIN, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
        int tries = 0;
        (void)state;
        for (int place = 0; place < PLACES; place++) {
                for (size_t i = 0; i < COUNT(graces); i++)
                        assert_int_equal(there(place, job_shielded, &graces[i]), 0);
                assert_int_equal(rein_on(in[POOL], job_limited, NULL, REIN_JOB(.limit_ns = INT64_MAX)), 0);
                assert_int_equal(rein_on(in[LOOP], job_limited, NULL, REIN_JOB(.limit_ns = INT64_MAX - 1)), 0);
        }
        assert_int_equal(rein_on(in[POOL], job_past_its_limit, NULL, REIN_JOB(.limit_ns = 1)), REIN_ETIMEOUT);
        assert_int_equal(rein_on(in[LOOP], job_past_its_limit, NULL, REIN_JOB(.limit_ns = 1)), REIN_ETIMEOUT);
        assert_int_equal(rein_on(in[POOL], job_seven, NULL, REIN_JOB(.start_by = REIN_NOWAIT)), REIN_EREJECTED);
        assert_int_equal(rein_on(in[POOL], job_seven, NULL, REIN_JOB(.start_by = REIN_TIME(-1))), REIN_EREJECTED);
        assert_int_equal(rein_on(in[POOL], job_seven, NULL, REIN_JOB(.start_by = REIN_TIME(INT64_MAX - 1))), 7);
        assert_int_equal(rein_on(in[POOL], job_seven, NULL, REIN_JOB(.limit_ns = -1)), -EINVAL);
        assert_int_equal(rein_retry(REIN_RETRY(.tries = 1, .delay_ns = INT64_MAX, .delay_max_ns = INT64_MAX,
                                               .each_ns = INT64_MAX),
                                    job_count, &tries),
                         0);
        assert_int_equal(
                rein_retry(REIN_RETRY(.tries = 2, .delay_ns = 1, .delay_max_ns = 1, .each_ns = 1), job_limited, NULL),
                REIN_ETIMEOUT);
}

/* One that is never slow enough is never looked at, and costs the clock nothing. */
static void test_a_loop_whose_jobs_may_take_any_time(void **state)
{
        static const int64_t slow[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2 + 1};
        (void)state;
        for (size_t i = 0; i < COUNT(slow); i++) {
                rein_executor *x = rein_loop_new(REIN_LOOP(.name = "slow", .slow_ns = slow[i], .grace_ns = INT64_MAX));
                rn_loop *l = rn_loop_of(x);
                assert_int_equal(rein_on(x, job_limited, NULL, NULL), 0);
                rn_clockwork *c = &rn_world_now()->clock;
                rn_lock_take(&c->lock);
                const int64_t at = l->stall.timer.at;
                const bool in_it = l->stall.timer.node.in;
                rn_lock_give(&c->lock);
                assert_true(in_it && at > INT64_MAX / 2);
                rein_executor_free(x);
        }
}

/* ---- sizes ---- */

static int job_give_much(void *arg)
{
        (void)arg;
        return rein_give_copy("x", SIZE_MAX);
}

static int job_give_nothing(void *arg)
{
        (void)arg;
        return rein_give_copy("", 0);
}

static void test_sizes_from_none_to_all(void **state)
{
        char byte = 7;
        (void)state;
        for (int i = 0; i < 2; i++) {
                const size_t n = i ? SIZE_MAX : 0;
                int64_t rc = rein_read(t.pipe[0], &byte, n, REIN_NOWAIT);
                assert_true(i ? rc < 0 : rc == 0);
                rc = rein_recvfrom(t.datagrams, &byte, n, NULL, REIN_NOWAIT);
                assert_true(rc < 0);
        }
        assert_int_equal(rein_write(t.pipe[1], &byte, 0, REIN_NOWAIT), 0);
        assert_int_equal(byte, 7);
        const size_t large[][2] = {{SIZE_MAX, 1},     {1, SIZE_MAX},         {SIZE_MAX, SIZE_MAX},
                                   {SIZE_MAX / 2, 2}, {2, SIZE_MAX / 2 + 1}, {SIZE_MAX, 0}};
        for (size_t i = 0; i < COUNT(large); i++) {
                rein_chan *c = rein_chan_new(large[i][0], large[i][1], NULL);
                assert_int_equal(c != NULL, large[i][1] == 0); /* without room it has no memory for items */
                if (!c)
                        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
                rein_chan_free(c);
        }
        assert_null(rein_chan_new(0, 1, NULL));
        assert_int_equal(rein_on(in[POOL], job_seven, &byte, REIN_JOB(.arg_size = SIZE_MAX)), -ENOMEM);
        assert_int_equal(rein_on(in[POOL], job_give_much, NULL, NULL), -ENOMEM);
        assert_int_equal(rein_on(in[POOL], job_give_nothing, NULL, NULL), 0);
        assert_int_equal(rein_on(in[LOOP], job_seven, NULL, REIN_JOB(.stack_size = 64 << 20)), 7);
        assert_int_equal(rein_on(in[LOOP], job_seven, NULL, NULL), 7);
}

#if defined REIN_ASAN || defined REIN_TSAN
static const size_t large_stack = 64 << 20; /* a sanitizer writes a part of its own for all of a stack */
#else
static const size_t large_stack = (size_t)1 << 40;
#endif

static void test_stacks_and_queues_of_any_size(void **state)
{
        (void)state;
        const size_t stacks[] = {16 << 10, (16 << 10) + 1, large_stack};
        for (size_t i = 0; i < COUNT(stacks); i++) {
                rein_executor *x = rein_pool_new(
                        REIN_POOL(.name = "stacks", .threads = 1, .stack_size = stacks[i], .queue_max = 1 << 30));
                assert_non_null(x);
                rein_future *f = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
                (void)rein_await(f, NULL, REIN_NEVER);
                const int code = rein_code(f);
                assert_true(code == 7 || (i == 2 && (code == -EAGAIN || code == -EINVAL || code == -ENOMEM)));
                rein_drop(f);
                rein_executor_free(x);
        }
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "stacks", .stack_size = large_stack));
        const int rc = rein_on(x, job_seven, NULL, NULL);
        assert_true(rc == 7 || rc == -ENOMEM);
        rein_executor_free(x);
}

/* ---- counts ---- */

static void test_counts_from_one_to_all(void **state)
{
        (void)state;
        rein_sem *s = rein_sem_new(SIZE_MAX);
        assert_int_equal(rein_sem_release(s, 1), -EOVERFLOW);
        assert_int_equal(rein_sem_release(s, 0), 0);
        assert_int_equal(rein_sem_acquire(s, SIZE_MAX, REIN_NOWAIT), 0);
        assert_int_equal(rein_sem_acquire(s, 1, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_sem_acquire(s, 0, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_sem_release(s, SIZE_MAX), 0);
        assert_int_equal(rein_sem_release(s, SIZE_MAX), -EOVERFLOW);
        assert_int_equal(rein_sem_acquire(s, SIZE_MAX, REIN_NOWAIT), 0);
        rein_sem_free(s);

        rein_barrier *one = rein_barrier_new(1), *all = rein_barrier_new(SIZE_MAX);
        assert_int_equal(rein_barrier_arrive(one, REIN_NEVER), 1);
        assert_int_equal(rein_barrier_arrive(one, REIN_NOWAIT), 1);
        assert_int_equal(rein_barrier_arrive(all, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_null(rein_barrier_new(0));
        rein_barrier_free(one);
        rein_barrier_free(all);

        rein_case none[1] = {{.kind = REIN_CASE_NONE}};
        assert_int_equal(rein_select(none, (size_t)INT_MAX + 1, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_select(none, SIZE_MAX, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_select(none, 1, REIN_NOWAIT), REIN_ETIMEOUT);
        rein_future *out[1] = {NULL};
        assert_int_equal(rein_submit_many(in[POOL], job_seven, NULL, 0, NULL, out), 0);
        assert_null(out[0]);
}

static void run_ten(rein_executor *x)
{
        atomic_int runs = 0;
        rein_group g;
        assert_non_null(x);
        rein_group_open(&g, REIN_GROUP(.width = INT_MAX));
        for (int i = 0; i < 10; i++)
                rein_spawn(&g, x, job_count, &runs, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(runs, 10);
        rein_executor_free(x);
}

static void test_as_many_threads_as_there_are_numbers(void **state)
{
        (void)state;
        enum { MOST = 1 << 22 };
        run_ten(rein_pool_new(REIN_POOL(.name = "many", .threads = MOST)));
        run_ten(rein_pool_new(REIN_POOL(.name = "many", .threads = MOST, .threads_max = MOST, .elastic = true,
                                        .replace_abandoned = MOST)));
        run_ten(rein_pool_new(REIN_POOL(.name = "many", .threads = 1, .threads_max = MOST, .elastic = true)));
        run_ten(rein_pool_new(REIN_POOL(.name = "many", .threads = MOST / 4 + 1)));
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.width = INT_MIN));
        assert_int_equal(rein_group_close(&g, 0), -EINVAL);
}

static int job_order(void *arg)
{
        int *said = ((void **)arg)[0];
        said[++said[0]] = *(int *)((void **)arg)[1];
        return 0;
}

static void test_priorities_from_the_lowest_to_the_highest(void **state)
{
        static int priority[] = {0, INT_MIN, 1, INT_MAX, -1, INT_MAX - 1, INT_MIN + 1, 0};
        static const int sorted[] = {INT_MAX, INT_MAX - 1, 1, 0, 0, -1, INT_MIN + 1, INT_MIN};
        int said[1 + COUNT(priority)] = {0};
        void *args[COUNT(priority)][2];
        gate g = gate_new();
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "ranked", .threads = 1));
        rein_drop(rein_submit(x, job_pass, &g, REIN_JOB(.on_worker = true)));
        EVENTUALLY(rein_executor_queued(x) == 0);
        for (size_t i = 0; i < COUNT(priority); i++) {
                args[i][0] = said;
                args[i][1] = &priority[i];
                rein_drop(rein_submit(x, job_order, args[i], REIN_JOB(.priority = priority[i])));
        }
        gate_open(&g);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(said[0], COUNT(priority));
        for (size_t i = 0; i < COUNT(sorted); i++)
                assert_int_equal(said[1 + i], sorted[i]);
        rein_executor_free(x);
        gate_free(&g);
}

/* ---- codes ---- */

static int job_code(void *arg)
{
        return *(int *)arg;
}

static void test_codes_from_the_lowest_to_the_highest(void **state)
{
        int codes[] = {INT_MIN, INT_MIN + 1, REIN_EUSER, -1, 0, 1, INT_MAX};
        FILE *null = fopen("/dev/null", "we");
        (void)state;
        for (size_t i = 0; i < COUNT(codes); i++) {
                assert_int_equal(rein_on(in[POOL], job_code, &codes[i], NULL), codes[i]);
                assert_int_equal(rein_on(in[LOOP], job_code, &codes[i], NULL), codes[i]);
                assert_true(rein_code_name(codes[i])[0]);
                assert_int_equal(rein_fail(codes[i], "x"), codes[i]);
                assert_int_equal(rein_wrap(codes[i], "y"), codes[i]);
                rein_error_print(null, rein_trail());
                rein_future *f;
                rein_promise *p = rein_promise_new(&f);
                const int rc = rein_promise_break(p, codes[i], "z");
                assert_int_equal(rc, codes[i] < 0 ? 0 : -EINVAL);
                assert_int_equal(rein_code(f), codes[i] < 0 ? codes[i] : REIN_EPENDING);
                rein_promise_keep(p, NULL, NULL);
                rein_promise_drop(p);
                rein_drop(f);
        }
        fclose(null);
}

/* ---- descriptors, signals, ports ---- */

static int job_wrong_descriptors(void *arg)
{
        static const int wrong[] = {INT_MIN, -1, 999999, INT_MAX};
        char byte;
        rein_addr at;
        (void)arg;
        for (size_t i = 0; i < COUNT(wrong); i++) {
                const int fd = wrong[i];
                OK(rein_read(fd, &byte, 1, REIN_NOWAIT) == -EBADF);
                OK(rein_write(fd, "x", 1, REIN_NOWAIT) == -EBADF);
                OK(rein_wait_fd(fd, POLLIN, REIN_NOWAIT) == -EBADF);
                OK(rein_accept(fd, REIN_NOWAIT) == -EBADF);
                OK(rein_recvfrom(fd, &byte, 1, NULL, REIN_NOWAIT) == -EBADF);
                OK(rein_sendto(fd, "x", 1, NULL, REIN_NOWAIT) == -EBADF);
                OK(rein_addr_local(fd, &at) == -EBADF);
                OK(rein_close(fd) == -EBADF);
                rein_case one[] = {REIN_ON_FD(fd, POLLIN)};
                OK(rein_select(one, 1, REIN_NOWAIT) == 0 && one[0].result == -EBADF);
                rein_case two[] = {REIN_ON_FD(fd, POLLIN), REIN_ON_FD(fd, POLLOUT)};
                OK(rein_select(two, 2, REIN_NOWAIT) == 0 && two[0].result == -EBADF);
        }
        return 0;
}

static void test_numbers_that_are_no_descriptors(void **state)
{
        (void)state;
        for (int place = 0; place < PLACES; place++) {
                int rc = there(place, job_wrong_descriptors, NULL);
                if (rc != 0)
                        fail_msg("in place %d: line %d", place, REIN_EUSER - rc);
        }
        assert_int_equal(rein_wait_fd(t.pipe[0], 0, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_wait_fd(t.pipe[0], INT_MIN, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_wait_fd(t.pipe[0], SHRT_MAX + 1, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_wait_fd(t.pipe[0], INT_MAX, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_wait_fd(t.pipe[0], POLLIN, REIN_NOWAIT), REIN_ETIMEOUT);
}

static void test_numbers_that_are_no_signals(void **state)
{
        static const int wrong[] = {INT_MIN, -1, 0, 65, INT_MAX, SIGKILL, SIGSTOP};
        (void)state;
        for (size_t i = 0; i < COUNT(wrong); i++)
                assert_int_equal(rein_wait_signal(wrong[i], REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_wait_signal(SIGRTMAX, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_child_signal(t.child, 0), 0);
        assert_int_equal(rein_child_signal(t.child, 65), -EINVAL);
        assert_int_equal(rein_child_signal(t.child, -1), -EINVAL);
        assert_int_equal(rein_child_signal(t.child, INT_MAX), -EINVAL);
        assert_int_equal(rein_child_pipe(t.child, -1), -EBADF);
        assert_int_equal(rein_child_pipe(t.child, 3), -EBADF);
        assert_int_equal(rein_child_pipe(t.child, INT_MAX), -EBADF);
}

static int bound_port(int fd)
{
        rein_addr own;
        char text[REIN_ADDR_TEXT];
        return rein_addr_local(fd, &own) < 0 ? -1 : atoi(strrchr(rein_addr_text(&own, text), ':') + 1);
}

static void test_ports_at_both_ends(void **state)
{
        static const int backlogs[] = {0, 1, INT_MAX};
        (void)state;
        int fd = rein_udp_connect("127.0.0.1", "1", REIN_NEVER);
        assert_true(fd >= 0);
        rein_close(fd);
        fd = rein_udp_connect("127.0.0.1", "0065535", REIN_NEVER);
        assert_true(fd >= 0);
        rein_close(fd);
        fd = rein_udp_bind("127.0.0.1", "0");
        assert_true(fd >= 0 && bound_port(fd) > 0);
        rein_close(fd);
        fd = rein_udp_bind("127.0.0.1", "65535");
        assert_true(fd == -EADDRINUSE || bound_port(fd) == 65535);
        if (fd >= 0)
                rein_close(fd);
        for (size_t i = 0; i < COUNT(backlogs); i++) {
                fd = rein_listen("127.0.0.1", "0", backlogs[i]);
                assert_true(fd >= 0);
                assert_int_equal(rein_close(fd), 0);
        }
}

/* ---- what is out of range is told ---- */

static char *const true_argv[] = {(char *)"true", NULL};

static int of_pool(const rein_pool_opts *o)
{
        rein_executor *x = rein_pool_new(o);
        rein_executor_free(x);
        return x ? 0 : rein_error_code(rein_trail());
}

static int of_loop(const rein_loop_opts *o)
{
        rein_executor *x = rein_loop_new(o);
        rein_executor_free(x);
        return x ? 0 : rein_error_code(rein_trail());
}

static int of_group(const rein_group_opts *o)
{
        rein_group g;
        rein_group_open(&g, o);
        (void)!rein_group_close(&g, 0);
        rein_group_open(&g, o); /* the trail of the open says it */
        const int code = rein_error_code(rein_trail());
        const rein_error *e = rein_trail();
        char text[128];
        snprintf(text, sizeof text, "%s", rein_error_text(e));
        (void)!rein_group_close(&g, 0);
        return rein_fail(code, "%s", text);
}

static int of_job(const rein_job *job)
{
        return rein_on(in[LOOP], job_seven, NULL, job);
}

static int of_retry(const rein_retry_opts *o)
{
        return rein_retry(o, job_seven, NULL);
}

static int of_new(const void *made)
{
        return made ? 0 : rein_error_code(rein_trail());
}

static int of_find(const char *host, const char *service)
{
        rein_addr a;
        return rein_addr_find(-1, host, service, &a, rein_after(REIN_SEC(10)));
}

static int of_select(const rein_case *one)
{
        rein_case copy = *one;
        return rein_select(&copy, 1, REIN_NOWAIT);
}

static int of_sim(const rein_sim_opts *o)
{
        return rein_sim_run(o, job_seven, NULL);
}

/* What is refused with -EINVAL, by a text that has these words. */
#define REFUSED(call, words)                                                                                           \
        do {                                                                                                           \
                rein_fail(-EPROTO, "nothing was told");                                                                \
                const int64_t rc_ = (call);                                                                            \
                const char *text_ = rein_error_text(rein_trail());                                                     \
                if (rc_ != -EINVAL || rein_error_code(rein_trail()) != -EINVAL || !strstr(text_, words))               \
                        fail_msg("%s: %s, \"%s\"", #call, rein_code_name((int)rc_), text_);                            \
        } while (0)

static void test_numbers_of_options_that_are_out_of_range(void **state)
{
        (void)state;
        static const int threads[] = {INT_MIN, -1, (1 << 22) + 1, 1 << 30, INT_MAX};
        for (size_t i = 0; i < COUNT(threads); i++) {
                REFUSED(of_pool(REIN_POOL(.threads = threads[i])), "from 1 to 4194304");
                REFUSED(of_pool(REIN_POOL(.threads = 1, .threads_max = threads[i])), "from 1 to 4194304");
                REFUSED(of_pool(REIN_POOL(.replace_abandoned = threads[i])), "from 1 to 4194304");
        }
        REFUSED(of_pool(REIN_POOL(.threads = 2, .threads_max = 1)), "at least threads");
        static const size_t queues[] = {(1u << 30) + 1, SIZE_MAX / 2, SIZE_MAX};
        for (size_t i = 0; i < COUNT(queues); i++)
                REFUSED(of_pool(REIN_POOL(.queue_max = queues[i])), "from 1 to 1073741824");
        static const size_t stacks[] = {1, (16 << 10) - 1, ((size_t)1 << 40) + 1, SIZE_MAX};
        for (size_t i = 0; i < COUNT(stacks); i++) {
                REFUSED(of_pool(REIN_POOL(.stack_size = stacks[i])), "from 16 KiB to 1 TiB");
                REFUSED(of_loop(REIN_LOOP(.stack_size = stacks[i])), "from 16 KiB to 1 TiB");
                REFUSED(of_job(REIN_JOB(.stack_size = stacks[i])), "from 16 KiB to 1 TiB");
                REFUSED(of_sim(REIN_SIM(.quiet = true, .stack_size = stacks[i])), "from 16 KiB to 1 TiB");
        }
        static const int64_t spans[] = {INT64_MIN, -1};
        for (size_t i = 0; i < COUNT(spans); i++) {
                const int64_t ns = spans[i];
                REFUSED(of_pool(REIN_POOL(.idle_ns = ns)), "not negative");
                REFUSED(of_pool(REIN_POOL(.grace_ns = ns)), "not negative");
                REFUSED(of_loop(REIN_LOOP(.grace_ns = ns)), "not negative");
                REFUSED(of_loop(REIN_LOOP(.slow_ns = ns)), "not negative");
                REFUSED(of_job(REIN_JOB(.limit_ns = ns)), "not negative");
                REFUSED(of_retry(REIN_RETRY(.delay_ns = ns)), "not negative");
                REFUSED(of_retry(REIN_RETRY(.delay_max_ns = ns)), "not negative");
                REFUSED(of_retry(REIN_RETRY(.each_ns = ns)), "not negative");
                REFUSED(rein_child_run(true_argv, REIN_CHILD(.grace_ns = ns), NULL), "not negative");
        }
        REFUSED(of_retry(REIN_RETRY(.tries = -1)), "from 1 to 2147483647");
        REFUSED(of_group(REIN_GROUP(.width = -1)), "from 1 to 2147483647");
        REFUSED(of_group(REIN_GROUP(.policy = (rein_policy)4)), "one of the four");
        REFUSED(of_pool(REIN_POOL(.full = (rein_full)4)), "one of the four");
        REFUSED(of_job(REIN_JOB(.unheeded = (rein_unheeded)3)), "one of the three");
        REFUSED(rein_child_run(true_argv, REIN_CHILD(.limits_count = 1), NULL), "limits is NULL");
        REFUSED(of_sim(REIN_SIM(.quiet = true, .depth = 1)), "from 2 to 8");
        REFUSED(of_sim(REIN_SIM(.quiet = true, .depth = 9)), "from 2 to 8");
        REFUSED(of_sim(REIN_SIM(.quiet = true, .generator = 99)), "a generator");
        REFUSED(of_sim(REIN_SIM(.quiet = true, .faults = UINT32_MAX)), "faults");
}

static void test_numbers_of_calls_that_are_out_of_range(void **state)
{
        (void)state;
        char byte;
        rein_future *f, *all[1];
        rein_promise *p = rein_promise_new(&f);
        rein_case none = {.kind = REIN_CASE_NONE};
        all[0] = f;
        static const int signals[] = {INT_MIN, -1, 0, 65, INT_MAX, SIGKILL, SIGSTOP};
        for (size_t i = 0; i < COUNT(signals); i++)
                REFUSED(rein_wait_signal(signals[i], REIN_NOWAIT), "from 1 to 64");
        REFUSED(rein_child_signal(t.child, -1), "from 0 to 64");
        REFUSED(rein_child_signal(t.child, 65), "from 0 to 64");
        static const int events[] = {INT_MIN, -1, 0, SHRT_MAX + 1};
        for (size_t i = 0; i < COUNT(events); i++) {
                REFUSED(rein_wait_fd(t.pipe[0], events[i], REIN_NOWAIT), "from 1 to 32767");
                REFUSED(of_select(&(rein_case)REIN_ON_FD(t.pipe[0], events[i])), "from 1 to 32767");
        }
        static const size_t bytes[] = {(size_t)INT64_MAX + 1, SIZE_MAX};
        for (size_t i = 0; i < COUNT(bytes); i++) {
                REFUSED(rein_read(t.pipe[0], &byte, bytes[i], REIN_NOWAIT), "from 0 to 9223372036854775807");
                REFUSED(rein_write(t.pipe[1], &byte, bytes[i], REIN_NOWAIT), "from 0 to 9223372036854775807");
                REFUSED(rein_recvfrom(t.datagrams, &byte, bytes[i], NULL, REIN_NOWAIT),
                        "from 0 to 9223372036854775807");
                REFUSED(rein_sendto(t.datagrams, &byte, bytes[i], NULL, REIN_NOWAIT), "from 0 to 9223372036854775807");
        }
        static const size_t counts[] = {(size_t)INT_MAX + 1, SIZE_MAX};
        for (size_t i = 0; i < COUNT(counts); i++) {
                rein_done d;
                REFUSED(rein_wait_all(all, counts[i], REIN_NOWAIT), "2147483647");
                REFUSED(rein_wait_any(all, counts[i], REIN_NOWAIT), "2147483647");
                REFUSED(rein_wait_first(all, counts[i], REIN_NOWAIT), "2147483647");
                REFUSED(rein_select(&none, counts[i], REIN_NOWAIT), "from 0 to 2147483647");
                rein_done_open(&d, all, counts[i]);
                assert_int_equal(rein_done_next(&d, REIN_NOWAIT), -EINVAL);
                assert_non_null(strstr(rein_error_text(rein_trail()), "than an int can count"));
                rein_done_close(&d);
        }
        REFUSED(of_select(&(rein_case){.kind = 6}), "kind 6");
        REFUSED(of_new(rein_barrier_new(0)), "from 1 on");
        REFUSED(rein_sem_acquire(t.sem, 0, REIN_NOWAIT), "from 1 on");
        REFUSED(of_new(rein_chan_new(0, 1, NULL)), "items have a size");
        static const double budgets[][2] = {{0, 1}, {-1, 1}, {NAN, 1}, {1, -1}, {1, NAN}};
        for (size_t i = 0; i < COUNT(budgets); i++)
                REFUSED(of_new(rein_budget_new(budgets[i][0], budgets[i][1])), "not negative");
        REFUSED(rein_executor_stop(in[POOL], (rein_stop)3, REIN_NOWAIT, NULL), "one of the three");
        REFUSED(rein_promise_break(p, 0, "x"), "below 0");
        static const int backlogs[] = {INT_MIN, -1};
        for (size_t i = 0; i < COUNT(backlogs); i++)
                REFUSED(rein_listen("127.0.0.1", "0", backlogs[i]), "from 0 to 2147483647");
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(f);
}

static void test_texts_that_are_no_ports_and_no_hosts(void **state)
{
        static const char *const ports[] = {"65536",
                                            "70000",
                                            "99999",
                                            "4294967296",
                                            "18446744073709551616",
                                            "-1",
                                            "-4294967295",
                                            "+80",
                                            " 80",
                                            "\t80",
                                            "99999999999999999999999999999999999999999999999999999999999999999"};
        (void)state;
        for (size_t i = 0; i < COUNT(ports); i++) {
                REFUSED(rein_listen("127.0.0.1", ports[i], 1), "from 0 to 65535");
                REFUSED(rein_udp_bind("127.0.0.1", ports[i]), "from 0 to 65535");
                REFUSED(of_find("127.0.0.1", ports[i]), "from 0 to 65535");
                REFUSED(rein_connect("127.0.0.1", ports[i], REIN_NOWAIT), "from 1 to 65535");
                REFUSED(rein_udp_connect("127.0.0.1", ports[i], REIN_NOWAIT), "from 1 to 65535");
        }
        REFUSED(rein_connect("127.0.0.1", "0", REIN_NOWAIT), "from 1 to 65535");
        REFUSED(rein_udp_connect("127.0.0.1", "00", REIN_NOWAIT), "from 1 to 65535");
        static const char *const empty[] = {"", NULL};
        for (size_t i = 0; i < COUNT(empty); i++) {
                REFUSED(rein_listen("127.0.0.1", empty[i], 1), "a port from 0 to 65535, or a name");
                REFUSED(rein_udp_bind(NULL, empty[i]), "a port from 0 to 65535, or a name");
                REFUSED(of_find("127.0.0.1", empty[i]), "a port from 0 to 65535, or a name");
                REFUSED(rein_connect("127.0.0.1", empty[i], REIN_NOWAIT), "a port from 1 to 65535, or a name");
                REFUSED(rein_udp_connect("127.0.0.1", empty[i], REIN_NOWAIT), "a port from 1 to 65535, or a name");
                REFUSED(of_find(empty[i], "80"), "a name or an address");
                REFUSED(rein_connect(empty[i], "80", REIN_NOWAIT), "a name or an address");
                REFUSED(rein_udp_connect(empty[i], "80", REIN_NOWAIT), "a name or an address");
        }
        REFUSED(rein_listen("", "0", 1), "NULL for every address");
        REFUSED(rein_udp_bind("", "0"), "NULL for every address");
}

/* ---- children ---- */

static void test_limits_and_graces_of_children(void **state)
{
        static char nothing[] = "true";
        char *argv[] = {nothing, NULL};
        rein_child_end end = {.size = sizeof end};
        const rein_child_limit good[] = {{RLIMIT_CORE, 0, 0}, {RLIMIT_CORE, 0, 0}};
        const rein_child_limit wrong[] = {{INT_MAX, 0, 0}}, crossed[] = {{RLIMIT_CORE, UINT64_MAX, 0}};
        (void)state;
        assert_int_equal(
                rein_child_run(argv, REIN_CHILD(.grace_ns = INT64_MAX, .limits = good, .limits_count = 2), &end), 0);
        assert_int_equal(end.code, 0);
        assert_int_equal(rein_child_run(argv, REIN_CHILD(.grace_ns = 1, .limits = good, .limits_count = 0), &end), 0);
        assert_int_equal(rein_child_run(argv, REIN_CHILD(.grace_ns = -1), &end), -EINVAL);
        assert_int_equal(rein_child_run(argv, REIN_CHILD(.limits_count = SIZE_MAX), &end), -EINVAL);
        assert_int_equal(rein_child_run(argv, REIN_CHILD(.limits = wrong, .limits_count = 1), &end), -EINVAL);
        assert_int_equal(rein_child_run(argv, REIN_CHILD(.limits = crossed, .limits_count = 1), &end), -EINVAL);
        assert_int_equal(rein_child_run(argv, REIN_CHILD(.in = REIN_CHILD_FD(INT_MAX)), &end), -EBADF);
        assert_int_equal(rein_child_run(argv, REIN_CHILD(.in = REIN_CHILD_FD(INT_MIN)), &end), -EBADF);
}

/* ---- budgets ---- */

static int job_busy(void *arg)
{
        ++*(int *)arg;
        return -EBUSY;
}

static void test_budgets_from_almost_none_to_no_limit(void **state)
{
        const double many[] = {DBL_MAX, INFINITY, 1e300};
        (void)state;
        for (size_t i = 0; i < COUNT(many); i++) {
                int tries = 0;
                rein_budget *b = rein_budget_new(many[i], i ? 0 : INFINITY);
                assert_non_null(b);
                assert_int_equal(rein_retry(REIN_RETRY(.tries = 5, .delay_ns = 1, .budget = b), job_busy, &tries),
                                 -EBUSY);
                assert_int_equal(tries, 5);
                rein_budget_free(b);
        }
        int tries = 0;
        rein_budget *b = rein_budget_new(DBL_MIN, DBL_MIN);
        assert_int_equal(rein_retry(REIN_RETRY(.tries = 5, .delay_ns = 1, .budget = b), job_busy, &tries), -EBUSY);
        assert_int_equal(tries, 1);
        rein_budget_free(b);
        assert_null(rein_budget_new(NAN, 0));
        assert_null(rein_budget_new(1, NAN));
        assert_null(rein_budget_new(-INFINITY, 0));
        assert_null(rein_budget_new(0, 0));
}

/* ---- generations and sequence numbers, around their wrap ---- */

/* The record that the next scope of this thread gets. */
static rn_slab_item *next_scope(void)
{
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        rn_slab_item *k = &rn_self()->now->scope->in_slab;
        (void)rein_scope_close(&s, 0);
        return k;
}

static void test_scopes_around_the_wrap_of_their_generation(void **state)
{
        (void)state;
        rn_slab_item *k = next_scope();
        rn_store32(&k->generation, UINT32_MAX - 5);
        rein_scope late = {0};
        for (int i = 0; i < 6; i++) {
                rein_scope s;
                rein_scope_open(&s, REIN_NEVER);
                assert_ptr_equal(&rn_self()->now->scope->in_slab, k);
                assert_int_equal(rn_slab_generation(k), (uint32_t)(UINT32_MAX - 4 + 2 * (unsigned)i));
                if (i) /* the handle of one that is closed reaches nobody */
                        rein_scope_cancel(&late, "too late");
                assert_int_equal(rein_checkpoint(), 0);
                late = s;
                rein_scope_cancel(&s, "now");
                assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
                assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ESTOPPED);
        }
}

static void test_regions_around_the_wrap_of_their_generation(void **state)
{
        (void)state;
        rein_hook h;
        assert_int_equal(rein_hook_open(&h, REIN_POKE, NULL), 0);
        rn_slab_item *k = &rn_self()->now->hook->in_slab;
        assert_int_equal(rein_hook_close(&h, 0), 0);
        rn_store32(&k->generation, UINT32_MAX - 5);
        for (int i = 0; i < 6; i++) {
                rein_scope s;
                char byte;
                rein_scope_open(&s, rein_after(REIN_MS(1)));
                int rc = rein_hook_open(&h, REIN_POKE, NULL);
                if (rc == 0) { /* else the millisecond is over already */
                        assert_ptr_equal(&rn_self()->now->hook->in_slab, k);
                        ssize_t n = read(t.pipe[0], &byte, 1); /* foreign: the clock gets it out */
                        assert_int_equal(n, -1);
                        assert_int_equal(rein_hook_close(&h, -errno), REIN_ECANCELED);
                }
                assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ETIMEOUT);
        }
}

static void test_groups_around_the_wrap_of_their_generation(void **state)
{
        (void)state;
        rein_group g;
        rein_group_open(&g, NULL);
        rn_slab_item *k = (rn_slab_item *)(void *)rn_self()->now->scope->group;
        assert_int_equal(rein_group_close(&g, 0), 0);
        rn_store32(&k->generation, UINT32_MAX - 5);
        rein_group late = {{0}};
        for (int i = 0; i < 6; i++) {
                atomic_int runs = 0;
                rein_group_open(&g, NULL);
                assert_ptr_equal(rn_self()->now->scope->group, k);
                if (i)
                        rein_group_cancel(&late, "too late");
                for (int j = 0; j < 3; j++)
                        rein_spawn(&g, in[POOL], job_count, &runs, NULL);
                late = g;
                assert_int_equal(rein_group_close(&g, 0), 0);
                assert_int_equal(runs, 3);
        }
}

static void test_a_queue_around_the_wrap_of_its_sequence(void **state)
{
        enum { MANY = 8 };
        int said[1 + MANY] = {0}, number[MANY];
        void *args[MANY][2];
        unseen dropped = {0};
        (void)state;
        rein_on_unseen(unseen_note, &dropped);
        for (int full = 0; full < 2; full++) {
                gate g = gate_new();
                said[0] = 0;
                rein_executor *x = rein_pool_new(REIN_POOL(.name = "wraps", .threads = 1, .queue_max = MANY - full,
                                                           .full = REIN_FULL_DROP_OLDEST));
                rein_drop(rein_submit(x, job_pass, &g, REIN_JOB(.on_worker = true)));
                EVENTUALLY(rein_executor_queued(x) == 0);
                rn_lock_take(&x->lock);
                rn_pool_of(x)->sequence = UINT64_MAX - 3;
                rn_lock_give(&x->lock);
                for (int i = 0; i < MANY; i++) {
                        number[i] = i;
                        args[i][0] = said;
                        args[i][1] = &number[i];
                        /* in two lists, by priority: which one is the oldest is told by the numbers */
                        rein_drop(rein_submit(x, job_order, args[i],
                                              REIN_JOB(.priority = full && i % 2 ? 0 : 5, .on_worker = true)));
                }
                gate_open(&g);
                assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
                assert_int_equal(said[0], MANY - full);
                for (int i = 0; !full && i < MANY; i++)
                        assert_int_equal(said[1 + i], i);
                for (int i = 0; full && i < MANY - 1; i++)
                        assert_int_not_equal(said[1 + i], 0); /* the oldest has made room */
                rein_executor_free(x);
                gate_free(&g);
        }
        rein_on_unseen(NULL, NULL);
        assert_int_equal(dropped.count, 1);
        assert_int_equal(dropped.code, REIN_EREJECTED);
}

int main(void)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_time_that_is_past_is_now),
                cmocka_unit_test(test_what_is_there_is_found_by_a_single_look),
                cmocka_unit_test(test_a_time_that_is_far_is_waited_for),
                cmocka_unit_test(test_a_sum_of_times_stays_in_range),
                cmocka_unit_test(test_a_stop_at_either_end_of_time),
                cmocka_unit_test(test_spans_from_one_nanosecond_to_all_there_is),
                cmocka_unit_test(test_a_loop_whose_jobs_may_take_any_time),
                cmocka_unit_test(test_sizes_from_none_to_all),
                cmocka_unit_test(test_stacks_and_queues_of_any_size),
                cmocka_unit_test(test_counts_from_one_to_all),
                cmocka_unit_test(test_as_many_threads_as_there_are_numbers),
                cmocka_unit_test(test_priorities_from_the_lowest_to_the_highest),
                cmocka_unit_test(test_codes_from_the_lowest_to_the_highest),
                cmocka_unit_test(test_numbers_that_are_no_descriptors),
                cmocka_unit_test(test_numbers_that_are_no_signals),
                cmocka_unit_test(test_ports_at_both_ends),
                cmocka_unit_test(test_numbers_of_options_that_are_out_of_range),
                cmocka_unit_test(test_numbers_of_calls_that_are_out_of_range),
                cmocka_unit_test(test_texts_that_are_no_ports_and_no_hosts),
                cmocka_unit_test(test_limits_and_graces_of_children),
                cmocka_unit_test(test_budgets_from_almost_none_to_no_limit),
                cmocka_unit_test(test_scopes_around_the_wrap_of_their_generation),
                cmocka_unit_test(test_regions_around_the_wrap_of_their_generation),
                cmocka_unit_test(test_groups_around_the_wrap_of_their_generation),
                cmocka_unit_test(test_a_queue_around_the_wrap_of_its_sequence),
        };
        int failed = cmocka_run_group_tests(tests, make_things, free_things);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        return failed;
}
