/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a pool: bounded, by its four policies; by priority; of a user's own executor. */
#include "sim/scenario.h"

/* ---- bounded ---- */

typedef struct submitter {
        rein_executor *pool;
        tally *tally;
        atomic_int *ran, *rejected;
        int jobs;
} submitter;

static void submits(void *arg)
{
        submitter *s = arg;
        rein_future *f[4];
        for (int i = 0; i < s->jobs; i++)
                f[i] = rein_submit(s->pool, job_nap, s->tally, REIN_JOB(.release = release_tally));
        for (int i = 0; i < s->jobs; i++) {
                int rc = rein_await(f[i], NULL, REIN_NEVER);
                CHECK(rc == 0 || failure(f[i]) == REIN_EREJECTED);
                count(rc == 0 ? s->ran : s->rejected);
                rein_drop(f[i]);
        }
}

static int full(int policy)
{
        tally t = {0};
        crew c = {0};
        hand h;
        atomic_int ran = 0, rejected = 0;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = (rein_full)policy));
        submitter s = {pool, &t, &ran, &rejected, 3};
        crew_go(&c, &h, "submitter", submits, &s);
        submits(&s);
        crew_join(&c);
        stop_and_free(pool, REIN_STOP_QUEUED);
        CHECK(atomic_load(&ran) + atomic_load(&rejected) == 6);
        CHECK(atomic_load(&ran) == atomic_load(&t.ended) && atomic_load(&t.released) == 6);
        if (policy == REIN_FULL_WAIT || policy == REIN_FULL_CALLER)
                CHECK(atomic_load(&ran) == 6);
        else
                CHECK(atomic_load(&ran) >= 1);
        return 0;
}

/* The task that waits for room is cancelled, or meets a stop. */
typedef struct waits {
        rein_executor *pool;
        tally *tally;
        rein_scope *scope;
        atomic_int open;
} waits;

static void waits_for_room(void *arg)
{
        waits *w = arg;
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_MS(2)));
        for (int i = 0; i < 3; i++) {
                rein_future *f = rein_submit(w->pool, job_sleep, w->tally, REIN_JOB(.release = release_tally));
                if (settled(f)) {
                        int code = failure(f);
                        CHECK(code == REIN_ECANCELED || code == REIN_EREJECTED);
                }
                rein_drop(f);
        }
        int rc = rein_scope_close(&s, rein_checkpoint());
        CHECK(rc == 0 || rc == REIN_ETIMEOUT);
}

static int room_and_stop(int stops)
{
        tally t = {0};
        crew c = {0};
        hand h;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1));
        waits w = {.pool = pool, .tally = &t};
        crew_go(&c, &h, "waits", waits_for_room, &w);
        if (stops)
                CHECK(rein_executor_stop(pool, REIN_STOP_NOW, REIN_NEVER, NULL) == 0);
        crew_join(&c);
        stop_and_free(pool, REIN_STOP_NOW);
        CHECK(atomic_load(&t.released) == 3 && atomic_load(&t.begun) == atomic_load(&t.ended));
        return 0;
}

/* ---- order ---- */

typedef struct ordered {
        atomic_int *next;
        int priority, at;
} ordered;

static int job_ordered(void *arg)
{
        ordered *o = arg;
        o->at = atomic_fetch_add(o->next, 1);
        return 0;
}

