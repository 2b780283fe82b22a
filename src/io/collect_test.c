/* SPDX-License-Identifier: Apache-2.0 */
/* Running a child and collecting what it says; starts that are tried again; descriptors of every number. In a plain thread,
 * a pool's thread and a coroutine. */
#include "broken.h"
#include "everywhere.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SH(script) ((char *[]){(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)(script), NULL})
#define END        ((rein_child_end){.size = sizeof(rein_child_end)})
#define SAID(...)  ((rein_child_said){.size = sizeof(rein_child_said), __VA_ARGS__})

typedef struct bounded {
        rein_fn fn;
        void *arg;
} bounded;

/* What hangs is cancelled, and fails. */
static int within_limit(void *arg)
{
        const bounded *b = arg;
        return rein_within(rein_after(REIN_SEC(10)), b->fn, b->arg);
}

static void passes_everywhere(rein_fn fn, void *arg)
{
        for (int place = 0; place < PLACES; place++) {
                bounded b = {fn, arg};
                int rc = there(place, within_limit, &b);
                if (rc != 0)
                        fail_msg("in place %d: line %d (%s)", place, REIN_EUSER - rc, rein_code_name(rc));
                assert_true(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
        }
}

/* ---- collecting ---- */

static int both(void *arg)
{
        (void)arg;
        rein_child_said s = SAID();
        rein_child_end e = END;
        OK(rein_child_collect(SH("echo out; echo err >&2; exit 3"), NULL, &s, &e) == 0);
        OK(e.gone && e.code == 3);
        OK(s.out_n == 4 && strcmp(s.out, "out\n") == 0 && s.err_n == 4 && strcmp(s.err, "err\n") == 0);
        OK(!s.out_cut && !s.err_cut);
        rein_child_said_free(&s);
        OK(!s.out && !s.err);
        rein_child_said_free(&s);

        OK(rein_child_collect(SH("exit 0"), NULL, &s, NULL) == 0 && s.out_n == 0 && *s.out == '\0' && *s.err == '\0');
        rein_child_said_free(&s);
        OK(rein_child_collect(SH("echo out; echo err >&2"), REIN_CHILD(.err = REIN_CHILD_OUT), &s, NULL) == 0);
        OK(strcmp(s.out, "out\nerr\n") == 0 && !s.err);
        rein_child_said_free(&s);
        OK(rein_child_collect(SH("echo out; echo err >&2"), REIN_CHILD(.err = REIN_CHILD_NULL), &s, NULL) == 0);
        OK(strcmp(s.out, "out\n") == 0 && !s.err);
        rein_child_said_free(&s);
        return 0;
}

static void test_what_it_says_is_collected(void **state)
{
        (void)state;
        passes_everywhere(both, NULL);
}

/* Both pipes are filled many times over, while it reads what it is given: whoever did one after the other would wait for
 * ever. */
static int much(void *arg)
{
        (void)arg;
        enum { MUCH = 1 << 20 };
        char *given = malloc(MUCH);
        memset(given, 'g', MUCH);
        rein_child_said s = SAID(.in = given, .in_n = MUCH, .most = 4 * MUCH);
        OK(rein_child_collect(SH("head -c 1000000 /dev/zero | tr '\\0' e >&2; cat; cat /dev/null"), NULL, &s, NULL) ==
           0);
        OK(s.out_n == MUCH && memcmp(s.out, given, MUCH) == 0 && !s.out_cut);
        OK(s.err_n == 1000000 && s.err[0] == 'e' && s.err[999999] == 'e' && s.err[1000000] == '\0' && !s.err_cut);
        rein_child_said_free(&s);
        free(given);

        /* What is more than `most` is thrown away, and what is just as much is whole. */
        s = SAID(.most = 1000);
        OK(rein_child_collect(SH("head -c 1000 /dev/zero; head -c 1000000 /dev/zero >&2"), NULL, &s, NULL) == 0);
        OK(s.out_n == 1000 && !s.out_cut && s.err_n == 1000 && s.err_cut);
        rein_child_said_free(&s);
        return 0;
}

static void test_as_much_as_is_said(void **state)
{
        (void)state;
        passes_everywhere(much, NULL);
}

/* It reads nothing of what it is given, and ends. */
static int not_read(void *arg)
{
        (void)arg;
        static char given[1 << 20];
        rein_child_said s = SAID(.in = given, .in_n = sizeof given);
        rein_child_end e = END;
        OK(rein_child_collect(SH("exec 0<&-; echo fine; exit 4"), NULL, &s, &e) == 0);
        OK(e.code == 4 && strcmp(s.out, "fine\n") == 0);
        rein_child_said_free(&s);
        s = SAID(.in = "", .in_n = 0); /* nothing to read is an end, not our own standard input */
        OK(rein_child_collect(SH("cat; echo end"), NULL, &s, NULL) == 0 && strcmp(s.out, "end\n") == 0);
        rein_child_said_free(&s);
        return 0;
}

static void test_a_child_that_does_not_read(void **state)
{
        (void)state;
        passes_everywhere(not_read, NULL);
}

/* Another process has its pipes, and lives on: only the child is waited for. */
static int left_behind(void *arg)
{
        (void)arg;
        rein_child_said s = SAID();
        OK(rein_child_collect(SH("sleep 1000 & echo $!"), NULL, &s, NULL) == 0);
        int pid = atoi(s.out);
        OK(pid > 1 && kill(pid, SIGKILL) == 0);
        rein_child_said_free(&s);
        return 0;
}

static void test_a_grandchild_with_its_pipes_is_not_waited_for(void **state)
{
        (void)state;
        passes_everywhere(left_behind, NULL);
}

/* A cancel stops it by the ladder, and what it has said by then is there. */
static int stopped(void *arg)
{
        char *const ready = arg, *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                                            (char *)(uintptr_t) "echo begun; : > \"$0\"; exec sleep 1000", ready, NULL};
        rein_child_said s = SAID();
        rein_child_end e = END;
        int rc = rein_child_collect(argv, NULL, &s, &e);
        OK(rc == REIN_ECANCELED && e.gone && e.stopped_by == SIGTERM && strcmp(s.out, "begun\n") == 0);
        rein_child_said_free(&s);
        return 0;
}

