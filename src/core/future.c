/* SPDX-License-Identifier: Apache-2.0 */
#include "core/future.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/next.h"
#include "core/work.h"

/* ---- counting ---- */

void rn_future_init(rein_future *f, const rn_future_kind *kind, const char *place)
{
        memset(f, 0, offsetof(rein_future, bare));
        rn_init32(&f->refs, 1); /* nobody has f yet: whatever hands it over orders this, a lock or the user */
        f->process = rn_generation();
        f->kind = kind;
        f->place = place;
        rn_list_init(&f->watchers);
        rn_list_init(&f->nexts);
        rn_list_init(&f->spent);
        rn_error_bare_init(&f->bare, f, place);
}

void rn_future_ref(rein_future *f)
{
        RN_ASSERT(rn_get32(&f->refs) > 0, "a future that gets another holder has one");
        rn_add32(&f->refs, 1);
}

void rn_future_unref(rein_future *f)
{
        const uint32_t left = rn_told_sub32(&f->refs);
        RN_ASSERT(left < INT32_MAX, "a future is not let go more often than it was held");
        if (left == 0)
                f->kind->destroy(f);
}

void rn_future_hold(rein_future *f)
{
        RN_ASSERT(!rn_get32(&f->holders), "the users' first reference is made once");
        rn_future_ref(f);
        rn_init32(&f->holders, 1); /* its first user gets f from the thread that calls */
}

bool rn_future_ours(const rein_future *f)
{
        return f->process == 0 || f->process == rn_generation();
}

int rn_future_refused(const rein_future *f, const char *call)
{
        return rn_handle_refused(f->process, call, (rn_handle_words){"the future", "dropped"}, f->place);
}

rein_future *rein_ref(rein_future *f)
{
        RN_CALL();
        RN_ASKS(future, f);
        if (!f || !f->process)
                return f;
        if (rn_future_ours(f))
                rn_add32(&f->holders, 1);
        else
                rn_future_refused(f, "rein_ref");
        return f;
}

static void future_dropped(rein_future *f)
{
        if (rn_linked(&f->in_group)) { /* the group's own drop comes when it has let go of it */
                rn_add32(&f->holders, 1);
                rn_misused_aloud("rein_drop", "the future made at %s is its group's, which drops it: rein_ref it first",
                                 f->place);
                return;
        }
        f->process = RN_GIVEN_BACK;
        rn_future_unref(f);
}

void rein_drop(rein_future *f)
{
        RN_CALL();
        RN_ASKS_ONCE(future, f);
        if (!f || !f->process)
                return;
        if (!rn_future_ours(f))
                rn_future_refused(f, "rein_drop");
        else if (rn_told_sub32(&f->holders) == 0)
                future_dropped(f);
}

void rn_future_done_with(rein_future *f)
{
        rn_outcome *o = &f->outcome;
        RN_ASSERT(!rn_get32(&f->refs) && !rn_get32(&f->holders), "nobody holds a future that is freed");
        RN_ASSERT(rn_list_empty(&f->watchers), "nobody waits for a future that is freed");
        RN_ASSERT(rn_list_empty(&f->nexts), "no continuation waits for a future that is freed");
        if (rn_load32(&f->state) && o->code < 0 && o->code != REIN_ECANCELED && !rn_load32(&f->seen))
                rn_unseen(o->error);
        if (o->value && o->release && !f->value_taken) {
                rn_owed(o->release == rn_value_is_shared ? NULL : o->release, o->value, -1);
                o->release(o->value);
        }
        rein_error *e = o->error;
        if (e == &f->bare) { /* its own count is this future's, which is gone */
                rn_error_unref(e->cause);
                rn_error_unref(e->next);
        } else {
                rn_error_unref(e);
        }
        for (rn_link *l; (l = rn_list_pop(&f->spent));)
                rn_next_unref(RN_ITEM(l, rein_next, link));
}

void rn_future_seen(rein_future *f)
{
        rn_store32(&f->seen, 1);
}

int rn_future_answer(rein_future *f, rn_task *self)
{
        RN_ASSERT(rn_get32(&f->state) & RN_SETTLED, "a future that is an answer has settled");
        const int code = f->outcome.code;
        rein_error *e = code < 0 && self ? rn_error_ref(f->outcome.error) : NULL;
        if (e)
                rn_error_set(&self->now->trail, e);
        rn_future_seen(f);
        rein_drop(f);
        return code;
}

/* ---- settled, and gone ---- */

