/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions: who is signalled and in which order; that the mutex is held afterwards, whatever ended the wait. */
#include "broken.h"
#include "members.h"

#include "sync/cond.h"

typedef struct room {
        rein_mutex *mutex;
        rein_cond *changed;
        atomic_int held; /* members that found the mutex theirs when the wait was over */
        int items, put, got, full;
} room;

static room room_new(void)
{
        room r = {.mutex = rein_mutex_new()};
        r.changed = rein_cond_new(r.mutex);
        return r;
}

static void room_free(room *r)
{
        rein_cond_free(r->changed);
        rein_mutex_free(r->mutex);
}

/* Nobody holds it, and somebody waits. */
static void lock(room *r)
{
        assert_int_equal(rein_mutex_lock(r->mutex, rein_after(REIN_SEC(20))), 0);
}

static void unlock(room *r)
{
        assert_int_equal(rein_mutex_unlock(r->mutex), 0);
}

static int wait_once(member *m)
{
        room *r = m->object;
        int rc = rein_mutex_lock(r->mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        rc = rein_cond_wait(r->changed, m->until);
        if (rc == 0 && m->log)
                m->place = atomic_fetch_add(m->log, 1);
        if (rein_mutex_unlock(r->mutex) == 0)
                atomic_fetch_add(&r->held, 1);
        return rc;
}

static void test_a_signal_wakes_the_first_and_a_broadcast_all_in_order(void **state)
{
        (void)state;
        enum { N = 6 };
        for (int form = 0; form < FORMS; form++) {
                room r = room_new();
                member m[N];
                atomic_int log = 0;
                assert_int_equal(rein_cond_signal(r.changed), 0);
                for (int i = 0; i < N; i++) {
                        m[i] = (member){.call = wait_once, .object = &r, .number = i, .log = &log};
                        member_in_line(&m[i], crew_of(form, i), "rein_cond_wait");
                }
                assert_int_equal(rein_cond_signal(r.changed), 1); /* without the mutex */
                assert_int_equal(member_end(&m[0]), 0);
                lock(&r);
                assert_int_equal(rein_cond_signal(r.changed), 1);
                assert_int_equal(rein_cond_broadcast(r.changed), N - 2);
                assert_int_equal(rein_cond_broadcast(r.changed), 0);
                assert_int_equal(log, 1); /* the mutex is mine */
                unlock(&r);
                for (int i = 1; i < N; i++)
                        assert_int_equal(member_end(&m[i]), 0);
                for (int i = 0; i < N; i++)
                        assert_int_equal(m[i].place, i);
                assert_int_equal(r.held, N);
                room_free(&r);
        }
}

static void test_who_leaves_without_a_signal_holds_the_mutex_and_takes_none(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                room r = room_new();
                member late = {.call = wait_once, .object = &r, .until = rein_after(REIN_MS(20))};
                member canceled = {.call = wait_once, .object = &r, .number = 1};
                member last = {.call = wait_once, .object = &r, .number = 2};
                member_start(&late, crew_of(form, 0));
                member_in_line(&canceled, crew_of(form, 1), "rein_cond_wait");
                member_in_line(&last, crew_of(form, 2), "rein_cond_wait");
                assert_int_equal(member_end(&late), REIN_ETIMEOUT);
                lock(&r); /* it wants to leave, and must wait for me */
                rein_cancel(canceled.future, "it is not needed");
                assert_int_equal(rein_cond_signal(r.changed), 1);
                unlock(&r);
                int first = member_end(&canceled);
                assert_true(first == REIN_ECANCELED || first == 0); /* it saw the cancel before the signal, or not */
                if (first == 0)
                        assert_int_equal(rein_cond_signal(r.changed), 1);
                assert_int_equal(member_end(&last), 0);
                assert_int_equal(r.held, 3);
                room_free(&r);
        }
}

