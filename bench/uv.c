/* SPDX-License-Identifier: Apache-2.0 */
/* libuv. Every job has a completion callback on the loop: there is no fire-and-forget. */
#include "bench.h"
#include <uv.h>

static uv_loop_t *loop;
static long expected;
static long done;

static void use_threads(int t)
{
        setenv("UV_THREADPOOL_SIZE", param("%d", t), 1);
        loop = uv_default_loop();
}

static void job(uv_work_t *w)
{
        (void)w;
}

static void after_count(uv_work_t *w, int status)
{
        (void)w;
        (void)status;
        done++;
}

static void pool_fut(int t, int producers)
{
        long n = jobs(1000000);
        uv_work_t *w = calloc((size_t)n, sizeof *w);
        uint64_t t0;
        uint64_t submitted;

        (void)producers;
        use_threads(t);
        uv_queue_work(loop, w, job, after_count); /* starts the threads */
        uv_run(loop, UV_RUN_DEFAULT);
        done = 0;
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                uv_queue_work(loop, &w[i], job, after_count);
        submitted = now_ns();
        uv_run(loop, UV_RUN_DEFAULT);
        if (done != n)
                abort();
        emit_per("pool.fut", param("t=%d", t), t0, n, "ns/job");
        emit("pool.fut.submit", param("t=%d", t), (double)(submitted - t0) / (double)n, "ns/job");
}

static void after_next(uv_work_t *w, int status)
{
        (void)status;
        done++;
        if (expected > 0) {
                expected--;
                uv_queue_work(loop, w, job, after_next);
        }
}

/* 1024 in flight: each completion submits the next. */
static void pool_futw(int t, int producers)
{
        enum { WINDOW = 1024 };
        long n = jobs(1000000);
        uv_work_t *w = calloc(WINDOW, sizeof *w);
        uint64_t t0;

        (void)producers;
        use_threads(t);
        t0 = now_ns();
        expected = n - WINDOW;
        for (int i = 0; i < WINDOW; i++)
                uv_queue_work(loop, &w[i], job, after_next);
        uv_run(loop, UV_RUN_DEFAULT);
        if (done != n)
                abort();
        emit_per("pool.futw", param("t=%d", t), t0, n, "ns/job");
}

/* ---- loop -> pool -> loop ---- */

static struct series trips;
static uint64_t trip_t0;

static void after_trip(uv_work_t *w, int status)
{
        (void)status;
        series_add(&trips, now_ns() - trip_t0);
        if (!series_more(&trips))
                return;
        trip_t0 = now_ns();
        uv_queue_work(loop, w, job, after_trip);
}

static void rtt_loop(int t, int producers)
{
        static uv_work_t w;

        (void)producers;
        use_threads(t);
        for (int idle = 0; idle < 2; idle++) {
                trips = series_rtt(idle);
                trip_t0 = now_ns();
                uv_queue_work(loop, &w, job, after_trip);
                uv_run(loop, UV_RUN_DEFAULT);
                series_emit(&trips, idle ? "rttloop.idle" : "rttloop.hot", param("t=%d", t));
        }
}

/* ---- timers ---- */

static void timer_fired(uv_timer_t *t)
{
        (void)t;
        done++;
}

static void timer(int threads, int producers)
{
        long n = timers();
        uv_timer_t *t = calloc((size_t)n, sizeof *t);
        uint64_t t0;

        (void)producers;
        use_threads(threads);
        for (long i = 0; i < n; i++)
                uv_timer_init(loop, &t[i]);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                uv_timer_start(&t[i], timer_fired, (uint64_t)far_ms(), 0);
        for (long i = 0; i < n; i++)
                uv_timer_stop(&t[i]);
        emit_per("timer.insert_cancel", param("n=%ld", n), t0, n, "ns");

        for (long i = 0; i < TIMERS_STANDING; i++)
                uv_timer_start(&t[i], timer_fired, (uint64_t)far_ms(), 0);
        t0 = now_ns();
        for (long i = TIMERS_STANDING; i < n; i++) {
                uv_timer_start(&t[i], timer_fired, (uint64_t)far_ms(), 0);
                uv_timer_stop(&t[i]);
        }
        emit_per("timer.churn", "pop=10000", t0, n - TIMERS_STANDING, "ns");
        for (long i = 0; i < TIMERS_STANDING; i++)
                uv_timer_stop(&t[i]);

        uv_update_time(loop);
        done = 0;
        for (long i = 0; i < TIMERS_DUE; i++)
                uv_timer_start(&t[i], timer_fired, (uint64_t)soon_ms(), 0);
        nap_us(30000);
        t0 = now_ns();
        uv_run(loop, UV_RUN_DEFAULT);
        if (done != TIMERS_DUE)
                abort();
        emit_per("timer.fire_due", "n=100000", t0, TIMERS_DUE, "ns");
}

