/* SPDX-License-Identifier: Apache-2.0 */
/* From a schedule that fails to one a person can read: fewer preemptions, fewer steps, fewer surprises, the same way of
 * failing. First whole kinds of faults are left out. Then local search over the list of picks: leave a stretch out, make
 * one pick plainer, exchange two neighbours; then a depth-first search with one preemption less than was reached, in case
 * the local one is stuck, again and again while it finds one. */
#include "sim/sim.h"

#include <string.h>

enum { MOST_TRIES = 4000, MOST_SEARCHED = 8000, MOST_BOUND = 4 };

typedef struct shrinking {
        rn_sim_plan plan;
        const rn_program *program;
        rn_path best, tried;
        rn_sim_result result; /* of best */
        int ended;
        unsigned tries;
} shrinking;

static uint64_t path_weight(const rn_sim_result *r, const rn_path *p)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < p->count; i++)
                sum += p->picks[i].pick;
        return (r->preemptions << 40) + (r->steps << 16) + (sum < 65535 ? sum : 65535);
}

static bool path_copy(rn_path *to, const rn_path *from)
{
        to->count = 0;
        for (size_t i = 0; i < from->count; i++)
                if (rn_path_add(to, from->picks[i]) < 0)
                        return false;
        return true;
}

/* Run `tried`; if it fails the same way and weighs less, it is the best from now on. */
static bool shrink_better(shrinking *k)
{
        rn_sim_result r;
        if (++k->tries > MOST_TRIES || rn_sim_once(&k->plan, k->program, &k->tried, &r) < 0)
                return false;
        if (r.ended != k->ended || path_weight(&r, &k->tried) >= path_weight(&k->result, &k->best))
                return false;
        rn_path old = k->best;
        k->best = k->tried;
        k->tried = old;
        k->result = r;
        return true;
}

static bool shrink_leave_out(shrinking *k, size_t at, size_t n)
{
        RN_ASSERT(at + n <= k->best.count, "the stretch that is left out is one of the schedule");
        if (!path_copy(&k->tried, &k->best))
                return false;
        memmove(&k->tried.picks[at], &k->tried.picks[at + n], (k->tried.count - at - n) * sizeof(rn_pick));
        k->tried.count -= n;
        return shrink_better(k);
}

static bool shrink_leave_stretches_out(shrinking *k)
{
        bool any = false;
        for (size_t n = k->best.count; n; n /= 2)
                for (size_t at = 0; at + n <= k->best.count && k->tries < MOST_TRIES;)
                        if (shrink_leave_out(k, at, n))
                                any = true;
                        else
                                at += n;
        return any;
}

static bool shrink_make_plainer(shrinking *k)
{
        bool any = false;
        for (size_t i = 0; i < k->best.count; i++)
                for (uint32_t v = 0; i < k->best.count && v < k->best.picks[i].pick && k->tries < MOST_TRIES; v++) {
                        if (!path_copy(&k->tried, &k->best))
                                return any;
                        k->tried.picks[i].pick = v;
                        if (shrink_better(k)) {
                                any = true;
                                break;
                        }
                }
        return any;
}

static bool shrink_exchange_neighbours(shrinking *k)
{
        bool any = false;
        for (size_t i = 0; i + 1 < k->best.count && k->tries < MOST_TRIES; i++) {
                if (k->best.picks[i].pick == k->best.picks[i + 1].pick)
                        continue;
                if (!path_copy(&k->tried, &k->best))
                        return any;
                rn_pick p = k->tried.picks[i];
                k->tried.picks[i] = k->tried.picks[i + 1];
                k->tried.picks[i + 1] = p;
                any |= shrink_better(k);
        }
        return any;
}

/* Without one kind of fault, and without the picks about it. */
static void shrink_leave_fault_out(shrinking *k, unsigned fault)
{
        if (!(k->plan.faults >> fault & 1))
                return;
        rn_sim_plan plan = k->plan;
        rn_sim_result r;
        plan.faults &= ~(1u << fault);
        k->tried.count = 0;
        for (size_t i = 0; i < k->best.count; i++)
                if (k->best.picks[i].about != rn_sim_letters[fault] && rn_path_add(&k->tried, k->best.picks[i]) < 0)
                        return;
        if (rn_sim_once(&plan, k->program, &k->tried, &r) < 0 || r.ended != k->ended ||
            r.preemptions > k->result.preemptions || !path_copy(&k->best, &k->tried))
                return;
        k->plan = plan;
        k->result = r;
}

/* Depth-first with so many preemptions: does it fail the same way? A task set aside is a preemption by another name, with
 * many choices: not looked at. */
static bool shrink_fails_within(shrinking *k, int64_t bound)
{
        rn_sim_plan plan = k->plan;
        plan.generator = REIN_SIM_DFS;
        plan.bound = bound;
        plan.faults &= ~(uint32_t)REIN_SIM_SLOW;
        k->tried.count = 0;
        for (unsigned n = 0; n < MOST_SEARCHED; n++) {
                rn_sim_result r;
                if (rn_sim_once(&plan, k->program, &k->tried, &r) < 0)
                        return false;
                if (r.ended == k->ended && path_copy(&k->best, &k->tried)) {
                        k->plan.faults = plan.faults;
                        k->result = r;
                        return true;
                }
                if (!rn_path_next(&k->tried))
                        return false;
        }
        return false;
}

/* From none upwards: what fails with few preemptions does so soon, and few are what a person can follow. */
static void shrink_search_below(shrinking *k)
{
        const int64_t most = (int64_t)k->result.preemptions;
        for (int64_t bound = 0; bound < most && bound < MOST_BOUND; bound++)
                if (shrink_fails_within(k, bound))
                        return;
}

void rn_sim_shrink(rn_sim_plan *plan, const rn_program *program, rn_path *path, rn_sim_result *result)
{
        shrinking k = {.plan = *plan, .program = program, .best = *path, .result = *result, .ended = result->ended};
        k.plan.generator = RN_SIM_REPLAY;
        k.plan.bound = -1;
        k.plan.tell = false;
        k.plan.ask_each = true;
        for (unsigned fault = RN_SIM_FAULTS; fault-- > 0;)
                shrink_leave_fault_out(&k, fault);
        while (k.tries < MOST_TRIES) {
                bool any = shrink_leave_stretches_out(&k);
                any |= shrink_make_plainer(&k);
                any |= shrink_exchange_neighbours(&k);
                if (!any)
                        break;
        }
        shrink_search_below(&k);
        /* Once more, so that the path has what was really asked. */
        rn_sim_result r;
        if (rn_sim_once(&k.plan, program, &k.best, &r) == 0 && r.ended == k.ended)
                k.result = r;
        plan->faults = k.plan.faults;
        *path = k.best;
        *result = k.result;
        rn_path_free(&k.tried);
}
