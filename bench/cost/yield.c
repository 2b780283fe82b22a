/* SPDX-License-Identifier: Apache-2.0 */
/* So many times two coroutines of a loop give way to each other. */
#include <stdlib.h>

#include "rein/rein.h"

static long count;

static int yields(void *arg)
{
        (void)arg;
        for (long i = 0; i < count; i++)
                rein_sleep(REIN_NOWAIT);
        return 0;
}

static int both(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, yields, arg, NULL);
        rein_spawn(&g, NULL, yields, arg, NULL);
        return rein_group_close(&g, 0);
}

int main(int argc, char **argv)
{
        count = argc > 1 ? atol(argv[1]) / 2 : 0;
        return rein_run(both, NULL, NULL);
}
