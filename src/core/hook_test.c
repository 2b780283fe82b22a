/* SPDX-License-Identifier: Apache-2.0 */
/* Hook regions: the stop is used when the scope is cancelled or its deadline passes, again until the region closes, and
 * never outside of it. */
#include "support.h"

#include <rein/sim.h>

#include "core/hook.h"
#include "core/scope.h"

typedef struct region {
        sem_t sem;         /* the foreign call blocks on it */
        atomic_int stops;  /* how often the stop was called */
        int deaf;          /* so many stops have no effect: they came before the call was ready */
        atomic_int closed; /* from here on a stop is one too late */
        atomic_int late;
        rein_scope scope;
        seat seat;
        atomic_int open;
        int rc, in_shield;
} region;

static void stop(void *arg)
{
        region *r = arg;
        atomic_fetch_add(&r->late, atomic_load(&r->closed));
        if (atomic_fetch_add(&r->stops, 1) >= r->deaf)
                sem_post(&r->sem);
}

static int call(region *r)
{
        rein_hook h;
        int rc = rein_hook_open(&h, stop, r);
        if (rc < 0)
                return rc;
        while (sem_wait(&r->sem) != 0)
                ;
        rc = rein_hook_close(&h, 1);
        atomic_store(&r->closed, 1);
        return rc;
}

static void *call_in_scope(void *arg)
{
        region *r = arg;
        rein_scope_open(&r->scope, REIN_NEVER);
        sit(&r->seat);
        atomic_store(&r->open, 1);
        r->rc = call(r);
        (void)rein_scope_close(&r->scope, 0);
        return NULL;
}

static void test_a_cancel_uses_the_stop_and_close_says_so(void **state)
{
        (void)state;
        region r = {.deaf = 0};
        sem_init(&r.sem, 0, 0);
        pthread_t t = go(call_in_scope, &r);
        EVENTUALLY(sits_in(&r.seat, "hook region"));
        rein_scope_cancel(&r.scope, NULL);
        assert_true(r.stops >= 1); /* on the thread that cancels */
        join(t);
        assert_int_equal(r.rc, REIN_ECANCELED); /* whatever the call returned */
        assert_int_equal(r.late, 0);
}

static void test_a_stop_that_comes_too_early_is_repeated_until_the_region_closes(void **state)
{
        (void)state;
        for (int deaf = 1; deaf <= 12; deaf += 11) {
                region r = {.deaf = deaf};
                sem_init(&r.sem, 0, 0);
                pthread_t t = go(call_in_scope, &r);
                EVENTUALLY(sits_in(&r.seat, "hook region"));
                rein_scope_cancel(&r.scope, NULL);
                join(t);
                assert_int_equal(r.rc, REIN_ECANCELED);
                assert_true(r.stops >= deaf + 1);
                assert_int_equal(r.late, 0);
        }
}

static void test_a_deadline_uses_the_stop_too(void **state)
{
        (void)state;
        region r = {.deaf = 2};
        rein_scope s;
        sem_init(&r.sem, 0, 0);
        rein_scope_open(&s, rein_after(REIN_MS(2)));
        assert_int_equal(rein_scope_close(&s, call(&r)), REIN_ETIMEOUT);
        assert_true(r.stops >= 3);
}

static void test_no_region_is_opened_when_it_is_too_late(void **state)
{
        (void)state;
        region r = {.deaf = 0};
        rein_scope s;
        rein_hook h;
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, NULL);
        assert_int_equal(rein_hook_open(&h, stop, &r), REIN_ECANCELED);
        assert_int_equal(rein_hook_close(&h, 0), -EPERM); /* nothing was opened */
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_int_equal(r.stops, 0);
        assert_int_equal(live(&rn_world_now()->hooks), 0);
}

static void test_a_call_that_ends_by_itself_keeps_its_code_and_is_never_stopped(void **state)
{
        (void)state;
        region r = {.deaf = 0};
        rein_scope s;
        rein_hook h;
        rein_scope_open(&s, REIN_NEVER);
        for (int i = 0; i < 100; i++) {
                assert_int_equal(rein_hook_open(&h, stop, &r), 0);
                assert_int_equal(rein_hook_close(&h, i), i);
        }
        rein_scope_cancel(&s, NULL); /* the regions are closed */
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_int_equal(r.stops, 0);
        assert_int_equal(rein_hook_open(&h, stop, &r), 0); /* in no scope: nothing can stop it */
        assert_int_equal(rein_hook_close(&h, 3), 3);
}

