/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_IO_CHILD_H
#define RN_IO_CHILD_H

#include "core/list.h"
#include "plat/plat.h"
#include "rein/child.h"

struct rein_child {
        rn_link link; /* in world->children, until it is gone; fd lock */
        rn_lock lock; /* inside of the fd lock */
        uint32_t process;
        int pid, pidfd;
        int pipes[3]; /* our ends; -1 */
        bool group;
        bool freed; /* waits in the list for its end */
        int64_t grace;
        bool gone, stuck;
        int stopped_by;
        rn_sys_child_end end;
        char name[32];
};

/* NULL, or what does not add up. Its lock is held. */
const char *rn_child_wrong(const rein_child *c);

/* Is one of its standard descriptors a new pipe? */
bool rn_child_has_pipe(const rein_child_opts *o);

#endif
