/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a pool when it is full: submitters that wait for room, and jobs that are dropped for newer ones. The pool's
 * one thread is busy until the gate opens. A submitter's scope has a deadline far away: so it does not look around for a
 * deadlock, and nothing wakes it but being told. */
#include <errno.h>

#include "pool/pool.h"
#include "scenarios/scenarios.h"

enum { WAITING = 7 };

typedef struct submitter {
        rein_scope scope;
        rein_group *group; /* somebody else's; NULL: none */
        int code, runs;    /* WAITING: it is still in its submit */
        rein_future *f;
} submitter;

static rein_executor *narrow;
static rein_future *busy, *queued, *gate;
static rein_promise *key;
static submitter ann, bob;
static int ran;

static int stay(void *arg)
{
        (void)arg;
        return rein_await(gate, NULL, REIN_NEVER);
}

static int job(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static void full_pool(rein_full full)
{
        begin();
        ann = bob = (submitter){.code = WAITING};
        ran = 0;
        key = rein_promise_new(&gate);
        narrow = warm_pool(1, REIN_POOL(.threads = 1, .queue_max = 1, .full = full));
        busy = rein_submit(narrow, stay, NULL, REIN_JOB(.on_worker = true));
        explore_calm();
        queued = rein_submit(narrow, job, &ran, REIN_JOB(.on_worker = true));
}

/* Opens the gate: whatever is queued runs. */
static void end(void)
{
        EXPLORE_CHECK(rein_promise_keep(key, NULL, NULL) == 0);
        explore_calm();
        EXPLORE_CHECK(rein_executor_unfinished(narrow) == 0);
        EXPLORE_CHECK(ann.code != WAITING && bob.code != WAITING);
        rein_drop(busy);
        rein_drop(queued);
        rein_drop(gate);
        rein_promise_drop(key);
        rein_executor_free(narrow);
}

static void leave(submitter *s)
{
        mark[s == &bob] = rein_code(s->f);
        EXPLORE_CHECK(mark[s == &bob] == REIN_EPENDING || s->runs == (mark[s == &bob] == 0));
        rein_drop(s->f);
}

static void submitter_main(void *arg)
{
        submitter *s = arg;
        rein_scope_open(&s->scope, rein_after(REIN_SEC(3600)));
        s->f = s->group ? rein_ref(rein_spawn_future(s->group, narrow, job, &s->runs, NULL))
                        : rein_submit(narrow, job, &s->runs, REIN_JOB(.on_worker = true));
        s->code = rein_code(s->f);
        (void)rein_scope_close(&s->scope, 0);
}

static void line_up(void)
{
        explore_start("ann", submitter_main, &ann);
        explore_calm();
        explore_start("bob", submitter_main, &bob);
        explore_calm();
        EXPLORE_CHECK(ann.code == WAITING && bob.code == WAITING);
}

static void cancel_ann(void *arg)
{
        (void)arg;
        rein_scope_cancel(&ann.scope, "whenever it comes");
}

static size_t length(void)
{
        rn_lock_take(&narrow->lock);
        const size_t n = rn_pool_of(narrow)->queued;
        rn_lock_give(&narrow->lock);
        return n;
}

/* ---- room ---- */

/* One place, and two that wait for it: one of them has it. */
static void room_two(void)
{
        full_pool(REIN_FULL_WAIT);
        line_up();
        explore_go();
        EXPLORE_CHECK(rein_cancel(queued, "makes room") == REIN_NEVER_STARTED);
        explore_calm();
        EXPLORE_CHECK(length() == 1);
        EXPLORE_CHECK((ann.code == REIN_EPENDING && bob.code == WAITING) ||
                      (ann.code == WAITING && bob.code == REIN_EPENDING));
        end();
        EXPLORE_CHECK(ann.runs == 1 && bob.runs == 1);
        leave(&ann);
        leave(&bob);
}

/* The same, while the first of the two is cancelled: then the place is the other one's. */
static void room_cancel(void)
{
        full_pool(REIN_FULL_WAIT);
        line_up();
        explore_go();
        explore_start("cancel", cancel_ann, NULL);
        EXPLORE_CHECK(rein_cancel(queued, "makes room") == REIN_NEVER_STARTED);
        explore_calm();
        EXPLORE_CHECK(length() == 1);
        EXPLORE_CHECK(ann.code != REIN_ECANCELED || bob.code == REIN_EPENDING);
        end();
        EXPLORE_CHECK(bob.runs == 1);
        leave(&ann);
        leave(&bob);
}

/* Another task cancels the job whose submitter waits, while there may be room or not. */
static void cancel_group(void *arg)
{
        rein_group_cancel(arg, "second thoughts");
}

static void room_group(bool room)
{
        rein_group g;
        full_pool(REIN_FULL_WAIT);
        bob.code = 0;
        rein_group_open(&g, NULL);
        ann.group = &g;
        explore_start("ann", submitter_main, &ann);
        explore_go();
        explore_start("cancel", cancel_group, &g);
        if (room)
                EXPLORE_CHECK(rein_cancel(queued, "makes room") == REIN_NEVER_STARTED);
        explore_calm();
        EXPLORE_CHECK(rein_code(ann.f) == REIN_ECANCELED);
        EXPLORE_CHECK(length() == !room); /* nothing of it is left there */
        end();
        EXPLORE_CHECK(ann.runs == 0);
        EXPLORE_CHECK(rein_group_close(&g, 0) <= 0);
        leave(&ann);
}

static void room_group_full(void)
{
        room_group(false);
}

static void room_group_race(void)
{
        room_group(true);
}

/* A task that waits for room holds a mutex that the running job waits for, and has a deadline: that ends it, and is no deadlock. */
static rein_mutex *mutex;

static int lock_and_unlock(void *arg)
{
        (void)arg;
        int rc = rein_mutex_lock(mutex, REIN_NEVER);
        return rc < 0 ? rc : rein_mutex_unlock(mutex);
}

static void hold_and_submit(void *arg)
{
        submitter *s = arg;
        EXPLORE_CHECK(rein_mutex_lock(mutex, REIN_NEVER) == 0);
        busy = rein_submit(narrow, lock_and_unlock, NULL, REIN_JOB(.on_worker = true));
        rein_sim_block(rein_after(REIN_MS(1))); /* until it runs */
        queued = rein_submit(narrow, job, &ran, REIN_JOB(.on_worker = true));
        rein_scope_open(&s->scope, rein_after(REIN_MS(50)));
        s->f = rein_submit(narrow, job, &s->runs, REIN_JOB(.on_worker = true));
        s->code = rein_code(s->f);
        (void)rein_scope_close(&s->scope, 0);
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
}

static void room_limited(void)
{
        begin();
        ann = (submitter){.code = WAITING};
        mutex = rein_mutex_new();
        narrow = warm_pool(1, REIN_POOL(.threads = 1, .queue_max = 1));
        explore_go();
        explore_start("ann", hold_and_submit, &ann);
        rein_sim_block(rein_after(REIN_MS(100)));
        explore_calm();
        EXPLORE_CHECK(ann.code == REIN_ECANCELED && rein_code(busy) == 0 && rein_code(queued) == 0);
        leave(&ann);
        rein_drop(busy);
        rein_drop(queued);
        rein_executor_free(narrow);
        rein_mutex_free(mutex);
}

/* ---- dropped for a newer one ---- */

static void cancel_queued(void *arg)
{
        *(int *)arg = (int)rein_cancel(queued, "while it is dropped");
}

/* The oldest is dropped, or cancelled, and not both; it may be that nobody but the queue knows it any more. */
static void drop_cancel(void)
{
        int answer = 0;
        full_pool(REIN_FULL_DROP_OLDEST);
        bob.code = 0;
        explore_go();
        explore_start("cancel", cancel_queued, &answer);
        submitter_main(&ann);
        explore_calm();
        EXPLORE_CHECK(ann.code == REIN_EPENDING && length() == 1);
        mark[2] = rein_code(queued);
        EXPLORE_CHECK(mark[2] == (answer == REIN_NEVER_STARTED ? REIN_ECANCELED : REIN_EREJECTED));
        end();
        EXPLORE_CHECK(ran == 0 && ann.runs == 1);
        leave(&ann);
}

static void note_unseen(const rein_error *e, void *arg)
{
        *(int *)arg = rein_error_code(e);
}

static void drop_unknown(void)
{
        int unseen = 0;
        full_pool(REIN_FULL_DROP_OLDEST);
        rein_on_unseen(note_unseen, &unseen);
        bob.code = 0;
        rein_drop(queued);
        queued = rein_ref(busy);
        explore_go();
        submitter_main(&ann);
        explore_calm();
        EXPLORE_CHECK(length() == 1 && unseen == REIN_EREJECTED);
        end();
        EXPLORE_CHECK(ran == 0 && ann.runs == 1);
        leave(&ann);
}

/* ---- out of the queue ---- */

/* The thread takes its next job in the moment in which that is cancelled: it goes on with the one after it. */
static void open_gate(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rein_promise_keep(key, NULL, NULL) == 0);
}

