/* SPDX-License-Identifier: Apache-2.0 */
/* A hook region: one word with its state; and the poke, which only the simulator's machine has. */
#include "planted.h"

enum { WORKING = 1, STRIKING, STRUCK, FINISHED };

enum { MS = 1000000 };

static word region;
static uint32_t worker_id;

static void region_close(void)
{
        for (unsigned round = 0; !move(&region, WORKING, FINISHED) && !move(&region, STRUCK, FINISHED); round++)
                rn_pause(round);
}

/* The one that strikes may poke; it says with region_struck that it has. */
static bool strike(void)
{
        return move(&region, WORKING, STRIKING) || move(&region, STRUCK, STRIKING);
}

static void region_struck(void)
{
        put(&region, STRUCK);
}

static void poke(void)
{
        rn_virtual()->poke(worker_id);
}

static int block_for(int64_t ns)
{
        return rein_sim_block((rein_time){rn_sim->now + ns});
}

static void two_calls(void *arg)
{
        (void)arg;
        worker_id = rn_virtual()->thread_id();
        put(&region, WORKING);
        planted_saw[0] = block_for(MS) == -EINTR;
        region_close();
        planted_saw[1] = block_for(MS) == -EINTR; /* no region is open: nobody may poke */
        EXPLORE_CHECK(!planted_saw[1]);
}

static void poke_and_resend(void *arg)
{
        (void)arg;
        if (!strike())
                return;
        poke();
        region_struck();
        if (planted_broken) {
                if (get(&region) == STRUCK)
                        poke();
        } else if (strike()) {
                poke();
                region_struck();
        }
}

/* A resend that looks at the state, then pokes: the region closes in between, and the next call gets it. */
static void blind_poke(void)
{
        region = (word){0};
        explore_start("worker", two_calls, NULL);
        explore_start("canceller", poke_and_resend, NULL);
}

const planted planted_hooks[] = {
        {"blind-poke", blind_poke, NULL, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {0},
};
