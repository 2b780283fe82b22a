/* SPDX-License-Identifier: Apache-2.0 */
/* The door: where a task sleeps. One per task, with one sticky ring: an unpark before the park is not lost, two are
 * one. Every park may end for no reason; who parks loops on its own condition.
 *
 * States of the word, for a task that is a thread:
 *      EMPTY    not rung, nobody sleeps
 *      RUNG     the next park returns at once
 *      ASLEEP   the owner sleeps on the word
 *      POLLING  the owner sleeps in poll on its descriptors and its wake descriptor
 *      RINGING  an unparker is about to write to the wake descriptor; the owner does not leave before it has
 * A thread that gets no wake descriptor now is ASLEEP a few milliseconds at a time, and looks at its descriptors in between.
 * Only the owner goes to EMPTY, ASLEEP and POLLING; unparkers go to RUNG and RINGING, always by a read-modify-write,
 * so that what they stored before is seen by whoever takes the ring. */
#ifndef RN_CORE_DOOR_H
#define RN_CORE_DOOR_H

#include "core/list.h"
#include "plat/plat.h"

struct rn_task;

typedef struct rn_door {
        rn_a32 word;
        int wake; /* descriptor + 1; 0: not made yet */
} rn_door;

/* A descriptor that a task waits for, on the stack of that task. What one wait is for is a list, by polled.next; the same
 * descriptor may be there more than once. The rest is the backend's, from the begin of the wait to its end. */
typedef struct rn_awaited {
        rn_polled polled; /* first */
        rn_link by_fd;
        struct rn_task *task;
} rn_awaited;

static inline rn_awaited *rn_awaited_next(const rn_awaited *a)
{
        return (rn_awaited *)(void *)a->polled.next;
}

/* How a kind of task sleeps. It belongs to the task, not to the process: threads, coroutines and simulated tasks live
 * side by side. */
typedef struct rn_backend {
        bool thread; /* it stands for a thread: what blocks it, blocks nobody else */
        void (*park)(struct rn_task *self, int64_t until);
        /* Any thread, also in a signal handler; allocates nothing. true: t slept, and a system call was made to wake it. */
        bool (*unpark)(struct rn_task *t);
        /* Wait until one of the descriptors (NULL: none) got something, or for an unpark. Returns: how many got something;
         * 0: anything else; -errno. */
        int (*poll)(struct rn_task *self, rn_awaited *all, int64_t until);
        void (*close)(struct rn_task *self); /* the task ends */
        /* NULL, or: let the others of this thread go first, once. spent: self has used up its stretch, so much time has
         * passed that the loop soon looks at its descriptors too. */
        void (*yield)(struct rn_task *self, bool spent);
        /* NULL, or: self is about to wait for something from elsewhere. warm: it is being worked on (spin.h). */
        void (*expects)(struct rn_task *self, bool warm);
        /* NULL, or: fd, which t waits for, is about to be closed by the calling thread; t is in its wait. */
        void (*forget)(struct rn_task *t, int fd);
        /* NULL: this task may block its thread. Else it may not: run fn there, wait here until it is gone, as rein_on. */
        int (*offload)(struct rn_task *self, const char *name, int (*fn)(void *), void *arg);
} rn_backend;

const rn_backend *rn_thread_backend(void); /* of the threads of this world */

#endif
