#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every relative link in a Markdown file leads to a file that exists, and to a heading that exists when it names one.
Usage: scripts/check_links.py [--selftest]
       scripts/check_links.py --html FOLDER [PATH]     the same for HTML; and PATH, where it was made, stands nowhere in it"""
import html
import re
import sys
import urllib.parse
from pathlib import Path

from selftest import main

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def blank(found: re.Match) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    """The names under which a Markdown viewer finds the headings of this file."""
    text = BLOCK.sub(blank, path.read_text(encoding="utf-8"))
    return {anchor_of(heading) for heading in re.findall(r"^#+\s+(.*?)\s*#*$", text, re.MULTILINE)}


def check(root: Path) -> list[str]:
    complaints = []
    for path in sorted(root.rglob("*.md")):
        place = path.relative_to(root)
        if place.parts[0] == "build" or place.parts[0].startswith(".git"):
            continue
        text = CODE.sub(blank, path.read_text(encoding="utf-8"))
        for found in LINK.finditer(text):
            link = found[1] or found[2]
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name) if name else path
            number = text.count("\n", 0, found.start()) + 1
            if not target.exists():
                complaints.append(f"{place}:{number}: leads nowhere: {link}")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                complaints.append(f"{place}:{number}: no such heading: {link}")
    return complaints


ATTRIBUTE = re.compile(r"""\b(href|src|id|name)=(?:"([^"]*)"|'([^']*)')""")


def check_html(root: Path, builder: str = "") -> list[str]:
    complaints, links, names = [], [], {}
    for path in sorted(root.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        names[path.resolve()] = set()
        for found in ATTRIBUTE.finditer(text):
            value = html.unescape(found[2] or found[3] or "")
            if found[1] in ("id", "name"):
                names[path.resolve()].add(value)
            elif not re.match(r"[a-z]+:|//", value):
                links.append((path, text.count("\n", 0, found.start()) + 1, value))
    for path, line, link in links:
        name, _, anchor = link.partition("#")
        target = (path.parent / urllib.parse.unquote(name)).resolve() if name else path.resolve()
        place = f"{path.relative_to(root)}:{line}"
        if not target.exists():
            complaints.append(f"{place}: leads nowhere: {link}")
        elif anchor and target in names and urllib.parse.unquote(anchor) not in names[target]:
            complaints.append(f"{place}: no such anchor: {link}")
    for path in sorted(root.rglob("*")):
        if builder and path.is_file() and builder.encode() in path.read_bytes():
            complaints.append(f"{path.relative_to(root)}: says where it was made: {builder}")
    return complaints


def check_both(root: Path) -> list[str]:
    return check(root) + check_html(root, "/home/someone")


CLEAN = {
    "html/a.html": """<a id="x"></a><a href='b.html#y'>b</a><a href="#x">x</a><a href="https://example.org/">e</a>\n""",
    "html/b.html": """<h1 id="y">B</h1><img src="c%2Bd.png"><a name="z" href="a.html">a</a><a href="#z">z</a>\n""",
    "html/c+d.png": "",
    "README.md": "# One two\n[a](docs/a.md) [b](docs/a.md#the-heading) [c](#one-two) [d](https://example.org/x)\n"
                 "`[no](link.md)`\n```\n[no](link.md)\n```\n",
    "docs/a.md": "## The heading\n[back](../README.md) [folder](.)\n",
    "build/x.md": "[gone](gone.md)\n",
}
VIOLATIONS = [
    {"README.md": "[a](docs/b.md)\n"},
    {"docs/a.md": "## The heading\n[back](README.md)\n"},
    {"README.md": "# One two\n[b](docs/a.md#no-heading)\n"},
    {"README.md": "[a]\n\n[a]: docs/b.md\n"},
    {"html/a.html": '<a id="x"></a><a href="c.html">c</a>\n'},
    {"html/a.html": '<a href="b.html#x">b</a><a id="x"></a>\n'},
    {"html/a.html": '<a href="#w">w</a>\n'},
    {"html/sub/a.html": '<a href="b.html">b</a>\n'},
    {"html/b.html": "<h1 id='y'>/home/someone/rein/include</h1>\n"},
    {"html/search.js": "var page = '/home/someone/rein/docs/x.md';\n"},
]

if __name__ == "__main__":
    if sys.argv[1:2] == ["--html"]:
        wrong = check_html(Path(sys.argv[2]), *sys.argv[3:])
        print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
        sys.exit(1 if wrong else 0)
    sys.exit(main(check_both if sys.argv[1:] == ["--selftest"] else check, CLEAN, VIOLATIONS))
