/* SPDX-License-Identifier: Apache-2.0 */
/* A park that sleeps, for no time, and an unpark whose permit the next park takes. See cost.sh. */
#include <stdlib.h>

#include "core/task.h"

int main(int argc, char **argv)
{
        rn_task *self = rn_self();
        for (int n = argc > 1 ? atoi(argv[1]) : 0; self && n; n--) {
                rn_park(self, 1);
                rn_unpark(self);
                rn_park(self, RN_NEVER);
        }
        return self ? 0 : 1;
}
