/* SPDX-License-Identifier: Apache-2.0 */
/* rn_loop_wrong and what it asks find each thing that does not add up, and nothing in a loop that does. The loop lives in a
 * simulation, where all of it may be looked at: one coroutine has been woken and is in the mail, one waits for a time, one
 * for a descriptor, one is among those to run, one is idle; a job is in the inbox. */
#include "broken.h"
#include "crew.h"

#include "loop/loop.h"

enum { MAILED, TIMED, POLLS, READY, IDLE, FIBERS };

typedef struct made {
        rein_executor *x;
        rn_loop *l;
        rn_fiber *f[FIBERS];
        rein_chan *c;
        int ends[2];
        rein_work *queued;
        rein_future *job[FIBERS + 1];
} made;

static made m;

/* ---- a loop that adds up ---- */

static int receives(void *arg)
{
        int item;
        m.f[MAILED] = rn_fiber_of(rn_self());
        return rein_chan_recv(arg, &item, REIN_NEVER);
}

static int sleeps(void *arg)
{
        (void)arg;
        m.f[TIMED] = rn_fiber_of(rn_self());
        return rein_sleep(rein_after(REIN_SEC(3600)));
}

static int reads(void *arg)
{
        char byte;
        m.f[POLLS] = rn_fiber_of(rn_self());
        return (int)rein_read(*(int *)arg, &byte, 1, REIN_NEVER);
}

static int yields(void *arg)
{
        (void)arg;
        m.f[READY] = rn_fiber_of(rn_self());
        while (rein_sleep(REIN_NOWAIT) == 0)
                ;
        return 0;
}

static int ends(void *arg)
{
        (void)arg;
        m.f[IDLE] = rn_fiber_of(rn_self());
        return 0;
}

static void make(void)
{
        const int item = 0;
        m = (made){.x = rein_loop_new(REIN_OPTS(rein_loop_opts, .name = "made", .hosted = true))};
        m.l = rn_loop_of(m.x);
        m.c = rein_chan_new(sizeof(int), 0, NULL);
        CHECK(rein_sim_pipe(m.ends, 4) == 0);
        m.job[IDLE] = rein_submit(m.x, ends, NULL, NULL);
        CHECK(rein_loop_turn(m.x) == 0);
        rein_fn fn[] = {receives, sleeps, reads, yields};
        void *arg[] = {m.c, NULL, &m.ends[0], NULL};
        for (int i = 0; i < 4; i++)
                m.job[i] = rein_submit(m.x, fn[i], arg[i], NULL);
        /* The first of them takes the idle coroutine: another one ends after it. */
        CHECK(rein_loop_turn(m.x) == 4);
        rein_future *last = rein_submit(m.x, ends, NULL, NULL);
        CHECK(rein_loop_turn(m.x) == 4);
        rein_drop(m.job[IDLE]);
        m.job[IDLE] = last;
        CHECK(rein_chan_send(m.c, &item, REIN_NOWAIT) == 0);
        m.job[FIBERS] = rein_submit(m.x, ends, NULL, NULL);
        m.queued = rn_work_of(m.job[FIBERS]);
}

/* ---- what breaks it ---- */

static void door(int which, uint32_t word)
{
        rn_set32(&m.f[which]->task.door.word, word);
}

static void a_door_in_no_state(void)
{
        door(TIMED, 7);
}

static void idle_and_asleep(void)
{
        door(IDLE, RN_FIBER_ASLEEP);
}

static void asleep_and_ready(void)
{
        door(READY, RN_FIBER_ASLEEP);
}

static void ready_and_runs(void)
{
        m.l->current = m.f[READY];
}

static void timed_and_not_parked(void)
{
        door(TIMED, RN_FIBER_EMPTY);
}

static void told_and_still_there(void)
{
        m.f[POLLS]->awaited->polled.got = RN_POLLIN;
}

static void asks_for_nothing(void)
{
        m.f[POLLS]->awaited->polled.events = 0;
}

static void told_to_another(void)
{
        m.f[POLLS]->awaited->task = &m.f[TIMED]->task;
}

static void ready_is_torn(void)
{
        broken_list(&m.f[READY]->ready);
}

