/* SPDX-License-Identifier: Apache-2.0 */
/* A real signal, whose handler is without SA_RESTART, comes to every thread of the process a hundred times a second, and to
 * one of them at random moments besides, while every call that blocks is waited in: in a plain thread, in a pool's and in
 * a coroutine. Each waiter is hit at least thrice while it sits in its call; only then is it given what it waits for.
 *
 * The signal is SIGTRAP, one of the few that the library's own threads let through, so that these are hit, too. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "everywhere.h"

/* ---- the storm ---- */

static _Thread_local atomic_uint hits_here;
static atomic_bool calm;

static void hit(int signo)
{
        (void)signo;
        atomic_fetch_add_explicit(&hits_here, 1, memory_order_relaxed);
}

static void hit_thread(pid_t id)
{
        if (id != (pid_t)syscall(SYS_gettid))
                syscall(SYS_tgkill, getpid(), id, SIGTRAP);
}

/* Each thread, or one of them. */
static void hit_threads(bool all, unsigned number)
{
        unsigned i = 0;
        DIR *d = opendir("/proc/self/task");
        for (struct dirent *e; d && (e = readdir(d));)
                if (e->d_name[0] != '.' && (all || i++ == number))
                        hit_thread((pid_t)atoi(e->d_name));
        if (d)
                closedir(d);
}

static void *steady(void *arg)
{
        (void)arg;
        while (!calm) {
                poll(NULL, 0, 10);
                hit_threads(true, 0);
        }
        return NULL;
}

static void *at_random(void *arg)
{
        (void)arg;
        for (uint64_t x = 88172645463325252u; !calm;) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                const struct timespec span = {0, (long)(x % 1500000)};
                ppoll(NULL, 0, &span, NULL);
                hit_threads(false, (unsigned)(x >> 40) % 48);
        }
        return NULL;
}

/* ---- those who wait ---- */

typedef struct victim victim;

/* call blocks and says what the call answered; act ends that. Either may be NULL: nothing has to be made, or ended. */
typedef struct kind {
        const char *name, *sits_in; /* sits_in NULL: it ends by itself */
        int64_t expected;
        int (*prepare)(victim *v);
        int64_t (*call)(victim *v);
        void (*act)(victim *v);
        void (*clean_up)(victim *v);
        bool blocks_its_thread; /* not for coroutines */
} kind;

struct victim {
        const kind *kind;
        seat seat;
        _Atomic(atomic_uint *) hits;
        atomic_bool scoped, ended;
        rein_scope scope; /* of the call */
        int64_t rc;
        pthread_t thread;
        rein_future *future;
        int fds[2], more_fds[2];
        gate gate, other;
        rein_executor *x;
        rein_mutex *mutex;
        void *object;
        rein_child *child;
        rein_child_end end;
};

static rein_executor *helpers; /* a pool for the jobs that victims wait for */

#define TRY(condition)                                                                                                 \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        return -1;                                                                                     \
        } while (0)

static void close_all(victim *v)
{
        const int all[] = {v->fds[0], v->fds[1], v->more_fds[0], v->more_fds[1]};
        for (size_t i = 0; i < COUNT(all); i++)
                if (all[i] > 0)
                        close(all[i]);
}

static void cancel_call(victim *v)
{
        rein_scope_cancel(&v->scope, "enough");
}

/* ---- time ---- */

static int64_t sleep_for_ever(victim *v)
{
        (void)v;
        return rein_sleep(REIN_NEVER);
}

static int64_t sleep_a_while(victim *v)
{
        (void)v;
        const rein_time until = rein_after(REIN_MS(40));
        int rc = rein_sleep(until);
        return rein_now().ns < until.ns ? -ETIME : rc;
}

static int64_t await_a_while(victim *v)
{
        const rein_time until = rein_after(REIN_MS(40));
        int rc = rein_await(v->gate.open, NULL, until);
        return rein_now().ns < until.ns ? -ETIME : rc;
}

static int job_busy(void *arg)
{
        ++*(int *)arg;
        return -EBUSY;
}

static int64_t retry(victim *v)
{
        (void)v;
        int tries = 0;
        int rc = rein_retry(REIN_RETRY(.tries = 4, .delay_ns = REIN_MS(20), .delay_max_ns = REIN_MS(20)), job_busy,
                            &tries);
        return tries == 4 ? rc : -EPROTO;
}

static int64_t sleep_within_a_deadline(victim *v)
{
        rein_scope s;
        (void)v;
        rein_scope_open(&s, rein_after(REIN_MS(40)));
        return rein_scope_close(&s, rein_sleep(REIN_NEVER));
}