void rn_watcher_fire(rn_watcher *w)
{
        RN_ASSERT(!rn_linked(&w->link), "a watcher that fires is out of its future's list: it fires once");
        rn_watch_set *set = w->set;
        rn_lock_take(&set->lock);
        w->next_fired = NULL;
        if (set->last)
                set->last->next_fired = w;
        else
                set->first = w;
        set->last = w;
        set->fired++;
        rn_lock_give(&set->lock);
}

/* Tell those that watch for `state`. A watcher may be gone as soon as it has fired. */
static void future_fire_watchers(rein_future *f, uint32_t state)
{
        rn_link *next;
        for (rn_link *l = f->watchers.next; l != &f->watchers; l = next) {
                rn_watcher *w = RN_ITEM(l, rn_watcher, link);
                next = l->next;
                if (w->for_state != state)
                        continue;
                rn_list_remove(l);
                rn_task *task = w->set->task;
                rn_watcher_fire(w);
                if (task)
                        f->woke |= rn_unpark(task);
        }
}

static int future_settle_to(rein_future *f, const rn_outcome *o, uint32_t state)
{
        rn_link ready;
        rn_list_init(&ready);
        rn_lock_take(&f->lock);
        if (rn_load32(&f->state) & RN_SETTLED) {
                rn_lock_give(&f->lock);
                return REIN_EALREADY;
        }
        RN_ASSERT(state & RN_SETTLED, "a future that is gone has settled");
        RN_ASSERT(!f->outcome.code && !f->outcome.value && !f->outcome.error, "what settles has no outcome yet");
        RN_ASSERT(rn_list_empty(&f->spent), "no continuation was posted before the settling");
        RN_ASSERT(rn_get32(&f->refs) > 0, "whoever settles a future has it");
        f->outcome = *o;
        if (o->code < 0 && !o->error)
                f->outcome.error = rn_error_make(&f->bare, o->code, o->where ? o->where : "", o->cause, NULL, "%s",
                                                 o->text ? o->text : "");
        f->outcome.text = f->outcome.where = NULL;
        f->outcome.cause = NULL;
        rn_told_release(&f->state);
        rn_store32(&f->state, state);
        future_fire_watchers(f, RN_SETTLED);
        if (state & RN_GONE)
                future_fire_watchers(f, RN_GONE);
        RN_LIST_EACH(l, &f->nexts)
                rn_next_ref(RN_ITEM(l, rein_next, link)); /* for the posting below */
        rn_next_chain(&f->nexts, &ready);
        rn_list_move(&f->spent, &f->nexts);
        rn_lock_give(&f->lock);
        rn_next_post_all(&ready);
        return 0;
}

int rn_future_settle(rein_future *f, const rn_outcome *o)
{
        return future_settle_to(f, o, RN_SETTLED);
}

int rn_future_settle_gone(rein_future *f, const rn_outcome *o)
{
        return future_settle_to(f, o, RN_SETTLED | RN_GONE);
}

void rn_future_gone(rein_future *f)
{
        rn_lock_take(&f->lock);
        RN_ASSERT(rn_get32(&f->state) == RN_SETTLED, "what goes has settled, and goes once");
        rn_told_release(&f->state);
        rn_store32(&f->state, RN_SETTLED | RN_GONE);
        future_fire_watchers(f, RN_GONE);
        rn_lock_give(&f->lock);
}

bool rn_future_watch(rn_watcher *w)
{
        rein_future *f = w->f;
        RN_ASSERT(w->for_state == RN_SETTLED || w->for_state == RN_GONE, "a watcher waits for one of the two states");
        rn_lock_take(&f->lock);
        bool pending = !(rn_load32(&f->state) & w->for_state);
        if (pending)
                rn_list_push(&f->watchers, &w->link);
        rn_lock_give(&f->lock);
        return pending;
}

void rn_future_unwatch(rn_watcher *w)
{
        rn_lock_take(&w->f->lock);
        if (rn_linked(&w->link))
                rn_list_remove(&w->link);
        rn_lock_give(&w->f->lock);
}

/* ---- reading ---- */

/* For the calls that have no code to say why not. */
static bool future_may(const rein_future *f, const char *call)
{
        if (f && !rn_future_ours(f))
                rn_future_refused(f, call);
        return f && rn_future_ours(f);
}

