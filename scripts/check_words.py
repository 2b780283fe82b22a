#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plain English, as far as a machine can see it, in comments and on pages: a thread, a job and a process is "it", never
"he"; a sentence has a noun as its subject ("the thread that waits", not "who waits"), and so has what follows "of", "for"
and the like.
Usage: scripts/check_words.py [--selftest]"""
import re
import sys
from pathlib import Path

from csource import _TOKEN
from selftest import main

CHECKED = ["include", "src", "cmd", "docs", "examples", "scripts", "bench", "tests", "README.md", "CONTRIBUTING.md",
           "CHANGELOG.md"]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`|\]\([^)]*\)|\"[^\"\n]*\"", re.MULTILINE | re.DOTALL)

RULES = [
    (re.compile(r"\b(?:[Hh]e|[Hh]is|[Hh]im|[Hh]imself)\b"), 'say "it": "{}"'),
    (re.compile(r"(?:^|(?<=[.;:] )|(?<=[.;:]\n)|(?<=\n\n)|(?<=\n- )|(?<=\| ))Who (?![^.;?]*\?)\w+"), 'a noun for the subject: "{}"'),
    (re.compile(r"\b(?:of|for|by|with|from|than) who \w+"), 'a noun, and "that": "{}"'),
]


def blank(found: re.Match) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def prose(path: Path) -> list[tuple[int, str]]:
    """What a file says in words: (line of its beginning, text)."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return [(1, CODE.sub(blank, text))]
    if path.suffix in (".py", ".sh"):
        found = re.finditer(r"^[ \t]*#(?!!).*(?:\n[ \t]*#.*)*|\"\"\".*?\"\"\"", text, re.MULTILINE | re.DOTALL)
        return [(text.count("\n", 0, f.start()) + 1, CODE.sub(blank, re.sub(r"^[ \t]*# ?|\"\"\"", "", f[0], flags=re.MULTILINE)))
                for f in found]
    said = []
    for found in _TOKEN.finditer(text):
        if found[0][0] != "/":
            continue
        body = re.sub(r"^\s*\* ?", "", found[0][2:].removesuffix("*/").strip(), flags=re.MULTILINE)
        said.append((text.count("\n", 0, found.start()) + 1, CODE.sub(blank, body)))
    return said


def files(root: Path, places: list[str]) -> list[Path]:
    found = []
    for place in places:
        path = root / place
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [p for p in inside if p.suffix in (".c", ".h", ".cpp", ".md", ".py", ".sh") and p.is_file()]
    return [p for p in found if p.name not in ("check_words.py",)]


def complaints_of(root: Path, places: list[str]) -> list[str]:
    complaints = []
    for path in files(root, places):
        for line, text in prose(path):
            for rule, mend in RULES:
                for found in rule.finditer(text):
                    number = line + text.count("\n", 0, found.start())
                    complaints.append(f"{path.relative_to(root)}:{number}: {mend.format(' '.join(found[0].split()))}")
    return complaints


def check(root: Path) -> list[str]:
    return complaints_of(root, CHECKED)


CLEAN = {
    "docs/a.md": "# Whose turn\nIt waits. Who could have known? The one who waits. He-man is \"he\" and `he`.\n"
                 "```\nhe says. Who waits sleeps.\n```\n".replace("He-man is ", "So is "),
    "include/rein/pool.h": "/* The thread that waits runs it itself. */\nint he; /* its number: who is in it tells */\n"
                           'const char *s = "he. Who waits sleeps.";\n',
    "scripts/x.py": '"""It tells who did it."""\nhe = 1  # the number of it\n',
    "src/core/a.c": "/* It waits. */\n",
}
VIOLATIONS = [
    {"docs/a.md": "The thread wakes, and he goes on.\n"},
    {"docs/decisions/a.md": "It leaves him a moment.\n"},
    {"docs/a.md": "It sleeps. Who waits is woken.\n"},
    {"docs/a.md": "- A thing\n- Who waits is woken.\n"},
    {"docs/a.md": "The stack of who opens it.\n"},
    {"include/rein/pool.h": "/* Who submits a job and waits\n * for it runs it. */\n"},
    {"include/rein/pool.h": "/* A job. Who\n * submits it waits. */\n".replace("Who\n * submits", "Who submits")},
    {"include/rein/pool.h": "int n; /* run by the thread himself */\n"},
    {"scripts/x.py": "# the thread and his lock\n"},
]

if __name__ == "__main__":
    sys.exit(main(check, CLEAN, VIOLATIONS))
