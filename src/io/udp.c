/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams. The socket is asked so that it answers at once; only then is it waited for, but for a receiver that waits
 * again and again (datagram_waits_first). */
#include <errno.h>
#include <string.h>

#include "io/fd.h"
#include "io/net.h"
#include "rein/io.h"

enum { ASK_EVERY = 8 };

_Static_assert(sizeof(((rein_addr *)0)->bytes) == RN_ADDRESS, "a rein_addr holds every address");

/* ---- sockets ---- */

static int udp_open_at(const char *call, const char *host, const char *service, rn_net_use use, int64_t until)
{
        rn_task *self;
        rn_sys_addr *list = NULL;
        int rc = rn_io_enter(&self);
        const int wrong = rn_net_check(call, host, service, use);
        if (wrong < 0)
                return wrong;
        if (rc == 0)
                rc = rn_net_resolve(call, host, service, use, until, &list);
        if (rc < 0)
                return rc;
        rc = -EADDRNOTAVAIL;
        for (rn_sys_addr *a = list; a && rc < 0; a = a->next)
                rc = rn_sys_datagrams(a, use == RN_NET_BIND);
        rn_sys_addr_free(list);
        return rc;
}

int rein_udp_bind(const char *host, const char *service)
{
        RN_CALL();
        return udp_open_at("rein_udp_bind", host, service, RN_NET_BIND, RN_NEVER);
}

int rein_udp_connect(const char *host, const char *service, rein_time until)
{
        RN_CALL();
        return udp_open_at("rein_udp_connect", host, service, RN_NET_SEND, until.ns);
}

/* ---- addresses ---- */

int rein_addr_find(int fd, const char *host, const char *service, rein_addr *out, rein_time until)
{
        RN_CALL();
        rn_task *self;
        rn_sys_addr *list = NULL;
        int rc = rn_io_enter(&self);
        if (!out)
                return rn_fail(-EINVAL, "rein_addr_find", "room for the answer is needed");
        const int wrong = rn_net_check("rein_addr_find", host, service, RN_NET_FIND);
        if (wrong < 0)
                return wrong;
        if (rc == 0)
                rc = rn_net_resolve("rein_addr_find", host, service, RN_NET_FIND, until.ns, &list);
        if (rc < 0)
                return rc;
        rn_sys_addr *a = list;
        while (a && fd >= 0 && !rn_sys_address_fits(fd, a))
                a = a->next;
        if (a) {
                RN_ASSERT(a->len <= sizeof out->bytes, "an address is no longer than there is room for");
                *out = (rein_addr){.len = a->len};
                memcpy(out->bytes, a->bytes, a->len);
        }
        rn_sys_addr_free(list);
        return a ? 0
                 : rn_fail(-EADDRNOTAVAIL, "rein_addr_find",
                           "host '%s', service '%s': no address in the family of the socket", host, service);
}

int rein_addr_local(int fd, rein_addr *out)
{
        rein_addr own = {0};
        if (!out)
                return rn_fail(-EINVAL, "rein_addr_local", "no room for the answer");
        int rc = rn_sys_address(fd, own.bytes, &own.len);
        if (rc == 0)
                *out = own;
        return rc;
}

bool rein_addr_equal(const rein_addr *a, const rein_addr *b)
{
        return a->len == b->len && a->len <= RN_ADDRESS && memcmp(a->bytes, b->bytes, a->len) == 0;
}

const char *rein_addr_text(const rein_addr *a, char text[REIN_ADDR_TEXT])
{
        rn_sys_address_text(a->bytes, a->len <= RN_ADDRESS ? a->len : 0, text, REIN_ADDR_TEXT);
        return text;
}

/* ---- datagrams ---- */

typedef struct datagram {
        rn_fd_call call;
        const void *out; /* NULL: received */
        void *in;
        size_t n;
        rein_addr addr;
} datagram;

static int64_t datagram_once(datagram *d)
{
        if (d->out)
                return rn_sys_send_to(d->call.fd, d->out, d->n, d->addr.bytes, d->addr.len);
        return rn_sys_receive_from(d->call.fd, d->in, d->n, d->addr.bytes, &d->addr.len);
}

/* What self->empty says of it. */
static uint32_t datagram_mark(const datagram *d)
{
        return (uint32_t)d->call.fd + 1;
}

/* To ask one that is empty costs a system call, to wait for one that is not two and a turn of the loop. So a coroutine
 * takes its last receive for a hint, and looks now and then whether it still is true. */
static bool datagram_waits_first(datagram *d)
{
        rn_task *self = d->call.task;
        return !d->out && self->backend->offload && self->empty == datagram_mark(d) && ++self->unasked % ASK_EVERY;
}

static void datagram_learn(datagram *d, int64_t done)
{
        rn_task *self = d->call.task;
        if (done == -EAGAIN) {
                self->empty = datagram_mark(d);
                self->unasked = 0;
        } else if (self->empty == datagram_mark(d)) {
                self->empty = 0;
        }
}

static int64_t datagram_move(datagram *d, int64_t until)
{
        const int events = d->out ? RN_POLLOUT : RN_POLLIN;
        for (bool wait = datagram_waits_first(d);; wait = true) {
                int rc = wait ? rn_fd_wait(&d->call, events, until) : 0;
                rn_stretch_spend(d->call.task, RN_SPENDS_SYSTEM_CALL);
                if (rc >= 0)
                        rc = rn_fd_enter(&d->call, false);
                if (rc < 0)
                        return rc;
                int64_t done = datagram_once(d);
                rn_fd_leave(&d->call);
                RN_ASSERT(done <= (int64_t)d->n && d->addr.len <= RN_ADDRESS, "a datagram fits where it goes");
                if (!wait && !d->out)
                        datagram_learn(d, done);
                if (done != -EAGAIN && done != -EINTR)
                        return done;
                if (rn_canceled(d->call.task))
                        return REIN_ECANCELED;
                if (wait && until != RN_NEVER && until <= rn_clock())
                        return REIN_ETIMEOUT;
        }
}

static int64_t datagram_transfer(const char *call, int fd, datagram *d, const rein_addr *to, int64_t until)
{
        rn_task *self;
        int rc = rn_io_enter(&self);
        if (to && (!to->len || to->len > RN_ADDRESS))
                return rn_fail(-EINVAL, call, "this is no address: rein_addr_find and rein_recvfrom make them");
        if (rc == 0)
                rc = rn_bytes_check(call, d->n);
        if (rc < 0)
                return rc;
        if (to)
                d->addr = *to;
        rc = rn_fd_begin(&d->call, self, fd, call);
        if (rc < 0)
                return rc;
        int64_t done = datagram_move(d, until);
        rn_fd_end(&d->call);
        return done;
}

int64_t rein_sendto(int fd, const void *buf, size_t n, const rein_addr *to, rein_time until)
{
        RN_CALL();
        datagram d = {.out = buf ? buf : "", .n = buf ? n : 0};
        return datagram_transfer("rein_sendto", fd, &d, to, until.ns);
}

int64_t rein_recvfrom(int fd, void *buf, size_t n, rein_addr *from, rein_time until)
{
        RN_CALL();
        datagram d = {.in = buf, .n = n};
        int64_t got = datagram_transfer("rein_recvfrom", fd, &d, NULL, until.ns);
        if (from && (got >= 0 || got == -EMSGSIZE))
                *from = d.addr;
        return got;
}
