/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: one record that is both ends, with a count for each. The write end (`writers`) holds one reference of the
 * future; when it falls to none unanswered the future settles REIN_EBROKEN.
 *
 * The cancel hook: on_cancel is set, called and removed under `hook_lock` but for the call itself; `callers` has the
 * threads that are in a hook, and a thread that removes the hook meanwhile waits until there are none. There may be
 * several: a hook that is set after the cancel is called at once. A cancel that comes before a hook is set is remembered.
 * None of this needs memory: a thread that cannot be made a task goes by its number, and sleeps on a word of its own.
 *
 * Those the user made are in a list, under the real world's lock, until they are freed: at exit, after every stop, what is
 * still unsettled is told with its place. A forked child begins with an empty one. */
#include "core/promise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/future.h"
#include "core/world.h"

typedef struct caller {
        rn_link link;
        rn_task *task; /* NULL: one without memory for a task */
        uint32_t thread;
} caller;

typedef struct remover {
        rn_link link;
        rn_task *task;
        rn_a32 told; /* where task is NULL */
} remover;

static caller caller_now(void)
{
        return (caller){.task = rn_self(), .thread = rn_thread_id()};
}

static bool caller_is_me(const caller *c)
{
        return c->task ? c->task == rn_self_if() : c->thread == rn_thread_id();
}

/* May the running thread take the hook for removed? From inside of a hook it may at once. */
static bool promise_may_go_on(const rein_promise *p)
{
        RN_LIST_EACH(l, &p->callers)
                if (caller_is_me(RN_ITEM(l, caller, link)))
                        return true;
        return rn_list_empty(&p->callers);
}

static rein_promise *promise_of(rein_future *f)
{
        return (rein_promise *)(void *)f;
}

/* ---- those that are never settled ---- */

static rn_link live;
static rn_a32 live_in; /* the process whose they are; 0: nobody's */

static void promise_list(rein_promise *p)
{
        if (rn_virtual())
                return; /* a simulation judges its own */
        rn_world *w = p->world = rn_world_now();
        rn_lock_take(&w->lock);
        if (rn_load32(&live_in) != p->process)
                rn_list_init(&live);
        p->listed_in = p->process;
        rn_store32(&live_in, p->process);
        rn_list_push(&live, &p->listed);
        rn_lock_give(&w->lock);
}

static void promise_unlist(rein_promise *p)
{
        if (p->listed_in != rn_generation())
                return;
        rn_lock_take(&p->world->lock);
        rn_list_remove(&p->listed);
        rn_lock_give(&p->world->lock);
}

enum { TOLD_PLACES = 16 };

typedef struct lost {
        const char *place;
        size_t count;
} lost;

/* By place, the oldest first; what does not fit is counted in at[TOLD_PLACES]. */
static size_t promises_find_lost(lost at[TOLD_PLACES + 1])
{
        rn_world *w = rn_world_now();
        size_t n = 0;
        rn_lock_take(&w->lock);
        RN_LIST_EACH(l, &live) {
                const rein_promise *p = RN_ITEM(l, rein_promise, listed);
                if (rn_future_is(&p->future, RN_SETTLED))
                        continue;
                size_t i = 0;
                while (i < n && at[i].place != p->future.place)
                        i++;
                if (i == n && n < TOLD_PLACES)
                        at[n++].place = p->future.place;
                at[i].count++;
        }
        rn_lock_give(&w->lock);
        return n;
}

static void promise_tell(const char *where, const char *fmt, ...) REIN_PRINTF(2, 3);

static void promise_tell(const char *where, const char *fmt, ...)
{
        rn_error_reserve reserve;
        rn_error_reserve_init(&reserve);
        va_list args;
        va_start(args, fmt);
        rein_error *e = rn_error_makev(&reserve.error, REIN_EPENDING, where, NULL, NULL, fmt, args);
        va_end(args);
        rn_unseen(e);
        rn_error_unref(e);
}

/* A destructor, and not rn_at_exit: it comes after every exit hook, whoever registered first, and so after the stops,
 * which may settle some. */
static void __attribute__((destructor)) promises_tell_lost_at_exit(void)
{
        lost at[TOLD_PLACES + 1] = {0};
        if (!rn_load32(&live_in) || rn_load32(&live_in) != rn_generation())
                return;
        size_t n = promises_find_lost(at);
        for (size_t i = 0; i < n; i++) {
                if (at[i].count == 1)
                        promise_tell(at[i].place, "at exit, a promise was neither kept nor broken nor dropped");
                else
                        promise_tell(at[i].place, "at exit, %zu promises were neither kept nor broken nor dropped",
                                     at[i].count);
        }
        if (at[TOLD_PLACES].count)
                promise_tell("", "and %zu promises made at other places", at[TOLD_PLACES].count);
}

