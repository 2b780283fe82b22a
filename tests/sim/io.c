/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: pipes, servers, closes, signals, all in the simulation's memory. */
#include "sim/scenario.h"

#include <poll.h>
#include <signal.h>

/* ---- pipes ---- */

typedef struct stream {
        int fd;
        size_t n;
        atomic_int rc;
} stream;

static void write_all(void *arg)
{
        stream *s = arg;
        char bytes[64];
        for (size_t i = 0; i < s->n; i++)
                bytes[i] = (char)(i * 7 + 1);
        int64_t rc = rein_write(s->fd, bytes, s->n, REIN_NEVER);
        CHECK(rc == (int64_t)s->n || rc == -EPIPE || rc == -EBADF);
        atomic_store(&s->rc, (int)rc);
        CHECK(rein_close(s->fd) == 0);
}

static int pipe_whole(int capacity)
{
        int fds[2];
        crew c = {0};
        hand h;
        CHECK(rein_sim_pipe(fds, (size_t)capacity) == 0);
        stream s = {fds[1], 41, 0};
        crew_go(&c, &h, "writer", write_all, &s);
        char got[64];
        size_t n = 0;
        int64_t rc;
        while ((rc = rein_read(fds[0], got + n, sizeof got - n, REIN_NEVER)) > 0)
                n += (size_t)rc;
        CHECK(rc == 0 && n == 41);
        for (size_t i = 0; i < n; i++)
                CHECK(got[i] == (char)(i * 7 + 1));
        crew_join(&c);
        CHECK(atomic_load(&s.rc) == 41);
        CHECK(rein_close(fds[0]) == 0);
        return 0;
}

static int reader_leaves(int variant)
{
        (void)variant;
        int fds[2];
        crew c = {0};
        hand h;
        CHECK(rein_sim_pipe(fds, 4) == 0);
        stream s = {fds[1], 41, 0};
        crew_go(&c, &h, "writer", write_all, &s);
        char got[8];
        int64_t rc = rein_read(fds[0], got, sizeof got, REIN_NEVER);
        CHECK(rc > 0 && rc <= 4);
        CHECK(rein_close(fds[0]) == 0);
        crew_join(&c);
        CHECK(atomic_load(&s.rc) == -EPIPE);
        return 0;
}

static int read_limit(int variant)
{
        (void)variant;
        int fds[2];
        crew c = {0};
        hand h;
        CHECK(rein_sim_pipe(fds, 4) == 0);
        stream s = {fds[1], 4, 0};
        crew_go(&c, &h, "writer", write_all, &s);
        char got[8];
        int64_t rc = rein_read(fds[0], got, sizeof got, rein_after(REIN_MS(1)));
        CHECK(rc == REIN_ETIMEOUT || rc > 0 || (rc == 0));
        int ready = rein_wait_fd(fds[0], POLLIN, rein_after(REIN_MS(1)));
        CHECK(ready == REIN_ETIMEOUT || ready > 0);
        crew_join(&c);
        CHECK(rein_close(fds[0]) == 0);
        return 0;
}

/* ---- close wakes ---- */

static void close_it(void *arg)
{
        CHECK(rein_close(*(int *)arg) == 0);
}

static int close_wakes(int writes)
{
        int fds[2];
        crew c = {0};
        hand h;
        char byte[8] = {0};
        CHECK(rein_sim_pipe(fds, 4) == 0);
        int mine = fds[writes ? 1 : 0];
        (void)rein_wait_fd(mine, POLLIN, REIN_NOWAIT); /* from here on nobody opens one: the number stays closed */
        crew_go(&c, &h, "closer", close_it, &mine);
        int64_t rc = writes ? rein_write(mine, byte, sizeof byte, REIN_NEVER) : rein_read(mine, byte, 1, REIN_NEVER);
        CHECK(rc == -EBADF);
        crew_join(&c);
        CHECK(rein_close(fds[writes ? 0 : 1]) == 0);
        return 0;
}

/* ---- signals ---- */

static void raise_it(void *arg)
{
        (void)arg;
        CHECK(rein_sim_raise(SIGTERM) == 0);
}

