#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages of the library, made from the comments of include/rein: one for each function, macro and type (section
3) and one for each header (section 7). The examples on them are parts of the programs in examples/.

Usage: scripts/man.py FOLDER      writes FOLDER/man3 and FOLDER/man7
       scripts/man.py             checks that the comment of every public call says all that is asked of it (what it does,
                                  Blocks, which threads, Returns, Since), that an example uses every public call and macro,
                                  that every public call has a page, that each page has all its sections, and that every code
                                  of a header's comment is on the page
       scripts/man.py --selftest  that this check can fail"""
import datetime
import errno
import functools
import os
import re
import shutil
import sys
import textwrap
from pathlib import Path

import headers
import selftest
from headers import CODE, Group, Header, Item, one_line, split_list

ALONE = {"uv.h": "libuv", "glib.h": "glib-2.0"}  # not in rein/rein.h; and the package that each needs besides
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "EXAMPLES", "SEE ALSO"]
TAG = re.compile(rf"((?:{CODE.pattern}|[A-Za-z]\w*|-?\d+)(?:(?:,| and) (?:{CODE.pattern}|-?\d+))*): (.*)", re.DOTALL)
CODES_WITH = re.compile(rf"({CODE.pattern}(?:(?:,| and) {CODE.pattern})*),? (\D.*)", re.DOTALL)
CODES_ALONE = re.compile(rf"{CODE.pattern}(?:(?:,| and|, and) {CODE.pattern})*")
THREADS = re.compile(r"(?:^|(?<=[.;]\s))((?:Any (?:thread|task|job|coroutine)|\[owner\])[^.;]*[.;])(?:\s+|$)")
ANOTHER = re.compile(r"\b(?:as|what|why it could not start, as) (rein_\w+)\b")
FUNCTION = re.compile(r"^(?:REIN_API|static inline) ([^;(]*?)\b(rein_\w*[a-z0-9])\(", re.MULTILINE)
# What the comment of a public call says in any case.
PARTS = {
    "on what it blocks": re.compile(r"\b[Bb]locks(?:, returns)?: "),
    "which threads may call it": re.compile(r"\bAny (?:thread|task|job|coroutine)\b|\[owner\]: "),
    "since when there is one": re.compile(r"\bSince \d+\.\d+\b"),
    "what it returns": re.compile(r"\b(?:Returns|Blocks, returns): "),
}
# What no example has to show.
NO_EXAMPLE = {
    "REIN_API": "is for the declarations of the headers",
    "REIN_MUST": "is for the declarations of the headers",
    "REIN_PRINTF": "is for the declarations of the headers",
    "REIN_OPTS": "is for the macros of the headers that make options",
    "REIN_STR": "is what REIN_HERE is made of",
    "REIN_HERE": "is for the macros of the headers that pass the place of a call",
    "REIN_VERSION": "is of the headers; a program asks rein_version",
    "REIN_CHILD_AS": "is what REIN_CHILD_FD and its like are made of",
}
NOT_SHOWN = "No example uses it."
EXAMPLE_LINES = 34  # a longer function is shown in part


# ---- text ----


def escape(text: str) -> str:
    """Words for troff: nothing in them is a command."""
    text = text.replace("\\", "\\(rs").replace("^", "\\(ha").replace("~", "\\(ti")
    return re.sub(r"(?<![A-Za-z])-(?=[\dA-Z])", r"\\-", text)


def words(text: str) -> str:
    """Running text: `code` and the names of rein's are bold."""
    out = []
    for i, part in enumerate(one_line(text).split("`")):
        part = escape(part)
        if i % 2:
            out.append(f"\\fB{part}\\fP")
        else:
            out.append(re.sub(r"(?<![\w/.\"])((?:rein|REIN)_\w*[A-Za-z0-9]|(?:\\-)E[A-Z0-9]{3,}|NULL)\b", r"\\fB\1\\fP",
                              re.sub(r"(?<![\w*])\*([A-Za-z]+)\*(?!\w)", r"\\fI\1\\fP", part)))
    return "".join(out)


def guarded(line: str) -> str:
    return "\\&" + line if line.startswith((".", "'")) else line


def paragraph(text: str) -> str:
    return filled(words(text))


def filled(text: str) -> str:
    lines = textwrap.wrap(text, 78, break_long_words=False, break_on_hyphens=False)
    return "\n".join(guarded(line) for line in lines)


