/* SPDX-License-Identifier: Apache-2.0 */
/* GLib and GIO: GThreadPool for jobs without a handle, GTask for jobs with one, GCancellable for cancels.
 *
 * GTask's pool belongs to the process and starts with ten threads: `t` is a label there. */
#include "bench.h"
#include <gio/gio.h>

static GMainLoop *main_loop;
static GThreadPool *pool;
static long expected;
static long done;

static void loop_new(void)
{
        main_loop = g_main_loop_new(NULL, FALSE);
}

static void pool_new(GFunc fn, int threads)
{
        pool = g_thread_pool_new(fn, NULL, threads, TRUE, NULL);
        nap_us(2000);
}

static void pool_push(void)
{
        g_thread_pool_push(pool, GINT_TO_POINTER(1), NULL);
}

static void job_count(gpointer data, gpointer user)
{
        (void)data;
        (void)user;
        count_one();
}

/* ---- GThreadPool ---- */

static void pool_ff(int t, int producers)
{
        long n = jobs(1000000);
        uint64_t t0;
        uint64_t submitted;

        (void)producers;
        pool_new(job_count, t);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                pool_push();
        submitted = now_ns();
        wait_until_done(n);
        emit_per("pool.ff", param("t=%d", t), t0, n, "ns/job");
        emit("pool.ff.submit", param("t=%d", t), (double)(submitted - t0) / (double)n, "ns/job");
}

static void *producer(void *arg)
{
        long n = (long)arg;

        for (long i = 0; i < n; i++)
                pool_push();
        return NULL;
}

static void pool_mp(int t, int producers)
{
        long each = jobs(1000000) / producers;
        uint64_t t0;

        pool_new(job_count, t);
        t0 = now_ns();
        run_producers(producers, producer, each);
        wait_until_done(each * producers);
        emit_per("pool.mp", param("t=%d;prod=%d", t, producers), t0, each * producers, "ns/job");
}

static GAsyncQueue *results;

static void job_answer(gpointer data, gpointer user)
{
        (void)user;
        g_async_queue_push(results, data);
}

static void rtt(int t, int producers)
{
        (void)producers;
        results = g_async_queue_new();
        pool_new(job_answer, t);
        for (int idle = 0; idle < 2; idle++) {
                struct series s = series_rtt(idle);

                while (series_more(&s)) {
                        uint64_t t0 = now_ns();

                        pool_push();
                        g_async_queue_pop(results);
                        series_add(&s, now_ns() - t0);
                }
                series_emit(&s, idle ? "rtt.idle" : "rtt.hot", param("t=%d", t));
        }
}

/* ---- GTask ---- */

static void task_job(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
        (void)source;
        (void)data;
        (void)cancellable;
        g_task_return_boolean(task, TRUE);
}

static void task_start(GAsyncReadyCallback fn)
{
        GTask *task = g_task_new(NULL, NULL, fn, NULL);

        g_task_run_in_thread(task, task_job);
        g_object_unref(task);
}

static void task_counted(GObject *source, GAsyncResult *result, gpointer user)
{
        (void)source;
        (void)user;
        g_task_propagate_boolean(G_TASK(result), NULL);
        if (++done == expected)
                g_main_loop_quit(main_loop);
}

static void pool_fut(int t, int producers)
{
        uint64_t t0;
        uint64_t submitted;

        (void)producers;
        loop_new();
        expected = jobs(200000);
        t0 = now_ns();
        for (long i = 0; i < expected; i++)
                task_start(task_counted);
        submitted = now_ns();
        g_main_loop_run(main_loop);
        emit_per("pool.fut", param("t=%d(10 fixed)", t), t0, expected, "ns/job");
        emit("pool.fut.submit", param("t=%d(10 fixed)", t), (double)(submitted - t0) / (double)expected, "ns/job");
}

static long left;

static void task_next(GObject *source, GAsyncResult *result, gpointer user)
{
        (void)source;
        (void)user;
        g_task_propagate_boolean(G_TASK(result), NULL);
        if (left-- > 0)
                task_start(task_next);
        if (++done == expected)
                g_main_loop_quit(main_loop);
}

static void pool_futw(int t, int producers)
{
        enum { WINDOW = 1024 };
        uint64_t t0;

        (void)producers;
        loop_new();
        expected = jobs(100000);
        left = expected - WINDOW;
        t0 = now_ns();
        for (int i = 0; i < WINDOW; i++)
                task_start(task_next);
        g_main_loop_run(main_loop);
        emit_per("pool.futw", param("t=%d(10 fixed)", t), t0, expected, "ns/job");
}

static struct series trips;
static uint64_t trip_t0;

static void trip_start(void);

static void trip_ended(GObject *source, GAsyncResult *result, gpointer user)
{
        (void)source;
        (void)user;
        g_task_propagate_boolean(G_TASK(result), NULL);
        series_add(&trips, now_ns() - trip_t0);
        if (series_more(&trips))
                trip_start();
        else
                g_main_loop_quit(main_loop);
}