static void test_a_cancel_stops_it(void **state)
{
        (void)state;
        char ready[] = "/tmp/rein-collect-XXXXXX";
        int fd = mkostemp(ready, O_CLOEXEC);
        assert_true(fd >= 0);
        close(fd);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        for (int i = 0; i < 2; i++) {
                unlink(ready);
                rein_executor *x = i == 0 ? pool : rein_loop_new(NULL);
                rein_future *f = rein_submit(x, stopped, ready, NULL);
                while (access(ready, F_OK) < 0)
                        poll(NULL, 0, 1);
                assert_int_equal(rein_cancel(f, "enough"), REIN_ASKED);
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
                rein_drop(f);
                if (x != pool)
                        rein_executor_free(x);
        }
        rein_executor_free(pool);
        unlink(ready);
}

/* The loop is held up until the child has ended: when it looks, the pipe and the end are there, and the pipe holds more than
 * is read at once. */
static int hold_up(void *arg)
{
        const bool *collected = arg;
        siginfo_t info;
        while (!*collected && waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG) < 0) /* there is no child yet */
                rein_sleep(REIN_NOWAIT);
        if (!*collected)
                waitid(P_ALL, 0, &info, WEXITED | WNOWAIT); /* foreign: it holds the loop up on purpose */
        return 0;
}

static int much_at_the_end(void *arg)
{
        char *const argv[] = {(char *)(uintptr_t) "head", (char *)(uintptr_t) "-c", (char *)(uintptr_t) "60000",
                              (char *)(uintptr_t) "/dev/zero", NULL};
        (void)arg;
        bool collected = false;
        rein_group g;
        rein_child_said s = SAID();
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, hold_up, &collected, NULL);
        const int rc = rein_child_collect(argv, NULL, &s, NULL);
        collected = true;
        OK(rein_group_close(&g, 0) == 0 && rc == 0);
        OK(s.out_n == 60000 && !s.out_cut);
        rein_child_said_free(&s);
        return 0;
}

static void test_what_is_in_the_pipe_at_the_end_is_collected(void **state)
{
        (void)state;
        assert_int_equal(rein_run(much_at_the_end, NULL, NULL), 0);
}

static int misused(void *arg)
{
        (void)arg;
        rein_child_said none = {0}, s = SAID();
        rein_child_end e = {0};
        OK(rein_child_collect(SH("true"), NULL, NULL, NULL) == -EINVAL);
        OK(rein_child_collect(SH("true"), NULL, &none, NULL) == -EINVAL);
        OK(rein_child_collect(SH("true"), NULL, &s, &e) == -EINVAL);
        OK(rein_child_collect(SH("true"), REIN_CHILD(.in = REIN_CHILD_PIPE), &s, NULL) == -EINVAL);
        char *const nobody[] = {(char *)(uintptr_t) "no-such-program", NULL};
        OK(rein_child_collect(nobody, NULL, &s, NULL) == -ENOENT && !s.out && !s.err);
        rein_child_said_free(&s);
        rein_child_said_free(NULL);
        return 0;
}

static void test_mistakes_are_told(void **state)
{
        (void)state;
        passes_everywhere(misused, NULL);
}

/* ---- descriptors of every number ---- */