static void test_regions_nest_and_each_is_stopped(void **state)
{
        (void)state;
        region outer = {.deaf = 0}, inner = {.deaf = 0};
        rein_scope s;
        rein_hook a, b;
        rein_scope_open(&s, REIN_NEVER);
        assert_int_equal(rein_hook_open(&a, stop, &outer), 0);
        assert_int_equal(rein_hook_open(&b, stop, &inner), 0);
        assert_int_equal(rein_hook_close(&a, 0), -EPERM); /* not the innermost */
        rein_scope_cancel(&s, NULL);
        assert_true(outer.stops >= 1 && inner.stops >= 1);
        assert_int_equal(rein_hook_close(&b, 0), REIN_ECANCELED);
        assert_int_equal(rein_hook_close(&a, 0), REIN_ECANCELED);
        int stops = outer.stops + inner.stops;
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_int_equal(rein_sleep(rein_after(REIN_MS(15))), 0); /* longer than the longest back-off */
        assert_int_equal(outer.stops + inner.stops, stops);
}

typedef struct shielded {
        region region;
        gate gate;
        atomic_int before;
} shielded;

static void *shield_inside_region(void *arg)
{
        shielded *s = arg;
        region *r = &s->region;
        rein_hook h;
        rein_scope shield;
        rein_scope_open(&r->scope, REIN_NEVER);
        r->rc = rein_hook_open(&h, stop, r);
        rein_shield_open(&shield, REIN_SEC(3600));
        sit(&r->seat);
        r->in_shield = gate_pass(&s->gate); /* cancelled meanwhile */
        atomic_store(&s->before, atomic_load(&r->stops));
        (void)rein_scope_close(&shield, 0);
        while (sem_wait(&r->sem) != 0)
                ;
        r->rc = rein_hook_close(&h, 0);
        (void)rein_scope_close(&r->scope, 0);
        return NULL;
}

static void test_a_shield_inside_a_region_holds_its_stop_back(void **state)
{
        (void)state;
        shielded s = {.gate = gate_new()};
        sem_init(&s.region.sem, 0, 0);
        pthread_t t = go(shield_inside_region, &s);
        EVENTUALLY(sits_in(&s.region.seat, "rein_await"));
        rein_scope_cancel(&s.region.scope, NULL);
        gate_open(&s.gate);
        join(t);
        assert_int_equal(s.region.in_shield, 0);
        assert_int_equal(s.before, 0);
        assert_true(s.region.stops >= 1); /* as soon as the shield was left */
        assert_int_equal(s.region.rc, REIN_ECANCELED);
        gate_free(&s.gate);
}

/* ---- the race of a cancel and the close ---- */

static void *cancel_soon(void *arg)
{
        region *r = arg;
        while (!atomic_load(&r->open))
                ;
        rein_scope_cancel(&r->scope, NULL);
        return NULL;
}

static void test_a_stop_never_runs_outside_its_region(void **state)
{
        (void)state;
        for (int i = 0; i < 300; i++) {
                region r = {.deaf = 0};
                sem_init(&r.sem, 0, 1); /* the call does not block */
                pthread_t t = go(cancel_soon, &r);
                rein_scope_open(&r.scope, REIN_NEVER);
                atomic_store(&r.open, 1);
                int rc = call(&r), stops = r.stops;
                join(t);
                assert_int_equal(r.late, 0);
                assert_int_equal(r.stops, stops);
                assert_int_equal(rc == REIN_ECANCELED, r.stops > 0 || !r.closed);
                (void)rein_scope_close(&r.scope, 0);
        }
        EVENTUALLY(live(&rn_world_now()->hooks) == 0);
}

/* ---- the poke ---- */

typedef struct reader {
        int fd;
        rein_scope scope;
        seat seat;
        atomic_int open;
        int rc, err, stray;
} reader;

static void *read_in_region(void *arg)
{
        reader *r = arg;
        char c;
        rein_hook h;
        rein_scope_open(&r->scope, REIN_NEVER);
        sit(&r->seat);
        atomic_store(&r->open, 1);
        r->rc = rein_hook_open(&h, REIN_POKE, NULL);
        if (r->rc == 0) {
                ssize_t n = read(r->fd, &c, 1);
                r->err = n < 0 ? errno : 0;
                r->rc = rein_hook_close(&h, 0);
        }
        for (int i = 0; i < 20; i++) { /* what comes afterwards is not hit */
                struct timespec span = {0, 100000};
                r->stray += nanosleep(&span, NULL) != 0; /* foreign: it must not be interrupted */
        }
        (void)rein_scope_close(&r->scope, 0);
        return NULL;
}

