# SPDX-License-Identifier: Apache-2.0
"""The results file: one row per figure, `round,key,foreign,spin_ns,bench,peer,param,value,unit`.

key: which harness run it is from. foreign: how many CPUs other processes took meanwhile. spin_ns: the noise gauge just
before, fixed work that takes about 100000 ns on a quiet CPU."""
import collections
import statistics

QUIET = 0.15  # CPUs that others may take in a run that counts as quiet

Figure = collections.namedtuple("Figure", "value foreign")


class Series:
    """All runs of one bench, peer and param. Only the quiet ones count, when there are two of them or more."""

    def __init__(self, bench, peer, param, unit):
        self.bench, self.peer, self.param, self.unit = bench, peer, param, unit
        self.figures = []
        self.keys = set()

    @property
    def values(self):
        quiet = [f.value for f in self.figures if f.foreign < QUIET]
        return quiet if len(quiet) >= 2 else [f.value for f in self.figures]

    @property
    def noisy(self):
        return sum(f.foreign < QUIET for f in self.figures) < 2

    @property
    def median(self):
        return statistics.median(self.values)

    def text(self):
        """Median (min-max) unit, and a star when there were no two quiet runs."""
        values, (scale, unit) = self.values, scaled(self.median, self.unit)
        low, mid, high = (short(f(values) / scale) for f in (min, statistics.median, max))
        return f"{mid} ({low}–{high}) {unit}" + ("*" if self.noisy else "")


def scaled(value, unit):
    """What to divide by, and the unit then: 21000 ns is 21 us."""
    if unit.startswith("ns"):
        for least, scale, name in ((1e9, 1e9, "s"), (1e6, 1e6, "ms"), (1e4, 1e3, "µs")):
            if value >= least:
                return scale, name + unit[2:]
    return 1, unit


def short(x):
    size = abs(x)
    if size >= 100:
        return f"{x:.0f}"
    if size >= 10:
        return f"{x:.1f}"
    return f"{x:.2f}" if size >= 0.1 or size == 0 else f"{x:.2g}"


def rows_of(path):
    with open(path, encoding="utf-8") as f:
        for line in f:
            fields = line.rstrip("\n").split(",")
            if len(fields) == 9:
                yield fields


def load(path):
    """Returns: the Series by (bench, peer, param), meta rows left out."""
    found = {}
    for _, key, foreign, _, bench, peer, param, value, unit in rows_of(path):
        if bench.startswith("meta."):
            continue
        s = found.setdefault((bench, peer, param), Series(bench, peer, param, unit))
        s.figures.append(Figure(float(value), float(foreign)))
        s.keys.add(key)
    return found


def load_meta(path):
    """Returns: CPU seconds of a run, median by key; the foreign CPUs and the gauge of every run."""
    cpu, foreign, spin = collections.defaultdict(list), [], []
    for _, key, others, gauge, bench, _, param, value, _ in rows_of(path):
        if bench == "meta.run" and param == "cpu":
            cpu[key].append(float(value))
            foreign.append(float(others))
            spin.append(float(gauge))
    return {key: statistics.median(v) for key, v in cpu.items()}, foreign, spin
