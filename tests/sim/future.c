/* SPDX-License-Identifier: Apache-2.0 */
/* Futures and promises: settled by several at once, waited for in sets, continued, taken. */
#include "sim/scenario.h"

typedef struct settler {
        rein_promise *promise;
        tally *tally;
        int how;
        atomic_int won, lost;
} settler;

static void settle(void *arg)
{
        settler *s = arg;
        int rc;
        if (s->how == 0)
                rc = rein_promise_keep(s->promise, s->tally, release_tally);
        else if (s->how == 1)
                rc = rein_promise_break(s->promise, -EIO, "no luck");
        else
                rc = REIN_EALREADY;
        CHECK(rc == 0 || rc == REIN_EALREADY);
        if (s->how < 2)
                count(rc == 0 ? &s->won : &s->lost);
        if (rc == 0 && s->how == 0)
                count(&s->tally->begun);
        rein_promise_drop(s->promise);
}

/* Two who settle and, in the third variant, one who drops: one wins, its value is released once. */
static int two_settle(int other)
{
        tally t = {0};
        crew c = {0};
        hand h[2];
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        settler a = {rein_promise_ref(p), &t, 0, 0, 0}, b = {p, &t, other, 0, 0};
        crew_go(&c, &h[0], "keeps", settle, &a);
        crew_go(&c, &h[1], "settles", settle, &b);
        void *value = NULL;
        int rc = rein_await(f, &value, REIN_NEVER);
        CHECK(rc == 0 ? value == &t : rein_error_code(rein_error_of(f)) == (other == 1 ? -EIO : REIN_EBROKEN) && other);
        crew_join(&c);
        CHECK(atomic_load(&a.won) + atomic_load(&b.won) == 1);
        CHECK(!atomic_load(&t.released));
        rein_drop(f);
        CHECK(atomic_load(&t.released) == atomic_load(&t.begun));
        return 0;
}

/* ---- on_cancel ---- */

static void broken_by_cancel(void *arg)
{
        settler *s = arg;
        count(&s->tally->dropped);
        (void)rein_promise_break(s->promise, REIN_ECANCELED, "as asked");
}

static void cancel_it(void *arg)
{
        rein_cancel(arg, "enough");
        rein_drop(arg);
}

static int on_cancel(int removes)
{
        tally t = {0};
        crew c = {0};
        hand h[2];
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        settler s = {p, &t, 0, 0, 0}, keeps = {rein_promise_ref(p), &t, 0, 0, 0};
        crew_go(&c, &h[0], "cancels", cancel_it, rein_ref(f));
        rein_promise_on_cancel(p, broken_by_cancel, &s);
        crew_go(&c, &h[1], "keeps", settle, &keeps);
        if (removes) {
                rein_promise_on_cancel(p, NULL, NULL);
                int called = atomic_load(&t.dropped);
                crew_join(&c);
                CHECK(atomic_load(&t.dropped) == called); /* not after it was removed */
        }
        int rc = rein_await(f, NULL, REIN_NEVER);
        CHECK(rc == 0 || failure(f) == REIN_ECANCELED);
        crew_join(&c);
        CHECK(atomic_load(&t.dropped) <= 1);
        rein_promise_on_cancel(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(f);
        CHECK(atomic_load(&t.released) == atomic_load(&t.begun));
        return 0;
}

/* ---- sets ---- */

static int sets(int which)
{
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *f[3] = {rein_submit(pool, job_count, &t, NULL), rein_submit(pool, job_fail, &t, NULL),
                             rein_submit(pool, job_nap, &t, NULL)};
        if (which == 0) {
                CHECK(rein_wait_all((rein_future *[]){f[0], f[1], f[2], f[0]}, 4, REIN_NEVER) == 0);
                CHECK(settled(f[0]) && settled(f[1]) && settled(f[2]));
        } else if (which == 1) {
                int i = rein_wait_any(f, 3, REIN_NEVER);
                CHECK(i >= 0 && i < 3 && settled(f[i]));
        } else if (which == 2) {
                int i = rein_wait_first(f, 3, REIN_NEVER);
                CHECK((i == 0 || i == 2) && rein_code(f[i]) == 0);
        } else {
                int rc = rein_wait_all(f, 3, rein_after(REIN_MS(1)));
                CHECK(rc == 0 || rc == REIN_ETIMEOUT);
                CHECK(rc != 0 || (settled(f[0]) && settled(f[1]) && settled(f[2])));
        }
        for (int i = 0; i < 3; i++) {
                (void)rein_await(f[i], NULL, REIN_NEVER);
                (void)rein_error_of(f[i]);
                rein_drop(f[i]);
        }
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

static int as_completed(int limited)
{
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *f[4] = {rein_submit(pool, job_count, &t, NULL), rein_submit(pool, job_nap, &t, NULL),
                             rein_submit(pool, job_count, &t, NULL), NULL};
        f[3] = f[0];
        rein_done it;
        bool came[4] = {false};
        int i, n = 0;
        rein_done_open(&it, f, 4);
        while ((i = rein_done_next(&it, limited ? rein_after(REIN_MS(1)) : REIN_NEVER)) >= 0) {
                CHECK(i < 4 && !came[i] && settled(f[i]));
                came[i] = true;
                n++;
        }
        CHECK(i == -ENOENT ? n == 3 : limited && i == REIN_ETIMEOUT);
        rein_done_close(&it);
        for (i = 0; i < 3; i++)
                rein_drop(f[i]);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.ended) == 3);
        return 0;
}

