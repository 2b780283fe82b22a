/* SPDX-License-Identifier: Apache-2.0 */
/* Retries. The ceiling of the delay doubles from delay_ns to delay_max_ns; the delay is drawn evenly from [0, ceiling]
 * ("full jitter"). A cancel of the caller is seen between any two steps and is never retried. Every try's error becomes
 * the cause of the next one's, so that the last tells the whole story. */
#include "rein/retry.h"

#include <errno.h>
#include <float.h>

#include "core/opts.h"
#include "core/ranges.h"
#include "core/scope.h"
#include "core/task.h"
#include "rein/io.h"

/* ---- budgets ---- */

struct rein_budget {
        rn_lock lock;
        double tokens, max, per_success;
};

rein_budget *rein_budget_new(double max, double per_success)
{
        RN_CALL();
        if (!(max > 0) || !(per_success >= 0)) {
                rn_fail(-EINVAL, "rein_budget_new",
                        "max must be a number above 0, and per_success one that is not negative");
                return NULL;
        }
        rein_budget *b = rn_alloc(sizeof *b);
        if (!b) {
                rn_fail(-ENOMEM, "rein_budget_new", "no memory for a budget");
                return NULL;
        }
        b->tokens = b->max = max < DBL_MAX ? max : DBL_MAX; /* half of what has no limit would be as much */
        b->per_success = per_success;
        return b;
}

void rein_budget_free(rein_budget *b)
{
        RN_CALL();
        rn_free(b);
}

static void budget_pay_in(rein_budget *b)
{
        if (!b)
                return;
        rn_lock_take(&b->lock);
        b->tokens = b->tokens + b->per_success < b->max ? b->tokens + b->per_success : b->max;
        rn_lock_give(&b->lock);
}

/* A failed try takes a token. Is another try affordable? */
static bool budget_pay_out(rein_budget *b)
{
        if (!b)
                return true;
        rn_lock_take(&b->lock);
        b->tokens = b->tokens >= 1 ? b->tokens - 1 : 0;
        RN_ASSERT(b->tokens >= 0 && b->tokens <= b->max, "a budget has between no tokens and all");
        bool enough = b->tokens > b->max / 2;
        rn_lock_give(&b->lock);
        return enough;
}

/* ---- tries ---- */

static bool retry_transient(int code, const rein_error *e, void *ctx)
{
        (void)e;
        (void)ctx;
        switch (code) {
        case -EAGAIN:
        case -EINTR:
        case -EBUSY:
        case -ECONNREFUSED:
        case -ECONNRESET:
        case -ECONNABORTED:
        case -EPIPE:
        case -ENETDOWN:
        case -ENETUNREACH:
        case -EHOSTDOWN:
        case -EHOSTUNREACH:
        case -ETIMEDOUT:
        case -ENOBUFS:
        case -ENFILE:
        case -EMFILE:
        case -ENOMEM:
        case REIN_ETIMEOUT:
        case REIN_EREJECTED:
                return true;
        default:
                return false;
        }
}

static int64_t retry_clamp_until(int64_t until, int64_t span)
{
        int64_t at = rein_after(span).ns;
        return at < until ? at : until;
}

/* One try, bounded by each_ns and by the whole's `until`. */
static int retry_try_once(const char *place, const rein_retry_opts *o, int64_t until, rein_fn fn, void *arg)
{
        if (!o->each_ns && until == RN_NEVER)
                return fn(arg);
        int64_t at = o->each_ns ? retry_clamp_until(until, o->each_ns) : until;
        return rein_within_at(place, REIN_TIME(at), fn, arg);
}

