/* SPDX-License-Identifier: Apache-2.0 */
/* The public calls: one schedule, or many until one fails; what is printed about it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/message.h"
#include "core/opts.h"
#include "core/ranges.h"
#include "sim/sim.h"

#ifndef RN_COMMIT
#define RN_COMMIT "unknown"
#endif

enum {
        TWICE_EVERY = 16, /* of so many schedules one is run again, and must be the same */
        MOST_DEPTH = 8
};

typedef struct search {
        rein_sim_opts opts; /* defaults filled in */
        rein_sim_report report;
        rn_program program;
        rn_sim_plan plan; /* of the schedule that runs */
        rn_path path;
        rn_sim_result result;
        bool failed;
} search;

static char *last_trace; /* rein_sim_report.trace */

/* ---- options ---- */

static int search_take_opts(search *k, const rein_sim_opts *given, const char **what)
{
        rein_sim_opts *o = &k->opts;
        if (given) {
                int rc = rn_opts_take(o, sizeof *o, given, given->size, what);
                if (rc < 0)
                        return rc;
                *what = "rein_sim_opts: reserved is for later, and must be zero";
                for (size_t i = 0; i < sizeof o->reserved / sizeof o->reserved[0]; i++)
                        if (o->reserved[i])
                                return -E2BIG;
        }
        const uint32_t all = REIN_SIM_TWICE * 2 - 1;
        *what = NULL;
        if (o->generator > REIN_SIM_DFS)
                *what = "rein_sim_opts: a generator that does not exist: from REIN_SIM_MIXED to REIN_SIM_DFS";
        else if (o->depth > MOST_DEPTH || (o->depth && o->depth < 2))
                *what = "rein_sim_opts: depth must be from 2 to 8; 0 is the default, 3";
        else if (o->faults & ~all)
                *what = "rein_sim_opts: faults that do not exist: bits from REIN_SIM_ALLOC to REIN_SIM_TWICE";
        else if (rn_stack_out_of_range(o->stack_size))
                *what = "rein_sim_opts: stack_size must be " RN_STACK_RANGE "; 0 is the default, 256 KiB";
        else if (o->report && o->report->size < sizeof(size_t))
                *what = "rein_sim_opts: the size of the report is not set";
        if (*what)
                return -EINVAL;
        if (!o->name)
                o->name = "simulation";
        if (!o->seed)
                o->seed = 1;
        if (!o->schedules)
                o->schedules = o->generator == REIN_SIM_DFS ? 1000000 : 1000;
        if (!o->depth)
                o->depth = 3;
        if (!o->bound)
                o->bound = 2;
        if (!o->max_steps)
                o->max_steps = 100000;
        if (!o->one_in)
                o->one_in = 16;
        if (!o->stack_size)
                o->stack_size = (size_t)256 * 1024;
        return 0;
}

static uint64_t search_number_of(const char *text, uint64_t otherwise)
{
        uint64_t n = 0;
        if (!text || !*text)
                return otherwise;
        for (; *text >= '0' && *text <= '9'; text++)
                n = n * 10 + (uint64_t)(*text - '0');
        return *text ? otherwise : n;
}

/* REIN_SIM_REPLAY is "name:trace"; NULL: not for us. */
static const char *search_replay_of(const rein_sim_opts *o)
{
        const char *env = rn_env("REIN_SIM_REPLAY");
        size_t n = strlen(o->name);
        return env && strncmp(env, o->name, n) == 0 && env[n] == ':' ? env + n + 1 : o->replay;
}

/* ---- plans ---- */

static rn_sim_plan search_plan_of(const rein_sim_opts *o)
{
        return (rn_sim_plan){.generator = o->generator == REIN_SIM_MIXED ? REIN_SIM_RANDOM : o->generator,
                             .seed = o->seed,
                             .depth = o->depth,
                             .bound = -1,
                             .max_steps = o->max_steps,
                             .faults = o->faults,
                             .one_in = o->one_in,
                             .stack_size = o->stack_size};
}

/* The number-th schedule of a random search. Every schedule does without half of the faults, so that one does not hide
 * what another would show. */
static void search_plan_number(search *k, uint64_t number)
{
        uint64_t state = k->opts.seed * 0x9e3779b97f4a7c15u + number;
        rn_sim_plan *p = &k->plan;
        p->seed = number ? rn_sim_random(&state) : k->opts.seed;
        p->faults = k->opts.faults & (number ? (uint32_t)rn_sim_random(&state) : UINT32_MAX);
        if (k->opts.generator == REIN_SIM_MIXED) {
                uint64_t lot = number % 20;
                p->generator = lot < 10 || lot >= 18 ? REIN_SIM_RANDOM : REIN_SIM_PCT;
                p->depth = lot < 15 ? 2 : 3;
                if (lot >= 18)
                        p->faults |= REIN_SIM_EARLY;
        }
        k->path.count = 0;
}