static void test_the_poke_gets_a_system_call_out_and_hits_nothing_else(void **state)
{
        (void)state;
        for (int i = 0; i < 30; i++) {
                int ends[2];
                assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
                reader r = {.fd = ends[0]};
                pthread_t t = go(read_in_region, &r);
                if (i % 2)
                        EVENTUALLY(sits_in(&r.seat, "hook region"));
                else
                        EVENTUALLY(r.open);
                rein_scope_cancel(&r.scope, NULL);
                join(t);
                assert_int_equal(r.rc, REIN_ECANCELED);
                assert_true(r.err == EINTR || r.err == 0); /* 0: it was cancelled before it opened */
                assert_int_equal(r.stray, 0);
                close(ends[0]);
                close(ends[1]);
        }
}

static int signals_blocked(void)
{
        sigset_t now;
        int n = 0;
        pthread_sigmask(SIG_BLOCK, NULL, &now);
        for (int signo = 1; signo <= SIGRTMAX; signo++)
                n += sigismember(&now, signo) == 1;
        return n;
}

typedef struct masks {
        int before, inside, after;
} masks;

static void *poke_where_all_is_blocked(void *arg)
{
        masks *m = arg;
        sigset_t all;
        rein_hook h;
        rein_scope s;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
        m->before = signals_blocked();
        rein_scope_open(&s, REIN_NEVER);
        if (rein_hook_open(&h, REIN_POKE, NULL) == 0) {
                m->inside = signals_blocked();
                (void)rein_hook_close(&h, 0);
        }
        (void)rein_scope_close(&s, 0);
        m->after = signals_blocked();
        return NULL;
}

static void test_a_thread_that_had_the_poke_blocked_has_it_blocked_again(void **state)
{
        (void)state;
        masks m = {0};
        join(go(poke_where_all_is_blocked, &m));
        assert_int_equal(m.inside, m.before - 1);
        assert_int_equal(m.after, m.before);
}

/* ---- who stops, and when ---- */

typedef struct visitor {
        _Atomic(rn_task *) task;
        sem_t sem;
} visitor;

static void note_visitor(void *arg)
{
        visitor *v = arg;
        atomic_store(&v->task, rn_self());
        sem_post(&v->sem);
}

/* A stop may block, and the deadlines of everybody else go on. */
static void test_a_stop_that_is_due_by_time_runs_on_the_hand_thread(void **state)
{
        (void)state;
        visitor v = {.task = NULL};
        rein_scope s;
        rein_hook h;
        sem_init(&v.sem, 0, 0);
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        assert_int_equal(rein_hook_open(&h, note_visitor, &v), 0);
        while (sem_wait(&v.sem) != 0)
                ;
        assert_int_equal(rein_hook_close(&h, 0), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_ptr_equal(v.task, rn_world_now()->clock.hand_task);
}

enum { RESENDS = 12 };

typedef struct deaf {
        int64_t at[RESENDS];
        atomic_int stops;
} deaf;

static void note_time(void *arg)
{
        deaf *d = arg;
        if (d->stops < RESENDS)
                d->at[d->stops] = rn_clock();
        if (++d->stops == RESENDS)
                (void)rein_sim_wake(d, 1);
}

static int blocks_for_long(void *arg)
{
        deaf *d = arg;
        rein_scope s;
        rein_hook h;
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        int rc = rein_hook_open(&h, note_time, d);
        while (rc == 0 && d->stops < RESENDS)
                (void)rein_sim_sleep_on(d, "foreign code", REIN_NEVER);
        (void)rein_hook_close(&h, 0);
        return rein_scope_close(&s, 0) < 0 ? -EPROTO : rc;
}

/* In virtual time, which is exact. */
static void test_the_resends_come_soon_at_first_and_then_every_ten_milliseconds(void **state)
{
        (void)state;
        deaf d = {.stops = 0};
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), blocks_for_long, &d), 0);
        for (int i = 1; i < RESENDS; i++) {
                int64_t delay = INT64_C(50000) << (i - 1);
                assert_int_equal(d.at[i] - d.at[i - 1], delay < REIN_MS(10) ? delay : REIN_MS(10));
        }
}

static void test_a_region_does_not_know_that_the_one_before_it_was_struck_by_force(void **state)
{
        (void)state;
        region r = {.deaf = 0};
        rn_task *self = rn_self();
        rn_hook *h, *again, *struck = NULL;
        rein_scope s, shield;
        sem_init(&r.sem, 0, 0);
        assert_int_equal(rn_hook_begin(self, "a read", stop, &r, &h), 0);
        rn_hook_strike(h, &struck);
        rn_hooks_hit(struck);
        assert_true(rn_hook_finish(self, h));
        const int stops = r.stops;
        rein_scope_open(&s, REIN_NEVER);
        assert_int_equal(rn_hook_begin(self, "the next", stop, &r, &again), 0);
        assert_ptr_equal(again, h); /* the same record */
        rein_shield_open(&shield, REIN_SEC(3600));
        rein_scope_cancel(&s, NULL);
        assert_int_equal(r.stops, stops); /* the shield holds it back */
        assert_int_equal(rein_scope_close(&shield, 0), 0);
        (void)rn_hook_finish(self, again);
        assert_int_equal(rein_scope_close(&s, 0), 0);
}

