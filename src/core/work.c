/* SPDX-License-Identifier: Apache-2.0 */
#include "core/work.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/executor.h"
#include "core/frames.h"
#include "core/group.h"
#include "core/opts.h"
#include "core/ranges.h"
#include "core/share.h"
#include "core/world.h"
#include "core/text.h"

/* ---- making ---- */

int rn_job_take(rein_job *to, const rein_job *from, const void *arg, const char **what)
{
        *to = (rein_job){.size = sizeof *to};
        int rc = from ? rn_opts_take(to, sizeof *to, from, from->size, what) : 0;
        if (rc < 0)
                return rc;
        const bool owned = to->arg_size || to->release || !arg;
        if (to->unheeded == REIN_KILL_IT)
                *what = "unheeded = REIN_KILL_IT needs a process pool: threads cannot be killed";
        else if ((unsigned)to->unheeded > REIN_KILL_IT)
                *what = "unheeded must be one of the three: REIN_WAIT_FOR_IT, REIN_ABANDON_IT or REIN_KILL_IT";
        else if (to->limit_ns < 0)
                *what = "limit_ns must be " RN_SPAN_RANGE ": use REIN_SPAN for a computed limit";
        else if (to->unheeded == REIN_ABANDON_IT && !owned)
                *what = "a job that may be abandoned needs arg_size, release or no arg: its thread may outlive yours";
        else if (rn_stack_out_of_range(to->stack_size))
                *what = "stack_size must be " RN_STACK_RANGE "; 0 is the executor's";
        else if (to->share && !owned)
                *what = "a shared job needs arg_size, release or no arg: the run may outlive this caller";
        else if (to->share_ns < 0 || (to->share_ns && !to->share))
                *what = "share_ns is negative, or there is no share that it says something about";
        else
                return 0;
        return -EINVAL;
}

void rn_job_release(const rein_job *given, void *arg)
{
        if (given && given->size >= offsetof(rein_job, release) + sizeof given->release && given->release)
                given->release(arg);
}

static void work_destroy(rein_future *f);

const rn_future_kind rn_work_kind = {rn_work_cancel, work_destroy};

int rn_work_init(rein_work *w, const rn_task *self, const char *place, rein_executor *x, rein_fn fn, void *arg,
                 const rein_job *job, rn_scope *parent)
{
        void *copy = NULL;
        rn_share *share = NULL;
        if (job->arg_size && arg && !(copy = rn_alloc(job->arg_size)))
                return -ENOMEM;
        if (job->share && !(share = rn_share_new(job->share, job->share_ns)))
                goto no_memory;
        rn_scope *root = rn_scope_new_root(self, parent, w, place);
        if (!root)
                goto no_memory;
        rn_future_init(&w->future, &rn_work_kind, place);
        memset(&w->state, 0, offsetof(rein_work, name) - offsetof(rein_work, state));
        w->name[0] = 0;
        rn_executor_ref(x);
        w->executor = x;
        w->fn = fn;
        w->arg = copy ? memcpy(copy, arg, job->arg_size) : arg;
        w->arg_size = copy ? job->arg_size : 0;
        w->release = job->release;
        rn_owed(w->release, w->arg, 1);
        w->priority = job->priority;
        w->limit = job->limit_ns;
        w->start_by = job->start_by.ns ? job->start_by.ns : RN_NEVER;
        w->unheeded = job->unheeded;
        w->on_worker = job->on_worker;
        w->background = job->background;
        w->stack_size = job->stack_size;
        if (job->name)
                rn_text_copy(w->name, sizeof w->name, job->name);
        w->share = share;
        w->context = self ? rn_context_ref(self->now->context) : NULL;
        w->submitted = rn_clock_late();
        w->root = root;
        w->root_generation = rn_slab_generation(&root->in_slab);
        rn_scope_link(root);
        if (job->sends) {
                rn_sends *to = (rn_sends *)(void *)job->sends;
                w->is_sender = true;
                rn_initptr(&w->sends, to); /* told to other threads with the work itself */
                to->comes(to);
        }
        return 0;
no_memory:
        rn_free(copy);
        rn_share_free(share);
        return -ENOMEM;
}

/* ---- its memory ---- */

static rn_stock *work_stock(const rn_task *self)
{
        return self && self->stocks ? &self->stocks->works : NULL;
}

