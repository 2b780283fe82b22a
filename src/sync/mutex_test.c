/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes: exclusion and hand-over between threads, coroutines and both; wrong callers; cancels; circles. */
#include "broken.h"
#include "members.h"

#include "sync/mutex.h"

static int lock_note_unlock(member *m)
{
        int rc = rein_mutex_lock(m->object, m->until);
        if (rc < 0)
                return rc;
        m->place = atomic_fetch_add(m->log, 1);
        return rein_mutex_unlock(m->object);
}

static int unlock_of_another(member *m)
{
        return rein_mutex_unlock(m->object);
}

static void test_lock_try_unlock(void **state)
{
        (void)state;
        rein_mutex *mutex = rein_mutex_new();
        assert_int_equal(rein_mutex_unlock(mutex), -EPERM);
        assert_int_equal(rein_mutex_lock(mutex, REIN_NOWAIT), 0);
        assert_int_equal(rein_mutex_lock(mutex, REIN_NOWAIT), REIN_EDEADLOCK);
        assert_non_null(strstr(rein_error_text(rein_trail()), "mutex_test.c:"));
        for (int form = 0; form < MIXED; form++) {
                member other = {.call = unlock_of_another, .object = mutex};
                member_start(&other, crew_of(form, 0));
                assert_int_equal(member_end(&other), -EPERM);
                atomic_int log = 0;
                other = (member){.call = lock_note_unlock, .object = mutex, .until = REIN_NOWAIT, .log = &log};
                member_start(&other, crew_of(form, 0));
                assert_int_equal(member_end(&other), REIN_ETIMEOUT);
        }
        assert_int_equal(rein_mutex_unlock(mutex), 0);
        assert_int_equal(rein_mutex_unlock(mutex), -EPERM);
        assert_int_equal(rein_mutex_lock(NULL, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_mutex_unlock(NULL), -EINVAL);
        rein_mutex_free(mutex);
        rein_mutex_free(NULL);
}

static void test_those_in_line_get_it_in_the_order_they_came(void **state)
{
        (void)state;
        enum { N = 6 };
        for (int form = 0; form < FORMS; form++) {
                rein_mutex *mutex = rein_mutex_new();
                member m[N];
                atomic_int log = 0;
                assert_int_equal(rein_mutex_lock(mutex, REIN_NEVER), 0);
                for (int i = 0; i < N; i++) {
                        m[i] = (member){.call = lock_note_unlock, .object = mutex, .number = i, .log = &log};
                        member_in_line(&m[i], crew_of(form, i), "rein_mutex_lock");
                }
                assert_int_equal(rein_mutex_unlock(mutex), 0);
                for (int i = 0; i < N; i++) {
                        assert_int_equal(member_end(&m[i]), 0);
                        assert_int_equal(m[i].place, i);
                }
                rein_mutex_free(mutex);
        }
}

typedef struct kept {
        rein_mutex *mutex;
        gate until;
} kept;

static int lock_and_keep(member *m)
{
        kept *k = m->object;
        int rc = rein_mutex_lock(k->mutex, m->until);
        if (rc == 0)
                rc = gate_pass(&k->until);
        return rc < 0 ? rc : rein_mutex_unlock(k->mutex);
}

static void test_the_unlocker_does_not_overtake_who_waits(void **state)
{
        (void)state;
        for (int form = 0; form < MIXED; form++) {
                kept k = {rein_mutex_new(), gate_new()};
                member m = {.call = lock_and_keep, .object = &k};
                assert_int_equal(rein_mutex_lock(k.mutex, REIN_NEVER), 0);
                member_in_line(&m, crew_of(form, 0), "rein_mutex_lock");
                assert_int_equal(rein_mutex_unlock(k.mutex), 0);
                assert_int_equal(rein_mutex_lock(k.mutex, REIN_NOWAIT), REIN_ETIMEOUT);
                assert_int_equal(rein_mutex_unlock(k.mutex), -EPERM);
                gate_open(&k.until);
                assert_int_equal(member_end(&m), 0);
                assert_int_equal(rein_mutex_lock(k.mutex, REIN_NOWAIT), 0);
                assert_int_equal(rein_mutex_unlock(k.mutex), 0);
                rein_mutex_free(k.mutex);
                gate_free(&k.until);
        }
}

static int lock_at_a_place(member *m)
{
        kept *k = m->object;
        int rc = rein_mutex_lock_at("waited.c:2", k->mutex, m->until);
        if (rc == 0)
                rc = gate_pass(&k->until);
        return rc < 0 ? rc : rein_mutex_unlock(k->mutex);
}

static void test_the_text_names_the_place_of_the_holder_also_when_it_had_to_wait(void **state)
{
        (void)state;
        for (int form = 0; form < MIXED; form++) {
                kept k = {rein_mutex_new(), gate_new()};
                member m = {.call = lock_at_a_place, .object = &k};
                assert_int_equal(rein_mutex_lock_at("first.c:1", k.mutex, REIN_NEVER), 0);
                member_in_line(&m, crew_of(form, 0), "rein_mutex_lock");
                assert_int_equal(rein_mutex_lock(k.mutex, REIN_NOWAIT), REIN_EDEADLOCK);
                assert_non_null(strstr(rein_error_text(rein_trail()), "first.c:1"));
                assert_int_equal(rein_mutex_unlock(k.mutex), 0);
                EVENTUALLY(sits_in(&m.seat, "rein_await")); /* it has the mutex, and keeps it */
                assert_int_equal(rein_mutex_unlock(k.mutex), -EPERM);
                assert_non_null(strstr(rein_error_text(rein_trail()), "waited.c:2"));
                gate_open(&k.until);
                assert_int_equal(member_end(&m), 0);
                rein_mutex_free(k.mutex);
                gate_free(&k.until);
        }
}

static void test_who_is_cancelled_or_late_leaves_the_line(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                rein_mutex *mutex = rein_mutex_new();
                member m[3];
                atomic_int log = 0;
                assert_int_equal(rein_mutex_lock(mutex, REIN_NEVER), 0);
                for (int i = 0; i < 3; i++) {
                        m[i] = (member){.call = lock_note_unlock, .object = mutex, .number = i, .log = &log};
                        if (i == 1)
                                m[i].until = rein_after(REIN_MS(20));
                        member_start(&m[i], crew_of(form, i));
                        if (i != 1)
                                EVENTUALLY(sits_in(&m[i].seat, "rein_mutex_lock"));
                }
                rein_cancel(m[0].future, "it is not needed");
                assert_int_equal(member_end(&m[0]), REIN_ECANCELED);
                assert_int_equal(member_end(&m[1]), REIN_ETIMEOUT);
                assert_int_equal(rein_mutex_unlock(mutex), 0);
                assert_int_equal(member_end(&m[2]), 0);
                assert_int_equal(log, 1);
                rein_mutex_free(mutex);
        }
}

