/* SPDX-License-Identifier: Apache-2.0 */
/* Event loops: coroutines and their timers, descriptors and futures, beside pools and other loops. What the coroutines of
 * one loop share needs no atomics: they have one thread. */
#include "sim/scenario.h"

#include <poll.h>

#include "core/task.h"
#include "core/work.h"

static rein_executor *mine(void)
{
        return rn_self()->now->work->executor;
}

/* ---- time ---- */

enum { SLEEPERS = 5 };

typedef struct sleeper {
        rein_time at;
        struct sleeper *all;
        bool waits, ended;
} sleeper;

/* Time jumps to each when nobody has anything else to do; then nobody is still asleep that was to wake before. */
static int sleeps(void *arg)
{
        sleeper *s = arg;
        s->waits = rein_now().ns < s->at.ns;
        int rc = rein_sleep(s->at);
        s->ended = true;
        CHECK(rein_now().ns >= s->at.ns);
        for (int i = 0; i < SLEEPERS && s->waits && rein_now().ns == s->at.ns; i++) {
                const sleeper *o = &s->all[i];
                CHECK(o == s || !o->waits || o->ended || o->at.ns >= s->at.ns);
        }
        return rc;
}

static int timers(int hosted)
{
        static const int ms[SLEEPERS] = {33, 11, 57, 11, 24};
        sleeper s[SLEEPERS];
        rein_executor *x = rein_loop_new(REIN_LOOP(.hosted = hosted));
        rein_future *f[SLEEPERS];
        const rein_time now = rein_now();
        for (int i = 0; i < SLEEPERS; i++)
                s[i] = (sleeper){.at = REIN_TIME(now.ns + REIN_MS(ms[i])), .all = s};
        for (int i = 0; i < SLEEPERS; i++)
                f[i] = rein_submit(x, sleeps, &s[i], NULL);
        while (hosted && rein_loop_turn(x) > 0)
                CHECK(rein_wait_fd(rein_loop_fd(x), POLLIN, REIN_NEVER) >= 0);
        CHECK(rein_wait_all(f, SLEEPERS, REIN_NEVER) == 0);
        for (int i = 0; i < SLEEPERS; i++)
                rein_drop(f[i]);
        stop_and_free(x, REIN_STOP_QUEUED);
        return 0;
}

static int takes_turns(void *arg)
{
        int *at = arg;
        for (int i = 0; i < 3; i++) {
                const int mine = ++*at;
                CHECK(rein_sleep(REIN_NOWAIT) == 0);
                CHECK(*at == mine + 1 || i == 2);
        }
        return 0;
}

static int whole_program(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, takes_turns, arg, NULL);
        rein_spawn(&g, NULL, takes_turns, arg, NULL);
        return rein_group_close(&g, 7);
}

static int two_take_turns(int variant)
{
        (void)variant;
        int at = 0;
        CHECK(rein_run(whole_program, &at, NULL) == 7);
        CHECK(at == 6);
        return 0;
}

/* ---- futures ---- */

typedef struct relay {
        rein_executor *on[3];
        int left;
} relay;

/* A job on each executor that waits for one on the next. */
static int passes_on(void *arg)
{
        relay *r = arg;
        if (r->left == 0)
                return 3;
        relay next = {{r->on[1], r->on[2], r->on[0]}, r->left - 1};
        rein_future *f = rein_submit(r->on[0], passes_on, REIN_COPY(next));
        int rc = rein_await(f, NULL, REIN_NEVER);
        CHECK(rc == 0 && rein_code(f) == 3);
        rein_drop(f);
        return 3;
}

static int two_loops_and_a_pool(int variant)
{
        (void)variant;
        relay r = {{rein_loop_new(REIN_LOOP(.name = "one")), rein_loop_new(REIN_LOOP(.name = "two")),
                    rein_pool_new(REIN_POOL(.threads = 1))},
                   4};
        CHECK(passes_on(&r) == 3);
        for (int i = 0; i < 3; i++)
                stop_and_free(r.on[i], REIN_STOP_QUEUED);
        return 0;
}

