/* SPDX-License-Identifier: Apache-2.0 */
/* A task is whatever runs: a pool's thread, or a plain thread that called in. It carries what is ambient: the scope, the
 * open hook regions, the error trail, context values, the job. A job that runs inside another (run by its waiter, or by
 * a submitter whose pool is full) has an ambient of its own, and the task goes back to the outer one when it ends.
 *
 * All of `now` belongs to the task itself. Other tasks touch: the door, `doing`, `holder_waits`, `look_again`, and `target`
 * (graph lock).
 * Tasks live in a slab: a late unpark finds a task, if not the same one, and parks may end for no reason. */
#ifndef RN_CORE_TASK_H
#define RN_CORE_TASK_H

#include "core/asks.h"
#include "core/door.h"
#include "core/error.h"
#include "core/list.h"
#include "core/slab.h"
#include "core/spin.h"

struct rn_coro;
struct rn_scope;
struct rn_hook;
struct rn_context;
struct rn_group;
struct rein_work;
struct rein_future;

/* A mutex that the running task holds, in the list of the ambient it was locked in. The owner's alone. */
typedef struct rn_held {
        struct rn_held *next, **back;    /* back NULL: nobody holds it */
        const char *place;               /* where it was locked */
        void (*give)(struct rn_held *h); /* to the next, out of this list; for a task that ends without an unlock */
} rn_held;

typedef struct rn_ambient {
        struct rn_ambient *outer;
        struct rn_scope *scope;
        struct rn_hook *hook;
        struct rn_context *context;
        struct rein_work *work;
        rein_error *trail;
        rn_held *held;
        uint32_t unopened; /* scopes that could not be opened for want of memory: everything inside is cancelled */
} rn_ambient;

/* What a task is busy with: {"rein_sleep", NULL}, {"hook region", "db.c:41"}; NULL: its own code. Others may look at it
 * late: `what` lasts as long as the process, and of `at` a copy is told that does. */
typedef struct rn_doing {
        const char *what, *at;
} rn_doing;

/* What a task waits for without a limit, for deadlock.c: futures; a group's children; an executor: for room in its
 * queue, or to have its permit back; a task that holds a mutex. */
typedef struct rn_wait_target {
        struct rein_future *const *futures;
        size_t count;
        struct rn_group *group;
        bool any;        /* one of them is enough */
        bool cancelable; /* a cancel ends it */
        struct rein_executor *executor;
        struct rein_work *permit_of; /* the job that wants its permit; NULL: room */
        const rn_aptr *held_by;      /* an rn_task; itself, once the mutex was handed over */
        const rn_a32 *once; /* NULL; or: what held_by says counts only when this is not 0, as anybody may set it */
        bool stays;         /* it cannot leave its wait, whatever it is told */
} rn_wait_target;

enum { RN_TASK_RESERVES = 4 }; /* a thread's own, a job's, and two that run inside of it */
enum { RN_REASON_TEXT = 288 }; /* why a task was cancelled, in one line */

typedef struct rn_task {
        rn_slab_item in_slab;
        rn_door door;
        const rn_backend *backend; /* the same for every task of this slab, set before the first unpark */
        uint32_t process;          /* the generation of the process it belongs to */
        rn_a32 thread_id;
        rn_ambient *now, base;
        rn_aptr doing, doing_at; /* an rn_doing that others may look at */
        rn_wait_target target;
        rn_link waiting;        /* in the world's list, while target says something; graph lock, as the next */
        bool can_go;            /* deadlock.c, while it looks */
        bool looked_at;         /* its wait can end: it was found to be in no knot */
        rn_a32 look_again;      /* somebody who cannot leave tied a knot with it; set under the graph lock */
        rn_a32 holder_waits;    /* it holds a mutex, and target says something */
        struct rn_coro *coro;   /* it runs in; NULL: on its thread's own stack */
        const void *stack_base; /* of threads whose stack size is known */
        size_t stack_size;
        rn_aptr stack_low, stack_high;   /* of a coroutine, others may look; NULL: where its thread has its own */
        int stretch_left;                /* of a coroutine: what it may still spend before the others have their turn */
        uint32_t filled, empty;          /* descriptors, plus 1: the last read filled its buffer; none had come */
        unsigned unasked;                /* receives from `empty` since then that waited first */
        unsigned inline_depth, hitting;  /* jobs run in each other; stops of hook regions it is calling */
        struct worker *worker;           /* of a pool's thread; the pool's */
        void (*thread_ended)(void *arg); /* a pool's: its thread was ended under it by a job; NULL: none */
        void *thread_ended_arg;
        rn_spin spin; /* of its waits for jobs; the next: of a pool's thread, for the next one */
        rn_spin idle_spin;
        bool woke_somebody;       /* by a system call, as its last job settled */
        struct rn_stocks *stocks; /* of the thread it runs on; NULL: none */
        char code_name[32];       /* rein_code_name's answer */
        char why[RN_REASON_TEXT]; /* rein_why's */
        rn_error_reserve *reserves;
        unsigned reserve_count;
} rn_task;

/* Free records that a thread keeps for itself. In a simulation nobody does: there the memory of each object is watched. */
typedef struct rn_stocks {
        rn_stock works, promises, scopes;
} rn_stocks;

