/* SPDX-License-Identifier: Apache-2.0 */
/* Thread pools. */
#ifndef REIN_POOL_H
#define REIN_POOL_H

#include <rein/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rein_full {      /* what a submit meets when queue_max jobs are queued */
        REIN_FULL_WAIT,       /* the caller waits for room, bounded by its scope, a cancel of the job and the job's
                                 start_by; a job of this pool is never made to wait */
        REIN_FULL_REJECT,     /* the future has failed with REIN_EREJECTED */
        REIN_FULL_CALLER,     /* the job runs in the submitting thread, before submit returns */
        REIN_FULL_DROP_OLDEST /* the job queued longest settles REIN_EREJECTED instead, if the new one gets in */
} rein_full;

typedef struct rein_pool_opts {
        size_t  size;
        const char *name;          /* also of its threads (15 bytes there); default "pool#N" */
        int     threads;           /* a hard limit on jobs that run and are not gone, abandoned ones included; 1 to
                                      4194304 (2^22), as of the next two; default min(32, cpus + 4), cpus as affinity
                                      and cgroup grant them */
        bool    elastic;           /* another thread is started for each that is blocked where rein cannot see it: for
                                      offload, not for bulkheads */
        int     threads_max;       /* elastic: so many threads at most; default 4 x threads */
        int     replace_abandoned; /* how many abandoned threads are replaced; default 0 */
        size_t  queue_max;         /* 1 to 2^30, default 65536; then `full` decides */
        rein_full full;
        int64_t idle_ns;           /* a thread idle this long ends; default 10 s */
        int64_t grace_ns;          /* how long a cancelled job may take to leave; default 2 s */
        size_t  stack_size;        /* of its threads, bytes; 16 KiB to 1 TiB, default the system's */
        rein_fn init, fini;        /* in each thread, first and last; init < 0 breaks the pool: every queued future and
                                      every later submit fails with REIN_EREJECTED, and init's error as its cause */
        void   *init_arg;          /* for both; it stays yours, and must last until the pool's stop has returned */
} rein_pool_opts;
#define REIN_POOL(...) REIN_OPTS(rein_pool_opts, __VA_ARGS__)

/* Make a pool. No thread is started yet; one is whenever a job comes and no thread is idle, up to `threads`. Its
 * threads start with all asynchronous signals blocked. (When the main thread ends by pthread_exit, a signal that it
 * let through, and that has no handler, still ends the process: a thread of rein's own lets it through then.) A job
 * that waits for a job of this same pool lends its place to another thread meanwhile, so that a pool may wait for
 * itself.
 * Owns: the pool is the caller's: rein_executor_free. Blocks: no. Any thread.
 * Returns: the pool; NULL: the trail says why (-EINVAL for an option that is out of its range, which it tells;
 * -ENOMEM; -EAGAIN). Since 0.1. */
#define rein_pool_new(...) rein_pool_new_at(REIN_HERE, __VA_ARGS__)
REIN_API rein_executor *rein_pool_new_at(const char *place, const rein_pool_opts *opts);

/* Count the CPUs that the affinity of the process and its control groups grant it: a control group's quota of CPU
 * time, rounded up. It is for choosing how much runs side by side. Blocks: on the files that say so. Any thread.
 * Returns: the number, at least 1. Since 0.1. */
REIN_API int rein_cpus(void);

#ifdef __cplusplus
}
#endif
#endif
