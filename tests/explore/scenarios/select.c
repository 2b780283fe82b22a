/* SPDX-License-Identifier: Apache-2.0 */
/* Select where sync.c does not look: something comes while ann steps into the lines; a descriptor and a channel, a future
 * and a channel, several descriptors, several times; and that nothing of it is left afterwards. */
#include <errno.h>
#include <poll.h>

#include "core/world.h"
#include "loop/loop.h"
#include "scenarios/scenarios.h"

enum { WAITING = 70 };

typedef struct person {
        rein_scope scope;
        int rc, item;
} person;

static rein_chan *chan, *second;
static rein_promise *promise;
static rein_future *kept;
static person ann;
static int (*selects)(person *p);

static void open_scene(int (*how)(person *p))
{
        begin();
        selects = how;
        ann = (person){.rc = WAITING};
        chan = rein_chan_new(sizeof(int), 0, NULL);
        second = rein_chan_new(sizeof(int), 0, NULL);
        promise = rein_promise_new(&kept);
}

static void close_scene(void)
{
        mark[0] = ann.rc;
        mark[1] = ann.item;
        rein_chan_free(chan);
        rein_chan_free(second);
        (void)rein_promise_keep(promise, NULL, NULL);
        rein_promise_drop(promise);
        rein_drop(kept);
}

static void ann_main(void *arg)
{
        (void)arg;
        rein_scope_open(&ann.scope, REIN_NEVER);
        const int rc = selects(&ann);
        (void)rein_scope_close(&ann.scope, 0);
        ann.rc = rc;
}

static void cancel_ann(void *arg)
{
        (void)arg;
        rein_scope_cancel(&ann.scope, "whenever it comes");
}

/* ---- something comes while she steps in ---- */

static void step_in(int (*how)(person *p))
{
        open_scene(how);
        explore_go();
        explore_start("ann", ann_main, NULL);
}

static int select_one(person *p)
{
        int out = 6;
        rein_case cases[] = {REIN_ON_RECV(chan, &p->item), REIN_ON_SEND(second, &out)};
        return rein_select(cases, 2, REIN_NEVER);
}

static void select_enter(void)
{
        step_in(select_one);
        EXPLORE_CHECK(rein_chan_send(chan, &(int){5}, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0 && ann.item == 5);
        close_scene();
}

static int fds[2][2];

static void open_pipes(void)
{
        EXPLORE_CHECK(rein_sim_pipe(fds[0], 4) == 0 && rein_sim_pipe(fds[1], 4) == 0);
}

static void close_pipes(bool first)
{
        for (int i = 0; i < 2; i++) {
                if (i == 0 || first)
                        EXPLORE_CHECK(rein_close(fds[i][0]) == 0);
                EXPLORE_CHECK(rein_close(fds[i][1]) == 0);
        }
}

static int select_with_fd(person *p)
{
        rein_case cases[] = {REIN_ON_FD(fds[0][0], POLLIN), REIN_ON_RECV(chan, &p->item)};
        return rein_select(cases, 2, REIN_NEVER);
}

static void select_fd_enter(void)
{
        open_scene(select_with_fd);
        open_pipes();
        explore_go();
        explore_start("ann", ann_main, NULL);
        EXPLORE_CHECK(rein_chan_send(chan, &(int){5}, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 1 && ann.item == 5);
        close_pipes(true);
        close_scene();
}

/* ---- two things at once ---- */

static int select_settled_or_recv(person *p)
{
        rein_case cases[] = {REIN_ON_SETTLED(kept), REIN_ON_RECV(chan, &p->item)};
        return rein_select(cases, 2, REIN_NEVER);
}

static void settle(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rein_promise_keep(promise, NULL, NULL) == 0);
}

/* What was sent has arrived, also when the future settles at the same moment. */
static void select_settle(void)
{
        open_scene(select_settled_or_recv);
        explore_start("ann", ann_main, NULL);
        explore_go();
        explore_start("settle", settle, NULL);
        const int sent = rein_chan_send(chan, &(int){5}, REIN_NOWAIT);
        explore_calm();
        EXPLORE_CHECK(sent == 0 ? ann.rc == 1 && ann.item == 5 : ann.rc == 0 && ann.item == 0);
        close_scene();
}

static int result_of_close;

static int select_two_fds(person *p)
{
        (void)p;
        rein_case cases[] = {REIN_ON_FD(fds[0][0], POLLIN), REIN_ON_FD(fds[1][0], POLLIN)};
        int rc = rein_select(cases, 2, REIN_NEVER);
        result_of_close = cases[1].result;
        return rc;
}

/* One of several descriptors is closed while they are waited for, and its number is another's at once. */
static void select_close(void)
{
        open_scene(select_two_fds);
        open_pipes();
        explore_start("ann", ann_main, NULL);
        explore_go();
        int next[2];
        EXPLORE_CHECK(rein_close(fds[1][0]) == 0);
        EXPLORE_CHECK(rein_sim_pipe(next, 4) == 0 && next[0] == fds[1][0]);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 1 && result_of_close == -EBADF);
        close_pipes(true);
        EXPLORE_CHECK(rein_close(next[1]) == 0);
        close_scene();
}

