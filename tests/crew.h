/* SPDX-License-Identifier: Apache-2.0 */
/* Plain threads of a simulated program, and its checks. Used by main only: started by crew_go, waited for by crew_join. */
#ifndef TESTS_CREW_H
#define TESTS_CREW_H

#include <stdatomic.h>

#include <rein/sim.h>

#define CHECK(ok) rein_sim_check(ok)

typedef struct crew {
        atomic_int running;
} crew;

typedef struct hand {
        crew *crew;
        void (*fn)(void *);
        void *arg;
} hand;

static inline void hand_main(void *arg)
{
        hand h = *(hand *)arg;
        h.fn(h.arg);
        atomic_fetch_sub(&h.crew->running, 1);
        (void)rein_sim_wake(h.crew, 1);
}

/* h lives until crew_join. */
static inline void crew_go(crew *c, hand *h, const char *name, void (*fn)(void *), void *arg)
{
        *h = (hand){c, fn, arg};
        atomic_fetch_add(&c->running, 1);
        CHECK(rein_sim_start(name, hand_main, h) == 0);
}

static inline void crew_join(crew *c)
{
        while (atomic_load(&c->running) > 0)
                (void)rein_sim_sleep_on(c, "waits for its crew", REIN_NEVER);
}

#endif
