/* SPDX-License-Identifier: Apache-2.0 */
/* rn_pool_wrong finds each thing that does not add up, and nothing in a pool that does. The pool is made by hand: two jobs
 * run with the two permits there are, a third has lent its own and wants it back, three are queued, a submitter waits for
 * room, a thread is idle. */
#include "broken.h"

#include "pool/pool.h"

enum { RUNS, RUNS_TOO, LENT, PLAIN, HIGH, LOW, WORKS };
enum { IDLE = 3, WORKERS };

typedef struct made {
        pool p;
        rein_work w[WORKS];
        worker k[WORKERS];
        returner back;
        entrant room;
} made;

static made m;

static void make_job(int i, uint32_t state, uint32_t permit, int priority)
{
        rein_work *w = &m.w[i];
        w->executor = &m.p.base;
        w->priority = priority;
        rn_store32(&w->permit, permit);
        rn_store32(&w->state, state);
        rn_list_push(&m.p.base.works, &w->all);
        m.p.base.unfinished++;
        if (state == RN_WORK_QUEUED)
                rn_queue_push(&m.p, NULL, w);
}

static void make_sound(void)
{
        pool *p = &m.p;
        m = (made){.p.opts = {.threads = 2, .threads_max = 4, .elastic = true, .queue_max = 3}};
        rn_list_init(&p->base.works);
        rn_queue_init(p);
        rn_list_init(&p->workers);
        rn_list_init(&p->idle);
        rn_list_init(&p->returners);
        rn_lock_take(&p->base.lock);
        make_job(RUNS, RN_WORK_RUNNING, RN_HAS_PERMIT, 0);
        make_job(RUNS_TOO, RN_WORK_RUNNING, RN_HAS_PERMIT, 0);
        make_job(LENT, RN_WORK_RUNNING, RN_NO_PERMIT, 0);
        make_job(PLAIN, RN_WORK_QUEUED, RN_NO_PERMIT, 0);
        make_job(HIGH, RN_WORK_QUEUED, RN_NO_PERMIT, 5);
        make_job(LOW, RN_WORK_QUEUED, RN_NO_PERMIT, -5);
        for (int i = 0; i < WORKERS; i++) {
                m.k[i].pool = p;
                m.k[i].job = i == IDLE ? NULL : &m.w[i];
                rn_list_push(&p->workers, &m.k[i].link);
        }
        rn_list_push(&p->idle, &m.k[IDLE].idle);
        p->threads = WORKERS;
        p->watching = true;
        m.back.mine = &m.w[LENT];
        rn_list_push(&p->returners, &m.back.link);
        m.room.task = rn_self();
        rn_list_push(&p->room, &m.room.link);
}

/* ---- what breaks it ---- */

static void works_are_torn(void)
{
        broken_list(&m.w[RUNS].all);
}

static void anothers_job_is_listed(void)
{
        m.w[LENT].executor = NULL;
}

static void abandoned_with_a_spare(void)
{
        m.w[RUNS].has_spare = true;
        rn_store32(&m.w[RUNS].permit, RN_LOST_PERMIT);
}

static void queued_with_a_permit(void)
{
        rn_store32(&m.w[PLAIN].permit, RN_HAS_PERMIT);
}

static void below_none(void)
{
        m.p.permits = -1;
}

static void lost_and_not_counted(void)
{
        rn_store32(&m.w[RUNS].permit, RN_LOST_PERMIT);
}

static void a_spare_too_many(void)
{
        m.p.spares = 1;
}

static void a_permit_is_lost(void)
{
        rn_store32(&m.w[RUNS].permit, RN_NO_PERMIT);
}

static void a_permit_comes_twice(void)
{
        m.p.permits = 1;
}

static void replaced_and_not_lost(void)
{
        m.p.replaced = 1;
        m.p.permits = 1;
}

static void more_spares_than_allowed(void)
{
        m.p.opts.threads_max = 2;
        m.w[RUNS].has_spare = true;
        m.p.spares = 1;
        rn_store32(&m.w[LENT].permit, RN_HAS_PERMIT);
}

static void spares_and_not_elastic(void)
{
        more_spares_than_allowed();
        m.p.opts.threads_max = 4;
        m.p.opts.elastic = false;
}

