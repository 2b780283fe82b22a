/* SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/future.h"
#include "core/message.h"
#include "core/task.h"
#include "core/work.h"
#include "core/world.h"

/* ---- making and counting ---- */

void rn_error_reserve_init(rn_error_reserve *r)
{
        r->error = (rein_error){.in_task = true, .text = r->text, .where = r->where};
}

void rn_error_bare_init(rein_error *e, struct rein_future *home, const char *place)
{
        *e = (rein_error){.home = home, .text = "there was no memory for the text of this failure", .where = place};
}

static void error_write_cut(rn_error_reserve *r, const char *where, const char *fmt, va_list args) REIN_PRINTF(3, 0);

static void error_write_cut(rn_error_reserve *r, const char *where, const char *fmt, va_list args)
{
        vsnprintf(r->text, sizeof r->text, fmt, args);
        snprintf(r->where, sizeof r->where, "%s", where);
}

rein_error *rn_error_makev(rein_error *reserve, int code, const char *where, rein_error *cause, rein_error *next,
                           const char *fmt, va_list args)
{
        va_list again;
        va_copy(again, args);
        int n = vsnprintf(NULL, 0, fmt, again);
        va_end(again);
        size_t text = n < 0 ? 1 : (size_t)n + 1, place = strlen(where) + 1;

        rein_error *e = rn_alloc(sizeof *e + text + place);
        if (e) {
                rn_store32(&e->refs, 1);
                char *t = (char *)(e + 1);
                if (n >= 0)
                        vsnprintf(t, text, fmt, args);
                memcpy(t + text, where, place);
                e->text = t;
                e->where = t + text;
                if (cause && cause->in_task) { /* it will tell another story soon */
                        rein_error *copy = rn_error_ref(cause);
                        rn_error_unref(cause);
                        cause = copy;
                }
        } else if (reserve) {
                e = reserve;
                if (e->cause && e->cause != cause)
                        rn_error_unref(e->cause);
                if (e->next)
                        rn_error_unref(e->next);
                if (e->in_task)
                        error_write_cut((rn_error_reserve *)(void *)e, where, fmt, args);
                if (cause == e) /* wrapping an error that is in the reserve already: its text gives way */
                        cause = NULL;
        }
        if (!e) {
                rn_error_unref(cause);
                rn_error_unref(next);
                return NULL;
        }
        e->code = code;
        e->cause = cause;
        e->next = next;
        return e;
}

rein_error *rn_error_make(rein_error *reserve, int code, const char *where, rein_error *cause, rein_error *next,
                          const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        rein_error *e = rn_error_makev(reserve, code, where, cause, next, fmt, args);
        va_end(args);
        return e;
}

rein_error *rn_error_with_next(const rein_error *e, rein_error *next)
{
        return rn_error_make(NULL, e->code, e->where, rn_error_ref(e->cause), next, "%s", e->text);
}

rein_error *rn_error_ref(rein_error *e)
{
        if (!e)
                return NULL;
        if (e->in_task)
                return rn_error_make(NULL, e->code, e->where, rn_error_ref(e->cause), rn_error_ref(e->next), "%s",
                                     e->text);
        RN_ASSERT(e->home || rn_get32(&e->refs) > 0, "an error that gets another holder has one");
        if (e->home)
                rn_future_ref(e->home);
        else
                rn_add32(&e->refs, 1);
        return e;
}

/* Causes may be as many as tries: they are let go in a loop. Fellows are few. */
void rn_error_unref(rein_error *e)
{
        while (e) {
                if (e->home) {
                        rn_future_unref(e->home);
                        return;
                }
                RN_ASSERT(e->in_task || rn_get32(&e->refs) > 0, "an error is not let go more often than it was held");
                if (!e->in_task && rn_told_sub32(&e->refs) != 0)
                        return;
                rein_error *cause = e->cause;
                rn_error_unref(e->next);
                e->cause = e->next = NULL;
                if (!e->in_task)
                        rn_free(e);
                e = cause;
        }
}

void rn_error_set(rein_error **slot, rein_error *e)
{
        rein_error *old = *slot;
        *slot = e;
        if (old != e)
                rn_error_unref(old);
}

/* ---- the trail ---- */

