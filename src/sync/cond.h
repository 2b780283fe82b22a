/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_SYNC_COND_H
#define RN_SYNC_COND_H

#include "sync/mutex.h"

struct rein_cond {
#if RN_CHECKING
        rn_object object;
#endif
        rein_mutex *mutex;
        uint32_t process;
        rn_link line; /* of those that were not signalled; under the mutex's lock */
};

/* NULL, or what does not add up. The mutex's lock is held. */
const char *rn_cond_wrong(const rein_cond *c);

#endif
