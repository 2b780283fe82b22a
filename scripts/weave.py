#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Weaves the planted faults of tests/mutants (those with a `planted:` line) into copies of the library's sources, for the
exploring build. In a copy both texts of a fault are there, and the word rn_planted says which of them runs:

    { if (rn_planted == 17) { the text with the fault } else { the text as it is } }

Texts without ';' and '{' are expressions: (rn_planted == 17 ? (the fault) : (the text as it is)). So a text has to be whole
statements or one whole expression, and may not declare what comes after it needs. A fault may lie inside the text of
another one. #line makes messages point to the source and to the definition of the fault.

    scripts/weave.py --list               the sources that have planted faults
    scripts/weave.py --into FOLDER        writes their copies, and switch.c (rn_planted) and table.c (for the self-test)
    scripts/weave.py --into FOLDER --lenient   leaves out what does not fit its source, instead of failing
    scripts/weave.py --check              writes nothing: does each planted fault fit its source? (--selftest: can that fail?)

A text that is not once in its source is an error: a planted fault cannot drift from the code. cmake/weave.cmake runs it."""
import argparse
import re
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import faults as fl
import selftest as st

ROOT = Path(__file__).resolve().parent.parent

HOW = {"dpor": "EXPLORE_ALL", "full": "EXPLORE_FULL", "bound": "EXPLORE_BOUNDED", "random": "EXPLORE_RANDOM",
       "pct": "EXPLORE_PCT"}
FAULTS = {"early": "REIN_SIM_EARLY", "memory": "REIN_SIM_ALLOC", "threads": "REIN_SIM_THREAD",
          "spurious": "REIN_SIM_SPURIOUS"}
OPTIONS = {"weak": ".weak = true", "locks": ".word_locks = true", "slabs": ".slabs = true", "after": ".after = true"}
ENDED = {"failed": "REIN_SIM_FAILED", "deadlock": "REIN_SIM_DEADLOCK", "livelock": "REIN_SIM_LIVELOCK",
         "running": "REIN_SIM_LEFT_RUNNING", "leak": "REIN_SIM_LEAK", "unseen": "REIN_SIM_UNSEEN",
         "misuse": "REIN_SIM_MISUSE"}


@dataclass
class Piece:
    """A place in a source, and what is there with the fault."""
    start: int
    end: int
    fault: fl.Fault
    was: str
    now: str
    number: int

    @property
    def expression(self) -> bool:
        return not re.search("[;{]", self.was + self.now)


def number_of(fault: fl.Fault) -> int:
    """Its own number for ever: a new fault changes only the copy of its source."""
    return zlib.crc32(fault.name.encode()) >> 1 | 1


def balanced(text: str) -> bool:
    text = re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'', "", text, flags=re.S)
    open_ones = []
    for c in text:
        if c in "({[":
            open_ones.append(c)
        elif c in ")}]" and (not open_ones or open_ones.pop() + c not in ("()", "{}", "[]")):
            return False
    return not open_ones


def pieces_of(fault: fl.Fault, text: str) -> list[Piece]:
    pieces = []
    for was, now in fault.hunks:
        at, found = fl.locate(fault, text, was)
        piece = Piece(at, at + len(found), fault, found, now.rstrip("\n"), number_of(fault))
        for part in (piece.was, piece.now):
            if not balanced(part):
                raise fl.Wrong(f"{fault.place}: '{fault.name}': its brackets do not match: not whole statements")
        if piece.expression and not piece.now.strip():
            raise fl.Wrong(f"{fault.place}: '{fault.name}': an expression cannot be left out")
        pieces.append(piece)
    return pieces


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


class Weaver:
    def __init__(self, root: Path, file: str):
        self.root, self.file = root, file
        self.text = (root / file).read_text(encoding="utf-8")
        self.pieces: list[Piece] = []

    def line(self, at: int) -> str:
        return f'\n#line {line_of(self.text, at)} "{self.root / self.file}"\n'

    def definition(self, fault: fl.Fault) -> str:
        path, number = fault.place.split(":")
        return f'\n#line {number} "{self.root / path}"\n'

    def add(self, pieces: list[Piece]):
        for new in pieces:
            for old in self.pieces:
                apart = new.end <= old.start or old.end <= new.start
                inside = (old.start <= new.start and new.end <= old.end) or (new.start <= old.start and old.end <= new.end)
                if not apart and not inside:
                    raise fl.Wrong(f"{new.fault.place}: '{new.fault.name}': its text begins or ends within that of "
                                   f"'{old.fault.name}'")
        self.pieces += pieces

    def render(self, same: list[Piece], inner: list[Piece]) -> str:
        first = same[0]
        as_it_is = self.span(first.start, first.end, inner)
        if first.expression:
            for p in same:
                as_it_is = f"(rn_planted == {p.number} ? ({' '.join(p.now.split())}) : ({as_it_is}))"
            return as_it_is
        out = "{ "
        for p in same:
            out += f"if (rn_planted == {p.number}) {{{self.definition(p.fault)}{p.now}\n}} else "
        return out + "{" + self.line(first.start) + as_it_is + "\n} }" + self.line(first.end)

    def span(self, start: int, end: int, pieces: list[Piece]) -> str:
        out, at = "", start
        pieces = sorted(pieces, key=lambda p: (p.start, -p.end))
        while pieces:
            first = pieces[0]
            same = [p for p in pieces if (p.start, p.end) == (first.start, first.end)]
            inner = [p for p in pieces if p.start >= first.start and p.end <= first.end and p not in same]
            if any(p.expression != first.expression for p in same):
                raise fl.Wrong(f"{first.fault.place}: '{first.fault.name}' and '{same[-1].fault.name}' have one text, which "
                               "is an expression for one of them only")
            out += self.text[at:first.start] + self.render(same, inner)
            at = first.end
            pieces = [p for p in pieces if p not in same and p not in inner]
        return out + self.text[at:end]

    def woven(self) -> str:
        return ("/* Woven by scripts/weave.py. */\nextern int rn_planted;" + self.line(0) +
                self.span(0, len(self.text), self.pieces))


# ---- the table ----

def plan_of(fault: fl.Fault, search: str, budget: int) -> str:
    base, *options = search.split("+")
    found = re.fullmatch(r"([a-z]+)(\d*)", base)
    if not found or found[1] not in HOW or (found[1] in ("bound", "pct")) != bool(found[2]):
        raise fl.Wrong(f"{fault.place}: '{fault.name}': there is no search '{search}'")
    fields = [f".how = {HOW[found[1]]}", f".bound = {found[2] or 0}", f".budget = {budget}"]
    faults, most = [], 0
    for option in options:
        found = re.fullmatch(r"([a-z]+)(\d*)", option)
        if found and found[1] in FAULTS:
            faults.append(FAULTS[found[1]])
            most += int(found[2] or 1)
        elif option in OPTIONS:
            fields.append(OPTIONS[option])
        else:
            raise fl.Wrong(f"{fault.place}: '{fault.name}': no search has '{option}'")
    if faults:
        fields += [f".faults = {' | '.join(faults)}", f".most_surprises = {most}"]
    return "{" + ", ".join(fields) + "}"


def row_of(fault: fl.Fault) -> str:
    words = fault.planted.split()
    if len(words) != 4 or not words[2].isdigit() or words[3] not in ENDED:
        raise fl.Wrong(f"{fault.place}: '{fault.name}': 'planted: SCENARIO SEARCH BUDGET ENDED' is meant, where it ends as "
                       f"{', '.join(ENDED)}")
    if f"explore:{words[0]}" not in fault.seen:
        raise fl.Wrong(f"{fault.place}: '{fault.name}' is planted for '{words[0]}', and not said to be seen by it")
    what = fault.what.replace("\\", "\\\\").replace('"', '\\"')
    return (f'        {{"{fault.name}", {number_of(fault)}, "{words[0]}", "{what}",\n'
            f"         {plan_of(fault, words[1], int(words[2]))}, {ENDED[words[3]]}}},\n")


def weave(root: Path, lenient: bool) -> dict[str, str]:
    """What to write, by its name."""
    weavers: dict[str, Weaver] = {}
    rows, numbers = "", {}
    for fault in (f for f in fl.load(root) if f.planted):
        if not re.fullmatch(r"src/(?!sim/).*\.c", fault.file):
            raise fl.Wrong(f"{fault.place}: '{fault.name}': only sources of the library can be woven, and not the explorer")
        if numbers.setdefault(number_of(fault), fault.name) != fault.name:
            raise fl.Wrong(f"{fault.place}: '{fault.name}' has the number of '{numbers[number_of(fault)]}': rename one")
        if fault.file not in weavers:
            weavers[fault.file] = Weaver(root, fault.file)
        weaver = weavers[fault.file]
        row = row_of(fault)
        try:
            weaver.add(pieces_of(fault, weaver.text))
        except fl.Wrong:
            if lenient:
                continue
            raise
        rows += row
    out = {file: weaver.woven() for file, weaver in weavers.items()}
    out["switch.c"] = "/* Woven by scripts/weave.py. */\nextern int rn_planted;\nint rn_planted;\n"
    out["table.c"] = ('/* Woven by scripts/weave.py. */\n#include "woven.h"\n\nconst woven woven_faults[] = {\n' + rows +
                      "        {0},\n};\n")
    return out


def write(folder: Path, texts: dict[str, str]):
    """What has not changed stays as it is, and is not compiled again."""
    for name, text in texts.items():
        path = folder / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


# ---- can it fail? ----

def check(root: Path) -> list[str]:
    try:
        texts = weave(root, False)
    except (fl.Wrong, OSError) as error:
        return [str(error)]
    expected = ["? (b) : (a + 1))", "{ if (rn_planted == ", "#line 3 "]
    return [f"no '{e}'" for e in expected if e not in texts["src/core/a.c"]]


def written(name: str, was: str, now: str, planted: str = "a-b bound1+early2 40 deadlock") -> str:
    return (f"[{name}]\nfile: src/core/a.c\nwhat: it\nkind: protocol\nseen: explore:a-b\nplanted: {planted}\n"
            f"-----\n{was}\n+++++\n{now}\n=====\n")


CLEAN = {"src/core/a.c": "int f(int a, int b)\n{\n        g(a);\n        return a + 1;\n}\n",
         "tests/mutants/a.txt": written("one", "        g(a);\n        return a + 1;", "        return a;"),
         "tests/mutants/b.txt": written("two", "g(a);", "g(b);") + written("three", "        return a + 1;", "        g(b);"),
         "tests/mutants/c.txt": written("four", "a + 1", "b")}
VIOLATIONS = [{"tests/mutants/c.txt": text} for text in (
    written("four", "int x;", "int y;"), written("four", "a", "b"), written("four", "        g(a);\n        return", ""),
    written("four", "int b)\n{\n        g(a);", "x"), written("four", "a + 1", ""), written("four", "{", "{"),
    written("four", "a + 1", "b", "a-b dfs 40 deadlock"), written("four", "a + 1", "b", "a-b bound 40 deadlock"),
    written("four", "a + 1", "b", "a-b bound1+late 40 deadlock"), written("four", "a + 1", "b", "a-b dpor 40 lost"),
    written("four", "a + 1", "b", "a-b dpor 40"), written("four", "a + 1", "b", "a-c dpor 40 failed"),
    written("four", "a + 1", "b").replace("src/core/a.c", "src/core/a.h"),
    written("four", "return a + 1;\n}", "return b;\n}"))]


def main() -> int:
    parser = argparse.ArgumentParser(description="see the top of this file")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--lenient", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--selftest", action="store_true")
    o = parser.parse_args()
    if o.selftest:
        return st.selftest(check, CLEAN, VIOLATIONS)
    try:
        if o.list:
            print("\n".join(sorted({f.file for f in fl.load(ROOT) if f.planted})))
        elif o.check:
            weave(ROOT, False)
        elif o.into:
            write(o.into, weave(ROOT, o.lenient))
        else:
            parser.error("--list, --into, --check or --selftest")
    except (fl.Wrong, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
