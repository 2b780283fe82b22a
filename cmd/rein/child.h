/* SPDX-License-Identifier: Apache-2.0 */
/* One child process: started, watched, signalled as a group, reaped. */
#ifndef REIN_CMD_CHILD_H
#define REIN_CMD_CHILD_H

#include "output.h"

#include <rein/child.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

/* What every child is started with. */
struct launch {
        uint64_t memory;     /* its RLIMIT_AS; 0: as ours */
        struct rlimit files; /* its RLIMIT_NOFILE: ours as it was before we raised it */
        bool files_raised;
        rein_future *hurried; /* see family.h */
        int left_to_threads;  /* so many of the next starts; 0: our own thread does the next one */
        int left_last;        /* so many were, after the last start that took long; 0: the last one was quick */
};

struct child {
        rein_child *process;
        pid_t pid;   /* also its session and its process group */
        int out[2];  /* read ends of its standard output and error; where both are one pipe the second is -1 */
        int keep[2]; /* their write ends: while we hold them, too, its closing them is no news that would wake us */
        struct voice *voice;
        rein_future *hurried;
        bool ended, in_a_hurry;
        int code, signo;     /* how it ended: a signal, or 0 and an exit code */
        uint64_t memory_max; /* bytes */
};

/* Returns: 0; -errno, also of execve(2): nothing is to be closed. Blocks: until the program runs. */
int child_start(struct child *c, struct launch *l, char *const words[], char *const environment[], struct voice *voice);

/* Hand on what it prints, until it has ended; whether it closed its output, or left it to others, does not matter.
 * Returns: 0, also when it has ended and the time is up or the caller is cancelled; REIN_ETIMEOUT; REIN_ECANCELED: the
 * caller is cancelled, or there is a hurry (then `in_a_hurry` is set, and from here on it is not looked at again). */
int child_wait(struct child *c, rein_time until);

/* Signal it and all of its group. */
void child_signal(struct child *c, int signo);

/* Ended or given up: collect its status, and hand on what is left in the pipes. Then close. */
void child_reap(struct child *c);
void child_close(struct child *c);

#endif