rein_work *rn_work_new(const rn_task *self, const char *place, rein_executor *x, rein_fn fn, void *arg,
                       const rein_job *job, rn_scope *parent)
{
        bool stocked;
        rein_work *w = rn_record_take(work_stock(self), sizeof *w, &stocked);
        if (w && rn_work_init(w, self, place, x, fn, arg, job, parent) == 0) {
                w->stocked = stocked;
                return w;
        }
        if (w)
                rn_record_give(work_stock(self), w, stocked);
        return NULL;
}

static void work_destroy(rein_future *f)
{
        rein_work *w = (rein_work *)(void *)f;
        RN_ASSERT(!rn_linked(&w->all), "a job that is freed is in no executor's list");
        RN_ASSERT(!rn_peekptr(&w->runner), "a job that is freed does not run");
        RN_ASSERT(rn_get32(&w->permit) != RN_HAS_PERMIT, "a job that is freed has given its permit back");
        RN_ASSERT(!rn_get32(&w->armed) || (!w->timer.node.in && !rn_linked(&w->errand.link)),
                  "the timer of a job that is freed is off, and no errand of it waits");
        rn_future_done_with(f);
        rn_executor_unref(w->executor);
        rn_share_free(w->share);
        rn_stuck *stuck = rn_loadptr(&w->stuck);
        if (stuck) {
                rn_frames_free(rn_loadptr(&stuck->frames));
                rn_free(stuck);
        }
        f->process = RN_GIVEN_BACK; /* that of a continuation: it has no users who drop it */
        rn_record_give(work_stock(rn_self_if()), w, w->stocked);
}

void rn_work_describe(const rein_work *w, char *out, size_t n)
{
        if (w->name[0])
                snprintf(out, n, "job '%s' on '%s'", w->name, w->executor->name);
        else
                snprintf(out, n, "job of %s on '%s'", rn_base_name(w->future.place), w->executor->name);
}

void rn_value_is_shared(void *value)
{
        (void)value;
}

/* ---- the ends of a work ---- */

void rn_work_stop_sending(rein_work *w)
{
        if (!w->is_sender)
                return;
        rn_sends *to = rn_swapptr(&w->sends, NULL);
        if (to)
                to->left(to);
}

/* Nothing of the job can touch arg any more. User code. */
static void work_release_arg(rein_work *w)
{
        rn_work_stop_sending(w);
        rn_owed(w->release, w->arg, -1);
        if (w->release)
                w->release(w->arg);
        w->release = NULL;
        if (w->arg_size)
                rn_free(w->arg);
        w->arg = NULL;
        w->arg_size = 0;
        rn_context *c = w->context;
        w->context = NULL;
        rn_context_unref(c);
}

/* Settled and gone by now, or gone with this: the group may go on, and the executor's stop. late: it had been abandoned,
 * which told the executor and, if its job allowed that, the group. Uses up a reference. */
static void work_depart(rein_work *w, rn_task *self, bool late)
{
        RN_ASSERT(rn_get32(&w->future.state) & RN_SETTLED, "a job parts when it has settled");
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_ENDED || rn_get32(&w->state) == RN_WORK_NEVER,
                  "a job that parts does not run, and never will");
        rn_work_disarm(w);
        if (late)
                rn_future_gone(&w->future);
        rn_share_finish(w);
        if (w->group && !(late && w->unheeded == REIN_ABANDON_IT))
                w->future.woke |= rn_group_child_parts(w);
        rein_executor *x = w->executor;
        if (self && x->kind->departs && x->kind->departs(self, w, !late))
                return;
        rn_executor_left(x, w, !late, true);
        rn_future_unref(&w->future);
}

bool rn_work_forbid(rein_work *w)
{
        uint32_t was = RN_WORK_QUEUED;
        const bool mine = rn_cas32(&w->state, &was, RN_WORK_NEVER);
        if (mine)
                rn_told_acquire(&w->state);
        return mine;
}

