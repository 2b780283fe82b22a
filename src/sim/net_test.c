/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors of a simulation: what pipes, connections, listeners and signals answer; real ones beside them. */
#include "support.h"

#include "crew.h"

#include <poll.h>

enum { HARMLESS = REIN_SIM_HARMLESS & ~REIN_SIM_SPURIOUS };

static void passes(rein_fn fn, uint32_t faults)
{
        rein_sim_report r = {.size = sizeof r};
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 300, .faults = faults, .report = &r), fn, NULL), 0);
        assert_int_equal(r.schedules, 300);
}

/* ---- pipes ---- */

static int pipe_alone(void *arg)
{
        int fds[2], more[2];
        char got[8];
        (void)arg;
        CHECK(rein_sim_pipe(NULL, 4) == -EINVAL && rein_sim_pipe(fds, 0) == -EINVAL);
        CHECK(rein_sim_pipe(fds, 4) == 0 && fds[0] != fds[1]);
        CHECK(rein_wait_fd(fds[0], POLLIN, REIN_NOWAIT) == REIN_ETIMEOUT);
        CHECK(rein_wait_fd(fds[1], POLLOUT, REIN_NEVER) == POLLOUT);
        CHECK(rein_write(fds[1], "abcd", 4, REIN_NEVER) == 4);
        CHECK(rein_write(fds[1], "e", 1, rein_after(REIN_MS(1))) == REIN_ETIMEOUT); /* full */
        CHECK(rein_wait_fd(fds[0], POLLIN, REIN_NEVER) == POLLIN);
        CHECK(rein_read(fds[0], got, 0, REIN_NEVER) == 0);
        CHECK(rein_read(fds[0], got, 2, REIN_NEVER) == 2 && memcmp(got, "ab", 2) == 0);
        CHECK(rein_write(fds[1], "ef", 2, REIN_NEVER) == 2); /* around the end */
        CHECK(rein_read(fds[0], got, 8, REIN_NEVER) == 4 && memcmp(got, "cdef", 4) == 0);
        CHECK(rein_close(fds[1]) == 0 && rein_close(fds[1]) == -EBADF);
        CHECK(rein_read(fds[0], got, 8, REIN_NEVER) == 0 && rein_read(fds[0], got, 8, REIN_NEVER) == 0);
        CHECK(rein_sim_pipe(more, 1) == 0 && (more[0] == fds[1] || more[1] == fds[1])); /* the lowest number is next */
        CHECK(rein_close(more[0]) == 0);
        CHECK(rein_write(more[1], "x", 1, REIN_NEVER) == -EPIPE);
        CHECK(rein_close(more[1]) == 0 && rein_close(fds[0]) == 0);
        return 0;
}

static void pipes(void **state)
{
        (void)state;
        passes(pipe_alone, 0);
}

static atomic_int short_reads;

static void write_abc(void *arg)
{
        CHECK(rein_write(*(int *)arg, "abcdefghij", 10, REIN_NEVER) == 10);
        CHECK(rein_close(*(int *)arg) == 0);
}

static int pieces(void *arg)
{
        int fds[2];
        char got[16];
        crew c = {0};
        hand h;
        (void)arg;
        CHECK(rein_sim_pipe(fds, 16) == 0);
        crew_go(&c, &h, "writer", write_abc, &fds[1]);
        int64_t n, sum = 0;
        for (; (n = rein_read(fds[0], got + sum, sizeof got - (size_t)sum, REIN_NEVER)) > 0; sum += n)
                if (n < 10)
                        atomic_fetch_add(&short_reads, 1);
        CHECK(n == 0 && sum == 10 && memcmp(got, "abcdefghij", 10) == 0);
        CHECK(rein_close(fds[0]) == 0);
        crew_join(&c);
        return 0;
}

static void reads_are_short_when_asked_for(void **state)
{
        (void)state;
        atomic_store(&short_reads, 0);
        passes(pieces, 0);
        assert_int_equal(atomic_load(&short_reads), 0);
        passes(pieces, HARMLESS); /* interrupted, not ready after all, in part: it arrives all the same */
        assert_true(atomic_load(&short_reads) > 0);
}

/* ---- connections ---- */

static int talk(void *arg)
{
        char got[8];
        (void)arg;
        CHECK(rein_connect("nowhere", "1", REIN_NEVER) == -ECONNREFUSED);
        int l = rein_listen("here", "1", 2), other = rein_listen("here", "2", 1);
        CHECK(l >= 0 && other >= 0 && other != l);
        CHECK(rein_listen("here", "1", 1) == -EADDRINUSE);
        CHECK(rein_accept(l, rein_after(REIN_MS(1))) == REIN_ETIMEOUT);
        int a = rein_connect("here", "1", REIN_NEVER), b = rein_connect("here", "1", REIN_NEVER);
        CHECK(a >= 0 && b >= 0);
        CHECK(rein_connect("here", "1", REIN_NEVER) == -ECONNREFUSED); /* two wait already */
        CHECK(rein_write(b, "b", 1, REIN_NEVER) == 1);                 /* before it is accepted */
        int first = rein_accept(l, REIN_NEVER), second = rein_accept(l, REIN_NEVER);
        CHECK(first >= 0 && second >= 0);
        CHECK(rein_read(second, got, 8, REIN_NEVER) == 1 && got[0] == 'b'); /* in order */
        CHECK(rein_write(first, "to a", 4, REIN_NEVER) == 4);
        CHECK(rein_read(a, got, 8, REIN_NEVER) == 4 && memcmp(got, "to a", 4) == 0);
        CHECK(rein_close(second) == 0);
        CHECK(rein_read(b, got, 8, REIN_NEVER) == 0);
        CHECK(rein_write(b, "b", 1, REIN_NEVER) == -EPIPE);
        CHECK(rein_read(l, got, 1, REIN_NOWAIT) < 0);
        CHECK(rein_close(a) == 0 && rein_read(first, got, 1, REIN_NEVER) == 0);
        CHECK(rein_close(first) == 0 && rein_close(b) == 0 && rein_close(other) == 0);
        a = rein_connect("here", "1", REIN_NEVER);
        CHECK(rein_close(l) == 0); /* with one that nobody accepted */
        CHECK(rein_read(a, got, 1, REIN_NEVER) == 0 && rein_close(a) == 0);
        return 0;
}

