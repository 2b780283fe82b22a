/* SPDX-License-Identifier: Apache-2.0 */
/* Loops in a simulation: what it reports about their coroutines, and that what a schedule leaves in the middle is dropped.
 * Programs that are right are in tests/sim/loop.c. */
#include "support.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "crew.h"

static rein_sim_report found;

static void finds_with(rein_fn fn, void *arg, uint32_t faults, int ended, const char *const texts[])
{
        found = (rein_sim_report){.size = sizeof found};
        int rc = rein_sim_explore(
                REIN_SIM(.name = "loop", .schedules = 300, .quiet = true, .faults = faults, .report = &found), fn, arg);
        const char *said = rc == REIN_EFOUND ? rein_error_text(rein_trail()) : "";
        bool all = rc == REIN_EFOUND && found.ended == ended;
        for (; all && *texts; texts++)
                all = strstr(said, *texts);
        if (!all)
                fail_msg("expected %d: answered %d, ended %d, '%s'", ended, rc, found.ended, said);
}

#define FINDS(fn, arg, ended, ...) finds_with(fn, arg, 0, ended, (const char *const[]){__VA_ARGS__, NULL})

static void passes(rein_fn fn, void *arg, uint32_t faults)
{
        found = (rein_sim_report){.size = sizeof found};
        assert_int_equal(
                rein_sim_explore(REIN_SIM(.name = "loop", .schedules = 300, .faults = faults, .report = &found), fn,
                                 arg),
                0);
}

/* ---- who waits for whom ---- */

static int receives(void *arg)
{
        int item;
        return rein_chan_recv(arg, &item, REIN_NEVER);
}

static int each_waits_for_the_other(void *arg)
{
        (void)arg;
        rein_chan *c[2] = {rein_chan_new(sizeof(int), 0, NULL), rein_chan_new(sizeof(int), 0, NULL)};
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, receives, c[0], REIN_JOB(.name = "left"));
        rein_spawn(&g, NULL, receives, c[1], REIN_JOB(.name = "right"));
        int rc = rein_group_close(&g, 0);
        rein_chan_free(c[0]);
        rein_chan_free(c[1]);
        return rc;
}

static int deadlock(void *arg)
{
        return rein_run(each_waits_for_the_other, arg, REIN_LOOP(.name = "tables"));
}

static void test_a_deadlock_of_coroutines_names_them(void **state)
{
        (void)state;
        FINDS(deadlock, NULL, REIN_SIM_DEADLOCK,
              "job 'left' on 'tables', a coroutine of 'tables', is in rein_chan_recv",
              "job 'right' on 'tables', a coroutine of 'tables', is in rein_chan_recv",
              "a coroutine of 'tables', is in the children of the group of", "'main' has nothing to do");
}

static int sleeps_for_ever(void *arg)
{
        (void)arg;
        return rein_sleep(REIN_NEVER);
}

static int leaves_one_behind(void *arg)
{
        (void)arg;
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "abed"));
        rein_drop(rein_submit(x, sleeps_for_ever, NULL, REIN_JOB(.name = "dormouse")));
        return 0;
}

static int never_freed(void *arg)
{
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "mislaid", .hosted = true));
        rein_drop(rein_submit(x, arg ? job_seven : sleeps_for_ever, NULL, NULL));
        while (rein_loop_turn(x) > (arg ? 0 : 1))
                ;
        return 0;
}

static void test_a_coroutine_that_never_ends_and_a_loop_never_freed_are_named(void **state)
{
        (void)state;
        FINDS(leaves_one_behind, NULL, REIN_SIM_LEFT_RUNNING, "left behind when the program returned",
              "job 'dormouse' on 'abed', a coroutine of 'abed', is in rein_sleep");
        FINDS(never_freed, NULL, REIN_SIM_LEAK, "the executor 'mislaid' was not freed");
        FINDS(never_freed, "idle ones only", REIN_SIM_LEAK, "the executor 'mislaid' was not freed");
}

/* ---- schedules that end in the middle ---- */

static int yields_for_ever(void *arg)
{
        while (rein_sleep(REIN_NOWAIT) == 0)
                ;
        return *(int *)arg;
}