/* ---- descriptors ---- */

static int make_pipe(victim *v)
{
        return pipe2(v->fds, O_CLOEXEC);
}

static int make_sockets(victim *v)
{
        return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, v->fds);
}

static int make_two_pipes(victim *v)
{
        return pipe2(v->fds, O_CLOEXEC) || pipe2(v->more_fds, O_CLOEXEC);
}

static void write_byte(victim *v)
{
        ssize_t n = write(v->fds[1], "x", 1);
        (void)n;
}

static int64_t wait_fd(victim *v)
{
        return rein_wait_fd(v->fds[0], POLLIN, REIN_NEVER);
}

static int64_t read_byte(victim *v)
{
        char byte = 0;
        int64_t n = rein_read(v->fds[0], &byte, 1, REIN_NEVER);
        return n == 1 && byte != 'x' ? -EPROTO : n;
}

enum { MUCH = 300000 };

static int64_t write_much(victim *v)
{
        static const char much[MUCH];
        return rein_write(v->fds[1], much, MUCH, REIN_NEVER);
}

static void read_much(victim *v)
{
        static char to[MUCH];
        for (ssize_t n, all = 0; all < MUCH && ((n = read(v->fds[0], to, sizeof to)) > 0 || errno == EINTR);)
                all += n > 0 ? n : 0;
}

static int listen_at_a_port(victim *v)
{
        TRY((v->fds[0] = rein_listen("127.0.0.1", "0", 4)) >= 0);
        return 0;
}

static void address_of(int fd, struct sockaddr_storage *at, socklen_t *n)
{
        *n = sizeof *at;
        getsockname(fd, (struct sockaddr *)at, n);
}

static int64_t accept_one(victim *v)
{
        int fd = rein_accept(v->fds[0], REIN_NEVER);
        if (fd >= 0)
                close(fd);
        return fd < 0 ? fd : 0;
}

static int connect_past_signals(int fd, int to, bool wait)
{
        struct sockaddr_storage at;
        socklen_t n;
        address_of(to, &at, &n);
        int rc = connect(fd, (struct sockaddr *)&at, n);
        while (wait && rc < 0 && errno == EINTR)
                rc = poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000) == 1 ? 0 : -1;
        return rc;
}

static void connect_to_it(victim *v)
{
        v->fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connect_past_signals(v->fds[1], v->fds[0], true);
}

/* A listener that takes no more: who connects is not answered. */
static int fill_a_listener(victim *v)
{
        TRY((v->fds[0] = rein_listen("127.0.0.1", "0", 0)) >= 0);
        for (int i = 0; i < 2; i++) {
                int *fd = i ? &v->more_fds[0] : &v->fds[1];
                TRY((*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) >= 0);
                connect_past_signals(*fd, v->fds[0], false);
                (void)poll(&(struct pollfd){.fd = *fd, .events = POLLOUT}, 1, i ? 0 : 1000);
        }
        return 0;
}

static int64_t connect_in_vain(victim *v)
{
        char text[REIN_ADDR_TEXT];
        rein_addr at;
        TRY(rein_addr_local(v->fds[0], &at) == 0);
        int fd = rein_connect("127.0.0.1", strrchr(rein_addr_text(&at, text), ':') + 1, REIN_NEVER);
        if (fd >= 0)
                close(fd);
        return fd;
}

static int bind_a_port(victim *v)
{
        TRY((v->fds[0] = rein_udp_bind("127.0.0.1", "0")) >= 0);
        return 0;
}

static int64_t receive(victim *v)
{
        char byte = 0;
        rein_addr whose = {0};
        int64_t n = rein_recvfrom(v->fds[0], &byte, 1, &whose, REIN_NEVER);
        return n == 1 && (byte != 'x' || !whose.len) ? -EPROTO : n;
}

static void send_to_it(victim *v)
{
        struct sockaddr_storage at;
        socklen_t n;
        address_of(v->fds[0], &at, &n);
        v->fds[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sendto(v->fds[1], "x", 1, 0, (struct sockaddr *)&at, n);
}

static int fill_with_datagrams(victim *v)
{
        TRY(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, v->fds) == 0);
        while (send(v->fds[1], "x", 1, MSG_DONTWAIT) == 1 || errno == EINTR)
                errno = 0;
        return 0;
}

static void drain(victim *v)
{
        char byte;
        while (recv(v->fds[0], &byte, 1, MSG_DONTWAIT) == 1 || errno == EINTR)
                errno = 0;
}

static int64_t send_one(victim *v)
{
        return rein_sendto(v->fds[1], "x", 1, NULL, REIN_NEVER);
}

