/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel, or a filter in front of it, that does not know a system call which the library can do without: the whole of
 * the library's work goes on by another way. Each row of missing.h is a process of its own with a seccomp filter. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "need.h"
#include "world/missing.h"

/* A step that fails is told with what went wrong in it. */
#define STEP(call)                                                                                                     \
        do {                                                                                                           \
                int rc_ = (call);                                                                                      \
                if (rc_ < 0)                                                                                           \
                        return rein_wrap(rc_, "line %d: %s", __LINE__, #call);                                         \
        } while (0)

/* ---- a pool, and its stop ---- */

static int add(void *arg)
{
        atomic_fetch_add((atomic_int *)arg, 3);
        return 0;
}

static int pool_works(void)
{
        enum { JOBS = 64 };
        atomic_int sum = 0;
        rein_future *f[JOBS];
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "workers", .threads = 4));
        NEED(x);
        for (int i = 0; i < JOBS; i++)
                f[i] = rein_submit(x, add, &sum, NULL);
        NEED(rein_wait_all(f, JOBS, REIN_NEVER) == 0);
        for (int i = 0; i < JOBS; i++) {
                NEED(rein_code(f[i]) == 0);
                rein_drop(f[i]);
        }
        NEED(sum == 3 * JOBS);
        rein_executor_free(x);
        return 0;
}

typedef struct reader {
        int ends[2];
        atomic_int inside;
} reader;

static int read_in_a_region(void *arg)
{
        reader *r = arg;
        rein_hook region;
        char byte;
        int rc = rein_hook_open(&region, REIN_POKE, NULL);
        if (rc < 0)
                return rc;
        atomic_fetch_add(&r->inside, 1);
        ssize_t n = read(r->ends[0], &byte, 1); /* foreign: the poke gets it out */
        return rein_hook_close(&region, n < 0 ? -errno : 0);
}

static int stop_works(void)
{
        reader r = {.inside = 0};
        stubborn s;
        bool came;
        stubborn_init(&s);
        NEED(pipe2(r.ends, O_CLOEXEC) == 0);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2, .grace_ns = REIN_MS(1)));
        rein_future *reads = rein_submit(x, read_in_a_region, &r, REIN_JOB(.name = "reads"));
        rein_future *stays = rein_submit(x, stubborn_job, &s, REIN_JOB(.name = "stays"));
        COMES_TRUE(r.inside == 1 && s.inside == 1, came);
        NEED(came);
        NEED(rein_cancel(reads, "enough") == REIN_ASKED);
        NEED(rein_await(reads, NULL, REIN_NEVER) == REIN_EFAILED && rein_code(reads) == REIN_ECANCELED);
        rein_receipt *receipt;
        rein_straggler one = {.size = sizeof one};
        NEED(rein_executor_stop(x, REIN_STOP_NOW, rein_after(REIN_MS(5)), &receipt) == REIN_ESTUCK);
        NEED(rein_receipt_count(receipt) == 1 && rein_receipt_at(receipt, 0, &one));
        NEED(strcmp(one.name, "stays") == 0 && strcmp(one.stopped_by, "abandoned") == 0 && !one.gone);
        rein_receipt_free(receipt);
        NEED(rein_code(stays) == REIN_EABANDONED);
        stubborn_let_go(&s, 1);
        COMES_TRUE(rein_executor_unfinished(x) == 0, came);
        NEED(came);
        rein_drop(reads);
        rein_drop(stays);
        rein_executor_free(x);
        close(r.ends[0]);
        close(r.ends[1]);
        return 0;
}

/* ---- time ---- */

/* A wait that nothing ends comes back at its time and not before it, or the loop would turn on the spot until then. */
static int no_wait_ends_early(void)
{
        for (int portable = 0; portable < 2; portable++) {
                rn_poller *p;
                rn_ready found[4];
                NEED(rn_poller_new(portable, &p) == 0);
                for (int i = 1; i <= 12; i++) {
                        const int64_t until = rn_clock() + i * 370001;
                        NEED(rn_poller_wait(p, found, 4, until) == 0);
                        NEED(rn_clock() >= until);
                }
                rn_poller_free(p);
        }
        return 0;
}

