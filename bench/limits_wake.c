/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to wake a thread, by each means the kernel has: round trips, and one way (the limit for a cancel).
 *
 * Modes of a round trip: same-cpu, cross-cpu: both threads pinned. free: the kernel places them. idle: the sender naps
 * 200 us first, so that the peer's CPU has gone idle, the usual state of a parked pool. */
#include "limits_parts.h"
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* A means of waking, with two sides. */
struct means {
        const char *name;
        void (*post)(struct means *m, int side);
        void (*wait)(struct means *m, int side);
        struct {
                _Alignas(128) uint32_t word;
                pthread_mutex_t lock;
                pthread_cond_t cond;
                int flag;
                int fd[2]; /* read, write */
                int epfd;
        } side[2];
};

static void futex_post(struct means *m, int s)
{
        __atomic_store_n(&m->side[s].word, 1, __ATOMIC_SEQ_CST);
        futex_wake(&m->side[s].word, 1);
}

static void futex_take(struct means *m, int s)
{
        while (!__atomic_exchange_n(&m->side[s].word, 0, __ATOMIC_SEQ_CST))
                futex_wait(&m->side[s].word, 0);
}

static void spin_post(struct means *m, int s)
{
        __atomic_store_n(&m->side[s].word, 1, __ATOMIC_SEQ_CST);
}

static void spin_take(struct means *m, int s)
{
        while (!__atomic_load_n(&m->side[s].word, __ATOMIC_ACQUIRE))
                ;
        m->side[s].word = 0;
}

static void cond_post(struct means *m, int s)
{
        pthread_mutex_lock(&m->side[s].lock);
        m->side[s].flag = 1;
        pthread_mutex_unlock(&m->side[s].lock);
        pthread_cond_signal(&m->side[s].cond);
}

static void cond_take(struct means *m, int s)
{
        pthread_mutex_lock(&m->side[s].lock);
        while (!m->side[s].flag)
                pthread_cond_wait(&m->side[s].cond, &m->side[s].lock);
        m->side[s].flag = 0;
        pthread_mutex_unlock(&m->side[s].lock);
}

static void fd_post(struct means *m, int s)
{
        uint64_t one = 1;

        if (write(m->side[s].fd[1], &one, 8) < 0)
                abort();
}

static void fd_take(struct means *m, int s)
{
        uint64_t v;

        if (read(m->side[s].fd[0], &v, 8) < 0)
                abort();
}

static void epoll_take(struct means *m, int s)
{
        struct epoll_event e;

        while (epoll_wait(m->side[s].epfd, &e, 1, -1) < 1)
                ;
        fd_take(m, s);
}

enum means_fd { NO_FD, EVENTFD, EVENTFD_EPOLL, PIPE, SOCKETPAIR };

