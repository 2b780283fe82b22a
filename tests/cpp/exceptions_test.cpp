/* SPDX-License-Identifier: Apache-2.0 */
/* C++: coroutines that wait inside catch blocks and in destructors while an exception unwinds the stack; an exception that
 * nobody catches. */
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <cmocka.h>
}

#include <rein/rein.h>

namespace
{

void let_others_run()
{
        (void)rein_sleep(REIN_NOWAIT);
}

/* ---- catch blocks ---- */

int current()
{
        try {
                throw;
        } catch (int x) {
                return x;
        }
}

/* Each goes into its blocks in the others' turns, and leaves them in another order than it came. */
int catch_and_wait(void *arg)
{
        const int me = *static_cast<int *>(arg);
        int wrong = 0;
        for (int i = 0; i < 20; i++) {
                try {
                        throw me;
                } catch (int) {
                        let_others_run();
                        wrong += current() != me;
                        try {
                                throw me + 100;
                        } catch (int) {
                                for (int k = 0; k <= me; k++)
                                        let_others_run();
                                wrong += current() != me + 100;
                        }
                        let_others_run();
                        wrong += current() != me;
                }
                wrong += std::current_exception() != nullptr;
        }
        return wrong ? rein_fail(-EPROTO, "%d times another's exception", wrong) : 0;
}

int several(void *fn)
{
        rein_group g;
        rein_group_open(&g, nullptr);
        for (int i = 0; i < 5; i++)
                rein_spawn(&g, nullptr, reinterpret_cast<rein_fn>(fn), &i, REIN_JOB(.arg_size = sizeof i));
        return rein_group_close(&g, 0);
}

void test_coroutines_wait_inside_catch_blocks(void **)
{
        assert_int_equal(rein_run(several, reinterpret_cast<void *>(catch_and_wait), nullptr), 0);
}

/* ---- destructors ---- */

struct waits_at_its_end {
        int *wrong;
        ~waits_at_its_end()
        {
                *wrong += std::uncaught_exceptions() != 1;
                let_others_run();
                *wrong += std::uncaught_exceptions() != 1;
        }
};

int unwind_and_wait(void *)
{
        int wrong = 0;
        for (int i = 0; i < 20; i++) {
                try {
                        waits_at_its_end first{&wrong}, second{&wrong};
                        throw std::runtime_error("unwind");
                } catch (const std::exception &) {
                        wrong += std::uncaught_exceptions() != 0;
                }
                let_others_run();
                wrong += std::uncaught_exceptions() != 0;
        }
        return wrong ? rein_fail(-EPROTO, "%d counts are wrong", wrong) : 0;
}

void test_coroutines_wait_while_they_unwind(void **)
{
        assert_int_equal(rein_run(several, reinterpret_cast<void *>(unwind_and_wait), nullptr), 0);
}

/* ---- the simulator's tasks are coroutines too ---- */

int several_on_a_pool(void *)
{
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 3));
        rein_group g;
        rein_group_open(&g, nullptr);
        for (int i = 0; i < 3; i++)
                rein_spawn(&g, pool, catch_and_wait, &i, REIN_JOB(.arg_size = sizeof i));
        const int rc = rein_group_close(&g, 0);
        rein_executor_free(pool);
        return rc;
}

void test_simulated_threads_wait_inside_catch_blocks(void **)
{
        assert_int_equal(rein_sim_run(nullptr, several_on_a_pool, nullptr), 0);
}

/* ---- who turns the loop ---- */

int counts_nothing(void *)
{
        return std::uncaught_exceptions() || std::current_exception() ? rein_fail(-EPROTO, "the host's") : 0;
}

void test_a_loop_that_is_turned_in_a_catch_block_leaves_it_as_it_was(void **)
{
        int rc = -1, seen = 0;
        try {
                throw 7;
        } catch (int) {
                rc = rein_run(counts_nothing, nullptr, nullptr);
                if (rc == 0)
                        rc = rein_run(several, reinterpret_cast<void *>(catch_and_wait), nullptr);
                seen = current();
        }
        assert_int_equal(rc, 0);
        assert_int_equal(seen, 7);
}

/* ---- nobody catches it ---- */

int throws(void *)
{
        throw std::runtime_error("out of cheese");
}

int spawn_one_that_throws(void *)
{
        rein_group g;
        rein_group_open(&g, nullptr);
        rein_spawn(&g, nullptr, throws, nullptr, REIN_JOB(.name = "mouse"));
        return rein_group_close(&g, 0);
}

int program_throws()
{
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        return rein_run(spawn_one_that_throws, nullptr, REIN_LOOP(.name = "cellar"));
}

void test_an_exception_that_nobody_catches_names_its_coroutine(void **)
{
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        fflush(nullptr);
        const pid_t pid = fork();
        if (pid == 0) {
                dup2(ends[1], 2);
                execl("/proc/self/exe", "test", "throws", nullptr);
                _exit(1);
        }
        close(ends[1]);
        std::string said;
        char text[512];
        for (ssize_t n; (n = read(ends[0], text, sizeof text)) > 0;)
                said.append(text, static_cast<size_t>(n));
        close(ends[0]);
        int status = 0;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        print_message("it said: %s\n", said.c_str());
        assert_non_null(strstr(said.c_str(), "rein: an exception that nobody catches leaves job 'mouse' on 'cellar'"));
        assert_non_null(strstr(said.c_str(), "out of cheese")); /* the C++ runtime's own words */
}

} // namespace

int main(int argc, char **)
{
        if (argc > 1)
                return program_throws();
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_coroutines_wait_inside_catch_blocks),
                cmocka_unit_test(test_coroutines_wait_while_they_unwind),
                cmocka_unit_test(test_simulated_threads_wait_inside_catch_blocks),
                cmocka_unit_test(test_a_loop_that_is_turned_in_a_catch_block_leaves_it_as_it_was),
                cmocka_unit_test(test_an_exception_that_nobody_catches_names_its_coroutine),
        };
        return cmocka_run_group_tests(tests, nullptr, nullptr);
}
