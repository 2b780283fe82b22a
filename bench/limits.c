/* SPDX-License-Identifier: Apache-2.0 */
/* The physical limits of this machine: single operations, and the noise gauge (`limits cal`). */
#include "limits_parts.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

/* Time n rounds of what follows, `i` being the round. */
#define TIME_LOOP(name, n, ...)                                                                                        \
        do {                                                                                                           \
                uint64_t loop_t0 = now_ns();                                                                           \
                for (long i = 0; i < (n); i++) {                                                                       \
                        __VA_ARGS__;                                                                                   \
                }                                                                                                      \
                emit_per(name, "-", loop_t0, n, "ns");                                                                 \
        } while (0)

static volatile uint64_t sink;

static uint64_t xorshift(uint64_t x, int rounds)
{
        for (int k = 0; k < rounds; k++) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
        }
        return x;
}

/* Fixed work for the arithmetic unit alone: how much of a CPU does one get just now? The runner asks before each. */
static void cal(int threads, int producers)
{
        enum { ROUNDS = 40, WORK = 50000 };
        const char *work = param("%d xorshifts", WORK);
        uint64_t best = UINT64_MAX;
        uint64_t worst = 0;
        uint64_t start = now_ns();

        (void)threads;
        (void)producers;
        for (int r = 0; r < ROUNDS; r++) {
                uint64_t t0 = now_ns();
                uint64_t took;

                sink += xorshift(88172645463325252ull, WORK);
                took = now_ns() - t0;
                if (took < best)
                        best = took;
                if (took > worst)
                        worst = took;
        }
        emit_per("meta.spin_mean", work, start, ROUNDS, "ns");
        emit("meta.spin_best", work, (double)best, "ns");
        emit("meta.spin_worst", work, (double)worst, "ns");
}

static void unpin_two(void)
{
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(0, &set);
        CPU_SET(1, &set);
        sched_setaffinity(0, sizeof set, &set);
}

static long counter;
static int at_start;

static void meet_the_other(void)
{
        __atomic_fetch_add(&at_start, 1, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&at_start, __ATOMIC_SEQ_CST) < 2)
                ;
}

static void *add_thread(void *arg)
{
        long n = (long)arg;

        meet_the_other();
        for (long i = 0; i < n; i++)
                __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
        return NULL;
}

static void contended_add(void)
{
        enum { N = 5000000 };
        pthread_t t;

        at_start = 0;
        pthread_create(&t, NULL, add_thread, (void *)(long)N);
        meet_the_other();
        TIME_LOOP("lim.atomic_add_contended2", N, __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED));
        pthread_join(t, NULL);
}

static struct {
        _Alignas(128) long there;
        _Alignas(128) long back;
} line;

static void *line_thread(void *arg)
{
        long n = (long)arg;

        pin(1);
        for (long i = 1; i <= n; i++) {
                while (__atomic_load_n(&line.there, __ATOMIC_ACQUIRE) != i)
                        ;
                __atomic_store_n(&line.back, i, __ATOMIC_RELEASE);
        }
        return NULL;
}

static void cacheline_pingpong(void)
{
        enum { N = 1000000 };
        pthread_t t;
        uint64_t t0;

        pin(0);
        pthread_create(&t, NULL, line_thread, (void *)(long)N);
        nap_us(2000);
        t0 = now_ns();
        for (long i = 1; i <= N; i++) {
                __atomic_store_n(&line.there, i, __ATOMIC_RELEASE);
                while (__atomic_load_n(&line.back, __ATOMIC_ACQUIRE) != i)
                        ;
        }
        emit_per("lim.cacheline_pingpong_rt", "-", t0, N, "ns");
        pthread_join(t, NULL);
        unpin_two();
}

static void *nop_thread(void *arg)
{
        return arg;
}

static void *map(size_t bytes)
{
        void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                abort();
        return p;
}