static void trip_start(void)
{
        trip_t0 = now_ns();
        task_start(trip_ended);
}

static void rtt_loop(int t, int producers)
{
        (void)producers;
        loop_new();
        for (int idle = 0; idle < 2; idle++) {
                trips = series_rtt(idle);
                trip_start();
                g_main_loop_run(main_loop);
                series_emit(&trips, idle ? "rttloop.idle" : "rttloop.hot", param("t=%d(10 fixed)", t));
        }
}

/* ---- timers ---- */

static gboolean timer_fired(gpointer data)
{
        (void)data;
        done++;
        return G_SOURCE_REMOVE;
}

static GSource *timer_start(GMainContext *context, long ms)
{
        GSource *s = g_timeout_source_new((guint)ms);

        g_source_set_callback(s, timer_fired, NULL, NULL);
        g_source_attach(s, context);
        return s;
}

static void timer(int threads, int producers)
{
        long n = timers();
        GSource **s = calloc((size_t)n, sizeof *s);
        GMainContext *context = g_main_context_default();
        uint64_t t0 = now_ns();

        (void)threads;
        (void)producers;
        for (long i = 0; i < n; i++)
                s[i] = timer_start(context, far_ms());
        for (long i = 0; i < n; i++) {
                g_source_destroy(s[i]);
                g_source_unref(s[i]);
        }
        emit_per("timer.insert_cancel", param("n=%ld", n), t0, n, "ns");

        for (long i = 0; i < TIMERS_DUE; i++)
                g_source_unref(timer_start(context, soon_ms()));
        nap_us(30000);
        t0 = now_ns();
        while (done < TIMERS_DUE)
                g_main_context_iteration(context, FALSE);
        emit_per("timer.fire_due", "n=100000", t0, TIMERS_DUE, "ns");
}

/* ---- another thread -> loop ---- */

static uint64_t woken_at;
static int loop_is_up;

static gboolean woken(gpointer data)
{
        (void)data;
        stamp(&woken_at);
        if (++done == expected)
                g_main_loop_quit(main_loop);
        return G_SOURCE_REMOVE;
}

static void wake(void)
{
        g_main_context_invoke(NULL, woken, NULL);
}

static void *loop_thread(void *arg)
{
        __atomic_store_n(&loop_is_up, 1, __ATOMIC_SEQ_CST);
        g_main_loop_run(main_loop);
        return arg;
}

static void wakeloop(int threads, int producers)
{
        long n = jobs(200000);
        pthread_t t;
        uint64_t t0;

        (void)threads;
        (void)producers;
        loop_new();
        pthread_create(&t, NULL, loop_thread, NULL);
        while (!__atomic_load_n(&loop_is_up, __ATOMIC_SEQ_CST))
                nap_us(100);
        nap_us(5000);
        wakeloop_oneway(wake, &woken_at);
        expected = done + n;
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                wake();
        pthread_join(t, NULL);
        emit_per("wakeloop.thr", param("n=%ld", n), t0, n, "ns/item");
}

/* ---- cancel: a job that blocks in poll() on its GCancellable's descriptor for "10 s" ---- */

static GCancellable *cancellable;
static uint64_t returned_at;
static int in_job;

static void job_block(gpointer data, gpointer user)
{
        GPollFD fd;

        (void)data;
        (void)user;
        g_cancellable_make_pollfd(cancellable, &fd);
        __atomic_store_n(&in_job, 1, __ATOMIC_SEQ_CST);
        g_poll(&fd, 1, 10000);
        stamp(&returned_at);
        g_cancellable_release_fd(cancellable);
        __atomic_store_n(&in_job, 0, __ATOMIC_SEQ_CST);
}

static void cancel(int t, int producers)
{
        struct series s = series_new(1000, 0, 0);

        (void)t;
        (void)producers;
        pool_new(job_block, 2);
        while (series_more(&s)) {
                uint64_t t0;

                cancellable = g_cancellable_new();
                unstamp(&returned_at);
                pool_push();
                while (!__atomic_load_n(&in_job, __ATOMIC_SEQ_CST))
                        nap_us(50);
                nap_us(200); /* it is parked now, and its CPU idle */
                t0 = now_ns();
                g_cancellable_cancel(cancellable);
                while (!stamped(&returned_at) || __atomic_load_n(&in_job, __ATOMIC_SEQ_CST))
                        nap_us(20);
                series_add(&s, stamped(&returned_at) - t0);
                g_object_unref(cancellable);
        }
        series_emit(&s, "cancel.blocking_job", "GCancellable+poll");
}

int main(int argc, char **argv)
{
        static const struct bench all[] = {
                {"pool_ff", pool_ff}, {"pool_fut", pool_fut}, {"pool_futw", pool_futw}, {"pool_mp", pool_mp},
                {"rtt", rtt},         {"rtt_loop", rtt_loop}, {"timer", timer},         {"wakeloop", wakeloop},
                {"cancel", cancel},   {NULL, NULL},
        };

        return bench_main(argc, argv, "glib", all);
}
