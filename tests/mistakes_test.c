/* SPDX-License-Identifier: Apache-2.0 */
/* A handle that was given back, and is used once more: every call that takes one says so on stderr, with the place where
 * the thing was made, does nothing, and answers as its header says. With REIN_CHECK=1 in the environment the process ends
 * there by abort.
 *
 * Each thing and each call is a row. A program of its own gives the thing back and makes all its calls; with REIN_CHECK=1
 * there is a program for each call. */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#if defined REIN_ASAN || defined REIN_TSAN
enum { WATCHED = 1 }; /* the memory is given back at once, and the sanitizer tells */
#else
enum { WATCHED = 0 };
#endif

/* What was given back, and where it was made. */
static struct {
        const char *made;
        rein_executor *pool; /* stays */
        rein_future *future;
        rein_promise *promise;
        rein_next *next;
        rein_executor *executor;
        rein_mutex *mutex;
        rein_cond *cond;
        rein_sem *sem;
        rein_event *event;
        rein_barrier *barrier;
        rein_chan *chan;
        rein_child *child;
        rein_ticket *ticket;
} late;

#define MADE(field, call) (late.made = REIN_HERE, late.field = (call))

/* ---- the things ---- */

static int nop(void *arg)
{
        (void)arg;
        return 0;
}

static int next_nop(rein_future *f, void *arg)
{
        (void)f;
        (void)arg;
        return 0;
}

static void job_future(void)
{
        MADE(future, rein_submit(late.pool, nop, NULL, NULL));
        rein_await(late.future, NULL, REIN_NEVER);
        rein_drop(late.future);
}

/* The promise is still to be kept, so the record lives. */
static void promise_future(void)
{
        MADE(promise, rein_promise_new(&late.future));
        rein_drop(late.future);
}

static void failed_future(void)
{
        MADE(future, rein_submit(late.pool, NULL, NULL, NULL));
        rein_code(late.future);
        rein_drop(late.future);
}

/* Its future is held, so the record lives. */
static void promise(void)
{
        MADE(promise, rein_promise_new(&late.future));
        rein_promise_keep(late.promise, NULL, NULL);
        rein_promise_drop(late.promise);
}

static void promise_at_all(void)
{
        promise();
        rein_drop(late.future);
}

static void continuation(void)
{
        rein_promise *p = rein_promise_new(&late.future);
        MADE(next, rein_then(late.future, late.pool, next_nop, NULL));
        rein_next_remove(late.next);
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
}

static void pool(void)
{
        MADE(executor, rein_pool_new(REIN_POOL(.name = "late", .threads = 1)));
        rein_executor_free(late.executor);
}

static void loop(void)
{
        MADE(executor, rein_loop_new(REIN_LOOP(.name = "late", .hosted = true)));
        rein_executor_free(late.executor);
}

static int own_accept(void *self, rein_work *w)
{
        (void)self;
        (void)w;
        return REIN_EREJECTED;
}

static void own_post(void *self, rein_work *w)
{
        (void)self;
        rein_work_run(w);
}

static const rein_executor_ops own = {.size = sizeof own, .accept = own_accept, .post = own_post};

static void own_executor(void)
{
        MADE(executor, rein_executor_new(&own, NULL));
        rein_executor_free(late.executor);
}

static void sync_objects(void)
{
        late.mutex = rein_mutex_new();
        late.cond = rein_cond_new(late.mutex);
        late.sem = rein_sem_new(1);
        late.event = rein_event_new();
        late.barrier = rein_barrier_new(1);
        late.chan = rein_chan_new(sizeof(int), 1, NULL);
        rein_cond_free(late.cond);
        rein_mutex_free(late.mutex);
        rein_sem_free(late.sem);
        rein_event_free(late.event);
        rein_barrier_free(late.barrier);
        rein_chan_free(late.chan);
}

static void child(void)
{
        char *argv[] = {(char *)"true", NULL};
        rein_child_start(&late.child, argv, NULL);
        rein_child_wait(late.child, NULL, REIN_NEVER);
        rein_child_free(late.child);
}