static int64_t find_names(victim *v)
{
        (void)v;
        for (int i = 0; i < 8; i++) {
                rein_addr at;
                int rc = rein_addr_find(-1, "localhost", "9", &at, REIN_NEVER);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static int64_t wait_signal(victim *v)
{
        (void)v;
        return rein_wait_signal(SIGUSR2, REIN_NEVER);
}

static void send_signal(victim *v)
{
        (void)v;
        kill(getpid(), SIGUSR2); /* every thread blocks it */
}

/* ---- children ---- */

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})
static char cat[] = "cat", sleep_long[] = "sleep", long_time[] = "1000", nothing[] = "true";

static int start_cat(victim *v)
{
        TRY(rein_child_start(&v->child, WORDS(cat), REIN_CHILD(.in = REIN_CHILD_PIPE, .err = REIN_CHILD_NULL)) == 0);
        return 0;
}

static int start_sleep(victim *v)
{
        TRY(rein_child_start(&v->child, WORDS(sleep_long, long_time),
                             REIN_CHILD(.out = REIN_CHILD_NULL, .err = REIN_CHILD_NULL)) == 0);
        return 0;
}

static int64_t wait_child(victim *v)
{
        v->end.size = sizeof v->end;
        int rc = rein_child_wait(v->child, &v->end, REIN_NEVER);
        return rc == 0 && v->end.code != 0 ? -EPROTO : rc;
}

static int64_t wait_child_canceled(victim *v)
{
        v->end.size = sizeof v->end;
        int rc = rein_child_wait(v->child, &v->end, REIN_NEVER);
        return v->end.gone && v->end.signo == SIGTERM && v->end.stopped_by == SIGTERM ? rc : -EPROTO;
}

static int64_t run_children(victim *v)
{
        for (int i = 0; i < 4; i++) {
                v->end.size = sizeof v->end;
                int rc = rein_child_run(WORDS(nothing), NULL, &v->end);
                if (rc < 0 || v->end.code != 0)
                        return rc < 0 ? rc : -EPROTO;
        }
        return 0;
}

static void close_its_input(victim *v)
{
        close(rein_child_pipe(v->child, 0));
}

static void free_child(victim *v)
{
        rein_child_free(v->child);
}

/* ---- futures, groups, executors ---- */

static int make_gates(victim *v)
{
        v->gate = gate_new();
        v->other = gate_new();
        return 0;
}

static void open_gate(victim *v)
{
        gate_open(&v->gate);
}

static void open_both(victim *v)
{
        gate_open(&v->gate);
        gate_open(&v->other);
}

static void free_gates(victim *v)
{
        gate_free(&v->gate);
        gate_free(&v->other);
}

static int64_t await(victim *v)
{
        return gate_pass(&v->gate);
}

static int64_t wait_all(victim *v)
{
        return rein_wait_all((rein_future *[]){v->gate.open, v->other.open}, 2, REIN_NEVER);
}

static int64_t wait_any(victim *v)
{
        return rein_wait_any((rein_future *[]){v->other.open, v->gate.open}, 2, REIN_NEVER);
}

static int64_t wait_first(victim *v)
{
        return rein_wait_first((rein_future *[]){v->other.open, v->gate.open}, 2, REIN_NEVER);
}

static int64_t as_completed(victim *v)
{
        rein_done done;
        rein_done_open(&done, (rein_future *[]){v->other.open, v->gate.open}, 2);
        int rc = rein_done_next(&done, REIN_NEVER);
        rein_done_close(&done);
        return rc;
}

static int64_t close_group(victim *v)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, helpers, job_pass, &v->gate, NULL);
        rein_spawn(&g, helpers, job_pass, &v->gate, NULL);
        return rein_group_close(&g, 0);
}

static int64_t spawn_where_it_is_full(victim *v)
{
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.width = 1));
        rein_spawn(&g, helpers, job_pass, &v->gate, NULL);
        rein_spawn(&g, helpers, job_pass, &v->gate, NULL);
        return rein_group_close(&g, 0);
}

static int64_t run_on(victim *v)
{
        return rein_on(helpers, job_pass, &v->gate, REIN_JOB(.on_worker = true));
}

static int64_t run_in_a_thread(victim *v)
{
        return rn_self()->backend->offload ? rein_to_thread(job_pass, &v->gate, NULL) : gate_pass(&v->gate);
}

