/* SPDX-License-Identifier: Apache-2.0 */
/* The same function in a plain thread, in a pool's and in a coroutine. */
#ifndef TESTS_EVERYWHERE_H
#define TESTS_EVERYWHERE_H

#include "support.h"

enum { PLAIN, POOL, LOOP, PLACES };

static rein_executor *in[PLACES]; /* PLAIN: NULL */

static inline int open_places(void **state)
{
        (void)state;
        in[POOL] = rein_pool_new(REIN_POOL(.threads = 12));
        in[LOOP] = rein_loop_new(NULL);
        return in[POOL] && in[LOOP] ? 0 : -1;
}

static inline int close_places(void **state)
{
        (void)state;
        rein_executor_free(in[POOL]);
        rein_executor_free(in[LOOP]);
        return 0;
}

static inline int ended(rein_future *f)
{
        if (rein_await(f, NULL, rein_after(REIN_SEC(40))) == REIN_ETIMEOUT) {
                fprintf(stderr, "a job that is waited for never ends\n");
                abort();
        }
        int rc = rein_code(f);
        rein_drop(f);
        return rc;
}

/* What fn says, which runs there. */
static inline int there(int place, rein_fn fn, void *arg)
{
        return place == PLAIN ? fn(arg) : ended(rein_submit(in[place], fn, arg, REIN_JOB(.on_worker = true)));
}

/* What went wrong in a job, by its line. */
#define OK(condition)                                                                                                  \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        return rein_fail(REIN_EUSER - __LINE__, "%s", #condition);                                     \
        } while (0)

#endif