def prose(text: str) -> str:
    """Paragraphs, parts that are indented (code), and lists of "1." or " - "."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.split("\n")
        plain: list[str] = []
        i = 0
        while i < len(lines):
            if re.match(r"\s*(?:\d+\.|-) +\S", lines[i]):
                flush(out, plain)
                tag, said = re.match(r"\s*(\d+\.|-) +(.*)", lines[i]).groups()
                while i + 1 < len(lines) and lines[i + 1].startswith("   ") and not re.match(r"\s*(\d+\.|-) +\S", lines[i + 1]):
                    i += 1
                    said += " " + lines[i]
                out += [f".IP {tag if tag != '-' else chr(92) + '(bu'} 4", paragraph(said)]
            elif lines[i].startswith("    "):
                flush(out, plain)
                start = i
                while i + 1 < len(lines) and (lines[i + 1].startswith("    ") or not lines[i + 1].strip()):
                    i += 1
                out += [".PP", code("\n".join(lines[start : i + 1]))]
            else:
                plain.append(lines[i])
            i += 1
        flush(out, plain)
    return "\n".join(out)


def flush(out: list[str], plain: list[str]) -> None:
    if plain:
        out += [".PP", paragraph(" ".join(plain))]
    plain.clear()


def code(text: str) -> str:
    lines = []
    for line in textwrap.dedent(text.expandtabs()).strip("\n").split("\n"):
        line = line.replace("\\", "\\(rs").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
        lines.append(guarded(line.replace("^", "\\(ha").replace("~", "\\(ti").rstrip()))
    return "\n".join([".in +4n", ".nf", *lines, ".fi", ".in"])


def tagged(tag: str, said: str) -> str:
    return f".TP\n.B {escape(tag)}\n{paragraph(said) if said else chr(92) + '&'}"


def sentence(text: str, whole: bool = False) -> str:
    """The first one, as it stands in a NAME: no capital, no full stop."""
    text = re.sub(r" \([^()]{20,}\)", "", one_line(text)).replace("`", "").replace("*", "")
    first = re.split(r"(?<=[\w)\"])[.?](?:\s|$)" + ("" if whole else r"|;\s| / "), text, maxsplit=1)[0].rstrip(".:")
    if re.match(r"[A-Z][a-z]", first) or first.startswith("A "):
        first = first[0].lower() + first[1:]
    return first.replace("\\", "")


# ---- what a page is made of ----


@functools.cache
def functions_of(path: Path) -> list[list[str]]:
    """The functions of a C file, as lists of lines."""
    found, lines, start = [], path.read_text(encoding="utf-8").split("\n"), None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
            while start > 0 and lines[start - 1].strip() and not lines[start - 1].startswith(("}", "#", "/", " *")):
                start -= 1
        elif line == "}" and start is not None:
            found.append(lines[start : i + 1])
            start = None
    return found


def excerpt(lines: list[str], wanted: re.Pattern) -> str:
    """A function, or, when that is long, what stands around its first line that is wanted."""
    if len(lines) <= EXAMPLE_LINES:
        return "\n".join(lines)
    hit = next(i for i, line in enumerate(lines) if wanted.search(line))
    first, last = max(0, hit - 8), min(len(lines), hit + 9)
    depth = len(lines[hit]) - len(lines[hit].lstrip())
    for i in range(hit, first - 1, -1):  # from the beginning of the block, when that is near
        if lines[i].strip() and len(lines[i]) - len(lines[i].lstrip()) < depth:
            first = i + (lines[i] == "{")
            break
    before, after = ["..."] if first > 0 else [], ["..."] if last < len(lines) else []
    return "\n".join(before + textwrap.dedent("\n".join(lines[first:last])).split("\n") + after)


def fitness(found: tuple[int, Path, list[str]]) -> tuple:
    """Of a function that shows a call, the less the better. Those named broken or lost show what not to do."""
    length, path, lines = found
    wrong = bool(re.search(r"broken|lost|twice|lose", lines[0] + lines[1]))
    return wrong, length < 5, path.stem != "first_steps", path.stem.startswith("sim_"), length, str(path)


class Pages:
    """All pages of one tree: name.section -> text."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.version = re.search(r'#define REIN_VERSION "(.*)"', (root / "include/rein/base.h").read_text(encoding="utf-8"))[1]
        written = root / "docs/man/rein.1"  # of one date with the pages that are written by hand
        self.date = iso(re.search(r"^\.Dd (.*)$", written.read_text(), re.MULTILINE)[1]) if written.exists() else "2026-01-01"
        self.headers = headers.parse_all(root)
        self.examples = sorted((root / "examples").glob("*.c"))
        self.group_of: dict[str, tuple[Header, Group]] = {}
        self.item_of: dict[str, Item] = {}
        self.codes: dict[str, str] = {}
        for header in self.headers:
            for group in header.groups:
                for item in group.items:
                    if item.name and not (item.kind == "opaque" and item.name in self.item_of):
                        self.group_of[item.name] = (header, group)
                        self.item_of[item.name] = item
                    if header.name == "error.h" and item.kind == "enum":
                        self.codes |= {m.declaration.split(" ")[0]: m.comment for m in item.members}
        self.pages: dict[str, str] = {}
        for header in self.headers:
            if header.name == "rein.h":
                self.entry(header)
                continue
            for group in header.groups:
                self.group(header, group)
            self.concept(header)

    # -- parts --

    def head(self, name: str, section: int) -> str:
        return (f'.\\" SPDX-License-Identifier: Apache-2.0\n.\\" Made from the headers by scripts/man.py.\n'
                f".TH {name.upper()} {section} \"{self.date}\" \"rein {self.version}\" \"rein's library\"\n.nh")

    def include(self, header: Header) -> str:
        return f"#include <rein/{header.name if header.name in ALONE else 'rein.h'}>"

    def link_line(self, header: Header) -> str:
        packages = " ".join(["rein", *([ALONE[header.name]] if header.name in ALONE else [])])
        return f"cc program.c $(pkg-config --cflags --libs {packages})"

    def prototypes(self, items: list[Item]) -> str:
        """Each as one line, or with a parameter a line where that would be too long."""
        shown = []
        for item in items:
            if item.kind == "function":
                text = item.text[: item.text.index("(") + 1]
                start, width = len(text) if len(text) < 40 else 8, len(text)
                for i, param in enumerate(item.params):
                    last = i == len(item.params) - 1
                    if i and width + len(param) > 74:
                        text, width = text + "\n" + " " * start, start
                    text += param + ("" if last else ", ")
                    width += len(param) + 2
                text = re.sub(r" +\n", "\n", text) + ("void);" if not item.params else ");")
            elif item.kind in ("struct", "enum") and item.members:
                separator = ";" if item.kind == "struct" else ","
                text = f"{item.kind} {item.name} {{\n" if item.name else "enum {\n"
                text += "".join(f"        {m.declaration}{separator}\n" for m in item.members) + "};"
            elif item.kind == "macro":
                text = "#define " + item.text
            else:
                text = item.text
            shown.append(text)
        return code("\n".join(shown))

    def fields(self, item: Item) -> str:
        out = []
        for member in item.members:
            said = member.comment
            if not said:
                said = "sizeof the struct; the macro sets it." if member.declaration == "size_t size" else ""
            out.append(tagged(member.declaration, said))
        return "\n".join(out)

    def returns(self, said: str, asked: set[str]) -> str:
        """The text of a "Returns:", each code on a line of its own with what it means."""
        lead, rows = [], []
        for piece in spread(split_codes(said)):
            tag = TAG.fullmatch(piece)
            some = CODES_WITH.fullmatch(piece)
            if tag and not tag[1][0].isupper() or tag and CODE.match(tag[1]) or tag and tag[1].startswith("NULL"):
                rows.append((tag[1], tag[2]))
            elif piece.rstrip(".") == "0" and not lead:
                rows.append(("0", "success"))
            elif CODES_ALONE.fullmatch(piece.rstrip(".")):
                rows += [(name, self.meaning(name)) for name in CODE.findall(piece)]
            elif some:
                rows.append((some[1], some[2]))
            elif rows and rows[-1][0] and piece[0].islower() and not CODE.search(piece):
                rows[-1] = (rows[-1][0], f"{rows[-1][1]}; {piece}")
            elif rows:
                rows.append(("", piece))
            else:
                lead.append(piece)
        out = []
        if lead:
            out += [".PP", paragraph(capital("; ".join(lead).rstrip(".")) + ".")]
        for name, meaning in rows:
            if name:
                out.append(tagged(name, capital(meaning).rstrip(".") + "."))
            else:
                out += [".PP", paragraph(capital(meaning).rstrip(".") + ".")]
        for other in ANOTHER.findall(one_line(said)):
            out += self.returns_of(other, asked)
        return "\n".join(out)

    def returns_of(self, name: str, asked: set[str]) -> list[str]:
        """What another function returns, where a comment refers to it."""
        if name not in self.group_of or name in asked:
            return []
        asked.add(name)
        said = dict(headers.clauses(self.group_of[name][1].comment)).get("Returns")
        if not said:
            return []
        return [".PP", f"\\fB{name}\\fP(3) returns:", self.returns(THREADS.sub("", one_line(said)), asked)]

    def meaning(self, name: str) -> str:
        if name.startswith("REIN_"):
            return self.codes.get(name, "")
        return os.strerror(getattr(errno, name[1:])) if hasattr(errno, name[1:]) else ""

    def uses(self, item: Item) -> list[re.Pattern]:
        """What an example has that shows an item, the best first: its name; the constants of an enumeration; what makes a type
        of options; the calls that take a type, and the options that have a field of it."""
        words_ = [[item.name]]
        if item.kind == "function":
            return [re.compile(rf"\b{item.name}\("), re.compile(rf"\b{item.name}\b")]
        if item.kind == "enum":
            words_.append([member.declaration.split(" ")[0] for member in item.members])
        if item.kind in ("struct", "callback"):
            typed = re.compile(rf"\b{item.name}\b")
            words_.append([i.name for i in self.item_of.values() if i.result.startswith(f"REIN_OPTS({item.name},")])
            words_.append([i.name for i in self.item_of.values() if any(typed.search(param) for param in i.params)])
            inside = [i.name for i in self.item_of.values() if any(typed.search(m.declaration) for m in i.members)]
            words_.append([i.name for i in self.item_of.values()
                           if (made := re.match(r"REIN_OPTS\((\w+)", i.result)) and made[1] in inside])
        return [re.compile(rf"\b(?:{'|'.join(names)})\b") for names in words_ if names]

    def example(self, items: list[Item], header: Header) -> str:
        """Functions of the examples in which the items are used: not more than three."""
        out: list[str] = []
        for item in items:
            for wanted in self.uses(item):
                if len(out) >= 12 or any(wanted.search(shown.replace("\\-", "-")) for shown in out):
                    break
                found = [(len(lines), path, lines) for path in self.examples for lines in functions_of(path)
                         if any(wanted.search(line) for line in lines)]
                if found:
                    _, path, lines = min(found, key=fitness)
                    place = f"\\fI{path.relative_to(self.root)}\\fP"
                    out += [".PP", f"From {place}, which is\ninstalled in \\fIshare/doc/rein\\fP:", ".PP",
                            code(excerpt(lines, wanted))]
                    break
        for item in items:
            if not out and item.name in NO_EXAMPLE:
                out = [".PP", paragraph(f"No program needs it: it {NO_EXAMPLE[item.name]}.")]
        return "\n".join(out or [".PP", NOT_SHOWN])

    def examples_of(self, header: Header) -> list[str]:
        """The example programs that use most of a header, the best first."""
        names = {item.name for group in header.groups for item in group.items if item.name}
        counted = []
        for path in self.examples:
            count = len(names & set(re.findall(r"\w+", path.read_text(encoding="utf-8"))))
            counted.append((-count, str(path.relative_to(self.root))))
        return [name for count, name in sorted(counted) if count]

    def see_also(self, header: Header, name: str, text: str) -> str:
        """The concept, what the page speaks of, and then the neighbours."""
        spoken = [n for n in dict.fromkeys(re.findall(r"\brein_\w*[a-z0-9]\b", text))]
        near = [f.name for f in header.functions()]
        others = [n for n in dict.fromkeys(spoken + near) if n in self.group_of and n != name
                  and self.group_of[n][1] is not self.group_of.get(name, (None, None))[1]]
        rows = [f".BR {n} (3)" for n in others[:12]] + [reference(header), ".BR rein (7)"]
        return ",\n".join(rows)

    # -- pages --

    def add(self, name: str, section: int, text: str) -> None:
        text = re.sub(r"^(\.S[HS] .*\n)(?:\.PP\n)+", r"\1", text, flags=re.MULTILINE)
        text = re.sub(r" +$", "", text, flags=re.MULTILINE)
        self.pages[f"man{section}/{name}.{section}"] = text.rstrip("\n") + "\n"

    def alias(self, name: str, of: str) -> None:
        if f"man3/{name}.3" not in self.pages and name != of:
            self.add(name, 3, f".so man3/{of}.3")

    def group(self, header: Header, group: Group) -> None:
        if not group.comment and all(i.kind == "macro" and not i.comment for i in group.items):
            for item in group.items:  # attributes, or what makes options
                options = re.match(r"REIN_OPTS\((\w+)", item.result)
                if options:
                    self.alias(item.name, options[1])
            return
        items = [item for item in group.items if item.name and item.kind != "opaque"]
        if not items:
            for item in group.items:  # an opaque type: spoken of on the page of its header
                if item.name:
                    self.add(item.name, 3, f".so man7/{concept_name(header)}.7")
            return
        functions = [item for item in items if item.kind == "function"]
        # Types and macros that stand over functions in one group belong to the page of the functions.
        first = (functions or items)[0]
        said = headers.clauses(group.comment)
        parts = dict(said)
        opening = parts.get("") or first.comment or group.heading or header.about
        if not parts.get("") and not first.comment and not functions and first.kind in ("struct", "enum"):
            opening = kind_text(first)
        names = [i.name for i in items]
        out = [self.head(first.name, 3), ".SH NAME", filled(f"{', '.join(names)} \\- {escape(sentence(opening, len(functions) > 1))}"), ".SH SYNOPSIS",
               code(self.include(header)), ".PP", self.prototypes(items)]
        if functions:
            out += [".PP", code(self.link_line(header))]
        out += [".SH DESCRIPTION"]
        threads = []
        body = []
        for clause, text in said:
            flat = one_line(text) if clause else text
            for found in THREADS.finditer(one_line(text)):
                threads.append(found[1].rstrip(";. "))
            flat = THREADS.sub("", flat).strip()
            if clause == "":
                body.append(prose(flat or text) if flat or not threads else "")
            elif clause not in ("Returns", "Since") and flat:
                body.append(tagged(clause, capital(flat.rstrip("."))+ "."))
        if not parts.get(""):
            body.insert(0, ".PP\n" + paragraph(capital(opening.split("\n\n")[0].rstrip(".")) + "."))
        for item in items:
            if item.comment and item.comment != opening:
                body.append(tagged(item.name, capital(item.comment)))
        if threads:
            said_of = [t.replace("[owner]: ", "only ") for t in dict.fromkeys(threads)]
            body.append(tagged("Threads", "; ".join(capital(t) for t in said_of) + "."))
        out += [b for b in body if b]
        for item in items:
            if item.members and not (len(item.members) == 1 and item.members[0].declaration.startswith("uint64_t opaque")):
                out += [f".SS {'The fields' if item.kind == 'struct' else 'The values'}", self.fields(item)]
        out += self.included(functions)
        for item in functions:
            if item.at:
                out += [".SS The place of the call", paragraph(
                    f"`{item.name}` is a macro. It passes the file and the line of the call to the function `{item.at}`, which "
                    "takes them as `const char *place` before its other parameters. Errors, receipts and dumps show that place.")]
        if functions:
            out += [".SH RETURN VALUE", self.return_value(header, functions, parts)]
        out += [".SH EXAMPLES", self.example(functions or items, header)]
        out += [".SH HISTORY", f"Since rein {parts.get('Since', '0.1')}.", ".SH SEE ALSO",
                self.see_also(header, first.name, group.comment + " ".join(i.text for i in functions))]
        self.add(first.name, 3, "\n".join(out))
        for item in items:
            self.alias(item.name, first.name)
            if item.at:
                self.alias(item.at, first.name)

    def return_value(self, header: Header, functions: list[Item], parts: dict[str, str]) -> str:
        out = []
        said = parts.get("Returns")
        if said:
            out.append(self.returns(THREADS.sub("", one_line(said)).strip(), {f.name for f in functions}))
        else:
            results = {f.result for f in functions}
            shared = re.search(r"(?:Otherwise as|The same)\b", parts.get("", "")) and re.search(r"rein_\w+", parts.get("", ""))
            if results == {"void"}:
                out.append(".PP\nNone.")
            elif shared:
                out += self.returns_of(shared[0], {f.name for f in functions})
            if not out:
                enum = self.item_of.get(functions[0].result)
                out.append(".PP\n" + paragraph(
                    f"One of the values of `{enum.name}`, see above." if enum and enum.kind == "enum" else "What the description says."))
            # Codes that the description names.
            for name in dict.fromkeys(CODE.findall(parts.get("", "")) if results & {"int", "int64_t"} else []):
                out.append(tagged(name, capital(self.meaning(name)) + "."))
        general = re.search(r"Every call may return [^.]*\.", one_line(header.about))
        if general and {f.result for f in functions} & {"int", "int64_t"}:
            out.append(".PP\n" + paragraph(general[0]))
        return "\n".join(out)

    def included(self, functions: list[Item]) -> list[str]:
        """Options and enumerations that these functions take or return, field by field."""
        out, done = [], set()
        for function in functions:
            for name in re.findall(r"\brein_\w+", " ".join([function.result, *function.params])):
                item = self.item_of.get(name)
                if not item or not item.members or name in done:
                    continue
                done.add(name)
                if item.kind == "enum" or name.endswith(("_opts", "_job", "_case", "_end", "_straggler", "_report")):
                    about = f" ({item.comment})" if item.comment else ""
                    out += [f".SS {item.kind} {name}", *([paragraph(capital(item.comment))] if about else []), self.fields(item)]
                    for field in item.members:  # enumerations in an options struct
                        inner = self.item_of.get(field.declaration.split(" ")[0])
                        if inner and inner.kind == "enum" and inner.name not in done:
                            done.add(inner.name)
                            out += [f".SS enum {inner.name}", self.fields(inner)]
        return out

    def concept(self, header: Header) -> None:
        name = concept_name(header)
        out = [self.head(name, 7), ".SH NAME", filled(f"{name} \\- {escape(sentence(header.about))}"), ".SH SYNOPSIS",
               code(self.include(header)), ".PP", code(self.link_line(header)), ".SH DESCRIPTION",
               prose(header.about)]
        for group in header.groups:
            for item in group.items:
                if item.kind == "enum" and not item.name:
                    out += [".SS Constants"]
                    if group.comment:
                        out.append(paragraph(group.comment))
                    out.append(self.fields(item))
        rows, heading = [], None
        for group in header.groups:
            if group.heading and group.heading != heading and any(i.name for i in group.items):
                heading = group.heading
                rows.append(f".SS {escape(capital(heading))}")
            functions = [i for i in group.items if i.kind == "function"]
            for item in group.items:
                if not item.name or f"man3/{item.name}.3" not in self.pages:
                    continue
                said = sentence(dict(headers.clauses(group.comment)).get("", "") or item.comment or kind_text(item))
                said = said or kind_text(item)
                each = re.split(r"; | / ", sentence(dict(headers.clauses(group.comment)).get("", ""), True))
                if item in functions and len(each) == len(functions):
                    said = each[functions.index(item)]
                rows.append(tagged(item.name + ("(3)" if item.kind != "opaque" else ""), capital(item.comment) or capital(said) + "."))
        out += [".SH CALLS, TYPES AND MACROS", *rows, ".SH EXAMPLES"]
        used = self.examples_of(header)
        if used:
            out += ["These programs use most of it;\nthey are installed in \\fIshare/doc/rein\\fP:",
                    *[f".IP \\(bu 4\n\\fI{n}\\fP" for n in used[:4]]]
        else:
            out.append(NOT_SHOWN)
        others = [reference(h) for h in self.headers if h is not header and h.name != "rein.h"]
        out += [".SH SEE ALSO", ",\n".join([*others, ".BR rein (7)"])]
        self.add(name, 7, "\n".join(out))

    def entry(self, header: Header) -> None:
        shown = [h for h in self.headers if h.name != "rein.h"]
        out = [self.head("rein", 7), ".SH NAME", filled(f"rein \\- {sentence(header.about.split(':', 1)[1])}"), ".SH SYNOPSIS",
               code("#include <rein/rein.h>"), ".PP", code("cc program.c $(pkg-config --cflags --libs rein)"),
               ".SH DESCRIPTION", prose(header.about), ".SH PAGES",
               "One page for each header, which speaks of what its calls have in common; "
               "each call, type and macro has a page of its own in section 3."]
        out[-1] = paragraph(out[-1])
        for other in shown:
            out.append(tagged(f"{concept_name(other)}(7)", capital(sentence(other.about)) + "."))
        out += [".SH FILES", tagged("share/doc/rein", "The guide, the other pages and the examples; begin with docs/guide.md."),
                ".SH EXAMPLES", "See \\fIshare/doc/rein/examples\\fP.", ".SH SEE ALSO",
                ",\n".join([".BR rein (1)", ".BR rein\\-run (1)", *[reference(h) for h in shown]])]
        self.add("rein", 7, "\n".join(out))
        self.add("rein", 3, ".so man7/rein.7")


