/* SPDX-License-Identifier: Apache-2.0 */
/* Only the thread of the loop reaps adopted children, and it waits for nothing between the look at the list and the last use of
 * a number in it: so the number still names the same process. The fast path, a job that left nothing, is one read of one
 * small file. */
#include "family.h"
#include "options.h"
#include "text.h"

#include <rein/error.h>
#include <rein/io.h>
#include <rein/sync.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENVIRON_MOST = 4 << 20 };

/* What no other run has: it need not be a secret. Where the kernel gives no random numbers, the time and our number do. */
static uint64_t family_name_of_run(void)
{
        uint64_t chance;
        ssize_t n;
        do
                n = getrandom(&chance, sizeof chance, 0);
        while (n < 0 && errno == EINTR);
        if (n == sizeof chance)
                return chance;
        chance = (uint64_t)wall_clock() ^ (uint64_t)rein_now().ns << 20 ^ (uint64_t)getpid() << 40;
        return chance * 0x9e3779b97f4a7c15;
}

int family_open(struct family *f)
{
        *f = (struct family){.outer = getenv("REIN_RUN"), .adopted = -1};
        snprintf(f->run, sizeof f->run, "%016llx", (unsigned long long)family_name_of_run());
        if (!f->outer || f->outer[0] != '/')
                f->outer = "/";
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
                fprintf(stderr, "rein run: the kernel gives us no orphans to end (PR_SET_CHILD_SUBREAPER): %s\n",
                        strerrordesc_np(errno));
                return EXIT_WRONG;
        }
        char list[64];
        snprintf(list, sizeof list, "/proc/self/task/%d/children", getpid());
        f->adopted = open(list, O_RDONLY | O_CLOEXEC);
        if (f->adopted >= 0)
                return 0;
        fprintf(stderr, "rein run: what jobs leave behind is found by %s: %s; %s\n", list, strerrordesc_np(errno),
                access("/proc/self", F_OK) < 0 ? "mount /proc, as with: mount -t proc proc /proc"
                                               : "a kernel with CONFIG_PROC_CHILDREN has it");
        return EXIT_WRONG;
}

void family_tag(const struct family *f, uint64_t job, char *to, size_t room)
{
        snprintf(to, room, "REIN_RUN=%s%s.%llu/", f->outer, f->run, (unsigned long long)job);
}

/* Read a whole file of /proc: what, "environ" or so, of a process. NULL: errno says why that cannot be. */
static char *proc_file(pid_t pid, const char *what, size_t *n)
{
        char name[64];
        snprintf(name, sizeof name, "/proc/%d/%s", pid, what);
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        char *bytes = NULL;
        ssize_t got = 1;
        *n = 0;
        for (size_t room = 16384; got > 0 && room <= ENVIRON_MOST; room *= 2) {
                char *more = realloc(bytes, room);
                if (!more) {
                        errno = ENOMEM;
                        got = -1;
                        break;
                }
                bytes = more;
                while (*n < room && ((got = read(fd, bytes + *n, room - *n)) > 0 || (got < 0 && errno == EINTR)))
                        *n += got > 0 ? (size_t)got : 0;
        }
        int error = errno;
        close(fd);
        errno = error;
        if (got >= 0)
                return bytes;
        free(bytes);
        return NULL;
}

enum mark { NOT_OURS, OURS, NO_TAG, UNREADY };

/* Does the process carry this tag ("/5bd1e995a7c04f11.12/", or "/5bd1e995a7c04f11." for any job of the run)?
 * UNREADY: its environment is empty, as it is for a moment within execve(2), and of a process that has ended; or there
 * was no descriptor or no memory to read it. */
static enum mark mark_of(pid_t pid, const char *tag)
{
        static const char name[] = "REIN_RUN=";
        size_t n;
        char *all = proc_file(pid, "environ", &n);
        const bool never = !all && (errno == ENOENT || errno == EACCES || errno == EPERM);
        enum mark mark = never || (all && n > 0) ? NO_TAG : UNREADY;
        for (size_t at = 0; all && at < n;) {
                const char *entry = all + at;
                size_t length = strnlen(entry, n - at);
                if (length >= sizeof name - 1 && memcmp(entry, name, sizeof name - 1) == 0) {
                        mark = memmem(entry, length, tag, strlen(tag)) ? OURS : NOT_OURS;
                        break;
                }
                at += length + 1;
        }
        free(all);
        return mark;
}

/* The next number of a list "12 345 6 ". */
static pid_t next_pid(char **rest)
{
        char *end;
        long pid = strtol(*rest, &end, 10);
        if (end == *rest)
                return 0;
        *rest = end;
        return (pid_t)pid;
}

/* Our adopted children and the guard, as text. Meanwhile the list can only grow, so that reading it leaves nobody out.
 * Owns: the caller's. NULL: it cannot be read now. */
