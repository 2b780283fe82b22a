/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation with a child process over its pipes; then one that would sleep for ever is looked at, held, and stopped. One
 * sorts a file into another, with a limit on the CPU time that it may take. */
#include <rein/rein.h>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static int talk(void *arg)
{
        char cat[] = "cat", *argv[] = {cat, NULL}, heard[64];
        const char *said[] = {"hello\n", "how are you?\n"};
        rein_child *c;
        rein_child_end end = {.size = sizeof end};
        (void)arg;
        int rc = rein_child_start(&c, argv, REIN_CHILD(.in = REIN_CHILD_PIPE, .out = REIN_CHILD_PIPE));
        if (rc < 0)
                return rc;
        int to = rein_child_pipe(c, 0), from = rein_child_pipe(c, 1); /* ours from now on */
        for (int i = 0; rc >= 0 && i < 2; i++) {
                size_t n = 0, length = strlen(said[i]);
                /* Short lines: there is room for them in a pipe. With more, write in one job and read in another. */
                rc = rein_write(to, said[i], length, REIN_NEVER) < 0 ? -1 : 0;
                while (rc >= 0 && n < length) { /* a pipe may give a part at a time */
                        int64_t got = rein_read(from, heard + n, sizeof heard - n, rein_after(REIN_SEC(10)));
                        rc = got <= 0 ? -1 : 0;
                        n += got > 0 ? (size_t)got : 0;
                }
                printf("cat says: %.*s", (int)n, heard);
        }
        rein_close(to); /* so it learns that there is no more */
        rein_close(from);
        if (rc >= 0)
                rc = rein_child_wait(c, &end, rein_after(REIN_SEC(10)));
        printf("cat ended: %s, exit code %d\n", rc == 0 ? "by itself" : rein_code_name(rc), end.code);
        rein_child_free(c); /* one that still runs would be stopped here */
        return rc;
}

static int stop(void *arg)
{
        char program[] = "sleep", much[] = "1000", *argv[] = {program, much, NULL};
        rein_child *c;
        rein_child_end end = {.size = sizeof end};
        (void)arg;
        int rc = rein_child_start(&c, argv, NULL);
        if (rc < 0)
                return rc;
        int ended = rein_wait_fd(rein_child_pidfd(c), POLLIN, REIN_NOWAIT); /* a descriptor for loops of your own */
        printf("sleep has a number: %s; has it ended? %s\n", rein_child_pid(c) > 0 ? "yes" : "no",
               rein_code_name(ended));
        rein_child_signal(c, SIGSTOP); /* it stands still; that does not keep it from being stopped */
        rc = rein_child_stop(c, &end);
        printf("stopped: %s, by %s\n", rein_code_name(rc), end.stopped_by ? strsignal(end.stopped_by) : "nothing");
        rein_child_free(c);
        return rc;
}

/* Two files of ours are its standard input and output; they stay ours. */
static int sort(FILE *from, FILE *to)
{
        char program[] = "sort", *argv[] = {program, NULL};
        static const rein_child_limit limits[] = {{RLIMIT_CPU, 10, 10}}; /* seconds */
        return rein_child_run(argv,
                              REIN_CHILD(.in = REIN_CHILD_FD(fileno(from)), .out = REIN_CHILD_FD(fileno(to)),
                                         .limits = limits, .limits_count = 1),
                              NULL);
}

static int sort_words(void)
{
        FILE *words = tmpfile(), *sorted = tmpfile();
        char word[16];
        int rc = -1;
        if (words && sorted && fputs("pear\napple\nfig\n", words) >= 0 && fflush(words) == 0) {
                rewind(words); /* the child shares the place in the file with us */
                rc = sort(words, sorted);
                rewind(sorted);
                printf("sorted:");
                while (fscanf(sorted, "%15s", word) == 1)
                        printf(" %s", word);
                printf("\n");
        }
        if (words)
                fclose(words);
        if (sorted)
                fclose(sorted);
        return rc;
}

int main(void)
{
        char program[] = "true", *argv[] = {program, NULL};
        rein_child_end end = {.size = sizeof end};
        int rc = rein_child_run(argv, NULL, &end); /* start, wait and free in one, from a plain thread */
        printf("true: %s, exit code %d\n", rein_code_name(rc), end.code);
        if (rc == 0)
                rc = rein_run(talk, NULL, NULL);
        if (rc == 0)
                rc = rein_run(stop, NULL, NULL);
        if (rc == 0)
                rc = sort_words();
        return rc == 0 ? 0 : 1;
}