def iso(date: str) -> str:
    """2026-11-21 of "November 21, 2026"."""
    return datetime.datetime.strptime(date, "%B %d, %Y").date().isoformat()


def concept_name(header: Header) -> str:
    return "rein-" + header.name.removesuffix(".h")


def reference(header: Header) -> str:
    return f".BR {concept_name(header)} (7)".replace("-", "\\-")


def kind_text(item: Item) -> str:
    noun = item.name.removeprefix("rein_").replace("_", " ")
    if item.name.endswith("_opts"):
        return f"the options of {'an' if noun[0] in 'aeiou' else 'a'} {noun.removesuffix(' opts')}"
    return {"struct": f"the struct {item.name}", "enum": f"the values of {item.name}", "callback": f"the function type {item.name}",
            "opaque": f"the type {item.name}", "macro": f"the macro {item.name}"}.get(item.kind, noun)


def capital(text: str) -> str:
    name = r"[a-z]\w*_|[a-z][A-Za-z]*[(=]|[b-z]\b|a\b(?! )|\w+\.\w|(?:arg|opts|fn|rc|init|code|fd|why|size|capacity|release)\b"
    if not text or re.match(name, text):
        return text
    return text[0].upper() + text[1:]


def split_codes(text: str) -> list[str]:
    """At the semicolons outside of brackets."""
    pieces, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == ";" and depth == 0:
            pieces.append(text[start:i].strip())
            start = i + 1
    return [p for p in [*pieces, text[start:].strip()] if p]


