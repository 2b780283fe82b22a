/* SPDX-License-Identifier: Apache-2.0 */
/* A loop of rein's inside a loop that is not: a program with a poll(2) of its own watches one descriptor more, and its
 * coroutines run between its own events. */
#include <rein/rein.h>

#include <poll.h>
#include <unistd.h>

static int ends[2];

static int listen_to_it(void *arg)
{
        char text[16];
        int events = rein_wait_fd(ends[0], POLLIN, rein_after(REIN_SEC(5))); /* others run meanwhile */
        if (events < 0)
                return events;
        int64_t n = rein_read(ends[0], text, sizeof text, REIN_NEVER);
        printf("the coroutine read: %.*s\n", n < 0 ? 0 : (int)n, text);
        *(int *)arg = 1;
        return n < 0 ? (int)n : 0;
}

int main(void)
{
        int heard = 0, left = 1, turns = 0;
        rein_executor *loop = rein_loop_new(REIN_LOOP(.hosted = true));
        if (!loop || pipe(ends) < 0)
                return 1;
        rein_future *f = rein_submit(loop, listen_to_it, &heard, NULL);
        struct pollfd watched[] = {{.fd = rein_loop_fd(loop), .events = POLLIN}}; /* and whatever the program watches */
        while (left > 0) {
                if (poll(watched, 1, turns == 0 ? 0 : -1) < 0)
                        break;
                left = rein_loop_turn(loop); /* never blocks; how many jobs are not gone */
                if (turns++ == 0 && write(ends[1], "hello", 5) != 5)
                        break;
        }
        printf("jobs left: %d, the job: %s\n", left, rein_code_name(rein_code(f)));
        rein_drop(f);
        rein_executor_free(loop); /* by the thread that made it */
        rein_close(ends[0]);
        rein_close(ends[1]);
        return heard ? 0 : 1;
}
