/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: the four policies, places, joins, cancels from outside, children of children. */
#include "sim/scenario.h"

static int policy(int which)
{
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = (rein_policy)which));
        rein_future *good = rein_spawn_future(&g, pool, job_nap, &t, NULL);
        rein_future *bad = rein_spawn_future(&g, pool, job_fail, &t, NULL);
        rein_spawn(&g, pool, job_nap, &t, NULL);
        int rc = rein_group_join(&g, REIN_NEVER);
        CHECK(rc == 0);
        CHECK(settled(good) && settled(bad) && rein_gone(good) && rein_gone(bad));
        int a = rein_code(good), b = rein_code(bad);
        rc = rein_group_close(&g, 0);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended));
        if (which == REIN_ALL)
                CHECK(b == -EIO ? rc == REIN_EFAILED : rc < 0);
        else if (which == REIN_FIRST)
                CHECK(rc == 0);
        else if (which == REIN_ANY)
                CHECK(rc == 0 || rc == REIN_EFAILED);
        else
                CHECK(rc == 0 && a == 0 && b == -EIO);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- cancelled from outside, and by the deadline ---- */

typedef struct outside {
        rein_executor *pool;
        tally *tally;
        atomic_int open;
        rein_group *group;
} outside;

static int job_with_group(void *arg)
{
        outside *o = arg;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 2; i++)
                rein_spawn(&g, o->pool, job_sleep, o->tally, REIN_JOB(.release = release_tally));
        int rc = rein_sleep(REIN_NEVER);
        CHECK(rc == REIN_ECANCELED);
        return rein_group_close(&g, rc);
}

static int group_canceled(int limited)
{
        tally t = {0};
        outside o = {rein_pool_new(REIN_POOL(.threads = 2)), &t, 0, NULL};
        rein_future *f = rein_submit(o.pool, job_with_group, &o, REIN_JOB(.limit_ns = limited ? REIN_MS(1) : 0));
        if (!limited)
                rein_cancel(f, "from outside");
        CHECK(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED);
        CHECK(failure(f) == (limited ? REIN_ETIMEOUT : REIN_ECANCELED));
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended)); /* gone before their group was */
        CHECK(atomic_load(&t.released) == 2 || atomic_load(&t.released) == 0);
        rein_drop(f);
        stop_and_free(o.pool, REIN_STOP_QUEUED);
        return 0;
}

static void cancel_group(void *arg)
{
        rein_group_cancel((rein_group *)arg, "by another");
}

static int group_canceled_by_another(int variant)
{
        (void)variant;
        tally t = {0};
        crew c = {0};
        hand h;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_group g;
        rein_group_open(&g, NULL);
        crew_go(&c, &h, "cancels", cancel_group, &g);
        for (int i = 0; i < 3; i++)
                rein_spawn(&g, pool, job_nap, &t, REIN_JOB(.release = release_tally));
        int own = rein_sleep(rein_after(REIN_MS(1)));
        CHECK(own == 0 || own == REIN_ECANCELED);
        crew_join(&c);
        int rc = rein_group_close(&g, own);
        CHECK(rc == 0 || rc == REIN_ESTOPPED);
        CHECK(own == 0 || rc == REIN_ESTOPPED);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended) && atomic_load(&t.released) == 3);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

static int group_deadline(int variant)
{
        (void)variant;
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_MS(1))));
        rein_spawn(&g, pool, job_nap, &t, NULL);
        rein_spawn(&g, pool, job_nap, &t, NULL);
        int rc = rein_group_close(&g, 0);
        CHECK(rc == 0 || rc == REIN_ETIMEOUT);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended));
        if (rc == 0)
                CHECK(atomic_load(&t.ended) == 2);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- places, children of children ---- */

typedef struct place {
        rein_executor *pool;
        rein_group *group;
        tally tally;
        atomic_int inside, most;
        int depth;
} place;