enum { ROUNDS = 400, CROWD = 8 };

typedef struct shared {
        rein_mutex *mutex;
        long count; /* plain: the mutex guards it */
} shared;

static int count_up(member *m)
{
        shared *s = m->object;
        for (int i = 0; i < ROUNDS; i++) {
                int rc = rein_mutex_lock(s->mutex, REIN_NEVER);
                if (rc < 0)
                        return rc;
                s->count++;
                rc = rein_mutex_unlock(s->mutex);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static void test_one_at_a_time(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                shared s = {.mutex = rein_mutex_new()};
                member m[CROWD];
                for (int i = 0; i < CROWD; i++) {
                        m[i] = (member){.call = count_up, .object = &s, .number = i};
                        member_start(&m[i], crew_of(form, i));
                }
                for (int i = 0; i < CROWD; i++)
                        assert_int_equal(member_end(&m[i]), 0);
                assert_int_equal(s.count, CROWD * ROUNDS);
                rein_mutex_free(s.mutex);
        }
}

/* ---- circles ---- */

typedef struct ring {
        rein_mutex *mutex[3];
        rein_barrier *all_hold_one;
        int members;
        atomic_int deadlocks, canceled, others;
        char text[300];
} ring;

static int lock_mine_then_next(member *m)
{
        ring *r = m->object;
        rein_mutex *mine = r->mutex[m->number], *next = r->mutex[(m->number + 1) % r->members];
        int rc = rein_mutex_lock(mine, REIN_NEVER);
        if (rc == 0)
                rc = rein_barrier_arrive(r->all_hold_one, REIN_NEVER) < 0 ? -EIO : 0;
        if (rc == 0)
                rc = rein_mutex_lock(next, REIN_NEVER);
        if (rc == REIN_EDEADLOCK) {
                snprintf(r->text, sizeof r->text, "%s", rein_error_text(rein_trail()));
                atomic_fetch_add(&r->deadlocks, 1);
        }
        if (rc == 0)
                rein_mutex_unlock(next);
        rein_mutex_unlock(mine);
        return rc;
}

static void test_holders_that_wait_for_each_other_are_told(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                for (int n = 2; n <= 3; n++) {
                        ring r = {.members = n, .all_hold_one = rein_barrier_new((size_t)n)};
                        member m[3];
                        for (int i = 0; i < n; i++)
                                r.mutex[i] = rein_mutex_new();
                        for (int i = 0; i < n; i++) {
                                m[i] = (member){.call = lock_mine_then_next, .object = &r, .number = i};
                                member_start(&m[i], crew_of(form, i));
                        }
                        for (int i = 0; i < n; i++)
                                assert_in_set((uint64_t)(unsigned)member_end(&m[i]),
                                              ((uint64_t[]){0, (unsigned)REIN_EDEADLOCK}), 2);
                        assert_in_range(r.deadlocks, 1, n);
                        assert_non_null(strstr(r.text, "this wait can never end"));
                        for (int i = 0; i < n; i++)
                                rein_mutex_free(r.mutex[i]);
                        rein_barrier_free(r.all_hold_one);
                }
        }
}

