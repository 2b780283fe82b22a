/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: names, connections, datagrams. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "plat/linux/error.h"
#include "plat/plat.h"

_Static_assert(sizeof(struct sockaddr_storage) <= RN_ADDRESS, "rn_sys_addr holds every address");

/* ---- names ---- */

static int lookup_error(int code)
{
        switch (code) {
        case EAI_MEMORY:
                return -ENOMEM;
        case EAI_SYSTEM:
                return errno ? rn_minus(errno) : -EIO;
        case EAI_AGAIN:
                return -EAGAIN;
        default:
                return -EADDRNOTAVAIL;
        }
}

int rn_sys_lookup(const char *host, const char *service, bool passive, bool datagrams, bool numeric, rn_sys_addr **list,
                  const char **why)
{
        const rn_machine *sim = rn_virtual();
        *why = "no memory for its addresses";
        if (sim)
                return sim->lookup(host, service, list, why);
        struct addrinfo hints = {.ai_socktype = datagrams ? SOCK_DGRAM : SOCK_STREAM}, *found = NULL;
        hints.ai_flags = (passive ? AI_PASSIVE : 0) | (numeric ? AI_NUMERICHOST | AI_NUMERICSERV : 0);
        *list = NULL;
        int rc;
        do
                rc = getaddrinfo(host, service, &hints, &found);
        while (rc == EAI_SYSTEM && errno == EINTR);
        if (rc != 0) {
                const char *text = rc == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(rc);
                const int code = lookup_error(rc);
                *why = text ? text : "the resolver does not say why";
                return code;
        }
        rn_sys_addr **end = list;
        for (struct addrinfo *a = found; a; a = a->ai_next) {
                rn_sys_addr *copy = rn_alloc(sizeof *copy);
                if (!copy) {
                        rn_sys_addr_free(*list);
                        *list = NULL;
                        freeaddrinfo(found);
                        return -ENOMEM;
                }
                copy->family = a->ai_family;
                copy->type = a->ai_socktype;
                copy->protocol = a->ai_protocol;
                RN_ASSERT(a->ai_addrlen <= sizeof copy->bytes, "an address that is found fits into its record");
                copy->len = a->ai_addrlen;
                memcpy(copy->bytes, a->ai_addr, a->ai_addrlen);
                *end = copy;
                end = &copy->next;
        }
        freeaddrinfo(found);
        return 0;
}

void rn_sys_addr_free(rn_sys_addr *list)
{
        while (list) {
                rn_sys_addr *next = list->next;
                rn_free(list);
                list = next;
        }
}

/* ---- connections ---- */

static int open_socket(const rn_sys_addr *a)
{
        RN_ASSERT(a->len > 0 && a->len <= RN_ADDRESS, "a socket is opened for an address");
        if (rn_choose(2, RN_CHOOSE_FD))
                return -EMFILE;
        int fd = socket(a->family, a->type | SOCK_CLOEXEC | SOCK_NONBLOCK, a->protocol);
        return fd < 0 ? rn_minus(errno) : fd;
}

int rn_sys_listen(const rn_sys_addr *a, int backlog)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->listen(a, backlog);
        int fd = open_socket(a), on = 1;
        if (fd < 0)
                return fd;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, (const void *)a->bytes, a->len) == 0 && listen(fd, backlog) == 0)
                return fd;
        int err = errno;
        rn_sys_close_own(fd);
        return rn_minus(err);
}

/* For the connection that was to be accepted accept(2) also answers what had come over the network for it, and says to
 * take that as if there had been none. EOPNOTSUPP is among it, but it is as well what a socket answers that takes no
 * connections at all. */
static bool connection_gone_before(int err)
{
        switch (err) {
        case ECONNABORTED:
        case ENETDOWN:
        case EPROTO:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case ENETUNREACH:
                return true;
        default:
                return false;
        }
}

int rn_sys_accept(int fd)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->accept(fd);
        if (rn_choose(2, RN_CHOOSE_INTR))
                return -EINTR;
        if (rn_choose(2, RN_CHOOSE_FD))
                return -EMFILE;
        int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return got >= 0 ? got : connection_gone_before(errno) ? -ECONNABORTED : rn_minus(errno);
}

int rn_sys_connect(const rn_sys_addr *a)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->connect(a);
        int fd = open_socket(a);
        if (fd < 0)
                return fd;
        if (connect(fd, (const void *)a->bytes, a->len) == 0 || errno == EINPROGRESS || errno == EINTR)
                return fd;
        int err = errno;
        rn_sys_close_own(fd);
        return rn_minus(err);
}