/* ---- several descriptors in coroutines ---- */

typedef struct chooser {
        rein_case cases[2];
        int which;
} chooser;

static int chooses(void *arg)
{
        chooser *c = arg;
        c->which = rein_select(c->cases, 2, REIN_NEVER);
        return 0;
}

static void close_second(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rein_close(fds[1][0]) == 0);
}

static void write_first(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rein_write(fds[0][1], "x", 1, REIN_NEVER) == 1);
}

/* Two coroutines of one loop wait for the same two descriptors; something comes for one, and the other is closed. */
static void select_loop_close(void)
{
        begin();
        open_pipes();
        rein_executor *x = rein_loop_new(NULL);
        EXPLORE_CHECK(x != NULL);
        chooser c[2] = {{{REIN_ON_FD(fds[0][0], POLLIN), REIN_ON_FD(fds[1][0], POLLIN)}, WAITING},
                        {{REIN_ON_FD(fds[1][0], POLLIN), REIN_ON_FD(fds[0][0], POLLIN)}, WAITING}};
        rein_future *f[2];
        for (int i = 0; i < 2; i++)
                f[i] = rein_submit(x, chooses, &c[i], NULL);
        explore_go();
        explore_start("close", close_second, NULL);
        explore_start("write", write_first, NULL);
        explore_calm();
        for (int i = 0; i < 2; i++) {
                const bool first = c[i].which == i; /* it was told of what came for the first pipe */
                EXPLORE_CHECK(c[i].which == 0 || c[i].which == 1);
                EXPLORE_CHECK(c[i].cases[c[i].which].result == (first ? POLLIN : -EBADF));
                mark[i] = first;
                rein_drop(f[i]);
        }
        EXPLORE_CHECK(rn_loop_of(x)->waiting == 0);
        rein_executor_free(x);
        close_pipes(false);
}

static int select_no_fd(person *p)
{
        (void)p;
        rein_case cases[] = {REIN_ON_FD(fds[0][0], POLLIN), REIN_ON_FD(-1, POLLIN)};
        return rein_select(cases, 2, REIN_NEVER);
}

/* A descriptor that is none ends the call, which is in none of the lists of those that use the other one afterwards. */
static void select_bad_fd(void)
{
        open_scene(select_no_fd);
        open_pipes();
        explore_go();
        explore_start("ann", ann_main, NULL);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 1);
        EXPLORE_CHECK(rn_list_empty(&rn_world_now()->fd_calls[(unsigned)fds[0][0] % RN_FD_BUCKETS]));
        close_pipes(true);
        close_scene();
}

/* Of several times the first one ends the wait, and not as one that is out of time. */
static int select_times(person *p)
{
        (void)p;
        rein_case cases[] = {REIN_ON_TIME(rein_after(REIN_MS(50))), REIN_ON_TIME(rein_after(REIN_MS(5))),
                             REIN_ON_SETTLED(kept), REIN_ON_TIME(REIN_NEVER)};
        return rein_select(cases, 4, rein_after(REIN_MS(100)));
}

static void select_first_time(void)
{
        step_in(select_times);
        rein_sim_block(rein_after(REIN_MS(20)));
        explore_calm();
        EXPLORE_CHECK(ann.rc == 1);
        close_scene();
}

/* More cases than there is room for on the stack: all of it is given back, also when nothing came. */
static int select_many(person *p)
{
        rein_case cases[12] = {REIN_ON_RECV(chan, &p->item), REIN_ON_SETTLED(kept)};
        return rein_select(cases, 12, REIN_NEVER);
}

static void select_many_cancel(void)
{
        open_scene(select_many);
        explore_start("ann", ann_main, NULL);
        explore_go();
        explore_start("cancel", cancel_ann, NULL);
        const int sent = rein_chan_send(chan, &(int){5}, REIN_NOWAIT);
        explore_calm();
        EXPLORE_CHECK(sent == 0 ? ann.rc == 0 && ann.item == 5 : ann.rc == REIN_ECANCELED && ann.item == 0);
        close_scene();
}
static const entry list[] = {
        {"select-enter", select_enter, {ALL()}},
        {"select-fd-enter", select_fd_enter, {ALL()}},
        {"select-settle", select_settle, {ALL()}},
        {"select-close", select_close, {ALL()}},
        {"select-loop-close", select_loop_close, {ALL()}},
        {"select-bad-fd", select_bad_fd, {ALL()}},
        {"select-times", select_first_time, {ALL(), NOT_EARLY("the scenario's own time would be over first")}},
        {"select-many-cancel", select_many_cancel, {ALL()}},
};

const entries select_scenarios = ENTRIES(list);
