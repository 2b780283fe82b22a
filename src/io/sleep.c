/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core/task.h"
#include "rein/io.h"

int rein_sleep(rein_time until)
{
        RN_CALL();
        rn_task *self = rn_self();
        if (!self)
                return -ENOMEM;
        rn_doing was = rn_task_doing_for_ever(self, (rn_doing){"rein_sleep", NULL});
        int rc;
        bool waited = false;
        while ((rc = rn_wait_turn(self, until.ns)) == 0)
                waited = true;
        if (rc == REIN_ETIMEOUT && !waited && self->backend->yield) {
                self->backend->yield(self);
                rc = rn_canceled(self) ? REIN_ECANCELED : 0;
        }
        rn_task_doing_for_ever(self, was);
        return rc == REIN_ETIMEOUT ? 0 : rc;
}