int rn_sys_connected(int fd)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->connected(fd);
        int err = 0;
        socklen_t n = sizeof err;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0)
                return rn_minus(errno);
        return err ? rn_minus(err) : 0;
}

/* ---- datagrams ---- */

int rn_sys_datagrams(const rn_sys_addr *a, bool bound)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->datagrams(a, bound);
        int fd = open_socket(a);
        if (fd < 0)
                return fd;
        const struct sockaddr *at = (const void *)a->bytes;
        if ((bound ? bind(fd, at, a->len) : connect(fd, at, a->len)) == 0)
                return fd;
        int err = errno;
        rn_sys_close_own(fd);
        return rn_minus(err);
}

int64_t rn_sys_send_to(int fd, const void *buf, size_t n, const void *to, uint32_t len)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->send_to(fd, buf, n, to, len);
        if (rn_choose(2, RN_CHOOSE_INTR))
                return -EINTR;
        if (rn_choose(2, RN_CHOOSE_AGAIN))
                return -EAGAIN;
        RN_ASSERT(len <= RN_ADDRESS, "an address is no longer than there is room for");
        ssize_t put = sendto(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL, len ? to : NULL, len);
        return put < 0 ? rn_minus(errno) : put;
}

int64_t rn_sys_receive_from(int fd, void *buf, size_t n, void *from, uint32_t *len)
{
        const rn_machine *sim = rn_virtual();
        if (sim)
                return sim->receive_from(fd, buf, n, from, len);
        if (rn_choose(2, RN_CHOOSE_INTR))
                return -EINTR;
        if (rn_choose(2, RN_CHOOSE_AGAIN))
                return -EAGAIN;
        struct iovec part = {.iov_base = buf, .iov_len = n};
        struct msghdr message = {.msg_name = from, .msg_namelen = RN_ADDRESS, .msg_iov = &part, .msg_iovlen = 1};
        ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
        if (got < 0)
                return rn_minus(errno);
        RN_ASSERT((size_t)got <= n, "a datagram that is received fits into its room");
        *len = message.msg_namelen <= RN_ADDRESS ? message.msg_namelen : 0;
        return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : got;
}

int rn_sys_address(int fd, void *bytes, uint32_t *len)
{
        const rn_machine *sim = rn_virtual();
        if (sim && sim->owns(fd))
                return sim->address(fd, bytes, len);
        socklen_t size = RN_ADDRESS;
        RN_ASSERT(bytes && len, "there is room for an address that is asked for");
        if (getsockname(fd, bytes, &size) != 0)
                return rn_minus(errno);
        *len = size <= RN_ADDRESS ? size : 0;
        return 0;
}

bool rn_sys_address_fits(int fd, const rn_sys_addr *a)
{
        const rn_machine *sim = rn_virtual();
        struct sockaddr_storage own = {0};
        socklen_t size = sizeof own;
        if (sim && sim->owns(fd))
                return true;
        return getsockname(fd, (struct sockaddr *)&own, &size) == 0 && own.ss_family == a->family;
}

void rn_sys_address_text(const void *bytes, uint32_t len, char *text, size_t n)
{
        struct sockaddr_storage any = {0};
        char host[INET6_ADDRSTRLEN] = "", scope[16] = "";
        if (rn_virtual()) { /* there an address is a text */
                snprintf(text, n, "%.*s", (int)len, (const char *)bytes);
                return;
        }
        RN_ASSERT(n > 0, "there is room for the text of an address");
        text[0] = 0;
        memcpy(&any, bytes, len <= sizeof any ? len : 0);
        const struct sockaddr_in *v4 = (const void *)&any;
        const struct sockaddr_in6 *v6 = (const void *)&any;
        const struct sockaddr_un *local = (const void *)&any;
        if (any.ss_family == AF_INET6 && v6->sin6_scope_id)
                snprintf(scope, sizeof scope, "%%%u", v6->sin6_scope_id);
        if (any.ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host))
                snprintf(text, n, "%s:%u", host, ntohs(v4->sin_port));
        else if (any.ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host))
                snprintf(text, n, "[%s%s]:%u", host, scope, ntohs(v6->sin6_port));
        else if (any.ss_family == AF_UNIX && len > sizeof(sa_family_t))
                snprintf(text, n, "%s%.*s", local->sun_path[0] ? "" : "@",
                         (int)(len - sizeof(sa_family_t)) - !local->sun_path[0], local->sun_path + !local->sun_path[0]);
}