void rn_work_never(rein_work *w, int code, const char *text)
{
        char where[RN_ERROR_WHERE];
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_NEVER, "a job that never runs was forbidden");
        RN_ASSERT(!rn_peekptr(&w->runner), "a job that never runs has no task that runs it");
        rn_future_ref(&w->future);
        rn_work_describe(w, where, sizeof where);
        rn_work_stopped_by(w, RN_RUNG_NEVER);
        rn_tell64(&w->ended, rn_clock());
        if (rn_share_run(w))
                rn_share_detach(w);
        else
                w->executor->kind->dequeue(w->executor, w);
        work_release_arg(w);
        rn_scope_leave(w->root);
        rn_outcome o = {.code = code, .text = text, .where = where};
        if (code == REIN_EREJECTED)
                o.cause = rn_executor_broken_by(w->executor);
        bool late = rn_future_settle_gone(&w->future, &o) != 0;
        if (late)
                rn_error_unref(o.cause);
        work_depart(w, NULL, late);
}

void rn_works_never(rein_work *list, int code, const char *text)
{
        while (list) {
                rein_work *next = list->fired_next;
                rn_work_never(list, code, text);
                rn_future_unref(&list->future);
                list = next;
        }
}

void rn_work_discard(rein_work *w)
{
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_NEW, "a job that is discarded has not come in");
        work_release_arg(w);
        rn_scope_leave(w->root);
        rn_future_unref(&w->future);
}

/* ---- running ---- */

bool rn_work_claim(rein_work *w)
{
        uint32_t was = RN_WORK_QUEUED;
        const bool mine = rn_cas32(&w->state, &was, RN_WORK_RUNNING);
        if (mine)
                rn_told_acquire(&w->state);
        return mine;
}

/* The last look before it runs. 0, or why it must not. */
static int work_may_begin(rein_work *w, rn_task *self, char *text, size_t n)
{
        int rc = 0;
        rn_scope_lock(w->root);
        RN_ASSERT(!w->root->task, "one task runs a job, once");
        w->root->task = self;
        const int64_t cancel_at = rn_load64(&w->root->cancel_at);
        const bool timed = cancel_at != RN_NEVER || w->start_by != RN_NEVER || w->limit;
        const int64_t now = timed ? rn_clock() : rn_clock_late();
        if (timed && cancel_at <= now && !w->posted) { /* a continuation runs whatever stops its executor */
                rn_scope_reason_locked(w->root, text, n);
                rc = REIN_ECANCELED;
        } else if (timed && w->start_by <= now) {
                snprintf(text, n, "it was not started by its start_by");
                rc = REIN_EREJECTED;
        } else if (w->limit) {
                w->root->until = w->limit > RN_NEVER - now ? RN_NEVER : now + w->limit;
                if (w->root->until < cancel_at)
                        rn_store64(&w->root->cancel_at, w->root->until);
        }
        rn_scope_unlock(w->root);
        rn_tell64(&w->started, now);
        return rc;
}

static void work_enter(rein_work *w, rn_task *self)
{
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_RUNNING, "a job that runs was claimed");
        RN_ASSERT(!rn_peekptr(&w->runner), "one task runs a job");
        w->ambient = (rn_ambient){.outer = self->now, .scope = w->root, .context = w->context, .work = w};
        w->context = NULL;
        self->now = &w->ambient;
        self->inline_depth++;
        rn_storeptr(&w->runner, self);
        if (w->unheeded == REIN_ABANDON_IT)
                rn_work_rearm(w); /* others have no event once they run */
}

static void work_leave(rein_work *w, rn_task *self)
{
        RN_ASSERT(self->now == &w->ambient && rn_peekptr(&w->runner) == self, "a task leaves the job that it runs");
        RN_ASSERT(self->now->scope == w->root && !self->now->hook && !self->now->held,
                  "what a job left open was closed before it is left");
        RN_ASSERT(self->inline_depth > 0, "the jobs that a task is in are counted");
        rn_storeptr(&w->runner, NULL);
        rn_error_set(&w->ambient.trail, NULL);
        self->inline_depth--;
        self->now = w->ambient.outer;
        w->context = w->ambient.context; /* let go with the argument */
        w->ambient.context = NULL;
}

