/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that brings rein along is loaded and closed: the host goes on, whatever of rein still runs. What the plugin is
 * linked with stays mapped once rein has a task; a plugin that has not used it goes. */
#include "support.h"

/* What the host prints, or how it ended. */
static void run_host(const char *plugin, int times, const char *function, char *said, size_t n)
{
        char command[1024];
        snprintf(command, sizeof command, "exec %s/tests/plugin/host %s/tests/plugin/%s.so %d %s 10", REIN_BINARY_DIR,
                 REIN_BINARY_DIR, plugin, times, function);
        FILE *host = popen(command, "r");
        assert_non_null(host);
        const size_t got = fread(said, 1, n - 1, host);
        said[got] = 0;
        const int status = pclose(host);
        if (status != 0)
                fail_msg("%s: the host ended with status %#x", command, (unsigned)status);
}

/* Another process each time, since only the first close of a process can unmap what is there to stay. */
static void closes_well(const char *plugin, const char *expected)
{
        enum { PROCESSES = 50, TIMES = 10 };
        for (int i = 0; i < PROCESSES; i++) {
                char said[256];
                run_host(plugin, TIMES, "plugin_run", said, sizeof said);
                assert_string_equal(said, expected);
        }
}

static void test_closes_of_a_plugin_with_the_static_library(void **state)
{
        (void)state;
        closes_well("plug_static", "answer 40, mapped 10 of 10\n");
}

/* The library itself is linked to stay, so that the plugin can go. */
static void test_closes_of_a_plugin_with_the_shared_library(void **state)
{
        (void)state;
#if defined REIN_TSAN
        skip(); /* the host is linked without rein, and so without what its runtime would have to export for it */
#endif
        closes_well("plug_shared", "answer 40, mapped 0 of 10\n");
}

static void test_a_plugin_that_has_not_used_it_goes(void **state)
{
        (void)state;
        char said[256];
        run_host("plug_static", 10, "plugin_idle", said, sizeof said);
        assert_string_equal(said, "answer 0, mapped 0 of 10\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_closes_of_a_plugin_with_the_static_library),
                cmocka_unit_test(test_closes_of_a_plugin_with_the_shared_library),
                cmocka_unit_test(test_a_plugin_that_has_not_used_it_goes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
