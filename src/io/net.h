/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_IO_NET_H
#define RN_IO_NET_H

#include "plat/plat.h"

/* To listen at, to connect to; the same of datagrams; or for its own sake, of datagrams too. */
typedef enum rn_net_use { RN_NET_LISTEN, RN_NET_CONNECT, RN_NET_BIND, RN_NET_SEND, RN_NET_FIND } rn_net_use;

/* What a user calls a host and a service: 0; -EINVAL, and the trail says what they may be. */
int rn_net_check(const char *call, const char *host, const char *service, rn_net_use use);

/* The addresses of a host and service, the best first; to be given back by rn_sys_addr_free. host NULL: every address of
 * this machine, to listen at or bind to. Returns: as rn_lookup_await. */
int rn_net_resolve(const char *call, const char *host, const char *service, rn_net_use use, int64_t until,
                   rn_sys_addr **list);

#endif
