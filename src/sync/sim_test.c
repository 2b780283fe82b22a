/* SPDX-License-Identifier: Apache-2.0 */
/* Small programs for each object, under many schedules: two or three jobs that wait, a giver, and a cancel that comes
 * whenever it likes, also between the choice and the wake-up. Each ends with what must be true of the counts. */
#include "support.h"

enum { SCHEDULES = 2000, BOUNDED = 4000 };

/* A job that waits, and is cancelled by the program at some time. */
typedef struct waiter {
        void *object, *other;
        int rc, item;
} waiter;

static void run_jobs(rein_fn fn, waiter *w, int n, void (*meanwhile)(waiter *w))
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 4));
        rein_future *f[4] = {NULL};
        for (int i = 0; i < n; i++)
                f[i] = rein_submit(x, fn, &w[i], NULL);
        meanwhile(w);
        rein_cancel(f[0], "whenever it comes");
        for (int i = 0; i < n; i++) {
                (void)rein_await(f[i], NULL, REIN_NEVER);
                rein_drop(f[i]);
        }
        rein_executor_free(x);
}

static void nothing(waiter *w)
{
        (void)w;
}

static void explored(const char *name, rein_fn fn)
{
        rein_sim_opts opts = {
                .size = sizeof opts, .name = name, .schedules = SCHEDULES, .faults = REIN_SIM_SPURIOUS | REIN_SIM_SLOW};
        if (rein_sim_explore(&opts, fn, NULL) != 0)
                fail_msg("%s: %s", name, rein_error_text(rein_trail()));
        opts.generator = REIN_SIM_DFS;
        opts.bound = 2;
        opts.schedules = BOUNDED;
        opts.faults = 0;
        if (rein_sim_explore(&opts, fn, NULL) != 0)
                fail_msg("%s, bounded: %s", name, rein_error_text(rein_trail()));
}

/* ---- mutex: one inside, and it is free in the end ---- */

static int inside;

static int with_mutex(void *arg)
{
        waiter *w = arg;
        w->rc = rein_mutex_lock(w->object, REIN_NEVER);
        if (w->rc < 0)
                return 0;
        rein_sim_check(++inside == 1);
        rein_sim_point("inside");
        rein_sim_check(--inside == 0);
        rein_sim_check(rein_mutex_unlock(w->object) == 0);
        return 0;
}

static int mutex_program(void *arg)
{
        (void)arg;
        rein_mutex *m = rein_mutex_new();
        waiter w[3] = {{.object = m}, {.object = m}, {.object = m}};
        inside = 0;
        run_jobs(with_mutex, w, 3, nothing);
        rein_sim_check(w[1].rc == 0 && w[2].rc == 0);
        rein_sim_check(rein_mutex_lock(m, REIN_NOWAIT) == 0);
        rein_sim_check(rein_mutex_unlock(m) == 0);
        rein_mutex_free(m);
        return 0;
}

static void test_mutex(void **state)
{
        (void)state;
        explored("mutex", mutex_program);
}

/* ---- condition: one signal for each of those not cancelled is enough ---- */

static int with_cond(void *arg)
{
        waiter *w = arg;
        int *tokens = w->other;
        rein_cond *c = ((void **)w->object)[0];
        rein_mutex *m = ((void **)w->object)[1];
        w->rc = rein_mutex_lock(m, REIN_NEVER);
        if (w->rc < 0)
                return 0;
        while (w->rc == 0 && *tokens == 0)
                w->rc = rein_cond_wait(c, REIN_NEVER);
        if (w->rc == 0)
                --*tokens;
        else if (*tokens) /* a signal it has not taken is not lost; this one is for a token, and there is one */
                rein_cond_signal(c);
        rein_sim_check(rein_mutex_unlock(m) == 0);
        return 0;
}

static void put_tokens(waiter *w)
{
        int *tokens = w->other;
        for (int i = 0; i < 3; i++) {
                rein_sim_check(rein_mutex_lock(((void **)w->object)[1], REIN_NEVER) == 0);
                ++*tokens;
                rein_cond_signal(((void **)w->object)[0]);
                rein_sim_check(rein_mutex_unlock(((void **)w->object)[1]) == 0);
        }
}

