/* SPDX-License-Identifier: Apache-2.0 */
/* `rein run`: its input, its options, its exit status, its log and its report. */
#include "command.h"

#include <sched.h>

/* ---- starts ---- */

/* A program whose start waits: execve(2) waits until the lease of its file is given back. -1: there are no leases here. */
static int held_program(const char *name, const char *text)
{
        write_file(name, text);
        assert_int_equal(chmod(name, 0755), 0);
        const int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
                return fd;
        close(fd);
        return -1;
}

static bool is_wanted(int held)
{
        return fcntl(held, F_GETLEASE) != F_WRLCK;
}

/* The first start takes long, and all waits for it; so the next ones are left to threads, where one may hang. */
static void a_start_that_hangs_holds_up_nothing_but_the_first_time(void **state)
{
        (void)state;
        static const char touch[] = "#!/bin/sh\ntouch \"$0.ran\"\n";
        signal(SIGIO, SIG_IGN); /* a lease is wanted back */
        const int slow = held_program("slow", touch), hangs = held_program("hangs", touch);
        write_file("quick", touch);
        assert_int_equal(chmod("quick", 0755), 0);
        cpu_set_t cpus; /* so many starts at once */
        if (slow < 0 || hangs < 0 || sched_getaffinity(0, sizeof cpus, &cpus) < 0 || CPU_COUNT(&cpus) < 2) {
                signal(SIGIO, SIG_DFL);
                close(slow);
                close(hangs);
                skip();
        }
        struct command c = START("-j2", "{}", ":::", "./slow", "./hangs", "./quick");
        UNTIL(is_wanted(slow));
        poll(NULL, 0, 20); /* so long does it take */
        assert_int_equal(fcntl(slow, F_SETLEASE, F_UNLCK), 0);
        UNTIL(is_wanted(hangs));
        UNTIL(exists("quick.ran"));
        assert_false(exists("hangs.ran"));
        assert_int_equal(fcntl(hangs, F_SETLEASE, F_UNLCK), 0);
        finish(&c);
        EXPECT_STATUS(c, 0);
        assert_true(exists("slow.ran") && exists("hangs.ran"));
        release(&c);
        signal(SIGIO, SIG_DFL);
        close(slow);
        close(hangs);
}

/* ---- input ---- */

static void arguments_are_passed_as_they_are(void **state)
{
        (void)state;
        struct command c =
                RUN("-j1", "--", "printf", "<%s>\n", ":::", "a b", "$(id)", "'", "", "*", "\\n", "{}", ":::");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "<a b>\n<$(id)>\n<'>\n<>\n<*>\n<\\n>\n<{}>\n<:::>\n");
        assert_string_equal(c.stderr_text, "");
        release(&c);
}

static void braces_stand_for_the_argument_in_every_word(void **state)
{
        (void)state;
        struct command c = RUN("-j1", "--", "printf", "%s %s\n", "a{}b", "{}{}", ":::", "1", "22");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "a1b 11\na22b 2222\n");
        release(&c);
        c = RUN("-j1", "{}", "x", ":::", "echo"); /* the command itself, and no -- */
        assert_string_equal(c.stdout_text, "x\n");
        release(&c);
}

static void each_line_of_input_is_an_argument(void **state)
{
        (void)state;
        struct command c = RUN_ON("a b\n\n$HOME\nlast", "-j1", "--", "printf", "<%s>");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "<a b><><$HOME><last>");
        release(&c);
}

static void without_a_command_each_line_is_one_for_the_shell(void **state)
{
        (void)state;
        struct command c = RUN_ON("echo $((1+1))\n\n   \necho a; echo b {}\n", "-j1");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "2\na\nb {}\n");
        release(&c);
}

static void no_input_is_no_work(void **state)
{
        (void)state;
        struct command c = RUN("--", "false");
        EXPECT_STATUS(c, 0);
        release(&c);
        c = RUN("--", "false", ":::");
        EXPECT_STATUS(c, 0);
        release(&c);
}