/* ---- the report ---- */

static const char *ended_name(int ended)
{
        static const char *const names[] = {"passed", "failed", "deadlock", "livelock", "left-running",
                                            "leak",   "unseen", "misuse",   "unstable"};
        return names[ended];
}

static const char *generator_name(const search *k, char *text, size_t n)
{
        if (k->plan.generator == REIN_SIM_PCT)
                snprintf(text, n, "pct%" PRIu32, k->plan.depth);
        else
                snprintf(text, n, "%s",
                         k->plan.generator == REIN_SIM_RANDOM ? "random"
                         : k->plan.generator == REIN_SIM_DFS  ? "dfs"
                                                              : "replay");
        return text;
}

static void search_print_line(const search *k, const char *what, const char *trace)
{
        static char line[40960]; /* a trace may be long, and in a signal handler nothing is allocated */
        char generator[16];
        rn_message m;
        rn_message_begin_in(&m, stderr, line, sizeof line);
        rn_message_add(&m,
                       "REIN-SIM %s %s: %s: %s | seed=%" PRIu64 " generator=%s schedule=%" PRIu64 " steps=%" PRIu64
                       " preemptions=%" PRIu64 " commit=%s | replay: REIN_SIM_REPLAY='%s:%s'\n",
                       what, k->opts.name, ended_name(k->result.ended), k->result.text, k->plan.seed,
                       generator_name(k, generator, sizeof generator), k->report.schedules, k->result.steps,
                       k->result.preemptions, RN_COMMIT, k->opts.name, trace ? trace : "");
        rn_message_end(&m);
}

/* A crash inside the program ends the process: say first how to see it again. */
static search *crashing;

static void search_crashed(void)
{
        search *k = crashing;
        if (!k || !rn_sim)
                return;
        static char trace[32768]; /* in a signal handler nothing is allocated */
        rn_path so_far = {k->path.picks, rn_sim->at, k->path.room};
        if (!rn_trace_write(&so_far, k->plan.faults, trace, sizeof trace))
                snprintf(trace, sizeof trace, "(too long: run seed %" PRIu64 " again)", k->plan.seed);
        snprintf(k->result.text, sizeof k->result.text, "the program crashed in '%s'",
                 rn_sim->running ? rn_sim_task_name(rn_sim->running) : "?");
        k->result.ended = REIN_SIM_FAILED;
        search_print_line(k, "CRASH", trace);
}

static int search_found(search *k, const char *place)
{
        RN_ASSERT(k->result.ended != REIN_SIM_PASSED, "a schedule that is reported has failed");
        k->failed = true;
        rn_host_free(last_trace);
        last_trace = rn_trace_print(&k->path, k->plan.faults);
        k->report.trace = last_trace;
        k->report.ended = k->result.ended;
        k->report.hash = k->result.hash;
        k->report.failing_steps = (uint32_t)k->result.steps;
        k->report.preemptions = (uint32_t)k->result.preemptions;
        k->report.until_found = k->report.schedules;
        k->report.hash = k->result.hash;
        if (!k->opts.quiet)
                search_print_line(k, "FAIL", last_trace);
        return rein_fail_at(place, REIN_EFOUND, "'%s': %s: %s", k->opts.name, ended_name(k->result.ended),
                            k->result.text);
}

/* ---- schedules ---- */

static int search_once(search *k)
{
        int rc = rn_sim_once(&k->plan, &k->program, &k->path, &k->result);
        if (rc < 0)
                return rc;
        k->report.schedules++;
        k->report.steps += k->result.steps;
        k->report.hash = k->result.hash;
        if (k->result.steps > k->report.longest)
                k->report.longest = (uint32_t)k->result.steps;
        if (k->result.decisions > k->plan.length)
                k->plan.length = k->result.decisions;
        return 0;
}

/* The same schedule again: a difference is a failure of its own. Not so what only the second run asked. */
static int search_again(search *k)
{
        rn_sim_plan plan = k->plan;
        rn_sim_result r;
        plan.generator = RN_SIM_REPLAY;
        plan.bound = -1;
        plan.ask_each = true;
        size_t count = k->path.count;
        int rc = rn_sim_once(&plan, &k->program, &k->path, &r);
        if (rc == 0 && r.wrong)
                k->result = r;
        else if (rc == 0 && (r.hash != k->result.hash || k->path.count != count)) {
                k->result = r;
                k->result.ended = REIN_SIM_UNSTABLE;
                snprintf(
                        k->result.text, sizeof k->result.text,
                        "the same schedule gave another run: something in the program is left over from the run before,"
                        " or is not the simulation's (time, addresses, random numbers)");
        }
        return rc;
}

