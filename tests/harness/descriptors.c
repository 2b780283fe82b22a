/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: those that are open at the end, and whether each of the program was close-on-exec all its life. That is asked
 * in the moment it is closed, whoever opened it and by whatever call; and one that is made so after it was opened was
 * inheritable for a moment. For this, close and fcntl are wrapped in all of the program, the library included. */
#include "harness/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int __real_close(int fd);
int __wrap_close(int fd);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

enum { MOST_INHERITED = 64, MOST_INHERITABLE = 16, TEXT = 100 };

/* A child that shares our memory calls fcntl on a stack that the sanitizers do not know. */
#define UNWATCHED __attribute__((no_sanitize("address", "thread", "undefined")))

static struct {
        size_t count;
        struct {
                int fd;
                char is[TEXT];
        } of[MOST_INHERITED];
} inherited;

static struct {
        harness_lock lock;
        size_t count; /* of those there is room for */
        struct {
                harness_place place;
                char text[TEXT + 100];
        } of[MOST_INHERITABLE];
} inheritable;

static void what_is(int fd, char is[TEXT])
{
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const ssize_t n = readlink(path, is, TEXT - 1);
        is[n > 0 ? n : 0] = 0;
}

static size_t inherited_as(int fd) /* its place in the list, or the count */
{
        size_t i = 0;
        while (i < inherited.count && inherited.of[i].fd != fd)
                i++;
        return i;
}

static void each_open(void (*see)(int fd, const char *is))
{
        DIR *all = opendir("/proc/self/fd");
        for (struct dirent *e; all && (e = readdir(all));) {
                char is[TEXT];
                const int fd = atoi(e->d_name);
                if (e->d_name[0] == '.' || fd == dirfd(all))
                        continue;
                what_is(fd, is);
                see(fd, is);
        }
        if (all)
                closedir(all);
}

/* ---- while the program runs ---- */

static void was_inheritable(int fd, const char *how, void *const *frame)
{
        char is[TEXT];
        what_is(fd, is);
        harness_take(&inheritable.lock);
        if (inheritable.count < MOST_INHERITABLE) {
                snprintf(inheritable.of[inheritable.count].text, sizeof inheritable.of[0].text, "%d (%s) %s", fd, is,
                         how);
                inheritable.of[inheritable.count++].place = harness_place_of(frame);
        }
        harness_give(&inheritable.lock);
}

static bool is_inheritable(int fd)
{
        const long flags = syscall(SYS_fcntl, fd, F_GETFD);
        return flags >= 0 && !(flags & FD_CLOEXEC) && inherited_as(fd) == inherited.count;
}

/* Weak, as those for mappings: tests/world/wrap.c has its own, which can fail. In that program this look is missing. */
__attribute__((weak)) int __wrap_close(int fd)
{
        const int saved = errno;
        if (harness_counts() && is_inheritable(fd))
                was_inheritable(fd, "could be inherited until it was closed", __builtin_frame_address(0));
        errno = saved;
        return __real_close(fd);
}

__attribute__((weak)) UNWATCHED int __wrap_fcntl(int fd, int command, ...)
{
        va_list args;
        va_start(args, command);
        void *arg = va_arg(args, void *);
        va_end(args);
        const int saved = errno;
        if (command == F_SETFD && ((uintptr_t)arg & FD_CLOEXEC) && harness_counts() &&
            syscall(SYS_getpid) == harness_process() && is_inheritable(fd))
                was_inheritable(fd, "could be inherited when it had been opened", __builtin_frame_address(0));
        errno = saved;
        return __real_fcntl(fd, command, arg);
}

/* ---- the two moments ---- */

static void note(int fd, const char *is)
{
        if (inherited.count == MOST_INHERITED)
                abort();
        inherited.of[inherited.count].fd = fd;
        snprintf(inherited.of[inherited.count++].is, TEXT, "%s", is);
}

void harness_descriptors_begin(void)
{
        each_open(note);
}

static void tell_if_new(int fd, const char *is)
{
        if (inherited_as(fd) == inherited.count)
                harness_found(HARNESS_DESCRIPTORS, NULL, "%d (%s) is open", fd, is);
}

void harness_descriptors_look(void)
{
        char is[TEXT];
        each_open(tell_if_new);
        for (size_t i = 0; i < inherited.count; i++) {
                what_is(inherited.of[i].fd, is);
                if (strcmp(is, inherited.of[i].is) != 0)
                        harness_found(HARNESS_DESCRIPTORS, NULL, "%d was %s and is %s", inherited.of[i].fd,
                                      inherited.of[i].is, is[0] ? is : "closed");
        }
        harness_take(&inheritable.lock);
        for (size_t i = 0; i < inheritable.count; i++)
                harness_found(HARNESS_INHERITABLE, &inheritable.of[i].place, "%s", inheritable.of[i].text);
        harness_give(&inheritable.lock);
}
