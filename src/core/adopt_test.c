/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a foreign library inside a scope that they were lent. */
#include "support.h"

#include "core/work.h"
#include "core/adopt.h"
#include "core/scope.h"

static void count_release(void *value)
{
        release_count(value);
}

static const rein_key key = {"key", count_release};

/* ---- a library with a thread of its own, which calls back ---- */

typedef struct library {
        int (*fn)(void *);
        void *arg;
        rein_ticket *ticket;
        atomic_int called; /* 1: it has begun; 2: it has ended */
        int adopted, rc;
        pthread_t thread;
} library;

static void *call_back(void *arg)
{
        library *l = arg;
        rein_adopted a;
        l->adopted = rein_adopt(l->ticket, &a);
        atomic_store(&l->called, 1);
        if (l->adopted == 0)
                l->rc = rein_return(&a, l->fn(l->arg));
        rein_ticket_drop(l->ticket);
        atomic_store(&l->called, 2);
        return NULL;
}

static void begin(library *l, rein_ticket *t, int (*fn)(void *), void *arg)
{
        *l = (library){.fn = fn, .arg = arg, .ticket = t};
        l->thread = go(call_back, l);
}

static void finish(library *l)
{
        join(l->thread);
}

/* ---- what is seen inside ---- */

static const rein_key plain_key = {"plain", NULL};

static int sees(void *arg)
{
        if (rein_context_get(&plain_key) != arg || rein_checkpoint() != 0)
                return REIN_EUSER;
        if (rein_context_set(&plain_key, &arg) != 0)
                return REIN_EUSER - 1;
        return 7;
}

static void test_inside_are_the_context_values_of_the_owner(void **state)
{
        (void)state;
        int value;
        library l;
        assert_int_equal(rein_context_set(&plain_key, &value), 0);
        rein_ticket *t = rein_scope_lend();
        assert_non_null(t);
        assert_int_equal(rein_context_set(&plain_key, NULL), 0); /* later than the ticket */
        begin(&l, t, sees, &value);
        finish(&l);
        assert_int_equal(l.adopted, 0);
        assert_int_equal(l.rc, 7);
        assert_null(rein_context_get(&plain_key)); /* what is set inside stays there */
}

typedef struct told {
        seat seat;
        char why[256];
        atomic_int in;
} told;

static int sleeps(void *arg)
{
        told *t = arg;
        sit(&t->seat);
        atomic_store(&t->in, 1);
        int rc = rein_sleep(REIN_NEVER);
        snprintf(t->why, sizeof t->why, "%s", rein_why() ? rein_why() : "");
        return rc;
}

static void test_a_cancel_of_the_scope_reaches_inside(void **state)
{
        (void)state;
        library l;
        told what = {.in = 0};
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        begin(&l, rein_scope_lend(), sleeps, &what);
        EVENTUALLY(what.in && sits_in(&what.seat, "rein_sleep"));
        rein_scope_cancel(&s, "enough of that");
        finish(&l);
        assert_int_equal(l.rc, REIN_ECANCELED);
        assert_non_null(strstr(what.why, "enough of that"));
        assert_int_equal(rein_scope_close(&s, 0), 0);
}

static void test_a_deadline_of_the_scope_reaches_inside(void **state)
{
        (void)state;
        library l;
        told what = {.in = 0};
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_MS(5)));
        begin(&l, rein_scope_lend(), sleeps, &what);
        finish(&l);
        assert_int_equal(l.rc, REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, l.rc), REIN_ETIMEOUT);
}

static int stops_itself(void *arg)
{
        rein_scope s;
        (void)arg;
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        return rein_scope_close(&s, rein_sleep(REIN_NEVER));
}

static void test_scopes_nest_inside(void **state)
{
        (void)state;
        library l;
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        begin(&l, rein_scope_lend(), stops_itself, NULL);
        finish(&l);
        assert_int_equal(l.rc, REIN_ETIMEOUT);
        assert_int_equal(rein_scope_close(&s, 0), 0);
}

/* ---- the end of the scope ---- */

static void test_who_is_inside_when_the_scope_is_closed_is_canceled(void **state)
{
        (void)state;
        library l;
        told what = {.in = 0};
        rein_scope outer, s;
        rein_scope_open(&outer, REIN_NEVER);
        rein_scope_open(&s, REIN_NEVER);
        begin(&l, rein_scope_lend(), sleeps, &what);
        EVENTUALLY(what.in && sits_in(&what.seat, "rein_sleep"));
        assert_int_equal(rein_scope_close(&s, 0), 0); /* does not wait */
        finish(&l);
        assert_int_equal(l.rc, REIN_ECANCELED);
        assert_non_null(strstr(what.why, "the scope that was lent is closed"));
        assert_int_equal(rein_scope_close(&outer, 0), 0);
}

