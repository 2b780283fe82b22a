#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants the faults of tests/mutants, one at a time, in a copy of the tree; builds what a fault touches; runs what should
notice it; and prints the table folder by folder. scripts/mutants.sh is the command.

    scripts/mutants.sh                  every fault
    scripts/mutants.sh --random 20      so many, other ones for each commit, protocols between threads first
    scripts/mutants.sh NAME...          those
    scripts/mutants.sh --find NAME...   those, and everything that could notice them is asked
    scripts/mutants.sh --check          only: does each definition still fit its source? (--selftest: can that fail?)

What notices (`seen:` of a fault), each of them a part of a lane of .ci/run:
    core/hook           the test of that name, in the dev build
    explore:NAME        a scenario of tests/explore, by its daily searches
    selftest            the explorer's self-test
    asan:core/hook, tsan:core/hook   the test in that build
    static              clang-tidy and cppcheck on the file
    build               it does not compile
    scripts             scripts/check_*.py
Noticed means: a test said so by its exit status. A test that had to be ended because its time was over has noticed
nothing. Exit status 0: every fault that was said to be seen was seen; of all of them, 95 % were."""
import argparse
import contextlib
import hashlib
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import faults as fl
import selftest as st

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build/mutants"
LIMIT = 60  # seconds for one test without a fault; with one, ten times what it took, and at least:
LEAST = 90  # longer than tests wait for what they assert
PATIENCE = {"REIN_TEST_PATIENCE": "20"}  # tests/command.h: with a fault planted much is waited for in vain
ENOUGH = 95
NEEDS = {  # what a test needs besides its own program
    "tests/examples": ["all"], "install": ["all"], "readme": ["all"], "tests/docs": ["all"],
    **{f"tests/rein_run{which}": ["rein_command"] for which in ("", "_log", "_output", "_room", "_stop", "_terminal")},
    "tests/http_service": ["all"], "core/frames": ["module_blocks"], "cpp/opened_later": ["module_throws"],
    "coro/valgrind": ["test_coro_coro"], "world/command": ["rein_command"], "world/rein_run": ["rein_command"],
}
SAME = "nothing-at-all"  # a fault that is none: who notices it notices anything


class Failed(Exception):
    pass


def run(command, cwd, limit=None, env=None):
    """(status, output); status None: its time was over. What it has left behind is killed, and not waited for."""
    with tempfile.TemporaryFile() as said, \
            subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                             env={**os.environ, **(env or {})}, start_new_session=True) as process:
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        said.seek(0)
        return status, said.read().decode(errors="replace")


class Tree:
    """A copy of the sources with builds of its own."""

    def __init__(self, number: int):
        self.path = WORK / str(number)
        self.configured: set[str] = set()
        self.listed: dict[str, dict] = {}
        self.limits: dict[str, float] = {}  # of each test, in seconds
        self.good: dict[str, tuple[str, str]] = {}

    def refresh(self):
        self.path.mkdir(parents=True, exist_ok=True)
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, text=True,
                                stdout=subprocess.PIPE).stdout.split("\n")
        wanted = {name for name in listed if name and (ROOT / name).is_file()}
        for path in self.path.rglob("*"):
            name = path.relative_to(self.path)
            if name.parts[0] != "build" and path.is_file() and str(name) not in wanted:
                path.unlink()
        for name in wanted:
            to = self.path / name
            if not to.exists() or to.read_bytes() != (ROOT / name).read_bytes():
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, to)
            shutil.copymode(ROOT / name, to)

    def configure(self, preset: str):
        if preset not in self.configured:
            (self.path / "build").mkdir(exist_ok=True)
            status, out = run(["cmake", "--preset", preset, "-DREIN_BENCH=OFF", "-DREIN_LENIENT=ON", "-DREIN_WERROR=OFF"], self.path)
            if status != 0:
                raise Failed(out)
            self.configured.add(preset)

    def tests(self, preset: str, name: str = "") -> dict[str, dict]:
        """Each test's command and properties, by its name; name: of that one the command too, which is built by now."""
        if preset not in self.listed or name and "command" not in self.listed[preset].get(name, {}):
            self.configure(preset)
            _, out = run(["ctest", "--test-dir", f"build/{preset}", "--show-only=json-v1"], self.path)
            self.listed[preset] = {t["name"]: t for t in json.loads(out[out.index("{"):])["tests"]}
        return self.listed[preset]

    def build(self, preset: str, targets: list[str]) -> tuple[bool, str]:
        self.configure(preset)
        status, out = run(["cmake", "--build", f"build/{preset}", "-j", "1", "--target", *targets], self.path, 900)
        return status == 0, out


