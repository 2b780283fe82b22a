/* SPDX-License-Identifier: Apache-2.0 */
/* Names that are looked up. getaddrinfo(3) cannot be interrupted, and a caller that is cancelled or out of time must not
 * wait for it: so a look-up runs on a thread of its own, and keeps a promise. Sixteen run at once, the rest queue up. One
 * that its caller has left goes on by itself, for as long as the resolver takes; it does not count to the sixteen, up to a
 * number of such, so that a name server that does not answer does not hold up other names.
 *
 *      QUEUED  ----a thread takes it----> RUNNING ----the resolver answers----> DONE
 *         |                                  | its caller leaves                 ^
 *         | no thread can be had             v                                   |
 *         |                              GIVEN_UP ----the resolver answers-------+
 *         +----------------------------------------------------------------------+
 *
 * One that is QUEUED when its caller leaves is gone. Each of the two, the caller and whoever settles the promise, has a
 * share in the record: the last one frees it. State, shares and the counts in the world change under the fd lock.
 *
 * `lookup_threads` are all of them, `lookups_given_up` those among them whose callers have left. The lane is full when so
 * many threads are left that sixteen count. When all that count were given up as well, nobody will take what is queued, and
 * a look-up is refused instead. */
#ifndef RN_IO_LOOKUP_H
#define RN_IO_LOOKUP_H

#include "core/list.h"
#include "plat/plat.h"
#include "rein/promise.h"

enum { RN_LOOKUPS_AT_ONCE = 16, RN_LOOKUPS_GIVEN_UP = 64 };
enum { RN_LOOKUP_QUEUED, RN_LOOKUP_RUNNING, RN_LOOKUP_GIVEN_UP, RN_LOOKUP_DONE };

typedef struct rn_lookup {
        rn_link link; /* in world->lookups, while QUEUED */
        rein_promise *promise;
        int state;
        unsigned shares;
        bool passive, datagrams;
        char *service; /* behind host, in the same block */
        char host[];
} rn_lookup;

struct rn_world;

/* NULL, or what does not add up in those that wait and the threads for them. fd lock held. */
const char *rn_lookups_wrong(const struct rn_world *w);

/* The addresses, the best first; to be given back by rn_sys_addr_free. 0; REIN_ETIMEOUT, REIN_ECANCELED; or with a trail of
 * this code, which names host, service and reason: -EADDRNOTAVAIL: no such one; -EAGAIN: the resolver says so, or no thread
 * is to be had; -ENOMEM; -errno. */
int rn_lookup_await(const char *call, const char *host, const char *service, bool passive, bool datagrams,
                    int64_t until, rn_sys_addr **list);

#endif