static int make_a_full_pool(victim *v)
{
        make_gates(v);
        v->x = rein_pool_new(REIN_POOL(.name = "full", .threads = 1, .queue_max = 1));
        TRY(v->x);
        for (int i = 0; i < 2; i++) {
                rein_drop(rein_submit(v->x, job_pass, &v->gate, REIN_JOB(.on_worker = true)));
                EVENTUALLY(rein_executor_queued(v->x) == (size_t)i);
        }
        return 0;
}

static int64_t submit_where_it_is_full(victim *v)
{
        rein_future *f = rein_submit(v->x, job_pass, &v->gate, REIN_JOB(.on_worker = true));
        int rc = rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        return rc;
}

static int make_a_busy_pool(victim *v)
{
        make_gates(v);
        v->x = rein_pool_new(REIN_POOL(.name = "busy", .threads = 2));
        TRY(v->x);
        rein_drop(rein_submit(v->x, job_pass, &v->gate, REIN_JOB(.on_worker = true)));
        return 0;
}

static int64_t stop_pool(victim *v)
{
        return rein_executor_stop(v->x, REIN_STOP_QUEUED, REIN_NEVER, NULL);
}

static void free_pool(victim *v)
{
        rein_executor_free(v->x);
        free_gates(v);
}

/* ---- objects ---- */

static int make_mutex(victim *v)
{
        TRY((v->mutex = rein_mutex_new()) && rein_mutex_lock(v->mutex, REIN_NEVER) == 0);
        return 0;
}

static int64_t lock_mutex(victim *v)
{
        int rc = rein_mutex_lock(v->mutex, REIN_NEVER);
        return rc < 0 ? rc : rein_mutex_unlock(v->mutex);
}

static void unlock_mutex(victim *v)
{
        (void)rein_mutex_unlock(v->mutex);
}

static void free_mutex(victim *v)
{
        rein_mutex_free(v->mutex);
}

static int make_cond(victim *v)
{
        TRY((v->mutex = rein_mutex_new()) && (v->object = rein_cond_new(v->mutex)));
        return 0;
}

static int64_t wait_cond(victim *v)
{
        TRY(rein_mutex_lock(v->mutex, REIN_NEVER) == 0);
        int rc = rein_cond_wait(v->object, REIN_NEVER);
        return rein_mutex_unlock(v->mutex) == 0 ? rc : -EPROTO;
}

static void signal_cond(victim *v)
{
        (void)rein_mutex_lock(v->mutex, REIN_NEVER);
        rein_cond_signal(v->object);
        (void)rein_mutex_unlock(v->mutex);
}

static void free_cond(victim *v)
{
        rein_cond_free(v->object);
        rein_mutex_free(v->mutex);
}

static int make_sem(victim *v)
{
        TRY((v->object = rein_sem_new(1)));
        return 0;
}

static int64_t acquire_two(victim *v)
{
        return rein_sem_acquire(v->object, 2, REIN_NEVER);
}

static void release_one(victim *v)
{
        rein_sem_release(v->object, 1);
}

static void free_sem(victim *v)
{
        rein_sem_free(v->object);
}

static int make_event(victim *v)
{
        TRY((v->object = rein_event_new()));
        return 0;
}

static int64_t wait_event(victim *v)
{
        return rein_event_wait(v->object, REIN_NEVER);
}

static void set_event(victim *v)
{
        rein_event_set(v->object);
}

static void free_event(victim *v)
{
        rein_event_free(v->object);
}

static int make_barrier(victim *v)
{
        TRY((v->object = rein_barrier_new(2)));
        return 0;
}

static int64_t arrive(victim *v)
{
        return rein_barrier_arrive(v->object, REIN_NEVER);
}

static void arrive_too(victim *v)
{
        (void)rein_barrier_arrive(v->object, REIN_NEVER);
}

static void free_barrier(victim *v)
{
        rein_barrier_free(v->object);
}

static int make_chan(victim *v)
{
        TRY((v->object = rein_chan_new(sizeof(int), 0, NULL)));
        return 0;
}

static int64_t send_item(victim *v)
{
        return rein_chan_send(v->object, &(int){7}, REIN_NEVER);
}

static void receive_item(victim *v)
{
        int item = 0;
        (void)rein_chan_recv(v->object, &item, REIN_NEVER);
}

static int64_t receive_seven(victim *v)
{
        int item = 0, rc = rein_chan_recv(v->object, &item, REIN_NEVER);
        return rc == 1 && item != 7 ? -EPROTO : rc;
}

static void send_seven(victim *v)
{
        (void)rein_chan_send(v->object, &(int){7}, REIN_NEVER);
}

static void free_chan(victim *v)
{
        rein_chan_free(v->object);
}

