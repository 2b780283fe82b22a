/* SPDX-License-Identifier: Apache-2.0 */
/* Futures: the read end of an outcome that one job, or one promise, settles once.
 *
 * A job has two ends. *Settled*: its outcome is known. *Gone*: its code no longer runs. They come together, except for
 * a job that was abandoned. */
#ifndef REIN_FUTURE_H
#define REIN_FUTURE_H

#include <rein/error.h>
#include <rein/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_future rein_future;

/* Give a job to an executor. The job starts a root scope of its own: it takes the context values along, not the
 * submitter's lifetime. job NULL: all defaults.
 * Owns: the future is the caller's, to rein_drop. arg: see rein_job; without arg_size it must live until the job is
 * gone. job and its strings are copied.
 * Blocks: no, but for a full pool with REIN_FULL_WAIT (until there is room, or the caller or the job is cancelled, or
 * the job's start_by has passed) or REIN_FULL_CALLER (as long as the job runs).
 * Returns: never NULL: what cannot start is a future that has failed already (-EINVAL: the trail of the future says
 * what is wrong; REIN_EREJECTED; REIN_ECANCELED: you were cancelled while you waited; -EAGAIN: no thread could be
 * started; -ENOMEM; -EPERM: x is from before a fork(2)). Any thread. Since 0.1. */
#define rein_submit(...) rein_submit_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_future *rein_submit_at(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job)
        REIN_MUST;

/* Give a job to an executor and keep no handle of it: as a rein_submit whose future is dropped at once, but a refusal is
 * the answer of this call. A job that was taken goes on without you; a failure of it, other than a cancel, is reported as
 * that of a future that nobody looked at (rein_on_unseen).
 * Owns: arg: as rein_submit; of a job that was not taken it was released before the call returns.
 * Blocks: as rein_submit: on a full pool with REIN_FULL_WAIT it waits for room too. Any thread.
 * Returns: 0: the job was taken; or why it will never run, which the trail of the caller tells (as far as there is memory)
 * and nobody else reports: -EINVAL, REIN_EREJECTED, REIN_ECANCELED, -EAGAIN, -ENOMEM, -EPERM: as the futures of rein_submit.
 * A job that was taken, and that a stop or its start_by takes back before this call has returned, may be either. Since 0.1. */
#define rein_post(...) rein_post_at(REIN_HERE, __VA_ARGS__)
REIN_API int rein_post_at(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job);

/* Give n jobs to an executor: n submits with one fn and one job. arg NULL: each gets NULL. Owns: out[0..n) are the
 * caller's, each to drop; arg: as rein_submit. Blocks: as rein_submit. Any thread.
 * Returns: how many were taken; the others' futures have failed already, as those of rein_submit; -EINVAL: no out.
 * Since 0.1. */
#define rein_submit_many(...) rein_submit_many_at(REIN_HERE, __VA_ARGS__)
REIN_API int rein_submit_many_at(const char *place, rein_executor *x, rein_fn fn, void *const arg[], size_t n,
                                 const rein_job *job, rein_future *out[]);

/* Inside a job: give its result, which is delivered if the job then returns >= 0, and released otherwise. A second
 * give replaces and releases the first. give_copy: a copy of n bytes, aligned as malloc does.
 * Owns: on 0, rein owns value and calls release(value) once (NULL: nothing to release); on failure it stays the
 * caller's.
 * Blocks: no. Any job, for itself.
 * Returns: 0; -EINVAL: not inside a job; give_copy: -ENOMEM. Since 0.1. */
REIN_API int rein_give(void *value, void (*release)(void *));
REIN_API int rein_give_copy(const void *bytes, size_t n);

/* Wait until f is settled. f goes on if you leave. A job that nobody has started may be run right here, in place of
 * waiting (only with until REIN_NEVER; rein_job.on_worker forbids it).
 * Owns: *value (value may be NULL) is borrowed, as long as you hold f.
 * Blocks: until f is settled, `until`, or a cancel of the caller. Any thread.
 * Returns: 0: it ended well, rein_code tells its own code; REIN_EFAILED: it failed or was cancelled; the trail has
 * that as its cause; REIN_ETIMEOUT, REIN_ECANCELED: about you; REIN_EDEADLOCK: it can never be settled, the trail
 * prints the circle; -EPERM; -ENOMEM. Since 0.1. */
REIN_API int rein_await(rein_future *f, void **value, rein_time until);

/* Tell what the job returned. A failure counts as looked at. Blocks: no. Any thread.
 * Returns: what the job returned, or its failure; REIN_EPENDING: f is not settled; -EINVAL: no future; -EPERM: f is
 * from before a fork(2). Since 0.1. */
REIN_API int rein_code(const rein_future *f);

