/* SPDX-License-Identifier: Apache-2.0 */
/* One schedule: a world is made, the program is run in it, and when everybody has ended, what should be gone is counted.
 * A schedule that ends early (a failed check, a deadlock) leaves its tasks in the middle: their frames are dropped, and
 * nothing more is asked of that world. */
#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/executor.h"
#include "core/world.h"

/* The kernel's clock in ms passes 32 bits two seconds after the start: what keeps it in too few finds out here. */
static const int64_t start_of_time = ((int64_t)UINT32_MAX - 2000) * 1000000;

static const rn_program *program_now;
static uint32_t generations;

static void program_unseen(const rein_error *e, void *arg)
{
        (void)arg;
        rn_sim_over(REIN_SIM_UNSEEN, "a failure nobody looked at: %s: %s", rein_code_name(rein_error_code(e)),
                    rein_error_text(e));
}

static void program_main(void *arg)
{
        (void)arg;
        int code = program_now->fn(program_now->arg);
        rn_sim->result->code = code;
        if (code < 0) {
                const rein_error *e = rein_trail();
                bool told = e && rein_error_code(e) == code;
                rn_sim_over(REIN_SIM_FAILED, "the program answered %s%s%s", rein_code_name(code), told ? ": " : "",
                            told ? rein_error_text(e) : "");
        }
}

/* ---- the end ---- */

static void program_look_at_what_is_left(void)
{
        rn_sim_state *s = rn_sim;
        rn_world *w = s->machine.world;
        if (!rn_list_empty(&w->executors)) {
                const rein_executor *x = RN_ITEM(w->executors.next, rein_executor, world);
                rn_sim_over(REIN_SIM_LEAK, "the executor '%s' was not freed", x->name);
        }
        size_t bytes, blocks = rn_sim_memory_left(&bytes), tasks = rn_slab_count(&w->tasks);
        size_t others = rn_slab_count(&w->scopes) + rn_slab_count(&w->groups) + rn_slab_count(&w->hooks);
        const size_t coroutines = rn_slab_count(&w->fibers);
        tasks -= (size_t)(w->clock.clock_task != NULL) + (size_t)(w->clock.hand_task != NULL);
        if (blocks)
                rn_sim_over(REIN_SIM_LEAK, "%zu objects of the library (%zu bytes) were never given back", blocks,
                            bytes);
        if (rn_sim_owed())
                rn_sim_over(REIN_SIM_LEAK, "%zu values that were given to rein were never released", rn_sim_owed());
        if (others)
                rn_sim_over(REIN_SIM_LEAK, "%zu scopes, %zu groups, %zu hook regions were never closed",
                            rn_slab_count(&w->scopes), rn_slab_count(&w->groups), rn_slab_count(&w->hooks));
        if (coroutines)
                rn_sim_over(REIN_SIM_LEAK, "%zu coroutines were never given back", coroutines);
        if (tasks)
                rn_sim_over(REIN_SIM_LEAK, "%zu tasks were never given back", tasks);
        if (rn_sim_files_open())
                rn_sim_over(REIN_SIM_LEAK, "%zu descriptors were left open", rn_sim_files_open());
}

static void program_end(const rn_program *program)
{
        rn_sim_state *s = rn_sim;
        rn_sim_result *r = s->result;
        if (r->ended != REIN_SIM_PASSED || r->redundant)
                return;
        s->over = false;
        rn_sim_look();
        program_look_at_what_is_left();
        int rc = program->check ? program->check(program->arg) : 0;
        if (rc < 0)
                rn_sim_over(REIN_SIM_FAILED, "the check in the end answered %s", rein_code_name(rc));
}

/* ---- the whole ---- */

static int program_set_up(rn_sim_state *s, const rn_sim_plan *plan, rn_path *path, rn_sim_result *result)
{
        *s = (rn_sim_state){.plan = plan, .path = path, .result = result, .now = start_of_time, .numbers = 1};
        *result = (rn_sim_result){.hash = 14695981039346656037u};
        s->given = path->count;
        s->reduction = plan->reduction;
        if (s->reduction)
                rn_reduction_begin_run(s->reduction);
        rn_sim_machine(&s->machine);
        rn_sim_net(&s->machine);
        rn_sim_pollers(&s->machine);
        s->machine.interruptible = &s->interruptible;
        s->machine.word_locks = plan->observe && plan->word_locks;
        s->machine.whole_locks = plan->observe && !plan->word_locks;
        s->machine.generation = 0x40000000u | (++generations & 0x3fffffffu);
        s->machine.world = rn_host_alloc(sizeof(rn_world));
        return s->machine.world ? 0 : -ENOMEM;
}

int rn_sim_once(const rn_sim_plan *plan, const rn_program *program, rn_path *path, rn_sim_result *result)
{
        static rn_sim_state state;
        rn_sim_state *s = &state;
        if (program_set_up(s, plan, path, result) < 0)
                return -ENOMEM;
        RN_ASSERT(!rn_sim, "one simulation runs at a time");
        rn_sim = s;
        void *word = rn_self_word();
        int rc = rn_machine_set(&s->machine);
        if (rc == 0) {
                rn_self_word_switch(NULL);
                program_now = program;
                rn_world *w = rn_world_now();
                w->unseen = program_unseen;
                rn_sim_generator_begin();
                rn_observe_begin();
                if (rn_weak_begin() < 0 || rn_sim_locals_begin() < 0 || rn_sim_spawn("main", program_main, NULL) < 0) {
                        rc = -ENOMEM;
                } else {
                        rn_sim_go();
                        program_end(program);
                }
                rn_observe_end();
                rn_machine_set(NULL);
                rn_self_word_switch(word);
        }
        RN_ASSERT(!s->running && !s->deciding, "no task runs when a schedule has ended");
        if (path->count > s->at)
                path->count = s->at;
        rn_sim_memory_free();
        rn_sim_files_free();
        rn_host_free(s->machine.world);
        rn_sim = NULL;
        return rc;
}