static int two_yield(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, yields_for_ever, arg, NULL);
        rein_spawn(&g, NULL, yields_for_ever, arg, NULL);
        return rein_group_close(&g, 0);
}

static int livelock(void *arg)
{
        return rein_run(two_yield, arg, NULL);
}

static void test_coroutines_that_only_yield_are_a_livelock(void **state)
{
        (void)state;
        rein_sim_report r = {.size = sizeof r};
        int seven = 7;
        assert_int_equal(rein_sim_run(REIN_SIM(.max_steps = 2000, .quiet = true, .report = &r), livelock, &seven),
                         REIN_EFOUND);
        assert_int_equal(r.ended, REIN_SIM_LIVELOCK);
}

static int deep(void *arg)
{
        char memory[4096];
        memset(memory, 'x', sizeof memory);
        const bool wrong = rein_sleep(rein_after(REIN_MS(1))) == 0 && memory[99] == 'x' && rein_sim_choose(3) == 2;
        rein_sim_check(!wrong || !arg);
        return 0;
}

static int two_deep(void *arg)
{
        rein_executor *x = rein_loop_new(NULL), *y = rein_loop_new(NULL);
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 3; i++) {
                rein_spawn(&g, x, deep, arg, NULL);
                rein_spawn(&g, y, deep, arg, NULL);
        }
        int rc = rein_group_close(&g, 0);
        rein_executor_free(x);
        rein_executor_free(y);
        return rc;
}

static int mappings(void)
{
        FILE *maps = fopen("/proc/self/maps", "r");
        int lines = 0;
        for (int c; maps && (c = getc(maps)) != EOF;)
                lines += c == '\n';
        if (maps)
                fclose(maps);
        return lines;
}

/* Many times over: the stacks are given back, and used again; the address sanitizer would see what is left on them. */
static void test_what_a_failed_schedule_leaves_on_stacks_is_dropped(void **state)
{
        (void)state;
        FINDS(two_deep, "fails", REIN_SIM_FAILED, "check failed: !wrong || !arg");
        const int before = mappings();
        for (int i = 0; i < 50; i++)
                FINDS(two_deep, "fails", REIN_SIM_FAILED, "check failed: !wrong || !arg");
#if !defined REIN_ASAN && !defined REIN_TSAN /* they map as they like */
        assert_true(mappings() <= before + 20);
#else
        (void)before;
#endif
        passes(two_deep, NULL, 0);
}

static void test_a_failure_in_a_coroutine_is_replayed_by_its_line(void **state)
{
        (void)state;
        FINDS(two_deep, "fails", REIN_SIM_FAILED, "check failed");
        char trace[4096];
        snprintf(trace, sizeof trace, "%s", found.trace);
        const uint64_t hash = found.hash;
        rein_sim_report again = {.size = sizeof again};
        assert_int_equal(rein_sim_run(REIN_SIM(.name = "loop", .replay = trace, .quiet = true, .report = &again),
                                      two_deep, "fails"),
                         REIN_EFOUND);
        assert_int_equal(again.hash, hash);
        assert_int_equal(again.ended, REIN_SIM_FAILED);
}

/* ---- what is chosen ---- */

typedef struct race {
        bool late;
        int turns, first;
        int pipes[2][2];
        rein_executor *x;
} race;

static int is_late(void *arg)
{
        race *r = arg;
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        r->late = true;
        return rc;
}

static int takes_turns(void *arg)
{
        race *r = arg;
        for (int i = 0; i < 3; i++)
                CHECK(rein_sleep(REIN_NOWAIT) == 0);
        CHECK(!r->late);
        return 0;
}

static int both(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, is_late, arg, NULL);
        rein_spawn(&g, NULL, takes_turns, arg, NULL);
        return rein_group_close(&g, 0);
}

/* Nobody else is there who waits for time. */
static int a_timer_and_turns(void *arg)
{
        (void)arg;
        return rein_run(both, &(race){.late = false}, NULL);
}

