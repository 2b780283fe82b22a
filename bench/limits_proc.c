/* SPDX-License-Identifier: Apache-2.0 */
/* Limits for work in other processes: round trips, throughput, the price of a process, the time a crash costs, and
 * 1000 commands two at a time. */
#include "limits_parts.h"
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

static char *true_argv[] = {"true", NULL, NULL};

static void *map_shared(size_t bytes)
{
        void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                abort();
        return p;
}

static void read_all(int fd, char *p, size_t n)
{
        while (n) {
                ssize_t got = read(fd, p, n);

                if (got <= 0)
                        _exit(1);
                p += got;
                n -= (size_t)got;
        }
}

static void write_all(int fd, const char *p, size_t n)
{
        while (n) {
                ssize_t put = write(fd, p, n);

                if (put <= 0)
                        _exit(1);
                p += put;
                n -= (size_t)put;
        }
}

/* ---- round trips ---- */

/* Two one-way channels: [0] read end, [1] write end. A socket pair serves as both. */
static void rt_by_fd(const char *name, bool socket, size_t size, long n)
{
        struct series s = series_new(n, 0, 0);
        int there[2];
        int back[2];
        char *buf = malloc(size);
        char bench[96];
        pid_t child;

        memset(buf, 1, size);
        if (socket) {
                int pair[2];

                if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
                        abort();
                there[1] = back[0] = pair[0];
                there[0] = back[1] = pair[1];
        } else {
                if (pipe(there) || pipe(back))
                        abort();
                if (size > 65536) {
                        fcntl(there[0], F_SETPIPE_SZ, 1 << 20);
                        fcntl(back[0], F_SETPIPE_SZ, 1 << 20);
                }
        }
        child = fork();
        if (child == 0) {
                for (long i = 0; i < n; i++) {
                        read_all(there[0], buf, size);
                        write_all(back[1], buf, size);
                }
                _exit(0);
        }
        while (series_more(&s)) {
                uint64_t t0 = now_ns();

                write_all(there[1], buf, size);
                read_all(back[0], buf, size);
                series_add(&s, now_ns() - t0);
        }
        waitpid(child, NULL, 0);
        snprintf(bench, sizeof bench, "lim.proc_rt.%s", name);
        series_emit(&s, bench, param("size=%zu", size));
        free(buf);
        close(there[0]);
        close(there[1]);
        if (!socket) {
                close(back[0]);
                close(back[1]);
        }
}

static void flag_wait(uint32_t *flag, long spin)
{
        while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
                if (spin-- > 0)
                        cpu_pause();
                else
                        syscall(SYS_futex, flag, FUTEX_WAIT, 0, NULL, NULL, 0);
        }
        __atomic_store_n(flag, 0, __ATOMIC_RELAXED);
}

static void flag_post(uint32_t *flag)
{
        __atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, flag, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void rt_by_memory(size_t size, long n, long spin)
{
        struct series s = series_new(n, 0, 0);
        char *shared = map_shared(4096 + 2 * size);
        uint32_t *there = (uint32_t *)(void *)shared;
        uint32_t *back = there + 64;
        char *request = shared + 4096;
        char *answer = request + size;
        char *own = malloc(size);
        pid_t child;

        memset(own, 1, size);
        child = fork();
        if (child == 0) {
                for (long i = 0; i < n; i++) {
                        flag_wait(there, spin);
                        memcpy(own, request, size);
                        memcpy(answer, own, size);
                        flag_post(back);
                }
                _exit(0);
        }
        while (series_more(&s)) {
                uint64_t t0 = now_ns();

                memcpy(request, own, size);
                flag_post(there);
                flag_wait(back, spin);
                memcpy(own, answer, size);
                series_add(&s, now_ns() - t0);
        }
        waitpid(child, NULL, 0);
        series_emit(&s, spin ? "lim.proc_rt.shm_futex_spin" : "lim.proc_rt.shm_futex", param("size=%zu", size));
        free(own);
        munmap(shared, 4096 + 2 * size);
}

/* ---- throughput: two rings of 64-byte slots in shared memory, 256 tasks in flight ---- */

enum { SLOTS = 1024, SLOT = 64, IN_FLIGHT = 256 };

struct ring {
        _Alignas(128) unsigned long head;
        _Alignas(128) char slot[SLOTS][SLOT];
};

static unsigned long ring_head(const struct ring *r)
{
        return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
}

static void ring_publish(struct ring *r, unsigned long head)
{
        __atomic_store_n(&r->head, head, __ATOMIC_RELEASE);
}

static void ring_worker(struct ring *in, struct ring *out, unsigned long n)
{
        char task[SLOT];
        unsigned long i = 0;

        while (i < n) {
                for (unsigned long head = ring_head(in); i < head; i++) {
                        memcpy(task, in->slot[i % SLOTS], SLOT);
                        memcpy(out->slot[i % SLOTS], task, SLOT);
                }
                ring_publish(out, i);
        }
}

static void thr_by_memory(void)
{
        struct ring *in = map_shared(2 * sizeof *in);
        struct ring *out = in + 1;
        unsigned long n = 1000000;
        unsigned long sent = 0;
        unsigned long got = 0;
        char task[SLOT];
        uint64_t t0;
        pid_t child;

        memset(task, 7, SLOT);
        memset(in, 0, 2 * sizeof *in);
        child = fork();
        if (child == 0) {
                ring_worker(in, out, n);
                _exit(0);
        }
        t0 = now_ns();
        while (got < n) {
                unsigned long before = sent;

                for (; sent < n && sent - got < IN_FLIGHT; sent++)
                        memcpy(in->slot[sent % SLOTS], task, SLOT);
                if (sent != before)
                        ring_publish(in, sent);
                for (unsigned long head = ring_head(out); got < head; got++)
                        memcpy(task, out->slot[got % SLOTS], SLOT);
        }
        waitpid(child, NULL, 0);
        emit_per("lim.proc.thr", "shm-ring;64B both ways;spin", t0, (long)n, "ns/task");
        munmap(in, 2 * sizeof *in);
}

/* ---- a worker dies while it runs a task: end of file seen; another forked; its first answer ---- */

/* A child that reads one byte, then dies or answers. Returns: our end of the socket. */
static int fork_worker(pid_t *child, bool dies)
{
        int pair[2];
        char c;

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
                abort();
        *child = fork();
        if (*child == 0) {
                close(pair[0]);
                if (read(pair[1], &c, 1) != 1)
                        _exit(4);
                if (!dies && write(pair[1], &c, 1) != 1)
                        _exit(4);
                _exit(dies ? 3 : 0);
        }
        close(pair[1]);
        return pair[0];
}

static void crash(void)
{
        struct series detect = series_new(200, 0, 0);
        struct series recover = series_new(200, 0, 0);

        while (series_more(&detect)) {
                pid_t child;
                char c = 'x';
                int fd = fork_worker(&child, true);
                uint64_t t0;

                nap_us(1000);
                t0 = now_ns();
                if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 0)
                        abort();
                series_add(&detect, now_ns() - t0);
                waitpid(child, NULL, 0);
                close(fd);
                fd = fork_worker(&child, false);
                if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
                        abort();
                series_add(&recover, now_ns() - t0);
                close(fd);
                waitpid(child, NULL, 0);
        }
        series_emit(&detect, "lim.proc.crash_detect", "eof");
        series_emit(&recover, "lim.proc.crash_recover", "eof+fork+first-answer");
}