static int64_t select_chan(victim *v)
{
        int item = 0;
        rein_case cases[] = {REIN_ON_TIME(REIN_NEVER), REIN_ON_RECV(v->object, &item)};
        int which = rein_select(cases, 2, REIN_NEVER);
        return which == 1 && (item != 7 || cases[1].result != 1) ? -EPROTO : which;
}

static int64_t select_fd(victim *v)
{
        rein_case cases[] = {REIN_ON_FD(v->fds[0], POLLIN)};
        int which = rein_select(cases, 1, REIN_NEVER);
        return which == 0 && cases[0].result != POLLIN ? -EPROTO : which;
}

static int64_t select_two_fds(victim *v)
{
        rein_case cases[] = {REIN_ON_FD(v->more_fds[0], POLLIN), REIN_ON_FD(v->fds[0], POLLIN)};
        int which = rein_select(cases, 2, REIN_NEVER);
        return which == 1 && cases[1].result != POLLIN ? -EPROTO : which;
}

static int64_t select_future(victim *v)
{
        rein_case cases[] = {REIN_ON_SETTLED(v->other.open), REIN_ON_SETTLED(v->gate.open)};
        return rein_select(cases, 2, REIN_NEVER);
}

/* ---- foreign calls, which are interrupted themselves ---- */

static ssize_t read_past_signals(int fd)
{
        char byte;
        ssize_t n;
        do
                n = read(fd, &byte, 1); /* foreign: whatever reads in a region gets its EINTR itself */
        while (n < 0 && errno == EINTR && rein_checkpoint() == 0);
        return n < 0 ? -errno : n;
}

static int64_t read_in_a_poked_region(victim *v)
{
        rein_hook region;
        int rc = rein_hook_open(&region, REIN_POKE, NULL);
        return rc < 0 ? rc : rein_hook_close(&region, (int)read_past_signals(v->fds[0]));
}

static void stop_reading(void *arg)
{
        write_byte(arg);
}

static int64_t read_in_a_hooked_region(victim *v)
{
        rein_hook region;
        int rc = rein_hook_open(&region, stop_reading, v);
        return rc < 0 ? rc : rein_hook_close(&region, (int)read_past_signals(v->fds[0]));
}

/* ---- the kinds ---- */

#define KIND(...)                                                                                                      \
        {                                                                                                              \
                __VA_ARGS__, false                                                                                     \
        }
#define BLOCKING(...)                                                                                                  \
        {                                                                                                              \
                __VA_ARGS__, true                                                                                      \
        }