def spread(pieces: list[str]) -> list[str]:
    """A list of codes in brackets ("NULL: the trail says why (-EINVAL: ...; -ENOMEM)") becomes pieces of its own."""
    out = []
    for piece in pieces:
        inner = re.fullmatch(r"(.*?) \((.*)\)([.,]?.*)", piece, re.DOTALL)
        if inner and not CODE.search(inner[1] + inner[3]) and CODE.match(inner[2]):
            inside = split_codes(inner[2]) if ";" in inner[2] or ":" in inner[2] else split_list(inner[2])
            out += [inner[1] + inner[3], *inside]
        elif piece.startswith("and ") and re.search(rf": {CODE.pattern}", piece):
            out += re.split(rf"(?<=\w): (?={CODE.pattern})", piece, maxsplit=1)
        elif re.match(rf"{CODES_ALONE.pattern}\. \S", piece):
            out += re.split(r"\. ", piece, maxsplit=1)
        else:
            out.append(piece)
    return out


# ---- the check ----


def parts_missing(result: str, said: str) -> list[str]:
    """Of the parts of a comment those that it lacks. A call that returns nothing need not say what it returns."""
    flat = re.sub(r"\s*\n \* ?", " ", said)
    return [what for what, pattern in PARTS.items()
            if not pattern.search(flat) and not (what == "what it returns" and result.strip() == "void")]


