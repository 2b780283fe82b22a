/* SPDX-License-Identifier: Apache-2.0 */
/* What tests/world/errors runs while calls of the operating system fail: small pieces of work, of which each makes certain
 * calls. Each answers 0, or the first error that a public call told; below every code of the library's it has seen something
 * that is wrong. Whatever fails, it gives back all it has made. */
#ifndef TESTS_WORLD_SCENES_H
#define TESTS_WORLD_SCENES_H

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "coro/arena.h"
#include "loop/loop.h"
#include "support.h"
#include "world/wrap.h"

int __real_close(int fd);
ssize_t __real_read(int fd, void *to, size_t n);
ssize_t __real_write(int fd, const void *from, size_t n);
int __real_poll(struct pollfd *set, nfds_t n, int ms);
pid_t __real_fork(void);
pid_t __real_waitpid(pid_t pid, int *status, int how);
int __real_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *span);
int __real_fcntl(int fd, int how, ...);
int __real_mkostemp(char *name, int flags);
int __real_unlink(const char *name);

/* For what comes at once: a wait that is forgotten ends, and tells so. */
#define LONG rein_after(REIN_SEC(10))

/* ---- scenarios: 0, or the first error that a public call answered ---- */

static bool narrow; /* only calls on the descriptor that the scenario is about are counted */

static void about(int fd)
{
        if (narrow)
                world_plan_fd(fd);
}

/* A result that is no error, and wrong: told by the line, below every code of the library's. */
#define RIGHT(condition)                                                                                               \
        do {                                                                                                           \
                if (rc >= 0 && !(condition))                                                                           \
                        rc = REIN_EUSER - __LINE__;                                                                    \
        } while (0)

/* One step, if those before it went well. */
#define STEP(call)                                                                                                     \
        do {                                                                                                           \
                int64_t rc_ = rc >= 0 ? (int64_t)(call) : 0;                                                           \
                if (rc_ < 0)                                                                                           \
                        rc = (int)rc_;                                                                                 \
        } while (0)

/* Only to clean up: an error of close(2) does not matter. */
static void give_back(int fd)
{
        if (fd >= 0)
                (void)rein_close(fd);
}

static int move_through(int from, int to, int subject)
{
        char got[16] = "";
        size_t n = 0;
        int rc = 0;
        about(subject);
        STEP(rein_write(to, "twelve bytes", 12, LONG));
        while (rc >= 0 && n < 12) {
                int64_t more = rein_read(from, got + n, 12 - n, LONG);
                STEP(more);
                RIGHT(more > 0);
                n += more > 0 ? (size_t)more : 0;
        }
        RIGHT(memcmp(got, "twelve bytes", 12) == 0);
        give_back(from);
        give_back(to);
        return rc < 0 ? rc : 0;
}

static int read_pipe(void)
{
        int ends[2];
        return pipe(ends) ? -errno : move_through(ends[0], ends[1], ends[0]);
}

static int close_pipe(void)
{
        int ends[2];
        if (pipe(ends))
                return -errno;
        const int first = rein_close(ends[0]), second = rein_close(ends[1]);
        return first < 0 ? first : second;
}

static int write_pipe(void)
{
        int ends[2];
        return pipe(ends) ? -errno : move_through(ends[0], ends[1], ends[1]);
}

static int read_socket(void)
{
        int ends[2];
        return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ? -errno : move_through(ends[0], ends[1], ends[0]);
}

static int write_socket(void)
{
        int ends[2];
        return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ? -errno : move_through(ends[0], ends[1], ends[1]);
}

/* Nobody reads: EPIPE, and the SIGPIPE that comes with it is taken away. */
static int write_for_nobody(void)
{
        int ends[2], rc = 0;
        if (pipe(ends))
                return -errno;
        __real_close(ends[0]);
        RIGHT(rein_write(ends[1], "x", 1, LONG) == -EPIPE);
        sigset_t pending;
        sigpending(&pending);
        RIGHT(sigismember(&pending, SIGPIPE) == 0);
        give_back(ends[1]);
        return rc;
}

static int wait_for_pipe(void)
{
        int ends[2], rc = 0;
        if (pipe(ends))
                return -errno;
        RIGHT(__real_write(ends[1], "x", 1) == 1);
        about(ends[0]);
        STEP(rein_wait_fd(ends[0], POLLIN, LONG));
        give_back(ends[0]);
        give_back(ends[1]);
        return rc;
}