static const kind kinds[] = {
        KIND("sleep", "rein_sleep", REIN_ECANCELED, NULL, sleep_for_ever, cancel_call, NULL),
        KIND("sleep until", NULL, 0, NULL, sleep_a_while, NULL, NULL),
        KIND("await until", NULL, REIN_ETIMEOUT, make_gates, await_a_while, NULL, free_gates),
        KIND("retry", NULL, -EBUSY, NULL, retry, NULL, NULL),
        KIND("deadline", NULL, REIN_ETIMEOUT, NULL, sleep_within_a_deadline, NULL, NULL),
        KIND("wait_fd", "rein_wait_fd", POLLIN, make_pipe, wait_fd, write_byte, close_all),
        KIND("read a pipe", "rein_read", 1, make_pipe, read_byte, write_byte, close_all),
        KIND("read a socket", "rein_read", 1, make_sockets, read_byte, write_byte, close_all),
        KIND("write a pipe", "rein_write", MUCH, make_pipe, write_much, read_much, close_all),
        KIND("write a socket", "rein_write", MUCH, make_sockets, write_much, read_much, close_all),
        KIND("accept", "rein_accept", 0, listen_at_a_port, accept_one, connect_to_it, close_all),
        KIND("connect", "rein_connect", REIN_ECANCELED, fill_a_listener, connect_in_vain, cancel_call, close_all),
        KIND("recvfrom", "rein_recvfrom", 1, bind_a_port, receive, send_to_it, close_all),
        KIND("sendto", "rein_sendto", 1, fill_with_datagrams, send_one, drain, close_all),
        KIND("addr_find", NULL, 0, NULL, find_names, NULL, NULL),
        KIND("wait_signal", "rein_wait_signal", SIGUSR2, NULL, wait_signal, send_signal, NULL),
        KIND("child_wait", "rein_child_wait", 0, start_cat, wait_child, close_its_input, free_child),
        KIND("child_wait, cancelled", "rein_child_wait", REIN_ECANCELED, start_sleep, wait_child_canceled, cancel_call,
             free_child),
        KIND("child_run", NULL, 0, NULL, run_children, NULL, NULL),
        KIND("await", "rein_await", 0, make_gates, await, open_gate, free_gates),
        KIND("wait_all", "rein_wait_all", 0, make_gates, wait_all, open_both, free_gates),
        KIND("wait_any", "rein_wait_any", 1, make_gates, wait_any, open_gate, free_gates),
        KIND("wait_first", "rein_done_next", 1, make_gates, wait_first, open_gate, free_gates),
        KIND("done_next", "rein_done_next", 1, make_gates, as_completed, open_gate, free_gates),
        KIND("group_close", "the children of the group of", 0, make_gates, close_group, open_gate, free_gates),
        KIND("spawn", "rein_spawn, for a place in the group of", 0, make_gates, spawn_where_it_is_full, open_gate,
             free_gates),
        KIND("on", "rein_on", 0, make_gates, run_on, open_gate, free_gates),
        KIND("to_thread", NULL, 0, make_gates, run_in_a_thread, open_gate, free_gates),
        KIND("submit", "rein_submit, for room in", 0, make_a_full_pool, submit_where_it_is_full, open_gate, free_pool),
        KIND("executor_stop", "rein_executor_stop", 0, make_a_busy_pool, stop_pool, open_gate, free_pool),
        KIND("mutex_lock", "rein_mutex_lock", 0, make_mutex, lock_mutex, unlock_mutex, free_mutex),
        KIND("cond_wait", "rein_cond_wait", 0, make_cond, wait_cond, signal_cond, free_cond),
        KIND("sem_acquire", "rein_sem_acquire", 0, make_sem, acquire_two, release_one, free_sem),
        KIND("event_wait", "rein_event_wait", 0, make_event, wait_event, set_event, free_event),
        KIND("barrier_arrive", "rein_barrier_arrive", 0, make_barrier, arrive, arrive_too, free_barrier),
        KIND("chan_send", "rein_chan_send", 0, make_chan, send_item, receive_item, free_chan),
        KIND("chan_recv", "rein_chan_recv", 1, make_chan, receive_seven, send_seven, free_chan),
        KIND("select a channel", "rein_select", 1, make_chan, select_chan, send_seven, free_chan),
        KIND("select a descriptor", "rein_select", 0, make_pipe, select_fd, write_byte, close_all),
        KIND("select two descriptors", "rein_select", 1, make_two_pipes, select_two_fds, write_byte, close_all),
        KIND("select a future", "rein_select", 1, make_gates, select_future, open_gate, free_gates),
        BLOCKING("a region with the poke", "hook region", REIN_ECANCELED, make_pipe, read_in_a_poked_region,
                 cancel_call, close_all),
        BLOCKING("a region with a hook", "hook region", REIN_ECANCELED, make_pipe, read_in_a_hooked_region, cancel_call,
                 close_all),
};

static int suffer(void *arg)
{
        victim *v = arg;
        v->hits = &hits_here;
        rein_scope_open(&v->scope, REIN_NEVER);
        v->scoped = true;
        sit(&v->seat);
        v->rc = v->kind->call(v);
        (void)rein_scope_close(&v->scope, 0);
        v->ended = true;
        return 0;
}

static void *suffer_in_a_thread(void *arg)
{
        suffer(arg);
        return NULL;
}

static void start(victim *v, int place)
{
        if (place == PLAIN)
                v->thread = go(suffer_in_a_thread, v);
        else
                v->future = rein_submit(in[place], suffer, v, REIN_JOB(.on_worker = true));
}

/* Before it was given what it waits for: some signal did that. */
static void must_still_wait(const victim *v, int place)
{
        if (v->ended)
                fail_msg("%s, in place %d, came back by itself: %lld (%s)", v->kind->name, place, (long long)v->rc,
                         rein_code_name((int)v->rc));
}

static void end(victim *v, int place)
{
        if (place == PLAIN)
                join(v->thread);
        else
                assert_int_equal(ended(v->future), 0);
        if (v->rc != v->kind->expected)
                fail_msg("%s, in place %d: %lld (%s) and not %lld", v->kind->name, place, (long long)v->rc,
                         rein_code_name((int)v->rc), (long long)v->kind->expected);
        if (v->kind->clean_up)
                v->kind->clean_up(v);
}

/* One test has failed, and left its waiters behind: nothing that comes later would say more. */
static bool broken;

