/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of what tasks of every kind share: members that are jobs of a pool, coroutines of a loop, or both in
 * turn; each makes one call that blocks, and one sees when it stands in its line. */
#ifndef TESTS_MEMBERS_H
#define TESTS_MEMBERS_H

#include "support.h"

enum { THREADS, COROUTINES, MIXED, FORMS };

typedef struct member {
        int (*call)(struct member *m);
        void *object;
        rein_time until;
        int number;      /* for the call */
        atomic_int *log; /* members that got what they wanted so far */
        int rc, place;   /* of the call; when it got it, from 0 */
        bool canceled;   /* was it, when the call returned? */
        seat seat;
        rein_future *future;
} member;

static rein_executor *crew_pool, *crew_loop;

static int crew_open(void **state)
{
        (void)state;
        if (!rn_get32(&rn_unusual))           /* nobody else has chosen */
                rn_choose_by(support_choose); /* before there are threads */
        crew_pool = rein_pool_new(REIN_POOL(.name = "threads", .threads = 8));
        crew_loop = rein_loop_new(REIN_OPTS(rein_loop_opts, .name = "loop"));
        return crew_pool && crew_loop ? 0 : -1;
}

static int crew_close(void **state)
{
        (void)state;
        rein_executor_free(crew_pool);
        rein_executor_free(crew_loop);
        return 0;
}

static inline rein_executor *crew_of(int form, int i)
{
        return form == THREADS || (form == MIXED && i % 2) ? crew_pool : crew_loop;
}

static int member_main(void *arg)
{
        member *m = arg;
        m->place = -1;
        sit(&m->seat);
        m->rc = m->call(m);
        if (m->rc >= 0 && m->log && m->place < 0)
                m->place = atomic_fetch_add(m->log, 1);
        m->canceled = rein_checkpoint() == REIN_ECANCELED;
        return 0;
}

static inline void member_start(member *m, rein_executor *x)
{
        if (m->until.ns == 0)
                m->until = REIN_NEVER;
        atomic_store(&m->seat.task, NULL);
        m->future = rein_submit(x, member_main, m, NULL);
}

/* Start it, and go on when it stands in the line. */
static inline void member_in_line(member *m, rein_executor *x, const char *call)
{
        member_start(m, x);
        EVENTUALLY(sits_in(&m->seat, call));
}

/* The code of its call. One that never returns fails the test. */
static inline int member_end(member *m)
{
        int rc = rein_await(m->future, NULL, rein_after(REIN_SEC(20)));
        if (rc == REIN_EFAILED && rein_error_is(rein_trail(), REIN_ECANCELED))
                rc = 0;
        if (rc != 0)
                fail_msg("member %d does not return: %s", m->number, rein_code_name(rc));
        rein_drop(m->future);
        return m->rc;
}

#endif
