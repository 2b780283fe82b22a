/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run`: the log that it goes on from, and what becomes of an output, a log or a report that cannot be written. */
#include "command.h"
#include "harness.h"

/* ---- the log ---- */

static void the_first_run_goes_on_with_its_own_log(void **state)
{
        (void)state;
        for (int i = 0; i < 2; i++) {
                struct command c = RUN("-j1", "--log", "log", "--resume", "log", "--", "echo", ":::", "a", "b");
                EXPECT_STATUS(c, 0);
                assert_string_equal(c.stdout_text, i == 0 ? "a\nb\n" : "");
                release(&c);
        }
        struct command c = RUN("--log", "log", "--resume", "other", "--", "echo", ":::", "a");
        EXPECT_STATUS(c, 125);
        expect_within(c.stderr_text,
                      "rein run: --resume other: No such file or directory; name a file that --log has written");
        release(&c);
}

static void write_bytes(const char *name, const char *bytes, size_t n)
{
        FILE *f = fopen(name, "we");
        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
}

/* Each line of a log is a whole record, but for the line that was cut; the last may lack its newline. Returns: how many are
 * whole. */
static int whole_records(const char *log, size_t *in_pieces)
{
        int n = 0;
        char *text = read_file(log), *line = text;
        *in_pieces = 0;
        for (char *end; *line; line = *end ? end + 1 : end) {
                end = strchrnul(line, '\n');
                const bool more = *end == '\n';
                *end = '\0';
                if (is_json(line) && *line == '{')
                        n++;
                else
                        ++*in_pieces;
                assert_true(count_of(line, "{\"job\":") <= 1); /* nothing is glued */
                *end = more ? '\n' : '\0';
        }
        free(text);
        return n;
}

enum { JOBS = 3 };

/* Cut after so many bytes it is gone on with: the jobs whose records are whole are not run again, and the others are; and
 * the next time there is nothing to be done. */
static void go_on_from_a_cut(const char *log, size_t n)
{
        size_t whole = 0, torn;
        for (const char *at = log; (at = strchr(at, '}')) && (size_t)(at - log) < n; at++)
                whole++;
        write_bytes("cut", log, n);
        unlink("ran");
        struct command c =
                RUN("-j1", "--log", "cut", "--resume", "cut", "--", "sh", "-c", "echo {} >> ran", ":::", "a", "b", "c");
        EXPECT_STATUS(c, 0);
        release(&c);
        char *ran = exists("ran") ? read_file("ran") : strdup("");
        if (strcmp(ran, &"a\nb\nc\n"[2 * whole]) != 0)
                fail_msg("of a log of %zu bytes, %zu records of which are whole, ran: %s", n, whole, ran);
        free(ran);
        assert_int_equal(whole_records("cut", &torn), JOBS);
        assert_true(torn <= 1);

        c = RUN("-j1", "--log", "cut", "--resume", "cut", "--", "sh", "-c", "echo {} >> ran", ":::", "a", "b", "c");
        EXPECT_STATUS(c, 0);
        release(&c);
        assert_int_equal(whole_records("cut", &torn), JOBS); /* it ran nothing */
}

static void a_log_may_end_at_any_byte(void **state)
{
        (void)state;
        struct command c = RUN("-j1", "--log", "log", "--", "sh", "-c", "echo {} >> ran", ":::", "a", "b", "c");
        EXPECT_STATUS(c, 0);
        release(&c);
        char *log = read_file("log");
        const size_t all = strlen(log), last = (size_t)(strchr(strchr(log, '\n') + 1, '\n') - log) - 2;
        /* Every byte of the last record, and of the end of the one before; under a sanitizer each seventh. */
#if defined REIN_ASAN || defined REIN_TSAN
        const size_t step = 7;
#else
        const size_t step = 1;
#endif
        for (size_t n = last; n <= all; n += step)
                go_on_from_a_cut(log, n);
        for (size_t n = 0; n < last; n += 29)
                go_on_from_a_cut(log, n);
        free(log);
}

/* ---- what cannot be written ---- */

static void a_log_that_cannot_be_written_costs_no_job(void **state)
{
        (void)state;
        struct command c = RUN("-j1", "--log", "/dev/full", "--report", "r", "--", "echo", ":::", "a", "b");
        EXPECT_STATUS(c, 123);
        assert_string_equal(c.stdout_text, "a\nb\n");
        assert_string_equal(c.stderr_text,
                            "rein: /dev/full is not whole: No space left on device; what it lacks is run again "
                            "by --resume\n");
        release(&c);
        char *report = read_report("r");
        expect_within(report, "\"succeeded\":2");
        expect_within(report, "\"exit_status\":123");
        free(report);
}

static void a_report_that_cannot_be_written_costs_no_job(void **state)
{
        (void)state;
        struct command c = RUN("-j1", "--report", "/dev/full", "--", "sh", "-c", "echo {}; exit 3", ":::", "a", "b");
        EXPECT_STATUS(c, 123);
        assert_string_equal(c.stdout_text, "a\nb\n");
        expect_within(c.stderr_text, "rein: /dev/full is not whole: No space left on device");
        expect_within(c.stderr_text, "job 2: exit code 3"); /* that is said all the same */
        release(&c);
}

/* A job whose output is lost did not succeed, and is run again. */
static void a_job_whose_output_is_lost_is_run_again(void **state)
{
        (void)state;
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        assert_true(full >= 0);
        struct command c =
                start_on(-1, full, -1, ARGV(REIN, "run", "-j1", "--log", "log", "--", "echo", ":::", "a", "b"));
        close(full);
        finish(&c);
        EXPECT_STATUS(c, 123);
        expect_within(c.stderr_text, "rein: the output is not whole: standard output: No space left on device\n");
        release(&c);
        c = RUN("-j1", "--log", "log", "--resume", "log", "--", "echo", ":::", "a", "b");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "a\nb\n");
        release(&c);
}

/* The second job's output has to be kept, in a file, while the first has the floor. */
static void a_folder_for_kept_output_is_named(void **state)
{
        (void)state;
        setenv("TMPDIR", "/nonexistent", 1);
        struct command c = RUN("-j2", "--keep-order", "--", "sh", "-c",
                               "if [ {} = 1 ]; then until test -e two; do sleep 0.01; done; sleep 1000; fi; "
                               "touch two; head -c 200000 /dev/zero",
                               ":::", "1", "2");
        unsetenv("TMPDIR");
        EXPECT_STATUS(c, 123);
        expect_within(c.stderr_text,
                      "rein: the output is not whole: it is kept in /nonexistent (set TMPDIR to a folder with "
                      "room): No such file or directory\n");
        release(&c);
}

static void a_closed_output_is_said_before_anything_runs(void **state)
{
        (void)state;
        struct command c = complete(NULL, ARGV("sh", "-c", "exec " REIN " run -- touch ::: here >&-"));
        EXPECT_STATUS(c, 125);
        expect_within(c.stderr_text, "standard output is closed");
        expect_within(c.stderr_text, "> /dev/null");
        assert_false(exists("here"));
        release(&c);
}

/* ---- one place ---- */

#define BOTH "for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done"

static void one_open_file_keeps_the_jobs_own_order(void **state)
{
        (void)state;
        static const char *const ways[] = {"", "--tag", "--keep-order"};
        for (int i = 0; i < 3; i++) {
                char line[256], want[128] = "";
                snprintf(line, sizeof line, "exec %s run -j1 %s -- sh -c '%s' ::: x 2>&1", REIN, ways[i], BOTH);
                for (int k = 1; k <= 5; k++)
                        snprintf(want + strlen(want), sizeof want - strlen(want), "%so%d\n%se%d\n", i == 1 ? "x\t" : "",
                                 k, i == 1 ? "x\t" : "", k);
                struct command c = complete(NULL, ARGV("sh", "-c", line));
                EXPECT_STATUS(c, 0);
                assert_string_equal(c.stdout_text, want);
                release(&c);
        }
}

/* One that was opened twice is written at two places. */
static void a_file_opened_twice_is_not_one(void **state)
{
        (void)state;
        struct command c = complete(
                NULL, ARGV("sh", "-c", "exec " REIN " run -j1 -- sh -c 'echo first >> f; echo e >&2' ::: x >f 2>>f"));
        EXPECT_STATUS(c, 0);
        release(&c);
        char *both = read_file("f");
        assert_string_equal(both, "first\ne\n"); /* by the end of the file, and not over what stands at its beginning */
        free(both);
        c = complete(NULL, ARGV("sh", "-c", "exec " REIN " run -j1 -- sh -c 'echo o; echo e >&2' ::: x >o 2>e"));
        EXPECT_STATUS(c, 0);
        release(&c);
        char *out = read_file("o"), *err = read_file("e");
        assert_string_equal(out, "o\n");
        assert_string_equal(err, "e\n");
        free(out);
        free(err);
}

static void our_own_words_begin_a_line_there(void **state)
{
        (void)state;
        struct command c = complete(NULL, ARGV("sh", "-c", "exec " REIN " run -- sh -c 'printf o; exit 3' ::: x 2>&1"));
        EXPECT_STATUS(c, 1);
        assert_string_equal(c.stdout_text, "o\nrein: job 1: exit code 3: sh -c printf o; exit 3 x\n");
        release(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_first_run_goes_on_with_its_own_log),
                TEST(a_log_may_end_at_any_byte),
                TEST(a_log_that_cannot_be_written_costs_no_job),
                TEST(a_report_that_cannot_be_written_costs_no_job),
                TEST(a_job_whose_output_is_lost_is_run_again),
                TEST(a_folder_for_kept_output_is_named),
                TEST(a_closed_output_is_said_before_anything_runs),
                TEST(one_open_file_keeps_the_jobs_own_order),
                TEST(a_file_opened_twice_is_not_one),
                TEST(our_own_words_begin_a_line_there),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