/* Get a job's result. *n (may be NULL): its size after give_copy, else 0. Owns: the result is borrowed while you hold
 * f. Blocks: no. Any thread.
 * Returns: the result; NULL: there is none, or none yet. Since 0.1. */
REIN_API void *rein_value(const rein_future *f, size_t *n);

/* Get a job's error. It counts as looked at. Owns: the error is borrowed while you hold f. Blocks: no. Any thread.
 * Returns: the error; NULL: it did not fail, or is not settled. Since 0.1. */
REIN_API const rein_error *rein_error_of(const rein_future *f);

/* What became of a job: all of the three at once. Set `size` before you ask: rein_outcome o = {.size = sizeof o}. */
typedef struct rein_outcome {
        size_t size;
        int code;                /* as rein_code */
        void *value;             /* as rein_value */
        size_t value_size;       /* its size after give_copy, else 0 */
        const rein_error *error; /* as rein_error_of */
} rein_outcome;

/* Look at f once for its code, result and error. It counts as looked at.
 * Owns: what *out points to is borrowed while you hold f. Blocks: no. Any thread.
 * Returns: 0: it is settled; REIN_EPENDING: it is not: *out has that code, and neither result nor error; -EINVAL: no
 * future, or an out without its size; -EPERM: f is from before a fork(2). On the last two *out is as it was.
 * Since 0.1. */
REIN_API int rein_outcome_of(const rein_future *f, rein_outcome *out);

/* Move the result out. Owns: *value is the caller's, to be given to *release (may be NULL) some day. Blocks: no.
 * Any thread.
 * Returns: 0; REIN_EPENDING; REIN_EFAILED; -ENOENT: no result was given, or it was taken; -EBUSY: others hold f, or
 * the run is shared; -EINVAL: f, value or release is NULL; -EPERM: f is from before a fork(2). Since 0.1. */
REIN_API int rein_take(rein_future *f, void **value, void (**release)(void *));

/* Does the code of the job no longer run? Blocks: no. Any thread. Returns: true: it is gone; false: it may run, or f
 * is NULL or from before a fork(2). Since 0.1. */
REIN_API bool rein_gone(const rein_future *f);

/* What a cancel found. */
typedef enum rein_cancel_answer {
        REIN_NEVER_STARTED, /* it will never run; settled REIN_ECANCELED, now */
        REIN_ASKED,         /* it runs: its scope was cancelled, it leaves by the ladder and settles then; or it is
                               about to settle in this very moment */
        REIN_TOO_LATE       /* it had settled; nothing changed */
} rein_cancel_answer;

/* Cancel the job. A running one is cancelled as by rein_scope_cancel on its root scope. Twice is once (the answer may
 * move on). why is copied (95 bytes), and may be NULL.
 * Blocks: no (the stop hooks of open regions, and the function given to rein_promise_on_cancel, are called here).
 * Any thread.
 * Returns: one of the three answers; REIN_TOO_LATE also for NULL, and for a future from before a fork(2). Since 0.1. */
#define rein_cancel(...) rein_cancel_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_cancel_answer rein_cancel_at(const char *place, rein_future *f, const char *why);

typedef struct rein_next rein_next; /* a continuation */

/* When f is settled (or now, if it is), run fn(f, arg) on x: exactly once, never inside of the call that settles f,
 * with no lock held, in the order of registration as far as x keeps order. It bypasses the queue's limit, and after x
 * was stopped it runs on rein's hand thread. A negative return of fn is reported as unseen.
 * Owns: the continuation keeps its own reference to f and x. The handle is good for rein_next_remove while you hold f.
 * Blocks: no. Any thread.
 * Returns: the handle; NULL: the trail says why (-EINVAL, -ENOMEM, -EPERM), and nothing will run. Since 0.1. */
#define rein_then(...) rein_then_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_next *rein_then_at(const char *place, rein_future *f, rein_executor *x, int (*fn)(rein_future *, void *),
                                 void *arg);

/* Take a continuation back. Owns: on 0 the handle is used up and fn will not run. Blocks: no. Any thread.
 * Returns: 0; REIN_EALREADY: f is settled; fn runs, ran, or is about to; -EINVAL: no handle; -EPERM: it is from before
 * a fork(2). Since 0.1. */
REIN_API int rein_next_remove(rein_next *n);

/* Take one more reference to f; give one back. NULL is allowed. A job that nobody holds a reference to goes on to its
 * end. The last one's drop releases the result, here, when the job is gone. Blocks: no. Any thread. Returns: f.
 * Since 0.1. */
REIN_API rein_future *rein_ref(rein_future *f);
REIN_API void rein_drop(rein_future *f);

#ifdef __cplusplus
}
#endif
#endif
