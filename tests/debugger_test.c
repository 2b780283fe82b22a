/* SPDX-License-Identifier: Apache-2.0 */
/* A debugger's backtrace goes through a coroutine's stack and ends at its entry. */
#include "support.h"

#include <sys/stat.h>

__attribute__((noinline)) int debugger_stops_here(int depth);
__attribute__((noinline)) int debugger_walks_through(int depth);

int debugger_stops_here(int depth)
{
        __asm__ volatile("" : "+r"(depth));
        return depth + 1;
}

int debugger_walks_through(int depth)
{
        return (depth ? debugger_walks_through(depth - 1) : debugger_stops_here(depth)) + 1;
}

static int job(void *arg)
{
        (void)arg;
        rein_sleep(REIN_NOWAIT); /* it has been away and come back */
        return debugger_walks_through(3) > 0 ? 0 : -EPROTO;
}

static int program_stops(void)
{
        return rein_run(job, NULL, NULL);
}

/* The words of the n-th frame of a backtrace: "#3  0x... in name (...) at file:line". NULL: there is none. */
static const char *frame(const char *said, int n)
{
        char start[8];
        snprintf(start, sizeof start, "\n#%-3d", n);
        return strstr(said, start);
}

static bool frame_is(const char *said, int n, const char *name)
{
        const char *line = frame(said, n);
        char text[64];
        if (!line)
                return false;
        snprintf(text, sizeof text, " %s (", name);
        const char *found = strstr(line, text), *end = strchr(line + 1, '\n');
        return found && (!end || found < end);
}

static void test_gdb_walks_a_coroutines_stack_to_its_entry(void **state)
{
        (void)state;
#if defined REIN_ASAN || defined REIN_TSAN
        skip(); /* they do not like to be traced */
#endif
        struct stat there;
        if (stat("/usr/bin/gdb", &there) != 0) {
                print_message("NOT TESTED WITH GDB: it is not installed (make check does)\n");
                skip();
        }
        char command[1024], me[512];
        const ssize_t length = readlink("/proc/self/exe", me, sizeof me - 1);
        assert_true(length > 0);
        me[length] = 0;
        snprintf(command, sizeof command,
                 "/usr/bin/gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'set width 0' "
                 "-ex 'break debugger_stops_here' -ex run -ex bt -ex kill --args '%s' stops 2>&1 </dev/null",
                 me);
        static char said[1 << 16];
        FILE *gdb = popen(command, "r");
        assert_non_null(gdb);
        said[fread(said, 1, sizeof said - 1, gdb)] = 0;
        pclose(gdb);
        if (strstr(said, "ptrace: Operation not permitted")) {
                print_message("NOT TESTED WITH GDB: it may not trace here\n");
                skip();
        }
        fputs(said, stdout);
        assert_true(frame_is(said, 0, "debugger_stops_here"));
        for (int i = 1; i <= 4; i++)
                assert_true(frame_is(said, i, "debugger_walks_through"));
        assert_true(frame_is(said, 5, "job"));
        int last = 5;
        while (frame(said, last + 1))
                last++;
        assert_in_range(last, 7, 12);
        assert_true(frame_is(said, last, "rn_swap_begin") || strstr(frame(said, last), "context"));
        assert_null(strstr(said, "Backtrace stopped"));
        assert_null(strstr(said, "corrupt"));
}

int main(int argc, char **argv)
{
        static const program programs[] = {{"stops", program_stops}};
        if (argc > 1)
                return program_main(programs, COUNT(programs), argc, argv);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_gdb_walks_a_coroutines_stack_to_its_entry),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