static void ticket(void)
{
        late.ticket = rein_scope_lend();
        rein_ticket_drop(late.ticket);
}

/* ---- the calls: each says whether it was answered as its header has it ---- */

#define CALL(name, answered)                                                                                           \
        static bool late_##name(void)                                                                                  \
        {                                                                                                              \
                return answered;                                                                                       \
        }
#define VOID_CALL(name, call)                                                                                          \
        static bool late_##name(void)                                                                                  \
        {                                                                                                              \
                call;                                                                                                  \
                return true;                                                                                           \
        }

static bool refused_from_the_start(rein_future *f)
{
        const bool is = rein_code(f) == -EPERM;
        rein_drop(f);
        return is;
}

static bool out_of_line(void)
{
        rein_outcome out = {.size = sizeof out, .code = 77};
        return rein_outcome_of(late.future, &out) == -EPERM && out.code == 77;
}

static bool taken(void)
{
        void *value = &late;
        void (*release)(void *) = NULL;
        return rein_take(late.future, &value, &release) == -EPERM && value == &late;
}

static bool selected(rein_case one)
{
        return rein_select(&one, 1, REIN_NOWAIT) == -EPERM;
}

static bool done(void)
{
        rein_done it;
        rein_done_open(&it, &late.future, 1);
        const bool is = rein_done_next(&it, REIN_NOWAIT) == -EPERM;
        rein_done_close(&it);
        return is;
}

static bool submitted_many(void)
{
        rein_future *f[1];
        return rein_submit_many(late.executor, nop, NULL, 1, NULL, f) == 0 && refused_from_the_start(f[0]);
}

static bool spawned(void)
{
        rein_group g;
        rein_group_open(&g, NULL);
        const int code = rein_code(rein_spawn_future(&g, late.executor, nop, NULL, NULL));
        return rein_group_close(&g, 0) == REIN_EFAILED && code == -EPERM;
}

static bool adopted(void)
{
        rein_adopted a;
        return rein_adopt(late.ticket, &a) == -EPERM;
}

static bool woken(rein_future *f)
{
        return rein_wait_first(&f, 1, REIN_NOWAIT) == -EPERM;
}

CALL(ref, rein_ref(late.future) == late.future)
VOID_CALL(drop, rein_drop(late.future))
CALL(await, rein_await(late.future, NULL, REIN_NEVER) == -EPERM)
CALL(wait_all, rein_wait_all(&late.future, 1, REIN_NEVER) == -EPERM)
CALL(wait_any, rein_wait_any(&late.future, 1, REIN_NEVER) == -EPERM)
CALL(wait_first, woken(late.future))
CALL(done_open, done())
CALL(select, selected((rein_case)REIN_ON_SETTLED(late.future)))
CALL(code, rein_code(late.future) == -EPERM)
CALL(value, rein_value(late.future, NULL) == NULL)
CALL(error_of, rein_error_of(late.future) == NULL)
CALL(outcome_of, out_of_line())
CALL(take, taken())
CALL(gone, !rein_gone(late.future))
CALL(cancel, rein_cancel(late.future, NULL) == REIN_TOO_LATE)
CALL(then, rein_then(late.future, late.pool, next_nop, NULL) == NULL)

CALL(promise_ref, rein_promise_ref(late.promise) == late.promise)
CALL(promise_keep, rein_promise_keep(late.promise, NULL, NULL) == -EPERM)
CALL(promise_break, rein_promise_break(late.promise, -EIO, "no") == -EPERM)
VOID_CALL(promise_on_cancel, rein_promise_on_cancel(late.promise, NULL, NULL))
VOID_CALL(promise_drop, rein_promise_drop(late.promise))

CALL(next_remove, rein_next_remove(late.next) == -EPERM)

