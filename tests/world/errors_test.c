/* SPDX-License-Identifier: Apache-2.0 */
/* Each call of the operating system that the library makes, and each error that its manual page names: the table says what
 * becomes of it, and a scenario is run in which the k-th such call answers it. scripts/check_calls.py complains when the
 * library makes a call that is not in the table.
 *
 *      AGAIN     the call is made again, or what it was for is done in another way: the scenario does not notice
 *      HARMLESS  nothing depends on it: the scenario does not notice
 *      TOLD      the public call answers this error, or the one that stands in the table for it
 *
 * Whatever comes, the scenario works again afterwards, and nothing is left: no descriptor, no block of memory, no thread,
 * no child. No descriptor is ever closed twice. */
#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
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
        COMES_TRUE(sits_in(s, "rein_wait_fd"), sits);
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
        STEP(rein_child_run(WORDS(sh, minus_c, script), REIN_CHILD(.in = 2, .out = 2, .err = 1), &end));
        RIGHT(end.code == 7);
        return rc;
}

static int child_in_our_group(void)
{
        rein_child *c = NULL;
        rein_child_end end = {.size = sizeof end};
        int rc = 0;
        STEP(rein_child_start(&c, WORDS(sleep_long, long_time), REIN_CHILD(.same_group = true)));
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
        STEP(rein_child_start(&c, WORDS(sleep_long, long_time), NULL));
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

/* ---- the table ---- */

typedef enum verdict { AGAIN, HARMLESS, TOLD } verdict;

enum { NOT_NARROW = 1, FRESH = 2, MOST_ERRORS = 16 };

typedef struct row {
        const char *call, *file;
        verdict verdict;
        int (*scenario)(void);
        unsigned how; /* NOT_NARROW: on every descriptor; FRESH: in a process that has not used the library */
        int told;     /* the code instead, above 0; 0: the error's own */
        int errors[MOST_ERRORS]; /* up to a 0 */
} row;

static const row table[] = {
#define FD "src/plat/linux/fd.c"
        {"ppoll", FD, AGAIN, wait_for_pipe, 0, 0, {EINTR}},
        {"ppoll", FD, TOLD, wait_for_pipe, 0, 0, {ENOMEM, EINVAL, EFAULT}},
        {"ppoll", FD, HARMLESS, read_pipe, 0, 0, {WORLD_HUP}}, /* POLLHUP alone: what is there is read all the same */
        {"eventfd", FD, TOLD, wait_for_pipe, FRESH, 0, {EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL}},
        {"write", FD, AGAIN, write_pipe, 0, 0, {EINTR, EAGAIN, WORLD_SHORT}},
        {"write", FD, TOLD, write_pipe, 0, 0, {EIO, ENOSPC, EDQUOT, EFBIG, EPERM, EBADF, EINVAL, EFAULT}},
        {"write",
         FD,
         AGAIN,
         wake_one_that_polls,
         NOT_NARROW,
         0,
         {EINTR}}, /* EAGAIN would say: it is readable already */
        {"read", FD, AGAIN, read_pipe, 0, 0, {EINTR, EAGAIN, WORLD_SHORT}},
        {"read", FD, TOLD, read_pipe, 0, 0, {EIO, EISDIR, EBADF, EINVAL, EFAULT}},
        {"read", FD, AGAIN, wake_one_that_polls, NOT_NARROW, 0, {EINTR, EAGAIN}},
        {"read", FD, AGAIN, wait_for_signal, NOT_NARROW, 0, {EINTR, EAGAIN}},
        {"read", FD, TOLD, wait_for_signal, NOT_NARROW, 0, {EIO, EINVAL}},
        {"recv", FD, AGAIN, read_socket, 0, 0, {EINTR, EAGAIN, WORLD_SHORT}},
        {"recv", FD, TOLD, read_socket, 0, 0, {ECONNREFUSED, ECONNRESET, ENOMEM, ENOTCONN, ETIMEDOUT, EBADF, EINVAL}},
        {"send", FD, AGAIN, write_socket, 0, 0, {EINTR, EAGAIN, WORLD_SHORT}},
        {"send",
         FD,
         TOLD,
         write_socket,
         0,
         0,
         {EACCES, EALREADY, ECONNRESET, EDESTADDRREQ, EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN, EOPNOTSUPP, EPIPE,
          EBADF, EINVAL}},
        {"preadv2", FD, AGAIN, file, 0, 0, {EINTR, EAGAIN, ENOSYS, EOPNOTSUPP, EINVAL, WORLD_SHORT}},
        {"preadv2", FD, TOLD, file, 0, 0, {EIO, EISDIR, EBADF, EFAULT, EOVERFLOW}},
        {"pwritev2", FD, AGAIN, file, 0, 0, {EINTR, EAGAIN, ENOSYS, EOPNOTSUPP, EINVAL, WORLD_SHORT}},
        {"pwritev2", FD, TOLD, file, 0, 0, {EIO, ENOSPC, EDQUOT, EFBIG, EPERM, EBADF, EFAULT}},
        {"preadv2", FD, AGAIN, loop, 0, 0, {EINTR, EAGAIN, ENOSYS, EOPNOTSUPP, EINVAL, WORLD_SHORT}},
        {"fstat", FD, HARMLESS, read_pipe, 0, 0, {ENOMEM, EOVERFLOW, EBADF}}, /* then it is polled first */
        {"fcntl:F_GETFL", FD, HARMLESS, accept_in_a_loop, 0, 0, {EBADF}},     /* then it may block */
        {"close", FD, HARMLESS, read_pipe, NOT_NARROW, 0, {EINTR, EIO, ENOSPC, EDQUOT}},
        {"close", FD, HARMLESS, wait_for_signal, NOT_NARROW, 0, {EINTR, EIO}},
        {"sigaction", FD, HARMLESS, loop, NOT_NARROW, 0, {EINVAL, EFAULT}}, /* then ^C is the program's */
        {"sigpending", FD, HARMLESS, write_pipe, NOT_NARROW, 0, {EFAULT}},
        {"sigtimedwait", FD, AGAIN, write_for_nobody, NOT_NARROW, 0, {EINTR}},
        {"pthread_sigmask", FD, HARMLESS, NULL, 0, 0, {0}}, /* fails for another manner alone */
        {"signalfd", FD, TOLD, wait_for_signal, NOT_NARROW, 0, {EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL}},

#define SOCKET "src/plat/linux/socket.c"
        {"getaddrinfo",
         SOCKET,
         AGAIN,
         by_number,
         0,
         0,
         {-EAI_NONAME, -EAI_FAIL, -EAI_FAMILY, -EAI_SERVICE}}, /* a name? */
        {"getaddrinfo", SOCKET, TOLD, by_number, 0, ENOMEM, {-EAI_MEMORY}},
        {"getaddrinfo",
         SOCKET,
         TOLD,
         by_name,
         0,
         EADDRNOTAVAIL,
         {-EAI_NONAME, -EAI_FAIL, -EAI_FAMILY, -EAI_SERVICE, -EAI_SOCKTYPE, -EAI_NODATA, -EAI_ADDRFAMILY}},
        {"getaddrinfo", SOCKET, TOLD, by_name, 0, ENOMEM, {-EAI_MEMORY}},
        {"getaddrinfo", SOCKET, TOLD, by_name, 0, EAGAIN, {-EAI_AGAIN}},
        {"getaddrinfo:EAI_SYSTEM", SOCKET, TOLD, by_name, 0, 0, {EMFILE, ENFILE, ENOMEM, EIO}},
        {"getaddrinfo:EAI_SYSTEM", SOCKET, TOLD, by_number, 0, 0, {EMFILE, ENFILE, ENOMEM, EIO}},
        {"getaddrinfo:EAI_SYSTEM", SOCKET, AGAIN, by_number, 0, 0, {EINTR}},
        {"getaddrinfo:EAI_SYSTEM", SOCKET, AGAIN, by_name, 0, 0, {EINTR}},
        {"socket",
         SOCKET,
         TOLD,
         tcp,
         0,
         0,
         {EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTONOSUPPORT}},
        {"socket", SOCKET, TOLD, udp, 0, 0, {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
        {"setsockopt", SOCKET, HARMLESS, tcp, NOT_NARROW, 0, {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK}},
        {"bind",
         SOCKET,
         TOLD,
         tcp,
         NOT_NARROW,
         0,
         {EACCES, EADDRINUSE, EBADF, EINVAL, ENOTSOCK, EADDRNOTAVAIL, ENOMEM}},
        {"bind", SOCKET, TOLD, udp, NOT_NARROW, 0, {EACCES, EADDRINUSE, EADDRNOTAVAIL}},
        {"listen", SOCKET, TOLD, tcp, NOT_NARROW, 0, {EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP}},
        {"accept4",
         SOCKET,
         AGAIN,
         accept_one,
         0,
         0,
         {EINTR, EAGAIN, ECONNABORTED, ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH}},
        {"accept4",
         SOCKET,
         TOLD,
         accept_one,
         0,
         0,
         {EMFILE, ENFILE, ENOBUFS, ENOMEM, EBADF, EFAULT, EINVAL, ENOTSOCK, EOPNOTSUPP, EPERM}},
        {"connect",
         SOCKET,
         TOLD,
         tcp,
         NOT_NARROW,
         0,
         {EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, ECONNREFUSED, EISCONN,
          ENETUNREACH, ENOTSOCK, EPROTOTYPE, ETIMEDOUT}},
        {"connect", SOCKET, TOLD, udp, NOT_NARROW, 0, {EACCES, ENETUNREACH, EAGAIN}},
        {"getsockopt", SOCKET, TOLD, tcp, NOT_NARROW, 0, {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK}},
        {"sendto", SOCKET, AGAIN, udp, NOT_NARROW, 0, {EINTR, EAGAIN}},
        {"sendto",
         SOCKET,
         TOLD,
         udp,
         NOT_NARROW,
         0,
         {EACCES, ECONNREFUSED, EMSGSIZE, ENOBUFS, ENOMEM, EPIPE, EDESTADDRREQ, ENOTSOCK, EBADF}},
        {"recvmsg", SOCKET, AGAIN, udp, NOT_NARROW, 0, {EINTR, EAGAIN}},
        {"recvmsg",
         SOCKET,
         TOLD,
         udp,
         NOT_NARROW,
         0,
         {ECONNREFUSED, ENOMEM, ENOTCONN, ENOTSOCK, EBADF, EFAULT, EINVAL}},
        {"getsockname", SOCKET, TOLD, udp, NOT_NARROW, 0, {EBADF, EFAULT, EINVAL, ENOBUFS, ENOTSOCK}},
        {"close", SOCKET, HARMLESS, tcp, NOT_NARROW, 0, {EINTR, EIO}},

#define POLLER "src/plat/linux/poller.c"
        {"eventfd", POLLER, TOLD, loop, NOT_NARROW, 0, {EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL}},
        {"epoll_create1", POLLER, TOLD, loop, NOT_NARROW, 0, {EMFILE, ENFILE, ENOMEM, EINVAL}},
        {"epoll_create1", POLLER, TOLD, select_two, NOT_NARROW, 0, {EMFILE, ENFILE, ENOMEM}},
        {"epoll_ctl", POLLER, TOLD, hosted, NOT_NARROW, 0, {EEXIST, ENOMEM, ENOSPC, ELOOP, EPERM, EBADF, EINVAL}},
        {"epoll_ctl", POLLER, TOLD, select_two, NOT_NARROW, 0, {ENOMEM, ENOSPC}},
        {"SYS_epoll_ctl", POLLER, TOLD, loop, 0, 0, {ENOMEM, ENOSPC, ELOOP}},
        {"SYS_epoll_ctl", POLLER, TOLD, two_in_a_loop, 0, 0, {ENOMEM, ENOSPC, EBADF}},
        {"SYS_epoll_ctl", POLLER, TOLD, select_two, NOT_NARROW, 0, {ENOMEM, ENOSPC, EBADF}},
        {"SYS_epoll_pwait2", POLLER, AGAIN, loop, NOT_NARROW, 0, {EINTR}},
        {"SYS_epoll_pwait2", POLLER, AGAIN, loop, NOT_NARROW | FRESH, 0, {EPERM, ENOSYS}},
        {"epoll_wait", POLLER, AGAIN, loop_of_an_old_kernel, NOT_NARROW | FRESH, 0, {EINTR}},
        {"ppoll", POLLER, AGAIN, portable_loop, NOT_NARROW, 0, {EINTR, ENOMEM}},
        {"timerfd_create", POLLER, TOLD, hosted, NOT_NARROW, 0, {EMFILE, ENFILE, ENODEV, ENOMEM, EPERM, EINVAL}},
        {"timerfd_create", POLLER, TOLD, select_two, NOT_NARROW, 0, {EMFILE, ENFILE, ENODEV, ENOMEM}},
        {"timerfd_settime", POLLER, HARMLESS, hosted, NOT_NARROW, 0, {EINVAL, ECANCELED, EFAULT}},
        {"read", POLLER, AGAIN, loop, NOT_NARROW, 0, {EINTR, EAGAIN}},
        {"write", POLLER, AGAIN, ring_a_loop, NOT_NARROW, 0, {EINTR}},
        {"close", POLLER, HARMLESS, loop, NOT_NARROW, 0, {EINTR, EIO}},
        {"close", POLLER, HARMLESS, hosted, NOT_NARROW, 0, {EINTR, EIO}},

#define THREAD "src/plat/linux/thread.c"
        {"pthread_create", THREAD, TOLD, one_thread, 0, 0, {EAGAIN, EPERM, EINVAL}},
        {"pthread_create", THREAD, TOLD, one_thread, FRESH, 0, {EAGAIN, EPERM}}, /* the clock's, the hand's */
        {"pthread_attr_init", THREAD, TOLD, one_thread, 0, 0, {ENOMEM}},
        {"pthread_attr_setstacksize", THREAD, TOLD, one_thread, 0, 0, {EINVAL}},
        {"pthread_attr_setdetachstate", THREAD, HARMLESS, NULL, 0, 0, {0}}, /* fails for another state alone */
        {"pthread_attr_destroy", THREAD, HARMLESS, NULL, 0, 0, {0}},        /* names no error */
        {"pthread_setname_np", THREAD, HARMLESS, pool, 0, 0, {ERANGE, EACCES}},
        {"pthread_key_create", THREAD, TOLD, wait_for_pipe, FRESH, ENOMEM, {EAGAIN, ENOMEM}},
        {"pthread_setspecific", THREAD, TOLD, wait_for_pipe, FRESH, ENOMEM, {ENOMEM}},
        {"pthread_setspecific", THREAD, AGAIN, one_thread, 0, 0, {ENOMEM}}, /* in a thread of the library's own */
        {"pthread_setspecific", THREAD, AGAIN, watched_loop, 0, 0, {ENOMEM}},
        {"pthread_sigmask", THREAD, HARMLESS, NULL, 0, 0, {0}}, /* fails for another manner alone */
        {"pthread_atfork", THREAD, AGAIN, object_in_a_fork, FRESH, 0, {ENOMEM}},
        {"atexit", THREAD, HARMLESS, pool, FRESH, 0, {ENOMEM}},
        {"atexit", THREAD, TOLD, child, FRESH, 0, {ENOMEM}},
        {"sigaction", THREAD, HARMLESS, poke, FRESH, 0, {EINVAL, EFAULT}},         /* another signal is taken */
        {"SYS_tgkill", THREAD, AGAIN, poke, 0, 0, {EAGAIN, ENOMEM, ESRCH, EPERM}}, /* EAGAIN: RLIMIT_SIGPENDING */

#define WORD "src/plat/linux/word.c"
        {"SYS_futex", WORD, AGAIN, pool, 0, 0, {EINTR, EAGAIN, ETIMEDOUT}},
        {"nanosleep", WORD, HARMLESS, NULL, 0, 0, {0}},   /* EINTR: the turn is short */
        {"sched_yield", WORD, HARMLESS, NULL, 0, 0, {0}}, /* always succeeds */

#define MEMORY "src/plat/linux/memory.c"
        {"calloc", MEMORY, TOLD, NULL, 0, 0, {0}},            /* tests/oom_walk walks every one */
        {"clock_gettime", MEMORY, HARMLESS, NULL, 0, 0, {0}}, /* fails for an unknown clock alone */
        {"getrandom", MEMORY, HARMLESS, retry, FRESH, 0, {EAGAIN, EINTR, EFAULT, EINVAL, ENOSYS}},

#define STACKS "src/plat/linux/stack.c"
        {"mmap", STACKS, TOLD, coroutine_with_a_stack, FRESH, ENOMEM, {0}}, /* see many_stacks: half as much is tried */
        {"mmap", STACKS, AGAIN, coroutine_with_a_stack, FRESH, 0, {ENOMEM, EAGAIN, EPERM}},
        {"madvise", STACKS, AGAIN, coroutine_with_a_stack, FRESH, 0, {EINVAL, EACCES, EAGAIN, EIO, EPERM}},
        {"mprotect", STACKS, TOLD, coroutine_guarded_by_maps, FRESH, ENOMEM, {ENOMEM, EACCES, EINVAL}},
        {"munmap", STACKS, AGAIN, many_stacks, 0, 0, {ENOMEM, EINVAL}},

#define CHILD "src/plat/linux/child.c"
        {"pipe2", CHILD, TOLD, child, 0, 0, {EMFILE, ENFILE, EFAULT, EINVAL}},
        {"open:/dev/null", CHILD, TOLD, child, 0, 0, {EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, ENXIO, EPERM}},
        {"open:/dev/null", CHILD, AGAIN, child, 0, 0, {EINTR}},
        {"fcntl:F_GETFD", CHILD, TOLD, child_with_crossed_descriptors, NOT_NARROW, EBADF, {EBADF}},
        {"fcntl:F_SETFL", CHILD, TOLD, child, NOT_NARROW, 0, {EPERM, EBADF}},
        {"fcntl:F_DUPFD_CLOEXEC", CHILD, TOLD, child_with_crossed_descriptors, NOT_NARROW, 0, {EMFILE, EINVAL, EBADF}},
        {"fcntl:F_SETFD", CHILD, HARMLESS, child_in_its_group, NOT_NARROW, 0, {EBADF}},
        {"dup2", CHILD, AGAIN, child, NOT_NARROW, 0, {EINTR, EBUSY}},
        {"dup2", CHILD, TOLD, child, NOT_NARROW, 0, {EBADF, EMFILE}},
        {"SYS_close_range", CHILD, AGAIN, child, 0, 0, {ENOSYS, EINVAL, EMFILE, ENOMEM}},
        {"SYS_getdents64", CHILD, HARMLESS, NULL, 0, 0, {0}}, /* tests/world/nosys: after ENOSYS of the one above */
        {"open", CHILD, HARMLESS, NULL, 0, 0, {0}},           /* the same, and /dev/null */
        {"getrlimit", CHILD, HARMLESS, NULL, 0, 0, {0}},      /* the same, without a /proc */
        {"fcntl", CHILD, TOLD, NULL, 0, 0, {0}},              /* by its commands, above */
        {"sigaction", CHILD, HARMLESS, child, 0, 0, {EINVAL, EFAULT}},
        {"sigprocmask", CHILD, HARMLESS, NULL, 0, 0, {0}}, /* fails for another manner alone */
        {"setrlimit", CHILD, TOLD, child, 0, 0, {EINVAL, EPERM, EFAULT}},
        {"setsid", CHILD, TOLD, child, 0, 0, {EPERM}},
        {"setpgid", CHILD, TOLD, child_in_its_group, 0, 0, {EACCES, EINVAL, EPERM, ESRCH}},
        {"chdir", CHILD, TOLD, child, 0, 0, {EACCES, EFAULT, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR}},
        {"execvpe",
         CHILD,
         TOLD,
         child,
         0,
         0,
         {E2BIG, EACCES, EAGAIN, EIO, EISDIR, ELIBBAD, ELOOP, EMFILE, ENFILE, ENOENT, ENOEXEC, ENOMEM, ENOTDIR, EPERM,
          ETXTBSY}},
        {"clone", CHILD, TOLD, child, 0, 0, {EAGAIN, ENOMEM, ENOSPC, EPERM, EMFILE, EINVAL}},
        {"pthread_sigmask", CHILD, HARMLESS, NULL, 0, 0, {0}}, /* fails for another manner alone */
        {"SYS_pidfd_open", CHILD, TOLD, child, FRESH, 0, {ENOSYS}},
        {"SYS_pidfd_open", CHILD, HARMLESS, child, FRESH, 0, {EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL, EPERM}},
        {"SYS_pidfd_send_signal", CHILD, AGAIN, child_in_our_group, 0, 0, {ENOSYS, EPERM}}, /* by its number */
        {"SYS_pidfd_send_signal", CHILD, TOLD, child_in_our_group, 0, 0, {EBADF, EINVAL, ESRCH}},
        {"kill", CHILD, TOLD, child_in_its_group, 0, 0, {EINVAL, EPERM, ESRCH}},
        {"SYS_waitid", CHILD, AGAIN, child, 0, 0, {EINTR}},
        {"write", CHILD, HARMLESS, NULL, 0, 0, {0}}, /* of a child that does not share our memory: an emulator's */
        {"read", CHILD, HARMLESS, NULL, 0, 0, {0}},  /* the same */
        {"close", CHILD, HARMLESS, child, NOT_NARROW, 0, {EINTR, EIO}},

#define PROC "src/plat/linux/proc.c"
        {"open:/proc", PROC, HARMLESS, stuck, 0, 0, {EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, EINTR}},
        {"open:/sys", PROC, HARMLESS, default_pool, 0, 0, {EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, EINTR}},
        {"open", PROC, HARMLESS, NULL, 0, 0, {0}}, /* by its two folders, above */
        {"read", PROC, HARMLESS, stuck, NOT_NARROW, 0, {EINTR, EIO, ESRCH, ENOMEM, WORLD_SHORT}},
        {"close", PROC, HARMLESS, stuck, NOT_NARROW, 0, {EINTR, EIO}},
        {"sched_getaffinity", PROC, HARMLESS, default_pool, 0, 0, {EINVAL, EFAULT, ESRCH, EPERM}},
        {"sysconf", PROC, HARMLESS, NULL, 0, 0, {0}}, /* tests/world/nosys: where sched_getaffinity is missing */

#define FRAMES "src/plat/linux/frames.c"
        {"process_vm_readv", FRAMES, HARMLESS, stuck, 0, 0, {EFAULT, EINVAL, ENOMEM, EPERM, ESRCH}},
        {"sigaction", FRAMES, HARMLESS, watched_loop, FRESH, 0, {EINVAL, EFAULT}}, /* another signal is taken */
        {"SYS_tgkill", FRAMES, HARMLESS, NULL, 0, 0, {0}}, /* then the frames of who computes are not told */
        {"pthread_sigmask", FRAMES, HARMLESS, NULL, 0, 0, {0}},

#define CRASH "src/plat/linux/crash.c"
        {"write", CRASH, HARMLESS, NULL, 0, 0, {0}}, /* the last line of a program that dies */
        {"sigaltstack", CRASH, HARMLESS, watched_loop, 0, 0, {EFAULT, EINVAL, ENOMEM, EPERM}},
        {"sigaction", CRASH, HARMLESS, watched_loop, FRESH, 0, {EINVAL, EFAULT}},
};

/* ---- running a row ---- */

/* One that hangs is told by name. */
static _Atomic(const row *) running;
static atomic_int running_error;
static atomic_uint running_at;

static int entries(const char *folder)
{
        int n = 0;
        DIR *d = opendir(folder);
        while (d && readdir(d))
                n++;
        if (d)
                closedir(d);
        return n;
}

typedef struct standing {
        int fds, threads;
        long blocks;
} standing;

static standing standing_now(void)
{
        return (standing){entries("/proc/self/fd"), entries("/proc/self/task"), world_blocks()};
}

static int run(const row *r, unsigned at, int error)
{
        narrow = !(r->how & NOT_NARROW);
        running_error = error;
        running_at = at;
        world_plan(r->call, -1, at, error);
        return r->scenario();
}

/* What is wrong with an answer; NULL: nothing. */
static const char *judge(const row *r, int error, int rc)
{
        const int told = -(r->told ? r->told : error);
        if (rc <= REIN_EUSER)
                return "went on with a wrong result";
        if (r->verdict != TOLD)
                return rc == 0 ? NULL : "did not stand it";
        if (rc == 0)
                return "did not tell";
        return rc == told && !strstr(rein_code_name(rc), "unknown") ? NULL : "told something else";
}

static int mistakes;

static const char *name_of(int error)
{
        return error > 0              ? strerrorname_np(error)
               : error == WORLD_SHORT ? "one byte"
               : error == WORLD_HUP   ? "POLLHUP"
                                      : "?";
}

static void wrong(const row *r, unsigned at, int error, int rc, const char *what)
{
        mistakes++;
        fprintf(stderr, "%s (%s), call %u of them answers %s: the scenario %s: %s", r->call, r->file, at,
                name_of(error), what, rein_code_name(rc));
        fprintf(stderr, rc <= REIN_EUSER ? ", line %d\n" : "\n", REIN_EUSER - rc);
}

static void hangs(int signo)
{
        (void)signo;
        const row *r = running;
        fprintf(stderr, "%s (%s), call %u of them answers %s: hangs\n", r->call, r->file, running_at,
                name_of(running_error));
        _exit(1);
}

static void may_take(const row *r, unsigned seconds)
{
        running = r;
        signal(SIGALRM, hangs);
        alarm(seconds);
}

enum { MOST_CALLS = 8 };

/* Each error at the first call, and the first error at every call. */
static unsigned calls_for(const row *r, int which, unsigned seen)
{
        (void)r;
        return which > 0 || seen == 0 ? 1 : seen < MOST_CALLS ? seen : MOST_CALLS;
}

enum { THREADS_THAT_STAY = 3 }; /* this one, the clock's and the hand's */

static standing standing_at_rest(void)
{
        EVENTUALLY(entries("/proc/self/task") <= THREADS_THAT_STAY + 2);
        return standing_now();
}

static void run_once(const row *r, unsigned at, int error)
{
        int rc = run(r, at, error);
        const bool fired = world_fired();
        world_end();
        const char *what = fired ? judge(r, error, rc) : at == 1 ? "does not make the call" : NULL;
        if (what)
                wrong(r, at, error, rc, what);
        rc = r->scenario();
        if (rc != 0)
                wrong(r, at, error, rc, "does not work any more afterwards");
        if (world_closed_twice())
                wrong(r, at, error, rc, "closed a descriptor twice");
}

static void each_error(const row *r)
{
        int rc = run(r, 0, WORLD_COUNT);
        const unsigned seen = world_seen();
        world_end();
        if (rc != 0)
                wrong(r, 0, 0, rc, "fails by itself");
        for (int e = 0; e < MOST_ERRORS && r->errors[e]; e++)
                for (unsigned k = 1; k <= calls_for(r, e, seen); k++)
                        run_once(r, k, r->errors[e]);
}

/* How many records of jobs there are varies with the threads that happen to have them, and grows until two bundles of each
 * thread are full: what leaks grows every time. */
static void run_row(const row *r)
{
        standing before, after = {0};
        bool left = true;
        may_take(r, 20);
        (void)r->scenario(); /* what it makes once and keeps is there now */
        for (int round = 0; left && round < 24; round++) {
                before = standing_at_rest();
                each_error(r);
                after = standing_at_rest();
                left = after.fds != before.fds || after.blocks > before.blocks;
        }
        if (left) {
                mistakes++;
                fprintf(stderr, "%s (%s): %d descriptors and %ld blocks before, %d and %ld after\n", r->call, r->file,
                        before.fds, before.blocks, after.fds, after.blocks);
        }
        if (__real_waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) {
                mistakes++;
                fprintf(stderr, "%s (%s): a child is left\n", r->call, r->file);
        }
}

/* In a process that has not used the library, each one. */
static void run_fresh(const row *r, unsigned at, int error)
{
        pid_t pid = __real_fork();
        if (pid == 0) {
                may_take(r, 20);
                run_once(r, at, error);
                _exit(mistakes ? 1 : 0);
        }
        int status;
        assert_int_equal(__real_waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status))
                wrong(r, at, error, 0, strsignal(WTERMSIG(status)));
        else
                mistakes += WEXITSTATUS(status);
}

/* ---- the tests ---- */

/* Before this process uses the library. */
static void test_errors_at_the_first_use(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(table); i++) {
                const row *r = &table[i];
                for (int e = 0; (r->how & FRESH) && e < MOST_ERRORS && r->errors[e]; e++)
                        for (unsigned k = 1; k <= (e ? 1 : 3); k++)
                                run_fresh(r, k, r->errors[e]);
        }
        assert_int_equal(mistakes, 0);
}

static void test_each_error_of_each_call(void **state)
{
        (void)state;
        rein_on_unseen(unseen_note, &(unseen){0});
        for (size_t i = 0; i < COUNT(table); i++)
                if (table[i].scenario && !(table[i].how & FRESH))
                        run_row(&table[i]);
        assert_int_equal(mistakes, 0);
}

int main(void)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_errors_at_the_first_use),
                cmocka_unit_test(test_each_error_of_each_call),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        alarm(0);
        signal(SIGALRM, SIG_DFL);
        return failed;
}
