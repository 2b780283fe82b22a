/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline: a coroutine produces pages, four threads of a pool work on them, another coroutine collects them. First a
 * whole run; then one in which the collector has enough after a hundred pages: the others are cancelled wherever they
 * wait, and no page is lost or leaked. Each channel closes by itself when the last job that sends to it is gone. */
#include <rein/rein.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PAGES = 2000, WORKERS = 4 };

typedef struct page {
        int number;
        long sum;
} page;

typedef struct line {
        rein_chan *raw, *finished; /* of page * */
        int enough, collected;
        long sum;
} line;

static atomic_int alive; /* pages */

static page *page_new(int number)
{
        page *p = calloc(1, sizeof *p);
        if (!p)
                abort();
        atomic_fetch_add(&alive, 1);
        p->number = number;
        return p;
}

static void page_free(page *p)
{
        atomic_fetch_sub(&alive, 1);
        free(p);
}

static void release_page(void *item)
{
        page_free(*(page **)item);
}

static int produce(void *arg)
{
        line *l = arg;
        for (int i = 1; i <= PAGES; i++) {
                page *p = page_new(i);
                int rc = rein_chan_send(l->raw, &p, REIN_NEVER);
                if (rc < 0) {
                        page_free(p); /* not sent: it is still mine */
                        return rc;
                }
        }
        return 0;
}

static int work(void *arg)
{
        line *l = arg;
        page *p;
        int rc;
        while ((rc = rein_chan_recv(l->raw, &p, REIN_NEVER)) == 1) {
                for (int i = 1; i <= p->number; i++)
                        p->sum += i;
                rc = rein_chan_send(l->finished, &p, REIN_NEVER);
                if (rc < 0) {
                        page_free(p);
                        return rc;
                }
        }
        return rc; /* 0: the producer is gone, and nothing is left */
}

static int collect(void *arg)
{
        line *l = arg;
        while (l->collected < l->enough) {
                page *p;
                rein_case cases[] = {REIN_ON_RECV(l->finished, &p), REIN_ON_TIME(rein_after(REIN_SEC(30)))};
                int which = rein_select(cases, 2, REIN_NEVER);
                if (which < 0)
                        return which;
                if (which == 1)
                        return rein_fail(-ETIME, "no page for thirty seconds");
                if (cases[0].result == 0)
                        return 0; /* closed, and nothing left */
                l->collected++;
                l->sum += p->sum;
                page_free(p);
        }
        return rein_fail(REIN_EUSER, "enough");
}

static int run(rein_executor *loop, rein_executor *pool, int enough)
{
        rein_group g;
        line l = {.raw = rein_chan_new(sizeof(page *), 16, release_page),
                  .finished = rein_chan_new(sizeof(page *), 16, release_page),
                  .enough = enough};
        rein_group_open(&g, NULL);
        rein_spawn(&g, loop, produce, &l, REIN_JOB(.sends = l.raw));
        for (int i = 0; i < WORKERS; i++)
                rein_spawn(&g, pool, work, &l, REIN_JOB(.sends = l.finished));
        rein_chan_finish(l.raw); /* no more senders than these */
        rein_chan_finish(l.finished);
        rein_spawn(&g, loop, collect, &l, NULL);
        int rc = rein_group_close(&g, 0); /* all are gone */
        printf("%s: %d pages, their sum is %ld\n", rc < 0 ? rein_error_text(rein_error_cause(rein_trail())) : "done",
               l.collected, l.sum);
        rein_chan_free(l.raw); /* with what is left in them */
        rein_chan_free(l.finished);
        printf("pages left behind: %d\n", alive);
        return rc;
}

int main(void)
{
        rein_executor *loop = rein_loop_new(NULL);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = WORKERS));
        if (!loop || !pool) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        int whole = run(loop, pool, PAGES + 1);
        int stopped = run(loop, pool, 100);
        rein_executor_free(loop);
        rein_executor_free(pool);
        return whole == 0 && stopped == REIN_EFAILED && alive == 0 ? 0 : 1;
}
