/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_IO_NET_H
#define RN_IO_NET_H

#include "plat/plat.h"

typedef enum rn_net_use { RN_NET_LISTEN, RN_NET_CONNECT, RN_NET_BIND, RN_NET_SEND } rn_net_use;

/* The addresses of a host and service, the best first; to be given back by rn_sys_addr_free. host NULL: every address of
 * this machine, to listen at or bind to. 0; REIN_ETIMEOUT, REIN_ECANCELED; -ENOMEM; -EADDRNOTAVAIL: no such one. */
int rn_net_resolve(const char *host, const char *service, rn_net_use use, int64_t until, rn_sys_addr **list);

#endif
