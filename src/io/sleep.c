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
        rn_stretch_spend(self, RN_SPENDS_CALL);
        if (rn_canceled(self))
                return REIN_ECANCELED;
        if (self->backend->yield && (until.ns == REIN_NOWAIT.ns || until.ns <= rn_clock())) {
                self->backend->yield(self, false);
                return rn_canceled(self) ? REIN_ECANCELED : 0;
        }
        rn_doing was = rn_task_doing_for_ever(self, (rn_doing){"rein_sleep", NULL});
        int rc;
        while ((rc = rn_wait_turn(self, until.ns)) == 0)
                ;
        rn_task_doing_for_ever(self, was);
        return rc == REIN_ETIMEOUT ? 0 : rc;
}
