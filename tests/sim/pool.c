/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs on a pool: awaited, cancelled, dropped, claimed, nested, with limits, shared, abandoned. */
#include "sim/scenario.h"

static int submit_await(int threads)
{
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = threads));
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(pool, job_count, &t, NULL);
        for (int i = 0; i < 3; i++) {
                CHECK(rein_await(f[i], NULL, REIN_NEVER) == 0);
                CHECK(rein_code(f[i]) == 0);
                rein_drop(f[i]);
        }
        CHECK(atomic_load(&t.ended) == 3);
        CHECK(rein_executor_threads(pool) <= (size_t)threads);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- cancel ---- */

static void cancel_it(void *arg)
{
        rein_future *f = arg;
        rein_cancel_answer a = rein_cancel(f, "by the other");
        if (a == REIN_NEVER_STARTED || a == REIN_TOO_LATE)
                CHECK(settled(f));
        CHECK(rein_cancel(f, "again") != REIN_NEVER_STARTED || a == REIN_NEVER_STARTED);
        rein_drop(f);
}

static int cancel_race(int sleeps)
{
        tally t = {0};
        crew c = {0};
        hand h[2];
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, sleeps ? job_sleep : job_nap, &t,
                                     REIN_JOB(.release = release_tally, .on_worker = true));
        crew_go(&c, &h[0], "canceler", cancel_it, rein_ref(f));
        crew_go(&c, &h[1], "canceler2", cancel_it, rein_ref(f));
        int rc = rein_await(f, NULL, REIN_NEVER);
        if (rc == 0) {
                CHECK(!sleeps && atomic_load(&t.ended) == 1);
        } else {
                CHECK(rc == REIN_EFAILED && failure(f) == REIN_ECANCELED);
                CHECK(atomic_load(&t.begun) == atomic_load(&t.ended));
        }
        CHECK(atomic_load(&t.released) == 1);
        crew_join(&c);
        CHECK(rein_cancel(f, "late") == REIN_TOO_LATE);
        rein_drop(f);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- dropped ---- */

static int job_give(void *arg)
{
        tally *t = arg;
        count(&t->begun);
        int rc = rein_give(t, release_tally);
        return rc;
}

static void drop_arg(void *arg)
{
        count(&((tally *)arg)->dropped);
}

static int drop_race(int n)
{
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        for (int i = 0; i < n; i++)
                rein_drop(rein_submit(pool, job_give, &t, REIN_JOB(.release = drop_arg)));
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.begun) == n && atomic_load(&t.dropped) == n && atomic_load(&t.released) == n);
        return 0;
}

/* A value given, then a failure; a value given twice; a value and a cancel: each value goes once. */
static int job_give_twice(void *arg)
{
        tally *t = arg;
        count(&t->begun);
        count(&t->begun);
        if (rein_give(t, release_tally) < 0 || rein_give(t, release_tally) < 0)
                return -EPROTO;
        return rein_sleep(rein_after(REIN_MS(1)));
}

static int values(int variant)
{
        (void)variant;
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *a = rein_submit(pool, job_give_twice, &t, NULL), *b = rein_submit(pool, job_give_twice, &t, NULL);
        rein_cancel(a, "maybe in the middle");
        void *value = NULL, (*release)(void *) = NULL;
        int rc = rein_await(b, NULL, REIN_NEVER);
        CHECK(rc == 0);
        CHECK(rein_take(b, &value, &release) == 0 && value == &t);
        CHECK(rein_take(b, &value, &release) == -ENOENT);
        release(value);
        rc = rein_await(a, NULL, REIN_NEVER);
        CHECK(rc == 0 || failure(a) == REIN_ECANCELED);
        rein_drop(a);
        rein_drop(b);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.released) == atomic_load(&t.begun));
        return 0;
}

/* ---- claimed, nested ---- */

static void await_it(void *arg)
{
        rein_future *f = arg;
        CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
        rein_drop(f);
}

static int claims(int variant)
{
        (void)variant;
        tally t = {0};
        crew c = {0};
        hand h[2];
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *first = rein_submit(pool, job_nap, &t, NULL);
        rein_future *f = rein_submit(pool, job_count, &t, NULL);
        crew_go(&c, &h[0], "claimer", await_it, rein_ref(f));
        crew_go(&c, &h[1], "claimer2", await_it, rein_ref(f));
        CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
        CHECK(rein_await(first, NULL, REIN_NEVER) == 0);
        crew_join(&c);
        CHECK(atomic_load(&t.begun) == 2 && atomic_load(&t.ended) == 2);
        rein_drop(f);
        rein_drop(first);
        stop_and_free(pool, REIN_STOP_RUNNING);
        return 0;
}