/* All of them wait side by side. */
static void all_kinds(int place)
{
        static victim all[COUNT(kinds)];
        unsigned hits[COUNT(kinds)] = {0};
        if (broken)
                skip();
        broken = true;
        for (size_t i = 0; i < COUNT(kinds); i++) {
                all[i] = (victim){.kind = &kinds[i]};
                if (kinds[i].prepare && kinds[i].prepare(&all[i]) != 0)
                        fail_msg("%s: %s", kinds[i].name, rein_error_text(rein_trail()));
        }
        for (size_t i = 0; i < COUNT(kinds); i++)
                if (place != LOOP || !kinds[i].blocks_its_thread)
                        start(&all[i], place);
        for (size_t i = 0; i < COUNT(kinds); i++) {
                if (!kinds[i].sits_in || (place == LOOP && kinds[i].blocks_its_thread))
                        continue;
                EVENTUALLY(all[i].ended || (all[i].scoped && sits_in(&all[i].seat, kinds[i].sits_in)));
                must_still_wait(&all[i], place);
                hits[i] = atomic_load(all[i].hits);
        }
        for (size_t i = 0; i < COUNT(kinds); i++) {
                if (place == LOOP && kinds[i].blocks_its_thread) {
                        kinds[i].clean_up(&all[i]);
                        continue;
                }
                if (kinds[i].sits_in) {
                        EVENTUALLY(all[i].ended || atomic_load(all[i].hits) >= hits[i] + 3);
                        must_still_wait(&all[i], place);
                }
                if (kinds[i].act)
                        kinds[i].act(&all[i]);
                end(&all[i], place);
        }
        broken = false;
}

static void test_every_call_is_waited_in_by_a_plain_thread(void **state)
{
        (void)state;
        all_kinds(PLAIN);
}

static void test_every_call_is_waited_in_by_a_thread_of_a_pool(void **state)
{
        (void)state;
        all_kinds(POOL);
}

static void test_every_call_is_waited_in_by_a_coroutine(void **state)
{
        (void)state;
        all_kinds(LOOP);
}

static void test_every_call_is_waited_in_by_a_coroutine_over_poll(void **state)
{
        (void)state;
        rein_executor *other = in[LOOP];
        in[LOOP] = rein_loop_new(REIN_LOOP(.name = "portable", .portable = true));
        all_kinds(LOOP);
        rein_executor_free(in[LOOP]);
        in[LOOP] = other;
}

/* ---- much of it, with exact counts ---- */

enum { ROUNDS = 1500 };

typedef struct table {
        int there[2], back[2];
        rein_chan *out, *in;
} table;

static int job_serve(void *arg)
{
        const table *t = arg;
        for (int i = 0; i < ROUNDS; i++) {
                int number;
                OK(rein_read(t->there[0], &number, sizeof number, REIN_NEVER) == sizeof number && number == i);
                OK(rein_write(t->back[1], &number, sizeof number, REIN_NEVER) == sizeof number);
                OK(rein_chan_recv(t->out, &number, REIN_NEVER) == 1 && number == -i);
                OK(rein_chan_send(t->in, &number, REIN_NEVER) == 0);
        }
        return 0;
}

static int job_play(void *arg)
{
        const table *t = arg;
        for (int i = 0; i < ROUNDS; i++) {
                int number = i;
                OK(rein_write(t->there[1], &number, sizeof number, REIN_NEVER) == sizeof number);
                OK(rein_read(t->back[0], &number, sizeof number, REIN_NEVER) == sizeof number && number == i);
                number = -i;
                OK(rein_chan_send(t->out, &number, REIN_NEVER) == 0);
                OK(rein_chan_recv(t->in, &number, REIN_NEVER) == 1 && number == -i);
        }
        return 0;
}

static void test_nothing_is_lost_or_there_twice(void **state)
{
        (void)state;
        if (broken)
                skip();
        for (int place = POOL; place < PLACES; place++) {
                table t = {.out = rein_chan_new(sizeof(int), 1, NULL), .in = rein_chan_new(sizeof(int), 0, NULL)};
                assert_int_equal(pipe2(t.there, O_CLOEXEC) | pipe2(t.back, O_CLOEXEC), 0);
                rein_future *server = rein_submit(in[place], job_serve, &t, REIN_JOB(.on_worker = true));
                rein_future *player = rein_submit(in[place], job_play, &t, REIN_JOB(.on_worker = true));
                const int served = ended(server), played = ended(player);
                if (served != 0 || played != 0)
                        fail_msg("in place %d: server line %d, player line %d", place, REIN_EUSER - served,
                                 REIN_EUSER - played);
                rein_chan_free(t.out);
                rein_chan_free(t.in);
                for (int i = 0; i < 2; i++) {
                        close(t.there[i]);
                        close(t.back[i]);
                }
        }
}