/* A long wait behind somebody who will unlock is none: also when that one waits for another mutex. */
static void test_a_chain_is_no_circle(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                ring r = {.members = 3, .all_hold_one = rein_barrier_new(2)};
                member m[2];
                for (int i = 0; i < 3; i++)
                        r.mutex[i] = rein_mutex_new();
                assert_int_equal(rein_mutex_lock(r.mutex[2], REIN_NEVER), 0);
                for (int i = 0; i < 2; i++) {
                        m[i] = (member){.call = lock_mine_then_next, .object = &r, .number = i};
                        member_start(&m[i], crew_of(form, i));
                }
                rn_world *w = rn_world_now();
                size_t said = 0;
                EVENTUALLY((rn_lock_take(&w->graph),
                            said = !rn_list_empty(&w->waiting) && w->waiting.next->next != &w->waiting,
                            rn_lock_give(&w->graph), said)); /* both have looked for a circle */
                assert_int_equal(rein_mutex_unlock(r.mutex[2]), 0);
                assert_int_equal(member_end(&m[0]), 0);
                assert_int_equal(member_end(&m[1]), 0);
                assert_int_equal(r.deadlocks, 0);
                for (int i = 0; i < 3; i++)
                        rein_mutex_free(r.mutex[i]);
                rein_barrier_free(r.all_hold_one);
        }
}

/* ---- who ends without an unlock ---- */

typedef struct forgetful {
        rein_mutex *mutex;
        rein_cond *cond;
        rein_event *has_it, *may_end;
} forgetful;

