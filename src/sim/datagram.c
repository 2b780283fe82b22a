/* SPDX-License-Identifier: Apache-2.0 */
/* The datagram sockets of a simulation. Each is a box with an address, perhaps a peer, and what has come for it. An
 * address is a text, "host:service"; whoever is bound to no host ("":service) has that service on every host.
 *
 * A datagram to nobody is gone; who is connected to nobody is told so by the next call, as ICMP would. Loss, overtaking
 * and doubling are faults of the network: they happen when a datagram is sent, and only to those that somebody is for. */
#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { HELD = 64, LONGEST = 65507, OVERTAKEN = 3 };

typedef struct datagram {
        struct datagram *next;
        char from[RN_SIM_ADDRESS];
        size_t n;
        char bytes[];
} datagram;

struct rn_sim_box {
        char address[RN_SIM_ADDRESS], peer[RN_SIM_ADDRESS]; /* empty: none */
        datagram *first;
        unsigned count;
        bool refused;
};

static void datagram_free(datagram *d)
{
        rn_sim_quiet();
        rn_host_free(d);
        rn_sim_loud();
}

void rn_sim_box_free(rn_sim_box *b)
{
        rn_sim_quiet();
        for (datagram *d = b->first, *next; d; d = next) {
                next = d->next;
                rn_host_free(d);
        }
        rn_host_free(b);
        rn_sim_loud();
}

bool rn_sim_box_ready(const rn_sim_box *b)
{
        return b->first || b->refused;
}

/* ---- who is meant ---- */

static bool box_is_at(const char *own, const char *address)
{
        const char *service = strrchr(address, ':');
        return own[0] && (strcmp(own, address) == 0 || (own[0] == ':' && service && strcmp(own, service) == 0));
}

static rn_sim_box *box_at(const char *address)
{
        rn_sim_box *found = NULL, *b;
        rn_sim_quiet();
        for (int i = 0; (b = rn_sim_box_next(&i));)
                if (box_is_at(b->address, address) && (!found || strcmp(b->address, address) == 0))
                        found = b; /* who is bound to the host itself goes before who is bound to all */
        rn_sim_loud();
        return found;
}

static int sim_datagrams(const rn_sys_addr *a, bool bound)
{
        rn_sim_fd_point(-1);
        const char *where = (const char *)a->bytes, *service = strrchr(where, ':');
        const bool any = bound && service && strcmp(service, ":0") == 0;
        if (bound && !any) {
                rn_sim_box *b;
                for (int i = 0; (b = rn_sim_box_next(&i));)
                        if (strcmp(b->address, where) == 0)
                                return -EADDRINUSE;
        }
        char host[RN_SIM_ADDRESS] = "sim";
        rn_sim_quiet();
        rn_sim_box *b = rn_host_alloc(sizeof *b);
        rn_sim_loud();
        if (!b)
                return -ENOMEM;
        rn_sim_quiet();
        if (any)
                snprintf(host, sizeof host, "%.*s", (int)(service - where), where);
        if (bound && !any)
                memcpy(b->address, where, RN_SIM_ADDRESS);
        else
                rn_sim_net_port(b->address, sizeof b->address, host);
        if (!bound)
                memcpy(b->peer, where, RN_SIM_ADDRESS);
        rn_sim_loud();
        int fd = rn_sim_box_open(b);
        if (fd < 0)
                rn_sim_box_free(b);
        return fd;
}

/* ---- sending ---- */

/* Behind the others, or before up to OVERTAKEN of them. */
static void box_put(rn_sim_box *to, datagram *d)
{
        unsigned can = to->count < OVERTAKEN ? to->count : OVERTAKEN;
        unsigned skip = to->count - (can ? rn_sim_fault(can + 1, RN_SIM_REORDER) : 0);
        RN_ASSERT(to->count < HELD && skip <= to->count,
                  "a datagram is put where there is room, among those there are");
        datagram **at = &to->first;
        for (; skip; skip--)
                at = &(*at)->next;
        d->next = *at;
        *at = d;
        to->count++;
}

static void box_deliver(rn_sim_box *to, const char *from, const void *buf, size_t n)
{
        if (to->count == HELD)
                return;
        rn_sim_quiet();
        datagram *d = rn_host_alloc(sizeof *d + n);
        if (d) {
                snprintf(d->from, sizeof d->from, "%s", from);
                d->n = n;
                if (n)
                        memcpy(d->bytes, buf, n);
        }
        rn_sim_loud();
        if (d)
                box_put(to, d);
}

