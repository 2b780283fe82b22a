/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP/1.1 service: keep-alive and pipelining, one coroutine for each client, one pool for each route, so that
 * trouble on one route is no trouble on another.
 *
 *      GET /fast       a little work
 *      GET /slow?N     counts to N in SQLite; interrupted when it takes too long
 *      GET /stuck      never comes back and cannot be interrupted, as a driver or a library that hangs
 *      GET /status     what the pools hold; answered without any of them
 *
 * usage: http_service [PORT [REQUEST_MS [DRAIN_MS]]]      PORT 0 takes a free one; it listens on 127.0.0.1.
 * A request may take REQUEST_MS to arrive, as long to be worked on, and its answer as long to leave. SIGTERM drains: no
 * new clients, what is in flight may end, and within DRAIN_MS the process is gone, having named what was stuck. */
#include <rein/rein.h>

#include <arpa/inet.h>
#include <errno.h>
#include <http_parser.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
        MOST_CLIENTS = 500, /* one more waits to be taken in until another has left */
        MOST_HEADER = 4096,
        MOST_URL = 256,
        SEND_BUFFER = 32 * 1024, /* the kernel's, for each client: what one that never reads costs at most */
        REFUSAL_PAUSE_MS = 50, /* who was told 503 and asks again at once waits here: it costs a coroutine, not a CPU */
        LAST_ANSWERS_MS = 200  /* of the drain, for answers to leave when the pools have stopped */
};

static int64_t request_ns = REIN_SEC(5), drain_ns = REIN_SEC(10);
static bool draining;

/* ---- the routes ---- */

static _Thread_local sqlite3 *db; /* of each thread of the pool "slow" */

static int open_db(void *arg)
{
        (void)arg;
        return sqlite3_open(":memory:", &db) == SQLITE_OK ? 0 : rein_fail(-EIO, "sqlite: %s", sqlite3_errmsg(db));
}

static int close_db(void *arg)
{
        (void)arg;
        return sqlite3_close(db) == SQLITE_OK ? 0 : -EIO;
}

typedef struct call {
        const char *query; /* of the URL */
        char text[256];    /* the answer */
} call;

static int fast(void *arg)
{
        call *c = arg;
        unsigned hash = 5381;
        for (const char *q = c->query; *q; q++)
                hash = hash * 33 + (unsigned char)*q;
        return snprintf(c->text, sizeof c->text, "fast %u\n", hash);
}

static void interrupt_query(void *connection)
{
        sqlite3_interrupt(connection);
}

static int slow(void *arg)
{
        call *c = arg;
        sqlite3_stmt *q;
        rein_hook h;
        int rc = sqlite3_prepare_v2(
                db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) SELECT count(*) FROM n",
                -1, &q, NULL);
        if (rc != SQLITE_OK)
                return rein_fail(-EIO, "sqlite: %s", sqlite3_errmsg(db));
        sqlite3_bind_int64(q, 1, *c->query ? atoll(c->query) : 10000);
        rc = rein_hook_open(&h, interrupt_query, db); /* a cancel or a deadline interrupts the query */
        if (rc == 0) {
                rc = sqlite3_step(q) == SQLITE_ROW ? 0 : -EIO;
                if (rc == 0)
                        snprintf(c->text, sizeof c->text, "slow %lld\n", (long long)sqlite3_column_int64(q, 0));
                rc = rein_hook_close(&h, rc);
        }
        sqlite3_finalize(q);
        return rc;
}

static int stuck(void *arg)
{
        while (!arg)
                sleep(1000); /* foreign code: rein does not see it, and nothing interrupts it */
        return 0;
}

static struct route {
        const char *path;
        rein_fn work;
        int threads;
        size_t queue; /* when so many wait for a thread the next is told 503 */
        rein_fn init, fini;
        bool hangs; /* it may be abandoned: so it is given nothing of ours to look at */
        rein_executor *pool;
} routes[] = {
        {.path = "/fast", .work = fast, .threads = 2, .queue = 256},
        {.path = "/slow", .work = slow, .threads = 2, .queue = 64, .init = open_db, .fini = close_db},
        {.path = "/stuck", .work = stuck, .threads = 2, .queue = 8, .hangs = true},
};

enum { ROUTES = sizeof routes / sizeof routes[0] };

/* ---- a client ---- */

typedef struct client {
        struct client *next, **link;
        int fd;
        http_parser parser;
        size_t from, to; /* of `in`: what was read and not parsed */
        char in[MOST_HEADER], url[MOST_URL];
        size_t url_length;
        bool whole, keep_alive;
} client;

static client *clients; /* all of them, on the loop's one thread: no lock */

