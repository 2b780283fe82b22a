/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a descriptor, shared by the calls of src/io. */
#ifndef RN_IO_FD_H
#define RN_IO_FD_H

#include "core/task.h"

/* As rein_wait_fd, saying what for. */
int rn_fd_wait(rn_task *self, int fd, int events, int64_t until, const char *doing);

/* Enter a call that may block: 0 with the task, REIN_ECANCELED, -ENOMEM. */
int rn_io_enter(rn_task **self);

#endif
