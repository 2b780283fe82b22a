/* SPDX-License-Identifier: Apache-2.0 */
/* Commands side by side, within two seconds: what each one said, how it ended, and what it took to stop those that did not.
 * `children COMMAND...` runs yours, each by sh -c. */
#include <rein/rein.h>

#include <signal.h>
#include <string.h>

enum { MOST = 64 };

static const char *const ours[] = {
        "echo hello",        "echo 'it cannot be' >&2; exit 3",      "kill -SEGV $$",
        "sleep 1000",        "trap '' TERM; sleep 1000; sleep 1000", /* the shell ignores SIGTERM, and so do those it starts */
        "sleep 1000 & wait",
};

struct command {
        const char *text;
        rein_child_said said;
        rein_child_end end;
        int rc;
};

static int run(void *arg)
{
        struct command *c = arg;
        char sh[] = "sh", how[] = "-c";
        c->end.size = sizeof c->end;
        c->said = (rein_child_said){.size = sizeof c->said, .most = 4096};
        c->rc = rein_child_collect((char *[]){sh, how, (char *)(uintptr_t)c->text, NULL},
                                   REIN_CHILD(.in = REIN_CHILD_NULL, .err = REIN_CHILD_OUT, .grace_ns = REIN_MS(100),
                                              .start_until = REIN_NEVER), /* when there is no room now, wait for some */
                                   &c->said, &c->end);
        return c->rc;
}

static void tell(const struct command *c)
{
        const rein_child_end *e = &c->end;
        printf("%-40s ", c->text);
        if (!e->gone)
                printf("%s", c->rc == REIN_ECANCELED ? "never started" : rein_code_name(c->rc));
        else if (e->signo)
                printf("ended by %s", strsignal(e->signo));
        else
                printf("exit code %d", e->code);
        printf("%s\n", !e->stopped_by ? "" : e->stopped_by == SIGTERM ? ", when asked" : ", after its grace");
        if (c->said.out_n)
                printf("        it said: %s", c->said.out);
}

struct all {
        struct command command[MOST];
        int count;
};

static int run_all(void *arg)
{
        struct all *all = arg;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH, .until = rein_after(REIN_SEC(2))));
        for (int i = 0; i < all->count; i++)
                rein_spawn(&g, NULL, run, &all->command[i], NULL); /* NULL: here, in this loop */
        return rein_group_close(&g, 0);
}

int main(int argc, char **argv)
{
        static struct all all;
        const char *const *texts = argc > 1 ? (const char *const *)argv + 1 : ours;
        all.count = argc > 1 ? argc - 1 : (int)(sizeof ours / sizeof *ours);
        all.count = all.count < MOST ? all.count : MOST;
        for (int i = 0; i < all.count; i++)
                all.command[i].text = texts[i];
        int rc = rein_run(run_all, &all, NULL);
        for (int i = 0; i < all.count; i++) {
                tell(&all.command[i]);
                rein_child_said_free(&all.command[i].said);
        }
        return rc == 0 || rc == REIN_ETIMEOUT ? 0 : 1;
}