static void lines_that_cannot_be_arguments_are_failed_jobs(void **state)
{
        (void)state;
        size_t n = 200000;
        char *input = malloc(n + 3);
        memset(input, 'x', n);
        strcpy(input + n, "\na");
        struct command c = RUN_ON(input, "-j1", "--", "printf", "%.3s");
        free(input);
        EXPECT_STATUS(c, 1);
        assert_string_equal(c.stdout_text, "a");
        expect_within(c.stderr_text, "longer than 131071 bytes");
        release(&c);

        write_file("in", "");
        int in = open("in", O_RDWR | O_CLOEXEC);
        assert_int_equal(write(in, "a\0b\nc\n", 6), 6);
        lseek(in, 0, SEEK_SET);
        c = start_on(in, -1, -1, ARGV(REIN, "run", "-j1", "--", "echo"));
        finish(&c);
        close(in);
        EXPECT_STATUS(c, 1);
        assert_string_equal(c.stdout_text, "c\n");
        expect_within(c.stderr_text, "NUL");
        release(&c);
}

static void input_is_taken_as_it_comes(void **state)
{
        (void)state;
        int in[2];
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        struct command c = start_on(in[0], -1, -1, ARGV(REIN, "run", "-j1", "--", "touch"));
        close(in[0]);
        assert_int_equal(write(in[1], "one\n", 4), 4);
        UNTIL(exists("one"));
        assert_int_equal(write(in[1], "two", 3), 3);
        close(in[1]);
        finish(&c);
        EXPECT_STATUS(c, 0);
        assert_true(exists("two"));
        release(&c);
}

static void input_that_cannot_be_read_is_said(void **state)
{
        (void)state;
        int folder = open("/", O_RDONLY | O_CLOEXEC);
        struct command c = start_on(folder, -1, -1, ARGV(REIN, "run", "--", "true"));
        close(folder);
        finish(&c);
        EXPECT_STATUS(c, 125);
        expect_within(c.stderr_text, "Is a directory");
        release(&c);
}

/* ---- what a job gets ---- */

static void jobs_start_clean(void **state)
{
        (void)state;
        signal(SIGPIPE, SIG_IGN);
        sigset_t some, before;
        sigemptyset(&some);
        sigaddset(&some, SIGUSR1);
        sigprocmask(SIG_BLOCK, &some, &before);
        struct command direct = complete(NULL, ARGV("sh", "-c", "ls /proc/self/fd"));
        struct command c =
                RUN_ON("ls /proc/self/fd; cat; grep SigBlk /proc/self/status; "
                       "grep SigIgn /proc/self/status | tr 8 0; " /* glibc's own (32) is ignored by posix_spawn */
                       "echo $REIN_JOB.$REIN_TRY; ps -o pgid=,sid= -p $$ | tr -d ' ' | sed s/$$/me/g\n"
                       "echo $REIN_JOB\n",
                       "-j1");
        sigprocmask(SIG_SETMASK, &before, NULL);
        signal(SIGPIPE, SIG_DFL);
        EXPECT_STATUS(c, 0);
        size_t same = strlen(direct.stdout_text);
        assert_memory_equal(c.stdout_text, direct.stdout_text, same);
        assert_string_equal(c.stdout_text + same,
                            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n1.1\nmeme\n2\n");
        release(&direct);
        release(&c);
}

static void a_run_within_a_run_counts_its_own(void **state)
{
        (void)state;
        struct command c = RUN_ON("true\n" REIN " run -r 1 --delay 0s -- sh -c 'test $REIN_TRY = 2 && echo "
                                  "{} $REIN_JOB' ::: inner\n",
                                  "-j1");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "inner 1\n");
        release(&c);
}

static void a_missing_standard_stream_does_no_harm(void **state)
{
        (void)state;
        struct command c = complete(NULL, ARGV("sh", "-c", "exec " REIN " run -j2 -- echo ::: a b <&- 2>&-"));
        EXPECT_STATUS(c, 0);
        assert_int_equal(strlen(c.stdout_text), 4);
        release(&c);
}

/* ---- how many at a time ---- */

/* A job: wait until a file is there, but not for longer than some ten seconds. */
#define AWAIT(file) "i=0; until test -e " file " || test $i -gt 200; do sleep 0.05; i=$((i+1)); done; test -e " file

