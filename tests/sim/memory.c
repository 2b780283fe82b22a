/* SPDX-License-Identifier: Apache-2.0 */
/* When memory, threads and descriptors run out: a failing call changes nothing, what was made settles and goes. */
#include "sim/scenario.h"

enum { POOR = REIN_SIM_ALLOC | REIN_SIM_THREAD | REIN_SIM_FD | HARMLESS };

static bool poor(int code)
{
        return code == -ENOMEM || code == -EAGAIN || code == -EMFILE;
}

static void nobody(const rein_error *e, void *arg)
{
        (void)arg;
        CHECK(poor(rein_error_code(e)) || rein_error_code(e) == REIN_EFAILED || rein_error_code(e) == REIN_EREJECTED ||
              rein_error_code(e) == REIN_ECANCELED);
}

static int pool(int canceled)
{
        tally t = {0};
        rein_on_unseen(nobody, NULL); /* an await without memory for its task has seen nothing */
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        if (!x) /* without memory for this thread's record there is no trail either */
                return !rein_trail() || poor(rein_error_code(rein_trail())) ? 0 : -EPROTO;
        rein_future *f[3];
        int ran = 0;
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(x, job_count, &t, REIN_JOB(.release = release_tally));
        if (canceled)
                rein_cancel(f[1], "meanwhile");
        for (int i = 0; i < 3; i++) {
                int rc = rein_await(f[i], NULL, REIN_NEVER);
                CHECK(rc == 0 || rc == REIN_EFAILED || rc == -ENOMEM);
                int code = rein_code(f[i]); /* looked at, also when the wait itself had no memory */
                CHECK(code >= 0 || code == REIN_EPENDING || poor(code) || (i == 1 && code == REIN_ECANCELED));
                ran += rc == 0;
                rein_drop(f[i]);
        }
        int rc = rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        CHECK(rc == 0);
        rein_executor_free(x);
        CHECK(atomic_load(&t.released) == 3 && atomic_load(&t.ended) >= ran);
        return 0;
}

static int promises(int variant)
{
        (void)variant;
        tally t = {0};
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        if (!p)
                return f == NULL ? 0 : -EPROTO;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_next *n = x ? rein_then(f, x, NULL, NULL) : NULL;
        CHECK(n == NULL);
        CHECK(rein_promise_keep(p, &t, release_tally) == 0); /* needs no memory */
        CHECK(rein_promise_keep(p, &t, release_tally) == REIN_EALREADY);
        CHECK(rein_cancel(f, "late") == REIN_TOO_LATE);
        void *value = NULL;
        int rc = rein_await(f, &value, REIN_NEVER);
        CHECK(rc == 0 ? value == &t : rc == -ENOMEM);
        rein_promise_drop(p);
        rein_drop(f);
        CHECK(atomic_load(&t.released) == 1);
        rein_executor_free(x);
        return 0;
}

static int group(int which)
{
        tally t = {0};
        rein_on_unseen(nobody, NULL);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        if (!x)
                return 0;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = (rein_policy)which));
        for (int i = 0; i < 3; i++)
                rein_spawn(&g, x, job_nap, &t, REIN_JOB(.release = release_tally));
        int rc = rein_group_close(&g, 0);
        CHECK(rc == 0 || rc == REIN_EFAILED || poor(rc));
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended) && atomic_load(&t.released) == 3);
        if (rc == 0 && which == REIN_ALL)
                CHECK(atomic_load(&t.ended) == 3);
        CHECK(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL) == 0);
        rein_executor_free(x);
        return 0;
}

static int then_count(rein_future *f, void *arg)
{
        (void)f;
        return job_count(arg);
}

