#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Python: concurrent.futures, asyncio, uvloop, anyio, trio, and by pybench_proc.py what runs in other processes.

usage: pybench.py BENCH [THREADS]. It needs Debian's own interpreter, whose packages uvloop and others are. What is not
installed is left out."""
import asyncio
import collections
import concurrent.futures as cf
import os
import queue
import random
import sys
import threading
import time
from multiprocessing.pool import ThreadPool

try:
    import uvloop
except ImportError:
    uvloop = None
try:
    import anyio
except ImportError:
    anyio = None
try:
    import trio
except ImportError:
    trio = None

now_ns = time.perf_counter_ns


def emit(bench, peer, param, value, unit):
    print(f"{bench},{peer},{param},{value:.4g},{unit}", flush=True)


def emit_per(bench, peer, param, t0, n, unit):
    emit(bench, peer, param, (now_ns() - t0) / n, unit)


def emit_latency(bench, peer, param, v):
    v.sort()
    emit(bench + ".p50", peer, param, v[len(v) // 2], "ns")
    emit(bench + ".p99", peer, param, v[int(len(v) * 0.99)], "ns")


def jobs(otherwise):
    return int(os.environ.get("BN", otherwise))


def nap():
    time.sleep(0.0002)


def nop(*_):
    return None


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4096


def loops():
    yield "asyncio", asyncio.new_event_loop
    if uvloop:
        yield "uvloop", uvloop.new_event_loop


def on_each_loop(body):
    """Run the coroutine function body(peer) on a loop of each kind."""
    for peer, new in loops():
        loop = new()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(body(peer))
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


def on_each_anyio(body):
    if anyio:
        anyio.run(body, "anyio-asyncio")
    if anyio and trio:
        anyio.run(body, "anyio-trio", backend="trio")


def run_threads(functions):
    threads = [threading.Thread(target=f) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def round_trips(call, hot):
    """Yields the bench's suffix and the latencies: back to back, then each after a nap."""
    for idle in (False, True):
        v = []
        for _ in range((2000 if idle else hot) + 100):
            if idle:
                nap()
            t0 = now_ns()
            call()
            v.append(now_ns() - t0)
        yield "idle" if idle else "hot", v[100:]


async def async_round_trips(call, hot, idle_count=2000):
    found = []
    for idle in (False, True):
        v = []
        for _ in range((idle_count if idle else hot) + 100):
            if idle:
                nap()
            t0 = now_ns()
            await call()
            v.append(now_ns() - t0)
        found.append(("idle" if idle else "hot", v[100:]))
    return found


# ---- thread pools ----


def pool(t):
    n = jobs(50000)
    param = f"t={t}"
    with cf.ThreadPoolExecutor(t) as ex:
        t0 = now_ns()
        futures = [ex.submit(nop) for _ in range(n)]
        submitted = now_ns()
        for f in futures:
            f.result()
        emit_per("pool.fut", "python-tpe", param, t0, n, "ns/job")
        emit("pool.fut.submit", "python-tpe", param, (submitted - t0) / n, "ns/job")
        window = collections.deque()
        t0 = now_ns()
        for _ in range(n):
            if len(window) == 1024:
                window.popleft().result()
            window.append(ex.submit(nop))
        for f in window:
            f.result()
        emit_per("pool.futw", "python-tpe", param, t0, n, "ns/job")
    with ThreadPool(t) as p:
        t0 = now_ns()
        p.map(nop, range(n * 2), chunksize=1)
        emit_per("pool.fut", "python-mp.ThreadPool", param + ";map-chunk1", t0, n * 2, "ns/job")


def executor_map(t):
    n = jobs(100000)
    with cf.ThreadPoolExecutor(t) as ex:
        t0 = now_ns()
        for _ in ex.map(nop, range(n)):
            pass
        emit_per("py.map", "python-tpe", f"t={t};n={n}", t0, n, "ns/call")


