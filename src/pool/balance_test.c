/* SPDX-License-Identifier: Apache-2.0 */
/* Does the look at a pool's counts find what is wrong with them? Each is falsified in turn, with the lock held. */
#include "support.h"

#include "pool/pool.h"

typedef struct scene {
        rein_executor *x;
        pool *p;
        gate gate;
        rein_future *f[5];
} scene;

/* One job runs and one is idle; two plain jobs and a ranked one are queued: there is something of each kind. */
static void scene_open(scene *s)
{
        *s = (scene){.x = rein_pool_new(REIN_POOL(.threads = 2)), .gate = gate_new()};
        s->p = rn_pool_of(s->x);
        for (int i = 0; i < 2; i++)
                s->f[i] = rein_submit(s->x, job_pass, &s->gate, REIN_JOB(.on_worker = true));
        EVENTUALLY(rein_executor_queued(s->x) == 0);
        for (int i = 2; i < 5; i++)
                s->f[i] = rein_submit(s->x, job_seven, NULL, REIN_JOB(.on_worker = true, .priority = i == 4 ? 3 : 0));
        rn_lock_take(&s->x->lock);
}

static void scene_close(scene *s)
{
        rn_lock_give(&s->x->lock);
        gate_open(&s->gate);
        assert_int_equal(rein_wait_all(s->f, 5, REIN_NEVER), 0);
        for (int i = 0; i < 5; i++)
                rein_drop(s->f[i]);
        rein_executor_free(s->x);
        gate_free(&s->gate);
}

static void sound(const scene *s)
{
        assert_null(rn_pool_wrong(s->x));
}

static void wrong(const scene *s, const char *text)
{
        const char *what = rn_pool_wrong(s->x);
        assert_non_null(what);
        assert_non_null(strstr(what, text));
}

static void test_counts_that_do_not_add_up_are_told(void **state)
{
        (void)state;
        scene s;
        scene_open(&s);
        sound(&s);
        rein_work *runs = rn_work_of(s.f[0]);
        struct {
                int *count;
                const char *more, *less;
        } ints[] = {{&s.p->permits, "twice", "fell below"},
                    {&s.p->lost, "lost a permit", "lost a permit"},
                    {&s.p->spares, "spare", "fell below"},
                    {&s.p->replaced, "fewer than it has", "fell below"}};
        for (size_t i = 0; i < COUNT(ints); i++) {
                ++*ints[i].count;
                wrong(&s, ints[i].more);
                *ints[i].count -= 2;
                wrong(&s, ints[i].less);
                ++*ints[i].count;
                sound(&s);
        }
        rn_tell32(&runs->permit, RN_NO_PERMIT); /* its permit is nowhere */
        wrong(&s, "fewer than it has");
        s.p->permits++; /* but for this one: it is free again */
        sound(&s);
        s.p->permits--;
        rn_tell32(&runs->permit, RN_LOST_PERMIT);
        wrong(&s, "lost a permit");
        s.p->lost++; /* it was abandoned with it */
        sound(&s);
        s.p->lost--;
        rn_tell32(&runs->permit, RN_HAS_PERMIT);
        runs->has_spare = true;
        wrong(&s, "spare");
        runs->has_spare = false;
        sound(&s);
        scene_close(&s);
}

static void test_a_queue_of_another_length_is_told(void **state)
{
        (void)state;
        scene s;
        scene_open(&s);
        rein_work *ranked = rn_work_of(s.f[4]);
        s.p->queued++;
        wrong(&s, "as long as it counts");
        s.p->queued -= 2;
        wrong(&s, "as long as it counts");
        s.p->queued++;
        s.p->ranked.count++;
        wrong(&s, "of one length");
        s.p->ranked.count--;
        ranked->by_priority.in = false;
        wrong(&s, "not in its queue");
        ranked->by_priority.in = true;
        sound(&s);
        scene_close(&s);
}

static void test_a_thread_that_is_nowhere_is_told(void **state)
{
        (void)state;
        scene s;
        scene_open(&s);
        worker *k = RN_ITEM(s.p->workers.next, worker, link);
        rein_work *job = k->job;
        size_t *counts[] = {&s.p->threads, &s.p->searching};
        for (size_t i = 0; i < COUNT(counts); i++) {
                ++*counts[i];
                wrong(&s, "a thread is lost");
                --*counts[i];
        }
        k->job = NULL;
        wrong(&s, "a thread is lost");
        rn_list_push(&s.p->idle, &k->idle);
        sound(&s);
        k->job = job;
        wrong(&s, "a thread is lost");
        rn_list_remove(&k->idle);
        sound(&s);
        scene_close(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts_that_do_not_add_up_are_told),
                cmocka_unit_test(test_a_queue_of_another_length_is_told),
                cmocka_unit_test(test_a_thread_that_is_nowhere_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