static int chain(int variant)
{
        (void)variant;
        tally t = {0}, then = {0};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        if (!x)
                return 0;
        rein_future *f = rein_submit(x, job_count, &t, NULL);
        int promised = 0;
        promised += rein_then(f, x, then_count, &then) != NULL;
        promised += rein_then(f, x, then_count, &then) != NULL;
        (void)rein_await(f, NULL, REIN_NEVER);
        (void)rein_code(f);
        rein_drop(f);
        CHECK(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        rein_executor_free(x);
        while (atomic_load(&then.ended) < promised)
                (void)rein_sleep(rein_after(REIN_MS(1)));
        CHECK(atomic_load(&then.begun) == promised);
        return 0;
}

static int scopes(int variant)
{
        (void)variant;
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        int rc = rein_sleep(REIN_NEVER);
        CHECK(rc == REIN_ECANCELED || poor(rc));
        rc = rein_scope_close(&s, rc);
        CHECK(rc == REIN_ETIMEOUT || poor(rc));
        return 0;
}

static int sockets(int variant)
{
        (void)variant;
        int l = rein_listen("poor", "80", 2);
        CHECK(l >= 0 || poor(l));
        if (l < 0)
                return 0;
        int c = rein_connect("poor", "80", REIN_NEVER);
        CHECK(c >= 0 || poor(c));
        if (c >= 0) {
                char x = 'x', y = 0;
                int a = rein_accept(l, REIN_NEVER);
                CHECK(a >= 0 || poor(a));
                int64_t n = rein_write(c, &x, 1, REIN_NEVER);
                CHECK(n == 1 || poor((int)n));
                if (a >= 0 && n == 1) {
                        n = rein_read(a, &y, 1, REIN_NEVER);
                        CHECK(n == 1 ? y == 'x' : poor((int)n));
                }
                if (a >= 0)
                        CHECK(rein_close(a) == 0);
                CHECK(rein_close(c) == 0);
        }
        CHECK(rein_close(l) == 0);
        return 0;
}

static int naps_and_reads(void *arg)
{
        char byte;
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        int64_t got = rein_read(*(int *)arg, &byte, 1, rein_after(REIN_MS(1)));
        CHECK(rc == 0 || rc == REIN_ECANCELED || poor(rc));
        CHECK(got == REIN_ETIMEOUT || got == REIN_ECANCELED || poor((int)got));
        return got == REIN_ETIMEOUT ? 0 : (int)got;
}

static int on_a_loop(void *arg)
{
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        for (int i = 0; i < 3; i++)
                rein_spawn(&g, NULL, naps_and_reads, arg, NULL);
        int rc = rein_to_thread(naps_and_reads, arg, NULL);
        CHECK(rc == 0 || rc == REIN_ECANCELED || poor(rc));
        rc = rein_group_close(&g, 0);
        return poor(rc) || rc == REIN_ECANCELED ? 0 : rc;
}

static int loop(int own_thread)
{
        int pipe[2], rc = rein_sim_pipe(pipe, 1);
        if (rc < 0)
                return poor(rc) ? 0 : rc;
        rein_on_unseen(nobody, NULL);
        if (own_thread) {
                rein_executor *x = rein_loop_new(NULL);
                rein_future *f = x ? rein_submit(x, on_a_loop, &pipe[0], NULL) : NULL;
                CHECK(!f || rein_await(f, NULL, REIN_NEVER) <= 0);
                rein_drop(f);
                CHECK(!x || rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
                rein_executor_free(x);
        } else {
                rc = rein_run(on_a_loop, &pipe[0], NULL);
                CHECK(rc == 0 || poor(rc));
        }
        CHECK(rein_close(pipe[0]) == 0 && rein_close(pipe[1]) == 0);
        return 0;
}

const scenario memory_scenarios[] = {
        {"poor_pool", pool, 0, POOR, 2},
        {"poor_pool_canceled", pool, 1, POOR, 2},
        {"poor_promises", promises, 0, POOR, 1},
        {"poor_group_all", group, REIN_ALL, POOR, 2},
        {"poor_group_first", group, REIN_FIRST, POOR, 2},
        {"poor_chain", chain, 0, POOR, 2},
        {"poor_scopes", scopes, 0, POOR, 1},
        {"poor_sockets", sockets, 0, POOR, 2},
        {"poor_run", loop, 0, POOR, 2},
        {"poor_loop", loop, 1, POOR, 2},
        {0},
};
