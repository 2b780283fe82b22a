/* SPDX-License-Identifier: Apache-2.0 */
#include "outlet.h"

#include <rein/io.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { WRITABLE, HURRY };

static int stream_open(struct stream *s, int fd, int hurry)
{
        *s = (struct stream){.fd = fd, .terminal = isatty(fd)};
        struct epoll_event out = {.events = EPOLLOUT, .data.u32 = WRITABLE},
                           in = {.events = EPOLLIN, .data.u32 = HURRY};
        s->ready = epoll_create1(EPOLL_CLOEXEC);
        if (s->ready < 0 || epoll_ctl(s->ready, EPOLL_CTL_ADD, hurry, &in) < 0)
                return -errno;
        if (epoll_ctl(s->ready, EPOLL_CTL_ADD, fd, &out) < 0) { /* EPERM: a regular file is always ready */
                close(s->ready);
                s->ready = -1;
        }
        return 0;
}

int outlet_open(struct outlet *o, int hurry, void (*broken)(void *arg), void *arg)
{
        *o = (struct outlet){.broken = broken, .arg = arg};
        pthread_mutex_init(&o->lock, NULL);
        int rc = stream_open(&o->to[0], STDOUT_FILENO, hurry);
        return rc < 0 ? rc : stream_open(&o->to[1], STDERR_FILENO, hurry);
}

void outlet_close(struct outlet *o)
{
        for (int i = 0; i < 2; i++)
                if (o->to[i].ready >= 0)
                        close(o->to[i].ready);
        pthread_mutex_destroy(&o->lock);
}

void outlet_fail(struct outlet *o, int error)
{
        int none = 0;
        if (atomic_compare_exchange_strong(&o->error, &none, error))
                o->broken(o->arg);
}

/* With o->lock held. */
static void hide_status(struct outlet *o)
{
        if (o->status_shown && write(STDERR_FILENO, "\r\033[K", 4) == 4)
                o->status_shown = 0;
}

static ssize_t one_write(struct outlet *o, struct stream *s, const char *bytes, size_t n)
{
        pthread_mutex_lock(&o->lock);
        if (s->terminal)
                hide_status(o);
        ssize_t k = write(s->fd, bytes, n);
        int error = errno;
        if (k > 0)
                s->line_begun = bytes[k - 1] != '\n';
        pthread_mutex_unlock(&o->lock);
        errno = error;
        return k;
}

/* Can it be written to? Returns: 1; 0: it cannot, and there is no time left; REIN_ECANCELED and the like. */
static int wait_writable(struct stream *s)
{
        int rc = rein_wait_fd(s->ready, POLLIN, REIN_NEVER);
        if (rc < 0)
                return rc;
        struct epoll_event ready[2];
        int n = epoll_wait(s->ready, ready, 2, 0);
        for (int i = 0; i < n; i++)
                if (ready[i].data.u32 == WRITABLE)
                        return 1;
        return n > 0 ? 0 : 1;
}

size_t outlet_put(struct outlet *o, int stream, const char *bytes, size_t n)
{
        struct stream *s = &o->to[stream];
        size_t done = 0;
        while (done < n && !o->error && !o->lost) {
                size_t piece = n - done;
                if (s->ready >= 0) {
                        int rc = wait_writable(s);
                        if (rc < 0)
                                return done;
                        o->lost |= rc == 0;
                        if (piece > PIPE_BUF)
                                piece = PIPE_BUF; /* so much fits into a pipe that is ready, and does not block */
                }
                ssize_t k = o->lost ? 0 : one_write(o, s, bytes + done, piece);
                if (k < 0 && errno != EAGAIN && errno != EINTR)
                        outlet_fail(o, errno);
                else if (k > 0)
                        done += (size_t)k;
        }
        return o->error || o->lost ? n : done;
}

void outlet_status(struct outlet *o, const char *line)
{
        struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
        struct stream *s = &o->to[1];
        char text[256];
        pthread_mutex_lock(&o->lock);
        bool begun = s->line_begun || (s->terminal && o->to[0].terminal && o->to[0].line_begun);
        if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) && !begun) {
                if (s->terminal)
                        hide_status(o);
                int n = snprintf(text, sizeof text, s->terminal ? "%s" : "%s\n", line);
                if (*line && n > 0 && n < (int)sizeof text && write(STDERR_FILENO, text, (size_t)n) == n && s->terminal)
                        o->status_shown = (size_t)n;
        }
        pthread_mutex_unlock(&o->lock);
}
