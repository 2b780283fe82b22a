/* SPDX-License-Identifier: Apache-2.0 */
/* The scenarios: small programs on the real library in which a few tasks do a few calls at once, and what must hold
 * however they meet. Each names the searches it is put to. A search by ALL, FULL or BOUNDED must come to its end: it is
 * complete (BOUNDED: within its preemptions). What only SAMPLED looks at is not complete, and the table says so.
 *
 * A body: begin(), set up, explore_go(), the race, explore_calm(), then look and clean up. Set-up and clean-up are not
 * explored. mark[] is what a scenario found out: the final state that searches are compared by. */
#ifndef TESTS_EXPLORE_SCENARIOS_H
#define TESTS_EXPLORE_SCENARIOS_H

#include "explore/explore.h"
#include "rein/rein.h"

typedef enum when { NEVER_RUN, ALWAYS, NIGHTLY, LEFT_OUT } when;

typedef struct search {
        when when;
        explore_plan plan;
        const char *why; /* LEFT_OUT */
} search;

enum { MOST_SEARCHES = 5, BY_NIGHT_AT_MOST = 2000000 };

/* Besides its own, every scenario is put to the searches of run_defaults (scenarios_test.c), but for those it leaves out. */
typedef struct entry {
        const char *name;
        void (*body)(void);
        search searches[MOST_SEARCHES];
} entry;

/* clang-format off */
#define SEARCH(w, ...)  {.when = (w), .plan = {__VA_ARGS__}}
#define ALL(...)        SEARCH(ALWAYS, .how = EXPLORE_ALL, __VA_ARGS__)
#define FULL(...)       SEARCH(ALWAYS, .how = EXPLORE_FULL, __VA_ARGS__)
#define BOUNDED(b, ...) SEARCH(ALWAYS, .how = EXPLORE_BOUNDED, .bound = (b), __VA_ARGS__)
#define RANDOM(n, ...)  SEARCH(ALWAYS, .how = EXPLORE_RANDOM, .budget = (n), __VA_ARGS__)
#define PCT(d, n, ...)  SEARCH(ALWAYS, .how = EXPLORE_PCT, .bound = (d), .budget = (n), __VA_ARGS__)
#define BY_NIGHT_ALL()  SEARCH(NIGHTLY, .how = EXPLORE_ALL, .budget = BY_NIGHT_AT_MOST)
#define BY_NIGHT(b)     SEARCH(NIGHTLY, .how = EXPLORE_BOUNDED, .bound = (b), .budget = BY_NIGHT_AT_MOST)
#define NOT_EARLY(why_) {.when = LEFT_OUT, .plan = {.faults = REIN_SIM_EARLY}, .why = (why_)}
#define EARLY(n)      .faults = REIN_SIM_EARLY, .most_surprises = (n) /* the racy clock: so many timers too soon */
#define OUT_OF_MEMORY .faults = REIN_SIM_ALLOC, .most_surprises = 1   /* each allocation in turn */

typedef struct entries {
        const entry *list;
        size_t count;
} entries;

#define ENTRIES(list) {list, sizeof(list) / sizeof((list)[0])}
/* clang-format on */

extern const entries future_scenarios, door_scenarios, work_scenarios, pool_scenarios, group_scenarios, hook_scenarios,
        share_scenarios, clock_scenarios, sync_scenarios, line_scenarios, select_scenarios, room_scenarios,
        worker_scenarios, elastic_scenarios, abandon_scenarios, turn_scenarios, adopt_scenarios, loop_scenarios,
        told_scenarios, fd_scenarios, lend_scenarios, stop_scenarios, lookup_scenarios;

enum { ALL_SCENARIOS = 23 };
extern const entries *const all_scenarios[ALL_SCENARIOS];
const entry *scenario_named(const char *name); /* NULL: there is none */

enum { MARKS = 24 };
extern int mark[MARKS];
uint64_t marks_seen(void); /* a digest of them: the final state */

void begin(void);
void others_may_come(void); /* a point in the middle of something */
/* Since begin nobody has slept until the clock woke it. A wait without limit looks for a deadlock after 10 ms, and then
 * sees what a lost wake-up was for as well: so a wake-up is lost that takes any time. */
void in_no_time(void);

/* What the library prints goes nowhere, until tell_again or the begin of the next schedule. */
void tell_nobody(void);
void tell_again(void);

/* For rein_on_unseen: counts the failures that nobody looked at. arg: an int. */
void nobody_told(const rein_error *e, void *arg);

/* A pool with so many threads that exist already, and are idle. */
rein_executor *warm_pool(int threads, const rein_pool_opts *opts);
/* Await it with a limit, so that the waiter is nobody who could be told of a deadlock. Its code; REIN_EPENDING: it does
 * not end, though the clock was not right a few times. */
int ends_with(rein_future *f);
/* An executor that runs whatever comes at once, in the thread it comes from. */
rein_executor *inline_executor(void);

#endif
