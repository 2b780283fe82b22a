/* SPDX-License-Identifier: Apache-2.0 */
/* Boost.Asio: thread_pool, io_context, steady_timer. */
#include "bench.h"
#include <boost/asio.hpp>
#include <deque>
#include <functional>
#include <future>
#include <thread>
#include <vector>

namespace as = boost::asio;

namespace
{

as::thread_pool *pool;

struct pool_of {
        as::thread_pool own;

        explicit pool_of(int t) : own((size_t)t)
        {
                pool = &own;
                nap_us(2000);
        }
};

void pool_ff(int t, int)
{
        pool_of p(t);
        long n = jobs(1000000);
        uint64_t t0 = now_ns();

        for (long i = 0; i < n; i++)
                as::post(*pool, [] { count_one(); });
        uint64_t submitted = now_ns();
        wait_until_done(n);
        emit_per("pool.ff", param("t=%d", t), t0, n, "ns/job");
        emit("pool.ff.submit", param("t=%d", t), double(submitted - t0) / n, "ns/job");
}

std::future<long> submit(long i)
{
        return as::post(*pool, std::packaged_task<long()>([i] { return i; }));
}

void pool_fut(int t, int)
{
        pool_of p(t);
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
        pool_of p(t);
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
                as::post(*pool, [] { count_one(); });
        return nullptr;
}

void pool_mp(int t, int producers)
{
        pool_of p(t);
        long each = jobs(1000000) / producers;
        uint64_t t0 = now_ns();

        run_producers(producers, producer, each);
        wait_until_done(each * producers);
        emit_per("pool.mp", param("t=%d;prod=%d", t, producers), t0, each * producers, "ns/job");
}

void tree_node(int depth)
{
        count_one();
        if (depth) {
                as::post(*pool, [depth] { tree_node(depth - 1); });
                as::post(*pool, [depth] { tree_node(depth - 1); });
        }
}

void tree(int t, int)
{
        pool_of p(t);
        uint64_t t0 = now_ns();

        as::post(*pool, [] { tree_node(TREE_DEPTH); });
        wait_until_done(TREE_JOBS);
        emit_per("pool.tree", param("t=%d", t), t0, TREE_JOBS, "ns/job");
}

void rtt(int t, int)
{
        pool_of p(t);

        for (int idle = 0; idle < 2; idle++) {
                series s = series_rtt(idle);

                while (series_more(&s)) {
                        uint64_t t0 = now_ns();
                        std::promise<long> promise;
                        auto f = promise.get_future();

                        as::post(*pool, [&promise] { promise.set_value(1); });
                        f.get();
                        series_add(&s, now_ns() - t0);
                        nap_us(0); /* the worker is through with `promise` */
                }
                series_emit(&s, idle ? "rtt.idle" : "rtt.hot", param("t=%d", t));
        }
}

/* io_context -> thread_pool -> io_context */
void rtt_loop(int t, int)
{
        pool_of p(t);
        as::io_context io;
        auto stay = as::make_work_guard(io);

        for (int idle = 0; idle < 2; idle++) {
                series s = series_rtt(idle);
                uint64_t t0 = 0;
                std::function<void()> back;
                std::function<void()> go;

                go = [&] {
                        if (!series_more(&s)) {
                                io.stop();
                                return;
                        }
                        t0 = now_ns();
                        as::post(*pool, [&] { as::post(io, [&] { back(); }); });
                };
                back = [&] {
                        series_add(&s, now_ns() - t0);
                        go();
                };
                go();
                io.run();
                io.restart();
                series_emit(&s, idle ? "rttloop.idle" : "rttloop.hot", param("t=%d", t));
        }
}

void timer(int, int)
{
        as::io_context io;
        long n = timers();
        std::deque<as::steady_timer> timers;
        auto fired = [](boost::system::error_code) { count_one(); };

        for (long i = 0; i < n; i++)
                timers.emplace_back(io);
        uint64_t t0 = now_ns();
        for (auto &x : timers) {
                x.expires_after(std::chrono::milliseconds(far_ms()));
                x.async_wait(fired);
        }
        for (auto &x : timers)
                x.cancel();
        io.poll(); /* runs the aborted completions */
        emit_per("timer.insert_cancel", param("n=%ld", n), t0, n, "ns");

        bench_done = 0;
        io.restart();
        for (long i = 0; i < TIMERS_DUE; i++) {
                timers[i].expires_after(std::chrono::milliseconds(soon_ms()));
                timers[i].async_wait(fired);
        }
        nap_us(30000);
        t0 = now_ns();
        io.run();
        if (bench_done != TIMERS_DUE)
                abort();
        emit_per("timer.fire_due", "n=100000", t0, TIMERS_DUE, "ns");
}

as::io_context *loop;
uint64_t woken_at;

void wake()
{
        as::post(*loop, [] { stamp(&woken_at); });
}

void wakeloop(int, int)
{
        as::io_context io;
        auto stay = as::make_work_guard(io);
        std::thread thread([&] { io.run(); });
        long n = jobs(1000000);

        loop = &io;
        nap_us(3000);
        wakeloop_oneway(wake, &woken_at);
        uint64_t t0 = now_ns();
        for (long i = 0; i < n; i++)
                as::post(io, [] { count_one(); });
        stay.reset();
        thread.join();
        if (bench_done != n)
                abort();
        emit_per("wakeloop.thr", param("n=%ld", n), t0, n, "ns/item");
}

} // namespace

int main(int argc, char **argv)
{
        static const bench all[] = {
                {"pool_ff", pool_ff},   {"pool_fut", pool_fut}, {"pool_futw", pool_futw}, {"pool_mp", pool_mp},
                {"tree", tree},         {"rtt", rtt},           {"rtt_loop", rtt_loop},   {"timer", timer},
                {"wakeloop", wakeloop}, {nullptr, nullptr},
        };

        return bench_main(argc, argv, "asio", all);
}
