/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: an executor whose jobs are coroutines with stacks of their own, all on one thread. The same calls
 * that block a thread in a pool's job (rein_sleep, rein_read, rein_await, a group's close) let other coroutines run
 * here. A coroutine keeps to its loop's thread, is always run to its end, and is cancelled like any other job: it
 * leaves by itself. One that is cancelled before it starts never runs.
 *
 * Fair: a coroutine whose calls never have to wait, because there always is something to read, a unit to take, an item
 * in the channel, lets the others have their turn all the same, after 64 calls that may block, or 8 that make a system
 * call. So a call that may block, also one with REIN_NOWAIT and one that is cancelled, may let others run: hold no
 * lock of another library over it. Calls that do not block (unlock, release, set, rein_checkpoint, a submit that finds
 * room, a spawn without a width) let nobody run, and do not count.
 *
 * A coroutine that neither waits nor ends holds up the loop: what computes or blocks belongs into a pool
 * (rein_to_thread, rein_on), or says rein_sleep(REIN_NOWAIT) now and then.
 *
 * C++: a coroutine may wait inside a catch block, and in a destructor while an exception unwinds its stack, in a
 * program that is linked with the C++ runtime; one that opens it later tells so (rein_loop_keep_exceptions). An
 * exception that a coroutine does not catch ends the program, after a line on stderr that names its job (x86-64 and
 * aarch64). */
#ifndef REIN_LOOP_H
#define REIN_LOOP_H

#include <rein/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_loop_opts {
        size_t size;
        const char *name;       /* also of its thread; default "loop#N" */
        size_t stack_size;      /* of a coroutine, in bytes; 16 KiB to 1 TiB, default 64 KiB. Memory is taken as it is
                                   touched; a guard page lies below */
        bool hosted;            /* no thread of its own: the thread that makes it turns it (rein_loop_turn) */
        bool portable;          /* wait by poll(2), not by epoll(7) */
        rein_executor *offload; /* for rein_to_thread; borrowed. Default: an elastic pool, made at the first call */
        int64_t grace_ns;       /* how long a cancelled job may take to leave; default 2 s */
        int64_t slow_ns;        /* a job that runs so long without a wait is named on stderr while it does, with the
                                   system call it is in, and its frames then; one in a second. 25 ms is a good value, the
                                   default is not to look */
        bool tell_overflow;     /* a coroutine whose stack overflows is named on stderr before the program dies of it.
                                   Takes SIGSEGV and SIGBUS of the whole process; at the first of them the handlers that
                                   were there before are put back, and get it */
        bool tell_stacks;       /* when it is freed, a line for each function on stderr: how much of its stack the deepest
                                   of its runs has written, to choose a stack_size by. For trying out: all of each stack
                                   is touched then, and looked at after each job */
        bool slow_frames;       /* the frames of a slow job also when it computes. Its thread is asked by a signal, which
                                   may interrupt a system call (EINTR) that the job begins in that moment */
        uint64_t reserved[4];
} rein_loop_opts;
#define REIN_LOOP(...) REIN_OPTS(rein_loop_opts, __VA_ARGS__)

/* Make a loop. Its thread is started with the first job. Jobs are started in the order of their submits.
 * Blocks: no. Any thread; a hosted one not in a coroutine.
 * Owns: freed with rein_executor_free; a hosted one by the thread that made it, or by anybody once that has ended: for
 * others the call does nothing, and the trail says -EPERM. A stop of a hosted loop turns it when called by its thread;
 * called by another, it relies on that one to go on turning it.
 * Returns: the loop; NULL: the trail says why (-EINVAL, -ENOMEM, -EMFILE, -EAGAIN, -EPERM).
 * Since 0.1. */
#define rein_loop_new(...) rein_loop_new_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_executor *rein_loop_new_at(const char *place, const rein_loop_opts *opts);

/* Run fn(arg) as the first coroutine of a loop on this thread, in the scope of the caller. When it has ended, what it
 * left running is cancelled and waited for, for the loop's grace. What does not leave is printed to stderr, and so is
 * how many of the loop's jobs never ran. The first SIGINT cancels fn, if the program has no handler for it and this is
 * the only thread that lets it through (rein's own do not); in a simulation, if no task waits for that signal
 * (rein_sim_raise). opts may be NULL; opts->hosted means nothing here.
 * Blocks: until then. Any thread, but not a coroutine.
 * Returns: what fn returned; -EPERM: inside a loop; -EINVAL, -ENOMEM, -EMFILE, -EAGAIN: fn did not run. Since 0.1. */
#define rein_run(fn, arg, opts) rein_run_at(REIN_HERE, fn, arg, opts)
REIN_API int rein_run_at(const char *place, rein_fn fn, void *arg, const rein_loop_opts *opts);

/* Get the descriptor of a hosted loop, which polls readable when the loop has something to do, deadlines included:
 * watch it (level-triggered) in the loop that hosts this one, and call rein_loop_turn then. Owns: the descriptor is
 * the loop's. Blocks: no. [owner]: the thread that made it.
 * Returns: the descriptor; -ENOTSUP: a portable loop; -EINVAL; -EPERM: another thread, or a coroutine of this loop;
 * -EMFILE. Since 0.1. */
REIN_API int rein_loop_fd(rein_executor *loop);

/* Do what is to be done now in a hosted loop. Blocks: no. [owner]: the thread that made it.
 * Returns: how many jobs are not gone; -EINVAL, -EPERM. Since 0.1. */
REIN_API int rein_loop_turn(rein_executor *loop);

/* In a coroutine: run fn(arg) on a thread of the loop's offload pool, and wait until it is gone. It is rein_on with
 * that pool: the scope goes on there, and a cancel stops the thread's work by the ladder. Blocks: until then. Any
 * coroutine. Returns: as rein_on; -EPERM: not in a coroutine. Since 0.1. */
#define rein_to_thread(fn, arg, job) rein_to_thread_at(REIN_HERE, fn, arg, job)
REIN_API int rein_to_thread_at(const char *place, rein_fn fn, void *arg, const rein_job *job);

/* Say where the exceptions of a C++ library are kept that a program opens by dlopen and is not linked with: then its
 * coroutines may wait inside of catch blocks there too. globals: the runtime's __cxa_get_globals, as dlsym(library,
 * "__cxa_get_globals") finds it; that runtime is never closed again. It holds in the loops, and simulations, that are
 * begun from now on (hosted ones: made); and when a coroutine calls, in its own loop at once. Where the runtime is
 * known already nothing changes.
 * Blocks: no. Any thread.
 * Returns: 0; and with nothing changed: -EINVAL: NULL; -EEXIST: those of another runtime are kept; -EBUSY: in a
 * coroutine on whose thread an exception is being handled at this moment. Since 0.1. */
REIN_API int rein_loop_keep_exceptions(void *(*globals)(void));

#ifdef __cplusplus
}
#endif
#endif
