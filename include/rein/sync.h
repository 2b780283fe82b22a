/* SPDX-License-Identifier: Apache-2.0 */
/* Objects for tasks of every kind: mutex, condition, semaphore, event, barrier, channel; and rein_select. A thread, a
 * job of a pool and a coroutine of a loop may stand in the same line; a coroutine that waits lets its loop go on.
 *
 * What holds for all of them. Lines are first come, first served, and no task overtakes: one that comes while others
 * wait stands behind them, and what becomes free is handed to the first, which has it before it wakes. Calls that may
 * block take `until` (REIN_NOWAIT: try) and look at the scope at entry. A task that is cancelled or out of time while
 * it waits leaves the line, and the turn is the next one's; but if it was given what it waited for at the same moment,
 * it has it, the call succeeds, and the cancel is told by its next call. So nothing is lost in between. The other
 * calls never block, need no memory and do not look at the scope: a cancelled job can unlock, release, set and close.
 *
 * Every new returns NULL when it fails, and the trail says why: -ENOMEM or -EINVAL. Every free takes NULL. A task that
 * was let through may still be on its way out of its call, so that the caller that set an event, closed a channel or
 * came last to a barrier may free it at once; and one that was let through may free it as well. While a task still
 * waits (or, of a mutex, holds it) the object is not freed: a line on stderr says how many wait, the trail has -EBUSY,
 * nothing has changed, and it can be freed later. No call may begin when free has begun.
 *
 * Every call may return -EINVAL (an object is NULL) and -EPERM (it is from before a fork); a blocking one also
 * -ENOMEM, in a thread that cannot become a task.
 *
 * The permits of a pool know nothing of these objects: jobs that wait here for other jobs of the same pool need as
 * many threads as there are jobs (futures in rein_select do lend the permit). */
#ifndef REIN_SYNC_H
#define REIN_SYNC_H

#include <rein/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- mutex: one task at a time ---- */

typedef struct rein_mutex rein_mutex;

/* Make a mutex, unlocked. Blocks: no. Any thread. Returns: the mutex; NULL: the trail says why (-ENOMEM). Since 0.1. */
REIN_API rein_mutex *rein_mutex_new(void);
/* Free a mutex. The caller may hold it. Refused, as said above, while another task holds it or waits for it, also at a
 * condition. Blocks: no. Any thread. Since 0.1. */
REIN_API void rein_mutex_free(rein_mutex *m);

/* Lock a mutex. A job that ends while it holds the mutex fails with -EPROTO, which says where it was locked; the next
 * task that waits then has the mutex, as when a thread ends. What it guards may be half done.
 * Blocks: until the caller has it, `until`, or a cancel. Any thread.
 * Returns: 0; REIN_ETIMEOUT; REIN_ECANCELED; REIN_EDEADLOCK: the calling task holds it already (the trail says where
 * it was locked), or holders of mutexes without limit on their waits wait for each other in a circle. Since 0.1. */
#define rein_mutex_lock(m, until) rein_mutex_lock_at(REIN_HERE, m, until)
REIN_API int rein_mutex_lock_at(const char *place, rein_mutex *m, rein_time until);

/* Unlock a mutex: hand it to the first task that waits. [owner]: the task that locked it. Blocks: no.
 * Returns: 0; -EPERM: nobody, or another task, holds it, and nothing changed. Since 0.1. */
REIN_API int rein_mutex_unlock(rein_mutex *m);

/* ---- condition: wait, outside of a mutex, for what others do inside ---- */

typedef struct rein_cond rein_cond;

/* Make a condition of what m guards; free it. m must outlive it. Blocks: no. Any thread. Returns: the condition; NULL:
 * the trail says why (-ENOMEM; -EINVAL: m is NULL; -EPERM: m is from before a fork(2)). Since 0.1. */
REIN_API rein_cond *rein_cond_new(rein_mutex *m);
REIN_API void rein_cond_free(rein_cond *c);

/* Wait for a signal: unlock the mutex, wait, lock it again; it is held again whatever is returned. Others may have
 * been inside since the signal: wait in a loop that looks at what one waits for.
 * Blocks: until signalled, `until`, or a cancel; and then, past both, until the mutex is free. [owner]: the task that
 * locked the mutex.
 * Returns: 0: signalled; REIN_ETIMEOUT; REIN_ECANCELED; -EPERM: the caller does not hold the mutex. Since 0.1. */
REIN_API int rein_cond_wait(rein_cond *c, rein_time until);

