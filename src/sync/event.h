/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_SYNC_EVENT_H
#define RN_SYNC_EVENT_H

#include "rein/sync.h"
#include "sync/line.h"
#include "sync/object.h"

struct rein_event {
#if RN_CHECKING
        rn_object object;
#endif
        rn_lock lock;
        uint32_t process;
        rn_inside inside;
        bool is_set; /* then nobody waits */
        rn_link line;
};

/* NULL, or what does not add up. Its lock is held. */
const char *rn_event_wrong(const rein_event *e);

#endif