/* Another thread wakes one that polls: by its wakefd. */
static int job_cancel_that(void *arg)
{
        seat *s = ((void **)arg)[0];
        bool sits;
        COMES_TRUE(task_polls(atomic_load(&s->task)), sits);
        rein_scope_cancel(((void **)arg)[1], "the test says so");
        return sits ? 0 : -EPROTO;
}

static int wake_one_that_polls(void)
{
        int ends[2], rc = 0;
        seat me = {NULL};
        rein_scope s;
        void *both[] = {&me, &s};
        if (pipe(ends))
                return -errno;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "pool", .threads = 1));
        if (!x)
                rc = rein_error_code(rein_trail());
        sit(&me);
        rein_scope_open(&s, REIN_NEVER);
        rein_future *f = x ? rein_submit(x, job_cancel_that, both, REIN_JOB(.on_worker = true)) : NULL;
        RIGHT(rein_wait_fd(ends[0], POLLIN, LONG) == REIN_ECANCELED);
        (void)rein_scope_close(&s, 0);
        if (f) {
                STEP(rein_await(f, NULL, REIN_NEVER));
                rein_drop(f);
        }
        rein_executor_free(x);
        give_back(ends[0]);
        give_back(ends[1]);
        return rc;
}

static int wait_for_signal(void)
{
        int rc = 0;
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_kill(pthread_self(), SIGUSR2); /* main blocks it */
        STEP(rein_wait_signal(SIGUSR2, LONG));
        (void)__real_sigtimedwait(&set, NULL, &(struct timespec){0, 0});
        return rc;
}

static const char *port_of(int fd, char text[REIN_ADDR_TEXT], int *rc)
{
        rein_addr own = {0};
        if (*rc >= 0)
                *rc = rein_addr_local(fd, &own);
        const char *colon = strrchr(rein_addr_text(&own, text), ':');
        return colon ? colon + 1 : "9";
}

static int tcp(void)
{
        char text[REIN_ADDR_TEXT];
        int rc = 0, here = -1, there = -1, at = rein_listen("127.0.0.1", "0", 4);
        STEP(at);
        const char *port = port_of(at, text, &rc);
        STEP(there = rein_connect("127.0.0.1", port, LONG));
        STEP(here = rein_accept(at, LONG));
        if (rc >= 0)
                STEP(move_through(here, there, here));
        else
                give_back(there);
        if (rc < 0 && here >= 0 && __real_fcntl(here, F_GETFD) >= 0)
                give_back(here);
        give_back(at);
        return rc < 0 ? rc : 0;
}

/* The listener alone is what poll, fcntl and accept4 are about. */
static int accept_one(void)
{
        char text[REIN_ADDR_TEXT];
        int rc = 0, here = -1, there = -1, at = rein_listen("127.0.0.1", "0", 4);
        STEP(at);
        const char *port = port_of(at, text, &rc);
        STEP(there = rein_connect("127.0.0.1", port, LONG));
        about(at);
        STEP(here = rein_accept(at, LONG));
        give_back(here);
        give_back(there);
        give_back(at);
        return rc < 0 ? rc : 0;
}

static int udp(void)
{
        char byte = 0, text[REIN_ADDR_TEXT];
        rein_addr own = {0}, whose;
        int rc = 0, b = -1, a = rein_udp_bind("127.0.0.1", "0");
        STEP(a);
        const char *port = port_of(a, text, &rc);
        STEP(b = rein_udp_connect("127.0.0.1", port, LONG));
        STEP(rein_sendto(b, "u", 1, NULL, LONG));
        STEP(rein_recvfrom(a, &byte, 1, &whose, LONG));
        RIGHT(byte == 'u');
        STEP(rein_addr_local(b, &own));
        RIGHT(rein_addr_equal(&own, &whose));
        give_back(a);
        give_back(b);
        return rc < 0 ? rc : 0;
}

/* Only what the thread does that looks it up. */
static int by_name(void)
{
        rein_addr at;
        world_mine(true);
        int rc = rein_addr_find(-1, "localhost", "9", &at, LONG);
        world_mine(false);
        return rc;
}

static int by_number(void)
{
        rein_addr at;
        return rein_addr_find(-1, "127.0.0.1", "9", &at, LONG);
}