static void test_a_timer_of_a_loop_may_fire_while_others_could_run_if_the_clock_is_racy(void **state)
{
        (void)state;
        rein_sim_report r = {.size = sizeof r};
        assert_int_equal(rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM, .schedules = 300, .report = &r),
                                          a_timer_and_turns, NULL),
                         0);
        finds_with(a_timer_and_turns, NULL, REIN_SIM_EARLY, REIN_SIM_FAILED,
                   (const char *const[]){"check failed: !r->late", NULL});
        char trace[4096];
        snprintf(trace, sizeof trace, "%s", found.trace);
        assert_int_equal(rein_sim_run(REIN_SIM(.name = "loop", .replay = trace, .quiet = true, .report = &r),
                                      a_timer_and_turns, NULL),
                         REIN_EFOUND);
        assert_true(r.ended == REIN_SIM_FAILED && r.hash == found.hash);
}

static int waits_for_a_byte(race *r, int which)
{
        char byte;
        int rc = (int)rein_read(r->pipes[which][0], &byte, 1, REIN_NEVER);
        if (r->first < 0)
                r->first = which;
        return rc == 1 ? 0 : -EPROTO;
}

static int waits_for_the_left(void *arg)
{
        return waits_for_a_byte(arg, 0);
}

static int waits_for_the_right(void *arg)
{
        return waits_for_a_byte(arg, 1);
}

/* Both bytes are there before the loop looks: *arg is the order that is not expected. */
static int two_are_ready(void *arg)
{
        race r = {.first = -1, .x = rein_loop_new(REIN_LOOP(.hosted = true))};
        CHECK(rein_sim_pipe(r.pipes[0], 4) == 0 && rein_sim_pipe(r.pipes[1], 4) == 0);
        rein_future *f[2] = {rein_submit(r.x, waits_for_the_left, &r, NULL),
                             rein_submit(r.x, waits_for_the_right, &r, NULL)};
        CHECK(rein_loop_turn(r.x) == 2);
        CHECK(rein_write(r.pipes[0][1], "x", 1, REIN_NEVER) == 1 && rein_write(r.pipes[1][1], "x", 1, REIN_NEVER) == 1);
        while (rein_loop_turn(r.x) > 0)
                CHECK(rein_wait_fd(rein_loop_fd(r.x), POLLIN, REIN_NEVER) >= 0);
        for (int i = 0; i < 2; i++) {
                CHECK(rein_code(f[i]) == 0);
                rein_drop(f[i]);
                CHECK(rein_close(r.pipes[i][0]) == 0 && rein_close(r.pipes[i][1]) == 0);
        }
        rein_executor_free(r.x);
        return r.first == *(int *)arg ? rein_fail(-EPROTO, "%d was first", r.first) : 0;
}

static void test_which_of_two_ready_descriptors_is_first_is_chosen(void **state)
{
        (void)state;
        int left = 0, right = 1;
        FINDS(two_are_ready, &left, REIN_SIM_FAILED, "0 was first");
        FINDS(two_are_ready, &right, REIN_SIM_FAILED, "1 was first");
}

/* ---- descriptors ---- */

static int reads_a_real_pipe(void *arg)
{
        char byte;
        return (int)rein_read(*(int *)arg, &byte, 1, REIN_NEVER);
}

static int on_a_loop(void *arg)
{
        return rein_run(reads_a_real_pipe, arg, NULL);
}

static int reads_a_file(void *arg)
{
        char text[32] = "";
        int fd = *(int *)arg;
        for (int i = 0; i < 20; i++) {
                CHECK(lseek(fd, 0, SEEK_SET) == 0);
                CHECK(rein_read(fd, text, sizeof text - 1, REIN_NEVER) == 5 && strcmp(text, "words") == 0);
        }
        return 0;
}

static int file_on_a_loop(void *arg)
{
        return rein_run(reads_a_file, arg, NULL);
}

static void test_real_descriptors_are_refused_and_regular_files_are_read(void **state)
{
        (void)state;
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        FINDS(on_a_loop, &fds[0], REIN_SIM_MISUSE, "waits for the real descriptor");
        close(fds[0]);
        close(fds[1]);
        char name[] = "/tmp/rein-sim-XXXXXX";
        int fd = mkostemp(name, O_CLOEXEC);
        assert_true(fd >= 0);
        unlink(name);
        assert_int_equal(write(fd, "words", 5), 5);
        passes(file_on_a_loop, &fd, 0);
        const uint32_t without = found.longest;
        passes(file_on_a_loop, &fd, REIN_SIM_AGAIN); /* then a thread reads */
        assert_true(found.longest > without);
        close(fd);
}

