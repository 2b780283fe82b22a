#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets doxygen read the comments of include/rein, and the pages, as they are written there.
Usage: scripts/doc_filter.py FILE

In a page each heading gets a label, and each link the name of what it leads to in the HTML. In a header a comment that begins a line describes what follows it, one behind a declaration describes that declaration, and the
first one after the licence describes the file. Headings (---- x ----) stay plain comments. A macro
that passes the place of its call to a function is shown as a function with the parameters that a caller writes.
No line is added or taken, so that doxygen's messages point to the right place."""
import re
import sys
from pathlib import Path, PurePosixPath

import check_links
import headers
import pages

COMMENT = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
CLAUSE = re.compile(r"\b(Blocks|Owns|Returns|Thread):(?= )")
DECLARATION_ENDS = re.compile(r"[;,\w)]$")
HEADING = re.compile(r"^(#+) +(.*?)[ #]*$", re.MULTILINE)


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


def with_companions(source: str, header: headers.Header) -> str:
    """Functions that share a comment: each of them has it."""
    for group in header.groups:
        functions = [item for item in group.items if item.kind == "function"]
        for item in functions[1:] if group.comment else []:
            declared = re.compile(rf"^(?=REIN_API[^;(]*\b{item.name}\()", re.MULTILINE)
            source = declared.sub(f"/** @copydoc {functions[0].name} */ ", source)
    return source


def label(page: PurePosixPath) -> str:
    return "page_" + re.sub(r"\W", "_", page.stem)


def in_html(file: str, anchor: str, _: str) -> str | None:
    """The name in build/docs/html of what stands in the repository under `file`; None: it is not there."""
    path = PurePosixPath(file)
    if file == "README.md":
        return "index.html"
    if path.suffix == ".md" and (path.parts[0] == "docs" or len(path.parts) == 1):
        return label(path) + ".html" + (f"#{label(path)}_{anchor}" if anchor else "")
    if path.suffix == ".h" and path.parent.name == "rein":
        return path.stem + "_8h.html"
    if path.parent.name == "examples":
        return file
    return {"include/rein": "files.html", "examples": "page_index.html", "docs/decisions": "pages.html"}.get(file)


def convert_page(text: str, page: PurePosixPath) -> str:
    """Labels of our own: doxygen's would be made of the path of this checkout, and change with each heading."""
    text = pages.relink(text, page, in_html)
    first = True

    def heading(found: re.Match) -> str:
        nonlocal first
        name = label(page) if first else f"{label(page)}_{check_links.anchor_of(found[2])}"
        first = False
        return f"{found[0]} {{#{name}}}"

    out, at = [], 0
    for block in check_links.BLOCK.finditer(text):
        out += [HEADING.sub(heading, text[at : block.start()]), block[0]]
        at = block.end()
    return "".join(out) + HEADING.sub(heading, text[at:])


if __name__ == "__main__":
    path = Path(sys.argv[1]).resolve()
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        sys.stdout.write(convert_page(source, PurePosixPath(path.relative_to(pages.ROOT))))
    else:
        source = convert(headers.without_places(source), path.name)
        sys.stdout.write(with_companions(source, headers.parse(path)))
