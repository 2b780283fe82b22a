/* SPDX-License-Identifier: Apache-2.0 */
/* The poller of a simulation keeps the contract that loop/poller_test.c holds the real ones to. */
#include <poll.h>

#include "plat/plat.h"
#include "support.h"

#include "crew.h"

enum { ROOM = 8 };

typedef struct bench {
        rn_poller *poller;
        int ends[2];
} bench;

static bench set_up(void)
{
        bench b;
        CHECK(rn_poller_new(false, &b.poller) == 0 && rein_sim_pipe(b.ends, 4) == 0);
        return b;
}

static int tear_down(bench *b)
{
        rn_poller_free(b->poller);
        return rein_close(b->ends[0]) | rein_close(b->ends[1]);
}

static int look(const bench *b, rn_ready *found)
{
        return rn_poller_wait(b->poller, found, ROOM, 0);
}

static void passes(rein_fn fn)
{
        assert_int_equal(rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM, .schedules = 100), fn, NULL), 0);
}

static int reports(void *arg)
{
        bench b = set_up();
        rn_ready found[ROOM];
        (void)arg;
        CHECK(rein_write(b.ends[1], "x", 1, REIN_NEVER) == 1);
        CHECK(rn_poller_watch(b.poller, b.ends[0], RN_POLLIN) == 0);
        CHECK(rn_poller_wait(b.poller, found, ROOM, RN_NEVER) == 1);
        CHECK(found[0].fd == b.ends[0] && found[0].events == RN_POLLIN);
        CHECK(look(&b, found) == 0); /* still readable, and not told again */
        CHECK(rn_poller_watch(b.poller, b.ends[1], RN_POLLIN) == 0);
        CHECK(rn_poller_watch(b.poller, b.ends[1], RN_POLLOUT) == 0); /* in place of the first */
        CHECK(look(&b, found) == 1 && found[0].fd == b.ends[1] && found[0].events == RN_POLLOUT);
        CHECK(rn_poller_watch(b.poller, b.ends[1], RN_POLLOUT) == 0);
        rn_poller_unwatch(b.poller, b.ends[1]);
        CHECK(look(&b, found) == 0);
        return tear_down(&b);
}

static void a_watch_is_for_one_report(void **state)
{
        (void)state;
        passes(reports);
}

static int more_than_room(void *arg)
{
        bench b = set_up();
        rn_ready found[ROOM];
        (void)arg;
        CHECK(rein_write(b.ends[1], "x", 1, REIN_NEVER) == 1);
        for (int i = 0; i < 2; i++)
                CHECK(rn_poller_watch(b.poller, b.ends[i], i == 0 ? RN_POLLIN : RN_POLLOUT) == 0);
        CHECK(rn_poller_wait(b.poller, found, 1, RN_NEVER) == 1 &&
              rn_poller_wait(b.poller, found + 1, 1, RN_NEVER) == 1);
        CHECK(found[0].fd != found[1].fd && look(&b, found) == 0);
        return tear_down(&b);
}

static void what_there_is_no_room_for_is_told_later(void **state)
{
        (void)state;
        passes(more_than_room);
}

static int number_again(void *arg)
{
        bench b = set_up();
        rn_ready found[ROOM];
        int anew[2], old = b.ends[0], writer = b.ends[1];
        (void)arg;
        CHECK(rn_poller_watch(b.poller, old, RN_POLLIN) == 0 && rein_close(old) == 0);
        CHECK(rein_sim_pipe(anew, 1) == 0 && anew[0] == old);
        CHECK(rein_write(anew[1], "x", 1, REIN_NEVER) == 1);
        CHECK(look(&b, found) == 0); /* it is another file's now */
        CHECK(rn_poller_watch(b.poller, anew[0], RN_POLLIN) == 0 && look(&b, found) == 1 && found[0].fd == old);
        CHECK(rein_close(writer) == 0);
        b.ends[0] = anew[0];
        b.ends[1] = anew[1];
        CHECK(rn_poller_watch(b.poller, writer, RN_POLLIN) == -EBADF);
        return tear_down(&b);
}

