/* SPDX-License-Identifier: Apache-2.0 */
/* What a loop counts must add up, and each of its coroutines must be where its door says. The thread that turns the loop asks
 * at the beginning and at the end of a turn; whoever posts asks about the inbox, under the executor's lock. A simulation,
 * where everybody else rests, asks about all of it after every step. */
#include "core/world.h"
#include "loop/loop.h"

/* ---- one coroutine ---- */

const char *rn_fiber_wrong(const rn_fiber *f)
{
        const uint32_t door = rn_get32(&f->task.door.word);
        const bool runs = f->loop->current == f, ready = rn_linked(&f->ready), timed = rn_wheel_in(&f->timer);
        if (door > RN_FIBER_ASLEEP)
                return "the door of a coroutine is in no state that it has";
        if (!f->work && (timed || f->awaited || door == RN_FIBER_ASLEEP))
                return "a coroutine without a job waits for something";
        if (!f->work)
                return NULL;
        if (door == RN_FIBER_ASLEEP && ready)
                return "a coroutine that sleeps is among those to run";
        if (runs && (ready || timed))
                return "the coroutine that runs is among those to run, or has a timer";
        if (timed && door == RN_FIBER_EMPTY)
                return "a coroutine that was not parked has a timer";
        size_t seen = 0;
        for (const rn_awaited *a = f->awaited; a && seen++ < RN_LIST_ASKED; a = rn_awaited_next(a)) {
                if (rn_linked(&a->by_fd) && (a->polled.fd < 0 || a->polled.events <= 0 || a->polled.got))
                        return "a coroutine waits for a descriptor, and was told of it or did not ask";
        }
        return NULL;
}

static size_t fiber_waits(const rn_fiber *f)
{
        size_t n = 0;
        for (const rn_awaited *a = f->awaited; a; a = rn_awaited_next(a))
                n += rn_linked(&a->by_fd);
        return n;
}

/* ---- the lists of its thread ---- */

static const char *loop_ready_wrong(const rn_loop *l)
{
        size_t n, seen = 0;
        const char *what = rn_list_wrong(&l->ready, &n);
        if (what)
                return what;
        RN_LIST_EACH(i, &l->ready) {
                const rn_fiber *f = RN_ITEM(i, rn_fiber, ready);
                what = f->loop == l && f->work ? rn_fiber_wrong(f) : "one is to run that is another's, or idle";
                if (what || ++seen > RN_LIST_ASKED)
                        return what;
        }
        return NULL;
}

static const char *loop_idle_wrong(const rn_loop *l)
{
        size_t n;
        const char *what = rn_list_wrong(&l->idle, &n);
        if (what)
                return what;
        if (n != l->idle_count || n > l->most_idle)
                return "it keeps more idle coroutines, or fewer, than it counts";
        RN_LIST_EACH(i, &l->idle) {
                const rn_fiber *f = RN_ITEM(i, rn_fiber, ready);
                what = f->loop == l && !f->work ? rn_fiber_wrong(f) : "an idle one is another's, or has a job";
                if (what)
                        return what;
                if (f->larger)
                        return "a stack of a size of its own is kept for others";
        }
        return NULL;
}

static const char *loop_bucket_wrong(const rn_loop *l, size_t b, size_t *waiting)
{
        size_t n, seen = 0;
        const rn_link *list = &l->waiters[b];
        const char *what = rn_list_wrong(list, &n);
        *waiting += n;
        if (what)
                return what;
        RN_LIST_EACH(i, list) {
                const rn_awaited *a = RN_ITEM(i, rn_awaited, by_fd);
                const rn_fiber *f = (const rn_fiber *)(const void *)a->task;
                what = f->loop == l && f->work && f->awaited ? rn_fiber_wrong(f)
                                                             : "one waits for a descriptor that is another's, or idle";
                if (what)
                        return what;
                if ((unsigned)a->polled.fd % RN_LOOP_BUCKETS != b)
                        return "one waits for a descriptor in the list of others";
                if (++seen > RN_LIST_ASKED)
                        break;
        }
        return NULL;
}

/* There are many lists, and seldom is anything in them. */
static const char *loop_waiters_wrong(const rn_loop *l)
{
        size_t waiting = 0;
        const char *what = NULL;
        for (size_t b = 0; l->waiting && b < RN_LOOP_BUCKETS && !what; b++)
                what = rn_list_empty(&l->waiters[b]) ? NULL : loop_bucket_wrong(l, b, &waiting);
        if (what || l->waiting > RN_LIST_ASKED)
                return what;
        return waiting == l->waiting ? NULL : "those that wait for a descriptor are not as many as it counts";
}

