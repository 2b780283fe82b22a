/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: in a plain thread, a pool's thread and a coroutine. Nothing is left of any of them: no zombie, no
 * descriptor. */
#include "broken.h"
#include "everywhere.h"

#include "io/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* ---- everywhere ---- */

/* Those a thread has for itself from its first wait on are there before. */
static int descriptors(void)
{
        int n = 0;
        (void)rein_wait_fd(0, 1, REIN_NOWAIT);
        DIR *d = opendir("/proc/self/fd");
        while (d && readdir(d))
                n++;
        if (d)
                closedir(d);
        return n;
}

static bool no_child_is_left(void)
{
        return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static char last_said[4096];

static void passes_everywhere(rein_fn fn, void *arg)
{
        for (int place = 0; place < PLACES; place++) {
                int rc = there(place, fn, arg);
                if (rc != 0)
                        fail_msg("in place %d: line %d (%s); said last: %s", place, REIN_EUSER - rc, rein_code_name(rc),
                                 last_said);
                assert_true(no_child_is_left());
        }
}

#define SOON       rein_after(REIN_SEC(20)) /* for what comes at once */
#define SH(script) ((char *[]){(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)(script), NULL})
#define END        ((rein_child_end){.size = sizeof(rein_child_end)})

/* All that comes, as a string; -1: it was too much, or an error. */
static int64_t read_all(int fd, char *text, size_t room)
{
        size_t n = 0;
        for (int64_t got; n < room; n += (size_t)got) {
                got = rein_read(fd, text + n, room - n, SOON);
                if (got <= 0) {
                        text[n] = 0;
                        return got < 0 ? got : (int64_t)n;
                }
        }
        return -1;
}

/* What a script says, and its end. */
static int says(const char *script, const rein_child_opts *opts, char *text, size_t room, rein_child_end *end)
{
        rein_child *c;
        rein_child_opts o = opts ? *opts : (rein_child_opts){.size = sizeof o};
        o.out = REIN_CHILD_PIPE;
        int rc = rein_child_start(&c, SH(script), &o);
        if (rc < 0)
                return rc;
        int fd = rein_child_pipe(c, 1);
        int64_t n = read_all(fd, text, room);
        snprintf(last_said, sizeof last_said, "%s", n < 0 ? "" : text);
        rein_close(fd);
        rc = rein_child_wait(c, end, SOON);
        rein_child_free(c);
        return n < 0 ? (int)n : rc;
}

/* ---- how they end ---- */

static int ends(void *arg)
{
        (void)arg;
        rein_child_end e = END;
        OK(rein_child_run(SH("exit 7"), NULL, &e) == 0);
        OK(e.gone && e.code == 7 && e.signo == 0 && e.stopped_by == 0 && !e.core_dumped);
        OK(rein_child_run(SH("kill -9 $$"), NULL, &e) == 0);
        OK(e.gone && e.code == -1 && e.signo == SIGKILL && e.stopped_by == 0);
        OK(rein_child_run(SH("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"), NULL, &e) == 0);
        OK(e.code == 0 && e.user_ns + e.system_ns > 0 && e.memory_max > 100000);
        rein_child_end small = {.size = offsetof(rein_child_end, code) + sizeof(int), .stopped_by = 77};
        OK(rein_child_run(SH("exit 3"), NULL, &small) == 0 && small.code == 3 && small.stopped_by == 77);
        OK(rein_child_run(SH("exit 0"), NULL, NULL) == 0);
        return 0;
}

static void test_how_it_ended_is_told(void **state)
{
        (void)state;
        passes_everywhere(ends, NULL);
}

static int does_not_start(void *arg)
{
        (void)arg;
        rein_child *c = NULL;
        char *much = malloc(4 << 20);
        char *const nobody[] = {(char *)(uintptr_t) "no-such-program", NULL}, *const empty[] = {NULL};
        char *const denied[] = {(char *)(uintptr_t) "/etc/passwd", NULL};
        char *const large[] = {(char *)(uintptr_t) "true", much, NULL};
        int closed = fcntl(0, F_DUPFD_CLOEXEC, 0), before = descriptors();
        close(closed);
        memset(much, 'x', (4 << 20) - 1);
        much[(4 << 20) - 1] = 0;
        OK(rein_child_start(&c, nobody, NULL) == -ENOENT);
        OK(strstr(rein_error_text(rein_trail()), "'no-such-program' does not start: the program"));
        OK(rein_child_start(&c, denied, NULL) == -EACCES);
        OK(rein_child_start(&c, large, NULL) == -E2BIG);
        OK(rein_child_start(&c, SH("exit 0"), REIN_CHILD(.cwd = "/no/such/place")) == -ENOENT);
        OK(strstr(rein_error_text(rein_trail()), "the directory /no/such/place"));
        OK(rein_child_start(&c, SH("exit 0"), REIN_CHILD(.out = REIN_CHILD_FD(closed))) == -EBADF);
        OK(strstr(rein_error_text(rein_trail()), "`out`: descriptor"));
        OK(rein_child_start(&c, SH("exit 0"),
                            REIN_CHILD(.limits = &(rein_child_limit){9999, 1, 1}, .limits_count = 1)) == -EINVAL);
        OK(strstr(rein_error_text(rein_trail()), "the limits"));
        OK(rein_child_start(&c, empty, NULL) == -EINVAL && rein_child_start(NULL, nobody, NULL) == -EINVAL);
        OK(rein_child_start(&c, nobody, REIN_CHILD(.in = REIN_CHILD_OUT)) == -EINVAL);
        OK(rein_child_start(&c, nobody, REIN_CHILD(.grace_ns = -1)) == -EINVAL);
        OK(rein_child_start(&c, nobody, &(rein_child_opts){.size = 0}) == -EINVAL);
        OK(rein_child_run(nobody, NULL, &(rein_child_end){.size = 0}) == -EINVAL);
        OK(rein_child_run(nobody, REIN_CHILD(.out = REIN_CHILD_PIPE), NULL) == -EINVAL);
        OK(c == NULL && no_child_is_left() && descriptors() == before - 1);
        free(much);
        return 0;
}

static void test_what_does_not_start_leaves_nothing(void **state)
{
        (void)state;
        passes_everywhere(does_not_start, NULL);
}

static int no_descriptor(void *arg)
{
        (void)arg;
        int failed = 0;
        struct rlimit was;
        rein_child *c;
        getrlimit(RLIMIT_NOFILE, &was);
        rein_child_run(SH("exit 0"), NULL, NULL); /* what a first call makes, is made */
        int before = descriptors();
        for (int more = 4; more < 40; more++) { /* ever one more */
                struct rlimit few = {(rlim_t)more, was.rlim_max};
                setrlimit(RLIMIT_NOFILE, &few);
                int rc = rein_child_start(&c, SH("cat"), REIN_CHILD(.in = REIN_CHILD_PIPE, .out = REIN_CHILD_PIPE));
                setrlimit(RLIMIT_NOFILE, &was);
                OK(rc == 0 || rc == -EMFILE);
                failed += rc < 0;
                if (rc == 0)
                        rein_child_free(c);
                OK(no_child_is_left() && descriptors() == before);
        }
        OK(failed > 3 && failed < 40);
        return 0;
}

static void test_without_a_descriptor_there_is_no_child(void **state)
{
        (void)state;
        assert_int_equal(no_descriptor(NULL), 0); /* not in the others: their threads are to wake meanwhile */
}

/* ---- what they are started with ---- */

static const char *ignored_here(void)
{
        static char line[256];
        FILE *f = fopen("/proc/self/status", "r");
        while (f && fgets(line, sizeof line, f) && strncmp(line, "SigIgn:", 7) != 0)
                ;
        if (f)
                fclose(f);
        return line;
}

/* ---- which thread starts it ---- */

/* Is it a child of this very thread? */
static bool is_of_this_thread(int pid)
{
        char name[64], text[4096], number[16];
        snprintf(name, sizeof name, "/proc/self/task/%d/children", (int)syscall(SYS_gettid));
        const int fd = open(name, O_RDONLY | O_CLOEXEC);
        const ssize_t n = fd < 0 ? -1 : read(fd, text + 1, sizeof text - 2);
        close(fd);
        if (n < 0)
                return false;
        text[0] = ' ';
        text[n + 1] = 0;
        snprintf(number, sizeof number, " %d ", pid);
        return strstr(text, number) != NULL;
}

static int starts_it_itself(void *arg)
{
        (void)arg;
        const bool coroutine = rn_self()->backend->offload != NULL;
        for (int in_place = 0; in_place < 2; in_place++) {
                rein_child *c;
                OK(rein_child_start(&c, SH("read x"), REIN_CHILD(.in = REIN_CHILD_PIPE, .in_place = in_place)) == 0);
                OK(is_of_this_thread(rein_child_pid(c)) == (in_place || !coroutine));
                OK(rein_close(rein_child_pipe(c, 0)) == 0);
                OK(rein_child_wait(c, NULL, SOON) == 0);
                rein_child_free(c);
                rein_child *none = NULL;
                char *const nowhere[] = {(char *)(uintptr_t) "/nowhere/at-all", NULL};
                OK(rein_child_start(&none, nowhere, REIN_CHILD(.in_place = in_place)) == -ENOENT && !none);
        }
        return 0;
}

static void test_a_coroutine_starts_it_in_place_or_leaves_it_to_a_thread(void **state)
{
        (void)state;
        if (access("/proc/self/task/self/children", F_OK) < 0 && access("/proc/thread-self/children", F_OK) < 0)
                skip();
        passes_everywhere(starts_it_itself, NULL);
}

/* ---- what it starts with ---- */

/* 32 and 33: glibc's posix_spawn lets its children ignore them, make's for one, and sigaction does not touch them. */
#define OF_THE_C_LIBRARY (3ull << 31)

static int starts_clean(void *arg)
{
        (void)arg;
        char text[4096];
        char *const env[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", (char *)(uintptr_t) "X=the value", NULL};
        rein_child_end e = END;
        OK(says("echo $X; pwd", REIN_CHILD(.env = env, .cwd = "/tmp"), text, sizeof text, &e) == 0);
        OK(strcmp(text, "the value\n/tmp\n") == 0);
        OK(says("grep -E 'Sig(Blk|Ign)' /proc/self/status", NULL, text, sizeof text, &e) == 0);
        OK(strncmp(text, "SigBlk:\t0000000000000000\nSigIgn:\t", 33) == 0);
        OK((strtoull(text + 33, NULL, 16) & ~OF_THE_C_LIBRARY) == 0);
        OK(says("grep SigIgn /proc/self/status", REIN_CHILD(.keep_ignored = true), text, sizeof text, &e) == 0);
        OK(strcmp(text, ignored_here()) == 0);
        OK(says("ulimit -n", REIN_CHILD(.limits = &(rein_child_limit){RLIMIT_NOFILE, 50, 60}, .limits_count = 1), text,
                sizeof text, &e) == 0);
        OK(strcmp(text, "50\n") == 0);
        OK(says("ls /proc/self/fd", NULL, text, sizeof text, &e) == 0);
        OK(strcmp(text, "0\n1\n2\n3\n") == 0); /* 3 is ls's own */
        OK(says("ls /proc/self/fd", REIN_CHILD(.share_fds = true), text, sizeof text, &e) == 0);
        OK(strstr(text, "\n77\n"));
        OK(says("cat; echo err >&2", REIN_CHILD(.in = REIN_CHILD_NULL, .err = REIN_CHILD_OUT), text, sizeof text, &e) ==
           0);
        OK(strcmp(text, "err\n") == 0);
        OK(says("cut -d' ' -f5 /proc/$$/stat", NULL, text, sizeof text, &e) == 0 && atoi(text) != getpgrp() &&
           atoi(text) > 0);
        OK(says("cut -d' ' -f5 /proc/$$/stat", REIN_CHILD(.same_group = true), text, sizeof text, &e) == 0 &&
           atoi(text) == getpgrp());
        OK(says("echo $$; cut -d' ' -f6 /proc/$$/stat", REIN_CHILD(.session = true), text, sizeof text, &e) == 0);
        OK(atoi(text) > 0 && atoi(strchr(text, '\n')) == atoi(text));
        return 0;
}

static void test_it_starts_clean(void **state)
{
        (void)state;
        sigset_t all, had;
        sigfillset(&all);
        int had_77 = dup2(0, 77);
        signal(SIGUSR2, SIG_IGN);
        pthread_sigmask(SIG_BLOCK, &all, &had);
        passes_everywhere(starts_clean, NULL);
        pthread_sigmask(SIG_SETMASK, &had, NULL);
        signal(SIGUSR2, SIG_DFL);
        close(had_77);
        harness_leaves(HARNESS_INHERITABLE, 1, "a child that shares descriptors is to have this one");
}

static void test_descriptors_that_are_in_each_others_way(void **state)
{
        (void)state;
        int out[2], err[2], was[2] = {fcntl(1, F_DUPFD_CLOEXEC, 0), fcntl(2, F_DUPFD_CLOEXEC, 0)};
        char text[64];
        rein_child *c;
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        assert_int_equal(pipe2(err, O_CLOEXEC), 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        int rc = rein_child_start(&c, SH("echo out; echo err >&2"),
                                  REIN_CHILD(.out = REIN_CHILD_FD(2), .err = REIN_CHILD_FD(1)));
        dup2(was[0], 1);
        dup2(was[1], 2);
        assert_int_equal(rc, 0);
        close(out[1]);
        close(err[1]);
        assert_int_equal(rein_child_wait(c, NULL, SOON), 0);
        rein_child_free(c);
        assert_int_equal(read_all(out[0], text, sizeof text), 4);
        assert_string_equal(text, "err\n");
        assert_int_equal(read_all(err[0], text, sizeof text), 4);
        assert_string_equal(text, "out\n");
        close(out[0]);
        close(err[0]);
        close(was[0]);
        close(was[1]);
}

/* A program without any of the three: pipes get other numbers all the same. */
static int without_standard(void)
{
        char text[64] = "";
        rein_child_end e = END;
        int had[3];
        (void)rein_wait_fd(0, 1, REIN_NOWAIT); /* its own descriptor for that gets none of these numbers */
        for (int i = 0; i < 3; i++) {
                had[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
                close(i);
        }
        int rc = says("cat; echo fine; echo also >&2", REIN_CHILD(.in = REIN_CHILD_NULL, .err = REIN_CHILD_OUT), text,
                      sizeof text, &e);
        rein_child *c;
        int pipe_of = -1;
        if (rein_child_start(&c, SH("true"), REIN_CHILD(.out = REIN_CHILD_PIPE)) == 0) {
                pipe_of = rein_child_pipe(c, 1);
                (void)rein_close(pipe_of);
                (void)rein_child_wait(c, NULL, SOON);
                rein_child_free(c);
        }
        for (int i = 0; i < 3; i++) {
                dup2(had[i], i);
                close(had[i]);
        }
        fprintf(stderr, "%s: %s\n", rein_code_name(rc), text);
        return strcmp(text, "fine\nalso\n") == 0 && pipe_of > 2 ? 0 : 1;
}

static void test_where_there_is_no_standard_descriptor(void **state)
{
        (void)state;
        assert_int_equal(program_run("without_standard", NULL, 0), 0);
}

/* ---- stopping ---- */

typedef struct stopping {
        const char *script; /* says something when it is ready */
        int64_t grace;
        rein_scope scope;
        _Atomic(rein_child *) child;
        atomic_int waits;
        rein_child_end end;
        int rest; /* what its pipe says after that: 0 is the end */
} stopping;

static int wait_and_be_canceled(void *arg)
{
        stopping *s = arg;
        rein_child *c;
        char byte;
        s->end = END;
        rein_scope_open(&s->scope, REIN_NEVER);
        int rc = rein_child_start(&c, SH(s->script), REIN_CHILD(.out = REIN_CHILD_PIPE, .grace_ns = s->grace));
        if (rc == 0) {
                int fd = rein_child_pipe(c, 1);
                if (rein_read(fd, &byte, 1, SOON) != 1)
                        s->rest = -1;
                atomic_store(&s->child, c);
                atomic_store(&s->waits, 1);
                rc = rein_child_wait(c, &s->end, SOON);
                s->rest += (int)rein_read(fd, &byte, 1, SOON);
                close(fd);
                rein_child_free(c);
        }
        return rein_scope_close(&s->scope, rc);
}

static void *plainly(void *arg)
{
        return (void *)(intptr_t)wait_and_be_canceled(arg);
}

static void is_stopped(stopping *s, int place)
{
        void *rc = NULL;
        pthread_t t = 0;
        rein_future *f = NULL;
        if (place == PLAIN)
                t = go(plainly, s);
        else
                f = rein_submit(in[place], wait_and_be_canceled, s, REIN_JOB(.on_worker = true));
        EVENTUALLY(atomic_load(&s->waits));
        rein_scope_cancel(&s->scope, "enough");
        if (place == PLAIN)
                join_with(t, &rc);
        assert_int_equal(place == PLAIN ? (int)(intptr_t)rc : ended(f), REIN_ESTOPPED);
        assert_true(s->end.gone);
        assert_true(no_child_is_left());
}

static void test_one_that_leaves_at_sigterm(void **state)
{
        (void)state;
        for (int place = 0; place < PLACES; place++) {
                stopping s = {.script = "trap 'exit 5' TERM; printf x; while :; do sleep 1000 & wait; done",
                              .grace = REIN_SEC(20)};
                is_stopped(&s, place);
                assert_int_equal(s.end.code, 5);
                assert_int_equal(s.end.stopped_by, SIGTERM);
                assert_true(s.rest <= 0); /* its sleep is gone too, or about to be */
        }
}

static void test_one_that_ignores_sigterm_is_killed(void **state)
{
        (void)state;
        for (int place = 0; place < PLACES; place++) {
                stopping s = {.script = "trap '' TERM; echo x; while :; do sleep 1000; done", .grace = REIN_MS(20)};
                is_stopped(&s, place);
                assert_int_equal(s.end.code, -1);
                assert_int_equal(s.end.signo, SIGKILL);
                assert_int_equal(s.end.stopped_by, SIGKILL);
        }
}

static void test_one_that_is_stopped_by_a_signal_sees_sigterm(void **state)
{
        (void)state;
        stopping s = {.script = "trap 'exit 6' TERM; echo x; kill -STOP $$; sleep 1000", .grace = REIN_SEC(20)};
        is_stopped(&s, POOL);
        assert_int_equal(s.end.stopped_by, SIGTERM);
}

/* A grandchild that ignores SIGTERM, in the group of a child that does not, goes when the child has ended. */
static int grandchild_goes(void *arg)
{
        (void)arg;
        char text[64] = "";
        rein_child *c;
        rein_child_end e = END;
        OK(rein_child_start(&c, SH("(trap '' TERM; echo x; exec sleep 1000) & wait"),
                            REIN_CHILD(.out = REIN_CHILD_PIPE, .grace_ns = REIN_SEC(20))) == 0);
        int fd = rein_child_pipe(c, 1);
        OK(rein_child_pipe(c, 1) == -EBADF && rein_child_pipe(c, 0) == -EBADF && rein_child_pipe(c, 3) == -EBADF);
        OK(rein_read(fd, text, 1, SOON) == 1);
        OK(rein_child_stop(c, &e) == 0 && e.stopped_by == SIGTERM && e.signo == SIGTERM);
        OK(read_all(fd, text, sizeof text) == 1); /* the rest of the line, and the end: nobody has the pipe any more */
        OK(rein_child_stop(c, &e) == 0 && e.signo == SIGTERM); /* again */
        OK(rein_close(fd) == 0);
        rein_child_free(c);
        return 0;
}

static void test_the_group_goes_with_a_child_that_is_stopped(void **state)
{
        (void)state;
        passes_everywhere(grandchild_goes, NULL);
}

/* One that ends by itself is not waited for longer because somebody else has its pipe, and leaves that one alone. */
static int grandchild_stays(void *arg)
{
        (void)arg;
        char text[64];
        rein_child *c;
        rein_child_end e = END;
        OK(rein_child_start(&c, SH("sleep 1000 & echo $!"), REIN_CHILD(.out = REIN_CHILD_PIPE)) == 0);
        int fd = rein_child_pipe(c, 1);
        OK(rein_child_wait(c, &e, SOON) == 0 && e.code == 0 && e.stopped_by == 0);
        OK(rein_child_signal(c, SIGTERM) == -ESRCH);
        int64_t n = rein_read(fd, text, sizeof text - 1, SOON);
        OK(n > 0);
        text[n] = 0;
        OK(rein_read(fd, text + 32, 1, rein_after(REIN_MS(1))) == REIN_ETIMEOUT); /* it has the pipe */
        OK(kill(atoi(text), SIGKILL) == 0);
        OK(rein_read(fd, text, 1, SOON) == 0);
        OK(rein_close(fd) == 0);
        rein_child_free(c);
        return 0;
}

static void test_a_grandchild_that_keeps_the_pipe(void **state)
{
        (void)state;
        passes_everywhere(grandchild_stays, NULL);
}

static int canceled_at(void *arg)
{
        (void)arg;
        rein_child *c = NULL;
        rein_child_end e = END;
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER); /* before there is one */
        rein_scope_cancel(&s, NULL);
        OK(rein_child_start(&c, SH("exit 0"), NULL) == REIN_ECANCELED && c == NULL);
        OK(rein_child_run(SH("exit 0"), NULL, NULL) == REIN_ECANCELED);
        OK(rein_scope_close(&s, 0) == 0);

        OK(rein_child_start(&c, SH("exec sleep 1000"), NULL) == 0); /* before the wait */
        rein_scope_open(&s, REIN_NEVER);
        OK(rein_child_wait(c, &e, REIN_NOWAIT) == REIN_ETIMEOUT && !e.gone);
        OK(rein_child_wait(c, NULL, rein_after(REIN_MS(1))) == REIN_ETIMEOUT); /* it goes on */
        rein_scope_cancel(&s, NULL);
        OK(rein_child_wait(c, &e, SOON) == REIN_ECANCELED);
        OK(e.gone && e.stopped_by == SIGTERM && e.signo == SIGTERM);
        OK(strstr(rein_error_text(rein_trail()), "left at SIGTERM"));
        OK(rein_child_wait(c, &e, SOON) == 0); /* it has ended: that is told */
        OK(rein_scope_close(&s, 0) == 0);
        rein_child_free(c);

        OK(rein_child_start(&c, SH("exit 4"), NULL) == 0); /* after its end */
        OK(rein_wait_fd(rein_child_pidfd(c), 1, SOON) == 1);
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, NULL);
        OK(rein_child_wait(c, &e, SOON) == 0 && e.code == 4 && e.stopped_by == 0);
        OK(rein_scope_close(&s, 0) == 0);
        rein_child_free(c);

        rein_scope_open(&s, rein_after(REIN_MS(5))); /* a deadline */
        OK(rein_child_run(SH("exec sleep 1000"), NULL, &e) == REIN_ECANCELED && e.stopped_by == SIGTERM);
        OK(rein_scope_close(&s, REIN_ECANCELED) == REIN_ETIMEOUT);

        OK(rein_child_start(&c, SH("exec sleep 1000"), NULL) == 0); /* given back in a scope that is cancelled */
        int pid = rein_child_pid(c);
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, NULL);
        rein_child_free(c);
        OK(kill(pid, 0) == -1 && errno == ESRCH);
        OK(rein_scope_close(&s, 0) == 0);
        rein_child_free(NULL);
        return 0;
}

static void test_a_cancel_at_each_point(void **state)
{
        (void)state;
        passes_everywhere(canceled_at, NULL);
}

typedef struct waiting {
        rein_child *c;
        atomic_int said;
} waiting;

static int waits_for(void *arg)
{
        waiting *w = arg;
        rein_child_end e = END;
        int rc = rein_child_wait(w->c, &e, SOON);
        return rc < 0 ? rc : e.code;
}

static void test_all_who_wait_are_told(void **state)
{
        (void)state;
        waiting w = {0};
        rein_future *f[6];
        assert_int_equal(rein_child_start(&w.c, SH("read x; exit 9"), REIN_CHILD(.in = REIN_CHILD_PIPE)), 0);
        for (int i = 0; i < 6; i++)
                f[i] = rein_submit(in[i % 2 ? LOOP : POOL], waits_for, &w, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_child_wait(w.c, NULL, rein_after(REIN_MS(1))), REIN_ETIMEOUT);
        int fd = rein_child_pipe(w.c, 0);
        assert_int_equal(rein_write(fd, "\n", 1, SOON), 1);
        for (int i = 0; i < 6; i++)
                assert_int_equal(ended(f[i]), 9);
        rein_close(fd);
        rein_child_free(w.c);
        assert_true(no_child_is_left());
}

/* The waiter stops before it looks at the descriptors; meanwhile the child ends, and the waiter is cancelled. */
static stubborn looks;
static _Thread_local bool stays;

static uint32_t stay_before_the_poll(uint32_t n, rn_choice kind)
{
        (void)n;
        if (!stays || kind != RN_CHOOSE_INTR)
                return 0;
        stays = false;
        stubborn_stay(&looks);
        return 1;
}

typedef struct unlucky {
        rein_child *c;
        rein_scope scope;
        rein_child_end end;
        int rc;
} unlucky;

static void *wait_for_it(void *arg)
{
        unlucky *u = arg;
        rein_scope_open(&u->scope, REIN_NEVER);
        stays = true;
        u->rc = rein_child_wait(u->c, &u->end, SOON);
        (void)rein_scope_close(&u->scope, 0);
        return NULL;
}

static void test_one_that_ends_by_itself_as_its_waiter_is_canceled(void **state)
{
        (void)state;
        unlucky u = {.end = END};
        assert_int_equal(rein_child_start(&u.c, SH("read x; exit 4"), REIN_CHILD(.in = REIN_CHILD_PIPE)), 0);
        int to = rein_child_pipe(u.c, 0);
        stubborn_init(&looks);
        pthread_t t = go(wait_for_it, &u);
        EVENTUALLY(looks.inside == 1);
        assert_int_equal(rein_close(to), 0);
        assert_int_equal(rein_wait_fd(rein_child_pidfd(u.c), 1, SOON), 1);
        rein_scope_cancel(&u.scope, "too late");
        stubborn_let_go(&looks, 1);
        join(t);
        assert_int_equal(u.rc, 0);
        assert_true(u.end.gone && u.end.code == 4 && u.end.stopped_by == 0);
        rein_child_free(u.c);
        assert_true(no_child_is_left());
}

/* ---- many ---- */

static void test_a_thousand_in_sequence_leave_no_descriptor(void **state)
{
        (void)state;
        char text[16];
        rein_child_end e = END;
        assert_int_equal(says("echo x", NULL, text, sizeof text, &e), 0);
        int before = descriptors();
        for (int i = 0; i < 1000; i++) {
                char *const argv[] = {(char *)(uintptr_t) "true", NULL};
                assert_int_equal(rein_child_run(argv, i % 2 ? REIN_CHILD(.in = REIN_CHILD_NULL) : NULL, &e), 0);
                assert_int_equal(e.code, 0);
        }
        for (int i = 0; i < 20; i++)
                assert_int_equal(says("echo x", NULL, text, sizeof text, &e), 0);
        assert_in_range(descriptors(), 0, before); /* a thread that went idle long ago takes its own with it */
        assert_true(no_child_is_left());
}

static int one_of_many(void *arg)
{
        char script[64], text[64];
        rein_child_end e = END;
        int number = *(int *)arg;
        snprintf(script, sizeof script, "echo %d; exit %d", number, number % 200);
        int rc = says(script, NULL, text, sizeof text, &e);
        return rc < 0 ? rc : atoi(text) == number && e.code == number % 200 ? 0 : REIN_EUSER;
}

static int two_hundred(void *arg)
{
        (void)arg;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_ALL));
        for (int i = 0; i < 200; i++)
                rein_spawn(&g, NULL, one_of_many, REIN_COPY(i));
        return rein_group_close(&g, 0);
}