static int waits_for_two_signals(void *arg)
{
        (void)arg;
        for (int i = 0; i < 2; i++)
                if (rein_wait_signal(SIGHUP, REIN_NEVER) != SIGHUP)
                        return -EPROTO;
        return 0;
}

static int raises(void *arg)
{
        (void)arg;
        for (int i = 0; i < 2; i++)
                if (rein_sim_raise(SIGHUP) < 0 || rein_sleep(rein_after(REIN_MS(1))) < 0)
                        return -EPROTO;
        return 0;
}

static int signals(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, waits_for_two_signals, arg, NULL);
        rein_spawn(&g, NULL, raises, arg, NULL);
        return rein_group_close(&g, 0);
}

static int signals_on_a_loop(void *arg)
{
        return rein_run(signals, arg, NULL);
}

static void test_a_coroutine_waits_for_signals(void **state)
{
        (void)state;
        assert_int_equal(
                rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM, .schedules = 100), signals_on_a_loop, NULL), 0);
}

static int hosts_another(void *arg)
{
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true));
        (void)arg;
        return guest ? -EPROTO : rein_error_code(rein_trail());
}

static int guests(void *arg)
{
        (void)arg;
        rein_executor *x = rein_loop_new(REIN_LOOP(.hosted = true));
        rein_executor *portable = rein_loop_new(REIN_LOOP(.hosted = true, .portable = true));
        rein_future *f = rein_submit(x, is_late, &(race){.x = x}, NULL);
        rein_future *g = rein_submit(x, hosts_another, NULL, NULL);
        CHECK(rein_loop_fd(portable) == -ENOTSUP);
        CHECK(rein_loop_turn(x) == 1 && rein_code(g) == -EPERM);
        const rein_time before = rein_now();
        CHECK(rein_wait_fd(rein_loop_fd(x), POLLIN, rein_after(REIN_SEC(1))) == POLLIN);
        CHECK(rein_now().ns == before.ns + REIN_MS(1) && rein_loop_turn(x) == 0);
        CHECK(rein_await(g, NULL, REIN_NEVER) == REIN_EFAILED);
        rein_drop(f);
        rein_drop(g);
        rein_executor_free(portable);
        rein_executor_free(x);
        return 0;
}

static void test_the_descriptor_of_a_hosted_loop_tells_its_deadline(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM, .schedules = 50), guests, NULL), 0);
}

/* ---- thread-locals ---- */

static _Thread_local int local = 5;

static int adds_to_local(void *arg)
{
        local += *(int *)arg;
        const int was = local;
        CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        return local == was || local == was + *(int *)arg ? local : -EPROTO; /* another of this loop comes between */
}

