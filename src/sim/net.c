/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors of a simulation: pipes, connections, listeners, the wake descriptors of doors, signals. Numbers start
 * at FIRST and the lowest free one is given out, as POSIX asks: a number used too long is another's.
 *
 * A file is an end. Two ends share one or two pieces of pipe, each a ring of bytes with a writing and a reading end. */
#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FIRST = RN_SIM_FD, FILES = RN_SIM_FDS, SOCKET_ROOM = 65536, SIGNALS = 65, BACKLOG = 16 };

typedef struct ring {
        size_t room, used, from;
        bool writer_gone, reader_gone;
        char bytes[];
} ring;

typedef enum kind { NONE, END, LISTENER, WAKE, SIGNAL, DATAGRAMS, POLLER } kind;

typedef struct file {
        kind kind;
        ring *in, *out;
        char address[RN_SIM_ADDRESS];
        struct file *waiting[BACKLOG]; /* accepted next: files without a number yet */
        uint32_t waits, backlog;
        uint64_t rings;  /* WAKE */
        rn_sim_box *box; /* DATAGRAMS */
        int signo;
        struct rn_sim_poller *poller;
        uint64_t serial; /* no other file of the schedule has this number */
} file;

typedef struct rn_files {
        file *at[FILES];
        bool pending[SIGNALS];
        unsigned ports; /* given out */
        uint64_t serials;
} rn_files;

static void *quiet_alloc(size_t n)
{
        rn_sim_quiet();
        void *p = rn_host_alloc(n);
        rn_sim_loud();
        return p;
}

static void quiet_free(void *p)
{
        rn_sim_quiet();
        rn_host_free(p);
        rn_sim_loud();
}

static rn_files *net_files(void)
{
        if (!rn_sim->files)
                rn_sim->files = quiet_alloc(sizeof(rn_files));
        return rn_sim->files;
}

static file *file_of(int fd)
{
        rn_files *f = rn_sim->files;
        return f && fd >= FIRST && fd < FIRST + FILES ? f->at[fd - FIRST] : NULL;
}

static bool sim_owns(int fd)
{
        return fd >= FIRST && fd < FIRST + FILES;
}

static int file_number(file *x)
{
        rn_files *f = net_files();
        for (int i = 0; f && x && i < FILES; i++) {
                if (!f->at[i]) {
                        RN_ASSERT(!x->serial, "a file gets one number in its life");
                        f->at[i] = x;
                        x->serial = ++f->serials;
                        return FIRST + i;
                }
        }
        return x ? -EMFILE : -ENOMEM;
}

static file *file_make(kind k)
{
        file *x = quiet_alloc(sizeof *x);
        if (x)
                x->kind = k;
        return x;
}

static int file_opened(kind k)
{
        if (rn_sim_fault(2, RN_CHOOSE_FD))
                return -EMFILE;
        file *x = file_make(k);
        int fd = file_number(x);
        if (fd < 0)
                quiet_free(x);
        return fd;
}

static ring *ring_new(size_t room)
{
        ring *r = quiet_alloc(sizeof *r + room);
        RN_ASSERT(room > 0, "something fits into a pipe");
        if (r)
                r->room = room;
        return r;
}

void rn_sim_point_at(int fd, const volatile void *at)
{
        if (!rn_sim->running)
                return;
        rn_sim->running->fd = fd;
        rn_sim_op((rn_op){.kind = RN_OP_FD, .at = at, .len = 1});
}

static void net_point(int fd)
{
        rn_sim_point_at(fd, &rn_sim->files); /* no two are independent */
}

/* ---- datagrams: datagram.c has what is in a box ---- */

void rn_sim_fd_point(int fd)
{
        net_point(fd);
}

rn_sim_box *rn_sim_box_of(int fd)
{
        const file *x = file_of(fd);
        return x ? x->box : NULL;
}

rn_sim_box *rn_sim_box_next(int *i)
{
        rn_sim_box *b = NULL;
        while (!b && *i < FILES)
                b = rn_sim_box_of(FIRST + (*i)++);
        return b;
}

int rn_sim_box_open(rn_sim_box *b)
{
        int fd = file_opened(DATAGRAMS);
        if (fd >= 0)
                file_of(fd)->box = b;
        return fd;
}

/* ---- the end of a file ---- */

static void ring_let_go(ring *r, bool writer)
{
        if (!r)
                return;
        RN_ASSERT(!(writer ? r->writer_gone : r->reader_gone), "an end of a pipe goes once");
        if (writer)
                r->writer_gone = true;
        else
                r->reader_gone = true;
        if (r->writer_gone && r->reader_gone)
                quiet_free(r);
}

