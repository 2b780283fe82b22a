/* SPDX-License-Identifier: Apache-2.0 */
/* Freeing an object while tasks are inside: one that still waits is told and keeps the object; those that were let through
 * may be on their way out. */
#include "members.h"

/* ---- somebody waits ---- */

static int wait_sem(member *m)
{
        return rein_sem_acquire(m->object, 1, m->until);
}

static int wait_event(member *m)
{
        return rein_event_wait(m->object, m->until);
}

static int wait_barrier(member *m)
{
        return rein_barrier_arrive(m->object, m->until);
}

static int wait_recv(member *m)
{
        int item;
        return rein_chan_recv(m->object, &item, m->until);
}

static int wait_send(member *m)
{
        int item = 0;
        return rein_chan_send(m->object, &item, m->until);
}

static int wait_select(member *m)
{
        int in;
        rein_case cases[] = {REIN_ON_TIME(REIN_NEVER), REIN_ON_RECV(m->object, &in)};
        return rein_select(cases, 2, m->until);
}

static int wait_mutex(member *m)
{
        int rc = rein_mutex_lock(m->object, m->until);
        return rc < 0 ? rc : rein_mutex_unlock(m->object);
}

static rein_mutex *mutex; /* of the condition */

static int wait_cond(member *m)
{
        int rc = rein_mutex_lock(mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        rc = rein_cond_wait(m->object, m->until);
        return rein_mutex_unlock(mutex) == 0 ? rc : -EPROTO;
}

enum { WAITERS = 2 };

static member waiters[WAITERS];

static void start_waiters(int form, int (*call)(member *m), void *object, const char *name)
{
        for (int i = 0; i < WAITERS; i++) {
                waiters[i] = (member){.call = call, .object = object, .number = i};
                member_in_line(&waiters[i], crew_of(form, i), name);
        }
}

/* They still stand where they were, and a cancel finds them. How many it found. */
static int cancel_waiters(void)
{
        int canceled = 0;
        for (int i = 0; i < WAITERS; i++) {
                rein_cancel(waiters[i].future, "the test is over");
                (void)rein_await(waiters[i].future, NULL, rein_after(REIN_SEC(20)));
                canceled += waiters[i].rc == REIN_ECANCELED || waiters[i].rc == REIN_EBROKEN;
                rein_drop(waiters[i].future);
        }
        return canceled;
}

static bool refused(void)
{
        return rein_error_code(rein_trail()) == -EBUSY;
}

/* ---- a program that makes the mistake, and what it is told ---- */

#define REFUSED(form, call, object, name, free_it)                                                                     \
        __extension__({                                                                                                \
                const __auto_type object_ = (object);                                                                  \
                start_waiters(form, call, object_, name);                                                              \
                (free_it)(object_);                                                                                    \
                const bool told_ = refused(), found_ = cancel_waiters() == WAITERS;                                    \
                (free_it)(object_);                                                                                    \
                !(told_ && found_);                                                                                    \
        })

static int each_object(int form)
{
        int bad = 0;
        bad += REFUSED(form, wait_sem, rein_sem_new(0), "rein_sem_acquire", rein_sem_free);
        bad += REFUSED(form, wait_event, rein_event_new(), "rein_event_wait", rein_event_free);
        bad += REFUSED(form, wait_barrier, rein_barrier_new(WAITERS + 1), "rein_barrier_arrive", rein_barrier_free);
        bad += REFUSED(form, wait_recv, rein_chan_new(sizeof(int), 0, NULL), "rein_chan_recv", rein_chan_free);
        bad += REFUSED(form, wait_send, rein_chan_new(sizeof(int), 0, NULL), "rein_chan_send", rein_chan_free);
        bad += REFUSED(form, wait_select, rein_chan_new(sizeof(int), 0, NULL), "rein_select", rein_chan_free);
        mutex = rein_mutex_new();
        bad += REFUSED(form, wait_cond, rein_cond_new(mutex), "rein_cond_wait", rein_cond_free);
        bad += rein_mutex_lock(mutex, REIN_NOWAIT) != 0;
        bad += REFUSED(form, wait_mutex, mutex, "rein_mutex_lock", rein_mutex_free);
        return bad;
}

static int waiting_program(void)
{
        int bad = 0;
        crew_open(NULL);
        for (int form = 0; form < FORMS; form++)
                bad += each_object(form);
        crew_close(NULL);
        return bad ? 1 : 0;
}

static void test_a_free_with_tasks_that_wait_is_refused_and_told(void **state)
{
        (void)state;
        static const char *const nouns[] = {"sem", "event", "barrier", "chan", "chan", "chan", "cond", "mutex"};
        char expected[4096], said[4096];
        size_t n = 0;
        for (int form = 0; form < FORMS; form++)
                for (size_t i = 0; i < COUNT(nouns); i++)
                        n += (size_t)snprintf(expected + n, sizeof expected - n,
                                              "rein: rein_%s_free: it is not freed: 2 tasks wait for it\n", nouns[i]);
        assert_int_equal(program_run("waiting", said, sizeof said), 0);
        assert_string_equal(said, expected);
}

/* ---- a mutex has more that needs it: its owner, and those that wait at its conditions ---- */

static int hold_until_canceled(member *m)
{
        rein_mutex_lock(m->object, REIN_NEVER);
        int rc = rein_sleep(REIN_NEVER);
        return rein_mutex_unlock(m->object) == 0 ? rc : -EPROTO;
}

static int mutex_program(void)
{
        int bad = 0;
        crew_open(NULL);
        mutex = rein_mutex_new();
        waiters[0] = (member){.call = hold_until_canceled, .object = mutex};
        member_in_line(&waiters[0], crew_pool, "rein_sleep");
        rein_mutex_free(mutex);
        bad += !refused();
        rein_cancel(waiters[0].future, "the test is over");
        bad += member_end(&waiters[0]) != REIN_ECANCELED;
        rein_cond *cond = rein_cond_new(mutex);
        start_waiters(MIXED, wait_cond, cond, "rein_cond_wait");
        rein_mutex_free(mutex); /* they would come back to it */
        bad += !refused() || cancel_waiters() != WAITERS;
        rein_cond_free(cond);
        rein_mutex_free(mutex);
        crew_close(NULL);
        return bad;
}

static void test_a_mutex_that_another_task_needs_is_not_freed(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("mutex", said, sizeof said), 0);
        const char *held = "rein: rein_mutex_free: it is not freed: another task holds it: locked at ";
        assert_ptr_equal(strstr(said, held), said);
        assert_non_null(strstr(said, "free_test.c:"));
        assert_string_equal(strchr(said, '\n') + 1, "rein: rein_mutex_free: it is not freed: 2 tasks wait for it\n");
}

