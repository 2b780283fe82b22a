/* SPDX-License-Identifier: Apache-2.0 */
/* Single-flight: jobs with one (executor, fn, share) in flight are one run with one outcome. */
#include "support.h"

#include "core/executor.h"
#include "core/share.h"
#include "rein/sim.h"

typedef struct flight {
        gate *gate;
        atomic_int *runs;
        int code;
} flight;

static int fly(void *arg)
{
        flight *f = arg;
        int n = atomic_fetch_add(f->runs, 1) + 1, rc = gate_pass(f->gate);
        if (rc < 0)
                return rc;
        if (f->code < 0)
                return rein_fail(f->code, "it came down");
        return rein_give_copy(&n, sizeof n);
}

static int other_fn(void *arg)
{
        return fly(arg) + 0;
}

static void test_many_submits_are_one_run_with_one_value(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 4));
        gate g = gate_new();
        atomic_int runs = 0;
        flight f = {&g, &runs, 0};
        rein_future *w[10];
        for (int i = 0; i < 10; i++)
                w[i] = rein_submit(x, fly, REIN_COPY(f, .share = "page"));
        EVENTUALLY(runs == 1);
        assert_int_equal(rein_executor_unfinished(x), 1);
        gate_open(&g);
        assert_int_equal(rein_wait_all(w, 10, REIN_NEVER), 0);
        assert_int_equal(runs, 1);
        void *value = rein_value(w[0], NULL), *taken;
        void (*release)(void *);
        assert_int_equal(*(int *)value, 1);
        for (int i = 0; i < 10; i++) {
                assert_ptr_equal(rein_value(w[i], NULL), value);
                assert_int_equal(rein_take(w[i], &taken, &release), -EBUSY);
                rein_drop(w[i]);
        }
        w[0] = rein_submit(x, fly, REIN_COPY(f, .share = "page")); /* landed: the next is another flight */
        assert_int_equal(rein_await(w[0], &value, REIN_NEVER), 0);
        assert_int_equal(*(int *)value, 2);
        rein_drop(w[0]);
        rein_executor_free(x);
        gate_free(&g);
}

static void test_the_identity_is_executor_function_and_name(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 4)), *y = rein_pool_new(REIN_POOL(.threads = 4));
        gate g = gate_new();
        atomic_int runs = 0;
        flight f = {&g, &runs, 0};
        rein_future *w[5] = {
                rein_submit(x, fly, REIN_COPY(f, .share = "a")),      rein_submit(x, fly, REIN_COPY(f, .share = "b")),
                rein_submit(x, other_fn, REIN_COPY(f, .share = "a")), rein_submit(y, fly, REIN_COPY(f, .share = "a")),
                rein_submit(x, fly, REIN_COPY(f, .share = "a")),
        };
        EVENTUALLY(runs == 4);
        gate_open(&g);
        assert_int_equal(rein_wait_all(w, 5, REIN_NEVER), 0);
        assert_int_equal(runs, 4);
        for (int i = 0; i < 5; i++)
                rein_drop(w[i]);
        rein_executor_free(x);
        rein_executor_free(y);
        gate_free(&g);
}

static void test_a_failure_is_shared_and_told_once_to_each(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        atomic_int runs = 0;
        flight f = {&g, &runs, -EIO};
        rein_future *w[3];
        for (int i = 0; i < 3; i++)
                w[i] = rein_submit(x, fly, REIN_COPY(f, .share = "s"));
        gate_open(&g);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(rein_await(w[i], NULL, REIN_NEVER), REIN_EFAILED);
                assert_int_equal(rein_code(w[i]), -EIO);
                assert_ptr_equal(rein_error_of(w[i]), rein_error_of(w[0]));
                if (i)
                        rein_drop(w[i]);
        }
        rein_drop(w[0]);
        rein_executor_free(x);
        assert_int_equal(u.count, 0);
        rein_on_unseen(NULL, NULL);
        gate_free(&g);
}