static int cond_program(void *arg)
{
        (void)arg;
        rein_mutex *m = rein_mutex_new();
        rein_cond *c = rein_cond_new(m);
        void *both[] = {c, m};
        int tokens = 0;
        waiter w[3];
        for (int i = 0; i < 3; i++)
                w[i] = (waiter){.object = both, .other = &tokens, .rc = -1};
        run_jobs(with_cond, w, 3, put_tokens);
        rein_sim_check(w[1].rc == 0 && w[2].rc == 0);
        rein_sim_check(tokens == (w[0].rc == 0 ? 0 : 1));
        rein_sim_check(rein_cond_broadcast(c) == 0);
        rein_cond_free(c);
        rein_mutex_free(m);
        return 0;
}

static void test_condition(void **state)
{
        (void)state;
        explored("condition", cond_program);
}

/* ---- semaphore: the first wants more than there will be, and leaves; then those behind it go on ---- */

static int with_sem(void *arg)
{
        waiter *w = arg;
        w->rc = rein_sem_acquire(w->object, (size_t)w->item, REIN_NEVER);
        return 0;
}

static void release_units(waiter *w)
{
        for (int i = 0; i < 2; i++)
                rein_sem_release(w->object, 1);
}

static int sem_program(void *arg)
{
        (void)arg;
        rein_sem *s = rein_sem_new(0);
        waiter w[3] = {{s, NULL, -1, 3}, {s, NULL, -1, 1}, {s, NULL, -1, 1}};
        run_jobs(with_sem, w, 3, release_units);
        rein_sim_check(w[0].rc < 0 && w[1].rc == 0 && w[2].rc == 0);
        rein_sim_check(rein_sem_acquire(s, 1, REIN_NOWAIT) == REIN_ETIMEOUT);
        rein_sem_free(s);
        return 0;
}

static void test_semaphore(void **state)
{
        (void)state;
        explored("semaphore", sem_program);
}

/* ---- event: set and cleared at once, everybody in line goes on; the last through frees it ---- */

static int with_event(void *arg)
{
        waiter *w = arg;
        w->rc = rein_event_wait(w->object, REIN_NEVER);
        return 0;
}

static void set_event(waiter *w)
{
        rein_event_set(w->object);
        rein_event_clear(w->object);
        rein_event_set(w->object);
}

static int event_program(void *arg)
{
        (void)arg;
        rein_event *e = rein_event_new();
        waiter w[3] = {{.object = e}, {.object = e}, {.object = e}};
        run_jobs(with_event, w, 3, set_event);
        rein_sim_check(w[1].rc == 0 && w[2].rc == 0);
        rein_event_free(e);
        return 0;
}

static void test_event(void **state)
{
        (void)state;
        explored("event", event_program);
}

/* ---- barrier: all through, or all told ---- */

static int with_barrier(void *arg)
{
        waiter *w = arg;
        w->rc = rein_barrier_arrive(w->object, REIN_NEVER);
        return 0;
}

static int barrier_program(void *arg)
{
        (void)arg;
        rein_barrier *b = rein_barrier_new(3);
        waiter w[3];
        for (int i = 0; i < 3; i++)
                w[i] = (waiter){.object = b, .rc = REIN_ECANCELED}; /* and stays so, if it never ran */
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 4));
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(x, with_barrier, &w[i], NULL);
        if (rein_cancel(f[0], "whenever it comes") == REIN_NEVER_STARTED) {
                rein_scope s; /* then somebody must say so in its place */
                rein_scope_open(&s, REIN_NEVER);
                rein_scope_cancel(&s, "it never came");
                (void)rein_barrier_arrive(b, REIN_NEVER);
                rein_sim_check(rein_scope_close(&s, 0) == 0);
        }
        for (int i = 0; i < 3; i++) {
                (void)rein_await(f[i], NULL, REIN_NEVER);
                rein_drop(f[i]);
        }
        rein_executor_free(x);
        int last = 0, broken = 0;
        for (int i = 0; i < 3; i++) {
                last += w[i].rc == 1;
                broken += w[i].rc < 0;
        }
        rein_sim_check((last == 1 && broken == 0) || (last == 0 && broken == 3 && w[0].rc == REIN_ECANCELED));
        rein_barrier_free(b);
        return 0;
}

