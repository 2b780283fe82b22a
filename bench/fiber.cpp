/* SPDX-License-Identifier: Apache-2.0 */
/* Boost.Context and Boost.Fiber. */
#include "bench.h"
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <boost/fiber/all.hpp>
#include <thread>
#include <vector>

namespace ctx = boost::context;
namespace bf = boost::fibers;

namespace
{

void switch_context()
{
        long n = jobs(10000000);
        ctx::fiber f([](ctx::fiber &&main) {
                for (;;)
                        main = std::move(main).resume();
                return std::move(main);
        });

        bench_peer = "boost.context";
        f = std::move(f).resume();
        uint64_t t0 = now_ns();
        for (long i = 0; i < n; i++)
                f = std::move(f).resume();
        emit_per("co.switch", "kind=resume", t0, 2 * n, "ns");
}

void switch_fiber()
{
        long n = 1000000;
        auto yield_often = [&] {
                for (long i = 0; i < n; i++)
                        boost::this_fiber::yield();
        };
        bf::fiber a(yield_often);
        bf::fiber b(yield_often);
        uint64_t t0 = now_ns();

        bench_peer = "boost.fiber";
        a.join();
        b.join();
        emit_per("co.switch", "kind=yield-2", t0, 2 * n, "ns");
}

void channel()
{
        long n = 300000;
        bf::unbuffered_channel<long> there;
        bf::unbuffered_channel<long> back;
        bf::fiber server([&] {
                long x;

                for (long i = 0; i < n; i++) {
                        there.pop(x);
                        back.push(x);
                }
        });
        bf::fiber client([&] {
                long x;

                for (long i = 0; i < n; i++) {
                        there.push(i);
                        back.pop(x);
                }
        });
        uint64_t t0 = now_ns();

        server.join();
        client.join();
        emit_per("co.chan_rt", "cap=0", t0, n, "ns");
}

void co_switch(int, int)
{
        switch_context();
        switch_fiber();
        channel();
}

template <class Stack> void create_context(const char *param, Stack stack)
{
        long n = jobs(200000);
        uint64_t t0 = now_ns();

        for (long i = 0; i < n; i++) {
                ctx::fiber f(std::allocator_arg, stack, [](ctx::fiber &&main) { return std::move(main); });
                f = std::move(f).resume();
        }
        emit_per("co.create", param, t0, n, "ns");
}

void co_create(int, int)
{
        long n = jobs(200000);

        bench_peer = "boost.context";
        create_context("kind=malloc-64k", ctx::fixedsize_stack(65536));
        create_context("kind=pooled-64k", ctx::pooled_fixedsize_stack(65536));
        bench_peer = "boost.fiber";
        uint64_t t0 = now_ns();
        for (long i = 0; i < n; i++) {
                bf::fiber f(bf::launch::dispatch, std::allocator_arg, bf::fixedsize_stack(65536), [] {});
                f.join();
        }
        emit_per("co.create", "kind=malloc-64k", t0, n, "ns");
}

void co_mem(int, int)
{
        long n = jobs(100000);
        std::vector<bf::fiber> f;
        bf::mutex lock;
        bf::condition_variable cond;
        bool go = false;

        f.reserve(n);
        long before = resident_kib();
        uint64_t t0 = now_ns();
        for (long i = 0; i < n; i++) {
                f.emplace_back(bf::launch::dispatch, std::allocator_arg, bf::fixedsize_stack(16384), [&] {
                        std::unique_lock<bf::mutex> held(lock);
                        cond.wait(held, [&] { return go; });
                });
        }
        uint64_t parked = now_ns();
        emit("co.mem", param("n=%ld;stack=16k", n), double(resident_kib() - before) * 1024.0 / double(n), "bytes/co");
        emit("co.park", param("n=%ld;stack=16k", n), double(parked - t0) / double(n), "ns/co");
        t0 = now_ns();
        {
                std::unique_lock<bf::mutex> held(lock);
                go = true;
        }
        cond.notify_all();
        for (auto &x : f)
                x.join();
        emit_per("co.wake_all", param("n=%ld", n), t0, n, "ns/co");
}

/* t consumers. */
void queue(int t, int producers)
{
        bf::buffered_channel<long> q(1024);
        long each = jobs(1000000) / producers;
        std::vector<std::thread> threads;
        uint64_t t0 = now_ns();

        for (int p = 0; p < producers; p++) {
                threads.emplace_back([&] {
                        for (long i = 0; i < each; i++)
                                q.push(i);
                });
        }
        for (int k = 0; k < t; k++) {
                threads.emplace_back([&] {
                        long x;

                        for (long i = 0; i < each * producers / t; i++)
                                q.pop(x);
                });
        }
        for (auto &x : threads)
                x.join();
        emit_per("queue.bounded", param("prod=%d;cons=%d;cap=1024", producers, t), t0, each * producers, "ns/item");
}

} // namespace

int main(int argc, char **argv)
{
        static const bench all[] = {
                {"co_switch", co_switch}, {"co_create", co_create}, {"co_mem", co_mem},
                {"queue", queue},         {nullptr, nullptr},
        };

        return bench_main(argc, argv, "boost.fiber", all);
}