static void file_destroy(file *x)
{
        RN_ASSERT(x->kind != NONE && x->waits <= BACKLOG, "a file that ends is one, and no more wait for it than may");
        for (uint32_t i = 0; i < x->waits; i++)
                file_destroy(x->waiting[i]);
        ring_let_go(x->in, false);
        ring_let_go(x->out, true);
        if (x->box)
                rn_sim_box_free(x->box);
        quiet_free(x);
}

static int sim_close(int fd)
{
        net_point(fd);
        file *x = file_of(fd);
        if (!x)
                return -EBADF;
        rn_sim->files->at[fd - FIRST] = NULL;
        file_destroy(x);
        return 0;
}

size_t rn_sim_files_open(void)
{
        size_t n = 0;
        for (int i = 0; rn_sim->files && i < FILES; i++)
                n += rn_sim->files->at[i] != NULL;
        return n;
}

void rn_sim_files_free(void)
{
        for (int i = 0; rn_sim->files && i < FILES; i++)
                if (rn_sim->files->at[i])
                        file_destroy(rn_sim->files->at[i]);
        quiet_free(rn_sim->files);
        rn_sim->files = NULL;
}

/* ---- what is ready ---- */

int rn_sim_fd_events(int fd, int events, unsigned depth)
{
        const file *x = file_of(fd);
        if (!x)
                return RN_POLLNVAL;
        int r = 0;
        switch (x->kind) {
        case END:
                if (x->in && (x->in->used || x->in->writer_gone))
                        r |= RN_POLLIN;
                if (x->out && (x->out->used < x->out->room || x->out->reader_gone))
                        r |= RN_POLLOUT;
                break;
        case LISTENER:
                r = x->waits ? RN_POLLIN : 0;
                break;
        case WAKE:
                r = x->rings ? RN_POLLIN : 0;
                break;
        case SIGNAL:
                r = rn_sim->files->pending[x->signo] ? RN_POLLIN : 0;
                break;
        case DATAGRAMS:
                r = RN_POLLOUT | (rn_sim_box_ready(x->box) ? RN_POLLIN : 0);
                break;
        case POLLER:
                r = rn_sim_poller_ready(x->poller, depth) ? RN_POLLIN : 0;
                break;
        case NONE:
                break;
        }
        return r & events;
}

static int file_ready(int fd, int events)
{
        return rn_sim_fd_events(fd, events, 0);
}

uint64_t rn_sim_fd_serial(int fd)
{
        const file *x = file_of(fd);
        return x ? x->serial : 0;
}

int64_t rn_sim_fd_due(const rn_sim_task *t)
{
        int64_t due = RN_NEVER;
        for (const rn_polled *p = t->all; p; p = p->next) {
                const file *x = file_of(p->fd);
                const int64_t at = x && x->kind == POLLER ? rn_sim_poller_due(x->poller) : RN_NEVER;
                due = at < due ? at : due;
        }
        return due;
}

int rn_sim_fd_of_poller(struct rn_sim_poller *p)
{
        int fd = file_opened(POLLER);
        if (fd >= 0)
                file_of(fd)->poller = p;
        return fd;
}

bool rn_sim_fd_ready(const rn_sim_task *t)
{
        for (const rn_polled *p = t->all; p; p = p->next)
                if (file_ready(p->fd, p->events))
                        return true;
        return t->wake >= 0 && file_ready(t->wake, RN_POLLIN);
}

static int sim_poll(rn_polled *all, int wake, int64_t until)
{
        rn_sim_task *me = rn_sim->running;
        int n = 0;
        if (rn_sim_fault(2, RN_CHOOSE_INTR))
                return 0;
        for (const rn_polled *p = all; p; p = p->next) {
                if (sim_owns(p->fd))
                        continue;
                rn_sim_over(REIN_SIM_MISUSE, "'%s' waits for the real descriptor %d", me->name, p->fd);
                rn_sim_stop();
        }
        me->fd = all ? all->fd : -1;
        me->all = all;
        me->wake = wake;
        me->until = until;
        me->woken = me->poked = false;
        rn_sim_op((rn_op){.kind = RN_OP_POLL, .at = &rn_sim->files, .len = 1});
        me->until = RN_NEVER;
        me->all = NULL;
        for (rn_polled *p = me->poked ? NULL : all; p; p = p->next) {
                p->got = file_ready(p->fd, p->events);
                n += p->got != 0;
        }
        return n;
}

static int sim_wakefd(void)
{
        return file_opened(WAKE);
}

static void sim_wakefd_ring(int wake)
{
        net_point(wake);
        file *x = file_of(wake);
        if (x)
                x->rings++;
}

