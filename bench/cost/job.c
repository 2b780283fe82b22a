/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs on one thread, every step in its order: the same instructions each time. See cost.sh. */
#include <rein/rein.h>
#include <stdlib.h>

static rein_work *taken;

static int take(void *self, rein_work *w)
{
        (void)self;
        taken = w;
        return 0;
}

static void post(void *self, rein_work *w)
{
        take(self, w);
}

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

int main(int argc, char **argv)
{
        rein_executor_ops ops = {.size = sizeof ops, .accept = take, .post = post};
        rein_executor *x = rein_executor_new(&ops, NULL);
        for (int n = argc > 1 ? atoi(argv[1]) : 0; x && n; n--) {
                rein_future *f = rein_submit(x, nothing, NULL, NULL);
                rein_work_run(taken);
                rein_await(f, NULL, REIN_NEVER);
                rein_drop(f);
        }
        rein_executor_free(x);
        return x ? 0 : 1;
}