def macros_unsaid(header: Header) -> list[str]:
    """Macros that a program uses and that no comment speaks of. Those that make options speak by their struct."""
    return [item.name for group in header.groups for item in group.items
            if item.kind == "macro" and not (item.comment or group.comment or item.result.startswith("REIN_OPTS("))]


def unused(headers_: list[Header], examples: list[Path]) -> list[tuple[Header, Item]]:
    """The calls and macros that no example uses. A comment is no use."""
    used = {word for path in examples
            for word in re.findall(r"\w+", headers.strip_comments(path.read_text(encoding="utf-8")))}
    return [(header, item) for header in headers_ for group in header.groups for item in group.items
            if item.kind in ("function", "macro") and item.name not in used and item.name not in NO_EXAMPLE]


def comments_of(source: str) -> list[tuple[str, str, str]]:
    """Each public function: its result, its name and the comment over it, read without the parser of headers.py."""
    found, said = [], ""
    for block in re.split(r"\n\s*\n", re.sub(r"#define .*\n", "\n#\n", source).replace("\n\n#\n", "\n")):
        comment = re.findall(r"^/\*.*?\*/", block, re.MULTILINE | re.DOTALL)
        for part in re.split(r"(^/\*.*?\*/)", block, flags=re.MULTILINE | re.DOTALL):
            if part.startswith("/*"):
                said = part
            else:
                found += [(result, name, said) for result, name in FUNCTION.findall(part)]
        if comment or FUNCTION.search(block):
            said = ""
    return found


