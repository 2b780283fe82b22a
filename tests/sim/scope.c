/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes: deadlines, cancels, shields, hook regions, rein_on, retries, context values. */
#include "sim/scenario.h"

static void cancel_scope(void *arg)
{
        rein_scope_cancel((rein_scope *)arg, "by another");
}

static int sleep_canceled(int variant)
{
        (void)variant;
        crew c = {0};
        hand h;
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        crew_go(&c, &h, "cancels", cancel_scope, &s);
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        CHECK(rc == 0 || (rc == REIN_ECANCELED && rein_why()));
        CHECK(rein_scope_close(&s, rc) == (rc == 0 ? 0 : REIN_ESTOPPED)); /* the other may still be on its way */
        CHECK(rein_checkpoint() == 0);
        crew_join(&c);
        return 0;
}

/* ---- deadlines ---- */

static int nap_within(void *arg)
{
        int rc = rein_sleep(rein_after(REIN_MS(*(int *)arg)));
        CHECK(rc == 0 || rc == REIN_ECANCELED);
        return rc;
}

static int within(int ms)
{
        int rc = rein_within(rein_after(REIN_MS(2)), nap_within, &ms);
        CHECK(rc == 0 || rc == REIN_ETIMEOUT);
        CHECK(rein_checkpoint() == 0);
        rein_scope outer, inner;
        rein_scope_open(&outer, rein_after(REIN_MS(1)));
        rein_scope_open(&inner, rein_after(REIN_MS(1)));
        rc = rein_scope_close(&inner, rein_sleep(REIN_NEVER));
        CHECK(rc == REIN_ECANCELED || rc == REIN_ETIMEOUT); /* which of the two came first is the clock's */
        CHECK(rein_scope_close(&outer, REIN_ECANCELED) == REIN_ETIMEOUT);
        return 0;
}

/* ---- rein_on ---- */

typedef struct frame {
        rein_executor *pool;
        tally *tally;
        int local;
} frame;

static int job_looks_up(void *arg)
{
        frame *f = arg;
        count(&f->tally->begun);
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        f->local++; /* on the stack of the task that waits, which is there until this is gone */
        count(&f->tally->ended);
        return rc;
}

static void on_in_scope(void *arg)
{
        frame *o = arg;
        frame mine = {o->pool, o->tally, 0};
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        int begun = atomic_load(&o->tally->begun);
        int rc = rein_on(o->pool, job_looks_up, &mine, NULL);
        CHECK(rc == 0 || rc == REIN_ECANCELED || rc == REIN_EREJECTED);
        CHECK(mine.local == (rc == 0 ? 1 : mine.local));
        (void)begun;
        rc = rein_scope_close(&s, rc);
        CHECK(rc == 0 || rc == REIN_ETIMEOUT || rc == REIN_EREJECTED);
}

static int on_pool(int threads)
{
        tally t = {0};
        crew c = {0};
        hand h;
        frame f = {rein_pool_new(REIN_POOL(.threads = threads)), &t, 0};
        crew_go(&c, &h, "other", on_in_scope, &f);
        on_in_scope(&f);
        crew_join(&c);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended));
        stop_and_free(f.pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- shields ---- */

static int job_cleans_up(void *arg)
{
        tally *t = arg;
        count(&t->begun);
        int rc = rein_sleep(REIN_NEVER), late;
        CHECK(rc == REIN_ECANCELED);
        rein_scope shield;
        rein_shield_open(&shield, REIN_MS(10));
        late = rein_sleep(rein_after(REIN_MS(1)));
        CHECK(late == 0 || late == REIN_ECANCELED);
        if (late == 0)
                count(&t->dropped);
        late = rein_scope_close(&shield, late);
        count(&t->ended);
        return rc;
}

static int shield(int variant)
{
        (void)variant;
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, job_cleans_up, &t, NULL);
        rein_cancel_answer a = rein_cancel(f, "clean up");
        CHECK(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED && failure(f) == REIN_ECANCELED);
        CHECK(a == REIN_NEVER_STARTED || a == REIN_ASKED);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended));
        rein_drop(f);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- hook regions ---- */

typedef struct foreign {
        tally *tally;
        atomic_int stopped, open, late;
        bool poke;
} foreign;

static void stop_foreign(void *arg)
{
        foreign *f = arg;
        if (!atomic_load(&f->open))
                count(&f->late);
        atomic_store(&f->stopped, 1);
        (void)rein_sim_wake(f, 1);
}

static int job_foreign(void *arg)
{
        foreign *f = arg;
        count(&f->tally->begun);
        rein_hook h;
        atomic_store(&f->open, 1);
        int rc = rein_hook_open(&h, f->poke ? REIN_POKE : stop_foreign, f);
        if (rc == 0) {
                if (f->poke) {
                        while (rein_sim_block(REIN_NEVER) != -EINTR)
                                ;
                } else {
                        while (!atomic_load(&f->stopped))
                                (void)rein_sim_sleep_on(f, "foreign call", rein_after(REIN_SEC(60)));
                }
                rc = rein_hook_close(&h, 0);
                CHECK(rc == REIN_ECANCELED);
        }
        atomic_store(&f->open, 0);
        int next = rein_sim_block(rein_after(REIN_MS(1))); /* whose call no poke may hit any more */
        CHECK(next == 0);
        count(&f->tally->ended);
        return rc;
}

