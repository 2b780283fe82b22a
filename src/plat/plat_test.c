/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of plat.h, function by function, as any port has to keep it. */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "plat/plat.h"

static rein_time soon(void)
{
        return rein_after(REIN_SEC(20));
}

static bool is_blocked(int signo)
{
        sigset_t now;
        pthread_sigmask(SIG_BLOCK, NULL, &now);
        return sigismember(&now, signo) == 1;
}

/* How many threads of this process sleep on a word, as the kernel tells. */
static int threads_in_futex(void)
{
        int n = 0;
        struct dirent *d;
        DIR *tasks = opendir("/proc/self/task");
        while (tasks && (d = readdir(tasks))) {
                char doing[128] = "";
                rn_thread_doing((uint32_t)strtoul(d->d_name, NULL, 10), doing, sizeof doing);
                n += strncmp(doing, "system call futex", 17) == 0;
        }
        if (tasks)
                closedir(tasks);
        return n;
}

/* ---- words and locks ---- */

enum { SLEEPERS = 4 };

typedef struct sleepers {
        rn_a32 word;
        atomic_int awake, ready;
} sleepers;

static void *sleep_on_the_word(void *arg)
{
        sleepers *s = arg;
        atomic_fetch_add(&s->ready, 1);
        while (rn_load32(&s->word) == 0)
                rn_word_wait(&s->word, 0, RN_NEVER);
        atomic_fetch_add(&s->awake, 1);
        return NULL;
}

static void test_a_wake_of_all_wakes_all(void **state)
{
        (void)state;
        const uint32_t many[] = {SLEEPERS, INT32_MAX, UINT32_MAX};
        for (size_t i = 0; i < COUNT(many); i++) {
                static sleepers s;
                pthread_t t[SLEEPERS];
                const int others = threads_in_futex();
                s = (sleepers){0};
                for (int k = 0; k < SLEEPERS; k++)
                        t[k] = go(sleep_on_the_word, &s);
                EVENTUALLY(s.ready == SLEEPERS);
                EVENTUALLY(threads_in_futex() == others + SLEEPERS);
                rn_store32(&s.word, 1);
                rn_word_wake(&s.word, many[i]);
                for (int k = 0; k < SLEEPERS; k++)
                        join(t[k]);
                assert_int_equal(s.awake, SLEEPERS);
        }
}

static void test_a_wait_on_a_word_leaves_errno_alone(void **state)
{
        (void)state;
        rn_a32 word = {0};
        errno = EXDEV;
        rn_word_wait(&word, 1, RN_NEVER); /* it is not 1 */
        assert_int_equal(errno, EXDEV);
        rn_word_wait(&word, 0, rn_clock() + 1000);
        assert_int_equal(errno, EXDEV);
        rn_word_wait(&word, 0, -1);
        rn_word_wake(&word, UINT32_MAX);
        assert_int_equal(errno, EXDEV);
}

typedef struct counted {
        rn_lock lock;
        long count;
} counted;

enum { ROUNDS = 20000, HOLDERS = 4 };

static void *count_under_the_lock(void *arg)
{
        counted *c = arg;
        for (int i = 0; i < ROUNDS; i++) {
                rn_lock_take(&c->lock);
                c->count++;
                if (i % 64 == 0)
                        sched_yield(); /* with the lock: so that others come to sleep for it */
                rn_lock_give(&c->lock);
        }
        return NULL;
}

static void test_a_lock_is_had_by_one_and_by_each_in_the_end(void **state)
{
        (void)state;
        static counted c;
        pthread_t t[HOLDERS];
        for (int i = 0; i < HOLDERS; i++)
                t[i] = go(count_under_the_lock, &c);
        for (int i = 0; i < HOLDERS; i++)
                join(t[i]);
        assert_int_equal(c.count, (long)HOLDERS * ROUNDS);
        assert_int_equal(rn_get32(&c.lock.word), 0);
}

