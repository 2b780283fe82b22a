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

static void unwatch(void)
{
        for (int i = 0; i < FATAL; i++)
                sigaction(fatal[i], &before[i], NULL);
        sigaltstack(&stack_before, NULL);
        note = NULL;
}

static void crash(int signo)
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
        if (note)
                unwatch();
        if (!fn)
                return;
        note = fn;
        watched = &errno;
        stack_t mine = {.ss_sp = stack, .ss_size = sizeof stack};
        sigaltstack(&mine, &stack_before);
        struct sigaction act = {.sa_handler = crash, .sa_flags = SA_ONSTACK};
        sigemptyset(&act.sa_mask);
        for (int i = 0; i < FATAL; i++)
                sigaction(fatal[i], &act, &before[i]);
}

const char *rn_env(const char *name)
{
        return secure_getenv(name);
}

_Noreturn void rn_abort(void)
{
        abort();
}
