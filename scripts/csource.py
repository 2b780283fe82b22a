# SPDX-License-Identifier: Apache-2.0
"""Reading C sources for the checks: comments and string literals blanked, line numbers kept."""
import re
from pathlib import Path

_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def strip_comments(text: str) -> str:
    """Comments become blanks; strings stay (an #include needs them)."""
    return _TOKEN.sub(lambda m: _blank(m[0]) if m[0].startswith("/") else m[0], text)


def strip_all(text: str) -> str:
    """Comments and the insides of literals become blanks."""
    return _TOKEN.sub(lambda m: _blank(m[0]) if m[0].startswith("/") else m[0][0] + _blank(m[0][1:-1]) + m[0][-1], text)


def c_files(root: Path, *folders: str) -> list[Path]:
    found = []
    for folder in folders:
        found += (p for p in (root / folder).rglob("*") if p.suffix in (".c", ".h", ".cpp"))
    return sorted(found)


def is_test(path: Path) -> bool:
    return path.stem.endswith("_test")