def test(tree: Tree, preset: str, name: str) -> tuple[str, str]:
    target = "test_" + name.replace("/", "_")
    own = [] if name in ("install", "readme") or "valgrind" in name else [target]
    ok, out = tree.build(preset, own + NEEDS.get(name, []))
    if not ok:
        return "build", out
    how = tree.tests(preset, name).get(name)
    if not how or "command" not in how:
        raise Failed(f"there is no test '{name}'")
    properties = {p["name"]: p["value"] for p in how["properties"]}
    environment = PATIENCE | dict(pair.split("=", 1) for pair in properties.get("ENVIRONMENT", []))
    began = time.monotonic()
    status, out = run(how["command"], properties["WORKING_DIRECTORY"], tree.limits.get(f"{preset} {name}", LIMIT), environment)
    if status is None:
        return "time", out
    if status == 0:
        tree.limits.setdefault(f"{preset} {name}", max(LEAST, 10 * (time.monotonic() - began)))
    return ("quiet" if status == 0 else "noticed"), out


def ask(tree: Tree, who: str, file: str) -> tuple[str, str]:
    """quiet, noticed, build (it does not compile) or time."""
    kind, _, name = who.partition(":")
    if kind in ("asan", "tsan"):
        return test(tree, kind, name)
    if kind == "explore" or who == "selftest":
        ok, out = tree.build("explore", ["test_explore_scenarios" if name else "explore"])
        if not ok:
            return "build", out
        program = f"build/explore/tests/explore/{'scenarios_test' if name else 'explore'}"
        status, out = run([program, name or "--selftest"], tree.path, 10 * LIMIT)
        if status is None:
            return "time", out
        return ("quiet" if status == 0 else "noticed"), out
    if who == "build":
        ok, out = tree.build("dev", ["rein", "rein_command"])
        return ("quiet" if ok else "noticed"), out
    if who == "scripts":
        for script in ("check_doors.py", "check_layers.py", "check_links.py", "check_docs.py"):
            status, out = run([f"scripts/{script}"], tree.path, LIMIT)
            if status != 0:
                return "noticed", out
        return "quiet", ""
    if who == "static":
        tree.configure("asan")
        status, out = run(["clang-tidy", "--quiet", "-p", "build/asan", file], tree.path, 5 * LIMIT)
        return ("quiet" if status == 0 else "noticed"), out
    if ":" in who:
        raise Failed(f"'{who}' is nobody who could notice")
    return test(tree, "dev", who)


def everybody(tree: Tree, fault: fl.Fault) -> list[str]:
    """Who could notice: the tests of its folder first."""
    names = [n for n in tree.tests("dev") if not n.startswith("stress/") and "valgrind" not in n and n not in ("install", "readme")]
    near = Path(fault.file).stem
    names.sort(key=lambda n: (not n.endswith("/" + near), not n.startswith(fault.folder + "/")))
    return names + ["explore:" + s for s in scenarios(tree)]


def scenarios(tree: Tree) -> list[str]:
    tree.build("explore", ["test_explore_scenarios"])
    _, out = run(["build/explore/tests/explore/scenarios_test", "--list"], tree.path)
    return out.split()


def baseline(tree: Tree, who: str, file: str):
    """What notices something must be quiet without it."""
    key = f"{who} {file}" if who == "static" else who
    if key not in tree.good:
        tree.good[key] = ask(tree, who, file)
    verdict, out = tree.good[key]
    if verdict != ("quiet"):
        raise Failed(f"'{who}' is not quiet without any fault ({verdict}):\n{out}")


