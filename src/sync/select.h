/* SPDX-License-Identifier: Apache-2.0 */
/* One call of rein_select, on the stack of its task. */
#ifndef RN_SYNC_SELECT_H
#define RN_SYNC_SELECT_H

#include "core/future.h"
#include "io/fd.h"
#include "rein/sync.h"
#include "sync/chan.h"

enum { RN_SELECT_NONE = -1 };

/* What one case needs while it is waited for. */
typedef union rn_select_place {
        rn_stand stand;
        rn_watcher watcher;
        struct {
                rn_fd_call call;
                rn_awaited awaited;
        } fd;
} rn_select_place;

typedef struct rn_selection {
        rein_case *cases;
        size_t n;
        rn_task *self;
        int64_t limit; /* until, or the first of the times */
        int happened;  /* the index; NONE */
        rn_turn turn;
        rn_watch_set set;
        rn_select_place *places;
        bool stands;       /* in the lines of its channels, but for the case that was chosen */
        rein_chan **chans; /* each once, by age */
        rein_future **futures;
        size_t chan_count, future_count, fd_count;
        size_t fds_begun, watched; /* of all cases: those before have begun, if they are such */
        rn_awaited *fds;           /* of the cases that have begun, in their order; NULL: none */
} rn_selection;

/* NULL, or what does not add up. Its channels are locked. */
const char *rn_selection_wrong(const rn_selection *s);

#endif