static void test_a_waiters_cancel_detaches_him_and_the_last_ones_stops_the_run(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        atomic_int runs = 0;
        flight f = {&g, &runs, 0};
        rein_future *w[3];
        for (int i = 0; i < 3; i++)
                w[i] = rein_submit(x, fly, REIN_COPY(f, .share = "s"));
        EVENTUALLY(runs == 1);
        rein_cancel(w[1], "not me");
        assert_int_equal(rein_code(w[1]), REIN_ECANCELED);
        assert_int_equal(rein_code(w[0]), REIN_EPENDING);
        rein_cancel(w[0], NULL);
        assert_int_equal(rein_executor_unfinished(x), 1);
        rein_cancel(w[2], NULL);
        EVENTUALLY(rein_executor_unfinished(x) == 0); /* nobody waits: it was stopped */
        for (int i = 0; i < 3; i++)
                rein_drop(w[i]);

        for (int i = 0; i < 2; i++) /* one stays: the run goes on for it */
                w[i] = rein_submit(x, fly, REIN_COPY(f, .share = "s"));
        EVENTUALLY(runs == 2);
        rein_cancel(w[0], NULL);
        gate_open(&g);
        assert_int_equal(rein_await(w[1], NULL, REIN_NEVER), 0);
        rein_drop(w[0]);
        rein_drop(w[1]);
        rein_executor_free(x);
        gate_free(&g);
}

static void test_a_stop_settles_run_and_waiters(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        atomic_int runs = 0, released = 0;
        flight f = {&g, &runs, 0};
        rein_future *w[4];
        for (int i = 0; i < 2; i++)
                w[i] = rein_submit(x, fly, REIN_COPY(f, .share = "running"));
        EVENTUALLY(runs == 1);
        for (int i = 2; i < 4; i++)
                w[i] = rein_submit(x, job_count, &released, REIN_JOB(.share = "queued", .release = release_count));
        assert_int_equal(released, 1); /* a job that joins has no use for its argument */
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(rein_code(w[i]), REIN_ECANCELED);
                rein_drop(w[i]);
        }
        assert_int_equal(released, 2);
        rein_future *late = rein_submit(x, fly, REIN_COPY(f, .share = "running"));
        assert_int_equal(rein_code(late), REIN_EREJECTED);
        rein_drop(late);
        rein_executor_free(x);
        gate_free(&g);
}

static void test_children_of_a_group_share_and_the_groups_cancel_detaches_only_its_own(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        atomic_int runs = 0;
        flight f = {&g, &runs, 0};
        rein_group group;
        rein_future *outside = rein_submit(x, fly, REIN_COPY(f, .share = "s"));
        rein_group_open(&group, NULL);
        rein_spawn(&group, x, fly, REIN_COPY(f, .share = "s"));
        rein_group_cancel(&group, NULL);
        assert_int_equal(rein_group_close(&group, 0), REIN_ESTOPPED);
        assert_int_equal(rein_code(outside), REIN_EPENDING);
        gate_open(&g);
        assert_int_equal(rein_await(outside, NULL, REIN_NEVER), 0);
        assert_int_equal(runs, 1);
        rein_drop(outside);
        rein_executor_free(x);
        gate_free(&g);
        EVENTUALLY(live(&rn_world_now()->scopes) == 0);
}

typedef struct joiner {
        rein_executor *x;
        flight *f;
        int bad;
} joiner;

static void *join_many_times(void *arg)
{
        joiner *j = arg;
        for (int i = 0; i < 300; i++) {
                rein_future *w = rein_submit(j->x, fly, j->f, REIN_JOB(.arg_size = sizeof *j->f, .share = "hot"));
                if (i % 4 == 0)
                        rein_cancel(w, NULL);
                else
                        j->bad += rein_await(w, NULL, REIN_NEVER) != 0;
                rein_drop(w);
        }
        return NULL;
}

static void test_joining_landing_and_leaving_race(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        gate g = gate_new();
        atomic_int runs = 0;
        flight f = {&g, &runs, 0};
        gate_open(&g);
        joiner j[4];
        pthread_t t[4];
        for (int i = 0; i < 4; i++) {
                j[i] = (joiner){x, &f, 0};
                t[i] = go(join_many_times, &j[i]);
        }
        for (int i = 0; i < 4; i++) {
                join(t[i]);
                assert_int_equal(j[i].bad, 0);
        }
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        rein_executor_free(x);
        gate_free(&g);
}

#if RN_CHECKING
static int leave_it(void *self, rein_work *w)
{
        *(rein_work **)self = w;
        return 0;
}

