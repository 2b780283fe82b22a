/* SPDX-License-Identifier: Apache-2.0 */
/* java.util.concurrent: ThreadPoolExecutor (java-tpe), ForkJoinPool (java-fjp), the scheduled pool, ArrayBlockingQueue.
 * Usage: java Bench BENCH [THREADS] [PRODUCERS]
 * Throughput benches run three times in one process; the last, warmed-up, time is the one reported. */
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RecursiveAction;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

public class Bench {
        static final int TREE_DEPTH = 19;
        static final int TREE_JOBS = (1 << 20) - 1;

        final int threads;
        final int producers;
        final int n = Integer.parseInt(System.getenv().getOrDefault("BN", "1000000"));

        Bench(int threads, int producers) {
                this.threads = threads;
                this.producers = producers;
        }

        static void emit(String bench, String peer, String param, double value, String unit) {
                System.out.printf(Locale.ROOT, "%s,%s,%s,%.1f,%s%n", bench, peer, param, value, unit);
        }

        static void emitLatency(String bench, String peer, String param, long[] v) {
                Arrays.sort(v);
                emit(bench + ".p50", peer, param, v[v.length / 2], "ns");
                emit(bench + ".p99", peer, param, v[(int) (v.length * 0.99)], "ns");
        }

        static void nap() {
                LockSupport.parkNanos(200_000);
        }

        static ThreadPoolExecutor threadPool(int threads) {
                LinkedBlockingQueue<Runnable> q = new LinkedBlockingQueue<>();
                ThreadPoolExecutor e = new ThreadPoolExecutor(threads, threads, 1, TimeUnit.HOURS, q);

                e.prestartAllCoreThreads();
                return e;
        }

        ExecutorService pool(String peer) {
                return peer.equals("java-fjp") ? new ForkJoinPool(threads) : threadPool(threads);
        }

        interface Body {
                void run(ExecutorService e) throws Exception;
        }

        /* Three times on a new pool each; one row, the time of the last per job. */
        void throughput(String bench, String peer, String param, int jobs, String unit, Body body) throws Exception {
                double last = 0;

                for (int k = 0; k < 3; k++) {
                        ExecutorService e = pool(peer);
                        long t0 = System.nanoTime();

                        body.run(e);
                        last = (System.nanoTime() - t0) / (double) jobs;
                        e.shutdown();
                }
                emit(bench, peer, param, last, unit);
        }

        void poolFf(String peer) throws Exception {
                throughput("pool.ff", peer, "t=" + threads, n, "ns/job", e -> {
                        CountDownLatch latch = new CountDownLatch(n);
                        Runnable job = latch::countDown;

                        for (int i = 0; i < n; i++)
                                e.execute(job);
                        latch.await();
                });
        }

        void poolFut(String peer) throws Exception {
                throughput("pool.fut", peer, "t=" + threads, n, "ns/job", e -> {
                        ArrayList<Future<Integer>> futures = new ArrayList<>(n);
                        long sum = 0;

                        for (int i = 0; i < n; i++) {
                                int x = i;
                                futures.add(e.submit(() -> x));
                        }
                        for (Future<Integer> f : futures)
                                sum += f.get();
                        if (sum != (long) n * (n - 1) / 2)
                                throw new Error("a result is wrong");
                });
        }

        /* At most 1024 in flight. */
        void poolFutw(String peer) throws Exception {
                throughput("pool.futw", peer, "t=" + threads, n, "ns/job", e -> {
                        ArrayDeque<Future<Integer>> futures = new ArrayDeque<>();

                        for (int i = 0; i < n; i++) {
                                int x = i;
                                if (futures.size() == 1024)
                                        futures.poll().get();
                                futures.add(e.submit(() -> x));
                        }
                        for (Future<Integer> f : futures)
                                f.get();
                });
        }

        void poolMp(String peer) throws Exception {
                int each = n / producers;

                throughput("pool.mp", peer, "t=" + threads + ";prod=" + producers, each * producers, "ns/job", e -> {
                        CountDownLatch latch = new CountDownLatch(each * producers);
                        Runnable job = latch::countDown;

                        for (int p = 0; p < producers; p++) {
                                new Thread(() -> {
                                        for (int i = 0; i < each; i++)
                                                e.execute(job);
                                }).start();
                        }
                        latch.await();
                });
        }

        static void treeNode(Executor e, int depth, CountDownLatch latch) {
                if (depth > 0) {
                        e.execute(() -> treeNode(e, depth - 1, latch));
                        e.execute(() -> treeNode(e, depth - 1, latch));
                }
                latch.countDown();
        }

        @SuppressWarnings("serial")
        static class Joined extends RecursiveAction {
                final int depth;

                Joined(int depth) {
                        this.depth = depth;
                }

                @Override
                protected void compute() {
                        if (depth > 0)
                                invokeAll(new Joined(depth - 1), new Joined(depth - 1));
                }
        }