static void ready_twice(void)
{
        broken_push(&m.l->ready, &m.f[READY]->ready);
}

static void ready_of_another(void)
{
        m.f[READY]->loop = NULL;
}

static void idle_is_torn(void)
{
        broken_list(&m.f[IDLE]->ready);
}

static void idle_and_not_counted(void)
{
        m.l->idle_count--;
}

static void more_idle_than_allowed(void)
{
        m.l->most_idle = 0;
}

static void idle_with_a_job(void)
{
        m.f[IDLE]->work = m.queued;
}

static void idle_and_larger(void)
{
        m.f[IDLE]->larger = true;
}

static void waiters_are_torn(void)
{
        broken_list(&m.f[POLLS]->awaited->by_fd);
}

static void waits_in_the_list_of_others(void)
{
        m.f[POLLS]->awaited->polled.fd++;
}

static void waits_and_is_idle(void)
{
        m.f[POLLS]->work = NULL;
}

static void waits_and_is_not_counted(void)
{
        m.l->waiting--;
}

static void waits_and_is_counted_twice(void)
{
        m.l->waiting++;
}

static void mailed_twice(void)
{
        rn_tellptr(&m.f[MAILED]->next, m.f[MAILED]);
}

static void mailed_and_ready(void)
{
        rn_list_push(&m.l->ready, &m.f[MAILED]->ready);
}

static void mailed_and_not_woken(void)
{
        door(MAILED, RN_FIBER_ASLEEP);
}

static void mailed_to_another(void)
{
        m.f[MAILED]->loop = NULL;
}

static void the_inbox_is_torn(void)
{
        broken_list(&m.queued->by_age);
}

static void in_the_inbox_and_runs(void)
{
        rn_set32(&m.queued->state, RN_WORK_RUNNING);
}

static void in_the_inbox_of_another(void)
{
        m.queued->executor = NULL;
}

static void the_inbox_is_longer(void)
{
        rn_set32(&m.l->jobs, 0);
}

static void jobs_are_counted_and_not_there(void)
{
        rn_set32(&m.l->jobs, 3);
}

static void a_job_was_taken_and_not_counted(void)
{
        m.l->to_start = 2;
}

static void jobs_and_no_thread(void)
{
        m.l->hosted = false;
}

static void a_host_and_a_thread(void)
{
        m.l->running = true;
}

static void in_no_list(void)
{
        rn_list_remove(&m.f[READY]->ready);
}

static void a_timer_is_lost(void)
{
        m.l->timers.count++;
}

static void busy_and_not_counted(void)
{
        rn_tell32(&m.l->busy, 3);
}

static void counted_and_not_busy(void)
{
        rn_tell32(&m.l->busy, 6);
}

static void sleeps_over_its_mail(void)
{
        rn_list_remove(&m.queued->by_age);
        rn_set32(&m.l->jobs, 0);
        m.l->sure = RN_LOOP_RESTS;
        rn_set32(&m.l->asleep, 1);
}

static void sleeps_over_news(void)
{
        sleeps_over_its_mail();
        rn_tellptr(&m.l->mail, NULL);
        rn_list_remove(&m.f[READY]->ready); /* it would be somebody to run */
        door(READY, RN_FIBER_ASLEEP);
        m.l->sure = RN_LOOP_SLEEPS;
        rn_set32(&m.l->news, 1);
}

static char *taken_stack; /* put back before the schedule ends: then what the loop left is freed */

static void runs_without_a_stack(void)
{
        taken_stack = m.f[READY]->coro.stack.low;
        m.f[READY]->coro.stack.low = NULL;
        rn_list_remove(&m.f[READY]->ready);
        m.l->current = m.f[READY];
}