static int never(void *arg)
{
        (void)arg;
        return REIN_EUSER;
}

static void test_a_ticket_whose_scope_is_closed_changes_nothing(void **state)
{
        (void)state;
        library l;
        rein_scope s;
        rein_group g;
        rein_scope_open(&s, REIN_NEVER);
        rein_ticket *t = rein_scope_lend();
        rein_scope_cancel(&s, NULL);
        begin(&l, rein_ticket_ref(t), never, NULL); /* cancelled is not closed */
        finish(&l);
        assert_int_equal(l.adopted, 0);
        assert_int_equal(rein_scope_close(&s, 0), 0);
        EVENTUALLY(live(&rn_world_now()->tasks) <= 3);
        size_t tasks = live(&rn_world_now()->tasks), scopes = live(&rn_world_now()->scopes);
        begin(&l, t, never, NULL);
        finish(&l);
        assert_int_equal(l.adopted, -ESTALE);
        EVENTUALLY(live(&rn_world_now()->tasks) == tasks);
        assert_true(live(&rn_world_now()->scopes) == scopes - 2); /* the ticket's own, and the head it counted */
        rein_group_open(&g, NULL);
        t = rein_group_lend(&g);
        assert_int_equal(rein_group_close(&g, 0), 0);
        begin(&l, t, never, NULL);
        finish(&l);
        assert_int_equal(l.adopted, -ESTALE);
        assert_null(rein_group_lend(&g));
        assert_int_equal(rein_error_code(rein_trail()), -EPERM);
}

static void test_a_ticket_from_before_does_not_touch_the_next_scope(void **state)
{
        (void)state;
        rein_scope outer, s;
        rein_adopted a;
        rein_scope_open(&outer, REIN_NEVER); /* the head of the family, which a ticket keeps */
        rein_scope_open(&s, REIN_NEVER);
        rein_ticket *before = rein_scope_lend();
        assert_int_equal(rein_scope_close(&s, 0), 0);
        for (int i = 0; i < 3; i++) { /* in the same record, as a rule */
                rein_scope_open(&s, REIN_NEVER);
                rein_ticket *t = rein_scope_lend();
                rein_ticket_drop(before);
                before = NULL;
                rein_scope_cancel(&s, NULL);
                assert_int_equal(rein_adopt(t, &a), 0);
                assert_int_equal(rein_return(&a, rein_checkpoint()), REIN_ECANCELED);
                assert_int_equal(rein_scope_close(&s, 0), 0);
                before = t;
        }
        rein_ticket_drop(before);
        assert_int_equal(rein_scope_close(&outer, 0), 0);
}

static void test_outside_of_every_scope_nothing_cancels(void **state)
{
        (void)state;
        library l;
        rein_ticket *t = rein_scope_lend();
        begin(&l, rein_ticket_ref(t), sees, NULL);
        finish(&l);
        assert_int_equal(l.rc, 7);
        rein_ticket_drop(t);
        rein_ticket_drop(NULL);
        assert_null(rein_ticket_ref(NULL));
}

/* ---- groups ---- */

static void test_a_group_waits_for_who_is_inside(void **state)
{
        (void)state;
        library l, late;
        told what = {.in = 0};
        rein_group g;
        rein_group_open(&g, NULL);
        rein_ticket *t = rein_group_lend(&g);
        begin(&l, rein_ticket_ref(t), sleeps, &what);
        EVENTUALLY(what.in && sits_in(&what.seat, "rein_sleep"));
        assert_int_equal(rein_group_join(&g, rein_after(REIN_MS(1))), REIN_ETIMEOUT);
        assert_int_equal(rein_group_join(&g, REIN_NOWAIT), REIN_ETIMEOUT);
        rein_group_cancel(&g, "over");
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_true(atomic_load(&l.called) >= 1);
        begin(&late, t, never, NULL);
        finish(&late);
        assert_int_equal(late.adopted, -ESTALE);
        finish(&l);
        assert_int_equal(l.rc, REIN_ECANCELED);
}

typedef struct closing {
        seat owner;
        rein_ticket *ticket;
} closing;

/* It returns when the close waits for it. From then on nobody else comes in. */
static int returns_when_it_is_waited_for(void *arg)
{
        closing *c = arg;
        rein_adopted a;
        bool came;
        COMES_TRUE(sits_in(&c->owner, "the children of the group of"), came);
        return came && rein_adopt(c->ticket, &a) == -ESTALE ? 0 : REIN_EUSER;
}

