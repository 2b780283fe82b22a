/* SPDX-License-Identifier: Apache-2.0 */
/* Each example runs, ends well, complains about nothing, and prints what its opening comment promises. No times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT (4 << 20)

/* ---- running one ---- */

static char out[OUTPUT], err[OUTPUT];

static void all_of(int fd, char *text)
{
        size_t had = 0;
        ssize_t n;
        while ((n = read(fd, text + had, OUTPUT - 1 - had)) > 0)
                had += (size_t)n;
        assert_int_equal(n, 0);
        text[had] = '\0';
}

static pid_t start(const char *name, const char *arg, int to, int errors)
{
        char path[4096];
        pid_t pid;
        posix_spawn_file_actions_t files;
        snprintf(path, sizeof path, "%s/examples/%s", REIN_BINARY_DIR, name);
        static const char *const needing[] = {"interrupt_foreign", "uv_guest", "glib_guest"};
        for (size_t i = 0; i < sizeof needing / sizeof *needing; i++)
                if (access(path, X_OK) < 0 && strcmp(name, needing[i]) == 0)
                        skip(); /* built only where sqlite3, libuv and GLib are */
        char *argv[] = {path, (char *)arg, NULL};
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_adddup2(&files, to, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
        assert_int_equal(posix_spawn(&pid, path, &files, NULL, argv, environ), 0);
        posix_spawn_file_actions_destroy(&files);
        return pid;
}

static int status_of(pid_t pid)
{
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run(const char *name, const char *arg)
{
        FILE *to = tmpfile(), *errors = tmpfile();
        assert_non_null(to);
        assert_non_null(errors);
        int status = status_of(start(name, arg, fileno(to), fileno(errors)));
        assert_int_equal(lseek(fileno(to), 0, SEEK_SET) | lseek(fileno(errors), 0, SEEK_SET), 0);
        all_of(fileno(to), out);
        all_of(fileno(errors), err);
        fclose(to);
        fclose(errors);
        return status;
}

static void run_well(const char *name)
{
        int status = run(name, NULL);
        assert_string_equal(err, "");
        assert_int_equal(status, 0);
}

static const char *prints(const char *text)
{
        const char *found = strstr(out, text);
        if (!found)
                fail_msg("it did not print \"%s\" but:\n%s", text, out);
        return found;
}

/* ---- the examples ---- */

static void settle_from_anywhere_has_one_winner(void **state)
{
        (void)state;
        run_well("settle_from_anywhere");
        prints("1 won, 7 were told REIN_EALREADY\n");
        prints("the waiter has the value of the winner\n");
        prints("the continuation ran on pool 'afterwards', times: 1\n");
}

static void stop_a_pool_settles_every_future_and_starts_again(void **state)
{
        (void)state;
        int jobs, queued, asked, ended, failed, canceled;
        run_well("stop_a_pool");
        prints("stop: success");
        assert_int_equal(sscanf(prints("the receipt:"),
                                "the receipt: %d jobs, %d never started, %d were asked and left", &jobs, &queued,
                                &asked),
                         3);
        assert_int_equal(sscanf(prints("the futures:"), "the futures: %d ended, %d failed, %d canceled", &ended,
                                &failed, &canceled),
                         3);
        assert_in_range(queued + asked, canceled, jobs);
        assert_in_range(failed, 1, 50);
        assert_int_equal(ended + failed + canceled, 1000);
        prints("restart: success; the second batch: 1000 of 1000\n");
}

static void from_pthreads_does_the_same_and_can_be_stopped(void **state)
{
        (void)state;
        run_well("from_pthreads");
        prints("pthreads: 41791750; rein: 41791750, success\n");
        prints("in 5 ms: REIN_ETIMEOUT\n");
}

static void sampler_looks_until_the_work_is_done(void **state)
{
        (void)state;
        int looks;
        long long skipped;
        size_t most, threads;
        run_well("sampler");
        prints("200 jobs done: success\n");
        assert_int_equal(sscanf(prints("looked "),
                                "looked %d times and skipped %lld; at most %zu were queued, for %zu threads", &looks,
                                &skipped, &most, &threads),
                         4);
        assert_true(looks > 0 && skipped >= 0 && most <= 200 && threads <= 2);
}

static void bulkheads_hold(void **state)
{
        (void)state;
        int taken, rejected;
        run_well("bulkheads");
        prints("before the flood: 2000 of 2000 jobs done");
        prints("during the flood: 2000 of 2000 jobs done");
        assert_int_equal(sscanf(prints("the flood: 1000 jobs"), "the flood: 1000 jobs, %d taken, %d rejected", &taken,
                                &rejected),
                         2);
        assert_int_equal(taken + rejected, 1000);
        assert_in_range(taken, 100, 104); /* the queue, and what four threads took from it meanwhile */
        prints(", 0 left\n");
}

static void interrupt_foreign_unblocks_foreign_calls(void **state)
{
        (void)state;
        run_well("interrupt_foreign");
        const char *query = prints("query stopped before it ran: REIN_ESTOPPED\n"
                                   "query: stopped by hook, its future says REIN_ECANCELED\n");
        assert_ptr_equal(query, out);
        prints("read: stopped by poke, its future says REIN_ECANCELED\n"); /* and mostly where it was */
}

static void cancel_to_thread_leaves_no_thread_behind(void **state)
{
        (void)state;
        run_well("cancel_to_thread");
        prints("race: success; jobs still running: 0\n");
        prints("rein_to_thread under a deadline: REIN_ETIMEOUT; jobs still running: 0\n");
        prints("its clean-up could sleep: success\n");
}

static void gather_shield_keeps_the_order_and_what_belongs_together(void **state)
{
        (void)state;
        run_well("gather_shield");
        prints("page 0: 0\npage 1: 100\npage 2: -2, and why\npage 3: 300\n");
        prints("all or nothing: REIN_EFAILED\n");
        prints("booked 2 of 2, then REIN_ETIMEOUT\n");
}

static void first_steps_goes_as_the_guide_says(void **state)
{
        (void)state;
        run_well("first_steps");
        prints("the square of 12 is 144\n"
               "the group: REIN_ETIMEOUT\n"
               "the cancelled job: in time, REIN_ECANCELED\n"
               "user code -21000: cannot load the page (job 'page' on 'guide', ");
        prints("  because user code -21000: not a number: 'twelve'");
        prints("\nsaved\n"); /* the stop has waited for it */
}

static void errors_arrive_whole(void **state)
{
        (void)state;
        run_well("errors_arrive");
        prints("the group: REIN_EFAILED\nREIN_EFAILED: ");
        prints(" half is broken (job '");
        prints("the retry: 3 after 3 tries\n");
        prints("all tries failed: ECONNREFUSED\n  try 2: try -8 was refused\n  try 1: try -9 was refused\n");
        prints("nobody looked at: what was dropped is broken\n");
}

static void futures_do_what_they_say(void **state)
{
        (void)state;
        run_well("futures");
        prints("taken: 3, one was settled: yes, all: success\n"
               "the first says ONE\n"
               "the third said THREE\n"
               "mirror 1 answered; the others: user code -21000, REIN_ECANCELED; the continuation ran: no\n"
               "REIN_EFAILED: failures: 1, with their place: 1\n");
}

static void callback_is_kept_broken_and_cancelled(void **state)
{
        (void)state;
        run_well("callback");
        assert_string_equal(out, "asked: an answer\n"
                                 "asked again: the query failed with 7\n"
                                 "cancelled: the query failed with 1\n");
}

static void objects_work_between_threads_and_coroutines(void **state)
{
        (void)state;
        run_well("objects");
        assert_string_equal(out, "success: counted 800, never more than two inside: yes, the hall is closed\n"
                                 "REIN_ETIMEOUT: counted 0, never more than two inside: yes, the hall is closed\n");
}

static void own_executor_runs_jobs_on_the_main_thread(void **state)
{
        (void)state;
        run_well("own_executor");
        assert_string_equal(out, "painted 42, on the main thread: yes\nthe work: success\n");
}

static void loop_by_hand_is_turned_by_poll(void **state)
{
        (void)state;
        run_well("loop_by_hand");
        assert_string_equal(out, "the coroutine read: hello\njobs left: 0, the job: success\n");
}

static void pool_options_do_what_they_say(void **state)
{
        (void)state;
        run_well("pool_options");
        assert_string_equal(out, "by priority: high low\n"
                                 "limit_ns: REIN_ETIMEOUT\n"
                                 "start_by: REIN_EREJECTED\n"
                                 "share: four callers, 1 run, answers 1 and 1\n"
                                 "share_ns: one that comes later, still 1 run\n"
                                 "full: what has no room is rejected\n"
                                 "waiting inside: 42 came up from 100 levels down\n");
}

static void pipeline_is_cancelled_without_a_leak(void **state)
{
        (void)state;
        run_well("pipeline");
        assert_int_equal(prints("done: 2000 pages, their sum is 1335334000\npages left behind: 0\n") - out, 0);
        prints("\nenough: 100 pages, their sum is ");
        assert_non_null(strstr(prints("enough"), "\npages left behind: 0\n"));
}

static void abandon_does_not_hold_up_a_stop(void **state)
{
        (void)state;
        run_well("abandon");
        assert_string_equal(out, "stop: REIN_ESTUCK; the future: REIN_EABANDONED; gone: no\n"
                                 "the receipt: deaf, abandoned, still there\n"
                                 "restart: success; a job beside it: 42\n"
                                 "the late log: REIN_EABANDONED\n");
}

/* ---- the simulator's ---- */

/* What a report says, without how it was found. */
static void what_was_found(const char *name, char *said, size_t n)
{
        char begin[64];
        snprintf(begin, sizeof begin, "REIN-SIM FAIL %s: ", name);
        const char *from = strstr(err, begin), *to = from ? strstr(from, " | seed=") : NULL;
        if (!to)
                fail_msg("%s found nothing:\n%s%s", name, out, err);
        snprintf(said, n, "%.*s", (int)(to - from), from);
}

/* The broken one is found, its line replays the same failure, and the mended one passes. */
static void is_found_and_replayed(const char *example, const char *name, const char *words)
{
        char first[1000], second[1000];
#if defined REIN_TSAN
        if (strcmp(example, "sim_queue") == 0)
                skip(); /* the layer for pthreads does not start under it */
        assert_int_equal(run(example, "mended"), 0);
        prints("success, schedules: 1000\n");
        return; /* the broken one has a data race, and the sanitizer ends it first */
#endif
        assert_int_equal(run(example, NULL), 1);
        prints("REIN_EFOUND");
        what_was_found(name, first, sizeof first);
        assert_non_null(strstr(first, words));
        char *replay = strstr(err, "REIN_SIM_REPLAY='");
        assert_non_null(replay);
        replay += strlen("REIN_SIM_REPLAY='");
        *strchr(replay, '\'') = '\0';
        assert_int_equal(setenv("REIN_SIM_REPLAY", replay, 1), 0);
        int status = run(example, NULL);
        assert_int_equal(unsetenv("REIN_SIM_REPLAY"), 0);
        assert_int_equal(status, 1);
        prints("REIN_EFOUND, schedules: 1\n");
        assert_non_null(strstr(err, "  main         ")); /* it is told step by step */
        what_was_found(name, second, sizeof second);
        assert_string_equal(second, first);
        assert_int_equal(run(example, "mended"), 0);
        assert_string_equal(err, "");
        prints("success, schedules: 1000\n");
}

static void sim_transfer_finds_where_money_is_lost(void **state)
{
        (void)state;
        is_found_and_replayed("sim_transfer", "transfer", "there were 200, now there are 1");
}

static void sim_queue_finds_the_if(void **state)
{
        (void)state;
        is_found_and_replayed("sim_queue", "queue", "1 and 2 were put, ");
}

static void sim_layer_finds_the_lost_wake_up(void **state)
{
        (void)state;
        is_found_and_replayed("sim_layer", "layer", "deadlock: nobody can go on: 'main' waits for a word");
        prints("for real: success\n");
}

static void sim_pipe_loses_nothing(void **state)
{
        (void)state;
        run_well("sim_pipe");
        assert_string_equal(out, "one schedule: success; 500 schedules with faults: success\n");
}

static void children_end_within_their_deadline(void **state)
{
        (void)state;
        run_well("children");
        assert_string_equal(out, "echo hello                               exit code 0\n"
                                 "        it said: hello\n"
                                 "echo 'it cannot be' >&2; exit 3          exit code 3\n"
                                 "        it said: it cannot be\n"
                                 "kill -SEGV $$                            ended by Segmentation fault\n"
                                 "sleep 1000                               ended by Terminated, when asked\n"
                                 "trap '' TERM; sleep 1000; sleep 1000     ended by Killed, after its grace\n"
                                 "sleep 1000 & wait                        ended by Terminated, when asked\n");
}

static void child_talk_hears_and_stops(void **state)
{
        (void)state;
        run_well("child_talk");
        assert_string_equal(out, "true: success, exit code 0\n"
                                 "cat says: hello\n"
                                 "cat says: how are you?\n"
                                 "cat ended: by itself, exit code 0\n"
                                 "sleep has a number: yes; has it ended? REIN_ETIMEOUT\n"
                                 "stopped: success, by Terminated\n"
                                 "sorted: apple fig pear\n");
}

static void foreign_threads_are_inside_until_the_close(void **state)
{
        (void)state;
        run_well("foreign_threads");
        assert_string_equal(out,
                            "event 1 for anna: success\nevent 2 for anna: REIN_ECANCELED\nthe group: REIN_ETIMEOUT\n"
                            "event 3: nobody is there any more\n");
}

static void own_threads_obey_the_scope_that_they_were_lent(void **state)
{
        (void)state;
        run_well("own_threads");
        assert_string_equal(out, "found: REIN_ESTOPPED; 4 threads have left\n"
                                 "not found: REIN_ETIMEOUT; 4 threads have left\n");
}

static void rounds_go_on_from_the_row_that_was_kept(void **state)
{
        (void)state;
        run_well("rounds");
        assert_string_equal(out, "from round 0\n"
                                 "worker 1 failed in round 57\n"
                                 "from round 50\n"
                                 "success, round 100:\n"
                                 "##.##..#..#.###..##.#.##.#.#...##.#######....#.#..####..#.###..#\n");
}

static void reconnect_answers_every_question(void **state)
{
        (void)state;
        run_well("reconnect");
        assert_string_equal(out, "success: 20 answers over 7 connections\n");
}

static void feeder_hands_out_all_or_enough(void **state)
{
        (void)state;
        run_well("feeder");
        assert_string_equal(out, "success: all orders, their sum is 500500\n"
                                 "success: enough orders, their sum is 1000 or more\n");
}

static void plugin_host_keeps_the_exceptions_of_coroutines_apart(void **state)
{
        (void)state;
#if defined REIN_ASAN
        skip(); /* its runtime looks for __cxa_throw when a program starts, and not again */
#endif
        assert_int_equal(run("plugin_host", REIN_BINARY_DIR "/tests/modules/plugin.so"), 0);
        assert_string_equal(err, "");
        assert_string_equal(out, "plugins that ran twice: 1\n");
        assert_int_equal(run("plugin_host", REIN_BINARY_DIR "/tests/modules/throws.so"), 1);
        assert_non_null(strstr(err, "throws.so is no plugin: it has no plugin_main"));
}

static void udp_roll_call_hears_all_and_no_stranger(void **state)
{
        (void)state;
        run_well("udp_roll_call");
        assert_string_equal(out,
                            "anna: here\nben: here\ncarl: here\nstrangers: 1\nin a thousand simulations: success\n");
}

static void udp_ask_gets_its_answers(void **state)
{
        (void)state;
        run_well("udp_ask");
        assert_string_equal(out, "first: FIRST\nsecond: SECOND\nthird: THIRD\nin a thousand simulations: success\n");
}

static void sim_cache_finds_the_second_load(void **state)
{
        (void)state;
        is_found_and_replayed("sim_cache", "cache", "it was loaded 2 times");
}

static void sim_tickets_finds_who_sells_the_last_one_twice(void **state)
{
        (void)state;
        is_found_and_replayed("sim_tickets", "tickets", "one ticket was sold 2 times");
}

static void uv_guest_lives_in_a_loop_of_libuv(void **state)
{
        (void)state;
        run_well("uv_guest");
        assert_string_equal(out, "the coroutine heard: hello 1\n"
                                 "the coroutine heard: hello 2\n"
                                 "the coroutine heard: hello 3\n"
                                 "the coroutine: success; uv's timer ticked: yes\n");
}

static void glib_guest_lives_in_a_main_context(void **state)
{
        (void)state;
        run_well("glib_guest");
        prints("said hello, heard HELLO\n");
        prints("said are you well?, heard ARE YOU WELL?\n");
        prints("nothing is left in the loop 'front'\n");
        prints("nothing is left in the loop 'back'\n");
        prints("talked: success; tidied up: success, in 1000 steps\n");
}

/* ---- hasher ---- */

static char tree[4096];

/* 600 files in 20 folders, with long names, so that their hashes fill a pipe twice. */
static int plant(void **state)
{
        (void)state;
        char path[5000], name[180];
        snprintf(tree, sizeof tree, "%s/tests/hasher.XXXXXX", REIN_BINARY_DIR);
        assert_non_null(mkdtemp(tree));
        memset(name, 'n', sizeof name);
        name[sizeof name - 1] = '\0';
        for (int i = 0; i < 600; i++) {
                snprintf(path, sizeof path, "%s/%d", tree, i % 20);
                if (i < 20)
                        assert_int_equal(mkdir(path, 0700), 0);
                snprintf(path, sizeof path, "%s/%d/%s%d", tree, i % 20, name, i);
                FILE *file = fopen(path, "w");
                assert_non_null(file);
                for (int n = i % 7 ? i : 50000; n > 0; n--)
                        putc(n + i, file);
                assert_int_equal(fclose(file), 0);
        }
        return 0;
}

static int uproot(void **state)
{
        (void)state;
        FTS *walk = fts_open((char *[]){tree, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        assert_non_null(walk);
        for (FTSENT *e; (e = fts_read(walk));)
                if (e->fts_info != FTS_D)
                        remove(e->fts_path);
        fts_close(walk);
        return 0;
}

/* What hasher is to print, by one thread. The caller frees it. */
static char *expected(void)
{
        char *text, buf[4096];
        size_t length, n;
        FILE *to = open_memstream(&text, &length);
        FTS *walk = fts_open((char *[]){tree, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        assert_non_null(to);
        assert_non_null(walk);
        for (FTSENT *e; (e = fts_read(walk));) {
                if (e->fts_info != FTS_F)
                        continue;
                uint64_t hash = 14695981039346656037u;
                FILE *file = fopen(e->fts_path, "r");
                assert_non_null(file);
                while ((n = fread(buf, 1, sizeof buf, file)) > 0)
                        for (size_t i = 0; i < n; i++)
                                hash = (hash ^ (unsigned char)buf[i]) * 1099511628211u;
                fclose(file);
                fprintf(to, "%016llx  %s\n", (unsigned long long)hash, e->fts_path);
        }
        fts_close(walk);
        fclose(to);
        return text;
}

static void hasher_prints_every_hash_in_order(void **state)
{
        (void)state;
        char *text = expected();
        assert_int_equal(run("hasher", tree), 0);
        assert_string_equal(err, "hasher: 600 files, success\n");
        assert_true(strcmp(out, text) == 0);
        free(text);
}

/* Nobody reads the pipe that hasher prints into, so that it cannot end but by the signal. */
static void hasher_is_stopped_by_an_interrupt(void **state)
{
        (void)state;
        int ends[2], files = -1, lines = 0;
        char *text = expected(), first;
        FILE *errors = tmpfile();
        assert_non_null(errors);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t pid = start("hasher", tree, ends[1], fileno(errors));
        close(ends[1]);
        assert_int_equal(read(ends[0], &first, 1), 1); /* it is at work */
        assert_int_equal(kill(pid, SIGINT), 0);
        assert_int_equal(status_of(pid), 130);

        assert_int_equal(lseek(fileno(errors), 0, SEEK_SET), 0);
        all_of(fileno(errors), err);
        assert_int_equal(sscanf(err, "hasher: %d files, stopped by", &files), 1);
        all_of(ends[0], out);
        for (const char *c = out; (c = strchr(c, '\n')); c++)
                lines++;
        assert_in_range(lines, files, files + 1); /* the last may have been written in part */
        assert_true(first == text[0] && strncmp(out, text + 1, strlen(out)) == 0);
        close(ends[0]);
        fclose(errors);
        free(text);
}

static void hasher_says_what_it_cannot_find(void **state)
{
        (void)state;
        assert_int_equal(run("hasher", "/no/such/folder"), 1);
        assert_string_equal(err, "/no/such/folder: No such file or directory\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(settle_from_anywhere_has_one_winner),
                cmocka_unit_test(from_pthreads_does_the_same_and_can_be_stopped),
                cmocka_unit_test(sampler_looks_until_the_work_is_done),
                cmocka_unit_test(stop_a_pool_settles_every_future_and_starts_again),
                cmocka_unit_test(bulkheads_hold),
                cmocka_unit_test(interrupt_foreign_unblocks_foreign_calls),
                cmocka_unit_test(cancel_to_thread_leaves_no_thread_behind),
                cmocka_unit_test(gather_shield_keeps_the_order_and_what_belongs_together),
                cmocka_unit_test(first_steps_goes_as_the_guide_says),
                cmocka_unit_test(errors_arrive_whole),
                cmocka_unit_test(futures_do_what_they_say),
                cmocka_unit_test(callback_is_kept_broken_and_cancelled),
                cmocka_unit_test(objects_work_between_threads_and_coroutines),
                cmocka_unit_test(own_executor_runs_jobs_on_the_main_thread),
                cmocka_unit_test(loop_by_hand_is_turned_by_poll),
                cmocka_unit_test(pool_options_do_what_they_say),
                cmocka_unit_test(abandon_does_not_hold_up_a_stop),
                cmocka_unit_test(pipeline_is_cancelled_without_a_leak),
                cmocka_unit_test(sim_pipe_loses_nothing),
                cmocka_unit_test(sim_transfer_finds_where_money_is_lost),
                cmocka_unit_test(sim_queue_finds_the_if),
                cmocka_unit_test(sim_cache_finds_the_second_load),
                cmocka_unit_test(sim_tickets_finds_who_sells_the_last_one_twice),
                cmocka_unit_test(sim_layer_finds_the_lost_wake_up),
                cmocka_unit_test(udp_ask_gets_its_answers),
                cmocka_unit_test(udp_roll_call_hears_all_and_no_stranger),
                cmocka_unit_test(own_threads_obey_the_scope_that_they_were_lent),
                cmocka_unit_test(rounds_go_on_from_the_row_that_was_kept),
                cmocka_unit_test(reconnect_answers_every_question),
                cmocka_unit_test(feeder_hands_out_all_or_enough),
                cmocka_unit_test(plugin_host_keeps_the_exceptions_of_coroutines_apart),
                cmocka_unit_test(glib_guest_lives_in_a_main_context),
                cmocka_unit_test(foreign_threads_are_inside_until_the_close),
                cmocka_unit_test(children_end_within_their_deadline),
                cmocka_unit_test(child_talk_hears_and_stops),
                cmocka_unit_test(uv_guest_lives_in_a_loop_of_libuv),
                cmocka_unit_test_setup_teardown(hasher_prints_every_hash_in_order, plant, uproot),
                cmocka_unit_test_setup_teardown(hasher_is_stopped_by_an_interrupt, plant, uproot),
                cmocka_unit_test(hasher_says_what_it_cannot_find),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