/* ---- scenarios in a loop ---- */

typedef struct two_ends {
        int from, to;
} two_ends;

static int job_write_some(void *arg)
{
        int rc = 0;
        STEP(rein_write(((two_ends *)arg)->to, "twelve bytes", 12, LONG));
        return rc;
}

static int job_read_some(void *arg)
{
        char got[12];
        size_t n = 0;
        int rc = 0;
        while (rc >= 0 && n < 12) {
                int64_t more = rein_read(((two_ends *)arg)->from, got + n, 12 - n, LONG);
                STEP(more);
                RIGHT(more > 0);
                n += more > 0 ? (size_t)more : 0;
        }
        RIGHT(memcmp(got, "twelve bytes", 12) == 0);
        return rc < 0 ? rc : 0;
}

static int first_failure(rein_future *const f[], int n)
{
        int rc = 0;
        for (int i = 0; i < n; i++) {
                const int code = rein_code(f[i]);
                if (rc == 0 && code < 0 && code != REIN_ECANCELED)
                        rc = code;
        }
        return rc;
}

/* One waits for the other, at a descriptor that may block and at one that does not. */
static int pipes_in_a_loop(void *arg)
{
        two_ends e[2];
        int rc = 0;
        (void)arg;
        for (int i = 0; i < 2; i++)
                if (pipe((int *)&e[i]))
                        return -errno;
        for (int i = 0; i < 2; i++)
                (void)__real_fcntl(i ? e[1].to : e[1].from, F_SETFL, O_NONBLOCK);
        about(e[0].from);
        rein_group g;
        rein_future *f[4];
        rein_group_open(&g, NULL);
        for (int i = 0; i < 2; i++) {
                f[i] = rein_spawn_future(&g, NULL, job_read_some, &e[i], NULL);
                f[2 + i] = rein_spawn_future(&g, NULL, job_write_some, &e[i], NULL);
        }
        STEP(rein_sleep(rein_after(REIN_MS(1))));
        STEP(rein_group_join(&g, LONG));
        if (first_failure(f, 4) < 0)
                rc = first_failure(f, 4);
        const int closed = rein_group_close(&g, 0);
        RIGHT(closed == 0);
        for (int i = 0; i < 2; i++) {
                give_back(e[i].from);
                give_back(e[i].to);
        }
        return rc;
}

static int loop(void)
{
        return rein_run(pipes_in_a_loop, NULL, NULL);
}

static int portable_loop(void)
{
        return rein_run(pipes_in_a_loop, NULL, REIN_LOOP(.portable = true));
}

static int loop_of_an_old_kernel(void)
{
        world_missing("SYS_epoll_pwait2", ENOSYS);
        return loop();
}

/* Two wait for one descriptor, for different things: when the first is told, it is watched anew for the second. */
static int job_wait_for(void *arg)
{
        const int *fd_and_events = arg;
        int rc = rein_wait_fd(fd_and_events[0], fd_and_events[1], LONG);
        return rc < 0 ? rc : 0;
}

static int two_wait_for_one(void *arg)
{
        static char much[4096];
        int ends[2], rc = 0;
        (void)arg;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends))
                return -errno;
        while (__real_write(ends[0], much, sizeof much) > 0)
                ;
        about(ends[0]);
        int in[] = {ends[0], POLLIN}, out[] = {ends[0], POLLOUT};
        rein_group g;
        rein_future *f[2];
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        f[0] = rein_spawn_future(&g, NULL, job_wait_for, in, NULL);
        f[1] = rein_spawn_future(&g, NULL, job_wait_for, out, NULL);
        STEP(rein_sleep(REIN_NOWAIT));
        while (__real_read(ends[1], much, sizeof much) > 0)
                ;
        (void)rein_await(f[1], NULL, REIN_NEVER);
        RIGHT(__real_write(ends[1], "x", 1) == 1);
        STEP(rein_group_join(&g, LONG));
        if (first_failure(f, 2) < 0)
                rc = first_failure(f, 2);
        const int closed = rein_group_close(&g, 0);
        RIGHT(closed == 0);
        give_back(ends[0]);
        give_back(ends[1]);
        return rc;
}

static int two_in_a_loop(void)
{
        return rein_run(two_wait_for_one, NULL, NULL);
}

