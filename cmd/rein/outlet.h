/* SPDX-License-Identifier: Apache-2.0 */
/* Our own standard output and standard error, and the status line on a terminal below them. */
#ifndef REIN_CMD_OUTLET_H
#define REIN_CMD_OUTLET_H

#include <rein/future.h>

struct outlet {
        struct stream {
                int fd;
                bool file; /* writing to it does not block */
                bool terminal, line_begun;
        } to[2];
        bool one;                  /* both are one open file: then the order between them is kept by using one alone */
        bool dumb;                 /* the terminal knows no escape sequence */
        rein_future *hurried;      /* see family.h */
        size_t status_shown;       /* cells of the status line that stands on the terminal */
        int error;                 /* errno of the write that failed; from then on everything is thrown away */
        char failed_at[200];       /* and what could not be written */
        bool lost;                 /* nobody took the output in time */
        void (*broken)(void *arg); /* called once, when `error` is set */
        void *arg;
};

void outlet_open(struct outlet *o, rein_future *hurried, void (*broken)(void *arg), void *arg);

/* Write to stream 0 (standard output) or 1 (standard error). One caller at a time.
 * Blocks: until written or a cancel of the caller. Returns how many bytes are done with. */
size_t outlet_put(struct outlet *o, int stream, const char *bytes, size_t n);

/* The output cannot go on: errno `error`; where: "standard output". */
void outlet_fail(struct outlet *o, int error, const char *where);

/* Show as much of this line, of ASCII, as fits into the width; or with "" none. Not a terminal: it is written as a line of
 * its own. Never blocks: when there is no room for it now, nothing is shown. */
void outlet_status(struct outlet *o, const char *line);

#endif
