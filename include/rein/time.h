/* SPDX-License-Identifier: Apache-2.0 */
/* Time: a point is a struct and a span is plain nanoseconds, so that one cannot pass for the other. */
#ifndef REIN_TIME_H
#define REIN_TIME_H

#include <rein/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A point in time on the monotonic clock (CLOCK_MONOTONIC), in ns. Only points made by the calls and macros here are
 * meant; setting the wall clock does not touch them. */
typedef struct rein_time {
        int64_t ns;
} rein_time;

/* The point n ns on that clock: one that was kept or computed as a number. */
#ifdef __cplusplus
#define REIN_TIME(n) (rein_time{n})
#else
#define REIN_TIME(n) ((rein_time){n})
#endif

/* Spans, and the two ends of time. */
#define REIN_MS(n)  ((int64_t)((n) * 1000000LL))    /* a span of n milliseconds; n may have a fraction */
#define REIN_SEC(n) ((int64_t)((n) * 1000000000LL)) /* the same, in seconds */
#define REIN_NEVER  REIN_TIME(INT64_MAX)            /* no limit */
#define REIN_NOWAIT REIN_TIME(INT64_MIN)            /* try once, do not wait */

/* Tell the time. Blocks: no. Any thread, also a signal handler. Returns: the point that is now. Since 0.1. */
REIN_API rein_time rein_now(void);

/* Make the point span_ns from now. A negative span lies in the past. Blocks: no. Any thread. Returns: the point;
 * REIN_NEVER when the sum is beyond the range. Since 0.1. */
REIN_API rein_time rein_after(int64_t span_ns);

#ifdef __cplusplus
}
#endif
#endif