static void *take_and_give(void *arg)
{
        counted *c = arg;
        rn_lock_take(&c->lock);
        c->count++;
        rn_lock_give(&c->lock);
        return NULL;
}

/* Two sleep for it; each that has slept must pass the wake on. */
static void test_each_that_slept_for_a_lock_gets_it(void **state)
{
        (void)state;
        static counted c;
        pthread_t t[SLEEPERS];
        const int others = threads_in_futex();
        c = (counted){0};
        rn_lock_take(&c.lock);
        for (int i = 0; i < SLEEPERS; i++)
                t[i] = go(take_and_give, &c);
        EVENTUALLY(threads_in_futex() == others + SLEEPERS);
        rn_lock_give(&c.lock);
        for (int i = 0; i < SLEEPERS; i++)
                join(t[i]);
        assert_int_equal(c.count, SLEEPERS);
}

/* ---- threads ---- */

typedef struct born {
        atomic_int done;
        bool blocked[65];
} born;

static void look_at_the_mask(void *arg)
{
        born *b = arg;
        for (int s = 1; s < 65; s++)
                b->blocked[s] = is_blocked(s);
        atomic_store(&b->done, 1);
}

static void test_a_thread_starts_with_the_signals_of_strangers_blocked(void **state)
{
        (void)state;
        static born b;
        static const int strangers[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGALRM, SIGPIPE, SIGWINCH};
        static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
        assert_int_equal(rn_thread_start(look_at_the_mask, &b, "mask", 0), 0);
        EVENTUALLY(b.done);
        for (size_t i = 0; i < COUNT(strangers); i++) {
                assert_true(b.blocked[strangers[i]]);
                assert_false(is_blocked(strangers[i])); /* and the thread that started it has them as before */
        }
        for (size_t i = 0; i < COUNT(faults); i++)
                assert_false(b.blocked[faults[i]]);
}

static void *ask_how_much_is_left(void *arg)
{
        bool *good = arg;
        const char *base = __builtin_frame_address(0); /* nearly; a variable need not lie there under a sanitizer */
        *good = rn_stack_left(base, 1 << 20) <= 1 << 20 && rn_stack_left(base, 1 << 20) > 1 << 19 &&
                rn_stack_left(base + (2 << 20), 1 << 20) == 0 && /* used up, and more than that */
                rn_stack_left(NULL, 1 << 20) == SIZE_MAX && rn_stack_left(base, 0) == SIZE_MAX;
        return NULL;
}

static void test_what_is_left_of_a_stack(void **state)
{
        (void)state;
        bool good = false;
        join(go(ask_how_much_is_left, &good));
        assert_true(good);
}

/* ---- the poke ---- */

static int poke_of_this_process(void)
{
        for (int s = SIGRTMAX - 1; s > SIGRTMIN; s--) {
                struct sigaction now;
                if (sigaction(s, NULL, &now) == 0 && now.sa_handler != SIG_DFL)
                        return s;
        }
        return 0;
}

static void handler(int signo)
{
        (void)signo;
}

static int takes_a_free_signal(void)
{
        struct sigaction act = {.sa_handler = handler}, now;
        sigaction(SIGRTMAX - 1, &act, NULL);
        if (rn_poke_setup() != 0)
                return 1;
        if (sigaction(SIGRTMAX - 1, NULL, &now) != 0 || now.sa_handler != handler)
                return 2;
        return sigaction(SIGRTMAX - 2, NULL, &now) == 0 && now.sa_handler != SIG_DFL ? 0 : 3;
}

static int finds_none(void)
{
        struct sigaction act = {.sa_handler = handler}, none = {.sa_handler = SIG_DFL};
        for (int s = SIGRTMIN + 1; s < SIGRTMAX; s++)
                sigaction(s, &act, NULL);
        const bool busy = rn_poke_setup() == -EBUSY && rn_poke_setup() == -EBUSY;
        for (int s = SIGRTMIN + 1; s < SIGRTMAX; s++)
                sigaction(s, &none, NULL);
        return busy ? 0 : 1;
}