enum { SLEEPERS = 24 };

static int sleep_a_while(void *arg)
{
        const rein_time until = rein_after(REIN_MS(1) + 230007 * *(int *)arg);
        NEED(rein_sleep(until) == 0);
        NEED(rein_now().ns >= until.ns);
        return 0;
}

static int many_sleep(void *arg)
{
        static int number[SLEEPERS];
        (void)arg;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < SLEEPERS; i++) {
                number[i] = i;
                rein_spawn(&g, NULL, sleep_a_while, &number[i], NULL);
        }
        return rein_group_close(&g, 0);
}

static int nothing_transient(int code, const rein_error *e, void *ctx)
{
        (void)code;
        (void)e;
        ++*(int *)ctx;
        return true;
}

static bool again(int code, const rein_error *e, void *ctx)
{
        return nothing_transient(code, e, ctx);
}

static int timers_fire_in_time(void)
{
        int failures = 0;
        STEP(no_wait_ends_early());
        STEP(rein_run(many_sleep, NULL, NULL));
        STEP(rein_run(many_sleep, NULL, REIN_LOOP(.portable = true)));
        NEED(rein_retry(REIN_RETRY(.tries = 5, .delay_ns = REIN_MS(1), .again = again, .ctx = &failures), job_fail,
                        NULL) == -EIO);
        NEED(failures == 5); /* each asks for random numbers */
        return 0;
}

/* ---- coroutines and their guards ---- */

typedef struct depth {
        int wakefd;
        gate *gate;
} depth;

/* Is it memory? write(2) says so without a fault. */
static bool is_there(int fd, const void *at)
{
        return write(fd, at, 1) == 1;
}

static int go_deep(void *arg)
{
        depth *d = arg;
        volatile char much[40 << 10];
        for (size_t i = 0; i < sizeof much; i += 512)
                much[i] = 1;
        NEED(gate_pass(d->gate) == 0);
        const char *low = rn_loadptr(&rn_self()->stack_low);
        NEED(is_there(d->wakefd, low) && much[512] == 1);
        NEED(!is_there(d->wakefd, low - 1) && errno == EFAULT);
        NEED(!is_there(d->wakefd, low - RN_GUARD) && errno == EFAULT);
        return 0;
}

static int all_go_deep(void *arg)
{
        depth *d = arg;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 40; i++)
                rein_spawn(&g, NULL, go_deep, d, NULL);
        rein_sleep(REIN_NOWAIT);
        gate_open(d->gate);
        return rein_group_close(&g, 0);
}

static int coroutines_are_guarded(void)
{
        int ends[2];
        gate g = gate_new();
        NEED(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        depth d = {ends[1], &g};
        int rc = rein_run(all_go_deep, &d, NULL);
        gate_free(&g);
        close(ends[0]);
        close(ends[1]);
        return rc;
}

/* ---- descriptors ---- */

enum { MUCH = 200000 };
static char sent[MUCH], received[MUCH];

typedef struct ends {
        int from, to;
} ends;

static int send_much(void *arg)
{
        int64_t n = rein_write(((ends *)arg)->to, sent, MUCH, REIN_NEVER);
        rein_close(((ends *)arg)->to);
        return n == MUCH ? 0 : (int)n;
}

static int receive_much(void *arg)
{
        size_t all = 0;
        memset(received, 0, MUCH);
        for (int64_t n = 1; n > 0; all += (size_t)n)
                if ((n = rein_read(((ends *)arg)->from, received + all, MUCH + 1 - all, REIN_NEVER)) < 0)
                        return (int)n;
        NEED(all == MUCH && memcmp(sent, received, MUCH) == 0);
        rein_close(((ends *)arg)->from);
        return 0;
}

static int transfer(ends e)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, send_much, &e, NULL);
        rein_spawn(&g, NULL, receive_much, &e, NULL);
        return rein_group_close(&g, 0);
}

static int by_a_file(void)
{
        char name[] = "/tmp/rein-nosys-XXXXXX";
        int file = mkostemp(name, O_CLOEXEC);
        NEED(file >= 0 && unlink(name) == 0);
        NEED(rein_write(file, sent, MUCH, REIN_NEVER) == MUCH && lseek(file, 0, SEEK_SET) == 0);
        ends e = {file, -1};
        return receive_much(&e);
}