def examine(tree: Tree, fault: fl.Fault, who: list[str], thorough: bool) -> tuple[str, list[str], str]:
    """(noticed, unseen, ...; by whom; what they said)"""
    path = tree.path / fault.file
    original = path.read_text(encoding="utf-8")
    planted = fl.plant(fault, original)
    for one in who:
        baseline(tree, one, fault.file)
    by, said = [], ""
    path.write_text(planted, encoding="utf-8")
    try:
        for one in who:
            verdict, out = ask(tree, one, fault.file)
            if verdict == "build":
                raise Failed(f"'{fault.name}' does not compile:\n{out[-3000:]}")
            if verdict == "noticed":
                by.append(one)
                said += out
                if not thorough:
                    break
            if verdict == "time":
                said += f"{one}: its time was over\n"
            if thorough:
                print(f"    {fault.name}: {one}: {verdict}", flush=True)
    finally:
        path.write_text(original, encoding="utf-8")
    return ("noticed" if by else "unseen"), by, said


def work(tree: Tree, jobs: queue.Queue, results: dict, find: bool, keep_going: list):
    while keep_going:
        try:
            fault = jobs.get_nowait()
        except queue.Empty:
            return
        try:
            who = everybody(tree, fault) if find else fault.seen
            results[fault.name] = examine(tree, fault, who, find) if who else ("unseen", [], "")
        except (Failed, fl.Wrong, OSError) as error:
            results[fault.name] = ("broken", [], str(error))
        verdict, by, _ = results[fault.name]
        late = " (its time was over)" if verdict == "unseen" and "its time was over" in results[fault.name][2] else ""
        print(f"{len(results):4} {verdict:8} {fault.name:40} {' '.join(by)}{late}", flush=True)


def table(chosen: list[fl.Fault], results: dict) -> bool:
    folders = sorted({f.folder for f in chosen})
    head = ("folder", "faults", "protocol", "by tests", "explored", "other", "unseen", "equivalent")
    print(f"\n{head[0]:10}" + "".join(f"{h:>11}" for h in head[1:]))
    sums = [0] * 7
    for folder in folders + ["all"]:
        row = [0] * 7
        for fault in chosen:
            if folder not in ("all", fault.folder):
                continue
            row[0] += 1
            row[1] += fault.kind == "protocol"
            if fault.equivalent:
                row[6] += 1
                continue
            verdict, by, _ = results.get(fault.name, ("unseen", [], ""))
            if verdict != "noticed":
                row[5] += 1
            elif by[0].startswith("explore:") or by[0] == "selftest":
                row[3] += 1
            elif ":" in by[0] or by[0] in ("static", "build", "scripts"):
                row[4] += 1
            else:
                row[2] += 1
        print(f"{folder:10}" + "".join(f"{n:11}" for n in row))
        sums = row
    counted = sums[0] - sums[6]
    percent = 100 * (counted - sums[5]) / counted if counted else 100
    print(f"\n{counted - sums[5]} of {counted} noticed, {percent:.1f} %")
    for fault in chosen:
        verdict, _, said = results.get(fault.name, ("", [], ""))
        if verdict in ("unseen", "broken") and not fault.unseen and not fault.equivalent:
            print(f"{fault.place}: '{fault.name}': {verdict}, and should be seen by {' '.join(fault.seen)}\n{said[-2000:]}")
        if fault.unseen:
            print(f"unseen: {fault.name}: {fault.what} ({fault.unseen})")
        if fault.equivalent:
            print(f"equivalent: {fault.name}: {fault.what} ({fault.equivalent})")
    return percent >= ENOUGH


def seed_of_commit() -> int:
    out = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False).stdout
    return int(hashlib.sha256(out.encode()).hexdigest()[:8], 16)