static void test_two_hundred_at_once_in_coroutines(void **state)
{
        (void)state;
        assert_int_equal(there(LOOP, two_hundred, NULL), 0);
        assert_true(no_child_is_left());
}

/* ---- much, both ways ---- */

enum { MUCH = 10 << 20 };

static int feed(void *arg)
{
        int fd = *(int *)arg;
        char *bytes = malloc(MUCH);
        for (int i = 0; i < MUCH; i++)
                bytes[i] = (char)(i * 2654435761u >> 13);
        int64_t n = rein_write(fd, bytes, MUCH, SOON);
        free(bytes);
        rein_close(fd);
        return n == MUCH ? 0 : (int)n;
}

static int through_cat(void *arg)
{
        const int place = *(int *)arg;
        rein_child *c;
        rein_group g;
        rein_child_end e = END;
        char *const argv[] = {(char *)(uintptr_t) "cat", NULL};
        OK(rein_child_start(&c, argv, REIN_CHILD(.in = REIN_CHILD_PIPE, .out = REIN_CHILD_PIPE)) == 0);
        int to = rein_child_pipe(c, 0), from = rein_child_pipe(c, 1);
        char *bytes = malloc(MUCH + 1);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_ALL));
        rein_spawn(&g, in[place == PLAIN ? POOL : place], feed, REIN_COPY(to));
        int64_t n = read_all(from, bytes, MUCH + 1);
        int rc = rein_group_close(&g, 0);
        bool same = n == MUCH;
        for (int i = 0; i < MUCH && same; i++)
                same = bytes[i] == (char)(i * 2654435761u >> 13);
        free(bytes);
        OK(rc == 0 && same);
        OK(rein_child_wait(c, &e, SOON) == 0 && e.code == 0);
        OK(rein_close(from) == 0);
        rein_child_free(c);
        return 0;
}