static int connect_to(void *arg)
{
        int fd = rein_connect("127.0.0.1", arg, REIN_NEVER);
        return fd < 0 ? fd : send_much(&(ends){-1, fd});
}

static int by_tcp(void)
{
        rein_addr own;
        char text[REIN_ADDR_TEXT];
        int at = rein_listen("127.0.0.1", "0", 4);
        NEED(at >= 0 && rein_addr_local(at, &own) == 0);
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, connect_to, strrchr(rein_addr_text(&own, text), ':') + 1, NULL);
        int rc = rein_accept(at, REIN_NEVER);
        if (rc >= 0)
                rc = receive_much(&(ends){rc, -1});
        rc = rein_group_close(&g, rc);
        rein_close(at);
        return rc;
}

static int by_udp(void)
{
        rein_addr own, whose;
        char byte = 0;
        int a = rein_udp_bind("127.0.0.1", "0"), b = rein_udp_bind("localhost", "0");
        NEED(a >= 0 && b >= 0 && rein_addr_local(a, &own) == 0);
        NEED(rein_sendto(b, "u", 1, &own, REIN_NEVER) == 1);
        NEED(rein_recvfrom(a, &byte, 1, &whose, REIN_NEVER) == 1 && byte == 'u');
        NEED(rein_addr_local(b, &own) == 0 && rein_addr_equal(&own, &whose));
        rein_close(a);
        rein_close(b);
        return 0;
}

