/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, the clock, random numbers and the names of errors. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "plat/plat.h"

__attribute__((cold, noinline)) static void *memory_alloc_unusual(size_t n, bool for_ever)
{
        if (rn_choose(2, RN_CHOOSE_ALLOC))
                return NULL;
        const rn_machine *m = rn_virtual();
        return m ? m->alloc(n, for_ever) : rn_host_alloc(n);
}

void *rn_alloc(size_t n)
{
        return __builtin_expect(rn_get32(&rn_unusual) != 0, 0) ? memory_alloc_unusual(n, false) : rn_host_alloc(n);
}

void *rn_alloc_for_ever(size_t n)
{
        return __builtin_expect(rn_get32(&rn_unusual) != 0, 0) ? memory_alloc_unusual(n, true) : rn_host_alloc(n);
}

void rn_free(void *p)
{
        const rn_machine *m = rn_virtual();
        if (m)
                m->free(p);
        else
                rn_host_free(p);
}

void *rn_host_alloc(size_t n)
{
        void *p = calloc(1, n ? n : 1);
        RN_ASSERT((uintptr_t)p % _Alignof(max_align_t) == 0, "memory is aligned for whatever may lie there");
        return p;
}

void rn_host_free(void *p)
{
        RN_ASSERT((uintptr_t)p % _Alignof(max_align_t) == 0, "memory is given back as a whole, from its beginning");
        free(p);
}

int64_t rn_clock(void)
{
        const rn_machine *m = rn_virtual();
        if (m)
                return m->clock();
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t rn_clock_late(void)
{
        const rn_machine *m = rn_virtual();
        if (m)
                return m->clock();
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* splitmix64 (S. Vigna) over one shared counter, seeded once; contention is of no matter where jitter is drawn. */
uint64_t rn_random64(void)
{
        const rn_machine *m = rn_virtual();
        if (m)
                return m->random64();
        static rn_a64 state;
        int64_t s = rn_load64(&state);
        if (s == 0) {
                int64_t seed = 0;
                if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed || seed == 0)
                        seed = rn_clock() | 1;
                rn_cas64(&state, &s, seed);
                s = rn_load64(&state);
        }
        int64_t next;
        do
                next = (int64_t)((uint64_t)s + 0x9e3779b97f4a7c15u);
        while (!rn_cas64(&state, &s, next));
        uint64_t z = (uint64_t)next;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

const char *rn_errno_name(int err)
{
        return strerrorname_np(err);
}
