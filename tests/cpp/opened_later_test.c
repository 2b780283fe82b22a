/* SPDX-License-Identifier: Apache-2.0 */
/* A program of C that opens a C++ library while it runs, and with it the C++ runtime: told of that, rein keeps the
 * exceptions of its coroutines apart there too. */
#include "need.h"

#include <dlfcn.h>

typedef void *(*globals_fn)(void);

static int (*throws_and_waits)(int me, void (*wait)(void));
static int (*in_a_catch_block)(int (*fn)(void));
static globals_fn globals;

static void let_others_run(void)
{
        (void)rein_sleep(REIN_NOWAIT);
}

static int open_library(void)
{
        void *l = dlopen(REIN_BINARY_DIR "/tests/modules/throws.so", RTLD_NOW | RTLD_LOCAL);
        if (!l)
                return rein_fail(-ENOENT, "%s", dlerror());
        *(void **)&throws_and_waits = dlsym(l, "throws_and_waits");
        *(void **)&in_a_catch_block = dlsym(l, "in_a_catch_block");
        *(void **)&globals = dlsym(l, "__cxa_get_globals");
        return throws_and_waits && in_a_catch_block && globals ? 0 : -ENOENT;
}

static int throws(void *arg)
{
        const int wrong = throws_and_waits(*(int *)arg, let_others_run);
        return wrong ? rein_fail(-EPROTO, "%d times another's exception", wrong) : 0;
}

static int several_on(rein_executor *x, int n)
{
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 1; i <= n; i++)
                rein_spawn(&g, x, throws, &i, REIN_JOB(.arg_size = sizeof i));
        int me = 0, rc = x ? 0 : throws(&me);
        return rein_group_close(&g, rc);
}

static int several(void *arg)
{
        (void)arg;
        return several_on(NULL, 5);
}

static int simulated(void *arg)
{
        (void)arg;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 3));
        const int rc = several_on(pool, 3);
        rein_executor_free(pool);
        return rc;
}

static void *of_another_runtime(void)
{
        return NULL;
}

static int keep(void)
{
        return rein_loop_keep_exceptions(globals);
}

/* What is refused changes nothing: afterwards it can be told as before. */
static int opens_and_throws(void *arg)
{
        (void)arg;
        NEED(open_library() == 0);
        NEED(rein_loop_keep_exceptions(NULL) == -EINVAL);
        NEED(in_a_catch_block(keep) == -EBUSY);
        NEED(in_a_catch_block(keep) == -EBUSY);
        NEED(strstr(rein_error_text(rein_trail()), "outside of catch blocks"));
        NEED(keep() == 0);
        NEED(keep() == 0);
        NEED(in_a_catch_block(keep) == 0); /* they are kept */
        NEED(rein_loop_keep_exceptions(of_another_runtime) == -EEXIST);
        NEED(strstr(rein_error_text(rein_trail()), "another C++ runtime"));
        return several(NULL);
}

/* All in one process, in this order: a runtime can be told of once. */
static void test_a_runtime_opened_in_a_coroutine_is_kept_from_then_on(void **state)
{
        (void)state;
        assert_null(dlsym(RTLD_DEFAULT, "__cxa_get_globals"));
        assert_int_equal(rein_run(opens_and_throws, NULL, REIN_LOOP(.stack_size = 1 << 20)), 0);
}

static void test_and_in_the_loops_that_come_later(void **state)
{
        (void)state;
        assert_int_equal(rein_run(several, NULL, NULL), 0);
        rein_executor *x = rein_loop_new(NULL);
        assert_int_equal(several_on(x, 5), 0);
        rein_executor_free(x);
}

static void test_and_in_a_simulation(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(NULL, simulated, NULL), 0);
}

/* ---- told before there is a loop ---- */

static int program_tells_first(void)
{
        if (open_library() < 0 || keep() < 0)
                return 1;
        return rein_run(several, NULL, NULL) < 0;
}

static void test_it_may_be_told_before_there_is_a_loop(void **state)
{
        (void)state;
        assert_int_equal(program_run("tells_first", NULL, 0), 0);
}

int main(int argc, char **argv)
{
        static const program programs[] = {{"tells_first", program_tells_first}};
        const int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_runtime_opened_in_a_coroutine_is_kept_from_then_on),
                cmocka_unit_test(test_and_in_the_loops_that_come_later),
                cmocka_unit_test(test_and_in_a_simulation),
                cmocka_unit_test(test_it_may_be_told_before_there_is_a_loop),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
