#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing outside src/plat waits, locks, spins, allocates, reads a clock, takes a random number or makes a system call;
atomics are written in src/plat/atomic.h alone; and there is one thread-local word, in src/plat. Everything rein
promises (cancel, deadlines, replay) rests on that. src/sim/pthread is not of the library: it stands in for what is
forbidden here. And what the library prints goes through src/core/message.c, which makes one write of a whole message.
Usage: scripts/check_doors.py [--selftest]

Tests (*_test.c) may do what a user's program may, but they may not sleep: a test asserts behaviour, never timing. One
that needs a foreign call that blocks says so on the same line: usleep(1); /* foreign: what for */"""
import re
import sys
from pathlib import Path

from csource import c_files, is_test, strip_all
from selftest import main


def call(names: str) -> re.Pattern:
    """A bare call of one of these functions: not a member (x->read(...)), not a part of a longer name."""
    return re.compile(rf"(?<![\w.])(?<!->)(?:{names})\s*\(")


DOORS = [
    ("a lock or thread of pthread", re.compile(
        r"\bpthread_(?:mutex|cond|once|join|barrier|rwlock|spin|create|cancel|sigmask|kill|key|getspecific"
        r"|setspecific|atfork)\w*")),
    ("a C11 thread or lock", re.compile(r"(?<!\w)(?:mtx|cnd|thrd|tss)_\w+|(?<!\w)call_once\b")),
    ("a semaphore", re.compile(r"(?<!\w)sem_(?:init|open|wait|trywait|timedwait|clockwait|post|destroy|close)\b")),
    ("a futex", re.compile(r"\bFUTEX_\w+|(?<!\w)(?:SYS|__NR)_futex\b|(?<!\w)futex\s*\(|linux/futex\.h")),
    ("a wait", call(r"poll|ppoll|select|pselect|epoll_\w+|sigwait|sigwaitinfo|sigtimedwait|sigsuspend|pause|waitpid"
                    r"|waitid|wait|wait4")),
    ("a sleep", call(r"nanosleep|clock_nanosleep|usleep|sleep|sched_yield")),
    ("a clock", call(r"gettimeofday|clock_gettime|time|timespec_get|clock")),
    ("chance", call(r"getrandom|getentropy|s?rand|rand_r|s?random|[dlm]rand48|arc4random\w*")),
    ("memory without rn_alloc", call(
        r"malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|strn?dup|v?asprintf|open_memstream")),
    ("a non-local jump", re.compile(r"(?<!\w)(?:_|sig)?(?:setjmp|longjmp)\b")),
    ("a system call", call(
        r"read|write|pread|pwrite|readv|writev|close|accept4?|connect|socket|socketpair|listen|bind|send(?:to|msg)?"
        r"|recv(?:from|msg)?|shutdown|open(?:at)?|pipe2?|dup[23]?|fcntl|ioctl|eventfd|signalfd|timerfd_\w+|getaddrinfo"
        r"|fork|vfork|posix_spawnp?|exec[vl]\w*|kill|tgkill|signal|sigaction|syscall|mmap|munmap|atexit")),
]
PRINTS = call(r"v?d?printf|v?fprintf|fputs|fputc|puts|putc|putchar|fwrite|perror")
ATOMICS = re.compile(
    r"stdatomic\.h|\b_Atomic\b|\b__atomic_\w+|\b__sync_\w+|(?<!\w)atomic_(?!h\b)\w+|(?<!\w)memory_order_\w+")
THREAD_LOCAL = re.compile(r"\b_Thread_local\b|\b__thread\b|\bthread_local\b")
TEST_SLEEP = call("nanosleep|clock_nanosleep|usleep|sleep")


def check(root: Path) -> list[str]:
    complaints = []
    thread_locals = []

    def say(path, number, what, found):
        complaints.append(f"{path.relative_to(root)}:{number}: {what}: {found.strip()}")

    for path in c_files(root, "src", "include", "cmd", "tests"):
        text = path.read_text(encoding="utf-8")
        raw = text.splitlines()
        place = path.relative_to(root)
        library = place.parts[0] in ("src", "include") and place.parts[:3] != ("src", "sim", "pthread")
        for number, line in enumerate(strip_all(text).splitlines(), 1):
            if is_test(path):
                sleeps = TEST_SLEEP.search(line)
                if sleeps and "/* foreign: " not in raw[number - 1]:
                    say(path, number, "a test that sleeps", sleeps[0])
                continue
            if not library:
                continue
            if place.parts[:2] != ("src", "plat"):
                for what, pattern in DOORS:
                    for found in pattern.finditer(line):
                        say(path, number, f"{what}, outside src/plat", found[0])
                if place.parts[0] == "src" and place != Path("src/core/message.c"):
                    for found in PRINTS.finditer(line):
                        say(path, number, "text that is printed outside src/core/message.c", found[0])
            if place.parts != ("src", "plat", "atomic.h"):
                models = place == Path("src/sim/weak.c")  # the memory that the explorer shows: it knows the orders by name
                for found in () if models else ATOMICS.finditer(line):
                    say(path, number, "an atomic, outside src/plat/atomic.h", found[0])
            for found in THREAD_LOCAL.finditer(line):
                thread_locals.append(f"{place}:{number}")
                if place.parts[:2] != ("src", "plat"):
                    say(path, number, "a thread-local, outside src/plat", found[0])
    if len(thread_locals) != 1:
        complaints.append(f"the library has one thread-local word; here are {len(thread_locals)}: {thread_locals}")
    return complaints


CLEAN = {
    "src/plat/linux/word.c": "#include <pthread.h>\nstatic _Thread_local void *word;\n"
                             "void *rn_alloc(size_t n) { return malloc(n); }\n",
    "src/plat/atomic.h": "#include <stdatomic.h>\ntypedef struct a { _Atomic(int) v; } a;\n",
    "src/core/message.c": "void f(void) { fwrite(text, 1, n, to); vfprintf(to, fmt, args); }\n",
    "src/core/door.c": '/* no malloc( here, and no poll( */\n#include "plat/atomic.h"\n'
                       'int f(struct ops *o) { return o->read(1) + o->poll(2) + rein_sleep(3) + rn_free(4); }\n'
                       'const char *s = "sleep(1)"; // usleep(1)\n',
    "src/sim/pthread/mutex.c": "int f(pthread_mutex_t *m) { return pthread_mutex_lock(m); }\n",
    "include/rein/io.h": "int64_t rein_read(int fd);\nstruct ops { int (*accept)(void *self); };\nint rein_time(int);\n",
    "src/core/door_test.c": "int main(void) { pthread_mutex_lock(&m); usleep(1); /* foreign: blocks */ free(0); }\n",
}
VIOLATIONS = [{"src/core/bad.c": f"void f(void) {{ {text}; }}\n"} for text in (
    "pthread_mutex_lock(&m)", "pthread_cond_wait(&c, &m)", "pthread_once(&o, f)", "pthread_join(t, 0)",
    "pthread_barrier_wait(&b)", "pthread_rwlock_rdlock(&l)", "pthread_spin_lock(&l)", "pthread_create(&t, 0, f, 0)",
    "mtx_lock(&m)", "sem_wait(&s)", "int x = FUTEX_WAIT", "poll(p, 1, -1)", "ppoll(p, 1, 0, 0)", "select(1, 0, 0, 0, 0)",
    "epoll_wait(e, v, 1, -1)", "nanosleep(&t, 0)", "usleep(1)", "sleep(1)", "sched_yield()", "gettimeofday(&t, 0)",
    "clock_gettime(0, &t)", "getrandom(b, 1, 0)", "int x = rand()", "long x = random()", "long x = time(0)",
    "void *p = malloc(1)", "void *p = calloc(1, 1)", "p = realloc(p, 1)", "free(p)", "char *s = strdup(t)",
    "_Atomic int x", "__atomic_load_n(p, 5)", "atomic_fetch_add(p, 1)", "static _Thread_local int x",
    "static __thread int x", "setjmp(b)", "longjmp(b, 1)", "read(0, b, 1)", "write(1, b, 1)", "close(1)",
    "accept(s, 0, 0)", "connect(s, a, n)", "int s = socket(1, 1, 1)", "int d = open(p, 0)", "syscall(SYS_futex)",
    "fprintf(stderr, text)", "fputs(text, to)", "fwrite(text, 1, n, to)", "fputc(10, to)", "perror(text)")]
VIOLATIONS += [
    {"src/core/bad.c": "#include <stdatomic.h>\n"},
    {"src/sim/bad.c": "int f(pthread_mutex_t *m) { return pthread_mutex_lock(m); }\n"},
    {"src/plat/linux/bad.c": "static int f(int *p) { return __atomic_load_n(p, 5); }\n"},
    {"src/plat/linux/bad.c": "static _Thread_local int second;\n"},
    {"src/plat/linux/word.c": "static void *word;\n"},
    {"include/rein/bad.h": "static inline void f(void *p) { free(p); }\n"},
    {"tests/bad_test.c": "int main(void) { usleep(1000); }\n"},
    {"src/core/bad_test.c": "int main(void) { sleep(1); }\n"},
]

if __name__ == "__main__":
    sys.exit(main(check, CLEAN, VIOLATIONS))
