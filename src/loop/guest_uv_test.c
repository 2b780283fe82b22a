/* SPDX-License-Identifier: Apache-2.0 */
/* The loop as a guest of libuv's, by rein/uv.h. The host's own timer and sockets go on. */
#include <rein/uv.h>

#include <netinet/in.h>

#include "support.h"
#include "visit.h"

typedef struct host {
        uv_loop_t loop;
        uv_timer_t timer;
        uv_tcp_t server, peer;
        rein_executor *guest;
        rein_uv uv;
        visit visit;
        char buf[64];
        int turns, gone, last;           /* how often, how often, what turned was told last */
        void (*on_tick)(struct host *h); /* in the timer's callback */
        rein_future *job;
        int rc;
} host;

/* ---- the host ---- */

static void ticks(uv_timer_t *t)
{
        host *h = t->data;
        h->visit.ticks++;
        if (h->on_tick)
                h->on_tick(h);
}

static void room(uv_handle_t *handle, size_t n, uv_buf_t *buf)
{
        host *h = handle->data;
        (void)n;
        *buf = uv_buf_init(h->buf, sizeof h->buf);
}

static void reads(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
        if (n <= 0) {
                if (!uv_is_closing((uv_handle_t *)s))
                        uv_close((uv_handle_t *)s, NULL);
                return;
        }
        uv_buf_t back = uv_buf_init(buf->base, (unsigned)n);
        uv_try_write(s, &back, 1);
}

static void connects(uv_stream_t *s, int status)
{
        host *h = s->data;
        if (status == 0 && uv_accept(s, (uv_stream_t *)&h->peer) == 0)
                uv_read_start((uv_stream_t *)&h->peer, room, reads);
}

static void serve(host *h)
{
        struct sockaddr_in at;
        int n = sizeof at;
        h->server.data = h->peer.data = h;
        uv_tcp_init(&h->loop, &h->server);
        uv_tcp_init(&h->loop, &h->peer);
        assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
        assert_int_equal(uv_tcp_bind(&h->server, (const struct sockaddr *)&at, 0), 0);
        assert_int_equal(uv_listen((uv_stream_t *)&h->server, 8, connects), 0);
        assert_int_equal(uv_tcp_getsockname(&h->server, (struct sockaddr *)&at, &n), 0);
        h->visit.port = ntohs(at.sin_port);
}

static void is_gone(rein_uv *a)
{
        host *h = a->data;
        h->gone++;
}

static void leave(host *h)
{
        rein_uv_detach(&h->uv, is_gone);
        uv_close((uv_handle_t *)&h->timer, NULL);
}

/* Nothing is left: the host may end. */
static void turned(rein_uv *a, int left)
{
        host *h = a->data;
        h->turns++;
        h->last = left;
        if (left > 0)
                return;
        leave(h);
        if (h->visit.port)
                uv_close((uv_handle_t *)&h->server, NULL);
}

static void host_init(host *h)
{
        *h = (host){.guest = rein_loop_new(REIN_LOOP(.hosted = true)), .last = 1000};
        uv_loop_init(&h->loop);
        uv_timer_init(&h->loop, &h->timer);
        h->timer.data = h->uv.data = h;
        uv_timer_start(&h->timer, ticks, 1, 1);
        assert_int_equal(rein_uv_attach(&h->uv, &h->loop, h->guest, turned), 0);
}

static void host_run_to_the_end(host *h)
{
        assert_int_equal(uv_run(&h->loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&h->loop), 0);
        assert_int_equal(h->gone, 1);
}

/* ---- what goes well ---- */

static void test_in_a_program_on_libuv(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        serve(&h);
        rein_future *f = rein_submit(h.guest, stay, &h.visit, NULL);
        host_run_to_the_end(&h);
        assert_int_equal(h.last, 0);
        was_well(h.guest, f, &h.visit);
}

static void stop_the_host(host *h)
{
        uv_stop(&h->loop);
        h->on_tick = NULL;
}

/* Whose host ends first goes on in its next run; or is freed, and leaves by its cancel. */
static void test_a_guest_outlives_a_run_of_its_host(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        seat s = {NULL};
        rein_future *sleeper = rein_submit(h.guest, job_sleep, &s, NULL);
        h.on_tick = stop_the_host;
        assert_true(uv_run(&h.loop, UV_RUN_DEFAULT) > 0);
        gate g = gate_new();
        rein_future *second = rein_submit(h.guest, job_pass, &g, NULL);
        gate_open(&g);
        while (!rein_gone(second))
                assert_true(uv_run(&h.loop, UV_RUN_ONCE) > 0);
        assert_true(sits_in(&s, "rein_sleep"));
        assert_int_equal(h.last, 1);
        leave(&h);
        const int before = h.turns;
        rein_executor_free(h.guest); /* turns it */
        assert_int_equal(rein_code(sleeper), REIN_ECANCELED);
        host_run_to_the_end(&h);
        assert_int_equal(h.turns, before);
        rein_drop(sleeper);
        rein_drop(second);
        gate_free(&g);
}

/* ---- a stop, from a callback of the host ---- */

static void begin_a_stop(host *h)
{
        if (h->visit.ticks == TICKS)
                h->rc = rein_executor_stop_begin(h->guest, REIN_STOP_NOW, REIN_NEVER);
}