/* ---- the price of a process ---- */

enum start { FORK_EXIT, VFORK_EXIT, FORK_EXEC, VFORK_EXEC, SPAWN };

static const char *const start_name[] = {"fork_exit", "vfork_exit", "fork_exec_true", "vfork_exec_true",
                                         "posix_spawn_true"};

static pid_t start_process(enum start how)
{
        pid_t child = 0;

        if (how == SPAWN) {
                if (posix_spawn(&child, "/bin/true", NULL, NULL, true_argv, environ))
                        abort();
                return child;
        }
        child = how == FORK_EXIT || how == FORK_EXEC ? fork() : vfork();
        if (child == 0) {
                if (how == FORK_EXEC || how == VFORK_EXEC)
                        execve("/bin/true", true_argv, environ);
                _exit(0);
        }
        return child;
}

static void price(enum start how, long parent_mib, long n)
{
        struct series s = series_new(n, 0, 0);
        size_t bytes = (size_t)parent_mib << 20;
        char *ballast = NULL;
        char bench[96];

        if (bytes) {
                ballast = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (ballast == MAP_FAILED)
                        abort();
                for (size_t i = 0; i < bytes; i += 4096)
                        ballast[i] = 1;
        }
        while (series_more(&s)) {
                uint64_t t0 = now_ns();

                waitpid(start_process(how), NULL, 0);
                series_add(&s, now_ns() - t0);
        }
        snprintf(bench, sizeof bench, "lim.proc.%s", start_name[how]);
        series_emit(&s, bench, param("rss_mib=%ld", parent_mib));
        if (bytes)
                munmap(ballast, bytes);
}

void limits_proc(int threads, int producers)
{
        (void)threads;
        (void)producers;
        thr_by_memory();
        crash();
        rt_by_fd("pipe", false, 64, 20000);
        rt_by_fd("socketpair", true, 64, 20000);
        rt_by_memory(64, 20000, 0);
        rt_by_memory(64, 50000, 20000);
        rt_by_fd("pipe", false, 1 << 20, 500);
        rt_by_fd("socketpair", true, 1 << 20, 500);
        rt_by_memory(1 << 20, 1000, 0);
        for (int how = FORK_EXIT; how <= SPAWN; how++)
                price((enum start)how, 0, 1000);
        price(FORK_EXIT, 256, 100);
        price(SPAWN, 256, 300);
}

/* Milliseconds for 1000 commands, `width` at a time, each with a number as its argument or with none. */
static double thousand(int width, bool argument)
{
        uint64_t t0 = now_ns();
        char number[16];
        int live = 0;

        true_argv[1] = argument ? number : NULL;
        for (int i = 1; i <= 1000; i++) {
                if (live == width) {
                        wait(NULL);
                        live--;
                }
                snprintf(number, sizeof number, "%d", i);
                start_process(SPAWN);
                live++;
        }
        while (live--)
                wait(NULL);
        true_argv[1] = NULL;
        return (double)(now_ns() - t0) / 1e6;
}

/* The limit for "run 1000 commands, two at a time". With one argument, as the command runners give it, GNU true loads
 * its locale first: that is the other row. */
void limits_cmd(int threads, int producers)
{
        (void)threads;
        (void)producers;
        for (int width = 1; width <= 2; width++) {
                emit("cmd.1000true", param("j=%d", width), thousand(width, false), "ms");
                emit("lim.cmd.1000true", param("j=%d", width), thousand(width, true), "ms");
        }
}
