/* SPDX-License-Identifier: Apache-2.0 */
/* The layer that brings a program's plain pthread calls into the simulation: librein_sim_pthread.a, a library of its own
 * over the public calls of rein/sim.h. The linker's --wrap=f turns every f of the program into __wrap_f here; WRAP(f)
 * declares that and __real_f, and cmake/sim_pthread.cmake makes the linker's options of these lines.
 *
 * Outside of a simulation every wrapper is the real function and nothing else. Inside, the bytes of a mutex (or any other
 * object) are not touched: what it is in this schedule stands in a table, by its address, and is forgotten when the next
 * schedule begins. An object that was not seen yet is as its initializer left it: free, and empty.
 *
 * All of it belongs to the simulating thread, and between two points of the schedule a task is alone; so there is no
 * lock. It is compiled without sanitizers: their own runtimes call what is wrapped, some before they are ready, and the
 * one for threads would see many threads in here. What the program's threads may conclude from each other is told to
 * that one by rn_p_gives and rn_p_gets. */
#ifndef RN_SIM_PTHREAD_LAYER_H
#define RN_SIM_PTHREAD_LAYER_H

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <rein/error.h>
#include <rein/sim.h>

#define WRAP(f)                 extern __typeof__(f) __wrap_##f, __real_##f
#define WRAP_AS(f, result, ...) extern result __wrap_##f(__VA_ARGS__), __real_##f(__VA_ARGS__)

/* As RN_ASSERT, over the public calls: this library stands outside of rein. */
#if defined RN_DEBUG && RN_DEBUG
#define RN_P_ASSERT(condition, sentence) ((condition) ? (void)0 : rein_sim_check_at(REIN_HERE, false, sentence))
#else
#define RN_P_ASSERT(condition, sentence) ((void)0)
#endif

typedef struct rn_p_thread rn_p_thread;

/* The threads that wait, the longest first. */
typedef struct rn_p_queue {
        rn_p_thread *first;
} rn_p_queue;

typedef struct rn_p_value {
        struct rn_p_value *next;
        pthread_key_t key;
        void *value;
} rn_p_value;

/* One for every task of the schedule that called something here, also for those that pthread_create did not start. */
struct rn_p_thread {
        uint32_t number; /* pthread_t, from 1 */
        bool created, detached, ended, joined;
        bool rung; /* taken out of the queue by the thread that woke it; its address is what it sleeps on */
        char name[16], doing[160];
        rn_p_thread *next;
        rn_p_queue *in;
        void *(*main)(void *);
        void *arg, *result;
        rn_p_queue joiners;
        rn_p_value *values;
        __pthread_unwind_buf_t *cleanup; /* pthread_cleanup_push, the last first */
        jmp_buf exit;
};

typedef enum rn_p_kind { RN_P_MUTEX, RN_P_COND, RN_P_RWLOCK, RN_P_SEM, RN_P_BARRIER, RN_P_ONCE, RN_P_KINDS } rn_p_kind;

typedef struct rn_p_object {
        struct rn_p_object *next; /* in the table */
        const void *at;
        rn_p_kind kind;
        uint32_t number; /* of its kind, in the order of first use */
        bool forgotten;
        bool known;      /* `type` and `count` are what it began with */
        int type;        /* of a mutex; the clock of a condition */
        uint32_t count;  /* depth, readers, value, who is at the barrier, how far a once is */
        uint32_t most;   /* of a barrier */
        uint32_t missed; /* signals of a condition that nobody waited for */
        rn_p_thread *owner;
        rn_p_queue waiters;
} rn_p_object;

/* layer.c */
bool rn_p_inside(void);                    /* is the caller in a simulation? */
rn_p_thread *rn_p_enter(const char *call); /* a point of the schedule; NULL: not in a simulation */
rn_p_thread *rn_p_self(void);              /* the same without a point */
rn_p_thread *rn_p_thread_new(void);
uint32_t rn_p_count_created(void); /* one more, from 1 */
void rn_p_name(rn_p_thread *t, const char *fmt, ...) REIN_PRINTF(2, 3);
rn_p_thread *rn_p_thread_of(pthread_t id); /* NULL: no such thread in this schedule */
void rn_p_thread_runs(rn_p_thread *t);     /* the calling task is t */
void *rn_p_alloc(size_t n);                /* zeroed, until the schedule ends; always succeeds */
rn_p_object *rn_p_object_of(const void *at, rn_p_kind kind);
void rn_p_forget(const void *at, rn_p_kind kind);
const char *rn_p_object_name(const rn_p_object *o, char text[static 32]);
_Noreturn void rn_p_refuse(const char *fmt, ...) REIN_PRINTF(1, 2);

/* Waiting: say what for, queue up, sleep. rn_p_sleep: 0 rung; ETIMEDOUT; EINTR when poked or, with `spurious` too, for no
 * reason: out of the queue again. rn_p_wait is all of it, and returns early never. */
#define RN_P_NEVER INT64_MAX
void rn_p_say(rn_p_thread *me, const char *fmt, ...) REIN_PRINTF(2, 3);
void rn_p_queue_up(rn_p_thread *me, rn_p_queue *q);
int rn_p_sleep(rn_p_thread *me, int64_t until, bool spurious);
int rn_p_wait(rn_p_thread *me, rn_p_queue *q, int64_t until);
void rn_p_ring_one(rn_p_queue *q); /* which one is the schedule's choice */
void rn_p_ring_all(rn_p_queue *q);

/* For the thread sanitizer: what happened before here is seen by whoever gets it from there. */
void rn_p_gives(void *at);
void rn_p_gets(void *at);

/* mutex.c */
rn_p_object *rn_p_mutex(pthread_mutex_t *m);
int rn_p_mutex_take(rn_p_thread *me, rn_p_object *o, int64_t until);
void rn_p_mutex_give(rn_p_object *o);

/* key.c */
void rn_p_keys_reset(void);
void rn_p_values_destroy(void); /* of the calling task, as its thread ends */

/* time.c */
int64_t rn_p_span(const struct timespec *t);                    /* NULL: for ever; -1: no such span */
int64_t rn_p_until(clockid_t clock, const struct timespec *at); /* -1: no such time */
int rn_p_nap(rn_p_thread *me, int64_t until, const char *what); /* 0, EINTR */

#endif
