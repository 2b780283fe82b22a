/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of the jobs, one after the other: from after ::: or from the lines of standard input. */
#ifndef REIN_CMD_INPUT_H
#define REIN_CMD_INPUT_H

#include <rein/base.h>

struct input {
        char **arguments; /* NULL: read lines */
        int arguments_n;
        char *bytes; /* a block of standard input, and what of it is still to be given */
        size_t begin, end;
        char *line;
        size_t line_n;
        int64_t file_size; /* of standard input, when it is a regular file; else 0 */
        int64_t taken;     /* bytes, or arguments, given so far */
        bool ended;
};

int input_open(struct input *in, char **arguments, int n); /* 0; -ENOMEM */

/* The next one. *flaw: NULL, or why it cannot be an argument. Both strings are the input's, until the next call.
 * Returns: 1; 0: there is none; REIN_ECANCELED; -errno of a read that failed. */
int input_next(struct input *in, const char **argument, const char **flaw);

/* How much of the input has been taken, from 0 to 1; negative when nobody knows. */
double input_share(struct input *in);

void input_close(struct input *in);

#endif
