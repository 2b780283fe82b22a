/* SPDX-License-Identifier: Apache-2.0 */
/* The loop as a guest: in a poll loop of the test's own, in a program on libuv, in one on GLib. The host's own timers and
 * sockets go on, and a coroutine talks to them. Without those libraries their tests are left out; with
 * REIN_REQUIRE_GUESTS=1 that is a failure. */
#include <rein/loop.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#ifdef TEST_UV
#include <uv.h>
#endif
#ifdef TEST_GLIB
#include <glib-unix.h>
#endif

#include "loop/loop.h"
#include "support.h"

enum { ROUNDS = 100, TICKS = 5 };

/* What the coroutine does in each of the hosts: it talks to a socket of the host's, sleeps until the host's own timer has
 * ticked, and has work done by a thread. */
typedef struct visit {
        int fd;
        int port;
        atomic_int ticks;
        int echoed, slept, thread;
} visit;

static int echo_a_round(visit *v, int fd)
{
        char c = 0, expected = (char)('a' + v->echoed % 26);
        int64_t n = rein_write(fd, &expected, 1, REIN_NEVER);
        if (n == 1)
                n = rein_read(fd, &c, 1, REIN_NEVER);
        if (n != 1 || c != expected)
                return n < 0 ? (int)n : -EPROTO;
        v->echoed++;
        return 0;
}

static int stay(void *arg)
{
        visit *v = arg;
        int fd = v->fd, rc = 0;
        if (v->port) {
                char port[16];
                snprintf(port, sizeof port, "%d", v->port);
                fd = rein_connect("127.0.0.1", port, REIN_NEVER);
        }
        if (fd < 0)
                return fd;
        for (int i = 0; i < ROUNDS && rc == 0; i++)
                rc = echo_a_round(v, fd);
        while (rc == 0 && v->ticks < TICKS) {
                rc = rein_sleep(rein_after(REIN_MS(1)));
                v->slept++;
        }
        v->thread = rein_to_thread(job_seven, NULL, NULL);
        rein_close(fd);
        return rc;
}

static void was_well(rein_executor *guest, rein_future *f, const visit *v)
{
        assert_int_equal(rein_code(f), 0);
        assert_int_equal(v->echoed, ROUNDS);
        assert_true(v->ticks >= TICKS);
        assert_int_equal(v->thread, 7);
        rein_drop(f);
        rein_executor_free(guest);
}

/* ---- a loop of the test's own ---- */

static void test_in_a_poll_loop(void **state)
{
        (void)state;
        int pair[2];
        visit v = {0};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        v.fd = pair[0];
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true));
        struct pollfd set[2] = {{.fd = rein_loop_fd(guest), .events = POLLIN}, {.fd = pair[1], .events = POLLIN}};
        rein_future *f = rein_submit(guest, stay, &v, NULL);
        for (rein_time tick = rein_now(); !rein_gone(f);) {
                assert_true(poll(set, 2, 1) >= 0);
                if (rein_now().ns >= tick.ns) {
                        v.ticks++;
                        tick = rein_after(REIN_MS(1));
                }
                char c;
                if (set[1].revents && read(pair[1], &c, 1) == 1)
                        assert_int_equal(write(pair[1], &c, 1), 1);
                if (set[0].revents)
                        assert_true(rein_loop_turn(guest) >= 0);
        }
        assert_int_equal(rein_loop_turn(guest), 0);
        was_well(guest, f, &v);
        close(pair[1]);
}

typedef struct outside {
        rein_executor *guest;
        atomic_int ran, ended;
} outside;

static void *post_from_outside(void *arg)
{
        outside *o = arg;
        for (int i = 0; i < 1000; i++)
                rein_drop(rein_submit(o->guest, job_count, &o->ran, NULL));
        o->ended = 1;
        return NULL;
}

