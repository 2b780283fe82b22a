/* SPDX-License-Identifier: Apache-2.0 */
/* Barriers. Those in the line are the ones that came; the last one to come chooses them all. A task that comes and has to leave
 * without the others breaks it: they would wait for one that is not there. */
#ifndef RN_SYNC_BARRIER_H
#define RN_SYNC_BARRIER_H

#include "rein/sync.h"
#include "sync/line.h"
#include "sync/object.h"

struct rein_barrier {
#if RN_CHECKING
        rn_object object;
#endif
        rn_lock lock;
        uint32_t process;
        rn_inside inside;
        size_t parties, here; /* here < parties */
        bool broken;          /* then nobody is here */
        rn_link line;
};

/* NULL, or what does not add up. Its lock is held. */
const char *rn_barrier_wrong(const rein_barrier *b);

#endif