CALL(submit, refused_from_the_start(rein_submit(late.executor, nop, NULL, NULL)))
CALL(submit_many, submitted_many())
CALL(post, rein_post(late.executor, nop, NULL, NULL) == -EPERM)
CALL(on, rein_on(late.executor, nop, NULL, NULL) == -EPERM)
CALL(spawn, spawned())
CALL(executor_name, strcmp(rein_executor_name(late.executor), "late") == 0)
CALL(executor_unfinished, rein_executor_unfinished(late.executor) == 0)
CALL(executor_queued, rein_executor_queued(late.executor) == 0)
CALL(executor_threads, rein_executor_threads(late.executor) == 0)
CALL(executor_stop, rein_executor_stop(late.executor, REIN_STOP_NOW, REIN_NEVER, NULL) == -EPERM)
CALL(executor_stop_begin, rein_executor_stop_begin(late.executor, REIN_STOP_NOW, REIN_NEVER) == -EPERM)
CALL(executor_restart, rein_executor_restart(late.executor) == -EPERM)
VOID_CALL(executor_free, rein_executor_free(late.executor))
CALL(loop_fd, rein_loop_fd(late.executor) == -EPERM)
CALL(loop_turn, rein_loop_turn(late.executor) == -EPERM)

CALL(mutex_lock, rein_mutex_lock(late.mutex, REIN_NEVER) == -EPERM)
CALL(mutex_unlock, rein_mutex_unlock(late.mutex) == -EPERM)
VOID_CALL(mutex_free, rein_mutex_free(late.mutex))
CALL(cond_new, rein_cond_new(late.mutex) == NULL)
CALL(cond_wait, rein_cond_wait(late.cond, REIN_NEVER) == -EPERM)
CALL(cond_signal, rein_cond_signal(late.cond) == -EPERM)
CALL(cond_broadcast, rein_cond_broadcast(late.cond) == -EPERM)
VOID_CALL(cond_free, rein_cond_free(late.cond))
CALL(sem_acquire, rein_sem_acquire(late.sem, 1, REIN_NEVER) == -EPERM)
CALL(sem_release, rein_sem_release(late.sem, 1) == -EPERM)
VOID_CALL(sem_free, rein_sem_free(late.sem))
CALL(event_set, rein_event_set(late.event) == -EPERM)
CALL(event_clear, rein_event_clear(late.event) == -EPERM)
CALL(event_wait, rein_event_wait(late.event, REIN_NEVER) == -EPERM)
VOID_CALL(event_free, rein_event_free(late.event))
CALL(barrier_arrive, rein_barrier_arrive(late.barrier, REIN_NEVER) == -EPERM)
CALL(barrier_reset, rein_barrier_reset(late.barrier) == -EPERM)
VOID_CALL(barrier_free, rein_barrier_free(late.barrier))
static int item;
CALL(chan_send, rein_chan_send(late.chan, &item, REIN_NEVER) == -EPERM)
CALL(chan_recv, rein_chan_recv(late.chan, &item, REIN_NEVER) == -EPERM)
CALL(select_recv, selected((rein_case)REIN_ON_RECV(late.chan, &item)))
VOID_CALL(chan_close, rein_chan_close(late.chan))
VOID_CALL(chan_finish, rein_chan_finish(late.chan))
VOID_CALL(chan_free, rein_chan_free(late.chan))

CALL(child_pipe, rein_child_pipe(late.child, 1) == -EPERM)
CALL(child_pid, rein_child_pid(late.child) == -EPERM)
CALL(child_pidfd, rein_child_pidfd(late.child) == -EPERM)
CALL(child_wait, rein_child_wait(late.child, NULL, REIN_NEVER) == -EPERM)
CALL(child_stop, rein_child_stop(late.child, NULL) == -EPERM)
CALL(child_signal, rein_child_signal(late.child, SIGTERM) == -EPERM)
VOID_CALL(child_free, rein_child_free(late.child))

CALL(ticket_ref, rein_ticket_ref(late.ticket) == late.ticket)
VOID_CALL(ticket_drop, rein_ticket_drop(late.ticket))
CALL(adopt, adopted())