static int file_in_a_loop(void *arg)
{
        char name[] = "/tmp/rein-errors-XXXXXX";
        (void)arg;
        two_ends e = {.to = __real_mkostemp(name, O_CLOEXEC)};
        int rc = e.to < 0 ? -errno : 0;
        e.from = e.to;
        __real_unlink(name);
        about(e.to);
        STEP(job_write_some(&e));
        RIGHT(lseek(e.to, 0, SEEK_SET) == 0);
        STEP(job_read_some(&e));
        give_back(e.to);
        return rc;
}

static int file(void)
{
        return rein_run(file_in_a_loop, NULL, NULL);
}

/* Its thread sleeps in the kernel until it is rung. */
static bool sleeps(rein_executor *x)
{
        const rn_loop *l = rn_loop_of(x);
        int64_t cpu, call;
        uint64_t digest;
        const uint32_t id = rn_load32((rn_a32 *)(uintptr_t)&l->thread->thread_id);
        return rn_load32((rn_a32 *)(uintptr_t)&l->asleep) && rn_thread_probe(id, &cpu, &call, &digest) && call >= 0;
}

static int ring_a_loop(void)
{
        int rc = 0;
        bool asleep;
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "loop"));
        if (!x)
                return rein_error_code(rein_trail());
        for (int i = 0; i < 2; i++) {
                rein_future *f = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
                STEP(rein_await(f, NULL, REIN_NEVER));
                RIGHT(rein_code(f) == 7);
                rein_drop(f);
                COMES_TRUE(sleeps(x), asleep);
                RIGHT(asleep);
        }
        rein_executor_free(x);
        return rc;
}

static int accept_there(void *arg)
{
        (void)arg;
        return accept_one();
}

static int accept_in_a_loop(void)
{
        return rein_run(accept_there, NULL, NULL);
}

static int job_nap(void *arg)
{
        (void)arg;
        return rein_sleep(rein_after(REIN_MS(2)));
}

static int hosted(void)
{
        int rc = 0;
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "loop", .hosted = true));
        if (!x)
                return rein_error_code(rein_trail());
        int fd = rein_loop_fd(x);
        STEP(fd);
        rein_future *f = rein_submit(x, job_nap, NULL, NULL);
        while (rc >= 0 && rein_loop_turn(x) > 0)
                (void)__real_poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1000);
        STEP(rein_code(f) == REIN_EPENDING ? 0 : rein_code(f));
        rein_drop(f);
        rein_executor_free(x);
        return rc < 0 ? rc : 0;
}

static int select_two(void)
{
        int a[2], b[2], rc = 0;
        if (pipe(a) || pipe(b))
                return -errno;
        about(b[0]);
        RIGHT(__real_write(b[1], "x", 1) == 1);
        rein_case cases[] = {REIN_ON_FD(a[0], POLLIN), REIN_ON_FD(b[0], POLLIN),
                             REIN_ON_TIME(rein_after(REIN_SEC(30)))};
        int which = rein_select(cases, 3, LONG);
        STEP(which);
        if (which == 0 || which == 1)
                STEP(cases[which].result);
        RIGHT(which == 1 && cases[1].result == POLLIN);
        give_back(a[0]);
        give_back(a[1]);
        give_back(b[0]);
        give_back(b[1]);
        return rc < 0 ? rc : 0;
}

static int select_two_here(void *arg)
{
        (void)arg;
        return select_two();
}

static int select_in_a_loop(void)
{
        return rein_run(select_two_here, NULL, NULL);
}

/* ---- scenarios with threads ---- */

static int pool(void)
{
        int rc = 0;
        atomic_int runs = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "pool", .threads = 3, .stack_size = 256 << 10));
        if (!x)
                return rein_error_code(rein_trail());
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(x, job_count, &runs, REIN_JOB(.on_worker = true));
        STEP(rein_wait_all(f, 3, LONG));
        STEP(first_failure(f, 3));
        RIGHT(runs == 3);
        for (int i = 0; i < 3; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
        return rc;
}

/* The first thread that a pool needs is the one that cannot be had; of later ones it can do without. */
static int one_thread(void)
{
        int rc = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "pool", .threads = 1, .stack_size = 256 << 10));
        if (!x)
                return rein_error_code(rein_trail());
        rein_future *f = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
        const int awaited = rein_await(f, NULL, REIN_NEVER);
        RIGHT(awaited == 0 || awaited == REIN_EFAILED);
        STEP(rein_code(f));
        rein_drop(f);
        rein_executor_free(x);
        return rc;
}

