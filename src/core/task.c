/* SPDX-License-Identifier: Apache-2.0 */
#include "core/task.h"

#include <string.h>

#include "core/context.h"
#include "core/hook.h"
#include "core/scope.h"
#include "core/work.h"
#include "core/world.h"

/* ---- the word of a thread without a task ---- */

static uintptr_t task_unopened_here(void)
{
        uintptr_t word = (uintptr_t)rn_self_word();
        return word & 1 ? word >> 1 : 0;
}

void rn_unopened(rn_task *self, int more)
{
        if (self) {
                RN_ASSERT(more > 0 || self->now->unopened > 0, "a scope that could not be opened is closed once");
                self->now->unopened += (uint32_t)more;
        } else {
                RN_ASSERT(more > 0 || task_unopened_here() > 0, "a scope that could not be opened is closed once");
                uintptr_t count = task_unopened_here() + (uintptr_t)(intptr_t)more;
                rn_self_word_set(count ? (void *)(count << 1 | 1) : NULL); /* nothing is left to try if this fails */
        }
}

bool rn_canceled_without_task(void)
{
        return task_unopened_here() > 0;
}

rn_opener rn_opener_of(rn_task *self)
{
        return (rn_opener){self, self ? 0 : rn_thread_id()};
}

/* A thread without a task may have become one since; its coroutines are others. */
bool rn_opened_by(const rn_opener *o, const rn_task *self)
{
        if (o->task)
                return o->task == self;
        return (!self || !self->coro) && o->thread_id == rn_thread_id();
}

/* ---- tasks ---- */

rn_task *rn_self_if(void)
{
        rn_task *t = rn_self_word();
        return t && !((uintptr_t)t & 1) && t->process == rn_generation() ? t : NULL;
}

void rn_task_init(rn_task *t, const rn_backend *backend, rn_error_reserve *reserves, unsigned count)
{
        RN_ASSERT(!t->backend || t->backend == backend, "the tasks of one slab sleep in one way");
        RN_ASSERT(!rn_linked(&t->waiting), "a task that is made waits for nothing");
        RN_ASSERT(!count || reserves, "the reserves of a task are there");
        if (!t->backend)
                t->backend = backend;
        t->process = rn_generation();
        rn_store32(&t->thread_id, 0);
        t->base = (rn_ambient){0};
        t->now = &t->base;
        rn_storeptr(&t->doing, NULL);
        rn_storeptr(&t->doing_at, NULL);
        t->target = (rn_wait_target){0};
        t->waiting = (rn_link){0};
        rn_tell32(&t->look_again,
                  0); /* these are of nobody else yet, but for one who is late and reads a word of them */
        rn_tell32(&t->holder_waits, 0);
        t->coro = NULL;
        t->stack_base = NULL;
        t->stack_size = 0;
        rn_tellptr(&t->stack_low, NULL);
        rn_tellptr(&t->stack_high, NULL);
        t->inline_depth = t->hitting = 0;
        t->stretch_left = 0;
        t->worker = NULL;
        t->spin = t->idle_spin = (rn_spin){0};
        t->woke_somebody = false;
        t->stocks = NULL;
        t->thread_ended = NULL;
        t->reserves = reserves;
        t->reserve_count = count;
        for (unsigned i = 0; i < count; i++)
                rn_error_reserve_init(&reserves[i]);
}

rn_task *rn_task_new(void)
{
        rn_thread_task *t = rn_slab_take(&rn_world_now()->tasks);
        if (!t)
                return NULL;
        rn_task_init(&t->task, rn_thread_backend(), t->reserves, RN_TASK_RESERVES);
        rn_world *w = rn_world_now();
        t->stocks =
                (rn_stocks){.works.shelf = &w->works, .promises.shelf = &w->promises, .scopes.shelf = &w->scopes.shelf};
        /* A sanitizer sees a late use of memory that was given back, not of a record in a stock; nor is it there for long. */
        t->task.stocks = rn_virtual() || rn_sanitized() || rn_checked() ? NULL : &t->stocks;
        return &t->task;
}

void rn_task_free(rn_task *t)
{
        RN_ASSERT(t->now == &t->base && !t->inline_depth, "a task that is given back runs no job");
        RN_ASSERT(!rn_linked(&t->waiting), "a task that is given back does not say that it waits");
        rn_slab_give(&rn_world_now()->tasks, t);
}