static int lock_and_end(void *arg)
{
        forgetful *f = arg;
        int rc = rein_mutex_lock(f->mutex, REIN_NEVER);
        rein_event_set(f->has_it);
        if (rc == 0)
                rc = rein_event_wait(f->may_end, REIN_NEVER);
        return rc;
}

static int wait_and_end(void *arg)
{
        forgetful *f = arg;
        int rc = rein_mutex_lock(f->mutex, REIN_NEVER);
        rein_event_set(f->has_it);
        return rc < 0 ? rc : rein_cond_wait(f->cond, REIN_NEVER);
}

static int lock_inside_and_end(void *arg)
{
        forgetful *f = arg;
        rein_mutex *mine = rein_mutex_new();
        int rc = rein_mutex_lock(mine, REIN_NEVER);
        if (rc == 0)
                rc = rein_mutex_lock(f->mutex, REIN_NEVER);
        rein_event_set(f->has_it);
        rein_mutex_free(mine); /* one that is held may be freed by its holder */
        return rc;
}

static void forgetful_open(forgetful *f)
{
        f->mutex = rein_mutex_new();
        f->cond = rein_cond_new(f->mutex);
        f->has_it = rein_event_new();
        f->may_end = rein_event_new();
}

static void forgetful_close(forgetful *f)
{
        rein_cond_free(f->cond);
        rein_mutex_free(f->mutex);
        rein_event_free(f->has_it);
        rein_event_free(f->may_end);
}

static void says_where(rein_future *f, bool once)
{
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_code(f), -EPROTO);
        const char *text = rein_error_text(rein_error_of(f));
        assert_non_null(strstr(text, "it ended (success) with a mutex locked at "));
        assert_non_null(strstr(text, "mutex_test.c:"));
        assert_int_equal(strstr(text, "there is more") == NULL, once);
        rein_drop(f);
}

static void test_a_job_that_ends_with_a_mutex_fails_and_the_next_has_it(void **state)
{
        (void)state;
        rein_executor *on[] = {rein_pool_new(REIN_POOL(.threads = 1)), rein_loop_new(NULL)};
        for (int i = 0; i < 2; i++) {
                forgetful f;
                forgetful_open(&f);
                rein_future *first = rein_submit(on[i], lock_and_end, &f, NULL);
                assert_int_equal(rein_event_wait(f.has_it, REIN_NEVER), 0);
                atomic_int log = 0;
                member next = {.call = lock_note_unlock, .object = f.mutex, .until = REIN_NEVER, .log = &log};
                member_in_line(&next, crew_of(0, 0), "rein_mutex_lock");
                rein_event_set(f.may_end);
                says_where(first, true);
                assert_int_equal(member_end(&next), 0);

                says_where(rein_submit(on[i], lock_and_end, &f, NULL), true); /* and the thread goes on */
                assert_int_equal(rein_mutex_lock(f.mutex, REIN_NEVER), 0);    /* by hand-over, from here on */
                rein_event_clear(f.has_it);
                first = rein_submit(on[i], wait_and_end, &f, NULL);
                assert_int_equal(rein_mutex_unlock(f.mutex), 0);
                assert_int_equal(rein_event_wait(f.has_it, REIN_NEVER), 0);
                while (rein_cond_signal(f.cond) == 0)
                        support_nap();
                says_where(first, true);
                says_where(rein_submit(on[i], lock_inside_and_end, &f, NULL), true);
                assert_int_equal(rein_mutex_lock(f.mutex, REIN_NOWAIT), 0);
                assert_int_equal(rein_mutex_unlock(f.mutex), 0);
                forgetful_close(&f);
                rein_executor_free(on[i]);
        }
}

static void *end_a_thread(void *arg)
{
        (void)lock_inside_and_end(arg);
        return NULL;
}

