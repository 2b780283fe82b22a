/* SPDX-License-Identifier: Apache-2.0 */
/* Stops of a pool against submits, against each other, from inside; restarts. */
#include "sim/scenario.h"

typedef struct one {
        rein_executor *pool;
        tally *tally;
        atomic_int ran, rejected, canceled;
} one;

static void submit_three(void *arg)
{
        one *o = arg;
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(o->pool, job_nap, o->tally, REIN_JOB(.release = release_tally));
        for (int i = 0; i < 3; i++) {
                int rc = rein_await(f[i], NULL, REIN_NEVER), code = failure(f[i]);
                CHECK(rc == 0 || code == REIN_EREJECTED || code == REIN_ECANCELED);
                count(rc == 0 ? &o->ran : code == REIN_EREJECTED ? &o->rejected : &o->canceled);
                rein_drop(f[i]);
        }
}

static int stop_submit(int how)
{
        tally t = {0};
        crew c = {0};
        hand h;
        one o = {rein_pool_new(REIN_POOL(.threads = 2)), &t, 0, 0, 0};
        crew_go(&c, &h, "submits", submit_three, &o);
        rein_receipt *r = NULL;
        CHECK(rein_executor_stop(o.pool, (rein_stop)how, REIN_NEVER, &r) == 0);
        CHECK(rein_executor_unfinished(o.pool) == 0 && rein_executor_threads(o.pool) == 0);
        int begun = atomic_load(&t.begun);
        CHECK(begun == atomic_load(&t.ended));
        for (size_t i = 0; i < rein_receipt_count(r); i++) {
                rein_straggler s = {.size = sizeof s};
                CHECK(rein_receipt_at(r, i, &s) && s.gone);
        }
        rein_receipt_free(r);
        crew_join(&c);
        CHECK(atomic_load(&t.begun) == begun); /* nothing begins after a stop has returned */
        CHECK(atomic_load(&t.released) == 3);
        CHECK(atomic_load(&o.ran) + atomic_load(&o.rejected) + atomic_load(&o.canceled) == 3);
        if (how == REIN_STOP_QUEUED)
                CHECK(!atomic_load(&o.canceled));
        rein_executor_free(o.pool);
        return 0;
}

/* Two stops at once, the one harsher than the other; each returns when it is over. */
typedef struct stopper {
        rein_executor *pool;
        rein_stop how;
} stopper;

static void stop_it(void *arg)
{
        stopper *s = arg;
        CHECK(rein_executor_stop(s->pool, s->how, REIN_NEVER, NULL) == 0);
        CHECK(rein_executor_unfinished(s->pool) == 0);
}

static int two_stops(int begins)
{
        tally t = {0};
        crew c = {0};
        hand h;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, job_nap, &t, NULL), *g = rein_submit(pool, job_sleep, &t, NULL);
        stopper a = {pool, REIN_STOP_RUNNING}, b = {pool, REIN_STOP_NOW};
        if (begins)
                CHECK(rein_executor_stop_begin(pool, REIN_STOP_QUEUED, REIN_NEVER) == 0);
        crew_go(&c, &h, "stops", stop_it, &a);
        stop_it(&b);
        crew_join(&c);
        CHECK(settled(f) && settled(g));
        int rc = rein_await(f, NULL, REIN_NOWAIT);
        CHECK(rc == 0 || failure(f) == REIN_ECANCELED || failure(f) == REIN_EREJECTED);
        CHECK(rein_await(g, NULL, REIN_NOWAIT) == REIN_EFAILED);
        rein_drop(f);
        rein_drop(g);
        rein_executor_free(pool);
        return 0;
}

/* By its deadline a stop returns whatever happens. */
static void note_unseen(const rein_error *e, void *arg)
{
        CHECK(rein_error_code(e) == REIN_EABANDONED && !arg);
}

static int job_deaf(void *arg)
{
        tally *t = arg;
        count(&t->begun);
        (void)rein_sim_block(rein_after(REIN_SEC(10)));
        count(&t->ended);
        return 0;
}

static int stop_deadline(int variant)
{
        (void)variant;
        tally t = {0};
        rein_on_unseen(note_unseen, NULL);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(10)));
        rein_future *f = rein_submit(pool, job_deaf, &t, REIN_JOB(.name = "deaf", .release = release_tally));
        rein_future *g = rein_submit(pool, job_nap, &t, REIN_JOB(.release = release_tally));
        while (!atomic_load(&t.begun))
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        rein_receipt *r = NULL;
        int rc = rein_executor_stop(pool, REIN_STOP_NOW, rein_after(REIN_SEC(1)), &r);
        CHECK(rc == 0 || rc == REIN_ESTUCK);
        CHECK(settled(f) && settled(g));
        rein_straggler s = {.size = sizeof s};
        if (rc == REIN_ESTUCK) /* a job; or only a thread that was on its way out */
                CHECK(rein_receipt_at(r, 0, &s) || !rein_executor_unfinished(pool));
        rc = rein_await(f, NULL, REIN_NEVER);
        CHECK(rc == 0 || failure(f) == REIN_ECANCELED || failure(f) == REIN_EABANDONED);
        rein_receipt_free(r);
        (void)rein_await(g, NULL, REIN_NEVER);
        (void)rein_error_of(g);
        rein_drop(f);
        rein_drop(g);
        while (rein_executor_unfinished(pool)) /* a stop does not wait for what was abandoned */
                CHECK(rein_sleep(rein_after(REIN_SEC(1))) == 0);
        stop_and_free(pool, REIN_STOP_NOW);
        CHECK(atomic_load(&t.released) == 2 && atomic_load(&t.begun) == atomic_load(&t.ended));
        return 0;
}

