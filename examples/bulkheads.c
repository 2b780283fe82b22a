/* SPDX-License-Identifier: Apache-2.0 */
/* Two pools, so that trouble in one is no trouble in the other. "reports" is flooded with jobs that sleep for an hour;
 * what "checkout" takes from submit to end is measured before the flood and during it. */
#include <rein/rein.h>

#include <stdlib.h>

#define SAMPLES 2000
#define FLOOD   1000

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

static int an_hour(void *arg)
{
        (void)arg;
        return rein_sleep(rein_after(REIN_SEC(3600)));
}

static int by_size(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

/* One job after the other, each on a thread of the pool: without on_worker the thread that waits would run it. */
static int measure(rein_executor *pool, const char *when)
{
        static int64_t took[SAMPLES];
        int done = 0;
        for (int i = 0; i < SAMPLES; i++) {
                rein_time began = rein_now();
                rein_future *f = rein_submit(pool, nothing, NULL, REIN_JOB(.on_worker = true));
                done += rein_await(f, NULL, rein_after(REIN_SEC(10))) == 0;
                took[i] = rein_now().ns - began.ns;
                rein_drop(f);
        }
        qsort(took, SAMPLES, sizeof took[0], by_size);
        printf("%s: %d of %d jobs done; median %lld us, 99 %% below %lld us\n", when, done, SAMPLES,
               (long long)took[SAMPLES / 2] / 1000, (long long)took[SAMPLES * 99 / 100] / 1000);
        return done == SAMPLES ? 0 : -1;
}

int main(void)
{
        rein_executor *checkout = rein_pool_new(REIN_POOL(.name = "checkout", .threads = 2));
        rein_executor *reports =
                rein_pool_new(REIN_POOL(.name = "reports", .threads = 4, .queue_max = 100, .full = REIN_FULL_REJECT));
        if (!checkout || !reports) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        int rc = measure(checkout, "before the flood");

        rein_future *flood[FLOOD];
        int rejected = 0;
        for (int i = 0; i < FLOOD; i++) {
                flood[i] = rein_submit(reports, an_hour, NULL, NULL);
                rejected += rein_code(flood[i]) == REIN_EREJECTED;
        }
        printf("the flood: %d jobs, %zu taken, %d rejected at once\n", FLOOD, rein_executor_unfinished(reports),
               rejected);
        rc |= measure(checkout, "during the flood");

        rein_receipt *receipt;
        rc |= rein_executor_stop(reports, REIN_STOP_NOW, rein_after(REIN_SEC(5)), &receipt);
        printf("stopped the flood: %zu jobs in the receipt, %zu left\n", rein_receipt_count(receipt),
               rein_executor_unfinished(reports));
        for (int i = 0; i < FLOOD; i++)
                rein_drop(flood[i]);
        rein_receipt_free(receipt);
        rein_executor_free(reports);
        rein_executor_free(checkout);
        return rc == 0 ? 0 : 1;
}