def check(root: Path) -> list[str]:
    made = Pages(root)
    pages = dict(made.pages)
    for path in sorted((root / "planted").rglob("*.[37]")):  # by the test of this check
        text = path.read_text(encoding="utf-8")
        pages[str(path.relative_to(root / "planted"))] = text
        if not text:
            del pages[str(path.relative_to(root / "planted"))]
    complaints = [f"include/rein/{header.name}: no example uses {item.name}"
                  for header, item in unused(made.headers, made.examples)]
    complaints += [f"no example shows what the page {name} speaks of"
                   for name, page in sorted(pages.items()) if NOT_SHOWN in page]
    complaints += [f"scripts/man.py: {name} is excused from the examples, and does not exist"
                   for name in NO_EXAMPLE if name not in made.item_of and root == Path(__file__).resolve().parent.parent]
    for header in sorted((root / "include/rein").glob("*.h")):
        place = header.relative_to(root)
        if header.name != "rein.h" and f"man7/rein-{header.stem}.7" not in pages:
            complaints.append(f"{place}: no page rein-{header.stem}(7)")
        source = header.read_text(encoding="utf-8")
        complaints += [f"{place}: no word says what {name} is" for name in macros_unsaid(headers.parse(header))]
        for result, name, said in comments_of(source):
            shown = name.removesuffix("_at") if f"#define {name.removesuffix('_at')}(" in source else name
            opening = re.sub(r"^/\*\s*", "", said)
            if not opening or headers.CLAUSE.match(opening) or opening.startswith("----"):
                complaints.append(f"{place}: no sentence says what {shown} does")
            complaints += [f"{place}: the comment does not say {what}: {shown}" for what in parts_missing(result, said)]
            page = pages.get(f"man3/{shown}.3")
            so = re.match(r"\.so (\S+)\n", page or "")
            page = pages.get(so[1]) if so else page
            if not page:
                complaints.append(f"{place}: no page for {shown}")
                continue
            there = re.findall(r"^\.SH (.*)$", page, re.MULTILINE)
            complaints += [f"{place}: the page for {shown} has no section {s}" for s in SECTIONS if s not in there]
            for section in re.split(r"^\.SH ", page, flags=re.MULTILINE)[1:]:
                if not section.split("\n", 1)[1].strip():
                    complaints.append(f"{place}: the page for {shown} says nothing under {section.split(chr(10))[0]}")
            plain = re.sub(r"\\f[BPI]", "", page).replace("\\-", "-")
            complaints += [f"{place}: the page for {shown} does not tell {code_}" for code_ in CODE.findall(said)
                           if code_ not in plain]
            synopsis = re.search(r"^\.SH SYNOPSIS\n(.*?)^\.SH", page, re.MULTILINE | re.DOTALL)
            if synopsis and not re.search(rf"\b{shown}\((?!\.\.\.\))", synopsis[1]):
                complaints.append(f"{place}: the page for {shown} does not show its parameters")
    return complaints


