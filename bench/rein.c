/* SPDX-License-Identifier: Apache-2.0 */
/* rein's own rows. Public headers only, so that what is measured is what a user gets.
 *
 * Pools are made with room for every job in the queue, because the peers' queues have no limit. A future is dropped
 * inside the measured time, as std::future::get lets go of its state inside it. */
#include "rein_parts.h"
#include <fcntl.h>
#include <sys/socket.h>

static rein_executor *pool;

static void pool_open(int threads)
{
        pool = rein_pool_new(REIN_POOL(.name = "bench", .threads = threads, .queue_max = (size_t)1 << 24));
        if (!pool) {
                rein_error_print(stderr, rein_trail());
                exit(1);
        }
}

int job_count(void *arg)
{
        (void)arg;
        count_one();
        return 0;
}

int job_number(void *arg)
{
        return (int)(intptr_t)arg;
}

void must(bool ok, const char *what)
{
        if (!ok) {
                fprintf(stderr, "bench: %s\n", what);
                rein_error_print(stderr, rein_trail());
                exit(1);
        }
}

/* Read one handle and let go of it. Returns what its job returned. */
static long finish(rein_future *f)
{
        long code;

        must(rein_await(f, NULL, REIN_NEVER) == 0, "a job failed");
        code = rein_code(f);
        rein_drop(f);
        return code;
}

/* Threads are started when work comes; the peers have theirs before the clock starts. */
static void pool_warm(int threads)
{
        rein_future *f[64];

        if (threads > 64)
                threads = 64;
        for (int i = 0; i < threads; i++)
                f[i] = rein_submit(pool, job_number, NULL, REIN_JOB(.on_worker = true));
        for (int i = 0; i < threads; i++)
                finish(f[i]);
        nap_us(2000);
}

static void pool_new(int threads)
{
        pool_open(threads);
        pool_warm(threads);
}

static void pool_free(void)
{
        rein_executor_free(pool);
        pool = NULL;
}

/* ---- throughput ---- */

static void pool_ff(int t, int producers)
{
        long n = jobs(1000000);
        uint64_t t0;
        uint64_t submitted;

        (void)producers;
        pool_new(t);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                rein_drop(rein_submit(pool, job_count, NULL, NULL));
        submitted = now_ns();
        wait_until_done(n);
        emit_per("pool.ff", param("t=%d", t), t0, n, "ns/job");
        emit("pool.ff.submit", param("t=%d", t), (double)(submitted - t0) / (double)n, "ns/job");
        pool_free();
}

static void pool_fut(int t, int producers)
{
        long n = jobs(1000000);
        long sum = 0;
        rein_future **f = malloc((size_t)n * sizeof *f);
        uint64_t t0;
        uint64_t submitted;

        (void)producers;
        pool_new(t);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                f[i] = rein_submit(pool, job_number, (void *)(intptr_t)i, NULL);
        submitted = now_ns();
        for (long i = 0; i < n; i++)
                sum += finish(f[i]);
        emit_per("pool.fut", param("t=%d", t), t0, n, "ns/job");
        emit("pool.fut.submit", param("t=%d", t), (double)(submitted - t0) / (double)n, "ns/job");
        must(sum == n * (n - 1) / 2, "pool.fut: a result is wrong");
        free(f);
        pool_free();
}

enum { WINDOW = 1024, BATCH = 64 };

static void pool_futw(int t, int producers)
{
        long n = jobs(1000000);
        long sum = 0;
        rein_future *f[WINDOW] = {NULL};
        uint64_t t0;

        (void)producers;
        pool_new(t);
        t0 = now_ns();
        for (long i = 0; i < n; i++) {
                rein_future **slot = &f[i % WINDOW];

                if (*slot)
                        sum += finish(*slot);
                *slot = rein_submit(pool, job_number, (void *)(intptr_t)i, NULL);
        }
        for (int i = 0; i < WINDOW; i++)
                if (f[i])
                        sum += finish(f[i]);
        emit_per("pool.futw", param("t=%d", t), t0, n, "ns/job");
        must(sum == n * (n - 1) / 2, "pool.futw: a result is wrong");
        pool_free();
}

