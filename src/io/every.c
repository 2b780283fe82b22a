/* SPDX-License-Identifier: Apache-2.0 */
/* Periodic timers. What is kept is the next tick of the grid that was not told yet; it moves by whole periods. A wait that is
 * cancelled has told nothing, and changes nothing. Sums that would be beyond the range stop at RN_NEVER, the tick that never
 * comes. */
#include "rein/every.h"

#include <errno.h>

#include "core/error.h"
#include "core/opts.h"
#include "core/task.h"
#include "rein/io.h"

typedef struct every {
        int64_t next, period, jitter, until;
        const char *wrong; /* why it cannot be used; lives for ever */
        int code;
        bool catch_up;
} every;

_Static_assert(sizeof(every) <= sizeof(rein_every), "a periodic timer has room");
_Static_assert(_Alignof(every) <= _Alignof(rein_every), "a periodic timer is aligned");

static every *every_of(rein_every *e)
{
        return (every *)(void *)e;
}

static int64_t every_time_sum(int64_t at, int64_t span)
{
        return at > RN_NEVER - span ? RN_NEVER : at + span;
}

static const char *every_opts_wrong(const rein_every_opts *o)
{
        if (o->period_ns < 1)
                return "period_ns has to be at least 1";
        if (o->jitter_ns < 0 || o->jitter_ns > o->period_ns)
                return "jitter_ns has to be between 0 and period_ns";
        return NULL;
}

/* The first tick of the grid through `first` that has not passed. */
static int64_t every_first_tick(const rein_every_opts *o, int64_t now)
{
        const int64_t first = o->first.ns, period = o->period_ns;
        if (!first)
                return every_time_sum(now, period);
        if (first == REIN_NOWAIT.ns)
                return now;
        if (first >= now)
                return first;
        const uint64_t late = (uint64_t)now - (uint64_t)first; /* it may be more than an int64_t holds */
        const uint64_t since_tick = late % (uint64_t)period;
        return since_tick ? every_time_sum(now, period - (int64_t)since_tick) : now;
}

void rein_every_start(rein_every *e, const rein_every_opts *opts)
{
        RN_CALL();
        if (!e)
                return;
        every *s = every_of(e);
        rein_every_opts o = {.size = sizeof o};
        *s = (every){.code = -EINVAL};
        int rc = opts ? rn_opts_take(&o, sizeof o, opts, opts->size, &s->wrong) : 0;
        if (rc < 0)
                s->code = rc;
        else
                s->wrong = every_opts_wrong(&o);
        if (s->wrong)
                return;
        s->period = o.period_ns;
        s->jitter = o.jitter_ns;
        s->until = o.until.ns ? o.until.ns : RN_NEVER;
        s->catch_up = o.catch_up;
        s->next = every_first_tick(&o, rn_clock());
}

int64_t rein_every_next(rein_every *e)
{
        RN_CALL();
        every *s = every_of(e);
        if (!s || !s->period)
                return rn_fail(s && s->wrong ? s->code : -EINVAL, "rein_every_next", "%s",
                               s && s->wrong ? s->wrong : "it was not started");
        const int64_t now = rn_clock(), last = now < s->until ? now : s->until;
        int64_t tick = s->next, skipped = 0;
        if (!s->catch_up && tick < last) {
                skipped = (last - tick) / s->period;
                tick += skipped * s->period;
        }
        if (tick > s->until || tick == RN_NEVER) {
                int rc = rein_sleep(REIN_TIME(s->until));
                return rc < 0 ? rc : REIN_ETIMEOUT;
        }
        int64_t at = tick;
        if (s->jitter)
                at = every_time_sum(tick, (int64_t)(rn_random64() % (uint64_t)s->jitter));
        int rc = rein_sleep(REIN_TIME(at < s->until ? at : s->until));
        if (rc < 0)
                return rc;
        s->next = every_time_sum(tick, s->period);
        return skipped;
}
