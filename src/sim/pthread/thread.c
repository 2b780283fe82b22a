/* SPDX-License-Identifier: Apache-2.0 */
/* Threads. One that pthread_create starts is a task of the simulation; the program's main function and the threads of
 * rein's pools are there already and have a pthread_t too. The numbers are small and the same in every run: nothing of the
 * C library may get one, so what takes a pthread_t and is not simulated is refused. */
#include "layer.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

WRAP(pthread_create);
WRAP(pthread_join);
WRAP(pthread_tryjoin_np);
WRAP(pthread_timedjoin_np);
WRAP(pthread_clockjoin_np);
WRAP(pthread_detach);
WRAP(pthread_self);
WRAP(pthread_exit);
WRAP(pthread_setname_np);
WRAP(pthread_getname_np);
WRAP(pthread_cancel);
WRAP(pthread_kill);
WRAP(pthread_sigqueue);
WRAP(pthread_getattr_np);
WRAP(pthread_getaffinity_np);
WRAP(pthread_setaffinity_np);
WRAP(pthread_getschedparam);
WRAP(pthread_setschedparam);
WRAP(pthread_getcpuclockid);
WRAP(fork);
/* What pthread_cleanup_push and pthread_cleanup_pop are in C without exceptions. */
WRAP(__pthread_register_cancel);
WRAP(__pthread_unregister_cancel);
WRAP(__pthread_unwind_next);

static pthread_t thread_handle(const rn_p_thread *t)
{
        return t->number;
}

/* ---- its life ---- */

static void layer_thread_main(void *arg)
{
        rn_p_thread *t = arg;
        rn_p_thread_runs(t);
        rn_p_gets(t);
        if (setjmp(t->exit) == 0)
                t->result = t->main(t->arg);
        rn_p_values_destroy();
        rn_p_gives(t);
        RN_P_ASSERT(!t->ended && !t->in, "a thread ends once, and waits for nothing then");
        t->ended = true;
        rn_p_ring_all(&t->joiners);
}

int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*main)(void *), void *arg)
{
        static const char prefix[] = "thread#";
        int detached = PTHREAD_CREATE_JOINABLE;
        if (!rn_p_enter("pthread_create"))
                return __real_pthread_create(id, attr, main, arg);
        if (attr)
                pthread_attr_getdetachstate(attr, &detached);
        rn_p_thread *t = rn_p_thread_new();
        t->created = true;
        t->detached = detached == PTHREAD_CREATE_DETACHED;
        t->main = main;
        t->arg = arg;
        rn_p_name(t, "%s%u", prefix, rn_p_count_created());
        rn_p_gives(t);
        *id = thread_handle(t); /* it may run before this call returns */
        return rein_sim_start(t->name, layer_thread_main, t) < 0 ? EAGAIN : 0;
}

/* The cleanup handlers run where they were pushed, the last first, and each comes back here. */
static _Noreturn void thread_unwind(rn_p_thread *me)
{
        __pthread_unwind_buf_t *top = me->cleanup;
        if (!top)
                longjmp(me->exit, 1);
        me->cleanup = top->__pad[0];
        jmp_buf there = {{.__mask_was_saved = 0}};
        memcpy(there, top->__cancel_jmp_buf, sizeof top->__cancel_jmp_buf); /* the same, without room for a mask */
        longjmp(there, 1);
}

void __wrap_pthread_exit(void *result)
{
        rn_p_thread *me = rn_p_enter("pthread_exit");
        if (!me)
                __real_pthread_exit(result);
        if (!me->created)
                rn_p_refuse("called pthread_exit, but pthread_create did not start it");
        me->result = result;
        thread_unwind(me);
}

void __wrap___pthread_register_cancel(__pthread_unwind_buf_t *buf)
{
        if (!rn_p_inside()) {
                __real___pthread_register_cancel(buf);
                return;
        }
        rn_p_thread *me = rn_p_self();
        buf->__pad[0] = me->cleanup;
        me->cleanup = buf;
}

void __wrap___pthread_unregister_cancel(__pthread_unwind_buf_t *buf)
{
        if (rn_p_inside())
                rn_p_self()->cleanup = buf->__pad[0];
        else
                __real___pthread_unregister_cancel(buf);
}

void __wrap___pthread_unwind_next(__pthread_unwind_buf_t *buf)
{
        if (!rn_p_inside())
                __real___pthread_unwind_next(buf);
        thread_unwind(rn_p_self());
}

/* ---- waiting for its end ---- */

