/* SPDX-License-Identifier: Apache-2.0 */
/* The command `rein`: one word says which of its commands. */
#include "run.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void print_help(FILE *to)
{
        fputs("rein: concurrent work that can always be stopped.\n"
              "\n"
              "  rein run        run commands side by side; rein run --help says more\n"
              "  rein --version\n"
              "  rein --help\n",
              to);
}

int main(int argc, char **argv)
{
        /* The number of a missing standard stream would be given to the next thing opened. */
        const bool no_output = fcntl(STDOUT_FILENO, F_GETFD) < 0;
        for (int fd = 0; fd < 3; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
                        return EXIT_WRONG;
        if (no_output) {
                fputs("rein: standard output is closed, so what is printed would be lost; say where it goes, as with "
                      "> /dev/null\n",
                      stderr);
                return EXIT_WRONG;
        }
        const char *word = argc > 1 ? argv[1] : "";
        if (strcmp(word, "run") == 0)
                return run_main(argc - 1, argv + 1);
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
                print_help(stdout);
                return 0;
        }
        if (strcmp(word, "--version") == 0) {
                printf("rein %s\n", rein_version());
                return 0;
        }
        if (*word)
                fprintf(stderr, "rein: there is no command '%s'; try rein run, or rein --help\n", word);
        else
                print_help(stderr);
        return EXIT_WRONG;
}