static void prim_memory(void)
{
        enum { PAGE = 4096, PAGES = 65536 };
        const size_t bytes = (size_t)PAGE * PAGES;
        char *m;
        char *to;

        munmap(map(PAGES), PAGES); /* so that the page tables exist */
        TIME_LOOP("lim.mmap_64k_touch_munmap", 50000, {
                m = map(65536);
                *(volatile char *)(m + 65000) = 1;
                munmap(m, 65536);
        });
        m = map(bytes);
        TIME_LOOP("lim.page_fault_4k", PAGES, m[i * PAGE] = 1);
        munmap(m, bytes);
        m = map(bytes);
        TIME_LOOP("lim.page_fault_4k_again", PAGES, m[i * PAGE] = 1);
        munmap(m, bytes);
        m = map(bytes + (2 << 20));
        madvise(m, bytes + (2 << 20), MADV_HUGEPAGE);
        TIME_LOOP("lim.page_touch_4k_thp", PAGES, m[i * PAGE] = 1);
        munmap(m, bytes + (2 << 20));
        m = malloc(1 << 20);
        to = malloc(1 << 20);
        memset(m, 1, 1 << 20);
        TIME_LOOP("lim.memcpy_1mib", 2000, {
                memcpy(to, m, 1 << 20);
                __asm__ volatile("" ::"r"(to) : "memory");
        });
        free(m);
        free(to);
}

static void prim_kernel(void)
{
        static uint32_t nobody;
        struct epoll_event ev = {.events = EPOLLIN};
        uint64_t one = 1;
        pthread_t t;
        int efd = eventfd(0, EFD_NONBLOCK);
        int epfd = epoll_create1(0);
        int tfd = timerfd_create(CLOCK_MONOTONIC, 0);

        TIME_LOOP("lim.syscall_getppid", 1000000, syscall(SYS_getppid));
        TIME_LOOP("lim.futex_wake_nobody", 1000000, futex_wake(&nobody, 1));
        TIME_LOOP("lim.sched_yield", 200000, sched_yield());
        TIME_LOOP("lim.pthread_create_join", 20000, {
                pthread_create(&t, NULL, nop_thread, NULL);
                pthread_join(t, NULL);
        });
        TIME_LOOP("lim.eventfd_write", 1000000, {
                if (write(efd, &one, 8) < 0)
                        abort();
        });
        TIME_LOOP("lim.eventfd_write_read", 500000, {
                if (write(efd, &one, 8) < 0 || read(efd, &one, 8) < 0)
                        abort();
                one = 1;
        });
        epoll_ctl(epfd, EPOLL_CTL_ADD, efd, &ev);
        TIME_LOOP("lim.epoll_wait_empty", 1000000, epoll_wait(epfd, &ev, 1, 0));
        TIME_LOOP("lim.timerfd_settime", 500000, {
                struct itimerspec in = {.it_value = {1000, 0}};
                timerfd_settime(tfd, 0, &in, NULL);
        });
        close(efd);
        close(epfd);
        close(tfd);
}

static void prim(int threads, int producers)
{
        pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        void *volatile p;

        (void)threads;
        (void)producers;
        TIME_LOOP("lim.spin1000", 200000, sink += xorshift((uint64_t)i + 1, 1000));
        TIME_LOOP("lim.clock_gettime", 1000000, sink += now_ns());
        TIME_LOOP("lim.atomic_add", 10000000, __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED));
        TIME_LOOP("lim.mutex_pair", 10000000, {
                pthread_mutex_lock(&lock);
                pthread_mutex_unlock(&lock);
        });
        TIME_LOOP("lim.malloc_free_64", 10000000, {
                p = malloc(64);
                free(p);
        });
        contended_add();
        cacheline_pingpong();
        prim_kernel();
        prim_memory();
}

int main(int argc, char **argv)
{
        static const struct bench all[] = {
                {"cal", cal},          {"prim", prim},      {"wake", limits_wake}, {"cancel", limits_cancel},
                {"proc", limits_proc}, {"cmd", limits_cmd}, {"co", limits_co},     {"hand", limits_hand},
                {NULL, NULL},
        };

        return bench_main(argc, argv, "limit", all);
}