/* 64 jobs with handles by one call; at most 1024 in flight, as pool.futw. */
static void submit_many(int t, int producers)
{
        long n = jobs(1000000) / WINDOW * WINDOW;
        long sum = 0;
        rein_future *f[WINDOW] = {NULL};
        void *arg[BATCH];
        uint64_t t0;
        uint64_t submitting = 0;

        (void)producers;
        pool_new(t);
        t0 = now_ns();
        for (long i = 0; i < n; i += BATCH) {
                rein_future **slot = &f[i % WINDOW];
                uint64_t before;

                for (int k = 0; k < BATCH; k++) {
                        if (slot[k])
                                sum += finish(slot[k]);
                        arg[k] = (void *)(intptr_t)(i + k);
                }
                before = now_ns();
                must(rein_submit_many(pool, job_number, arg, BATCH, NULL, slot) == BATCH, "submit_many: refused");
                submitting += now_ns() - before;
        }
        for (int i = 0; i < WINDOW; i++)
                if (f[i])
                        sum += finish(f[i]);
        emit_per("pool.submit_many", param("t=%d;batch=%d", t, BATCH), t0, n, "ns/job");
        emit("pool.submit_many.submit", param("t=%d;batch=%d", t, BATCH), (double)submitting / (double)n, "ns/job");
        must(sum == n * (n - 1) / 2, "pool.submit_many: a result is wrong");
        pool_free();
}

static void *producer(void *arg)
{
        long n = (long)arg;

        for (long i = 0; i < n; i++)
                rein_drop(rein_submit(pool, job_count, NULL, NULL));
        return NULL;
}

static void pool_mp(int t, int producers)
{
        long each = jobs(1000000) / producers;
        uint64_t t0;

        pool_new(t);
        t0 = now_ns();
        run_producers(producers, producer, each);
        wait_until_done(each * producers);
        emit_per("pool.mp", param("t=%d;prod=%d", t, producers), t0, each * producers, "ns/job");
        pool_free();
}

static int tree_node(void *arg)
{
        intptr_t depth = (intptr_t)arg;

        count_one();
        if (depth > 0) {
                rein_drop(rein_submit(pool, tree_node, (void *)(depth - 1), NULL));
                rein_drop(rein_submit(pool, tree_node, (void *)(depth - 1), NULL));
        }
        return 0;
}

static void tree(int t, int producers)
{
        uint64_t t0;

        (void)producers;
        pool_new(t);
        t0 = now_ns();
        rein_drop(rein_submit(pool, tree_node, (void *)(intptr_t)TREE_DEPTH, NULL));
        wait_until_done(TREE_JOBS);
        emit_per("pool.tree", param("t=%d", t), t0, TREE_JOBS, "ns/job");
        pool_free();
}

/* ---- round trips ---- */

static void rtt_of(const char *param, const rein_job *job)
{
        for (int idle = 0; idle < 2; idle++) {
                struct series s = series_rtt(idle);

                while (series_more(&s)) {
                        uint64_t t0 = now_ns();
                        rein_future *f = rein_submit(pool, job_number, (void *)1, job);

                        must(finish(f) == 1, "rtt: a result is wrong");
                        series_add(&s, now_ns() - t0);
                }
                series_emit(&s, idle ? "rtt.idle" : "rtt.hot", param);
        }
}

/* First with jobs that the waiting thread may run itself, then with jobs that a worker must run. */
static void rtt(int t, int producers)
{
        (void)producers;
        pool_new(t);
        rtt_of(param("t=%d", t), NULL);
        rtt_of(param("t=%d;on_worker", t), REIN_JOB(.on_worker = true));
        pool_free();
}

/* ---- cancel: rein_cancel of a job that blocks, until the job has returned by its own clock ---- */

static int blocked_fd[2];
static int in_job;
static uint64_t returned_at;

static void about_to_block(void)
{
        __atomic_store_n(&in_job, 1, __ATOMIC_SEQ_CST);
}

static int back(int rc)
{
        stamp(&returned_at);
        __atomic_store_n(&in_job, 0, __ATOMIC_SEQ_CST);
        return rc;
}