static void a_number_used_again_is_another_file(void **state)
{
        (void)state;
        passes(number_again);
}

static void rings(void *arg)
{
        rn_poller_ring(arg);
}

static int rung(void *arg)
{
        bench b = set_up();
        rn_ready found[ROOM];
        crew c = {0};
        hand h;
        (void)arg;
        rn_poller_ring(b.poller);
        rn_poller_ring(b.poller);
        CHECK(rn_poller_wait(b.poller, found, ROOM, RN_NEVER) == 0);
        crew_go(&c, &h, "rings", rings, b.poller);
        CHECK(rn_poller_wait(b.poller, found, ROOM, RN_NEVER) == 0); /* the second of them is taken with the first */
        crew_join(&c);
        const int64_t soon = rn_clock() + REIN_MS(1);
        CHECK(rn_poller_wait(b.poller, found, ROOM, soon) == 0 && rn_clock() == soon); /* nobody rang */
        return tear_down(&b);
}

static void a_ring_ends_a_wait_also_when_it_came_before(void **state)
{
        (void)state;
        passes(rung);
}

static int guest(void *arg)
{
        bench b = set_up();
        rn_ready found[ROOM];
        const int fd = rn_poller_fd(b.poller);
        (void)arg;
        CHECK(rein_wait_fd(fd, POLLIN, REIN_NOWAIT) == REIN_ETIMEOUT);
        rn_poller_ring(b.poller);
        CHECK(rein_wait_fd(fd, POLLIN, REIN_NEVER) == POLLIN && look(&b, found) == 0);
        CHECK(rein_wait_fd(fd, POLLIN, REIN_NOWAIT) == REIN_ETIMEOUT);
        CHECK(rn_poller_watch(b.poller, b.ends[1], RN_POLLOUT) == 0);
        CHECK(rein_wait_fd(fd, POLLIN, REIN_NEVER) == POLLIN && look(&b, found) == 1);
        const int64_t soon = rn_clock() + REIN_MS(1);
        rn_poller_alarm(b.poller, soon);
        CHECK(rein_wait_fd(fd, POLLIN, REIN_NEVER) == POLLIN && rn_clock() == soon && look(&b, found) == 0);
        CHECK(rein_wait_fd(fd, POLLIN, REIN_NOWAIT) == REIN_ETIMEOUT); /* it has gone off once */
        return tear_down(&b);
}

static void a_guests_descriptor_tells_of_all_there_is(void **state)
{
        (void)state;
        passes(guest);
}

/* ---- pokes ---- */

static void pokes(void *arg)
{
        CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0); /* the other one waits by then */
        rn_poke(*(uint32_t *)arg);
}

static int poked(void *arg)
{
        bench b = set_up();
        rn_ready found[ROOM];
        crew c = {0};
        hand h[2];
        uint32_t me = rn_thread_id();
        (void)arg;
        crew_go(&c, &h[0], "pokes", pokes, &me);
        CHECK(rn_poller_wait(b.poller, found, ROOM, RN_NEVER) == 0);
        crew_join(&c);
        crew_go(&c, &h[1], "pokes", pokes, &me);
        CHECK(rn_sys_poll_one(b.ends[0], RN_POLLIN, -1, RN_NEVER) == 0);
        crew_join(&c);
        return tear_down(&b);
}

static void a_poke_ends_a_wait_as_a_signal_does(void **state)
{
        (void)state;
        passes(poked);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_watch_is_for_one_report),
                cmocka_unit_test(what_there_is_no_room_for_is_told_later),
                cmocka_unit_test(a_number_used_again_is_another_file),
                cmocka_unit_test(a_ring_ends_a_wait_also_when_it_came_before),
                cmocka_unit_test(a_guests_descriptor_tells_of_all_there_is),
                cmocka_unit_test(a_poke_ends_a_wait_as_a_signal_does),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