/* The folder is there while one is at work: a second one would find it. The first one gives it some time. */
#define ALONE "mkdir busy && { test {} != 1 || for i in 1 2 3 4 5 6 7 8 9 0; do sleep 0.05; done; } && rmdir busy"

static void jobs_run_side_by_side_and_no_more(void **state)
{
        (void)state;
        /* Each waits until the other is there. */
        struct command c = RUN("-j2", "--", "sh", "-c", "touch {}; " AWAIT("a") " && " AWAIT("b"), ":::", "a", "b");
        EXPECT_STATUS(c, 0);
        release(&c);
        c = RUN("-j3", "--", "sh", "-c", "touch {}; " AWAIT("1") " && " AWAIT("2") " && " AWAIT("3"), ":::", "1", "2",
                "3");
        EXPECT_STATUS(c, 0);
        release(&c);
        c = RUN("-j1", "--", "sh", "-c", ALONE, ":::", "1", "2", "3", "4", "5", "6", "7", "8");
        EXPECT_STATUS(c, 0);
        release(&c);
}

/* Without -j: the cpus that are granted, here one. */
static void as_many_as_cpus_are_granted(void **state)
{
        (void)state;
        cpu_set_t all, one;
        CPU_ZERO(&one);
        assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
        for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
                if (CPU_ISSET(i, &all))
                        CPU_SET(i, &one);
        assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
        struct command c = RUN("--", "sh", "-c", ALONE, ":::", "1", "2", "3", "4");
        assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
        EXPECT_STATUS(c, 0);
        release(&c);
}

static void open_files_are_enough_or_it_is_said(void **state)
{
        (void)state;
        struct command c = complete(NULL, ARGV("sh", "-c",
                                               "ulimit -Sn 256; exec " REIN " run -j 60 --keep-order -- sh -c "
                                               "'ulimit -n' ::: 1 2 3"));
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "256\n256\n256\n");
        release(&c);
        c = complete(NULL, ARGV("sh", "-c", "ulimit -n 256; exec " REIN " run -j 500 -- true ::: 1"));
        EXPECT_STATUS(c, 125);
        expect_within(c.stderr_text, "rein run: -j 500 needs ");
        expect_within(c.stderr_text, "ulimit -n");
        release(&c);
}

/* ---- exit status ---- */

static int status_of_failures(int n)
{
        char input[4096] = "";
        for (int i = 0; i < n; i++)
                strcat(input, "exit 7\n");
        strcat(input, "true\n");
        struct command c = RUN_ON(input, "-j4", "--quiet");
        int status = c.status;
        assert_string_equal(c.stderr_text, "");
        release(&c);
        return status;
}

static void the_status_counts_the_failures(void **state)
{
        (void)state;
        assert_int_equal(status_of_failures(0), 0);
        assert_int_equal(status_of_failures(1), 1);
        assert_int_equal(status_of_failures(3), 3);
        assert_int_equal(status_of_failures(100), 100);
        assert_int_equal(status_of_failures(101), 101);
        assert_int_equal(status_of_failures(130), 101);
}

static void what_cannot_be_started_says_why(void **state)
{
        (void)state;
        write_file("plain", "no program\n");
        struct command c = RUN("-j1", "--report", "r", "--", "{}", "x", ":::", "./missing", "./plain", "/tmp", "echo");
        EXPECT_STATUS(c, 3);
        assert_string_equal(c.stdout_text, "x\n");
        expect_within(c.stderr_text, "rein: job 1: cannot be started: No such file or directory: ./missing x\n");
        expect_within(c.stderr_text, "rein: job 2: cannot be started: Permission denied: ./plain x\n");
        expect_within(c.stderr_text, "rein: job 3: cannot be started: Permission denied: /tmp x\n");
        release(&c);
        char *report = read_report("r");
        expect_within(report, "\"ended\":\"cannot start\",\"error\":\"No such file or directory\"");
        free(report);
}

