/* SPDX-License-Identifier: Apache-2.0 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const scenario *running;

static int body(void *arg)
{
        (void)arg;
        running->body();
        return 0;
}

static int check(void *arg)
{
        (void)arg;
        return running->check ? running->check() : 0;
}

void explore_start(const char *name, void (*main)(void *), void *arg)
{
        if (rn_sim_spawn(name, main, arg) < 0) {
                fprintf(stderr, "%s: no task for '%s'\n", running->name, name);
                abort();
        }
}

void explore_quiet(void)
{
        rn_sim->quiet = true;
}

void explore_go(void)
{
        rn_sim_calm(false);
}

void explore_calm(void)
{
        rn_sim_calm(true);
}

void explore_check(bool ok, const char *what, const char *file, int line)
{
        if (ok)
                return;
        rn_sim_over(REIN_SIM_FAILED, "%s:%d: %s", file, line, what);
        if (rn_sim->running)
                rn_sim_stop();
}

const char *explore_how_name(const explore_plan *p, char text[EXPLORE_NAME])
{
        static const char *const names[] = {"dpor", "bound ", "full", "random", "pct"};
        char bound[16] = "";
        if (p->how == EXPLORE_BOUNDED || p->how == EXPLORE_PCT)
                snprintf(bound, sizeof bound, "%u", p->bound);
        snprintf(text, EXPLORE_NAME, "%s%s%s%s%s%s%s%s%s", p->weak ? "weak " : "", names[p->how], bound,
                 p->faults & REIN_SIM_EARLY ? " +early" : "", p->faults & REIN_SIM_ALLOC ? " +memory" : "",
                 p->faults & REIN_SIM_SPURIOUS ? " +spurious" : "", p->faults & REIN_SIM_THREAD ? " +threads" : "",
                 p->word_locks ? " +locks" : "", p->after ? " +after" : "");
        return text;
}

/* ---- final states ---- */

enum { MOST_STATES = 4096 };

typedef struct states {
        uint64_t seen[MOST_STATES];
        uint64_t count, digest;
} states;

static void note_state(states *st, uint64_t state)
{
        for (uint64_t i = 0; i < st->count; i++)
                if (st->seen[i] == state)
                        return;
        if (st->count == MOST_STATES) {
                fprintf(stderr, "more than %d final states\n", MOST_STATES);
                abort();
        }
        st->seen[st->count++] = state;
        uint64_t mixed = state;
        st->digest += rn_sim_random(&mixed); /* a sum: the order of discovery does not matter */
}

/* ---- the search ---- */

typedef struct looking {
        const scenario *s;
        const explore_plan *how;
        rn_sim_plan plan;
        rn_program program;
        rn_path path;
        rn_sim_result result;
        states states;
        explored out;
} looking;

static void die(const looking *l, const char *why)
{
        fprintf(stderr, "%s: %s\n", l->s->name, why);
        abort();
}

/* false: this schedule failed. */
static bool once(looking *l)
{
        if (rn_sim_once(&l->plan, &l->program, &l->path, &l->result) < 0)
                die(l, "no memory");
        explored *o = &l->out;
        o->schedules++;
        o->redundant += l->result.redundant;
        o->steps += l->result.steps;
        o->waits |= l->result.waits;
        o->timed |= l->result.timed;
        if (l->result.steps > o->longest)
                o->longest = l->result.steps;
        if (l->result.decisions > l->plan.length)
                l->plan.length = l->result.decisions;
        if (l->result.redundant)
                return true;
        if (l->result.ended == REIN_SIM_PASSED && l->s->state)
                note_state(&l->states, l->s->state());
        return l->result.ended == REIN_SIM_PASSED;
}

static states last_states;

size_t explore_states(uint64_t *out, size_t room)
{
        size_t n = last_states.count < room ? last_states.count : room;
        memcpy(out, last_states.seen, n * sizeof *out);
        return n;
}

static bool spent(const looking *l)
{
        return l->out.schedules >= (l->how->budget ? l->how->budget : 2000000);
}

static bool by_reduction(looking *l)
{
        bool ok = true;
        if (rn_reduction_begin(&l->plan.reduction) < 0)
                die(l, "no memory");
        do {
                l->path.count = 0;
                ok = once(l);
        } while (ok && !spent(l) && (l->out.complete = !rn_reduction_next(l->plan.reduction)) == false);
        rn_reduction_free(l->plan.reduction);
        l->plan.reduction = NULL;
        return ok;
}

static bool depth_first(looking *l)
{
        const uint32_t last = l->how->how == EXPLORE_FULL ? 0 : l->how->bound;
        l->plan.generator = REIN_SIM_DFS;
        for (uint32_t bound = 0; bound <= last; bound++) {
                l->plan.bound = l->how->how == EXPLORE_FULL ? -1 : (int64_t)bound;
                l->path.count = 0;
                do {
                        if (!once(l))
                                return false;
                        if (spent(l))
                                return true;
                } while (rn_path_next(&l->path));
        }
        l->out.complete = true;
        return true;
}

static bool by_chance(looking *l)
{
        l->plan.generator = l->how->how == EXPLORE_PCT ? REIN_SIM_PCT : REIN_SIM_RANDOM;
        l->plan.depth = l->how->bound;
        for (uint64_t seed = 1; !spent(l); seed++) {
                l->plan.seed = seed * 0x9e3779b97f4a7c15u;
                l->path.count = 0;
                if (!once(l))
                        return false;
        }
        return true;
}

static void tell(looking *l)
{
        rn_sim_result r;
        l->plan.tell = true;
        l->plan.generator = RN_SIM_REPLAY;
        l->plan.bound = -1;
        rn_sim_once(&l->plan, &l->program, &l->path, &r);
}

explored explore_by(const scenario *s, const explore_plan *how, bool narrate)
{
        looking l = {.s = s, .how = how};
        l.plan = (rn_sim_plan){.bound = -1,
                               .max_steps = 20000,
                               .faults = how->faults,
                               .one_in = 8,
                               .stack_size = 256 * 1024,
                               .observe = true,
                               .word_locks = how->word_locks,
                               .tells = how->how == EXPLORE_ALL || how->how == EXPLORE_FULL || how->weak,
                               .after = how->after,
                               .slabs = how->slabs,
                               .most_surprises = how->most_surprises,
                               .weak = how->weak,
                               .order = how->order};
        l.program = (rn_program){.fn = body, .name = s->name, .check = check};
        running = s;
        bool ok = how->how == EXPLORE_ALL                                   ? by_reduction(&l)
                  : how->how == EXPLORE_BOUNDED || how->how == EXPLORE_FULL ? depth_first(&l)
                                                                            : by_chance(&l);
        if (!ok) {
                rn_sim_shrink(&l.plan, &l.program, &l.path, &l.result);
                l.out.ended = l.result.ended;
                l.out.preemptions = l.result.preemptions;
                snprintf(l.out.text, sizeof l.out.text, "%s", l.result.text);
                if (narrate)
                        tell(&l);
        }
        last_states = l.states;
        l.out.states = l.states.count;
        l.out.states_digest = l.states.digest;
        rn_path_free(&l.path);
        return l.out;
}

explored explore(const scenario *s)
{
        return explore_by(s, &s->plan, false);
}