/* Signal the task that has waited longest; signal all that wait: they stand in the line of the mutex from now on. With
 * or without the mutex locked. Blocks: no. Any thread. Returns: how many were waiting. Since 0.1. */
REIN_API int rein_cond_signal(rein_cond *c);
REIN_API int rein_cond_broadcast(rein_cond *c);

/* ---- semaphore: a number of units; the limit of how many may at once ---- */

typedef struct rein_sem rein_sem;

/* Make a semaphore of so many free units; free it. Blocks: no. Any thread. Returns: the semaphore; NULL: the trail
 * says why (-ENOMEM). Since 0.1. */
REIN_API rein_sem *rein_sem_new(size_t units);
REIN_API void rein_sem_free(rein_sem *s);

/* Take k units of a semaphore, all together. A task that wants many is not overtaken by one that wants few.
 * Blocks: until the caller has them, `until`, or a cancel. Any thread.
 * Returns: 0; REIN_ETIMEOUT; REIN_ECANCELED; -EINVAL: k is 0. Since 0.1. */
REIN_API int rein_sem_acquire(rein_sem *s, size_t k, rein_time until);

/* Give k units back to a semaphore, or add them: it does not matter which task took them. Blocks: no. Any thread.
 * Returns: 0; -EOVERFLOW: more than SIZE_MAX would be free, and nothing changed. Since 0.1. */
REIN_API int rein_sem_release(rein_sem *s, size_t k);

/* ---- event: has it happened? ---- */

typedef struct rein_event rein_event;

/* Make an event that is clear; free it. Blocks: no. Any thread. Returns: the event; NULL: the trail says why
 * (-ENOMEM). Since 0.1. */
REIN_API rein_event *rein_event_new(void);
REIN_API void rein_event_free(rein_event *e);

/* Set an event; clear an event. While it is set, each task that waits or comes goes on. Those that wait when it is set
 * go on even if it is cleared before they wake. Blocks: no. Any thread. Returns: 0. Since 0.1. */
REIN_API int rein_event_set(rein_event *e);
REIN_API int rein_event_clear(rein_event *e);

/* Wait until an event is set. Blocks: while it is clear, until `until`, or a cancel. Any thread.
 * Returns: 0: it is set, or was while the caller waited; REIN_ETIMEOUT; REIN_ECANCELED. Since 0.1. */
REIN_API int rein_event_wait(rein_event *e, rein_time until);

/* ---- barrier: no party goes on before all have come ---- */

typedef struct rein_barrier rein_barrier;

/* Make a barrier for so many parties, 1 or more; free it. Blocks: no. Any thread. Returns: the barrier; NULL: the
 * trail says why (-ENOMEM; -EINVAL: no parties). Since 0.1. */
REIN_API rein_barrier *rein_barrier_new(size_t parties);
REIN_API void rein_barrier_free(rein_barrier *b);

/* Come to a barrier, and wait for the other parties; with the last to come the barrier begins anew. A party that
 * leaves without the others (also one that came cancelled) breaks it: those that wait leave, those that come later do
 * not wait, until a reset.
 * Blocks: until all have come, `until`, or a cancel. Any thread.
 * Returns: 1 to the last that came, 0 to the others; REIN_ETIMEOUT, REIN_ECANCELED: the caller broke it; REIN_EBROKEN:
 * another party did, or it was reset while the caller waited. Since 0.1. */
REIN_API int rein_barrier_arrive(rein_barrier *b, rein_time until);

/* Make a barrier whole, and empty: those that wait leave with REIN_EBROKEN. Blocks: no. Any thread. Returns: 0.
 * Since 0.1. */
REIN_API int rein_barrier_reset(rein_barrier *b);

/* ---- channel: items of fixed size, copied in and out, in the order of the sends ---- */

typedef struct rein_chan rein_chan;

/* Make a channel. capacity: how many items fit between senders and receivers; 0: none, each send meets a receive.
 * release: called by rein_chan_free for each item left over, without a lock; may be NULL. Large things are sent by
 * pointer: items are copied while the channel is locked. Blocks: no. Any thread. Returns: the channel; NULL: the trail
 * says why (-ENOMEM; -EINVAL: item_size is 0). Since 0.1. */
REIN_API rein_chan *rein_chan_new(size_t item_size, size_t capacity, void (*release)(void *item));

