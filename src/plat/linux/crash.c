/* SPDX-License-Identifier: Apache-2.0 */
/* A last word before a crash. The handlers stand only while somebody watches; they run on a stack of their own, since
 * the fault may be an overflow, and give way to whatever was there before. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "plat/plat.h"

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { FATAL = sizeof fatal / sizeof *fatal, STACK = 64 * 1024 };

static struct sigaction before[FATAL];
static stack_t stack_before;
static char stack[STACK];
static void (*note)(void);
static const int *watched; /* where the thread has its errno */

static void crash_unwatch(void)
{
        for (int i = 0; i < FATAL; i++)
                sigaction(fatal[i], &before[i], NULL);
        sigaltstack(&stack_before, NULL);
        note = NULL;
}

static void crash_caught(int signo)
{
        void (*say)(void) = note;
        note = NULL;
        for (int i = 0; i < FATAL; i++)
                sigaction(fatal[i], &before[i], NULL);
        if (say && watched == &errno)
                say();
        raise(signo); /* it is blocked in here and comes when the handler returns; a fault repeats by itself */
}

void rn_crash_watch(void (*fn)(void))
{
        RN_ASSERT(!note || !fn || watched == &errno, "a crash is watched for by one thread");
        if (note)
                crash_unwatch();
        if (!fn)
                return;
        note = fn;
        watched = &errno;
        stack_t mine = {.ss_sp = stack, .ss_size = sizeof stack};
        sigaltstack(&mine, &stack_before);
        struct sigaction act = {.sa_handler = crash_caught, .sa_flags = SA_ONSTACK};
        sigemptyset(&act.sa_mask);
        for (int i = 0; i < FATAL; i++)
                sigaction(fatal[i], &act, &before[i]);
}

/* ---- faults that are explained ---- */

static size_t (*explain)(const void *address, char *text, size_t n);
static struct sigaction fault_before[2];
static const int faults[2] = {SIGSEGV, SIGBUS};
static rn_lock explain_lock;

/* Told once; then whoever was there before has the word, as the fault repeats. */
static void fault_caught(int signo, siginfo_t *info, void *context)
{
        char text[256];
        RN_ASSERT(explain, "a fault that is watched for can be explained");
        size_t n = explain(info->si_addr, text, sizeof text);
        ssize_t put = n ? write(STDERR_FILENO, text, n) : 0;
        (void)put;
        (void)signo;
        (void)context;
        for (int i = 0; i < 2; i++)
                sigaction(faults[i], &fault_before[i], NULL);
}

void rn_fault_watch(size_t (*fn)(const void *address, char *text, size_t n))
{
        rn_lock_take(&explain_lock);
        if (!explain) {
                explain = fn;
                struct sigaction act = {.sa_sigaction = fault_caught, .sa_flags = SA_ONSTACK | SA_SIGINFO};
                sigemptyset(&act.sa_mask);
                for (int i = 0; i < 2; i++)
                        sigaction(faults[i], &act, &fault_before[i]);
        }
        rn_lock_give(&explain_lock);
}

int rn_fault_stack(void **made)
{
        stack_t had;
        *made = NULL;
        if (sigaltstack(NULL, &had) == 0 && !(had.ss_flags & SS_DISABLE))
                return 0;
        void *room = rn_host_alloc(STACK);
        if (!room)
                return -ENOMEM;
        stack_t mine = {.ss_sp = room, .ss_size = STACK};
        sigaltstack(&mine, NULL);
        *made = room;
        return 0;
}

void rn_fault_stack_free(void *made)
{
        if (!made)
                return;
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        rn_host_free(made);
}

const char *rn_env(const char *name)
{
        return secure_getenv(name);
}

_Noreturn void rn_abort(void)
{
        abort();
}
