/* SPDX-License-Identifier: Apache-2.0 */
/* The simulation of one thread's world. What calls what:
 *
 *      explore.c   the public calls: schedule after schedule, twice now and then; the report and its one line
 *      run.c       one schedule: a world is made, the program run, the end looked at
 *      schedule.c  tasks, the points at which they change over, virtual time
 *      tell.c      a step and a task in words
 *      generate.c  who is next and what goes wrong: random, PCT, depth-first, replay
 *      reduce.c    depth-first without what commutes: DPOR with sleep sets (exploring build)
 *      weak.c      loads that get an older store: the weak memory (exploring build)
 *      locals.c    the program's thread-locals, one set for every task
 *      machine.c   the machine of plat/machine.h: memory, clock, words, locks, threads
 *      net.c       its descriptors: pipes, connections, signals
 *      poller.c    waiting for many of them: what turns a loop
 *      trace.c     a schedule as text; shrink.c makes it short
 *
 * Everything belongs to the simulating thread; there is no lock. One simulation at a time: `rn_sim`, NULL when none. Its
 * own memory is the host's (rn_host_alloc): the simulated program's allocations are its own business.
 *
 * A task says what it will do next (its op), and whoever is scheduled does it and runs on to its next point. So between
 * two points a task is alone, and `enabled` is a question about ops. */
#ifndef RN_SIM_SIM_H
#define RN_SIM_SIM_H

#include "coro/coro.h"
#include "plat/plat.h"
#include "rein/sim.h"

enum { RN_SIM_FAULTS = 12 }; /* bits of rein_sim_opts.faults */
enum { RN_SIM_LOSS = 9, RN_SIM_REORDER, RN_SIM_TWICE };
extern const char rn_sim_letters[RN_SIM_FAULTS + 1]; /* of each, in rn_pick.about */

enum { RN_SIM_TASKS = 64, RN_SIM_BLOCKS = 64, RN_SIM_TEXT = 1024, RN_SIM_FD = 1 << 20, RN_SIM_FDS = 64 };

typedef enum rn_op_kind {
        RN_OP_START, /* begin */
        RN_OP_CALL,  /* a public call, rein_sim_point */
        RN_OP_READ,  /* an atomic of the exploring build */
        RN_OP_WRITE,
        RN_OP_UPDATE,
        RN_OP_ADD, /* an addition whose result nobody looks at: two of them commute */
        RN_OP_FREE,
        RN_OP_LOCK,  /* enabled while the lock is free */
        RN_OP_LOOK,  /* compare the word, then sleep on it */
        RN_OP_SLEEP, /* enabled when woken, poked, or at `until` */
        RN_OP_WAKE,
        RN_OP_POLL,  /* the same, or when its descriptor is ready */
        RN_OP_FD,    /* something is done to a descriptor */
        RN_OP_POKE,  /* as a signal does */
        RN_OP_PAUSE, /* enabled when another wrote what was read last; where that is not known: did something */
        RN_OP_CALM,  /* enabled when nobody else can go on */
        RN_OP_END,
        RN_OP_KINDS
} rn_op_kind;

typedef struct rn_op {
        rn_op_kind kind;
        const volatile void *at;
        size_t len;
        const char *what;          /* of a CALL */
        uint32_t whom;             /* of a POKE: the id of a task */
        const volatile void *also; /* one byte more, besides at and len; NULL: none */
        bool between;              /* in the middle of what is one step elsewhere: nobody asks whether records add up */
} rn_op;

typedef struct rn_sim_task {
        rn_coro coro, *at; /* where it stopped: in its own, or in a coroutine of the loop it turns */
        uint32_t id;       /* its place among the tasks, which another has had when it is a late one */
        uint32_t started;  /* how many were started before it: no other task of the schedule has this number */
        char name[16];
        void (*main)(void *);
        void *arg, *word;
        bool ended;
        rn_op op;
        bool woken, poked;
        int64_t until;
        uint64_t slept_at;    /* the first to sleep is the first woken */
        int fd;               /* of its FD or POLL, to be told */
        const rn_polled *all; /* of its POLL */
        int wake;
        uint64_t paused_at; /* progress then */
        bool unpaused;
        uint64_t slow_until;
        int64_t priority;
        uint32_t clock[RN_SIM_TASKS]; /* happens-before, for reduce.c */
} rn_sim_task;

