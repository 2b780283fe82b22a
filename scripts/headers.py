# SPDX-License-Identifier: Apache-2.0
"""Reading the public headers: their comments, and what stands below each. A comment and the declarations that follow it
without an empty line are one group; a comment behind a declaration is of that declaration alone."""
import re
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

MACRO = re.compile(r"^#define (rein_\w+)\(([^)]*)\)(?:[ \t]|\\\n)+(rein_\w+_at)\((.*)\)$", re.MULTILINE)
ATTRIBUTE = re.compile(r"\b(?:REIN_API|REIN_MUST|REIN_PRINTF\(\d+, \d+\))\s*")
CODE = re.compile(r"(?<![\w-])(?:REIN_E[A-Z]+|-E[A-Z0-9]{3,})\b")
CLAUSE = re.compile(r"\b(Blocks|Owns|Owns, blocks|Blocks, returns|Returns|Threads?): ")


@dataclass
class Member:
    """A field of a struct or a constant of an enumeration."""

    declaration: str
    comment: str


@dataclass
class Item:
    """A declaration. kind: function, struct, enum, opaque, callback, macro."""

    kind: str
    name: str
    text: str  # as a caller sees it, in one line
    comment: str = ""  # behind it
    result: str = ""
    params: list[str] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    at: str = ""  # the function that the macro of this name calls with the place


@dataclass
class Group:
    heading: str
    comment: str  # with its lines
    items: list[Item] = field(default_factory=list)


@dataclass
class Header:
    name: str
    about: str = ""
    groups: list[Group] = field(default_factory=list)

    def functions(self) -> list[Item]:
        return [item for group in self.groups for item in group.items if item.kind == "function"]


def split_list(text: str) -> list[str]:
    """At the commas outside of all brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return parts + [text[start:].strip()] if text.strip() else []


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def comment_text(whole: str) -> str:
    """What a comment says, without its frame; its lines and their indentation stay."""
    lines = whole[2:-2].split("\n")
    body = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in lines[1:]]
    return "\n".join([lines[0].strip(), *body]).strip()


def kept_params(macro: str, call: str, params: list[str]) -> list[str]:
    """Of the parameters of an `_at` function those that a caller of the macro writes."""
    arguments = split_list(call)
    if "__VA_ARGS__" in arguments:
        arguments[arguments.index("__VA_ARGS__") :] = [""] * (len(params) - arguments.index("__VA_ARGS__"))
    if len(arguments) != len(params):
        print(f"headers: {macro}: {len(arguments)} arguments for {len(params)} parameters", file=sys.stderr)
        return params[1:]
    return [p for p, a in zip(params, arguments) if a != "REIN_HERE" and not a.startswith("#")]


def without_places(source: str, lines: bool = True) -> str:
    """The header with each macro that passes the place of its call as a function; with `lines`, line for line."""
    for found in MACRO.finditer(source):
        macro, call, at = found[1], found[4], found[3]
        declared = re.compile(rf"^(REIN_API[^;]*?)\b{at}\(((?:[^();]|\([^()]*\))*)\)", re.MULTILINE)

        def rename(d: re.Match) -> str:
            params = re.split(r",(?=\s)(?![^(]*\))", d[2])
            kept = kept_params(macro, call, [p.strip() for p in params])
            texts = [p for p in params if p.strip() in kept]
            inside = ",".join(texts).lstrip() or "void"
            return f"{d[1]}{macro}({inside})" + "\n" * (d[2].count("\n") - inside.count("\n"))

        source = declared.sub(rename, source)
    return MACRO.sub(lambda found: "\n" * found[0].count("\n"), source) if lines else re.sub(MACRO.pattern + "\n", "", source, flags=re.MULTILINE)


def comment_end(text: str, at: int) -> int:
    return text.index("*/", at) + 2


def declaration_end(text: str, at: int) -> int:
    """Behind the `;` of a declaration, or the `}` of a function."""
    depth, inline = 0, text.startswith("static inline", at)
    while True:
        if text.startswith("/*", at):
            at = comment_end(text, at)
            continue
        c = text[at]
        depth += (c in "({") - (c in ")}")
        at += 1
        if depth == 0 and (c == ";" or (inline and c == "}")):
            return at


def members_of(body: str, separator: str) -> list[Member]:
    """Of the inside of a struct (`;`) or an enumeration (`,`), each with the comment behind it, else the one before."""
    members: list[Member] = []
    before, text = "", ""
    at = 0
    while at < len(body):
        if body.startswith("/*", at):
            end = comment_end(body, at)
            comment = one_line(comment_text(body[at:end]))
            line = body[body.rfind("\n", 0, at) + 1 : at]
            if separator == "," and one_line(text):  # the last constant, without a comma
                members.append(Member(one_line(text), before))
                before, text = "", ""
            if line.strip() and members and not one_line(text):
                members[-1].comment = one_line(members[-1].comment + " " + comment)
            else:
                before = comment
            at = end
            continue
        depth = text.count("(") - text.count(")")
        if body[at] == separator and depth == 0:
            if one_line(text):
                members.append(Member(one_line(text), before))
            before, text = "", ""
        else:
            text += body[at]
        at += 1
    if one_line(text):
        members.append(Member(one_line(text), before))
    return members


def strip_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def item_of(text: str) -> Item | None:
    """One declaration, with its comments inside."""
    bare = one_line(strip_comments(text))
    if text.startswith("static inline"):
        bare = one_line(strip_comments(text[: text.index("{")]).removeprefix("static inline")) + ";"
    tagged = re.match(r"(?:typedef )?(struct|enum)\b ?(\w*) ?\{", bare)
    if tagged:
        inside = text[text.index("{") + 1 : text.rindex("}")]
        name = re.search(r"\}\s*(\w*)", bare)[1] or tagged[2]
        comment = ""
        first = re.match(r"[ \t]*(/\*.*?\*/)[ \t]*\n", inside, re.DOTALL)
        if first:
            comment, inside = one_line(comment_text(first[1])), inside[first.end() :]
        members = members_of(inside, ";" if tagged[1] == "struct" else ",")
        return Item(tagged[1], name, bare, comment, members=members)
    if bare.startswith("typedef struct"):
        return Item("opaque", re.search(r"(\w+);$", bare)[1], bare)
    if bare.startswith("typedef"):
        return Item("callback", re.search(r"\(\*(\w+)\)", bare)[1], bare)
    bare = one_line(ATTRIBUTE.sub("", bare)).replace(" ;", ";")
    function = re.match(r"(.*?[ *])(rein_\w+)\((.*)\);$", bare)
    if not function:
        return None
    params = [] if function[3] == "void" else split_list(function[3])
    return Item("function", function[2], bare, result=function[1].strip(), params=params)


def condition(line: str) -> bool:
    """Of a preprocessor's `#if`: the headers as a C program of gcc sees them."""
    positive = not line.startswith("#ifndef")
    return not positive if "__cplusplus" in line else True


