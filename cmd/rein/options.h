/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line of `rein run` says. */
#ifndef REIN_CMD_OPTIONS_H
#define REIN_CMD_OPTIONS_H

#include <rein/base.h>

enum {
        EXIT_MANY = 101,
        EXIT_UNWRITTEN = 123, /* the output, the log or the report */
        EXIT_DEADLINE = 124,
        EXIT_WRONG = 125,
        EXIT_INTERRUPTED = 130,
        EXIT_BROKEN_PIPE = 141
};

enum halt { HALT_NEVER, HALT_FAIL, HALT_SUCCESS };
enum progress_when { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

/* Ends of a try that are worth another one. */
struct causes {
        bool any, signal, timeout;
        bool code[256];
};

struct options {
        int jobs;
        int64_t timeout_ns, deadline_ns; /* 0: none */
        int64_t grace_ns;
        int64_t start_timeout_ns;
        int retries;
        int64_t delay_ns, delay_max_ns;
        struct causes retry_on;
        enum halt halt;
        int halt_fails; /* so many failures, with HALT_FAIL */
        bool tag, keep_order, quiet;
        const char *log, *resume, *report; /* files, or NULL */
        uint64_t memory;                   /* 0: no limit */
        enum progress_when progress;
        char **words; /* the command; NULL: each line is one for the shell */
        int words_n;
        char **arguments; /* after :::; NULL: lines of standard input */
        int arguments_n;
};

enum parsed { PARSED, PARSED_HELP, PARSED_WRONG };

/* Read argv, whose first word is "run". What is wrong has been said on standard error, with how to mend it. */
enum parsed options_parse(struct options *o, int argc, char **argv);

void options_help(FILE *to);

#endif
