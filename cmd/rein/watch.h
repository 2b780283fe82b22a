/* SPDX-License-Identifier: Apache-2.0 */
/* Wait for several descriptors at once, as poll(2), in a way that a cancel ends. */
#ifndef REIN_CMD_WATCH_H
#define REIN_CMD_WATCH_H

#include <rein/time.h>
#include <poll.h>

/* Blocks: until one of them has news. Returns: 0; REIN_ETIMEOUT; REIN_ECANCELED; -errno. */
int watch_fds(struct pollfd *fds, nfds_t n, rein_time until);

#endif
