/* SPDX-License-Identifier: Apache-2.0 */
/* A simulation asks each object by itself whether it adds up, as long as it is there. */
#include "broken.h"
#include "crew.h"

#include "sync/barrier.h"
#include "sync/chan.h"
#include "sync/cond.h"
#include "sync/event.h"
#include "sync/sem.h"

static rein_mutex *mutex;
static rein_cond *cond;
static rein_sem *sem;
static rein_event *event;
static rein_barrier *barrier;
static rein_chan *chan;

static void a_mutex(void)
{
        mutex->handed = true;
}

static void a_cond(void)
{
        cond->process++;
}

static void a_sem(void)
{
        sem->line.next = NULL;
}

static void an_event(void)
{
        event->line.next = NULL;
}

static void a_barrier(void)
{
        barrier->here = 5;
}

static void a_chan(void)
{
        chan->count = 5;
}

static void make(void)
{
        mutex = rein_mutex_new();
        cond = rein_cond_new(mutex);
        sem = rein_sem_new(0);
        event = rein_event_new();
        barrier = rein_barrier_new(2);
        chan = rein_chan_new(1, 1, NULL);
}

static void test_a_simulation_finds_an_object_that_does_not_add_up(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {a_mutex, "a mutex does not add up: a mutex was handed over"},
                {a_cond, "a condition does not add up: a condition has no mutex"},
                {a_sem, "a semaphore does not add up: a list ends in nothing"},
                {an_event, "an event does not add up: a list ends in nothing"},
                {a_barrier, "a barrier does not add up: all have come"},
                {a_chan, "a channel does not add up: a channel has more items"},
        };
        broken_in_a_simulation(make, ways, COUNT(ways));
}

/* Nobody asks a condition that has lost its mutex: it may be freed after it. */
static int freed_in_any_order(void *arg)
{
        (void)arg;
        rein_mutex *m = rein_mutex_new();
        rein_cond *c[2] = {rein_cond_new(m), rein_cond_new(m)};
        rein_cond_free(c[0]);
        rein_mutex_free(m);
        for (int i = 0; i < 100; i++)
                rein_sim_point("on it goes");
        rein_cond_free(c[1]);
        return 0;
}

static size_t objects(void)
{
        rn_world *w = rn_world_now();
        size_t n = 0;
        rn_lock_take(&w->objects_lock);
        RN_LIST_EACH(l, &w->objects)
                n++;
        rn_lock_give(&w->objects_lock);
        return n;
}

static void test_what_was_freed_is_asked_no_more(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 20), freed_in_any_order, NULL), 0);
        const size_t before = objects();
        rein_mutex *m = rein_mutex_new();
        rein_cond *c = rein_cond_new(m);
        rein_sem *s = rein_sem_new(1);
        assert_int_equal(objects(), before + 3);
        rein_mutex_free(m);
        assert_int_equal(objects(), before + 1);
        rein_cond_free(c);
        rein_sem_free(s);
        assert_int_equal(objects(), before);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_simulation_finds_an_object_that_does_not_add_up),
                cmocka_unit_test(test_what_was_freed_is_asked_no_more),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
