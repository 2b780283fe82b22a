/* SPDX-License-Identifier: Apache-2.0 */
/* oneTBB: task_arena::enqueue, task_group, concurrent_bounded_queue.
 *
 * The arena has t workers and one more slot, kept for the master, which does not work in it: enqueue() hands every job
 * to one of the t workers. */
#include "bench.h"
#include <future>
#include <memory>
#include <oneapi/tbb/concurrent_queue.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <thread>
#include <vector>

using namespace oneapi::tbb;

namespace
{

task_arena *arena;

struct pool {
        global_control limit;
        task_arena own;

        explicit pool(int t) : limit(global_control::max_allowed_parallelism, (size_t)t + 1), own(t + 1, 1)
        {
                arena = &own;
                own.enqueue([] { count_one(); }); /* starts the threads */
                wait_until_done(1);
                nap_us(2000);
                bench_done = 0;
        }
};

void pool_ff(int t, int)
{
        pool p(t);
        long n = jobs(1000000);
        uint64_t t0 = now_ns();

        for (long i = 0; i < n; i++)
                arena->enqueue([] { count_one(); });
        uint64_t submitted = now_ns();
        wait_until_done(n);
        emit_per("pool.ff", param("t=%d", t), t0, n, "ns/job");
        emit("pool.ff.submit", param("t=%d", t), double(submitted - t0) / n, "ns/job");
}

/* task_group: one handle for all, and the master helps in wait(). */
void pool_group(int t, int)
{
        pool p(t);
        long n = jobs(1000000);
        task_group group;
        uint64_t t0 = now_ns();

        for (long i = 0; i < n; i++)
                group.run([] { count_one(); });
        group.wait();
        emit_per("pool.ff", param("t=%d;task_group", t), t0, n, "ns/job");
}

std::future<long> submit(long i)
{
        auto task = std::make_shared<std::packaged_task<long()>>([i] { return i; });
        auto f = task->get_future();

        arena->enqueue([task] { (*task)(); });
        return f;
}

void pool_fut(int t, int)
{
        pool p(t);
        long n = jobs(1000000);
        long sum = 0;
        std::vector<std::future<long>> f;

        f.reserve(n);
        uint64_t t0 = now_ns();
        for (long i = 0; i < n; i++)
                f.push_back(submit(i));
        for (auto &x : f)
                sum += x.get();
        if (sum != n * (n - 1) / 2)
                abort();
        emit_per("pool.fut", param("t=%d", t), t0, n, "ns/job");
}

/* At most 1024 in flight. */
void pool_futw(int t, int)
{
        pool p(t);
        long n = jobs(1000000);
        long sum = 0;
        std::vector<std::future<long>> f(1024);
        uint64_t t0 = now_ns();

        for (long i = 0; i < n; i++) {
                auto &x = f[i & 1023];
                if (x.valid())
                        sum += x.get();
                x = submit(i);
        }
        for (auto &x : f)
                if (x.valid())
                        sum += x.get();
        if (sum != n * (n - 1) / 2)
                abort();
        emit_per("pool.futw", param("t=%d", t), t0, n, "ns/job");
}

void *producer(void *arg)
{
        long n = (long)arg;

        for (long i = 0; i < n; i++)
                arena->enqueue([] { count_one(); });
        return nullptr;
}

void pool_mp(int t, int producers)
{
        pool p(t);
        long each = jobs(1000000) / producers;
        uint64_t t0 = now_ns();

        run_producers(producers, producer, each);
        wait_until_done(each * producers);
        emit_per("pool.mp", param("t=%d;prod=%d", t, producers), t0, each * producers, "ns/job");
}

void tree_node(task_group &group, int depth)
{
        count_one();
        if (depth) {
                group.run([&group, depth] { tree_node(group, depth - 1); });
                group.run([&group, depth] { tree_node(group, depth - 1); });
        }
}

void tree(int t, int)
{
        pool p(t);
        global_control limit(global_control::max_allowed_parallelism, (size_t)t);
        task_arena all(t); /* the master works here */
        task_group group;
        uint64_t t0 = now_ns();

        all.execute([&] {
                group.run([&] { tree_node(group, TREE_DEPTH); });
                group.wait();
        });
        emit_per("pool.tree", param("t=%d", t), t0, TREE_JOBS, "ns/job");
}

void rtt(int t, int)
{
        pool p(t);

        for (int idle = 0; idle < 2; idle++) {
                series s = series_rtt(idle);

                while (series_more(&s)) {
                        uint64_t t0 = now_ns();
                        std::promise<long> promise;
                        auto f = promise.get_future();

                        arena->enqueue([&promise] { promise.set_value(1); });
                        f.get();
                        series_add(&s, now_ns() - t0);
                        nap_us(0); /* the worker is through with `promise` */
                }
                series_emit(&s, idle ? "rtt.idle" : "rtt.hot", param("t=%d", t));
        }
}

concurrent_bounded_queue<long> bounded;

void *queue_producer(void *arg)
{
        long n = (long)arg;

        for (long i = 0; i < n; i++)
                bounded.push(i);
        return nullptr;
}

/* t consumers. */
void queue(int t, int producers)
{
        long each = jobs(1000000) / producers;
        std::vector<std::thread> consumers;
        uint64_t t0 = now_ns();

        bounded.set_capacity(1024);
        for (int k = 0; k < t; k++) {
                consumers.emplace_back([=] {
                        long x;

                        for (long i = 0; i < each * producers / t; i++)
                                bounded.pop(x);
                });
        }
        run_producers(producers, queue_producer, each);
        for (auto &x : consumers)
                x.join();
        emit_per("queue.bounded", param("prod=%d;cons=%d;cap=1024", producers, t), t0, each * producers, "ns/item");
}

} // namespace

int main(int argc, char **argv)
{
        static const bench all[] = {
                {"pool_ff", pool_ff},   {"pool_group", pool_group},
                {"pool_fut", pool_fut}, {"pool_futw", pool_futw},
                {"pool_mp", pool_mp},   {"tree", tree},
                {"rtt", rtt},           {"queue", queue},
                {nullptr, nullptr},
        };

        return bench_main(argc, argv, "tbb", all);
}
