/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_CORE_PROMISE_H
#define RN_CORE_PROMISE_H

#include "core/future.h"
#include "core/world.h"
#include "rein/promise.h"

struct rein_promise {
        rein_future future;
        uint32_t process; /* of its write end: as that of the future is of the read end (handle.h) */
        bool stocked;     /* its memory comes from a stock, and goes there */
        rn_a32 writers;
        rn_link listed;     /* in live */
        uint32_t listed_in; /* the process whose list that is; 0: in none */
        rn_world *world;    /* whose lock that is */
        rn_lock hook_lock;
        void (*on_cancel)(void *arg);
        void *on_cancel_arg;
        bool canceled;
        rn_link callers;  /* the threads that are in a hook */
        rn_link removers; /* those that wait until there are none */
};

/* One of rein's own, to be settled by a thread that may outlast exit: not told of when it never is. NULL: no memory. */
rein_promise *rn_promise_new(const char *place, rein_future **read_end);
const char *rn_promise_wrong(const rein_promise *p); /* its hook_lock held, or alone */
const char *rn_promise_ask(const void *p);           /* asks.h */
bool rn_promise_settled(const rein_promise *p);

#endif