        void tree(String peer) throws Exception {
                throughput("pool.tree", peer, "t=" + threads, TREE_JOBS, "ns/job", e -> {
                        CountDownLatch latch = new CountDownLatch(TREE_JOBS);

                        e.execute(() -> treeNode(e, TREE_DEPTH, latch));
                        latch.await();
                });
                if (!peer.equals("java-fjp"))
                        return;
                double last = 0;
                for (int k = 0; k < 3; k++) {
                        ForkJoinPool e = new ForkJoinPool(threads);
                        long t0 = System.nanoTime();

                        e.invoke(new Joined(TREE_DEPTH));
                        last = (System.nanoTime() - t0) / (double) TREE_JOBS;
                        e.shutdown();
                }
                emit("pool.tree", "java-fjp-invokeAll", "t=" + threads, last, "ns/job");
        }

        void rtt(String peer) throws Exception {
                ExecutorService e = pool(peer);

                for (boolean idle : new boolean[] {false, true}) {
                        int count = idle ? 2000 : 20000;
                        long[] v = new long[count];

                        for (int i = -5000; i < count; i++) {
                                if (idle && i > -500)
                                        nap();
                                long t0 = System.nanoTime();
                                e.submit(() -> 1).get();
                                if (i >= 0)
                                        v[i] = System.nanoTime() - t0;
                        }
                        emitLatency(idle ? "rtt.idle" : "rtt.hot", peer, "t=" + threads, v);
                }
                e.shutdown();
        }

        interface Step {
                void run() throws InterruptedException;
        }

        static Thread repeat(int times, Step step) {
                return new Thread(() -> {
                        try {
                                for (int i = 0; i < times; i++)
                                        step.run();
                        } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                        }
                });
        }

        /* `threads` consumers. */
        void queue() throws Exception {
                int each = n / producers;
                double last = 0;

                for (int k = 0; k < 3; k++) {
                        BlockingQueue<Integer> q = new ArrayBlockingQueue<>(1024);
                        ArrayList<Thread> all = new ArrayList<>();
                        long t0 = System.nanoTime();

                        for (int p = 0; p < producers; p++)
                                all.add(repeat(each, () -> q.put(1)));
                        for (int c = 0; c < threads; c++)
                                all.add(repeat(each * producers / threads, q::take));
                        for (Thread x : all)
                                x.start();
                        for (Thread x : all)
                                x.join();
                        last = (System.nanoTime() - t0) / (double) (each * producers);
                }
                emit("queue.bounded", "java-abq", "prod=" + producers + ";cons=" + threads + ";cap=1024", last,
                                "ns/item");
        }

        void timer() {
                double last = 0;

                for (int k = 0; k < 3; k++) {
                        ScheduledThreadPoolExecutor s = new ScheduledThreadPoolExecutor(1);
                        Random random = new Random(1);
                        ScheduledFuture<?>[] f = new ScheduledFuture<?>[n];

                        s.setRemoveOnCancelPolicy(true);
                        long t0 = System.nanoTime();
                        for (int i = 0; i < n; i++)
                                f[i] = s.schedule(() -> { }, 1000 + random.nextInt(60000), TimeUnit.MILLISECONDS);
                        for (int i = 0; i < n; i++)
                                f[i].cancel(false);
                        last = (System.nanoTime() - t0) / (double) n;
                        s.shutdownNow();
                }
                emit("timer.insert_cancel", "java-stpe", "n=" + n, last, "ns");
        }

        /* Future.cancel(true) of a job that sleeps. */
        void cancel() throws Exception {
                ExecutorService e = threadPool(2);
                long[] v = new long[1000];

                for (int i = -200; i < v.length; i++) {
                        AtomicLong returned = new AtomicLong();
                        CountDownLatch up = new CountDownLatch(1);
                        Future<?> f = e.submit(() -> {
                                try {
                                        up.countDown();
                                        Thread.sleep(10000);
                                } catch (InterruptedException x) {
                                        /* as wished */
                                }
                                returned.set(System.nanoTime());
                        });

                        up.await();
                        nap();
                        long t0 = System.nanoTime();
                        f.cancel(true);
                        while (returned.get() == 0)
                                LockSupport.parkNanos(20000);
                        if (i >= 0)
                                v[i] = returned.get() - t0;
                }
                emitLatency("cancel.blocking_job", "java", "interrupt-sleep", v);
                e.shutdown();
        }

        /* Returns: is there such a bench? */
        boolean run(String bench) throws Exception {
                switch (bench) {
                case "queue":
                        queue();
                        return true;
                case "timer":
                        timer();
                        return true;
                case "cancel":
                        cancel();
                        return true;
                default:
                        break;
                }
                for (String peer : new String[] {"java-tpe", "java-fjp"}) {
                        switch (bench) {
                        case "pool_ff":
                                poolFf(peer);
                                break;
                        case "pool_fut":
                                poolFut(peer);
                                break;
                        case "pool_futw":
                                poolFutw(peer);
                                break;
                        case "pool_mp":
                                poolMp(peer);
                                break;
                        case "tree":
                                tree(peer);
                                break;
                        case "rtt":
                                rtt(peer);
                                break;
                        default:
                                return false;
                        }
                }
                return true;
        }

        public static void main(String[] args) throws Exception {
                int threads = args.length > 1 ? Integer.parseInt(args[1]) : 2;
                int producers = args.length > 2 ? Integer.parseInt(args[2]) : 2;

                System.exit(args.length > 0 && new Bench(threads, producers).run(args[0]) ? 0 : 2);
        }
}