def choose(all_faults: list[fl.Fault], n: int, seed: int) -> list[fl.Fault]:
    can = [f for f in all_faults if f.seen and not any(w.startswith(("tsan:", "asan:")) for w in f.seen)]
    random.Random(seed).shuffle(can)
    protocol = [f for f in can if f.kind == "protocol"][:n // 2]
    return protocol + [f for f in can if f not in protocol][:n - len(protocol)]


def none_at_all() -> fl.Fault:
    return fl.Fault(SAME, "scripts/mutants.py", "src/core/heap.c", "no fault: the check itself", "code", ["core/heap"],
                    hunks=[("        n->in = true;\n", "        n->in = true; /* a comment */\n")])


def execute(chosen: list[fl.Fault], find: bool, trees: int) -> dict:
    jobs: queue.Queue = queue.Queue()
    results: dict = {}
    for fault in random.Random(len(chosen)).sample(chosen, len(chosen)):  # so that a part of a run tells of each folder
        if find or fault.seen:
            jobs.put(fault)
    made = [Tree(i + 1) for i in range(trees)]
    for tree in made:
        tree.refresh()
    keep_going = [True]
    threads = [threading.Thread(target=work, args=(t, jobs, results, find, keep_going)) for t in made]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        keep_going.clear()
        raise
    return results


def check(root: Path) -> list[str]:
    complaints = []
    try:
        faults = fl.load(root)
    except fl.Wrong as error:
        return [str(error)]
    for fault in faults:
        try:
            text = (root / fault.file).read_text(encoding="utf-8")
            if fl.plant(fault, text) == text:
                complaints.append(f"{fault.place}: '{fault.name}' changes nothing")
        except (fl.Wrong, OSError) as error:
            complaints.append(str(error))
    return complaints


def written(was: str, now: str, more: str = "") -> dict[str, str]:
    head = "[a]\nfile: src/core/a.c\nwhat: it\nkind: code\nseen: core/a\n"
    return {"tests/mutants/core.txt": f"{head}{more}-----\n{was}\n+++++\n{now}\n=====\n"}


CLEAN = {"src/core/a.c": "int a;\nint b;\n", **written("int a;", "int c;")}
VIOLATIONS = [written("int x;", "int c;"), written("int", "long"), written("int a;", "int a;"),
              written("int a;", "int c;", "sen: core/a\n"), written("int a;", "int c;", "unseen: why\n"),
              {"tests/mutants/core.txt": CLEAN["tests/mutants/core.txt"].replace("=====\n", "")},
              {"tests/mutants/two.txt": CLEAN["tests/mutants/core.txt"]},
              {"tests/mutants/core.txt": CLEAN["tests/mutants/core.txt"].replace("kind: code\n", "")}]


def main() -> int:
    parser = argparse.ArgumentParser(description="see the top of this file")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--find", action="store_true")
    parser.add_argument("--folder", default="")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--selftest", action="store_true")
    parser.add_argument("--trees", type=int, default=os.cpu_count() or 1)
    o = parser.parse_args()
    if o.selftest:
        return st.selftest(check, CLEAN, VIOLATIONS)
    complaints = check(ROOT)
    for line in complaints:
        print(line, file=sys.stderr)
    if o.check or complaints and not o.names and not o.folder: # of those that are named, each says so itself
        return 1 if complaints else 0
    every = fl.load(ROOT)
    chosen = [f for f in every if f.name in o.names or (o.folder and f.folder == o.folder)] if o.names or o.folder else every
    missing = set(o.names) - {f.name for f in chosen}
    if missing:
        print(f"mutants: no fault of the name {', '.join(sorted(missing))}", file=sys.stderr)
        return 2
    if o.random:
        seed = seed_of_commit() if o.seed is None else o.seed
        chosen = choose(chosen, o.random, seed)
        print(f"mutants: {len(chosen)} of {len(every)} faults, by --seed {seed}")
    probe = none_at_all()
    results = execute(chosen if o.find else chosen + [probe], o.find, min(o.trees, max(1, len(chosen))))
    if not o.find and results[SAME][0] != "unseen":
        print(f"mutants: where there is no fault, one was noticed: {results[SAME]}", file=sys.stderr)
        return 1
    enough = table(chosen, results)
    wrong = [f.name for f in chosen if f.seen and results[f.name][0] != "noticed"]
    if wrong:
        print(f"mutants: not noticed as said: {' '.join(wrong)}", file=sys.stderr)
    return 1 if wrong or (not enough and not o.find and not o.names) else 0


if __name__ == "__main__":
    sys.exit(main())
