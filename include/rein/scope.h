/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes: a deadline or a cancel for everything called inside.
 *
 * Scopes nest, and are ambient: no call takes one as an argument. The scope of a job that is spawned in a group, or
 * run by rein_on, lies inside of its parent's; rein_submit and rein_then start a job with a root scope of its own. A
 * cancel is a level, not an edge: from then on every call inside that may block says REIN_ECANCELED at entry, until
 * the scope is left. In the race of a wake-up with a cancel, a value that is there wins. These calls do not look at
 * the scope: rein_code, rein_value, rein_error_of, rein_outcome_of, rein_take, rein_drop, rein_cancel,
 * rein_group_join, rein_executor_stop, every close and every free; and of rein/sync.h those that never block: unlock,
 * signal, release, set.
 *
 * A job that ends with a scope, a group or a hook region open, or a mutex locked, fails with -EPROTO, and its error
 * says which one and where it was opened or locked. What was open is closed for it, a group by cancelling and joining
 * it, and a mutex is handed on. */
#ifndef REIN_SCOPE_H
#define REIN_SCOPE_H

#include <rein/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A scope. Lives on the stack of the task that opens it. Opaque; do not copy it. */
typedef struct rein_scope {
        uint64_t opaque[8];
} rein_scope;

/* Open a scope that is cancelled at `until` (REIN_NEVER: not by time). The task that opens it closes it, and scopes,
 * groups and hook regions are closed in the reverse order of opening. When memory is short the scope opens cancelled,
 * and close says -ENOMEM. Blocks: no. Any thread. Since 0.1. */
#define rein_scope_open(...) rein_scope_open_at(REIN_HERE, __VA_ARGS__)
REIN_API void rein_scope_open_at(const char *place, rein_scope *s, rein_time until);

/* Open a scope in which cancels and deadlines from outside are held back for grace_ns, counted from the moment of the
 * cancel (not from the opening). It is for clean-up that must block. Otherwise as rein_scope_open.
 * Blocks: while the stop of a hook region around it, called before, still runs on another thread. Any thread.
 * Since 0.1. */
#define rein_shield_open(...) rein_shield_open_at(REIN_HERE, __VA_ARGS__)
REIN_API void rein_shield_open_at(const char *place, rein_scope *s, int64_t grace_ns);

/* Cancel everything inside s: tasks that wait in rein leave, hook regions are unblocked, jobs not yet started never
 * run. Twice is once; the first reason stays. A scope closed meanwhile is left alone. `why` is copied (95 bytes) and
 * may be NULL. Blocks: no (the stop hooks of open regions are called here). Any thread that may reach s. Since 0.1. */
#define rein_scope_cancel(...) rein_scope_cancel_at(REIN_HERE, __VA_ARGS__)
REIN_API void rein_scope_cancel_at(const char *place, rein_scope *s, const char *why);

/* Leave the scope. Blocks: no. [owner]: the task that opened it.
 * Returns: rc, with two changes. REIN_ECANCELED becomes REIN_ETIMEOUT when this scope's own deadline was the reason
 * and nothing outside is cancelled, and REIN_ESTOPPED when you cancelled this scope yourself. -EPERM: the scope is
 * another task's, is not open, or is not the innermost thing open; nothing changed. -ENOMEM: it could not be opened.
 * Since 0.1. */
REIN_API int rein_scope_close(rein_scope *s, int rc);

/* Run fn here, in a scope that is cancelled at `until`: a scope nobody can forget to close. When it is cancelled at
 * entry, or `until` has passed, fn is not run.
 * Blocks: as fn does. Any thread.
 * Returns: as rein_scope_close with what fn returned; -EINVAL: no fn. Since 0.1. */
#define rein_within(...) rein_within_at(REIN_HERE, __VA_ARGS__)
REIN_API int rein_within_at(const char *place, rein_time until, rein_fn fn, void *arg);

/* Tell why the running task is cancelled. Owns: the text is borrowed, until the task asks again, or ends.
 * Blocks: no. Any thread, for itself.
 * Returns: one line that says by which task it was cancelled, why and where; NULL: it is not cancelled. Since 0.1. */
REIN_API const char *rein_why(void);

/* Am I cancelled? For loops that compute and never block: a load or two, and a clock read under a deadline.
 * Blocks: no. Any thread, for itself. Returns: 0 or REIN_ECANCELED. Since 0.1. */
REIN_API int rein_checkpoint(void);

#ifdef __cplusplus
}
#endif
#endif
