/* SPDX-License-Identifier: Apache-2.0 */
/* rein's rows of the event loop and its coroutines. There are no bare timers in rein's interface: what is measured is what
 * a program does instead, and the row's parameter says what that is. */
#include "rein_parts.h"

enum { MOST_PARKED = 20000 }; /* for a million: BN=1000000 */

static void ignore(const rein_error *e, void *arg)
{
        (void)e;
        (void)arg;
}

static void run(rein_fn fn, int t)
{
        rein_on_unseen(ignore, NULL); /* what fails is told by must */
        must(rein_run(fn, &t, NULL) == 0, "the loop's main failed");
}

/* ---- loop -> pool -> loop ---- */

static int trips(void *threads)
{
        int t = *(int *)threads;
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "bench", .threads = t));

        must(pool != NULL, "no pool");
        for (int idle = 0; idle < 2; idle++) {
                struct series s = series_rtt(idle);

                while (series_more(&s)) {
                        uint64_t t0 = now_ns();

                        must(rein_on(pool, job_number, (void *)1, NULL) == 1, "rttloop: a result is wrong");
                        series_add(&s, now_ns() - t0);
                }
                series_emit(&s, idle ? "rttloop.idle" : "rttloop.hot", param("t=%d", t));
        }
        rein_executor_free(pool);
        return 0;
}

void rtt_loop(int t, int producers)
{
        (void)producers;
        run(trips, t);
}

/* ---- another thread -> loop ---- */

static rein_executor *loop;
static uint64_t woken_at;

static int woken(void *arg)
{
        (void)arg;
        stamp(&woken_at);
        return 0;
}

static void wake(void)
{
        rein_drop(rein_submit(loop, woken, NULL, NULL));
}

void wakeloop(int t, int producers)
{
        long n = jobs(1000000);
        uint64_t t0;

        (void)t;
        (void)producers;
        loop = rein_loop_new(NULL);
        must(loop != NULL, "no loop");
        wake();
        while (!stamped(&woken_at))
                nap_us(100);
        wakeloop_oneway(wake, &woken_at);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                rein_drop(rein_submit(loop, job_count, NULL, NULL));
        wait_until_done(n);
        emit_per("wakeloop.thr", param("n=%ld", n), t0, n, "ns/item");
        rein_executor_free(loop);
}

/* ---- many at rest ---- */

static long parked, wanted;
static rein_promise *all_parked;

static void about_to_park(void)
{
        if (++parked == wanted)
                rein_promise_keep(all_parked, NULL, NULL);
}

/* Start so many, and return when the last of them parks. */
static void spawn_all(rein_group *g, rein_fn fn, long n)
{
        rein_future *f;

        parked = 0;
        wanted = n;
        all_parked = rein_promise_new(&f);
        rein_group_open(g, NULL);
        for (long i = 0; i < n; i++)
                rein_spawn(g, NULL, fn, NULL, NULL);
        must(rein_await(f, NULL, REIN_NEVER) == 0, "not all have parked");
        rein_promise_drop(all_parked);
        rein_drop(f);
}

/* ---- timers: a coroutine that sleeps is one ---- */

static int sleep_far(void *arg)
{
        (void)arg;
        about_to_park();
        int rc = rein_sleep(rein_after(REIN_MS(far_ms())));
        return rc == REIN_ECANCELED ? 0 : rc;
}

static int sleep_soon(void *arg)
{
        (void)arg;
        about_to_park();
        return rein_sleep(rein_after(REIN_MS(soon_ms())));
}

static void end_all(rein_group *g)
{
        rein_group_cancel(g, "enough");
        must(rein_group_close(g, 0) == REIN_ESTOPPED, "timer: a coroutine failed");
}

/* rein has no timer without something that waits: a coroutine each, in and out. */
static void insert_cancel(long n)
{
        rein_group g;
        uint64_t t0 = now_ns();

        spawn_all(&g, sleep_far, n);
        end_all(&g);
        emit_per("timer.insert_cancel", param("n=%ld;coroutine each", n), t0, n, "ns");
}

/* A deadline around something: opened, and closed before it has come. */
static void churn(long n)
{
        rein_group g;
        uint64_t t0;

        spawn_all(&g, sleep_far, TIMERS_STANDING);
        t0 = now_ns();
        for (long i = 0; i < n; i++) {
                rein_scope s;

                rein_scope_open(&s, rein_after(REIN_MS(far_ms())));
                must(rein_scope_close(&s, 0) == 0, "churn");
        }
        emit_per("timer.churn", "pop=10000;scope", t0, n, "ns");
        end_all(&g);
}

static int timers_main(void *t)
{
        rein_group g;
        uint64_t t0;
        long n = timers();

        (void)t;
        churn(n);
        spawn_all(&g, sleep_soon, MOST_PARKED);
        nap_us(30000);
        t0 = now_ns();
        must(rein_group_close(&g, 0) == 0, "timer: a coroutine failed");
        emit_per("timer.fire_due", param("n=%d;coroutine each", MOST_PARKED), t0, MOST_PARKED, "ns");
        insert_cancel(MOST_PARKED);
        return 0;
}

void timer(int t, int producers)
{
        (void)producers;
        run(timers_main, t);
}

/* ---- coroutines ---- */

typedef struct table {
        rein_promise *serve[2];
        rein_future *ball[2];
        long n;
} table;

/* Player 1 answers each ball of player 0: two switches a round, each by a promise kept and awaited. */
static int play(void *arg)
{
        table *t = arg;

        for (long i = 0; i < t->n; i++) {
                must(rein_await(t->ball[0], NULL, REIN_NEVER) == 0, "switch");
                rein_drop(t->ball[0]);
                rein_promise_drop(t->serve[0]);
                t->serve[0] = rein_promise_new(&t->ball[0]);
                rein_promise_keep(t->serve[1], NULL, NULL);
        }
        return 0;
}

