/* SPDX-License-Identifier: Apache-2.0 */
/* A work alone: its timer, its limit, what it leaves behind when it is abandoned, and what is told of it. */
#include "support.h"

#include <rein/sim.h>

#include "core/executor.h"

/* ---- in virtual time, which is exact; what is not given back fails the simulation ---- */

static void passes(rein_fn fn, void *arg)
{
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), fn, arg), 0);
}

static int ended(rein_future *f)
{
        (void)rein_await(f, NULL, REIN_NEVER);
        int rc = rein_code(f);
        rein_drop(f);
        return rc;
}

static size_t armed(void)
{
        rn_clockwork *c = &rn_world_now()->clock;
        rn_lock_take(&c->lock);
        size_t n = c->timers.count;
        rn_lock_give(&c->lock);
        return n;
}

static int starts_in_time(void *arg)
{
        (void)arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        int rc = ended(
                rein_submit(x, job_seven, NULL, REIN_JOB(.start_by = rein_after(REIN_SEC(3600)), .on_worker = true)));
        rein_executor_free(x);
        return rc == 7 && armed() == 0 ? 0 : -EPROTO;
}

static void test_a_job_that_has_ended_has_no_timer(void **state)
{
        (void)state;
        passes(starts_in_time, NULL);
}

static int sleep_and_note(void *arg)
{
        int rc = rein_sleep(REIN_NEVER);
        *(int64_t *)arg = rn_clock();
        return rc;
}

/* The sooner one of the two, whichever that is. */
static int two_deadlines(void *arg)
{
        const bool limit_first = arg != NULL;
        int64_t began = rn_clock(), at = 0;
        rein_scope s;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_scope_open(&s, rein_after(limit_first ? REIN_SEC(3600) : REIN_SEC(1)));
        int rc = rein_on(x, sleep_and_note, &at,
                         REIN_JOB(.limit_ns = limit_first ? REIN_SEC(1) : REIN_SEC(3600), .on_worker = true));
        rc = rein_scope_close(&s, rc);
        rein_executor_free(x);
        return rc == REIN_ETIMEOUT && at - began == REIN_SEC(1) ? 0 : -EPROTO;
}

static void test_of_limit_and_deadline_the_sooner_holds(void **state)
{
        (void)state;
        passes(two_deadlines, NULL);
        passes(two_deadlines, &(int){0});
}

/* Armed when it is queued, for the deadline of its group, and again when it runs, for the end of its grace. */
static int armed_twice(void *arg)
{
        (void)arg;
        rein_group g;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_SEC(3600))));
        rein_spawn(&g, x, job_seven, NULL, REIN_JOB(.unheeded = REIN_ABANDON_IT, .on_worker = true));
        int rc = rein_group_close(&g, 0);
        rein_executor_free(x);
        return rc == 0 && armed() == 0 ? 0 : -EPROTO;
}

static void test_a_timer_that_is_armed_again_has_one_reference(void **state)
{
        (void)state;
        passes(armed_twice, NULL);
}

/* ---- abandoned ---- */

typedef struct late {
        stubborn st;
        rein_executor *x;
        unseen unseen;
        atomic_int released, values;
} late;

static void late_released(void *arg)
{
        atomic_fetch_add(&((late *)arg)->released, 1);
}

static void value_released(void *value)
{
        atomic_fetch_add(&((late *)value)->values, 1);
}

static int give_late(void *arg)
{
        late *l = arg;
        stubborn_stay(&l->st);
        return rein_give(l, value_released);
}

static void late_begin(late *l)
{
        *l = (late){.x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = 1))};
        stubborn_init(&l->st);
        rein_on_unseen(unseen_note, &l->unseen);
}

static void late_end(late *l)
{
        stubborn_let_go(&l->st, 1);
        EVENTUALLY(l->unseen.count == 1 && l->released == 1); /* the late log */
        rein_executor_free(l->x);
        rein_on_unseen(NULL, NULL);
}

#define LATE(...) REIN_JOB(.release = late_released, .unheeded = REIN_ABANDON_IT, .on_worker = true, __VA_ARGS__)

static void test_what_a_job_gives_after_it_was_abandoned_is_released(void **state)
{
        (void)state;
        late l;
        late_begin(&l);
        rein_future *f = rein_submit(l.x, give_late, &l, LATE(.limit_ns = 1));
        EVENTUALLY(rein_code(f) == REIN_EABANDONED);
        assert_int_equal(l.values, 0);
        late_end(&l);
        EVENTUALLY(rein_gone(f));
        assert_int_equal(l.values, 1);
        assert_null(rein_value(f, NULL));
        rein_drop(f);
}