int rein_code(const rein_future *f)
{
        RN_CALL();
        RN_ASKS(future, f);
        if (!f)
                return -EINVAL;
        if (!rn_future_ours(f))
                return rn_future_refused(f, "rein_code");
        if (!rn_future_is(f, RN_SETTLED))
                return REIN_EPENDING;
        if (f->outcome.code < 0)
                rn_future_seen((rein_future *)(uintptr_t)f);
        return f->outcome.code;
}

void *rein_value(const rein_future *f, size_t *n)
{
        RN_CALL();
        RN_ASKS(future, f);
        bool there = future_may(f, "rein_value") && rn_future_is(f, RN_SETTLED) && f->outcome.code >= 0;
        if (n)
                *n = there ? f->outcome.size : 0;
        return there ? f->outcome.value : NULL;
}

const rein_error *rein_error_of(const rein_future *f)
{
        RN_CALL();
        RN_ASKS(future, f);
        if (!future_may(f, "rein_error_of") || !rn_future_is(f, RN_SETTLED))
                return NULL;
        if (f->outcome.code < 0)
                rn_future_seen((rein_future *)(uintptr_t)f);
        return f->outcome.error;
}

int rein_outcome_of(const rein_future *f, rein_outcome *out)
{
        RN_CALL();
        RN_ASKS(future, f);
        if (!f || !out || out->size < sizeof out->size)
                return rn_fail(-EINVAL, "rein_outcome_of", "a future and an outcome with its size are needed");
        if (!rn_future_ours(f))
                return rn_future_refused(f, "rein_outcome_of");
        const bool settled = rn_future_is(f, RN_SETTLED), good = settled && f->outcome.code >= 0;
        rein_outcome o = {.size = out->size, .code = settled ? f->outcome.code : REIN_EPENDING};
        if (good) {
                o.value = f->outcome.value;
                o.value_size = f->outcome.size;
        } else if (settled) {
                rn_future_seen((rein_future *)(uintptr_t)f);
                o.error = f->outcome.error;
        }
        memcpy(out, &o, out->size < sizeof o ? out->size : sizeof o);
        return settled ? 0 : REIN_EPENDING;
}

int rein_take(rein_future *f, void **value, void (**release)(void *))
{
        RN_CALL();
        RN_ASKS(future, f);
        if (!f || !value || !release)
                return rn_fail(-EINVAL, "rein_take", "f, value and release are needed");
        if (!rn_future_ours(f))
                return rn_future_refused(f, "rein_take");
        if (!rn_future_is(f, RN_SETTLED))
                return REIN_EPENDING;
        if (f->outcome.code < 0) {
                rn_future_seen(f);
                return REIN_EFAILED;
        }
        int rc = 0;
        rn_lock_take(&f->lock);
        if (rn_load32(&f->holders) > 1 || f->outcome.release == rn_value_is_shared) {
                rc = -EBUSY;
        } else if (f->value_taken || !f->outcome.value) {
                rc = -ENOENT;
        } else {
                *value = f->outcome.value;
                *release = f->outcome.release;
                rn_owed(*release, *value, -1);
                f->outcome.value = NULL;
                f->outcome.size = 0;
                f->value_taken = true;
        }
        rn_lock_give(&f->lock);
        return rc;
}

bool rein_gone(const rein_future *f)
{
        RN_CALL();
        RN_ASKS(future, f);
        return future_may(f, "rein_gone") && rn_future_is(f, RN_GONE);
}

rein_cancel_answer rn_future_cancel(rein_future *f, const char *why, const char *place)
{
        return rn_future_is(f, RN_SETTLED) ? REIN_TOO_LATE : f->kind->cancel(f, why, place);
}

rein_cancel_answer rein_cancel_at(const char *place, rein_future *f, const char *why)
{
        RN_CALL();
        RN_ASKS_ONCE(future, f);
        return future_may(f, "rein_cancel") ? rn_future_cancel(f, why, place) : REIN_TOO_LATE;
}

/* ---- futures that have failed from the start ---- */

static rein_cancel_answer future_too_late(rein_future *f, const char *why, const char *place)
{
        (void)f;
        (void)why;
        (void)place;
        return REIN_TOO_LATE;
}

static void future_destroy_plain(rein_future *f)
{
        rn_future_done_with(f);
        rn_retire(f);
}

static const rn_future_kind failed_kind = {future_too_late, future_destroy_plain};

