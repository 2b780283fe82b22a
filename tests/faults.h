/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that break things on purpose: failures at the k-th question, storms of them; counts of what was made and
 * what came back; and a watchdog that says where every task is when nothing moves any more. */
#ifndef REIN_TESTS_FAULTS_H
#define REIN_TESTS_FAULTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/executor.h"
#include "core/task.h"
#include "core/world.h"
#include "plat/plat.h"
#include "pool/pool.h"
#include "rein/rein.h"

#if defined __SANITIZE_ADDRESS__ || defined REIN_ASAN
#define TEST_SLOW 4 /* how much less to do, where every step costs more */
#elif defined REIN_TSAN
#define TEST_SLOW 8
#else
#define TEST_SLOW 1
#endif

/* ---- faults ---- */

/* One plan for the process. Answers to kinds outside `kinds` are 0. */
static struct {
        atomic_uint kinds;     /* bits of rn_choice: 1u << RN_CHOOSE_ALLOC; 0: nothing fails */
        atomic_uint asked;     /* questions of these kinds so far, by whom it concerns */
        atomic_uint fail_at;   /* that one fails, from 1; 0: see one_in */
        atomic_bool for_ever;  /* ... and every later one */
        atomic_uint one_in;    /* a storm: each fails with this chance; 0: none */
        atomic_bool only_mine; /* questions of other threads do not count */
        atomic_uint failed;    /* how many have failed */
} faults;

static _Thread_local bool faults_mine;
static _Thread_local uint64_t test_seed;

static inline uint32_t test_random(uint32_t n) /* 0..n-1; xorshift64*, a stream of its own for each thread */
{
        if (!test_seed)
                test_seed = (uint64_t)rn_clock() ^ ((uint64_t)(uintptr_t)&test_seed << 20) ^ 0x9e3779b97f4a7c15u;
        test_seed ^= test_seed >> 12;
        test_seed ^= test_seed << 25;
        test_seed ^= test_seed >> 27;
        return (uint32_t)((test_seed * 0x2545f4914f6cdd1du) >> 33) % n;
}

static inline uint32_t faults_choose(uint32_t n, rn_choice kind)
{
        (void)n;
        if (!(atomic_load_explicit(&faults.kinds, memory_order_relaxed) & 1u << kind))
                return 0;
        if (faults.only_mine && !faults_mine)
                return 0;
        unsigned at = faults.fail_at, one_in = faults.one_in;
        unsigned number = ++faults.asked;
        bool fails = at ? number == at || (faults.for_ever && number > at) : one_in && test_random(one_in) == 0;
        faults.failed += fails;
        if (fails &&
            kind == RN_CHOOSE_SPURIOUS) { /* a short wait it is all the same: else everybody spins, and starves */
                struct timespec nap = {0, 20000};
                nanosleep(&nap, NULL); /* foreign: the kernel's sleep that ended early */
        }
        return fails;
}

/* Before any other thread runs. */
static inline void faults_install(void)
{
        rn_choose_by(faults_choose);
}

static inline void faults_at(unsigned kinds, unsigned k, bool for_ever, bool only_mine)
{
        faults.asked = faults.failed = 0;
        faults.fail_at = k;
        faults.for_ever = for_ever;
        faults.one_in = 0;
        faults.only_mine = only_mine;
        faults.kinds = kinds;
}

static inline void faults_storm(unsigned kinds, unsigned one_in)
{
        faults_at(kinds, 0, false, false);
        faults.one_in = one_in;
}

static inline void faults_off(void)
{
        faults.kinds = 0;
}

/* ---- counts: what was made must come back, once ---- */

typedef struct balance {
        atomic_llong made, back;
} balance;

static inline bool balanced(balance *b)
{
        return b->made == b->back;
}

/* ---- the watchdog ---- */

#ifndef PATIENCE_S
#define PATIENCE_S 60
#endif

static struct {
        atomic_ullong progress;
        _Atomic(const char *) phase;
        int end;
        pthread_t thread;
} watchdog;

static inline void progress(void)
{
        atomic_fetch_add_explicit(&watchdog.progress, 1, memory_order_relaxed);
}

static inline bool lock_for_report(rn_lock *l)
{
        for (int i = 0; i < 100; i++) {
                uint32_t zero = 0;
                if (rn_cas32(&l->word, &zero, 1))
                        return true;
                poll(NULL, 0, 1);
        }
        fprintf(stderr, "   (its lock has been held all the time)\n");
        return false;
}