static void test_the_poke_takes_a_signal_that_nobody_has(void **state)
{
        (void)state;
        assert_int_equal(program_run("takes_a_free_signal", NULL, 0), 0);
        assert_int_equal(program_run("finds_none", NULL, 0), 0);
}

static void test_the_poke_is_blocked_again_where_it_was(void **state)
{
        (void)state;
        assert_int_equal(rn_poke_setup(), 0);
        const int poke = poke_of_this_process();
        assert_true(poke > 0);
        for (int was = 0; was <= 1; was++) {
                sigset_t set;
                sigemptyset(&set);
                sigaddset(&set, poke);
                pthread_sigmask(was ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
                errno = EXDEV;
                assert_int_equal(rn_poke_unblock(), was);
                assert_false(is_blocked(poke));
                rn_poke(rn_thread_id());
                rn_poke_land(was);
                assert_int_equal(is_blocked(poke), was);
                assert_int_equal(errno, EXDEV);
                pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        }
}

/* ---- descriptors ---- */

static bool is_ours_alone(int fd)
{
        return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void test_a_poll_that_is_over_looks_once(void **state)
{
        (void)state;
        int ends[2], wake = rn_sys_wakefd();
        assert_true(wake >= 0 && is_ours_alone(wake));
        assert_int_equal(rn_sys_pipe(ends), 0);
        assert_true(fcntl(wake, F_GETFL) & O_NONBLOCK);
        const int64_t over[] = {rn_clock(), 1, 0, -1, INT64_MIN};
        for (size_t i = 0; i < COUNT(over); i++)
                assert_int_equal(rn_sys_poll_one(ends[0], RN_POLLIN, wake, over[i]), 0);
        assert_int_equal(rn_sys_write(ends[1], "x", 1, false), 1);
        for (size_t i = 0; i < COUNT(over); i++)
                assert_int_equal(rn_sys_poll_one(ends[0], RN_POLLIN, wake, over[i]), RN_POLLIN);
        rn_sys_wakefd_ring(wake);
        assert_int_equal(rn_sys_poll_one(-1, 0, wake, soon().ns), 0);
        rn_sys_wakefd_drain(wake);
        rn_sys_wakefd_drain(wake); /* nothing is there any more */
        assert_int_equal(rn_sys_close(wake), 0);
        assert_int_equal(rn_sys_close(ends[0]), 0);
        assert_int_equal(rn_sys_close(ends[1]), 0);
}

/* SIGPIPE: none comes, none is left, and whether it was blocked or pending is as before. */
static void test_a_write_that_nobody_reads_leaves_no_signal(void **state)
{
        (void)state;
        int ends[2];
        sigset_t set, pending;
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        assert_int_equal(rn_sys_pipe(ends), 0);
        assert_int_equal(rn_sys_close(ends[0]), 0);
        for (int now = 0; now <= 1; now++) {
                int64_t rc = now ? rn_sys_write_now(ends[1], "x", 1) : rn_sys_write(ends[1], "x", 1, false);
                assert_int_equal(rc, -EPIPE);
                assert_false(is_blocked(SIGPIPE));
        }
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        assert_int_equal(rn_sys_write(ends[1], "x", 1, false), -EPIPE);
        assert_true(is_blocked(SIGPIPE));
        sigpending(&pending);
        assert_false(sigismember(&pending, SIGPIPE));
        raise(SIGPIPE);
        assert_int_equal(rn_sys_write(ends[1], "x", 1, false), -EPIPE);
        sigpending(&pending);
        assert_true(sigismember(&pending, SIGPIPE)); /* it was there before */
        signal(SIGPIPE, SIG_IGN);
        signal(SIGPIPE, SIG_DFL);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        assert_int_equal(rn_sys_close(ends[1]), 0);
}

static void test_a_signal_as_a_descriptor(void **state)
{
        (void)state;
        bool was_blocked = true;
        assert_int_equal(rn_sys_signal_block(SIGUSR2, &was_blocked), 0);
        int fd = rn_sys_signal_open(SIGUSR2);
        assert_true(fd >= 0 && !was_blocked && is_ours_alone(fd) && is_blocked(SIGUSR2));
        assert_int_equal(rn_sys_signal_take(fd, SIGUSR2), 0);
        assert_int_equal(rn_sys_signal_take(-1, SIGUSR2), 0);
        raise(SIGUSR2);
        bool again = false;
        assert_int_equal(rn_sys_signal_block(SIGUSR2, &again), 0);
        int other = rn_sys_signal_open(SIGUSR2);
        assert_true(other >= 0 && again);
        assert_int_equal(rn_sys_signal_take(fd, SIGUSR2), 1);
        assert_int_equal(rn_sys_signal_take(other, SIGUSR2), 0);
        rn_sys_signal_unblock(SIGUSR2, again);
        rn_sys_close_own(other);
        assert_true(is_blocked(SIGUSR2));
        raise(SIGUSR2);
        assert_int_equal(rn_sys_signal_take(-1, SIGUSR2), 1);
        assert_int_equal(rn_sys_signal_take(-1, SIGUSR2), 0);
        rn_sys_close_own(fd);
        rn_sys_signal_unblock(SIGUSR2, was_blocked);
        assert_false(is_blocked(SIGUSR2));
        assert_int_equal(rn_sys_signal_block(SIGKILL, &was_blocked), -EINVAL);
        assert_int_equal(rn_sys_signal_block(0, &was_blocked), -EINVAL);
        assert_int_equal(rn_sys_signal_block(INT32_MAX, &was_blocked), -EINVAL);
}

/* ---- many descriptors ---- */

enum { PIPES = 40 }; /* more than the table has room for at first, and than twice of that */

static void test_a_poller_tells_each_once(void **state)
{
        (void)state;
        for (int portable = 0; portable <= 1; portable++) {
                rn_poller *p = NULL;
                int ends[PIPES][2], seen[PIPES] = {0};
                rn_ready ready[64];
                assert_int_equal(rn_poller_new(portable, &p), 0);
                for (int i = 0; i < PIPES; i++) {
                        assert_int_equal(rn_sys_pipe(ends[i]), 0);
                        assert_int_equal(rn_sys_write(ends[i][1], "x", 1, false), 1);
                        assert_int_equal(rn_poller_watch(p, ends[i][0], RN_POLLIN), 0);
                }
                assert_int_equal(rn_poller_watch(p, ends[0][0], RN_POLLIN), 0); /* instead of, not besides */
                for (int n, total = 0; total < PIPES; total += n) {
                        n = rn_poller_wait(p, ready, 64, soon().ns);
                        assert_true(n > 0);
                        if (portable)
                                assert_int_equal(n, PIPES); /* one look finds them all */
                        for (int k = 0; k < n; k++)
                                for (int i = 0; i < PIPES; i++)
                                        seen[i] += ready[k].fd == ends[i][0] && (ready[k].events & RN_POLLIN);
                }
                for (int i = 0; i < PIPES; i++)
                        assert_int_equal(seen[i], 1);
                assert_int_equal(rn_poller_wait(p, ready, 64, rn_clock()), 0); /* told, and forgotten */
                rn_poller_ring(p);
                rn_poller_ring(p);
                assert_int_equal(rn_poller_wait(p, ready, 64, soon().ns), 0); /* rung */
                for (int i = 0; i < PIPES; i++) {
                        assert_int_equal(rn_poller_watch(p, ends[i][0], RN_POLLIN), 0);
                        if (i % 2)
                                rn_poller_unwatch(p, ends[i][0]);
                }
                int left = 0;
                for (int n; left < PIPES / 2; left += n)
                        assert_true((n = rn_poller_wait(p, ready, 64, soon().ns)) > 0);
                assert_int_equal(left, PIPES / 2);
                for (int i = 0; i < PIPES; i++) {
                        assert_int_equal(rn_sys_close(ends[i][0]), 0);
                        assert_int_equal(rn_sys_close(ends[i][1]), 0);
                }
                rn_poller_free(p);
        }
}

static int highest_descriptor(void)
{
        int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
        close(fd);
        return fd;
}

static void test_what_a_poller_opens_is_not_inherited(void **state)
{
        (void)state;
        rn_poller *p = NULL;
        const int from = highest_descriptor();
        assert_int_equal(rn_poller_new(false, &p), 0);
        assert_true(rn_poller_fd(p) >= 0);
        const int to = highest_descriptor();
        assert_true(to > from);
        for (int fd = from; fd < to; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        assert_true(is_ours_alone(fd));
        rn_poller_free(p);
        assert_int_equal(highest_descriptor(), from);
}

/* The descriptor of a hosted loop turns readable at its alarm: later, sooner, at once, never. */
static void test_the_alarm_of_a_poller(void **state)
{
        (void)state;
        rn_poller *p = NULL;
        rn_ready ready[4];
        assert_int_equal(rn_poller_new(false, &p), 0);
        struct pollfd fd = {.fd = rn_poller_fd(p), .events = POLLIN};
        const int64_t over[] = {INT64_MIN, -1, 0, 1, rn_clock()};
        for (size_t i = 0; i < COUNT(over); i++) {
                rn_poller_alarm(p, over[i]);
                assert_int_equal(poll(&fd, 1, 20000), 1);
                assert_int_equal(rn_poller_wait(p, ready, 4, 0), 0);
                rn_poller_alarm(p, RN_NEVER);
                assert_int_equal(poll(&fd, 1, 0), 0);
        }
        rn_poller_alarm(p, rn_clock() + REIN_MS(1));
        rn_poller_alarm(p, rn_clock() + REIN_SEC(3600)); /* put off */
        assert_int_equal(poll(&fd, 1, 20), 0);
        rn_poller_alarm(p, rn_clock() + REIN_MS(1));
        rn_poller_alarm(p, RN_NEVER); /* taken back */
        assert_int_equal(poll(&fd, 1, 20), 0);
        const int64_t at = rn_clock() + REIN_SEC(3600);
        rn_poller_alarm(p, at);
        rn_poller_alarm(p, RN_NEVER);
        rn_poller_alarm(p, at - REIN_SEC(3600));
        assert_int_equal(poll(&fd, 1, 20000), 1);
        rn_poller_free(p);
        assert_int_equal(rn_poller_new(true, &p), 0);
        assert_int_equal(rn_poller_fd(p), -ENOTSUP);
        rn_poller_free(p);
}

static const program programs[] = {
        {"takes_a_free_signal", takes_a_free_signal},
        {"finds_none", finds_none},
};

int main(int argc, char **argv)
{
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_wake_of_all_wakes_all),
                cmocka_unit_test(test_a_wait_on_a_word_leaves_errno_alone),
                cmocka_unit_test(test_a_lock_is_had_by_one_and_by_each_in_the_end),
                cmocka_unit_test(test_each_that_slept_for_a_lock_gets_it),
                cmocka_unit_test(test_a_thread_starts_with_the_signals_of_strangers_blocked),
                cmocka_unit_test(test_what_is_left_of_a_stack),
                cmocka_unit_test(test_the_poke_takes_a_signal_that_nobody_has),
                cmocka_unit_test(test_the_poke_is_blocked_again_where_it_was),
                cmocka_unit_test(test_a_poll_that_is_over_looks_once),
                cmocka_unit_test(test_a_write_that_nobody_reads_leaves_no_signal),
                cmocka_unit_test(test_a_signal_as_a_descriptor),
                cmocka_unit_test(test_a_poller_tells_each_once),
                cmocka_unit_test(test_what_a_poller_opens_is_not_inherited),
                cmocka_unit_test(test_the_alarm_of_a_poller),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
