/* SPDX-License-Identifier: Apache-2.0 */
/* What all C and C++ harnesses share: the clock, the row format, latency series, naps, counting, and a main.
 *
 * A harness is one program per peer: `PROGRAM BENCH [THREADS] [PRODUCERS]`. It prints rows
 *
 *      bench,peer,param,value,unit
 *
 * and nothing else counts. The names of the benches are a contract between the harnesses (README.md). The environment
 * variable BN overrides how many jobs a bench runs, for a quick look. */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- shared state; weak, because a harness may have several files ---- */

__attribute__((weak)) const char *bench_peer = "?"; /* second column of every row */
__attribute__((weak)) long bench_done = 0;          /* jobs that ran, see count_one */

/* ---- time ---- */

static inline uint64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static inline void nap_us(long us)
{
        struct timespec ts = {us / 1000000, us % 1000000 * 1000};

        nanosleep(&ts, NULL);
}

/* ---- rows ---- */

static inline void emit(const char *bench, const char *param, double value, const char *unit)
{
        printf("%s,%s,%s,%.4g,%s\n", bench, bench_peer, param, value, unit);
        fflush(stdout);
}

/* The time since t0, for each of n. */
static inline void emit_per(const char *bench, const char *param, uint64_t t0, long n, const char *unit)
{
        emit(bench, param, (double)(now_ns() - t0) / (double)n, unit);
}

/* Format a param. The text lives until eight more were made. */
__attribute__((format(printf, 1, 2))) static inline const char *param(const char *fmt, ...)
{
        static char text[8][64];
        static int turn;
        va_list ap;

        turn = (turn + 1) % 8;
        va_start(ap, fmt);
        vsnprintf(text[turn], sizeof text[turn], fmt, ap);
        va_end(ap);
        return text[turn];
}