static void connections(void **state)
{
        (void)state;
        passes(talk, 0);
}

/* ---- close wakes ---- */

static void closes(void *arg)
{
        CHECK(rein_close(*(int *)arg) == 0);
}

static int closed_under(void *arg)
{
        int fds[2], l = rein_listen("here", "1", 1);
        char got[1];
        crew c = {0};
        hand h[3];
        (void)arg;
        CHECK(rein_sim_pipe(fds, 1) == 0 && rein_wait_fd(l, POLLIN, REIN_NOWAIT) == REIN_ETIMEOUT);
        crew_go(&c, &h[0], "closes", closes, &fds[0]);
        CHECK(rein_read(fds[0], got, 1, REIN_NEVER) == -EBADF);
        crew_go(&c, &h[1], "closes", closes, &l);
        CHECK(rein_accept(l, REIN_NEVER) == -EBADF);
        crew_join(&c);
        CHECK(rein_close(fds[1]) == 0);
        return 0;
}

/* A writer that waits for room, whose reader goes; a reader that waits for bytes, whose writer goes. */
static int other_end_closed(void *arg)
{
        int fds[2];
        char got[1];
        crew c = {0};
        hand h[2];
        (void)arg;
        CHECK(rein_sim_pipe(fds, 1) == 0 && rein_write(fds[1], "x", 1, REIN_NEVER) == 1);
        crew_go(&c, &h[0], "closes", closes, &fds[0]);
        CHECK(rein_write(fds[1], "y", 1, REIN_NEVER) == -EPIPE && rein_close(fds[1]) == 0);
        crew_join(&c);
        CHECK(rein_sim_pipe(fds, 1) == 0);
        crew_go(&c, &h[1], "closes", closes, &fds[1]);
        CHECK(rein_read(fds[0], got, 1, REIN_NEVER) == 0 && rein_close(fds[0]) == 0);
        crew_join(&c);
        return 0;
}

static void a_close_wakes_who_waits(void **state)
{
        (void)state;
        passes(closed_under, 0);
        passes(other_end_closed, 0);
}

/* ---- signals ---- */

static int signals(void *arg)
{
        (void)arg;
        CHECK(rein_sim_raise(0) == -EINVAL && rein_sim_raise(1000) == -EINVAL);
        CHECK(rein_wait_signal(SIGTERM, rein_after(REIN_MS(1))) == REIN_ETIMEOUT);
        CHECK(rein_sim_raise(SIGTERM) == 0 && rein_sim_raise(SIGTERM) == 0 && rein_sim_raise(SIGHUP) == 0);
        CHECK(rein_wait_signal(SIGTERM, REIN_NEVER) == SIGTERM); /* kept, and once */
        CHECK(rein_wait_signal(SIGTERM, rein_after(REIN_MS(1))) == REIN_ETIMEOUT);
        CHECK(rein_wait_signal(SIGHUP, REIN_NEVER) == SIGHUP);
        return 0;
}

static void signals_are_kept(void **state)
{
        (void)state;
        passes(signals, 0);
}

/* ---- real ones ---- */

static int reads_a_file(void *arg)
{
        char got[16];
        int fd = open(arg, O_RDONLY | O_CLOEXEC);
        CHECK(fd >= 0);
        CHECK(rein_read(fd, got, sizeof got, REIN_NEVER) == 16);
        CHECK(rein_close(fd) == 0);
        return 0;
}

static int waits_for_real(void *arg)
{
        return rein_wait_fd(*(int *)arg, POLLIN, REIN_NEVER);
}

static int writes_real(void *arg)
{
        return (int)rein_write(*(int *)arg, "x", 1, REIN_NEVER);
}

static void real_descriptors(void **state)
{
        (void)state;
        char here[] = "/proc/self/exe";
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 20), reads_a_file, here), 0);
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        const struct {
                rein_fn fn;
                int fd;
        } wrong[] = {{waits_for_real, ends[0]}, {writes_real, ends[1]}};
        for (size_t i = 0; i < COUNT(wrong); i++) {
                rein_sim_report r = {.size = sizeof r};
                int fd = wrong[i].fd;
                char number[32];
                assert_int_equal(rein_sim_explore(REIN_SIM(.quiet = true, .report = &r), wrong[i].fn, &fd),
                                 REIN_EFOUND);
                assert_int_equal(r.ended, REIN_SIM_MISUSE);
                snprintf(number, sizeof number, "the real descriptor %d", fd);
                assert_non_null(strstr(rein_error_text(rein_trail()), number));
        }
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        char byte;
        assert_int_equal(read(ends[0], &byte, 1), -1); /* nothing was written */
        close(ends[0]);
        close(ends[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(pipes),
                cmocka_unit_test(reads_are_short_when_asked_for),
                cmocka_unit_test(connections),
                cmocka_unit_test(a_close_wakes_who_waits),
                cmocka_unit_test(signals_are_kept),
                cmocka_unit_test(real_descriptors),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