typedef struct call {
        const char *name;
        bool (*answered)(void);
} call;

#define FUTURE_CALLS                                                                                                   \
        {"rein_ref", late_ref}, {"rein_await", late_await}, {"rein_wait_all", late_wait_all},                          \
                {"rein_wait_any", late_wait_any}, {"rein_wait_first", late_wait_first},                                \
                {"rein_done_open", late_done_open}, {"rein_select", late_select}, {"rein_code", late_code},            \
                {"rein_value", late_value}, {"rein_error_of", late_error_of}, {"rein_outcome_of", late_outcome_of},    \
                {"rein_take", late_take}, {"rein_gone", late_gone}, {"rein_cancel", late_cancel},                      \
                {"rein_then", late_then},                                                                              \
        {                                                                                                              \
                "rein_drop", late_drop                                                                                 \
        }
#define PROMISE_CALLS                                                                                                  \
        {"rein_promise_ref", late_promise_ref}, {"rein_promise_keep", late_promise_keep},                              \
                {"rein_promise_break", late_promise_break}, {"rein_promise_on_cancel", late_promise_on_cancel},        \
        {                                                                                                              \
                "rein_promise_drop", late_promise_drop                                                                 \
        }
#define EXECUTOR_CALLS                                                                                                 \
        {"rein_submit", late_submit}, {"rein_submit", late_submit_many}, {"rein_post", late_post},                     \
                {"rein_on", late_on}, {"rein_spawn", late_spawn},                                                      \
                {"rein_executor_unfinished", late_executor_unfinished},                                                \
                {"rein_executor_queued", late_executor_queued}, {"rein_executor_threads", late_executor_threads},      \
                {"rein_executor_stop", late_executor_stop}, {"rein_executor_stop_begin", late_executor_stop_begin},    \
                {"rein_executor_restart", late_executor_restart},                                                      \
        {                                                                                                              \
                "rein_executor_free", late_executor_free                                                               \
        }
#define SYNC_CALLS                                                                                                     \
        {"rein_mutex_lock", late_mutex_lock}, {"rein_mutex_unlock", late_mutex_unlock},                                \
                {"rein_mutex_free", late_mutex_free}, {"rein_cond_new", late_cond_new},                                \
                {"rein_cond_wait", late_cond_wait}, {"rein_cond_signal", late_cond_signal},                            \
                {"rein_cond_broadcast", late_cond_broadcast}, {"rein_cond_free", late_cond_free},                      \
                {"rein_sem_acquire", late_sem_acquire}, {"rein_sem_release", late_sem_release},                        \
                {"rein_sem_free", late_sem_free}, {"rein_event_set", late_event_set},                                  \
                {"rein_event_clear", late_event_clear}, {"rein_event_wait", late_event_wait},                          \
                {"rein_event_free", late_event_free}, {"rein_barrier_arrive", late_barrier_arrive},                    \
                {"rein_barrier_reset", late_barrier_reset}, {"rein_barrier_free", late_barrier_free},                  \
                {"rein_chan_send", late_chan_send}, {"rein_chan_recv", late_chan_recv},                                \
                {"rein_select", late_select_recv}, {"rein_chan_close", late_chan_close},                               \
                {"rein_chan_finish", late_chan_finish},                                                                \
        {                                                                                                              \
                "rein_chan_free", late_chan_free                                                                       \
        }
#define CHILD_CALLS                                                                                                    \
        {"rein_child_pipe", late_child_pipe}, {"rein_child_pid", late_child_pid},                                      \
                {"rein_child_pidfd", late_child_pidfd}, {"rein_child_wait", late_child_wait},                          \
                {"rein_child_stop", late_child_stop}, {"rein_child_signal", late_child_signal},                        \
        {                                                                                                              \
                "rein_child_free", late_child_free                                                                     \
        }

enum { MOST_CALLS = 24 };