static void test_a_thread_that_ends_gives_its_mutex_on(void **state)
{
        (void)state;
        forgetful f;
        forgetful_open(&f);
        join(go(end_a_thread, &f));
        assert_int_equal(rein_mutex_lock(f.mutex, REIN_NEVER), 0);
        assert_int_equal(rein_mutex_unlock(f.mutex), 0);
        forgetful_close(&f);
}

static void test_without_memory_there_is_none(void **state)
{
        (void)state;
        rein_mutex *mutex = rein_mutex_new();
        support_poor = true;
        assert_null(rein_mutex_new());
        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
        assert_null(rein_cond_new(mutex));
        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
        assert_int_equal(rein_mutex_lock(mutex, REIN_NOWAIT), 0);
        assert_int_equal(rein_mutex_unlock(mutex), 0);
        support_poor = false;
        rein_mutex_free(mutex);
}

/* ---- does it add up? ---- */

static rein_mutex made;
static rn_turn made_turn;
static rn_stand made_stand;
static rn_task *made_waiter;

/* Mine, and another waits for it. */
static void make(void)
{
        if (made.held.back)
                rn_unhold(&made.held);
        made = (rein_mutex){.process = rn_generation()};
        made_turn = (rn_turn){.task = made_waiter};
        made_stand = (rn_stand){.turn = &made_turn};
        rn_list_init(&made.line);
        rn_lock_take(&made.lock);
        rn_storeptr(&made.owner, rn_self());
        rn_mutex_have(&made, rn_self(), "here");
        rn_list_push(&made.line, &made_stand.link);
}

static const char *ask(void)
{
        return rn_mutex_wrong(&made);
}

static void the_line_is_torn(void)
{
        broken_list(&made_stand.link);
}

static void handed_to_nobody(void)
{
        rn_unhold(&made.held);
        rn_storeptr(&made.owner, NULL);
        made.handed = true;
}

static void free_and_waited_for(void)
{
        rn_unhold(&made.held);
        rn_storeptr(&made.owner, NULL);
}

static void owned_and_not_held(void)
{
        rn_unhold(&made.held);
}

static void handed_and_held(void)
{
        made.handed = true;
}

static void the_owner_waits(void)
{
        made_turn.task = rn_self();
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {the_line_is_torn, broken_links},
                {handed_to_nobody, "a mutex was handed over, and nobody has it"},
                {free_and_waited_for, "somebody waits for a mutex that is free"},
                {owned_and_not_held, "a mutex is in the hands of a task that does not know"},
                {handed_and_held, "a mutex is in the hands of a task that does not know"},
                {the_owner_waits, "the owner of a mutex waits for it"},
        };
        rn_task waiter = {0};
        made_waiter = &waiter;
        broken_each(make, ask, ways, COUNT(ways));
        make();
        rn_unhold(&made.held);
        rn_wakes wakes = {.n = 0};
        rn_mutex_pass(&made, &wakes); /* handed over: its new owner has not woken yet */
        assert_null(rn_mutex_wrong(&made));
        assert_ptr_equal(rn_loadptr(&made.owner), &waiter);
        assert_true(made.handed);
        assert_int_equal(wakes.n, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lock_try_unlock),
                cmocka_unit_test(test_those_in_line_get_it_in_the_order_they_came),
                cmocka_unit_test(test_the_unlocker_does_not_overtake_who_waits),
                cmocka_unit_test(test_the_text_names_the_place_of_the_holder_also_when_it_had_to_wait),
                cmocka_unit_test(test_who_is_cancelled_or_late_leaves_the_line),
                cmocka_unit_test(test_one_at_a_time),
                cmocka_unit_test(test_holders_that_wait_for_each_other_are_told),
                cmocka_unit_test(test_a_chain_is_no_circle),
                cmocka_unit_test(test_a_job_that_ends_with_a_mutex_fails_and_the_next_has_it),
                cmocka_unit_test(test_a_thread_that_ends_gives_its_mutex_on),
                cmocka_unit_test(test_without_memory_there_is_none),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
        };
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
