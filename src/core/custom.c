/* SPDX-License-Identifier: Apache-2.0 */
/* Users' own executors: their functions behind rn_executor_kind. */
#include <errno.h>

#include "core/executor.h"
#include "core/opts.h"

typedef struct custom {
        rein_executor base;
        rein_executor_ops ops;
        void *self;
} custom;

static custom *of(rein_executor *x)
{
        return (custom *)(void *)x;
}

/* Does the user have it? The user is told of a cancel once, and never before accept or post has returned: the second of
 * the two, the cancel or the return, tells it. */
enum { NOT_YET, TAKEN, CANCELED };

static void tell(custom *c, rein_work *w)
{
        if (c->ops.cancel)
                c->ops.cancel(c->self, w);
}

static void taken(custom *c, rein_work *w)
{
        uint32_t was = NOT_YET;
        const bool first = rn_cas32(&w->taken, &was, TAKEN);
        RN_ASSERT(first || was == CANCELED, "a user's executor takes a job once");
        if (!first)
                tell(c, w);
}

static int take(rein_executor *x, rein_work *w, const char **what)
{
        int rc = of(x)->ops.accept(of(x)->self, w);
        if (rc >= 0)
                taken(of(x), w);
        *what = "did not take it";
        return rc < 0 ? rc : 0;
}

static void post(rein_executor *x, rein_work *w)
{
        rn_future_ref(&w->future); /* the user may run it at once */
        of(x)->ops.post(of(x)->self, w);
        taken(of(x), w);
        rn_future_unref(&w->future);
}

/* The user has it, or will, and gives it to rein_work_run some day, which then gives the run's reference back. */
static void dequeue(rein_executor *x, rein_work *w)
{
        uint32_t was = NOT_YET;
        const bool first = rn_cas32(&w->taken, &was, CANCELED);
        RN_ASSERT(first || was == TAKEN, "a job is taken back from a user's executor once");
        if (!first)
                tell(of(x), w);
}

static void stopping(rein_executor *x, rein_stop how)
{
        if (of(x)->ops.stop)
                of(x)->ops.stop(of(x)->self, how);
}

static bool left(rein_executor *x)
{
        (void)x;
        return true;
}

static void destroy(rein_executor *x)
{
        if (of(x)->ops.release)
                of(x)->ops.release(of(x)->self);
        rn_retire(x);
}

static const rn_executor_kind custom_kind = {
        .accept = take,
        .post = post,
        .dequeue = dequeue,
        .stopping = stopping,
        .left = left,
        .destroy = destroy,
};

rein_executor *rein_executor_new_at(const char *place, const rein_executor_ops *ops, void *self)
{
        RN_CALL();
        const char *what = "no functions";
        rein_executor_ops taken = {0};
        int rc = ops ? rn_opts_take(&taken, sizeof taken, ops, ops->size, &what) : -EINVAL;
        if (rc == 0 && (!taken.accept || !taken.post)) {
                rc = -EINVAL;
                what = "accept and post are needed";
        }
        custom *c = rc == 0 ? rn_alloc(sizeof *c) : NULL;
        if (rc == 0) {
                what = "no memory, or rein's threads could not be started";
                rc = c ? rn_executor_init(&c->base, &custom_kind, place, NULL, "executor", INT64_C(2000000000))
                       : -ENOMEM;
        }
        if (rc < 0 || !c) {
                rn_free(c);
                rn_fail(rc, "rein_executor_new", "%s", what);
                return NULL;
        }
        c->ops = taken;
        c->self = self;
        rn_executor_publish(&c->base);
        return &c->base;
}