static int canceled_or_done(int on_the_loop)
{
        tally t = {0};
        rein_executor *x = rein_loop_new(NULL), *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_future *f[2];
        for (int i = 0; i < 2; i++)
                f[i] = rein_ref(rein_spawn_future(&g, x, job_nap, &t, NULL));
        if (!on_the_loop) {
                CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
                rein_group_cancel(&g, "at the same time");
        } else {
                rein_spawn(&g, x, job_nap, &t, NULL);
                (void)rein_wait_any(f, 2, REIN_NEVER);
                rein_cancel(f[1], "late perhaps");
        }
        int rc = rein_group_close(&g, 0);
        CHECK(rc == 0 || (rc == REIN_ESTOPPED && !on_the_loop));
        for (int i = 0; i < 2; i++) {
                CHECK(settled(f[i]) && (rein_code(f[i]) == 0 || rein_code(f[i]) == REIN_ECANCELED));
                rein_drop(f[i]);
        }
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended));
        stop_and_free(pool, REIN_STOP_QUEUED);
        stop_and_free(x, REIN_STOP_QUEUED);
        return 0;
}

/* ---- clean-up ---- */

static int cleans_up(void *arg)
{
        tally *t = arg;
        count(&t->begun);
        int rc = rein_sleep(REIN_NEVER);
        rein_scope s;
        rein_shield_open(&s, REIN_SEC(1));
        CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        rc = rein_scope_close(&s, rc);
        count(&t->released);
        return rc;
}

static int shield(int variant)
{
        (void)variant;
        tally t = {0};
        rein_executor *x = rein_loop_new(NULL);
        rein_future *f = rein_submit(x, cleans_up, &t, NULL);
        CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        int how = rein_cancel(f, "enough");
        CHECK(how >= 0);
        stop_and_free(x, REIN_STOP_QUEUED);
        CHECK(rein_code(f) == REIN_ECANCELED && atomic_load(&t.begun) == atomic_load(&t.released));
        rein_drop(f);
        return 0;
}

static int leaves_others_behind(void *arg)
{
        rein_drop(rein_submit(mine(), cleans_up, arg, NULL));
        rein_drop(rein_submit(mine(), job_sleep, arg, NULL));
        CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        CHECK(!atomic_load(&((tally *)arg)->ended));
        return rein_fail(-EPROTO, "no luck");
}

static int leftovers(int variant)
{
        (void)variant;
        tally t = {0};
        CHECK(rein_run(leaves_others_behind, &t, NULL) == -EPROTO);
        CHECK(rein_error_code(rein_trail()) == -EPROTO);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.released) + atomic_load(&t.ended));
        return 0;
}

/* ---- threads for what blocks ---- */

static int goes_to_a_thread(void *arg)
{
        return rein_to_thread(job_sleep, arg, REIN_JOB(.name = "sleeper"));
}

static int counts_in_a_thread(void *arg)
{
        return rein_to_thread(job_count, arg, NULL);
}

static int to_thread(int variant)
{
        (void)variant;
        tally t = {0};
        rein_executor *x = rein_loop_new(NULL);
        rein_future *f[2] = {rein_submit(x, goes_to_a_thread, &t, NULL), rein_submit(x, counts_in_a_thread, &t, NULL)};
        CHECK(rein_await(f[1], NULL, REIN_NEVER) == 0);
        CHECK(rein_cancel(f[0], "it takes too long") >= 0);
        int rc = rein_await(f[0], NULL, REIN_NEVER);
        CHECK(rc == REIN_EFAILED && rein_code(f[0]) == REIN_ECANCELED);
        CHECK(atomic_load(&t.begun) == atomic_load(&t.ended)); /* gone, not only settled */
        rein_drop(f[0]);
        rein_drop(f[1]);
        stop_and_free(x, REIN_STOP_QUEUED);
        return 0;
}

/* ---- channels ---- */

enum { ITEMS = 5 };

