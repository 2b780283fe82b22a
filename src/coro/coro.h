/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines: code with a stack of its own that gives the processor to other such code and gets it back later. The
 * simulator runs its threads as coroutines; the event loop runs its tasks as such. Nothing is scheduled here, nothing
 * waits and nothing is cancelled: this file knows how to stop in the middle of one stack and go on in another, and
 * tells the sanitizers and valgrind about it.
 *
 * A coroutine is new (made, nothing ran), running, stopped (in rn_coro_switch) or ended (by rn_coro_leave). Running is
 * one per thread: `from` of every call is the one that runs, `to` is new or stopped. What runs on a thread's own stack
 * takes part as a coroutine that rn_coro_of_thread describes. No call here may come from a signal handler.
 *
 * A coroutine keeps to one thread from its first switch to its end: a compiler holds the addresses of thread-local
 * words (errno is one) across calls. Making, remaking and freeing one that does not run is free to any thread that is
 * alone with it.
 *
 * Kept across a switch: the registers the ABI calls callee-saved, the floating-point control words (x86-64: mxcsr and
 * the x87 control word; aarch64: fpcr), errno, and where there is a C++ runtime (linked with the program, or told of by
 * rn_coro_keep_exceptions) the exceptions that are being handled (__cxa_get_globals, two words), so that a catch block
 * and a destructor may switch. Not kept: the signal mask, other thread-local words, floating-point status. REIN_UCONTEXT
 * is the portable way and makes system calls: it keeps the signal mask besides.
 *
 * An exception that nobody catches ends the program, as it does in a thread; rn_coro_on_throw says whose it was. */
#ifndef RN_CORO_H
#define RN_CORO_H

#include <stdbool.h>
#include <stddef.h>

/* ---- stacks ---- */

/* size bytes from low on, and below them RN_GUARD that fault: a frame up to so large is caught whatever compiled it, a
 * larger one when its code was built with -fstack-clash-protection, as the library is. */
typedef struct rn_stack {
        char *low;
        size_t size; /* at least what was asked for: a power of two */
        struct rn_arena *arena;
        bool painted; /* rn_stack_deepest knows */
} rn_stack;

/* Take one that was given back, or a new one (arena.h). They differ in nothing but what lies in them. Returns 0, -ENOMEM.
 * Any thread. Asks no rn_choose: the simulator itself makes stacks. */
int rn_stack_make(rn_stack *s, size_t size);

/* Give it back. Nothing runs on it, and it is never read again. Any thread. */
void rn_stack_free(rn_stack *s);

/* Begin to measure (anew): fill what is not in use, which touches every page the first time. from_it: called by the code
 * that runs on it; else nothing runs on it: before rn_coro_remake, never after. */
void rn_stack_paint(rn_stack *s, bool from_it);

/* The most bytes that were ever in use since s was painted; 0 when it was not. What was reserved but
 * never written does not count. Also while a coroutine is stopped on it. */
size_t rn_stack_deepest(const rn_stack *s);

/* ---- coroutines ---- */

typedef struct rn_coro {
        void *sp;       /* new or stopped: where its registers lie on its stack */
        rn_stack stack; /* low NULL: a thread's own */
        void (*entry)(void *);
        void *arg;
        int err; /* stopped: its errno */

        /* For AddressSanitizer: the stack's bounds, the fake stack of a stopped one. For ThreadSanitizer: its fiber. */
        const void *bottom;
        size_t room;
        void *fake;
        void *fiber;

        void **catching; /* where its thread has the exception globals; NULL: there is no C++ */
        void *caught[2]; /* stopped: what was in them */
} rn_coro;

/* Flags of rn_coro_switch and rn_coro_leave. */
enum {
        /* Tell ThreadSanitizer that this switch orders nothing: what `from` did is not before what `to` does next. Right
         * where coroutines stand for threads (the simulator), wrong where they take turns (the loop). */
        RN_CORO_NO_SYNC = 1
};

/* From now on `tell` is called when an exception is thrown that no frame of the running coroutine will catch. The C++
 * runtime ends the program after it. Not with REIN_UCONTEXT. */
void rn_coro_on_throw(void (*tell)(void));

/* A C++ runtime that was opened later: its __cxa_get_globals. Exceptions are kept from now on in threads of which
 * rn_coro_of_thread is told from now on, and in the thread of `running`, which calls; NULL: in no other. Returns 0; -EEXIST:
 * those of another runtime are kept; -EBUSY: one is being handled here, by whom nobody knows. */
int rn_coro_keep_exceptions(rn_coro *running, void *(*globals)(void));

/* c becomes the code that calls this, on its thread's own stack. Nothing to free. */
void rn_coro_of_thread(rn_coro *c);

/* A new coroutine with a stack of at least `stack` bytes that will call entry(arg) at the first switch to it. entry
 * must not return: it ends by rn_coro_leave. It begins with the floating-point control words of the caller of this and
 * errno 0. For ThreadSanitizer everything the caller did is before what it does. Returns 0, -ENOMEM. */
int rn_coro_make(rn_coro *c, size_t stack, void (*entry)(void *), void *arg);

/* c is new again, on the same stack; it was new, stopped or ended. Of one that was stopped the frames are dropped: no
 * clean-up runs, what they owned is lost, nothing may point into them. Cheap, and without a system call (but for
 * REIN_UCONTEXT). For ThreadSanitizer the earlier runs on c and everything the caller did are before the next run. */
void rn_coro_remake(rn_coro *c, void (*entry)(void *), void *arg);

/* Stop `from` here and let `to` run. Returns when somebody switches to `from`. */
void rn_coro_switch(rn_coro *from, rn_coro *to, unsigned flags);

/* The same for the last time: `from` has ended and may be remade or freed, by `to` or later. */
__attribute__((noreturn)) void rn_coro_leave(rn_coro *from, rn_coro *to, unsigned flags);

/* For ThreadSanitizer: what c did until now is before what the caller does next. c is new, stopped or ended. */
void rn_coro_join(rn_coro *c);

/* Give back what c has. It is new, stopped (its frames are dropped) or ended; a thread's own has nothing. For
 * ThreadSanitizer it is joined: what it did is before what the caller of this does next. */
void rn_coro_free(rn_coro *c);

#endif
