/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for futures: one, all, any, the first success, as completed; and rein_on. One engine, rn_watch_set: a node in
 * each future, on the waiter's stack (or in one block for more than 16). The thread that settles moves the node to the set and
 * rings the waiter's door; the waiter looks under the set's lock only, and takes its nodes out before it leaves. A task that waits for
 * one job may run it itself (deadlock.h), or see it end before there is a node (spin.h). */
#include "rein/wait.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/deadlock.h"
#include "core/share.h"

enum { ON_STACK = 16 };

/* ---- the engine ---- */

static size_t watch_set_fired(rn_watch_set *set)
{
        rn_lock_take(&set->lock);
        size_t n = set->fired;
        rn_lock_give(&set->lock);
        return n;
}

typedef struct futures_wait {
        rein_future *const *f;
        size_t n, need;     /* futures; how many must have come to their end */
        uint32_t for_state; /* RN_SETTLED or RN_GONE */
        int64_t until;
        bool cancelable;
        bool checked; /* a deadlock was told already */
        const char *doing;
        size_t first; /* out: the index of the first that came */
} futures_wait;

static int wait_sleep(rn_task *self, futures_wait *a, rn_watch_set *set)
{
        rn_wait wait;
        rn_doing was = rn_task_doing_for_ever(self, (rn_doing){a->doing, NULL});
        bool for_ever = a->until == RN_NEVER && !a->checked && (!a->cancelable || rn_cancel_at(self) == RN_NEVER);
        int rc = rn_wait_begin(
                self,
                &(rn_wait_target){.futures = a->f, .count = a->n, .any = a->need < a->n, .cancelable = a->cancelable},
                for_ever, &wait);
        while (rc == 0 && watch_set_fired(set) < a->need)
                rc = rn_wait_turn_looking(self, a->until, a->cancelable, &wait);
        if (rc != 0 && watch_set_fired(set) >= a->need)
                rc = 0; /* it came at the same moment: what is there wins */
        rn_wait_end(self, &wait);
        rn_task_doing_for_ever(self, was);
        return rc;
}

static int wait_watching(rn_task *self, futures_wait *a, rn_watcher *nodes)
{
        rn_watch_set set = {.task = self};
        size_t watched = 0;
        for (; watched < a->n && watch_set_fired(&set) < a->need; watched++) {
                rn_watcher *w = &nodes[watched];
                *w = (rn_watcher){.set = &set, .f = a->f[watched], .index = watched, .for_state = a->for_state};
                if (!rn_future_watch(w))
                        rn_watcher_fire(w);
        }
        int rc = watch_set_fired(&set) < a->need ? wait_sleep(self, a, &set) : 0;
        for (size_t i = 0; i < watched; i++)
                rn_future_unwatch(&nodes[i]);
        RN_ASSERT(set.fired <= watched, "a future fires once in a wait");
        if (rc == 0 && set.first)
                a->first = set.first->index;
        return rc;
}

/* A frame of its own: who waits for one only should need little stack. */
__attribute__((noinline)) static int wait_for_a_few(rn_task *self, futures_wait *a)
{
        rn_watcher nodes[ON_STACK] = {0};
        return wait_watching(self, a, nodes);
}

static bool wait_is_over(const void *arg)
{
        const futures_wait *a = arg;
        return rn_future_is(a->f[0], a->for_state);
}

/* It is a job, and over before it is worth while to sleep (spin.h). */
static bool wait_is_over_soon(rn_task *self, const futures_wait *a, const rein_work *job)
{
        const bool warm = job->warm || rn_load32((rn_a32 *)(uintptr_t)&job->state) == RN_WORK_RUNNING;
        if (self->backend->expects)
                self->backend->expects(self, warm);
        return self->backend->thread && rn_spin_until(&self->spin, warm, wait_is_over, a);
}

static int wait_for_futures(rn_task *self, futures_wait *a)
{
        if (a->n == 1) {
                rein_work *only = rn_work_of(a->f[0]);
                rn_watcher node = {0};
                if (only && a->until == RN_NEVER && rn_claim_here(self, only))
                        return 0;
                if (only && wait_is_over_soon(self, a, only))
                        return 0;
                return wait_watching(self, a, &node);
        }
        if (a->n <= ON_STACK)
                return wait_for_a_few(self, a);
        rn_watcher *nodes = rn_alloc(a->n * sizeof *nodes);
        if (!nodes)
                return -ENOMEM;
        int rc = wait_watching(self, a, nodes);
        rn_free(nodes);
        return rc;
}

