/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: small programs on the public interface that are run under many schedules. Each makes what it uses, checks
 * what it was promised, and frees it all again; what a program owes without being asked (no deadlock, nothing left,
 * no failure unseen, the same again under the same schedule) the simulation looks at.
 *
 * A scenario is one function in one of the lists below, run by scenarios_test.c. Counters that tasks share are atomics:
 * under ThreadSanitizer a simulation knows no other order than the one the library makes. */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <rein/rein.h>

#include "crew.h"

typedef struct scenario {
        const char *name;
        int (*run)(int variant);
        int variant;
        uint32_t faults; /* REIN_SIM_ALLOC... */
        unsigned share;  /* of the budget; 0 counts as 1 */
} scenario;

extern const scenario pool_scenarios[], queue_scenarios[], stop_scenarios[], future_scenarios[], group_scenarios[],
        scope_scenarios[], io_scenarios[], memory_scenarios[], loop_scenarios[]; /* each ends with a name of NULL */

enum { HARMLESS = REIN_SIM_HARMLESS, RACY = REIN_SIM_HARMLESS | REIN_SIM_EARLY };

/* ---- small jobs ---- */

typedef struct tally { /* what must add up in the end */
        atomic_int begun, ended, released, dropped;
} tally;

static inline void count(atomic_int *n)
{
        atomic_fetch_add(n, 1);
}

static inline int job_count(void *arg) /* arg: a tally */
{
        tally *t = arg;
        count(&t->begun);
        rein_sim_point("works");
        count(&t->ended);
        return 0;
}

static inline int job_sleep(void *arg) /* a tally; leaves when it is cancelled */
{
        tally *t = arg;
        count(&t->begun);
        int rc = rein_sleep(REIN_NEVER);
        count(&t->ended);
        return rc;
}

static inline int job_nap(void *arg) /* a tally */
{
        tally *t = arg;
        count(&t->begun);
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        count(&t->ended);
        return rc;
}

static inline int job_fail(void *arg) /* a tally */
{
        tally *t = arg;
        count(&t->begun);
        rein_sim_point("fails");
        count(&t->ended);
        return rein_fail(-EIO, "it broke");
}

static inline void release_tally(void *arg)
{
        count(&((tally *)arg)->released);
}

/* What a settled future failed with: the code of its error. */
static inline int failure(rein_future *f)
{
        return rein_error_code(rein_error_of(f));
}

static inline bool settled(rein_future *f)
{
        return rein_code(f) != REIN_EPENDING;
}

static inline void stop_and_free(rein_executor *x, rein_stop how)
{
        CHECK(rein_executor_stop(x, how, REIN_NEVER, NULL) == 0);
        rein_executor_free(x);
}

#endif