/* ---- continuations ---- */

static int then_count(rein_future *f, void *arg)
{
        CHECK(settled(f));
        return job_count(arg);
}

static void stop_pool(void *arg)
{
        CHECK(rein_executor_stop(arg, REIN_STOP_NOW, REIN_NEVER, NULL) == 0);
}

/* A continuation runs once, also when its executor is stopped before, while, or after it was promised. */
static int then_stopped(int variant)
{
        (void)variant;
        tally t = {0}, then = {0};
        crew c = {0};
        hand h;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1)), *other = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, job_nap, &t, NULL);
        crew_go(&c, &h, "stops", stop_pool, other);
        CHECK(rein_then(f, other, then_count, &then) != NULL);
        CHECK(rein_then(f, other, then_count, &then) != NULL);
        CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
        CHECK(rein_then(f, other, then_count, &then) != NULL);
        rein_drop(f);
        crew_join(&c);
        stop_and_free(pool, REIN_STOP_QUEUED);
        rein_executor_free(other);
        while (atomic_load(&then.ended) < 3)
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        CHECK(atomic_load(&then.begun) == 3);
        return 0;
}

static int then_removed(int variant)
{
        (void)variant;
        tally t = {0}, then = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *f = rein_submit(pool, job_count, &t, NULL);
        rein_next *n = rein_then(f, pool, then_count, &then);
        CHECK(n != NULL);
        int rc = rein_next_remove(n);
        CHECK(rc == 0 || rc == REIN_EALREADY);
        if (rc == REIN_EALREADY)
                CHECK(settled(f));
        rein_drop(f);
        stop_and_free(pool, REIN_STOP_QUEUED);
        while (rc == REIN_EALREADY && !atomic_load(&then.ended))
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        CHECK(atomic_load(&then.begun) == (rc == 0 ? 0 : 1) && atomic_load(&t.ended) == 1);
        return 0;
}

/* ---- references ---- */

static int job_give(void *arg)
{
        count(&((tally *)arg)->begun);
        return rein_give(arg, release_tally);
}

static void ref_and_drop(void *arg)
{
        rein_future *f = arg;
        CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
        void *value = NULL, (*release)(void *) = NULL;
        int rc = rein_take(f, &value, &release);
        CHECK(rc == 0 || rc == -EBUSY || rc == -ENOENT);
        if (rc == 0)
                release(value);
        rein_drop(f);
}

static int take_race(int variant)
{
        (void)variant;
        tally t = {0};
        crew c = {0};
        hand h;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, job_give, &t, NULL);
        crew_go(&c, &h, "takes", ref_and_drop, rein_ref(f));
        ref_and_drop(f);
        crew_join(&c);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.released) == 1);
        return 0;
}

/* Awaited for a moment only, dropped, and settled later: the value goes once. */
static int late_value(int variant)
{
        (void)variant;
        tally t = {0};
        crew c = {0};
        hand h;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        settler s = {p, &t, 0, 0, 0};
        crew_go(&c, &h, "keeps", settle, &s);
        int rc = rein_await(f, NULL, rein_after(REIN_MS(1)));
        CHECK(rc == 0 || rc == REIN_ETIMEOUT);
        rein_drop(f);
        crew_join(&c);
        CHECK(atomic_load(&t.released) == 1);
        return 0;
}

static void note(const rein_error *e, void *arg)
{
        CHECK(rein_error_code(e) == -EIO);
        count(&((tally *)arg)->dropped);
}

