/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run` in a world that misbehaves, beside what command_test.c makes fail: descriptors that it was started with, a
 * guard that is gone, system calls that are missing, a log of an earlier run that is long. */
#include "harness.h"
#include "command.h"

#include <inttypes.h>

#include "harness.h"
#include "wrap.h"
#include "world/missing.h"

#define FAULTY REIN_BINARY_DIR "/tests/world/rein"

/* ---- descriptors ---- */

static int entries(pid_t pid, const char *what)
{
        char name[64];
        int n = 0;
        snprintf(name, sizeof name, "/proc/%d/%s", pid, what);
        DIR *d = opendir(name);
        assert_non_null(d);
        for (struct dirent *e; (e = readdir(d));)
                n += e->d_name[0] != '.';
        closedir(d);
        return n;
}

/* The first and the last job wait to be looked at; those between leave a process behind each, in a session of its own. */
#define LOOKED_AT                                                                                                      \
        "if test {} = 1 || test {} = 62; then touch here{}; until test -e go{}; do sleep 0.01; done; else "            \
        "setsid sh -c 'touch left{}; exec sleep 1000' >/dev/null 2>&1 & until test -e left{}; do sleep 0.01; done; fi"

static void sixty_strays_cost_no_descriptor(void **state)
{
        (void)state;
        char input[400] = "";
        for (int i = 1; i <= 62; i++)
                sprintf(input + strlen(input), "%d\n", i);
        mark_environment();
        struct command c =
                start_with(input, ARGV(REIN, "run", "-j1", "-g", "10s", "--report", "r", "--", "sh", "-c", LOOKED_AT));
        UNTIL(exists("here1"));
        const int before = entries(c.pid, "fd");
        write_file("go1", "");
        UNTIL(exists("here62"));
        UNTIL(entries(c.pid, "fd") <= before); /* it may be opening one for a moment */
        write_file("go62", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        char *report = read_report("r");
        assert_int_equal(count_of(report, "\"left_behind\":1"), 60);
        free(report);
        assert_int_equal(processes_left(), 0);
}

static void text_of(pid_t pid, const char *what, char text[256])
{
        char name[64];
        snprintf(name, sizeof name, "/proc/%d/%s", pid, what);
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, 255) : 0;
        text[n > 0 ? n : 0] = '\0';
        if (fd >= 0)
                close(fd);
}

/* The guard of a command, once it waits for it: it is in a read(2). */
static pid_t guard_of(const struct command *c)
{
        char children[64], text[256], name[256];
        snprintf(children, sizeof children, "task/%d/children", c->pid);
        pid_t guard = 0;
        UNTIL((text_of(c->pid, children, text), guard = (pid_t)atoi(text)) > 0 &&
              (text_of(guard, "comm", name), strcmp(name, "rein-guard\n") == 0) &&
              (text_of(guard, "syscall", text), atoi(text) == SYS_read && text[0] != 'r'));
        return guard;
}

static void the_guard_keeps_no_descriptor(void **state)
{
        (void)state;
        char text[256];
        int ends[2];
        assert_int_equal(pipe(ends), 0); /* both are inherited */
        harness_leaves(HARNESS_INHERITABLE, 2, "the command is started with them, and what becomes of that is tested");
        struct command c = start_with(NULL, ARGV(REIN, "run", "--log", "log", "--report", "report", "--", "sh", "-c",
                                                 "until test -e go; do sleep 0.01; done", ":::", "1"));
        close(ends[1]);
        const pid_t guard = guard_of(&c);
        assert_int_equal(entries(guard, "fd"), 4);
        for (int fd = 0; fd < 3; fd++) {
                char name[64];
                ssize_t n;
                snprintf(name, sizeof name, "/proc/%d/fd/%d", guard, fd);
                n = readlink(name, text, sizeof text - 1);
                text[n > 0 ? n : 0] = '\0';
                assert_string_equal(text, "/dev/null");
        }
        write_file("go", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        char byte;
        assert_int_equal(read(ends[0], &byte, 1), 0); /* nobody has the other end any more */
        close(ends[0]);
}

static void without_its_guard_it_ends_all_the_same(void **state)
{
        (void)state;
        mark_environment();
        struct command c = START("--", "sh", "-c", "until test -e go; do sleep 0.01; done; echo {}", ":::", "1", "2");
        assert_int_equal(kill(guard_of(&c), SIGKILL), 0);
        write_file("go", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stderr_text, "");
        release(&c);
        assert_int_equal(processes_left(), 0);
}

/* A signal is waited for with a descriptor of its own. The first time there is none to be had. */
static void an_interrupt_is_heard_after_a_failure(void **state)
{
        (void)state;
        if (!exists(FAULTY)) /* the thread sanitizer does not stand what it is linked with */
                skip();
        mark_environment();
        setenv("REIN_WORLD", "signalfd,1,24,-1,0", 1); /* EMFILE */
        struct command c =
                start_with(NULL, ARGV(FAULTY, "run", "--", "sh", "-c", "touch here; exec sleep 1000", ":::", "1"));
        unsetenv("REIN_WORLD");
        UNTIL(exists("here"));
        kill(c.pid, SIGINT);
        finish(&c);
        EXPECT_STATUS(c, 130);
        release(&c);
        assert_true(exists("fired"));
        assert_int_equal(processes_left(), 0);
}

/* No process can ever be started, and none of ours runs that could leave its room: that is said, by --start-timeout. */
static void what_lasts_too_long_fails_the_job(void **state)
{
        (void)state;
        if (!exists(FAULTY))
                skip();
        mark_environment();
        setenv("REIN_WORLD_MISSING", "clone,11", 1); /* EAGAIN */
        struct command c = start_with(NULL, ARGV(FAULTY, "run", "-j2", "--start-timeout", "50ms", "--report", "r", "--",
                                                 "true", ":::", "a", "b"));
        unsetenv("REIN_WORLD_MISSING");
        finish(&c);
        EXPECT_STATUS(c, 2);
        assert_int_equal(count_of(c.stderr_text, "cannot be started: Resource temporarily unavailable"), 2);
        release(&c);
        char *report = read_report("r");
        assert_int_equal(count_of(report, "\"ended\":\"cannot start\""), 2);
        free(report);
        /* An interrupt ends the wait. */
        setenv("REIN_WORLD_MISSING", "clone,11", 1);
        c = start_with(NULL, ARGV(FAULTY, "run", "-j2", "--start-timeout", "1h", "--progress", "always", "--", "true",
                                  ":::", "a", "b"));
        unsetenv("REIN_WORLD_MISSING");
        struct stat st;
        UNTIL(fstat(c.err, &st) == 0 && st.st_size > 0);
        kill(c.pid, SIGINT);
        finish(&c);
        EXPECT_STATUS(c, 130);
        expect_within(c.stderr_text, ", waiting to start more: Resource temporarily unavailable\n");
        expect_within(c.stderr_text, "rein: SIGINT: 0 stopped, 2 never started\n");
        release(&c);
}

/* ---- system calls that are missing ---- */

static struct command run_without(const char *number)
{
        struct command c = start_with(NULL, ARGV("/proc/self/exe", number, REIN, "run", "-j2", "--keep-order",
                                                 "--report", "r", "-g", "50ms", "--", "sh", "-c",
                                                 "setsid sleep 1000 >/dev/null 2>&1 & echo {}", ":::", "a", "b", "c"));
        finish(&c);
        return c;
}

static void each_call_may_be_missing(void **state)
{
        (void)state;
        if (!filters_are_allowed())
                skip();
        mark_environment();
        for (int i = 0; i < MISSING_CALLS; i++) {
                char number[16];
                snprintf(number, sizeof number, "%d", i);
                struct command c = run_without(number);
                const bool refused = missing_calls[i].no_children;
                if (c.status != (refused ? 3 : 0) || strcmp(c.stdout_text, refused ? "" : "a\nb\nc\n") != 0)
                        fail_msg("without %s: status %d, stdout: %s, stderr: %s", missing_calls[i].name, c.status,
                                 c.stdout_text, c.stderr_text);
                if (refused)
                        assert_int_equal(count_of(c.stderr_text, "cannot be started: Function not implemented"), 3);
                release(&c);
        }
        assert_int_equal(processes_left(), 0);
}

/* ---- a long log ---- */

/* As cmd/rein/resume.c has it: FNV-1a from two starting points. */
static void key_of_words(const char *const words[], int n, char text[33])
{
        uint64_t a = 0xcbf29ce484222325, b = 0x9e3779b97f4a7c15;
        for (int i = 0; i < n; i++) {
                const char *s = words[i];
                do {
                        a = (a ^ (unsigned char)*s) * 0x100000001b3;
                        b = (b ^ (unsigned char)*s) * 0x100000001b3;
                        b ^= b >> 29;
                } while (*s++);
        }
        snprintf(text, 33, "%016" PRIx64 "%016" PRIx64, a, b);
}

/* The numbers from 1 to n have succeeded; the next one has not. */
static void resume_after(int n)
{
        char key[33], number[16], expected[32];
        FILE *log = fopen("old", "we"), *input = fopen("in", "we");
        assert_true(log && input);
        for (int i = 1; i <= n + 1; i++) {
                snprintf(number, sizeof number, "%d", i);
                key_of_words((const char *const[]){"echo", number}, 2, key);
                fprintf(input, "%d\n", i);
                if (i <= n)
                        fprintf(log, "{\"job\":%d,\"ended\":\"success\",\"key\":\"%s\"}\n", i, key);
        }
        fclose(log);
        fclose(input);
        int in = open("in", O_RDONLY | O_CLOEXEC);
        struct command c = start_on(in, -1, -1, ARGV(REIN, "run", "--resume", "old", "--log", "new", "--", "echo"));
        close(in);
        finish(&c);
        EXPECT_STATUS(c, 0);
        snprintf(expected, sizeof expected, "%d\n", n + 1);
        assert_string_equal(c.stdout_text, expected);
        release(&c);
        char *text = read_file("new");
        expect_within(text, key); /* the last one's: the command makes the same */
        free(text);
}

/* Its table begins with room for 1,024, and doubles when three quarters are taken. */
static void as_many_as_there_are_are_not_run_again(void **state)
{
        (void)state;
        for (int full = 768; full <= 3072; full *= 2)
                for (int n = full - 1; n <= full + 1; n++) {
                        unlink("new");
                        resume_after(n);
                }
        unlink("new");
        resume_after(0);
        unlink("new");
        resume_after(1);
}

int main(int argc, char **argv)
{
        if (argc > 2) { /* "3" command...: without the fourth of them */
                if (forbid(&missing_calls[atoi(argv[1])]) == 0)
                        execv(argv[2], argv + 2);
                return 99;
        }
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* the numbers of what the command opens are known then */
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
                TEST(sixty_strays_cost_no_descriptor),        TEST(the_guard_keeps_no_descriptor),
                TEST(without_its_guard_it_ends_all_the_same), TEST(an_interrupt_is_heard_after_a_failure),
                TEST(what_lasts_too_long_fails_the_job),      TEST(each_call_may_be_missing),
                TEST(as_many_as_there_are_are_not_run_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