BASE = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Macros. */\n#ifndef B\n#define REIN_VERSION \"1.0\" /* its version */\n#endif\n"
HEADER = """/* SPDX-License-Identifier: Apache-2.0 */
/* Naps. */
#ifndef REIN_NAP_H
#define REIN_NAP_H

typedef struct rein_nap rein_nap;

/* Take a nap of n turns. Blocks: for so long. Any thread.
 * Returns: 0; REIN_ETIMEOUT: too short; -EINVAL, -ENOMEM. Since 0.1. */
#define rein_nap_take(...) rein_nap_take_at(REIN_HERE, __VA_ARGS__)
REIN_API int rein_nap_take_at(const char *place, rein_nap *nap, int n)
        REIN_MUST;

/* Wake it. Blocks: no. [owner]: the thread that made it. Since 0.1. */
REIN_API void rein_nap_wake(rein_nap *nap);

#define REIN_NAP_MOST 8 /* turns */

#endif
"""
CLEAN = {"include/rein/base.h": BASE, "include/rein/nap.h": HEADER,
         "examples/nap.c": "int main(void)\n{\n        puts(REIN_VERSION);\n        rein_nap_take(nap, REIN_NAP_MOST);\n        rein_nap_wake(nap);\n}\n"}


def with_page(change) -> dict[str, str]:
    """The page of rein_nap_take, changed."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        selftest.write(Path(folder), CLEAN)
        page = Pages(Path(folder)).pages["man3/rein_nap_take.3"]
    changed = change(page)
    assert changed != page
    return {"planted/man3/rein_nap_take.3": changed}


def violations() -> list[dict[str, str]]:
    return [
        {"include/rein/nap.h": HEADER.replace("Wake it. ", "")},
        {"include/rein/nap.h": re.sub(r"/\* Wake it.*\n", "", HEADER)},
        *[{"include/rein/nap.h": HEADER.replace(part, "")}
          for part in (" Blocks: no.", " Any thread.", " [owner]: the thread that made it.", "Returns: ", " /* turns */")],
        {"include/rein/nap.h": HEADER.replace("made it. Since 0.1.", "made it.")},
        {"examples/nap.c": CLEAN["examples/nap.c"].replace("REIN_NAP_MOST", "8")},
        {"examples/nap.c": CLEAN["examples/nap.c"].replace("rein_nap_wake(nap);", "/* rein_nap_wake(nap); */")},
        with_page(lambda page: ""),
        {"planted/man3/rein_nap_wake.3": ""},
        {"planted/man7/rein-nap.7": ""},
        with_page(lambda page: page.replace(".SH RETURN VALUE", ".SH RESULT")),
        with_page(lambda page: page.replace(".SH EXAMPLES", ".SH SAMPLES")),
        with_page(lambda page: re.sub(r"(?<=\.SH EXAMPLES\n).*?(?=\.SH)", NOT_SHOWN + "\n", page, flags=re.DOTALL)),
        with_page(lambda page: page.replace("EINVAL", "E2BIG")),
        with_page(lambda page: page.replace("REIN_ETIMEOUT", "REIN_EUSER")),
        with_page(lambda page: re.sub(r"rein_nap_take\(rein_nap \*nap, int n\)", "rein_nap_take(...)", page)),
        with_page(lambda page: re.sub(r"(?<=\.SH SEE ALSO\n).*", "", page, flags=re.DOTALL)),
    ]


if __name__ == "__main__":
    if len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
        to = Path(sys.argv[1])
        for page, text in Pages(Path(__file__).resolve().parent.parent).pages.items():
            (to / page).parent.mkdir(parents=True, exist_ok=True)
            (to / page).write_text(text, encoding="utf-8")
    else:
        sys.exit(selftest.main(check, CLEAN, violations()))
