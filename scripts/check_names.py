#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A static function in src and cmd carries its noun, so that grep, a profiler and a backtrace tell which part of the program it
belongs to. What a machine can see of that: its name has two words or more (`queue_take`, not `take`; a single letter is no
word), and no other file defines a function of that name. Tests may call their own as they like.
Usage: scripts/check_names.py [--selftest]"""
import re
import sys
from collections import defaultdict
from pathlib import Path

from csource import c_files, is_test, strip_all
from selftest import main

HEAD = re.compile(r"^(?!typedef\b)[A-Za-z_][^;={}#]*(?=[;={])", re.MULTILINE)
BESIDES = re.compile(r"\b(?:__attribute__\(\((?:[^()]|\([^()]*\))*\)\)|REIN_PRINTF\([^()]*\))")
NAME = re.compile(r"^[\w\s*]*?(?:\(\*)?\b(\w+)\s*\((?!\*)")
STATIC = re.compile(r"\bstatic\b[^(]*\w\s*\(|\bstatic\b[^(]*\(\*\w+\(")


def functions(text: str) -> list[tuple[str, int, bool]]:
    """What a source defines at its left edge: (name, line, static)."""
    text, found = strip_all(text), []
    for head in HEAD.finditer(text):
        if text[head.end()] != "{":
            continue
        plain = BESIDES.sub(" ", head[0])
        name = NAME.match(plain)
        if name:
            start = head.start() + head[0].rfind(name[1] + "(")
            found.append((name[1], text.count("\n", 0, start) + 1, bool(STATIC.search(plain))))
    return found


def is_bare(name: str) -> bool:
    return sum(len(word) > 1 for word in name.split("_")) < 2


def check(root: Path) -> list[str]:
    complaints, places = [], defaultdict(dict)
    for path in c_files(root, "src", "cmd"):
        if is_test(path):
            continue
        for name, line, static in functions(path.read_text(encoding="utf-8")):
            places[name].setdefault(path.relative_to(root), (line, static))
    for name, files in places.items():
        for path, (line, static) in files.items():
            if static and is_bare(name):
                complaints.append(f"{path}:{line}: {name}: a static function's name says what part it belongs to")
            if static and len(files) > 1:
                others = ", ".join(str(other) for other in files if other != path)
                complaints.append(f"{path}:{line}: {name}: there is one in {others} too")
    return sorted(complaints)


CLEAN = {
    "src/core/a.c": "static int queue_take(void);\n\nstatic int queue_take(void)\n{\n        int take = take_it(1);\n        return take;\n}\n"
                    "static int (*hook)(void);\nstatic const kind k = {\n        .take = queue_take,\n};\n"
                    "#if X\nstatic int one_or_other(void)\n{\n}\n#else\nstatic int one_or_other(void)\n{\n}\n#endif\n"
                    "struct take {\n        int n;\n};\nint rein_take(void)\n{\n        return 0;\n}\n",
    "src/core/a.h": "typedef struct take {\n        int n;\n} take;\nstatic inline int rn_take(void)\n{\n        return 0;\n}\n"
                    "int main(int argc, char **argv);\n",
    "src/core/a_test.c": "static int take(void)\n{\n        return 0;\n}\n",
    "cmd/rein/main.c": "int main(void)\n{\n        return 0;\n}\n",
}
VIOLATIONS = [
    {"src/core/b.c": "static int take(void)\n{\n        return 0;\n}\n"},
    {"src/core/b.c": "static const struct text *m_take(int a,\n                                  int b)\n{\n        return 0;\n}\n"},
    {"src/core/b.h": "static inline int take(void)\n{\n        return 0;\n}\n"},
    {"cmd/rein/b.c": "__attribute__((cold, noinline)) static void take(int (*f)(void))\n{\n}\n"},
    {"src/core/b.c": "UNWATCHED static void take(void)\n{\n}\n"},
    {"src/core/b.c": "static REIN_PRINTF(1, 2) void take(const char *fmt, ...)\n{\n}\n"},
    {"src/core/b.c": "static void (*take(int n))(void *)\n{\n}\n"},
    {"src/core/b.c": "static int queue_take(void)\n{\n        return 0;\n}\n"},
    {"cmd/rein/b.c": "int queue_take(void)\n{\n        return 0;\n}\n"},
]

if __name__ == "__main__":
    sys.exit(main(check, CLEAN, VIOLATIONS))
