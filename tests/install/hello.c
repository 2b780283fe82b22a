/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest whole use of rein, for tests/install/run.sh: C11 and C++20 alike. */
#include <rein/rein.h>

#include <stdio.h>
#include <string.h>

static int square(void *arg)
{
        int n = *(const int *)arg;
        return n * n;
}

/* argv[1]: the version this program is to find. */
int main(int argc, char **argv)
{
        int n = 6, answer = -1;
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "hello", .threads = 2));
        rein_future *f = rein_submit(pool, square, REIN_COPY(n, .name = "square"));
        if (rein_await(f, NULL, rein_after(REIN_SEC(30))) == 0)
                answer = rein_code(f);
        rein_drop(f);
        rein_executor_free(pool);
        printf("rein %s: the square of %d is %d\n", rein_version(), n, answer);
        return argc == 2 && strcmp(argv[1], rein_version()) == 0 && answer == 36 ? 0 : 1;
}
