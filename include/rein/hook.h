/* SPDX-License-Identifier: Apache-2.0 */
/* Hook regions: a stretch of foreign code that blocks, and the way to unblock it.
 *
 *      rein_hook h;
 *      int rc = rein_hook_open(&h, stop_query, db);     // from here on a cancel calls stop_query(db)
 *      if (rc < 0)
 *              return rc;                               // cancelled already: the call is not made
 *      rc = sqlite3_exec(db, sql, row, NULL, NULL);
 *      return rein_hook_close(&h, rc == SQLITE_OK ? 0 : -EIO);
 *
 * A region belongs to the scope it was opened in. Regions nest; a shield opened inside one holds its hook back. */
#ifndef REIN_HOOK_H
#define REIN_HOOK_H

#include <rein/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A hook region. Lives on the stack of the task that opens it. Opaque; do not copy it. */
typedef struct rein_hook {
        uint64_t opaque[8];
} rein_hook;

/* Instead of a function: a signal to this thread, so that whatever system call blocks returns EINTR. The signal is a
 * free real-time one that rein finds at first use; it is never sent to a thread outside such a region. */
#define REIN_POKE ((void (*)(void *))0)

/* Open a hook region. The task that opens it closes it. `stop(arg)` is called when the scope is cancelled or its
 * deadline passes, and again with back-off (50 us doubling to 10 ms) until the region closes, because one call can
 * come before the foreign code is ready for it. It runs on the thread that cancels or on rein's own hand thread; it
 * must be safe to call repeatedly and from another thread, must not block, and must take no lock that is held around
 * the foreign call.
 * Blocks: no. Any thread.
 * Returns: 0; REIN_ECANCELED: you are cancelled, do not make the call, nothing was opened; -ENOMEM; -EAGAIN: rein's
 * clock thread could not be started; -EBUSY: REIN_POKE and no signal free. Since 0.1. */
#define rein_hook_open(...) rein_hook_open_at(REIN_HERE, __VA_ARGS__)
REIN_API int rein_hook_open_at(const char *place, rein_hook *h, void (*stop)(void *), void *arg);

/* Close a hook region. From here on `stop` is not running and will not be called.
 * Blocks: while `stop` runs on another thread. [owner]: the task that opened it.
 * Returns: rc; REIN_ECANCELED when stop was used, whatever rc is; -EPERM: the region is another task's, is not open,
 * or is not the innermost thing open; nothing changed. Since 0.1. */
REIN_API int rein_hook_close(rein_hook *h, int rc);

#ifdef __cplusplus
}
#endif
#endif
