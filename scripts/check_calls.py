#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each call of the operating system or of the C library that can fail, and is made in src/plat/linux, in src/io or in
cmd/rein, stands in a table of tests/world, which says what becomes of each error that its manual page names, and makes it
happen: ROW("accept4", FILE, ...) in errors_test.c for the library, in command_test.c for the command. FILE is the path, or a
macro for it; NONE(...) has its reason beside it. No row is left of a call that is not made any more. Usage: scripts/check_calls.py [--selftest]"""
import re
import sys
from pathlib import Path

from csource import is_test, strip_all, strip_comments
from selftest import main

FOLDERS = ("src/plat/linux", "src/io", "cmd/rein")
TABLES = ("tests/world/errors_test.c", "tests/world/command_test.c")

KEYWORDS = set("if for while switch return sizeof do else defined void int size_t uint32_t volatile tls_model _Alignas _Alignof".split())
# What names no error, or none that can be when it is called as it is; what only writes for people; what ends the program.
CANNOT_FAIL = set("""
    memcpy memset memcmp memchr memmem strlen strnlen strcmp strncmp strchr strrchr strstr strspn strcspn strsep
    strtol strtoll strtoull strtod atoi atol atoll snprintf vsnprintf sscanf strftime
    printf fprintf vfprintf fputs fputc fwrite
    sigemptyset sigfillset sigaddset sigdelset sigismember getpid getenv secure_getenv
    strerror strerrordesc_np strerrorname_np sigabbrev_np gai_strerror
    pthread_self pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock
    SYS_gettid SYS_getppid dl_iterate_phdr dladdr dlsym inet_ntop ntohs freeaddrinfo dirfd free raise abort _exit getopt_long
    va_start va_end va_arg atomic_compare_exchange_strong
    cJSON_ParseWithLength cJSON_GetObjectItemCaseSensitive cJSON_IsString cJSON_Delete
""".split())

CALL = re.compile(r"(?<![\w.])(?<!->)([a-z_]\w*)\s*\(")
SYSTEM_CALL = re.compile(r"\bsyscall\(\s*(SYS_\w+)")
DEFINED = re.compile(r"^(?!return\b)(?:[A-Za-z_][\w *()\",]*?\b)?(\w+)\(", re.MULTILINE)
POINTER = re.compile(r"\(\s*\*\s*(?:const\s+)?(\w+)\s*\)\s*\(")
ROW = re.compile(r'\b(?:ROW|NONE)\(\s*"(\w+)(?::[\w/]+)?",\s*(\w+|"[^"]+")\s*[,)]')
MACRO = re.compile(r'^#define (\w+)\s+"([^"]+)"', re.MULTILINE)


def sources(root: Path) -> list[Path]:
    return [p for folder in FOLDERS for p in sorted((root / folder).glob("*.c")) if not is_test(p)]


def names_of_ours(root: Path) -> set[str]:
    """Functions that are defined or declared in the repository."""
    ours = set()
    for folder in ("src", "cmd"):
        for path in (root / folder).rglob("*.[ch]"):
            if is_test(path):  # it may stand in for a call of the C library
                continue
            text = strip_all(path.read_text(encoding="utf-8"))
            ours.update(DEFINED.findall(text))
    return ours


def calls_made(text: str, ours: set[str]) -> dict[str, int]:
    """The calls of a file, and the first line of each."""
    made = {}
    pointers = set(POINTER.findall(text))
    for found in list(CALL.finditer(text)) + list(SYSTEM_CALL.finditer(text)):
        name = found[1]
        if name in KEYWORDS | CANNOT_FAIL | ours | pointers | {"syscall"} or name.startswith(("rn_", "rein_", "__")):
            continue
        made.setdefault(name, text.count("\n", 0, found.start()) + 1)
    return made


def rows(root: Path) -> dict[tuple[str, str], str]:
    told = {}
    for table in TABLES:
        path = root / table
        if not path.exists():
            continue
        text = strip_comments(path.read_text(encoding="utf-8"))
        macros = dict(MACRO.findall(text))
        for found in ROW.finditer(text):
            place = found[2].strip('"') if found[2].startswith('"') else macros.get(found[2])
            if place and place.endswith(".c"):
                told[(found[1], place)] = f"{table}:{text.count(chr(10), 0, found.start()) + 1}"
    return told


def check(root: Path) -> list[str]:
    complaints = []
    ours, told, made = names_of_ours(root), rows(root), set()
    for path in sources(root):
        place = str(path.relative_to(root))
        for name, line in calls_made(strip_all(path.read_text(encoding="utf-8")), ours).items():
            made.add((name, place))
            if (name, place) not in told:
                complaints.append(f"{place}:{line}: {name} has no row in a table of tests/world: say what becomes of "
                                  "the errors that its manual page names")
    for (name, place), where in sorted(told.items()):
        if (name, place) not in made:
            complaints.append(f"{where}: {place} makes no call of {name}")
    return complaints


CLEAN = {
    "src/plat/linux/fd.c": "#include <poll.h>\nstatic int helper(int x)\n{\n        return x;\n}\n"
                           "int rn_poll(struct pollfd *p)\n{\n        void (*hook)(int) = 0;\n        hook(1);\n"
                           "        return helper(poll(p, 1, -1)) + (int)syscall(SYS_futex, p) /* open(1) */;\n}\n",
    "src/plat/linux/fd_test.c": "int main(void)\n{\n        return socket(1, 2, 3);\n}\n",
    "cmd/rein/main.c": 'int main(void)\n{\n        return open("read(1)", 0);\n}\n',
    "tests/world/errors_test.c": '#define FD "src/plat/linux/fd.c"\nstatic const row table[] = {\n'
                                 '        ROW("poll", FD, AGAIN),\n        NONE("SYS_futex", "src/plat/linux/fd.c"),\n};\n',
    "tests/world/command_test.c": 'static const row table[] = {\n        ROW("open:/dev/null", "cmd/rein/main.c", SAID),\n};\n',
}
VIOLATIONS = [
    {"src/plat/linux/new.c": "int rn_new(void)\n{\n        return close(3);\n}\n"},
    {"src/io/new.c": "int rein_new(void)\n{\n        return (int)write(1, 0, 0);\n}\n"},
    {"cmd/rein/new.c": "int new_one(void)\n{\n        return fork();\n}\n"},
    {"src/plat/linux/new.c": "int rn_new(void)\n{\n        return (int)syscall(SYS_pidfd_open, 1, 0);\n}\n"},
    {"src/plat/linux/fd.c": "int rn_poll(void)\n{\n        return 0;\n}\n"},  # rows that are left
    {"tests/world/errors_test.c": "static const row table[] = {{0}};\n"},
]

if __name__ == "__main__":
    sys.exit(main(check, CLEAN, VIOLATIONS))