static void cancel_next(void)
{
        int answer = 0;
        begin();
        ann = bob = (submitter){.code = 0};
        ran = 0;
        key = rein_promise_new(&gate);
        narrow = warm_pool(1, REIN_POOL(.threads = 1));
        busy = rein_submit(narrow, stay, NULL, REIN_JOB(.on_worker = true));
        explore_calm();
        queued = rein_submit(narrow, job, &ran, REIN_JOB(.on_worker = true));
        ann.f = rein_submit(narrow, job, &ann.runs, REIN_JOB(.on_worker = true));
        explore_go();
        explore_start("open", open_gate, NULL);
        cancel_queued(&answer);
        explore_calm();
        mark[2] = rein_code(queued);
        EXPLORE_CHECK(ran == (mark[2] == 0) && ann.runs == 1);
        EXPLORE_CHECK(rein_executor_unfinished(narrow) == 0 && rein_executor_threads(narrow) == 1);
        leave(&ann);
        rein_drop(busy);
        rein_drop(queued);
        rein_drop(gate);
        rein_promise_drop(key);
        rein_executor_free(narrow);
}

/* The same, when the thread was idle: it has no job behind it for which it looks at the queue again. */
static void cancel_first(void)
{
        int answer = 0;
        begin();
        ann = bob = (submitter){.code = 0};
        ran = 0;
        narrow = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        queued = rein_submit(narrow, job, &ran, REIN_JOB(.on_worker = true));
        ann.f = rein_submit(narrow, job, &ann.runs, REIN_JOB(.on_worker = true));
        cancel_queued(&answer);
        explore_calm();
        mark[2] = rein_code(queued);
        EXPLORE_CHECK(ran == (mark[2] == 0) && ann.runs == 1);
        leave(&ann);
        rein_drop(queued);
        rein_executor_free(narrow);
}

static const entry list[] = {
        {"room-two", room_two, {BOUNDED(2), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"room-cancel", room_cancel, {BOUNDED(1), PCT(3, 5000)}},
        {"room-group", room_group_full, {BOUNDED(2)}},
        {"room-group-race", room_group_race, {BOUNDED(1), PCT(3, 3000)}},
        {"room-limited", room_limited, {BOUNDED(1), NOT_EARLY("the scenario's own time would be over first")}},
        {"drop-cancel", drop_cancel, {BOUNDED(2)}},
        {"drop-unknown", drop_unknown, {ALL()}},
        {"cancel-next", cancel_next, {BOUNDED(2), NOT_EARLY("the idle thread's time would be over")}},
        {"cancel-first", cancel_first, {BOUNDED(2)}},
};

const entries room_scenarios = ENTRIES(list);