static void falsely_exhausted(void)
{
        m.p.exhausted = true;
}

static void exhausted_and_does_not_say_so(void)
{
        rn_store32(&m.w[RUNS].permit, RN_LOST_PERMIT);
        rn_store32(&m.w[RUNS_TOO].permit, RN_LOST_PERMIT);
        m.p.lost = 2;
}

static void returners_are_torn(void)
{
        broken_list(&m.back.link);
}

static void a_free_permit_is_not_given_back(void)
{
        rn_store32(&m.w[RUNS].permit, RN_NO_PERMIT);
        m.p.permits = 1;
}

static void a_returner_stays_in_line(void)
{
        m.back.granted = true;
}

static void a_returner_has_its_permit(void)
{
        rn_store32(&m.w[RUNS].permit, RN_NO_PERMIT);
        rn_store32(&m.w[LENT].permit, RN_HAS_PERMIT);
}

static void the_queue_is_torn(void)
{
        broken_list(&m.w[PLAIN].by_age);
}

static void queued_twice(void)
{
        broken_push(&m.p.plain, &m.w[PLAIN].by_age);
        m.p.queued++;
}

static void queued_and_runs(void)
{
        rn_store32(&m.w[HIGH].state, RN_WORK_RUNNING);
}

static void of_the_other_part(void)
{
        m.w[PLAIN].priority = 1;
}

static void not_in_the_heap(void)
{
        m.w[LOW].by_priority.in = false;
}

static void out_of_order(void)
{
        m.w[LOW].sequence = 0;
}

static void from_the_future(void)
{
        m.w[PLAIN].sequence = 100;
}

static void the_heap_has_lost_one(void)
{
        m.p.ranked.count--;
}

static void the_heap_is_wrong_way_up(void)
{
        m.w[LOW].priority = 9;
}

static void the_queue_is_miscounted(void)
{
        m.p.queued++;
}

static void room_is_torn(void)
{
        broken_list(&m.room.link);
}

static void room_and_nobody_is_told(void)
{
        m.p.opts.queue_max = 4;
}

static void idle_is_torn(void)
{
        broken_list(&m.k[IDLE].idle);
}

static void idle_and_woken(void)
{
        m.k[IDLE].woken = true;
}

static void idle_and_busy(void)
{
        m.k[IDLE].job = &m.w[LENT];
}

static void idle_and_gone(void)
{
        rn_list_remove(&m.k[IDLE].link);
}

static void spins_and_is_busy(void)
{
        m.p.spins = &m.k[RUNS];
}

static void threads_are_torn(void)
{
        broken_list(&m.k[0].link);
}

static void a_thread_of_another_pool(void)
{
        m.k[0].pool = NULL;
}

static void two_jobs_on_a_thread(void)
{
        m.k[0].ended = &m.w[LENT];
}

static void runs_what_is_queued(void)
{
        m.k[0].job = &m.w[PLAIN];
}

static void ended_with_its_permit(void)
{
        m.k[0].job = NULL;
        m.k[0].ended = &m.w[RUNS];
        m.p.searching++;
}

static void a_thread_is_lost(void)
{
        m.p.threads++;
}

static void searching_is_counted_twice(void)
{
        m.p.searching++;
}

/* One of the two permits is free, and a job is queued. */
static void nobody_is_on_the_way(void)
{
        rn_list_remove(&m.back.link);
        rn_store32(&m.w[RUNS].permit, RN_NO_PERMIT);
        m.p.permits = 1;
}

static void nobody_looks_who_blocks(void)
{
        m.p.watching = false;
}

static void nobody_looks_for_the_returner(void)
{
        rn_queue_remove(&m.p, &m.w[PLAIN]);
        rn_queue_remove(&m.p, &m.w[HIGH]);
        rn_queue_remove(&m.p, &m.w[LOW]);
        m.p.watching = false;
}