/* ---- the cancel hook ---- */

/* hook_lock held on entry, given back. */
static void promise_call_hook(rein_promise *p, caller self)
{
        RN_ASSERT(rn_lock_held(&p->hook_lock), "the lock of the hook is held");
        RN_ASSERT(p->on_cancel && p->canceled, "a hook that is called is there, for a cancel");
        void (*fn)(void *) = p->on_cancel;
        void *arg = p->on_cancel_arg;
        p->on_cancel = NULL; /* once */
        rn_list_push(&p->callers, &self.link);
        rn_lock_give(&p->hook_lock);
        fn(arg);
        rn_lock_take(&p->hook_lock);
        rn_list_remove(&self.link);
        RN_LIST_EACH(l, &p->removers) {
                remover *r = RN_ITEM(l, remover, link);
                rn_store32(&r->told, 1);
                if (r->task)
                        rn_unpark(r->task);
                else
                        rn_word_wake(&r->told, 1);
        }
        rn_lock_give(&p->hook_lock);
}

static rein_cancel_answer promise_cancel(rein_future *f, const char *why, const char *place)
{
        rein_promise *p = promise_of(f);
        caller self = caller_now();
        rn_lock_take(&p->hook_lock);
        bool first = !p->canceled;
        p->canceled = true;
        if (p->on_cancel && first) {
                promise_call_hook(p, self);
                return REIN_ASKED;
        }
        bool asked = !first;
        rn_lock_give(&p->hook_lock);
        if (asked)
                return REIN_ASKED;
        rn_outcome o = {.code = REIN_ECANCELED, .text = why ? why : "cancelled", .where = place};
        return rn_future_settle_gone(f, &o) == 0 ? REIN_NEVER_STARTED : REIN_TOO_LATE;
}

static rn_stock *promise_stock(const rn_task *self)
{
        return self && self->stocks ? &self->stocks->promises : NULL;
}

static void promise_destroy(rein_future *f)
{
        RN_ASSERT(rn_list_empty(&promise_of(f)->callers), "nobody is in the hook of a promise that is freed");
        RN_ASSERT(rn_list_empty(&promise_of(f)->removers), "nobody waits for the hook of a promise that is freed");
        promise_unlist(promise_of(f));
        rn_future_done_with(f);
        rn_record_give(promise_stock(rn_self_if()), promise_of(f), promise_of(f)->stocked);
}

/* ---- the two ends ---- */

static const rn_future_kind promise_kind = {promise_cancel, promise_destroy};

rein_promise *rn_promise_new(const char *place, rein_future **read_end)
{
        bool stocked;
        rein_promise *p = rn_record_take(promise_stock(rn_self_if()), sizeof *p, &stocked);
        if (!p)
                return NULL;
        memset((char *)p + sizeof p->future, 0, sizeof *p - sizeof p->future);
        rn_future_init(&p->future, &promise_kind, place);
        rn_future_hold(&p->future);
        p->process = rn_generation();
        p->stocked = stocked;
        rn_store32(&p->writers, 1);
        rn_list_init(&p->callers);
        rn_list_init(&p->removers);
        *read_end = &p->future;
        return p;
}

bool rn_promise_settled(const rein_promise *p)
{
        return rn_future_is(&p->future, RN_SETTLED);
}

rein_promise *rein_promise_new_at(const char *place, rein_future **read_end)
{
        RN_CALL();
        if (!read_end) {
                rn_fail(-EINVAL, "rein_promise_new", "no place for the read end");
                return NULL;
        }
        *read_end = NULL;
        rein_promise *p = rn_promise_new(place, read_end);
        if (p)
                promise_list(p);
        else
                rn_fail(-ENOMEM, "rein_promise_new", "no memory for a promise");
        return p;
}

static bool promise_may(const rein_promise *p, const char *call)
{
        if (p && p->process != rn_generation())
                rn_handle_refused(p->process, call, (rn_handle_words){"the promise", "dropped"}, p->future.place);
        return p && p->process == rn_generation();
}

rein_promise *rein_promise_ref(rein_promise *p)
{
        RN_CALL();
        RN_ASKS(promise, p);
        if (promise_may(p, "rein_promise_ref"))
                rn_add32(&p->writers, 1);
        return p;
}

