/* SPDX-License-Identifier: Apache-2.0 */
/* libev (-DUSE_EV) or libevent (-DUSE_EVENT): timers, and being woken by another thread. */
#include "bench.h"
#ifdef USE_EV
#include <ev.h>
#else
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#endif

static long done;
static long expected;
static struct item_list items = {PTHREAD_MUTEX_INITIALIZER, NULL};
static uint64_t woken_at;
static int loop_is_up;

/* Returns: is that all? */
static bool woken(void)
{
        stamp(&woken_at);
        done += item_drain(&items);
        return expected && done >= expected;
}

#ifdef USE_EV

typedef ev_timer loop_timer;

static const char peer[] = "libev";
static struct ev_loop *loop;
static ev_async async;

static void loop_new(void)
{
        loop = ev_loop_new(EVFLAG_AUTO);
}

static void loop_once(void)
{
        ev_run(loop, EVRUN_NOWAIT);
}

static void timer_fired(struct ev_loop *l, ev_timer *t, int events)
{
        (void)l;
        (void)t;
        (void)events;
        done++;
}

static void timer_init(loop_timer *t)
{
        ev_timer_init(t, timer_fired, 0, 0);
}

static void timer_start(loop_timer *t, long ms)
{
        ev_timer_set(t, (double)ms / 1000.0, 0);
        ev_timer_start(loop, t);
}

static void timer_stop(loop_timer *t)
{
        ev_timer_stop(loop, t);
}

static void async_fired(struct ev_loop *l, ev_async *a, int events)
{
        (void)a;
        (void)events;
        if (woken())
                ev_break(l, EVBREAK_ALL);
}

static void wake(void)
{
        ev_async_send(loop, &async);
}

static void *loop_thread(void *arg)
{
        ev_async_init(&async, async_fired);
        ev_async_start(loop, &async);
        __atomic_store_n(&loop_is_up, 1, __ATOMIC_SEQ_CST);
        ev_run(loop, 0);
        return arg;
}

#else

typedef struct event loop_timer;

static const char peer[] = "libevent";
static struct event_base *loop;
static struct event *async;

static void loop_new(void)
{
        evthread_use_pthreads();
        loop = event_base_new();
}

static void loop_once(void)
{
        event_base_loop(loop, EVLOOP_NONBLOCK);
}

static void timer_fired(evutil_socket_t fd, short events, void *arg)
{
        (void)fd;
        (void)events;
        (void)arg;
        done++;
}

static void timer_init(loop_timer *t)
{
        event_assign(t, loop, -1, 0, timer_fired, NULL);
}

static void timer_start(loop_timer *t, long ms)
{
        struct timeval tv = {ms / 1000, ms % 1000 * 1000};

        event_add(t, &tv);
}

static void timer_stop(loop_timer *t)
{
        event_del(t);
}

static void async_fired(evutil_socket_t fd, short events, void *arg)
{
        (void)fd;
        (void)events;
        (void)arg;
        if (woken())
                event_base_loopbreak(loop);
}

static void wake(void)
{
        event_active(async, EV_READ, 1);
}

static void *loop_thread(void *arg)
{
        struct timeval hour = {3600, 0};

        async = event_new(loop, -1, EV_PERSIST, async_fired, NULL);
        event_add(async, &hour);
        __atomic_store_n(&loop_is_up, 1, __ATOMIC_SEQ_CST);
        event_base_dispatch(loop);
        return arg;
}

#endif

static void timer(int threads, int producers)
{
        long n = timers();
        loop_timer *t = calloc((size_t)n, sizeof *t);
        uint64_t t0;

        (void)threads;
        (void)producers;
        loop_new();
        for (long i = 0; i < n; i++)
                timer_init(&t[i]);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                timer_start(&t[i], far_ms());
        for (long i = 0; i < n; i++)
                timer_stop(&t[i]);
        emit_per("timer.insert_cancel", param("n=%ld", n), t0, n, "ns");

        for (long i = 0; i < TIMERS_STANDING; i++)
                timer_start(&t[i], far_ms());
        t0 = now_ns();
        for (long i = TIMERS_STANDING; i < n; i++) {
                timer_start(&t[i], far_ms());
                timer_stop(&t[i]);
        }
        emit_per("timer.churn", "pop=10000", t0, n - TIMERS_STANDING, "ns");
        for (long i = 0; i < TIMERS_STANDING; i++)
                timer_stop(&t[i]);

        for (long i = 0; i < TIMERS_DUE; i++)
                timer_start(&t[i], soon_ms());
        nap_us(30000);
        t0 = now_ns();
        while (done < TIMERS_DUE)
                loop_once();
        emit_per("timer.fire_due", "n=100000", t0, TIMERS_DUE, "ns");
}

static void wakeloop(int threads, int producers)
{
        long n = jobs(1000000);
        pthread_t t;
        uint64_t t0;

        (void)threads;
        (void)producers;
        loop_new();
        pthread_create(&t, NULL, loop_thread, NULL);
        while (!__atomic_load_n(&loop_is_up, __ATOMIC_SEQ_CST))
                nap_us(100);
        nap_us(3000);
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

int main(int argc, char **argv)
{
        static const struct bench all[] = {
                {"timer", timer},
                {"wakeloop", wakeloop},
                {NULL, NULL},
        };

        return bench_main(argc, argv, peer, all);
}
