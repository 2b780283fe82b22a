/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, children and signals of the process. */
#include "harness/look.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plat/plat.h"

enum { MOST = 64, SIGNALS = 65, MOST_OF_REIN = 2 };

typedef struct numbers {
        size_t count;
        int of[MOST];
} numbers;

static numbers threads, children; /* that were there when the program began */

static bool is_among(const numbers *n, int number)
{
        for (size_t i = 0; i < n->count; i++)
                if (n->of[i] == number)
                        return true;
        return false;
}

static void each_number(const char *folder, void (*see)(int number))
{
        DIR *all = opendir(folder);
        for (struct dirent *e; all && (e = readdir(all));)
                if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
                        see(atoi(e->d_name));
        if (all)
                closedir(all);
}

static void note(numbers *n, int number)
{
        if (n->count == MOST)
                abort();
        n->of[n->count++] = number;
}

/* The second and the fourth word of /proc/PID/stat. */
static bool name_and_parent(const char *path, char name[32], int *parent)
{
        char line[512];
        FILE *f = fopen(path, "re");
        const bool told = f && fgets(line, sizeof line, f);
        if (f)
                fclose(f);
        const char *from = told ? strchr(line, '(') : NULL;
        char *to = told ? strrchr(line, ')') : NULL;
        if (!from || !to)
                return false;
        *to = 0;
        snprintf(name, 32, "%s", from + 1);
        return sscanf(to + 1, " %*c %d", parent) == 1;
}

/* ---- threads ---- */

static void note_thread(int id)
{
        note(&threads, id);
}

static void look_at_thread(int id)
{
        char path[64], name[32];
        int parent;
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
        if (!is_among(&threads, id) && !harness_is_of_rein((uint32_t)id) && name_and_parent(path, name, &parent))
                harness_found(HARNESS_THREADS, NULL, "'%s' runs", name);
}

/* ---- children ---- */

static bool has_children(void)
{
        siginfo_t info;
        return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

static bool is_child(int pid, char name[32])
{
        char path[64];
        int parent;
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        return name_and_parent(path, name, &parent) && parent == getpid();
}

static void note_child(int pid)
{
        char name[32];
        if (is_child(pid, name))
                note(&children, pid);
}

static void look_at_child(int pid)
{
        char name[32];
        if (is_child(pid, name) && !is_among(&children, pid))
                harness_found(HARNESS_CHILDREN, NULL, "process '%s' runs, or nobody has waited for its end", name);
}

/* ---- signals ---- */

static struct {
        struct sigaction done[SIGNALS];
        sigset_t blocked;
        stack_t stack;
} then;

static bool watches_faults;

void __real_rn_fault_watch(size_t (*explain)(const void *address, char *text, size_t n));
void __wrap_rn_fault_watch(size_t (*explain)(const void *address, char *text, size_t n));

void __wrap_rn_fault_watch(size_t (*explain)(const void *address, char *text, size_t n))
{
        watches_faults = true;
        __real_rn_fault_watch(explain);
}

/* The flags are not compared: cmocka puts handlers back by signal(3), which knows none. */
static bool done_alike(const struct sigaction *a, const struct sigaction *b)
{
        return a->sa_handler == b->sa_handler;
}

static void look_at_signals(void)
{
        struct sigaction now;
        sigset_t blocked;
        stack_t stack;
        int of_rein = 0; /* the poke, and the one that asks for frames: real-time signals, taken for ever */
        pthread_sigmask(SIG_BLOCK, NULL, &blocked);
        sigaltstack(NULL, &stack);
        for (int s = 1; s < SIGNALS; s++) {
                if (sigismember(&blocked, s) != sigismember(&then.blocked, s))
                        harness_found(HARNESS_SIGNALS, NULL, "%d (%s) is %s in the main thread", s, strsignal(s),
                                      sigismember(&blocked, s) == 1 ? "blocked" : "no longer blocked");
                if (sigaction(s, NULL, &now) != 0 || done_alike(&now, &then.done[s]))
                        continue;
                if (s > SIGRTMIN && s < SIGRTMAX && ++of_rein <= MOST_OF_REIN)
                        continue;
                if ((s == SIGSEGV || s == SIGBUS) && watches_faults) /* the first to explain faults stays */
                        continue;
                harness_found(HARNESS_SIGNALS, NULL, "%d (%s) is not answered as it was", s, strsignal(s));
        }
        if (stack.ss_flags != then.stack.ss_flags || stack.ss_sp != then.stack.ss_sp)
                harness_found(HARNESS_SIGNALS, NULL, "the main thread has another stack for handlers");
}

/* ---- the two moments ---- */

#if defined REIN_TSAN
static void *end_at_once(void *arg)
{
        return arg;
}

/* With the first thread the sanitizer starts one of its own. */
static void wake_sanitizer(void)
{
        pthread_t t;
        if (pthread_create(&t, NULL, end_at_once, NULL) == 0)
                pthread_join(t, NULL);
}
#else
static void wake_sanitizer(void)
{
}
#endif

void harness_process_begins(void)
{
        wake_sanitizer();
        each_number("/proc/self/task", note_thread);
        if (has_children())
                each_number("/proc", note_child);
        for (int s = 1; s < SIGNALS; s++)
                sigaction(s, NULL, &then.done[s]);
        pthread_sigmask(SIG_BLOCK, NULL, &then.blocked);
        sigaltstack(NULL, &then.stack);
}

void harness_process_look(void)
{
        each_number("/proc/self/task", look_at_thread);
        if (has_children())
                each_number("/proc", look_at_child);
        look_at_signals();
}