static void test_barrier(void **state)
{
        (void)state;
        explored("barrier", barrier_program);
}

/* ---- channel: what was sent was received, or is left and released ---- */

static int released;

static void release_item(void *item)
{
        released += *(int *)item;
}

static int with_recv(void *arg)
{
        waiter *w = arg;
        w->rc = rein_chan_recv(w->object, &w->item, REIN_NEVER);
        return 0;
}

static void send_items(waiter *w)
{
        int *sent = w->other;
        for (int i = 1; i <= 4; i *= 2)
                if (rein_chan_send(w->object, &i, rein_after(1000)) == 0)
                        *sent += i;
        rein_chan_close(w->object);
}

static int recv_by(size_t room)
{
        int sent = 0, got = 0;
        rein_chan *c = rein_chan_new(sizeof(int), room, release_item);
        waiter w[3];
        released = 0;
        for (int i = 0; i < 3; i++)
                w[i] = (waiter){.object = c, .other = &sent};
        run_jobs(with_recv, w, 3, send_items);
        for (int i = 0; i < 3; i++) {
                rein_sim_check((w[i].rc == 1) == (w[i].item != 0));
                got += w[i].item;
        }
        rein_chan_free(c);
        rein_sim_check(got + released == sent);
        rein_sim_check(room == 0 ? released == 0 : sent == 7); /* there is room for all of them */
        return 0;
}

static int recv_rendezvous(void *arg)
{
        (void)arg;
        return recv_by(0);
}

static int recv_buffered(void *arg)
{
        (void)arg;
        return recv_by(3);
}

static int with_send(void *arg)
{
        waiter *w = arg;
        w->rc = rein_chan_send(w->object, &w->item, REIN_NEVER);
        return 0;
}

static void recv_two(waiter *w)
{
        int *got = w->other, item = 0;
        for (int i = 0; i < 2; i++) {
                rein_sim_check(rein_chan_recv(w->object, &item, REIN_NEVER) == 1);
                *got += item;
        }
}

static int send_by(size_t room)
{
        int sent = 0, got = 0, item;
        rein_chan *c = rein_chan_new(sizeof(int), room, release_item);
        waiter w[3];
        released = 0;
        for (int i = 0; i < 3; i++)
                w[i] = (waiter){.object = c, .other = &got, .rc = -1, .item = 1 << i};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 4));
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(x, with_send, &w[i], NULL);
        rein_cancel(f[0], "whenever it comes");
        recv_two(w);
        if (rein_chan_recv(c, &item, rein_after(1000)) == 1)
                got += item;
        rein_chan_close(c);
        for (int i = 0; i < 3; i++) {
                (void)rein_await(f[i], NULL, REIN_NEVER);
                rein_drop(f[i]);
                sent += w[i].rc == 0 ? w[i].item : 0;
        }
        rein_executor_free(x);
        rein_chan_free(c);
        rein_sim_check(got + released == sent);
        return 0;
}

static int send_rendezvous(void *arg)
{
        (void)arg;
        return send_by(0);
}

static int send_buffered(void *arg)
{
        (void)arg;
        return send_by(1);
}

static void test_channel(void **state)
{
        (void)state;
        explored("receive, no buffer", recv_rendezvous);
        explored("receive, buffer", recv_buffered);
        explored("send, no buffer", send_rendezvous);
        explored("send, buffer", send_buffered);
}

/* ---- senders: three jobs on two threads, one of them cancelled at any time; the channel ends, and loses nothing ---- */

