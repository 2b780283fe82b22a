/* SPDX-License-Identifier: Apache-2.0 */
/* A small process that outlives the command if somebody kills it with SIGKILL, and then ends what it left running. */
#ifndef REIN_CMD_GUARD_H
#define REIN_CMD_GUARD_H

#include "family.h"

/* By the main thread, before any other is started. Returns a descriptor for guard_dismiss; -errno. */
int guard_start(struct family *f);

/* The run is over: nothing is left to be done. Waits for its end. */
void guard_dismiss(struct family *f, int fd);

#endif