static int sends(void *arg)
{
        rein_chan *c = arg;
        for (int i = 1; i <= ITEMS; i++)
                CHECK(rein_chan_send(c, &i, REIN_NEVER) == 0);
        rein_chan_close(c);
        return 0;
}

static int receives(void *arg)
{
        rein_chan *c = arg;
        int item = 0, last = 0;
        while (rein_chan_recv(c, &item, REIN_NEVER) == 1) {
                CHECK(item == last + 1);
                last = item;
        }
        return last;
}

/* The sender is on a loop and the receiver on a pool, or the reverse; 2: both are coroutines. */
static int channel(int which)
{
        rein_executor *x = rein_loop_new(NULL), *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_chan *c = rein_chan_new(sizeof(int), which ? 1 : 0, NULL);
        rein_future *f[2] = {rein_submit(which == 1 ? pool : x, sends, c, NULL),
                             rein_submit(which == 0 ? pool : x, receives, c, NULL)};
        CHECK(rein_wait_all(f, 2, REIN_NEVER) == 0);
        CHECK(rein_code(f[0]) == 0 && rein_code(f[1]) == ITEMS);
        rein_drop(f[0]);
        rein_drop(f[1]);
        rein_chan_free(c);
        stop_and_free(pool, REIN_STOP_QUEUED);
        stop_and_free(x, REIN_STOP_QUEUED);
        return 0;
}

/* ---- sockets ---- */

enum { CLIENTS = 3 };

typedef struct service {
        rein_executor *clients;
        int fd, served;
        atomic_int asked;
} service;

static int echo(void *arg)
{
        const int fd = *(int *)arg;
        char line[8];
        int64_t n;
        while ((n = rein_read(fd, line, sizeof line, REIN_NEVER)) > 0)
                if ((n = rein_write(fd, line, (size_t)n, REIN_NEVER)) < 0)
                        break;
        return n == -EPIPE ? 0 : (int)n;
}

static void hang_up(void *fd)
{
        CHECK(rein_close(*(int *)fd) == 0);
}

static int serve(void *arg)
{
        service *s = arg;
        rein_group g;
        rein_group_open(&g, NULL);
        int fd;
        while ((fd = rein_accept(s->fd, REIN_NEVER)) >= 0 || fd == -EMFILE) {
                s->served++;
                rein_spawn(&g, NULL, echo, REIN_COPY(fd, .release = hang_up));
        }
        CHECK(fd == REIN_ECANCELED);
        rein_group_cancel(&g, "closing time");
        return rein_group_close(&g, fd);
}

static int ask(void *arg)
{
        service *s = arg;
        const char line[] = "hello, is there anybody?";
        char back[sizeof line] = "";
        int fd = rein_connect("echo", "7", REIN_NEVER);
        CHECK(fd >= 0);
        CHECK(rein_write(fd, line, sizeof line, REIN_NEVER) == sizeof line);
        for (size_t n = 0; n < sizeof line;) {
                int64_t got = rein_read(fd, back + n, sizeof back - n, REIN_NEVER);
                CHECK(got > 0);
                n += (size_t)got;
        }
        CHECK(memcmp(line, back, sizeof line) == 0);
        CHECK(rein_close(fd) == 0);
        count(&s->asked);
        return 0;
}

static int serve_and_ask(void *arg)
{
        service *s = arg;
        s->fd = rein_listen("echo", "7", CLIENTS);
        CHECK(s->fd >= 0);
        rein_future *server = rein_submit(mine(), serve, s, NULL);
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < CLIENTS; i++)
                rein_spawn(&g, s->clients, ask, s, NULL);
        CHECK(rein_group_close(&g, 0) == 0);
        rein_cancel(server, "nobody is left");
        CHECK(rein_await(server, NULL, REIN_NEVER) == REIN_EFAILED && rein_code(server) == REIN_ECANCELED);
        rein_drop(server);
        CHECK(rein_close(s->fd) == 0);
        return 0;
}

