/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulation finds without being asked, planted: values released twice or never, permits, places in a queue and
 * threads of a pool that are lost, calls by tasks that may not make them. */
#include "support.h"

#include "crew.h"

#include "core/clock.h"
#include "core/future.h"
#include "core/work.h"
#include "pool/pool.h"

static void finds(rein_fn fn, int ended, const char *text)
{
        rein_sim_report r = {.size = sizeof r};
        int rc = rein_sim_explore(REIN_SIM(.schedules = 50, .quiet = true, .report = &r), fn, NULL);
        if (rc != REIN_EFOUND || r.ended != ended || !strstr(rein_error_text(rein_trail()), text))
                fail_msg("expected %d '%s': answered %d, ended %d, '%s'", ended, text, rc, r.ended,
                         rc == REIN_EFOUND ? rein_error_text(rein_trail()) : "");
}

/* ---- values ---- */

static void let_go(void *value)
{
        (void)value;
}

static rein_future *kept(void)
{
        static int value;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        CHECK(rein_promise_keep(p, &value, let_go) == 0);
        rein_promise_drop(p);
        return f;
}

static int value_never(void *arg)
{
        (void)arg;
        rein_future *f = kept();
        f->outcome.release = NULL; /* the library forgets */
        rein_drop(f);
        return 0;
}

static int value_twice(void *arg)
{
        (void)arg;
        rein_future *f = kept();
        void *value, (*release)(void *);
        CHECK(rein_take(f, &value, &release) == 0);
        release(value);
        f->outcome.value = value; /* the library does not know that it gave it away */
        f->value_taken = false;
        rein_drop(f);
        rein_sim_point("after");
        return 0;
}

static int forgets(void *arg)
{
        (void)arg;
        rn_self()->now->work->release = NULL;
        return 0;
}

static int argument_never(void *arg)
{
        (void)arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, forgets, x, REIN_JOB(.release = let_go));
        (void)rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        rein_executor_free(x);
        return 0;
}

static int all_in_order(void *arg)
{
        static const rein_key key = {"k", let_go};
        static int value, other;
        (void)arg;
        void *got, (*release)(void *);
        rein_future *f = kept();
        CHECK(rein_take(f, &got, &release) == 0);
        rein_drop(f);
        rein_drop(kept());
        CHECK(rein_context_set(&key, &value) == 0 && rein_context_set(&key, &value) == 0);
        CHECK(rein_context_set(&key, &other) == 0);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        for (int i = 0; i < 40; i++) /* one and the same value forty times, all at once */
                rein_drop(rein_submit(x, job_seven, &value, REIN_JOB(.release = let_go)));
        rein_executor_free(x);
        return 0;
}

static int memory_twice(void *arg)
{
        (void)arg;
        void *p = rn_alloc(64);
        rn_free(p);
        rn_free(p);
        return 0;
}

static void memory_is_given_back_once(void **state)
{
        (void)state;
        finds(memory_twice, REIN_SIM_MISUSE, "memory was given back twice");
}

/* ---- what is let go of later ---- */

typedef struct later {
        rn_timer timer;
} later;

static void lets_go_of_itself(rn_timer *t, uint32_t tag)
{
        (void)tag;
        rn_free(t);
}

/* It is the library's, and the clock thread gives it back: after the program has ended. */
static int leaves_to_a_timer(bool armed)
{
        later *l = rn_alloc(sizeof *l);
        CHECK(l && rn_clock_start() == 0);
        l->timer.fire = lets_go_of_itself;
        CHECK(!armed || rn_timer_arm(&l->timer, rein_after(REIN_MS(10)).ns, 0));
        return 0;
}

static int ends_before_a_timer(void *arg)
{
        (void)arg;
        return leaves_to_a_timer(true);
}

static int ends_without_its_timer(void *arg)
{
        (void)arg;
        return leaves_to_a_timer(false);
}

