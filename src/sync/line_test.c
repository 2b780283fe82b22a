/* SPDX-License-Identifier: Apache-2.0 */
/* The moment between being chosen and waking, by hand: on a loop a coroutine that was chosen does not run before the
 * running one waits, so there is room for a cancel in between. Then what all objects share: the cancel at entry, a fork.
 * The other orders of the same moment are the simulator's: sim_test.c. */
#include <sys/wait.h>

#include "broken.h"
#include "members.h"

#include "sync/line.h"

typedef struct all {
        rein_mutex *mutex;
        rein_cond *cond;
        rein_sem *sem;
        rein_event *event;
        rein_barrier *barrier;
        rein_chan *in, *out;
        int item;
} all;

static all all_new(void)
{
        all a = {.mutex = rein_mutex_new(),
                 .sem = rein_sem_new(0),
                 .event = rein_event_new(),
                 .barrier = rein_barrier_new(2),
                 .in = rein_chan_new(sizeof(int), 0, NULL),
                 .out = rein_chan_new(sizeof(int), 0, NULL)};
        a.cond = rein_cond_new(a.mutex);
        return a;
}

static void all_free(all *a)
{
        rein_cond_free(a->cond);
        rein_mutex_free(a->mutex);
        rein_sem_free(a->sem);
        rein_event_free(a->event);
        rein_barrier_free(a->barrier);
        rein_chan_free(a->in);
        rein_chan_free(a->out);
}

static int wait_mutex(all *a, rein_time until)
{
        int rc = rein_mutex_lock(a->mutex, until);
        return rc < 0 ? rc : rein_mutex_unlock(a->mutex);
}

static int wait_cond(all *a, rein_time until)
{
        int rc = rein_mutex_lock(a->mutex, until);
        if (rc < 0)
                return rc;
        rc = rein_cond_wait(a->cond, until);
        int unlocked = rein_mutex_unlock(a->mutex);
        return unlocked < 0 ? unlocked : rc;
}

static int wait_sem(all *a, rein_time until)
{
        return rein_sem_acquire(a->sem, 1, until);
}

static int wait_event(all *a, rein_time until)
{
        return rein_event_wait(a->event, until);
}

static int wait_barrier(all *a, rein_time until)
{
        return rein_barrier_arrive(a->barrier, until);
}

static int wait_recv(all *a, rein_time until)
{
        int rc = rein_chan_recv(a->in, &a->item, until);
        return rc == 1 ? 0 : rc;
}

static int wait_send(all *a, rein_time until)
{
        return rein_chan_send(a->out, &(int){9}, until);
}

static int wait_select(all *a, rein_time until)
{
        rein_case cases[] = {REIN_ON_RECV(a->in, &a->item), REIN_ON_SEND(a->out, &(int){9})};
        return rein_select(cases, 2, until);
}

/* What makes the wait come to its end; called by another task, which holds the mutex. */
static void give_mutex(all *a)
{
        rein_mutex_unlock(a->mutex);
}

static void give_cond(all *a)
{
        rein_cond_signal(a->cond);
        rein_mutex_unlock(a->mutex);
}

static void give_sem(all *a)
{
        rein_sem_release(a->sem, 1);
}

static void give_event(all *a)
{
        rein_event_set(a->event);
        rein_event_clear(a->event);
}

static void give_barrier(all *a)
{
        (void)rein_barrier_arrive(a->barrier, REIN_NOWAIT);
}

static void give_item(all *a)
{
        (void)rein_chan_send(a->in, &(int){9}, REIN_NOWAIT);
}

static void take_item(all *a)
{
        (void)rein_chan_recv(a->out, &a->item, REIN_NOWAIT);
}

static const struct way {
        const char *doing;
        int (*wait)(all *a, rein_time until);
        void (*give)(all *a);
} ways[] = {{"rein_mutex_lock", wait_mutex, give_mutex},
            {"rein_cond_wait", wait_cond, give_cond},
            {"rein_sem_acquire", wait_sem, give_sem},
            {"rein_event_wait", wait_event, give_event},
            {"rein_barrier_arrive", wait_barrier, give_barrier},
            {"rein_chan_recv", wait_recv, give_item},
            {"rein_chan_send", wait_send, take_item},
            {"rein_select", wait_select, give_item}};

