/* SPDX-License-Identifier: Apache-2.0 */
/* The library starts, signals and reaps it; how it is stopped is the family's business. What its pipes, its end and the
 * hurry tell is waited for at once. */
#include "child.h"
#include "watch.h"

#include <rein/error.h>
#include <rein/scope.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { OUT, ERR, PIDFD, HURRY, ALL };

static int open_pipes(struct child *c)
{
        for (int i = OUT; i <= ERR; i++) {
                int fd[2];
                if (pipe2(fd, O_CLOEXEC) < 0)
                        return -errno;
                c->out[i] = fd[0];
                c->keep[i] = fd[1];
                if (fcntl(fd[0], F_SETFL, O_NONBLOCK) < 0) /* our end alone: the child's is another description */
                        return -errno;
        }
        return 0;
}

int child_start(struct child *c, const struct launch *l, char *const words[], char *const environment[],
                struct voice *voice)
{
        *c = (struct child){.out = {-1, -1}, .keep = {-1, -1}, .voice = voice, .hurry = l->hurry};
        const rein_child_limit limits[] = {{RLIMIT_NOFILE, l->files.rlim_cur, l->files.rlim_max},
                                           {RLIMIT_AS, l->memory, l->memory}};
        int rc = open_pipes(c);
        if (rc == 0)
                rc = rein_child_start(&c->process, words,
                                      REIN_CHILD(.env = environment, .in = l->null, .out = c->keep[OUT],
                                                 .err = c->keep[ERR], .session = true, .share_fds = true, .grace_ns = 1,
                                                 .limits = limits + !l->files_raised,
                                                 .limits_count = (size_t)l->files_raised + (l->memory != 0)));
        if (rc == 0)
                c->pid = rein_child_pid(c->process);
        else
                child_close(c);
        return rc;
}

/* Hand on some of what is in each pipe that has news. */
static void pump(struct child *c, const struct pollfd *news)
{
        char bytes[64 * 1024];
        for (int i = OUT; i <= ERR; i++) {
                ssize_t n = news[i].revents ? read(c->out[i], bytes, sizeof bytes) : 0;
                if (n > 0)
                        voice_write(c->voice, i, bytes, (size_t)n);
        }
}

int child_wait(struct child *c, rein_time until)
{
        while (!c->ended) {
                struct pollfd news[ALL] = {{c->out[OUT], POLLIN, 0},
                                           {c->out[ERR], POLLIN, 0},
                                           {rein_child_pidfd(c->process), POLLIN, 0},
                                           {c->hurried ? -1 : c->hurry, POLLIN, 0}};
                int rc = watch_fds(news, ALL, until);
                if (rc < 0)
                        return rc;
                pump(c, news);
                c->ended = news[PIDFD].revents;
                c->hurried |= news[HURRY].revents != 0;
                if (news[HURRY].revents && !c->ended)
                        return REIN_ECANCELED;
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
        /* As much as a pipe holds, and no more: somebody may still be writing to it. */
        struct pollfd news[] = {{c->out[OUT], POLLIN, 0}, {c->out[ERR], POLLIN, 0}};
        for (int n = 0; n < 32 && poll(news, 2, 0) > 0; n++)
                pump(c, news);
}

void child_close(struct child *c)
{
        int *fd[] = {&c->out[0], &c->out[1], &c->keep[0], &c->keep[1]};
        for (size_t i = 0; i < sizeof fd / sizeof *fd; i++) {
                if (*fd[i] >= 0)
                        close(*fd[i]);
                *fd[i] = -1;
        }
        rein_child_free(c->process);
        c->process = NULL;
}