static void what_a_timer_lets_go_of_is_not_left_behind(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 100), ends_before_a_timer, NULL), 0);
        finds(ends_without_its_timer, REIN_SIM_LEAK, "1 objects of the library");
}

static void values_are_released_once(void **state)
{
        (void)state;
        finds(value_never, REIN_SIM_LEAK, "1 values that were given to rein were never released");
        finds(value_twice, REIN_SIM_MISUSE, "had been released, or taken, before");
        finds(argument_never, REIN_SIM_LEAK, "1 values that were given to rein were never released");
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 200), all_in_order, NULL), 0);
}

/* ---- pools ---- */

/* Under the lock, which the thread sanitizer counts on. */
static void damage(pool *p, void (*how)(pool *p))
{
        rn_lock_take(&p->base.lock);
        how(p);
        rn_lock_give(&p->base.lock);
}

static int damages(void (*how)(pool *p), bool at_the_end)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "damaged", .threads = 2));
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        if (!at_the_end)
                damage(rn_pool_of(x), how);
        (void)rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        (void)rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        rn_executor_ref(x);
        rein_executor_free(x);
        if (at_the_end)
                how(rn_pool_of(x));
        rn_executor_unref(x);
        rein_sim_point("after");
        return 0;
}

static void loses_permit(pool *p)
{
        p->permits--;
}

static void doubles_permit(pool *p)
{
        p->permits++;
}

static void loses_thread(pool *p)
{
        p->threads++;
}

static void loses_place(pool *p)
{
        p->queued++;
}

static void loses_spare(pool *p)
{
        p->spares++;
}

static int permit_lost(void *arg)
{
        (void)arg;
        return damages(loses_permit, false);
}

static int permit_twice(void *arg)
{
        (void)arg;
        return damages(doubles_permit, false);
}

static int thread_lost(void *arg)
{
        (void)arg;
        return damages(loses_thread, false);
}

static int place_lost(void *arg)
{
        (void)arg;
        return damages(loses_place, false);
}

static int spare_lost(void *arg)
{
        (void)arg;
        return damages(loses_spare, false);
}

static int permit_lost_at_the_end(void *arg)
{
        (void)arg;
        return damages(loses_permit, true);
}

static void pools_add_up(void **state)
{
        (void)state;
        finds(permit_lost, REIN_SIM_FAILED, "'damaged' does not add up: a permit was lost");
        finds(permit_twice, REIN_SIM_FAILED, "a permit is there twice");
        finds(thread_lost, REIN_SIM_FAILED, "a thread is lost");
        finds(place_lost, REIN_SIM_FAILED, "is not as long as it counts");
        finds(spare_lost, REIN_SIM_FAILED, "block behind a spare one");
        finds(permit_lost_at_the_end, REIN_SIM_FAILED, "'damaged' does not add up: it goes, and a permit");
}

/* ---- [owner] ---- */

static void closes_scope(void *arg)
{
        (void)rein_scope_close(arg, 0);
}

static int scope_of_another(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h;
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        crew_go(&c, &h, "thief", closes_scope, &s);
        crew_join(&c);
        (void)rein_scope_close(&s, 0);
        return 0;
}

static int scope_twice(void *arg)
{
        (void)arg;
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        (void)rein_scope_close(&s, 0);
        (void)rein_scope_close(&s, 0);
        return 0;
}

static int wrong_order(void *arg)
{
        (void)arg;
        rein_scope s;
        rein_group g;
        rein_group_open(&g, NULL);
        rein_scope_open(&s, REIN_NEVER);
        int rc = rein_group_close(&g, 0);
        (void)rein_scope_close(&s, 0);
        return rc == -EPERM ? rein_group_close(&g, 0) : 0;
}

static void joins_group(void *arg)
{
        (void)rein_group_join(arg, REIN_NEVER);
}

static int group_of_another(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h;
        rein_group g;
        rein_group_open(&g, NULL);
        crew_go(&c, &h, "thief", joins_group, &g);
        crew_join(&c);
        return rein_group_close(&g, 0);
}