static int all_ways(void *arg)
{
        int fds[2];
        (void)arg;
        for (int i = 0; i < MUCH; i++)
                sent[i] = (char)(i * 7 + i / 251);
        NEED(pipe2(fds, O_CLOEXEC) == 0); /* it may block: a coroutine asks it so that it does not, or a thread waits */
        STEP(transfer((ends){fds[0], fds[1]}));
        NEED(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
        STEP(transfer((ends){fds[0], fds[1]}));
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        STEP(transfer((ends){fds[0], fds[1]}));
        STEP(by_a_file());
        STEP(by_tcp());
        return by_udp();
}

static int descriptors_work(void)
{
        STEP(rein_run(all_ways, NULL, NULL));
        STEP(rein_run(all_ways, NULL, REIN_LOOP(.portable = true)));
        return 0;
}

/* ---- children ---- */

static char *const list_descriptors[] = {(char *)(uintptr_t) "ls", (char *)(uintptr_t) "/proc/self/fd", NULL};
static char *const wait_for_ever[] = {(char *)(uintptr_t) "sleep", (char *)(uintptr_t) "1000", NULL};

/* The descriptors a child has, "0 1 2 3 ": the last is for the folder it reads. */
static int ask_a_child(char text[256], bool share)
{
        rein_child *c;
        rein_child_end end = {.size = sizeof end};
        size_t n = 0;
        NEED(rein_child_start(&c, list_descriptors, REIN_CHILD(.out = REIN_CHILD_PIPE, .share_fds = share)) == 0);
        const int out = rein_child_pipe(c, 1);
        for (int64_t got; (got = rein_read(out, text + n, 255 - n, REIN_NEVER)) > 0;)
                n += (size_t)got;
        text[n] = 0;
        for (char *at = text; (at = strchr(at, '\n'));)
                *at = ' ';
        rein_close(out);
        NEED(rein_child_wait(c, &end, REIN_NEVER) == 0 && end.code == 0);
        rein_child_free(c);
        return 0;
}

static int children_have_theirs(void)
{
        enum { OURS = 57 };
        char text[256];
        harness_leaves(HARNESS_INHERITABLE, 1, "what a child may inherit is what is tested");
        NEED(dup2(0, OURS) == OURS); /* without close-on-exec */
        STEP(ask_a_child(text, false));
        NEED(strcmp(text, "0 1 2 3 ") == 0);
        STEP(ask_a_child(text, true));
        NEED(strstr(text, " 57 "));
        close(OURS);
        return 0;
}

static int children_are_told(bool same_group)
{
        rein_child *c;
        rein_child_end end = {.size = sizeof end};
        NEED(rein_child_start(&c, wait_for_ever,
                              REIN_CHILD(.same_group = same_group, .out = REIN_CHILD_NULL, .err = REIN_CHILD_NULL)) ==
             0);
        NEED(rein_child_wait(c, &end, REIN_NOWAIT) == REIN_ETIMEOUT);
        NEED(rein_child_signal(c, SIGINT) == 0);
        NEED(rein_child_wait(c, &end, REIN_NEVER) == 0 && end.signo == SIGINT && end.code == -1);
        NEED(rein_child_signal(c, SIGINT) == -ESRCH);
        rein_child_free(c);
        NEED(rein_child_start(&c, wait_for_ever,
                              REIN_CHILD(.same_group = same_group, .out = REIN_CHILD_NULL, .err = REIN_CHILD_NULL)) ==
             0);
        NEED(rein_child_stop(c, &end) == 0 && end.signo == SIGTERM && end.stopped_by == SIGTERM);
        rein_child_free(c);
        NEED(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
        return 0;
}

static int children_work(void)
{
        STEP(children_have_theirs());
        STEP(children_are_told(false));
        return children_are_told(true);
}

static int children_are_refused(void)
{
        rein_child *c = NULL;
        NEED(rein_child_start(&c, list_descriptors, REIN_CHILD(.out = REIN_CHILD_PIPE)) == -ENOSYS && !c);
        NEED(strstr(rein_error_text(rein_trail()), "this kernel has no pidfds"));
        NEED(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
        return 0;
}

/* ---- all of it ---- */

static int fds_now(void)
{
        int n = 0;
        DIR *d = opendir("/proc/self/fd");
        while (d && readdir(d))
                n++;
        if (d)
                closedir(d);
        return n;
}

static int all_work(bool no_children)
{
        (void)rein_wait_fd(0, 1, REIN_NOWAIT); /* the thread's own descriptor */
        const int before = fds_now();
        STEP(pool_works());
        STEP(stop_works());
        STEP(timers_fire_in_time());
        STEP(coroutines_are_guarded());
        STEP(descriptors_work());
        STEP(no_children ? children_are_refused() : children_work());
        bool back; /* a thread that ends may still have one for a moment */
        COMES_TRUE(fds_now() == before, back);
        NEED(back);
        return 0;
}

/* Without row `one`, or without all: what a filter answers in its own way is left out then. */
static int run_without(size_t one, bool all)
{
        bool no_children = false;
        alarm(60); /* a hang is death by SIGALRM */
        rein_on_unseen(unseen_note, &(unseen){0});
        for (size_t i = 0; i < MISSING_CALLS; i++) {
                if (all ? missing_calls[i].answer == EPERM : i != one)
                        continue;
                no_children |= missing_calls[i].no_children;
                if (forbid(&missing_calls[i]) != 0)
                        return 2;
        }
        int rc = all_work(no_children);
        if (rc < 0)
                rein_error_print(stderr, rein_trail());
        rein_on_unseen(NULL, NULL);
        return rc == 0 ? 0 : 1;
}

/* "3": without the fourth; "all". */
static int child_main(const char *name)
{
        return run_without((size_t)atoi(name), strcmp(name, "all") == 0);
}

static void test_the_work_is_done_without_each_call(void **state)
{
        (void)state;
        if (!filters_are_allowed())
                skip();
        for (size_t i = 0; i < MISSING_CALLS; i++) {
                char number[24], said[2048];
                snprintf(number, sizeof number, "%zu", i);
                int code = program_run(number, said, sizeof said);
                if (code != 0)
                        fail_msg("without %s: %d: %s", missing_calls[i].name, code, said);
        }
}

static void test_the_work_is_done_without_all_of_them(void **state)
{
        char said[2048];
        (void)state;
        if (!filters_are_allowed())
                skip();
        int code = program_run("all", said, sizeof said);
        if (code != 0)
                fail_msg("without any of them: %d: %s", code, said);
}

int main(int argc, char **argv)
{
        if (argc == 2)
                return child_main(argv[1]);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_work_is_done_without_each_call),
                cmocka_unit_test(test_the_work_is_done_without_all_of_them),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
