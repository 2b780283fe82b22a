/* SPDX-License-Identifier: Apache-2.0 */
/* Running a child and collecting what it says.
 *
 * One task writes what the child is to read, reads what it says on both pipes, and waits for its end, all at once: with one
 * after the other both would wait for ever once a pipe is full. So each wait is for all four descriptors. A stop of the child, by a cancel, reads nothing meanwhile: a child that is told to go and
 * waits for room in its pipe is killed after its grace. What is in the pipes is read once more when it has ended. */
#include <errno.h>
#include <string.h>

#include "core/opts.h"
#include "io/child.h"
#include "io/fd.h"

enum { USUAL_MOST = 1 << 20, PIPE_BLOCKS = 64 };
#define BLOCK ((size_t)16 << 10)

typedef struct voice { /* standard output or standard error */
        int fd;        /* -1: it goes elsewhere */
        char *text;
        size_t n, room, most;
        bool cut, over;
} voice;

typedef struct collector {
        rein_child *child;
        voice out, err;
        int in; /* -1: nothing is left to be written */
        const char *given;
        size_t given_n;
} collector;

/* ---- what it says ---- */

/* Room for one more block, and a NUL. false: no memory; what comes is then thrown away. */
static bool voice_grow(voice *v)
{
        if (v->room - v->n > BLOCK)
                return true;
        size_t room = v->room ? 2 * v->room : 2 * BLOCK;
        char *text = rn_alloc(room);
        if (!text)
                return false;
        if (v->text)
                memcpy(text, v->text, v->n);
        rn_free(v->text);
        v->text = text;
        v->room = room;
        return true;
}

/* Returns: whether there was something. */
static bool voice_read(voice *v)
{
        char waste[BLOCK];
        if (v->fd < 0)
                return false;
        const bool keeps = v->n < v->most && voice_grow(v);
        const size_t left = keeps && v->most - v->n < BLOCK ? v->most - v->n : BLOCK;
        RN_ASSERT(v->n <= v->most, "no more is kept than was asked for");
        int64_t n;
        do
                n = rn_sys_read(v->fd, keeps ? v->text + v->n : waste, left, false);
        while (n == -EINTR);
        if (n <= 0)
                return false;
        if (keeps)
                v->n += (size_t)n;
        else
                v->cut = true;
        return true;
}

/* Its end of the pipe belongs to the child: what others still hold of it is not waited for. */
static void voice_read_rest(voice *v)
{
        for (int i = 0; i < PIPE_BLOCKS && voice_read(v); i++)
                ;
}

static char *voice_text(voice *v)
{
        if (v->fd < 0)
                return NULL;
        if (!v->text && !voice_grow(v))
                return NULL;
        RN_ASSERT(v->text && v->n < v->room, "there is room for a NUL behind what was said");
        v->text[v->n] = '\0';
        return v->text;
}

/* ---- what it is given ---- */

static void input_end(collector *c)
{
        if (c->in < 0)
                return;
        rn_sys_close_own(c->in);
        c->in = -1;
}

/* As much as the pipe takes. A child that reads no more is none of our business. */
static void input_write(collector *c)
{
        int64_t n = 1;
        while (c->given_n > 0 && n > 0) {
                n = rn_sys_write(c->in, c->given, c->given_n < RN_PIPE_ATOMIC ? c->given_n : RN_PIPE_ATOMIC, false);
                if (n > 0) {
                        c->given += n;
                        c->given_n -= (size_t)n;
                }
        }
        if (c->given_n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR))
                input_end(c);
}

/* ---- all at once ---- */

enum { OUT, ERR, IN, END, ALL };

static rn_polled *collector_await(rn_awaited *a, rn_polled *next, int fd, int events)
{
        *a = (rn_awaited){.polled = {.next = next, .fd = fd, .events = events}};
        return fd < 0 ? next : &a->polled;
}

/* Wait until one of them has something, for what is not over. Returns: how many have; 0: none, or not yet; -errno. */
static int collector_await_any(collector *c, rn_task *self, rn_awaited at[ALL], int64_t until)
{
        rn_polled *all = collector_await(&at[END], NULL, rein_child_pidfd(c->child), RN_POLLIN);
        all = collector_await(&at[IN], all, c->in, RN_POLLOUT);
        all = collector_await(&at[ERR], all, c->err.over ? -1 : c->err.fd, RN_POLLIN);
        all = collector_await(&at[OUT], all, c->out.over ? -1 : c->out.fd, RN_POLLIN);
        return self->backend->poll(self, (rn_awaited *)(void *)all, until);
}

