/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: what asyncio's users suffer from, and the loop as an executor. Every test
 * runs with both pollers. */
#include <rein/loop.h>

#include "loop/loop.h"
#include "need.h"

static bool portable;

#define LOOP(...) rein_loop_new(REIN_LOOP(.portable = portable, __VA_ARGS__))

static void passes(rein_fn fn, void *arg)
{
        int rc = rein_run(fn, arg, REIN_LOOP(.portable = portable));
        if (rc < 0)
                rein_error_print(stderr, rein_trail());
        assert_int_equal(rc, 0);
}

static rn_loop *inside_of(rein_executor *x)
{
        return (rn_loop *)(void *)x;
}

/* Until those who are ready now have run. */
static void let_others_run(void)
{
        rein_sleep(REIN_NOWAIT);
        rein_sleep(REIN_NOWAIT);
}

/* ---- order ---- */

enum { MANY = 100 };

typedef struct order {
        int said[2 * MANY];
        int count, mine;
        struct order *of;
} order;

static int job_say(void *arg)
{
        order *o = arg;
        o->of->said[o->of->count++] = o->mine;
        return 0;
}

static void test_jobs_start_in_the_order_of_their_submits(void **state)
{
        (void)state;
        rein_executor *loop = LOOP();
        order all = {0}, each[MANY];
        rein_future *f[MANY];
        for (int i = 0; i < MANY; i++) {
                each[i] = (order){.mine = i, .of = &all};
                f[i] = rein_submit(loop, job_say, &each[i], NULL);
        }
        assert_int_equal(rein_wait_all(f, MANY, REIN_NEVER), 0);
        for (int i = 0; i < MANY; i++) {
                assert_int_equal(all.said[i], i);
                rein_drop(f[i]);
        }
        rein_executor_free(loop);
}

static int what_is_spawned_runs_when_the_spawner_waits(void *arg)
{
        (void)arg;
        order all = {0}, a = {.mine = 1, .of = &all}, b = {.mine = 2, .of = &all};
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, job_say, &a, NULL);
        rein_spawn(&g, NULL, job_say, &b, NULL);
        job_say(&(order){.mine = 3, .of = &all});
        NEED(rein_group_close(&g, 0) == 0);
        NEED(all.count == 3 && all.said[0] == 3 && all.said[1] == 1 && all.said[2] == 2);
        return 0;
}

static void test_what_is_spawned_during_a_turn_runs_in_a_later_one(void **state)
{
        (void)state;
        passes(what_is_spawned_runs_when_the_spawner_waits, NULL);
}

static int cancel_before_the_start(void *arg)
{
        (void)arg;
        atomic_int released = 0;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_future *f = rein_spawn_future(&g, NULL, job_count, &released, REIN_JOB(.release = release_count));
        NEED(rein_cancel(f, "before it starts") == REIN_NEVER_STARTED);
        NEED(released == 1);
        let_others_run();
        NEED(released == 1); /* job_count would have counted, too */
        NEED(rein_group_close(&g, 0) == 0);
        return 0;
}

static void test_what_is_cancelled_before_it_starts_never_runs_and_its_argument_is_released(void **state)
{
        (void)state;
        passes(cancel_before_the_start, NULL);
}

/* ---- posts from other threads ---- */

enum { POSTERS = 8 };

typedef struct poster {
        rein_executor *loop;
        int posts;
        atomic_int *ran;
        atomic_int refused;
} poster;

static void *post(void *arg)
{
        poster *p = arg;
        for (int i = 0; i < p->posts; i++)
                rein_drop(rein_submit(p->loop, job_count, p->ran, NULL));
        return NULL;
}