static int64_t box_send_from(rn_sim_box *own, const void *buf, size_t n, const char *address)
{
        if (!address[0])
                return -EDESTADDRREQ;
        if (n > LONGEST)
                return -EMSGSIZE;
        if (own->refused) {
                own->refused = false;
                return -ECONNREFUSED;
        }
        if (rn_sim_fault(2, RN_CHOOSE_AGAIN))
                return -EAGAIN;
        rn_sim_box *to = box_at(address);
        if (to && to->peer[0] && !box_is_at(own->address, to->peer))
                to = NULL; /* it hears its peer alone */
        if (!to) {
                own->refused = own->peer[0] != 0;
                return (int64_t)n;
        }
        if (rn_sim_fault(2, RN_SIM_LOSS))
                return (int64_t)n;
        box_deliver(to, own->address, buf, n);
        if (rn_sim_fault(2, RN_SIM_TWICE))
                box_deliver(to, own->address, buf, n);
        return (int64_t)n;
}

/* The box of fd, when the call is not interrupted. */
static int box_begin(int fd, const char *what, rn_sim_box **b)
{
        const rn_machine *m = rn_virtual();
        if (m && fd >= 0 && !m->owns(fd)) {
                rn_sim_over(REIN_SIM_MISUSE, "'%s' %s the real descriptor %d", rn_sim->running->name, what, fd);
                rn_sim_stop();
        }
        if (rn_sim_fault(2, RN_CHOOSE_INTR))
                return -EINTR;
        rn_sim_fd_point(fd);
        *b = rn_sim_box_of(fd);
        return *b ? 0 : -EBADF;
}

static int64_t sim_send_to(int fd, const void *buf, size_t n, const void *to, uint32_t len)
{
        rn_sim_box *b;
        char address[RN_SIM_ADDRESS];
        int rc = box_begin(fd, "sends to", &b);
        if (rc < 0)
                return rc;
        rn_sim_quiet();
        snprintf(address, sizeof address, "%.*s", (int)len, len ? (const char *)to : "");
        rn_sim_loud();
        return box_send_from(b, buf, n, len ? address : b->peer);
}

int64_t rn_sim_send(int fd, const void *buf, size_t n)
{
        rn_sim_box *b = rn_sim_box_of(fd);
        RN_ASSERT(b, "a datagram socket has its box");
        return box_send_from(b, buf, n, b->peer);
}

/* ---- receiving ---- */

static int64_t box_receive(rn_sim_box *b, void *buf, size_t n, char *from)
{
        if (b->refused) {
                b->refused = false;
                return -ECONNREFUSED;
        }
        datagram *d = b->first;
        if (!d || rn_sim_fault(2, RN_CHOOSE_AGAIN))
                return -EAGAIN;
        RN_ASSERT(b->count > 0 && d->n <= LONGEST, "a datagram in a box is counted, and no longer than any may be");
        size_t some = d->n < n ? d->n : n;
        b->first = d->next;
        b->count--;
        if (some)
                memcpy(buf, d->bytes, some);
        if (from)
                memcpy(from, d->from, RN_SIM_ADDRESS);
        int64_t rc = d->n > n ? -EMSGSIZE : (int64_t)d->n;
        datagram_free(d);
        return rc;
}

static int64_t sim_receive_from(int fd, void *buf, size_t n, void *from, uint32_t *len)
{
        rn_sim_box *b;
        int64_t rc = box_begin(fd, "receives from", &b);
        if (rc == 0)
                rc = box_receive(b, buf, n, from);
        if (rc >= 0 || rc == -EMSGSIZE)
                *len = (uint32_t)strlen(from) + 1;
        return rc;
}

int64_t rn_sim_receive(int fd, void *buf, size_t n)
{
        int64_t rc = box_receive(rn_sim_box_of(fd), buf, n, NULL);
        return rc == -EMSGSIZE ? (int64_t)n : rc;
}

static int sim_address(int fd, void *bytes, uint32_t *len)
{
        const rn_sim_box *b = rn_sim_box_of(fd);
        if (!b)
                return -ENOTSOCK;
        memcpy(bytes, b->address, RN_SIM_ADDRESS);
        *len = (uint32_t)strlen(b->address) + 1;
        return 0;
}

void rn_sim_datagrams(rn_machine *m)
{
        m->datagrams = sim_datagrams;
        m->send_to = sim_send_to;
        m->receive_from = sim_receive_from;
        m->address = sim_address;
}
