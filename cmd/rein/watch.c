/* SPDX-License-Identifier: Apache-2.0 */
/* rein_wait_fd waits for one descriptor. Any system call that blocks will do, though, within a hook region. */
#include "watch.h"

#include <rein/error.h>
#include <rein/hook.h>

#include <errno.h>

int watch_fds(struct pollfd *fds, nfds_t n, rein_time until)
{
        int rc;
        do {
                int64_t left = until.ns - rein_now().ns;
                left = left > 0 ? left : 0;
                struct timespec span = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
                rein_hook region;
                if ((rc = rein_hook_open(&region, REIN_POKE, NULL)) < 0)
                        return rc;
                int got = ppoll(fds, n, until.ns == REIN_NEVER.ns ? NULL : &span, NULL);
                rc = rein_hook_close(&region, got < 0 ? -errno : got == 0 ? REIN_ETIMEOUT : 0);
        } while (rc == -EINTR);
        return rc;
}
