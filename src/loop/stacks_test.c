/* SPDX-License-Identifier: Apache-2.0 */
/* How deep each function went: many functions, equal depths, runs that go less deep than one before; and a fault that is no
 * overflow, in a program of its own. */
#include <rein/loop.h>

#include <fcntl.h>
#include <sys/resource.h>

#include "loop/loop.h"
#include "support.h"

/* ---- functions, none of which is another ---- */

#define FUNCTION(n)                                                                                                    \
        static int function_##n(void *arg)                                                                             \
        {                                                                                                              \
                (void)arg;                                                                                             \
                return 0x##n;                                                                                          \
        }
#define EACH_OF(F, m) F(m##0) F(m##1) F(m##2) F(m##3) F(m##4) F(m##5) F(m##6) F(m##7) F(m##8) F(m##9)
#define EACH(F)                                                                                                        \
        EACH_OF(F, 1)                                                                                                  \
        EACH_OF(F, 2)                                                                                                  \
        EACH_OF(F, 3)                                                                                                  \
        EACH_OF(F, 4)                                                                                                  \
        EACH_OF(F, 5)                                                                                                  \
        EACH_OF(F, 6)                                                                                                  \
        EACH_OF(F, 7)                                                                                                  \
        EACH_OF(F, 8)                                                                                                  \
        EACH_OF(F, 9)                                                                                                  \
        EACH_OF(F, a)                                                                                                  \
        EACH_OF(F, b)                                                                                                  \
        EACH_OF(F, c)                                                                                                  \
        EACH_OF(F, d)                                                                                                  \
        EACH_OF(F, e)

EACH(FUNCTION)

#define POINTER(n) function_##n,
static const rein_fn functions[] = {EACH(POINTER)};

enum { FUNCTIONS = 140, TOLD = 128 };
_Static_assert(sizeof functions / sizeof functions[0] == FUNCTIONS, "so many");

static void run_one(rein_executor *loop, rein_fn fn, void *arg, const char *name)
{
        rein_future *f = rein_submit(loop, fn, arg, REIN_JOB(.name = name));
        (void)rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
}

/* What is said while the loop is freed. */
static void free_and_listen(rein_executor *loop, char *said, size_t n)
{
        FILE *to = tmpfile();
        assert_non_null(to);
        fflush(stderr);
        const int was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        assert_true(was >= 0 && dup2(fileno(to), STDERR_FILENO) >= 0);
        rein_executor_free(loop);
        fflush(stderr);
        dup2(was, STDERR_FILENO);
        close(was);
        rewind(to);
        said[fread(said, 1, n - 1, to)] = 0;
        fclose(to);
}

/* The lines after the first, and of each how many runs. */
static int lines_of(const char *said, unsigned long runs[], int most)
{
        int n = 0;
        for (const char *line = strchr(said, '\n'); line && line[1] && n < most; line = strchr(line + 1, '\n')) {
                size_t bytes, size;
                if (sscanf(line + 1, "rein: %zu of %zu, %lu runs: job ", &bytes, &size, &runs[n]) != 3)
                        return -1;
                n++;
        }
        return n;
}

static void test_each_function_is_told_up_to_a_number_and_the_others_together(void **state)
{
        (void)state;
        static char said[16384];
        unsigned long runs[2 * FUNCTIONS], all = 0, most = 0;
        rein_executor *loop = rein_loop_new(REIN_LOOP(.name = "sea", .tell_stacks = true));
        for (int i = 0; i < FUNCTIONS; i++)
                run_one(loop, functions[i], NULL, "one of many");
        free_and_listen(loop, said, sizeof said);
        const int n = lines_of(said, runs, 2 * FUNCTIONS);
        assert_int_equal(n, TOLD);
        for (int i = 0; i < n; i++) {
                all += runs[i];
                most = runs[i] > most ? runs[i] : most;
        }
        assert_int_equal(all, FUNCTIONS);
        assert_int_equal(most, FUNCTIONS - TOLD + 1); /* those without a line of their own */
        const char *together = strstr(said, "more functions than are told apart");
        assert_non_null(together);
        assert_null(strstr(together + 1, "more functions than are told apart"));
}

/* ---- deep, and less deep ---- */

static int dive(void *arg)
{
        volatile char room[512];
        const int depth = *(const int *)arg;
        int less = depth - 1;
        memset((void *)(uintptr_t)room, depth, sizeof room);
        return (depth > 0 ? dive(&less) : 0) + room[depth] - room[depth + 1];
}

static void test_the_deepest_of_all_runs_is_told_whichever_it_was(void **state)
{
        (void)state;
        char said[2048];
        unsigned long runs[4];
        size_t bytes = 0;
        int depths[] = {60, 5, 20};
        const char *names[] = {"deepest", "shallow", "middle"};
        rein_executor *loop = rein_loop_new(REIN_LOOP(.name = "sea", .tell_stacks = true, .stack_size = 256 << 10));
        for (int i = 0; i < 3; i++)
                run_one(loop, dive, &depths[i], names[i]);
        free_and_listen(loop, said, sizeof said);
        assert_int_equal(lines_of(said, runs, 4), 1);
        assert_int_equal(runs[0], 3);
        assert_non_null(strstr(said, "job 'deepest'\n"));
        assert_int_equal(sscanf(strchr(said, '\n') + 1, "rein: %zu", &bytes), 1);
#if !defined REIN_ASAN && !defined REIN_TSAN /* whose frames lie elsewhere, or are larger */
        assert_in_range(bytes, 60 * 512, 100 * 1024);
#endif
}

/* ---- a fault that is no overflow ---- */

static int writes_nowhere(void *arg)
{
        volatile char *nowhere = arg;
        *nowhere = 1;
        return 0;
}

static int program_nowhere(void)
{
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        rein_executor *loop = rein_loop_new(REIN_LOOP(.tell_overflow = true));
        run_one(loop, writes_nowhere, (void *)64, "astray");
        return 0;
}

static void test_a_fault_elsewhere_is_not_told_as_an_overflow(void **state)
{
        (void)state;
#if defined REIN_ASAN || defined REIN_TSAN
        skip(); /* their own handler has the word */
#endif
        char said[4096];
        assert_int_equal(program_run("nowhere", said, sizeof said), -SIGSEGV);
        assert_string_equal(said, "");
}

int main(int argc, char **argv)
{
        static const program programs[] = {{"nowhere", program_nowhere}};
        if (argc > 1)
                return program_main(programs, COUNT(programs), argc, argv);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_function_is_told_up_to_a_number_and_the_others_together),
                cmocka_unit_test(test_the_deepest_of_all_runs_is_told_whichever_it_was),
                cmocka_unit_test(test_a_fault_elsewhere_is_not_told_as_an_overflow),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
