/* SPDX-License-Identifier: Apache-2.0 */
/* A thousand jobs on a hundred threads: job i sleeps i seconds, but jobs 50 to 99 fail. The first failure stops all of
 * them, those that run included; the receipt says how each was stopped. Then the same pool runs a second batch. */
#include <rein/rein.h>

#include <string.h>

#define JOBS 1000

static rein_future *f[JOBS];

static int sleeper(void *arg)
{
        int i = *(const int *)arg;
        if (i >= 50 && i <= 99)
                return rein_fail(REIN_EUSER, "job %d cannot", i);
        return rein_sleep(rein_after(REIN_SEC(i)));
}

/* Wait until one has failed; the others go on meanwhile. */
static int first_failure(void)
{
        int i;
        rein_done it;
        rein_done_open(&it, f, JOBS);
        do
                i = rein_done_next(&it, REIN_NEVER);
        while (i >= 0 && rein_code(f[i]) >= 0);
        rein_done_close(&it);
        return i;
}

int main(void)
{
        rein_receipt *receipt;
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "sleepers", .threads = 100));
        if (!pool) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        rein_time began = rein_now();
        for (int i = 0; i < JOBS; i++)
                f[i] = rein_submit(pool, sleeper, REIN_COPY(i, .name = "sleeper"));
        int failed = first_failure();
        printf("first failure: %s\n", failed < 0 ? "none" : rein_error_text(rein_error_of(f[failed])));
        int stopped = rein_executor_stop(pool, REIN_STOP_NOW, rein_after(REIN_SEC(5)), &receipt);
        long long ms = (rein_now().ns - began.ns) / 1000000;
        printf("stop: %s, %lld ms after the start\n", rein_code_name(stopped), ms);

        size_t queued = 0, asked = 0, count = rein_receipt_count(receipt), ended = 0, errors = 0, canceled = 0,
               done = 0;
        rein_straggler s = {.size = sizeof s};
        for (size_t i = 0; rein_receipt_at(receipt, i, &s); i++) {
                queued += strcmp(s.stopped_by, "never started") == 0;
                asked += strcmp(s.stopped_by, "asked") == 0;
        }
        printf("the receipt: %zu jobs, %zu never started, %zu were asked and left\n", count, queued, asked);
        rein_receipt_free(receipt);
        for (int i = 0; i < JOBS; i++) {
                ended += rein_code(f[i]) >= 0;
                errors += rein_code(f[i]) == REIN_EUSER;
                canceled += rein_code(f[i]) == REIN_ECANCELED;
                rein_drop(f[i]);
        }
        printf("the futures: %zu ended, %zu failed, %zu canceled\n", ended, errors, canceled);

        int zero = 0, restarted = rein_executor_restart(pool);
        for (int i = 0; i < JOBS; i++)
                f[i] = rein_submit(pool, sleeper, REIN_COPY(zero));
        for (int i = 0; i < JOBS; i++) {
                done += rein_await(f[i], NULL, REIN_NEVER) == 0;
                rein_drop(f[i]);
        }
        printf("restart: %s; the second batch: %zu of %d\n", rein_code_name(restarted), done, JOBS);
        rein_executor_free(pool);
        return stopped == 0 && done == JOBS && ended + errors + canceled == JOBS ? 0 : 1;
}