const char *rn_base_name(const char *place)
{
        const char *slash = strrchr(place, '/');
        return slash ? slash + 1 : place;
}

void rn_error_where(char out[RN_ERROR_WHERE], const struct rn_task *t, const char *place)
{
        char who[96] = "";
        if (t && t->now->work)
                rn_work_describe(t->now->work, who, sizeof who);
        const char *at = place ? rn_base_name(place) : "";
        snprintf(out, RN_ERROR_WHERE, "%s%s%s", who, who[0] && at[0] ? ", " : "", at);
}

static int trail_set(int code, const char *place, rein_error *cause, const char *fmt, va_list args) REIN_PRINTF(4, 0);

static int trail_set(int code, const char *place, rein_error *cause, const char *fmt, va_list args)
{
        rn_task *t = rn_self();
        if (!t) {
                rn_error_unref(cause);
                return code;
        }
        char where[RN_ERROR_WHERE];
        rn_error_where(where, t, place);
        if (t->now->trail && t->now->trail->in_task && cause != t->now->trail)
                rn_error_set(&t->now->trail, NULL);
        rein_error *old = cause == t->now->trail ? NULL : t->now->trail;
        t->now->trail = rn_error_makev(rn_task_reserve(t), code, where, cause, NULL, fmt, args);
        rn_error_unref(old);
        return code;
}

int rein_fail_at(const char *place, int code, const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        trail_set(code, place, NULL, fmt, args);
        va_end(args);
        return code;
}

int rein_wrap_at(const char *place, int code, const char *fmt, ...)
{
        rn_task *t = rn_self();
        va_list args;
        va_start(args, fmt);
        trail_set(code, place, t ? t->now->trail : NULL, fmt, args);
        va_end(args);
        return code;
}

int rn_fail(int code, const char *call, const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        trail_set(code, call, NULL, fmt, args);
        va_end(args);
        return code;
}

/* ---- mistakes of the program ---- */

static bool checked;

static void __attribute__((constructor)) checked_look(void)
{
        const char *wanted = rn_env("REIN_CHECK");
        checked = wanted && wanted[0] && strcmp(wanted, "0") != 0;
}

bool rn_checked(void)
{
        return checked;
}

static void misuse_say(const char *call, const char *text, bool aloud)
{
        const rn_machine *m = rn_virtual();
        if (m) { /* the schedule ends, and can be replayed: no abort could tell more */
                m->misuse(call, text);
                return;
        }
        if (aloud || checked)
                rn_say("rein: %s: %s%s\n", call, text, checked ? "; REIN_CHECK is set: abort" : "");
        if (checked)
                rn_abort();
}

enum { MISUSE_TEXT = 320 }; /* longer than an error's without memory: a place is a path, and what follows it matters */

static int misuse_tell(const char *call, bool aloud, const char *fmt, va_list args) REIN_PRINTF(3, 0);

static int misuse_tell(const char *call, bool aloud, const char *fmt, va_list args)
{
        char text[MISUSE_TEXT];
        vsnprintf(text, sizeof text, fmt, args);
        rn_fail(-EPERM, call, "%s", text);
        misuse_say(call, text, aloud);
        return -EPERM;
}

void rn_misuse_told(const char *where, const char *text)
{
        misuse_say(where, text, true);
}

int rn_misused(const char *call, const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        const int rc = misuse_tell(call, false, fmt, args);
        va_end(args);
        return rc;
}

int rn_misused_aloud(const char *call, const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        const int rc = misuse_tell(call, true, fmt, args);
        va_end(args);
        return rc;
}

int rn_fail_because(int code, rein_error *cause, const char *call, const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        trail_set(code, call, cause, fmt, args);
        va_end(args);
        return code;
}

rein_error *rn_trail_take(struct rn_task *t, int code)
{
        rein_error *e = t->now->trail;
        if (!e || e->code != code)
                return NULL;
        if (e->in_task)
                return rn_error_ref(e);
        t->now->trail = NULL;
        return e;
}

const rein_error *rein_trail(void)
{
        rn_task *t = rn_self_if();
        return t ? t->now->trail : NULL;
}

/* ---- reading ---- */

int rein_error_code(const rein_error *e)
{
        return e ? e->code : 0;
}