static int hook_twice(void *arg)
{
        (void)arg;
        rein_hook h;
        if (rein_hook_open(&h, let_go, NULL) == 0) {
                (void)rein_hook_close(&h, 0);
                (void)rein_hook_close(&h, 0);
        }
        return 0;
}

static void reads_set(void *arg)
{
        (void)rein_done_next(arg, REIN_NEVER);
}

static int set_of_another(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h;
        rein_done it;
        rein_future *f = kept();
        rein_done_open(&it, &f, 1);
        crew_go(&c, &h, "thief", reads_set, &it);
        crew_join(&c);
        rein_done_close(&it);
        rein_drop(f);
        return 0;
}

static void closes_set(void *arg)
{
        rein_done_close(arg);
}

static int set_closed_by_another(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h;
        rein_done it;
        rein_done_open(&it, NULL, 0);
        crew_go(&c, &h, "thief", closes_set, &it);
        crew_join(&c);
        rein_done_close(&it);
        return 0;
}

static void unlocks(void *arg)
{
        (void)rein_mutex_unlock(arg);
}

static int mutex_of_another(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h;
        rein_mutex *m = rein_mutex_new();
        CHECK(rein_mutex_lock(m, REIN_NEVER) == 0);
        crew_go(&c, &h, "thief", unlocks, m);
        crew_join(&c);
        CHECK(rein_mutex_unlock(m) == 0);
        rein_mutex_free(m);
        return 0;
}

static int waits_without_the_mutex(void *arg)
{
        (void)arg;
        rein_mutex *m = rein_mutex_new();
        rein_cond *c = rein_cond_new(m);
        (void)rein_cond_wait(c, REIN_NOWAIT);
        rein_cond_free(c);
        rein_mutex_free(m);
        return 0;
}

static void turns(void *arg)
{
        (void)rein_loop_turn(arg);
}

static void frees(void *arg)
{
        rein_executor_free(arg);
}

static int with_a_loop(void (*fn)(void *))
{
        crew c = {0};
        hand h;
        rein_executor *x = rein_loop_new(REIN_LOOP(.hosted = true));
        crew_go(&c, &h, "thief", fn, x);
        crew_join(&c);
        rein_executor_free(x);
        return 0;
}

static int loop_turned_by_another(void *arg)
{
        (void)arg;
        return with_a_loop(turns);
}

static int loop_freed_by_another(void *arg)
{
        (void)arg;
        return with_a_loop(frees);
}

static void who_may_not_close_is_told_on(void **state)
{
        (void)state;
        finds(scope_of_another, REIN_SIM_MISUSE, "rein_scope_close, by 'thief': ");
        finds(scope_twice, REIN_SIM_MISUSE, "rein_scope_close, by 'main': ");
        finds(wrong_order, REIN_SIM_MISUSE, "rein_group_close, by 'main': ");
        finds(group_of_another, REIN_SIM_MISUSE, "rein_group_join, by 'thief': ");
        finds(hook_twice, REIN_SIM_MISUSE, "rein_hook_close, by 'main': ");
        finds(set_of_another, REIN_SIM_MISUSE, "rein_done_next, by 'thief': ");
        finds(set_closed_by_another, REIN_SIM_MISUSE, "rein_done_close, by 'thief': ");
        finds(mutex_of_another, REIN_SIM_MISUSE, "rein_mutex_unlock, by 'thief': ");
        finds(waits_without_the_mutex, REIN_SIM_MISUSE, "rein_cond_wait, by 'main': ");
        finds(loop_turned_by_another, REIN_SIM_MISUSE, "rein_loop_turn, by 'thief': ");
        finds(loop_freed_by_another, REIN_SIM_MISUSE, "rein_executor_free, by 'thief': ");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_released_once),
                cmocka_unit_test(memory_is_given_back_once),
                cmocka_unit_test(what_a_timer_lets_go_of_is_not_left_behind),
                cmocka_unit_test(pools_add_up),
                cmocka_unit_test(who_may_not_close_is_told_on),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
