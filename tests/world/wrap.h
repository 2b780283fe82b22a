/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the operating system, made to order. A program that is linked with wrap.c (and so with --wrap for each function
 * that it wraps, see cmake/tests.cmake) can have the k-th call of one kind fail with an errno of its choice. The call is
 * then not made, but for close(2): that one has closed the descriptor whatever it answers.
 *
 * A call is named as in the table of calls.h: "ppoll", "SYS_futex", "fcntl:F_SETFL", "open:/dev/null". */
#ifndef TESTS_WORLD_WRAP_H
#define TESTS_WORLD_WRAP_H

#include <stdbool.h>

enum {
        WORLD_COUNT = -1, /* nothing fails: such calls are only counted */
        WORLD_SHORT = -2, /* a read or write moves one byte */
        WORLD_HUP = -3    /* a poll answers POLLHUP and nothing else */
};

/* From now on the calls of this name are counted, and number `at` fails with `error`. fd: only those on that descriptor,
 * of calls that are about one; -1: whichever. From one thread, while nothing of an earlier plan is under way. */
void world_plan(const char *call, int fd, unsigned at, int error);
/* The plan is for the processes that this one forks, and not for itself; else it is the other way round. */
void world_plan_forked(bool forked);
void world_plan_fd(int fd); /* the plan is for this descriptor from now on */
unsigned world_seen(void);  /* how many calls the plan has counted */
bool world_fired(void);     /* one of them has failed */
void world_end(void);       /* no plan */

/* Beside the plan: every call of this name fails with `error`, from now on. One name in a process. */
void world_missing(const char *call, int error);

/* The calling thread is not to be counted, until it is again. */
void world_mine(bool not_counted);

int world_closed_twice(void); /* calls of close(2) for a number that was not open */
long world_blocks(void);      /* blocks that calloc has given and free has not got back */

#endif
