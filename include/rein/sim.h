/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator. It runs a program of yours, with the pools, groups, futures, timers and descriptors it makes, as
 * coroutines of one thread, under a schedule that is a list of small numbers: which task goes on at each step, and
 * what goes wrong. Time is virtual and jumps to the next deadline when no task can run. The same list gives the same
 * run, so one line of text replays a failure (promise P10).
 *
 * The program is a function. It makes everything it uses and frees it again, returns 0 or more when all was as it
 * should be, and may be run a million times: what it leaves behind in memory of its own must be set again at its
 * start.
 *
 * Reported without a line from you: a deadlock (each task, and what it waits for), a livelock, a task or pool left
 * behind, memory of the library never given back or given back twice, a value that rein was given and released twice
 * or never, a scope, group, region or set closed by a task that may not close it, a pool that lost a permit, a thread
 * or a place in its queue, a failure nobody saw, and a program that does not do the same again under the same
 * schedule.
 *
 * Inside the program: do not start threads or fork; do not block in the kernel (a read of a real pipe is refused and
 * reported; regular files are fine); do not wait for a variable without rein_sim_point; do not read real time, real
 * random numbers, or the values of addresses; do not leave a coroutine by longjmp or an exception. Objects made
 * outside answer -EPERM inside, and the reverse. docs/testing-your-code.md says more, also what a pass is worth.
 *
 * Threads: one simulation at a time in a process; all its calls from the thread that began it. Other threads of the
 * process go on undisturbed, on the real machine. */
#ifndef REIN_SIM_H
#define REIN_SIM_H

#include <rein/base.h>
#include <rein/error.h>
#include <rein/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the next task is chosen. REIN_SIM_MIXED: half of the schedules RANDOM, the rest PCT with depths 2 and 3, a tenth
 * of all with the racy clock. */
enum {
        REIN_SIM_MIXED,
        REIN_SIM_RANDOM, /* every task that can run is equally likely at each point */
        REIN_SIM_PCT,    /* strict priorities with `depth` - 1 random changes; S. Burckhardt et al., ASPLOS 2010 */
        REIN_SIM_DFS     /* all schedules with at most `bound` preemptions, fewest first; it can come to an end */
};

/* What may go wrong: bits of rein_sim_opts.faults. */
enum {
        REIN_SIM_ALLOC    = 1 << 0, /* an allocation of the library fails */
        REIN_SIM_THREAD   = 1 << 1, /* a thread cannot be started */
        REIN_SIM_FD       = 1 << 2, /* no descriptor is free */
        REIN_SIM_INTR     = 1 << 3, /* a system call is interrupted */
        REIN_SIM_AGAIN    = 1 << 4, /* a descriptor that was ready is not */
        REIN_SIM_SHORT    = 1 << 5, /* a read or write moves a part only */
        REIN_SIM_SPURIOUS = 1 << 6, /* a wait ends for no reason */
        REIN_SIM_EARLY    = 1 << 7, /* a timer fires although others could still run: the racy clock */
        REIN_SIM_SLOW     = 1 << 8, /* a task is left aside for a while (RANDOM and MIXED) */
        REIN_SIM_LOSS     = 1 << 9, /* a datagram is lost */
        REIN_SIM_REORDER  = 1 << 10, /* one overtakes up to three that were sent before */
        REIN_SIM_TWICE    = 1 << 11, /* one comes twice */
        REIN_SIM_HARMLESS = REIN_SIM_INTR | REIN_SIM_AGAIN | REIN_SIM_SHORT | REIN_SIM_SPURIOUS | REIN_SIM_SLOW
};

/* How a schedule ended. */
enum {
        REIN_SIM_PASSED,
        REIN_SIM_FAILED,        /* the program returned a negative code, rein_sim_check said no, or a pool of
                                   rein's does not add up */
        REIN_SIM_DEADLOCK,      /* no task can run, and no timer will change that */
        REIN_SIM_LIVELOCK,      /* max_steps were not enough, the last fifth of them in fair order */
        REIN_SIM_LEFT_RUNNING,  /* the program returned and a task of its never ends */
        REIN_SIM_LEAK,          /* the program returned and an object of its was never given back */
        REIN_SIM_UNSEEN,        /* a job failed, and nobody looked at that */
        REIN_SIM_MISUSE,        /* what a program in a simulation may not do; an [owner] call that would answer
                                   -EPERM; memory or a value given back twice */
        REIN_SIM_UNSTABLE       /* the same schedule gave another run */
};