static char *family_adopted(const struct family *f)
{
        size_t n = 0, room = 4096;
        char *list = malloc(room);
        while (list) {
                ssize_t got = pread(f->adopted, list + n, room - n - 1, (off_t)n);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0) {
                        free(list);
                        return NULL;
                }
                if (got == 0)
                        break;
                n += (size_t)got;
                if (n < 2048) /* the kernel gives it by the page: this is all of it */
                        break;
                if (room - n < 2) {
                        char *more = realloc(list, room * 2);
                        if (!more)
                                break;
                        list = more;
                        room *= 2;
                }
        }
        if (list)
                list[n] = '\0';
        return list;
}

/* Is it a zombie? Then it is gone now. */
static bool process_reaped(pid_t pid)
{
        siginfo_t info = {0};
        int rc;
        do
                rc = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | __WALL);
        while (rc < 0 && errno == EINTR);
        return rc == 0 ? info.si_pid == pid : true;
}

void family_reap(struct family *f)
{
        char *list = family_adopted(f), *rest = list;
        for (pid_t pid; rest && (pid = next_pid(&rest)) > 0;)
                if (pid != f->guard)
                        process_reaped(pid);
        free(list);
}

struct sweep {
        char tag[64];
        pid_t group;         /* 0: everything is to go */
        bool asked;          /* the group was signalled before: who of it is still there is about to end */
        rein_time ask_until; /* from then on SIGTERM becomes SIGKILL, as it does when there is a hurry */
        bool ask;            /* it was SIGTERM */
        int there;           /* how many there are now */
        int strays;          /* how many of them nobody had asked */
        int watch;           /* a pidfd of one of them, or -1 */
        bool unready;        /* the list, or somebody's tag, could not be read yet */
};

static bool process_is_of(pid_t pid, struct sweep *s)
{
        if (s->group == 0 || getpgid(pid) == s->group)
                return true;
        enum mark mark = mark_of(pid, s->tag);
        s->unready |= mark == UNREADY;
        return mark == OURS;
}

static bool family_hurried(const struct family *f)
{
        return f->hurried && rein_code(f->hurried) != REIN_EPENDING;
}

/* Signal all that is there now, and keep hold of one, to wait for. */
static void family_sweep(const struct family *f, struct sweep *s)
{
        s->there = s->strays = 0;
        s->watch = -1;
        char *list = family_adopted(f), *rest = list;
        s->unready = list == NULL;
        for (pid_t pid; rest && (pid = next_pid(&rest)) > 0;) {
                if (pid == f->guard || process_reaped(pid) || !process_is_of(pid, s))
                        continue;
                if (s->there == 0)
                        s->ask = rein_now().ns < s->ask_until.ns && !family_hurried(f);
                s->strays += !s->asked || getpgid(pid) != s->group;
                kill(pid, s->ask ? SIGTERM : SIGKILL);
                kill(pid, SIGCONT); /* else a stopped one never gets to see it */
                if (s->there++ == 0)
                        s->watch = (int)syscall(SYS_pidfd_open, pid, 0);
        }
        free(list);
}

int family_end(struct family *f, uint64_t job, pid_t group, bool asked, int64_t grace_ns)
{
        struct sweep s = {.group = group, .asked = asked, .ask_until = rein_after(grace_ns)};
        snprintf(s.tag, sizeof s.tag, "/%s.%llu/", f->run, (unsigned long long)job);
        rein_time give_up = rein_after(grace_ns + REIN_SEC(5));
        int most = 0;
        for (int unready = 0;;) {
                family_sweep(f, &s);
                most = s.strays > most ? s.strays : most;
                if (s.there == 0 && (!s.unready || ++unready > 10))
                        return most; /* an environment that stays empty belongs to no job: the end of the run gets it */
                rein_case news[] = {REIN_ON_FD(s.watch, POLLIN), REIN_ON_SETTLED(f->hurried)};
                int rc = s.watch < 0 ? -EMFILE : rein_select(news, s.ask ? 2 : 1, s.ask ? s.ask_until : give_up);
                if (s.watch >= 0)
                        rein_close(s.watch);
                if (rein_now().ns >= give_up.ns)
                        return most; /* the kernel does not let go of it */
                if (rc < 0 && rc != REIN_ETIMEOUT)
                        rein_sleep(rein_after(REIN_MS(1)));
        }
}

int family_kill_run(const char *run)
{
        char tag[32];
        int seen = 0;
        snprintf(tag, sizeof tag, "/%s.", run);
        DIR *proc = opendir("/proc");
        for (struct dirent *d; proc && (d = readdir(proc));) {
                pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
                if (pid <= 1 || pid == getpid())
                        continue;
                /* The descriptor first: if the number passes on to another process meanwhile, nobody is hurt. */
                int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
                if (pidfd < 0)
                        continue;
                if (mark_of(pid, tag) == OURS) {
                        seen++;
                        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
                }
                close(pidfd);
        }
        if (proc)
                closedir(proc);
        return seen;
}