static void test_posts_of_eight_threads_lose_none_and_ring_no_more_than_the_loop_sleeps(void **state)
{
        (void)state;
        rein_executor *loop = LOOP();
        atomic_int ran = 0;
        poster p = {.loop = loop, .posts = 100000 / POSTERS, .ran = &ran};
        pthread_t t[POSTERS];
        for (int i = 0; i < POSTERS; i++)
                t[i] = go(post, &p);
        for (int i = 0; i < POSTERS; i++)
                join(t[i]);
        assert_int_equal(rein_executor_stop(loop, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(ran, 100000);
        assert_in_range(rn_load32(&inside_of(loop)->rings), 0, inside_of(loop)->sleeps); /* its thread has left */
        rein_executor_free(loop);
}

static void test_posts_to_a_loop_that_is_awake_do_not_ring(void **state)
{
        (void)state;
        rein_executor *loop = LOOP();
        stubborn held;
        stubborn_init(&held);
        atomic_int ran = 0;
        rein_future *holds = rein_submit(loop, stubborn_job, &held, NULL);
        EVENTUALLY(held.inside);
        uint32_t rings = rn_load32(&inside_of(loop)->rings);
        poster p = {.loop = loop, .posts = 1000, .ran = &ran};
        post(&p);
        assert_int_equal(rn_load32(&inside_of(loop)->rings), rings);
        stubborn_let_go(&held, 1);
        assert_int_equal(rein_executor_stop(loop, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(ran, 1000);
        assert_int_equal(rein_code(holds), 0);
        rein_drop(holds);
        rein_executor_free(loop);
}

static void test_a_stopped_loop_refuses_posts_and_settles_what_it_has(void **state)
{
        (void)state;
        rein_executor *loop = LOOP();
        atomic_int released = 0;
        seat s = {NULL};
        rein_future *sleeps = rein_submit(loop, job_sleep, &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        assert_int_equal(rein_executor_stop(loop, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        assert_int_equal(rein_code(sleeps), REIN_ECANCELED);
        rein_future *late = rein_submit(loop, job_count, &released, REIN_JOB(.release = release_count));
        assert_int_equal(rein_code(late), REIN_EREJECTED);
        assert_int_equal(released, 1);
        rein_drop(late);
        rein_drop(sleeps);
        assert_int_equal(rein_executor_restart(loop), 0);
        rein_future *again = rein_submit(loop, job_seven, NULL, NULL);
        assert_int_equal(rein_await(again, NULL, REIN_NEVER), 0);
        assert_int_equal(rein_code(again), 7);
        rein_drop(again);
        rein_executor_free(loop);
}

/* ---- settled elsewhere ---- */

typedef struct waiter {
        gate gate;
        seat seat;
        pthread_t thread;
        bool stayed;
} waiter;

static int job_wait(void *arg)
{
        waiter *w = arg;
        w->thread = pthread_self();
        sit(&w->seat);
        int rc = gate_pass(&w->gate);
        w->stayed = pthread_equal(w->thread, pthread_self());
        return rc;
}

static void test_a_future_settled_by_another_thread_resumes_its_waiter_on_the_loops_own(void **state)
{
        (void)state;
        rein_executor *loop = LOOP();
        for (int round = 0; round < 200; round++) {
                waiter w = {.gate = gate_new()};
                rein_future *f = rein_submit(loop, job_wait, &w, NULL);
                if (round % 2)
                        EVENTUALLY(sits_in(&w.seat, "rein_await"));
                gate_open(&w.gate);
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
                assert_true(w.stayed);
                rein_drop(f);
                gate_free(&w.gate);
        }
        rein_executor_free(loop);
}

/* ---- a cancel of a task that awaits ---- */

static int await_and_be_cancelled(void *arg)
{
        gate g = gate_new();
        rein_executor *pool = arg;
        rein_group group;
        rein_group_open(&group, REIN_GROUP(.policy = REIN_EACH));
        rein_future *waits = rein_spawn_future(&group, NULL, job_pass, &g, NULL);
        rein_future *other = rein_spawn_future(&group, NULL, job_pass, &g, NULL);
        rein_future *there = rein_spawn_future(&group, pool, job_pass, &g, NULL);
        let_others_run();
        rein_cancel(waits, "enough");
        NEED(rein_await(waits, NULL, REIN_NEVER) == REIN_EFAILED);
        NEED(rein_code(waits) == REIN_ECANCELED);
        NEED(rein_code(g.open) == REIN_EPENDING); /* what it awaited goes on */
        gate_open(&g);
        NEED(rein_await(other, NULL, REIN_NEVER) == 0);
        NEED(rein_await(there, NULL, REIN_NEVER) == 0);
        NEED(rein_group_close(&group, 0) == 0);
        gate_free(&g);
        return 0;
}

static void test_a_cancelled_task_leaves_and_what_it_awaited_goes_on(void **state)
{
        (void)state;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        passes(await_and_be_cancelled, pool);
        rein_executor_free(pool);
}

typedef struct bridge {
        rein_executor *pool;
        seat seat;
        atomic_int left;
        int seen;
} bridge;

static int sleep_in_a_thread(void *arg)
{
        bridge *b = arg;
        int rc = job_sleep(&b->seat);
        atomic_fetch_add(&b->left, 1);
        return rc;
}

static int go_there(void *arg)
{
        bridge *b = arg;
        int rc = b->pool ? rein_on(b->pool, sleep_in_a_thread, b, NULL) : rein_to_thread(sleep_in_a_thread, b, NULL);
        b->seen = b->left;
        return rc;
}

static int cancel_the_one_who_went(void *arg)
{
        bridge *b = arg;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_future *f = rein_spawn_future(&g, NULL, go_there, b, NULL);
        while (!sits_in(&b->seat, "rein_sleep"))
                rein_sleep(rein_after(REIN_MS(1)));
        rein_cancel(f, "no more");
        NEED(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED);
        NEED(rein_code(f) == REIN_ECANCELED);
        NEED(b->seen == 1); /* the thread's work was gone before the call returned */
        NEED(rein_group_close(&g, 0) == 0);
        return 0;
}

static void test_a_cancel_reaches_the_job_run_by_rein_on_and_the_task_leaves_when_it_is_gone(void **state)
{
        (void)state;
        bridge b = {.pool = rein_pool_new(NULL)}, own = {0};
        passes(cancel_the_one_who_went, &b);
        passes(cancel_the_one_who_went, &own);
        rein_executor_free(b.pool);
}

/* ---- scopes in coroutines ---- */

static int sleep_within_an_hour(void *arg)
{
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_SEC(3600)));
        int rc = rein_sleep(REIN_NEVER);
        *(int *)arg = rein_scope_close(&s, rc);
        return *(int *)arg;
}

static int scopes_are_each_tasks_own(void *arg)
{
        (void)arg;
        int inner = 0;
        rein_scope s;
        rein_group g;
        rein_scope_open(&s, REIN_NEVER);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_future *f = rein_spawn_future(&g, NULL, sleep_within_an_hour, &inner, NULL);
        let_others_run();
        NEED(rein_checkpoint() == 0); /* its scope is not ours */
        rein_cancel(f, "once");
        rein_cancel(f, "twice");
        NEED(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED);
        NEED(inner == REIN_ECANCELED); /* not by its own deadline */
        NEED(rein_group_close(&g, 0) == 0);
        NEED(rein_scope_close(&s, 0) == 0);

        rein_scope_open(&s, rein_after(REIN_SEC(3600)));
        NEED(rein_within(rein_after(1), job_sleep, NULL) == REIN_ETIMEOUT);
        NEED(rein_checkpoint() == 0); /* the outer one lives */
        NEED(rein_scope_close(&s, 0) == 0);

        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, "outside");
        NEED(rein_within(rein_after(REIN_SEC(3600)), job_sleep, NULL) == REIN_ECANCELED);
        NEED(rein_within(rein_after(1), job_sleep, NULL) == REIN_ECANCELED); /* the outer reason wins */
        NEED(rein_scope_close(&s, REIN_ECANCELED) == REIN_ESTOPPED);
        return 0;
}

static void test_scopes_and_their_deadlines_are_each_coroutines_own(void **state)
{
        (void)state;
        passes(scopes_are_each_tasks_own, NULL);
}

/* ---- in the same turn ---- */

typedef struct tick {
        gate gate;
        int first, second;
} tick;

static int await_then_look(void *arg)
{
        tick *t = arg;
        t->first = rein_await(t->gate.open, NULL, REIN_NEVER);
        t->second = rein_checkpoint();
        return 0;
}

static int value_and_cancel_in_one_turn(void *arg)
{
        (void)arg;
        for (int way = 0; way < 2; way++) {
                tick t = {.gate = gate_new(), .first = 1, .second = 1};
                rein_group g;
                rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
                rein_future *f = rein_spawn_future(&g, NULL, await_then_look, &t, NULL);
                let_others_run();
                if (way)
                        gate_open(&t.gate);
                rein_cancel(f, "at the same moment");
                if (!way)
                        gate_open(&t.gate);
                NEED(rein_group_join(&g, REIN_NEVER) == 0);
                NEED(t.first == 0);               /* what is there wins */
                NEED(t.second == REIN_ECANCELED); /* and the cancel stays */
                NEED(rein_group_close(&g, 0) == 0);
                gate_free(&t.gate);
        }
        return 0;
}

static void test_a_value_and_a_cancel_in_the_same_turn_lose_neither(void **state)
{
        (void)state;
        passes(value_and_cancel_in_one_turn, NULL);
}

/* ---- groups ---- */

static int fail_later(void *arg)
{
        (void)arg;
        rein_sleep(REIN_NOWAIT);
        return rein_fail(-EIO, "the disk is on fire");
}

static int sleep_and_count(void *arg)
{
        int rc = rein_sleep(REIN_NEVER);
        atomic_fetch_add((atomic_int *)arg, 1);
        return rc;
}

static int one_fails(void *arg)
{
        (void)arg;
        atomic_int left = 0;
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, sleep_and_count, &left, NULL);
        rein_spawn(&g, NULL, sleep_and_count, &left, NULL);
        rein_spawn(&g, NULL, fail_later, NULL, NULL);
        NEED(rein_sleep(REIN_NEVER) == REIN_ECANCELED); /* the body is interrupted */
        NEED(rein_group_close(&g, REIN_ECANCELED) == REIN_EFAILED);
        NEED(left == 2); /* and they were waited for */
        NEED(rein_error_is(rein_trail(), -EIO));
        NEED(rein_checkpoint() == 0); /* outside nothing is cancelled */
        return 0;
}

static int group_inside_a_cancel(void *arg)
{
        atomic_int *left = arg;
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, sleep_and_count, left, NULL);
        rein_spawn(&g, NULL, sleep_and_count, left, NULL);
        return rein_group_close(&g, 0);
}

static int outside_cancel_is_delivered(void *arg)
{
        (void)arg;
        atomic_int left = 0;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_future *f = rein_spawn_future(&g, NULL, group_inside_a_cancel, &left, NULL);
        let_others_run();
        let_others_run();
        rein_cancel(f, "from outside");
        NEED(rein_group_join(&g, REIN_NEVER) == 0);
        NEED(rein_code(f) == REIN_ECANCELED && left == 2);
        NEED(rein_group_close(&g, 0) == 0);
        return 0;
}

static void test_a_failing_child_stops_its_group_and_a_cancel_from_outside_is_still_delivered(void **state)
{
        (void)state;
        passes(one_fails, NULL);
        passes(outside_cancel_is_delivered, NULL);
}

static int give_back(void *arg)
{
        int mine = *(int *)arg;
        for (int i = mine; i < 5; i++)
                rein_sleep(REIN_NOWAIT); /* the later ones end first */
        return mine % 2 ? rein_fail(-EIO, "odd") : mine;
}

static int gather(void *arg)
{
        (void)arg;
        rein_group g;
        rein_future *f[5];
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        for (int i = 0; i < 5; i++)
                f[i] = rein_spawn_future(&g, NULL, give_back, REIN_COPY(i));
        NEED(rein_group_join(&g, REIN_NEVER) == 0);
        for (int i = 0; i < 5; i++)
                NEED(rein_code(f[i]) == (i % 2 ? -EIO : i));
        NEED(rein_group_close(&g, 0) == 0);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        atomic_int left = 0;
        for (int i = 0; i < 5; i++)
                f[i] = rein_spawn_future(&g, NULL, sleep_and_count, &left, NULL);
        let_others_run();
        rein_group_cancel(&g, "all of it");
        NEED(rein_group_join(&g, REIN_NEVER) == 0);
        NEED(left == 5);
        for (int i = 0; i < 5; i++)
                NEED(rein_code(f[i]) == REIN_ECANCELED);
        NEED(rein_group_close(&g, 0) == REIN_ESTOPPED);
        return 0;
}

static void test_gathered_results_are_in_their_order_and_a_cancel_reaches_every_child(void **state)
{
        (void)state;
        passes(gather, NULL);
}

/* ---- shields ---- */

typedef struct shielded {
        gate gate;
        int inside, after;
} shielded;

static int behind_a_shield(void *arg)
{
        shielded *s = arg;
        rein_scope shield;
        rein_shield_open(&shield, REIN_SEC(3600));
        s->inside = rein_scope_close(&shield, gate_pass(&s->gate));
        s->after = rein_checkpoint();
        return s->inside ? s->inside : rein_fail(-EIO, "later");
}

static int shield_holds(void *arg)
{
        (void)arg;
        shielded s = {.gate = gate_new(), .inside = 1};
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_future *f = rein_spawn_future(&g, NULL, behind_a_shield, &s, NULL);
        let_others_run();
        rein_cancel(f, "outside");
        let_others_run();
        NEED(rein_code(f) == REIN_EPENDING);
        gate_open(&s.gate);
        NEED(rein_group_join(&g, REIN_NEVER) == 0);
        NEED(s.inside == 0 && s.after == REIN_ECANCELED);
        NEED(rein_code(f) == -EIO); /* its later failure is told */
        NEED(rein_group_close(&g, 0) == 0);
        gate_free(&s.gate);
        return 0;
}

static void test_behind_a_shield_a_coroutine_goes_on_and_its_later_failure_is_told(void **state)
{
        (void)state;
        passes(shield_holds, NULL);
}

/* ---- blocking work ---- */

typedef struct queue {
        rein_executor *pool;
        atomic_int ran;
} queue;

static int count_there(void *arg)
{
        queue *q = arg;
        return rein_on(q->pool, job_count, &q->ran, NULL);
}

static int cancel_what_is_queued(void *arg)
{
        queue *q = arg;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_future *f = rein_spawn_future(&g, NULL, count_there, q, NULL);
        let_others_run();
        rein_cancel(f, "before its turn");
        NEED(rein_group_join(&g, REIN_NEVER) == 0);
        NEED(rein_code(f) == REIN_ECANCELED && q->ran == 0);
        NEED(rein_group_close(&g, 0) == 0);
        return 0;
}

static void test_a_queued_blocking_job_of_a_cancelled_caller_never_runs(void **state)
{
        (void)state;
        queue q = {.pool = rein_pool_new(REIN_POOL(.threads = 1))};
        stubborn held;
        stubborn_init(&held);
        rein_future *f = rein_submit(q.pool, stubborn_job, &held, NULL);
        EVENTUALLY(held.inside);
        passes(cancel_what_is_queued, &q);
        stubborn_let_go(&held, 1);
        rein_drop(f);
        rein_executor_free(q.pool);
        assert_int_equal(q.ran, 0);
}

typedef struct stuck {
        stubborn held;
        seat seat;
} stuck;

static int get_stuck_in_a_thread(void *arg)
{
        stuck *s = arg;
        sit(&s->seat);
        return rein_to_thread(stubborn_job, &s->held, REIN_JOB(.name = "stuck"));
}

static void test_a_stop_with_a_stuck_thread_is_in_time_with_a_receipt_and_other_pools_go_on(void **state)
{
        (void)state;
        rein_executor *loop = LOOP(.grace_ns = REIN_MS(20)), *pool = rein_pool_new(NULL);
        stuck there = {.seat = {NULL}};
        stubborn_init(&there.held);
        rein_receipt *r = NULL;
        rein_future *f = rein_submit(loop, get_stuck_in_a_thread, &there, REIN_JOB(.name = "went there"));
        EVENTUALLY(there.held.inside && sits_in(&there.seat, "rein_on"));
        assert_int_equal(rein_executor_stop(loop, REIN_STOP_NOW, rein_after(REIN_MS(40)), &r), REIN_ESTUCK);
        rein_straggler s = {.size = sizeof s};
        assert_int_equal(rein_receipt_count(r), 1);
        assert_true(rein_receipt_at(r, 0, &s));
        assert_string_equal(s.name, "went there");
        assert_string_equal(s.stuck_in, "rein_on");
        assert_false(s.gone);
        rein_receipt_free(r);
        assert_int_equal(rein_code(f), REIN_EABANDONED);
        rein_drop(f);
        rein_future *late = rein_submit(loop, job_seven, NULL, NULL);
        assert_int_equal(rein_code(late), REIN_EREJECTED);
        rein_drop(late);
        assert_int_equal(rein_on(pool, job_seven, NULL, NULL), 7);
        stubborn_let_go(&there.held, 1);
        assert_int_equal(rein_executor_stop(loop, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        rein_executor_free(loop);
        rein_executor_free(pool);
}

/* ---- said, before anything changes ---- */

static int hold_up(void *arg)
{
        (void)arg;
        rein_time end = rein_after(REIN_MS(3));
        while (rein_now().ns < end.ns)
                ;
        return 0;
}

static int program_slow(void)
{
        rein_executor *loop = rein_loop_new(REIN_LOOP(.name = "l", .slow_ns = REIN_MS(1)));
        for (int i = 0; i < 3; i++) {
                rein_future *f = rein_submit(loop, hold_up, NULL, REIN_JOB(.name = "hog"));
                rein_await(f, NULL, REIN_NEVER);
                rein_drop(f);
        }
        rein_executor_free(loop);
        return 0;
}

static void test_who_holds_the_loop_up_is_named_but_not_over_and_over(void **state)
{
        (void)state;
        char said[1024];
        assert_int_equal(program_run("slow", said, sizeof said), 0);
        const char *first = strstr(said, "rein: job 'hog' on 'l' h"); /* holds it up, or held it up */
        assert_non_null(first);
        assert_null(strstr(first + 1, "rein: job")); /* three of them in far less than a second */
}

typedef struct stranger {
        rein_executor *loop;
        int fd, turn;
} stranger;

static void *meddle(void *arg)
{
        stranger *s = arg;
        s->fd = rein_loop_fd(s->loop);
        s->turn = rein_loop_turn(s->loop);
        rein_executor_free(s->loop); /* which it may not, either */
        return NULL;
}

static int meddle_inside(void *arg)
{
        stranger *s = arg;
        s->fd = rein_loop_fd(s->loop);
        s->turn = rein_loop_turn(s->loop);
        return 0;
}

static void test_a_call_from_the_wrong_thread_is_refused_before_anything_changes(void **state)
{
        (void)state;
        stranger s = {.loop = LOOP(.hosted = true)};
        atomic_int ran = 0;
        rein_future *f = rein_submit(s.loop, job_count, &ran, NULL);
        join(go(meddle, &s));
        assert_int_equal(s.fd, -EPERM);
        assert_int_equal(s.turn, -EPERM);
        assert_int_equal(ran, 0);
        while (!rein_gone(f))
                assert_true(rein_loop_turn(s.loop) >= 0);
        assert_int_equal(ran, 1);
        rein_drop(f);
        s.fd = 0;
        f = rein_submit(s.loop, meddle_inside, &s, NULL);
        while (!rein_gone(f))
                assert_true(rein_loop_turn(s.loop) >= 0);
        assert_int_equal(s.fd, -EPERM);
        assert_int_equal(s.turn, -EPERM);
        rein_drop(f);
        rein_executor_free(s.loop);
        assert_int_equal(rein_to_thread(job_seven, NULL, NULL), -EPERM); /* no coroutine */
        rein_executor *pool = rein_pool_new(NULL);
        assert_int_equal(rein_loop_turn(pool), -EINVAL);
        assert_int_equal(rein_loop_fd(NULL), -EINVAL);
        rein_executor_free(pool);
}

/* ---- tasks nobody holds ---- */

static int sleep_a_little_and_count(void *arg)
{
        rein_sleep(rein_after(REIN_MS(1)));
        atomic_fetch_add((atomic_int *)arg, 1);
        return 0;
}

static void test_a_task_nobody_holds_lives_to_its_end(void **state)
{
        (void)state;
        rein_executor *loop = LOOP();
        atomic_int ended = 0;
        rein_drop(rein_submit(loop, sleep_a_little_and_count, &ended, NULL));
        assert_int_equal(rein_executor_stop(loop, REIN_STOP_RUNNING, REIN_NEVER, NULL), 0);
        rein_executor_free(loop);
        assert_in_range(ended, 0, 1); /* it had begun, or not */
        loop = LOOP();
        rein_drop(rein_submit(loop, sleep_a_little_and_count, &ended, NULL));
        ended = 0;
        assert_int_equal(rein_executor_stop(loop, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(ended, 1);
        rein_executor_free(loop);
}

static int leave_behind(void *arg)
{
        rein_executor *here = rn_self()->now->work->executor;
        for (int i = 0; i < 5; i++)
                rein_drop(rein_submit(here, sleep_and_count, arg, NULL));
        let_others_run();
        return 0;
}

static void test_what_main_leaves_behind_is_cancelled_and_awaited(void **state)
{
        (void)state;
        atomic_int left = 0;
        passes(leave_behind, &left);
        assert_int_equal(left, 5);
}

static int ignore_the_cancel(void *arg)
{
        rein_scope s;
        (void)arg;
        rein_shield_open(&s, REIN_SEC(3600));
        rein_sleep(REIN_NEVER);
        return rein_scope_close(&s, 0);
}

static int leave_one_that_stays(void *arg)
{
        (void)arg;
        rein_drop(rein_submit(rn_self()->now->work->executor, ignore_the_cancel, NULL, REIN_JOB(.name = "stays")));
        let_others_run();
        return 3;
}

static int program_leftover(void)
{
        harness_leaves_all("a coroutine that does not leave keeps its loop, with all that is in there");
        return rein_run(leave_one_that_stays, NULL, REIN_LOOP(.grace_ns = REIN_MS(5))) == 3 ? 0 : 1;
}

static void test_what_does_not_leave_is_named(void **state)
{
        (void)state;
        char said[2048];
        assert_int_equal(program_run("leftover", said, sizeof said), 0);
        assert_non_null(strstr(said, "rein: 'main' has ended, and this did not leave:"));
        assert_non_null(strstr(said, "stays"));
}

/* ---- descriptors handed to children ---- */

enum { GIVEN = 100 };

static bool is_open(int fd)
{
        return fcntl(fd, F_GETFD) >= 0;
}

static int reads_its_own(void *fd)
{
        char c;
        return (int)rein_read(*(int *)fd, &c, 1, REIN_NEVER);
}

static int gives_it_away(void *fd)
{
        int *at = fd, mine = *at;
        *at = -1; /* somebody else's from here on */
        return mine;
}

/* Children that end, that are cancelled while they run and before they start, and that are refused. */
static int hand_descriptors_over(void *arg)
{
        int fds[GIVEN], given = -1;
        rein_group g;
        (void)arg;
        for (int way = 0; way < 4; way++) {
                rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
                if (way == 3)
                        rein_group_cancel(&g, "before any of them");
                for (int i = 0; i < GIVEN; i++) {
                        int fd = fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
                        NEED(fd >= 0);
                        rein_spawn(&g, NULL, reads_its_own, REIN_COPY(fd, .release = rein_release_fd));
                }
                if (way == 1) /* they run */
                        let_others_run();
                if (way == 1 || way == 2) /* or have not started yet */
                        rein_group_cancel(&g, "all of them");
                (void)!rein_group_close(&g, 0);
                for (int i = 0; i < GIVEN; i++)
                        NEED(!is_open(fds[i]));
        }
        rein_group_open(&g, NULL);
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        rein_future *f = rein_spawn_future(&g, NULL, gives_it_away, REIN_COPY(fd, .release = rein_release_fd));
        NEED(rein_group_join(&g, REIN_NEVER) == 0);
        given = rein_code(f);
        NEED(rein_group_close(&g, 0) == 0);
        NEED(given == fd && is_open(given));
        NEED(rein_close(given) == 0);
        rein_release_fd(NULL);
        return 0;
}

static void test_a_descriptor_handed_to_a_child_is_closed_whatever_becomes_of_it(void **state)
{
        (void)state;
        passes(hand_descriptors_over, NULL);
}

/* ---- rein_run ---- */

static int fail_at_once(void *arg)
{
        return rein_fail(*(int *)arg, "as it was told");
}

static int run_again(void *arg)
{
        (void)arg;
        return rein_run(job_seven, NULL, NULL);
}

static void test_run_answers_what_main_does_and_tells_its_story(void **state)
{
        (void)state;
        int code = -EIO;
        assert_int_equal(rein_run(job_seven, NULL, REIN_LOOP(.portable = portable)), 7);
        assert_int_equal(rein_run(fail_at_once, &code, REIN_LOOP(.portable = portable)), -EIO);
        assert_string_equal(rein_error_text(rein_trail()), "as it was told");
        assert_int_equal(rein_run(run_again, NULL, NULL), -EPERM); /* inside of one */
        assert_int_equal(rein_run(NULL, NULL, NULL), -EINVAL);
        assert_int_equal(rein_run(job_seven, NULL, REIN_LOOP(.grace_ns = -1)), -EINVAL);
}

static int run_within(void *arg)
{
        return rein_run(job_sleep, arg, REIN_LOOP(.portable = portable));
}

static void test_run_is_within_the_scope_of_who_calls(void **state)
{
        (void)state;
        assert_int_equal(rein_within(rein_after(REIN_MS(5)), run_within, NULL), REIN_ETIMEOUT);
        rein_executor *pool = rein_pool_new(NULL);
        seat s = {NULL};
        rein_future *f = rein_submit(pool, run_within, &s, NULL); /* a loop inside of a pool's job */
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_cancel(f, "from another thread");
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        rein_drop(f);
        rein_executor_free(pool);
}

static int wait_for_interrupt(void *arg)
{
        (void)arg;
        rein_sleep(rein_after(REIN_MS(1))); /* the watcher listens by now */
        raise(SIGINT);
        int rc = rein_sleep(REIN_NEVER);
        return rc == REIN_ECANCELED && strstr(rein_why(), "interrupted") ? 0 : 1;
}

static int twice_interrupted(void *arg)
{
        (void)arg;
        raise(SIGINT);
        return 0;
}

static int program_interrupt(void)
{
        if (rein_run(wait_for_interrupt, NULL, NULL) != 0)
                return 1;
        rein_run(twice_interrupted, NULL, NULL); /* it has ended: the signal comes as it ever did */
        raise(SIGINT);
        return 2;
}

static void test_run_is_cancelled_by_the_first_interrupt_and_ended_by_one_after_it(void **state)
{
        (void)state;
        assert_int_equal(program_run("interrupt", NULL, 0), -SIGINT);
}

/* ---- stops, from everywhere ---- */

typedef struct inner {
        rein_executor *loop;
        atomic_int rc, left;
} inner;

static int stop_it(void *arg)
{
        inner *i = arg;
        i->rc = rein_executor_stop(i->loop, REIN_STOP_NOW, REIN_NEVER, NULL);
        return 0;
}

static int free_it(void *arg)
{
        inner *i = arg;
        rein_executor_free(i->loop);
        i->rc = 0;
        return 0;
}

static void test_a_stop_or_a_free_from_one_of_its_coroutines_waits_for_the_others(void **state)
{
        (void)state;
        for (int frees = 0; frees < 2; frees++) {
                inner i = {.loop = LOOP(), .rc = 1};
                rein_future *others[3];
                for (int k = 0; k < 3; k++)
                        others[k] = rein_submit(i.loop, sleep_and_count, &i.left, NULL);
                rein_future *f = rein_submit(i.loop, frees ? free_it : stop_it, &i, NULL);
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
                assert_int_equal(i.rc, 0);
                assert_int_equal(i.left, 3);
                for (int k = 0; k < 3; k++) {
                        assert_int_equal(rein_code(others[k]), REIN_ECANCELED);
                        rein_drop(others[k]);
                }
                rein_drop(f);
                if (!frees)
                        rein_executor_free(i.loop);
        }
}

static void *cancel_it(void *arg)
{
        rein_cancel(arg, "by another thread");
        return NULL;
}

/* The last job is cancelled before it starts, by a thread that is not the loop's: nothing else would wake the stop. */
static void test_a_stop_by_the_host_ends_when_another_thread_cancels_the_last_job(void **state)
{
        (void)state;
        for (int round = 0; round < 200; round++) {
                rein_executor *loop = LOOP(.hosted = true);
                atomic_int ran = 0;
                rein_future *f = rein_submit(loop, job_count, &ran, NULL);
                pthread_t t = go(cancel_it, f);
                assert_int_equal(rein_executor_stop(loop, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
                join(t);
                assert_int_equal(rein_code(f), ran ? 0 : REIN_ECANCELED);
                rein_drop(f);
                rein_executor_free(loop);
        }
}

static void test_a_stop_ends_when_the_last_queued_job_is_cancelled(void **state)
{
        (void)state;
        for (int round = 0; round < 200; round++) {
                rein_executor *loop = LOOP();
                stubborn held;
                stubborn_init(&held);
                atomic_int ran = 0;
                rein_future *holds = rein_submit(loop, stubborn_job, &held, NULL);
                rein_future *f = rein_submit(loop, job_count, &ran, NULL);
                EVENTUALLY(held.inside);
                pthread_t t = go(cancel_it, f);
                stubborn_let_go(&held, 1);
                assert_int_equal(rein_executor_stop(loop, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
                join(t);
                rein_drop(f);
                rein_drop(holds);
                rein_executor_free(loop);
        }
}

static void *make_and_leave(void *arg)
{
        *(rein_executor **)arg = LOOP(.hosted = true);
        return NULL;
}

static void test_a_hosted_loop_whose_thread_has_ended_may_be_freed_by_another(void **state)
{
        (void)state;
        rein_executor *loop = NULL;
        join(go(make_and_leave, &loop));
        rein_future *f = rein_submit(loop, job_seven, NULL, NULL);
        rein_executor_free(loop);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        rein_drop(f);
}

static int program_fork(void)
{
        rein_executor *loop = rein_loop_new(NULL);
        rein_future *f = rein_submit(loop, job_seven, NULL, NULL);
        rein_await(f, NULL, REIN_NEVER);
        pid_t pid = fork();
        if (pid == 0) {
                rein_future *g = rein_submit(loop, job_seven, NULL, NULL);
#ifdef REIN_TSAN /* TSan refuses threads in the child of a program with threads */
                _exit(rein_code(g) == -EPERM ? 0 : 1);
#else
                _exit(rein_code(g) == -EPERM && rein_run(job_seven, NULL, NULL) == 7 ? 0 : 1);
#endif
        }
        int status;
        if (waitpid(pid, &status, 0) != pid || status != 0)
                return 1;
        rein_drop(f);
        f = rein_submit(loop, job_seven, NULL, NULL); /* the parent's goes on */
        int rc = rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        rein_executor_free(loop);
        return rc;
}

static int fork_and_return(void *arg)
{
        *(pid_t *)arg = fork();
        return 0;
}

static int program_fork_inside(void)
{
        pid_t pid = 0;
        int status;
        rein_run(fork_and_return, &pid, NULL);
        return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? 0 : 1;
}

static void test_a_forked_child_has_no_loop_and_may_make_its_own(void **state)
{
        (void)state;
        char said[1024];
        assert_int_equal(program_run("fork", NULL, 0), 0);
        assert_int_equal(program_run("fork-inside", said, sizeof said), 0);
        assert_non_null(strstr(said, "a forked child came back into the loop 'main'"));
}

/* ---- loops among each other ---- */

typedef struct pong {
        rein_executor *other;
        int left;
} pong;

static int bounce(void *arg)
{
        pong *p = arg;
        if (p->left == 0)
                return 0;
        pong next = {rn_self()->now->work->executor, p->left - 1};
        int rc = rein_on(p->other, bounce, &next, NULL);
        return rc < 0 ? rc : rc + 1;
}

static void test_two_loops_await_each_others_jobs(void **state)
{
        (void)state;
        rein_executor *a = LOOP(), *b = LOOP();
        pong p = {b, 500};
        assert_int_equal(rein_on(a, bounce, &p, NULL), 500);
        rein_executor_free(a);
        rein_executor_free(b);
}

/* ---- nobody starves ---- */

typedef struct fair {
        int ends[2];
        bool read, slept;
        uint64_t turns;
} fair;

static int read_one(void *arg)
{
        fair *f = arg;
        char c;
        int rc = (int)rein_read(f->ends[0], &c, 1, REIN_NEVER);
        f->read = true;
        return rc;
}

static int sleep_one(void *arg)
{
        fair *f = arg;
        int rc = rein_sleep(rein_after(1));
        f->slept = true;
        return rc;
}

static int feed_itself(void *arg)
{
        fair *f = arg;
        while (!f->read || !f->slept) {
                if (f->turns++ > 1000000)
                        return -ETIME;
                rein_sleep(REIN_NOWAIT);
        }
        return 0;
}

static int spawn_for_ever(void *arg)
{
        fair *f = arg;
        if (f->read && f->slept)
                return 0;
        if (f->turns++ > 1000000)
                return -ETIME;
        rein_drop(rein_submit(rn_self()->now->work->executor, spawn_for_ever, f, NULL));
        return 0;
}

static int somebody_is_always_ready(void *arg)
{
        rein_fn hungry = *(rein_fn *)arg;
        fair f = {0};
        NEED(pipe2(f.ends, O_CLOEXEC) == 0);
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, read_one, &f, NULL);
        rein_spawn(&g, NULL, sleep_one, &f, NULL);
        rein_sleep(rein_after(REIN_MS(2))); /* both wait, and both have what they wait for from now on */
        NEED(write(f.ends[1], "x", 1) == 1);
        rein_spawn(&g, NULL, hungry, &f, NULL);
        rein_spawn(&g, NULL, hungry, &f, NULL);
        NEED(rein_group_close(&g, 0) == 0);
        NEED(f.read && f.slept);
        NEED(f.turns < 200); /* a few turns, not a few thousand */
        close(f.ends[0]);
        close(f.ends[1]);
        return 0;
}

static void test_a_ready_queue_that_feeds_itself_starves_neither_timers_nor_descriptors(void **state)
{
        (void)state;
        rein_fn hungry[] = {feed_itself, spawn_for_ever};
        passes(somebody_is_always_ready, &hungry[0]);
        passes(somebody_is_always_ready, &hungry[1]);
}

/* ---- options ---- */

static void test_options_that_make_no_sense_are_refused(void **state)
{
        (void)state;
        assert_null(rein_loop_new(REIN_LOOP(.slow_ns = -1)));
        assert_int_equal(rein_error_code(rein_trail()), -EINVAL);
        assert_null(rein_loop_new(REIN_LOOP(.stack_size = 1)));
        assert_null(rein_loop_new(&(rein_loop_opts){.size = 0}));
        struct {
                rein_loop_opts known;
                uint64_t later;
        } newer = {.known = {.size = sizeof newer}, .later = 1};
        assert_null(rein_loop_new(&newer.known));
        assert_int_equal(rein_error_code(rein_trail()), -E2BIG);
}

int main(int argc, char **argv)
{
        static const program programs[] = {{"slow", program_slow},
                                           {"leftover", program_leftover},
                                           {"interrupt", program_interrupt},
                                           {"fork", program_fork},
                                           {"fork-inside", program_fork_inside}};
        if (argc > 1)
                return program_main(programs, COUNT(programs), argc, argv);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_jobs_start_in_the_order_of_their_submits),
                cmocka_unit_test(test_what_is_spawned_during_a_turn_runs_in_a_later_one),
                cmocka_unit_test(test_what_is_cancelled_before_it_starts_never_runs_and_its_argument_is_released),
                cmocka_unit_test(test_posts_of_eight_threads_lose_none_and_ring_no_more_than_the_loop_sleeps),
                cmocka_unit_test(test_posts_to_a_loop_that_is_awake_do_not_ring),
                cmocka_unit_test(test_a_stopped_loop_refuses_posts_and_settles_what_it_has),
                cmocka_unit_test(test_a_future_settled_by_another_thread_resumes_its_waiter_on_the_loops_own),
                cmocka_unit_test(test_a_cancelled_task_leaves_and_what_it_awaited_goes_on),
                cmocka_unit_test(test_a_cancel_reaches_the_job_run_by_rein_on_and_the_task_leaves_when_it_is_gone),
                cmocka_unit_test(test_scopes_and_their_deadlines_are_each_coroutines_own),
                cmocka_unit_test(test_a_value_and_a_cancel_in_the_same_turn_lose_neither),
                cmocka_unit_test(test_a_failing_child_stops_its_group_and_a_cancel_from_outside_is_still_delivered),
                cmocka_unit_test(test_gathered_results_are_in_their_order_and_a_cancel_reaches_every_child),
                cmocka_unit_test(test_behind_a_shield_a_coroutine_goes_on_and_its_later_failure_is_told),
                cmocka_unit_test(test_a_queued_blocking_job_of_a_cancelled_caller_never_runs),
                cmocka_unit_test(test_a_stop_with_a_stuck_thread_is_in_time_with_a_receipt_and_other_pools_go_on),
                cmocka_unit_test(test_who_holds_the_loop_up_is_named_but_not_over_and_over),
                cmocka_unit_test(test_a_call_from_the_wrong_thread_is_refused_before_anything_changes),
                cmocka_unit_test(test_a_task_nobody_holds_lives_to_its_end),
                cmocka_unit_test(test_what_main_leaves_behind_is_cancelled_and_awaited),
                cmocka_unit_test(test_a_descriptor_handed_to_a_child_is_closed_whatever_becomes_of_it),
                cmocka_unit_test(test_what_does_not_leave_is_named),
                cmocka_unit_test(test_run_answers_what_main_does_and_tells_its_story),
                cmocka_unit_test(test_run_is_within_the_scope_of_who_calls),
                cmocka_unit_test(test_run_is_cancelled_by_the_first_interrupt_and_ended_by_one_after_it),
                cmocka_unit_test(test_a_stop_or_a_free_from_one_of_its_coroutines_waits_for_the_others),
                cmocka_unit_test(test_a_stop_by_the_host_ends_when_another_thread_cancels_the_last_job),
                cmocka_unit_test(test_a_stop_ends_when_the_last_queued_job_is_cancelled),
                cmocka_unit_test(test_a_hosted_loop_whose_thread_has_ended_may_be_freed_by_another),
                cmocka_unit_test(test_a_forked_child_has_no_loop_and_may_make_its_own),
                cmocka_unit_test(test_two_loops_await_each_others_jobs),
                cmocka_unit_test(test_a_ready_queue_that_feeds_itself_starves_neither_timers_nor_descriptors),
                cmocka_unit_test(test_options_that_make_no_sense_are_refused),
        };
        int rc = cmocka_run_group_tests_name("epoll", tests, NULL, NULL);
        portable = true;
        return rc + cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