typedef struct nest {
        rein_executor *pool;
        int depth;
        tally *tally;
        bool on_worker;
} nest;

static int job_nested(void *arg)
{
        nest n = *(nest *)arg;
        count(&n.tally->begun);
        if (n.depth) {
                n.depth--;
                rein_future *a =
                        rein_submit(n.pool, job_nested, &n, REIN_JOB(.arg_size = sizeof n, .on_worker = n.on_worker));
                rein_future *b =
                        rein_submit(n.pool, job_nested, &n, REIN_JOB(.arg_size = sizeof n, .on_worker = n.on_worker));
                int rc = rein_wait_all((rein_future *[]){a, b}, 2, REIN_NEVER);
                int x = rein_code(a), y = rein_code(b);
                rein_drop(a);
                rein_drop(b);
                if (rc < 0 || x < 0 || y < 0)
                        return rein_fail(-EPROTO, "below: %d %d %d", rc, x, y);
        }
        count(&n.tally->ended);
        return 0;
}

static int nested_wait(int on_worker)
{
        tally t = {0};
        nest n = {rein_pool_new(REIN_POOL(.threads = 1)), 2, &t, on_worker != 0};
        rein_future *f = rein_submit(n.pool, job_nested, REIN_COPY(n));
        CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
        rein_drop(f);
        stop_and_free(n.pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.begun) == 7 && atomic_load(&t.ended) == 7);
        return 0;
}

/* Two jobs that hold both threads and wait for children of their own. */
static int lend_permits(int variant)
{
        (void)variant;
        tally t = {0};
        nest n = {rein_pool_new(REIN_POOL(.threads = 2)), 1, &t, true};
        rein_future *f[2] = {rein_submit(n.pool, job_nested, REIN_COPY(n)),
                             rein_submit(n.pool, job_nested, REIN_COPY(n))};
        CHECK(rein_wait_all(f, 2, REIN_NEVER) == 0);
        CHECK(rein_code(f[0]) == 0 && rein_code(f[1]) == 0);
        rein_drop(f[0]);
        rein_drop(f[1]);
        stop_and_free(n.pool, REIN_STOP_NOW);
        CHECK(atomic_load(&t.ended) == 6);
        return 0;
}

/* ---- limits ---- */

static int limit(int naps)
{
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, naps ? job_nap : job_sleep, &t, REIN_JOB(.limit_ns = REIN_MS(1)));
        int rc = rein_await(f, NULL, REIN_NEVER);
        CHECK(atomic_load(&t.ended) == 1);
        if (rc < 0)
                CHECK(rc == REIN_EFAILED && rein_error_is(rein_error_of(f), REIN_ETIMEOUT));
        else
                CHECK(naps);
        rein_drop(f);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

static int start_by(int variant)
{
        (void)variant;
        tally t = {0}, late = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, job_nap, &t, NULL);
        rein_future *g =
                rein_submit(pool, job_count, &late,
                            REIN_JOB(.start_by = rein_after(REIN_MS(1)), .on_worker = true, .release = release_tally));
        int rc = rein_await(g, NULL, REIN_NEVER);
        CHECK(rc == 0 ? atomic_load(&late.ended) == 1 : failure(g) == REIN_EREJECTED && !atomic_load(&late.begun));
        CHECK(atomic_load(&late.released) == 1);
        CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
        rein_drop(f);
        rein_drop(g);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- shared runs ---- */

typedef struct sharer {
        rein_executor *pool;
        tally *tally;
        int how;
} sharer;

static void share_it(void *arg)
{
        sharer *s = arg;
        rein_future *f = rein_submit(s->pool, job_nap, s->tally, REIN_JOB(.share = "one", .release = release_tally));
        if (s->how == 1) {
                rein_cancel_answer a = rein_cancel(f, "no more");
                CHECK(a != REIN_TOO_LATE || settled(f));
        } else if (s->how == 2) {
                (void)rein_await(f, NULL, rein_after(REIN_MS(1)));
                rein_cancel(f, "too slow");
        } else {
                CHECK(rein_await(f, NULL, REIN_NEVER) == 0); /* another's leaving is nothing to us */
        }
        rein_drop(f);
}

