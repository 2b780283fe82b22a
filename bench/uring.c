/* SPDX-License-Identifier: Apache-2.0 */
/* The io_uring floor: what one submit and complete costs, alone and in batches, and as a wake-up. */
#include "bench.h"
#include <liburing.h>
#include <sys/eventfd.h>

static struct io_uring ring;
static int event_fd;
static uint64_t woken_at;
static int ready;

static void *loop_thread(void *arg)
{
        long n = (long)arg;

        for (long i = 0; i < n; i++) {
                struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
                struct io_uring_cqe *cqe;
                uint64_t v;

                io_uring_prep_read(sqe, event_fd, &v, 8, 0);
                __atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
                io_uring_submit_and_wait(&ring, 1);
                stamp(&woken_at);
                io_uring_peek_cqe(&ring, &cqe);
                io_uring_cqe_seen(&ring, cqe);
        }
        return NULL;
}

static void nops(int batch)
{
        long n = 400000 / batch;
        uint64_t t0 = now_ns();

        for (long i = 0; i < n; i++) {
                struct io_uring_cqe *cqe;

                for (int k = 0; k < batch; k++)
                        io_uring_prep_nop(io_uring_get_sqe(&ring));
                io_uring_submit_and_wait(&ring, (unsigned)batch);
                for (int k = 0; k < batch; k++) {
                        io_uring_peek_cqe(&ring, &cqe);
                        io_uring_cqe_seen(&ring, cqe);
                }
        }
        emit_per("lim.uring_nop", param("batch=%d", batch), t0, n * batch, "ns");
}

static void wakes(void)
{
        enum { N = 2000 };
        struct series s = series_new(N, 0, 0);
        pthread_t t;

        event_fd = eventfd(0, 0);
        pthread_create(&t, NULL, loop_thread, (void *)(long)N);
        while (series_more(&s)) {
                uint64_t one = 1;
                uint64_t t0;

                while (!__atomic_load_n(&ready, __ATOMIC_SEQ_CST))
                        nap_us(20);
                __atomic_store_n(&ready, 0, __ATOMIC_SEQ_CST);
                nap_us(200);
                unstamp(&woken_at);
                t0 = now_ns();
                if (write(event_fd, &one, 8) < 0)
                        abort();
                do {
                        nap_us(100);
                } while (!stamped(&woken_at));
                series_add(&s, stamped(&woken_at) - t0);
        }
        series_emit(&s, "wakeloop.oneway", "idle;eventfd-read-by-uring");
}

static void run(int threads, int producers)
{
        int refused = io_uring_queue_init(256, &ring, 0);

        (void)threads;
        (void)producers;
        if (refused) {
                emit("lim.uring_refused", "-", -refused, "errno");
                return;
        }
        nops(1);
        nops(8);
        nops(64);
        wakes();
}

int main(int argc, char **argv)
{
        static const struct bench all[] = {
                {"all", run},
                {NULL, NULL},
        };

        return bench_main(argc, argv, "io_uring", all);
}
