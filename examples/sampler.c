/* SPDX-License-Identifier: Apache-2.0 */
/* A sampler: while a pool works, a coroutine looks every two milliseconds how much is queued, and for how many threads. Its
 * ticks lie on a grid, which the time that a look takes does not move; a sampler that is late skips what it missed and is told
 * how much. It is a background child: when the work is done it is cancelled, and that ends its loop. */
#include <rein/rein.h>

#include <stdatomic.h>

enum { JOBS = 200 };

typedef struct sampler {
        rein_executor *pool;
        size_t most, threads;
        int looks;
        int64_t skipped;
} sampler;

static atomic_int done;

static int work(void *arg)
{
        (void)arg;
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        done += rc == 0;
        return rc;
}

static int sample(void *arg)
{
        sampler *s = arg;
        rein_every tick;
        rein_every_start(&tick, REIN_EVERY(.period_ns = REIN_MS(2), .first = REIN_NOWAIT));
        int64_t skipped;
        while ((skipped = rein_every_next(&tick)) >= 0) {
                size_t queued = rein_executor_queued(s->pool);
                if (queued > s->most)
                        s->most = queued;
                size_t threads = rein_executor_threads(s->pool);
                if (threads > s->threads)
                        s->threads = threads;
                s->skipped += skipped;
                s->looks++;
        }
        return (int)skipped; /* why there is no next one: cancelled */
}

int main(void)
{
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "workers", .threads = 2));
        rein_executor *loop = rein_loop_new(NULL);
        if (!pool || !loop) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        sampler s = {.pool = pool};
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_SEC(30))));
        rein_spawn(&g, loop, sample, &s, REIN_JOB(.background = true));
        for (int i = 0; i < JOBS; i++)
                rein_spawn(&g, pool, work, NULL, NULL);
        int rc = rein_group_close(&g, 0);
        printf("%d jobs done: %s\n", done, rein_code_name(rc));
        printf("looked %d times and skipped %lld; at most %zu were queued, for %zu threads\n", s.looks,
               (long long)s.skipped, s.most, s.threads);
        rein_executor_free(pool);
        rein_executor_free(loop);
        return rc == 0 && done == JOBS && s.looks > 0 ? 0 : 1;
}
