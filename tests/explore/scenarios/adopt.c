/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets: who adopts is inside in time to be cancelled, or refused; a group that was lent waits; nothing is left. */
#include <errno.h>

#include "scenarios/scenarios.h"

static rein_scope scope;
static rein_group group;
static rein_ticket *ticket;

enum { ADOPTED, CODE, ADOPTED_TOO, CODE_TOO, INSIDE, CLOSED, CANCELED, LENT };

static int check_point(void)
{
        mark[INSIDE]++;
        int rc = rein_checkpoint();
        mark[INSIDE]--;
        return rc;
}

static int sleep_long(void)
{
        return rein_sleep(REIN_NEVER);
}

/* A thread of the library; it brings a reference. */
static void call_back(int (*fn)(void), int *adopted, int *code)
{
        rein_adopted a;
        *adopted = 1 + rein_adopt(ticket, &a);
        if (*adopted == 1)
                *code = rein_return(&a, fn());
        rein_ticket_drop(ticket);
}

static void foreign_sleeps(void *arg)
{
        (void)arg;
        call_back(sleep_long, &mark[ADOPTED], &mark[CODE]);
}

static void foreign_looks(void *arg)
{
        (void)arg;
        call_back(check_point, &mark[ADOPTED], &mark[CODE]);
}

static void foreign_looks_too(void *arg)
{
        (void)arg;
        call_back(check_point, &mark[ADOPTED_TOO], &mark[CODE_TOO]);
}

static void lend_scope(int holders)
{
        begin();
        rein_scope_open(&scope, REIN_NEVER);
        ticket = rein_scope_lend();
        for (int i = 1; i < holders; i++)
                rein_ticket_ref(ticket);
}

/* The scope is closed meanwhile: refused, or inside and woken. The last one's drop is also the ticket's end. */
static void scope_end(void)
{
        lend_scope(1);
        explore_go();
        explore_start("foreign", foreign_sleeps, NULL);
        mark[CLOSED] = 1 + rein_scope_close(&scope, 0);
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1);
        EXPLORE_CHECK(mark[ADOPTED] == 1 ? mark[CODE] == REIN_ECANCELED : mark[ADOPTED] == 1 - ESTALE);
}

static void cancel_scope(void *arg)
{
        (void)arg;
        rein_scope_cancel(&scope, "no more");
        mark[CANCELED]++;
}

/* Cancelled, not closed: always inside, always woken. */
static void scope_cancel(void)
{
        lend_scope(1);
        explore_go();
        explore_start("foreign", foreign_sleeps, NULL);
        explore_start("cancel", cancel_scope, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[CANCELED] == 1 && mark[ADOPTED] == 1 && mark[CODE] == REIN_ECANCELED);
        EXPLORE_CHECK(rein_scope_close(&scope, 0) == 0);
}

/* The owner cancels and closes, two are at the ticket, and its last holder is any of them. */
static void scope_end_two(void)
{
        lend_scope(2);
        explore_go();
        explore_start("foreign", foreign_looks, NULL);
        explore_start("foreign too", foreign_looks_too, NULL);
        mark[CLOSED] = 1 + rein_scope_close(&scope, 0);
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[ADOPTED] && mark[ADOPTED_TOO]);
}

/* A drop of the last reference while the scope is closed. */
static void drop_ticket(void *arg)
{
        rein_ticket_drop(arg);
}

static void drop_close(void)
{
        lend_scope(1);
        explore_go();
        explore_start("drop", drop_ticket, ticket);
        mark[CLOSED] = 1 + rein_scope_close(&scope, 0);
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1);
}

/* Whoever is inside of a group that was lent has returned before its close has. */
static void group_close(void)
{
        begin();
        rein_group_open(&group, NULL);
        ticket = rein_group_lend(&group);
        explore_go();
        explore_start("foreign", foreign_looks, NULL);
        mark[CLOSED] = 1 + rein_group_close(&group, 0);
        EXPLORE_CHECK(mark[INSIDE] == 0);
        in_no_time();
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1);
        EXPLORE_CHECK(mark[ADOPTED] == 1 ? mark[CODE] == 0 : mark[ADOPTED] == 1 - ESTALE);
}

/* The group is lent by another task while it is closed: refused, or over. */
static void lend_group(void *arg)
{
        (void)arg;
        rein_adopted a;
        rein_ticket *t = rein_group_lend(&group);
        mark[LENT] = t != NULL;
        if (t)
                mark[ADOPTED] = 1 + rein_adopt(t, &a);
        if (mark[ADOPTED] == 1)
                mark[CODE] = rein_return(&a, check_point());
        rein_ticket_drop(t);
}

static void group_lend_close(void)
{
        begin();
        rein_group_open(&group, NULL);
        explore_go();
        explore_start("lends", lend_group, NULL);
        mark[CLOSED] = 1 + rein_group_close(&group, 0);
        EXPLORE_CHECK(mark[INSIDE] == 0);
        in_no_time();
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && (mark[LENT] || !mark[ADOPTED]));
}

/* One allocation fails. */
static void memory(void)
{
        begin();
        rein_adopted a;
        explore_go();
        rein_group_open(&group, NULL);
        ticket = rein_group_lend(&group);
        mark[LENT] = ticket != NULL;
        if (ticket)
                mark[ADOPTED] = 1 + rein_adopt(ticket, &a);
        if (mark[ADOPTED] == 1)
                mark[CODE] = rein_return(&a, check_point());
        rein_ticket_drop(ticket);
        mark[CLOSED] = 1 + rein_group_close(&group, 0);
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 || mark[CLOSED] == 1 - ENOMEM);
        EXPLORE_CHECK(!mark[LENT] || mark[ADOPTED] == 1 || mark[ADOPTED] == 1 - ENOMEM);
}

static const entry list[] = {
        {"adopt-scope-end", scope_end, {ALL(), BOUNDED(2, .slabs = true)}},
        {"adopt-scope-cancel", scope_cancel, {ALL()}},
        {"adopt-scope-end-two", scope_end_two, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"adopt-drop-close", drop_close, {ALL(), BOUNDED(2, .slabs = true)}},
        {"adopt-group-close", group_close, {ALL()}},
        {"adopt-group-lend-close", group_lend_close, {ALL()}},
        {"adopt-memory", memory, {BOUNDED(1, OUT_OF_MEMORY)}},
};

const entries adopt_scenarios = ENTRIES(list);
