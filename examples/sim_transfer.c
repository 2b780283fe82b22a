/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer between accounts that loses money, once in a while. `sim_transfer` lets the simulator find how, and prints
 * a line that replays it; `sim_transfer mended` passes: there one thread, and no other, touches the accounts. */
#include <rein/rein.h>

#include <string.h>

struct bank {
        int threads; /* that do transfers */
        int balance[3];
};

struct transfer {
        struct bank *bank;
        int from, to, amount;
};

static void add(int *balance, int amount)
{
        int had = *balance;
        rein_sim_point("between reading a balance and writing it");
        *balance = had + amount;
}

static int transfer(void *arg)
{
        const struct transfer *t = arg;
        add(&t->bank->balance[t->from], -t->amount);
        add(&t->bank->balance[t->to], t->amount);
        return 0;
}

/* The program that is simulated. It makes all it uses, so that it can be run again and again. */
static int two_transfers(void *arg)
{
        struct bank bank = {.threads = *(const int *)arg, .balance = {100, 100, 0}};
        struct transfer rent = {&bank, 0, 2, 30}, food = {&bank, 1, 2, 50};
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "bank", .threads = bank.threads));
        if (!pool)
                return rein_error_code(rein_trail());
        rein_future *f[2] = {rein_submit(pool, transfer, &rent, NULL), rein_submit(pool, transfer, &food, NULL)};
        int rc = rein_wait_all(f, 2, REIN_NEVER);
        rein_drop(f[0]);
        rein_drop(f[1]);
        rein_executor_free(pool);
        int all = bank.balance[0] + bank.balance[1] + bank.balance[2];
        return rc < 0 || all == 200 ? rc : rein_fail(REIN_EUSER, "there were 200, now there are %d", all);
}

int main(int argc, char **argv)
{
        int threads = argc > 1 && strcmp(argv[1], "mended") == 0 ? 1 : 2;
        rein_sim_report report = {.size = sizeof report};
        int rc = rein_sim_explore(REIN_SIM(.name = "transfer", .report = &report), two_transfers, &threads);
        printf("transfer: %s, schedules: %llu\n", rein_code_name(rc), (unsigned long long)report.schedules);
        return rc == 0 ? 0 : 1;
}
