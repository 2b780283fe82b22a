/* SPDX-License-Identifier: Apache-2.0 */
/* Reader-writer locks: count is the readers, owner the writer. A thread that gives it back wakes all that wait, and the one that comes
 * first has it: a program that relies on an order is wrong. */
#include "layer.h"

#include <errno.h>

WRAP(pthread_rwlock_init);
WRAP(pthread_rwlock_destroy);
WRAP(pthread_rwlock_rdlock);
WRAP(pthread_rwlock_tryrdlock);
WRAP(pthread_rwlock_timedrdlock);
WRAP(pthread_rwlock_clockrdlock);
WRAP(pthread_rwlock_wrlock);
WRAP(pthread_rwlock_trywrlock);
WRAP(pthread_rwlock_timedwrlock);
WRAP(pthread_rwlock_clockwrlock);
WRAP(pthread_rwlock_unlock);

static rn_p_object *rwlock_object(pthread_rwlock_t *l)
{
        return rn_p_object_of(l, RN_P_RWLOCK);
}

static void rwlock_say_who_has_it(rn_p_thread *me, const rn_p_object *o)
{
        char name[32];
        if (o->owner)
                rn_p_say(me, "waits for %s, under which '%s' writes", rn_p_object_name(o, name), o->owner->name);
        else
                rn_p_say(me, "waits to write under %s, under which others read: %u", rn_p_object_name(o, name),
                         o->count);
}

/* until 0: do not wait. */
static int rwlock_take(rn_p_thread *me, rn_p_object *o, bool write, int64_t until)
{
        if (o->owner == me)
                return until == 0 ? EBUSY : EDEADLK;
        while (o->owner || (write && o->count > 0)) {
                if (until <= 0)
                        return until == 0 ? EBUSY : EINVAL;
                rwlock_say_who_has_it(me, o);
                if (rn_p_wait(me, &o->waiters, until) == ETIMEDOUT)
                        return ETIMEDOUT;
        }
        RN_P_ASSERT(!o->owner && (!write || !o->count), "nobody writes beside others");
        if (write)
                o->owner = me;
        else
                o->count++;
        rn_p_gets(o);
        return 0;
}

int __wrap_pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *attr)
{
        if (rn_p_enter("pthread_rwlock_init"))
                rn_p_forget(l, RN_P_RWLOCK);
        return __real_pthread_rwlock_init(l, attr);
}

int __wrap_pthread_rwlock_destroy(pthread_rwlock_t *l)
{
        if (rn_p_enter("pthread_rwlock_destroy")) {
                if (rwlock_object(l)->owner || rwlock_object(l)->count > 0)
                        return EBUSY;
                rn_p_forget(l, RN_P_RWLOCK);
        }
        return __real_pthread_rwlock_destroy(l);
}

int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
        rn_p_thread *me = rn_p_enter("pthread_rwlock_rdlock");
        return me ? rwlock_take(me, rwlock_object(l), false, RN_P_NEVER) : __real_pthread_rwlock_rdlock(l);
}

int __wrap_pthread_rwlock_tryrdlock(pthread_rwlock_t *l)
{
        rn_p_thread *me = rn_p_enter("pthread_rwlock_tryrdlock");
        return me ? rwlock_take(me, rwlock_object(l), false, 0) : __real_pthread_rwlock_tryrdlock(l);
}

int __wrap_pthread_rwlock_timedrdlock(pthread_rwlock_t *l, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_rwlock_timedrdlock");
        return me ? rwlock_take(me, rwlock_object(l), false, rn_p_until(CLOCK_REALTIME, at))
                  : __real_pthread_rwlock_timedrdlock(l, at);
}

int __wrap_pthread_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_rwlock_clockrdlock");
        return me ? rwlock_take(me, rwlock_object(l), false, rn_p_until(clock, at))
                  : __real_pthread_rwlock_clockrdlock(l, clock, at);
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
        rn_p_thread *me = rn_p_enter("pthread_rwlock_wrlock");
        return me ? rwlock_take(me, rwlock_object(l), true, RN_P_NEVER) : __real_pthread_rwlock_wrlock(l);
}

int __wrap_pthread_rwlock_trywrlock(pthread_rwlock_t *l)
{
        rn_p_thread *me = rn_p_enter("pthread_rwlock_trywrlock");
        return me ? rwlock_take(me, rwlock_object(l), true, 0) : __real_pthread_rwlock_trywrlock(l);
}

int __wrap_pthread_rwlock_timedwrlock(pthread_rwlock_t *l, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_rwlock_timedwrlock");
        return me ? rwlock_take(me, rwlock_object(l), true, rn_p_until(CLOCK_REALTIME, at))
                  : __real_pthread_rwlock_timedwrlock(l, at);
}

int __wrap_pthread_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_rwlock_clockwrlock");
        return me ? rwlock_take(me, rwlock_object(l), true, rn_p_until(clock, at))
                  : __real_pthread_rwlock_clockwrlock(l, clock, at);
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l)
{
        char name[32];
        rn_p_thread *me = rn_p_enter("pthread_rwlock_unlock");
        if (!me)
                return __real_pthread_rwlock_unlock(l);
        rn_p_object *o = rwlock_object(l);
        if (o->owner ? o->owner != me : o->count == 0)
                rn_p_refuse("unlocks %s, which it does not hold", rn_p_object_name(o, name));
        rn_p_gives(o);
        RN_P_ASSERT(!o->owner || !o->count, "nobody reads beside one that writes");
        if (o->owner)
                o->owner = NULL;
        else
                o->count--;
        if (o->count == 0)
                rn_p_ring_all(&o->waiters);
        return 0;
}
