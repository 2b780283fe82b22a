/* SPDX-License-Identifier: Apache-2.0 */
/* The harness can fail: programs that leave one thing of each kind, and what it says of them. */
#include "support.h"

#include <sys/mman.h>

#include "core/hook.h"
#include "core/work.h"
#include "coro/coro.h"
#include "harness/look.h"

/* What it finds here stays for ever: there is nothing to be patient for. */
static int leave(int (*what)(void))
{
        harness_patience_ms = 100;
        return what();
}

static int nothing(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        rein_executor *loop = rein_loop_new(NULL);
        int fd = rein_udp_bind("127.0.0.1", "0");
        rein_future *f = rein_submit(x, job_fail, NULL, NULL);
        bool failed = rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED && rein_on(loop, job_seven, NULL, NULL) == 7;
        rein_drop(f);
        rein_close(fd);
        rein_executor_free(loop);
        rein_executor_free(x);
        return failed && rein_run(job_seven, NULL, NULL) == 7 ? 0 : 1;
}

static int descriptor(void)
{
        return fcntl(0, F_DUPFD_CLOEXEC, 40) < 0;
}

static int closed(void)
{
        return close(0);
}

static int inheritable(void)
{
        int fd = fcntl(0, F_DUPFD, 40);
        return close(fd);
}

static int inheritable_at_first(void)
{
        int fd = fcntl(0, F_DUPFD, 40);
        return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || close(fd) < 0;
}

static void *stay(void *arg)
{
        pthread_setname_np(pthread_self(), "stays");
        sem_post(arg);
        while (pause() != 0)
                ;
        return NULL;
}

static int thread(void)
{
        static sem_t there;
        sem_init(&there, 0, 0);
        go(stay, &there);
        return sem_wait(&there);
}

