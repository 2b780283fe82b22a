/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks of an event loop: gathered, with each failure kept in its place; stopped together when one fails; and a step
 * that must not be cut in two, behind a shield. */
#include <rein/rein.h>

#include <errno.h>

static int page(void *arg)
{
        int n = *(int *)arg;
        int rc = rein_sleep(rein_after(REIN_MS(5 * (4 - n)))); /* the last is the first to come */
        if (rc < 0)
                return rc;
        return n == 2 ? rein_fail(-ENOENT, "page %d is lost", n) : 100 * n;
}

static int gather(void *arg)
{
        (void)arg;
        rein_group g;
        rein_future *pages[4];
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH)); /* each stands alone */
        for (int n = 0; n < 4; n++)
                pages[n] = rein_spawn_future(&g, NULL, page, REIN_COPY(n));
        rein_group_join(&g, REIN_NEVER);
        for (int n = 0; n < 4; n++) {
                rein_outcome o = {.size = sizeof o};
                rein_outcome_of(pages[n], &o);
                printf("page %d: %d%s\n", n, o.code, o.error ? ", and why" : "");
        }
        return rein_group_close(&g, 0);
}

static int all_or_nothing(void *arg)
{
        (void)arg;
        rein_group g;
        rein_group_open(&g, NULL); /* REIN_ALL: one failure stops the rest */
        for (int n = 0; n < 4; n++)
                rein_spawn(&g, NULL, page, REIN_COPY(n));
        int rc = rein_group_close(&g, 0);
        printf("all or nothing: %s\n", rein_code_name(rc));
        return rc;
}

static int book(void *arg) /* two steps that belong together */
{
        int *booked = arg;
        rein_scope s;
        rein_shield_open(&s, REIN_SEC(1)); /* a cancel waits outside, for a second at most */
        int rc = rein_sleep(rein_after(REIN_MS(5)));
        ++*booked;
        if (rc == 0)
                rc = rein_sleep(rein_after(REIN_MS(5)));
        ++*booked;
        rc = rein_scope_close(&s, rc);
        return rc < 0 ? rc : rein_checkpoint(); /* now it may come in */
}

static int shielded(void *arg)
{
        (void)arg;
        int booked = 0;
        int rc = rein_within(rein_after(REIN_MS(2)), book, &booked);
        printf("booked %d of 2, then %s\n", booked, rein_code_name(rc));
        return booked == 2 && rc == REIN_ETIMEOUT ? 0 : 1;
}

static int everything(void *arg)
{
        int rc = gather(arg);
        return rc == 0 && all_or_nothing(arg) == REIN_EFAILED ? shielded(arg) : 1;
}

int main(void)
{
        return rein_run(everything, NULL, NULL);
}
