#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The one table: rein beside its peers, and the targets.

usage: table.py RESULTS
A row is a bench and what was asked of it. A peer that has several ways to do it (asio's group, Go's channels) shows its
best. `best/rein` above 1: rein is faster than the best of them. Under 1.3 in throughput, and under 2 in a latency that
crosses CPUs, a difference is noise."""
import collections
import re
import sys

import results

# Columns of their own; all others share the last one, where the best of them shows.
PEERS = ("libuv", "glib", "tbb", "asio", "xargs", "make")
# Not a competitor: what the machine allows.
LIMIT = "limit"
C_PEERS = {"libuv", "glib", "tbb", "asio", "apr", "libev", "libevent", "boost.fiber", "boost.context", "xargs", "make"}
# Parts of a param that say what was asked; the rest says how a peer does it.
ASKED = re.compile(r"(t|prod|cons|cap|j|n|pop|size)=.*|idle|1cpu")
# A bench that only rein has, and the nearest that the peers have.
NEAREST = {"pool.submit_many": "pool.futw"}
# The limit of a row, where it goes by another name. Same way of waiting in both: see limits_wake.c.
CANCEL_LIMITS = (
    (re.compile(r"read\(2\)"), "lim.cancel.pthread_kill_eintr"),
    (re.compile(r"rein_"), "lim.cancel.oneway_futex"),
)

Row = collections.namedtuple("Row", "bench asked way")


def split(param):
    """"t=2(10 fixed);goroutine;1cpu" is ("t=2;1cpu", "goroutine")."""
    parts = re.sub(r"\([^)]*fixed\)", "", param).split(";")
    asked = [p for p in parts if ASKED.fullmatch(p)]
    way = [p for p in parts if not ASKED.fullmatch(p) and p != "-"]
    return ";".join(asked), ";".join(way)


class Table:
    def __init__(self, path):
        self.series = results.load(path)
        self.cpu, self.foreign, self.spin = results.load_meta(path)
        self.ways = collections.defaultdict(list)  # (bench, asked, peer) -> Series, one for each way
        for s in self.series.values():
            self.ways[s.bench, split(s.param)[0], s.peer].append(s)

    def best(self, bench, asked, peer):
        return min(self.ways.get((bench, asked, peer), ()), key=lambda s: s.median, default=None)

    def rein(self, row):
        for s in self.ways.get((row.bench, row.asked, "rein"), ()):
            if split(s.param)[1] == row.way:
                return s
        return None

    def peers(self):
        return sorted({peer for _, peer, _ in self.series} - {"rein", LIMIT})

    def rows(self):
        """rein's ways are a row each. A bench that rein lacks is one row."""
        found = set()
        for bench, peer, param in self.series:
            asked, way = split(param)
            if peer == "rein":
                found.add(Row(bench, asked, way))
            elif not bench.startswith("lim.") and (bench, asked, "rein") not in self.ways and peer != LIMIT:
                found.add(Row(bench, asked, ""))
        return sorted(found)

    def of_peer(self, row, peer):
        return self.best(NEAREST.get(row.bench, row.bench), row.asked, peer)

    def limit(self, row):
        if row.bench.startswith("cancel.blocking_job"):
            for pattern, name in CANCEL_LIMITS:
                if pattern.search(row.way):
                    wanted = name + row.bench[len("cancel.blocking_job"):]
                    return self.series.get((wanted, LIMIT, "free-idle;nap"))
        return self.best(row.bench, row.asked, LIMIT)

    def cpu_of(self, series):
        known = [self.cpu[k] for k in series.keys if k in self.cpu] if series else []
        return f"{min(known):.2f}" if known else ""


def cell(series):
    return series.text() if series else ""


def print_rows(table):
    columns = [p for p in PEERS if p in table.peers()]
    others = [p for p in table.peers() if p not in PEERS]
    rows = table.rows()
    limited = any(table.limit(r) for r in rows)
    head = ["bench", "param", "rein", *columns]
    if others:
        head.append("best other")
    if limited:
        head.append("limit")
    head += ["best/rein", "CPU s rein", "CPU s best"]
    lines = [head]
    for row in rows:
        rein = table.rein(row)
        shown = {p: table.of_peer(row, p) for p in columns + others}
        rivals = [s for s in shown.values() if s]
        best = min(rivals, key=lambda s: s.median, default=None)
        line = [row.bench, ";".join(p for p in (row.asked, row.way) if p), cell(rein)]
        line += [cell(shown[p]) for p in columns]
        if others:
            other = min((shown[p] for p in others if shown[p]), key=lambda s: s.median, default=None)
            line.append(f"{other.peer} {cell(other)}" if other else "")
        if limited:
            line.append(cell(table.limit(row)))
        line.append(f"{best.median / rein.median:.2f} {best.peer}" if best and rein and rein.median else "")
        line += [table.cpu_of(rein), table.cpu_of(best)]
        lines.append(line)
    print_markdown(lines)