static int wait_signal(int limited)
{
        crew c = {0};
        hand h;
        crew_go(&c, &h, "raises", raise_it, NULL);
        int rc = rein_wait_signal(SIGTERM, limited ? rein_after(REIN_MS(1)) : REIN_NEVER);
        CHECK(rc == SIGTERM || (limited && rc == REIN_ETIMEOUT));
        crew_join(&c);
        if (rc == REIN_ETIMEOUT)
                CHECK(rein_wait_signal(SIGTERM, REIN_NEVER) == SIGTERM); /* it is kept */
        return 0;
}

/* ---- servers ---- */

typedef struct server {
        rein_executor *pool;
        int fd;
        atomic_int served, refused;
} server;

static int serve_one(void *arg)
{
        int fd = *(int *)arg;
        char line[8];
        int64_t n = rein_read(fd, line, sizeof line, REIN_NEVER);
        if (n > 0)
                n = rein_write(fd, line, (size_t)n, REIN_NEVER);
        return n == -EPIPE || n >= 0 ? 0 : (int)n;
}

static void hang_up(void *fd) /* also when it was never served */
{
        CHECK(rein_close(*(int *)fd) == 0);
}

static int serve(void *arg)
{
        server *s = arg;
        rein_group g;
        int rc = 0;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_ALL));
        for (;;) {
                rc = rein_accept(s->fd, REIN_NEVER);
                if (rc < 0)
                        break;
                count(&s->served);
                rein_spawn(&g, NULL, serve_one, REIN_COPY(rc, .release = hang_up));
        }
        CHECK(rc == REIN_ECANCELED || rc == -EBADF);
        return rein_group_close(&g, rc);
}

static void ask(void *arg)
{
        server *s = arg;
        char line[8] = "hello", back[8] = "";
        size_t n = 0;
        int64_t rc;
        int fd = rein_connect("server", "80", REIN_NEVER);
        if (fd < 0) {
                CHECK(fd == -ECONNREFUSED || fd == REIN_ECANCELED);
                count(&s->refused);
                return;
        }
        rc = rein_write(fd, line, 5, REIN_NEVER);
        CHECK(rc == 5 || rc == -EPIPE);
        while (rc > 0 && n < 5 && (rc = rein_read(fd, back + n, 5 - n, rein_after(REIN_SEC(5)))) > 0)
                n += (size_t)rc;
        CHECK(rc >= 0 || rc == -EPIPE || rc == REIN_ETIMEOUT);
        CHECK(memcmp(line, back, n) == 0);
        CHECK(rein_close(fd) == 0);
}

static int server_canceled(int clients)
{
        crew c = {0};
        hand h[2];
        server s = {.pool = rein_pool_new(REIN_POOL(.threads = 3))};
        s.fd = rein_listen("server", "80", 4);
        CHECK(s.fd >= 0);
        rein_future *f = rein_submit(s.pool, serve, &s, NULL);
        for (int i = 0; i < clients; i++)
                crew_go(&c, &h[i], "client", ask, &s);
        CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        rein_cancel(f, "closing time");
        CHECK(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED && failure(f) == REIN_ECANCELED);
        rein_drop(f);
        CHECK(rein_close(s.fd) == 0);
        crew_join(&c);
        stop_and_free(s.pool, REIN_STOP_QUEUED);
        return 0;
}