#define IMMORTAL(f, e, number)                                                                                         \
        {                                                                                                              \
                .refs.v = 1, .state.v = RN_SETTLED | RN_GONE, .kind = &failed_kind, .place = "",                       \
                .watchers = {&(f).watchers, &(f).watchers}, .nexts = {&(f).nexts, &(f).nexts},                         \
                .spent = {&(f).spent, &(f).spent}, .outcome = {.code = (number), .error = &(e)},                       \
        }

rein_future *rn_future_immortal(int code)
{
        static rein_error no_memory = {.refs.v = 1, .code = -ENOMEM, .text = "no memory for the job", .where = ""};
        static rein_error not_open = {.refs.v = 1, .code = -EPERM, .text = "the group is not open", .where = ""};
        static rein_future futures[2] = {IMMORTAL(futures[0], no_memory, -ENOMEM),
                                         IMMORTAL(futures[1], not_open, -EPERM)};
        return &futures[code == -EPERM];
}

rein_future *rn_future_failed(const char *place, int code, const char *call, const char *text)
{
        rein_future *f = rn_alloc(sizeof *f);
        if (!f)
                return rn_future_immortal(-ENOMEM);
        rn_future_init(f, &failed_kind, place);
        rn_store32(&f->holders, 1); /* the one reference there is, is the user's */
        char where[RN_ERROR_WHERE], line[RN_ERROR_TEXT];
        rn_error_where(where, rn_self_if(), place);
        snprintf(line, sizeof line, "%s: %s", call, text);
        rn_future_settle_gone(f, &(rn_outcome){.code = code, .text = line, .where = where});
        return f;
}

bool rn_future_was_refused(const rein_future *f)
{
        return f->kind == &failed_kind;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *future_watchers_wrong(const rein_future *f, uint32_t state)
{
        size_t n, seen = 0;
        const char *what = rn_list_wrong(&f->watchers, &n);
        if (what)
                return what;
        RN_LIST_EACH(l, &f->watchers) {
                const rn_watcher *w = RN_ITEM(l, rn_watcher, link);
                if (w->f != f || !w->set)
                        return "what waits in its list waits for another future";
                if (w->for_state & state)
                        return "somebody waits for an end that has come";
                if (++seen > RN_LIST_ASKED)
                        break;
        }
        return NULL;
}

static const char *future_nexts_wrong(const rein_future *f, const rn_link *nexts)
{
        size_t n, seen = 0;
        const char *what = rn_list_wrong(nexts, &n);
        if (what)
                return what;
        RN_LIST_EACH(l, nexts) {
                const rein_next *next = RN_ITEM(l, rein_next, link);
                if (next->of != f || !rn_get32(&next->work.future.refs))
                        return "a continuation in its list is another future's, or was given back";
                if (++seen > RN_LIST_ASKED)
                        break;
        }
        return NULL;
}

static const char *future_outcome_wrong(const rein_future *f, uint32_t state)
{
        const rn_outcome *o = &f->outcome;
        if (!(state & RN_SETTLED) && (o->code || o->value || o->error || f->value_taken))
                return "it has an outcome before it has settled";
        if (o->code >= 0 && o->error)
                return "it has an error, and its code is none";
        if (o->text || o->where || o->cause)
                return "it keeps what only its settler has";
        return f->value_taken && o->value ? "its value was taken, and is still there" : NULL;
}

const char *rn_future_wrong(const rein_future *f)
{
        const uint32_t state = rn_get32(&f->state), refs = rn_get32(&f->refs);
        if (!refs || refs > INT32_MAX)
                return "nobody holds it, and it was not freed";
        if (rn_get32(&f->holders) > INT32_MAX)
                return "its users have dropped it more often than they held it";
        if (state != 0 && state != RN_SETTLED && state != (RN_SETTLED | RN_GONE))
                return "it is gone, and has not settled";
        if (!(state & RN_SETTLED) ? !rn_list_empty(&f->spent) : !rn_list_empty(&f->nexts))
                return "a continuation waits for what was, or was posted before it was";
        const char *what = future_outcome_wrong(f, state);
        if (!what)
                what = future_watchers_wrong(f, state);
        if (!what)
                what = future_nexts_wrong(f, &f->nexts);
        return what ? what : future_nexts_wrong(f, &f->spent);
}

const char *rn_future_ask(const void *record)
{
        rein_future *f = (rein_future *)(uintptr_t)record;
        if (!f || !rn_future_ours(f) || !rn_ask_begin(&f->lock))
                return NULL;
        const char *what = rn_future_wrong(f);
        rn_ask_end(&f->lock);
        return what;
}

#endif
