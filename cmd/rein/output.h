/* SPDX-License-Identifier: Apache-2.0 */
/* What the jobs print, one job after the other.
 *
 * One job at a time has the *floor*: what it prints goes out at once, as it comes, so that a job that prints without
 * end takes no room. What the others print is kept until the floor is free; then what has ended goes out whole. In any
 * order: the floor belongs to the first who prints while it is free. In order: to the lowest unfinished job. */
#ifndef REIN_CMD_OUTPUT_H
#define REIN_CMD_OUTPUT_H

#include "outlet.h"
#include "spool.h"

#include <rein/sync.h>

struct voice; /* the output of one job */

struct output {
        struct outlet outlet;
        struct voice *floor;   /* the voice that has it; NULL: none */
        struct spool backlog;  /* any order: what ended jobs wanted to say while another had the floor */
        struct voice **voices; /* in order: those from `turn` up to `next`, each at its number modulo `window` */
        uint64_t turn, next, window;
        bool caught_up;   /* the job whose turn it is was helped to print what it had kept */
        rein_event *room; /* set while there is room for one more job's output */
};

/* window: 0 for any order; else so many jobs may be known at once. Returns: 0; -errno. */
int output_open(struct output *o, uint64_t window, rein_future *hurried, void (*broken)(void *arg), void *arg);

/* Print what may still be kept when no job is left. Blocks: until done or a cancel of the caller. */
void output_finish(struct output *o);
void output_close(struct output *o);

/* Wait until there is room for one more job's output. Returns: 0; REIN_ECANCELED; -errno. */
int output_room(struct output *o);

/* The next job's. tag: NULL, or what each of its lines begins with. Returns: NULL: no memory. */
struct voice *voice_new(struct output *o, const char *tag);

/* Is our standard error the same open file as our standard output, so that the job should have one pipe for both? */
bool voice_is_one(const struct voice *v);

/* The job printed this on stream 0 (standard output) or 1 (standard error). Blocks: while it has the floor and nobody
 * reads; a cancel of the caller ends that, and the rest is kept. */
void voice_write(struct voice *v, int stream, const char *bytes, size_t n);

/* Did the job print anything? */
bool voice_spoke(const struct voice *v);

/* Keep everything, even with the floor: so that a reader that does not read holds nothing up. / Or no more. */
void voice_hold(struct voice *v, bool hold);

/* A line of the command's own about this job, on standard error. */
void voice_say(struct voice *v, const char *line);

/* The job has ended. Blocks: while its output, or what waited behind it, is printed; a cancel of the caller ends that
 * and the rest is lost. Owns: v is used up. */
void voice_end(struct voice *v);

/* The job never ran. Blocks: no. Owns: v is used up. */
void voice_drop(struct voice *v);

#endif