/* By a limit it is a timeout, by a cancel a cancel: what the failure is because of says it. */
static void test_why_it_was_abandoned_is_the_cause(void **state)
{
        (void)state;
        for (int limit = 0; limit < 2; limit++) {
                late l;
                late_begin(&l);
                rein_future *f = rein_submit(l.x, give_late, &l, LATE(.limit_ns = limit ? 1 : 0));
                EVENTUALLY(l.st.inside == 1);
                if (!limit)
                        assert_int_equal(rein_cancel(f, "enough"), REIN_ASKED);
                EVENTUALLY(rein_code(f) == REIN_EABANDONED);
                const rein_error *cause = rein_error_cause(rein_error_of(f));
                assert_int_equal(rein_error_code(cause), limit ? REIN_ETIMEOUT : REIN_ECANCELED);
                assert_non_null(strstr(rein_error_text(cause), limit ? "time limit" : "enough"));
                late_end(&l);
                EVENTUALLY(rein_gone(f));
                rein_drop(f);
        }
}

static void test_an_abandoned_job_leaves_the_scope_of_its_caller(void **state)
{
        (void)state;
        late l;
        rein_scope s;
        late_begin(&l);
        rein_scope_open(&s, REIN_NEVER);
        assert_int_equal(rein_on(l.x, give_late, &l, LATE(.limit_ns = 1)), REIN_EABANDONED);
        assert_true(rn_list_empty(&rn_self()->now->scope->children));
        assert_int_equal(rein_scope_close(&s, 0), 0);
        late_end(&l);
}

/* ---- what it is stuck in ---- */

typedef struct mover {
        gate first;
        seat seat;
} mover;

static int move_on(void *arg)
{
        mover *m = arg;
        sit(&m->seat);
        int rc = gate_pass(&m->first);
        return rc < 0 ? rc : rein_sleep(REIN_NEVER);
}

static void test_what_it_was_stuck_in_first_stays(void **state)
{
        (void)state;
        mover m = {.first = gate_new()};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, move_on, &m, REIN_JOB(.on_worker = true));
        rein_work *w = (rein_work *)(void *)f;
        EVENTUALLY(sits_in(&m.seat, "rein_await"));
        assert_string_equal(rn_work_stuck_in(w), "");
        rn_work_note_stuck(w);
        assert_string_equal(rn_work_stuck_in(w), "rein_await");
        gate_open(&m.first);
        EVENTUALLY(sits_in(&m.seat, "rein_sleep"));
        rn_work_note_stuck(w);
        assert_string_equal(rn_work_stuck_in(w), "rein_await");
        rein_cancel(f, NULL);
        (void)ended(f);
        rein_executor_free(x);
        gate_free(&m.first);
}

/* ---- its name ---- */

static void test_a_name_is_cut_where_its_field_is_full(void **state)
{
        (void)state;
        char name[2 * RN_NAME_TEXT];
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        for (size_t n = RN_NAME_TEXT - 2; n <= RN_NAME_TEXT + 1; n++) {
                memset(name, 'x', sizeof name);
                name[n] = 0;
                rein_future *f = rein_submit(x, job_seven, NULL, REIN_JOB(.name = name));
                const rein_work *w = (rein_work *)(void *)f;
                assert_int_equal(strnlen(w->name, RN_NAME_TEXT), n < RN_NAME_TEXT ? n : RN_NAME_TEXT - 1);
                assert_int_equal(ended(f), 7);
        }
        rein_executor_free(x);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_job_that_has_ended_has_no_timer),
                cmocka_unit_test(test_of_limit_and_deadline_the_sooner_holds),
                cmocka_unit_test(test_a_timer_that_is_armed_again_has_one_reference),
                cmocka_unit_test(test_what_a_job_gives_after_it_was_abandoned_is_released),
                cmocka_unit_test(test_why_it_was_abandoned_is_the_cause),
                cmocka_unit_test(test_an_abandoned_job_leaves_the_scope_of_its_caller),
                cmocka_unit_test(test_what_it_was_stuck_in_first_stays),
                cmocka_unit_test(test_a_name_is_cut_where_its_field_is_full),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