static int job_sleep(void *arg)
{
        (void)arg;
        about_to_block();
        return back(rein_sleep(REIN_NEVER));
}

static int job_rein_read(void *arg)
{
        char c;

        (void)arg;
        about_to_block();
        return back((int)rein_read(blocked_fd[0], &c, 1, REIN_NEVER));
}

static int read_in_region(void (*stop)(void *))
{
        rein_hook h;
        char c;
        int rc = rein_hook_open(&h, stop, NULL);

        if (rc < 0)
                return back(rc);
        about_to_block();
        rc = read(blocked_fd[0], &c, 1) < 0 ? -errno : 0;
        return back(rein_hook_close(&h, rc));
}

static int job_poke(void *arg)
{
        (void)arg;
        return read_in_region(REIN_POKE);
}

static void stop_by_shutdown(void *arg)
{
        (void)arg;
        shutdown(blocked_fd[0], SHUT_RDWR);
}

static int job_hook(void *arg)
{
        (void)arg;
        return read_in_region(stop_by_shutdown);
}

static void descriptors_open(bool socket)
{
        must((socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, blocked_fd) : pipe(blocked_fd)) == 0, "no descriptors");
}

static void descriptors_close(void)
{
        close(blocked_fd[0]);
        close(blocked_fd[1]);
}

static void cancel_one_kind(const char *param, rein_fn job, bool socket)
{
        struct series s = series_new(1000, 0, 0);

        while (series_more(&s)) {
                rein_future *f;
                uint64_t t0;

                descriptors_open(socket); /* a new pair each time: shutdown is for good */
                unstamp(&returned_at);
                f = rein_submit(pool, job, NULL, REIN_JOB(.on_worker = true));
                while (!__atomic_load_n(&in_job, __ATOMIC_SEQ_CST))
                        nap_us(50);
                nap_us(200); /* it is parked now, and its CPU idle */
                t0 = now_ns();
                must(rein_cancel(f, NULL) == REIN_ASKED, "cancel: the job did not run");
                while (!stamped(&returned_at) || __atomic_load_n(&in_job, __ATOMIC_SEQ_CST))
                        nap_us(20);
                series_add(&s, stamped(&returned_at) - t0);
                must(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED, "cancel: the job ended well");
                must(rein_code(f) == REIN_ECANCELED, "cancel: the job ended otherwise than cancelled");
                rein_drop(f);
                descriptors_close();
        }
        series_emit(&s, "cancel.blocking_job", param);
}

/* ---- between tasks: nothing in the way; to and fro between two, on one loop or on two threads ---- */

typedef struct pong {
        rein_mutex *mutex;
        rein_chan *there, *back;
        long rounds;
} pong;

static int echo(void *arg)
{
        pong *p = arg;
        long item;
        while (rein_chan_recv(p->there, &item, REIN_NEVER) == 1)
                if (rein_chan_send(p->back, &item, REIN_NEVER) < 0)
                        return -EPIPE;
        return 0;
}

static int call_out(void *arg)
{
        pong *p = arg;
        long item = 0;
        for (long i = 0; i < p->rounds; i++)
                if (rein_chan_send(p->there, &i, REIN_NEVER) < 0 || rein_chan_recv(p->back, &item, REIN_NEVER) != 1 ||
                    item != i)
                        return -EIO;
        rein_chan_close(p->there);
        return 0;
}

static int lock_unlock(void *arg)
{
        pong *p = arg;
        for (long i = 0; i < p->rounds; i++) {
                if (rein_mutex_lock(p->mutex, REIN_NEVER) < 0)
                        return -EIO;
                rein_mutex_unlock(p->mutex);
        }
        return 0;
}

/* Two tasks on x: each round of `one` (and of `two`) counts. */
static void sync_pair(const char *bench, const char *param, rein_executor *x, rein_fn one, rein_fn two, long rounds)
{
        pong p = {.mutex = rein_mutex_new(),
                  .there = rein_chan_new(sizeof(long), 0, NULL),
                  .back = rein_chan_new(sizeof(long), 0, NULL),
                  .rounds = rounds};
        uint64_t t0 = now_ns();
        rein_future *f = rein_submit(x, one, &p, REIN_JOB(.on_worker = true));
        rein_future *g = rein_submit(x, two, &p, REIN_JOB(.on_worker = true));

        must(finish(f) == 0 && finish(g) == 0, bench);
        emit_per(bench, param, t0, one == two ? 2 * rounds : rounds, "ns");
        rein_mutex_free(p.mutex);
        rein_chan_free(p.there);
        rein_chan_free(p.back);
}

