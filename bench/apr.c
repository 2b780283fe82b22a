/* SPDX-License-Identifier: Apache-2.0 */
/* Apache APR-util's thread pool, and (-DUSE_PCL) libpcl's coroutines. */
#include "bench.h"
#include <apr_general.h>
#include <apr_pools.h>
#include <apr_thread_pool.h>
#ifdef USE_PCL
#include <pcl.h>
#endif

static apr_thread_pool_t *pool;
static uint32_t answered;

static void pool_new(int threads)
{
        apr_pool_t *memory;

        apr_initialize();
        apr_pool_create(&memory, NULL);
        if (apr_thread_pool_create(&pool, (apr_size_t)threads, (apr_size_t)threads, memory) != APR_SUCCESS)
                abort();
        nap_us(5000);
}

static void submit(apr_thread_start_t fn)
{
        apr_thread_pool_push(pool, fn, NULL, APR_THREAD_TASK_PRIORITY_NORMAL, NULL);
}

static void *APR_THREAD_FUNC job_count(apr_thread_t *t, void *arg)
{
        (void)t;
        count_one();
        return arg;
}

static void pool_ff(int t, int producers)
{
        long n = jobs(1000000);
        uint64_t t0;
        uint64_t submitted;

        (void)producers;
        pool_new(t);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                submit(job_count);
        submitted = now_ns();
        wait_until_done(n);
        emit_per("pool.ff", param("t=%d", t), t0, n, "ns/job");
        emit("pool.ff.submit", param("t=%d", t), (double)(submitted - t0) / (double)n, "ns/job");
}

static void *APR_THREAD_FUNC job_answer(apr_thread_t *t, void *arg)
{
        (void)t;
        __atomic_store_n(&answered, 1, __ATOMIC_SEQ_CST);
        futex_wake(&answered, 1);
        return arg;
}

static void rtt(int t, int producers)
{
        (void)producers;
        pool_new(t);
        for (int idle = 0; idle < 2; idle++) {
                struct series s = series_rtt(idle);

                while (series_more(&s)) {
                        uint64_t t0 = now_ns();

                        submit(job_answer);
                        while (!__atomic_exchange_n(&answered, 0, __ATOMIC_SEQ_CST))
                                futex_wait(&answered, 0);
                        series_add(&s, now_ns() - t0);
                }
                series_emit(&s, idle ? "rtt.idle" : "rtt.hot", param("t=%d", t));
        }
}

#ifdef USE_PCL
static void yield_often(void *arg)
{
        long n = (long)arg;

        for (long i = 0; i < n; i++)
                co_resume();
}

static void pcl(int threads, int producers)
{
        long n = jobs(2000000);
        coroutine_t co;
        uint64_t t0;

        (void)threads;
        (void)producers;
        bench_peer = "libpcl";
        co_thread_init();
        co = co_create(yield_often, (void *)n, NULL, 65536);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                co_call(co);
        emit_per("co.switch", "kind=call/resume", t0, 2 * n, "ns");
        n = 100000;
        t0 = now_ns();
        for (long i = 0; i < n; i++) {
                co = co_create(yield_often, NULL, NULL, 65536);
                co_call(co);
        }
        emit_per("co.create", "kind=malloc-64k", t0, n, "ns");
}
#endif

int main(int argc, char **argv)
{
        static const struct bench all[] = {
                {"pool_ff", pool_ff},
                {"rtt", rtt},
#ifdef USE_PCL
                {"pcl", pcl},
#endif
                {NULL, NULL},
        };

        return bench_main(argc, argv, "apr", all);
}
