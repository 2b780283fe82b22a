/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that brings rein along: built with librein.a, and with librein.so. */
#include <rein/rein.h>

int plugin_run(int n);
int plugin_idle(void);

static int answer(void *arg)
{
        return *(int *)arg + (rein_sleep(REIN_NOWAIT) < 0);
}

/* Everything that it made is freed when it returns; rein's own threads are still on their way out, or stay. */
int plugin_run(int n)
{
        enum { JOBS = 4 };
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "plugin", .threads = 2));
        rein_future *f[JOBS];
        int sum = 0;
        if (!pool)
                return -1;
        for (int i = 0; i < JOBS; i++)
                f[i] = rein_submit(pool, answer, &n, REIN_JOB(.limit_ns = REIN_SEC(60), .on_worker = true));
        rein_wait_all(f, JOBS, REIN_NEVER);
        for (int i = 0; i < JOBS; i++) {
                sum += rein_code(f[i]);
                rein_drop(f[i]);
        }
        rein_executor_free(pool);
        return sum;
}

/* Nothing of rein's that would have to outlive the plugin. */
int plugin_idle(void)
{
        return rein_version()[0] == '0' ? 0 : -1;
}
