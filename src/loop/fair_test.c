/* SPDX-License-Identifier: Apache-2.0 */
/* A coroutine that always finds what it asks for lets the others of its loop have their turn: a table of every public call
 * that may block, each in circumstances in which it returns without a wait. scripts/check_fair.py asks for a row of each.
 * What is counted is calls and turns, never time. Every test runs with both pollers. */
#include <rein/every.h>
#include <rein/loop.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "need.h"

enum { AT_MOST = 64 }; /* calls of a coroutine until the others have their turn: as rein/loop.h says */

static bool portable;

/* ---- the others ---- */

static int turns; /* how often another coroutine has run */

/* A group whose children go on until they are cancelled ends well so. */
static int well_stopped(int rc)
{
        return rc == REIN_ESTOPPED ? 0 : rc;
}

static int take_turns(void *arg)
{
        (void)arg;
        int rc;
        while ((rc = rein_sleep(REIN_NOWAIT)) == 0)
                turns++;
        return rc;
}

/* ---- what the calls are made with ---- */

static int null_fd = -1, zero_fd = -1, file_fd = -1, end_fd = -1, listening_fd = -1, datagram_fd = -1;
static rein_addr listening_at, datagram_at;
static char listening_port[16];
static rein_executor *at_once, *stopped, *full_pool, *caller_pool;
static rein_promise *kept, *broken, *held_up;
static rein_future *settled, *failed, *held_up_end, *filler[4];
static rein_mutex *free_mutex, *own_mutex, *others_mutex;
static rein_cond *cond;
static rein_sem *sem;
static rein_event *happened;
static rein_barrier *barrier;
static rein_chan *chan, *closed_chan;
static rein_child *ended_child;
static rein_done done;
static rein_group group;
static char *const true_argv[] = {"true", NULL}, *const missing_argv[] = {"/is/not/there", NULL};

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

static int run_at_once(void *self, rein_work *w)
{
        (void)self;
        rein_work_run(w);
        return 0;
}

static void post_at_once(void *self, rein_work *w)
{
        (void)self;
        rein_work_run(w);
}

static rein_executor *new_at_once(void)
{
        return rein_executor_new(
                &(rein_executor_ops){.size = sizeof(rein_executor_ops), .accept = run_at_once, .post = post_at_once},
                NULL);
}

static int until_kept(void *arg)
{
        return rein_await(arg, NULL, REIN_NEVER);
}

static int hold_others_mutex(void *arg)
{
        int rc = rein_mutex_lock(others_mutex, REIN_NEVER);
        if (rc == 0)
                rc = rein_await(arg, NULL, REIN_NEVER);
        rein_mutex_unlock(others_mutex);
        return rc;
}

static int local_port(int fd)
{
        rein_addr own;
        char text[REIN_ADDR_TEXT];
        if (rein_addr_local(fd, &own) < 0)
                return -1;
        return atoi(strrchr(rein_addr_text(&own, text), ':') + 1);
}

static int make_descriptors(void)
{
        int pair[2];
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        file_fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        NEED(null_fd >= 0 && zero_fd >= 0 && file_fd >= 0);
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        end_fd = pair[0];
        close(pair[1]);
        listening_fd = rein_listen("127.0.0.1", "0", AT_MOST);
        datagram_fd = rein_udp_bind("127.0.0.1", "0");
        NEED(listening_fd >= 0 && datagram_fd >= 0 && rein_addr_local(datagram_fd, &datagram_at) == 0);
        NEED(rein_addr_local(listening_fd, &listening_at) == 0);
        snprintf(listening_port, sizeof listening_port, "%d", local_port(listening_fd));
        return 0;
}

/* One job runs, one is queued. */
static int fill(rein_executor *pool, rein_future *filling[2])
{
        filling[0] = rein_submit(pool, until_kept, held_up_end, NULL);
        while (rein_executor_queued(pool))
                NEED(rein_sleep(REIN_NOWAIT) == 0);
        filling[1] = rein_submit(pool, nothing, NULL, REIN_JOB(.on_worker = true));
        return 0;
}

