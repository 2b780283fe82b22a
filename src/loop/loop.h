/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: an executor whose jobs are coroutines of one thread.
 *
 * Who may touch what. The thread that turns the loop owns ready, idle, timers, waiters, the poller and every fiber but
 * its door. Any thread may post: a job into the inbox (the executor's lock), a fiber that was parked into the mail (a
 * lock-free stack, because an unpark may come from a signal handler).
 *
 * A fiber's door word, for a coroutine:
 *      EMPTY    no permit
 *      PERMIT   the next park returns at once; or it was parked, and is on its way to run
 *      ASLEEP   parked
 * Only the owner goes to EMPTY and ASLEEP. Whoever takes it from ASLEEP to PERMIT puts it in the mail (or, being the
 * loop itself, among the ready), nobody else does: so a fiber is in one list at most, and its links are embedded.
 *
 * Sleeping: the loop sets `asleep`, looks at mail and inbox once more, and sleeps in the poller. Who posts looks at
 * `asleep` afterwards, and whoever takes it down rings: one system call for a sleep that ends, none otherwise.
 *
 * Between its push and its ring a poster may be overtaken by the loop's end; `posters` counts those in between, and the
 * loop's memory is not given back before they are out. */
#ifndef RN_LOOP_LOOP_H
#define RN_LOOP_LOOP_H

#include "core/executor.h"
#include "core/task.h"
#include "coro/coro.h"

typedef struct rn_loop rn_loop;

typedef struct rn_fiber {
        rn_task task; /* first: in a slab of fibers */
        rn_coro coro;
        rn_loop *loop;
        rein_work *work; /* NULL: idle */
        rn_aptr next;    /* in the mail */
        rn_link ready;   /* among the ready, or the idle */
        rn_heap_node timer;
        int64_t at;
        rn_link by_fd; /* while it waits for a descriptor */
        int fd, events, got;
} rn_fiber;

enum { RN_LOOP_BUCKETS = 256 };

struct rn_loop {
        rein_executor base;
        size_t stack_size;
        bool hosted;            /* turned by who made it, not by a thread of its own */
        rein_executor *offload; /* for rein_to_thread; made at the first one */
        bool offload_is_mine;

        rn_link inbox; /* works; base.lock, as the next */
        bool running;  /* its own thread is there */

        rn_a32 jobs; /* in the inbox */
        rn_aptr mail;
        rn_a32 asleep, posters;
        rn_a32 busy; /* fibers with work */

        rn_poller *poller;
        rn_coro host;
        rn_task *thread;
        rn_link ready, idle;
        size_t idle_count;
        rn_heap timers;
        rn_link waiters[RN_LOOP_BUCKETS]; /* by descriptor */
        rn_fiber *current;
        unsigned rounds;
};

/* fiber.c: [owner] all, but rn_fiber_wake_all's mail may come from anywhere. */
rn_fiber *rn_fiber_of(rn_task *t);             /* NULL: not a coroutine */
bool rn_fiber_run(rn_loop *l, rein_work *w);   /* until it parks or has ended; false: no memory for it */
void rn_fiber_resume(rn_loop *l, rn_fiber *f); /* until it parks or has ended */
void rn_fibers_collect(rn_loop *l);            /* the mail becomes ready */
void rn_fibers_fire(rn_loop *l, int64_t now);  /* whose time has come becomes ready */
void rn_fibers_told(rn_loop *l, int fd, int events);
int64_t rn_fibers_next_timer(const rn_loop *l);
void rn_fibers_free_idle(rn_loop *l);
void rn_loop_ring(rn_loop *l); /* any thread, after a post */

#endif