static void sim_wakefd_drain(int wake)
{
        if (rn_sim->plan->observe)
                net_point(wake);
        file *x = file_of(wake);
        if (x)
                x->rings = 0;
}

/* ---- bytes ---- */

static int64_t net_refused(int fd, const char *what)
{
        rn_sim_over(REIN_SIM_MISUSE, "'%s' %s the real descriptor %d", rn_sim->running->name, what, fd);
        rn_sim_stop();
}

static size_t net_part(size_t n)
{
        return n > 1 && rn_sim_fault(2, RN_CHOOSE_SHORT) ? n / 2 : n;
}

static int64_t sim_read(int fd, void *buf, size_t n)
{
        if (!sim_owns(fd))
                return net_refused(fd, "reads");
        if (rn_sim_fault(2, RN_CHOOSE_INTR))
                return -EINTR;
        net_point(fd);
        file *x = file_of(fd);
        if (x && x->kind == DATAGRAMS)
                return rn_sim_receive(fd, buf, n);
        if (!x || x->kind != END || !x->in)
                return -EBADF;
        ring *r = x->in;
        if (!r->used)
                return r->writer_gone ? 0 : -EAGAIN;
        if (rn_sim_fault(2, RN_CHOOSE_AGAIN))
                return -EAGAIN;
        RN_ASSERT(r->used <= r->room && r->from < r->room, "a pipe has no more bytes than room for them");
        n = net_part(n < r->used ? n : r->used);
        for (size_t i = 0; i < n; i++)
                ((char *)buf)[i] = r->bytes[(r->from + i) % r->room];
        r->from = (r->from + n) % r->room;
        r->used -= n;
        return (int64_t)n;
}

static int64_t sim_write(int fd, const void *buf, size_t n)
{
        if (!sim_owns(fd))
                return net_refused(fd, "writes to");
        if (rn_sim_fault(2, RN_CHOOSE_INTR))
                return -EINTR;
        net_point(fd);
        file *x = file_of(fd);
        if (x && x->kind == DATAGRAMS)
                return rn_sim_send(fd, buf, n);
        if (!x || x->kind != END || !x->out)
                return -EBADF;
        ring *r = x->out;
        if (r->reader_gone)
                return -EPIPE;
        if (r->used == r->room || rn_sim_fault(2, RN_CHOOSE_AGAIN))
                return -EAGAIN;
        RN_ASSERT(r->used < r->room, "a pipe into which is written has room");
        size_t left = r->room - r->used;
        n = net_part(n < left ? n : left);
        for (size_t i = 0; i < n; i++)
                r->bytes[(r->from + r->used + i) % r->room] = ((const char *)buf)[i];
        r->used += n;
        return (int64_t)n;
}

/* Two ends: what `a` writes into `there` b reads; back may be NULL. */
static void file_join(file *a, file *b, ring *there, ring *back)
{
        RN_ASSERT(!a->out && !b->in && !a->in && !b->out, "two ends are joined once");
        a->out = b->in = there;
        a->in = b->out = back;
}

int rein_sim_pipe(int fds[2], size_t capacity)
{
        if (!rn_virtual())
                return -EPERM;
        if (!fds || !capacity)
                return -EINVAL;
        int r = file_opened(END), w = r < 0 ? r : file_opened(END);
        ring *between = w < 0 ? NULL : ring_new(capacity);
        if (!between) {
                if (r >= 0)
                        sim_close(r);
                if (w >= 0)
                        sim_close(w);
                return w < 0 ? w : -ENOMEM;
        }
        file_join(file_of(w), file_of(r), between, NULL);
        fds[0] = r;
        fds[1] = w;
        return 0;
}

/* ---- connections ---- */

/* Those of clients, and where "0" was asked for. */
void rn_sim_net_port(char *text, size_t n, const char *host)
{
        rn_files *f = net_files();
        snprintf(text, n, "%s:%u", host, 49152 + (f ? f->ports++ : 0));
}

static int sim_lookup(const char *host, const char *service, rn_sys_addr **list, const char **why)
{
        *list = rn_alloc(sizeof **list);
        if (!*list)
                return -ENOMEM;
        int n = snprintf((char *)(*list)->bytes, RN_SIM_ADDRESS, "%s:%s", host ? host : "", service ? service : "");
        if (n < 0 || n >= RN_SIM_ADDRESS) {
                rn_free(*list);
                *list = NULL;
                *why = "longer than an address of a simulation";
                return -EADDRNOTAVAIL;
        }
        (*list)->len = (uint32_t)n + 1;
        return 0;
}

