/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: who counts a child, and when its error is known. */
#include "planted.h"

static word live, done, ended, failure;

static void child_ends(void)
{
        if (minus(&live, 1) == 0)
                ring(&done);
}

/* ---- children of children ---- */

static void grandchild(void *arg)
{
        (void)arg;
        if (planted_broken)
                plus(&live, 1);
        put(&ended, 1);
        child_ends();
}

static void child(void *arg)
{
        (void)arg;
        if (!planted_broken)
                plus(&live, 1);
        explore_start("grandchild", grandchild, NULL);
        child_ends();
}

static void close_group(void *arg)
{
        (void)arg;
        wait_for(&done);
        EXPLORE_CHECK(get(&ended));
}

/* A child of a child is counted when it begins, not when it is started: the group closes while it still runs. */
static void closes_while_child_runs(void)
{
        live = (word){1};
        done = ended = (word){0};
        explore_start("closer", close_group, NULL);
        explore_start("child", child, NULL);
}

/* ---- errors ---- */

static void failing_child(void *arg)
{
        (void)arg;
        if (!planted_broken)
                put(&failure, 5);
        child_ends();
        if (planted_broken)
                put(&failure, 5);
}

static void close_and_look(void *arg)
{
        (void)arg;
        wait_for(&done);
        planted_saw[0] = get(&failure);
        EXPLORE_CHECK(planted_saw[0] == 5);
}

/* A child leaves the group, then tells it its error: the group has closed without it (problems.md 2.1). */
static void closes_without_error(void)
{
        live = (word){1};
        done = failure = (word){0};
        explore_start("closer", close_and_look, NULL);
        explore_start("child", failing_child, NULL);
}

/* ---- mirrors ---- */

static rn_lock lock;
static word handed_over;
static struct {
        bool settled, in_group;
} mirror;

/* The run, which fails and settles the mirror. */
static void run(void *arg)
{
        (void)arg;
        wait_for(&handed_over);
        rn_lock_take(&lock);
        mirror.settled = true;
        const bool known = mirror.in_group;
        rn_lock_give(&lock);
        if (!known)
                return;
        put(&failure, 5);
        child_ends();
}

static void join_group(void)
{
        rn_lock_take(&lock);
        mirror.in_group = !mirror.settled;
        if (mirror.in_group)
                plus(&live, 1);
        rn_lock_give(&lock);
}

static void submit_shared(void *arg)
{
        (void)arg;
        if (!planted_broken)
                join_group();
        ring(&handed_over);
        if (planted_broken)
                join_group();
        child_ends(); /* the group's own one: no more submits */
}

/* A mirror is handed to its run before its group knows it: it is settled at once, and the group closes without its error
 * (met in rein). */
static void mirror_before_group(void)
{
        live = (word){1};
        done = failure = handed_over = (word){0};
        lock = (rn_lock){0};
        mirror.settled = mirror.in_group = false;
        explore_start("run", run, NULL);
        explore_start("submitter", submit_shared, NULL);
        explore_start("closer", close_and_look, NULL);
}

/* ---- late children ---- */

enum { CLOSED = 1000 };

static void spawn_late(void *arg)
{
        (void)arg;
        uint64_t n = get(&live);
        do
                if (n >= CLOSED)
                        return;
        while (!planted_broken && !word_cas(&live, &n, n + 1, RN_ORDER_SEQ_CST));
        if (planted_broken)
                plus(&live, 1);
        planted_saw[0] = 1;
}

static void close_at_once(void *arg)
{
        (void)arg;
        uint64_t n = get(&live);
        while (!word_cas(&live, &n, n + CLOSED, RN_ORDER_SEQ_CST))
                ;
        planted_saw[1] = n;
}

static int whole_count(void)
{
        return planted_saw[0] == planted_saw[1] ? 0 : -EPROTO;
}

/* A spawn looks whether the group is open, then counts its child: the group closed in between (faults.md 95). */
static void late_child(void)
{
        live = (word){0};
        explore_start("spawner", spawn_late, NULL);
        explore_start("closer", close_at_once, NULL);
}

/* ---- the last look ---- */

static rn_lock family;
static bool shut;
static uint64_t children;

static void spawn_if_open(void *arg)
{
        (void)arg;
        rn_lock_take(&family);
        if (!shut)
                planted_saw[0] = ++children;
        rn_lock_give(&family);
}