/* ---- another thread -> loop ---- */

static struct item_list items = {PTHREAD_MUTEX_INITIALIZER, NULL};
static uv_async_t async;
static uint64_t woken_at;
static int loop_is_up;

static void woken(uv_async_t *a)
{
        stamp(&woken_at);
        done += item_drain(&items);
        if (expected && done >= expected)
                uv_close((uv_handle_t *)a, NULL);
}

static void *loop_thread(void *arg)
{
        uv_async_init(loop, &async, woken);
        __atomic_store_n(&loop_is_up, 1, __ATOMIC_SEQ_CST);
        uv_run(loop, UV_RUN_DEFAULT);
        return arg;
}

static void wake(void)
{
        uv_async_send(&async);
}

static void wakeloop(int threads, int producers)
{
        pthread_t t;
        long n = jobs(1000000);
        uint64_t t0;

        (void)producers;
        use_threads(threads);
        pthread_create(&t, NULL, loop_thread, NULL);
        while (!__atomic_load_n(&loop_is_up, __ATOMIC_SEQ_CST))
                nap_us(100);
        wakeloop_oneway(wake, &woken_at);
        expected = n;
        t0 = now_ns();
        for (long i = 0; i < n; i++) {
                item_push(&items);
                wake();
        }
        pthread_join(t, NULL);
        emit_per("wakeloop.thr", param("n=%ld", n), t0, n, "ns/item");
}

/* ---- datagrams ---- */

static uv_udp_t server, client;
static char room[64];

static void give_room(uv_handle_t *h, size_t n, uv_buf_t *buf)
{
        (void)h;
        (void)n;
        *buf = uv_buf_init(room, sizeof room);
}

static void echo_datagram(uv_udp_t *h, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
        uv_buf_t one = uv_buf_init(buf->base, 1);

        (void)flags;
        if (n == 1 && from && uv_udp_try_send(h, &one, 1, from) != 1)
                abort();
}

static void next_datagram(uv_udp_t *h, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
        uv_buf_t one = uv_buf_init(buf->base, 1);

        (void)flags;
        if (n != 1 || !from)
                return;
        if (++done == expected)
                uv_stop(loop);
        else if (uv_udp_try_send(h, &one, 1, NULL) != 1)
                abort();
}

static void udp(int threads, int producers)
{
        struct sockaddr_storage at;
        int size = sizeof at;
        uv_buf_t one = uv_buf_init((char *)"x", 1);
        uint64_t t0;

        (void)producers;
        use_threads(threads);
        uv_ip4_addr("127.0.0.1", 0, (struct sockaddr_in *)&at);
        uv_udp_init(loop, &server);
        uv_udp_init(loop, &client);
        uv_udp_bind(&server, (struct sockaddr *)&at, 0);
        uv_udp_getsockname(&server, (struct sockaddr *)&at, &size);
        if (uv_udp_connect(&client, (struct sockaddr *)&at) != 0)
                abort();
        uv_udp_recv_start(&server, give_room, echo_datagram);
        uv_udp_recv_start(&client, give_room, next_datagram);
        done = 0;
        expected = jobs(200000);
        t0 = now_ns();
        if (uv_udp_try_send(&client, &one, 1, NULL) != 1)
                abort();
        uv_run(loop, UV_RUN_DEFAULT);
        emit_per("udp.pingpong", "one loop", t0, expected, "ns/trip");
}

int main(int argc, char **argv)
{
        static const struct bench all[] = {
                {"pool_fut", pool_fut}, {"pool_futw", pool_futw}, {"rtt_loop", rtt_loop},
                {"timer", timer},       {"wakeloop", wakeloop},   {"udp", udp},
                {NULL, NULL},
        };

        return bench_main(argc, argv, "libuv", all);
}