/* lives: something holds the record, and a sanitizer has nothing to say. */
static const struct thing {
        const char *name;
        void (*give_back)(void);
        const char *noun, *given_back;
        bool lives;
        call calls[MOST_CALLS];
} things[] = {
        {"job's future", job_future, "the future", "dropped", false, {FUTURE_CALLS}},
        {"promise's future", promise_future, "the future", "dropped", true, {FUTURE_CALLS}},
        {"failed future", failed_future, "the future", "dropped", false, {FUTURE_CALLS}},
        {"promise", promise, "the promise", "dropped", true, {PROMISE_CALLS}},
        {"promise, future dropped too", promise_at_all, "the promise", "dropped", false, {PROMISE_CALLS}},
        {"continuation",
         continuation,
         "the continuation",
         "removed, or its future dropped,",
         false,
         {{"rein_next_remove", late_next_remove}}},
        {"pool",
         pool,
         "the executor 'late'",
         "freed",
         false,
         {EXECUTOR_CALLS, {"rein_executor_name", late_executor_name}}},
        {"loop",
         loop,
         "the executor 'late'",
         "freed",
         false,
         {EXECUTOR_CALLS, {"rein_loop_fd", late_loop_fd}, {"rein_loop_turn", late_loop_turn}}},
        {"executor of one's own", own_executor, "the executor 'executor#3'", "freed", false, {EXECUTOR_CALLS}},
        {"objects of sync.h", sync_objects, "the object", "freed", false, {SYNC_CALLS}},
        {"child", child, "the child", "freed", false, {CHILD_CALLS}},
        {"ticket",
         ticket,
         "the ticket",
         "dropped",
         false,
         {{"rein_ticket_ref", late_ticket_ref}, {"rein_adopt", late_adopt}, {"rein_ticket_drop", late_ticket_drop}}},
};

/* ---- one thing in a program: all calls, or the one that REIN_CHECK ends ---- */

static int stderr_end = -1;

/* What was written to stderr since the last time. */
static const char *said(void)
{
        static char text[4096];
        const ssize_t n = read(stderr_end, text, sizeof text - 1);
        text[n > 0 ? n : 0] = 0;
        return text;
}

static void expect(char *text, size_t n, const struct thing *t, const call *c)
{
        snprintf(text, n, "rein: %s: %s%s%s was %s before\n", c->name, t->noun, late.made ? " made at " : "",
                 late.made ? late.made : "", t->given_back);
}

static bool each_call_is_told(const struct thing *t, int out)
{
        bool good = true;
        for (const call *c = t->calls; c < t->calls + MOST_CALLS && c->name; c++) {
                char expected[512];
                expect(expected, sizeof expected, t, c);
                const bool answered = c->answered();
                const char *text = said();
                if (!answered || strcmp(text, expected) != 0)
                        dprintf(out, "%s, %s: %s; said: %sexpected: %s", t->name, c->name,
                                answered ? "answered well" : "answered otherwise", text, expected);
                good = good && answered && strcmp(text, expected) == 0;
        }
        return good;
}

static int thing_program(const char *which, const char *only)
{
        const struct thing *t = &things[atoi(which)];
        late.pool = rein_pool_new(REIN_POOL(.name = "stays", .threads = 1));
        rein_executor *another = rein_pool_new(REIN_POOL(.threads = 1)); /* so that numbers of executors are known */
        t->give_back();
        if (only) {
                t->calls[atoi(only)].answered();
                return 0;
        }
        int ends[2];
        const int out = fcntl(2, F_DUPFD_CLOEXEC, 3);
        if (out < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0 || dup2(ends[1], 2) < 0)
                return 2;
        stderr_end = ends[0];
        const bool good = each_call_is_told(t, out);
        if (t->give_back == promise_future)
                rein_promise_drop(late.promise);
        if (t->give_back == promise || t->give_back == continuation)
                rein_drop(late.future);
        rein_executor_free(another);
        rein_executor_free(late.pool);
        dup2(out, 2);
        close(out);
        close(ends[0]);
        close(ends[1]);
        return good ? 0 : 1;
}

/* ---- programs of their own ---- */

