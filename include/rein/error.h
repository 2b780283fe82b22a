/* SPDX-License-Identifier: Apache-2.0 */
/* Errors. Functions return an int; the rest of the story is in the running task's error trail: code, text, place, job,
 * cause, and the other failures of a group. An error is immutable and shared: when twenty tasks wait for one failure,
 * the trail of each has the same record as its cause. Nobody frees an error. */
#ifndef REIN_ERROR_H
#define REIN_ERROR_H

#include <rein/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
        REIN_ETIMEOUT   = -20001,  /* your `until` came first (the kernel's -ETIMEDOUT stays the kernel's) */
        REIN_ECANCELED  = -20002,  /* a scope around you was cancelled: obey, leave */
        REIN_ESTOPPED   = -20003,  /* from the close of a scope or a group: you cancelled it yourself */
        REIN_EPENDING   = -20004,  /* not settled yet */
        REIN_EFAILED    = -20005,  /* the job you awaited failed; the trail says how */
        REIN_EBROKEN    = -20006,  /* a promise was dropped without an answer, or the thread of a job ended under it; a
                                      barrier that a party has left */
        REIN_ECRASHED   = -20007,  /* the worker process of the job died (process pools only) */
        REIN_EREJECTED  = -20008,  /* the executor is full, stopped, broken or exhausted, or start_by is past */
        REIN_EABANDONED = -20009,  /* the job's thread did not leave in time; it may still be running */
        REIN_ESTUCK     = -20010,  /* a stop ended while some jobs were not gone: see the receipt */
        REIN_EDEADLOCK  = -20011,  /* this wait can never end; the error prints the circle */
        REIN_EALREADY   = -20012,  /* somebody settled it before you; of a continuation: it runs or ran */
        REIN_EFOUND     = -20013,  /* the simulator found a schedule that fails: the trail says how */
        REIN_EUSER      = -21000   /* this and below are yours */
};

typedef struct rein_error rein_error;

/* Begin the running task's trail anew with this code and text; what the trail held is let go.
 * Owns: the text is copied, and cut when memory is short. Returns: code, always, so that one may write
 * `return rein_fail(-EINVAL, "no such page: %d", n);`. Blocks: no. Any thread. Since 0.1. */
#define rein_fail(code, ...) rein_fail_at(REIN_HERE, code, __VA_ARGS__)
REIN_API int rein_fail_at(const char *place, int code, const char *fmt, ...) REIN_PRINTF(3, 4);

/* Put a line on top of the running task's trail: what was there becomes its cause.
 * Owns: the text is copied, and cut when memory is short. Blocks: no. Any thread. Returns: code, always. Since 0.1. */
#define rein_wrap(code, ...) rein_wrap_at(REIN_HERE, code, __VA_ARGS__)
REIN_API int rein_wrap_at(const char *place, int code, const char *fmt, ...) REIN_PRINTF(3, 4);

/* Get the running task's trail, newest first. It belongs to the last call that failed with a trail: compare
 * rein_error_code with the code you were returned before you trust it (a cancel, a timeout and a kernel error come
 * without one).
 * Owns: the error is borrowed; valid until this task's next rein call that fails. Blocks: no. Any thread.
 * Returns: the error; NULL: there is no trail. Since 0.1. */
REIN_API const rein_error *rein_trail(void);

/* Read an error: its code; its text; where it came from ("job 'render' on pool 'pages', page.c:41"); what caused it;
 * the next failure of the same group. Owns: strings and errors are borrowed, as long as e. Blocks: no. Any thread.
 * Returns: the code; the text; the place; the cause, or NULL; the next failure, or NULL. For e NULL: 0, "", "", NULL,
 * NULL. Since 0.1. */
REIN_API int rein_error_code(const rein_error *e);
REIN_API const char *rein_error_text(const rein_error *e);
REIN_API const char *rein_error_where(const rein_error *e);
REIN_API const rein_error *rein_error_cause(const rein_error *e);
REIN_API const rein_error *rein_error_next(const rein_error *e);

/* Does e, one of its causes, or one of the failures beside them have this code? Blocks: no. Any thread. Returns: true
 * if so; false for e NULL. Since 0.1. */
REIN_API bool rein_error_is(const rein_error *e, int code);

/* Tell the name of a code. Owns: a string that lives for ever, but for user and unknown codes, which is this task's
 * until its next call here. Blocks: no. Any thread.
 * Returns: "REIN_ETIMEOUT", "EINVAL" for -EINVAL, "user code -21007", "success" from 0 on. Since 0.1. */
REIN_API const char *rein_code_name(int code);

/* Print e whole: one line an error, causes and fellow failures indented below. Control characters are escaped. All of
 * it is given to the stream at once: on an unbuffered one, as stderr is, it is one write of whole lines, and no other
 * thread's text stands between them. Blocks: on `to`. Any thread. Since 0.1. */
REIN_API void rein_error_print(FILE *to, const rein_error *e);

/* Say what becomes of a failure that nobody looked at. fn is called for each of these:
 *  - a failure that was never awaited, read with rein_code, rein_error_of or rein_outcome_of, or reported by its group's
 *    close: once, when the last reference to it goes (a cancel is no failure);
 *  - a job that comes back after it was abandoned: once, with code REIN_EABANDONED (the late log);
 *  - promises that have not been settled when the process exits, after its exit handlers: with code REIN_EPENDING,
 *    once for each place in the source that made some (16 places, and a count of the rest). A program that means to
 *    leave some unsettled says so by an fn that passes over REIN_EPENDING.
 *
 * fn may run on any thread, with no lock of rein's held; it must not block. e is borrowed for the call. fn and arg
 * must last as long as the process, or be replaced before. NULL restores the default, which prints to stderr.
 * Blocks: no. Any thread. Since 0.1. */
REIN_API void rein_on_unseen(void (*fn)(const rein_error *e, void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
