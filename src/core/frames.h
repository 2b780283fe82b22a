/* SPDX-License-Identifier: Apache-2.0 */
/* Where a job was when it was asked to stop: a piece of its thread's stack, copied then, and looked through when somebody
 * reads the receipt. The copy takes no lock and disturbs nobody, because who takes it is about to unblock that thread;
 * the names come from the loader, whose lock the thread itself may hold. */
#ifndef RN_CORE_FRAMES_H
#define RN_CORE_FRAMES_H

#include "core/message.h"
#include "core/task.h"

typedef struct rn_frames rn_frames;

/* Of t, if it is in a system call. It may be another task meanwhile: the caller looks. NULL: not so, or no memory. */
rn_frames *rn_frames_take(rn_task *t);
void rn_frames_free(rn_frames *f); /* takes NULL */

/* A line each, the innermost first: "at read+0x1d (libc.so.6+0xfd1d)", then "from ...". As long as f; "" for NULL, or
 * without memory. Any thread. */
const char *rn_frames_text(rn_frames *f);
/* Needs no memory. names: of functions too, for which it may wait as long as a dlopen takes. */
void rn_frames_add(rn_message *m, const rn_frames *f, const char *indent, bool names);

#endif
