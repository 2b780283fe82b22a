/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run`: what comes out, that it is never mixed, and that no amount of it, or of input, takes memory.
 *
 * It takes more than ten seconds: that memory does not grow shows only after a million lines and many jobs. */
#include "command.h"

/* Under a sanitizer memory is no measure. */
#if defined REIN_ASAN || defined REIN_TSAN
enum { MEMORY_MATTERS = 0 };
#else
enum { MEMORY_MATTERS = 1 };
#endif

/* ---- order ---- */

#define ONE_AFTER_TWO                                                                                                  \
        "if test {} = 1; then until test -e two; do sleep 0.01; done; fi; echo {}; echo err {} >&2; "                  \
        "test {} = 1 || touch two"

static void the_order_is_kept_when_asked_for(void **state)
{
        (void)state;
        struct stat st;
        struct command c =
                START("-j2", "--", "sh", "-c",
                      "if test {} = 1; then until test -e two; do sleep 0.01; done; fi; echo {}", ":::", "1", "2");
        UNTIL(fstat(c.out, &st) == 0 && st.st_size == 2);
        write_file("two", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "2\n1\n");
        release(&c);
        assert_int_equal(unlink("two"), 0);
        c = RUN("-j2", "--keep-order", "--", "sh", "-c", ONE_AFTER_TWO, ":::", "1", "2", "3");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "1\n2\n3\n");
        assert_string_equal(c.stderr_text, "err 1\nerr 2\nerr 3\n");
        release(&c);
}

static void the_order_is_kept_over_many(void **state)
{
        (void)state;
        /* While the first job runs, so many end that no more can be kept: the others have to wait for it. */
        char input[16000] = "", expected[16000] = "";
        for (int i = 1; i <= 1500; i++) {
                sprintf(input + strlen(input), "%d\n", i);
                if (i % 3)
                        sprintf(expected + strlen(expected), "%d\n", i);
        }
        write_file("n", "");
        struct command c =
                RUN_ON(input, "-j4", "--keep-order", "--quiet", "--", "sh", "-c",
                       "if test {} = 1; then until test $(wc -c <n) -ge 1000; do sleep 0.1; done; sleep 0.3; "
                       "else printf x >>n; fi; test $(({} % 3)) = 0 || echo {}");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, expected);
        release(&c);
}

static void what_the_next_one_has_kept_comes_with_its_turn(void **state)
{
        (void)state;
        /* The second job has printed, and waits: that must be seen as soon as the first has ended. */
        struct command c = START("-j2", "--keep-order", "--", "sh", "-c",
                                 "echo {}; if test {} = 1; then until test -e printed; do sleep 0.01; done; "
                                 "else touch printed; until test -e enough; do sleep 0.01; done; fi",
                                 ":::", "1", "2");
        struct stat st;
        UNTIL(fstat(c.out, &st) == 0 && st.st_size == 4);
        assert_false(has_ended(&c));
        write_file("enough", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "1\n2\n");
        release(&c);
}

/* ---- not mixed ---- */

/* The lines of each job stand together. Returns how many lines there are. */
static int expect_unmixed(const char *text, int jobs)
{
        bool seen[64] = {false};
        int lines = 0, last = -1;
        for (const char *at = text; *at; at = strchr(at, '\n') + 1, lines++) {
                int job = atoi(at);
                assert_in_range(job, 1, jobs);
                if (job != last && seen[job])
                        fail_msg("job %d speaks again at line %d", job, lines);
                seen[job] = true;
                last = job;
        }
        return lines;
}

static void output_of_jobs_is_never_mixed(void **state)
{
        (void)state;
        static const char talk[] =
                "i=0; while test $i -lt 300; do echo {} out $i; echo {} err $i >&2; i=$((i+1)); done";
        for (int keep = 0; keep < 2; keep++) {
                struct command c =
                        keep ? RUN("-j6", "--keep-order", "--", "sh", "-c", talk, ":::", "1", "2", "3", "4", "5", "6")
                             : RUN("-j6", "--", "sh", "-c", talk, ":::", "1", "2", "3", "4", "5", "6");
                EXPECT_STATUS(c, 0);
                assert_int_equal(expect_unmixed(c.stdout_text, 6), 6 * 300);
                assert_int_equal(expect_unmixed(c.stderr_text, 6), 6 * 300);
                release(&c);
        }
        /* Both into one, too: who reads that sees one job after the other. */
        int both = memfd_create("both", MFD_CLOEXEC);
        struct command c = start_on(
                -1, both, both, ARGV(REIN, "run", "-j6", "--", "sh", "-c", talk, ":::", "1", "2", "3", "4", "5", "6"));
        finish(&c);
        EXPECT_STATUS(c, 0);
        char *text = read_fd(both);
        assert_int_equal(expect_unmixed(text, 6), 6 * 600);
        free(text);
        close(both);
        release(&c);
}

static void a_job_with_the_floor_is_heard_at_once(void **state)
{
        (void)state;
        struct command c =
                START("-j1", "--", "sh", "-c", "printf {}; until test -e enough; do sleep 0.01; done", ":::", "now");
        struct stat st;
        UNTIL(fstat(c.out, &st) == 0 && st.st_size == 3);
        write_file("enough", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
}

static void what_others_leave_in_the_pipe_is_not_waited_for(void **state)
{
        (void)state;
        mark_environment();
        struct command c = RUN("-g", "100ms", "--", "sh", "-c",
                               "echo {}; setsid sh -c \"trap '' TERM; while :; do echo noise; "
                               "done\" & sleep 0.1; echo done",
                               ":::", "first");
        EXPECT_STATUS(c, 0);
        expect_within(c.stdout_text, "first\n");
        expect_within(c.stdout_text, "done\n");
        release(&c);
        UNTIL(processes_left() == 0);
}

static void the_last_words_of_what_was_left_behind_are_heard(void **state)
{
        (void)state;
        struct command c =
                RUN_ON("setsid sh -c \"trap 'echo bye; exit' TERM; touch ready; while :; do sleep 0.01; done\" & "
                       "until test -e ready; do sleep 0.01; done; echo end\n",
                       "-g", "1h");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "end\nbye\n");
        release(&c);
}

/* Each takes the whole grace to be ended; what it said before is printed all the same. */
static void what_a_stubborn_job_said_is_not_lost(void **state)
{
        (void)state;
        int out[2];
        char text[16];
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        struct command c =
                start_on(-1, out[1], -1,
                         ARGV(REIN, "run", "-j2", "-g", "100ms", "--", "sh", "-c",
                              "trap '' TERM; echo {}; touch {}; while :; do sleep 0.02; done", ":::", "a", "b"));
        close(out[1]);
        UNTIL(exists("a") && exists("b"));
        kill(c.pid, SIGINT);
        finish(&c);
        EXPECT_STATUS(c, 130);
        assert_string_equal(c.stderr_text, "rein: SIGINT: 2 stopped, 0 never started\n");
        release(&c);
        assert_int_equal(read_patiently(out[0], text, sizeof text), 4);
        assert_true(memmem(text, 4, "a\n", 2) && memmem(text, 4, "b\n", 2));
        close(out[0]);
}

/* ---- tag, quiet ---- */

static void each_line_has_its_tag(void **state)
{
        (void)state;
        struct command c = RUN("-j1", "--tag", "--", "sh", "-c", "printf 'a\\n\\nb'; printf 'e\\n' >&2; printf c",
                               ":::", "x y", "t\ta");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "x y\ta\nx y\t\nx y\tbc\nt?a\ta\nt?a\t\nt?a\tbc\n");
        assert_string_equal(c.stderr_text, "x y\te\nt?a\te\n");
        release(&c);
        c = RUN_ON("echo 1\n", "--tag");
        assert_string_equal(c.stdout_text, "echo 1\t1\n");
        release(&c);
}

static void bytes_come_out_as_they_went_in(void **state)
{
        (void)state;
        struct command c = complete(NULL, ARGV("sh", "-c",
                                               "head -c 5000000 /dev/urandom >in; " REIN
                                               " run -j2 --keep-order -- cat ::: in in >out; cat in in | cmp - out"));
        EXPECT_STATUS(c, 0);
        release(&c);
}

static void quiet_says_nothing_of_its_own(void **state)
{
        (void)state;
        struct command c = RUN_ON("echo out; echo err >&2; exit 1\n", "--quiet");
        EXPECT_STATUS(c, 1);
        assert_string_equal(c.stdout_text, "out\n");
        assert_string_equal(c.stderr_text, "err\n");
        release(&c);
        c = RUN_ON("printf err >&2; exit 1\n", "-j1");
        assert_string_equal(c.stderr_text, "err\nrein: job 1: exit code 1: printf err >&2; exit 1\n");
        release(&c);
}

/* ---- progress ---- */

static void progress_is_a_line_on_standard_error(void **state)
{
        (void)state;
        struct command c = RUN("--progress", "always", "--quiet", "--", "sh", "-c", "exit {}", ":::", "0", "1", "0");
        EXPECT_STATUS(c, 1);
        assert_int_equal(strncmp(c.stderr_text, "rein: 3 done, 0 running, 1 failed, ", 35), 0);
        expect_within(c.stderr_text, "/s, 0ms left\n");
        assert_string_equal(c.stdout_text, "");
        release(&c);
        c = RUN("--progress", "auto", "--", "sleep", ":::", "1.5");
        assert_string_equal(c.stderr_text, "");
        release(&c);
}

static void on_a_terminal_the_progress_line_gives_way(void **state)
{
        (void)state;
        int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
        int end = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
        struct command c = start_on(-1, end, end,
                                    ARGV(REIN, "run", "-j1", "--", "sh", "-c",
                                         "until test -e {}; do sleep 0.01; done; echo got {}", ":::", "a"));
        close(end);
        char text[65536];
        size_t n = 0;
        ssize_t k;
        text[0] = '\0';
        while (n < sizeof text - 1 && (k = read(terminal, text + n, sizeof text - 1 - n)) > 0) { /* EIO: closed */
                text[n += (size_t)k] = '\0';
                if (strstr(text, "0 done, 1 running, 0 failed"))
                        write_file("a", "");
        }
        close(terminal);
        finish(&c);
        EXPECT_STATUS(c, 0);
        expect_within(text, "\r\033[Kgot a\r\n"); /* the line went before anything else was printed */
        const char *last = strrchr(text, '\033');
        assert_true(last && strstr(last, "rein:") == NULL); /* and nothing of it stays */
        release(&c);
}

/* ---- who reads us ---- */

static void nobody_reads_the_output(void **state)
{
        (void)state;
        mark_environment();
        int out[2];
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        struct command c =
                start_on(-1, out[1], -1, ARGV(REIN, "run", "-j2", "--report", "r", "--", "yes", ":::", "a", "b", "c"));
        close(out[1]);
        char byte;
        assert_int_equal(read(out[0], &byte, 1), 1);
        close(out[0]);
        finish(&c);
        EXPECT_STATUS(c, 141);
        assert_string_equal(c.stderr_text, "");
        release(&c);
        char *report = read_report("r");
        int stopped = count_of(report, "\"ended\":\"stopped\"");
        assert_in_range(stopped, 1, 2); /* the second may not have been started yet */
        assert_int_equal(count_of(report, "\"ended\":\"never started\""), 3 - stopped);
        free(report);
        assert_int_equal(processes_left(), 0);
}

static void who_does_not_read_does_not_hold_us_up(void **state)
{
        (void)state;
        mark_environment();
        int out[2];
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        struct command c = start_on(
                -1, out[1], -1,
                ARGV(REIN, "run", "-j2", "-g", "200ms", "--", "sh", "-c", "printf {}; cat /dev/zero", ":::", "a", "b"));
        close(out[1]);
        UNTIL(poll(&(struct pollfd){.fd = out[0], .events = POLLIN}, 1, 0) == 1);
        kill(c.pid, SIGINT); /* nobody ever reads */
        finish(&c);
        EXPECT_STATUS(c, 130);
        close(out[0]);
        release(&c);
        assert_int_equal(processes_left(), 0);
}

/* ---- memory ---- */

static void a_job_may_print_without_end(void **state)
{
        (void)state;
        enum { EACH = 300 * 1000 * 1000 };
        int out[2];
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        struct command c = start_on(-1, out[1], -1,
                                    ARGV(REIN, "run", "-j2", "--", "sh", "-c",
                                         "head -c 300000000 /dev/zero | tr '\\0' {}", ":::", "a", "b"));
        close(out[1]);
        static char bytes[1 << 16];
        long count[2] = {0}, peak = 0;
        int changes = -1, last = 0;
        for (ssize_t n; (n = read_patiently(out[0], bytes, sizeof bytes)) > 0;) {
                for (ssize_t i = 0; i < n; i++) {
                        changes += bytes[i] != last;
                        last = bytes[i];
                        count[last == 'b']++;
                }
                long now = status_kb(c.pid, "VmHWM");
                peak = now > peak ? now : peak;
        }
        close(out[0]);
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        assert_int_equal(count[0], EACH);
        assert_int_equal(count[1], EACH);
        assert_int_equal(changes, 1);
        if (MEMORY_MATTERS && peak > 16 * 1024)
                fail_msg("it took %ld kB", peak);
}

static void a_million_lines_take_no_memory(void **state)
{
        (void)state;
        enum { LINES = 1000000 };
        /* A log in which the command has succeeded a million times: it is not run again, but all else is done. */
        struct command c = RUN("--log", "one", "--", "true", ":::", "x");
        EXPECT_STATUS(c, 0);
        release(&c);
        c = complete(NULL,
                     ARGV("sh", "-c",
                          "yes \"{\\\"ended\\\":\\\"success\\\",$(grep -o '\"key\":.*' one)\" | head -n 1000000 >log; "
                          "yes x | head -n 1000000 >in"));
        EXPECT_STATUS(c, 0);
        release(&c);

        int in = open("in", O_RDONLY | O_CLOEXEC), out[2];
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        c = start_on(in, out[1], -1, ARGV(REIN, "run", "--resume", "log", "--report", "/dev/stdout", "--", "true"));
        close(in);
        close(out[1]);
        FILE *report = fdopen(out[0], "r");
        char line[512], last[512] = "";
        long lines = 0, peak = 0;
        while (fgets(line, sizeof line, report)) {
                lines += strncmp(line, "{\"job\":", 7) == 0;
                strcpy(last, line);
                if (lines % 50000 == 0) {
                        long now = status_kb(c.pid, "VmHWM");
                        peak = now > peak ? now : peak;
                }
        }
        fclose(report);
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        assert_int_equal(lines, LINES);
        expect_within(last, "\"skipped\":1000000,\"input_read_to_its_end\":true");
        if (MEMORY_MATTERS && peak > 8 * 1024)
                fail_msg("it took %ld kB", peak);
}

static void many_jobs_take_no_more_memory_than_few(void **state)
{
        (void)state;
        int in[2];
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        struct command c =
                start_on(in[0], -1, -1, ARGV(REIN, "run", "-j4", "--keep-order", "--log", "log", "--", "echo"));
        close(in[0]);
        long peak[2] = {0};
        struct stat st;
        for (int part = 0, sent = 0, done = 0; part < 2; part++) {
                for (; sent < 300 + part * 2500; sent++)
                        assert_int_equal(write(in[1], "x\n", 2), 2);
                done = sent * 2;
                UNTIL(fstat(c.out, &st) == 0 && st.st_size == done);
                peak[part] = status_kb(c.pid, "VmHWM");
        }
        close(in[1]);
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        if (MEMORY_MATTERS && peak[1] > peak[0] + 512)
                fail_msg("it took %ld kB, then %ld kB", peak[0], peak[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_order_is_kept_when_asked_for),
                TEST(the_order_is_kept_over_many),
                TEST(what_the_next_one_has_kept_comes_with_its_turn),
                TEST(output_of_jobs_is_never_mixed),
                TEST(a_job_with_the_floor_is_heard_at_once),
                TEST(what_others_leave_in_the_pipe_is_not_waited_for),
                TEST(the_last_words_of_what_was_left_behind_are_heard),
                TEST(what_a_stubborn_job_said_is_not_lost),
                TEST(each_line_has_its_tag),
                TEST(bytes_come_out_as_they_went_in),
                TEST(quiet_says_nothing_of_its_own),
                TEST(progress_is_a_line_on_standard_error),
                TEST(on_a_terminal_the_progress_line_gives_way),
                TEST(nobody_reads_the_output),
                TEST(who_does_not_read_does_not_hold_us_up),
                TEST(a_job_may_print_without_end),
                TEST(a_million_lines_take_no_memory),
                TEST(many_jobs_take_no_more_memory_than_few),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