typedef struct rn_thread_task {
        rn_task task;
        rn_stocks stocks;
        rn_error_reserve reserves[RN_TASK_RESERVES];
} rn_thread_task;

/* For errors when there is no memory: of the ambient the task is in. The outermost ones have one each; they are the
 * task's and not in the ambients, which would make every job by a quarter larger. */
static inline rein_error *rn_task_reserve(rn_task *t)
{
        RN_ASSERT(t->reserve_count > 0, "a task that can fail has a reserve for the error");
        return &t->reserves[t->inline_depth < t->reserve_count ? t->inline_depth : t->reserve_count - 1].error;
}

static inline void rn_hold(rn_task *self, rn_held *h)
{
        RN_ASSERT(!h->back, "nobody holds a mutex that is taken");
        h->back = &self->now->held;
        h->next = self->now->held;
        if (h->next)
                h->next->back = &h->next;
        self->now->held = h;
}

static inline void rn_unhold(rn_held *h)
{
        RN_ASSERT(h->back && *h->back == h, "a mutex that is given is in the list of its holder");
        *h->back = h->next;
        if (h->next)
                h->next->back = h->back;
        h->next = NULL;
        h->back = NULL;
}

/* A thread that has no memory for a task, and could not open a scope for that reason: how many. Its word then is an odd
 * number instead of a task; everything inside is cancelled. */
void rn_unopened(rn_task *self, int more);
bool rn_canceled_without_task(void);

/* What opened something: a task, or a thread that had no memory for one, known by its number. */
typedef struct rn_opener {
        rn_task *task;
        uint32_t thread_id;
} rn_opener;

rn_opener rn_opener_of(rn_task *self); /* self NULL: the running thread */
bool rn_opened_by(const rn_opener *o, const rn_task *self);

rn_task *rn_self(void);    /* the running task; made at the first call of a thread; NULL: no memory */
rn_task *rn_self_if(void); /* NULL when this thread has not called in */
/* A record of a slab of such tasks; the reserves last as long as it is in use. */
void rn_task_init(rn_task *t, const rn_backend *backend, rn_error_reserve *reserves, unsigned count);
void rn_task_end(rn_task *t);   /* what it holds is given back, but not the record; it is the running one */
rn_task *rn_task_new(void);     /* for a thread about to be started */
bool rn_task_adopt(rn_task *t); /* on that thread: be it. false: impossible, t is freed */
/* The same for a thread of the library's own, which others rely on already: it waits for the memory that this needs. */
void rn_task_adopt_surely(rn_task *t);
void rn_task_free(rn_task *t);
void rn_task_thread_ends(void *word);

static inline void rn_park(rn_task *self, int64_t until)
{
        self->backend->park(self, until);
}

static inline bool rn_unpark(rn_task *t) /* true: it slept, and was woken by a system call */
{
        return t->backend->unpark(t);
}

rn_doing rn_task_doing(rn_task *t, rn_doing what);          /* what it did before, to be put back */
rn_doing rn_task_doing_for_ever(rn_task *t, rn_doing what); /* the same, where `at` lasts by itself */

/* A wait for one descriptor. Returns: its events; 0; -errno. */
static inline int rn_poll_one(rn_task *self, int fd, int events, int64_t until)
{
        rn_awaited one = {.polled = {.fd = fd, .events = events}};
        const int rc = self->backend->poll(self, &one, until);
        return rc > 0 ? one.polled.got : rc;
}

/* The same text, for as long as the process lives. For few and short ones: after 512 different ones, or without memory,
 * NULL. */
const char *rn_text_for_ever(const char *text);
void rn_text_told(void); /* to the sanitizer: what such texts say is read, by a thread that got one from another */

/* The running task asks of itself; or alone, of any that was made. */
const char *rn_task_wrong(const rn_task *t);
const char *rn_task_ask(const void *none); /* asks.h: the running one, its stocks, and the scope that it is in */

/* When the running code is, was or will be cancelled; RN_NEVER: not so far; in the past: it is. */
int64_t rn_cancel_at(const rn_task *t);
bool rn_canceled(const rn_task *t);

/* ---- fairness ----
 *
 * A coroutine gives the others of its loop their turn when it parks. One that always finds what it asks for never parks, so
 * its calls are counted, and when they have used up its stretch, it yields. Each public call that may block spends at its
 * entry, whatever becomes of it: before it has looked at anything or taken anything, so that to yield there is as if it had
 * been called a turn later. A call that is cancelled spends too: it returns without a wait, and a loop that does not heed the
 * code would hold up all the others. A call that makes system calls on the way spends for each of them, since they take
 * longer and one call may make many. Calls that never block spend nothing: what they are called under may be a lock of
 * somebody else's. The loop gives a coroutine a new stretch whenever it resumes it. */
enum { RN_STRETCH = 64, RN_SPENDS_CALL = 1, RN_SPENDS_SYSTEM_CALL = 7 };

void rn_stretch_over(rn_task *self);

/* self may be NULL: no task, nothing to spend. */
static inline void rn_stretch_spend(rn_task *self, int amount)
{
        if (self && __builtin_expect((self->stretch_left -= amount) <= 0, 0))
                rn_stretch_over(self);
}

/* One turn of a wait whose condition does not hold: sleep until woken. 0: look again; REIN_ETIMEOUT; REIN_ECANCELED. */
int rn_wait_turn(rn_task *self, int64_t until);

#endif