/* What a simulation did. */
typedef struct rein_sim_report {
        size_t size;          /* sizeof(rein_sim_report), set by you */
        uint64_t schedules;   /* that were run */
        uint64_t steps;       /* of all of them */
        uint32_t longest;     /* steps of the longest */
        int ended;            /* REIN_SIM_PASSED or how the failing one ended */
        bool complete;        /* DFS: there is no other schedule within the bound */
        uint32_t failing_steps, preemptions; /* of the failing schedule, after shrinking */
        uint64_t hash;        /* of the last schedule: equal hashes, equal runs */
        uint64_t until_found; /* which schedule failed first, from 1; 0: none */
        const char *trace;    /* replays the failing one; lives until the thread's next simulation; NULL: none */
        uint64_t reserved[4];
} rein_sim_report;

typedef struct rein_sim_opts {
        size_t size;
        const char *name;        /* in reports, and in REIN_SIM_REPLAY; default "simulation" */
        uint64_t seed;           /* of the first schedule; 0: 1 */
        uint64_t schedules;      /* at most so many; 0: 1000 (DFS: 1,000,000) */
        uint32_t generator;      /* REIN_SIM_MIXED... */
        uint32_t depth;          /* PCT, 2 to 8; 0: 3 */
        uint32_t bound;          /* DFS: preemptions; 0: 2 */
        uint32_t max_steps;      /* of one schedule; 0: 100,000 */
        uint32_t faults;         /* what may go wrong; 0: nothing */
        uint32_t one_in;         /* each of them with this chance, in the random generators; 0: 16 */
        size_t stack_size;       /* of a task, in bytes; 16 KiB to 1 TiB; 0: 256 KiB */
        const char *replay;      /* this schedule only, told step by step on stderr: rein_sim_report.trace */
        bool quiet;              /* print nothing */
        rein_sim_report *report; /* filled in whenever the call did run */
        uint64_t reserved[4];
} rein_sim_opts;

#define REIN_SIM(...) REIN_OPTS(rein_sim_opts, __VA_ARGS__)

/* Run fn(arg) once, under the schedule of opts->seed. opts may be NULL.
 * Blocks: the calling thread is the simulation. Any thread, one simulation at a time.
 * Returns: what fn returned, 0 or more; REIN_EFOUND: the schedule failed, the trail says how and a line that replays
 * it was printed; -ESTALE: opts->replay belongs to another program; -EINVAL: opts; -EBUSY: another thread simulates;
 * -EPERM: inside a simulation; -ENOMEM. Since 0.1. */
#define rein_sim_run(opts, fn, arg) rein_sim_run_at(REIN_HERE, opts, fn, arg)
REIN_API int rein_sim_run_at(const char *place, const rein_sim_opts *opts, rein_fn fn, void *arg);

/* Run fn(arg) under opts->schedules schedules, until one fails; that one is made as short as can be, with as few
 * preemptions, printed, and returned. Every 16th schedule is run twice and must be the same. With REIN_SIM_REPLAY in
 * the environment ("name:trace", as printed; not in a set-user-id program) a simulation of this name runs that
 * schedule only. REIN_SIM_SCHEDULES and REIN_SIM_SEED override the options' fields.
 * Blocks: as rein_sim_run. Any thread, one simulation at a time. Returns: 0: all passed; else as rein_sim_run.
 * Since 0.1. */
#define rein_sim_explore(opts, fn, arg) rein_sim_explore_at(REIN_HERE, opts, fn, arg)
REIN_API int rein_sim_explore_at(const char *place, const rein_sim_opts *opts, rein_fn fn, void *arg);

/* Is the calling code inside a simulation? Blocks: no. Any thread. Returns: true if so. Since 0.1. */
REIN_API bool rein_simulated(void);

/* Let another task go first here, if the schedule says so: between two accesses to what tasks share without rein's
 * help. Outside of a simulation it does nothing. Every public call of the library is such a point already. what: named
 * in the narration, lives for ever. Blocks: no. Any thread. Since 0.1. */
REIN_API void rein_sim_point(const char *what);

/* Let the schedule choose one of 0..n-1; n 0 counts as 1. Blocks: no. Any thread. Returns: the number: 0 in the
 * plainest schedule, and outside of a simulation. Since 0.1. */
REIN_API uint32_t rein_sim_choose(uint32_t n);

/* End the schedule here as REIN_SIM_FAILED unless ok. Outside of a simulation a failed check aborts. It does not
 * return when it fails, and nothing on the stacks is unwound. Blocks: no. Any thread. Since 0.1. */
