/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: an executor whose jobs are coroutines of one thread.
 *
 * Which thread may touch what. The thread that turns the loop owns ready, idle, timers, waiters, the poller and every fiber but
 * its door. Any thread may post: a job into the inbox (the executor's lock), a fiber that was parked into the mail (a
 * lock-free stack, because an unpark may come from a signal handler).
 *
 * A fiber's door word, for a coroutine:
 *      EMPTY    not rung
 *      RUNG     the next park returns at once; or it was parked, and is on its way to run
 *      ASLEEP   parked
 * Only the owner goes to EMPTY and ASLEEP. Whoever takes it from ASLEEP to RUNG puts it in the mail (or, being the
 * loop itself, among the ready), nobody else does; one that yields puts itself among the ready, and is not ASLEEP. So a
 * fiber is in one list at most, and its links are embedded.
 *
 * Sleeping: the loop sets `asleep`, looks at mail, inbox and `news` once more, and sleeps in the poller. A thread that posts looks
 * at `asleep` afterwards, and whoever takes it down rings: one system call for a sleep that ends, none otherwise. `news`
 * is for those who turn the loop while they wait for something that is not the loop's doing: a stop, rein_run. A hosted
 * loop is asleep between two turns. When a coroutine has begun to wait for a job elsewhere, the loop may spin on mail and
 * inbox first (core/spin.h), with `asleep` down: who posts then has nobody to ring.
 *
 * Jobs are taken out of the inbox in bundles. One that is forbidden between that and its start is in no list; whoever
 * forbade it finishes it, and the loop, which cannot claim it any more, gives the run's reference back.
 *
 * Between its push and its ring a poster may be overtaken by the loop's end; `posters` counts those in between, and the
 * loop's memory is not given back before they are out.
 *
 * Files: loop.c is the executor and its turns; fiber.c the coroutines, their doors, timers and descriptors; wheel.c their
 * timers' times; guest.c the calls of a thread that hosts one; run.c rein_run and rein_to_thread; watch.c tells which job holds
 * the loop up; stacks.c whose stack was too small, how deep they all went, and who lets an exception out. */
#ifndef RN_LOOP_LOOP_H
#define RN_LOOP_LOOP_H

#include "core/executor.h"
#include "core/task.h"
#include "loop/wheel.h"
#include "coro/coro.h"

typedef struct rn_loop rn_loop;

typedef struct rn_fiber {
        rn_task task; /* first: in a slab of fibers */
        rn_coro coro;
        rn_loop *loop;
        rein_work *work; /* NULL: idle */
        rn_aptr next;    /* in the mail */
        rn_link ready;   /* among the ready, or the idle */
        rn_wheel_node timer;
        rn_awaited *awaited; /* descriptors that it waits for; NULL: none */
        bool larger;         /* a stack for a job that asked for it: not for the others */
} rn_fiber;

enum { RN_FIBER_EMPTY, RN_FIBER_RUNG, RN_FIBER_ASLEEP }; /* its door word */
enum { RN_LOOP_BUCKETS = 256 };
enum { RN_LOOP_AWAKE, RN_LOOP_RESTS, RN_LOOP_SLEEPS };

typedef struct rn_depths rn_depths;

/* Which job holds the loop up, told while it does (watch.c). Only with .slow_ns.
 *
 * `since` is when the coroutine that runs was resumed, doubled; 0: none runs. Storing it is all that a resume pays, when the
 * timer is armed; an idle loop arms none. The timer's callback looks at it on the clock thread; who was in there for too
 * long is told by the hand thread, since stderr may block. The hand pins it: `looking` up, then the lowest bit of `since`
 * by compare-and-swap. A resume that returns takes `since` down, and when it was pinned, waits until `looking` is down: so
 * what the hand looks at, work and stack, is there. */
typedef struct rn_stall {
        rn_a64 since;
        rn_a32 looking;
        rn_a32 armed;    /* the timer, which has a reference to the loop then, or its callback runs */
        rein_work *work; /* written before since, as the next */
        uint32_t thread_id;
        const void *stack_end;
        rn_timer timer;
        rn_errand errand;
        rn_lock lock;     /* what was told */
        int64_t last;     /* when */
        int64_t this_one; /* the `since` that was told of */
        unsigned untold;  /* since last */
} rn_stall;

struct rn_loop {
        rein_executor base;
        size_t stack_size;
        bool hosted;            /* turned by the thread that made it, not by one of its own */
        rein_executor *offload; /* for rein_to_thread; made at the first one */
        bool offload_is_mine;
        int64_t slow;       /* report who holds it up for so long; 0: nobody */
        bool slow_frames;   /* and ask its thread for frames by a signal */
        bool tell_overflow; /* explain a fault in the guard below a stack */
        rn_depths *depths;  /* how deep each function went; NULL: nobody wants to know */