static int search_replay(search *k, const char *trace, const char *place)
{
        uint32_t faults;
        uint64_t digest, count;
        int rc = rn_trace_parse(trace, &k->path, &faults, &digest, &count);
        if (rc < 0)
                return rein_fail_at(place, rc, "'%s' is not a trace of this version", trace);
        k->plan.generator = RN_SIM_REPLAY;
        k->plan.ask_each = true;
        k->plan.faults = faults;
        k->plan.tell = !k->opts.quiet;
        rc = search_once(k);
        if (rc < 0)
                return rc;
        if (k->path.count != count || rn_trace_digest(&k->path) != digest)
                return rein_fail_at(place, -ESTALE,
                                    "the trace is of another program than '%s' is now: it asked %" PRIu64
                                    " questions, now there are %zu%s",
                                    k->opts.name, count, k->path.count, k->path.count == count ? " others" : "");
        return k->result.ended == REIN_SIM_PASSED ? k->result.code : search_found(k, place);
}

/* Random generators: opts.schedules of them. */
static int search_random(search *k, const char *place)
{
        for (uint64_t i = 0; i < k->opts.schedules; i++) {
                search_plan_number(k, i);
                int rc = search_once(k);
                if (rc == 0 && k->result.ended == REIN_SIM_PASSED && i % TWICE_EVERY == TWICE_EVERY - 1)
                        rc = search_again(k);
                if (rc < 0)
                        return rc;
                if (k->result.ended == REIN_SIM_PASSED)
                        continue;
                if (k->result.ended != REIN_SIM_UNSTABLE)
                        rn_sim_shrink(&k->plan, &k->program, &k->path, &k->result);
                return search_found(k, place);
        }
        return 0;
}

/* All schedules with no preemption, with one, and so on. */
static int search_depth_first(search *k, const char *place)
{
        for (uint32_t bound = 0; bound <= k->opts.bound; bound++) {
                k->path.count = 0;
                k->plan.bound = bound;
                do {
                        if (k->report.schedules == k->opts.schedules)
                                return 0;
                        int rc = search_once(k);
                        if (rc < 0)
                                return rc;
                        if (k->result.ended != REIN_SIM_PASSED) {
                                rn_sim_shrink(&k->plan, &k->program, &k->path, &k->result);
                                return search_found(k, place);
                        }
                } while (rn_path_next(&k->path));
        }
        k->report.complete = true;
        return 0;
}

typedef int (*way)(search *k, const char *place);

static int search_run_one(search *k, const char *place)
{
        int rc = search_once(k);
        if (rc < 0)
                return rc;
        return k->result.ended == REIN_SIM_PASSED ? k->result.code : search_found(k, place);
}

static int search_begin(search *k, way how, const char *place, const rein_sim_opts *opts, rein_fn fn, void *arg)
{
        const char *what;
        int rc = search_take_opts(k, opts, &what);
        if (rc < 0)
                return rein_fail_at(place, rc, "%s", what);
        const char *trace = search_replay_of(&k->opts);
        k->opts.seed = search_number_of(rn_env("REIN_SIM_SEED"), k->opts.seed);
        k->opts.schedules = search_number_of(rn_env("REIN_SIM_SCHEDULES"), k->opts.schedules);
        k->program = (rn_program){.fn = fn, .arg = arg, .name = k->opts.name};
        k->plan = search_plan_of(&k->opts);
        crashing = k;
        rn_crash_watch(search_crashed);
        rc = trace ? search_replay(k, trace, place) : how(k, place);
        rn_crash_watch(NULL);
        crashing = NULL;
        rn_path_free(&k->path);
        if (k->opts.report) {
                size_t size = k->opts.report->size;
                k->report.size = size;
                memcpy(k->opts.report, &k->report, size < sizeof k->report ? size : sizeof k->report);
        }
        return rc;
}

/* One at a time: the state of a simulation is the process's. */
static int search_alone(search *k, way how, const char *place, const rein_sim_opts *opts, rein_fn fn, void *arg)
{
        static rn_a32 simulates;
        uint32_t nobody = 0;
        if (rn_virtual())
                return -EPERM;
        if (!fn)
                return -EINVAL;
        if (!rn_cas32(&simulates, &nobody, 1))
                return -EBUSY;
        int rc = search_begin(k, how, place, opts, fn, arg);
        rn_store32(&simulates, 0);
        return rc;
}

int rein_sim_run_at(const char *place, const rein_sim_opts *opts, rein_fn fn, void *arg)
{
        search k = {0};
        return search_alone(&k, search_run_one, place, opts, fn, arg);
}

int rein_sim_explore_at(const char *place, const rein_sim_opts *opts, rein_fn fn, void *arg)
{
        search k = {0};
        bool dfs = opts && opts->size >= sizeof *opts && opts->generator == REIN_SIM_DFS;
        return search_alone(&k, dfs ? search_depth_first : search_random, place, opts, fn, arg);
}

void rn_sim_let_go(void)
{
        rn_sim_tasks_free();
        rn_sim_locals_free();
        rn_weak_free();
        rn_host_free(last_trace);
        last_trace = NULL;
}