static int make_jobs(void)
{
        at_once = new_at_once();
        stopped = new_at_once();
        NEED(at_once && stopped && rein_executor_stop(stopped, REIN_STOP_NOW, REIN_NEVER, NULL) == 0);
        kept = rein_promise_new(&settled);
        broken = rein_promise_new(&failed);
        held_up = rein_promise_new(&held_up_end);
        NEED(kept && broken && held_up && rein_promise_keep(kept, NULL, NULL) == 0);
        NEED(rein_promise_break(broken, -EIO, "on purpose") == 0);
        full_pool = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = REIN_FULL_REJECT));
        caller_pool = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = REIN_FULL_CALLER));
        NEED(full_pool && caller_pool && fill(full_pool, &filler[0]) == 0 && fill(caller_pool, &filler[2]) == 0);
        rein_spawn(&group, NULL, hold_others_mutex, held_up_end, NULL);
        NEED(rein_sleep(REIN_NOWAIT) == 0);
        NEED(rein_mutex_lock(own_mutex, REIN_NEVER) == 0);
        rein_done_open(&done, &settled, 1);
        return 0;
}

static int make_all(void)
{
        free_mutex = rein_mutex_new();
        own_mutex = rein_mutex_new();
        others_mutex = rein_mutex_new();
        cond = rein_cond_new(own_mutex);
        sem = rein_sem_new(1);
        happened = rein_event_new();
        barrier = rein_barrier_new(1);
        chan = rein_chan_new(1, 1, NULL);
        closed_chan = rein_chan_new(1, 1, NULL);
        NEED(free_mutex && own_mutex && others_mutex && cond && sem && happened && barrier && chan && closed_chan);
        rein_event_set(happened);
        rein_chan_close(closed_chan);
        NEED(make_descriptors() == 0);
        NEED(rein_child_start(&ended_child, true_argv, NULL) == 0);
        NEED(rein_child_wait(ended_child, NULL, REIN_NEVER) == 0);
        return make_jobs();
}

/* Before the group is closed: nothing of this is held any more by its children. */
static void let_go(void)
{
        rein_promise_keep(held_up, NULL, NULL);
        rein_done_close(&done);
        rein_code(failed); /* looked at, also when no call did */
        rein_mutex_unlock(own_mutex);
        for (size_t i = 0; i < COUNT(filler); i++) {
                rein_await(filler[i], NULL, REIN_NEVER);
                rein_drop(filler[i]);
        }
}

static void free_all(void)
{
        rein_promise *const promises[] = {kept, broken, held_up};
        for (size_t i = 0; i < COUNT(promises); i++)
                rein_promise_drop(promises[i]);
        rein_drop(settled);
        rein_drop(failed);
        rein_drop(held_up_end);
        rein_executor_free(full_pool);
        rein_executor_free(caller_pool);
        rein_executor_free(at_once);
        rein_executor_free(stopped);
        rein_child_free(ended_child);
        rein_cond_free(cond);
        rein_mutex_free(free_mutex);
        rein_mutex_free(own_mutex);
        rein_mutex_free(others_mutex);
        rein_sem_free(sem);
        rein_event_free(happened);
        rein_barrier_free(barrier);
        rein_chan_free(chan);
        rein_chan_free(closed_chan);
        const int fds[] = {null_fd, zero_fd, file_fd, end_fd, listening_fd, datagram_fd};
        for (size_t i = 0; i < COUNT(fds); i++)
                rein_close(fds[i]);
}

/* ---- the table ---- */

#define CALL(function, variant) static int function##_##variant(void)

CALL(rein_every_next, past)
{
        static rein_every e;
        rein_every_start(&e, REIN_EVERY(.period_ns = 1, .catch_up = true)); /* each tick has passed */
        return (int)rein_every_next(&e);
}