/* What fn's return comes to. Fills o; text and where are buffers for it. */
static void work_outcome(rein_work *w, rn_task *self, int rc, rn_outcome *o, char *text, size_t n, char *where)
{
        char open[192], reason[RN_REASON_TEXT];
        int left_open = rn_scope_unwind(self, w->root, open, sizeof open);
        int code = rn_scope_translate(w->root, rc);
        if (code == REIN_ESTOPPED && rc == REIN_ECANCELED)
                code = rc; /* it is not the job that cancelled itself */
        rein_error *trail = rc < 0 ? rn_trail_take(self, rc) : NULL;
        *o = (rn_outcome){.code = code};
        if (left_open) {
                o->code = -EPROTO;
                o->cause = trail;
                snprintf(text, n, "it ended (%s) with %s%s", rein_code_name(rc), open,
                         left_open > 1 ? "; and there is more" : "");
        } else if (rc < 0) {
                rn_scope_lock(w->root);
                rn_scope_reason_locked(w->root, reason, sizeof reason);
                rn_scope_unlock(w->root);
                if (trail && code == rc) {
                        o->error = trail;
                } else {
                        o->cause = trail;
                        if (self->now->trail && self->now->trail->code == code) /* no memory to take it along */
                                rn_text_copy(text, n, self->now->trail->text);
                        else if (rc == REIN_ECANCELED && reason[0])
                                rn_text_copy(text, n, reason);
                        else
                                snprintf(text, n, "it returned %d", rc);
                }
        } else {
                o->value = w->given;
                o->size = w->given_size;
                o->release = w->given_release;
                w->given = NULL;
        }
        if (o->code < 0)
                rn_work_describe(w, where, RN_ERROR_WHERE);
        o->text = text;
        o->where = where;
        if (rn_canceled(self))
                rn_work_stopped_by(w, RN_RUNG_ASKED);
}

static void work_release_value(void (*release)(void *), void *value)
{
        if (!value || !release)
                return;
        rn_owed(release, value, -1);
        release(value);
}

/* It was abandoned, and came back. */
static void work_log_late(rein_work *w, rn_outcome *o)
{
        char where[RN_ERROR_WHERE];
        rn_error_reserve reserve;
        rn_error_reserve_init(&reserve);
        rn_work_describe(w, where, sizeof where);
        rein_error *cause = o->error ? o->error : o->cause;
        int64_t after = rn_load64(&w->ended) - rn_load64(&w->started);
        rein_error *e = rn_error_make(&reserve.error, REIN_EABANDONED, where, cause, NULL,
                                      "came back %lld ms after its start, having been abandoned: %s%s",
                                      (long long)(after / 1000000), rein_code_name(o->code),
                                      o->value ? "; its value was released" : "");
        rn_unseen(e);
        work_release_value(o->release, o->value);
        rn_error_unref(e);
}

static void work_finish(rein_work *w, rn_task *self, rn_outcome *o)
{
        rein_executor *x = w->executor;
        work_leave(w, self);
        work_release_value(w->given_release, w->given);
        w->given = NULL;
        work_release_arg(w);
        rn_scope_leave(w->root);
        if (rn_load32(&w->rung) != RN_RUNG_NONE) /* it may be in a receipt */
                rn_tell64(&w->ended, rn_clock());
        rn_store32(&w->state, RN_WORK_ENDED);
        if (x->kind->ending)
                x->kind->ending(x, w, self);
        rn_call("a job settles");
        bool late = rn_future_settle_gone(&w->future, o) != 0;
        if (late)
                work_log_late(w, o);
        rn_call("a job is gone");
        work_depart(w, self, late);
}

/* What comes before and after a job has texts on its stack, and frames of its own: while the job runs, they are not
 * there. A coroutine that waits should need no second page. */
__attribute__((noinline)) static bool work_begin(rein_work *w, rn_task *self)
{
        char text[320], where[RN_ERROR_WHERE];
        int rc = self ? work_may_begin(w, self, text, sizeof text) : -ENOMEM;
        if (rc == 0)
                return true;
        /* claimed, and still it never runs */
        rein_executor *x = w->executor;
        if (!self)
                snprintf(text, sizeof text, "no memory for the thread that was to run it");
        rn_store32(&w->state, RN_WORK_NEVER);
        rn_work_stopped_by(w, RN_RUNG_NEVER);
        rn_tell64(&w->ended, rn_clock());
        rn_work_describe(w, where, sizeof where);
        work_release_arg(w);
        rn_scope_leave(w->root);
        if (x->kind->ending)
                x->kind->ending(x, w, self);
        bool late = rn_future_settle_gone(&w->future, &(rn_outcome){.code = rc, .text = text, .where = where}) != 0;
        work_depart(w, self, late);
        return false;
}

