# SPDX-License-Identifier: Apache-2.0
"""The planted faults of tests/mutants: how they are written, and how one is put into a source.

A file tests/mutants/FOLDER.txt has the faults of one folder of sources, one after the other:

    [name-of-the-fault]
    file: src/core/hook.c
    what: what goes wrong, in a sentence
    kind: protocol                      a fault in what two threads agree on; or: code
    seen: core/hook explore:hook-close  what notices it, each of them alone; see scripts/mutants.py
    -----
    the text as it is, which is found once in the file
    +++++
    the text with the fault
    =====

More than one pair of texts may follow each other. Instead of `seen`:
    equivalent: why no program can tell the difference
    unseen: why nothing notices it yet
A fault may also be one of the explorer's planted bugs (docs/exploring.md):
    planted: SCENARIO SEARCH BUDGET ENDED   for instance: hook-cancel-resend bound1 400 deadlock
"""
from dataclasses import dataclass, field
from pathlib import Path

KEYS = ("file", "what", "kind", "seen", "equivalent", "unseen", "planted")
WAS, IS, END = "-----", "+++++", "====="


class Wrong(Exception):
    """A definition that cannot be used; says where and why."""


@dataclass
class Fault:
    name: str
    place: str  # tests/mutants/core.txt:12
    file: str = ""
    what: str = ""
    kind: str = ""
    seen: list[str] = field(default_factory=list)
    equivalent: str = ""
    unseen: str = ""
    planted: str = ""
    hunks: list[tuple[str, str]] = field(default_factory=list)

    @property
    def folder(self) -> str:
        parts = Path(self.file).parts
        return "cmd" if parts[0] == "cmd" else parts[1]


def _complete(fault: Fault) -> Fault:
    for key in ("file", "what", "kind"):
        if not getattr(fault, key):
            raise Wrong(f"{fault.place}: '{fault.name}' has no '{key}:'")
    if fault.kind not in ("protocol", "code"):
        raise Wrong(f"{fault.place}: '{fault.name}': the kind is protocol or code, not '{fault.kind}'")
    if sum(map(bool, (fault.seen, fault.equivalent, fault.unseen))) != 1:
        raise Wrong(f"{fault.place}: '{fault.name}' has to have one of 'seen:', 'equivalent:' and 'unseen:'")
    if not fault.hunks:
        raise Wrong(f"{fault.place}: '{fault.name}' changes nothing")
    return fault


def parse(text: str, path: str) -> list[Fault]:
    faults: list[Fault] = []
    part, lines = None, {}
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{path}:{number}"
        if line == WAS:
            if part == WAS or not faults:
                raise Wrong(f"{place}: '{WAS}' where no text can begin")
            if part == IS:
                faults[-1].hunks.append((lines[WAS], lines[IS]))
            part, lines = WAS, {WAS: "", IS: ""}
        elif line == IS and part == WAS:
            part = IS
        elif line == END and part == IS:
            faults[-1].hunks.append((lines[WAS], lines[IS]))
            part = None
        elif part:
            lines[part] += line + "\n"
        elif line.startswith("[") and line.endswith("]"):
            if faults:
                _complete(faults[-1])
            faults.append(Fault(line[1:-1], place))
        elif line.strip() and not line.startswith("#"):
            key, colon, value = line.partition(":")
            if not colon or key not in KEYS or not faults:
                raise Wrong(f"{place}: '{line}' is no line of a fault")
            setattr(faults[-1], key, value.split() if key == "seen" else value.strip())
    if part:
        raise Wrong(f"{path}: the last fault has no '{END}'")
    if faults:
        _complete(faults[-1])
    return faults


def load(root: Path) -> list[Fault]:
    faults, names = [], set()
    for path in sorted((root / "tests/mutants").glob("*.txt")):
        for fault in parse(path.read_text(encoding="utf-8"), str(path.relative_to(root))):
            if fault.name in names:
                raise Wrong(f"{fault.place}: a second fault of the name '{fault.name}'")
            names.add(fault.name)
            faults.append(fault)
    return faults


def locate(fault: Fault, text: str, was: str) -> tuple[int, str]:
    """Where `was` is in the text, and the text that is there: its last line may be a part of a longer one."""
    if text.count(was) != 1:
        was = was[:-1]
    found = text.count(was)
    if found != 1 or not was.strip():
        raise Wrong(f"{fault.place}: '{fault.name}': its text is {found} times in {fault.file}, not once")
    return text.index(was), was


def plant(fault: Fault, text: str) -> str:
    """The source with the fault in it."""
    for was, now in fault.hunks:
        at, found = locate(fault, text, was)
        if not found.endswith("\n") and now.endswith("\n"):
            now = now[:-1]
        text = text[:at] + now + text[at + len(found):]
    return text