static int hook(int poke)
{
        tally t = {0};
        foreign f = {.tally = &t, .poke = poke != 0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *x = rein_submit(pool, job_foreign, &f, poke ? REIN_JOB(.limit_ns = REIN_MS(5)) : NULL);
        if (!poke)
                rein_cancel(x, "interrupt it");
        CHECK(rein_await(x, NULL, REIN_NEVER) == REIN_EFAILED);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended) && !atomic_load(&f.late));
        rein_drop(x);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

static int hook_done_in_time(int variant)
{
        (void)variant;
        tally t = {0};
        crew c = {0};
        hand h;
        foreign f = {.tally = &t};
        rein_scope s;
        rein_hook k;
        rein_scope_open(&s, REIN_NEVER);
        crew_go(&c, &h, "cancels", cancel_scope, &s);
        atomic_store(&f.open, 1);
        int rc = rein_hook_open(&k, stop_foreign, &f);
        if (rc == 0) {
                rein_sim_point("the foreign call");
                rc = rein_hook_close(&k, 0);
                CHECK(rc == (atomic_load(&f.stopped) ? REIN_ECANCELED : 0));
        } else {
                CHECK(rc == REIN_ECANCELED && !atomic_load(&f.stopped));
        }
        atomic_store(&f.open, 0);
        rc = rein_scope_close(&s, rc);
        CHECK(rc == 0 || rc == REIN_ESTOPPED);
        crew_join(&c);
        CHECK(!atomic_load(&f.late));
        return 0;
}

/* ---- retries ---- */

typedef struct flaky {
        int fails;
        atomic_int tries;
        rein_budget *budget;
} flaky;

static int try_it(void *arg)
{
        flaky *f = arg;
        int n = atomic_fetch_add(&f->tries, 1);
        rein_sim_point("tries");
        return n < f->fails ? rein_fail(-EAGAIN, "not yet") : n;
}

static void retries(void *arg)
{
        flaky *f = arg;
        flaky mine = {f->fails, 0, f->budget};
        int rc = rein_retry(REIN_RETRY(.tries = 4, .budget = f->budget), try_it, &mine);
        CHECK(rc == mine.fails || rc == -EAGAIN);
        CHECK(rc < 0 ? atomic_load(&mine.tries) <= 4 : atomic_load(&mine.tries) == mine.fails + 1);
}

static int retry(int fails)
{
        crew c = {0};
        hand h;
        flaky f = {fails, 0, rein_budget_new(4, 1)};
        crew_go(&c, &h, "other", retries, &f);
        retries(&f);
        crew_join(&c);
        rein_budget_free(f.budget);
        return 0;
}

static int retry_canceled(int variant)
{
        (void)variant;
        crew c = {0};
        hand h;
        flaky f = {100, 0, NULL};
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        crew_go(&c, &h, "cancels", cancel_scope, &s);
        int rc = rein_retry(REIN_RETRY(.tries = 3, .delay_ns = REIN_SEC(1)), try_it, &f);
        CHECK(rc == REIN_ECANCELED || (rc == -EAGAIN && atomic_load(&f.tries) == 3));
        rc = rein_scope_close(&s, rc);
        CHECK(rc == REIN_ESTOPPED || rc == -EAGAIN);
        crew_join(&c);
        return 0;
}

/* ---- context values ---- */

static const rein_key color = {"color", release_tally};

static int job_colored(void *arg)
{
        tally *t = arg;
        count(&t->begun);
        CHECK(rein_context_get(&color) == t);
        rein_sim_point("works");
        CHECK(rein_context_get(&color) == t);
        count(&t->ended);
        return 0;
}

static int context(int variant)
{
        static tally last;
        (void)variant;
        tally t = {0}, u = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        CHECK(rein_context_set(&color, &t) == 0);
        rein_future *a = rein_submit(pool, job_colored, &t, NULL);
        CHECK(rein_context_set(&color, &u) == 0);
        rein_future *b = rein_submit(pool, job_colored, &u, NULL);
        rein_cancel(b, "maybe");
        CHECK(rein_await(a, NULL, REIN_NEVER) == 0);
        (void)rein_await(b, NULL, REIN_NEVER);
        rein_drop(a);
        rein_drop(b);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.released) == 1 && !atomic_load(&u.released));
        CHECK(rein_context_set(&color, &last) == 0); /* until this task's end, which is after this frame's */
        CHECK(atomic_load(&u.released) == 1);
        return 0;
}

const scenario scope_scenarios[] = {
        {"sleep_canceled", sleep_canceled, 0, RACY, 2},
        {"within", within, 2, RACY, 1},
        {"on_one_thread", on_pool, 1, RACY, 2},
        {"on_two_threads", on_pool, 2, RACY, 1},
        {"shield", shield, 0, RACY, 2},
        {"hook_function", hook, 0, RACY, 2},
        {"hook_poke", hook, 1, RACY, 2},
        {"hook_done_in_time", hook_done_in_time, 0, RACY, 2},
        {"retry_budget", retry, 2, RACY, 1},
        {"retry_canceled", retry_canceled, 0, RACY, 1},
        {"context", context, 0, RACY, 1},
        {0},
};
