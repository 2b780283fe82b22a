/* SPDX-License-Identifier: Apache-2.0 */
/* Orders come as lines through a pipe, and three workers of a pool take them from a channel. The task in between waits for
 * whatever comes first: a line, a worker that is free, or a job that has had enough. While no worker is free it reads
 * nothing, so that the pipe fills and the sender waits. In the end it closes the channel: the workers finish what they
 * have. */
#include <rein/rein.h>

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS = 3, ORDERS = 1000 };

typedef struct shop {
        int ends[2]; /* of the pipe */
        rein_chan *orders;
        rein_event *full;
        atomic_int sum;
        int most; /* of the sum: then it is enough */
} shop;

static int send_orders(void *arg)
{
        shop *s = arg;
        char line[16];
        int64_t rc = 0;
        for (int i = 1; i <= ORDERS && rc >= 0; i++)
                rc = rein_write(s->ends[1], line, (size_t)snprintf(line, sizeof line, "%d\n", i), REIN_NEVER);
        rein_close(s->ends[1]); /* the end, for the feeder */
        return rc == -EPIPE ? 0 : (int)(rc < 0 ? rc : 0);
}

static int work(void *arg)
{
        shop *s = arg;
        int order, rc;
        while ((rc = rein_chan_recv(s->orders, &order, REIN_NEVER)) == 1)
                if (atomic_fetch_add(&s->sum, order) + order >= s->most)
                        rein_event_set(s->full);
        return rc; /* 0: closed, and nothing is left */
}

static int wait_until_full(void *arg)
{
        shop *s = arg;
        return rein_event_wait(s->full, REIN_NEVER);
}

/* The next order of those that were read. */
static bool take_line(char *text, size_t *had, int *order)
{
        char *end = memchr(text, '\n', *had);
        if (!end)
                return false;
        *end = '\0';
        *order = atoi(text);
        *had -= (size_t)(end + 1 - text);
        memmove(text, end + 1, *had);
        return true;
}

static int feed(shop *s, rein_future *full)
{
        char text[64];
        size_t had = 0;
        int order, rc = 0;
        bool holds = false; /* an order that no worker has taken */
        for (bool more = true; more;) {
                holds = holds || take_line(text, &had, &order);
                rein_case cases[] = {REIN_ON_SETTLED(full), REIN_ON_SEND(s->orders, &order),
                                     REIN_ON_FD(s->ends[0], POLLIN)};
                cases[holds ? 2 : 1].kind = REIN_CASE_NONE;
                switch (rc = rein_select(cases, 3, REIN_NEVER)) {
                case 1:
                        holds = false;
                        break;
                case 2: {
                        int64_t n = -EMSGSIZE; /* a line longer than any order */
                        if (had < sizeof text)
                                n = rein_read(s->ends[0], text + had, sizeof text - had, REIN_NEVER);
                        more = n > 0;
                        rc = n < 0 ? (int)n : 0;
                        had += n > 0 ? (size_t)n : 0;
                        break;
                }
                default: /* enough, or cancelled */
                        more = false;
                }
        }
        rein_chan_close(s->orders);
        rein_close(s->ends[0]); /* a sender that still writes leaves with -EPIPE */
        return rc < 0 ? rc : 0;
}

static int run(rein_executor *pool, int most)
{
        shop s = {.orders = rein_chan_new(sizeof(int), 0, NULL), .full = rein_event_new(), .most = most};
        rein_group g;
        if (!s.orders || !s.full || pipe(s.ends) < 0)
                return -ENOMEM;
        rein_future *full = rein_submit(pool, wait_until_full, &s, REIN_JOB(.name = "until full"));
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, send_orders, &s, REIN_JOB(.name = "sender"));
        for (int i = 0; i < WORKERS; i++)
                rein_spawn(&g, pool, work, &s, REIN_JOB(.name = "worker"));
        int rc = rein_group_close(&g, feed(&s, full));
        if (s.sum < most)
                printf("%s: all orders, their sum is %d\n", rein_code_name(rc), s.sum);
        else
                printf("%s: enough orders, their sum is %d or more\n", rein_code_name(rc), most);
        rein_cancel(full, "the shop is closed");
        rein_wait_all(&full, 1, REIN_NEVER); /* it uses the event */
        rein_drop(full);
        rein_event_free(s.full);
        rein_chan_free(s.orders);
        return rc;
}

int main(void)
{
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "shop", .threads = WORKERS + 2));
        if (!pool) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        int whole = run(pool, INT32_MAX), part = run(pool, 1000);
        rein_executor_free(pool);
        return whole == 0 && part == 0 ? 0 : 1;
}
