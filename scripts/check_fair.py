#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each public function that may block has a row in the table of src/loop/fair_test.c, which shows that a coroutine that calls
it again and again, and never has to wait, lets the others of its loop have their turn. A function may block when its comment
in include/rein says so ("Blocks:", and not "Blocks: no."), or when it takes `until`. A comment counts for all the functions
up to the next one. No row is left of a function that does not exist. Usage: scripts/check_fair.py [--selftest]"""
import re
import sys
from pathlib import Path

from csource import strip_comments
from selftest import main

TABLE = "src/loop/fair_test.c"
# Functions that have no row, and why.
WITHOUT = {
    "rein_child_collect": "needs a child, whose start waits for a thread",
    "rein_child_free": "needs a child, whose start waits for a thread",
    "rein_cpus": "reads a few files of the kernel's",
    "rein_done_close": "does not wait: its comment is that of rein_done_next",
    "rein_close": "does not wait: close(2) alone may take its time",
    "rein_error_print": "waits for a FILE, which is none of rein's",
    "rein_executor_stop_begin": "does not wait: `until` is for the jobs",
    "rein_hook_close": "waits for a stop that another thread is calling in this moment",
    "rein_promise_on_cancel": "waits for a function that another thread is calling in this moment",
    "rein_receipt_at": "waits for a dlopen that is under way, and for nothing of rein's",
    "rein_receipt_count": "does not wait: its comment is that of rein_receipt_at",
    "rein_receipt_free": "does not wait: its comment is that of rein_receipt_at",
    "rein_receipt_print": "waits for a FILE, which is none of rein's",
    "rein_release_fd": "does not wait: close(2) alone may take its time",
    "rein_run": "is for threads, not for coroutines",
    "rein_shield_open": "waits for a stop that another thread is calling in this moment",
    "rein_within": "blocks as the function does that it calls",
    "rein_work_run": "blocks as the job does that it runs",
}

OUTSIDE = ("sim.h", "glib.h", "uv.h")  # of every loop

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
FUNCTION = re.compile(r"^REIN_API [^;(]*?\b(rein_\w*[a-z0-9])\(([^;]*?)\)[^;()]*(?:\([^;]*\))?;", re.MULTILINE | re.DOTALL)
BLOCKS = re.compile(r"\b[Bb]locks\b(?:, returns)?:\s+(?:\* )?(?:(no)\b(?!,)|[Aa]s (rein_\w+))?")
ROW = re.compile(r"\bROW\((rein_\w+),")


def functions(header: str) -> dict[str, tuple[str, str]]:
    """The comment and the arguments of each function of a header, without the _at of those behind a macro."""
    parts = [(m.start(), "comment", m[0]) for m in COMMENT.finditer(header)]
    for m in FUNCTION.finditer(strip_comments(header)):
        behind_a_macro = m[2].startswith("const char *place")
        parts.append((m.start(), re.sub(r"_at$", "", m[1]) if behind_a_macro else m[1], m[2]))
    found, comment = {}, ""
    for _, name, text in sorted(parts):
        if name == "comment":
            comment = text
        else:
            found[name] = (comment, text)
    return found


def may_block(name: str, told: dict[str, tuple[str, str]]) -> bool:
    """A comment may speak of several functions: "Blocks: no" of all of them. "Blocks: as rein_x" is as that."""
    comment, arguments = told.get(name, ("", ""))
    answers = BLOCKS.findall(comment)
    if not answers:
        return bool(re.search(r"\brein_time until\b", arguments))
    return any(not no and (not like or like == name or may_block(like, told)) for no, like in answers)


def check(root: Path) -> list[str]:
    complaints, told, places = [], {}, {}
    table = root / TABLE
    rows = set(ROW.findall(strip_comments(table.read_text(encoding="utf-8")))) if table.exists() else set()
    for path in sorted((root / "include/rein").glob("*.h")):
        if path.name not in OUTSIDE:
            here = functions(path.read_text(encoding="utf-8"))
            told.update(here)
            places.update({name: path.relative_to(root) for name in here})
    for name, place in places.items():
        if may_block(name, told) and name not in rows and name not in WITHOUT:
            complaints.append(f"{place}: {name} may block: it needs a row in {TABLE}")
    for name in sorted(rows - set(told)):
        complaints.append(f"{TABLE}: there is no function {name}")
    return complaints


CLEAN = {
    "include/rein/a.h": "/* Blocks: until then. */\n#define rein_a(...) rein_a_at(REIN_HERE, __VA_ARGS__)\n"
                        "REIN_API int rein_a_at(const char *place, rein_time until) REIN_MUST;\n"
                        "/* Blocks: no. */\nREIN_API void rein_b(rein_time until);\nREIN_API void rein_c(int (*fn)(void));\n"
                        "/* Owns, blocks: as rein_b. */\nREIN_API int rein_g(rein_time until);\n"
                        "/* A long one. Blocks:\n * no. */\nREIN_API void rein_h(rein_time until);\n"
                        "/* Ends it. */\nREIN_API void rein_d(void);\n/* Waits. */\nREIN_API int rein_e(rein_time until);\n",
    TABLE: "static const row table[] = {\n        ROW(rein_a, one, 0),\n        ROW(rein_e, one, 0),\n};\n",
}
VIOLATIONS = [
    {"include/rein/b.h": "/* Blocks: while it is clear. */\nREIN_API int rein_f(void);\n"},
    {"include/rein/b.h": "/* Blocks: no, but for a full one. */\nREIN_API int rein_f(void);\n"},
    {"include/rein/b.h": "/* Waits. */\nREIN_API int rein_f(int fd,\n        rein_time until);\n"},
    {"include/rein/b.h": "/* Blocks: as fn. */\nREIN_API int rein_f(int (*fn)(void *), void *arg);\n"},
    {"include/rein/b.h": "/* Blocks: as rein_a. */\nREIN_API int rein_f(void);\n"},
    {TABLE: "static const row table[] = {\n        ROW(rein_a, one, 0),\n};\n"},
    {TABLE: CLEAN[TABLE] + "ROW(rein_gone, one, 0)\n"},
    {TABLE: CLEAN[TABLE].replace("ROW(rein_e, one, 0)", "/* ROW(rein_e, one, 0) */")},
]

if __name__ == "__main__":
    sys.exit(main(check, CLEAN, VIOLATIONS))
