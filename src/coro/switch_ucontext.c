/* SPDX-License-Identifier: Apache-2.0 */
/* The switch for every other processor: slow, because it keeps the signal mask by system calls. What a stopped
 * coroutine has on its stack is a ucontext_t, and its sp points to that. */
#include "coro/swap.h"

#include <stdint.h>
#include <ucontext.h>

/* At the top of a stack on which nothing ran yet. */
typedef struct fresh {
        ucontext_t context; /* first: rn_swap knows no difference */
        void (*main)(void *);
        void *arg;
} fresh;

/* makecontext passes ints: the address in two halves. */
static void ucontext_start(unsigned high, unsigned low)
{
        const fresh *f = (const fresh *)((uintptr_t)high << 16 << 16 | low);
        f->main(f->arg);
}

void rn_swap(void **save, void *to)
{
        ucontext_t here;
        here.uc_stack.ss_sp = NULL; /* AddressSanitizer's swapcontext looks at it */
        here.uc_stack.ss_size = 0;
        *save = &here; /* cppcheck-suppress autoVariables ; it is used while this call is stopped */
        swapcontext(&here, to);
}

void *rn_swap_frame(char *low, size_t size, void (*main)(void *), void *arg)
{
        uintptr_t top = ((uintptr_t)low + size - sizeof(fresh)) & ~(uintptr_t)63;
        fresh *f = (fresh *)top;
        getcontext(&f->context);
        f->context.uc_stack.ss_sp = low;
        f->context.uc_stack.ss_size = top - (uintptr_t)low;
        f->context.uc_link = NULL;
        f->main = main;
        f->arg = arg;
        makecontext(&f->context, (void (*)(void))ucontext_start, 2, (unsigned)(top >> 16 >> 16), (unsigned)top);
        return f;
}
