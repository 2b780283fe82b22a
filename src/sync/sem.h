/* SPDX-License-Identifier: Apache-2.0 */
/* Semaphores. Strictly in the order of arrival: one that wants more than there is holds up those behind it. */
#ifndef RN_SYNC_SEM_H
#define RN_SYNC_SEM_H

#include "rein/sync.h"
#include "sync/line.h"
#include "sync/object.h"

struct rein_sem {
#if RN_CHECKING
        rn_object object;
#endif
        rn_lock lock;
        uint32_t process;
        rn_inside inside;
        size_t units; /* those free */
        rn_link line;
};

/* NULL, or what does not add up. Its lock is held. */
const char *rn_sem_wrong(const rein_sem *s);

#endif
