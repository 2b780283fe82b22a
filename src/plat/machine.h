/* SPDX-License-Identifier: Apache-2.0 */
/* The machine that a simulation puts in the operating system's place, for the one thread it runs on. Every function of
 * plat.h that waits, tells the time, can fail or starts something asks rn_virtual() first; on every other thread of the
 * process, and when nothing is simulated, the answer is NULL after one load and one branch.
 *
 * Members mean what the functions of plat.h with the same name mean. */
#ifndef RN_PLAT_MACHINE_H
#define RN_PLAT_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plat/atomic.h"

struct rn_coro;
struct rn_lock;
struct rn_world;
struct rn_polled;
struct rn_poller;
struct rn_ready;
struct rn_sys_addr;
struct rein_future;

/* A job that the simulation's SIGINT cancels, if nobody waits for that signal: what rein_run has a coroutine for, outside.
 * The latest is first; who made it takes it out, unless the signal has. */
typedef struct rn_interruptible {
        struct rn_interruptible *next;
        struct rein_future *job;
        void (*cancel)(struct rein_future *job); /* once; the record is out of the list by then, and may be gone */
} rn_interruptible;

typedef struct rn_machine {
        struct rn_world *world; /* what the process has one of: the simulation has its own */
        uint32_t generation;    /* of its objects: those made outside answer -EPERM inside, and the reverse */

        void (*call)(const char *function);                 /* a public call begins: others may go first */
        void (*misuse)(const char *call, const char *what); /* does not return when a task runs */
        void (*wrong)(const char *name, const char *what);  /* what the library counts does not add up */
        void (*broken)(const char *what);                   /* check.h; does not return when a task runs */
        void (*owed)(void (*release)(void *), const void *value, int change);

        uint32_t (*choose)(uint32_t n, int kind);
        void *(*alloc)(size_t n, bool for_ever);
        void (*free)(void *p);
        int64_t (*clock)(void);
        int64_t (*clock_at)(int64_t due); /* the same; the asker's own work until `due` may just have taken so long */
        uint64_t (*random64)(void);

        void (*word_wait)(rn_a32 *word, uint32_t value, int64_t until);
        void (*word_wake)(rn_a32 *word, uint32_t how_many);
        void (*lock_wait)(struct rn_lock *l); /* returns when it is free; nobody else runs before the caller takes it */
        void (*lock_gave)(struct rn_lock *l); /* with whole_locks */
        bool word_locks;                      /* the other way: all of its steps, down to the sleep on its word */
        bool whole_locks; /* exploring build: taking a lock is one step of a schedule, not those of its words */
        void (*pause)(void);

        int (*thread_start)(void (*main)(void *), void *arg, const char *name);
        uint32_t (*thread_id)(void);
        void (*thread_doing)(uint32_t id, char *text, size_t n);
        bool (*thread_probe)(uint32_t id, int64_t *cpu_ns, int64_t *call, uint64_t *digest);
        size_t (*stack_left)(void);
        struct rn_coro *(*coro)(
                void); /* what stands for the running thread: where its loop's coroutines come back to */
        void (*poke)(uint32_t thread_id);

        bool (*owns)(int fd); /* is this number one of the simulation's descriptors? */
        int (*poll)(struct rn_polled *all, int wake, int64_t until);
        int (*wakefd)(void);
        void (*wakefd_ring)(int wake);
        void (*wakefd_drain)(int wake);
        int (*poller_new)(bool portable, struct rn_poller **made);
        void (*poller_free)(struct rn_poller *p);
        int (*poller_watch)(struct rn_poller *p, int fd, int events);
        void (*poller_unwatch)(struct rn_poller *p, int fd);
        int (*poller_wait)(struct rn_poller *p, struct rn_ready *out, int n, int64_t until);
        void (*poller_ring)(struct rn_poller *p);
        int (*poller_fd)(struct rn_poller *p);
        void (*poller_alarm)(struct rn_poller *p, int64_t at);
        int (*close)(int fd);
        int64_t (*read)(int fd, void *buf, size_t n);
        int64_t (*write)(int fd, const void *buf, size_t n);
        int (*lookup)(const char *host, const char *service, struct rn_sys_addr **list, const char **why);
        int (*listen)(const struct rn_sys_addr *a, int backlog);
        int (*accept)(int fd);
        int (*connect)(const struct rn_sys_addr *a);
        int (*connected)(int fd);
        int (*datagrams)(const struct rn_sys_addr *a, bool bound);
        int64_t (*send_to)(int fd, const void *buf, size_t n, const void *to, uint32_t len);
        int64_t (*receive_from)(int fd, void *buf, size_t n, void *from, uint32_t *len);
        int (*address)(int fd, void *bytes, uint32_t *len);
        int (*signal_open)(int signo);
        int (*signal_take)(int fd, int signo);
        rn_interruptible **interruptible;
} rn_machine;

/* The machine some thread runs on. Hidden, so that the question costs a compare with memory and a branch. */
extern rn_aptr rn_simulating __attribute__((visibility("hidden")));

__attribute__((cold)) const rn_machine *rn_virtual_here(void); /* is this the thread? */

static inline const rn_machine *rn_virtual(void)
{
        /* The thread that simulates stored it itself; for another one, any value is right: it asks who simulates. */
        return __builtin_expect(rn_getptr(&rn_simulating) != NULL, 0) ? rn_virtual_here() : NULL;
}

/* The calling thread runs on m from now on; NULL: on the operating system again. -EBUSY: another thread is simulating. */
int rn_machine_set(const rn_machine *m);
void rn_choose_simulated(bool yes); /* rn_choose has somebody to ask; machine_set's */

/* The thread-local word as a coroutine switch changes it: nothing is registered for the thread's end. */
void rn_self_word_switch(void *word);
void rn_thread_word_ends(void *word); /* what the end of a thread does with its word */

/* Memory of the simulation itself, not of the program in it. */
void *rn_host_alloc(size_t n);
void rn_host_free(void *p);

/* The first line of every public call that touches what tasks share. */
#define RN_CALL() rn_call(__func__)

static inline void rn_call(const char *function)
{
        const rn_machine *m = rn_virtual();
        if (m)
                m->call(function);
}

/* A simulation counts what a program gives to rein with a function to release it: +1 when rein has it, -1 when the
 * function is called or it is the program's again. */
static inline void rn_owed(void (*release)(void *), const void *value, int change)
{
        const rn_machine *m = release ? rn_virtual() : NULL;
        if (m)
                m->owed(release, value, change);
}

#endif
