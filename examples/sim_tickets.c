/* SPDX-License-Identifier: Apache-2.0 */
/* A box office on an event loop: a coroutine for each customer, one ticket left. What coroutines of one loop share needs
 * no lock, but it does not stand still while one of them waits. `sim_tickets` lets the simulator find who sells the last
 * ticket twice; `sim_tickets mended` passes: a ticket is taken before the wait, and given back if the payment fails. */
#include <rein/rein.h>

#include <stdio.h>
#include <string.h>

enum { CUSTOMERS = 2 };

struct office {
        rein_executor *bank;
        rein_fn sell; /* one of the two below */
        int listener, left, sold;
};

struct customer {
        struct office *office;
        int fd;
};

static int charge(void *arg)
{
        (void)arg;
        return 0; /* here somebody would ask another service */
}

static int sell_broken(void *arg)
{
        struct office *o = arg;
        if (o->left == 0)
                return 0;
        int rc = rein_on(o->bank, charge, NULL, NULL); /* other coroutines run until it is paid */
        if (rc == 0)
                o->left--, o->sold++;
        return rc;
}

static int sell_mended(void *arg)
{
        struct office *o = arg;
        if (o->left == 0)
                return 0;
        o->left--;
        int rc = rein_on(o->bank, charge, NULL, NULL);
        if (rc == 0)
                o->sold++;
        else
                o->left++;
        return rc;
}

static int serve(void *arg)
{
        struct customer *c = arg;
        char wish;
        int64_t n = rein_read(c->fd, &wish, 1, REIN_NEVER);
        int rc = n == 1 ? c->office->sell(c->office) : (int)n;
        int closed = rein_close(c->fd);
        return rc < 0 ? rc : closed;
}

static int office_hours(void *arg)
{
        struct office *o = arg;
        int fd = 0;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < CUSTOMERS && fd >= 0; i++) {
                fd = rein_accept(o->listener, REIN_NEVER);
                struct customer c = {o, fd};
                if (fd >= 0)
                        rein_spawn(&g, NULL, serve, REIN_COPY(c));
        }
        return rein_group_close(&g, fd < 0 ? fd : 0);
}

static int buy(void *arg)
{
        (void)arg;
        char end;
        int fd = rein_connect("office", "80", REIN_NEVER);
        if (fd < 0)
                return fd;
        int64_t rc = rein_write(fd, "1", 1, REIN_NEVER);
        if (rc == 1)
                rc = rein_read(fd, &end, 1, REIN_NEVER); /* until it hangs up */
        rein_close(fd);
        return (int)rc;
}

static int one_ticket_left(void *arg)
{
        struct office o = {.sell = *(rein_fn *)arg, .listener = rein_listen("office", "80", CUSTOMERS), .left = 1};
        if (o.listener < 0)
                return o.listener;
        o.bank = rein_pool_new(REIN_POOL(.name = "bank", .threads = 2));
        rein_executor *street = rein_loop_new(REIN_LOOP(.name = "street"));
        rein_future *f[CUSTOMERS];
        for (int i = 0; i < CUSTOMERS; i++)
                f[i] = rein_submit(street, buy, NULL, REIN_JOB(.name = "customer"));
        int rc = rein_run(office_hours, &o, REIN_LOOP(.name = "office"));
        for (int i = 0; i < CUSTOMERS; i++) {
                int bought = rein_await(f[i], NULL, REIN_NEVER);
                rc = rc < 0 ? rc : bought;
                rein_drop(f[i]);
        }
        rein_executor_free(street);
        rein_executor_free(o.bank);
        rein_close(o.listener);
        return rc < 0 || o.sold == 1 ? rc : rein_fail(REIN_EUSER, "one ticket was sold %d times", o.sold);
}

int main(int argc, char **argv)
{
        rein_fn sell = argc > 1 && strcmp(argv[1], "mended") == 0 ? sell_mended : sell_broken;
        rein_sim_report report = {.size = sizeof report};
        int rc = rein_sim_explore(REIN_SIM(.name = "tickets", .report = &report), one_ticket_left, &sell);
        printf("tickets: %s, schedules: %llu\n", rein_code_name(rc), (unsigned long long)report.schedules);
        return rc == 0 ? 0 : 1;
}
