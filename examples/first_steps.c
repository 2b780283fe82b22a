/* SPDX-License-Identifier: Apache-2.0 */
/* The guide's program: a future and its value, a group, a deadline, a cancel, and an error that tells its story. */
#include <rein/rein.h>

#include <stdlib.h>

static int square(void *arg)
{
        int n = *(const int *)arg;
        long result = (long)n * n;
        return rein_give_copy(&result, sizeof result);
}

static int parse(void *text)
{
        char *end;
        long n = strtol(text, &end, 10);
        if (end == text || *end)
                return rein_fail(REIN_EUSER, "not a number: '%s'", (char *)text);
        return (int)n;
}

static int load(void *text)
{
        int rc = parse(text);
        return rc < 0 ? rein_wrap(rc, "cannot load the page") : rc;
}

static int endless(void *arg)
{
        (void)arg;
        for (uint64_t n = 0;; n++)
                if (n % 1024 == 0 && rein_checkpoint() < 0)
                        return REIN_ECANCELED;
}

static int save(void *arg)
{
        (void)arg;
        printf("saved\n");
        return 0;
}

int main(void)
{
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "guide", .threads = 4));
        if (!pool) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }

        int n = 12;
        void *value;
        rein_future *f = rein_submit(pool, square, REIN_COPY(n, .name = "square"));
        if (rein_await(f, &value, rein_after(REIN_SEC(5))) == 0)
                printf("the square of %d is %ld\n", n, *(long *)value);
        rein_drop(f);

        rein_group g;
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_MS(50))));
        for (int i = 0; i < 3; i++)
                rein_spawn(&g, pool, endless, NULL, NULL);
        int rc = rein_group_close(&g, 0); /* here all three are gone */
        printf("the group: %s\n", rein_code_name(rc));

        f = rein_submit(pool, endless, NULL, REIN_JOB(.name = "endless"));
        rein_cancel_answer answer = rein_cancel(f, "nobody needs it");
        rein_await(f, NULL, REIN_NEVER); /* a cancelled future settles like any other */
        printf("the cancelled job: %s, %s\n", answer == REIN_TOO_LATE ? "too late" : "in time",
               rein_code_name(rein_code(f)));
        rein_drop(f);

        f = rein_submit(pool, load, "twelve", REIN_JOB(.name = "page"));
        if (rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED)
                rein_error_print(stdout, rein_error_of(f));
        rein_drop(f);

        rein_post(pool, save, NULL, REIN_JOB(.name = "save")); /* nobody waits for it */
        rein_receipt *receipt;
        int ended = rein_executor_stop(pool, REIN_STOP_QUEUED, rein_after(REIN_SEC(5)), &receipt);
        if (ended == REIN_ESTUCK)
                rein_receipt_print(stderr, receipt);
        rein_receipt_free(receipt);
        rein_executor_free(pool);
        return rc == REIN_ETIMEOUT && ended == 0 ? 0 : 1;
}