static int job_placed(void *arg)
{
        place *p = arg;
        int n = atomic_fetch_add(&p->inside, 1) + 1;
        if (n > atomic_load(&p->most))
                atomic_store(&p->most, n);
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        atomic_fetch_sub(&p->inside, 1);
        count(&p->tally.ended);
        return rc;
}

static int width(int variant)
{
        (void)variant;
        place p = {.pool = rein_pool_new(REIN_POOL(.threads = 3))};
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.width = 2));
        for (int i = 0; i < 5; i++)
                rein_spawn(&g, p.pool, job_placed, &p, NULL);
        CHECK(rein_group_close(&g, 0) == 0);
        CHECK(atomic_load(&p.tally.ended) == 5 && atomic_load(&p.most) <= 2);
        stop_and_free(p.pool, REIN_STOP_QUEUED);
        return 0;
}

static int job_spawns(void *arg)
{
        place *p = arg;
        count(&p->tally.begun);
        rein_spawn(p->group, NULL, job_count, &p->tally, NULL);
        rein_spawn(p->group, NULL, job_count, &p->tally, NULL);
        count(&p->tally.ended);
        return 0;
}

static int children_of_children(int variant)
{
        (void)variant;
        rein_group g;
        place p = {.pool = rein_pool_new(REIN_POOL(.threads = 2)), .group = &g};
        rein_group_open(&g, REIN_GROUP(.width = 1));
        rein_spawn(&g, p.pool, job_spawns, &p, NULL);
        CHECK(rein_group_close(&g, 0) == 0);
        CHECK(atomic_load(&p.tally.begun) == 3 && atomic_load(&p.tally.ended) == 3);
        stop_and_free(p.pool, REIN_STOP_QUEUED);
        return 0;
}

static int background(int variant)
{
        (void)variant;
        tally t = {0}, back = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, job_sleep, &back, REIN_JOB(.background = true));
        rein_spawn(&g, pool, job_nap, &t, NULL);
        CHECK(rein_group_join(&g, REIN_NEVER) == 0);
        CHECK(atomic_load(&t.ended) == 1 && atomic_load(&back.begun) == atomic_load(&back.ended));
        rein_spawn(&g, pool, job_nap, &t, NULL);
        CHECK(rein_group_close(&g, 0) == 0);
        CHECK(atomic_load(&t.ended) == 2);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* A group whose pool is stopped under it. */
static void stop_pool(void *arg)
{
        CHECK(rein_executor_stop(arg, REIN_STOP_NOW, REIN_NEVER, NULL) == 0);
}

static int pool_stops(int variant)
{
        (void)variant;
        tally t = {0};
        crew c = {0};
        hand h;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_FIRST));
        crew_go(&c, &h, "stops", stop_pool, pool);
        for (int i = 0; i < 3; i++)
                rein_spawn(&g, pool, job_nap, &t, REIN_JOB(.release = release_tally));
        int rc = rein_group_close(&g, 0);
        CHECK(rc == 0 || rc == REIN_EFAILED);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended) && atomic_load(&t.released) == 3);
        crew_join(&c);
        stop_and_free(pool, REIN_STOP_NOW);
        return 0;
}

const scenario group_scenarios[] = {
        {"group_all", policy, REIN_ALL, RACY, 2},
        {"group_first", policy, REIN_FIRST, RACY, 2},
        {"group_any", policy, REIN_ANY, RACY, 2},
        {"group_each", policy, REIN_EACH, RACY, 1},
        {"group_canceled", group_canceled, 0, RACY, 2},
        {"group_limit", group_canceled, 1, RACY, 1},
        {"group_canceled_by_another", group_canceled_by_another, 0, RACY, 3},
        {"group_deadline", group_deadline, 0, RACY, 2},
        {"group_width", width, 0, HARMLESS, 2},
        {"group_children", children_of_children, 0, HARMLESS, 1},
        {"group_background", background, 0, RACY, 2},
        {"group_pool_stops", pool_stops, 0, RACY, 2},
        {0},
};
