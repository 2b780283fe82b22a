/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the library prints is whole: each message, of several lines or parts, is one write. Stderr is a socket that
 * keeps what one write has brought apart from the next; eight threads provoke every kind of message at once. */
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/work.h"
#include "rein/sim.h"
#include "support.h"

enum { THREADS = 8, ROUNDS = 10, MOST = 4096 };

/* ---- what is written ---- */

typedef struct listener {
        int ends[2], was;
        pthread_t thread;
        int count;
        char *text[MOST];
} listener;

static void *listen_to(void *arg)
{
        static char buf[256 * 1024];
        listener *l = arg;
        for (ssize_t n; (n = recv(l->ends[0], buf, sizeof buf - 1, 0)) > 0;) {
                buf[n] = 0;
                if (l->count < MOST)
                        l->text[l->count++] = strdup(buf);
        }
        return NULL;
}

static void listen_begin(listener *l)
{
        fflush(stderr);
        l->count = 0;
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->ends), 0);
        l->was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        dup2(l->ends[1], STDERR_FILENO);
        l->thread = go(listen_to, l);
}

static void listen_end(listener *l)
{
        fflush(stderr);
        dup2(l->was, STDERR_FILENO);
        close(l->was);
        close(l->ends[1]);
        join(l->thread);
        close(l->ends[0]);
}

static void listen_free(listener *l)
{
        for (int i = 0; i < l->count; i++)
                free(l->text[i]);
}

/* ---- the messages ---- */

static int fail_with_causes(void *arg)
{
        (void)arg;
        rein_fail(-ENOENT, "the last line, a rather long one with a tab\tin it");
        rein_wrap(-EIO, "the line in the middle, a rather long one too");
        return rein_wrap(-EUCLEAN, "the first line of the failure");
}

static void nobody_looks(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_drop(rein_submit(x, fail_with_causes, NULL, REIN_JOB(.name = "forgotten")));
        rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        rein_executor_free(x);
}

static void error_is_printed(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 3));
        rein_group g;
        rein_group_open(&g, NULL);
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(x, fail_with_causes, NULL, NULL);
        if (rein_wait_first(f, 3, REIN_NEVER) == REIN_EFAILED)
                rein_error_print(stderr, rein_trail());
        for (int i = 0; i < 3; i++)
                rein_drop(f[i]);
        (void)!rein_group_close(&g, 0);
        rein_executor_free(x);
}

static int stay_in(void *arg)
{
        return stubborn_stay(*(stubborn **)arg);
}

static void receipt_is_printed(void)
{
        stubborn s, *at = &s;
        stubborn_init(&s);
        rein_receipt *r = NULL;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = 1));
        rein_future *f = rein_submit(x, stay_in, REIN_COPY(at, .name = "runs", .unheeded = REIN_ABANDON_IT));
        EVENTUALLY(atomic_load(&s.inside) == 1);
        rein_drop(rein_submit(x, job_seven, NULL, REIN_JOB(.name = "waits")));
        rein_drop(rein_submit(x, job_seven, NULL, REIN_JOB(.name = "waits too")));
        rein_executor_stop(x, REIN_STOP_NOW, REIN_NOWAIT, &r);
        rein_receipt_print(stderr, r);
        rein_receipt_free(r);
        rein_drop(f);
        stubborn_let_go(&s, 1);
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        rein_executor_free(x);
}

static void freed_with_work(void)
{
        stubborn s, *at = &s;
        stubborn_init(&s);
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "stays", .threads = 3, .grace_ns = 1));
        for (int i = 0; i < 3; i++)
                rein_drop(rein_submit(x, stay_in, REIN_COPY(at, .name = "stubborn")));
        EVENTUALLY(atomic_load(&s.inside) == 3);
        rein_executor_free(x);
        stubborn_let_go(&s, 3);
        EVENTUALLY(atomic_load(&s.left) == 3);
}

static void comes_back_late(void)
{
        stubborn s, *at = &s;
        stubborn_init(&s);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = 1));
        rein_future *f = rein_submit(x, stay_in, REIN_COPY(at, .name = "late", .unheeded = REIN_ABANDON_IT));
        EVENTUALLY(atomic_load(&s.inside) == 1);
        rein_cancel(f, "no longer needed");
        rein_await(f, NULL, REIN_NEVER);
        stubborn_let_go(&s, 1);
        EVENTUALLY(rein_gone(f));
        rein_drop(f);
        rein_executor_free(x);
}

static void holds_the_loop_up(void)
{
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "slow", .slow_ns = 1));
        rein_future *f = rein_submit(x, job_seven, NULL, REIN_JOB(.name = "holds"));
        rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        rein_executor_free(x);
}

