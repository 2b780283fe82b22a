/* SPDX-License-Identifier: Apache-2.0 */
#include "outlet.h"

#include <rein/error.h>
#include <rein/io.h>
#include <rein/scope.h>
#include <rein/sync.h>

#include <errno.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NARROWEST = 2, USUAL = 80 }; /* cells */

static struct stream stream_of(int fd)
{
        struct stat st;
        bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
        return (struct stream){.fd = fd, .terminal = isatty(fd), .file = file};
}

/* One open file, as after 2>&1? Where kcmp(2) does not tell, the same terminal, pipe or device will do; but not the same
 * file, which may have been opened twice, to be written at two places. */
static bool streams_are_one(const struct stream *a, const struct stream *b)
{
        struct stat sa, sb;
        const long differ = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a->fd, b->fd);
        if (differ == 0)
                return true;
        return !a->file && fstat(a->fd, &sa) == 0 && fstat(b->fd, &sb) == 0 && sa.st_dev == sb.st_dev &&
               sa.st_ino == sb.st_ino;
}

void outlet_open(struct outlet *o, rein_future *hurried, void (*broken)(void *arg), void *arg)
{
        const char *term = getenv("TERM");
        *o = (struct outlet){.to = {stream_of(STDOUT_FILENO), stream_of(STDERR_FILENO)},
                             .dumb = !term || !*term || strcmp(term, "dumb") == 0,
                             .hurried = hurried,
                             .broken = broken,
                             .arg = arg};
        o->one = streams_are_one(&o->to[0], &o->to[1]);
}

void outlet_fail(struct outlet *o, int error, const char *where)
{
        if (o->error)
                return;
        o->error = error;
        snprintf(o->failed_at, sizeof o->failed_at, "%s", where);
        o->broken(o->arg);
}

/* ---- the status line ---- */

static size_t terminal_width(int fd)
{
        struct winsize size;
        return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= NARROWEST ? size.ws_col : USUAL;
}

static void outlet_write_now(int fd, const char *bytes, size_t n)
{
        if (write(fd, bytes, n) != (ssize_t)n) /* it was for people to look at, and is gone in a moment */
                return;
}

/* A line that stood in a wider terminal may have been folded into several: the cursor is in the last of them. */
static void outlet_hide_status(struct outlet *o)
{
        char erase[64 + 2 * USUAL];
        size_t n = 0;
        if (o->status_shown == 0)
                return;
        const size_t width = terminal_width(STDERR_FILENO);
        if (o->dumb) {
                const size_t shown = o->status_shown < USUAL ? o->status_shown : USUAL;
                n = (size_t)snprintf(erase, sizeof erase, "\r%*s\r", (int)shown, "");
        } else {
                const size_t folds = (o->status_shown - 1) / width;
                if (folds)
                        n = (size_t)snprintf(erase, sizeof erase, "\r\033[%zuA\033[J", folds);
                else
                        n = (size_t)snprintf(erase, sizeof erase, "\r\033[K");
        }
        outlet_write_now(STDERR_FILENO, erase, n);
        o->status_shown = 0;
}

/* The last column stays free: a character there would fold the line on some terminals. */
static void outlet_show_status(struct outlet *o, const char *line)
{
        const size_t room = terminal_width(STDERR_FILENO) - 1, most = o->dumb && room > USUAL ? USUAL : room;
        const size_t n = strlen(line) < most ? strlen(line) : most;
        outlet_write_now(STDERR_FILENO, line, n);
        o->status_shown = n;
}

void outlet_status(struct outlet *o, const char *line)
{
        struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
        const struct stream *s = &o->to[1];
        char whole[256];
        const bool begun = s->line_begun || (s->terminal && o->to[0].terminal && o->to[0].line_begun);
        if (begun || poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT))
                return;
        if (s->terminal) {
                outlet_hide_status(o);
                if (*line)
                        outlet_show_status(o, line);
        } else if (*line) {
                const int n = snprintf(whole, sizeof whole, "%s\n", line);
                if (n > 0 && n < (int)sizeof whole)
                        outlet_write_now(STDERR_FILENO, whole, (size_t)n);
        }
}

/* ---- the output ---- */

static ssize_t outlet_one_write(struct outlet *o, struct stream *s, const char *bytes, size_t n)
{
        if (s->terminal)
                outlet_hide_status(o);
        ssize_t k = write(s->fd, bytes, n);
        if (k > 0)
                s->line_begun = bytes[k - 1] != '\n';
        return k;
}

/* Wait until some bytes can be written. Returns: whether they can. */
static bool outlet_may_write(struct outlet *o, const struct stream *s)
{
        struct pollfd now = {.fd = s->fd, .events = POLLOUT};
        if (rein_checkpoint() < 0)
                return false;
        if (poll(&now, 1, 0) == 1)
                return true;
        rein_case news[] = {REIN_ON_FD(s->fd, POLLOUT), REIN_ON_SETTLED(o->hurried)};
        const int rc = rein_select(news, 2, REIN_NEVER);
        if (rc == 1)
                o->lost = true; /* it cannot be written, and there is no time left */
        else if (rc < 0 && rc != REIN_ECANCELED)
                rein_sleep(rein_after(REIN_MS(10))); /* no memory to wait with */
        return rc == 0;
}

size_t outlet_put(struct outlet *o, int stream, const char *bytes, size_t n)
{
        struct stream *s = &o->to[stream];
        size_t done = 0;
        while (done < n && !o->error && !o->lost) {
                size_t piece = n - done;
                if (!s->file) {
                        if (!outlet_may_write(o, s)) {
                                if (rein_checkpoint() < 0)
                                        break;
                                continue;
                        }
                        if (piece > PIPE_BUF)
                                piece = PIPE_BUF; /* so much fits into a pipe that is ready, and does not block */
                }
                ssize_t k = o->lost ? 0 : outlet_one_write(o, s, bytes + done, piece);
                if (k < 0 && errno != EAGAIN && errno != EINTR)
                        outlet_fail(o, errno, stream == 0 ? "standard output" : "standard error");
                else if (k > 0)
                        done += (size_t)k;
        }
        return o->error || o->lost ? n : done;
}