#define rein_sim_check(ok) rein_sim_check_at(REIN_HERE, (ok), #ok)
REIN_API void rein_sim_check_at(const char *place, bool ok, const char *text);

/* Make two descriptors in the simulation's memory, fds[0] to read from, fds[1] to write to, for rein_read, rein_write,
 * rein_wait_fd and rein_close; capacity bytes fit between them. rein_listen, rein_connect and rein_accept work there
 * too: names are not looked up, host and service together are the address.
 *
 * Datagrams too: rein_udp_bind and the others of rein/io.h. A socket bound to host NULL gets what is sent to its
 * service on any host. A socket holds 64; what comes then is lost, as in reality. Up to 65507 bytes.
 * Owns: both descriptors are the caller's: rein_close. Blocks: no. Any thread.
 * Returns: 0; -EPERM: outside of a simulation; -EINVAL: no fds, or capacity 0; -EMFILE; -ENOMEM. Since 0.1. */
REIN_API int rein_sim_pipe(int fds[2], size_t capacity);

/* Raise a signal for the waiters of rein_wait_signal in the simulation; it is kept when there are none. But a SIGINT
 * that nobody waits for cancels the function of a rein_run, the latest that was not interrupted yet.
 * Blocks: no. Any thread. Returns: 0; -EPERM: outside of a simulation; -EINVAL: no such signal; -ENOMEM. Since 0.1. */
REIN_API int rein_sim_raise(int signo);

/* Tell which schedule this is; which task of it. For a layer that brings other primitives into the simulation, as
 * rein_sim_layer and the calls below are (rein's own layer for pthreads is written on them). What a layer knows of an
 * object is worth nothing in the next schedule. Blocks: no. Any thread.
 * Returns: number: another number for each schedule of a process, 0 outside of a simulation; self: 0 for the main
 * task, the others have numbers in the order of their start, each one of its own. Since 0.1. */
REIN_API uint64_t rein_sim_number(void);
REIN_API uint32_t rein_sim_self(void);

/* Give every task the program's thread-local variables for itself. To be called once, before any simulation: from then
 * on the main task begins with those of the thread that simulates, all others with their initial values. Those of
 * shared libraries stay one for all. And task_ends (may be NULL) is called in every task that ends, but the main one.
 * Blocks: no. Any thread.
 * Returns: 0; -ENOTSUP: thread-locals stay one for all, as under the thread sanitizer and in a program linked
 * statically with its C library, and task_ends is called nevertheless; -EPERM: inside a simulation. Since 0.1. */
REIN_API int rein_sim_layer(void (*task_ends)(void));

/* Start a task like a thread: main(arg) runs until it returns. Blocks: no. Any task of the simulation.
 * Returns: 0; -EAGAIN: 64 are there at once, or by REIN_SIM_THREAD; -EPERM: outside of a simulation. Since 0.1. */
REIN_API int rein_sim_start(const char *name, void (*main)(void *), void *arg);

/* Sleep until rein_sim_wake names the same address, or `until`. Only the address counts, not what lies there. what:
 * for the report of a deadlock; lives for ever.
 * Blocks: until then. Any task of the simulation.
 * Returns: 0, also early with REIN_SIM_SPURIOUS; REIN_ETIMEOUT; -EINTR: poked, as by a hook region with REIN_POKE;
 * -EPERM: outside of a simulation. Since 0.1. */
REIN_API int rein_sim_sleep_on(const void *address, const char *what, rein_time until);

/* Wake tasks that sleep at this address, the longest asleep first. Blocks: no. Any task of the simulation.
 * Returns: how many were woken; -EPERM: outside of a simulation. Since 0.1. */
REIN_API int rein_sim_wake(const void *address, unsigned how_many);

/* End the schedule as REIN_SIM_MISUSE: the calling task was about to do what cannot be simulated, which `what` says.
 * Does not return. Blocks: no. Any task of the simulation.
 * Returns: -EPERM: outside of a simulation, where nothing happens. Since 0.1. */
REIN_API int rein_sim_refuse(const char *what);

/* Stand for foreign code that blocks until the poke or the clock: what a hook region with REIN_POKE is for. Blocks:
 * until then. Any task of the simulation.
 * Returns: 0 at `until`; -EINTR: poked; -EPERM: outside of a simulation. Since 0.1. */
REIN_API int rein_sim_block(rein_time until);

#ifdef __cplusplus
}
#endif
#endif
