#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pages of README.md and docs/ outside of the repository: where a link leads to a file that is not there, the words
of the link stay.
Usage: scripts/pages.py FOLDER      writes what `make install` puts into share/doc/rein, and says what is wrong with it
       scripts/pages.py --check FOLDER      and fails, when anything is"""
import re
import sys
from pathlib import Path, PurePosixPath

import check_links

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = ["README.md", "CHANGELOG.md", "LICENSE", "docs/*.md", "docs/decisions/*.md", "examples/*.c"]
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def link_target(place: PurePosixPath, name: str) -> str:
    """The file, from the root of the repository, that `name` means on the page `place`."""
    parts: list[str] = []
    for part in (place.parent / name).parts if name else place.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def relink(text: str, place: PurePosixPath, resolve) -> str:
    """The page with every relative link L replaced by resolve(file, anchor, L); by its words where that is None."""

    def link(found: re.Match) -> str:
        if re.match(r"[a-z]+:", found[2]):
            return found[0]
        name, _, anchor = found[2].partition("#")
        new = resolve(link_target(place, name), anchor, found[2])
        return found[1] if new is None else f"[{found[1]}]({new})"

    out, at = [], 0
    for code in check_links.CODE.finditer(text):
        # The words of a link may be code: [`rein run`](x.md).
        if code[0].startswith("`") and not code[0].startswith("```"):
            continue
        out += [LINK.sub(link, text[at : code.start()]), code[0]]
        at = code.end()
    return "".join(out) + LINK.sub(link, text[at:])


def installed(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for pattern in INSTALLED for path in sorted(root.glob(pattern))]


def install(root: Path, to: Path) -> list[str]:
    """Writes the tree, and returns what is wrong with it."""
    files = installed(root)
    folders = {str(folder) for name in files for folder in PurePosixPath(name).parents}
    for name in files:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        text = (root / name).read_text(encoding="utf-8")
        if name.endswith(".md"):
            text = relink(text, PurePosixPath(name), lambda file, _, same: same if file in files or file in folders else None)
        (to / name).write_text(text, encoding="utf-8")
    return check_links.check(to)


if __name__ == "__main__":
    complaints = install(ROOT, Path(sys.argv[-1]))
    for line in complaints:
        print(line, file=sys.stderr)
    sys.exit(1 if complaints and sys.argv[1] == "--check" else 0)