/* A pipe that nobody can write to any more is not waited for. */
static void voice_heed(voice *v, int got)
{
        if (got & RN_POLLIN)
                voice_read(v);
        else if (got)
                v->over = true;
}

/* Returns: 0: it has ended; REIN_ECANCELED; -errno. */
static int collector_collect(collector *c, rn_task *self)
{
        rn_awaited at[ALL];
        RN_ASSERT(self == rn_self_if() && c->child, "the task that collects started the child");
        int rc = 0;
        const rn_doing was = rn_task_doing_for_ever(self, (rn_doing){"rein_child_collect", NULL});
        do {
                const int64_t until = rn_cancel_at(self);
                rc = until != RN_NEVER && until <= rn_clock() ? REIN_ECANCELED
                                                              : collector_await_any(c, self, at, until);
                if (rc <= 0)
                        continue;
                voice_heed(&c->out, at[OUT].polled.got);
                voice_heed(&c->err, at[ERR].polled.got);
                if (at[IN].polled.got)
                        input_write(c);
        } while (rc >= 0 && (rc == 0 || !at[END].polled.got));
        rn_task_doing_for_ever(self, was);
        return rc < 0 ? rc : 0;
}

static int collector_run(collector *c, char *const argv[], const rein_child_opts *o, rein_child_end *end)
{
        rn_task *self;
        int rc = rn_io_enter(&self);
        if (rc == 0)
                rc = rein_child_start(&c->child, argv, o);
        if (rc < 0)
                return rc;
        c->in = rein_child_pipe(c->child, 0);
        c->out.fd = rein_child_pipe(c->child, 1);
        c->err.fd = rein_child_pipe(c->child, 2);
        rc = collector_collect(c, self);
        if (rc == 0 || rc == REIN_ECANCELED)
                rc = rein_child_wait(c->child, end, REIN_NEVER); /* it says how; cancelled, it stops it */
        else
                rein_child_stop(c->child, end);
        voice_read_rest(&c->out);
        voice_read_rest(&c->err);
        return rc;
}

static void collector_clear(collector *c)
{
        input_end(c);
        if (c->out.fd >= 0)
                rn_sys_close_own(c->out.fd);
        if (c->err.fd >= 0)
                rn_sys_close_own(c->err.fd);
        rein_child_free(c->child);
}

int rein_child_collect(char *const argv[], const rein_child_opts *opts, rein_child_said *said, rein_child_end *end)
{
        RN_CALL();
        static const char call[] = "rein_child_collect";
        rein_child_opts o = {.size = sizeof o};
        const char *what = "the options are not right";
        if (!said || said->size < sizeof *said || (end && end->size < sizeof(size_t)))
                return rn_fail(-EINVAL, call, "the size of what it says, or of its end, is not set");
        int rc = opts ? rn_opts_take(&o, sizeof o, opts, opts->size, &what) : 0;
        if (rc < 0)
                return rn_fail(rc, call, "%s", what);
        if (rn_child_has_pipe(&o))
                return rn_fail(-EINVAL, call,
                               "its pipes are made here: leave out and err zero, and give what it reads as `in`");
        if (said->in)
                o.in = REIN_CHILD_PIPE;
        if (o.out.kind == REIN_AS_OURS)
                o.out = REIN_CHILD_PIPE;
        if (o.err.kind == REIN_AS_OURS)
                o.err = REIN_CHILD_PIPE;
        const size_t most = said->most ? said->most : USUAL_MOST;
        collector c = {.in = -1,
                       .out = {.fd = -1, .most = most},
                       .err = {.fd = -1, .most = most},
                       .given = said->in,
                       .given_n = said->in ? said->in_n : 0};
        rc = collector_run(&c, argv, &o, end);
        said->out = voice_text(&c.out);
        said->err = voice_text(&c.err);
        said->out_n = c.out.n;
        said->err_n = c.err.n;
        said->out_cut = c.out.cut;
        said->err_cut = c.err.cut;
        collector_clear(&c);
        return rc;
}

void rein_child_said_free(rein_child_said *s)
{
        if (!s)
                return;
        rn_free(s->out);
        rn_free(s->err);
        s->out = s->err = NULL;
        s->out_n = s->err_n = 0;
}