def pool_mp(t, producers=2):
    n = jobs(50000) // producers
    with cf.ThreadPoolExecutor(t) as ex:

        def produce():
            for f in [ex.submit(nop) for _ in range(n)]:
                f.result()

        t0 = now_ns()
        run_threads([produce] * producers)
        emit_per("pool.mp", "python-tpe", f"t={t};prod={producers}", t0, n * producers, "ns/job")


def bounded_queue(t, producers=2):
    n = jobs(100000) // producers
    q = queue.Queue(1024)

    def produce():
        for i in range(n):
            q.put(i)

    def consume():
        for _ in range(n * producers // t):
            q.get()

    t0 = now_ns()
    run_threads([produce] * producers + [consume] * t)
    emit_per("queue.bounded", "queue.Queue", f"prod={producers};cons={t};cap=1024", t0, n * producers, "ns/item")


def rtt(t):
    with cf.ThreadPoolExecutor(t) as ex:
        for state, v in round_trips(lambda: ex.submit(nop).result(), 5000):
            emit_latency("rtt." + state, "python-tpe", f"t={t}", v)


def rtt_loop(t):
    async def body(peer):
        loop = asyncio.get_running_loop()
        loop.set_default_executor(cf.ThreadPoolExecutor(t))
        ways = (("run_in_executor", lambda: loop.run_in_executor(None, nop)),
                ("to_thread", lambda: asyncio.to_thread(nop)))
        for way, call in ways:
            for state, v in await async_round_trips(call, 5000):
                emit_latency("rttloop." + state, peer, f"t={t};{way}", v)
        n = jobs(20000)
        t0 = now_ns()
        await asyncio.gather(*[loop.run_in_executor(None, nop) for _ in range(n)])
        emit_per("pool.fut", peer, f"t={t};gather-run_in_executor", t0, n, "ns/job")

    async def anyio_body(peer):
        for state, v in await async_round_trips(lambda: anyio.to_thread.run_sync(nop), 3000, 1000):
            emit_latency("rttloop." + state, peer, f"t={t};to_thread.run_sync", v)

    on_each_loop(body)
    on_each_anyio(anyio_body)


def limit(_):
    """What an executor in C can hope for that runs Python callables under the GIL: SimpleQueue, which is in C, both
    ways, no Future, no lock in Python; and the hand-over of the GIL alone."""
    there, back = queue.SimpleQueue(), queue.SimpleQueue()

    def serve():
        while (f := there.get()) is not None:
            back.put(f())

    def call():
        there.put(nop)
        back.get()

    server = threading.Thread(target=serve)
    server.start()
    param = "t=1;SimpleQueue-pair"
    for state, v in round_trips(call, 20000):
        emit_latency("rtt." + state, "python-limit", param, v)
    n = jobs(100000)
    t0 = now_ns()
    for _ in range(n):
        there.put(nop)
    for _ in range(n):
        back.get()
    emit_per("pool.fut", "python-limit", param, t0, n, "ns/job")
    there.put(None)
    server.join()

    ping, pong = threading.Lock(), threading.Lock()
    ping.acquire()
    pong.acquire()

    def answer():
        for _ in range(5000):
            ping.acquire()
            pong.release()

    server = threading.Thread(target=answer)
    server.start()
    t0 = now_ns()
    for _ in range(5000):
        ping.release()
        pong.acquire()
    emit_per("py.lock_pingpong_rt", "python-limit", "2 threads", t0, 5000, "ns")
    server.join()


# ---- futures and small parts ----


def futures(_):
    n = jobs(200000)
    t0 = now_ns()
    for _ in range(n):
        f = cf.Future()
        f.add_done_callback(nop)
        f.set_result(1)
    emit_per("py.future_set_result_cb", "python", "concurrent.futures", t0, n, "ns")
    t0 = now_ns()
    for _ in range(n):
        f = cf.Future()
    emit_per("py.future_create", "python", "concurrent.futures", t0, n, "ns")
    f.set_result(1)
    t0 = now_ns()
    for _ in range(n):
        f.result()
    emit_per("py.future_result_done", "python", "concurrent.futures", t0, n, "ns")

    async def body(peer):
        loop = asyncio.get_running_loop()
        t0 = now_ns()
        for i in range(n):
            f = loop.create_future()
            f.add_done_callback(nop)
            f.set_result(1)
            if i % 1000 == 999:
                await asyncio.sleep(0)
        emit_per("py.future_set_result_cb", peer, peer, t0, n, "ns")

    on_each_loop(body)
    event = threading.Event()
    t0 = now_ns()
    for _ in range(n):
        event.set()
        event.clear()
    emit_per("py.event_set_clear", "python", "-", t0, n, "ns")
    t0 = now_ns()
    for _ in range(n):
        nop()
    emit_per("py.call", "python", "-", t0, n, "ns")
    q = queue.SimpleQueue()
    t0 = now_ns()
    for _ in range(n):
        q.put(1)
        q.get()
    emit_per("py.simplequeue_put_get", "python", "-", t0, n, "ns")


# ---- coroutines, timers, wake-ups ----


def coroutines(_):
    async def empty():
        pass

    async def body(peer):
        n = jobs(200000)

        async def yield_often():
            for _ in range(n):
                await asyncio.sleep(0)

        t0 = now_ns()
        await asyncio.gather(yield_often(), yield_often())
        emit_per("co.switch", peer, "kind=sleep0-2", t0, 2 * n, "ns")
        t0 = now_ns()
        for _ in range(n):
            await asyncio.create_task(empty())
        emit_per("co.create", peer, "kind=create_task+await", t0, n, "ns")

        n = jobs(100000)
        gate = asyncio.Event()

        async def park():
            await gate.wait()

        before = resident_bytes()
        t0 = now_ns()
        tasks = [asyncio.create_task(park()) for _ in range(n)]
        await asyncio.sleep(0)
        parked = now_ns()
        emit("co.mem", peer, f"n={n}", (resident_bytes() - before) / n, "bytes/co")
        emit("co.park", peer, f"n={n}", (parked - t0) / n, "ns/co")
        t0 = now_ns()
        gate.set()
        await asyncio.gather(*tasks)
        emit_per("co.wake_all", peer, f"n={n}", t0, n, "ns/co")

    on_each_loop(body)


def timer(_):
    async def body(peer):
        loop = asyncio.get_running_loop()
        n = jobs(200000)
        rng = random.Random(1)
        spans = [1 + rng.random() * 60 for _ in range(n)]
        t0 = now_ns()
        handles = [loop.call_later(x, nop) for x in spans]
        for h in handles:
            h.cancel()
        await asyncio.sleep(0)
        emit_per("timer.insert_cancel", peer, f"n={n}", t0, n, "ns")

        n = 100000
        fired = 0
        done = loop.create_future()

        def fire():
            nonlocal fired
            fired += 1
            if fired == n:
                done.set_result(1)

        for x in [(1 + rng.randrange(10)) / 1000 for _ in range(n)]:
            loop.call_later(x, fire)
        time.sleep(0.03)
        t0 = now_ns()
        await done
        emit_per("timer.fire_due", peer, f"n={n}", t0, n, "ns")

    on_each_loop(body)


def wakeloop(_):
    for peer, new in loops():
        loop = new()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        nap()
        oneway, send, woken_at = [], [], [0]

        def woken(at=woken_at):
            at[0] = now_ns()

        for _ in range(2000):
            nap()
            woken_at[0] = 0
            t0 = now_ns()
            loop.call_soon_threadsafe(woken)
            send.append(now_ns() - t0)
            nap()
            while not woken_at[0]:
                nap()
            oneway.append(woken_at[0] - t0)
        emit_latency("wakeloop.oneway", peer, "idle", oneway)
        emit_latency("wakeloop.send", peer, "idle", send)

        n = jobs(100000)
        left, all_there = [n], threading.Event()

        def count(left=left, all_there=all_there):
            left[0] -= 1
            if left[0] == 0:
                all_there.set()

        t0 = now_ns()
        for _ in range(n):
            loop.call_soon_threadsafe(count)
        all_there.wait()
        emit_per("wakeloop.thr", peer, f"n={n}", t0, n, "ns/item")
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# ---- cancel ----


def cancel_threads():
    """A threading.Event, polled as one finds it advised, and waited for."""
    returned_at = [0]

    def poll(event, step):
        while not event.is_set():
            time.sleep(step)
        returned_at[0] = now_ns()

    def wait(event):
        event.wait(10)
        returned_at[0] = now_ns()

    ways = (("Event-poll-0.1s", lambda e: poll(e, 0.1), 30, 0.1),
            ("Event-poll-1ms", lambda e: poll(e, 0.001), 300, 0.002),
            ("Event.wait", wait, 1000, 0.002))
    with cf.ThreadPoolExecutor(2) as ex:
        for way, job, n, jitter in ways:
            v = []
            for _ in range(n):
                event = threading.Event()
                f = ex.submit(job, event)
                time.sleep(0.001 + random.random() * jitter)
                t0 = now_ns()
                event.set()
                f.result()
                v.append(returned_at[0] - t0)
            emit_latency("cancel.blocking_job", "python-tpe", way, v)
        f = ex.submit(time.sleep, 0.05)
        nap()
        emit("cancel.future_cancel_running", "python-tpe", "accepted(1)/refused(0)", int(f.cancel()), "bool")
        f.result()


async def cancel_tasks(peer):
    returned_at = 0

    async def sleeper():
        nonlocal returned_at
        try:
            await asyncio.sleep(10)
        finally:
            returned_at = now_ns()

    async def cancelled(task):
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    v = []
    for _ in range(1000):
        task = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        t0 = now_ns()
        await cancelled(task)
        v.append(returned_at - t0)
    emit_latency("cancel.async_task", peer, "task.cancel+await", v)

    # A cancelled to_thread: the await returns at once, the thread goes on.
    awaits, threads = [], []
    for _ in range(20):
        ended = [0]

        def block(ended=ended):
            time.sleep(0.05)
            ended[0] = now_ns()

        task = asyncio.create_task(asyncio.to_thread(block))
        await asyncio.sleep(0.002)
        t0 = now_ns()
        await cancelled(task)
        awaits.append(now_ns() - t0)
        await asyncio.sleep(0.06)
        threads.append(ended[0] - t0)
    emit_latency("cancel.to_thread_await_returns", peer, "sleep-50ms", awaits)
    emit_latency("cancel.to_thread_thread_returns", peer, "sleep-50ms", threads)


async def cancel_scopes(peer):
    returned_at = 0

    async def sleeper():
        nonlocal returned_at
        try:
            await anyio.sleep(10)
        finally:
            returned_at = now_ns()

    v = []
    for _ in range(300):
        async with anyio.create_task_group() as group:
            group.start_soon(sleeper)
            await anyio.sleep(0.0005)
            t0 = now_ns()
            group.cancel_scope.cancel()
        v.append(returned_at - t0)
    emit_latency("cancel.async_task", peer, "cancel_scope", v)
    v = []
    for _ in range(20):
        t0 = now_ns()
        with anyio.move_on_after(0.01):
            await anyio.to_thread.run_sync(time.sleep, 0.05)
        v.append(now_ns() - t0 - 10_000_000)
    emit_latency("cancel.to_thread_await_returns", peer, "sleep-50ms;shielded-default", v)


def cancel(_):
    cancel_threads()
    on_each_loop(cancel_tasks)
    on_each_anyio(cancel_scopes)


def main():
    import pybench_proc

    benches = {
        "pool": pool, "map": executor_map, "pool_mp": pool_mp, "queue": bounded_queue, "rtt": rtt,
        "rtt_loop": rtt_loop, "limit": limit, "fut": futures, "co": coroutines, "timer": timer, "wakeloop": wakeloop,
        "cancel": cancel, **pybench_proc.BENCHES,
    }
    run = benches.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if run is None:
        print(f"usage: pybench.py BENCH [THREADS]; BENCH is one of: {' '.join(benches)}", file=sys.stderr)
        sys.exit(2)
    run(int(sys.argv[2]) if len(sys.argv) > 2 else 2)


if __name__ == "__main__":
    sys.modules["pybench"] = sys.modules["__main__"]  # pybench_proc takes the helpers from here
    main()