static void a_signal_is_called_by_its_name(void **state)
{
        (void)state;
        static const char *const name[] = {"HUP",  "INT",  "QUIT", "ILL",  "TRAP", "ABRT", "BUS",  "FPE", "KILL",
                                           "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "XCPU", "SYS"};
        enum { N = sizeof name / sizeof *name };
        const char *argv[N + 12] = {REIN, "run", "--report", "r", "--", "sh", "-c", "ulimit -c 0; kill -{} $$", ":::"};
        memcpy(argv + 9, name, sizeof name);
        struct command c = complete(NULL, argv);
        EXPECT_STATUS(c, N);
        char *report = read_report("r");
        for (int i = 0; i < N; i++) {
                char piece[80];
                snprintf(piece, sizeof piece, ": ended by SIG%s: ", name[i]);
                expect_within(c.stderr_text, piece);
                snprintf(piece, sizeof piece, "kill -%s $$\"],\"tries\":1,\"ended\":\"signal\",\"signal\":\"SIG%s\"",
                         name[i], name[i]);
                expect_within(report, piece);
        }
        free(report);
        release(&c);
}

/* ---- retries ---- */

static void failed_jobs_are_tried_again(void **state)
{
        (void)state;
        struct command c = RUN("-j2", "-r", "3", "--delay", "1ms", "--log", "log", "--report", "r", "--", "sh", "-c",
                               "echo try $REIN_TRY of {}; test $REIN_TRY = {}", ":::", "1", "3", "9");
        EXPECT_STATUS(c, 1);
        expect_within(c.stdout_text, "try 1 of 3\ntry 2 of 3\ntry 3 of 3\n");
        expect_within(c.stderr_text, "rein: job 3: exit code 1, after 4 tries: ");
        assert_int_equal(count_of(c.stderr_text, "\n"), 1);
        release(&c);
        char *log = read_file("log"), *report = read_report("r"), *line;
        assert_int_equal(count_of(log, "\n"), 1 + 3 + 4);
        assert_int_equal(count_of(log, "\"job\":2,"), 3);
        line = line_with(log, "\"try\":3,\"ended\":\"success\"");
        assert_true(is_json(line));
        expect_within(line, "\"job\":2,");
        free(line);
        expect_within(report, "\"tries\":3,\"ended\":\"success\"");
        expect_within(report, "\"tries\":4,\"ended\":\"exit\",\"code\":1");
        free(log);
        free(report);
}

/* How often the report says that it was tried. */
static int tries(const char *retry_on, const char *command, const char *limit)
{
        int n = 0;
        struct command c = RUN_ON(command, "-r", "2", "--delay", "0s", "--retry-on", retry_on, "-t", limit, "-g", "0s",
                                  "--quiet", "--report", "r");
        EXPECT_STATUS(c, 1);
        release(&c);
        char *report = read_report("r");
        const char *said = strstr(report, "\"tries\":");
        assert_non_null(said);
        assert_int_equal(sscanf(said, "\"tries\":%d", &n), 1);
        free(report);
        return n;
}

static void only_what_the_list_names_is_tried_again(void **state)
{
        (void)state;
        assert_int_equal(tries("1,75", "exit 75", "1h"), 3);
        assert_int_equal(tries("1,75", "exit 74", "1h"), 1);
        assert_int_equal(tries("64-78", "exit 75", "1h"), 3);
        assert_int_equal(tries("64-74,signal", "exit 75", "1h"), 1);
        assert_int_equal(tries("signal", "kill -9 $$", "1h"), 3);
        assert_int_equal(tries("timeout,9", "kill -9 $$", "1h"), 1);
        assert_int_equal(tries("timeout", "sleep 1000", "100ms"), 3);
        assert_int_equal(tries("signal", "sleep 1000", "100ms"), 1);
}

static void a_delay_ends_with_the_run(void **state)
{
        (void)state;
        struct command c = RUN("-r", "9", "--delay", "1000h", "--delay-max", "1000h", "--deadline", "200ms", "--report",
                               "r", "--", "false", ":::", "1");
        EXPECT_STATUS(c, 124);
        release(&c);
        char *report = read_report("r");
        expect_within(report, "\"ended\":\"stopped\"");
        free(report);
}

/* ---- log and resume ---- */

static void resume_runs_only_what_has_not_succeeded(void **state)
{
        (void)state;
        struct command c = RUN("-j1", "--log", "log", "--", "sh", "-c", "echo {}; test {} != b || test -e now",
                               ":::", "a", "b", "c\377", "a");
        EXPECT_STATUS(c, 1);
        assert_string_equal(c.stdout_text, "a\nb\nc\377\na\n");
        release(&c);
        FILE *log = fopen("log", "ae");
        fputs("{\"job\":9,\"ended\":\"succ", log); /* as after a kill within a line */
        fclose(log);

        write_file("now", "");
        c = RUN("-j1", "--resume", "log", "--report", "r", "--", "sh", "-c", "echo {}; test {} != b || test -e now",
                ":::", "a", "b", "c\377", "d", "a", "a");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "b\nd\na\n"); /* "a" had succeeded twice, and is asked for three times */
        release(&c);
        char *report = read_report("r");
        assert_int_equal(count_of(report, "\"ended\":\"skipped\""), 3);
        expect_within(report, "\"skipped\":3");
        expect_within(report, "c\\ufffd"); /* JSON has no room for a byte that is no UTF-8 */
        free(report);
}