/* A file that got number 0 is a file. */
static void test_descriptor_0_is_a_descriptor(void **state)
{
        (void)state;
        char name[] = "/tmp/rein-collect-XXXXXX", text[16] = "";
        int fd = mkostemp(name, O_CLOEXEC), was = fcntl(0, F_DUPFD_CLOEXEC, 3);
        assert_true(fd >= 0 && was >= 0);
        unlink(name);
        assert_int_equal(dup3(fd, 0, O_CLOEXEC), 0);
        int rc = rein_child_run(SH("echo log"), REIN_CHILD(.in = REIN_CHILD_NULL, .out = REIN_CHILD_FD(0)), NULL);
        dup2(was, 0);
        close(was);
        assert_int_equal(rc, 0);
        assert_int_equal(pread(fd, text, sizeof text, 0), 4);
        assert_string_equal(text, "log\n");
        close(fd);
}

/* ---- not now is not never ---- */

/* A program that is being written cannot be run: ETXTBSY, until the writer closes it. */
typedef struct busy {
        char program[32];
        int writer;
        rein_child *child;
        rein_event *trying; /* set when the first try is certainly over */
} busy;

static int start_it(void *arg)
{
        busy *b = arg;
        char *argv[] = {b->program, NULL};
        OK(rein_child_start(&b->child, argv, NULL) == -ETXTBSY);
        rein_event_set(b->trying);
        OK(rein_child_start(&b->child, argv, REIN_CHILD(.start_until = REIN_NEVER)) == 0);
        rein_child_end e = END;
        OK(rein_child_wait(b->child, &e, REIN_NEVER) == 0 && e.code == 0);
        rein_child_free(b->child);
        return 0;
}

static int start_for_a_moment(void *arg)
{
        busy *b = arg;
        char *argv[] = {b->program, NULL};
        return rein_child_start(&b->child, argv, REIN_CHILD(.start_until = rein_after(REIN_MS(5))));
}

static int try_in_vain(void *arg)
{
        busy *b = arg;
        char *argv[] = {b->program, NULL};
        const int rc = rein_within(rein_after(REIN_SEC(10)), start_for_a_moment, b);
        rein_event_set(b->trying);
        OK(rc == -ETXTBSY);
        OK(strstr(rein_error_text(rein_trail()), "does not start: the program"));
        OK(rein_child_start(&b->child, argv, REIN_CHILD(.start_until = REIN_NEVER)) == REIN_ECANCELED);
        return 0;
}

static void busy_begin(busy *b)
{
        *b = (busy){.program = "/tmp/rein-busy-XXXXXX", .trying = rein_event_new()};
        b->writer = mkostemp(b->program, O_CLOEXEC);
        int from = open("/bin/true", O_RDONLY | O_CLOEXEC);
        assert_true(b->writer >= 0 && from >= 0);
        char bytes[4096];
        for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;)
                assert_int_equal(write(b->writer, bytes, (size_t)n), n);
        close(from);
        assert_int_equal(fchmod(b->writer, 0700), 0);
}

static void busy_end(busy *b)
{
        if (b->writer >= 0)
                close(b->writer);
        unlink(b->program);
        rein_event_free(b->trying);
}

static void test_a_start_is_tried_again(void **state)
{
        (void)state;
        for (int i = 0; i < 2; i++) {
                busy b;
                busy_begin(&b);
                rein_executor *x = i == 0 ? rein_pool_new(REIN_POOL(.threads = 1)) : rein_loop_new(NULL);
                rein_future *f = rein_submit(x, start_it, &b, NULL);
                assert_int_equal(rein_event_wait(b.trying, REIN_NEVER), 0);
                close(b.writer);
                b.writer = -1;
                rein_await(f, NULL, REIN_NEVER);
                assert_int_equal(rein_code(f), 0);
                rein_drop(f);
                rein_executor_free(x);
                busy_end(&b);
        }
}

static void test_it_is_tried_again_until_then_or_a_cancel(void **state)
{
        (void)state;
        for (int i = 0; i < 2; i++) {
                busy b;
                busy_begin(&b);
                rein_executor *x = i == 0 ? rein_pool_new(REIN_POOL(.threads = 1)) : rein_loop_new(NULL);
                rein_future *f = rein_submit(x, try_in_vain, &b, NULL);
                assert_int_equal(rein_event_wait(b.trying, REIN_NEVER), 0);
                rein_cancel(f, "enough");
                rein_await(f, NULL, REIN_NEVER);
                assert_int_equal(rein_code(f), 0);
                rein_drop(f);
                rein_executor_free(x);
                busy_end(&b);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_it_says_is_collected),
                cmocka_unit_test(test_as_much_as_is_said),
                cmocka_unit_test(test_a_child_that_does_not_read),
                cmocka_unit_test(test_a_grandchild_with_its_pipes_is_not_waited_for),
                cmocka_unit_test(test_a_cancel_stops_it),
                cmocka_unit_test(test_what_is_in_the_pipe_at_the_end_is_collected),
                cmocka_unit_test(test_mistakes_are_told),
                cmocka_unit_test(test_descriptor_0_is_a_descriptor),
                cmocka_unit_test(test_a_start_is_tried_again),
                cmocka_unit_test(test_it_is_tried_again_until_then_or_a_cancel),
        };
        return cmocka_run_group_tests(tests, open_places, close_places);
}