/* Where everybody is. Only for a process that is about to abort: a lock that cannot be had is done without. */
static inline void report_everybody(void)
{
        rn_world *w = rn_world_now();
        fprintf(stderr, "tasks:\n");
        bool locked = lock_for_report(&w->tasks.shelf.lock);
        for (rn_task *t = NULL; (t = rn_slab_next(&w->tasks, t));) {
                char sys[128];
                const char *what = rn_loadptr(&t->doing), *at = rn_loadptr(&t->doing_at);
                uint32_t id = rn_load32(&t->thread_id);
                rn_thread_doing(id, sys, sizeof sys);
                fprintf(stderr, "   thread %u: %s%s%s; door %u; %s\n", id, what ? what : "its own code", at ? " " : "",
                        at ? at : "", rn_load32(&t->door.word), sys);
        }
        if (locked)
                rn_lock_give(&w->tasks.shelf.lock);
        fprintf(stderr, "executors:\n");
        locked = lock_for_report(&w->lock);
        RN_LIST_EACH(l, &w->executors) {
                rein_executor *x = RN_ITEM(l, rein_executor, world);
                bool inside = lock_for_report(&x->lock);
                fprintf(stderr, "   '%s': state %d%s, %zu unfinished, %zu unsettled, %zu in a stop\n", x->name,
                        x->state, x->broken ? " broken" : "", x->unfinished, x->unsettled, x->in_stop);
                if (x->kind->lend) {
                        pool *p = rn_pool_of(x);
                        fprintf(stderr,
                                "      pool: %zu queued, %zu threads, %zu searching, permits %d, lost %d, "
                                "spares %d%s\n",
                                p->queued, p->threads, p->searching, p->permits, p->lost, p->spares,
                                p->exhausted ? ", exhausted" : "");
                }
                if (inside)
                        rn_lock_give(&x->lock);
        }
        if (locked)
                rn_lock_give(&w->lock);
}

static inline void *watchdog_main(void *arg)
{
        (void)arg;
        unsigned long long seen = watchdog.progress;
        struct pollfd end = {.fd = watchdog.end, .events = POLLIN};
        for (int quiet = 0; poll(&end, 1, 1000) == 0;) {
                quiet = watchdog.progress == seen ? quiet + 1 : 0;
                seen = watchdog.progress;
                if (quiet < PATIENCE_S)
                        continue;
                const char *where = watchdog.phase;
                fprintf(stderr, "no progress for %d s in: %s\n", PATIENCE_S, where ? where : "?");
                report_everybody();
                abort();
        }
        return NULL;
}

static inline void watchdog_start(void)
{
        watchdog.end = eventfd(0, EFD_CLOEXEC);
        if (pthread_create(&watchdog.thread, NULL, watchdog_main, NULL) != 0)
                abort();
}

static inline void watchdog_stop(void)
{
        uint64_t one = 1;
        if (write(watchdog.end, &one, sizeof one) != sizeof one || pthread_join(watchdog.thread, NULL) != 0)
                abort();
        close(watchdog.end);
}

static inline void phase(const char *what)
{
        watchdog.phase = what;
        progress();
}

/* Until `condition`, which other threads bring about; the watchdog ends it when it never comes. */
#define EVENTUALLY(condition)                                                                                          \
        do                                                                                                             \
                sched_yield();                                                                                         \
        while (!(condition))

/* ---- the slabs, back to where they were ---- */

typedef struct census {
        size_t tasks, scopes, groups, hooks;
} census;

static inline census census_now(void)
{
        rn_world *w = rn_world_now();
        return (census){rn_slab_count(&w->tasks), rn_slab_count(&w->scopes), rn_slab_count(&w->groups),
                        rn_slab_count(&w->hooks)};
}

static inline bool census_is(census then)
{
        census c = census_now();
        return c.tasks == then.tasks && c.scopes == then.scopes && c.groups == then.groups && c.hooks == then.hooks;
}

/* Threads end a moment after their pool says so. */
static inline void census_returns_to(census then)
{
        EVENTUALLY(census_is(then));
}

/* ---- how long a stress test runs ---- */

typedef struct effort {
        long long count; /* this many of whatever it counts ... */
        int64_t until;   /* ... or until then, but never fewer than `least` */
        long long least;
} effort;

/* REIN_STRESS_COUNT replaces the full count; REIN_STRESS_SECONDS bounds the time. */
static inline effort effort_of(long long full, long long least)
{
        const char *count = getenv("REIN_STRESS_COUNT"), *seconds = getenv("REIN_STRESS_SECONDS");
        effort e = {full, RN_NEVER, least};
        if (count && atoll(count) > 0)
                e.count = atoll(count);
        if (seconds && atof(seconds) > 0)
                e.until = rn_clock() + (int64_t)(atof(seconds) * 1e9);
        if (e.least > e.count)
                e.least = e.count;
        return e;
}

static inline bool effort_done(const effort *e, long long count)
{
        return count >= e->count || (count >= e->least && e->until != RN_NEVER && rn_clock() >= e->until);
}

#endif