static void test_a_close_that_waits_goes_on_when_the_last_has_returned(void **state)
{
        (void)state;
        library l, second;
        closing c;
        rein_group g;
        sit(&c.owner);
        rein_group_open(&g, NULL);
        rein_ticket *t = c.ticket = rein_group_lend(&g);
        begin(&l, rein_ticket_ref(t), returns_when_it_is_waited_for, &c);
        begin(&second, t, returns_when_it_is_waited_for, &c);
        EVENTUALLY(l.called && second.called);
        assert_int_equal(rein_group_close(&g, 0), 0);
        finish(&l);
        finish(&second);
        assert_int_equal(l.rc | second.rc, 0);
}

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

static int spawns(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 3; i++)
                rein_spawn(&g, arg, nothing, NULL, NULL);
        return rein_group_close(&g, 0);
}

static void test_jobs_and_groups_of_ones_own_inside(void **state)
{
        (void)state;
        library l;
        rein_executor *p = rein_pool_new(REIN_POOL(.threads = 2));
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        begin(&l, rein_scope_lend(), spawns, p);
        finish(&l);
        assert_int_equal(l.rc, 0);
        assert_int_equal(rein_scope_close(&s, 0), 0);
        rein_executor_free(p);
}

/* ---- a callback on the owner's own thread ---- */

static void never_called(void *arg)
{
        (void)arg;
}

static void test_a_callback_on_the_same_thread(void **state)
{
        (void)state;
        rein_scope s, inner;
        rein_adopted a, b;
        rein_hook h;
        int value;
        rein_scope_open(&s, REIN_NEVER);
        assert_int_equal(rein_context_set(&plain_key, &value), 0);
        rein_ticket *t = rein_scope_lend();
        assert_int_equal(rein_context_set(&plain_key, NULL), 0);
        rein_scope_open(&inner, REIN_NEVER);
        assert_int_equal(rein_hook_open(&h, never_called, NULL), 0);
        rein_fail(-EIO, "a story of its own");
        assert_int_equal(rein_adopt(t, &a), 0);
        assert_null(rein_trail());
        assert_ptr_equal(rein_context_get(&plain_key), &value);
        assert_int_equal(rein_scope_close(&inner, 0), -EPERM); /* out of sight */
        assert_int_equal(rein_hook_close(&h, 0), -EPERM);
        rein_scope_cancel(&inner, NULL); /* and not ours */
        assert_int_equal(rein_checkpoint(), 0);
        assert_int_equal(rein_adopt(t, &b), 0); /* once more */
        assert_int_equal(rein_return(&a, 0), -EPERM);
        assert_int_equal(rein_return(&b, 3), 3);
        assert_int_equal(rein_return(&b, 3), -EPERM);
        assert_int_equal(rein_return(&a, rein_fail(-EPIPE, "inside")), -EPIPE);
        assert_int_equal(rein_error_code(rein_trail()), -EPIPE);
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED); /* what was out of sight counts again */
        assert_null(rein_context_get(&plain_key));
        assert_int_equal(rein_hook_close(&h, 0), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&inner, 0), 0);
        rein_ticket_drop(t);
        assert_int_equal(rein_scope_close(&s, 0), 0);
}

static void test_a_trail_from_before_is_there_again(void **state)
{
        (void)state;
        rein_adopted a;
        rein_ticket *t = rein_scope_lend();
        rein_fail(-EIO, "a story of its own");
        assert_int_equal(rein_adopt(t, &a), 0);
        rein_fail(-EPIPE, "inside");
        assert_int_equal(rein_return(&a, 0), 0); /* it went well after all */
        assert_string_equal(rein_error_text(rein_trail()), "a story of its own");
        rein_ticket_drop(t);
}

static int returns_the_others(void *arg)
{
        return rein_return(arg, 0);
}

static void test_who_does_it_wrong_is_told(void **state)
{
        (void)state;
        library l;
        rein_adopted a = {{0}};
        rein_scope s;
        rein_ticket *t = rein_scope_lend();
        assert_int_equal(rein_return(&a, 0), -EPERM);
        assert_int_equal(rein_adopt(NULL, &a), -EINVAL);
        assert_int_equal(rein_adopt(t, NULL), -EINVAL);
        assert_int_equal(rein_adopt(t, &a), 0);
        begin(&l, rein_ticket_ref(t), returns_the_others, &a);
        finish(&l);
        assert_int_equal(l.rc, -EPERM);
        rein_scope_open(&s, REIN_NEVER);
        assert_int_equal(rein_return(&a, 0), -EPERM);
        assert_non_null(strstr(rein_error_text(rein_trail()), "something opened since the adoption at"));
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_int_equal(rein_return(&a, 0), 0);
        rein_ticket_drop(t);
}

