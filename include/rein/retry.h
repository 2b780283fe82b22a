/* SPDX-License-Identifier: Apache-2.0 */
/* Retries: exponential back-off with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015), bounded by
 * a number of tries, by the scope, and by a budget that callers share (as in gRPC's retry throttling). */
#ifndef REIN_RETRY_H
#define REIN_RETRY_H

#include <rein/error.h>
#include <rein/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_budget rein_budget;

/* Make a budget of `max` tokens; free it. A try that fails takes one token, a success gives per_success back; retries
 * are refused while half or fewer are left. Owns: the budget is the caller's, to be freed when no retry uses it any
 * more; free takes NULL. Blocks: no. Any thread.
 * Returns: the budget; NULL: the trail says why (-EINVAL, -ENOMEM). Since 0.1. */
REIN_API rein_budget *rein_budget_new(double max, double per_success);
REIN_API void rein_budget_free(rein_budget *b);

typedef struct rein_retry_opts {
        size_t  size;
        int     tries;                  /* in all; default 3 */
        int64_t delay_ns, delay_max_ns; /* default 100 ms, 30 s; the ceiling doubles, the delay is drawn below it */
        int64_t each_ns;                /* limit on one try, which has then failed with REIN_ETIMEOUT; default none */
        rein_time until;                /* no try starts and no delay ends later; the last error is returned, not a
                                           timeout, unless no try ended by then. Default none */
        bool  (*again)(int code, const rein_error *e, void *ctx); /* e may be NULL. Default: transient codes only:
                                           -EAGAIN -EINTR -EBUSY -ECONNREFUSED -ECONNRESET -ECONNABORTED -EPIPE
                                           -ENETDOWN -ENETUNREACH -EHOSTDOWN -EHOSTUNREACH -ETIMEDOUT -ENOBUFS -ENFILE
                                           -EMFILE -ENOMEM REIN_ETIMEOUT REIN_EREJECTED */
        void   *ctx;
        rein_budget *budget;
} rein_retry_opts;
#define REIN_RETRY(...) REIN_OPTS(rein_retry_opts, __VA_ARGS__)

/* Call fn(arg) until it returns >= 0, at most `tries` times. opts NULL: all defaults. A cancel of the caller is never
 * retried, and ends a delay at once. Blocks: as fn, and for the delays. Any thread.
 * Returns: what fn returned at last; when that is < 0, the trail's cause chain holds every try's error, newest first;
 * REIN_ECANCELED; -EINVAL. Since 0.1. */
#define rein_retry(...) rein_retry_at(REIN_HERE, __VA_ARGS__)
REIN_API int rein_retry_at(const char *place, const rein_retry_opts *opts, rein_fn fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