/* What every public wait checks at entry. */
static int wait_enter(rn_task **self, rein_future *const f[], size_t n, const char *call)
{
        *self = rn_self();
        if (!*self)
                return -ENOMEM;
        rn_stretch_spend(*self, RN_SPENDS_CALL);
        if (n && !f) {
                rn_fail(-EINVAL, call, "no futures");
                return -EINVAL;
        }
        if (n > INT_MAX) /* the answer is an index */
                return rn_fail(-EINVAL, call, "%zu futures: as many as an int can count, %d, can be waited for", n,
                               INT_MAX);
        for (size_t i = 0; i < n; i++) {
                if (!f[i])
                        return n == 1 ? rn_fail(-EINVAL, call, "the future is NULL")
                                      : rn_fail(-EINVAL, call, "future %zu of %zu is NULL", i, n);
                if (!rn_future_ours(f[i]))
                        return rn_future_refused(f[i], call);
                RN_ASKS_ONCE(future, f[i]);
        }
        return rn_canceled(*self) ? REIN_ECANCELED : 0;
}

static int future_tell_failure(rein_future *f)
{
        char who[96] = "what was promised";
        const char *what = f->outcome.code == REIN_ECANCELED ? "was cancelled" : "failed";
        const rein_work *w = rn_work_of(f);
        rn_future_seen(f);
        if (w)
                rn_work_describe(w, who, sizeof who);
        if (w && f->outcome.code != REIN_ECANCELED && rn_load32((rn_a32 *)(uintptr_t)&w->state) == RN_WORK_NEVER)
                what = "was refused, and never ran";
        if (rn_future_was_refused(f))
                return rn_fail_because(REIN_EFAILED, rn_error_ref(f->outcome.error), f->place,
                                       "the submit was refused");
        return rn_fail_because(REIN_EFAILED, rn_error_ref(f->outcome.error), f->place, "%s %s", who, what);
}

int rein_await(rein_future *f, void **value, rein_time until)
{
        RN_CALL();
        RN_ASKS(future, f);
        rn_task *self;
        int rc = wait_enter(&self, &f, 1, "rein_await");
        if (rc == 0 && !rn_future_is(f, RN_SETTLED))
                rc = wait_for_futures(self, &(futures_wait){.f = &f,
                                                            .n = 1,
                                                            .need = 1,
                                                            .for_state = RN_SETTLED,
                                                            .until = until.ns,
                                                            .cancelable = true,
                                                            .doing = "rein_await"});
        if (rc < 0)
                return rc;
        if (f->outcome.code < 0)
                return future_tell_failure(f);
        if (value)
                *value = f->outcome.value;
        return 0;
}

int rein_wait_all(rein_future *const f[], size_t n, rein_time until)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        rn_task *self;
        int rc = wait_enter(&self, f, n, "rein_wait_all");
        if (rc < 0 || n == 0)
                return rc;
        return wait_for_futures(self, &(futures_wait){.f = f,
                                                      .n = n,
                                                      .need = n,
                                                      .for_state = RN_SETTLED,
                                                      .until = until.ns,
                                                      .cancelable = true,
                                                      .doing = "rein_wait_all"});
}

int rein_wait_any(rein_future *const f[], size_t n, rein_time until)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        rn_task *self;
        int rc = wait_enter(&self, f, n, "rein_wait_any");
        if (rc < 0)
                return rc;
        if (n == 0)
                return -ENOENT;
        futures_wait a = {.f = f,
                          .n = n,
                          .need = 1,
                          .for_state = RN_SETTLED,
                          .until = until.ns,
                          .cancelable = true,
                          .doing = "rein_wait_any"};
        rc = wait_for_futures(self, &a);
        return rc < 0 ? rc : (int)a.first;
}

/* ---- as completed ---- */

typedef struct done {
        rn_watch_set set;
        size_t n, given, total;
        rein_future **f;
        rn_watcher watchers[];
} done;

typedef struct handle {
        done *d;
        rn_opener opener;
        const char *place;
        uint32_t magic, process;
        int why; /* it is UNOPENED: the code */
} handle;

_Static_assert(sizeof(handle) <= sizeof(rein_done), "rein_done has room for its handle");

enum { OPEN = 0x509e0001, UNOPENED = 0x509e0002 };

