/* SPDX-License-Identifier: Apache-2.0 */
/* A cache that starts the same load twice, when two ask for it at the same moment. `sim_cache` lets the simulator find
 * when; `sim_cache mended` passes: who comes first is settled in one step, and the others wait for what it promised. */
#include <rein/rein.h>

#include <stdatomic.h>
#include <string.h>

struct cache {
        rein_executor *loaders;
        rein_future *entry; /* NULL: nobody asked yet */
        rein_promise *promise;
        atomic_flag asked;
        int loads;
};

static int load(void *arg)
{
        struct cache *c = arg;
        c->loads++;
        rein_sleep(rein_after(REIN_MS(20)));
        if (c->promise)
                rein_promise_keep(c->promise, NULL, NULL);
        return 0;
}

static int get_broken(void *arg)
{
        struct cache *c = arg;
        if (!c->entry)
                c->entry = rein_submit(c->loaders, load, c, REIN_JOB(.name = "load"));
        return rein_await(c->entry, NULL, REIN_NEVER);
}

static int get_mended(void *arg)
{
        struct cache *c = arg;
        if (!atomic_flag_test_and_set(&c->asked))
                rein_post(c->loaders, load, c, REIN_JOB(.name = "load"));
        return rein_await(c->entry, NULL, REIN_NEVER);
}

static int two_ask(void *arg)
{
        rein_fn get = *(const rein_fn *)arg;
        struct cache c = {.asked = ATOMIC_FLAG_INIT};
        if (get == get_mended)
                c.promise = rein_promise_new(&c.entry);
        c.loaders = rein_pool_new(REIN_POOL(.name = "loaders", .threads = 2));
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "pool", .threads = 2));
        rein_future *f[2] = {rein_submit(pool, get, &c, NULL), rein_submit(pool, get, &c, NULL)};
        int rc = rein_wait_all(f, 2, REIN_NEVER);
        rein_drop(f[0]);
        rein_drop(f[1]);
        rein_drop(c.entry);
        rein_promise_drop(c.promise);
        rein_executor_free(pool);
        rein_executor_free(c.loaders);
        return rc < 0 || c.loads == 1 ? rc : rein_fail(REIN_EUSER, "it was loaded %d times", c.loads);
}

int main(int argc, char **argv)
{
        rein_fn get = argc > 1 && strcmp(argv[1], "mended") == 0 ? get_mended : get_broken;
        rein_sim_report report = {.size = sizeof report};
        int rc = rein_sim_explore(REIN_SIM(.name = "cache", .report = &report), two_ask, &get);
        printf("cache: %s, schedules: %llu\n", rein_code_name(rc), (unsigned long long)report.schedules);
        return rc == 0 ? 0 : 1;
}
