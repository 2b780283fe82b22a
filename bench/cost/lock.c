/* SPDX-License-Identifier: Apache-2.0 */
/* A coroutine that locks and unlocks a mutex that nobody else wants: a call that may block and does not. See cost.sh. */
#include <stdlib.h>

#include "rein/rein.h"

static int locks(void *arg)
{
        rein_mutex *m = rein_mutex_new();
        for (long i = *(long *)arg; m && i; i--) {
                rein_mutex_lock(m, REIN_NEVER);
                rein_mutex_unlock(m);
        }
        rein_mutex_free(m);
        return m ? 0 : 1;
}

int main(int argc, char **argv)
{
        long count = argc > 1 ? atol(argv[1]) : 0;
        return rein_run(locks, &count, NULL);
}
