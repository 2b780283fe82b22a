/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning, the end, and what is told.
 *
 * The end is looked at by an on_exit handler that a constructor registers. Handlers run in the reverse order, so it comes
 * after rein's own (which stops the executors) and those of the test, and before the leak check of the address sanitizer.
 * It fails the program by a second exit: the handlers that are left, and the flush of the streams, go on with its status.
 *
 * A detached thread that has said it is done takes a moment to vanish. So the harness looks until all is well, and only
 * when its patience is over tells what was found last. First it looks at the records of the world; then these let go of
 * what they keep for later use, the main thread's task and the descriptor in its door among it; and then at the rest. */
#include "harness/look.h"

#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FOUND = 256, MOST_DECLARED = 32, MOST_TOLD = 20 };

static const char *const kind_names[HARNESS_KINDS] = {
        [HARNESS_TASKS] = "tasks",
        [HARNESS_SCOPES] = "scopes",
        [HARNESS_GROUPS] = "groups",
        [HARNESS_REGIONS] = "hook regions",
        [HARNESS_FIBERS] = "fibers",
        [HARNESS_EXECUTORS] = "executors",
        [HARNESS_TIMERS] = "timers",
        [HARNESS_WAITS] = "waits",
        [HARNESS_LOCKS] = "locks",
        [HARNESS_DESCRIPTORS] = "descriptors",
        [HARNESS_INHERITABLE] = "descriptors without close-on-exec",
        [HARNESS_THREADS] = "threads",
        [HARNESS_CHILDREN] = "children",
        [HARNESS_SIGNALS] = "signals",
        [HARNESS_BLOCKS] = "blocks of memory",
        [HARNESS_MAPPINGS] = "mappings",
};

typedef struct finding {
        harness_kind kind;
        harness_place place;
        char text[200];
} finding;

static struct {
        size_t of[HARNESS_KINDS]; /* how many, also of those there was no room for */
        size_t kept;
        finding kept_of[MOST_FOUND];
} found;

static struct {
        size_t count;
        struct {
                harness_kind kind;
                size_t n;
                const char *why;
        } of[MOST_DECLARED];
        bool all;
} declared;

static char program[PATH_MAX];
static atomic_bool counts, forked;
static int process;
unsigned harness_patience_ms = 10000;

bool harness_counts(void)
{
        return atomic_load_explicit(&counts, memory_order_relaxed);
}

bool harness_is_forked(void)
{
        return atomic_load_explicit(&forked, memory_order_relaxed);
}

__attribute__((no_sanitize("address", "thread", "undefined"))) int harness_process(void)
{
        return process;
}

/* Not by pthread_mutex: the layer for pthreads has that one wrapped. */
void harness_take(harness_lock *l)
{
        for (int free = 0; !atomic_compare_exchange_weak(&l->held, &free, 1); free = 0)
                syscall(SYS_sched_yield);
}

void harness_give(harness_lock *l)
{
        atomic_store(&l->held, 0);
}

/* ---- what is declared ---- */

void harness_leaves(harness_kind kind, size_t n, const char *why)
{
        if (declared.count == MOST_DECLARED)
                abort();
        declared.of[declared.count].kind = kind;
        declared.of[declared.count].n = n;
        declared.of[declared.count++].why = why;
}

void harness_leaves_all(const char *why)
{
        (void)why;
        declared.all = true;
}

static size_t declared_of(harness_kind kind)
{
        size_t n = 0;
        for (size_t i = 0; i < declared.count; i++)
                n += declared.of[i].kind == kind ? declared.of[i].n : 0;
        return n;
}

/* ---- what is found ---- */

__attribute__((no_sanitize("address"))) harness_place harness_place_of(void *const *from)
{
        extern const char __executable_start, etext;
        harness_place p = {{0}};
        for (int i = 0; i < HARNESS_CALLS; i++) {
                const uintptr_t at = (uintptr_t)from[1];
                if (at < (uintptr_t)&__executable_start || at >= (uintptr_t)&etext)
                        break;
                p.at[i] = at;
                void *const *next = from[0];
                if (next <= from || next > from + 8192) /* the first of a coroutine has none */
                        break;
                from = next;
        }
        return p;
}

void harness_found(harness_kind kind, const harness_place *place, const char *format, ...)
{
        found.of[kind]++;
        if (found.kept == MOST_FOUND)
                return;
        finding *f = &found.kept_of[found.kept++];
        va_list args;
        va_start(args, format);
        vsnprintf(f->text, sizeof f->text, format, args);
        va_end(args);
        f->kind = kind;
        f->place = place ? *place : (harness_place){{0}};
}

/* ---- what is told ---- */

static int note_bias(struct dl_phdr_info *first, size_t size, void *bias)
{
        (void)size;
        *(uintptr_t *)bias = first->dlpi_addr;
        return 1; /* the first object is the program */
}

