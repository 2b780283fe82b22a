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

static custom *custom_of(rein_executor *x)
{
        return (custom *)(void *)x;
}

/* Does the user have it? The user is told of a cancel once, and never before accept or post has returned: the second of
 * the two, the cancel or the return, tells it. */
enum { NOT_YET, HANDED_OVER, CANCELED };

static void custom_tell_of_cancel(custom *c, rein_work *w)
{
        if (c->ops.cancel)
                c->ops.cancel(c->self, w);
}

static void custom_handed_over(custom *c, rein_work *w)
{
        uint32_t was = NOT_YET;
        const bool first = rn_cas32(&w->handed_over, &was, HANDED_OVER);
        RN_ASSERT(first || was == CANCELED, "a user's executor takes a job once");
        if (!first)
                custom_tell_of_cancel(c, w);
}

static int custom_take(rein_executor *x, rein_work *w, const char **what)
{
        int rc = custom_of(x)->ops.accept(custom_of(x)->self, w);
        if (rc >= 0)
                custom_handed_over(custom_of(x), w);
        *what = "did not take it";
        return rc < 0 ? rc : 0;
}

static void custom_post(rein_executor *x, rein_work *w)
{
        rn_future_ref(&w->future); /* the user may run it at once */
        custom_of(x)->ops.post(custom_of(x)->self, w);
        custom_handed_over(custom_of(x), w);
        rn_future_unref(&w->future);
}

/* The user has it, or will, and gives it to rein_work_run some day, which then gives the run's reference back. */
static void custom_dequeue(rein_executor *x, rein_work *w)
{
        uint32_t was = NOT_YET;
        const bool first = rn_cas32(&w->handed_over, &was, CANCELED);
        RN_ASSERT(first || was == HANDED_OVER, "a job is taken back from a user's executor once");
        if (!first)
                custom_tell_of_cancel(custom_of(x), w);
}

static void custom_stopping(rein_executor *x, rein_stop how)
{
        if (custom_of(x)->ops.stop)
                custom_of(x)->ops.stop(custom_of(x)->self, how);
}

static bool custom_left(rein_executor *x)
{
        (void)x;
        return true;
}

static void custom_destroy(rein_executor *x)
{
        if (custom_of(x)->ops.release)
                custom_of(x)->ops.release(custom_of(x)->self);
        rn_retire(x);
}

static const rn_executor_kind custom_kind = {
        .accept = custom_take,
        .post = custom_post,
        .dequeue = custom_dequeue,
        .stopping = custom_stopping,
        .left = custom_left,
        .destroy = custom_destroy,
};

rein_executor *rein_executor_new_at(const char *place, const rein_executor_ops *ops, void *self)
{
        RN_CALL();
        const char *what = "no functions";
        rein_executor_ops copy = {0};
        int rc = ops ? rn_opts_take(&copy, sizeof copy, ops, ops->size, &what) : -EINVAL;
        if (rc == 0 && (!copy.accept || !copy.post)) {
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
        c->ops = copy;
        c->self = self;
        rn_executor_publish(&c->base);
        return &c->base;
}
