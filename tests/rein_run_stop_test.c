/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run`: it can always be stopped, and whatever its jobs do, no process of theirs stays. */
#include "command.h"

#define STUBBORN CHILDREN "stubborn.sh"
#define DAEMON   CHILDREN "daemon.sh"

/* ---- the ladder ---- */

static void a_timeout_asks_first(void **state)
{
        (void)state;
        struct command c = RUN("-t", "200ms", "-g", "1h", "--report", "r", "--", "sh", "-c",
                               "trap 'echo asked; exit 5' TERM; sleep 15 & wait; echo unasked", ":::", "1");
        EXPECT_STATUS(c, 1);
        assert_string_equal(c.stdout_text, "asked\n");
        expect_within(c.stderr_text, "rein: job 1: timed out, stopped with SIGTERM: ");
        release(&c);
        char *report = read_report("r");
        expect_within(report, "\"ended\":\"timeout\",\"code\":5,");
        expect_within(report, "\"stopped_with\":\"SIGTERM\"");
        expect_without(report, "left_behind"); /* all of its group was asked */
        free(report);
}

static void who_does_not_listen_is_killed_after_the_grace(void **state)
{
        (void)state;
        mark_environment();
        double began = now_s();
        struct command c = RUN("-t", "200ms", "-g", "300ms", "--report", "r", "--", STUBBORN, ":::", "ready");
        EXPECT_STATUS(c, 1);
        assert_true(now_s() - began >= 0.5);
        assert_true(exists("ready"));
        release(&c);
        char *report = read_report("r");
        expect_within(report, "\"ended\":\"timeout\",\"signal\":\"SIGKILL\",");
        expect_within(report, "\"stopped_with\":\"SIGKILL\"");
        free(report);
        assert_int_equal(processes_left(), 0);
}

static void a_stopped_process_is_no_obstacle(void **state)
{
        (void)state;
        mark_environment();
        struct command c = RUN_ON("kill -STOP $$\n", "-t", "200ms", "-g", "1h"); /* it wakes up to be asked */
        EXPECT_STATUS(c, 1);
        expect_within(c.stderr_text, "stopped with SIGTERM");
        release(&c);
        assert_int_equal(processes_left(), 0);
}

static void a_closed_output_hides_nothing(void **state)
{
        (void)state;
        struct command c =
                RUN_ON("exec >&- 2>&-; exit 3\nexec >&- 2>&-; exec sleep 1000\n", "-t", "500ms", "--report", "r");
        EXPECT_STATUS(c, 2);
        release(&c);
        char *report = read_report("r");
        expect_within(report, "\"ended\":\"exit\",\"code\":3");
        expect_within(report, "\"ended\":\"timeout\"");
        free(report);
}

static void each_try_has_its_own_time(void **state)
{
        (void)state;
        struct command c = RUN("-t", "500ms", "-r", "2", "--delay", "1ms", "--", "sh", "-c",
                               "test $REIN_TRY = 3 || sleep 1000; sleep 0.05; echo {}", ":::", "third");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "third\n");
        release(&c);
}

/* ---- nobody stays ---- */

static void what_a_job_leaves_behind_is_ended_with_it(void **state)
{
        (void)state;
        mark_environment();
        struct command c = start_with("sleep 1000 & sleep 1000 & true\n" DAEMON " d1\n" DAEMON " d2 stubborn\n"
                                      "touch last; until test -e enough; do sleep 0.01; done\n",
                                      ARGV(REIN, "run", "-j1", "-g", "200ms", "--report", "r"));
        UNTIL(exists("last"));
        /* The command still runs, its guard, the shell of one job, and now and then that one's sleep. */
        assert_true(exists("d1") && exists("d2"));
        assert_in_range(processes_left(), 3, 5);
        write_file("enough", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        assert_int_equal(processes_left(), 0);
        char *report = read_report("r"), *line;
        for (int job = 1; job <= 3; job++) {
                char name[16];
                snprintf(name, sizeof name, "\"job\":%d,", job);
                line = line_with(report, name);
                expect_within(line, "\"ended\":\"success\",\"code\":0,\"left_behind\":");
                free(line);
        }
        line = line_with(report, "\"job\":4,");
        expect_without(line, "left_behind");
        free(line);
        free(report);
}

static void only_the_jobs_own_are_ended(void **state)
{
        (void)state;
        mark_environment();
        /* The daemon of the first job lives as long as that job, whatever ends beside it. */
        struct command c = START("-j2", "--", "sh", "-c",
                                 "case {} in 1) " DAEMON " mine; until test -e enough; do sleep 0.01; done;; "
                                 "*) until test -e mine; do sleep 0.01; done; " DAEMON " other{};; esac",
                                 ":::", "1", "2", "3", "4");
        UNTIL(exists("other4") && processes_of("environ", "REIN_JOB=4") == 0);
        assert_int_equal(processes_of("cmdline", "touch 'mine'"), 1);
        write_file("enough", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        assert_int_equal(processes_left(), 0);
}

/* The log says that the first job is over, and what it left is gone: what the tenth has started is still there. */
static void the_number_of_a_job_is_told_from_a_longer_one(void **state)
{
        (void)state;
        mark_environment();
        struct command c = START("-j2", "--log", "log", "--", "sh", "-c",
                                 "case {} in 1) until test -e tenth; do sleep 0.01; done;; 10) " DAEMON " tenth; "
                                 "until test -e enough; do sleep 0.01; done;; esac",
                                 ":::", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10");
        char *log = NULL;
        UNTIL(exists("log") && (free(log), log = read_file("log")) && strstr(log, "\"job\":1,"));
        free(log);
        assert_in_range(processes_of("cmdline", "touch 'tenth'"), 1, 2); /* the daemon, and perhaps still its parent */
        write_file("enough", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
        assert_int_equal(processes_left(), 0);
}

static void who_threw_its_tag_away_goes_at_the_end(void **state)
{
        (void)state;
        char unique[32];
        snprintf(unique, sizeof unique, "%d.125", 100000 + getpid());
        struct command c = RUN("-j1", "-g", "100ms", "--", "sh", "-c",
                               "env -i setsid sleep {} & until grep -aq {} /proc/$!/cmdline; "
                               "do :; done",
                               ":::", unique);
        EXPECT_STATUS(c, 0);
        release(&c);
        assert_int_equal(processes_with("cmdline", unique, ""), 0);
}

static int words_of(const char *file)
{
        char list[4096] = "";
        FILE *f = fopen(file, "re");
        assert_non_null(f);
        size_t n = fread(list, 1, sizeof list - 1, f);
        fclose(f);
        return n ? count_of(list, " ") : 0;
}

static void zombies_are_collected_as_they_come(void **state)
{
        (void)state;
        struct command c = START("--", "sh", "-c",
                                 "i=0; while test $i -lt 50; do (sh -c 'sleep 0.01' &); i=$((i+1)); done; "
                                 "touch started; until test -e {}; do sleep 0.01; done",
                                 ":::", "enough");
        UNTIL(exists("started"));
        char children[64];
        snprintf(children, sizeof children, "/proc/%d/task/%d/children", c.pid, c.pid);
        UNTIL(words_of(children) == 1); /* the guard alone */
        assert_false(has_ended(&c));
        write_file("enough", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
}

/* ---- signals to the command ---- */

static void expect_stopped(int signo, const char *name)
{
        mark_environment();
        unlink("a");
        unlink("b");
        struct command c = START("-j2", "-g", "300ms", "--report", "r", "--", "sh", "-c",
                                 "case {} in a) " STUBBORN " a;; b) " DAEMON " b stubborn; sleep 1000;; esac",
                                 ":::", "a", "b", "c", "d", "e", "f", "g", "h");
        UNTIL(exists("a") && exists("b"));
        kill(c.pid, signo);
        finish(&c);
        EXPECT_STATUS(c, 130);
        char says[80];
        snprintf(says, sizeof says, "rein: %s: 2 stopped, 6 never started\n", name);
        assert_string_equal(c.stderr_text, says);
        release(&c);
        assert_int_equal(processes_left(), 0);
        char *report = read_report("r");
        assert_int_equal(count_of(report, "\"ended\":\"stopped\""), 2);
        assert_int_equal(count_of(report, "\"ended\":\"never started\""), 6);
        snprintf(says, sizeof says, "\"stopped_by\":\"interrupted by %s", name);
        assert_int_equal(count_of(report, says), 2);
        snprintf(says, sizeof says, "\"stopped_by\":\"%s\",", name);
        expect_within(report, says);
        expect_within(report, "\"complete\":true");
        free(report);
}

static void an_interrupt_stops_everything_in_order(void **state)
{
        (void)state;
        expect_stopped(SIGINT, "SIGINT");
        expect_stopped(SIGTERM, "SIGTERM");
        expect_stopped(SIGHUP, "SIGHUP");
}

static void a_second_interrupt_kills_at_once(void **state)
{
        (void)state;
        mark_environment();
        struct command c = START("-j2", "-g", "1000h", "--report", "r", "--", "sh", "-c",
                                 "case {} in a) trap 'touch asked' TERM; touch a; while :; do sleep 0.05; done;; "
                                 "b) " DAEMON " b stubborn;; esac",
                                 ":::", "a", "b", "c");
        UNTIL(exists("a") && exists("b"));
        kill(c.pid, SIGINT);
        UNTIL(exists("asked")); /* the first one has arrived */
        double again = now_s() + 0.1;
        UNTIL(now_s() > again); /* closer together they count as one */
        assert_false(has_ended(&c));
        kill(c.pid, SIGINT);
        finish(&c);
        EXPECT_STATUS(c, 130);
        release(&c);
        assert_int_equal(processes_left(), 0);
        char *report = read_report("r");
        expect_within(report, "\"stopped_with\":\"SIGKILL\"");
        expect_within(report, "\"complete\":true");
        free(report);
}

/* The job takes less than a second to end when it is asked to: true, if it had the time. */
static bool two_signals_at_once_are_one(void)
{
        mark_environment();
        unlink("here");
        struct command c = START("-g", "1000h", "--report", "r", "--", "sh", "-c",
                                 "trap 'for i in 1 2 3 4 5 6 7 8 9 0; do sleep 0.05; done; exit 5' TERM; touch {}; "
                                 "while :; do sleep 0.05; done",
                                 ":::", "here");
        UNTIL(exists("here"));
        kill(c.pid, SIGINT);
        kill(c.pid, SIGTERM);
        finish(&c);
        EXPECT_STATUS(c, 130);
        release(&c);
        assert_int_equal(processes_left(), 0);
        char *report = read_report("r");
        bool asked = strstr(report, "\"code\":5,") && strstr(report, "\"stopped_with\":\"SIGTERM\"");
        free(report);
        return asked;
}

/* As timeout(1) sends them. A busy machine can make the command late for the second one, but not every time. */
static void a_signal_that_comes_twice_is_no_hurry(void **state)
{
        (void)state;
        bool asked = false;
        for (int i = 0; i < 10 && !asked; i++)
                asked = two_signals_at_once_are_one();
        assert_true(asked);
}

static void the_first_reason_to_stop_counts(void **state)
{
        (void)state;
        int out[2];
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        /* Once it is interrupted, the last words of its job cannot be written any more. */
        struct command c =
                start_on(-1, out[1], -1,
                         ARGV(REIN, "run", "--report", "r", "--", "sh", "-c",
                              "trap 'echo last words; exit 5' TERM; touch {}; sleep 1000 & wait", ":::", "here"));
        close(out[1]);
        UNTIL(exists("here"));
        close(out[0]);
        kill(c.pid, SIGTERM);
        finish(&c);
        EXPECT_STATUS(c, 130);
        release(&c);
        char *report = read_report("r");
        expect_within(report, "\"stopped_by\":\"SIGTERM\",");
        expect_within(report, "\"exit_status\":130");
        free(report);
}

static void while_it_waits_for_input_it_can_be_interrupted(void **state)
{
        (void)state;
        int in[2];
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        struct command c = start_on(in[0], -1, -1, ARGV(REIN, "run", "--report", "r", "--", "touch"));
        close(in[0]);
        assert_int_equal(write(in[1], "one\n", 4), 4);
        UNTIL(exists("one"));
        kill(c.pid, SIGTERM);
        finish(&c);
        close(in[1]);
        EXPECT_STATUS(c, 130);
        release(&c);
        char *report = read_report("r");
        expect_within(report, "\"input_read_to_its_end\":false");
        free(report);
}

static void a_line_is_not_taken_before_its_turn(void **state)
{
        (void)state;
        int in[2];
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(write(in[1], "one\ntwo\nthree\n", 14), 14);
        struct command c = start_on(
                in[0], -1, -1, ARGV(REIN, "run", "-j1", "--report", "r", "--", "sh", "-c", "touch {}; sleep 1000"));
        close(in[0]);
        UNTIL(exists("one"));
        kill(c.pid, SIGTERM);
        finish(&c);
        close(in[1]);
        EXPECT_STATUS(c, 130);
        assert_string_equal(c.stderr_text, "rein: SIGTERM: 1 stopped, 0 never started\n");
        release(&c);
        assert_false(exists("two"));
        char *report = read_report("r");
        assert_int_equal(count_of(report, "\"job\":"), 1);
        expect_within(report, "\"input_read_to_its_end\":false");
        free(report);
}

/* A shell makes its background commands ignore an interrupt. */
static void an_interrupt_is_never_ignored(void **state)
{
        (void)state;
        static const int signo[] = {SIGINT, SIGTERM};
        for (int i = 0; i < 2; i++) {
                void (*before)(int) = signal(signo[i], SIG_IGN);
                unlink("ready");
                struct command c =
                        START("--", "sh", "-c", "touch {}; until test -e enough; do sleep 0.01; done", ":::", "ready");
                UNTIL(exists("ready"));
                kill(c.pid, signo[i]);
                finish(&c);
                EXPECT_STATUS(c, 130);
                release(&c);
                signal(signo[i], before);
        }
}

static void hang_ups_are_ignored_under_nohup(void **state)
{
        (void)state;
        signal(SIGHUP, SIG_IGN);
        struct command c =
                START("--", "sh", "-c", "touch ready; until test -e {}; do sleep 0.01; done", ":::", "enough");
        signal(SIGHUP, SIG_DFL);
        UNTIL(exists("ready"));
        kill(c.pid, SIGHUP);
        write_file("enough", "");
        finish(&c);
        EXPECT_STATUS(c, 0);
        release(&c);
}

/* ---- the command itself is killed ---- */

static void nothing_survives_the_commands_own_end(void **state)
{
        (void)state;
        mark_environment();
        struct command c = START("-j3", "--report", "r", "--", "sh", "-c",
                                 "case {} in a) " STUBBORN " a;; b) " DAEMON " b stubborn; sleep 1000;; c) true;; "
                                 "d) touch d; exec sleep 1000;; esac",
                                 ":::", "a", "b", "c", "d");
        UNTIL(exists("a") && exists("b") && exists("d"));
        assert_true(processes_left() >= 5);
        double killed = now_s();
        kill(c.pid, SIGKILL);
        finish(&c);
        assert_int_equal(c.status, -SIGKILL);
        release(&c);
        UNTIL(processes_left() == 0);       /* the guard included */
        assert_true(now_s() - killed < 10); /* it takes half a second; the machine may be busy */
        char *report = read_report("r");    /* whole, as far as it goes */
        expect_within(report, "\"ended\":\"success\"");
        expect_within(report, "\"complete\":false");
        free(report);
}

static void a_run_within_a_run_goes_with_it(void **state)
{
        (void)state;
        mark_environment();
        const char *inner = REIN " run -g 1000h -j2 -- " STUBBORN " ::: {}1 {}2";
        struct command c = START("-j2", "--", "sh", "-c", inner, ":::", "a", "b");
        UNTIL(exists("a1") && exists("a2") && exists("b1") && exists("b2"));
        kill(c.pid, SIGKILL);
        finish(&c);
        release(&c);
        UNTIL(processes_left() == 0);

        c = START("-j2", "-g", "200ms", "--", "sh", "-c", inner, ":::", "c", "d");
        UNTIL(exists("c1") && exists("c2") && exists("d1") && exists("d2"));
        kill(c.pid, SIGTERM);
        finish(&c);
        EXPECT_STATUS(c, 130);
        release(&c);
        assert_int_equal(processes_left(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_timeout_asks_first),
                TEST(who_does_not_listen_is_killed_after_the_grace),
                TEST(a_stopped_process_is_no_obstacle),
                TEST(a_closed_output_hides_nothing),
                TEST(each_try_has_its_own_time),
                TEST(what_a_job_leaves_behind_is_ended_with_it),
                TEST(only_the_jobs_own_are_ended),
                TEST(the_number_of_a_job_is_told_from_a_longer_one),
                TEST(who_threw_its_tag_away_goes_at_the_end),
                TEST(zombies_are_collected_as_they_come),
                TEST(an_interrupt_stops_everything_in_order),
                TEST(a_second_interrupt_kills_at_once),
                TEST(a_signal_that_comes_twice_is_no_hurry),
                TEST(the_first_reason_to_stop_counts),
                TEST(while_it_waits_for_input_it_can_be_interrupted),
                TEST(a_line_is_not_taken_before_its_turn),
                TEST(an_interrupt_is_never_ignored),
                TEST(hang_ups_are_ignored_under_nohup),
                TEST(nothing_survives_the_commands_own_end),
                TEST(a_run_within_a_run_goes_with_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