static void look_and_shut(void *arg)
{
        (void)arg;
        rn_lock_take(&family);
        const bool none = children == 0;
        if (!planted_broken)
                shut = none;
        rn_lock_give(&family);
        if (planted_broken && none) {
                rn_lock_take(&family);
                shut = true;
                rn_lock_give(&family);
        }
        planted_saw[1] = none;
}

static int nobody_is_left_in_it(void)
{
        return planted_saw[1] && children ? -EPROTO : 0;
}

/* A close sees that nobody is left, and shuts the group a moment later: a child came in between (met in rein: spawn-close). */
static void shuts_too_late(void)
{
        family = (rn_lock){0};
        shut = false;
        children = 0;
        explore_start("spawner", spawn_if_open, NULL);
        explore_start("closer", look_and_shut, NULL);
}

/* ---- threads that adopt ---- */

static word told_to_leave;
static struct {
        bool over, inside;
} lent;

static bool comes_in(void)
{
        rn_lock_take(&lock);
        const bool over = lent.over;
        if (!planted_broken)
                lent.inside = !over;
        rn_lock_give(&lock);
        if (!planted_broken || over)
                return !over;
        rn_lock_take(&lock);
        lent.inside = true;
        rn_lock_give(&lock);
        return true;
}

static void adopt_and_wait(void *arg)
{
        (void)arg;
        planted_saw[0] = comes_in();
        if (planted_saw[0])
                wait_for(&told_to_leave);
}

static void close_what_was_lent(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        lent.over = true;
        const bool inside = lent.inside;
        rn_lock_give(&lock);
        if (inside)
                ring(&told_to_leave);
}

/* Who adopts looks whether the scope it was lent is closed, and comes in a moment later: the close in between finds
 * nobody to cancel (src/core/adopt.h: both are one step under the family's lock). */
static void adopts_too_late(void)
{
        lock = (rn_lock){0};
        told_to_leave = (word){0};
        memset(&lent, 0, sizeof lent);
        explore_start("adopter", adopt_and_wait, NULL);
        explore_start("closer", close_what_was_lent, NULL);
}

/* ---- the end of what was lent ---- */

static struct {
        bool ticket, in_tree, used_again;
} record;

static void drop_the_ticket(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        record.ticket = false;
        if (!planted_broken)
                record.in_tree = false;
        rn_lock_give(&lock);
        if (!planted_broken)
                return;
        rn_lock_take(&lock);
        EXPLORE_CHECK(!record.in_tree || !record.used_again);
        record.in_tree = false;
        rn_lock_give(&lock);
}

static void close_and_give_back(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        if (record.ticket)
                record.in_tree = false;
        rn_lock_give(&lock);
        rn_lock_take(&lock);
        record.used_again = true;
        rn_lock_give(&lock);
}

/* The last drop of a ticket first lets go of it, and takes what was lent out of the tree a moment later. The close in
 * between leaves alone what is no ticket's, and the scope's record, in whose list it still is, is used again
 * (rein_ticket_drop: both are one step). */
static void leaves_the_tree_late(void)
{
        lock = (rn_lock){0};
        memset(&record, 0, sizeof record);
        record.ticket = record.in_tree = true;
        explore_start("dropper", drop_the_ticket, NULL);
        explore_start("closer", close_and_give_back, NULL);
}

const planted planted_groups[] = {
        {"closes-while-child-runs", closes_while_child_runs, NULL, BY_DPOR(20), COMPLETELY, REIN_SIM_FAILED},
        {"closes-without-error", closes_without_error, NULL, BY_PCT(2, 20), COMPLETELY, REIN_SIM_FAILED},
        {"mirror-before-group", mirror_before_group, NULL, BY_BOUND(2, 520), COMPLETELY, REIN_SIM_FAILED},
        {"shuts-too-late", shuts_too_late, nobody_is_left_in_it, BY_DPOR(60), COMPLETELY, REIN_SIM_FAILED},
        {"adopts-too-late", adopts_too_late, NULL, BY_DPOR(140), COMPLETELY, REIN_SIM_DEADLOCK},
        {"leaves-the-tree-late", leaves_the_tree_late, NULL, BY_DPOR(100), COMPLETELY, REIN_SIM_FAILED},
        {"late-child", late_child, whole_count, BY_RANDOM(20), COMPLETELY, REIN_SIM_FAILED},
        {0},
};