static int on_begin(http_parser *p)
{
        client *c = p->data;
        c->url_length = 0;
        c->whole = false;
        return 0;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
        client *c = p->data;
        if (n >= MOST_URL - c->url_length)
                return -1;
        memcpy(c->url + c->url_length, at, n);
        c->url[c->url_length += n] = '\0';
        return 0;
}

static int on_headers(http_parser *p)
{
        return p->method == HTTP_GET ? 0 : -1;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
        (void)p, (void)at, (void)n;
        return -1; /* no route wants one */
}

static int on_whole(http_parser *p)
{
        client *c = p->data;
        c->whole = true;
        c->keep_alive = http_should_keep_alive(p);
        http_parser_pause(p, 1); /* what follows is the next request's */
        return 0;
}

static const http_parser_settings settings = {.on_message_begin = on_begin,
                                              .on_url = on_url,
                                              .on_headers_complete = on_headers,
                                              .on_body = on_body,
                                              .on_message_complete = on_whole};

/* Why the parser did not go on, as a status. */
static int refusal(enum http_errno why)
{
        switch (why) {
        case HPE_HEADER_OVERFLOW:
                return 431;
        case HPE_CB_url:
                return 414;
        case HPE_CB_headers_complete:
                return 405;
        case HPE_CB_body:
                return 413;
        default:
                return 400;
        }
}

/* 0: a request is there; a status: it is refused; negative: there is no more. */
static int next_request(client *c)
{
        rein_time until = rein_after(request_ns);
        for (c->whole = false; !c->whole;) {
                if (c->from == c->to) {
                        int64_t n = rein_read(c->fd, c->in, sizeof c->in, until);
                        if (n <= 0)
                                return n < 0 ? (int)n : -ENOTCONN;
                        c->from = 0;
                        c->to = (size_t)n;
                }
                c->from += http_parser_execute(&c->parser, &settings, c->in + c->from, c->to - c->from);
                enum http_errno why = HTTP_PARSER_ERRNO(&c->parser);
                if (why == HPE_PAUSED)
                        http_parser_pause(&c->parser, 0);
                else if (why != HPE_OK || c->parser.upgrade)
                        return refusal(why);
        }
        return 0;
}

/* Is the connection good for another request? */
static bool respond(client *c, int status, const char *text)
{
        char out[768];
        bool goes_on = c->keep_alive && !draining && (status == 200 || status == 404 || status >= 500);
        int n = snprintf(
                out, sizeof out,
                "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s", status,
                http_status_str((enum http_status)status), strlen(text), goes_on ? "keep-alive" : "close", text);
        return rein_write(c->fd, out, (size_t)n, rein_after(request_ns)) == n && goes_on;
}

static bool status_of_pools(client *c)
{
        char text[256];
        int n = 0;
        for (int i = 0; i < ROUTES; i++)
                n += snprintf(text + n, sizeof text - (size_t)n, "%s %zu unfinished, %zu queued\n", routes[i].path,
                              rein_executor_unfinished(routes[i].pool), rein_executor_queued(routes[i].pool));
        return respond(c, 200, text);
}

static bool run_on_pool(client *c, const struct route *r, const char *query)
{
        call to = {.query = query};
        rein_scope s;
        rein_scope_open(&s, rein_after(request_ns));
        int rc = rein_on(r->pool, r->work, r->hangs ? NULL : &to,
                         REIN_JOB(.name = r->path, .unheeded = r->hangs ? REIN_ABANDON_IT : REIN_WAIT_FOR_IT));
        rc = rein_scope_close(&s, rc);
        if (rc >= 0)
                return respond(c, 200, to.text);
        if (rc == REIN_ETIMEOUT || rc == REIN_EABANDONED)
                return respond(c, 504, "it took too long\n");
        if (rc != REIN_EREJECTED && rc != REIN_ECANCELED)
                return respond(c, 500, "it went wrong\n");
        rein_sleep(rein_after(REIN_MS(REFUSAL_PAUSE_MS)));
        return respond(c, 503, "too much of this is waiting already\n");
}

static bool answer(client *c)
{
        char *query = strchr(c->url, '?');
        if (query)
                *query++ = '\0';
        if (strcmp(c->url, "/status") == 0)
                return status_of_pools(c);
        for (int i = 0; i < ROUTES; i++)
                if (strcmp(c->url, routes[i].path) == 0)
                        return run_on_pool(c, &routes[i], query ? query : "");
        return respond(c, 404, "there is nothing here\n");
}

/* It may still be sending: closed at once, it would lose the answer. */
static void refuse(client *c, int status)
{
        c->keep_alive = false;
        respond(c, status, "");
        shutdown(c->fd, SHUT_WR);
        rein_time until = rein_after(request_ns);
        while (rein_read(c->fd, c->in, sizeof c->in, until) > 0)
                ;
}