static void open_fd(struct means *m, int s, enum means_fd kind)
{
        struct epoll_event e = {.events = EPOLLIN};
        int *fd = m->side[s].fd;

        if (kind == EVENTFD || kind == EVENTFD_EPOLL)
                fd[0] = fd[1] = eventfd(0, 0);
        if (kind == PIPE && pipe(fd))
                abort();
        if (kind == SOCKETPAIR && socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
                abort();
        if (kind == EVENTFD_EPOLL) {
                m->side[s].epfd = epoll_create1(0);
                epoll_ctl(m->side[s].epfd, EPOLL_CTL_ADD, fd[0], &e);
        }
}

static struct means *means_new(const char *name, void (*post)(struct means *, int), void (*wait)(struct means *, int),
                               enum means_fd kind)
{
        struct means *m = aligned_alloc(128, sizeof *m);

        memset(m, 0, sizeof *m);
        m->name = name;
        m->post = post;
        m->wait = wait;
        for (int s = 0; s < 2; s++) {
                pthread_mutex_init(&m->side[s].lock, NULL);
                pthread_cond_init(&m->side[s].cond, NULL);
                open_fd(m, s, kind);
        }
        return m;
}

/* ---- round trips ---- */

struct echo {
        struct means *means;
        int cpu; /* -1: anywhere */
        long n;
};

static void *echo_thread(void *arg)
{
        struct echo *e = arg;

        if (e->cpu >= 0)
                pin(e->cpu);
        for (long i = 0; i < e->n; i++) {
                e->means->wait(e->means, 0);
                e->means->post(e->means, 1);
        }
        return NULL;
}

static void round_trips(struct means *m, const char *mode, int my_cpu, int its_cpu, long n, long idle_us)
{
        struct echo echo = {m, its_cpu, n};
        struct series trip = series_new(n, 0, idle_us);
        struct series post = series_new(n, 0, 0);
        cpu_set_t before;
        pthread_t t;
        char bench[96];

        sched_getaffinity(0, sizeof before, &before);
        if (my_cpu >= 0)
                pin(my_cpu);
        pthread_create(&t, NULL, echo_thread, &echo);
        nap_us(3000);
        while (series_more(&trip)) {
                uint64_t t0 = now_ns();
                uint64_t posted;

                m->post(m, 0);
                posted = now_ns();
                m->wait(m, 1);
                series_add(&trip, now_ns() - t0);
                series_add(&post, posted - t0);
        }
        pthread_join(t, NULL);
        sched_setaffinity(0, sizeof before, &before);
        snprintf(bench, sizeof bench, "lim.wake_rt.%s", m->name);
        series_emit(&trip, bench, mode);
        snprintf(bench, sizeof bench, "lim.wake_post_cost.%s", m->name);
        series_emit(&post, bench, mode);
}

void limits_wake(int threads, int producers)
{
        struct means *sleeping[] = {
                means_new("futex", futex_post, futex_take, NO_FD),
                means_new("condvar", cond_post, cond_take, NO_FD),
                means_new("eventfd", fd_post, fd_take, EVENTFD),
                means_new("eventfd_epoll", fd_post, epoll_take, EVENTFD_EPOLL),
                means_new("pipe", fd_post, fd_take, PIPE),
                means_new("socketpair", fd_post, fd_take, SOCKETPAIR),
        };

        (void)threads;
        (void)producers;
        round_trips(means_new("spin", spin_post, spin_take, NO_FD), "cross-cpu", 0, 1, 5000, 0);
        for (size_t i = 0; i < sizeof sleeping / sizeof *sleeping; i++) {
                round_trips(sleeping[i], "same-cpu", 0, 0, 10000, 0);
                round_trips(sleeping[i], "cross-cpu", 0, 1, 5000, 0);
                round_trips(sleeping[i], "free", -1, -1, 10000, 0);
                round_trips(sleeping[i], "free-idle", -1, -1, 1000, 200);
                round_trips(sleeping[i], "cross-idle", 0, 1, 1000, 200);
        }
}

/* ---- one way: an idle parked thread is woken, and stamps the time at which it has returned ----
 *
 * free-idle: who wakes it then spins, so that the answer is seen at once. free-idle;nap: who wakes it naps, as the
 * cancel benches of the peers do, which leaves the woken thread a CPU: compare those with this one. */

static uint64_t returned_at;
static int ready;
static struct means *parked_on; /* NULL: in read(2), to be interrupted by a signal */
static int quiet_pipe[2];

static void on_signal(int signo)
{
        (void)signo;
}

static void *parked_thread(void *arg)
{
        long n = (long)arg;
        char c;

        for (long i = 0; i < n; i++) {
                __atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
                if (parked_on)
                        parked_on->wait(parked_on, 0);
                else if (read(quiet_pipe[0], &c, 1) >= 0 || errno != EINTR)
                        abort();
                stamp(&returned_at);
        }
        return NULL;
}

static void one_way(const char *bench, const char *mode, long n, bool spin)
{
        struct series s = series_new(n, 0, 0);
        pthread_t t;

        ready = 0;
        pthread_create(&t, NULL, parked_thread, (void *)n);
        while (series_more(&s)) {
                uint64_t t0;

                while (!__atomic_load_n(&ready, __ATOMIC_SEQ_CST))
                        sched_yield();
                __atomic_store_n(&ready, 0, __ATOMIC_SEQ_CST);
                unstamp(&returned_at);
                nap_us(200);
                t0 = now_ns();
                if (parked_on)
                        parked_on->post(parked_on, 0);
                else
                        pthread_kill(t, SIGUSR1);
                while (!stamped(&returned_at))
                        if (!spin)
                                nap_us(20);
                series_add(&s, stamped(&returned_at) - t0);
        }
        pthread_join(t, NULL);
        series_emit(&s, bench, mode);
}

static void one_way_both(const char *bench)
{
        one_way(bench, "free-idle", 3000, true);
        one_way(bench, "free-idle;nap", 1000, false);
}

void limits_cancel(int threads, int producers)
{
        struct sigaction sa = {.sa_handler = on_signal};

        (void)threads;
        (void)producers;
        sigaction(SIGUSR1, &sa, NULL);
        if (pipe(quiet_pipe))
                abort();
        one_way_both("lim.cancel.pthread_kill_eintr");
        parked_on = means_new("futex", futex_post, futex_take, NO_FD);
        one_way_both("lim.cancel.oneway_futex");
        parked_on = means_new("condvar", cond_post, cond_take, NO_FD);
        one_way_both("lim.cancel.oneway_condvar");
        parked_on = means_new("eventfd_epoll", fd_post, epoll_take, EVENTFD_EPOLL);
        one_way_both("lim.cancel.oneway_eventfd_epoll");
}