static int share_leave(int how)
{
        tally t = {0};
        crew c = {0};
        hand h[2];
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        sharer stays = {pool, &t, how == 2 ? 2 : 0}, leaves = {pool, &t, how}, leaves2 = {pool, &t, 2};
        crew_go(&c, &h[0], "stays", share_it, &stays);
        crew_go(&c, &h[1], "leaves", share_it, &leaves);
        share_it(&leaves2);
        crew_join(&c);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended) && atomic_load(&t.begun) <= 3);
        CHECK(atomic_load(&t.released) == 3);
        return 0;
}

/* ---- abandoned ---- */

static void note_unseen(const rein_error *e, void *arg)
{
        CHECK(rein_error_code(e) == REIN_EABANDONED);
        count(&((tally *)arg)->dropped);
}

static int job_deaf(void *arg)
{
        tally *t = arg;
        count(&t->begun);
        (void)rein_sim_block(rein_after(REIN_SEC(1)));
        count(&t->ended);
        return 0;
}

static int abandoned(int replace)
{
        tally t = {0}, u = {0};
        rein_on_unseen(note_unseen, &t);
        rein_executor *pool =
                rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(10), .replace_abandoned = replace));
        rein_future *f =
                rein_submit(pool, job_deaf, &t, REIN_JOB(.unheeded = REIN_ABANDON_IT, .release = release_tally));
        rein_future *g = rein_submit(pool, job_count, &u, REIN_JOB(.on_worker = true));
        rein_cancel_answer answer = rein_cancel(f, "leave");
        int rc = rein_await(f, NULL, REIN_NEVER), abandons = 0;
        if (rc == 0) {
                CHECK(answer != REIN_NEVER_STARTED && atomic_load(&t.ended) == 1);
        } else {
                abandons = failure(f) == REIN_EABANDONED;
                CHECK(failure(f) == (answer == REIN_ASKED ? REIN_EABANDONED : REIN_ECANCELED));
        }
        rc = rein_await(g, NULL, REIN_NEVER);
        CHECK(rc == 0 ? atomic_load(&u.ended) == 1
                      : failure(g) == REIN_EREJECTED && !atomic_load(&u.begun) && !replace);
        rein_drop(f);
        rein_drop(g);
        for (rc = -1; rc < 0;) { /* when it has come back there is room again */
                g = rein_submit(pool, job_count, &u, NULL);
                rc = rein_await(g, NULL, REIN_NEVER);
                CHECK(rc == 0 || failure(g) == REIN_EREJECTED);
                rein_drop(g);
                CHECK(rein_sleep(rein_after(REIN_SEC(5))) == 0);
        }
        while (!atomic_load(&t.released)) /* a stop does not wait for what was abandoned, but says that it is stuck */
                CHECK(rein_sleep(rein_after(REIN_SEC(5))) == 0);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.released) == 1 && atomic_load(&t.begun) == atomic_load(&t.ended));
        CHECK(atomic_load(&t.dropped) == abandons); /* the late log */
        return 0;
}

/* Nobody cancels it: its own limit does, and after the grace it is left behind. It stays until it is let go. */
typedef struct deaf {
        tally tally;
        atomic_int let_go;
} deaf;

static int job_stays(void *arg)
{
        deaf *d = arg;
        while (!atomic_load(&d->let_go))
                (void)rein_sim_sleep_on(d, "foreign code", REIN_NEVER);
        return 0;
}

static int abandoned_by_limit(int variant)
{
        (void)variant;
        deaf d = {0};
        rein_on_unseen(note_unseen, &d.tally);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(10)));
        rein_future *f =
                rein_submit(pool, job_stays, &d,
                            REIN_JOB(.limit_ns = REIN_MS(1), .unheeded = REIN_ABANDON_IT, .release = release_tally));
        CHECK(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED);
        CHECK(failure(f) == REIN_EABANDONED && rein_error_is(rein_error_of(f), REIN_ETIMEOUT));
        CHECK(!rein_gone(f) && !atomic_load(&d.tally.released));
        rein_drop(f);
        atomic_store(&d.let_go, 1);
        (void)rein_sim_wake(&d, 1);
        while (rein_executor_unfinished(pool))
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&d.tally.released) == 1 && atomic_load(&d.tally.dropped) == 1);
        return 0;
}

/* ---- threads ---- */

static int init_fails(void *arg)
{
        count(&((tally *)arg)->begun);
        return rein_fail(-ENODEV, "no engine");
}

