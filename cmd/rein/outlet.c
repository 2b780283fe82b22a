/* SPDX-License-Identifier: Apache-2.0 */
#include "outlet.h"
#include "watch.h"

#include <rein/error.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct stream stream_of(int fd)
{
        struct stat st;
        bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
        return (struct stream){.fd = fd, .terminal = isatty(fd), .file = file};
}

void outlet_open(struct outlet *o, int hurry, void (*broken)(void *arg), void *arg)
{
        *o = (struct outlet){.to = {stream_of(STDOUT_FILENO), stream_of(STDERR_FILENO)},
                             .hurry = hurry,
                             .lock = PTHREAD_MUTEX_INITIALIZER,
                             .broken = broken,
                             .arg = arg};
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

size_t outlet_put(struct outlet *o, int stream, const char *bytes, size_t n)
{
        struct stream *s = &o->to[stream];
        size_t done = 0;
        while (done < n && !o->error && !o->lost) {
                size_t piece = n - done;
                if (!s->file) {
                        struct pollfd news[] = {{s->fd, POLLOUT, 0}, {o->hurry, POLLIN, 0}};
                        int rc = watch_fds(news, 2, REIN_NEVER);
                        if (rc < 0 && rc != REIN_ECANCELED)
                                outlet_fail(o, -rc);
                        if (rc < 0)
                                break;
                        o->lost |= news[0].revents == 0; /* it cannot be, and there is no time left */
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
