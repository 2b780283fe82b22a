/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes, and spin locks as mutexes that know no owner's rights. A thread that unlocks wakes one of those that wait; that one may
 * come too late and wait again, as with real ones. What would be undefined ends the schedule, by name. */
#include "layer.h"

#include <errno.h>

WRAP(pthread_mutex_init);
WRAP(pthread_mutex_destroy);
WRAP(pthread_mutex_lock);
WRAP(pthread_mutex_trylock);
WRAP(pthread_mutex_timedlock);
WRAP(pthread_mutex_clocklock);
WRAP(pthread_mutex_unlock);
WRAP(pthread_spin_init);
WRAP(pthread_spin_destroy);
WRAP(pthread_spin_lock);
WRAP(pthread_spin_trylock);
WRAP(pthread_spin_unlock);

enum { KIND_MASK = 3, DESTROYED = -1 };

/* The C library's own note of the type; its initializers and pthread_mutex_init write it, pthread_mutex_destroy -1. */
rn_p_object *rn_p_mutex(pthread_mutex_t *m)
{
        rn_p_object *o = rn_p_object_of(m, RN_P_MUTEX);
        if (!o->known) {
                char name[32];
                int kind = m->__data.__kind;
                if (kind == DESTROYED)
                        rn_p_refuse("uses %s, which was destroyed", rn_p_object_name(o, name));
                o->type = kind & KIND_MASK;
                o->known = true;
        }
        return o;
}

/* ---- taking and giving ---- */

int rn_p_mutex_take(rn_p_thread *me, rn_p_object *o, int64_t until)
{
        char name[32];
        while (o->owner) {
                if (o->owner == me)
                        rn_p_say(me, "locks %s, which it holds already", rn_p_object_name(o, name));
                else
                        rn_p_say(me, "waits for %s, which '%s' holds", rn_p_object_name(o, name), o->owner->name);
                if (rn_p_wait(me, &o->waiters, until) == ETIMEDOUT)
                        return ETIMEDOUT;
        }
        RN_P_ASSERT(!o->count, "a mutex that nobody holds is locked by nobody");
        o->owner = me;
        o->count = 1;
        rn_p_gets(o);
        return 0;
}

void rn_p_mutex_give(rn_p_object *o)
{
        RN_P_ASSERT(o->count <= 1, "a mutex is given when its last lock is taken back");
        rn_p_gives(o);
        o->owner = NULL;
        o->count = 0;
        rn_p_ring_one(&o->waiters);
}

/* What the type says to a lock of a mutex one holds; -1: wait. */
static int mutex_again(const rn_p_thread *me, rn_p_object *o, bool try)
{
        if (o->owner != me)
                return -1;
        RN_P_ASSERT(o->count > 0, "a mutex that somebody holds is locked");
        if (o->type == PTHREAD_MUTEX_RECURSIVE) {
                o->count++;
                return 0;
        }
        return o->type == PTHREAD_MUTEX_ERRORCHECK && !try ? EDEADLK : -1;
}

static int mutex_lock(rn_p_thread *me, pthread_mutex_t *m, int64_t until)
{
        rn_p_object *o = rn_p_mutex(m);
        int rc = mutex_again(me, o, false);
        if (rc >= 0)
                return rc;
        return until == -1 && o->owner ? EINVAL : rn_p_mutex_take(me, o, until);
}

/* ---- mutexes ---- */

int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr)
{
        if (rn_p_enter("pthread_mutex_init"))
                rn_p_forget(m, RN_P_MUTEX);
        return __real_pthread_mutex_init(m, attr);
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *m)
{
        if (rn_p_enter("pthread_mutex_destroy")) {
                if (rn_p_mutex(m)->owner)
                        return EBUSY;
                rn_p_forget(m, RN_P_MUTEX);
        }
        return __real_pthread_mutex_destroy(m);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
        rn_p_thread *me = rn_p_enter("pthread_mutex_lock");
        return me ? mutex_lock(me, m, RN_P_NEVER) : __real_pthread_mutex_lock(m);
}

int __wrap_pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_mutex_timedlock");
        return me ? mutex_lock(me, m, rn_p_until(CLOCK_REALTIME, at)) : __real_pthread_mutex_timedlock(m, at);
}

int __wrap_pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_mutex_clocklock");
        return me ? mutex_lock(me, m, rn_p_until(clock, at)) : __real_pthread_mutex_clocklock(m, clock, at);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *m)
{
        rn_p_thread *me = rn_p_enter("pthread_mutex_trylock");
        if (!me)
                return __real_pthread_mutex_trylock(m);
        rn_p_object *o = rn_p_mutex(m);
        int rc = mutex_again(me, o, true);
        if (rc >= 0)
                return rc;
        return o->owner ? EBUSY : rn_p_mutex_take(me, o, RN_P_NEVER);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
        char name[32];
        rn_p_thread *me = rn_p_enter("pthread_mutex_unlock");
        if (!me)
                return __real_pthread_mutex_unlock(m);
        rn_p_object *o = rn_p_mutex(m);
        if (o->owner != me) {
                if (o->type == PTHREAD_MUTEX_RECURSIVE || o->type == PTHREAD_MUTEX_ERRORCHECK)
                        return EPERM;
                rn_p_refuse("unlocks %s, which %s%s", rn_p_object_name(o, name), o->owner ? "is held by " : "nobody",
                            o->owner ? o->owner->name : " holds");
        }
        if (o->count > 1)
                o->count--;
        else
                rn_p_mutex_give(o);
        return 0;
}

/* ---- spin locks ---- */

static rn_p_object *spin_object(pthread_spinlock_t *l)
{
        return rn_p_object_of((const void *)l, RN_P_MUTEX);
}

int __wrap_pthread_spin_init(pthread_spinlock_t *l, int shared)
{
        if (rn_p_enter("pthread_spin_init"))
                rn_p_forget((const void *)l, RN_P_MUTEX);
        return __real_pthread_spin_init(l, shared);
}

int __wrap_pthread_spin_destroy(pthread_spinlock_t *l)
{
        if (rn_p_enter("pthread_spin_destroy"))
                rn_p_forget((const void *)l, RN_P_MUTEX);
        return __real_pthread_spin_destroy(l);
}

int __wrap_pthread_spin_lock(pthread_spinlock_t *l)
{
        rn_p_thread *me = rn_p_enter("pthread_spin_lock");
        return me ? rn_p_mutex_take(me, spin_object(l), RN_P_NEVER) : __real_pthread_spin_lock(l);
}

int __wrap_pthread_spin_trylock(pthread_spinlock_t *l)
{
        rn_p_thread *me = rn_p_enter("pthread_spin_trylock");
        if (!me)
                return __real_pthread_spin_trylock(l);
        return spin_object(l)->owner ? EBUSY : rn_p_mutex_take(me, spin_object(l), RN_P_NEVER);
}

int __wrap_pthread_spin_unlock(pthread_spinlock_t *l)
{
        if (!rn_p_enter("pthread_spin_unlock"))
                return __real_pthread_spin_unlock(l);
        rn_p_mutex_give(spin_object(l));
        return 0;
}