static file *listener_at(const char *address)
{
        file *found = NULL;
        rn_sim_quiet();
        for (int i = 0; rn_sim->files && i < FILES && !found; i++) {
                file *x = rn_sim->files->at[i];
                if (x && x->kind == LISTENER && strcmp(x->address, address) == 0)
                        found = x;
        }
        rn_sim_loud();
        return found;
}

static int sim_listen(const rn_sys_addr *a, int backlog)
{
        net_point(-1);
        if (listener_at((const char *)a->bytes))
                return -EADDRINUSE;
        int fd = file_opened(LISTENER);
        file *x = fd < 0 ? NULL : file_of(fd);
        if (x) {
                rn_sim_quiet();
                memcpy(x->address, a->bytes, RN_SIM_ADDRESS);
                rn_sim_loud();
                x->backlog = backlog > 0 && backlog < BACKLOG ? (uint32_t)backlog : BACKLOG;
        }
        return fd;
}

static int sim_accept(int fd)
{
        if (rn_sim_fault(2, RN_CHOOSE_INTR))
                return -EINTR;
        if (rn_sim_fault(2, RN_CHOOSE_FD))
                return -EMFILE;
        net_point(fd);
        file *l = file_of(fd);
        if (!l || l->kind != LISTENER)
                return l ? -EINVAL : -EBADF;
        if (!l->waits)
                return -EAGAIN;
        int got = file_number(l->waiting[0]);
        if (got >= 0) {
                rn_sim_quiet();
                memmove(&l->waiting[0], &l->waiting[1], --l->waits * sizeof l->waiting[0]);
                rn_sim_loud();
        }
        return got;
}

static int sim_connect(const rn_sys_addr *a)
{
        net_point(-1);
        int fd = file_opened(END);
        if (fd < 0)
                return fd;
        file *l = listener_at((const char *)a->bytes);
        if (!l || l->waits == l->backlog) {
                sim_close(fd);
                return -ECONNREFUSED;
        }
        file *far = file_make(END);
        ring *there = ring_new(SOCKET_ROOM), *back = ring_new(SOCKET_ROOM);
        if (!far || !there || !back) {
                quiet_free(far);
                quiet_free(there);
                quiet_free(back);
                sim_close(fd);
                return -ENOMEM;
        }
        file_join(file_of(fd), far, there, back);
        RN_ASSERT(l->waits < l->backlog && l->backlog <= BACKLOG, "a connection waits where there is room for it");
        l->waiting[l->waits++] = far;
        return fd;
}

static int sim_connected(int fd)
{
        return file_of(fd) ? 0 : -EBADF;
}

/* ---- signals ---- */

static int sim_signal_open(int signo)
{
        int fd = file_opened(SIGNAL);
        if (fd >= 0)
                file_of(fd)->signo = signo;
        return fd;
}

static int sim_signal_take(int fd, int signo)
{
        rn_files *f = net_files();
        if (!f || (fd >= 0 && !file_of(fd)) || !f->pending[signo])
                return 0;
        f->pending[signo] = false;
        return 1;
}

static bool signal_waited_for(int signo)
{
        for (int i = 0; i < FILES; i++) {
                const file *x = rn_sim->files->at[i];
                if (x && x->kind == SIGNAL && x->signo == signo)
                        return true;
        }
        return false;
}

/* The first of them is cancelled, and can be no more. */
static bool signal_interrupts(void)
{
        const rn_interruptible *one = rn_sim->interruptible;
        if (!one)
                return false;
        RN_ASSERT(one->next != one, "a job that a signal cancels is in the list once");
        rn_sim->interruptible = one->next;
        one->cancel(one->job); /* and from its first step on `one` may be gone */
        return true;
}

int rein_sim_raise(int signo)
{
        if (!rn_virtual())
                return -EPERM;
        if (signo <= 0 || signo >= SIGNALS)
                return -EINVAL;
        net_point(-1);
        if (!net_files())
                return -ENOMEM;
        if (!rn_is_interrupt(signo) || signal_waited_for(signo) || !signal_interrupts())
                rn_sim->files->pending[signo] = true;
        return 0;
}

void rn_sim_net(rn_machine *m)
{
        m->owns = sim_owns;
        m->poll = sim_poll;
        m->wakefd = sim_wakefd;
        m->wakefd_ring = sim_wakefd_ring;
        m->wakefd_drain = sim_wakefd_drain;
        m->close = sim_close;
        m->read = sim_read;
        m->write = sim_write;
        m->lookup = sim_lookup;
        m->listen = sim_listen;
        m->accept = sim_accept;
        m->connect = sim_connect;
        m->connected = sim_connected;
        rn_sim_datagrams(m);
        m->signal_open = sim_signal_open;
        m->signal_take = sim_signal_take;
}
