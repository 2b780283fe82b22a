#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pages in docs/ are true to the code: each block of C says which example it is from and stands there word for word,
each example and each public function is spoken of somewhere, and the map in CONTRIBUTING.md has every folder of src/ and
tests/. The guide explains a word of rein's own, in bold, before it uses it. Usage: scripts/check_docs.py [--selftest]"""
import re
import sys
import textwrap
from pathlib import Path

from selftest import main

BLOCK = re.compile(r"((?:^[^\n]+\n)?)(?:^\n)*^```c\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FROM = re.compile(r"\[(examples/\w+\.c)\]")
FUNCTION = re.compile(r"^(?:REIN_API|static inline) [^;(]*?\b(rein_\w*[a-z0-9])\(", re.MULTILINE)


# The words that a reader of the guide cannot know; the end of a word may differ.
WORDS = ["executor", "future", "settled", "gone", "permit", "task", "scope", "ladder", "shield", "promise", "trail"]


def unexplained(guide: str) -> list[str]:
    """Words whose first use, outside of code and links, is not the bold one."""
    told = re.sub(r"^```.*?^```|`[^`\n]*`|\]\([^)]*\)|^#.*?$", " ", guide, flags=re.MULTILINE | re.DOTALL)
    return [word for word in WORDS
            if (found := re.search(rf"(\*\*)?\b{word}", told, re.IGNORECASE)) and not found[1]]


def lines(text: str) -> str:
    """Without the indentation, which differs between a page and a function."""
    return "\n".join(line.rstrip() for line in textwrap.dedent(text).strip("\n").split("\n"))


def stands_in(block: str, source: str) -> bool:
    wanted, there = lines(block).split("\n"), source.split("\n")
    for start in range(len(there) - len(wanted) + 1):
        if lines("\n".join(there[start : start + len(wanted)])).split("\n") == wanted:
            return True
    return False


def check(root: Path) -> list[str]:
    complaints, told = [], ""
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        if not path.exists():
            continue
        text, place = path.read_text(encoding="utf-8"), path.relative_to(root)
        told += text
        if path.parent == root:
            continue  # its programs are built and run by tests/install/readme.sh
        for found in BLOCK.finditer(text):
            number = text.count("\n", 0, found.start(2))
            source = FROM.search(found[1])
            if not source:
                complaints.append(f"{place}:{number}: the line above this block names no example it is from")
            elif not (root / source[1]).exists():
                complaints.append(f"{place}:{number}: no such file: {source[1]}")
            elif not stands_in(found[2], (root / source[1]).read_text(encoding="utf-8")):
                complaints.append(f"{place}:{number}: this does not stand in {source[1]}")
    guide = root / "docs/guide.md"
    complaints += [f"docs/guide.md: \"{word}\" is used before it is explained"
                   for word in unexplained(guide.read_text(encoding="utf-8") if guide.exists() else "")]
    words = set(re.findall(r"\w+", told))
    for header in sorted((root / "include").rglob("*.h")):
        text = header.read_text(encoding="utf-8")
        for name in FUNCTION.findall(text):
            macro = name.removesuffix("_at")
            if f"#define {macro}(" in text:
                name = macro
            if name not in words:
                complaints.append(f"{header.relative_to(root)}: no page speaks of {name}")
    for example in sorted((root / "examples").glob("*.c")):
        if example.stem not in words:
            complaints.append(f"{example.relative_to(root)}: no page speaks of it")
    contributing = root / "CONTRIBUTING.md"
    written = contributing.read_text(encoding="utf-8") if contributing.exists() else ""
    for folder in sorted(path for above in ("src", "tests") for path in (root / above).glob("*/")):
        if any(folder.glob("*.*")) and f"{folder.relative_to(root)}/" not in written:
            complaints.append(f"CONTRIBUTING.md: the map has no {folder.relative_to(root)}/")
    return complaints


HEADER = """REIN_API int rein_sleep(rein_time until);
#define rein_submit(...) rein_submit_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_future *rein_submit_at(const char *place,
                                     int n);
static inline void rein_x_(int n)
{
}
"""
INLINE = "static inline int rein_x_attach(int n)\n{\n}\n"
CLEAN = {
    "README.md": "`rein_submit`\n```c\nint main(void) {}\n```\n",
    "docs/guide.md": "# The ladder\nA **task** has a `shield`. A **ladder**; tasks.\n",
    "docs/a.md": "Call `rein_sleep`, see [examples/x.c](../examples/x.c):\n\n```c\nif (a)\n        b();\n```\n\n```sh\nx\n```\n",
    "CONTRIBUTING.md": "```\nsrc/core/   everything\n```\n",
    "src/core/core.c": "",
    "examples/x.c": "void f(void)\n{\n        if (a)\n                b();\n}\n",
    "include/rein/x.h": HEADER,
}
VIOLATIONS = [
    {"docs/a.md": CLEAN["docs/a.md"].replace("b();", "c();")},
    {"docs/a.md": CLEAN["docs/a.md"].replace("        b();", "b();")},
    {"docs/a.md": CLEAN["docs/a.md"].replace("examples/x.c", "examples/y.c")},
    {"docs/a.md": CLEAN["docs/a.md"].replace(", see [examples/x.c](../examples/x.c)", "")},
    {"docs/a.md": CLEAN["docs/a.md"].replace("rein_sleep", "rein_sleeps")},
    {"README.md": "nothing\n"},
    {"include/rein/x.h": HEADER + INLINE},
    {"docs/guide.md": "A task is a **task**.\n"},
    {"docs/guide.md": "A **task** of the trail.\n"},
    {"src/loop/loop.c": ""},
    {"tests/stress/pool_test.c": ""},
    {"examples/unheard.c": "int main(void)\n{\n}\n"},
]

if __name__ == "__main__":
    sys.exit(main(check, CLEAN, VIOLATIONS))
