#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dependencies point one way: cmd -> pool, io, core; pool -> core, plat; sync -> io, core, plat; io -> core, plat;
core, coro -> plat; sim, loop -> coro, core, plat; plat -> nothing but itself, as the simulator's layer for pthreads.
Everybody may include <rein/...>, which itself includes only <rein/...> and the C standard's headers; an adapter also
those of the library it is for. The headers of an operating system are src/plat's, and in src/io those that name
constants; src/coro speaks to the processor and to the tools that watch its stacks.
Usage: scripts/check_layers.py [--selftest]"""
import re
import sys
from pathlib import Path

from csource import c_files, is_test, strip_comments
from selftest import main

MAY_INCLUDE = {
    "plat": {"plat"},
    "core": {"core", "plat"},
    "coro": {"coro", "plat"},
    "io": {"io", "core", "plat"},
    "sync": {"sync", "io", "core", "plat"},
    "pool": {"pool", "core", "plat"},
    "sim": {"sim", "coro", "core", "plat"},
    "sim/pthread": {"sim/pthread"},  # a library of its own, over public headers
    "loop": {"loop", "coro", "core", "plat"},
    "cmd": {"cmd", "pool", "io", "core"},
}
TESTS_ALSO = {"sim": {"pool"}}  # programs that are simulated
STANDARD = {f"{name}.h" for name in (
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic "
    "stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype").split()}
OWN_SYSTEM = {"plat", "sim/pthread", "cmd"}  # any header of the operating system
OF_THE_SYSTEM = STANDARD & {"setjmp.h", "signal.h", "stdatomic.h", "threads.h", "time.h"}
PORTABLE = STANDARD - OF_THE_SYSTEM
ADAPTERS = {"uv.h", "glib.h"}  # include/rein/uv.h may include <uv.h>: for programs that have that library
ALSO = {
    "io": {"poll.h", "signal.h", "sys/socket.h"},  # the values its callers pass
    "sim": {"sanitizer/asan_interface.h", "sanitizer/tsan_interface.h"},
    "coro": {"ucontext.h", "unwind.h", "sanitizer/asan_interface.h", "sanitizer/common_interface_defs.h",
             "sanitizer/tsan_interface.h", "valgrind/memcheck.h"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def layer_of(place: Path) -> str:
    """"core" for src/core/x.c, "cmd" for cmd/rein/x.c, "" for what has no layer."""
    if place.parts[0] == "cmd":
        return "cmd"
    if place.parts[:3] == ("src", "sim", "pthread"):
        return "sim/pthread"
    if place.parts[0] == "src" and len(place.parts) > 2:
        return place.parts[1]
    return ""


def check(root: Path) -> list[str]:
    complaints = []

    def say(path, text, at, what):
        complaints.append(f"{path.relative_to(root)}:{text.count(chr(10), 0, at) + 1}: {what}")

    for path in c_files(root, "include"):
        text = strip_comments(path.read_text(encoding="utf-8"))
        for found in INCLUDE.finditer(text):
            name = found[2] or ""
            ours = name.startswith("rein/") and (root / "include" / name).is_file()
            if ours and Path(name).name in ADAPTERS:
                say(path, text, found.start(), f"{name} is for those who have the library: nobody else includes it")
            elif not ours and name not in STANDARD and not (name in ADAPTERS and name == path.name):
                say(path, text, found.start(), f"a public header includes {found[1] or name}")

    for path in c_files(root, "src", "cmd"):
        text = strip_comments(path.read_text(encoding="utf-8"))
        layer = layer_of(path.relative_to(root))
        if layer not in MAY_INCLUDE:
            complaints.append(f"{path.relative_to(root)}: belongs to no layer; there are {', '.join(MAY_INCLUDE)}")
            continue
        for found in INCLUDE.finditer(text):
            quoted, angled = found[1], found[2]
            if quoted and quoted.startswith("rein/"):
                quoted, angled = None, quoted
            if angled:
                public = angled.startswith("rein/")
                if public and not (root / "include" / angled).is_file():
                    say(path, text, found.start(), f"no such public header: {angled}")
                allowed = public or angled in PORTABLE or layer in OWN_SYSTEM or is_test(path)
                if not allowed and angled not in ALSO.get(layer, ()):
                    say(path, text, found.start(), f"<{angled}> belongs to src/plat, not to src/{layer}")
                continue
            near, far = path.parent / quoted, root / "src" / quoted
            target = near if near.is_file() else far
            if is_test(path) and (root / "tests" / quoted).is_file():
                continue  # what tests share
            if not target.is_file():
                say(path, text, found.start(), f'"{quoted}" is neither beside this file nor under src/')
                continue
            inside = target.resolve().relative_to(root.resolve())
            beyond = TESTS_ALSO.get(layer, set()) if is_test(path) else set()
            if layer_of(inside) not in MAY_INCLUDE[layer] | beyond:
                say(path, text, found.start(), f"{layer} may not include {inside}")
    return complaints


CLEAN = {
    "include/rein/base.h": "#include <stdint.h>\n",
    "include/rein/io.h": "#include <rein/base.h>\n",
    "include/rein/uv.h": "#include <rein/io.h>\n#include <uv.h>\n",
    "src/plat/plat.h": "#include <stdint.h>\n",
    "src/plat/linux/word.c": '#include <pthread.h>\n#include "plat/plat.h"\n',
    "src/core/door.h": '#include "plat/plat.h"\n#include <rein/base.h>\n',
    "src/core/door.c": '#include "door.h"\n#include <string.h>\n/* #include "pool/pool.h" */\n',
    "src/core/door_test.c": '#include <pthread.h>\n#include "core/door.h"\n',
    "src/coro/coro.h": "#include <stddef.h>\n",
    "src/coro/coro.c": '#include "coro/coro.h"\n#include <ucontext.h>\n#include "plat/plat.h"\n',
    "src/io/io.c": '#include <poll.h>\n#include "core/door.h"\n',
    "src/io/io.h": "",
    "src/sim/sim.h": '#include "coro/coro.h"\n',
    "src/sim/pthread/layer.h": '#include <pthread.h>\n#include <rein/io.h>\n',
    "src/sim/pthread/layer.c": '#include "layer.h"\n',
    "src/sync/chan.c": '#include "core/door.h"\n#include "io/io.h"\n',
    "src/pool/pool.h": '#include "core/door.h"\n',
    "cmd/rein/main.c": '#include <unistd.h>\n#include <rein/io.h>\n#include "pool/pool.h"\n',
}
VIOLATIONS = [
    {"src/core/door.c": '#include "pool/pool.h"\n'},
    {"src/core/door.c": '#include "io/io.h"\n'},
    {"src/core/door.c": '#include "../pool/pool.h"\n'},
    {"src/core/door_test.c": '#include "pool/pool.h"\n'},
    {"src/core/door.c": '#include "coro/coro.h"\n'},
    {"src/core/door.c": "#include <pthread.h>\n"},
    {"src/core/door.c": "#include <time.h>\n"},
    {"src/core/door.c": '#include "nothere.h"\n'},
    {"src/core/door.c": "#include <rein/nothere.h>\n"},
    {"src/core/door.c": '#include "rein/nothere.h"\n'},
    {"src/pool/pool.h": '#include "io/io.h"\n'},
    {"src/sim/sim.h": '#include "pool/pool.h"\n'},
    {"src/sim/sim.h": '#include <pthread.h>\n'},
    {"src/sim/pthread/layer.h": '#include "sim/sim.h"\n'},
    {"src/core/door.c": '#include "sim/sim.h"\n'},
    {"src/pool/pool.h": "#include <poll.h>\n"},
    {"src/io/io.c": '#include "pool/pool.h"\n'},
    {"src/io/io.c": "#include <unistd.h>\n"},
    {"src/sync/chan.c": '#include "pool/pool.h"\n'},
    {"src/io/io.c": '#include "sync/chan.c"\n'},
    {"src/plat/plat.h": '#include "core/door.h"\n'},
    {"src/coro/coro.c": '#include "core/door.h"\n'},
    {"src/coro/coro.c": "#include <sys/mman.h>\n"},
    {"src/extra/new.c": "int x;\n"},
    {"cmd/rein/main.c": '#include "plat/plat.h"\n'},
    {"include/rein/io.h": "#include <poll.h>\n"},
    {"include/rein/io.h": "#include <uv.h>\n"},
    {"include/rein/io.h": "#include <rein/uv.h>\n"},
    {"include/rein/io.h": '#include "core/door.h"\n'},
]

if __name__ == "__main__":
    sys.exit(main(check, CLEAN, VIOLATIONS))
