/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of a job, wherever they went.
 *
 * The command is a "child subreaper": a process whose parent has ended becomes its child. Such a one is *adopted*. It
 * carries a tag in its environment that says whose it is:
 *
 *      REIN_RUN=/5bd1e995a7c04f11.12/       job 12 of this run
 *      REIN_RUN=/5bd1e995a7c04f11.12/9c3b77d204e81a6f.1/       job 1 of a run inside of that job
 *
 * What a job has left behind when its own process has ended is therefore among our adopted children, or below one. */
#ifndef REIN_CMD_FAMILY_H
#define REIN_CMD_FAMILY_H

#include <rein/future.h>
#include <sys/types.h>

struct family {
        char run[24];         /* of this run: sixteen hex digits */
        const char *outer;    /* the tag we were started with: "" or "/...1/" */
        int adopted;          /* the kernel's list of the main thread's children, where adopted ones appear */
        pid_t guard;          /* the one child that is no job's */
        rein_future *hurried; /* settled from the moment on when nothing may take its time; NULL: it is never so */
};

/* By the main thread, before any other is started. What is wrong has been said. Returns: 0; EXIT_WRONG. */
int family_open(struct family *f);

/* "REIN_RUN=/...12/": for the environment of job 12. */
void family_tag(const struct family *f, uint64_t job, char *to, size_t room);

/* End what a job left behind: SIGTERM, and SIGKILL after the grace. group: its process group, which was `asked` by a
 * signal already, or not. job 0, group 0: whatever there is, whose ever.
 * Blocks, so call it in a shield. Returns how many processes there were that had not been asked. */
int family_end(struct family *f, uint64_t job, pid_t group, bool asked, int64_t grace_ns);

/* Collect adopted children that have ended by themselves. */
void family_reap(struct family *f);

/* Kill every process in the system that carries the tag of this run: for the guard, when the command is gone.
 * Returns how many there were. */
int family_kill_run(const char *run);

#endif