static void sync_objects(int t, int producers)
{
        rein_executor *loop = rein_loop_new(NULL);
        long n = jobs(2000000), item = 0;
        rein_mutex *mutex = rein_mutex_new();
        rein_chan *chan = rein_chan_new(sizeof item, 1, NULL);
        uint64_t t0 = now_ns();

        (void)t;
        (void)producers;
        for (long i = 0; i < n; i++) {
                rein_mutex_lock(mutex, REIN_NEVER);
                rein_mutex_unlock(mutex);
        }
        emit_per("sync.mutex", "free", t0, n, "ns");
        t0 = now_ns();
        for (long i = 0; i < n; i++) {
                rein_chan_send(chan, &i, REIN_NEVER);
                rein_chan_recv(chan, &item, REIN_NEVER);
        }
        emit_per("sync.chan", "buffer", t0, n, "ns");
        rein_mutex_free(mutex);
        rein_chan_free(chan);
        pool_new(2);
        sync_pair("sync.mutex", "2 threads", pool, lock_unlock, lock_unlock, n / 20);
        sync_pair("sync.chan_rt", "2 threads", pool, call_out, echo, n / 20);
        sync_pair("co.chan_rt", "cap=0", loop, call_out, echo, n / 4);
        rein_executor_free(loop);
        pool_free();
}

static int produce(void *arg)
{
        pong *p = arg;
        for (long i = 0; i < p->rounds; i++)
                if (rein_chan_send(p->there, &i, REIN_NEVER) < 0)
                        return -EPIPE;
        return 0;
}

static int consume(void *arg)
{
        pong *p = arg;
        long item;
        while (rein_chan_recv(p->there, &item, REIN_NEVER) == 1)
                ;
        return 0;
}

static void queue(int t, int producers)
{
        rein_future *f[64];
        pong p = {.there = rein_chan_new(sizeof(long), 1024, NULL), .rounds = jobs(1000000) / producers};
        uint64_t t0;

        must(t + producers <= 64, "queue: too many");
        pool_new(t + producers);
        t0 = now_ns();
        for (int i = 0; i < t + producers; i++)
                f[i] = rein_submit(pool, i < producers ? produce : consume, &p, REIN_JOB(.on_worker = true));
        for (int i = 0; i < producers; i++)
                finish(f[i]);
        rein_chan_close(p.there);
        for (int i = producers; i < t + producers; i++)
                finish(f[i]);
        emit_per("queue.bounded", param("prod=%d;cons=%d;cap=1024", producers, t), t0, p.rounds * producers, "ns/item");
        pool_free();
        rein_chan_free(p.there);
}

static void cancel(int t, int producers)
{
        (void)producers;
        pool_new(t);
        cancel_one_kind("rein_sleep", job_sleep, false);
        cancel_one_kind("rein_read pipe", job_rein_read, false);
        cancel_one_kind("read(2)+REIN_POKE", job_poke, false);
        cancel_one_kind("read(2)+hook fn", job_hook, true);
        pool_free();
}

int main(int argc, char **argv)
{
        static const struct bench all[] = {
                {"pool_ff", pool_ff},
                {"pool_fut", pool_fut},
                {"pool_futw", pool_futw},
                {"submit_many", submit_many},
                {"pool_mp", pool_mp},
                {"tree", tree},
                {"rtt", rtt},
                {"sync", sync_objects},
                {"queue", queue},
                {"cancel", cancel},
                {"rtt_loop", rtt_loop},
                {"wakeloop", wakeloop},
                {"timer", timer},
                {"timer_bare", timer_bare},
                {"co_switch", co_switch},
                {"co_create", co_create},
                {"co_mem", co_mem},
                {"udp", udp},
                {NULL, NULL},
        };

        return bench_main(argc, argv, "rein", all);
}
