/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run` on a terminal: the progress line, its width, and ^Z and fg. The terminal is a pseudo-terminal; a small picture of
 * its screen is kept, of the sequences that the command uses. */
#include "command.h"
#include "harness.h"

#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

/* ---- a terminal, and what its screen shows ---- */

enum { ROWS = 24, WIDEST = 200 };

struct screen {
        int master, slave;
        int columns, row, column;
        bool wrapped; /* a character has filled the last column */
        char cells[ROWS][WIDEST + 1];
        int widest;            /* the rightmost column that a progress line has reached */
        bool escapes, garbage; /* an escape sequence was seen; one that is not known here */
        char bytes[1 << 16];   /* all that came */
        size_t n;
};

static void screen_open(struct screen *s, int columns)
{
        *s = (struct screen){.columns = columns};
        s->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(s->master >= 0 && grantpt(s->master) == 0 && unlockpt(s->master) == 0);
        s->slave = open(ptsname(s->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(s->slave >= 0);
        assert_int_equal(
                ioctl(s->slave, TIOCSWINSZ, &(struct winsize){.ws_row = ROWS, .ws_col = (unsigned short)columns}), 0);
        memset(s->cells, ' ', sizeof s->cells);
}

static void next_row(struct screen *s)
{
        if (++s->row < ROWS)
                return;
        memmove(s->cells[0], s->cells[1], sizeof s->cells - sizeof s->cells[0]);
        memset(s->cells[ROWS - 1], ' ', sizeof s->cells[0]);
        s->row = ROWS - 1;
}

static void clear_from(struct screen *s, bool below)
{
        memset(s->cells[s->row] + s->column, ' ', (size_t)(WIDEST - s->column));
        for (int r = s->row + 1; below && r < ROWS; r++)
                memset(s->cells[r], ' ', WIDEST);
}

/* "[K", "[2A", "[J". Returns: past it. */
static const char *obey(struct screen *s, const char *at)
{
        char *end;
        s->escapes = true;
        if (*at != '[') {
                s->garbage = true;
                return at;
        }
        long n = strtol(at + 1, &end, 10);
        if (*end == 'K')
                clear_from(s, false);
        else if (*end == 'J')
                clear_from(s, true);
        else if (*end == 'A')
                s->row = s->row > n ? s->row - (int)(n ? n : 1) : 0;
        else
                s->garbage = true;
        s->wrapped = false;
        return end + 1;
}

static void put(struct screen *s, char c)
{
        if (s->wrapped) {
                next_row(s);
                s->column = 0;
        }
        s->cells[s->row][s->column] = c;
        s->wrapped = s->column == s->columns - 1;
        s->column += !s->wrapped;
        if (s->column > s->widest)
                s->widest = s->column;
}

static void screen_show(struct screen *s, const char *at, const char *end)
{
        while (at < end) {
                const char c = *at++;
                if (c == '\r') {
                        s->column = 0;
                        s->wrapped = false;
                } else if (c == '\n') {
                        next_row(s);
                } else if (c == '\033') {
                        at = obey(s, at);
                } else {
                        put(s, c);
                }
        }
}

/* Read what there is; false: all who had the terminal have closed it. */
static bool screen_read(struct screen *s)
{
        ssize_t n = read_patiently(s->master, s->bytes + s->n, sizeof s->bytes - 1 - s->n);
        if (n <= 0)
                return false;
        screen_show(s, s->bytes + s->n, s->bytes + s->n + n);
        s->n += (size_t)n;
        s->bytes[s->n] = '\0';
        return true;
}

static void screen_until(struct screen *s, const char *text)
{
        while (!strstr(s->bytes, text))
                if (!screen_read(s))
                        fail_msg("no \"%s\" on the terminal, but: %s", text, s->bytes);
}

/* The rows of the screen that are not blank, one below the other. */
static const char *screen_text(const struct screen *s)
{
        static char text[ROWS * (WIDEST + 1) + 1];
        size_t n = 0;
        for (int r = 0; r < ROWS; r++) {
                int end = WIDEST;
                while (end > 0 && s->cells[r][end - 1] == ' ')
                        end--;
                memcpy(text + n, s->cells[r], (size_t)end);
                n += (size_t)end;
                if (end)
                        text[n++] = '\n';
        }
        text[n] = '\0';
        return text;
}

static void screen_close(struct screen *s)
{
        close(s->master);
        if (s->slave >= 0)
                close(s->slave);
}

static struct command start_there(struct screen *s, const char *const argv[])
{
        struct command c = start_on(-1, s->slave, s->slave, argv);
        close(s->slave);
        s->slave = -1;
        return c;
}

/* ---- the progress line ---- */

#define GATED "until test -e {}; do sleep 0.01; done; echo got {}"

/* What a terminal of so many columns shows in between and in the end. */
static void on_so_many_columns(int columns, const char *line)
{
        static struct screen s;
        unlink("a");
        screen_open(&s, columns);
        struct command c = start_there(&s, ARGV(REIN, "run", "-j1", "--", "sh", "-c", GATED, ":::", "a"));
        screen_until(&s, line);
        assert_true(s.widest < columns); /* never in the last column, which would fold the line on some terminals */
        assert_int_equal(s.row, 0);
        write_file("a", "");
        while (screen_read(&s))
                ;
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        if (columns > 5)
                assert_string_equal(screen_text(&s), "got a\n");
        assert_false(s.garbage);
        screen_close(&s);
}

static void the_line_fits_into_the_terminal(void **state)
{
        (void)state;
        setenv("TERM", "xterm", 1);
        on_so_many_columns(20, "rein: 0 done, 1 run");
        on_so_many_columns(80, "rein: 0 done, 1 running, 0 failed, 0/s");
        on_so_many_columns(200, "rein: 0 done, 1 running, 0 failed, 0/s");
        on_so_many_columns(2, "r");
}

/* The window is made narrower while the line stands there. A terminal that folds lines then has two rows of it. */
static void a_terminal_that_becomes_narrower_keeps_nothing(void **state)
{
        (void)state;
        static struct screen s;
        setenv("TERM", "xterm", 1);
        screen_open(&s, 80);
        int other = fcntl(s.slave, F_DUPFD_CLOEXEC, 0);
        struct command c = start_there(&s, ARGV(REIN, "run", "-j1", "--", "sh", "-c", GATED, ":::", "a"));
        screen_until(&s, "rein: 0 done, 1 running, 0 failed");
        const size_t before = s.n;
        assert_int_equal(ioctl(other, TIOCSWINSZ, &(struct winsize){.ws_row = ROWS, .ws_col = 20}), 0);
        close(other);
        UNTIL(screen_read(&s) && strchr(s.bytes + before, 'A'));
        expect_within(s.bytes + before, "\r\033[1A\033[J"); /* one row up, and all below is cleared */
        write_file("a", "");
        while (screen_read(&s))
                ;
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        screen_close(&s);
}

/* Without escape sequences: blanks go over the line. */
static void a_dumb_terminal_gets_no_escape_sequence(void **state)
{
        (void)state;
        static const char *const names[] = {"dumb", ""};
        for (int i = 0; i < 2; i++) {
                static struct screen s;
                unlink("a");
                setenv("TERM", names[i], 1);
                screen_open(&s, 40);
                struct command c = start_there(&s, ARGV(REIN, "run", "-j1", "--", "sh", "-c", GATED, ":::", "a"));
                screen_until(&s, "rein: 0 done, 1 running, 0 failed");
                write_file("a", "");
                while (screen_read(&s))
                        ;
                finish(&c);
                EXPECT_STATUS(c, 0);
                release(&c);
                assert_string_equal(screen_text(&s), "got a\n");
                assert_false(s.escapes);
                screen_close(&s);
        }
        setenv("TERM", "xterm", 1);
}

static void without_a_terminal_no_escape_sequence_is_written(void **state)
{
        (void)state;
        struct command c = RUN("--progress", "always", "--", "sh", "-c", "echo {}; exit 3", ":::", "a");
        EXPECT_STATUS(c, 1);
        expect_without(c.stderr_text, "\033");
        expect_without(c.stderr_text, "\r");
        release(&c);
}

/* ---- ^Z and fg ---- */

/* The command as the foreground job of a session that has this terminal. */
static struct command start_in_the_foreground(struct screen *s, const char *const argv[])
{
        struct command c = {.out = -1, .err = -1};
        const char *name = ptsname(s->master);
        c.pid = fork();
        assert_true(c.pid >= 0);
        if (c.pid == 0) {
                if (setsid() < 0)
                        _exit(127);
                int fd = open(name, O_RDWR); /* a leader of a session without a terminal gets it so */
                if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
                        _exit(127);
                /* A shell's part: the job is a group of its own, which has the terminal. A group of a leader alone is an
                 * orphan, which the terminal does not stop. */
                pid_t job = fork();
                if (job == 0) {
                        setpgid(0, 0);
                        signal(SIGTTOU, SIG_IGN);
                        tcsetpgrp(0, getpid());
                        signal(SIGTTOU, SIG_DFL);
                        execv(argv[0], (char **)argv);
                        _exit(127);
                }
                int status, stops = 0;
                signal(SIGTTOU, SIG_IGN);
                while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
                        char line[8];
                        tcsetpgrp(0, getpid());
                        dprintf(1, "stopped %d\n", ++stops);
                        if (read(0, line, sizeof line) < 0) /* "fg" */
                                _exit(126);
                        tcsetpgrp(0, job);
                        kill(-job, SIGCONT);
                }
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        }
        running = c.pid;
        c.pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
        assert_true(c.pidfd >= 0);
        return c;
}

/* The command is stopped by the terminal for longer than -t, and the job ends meanwhile: that was in time. */
static void a_job_that_ended_in_time_is_no_timeout_after_fg(void **state)
{
        (void)state;
        static struct screen s;
        mark_environment();
        setenv("TERM", "dumb", 1);
        screen_open(&s, 80);
        struct command c = start_in_the_foreground(
                &s, ARGV(REIN, "run", "-t", "1500ms", "--log", "log", "--progress", "never", "--", "sh", "-c",
                         "touch here; until test -e go; do sleep 0.01; done; touch ended", ":::", "x"));
        UNTIL(exists("here"));
        assert_int_equal(write(s.master, "\032", 1), 1); /* ^Z */
        screen_until(&s, "stopped 1");
        write_file("go", "");
        UNTIL(exists("ended"));
        poll(NULL, 0, 2000); /* foreign: the time that is up */
        assert_int_equal(write(s.master, "fg\n", 3), 3);
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        char *log = read_file("log");
        expect_within(log, "\"ended\":\"success\"");
        expect_without(log, "stopped_with");
        free(log);
        screen_close(&s);
        UNTIL(processes_left() == 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_line_fits_into_the_terminal),
                TEST(a_terminal_that_becomes_narrower_keeps_nothing),
                TEST(a_dumb_terminal_gets_no_escape_sequence),
                TEST(without_a_terminal_no_escape_sequence_is_written),
                TEST(a_job_that_ended_in_time_is_no_timeout_after_fg),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
