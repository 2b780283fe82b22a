/* SPDX-License-Identifier: Apache-2.0 */
/* Semaphores. One that was made outside begins every schedule with the value it has there. */
#include "layer.h"

#include <errno.h>
#include <limits.h>
#include <semaphore.h>

WRAP(sem_init);
WRAP(sem_destroy);
WRAP(sem_wait);
WRAP(sem_trywait);
WRAP(sem_timedwait);
WRAP(sem_clockwait);
WRAP(sem_post);
WRAP(sem_getvalue);

static rn_p_object *sem_object(sem_t *s)
{
        rn_p_object *o = rn_p_object_of(s, RN_P_SEM);
        if (!o->known) {
                int value = 0;
                __real_sem_getvalue(s, &value);
                o->count = value > 0 ? (uint32_t)value : 0;
                o->known = true;
        }
        return o;
}

static int sem_failed(int err)
{
        errno = err;
        return -1;
}

static int sem_take(rn_p_thread *me, sem_t *s, int64_t until)
{
        char name[32];
        rn_p_object *o = sem_object(s);
        while (o->count == 0) {
                if (until == -1)
                        return sem_failed(EINVAL);
                rn_p_say(me, "waits for %s, which is 0", rn_p_object_name(o, name));
                rn_p_queue_up(me, &o->waiters);
                int rc = rn_p_sleep(me, until, true);
                if (rc != 0)
                        return sem_failed(rc);
        }
        RN_P_ASSERT(o->count > 0, "a semaphore that is taken is above 0");
        o->count--;
        rn_p_gets(o);
        return 0;
}

int __wrap_sem_init(sem_t *s, int shared, unsigned value)
{
        if (rn_p_enter("sem_init"))
                rn_p_forget(s, RN_P_SEM);
        return __real_sem_init(s, shared, value);
}

int __wrap_sem_destroy(sem_t *s)
{
        if (rn_p_enter("sem_destroy"))
                rn_p_forget(s, RN_P_SEM);
        return __real_sem_destroy(s);
}

int __wrap_sem_wait(sem_t *s)
{
        rn_p_thread *me = rn_p_enter("sem_wait");
        return me ? sem_take(me, s, RN_P_NEVER) : __real_sem_wait(s);
}

int __wrap_sem_trywait(sem_t *s)
{
        rn_p_thread *me = rn_p_enter("sem_trywait");
        if (!me)
                return __real_sem_trywait(s);
        return sem_object(s)->count == 0 ? sem_failed(EAGAIN) : sem_take(me, s, RN_P_NEVER);
}

int __wrap_sem_timedwait(sem_t *s, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("sem_timedwait");
        return me ? sem_take(me, s, rn_p_until(CLOCK_REALTIME, at)) : __real_sem_timedwait(s, at);
}

int __wrap_sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("sem_clockwait");
        return me ? sem_take(me, s, rn_p_until(clock, at)) : __real_sem_clockwait(s, clock, at);
}

int __wrap_sem_post(sem_t *s)
{
        if (!rn_p_enter("sem_post"))
                return __real_sem_post(s);
        rn_p_object *o = sem_object(s);
        if (o->count == INT_MAX)
                return sem_failed(EOVERFLOW);
        rn_p_gives(o);
        o->count++;
        rn_p_ring_one(&o->waiters);
        return 0;
}

int __wrap_sem_getvalue(sem_t *s, int *value)
{
        if (!rn_p_enter("sem_getvalue"))
                return __real_sem_getvalue(s, value);
        *value = (int)sem_object(s)->count;
        return 0;
}