__attribute__((noinline)) static void work_end(rein_work *w, rn_task *self, int rc)
{
        char text[320], where[RN_ERROR_WHERE];
        rn_outcome o;
        work_outcome(w, self, rc, &o, text, sizeof text, where);
        work_finish(w, self, &o);
}

void rn_work_run_claimed(rein_work *w)
{
        rn_task *self = rn_self();
        if (!self && w->posted) { /* a continuation must run: the hand has a task */
                rn_executor_give_to_hand(w);
                return;
        }
        if (!work_begin(w, self))
                return;
        rn_call("a job begins");
        work_enter(w, self);
        const int rc = w->fn(w->arg);
        rn_call("a job has returned");
        work_end(w, self, rc);
}

void rn_work_end_mirror(rein_work *w, const rn_outcome *o)
{
        RN_ASSERT(rn_share_run(w) && rn_get32(&w->state) == RN_WORK_ENDED, "what ends with its run is a mirror of it");
        rn_tell64(&w->ended, rn_clock());
        work_release_arg(w);
        rn_scope_leave(w->root);
        rn_future_settle_gone(&w->future, o);
        work_depart(w, NULL, false);
}

void rein_work_run(rein_work *w)
{
        RN_CALL();
        RN_ASKS(task, NULL);
        if (rn_work_claim(w))
                rn_work_run_claimed(w);
        else
                rn_future_unref(&w->future); /* it was settled meanwhile; the run's reference is all that is left */
}

void rn_work_thread_ended(rn_task *t, rein_work *w)
{
        char where[RN_ERROR_WHERE];
        rn_work_describe(w, where, sizeof where);
        rn_scope_unwind(t, w->root, NULL, 0);
        rn_outcome o = {.code = REIN_EBROKEN, .where = where};
        o.text = "it ended its thread (pthread_exit or pthread_cancel) instead of returning";
        work_finish(w, t, &o);
}

/* ---- inside a job ---- */

size_t rein_arg_size(void)
{
        rn_task *t = rn_self_if();
        return t && t->now->work ? t->now->work->arg_size : 0;
}

int rein_give(void *value, void (*release)(void *))
{
        RN_ASKS(task, NULL);
        rn_task *t = rn_self_if();
        rein_work *w = t ? t->now->work : NULL;
        if (!w)
                return rn_fail(-EINVAL, "rein_give", "only a job can give a result");
        work_release_value(w->given_release, w->given);
        rn_owed(value ? release : NULL, value, 1);
        w->given = value;
        w->given_size = 0;
        w->given_release = release;
        return 0;
}

int rein_give_copy(const void *bytes, size_t n)
{
        void *copy = rn_alloc(n);
        if (!copy)
                return -ENOMEM;
        if (n)
                memcpy(copy, bytes, n);
        int rc = rein_give(copy, rn_free);
        if (rc < 0)
                rn_free(copy);
        else
                rn_self_if()->now->work->given_size = n;
        return rc;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

/* Those who are known to hold it: its users, its run, its timer, its errand. Only alone: the last two are guarded by other
 * locks. When it never runs, the run's reference may be gone, and whoever forbade it has one, or is a user. */
static uint32_t work_known_holders(const rein_work *w, uint32_t state)
{
        const bool armed = rn_get32(&w->armed) != 0;
        return (uint32_t)(rn_get32(&w->future.holders) != 0) + (state != RN_WORK_NEVER) + (armed && w->timer.node.in) +
               (armed && rn_linked(&w->errand.link));
}

const char *rn_work_wrong(const rein_work *w)
{
        const uint32_t state = rn_get32(&w->state);
        if (state == RN_WORK_NEW || state > RN_WORK_NEVER)
                return "a job in the list has never come in";
        if (w->unlisted)
                return "a job in the list counts as one that is in none";
        if (!rn_get32(&w->future.refs))
                return "a job in the list was given back";
        if (!rn_virtual())
                return NULL;
        if (rn_get32(&w->future.refs) < work_known_holders(w, state))
                return "a job has fewer references than those that hold it";
        if (rn_getptr(&w->runner) && state != RN_WORK_RUNNING)
                return "a job has a task that runs it, and does not run";
        if (!rn_lock_held(&w->future.lock))
                return rn_future_wrong(&w->future);
        return NULL;
}

#endif