typedef struct scene {
        all a;
        const struct way *way;
        member m;
        bool cancel_first;
} scene;

static int wait_it(member *m)
{
        scene *s = m->object;
        return s->way->wait(&s->a, m->until);
}

/* On the loop, with m in the line: both happen before m runs. */
static int give_and_cancel(void *arg)
{
        scene *s = arg;
        bool locks = s->way->wait == wait_cond;
        if (locks && rein_mutex_lock(s->a.mutex, REIN_NEVER) < 0)
                return -EIO;
        if (s->cancel_first)
                rein_cancel(s->m.future, "just before it would be chosen");
        s->way->give(&s->a);
        if (!s->cancel_first)
                rein_cancel(s->m.future, "just after it was chosen");
        return 0;
}

static int hold(void *arg) /* the mutex, for the loop's tasks, as long as m has to wait for it */
{
        scene *s = arg;
        int rc = rein_mutex_lock(s->a.mutex, REIN_NEVER);
        member_start(&s->m, crew_loop);
        while (rc == 0 && !sits_in(&s->m.seat, s->way->doing))
                rc = rein_sleep(rein_after(1000));
        return rc < 0 ? rc : give_and_cancel(s);
}

static void run_scene(scene *s, const struct way *way, bool cancel_first)
{
        *s = (scene){.a = all_new(), .way = way, .cancel_first = cancel_first};
        s->m = (member){.call = wait_it, .object = s};
        if (way->wait == wait_mutex) {
                assert_int_equal(rein_on(crew_loop, hold, s, NULL), 0);
        } else {
                member_in_line(&s->m, crew_loop, way->doing);
                assert_int_equal(rein_on(crew_loop, give_and_cancel, s, NULL), 0);
        }
}

static void test_who_was_chosen_has_it_though_cancelled_before_it_wakes(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(ways); i++) {
                scene s;
                run_scene(&s, &ways[i], false);
                assert_int_equal(member_end(&s.m), 0);
                assert_true(s.m.canceled); /* the next call says so */
                bool moved = ways[i].give == give_item || ways[i].give == take_item;
                assert_int_equal(s.a.item, moved ? 9 : 0);
                all_free(&s.a);
        }
}

/* It is cancelled and has not left yet, and something comes for it: it is in the line, so it has it. */
static void test_nothing_is_lost_on_who_is_about_to_leave(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(ways); i++) {
                scene s;
                run_scene(&s, &ways[i], true);
                assert_int_equal(member_end(&s.m), 0);
                assert_true(s.m.canceled);
                assert_int_equal(rein_mutex_lock(s.a.mutex, REIN_NOWAIT), 0);
                assert_int_equal(rein_mutex_unlock(s.a.mutex), 0);
                assert_int_equal(rein_sem_acquire(s.a.sem, 1, REIN_NOWAIT), REIN_ETIMEOUT);
                all_free(&s.a);
        }
}

static void test_a_cancelled_caller_is_told_at_entry(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(ways); i++) {
                all a = all_new();
                rein_scope scope;
                rein_scope_open(&scope, REIN_NEVER);
                rein_scope_cancel(&scope, "from the beginning");
                assert_int_equal(ways[i].wait(&a, REIN_NEVER), REIN_ECANCELED);
                assert_int_equal(rein_sem_release(a.sem, 1), 0); /* those that do not block are not */
                assert_int_equal(rein_event_set(a.event), 0);
                assert_int_equal(rein_cond_broadcast(a.cond), 0);
                assert_int_equal(rein_scope_close(&scope, 0), 0);
                rein_mutex_lock(a.mutex, REIN_NOWAIT);
                rein_scope_open(&scope, REIN_NEVER);
                rein_scope_cancel(&scope, "from the beginning");
                assert_int_equal(rein_mutex_unlock(a.mutex), 0);
                assert_int_equal(rein_scope_close(&scope, 0), 0);
                all_free(&a);
        }
}

