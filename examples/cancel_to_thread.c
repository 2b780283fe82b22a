/* SPDX-License-Identifier: Apache-2.0 */
/* A quick job and one that goes on for ever, side by side on a pool. When the first of them ends the other is stopped,
 * and the call that ran both returns only when its thread has really left: nothing runs on behind your back. */
#include <rein/rein.h>

#include <stdatomic.h>

static atomic_int running;

static int quick(void *arg)
{
        (void)arg;
        return rein_sleep(rein_after(REIN_MS(50)));
}

static int still_standing(void *lines)
{
        int rc;
        running++;
        while ((rc = rein_sleep(rein_after(REIN_MS(20)))) == 0) {
                printf("I'm still standing\n");
                ++*(int *)lines; /* on the stack of race: it is there as long as this job is */
        }
        printf("the endless job leaves: %s\n", rein_why());

        rein_scope s;
        rein_shield_open(&s, REIN_SEC(1)); /* a second, counted from the cancel, to clean up in peace */
        int cleaned = rein_scope_close(&s, rein_sleep(rein_after(REIN_MS(10))));
        printf("its clean-up could sleep: %s\n", rein_code_name(cleaned));
        running--;
        return rc;
}

static int race(void *pool)
{
        int lines = 0;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_ANY)); /* the first end is the group's, and stops the rest */
        rein_spawn(&g, pool, still_standing, &lines, REIN_JOB(.name = "endless"));
        rein_spawn(&g, pool, quick, NULL, REIN_JOB(.name = "quick"));
        int rc = rein_group_close(&g, 0);
        printf("race: %s; jobs still running: %d\n", rein_code_name(rc), running);
        return rc;
}

int main(void)
{
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "threads", .threads = 2));
        if (!pool) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        int won = race(pool);

        /* The same with one job: rein_on runs it on the pool, in the scope of who calls. */
        int lines = 0;
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_MS(50)));
        int rc = rein_scope_close(&s, rein_on(pool, still_standing, &lines, REIN_JOB(.on_worker = true)));
        printf("rein_on under a deadline: %s; jobs still running: %d\n", rein_code_name(rc), running);
        rein_executor_free(pool);
        return won == 0 && rc == REIN_ETIMEOUT && running == 0 ? 0 : 1;
}