/* ---- who never returns ---- */

static void *forgets(void *ticket)
{
        rein_adopted a;
        rein_scope s;
        if (rein_adopt(ticket, &a) == 0)
                rein_scope_open(&s, REIN_NEVER);
        rein_ticket_drop(ticket);
        return NULL;
}

static void test_a_thread_that_ends_has_returned(void **state)
{
        (void)state;
        rein_group g;
        rein_group_open(&g, NULL);
        join(go(forgets, rein_group_lend(&g)));
        assert_int_equal(rein_group_close(&g, 0), 0);
}

static int forgets_in_a_job(void *arg)
{
        forgets(arg);
        return 0;
}

static void test_a_job_that_forgets_it_fails(void **state)
{
        (void)state;
        rein_group g;
        rein_executor *p = rein_pool_new(REIN_POOL(.threads = 1));
        rein_group_open(&g, NULL);
        rein_future *f = rein_submit(p, forgets_in_a_job, rein_group_lend(&g), REIN_JOB(.on_worker = true));
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_code(f), -EPROTO);
        rein_drop(f);
        assert_int_equal(rein_group_close(&g, 0), 0);
        rein_executor_free(p);
}

static int job_lends(void *arg)
{
        *(rein_ticket **)arg = rein_scope_lend();
        return 0;
}

static void test_the_jobs_scope_ends_with_the_job(void **state)
{
        (void)state;
        rein_executor *p = rein_pool_new(REIN_POOL(.threads = 1));
        rein_ticket *t = NULL;
        rein_adopted a;
        assert_int_equal(rein_on(p, job_lends, &t, REIN_JOB(.on_worker = true)), 0);
        assert_non_null(t);
        assert_int_equal(rein_adopt(t, &a), -ESTALE);
        rein_ticket_drop(t);
        rein_executor_free(p);
}

/* ---- fork ---- */

