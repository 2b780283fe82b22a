/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_PLAT_LINUX_POLLER_H
#define RN_PLAT_LINUX_POLLER_H

#include <poll.h>

#include "plat/plat.h"

struct rn_poller {
        int epoll, bell, alarm; /* epoll -1: by poll(2); alarm -1: not hosted */
        struct pollfd *set;     /* poll(2): [0] is the bell */
        size_t count, room;
        int64_t alarm_at;
};

/* NULL, or what does not add up. [owner] */
const char *rn_poller_wrong(const rn_poller *p);

#endif