static void a_log_keeps_what_was_there(void **state)
{
        (void)state;
        for (int i = 1; i <= 2; i++) {
                struct command c = RUN("-j1", "--log", "log", "--", "true", ":::", "a", "b");
                EXPECT_STATUS(c, 0);
                release(&c);
                char *log = read_file("log");
                assert_int_equal(count_of(log, "\"ended\":\"success\""), 2 * i);
                free(log);
        }
}

/* ---- report ---- */

static void the_report_tells_how_each_job_ended(void **state)
{
        (void)state;
        struct command c =
                RUN_ON("true\nexit 3\nkill -9 $$\nsleep 100 # \"\\ \t\nx=$(head -c 30000000 /dev/zero | tr '\\0' x)\n",
                       "-t", "2s", "-j5", "--report", "r", "--quiet");
        EXPECT_STATUS(c, 3);
        release(&c);
        char *report = read_report("r"), *line;
        line = line_with(report, "\"job\":1,");
        expect_within(
                line,
                "\"command\":[\"/bin/sh\",\"-c\",\"true\"],\"tries\":1,\"ended\":\"success\",\"code\":0,\"began\":\"");
        free(line);
        line = line_with(report, "\"job\":2,");
        expect_within(line, "\"ended\":\"exit\",\"code\":3,");
        free(line);
        line = line_with(report, "\"job\":3,");
        expect_within(line, "\"ended\":\"signal\",\"signal\":\"SIGKILL\",");
        expect_without(line, "stopped_with");
        free(line);
        line = line_with(report, "\"job\":4,");
        expect_within(line, "# \\\"\\\\ \\u0009\"]");
        expect_within(line, "\"ended\":\"timeout\",\"signal\":\"SIGTERM\",\"stopped_by\":\"");
        expect_within(line, "\"stopped_with\":\"SIGTERM\"");
        expect_within(line, "\"seconds\":2.");
        free(line);
        line = line_with(report, "\"job\":5,");
        assert_true(strtol(strstr(line, "\"peak_memory\":") + 14, NULL, 10) >= 30000000);
        free(line);
        expect_within(report, "\"summary\":{\"complete\":true,\"succeeded\":2,\"failed\":3,\"stopped\":0,");
        expect_within(report, "\"exit_status\":3");
        free(report);
}

static void a_report_may_be_a_pipe(void **state)
{
        (void)state;
        struct command c = RUN("-j1", "--report", "/dev/stdout", "--", "true", ":::", "1", "2");
        EXPECT_STATUS(c, 0);
        assert_true(is_json(c.stdout_text));
        release(&c);
        c = complete(NULL, ARGV("sh", "-c", REIN " run -j1 --report /dev/stdout -- true ::: 1 2 | cat"));
        assert_true(is_json(c.stdout_text));
        assert_int_equal(count_of(c.stdout_text, "\"job\":"), 2);
        release(&c);
}

/* ---- memory, deadline, halt ---- */

static void memory_is_limited(void **state)
{
        (void)state;
        struct command c = RUN("--memory", "64M", "--", "sh", "-c", "ulimit -v", ":::", "1");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "65536\n");
        release(&c);
        c = RUN("--memory", "0.25G", "--", "sh", "-c", "ulimit -v", ":::", "1");
        EXPECT_STATUS(c, 0);
        assert_string_equal(c.stdout_text, "262144\n");
        release(&c);
}

