# SPDX-License-Identifier: Apache-2.0
"""Python's process pools (concurrent.futures, multiprocessing, pebble, loky): round trips, throughput, a worker's
death; and commands. Part of pybench.py."""
import asyncio
import concurrent.futures as cf
import multiprocessing as mp
import os
import subprocess
import time

from pybench import emit, emit_latency, emit_per, jobs, nop, now_ns

try:
    import pebble
except ImportError:
    pebble = None
try:
    from joblib.externals import loky
except ImportError:
    loky = None

FORK = mp.get_context("fork")


def echo(b):
    return b


def die():
    os._exit(3)


def process_pool(t, context=FORK):
    ex = cf.ProcessPoolExecutor(t, mp_context=context)
    ex.submit(nop).result()
    return ex


def pebble_pool(t):
    p = pebble.ProcessPool(t, context=FORK)
    p.schedule(nop).result()
    return p


def loky_pool(t):
    ex = loky.get_reusable_executor(t)
    ex.submit(nop).result()
    return ex


# ---- round trips and throughput ----


def round_trips(peer, t, call):
    for size, n in ((64, 2000), (1 << 20, 200)):
        payload = b"x" * size
        for _ in range(20):
            call(payload)
        v = []
        for _ in range(n):
            t0 = now_ns()
            call(payload)
            v.append(now_ns() - t0)
        emit_latency("proc.rt", peer, f"t={t};size={size}", v)


def throughput(peer, t, n, submit, result):
    t0 = now_ns()
    for f in [submit() for _ in range(n)]:
        result(f)
    emit_per("proc.thr", peer, f"t={t};n={n}", t0, n, "ns/task")


def chunked(peer, t, n, run):
    t0 = now_ns()
    run(range(n))
    emit_per("proc.thr", peer, f"t={t};n={n};chunk=1000", t0, n, "ns/task")


def proc(t):
    n = jobs(10000)
    with process_pool(t) as ex:
        round_trips("python-ppe", t, lambda p: ex.submit(echo, p).result())
        throughput("python-ppe", t, n, lambda: ex.submit(nop), lambda f: f.result())
        chunked("python-ppe", t, n * 10, lambda r: list(ex.map(nop, r, chunksize=1000)))
    with FORK.Pool(t) as pool:
        round_trips("python-mp.Pool", t, lambda p: pool.apply(echo, (p,)))
        throughput("python-mp.Pool", t, n, lambda: pool.apply_async(nop), lambda f: f.get())
        chunked("python-mp.Pool", t, n * 10, lambda r: pool.map(nop, r, chunksize=1000))
    if pebble:
        pool = pebble_pool(t)
        round_trips("pebble", t, lambda p: pool.schedule(echo, args=(p,)).result())
        throughput("pebble", t, n // 5, lambda: pool.schedule(nop), lambda f: f.result())
        pool.stop()
        pool.join()
    if loky:
        ex = loky_pool(t)
        round_trips("loky", t, lambda p: ex.submit(echo, p).result())
        throughput("loky", t, n // 5, lambda: ex.submit(nop), lambda f: f.result())
        ex.shutdown()


# ---- a worker dies ----


def fails(future):
    try:
        future.result()
    except Exception:  # which one it is, is the library's own affair
        return


def crash_executor(peer, param, new, times, keep):
    """The whole pool is broken, and who used it makes another."""
    detect, recover = [], []
    for _ in range(times):
        ex = new()
        t0 = now_ns()
        fails(ex.submit(die))
        detect.append(now_ns() - t0)
        if not keep:
            ex.shutdown()
        ex = new()
        recover.append(now_ns() - t0)
        if not keep:
            ex.shutdown()
    emit_latency("proc.crash_detect", peer, param.split(";")[0], detect)
    emit_latency("proc.crash_recover", peer, param, recover)


def crash_pebble(t):
    detect, recover = [], []
    pool = pebble_pool(t)
    for _ in range(10):
        t0 = now_ns()
        fails(pool.schedule(die))
        detect.append(now_ns() - t0)
        pool.schedule(nop).result()
        recover.append(now_ns() - t0)
    emit_latency("proc.crash_detect", "pebble", f"t={t}", detect)
    emit_latency("proc.crash_recover", "pebble", f"t={t}", recover)
    overrun = []
    for _ in range(5):  # it kills the worker of a job that runs too long
        t0 = now_ns()
        fails(pool.schedule(time.sleep, args=(10,), timeout=0.1))
        overrun.append(now_ns() - t0 - 100_000_000)
    emit_latency("proc.timeout_overrun", "pebble", f"t={t};timeout=0.1s", overrun)
    pool.stop()
    pool.join()


def crash_multiprocessing(t):
    with FORK.Pool(t) as pool:
        answer = pool.apply_async(die)
        try:
            answer.get(3)
            hangs = 0
        except mp.TimeoutError:
            hangs = 1
        emit("proc.crash_hangs", "python-mp.Pool", "caller still waiting after 3 s", hangs, "bool")


def start_stop(bench, peer, param, times, new):
    v = []
    for _ in range(times):
        t0 = now_ns()
        with new() as ex:
            ex.submit(nop).result()
        v.append(now_ns() - t0)
    emit_latency(bench, peer, param, v)


def crash(t):
    crash_executor("python-ppe", f"t={t};new-pool-by-hand", lambda: process_pool(t), 10, False)
    if pebble:
        crash_pebble(t)
    crash_multiprocessing(t)
    if loky:
        crash_executor("loky", f"t={t}", lambda: loky_pool(t), 3, True)
        loky_pool(t).shutdown()
    spawn = mp.get_context("spawn")
    start_stop("proc.pool_start_stop", "python-ppe", f"t={t};fork", 10, lambda: cf.ProcessPoolExecutor(t, FORK))
    start_stop("proc.pool_start_stop", "python-ppe", f"t={t};spawn", 3, lambda: cf.ProcessPoolExecutor(t, spawn))
    start_stop("pool.start_stop", "python-tpe", f"t={t}", 20, lambda: cf.ThreadPoolExecutor(t))


# ---- commands ----


def cmd(t):
    def emit_ms(peer, t0):
        emit("cmd.1000true", peer, f"j={t}", (now_ns() - t0) / 1e6, "ms")

    with cf.ThreadPoolExecutor(t) as ex:
        t0 = now_ns()
        list(ex.map(lambda _: subprocess.run(["/bin/true"], check=True), range(1000)))
        emit_ms("python-tpe+subprocess", t0)

    async def body():
        places = asyncio.Semaphore(t)

        async def one():
            async with places:
                await (await asyncio.create_subprocess_exec("/bin/true")).wait()

        t0 = now_ns()
        await asyncio.gather(*[one() for _ in range(1000)])
        emit_ms("asyncio-subprocess", t0)

    asyncio.run(body())


BENCHES = {"proc": proc, "crash": crash, "cmd": cmd}