static void post_nothing(void *self, rein_work *w)
{
        (void)self;
        (void)w;
}

static void test_a_broken_shared_run_says_so(void **state)
{
        (void)state;
        rein_work *run = NULL;
        rein_executor *x = rein_executor_new(
                &(rein_executor_ops){.size = sizeof(rein_executor_ops), .accept = leave_it, .post = post_nothing},
                &run);
        rein_future *f = rein_submit(x, job_seven, NULL, REIN_JOB(.share = "one"));
        rein_work *mirror = rn_work_of(f), other = {.priority = 0};
        rein_executor another = {.state = 0};
        BREAKS(run->share, NULL, rn_share_wrong(run), "a job that nobody may share is in flight for others");
        BREAKS(mirror->share->run, &other, rn_share_wrong(run), "a job waits for a shared run that is not its own");
        BREAKS(mirror->future.refs.v, 0, rn_share_wrong(run), "a job that was given back waits for a shared run");
        BREAKS(run->share->mirrors.next, NULL, rn_share_wrong(run), "a list ends in nothing");
        rn_list_remove(&mirror->share->mirror);
        assert_string_equal(rn_share_wrong(run), "nobody waits for a shared run that is in flight");
        assert_string_equal(rn_executor_wrong(x), "nobody waits for a shared run that is in flight");
        rn_list_push(&run->share->mirrors, &mirror->share->mirror);
        BREAKS(x->shares.prev, NULL, rn_executor_wrong(x), "two neighbours in a list do not point to each other");
        run->all.next->prev = run->all.prev; /* out of the one list that would tell first */
        run->all.prev->next = run->all.next;
        x->unfinished = x->unsettled = 0;
        BREAKS(run->executor, &another, rn_executor_wrong(x), "a shared run in its list is another executor's");
        x->unfinished = x->unsettled = 1;
        run->all.next->prev = run->all.prev->next = &run->all;
        rein_work_run(run);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        rein_executor_free(x);
}
#endif

/* ---- outcomes that are remembered ---- */

enum { SPAN = 10000000 };

typedef struct memory {
        int runs, released, code;
} memory;

static memory memories;

static void memory_release(void *value)
{
        (void)value;
        memories.released++;
}

static int remember(void *arg)
{
        (void)arg;
        memories.runs++;
        if (memories.code < 0)
                return rein_fail(memories.code, "it failed");
        int rc = rein_give(&memories.runs, memory_release);
        return rc < 0 ? rc : memories.runs;
}

/* The code of a submit with this name and span: which run it was. */
static int ask(rein_executor *x, const char *share, int64_t span)
{
        rein_future *f = rein_submit(x, remember, NULL, REIN_JOB(.share = share, .share_ns = span));
        rein_outcome o = {.size = sizeof o};
        (void)rein_await(f, NULL, REIN_NEVER);
        rein_outcome_of(f, &o);
        if (o.code >= 0)
                rein_sim_check(o.value == &memories.runs);
        rein_drop(f);
        return o.code;
}

