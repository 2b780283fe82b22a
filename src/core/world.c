/* SPDX-License-Identifier: Apache-2.0 */
#include "core/world.h"

#include "core/group.h"
#include "core/hook.h"
#include "core/scope.h"
#include "core/task.h"

static rn_world real_world;

static void world_set_up(rn_world *w)
{
        RN_ASSERT(rn_peek64(&w->state) & 1, "the thread that sets a world up has said so");
        rn_store32(&w->lock.word, 0);
        rn_store32(&w->graph.word, 0);
        rn_store32(&w->fd_lock.word, 0);
        rn_slab_init(&w->tasks, sizeof(rn_thread_task));
        rn_slab_init(&w->scopes, sizeof(rn_scope));
        rn_slab_init(&w->groups, sizeof(rn_group));
        rn_slab_init(&w->hooks, sizeof(rn_hook));
        w->works = w->promises = (rn_shelf){0};
        w->fibers.item_size = 0;
        rn_clock_init(&w->clock);
        w->signals_errand = (rn_errand){0};
        rn_list_init(&w->executors);
        rn_list_init(&w->waiting);
        for (size_t i = 0; i < RN_FD_BUCKETS; i++)
                rn_list_init(&w->fd_calls[i]);
        rn_list_init(&w->signal_waiters);
        rn_list_init(&w->children);
        rn_list_init(&w->lookups);
        w->lookup_threads = w->lookups_given_up = 0;
#if RN_CHECKING
        rn_store32(&w->objects_lock.word, 0);
        rn_list_init(&w->objects);
        w->fd_calls_open = 0;
#endif
        rn_on_thread_exit(rn_task_thread_ends);
}

static rn_world *world_set_up_once(rn_world *world, int64_t ready)
{
        int64_t state = rn_load64(&world->state);
        for (unsigned round = 0; state != ready; round++) {
                if (state != (ready | 1) && rn_cas64(&world->state, &state, ready | 1)) {
                        world_set_up(world);
                        rn_told_release(&world->state);
                        rn_store64(&world->state, ready);
                        break;
                }
                rn_pause(round);
                state = rn_load64(&world->state);
        }
        rn_told_acquire(&world->state);
        return world;
}

/* The real world's state is its generation, and a simulation's is none of the process's: the first look is enough. */
rn_world *rn_world_now(void)
{
        const int64_t ready = (int64_t)rn_generation() << 1;
        if (rn_load64(&real_world.state) == ready)
                return &real_world;
        const rn_machine *m = rn_virtual();
        return world_set_up_once(m ? m->world : &real_world, ready);
}