CALL(rein_sleep, past)
{
        return rein_sleep(REIN_NOWAIT);
}

CALL(rein_wait_fd, null)
{
        return rein_wait_fd(null_fd, POLLOUT, REIN_NEVER);
}

CALL(rein_wait_fd, end)
{
        return rein_wait_fd(end_fd, POLLIN, REIN_NEVER);
}

CALL(rein_wait_fd, bad)
{
        return rein_wait_fd(-1, POLLIN, REIN_NEVER);
}

CALL(rein_wait_signal, pending)
{
        pthread_kill(pthread_self(), SIGUSR1);
        return rein_wait_signal(SIGUSR1, REIN_NEVER);
}

CALL(rein_read, zero)
{
        char byte;
        return (int)rein_read(zero_fd, &byte, 1, REIN_NEVER);
}

CALL(rein_read, file)
{
        char byte;
        return (int)rein_read(file_fd, &byte, 1, REIN_NEVER);
}

CALL(rein_read, end)
{
        char byte;
        return (int)rein_read(end_fd, &byte, 1, REIN_NEVER);
}

CALL(rein_read, bad)
{
        char byte;
        return (int)rein_read(-1, &byte, 1, REIN_NEVER);
}

CALL(rein_write, null)
{
        return (int)rein_write(null_fd, "x", 1, REIN_NEVER);
}

CALL(rein_write, file)
{
        return (int)rein_write(file_fd, "x", 1, REIN_NEVER);
}

CALL(rein_write, nobody)
{
        return (int)rein_write(end_fd, "x", 1, REIN_NEVER);
}

CALL(rein_listen, numbers)
{
        const int fd = rein_listen("127.0.0.1", "0", 1);
        return fd < 0 ? fd : rein_close(fd);
}

CALL(rein_listen, refused)
{
        return rein_listen("127.0.0.1", NULL, 1);
}

CALL(rein_accept, waiting)
{
        struct sockaddr_in to;
        memcpy(&to, listening_at.bytes, sizeof to);
        const int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connect(peer, (struct sockaddr *)&to, sizeof to);
        const int fd = rein_accept(listening_fd, REIN_NEVER);
        close(peer);
        return fd < 0 ? fd : rein_close(fd);
}

CALL(rein_accept, no_socket)
{
        return rein_accept(null_fd, REIN_NEVER);
}

CALL(rein_connect, numbers)
{
        struct sockaddr_in to;
        const int fd = rein_connect("127.0.0.1", listening_port, REIN_NEVER);
        if (fd < 0)
                return fd;
        close(accept4(listening_fd, (struct sockaddr *)&to, &(socklen_t){sizeof to}, SOCK_CLOEXEC));
        return rein_close(fd);
}

CALL(rein_connect, refused)
{
        return rein_connect("127.0.0.1", NULL, REIN_NEVER);
}

CALL(rein_udp_bind, numbers)
{
        const int fd = rein_udp_bind("127.0.0.1", "0");
        return fd < 0 ? fd : rein_close(fd);
}

CALL(rein_udp_connect, numbers)
{
        const int fd = rein_udp_connect("127.0.0.1", "9", REIN_NEVER);
        return fd < 0 ? fd : rein_close(fd);
}

CALL(rein_addr_find, numbers)
{
        rein_addr a;
        return rein_addr_find(-1, "127.0.0.1", "9", &a, REIN_NEVER);
}

CALL(rein_sendto, room)
{
        char byte;
        const int sent = (int)rein_sendto(datagram_fd, "x", 1, &datagram_at, REIN_NEVER);
        recv(datagram_fd, &byte, 1, MSG_DONTWAIT);
        return sent;
}

CALL(rein_sendto, refused)
{
        return (int)rein_sendto(datagram_fd, "x", 1, &(rein_addr){.len = 0}, REIN_NEVER);
}