static int switch_main(void *unused)
{
        table t = {.n = jobs(1000000)};
        rein_group g;
        uint64_t t0;

        (void)unused;
        for (int i = 0; i < 2; i++)
                t.serve[i] = rein_promise_new(&t.ball[i]);
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, play, &t, NULL);
        t0 = now_ns();
        for (long i = 0; i < t.n; i++) {
                rein_promise_keep(t.serve[0], NULL, NULL);
                must(rein_await(t.ball[1], NULL, REIN_NEVER) == 0, "switch");
                rein_drop(t.ball[1]);
                rein_promise_drop(t.serve[1]);
                t.serve[1] = rein_promise_new(&t.ball[1]);
        }
        emit_per("co.switch", "kind=keep+await", t0, 2 * t.n, "ns");
        must(rein_group_close(&g, 0) == 0, "switch");
        for (int i = 0; i < 2; i++) {
                rein_promise_keep(t.serve[i], NULL, NULL);
                rein_promise_drop(t.serve[i]);
                rein_drop(t.ball[i]);
        }
        return 0;
}

static int yield_often(void *n)
{
        for (long i = 0; i < *(long *)n; i++)
                must(rein_sleep(REIN_NOWAIT) == 0, "yield");
        return 0;
}

static int yield_main(void *unused)
{
        long n = jobs(1000000);
        rein_group g;
        uint64_t t0 = now_ns();

        (void)unused;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, yield_often, &n, NULL);
        rein_spawn(&g, NULL, yield_often, &n, NULL);
        must(rein_group_close(&g, 0) == 0, "yield");
        emit_per("co.switch", "kind=yield-2", t0, 2 * n, "ns");
        return 0;
}

void co_switch(int t, int producers)
{
        (void)producers;
        run(yield_main, t);
        run(switch_main, t);
}

static int create_main(void *unused)
{
        enum { AT_ONCE = 64 };
        long n = jobs(200000) / AT_ONCE * AT_ONCE;
        rein_group g;
        uint64_t t0;

        (void)unused;
        rein_group_open(&g, NULL);
        t0 = now_ns();
        for (long i = 0; i < n; i += AT_ONCE) {
                for (int k = 0; k < AT_ONCE; k++)
                        rein_spawn(&g, NULL, job_number, NULL, NULL);
                must(rein_group_join(&g, REIN_NEVER) == 0, "create");
        }
        emit_per("co.create", "kind=spawn", t0, n, "ns");
        return rein_group_close(&g, 0);
}

void co_create(int t, int producers)
{
        (void)producers;
        run(create_main, t);
}

static rein_future *gate;

static int park(void *arg)
{
        (void)arg;
        about_to_park();
        return rein_await(gate, NULL, rein_after(REIN_SEC(3600))); /* without a limit it would look for deadlocks */
}

static int mem_main(void *unused)
{
        long n = jobs(MOST_PARKED);
        rein_promise *opens = rein_promise_new(&gate);
        rein_group g;
        long before = resident_kib();
        uint64_t t0 = now_ns();

        (void)unused;
        spawn_all(&g, park, n);
        emit("co.park", param("n=%ld", n), (double)(now_ns() - t0) / (double)n, "ns/co");
        emit("co.mem", param("n=%ld;stack=64k", n), (double)(resident_kib() - before) * 1024.0 / (double)n, "bytes/co");
        t0 = now_ns();
        rein_promise_keep(opens, NULL, NULL);
        must(rein_group_close(&g, 0) == 0, "mem");
        emit_per("co.wake_all", param("n=%ld", n), t0, n, "ns/co");
        rein_promise_drop(opens);
        rein_drop(gate);
        return 0;
}

void co_mem(int t, int producers)
{
        (void)producers;
        run(mem_main, t);
}

/* ---- datagrams ---- */

static int udp_echo(void *socket)
{
        char byte;
        rein_addr from;
        int64_t rc;

        while ((rc = rein_recvfrom(*(int *)socket, &byte, 1, &from, REIN_NEVER)) == 1)
                must(rein_sendto(*(int *)socket, &byte, 1, &from, REIN_NEVER) == 1, "udp");
        return (int)rc;
}

static int udp_main(void *unused)
{
        long n = jobs(200000);
        char text[REIN_ADDR_TEXT], byte = 'x';
        rein_addr at;
        rein_group g;
        int server = rein_udp_bind("127.0.0.1", "0");
        uint64_t t0;

        (void)unused;
        must(server >= 0 && rein_addr_local(server, &at) == 0, "udp");
        int client = rein_udp_connect("127.0.0.1", strrchr(rein_addr_text(&at, text), ':') + 1, REIN_NEVER);
        must(client >= 0, "udp");
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, udp_echo, &server, NULL);
        t0 = now_ns();
        for (long i = 0; i < n; i++) {
                must(rein_sendto(client, &byte, 1, NULL, REIN_NEVER) == 1, "udp");
                must(rein_recvfrom(client, &byte, 1, NULL, REIN_NEVER) == 1, "udp");
        }
        emit_per("udp.pingpong", "one loop", t0, n, "ns/trip");
        rein_group_cancel(&g, "measured");
        must(rein_group_close(&g, 0) == REIN_ESTOPPED, "udp");
        rein_close(client);
        rein_close(server);
        return 0;
}

void udp(int t, int producers)
{
        (void)producers;
        run(udp_main, t);
}