/* until 0: do not wait. */
static int thread_join(rn_p_thread *me, pthread_t id, void **result, int64_t until)
{
        rn_p_thread *t = rn_p_thread_of(id);
        if (!t || t->joined)
                return ESRCH;
        if (t == me)
                return EDEADLK;
        if (t->detached || !t->created)
                return EINVAL;
        while (!t->ended) {
                if (until <= 0)
                        return until == 0 ? EBUSY : EINVAL;
                rn_p_say(me, "joins '%s'", t->name);
                if (rn_p_wait(me, &t->joiners, until) == ETIMEDOUT)
                        return ETIMEDOUT;
        }
        rn_p_gets(t);
        RN_P_ASSERT(t->ended && !t->detached, "a thread that is joined has ended, and is nobody else's");
        t->joined = true;
        if (result)
                *result = t->result;
        return 0;
}

int __wrap_pthread_join(pthread_t id, void **result)
{
        rn_p_thread *me = rn_p_enter("pthread_join");
        return me ? thread_join(me, id, result, RN_P_NEVER) : __real_pthread_join(id, result);
}

int __wrap_pthread_tryjoin_np(pthread_t id, void **result)
{
        rn_p_thread *me = rn_p_enter("pthread_tryjoin_np");
        return me ? thread_join(me, id, result, 0) : __real_pthread_tryjoin_np(id, result);
}

int __wrap_pthread_timedjoin_np(pthread_t id, void **result, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_timedjoin_np");
        return me ? thread_join(me, id, result, rn_p_until(CLOCK_REALTIME, at))
                  : __real_pthread_timedjoin_np(id, result, at);
}

int __wrap_pthread_clockjoin_np(pthread_t id, void **result, clockid_t clock, const struct timespec *at)
{
        rn_p_thread *me = rn_p_enter("pthread_clockjoin_np");
        return me ? thread_join(me, id, result, rn_p_until(clock, at))
                  : __real_pthread_clockjoin_np(id, result, clock, at);
}

int __wrap_pthread_detach(pthread_t id)
{
        if (!rn_p_enter("pthread_detach"))
                return __real_pthread_detach(id);
        rn_p_thread *t = rn_p_thread_of(id);
        if (!t || t->joined)
                return ESRCH;
        if (t->detached || !t->created)
                return EINVAL;
        t->detached = true;
        return 0;
}

/* ---- who it is ---- */

pthread_t __wrap_pthread_self(void)
{
        return rn_p_inside() ? thread_handle(rn_p_self()) : __real_pthread_self();
}

int __wrap_pthread_setname_np(pthread_t id, const char *name)
{
        if (!rn_p_enter("pthread_setname_np"))
                return __real_pthread_setname_np(id, name);
        rn_p_thread *t = rn_p_thread_of(id);
        if (!t)
                return ESRCH;
        size_t n = 0;
        while (n < sizeof t->name && name[n])
                n++;
        if (n == sizeof t->name)
                return ERANGE;
        rn_p_name(t, "%s", name);
        return 0;
}

int __wrap_pthread_getname_np(pthread_t id, char *name, size_t size)
{
        if (!rn_p_enter("pthread_getname_np"))
                return __real_pthread_getname_np(id, name, size);
        const rn_p_thread *t = rn_p_thread_of(id);
        if (!t)
                return ESRCH;
        size_t n = 0;
        while (t->name[n])
                n++;
        if (n >= size)
                return ERANGE;
        for (size_t i = 0; i <= n; i++)
                name[i] = t->name[i];
        return 0;
}

/* ---- what is not simulated ---- */

#define REFUSED(result, f, parameters, ...)                                                                            \
        result __wrap_##f parameters                                                                                   \
        {                                                                                                              \
                if (rn_p_inside())                                                                                     \
                        rn_p_refuse("called " #f ", which is not simulated");                                          \
                return __real_##f(__VA_ARGS__);                                                                        \
        }

REFUSED(int, pthread_cancel, (pthread_t id), id)
REFUSED(int, pthread_kill, (pthread_t id, int signo), id, signo)
REFUSED(int, pthread_sigqueue, (pthread_t id, int signo, const union sigval value), id, signo, value)
REFUSED(int, pthread_getattr_np, (pthread_t id, pthread_attr_t *attr), id, attr)
REFUSED(int, pthread_getaffinity_np, (pthread_t id, size_t n, cpu_set_t *cpus), id, n, cpus)
REFUSED(int, pthread_setaffinity_np, (pthread_t id, size_t n, const cpu_set_t *cpus), id, n, cpus)
REFUSED(int, pthread_getschedparam, (pthread_t id, int *policy, struct sched_param *p), id, policy, p)
REFUSED(int, pthread_setschedparam, (pthread_t id, int policy, const struct sched_param *p), id, policy, p)
REFUSED(int, pthread_getcpuclockid, (pthread_t id, clockid_t *clock), id, clock)
REFUSED(pid_t, fork, (void), )