static void stacks_are_told(void)
{
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "deep", .tell_stacks = true));
        rein_fn fns[] = {job_seven, job_count, fail_with_causes};
        for (int i = 0; i < 3; i++) {
                atomic_int n = 0;
                rein_future *f = rein_submit(x, fns[i], &n, REIN_JOB(.name = "measured"));
                rein_await(f, NULL, REIN_NEVER);
                rein_drop(f);
        }
        rein_executor_free(x);
}

/* ---- the table ---- */

typedef struct kind {
        const char *what;
        void (*provoke)(void);
        const char *begins;
        const char *later; /* how each line after the first begins */
        int lines;         /* at least */
        int messages;      /* in each round; 0: one or more in all */
} kind;

/* The one job of receipt_is_printed and the three of freed_with_work: that they were abandoned, and that they came back. */
enum { ABANDONED_ELSEWHERE = 2 * (1 + 3) };

static const kind kinds[] = {
        {"a failure that nobody looked at", nobody_looks, "rein: nobody looked at this failure: EUCLEAN", "  ", 3, 1},
        {"an error that is printed", error_is_printed, "REIN_EFAILED", "  ", 10, 1},
        {"a receipt", receipt_is_printed, "  job 'runs'", "  ", 3, 1},
        {"work that did not leave", freed_with_work, "rein: 'stays' was freed with work that did not leave:", "  ", 4,
         1},
        {"a job that comes back late", comes_back_late, "rein: nobody looked at this failure: REIN_EABANDONED", "  ", 1,
         1 + ABANDONED_ELSEWHERE},
        {"a loop held up", holds_the_loop_up, "rein: job 'holds' on 'slow' h", "  ", 1, 0},
        {"the stacks of a loop", stacks_are_told, "rein: stacks in the loop 'deep'", "rein:  ", 4, 1},
};

static const kind *kind_of(const char *text)
{
        for (size_t i = 0; i < COUNT(kinds); i++)
                if (strncmp(text, kinds[i].begins, strlen(kinds[i].begins)) == 0)
                        return &kinds[i];
        return NULL;
}

static bool is_whole(const char *text, const kind *k)
{
        int lines = 0;
        for (const char *line = text; *line; lines++) {
                const char *end = strchr(line, '\n');
                if (!end || (lines && strncmp(line, k->later, strlen(k->later)) != 0))
                        return false;
                line = end + 1;
        }
        return lines >= k->lines;
}

static void *provoke_all(void *arg)
{
        (void)arg;
        for (int round = 0; round < ROUNDS; round++)
                for (size_t i = 0; i < COUNT(kinds); i++)
                        kinds[i].provoke();
        return NULL;
}

static void test_every_message_is_one_write_whatever_other_threads_print(void **state)
{
        (void)state;
        static listener l;
        pthread_t threads[THREADS];
        int count[COUNT(kinds)] = {0}, broken = 0;
        listen_begin(&l);
        for (int i = 0; i < THREADS; i++)
                threads[i] = go(provoke_all, NULL);
        for (int i = 0; i < THREADS; i++)
                join(threads[i]);
        listen_end(&l);
        for (int i = 0; i < l.count; i++) {
                const kind *k = kind_of(l.text[i]);
                if (!k || !is_whole(l.text[i], k)) {
                        broken++;
                        fprintf(stderr, "not whole: <<%s>>\n", l.text[i]);
                } else {
                        count[k - kinds]++;
                }
        }
        listen_free(&l);
        assert_int_equal(broken, 0);
        for (size_t i = 0; i < COUNT(kinds); i++) {
                if (kinds[i].messages)
                        assert_int_equal(count[i], THREADS * ROUNDS * kinds[i].messages);
                else
                        assert_true(count[i] > 0);
        }
}

/* ---- the simulator ---- */

static int fail_after_many_steps(void *arg)
{
        (void)arg;
        for (int i = 0; i < 5000; i++)
                if (rein_sim_choose(3) > 3)
                        return 0;
        return rein_fail(-EIO, "the end");
}

static int narrated(void *arg)
{
        (void)arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *f = rein_submit(x, job_seven, NULL, REIN_JOB(.name = "told"));
        rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        rein_executor_free(x);
        return rein_fail(-EIO, "so that there is something to replay");
}

