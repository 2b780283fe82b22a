/* SPDX-License-Identifier: Apache-2.0 */
/* Executors: where jobs run. There are thread pools (pool.h) and event loops (loop.h), and you may write your own. One
 * type for all of them: every call here takes each of them, and a job need not know where it runs. */
#ifndef REIN_EXECUTOR_H
#define REIN_EXECUTOR_H

#include <rein/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_executor rein_executor;
struct rein_chan;

/* ---- how to run one job ---- */

/* What becomes of a job that ignores its cancel. */
typedef enum rein_unheeded {
        REIN_WAIT_FOR_IT, /* a job that ignores its cancel is waited for (until the executor's stop ends) */
        REIN_ABANDON_IT,  /* past the grace its future settles REIN_EABANDONED; the thread runs on */
        REIN_KILL_IT      /* process pools only */
} rein_unheeded;

/* How to run one job. */
typedef struct rein_job {
        size_t  size;
        size_t  arg_size;             /* copy this many bytes of arg, aligned as malloc does */
        const char *name;             /* in errors, dumps, receipts; copied (47 bytes) */
        void  (*release)(void *arg);  /* once, in every case, when nothing of the job can touch arg any more: it ended, was
                                         refused, never ran, or came back after being abandoned. With arg_size of the copy;
                                         of yours, before the call returns, when what was refused had no copy yet. On any
                                         thread. So what arg owns is the job's from the call on, whatever becomes of it */
        int     priority;             /* in a pool: higher first. A loop starts its jobs in the order of their submits.
                                         Default 0 */
        int64_t limit_ns;             /* running time, from its start; then it is cancelled. Default none */
        rein_time start_by;           /* not started by then: REIN_EREJECTED, never run. Default none */
        rein_unheeded unheeded;       /* what happens when it ignores a cancel past the executor's grace. ABANDON needs
                                         arg_size, release or no arg; KILL needs a process pool; else -EINVAL */
        const char *share;            /* jobs with one (executor, fn, share) in flight are one run with one outcome.
                                         Needs arg_size, release or no arg; take is refused */
        bool    on_worker;            /* must run on a thread of the executor, never in the thread that waits for it; on a
                                         loop that is so in any case */
        bool    background;           /* does not keep its group open, nor take a place of its width; cancelled when only
                                         such are left */
        size_t  stack_size;           /* on a loop: of its coroutine, in bytes, when that is more than the loop's; 16 KiB to
                                         1 TiB, else -EINVAL. Elsewhere of no effect. Default the loop's. Since 0.1 */
        struct rein_chan *sends;      /* a channel (sync.h) that this job sends to, see rein_chan_finish: it counts the
                                         job from its submit on, until it ended, was refused, never ran, or was
                                         abandoned. The channel outlives that. Default none. Since 0.1 */
        int64_t share_ns;             /* with share: how old an outcome may be. A run that ended well less than so long ago, and
                                         less than the share_ns of the job that started it, gives its outcome to this job,
                                         which then does not run. An executor keeps the latest 256 such outcomes, until they
                                         are too old and another such job comes, or it is stopped. Without share, or negative:
                                         -EINVAL. Default: only a run in flight is shared. Since 0.1 */
} rein_job;
#define REIN_JOB(...) REIN_OPTS(rein_job, __VA_ARGS__)

/* Give a job a copy of x as its arg: arg and its size, never apart: rein_submit(pool, fn, REIN_COPY(order)), or
 * REIN_COPY(order, .name = "order"). With what the copy owns: REIN_COPY(fd, .release = rein_release_fd) (io.h), and
 * the job closes nothing itself. */
#define REIN_COPY(...)     REIN_COPY_(__VA_ARGS__, )
#define REIN_COPY_(x, ...) &(x), REIN_JOB(.arg_size = sizeof(x), __VA_ARGS__)
#define REIN_SPAN(ns) ((ns) > 0 ? (ns) : 1) /* a span that was computed, as limit_ns: 0 or less means "at once", not
                                               "no limit" */

/* Inside a job: tell how many bytes of its arg were copied. Blocks: no. Any thread. Returns: the number; 0 outside of
 * a job, and without arg_size. Since 0.1. */
REIN_API size_t rein_arg_size(void);

/* ---- stopping ---- */

/* What a stop does with the jobs that are there. In each case the executor takes no more, and then: */
typedef enum rein_stop {
        REIN_STOP_QUEUED,         /* run what is queued; the executor's own jobs may still submit */
        REIN_STOP_RUNNING,        /* run only what is running; what is queued never runs */
        REIN_STOP_NOW             /* what is running is cancelled, too */
} rein_stop;

typedef struct rein_receipt rein_receipt; /* every job that did not end by itself */
/* One of the jobs in a receipt. */
typedef struct rein_straggler {
        size_t size;              /* set by the caller: sizeof(rein_straggler) */
        const char *name;         /* of the job; "" without one */
        const char *stuck_in;     /* what it was doing when it was asked: "rein_sleep", "hook region db.c:41",
                                     "system call read"; "" when it never started, or memory was short then */
        const char *stopped_by;   /* "never started", "asked", "hook", "poke", "abandoned", "not stopped" */
        int64_t age_ns;           /* from its start (from its submit, if it never started) to its end, or to now */
        bool gone;                /* its code no longer runs */
        const char *frames;       /* where its thread was when it was asked, if that was in foreign code in a system call:
                                     the calls that led there, a line each, "at read+0x1d (libc.so.6+0xfd1d)", then
                                     "from ...". Read off the stack: one that has returned may be among them. "" when it
                                     was not, when the system does not tell, or memory is short */
} rein_straggler;