static const broken_way ways[] = {
        {works_are_torn, broken_links},
        {anothers_job_is_listed, "a job of another executor is listed"},
        {abandoned_with_a_spare, "a spare permit stands in for an abandoned job, whose permit is lost"},
        {queued_with_a_permit, "a job that has not started has a permit"},
        {below_none, "a count of permits fell below none"},
        {lost_and_not_counted,
         "its jobs that lost a permit, or block behind a spare one, are not as many as it counts"},
        {a_spare_too_many, "its jobs that lost a permit, or block behind a spare one, are not as many as it counts"},
        {a_permit_is_lost, "a permit was lost: those that are free and those that jobs have are fewer than it has"},
        {a_permit_comes_twice,
         "a permit is there twice: those that are free and those that jobs have are more than it has"},
        {replaced_and_not_lost, "more lost permits were replaced than are lost"},
        {more_spares_than_allowed, "it has more spare permits than threads_max allows"},
        {spares_and_not_elastic, "it has more spare permits than threads_max allows"},
        {falsely_exhausted,
         "it says of itself wrongly that every thread is held by an abandoned job, or that none is free"},
        {exhausted_and_does_not_say_so,
         "it says of itself wrongly that every thread is held by an abandoned job, or that none is free"},
        {returners_are_torn, broken_links},
        {a_free_permit_is_not_given_back, "a job waits to have its permit back, and one is free"},
        {a_returner_stays_in_line, "a job that has its permit still waits to have it back"},
        {a_returner_has_its_permit, "a job that has its permit still waits to have it back"},
        {the_queue_is_torn, broken_links},
        {queued_twice, broken_links},
        {queued_and_runs, "a job is in its queue that is another's, or runs, or has ended"},
        {of_the_other_part, "a job is in the part of its queue that is not for its priority"},
        {not_in_the_heap, "a job is in the part of its queue that is not for its priority"},
        {out_of_order, "its queue is not in the order of the submits"},
        {from_the_future, "its queue is not in the order of the submits"},
        {the_heap_has_lost_one, "its queue and its list by age are not of one length"},
        {the_heap_is_wrong_way_up, "the first of its queue is not the one of the highest priority"},
        {the_queue_is_miscounted, "its queue is not as long as it counts"},
        {room_is_torn, broken_links},
        {room_and_nobody_is_told, "a submitter was not told that there is room, or never will be"},
        {idle_is_torn, broken_links},
        {idle_and_woken, "a thread is among the idle ones, and is awake"},
        {idle_and_busy, "a thread is among the idle ones, and is awake"},
        {idle_and_gone, "a thread is among the idle ones, and is awake"},
        {spins_and_is_busy, "the thread that spins is not among the idle ones"},
        {threads_are_torn, broken_links},
        {a_thread_of_another_pool, "a thread of another pool is among its threads"},
        {two_jobs_on_a_thread, "a thread runs a job, and the one before has not left"},
        {runs_what_is_queued, "a thread runs a job that is another's, or is queued"},
        {ended_with_its_permit, "a job has ended and still has its permit"},
        {a_thread_is_lost, "a thread is lost, or counted twice"},
        {searching_is_counted_twice, "a thread is lost, or counted twice"},
        {nobody_is_on_the_way, "a job and a permit are there, and no thread is on its way to them"},
        {nobody_looks_who_blocks, "somebody waits for a permit, and nobody looks who blocks"},
        {nobody_looks_for_the_returner, "somebody waits for a permit, and nobody looks who blocks"},
};

static const char *ask(void)
{
        return rn_pool_wrong(&m.p.base);
}

static void test_each_thing_that_does_not_add_up_is_told(void **state)
{
        (void)state;
        broken_each(make_sound, ask, ways, COUNT(ways));
}

/* What may look odd and is not. */
static void test_what_may_be_is_not_told(void **state)
{
        (void)state;
        make_sound();
        room_and_nobody_is_told();
        m.room.told = true; /* it has not looked yet */
        assert_null(rn_pool_wrong(&m.p.base));
        make_sound();
        nobody_is_on_the_way();
        m.p.unstarted = 1; /* nor could be started */
        assert_null(rn_pool_wrong(&m.p.base));
        m.p.unstarted = 0;
        m.p.base.broken = true;
        assert_null(rn_pool_wrong(&m.p.base));
        make_sound();
        rn_store32(&m.w[PLAIN].state, RN_WORK_NEVER); /* cancelled, and about to be taken out */
        assert_null(rn_pool_wrong(&m.p.base));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_thing_that_does_not_add_up_is_told),
                cmocka_unit_test(test_what_may_be_is_not_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