static void test_the_wait_of_a_signalled_one_is_not_cancelled(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                room r = room_new();
                member m = {.call = wait_once, .object = &r};
                member_in_line(&m, crew_of(form, 0), "rein_cond_wait");
                lock(&r);
                assert_int_equal(rein_cond_signal(r.changed), 1);
                rein_cancel(m.future, "too late");
                assert_int_equal(rein_code(m.future), REIN_EPENDING); /* it waits for the mutex */
                unlock(&r);
                assert_int_equal(member_end(&m), 0);
                assert_true(m.canceled);
                assert_int_equal(r.held, 1);
                room_free(&r);
        }
}

typedef struct placed {
        room room;
        char text[200];
} placed;

static int wait_at_a_place(member *m)
{
        placed *p = m->object;
        int rc = rein_mutex_lock_at("waiter.c:1", p->room.mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        rc = rein_cond_wait(p->room.changed, REIN_NEVER);
        if (rein_mutex_lock(p->room.mutex, REIN_NOWAIT) == REIN_EDEADLOCK) /* it has it already */
                snprintf(p->text, sizeof p->text, "%s", rein_error_text(rein_trail()));
        (void)rein_mutex_unlock(p->room.mutex);
        return rc;
}

static void test_the_mutex_is_held_again_where_it_was_locked(void **state)
{
        (void)state;
        for (int form = 0; form < MIXED; form++) {
                placed p = {.room = room_new()};
                member m = {.call = wait_at_a_place, .object = &p};
                member_in_line(&m, crew_of(form, 0), "rein_cond_wait");
                assert_int_equal(rein_mutex_lock_at("signaller.c:2", p.room.mutex, rein_after(REIN_SEC(20))), 0);
                assert_int_equal(rein_cond_signal(p.room.changed), 1);
                unlock(&p.room);
                assert_int_equal(member_end(&m), 0);
                assert_non_null(strstr(p.text, "waiter.c:1"));
                room_free(&p.room);
        }
}

static int wait_without(member *m)
{
        room *r = m->object;
        return rein_cond_wait(r->changed, m->until);
}

/* The mutex is held, but by somebody else: nothing has changed when that one looks. */
static void test_who_does_not_hold_the_mutex_may_not_wait(void **state)
{
        (void)state;
        for (int form = 0; form < MIXED; form++) {
                room r = room_new();
                lock(&r);
                member m = {.call = wait_without, .object = &r, .until = REIN_NOWAIT};
                member_start(&m, crew_of(form, 0));
                assert_int_equal(member_end(&m), -EPERM);
                assert_int_equal(rein_cond_signal(r.changed), 0);                        /* it stands in no line */
                assert_int_equal(rein_mutex_lock(r.mutex, REIN_NOWAIT), REIN_EDEADLOCK); /* still mine */
                unlock(&r);
                room_free(&r);
        }
}

static void test_wrong_callers_are_told(void **state)
{
        (void)state;
        room r = room_new();
        assert_int_equal(rein_cond_wait(r.changed, REIN_NEVER), -EPERM);
        assert_int_equal(rein_cond_wait(NULL, REIN_NEVER), -EINVAL);
        assert_int_equal(rein_cond_signal(NULL), -EINVAL);
        assert_null(rein_cond_new(NULL));
        lock(&r);
        assert_int_equal(rein_cond_wait(r.changed, REIN_NOWAIT), REIN_ETIMEOUT);
        unlock(&r);
        room_free(&r);
        rein_cond_free(NULL);
}

/* ---- a bounded buffer, as one has always built it ---- */

enum { MOST = 3, ITEMS = 600, PAIRS = 4 };

static int produce(member *m)
{
        room *r = m->object;
        for (int i = 0; i < ITEMS; i++) {
                int rc = rein_mutex_lock(r->mutex, REIN_NEVER);
                while (rc == 0 && r->items == MOST)
                        rc = rein_cond_wait(r->changed, REIN_NEVER);
                if (rc < 0)
                        return rc;
                r->items++;
                r->put++;
                r->full += r->items > MOST;
                rein_cond_broadcast(r->changed);
                rein_mutex_unlock(r->mutex);
        }
        return 0;
}

static int consume(member *m)
{
        room *r = m->object;
        for (int i = 0; i < ITEMS; i++) {
                int rc = rein_mutex_lock(r->mutex, REIN_NEVER);
                while (rc == 0 && r->items == 0)
                        rc = rein_cond_wait(r->changed, REIN_NEVER);
                if (rc < 0)
                        return rc;
                r->items--;
                r->got++;
                rein_cond_broadcast(r->changed);
                rein_mutex_unlock(r->mutex);
        }
        return 0;
}

static void test_a_bounded_buffer_loses_nothing(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                room r = room_new();
                member m[2 * PAIRS];
                for (int i = 0; i < 2 * PAIRS; i++) {
                        m[i] = (member){.call = i < PAIRS ? produce : consume, .object = &r, .number = i};
                        member_start(&m[i], crew_of(form, i));
                }
                for (int i = 0; i < 2 * PAIRS; i++)
                        assert_int_equal(member_end(&m[i]), 0);
                assert_int_equal(r.put, PAIRS * ITEMS);
                assert_int_equal(r.got, PAIRS * ITEMS);
                assert_int_equal(r.items + r.full, 0);
                room_free(&r);
        }
}

