/* SPDX-License-Identifier: Apache-2.0 */
/* The log, a line of JSON for each try, and the report, one JSON value about the whole run. */
#ifndef REIN_CMD_REPORT_H
#define REIN_CMD_REPORT_H

#include "job.h"
#include "options.h"

struct report {
        int log, file; /* -1: not wanted */
        const char *log_name, *file_name;
        bool log_torn; /* its last line is not whole: the next record begins with a newline */
        bool seekable; /* the report's file: its end can be written over */
        int64_t end;   /* of its jobs; from there on stands what closes it */
        int64_t size;
        uint64_t jobs;
        int64_t began_wall_ns;
        int error;         /* errno of the first write that failed */
        const char *which; /* and of which file */
};

/* What is wrong has been said. Returns: 0; EXIT_WRONG. */
int report_open(struct report *r, const struct options *o);

void report_try(struct report *r, const struct job *j, const struct outcome *o);
void report_job(struct report *r, const struct job *j);

/* The last word; then close. exit_status: of the command.
 * Returns: that; EXIT_UNWRITTEN: the log or the report is not whole, which has been said. */
int report_end(struct report *r, struct run *run, int exit_status);

#endif
