/* SPDX-License-Identifier: Apache-2.0 */
/* The library starts, signals and reaps it; how it is stopped is the job's business. What its pipes, its end and the hurry
 * tell is waited for at once. */
#include "child.h"

#include <rein/error.h>
#include <rein/io.h>
#include <rein/scope.h>
#include <rein/sync.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { OUT, ERR, PIDFD, HURRY, ALL };
enum { LEFT_FIRST = 4, LEFT_MOST = 64 };
#define QUICK REIN_MS(1)

static int child_open_pipe(struct child *c, int i)
{
        int fd[2];
        if (pipe2(fd, O_CLOEXEC) < 0)
                return -errno;
        c->out[i] = fd[0];
        c->keep[i] = fd[1];
        return fcntl(fd[0], F_SETFL, O_NONBLOCK) < 0 ? -errno
                                                     : 0; /* our end alone: the child's is another description */
}

/* Our own thread starts a process quicker than another one that has to be woken for it, but nothing else goes on meanwhile.
 * So when a start takes long, on a busy machine or from a slow disk, threads do the next ones, several at once: four, and
 * twice as many each time that it takes long again. */
static int child_start_process(struct child *c, struct launch *l, char *const words[], rein_child_opts *opts)
{
        const rein_time began = rein_now();
        opts->in_place = l->left_to_threads == 0;
        int rc = rein_child_start(&c->process, words, opts);
        if (!opts->in_place) {
                l->left_to_threads--;
        } else if (rein_now().ns - began.ns <= QUICK) {
                l->left_last = 0;
        } else {
                l->left_last = l->left_last == 0 ? LEFT_FIRST : l->left_last < LEFT_MOST ? 2 * l->left_last : LEFT_MOST;
                l->left_to_threads = l->left_last;
        }
        return rc;
}

int child_start(struct child *c, struct launch *l, char *const words[], char *const environment[], struct voice *voice)
{
        *c = (struct child){.out = {-1, -1}, .keep = {-1, -1}, .voice = voice, .hurried = l->hurried};
        const rein_child_limit limits[] = {{RLIMIT_NOFILE, l->files.rlim_cur, l->files.rlim_max},
                                           {RLIMIT_AS, l->memory, l->memory}};
        const bool one = voice_is_one(voice);
        int rc = child_open_pipe(c, OUT);
        if (rc == 0 && !one)
                rc = child_open_pipe(c, ERR);
        if (rc == 0)
                rc = child_start_process(
                        c, l, words,
                        REIN_CHILD(.env = environment, .in = REIN_CHILD_NULL, .out = REIN_CHILD_FD(c->keep[OUT]),
                                   .err = one ? REIN_CHILD_OUT : REIN_CHILD_FD(c->keep[ERR]), .session = true,
                                   .share_fds = true, .grace_ns = 1, .limits = limits + !l->files_raised,
                                   .limits_count = (size_t)l->files_raised + (l->memory != 0)));
        if (rc == 0)
                c->pid = rein_child_pid(c->process);
        else
                child_close(c);
        return rc;
}

/* Hand on some of what is in a pipe. Returns: whether there was something. */
static bool child_hand_on(struct child *c, int i)
{
        char bytes[64 * 1024];
        ssize_t n = c->out[i] >= 0 ? read(c->out[i], bytes, sizeof bytes) : 0;
        if (n > 0)
                voice_write(c->voice, i, bytes, (size_t)n);
        return n > 0;
}

/* Is there news now? */
static bool child_fds_ready(struct pollfd *fds, nfds_t n)
{
        int rc;
        do
                rc = poll(fds, n, 0);
        while (rc < 0 && errno == EINTR);
        return rc > 0;
}

static bool child_has_ended(const struct child *c)
{
        struct pollfd end = {.fd = rein_child_pidfd(c->process), .events = POLLIN};
        return child_fds_ready(&end, 1);
}

static rein_case child_news_of(int fd)
{
        rein_case news = REIN_ON_FD(fd, POLLIN);
        if (fd < 0)
                news.kind = REIN_CASE_NONE;
        return news;
}

int child_wait(struct child *c, rein_time until)
{
        while (!c->ended) {
                rein_case news[ALL] = {
                        [OUT] = child_news_of(c->out[OUT]),
                        [ERR] = child_news_of(c->out[ERR]),
                        [PIDFD] = REIN_ON_FD(rein_child_pidfd(c->process), POLLIN),
                        [HURRY] = REIN_ON_SETTLED(c->hurried),
                };
                int rc = rein_select(news, c->in_a_hurry ? HURRY : ALL, until);
                if (rc == HURRY)
                        c->in_a_hurry = true;
                /* Whatever came first: an end that is there wins over a time that is up. */
                c->ended = rc == PIDFD || child_has_ended(c);
                if (c->ended)
                        break;
                if (rc == HURRY || rc == REIN_ECANCELED)
                        return REIN_ECANCELED;
                if (rein_now().ns >= until.ns) /* also of one that prints without end */
                        return REIN_ETIMEOUT;
                bool any = rc != ERR && child_hand_on(c, OUT);
                any |= rc != OUT && child_hand_on(c, ERR);
                if (rc < 0 && !any)
                        rein_sleep(rein_after(REIN_MS(10))); /* no memory, or no descriptor, to wait for several */
        }
        return 0;
}

void child_signal(struct child *c, int signo)
{
        rein_child_signal(c->process, signo);
}

void child_reap(struct child *c)
{
        rein_child_end end = {.size = sizeof end};
        rein_scope look; /* a cancel is not to stop it here once more */
        rein_shield_open(&look, REIN_SEC(1));
        if (rein_child_wait(c->process, &end, REIN_NOWAIT) == 0) {
                c->code = end.code < 0 ? 0 : end.code;
                c->signo = end.signo;
                c->memory_max = end.memory_max;
        }
        rein_scope_close(&look, 0);
        /* As much as a pipe holds, and no more: another process may still be writing to it. */
        struct pollfd news[] = {{c->out[OUT], POLLIN, 0}, {c->out[ERR], POLLIN, 0}};
        for (int n = 0; n < 32 && child_fds_ready(news, 2); n++) {
                child_hand_on(c, OUT);
                child_hand_on(c, ERR);
        }
}

void child_close(struct child *c)
{
        int *fd[] = {&c->out[0], &c->out[1], &c->keep[0], &c->keep[1]};
        for (size_t i = 0; i < sizeof fd / sizeof *fd; i++) {
                if (*fd[i] >= 0)
                        rein_close(*fd[i]);
                *fd[i] = -1;
        }
        rein_child_free(c->process);
        c->process = NULL;
}