static void test_not_in_a_forked_child(void **state)
{
        (void)state;
        int status;
        rein_ticket *t = rein_scope_lend();
        pid_t pid = fork();
        if (pid == 0) {
                rein_adopted a;
                int rc = rein_adopt(t, &a);
                rein_ticket_drop(t);
                _exit(rc == -EPERM && rein_return(&a, 0) == -EPERM ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        rein_ticket_drop(t);
}

/* ---- nothing is left ---- */

static void test_everything_comes_back(void **state)
{
        (void)state;
        atomic_int released = 0;
        rein_scope s;
        library l;
        rn_world *w = rn_world_now();
        EVENTUALLY(live(&w->tasks) <=
                   3); /* ours, the clock's and the hand's: the threads of the other tests have ended */
        size_t scopes = live(&w->scopes), tasks = live(&w->tasks);
        rein_scope_open(&s, REIN_NEVER);
        assert_int_equal(rein_context_set(&key, &released), 0);
        rein_ticket *t = rein_scope_lend();
        assert_int_equal(rein_context_set(&key, NULL), 0);
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_int_equal(released, 0); /* the ticket has it */
        begin(&l, rein_ticket_ref(t), never, NULL);
        finish(&l);
        rein_ticket_drop(t);
        assert_int_equal(released, 1);
        EVENTUALLY(live(&w->scopes) == scopes && live(&w->tasks) == tasks);
}

/* A guest counts as a child in the foreground: what is in the background goes on under it. */
static void test_background_children_go_on_while_somebody_is_inside(void **state)
{
        (void)state;
        library l;
        told what = {.in = 0};
        seat s = {NULL};
        rein_group g;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_group_open(&g, NULL);
        rein_ticket *t = rein_group_lend(&g);
        begin(&l, t, sleeps, &what);
        EVENTUALLY(what.in && sits_in(&what.seat, "rein_sleep"));
        rein_future *f = rein_ref(rein_spawn_future(&g, x, job_sleep, &s, REIN_JOB(.background = true)));
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        assert_int_equal(rein_group_join(&g, REIN_NOWAIT), REIN_ETIMEOUT);
        rn_scope *root = ((rein_work *)(void *)f)->root;
        assert_true(rn_load64(&root->cancel_at) == RN_NEVER);
        rein_group_cancel(&g, "over");
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        finish(&l);
        rein_drop(f);
        rein_executor_free(x);
}

typedef struct lender {
        seat owner;
        rein_group *group;
} lender;

static int lends_when_it_is_closed(void *arg)
{
        lender *l = arg;
        bool came;
        COMES_TRUE(sits_in(&l->owner, "the children of the group of"), came);
        rein_ticket *t = came ? rein_group_lend(l->group) : NULL;
        const int code = rein_error_code(rein_trail());
        rein_ticket_drop(t);
        return came && !t && code == -EPERM ? 0 : REIN_EUSER;
}

static void test_a_group_that_is_being_closed_is_not_lent(void **state)
{
        (void)state;
        rein_group g;
        lender l = {.group = &g};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        sit(&l.owner);
        rein_group_open(&g, NULL);
        rein_spawn(&g, x, lends_when_it_is_closed, &l, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
        rein_executor_free(x);
}

/* A scope that could not be opened cancels what is inside of it, and that is out of sight now. */
static void test_what_could_not_be_opened_outside_does_not_cancel_inside(void **state)
{
        (void)state;
        rein_scope s;
        rein_adopted a;
        rein_ticket *t = rein_scope_lend();
        assert_non_null(t);
        support_poor = true;
        rein_scope_open(&s, REIN_NEVER);
        support_poor = false;
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_int_equal(rein_adopt(t, &a), 0);
        assert_int_equal(rein_checkpoint(), 0);
        assert_int_equal(rein_return(&a, 0), 0);
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, 0), -ENOMEM);
        assert_int_equal(rein_checkpoint(), 0);
        rein_ticket_drop(t);
}

#if RN_CHECKING
static void test_a_broken_ticket_and_a_broken_adoption_say_so(void **state)
{
        (void)state;
        rein_scope scope;
        rein_adopted adopted;
        rein_scope_open(&scope, REIN_NEVER);
        rein_ticket *t = rein_scope_lend();
        rn_scope *lent = t->scope;
        BREAKS(t->scope, lent->parent, rn_lent_wrong(lent), "what was lent is not what its ticket stands for");
        BREAKS(lent->task, rn_self(), rn_scope_wrong(lent), "what was lent is not what its ticket stands for");
        BREAKS(lent->parent, NULL, rn_lent_wrong(lent), "what was lent is cut off, and its ticket is not over");
        assert_int_equal(rein_adopt(t, &adopted), 0);
        rn_scope *inside = rn_self()->now->scope;
        BREAKS(inside->adoption->scope, lent, rn_lent_wrong(inside),
               "the scope of an adoption has another one, or no task");
        BREAKS(inside->task, NULL, rn_lent_wrong(inside), "the scope of an adoption has another one, or no task");
        BREAKS(lent->ticket, NULL, rn_lent_wrong(inside), "an adoption is not below what it adopted");
        assert_int_equal(rn_lent_inside(lent), 0); /* it is of no group */
        BREAKS(t->refs.v, 0, rn_ticket_ask(t), "a ticket is used after its last holder dropped it");
        assert_int_equal(rein_return(&adopted, 0), 0);
        rein_ticket_drop(t);
        assert_int_equal(rein_scope_close(&scope, 0), 0);
}
#endif

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_inside_are_the_context_values_of_the_owner),
                cmocka_unit_test(test_a_cancel_of_the_scope_reaches_inside),
                cmocka_unit_test(test_a_deadline_of_the_scope_reaches_inside),
                cmocka_unit_test(test_scopes_nest_inside),
                cmocka_unit_test(test_who_is_inside_when_the_scope_is_closed_is_canceled),
                cmocka_unit_test(test_a_ticket_whose_scope_is_closed_changes_nothing),
                cmocka_unit_test(test_a_ticket_from_before_does_not_touch_the_next_scope),
                cmocka_unit_test(test_outside_of_every_scope_nothing_cancels),
                cmocka_unit_test(test_a_group_waits_for_who_is_inside),
                cmocka_unit_test(test_a_close_that_waits_goes_on_when_the_last_has_returned),
                cmocka_unit_test(test_jobs_and_groups_of_ones_own_inside),
                cmocka_unit_test(test_a_callback_on_the_same_thread),
                cmocka_unit_test(test_a_trail_from_before_is_there_again),
                cmocka_unit_test(test_who_does_it_wrong_is_told),
                cmocka_unit_test(test_a_thread_that_ends_has_returned),
                cmocka_unit_test(test_a_job_that_forgets_it_fails),
                cmocka_unit_test(test_the_jobs_scope_ends_with_the_job),
                cmocka_unit_test(test_not_in_a_forked_child),
                cmocka_unit_test(test_everything_comes_back),
                cmocka_unit_test(test_background_children_go_on_while_somebody_is_inside),
                cmocka_unit_test(test_a_group_that_is_being_closed_is_not_lent),
                cmocka_unit_test(test_what_could_not_be_opened_outside_does_not_cancel_inside),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_ticket_and_a_broken_adoption_say_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