static void test_the_deadline_of_a_scope_ends_each(void **state)
{
        (void)state;
        for (size_t i = 1; i < COUNT(ways); i++) { /* the mutex is free */
                all a = all_new();
                rein_scope scope;
                rein_scope_open(&scope, rein_after(REIN_MS(5)));
                int rc = ways[i].wait(&a, REIN_NEVER);
                assert_int_equal(rc, REIN_ECANCELED);
                assert_int_equal(rein_scope_close(&scope, rc), REIN_ETIMEOUT);
                all_free(&a);
        }
}

static void test_objects_from_before_a_fork_are_refused(void **state)
{
        (void)state;
        all a = all_new();
        pid_t pid = fork();
        if (pid == 0) {
                int wrong = 0;
                for (size_t i = 0; i < COUNT(ways); i++)
                        wrong += ways[i].wait(&a, REIN_NOWAIT) != -EPERM;
                wrong += rein_mutex_unlock(a.mutex) != -EPERM;
                wrong += rein_sem_release(a.sem, 1) != -EPERM;
                wrong += rein_event_set(a.event) != -EPERM;
                wrong += rein_cond_signal(a.cond) != -EPERM;
                wrong += rein_barrier_reset(a.barrier) != -EPERM;
                rein_chan_close(a.in);
                all_free(&a);
                _exit(wrong);
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        all_free(&a);
}

/* ---- does it add up? ---- */

static rn_link made_line;
static rn_turn made_turn[3];
static rn_stand made_stand[3];

static void make_line(void)
{
        rn_list_init(&made_line);
        for (int i = 0; i < 3; i++) {
                made_turn[i] = (rn_turn){.task = rn_self()};
                made_stand[i] = (rn_stand){.turn = &made_turn[i]};
                rn_list_push(&made_line, &made_stand[i].link);
        }
}

static const char *ask_line(void)
{
        rn_line_look look;
        return rn_line_wrong(&made_line, &look);
}

static void the_line_is_torn(void)
{
        broken_list(&made_stand[1].link);
}

static void one_stands_there_twice(void)
{
        broken_push(&made_line, &made_stand[1].link);
}

static void one_has_no_turn(void)
{
        made_stand[2].turn = NULL;
}

static void one_has_no_task(void)
{
        made_turn[2].task = NULL;
}

static void one_was_chosen(void)
{
        rn_store32(&made_turn[1].chosen, 1);
}

static void test_what_does_not_add_up_in_a_line_is_told(void **state)
{
        (void)state;
        static const broken_way torn[] = {
                {the_line_is_torn, broken_links},
                {one_stands_there_twice, broken_links},
                {one_has_no_turn, "somebody stands in a line and has no turn"},
                {one_has_no_task, "somebody stands in a line and has no turn"},
                {one_was_chosen, "one that was chosen still stands in its line"},
        };
        broken_each(make_line, ask_line, torn, COUNT(torn));
        make_line();
        made_stand[1].index = 1;
        rn_store32(&made_turn[1].chosen, 1); /* by another line, which its rein_select stands in as well */
        rn_line_look look;
        assert_null(rn_line_wrong(&made_line, &look));
        assert_int_equal(look.waiting, 2);
        assert_true(look.whole);
}

static void test_a_long_line_is_looked_at_up_to_a_point(void **state)
{
        (void)state;
        enum { N = RN_LIST_ASKED + 100 };
        static rn_turn turn;
        static rn_stand stand[N];
        rn_line_look look;
        make_line();
        turn.task = rn_self();
        for (int i = 0; i < N; i++) {
                stand[i].turn = &turn;
                rn_list_push(&made_line, &stand[i].link);
        }
        assert_null(rn_line_wrong(&made_line, &look));
        assert_false(look.whole);
        assert_true(look.waiting > 3 && look.waiting < N);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_who_was_chosen_has_it_though_cancelled_before_it_wakes),
                cmocka_unit_test(test_nothing_is_lost_on_who_is_about_to_leave),
                cmocka_unit_test(test_a_cancelled_caller_is_told_at_entry),
                cmocka_unit_test(test_the_deadline_of_a_scope_ends_each),
                cmocka_unit_test(test_objects_from_before_a_fork_are_refused),
                cmocka_unit_test(test_what_does_not_add_up_in_a_line_is_told),
                cmocka_unit_test(test_a_long_line_is_looked_at_up_to_a_point),
        };
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