/* ---- those that were let through may still be on their way out ---- */

static void test_who_lets_them_through_may_free_it_at_once(void **state)
{
        (void)state;
        enum { ROUNDS = 20 };
        for (int i = 0; i < ROUNDS * FORMS; i++) {
                const int form = i % FORMS;
                rein_event *event = rein_event_new();
                start_waiters(form, wait_event, event, "rein_event_wait");
                rein_event_set(event);
                rein_event_free(event);
                for (int k = 0; k < WAITERS; k++)
                        assert_int_equal(member_end(&waiters[k]), 0);
                rein_sem *sem = rein_sem_new(0);
                start_waiters(form, wait_sem, sem, "rein_sem_acquire");
                rein_sem_release(sem, WAITERS);
                rein_sem_free(sem);
                for (int k = 0; k < WAITERS; k++)
                        assert_int_equal(member_end(&waiters[k]), 0);
                rein_barrier *barrier = rein_barrier_new(WAITERS + 1);
                start_waiters(form, wait_barrier, barrier, "rein_barrier_arrive");
                assert_int_equal(rein_barrier_arrive(barrier, REIN_NEVER), 1);
                rein_barrier_free(barrier);
                for (int k = 0; k < WAITERS; k++)
                        assert_int_equal(member_end(&waiters[k]), 0);
        }
}

static void release_pointer(void *item)
{
        atomic_fetch_add((atomic_int *)*(void **)item, 1);
}

static int send_pointer(member *m)
{
        static atomic_int never;
        atomic_int *item = &never;
        int rc = rein_chan_send(m->object, &item, m->until);
        return atomic_load(&never) ? -EPROTO : rc;
}

/* The buffer is full, and senders wait behind it: they get their items back, the channel releases its own once. */
static void test_a_closed_channel_may_be_freed_at_once(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                atomic_int released = 0, *item = &released;
                rein_chan *chan = rein_chan_new(sizeof item, 1, release_pointer);
                assert_int_equal(rein_chan_send(chan, &item, REIN_NOWAIT), 0);
                start_waiters(form, send_pointer, chan, "rein_chan_send");
                rein_chan_close(chan);
                rein_chan_free(chan);
                assert_int_equal(released, 1);
                for (int k = 0; k < WAITERS; k++)
                        assert_int_equal(member_end(&waiters[k]), -EPIPE);
                chan = rein_chan_new(sizeof(int), 0, NULL);
                start_waiters(form, wait_select, chan, "rein_select");
                rein_chan_close(chan);
                rein_chan_free(chan);
                for (int k = 0; k < WAITERS; k++)
                        assert_int_equal(member_end(&waiters[k]), 1); /* of the second case it was */
        }
}

int main(int argc, char **argv)
{
        static const program programs[] = {{"waiting", waiting_program}, {"mutex", mutex_program}};
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_free_with_tasks_that_wait_is_refused_and_told),
                cmocka_unit_test(test_a_mutex_that_another_task_needs_is_not_freed),
                cmocka_unit_test(test_who_lets_them_through_may_free_it_at_once),
                cmocka_unit_test(test_a_closed_channel_may_be_freed_at_once),
        };
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