/* ---- circles ---- */

typedef struct pledge {
        room *room;
        member *other; /* whose end it awaits, with the mutex */
        bool signals;
} pledge;

static int hold_and_await(member *m)
{
        pledge *p = m->object;
        room *r = p->room;
        int rc = rein_mutex_lock(r->mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        if (p->signals)
                rein_cond_signal(r->changed);
        rc = rein_await(p->other->future, NULL, REIN_NEVER);
        rein_mutex_unlock(r->mutex);
        return rc;
}

static bool says_that_it_waits(seat *s)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->graph);
        const bool it_does = rn_linked(&atomic_load(&s->task)->waiting);
        rn_lock_give(&w->graph);
        return it_does;
}

/* One holds the mutex and awaits the end of the other, who has been signalled and cannot go on without the mutex. The
 * signal is the last knot in it, or the wait is; early: the other was not yet long in its wait. */
static void test_who_waits_for_his_mutex_again_is_in_the_circle(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                for (int way = 0; way < 3; way++) {
                        const bool early = way == 2;
                        room r = room_new();
                        member waiter = {.call = wait_once, .object = &r};
                        pledge p = {.room = &r, .other = &waiter, .signals = way > 0};
                        member holder = {.call = hold_and_await, .object = &p, .number = 1};
                        member_in_line(&waiter, crew_of(form, 0), "rein_cond_wait");
                        if (!early)
                                EVENTUALLY(says_that_it_waits(&waiter.seat));
                        member_start(&holder, crew_of(form, 1));
                        if (!p.signals) {
                                EVENTUALLY(sits_and_may_go(&holder.seat));
                                assert_int_equal(rein_cond_signal(r.changed), 1);
                        }
                        assert_int_equal(member_end(&holder), REIN_EDEADLOCK);
                        assert_int_equal(member_end(&waiter), 0);
                        room_free(&r);
                }
        }
}

/* Nor does it matter what made it come back. */
static void test_who_gave_up_his_wait_is_in_the_circle(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                room r = room_new();
                member waiter = {.call = wait_once, .object = &r};
                pledge p = {.room = &r, .other = &waiter};
                member holder = {.call = hold_and_await, .object = &p, .number = 1};
                member_in_line(&waiter, crew_of(form, 0), "rein_cond_wait");
                member_start(&holder, crew_of(form, 1));
                EVENTUALLY(sits_and_may_go(&holder.seat));
                rein_cancel(waiter.future, "it is not needed");
                assert_int_equal(member_end(&holder), REIN_EDEADLOCK);
                assert_int_equal(member_end(&waiter), REIN_ECANCELED);
                room_free(&r);
        }
}

