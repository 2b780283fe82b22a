/* SPDX-License-Identifier: Apache-2.0 */
/* Barriers, and what is done once. A once that was done outside is done; one that was not is done again in every
 * schedule. */
#include "layer.h"

#include <errno.h>

WRAP(pthread_barrier_init);
WRAP(pthread_barrier_destroy);
WRAP(pthread_barrier_wait);
WRAP(pthread_once);

/* ---- barriers ---- */

static rn_p_object *barrier_object(pthread_barrier_t *b)
{
        rn_p_object *o = rn_p_object_of(b, RN_P_BARRIER);
        if (!o->known)
                rn_p_refuse("uses a barrier that was not made in this schedule");
        return o;
}

int __wrap_pthread_barrier_init(pthread_barrier_t *b, const pthread_barrierattr_t *attr, unsigned n)
{
        bool inside = rn_p_enter("pthread_barrier_init");
        int rc = __real_pthread_barrier_init(b, attr, n);
        if (rc == 0 && inside) {
                rn_p_forget(b, RN_P_BARRIER);
                rn_p_object *o = rn_p_object_of(b, RN_P_BARRIER);
                o->most = n;
                o->known = true;
        }
        return rc;
}

int __wrap_pthread_barrier_destroy(pthread_barrier_t *b)
{
        char name[32];
        if (rn_p_enter("pthread_barrier_destroy")) {
                if (barrier_object(b)->count > 0)
                        rn_p_refuse("destroys %s, at which others wait", rn_p_object_name(barrier_object(b), name));
                rn_p_forget(b, RN_P_BARRIER);
        }
        return __real_pthread_barrier_destroy(b);
}

int __wrap_pthread_barrier_wait(pthread_barrier_t *b)
{
        char name[32];
        rn_p_thread *me = rn_p_enter("pthread_barrier_wait");
        if (!me)
                return __real_pthread_barrier_wait(b);
        rn_p_object *o = barrier_object(b);
        RN_P_ASSERT(o->count < o->most, "a barrier opens when all have come");
        rn_p_gives(o);
        if (++o->count == o->most) {
                o->count = 0;
                rn_p_gets(o);
                rn_p_ring_all(&o->waiters);
                return PTHREAD_BARRIER_SERIAL_THREAD;
        }
        rn_p_say(me, "waits at %s, where %u of %u are", rn_p_object_name(o, name), o->count, o->most);
        rn_p_wait(me, &o->waiters, RN_P_NEVER);
        rn_p_gets(o);
        return 0;
}

/* ---- once ---- */

enum { NOT_YET, RUNS, DONE };

int __wrap_pthread_once(pthread_once_t *once, void (*fn)(void))
{
        char name[32];
        rn_p_thread *me = rn_p_enter("pthread_once");
        if (!me)
                return __real_pthread_once(once, fn);
        rn_p_object *o = rn_p_object_of((const void *)once, RN_P_ONCE);
        if (!o->known) {
                o->count = *once == PTHREAD_ONCE_INIT ? NOT_YET : DONE;
                o->known = true;
        }
        while (o->count == RUNS) {
                rn_p_say(me, "waits for %s, which '%s' does", rn_p_object_name(o, name), o->owner->name);
                rn_p_wait(me, &o->waiters, RN_P_NEVER);
        }
        rn_p_gets(o);
        if (o->count == DONE)
                return 0;
        RN_P_ASSERT(o->count == NOT_YET, "what is done once is not done yet when it begins");
        o->count = RUNS;
        o->owner = me;
        fn();
        RN_P_ASSERT(o->count == RUNS && o->owner == me, "what is done once was done by the thread that began it");
        rn_p_gives(o);
        o->count = DONE;
        rn_p_ring_all(&o->waiters);
        return 0;
}
