/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign code that blocks, stopped. An endless query leaves sqlite3_exec because its hook region calls
 * sqlite3_interrupt: also when the stop came before the statement ran, for the call is repeated until the region
 * closes. A read(2) that nobody will ever answer returns because its region pokes the thread with a signal. */
#include <rein/rein.h>

#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>

static sqlite3 *db;
static int ends[2];          /* of a pipe */
static rein_promise *inside; /* kept when a region is open: a stop that comes now has a call to unblock */

static void interrupt_query(void *arg)
{
        sqlite3_interrupt(arg);
}

static int endless_query(void *scope)
{
        rein_hook h;
        int rc = rein_hook_open(&h, interrupt_query, db);
        if (rc < 0)
                return rc; /* cancelled already: the call is not made */
        if (scope)
                rein_scope_cancel(scope, "too early"); /* sqlite3_interrupt finds nothing to interrupt yet */
        else
                rein_promise_keep(inside, NULL, NULL);
        rc = sqlite3_exec(db, "WITH n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT 1 FROM n", NULL, NULL, NULL);
        return rein_hook_close(&h, rc == SQLITE_OK ? 0 : -EIO);
}

static int endless_read(void *arg)
{
        rein_hook h;
        int rc = rein_hook_open(&h, REIN_POKE, NULL);
        if (rc < 0)
                return rc;
        rein_promise_keep(inside, NULL, NULL);
        rc = read(ends[0], arg, 1) < 0 ? -errno : 0; /* rein_read would need no region */
        return rein_hook_close(&h, rc);
}

/* Let a job enter its region, stop the pool at once, and print what the receipt says. */
static int stop_inside(rein_executor *pool, rein_fn fn, void *arg, const char *name)
{
        rein_receipt *receipt;
        rein_straggler s = {.size = sizeof s};
        rein_future *entered;
        inside = rein_promise_new(&entered);
        rein_future *f = rein_submit(pool, fn, arg, REIN_JOB(.name = name));
        int rc = rein_await(entered, NULL, rein_after(REIN_SEC(10)));
        rc |= rein_executor_stop(pool, REIN_STOP_NOW, rein_after(REIN_SEC(10)), &receipt);
        if (rc == 0 && rein_receipt_at(receipt, 0, &s))
                printf("%s: stopped by %s, its future says %s\n", s.name, s.stopped_by, rein_code_name(rein_code(f)));
        if (rc == 0 && s.frames && s.frames[0])
                printf("it was\n%s\n", s.frames);
        rein_receipt_free(receipt);
        rein_drop(f);
        rein_drop(entered);
        rein_promise_drop(inside);
        return rc < 0 ? rc : rein_executor_restart(pool);
}

int main(void)
{
        char byte;
        rein_scope s;
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "foreign", .threads = 1));
        if (!pool || sqlite3_open(":memory:", &db) != SQLITE_OK || pipe(ends) < 0)
                return 1;
        rein_scope_open(&s, REIN_NEVER);
        int rc = rein_scope_close(&s, endless_query(&s));
        printf("query stopped before it ran: %s\n", rein_code_name(rc));
        bool stopped = rc == REIN_ESTOPPED && stop_inside(pool, endless_query, NULL, "query") == 0 &&
                       stop_inside(pool, endless_read, &byte, "read") == 0;
        rein_executor_free(pool);
        sqlite3_close(db);
        return stopped ? 0 : 1;
}