static int child(void)
{
        siginfo_t info;
        const pid_t pid = fork();
        if (pid == 0)
                _exit(0);
        return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

static int blocked_signal(void)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        return pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int ignored_signal(void)
{
        return signal(SIGUSR2, SIG_IGN) == SIG_ERR;
}

static int block(void)
{
        static void *kept;
        kept = rn_alloc(77);
        return !kept;
}

static int mapping(void)
{
        return mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static void do_nothing(void *arg)
{
        (void)arg;
}

static int coroutine(void)
{
        static rn_coro coro;
        return rn_coro_make(&coro, 16 << 10, do_nothing, NULL);
}

static int task(void)
{
        return !rn_task_new();
}

static int scope(void)
{
        static rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        return 0;
}

static int group(void)
{
        static rein_group g;
        rein_group_open(&g, NULL);
        return 0;
}

static int region(void)
{
        static rn_hook *h;
        return rn_hook_begin(rn_self(), "here", NULL, NULL, &h);
}

static int stays(void *arg)
{
        rein_scope s;
        (void)arg;
        rein_shield_open(&s, REIN_SEC(3600));
        rein_sleep(REIN_NEVER);
        return rein_scope_close(&s, 0);
}

static int leaves_a_coroutine(void *arg)
{
        (void)arg;
        rein_drop(rein_submit(rn_self()->now->work->executor, stays, NULL, REIN_JOB(.name = "stays")));
        return rein_sleep(REIN_NOWAIT);
}

static int fiber(void)
{
        return rein_run(leaves_a_coroutine, NULL, REIN_LOOP(.grace_ns = REIN_MS(1)));
}

static int executor(void)
{
        return !rein_pool_new(REIN_POOL(.name = "forgotten", .threads = 1));
}

static void fire(rn_timer *t, uint32_t tag)
{
        (void)t;
        (void)tag;
}

static int timer(void)
{
        static rn_timer t = {.fire = fire};
        return rn_clock_start() < 0 || !rn_timer_arm(&t, RN_NEVER - 1, 0);
}

static int lock(void)
{
        rn_lock_take(&rn_world_now()->graph);
        return 0;
}

static int waits(void)
{
        static rn_link l;
        rn_list_push(&rn_world_now()->signal_waiters, &l);
        return 0;
}

static int declared(void)
{
        harness_leaves(HARNESS_DESCRIPTORS, 2, "two, to show it");
        return descriptor() || fcntl(0, F_DUPFD_CLOEXEC, 40) < 0;
}

static int declared_and_not_left(void)
{
        harness_leaves(HARNESS_DESCRIPTORS, 2, "two, to show it");
        return descriptor();
}

/* The child of a fork ends as it likes, and leaves what its parent has to it. */
static int in_a_child(void)
{
        int status = -1;
        const pid_t pid = fork();
        if (pid == 0)
                exit(descriptor() || scope());
        return waitpid(pid, &status, 0) != pid || status != 0;
}

static int failed(void)
{
        return descriptor() == 0 ? 3 : 4;
}

typedef struct leaving {
        const char *name;
        int (*what)(void);
        const char *said[4]; /* a line that begins so, and has the other in it; twice */
} leaving;

static const leaving all[] = {
        {"nothing", nothing, {NULL}},
        {"descriptor", descriptor, {"descriptors: 40 (", ") is open"}},
        {"closed", closed, {"descriptors: 0 was ", " and is closed"}},
        {"inheritable", inheritable, {"descriptors without close-on-exec: 40 (", "harness_test.c"}},
        {"inheritable at first", inheritable_at_first, {"descriptors without close-on-exec: 40 (", "harness_test.c"}},
        {"thread", thread, {"threads: 'stays' runs", ""}},
        {"child", child, {"children: process '", ""}},
        {"blocked signal", blocked_signal, {"signals: 10 (", "is blocked"}},
        {"ignored signal", ignored_signal, {"signals: 12 (", "is not answered as it was"}},
        {"block", block, {"blocks of memory: one of 77 bytes", "harness_test.c"}},
        {"mapping", mapping, {"mappings: one of 8192 bytes", "harness_test.c"}},
        {"coroutine", coroutine, {"mappings: ", "a stack is in use", "blocks of memory: ", "arena.c"}},
        {"task", task, {"tasks: of thread 0, in: its own code", ""}},
        {"scope", scope, {"scopes: opened, made at tests/harness/harness_test.c:", ""}},
        {"group", group, {"groups: opened at tests/harness/harness_test.c:", "", "scopes: of a group", ""}},
        {"region", region, {"hook regions: opened at here", ""}},
        {"fiber", fiber, {"fibers: of the loop 'main', job 'stays'", "", "scopes: of a job", ""}},
        {"executor", executor, {"executors: 'forgotten' is not freed", "", "blocks of memory: ", "pool.c"}},
        {"timer", timer, {"timers: one is armed", ""}},
        {"lock", lock, {"locks: the deadlock graph's is held", ""}},
        {"waits", waits, {"waits: somebody waits for a signal", ""}},
        {"declared", declared, {NULL}},
        {"declared and not left", declared_and_not_left, {"descriptors: 1 in all, 2 declared", ""}},
        {"in a child", in_a_child, {NULL}},
};

static const char *line_with(const char *said, const char *kind, const char *text)
{
        char begin[128];
        snprintf(begin, sizeof begin, "harness: %s", kind);
        for (const char *at = said; (at = strstr(at, begin)); at++) {
                const char *end = strchr(at, '\n'), *found = strstr(at, text);
                if (found && end && found < end)
                        return at;
        }
        return NULL;
}

static bool is_of_blocks(const char *kind)
{
        return strncmp(kind, "blocks", 6) == 0;
}

static void test_what_is_left_fails_the_program_and_is_told(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(all); i++) {
                const leaving *l = &all[i];
                char said[4096];
                const int code = program_run(l->name, said, sizeof said);
                if (l->said[0] && !harness_blocks_counted() && is_of_blocks(l->said[0]))
                        continue;
                if (code != (l->said[0] ? 1 : 0))
                        fail_msg("'%s' ended with %d: %s", l->name, code, said);
                for (int k = 0; k < 4 && l->said[k]; k += 2)
                        if (!line_with(said, l->said[k], l->said[k + 1]) &&
                            (harness_blocks_counted() || !is_of_blocks(l->said[k])))
                                fail_msg("'%s' does not say '%s': %s", l->name, l->said[k], said);
        }
}

static void test_a_program_that_fails_keeps_its_status_and_is_not_looked_at(void **state)
{
        (void)state;
        char said[1024];
        assert_int_equal(program_run("failed", said, sizeof said), 3);
        assert_string_equal(said, "");
}

int main(int argc, char **argv)
{
        for (size_t i = 0; argc > 1 && i < COUNT(all); i++)
                if (strcmp(argv[1], all[i].name) == 0)
                        return leave(all[i].what);
        if (argc > 1)
                return leave(failed);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_left_fails_the_program_and_is_told),
                cmocka_unit_test(test_a_program_that_fails_keeps_its_status_and_is_not_looked_at),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
