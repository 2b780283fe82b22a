/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's own world: a pipe in its memory, a number that the schedule chooses, a signal that is raised by a call.
 * Whatever is interrupted, split or delayed, every byte arrives, and the signal is not lost. */
#include <rein/rein.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

typedef struct line {
        int fds[2];
        size_t sent, received;
} line;

static int sender(void *arg)
{
        line *l = arg;
        char bytes[8];
        memset(bytes, 'x', sizeof bytes);
        size_t n = 1 + rein_sim_choose(sizeof bytes); /* one of 1..8: each schedule tries another */
        int64_t rc = rein_write(l->fds[1], bytes, n, REIN_NEVER);
        l->sent = rc > 0 ? (size_t)rc : 0;
        rein_close(l->fds[1]); /* the end, for the receiver */
        return rc < 0 ? (int)rc : 0;
}

static int receiver(void *arg)
{
        line *l = arg;
        char bytes[3];
        int64_t rc;
        while ((rc = rein_read(l->fds[0], bytes, sizeof bytes, REIN_NEVER)) > 0)
                l->received += (size_t)rc;
        rein_close(l->fds[0]);
        return (int)rc;
}

static int waits_for_the_signal(void *arg)
{
        (void)arg;
        int signo = rein_wait_signal(SIGTERM, REIN_NEVER);
        rein_sim_check(signo == SIGTERM); /* no: the schedule ends here, and is printed */
        return 0;
}

static int program(void *arg)
{
        line l = {.sent = 0};
        rein_group g;
        (void)arg;
        rein_sim_check(rein_simulated());
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 3));
        int rc = pool ? rein_sim_pipe(l.fds, 2) : -ENOMEM; /* two bytes fit: the sender has to wait */
        if (rc < 0)
                return rc;
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, sender, &l, NULL);
        rein_spawn(&g, pool, receiver, &l, NULL);
        rein_spawn(&g, pool, waits_for_the_signal, NULL, NULL);
        rein_sim_raise(SIGTERM); /* kept, when nobody waits for it yet */
        rc = rein_group_close(&g, 0);
        rein_executor_free(pool);
        rein_sim_check(l.sent > 0 && l.received == l.sent);
        return rc;
}

int main(void)
{
        rein_sim_report report = {.size = sizeof report};
        int one = rein_sim_run(NULL, program, NULL);
        int all = rein_sim_explore(
                REIN_SIM(.name = "pipe", .schedules = 500, .faults = REIN_SIM_HARMLESS, .report = &report), program,
                NULL);
        printf("one schedule: %s; %d schedules with faults: %s\n", rein_code_name(one), (int)report.schedules,
               rein_code_name(all));
        return one == 0 && all == 0 ? 0 : 1;
}