/* A task that only waits for those in the circle is not told: it can go on when one of them has left. */
static void test_who_stands_behind_a_circle_is_not_told(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                room r = room_new(), behind_room = room_new();
                member waiter = {.call = wait_once, .object = &r}, behind;
                pledge p = {.room = &r, .other = &waiter}, q = {.room = &behind_room, .other = &waiter};
                member holder = {.call = hold_and_await, .object = &p, .number = 1};
                behind = (member){.call = hold_and_await, .object = &q, .number = 2};
                member_in_line(&waiter, crew_of(form, 0), "rein_cond_wait");
                member_start(&behind, crew_of(form, 2));
                EVENTUALLY(sits_and_may_go(&behind.seat));
                member_start(&holder, crew_of(form, 1));
                EVENTUALLY(sits_and_may_go(&holder.seat));
                assert_int_equal(rein_cond_signal(r.changed), 1);
                assert_int_equal(member_end(&holder), REIN_EDEADLOCK);
                assert_int_equal(member_end(&behind), 0);
                assert_int_equal(member_end(&waiter), 0); /* awaited no more: its future goes */
                room_free(&r);
                room_free(&behind_room);
        }
}

/* ---- does it add up? ---- */

static rein_mutex made_mutex;
static rein_cond made;
static rn_turn made_turn;
static rn_stand made_stand;
static rn_task made_waiter;

static void make(void)
{
        made_mutex = (rein_mutex){.process = rn_generation(), .at_conds = 1};
        made = (rein_cond){.mutex = &made_mutex, .process = rn_generation()};
        made_turn = (rn_turn){.task = &made_waiter};
        made_stand = (rn_stand){.turn = &made_turn};
        rn_list_init(&made_mutex.line);
        rn_list_init(&made.line);
        rn_list_push(&made.line, &made_stand.link);
}

static const char *ask(void)
{
        return rn_cond_wrong(&made);
}

static void the_line_is_torn(void)
{
        broken_list(&made_stand.link);
}

static void without_a_mutex(void)
{
        made.mutex = NULL;
}

static void from_before_a_fork(void)
{
        made_mutex.process++;
}

static void signalled_and_still_there(void)
{
        rn_store32(&made_stand.moved, 1);
}

static void waits_with_the_mutex(void)
{
        rn_storeptr(&made_mutex.owner, &made_waiter);
}

static void waits_uncounted(void)
{
        made_mutex.at_conds = 0;
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {the_line_is_torn, broken_links},
                {without_a_mutex, "a condition has no mutex, or one from before a fork"},
                {from_before_a_fork, "a condition has no mutex, or one from before a fork"},
                {signalled_and_still_there, "one that was signalled still stands in the line of its condition"},
                {waits_uncounted, "a mutex counts fewer that wait at its conditions than wait at one of them"},
                {waits_with_the_mutex, "one that waits for a signal has the mutex"},
        };
        broken_each(make, ask, ways, COUNT(ways));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_signal_wakes_the_first_and_a_broadcast_all_in_order),
                cmocka_unit_test(test_who_leaves_without_a_signal_holds_the_mutex_and_takes_none),
                cmocka_unit_test(test_the_wait_of_a_signalled_one_is_not_cancelled),
                cmocka_unit_test(test_the_mutex_is_held_again_where_it_was_locked),
                cmocka_unit_test(test_who_does_not_hold_the_mutex_may_not_wait),
                cmocka_unit_test(test_wrong_callers_are_told),
                cmocka_unit_test(test_a_bounded_buffer_loses_nothing),
                cmocka_unit_test(test_who_waits_for_his_mutex_again_is_in_the_circle),
                cmocka_unit_test(test_who_gave_up_his_wait_is_in_the_circle),
                cmocka_unit_test(test_who_stands_behind_a_circle_is_not_told),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
        };
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
