#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets doxygen read the comments of include/rein as they are written there. Usage: scripts/doc_filter.py FILE

A comment that begins a line describes what follows it, one behind a declaration describes that declaration, and the
first one after the licence describes the file. Headings (---- x ----) stay plain comments. No line is added or taken,
so that doxygen's messages point to the right place."""
import re
import sys
from pathlib import Path

COMMENT = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
CLAUSE = re.compile(r"\b(Blocks|Owns|Returns|Thread):(?= )")
DECLARATION_ENDS = re.compile(r"[;,\w)]$")


def text_of(body: str) -> str:
    """The words of a comment, safe from doxygen's own marks, its clauses each on a line of their own."""
    parts = body.split("`")
    for i in range(0, len(parts), 2):  # outside of `code`
        parts[i] = re.sub(r"([\\@<>#&])", r"\\\1", parts[i])
        parts[i] = CLAUSE.sub(r"<br><b>\1</b>:", parts[i])
    return "`".join(parts)


def convert(text: str, name: str) -> str:
    file_described = False

    def comment(found: re.Match) -> str:
        nonlocal file_described
        whole = found[0]
        if whole.startswith('"') or "SPDX-License-Identifier" in whole or whole.startswith("/* ----"):
            return whole
        body = text_of(whole[2:-2]) + "*/"
        before = text[text.rfind("\n", 0, found.start()) + 1:found.start()].strip()
        if before:
            return "/**<" + body if DECLARATION_ENDS.search(before) else whole
        if not file_described:
            file_described = True
            return f"/** @file {name} @brief" + body
        return "/**" + body

    return COMMENT.sub(comment, text)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    sys.stdout.write(convert(path.read_text(encoding="utf-8"), path.name))