static void test_a_stop_begun_by_the_host_tells_when_nothing_is_left(void **state)
{
        (void)state;
        for (int jobs = 0; jobs < 2; jobs++) {
                host h;
                host_init(&h);
                rein_future *f = jobs ? rein_submit(h.guest, job_sleep, NULL, NULL) : NULL;
                h.on_tick = begin_a_stop;
                h.rc = 1;
                host_run_to_the_end(&h);
                assert_int_equal(h.rc, 0);
                assert_int_equal(h.last, 0);
                if (f)
                        assert_int_equal(rein_code(f), REIN_ECANCELED);
                rein_drop(f);
                assert_int_equal(rein_executor_stop(h.guest, REIN_STOP_NOW, REIN_NOWAIT, NULL), 0);
                rein_executor_free(h.guest);
        }
}

static void stop_at_once(host *h)
{
        h->rc = rein_executor_stop(h->guest, REIN_STOP_NOW, REIN_NEVER, NULL);
        leave(h);
}

static void test_a_stop_in_a_callback_turns_the_guest(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_future *f = rein_submit(h.guest, job_sleep, NULL, NULL);
        h.on_tick = stop_at_once;
        h.rc = 1;
        host_run_to_the_end(&h);
        assert_int_equal(h.rc, 0);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        rein_drop(f);
        rein_executor_free(h.guest);
}

/* ---- detached from inside ---- */

static int leave_job(void *arg)
{
        leave(arg);
        return 0;
}

static int free_job(void *arg)
{
        host *h = arg;
        leave(h);
        rein_executor_free(h->guest);
        return 0;
}

static void test_a_coroutine_detaches_and_nothing_is_told_any_more(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_future *f = rein_submit(h.guest, leave_job, &h, NULL);
        host_run_to_the_end(&h);
        assert_int_equal(h.turns, 0);
        assert_int_equal(rein_code(f), 0);
        rein_drop(f);

        rein_executor *guest = h.guest; /* and into another host */
        uv_loop_init(&h.loop);
        uv_timer_init(&h.loop, &h.timer);
        uv_timer_start(&h.timer, ticks, 1, 1);
        h.gone = 0;
        assert_int_equal(rein_uv_attach(&h.uv, &h.loop, guest, turned), 0);
        f = rein_submit(guest, job_seven, NULL, NULL);
        host_run_to_the_end(&h);
        assert_int_equal(rein_code(f), 7);
        rein_drop(f);
        rein_executor_free(guest);
}

static void test_a_coroutine_detaches_and_frees(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_drop(rein_submit(h.guest, free_job, &h, NULL));
        host_run_to_the_end(&h);
        assert_int_equal(h.turns, 0);
}

/* ---- what goes wrong ---- */

static void *attach_elsewhere(void *arg)
{
        host *h = arg;
        rein_uv other;
        h->rc = rein_uv_attach(&other, &h->loop, h->guest, turned);
        return NULL;
}

static void test_what_cannot_be_attached_is_refused(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_uv other;
        rein_executor *own = rein_loop_new(NULL),
                      *portable = rein_loop_new(REIN_LOOP(.hosted = true, .portable = true));
        assert_int_equal(rein_uv_attach(&other, &h.loop, NULL, NULL), -EINVAL);
        assert_int_equal(rein_uv_attach(&other, &h.loop, own, NULL), -EINVAL);
        assert_int_equal(rein_uv_attach(&other, &h.loop, portable, NULL), -ENOTSUP);
        assert_int_equal(rein_uv_attach(&other, &h.loop, h.guest, NULL), UV_EEXIST);
        join(go(attach_elsewhere, &h));
        assert_int_equal(h.rc, -EPERM);
        rein_executor_free(own);
        rein_executor_free(portable);
        rein_future *f = rein_submit(h.guest, job_seven, NULL, NULL); /* the first is as it was */
        host_run_to_the_end(&h);
        assert_int_equal(rein_code(f), 7);
        rein_drop(f);
        rein_executor_free(h.guest);
}

static void *run_elsewhere(void *arg)
{
        host *h = arg;
        uv_run(&h->loop, UV_RUN_DEFAULT);
        return NULL;
}

static void test_a_host_on_another_thread_is_told_and_goes_on(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_future *f = rein_submit(h.guest, job_seven, NULL, NULL);
        join(go(run_elsewhere, &h));
        assert_int_equal(h.turns, 1);
        assert_int_equal(h.last, -EPERM);
        host_run_to_the_end(&h);
        assert_int_equal(rein_code(f), REIN_EPENDING);
        rein_executor_free(h.guest);
        rein_drop(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_in_a_program_on_libuv),
                cmocka_unit_test(test_a_guest_outlives_a_run_of_its_host),
                cmocka_unit_test(test_a_stop_begun_by_the_host_tells_when_nothing_is_left),
                cmocka_unit_test(test_a_stop_in_a_callback_turns_the_guest),
                cmocka_unit_test(test_a_coroutine_detaches_and_nothing_is_told_any_more),
                cmocka_unit_test(test_a_coroutine_detaches_and_frees),
                cmocka_unit_test(test_what_cannot_be_attached_is_refused),
                cmocka_unit_test(test_a_host_on_another_thread_is_told_and_goes_on),
        };
        int rc = cmocka_run_group_tests(tests, NULL, NULL);
        uv_library_shutdown();
        return rc;
}