static void the_deadline_stops_everything(void **state)
{
        (void)state;
        double began = now_s();
        struct command c = RUN("-j2", "--deadline", "300ms", "--report", "r", "--", "sleep", ":::", "0", "1000", "1001",
                               "1002", "1003", "1004", "1005", "1006");
        EXPECT_STATUS(c, 124);
        assert_true(now_s() - began < 30);
        assert_string_equal(c.stderr_text, "rein: the deadline has passed: 2 stopped, 5 never started\n");
        release(&c);
        char *report = read_report("r");
        assert_int_equal(count_of(report, "\"ended\":\"success\""), 1);
        assert_int_equal(count_of(report, "\"ended\":\"stopped\",\"signal\":\"SIGTERM\""), 2);
        assert_int_equal(count_of(report, "\"ended\":\"never started\""), 5);
        expect_within(report, "\"stopped_by\":\"the deadline\"");
        free(report);
}

#define WAITING "case {} in ok) ;; bad) exit 1;; *) until test -e enough; do sleep 0.01; done; echo {};; esac"

static void halt_stops_the_rest(void **state)
{
        (void)state;
        struct command c = RUN("-j2", "--halt", "fail", "--report", "r", "--", "sh", "-c", WAITING, ":::", "w", "ok",
                               "bad", "x", "y");
        EXPECT_STATUS(c, 1);
        assert_string_equal(c.stdout_text, "");
        release(&c);
        char *report = read_report("r");
        expect_within(report, "\"succeeded\":1,\"failed\":1,\"stopped\":1,\"never_started\":2,");
        expect_within(report, "job 3 failed");
        free(report);

        c = RUN("-j2", "--halt", "fail=2", "--quiet", "--report", "r", "--", "sh", "-c", WAITING, ":::", "w", "bad",
                "ok", "bad", "bad");
        EXPECT_STATUS(c, 2);
        release(&c);
        report = read_report("r");
        expect_within(report, "\"succeeded\":1,\"failed\":2,\"stopped\":1,\"never_started\":1,");
        free(report);

        c = RUN("-j2", "--halt", "success", "--quiet", "--report", "r", "--", "sh", "-c", WAITING, ":::", "w", "bad",
                "ok", "x");
        EXPECT_STATUS(c, 0);
        release(&c);
        report = read_report("r");
        expect_within(report, "\"succeeded\":1,\"failed\":1,\"stopped\":1,\"never_started\":1,");
        free(report);

        c = RUN("-j2", "--halt", "never", "--quiet", "--", "sh", "-c", WAITING, ":::", "bad", "bad", "ok");
        EXPECT_STATUS(c, 2);
        release(&c);
}

/* ---- usage ---- */