static int broken_init(int variant)
{
        (void)variant;
        tally t = {0}, jobs = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2, .init = init_fails, .init_arg = &t));
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(pool, job_count, &jobs, REIN_JOB(.release = release_tally));
        rein_cancel(f[1], "first");
        for (int i = 0; i < 3; i++) {
                CHECK(rein_await(f[i], NULL, REIN_NEVER) == REIN_EFAILED);
                CHECK(failure(f[i]) == REIN_EREJECTED || (i == 1 && failure(f[i]) == REIN_ECANCELED));
                rein_drop(f[i]);
        }
        CHECK(!atomic_load(&jobs.begun) && atomic_load(&jobs.released) == 3 && atomic_load(&t.begun) >= 1);
        stop_and_free(pool, REIN_STOP_NOW);
        return 0;
}

static int thread_init(void *arg)
{
        count(&((tally *)arg)->begun);
        return 0;
}

static int thread_fini(void *arg)
{
        count(&((tally *)arg)->ended);
        return 0;
}

static int init_fini(int variant)
{
        (void)variant;
        tally t = {0}, jobs = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2, .idle_ns = REIN_MS(1), .init = thread_init,
                                                      .fini = thread_fini, .init_arg = &t));
        for (int i = 0; i < 2; i++) {
                rein_future *f = rein_submit(pool, job_count, &jobs, NULL);
                rein_future *g = rein_submit(pool, job_nap, &jobs, NULL);
                CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
                CHECK(rein_await(g, NULL, REIN_NEVER) == 0);
                rein_drop(f);
                rein_drop(g);
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        }
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended) && atomic_load(&t.begun) >= 1);
        return 0;
}

/* A job arrives in the moment in which the only thread has been idle for long enough. */
static int idle_end(int variant)
{
        (void)variant;
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1, .idle_ns = REIN_MS(1)));
        for (int i = 1; i <= 3; i++) {
                rein_future *f = rein_submit(pool, job_count, &t, REIN_JOB(.on_worker = true));
                CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
                rein_drop(f);
                CHECK(atomic_load(&t.ended) == i);
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        }
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

static int job_blocks(void *arg) /* until the other two have ended: a spare has to run them */
{
        tally *t = arg;
        count(&t->begun);
        while (atomic_load(&t->ended) < 2)
                (void)rein_sim_block(rein_after(REIN_SEC(1)));
        count(&t->ended);
        return 0;
}

static int elastic(int variant)
{
        (void)variant;
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1, .elastic = true, .threads_max = 3));
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(pool, i ? job_count : job_blocks, &t, REIN_JOB(.on_worker = true));
        CHECK(rein_wait_all(f, 3, REIN_NEVER) == 0);
        for (int i = 0; i < 3; i++)
                rein_drop(f[i]);
        CHECK(rein_executor_threads(pool) <= 3);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.ended) == 3);
        return 0;
}

const scenario pool_scenarios[] = {
        {"submit_await_1", submit_await, 1, HARMLESS, 1},
        {"submit_await_2", submit_await, 2, HARMLESS, 2},
        {"cancel_race_sleeping", cancel_race, 1, RACY, 2},
        {"cancel_race_ending", cancel_race, 0, RACY, 2},
        {"drop_race", drop_race, 3, HARMLESS, 1},
        {"values", values, 0, RACY, 1},
        {"claims", claims, 0, RACY, 2},
        {"nested_wait", nested_wait, 0, HARMLESS, 2},
        {"nested_wait_on_worker", nested_wait, 1, HARMLESS, 1},
        {"lend_permits", lend_permits, 0, HARMLESS, 2},
        {"limit", limit, 0, RACY, 1},
        {"limit_in_time", limit, 1, RACY, 1},
        {"start_by", start_by, 0, RACY, 2},
        {"share_cancel", share_leave, 1, RACY, 2},
        {"share_all_leave", share_leave, 2, RACY, 2},
        {"abandoned_exhausted", abandoned, 0, HARMLESS, 2},
        {"abandoned_replaced", abandoned, 1, HARMLESS, 1},
        {"abandoned_by_limit", abandoned_by_limit, 0, HARMLESS, 1},
        {"broken_init", broken_init, 0, HARMLESS, 2},
        {"init_fini", init_fini, 0, RACY, 1},
        {"idle_end", idle_end, 0, RACY, 2},
        {"elastic", elastic, 0, HARMLESS, 1},
        {0},
};