/* Each future once: an open-addressed table of what was seen; SIZE_MAX is free. */
static bool futures_seen_before(rein_future *const f[], size_t i, size_t *table, size_t slots)
{
        size_t at = ((uintptr_t)f[i] >> 4) * 0x9e3779b97f4a7c15u % slots;
        for (; table[at] != SIZE_MAX; at = (at + 1) % slots)
                if (f[table[at]] == f[i])
                        return true;
        table[at] = i;
        return false;
}

static done *done_new(rn_task *self, rein_future *const f[], size_t n, void *few)
{
        const size_t slots = 2 * n + 1;
        size_t small[2 * ON_STACK + 1];
        size_t *table = few ? small : rn_alloc(slots * sizeof *table);
        done *d = few ? few : table ? rn_alloc(sizeof *d + n * (sizeof *d->watchers + sizeof *d->f)) : NULL;
        if (d) {
                memset(table, 0xff, slots * sizeof *table);
                d->set.task = self;
                d->n = n;
                d->f = (rein_future **)(void *)&d->watchers[n];
                for (size_t i = 0; i < n; i++) {
                        rn_watcher *w = &d->watchers[i];
                        *w = (rn_watcher){.set = &d->set, .f = f[i], .index = i, .for_state = RN_SETTLED};
                        d->f[i] = f[i];
                        if (futures_seen_before(f, i, table, slots))
                                continue;
                        d->total++;
                        if (!rn_future_watch(w))
                                rn_watcher_fire(w);
                }
        }
        if (!few)
                rn_free(table);
        return d;
}

static void done_leave(done *d)
{
        for (size_t i = 0; i < d->n; i++)
                rn_future_unwatch(&d->watchers[i]);
}

static void done_free(done *d)
{
        done_leave(d);
        rn_free(d);
}

static int done_check(rein_future *const f[], size_t n)
{
        if (n > INT_MAX || (n && !f))
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (!f[i])
                        return -EINVAL;
                else if (!rn_future_ours(f[i]))
                        return rn_future_refused(f[i], "rein_done_open");
        return 0;
}

void rein_done_open_at(const char *place, rein_done *it, rein_future *const f[], size_t n)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        handle *h = (handle *)(void *)it;
        rn_task *self = rn_self();
        h->why = done_check(f, n);
        h->opener = rn_opener_of(self);
        h->process = rn_generation();
        h->place = place;
        h->d = self && h->why == 0 ? done_new(self, f, n, NULL) : NULL;
        if (h->why == 0 && !h->d)
                h->why = -ENOMEM;
        h->magic = h->d ? OPEN : UNOPENED;
}

static rn_watcher *watch_set_next_fired(rn_watch_set *set)
{
        rn_lock_take(&set->lock);
        rn_watcher *w = set->first;
        RN_ASSERT(!set->first == !set->last, "the list of those that fired has a first and a last, or neither");
        if (w) {
                set->first = w->next_fired;
                if (!set->first)
                        set->last = NULL;
        }
        rn_lock_give(&set->lock);
        return w;
}

static int done_next(rn_task *self, done *d, int64_t until)
{
        rn_watcher *w = watch_set_next_fired(&d->set);
        if (!w && d->given == d->total)
                return -ENOENT;
        int rc = 0;
        if (!w) {
                rn_wait wait;
                rn_doing was = rn_task_doing_for_ever(self, (rn_doing){"rein_done_next", NULL});
                rc = rn_wait_begin(self, &(rn_wait_target){.futures = d->f, .count = d->n}, false, &wait);
                while (rc == 0 && !(w = watch_set_next_fired(&d->set)))
                        rc = rn_wait_turn(self, until);
                if (rc != 0 && (w = watch_set_next_fired(&d->set)))
                        rc = 0;
                rn_wait_end(self, &wait);
                rn_task_doing_for_ever(self, was);
        }
        if (rc == REIN_ETIMEOUT)
                return rn_fail(rc, "rein_done_next", "%zu of %zu unfinished", d->total - d->given, d->total);
        if (!w)
                return rc;
        RN_ASSERT(d->given < d->total && w->index < d->n, "each future of a set is given once");
        d->given++;
        return (int)w->index;
}

static int done_check_owner(const handle *h, const char *call, const rn_task *self)
{
        if (!h || (h->magic != OPEN && h->magic != UNOPENED))
                return rn_misused(call, "it is not open");
        if (h->process != rn_generation() || !rn_opened_by(&h->opener, self))
                return rn_misused(call, "it was opened by another task, at %s", h->place);
        return 0;
}

