/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run`: what all of it shares. */
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
#include <stdatomic.h>

enum stop {
        GOING,
        HALTED_BY_FAILURE,
        HALTED_BY_SUCCESS,
        INTERRUPTED,
        DEADLINE_PASSED,
        OUTPUT_BROKEN,
        INPUT_BROKEN,
        NO_THREAD
};

struct run {
        struct options options;
        struct launch launch;
        struct family family;
        struct input input;
        struct resume resume;
        struct output output;
        struct report report;

        int signals;            /* a signalfd */
        rein_executor *workers; /* the jobs' threads: as many as run side by side */
        rein_group work;        /* all jobs: cancel it and they stop */
        pthread_mutex_t taking; /* the next job, and: */
        int more_lanes;         /* beside the first */
        rein_time began, deadline;

        _Atomic int stopped; /* enum stop: the first reason */
        _Atomic int signo;   /* of INTERRUPTED */
        /* Jobs. known = waiting + running + all the others. */
        _Atomic uint64_t known, running, succeeded, failed, stopped_jobs, never_started, skipped;
};

/* Stop everything, by the ladder; only the first reason counts. why: for reports. Any thread. */
void run_stop(struct run *run, enum stop reason, const char *why);

/* A job was stopped; if nobody did that, it was the deadline. Any thread. */
void run_out_of_time(struct run *run);

/* The whole command: argv[0] is "run". Returns its exit status. */
int run_main(int argc, char **argv);

#endif