static inline int by_value(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a;
        uint64_t y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

/* Two rows, BENCH.p50 and BENCH.p99. Sorts v. */
static inline void emit_latency(const char *bench, const char *param, uint64_t *v, long n)
{
        char name[128];

        qsort(v, (size_t)n, sizeof *v, by_value);
        snprintf(name, sizeof name, "%s.p50", bench);
        emit(name, param, (double)v[n / 2], "ns");
        snprintf(name, sizeof name, "%s.p99", bench);
        emit(name, param, (double)v[(long)((double)n * 0.99)], "ns");
}

/* ---- a series of latencies: some rounds to warm up, then n that count ----
 *
 *      while (series_more(&s)) {
 *              uint64_t t0 = now_ns();
 *              ...
 *              series_add(&s, now_ns() - t0);
 *      }
 *      series_emit(&s, "rtt.hot", "t=2");
 */
struct series {
        uint64_t *v;
        long n;
        long at;     /* negative while warming up */
        long nap_us; /* before each round; 0: none */
};

static inline struct series series_new(long n, long warm_up, long nap)
{
        struct series s;

        s.v = (uint64_t *)calloc((size_t)n, sizeof *s.v);
        s.n = n;
        s.at = -warm_up;
        s.nap_us = nap;
        return s;
}

/* Round trips: back to back, or, when idle, each after a nap that lets the workers park. */
static inline struct series series_rtt(bool idle)
{
        return series_new(idle ? 2000 : 20000, 100, idle ? 200 : 0);
}

static inline bool series_more(struct series *s)
{
        if (s->at >= s->n)
                return false;
        if (s->nap_us)
                nap_us(s->nap_us);
        return true;
}

static inline void series_add(struct series *s, uint64_t took)
{
        if (s->at >= 0)
                s->v[s->at] = took;
        s->at++;
}

static inline void series_emit(struct series *s, const char *bench, const char *param)
{
        emit_latency(bench, param, s->v, s->n);
        free(s->v);
        s->v = NULL;
}

/* ---- jobs ---- */

static inline long env_long(const char *name, long otherwise)
{
        const char *s = getenv(name);

        return s ? atol(s) : otherwise;
}

static inline long jobs(long otherwise)
{
        return env_long("BN", otherwise);
}

/* What an empty job does: everybody's counts on one shared line, rein's too. */
static inline void count_one(void)
{
        __atomic_fetch_add(&bench_done, 1, __ATOMIC_RELAXED);
}

static inline void wait_until_done(long n)
{
        while (__atomic_load_n(&bench_done, __ATOMIC_SEQ_CST) < n)
                nap_us(50);
}

/* Start n threads of fn((void *)each), and wait for them. */
static inline void run_producers(int n, void *(*fn)(void *), long each)
{
        pthread_t thread[16];

        if (n > 16)
                abort();
        for (int i = 0; i < n; i++)
                if (pthread_create(&thread[i], NULL, fn, (void *)each))
                        abort();
        for (int i = 0; i < n; i++)
                pthread_join(thread[i], NULL);
}

/* A binary tree of jobs, 2^20 - 1 in all. */
enum { TREE_DEPTH = 19, TREE_JOBS = (1 << 20) - 1 };

/* ---- timers: the same pseudo-random spans for every peer ---- */

static inline uint32_t next_random(void)
{
        static uint32_t x = 2463534242u;

        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        return x;
}

enum { TIMERS_STANDING = 10000, TIMERS_DUE = 100000 };

/* How many timers a bench makes: never fewer than it needs due ones. */
static inline long timers(void)
{
        long n = jobs(1000000);

        return n < TIMERS_DUE ? (long)TIMERS_DUE : n;
}

static inline long far_ms(void)
{
        return 1000 + next_random() % 60000;
}

static inline long soon_ms(void)
{
        return 1 + next_random() % 10;
}

/* ---- another thread wakes an event loop ---- */

/* A list that stands for what travels with a wake-up, for loops that have none of their own. */
struct item {
        struct item *next;
};

struct item_list {
        pthread_mutex_t lock;
        struct item *head;
};

static inline void item_push(struct item_list *l)
{
        struct item *it = (struct item *)malloc(sizeof *it);

        pthread_mutex_lock(&l->lock);
        it->next = l->head;
        l->head = it;
        pthread_mutex_unlock(&l->lock);
}

/* Take and free all. Returns how many there were. */
static inline long item_drain(struct item_list *l)
{
        struct item *it;
        long n = 0;

        pthread_mutex_lock(&l->lock);
        it = l->head;
        l->head = NULL;
        pthread_mutex_unlock(&l->lock);
        for (struct item *next; it; it = next, n++) {
                next = it->next;
                free(it);
        }
        return n;
}

static inline void stamp(uint64_t *at)
{
        __atomic_store_n(at, now_ns(), __ATOMIC_SEQ_CST);
}

static inline void unstamp(uint64_t *at)
{
        __atomic_store_n(at, 0, __ATOMIC_SEQ_CST);
}

static inline uint64_t stamped(const uint64_t *at)
{
        return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

/* wakeloop.oneway and wakeloop.send: send() must make the sleeping loop stamp *at. */
static inline void wakeloop_oneway(void (*send)(void), uint64_t *at)
{
        struct series oneway = series_new(3000, 0, 200);
        struct series sender = series_new(3000, 0, 0);

        while (series_more(&oneway)) {
                unstamp(at);
                uint64_t t0 = now_ns();
                send();
                series_add(&sender, now_ns() - t0);
                do {
                        nap_us(200);
                } while (!stamped(at));
                series_add(&oneway, stamped(at) - t0);
        }
        series_emit(&oneway, "wakeloop.oneway", "idle");
        series_emit(&sender, "wakeloop.send", "idle");
}

/* ---- machine ---- */

static inline void pin(int cpu)
{
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        sched_setaffinity(0, sizeof set, &set);
}

static inline void cpu_pause(void)
{
#if defined __x86_64__ || defined __i386__
        __builtin_ia32_pause();
#elif defined __aarch64__
        __asm__ volatile("yield");
#endif
}

static inline void futex_wait(uint32_t *word, uint32_t value)
{
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static inline void futex_wake(uint32_t *word, int n)
{
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* Resident memory and page tables of this process, KiB. */
static inline long resident_kib(void)
{
        long sum = 0;
        long v;
        char line[128];
        FILE *f = fopen("/proc/self/status", "r");

        if (!f)
                return 0;
        while (fgets(line, sizeof line, f))
                if (sscanf(line, "VmRSS: %ld", &v) == 1 || sscanf(line, "VmPTE: %ld", &v) == 1)
                        sum += v;
        fclose(f);
        return sum;
}

/* ---- main ---- */

struct bench {
        const char *name;
        void (*run)(int threads, int producers);
};

/* `all` ends with a nameless one. Returns: what main shall; 2 for a bench this peer does not have. */
static inline int bench_main(int argc, char **argv, const char *peer, const struct bench *all)
{
        bench_peer = peer;
        for (const struct bench *b = all; b->name; b++) {
                if (argc > 1 && strcmp(argv[1], b->name) == 0) {
                        b->run(argc > 2 ? atoi(argv[2]) : 2, argc > 3 ? atoi(argv[3]) : 2);
                        return 0;
                }
        }
        fprintf(stderr, "usage: %s BENCH [THREADS] [PRODUCERS]; BENCH is one of:", argv[0]);
        for (const struct bench *b = all; b->name; b++)
                fprintf(stderr, " %s", b->name);
        fprintf(stderr, "\n");
        return 2;
}

#endif
