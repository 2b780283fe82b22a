/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: the write end of a future, for outcomes that no job of rein's produces. */
#ifndef REIN_PROMISE_H
#define REIN_PROMISE_H

#include <rein/future.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_promise rein_promise;

/* Make a promise and its future. Owns: the promise (rein_promise_drop) and *read_end (rein_drop) are the caller's.
 * Blocks: no. Any thread.
 * Returns: the promise; NULL: the trail says why (-ENOMEM, -EINVAL), and *read_end is then NULL. Since 0.1. */
#define rein_promise_new(...) rein_promise_new_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_promise *rein_promise_new_at(const char *place, rein_future **read_end);

/* Take one more reference to a promise: one for each thread that may settle. NULL is allowed. Blocks: no. Any thread.
 * Returns: p. Since 0.1. */
REIN_API rein_promise *rein_promise_ref(rein_promise *p);

/* Keep the promise: settle the future with this value; break it: settle the future with this failure (code < 0).
 * Any thread, any number of them at once: exactly one wins.
 * Owns: the winner's value is rein's, released once; a loser keeps what it brought.
 * Blocks: no; no user code runs inside. Needs no memory to succeed (a failure has no text of its own then).
 * Returns: 0; REIN_EALREADY: it was settled (or cancelled) before; -EINVAL; -EPERM. Since 0.1. */
REIN_API int rein_promise_keep(rein_promise *p, void *value, void (*release)(void *));
#define rein_promise_break(p, code, ...) rein_promise_break_at(REIN_HERE, p, code, __VA_ARGS__)
REIN_API int rein_promise_break_at(const char *place, rein_promise *p, int code, const char *fmt, ...)
        REIN_PRINTF(4, 5);

/* Set the function that is told when the read end is cancelled: fn(arg) is called once, on the thread that cancels (or
 * here and now, if it was cancelled already). fn should see to it that the promise is broken or kept soon; without fn
 * a cancel settles the future by itself. NULL removes fn, and waits until one that runs has returned (but not inside
 * fn itself). Needs no memory.
 * Blocks: only that. Any thread. Since 0.1. */
REIN_API void rein_promise_on_cancel(rein_promise *p, void (*fn)(void *), void *arg);

/* Give one reference to a promise back; takes NULL. When the last one goes and nothing was answered, the future
 * settles REIN_EBROKEN. Blocks: no. Any thread. Since 0.1. */
REIN_API void rein_promise_drop(rein_promise *p);

#ifdef __cplusplus
}
#endif
#endif