/* ---- main ---- */

static pthread_t storm[2];

static int begin(void **state)
{
        (void)state;
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        const struct sigaction ours = {.sa_handler = hit}; /* without SA_RESTART */
        sigaction(SIGTRAP, &ours, NULL);
        in[POOL] = rein_pool_new(REIN_POOL(.name = "pool", .threads = COUNT(kinds)));
        in[LOOP] = rein_loop_new(REIN_LOOP(.name = "loop"));
        helpers = rein_pool_new(REIN_POOL(.name = "helpers", .threads = 8));
        storm[0] = go(steady, NULL);
        storm[1] = go(at_random, NULL);
        return in[POOL] && in[LOOP] && helpers ? 0 : -1;
}

static int end_all(void **state)
{
        if (broken)
                _exit(1);
        close_places(state);
        rein_executor_free(helpers);
        calm = true;
        join(storm[0]);
        join(storm[1]);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        signal(SIGTRAP, SIG_IGN); /* which takes away the one that a thread has not been run for yet */
        signal(SIGTRAP, SIG_DFL);
        return 0;
}

/* ---- a program whose main thread has ended ---- */

static int told[2];

/* The first thread is there as long as the process is, as a zombie: then it takes no signal any more. */
static bool main_has_ended(void)
{
        char path[64], text[512] = "";
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
        FILE *f = fopen(path, "re");
        const size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        if (f)
                fclose(f);
        text[n] = 0;
        const char *name_ends = strrchr(text, ')');
        return name_ends && name_ends[1] == ' ' && name_ends[2] == 'Z';
}

static int tells_and_stays(void *arg)
{
        (void)arg;
        while (!main_has_ended())
                rein_sleep(rein_after(REIN_MS(1)));
        if (write(told[1], "x", 1) != 1)
                _exit(1);
        return rein_sleep(REIN_NEVER);
}

static int waits_for_it(void *signo)
{
        return rein_wait_signal(*(int *)signo, REIN_NEVER) == *(int *)signo ? (_exit(42), 0) : 0;
}

/* signo comes when main has ended and only threads of the library are left. waited: a job waits for it, and it is blocked. */
static int ended_by(int signo, bool waited)
{
        char byte;
        int status = 0;
        assert_int_equal(pipe2(told, O_CLOEXEC), 0);
        const pid_t child = fork();
        if (child == 0) {
                static int wanted;
                sigset_t one;
                wanted = signo;
                sigemptyset(&one);
                sigaddset(&one, signo);
                pthread_sigmask(waited ? SIG_BLOCK : SIG_UNBLOCK, &one, NULL);
                signal(signo, SIG_DFL);
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
                if (waited)
                        rein_drop(rein_submit(x, waits_for_it, &wanted, NULL));
                rein_drop(rein_submit(x, tells_and_stays, NULL, NULL));
                pthread_exit(NULL);
        }
        assert_true(child > 0);
        close(told[1]);
        ssize_t got;
        do /* this process is in the storm */
                got = read(told[0], &byte, 1);
        while (got < 0 && errno == EINTR);
        assert_int_equal(got, 1);
        close(told[0]);
        kill(child, signo);
        bool ended = false;
        COMES_TRUE(waitpid(child, &status, WNOHANG) == child, ended);
        if (!ended) {
                kill(child, SIGKILL);
                while (waitpid(child, &status, 0) < 0 && errno == EINTR)
                        ;
        }
        return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void test_a_signal_ends_a_program_of_which_only_threads_of_the_library_live(void **state)
{
        (void)state;
        static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
        for (size_t i = 0; i < COUNT(signals); i++)
                assert_int_equal(ended_by(signals[i], false), signals[i]);
}

static void test_one_that_main_blocked_is_for_the_job_that_waits_for_it(void **state)
{
        (void)state;
        assert_int_equal(ended_by(SIGTERM, true), -42);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_call_is_waited_in_by_a_plain_thread),
                cmocka_unit_test(test_every_call_is_waited_in_by_a_thread_of_a_pool),
                cmocka_unit_test(test_every_call_is_waited_in_by_a_coroutine),
                cmocka_unit_test(test_every_call_is_waited_in_by_a_coroutine_over_poll),
                cmocka_unit_test(test_nothing_is_lost_or_there_twice),
                cmocka_unit_test(test_a_signal_ends_a_program_of_which_only_threads_of_the_library_live),
                cmocka_unit_test(test_one_that_main_blocked_is_for_the_job_that_waits_for_it),
        };
        return cmocka_run_group_tests(tests, begin, end_all);
}
