/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of threads: a close gets out whoever is in a call, and the number is nobody else's before they are out. */
#include <errno.h>

#include "core/clock.h"
#include "core/task.h"
#include "scenarios/scenarios.h"

static int fds[2], next[2];

enum { GOT, CLOSED, WROTE, OVER };

static void reads(void *arg)
{
        char byte = 0;
        mark[GOT] = (int)rein_read(fds[0], &byte, 1, REIN_NEVER);
        EXPLORE_CHECK(byte != 'y'); /* of another file */
        mark[OVER]++;
        (void)arg;
}

static void writes(void *arg)
{
        (void)arg;
        mark[WROTE] = (int)rein_write(fds[1], "x", 1, REIN_NEVER);
}

static void waiting_reader(void)
{
        begin();
        EXPLORE_CHECK(rn_self() != NULL && rn_clock_start() == 0);
        EXPLORE_CHECK(rein_sim_pipe(fds, 4) == 0);
        explore_start("read", reads, NULL);
        explore_calm();
}

/* The reader has what was written for it, or is told of the close; whoever opens something at once keeps it. */
static void close_reuse(void)
{
        waiting_reader();
        explore_go();
        explore_start("write", writes, NULL);
        mark[CLOSED] = 1 + rein_close(fds[0]);
        EXPLORE_CHECK(rein_sim_pipe(next, 4) == 0 && rein_write(next[1], "y", 1, REIN_NOWAIT) == 1);
        explore_calm();
        char byte = 0;
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[OVER] == 1 && (mark[GOT] == 1 || mark[GOT] == -EBADF));
        EXPLORE_CHECK(rein_read(next[0], &byte, 1, REIN_NOWAIT) == 1 && byte == 'y');
        EXPLORE_CHECK(rein_close(fds[1]) == 0 && rein_close(next[0]) == 0 && rein_close(next[1]) == 0);
}

static const entry list[] = {
        {"read-close-reuse", close_reuse, {BOUNDED(2), PCT(3, 10000)}},
};

const entries fd_scenarios = ENTRIES(list);