CALL(rein_recvfrom, there)
{
        char byte;
        struct sockaddr_in to;
        memcpy(&to, datagram_at.bytes, sizeof to);
        sendto(datagram_fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
        return (int)rein_recvfrom(datagram_fd, &byte, 1, NULL, REIN_NEVER);
}

CALL(rein_child_start, missing)
{
        rein_child *c;
        return rein_child_start(&c, missing_argv, NULL);
}

CALL(rein_child_start, refused)
{
        return rein_child_start(NULL, missing_argv, NULL);
}

CALL(rein_child_wait, ended)
{
        return rein_child_wait(ended_child, NULL, REIN_NEVER);
}

CALL(rein_child_stop, ended)
{
        return rein_child_stop(ended_child, NULL);
}

CALL(rein_child_run, missing)
{
        return rein_child_run(missing_argv, NULL, NULL);
}

CALL(rein_await, settled)
{
        return rein_await(settled, NULL, REIN_NEVER);
}

CALL(rein_await, failed)
{
        return rein_await(failed, NULL, REIN_NEVER);
}

CALL(rein_await, pending)
{
        return rein_await(filler[0], NULL, REIN_NOWAIT);
}

CALL(rein_wait_all, settled)
{
        return rein_wait_all(&settled, 1, REIN_NEVER);
}

CALL(rein_wait_any, settled)
{
        return rein_wait_any(&settled, 1, REIN_NEVER);
}

CALL(rein_wait_first, settled)
{
        return rein_wait_first(&settled, 1, REIN_NEVER);
}

CALL(rein_done_next, all_given)
{
        const int rc = rein_done_next(&done, REIN_NEVER);
        return rc < 0 ? rc : -ENOENT;
}

CALL(rein_on, at_once)
{
        return rein_on(at_once, nothing, NULL, NULL);
}

CALL(rein_to_thread, nothing)
{
        return rein_to_thread(nothing, NULL, NULL);
}

static rein_group wide;

CALL(rein_group_join, empty)
{
        return rein_group_join(&wide, REIN_NEVER);
}

CALL(rein_group_close, empty)
{
        rein_group g;
        rein_group_open(&g, NULL);
        return rein_group_close(&g, 0);
}

CALL(rein_spawn, with_a_width)
{
        rein_spawn(&wide, at_once, nothing, NULL, NULL);
        return 0;
}

CALL(rein_spawn_future, with_a_width)
{
        return rein_code(rein_spawn_future(&wide, at_once, nothing, NULL, NULL));
}

CALL(rein_retry, at_once)
{
        return rein_retry(NULL, nothing, NULL);
}

CALL(rein_submit, full)
{
        rein_future *f = rein_submit(full_pool, nothing, NULL, NULL);
        const int rc = rein_code(f);
        rein_drop(f);
        return rc;
}

CALL(rein_submit, caller)
{
        rein_future *f = rein_submit(caller_pool, nothing, NULL, NULL);
        const int rc = rein_code(f);
        rein_drop(f);
        return rc;
}

CALL(rein_post, full)
{
        return rein_post(full_pool, nothing, NULL, NULL);
}

CALL(rein_post, caller)
{
        return rein_post(caller_pool, nothing, NULL, NULL);
}

CALL(rein_submit_many, full)
{
        rein_future *f;
        const int taken = rein_submit_many(full_pool, nothing, NULL, 1, NULL, &f);
        rein_code(f);
        rein_drop(f);
        return taken;
}

CALL(rein_executor_stop, stopped)
{
        return rein_executor_stop(stopped, REIN_STOP_NOW, REIN_NEVER, NULL);
}

CALL(rein_executor_free, idle)
{
        rein_executor *x = new_at_once();
        rein_executor_free(x);
        return x ? 0 : -ENOMEM;
}

CALL(rein_mutex_lock, free)
{
        const int rc = rein_mutex_lock(free_mutex, REIN_NEVER);
        if (rc == 0)
                rein_mutex_unlock(free_mutex);
        return rc;
}

CALL(rein_mutex_lock, own)
{
        return rein_mutex_lock(own_mutex, REIN_NEVER);
}

CALL(rein_mutex_lock, try)
{
        return rein_mutex_lock(others_mutex, REIN_NOWAIT);
}

CALL(rein_cond_wait, try)
{
        return rein_cond_wait(cond, REIN_NOWAIT);
}

CALL(rein_sem_acquire, units)
{
        const int rc = rein_sem_acquire(sem, 1, REIN_NEVER);
        if (rc == 0)
                rein_sem_release(sem, 1);
        return rc;
}

CALL(rein_sem_acquire, try)
{
        return rein_sem_acquire(sem, 2, REIN_NOWAIT);
}

CALL(rein_event_wait, set)
{
        return rein_event_wait(happened, REIN_NEVER);
}

CALL(rein_barrier_arrive, alone)
{
        return rein_barrier_arrive(barrier, REIN_NEVER);
}

CALL(rein_chan_send, room)
{
        char byte = 'x';
        const int rc = rein_chan_send(chan, &byte, REIN_NEVER);
        rein_select((rein_case[]){REIN_ON_RECV(chan, &byte)}, 1, REIN_NOWAIT);
        return rc;
}

CALL(rein_chan_send, closed)
{
        return rein_chan_send(closed_chan, "x", REIN_NEVER);
}

CALL(rein_chan_recv, closed)
{
        char byte;
        return rein_chan_recv(closed_chan, &byte, REIN_NEVER);
}

CALL(rein_chan_recv, try)
{
        char byte;
        return rein_chan_recv(chan, &byte, REIN_NOWAIT);
}

CALL(rein_chan_recv, nothing)
{
        return rein_chan_recv(NULL, NULL, REIN_NEVER);
}

CALL(rein_select, settled)
{
        return rein_select((rein_case[]){REIN_ON_SETTLED(settled)}, 1, REIN_NEVER);
}

CALL(rein_select, file)
{
        return rein_select((rein_case[]){REIN_ON_FD(file_fd, POLLIN), REIN_ON_FD(null_fd, POLLOUT)}, 2, REIN_NEVER);
}

CALL(rein_select, past)
{
        return rein_select((rein_case[]){REIN_ON_TIME(rein_after(-1))}, 1, REIN_NEVER);
}

typedef struct row {
        const char *name;
        int (*call)(void);
        int answer;
} row;

#define ROW(function, variant, answer)                                                                                 \
        {                                                                                                              \
#function ", " #variant, function##_##variant, answer                                                  \
        }

static const row table[] = {
        ROW(rein_sleep, past, 0),
        ROW(rein_every_next, past, 0),
        ROW(rein_wait_fd, null, POLLOUT),
        ROW(rein_wait_fd, end, POLLIN | POLLHUP),
        ROW(rein_wait_fd, bad, -EBADF),
        ROW(rein_wait_signal, pending, SIGUSR1),
        ROW(rein_read, zero, 1),
        ROW(rein_read, file, 0),
        ROW(rein_read, end, 0),
        ROW(rein_read, bad, -EBADF),
        ROW(rein_write, null, 1),
        ROW(rein_write, file, 1),
        ROW(rein_write, nobody, -EPIPE),
        ROW(rein_listen, numbers, 0),
        ROW(rein_listen, refused, -EINVAL),
        ROW(rein_accept, waiting, 0),
        ROW(rein_accept, no_socket, -ENOTSOCK),
        ROW(rein_connect, numbers, 0),
        ROW(rein_connect, refused, -EINVAL),
        ROW(rein_udp_bind, numbers, 0),
        ROW(rein_udp_connect, numbers, 0),
        ROW(rein_addr_find, numbers, 0),
        ROW(rein_sendto, room, 1),
        ROW(rein_sendto, refused, -EINVAL),
        ROW(rein_recvfrom, there, 1),
        ROW(rein_child_start, missing, -ENOENT),
        ROW(rein_child_start, refused, -EINVAL),
        ROW(rein_child_wait, ended, 0),
        ROW(rein_child_stop, ended, 0),
        ROW(rein_child_run, missing, -ENOENT),
        ROW(rein_await, settled, 0),
        ROW(rein_await, failed, REIN_EFAILED),
        ROW(rein_await, pending, REIN_ETIMEOUT),
        ROW(rein_wait_all, settled, 0),
        ROW(rein_wait_any, settled, 0),
        ROW(rein_wait_first, settled, 0),
        ROW(rein_done_next, all_given, -ENOENT),
        ROW(rein_on, at_once, 0),
        ROW(rein_to_thread, nothing, 0),
        ROW(rein_group_join, empty, 0),
        ROW(rein_group_close, empty, 0),
        ROW(rein_spawn, with_a_width, 0),
        ROW(rein_spawn_future, with_a_width, 0),
        ROW(rein_retry, at_once, 0),
        ROW(rein_submit, full, REIN_EREJECTED),
        ROW(rein_submit, caller, 0),
        ROW(rein_post, full, REIN_EREJECTED),
        ROW(rein_post, caller, 0),
        ROW(rein_submit_many, full, 0),
        ROW(rein_executor_stop, stopped, 0),
        ROW(rein_executor_free, idle, 0),
        ROW(rein_mutex_lock, free, 0),
        ROW(rein_mutex_lock, own, REIN_EDEADLOCK),
        ROW(rein_mutex_lock, try, REIN_ETIMEOUT),
        ROW(rein_cond_wait, try, REIN_ETIMEOUT),
        ROW(rein_sem_acquire, units, 0),
        ROW(rein_sem_acquire, try, REIN_ETIMEOUT),
        ROW(rein_event_wait, set, 0),
        ROW(rein_barrier_arrive, alone, 1),
        ROW(rein_chan_send, room, 0),
        ROW(rein_chan_send, closed, -EPIPE),
        ROW(rein_chan_recv, closed, 0),
        ROW(rein_chan_recv, try, REIN_ETIMEOUT),
        ROW(rein_chan_recv, nothing, -EINVAL),
        ROW(rein_select, settled, 0),
        ROW(rein_select, file, 0),
        ROW(rein_select, past, 0),
};

/* ---- the others have their turn ---- */

/* plain: else in a scope that is cancelled, by a caller that does not heed it. */
static int call_often(const row *r, bool plain)
{
        const int before = turns;
        for (int i = 0; i < AT_MOST; i++) {
                const int answer = r->call();
                if (plain && answer != r->answer)
                        return rein_fail(-EPROTO, "%s answers %s", r->name, rein_code_name(answer));
        }
        return turns > before ? 0 : rein_fail(-EPROTO, "%s holds up the others", r->name);
}

static int call_each(bool plain)
{
        for (size_t i = 0; i < COUNT(table); i++) {
                rein_scope s;
                rein_group_open(&wide, REIN_GROUP(.width = 4, .policy = REIN_EACH));
                rein_scope_open(&s, REIN_NEVER);
                if (!plain)
                        rein_scope_cancel(&s, "on purpose");
                const int rc = call_often(&table[i], plain);
                const int left = rein_scope_close(&s, rc), closed = rein_group_close(&wide, 0);
                if (left < 0 || closed < 0)
                        return left < 0 ? left : closed;
        }
        return 0;
}

static int all_of_them(void *arg)
{
        rein_group_open(&group, REIN_GROUP(.policy = REIN_EACH));
        rein_spawn(&group, NULL, take_turns, NULL, NULL);
        int rc = make_all();
        if (rc == 0)
                rc = call_each(arg == NULL);
        let_go();
        rein_group_cancel(&group, "enough");
        const int closed = well_stopped(rein_group_close(&group, 0));
        free_all();
        return rc < 0 ? rc : closed;
}

static void passes(rein_fn fn, void *arg)
{
        int rc = rein_run(fn, arg, REIN_LOOP(.portable = portable));
        if (rc < 0)
                rein_error_print(stderr, rein_trail());
        assert_int_equal(rc, 0);
}

static void test_every_call_that_may_block_lets_the_others_have_their_turn(void **state)
{
        (void)state;
        passes(all_of_them, NULL);
}

static void test_a_call_that_is_cancelled_at_its_entry_does_so_too(void **state)
{
        (void)state;
        passes(all_of_them, "cancelled");
}

/* ---- timers and descriptors too ---- */

static bool had;

static int wait_for_time(void *arg)
{
        (void)arg;
        const int rc = rein_sleep(rein_after(1));
        had = true;
        return rc;
}

static int wait_for_byte(void *arg)
{
        char byte;
        const int64_t n = rein_read(*(int *)arg, &byte, 1, REIN_NEVER);
        had = true;
        return n == 1 ? 0 : -EIO;
}

/* How many calls until the other one has had what it waits for. */
static int calls_until_had(int (*call)(void))
{
        int calls = 0;
        while (!had && calls < 1 << 20) {
                call();
                calls++;
        }
        return calls;
}

static int beside_a_waiter(int (*call)(void), int at_most)
{
        rein_group g;
        int pair[2];
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        rein_group_open(&g, NULL);
        had = false;
        rein_spawn(&g, NULL, wait_for_time, NULL, NULL);
        NEED(rein_sleep(REIN_NOWAIT) == 0);
        const int for_time = calls_until_had(call);
        had = false;
        rein_spawn(&g, NULL, wait_for_byte, &pair[0], NULL);
        NEED(rein_sleep(REIN_NOWAIT) == 0);
        NEED(write(pair[1], "x", 1) == 1);
        const int for_byte = calls_until_had(call);
        NEED(rein_group_close(&g, 0) == 0);
        close(pair[0]);
        close(pair[1]);
        NEED(for_time <= at_most && for_byte <= at_most);
        return 0;
}

/* A loop looks at its descriptors after so many stretches. */
enum { LOOKS_AFTER = 8 };

static int others_that_wait(void *arg)
{
        (void)arg;
        sem = rein_sem_new(1);
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        NEED(sem && null_fd >= 0);
        int rc = beside_a_waiter(rein_sem_acquire_units, (LOOKS_AFTER + 2) * AT_MOST);
        if (rc == 0)
                rc = beside_a_waiter(rein_write_null, (LOOKS_AFTER + 2) * AT_MOST / 8);
        close(null_fd);
        rein_sem_free(sem);
        return rc;
}

static void test_so_do_those_that_wait_for_time_or_for_a_descriptor(void **state)
{
        (void)state;
        passes(others_that_wait, NULL);
}

/* ---- a condition ---- */

static bool about_to_wait;
static int not_told;

/* Without the mutex, in the moment in which it sees that somebody is about to wait. */
static int signal_at_once(void *arg)
{
        (void)arg;
        int rc;
        while ((rc = rein_sleep(REIN_NOWAIT)) == 0) {
                if (!about_to_wait)
                        continue;
                about_to_wait = false;
                not_told += rein_cond_signal(cond) != 1;
        }
        return rc;
}

/* However much of its stretch a waiter has used up, nobody runs between its look at what it waits for and its wait. */
static int waits_on_a_condition(void *arg)
{
        (void)arg;
        rein_group g;
        int rc = 0;
        own_mutex = rein_mutex_new();
        cond = rein_cond_new(own_mutex);
        sem = rein_sem_new(1);
        not_told = 0;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_spawn(&g, NULL, signal_at_once, NULL, NULL);
        for (int used = 0; rc == 0 && used <= 2 * AT_MOST; used++) {
                rc = rein_sleep(REIN_NOWAIT);
                for (int i = 0; rc == 0 && i < used; i++)
                        rc = rein_sem_acquire_units();
                if (rc == 0)
                        rc = rein_mutex_lock(own_mutex, REIN_NEVER);
                about_to_wait = rc == 0;
                if (rc == 0)
                        rc = rein_cond_wait(cond, rein_after(REIN_SEC(20)));
                rein_mutex_unlock(own_mutex);
        }
        rein_group_cancel(&g, "enough");
        const int closed = well_stopped(rein_group_close(&g, 0));
        rein_cond_free(cond);
        rein_mutex_free(own_mutex);
        rein_sem_free(sem);
        NEED(not_told == 0);
        return rc < 0 ? rc : closed;
}

static void test_nobody_runs_between_a_look_and_a_wait_on_a_condition(void **state)
{
        (void)state;
        passes(waits_on_a_condition, NULL);
}

/* ---- calls that never block let nobody run ---- */

static int never_block(rein_executor *open, rein_future *f)
{
        rein_scope s;
        rein_group g;
        int rc = 0;
        rein_scope_open(&s, REIN_NEVER);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        const int before = turns;
        for (int i = 0; rc == 0 && i < 2 * AT_MOST; i++) {
                rein_sem_release(sem, 1);
                rein_event_set(happened);
                rein_event_clear(happened);
                rein_cond_signal(cond);
                rein_code(f);
                rein_drop(rein_ref(f));
                rein_drop(rein_submit(open, nothing, NULL, NULL));
                rein_spawn(&g, open, nothing, NULL, NULL);
                rein_context_get(&(rein_key){.name = "none"});
                rc = rein_checkpoint();
        }
        const bool alone = turns == before;
        int closed = rein_group_close(&g, rc);
        closed = rein_scope_close(&s, closed);
        NEED(closed == 0);
        return alone ? 0 : rein_fail(-EPROTO, "a call that never blocks let another coroutine run");
}

static int never_blocking(void *arg)
{
        (void)arg;
        rein_group g;
        rein_executor *open = new_at_once();
        rein_future *f = NULL;
        rein_promise *p = rein_promise_new(&f);
        own_mutex = rein_mutex_new();
        cond = rein_cond_new(own_mutex);
        sem = rein_sem_new(0);
        happened = rein_event_new();
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_spawn(&g, NULL, take_turns, NULL, NULL);
        int rc = rein_sleep(REIN_NOWAIT);
        if (rc == 0)
                rc = never_block(open, f);
        rein_group_cancel(&g, "enough");
        const int closed = well_stopped(rein_group_close(&g, 0));
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(f);
        rein_cond_free(cond);
        rein_mutex_free(own_mutex);
        rein_sem_free(sem);
        rein_event_free(happened);
        rein_executor_free(open);
        return rc < 0 ? rc : closed;
}

static void test_calls_that_never_block_let_nobody_run(void **state)
{
        (void)state;
        passes(never_blocking, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_call_that_may_block_lets_the_others_have_their_turn),
                cmocka_unit_test(test_a_call_that_is_cancelled_at_its_entry_does_so_too),
                cmocka_unit_test(test_so_do_those_that_wait_for_time_or_for_a_descriptor),
                cmocka_unit_test(test_nobody_runs_between_a_look_and_a_wait_on_a_condition),
                cmocka_unit_test(test_calls_that_never_block_let_nobody_run),
        };
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &one, NULL); /* it stays pending until it is waited for */
        int rc = cmocka_run_group_tests_name("epoll", tests, NULL, NULL);
        portable = true;
        rc += cmocka_run_group_tests_name("poll", tests, NULL, NULL);
        sigtimedwait(&one, NULL, &(struct timespec){0}); /* the one that a cancelled call has left */
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
        return rc;
}
