/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run`: what all of it shares.
 *
 * The whole command is one event loop in a thread of its own, and each job is a coroutine of it. So none of these records needs
 * a lock: a coroutine is alone with them until it calls something that waits. */
#ifndef REIN_CMD_RUN_H
#define REIN_CMD_RUN_H

#include "child.h"
#include "family.h"
#include "input.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "resume.h"

#include <rein/rein.h>

enum stop {
        GOING,
        HALTED_BY_FAILURE,
        HALTED_BY_SUCCESS,
        INTERRUPTED,
        DEADLINE_PASSED,
        OUTPUT_BROKEN,
        INPUT_BROKEN,
        NO_MEMORY
};

struct run {
        struct options options;
        struct launch launch;
        struct family family;
        struct input input;
        struct resume resume;
        struct output output;
        struct report report;

        rein_group work;      /* the reader of the input and all jobs: cancel it and they stop */
        rein_sem *places;     /* -j: a unit for each job that may run */
        rein_sem *starts;     /* a unit for each process that may be starting */
        rein_promise *urge;   /* kept at the second signal: what reads it is hurried, below */
        rein_future *hurried; /* settled from the moment on when nothing may take its time */
        rein_time began, deadline;
        rein_time interrupted; /* when the first signal came; 0: none did */

        enum stop stopped;    /* the first reason */
        int signo;            /* of INTERRUPTED */
        int not_now;          /* errno: why nothing can be started at present; 0: it can */
        uint64_t processes;   /* of jobs, that run */
        struct job *spawning; /* whose coroutine is being made; NULL again: there was no memory for it */
        /* Jobs. known = waiting + running + all the others. */
        uint64_t known, running, succeeded, failed, stopped_jobs, never_started, skipped;
};

/* Stop everything, by the ladder; only the first reason counts. why: for reports. */
void run_stop(struct run *run, enum stop reason, const char *why);

/* A job was stopped; if nothing else was the reason, it was the deadline. */
void run_out_of_time(struct run *run);

/* "Not now" is not "never". Did a start fail with this code for want of something that the end of another process may give
 * back: processes, memory, descriptors, a program that is being written? */
bool is_not_now(const struct run *run, int rc);

/* How long one that waits to start something has waited. Begins as {0}. */
struct patience {
        rein_time alone; /* since when no process of ours has run, that could leave its room */
        int64_t nap_ns;
};

/* Wait a little, before it is tried again. Blocks: 1 to 64 ms. Returns: false: no more. The caller was cancelled; or for
 * --start-timeout no process of ours has run, and still nothing can be started. */
bool run_not_now(struct run *run, struct patience *p, int error);

/* The whole command: argv[0] is "run". Returns its exit status. */
int run_main(int argc, char **argv);

#endif