int rein_promise_keep(rein_promise *p, void *value, void (*release)(void *))
{
        RN_CALL();
        RN_ASKS_ONCE(promise, p);
        if (!p)
                return rn_fail(-EINVAL, "rein_promise_keep", "no promise");
        if (!promise_may(p, "rein_promise_keep"))
                return -EPERM;
        rn_owed(value ? release : NULL, value, 1); /* before another can release it */
        int rc = rn_future_settle_gone(&p->future, &(rn_outcome){.value = value, .release = release});
        if (rc < 0)
                rn_owed(value ? release : NULL, value, -1);
        return rc;
}

static int promise_break(rein_promise *p, const char *place, int code, const char *text)
{
        char where[RN_ERROR_WHERE];
        rn_error_where(where, rn_self_if(), place);
        return rn_future_settle_gone(&p->future, &(rn_outcome){.code = code, .text = text, .where = where});
}

int rein_promise_break_at(const char *place, rein_promise *p, int code, const char *fmt, ...)
{
        RN_CALL();
        RN_ASKS_ONCE(promise, p);
        char text[512];
        if (!p || code >= 0)
                return rn_fail(-EINVAL, "rein_promise_break", "a promise and a code below 0 are needed");
        if (!promise_may(p, "rein_promise_break"))
                return -EPERM;
        va_list args;
        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        return promise_break(p, place, code, text);
}

/* Until nobody is in a hook. hook_lock held. */
static void promise_wait_for_hook(rein_promise *p, rn_task *self)
{
        RN_ASSERT(rn_lock_held(&p->hook_lock), "the lock of the hook is held");
        remover me = {.task = self};
        rn_list_push(&p->removers, &me.link);
        while (!promise_may_go_on(p)) {
                rn_store32(&me.told, 0);
                rn_lock_give(&p->hook_lock);
                if (self)
                        rn_park(self, RN_NEVER);
                else
                        rn_word_wait(&me.told, 0, RN_NEVER);
                rn_lock_take(&p->hook_lock);
        }
        rn_list_remove(&me.link);
}

void rein_promise_on_cancel(rein_promise *p, void (*fn)(void *), void *arg)
{
        RN_CALL();
        RN_ASKS_ONCE(promise, p);
        if (!promise_may(p, "rein_promise_on_cancel"))
                return;
        caller self = caller_now();
        rn_lock_take(&p->hook_lock);
        p->on_cancel = fn;
        p->on_cancel_arg = arg;
        bool kept = rn_future_is(&p->future, RN_SETTLED) && p->future.outcome.code != REIN_ECANCELED;
        if (fn && p->canceled && !kept) {
                promise_call_hook(p, self);
                return;
        }
        if (!fn)
                promise_wait_for_hook(p, self.task);
        rn_lock_give(&p->hook_lock);
}

void rein_promise_drop(rein_promise *p)
{
        RN_CALL();
        RN_ASKS_ONCE(promise, p);
        if (!promise_may(p, "rein_promise_drop") || rn_told_sub32(&p->writers) != 0)
                return;
        p->process = RN_GIVEN_BACK;
        if (!rn_future_is(&p->future, RN_SETTLED)) {
                char text[128];
                snprintf(text, sizeof text, "the promise made at %s was dropped without an answer", p->future.place);
                promise_break(p, p->future.place, REIN_EBROKEN, text);
        }
        RN_ASSERT(rn_get32(&p->future.state) & RN_SETTLED, "a promise without a writer has settled");
        rn_future_unref(&p->future);
}

/* ---- does it add up? ---- */

#if RN_CHECKING

const char *rn_promise_wrong(const rein_promise *p)
{
        size_t callers, removers;
        const char *what = rn_list_wrong(&p->callers, &callers);
        if (!what)
                what = rn_list_wrong(&p->removers, &removers);
        if (what)
                return what;
        if (rn_peek32(&p->writers) > INT32_MAX)
                return "its writers have dropped it more often than they held it";
        if (callers && !p->canceled)
                return "its hook is called, and nobody has cancelled it";
        RN_LIST_EACH(l, &p->callers)
                if (!RN_ITEM(l, caller, link)->thread)
                        return "a thread is in its hook that has no number";
        return NULL;
}

const char *rn_promise_ask(const void *record)
{
        rein_promise *p = (rein_promise *)(uintptr_t)record;
        if (!p || p->process != rn_generation() || !rn_ask_begin(&p->hook_lock))
                return NULL;
        const char *what = rn_promise_wrong(p);
        rn_ask_end(&p->hook_lock);
        if (what || !rn_ask_begin(&p->future.lock))
                return what;
        what = rn_future_wrong(&p->future);
        rn_ask_end(&p->future.lock);
        return what;
}

#endif