static int senders_program(void *arg)
{
        (void)arg;
        int sent = 0, got = 0, item, rc;
        rein_chan *c = rein_chan_new(sizeof(int), 1, NULL);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        waiter w[3];
        rein_future *f[3];
        for (int i = 0; i < 3; i++) {
                w[i] = (waiter){.object = c, .rc = -1, .item = 1 << i};
                f[i] = rein_submit(x, with_send, &w[i], REIN_JOB(.sends = c, .on_worker = true));
        }
        rein_chan_finish(c);
        rein_cancel(f[1], "whenever it comes");
        while ((rc = rein_chan_recv(c, &item, REIN_NEVER)) == 1)
                got += item;
        rein_sim_check(rc == 0);
        rein_chan_free(c); /* nobody sends any more, though a job may not have settled yet */
        for (int i = 0; i < 3; i++) {
                (void)rein_await(f[i], NULL, REIN_NEVER);
                rein_drop(f[i]);
                sent += w[i].rc == 0 ? w[i].item : 0;
        }
        rein_executor_free(x);
        rein_sim_check(got == sent && (got & 5) == 5);
        return 0;
}

static void test_a_channel_ends_with_its_senders(void **state)
{
        (void)state;
        explored("senders", senders_program);
}

/* ---- select: of two channels, two futures and a time exactly one ---- */

static int with_select(void *arg)
{
        waiter *w = arg;
        int out = 16;
        rein_case cases[] = {REIN_ON_RECV(w->object, &w->item), REIN_ON_SEND(w->other, &out),
                             REIN_ON_TIME(rein_after(5000))};
        w->rc = rein_select(cases, 3, REIN_NEVER);
        rein_sim_check((w->rc == 0 && cases[0].result == 1) == (w->item != 0));
        return 0;
}

static int select_program(void *arg)
{
        (void)arg;
        rein_chan *a = rein_chan_new(sizeof(int), 0, NULL), *b = rein_chan_new(sizeof(int), 0, NULL);
        waiter w[2];
        for (int i = 0; i < 2; i++) /* each in both lines, and each could serve the other */
                w[i] = (waiter){.object = i ? b : a, .other = i ? a : b, .rc = -1};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 4));
        rein_future *f[2];
        for (int i = 0; i < 2; i++)
                f[i] = rein_submit(x, with_select, &w[i], NULL);
        int one = 1, sent = 0, in = 0, got = 0;
        rein_case cases[] = {REIN_ON_SETTLED(f[0]), REIN_ON_SEND(a, &one), REIN_ON_RECV(a, &in)};
        int rc = rein_select(cases, 3, rein_after(3000));
        sent += rc == 1 ? 1 : 0;
        rein_sim_check((rc == 2 && cases[2].result == 1) == (in == 16));
        got += rc == 2 ? in : 0;
        rein_sim_check(rc != 0 || rein_code(f[0]) != REIN_EPENDING);
        rein_cancel(f[0], "whenever it comes");
        for (int i = 0; i < 2; i++) {
                (void)rein_await(f[i], NULL, REIN_NEVER);
                rein_drop(f[i]);
                sent += w[i].rc == 1 ? 16 : 0;
                got += w[i].item;
        }
        rein_executor_free(x);
        rein_sim_check(sent == got);
        rein_chan_free(a);
        rein_chan_free(b);
        return 0;
}

static void test_select(void **state)
{
        (void)state;
        explored("select", select_program);
}

/* ---- select: of several descriptors the one that has something, in a thread and in two coroutines of one loop ---- */

typedef struct reader {
        rein_case cases[2];
        int which;
} reader;

static int with_descriptors(void *arg)
{
        reader *r = arg;
        r->which = rein_select(r->cases, 2, REIN_NEVER);
        return 0;
}