static void test_without_memory_nothing_is_opened(void **state)
{
        (void)state;
        rein_hook h;
        region r = {.deaf = 0};
        rein_fail(0, "the task is there");
        support_fail_at = 1;
        assert_int_equal(rein_hook_open(&h, stop, &r), -ENOMEM);
        support_fail_at = 0;
        assert_int_equal(rein_hook_close(&h, 0), -EPERM);
        assert_int_equal(rein_hook_close(NULL, 0), -EPERM);
}

#if RN_CHECKING
static void never(void *arg)
{
        (void)arg;
}

static void test_a_broken_region_says_so(void **state)
{
        (void)state;
        rein_scope s;
        rein_hook hook;
        rein_scope_open(&s, REIN_NEVER);
        assert_int_equal(rein_hook_open(&hook, never, NULL), 0);
        rn_hook *h = rn_self()->now->hook;
        rn_scope *in = rn_self()->now->scope;
        const int64_t working = h->state.v;
        BREAKS(h->state.v, working - 1, rn_hook_wrong(h), "a region's state is none of its states");
        BREAKS(h->state.v, working + 16, rn_hook_wrong(h),
               "a region in the list of a scope has the state of another generation");
        BREAKS(h->scope.v, NULL, rn_hook_wrong(h), "a region that was opened in no scope is in the list of one");
        BREAKS(h->link.next, NULL, rn_hook_wrong(h), "an open region is not in the list of its scope");
        BREAKS(h->in_slab.generation.v, h->in_slab.generation.v + 1, rn_hook_wrong(h),
               "a region that was given back is still in the list of a scope");
        BREAKS(h->scope.v, NULL, rn_scope_wrong(in), "a region in its list was opened in another scope");
        BREAKS(h->state.v, working - 1, rn_scope_wrong(in), "a region's state is none of its states");
        assert_int_equal(rein_hook_close(&hook, 0), 0);
        assert_null(rn_hook_wrong(h));
        assert_int_equal(rein_scope_close(&s, 0), 0);
}

/* What other locks guard is asked of a program that is alone. */
static int break_the_timer_of_a_region(void *arg)
{
        (void)arg;
        rein_scope s;
        rein_hook hook;
        rein_scope_open(&s, rein_after(REIN_SEC(1)));
        if (rein_hook_open(&hook, never, NULL) < 0)
                return -EIO;
        rn_hook *h = rn_self()->now->hook;
        bool well = BROKEN(h->timer.tag, 0, rn_hook_wrong(h), "the timer of a region is armed for another generation");
        well = BROKEN(h->delay, 1, rn_hook_wrong(h), "the delay to a region's next resend is out of range") && well;
        (void)rein_hook_close(&hook, 0);
        well = BROKEN(h->timer.node.in, true, rn_hook_wrong(h), "the timer of a region that was given back is armed") &&
               well;
        (void)rein_scope_close(&s, 0);
        return well ? 0 : -EIO;
}

static void test_a_region_with_a_broken_timer_says_so(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true), break_the_timer_of_a_region, NULL), 0);
}
#endif

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_cancel_uses_the_stop_and_close_says_so),
                cmocka_unit_test(test_a_stop_that_comes_too_early_is_repeated_until_the_region_closes),
                cmocka_unit_test(test_a_deadline_uses_the_stop_too),
                cmocka_unit_test(test_no_region_is_opened_when_it_is_too_late),
                cmocka_unit_test(test_a_call_that_ends_by_itself_keeps_its_code_and_is_never_stopped),
                cmocka_unit_test(test_regions_nest_and_each_is_stopped),
                cmocka_unit_test(test_a_shield_inside_a_region_holds_its_stop_back),
                cmocka_unit_test(test_a_stop_never_runs_outside_its_region),
                cmocka_unit_test(test_the_poke_gets_a_system_call_out_and_hits_nothing_else),
                cmocka_unit_test(test_a_thread_that_had_the_poke_blocked_has_it_blocked_again),
                cmocka_unit_test(test_a_stop_that_is_due_by_time_runs_on_the_hand_thread),
                cmocka_unit_test(test_the_resends_come_soon_at_first_and_then_every_ten_milliseconds),
                cmocka_unit_test(test_a_region_does_not_know_that_the_one_before_it_was_struck_by_force),
                cmocka_unit_test(test_without_memory_nothing_is_opened),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_region_says_so),
                cmocka_unit_test(test_a_region_with_a_broken_timer_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