static int priorities(int variant)
{
        (void)variant;
        tally t = {0};
        atomic_int next = 0;
        ordered o[4] = {{&next, 0, 0}, {&next, 5, 0}, {&next, 0, 0}, {&next, 5, 0}};
        rein_future *f[4], *first;
        rein_promise *gate;
        rein_future *open;
        gate = rein_promise_new(&open);
        CHECK(gate != NULL);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        first = rein_submit(pool, job_sleep, &t, REIN_JOB(.on_worker = true));
        while (!atomic_load(&t.begun))
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        for (int i = 0; i < 4; i++)
                f[i] = rein_submit(pool, job_ordered, &o[i], REIN_JOB(.priority = o[i].priority, .on_worker = true));
        CHECK(rein_cancel(first, "go on") == REIN_ASKED);
        CHECK(rein_wait_all(f, 4, REIN_NEVER) == 0);
        CHECK(o[1].at == 0 && o[3].at == 1 && o[0].at == 2 && o[2].at == 3);
        CHECK(rein_await(first, NULL, REIN_NEVER) == REIN_EFAILED);
        for (int i = 0; i < 4; i++)
                rein_drop(f[i]);
        rein_drop(first);
        CHECK(rein_promise_keep(gate, NULL, NULL) == 0);
        rein_promise_drop(gate);
        rein_drop(open);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- a user's own: one thread with a list behind a lock ---- */

enum { OWN_ROOM = 8 };

typedef struct own {
        atomic_flag locked;
        rein_work *list[OWN_ROOM];
        int count;
        bool stopping;
        atomic_int released;
} own;

static void own_lock(own *o)
{
        while (atomic_flag_test_and_set(&o->locked))
                rein_sim_point("waits for the list");
}

static int own_put(own *o, rein_work *w, bool anyway)
{
        own_lock(o);
        int rc = (o->stopping && !anyway) || o->count == OWN_ROOM ? REIN_EREJECTED : 0;
        if (rc == 0)
                o->list[o->count++] = w;
        atomic_flag_clear(&o->locked);
        (void)rein_sim_wake(o, 1);
        return rc;
}

static int own_accept(void *self, rein_work *w)
{
        return own_put(self, w, false);
}

static void own_post(void *self, rein_work *w)
{
        CHECK(own_put(self, w, true) == 0);
}

static void own_stop(void *self, rein_stop how)
{
        own *o = self;
        (void)how;
        own_lock(o);
        o->stopping = true;
        atomic_flag_clear(&o->locked);
        (void)rein_sim_wake(o, 1);
}

static void own_release(void *self)
{
        count(&((own *)self)->released);
}

static void own_main(void *arg)
{
        own *o = arg;
        for (bool stopping = false; !stopping;) {
                rein_work *w = NULL;
                own_lock(o);
                if (o->count) {
                        w = o->list[0];
                        memmove(&o->list[0], &o->list[1], (size_t)--o->count * sizeof o->list[0]);
                }
                stopping = !w && o->stopping;
                atomic_flag_clear(&o->locked);
                if (w)
                        rein_work_run(w);
                else if (!stopping)
                        (void)rein_sim_sleep_on(o, "own executor", rein_after(REIN_MS(50)));
        }
}

static int then_count(rein_future *f, void *arg)
{
        CHECK(settled(f));
        return job_count(arg);
}

static int own_executor(int variant)
{
        (void)variant;
        tally t = {0}, then = {0};
        own o = {.locked = ATOMIC_FLAG_INIT};
        crew c = {0};
        hand h;
        const rein_executor_ops ops = {
                .size = sizeof ops, .accept = own_accept, .post = own_post, .stop = own_stop, .release = own_release};
        rein_executor *x = rein_executor_new(&ops, &o);
        crew_go(&c, &h, "own", own_main, &o);
        rein_future *a = rein_submit(x, job_nap, &t, REIN_JOB(.release = release_tally));
        rein_future *b = rein_submit(x, job_nap, &t, REIN_JOB(.release = release_tally));
        CHECK(rein_then(a, x, then_count, &then) != NULL);
        rein_cancel_answer answer = rein_cancel(b, "not this one");
        int rc = rein_await(b, NULL, REIN_NEVER);
        CHECK(rc == 0 ? answer != REIN_NEVER_STARTED : failure(b) == REIN_ECANCELED);
        CHECK(rein_await(a, NULL, REIN_NEVER) == 0);
        rein_drop(a);
        rein_drop(b);
        CHECK(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        crew_join(&c);
        rein_executor_free(x);
        while (!atomic_load(&then.ended)) /* promised; after the stop it is the hand's */
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        CHECK(atomic_load(&then.begun) == 1 && atomic_load(&t.released) == 2 && atomic_load(&o.released) == 1);
        return 0;
}

const scenario queue_scenarios[] = {
        {"full_wait", full, REIN_FULL_WAIT, RACY, 2},
        {"full_reject", full, REIN_FULL_REJECT, RACY, 1},
        {"full_caller", full, REIN_FULL_CALLER, RACY, 1},
        {"full_drop_oldest", full, REIN_FULL_DROP_OLDEST, RACY, 2},
        {"room_canceled", room_and_stop, 0, RACY, 2},
        {"room_stopped", room_and_stop, 1, RACY, 2},
        {"priorities", priorities, 0, HARMLESS, 1},
        {"own_executor", own_executor, 0, RACY, 2},
        {0},
};