bool rn_task_adopt(rn_task *t)
{
        RN_ASSERT(t->process == rn_generation(), "a thread is a task of its own process");
        RN_ASSERT(!rn_get32(&t->thread_id), "a task is one thread's");
        rn_store32(&t->thread_id, rn_thread_id());
        if (rn_self_word_set(t) == 0)
                return true;
        rn_task_free(t);
        return false;
}

void rn_task_adopt_surely(rn_task *t)
{
        rn_store32(&t->thread_id, rn_thread_id());
        for (unsigned round = 0; rn_self_word_set(t) < 0; round++)
                rn_pause(round);
}

rn_task *rn_self(void)
{
        rn_task *t = rn_self_if();
        if (t)
                return t;
        t = rn_task_new();
        if (!t)
                return NULL;
        t->base.unopened = (uint32_t)task_unopened_here();
        return rn_task_adopt(t) ? t : NULL;
}

static void signals_inherit(rn_errand *e, uint32_t tag)
{
        (void)tag;
        rn_sys_signals_let_through(RN_ITEM(e, rn_world, signals_errand)->signals_left);
}

/* Threads of the library block all signals: these are the program's. When main has ended by pthread_exit, perhaps no other
 * thread is left, and a SIGTERM would stay pending for ever. What main let through, without a handler, would have ended the
 * process until now; the hand lets it through from now on. */
static void signals_leave(void)
{
        const uint64_t left = rn_sys_signals_left();
        rn_world *w = rn_world_now();
        if (!left)
                return;
        w->signals_left = left;
        w->signals_errand.run = signals_inherit;
        rn_hand(&w->signals_errand, 0);
}

/* The thread is ending: by its own end, or by a pthread_exit in the middle of jobs, innermost first. */
void rn_task_thread_ends(void *word)
{
        rn_task *t = word;
        if (((uintptr_t)word & 1) || t->process != rn_generation())
                return;
        while (t->now != &t->base) {
                struct rein_work *w = t->now->work;
                RN_ASSERT(w, "an ambient inside of another one is a job's");
                rn_work_thread_ended(t, w);
        }
        signals_leave();
        char open[192];
        if (rn_scope_unwind(t, NULL, open, sizeof open))
                rn_misuse_told("a thread ended with", open);
        rn_task_end(t);
        rn_stocks *stocks = t->stocks;
        t->stocks = NULL;
        if (stocks) {
                rn_stock_empty(&stocks->scopes);
                rn_stock_empty(&stocks->works);
                rn_stock_empty(&stocks->promises);
        }
        rn_task_free(t);
}

void rn_task_end(rn_task *t)
{
        rn_scope_unwind(t, NULL, NULL, 0);
        RN_ASSERT(!t->base.scope && !t->base.hook && !t->base.held, "a task that ends has closed all that it opened");
        if (t->thread_ended)
                t->thread_ended(t->thread_ended_arg);
        rn_error_set(&t->base.trail, NULL);
        rn_context_unref(t->base.context);
        t->backend->close(t);
}

/* ---- what it is doing ---- */

enum { TEXT_CHAINS = 64, MOST_TEXTS = 512 };

typedef struct text {
        struct text *next;
        char chars[];
} text;

static rn_aptr texts[TEXT_CHAINS]; /* chains that only grow, at the front; also over a fork */
static rn_a32 text_count;

static const char *text_find(const text *from, const char *chars)
{
        for (; from; from = from->next)
                if (strcmp(from->chars, chars) == 0)
                        return from->chars;
        return NULL;
}

void rn_text_told(void)
{
        rn_told_acquire(&text_count);
}

const char *rn_text_for_ever(const char *chars)
{
        uint32_t hash = 2166136261u; /* FNV-1a */
        for (const char *c = chars; *c; c++)
                hash = (hash ^ (unsigned char)*c) * 16777619u;
        rn_aptr *chain = &texts[hash % TEXT_CHAINS];
        void *front = rn_loadptr(chain);
        rn_text_told();
        const char *found = text_find(front, chars);
        if (found || rn_load32(&text_count) >= MOST_TEXTS)
                return found;
        const size_t n = strlen(chars) + 1;
        text *t = rn_alloc_for_ever(sizeof *t + n);
        if (!t)
                return NULL;
        memcpy(t->chars, chars, n);
        rn_told_release(&text_count);
        do
                t->next = front;
        while (!rn_casptr(chain, &front, t)); /* told twice by two who were as fast: no harm */
        rn_add32(&text_count, 1);
        return t->chars;
}