/* The clients are on the same loop, on another, or are threads. */
static int echo_server(int where)
{
        service s = {.clients = where == 0   ? NULL
                                : where == 1 ? rein_loop_new(REIN_LOOP(.name = "clients"))
                                             : rein_pool_new(REIN_POOL(.name = "clients", .threads = 2))};
        CHECK(rein_run(serve_and_ask, &s, NULL) == 0);
        CHECK(s.served == CLIENTS && atomic_load(&s.asked) == CLIENTS);
        rein_executor_free(s.clients);
        return 0;
}

/* ---- several descriptors at once ---- */

static int writes_to(void *arg)
{
        CHECK(rein_sleep(rein_after(REIN_MS(1))) == 0);
        return (int)rein_write(*(int *)arg, "x", 1, REIN_NEVER);
}

static int reads_what_comes(void *arg)
{
        int(*pipes)[2] = arg, seen = 0;
        char byte;
        while (seen != 3) {
                rein_case cases[] = {REIN_ON_FD(pipes[0][0], POLLIN), REIN_ON_FD(pipes[1][0], POLLIN),
                                     REIN_ON_TIME(rein_after(REIN_SEC(1)))};
                int i = rein_select(cases, 3, REIN_NEVER);
                if (i == 2) /* it was late */
                        continue;
                CHECK(i == 0 || i == 1);
                CHECK(rein_read(pipes[i][0], &byte, 1, REIN_NEVER) == 1);
                seen |= 1 << i;
        }
        rein_case none[] = {REIN_ON_FD(pipes[0][0], POLLIN), REIN_ON_FD(pipes[1][0], POLLIN)};
        CHECK(rein_select(none, 2, rein_after(REIN_MS(1))) == REIN_ETIMEOUT);
        return 0;
}

static int select_of_pipes(int on_a_loop)
{
        int pipes[2][2];
        CHECK(rein_sim_pipe(pipes[0], 4) == 0 && rein_sim_pipe(pipes[1], 4) == 0);
        rein_executor *x = on_a_loop ? rein_loop_new(NULL) : rein_pool_new(REIN_POOL(.threads = 3));
        rein_future *f[3] = {rein_submit(x, reads_what_comes, pipes, NULL),
                             rein_submit(x, writes_to, &pipes[0][1], NULL),
                             rein_submit(x, writes_to, &pipes[1][1], NULL)};
        CHECK(rein_wait_all(f, 3, REIN_NEVER) == 0);
        for (int i = 0; i < 3; i++) {
                CHECK(rein_code(f[i]) >= 0);
                rein_drop(f[i]);
        }
        stop_and_free(x, REIN_STOP_QUEUED);
        for (int i = 0; i < 4; i++)
                CHECK(rein_close(pipes[i / 2][i % 2]) == 0);
        return 0;
}

const scenario loop_scenarios[] = {
        {"loop_timers", timers, 0, RACY, 1},
        {"loop_hosted_timers", timers, 1, RACY, 1},
        {"loop_turns", two_take_turns, 0, RACY, 1},
        {"loop_relay", two_loops_and_a_pool, 0, RACY, 2},
        {"loop_cancel_group", canceled_or_done, 0, RACY, 2},
        {"loop_cancel_one", canceled_or_done, 1, RACY, 2},
        {"loop_shield", shield, 0, RACY, 1},
        {"loop_leftovers", leftovers, 0, RACY, 1},
        {"loop_to_thread", to_thread, 0, RACY, 2},
        {"loop_channel_to_pool", channel, 0, RACY, 1},
        {"loop_channel_to_loop", channel, 1, RACY, 1},
        {"loop_channel_inside", channel, 2, RACY, 1},
        {"loop_echo_one", echo_server, 0, RACY, 2},
        {"loop_echo_two", echo_server, 1, RACY, 2},
        {"loop_echo_threads", echo_server, 2, RACY, 2},
        {"loop_select", select_of_pipes, 1, RACY, 1},
        {"threads_select", select_of_pipes, 0, RACY, 1},
        {0},
};
