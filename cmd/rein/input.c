/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <rein/io.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* LINE: what the kernel takes as one argument (MAX_ARG_STRLEN), its NUL included. */
enum { BLOCK = 64 * 1024, LINE = 128 * 1024 };

int input_open(struct input *in, char **arguments, int n)
{
        *in = (struct input){.arguments = arguments, .arguments_n = n};
        if (arguments)
                return 0;
        struct stat st;
        if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
                in->file_size = st.st_size;
        in->bytes = malloc(BLOCK);
        in->line = malloc(LINE);
        return in->bytes && in->line ? 0 : -ENOMEM;
}

/* Add bytes to the line, as far as it may grow. */
static void input_add(struct input *in, const char *bytes, size_t n)
{
        size_t room = LINE - in->line_n;
        memcpy(in->line + in->line_n, bytes, n < room ? n : room);
        in->line_n += n < room ? n : room;
}

static int input_next_line(struct input *in, const char **flaw)
{
        in->line_n = 0;
        bool any = false;
        for (;;) {
                if (in->begin == in->end) {
                        int64_t n = in->ended ? 0 : rein_read(STDIN_FILENO, in->bytes, BLOCK, REIN_NEVER);
                        if (n < 0)
                                return (int)n;
                        in->begin = 0;
                        in->end = (size_t)n;
                        if (n == 0) {
                                in->ended = true;
                                if (!any)
                                        return 0;
                                break; /* the last line, without its newline */
                        }
                }
                const char *from = in->bytes + in->begin, *newline = memchr(from, '\n', in->end - in->begin);
                size_t n = newline ? (size_t)(newline - from) : in->end - in->begin;
                any = true;
                input_add(in, from, n);
                in->begin += n + (newline ? 1 : 0);
                in->taken += (int64_t)n + (newline ? 1 : 0);
                if (newline)
                        break;
        }
        *flaw = in->line_n == LINE                   ? "the argument is longer than 131071 bytes"
                : memchr(in->line, '\0', in->line_n) ? "the argument has a NUL byte in it"
                                                     : NULL;
        in->line[in->line_n < LINE ? in->line_n : LINE - 1] = '\0';
        return 1;
}

int input_next(struct input *in, const char **argument, const char **flaw)
{
        *flaw = NULL;
        if (!in->arguments) {
                *argument = in->line;
                return input_next_line(in, flaw);
        }
        if (in->taken == in->arguments_n) {
                in->ended = true;
                return 0;
        }
        *argument = in->arguments[in->taken++];
        return 1;
}

double input_share(struct input *in)
{
        if (in->ended)
                return 1;
        int64_t all = in->arguments ? in->arguments_n : in->file_size;
        return all > 0 ? (double)in->taken / (double)all : -1;
}

void input_close(struct input *in)
{
        free(in->bytes);
        free(in->line);
}
