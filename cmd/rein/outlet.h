/* SPDX-License-Identifier: Apache-2.0 */
/* Our own standard output and standard error, and the status line on a terminal below them. */
#ifndef REIN_CMD_OUTLET_H
#define REIN_CMD_OUTLET_H

#include <rein/base.h>
#include <pthread.h>
#include <stdatomic.h>

struct outlet {
        struct stream {
                int fd;
                bool file; /* writing to it does not block */
                bool terminal, line_begun;
        } to[2];
        int hurry;
        pthread_mutex_t lock;      /* for one write at a time, and for: */
        size_t status_shown;       /* bytes of the status line that stands on the terminal */
        _Atomic int error;         /* errno of the write that failed; from then on everything is thrown away */
        atomic_bool lost;          /* nobody took the output in time */
        void (*broken)(void *arg); /* called once, when `error` is set */
        void *arg;
};

/* hurry: see family.h. */
void outlet_open(struct outlet *o, int hurry, void (*broken)(void *arg), void *arg);

/* Write to stream 0 (standard output) or 1 (standard error). One caller at a time.
 * Blocks: until written or a cancel of the caller. Returns how many bytes are done with. */
size_t outlet_put(struct outlet *o, int stream, const char *bytes, size_t n);

/* The output cannot go on: errno `error`. */
void outlet_fail(struct outlet *o, int error);

/* Show this line, or with "" none. Not a terminal: it is written as a line of its own. Never blocks: when there is no
 * room for it now, nothing is shown. Any thread. */
void outlet_status(struct outlet *o, const char *line);

#endif
