/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and sleeps: all clocks are the simulation's, and time passes when nobody can go on. The calendar begins, when
 * the monotonic clock is 0, at REAL_AT_ZERO; a processor's clock goes as the others do. */
#include "layer.h"

#include <errno.h>
#include <sched.h>
#include <sys/time.h>
#include <unistd.h>

WRAP(nanosleep);
WRAP(clock_nanosleep);
WRAP(usleep);
WRAP(sleep);
WRAP(sched_yield);
WRAP(clock_gettime);
WRAP(gettimeofday);
WRAP(time);
WRAP(timespec_get);

#define SECOND       INT64_C(1000000000)
#define REAL_AT_ZERO (SECOND * SECOND) /* 2001-09-09 01:46:40 */

static int64_t time_now(void)
{
        return rein_now().ns;
}

static bool clock_is_calendar(clockid_t clock)
{
        return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

static int64_t clock_now_of(clockid_t clock)
{
        return time_now() + (clock_is_calendar(clock) ? REAL_AT_ZERO : 0);
}

static struct timespec timespec_of(int64_t ns)
{
        return (struct timespec){.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)};
}

static int64_t time_after(int64_t span)
{
        int64_t from = time_now();
        return span > INT64_MAX - from ? RN_P_NEVER : from + span;
}

int64_t rn_p_span(const struct timespec *t)
{
        if (!t)
                return RN_P_NEVER;
        if (t->tv_nsec < 0 || t->tv_nsec >= SECOND || t->tv_sec < 0)
                return -1;
        return t->tv_sec >= INT64_MAX / SECOND ? RN_P_NEVER : t->tv_sec * SECOND + t->tv_nsec;
}

int64_t rn_p_until(clockid_t clock, const struct timespec *at)
{
        if (at->tv_nsec < 0 || at->tv_nsec >= SECOND)
                return -1;
        int64_t ns = at->tv_sec < 0 ? 0 : rn_p_span(at);
        if (ns == RN_P_NEVER)
                return ns;
        ns -= clock_is_calendar(clock) ? REAL_AT_ZERO : 0;
        return ns > 0 ? ns : 1; /* 0 says "do not wait" to some; both are long past */
}

int rn_p_nap(rn_p_thread *me, int64_t until, const char *what)
{
        rn_p_say(me, "%s", what);
        me->rung = false;
        for (;;) {
                int rc = rein_sim_sleep_on(&me->rung, me->doing, REIN_TIME(until));
                if (rc == REIN_ETIMEOUT || time_now() >= until)
                        return 0;
                if (rc == -EINTR)
                        return EINTR;
        }
}

/* ---- sleeps ---- */

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left)
{
        rn_p_thread *me = rn_p_enter("clock_nanosleep");
        if (!me)
                return __real_clock_nanosleep(clock, flags, t, left);
        int64_t until = flags & TIMER_ABSTIME ? rn_p_until(clock, t) : rn_p_span(t);
        if (until == -1)
                return EINVAL;
        if (!(flags & TIMER_ABSTIME))
                until = time_after(until);
        int rc = rn_p_nap(me, until, "sleeps in clock_nanosleep");
        if (rc == EINTR && left && !(flags & TIMER_ABSTIME))
                *left = timespec_of(until - time_now());
        return rc;
}

static int time_nap(const char *call, int64_t span, struct timespec *left)
{
        int64_t until = time_after(span);
        int rc = rn_p_nap(rn_p_self(), until, call);
        if (rc != 0 && left)
                *left = timespec_of(until - time_now());
        errno = rc ? rc : errno;
        return rc ? -1 : 0;
}

int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
        if (!rn_p_enter("nanosleep"))
                return __real_nanosleep(t, left);
        int64_t span = rn_p_span(t);
        if (span == -1) {
                errno = EINVAL;
                return -1;
        }
        return time_nap("sleeps in nanosleep", span, left);
}

int __wrap_usleep(useconds_t us)
{
        return rn_p_enter("usleep") ? time_nap("sleeps in usleep", us * INT64_C(1000), NULL) : __real_usleep(us);
}

unsigned __wrap_sleep(unsigned seconds)
{
        struct timespec left = {0};
        if (!rn_p_enter("sleep"))
                return __real_sleep(seconds);
        time_nap("sleeps in sleep", seconds * SECOND, &left);
        return (unsigned)left.tv_sec + (left.tv_nsec > 0);
}

int __wrap_sched_yield(void)
{
        return rn_p_enter("sched_yield") ? 0 : __real_sched_yield();
}

/* ---- clocks ---- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
        if (!rn_p_inside())
                return __real_clock_gettime(clock, t);
        *t = timespec_of(clock_now_of(clock));
        return 0;
}

int __wrap_gettimeofday(struct timeval *restrict t, void *restrict zone)
{
        if (!rn_p_inside())
                return __real_gettimeofday(t, zone);
        int64_t ns = clock_now_of(CLOCK_REALTIME);
        *t = (struct timeval){.tv_sec = (time_t)(ns / SECOND), .tv_usec = (suseconds_t)(ns % SECOND / 1000)};
        return 0;
}

time_t __wrap_time(time_t *t)
{
        if (!rn_p_inside())
                return __real_time(t);
        time_t seconds = (time_t)(clock_now_of(CLOCK_REALTIME) / SECOND);
        if (t)
                *t = seconds;
        return seconds;
}

int __wrap_timespec_get(struct timespec *t, int base)
{
        if (!rn_p_inside() || base != TIME_UTC)
                return __real_timespec_get(t, base);
        *t = timespec_of(clock_now_of(CLOCK_REALTIME));
        return base;
}