/* Threads that would be idle for ever are woken by a stop, and by a job; nothing here has a timer to be saved by. */
static int stop_wakes_the_idle(int how)
{
        tally t = {0};
        crew c = {0};
        hand h;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2, .idle_ns = INT64_MAX));
        for (int i = 0; i < 2; i++) {
                rein_future *f[2] = {rein_submit(pool, job_count, &t, REIN_JOB(.on_worker = true)),
                                     rein_submit(pool, job_count, &t, REIN_JOB(.on_worker = true))};
                CHECK(rein_wait_all(f, 2, REIN_NEVER) == 0);
                rein_drop(f[0]);
                rein_drop(f[1]);
        }
        stopper s = {pool, (rein_stop)how};
        crew_go(&c, &h, "stops", stop_it, &s);
        stop_it(&s);
        crew_join(&c);
        CHECK(rein_executor_threads(pool) == 0 && atomic_load(&t.ended) == 4);
        rein_executor_free(pool);
        return 0;
}

/* ---- restart ---- */

static int restart(int variant)
{
        (void)variant;
        tally t = {0};
        crew c = {0};
        hand h;
        one o = {rein_pool_new(REIN_POOL(.threads = 1)), &t, 0, 0, 0};
        crew_go(&c, &h, "submits", submit_three, &o);
        CHECK(rein_executor_stop(o.pool, REIN_STOP_RUNNING, REIN_NEVER, NULL) == 0);
        CHECK(rein_executor_restart(o.pool) == 0);
        CHECK(rein_executor_restart(o.pool) == -EBUSY);
        rein_future *f = rein_submit(o.pool, job_nap, &t, REIN_JOB(.release = release_tally));
        CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
        rein_drop(f);
        crew_join(&c);
        stop_and_free(o.pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&t.released) == 4);
        CHECK(atomic_load(&o.ran) + atomic_load(&o.rejected) + atomic_load(&o.canceled) == 3);
        return 0;
}

/* ---- from inside ---- */

static int job_frees(void *arg)
{
        one *o = arg;
        count(&o->tally->begun);
        rein_executor_free(o->pool);
        count(&o->tally->ended);
        return 0;
}

static int free_from_job(int variant)
{
        (void)variant;
        tally t = {0}, other = {0};
        rein_on_unseen(note_unseen, NULL); /* the racy clock may take the grace away */
        one o = {rein_pool_new(REIN_POOL(.threads = 2)), &t, 0, 0, 0};
        rein_future *g = rein_submit(o.pool, job_sleep, &other, REIN_JOB(.release = release_tally));
        rein_future *f = rein_submit(o.pool, job_frees, &o, REIN_JOB(.on_worker = true));
        int rc = rein_await(f, NULL, REIN_NEVER);
        CHECK(rc == 0 && atomic_load(&t.ended) == 1);
        CHECK(rein_await(g, NULL, REIN_NEVER) == REIN_EFAILED);
        int code = failure(g);
        CHECK(code == REIN_ECANCELED || code == REIN_EREJECTED || code == REIN_EABANDONED);
        rein_drop(f);
        rein_drop(g);
        while (!atomic_load(&other.released))
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        return 0;
}

static int job_submits(void *arg)
{
        one *o = arg;
        rein_future *f = rein_submit(o->pool, job_nap, o->tally, REIN_JOB(.release = release_tally));
        int rc = rein_await(f, NULL, REIN_NEVER), code = failure(f);
        CHECK(rc == 0 || rc == REIN_ECANCELED || code == REIN_EREJECTED || code == REIN_ECANCELED);
        count(rc == 0 ? &o->ran : &o->rejected);
        rein_drop(f);
        return 0;
}

/* While the queue is run empty, the pool's own jobs may still submit. */
static int submit_while_draining(int how)
{
        tally t = {0};
        one o = {rein_pool_new(REIN_POOL(.threads = 1)), &t, 0, 0, 0};
        rein_future *f = rein_submit(o.pool, job_submits, &o, NULL);
        CHECK(rein_executor_stop(o.pool, (rein_stop)how, REIN_NEVER, NULL) == 0);
        int rc = rein_await(f, NULL, REIN_NEVER);
        if (how == REIN_STOP_QUEUED)
                CHECK(rc == 0 && atomic_load(&o.ran) == 1);
        else
                CHECK(rc == 0 || failure(f) == REIN_ECANCELED || failure(f) == REIN_EREJECTED);
        rein_drop(f);
        rein_executor_free(o.pool);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended));
        return 0;
}

const scenario stop_scenarios[] = {
        {"stop_queued_submit", stop_submit, REIN_STOP_QUEUED, RACY, 2},
        {"stop_running_submit", stop_submit, REIN_STOP_RUNNING, RACY, 2},
        {"stop_now_submit", stop_submit, REIN_STOP_NOW, RACY, 3},
        {"two_stops", two_stops, 0, RACY, 2},
        {"two_stops_and_a_begin", two_stops, 1, RACY, 1},
        {"stop_wakes_the_idle", stop_wakes_the_idle, REIN_STOP_QUEUED, HARMLESS, 1},
        {"stop_now_wakes_the_idle", stop_wakes_the_idle, REIN_STOP_NOW, HARMLESS, 1},
        {"stop_deadline", stop_deadline, 0, HARMLESS, 2},
        {"restart", restart, 0, RACY, 2},
        {"free_from_job", free_from_job, 0, RACY, 2},
        {"drain_submit", submit_while_draining, REIN_STOP_QUEUED, RACY, 1},
        {"running_submit", submit_while_draining, REIN_STOP_RUNNING, RACY, 1},
        {"now_submit", submit_while_draining, REIN_STOP_NOW, RACY, 1},
        {0},
};
