/* SPDX-License-Identifier: Apache-2.0 */
/* Every so often: a periodic timer as a plain call, in a coroutine or a thread.
 *
 *      rein_every each_second;
 *      rein_every_start(&each_second, REIN_EVERY(.period_ns = REIN_SEC(1)));
 *      while (rein_every_next(&each_second) >= 0)
 *              look_around();
 *
 * The ticks lie on a grid: the first one, and then one each period. What the loop does between two calls does not move
 * the grid, so that nothing drifts. There is nothing to close: the timer is these few words, and owns nothing. */
#ifndef REIN_EVERY_H
#define REIN_EVERY_H

#include <rein/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_every_opts {
        size_t    size;
        int64_t   period_ns; /* from tick to tick, at least 1 */
        rein_time first;     /* the first tick; one that has passed stands for the next one of its grid, REIN_NOWAIT for
                                now. Default one period from now */
        int64_t   jitter_ns; /* each tick is late by a time drawn below this, so that many programs do not all act at
                                once; at most period_ns. The grid does not move. Default none */
        rein_time until;     /* no tick after it; default none */
        bool      catch_up;  /* a loop that is late gets every tick that it missed, one after the other, without a wait in
                                between. Default: it gets the last of them, at once, and the others are skipped */
} rein_every_opts;
#define REIN_EVERY(...) REIN_OPTS(rein_every_opts, __VA_ARGS__)

/* A periodic timer. Lives on the stack of its user. Opaque. One task at a time uses it. */
typedef struct rein_every {
        uint64_t opaque[8];
} rein_every;

/* Begin a periodic timer. With opts NULL, or options that make no sense, rein_every_next says so. Blocks: no.
 * Any thread. Since 0.1. */
REIN_API void rein_every_start(rein_every *e, const rein_every_opts *opts);

/* Wait for the next tick. In a coroutine the others that are ready run first, also when the tick has passed.
 * Blocks: until the tick, `until`, or a cancel; after a cancel the tick is still to come. Any thread, one at a time.
 * Returns: how many ticks were skipped before this one, 0 when the caller was in time or catch_up is set;
 * REIN_ETIMEOUT: at `until`, for every tick by then was told; REIN_ECANCELED; -EINVAL: not started, or the options
 * make no sense; -E2BIG: options of a newer version; -ENOMEM. Since 0.1. */
REIN_API int64_t rein_every_next(rein_every *e);

#ifdef __cplusplus
}
#endif
#endif
