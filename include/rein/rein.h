/* SPDX-License-Identifier: Apache-2.0 */
/* rein: concurrent work that can always be stopped.
 *
 * This header includes one header per noun. Five rules cover everything.
 *
 *  1. What waits for a thing takes an absolute `until`; what runs work is bounded by its scope; close waits for the
 *     work to be gone. A call returns >= 0 when it did its work and a negative code when it did not. Two codes are
 *     always about you, the caller: REIN_ETIMEOUT (`until` came first) and REIN_ECANCELED (a scope around you was
 *     cancelled; every later call says so too, at entry, until that scope is left).
 *  2. The same call works in a thread of a pool, in a coroutine of a loop and in a plain thread. A plain thread becomes
 *     a task by calling in, and leaves no trace when it ends.
 *  3. The task that opens a thing closes it; each call says what belongs to whom. Dropping and freeing take NULL. Nobody
 *     ever frees an error. `arg` is yours again when the work is *gone*; give `release` or `arg_size` and rein sees to
 *     it in every case. A call with a handle that was given back says so on stderr, does nothing, and answers -EPERM
 *     (or nothing), as long as rein can tell; with REIN_CHECK=1 in the environment the process ends there by abort
 *     (docs/debugging.md).
 *  4. Any thread may call anything not marked [owner]; [owner] means the task that opened it (took it, made it), and a
 *     wrong caller is told -EPERM before anything changes. Where a call returns nothing the trail says so.
 *  5. In an options struct zero means the default. Build one with its macro; NULL means all zero. Names are copied.
 *
 * Kernel errors are returned as they are, as -errno. After fork(2) every object made before it answers -EPERM in the
 * child; objects the child makes itself work.
 */
#ifndef REIN_H
#define REIN_H

#include <rein/base.h>
#include <rein/time.h>
#include <rein/error.h>
#include <rein/context.h>
#include <rein/scope.h>
#include <rein/hook.h>
#include <rein/executor.h>
#include <rein/pool.h>
#include <rein/future.h>
#include <rein/promise.h>
#include <rein/group.h>
#include <rein/adopt.h>
#include <rein/wait.h>
#include <rein/retry.h>
#include <rein/sync.h>
#include <rein/io.h>
#include <rein/every.h>
#include <rein/child.h>
#include <rein/loop.h>
#include <rein/sim.h>

#endif