static void test_posts_of_other_threads_make_the_descriptor_readable(void **state)
{
        (void)state;
        outside o = {.guest = rein_loop_new(REIN_LOOP(.hosted = true))};
        struct pollfd set = {.fd = rein_loop_fd(o.guest), .events = POLLIN};
        pthread_t t = go(post_from_outside, &o);
        while (o.ran < 1000) {
                assert_int_equal(poll(&set, 1, 20000), 1); /* never a post that nobody hears of */
                assert_true(rein_loop_turn(o.guest) >= 0);
        }
        join(t);
        rein_executor_free(o.guest);
}

static int sleep_short(void *arg)
{
        (void)arg;
        return rein_sleep(rein_after(REIN_MS(1)));
}

/* The descriptor is asked for when a coroutine sleeps already; and after a stop, and a restart. */
static void test_deadlines_and_a_restart_reach_the_descriptor(void **state)
{
        (void)state;
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true));
        for (int round = 0; round < 3; round++) {
                rein_future *f = rein_submit(guest, sleep_short, NULL, NULL);
                struct pollfd set = {.events = POLLIN};
                if (round == 0) {
                        assert_in_range(rein_loop_turn(guest), 0, 1); /* its time may have come already */
                        set.fd = rein_loop_fd(guest);
                } else {
                        set.fd = rein_loop_fd(guest);
                }
                while (!rein_gone(f)) {
                        assert_int_equal(poll(&set, 1, 20000), 1);
                        assert_true(rein_loop_turn(guest) >= 0);
                }
                assert_int_equal(rein_code(f), 0);
                rein_drop(f);
                assert_int_equal(rein_executor_stop(guest, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
                assert_int_equal(rein_executor_restart(guest), 0);
        }
        rein_executor_free(guest);
}

static int free_guest(void *arg)
{
        rein_executor_free(arg);
        return 0;
}

static void test_a_guest_freed_by_its_own_job_is_gone_after_that_turn(void **state)
{
        (void)state;
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true));
        rein_drop(rein_submit(guest, free_guest, guest, NULL));
        int rc = rein_loop_turn(guest);
        assert_in_range(rc, 0, 1);
}

static void test_the_portable_one_has_no_descriptor(void **state)
{
        (void)state;
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true, .portable = true));
        assert_int_equal(rein_loop_fd(guest), -ENOTSUP);
        rein_future *f = rein_submit(guest, job_seven, NULL, NULL);
        assert_int_equal(rein_loop_turn(guest), 0); /* it can be turned all the same */
        assert_int_equal(rein_code(f), 7);
        rein_drop(f);
        rein_executor_free(guest);
}

/* ---- libuv ---- */

#ifdef TEST_UV
typedef struct uv_host {
        uv_loop_t loop;
        uv_poll_t poll;
        uv_timer_t timer;
        uv_tcp_t server, peer;
        rein_executor *guest;
        visit visit;
        char buf[64];
} uv_host;

static void uv_is_turned(uv_poll_t *p, int status, int events)
{
        uv_host *h = p->data;
        (void)events;
        if (status < 0 || rein_loop_turn(h->guest) > 0)
                return;
        uv_close((uv_handle_t *)&h->poll, NULL); /* nothing is left: the host may end */
        uv_close((uv_handle_t *)&h->timer, NULL);
        uv_close((uv_handle_t *)&h->server, NULL);
}

static void uv_ticks(uv_timer_t *t)
{
        ((uv_host *)t->data)->visit.ticks++;
}

static void uv_room(uv_handle_t *handle, size_t n, uv_buf_t *buf)
{
        uv_host *h = handle->data;
        (void)n;
        *buf = uv_buf_init(h->buf, sizeof h->buf);
}

static void uv_reads(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
        if (n <= 0) {
                if (!uv_is_closing((uv_handle_t *)s))
                        uv_close((uv_handle_t *)s, NULL);
                return;
        }
        uv_buf_t back = uv_buf_init(buf->base, (unsigned)n);
        uv_try_write(s, &back, 1);
}

static void uv_connects(uv_stream_t *s, int status)
{
        uv_host *h = s->data;
        if (status == 0 && uv_accept(s, (uv_stream_t *)&h->peer) == 0)
                uv_read_start((uv_stream_t *)&h->peer, uv_room, uv_reads);
}