int rein_done_next(rein_done *it, rein_time until)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        handle *h = (handle *)(void *)it;
        rn_task *self = rn_self_if();
        rn_stretch_spend(self, RN_SPENDS_CALL);
        int rc = done_check_owner(h, "rein_done_next", self);
        if (rc < 0)
                return rc;
        if (h->magic == UNOPENED)
                return rn_fail(h->why, "rein_done_next", "it could not be opened at %s: %s", h->place,
                               h->why == -ENOMEM  ? "no memory"
                               : h->why == -EPERM ? "a future that was dropped, or is from before a fork"
                                                  : "a future that is NULL, or more of them than an int can count");
        if (rn_canceled(self))
                return REIN_ECANCELED;
        return done_next(self, h->d, until.ns);
}

void rein_done_close(rein_done *it)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        handle *h = (handle *)(void *)it;
        if (!it || done_check_owner(h, "rein_done_close", rn_self_if()) < 0)
                return;
        if (h->magic == OPEN)
                done_free(h->d);
        h->magic = 0;
}

static int futures_all_failed(rein_future *const f[], size_t n)
{
        rein_error *chain = NULL;
        for (size_t i = n; i-- > 0;) {
                rn_future_seen(f[i]);
                if (!f[i]->outcome.error)
                        continue;
                rein_error *linked = rn_error_with_next(f[i]->outcome.error, chain);
                chain = linked ? linked : rn_error_ref(f[i]->outcome.error);
        }
        return rn_fail_because(REIN_EFAILED, chain, "rein_wait_first", "all %zu failed", n);
}

int rein_wait_first(rein_future *const f[], size_t n, rein_time until)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        rn_task *self;
        int rc = wait_enter(&self, f, n, "rein_wait_first");
        if (rc < 0)
                return rc;
        if (n == 0)
                return -ENOENT;
        union {
                done d;
                char room[sizeof(done) + ON_STACK * (sizeof(rn_watcher) + sizeof(rein_future *))];
        } few = {.room = {0}};
        done *d = done_new(self, f, n, n <= ON_STACK ? &few : NULL);
        if (!d)
                return -ENOMEM;
        while ((rc = done_next(self, d, until.ns)) >= 0 && f[rc]->outcome.code < 0)
                ;
        if (n <= ON_STACK)
                done_leave(d);
        else
                done_free(d);
        if (rc == -ENOENT)
                return futures_all_failed(f, n);
        for (size_t i = 0; rc >= 0 && i < n; i++)
                if (f[i] != f[rc])
                        rein_cancel_at("rein_wait_first", f[i], "another one succeeded first");
        return rc;
}

/* ---- run there, wait here ---- */

int rein_on_at(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        rn_task *self = rn_self();
        rein_future *f = NULL;
        rein_job copy;
        const char *what = NULL;
        if (!self) {
                rn_job_release(job, arg);
                return -ENOMEM;
        }
        rn_stretch_spend(self, RN_SPENDS_CALL);
        if (!x)
                x = rn_executor_here(self);
        rein_work *w = rn_executor_job(self, place, "rein_on", x, fn, arg, job, self->now->scope, &f);
        if (w) {
                f = &w->future;
                rn_future_hold(f);
                if (self->now->unopened)
                        rn_executor_refuse(w, REIN_ECANCELED, "no memory to open a scope around it");
                else
                        rn_share_or_accept(self, x, w);
                bool may_leave_it = rn_job_take(&copy, job, arg, &what) == 0 && copy.unheeded == REIN_ABANDON_IT;
                uint32_t end = may_leave_it ? RN_SETTLED : RN_GONE;
                futures_wait a = {.f = &f, .n = 1, .need = 1, .for_state = end, .until = RN_NEVER, .doing = "rein_on"};
                int rc = rn_future_is(f, end) ? 0 : wait_for_futures(self, &a);
                if (rc == REIN_EDEADLOCK) { /* told, and it still has to be gone */
                        rein_error *e = rn_trail_take(self, rc);
                        rein_cancel_at(place, f, "waiting for it is a deadlock");
                        a.checked = true;
                        wait_for_futures(self, &a);
                        rn_error_set(&self->now->trail, e);
                        rn_future_seen(f);
                        rein_drop(f);
                        return rc;
                }
        }
        return rn_future_answer(f, self);
}
