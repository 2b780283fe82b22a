/* SPDX-License-Identifier: Apache-2.0 */
/* What a job may ask of its pool, on a pool of one thread and a queue of four: to go first, to end in time, to start in
 * time or not at all, to be one run for all who ask. And a job that waits for a job of its own pool. */
#include <rein/rein.h>

#include <stdatomic.h>

static rein_executor *pool;
static atomic_int runs;

static int sleep_ms(void *arg)
{
        return rein_sleep(rein_after(REIN_MS(*(const int *)arg)));
}

static int say(void *arg)
{
        printf(" %s", (const char *)arg);
        return 0;
}

static int look_up(void *arg)
{
        int rc = sleep_ms(arg);
        return rc < 0 ? rc : ++runs;
}

static int depth(void *arg)
{
        int n = *(const int *)arg - 1;
        return n < 0 ? 42 : rein_on(pool, depth, REIN_COPY(n));
}

static const char *outcome(rein_future *f)
{
        rein_await(f, NULL, REIN_NEVER);
        const char *name = rein_code_name(rein_code(f));
        rein_drop(f);
        return name;
}

int main(void)
{
        int ms = 50, hour = 3600000, levels = 100, rejected = 0;
        pool = rein_pool_new(REIN_POOL(.name = "one", .threads = 1, .queue_max = 4, .full = REIN_FULL_REJECT));
        if (!pool)
                return 1;
        printf("by priority:");
        rein_future *busy = rein_submit(pool, sleep_ms, REIN_COPY(ms));
        rein_future *low = rein_submit(pool, say, "low", NULL);
        rein_future *high = rein_submit(pool, say, "high", REIN_JOB(.priority = 1));
        outcome(busy), outcome(high), outcome(low);
        rein_time end = rein_after(REIN_MS(20));
        int64_t rest = REIN_SPAN(end.ns - rein_now().ns); /* nothing left is "at once", and not "no limit" */
        printf("\nlimit_ns: %s\n", outcome(rein_submit(pool, sleep_ms, REIN_COPY(hour, .limit_ns = rest))));

        busy = rein_submit(pool, sleep_ms, REIN_COPY(ms));
        low = rein_submit(pool, say, "too late", REIN_JOB(.start_by = rein_after(REIN_MS(1))));
        outcome(busy);
        printf("start_by: %s\n", outcome(low));
        rein_future *f[8];
        busy = rein_submit(pool, sleep_ms, REIN_COPY(hour));
        for (int i = 0; i < 4; i++)
                f[i] = rein_submit(pool, look_up, REIN_COPY(ms, .share = "rein.example", .share_ns = REIN_SEC(3600)));
        rein_cancel(busy, "they are all there");
        rein_wait_all(f, 4, REIN_NEVER);
        rein_drop(busy);
        printf("share: four callers, %d run, answers %d and %d\n", runs, rein_code(f[0]), rein_code(f[3]));
        for (int i = 0; i < 4; i++)
                rein_drop(f[i]);
        rein_drop(rein_submit(pool, look_up, REIN_COPY(ms, .share = "rein.example", .share_ns = REIN_SEC(3600))));
        printf("share_ns: one that comes later, still %d run\n", runs);

        for (int i = 0; i < 8; i++)
                f[i] = rein_submit(pool, sleep_ms, REIN_COPY(hour));
        for (int i = 0; i < 8; rein_drop(f[i++]))
                rejected += rein_code(f[i]) == REIN_EREJECTED, rein_cancel(f[i], NULL);
        printf("full: %s\n", rejected >= 3 ? "what has no room is rejected" : "?");
        int answer = rein_on(pool, depth, REIN_COPY(levels));
        printf("waiting inside: %d came up from %d levels down\n", answer, levels);
        rein_executor_free(pool);
        return runs == 1 && answer == 42 ? 0 : 1;
}