        rn_link inbox; /* works; base.lock, as the next */
        bool running;  /* its own thread is there */

        rn_a32 jobs; /* in the inbox, or taken from it and about to be started */
        rn_aptr mail;
        rn_a32 asleep, posters;
        rn_a32 news;    /* look again at what is waited for */
        rn_a32 closing; /* a stop is under way */
        rn_a32 busy;    /* fibers with work; written by the thread that turns it */
        rn_a32 rings;   /* how many sleeps a poster has ended; for tests */

        rn_poller *poller;
        rn_coro thread_coro, *host; /* where its coroutines come back to; the first, but in a simulation */
        rn_task *thread;            /* who turns it; NULL: nobody has yet */
        uint32_t thread_generation;
        void *fault_stack; /* made for that thread */
        rn_link ready, idle;
        size_t idle_count, most_idle;
        rn_wheel timers;
        rn_link waiters[RN_LOOP_BUCKETS]; /* rn_awaited, by descriptor */
        size_t waiting;                   /* all of them */
        rn_fiber *current;
        uint32_t to_start; /* jobs taken from the inbox and not begun */
        int sure; /* that nothing was there when it went to sleep, or to rest between two turns: the look is over */
        bool expects, expects_soon; /* somebody has begun to wait for a job elsewhere; that runs by now */
        rn_spin spin;
        unsigned stretches; /* since it looked at the descriptors last */
        unsigned sleeps;    /* how often it may have slept; for tests */
        rn_stall stall;
};

/* loop.c: [owner] */
void rn_loop_wakes(rn_loop *l);               /* nobody needs to ring any more */
void rn_loop_turn(rn_loop *l, int64_t until); /* run who is ready; when nobody is, sleep until something comes */
void rn_loop_look(rn_loop *l, int64_t until); /* take from the poller what there is; sleep for it until then */
bool rn_loop_run_ready(rn_loop *l);           /* did anybody run? */
bool rn_loop_has_mail(const rn_loop *l);
rn_loop *rn_loop_of(rein_executor *x);           /* NULL: no loop */
int rn_loop_host(rn_loop *l, const char **what); /* the thread that calls turns it from now on */
bool rn_loop_mine(const rn_loop *l);             /* is this the thread that turns it, outside of its coroutines? */
bool rn_loop_here(const rn_loop *l);             /* or inside */
bool rn_loop_ring(rn_loop *l);                   /* any thread, after a post; true: it slept */

/* balance.c: NULL, or what does not add up. */
const char *rn_fiber_wrong(const rn_fiber *f);              /* [owner] */
const char *rn_fibers_wrong(const rn_loop *l);              /* [owner] */
const char *rn_inbox_wrong(const rn_loop *l, size_t *jobs); /* base.lock held; how many there are */
const char *rn_loop_wrong(const rein_executor *x); /* the same; in a simulation, where everybody rests, all of it */

/* Is it turned by the running thread, outside of its coroutines? For assertions: no scheduling point. */
static inline bool rn_loop_owned(const rn_loop *l)
{
        return l->thread && rn_self_word() == l->thread;
}

/* guest.c: [owner] from here on others turn it: the descriptor tells when. */
void rn_loop_rest(rn_loop *l);

/* fiber.c: [owner] */
rn_fiber *rn_fiber_of(rn_task *t);             /* NULL: not a coroutine */
bool rn_fiber_run(rn_loop *l, rein_work *w);   /* until it parks or has ended; false: no memory for it */
void rn_fiber_resume(rn_loop *l, rn_fiber *f); /* until it parks or has ended */
void rn_fibers_collect(rn_loop *l);            /* the mail becomes ready */
void rn_fibers_fire(rn_loop *l, int64_t now);  /* whose time has come becomes ready */
void rn_fibers_told(rn_loop *l, int fd, int events);
void rn_fibers_free_idle(rn_loop *l);
size_t rn_fibers_most_idle(size_t stack_size);

/* run.c */
int rn_fiber_offload(rn_task *self, const char *name, int (*fn)(void *), void *arg);

/* watch.c: [owner], with .slow_ns around each resume */
void rn_stall_init(rn_loop *l);
void rn_stall_begin(rn_loop *l, const rn_fiber *f);
void rn_stall_end(rn_loop *l); /* its work is still there */
void rn_stall_freed(rn_loop *l);

/* stacks.c: [owner] */
int rn_loop_watch_faults(rn_loop *l); /* on its thread */
void rn_loop_unwatch_faults(rn_loop *l);
void rn_loop_watch_throws(void);
rn_depths *rn_loop_depths_new(void);
void rn_loop_note_depth(rn_loop *l, const rein_work *w, const rn_stack *s);
void rn_loop_tell_depths(const rn_loop *l); /* once no job runs */

#endif