/* ", by future.c:31, udp_test.c:40" by addr2line where it is installed, else addresses in the program's file. */
static void tell_place(const harness_place *p)
{
        char command[PATH_MAX + 256], line[256];
        uintptr_t bias = 0;
        int told = 0;
        if (!p->at[0])
                return;
        dl_iterate_phdr(note_bias, &bias);
        int n = snprintf(command, sizeof command, "addr2line -se '%s'", program);
        const int addresses = n;
        for (int i = 0; i < HARNESS_CALLS && p->at[i]; i++)
                n += snprintf(command + n, sizeof command - (size_t)n, " %#zx", (size_t)(p->at[i] - bias - 1));
        snprintf(command + n, sizeof command - (size_t)n, " 2>/dev/null");
        FILE *lines = popen(command, "re");
        while (lines && fgets(line, sizeof line, lines)) {
                line[strcspn(line, " \n")] = 0;
                fprintf(stderr, "%s%s", told++ ? ", " : ", by ", line);
        }
        if (lines)
                pclose(lines);
        if (!told)
                fprintf(stderr, ", by%.*s", n - addresses, command + addresses);
}

static bool same(const finding *a, const finding *b)
{
        return a->kind == b->kind && strcmp(a->text, b->text) == 0 &&
               memcmp(&a->place, &b->place, sizeof a->place) == 0;
}

/* How often it was found; 0: it was told with an earlier one. */
static size_t times(size_t i)
{
        size_t n = 0;
        for (size_t k = 0; k < found.kept; k++) {
                const bool is = same(&found.kept_of[k], &found.kept_of[i]);
                if (is && k < i)
                        return 0;
                n += is;
        }
        return n;
}

static void tell_kind(harness_kind kind)
{
        size_t lines = 0;
        for (size_t i = 0; i < found.kept && lines < MOST_TOLD; i++) {
                const finding *f = &found.kept_of[i];
                const size_t n = f->kind == kind ? times(i) : 0;
                if (n == 0)
                        continue;
                lines++;
                fprintf(stderr, "harness: %s: ", kind_names[kind]);
                if (n > 1)
                        fprintf(stderr, "%zu times ", n);
                fputs(f->text, stderr);
                tell_place(&f->place);
                fputc('\n', stderr);
        }
        const size_t n = declared_of(kind);
        if (lines == MOST_TOLD || n)
                fprintf(stderr, "harness: %s: %zu in all, %zu declared\n", kind_names[kind], found.of[kind], n);
        for (size_t i = 0; i < declared.count; i++)
                if (declared.of[i].kind == kind)
                        fprintf(stderr, "harness: %s: declared is: %s\n", kind_names[kind], declared.of[i].why);
}

/* ---- the two moments ---- */

static int64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool well(harness_kind from, harness_kind to)
{
        for (harness_kind k = from; k <= to; k++)
                if (found.of[k] != declared_of(k) && (k != HARNESS_BLOCKS || harness_blocks_counted()))
                        return false;
        return true;
}

static void look_until_well(void (*look)(void), harness_kind from, harness_kind to)
{
        const size_t before = found.kept;
        const int64_t until = now_ms() + harness_patience_ms;
        for (;;) {
                for (harness_kind k = from; k <= to; k++)
                        found.of[k] = 0;
                found.kept = before;
                look();
                if (well(from, to) || now_ms() >= until)
                        return;
                struct timespec span = {0, 1000000};
                nanosleep(&span, NULL);
        }
}

static void look_at_the_rest(void)
{
        harness_records_let_go();
        harness_descriptors_look();
        harness_process_look();
        harness_memory_look();
}

static void end(int status, void *arg)
{
        (void)arg;
        if (!harness_counts())
                return;
        counts = false;
        if (status != 0 || declared.all)
                return;
        fflush(stdout);
        look_until_well(harness_records_look, 0, HARNESS_LOCKS);
        look_until_well(look_at_the_rest, HARNESS_LOCKS + 1, HARNESS_KINDS - 1);
        if (well(0, HARNESS_KINDS - 1))
                return;
        fprintf(stderr, "harness: this program does not end as it began\n");
        for (harness_kind k = 0; k < HARNESS_KINDS; k++)
                if (!well(k, k))
                        tell_kind(k);
        exit(1);
}

static void in_child(void)
{
        counts = false;
        forked = true;
}

__attribute__((constructor(101))) static void begin(void)
{
        process = getpid();
        if (readlink("/proc/self/exe", program, sizeof program - 1) < 0 || pthread_atfork(NULL, NULL, in_child) != 0 ||
            on_exit(end, NULL) != 0)
                abort();
        harness_descriptors_begin();
        harness_process_begins();
        counts = true;
}