def print_markdown(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for i, line in enumerate(lines):
        print("| " + " | ".join(text.ljust(w) for text, w in zip(line, widths)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


# ---- targets ----

# row of the plan, words, our figure, whose figure it is compared with, ours may be at most this many times theirs, and
# the factor below which a difference is noise.
Target = collections.namedtuple("Target", "row words ours theirs at_most noise")

JUDGED = (
    Target(18, "cancel in rein_sleep <= GCancellable", ("cancel.blocking_job.p50", "", "rein_sleep"),
           ("cancel.blocking_job.p50", "", "glib"), 1.0, 2.0),
    Target(18, "cancel in rein_read <= GCancellable", ("cancel.blocking_job.p50", "", "rein_read pipe"),
           ("cancel.blocking_job.p50", "", "glib"), 1.0, 2.0),
    Target(18, "cancel of a raw read(2) by the poke <= 1.6 x a bare signal", ("cancel.blocking_job.p50", "",
           "read(2)+REIN_POKE"), ("cancel.blocking_job.p50", "", LIMIT), 1.6, 2.0),
    Target(26, "1000 x true <= 1.05 x bare posix_spawn", ("cmd.1000true", "j=2", ""),
           ("cmd.1000true", "j=2", LIMIT), 1.05, 1.0),
    Target(26, "the same <= 1.05 x bare posix_spawn with an argument each", ("cmd.1000true", "j=2", ""),
           ("lim.cmd.1000true", "j=2", LIMIT), 1.05, 1.0),
    Target(26, "1000 x true <= xargs", ("cmd.1000true", "j=2", ""), ("cmd.1000true", "j=2", "xargs"), 1.0, 1.0),
    Target(26, "1000 x true <= make", ("cmd.1000true", "j=2", ""), ("cmd.1000true", "j=2", "make"), 1.0, 1.0),
)

# Not judged yet: row, our figure, and how many times faster than the best C or C++ peer it is to be some day.
LATER = (
    (1, ("pool.ff", "t=2", ""), 4.5),
    (2, ("pool.fut", "t=2", ""), 3.6),
    (3, ("pool.futw", "t=2", ""), 3.8),
    (4, ("pool.submit_many", "t=2", "batch=64"), 20),
    (5, ("pool.mp", "t=2;prod=2", ""), 2),
    (5, ("pool.mp", "t=2;prod=4", ""), 2),
    (6, ("pool.tree", "t=2", ""), 2.7),
    (8, ("rtt.hot.p50", "t=2", ""), 16),
    (9, ("rtt.hot.p50", "t=2", "on_worker"), 6),
    (10, ("rtt.idle.p50", "t=2", ""), 3.3),
    (10, ("rtt.idle.p50", "t=2", "on_worker"), 1.25),
    (11, ("rttloop.hot.p50", "t=2", ""), 38),
    (12, ("rttloop.idle.p50", "t=2", ""), 2.3),
    (13, ("co.switch", "", "kind=yield-2"), 3.4),
    (15, ("co.create", "", "kind=spawn"), 2.6),
    (16, ("co.mem", "n=20000", "stack=64k"), 2.2),
    (17, ("co.park", "n=20000", ""), 4.5),
    (25, ("timer.insert_cancel", "n=20000", "coroutine each"), 5),
    (25, ("timer.churn", "", "pop=10000;scope"), 2.5),
    (25, ("timer.fire_due", "n=20000", "coroutine each"), 5),
    (27, ("wakeloop.thr", "n=200000", ""), 2),
    (27, ("wakeloop.oneway.p50", "idle", ""), 1),
)


def verdict(ratio, at_most, noise):
    if ratio <= at_most:
        return "reached"
    return "not reached, within noise" if ratio <= at_most * noise else "not reached"


def print_targets(table):
    lines = [["row", "target", "rein", "against", "rein/theirs", "wanted", "verdict"]]
    for t in JUDGED:
        row = Row(*t.ours)
        rein = table.rein(row)
        bench, asked, peer = t.theirs
        theirs = table.limit(row) if peer == LIMIT and bench == row.bench else table.best(bench, asked, peer)
        if rein and theirs:
            ratio = rein.median / theirs.median
            told = [f"{ratio:.2f}", f"<= {t.at_most}", verdict(ratio, t.at_most, t.noise)]
        else:
            told = ["", f"<= {t.at_most}", "not measured"]
        lines.append([str(t.row), t.words, cell(rein), f"{peer} {cell(theirs)}" if theirs else f"{peer}: none", *told])
    print_markdown(lines)
    lines = [["row", "figure", "rein", "best C peer", "faster by", "wanted some day"]]
    for number, ours, wanted in LATER:
        row = Row(*ours)
        rein = table.rein(row)
        rivals = [s for s in (table.of_peer(row, p) for p in table.peers() if p in C_PEERS) if s]
        if not rein or not rivals:
            continue
        best = min(rivals, key=lambda s: s.median)
        figure = " ".join(part for part in ours if part)
        lines.append([str(number), figure, cell(rein), f"{best.peer} {cell(best)}", f"{best.median / rein.median:.2f}",
                      f"{wanted}"])
    if len(lines) > 1:
        print("\nNot judged yet:\n")
        print_markdown(lines)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    show(sys.argv[1])


def show(path):
    table = Table(path)
    if not table.series:
        print("no results")
        return
    print_rows(table)
    if any(peer == "rein" for _, peer, _ in table.series):
        print()
        print_targets(table)
    noisy = sum(f >= results.QUIET for f in table.foreign)
    print(f"\n{len(table.foreign)} runs; in {noisy} of them other processes took {results.QUIET} CPU or more; noise "
          f"gauge {min(table.spin):.0f} to {max(table.spin):.0f} ns. *: fewer than two quiet runs. Spread: min–max.")


if __name__ == "__main__":
    main()