static int two_loops_with_locals(void *arg)
{
        static const int one = 1, ten = 10;
        (void)arg;
        rein_executor *x = rein_loop_new(NULL), *y = rein_loop_new(NULL);
        rein_future *f[4];
        for (int i = 0; i < 4; i++)
                f[i] = rein_submit(i % 2 ? y : x, adds_to_local, (void *)(uintptr_t)(i % 2 ? &ten : &one), NULL);
        CHECK(rein_wait_all(f, 4, REIN_NEVER) == 0);
        CHECK(rein_code(f[2]) == 7 && rein_code(f[3]) == 25 && local == 5);
        for (int i = 0; i < 4; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
        rein_executor_free(y);
        return 0;
}

static void test_coroutines_of_one_loop_share_the_thread_locals_of_its_thread(void **state)
{
        (void)state;
        if (rein_sim_layer(NULL) == -ENOTSUP)
                skip();
        passes(two_loops_with_locals, NULL, REIN_SIM_HARMLESS);
        assert_int_equal(local, 5);
}

/* ---- the interrupt ---- */

static int sleeps_until_interrupted(void *arg)
{
        atomic_store((atomic_bool *)arg, true);
        int rc = rein_sleep(REIN_NEVER);
        CHECK(rc == REIN_ECANCELED && strstr(rein_why(), "interrupted"));
        return 7;
}

static void interrupts_when_it_runs(void *arg)
{
        while (!atomic_load((atomic_bool *)arg))
                (void)rein_sleep(rein_after(REIN_MS(1)));
        CHECK(rein_sim_raise(SIGINT) == 0);
}

static int interrupted(void *arg)
{
        crew c = {0};
        hand h;
        atomic_bool runs = false;
        (void)arg;
        crew_go(&c, &h, "^C", interrupts_when_it_runs, &runs);
        CHECK(rein_run(sleeps_until_interrupted, &runs, NULL) == 7);
        crew_join(&c);
        CHECK(rein_wait_signal(SIGINT, rein_after(REIN_MS(1))) == REIN_ETIMEOUT); /* it was taken */
        CHECK(rein_sim_raise(SIGINT) == 0);                                       /* no main any more: it is kept */
        CHECK(rein_wait_signal(SIGINT, rein_after(REIN_MS(1))) == SIGINT);
        return 0;
}

/* It is the waiter's, or came before it waited. */
static int waits_for_it_itself(void *arg)
{
        int rc = rein_wait_signal(SIGINT, REIN_NEVER);
        *(int *)arg += rc == SIGINT;
        CHECK(rc == REIN_ECANCELED || (rc == SIGINT && rein_checkpoint() == 0));
        return 0;
}

static void interrupts_late(void *arg)
{
        (void)arg;
        (void)rein_sleep(rein_after(REIN_MS(3)));
        CHECK(rein_sim_raise(SIGINT) == 0);
}

static int interrupt_waited_for(void *arg)
{
        crew c = {0};
        hand h;
        crew_go(&c, &h, "^C", interrupts_late, NULL);
        CHECK(rein_run(waits_for_it_itself, arg, NULL) == 0);
        crew_join(&c);
        return 0;
}

/* When the time passes, it waits. */
static int waits_before_it_comes(void *arg)
{
        (void)arg;
        CHECK(rein_wait_signal(SIGINT, REIN_NEVER) == SIGINT && rein_checkpoint() == 0);
        return 0;
}

static int interrupt_of_a_waiter(void *arg)
{
        crew c = {0};
        hand h;
        crew_go(&c, &h, "^C", interrupts_late, arg);
        CHECK(rein_run(waits_before_it_comes, arg, NULL) == 0);
        crew_join(&c);
        return 0;
}

static void test_an_interrupt_cancels_main_unless_somebody_waits_for_it(void **state)
{
        (void)state;
        passes(interrupted, NULL, 0);
        int waiters_had_it = 0;
        passes(interrupt_waited_for, &waiters_had_it, 0);
        assert_true(waiters_had_it > 0);
        assert_int_equal(
                rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM, .schedules = 100), interrupt_of_a_waiter, NULL),
                0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_deadlock_of_coroutines_names_them),
                cmocka_unit_test(test_a_coroutine_that_never_ends_and_a_loop_never_freed_are_named),
                cmocka_unit_test(test_coroutines_that_only_yield_are_a_livelock),
                cmocka_unit_test(test_what_a_failed_schedule_leaves_on_stacks_is_dropped),
                cmocka_unit_test(test_a_failure_in_a_coroutine_is_replayed_by_its_line),
                cmocka_unit_test(test_a_timer_of_a_loop_may_fire_while_others_could_run_if_the_clock_is_racy),
                cmocka_unit_test(test_which_of_two_ready_descriptors_is_first_is_chosen),
                cmocka_unit_test(test_real_descriptors_are_refused_and_regular_files_are_read),
                cmocka_unit_test(test_a_coroutine_waits_for_signals),
                cmocka_unit_test(test_an_interrupt_cancels_main_unless_somebody_waits_for_it),
                cmocka_unit_test(test_the_descriptor_of_a_hosted_loop_tells_its_deadline),
                cmocka_unit_test(test_coroutines_of_one_loop_share_the_thread_locals_of_its_thread),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
