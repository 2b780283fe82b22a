/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run` where there is room for few processes: "not now" is not "never". The limit is RLIMIT_NPROC of a user that has no
 * other process; only the superuser can become one, and others skip these tests. (What it does when there is never any room:
 * tests/world/rein_run_test.c.) */
#include "command.h"
#include "harness.h"

#include <grp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

enum { ROOM = 12, JOBS = 30 };

static uid_t user_of_the_test(void)
{
        return (uid_t)(60000 + getpid() % 5000);
}

/* A superuser of a container may not become every user. */
static bool may_become_a_user(void)
{
        const uid_t user = user_of_the_test();
        pid_t pid = fork();
        if (pid == 0)
                _exit(setgroups(0, NULL) < 0 || setresuid(user, user, user) < 0);
        int status;
        return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* The command as a user of its own, to whom the folder belongs, and who may have so many processes and threads at once. */
static struct command start_with_room(int in, rlim_t most, const char *const argv[])
{
        struct command c = {.out = memfd_create("out", MFD_CLOEXEC), .err = memfd_create("err", MFD_CLOEXEC)};
        const uid_t user = user_of_the_test();
        int program = open(argv[0], O_RDONLY | O_CLOEXEC); /* its folder may not be open to that user */
        assert_true(program >= 0 && chown(".", user, (gid_t)-1) == 0);
        c.pid = fork();
        assert_true(c.pid >= 0);
        if (c.pid == 0) {
                const struct rlimit limit = {most, most};
                if (dup2(in >= 0 ? in : open("/dev/null", O_RDONLY | O_CLOEXEC), 0) < 0 || dup2(c.out, 1) < 0 ||
                    dup2(c.err, 2) < 0 || setgroups(0, NULL) < 0 || setresuid(user, user, user) < 0 ||
                    setrlimit(RLIMIT_NPROC, &limit) < 0)
                        _exit(127);
                extern char **environ;
                fexecve(program, (char **)argv, environ);
                _exit(127);
        }
        close(program);
        running = c.pid;
        c.pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
        assert_true(c.pidfd >= 0);
        return c;
}

/* Its lines so far. Owns: the caller's. */
static char *said_so_far(const struct command *c)
{
        return read_fd(c->err);
}

static bool said(const struct command *c, const char *text)
{
        char *all = said_so_far(c);
        bool there = strstr(all, text) != NULL;
        if (!there && has_ended(c))
                fail_msg("the command has ended, and said: %s", all);
        free(all);
        return there;
}

static int files_here(void)
{
        int n = 0;
        DIR *here = opendir(".");
        for (struct dirent *d; (d = readdir(here));)
                n += strncmp(d->d_name, "job", 3) == 0;
        closedir(here);
        return n;
}

static void make_gate(void)
{
        assert_int_equal(mkfifo("gate", 0666), 0);
        assert_int_equal(chmod("gate", 0666), 0); /* whatever the umask is */
}

/* Open the gate for all jobs, and see all of them succeed. */
static void all_go_on(struct command *c)
{
        int gate = open("gate", O_RDWR | O_CLOEXEC);
        assert_true(gate >= 0);
        for (int i = 0; i < JOBS; i++)
                assert_int_equal(write(gate, "go\n", 3), 3);
        finish(c);
        close(gate);
        EXPECT_STATUS(*c, 0);
        release(c);
        assert_int_equal(files_here(), JOBS);
}

/* As many run as there is room for, and the others when these have ended. A job is one process: its shell forks none. It
 * opens a pipe that nobody writes to yet, and waits there. */
static void as_many_run_as_there_is_room_for(void **state)
{
        (void)state;
        if (!may_become_a_user())
                skip();
        mark_environment();
        make_gate();
        struct command c =
                start_with_room(-1, ROOM,
                                ARGV(REIN, "run", "-j1000", "--progress", "always", "--report", "r", "--", "sh", "-c",
                                     ": > job{}; read line < gate", ":::", "1", "2", "3", "4", "5", "6", "7", "8", "9",
                                     "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23",
                                     "24", "25", "26", "27", "28", "29", "30"));
        UNTIL(said(&c, "waiting to start more: Resource temporarily unavailable"));
        const int first = files_here();
        assert_true(first >= 1 && first < ROOM);
        assert_false(has_ended(&c));
        all_go_on(&c);
        char *report = read_report("r");
        expect_within(report, "\"succeeded\":30");
        free(report);
        UNTIL(processes_left() == 0);
}

/* A pipe gives one line at a time (O_DIRECT): what is left in it when no more can be started was not taken. */
static void no_input_is_eaten_meanwhile(void **state)
{
        (void)state;
        if (!may_become_a_user())
                skip();
        mark_environment();
        int in[2];
        make_gate();
        assert_int_equal(pipe2(in, O_CLOEXEC | O_DIRECT), 0);
        assert_true(fcntl(in[1], F_SETPIPE_SZ, 1 << 20) > 0); /* a page for each line */
        for (int i = 1; i <= JOBS; i++)
                assert_int_equal(dprintf(in[1], "%02d\n", i), 3);
        close(in[1]);
        struct command c = start_with_room(
                in[0], ROOM,
                ARGV(REIN, "run", "-j1000", "--progress", "always", "--", "sh", "-c", ": > job{}; read line < gate"));
        UNTIL(said(&c, "waiting to start more"));
        int left;
        assert_int_equal(ioctl(in[0], FIONREAD, &left), 0);
        close(in[0]);
        /* Those that run (their files come soon), as many as may be starting at once, and one that is next. */
        UNTIL(JOBS - left / 3 <= files_here() + (int)sysconf(_SC_NPROCESSORS_ONLN) + 1);
        all_go_on(&c);
        UNTIL(processes_left() == 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(as_many_run_as_there_is_room_for),
                TEST(no_input_is_eaten_meanwhile),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
