/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run` in a world that misbehaves: each call of the operating system that the command makes itself, and each error
 * that its manual page names; system calls that are missing; descriptors that it was started with; tables that grow. What
 * runs here is the command linked with wrap.c, but where nothing is made to fail.
 *
 *      FINE    the errors of the calls before: done again, or in another way, or nothing depends on it: the output is whole
 *      SAID    the command says it, by the error's text, in its output for people
 *      LIVES   it depends on which call it is: the output is whole, or something is said; no crash, no hang */
#include "command.h"
#include "harness.h"

#include <inttypes.h>

#include "wrap.h"

#define FAULTY       REIN_BINARY_DIR "/tests/world/rein"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- what is run ---- */

typedef struct scene {
        const char *input;
        const char *argv[24];
        const char *out;         /* NULL: what `spools` prints */
        const char *missing;     /* a call that always fails, and how; NULL */
        const char *of_two_jobs; /* stands in the report for each of the two; NULL */
} scene;

#define EACH "--", "sh", "-c", "echo out {}"

/* Two jobs, in order, and all that is written about them. */
static const scene plain = {
        .argv = {FAULTY, "run", "-j2", "--keep-order", "--tag", "--log", "log", "--report", "report", EACH, ":::", "a",
                 "b"},
        .out = "a\tout a\nb\tout b\n",
};
static const scene bare = {.argv = {FAULTY, "run", "-j1", EACH, ":::", "a", "b"}, .out = "out a\nout b\n"};
static const scene lines = {.input = "one\ntwo\n", .argv = {FAULTY, "run", "-j1", "--", "echo"}, .out = "one\ntwo\n"};
static const scene raised = {
        .argv = {"sh", "-c", "ulimit -S -n 256 && exec " FAULTY " run -j20 -- sh -c 'echo out {}' ::: a"},
        .out = "out a\n",
};

/* Each leaves a process behind, in a session of its own: only by its environment it is known to be the job's. */
#define LEAVES_ONE                                                                                                     \
        "setsid sh -c 'touch left{}; exec sleep 1000' >/dev/null 2>&1 & "                                              \
        "until test -e left{}; do sleep 0.01; done; rm left{}; echo out {}"
static const scene strays = {
        .argv = {FAULTY, "run", "-j1", "-g", "50ms", "--report", "report", "--", "sh", "-c", LEAVES_ONE, ":::", "a",
                 "b"},
        .out = "out a\nout b\n",
        .of_two_jobs = "\"left_behind\":1",
};

/* The second job's output waits for the first, in a file. */
#define TWO_BEFORE_ONE                                                                                                 \
        "test {} = 1 || head -c 200000 /dev/zero | tr '\\0' x; test {} = 2 && touch two; "                             \
        "i=0; until test -e two || test $i -gt 400; do sleep 0.01; i=$((i+1)); done"
#define SPOOLS                                                                                                         \
        {                                                                                                              \
                FAULTY, "run", "-j2", "--keep-order", "--halt", "fail", "--", "sh", "-c", TWO_BEFORE_ONE, ":::", "1",  \
                        "2"                                                                                            \
        }
static const scene spools = {.argv = SPOOLS};
static const scene spools_by_name = {.argv = SPOOLS, .missing = "open:O_TMPFILE,95"}; /* EOPNOTSUPP */

/* What the log says is not run again. */
static const scene resumed = {.argv = {FAULTY, "run", "-j1", "--resume", "old", EACH, ":::", "a", "b"},
                              .out = "out b\n"};

static const scene goes_on = {.argv = {FAULTY, "run", "-j1", "--log", "old", EACH, ":::", "a", "b"},
                              .out = "out a\nout b\n"};

/* ---- the table ---- */

typedef enum verdict { FINE, SAID, LIVES } verdict;

enum { MOST_ERRORS = 10, ANY_FD = -1, COMMANDS = -2 }; /* COMMANDS: in guard.c, but made by the command itself */

typedef struct row {
        const char *call, *file;
        verdict verdict;
        const scene *scene;
        unsigned first, last; /* which of the calls */
        int fd;
        int errors[MOST_ERRORS];
} row;

#define ROW(call, file, verdict, scene, first, last, fd, ...)                                                          \
        {                                                                                                              \
                call, file, verdict, scene, first, last, fd,                                                           \
                {                                                                                                      \
                        __VA_ARGS__, 0                                                                                 \
                }                                                                                                      \
        }
#define NONE(call, file) ROW(call, file, FINE, NULL, 0, 0, 0, 0) /* not made to fail here, for the reason beside it */

static const row table[] = {
#define FAMILY "cmd/rein/family.c"
        ROW("getrandom", FAMILY, FINE, &bare, 1, 1, ANY_FD, EAGAIN, EINTR, ENOSYS, EFAULT, EINVAL),
        ROW("prctl:PR_SET_CHILD_SUBREAPER", FAMILY, SAID, &bare, 1, 1, ANY_FD, EINVAL, EPERM),
        ROW("open:/proc", FAMILY, SAID, &bare, 1, 1, ANY_FD, EMFILE, ENFILE, ENOMEM, EACCES, ENOENT),
        ROW("open:/proc", FAMILY, FINE, &strays, 2, 3, ANY_FD, EMFILE, ENFILE, ENOMEM, EINTR),
        NONE("open", FAMILY), /* by its folder, above */
        ROW("pread", FAMILY, FINE, &strays, 1, 3, ANY_FD, EINTR, ENOMEM, EIO),
        ROW("read", FAMILY, LIVES, &strays, 1, 5, ANY_FD, EINTR, EIO, ENOMEM, WORLD_SHORT),
        ROW("realloc", FAMILY, LIVES, &strays, 1, 4, ANY_FD, ENOMEM),
        ROW("malloc", FAMILY, LIVES, &strays, 1, 8, ANY_FD, ENOMEM),
        ROW("getpgid", FAMILY, FINE, &strays, 1, 2, ANY_FD, ESRCH, EPERM),
        ROW("kill", FAMILY, FINE, &strays, 1, 3, ANY_FD, EPERM, ESRCH),
        ROW("waitid", FAMILY, FINE, &strays, 1, 2, ANY_FD, EINTR), /* ECHILD: it is gone */
        NONE("access", FAMILY),                                    /* it chooses between two texts */
        ROW("SYS_pidfd_open", FAMILY, FINE, &strays, 2, 3, ANY_FD, EMFILE, ENFILE, ENODEV, ENOMEM, ESRCH, EINVAL,
            ENOSYS),
        NONE("SYS_pidfd_send_signal", FAMILY), /* the guard's; see the_guard_ends_strays */
        NONE("opendir", FAMILY),               /* the guard's: then nobody is found, and it ends */
        NONE("readdir", FAMILY),
        NONE("closedir", FAMILY),
        ROW("close", FAMILY, FINE, &strays, 5, 12, ANY_FD, EINTR, EIO),

#define GUARD "cmd/rein/guard.c"
        ROW("pipe2", GUARD, FINE, &bare, 1, 1, COMMANDS, EMFILE, ENFILE), /* not now is not never */
        ROW("pipe2", GUARD, SAID, &bare, 1, 1, COMMANDS, EFAULT),
        ROW("fork", GUARD, FINE, &bare, 1, 1, COMMANDS, EAGAIN, ENOMEM),
        ROW("fork", GUARD, SAID, &bare, 1, 1, COMMANDS, ENOSYS),
        NONE("sigprocmask", GUARD), /* fails for another manner alone */
        ROW("setsid", GUARD, FINE, &bare, 1, 1, ANY_FD, EPERM),
        ROW("prctl", GUARD, FINE, &bare, 1, 1, ANY_FD, EINVAL),
        ROW("open:/dev/null", GUARD, LIVES, &bare, 1, 2, ANY_FD, EMFILE, ENFILE, ENOENT, EACCES),
        NONE("open", GUARD),    /* by its file, above */
        NONE("opendir", GUARD), /* where close_range is missing; then it keeps what it has */
        NONE("readdir", GUARD),
        NONE("closedir", GUARD),
        ROW("dup2", GUARD, FINE, &bare, 1, 4, ANY_FD, EBADF, EBUSY, EINTR, EMFILE),
        ROW("close_range", GUARD, FINE, &bare, 1, 1, ANY_FD, ENOSYS, EMFILE, ENOMEM),
        ROW("chdir", GUARD, FINE, &bare, 1, 1, ANY_FD, EACCES, ENOMEM, EIO),
        ROW("read", GUARD, FINE, &bare, 1, 1, 3, EINTR),
        NONE("poll", GUARD),  /* a nap */
        NONE("write", GUARD), /* a guard that is gone: see below */
        NONE("kill", GUARD),  /* of a child that is there */
        ROW("waitpid", GUARD, FINE, &bare, 1, 1, COMMANDS, EINTR, ECHILD),
        ROW("close", GUARD, FINE, &bare, 1, 4, ANY_FD, EINTR, EIO),

#define RUN_C "cmd/rein/run.c"
        ROW("getrlimit", RUN_C, SAID, &bare, 1, 1, ANY_FD, EFAULT, EINVAL, EPERM),
        ROW("setrlimit", RUN_C, SAID, &raised, 1, 1, ANY_FD, EPERM, EINVAL, EFAULT),
        ROW("sigaction", RUN_C, FINE, &bare, 1, 1, ANY_FD, EINVAL, EFAULT),
        NONE("signal", RUN_C),      /* fails for an unknown signal alone */
        NONE("sigprocmask", RUN_C), /* fails for another manner alone */

#define CHILD "cmd/rein/child.c"
        ROW("pipe2", CHILD, FINE, &bare, 2, 3, ANY_FD, EMFILE, ENFILE), /* not now is not never */
        ROW("pipe2", CHILD, SAID, &bare, 2, 3, ANY_FD, EFAULT),
        ROW("fcntl:F_SETFL", CHILD, SAID, &bare, 1, 2, ANY_FD, EPERM, EBADF),
        NONE("fcntl", CHILD), /* by its command, above */
        ROW("read", CHILD, FINE, &bare, 2, 6, ANY_FD, EINTR, EAGAIN, WORLD_SHORT),
        ROW("poll", CHILD, FINE, &bare, 1, 4, ANY_FD, EINTR),

#define OUTLET "cmd/rein/outlet.c"
        ROW("write", OUTLET, FINE, &bare, 1, 2, 1, EINTR, EAGAIN, WORLD_SHORT),
        ROW("write", OUTLET, SAID, &bare, 1, 1, 1, EIO, ENOSPC, EDQUOT, EFBIG, EPERM),
        ROW("poll", OUTLET, FINE, &bare, 1, 4, ANY_FD, EINTR, ENOMEM),
        ROW("fstat", OUTLET, FINE, &bare, 1, 3, ANY_FD, EBADF, ENOMEM, EOVERFLOW),
        ROW("SYS_kcmp", OUTLET, FINE, &bare, 1, 1, ANY_FD, ENOSYS, EPERM, EBADF),
        NONE("isatty", OUTLET), /* an error is a no */
        NONE("ioctl", OUTLET),  /* of a terminal; then it is taken to be 80 columns wide */
        NONE("isatty", "cmd/rein/progress.c"),

#define OUTPUT "cmd/rein/output.c"
        ROW("calloc", OUTPUT, LIVES, &plain, 1, 24, ANY_FD, ENOMEM),

#define SPOOL "cmd/rein/spool.c"
        ROW("open:O_TMPFILE", SPOOL, FINE, &spools, 1, 1, ANY_FD, EOPNOTSUPP, EISDIR, EINTR),
        ROW("open:O_TMPFILE", SPOOL, SAID, &spools, 1, 1, ANY_FD, EMFILE, ENFILE, ENOSPC, EDQUOT, EACCES, EROFS,
            ENOENT),
        NONE("open", SPOOL), /* by its flag, above */
        ROW("mkostemp", SPOOL, SAID, &spools_by_name, 1, 1, ANY_FD, EMFILE, ENOSPC, EACCES, EEXIST),
        NONE("unlink", SPOOL), /* of what was just made */
        ROW("pwrite", SPOOL, FINE, &spools, 1, 3, ANY_FD, EINTR, WORLD_SHORT),
        ROW("pwrite", SPOOL, SAID, &spools, 1, 3, ANY_FD, ENOSPC, EIO, EDQUOT, EFBIG),
        ROW("pread", SPOOL, FINE, &spools, 3, 6, ANY_FD, EINTR, WORLD_SHORT),
        ROW("pread", SPOOL, LIVES, &spools, 1, 6, ANY_FD, EIO),
        ROW("malloc", "cmd/rein/job.c", LIVES, &spools, 1, 8, ANY_FD, ENOMEM),
        ROW("realloc", SPOOL, LIVES, &spools, 1, 8, ANY_FD, ENOMEM),
        ROW("close", SPOOL, FINE, &spools, 10, 16, ANY_FD, EINTR, EIO),

#define REPORT "cmd/rein/report.c"
        ROW("open", REPORT, SAID, &plain, 1, 2, ANY_FD, EACCES, EMFILE, ENFILE, ENOSPC, EROFS, ENOENT, EISDIR),
        ROW("fstat", REPORT, FINE, &plain, 1, 1, ANY_FD, EBADF, ENOMEM, EOVERFLOW),
        ROW("write", REPORT, FINE, &plain, 1, 1, 3, EINTR, WORLD_SHORT),
        ROW("write", REPORT, SAID, &plain, 1, 1, 3, ENOSPC, EIO, EDQUOT, EFBIG),
        ROW("pread", REPORT, FINE, &goes_on, 1, 1, ANY_FD, EINTR),
        ROW("pread", REPORT, LIVES, &goes_on, 1, 1, ANY_FD, EIO), /* a line too many */
        ROW("pwrite", REPORT, FINE, &plain, 1, 3, ANY_FD, EINTR, WORLD_SHORT),
        ROW("pwrite", REPORT, SAID, &plain, 1, 3, ANY_FD, ENOSPC, EIO, EDQUOT, EFBIG),
        ROW("close", REPORT, SAID, &plain, 1, 1, 3, EIO, ENOSPC, EDQUOT),
        ROW("close", REPORT, FINE, &plain, 1, 1, 4, EINTR),

        ROW("fopen", "cmd/rein/resume.c", SAID, &resumed, 1, 1, ANY_FD, EMFILE, ENFILE, EACCES, ENOENT, ENOMEM),
        ROW("getline", "cmd/rein/resume.c", SAID, &resumed, 1, 2, ANY_FD, ENOMEM, EIO),
        ROW("calloc", "cmd/rein/resume.c", SAID, &resumed, 1, 1, ANY_FD, ENOMEM),
        NONE("feof", "cmd/rein/resume.c"),
        NONE("fclose", "cmd/rein/resume.c"), /* it was read alone */

        ROW("malloc", "cmd/rein/input.c", SAID, &lines, 1, 2, ANY_FD, ENOMEM),
        ROW("fstat", "cmd/rein/input.c", FINE, &lines, 1, 1, ANY_FD, EBADF, EOVERFLOW),
        ROW("malloc", "cmd/rein/job.c", LIVES, &bare, 1, 10, ANY_FD, ENOMEM),
        ROW("realloc", "cmd/rein/text.c", LIVES, &plain, 1, 12, ANY_FD, ENOMEM),
        NONE("clock_gettime", "cmd/rein/text.c"), /* fails for an unknown clock alone */
        NONE("gmtime_r", "cmd/rein/text.c"),      /* fails in the year 2^31 */
        NONE("fcntl", "cmd/rein/main.c"),         /* an error is a no */
        NONE("open", "cmd/rein/main.c"),          /* then it ends; there is nowhere to say it */
};

/* ---- running a row ---- */

enum { SPOOLED = 200000 }; /* more than a pipe holds: so the command has taken some when the second job goes on */
static char *spooled;      /* what `spools` prints */

static void before_each(void)
{
        unlink("fired");
        unlink("two");
        unlink("log");
        unlink("report");
}

static struct command begin(const scene *s, const char *call, unsigned at, int error, int fd, bool forked)
{
        char plan[128];
        snprintf(plan, sizeof plan, "%s,%u,%d,%d,%d", call, at, error, fd, forked);
        setenv("REIN_WORLD", plan, 1);
        if (s->missing)
                setenv("REIN_WORLD_MISSING", s->missing, 1);
        before_each();
        struct command c = start_with(s->input, s->argv);
        unsetenv("REIN_WORLD");
        unsetenv("REIN_WORLD_MISSING");
        return c;
}

static const char *expected_out(const scene *s)
{
        return s->out ? s->out : spooled;
}

static bool whole(const scene *s, const struct command *c)
{
        if (c->status != 0 || strcmp(c->stdout_text, expected_out(s)) != 0 || c->stderr_text[0] != '\0')
                return false;
        if (!s->of_two_jobs)
                return true;
        char *report = read_report("report");
        const int times = count_of(report, s->of_two_jobs);
        free(report);
        return times == 2;
}

static bool said(const struct command *c, int error)
{
        return c->status >= 0 && (strstr(c->stderr_text, strerrordesc_np(error)) != NULL);
}

static const char *judge(const row *r, const struct command *c, int error)
{
        if (c->status < 0)
                return "is killed";
        switch (r->verdict) {
        case FINE:
                return whole(r->scene, c) ? NULL : "does not stand it";
        case SAID:
                return said(c, error) ? NULL : "does not say so";
        default:
                return whole(r->scene, c) || c->stderr_text[0] ? NULL : "says nothing, and the output is not whole";
        }
}

static int mistakes;

static const char *name_of(int error)
{
        return error == WORLD_SHORT ? "one byte" : strerrorname_np(error);
}

/* How many times there is such a call may vary, but not whether there is. */
static const char *judge_fired(const row *r, const struct command *c, unsigned at, int error, bool in_guard)
{
        if (in_guard || exists("fired") || c->status < 0)
                return judge(r, c, error);
        return at == r->first ? "does not make the call" : whole(r->scene, c) ? NULL : "fails by itself";
}

static void try_one(const row *r, unsigned at, int error)
{
        const bool in_guard = strcmp(r->file, GUARD) == 0 && r->fd != COMMANDS;
        struct command c = begin(r->scene, r->call, at, error, r->fd, in_guard);
        const bool ends = poll(&(struct pollfd){.fd = c.pidfd, .events = POLLIN}, 1, 20000) == 1;
        if (!ends)
                kill(c.pid, SIGKILL);
        finish(&c);
        const char *what = ends ? judge_fired(r, &c, at, error, in_guard) : "hangs";
        if (what) {
                mistakes++;
                fprintf(stderr,
                        "%s (%s), call %u of them answers %s: the command %s: status %d\n  stdout: %.200s\n"
                        "  stderr: %.500s\n",
                        r->call, r->file, at, name_of(error), what, c.status, c.stdout_text, c.stderr_text);
        }
        release(&c);
}

/* A start costs a tenth of a second there. */
#if defined REIN_ASAN || defined REIN_TSAN
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* Each error at the first of the calls, and the first error at every one. Under a sanitizer: the first at the first. */
static void run_row(const row *r)
{
        for (int e = 0; e < (SANITIZED ? 1 : MOST_ERRORS) && r->errors[e]; e++)
                for (unsigned at = r->first; at <= (e || SANITIZED ? r->first : r->last); at++)
                        try_one(r, at, r->errors[e]);
}

static void each_error_of_each_call(void **state)
{
        (void)state;
        mark_environment();
        spooled = calloc(1, SPOOLED + 1);
        assert_non_null(spooled);
        memset(spooled, 'x', SPOOLED);
        struct command c = begin(&bare, "nothing", 1, WORLD_COUNT, -1, false);
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        c = RUN("-j1", "--log", "old", EACH, ":::", "a");
        EXPECT_STATUS(c, 0);
        release(&c);
        for (size_t i = 0; i < COUNT(table); i++)
                if (table[i].scene)
                        run_row(&table[i]);
        free(spooled);
        assert_int_equal(mistakes, 0);
        UNTIL(processes_left() == 0);
}

int main(void)
{
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* the numbers of what the command opens are known then */
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(each_error_of_each_call, make_folder, remove_folder),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