/* The error of try number i as the caller will find it: with what the trail has of it, and the earlier tries below. */
static rein_error *retry_error_of_try(rn_task *self, const char *place, int i, int code, rein_error *earlier)
{
        char where[RN_ERROR_WHERE];
        rein_error *own = rn_trail_take(self, code);
        rn_error_where(where, self, place);
        rein_error *e;
        if (own && own->cause) { /* its own causes stand beside the earlier tries */
                rein_error *beside = rn_error_with_next(own->cause, NULL);
                rein_error *cause = beside ? rn_error_with_next(beside, earlier) : earlier;
                rn_error_unref(beside);
                e = rn_error_make(rn_task_reserve(self), code, where, cause, NULL, "try %d: %s", i, own->text);
        } else {
                e = rn_error_make(rn_task_reserve(self), code, where, earlier, NULL, "try %d: %s", i,
                                  own ? own->text : rein_code_name(code));
        }
        rn_error_unref(own);
        return e;
}

static int64_t retry_draw_delay(const rein_retry_opts *o, int i)
{
        int64_t ceiling = o->delay_ns;
        for (int k = 1; k < i && ceiling < o->delay_max_ns; k++)
                ceiling = ceiling > o->delay_max_ns / 2 ? o->delay_max_ns : ceiling * 2;
        if (ceiling > o->delay_max_ns)
                ceiling = o->delay_max_ns;
        return (int64_t)(rn_random64() % ((uint64_t)ceiling + 1));
}

static int retry_take_opts(rein_retry_opts *o, const rein_retry_opts *given, const char **what)
{
        *o = (rein_retry_opts){.size = sizeof *o};
        int rc = given ? rn_opts_take(o, sizeof *o, given, given->size, what) : 0;
        if (rc < 0)
                return rc;
        if (o->tries < 0 || o->delay_ns < 0 || o->delay_max_ns < 0 || o->each_ns < 0) {
                *what = "tries must be from 1 to 2147483647, delay_ns, delay_max_ns and each_ns " RN_SPAN_RANGE
                        "; 0 is the default";
                return -EINVAL;
        }
        o->tries = o->tries ? o->tries : 3;
        o->delay_ns = o->delay_ns ? o->delay_ns : REIN_MS(100);
        o->delay_max_ns = o->delay_max_ns ? o->delay_max_ns : REIN_SEC(30);
        o->again = o->again ? o->again : retry_transient;
        return 0;
}

int rein_retry_at(const char *place, const rein_retry_opts *given, rein_fn fn, void *arg)
{
        RN_ASKS(task, NULL);
        rn_task *self = rn_self();
        rn_stretch_spend(self, RN_SPENDS_CALL);
        rein_retry_opts o;
        const char *what = "no function to call";
        int rc = fn ? retry_take_opts(&o, given, &what) : -EINVAL;
        if (rc < 0)
                return rn_fail(rc, "rein_retry", "%s", what);
        if (!self)
                return -ENOMEM;
        const int64_t until = o.until.ns ? o.until.ns : RN_NEVER;
        rein_error *story = NULL;
        int last = 0; /* what the try before returned */
        for (int i = 1;; i++) {
                if (rn_canceled(self)) {
                        rn_error_unref(story);
                        return REIN_ECANCELED;
                }
                rc = retry_try_once(place, &o, until, fn, arg);
                if (rc >= 0) {
                        budget_pay_in(o.budget);
                        rn_error_unref(story);
                        return rc;
                }
                if (rc == REIN_ECANCELED && rn_canceled(self)) {
                        rn_error_unref(story);
                        return rc;
                }
                if (rc == REIN_ETIMEOUT && story && until <= rn_clock()) {
                        rc = last; /* cut short by `until`: it is no try's own failure */
                        break;
                }
                last = rc;
                const rein_error *e = rein_trail();
                bool more = rc != REIN_ECANCELED && o.again(rc, e && e->code == rc ? e : NULL, o.ctx);
                more = budget_pay_out(o.budget) && more;
                story = retry_error_of_try(self, place, i, rc, story);
                int64_t at = more && i < o.tries ? rein_after(retry_draw_delay(&o, i)).ns : RN_NEVER;
                if (!more || i >= o.tries || at >= until)
                        break;
                if (rein_sleep(REIN_TIME(at)) < 0) {
                        rn_error_unref(story);
                        return REIN_ECANCELED;
                }
        }
        rn_error_set(&self->now->trail, story);
        return rc;
}