/* Send an item into a channel.
 * Owns: the item is the channel's, or the receiver's, exactly if 0 is returned. Blocks: until there is room (capacity
 * 0: until it is received), a close, `until`, or a cancel. Any thread.
 * Returns: 0; -EPIPE: the channel is closed; REIN_ETIMEOUT; REIN_ECANCELED. Since 0.1. */
REIN_API int rein_chan_send(rein_chan *c, const void *item, rein_time until);

/* Receive the next item of a channel.
 * Owns: the item is the caller's exactly if 1 is returned. Blocks: until there is one, a close, `until`, or a cancel.
 * Any thread.
 * Returns: 1; 0: closed, and nothing is left in it; REIN_ETIMEOUT; REIN_ECANCELED. Since 0.1. */
REIN_API int rein_chan_recv(rein_chan *c, void *item, rein_time until);

/* Close a channel when the last job that sends to it is gone; at once, when there is none. Those are the jobs that
 * were submitted with .sends = c, however they end: one that fails, is cancelled, is refused or never runs counts as
 * one that has returned. Call it when all of them have been submitted, and you send no more yourself: before it, the
 * channel stays open although no such job is left. A job with .sends = c may submit others also later. Twice is once.
 * Blocks: no. Any thread. Since 0.1. */
REIN_API void rein_chan_finish(rein_chan *c);

/* Close a channel: senders that wait leave with -EPIPE, and so do later ones; receivers get what is left. Twice is
 * once. Blocks: no. Any thread. Since 0.1. */
REIN_API void rein_chan_close(rein_chan *c);
/* Free a channel, and release the items that are left. Refused, as said above, while a task waits for it, and while a
 * job that sends to it is not gone. Blocks: no. Any thread. Since 0.1. */
REIN_API void rein_chan_free(rein_chan *c);

/* ---- select: the first of several that can happen, and no other ---- */

enum {
        REIN_CASE_NONE, /* never happens: a case left out for the moment */
        REIN_CASE_SETTLED,
        REIN_CASE_RECV,
        REIN_CASE_SEND,
        REIN_CASE_FD,
        REIN_CASE_TIME
};

/* One of the things that rein_select waits for. Made by the macros below. */
typedef struct rein_case {
        int kind;
        int result; /* out: of the case that happened, what the call that does it alone returns */
        rein_future *future;
        rein_chan *chan;
        void *to;         /* where a received item goes */
        const void *item; /* what is sent */
        int fd, events;
        rein_time at;
        uint64_t reserved[2];
} rein_case;

/* Make a case of rein_select, for an array of them: rein_case cases[] = {REIN_ON_RECV(lines, &line),
 * REIN_ON_TIME(rein_after(REIN_SEC(1)))}; result: SETTLED 0; RECV 1, or 0: closed and empty; SEND 0, or -EPIPE; FD the
 * events, or -EBADF; TIME 0. */
#define REIN_ON_SETTLED(f)                                                                                             \
        {                                                                                                              \
                .kind = REIN_CASE_SETTLED, .future = (f)                                                               \
        }
#define REIN_ON_RECV(c, where)                                                                                         \
        {                                                                                                              \
                .kind = REIN_CASE_RECV, .chan = (c), .to = (where)                                                     \
        }
#define REIN_ON_SEND(c, what)                                                                                          \
        {                                                                                                              \
                .kind = REIN_CASE_SEND, .chan = (c), .item = (what)                                                    \
        }
#define REIN_ON_FD(d, wanted)                                                                                          \
        {                                                                                                              \
                .kind = REIN_CASE_FD, .fd = (d), .events = (wanted)                                                    \
        }
#define REIN_ON_TIME(when)                                                                                             \
        {                                                                                                              \
                .kind = REIN_CASE_TIME, .at = (when)                                                                   \
        }

/* Wait until one of the cases can happen, and do that one: exactly one, or none when a negative code is returned. The
 * same channel or descriptor may stand in several. In each channel's line the caller stands like everybody else. When
 * several can happen at entry it is the lowest index, but descriptors are asked last: put what matters most first.
 * Blocks: until then, `until`, or a cancel. Needs memory for more than 8 cases, and no
 * descriptor. Any thread.
 * Returns: the index of the case; REIN_ETIMEOUT; REIN_ECANCELED; -EINVAL, -EPERM: a case, none happened; -E2BIG:
 * reserved is not 0; -ENOMEM. Since 0.1. */
REIN_API int rein_select(rein_case cases[], size_t n, rein_time until);

#ifdef __cplusplus
}
#endif
#endif