static void uv_begin(uv_host *h)
{
        struct sockaddr_in at;
        int n = sizeof at;
        uv_loop_init(&h->loop);
        h->poll.data = h->timer.data = h->server.data = h->peer.data = h;
        uv_tcp_init(&h->loop, &h->server);
        uv_tcp_init(&h->loop, &h->peer);
        assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
        assert_int_equal(uv_tcp_bind(&h->server, (const struct sockaddr *)&at, 0), 0);
        assert_int_equal(uv_listen((uv_stream_t *)&h->server, 8, uv_connects), 0);
        assert_int_equal(uv_tcp_getsockname(&h->server, (struct sockaddr *)&at, &n), 0);
        h->visit.port = ntohs(at.sin_port);
        uv_timer_init(&h->loop, &h->timer);
        uv_timer_start(&h->timer, uv_ticks, 1, 1);
        assert_int_equal(uv_poll_init(&h->loop, &h->poll, rein_loop_fd(h->guest)), 0);
        assert_int_equal(uv_poll_start(&h->poll, UV_READABLE, uv_is_turned), 0);
}

static void test_in_a_program_on_libuv(void **state)
{
        (void)state;
        uv_host h = {.guest = rein_loop_new(REIN_LOOP(.hosted = true))};
        uv_begin(&h);
        rein_future *f = rein_submit(h.guest, stay, &h.visit, NULL);
        assert_int_equal(uv_run(&h.loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&h.loop), 0);
        was_well(h.guest, f, &h.visit);
}
#else
static void test_in_a_program_on_libuv(void **state)
{
        (void)state;
        assert_null(getenv("REIN_REQUIRE_GUESTS"));
        skip();
}
#endif

/* ---- GLib ---- */

#ifdef TEST_GLIB
typedef struct g_host {
        GMainLoop *loop;
        rein_executor *guest;
        visit visit;
} g_host;

static gboolean g_is_turned(gint fd, GIOCondition events, gpointer arg)
{
        g_host *h = arg;
        (void)fd;
        (void)events;
        if (rein_loop_turn(h->guest) > 0)
                return G_SOURCE_CONTINUE;
        g_main_loop_quit(h->loop);
        return G_SOURCE_REMOVE;
}

static gboolean g_ticks(gpointer arg)
{
        ((g_host *)arg)->visit.ticks++;
        return G_SOURCE_CONTINUE;
}

static gboolean g_echoes(gint fd, GIOCondition events, gpointer arg)
{
        char c;
        (void)events;
        (void)arg;
        return read(fd, &c, 1) == 1 && write(fd, &c, 1) == 1 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void test_in_a_program_on_glib(void **state)
{
        (void)state;
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        g_host h = {.loop = g_main_loop_new(NULL, FALSE), .guest = rein_loop_new(REIN_LOOP(.hosted = true))};
        h.visit.fd = pair[0];
        g_unix_fd_add(rein_loop_fd(h.guest), G_IO_IN, g_is_turned, &h);
        g_unix_fd_add(pair[1], G_IO_IN, g_echoes, &h);
        guint ticks = g_timeout_add(1, g_ticks, &h);
        rein_future *f = rein_submit(h.guest, stay, &h.visit, NULL);
        g_main_loop_run(h.loop);
        g_source_remove(ticks);
        g_main_loop_unref(h.loop);
        was_well(h.guest, f, &h.visit);
        close(pair[1]);
}
#else
static void test_in_a_program_on_glib(void **state)
{
        (void)state;
        assert_null(getenv("REIN_REQUIRE_GUESTS"));
        skip();
}
#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_in_a_poll_loop),
                cmocka_unit_test(test_posts_of_other_threads_make_the_descriptor_readable),
                cmocka_unit_test(test_deadlines_and_a_restart_reach_the_descriptor),
                cmocka_unit_test(test_a_guest_freed_by_its_own_job_is_gone_after_that_turn),
                cmocka_unit_test(test_the_portable_one_has_no_descriptor),
                cmocka_unit_test(test_in_a_program_on_libuv),
                cmocka_unit_test(test_in_a_program_on_glib),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
