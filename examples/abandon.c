/* SPDX-License-Identifier: Apache-2.0 */
/* A job that hears nothing: no hook, no checkpoint. It was started as one that may be abandoned, so past the grace its
 * future is settled and the stop returns; the receipt names it, and when it comes back at last that is reported too. */
#include <rein/rein.h>

#include <stdatomic.h>

static atomic_bool free_to_go;

static int deaf(void *arg)
{
        rein_promise_keep(*(rein_promise **)arg, NULL, NULL); /* it runs */
        while (!free_to_go)
                ; /* foreign code that nobody can reach */
        return 0;
}

static int quick(void *arg)
{
        return *(int *)arg;
}

static void drop_promise(void *arg)
{
        rein_promise_drop(*(rein_promise **)arg);
}

static void on_unseen(const rein_error *e, void *done)
{
        printf("the late log: %s\n", rein_code_name(rein_error_code(e)));
        rein_promise_keep(done, NULL, NULL);
}

int main(void)
{
        rein_future *started, *done;
        rein_promise *start = rein_promise_new(&started), *back = rein_promise_new(&done);
        rein_executor *pool = rein_pool_new(
                REIN_POOL(.name = "vendor", .threads = 1, .replace_abandoned = 1, .grace_ns = REIN_MS(50)));
        if (!start || !back || !pool)
                return 1;
        rein_on_unseen(on_unseen, back);

        /* It brings a copy and a release, for it may outlive everything here. */
        rein_future *f = rein_submit(
                pool, deaf, REIN_COPY(start, .name = "deaf", .unheeded = REIN_ABANDON_IT, .release = drop_promise));
        rein_await(started, NULL, REIN_NEVER);
        rein_receipt *receipt;
        int rc = rein_executor_stop(pool, REIN_STOP_NOW, rein_after(REIN_SEC(5)), &receipt);
        printf("stop: %s; the future: %s; gone: %s\n", rein_code_name(rc), rein_code_name(rein_code(f)),
               rein_gone(f) ? "yes" : "no");
        rein_straggler s = {.size = sizeof s};
        for (size_t i = 0; rein_receipt_at(receipt, i, &s); i++)
                printf("the receipt: %s, %s, %s\n", s.name, s.stopped_by, s.gone ? "gone" : "still there");
        rein_receipt_free(receipt);
        int restarted = rein_executor_restart(pool), n = 42;
        printf("restart: %s; ", rein_code_name(restarted));
        printf("a job beside it: %d\n", rein_on(pool, quick, &n, NULL)); /* replace_abandoned gave it a thread */

        free_to_go = true;
        rein_await(done, NULL, REIN_NEVER);
        rein_on_unseen(NULL, NULL);
        rein_executor_free(pool);
        rein_promise_drop(back);
        rein_drop(f), rein_drop(started), rein_drop(done);
        return rc == REIN_ESTUCK ? 0 : 1;
}
