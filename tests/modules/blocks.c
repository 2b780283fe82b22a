/* SPDX-License-Identifier: Apache-2.0 */
/* A library that never finishes to load: the loader's lock is held meanwhile. It tells the descriptor that the environment
 * names when it is there. */
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void blocks(void)
{
        int ends[2];
        char c = 'x';
        const char *tell = getenv("REIN_TEST_LOADING");
        if (tell && write(atoi(tell), &c, 1) == 1 && pipe(ends) == 0)
                while (read(ends[0], &c, 1) != 1)
                        ;
}