static int default_pool(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "pool"));
        if (!x)
                return rein_error_code(rein_trail());
        rein_executor_free(x);
        return 0;
}

typedef struct reader {
        int end;
        atomic_int inside;
} reader;

static int job_read_in_a_region(void *arg)
{
        reader *r = arg;
        char byte;
        rein_hook region;
        int rc = rein_hook_open(&region, REIN_POKE, NULL);
        if (rc < 0)
                return rc;
        r->inside = 1;
        ssize_t n = __real_read(r->end, &byte, 1); /* foreign: the poke gets it out */
        return rein_hook_close(&region, n < 0 ? -errno : 0);
}

static int poke(void)
{
        int ends[2], rc = 0;
        if (pipe(ends))
                return -errno;
        reader r = {.end = ends[0]};
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "pool", .threads = 1));
        rein_future *f = rein_submit(x, job_read_in_a_region, &r, REIN_JOB(.on_worker = true));
        bool came;
        COMES_TRUE(r.inside == 1 || rein_code(f) != REIN_EPENDING, came);
        RIGHT(came);
        if (r.inside)
                rein_cancel(f, "enough");
        RIGHT(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED);
        STEP(rein_code(f) == REIN_ECANCELED ? 0 : rein_code(f));
        rein_drop(f);
        rein_executor_free(x);
        __real_close(ends[0]);
        __real_close(ends[1]);
        return rc;
}

/* A receipt of one that does not leave, with where it is. */
static int stuck(void)
{
        int rc = 0;
        stubborn s;
        bool came;
        stubborn_init(&s);
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "pool", .threads = 1, .grace_ns = 1));
        rein_future *f = rein_submit(x, stubborn_job, &s, REIN_JOB(.name = "stubborn"));
        COMES_TRUE(s.inside == 1, came);
        RIGHT(came);
        rein_receipt *receipt = NULL;
        rein_straggler one = {.size = sizeof one};
        RIGHT(rein_executor_stop(x, REIN_STOP_NOW, REIN_NOWAIT, &receipt) == REIN_ESTUCK);
        RIGHT(rein_receipt_at(receipt, 0, &one) && strcmp(one.name, "stubborn") == 0 && !one.gone);
        rein_receipt_free(receipt);
        stubborn_let_go(&s, 1);
        COMES_TRUE(rein_executor_unfinished(x) == 0, came);
        RIGHT(came);
        rein_drop(f);
        rein_executor_free(x);
        return rc;
}

/* A loop that watches its coroutines for overflows and for those that hold it up: it has a signal of its own. */
static int watched_loop(void)
{
        int rc = 0;
        rein_executor *x = rein_loop_new(
                REIN_LOOP(.name = "loop", .tell_overflow = true, .slow_ns = REIN_SEC(100), .slow_frames = true));
        if (!x)
                return rein_error_code(rein_trail());
        rein_future *f = rein_submit(x, job_nap, NULL, NULL);
        STEP(rein_await(f, NULL, REIN_NEVER));
        STEP(rein_code(f));
        rein_drop(f);
        rein_executor_free(x);
        return rc;
}

/* ---- scenarios with memory ---- */

static int coroutine_with_a_stack(void)
{
        int rc = 0;
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "loop"));
        if (!x)
                return rein_error_code(rein_trail());
        rein_future *f = rein_submit(x, job_nap, NULL, REIN_JOB(.stack_size = 1 << 20));
        (void)rein_await(f, NULL, REIN_NEVER);
        STEP(rein_code(f));
        rein_drop(f);
        rein_executor_free(x);
        return rc;
}

static int coroutine_guarded_by_maps(void)
{
        rn_guard_by_maps(true);
        int rc = coroutine_with_a_stack();
        rn_guard_by_maps(false);
        return rc;
}

/* So many stacks that not all arenas are kept. */
static int many_stacks(void)
{
        enum { MANY = RN_ARENA_SPARE + 1024 };
        static rn_arena *from[MANY];
        static char *low[MANY];
        int rc = 0, n = 0;
        size_t size;
        while (rc == 0 && n < MANY && (rc = rn_arena_take(16 << 10, &low[n], &size, &from[n])) == 0)
                n++;
        for (int i = 0; i < n; i++)
                rn_arena_give(from[i], low[i]);
        RIGHT(rn_arenas_now().used == 0);
        return rc;
}