static const broken_way ways[] = {
        {a_door_in_no_state, "the door of a coroutine is in no state that it has"},
        {idle_and_asleep, "a coroutine without a job waits for something"},
        {asleep_and_ready, "a coroutine that sleeps is among those to run"},
        {ready_and_runs, "the coroutine that runs is among those to run, or has a timer"},
        {timed_and_not_parked, "a coroutine that was not parked has a timer"},
        {told_and_still_there, "a coroutine waits for a descriptor, and was told of it or did not ask"},
        {asks_for_nothing, "a coroutine waits for a descriptor, and was told of it or did not ask"},
        {told_to_another, "one waits for a descriptor that is another's, or idle"},
        {ready_is_torn, broken_links},
        {ready_twice, broken_links},
        {ready_of_another, "one is to run that is another's, or idle"},
        {idle_is_torn, broken_links},
        {idle_and_not_counted, "it keeps more idle coroutines, or fewer, than it counts"},
        {more_idle_than_allowed, "it keeps more idle coroutines, or fewer, than it counts"},
        {idle_with_a_job, "an idle one is another's, or has a job"},
        {idle_and_larger, "a stack of a size of its own is kept for others"},
        {waiters_are_torn, broken_links},
        {waits_in_the_list_of_others, "one waits for a descriptor in the list of others"},
        {waits_and_is_idle, "one waits for a descriptor that is another's, or idle"},
        {waits_and_is_not_counted, "those that wait for a descriptor are not as many as it counts"},
        {waits_and_is_counted_twice, "those that wait for a descriptor are not as many as it counts"},
        {mailed_twice, "a coroutine is twice in the mail"},
        {mailed_and_ready, "one is in the mail that is another's, or idle, or among those to run"},
        {mailed_and_not_woken, "a coroutine is in the mail, and was not woken"},
        {mailed_to_another, "one is in the mail that is another's, or idle, or among those to run"},
        {the_inbox_is_torn, broken_links},
        {in_the_inbox_and_runs, "a job is in its inbox that is another's, or runs, or has ended"},
        {in_the_inbox_of_another, "a job is in its inbox that is another's, or runs, or has ended"},
        {the_inbox_is_longer, "its inbox is longer than it counts"},
        {jobs_are_counted_and_not_there, "its jobs that have not begun are not as many as it counts"},
        {a_job_was_taken_and_not_counted, "its jobs that have not begun are not as many as it counts"},
        {jobs_and_no_thread, "jobs are in its inbox, and it has no thread"},
        {a_host_and_a_thread, "a loop with a host has a thread of its own"},
        {in_no_list, "a coroutine does not run, is in no list, and nobody will wake it"},
        {a_timer_is_lost, "its timers are not as many as its coroutines that have one"},
        {busy_and_not_counted, "it counts more coroutines, or fewer, than have a job"},
        {counted_and_not_busy, "it counts more coroutines, or fewer, than have a job"},
        {sleeps_over_its_mail, "it sleeps, and somebody is there to run, and nobody rings"},
        {sleeps_over_news, "it sleeps, and there is news, and nobody rings"},
        {runs_without_a_stack, "the coroutine that runs is another's, or has no stack"},
};

/* The schedule ends with what was told: nothing more is asked of a loop that is broken. */
static int broken_by(void *arg)
{
        const broken_way *way = arg;
        make();
        CHECK(rn_loop_wrong(m.x) == NULL);
        way->breaks();
        const char *what = rn_loop_wrong(m.x);
        if (taken_stack)
                m.f[READY]->coro.stack.low = taken_stack;
        taken_stack = NULL;
        rein_sim_check_at(REIN_HERE, false, what ? what : "(nothing)");
        return 0;
}

static void test_each_thing_that_does_not_add_up_is_told(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(ways); i++) {
                int rc = rein_sim_explore(REIN_SIM(.schedules = 1, .quiet = true), broken_by,
                                          (void *)(uintptr_t)&ways[i]);
                const char *said = rc == REIN_EFOUND ? rein_error_text(rein_trail()) : "";
                if (!strstr(said, ways[i].text))
                        fail_msg("way %zu: \"%s\", and not: %s", i, ways[i].text, said);
        }
}

static void test_a_simulation_asks_by_itself(void **state)
{
        (void)state;
        static const broken_way way = {waits_and_is_counted_twice,
                                       "'made' does not add up: those that wait for a descriptor"};
        broken_in_a_simulation(make, &way, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_thing_that_does_not_add_up_is_told),
                cmocka_unit_test(test_a_simulation_asks_by_itself),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
