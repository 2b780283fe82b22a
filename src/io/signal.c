/* SPDX-License-Identifier: Apache-2.0 */
#include "io/fd.h"
#include "rein/io.h"

int rein_wait_signal(int signo, rein_time until)
{
        RN_CALL();
        rn_task *self;
        bool was_blocked;
        int rc = rn_io_enter(&self);
        if (rc < 0)
                return rc;
        int fd = rn_sys_signal_open(signo, &was_blocked);
        if (fd < 0)
                return fd;
        rn_fd_call c;
        rc = rn_fd_begin(&c, self, fd, "rein_wait_signal");
        if (rc == 0) {
                while ((rc = rn_fd_wait(&c, RN_POLLIN, until.ns)) > 0) {
                        rc = rn_sys_signal_take(fd); /* 0: another waiter took it */
                        if (rc != 0)
                                break;
                }
                rn_fd_end(&c);
        }
        rn_sys_signal_close(fd, signo, was_blocked);
        return rc > 0 ? signo : rc;
}