def parse(path: Path) -> Header:
    text = without_places(path.read_text(encoding="utf-8"), lines=False)
    macros = {found[3]: found[1] for found in MACRO.finditer(path.read_text(encoding="utf-8"))}
    ats = {macro: at for at, macro in macros.items()}
    header = Header(path.name)
    heading, group, last, at, described = "", None, None, 0, False
    conditions: list[bool] = []
    while at < len(text):
        c = text[at]
        if c.isspace():
            if re.match(r"\n[ \t]*\n", text[at:]) and not (group and not group.items):
                group = None
            at += 1
            continue
        shown = all(conditions)
        if text.startswith("/*", at):
            end = comment_end(text, at)
            said = comment_text(text[at:end])
            before = text[text.rfind("\n", 0, at) + 1 : at].strip()
            if "SPDX-License-Identifier" in said or not shown:
                pass
            elif said.startswith("----"):
                heading, group = said.strip("- "), None
            elif before:
                if last:
                    last.comment = one_line(last.comment + " " + said)
            elif not described:
                header.about, described = said, True
            else:
                group = Group(heading, said)
                header.groups.append(group)
            at = end
            continue
        if c == "#":
            end = re.compile(r"(?<!\\)(?=\n|/\*)").search(text, at).end()
            line = text[at:end].strip()
            if line.startswith("#if"):
                conditions.append(condition(line))
            elif line.startswith("#else"):
                conditions[-1] = not conditions[-1]
            elif line.startswith("#endif"):
                conditions.pop()
            found = re.match(r"#define (REIN_\w+)(\([^)]*\))?\s*(.*)", line, re.DOTALL)
            if found and shown and not found[1].endswith("_") and not found[1].endswith("_H"):
                last = Item("macro", found[1], found[1] + (found[2] or ""), result=one_line(found[3].replace("\\\n", " ")))
            else:
                last = None
            at = end
        elif text.startswith(('extern "C" {', "}"), at):
            at = text.index("\n", at)
            continue
        else:
            end = declaration_end(text, at)
            last = item_of(text[at:end]) if shown else None
            if last and last.name.endswith("_"):
                last = None
            if last and last.name in ats:
                last.at = ats[last.name]
            at = end
        if last:
            if not group:
                group = Group(heading, "")
                header.groups.append(group)
            group.items.append(last)
    header.groups = [g for g in header.groups if g.items]
    return header


def parse_all(root: Path) -> list[Header]:
    return [parse(path) for path in sorted((root / "include/rein").glob("*.h"))]


def clauses(comment: str) -> list[tuple[str, str]]:
    """What a comment says, in order: ("", the text before), ("Blocks", ...), ("Returns", ...), and ("Since", "0.1")."""
    text = comment
    since = re.search(r"\s*\bSince (\d+\.\d+)\.?\s*$", text)
    if since:
        text = text[: since.start()]
    parts, at, name = [], 0, ""
    for found in CLAUSE.finditer(text):
        parts.append((name, text[at : found.start()].strip()))
        at, name = found.end(), found[1]
    parts.append((name, text[at:].strip()))
    if since:
        parts.append(("Since", since[1]))
    return [(name, textwrap.dedent(said)) for name, said in parts if said]
