/* SPDX-License-Identifier: Apache-2.0 */
/* No failure is lost: a group reports each of its children's, a retry every try's, and what nobody looked at is given to
 * a function of yours when its last reference goes. */
#include <rein/rein.h>

#include <errno.h>
#include <string.h>

static int unseen;

static void on_unseen(const rein_error *e, void *arg)
{
        (void)arg;
        unseen++;
        printf("nobody looked at: %s\n", rein_error_text(e));
}

static int fails(void *name)
{
        return rein_fail(REIN_EUSER, "%s is broken", (char *)name);
}

static int refuses_twice(void *tries)
{
        if (++*(int *)tries <= 2)
                return rein_fail(-ECONNREFUSED, "try %d was refused", *(int *)tries);
        return *(int *)tries;
}

int main(void)
{
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "errors", .threads = 2));
        if (!pool)
                return 1;
        rein_on_unseen(on_unseen, NULL);

        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_ALL));
        rein_spawn(&g, pool, fails, "the left half", REIN_JOB(.name = "left"));
        rein_spawn(&g, pool, fails, "the right half", REIN_JOB(.name = "right"));
        int rc = rein_group_close(&g, 0);
        printf("the group: %s\n", rein_code_name(rc));
        if (rein_error_code(rein_trail()) == rc && rein_error_is(rein_trail(), REIN_EUSER))
                rein_error_print(stdout, rein_trail());

        int tries = 0;
        rein_budget *budget = rein_budget_new(10, 0.1); /* shared by all who retry: no storm when everything fails */
        rc = rein_retry(REIN_RETRY(.tries = 5, .delay_ns = REIN_MS(1), .budget = budget), refuses_twice, &tries);
        printf("the retry: %d after %d tries\n", rc, tries);
        tries = -10;
        rc = rein_retry(REIN_RETRY(.tries = 2, .delay_ns = REIN_MS(1)), refuses_twice, &tries);
        printf("all tries failed: %s\n", rein_code_name(rc));
        for (const rein_error *e = rein_trail(); e; e = rein_error_cause(e))
                printf("  %s\n", rein_error_text(e));

        rein_drop(rein_submit(pool, fails, "what was dropped", NULL));
        rein_executor_stop(pool, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        rein_executor_free(pool);
        rein_budget_free(budget);
        rein_on_unseen(NULL, NULL);
        return unseen == 1 ? 0 : 1;
}
