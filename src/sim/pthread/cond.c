/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions. A signal wakes one of those who wait, which one is the schedule's choice, and nobody when nobody waits:
 * the report of a deadlock says so. With REIN_SIM_SPURIOUS waits end for no reason, as the standard allows. */
#include "layer.h"

#include <errno.h>

WRAP(pthread_cond_init);
WRAP(pthread_cond_destroy);
WRAP(pthread_cond_wait);
WRAP(pthread_cond_timedwait);
WRAP(pthread_cond_clockwait);
WRAP(pthread_cond_signal);
WRAP(pthread_cond_broadcast);

/* The C library's own note of the clock, for one that was made outside. */
static rn_p_object *cond_object(pthread_cond_t *c)
{
        rn_p_object *o = rn_p_object_of(c, RN_P_COND);
        if (!o->known) {
                o->type = c->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
                o->known = true;
        }
        return o;
}

static int cond_wait_on(rn_p_thread *me, rn_p_object *o, pthread_mutex_t *m, int64_t until)
{
        char name[32], mutex[32];
        rn_p_object *held = rn_p_mutex(m);
        if (until == -1)
                return EINVAL;
        if (held->owner != me)
                rn_p_refuse("waits for %s without %s, which it does not hold", rn_p_object_name(o, name),
                            rn_p_object_name(held, mutex));
        if (o->missed)
                rn_p_say(me, "waits for %s, which was signalled before (%u) when nobody waited",
                         rn_p_object_name(o, name), o->missed);
        else
                rn_p_say(me, "waits for %s", rn_p_object_name(o, name));
        rn_p_queue_up(me, &o->waiters);
        uint32_t depth = held->count;
        if (depth > 1)
                held->count--; /* as the real one does: it stays locked */
        else
                rn_p_mutex_give(held);
        int rc = rn_p_sleep(me, until, true);
        RN_P_ASSERT(!me->in, "a wait that is over stands in no queue");
        if (depth > 1)
                held->count++;
        else
                rn_p_mutex_take(me, held, RN_P_NEVER);
        RN_P_ASSERT(held->owner == me && held->count == depth, "after a wait the mutex is held as it was before");
        return rc == ETIMEDOUT ? rc : 0;
}

int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr)
{
        if (rn_p_enter("pthread_cond_init"))
                rn_p_forget(c, RN_P_COND);
        return __real_pthread_cond_init(c, attr);
}

int __wrap_pthread_cond_destroy(pthread_cond_t *c)
{
        char name[32];
        if (rn_p_enter("pthread_cond_destroy")) {
                if (cond_object(c)->waiters.first)
                        rn_p_refuse("destroys %s, for which '%s' waits", rn_p_object_name(cond_object(c), name),
                                    cond_object(c)->waiters.first->name);
                rn_p_forget(c, RN_P_COND);
        }
        return __real_pthread_cond_destroy(c);
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
        rn_p_thread *me = rn_p_enter("pthread_cond_wait");
        return me ? cond_wait_on(me, cond_object(c), m, RN_P_NEVER) : __real_pthread_cond_wait(c, m);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_cond_timedwait");
        if (!me)
                return __real_pthread_cond_timedwait(c, m, at);
        rn_p_object *o = cond_object(c);
        return cond_wait_on(me, o, m, rn_p_until(o->type, at));
}

int __wrap_pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_cond_clockwait");
        return me ? cond_wait_on(me, cond_object(c), m, rn_p_until(clock, at))
                  : __real_pthread_cond_clockwait(c, m, clock, at);
}

int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
        if (!rn_p_enter("pthread_cond_signal"))
                return __real_pthread_cond_signal(c);
        rn_p_object *o = cond_object(c);
        if (!o->waiters.first)
                o->missed++;
        rn_p_ring_one(&o->waiters);
        return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
        if (!rn_p_enter("pthread_cond_broadcast"))
                return __real_pthread_cond_broadcast(c);
        rn_p_object *o = cond_object(c);
        if (!o->waiters.first)
                o->missed++;
        rn_p_ring_all(&o->waiters);
        return 0;
}