/* Stop an executor: refuse new work, and end the rest in the manner `how`. With REIN_STOP_RUNNING and
 * REIN_STOP_QUEUED, what still runs at `until` minus the executor's grace is cancelled; with REIN_STOP_NOW at once.
 * Continuations that are registered already run later on rein's hand thread. A second stop joins the first. Of all
 * stops that are under way the harshest manner holds, and the earliest moment to cancel, and the earliest to give up:
 * a later stop may hasten an earlier one, never postpone or soften it.
 * Blocks: until every job has settled and the executor's threads have left, or `until`; not cancelled by a scope. When
 * one of the executor's own jobs calls, that job is not waited for. Any thread.
 * Owns: with r, *r is the caller's (rein_receipt_free); it may be empty and is never NULL after 0 or REIN_ESTUCK.
 * Returns: 0; REIN_ESTUCK: at `until`, by when every future has settled, some code still runs: the receipt names the
 * jobs; when it has none, a thread was still on its way out, in the pool's fini perhaps; -EINVAL. Since 0.1. */
REIN_API int rein_executor_stop(rein_executor *x, rein_stop how, rein_time until, rein_receipt **r);

/* Begin a stop, and do not wait for it. It joins other stops by the rule of rein_executor_stop. At `until` (the
 * earliest of those begun) what is left is settled REIN_EABANDONED. Blocks: no. Any thread. Returns: 0; -EINVAL.
 * Since 0.1. */
REIN_API int rein_executor_stop_begin(rein_executor *x, rein_stop how, rein_time until);

/* Take work again after a stop (or after a failing init broke it). Threads of jobs that are still not gone keep their
 * places. Blocks: no. Any thread. Returns: 0; -EBUSY: it is not stopped, or its stop has not ended; -EINVAL; -ENOMEM.
 * Since 0.1. */
REIN_API int rein_executor_restart(rein_executor *x);

/* Free an executor; x may be NULL. When it is still going it is stopped now, within its grace. What is then stuck is
 * printed to stderr, and so is how many jobs never ran by that, if nobody had cancelled them: to finish them, stop it
 * before, with REIN_STOP_QUEUED. At exit the same is done with executors that were not freed, within a second. (In a
 * simulation jobs that never ran are not told.) Futures of its jobs stay readable.
 * Blocks: as that stop. Any thread, also in one of its own jobs; of a hosted loop [owner]: the thread that made it
 * (loop.h). Since 0.1. */
REIN_API void rein_executor_free(rein_executor *x);

/* Tell an executor's name. Owns: the string is borrowed, as long as x. Blocks: no. Any thread. Returns: the name, as
 * given or made up ("pool#2", "loop#1"). Since 0.1. */
REIN_API const char *rein_executor_name(const rein_executor *x);

/* Count the jobs of an executor that are not gone; those of them that are queued. Blocks: no. Any thread. Returns: the
 * number, of this moment. Since 0.1. */
REIN_API size_t rein_executor_unfinished(const rein_executor *x);
REIN_API size_t rein_executor_queued(const rein_executor *x);
/* Count the threads of an executor. Blocks: no. Any thread. Returns: the number, of this moment: a loop has one, once
 * its first job has come; a hosted loop, and an executor of your own, none. Since 0.1. */
REIN_API size_t rein_executor_threads(const rein_executor *x);

/* Read a receipt. count: how many jobs it names. at: fills in *out (its size set by you) from the i-th. print: a line
 * for each, and its frames below it, given to the stream at once. free: takes NULL.
 * Owns: the strings in *out are borrowed, as long as r.
 * Blocks: no, but `at` and `print` wait for a dlopen under way, which holds the names of the frames; print blocks on
 * `to`. Any thread, one at a time.
 * Returns: count: the number, 0 for NULL; at: false when there is no i-th. Since 0.1. */
REIN_API size_t rein_receipt_count(const rein_receipt *r);
REIN_API bool rein_receipt_at(const rein_receipt *r, size_t i, rein_straggler *out);
REIN_API void rein_receipt_print(FILE *to, const rein_receipt *r);
REIN_API void rein_receipt_free(rein_receipt *r);

/* ---- your own executor: a GUI's main thread, a test, a broker ---- */

typedef struct rein_work rein_work; /* one job, as an executor sees it */

/* What an executor of your own does. Each function may be called from any thread, with no lock of rein's held. A work
 * that was accepted or posted must be given to rein_work_run exactly once, some day, on any thread: also after cancel
 * and stop (it then does not run the job but returns at once). Until then rein keeps it alive. */
typedef struct rein_executor_ops {
        size_t size;
        int  (*accept)(void *self, rein_work *w); /* 0, or a negative code (REIN_EREJECTED): then it was not taken */
        void (*post)(void *self, rein_work *w);   /* a continuation: cannot be refused */
        void (*cancel)(void *self, rein_work *w); /* may be NULL: this work, which you have, will not run here any more
                                                     (cancelled, or a continuation that a stop took back): give it to
                                                     rein_work_run soon. Called once at most; you may have run the work
                                                     in this very moment */
        void (*stop)(void *self, rein_stop how);  /* may be NULL: from now on nothing comes but continuations */
        void (*release)(void *self);              /* may be NULL: the last reference is gone */
} rein_executor_ops;

/* Make an executor of your own. Owns: ops is copied; self is the caller's, until release. Blocks: no. Any thread.
 * Returns: the executor, freed with rein_executor_free; NULL: the trail says why (-EINVAL, -ENOMEM). Since 0.1. */
#define rein_executor_new(...) rein_executor_new_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_executor *rein_executor_new_at(const char *place, const rein_executor_ops *ops, void *self);

/* Run a work of an executor of yours here, to its end. Owns: w is used up. Blocks: as the job does. Any thread.
 * Since 0.1. */
REIN_API void rein_work_run(rein_work *w);

#ifdef __cplusplus
}
#endif
#endif