static int descriptors_program(void *arg)
{
        (void)arg;
        int ends[2][2];
        rein_sim_check(rein_sim_pipe(ends[0], 1) == 0 && rein_sim_pipe(ends[1], 1) == 0);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1)), *loop = rein_loop_new(NULL);
        rein_future *f[3];
        reader r[3];
        for (int i = 0; i < 3; i++) {
                r[i] = (reader){{REIN_ON_FD(ends[i == 2][0], 1), REIN_ON_FD(ends[i != 2][0], 1)}, -1};
                f[i] = rein_submit(i ? loop : pool, with_descriptors, &r[i], NULL);
        }
        rein_sim_check(rein_write(ends[1][1], "x", 1, REIN_NEVER) == 1);
        rein_cancel(f[1], "whenever it comes");
        for (int i = 0; i < 3; i++) {
                (void)rein_await(f[i], NULL, REIN_NEVER);
                rein_drop(f[i]);
        }
        rein_sim_check(r[0].which == 1 && r[0].cases[1].result == 1);
        rein_sim_check(r[1].which == 1 || r[1].which == -1 || r[1].which == REIN_ECANCELED);
        rein_sim_check(r[2].which == 0 && r[2].cases[0].result == 1);
        rein_executor_free(pool);
        rein_executor_free(loop);
        for (int i = 0; i < 4; i++)
                rein_sim_check(rein_close(ends[i / 2][i % 2]) == 0);
        return 0;
}

static void test_select_of_descriptors(void **state)
{
        (void)state;
        explored("select of descriptors", descriptors_program);
}

/* A regular file is the system's, and always ready. */
static int file_program(void *arg)
{
        int ends[2];
        rein_sim_check(rein_sim_pipe(ends, 1) == 0);
        rein_executor *x[2] = {rein_pool_new(REIN_POOL(.threads = 1)), rein_loop_new(NULL)};
        for (int i = 0; i < 2; i++) {
                reader r = {{REIN_ON_FD(ends[0], 1), REIN_ON_FD(*(int *)arg, 1)}, -1};
                rein_sim_check(rein_on(x[i], with_descriptors, &r, NULL) == 0);
                rein_sim_check(r.which == 1 && r.cases[1].result == 1);
                rein_executor_free(x[i]);
        }
        rein_sim_check(rein_close(ends[0]) == 0 && rein_close(ends[1]) == 0);
        return 0;
}

static void test_select_of_a_regular_file(void **state)
{
        (void)state;
        FILE *file = tmpfile();
        assert_non_null(file);
        int fd = fileno(file);
        assert_int_equal(rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM, .schedules = 100), file_program, &fd),
                         0);
        fclose(file);
}

/* ---- a circle of mutexes is told in every schedule in which there is one ---- */

static int lock_two(void *arg)
{
        waiter *w = arg;
        int rc = rein_mutex_lock(w->object, REIN_NEVER);
        rein_sim_check(rc == 0);
        w->rc = rein_mutex_lock(w->other, REIN_NEVER);
        rein_sim_check(w->rc == 0 || w->rc == REIN_EDEADLOCK);
        if (w->rc == 0)
                rein_sim_check(rein_mutex_unlock(w->other) == 0);
        rein_sim_check(rein_mutex_unlock(w->object) == 0);
        return 0;
}

static int circle_program(void *arg)
{
        (void)arg;
        rein_mutex *a = rein_mutex_new(), *b = rein_mutex_new();
        waiter w[2] = {{.object = a, .other = b}, {.object = b, .other = a}};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *f[2];
        for (int i = 0; i < 2; i++)
                f[i] = rein_submit(x, lock_two, &w[i], NULL);
        for (int i = 0; i < 2; i++) {
                rein_sim_check(rein_await(f[i], NULL, REIN_NEVER) == 0);
                rein_drop(f[i]);
        }
        rein_executor_free(x);
        rein_mutex_free(a);
        rein_mutex_free(b);
        return 0;
}

static void test_circle(void **state)
{
        (void)state;
        explored("circle", circle_program);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mutex),
                cmocka_unit_test(test_condition),
                cmocka_unit_test(test_semaphore),
                cmocka_unit_test(test_event),
                cmocka_unit_test(test_barrier),
                cmocka_unit_test(test_channel),
                cmocka_unit_test(test_select),
                cmocka_unit_test(test_select_of_descriptors),
                cmocka_unit_test(test_select_of_a_regular_file),
                cmocka_unit_test(test_circle),
                cmocka_unit_test(test_a_channel_ends_with_its_senders),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
