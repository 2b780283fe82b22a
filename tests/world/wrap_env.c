/* SPDX-License-Identifier: Apache-2.0 */
/* For the command, which is linked with wrap.c a second time: its plan comes in the environment, REIN_WORLD=call,k,errno,fd,forked
 * and REIN_WORLD_MISSING=call,errno, which the processes it starts do not see. When a call was made to fail
 * there is a file "fired" when it has ended. */
#include "wrap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void plan_from_environment(void)
{
        static char call[64], missing[64];
        unsigned at;
        int error, fd, forked;
        const char *plan = getenv("REIN_WORLD"), *without = getenv("REIN_WORLD_MISSING");
        if (without && sscanf(without, "%63[^,],%d", missing, &error) == 2)
                world_missing(missing, error);
        if (plan && sscanf(plan, "%63[^,],%u,%d,%d,%d", call, &at, &error, &fd, &forked) == 5) {
                world_plan_forked(forked);
                world_plan(call, fd, at, error);
        }
        unsetenv("REIN_WORLD");
        unsetenv("REIN_WORLD_MISSING");
}

__attribute__((destructor)) static void tell(void)
{
        if (world_fired())
                creat("fired", 0600);
}