/* It is the group's to drop: that is told, and changes nothing. */
static int group_program(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_group g;
        rein_group_open(&g, NULL);
        rein_future *f = rein_spawn_future(&g, x, nop, NULL, NULL);
        rein_drop(f);
        rein_drop(f);
        int bad = rein_await(f, NULL, REIN_NEVER) != 0;
        rein_drop(rein_ref(f)); /* one's own */
        bad += rein_code(f) != 0;
        bad += rein_group_close(&g, 0) != 0;
        rein_executor_free(x);
        return bad;
}

/* A future keeps the record of its executor: then the free itself knows. */
static int kept_pool_program(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "kept", .threads = 1));
        rein_future *f = rein_submit(x, nop, NULL, NULL);
        int bad = rein_await(f, NULL, REIN_NEVER) != 0;
        rein_executor_free(x);
        rein_executor_free(x);
        rein_future *g = rein_submit(x, nop, NULL, NULL);
        bad += rein_code(g) != REIN_EREJECTED || !strstr(rein_error_text(rein_error_of(g)), "'kept' was freed");
        rein_drop(g);
        rein_drop(f);
        return bad;
}

enum { OTHERS = 60, OTHER_JOBS = 2000 };

/* The memory of what is given back one by one rests. */
static int rests_program(void)
{
        rein_mutex *m = rein_mutex_new();
        rein_mutex_free(m);
        for (int i = 0; i < OTHERS; i++)
                rein_mutex_free(rein_mutex_new());
        return rein_mutex_lock(m, REIN_NOWAIT) != -EPERM;
}

/* That of jobs only with REIN_CHECK. */
static int jobs_rest_program(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        MADE(future, rein_submit(x, nop, NULL, NULL));
        fprintf(stderr, "%s\n", late.made);
        rein_await(late.future, NULL, REIN_NEVER);
        rein_drop(late.future);
        for (int i = 0; i < OTHER_JOBS; i++) {
                rein_future *f = rein_submit(x, nop, NULL, NULL);
                rein_await(f, NULL, REIN_NEVER);
                rein_drop(f);
        }
        rein_code(late.future);
        rein_executor_free(x);
        return 0;
}

static int misuse_program(void)
{
        rein_mutex *m = rein_mutex_new();
        const int rc = rein_mutex_unlock(m);
        rein_mutex_free(m);
        return rc != -EPERM;
}

static void *leave_open(void *arg)
{
        rein_scope outer;
        rein_mutex *m = arg;
        rein_scope_open(&outer, REIN_NEVER);
        rein_scope_open(&(rein_scope){0}, REIN_NEVER);
        if (m && rein_mutex_lock(m, REIN_NEVER) < 0)
                return NULL;
        return m;
}

static int run_leave_open(rein_mutex *m)
{
        pthread_t t;
        return pthread_create(&t, NULL, leave_open, m) || pthread_join(t, NULL);
}

static int thread_program(void)
{
        rein_mutex *m = rein_mutex_new();
        int bad = run_leave_open(NULL);
        bad += run_leave_open(m);
        bad += rein_mutex_lock(m, REIN_NOWAIT) != 0; /* it was given back */
        bad += rein_mutex_unlock(m) != 0;
        rein_mutex_free(m);
        return bad;
}

static int spawn_program(void)
{
        rein_group g;
        memset(&g, 0, sizeof g);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_spawn(&g, x, nop, NULL, NULL);
        const bool told = rein_error_code(rein_trail()) == -EPERM;
        rein_executor_free(x);
        return !told;
}

/* What follows a long place is told too. */
static int long_place_program(void)
{
        static char place[220];
        memset(place, 'd', sizeof place - 1);
        rein_future *f;
        rein_promise *p = rein_promise_new_at(place, &f);
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_promise_drop(p);
        rein_drop(f);
        return 0;
}

static int misuse_in_a_simulation(void *arg)
{
        (void)arg;
        rein_mutex *m = rein_mutex_new();
        rein_mutex_unlock(m);
        rein_mutex_free(m);
        return 0;
}