static int job_busy(void *arg)
{
        (void)arg;
        return -EBUSY;
}

/* A child that comes from a fork is told whose the parent's objects are. */
static int object_in_a_fork(void)
{
        rein_mutex *m = rein_mutex_new();
        int rc = m ? rein_mutex_lock(m, REIN_NEVER) : -ENOMEM, status = 0;
        pid_t pid = __real_fork();
        if (pid == 0)
                _exit(rein_mutex_lock(m, REIN_NOWAIT) == -EPERM ? 0 : 1);
        RIGHT(__real_waitpid(pid, &status, 0) == pid && status == 0);
        (void)rein_mutex_unlock(m);
        rein_mutex_free(m);
        return rc;
}

static int retry(void)
{
        int rc = 0;
        RIGHT(rein_retry(REIN_RETRY(.tries = 3, .delay_ns = 1000), job_busy, NULL) == -EBUSY);
        return rc;
}

/* ---- scenarios with children ---- */

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})
static char sh[] = "sh", minus_c[] = "-c", cat[] = "cat", sleep_long[] = "sleep", long_time[] = "1000";

/* Its input and output by pipes, its errors nowhere; a folder, a limit, a session. */
static int child(void)
{
        rein_child *c = NULL;
        rein_child_end end = {.size = sizeof end};
        const rein_child_limit limits[] = {{RLIMIT_CORE, 0, 0}};
        char got[16] = "";
        int rc = 0;
        STEP(rein_child_start(&c, WORDS(cat),
                              REIN_CHILD(.in = REIN_CHILD_PIPE, .out = REIN_CHILD_PIPE, .err = REIN_CHILD_NULL,
                                         .cwd = "/", .session = true, .limits = limits, .limits_count = 1)));
        if (rc < 0)
                return rc;
        int in = rein_child_pipe(c, 0), out = rein_child_pipe(c, 1);
        STEP(rein_write(in, "hello", 5, LONG));
        give_back(in);
        STEP(rein_read(out, got, sizeof got, LONG));
        RIGHT(strcmp(got, "hello") == 0);
        give_back(out);
        STEP(rein_child_wait(c, &end, LONG));
        RIGHT(end.code == 0);
        rein_child_free(c);
        return rc;
}

/* Ours trade places, so that they have to move. */
static int child_with_crossed_descriptors(void)
{
        rein_child_end end = {.size = sizeof end};
        static char script[] = "exit 7";
        int rc = 0;
        STEP(rein_child_run(WORDS(sh, minus_c, script),
                            REIN_CHILD(.in = REIN_CHILD_FD(2), .out = REIN_CHILD_FD(2), .err = REIN_CHILD_FD(1)),
                            &end));
        RIGHT(end.code == 7);
        return rc;
}

static int child_in_our_group(void)
{
        rein_child *c = NULL;
        rein_child_end end = {.size = sizeof end};
        int rc = 0;
        STEP(rein_child_start(&c, WORDS(sleep_long, long_time),
                              REIN_CHILD(.same_group = true, .out = REIN_CHILD_NULL, .err = REIN_CHILD_NULL)));
        if (rc < 0)
                return rc;
        STEP(rein_child_signal(c, SIGINT));
        if (rc < 0)
                rein_child_stop(c, NULL);
        STEP(rein_child_wait(c, &end, LONG));
        RIGHT(end.signo == SIGINT);
        rein_child_free(c);
        return rc;
}

static int child_in_its_group(void)
{
        rein_child *c = NULL;
        rein_child_end end = {.size = sizeof end};
        int rc = 0;
        STEP(rein_child_start(&c, WORDS(sleep_long, long_time),
                              REIN_CHILD(.out = REIN_CHILD_NULL, .err = REIN_CHILD_NULL)));
        if (rc < 0)
                return rc;
        STEP(rein_child_signal(c, SIGINT));
        if (rc < 0)
                rein_child_stop(c, NULL);
        STEP(rein_child_wait(c, &end, LONG));
        RIGHT(end.signo == SIGINT);
        rein_child_free(c);
        return rc;
}

#endif
