#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything in a results file, bench by bench, best first: median (min-max), as Markdown.

usage: summary.py RESULTS [BENCH-REGEX] [--pivot]
A star: fewer than two quiet runs. --pivot: one column per first part of the param (t=1, t=2, ...)."""
import collections
import re
import sys

import results


def list_bench(series):
    print("| peer | param | median (min–max) | runs |\n|---|---|---|---|")
    for s in sorted(series, key=lambda s: s.median):
        print(f"| {s.peer} | {s.param} | {s.text()} | {len(s.figures)} |")


def pivot_bench(series):
    table = collections.defaultdict(dict)
    for s in series:
        column, _, rest = s.param.partition(";")
        table[s.peer + (f" [{rest}]" if rest else "")][column] = s
    columns = sorted({c for row in table.values() for c in row})
    print("| peer | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for peer, row in sorted(table.items(), key=lambda item: min(s.median for s in item[1].values())):
        print(f"| {peer} | " + " | ".join(row[c].text() if c in row else "" for c in columns) + " |")


def main():
    words = [a for a in sys.argv[1:] if a != "--pivot"]
    if not words:
        sys.exit(__doc__)
    wanted = re.compile(words[1] if len(words) > 1 else ".")
    by_bench = collections.defaultdict(list)
    for s in results.load(words[0]).values():
        if wanted.search(s.bench):
            by_bench[s.bench].append(s)
    for bench in sorted(by_bench):
        print(f"\n#### {bench}")
        (pivot_bench if "--pivot" in sys.argv else list_bench)(by_bench[bench])


if __name__ == "__main__":
    main()
