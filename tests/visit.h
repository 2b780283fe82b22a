/* SPDX-License-Identifier: Apache-2.0 */
/* What a coroutine of a hosted loop does in each of its hosts, whose own timer and sockets go on meanwhile. */
#ifndef TESTS_VISIT_H
#define TESTS_VISIT_H

#include "support.h"

enum { ROUNDS = 100, TICKS = 5 };

/* It talks to a socket of the host's, sleeps until the host's own timer has ticked, and has work done by a thread. */
typedef struct visit {
        int fd;
        int port;
        atomic_int ticks;
        int echoed, slept, thread;
} visit;

static inline int echo_a_round(visit *v, int fd)
{
        char c = 0, expected = (char)('a' + v->echoed % 26);
        int64_t n = rein_write(fd, &expected, 1, REIN_NEVER);
        if (n == 1)
                n = rein_read(fd, &c, 1, REIN_NEVER);
        if (n != 1 || c != expected)
                return n < 0 ? (int)n : -EPROTO;
        v->echoed++;
        return 0;
}

static inline int stay(void *arg)
{
        visit *v = arg;
        int fd = v->fd, rc = 0;
        if (v->port) {
                char port[16];
                snprintf(port, sizeof port, "%d", v->port);
                fd = rein_connect("127.0.0.1", port, REIN_NEVER);
        }
        if (fd < 0)
                return fd;
        for (int i = 0; i < ROUNDS && rc == 0; i++)
                rc = echo_a_round(v, fd);
        while (rc == 0 && v->ticks < TICKS) {
                rc = rein_sleep(rein_after(REIN_MS(1)));
                v->slept++;
        }
        v->thread = rein_to_thread(job_seven, NULL, NULL);
        rein_close(fd);
        return rc;
}

static inline void was_well(rein_executor *guest, rein_future *f, const visit *v)
{
        assert_int_equal(rein_code(f), 0);
        assert_int_equal(v->echoed, ROUNDS);
        assert_true(v->ticks >= TICKS);
        assert_int_equal(v->thread, 7);
        rein_drop(f);
        rein_executor_free(guest);
}

#endif