static void test_ten_megabytes_both_ways(void **state)
{
        (void)state;
        for (int place = 0; place < PLACES; place++)
                assert_int_equal(there(place, through_cat, &place), 0);
        assert_true(no_child_is_left());
}

/* ---- the process ---- */

static void test_a_forked_child_may_not_touch_it(void **state)
{
        (void)state;
        rein_child *c;
        int status;
        assert_int_equal(rein_child_start(&c, SH("exec sleep 1000"), NULL), 0);
        pid_t pid = fork();
        if (pid == 0) {
                rein_on_unseen(NULL, NULL);
                rein_child_free(c);
                _exit(rein_child_wait(c, NULL, SOON) == -EPERM && rein_child_stop(c, NULL) == -EPERM &&
                                      rein_child_signal(c, SIGKILL) == -EPERM && rein_child_pipe(c, 0) == -EPERM
                              ? 0
                              : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(rein_child_wait(c, NULL, REIN_NOWAIT), REIN_ETIMEOUT); /* it runs */
        rein_child_free(c);
}

/* It has our stderr, which ends when it does. */
static int exits(void)
{
        rein_child *c;
        const char *why = "a child that nobody has freed: the exit of the process ends it, and waits for nothing";
        harness_leaves(HARNESS_CHILDREN, 1, why);
        harness_leaves(HARNESS_WAITS, 1, why);
        harness_leaves(HARNESS_DESCRIPTORS, 1, why);
        harness_leaves(HARNESS_BLOCKS, 1, why);
        return rein_child_start(&c, SH("trap '' TERM; sleep 1000 & sleep 1000"), NULL);
}

static void test_the_exit_of_the_process_ends_it(void **state)
{
        (void)state;
        assert_int_equal(program_run("exits", NULL, 0), 0);
}

static int ignores_sigchld(void)
{
        rein_child_end e = END;
        signal(SIGCHLD, SIG_IGN); /* the kernel then throws the status away */
        int rc = rein_child_run(SH("exit 3"), NULL, &e);
        signal(SIGCHLD, SIG_DFL);
        return rc == 0 && e.gone && e.code == -1 && e.signo == 0 ? 0 : 1;
}

static void test_where_nobody_may_be_told(void **state)
{
        (void)state;
        assert_int_equal(program_run("ignores_sigchld", NULL, 0), 0);
}

/* From here on system call `nr` does nothing but answer -err, in this process and its children. */
static int forbid(unsigned nr, unsigned err)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = {sizeof code / sizeof *code, code};
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int no_pidfd(void)
{
        rein_child *c = NULL;
        if (forbid(SYS_pidfd_open, ENOSYS))
                return 100;
        int rc = rein_child_start(&c, SH("exit 0"), NULL);
        fprintf(stderr, "%s\n", rein_error_text(rein_trail()));
        return rc == -ENOSYS && !c && no_child_is_left() ? 0 : 1;
}

static void test_where_there_are_no_pidfds(void **state)
{
        (void)state;
        char said[512];
        assert_int_equal(program_run("no_pidfd", said, sizeof said), 0);
        assert_non_null(strstr(said, "this kernel has no pidfds: Linux 5.4 or later is needed"));
}

/* kill(2) has no effect here, as on one that hangs in the kernel. */
static int cannot_be_killed(void)
{
        rein_child *c;
        char where[32];
        rein_child_end e = END;
        rein_child_run(SH("exit 0"), NULL, NULL);
        int before = descriptors();
        if (rein_child_start(&c, SH("cat"), REIN_CHILD(.in = REIN_CHILD_PIPE, .grace_ns = REIN_MS(1))) < 0)
                return 1;
        snprintf(where, sizeof where, "/proc/%d", rein_child_pid(c));
        if (forbid(SYS_kill, 0))
                return 100;
        if (rein_child_stop(c, &e) != REIN_ESTUCK || e.gone || e.stopped_by != SIGKILL)
                return 2;
        rein_child_free(c); /* closes its pipe, and that ends it */
        for (int i = 0; i < 200000 && access(where, F_OK) == 0; i++)
                rein_child_run(SH("exit 0"), NULL, NULL); /* later calls see to it */
        return access(where, F_OK) != 0 && no_child_is_left() && descriptors() == before ? 0 : 3;
}

static void test_one_that_cannot_be_killed_is_reaped_later(void **state)
{
        (void)state;
        assert_int_equal(program_run("cannot_be_killed", NULL, 0), 0);
}

static int simulated(void *arg)
{
        (void)arg;
        rein_child *c;
        int rc = rein_child_start(&c, SH("exit 0"), NULL);
        return rc == -ENOTSUP ? 0 : REIN_EUSER;
}

static void test_a_simulation_has_none(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(NULL, simulated, NULL), 0);
}

static const program programs[] = {
        {"without_standard", without_standard}, {"exits", exits},
        {"ignores_sigchld", ignores_sigchld},   {"no_pidfd", no_pidfd},
        {"cannot_be_killed", cannot_be_killed},
};

/* ---- does it add up? ---- */

static rein_child made;

static void make(void)
{
        made = (rein_child){.pid = 1000, .pidfd = 10, .pipes = {11, -1, 13}};
}

static const char *ask(void)
{
        return rn_child_wrong(&made);
}

static void without_a_process(void)
{
        made.pid = 0;
}

static void without_its_descriptor(void)
{
        made.pidfd = -1;
}

static void on_no_rung(void)
{
        made.stopped_by = SIGINT;
}

static void stuck_and_only_asked(void)
{
        made.stopped_by = SIGTERM;
        made.stuck = true;
}

static void there_with_a_signal(void)
{
        made.end.signo = SIGKILL;
}

static void there_with_a_code(void)
{
        made.end.code = 3;
}

static void back_with_a_pipe(void)
{
        made.freed = true;
}

static void two_ends_are_one(void)
{
        made.pipes[2] = made.pipes[0];
}

static void an_end_is_the_process(void)
{
        made.pipes[1] = made.pidfd;
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {without_a_process, "a child has no process"},
                {without_its_descriptor, "a child has no process"},
                {on_no_rung, "a child was stopped by none of the rungs"},
                {stuck_and_only_asked, "a child could not be killed, and nobody tried"},
                {there_with_a_signal, "a child is there, and has an end"},
                {there_with_a_code, "a child is there, and has an end"},
                {back_with_a_pipe, "a child was given back, and an end of a pipe is still there"},
                {two_ends_are_one, "a descriptor of a child is there twice"},
                {an_end_is_the_process, "a descriptor of a child is there twice"},
        };
        broken_each(make, ask, ways, COUNT(ways));
        made = (rein_child){.pid = 1000, .pidfd = 10, .pipes = {-1, -1, -1}, .freed = true, .end.code = -1};
        assert_null(rn_child_wrong(&made)); /* given back, and cannot be killed */
}

