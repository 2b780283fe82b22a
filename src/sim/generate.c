/* SPDX-License-Identifier: Apache-2.0 */
/* Which task is next, and what goes wrong. A schedule is a list of picks; 0 is always the plainest answer: go on with the
 * running task, nothing fails. Every generator writes the list it took, so any schedule can be replayed.
 *
 * PCT: S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of
 * Finding Bugs", ASPLOS 2010. Depth-first with a bound on preemptions: M. Musuvathi, S. Qadeer, "Iterative Context
 * Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007. */
#include "sim/sim.h"

#include <string.h>

/* splitmix64 (S. Vigna): every seed is a good one. */
uint64_t rn_sim_random(uint64_t *state)
{
        uint64_t z = *state += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

/* ---- the list ---- */

static bool path_grow(rn_path *path)
{
        size_t room = path->room ? 2 * path->room : 256;
        rn_sim_quiet();
        rn_pick *more = rn_host_alloc(room * sizeof *more);
        if (more) {
                if (path->count)
                        memcpy(more, path->picks, path->count * sizeof *more);
                rn_host_free(path->picks);
                path->picks = more;
                path->room = room;
        }
        rn_sim_loud();
        return more;
}

int rn_path_add(rn_path *path, rn_pick p)
{
        if (path->count == path->room && !path_grow(path))
                return -1;
        path->picks[path->count++] = p;
        return 0;
}

void rn_path_free(rn_path *path)
{
        rn_host_free(path->picks);
        *path = (rn_path){0};
}

bool rn_path_next(rn_path *path)
{
        while (path->count) {
                rn_pick *last = &path->picks[path->count - 1];
                if (last->pick + 1 < last->n) {
                        last->pick++;
                        return true;
                }
                path->count--;
        }
        return false;
}

/* ---- one answer ---- */

static uint32_t path_invent(uint32_t n, char about)
{
        rn_sim_state *s = rn_sim;
        const rn_sim_plan *p = s->plan;
        if (p->generator != REIN_SIM_RANDOM && p->generator != REIN_SIM_PCT)
                return 0;
        uint64_t r = rn_sim_random(&s->random);
        bool rare = about != 's' && about != 'u' && about != 'w';
        if (!rare || n > 2)
                return (uint32_t)(r % n);
        return r % p->one_in == 0;
}

/* A given pick that does not fit belongs to a path that was shortened: it becomes the plainest one. */
uint32_t rn_sim_pick(uint32_t n, char about, bool current_first)
{
        rn_sim_state *s = rn_sim;
        if (n < 2 || s->quiet)
                return 0;
        const bool surprise = about != 's' && about != 'u' && about != 'w';
        const bool bounded = about == 's' && current_first && s->plan->bound >= 0 &&
                             s->result->preemptions >= (uint64_t)s->plan->bound;
        const bool enough = surprise && s->plan->most_surprises && s->surprises >= s->plan->most_surprises;
        RN_ASSERT(s->at <= s->path->count, "a schedule is written from its beginning on, without gaps");
        uint32_t pick;
        if (s->at < s->given)
                pick = s->path->picks[s->at].pick < n ? s->path->picks[s->at].pick : 0;
        else
                pick = bounded || enough ? 0 : path_invent(n, about);
        RN_ASSERT(pick < n, "a pick is one of the answers there are");
        s->surprises += surprise && pick;
        rn_pick took = {bounded || enough ? 1 : n, pick, about};
        if (s->at < s->path->count)
                s->path->picks[s->at] = took;
        else if (rn_path_add(s->path, took) < 0)
                rn_sim_over(REIN_SIM_MISUSE, "no memory for the schedule");
        s->at++;
        s->result->decisions++;
        s->result->hash = (s->result->hash ^ (pick * 257u + (unsigned char)about)) * 1099511628211u;
        return pick;
}

/* ---- priorities ---- */

void rn_sim_born(rn_sim_task *t)
{
        if (rn_sim->plan->generator == REIN_SIM_PCT)
                t->priority = (int64_t)(rn_sim_random(&rn_sim->random) >> 2) + 1000;
}

void rn_sim_generator_begin(void)
{
        rn_sim_state *s = rn_sim;
        s->random = s->plan->seed;
        RN_ASSERT(s->plan->generator != REIN_SIM_PCT ||
                          s->plan->depth <= sizeof s->change_at / sizeof s->change_at[0] + 1,
                  "there is room for the points at which priorities change");
        if (s->plan->generator == REIN_SIM_PCT)
                for (uint32_t i = 0; i + 1 < s->plan->depth; i++)
                        s->change_at[i] = 1 + rn_sim_random(&s->random) % (s->plan->length ? s->plan->length : 64);
}

static void task_fall_below_all(rn_sim_task *t)
{
        t->priority = -(int64_t)++rn_sim->lowest;
}

/* Not only where there is something to decide: one other task may be all that can go on, and what it stores lets the
 * spinning one go on again. */
void rn_sim_spins(rn_sim_task *t)
{
        if (rn_sim->plan->generator == REIN_SIM_PCT)
                task_fall_below_all(t);
}

/* The task that reached a point of change falls below everybody. */
static uint32_t tasks_by_priority(rn_sim_task *const *ready, uint32_t n, bool current_first)
{
        rn_sim_state *s = rn_sim;
        bool falls = false;
        for (uint32_t i = 0; i + 1 < s->plan->depth && current_first; i++)
                falls = falls || s->change_at[i] == s->result->decisions + 1;
        if (s->running && falls)
                task_fall_below_all(s->running);
        RN_ASSERT(n > 0, "somebody can go on when it is asked who does");
        uint32_t best = 0;
        for (uint32_t i = 1; i < n; i++)
                if (ready[i]->priority > ready[best]->priority)
                        best = i;
        return best;
}

static uint32_t path_write_down(uint32_t pick, uint32_t n)
{
        rn_sim_state *s = rn_sim;
        RN_ASSERT(pick < n, "the task that goes on is one of those that can");
        RN_ASSERT(s->at == s->path->count, "what is written down is the end of the schedule");
        if (rn_path_add(s->path, (rn_pick){n, pick, 's'}) < 0)
                rn_sim_over(REIN_SIM_MISUSE, "no memory for the schedule");
        s->at++;
        s->result->decisions++;
        s->result->hash = (s->result->hash ^ (pick * 257u + (unsigned char)'s')) * 1099511628211u;
        return pick;
}

uint32_t rn_sim_next(rn_sim_task *const *ready, uint32_t n, bool current_first)
{
        rn_sim_state *s = rn_sim;
        if (s->reduction) {
                uint32_t i = rn_reduction_pick(ready, n);
                return i == UINT32_MAX || n == 1 ? i : path_write_down(i, n);
        }
        if (s->plan->generator == REIN_SIM_PCT && s->at >= s->given)
                return path_write_down(tasks_by_priority(ready, n, current_first), n);
        return rn_sim_pick(n, 's', current_first);
}
