/* SPDX-License-Identifier: Apache-2.0 */
/* When an elastic pool looks who blocks: as long as a permit is wanted and none is free, and no longer. A simulated thread
 * has no system call to be seen in, so nobody gets a spare here; what a look finds is in src/pool/elastic_test.c. */
#include "pool/pool.h"
#include "scenarios/scenarios.h"

static rein_executor *elastic;
static rein_future *opened[2];
static rein_promise *key[2];

static bool watching(void)
{
        rn_lock_take(&elastic->lock);
        const bool watches = rn_pool_of(elastic)->watching;
        rn_lock_give(&elastic->lock);
        return watches;
}

static void open_scene(void)
{
        begin();
        for (int i = 0; i < 2; i++)
                key[i] = rein_promise_new(&opened[i]);
        elastic = warm_pool(1, REIN_POOL(.threads = 1, .elastic = true, .threads_max = 1));
}

/* Everything has ended: it looks no more, and no look has kept it. */
static void close_scene(rein_future *f[], int n)
{
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(30)));
        EXPLORE_CHECK(!watching());
        for (int i = 0; i < n; i++) {
                EXPLORE_CHECK(rein_code(f[i]) == 0);
                rein_drop(f[i]);
        }
        for (int i = 0; i < 2; i++) {
                rein_promise_drop(key[i]);
                rein_drop(opened[i]);
        }
        rein_executor_free(elastic);
}

static void turn_key(int i)
{
        EXPLORE_CHECK(rein_promise_keep(key[i], NULL, NULL) == 0);
}

static int pass(void *arg)
{
        return rein_await(opened[*(int *)arg], NULL, REIN_NEVER);
}

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

static int first = 0, second = 1;

static void for_the_queue(void)
{
        open_scene();
        rein_future *f[2] = {rein_submit(elastic, pass, &first, REIN_JOB(.on_worker = true))};
        explore_calm();
        EXPLORE_CHECK(!watching()); /* nobody wants one */
        explore_go();
        f[1] = rein_submit(elastic, nothing, NULL, REIN_JOB(.on_worker = true));
        EXPLORE_CHECK(watching());
        rein_sim_block(rein_after(REIN_MS(25))); /* it has looked */
        EXPLORE_CHECK(watching());
        turn_key(0);
        turn_key(1);
        close_scene(f, 2);
}

static int lend(void *arg)
{
        rein_future *both[] = {rein_submit(elastic, nothing, NULL, REIN_JOB(.on_worker = true)), opened[*(int *)arg]};
        int rc = rein_wait_all(both, 2, REIN_NEVER);
        rein_drop(both[0]);
        return rc;
}

static void for_a_returner(void)
{
        open_scene();
        rein_future *f[2] = {rein_submit(elastic, lend, &first, REIN_JOB(.on_worker = true))};
        explore_calm();
        f[1] = rein_submit(elastic, pass, &second, REIN_JOB(.on_worker = true));
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(25)));
        EXPLORE_CHECK(!watching()); /* the one permit has who wants it */
        explore_go();
        turn_key(0);
        rein_sim_block(rein_after(REIN_MS(5)));
        EXPLORE_CHECK(watching());
        rein_sim_block(rein_after(REIN_MS(25)));
        EXPLORE_CHECK(watching());
        turn_key(1);
        close_scene(f, 2);
}

static const entry list[] = {
        {"elastic-queue", for_the_queue, {BOUNDED(1)}},
        {"elastic-returner", for_a_returner, {BOUNDED(1)}},
};

const entries elastic_scenarios = ENTRIES(list);