/* There the schedule ends, which can be replayed, and not the process. */
static int simulation_program(void)
{
        return rein_sim_explore(REIN_SIM(.name = "misuse", .schedules = 1), misuse_in_a_simulation, NULL) < 0 ? 0 : 1;
}

static const program programs[] = {
        {"long place", long_place_program}, {"simulation", simulation_program}, {"spawn", spawn_program},
        {"thread", thread_program},         {"group", group_program},           {"kept pool", kept_pool_program},
        {"rests", rests_program},           {"jobs rest", jobs_rest_program},   {"misuse", misuse_program},
};

/* ---- the tests ---- */

/* only: the number of one of its calls; -1: all. */
static int run_program(size_t thing, int only, char *text, size_t n)
{
        char name[32];
        if (only < 0)
                snprintf(name, sizeof name, "%zu", thing);
        else
                snprintf(name, sizeof name, "%zu/%d", thing, only);
        return program_run(name, text, n);
}

static void test_each_call_with_a_handle_that_was_given_back_is_told(void **state)
{
        (void)state;
        unsetenv("REIN_CHECK");
        for (size_t i = 0; i < COUNT(things); i++)
                if (!WATCHED || things[i].lives)
                        assert_int_equal(run_program(i, -1, NULL, 0), 0);
}

static void test_with_rein_check_each_of_them_aborts(void **state)
{
        (void)state;
        setenv("REIN_CHECK", "1", 1);
        for (size_t i = 0; i < COUNT(things); i++) {
                for (int k = 0; k < MOST_CALLS && things[i].calls[k].name; k++) {
                        char text[4096], begins[128];
                        if (WATCHED && !things[i].lives)
                                continue;
                        assert_int_equal(run_program(i, k, text, sizeof text), -SIGABRT);
                        snprintf(begins, sizeof begins, "rein: %s: %s", things[i].calls[k].name, things[i].noun);
                        assert_ptr_equal(strstr(text, begins), text);
                        assert_non_null(strstr(text, " before; REIN_CHECK is set: abort\n"));
                }
        }
        unsetenv("REIN_CHECK");
}

static size_t lines_with(const char *text, const char *what)
{
        size_t n = 0;
        for (const char *at = text; (at = strstr(at, what)); at++)
                n++;
        return n;
}

static void test_a_drop_of_the_groups_future_is_told_and_changes_nothing(void **state)
{
        (void)state;
        char text[4096];
        assert_int_equal(program_run("group", text, sizeof text), 0);
        assert_int_equal(lines_with(text, "rein: rein_drop: the future made at "), 2);
        assert_int_equal(lines_with(text, "mistakes_test.c:"), 2);
        assert_int_equal(lines_with(text, " is its group's, which drops it: rein_ref it first\n"), 2);
}

static void test_a_second_free_is_told_while_a_future_keeps_the_pool(void **state)
{
        (void)state;
        char text[4096];
        assert_int_equal(program_run("kept pool", text, sizeof text), 0);
        assert_int_equal(lines_with(text, "\n"), 1);
        assert_int_equal(lines_with(text, "rein: rein_executor_free: the executor 'kept' made at "), 1);
}

static void test_what_was_given_back_rests(void **state)
{
        (void)state;
        if (WATCHED)
                return;
        char text[4096];
        assert_int_equal(program_run("rests", text, sizeof text), 0);
        assert_string_equal(text, "rein: rein_mutex_lock: the object was freed before\n");
}

static void test_with_rein_check_jobs_rest_too(void **state)
{
        (void)state;
        if (WATCHED)
                return;
        char text[4096], expected[4224];
        setenv("REIN_CHECK", "1", 1);
        assert_int_equal(program_run("jobs rest", text, sizeof text), -SIGABRT);
        unsetenv("REIN_CHECK");
        char *second = strchr(text, '\n'); /* the first says where it was made */
        assert_non_null(second);
        *second++ = 0;
        snprintf(expected, sizeof expected, "rein: rein_code: the future made at %s was dropped before; ", text);
        assert_ptr_equal(strstr(second, expected), second);
}

