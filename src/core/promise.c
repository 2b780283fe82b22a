/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: one record that is both ends, with a count for each. The write end (`writers`) holds one reference of the
 * future; when it falls to none unanswered the future settles REIN_EBROKEN.
 *
 * The cancel hook: on_cancel is set, called and removed under `hook_lock` but for the call itself; `calling` says that
 * it runs, and who removes it meanwhile waits for that. A cancel that comes before a hook is set is remembered. */
#include "rein/promise.h"

#include <errno.h>
#include <stdio.h>

#include "core/future.h"

struct rein_promise {
        rein_future future;
        rn_a32 writers;
        rn_lock hook_lock;
        void (*on_cancel)(void *arg);
        void *on_cancel_arg;
        bool canceled;
        rn_task *calling; /* who is in on_cancel */
        rn_link removers; /* who waits for that to end */
};

typedef struct remover {
        rn_link link;
        rn_task *task;
} remover;

static rein_promise *promise_of(rein_future *f)
{
        return (rein_promise *)(void *)f;
}

/* hook_lock held on entry, given back. */
static void call_hook(rein_promise *p, rn_task *self)
{
        void (*fn)(void *) = p->on_cancel;
        void *arg = p->on_cancel_arg;
        p->on_cancel = NULL; /* once */
        p->calling = self;
        rn_lock_give(&p->hook_lock);
        fn(arg);
        rn_lock_take(&p->hook_lock);
        p->calling = NULL;
        RN_LIST_EACH(l, &p->removers)
                rn_unpark(RN_ITEM(l, remover, link)->task);
        rn_lock_give(&p->hook_lock);
}

static rein_cancel_answer cancel(rein_future *f, const char *why, const char *place)
{
        rein_promise *p = promise_of(f);
        rn_task *self = rn_self();
        rn_lock_take(&p->hook_lock);
        bool first = !p->canceled;
        p->canceled = true;
        if (p->on_cancel && first && self) {
                call_hook(p, self);
                return REIN_ASKED;
        }
        bool asked = !first;
        rn_lock_give(&p->hook_lock);
        if (asked)
                return REIN_ASKED;
        rn_outcome o = {.code = REIN_ECANCELED, .text = why ? why : "cancelled", .where = place};
        return rn_future_settle_gone(f, &o) == 0 ? REIN_NEVER_STARTED : REIN_TOO_LATE;
}

static void destroy(rein_future *f)
{
        rn_future_done_with(f);
        rn_free(promise_of(f));
}

static const rn_future_kind promise_kind = {cancel, destroy};

rein_promise *rein_promise_new_at(const char *place, rein_future **read_end)
{
        RN_CALL();
        if (!read_end) {
                rn_fail(-EINVAL, "rein_promise_new", "no place for the read end");
                return NULL;
        }
        *read_end = NULL;
        rein_promise *p = rn_alloc(sizeof *p);
        if (!p) {
                rn_fail(-ENOMEM, "rein_promise_new", "no memory for a promise");
                return NULL;
        }
        rn_future_init(&p->future, &promise_kind, place);
        rn_future_hold(&p->future);
        rn_store32(&p->writers, 1);
        rn_list_init(&p->removers);
        *read_end = &p->future;
        return p;
}

rein_promise *rein_promise_ref(rein_promise *p)
{
        RN_CALL();
        if (p && rn_future_ours(&p->future))
                rn_add32(&p->writers, 1);
        return p;
}

int rein_promise_keep(rein_promise *p, void *value, void (*release)(void *))
{
        RN_CALL();
        if (!p)
                return rn_fail(-EINVAL, "rein_promise_keep", "no promise");
        if (!rn_future_ours(&p->future))
                return -EPERM;
        return rn_future_settle_gone(&p->future, &(rn_outcome){.value = value, .release = release});
}

static int break_it(rein_promise *p, const char *place, int code, const char *text)
{
        char where[RN_ERROR_WHERE];
        rn_error_where(where, rn_self_if(), place);
        return rn_future_settle_gone(&p->future, &(rn_outcome){.code = code, .text = text, .where = where});
}

int rein_promise_break_at(const char *place, rein_promise *p, int code, const char *fmt, ...)
{
        RN_CALL();
        char text[512];
        if (!p || code >= 0)
                return rn_fail(-EINVAL, "rein_promise_break", "a promise and a code below 0 are needed");
        if (!rn_future_ours(&p->future))
                return -EPERM;
        va_list args;
        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        return break_it(p, place, code, text);
}

void rein_promise_on_cancel(rein_promise *p, void (*fn)(void *), void *arg)
{
        RN_CALL();
        rn_task *self = rn_self();
        if (!p || !rn_future_ours(&p->future) || !self)
                return;
        rn_lock_take(&p->hook_lock);
        if (fn) {
                p->on_cancel = fn;
                p->on_cancel_arg = arg;
                bool kept = rn_future_is(&p->future, RN_SETTLED) && p->future.outcome.code != REIN_ECANCELED;
                if (p->canceled && !kept)
                        call_hook(p, self);
                else
                        rn_lock_give(&p->hook_lock);
                return;
        }
        p->on_cancel = NULL;
        remover me = {.task = self};
        rn_list_push(&p->removers, &me.link);
        while (p->calling && p->calling != self) {
                rn_lock_give(&p->hook_lock);
                rn_park(self, RN_NEVER);
                rn_lock_take(&p->hook_lock);
        }
        rn_list_remove(&me.link);
        rn_lock_give(&p->hook_lock);
}

void rein_promise_drop(rein_promise *p)
{
        RN_CALL();
        if (!p || !rn_future_ours(&p->future) || rn_sub32(&p->writers, 1) != 0)
                return;
        char text[128];
        snprintf(text, sizeof text, "the promise made at %s was dropped without an answer", p->future.place);
        break_it(p, p->future.place, REIN_EBROKEN, text);
        rn_future_unref(&p->future);
}