static int remembering(void *arg)
{
        (void)arg;
        memories = (memory){0};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_sim_check(ask(x, "a", SPAN) == 1);
        rein_sim_check(ask(x, "a", SPAN) == 1); /* the same moment */
        rein_sleep(rein_after(SPAN - 1));
        rein_sim_check(ask(x, "a", SPAN) == 1);     /* just young enough, and that makes it no younger */
        rein_sim_check(ask(x, "a", SPAN / 2) == 2); /* too old for this job; now there is a newer one */
        rein_sleep(rein_after(SPAN / 2));
        rein_sim_check(ask(x, "a", SPAN) == 3); /* which the job that started it has allowed for half of the span */
        rein_sim_check(ask(x, "b", SPAN) == 4); /* another name */
        rein_sim_check(ask(x, "a", 0) == 5);    /* this job wants a run in flight, or its own */
        rein_sim_check(ask(x, "a", SPAN) == 3); /* and its outcome is not remembered */
        rein_sleep(rein_after(SPAN));
        rein_sim_check(ask(x, "a", SPAN) == 6);
        rein_sim_check(memories.released == 5); /* all but the last */
        memories.code = -EIO;                   /* a failure is not remembered */
        rein_sim_check(ask(x, "c", SPAN) == -EIO);
        memories.code = 0;
        rein_sim_check(ask(x, "c", SPAN) == 8);
        rein_sim_check(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        rein_sim_check(memories.released == 7); /* a stop lets go of all */
        rein_sim_check(ask(x, "c", SPAN) == REIN_EREJECTED);
        rein_sim_check(rein_executor_restart(x) == 0);
        rein_sim_check(ask(x, "c", SPAN) == 9);
        rein_executor_free(x);
        rein_sim_check(memories.released == 8);
        return 0;
}

static void test_an_outcome_is_given_to_those_that_come_within_the_span(void **state)
{
        (void)state;
        assert_int_equal(
                rein_sim_explore(REIN_SIM(.name = "remembering", .generator = REIN_SIM_RANDOM, .schedules = 100),
                                 remembering, NULL),
                0);
}

/* A cancelled submit is no reason to give it a value; and a scope's deadline that has come is a cancel. */
static void test_a_submit_that_is_cancelled_gets_no_outcome_that_is_remembered(void **state)
{
        (void)state;
        memories = (memory){0};
        rein_group g;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        assert_int_equal(ask(x, "a", REIN_SEC(3600)), 1);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_group_cancel(&g, NULL);
        rein_future *f = rein_spawn_future(&g, x, remember, NULL, REIN_JOB(.share = "a", .share_ns = REIN_SEC(3600)));
        EVENTUALLY(rein_gone(f));
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        assert_int_equal(rein_group_close(&g, 0), REIN_ESTOPPED);
        rein_group_open(&g, NULL); /* but a child of a group has it like any other */
        f = rein_spawn_future(&g, x, remember, NULL, REIN_JOB(.share = "a", .share_ns = REIN_SEC(3600)));
        assert_int_equal(rein_code(f), 1);
        assert_int_equal(rein_group_close(&g, 0), 0);
        rein_executor_free(x);
        EVENTUALLY(memories.released == memories.runs);
}

static void test_so_many_outcomes_are_remembered_and_the_oldest_goes_first(void **state)
{
        (void)state;
        enum { MANY = 300, KEPT = 256 };
        memories = (memory){0};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        char name[16];
        for (int i = 0; i < MANY; i++) {
                snprintf(name, sizeof name, "%d", i);
                assert_int_equal(ask(x, name, REIN_SEC(3600)), i + 1);
        }
        EVENTUALLY(memories.released == MANY - KEPT);
        snprintf(name, sizeof name, "%d", MANY - KEPT);
        assert_int_equal(ask(x, name, REIN_SEC(3600)), MANY - KEPT + 1);
        assert_int_equal(ask(x, "0", REIN_SEC(3600)), MANY + 1);
        rein_executor_free(x);
        EVENTUALLY(memories.released == memories.runs);
}

static void test_a_span_without_a_share_makes_no_sense(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, remember, NULL, REIN_JOB(.share_ns = 1));
        assert_int_equal(rein_code(f), -EINVAL);
        rein_drop(f);
        f = rein_submit(x, remember, NULL, REIN_JOB(.share = "a", .share_ns = -1));
        assert_int_equal(rein_code(f), -EINVAL);
        rein_drop(f);
        rein_executor_free(x);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_outcome_is_given_to_those_that_come_within_the_span),
                cmocka_unit_test(test_a_submit_that_is_cancelled_gets_no_outcome_that_is_remembered),
                cmocka_unit_test(test_so_many_outcomes_are_remembered_and_the_oldest_goes_first),
                cmocka_unit_test(test_a_span_without_a_share_makes_no_sense),
                cmocka_unit_test(test_many_submits_are_one_run_with_one_value),
                cmocka_unit_test(test_the_identity_is_executor_function_and_name),
                cmocka_unit_test(test_a_failure_is_shared_and_told_once_to_each),
                cmocka_unit_test(test_a_waiters_cancel_detaches_him_and_the_last_ones_stops_the_run),
                cmocka_unit_test(test_a_stop_settles_run_and_waiters),
                cmocka_unit_test(test_children_of_a_group_share_and_the_groups_cancel_detaches_only_its_own),
                cmocka_unit_test(test_joining_landing_and_leaving_race),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_shared_run_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