static void test_with_rein_check_a_misuse_aborts(void **state)
{
        (void)state;
        char text[4096];
        assert_int_equal(program_run("misuse", text, sizeof text), 0);
        assert_string_equal(text, "");
        setenv("REIN_CHECK", "0", 1);
        assert_int_equal(program_run("misuse", text, sizeof text), 0);
        setenv("REIN_CHECK", "1", 1);
        assert_int_equal(program_run("misuse", text, sizeof text), -SIGABRT);
        unsetenv("REIN_CHECK");
        assert_string_equal(text, "rein: rein_mutex_unlock: nobody holds it; REIN_CHECK is set: abort\n");
}

static void test_a_thread_that_ends_with_something_open_is_told(void **state)
{
        (void)state;
        char text[4096];
        assert_int_equal(program_run("thread", text, sizeof text), 0);
        assert_int_equal(lines_with(text, "\n"), 2);
        assert_int_equal(lines_with(text, "rein: a thread ended with: a scope opened at "), 1);
        assert_int_equal(lines_with(text, "rein: a thread ended with: a mutex locked at "), 1);
        assert_int_equal(lines_with(text, "mistakes_test.c:"), 2);
        setenv("REIN_CHECK", "1", 1);
        assert_int_equal(program_run("thread", text, sizeof text), -SIGABRT);
        unsetenv("REIN_CHECK");
        assert_int_equal(lines_with(text, "\n"), 1);
}

static void test_a_spawn_into_a_group_that_is_not_open_is_told(void **state)
{
        (void)state;
        char text[4096];
        assert_int_equal(program_run("spawn", text, sizeof text), 0);
        setenv("REIN_CHECK", "1", 1);
        assert_int_equal(program_run("spawn", text, sizeof text), -SIGABRT);
        unsetenv("REIN_CHECK");
        assert_string_equal(text,
                            "rein: rein_spawn: this group was never opened, or is closed; REIN_CHECK is set: abort\n");
}

static void test_what_follows_a_long_place_is_told(void **state)
{
        (void)state;
        char text[4096];
        assert_int_equal(program_run("long place", text, sizeof text), 0);
        assert_non_null(strstr(text, "ddd was dropped before\n"));
}

static void test_in_a_simulation_a_misuse_ends_the_schedule_and_not_the_process(void **state)
{
        (void)state;
        char text[4096];
        setenv("REIN_CHECK", "1", 1);
        assert_int_equal(program_run("simulation", text, sizeof text), 0);
        unsetenv("REIN_CHECK");
        assert_int_equal(lines_with(text, "REIN-SIM FAIL misuse: misuse: rein_mutex_unlock"), 1);
        assert_int_equal(lines_with(text, "abort"), 0);
}

int main(int argc, char **argv)
{
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        if (argc == 2) {
                alarm(30);
                const char *only = strchr(argv[1], '/');
                return thing_program(argv[1], only ? only + 1 : NULL);
        }
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_call_with_a_handle_that_was_given_back_is_told),
                cmocka_unit_test(test_with_rein_check_each_of_them_aborts),
                cmocka_unit_test(test_a_drop_of_the_groups_future_is_told_and_changes_nothing),
                cmocka_unit_test(test_a_second_free_is_told_while_a_future_keeps_the_pool),
                cmocka_unit_test(test_what_was_given_back_rests),
                cmocka_unit_test(test_with_rein_check_jobs_rest_too),
                cmocka_unit_test(test_with_rein_check_a_misuse_aborts),
                cmocka_unit_test(test_what_follows_a_long_place_is_told),
                cmocka_unit_test(test_in_a_simulation_a_misuse_ends_the_schedule_and_not_the_process),
                cmocka_unit_test(test_a_thread_that_ends_with_something_open_is_told),
                cmocka_unit_test(test_a_spawn_into_a_group_that_is_not_open_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