rn_doing rn_task_doing_for_ever(rn_task *t, rn_doing what)
{
        RN_ASSERT(t == rn_self_if(), "a task says itself what it does");
        rn_doing was = {rn_peekptr(&t->doing), rn_peekptr(&t->doing_at)}; /* its own thread alone writes them */
        /* The text that `at` points to may just have been made (rn_text_for_ever): these pair with the loads in
         * rn_work_note_stuck and knot_describe_locked, which read it. */
        rn_tellptr(&t->doing, (void *)(uintptr_t)what.what);
        rn_tellptr(&t->doing_at, (void *)(uintptr_t)what.at);
        return was;
}

rn_doing rn_task_doing(rn_task *t, rn_doing what)
{
        if (what.at && !rn_virtual()) /* a simulation ends, and what one leaves behind must not be seen by the next */
                what.at = rn_text_for_ever(what.at);
        return rn_task_doing_for_ever(t, what);
}

/* ---- is it cancelled? ---- */

int64_t rn_cancel_at(const rn_task *t)
{
        if (t->now->unopened)
                return INT64_MIN;
        if (!t->now->scope)
                return RN_NEVER;
        const int64_t at = rn_load64(&t->now->scope->cancel_at);
        if (at != RN_NEVER)
                rn_told_acquire(&t->now->scope->cancel_at);
        return at;
}

bool rn_canceled(const rn_task *t)
{
        int64_t at = rn_cancel_at(t);
        return at != RN_NEVER && at <= rn_clock();
}

/* A thread has its turn whenever the system gives it one: it is not asked again for long. */
void rn_stretch_over(rn_task *self)
{
        self->stretch_left = INT32_MAX;
        if (self->backend->yield)
                self->backend->yield(self, true);
}

int rn_wait_turn(rn_task *self, int64_t until)
{
        RN_ASSERT(self == rn_self_if(), "only the running task waits");
        int64_t at = rn_cancel_at(self);
        int64_t now = at != RN_NEVER || until != RN_NEVER ? rn_clock() : 0;
        if (at <= now && at != RN_NEVER)
                return REIN_ECANCELED;
        if (until <= now && until != RN_NEVER)
                return REIN_ETIMEOUT;
        rn_park(self, at < until ? at : until);
        return 0;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *task_held_wrong(const rn_ambient *a)
{
        rn_held *const *back = &a->held;
        for (const rn_held *h = a->held; h; back = &h->next, h = h->next)
                if (h->back != back)
                        return "the mutexes that it holds do not point to each other";
        return NULL;
}

static const char *task_regions_wrong(const rn_task *t, const rn_ambient *a)
{
        for (const rn_hook *h = a->hook; h; h = h->outer) {
                if (rn_get32(&h->in_slab.generation) % 2 == 0)
                        return "a region that it is in was given back";
                if (h->task != t)
                        return "a region that it is in is another task's";
        }
        return NULL;
}

const char *rn_task_wrong(const rn_task *t)
{
        unsigned depth = 0;
        const char *what = NULL;
        if (!t->backend || rn_get32(&t->in_slab.generation) % 2 == 0)
                return "it was given back, or never made";
        for (const rn_ambient *a = t->now; a != &t->base && !what; a = a->outer, depth++) {
                if (!a)
                        return "the jobs that it runs do not lead back to its own ambient";
                if (!a->work || a != &a->work->ambient || depth == t->inline_depth)
                        return "it is in more jobs than it counts, or in one whose ambient is another";
                what = task_held_wrong(a);
                if (!what)
                        what = task_regions_wrong(t, a);
        }
        if (!what)
                what = task_held_wrong(&t->base);
        return what ? what : task_regions_wrong(t, &t->base);
}

const char *rn_task_ask(const void *none)
{
        (void)none;
        const rn_task *self = rn_self_if();
        if (!self)
                return NULL;
        const char *what = rn_task_wrong(self);
        if (!what && self->stocks)
                what = rn_stock_wrong(&self->stocks->scopes);
        if (!what && self->stocks)
                what = rn_stock_wrong(&self->stocks->works);
        if (!what && self->stocks)
                what = rn_stock_wrong(&self->stocks->promises);
        rn_scope *s = self->now->scope;
        if (!what && s)
                what = rn_scope_ask_record(s, rn_peek32(&s->in_slab.generation));
        return what;
}

#endif
