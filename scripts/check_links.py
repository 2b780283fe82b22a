#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every relative link in a Markdown file leads to a file that exists, and to a heading that exists when it names one.
Usage: scripts/check_links.py [--selftest]"""
import re
import sys
from pathlib import Path

from selftest import main

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def blank(found: re.Match) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def anchors(path: Path) -> set[str]:
    """The names under which a Markdown viewer finds the headings of this file."""
    text = re.sub(r"^```.*?^```", blank, path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    names = set()
    for heading in re.findall(r"^#+\s+(.*?)\s*#*$", text, re.MULTILINE):
        names.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return names


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


CLEAN = {
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
]

if __name__ == "__main__":
    sys.exit(main(check, CLEAN, VIOLATIONS))
