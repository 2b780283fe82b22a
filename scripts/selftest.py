# SPDX-License-Identifier: Apache-2.0
"""A check that cannot fail is a defect. Each check lists violations to plant; here they are planted, one at a time, in
a small tree that is clean without them, and the check must notice every one and accept the clean tree."""
import sys
import tempfile
from pathlib import Path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def selftest(check, clean: dict[str, str], violations: list[dict[str, str]]) -> int:
    """check(root) returns the list of its complaints. A violation replaces or adds files of the clean tree."""
    wrong = []
    for planted in [{}] + violations:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write(root, {**clean, **planted})
            complaints = check(root)
        if bool(complaints) != bool(planted):
            wrong.append(f"missed: {planted}" if planted else f"complained about a clean tree: {complaints}")
    for line in wrong:
        print(f"{sys.argv[0]} --selftest: {line}", file=sys.stderr)
    if not wrong:
        print(f"{Path(sys.argv[0]).name} --selftest: all {len(violations)} planted violations found, clean tree accepted")
    return 1 if wrong else 0


def main(check, clean: dict[str, str], violations: list[dict[str, str]]) -> int:
    if sys.argv[1:] == ["--selftest"]:
        return selftest(check, clean, violations)
    complaints = check(Path(__file__).resolve().parent.parent)
    for line in complaints:
        print(line, file=sys.stderr)
    return 1 if complaints else 0
