/* SPDX-License-Identifier: Apache-2.0 */
/* One job: a command with its argument, run until it succeeds or its tries are used up. */
#ifndef REIN_CMD_JOB_H
#define REIN_CMD_JOB_H

#include "output.h"
#include "resume.h"
#include "text.h"

struct run;

enum ended {
        NEVER_STARTED, /* everything was stopped before its turn */
        SKIPPED,       /* it had succeeded in the log that is resumed */
        SUCCEEDED,
        EXITED, /* with a code that is not 0 */
        SIGNALED,
        TIMED_OUT,
        STOPPED, /* by a halt, the deadline, an interrupt */
        CANNOT_START
};

/* How a try ended; or, of a job, its last. */
struct outcome {
        enum ended ended;
        int code, signo;          /* of its process; signo 0: none */
        int error;                /* errno, when it could not be started */
        const char *stopped_with; /* the last signal we had to send, "SIGTERM"; NULL */
        char stopped_by[160];     /* who stopped it, and why */
        int left_behind;          /* processes that were still there when it had ended */
        int64_t began_wall_ns, took_ns;
        int64_t peak_memory; /* bytes, of its largest process */
};

struct job {
        struct run *run;
        uint64_t number;
        char **words;     /* ends in NULL; one piece of memory with the strings */
        const char *flaw; /* why its argument cannot be one, or NULL */
        struct key key;
        struct voice *voice; /* set by whoever starts it */
        int tries;
        bool ran; /* its coroutine began */
        struct outcome last;
};

/* The job for this argument. Returns: NULL: no memory. */
struct job *job_new(struct run *run, const char *argument, const char *flaw);

/* Run it to its end; a cancel of the caller stops it. Then free it. */
void job_run(struct job *j);

/* It is not run, for this reason: SKIPPED or NEVER_STARTED. / It has failed: nothing can be started, because of `error`.
 * Owns: it is used up, as it is by job_free. */
void job_pass_over(struct job *j, enum ended why);
void job_cannot_run(struct job *j, int error);

/* As if it had never been. */
void job_free(struct job *j);

/* "exit code 3", "killed by SIGSEGV", "timed out". */
void outcome_text(const struct outcome *o, char to[200]);

const char *signal_name(int signo, char room[16]);

#endif