/* Others may put more in front meanwhile; nobody but the loop's thread takes one out. */
static const char *loop_mail_wrong(const rn_loop *l)
{
        size_t left = rn_get32(&l->busy) + (size_t)1, seen = 0;
        for (const rn_fiber *f = rn_getptr(&l->mail); f && seen++ < RN_LIST_ASKED; f = rn_getptr(&f->next)) {
                if (!left--)
                        return "a coroutine is twice in the mail";
                if (f->loop != l || !f->work || rn_linked(&f->ready))
                        return "one is in the mail that is another's, or idle, or among those to run";
                if (rn_get32(&f->task.door.word) != RN_FIBER_RUNG)
                        return "a coroutine is in the mail, and was not woken";
        }
        return NULL;
}

const char *rn_fibers_wrong(const rn_loop *l)
{
        const char *what = loop_ready_wrong(l);
        if (!what)
                what = loop_idle_wrong(l);
        if (!what)
                what = loop_mail_wrong(l);
        if (!what)
                what = loop_waiters_wrong(l);
        if (!what && l->current && (l->current->loop != l || !l->current->coro.stack.low))
                what = "the coroutine that runs is another's, or has no stack";
        return what;
}

/* ---- the inbox ---- */

const char *rn_inbox_wrong(const rn_loop *l, size_t *jobs)
{
        size_t n;
        const char *what = rn_list_wrong(&l->inbox, &n);
        *jobs = 0;
        if (what)
                return what;
        RN_LIST_EACH(i, &l->inbox) {
                const rein_work *w = RN_ITEM(i, rein_work, by_age);
                const uint32_t state = rn_get32(&w->state);
                const bool waits = state == RN_WORK_QUEUED || state == RN_WORK_NEVER || (w->posted && w->unlisted);
                if (w->executor != &l->base || !waits)
                        return "a job is in its inbox that is another's, or runs, or has ended";
                ++*jobs;
        }
        if (*jobs > rn_get32(&l->jobs))
                return "its inbox is longer than it counts";
        return *jobs && !l->hosted && !l->running ? "jobs are in its inbox, and it has no thread" : NULL;
}

/* ---- all of it, while everybody rests ---- */

/* Each coroutine that has a job runs, is to run, or sleeps; or another thread has woken it and has not posted it yet. */
static const char *loop_places_wrong(const rn_loop *l, const rn_slab *fibers)
{
        size_t busy = 0, timed = 0, waiting = 0;
        for (const rn_fiber *f = NULL; (f = rn_slab_next(fibers, f));) {
                if (f->loop != l || !f->work)
                        continue;
                const char *what = rn_fiber_wrong(f);
                if (what)
                        return what;
                if (rn_get32(&f->task.door.word) == RN_FIBER_EMPTY && l->current != f && !rn_linked(&f->ready))
                        return "a coroutine does not run, is in no list, and nobody will wake it";
                busy++;
                timed += rn_wheel_in(&f->timer);
                waiting += fiber_waits(f);
        }
        if (timed != l->timers.count)
                return "its timers are not as many as its coroutines that have one";
        if (waiting != l->waiting)
                return "those that wait for a descriptor are not as many as it counts";
        const size_t counted = rn_get32(&l->busy); /* the one that has just ended is counted a moment longer */
        return counted == busy || counted == busy + 1 ? NULL : "it counts more coroutines, or fewer, than have a job";
}

/* It has looked at everything since it said that it sleeps, and whoever came later has rung. */
static const char *loop_sleep_wrong(const rn_loop *l)
{
        if (l->sure == RN_LOOP_AWAKE || !rn_get32(&l->asleep) || rn_get32(&l->posters))
                return NULL;
        if (rn_getptr(&l->mail) || rn_get32(&l->jobs) || !rn_list_empty(&l->ready))
                return "it sleeps, and somebody is there to run, and nobody rings";
        return l->sure == RN_LOOP_SLEEPS && rn_get32(&l->news) ? "it sleeps, and there is news, and nobody rings"
                                                               : NULL;
}

const char *rn_loop_wrong(const rein_executor *x)
{
        const rn_loop *l = (const rn_loop *)(const void *)x;
        const rn_machine *m = rn_virtual();
        size_t jobs;
        const char *what = rn_inbox_wrong(l, &jobs);
        if (!what && l->hosted && l->running)
                what = "a loop with a host has a thread of its own";
        if (what || !m)
                return what;
        what = rn_fibers_wrong(l);
        if (!what && m->world->fibers.item_size)
                what = loop_places_wrong(l, &m->world->fibers);
        const size_t counted = rn_get32(&l->jobs),
                     there = jobs + l->to_start; /* one that begins is counted a moment longer */
        if (!what && counted != there && counted != there + 1)
                what = "its jobs that have not begun are not as many as it counts";
        return what ? what : loop_sleep_wrong(l);
}
