/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the command: run it as a user does, look at what it prints, at how it ends and at what it leaves. */
#ifndef REIN_TESTS_COMMAND_H
#define REIN_TESTS_COMMAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REIN     REIN_BINARY_DIR "/rein"
#define CHILDREN REIN_SOURCE_DIR "/tests/children/"

/* How long a test waits for what must come. REIN_TEST_PATIENCE: other seconds; scripts/mutants.py has fewer, because with a
 * fault planted much is waited for in vain. */
static inline int patience_s(void)
{
        const char *other = getenv("REIN_TEST_PATIENCE");
        return other ? atoi(other) : 60;
}

static inline double now_s(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Wait until a condition holds; fail when it does not in a long time. */
#define UNTIL(condition)                                                                                               \
        do {                                                                                                           \
                double until_ = now_s() + patience_s();                                                                \
                while (!(condition)) {                                                                                 \
                        if (now_s() > until_)                                                                          \
                                fail_msg("in vain: %s", #condition);                                                   \
                        poll(NULL, 0, 2);                                                                              \
                }                                                                                                      \
        } while (0)

/* A folder of its own for each test, which is the working directory of all it starts. */
static char test_folder[64];

static inline int make_folder(void **state)
{
        (void)state;
        strcpy(test_folder, "/tmp/rein-test-XXXXXX");
        return mkdtemp(test_folder) && chdir(test_folder) == 0 ? 0 : -1;
}

/* The command that was started last, until it has ended: a test that fails leaves it behind. */
static pid_t running;

static inline int remove_folder(void **state)
{
        (void)state;
        if (running) {
                kill(running, SIGKILL);
                waitpid(running, NULL, 0);
                running = 0;
        }
        char command[128];
        snprintf(command, sizeof command, "cd / && rm -rf '%s'", test_folder);
        return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static inline bool exists(const char *file)
{
        return access(file, F_OK) == 0;
}

static inline void write_file(const char *name, const char *text)
{
        FILE *f = fopen(name, "we");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

/* All of it, with a NUL behind. Owns: the caller's. */
static inline char *read_fd(int fd)
{
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        char *text = malloc((size_t)st.st_size + 1);
        assert_non_null(text);
        ssize_t n = pread(fd, text, (size_t)st.st_size, 0);
        assert_int_equal(n, st.st_size);
        text[n] = '\0';
        return text;
}

static inline char *read_file(const char *name)
{
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                fail_msg("no file %s", name);
        char *text = read_fd(fd);
        close(fd);
        return text;
}

/* ---- running ---- */

struct command {
        pid_t pid;
        int pidfd, out, err; /* memory files that catch its output, or -1 */
        int status;          /* its exit code; minus the signal that ended it */
        char *stdout_text, *stderr_text;
};

/* Start a program with these descriptors as its standard streams; -1: /dev/null, and a memory file for the others. */
static inline struct command start_on(int in, int out, int err, const char *const argv[])
{
        struct command c = {.out = out, .err = err};
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        if (in < 0)
                posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        else
                posix_spawn_file_actions_adddup2(&actions, in, 0);
        if (out < 0)
                c.out = memfd_create("out", MFD_CLOEXEC);
        if (err < 0)
                c.err = memfd_create("err", MFD_CLOEXEC);
        posix_spawn_file_actions_adddup2(&actions, c.out, 1);
        posix_spawn_file_actions_adddup2(&actions, c.err, 2);
        extern char **environ;
        assert_int_equal(posix_spawnp(&c.pid, argv[0], &actions, NULL, (char **)argv, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        running = c.pid;
        c.pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
        assert_true(c.pidfd >= 0);
        if (out >= 0)
                c.out = -1;
        if (err >= 0)
                c.err = -1;
        return c;
}

static inline int input_of(const char *text)
{
        if (!text)
                return -1;
        int fd = memfd_create("in", MFD_CLOEXEC);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        lseek(fd, 0, SEEK_SET);
        return fd;
}

static inline bool has_ended(const struct command *c)
{
        return poll(&(struct pollfd){.fd = c->pidfd, .events = POLLIN}, 1, 0) == 1;
}

static inline void finish(struct command *c)
{
        siginfo_t info = {0};
        if (poll(&(struct pollfd){.fd = c->pidfd, .events = POLLIN}, 1, patience_s() * 1000) != 1) {
                kill(c->pid, SIGKILL);
                fail_msg("the command does not end");
        }
        assert_int_equal(waitid(P_PID, (id_t)c->pid, &info, WEXITED), 0);
        running = 0;
        c->status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
        close(c->pidfd);
        c->stdout_text = c->out >= 0 ? read_fd(c->out) : NULL;
        c->stderr_text = c->err >= 0 ? read_fd(c->err) : NULL;
        if (c->out >= 0)
                close(c->out);
        if (c->err >= 0)
                close(c->err);
}

/* read(2) of what the command prints; fails when nothing comes in a long time. */
static inline ssize_t read_patiently(int fd, void *bytes, size_t n)
{
        if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, patience_s() * 1000) != 1)
                fail_msg("the command prints no more, and does not end");
        return read(fd, bytes, n);
}

static inline void release(struct command *c)
{
        free(c->stdout_text);
        free(c->stderr_text);
}

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline struct command start_with(const char *input, const char *const argv[])
{
        int in = input_of(input);
        struct command c = start_on(in, -1, -1, argv);
        if (in >= 0)
                close(in);
        return c;
}

static inline struct command complete(const char *input, const char *const argv[])
{
        struct command c = start_with(input, argv);
        finish(&c);
        return c;
}

/* `rein run` with these arguments; RUN has an empty standard input, RUN_ON this text. */
#define START(...)         start_with(NULL, ARGV(REIN, "run", __VA_ARGS__))
#define RUN(...)           complete(NULL, ARGV(REIN, "run", __VA_ARGS__))
#define RUN_ON(input, ...) complete(input, ARGV(REIN, "run", __VA_ARGS__))

#define EXPECT_STATUS(c, s)                                                                                            \
        do {                                                                                                           \
                if ((c).status != (s))                                                                                 \
                        fail_msg("status %d and not %d; it said: %s", (c).status, (s), (c).stderr_text);               \
        } while (0)

static inline void expect_within(const char *text, const char *piece)
{
        if (!strstr(text, piece))
                fail_msg("no \"%s\" in: %.2000s", piece, text);
}

static inline void expect_without(const char *text, const char *piece)
{
        if (strstr(text, piece))
                fail_msg("\"%s\" in: %.2000s", piece, text);
}

static inline int count_of(const char *text, const char *piece)
{
        int n = 0;
        for (; (text = strstr(text, piece)); text += strlen(piece))
                n++;
        return n;
}

/* ---- what is left ---- */

static inline bool file_of_process_has(const char *pid, const char *what, const char *bytes)
{
        char name[300], *text = NULL;
        size_t room = 0, n = 0;
        snprintf(name, sizeof name, "/proc/%s/%s", pid, what);
        FILE *f = fopen(name, "re");
        if (f) {
                room = 1 << 20;
                text = malloc(room);
                n = text ? fread(text, 1, room, f) : 0;
                fclose(f);
        }
        bool has = n > 0 && memmem(text, n, bytes, strlen(bytes));
        free(text);
        return has;
}

/* Everything that comes from a command started after mark_environment carries this. */
static char mark[64];

static inline void mark_environment(void)
{
        static int number;
        snprintf(mark, sizeof mark, "REIN_TEST_MARK=%d.%d;", getpid(), ++number);
        putenv(mark);
}

/* How many processes have these bytes in a file of theirs, "environ" or "cmdline"? (Zombies have nothing there.)
 * with: only those that have this in their environment, too. */
static inline int processes_with(const char *what, const char *bytes, const char *with)
{
        int n = 0;
        DIR *proc = opendir("/proc");
        for (struct dirent *d; proc && (d = readdir(proc));)
                n += isdigit((unsigned char)d->d_name[0]) && atoi(d->d_name) != getpid() &&
                     file_of_process_has(d->d_name, what, bytes) &&
                     (!*with || file_of_process_has(d->d_name, "environ", with));
        closedir(proc);
        return n;
}

/* Of those that carry the mark. */
static inline int processes_of(const char *what, const char *bytes)
{
        return processes_with(what, bytes, mark);
}

static inline int processes_left(void)
{
        return processes_of("environ", mark);
}

/* A number of kB of /proc/PID/status. */
static inline long status_kb(pid_t pid, const char *field)
{
        char name[64], line[256];
        long value = -1;
        snprintf(name, sizeof name, "/proc/%d/status", pid);
        FILE *f = fopen(name, "re");
        while (f && fgets(line, sizeof line, f))
                if (strncmp(line, field, strlen(field)) == 0)
                        value = strtol(line + strlen(field) + 1, NULL, 10);
        if (f)
                fclose(f);
        return value;
}

/* ---- JSON ---- */

/* Past one JSON value (RFC 8259), or NULL when there is none. */
static inline const char *past_json(const char *s)
{
        while (*s && strchr(" \t\r\n", *s))
                s++;
        if (*s == '"') {
                for (s++; *s != '"'; s++) {
                        if ((unsigned char)*s < 0x20)
                                return NULL;
                        if (*s == '\\' && !strchr("\"\\/bfnrtu", *++s))
                                return NULL;
                }
                return s + 1;
        }
        if (*s == '{' || *s == '[') {
                char end = *s == '{' ? '}' : ']';
                for (s++;; s++) {
                        while (*s && strchr(" \t\r\n", *s))
                                s++;
                        if (*s == end)
                                return s + 1;
                        if (end == '}') {
                                s = past_json(s);
                                if (!s || *s++ != ':')
                                        return NULL;
                        }
                        s = past_json(s);
                        while (s && *s && strchr(" \t\r\n", *s))
                                s++;
                        if (s && *s == end)
                                return s + 1;
                        if (!s || *s != ',')
                                return NULL;
                }
        }
        static const char *const word[] = {"true", "false", "null"};
        for (size_t i = 0; i < 3; i++)
                if (strncmp(s, word[i], strlen(word[i])) == 0)
                        return s + strlen(word[i]);
        char *end;
        if (*s != '-' && !isdigit((unsigned char)*s))
                return NULL;
        strtod(s, &end);
        return end;
}

static inline bool is_json(const char *s)
{
        s = past_json(s);
        return s && s[strspn(s, " \t\r\n")] == '\0';
}

/* A report, checked to be JSON. Owns: the caller's. */
static inline char *read_report(const char *name)
{
        char *text = read_file(name);
        if (!is_json(text))
                fail_msg("no JSON: %.4000s", text);
        return text;
}

/* The line of a report or log that has these bytes. Owns: the caller's. */
static inline char *line_with(const char *text, const char *bytes)
{
        const char *at = strstr(text, bytes);
        if (!at)
                fail_msg("no \"%s\" in: %.4000s", bytes, text);
        const char *begin = at, *end = strchr(at, '\n');
        while (begin > text && begin[-1] != '\n')
                begin--;
        return strndup(begin, end ? (size_t)(end - begin) : strlen(begin));
}

#endif