const char *rein_error_text(const rein_error *e)
{
        return e ? e->text : "";
}

const char *rein_error_where(const rein_error *e)
{
        return e ? e->where : "";
}

const rein_error *rein_error_cause(const rein_error *e)
{
        return e ? e->cause : NULL;
}

const rein_error *rein_error_next(const rein_error *e)
{
        return e ? e->next : NULL;
}

bool rein_error_is(const rein_error *e, int code)
{
        for (; e; e = e->cause) {
                if (e->code == code)
                        return true;
                for (const rein_error *n = e->next; n; n = n->next)
                        if (n->code == code || rein_error_is(n->cause, code))
                                return true;
        }
        return false;
}

static void error_add_line(rn_message *m, const rein_error *e, int depth, const char *lead)
{
        rn_message_add(m, "%*s%s%s: ", 2 * depth, "", lead, rein_code_name(e->code));
        rn_message_add_escaped(m, e->text);
        if (e->where[0]) {
                rn_message_add(m, " (");
                rn_message_add_escaped(m, e->where);
                rn_message_add(m, ")");
        }
        rn_message_add(m, "\n");
}

static void error_add_tree(rn_message *m, const rein_error *e, int depth, const char *lead)
{
        for (; e; e = e->cause, lead = "because ", depth++) {
                error_add_line(m, e, depth, lead);
                for (const rein_error *n = e->next; n; n = n->next) {
                        error_add_line(m, n, depth, "and ");
                        error_add_tree(m, n->cause, depth + 1, "because ");
                }
        }
}

static void error_print(FILE *to, const char *first, const rein_error *e)
{
        rn_message m;
        rn_message_begin(&m, to);
        rn_message_add(&m, "%s", first);
        error_add_tree(&m, e, 0, "");
        rn_message_end(&m);
}

void rein_error_print(FILE *to, const rein_error *e)
{
        if (e)
                error_print(to, "", e);
}

/* ---- names of codes ---- */

static const char *error_code_name(int code)
{
        switch (code) {
        case REIN_ETIMEOUT:
                return "REIN_ETIMEOUT";
        case REIN_ECANCELED:
                return "REIN_ECANCELED";
        case REIN_ESTOPPED:
                return "REIN_ESTOPPED";
        case REIN_EPENDING:
                return "REIN_EPENDING";
        case REIN_EFAILED:
                return "REIN_EFAILED";
        case REIN_EBROKEN:
                return "REIN_EBROKEN";
        case REIN_ECRASHED:
                return "REIN_ECRASHED";
        case REIN_EREJECTED:
                return "REIN_EREJECTED";
        case REIN_EABANDONED:
                return "REIN_EABANDONED";
        case REIN_ESTUCK:
                return "REIN_ESTUCK";
        case REIN_EDEADLOCK:
                return "REIN_EDEADLOCK";
        case REIN_EALREADY:
                return "REIN_EALREADY";
        case REIN_EFOUND:
                return "REIN_EFOUND";
        default:
                return NULL;
        }
}

const char *rein_code_name(int code)
{
        if (code >= 0)
                return "success";
        const char *name = error_code_name(code);
        if (!name && code > -4096)
                name = rn_errno_name(-code);
        if (name)
                return name;
        rn_task *t = rn_self();
        if (!t)
                return "unknown code";
        snprintf(t->code_name, sizeof t->code_name, "%s code %d", code <= REIN_EUSER ? "user" : "unknown", code);
        return t->code_name;
}

/* ---- what nobody looked at ---- */

void rein_on_unseen(void (*fn)(const rein_error *e, void *arg), void *arg)
{
        RN_CALL();
        rn_world *w = rn_world_now();
        rn_lock_take(&w->lock);
        w->unseen = fn;
        w->unseen_arg = arg;
        rn_lock_give(&w->lock);
}

void rn_unseen(const rein_error *e)
{
        if (!e)
                return;
        rn_world *w = rn_world_now();
        rn_lock_take(&w->lock);
        void (*fn)(const rein_error *, void *) = w->unseen;
        void *arg = w->unseen_arg;
        rn_lock_give(&w->lock);
        if (fn) {
                fn(e, arg);
                return;
        }
        error_print(stderr, "rein: nobody looked at this failure: ", e);
}