static void a_child_is_listed(void)
{
        broken_push(&rn_world_now()->children, &made.link);
}

static void test_a_simulation_finds_a_child_that_does_not_add_up(void **state)
{
        (void)state;
        static const broken_way way = {a_child_is_listed, "does not add up: a child has no process"};
        made = (rein_child){.pidfd = -1};
        broken_in_a_simulation(NULL, &way, 1);
}

int main(int argc, char **argv)
{
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        signal(SIGPIPE, SIG_IGN);
        rn_choose_by(stay_before_the_poll); /* before there are threads: only one that says so stays */
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_how_it_ended_is_told),
                cmocka_unit_test(test_what_does_not_start_leaves_nothing),
                cmocka_unit_test(test_without_a_descriptor_there_is_no_child),
                cmocka_unit_test(test_a_coroutine_starts_it_in_place_or_leaves_it_to_a_thread),
                cmocka_unit_test(test_it_starts_clean),
                cmocka_unit_test(test_descriptors_that_are_in_each_others_way),
                cmocka_unit_test(test_where_there_is_no_standard_descriptor),
                cmocka_unit_test(test_one_that_leaves_at_sigterm),
                cmocka_unit_test(test_one_that_ignores_sigterm_is_killed),
                cmocka_unit_test(test_one_that_is_stopped_by_a_signal_sees_sigterm),
                cmocka_unit_test(test_the_group_goes_with_a_child_that_is_stopped),
                cmocka_unit_test(test_a_grandchild_that_keeps_the_pipe),
                cmocka_unit_test(test_a_cancel_at_each_point),
                cmocka_unit_test(test_all_who_wait_are_told),
                cmocka_unit_test(test_one_that_ends_by_itself_as_its_waiter_is_canceled),
                cmocka_unit_test(test_a_thousand_in_sequence_leave_no_descriptor),
                cmocka_unit_test(test_two_hundred_at_once_in_coroutines),
                cmocka_unit_test(test_ten_megabytes_both_ways),
                cmocka_unit_test(test_a_forked_child_may_not_touch_it),
                cmocka_unit_test(test_the_exit_of_the_process_ends_it),
                cmocka_unit_test(test_where_nobody_may_be_told),
                cmocka_unit_test(test_where_there_are_no_pidfds),
                cmocka_unit_test(test_one_that_cannot_be_killed_is_reaped_later),
                cmocka_unit_test(test_a_simulation_has_none),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
                cmocka_unit_test(test_a_simulation_finds_a_child_that_does_not_add_up),
        };
        rc = cmocka_run_group_tests(tests, open_places, close_places);
        signal(SIGPIPE, SIG_DFL);
        return rc;
}