/* Each failure that nobody looks at is told once. */
static int unseen_once(int variant)
{
        (void)variant;
        tally t = {0};
        rein_on_unseen(note, &t);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *seen = rein_submit(pool, job_fail, &t, NULL);
        rein_future *one = rein_submit(pool, job_fail, &t, NULL);
        (void)rein_await(seen, NULL, REIN_NEVER);
        rein_drop(one);
        rein_drop(seen);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.dropped) == 1);
        return 0;
}

/* ---- circles ---- */

static int job_waits(void *arg) /* arg: a future, which the job's own is no part of */
{
        return rein_await(arg, NULL, REIN_NEVER) == 0 ? 0 : -EPROTO;
}

/* A chain of waits that a promise at its end resolves is no circle, and is not taken for one. */
static int no_circle(int variant)
{
        (void)variant;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *open, *a, *b;
        rein_promise *gate = rein_promise_new(&open);
        a = rein_submit(pool, job_waits, open, REIN_JOB(.on_worker = true));
        b = rein_submit(pool, job_waits, a, REIN_JOB(.on_worker = true));
        CHECK(rein_sleep(rein_after(REIN_MS(20))) == 0); /* knots are looked for after ten */
        CHECK(rein_promise_keep(gate, NULL, NULL) == 0);
        CHECK(rein_await(b, NULL, REIN_NEVER) == 0 && rein_await(a, NULL, REIN_NEVER) == 0);
        rein_drop(a);
        rein_drop(b);
        rein_promise_drop(gate);
        rein_drop(open);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* Two jobs that wait for each other: one of them at least is told, and both end. */
typedef struct pair {
        rein_future *f[2];
        atomic_int ready, deadlocks;
} pair;

static int wait_for(pair *p, int i)
{
        while (!atomic_load(&p->ready))
                if (rein_sleep(rein_after(REIN_MS(1))) < 0)
                        return -EPROTO;
        if (rein_await(p->f[i], NULL, REIN_NEVER) == REIN_EDEADLOCK) {
                CHECK(rein_error_code(rein_trail()) == REIN_EDEADLOCK);
                count(&p->deadlocks);
        }
        return 0;
}

static int wait_first(void *arg)
{
        return wait_for(arg, 0);
}

static int wait_second(void *arg)
{
        return wait_for(arg, 1);
}

static int circle_of_two(int pools)
{
        pair p = {0};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        rein_executor *y = pools > 1 ? rein_pool_new(REIN_POOL(.threads = 1)) : x;
        p.f[0] = rein_submit(x, wait_second, &p, REIN_JOB(.on_worker = true));
        p.f[1] = rein_submit(y, wait_first, &p, REIN_JOB(.on_worker = true));
        atomic_store(&p.ready, 1);
        CHECK(rein_wait_all(p.f, 2, REIN_NEVER) == 0);
        CHECK(rein_code(p.f[0]) == 0 && rein_code(p.f[1]) == 0);
        CHECK(atomic_load(&p.deadlocks) >= 1);
        rein_drop(p.f[0]);
        rein_drop(p.f[1]);
        stop_and_free(x, REIN_STOP_QUEUED);
        if (y != x)
                stop_and_free(y, REIN_STOP_QUEUED);
        return 0;
}

const scenario future_scenarios[] = {
        {"keep_keep", two_settle, 0, HARMLESS, 1},
        {"keep_break", two_settle, 1, HARMLESS, 1},
        {"on_cancel", on_cancel, 0, HARMLESS, 2},
        {"on_cancel_removed", on_cancel, 1, HARMLESS, 2},
        {"wait_all", sets, 0, RACY, 1},
        {"wait_any", sets, 1, RACY, 1},
        {"wait_first", sets, 2, RACY, 2},
        {"wait_all_limit", sets, 3, RACY, 1},
        {"as_completed", as_completed, 0, RACY, 2},
        {"as_completed_limit", as_completed, 1, RACY, 1},
        {"then_stopped", then_stopped, 0, RACY, 3},
        {"then_removed", then_removed, 0, HARMLESS, 2},
        {"take_race", take_race, 0, HARMLESS, 1},
        {"late_value", late_value, 0, RACY, 1},
        {"unseen_once", unseen_once, 0, HARMLESS, 1},
        {"no_circle", no_circle, 0, HARMLESS, 1},
        {"circle_of_two", circle_of_two, 1, RACY, 2},
        {"circle_of_two_pools", circle_of_two, 2, RACY, 2},
        {0},
};
