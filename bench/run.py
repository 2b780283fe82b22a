#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The interleaving runner: every round runs every harness once, in a new random order, so that a slow minute of the
machine falls on all peers alike. Each run is preceded by a noise gauge and accompanied by the share of the CPUs that
other processes took; both stand in the results beside the figures. At the end it prints the table (table.py).

usage: run.py [--build DIR] [--full] [--only REGEX] [--rounds N] [--n JOBS] [--minutes M] [--out FILE] [--append]
--only: matches keys such as `uv:pool_fut:2:` or `rein:rtt:2:1cpu`; --list shows them."""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time

import table

HERE = os.path.dirname(os.path.abspath(__file__))
HZ = os.sysconf("SC_CLK_TCK")

# Debian packages of the peers, to tell what to install.
PACKAGES = {
    "uv": "libuv1-dev", "glib": "libglib2.0-dev", "tbb": "libtbb-dev", "asio": "libboost-dev",
    "libev": "libev-dev", "libevent": "libevent-dev", "apr": "libapr1-dev libaprutil1-dev libpcl1-dev",
    "fiber": "libboost-fiber-dev libboost-context-dev", "uring": "liburing-dev", "go": "golang-go",
    "java": "default-jdk-headless", "python": "python3-uvloop python3-anyio python3-trio python3-pebble python3-joblib",
    "xargs": "findutils", "make": "make", "parallel": "parallel", "rein-cmd": "the rein command, built from this tree",
}


class Entry:
    """One harness run. rounds: at most so many. quick: part of the quick set."""

    def __init__(self, peer, key, cmd, suffix="", env=None, rounds=99, timeout=90, quick=False):
        self.peer, self.key, self.cmd, self.suffix = peer, key, cmd, suffix
        self.env, self.rounds, self.timeout, self.quick = env or {}, rounds, timeout, quick

    def missing(self):
        program = self.cmd[3] if self.cmd[0] == "taskset" else self.cmd[0]
        return not shutil.which(program) or self.env.get("REIN") == ""


class Manifest:
    """All runs there are. T: thread counts; the quick set takes 2 alone."""

    def __init__(self, build):
        self.bin = os.path.join(build, "bench")
        self.entries = []
        self.rein(build)
        self.quick_peers()
        self.other_peers()

    def add(self, peer, cmd, benches, threads=(2,), producers=("",), quick=False, one_cpu=False, **more):
        for bench in benches:
            for t in threads:
                for p in producers:
                    key = f"{peer}:{bench}:{t}:{p}"
                    words = cmd + [bench] + [str(x) for x in (t, p) if x != ""]
                    self.entries.append(Entry(peer, key, words, quick=quick and t in (2, ""), **more))
            if one_cpu:  # the software path without wake-ups across CPUs: the steadiest figure
                words = ["taskset", "-c", "0", *cmd, bench, "2"]
                key = f"{peer}:{bench}:2:1cpu"
                self.entries.append(Entry(peer, key, words, suffix=";1cpu", quick=quick, **more))

    def exe(self, name):
        return [os.path.join(self.bin, name)]

    def command(self, name, quick, **env):
        peer = env.pop("peer", name)
        words = [os.path.join(HERE, "cmd.sh"), name, "2"]
        self.entries.append(Entry(peer, f"cmd:{name}:2:", words, env=env, quick=quick))

    def rein(self, build):
        every = (1, 2, 4)
        rein = self.exe("rein-bench")
        self.add("rein", rein, ["pool_ff", "pool_fut", "pool_futw", "submit_many", "tree"], every, quick=True)
        self.add("rein", rein, ["pool_mp"], producers=(2, 4), quick=True)
        self.add("rein", rein, ["rtt"], quick=True, one_cpu=True)
        self.add("rein", rein, ["cancel"], quick=True)
        self.add("rein", rein, ["sync"], threads=("",))
        self.add("rein", rein, ["queue"], producers=(2, 4))
        self.add("rein", rein, ["rtt_loop", "wakeloop", "udp"], quick=True, one_cpu=True)
        self.add("rein", rein, ["timer", "timer_bare", "co_switch", "co_create"], quick=True)
        self.add("rein", rein, ["co_mem"], quick=True, env={"BN": "20000"})
        self.command("rein", True, peer="rein-cmd", REIN=find_rein(build))
        limits = self.exe("limits")
        self.add("limits", limits, ["cancel", "cmd"], threads=("",), quick=True)
        self.add("limits", limits, ["prim", "wake", "proc", "co", "hand"], threads=("",), timeout=120)

    def quick_peers(self):
        every = (1, 2, 4)
        uv, glib, tbb, asio = (self.exe(x) for x in ("uv", "glib", "tbb", "asio"))
        self.add("uv", uv, ["pool_fut", "pool_futw"], every, quick=True)
        self.add("uv", uv, ["rtt_loop", "wakeloop", "udp"], quick=True, one_cpu=True)
        self.add("uv", uv, ["timer"], quick=True)
        self.add("glib", glib, ["pool_ff"], every, quick=True)
        self.add("glib", glib, ["pool_fut", "pool_futw", "cancel"], quick=True)
        self.add("glib", glib, ["pool_mp"], producers=(2, 4), quick=True)
        self.add("glib", glib, ["rtt"], quick=True, one_cpu=True)
        self.add("glib", glib, ["rtt_loop", "wakeloop"], one_cpu=True)
        self.add("glib", glib, ["timer"], timeout=120)
        self.add("tbb", tbb, ["pool_ff", "pool_group", "pool_fut", "pool_futw", "tree"], every, quick=True)
        self.add("tbb", tbb, ["pool_mp"], producers=(2, 4), quick=True)
        self.add("tbb", tbb, ["rtt"], quick=True, one_cpu=True)
        self.add("tbb", tbb, ["queue"], producers=(2, 4))
        self.add("asio", asio, ["pool_ff", "pool_fut", "pool_futw", "tree"], every, quick=True)
        self.add("asio", asio, ["pool_mp"], producers=(2, 4), quick=True)
        self.add("asio", asio, ["rtt"], quick=True, one_cpu=True)
        self.add("asio", asio, ["rtt_loop", "wakeloop"], one_cpu=True)
        self.add("asio", asio, ["timer"])
        self.command("xargs", True)
        self.command("make", True)

    def other_peers(self):
        every = (1, 2, 4)
        for name in ("libev", "libevent"):
            self.add(name, self.exe(name), ["wakeloop"], one_cpu=True)
            self.add(name, self.exe(name), ["timer"])
        self.add("apr", self.exe("apr"), ["pool_ff"], (1, 2), env={"BN": "200000"})
        self.add("apr", self.exe("apr"), ["rtt"], one_cpu=True)
        self.add("apr", self.exe("apr"), ["pcl"])
        self.add("fiber", self.exe("fiber"), ["co_switch", "co_create"])
        self.add("fiber", self.exe("fiber"), ["co_mem"], env={"BN": "20000"})
        self.add("fiber", self.exe("fiber"), ["queue"], producers=(2, 4))
        self.add("uring", self.exe("uring"), ["all"])
        go = self.exe("gobench")
        self.add("go", go, ["pool_ff", "pool_chan", "pool_fut", "pool_futw", "tree"], every)
        self.add("go", go, ["pool_mp", "queue"], producers=(2, 4))
        self.add("go", go, ["rtt", "rtt_co"], one_cpu=True)
        self.add("go", go, ["cmd", "co_switch", "co_create", "timer", "cancel"])
        self.add("go", go, ["co_mem"], env={"BN": "100000"})
        if os.path.exists(os.path.join(self.bin, "java", "Bench.class")):
            java = ["java", "-Xms2g", "-Xmx4g", "-cp", os.path.join(self.bin, "java"), "Bench"]
        else:
            java = [os.path.join(self.bin, "java", "Bench.class")]  # not there: told as missing
        self.add("java", java, ["pool_ff", "pool_fut", "pool_futw", "tree"], every)
        self.add("java", java, ["pool_mp", "queue"], producers=(2, 4))
        self.add("java", java, ["rtt"], one_cpu=True)
        self.add("java", java, ["timer", "cancel"])
        python = ["/usr/bin/python3", "-B", os.path.join(HERE, "pybench.py")]
        self.add("python", python, ["pool"], every, timeout=120)
        self.add("python", python, ["map", "pool_mp", "queue", "fut", "co", "timer", "proc", "cmd"], timeout=120)
        self.add("python", python, ["rtt", "rtt_loop", "wakeloop", "limit"], one_cpu=True, timeout=120, rounds=4)
        self.add("python", python, ["crash", "cancel"], timeout=120, rounds=4)
        self.command("parallel", False)
        # A million coroutines take long: two rounds are enough.
        for peer, name in (("rein", "rein-bench"), ("fiber", "fiber"), ("go", "gobench")):
            self.entries.append(Entry(peer, f"{peer}:co_mem:1e6:", [*self.exe(name), "co_mem"], rounds=2, timeout=200,
                                      env={"BN": "1000000"}))


def find_rein(build):
    """The rein command: $REIN, or in the build directory; "" when there is none."""
    for path in (os.environ.get("REIN"), *(os.path.join(build, d, "rein") for d in ("", "cmd", "cmd/rein", "bin"))):
        if path and os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.abspath(path)
    return ""


def busy():
    """CPU seconds that the machine spent working since it started, and those that its host took away."""
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return (v[0] + v[1] + v[2] + v[5] + v[6]) / HZ, v[7] / HZ


def wait_for_quiet():
    """A short one: the gauge tells when it was in vain."""
    for _ in range(4):
        before = busy()[0]
        time.sleep(0.05)
        if (busy()[0] - before) / 0.05 < 0.3:
            return


def noise_gauge(limits):
    told = subprocess.run([limits, "cal"], capture_output=True, text=True, check=False).stdout
    return float(told.split(",")[3]) if told else 0.0


def kill_group(pid):
    try:
        os.killpg(pid, 9)
    except ProcessLookupError:
        pass


def run_one(entry, number, gauge, out):
    """Run it once, and write its rows. Returns: whether it went well."""
    start, before = time.time(), busy()
    p = subprocess.Popen(entry.cmd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                         env={**os.environ, **entry.env}, start_new_session=True)
    guard = threading.Timer(entry.timeout, kill_group, (p.pid,))
    guard.start()
    text = p.stdout.read()
    _, p.returncode, usage = os.wait4(p.pid, 0)
    guard.cancel()
    wall, after = max(time.time() - start, 1e-3), busy()
    cpu = usage.ru_utime + usage.ru_stime
    foreign = max(0.0, (after[0] - before[0] - cpu) / wall)
    prefix = f"{number},{entry.key},{foreign:.2f},{gauge:.0f},"
    for line in text.splitlines():
        fields = line.strip().split(",")
        if len(fields) != 5:
            continue
        fields[2] += entry.suffix
        out.write(prefix + ",".join(fields) + "\n")
    for name, what, value, unit in (("run", "wall", wall, "s"), ("run", "cpu", cpu, "s"),
                                    ("steal", "steal", (after[1] - before[1]) / wall, "cores")):
        out.write(f"{prefix}meta.{name},{entry.key},{what},{value:.4f},{unit}\n")
    if p.returncode:
        out.write(f"{prefix}meta.fail,{entry.key},status,{p.returncode},code\n")
    out.flush()
    return p.returncode == 0


def parse():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default=os.path.join(HERE, "..", "build", "release"), help="the build directory")
    ap.add_argument("--full", action="store_true", help="every peer and bench, 1e6 jobs each; takes an hour")
    ap.add_argument("--only", default=".", help="regular expression over the keys")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--n", type=int, help="how many jobs (default: 200000; with --full each bench's own)")
    ap.add_argument("--minutes", type=float, default=1e6, help="stop then, whatever is left")
    ap.add_argument("--out", help="the results file (default: bench/results.csv in the build directory)")
    ap.add_argument("--append", action="store_true", help="add to the results file")
    ap.add_argument("--list", action="store_true", help="print the keys and commands, run nothing")
    return ap.parse_args()


def choose(args):
    """The runs wanted that can be run. Tells which peers are missing."""
    wanted = [e for e in Manifest(args.build).entries if (args.full or e.quick) and re.search(args.only, e.key)]
    absent = sorted({e.peer for e in wanted if e.missing()})
    for peer in absent:
        print(f"missing: {peer} ({PACKAGES.get(peer, 'not built')})", file=sys.stderr)
    return [e for e in wanted if not e.missing()]


def run_all(args, entries, out):
    limits = os.path.join(args.build, "bench", "limits")
    end = time.time() + args.minutes * 60
    jobs = {"BN": str(args.n)} if args.n else {}
    failed = set()
    for number in range(1, args.rounds + 1):
        start = time.time()
        random.shuffle(entries)
        for entry in entries:
            if time.time() > end:
                print("time is up", file=sys.stderr)
                return failed
            if number > entry.rounds:
                continue
            entry.env = {**jobs, **entry.env}
            wait_for_quiet()
            if not run_one(entry, number, noise_gauge(limits), out):
                failed.add(entry.key)
        print(f"round {number} of {args.rounds}: {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    return failed


def main():
    args = parse()
    args.build = os.path.abspath(args.build)
    if not args.full and args.n is None:
        args.n = 200000
    if args.list:
        for e in Manifest(args.build).entries:
            if (args.full or e.quick) and re.search(args.only, e.key):
                print(f"{e.key:32} {' '.join(e.cmd)}")
        return
    path = args.out or os.path.join(args.build, "bench", "results.csv")
    entries = choose(args)
    if not entries or not os.path.isdir(os.path.dirname(path)):
        sys.exit("nothing to run: is it built? (make bench)")
    with open(path, "a" if args.append else "w", encoding="utf-8") as out:
        failed = run_all(args, entries, out)
    for key in sorted(failed):
        print(f"failed: {key}", file=sys.stderr)
    table.show(path)
    print(f"results: {path}")


if __name__ == "__main__":
    main()
