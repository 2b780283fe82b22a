/* SPDX-License-Identifier: Apache-2.0 */
/* What one can do with a future: an array of them, the first that ends well, a result that moves out, a reference kept
 * for later, a continuation taken back, and the failures of a group one by one. */
#include <rein/rein.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int shout(void *arg)
{
        const char *word = *(const char *const *)arg;
        if (rein_arg_size() != sizeof word)
                return rein_fail(-EINVAL, "the word comes as a copy of its pointer");
        char *loud = strdup(word);
        if (!loud)
                return -ENOMEM;
        for (char *c = loud; *c; c++)
                *c = (char)(*c - 'a' + 'A');
        return rein_give(loud, free); /* a pointer, and how to free it when nobody takes it */
}

static int mirror(void *arg) /* one of three: it answers at once, later, or never */
{
        int n = *(const int *)arg;
        if (n == 0)
                return rein_fail(REIN_EUSER, "mirror %d is down", n);
        int rc = rein_sleep(n == 1 ? REIN_NOWAIT : rein_after(REIN_SEC(3600)));
        return rc < 0 ? rc : n;
}

static int never(rein_future *f, void *arg)
{
        (void)f;
        *(int *)arg = 1;
        return 0;
}

static int many(rein_executor *pool)
{
        const char *words[] = {"one", "two", "three"};
        void *args[] = {&words[0], &words[1], &words[2]};
        rein_future *f[3];
        void *value = NULL;
        void (*release)(void *) = NULL;
        int taken = rein_submit_many(pool, shout, args, 3, REIN_JOB(.arg_size = sizeof words[0]), f);
        int any = rein_wait_any(f, 3, REIN_NEVER);
        int rc = rein_wait_all(f, 3, REIN_NEVER);
        printf("taken: %d, one was settled: %s, all: %s\n", taken, any >= 0 ? "yes" : "no", rein_code_name(rc));

        rein_future *kept = rein_ref(f[0]); /* two hold it now */
        printf("the first says %s\n", (char *)rein_value(kept, NULL));
        rein_drop(kept);
        if (rein_take(f[2], &value, &release) == 0) { /* only one holds it: the value may move out */
                rein_drop(f[2]);
                f[2] = NULL;
                printf("the third said %s\n", (char *)value);
                release(value);
        }
        for (int i = 0; i < 3; i++)
                rein_drop(f[i]);
        return rc;
}

static int first_of(rein_executor *pool)
{
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(pool, mirror, REIN_COPY(i));
        int ran = 0;
        rein_next *next = rein_then(f[2], pool, never, &ran);
        rein_next_remove(next);                        /* it is not settled: the continuation will not run */
        int which = rein_wait_first(f, 3, REIN_NEVER); /* the others are cancelled */
        rein_wait_all(f, 3, REIN_NEVER);
        printf("mirror %d answered; the others: %s, %s; the continuation ran: %s\n", which,
               rein_code_name(rein_code(f[0])), rein_code_name(rein_code(f[2])), ran ? "yes" : "no");
        for (int i = 0; i < 3; i++)
                rein_drop(f[i]);
        return which;
}

static int each_failure(rein_executor *pool)
{
        rein_group g;
        int down = 0, failures = 0, placed = 0;
        rein_group_open(&g, REIN_GROUP(.width = 1));
        rein_future *f = rein_spawn_future(&g, pool, mirror, REIN_COPY(down));
        int rc = rein_group_close(&g, f ? 0 : -ENOMEM);
        for (const rein_error *e = rein_error_cause(rein_trail()); e; e = rein_error_next(e), failures++)
                placed += strstr(rein_error_where(e), "futures.c") != NULL;
        printf("%s: failures: %d, with their place: %d\n", rein_code_name(rc), failures, placed);
        return rc;
}

int main(void)
{
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 3));
        if (!pool)
                return 1;
        bool well = many(pool) == 0 && first_of(pool) == 1 && each_failure(pool) == REIN_EFAILED;
        rein_executor_free(pool);
        printf("rein %s\n", rein_version());
        return well ? 0 : 1;
}
