/* SPDX-License-Identifier: Apache-2.0 */
/* It holds the read end of a pipe whose write end nobody has but the command: a byte dismisses it, and an end without
 * one says that the command is gone. (PR_SET_PDEATHSIG would tell only direct children, and when the *thread* that
 * started them ends.) */
#include "guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* All from 3 on but this one; one by one where close_range(2) is missing (Linux 5.9). */
static void guard_close_others(int left_open)
{
        if ((left_open == 3 || close_range(3, (unsigned)left_open - 1, 0) == 0) &&
            close_range((unsigned)left_open + 1, ~0U, 0) == 0)
                return;
        DIR *list = opendir("/proc/self/fd");
        for (struct dirent *d; list && (d = readdir(list));) {
                int fd = (int)strtol(d->d_name, NULL, 10);
                if (fd > 2 && fd != left_open && fd != dirfd(list))
                        close(fd);
        }
        if (list)
                closedir(list);
}

_Noreturn static void guard_watch(int fd, const char *run)
{
        /* A session of its own, so that what is meant for the command's terminal or group does not hit it, too; and no
         * descriptor but the pipe, so that nobody waits for an end of file because of it. */
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        setsid();
        prctl(PR_SET_NAME, "rein-guard");
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int i = 0; i < 3; i++)
                if (dup2(null, i) < 0)
                        close(i);
        guard_close_others(fd);
        if (chdir("/") < 0)
                _exit(1);

        char byte;
        ssize_t n;
        while ((n = read(fd, &byte, 1)) < 0 && errno == EINTR)
                ;
        /* A child that was just between vfork and execve carries no tag yet: look again until nothing new comes. */
        for (int clean = 0; n == 0 && clean < 4; poll(NULL, 0, 50))
                clean = family_kill_run(run) ? 0 : clean + 1;
        _exit(0);
}

int guard_start(struct family *f)
{
        int fd[2];
        if (pipe2(fd, O_CLOEXEC) < 0)
                return -errno;
        f->guard = fork();
        if (f->guard == 0) {
                close(fd[1]);
                guard_watch(fd[0], f->run);
        }
        int rc = f->guard < 0 ? -errno : fd[1];
        close(fd[0]);
        if (rc < 0)
                close(fd[1]);
        return rc;
}

void guard_dismiss(struct family *f, int fd)
{
        if (write(fd, "", 1) < 0)
                kill(f->guard, SIGKILL);
        close(fd);
        while (waitpid(f->guard, NULL, 0) < 0 && errno == EINTR)
                ;
}