/* The descriptor is closed when it has ended, by its job's release. */
static int serve(void *fd)
{
        client c = {.fd = *(int *)fd, .next = clients, .link = &clients};
        if (c.next)
                c.next->link = &c.next;
        clients = &c;
        http_parser_init(&c.parser, HTTP_REQUEST);
        c.parser.data = &c;

        int rc = 0;
        while (!draining && (rc = next_request(&c)) == 0 && answer(&c))
                ;
        if (rc > 0)
                refuse(&c, rc);
        *c.link = c.next;
        if (c.next)
                c.next->link = c.link;
        return 0;
}

/* ---- the service ---- */

static int accept_clients(void *listener)
{
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH, .width = MOST_CLIENTS));
        while (!draining) {
                int fd = rein_accept(*(int *)listener, REIN_NEVER);
                if (fd >= 0)
                        rein_spawn(&g, NULL, serve, REIN_COPY(fd, .name = "client", .release = rein_release_fd));
                else if (fd == REIN_ECANCELED || fd == -EBADF)
                        break;
                else
                        rein_sleep(rein_after(REIN_MS(100))); /* no more descriptors, perhaps: some will be closed */
        }
        return rein_group_close(&g, 0);
}

static int open_pools(void)
{
        for (int i = 0; i < ROUTES; i++) {
                struct route *r = &routes[i];
                r->pool = rein_pool_new(REIN_POOL(.name = r->path + 1, .threads = r->threads, .queue_max = r->queue,
                                                  .full = REIN_FULL_REJECT, .init = r->init, .fini = r->fini,
                                                  .grace_ns = REIN_MS(100)));
                if (!r->pool)
                        return rein_error_code(rein_trail());
        }
        return 0;
}

/* All pools at once, by `until`: what they have may end, what does not is named. */
static void stop_pools(rein_stop how, rein_time until)
{
        for (int i = 0; i < ROUTES; i++)
                rein_executor_stop_begin(routes[i].pool, how, until);
        for (int i = 0; i < ROUTES; i++) {
                rein_receipt *receipt = NULL;
                int rc = rein_executor_stop(routes[i].pool, how, until, &receipt);
                printf("%s: %s, %zu jobs in the receipt\n", routes[i].path, rein_code_name(rc),
                       rein_receipt_count(receipt));
                rein_receipt_print(stdout, receipt);
                rein_receipt_free(receipt);
        }
}

static int service(void *port)
{
        struct sockaddr_in at;
        socklen_t length = sizeof at;
        int buffer = SEND_BUFFER, rc = open_pools();
        int fd = rc < 0 ? rc : rein_listen("127.0.0.1", port, 511);
        if (fd < 0)
                return fd;
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer); /* whom it accepts inherits it */
        getsockname(fd, (struct sockaddr *)&at, &length);
        printf("listening on port %d\n", ntohs(at.sin_port));
        fflush(stdout);

        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, accept_clients, &fd, REIN_JOB(.name = "accept"));
        rc = rein_wait_signal(SIGTERM, REIN_NEVER);

        rein_time end = rein_after(drain_ns);
        draining = true;
        rein_close(fd);
        for (client *c = clients; c; c = c->next)
                shutdown(c->fd, SHUT_RD); /* who waits for a request finds the end; an answer may still leave */
        stop_pools(rc == SIGTERM ? REIN_STOP_QUEUED : REIN_STOP_NOW, rein_after(drain_ns - REIN_MS(LAST_ANSWERS_MS)));
        if (rein_group_join(&g, end) < 0)
                rein_group_cancel(&g, "the drain is over");
        rc = rein_group_close(&g, 0);
        printf("drained: %s\n", rein_code_name(rc));
        return rc;
}

int main(int argc, char **argv)
{
        if (argc > 2)
                request_ns = REIN_MS(atoll(argv[2]));
        if (argc > 3)
                drain_ns = REIN_MS(atoll(argv[3]));
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL); /* for rein_wait_signal: before there is any thread */
        http_parser_set_max_header_size(MOST_HEADER);

        int rc = rein_run(service, argc > 1 ? argv[1] : "8080", NULL);
        if (rc == REIN_ECANCELED)
                rc = 0; /* by an interrupt, which rein_run heeds: everything was stopped at once */
        if (rc < 0 && rc != REIN_ESTOPPED)
                rein_error_print(stderr, rein_trail());
        for (int i = 0; i < ROUTES; i++)
                rein_executor_free(routes[i].pool);
        return rc < 0;
}