/* ThreadSanitizer. The simulator is compiled without it, but what its functions call (memcpy, snprintf, free) is watched,
 * and would be called a race of the two tasks between which it works. So they call it in quiet. No switch inside.
 * True edges are: who spawns a task is before it, and every task is before the end of its schedule. */
extern void AnnotateIgnoreReadsBegin(const char *file, int line) __attribute__((weak));
extern void AnnotateIgnoreReadsEnd(const char *file, int line) __attribute__((weak));
extern void AnnotateIgnoreWritesBegin(const char *file, int line) __attribute__((weak));
extern void AnnotateIgnoreWritesEnd(const char *file, int line) __attribute__((weak));

static inline void rn_sim_quiet(void)
{
        if (!__tsan_release || !AnnotateIgnoreReadsBegin || !AnnotateIgnoreWritesBegin)
                return;
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}

static inline void rn_sim_loud(void)
{
        if (!__tsan_release || !AnnotateIgnoreReadsEnd || !AnnotateIgnoreWritesEnd)
                return;
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

/* One entry of a schedule: the pick of n, and what it was about: 's' who goes on, 'c' does the clock go first, 'w' which
 * store is seen, 'u' rein_sim_choose, otherwise the letter of a fault. */
typedef struct rn_pick {
        uint32_t n, pick;
        char about;
} rn_pick;

typedef struct rn_path {
        rn_pick *picks;
        size_t count, room;
} rn_path;

typedef struct rn_reduction rn_reduction;
typedef struct rn_weak rn_weak;

typedef struct rn_sim_plan {
        uint32_t generator; /* REIN_SIM_RANDOM, ..., or: */
        uint64_t seed;
        uint32_t depth;
        int64_t bound; /* of preemptions; -1: none */
        uint32_t max_steps, faults, one_in;
        size_t stack_size;
        uint64_t length;         /* PCT: decisions of the longest schedule so far */
        bool tell;               /* narrate on stderr */
        bool ask_each;           /* after each step: do the library's records add up? */
        bool observe;            /* exploring build: atomics are points */
        bool word_locks;         /* exploring build: an rn_lock is the steps of its words, not one op */
        bool tells;              /* exploring build: rn_tell is a point too */
        bool after;              /* exploring build: a point also after each store, and after each lock given */
        bool slabs;              /* exploring build: which record of a slab a task gets is explored too */
        uint32_t most_surprises; /* 'c' and faults, in one schedule; 0: no limit */
        bool weak;               /* exploring build: loads may get older stores */
        memory_order order; /* what the weak memory takes for sequentially consistent; RELAXED: as the code has it */
        rn_reduction *reduction; /* depth-first by it; NULL: by `generator` */
} rn_sim_plan;

enum { RN_SIM_REPLAY = 100 };

typedef struct rn_sim_result {
        int ended; /* REIN_SIM_PASSED... */
        int code;  /* what the program returned */
        uint64_t steps, preemptions, decisions, hash;
        bool redundant; /* DPOR: cut short, nothing new in it */
        bool wrong;     /* it failed, since a record of the library did not add up */
        bool waits;     /* outside of what is quiet there was a wait that could have ended for no reason */
        bool timed;     /* and a sleep with a limit */
        char text[RN_SIM_TEXT];
} rn_sim_result;

struct rn_block;
struct rn_sim_poller;
struct rn_task;

typedef struct rn_sim_state {
        rn_machine machine;
        const rn_sim_plan *plan;
        rn_sim_result *result;
        rn_path *path; /* the schedule: given up to `given`, then written */
        size_t given, at;
        bool over, deciding;
        bool quiet; /* exploring build: nothing is a step, nothing goes wrong; the task that runs goes on while it can */
        rn_sim_task *starter; /* a new task runs to its first point; this one goes on then */
        rn_coro host;
        rn_sim_task *tasks[RN_SIM_TASKS];
        uint32_t count, started;
        rn_sim_task *running;
        int64_t now;
        uint64_t progress, random, numbers, queue, idle_jumps, last_jumps, quiet_turns, surprises;
        uint64_t change_at[8]; /* PCT */
        uint32_t lowest;
        struct rn_block *blocks, *freed;
        struct rn_owed *owed;
        size_t owed_room;
        struct rn_files *files;
        rn_interruptible *interruptible; /* whom a SIGINT cancels */
        rn_reduction *reduction;
        rn_weak *weak;
        const char *place;
} rn_sim_state;

extern rn_sim_state *rn_sim;

/* run.c. fn runs as task 0. path holds the given part, and the whole schedule afterwards. -ENOMEM, -EBUSY. */
typedef struct rn_program {
        rein_fn fn;
        void *arg;
        const char *name;
        int (*check)(void *arg); /* after everybody ended, outside of every task; NULL: none */
} rn_program;
int rn_sim_once(const rn_sim_plan *plan, const rn_program *program, rn_path *path, rn_sim_result *result);

/* schedule.c */
void rn_sim_op(rn_op op);                    /* the running task's next op; returns when it is its turn to do it */
bool rn_sim_at_rest(const rn_sim_task *but); /* nobody but this one is in the middle of a step */
void rn_sim_after(void);                     /* a point after something is done, when the plan wants it */
int rn_sim_spawn(const char *name, void (*main)(void *), void *arg); /* id, -EAGAIN */
void rn_sim_go(void);                                                /* from the host: run until it is over */
void rn_sim_over(int ended, const char *fmt, ...) REIN_PRINTF(2, 3);
_Noreturn void rn_sim_stop(void); /* the running task: back to the host, for ever */
bool rn_sim_ready(rn_sim_task *t);
void rn_sim_look(void);            /* do the library's records add up? */
void rn_sim_calm(bool quiet_then); /* exploring build: the running task waits until nobody else can go on */
rn_coro *rn_sim_here(void);        /* of the running task: what it runs in now */
const char *rn_sim_task_name(const rn_sim_task *t);
void rn_sim_tasks_free(void); /* the cached coroutines */

/* explore.c */
void rn_sim_let_go(
        void); /* for tests, between schedules: what is kept for the next one is given back, and the last trace */

/* tell.c */
const char *rn_sim_op_name(rn_op_kind k);
void rn_sim_describe(const rn_sim_task *t, char *text, size_t n);
void rn_sim_describe_coroutine(struct rn_task *task, char *text, size_t n); /* that is not running; it has a job */
void rn_sim_tell(const rn_sim_task *t, bool preempted);

/* generate.c */
uint32_t rn_sim_pick(uint32_t n, char about, bool current_first);
uint32_t rn_sim_next(rn_sim_task *const *ready, uint32_t n, bool current_first);
void rn_sim_born(rn_sim_task *t);
void rn_sim_spins(rn_sim_task *t); /* it is about to wait until something changes */
void rn_sim_generator_begin(void);
bool rn_path_next(rn_path *path); /* depth-first: the next one; false: that was the last */
int rn_path_add(rn_path *path, rn_pick p);
void rn_path_free(rn_path *path);
uint64_t rn_sim_random(uint64_t *state);

/* machine.c */
void rn_sim_machine(rn_machine *m);
size_t rn_sim_memory_left(size_t *bytes); /* blocks never given back, the kept ones apart */
void rn_sim_memory_free(void);
bool rn_sim_freed(const volatile void *at);
bool rn_sim_commutes(const volatile void *lock); /* a slab's: who is first does not matter */
uint32_t rn_sim_fault(uint32_t n, int kind);     /* an rn_choice, or one of the simulation's own */
size_t rn_sim_owed(void);                        /* values with a function to release them that rein still has */
uint32_t rn_sim_wake(const volatile void *address, uint32_t how_many);

/* locals.c. The second before the switch of stacks and of rein's word, NULL is the host; the last when a task ends. */
int rn_sim_locals_begin(void); /* -ENOMEM */
void rn_sim_locals_switch(const rn_sim_task *from, const rn_sim_task *to);
void rn_sim_locals_born(const rn_sim_task *t);
void rn_sim_locals_end(void);
void rn_sim_locals_free(void); /* the room that is kept for them */

/* net.c */
void rn_sim_net(rn_machine *m);
bool rn_sim_fd_ready(const rn_sim_task *t);
int64_t rn_sim_fd_due(const rn_sim_task *t);              /* when time alone makes one ready: the alarm of a poller */
uint64_t rn_sim_fd_serial(int fd);                        /* of the file that has this number; 0: none */
int rn_sim_fd_events(int fd, int events, unsigned depth); /* of those that are there */
void rn_sim_point_at(int fd, const volatile void *at);
int rn_sim_fd_of_poller(struct rn_sim_poller *p); /* a number for it; -EMFILE, -ENOMEM */
size_t rn_sim_files_open(void);
void rn_sim_files_free(void);

/* datagram.c: what a datagram socket has, and net.c's part of it. Box i is the next one from *i on; NULL: no more. */
typedef struct rn_sim_box rn_sim_box;
enum { RN_SIM_ADDRESS = 120 };
void rn_sim_datagrams(rn_machine *m);
void rn_sim_box_free(rn_sim_box *b);
bool rn_sim_box_ready(const rn_sim_box *b);
int64_t rn_sim_receive(int fd, void *buf, size_t n); /* as read(2) and write(2) of such a socket */
int64_t rn_sim_send(int fd, const void *buf, size_t n);
int rn_sim_box_open(rn_sim_box *b); /* the descriptor; -EMFILE, -ENOMEM: b stays the caller's */
rn_sim_box *rn_sim_box_of(int fd);
rn_sim_box *rn_sim_box_next(int *i);
void rn_sim_net_port(char *text, size_t n, const char *host);
void rn_sim_fd_point(int fd);
/* poller.c. A poller has a number among the descriptors, and polls readable when it would find something. `depth`: of the
 * pollers that are watched by pollers. */
void rn_sim_pollers(rn_machine *m);
bool rn_sim_poller_ready(const struct rn_sim_poller *p, unsigned depth);
int64_t rn_sim_poller_due(const struct rn_sim_poller *p);

/* trace.c */
char *rn_trace_print(const rn_path *path, uint32_t flags); /* rn_host_free it; NULL: no memory */
bool rn_trace_write(const rn_path *path, uint32_t flags, char *text, size_t room); /* false: too long; no allocation */
int rn_trace_parse(const char *text, rn_path *path, uint32_t *flags, uint64_t *digest, uint64_t *count);
uint64_t rn_trace_digest(const rn_path *path);

/* shrink.c. plan->faults loses those that it fails without. */
void rn_sim_shrink(rn_sim_plan *plan, const rn_program *program, rn_path *path, rn_sim_result *result);

/* reduce.c. One reduction for all the schedules of a search; rn_reduction_next: there is another one. */
int rn_reduction_begin(rn_reduction **r);
void rn_reduction_free(rn_reduction *r);
bool rn_reduction_next(rn_reduction *r);
void rn_reduction_begin_run(rn_reduction *r);
uint32_t rn_reduction_pick(rn_sim_task *const *ready, uint32_t n); /* UINT32_MAX: redundant */
void rn_reduction_stepped(rn_sim_task *t);
void rn_reduction_gave(const volatile void *lock);
void rn_reduction_calm(void); /* nobody could go on, and somebody does now */

/* weak.c. The two in the middle are for code under test that says its orders itself: after a point, in place of the
 * value that an atomic operation got, and with the one it wrote. */
void rn_observe_begin(void);
void rn_observe_end(void);
uint64_t rn_weak_load(const volatile void *where, uint64_t newest, memory_order order, bool update);
void rn_weak_store(const volatile void *where, uint64_t old, uint64_t value, memory_order order, bool update);
void rn_weak_lock(const volatile void *lock, bool taken);
void rn_weak_gives_back(const void *p, size_t n); /* the running task gives this memory back */
int rn_weak_begin(void);
void rn_weak_free(void);                           /* the memory that is kept for the next schedule */
void rn_weak_born(const rn_sim_task *t);           /* it knows what the running task knows */
void rn_weak_unpaused(const volatile void *where); /* who spins sees a store in the end */
void rn_weak_calm(void);                           /* everybody knows everything */

#endif
