/* SPDX-License-Identifier: Apache-2.0 */
/* vfork, because what it costs does not grow with our memory, and because posix_spawn(3) cannot set limits. The child
 * shares our memory until it calls execve, so it does nothing but system calls, and says by a pipe what failed. */
#include "child.h"
#include "watch.h"

#include <rein/error.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUT, ERR, PIDFD, HURRY, ALL };

struct image {
        const struct launch *launch;
        char *const *words, *const *environment;
        int out, err;
        int failed; /* write end: an errno comes through it, or, when the program runs, its end */
};

_Noreturn static void become(const struct image *i)
{
        /* A session of its own: no terminal whose keys would reach it past us, and a group to be signalled as one. */
        setsid();
        /* Handlers go by themselves; what is ignored stays so, unless we see to it. */
        struct sigaction normal = {.sa_handler = SIG_DFL};
        for (int signo = 1; signo < NSIG; signo++)
                if (sigismember(&i->launch->ignored, signo) == 1)
                        sigaction(signo, &normal, NULL);
        struct rlimit memory = {i->launch->memory, i->launch->memory};
        if (dup2(i->launch->null, 0) >= 0 && dup2(i->out, 1) >= 0 && dup2(i->err, 2) >= 0 &&
            (!i->launch->files_raised || setrlimit(RLIMIT_NOFILE, &i->launch->files) == 0) &&
            (!i->launch->memory || setrlimit(RLIMIT_AS, &memory) == 0)) {
                sigset_t none;
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                execvpe(i->words[0], i->words, i->environment);
        }
        int error = errno;
        while (write(i->failed, &error, sizeof error) < 0 && errno == EINTR)
                ;
        _exit(127);
}

/* Returns its pid; -errno. */
static pid_t spawn(struct image *i)
{
        int failed[2], error = 0;
        if (pipe2(failed, O_CLOEXEC) < 0)
                return -errno;
        i->failed = failed[1];
        pid_t pid = vfork(); /* NOLINT: see above */
        if (pid == 0)
                become(i); /* NOLINT: it ends in exec or _exit, and calls nothing that allocates or locks */
        if (pid < 0)
                error = errno;
        close(failed[1]);
        if (pid > 0) {
                ssize_t n;
                while ((n = read(failed[0], &error, sizeof error)) < 0 && errno == EINTR)
                        ;
                if (n == sizeof error)
                        waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED);
                else
                        error = 0;
        }
        close(failed[0]);
        return error ? -error : pid;
}

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
        *c = (struct child){.pidfd = -1, .out = {-1, -1}, .keep = {-1, -1}, .voice = voice, .hurry = l->hurry};
        int rc = open_pipes(c);
        if (rc == 0)
                rc = c->pid = spawn(&(struct image){l, words, environment, c->keep[OUT], c->keep[ERR], -1});
        if (rc > 0) { /* it is our child, and nobody else reaps it: its number is still its own */
                c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
                if (c->pidfd < 0) {
                        rc = -errno;
                        child_signal(c, SIGKILL);
                        c->ended = true; /* soon, and child_reap may wait for it */
                        child_reap(c);
                }
        }
        if (rc < 0)
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
                                           {c->pidfd, POLLIN, 0},
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
        kill(-c->pid, signo); /* not reaped yet, so the group's number is still its own */
}

void child_reap(struct child *c)
{
        siginfo_t info = {0};
        /* The system call itself, for the rusage that waitid(3) leaves out. */
        int rc;
        while ((rc = (int)syscall(SYS_waitid, P_PID, c->pid, &info, WEXITED | (c->ended ? 0 : WNOHANG), &c->usage)) <
                       0 &&
               errno == EINTR)
                ;
        if (rc == 0 && info.si_pid == c->pid) {
                c->ended = true;
                if (info.si_code == CLD_EXITED)
                        c->code = info.si_status;
                else
                        c->signo = info.si_status;
        }
        /* As much as a pipe holds, and no more: somebody may still be writing to it. */
        struct pollfd news[] = {{c->out[OUT], POLLIN, 0}, {c->out[ERR], POLLIN, 0}};
        for (int n = 0; n < 32 && poll(news, 2, 0) > 0; n++)
                pump(c, news);
}

void child_close(struct child *c)
{
        int *fd[] = {&c->out[0], &c->out[1], &c->keep[0], &c->keep[1], &c->pidfd};
        for (size_t i = 0; i < sizeof fd / sizeof *fd; i++) {
                if (*fd[i] >= 0)
                        close(*fd[i]);
                *fd[i] = -1;
        }
}