static int server_closed(int variant)
{
        (void)variant;
        crew c = {0};
        hand h;
        server s = {.pool = rein_pool_new(REIN_POOL(.threads = 2))};
        s.fd = rein_listen("server", "80", 4);
        rein_future *f = rein_submit(s.pool, serve, &s, NULL);
        crew_go(&c, &h, "client", ask, &s);
        crew_join(&c);
        while (!atomic_load(&s.served) || rein_executor_unfinished(s.pool) > 1) /* nobody opens another meanwhile */
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        CHECK(!atomic_load(&s.refused) && rein_close(s.fd) == 0);
        CHECK(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED && failure(f) == -EBADF);
        rein_drop(f);
        CHECK(atomic_load(&s.served) == 1);
        stop_and_free(s.pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- datagrams: asked again until the answer comes, while the network does what it likes ---- */

enum { NETWORK = REIN_SIM_LOSS | REIN_SIM_REORDER | REIN_SIM_TWICE };

static int answer_datagrams(void *arg)
{
        char text[8];
        rein_addr from;
        int64_t n;
        while ((n = rein_recvfrom(*(int *)arg, text, sizeof text, &from, REIN_NEVER)) >= 0) {
                CHECK(n == 1 && text[0] >= 'a');
                text[0] = (char)(text[0] - 'a' + 'A');
                n = rein_sendto(*(int *)arg, text, 1, &from, REIN_NEVER);
                if (n < 0)
                        break;
        }
        return (int)n;
}

static void ask_by_datagrams(void *arg)
{
        rein_scope s;
        char got[8];
        int64_t rc = 0;
        int fd = rein_udp_connect("server", "53", REIN_NEVER);
        CHECK(fd >= 0);
        rein_scope_open(&s, rein_after(REIN_MS(50)));
        for (char c = 'a'; c <= 'b' && rc >= 0; c++) {
                do {
                        rc = rein_sendto(fd, &c, 1, NULL, REIN_NEVER);
                        if (rc > 0)
                                rc = rein_recvfrom(fd, got, sizeof got, NULL, rein_after(REIN_MS(1)));
                        CHECK(rc != 1 || got[0] == c - 'a' + 'A' ||
                              got[0] == c - 'a' + 'A' - 1); /* an older one, late */
                } while (rc == REIN_ETIMEOUT || (rc == 1 && got[0] != c - 'a' + 'A'));
        }
        CHECK(rc == 1 || rc == REIN_ECANCELED || rc == -ECONNREFUSED);
        rc = rein_scope_close(&s, (int)rc);
        count(rc == 1 ? &((tally *)arg)->ended : &((tally *)arg)->dropped);
        CHECK(rein_close(fd) == 0);
}

static int datagrams(int closes)
{
        crew c = {0};
        hand h[2];
        tally t = {0};
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        int fd = rein_udp_bind(NULL, "53");
        CHECK(fd >= 0);
        rein_future *f = rein_submit(pool, answer_datagrams, &fd, NULL);
        for (int i = 0; i < 2; i++)
                crew_go(&c, &h[i], "client", ask_by_datagrams, &t);
        if (!closes)
                crew_join(&c);
        rein_cancel(f, "no more questions");
        CHECK(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED && failure(f) == REIN_ECANCELED);
        rein_drop(f);
        CHECK(rein_close(fd) == 0);
        crew_join(&c);
        CHECK(atomic_load(&t.ended) + atomic_load(&t.dropped) == 2);
        stop_and_free(pool, REIN_STOP_QUEUED);
        return 0;
}

/* ---- no server yet ---- */

static int connects(void *arg)
{
        return rein_connect("late", "81", *(rein_time *)arg);
}

static void listens(void *arg)
{
        *(int *)arg = rein_listen("late", "81", 1);
        CHECK(*(int *)arg >= 0);
}

static int connect_retry(int variant)
{
        (void)variant;
        int listener = -1;
        rein_time until = REIN_NEVER;
        crew c = {0};
        hand h;
        crew_go(&c, &h, "listens", listens, &listener);
        int fd = rein_retry(REIN_RETRY(.tries = 20), connects, &until);
        CHECK(fd >= 0 || fd == -ECONNREFUSED);
        crew_join(&c);
        if (fd >= 0) {
                int got = rein_accept(listener, REIN_NEVER);
                CHECK(got >= 0 && rein_close(got) == 0 && rein_close(fd) == 0);
        }
        CHECK(rein_close(listener) == 0);
        return 0;
}

const scenario io_scenarios[] = {
        {"pipe_narrow", pipe_whole, 3, RACY, 2},
        {"pipe_wide", pipe_whole, 64, RACY, 1},
        {"reader_leaves", reader_leaves, 0, HARMLESS, 1},
        {"read_limit", read_limit, 0, RACY, 1},
        {"close_wakes_reader", close_wakes, 0, RACY, 1},
        {"close_wakes_writer", close_wakes, 1, RACY, 1},
        {"wait_signal", wait_signal, 0, RACY, 1},
        {"wait_signal_limit", wait_signal, 1, RACY, 1},
        {"server_canceled", server_canceled, 2, RACY, 4},
        {"server_closed", server_closed, 0, HARMLESS, 2},
        {"connect_retry", connect_retry, 0, RACY, 1},
        {"datagrams", datagrams, 0, RACY | NETWORK, 2},
        {"datagrams_close", datagrams, 1, RACY | NETWORK, 2},
        {0},
};