static void test_what_the_simulator_prints_is_one_write_a_line(void **state)
{
        (void)state;
        static listener l;
        rein_sim_report report = {.size = sizeof report};
        listen_begin(&l);
        assert_int_equal(
                rein_sim_run(REIN_SIM(.name = "long", .generator = REIN_SIM_RANDOM), fail_after_many_steps, NULL),
                REIN_EFOUND);
        assert_int_equal(rein_sim_run(REIN_SIM(.name = "short", .report = &report, .quiet = true), narrated, NULL),
                         REIN_EFOUND);
        char *trace = strdup(report.trace);
        assert_int_equal(rein_sim_run(REIN_SIM(.name = "short", .replay = trace), narrated, NULL), REIN_EFOUND);
        free(trace);
        listen_end(&l);
        assert_true(l.count > 10);
        assert_true(strlen(l.text[0]) > 8192); /* longer than a buffer of stdio */
        for (int i = 0; i < l.count; i++)
                assert_ptr_equal(strchr(l.text[i], '\n'), l.text[i] + strlen(l.text[i]) - 1);
        listen_free(&l);
}

/* ---- programs that end ---- */

static int program_stuck_at_exit(void)
{
        static stubborn s;
        harness_leaves_all("foreign code that does not leave");
        stubborn_init(&s);
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "left", .threads = 2, .grace_ns = 1));
        for (int i = 0; i < 2; i++)
                rein_drop(rein_submit(x, stubborn_job, &s, REIN_JOB(.name = "stays")));
        EVENTUALLY(atomic_load(&s.inside) == 2);
        return 0;
}

static int program_leaves_promises(void)
{
        harness_leaves_all("promises that are told at exit");
        for (int i = 0; i < 20; i++) {
                rein_future *f;
                static char place[20][16];
                snprintf(place[i], sizeof place[i], "p.c:%d", i);
                (void)!rein_promise_new_at(place[i], &f);
        }
        return 0;
}

static int ignore_the_cancel(void *arg)
{
        rein_scope s;
        (void)arg;
        rein_shield_open(&s, REIN_SEC(3600));
        rein_sleep(REIN_NEVER);
        return rein_scope_close(&s, 0);
}

static int leave_some(void *arg)
{
        (void)arg;
        for (int i = 0; i < 3; i++)
                rein_drop(rein_submit(rn_self()->now->work->executor, ignore_the_cancel, NULL,
                                      REIN_JOB(.name = "stays")));
        return rein_sleep(REIN_NOWAIT);
}

static int program_leaves_coroutines(void)
{
        harness_leaves_all("coroutines that do not leave keep their loop");
        return rein_run(leave_some, NULL, REIN_LOOP(.grace_ns = REIN_MS(5)));
}

static int sink(volatile char *above, int depth)
{
        volatile char here[256];
        here[0] = above ? above[0] : 0;
        return depth ? sink(here, depth - 1) + here[0] : 0;
}

static int overflow(void *arg)
{
        (void)arg;
        return sink(NULL, 1 << 20);
}

static int program_overflows(void)
{
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "deep", .tell_overflow = true));
        rein_await(rein_submit(x, overflow, NULL, REIN_JOB(.name = "sinks")), NULL, REIN_NEVER);
        return 0;
}

static const program programs[] = {{"stuck", program_stuck_at_exit},
                                   {"promises", program_leaves_promises},
                                   {"coroutines", program_leaves_coroutines},
                                   {"overflow", program_overflows}};

static void ends_with(const char *name, const char *begins, int messages, int lines)
{
        static listener l;
        int told = 0;
        listen_begin(&l);
        extern char **environ;
        char *argv[] = {(char *)"test", (char *)(uintptr_t)name, NULL};
        pid_t pid;
        int status;
        const int rc = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
        const bool ended = rc == 0 && waitpid(pid, &status, 0) == pid;
        listen_end(&l);
        assert_true(ended);
        for (int i = 0; i < l.count; i++) {
                const kind k = {.begins = begins, .later = "  ", .lines = lines};
                if (strncmp(l.text[i], begins, strlen(begins)) != 0)
                        continue;
                told++;
                if (!is_whole(l.text[i], &k))
                        fail_msg("not whole: <<%s>>", l.text[i]);
        }
        assert_int_equal(told, messages);
        assert_int_equal(l.count, messages);
        listen_free(&l);
}

static void test_what_a_program_says_as_it_ends_is_one_write_a_message(void **state)
{
        (void)state;
        ends_with("stuck", "rein: at exit, work of 'left' did not leave:\n", 1, 3);
        ends_with("promises", "rein: nobody looked at this failure: REIN_EPENDING", 17, 1);
        ends_with("coroutines", "rein: 'main' has ended, and this did not leave:\n", 1, 4);
#if !defined __SANITIZE_ADDRESS__ && !defined REIN_ASAN && !defined REIN_TSAN /* their own handler has the word */
        ends_with("overflow", "rein: stack overflow in coroutine 'sinks'", 1, 1);
#endif
}

int main(int argc, char **argv)
{
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_message_is_one_write_whatever_other_threads_print),
                cmocka_unit_test(test_what_the_simulator_prints_is_one_write_a_line),
                cmocka_unit_test(test_what_a_program_says_as_it_ends_is_one_write_a_message),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
