/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_CORE_PROMISE_H
#define RN_CORE_PROMISE_H

#include "rein/promise.h"

/* One of rein's own, to be settled by a thread that may outlast exit: not told of when it never is. NULL: no memory. */
rein_promise *rn_promise_new(const char *place, rein_future **read_end);
const char *rn_promise_wrong(const rein_promise *p); /* its hook_lock held, or alone */
const char *rn_promise_ask(const void *p);           /* asks.h */
bool rn_promise_settled(const rein_promise *p);

#endif