static void wrong_usage_says_how_to_mend_it(void **state)
{
        (void)state;
        static const struct {
                const char *words[6], *says;
        } wrong[] = {
                {{"-j", "0"}, "-j: '0' is no number from 1 to 10000"},
                {{"-j", "many"}, "-j: 'many' is no number from 1 to 10000"},
                {{"-j"}, "-j needs a value; see rein run --help"},
                {{"-t", "5"}, "-t: '5' is no span; write a number and ms, s, m or h, as in 1.5m"},
                {{"-t", "0s"}, "-t must be longer than nothing"},
                {{"-g", "-1s"}, "-g: '-1s' is no span"},
                {{"-g", "1e3s"}, "-g: '1e3s' is no span"},
                {{"-r", "-1"}, "-r: '-1' is no number from 0 to"},
                {{"--delay", "soon"}, "--delay: 'soon' is no span"},
                {{"--delay-max", "."}, "--delay-max: '.' is no span"},
                {{"--deadline", "1d"}, "--deadline: '1d' is no span"},
                {{"--retry-on", "0"}, "--retry-on: '0' is none of: an exit code from 1 to 255"},
                {{"--retry-on", "1,,2"}, "--retry-on: '' is none of"},
                {{"--retry-on", "9-3"}, "--retry-on: '9-3' is none of"},
                {{"--halt", "now"}, "--halt: 'now' is none of: never, fail, fail=N, success"},
                {{"--halt", "fail=0"}, "--halt fail=N: '0' is no number from 1"},
                {{"--memory", "big"}, "--memory: 'big' is no size; write a number and K, M, G or T, as in 512M"},
                {{"--memory", "0"}, "--memory: '0' is no size"},
                {{"--progress", "maybe"}, "--progress: 'maybe' is none of: auto, always, never"},
                {{"--log", "/nowhere/log"}, "--log /nowhere/log: No such file or directory; name a file"},
                {{"--report", "/"}, "--report /: Is a directory; name a file that can be written"},
                {{"--resume", "/nowhere/log"}, "--resume /nowhere/log: No such file or directory; name a file"},
                {{"--frobnicate"}, "there is no option --frobnicate"},
                {{"-x"}, "there is no option -x"},
                {{"--tag=1"}, "--tag=1 takes no value"},
                {{":::", "a"}, "::: needs a command before it, as in: rein run -- gzip {} ::: a.txt b.txt"},
        };
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                const char *argv[10] = {REIN, "run"};
                memcpy(argv + 2, wrong[i].words, sizeof wrong[i].words);
                struct command c = complete(NULL, argv);
                EXPECT_STATUS(c, 125);
                assert_string_equal(c.stdout_text, "");
                assert_int_equal(count_of(c.stderr_text, "\n"), 1);
                assert_int_equal(strncmp(c.stderr_text, "rein run: ", 10), 0);
                expect_within(c.stderr_text, wrong[i].says);
                release(&c);
        }
}

static void the_manual_has_every_option_of_the_help(void **state)
{
        (void)state;
        struct command c = RUN("--help");
        EXPECT_STATUS(c, 0);
        char *manual = read_file(REIN_SOURCE_DIR "/docs/man/rein-run.1");
        int options = 0;
        for (const char *at = c.stdout_text; (at = strstr(at, "--")); at++) {
                char option[32], macro[48];
                if (sscanf(at, "--%31[a-z-]", option) == 1) {
                        snprintf(macro, sizeof macro, "Fl Fl %s", option);
                        expect_within(manual, macro);
                        options++;
                }
        }
        assert_true(options >= 18);
        free(manual);
        release(&c);
        c = complete(NULL, ARGV(REIN, "--version"));
        EXPECT_STATUS(c, 0);
        assert_int_equal(strncmp(c.stdout_text, "rein 0.", 7), 0);
        release(&c);
        c = complete(NULL, ARGV(REIN, "walk"));
        EXPECT_STATUS(c, 125);
        expect_within(c.stderr_text, "rein: there is no command 'walk'; try rein run");
        release(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_start_that_hangs_holds_up_nothing_but_the_first_time),
                TEST(arguments_are_passed_as_they_are),
                TEST(braces_stand_for_the_argument_in_every_word),
                TEST(each_line_of_input_is_an_argument),
                TEST(without_a_command_each_line_is_one_for_the_shell),
                TEST(no_input_is_no_work),
                TEST(lines_that_cannot_be_arguments_are_failed_jobs),
                TEST(input_is_taken_as_it_comes),
                TEST(input_that_cannot_be_read_is_said),
                TEST(jobs_start_clean),
                TEST(a_run_within_a_run_counts_its_own),
                TEST(a_missing_standard_stream_does_no_harm),
                TEST(jobs_run_side_by_side_and_no_more),
                TEST(as_many_as_cpus_are_granted),
                TEST(open_files_are_enough_or_it_is_said),
                TEST(the_status_counts_the_failures),
                TEST(what_cannot_be_started_says_why),
                TEST(a_signal_is_called_by_its_name),
                TEST(failed_jobs_are_tried_again),
                TEST(only_what_the_list_names_is_tried_again),
                TEST(a_delay_ends_with_the_run),
                TEST(resume_runs_only_what_has_not_succeeded),
                TEST(a_log_keeps_what_was_there),
                TEST(the_report_tells_how_each_job_ended),
                TEST(a_report_may_be_a_pipe),
                TEST(memory_is_limited),
                TEST(the_deadline_stops_everything),
                TEST(halt_stops_the_rest),
                TEST(wrong_usage_says_how_to_mend_it),
                TEST(the_manual_has_every_option_of_the_help),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
