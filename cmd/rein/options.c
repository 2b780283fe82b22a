/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"
#include "span.h"

#include <rein/pool.h>

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

enum { MOST_JOBS = 10000 };

/* Those without a letter of their own. */
enum {
        DELAY = 256,
        DELAY_MAX,
        RETRY_ON,
        DEADLINE,
        HALT,
        TAG,
        KEEP_ORDER,
        QUIET,
        LOG,
        RESUME,
        REPORT,
        MEMORY,
        PROGRESS,
        START_TIMEOUT
};

static const struct option long_options[] = {
        {"jobs", required_argument, NULL, 'j'},
        {"timeout", required_argument, NULL, 't'},
        {"grace", required_argument, NULL, 'g'},
        {"retries", required_argument, NULL, 'r'},
        {"delay", required_argument, NULL, DELAY},
        {"delay-max", required_argument, NULL, DELAY_MAX},
        {"retry-on", required_argument, NULL, RETRY_ON},
        {"deadline", required_argument, NULL, DEADLINE},
        {"halt", required_argument, NULL, HALT},
        {"tag", no_argument, NULL, TAG},
        {"keep-order", no_argument, NULL, KEEP_ORDER},
        {"quiet", no_argument, NULL, QUIET},
        {"log", required_argument, NULL, LOG},
        {"resume", required_argument, NULL, RESUME},
        {"report", required_argument, NULL, REPORT},
        {"memory", required_argument, NULL, MEMORY},
        {"progress", required_argument, NULL, PROGRESS},
        {"start-timeout", required_argument, NULL, START_TIMEOUT},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

void options_help(FILE *to)
{
        fputs("Run commands side by side; each can be timed, retried and stopped, with all it has started.\n"
              "\n"
              "  rein run [options] -- command [words with {}] [::: argument...]\n"
              "                              one job for each argument, or for each line of standard input\n"
              "  rein run [options]          each line of standard input is one shell command\n"
              "\n"
              "{} stands for the argument; without a {} it is added as the last word. No shell sees it.\n"
              "\n"
              "  -j, --jobs N                so many side by side (default: the cpus granted)\n"
              "  -t, --timeout SPAN          for each try; then SIGTERM to all of its process group,\n"
              "  -g, --grace SPAN            and SIGKILL so much later (2s)\n"
              "  -r, --retries N             try a failed job again, up to N times (0)\n"
              "      --delay SPAN            wait before the first retry; doubles, with full jitter (100ms)\n"
              "      --delay-max SPAN        never wait longer (30s)\n"
              "      --retry-on LIST         only after these: exit codes, signal, timeout (any failure)\n"
              "      --deadline SPAN         for everything\n"
              "      --halt WHEN             stop the rest: never (default), fail, fail=N, success\n"
              "      --tag                   begin each line of output with the job's argument\n"
              "      --keep-order            output in the order of the input\n"
              "      --quiet                 say nothing about jobs that failed\n"
              "      --log FILE              add a line of JSON for each try\n"
              "      --resume FILE           do not run again what succeeded in that log\n"
              "      --report FILE           write how every job ended, as JSON\n"
              "      --start-timeout SPAN    while nothing runs and nothing can be started, wait so long (10s)\n"
              "      --memory SIZE           address space of each job: 512M, 1.5G\n"
              "      --progress WHEN         auto (default), always, never\n"
              "  -h, --help                  this text\n"
              "\n"
              "SPAN: 250ms, 2s, 1.5m, 1h. Ctrl-C stops everything in order; a second one kills at once.\n"
              "Exit status: 0 all succeeded; 1 to 100 so many jobs failed; 101 more; 123 the output, the log or\n"
              "the report is not whole; 124 the deadline; 125 wrong usage; 130 interrupted; 141 nobody reads the\n"
              "output. See rein-run(1).\n",
              to);
}

static enum parsed option_wrong(const char *fmt, ...) REIN_PRINTF(1, 2);
static enum parsed option_wrong(const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        fputs("rein run: ", stderr);
        vfprintf(stderr, fmt, args);
        fputc('\n', stderr);
        va_end(args);
        return PARSED_WRONG;
}

static enum parsed option_span(const char *option, const char *s, int64_t least_ns, int64_t *ns)
{
        if (!span_parse(s, ns))
                return option_wrong("%s: '%s' is no span; write a number and ms, s, m or h, as in 1.5m", option, s);
        if (*ns < least_ns)
                return option_wrong("%s must be longer than nothing; leave it out for no limit", option);
        return PARSED;
}

static enum parsed option_count(const char *option, const char *s, long least, long most, int *n)
{
        long value;
        if (!count_parse(s, least, most, &value))
                return option_wrong("%s: '%s' is no number from %ld to %ld", option, s, least, most);
        *n = (int)value;
        return PARSED;
}

/* "1,75-78,signal" */
static enum parsed option_retry_on(char *list, struct causes *c)
{
        *c = (struct causes){0};
        for (char *rest = list, *word; (word = strsep(&rest, ","));) {
                long from, to;
                char *dash = strchr(word, '-');
                if (dash)
                        *dash++ = '\0';
                if (!dash && strcmp(word, "signal") == 0) {
                        c->signal = true;
                } else if (!dash && strcmp(word, "timeout") == 0) {
                        c->timeout = true;
                } else if (count_parse(word, 1, 255, &from) && count_parse(dash ? dash : word, from, 255, &to)) {
                        for (long code = from; code <= to; code++)
                                c->code[code] = true;
                } else {
                        return option_wrong(
                                "--retry-on: '%s%s%s' is none of: an exit code from 1 to 255, a range as 64-78, "
                                "signal, timeout",
                                word, dash ? "-" : "", dash ? dash : "");
                }
        }
        return PARSED;
}

static enum parsed option_halt(const char *s, struct options *o)
{
        o->halt_fails = 1;
        if (strcmp(s, "never") == 0)
                o->halt = HALT_NEVER;
        else if (strcmp(s, "success") == 0)
                o->halt = HALT_SUCCESS;
        else if (strcmp(s, "fail") == 0 || strncmp(s, "fail=", 5) == 0)
                o->halt = HALT_FAIL;
        else
                return option_wrong("--halt: '%s' is none of: never, fail, fail=N, success", s);
        return s[4] == '=' ? option_count("--halt fail=N", s + 5, 1, INT_MAX, &o->halt_fails) : PARSED;
}

static enum parsed option_progress(const char *s, enum progress_when *p)
{
        if (strcmp(s, "auto") == 0)
                *p = PROGRESS_AUTO;
        else if (strcmp(s, "always") == 0)
                *p = PROGRESS_ALWAYS;
        else if (strcmp(s, "never") == 0)
                *p = PROGRESS_NEVER;
        else
                return option_wrong("--progress: '%s' is none of: auto, always, never", s);
        return PARSED;
}

static enum parsed option_parse(struct options *o, int letter, char *value)
{
        switch (letter) {
        case 'j':
                return option_count("-j", value, 1, MOST_JOBS, &o->jobs);
        case 't':
                return option_span("-t", value, 1, &o->timeout_ns);
        case 'g':
                return option_span("-g", value, 0, &o->grace_ns);
        case 'r':
                return option_count("-r", value, 0, 1000000, &o->retries);
        case DELAY:
                return option_span("--delay", value, 0, &o->delay_ns);
        case DELAY_MAX:
                return option_span("--delay-max", value, 0, &o->delay_max_ns);
        case RETRY_ON:
                return option_retry_on(value, &o->retry_on);
        case DEADLINE:
                return option_span("--deadline", value, 1, &o->deadline_ns);
        case HALT:
                return option_halt(value, o);
        case TAG:
                o->tag = true;
                return PARSED;
        case KEEP_ORDER:
                o->keep_order = true;
                return PARSED;
        case QUIET:
                o->quiet = true;
                return PARSED;
        case LOG:
                o->log = value;
                return PARSED;
        case RESUME:
                o->resume = value;
                return PARSED;
        case REPORT:
                o->report = value;
                return PARSED;
        case MEMORY:
                if (!size_parse(value, &o->memory) || o->memory == 0)
                        return option_wrong("--memory: '%s' is no size; write a number and K, M, G or T, as in 512M",
                                            value);
                return PARSED;
        case START_TIMEOUT:
                return option_span("--start-timeout", value, 0, &o->start_timeout_ns);
        case PROGRESS:
                return option_progress(value, &o->progress);
        default:
                return PARSED_HELP;
        }
}

/* What follows the options: the command up to :::, then the arguments. */
static enum parsed option_command(struct options *o, int n, char **words)
{
        int i = 0;
        while (i < n && strcmp(words[i], ":::") != 0)
                i++;
        if (i < n) {
                if (i == 0)
                        return option_wrong(
                                "::: needs a command before it, as in: rein run -- gzip {} ::: a.txt b.txt");
                o->arguments = words + i + 1;
                o->arguments_n = n - i - 1;
        }
        o->words = i > 0 ? words : NULL;
        o->words_n = i;
        return PARSED;
}

enum parsed options_parse(struct options *o, int argc, char **argv)
{
        *o = (struct options){
                .grace_ns = 2000000000,
                .start_timeout_ns = 10000000000,
                .delay_ns = 100000000,
                .delay_max_ns = 30000000000,
                .retry_on = {.any = true},
        };
        opterr = 0; /* its complaints do not say what to do */
        int letter;
        /* '+': the options end where the command begins. ':': a missing value is told from an unknown option. */
        while ((letter = getopt_long(argc, argv, "+:j:t:g:r:h", long_options, NULL)) != -1) {
                if (letter == ':')
                        return option_wrong("%s needs a value; see rein run --help", argv[optind - 1]);
                if (letter == '?') {
                        if (optopt > 0 && optopt < 256 && !strchr("jtgrh", optopt))
                                return option_wrong("there is no option -%c; see rein run --help", optopt);
                        if (optopt)
                                return option_wrong("%s takes no value; see rein run --help", argv[optind - 1]);
                        return option_wrong("there is no option %s (or it is not written out); see rein run --help",
                                            argv[optind - 1]);
                }
                enum parsed p = option_parse(o, letter, optarg);
                if (p != PARSED)
                        return p;
        }
        if (o->jobs == 0)
                o->jobs = rein_cpus();
        if (o->delay_max_ns < o->delay_ns)
                o->delay_max_ns = o->delay_ns;
        return option_command(o, argc - optind, argv + optind);
}
