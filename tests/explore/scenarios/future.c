/* SPDX-License-Identifier: Apache-2.0 */
/* Futures and promises: one settle wins, each continuation runs once, each value is released once, nobody sleeps on. */
#include <errno.h>
#include <stdint.h>

#include "core/future.h"
#include "core/world.h"
#include "scenarios/scenarios.h"

static rein_promise *promise;
static rein_future *future, *other;
static rein_promise *other_promise;
static rein_executor *executor;
static rein_next *next;

/* What the marks mean here. */
enum {
        KEPT,
        KEPT_TOO,
        RELEASED,
        RAN,
        ANSWER,
        ANSWER_TOO,
        CODE,
        HOOKED,
        REMOVED,
        WAITED,
        WAITED_TOO,
        BROKE,
        STOPPED,
        UNSEEN
};

static int value = 7, value_too = 8;

static void released(void *v)
{
        EXPLORE_CHECK(v == &value || v == &value_too);
        mark[RELEASED]++;
}

static void make(int writers)
{
        begin();
        promise = rein_promise_new(&future);
        EXPLORE_CHECK(promise != NULL);
        for (int i = 1; i < writers; i++)
                rein_promise_ref(promise);
}

static void keep(void *arg)
{
        (void)arg;
        mark[KEPT] = rein_promise_keep(promise, &value, released);
        rein_promise_drop(promise);
}

static void keep_too(void *arg)
{
        (void)arg;
        mark[KEPT_TOO] = rein_promise_keep(promise, &value_too, released);
        rein_promise_drop(promise);
}

static void break_it(void *arg)
{
        (void)arg;
        mark[BROKE] = rein_promise_break(promise, -EIO, "broken");
        rein_promise_drop(promise);
}

static void drop_writer(void *arg)
{
        (void)arg;
        rein_promise_drop(promise);
}

static void drop_reader(void *arg)
{
        (void)arg;
        rein_drop(future);
}

static void finish(int value_released)
{
        rein_drop(future);
        EXPLORE_CHECK(mark[RELEASED] == value_released);
}

static void settle_settle(void)
{
        make(2);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("keep too", keep_too, NULL);
        explore_calm();
        EXPLORE_CHECK((mark[KEPT] == 0) != (mark[KEPT_TOO] == 0));
        EXPLORE_CHECK(mark[KEPT] + mark[KEPT_TOO] == REIN_EALREADY);
        EXPLORE_CHECK(rein_value(future, NULL) == (mark[KEPT] == 0 ? &value : &value_too));
        finish(1);
}

static void settle_break_drop(void)
{
        make(3);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("break", break_it, NULL);
        explore_start("drop", drop_writer, NULL);
        explore_calm();
        EXPLORE_CHECK((mark[KEPT] == 0) != (mark[BROKE] == 0));
        EXPLORE_CHECK(rein_code(future) == (mark[KEPT] == 0 ? 0 : -EIO));
        finish(mark[KEPT] == 0);
}

static void settle_last_drop(void)
{
        make(1);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("drop", drop_reader, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[KEPT] == 0 && mark[RELEASED] == 1);
}

/* A failure that nobody has looked at is told of once, whoever is the last. */
static void told_of(const rein_error *e, void *arg)
{
        (void)e;
        ++*(int *)arg;
}

static void break_drop(void)
{
        make(1);
        rein_on_unseen(told_of, &mark[UNSEEN]);
        explore_go();
        explore_start("break", break_it, NULL);
        explore_start("drop", drop_reader, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[BROKE] == 0 && mark[UNSEEN] == 1);
}

/* Nobody answers, and nobody looks: the last one to leave takes everything along. */
static void writer_drop_reader_drop(void)
{
        make(1);
        rein_executor *x = inline_executor();
        explore_go();
        explore_start("drop writer", drop_writer, NULL);
        mark[CODE] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[CODE] == REIN_EFAILED);
        rein_drop(future);
        explore_calm();
        rein_executor_free(x);
}

/* ---- continuations ---- */

static int continued(rein_future *f, void *arg)
{
        EXPLORE_CHECK(rein_code(f) != REIN_EPENDING);
        ++*(int *)arg;
        return 0;
}

static void add_next(void *arg)
{
        next = rein_then(future, executor, continued, arg);
}

static void settle_then(void)
{
        make(1);
        executor = inline_executor();
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("then", add_next, &mark[RAN]);
        explore_calm();
        EXPLORE_CHECK(next && mark[RAN] == 1);
        finish(1);
        rein_executor_free(executor);
}

static void settle_then_then(void)
{
        make(1);
        executor = inline_executor();
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("then", add_next, &mark[RAN]);
        explore_start("then too", add_next, &mark[ANSWER]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[ANSWER] == 1);
        finish(1);
        rein_executor_free(executor);
}

/* One allocation fails somewhere: the continuation is there and runs, or it was refused. */
static void settle_then_memory(void)
{
        make(1);
        executor = inline_executor();
        next = NULL;
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("then", add_next, &mark[RAN]);
        explore_calm();
        EXPLORE_CHECK(mark[KEPT] == 0 && mark[RAN] == (next != NULL));
        finish(1);
        rein_executor_free(executor);
}

/* A continuation of what has settled runs at once, and lets the last of its future go. */
static int drops_its_future(rein_future *f, void *arg)
{
        rein_drop(f);
        ++*(int *)arg;
        return 0;
}

static void settled_then_drop(void)
{
        make(1);
        executor = inline_executor();
        keep(NULL);
        explore_go();
        EXPLORE_CHECK(rein_then(future, executor, drops_its_future, &mark[RAN]) != NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RELEASED] == 1);
        rein_executor_free(executor);
}

static void remove_next(void *arg)
{
        (void)arg;
        mark[REMOVED] = rein_next_remove(next);
}

static void settle_remove(void)
{
        make(1);
        executor = inline_executor();
        next = rein_then(future, executor, continued, &mark[RAN]);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("remove", remove_next, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[REMOVED] == (mark[RAN] ? REIN_EALREADY : 0));
        finish(1);
        rein_executor_free(executor);
}

/* A continuation that is posted while its executor stops runs all the same: there, or on the hand. */
static void stop_executor(void *arg)
{
        (void)arg;
        mark[ANSWER] = rein_executor_stop(executor, REIN_STOP_NOW, REIN_NEVER, NULL);
        mark[STOPPED] = 1;
}

static int continued_somewhere(rein_future *f, void *arg)
{
        EXPLORE_CHECK(!mark[STOPPED] || rn_self() == rn_world_now()->clock.hand_task);
        return continued(f, arg);
}

static void settle_then_stop(void)
{
        make(1);
        executor = warm_pool(1, REIN_POOL(.threads = 1));
        next = rein_then(future, executor, continued_somewhere, &mark[RAN]);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("stop", stop_executor, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[ANSWER] == 0);
        finish(1);
        rein_executor_free(executor);
}

/* ---- waiting ---- */

static void wait_for_ever(void *arg)
{
        void *v = NULL;
        *(int *)arg = rein_await(future, &v, REIN_NEVER);
        EXPLORE_CHECK(*(int *)arg == 0 && v == &value);
}

static void settle_wait(void)
{
        make(1);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("wait", wait_for_ever, &mark[WAITED]);
        explore_calm();
        finish(1);
}

static void settle_wait_wait(void)
{
        make(1);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("wait", wait_for_ever, &mark[WAITED]);
        explore_start("wait too", wait_for_ever, &mark[WAITED_TOO]);
        explore_calm();
        finish(1);
}

static void wait_a_while(void *arg)
{
        (void)arg;
        mark[WAITED] = rein_await(future, NULL, rein_after(REIN_MS(1)));
        EXPLORE_CHECK(mark[WAITED] == 0 || mark[WAITED] == REIN_ETIMEOUT);
        EXPLORE_CHECK(rn_list_empty(&future->watchers)); /* it stood there alone, and has left */
        rein_drop(future);
}

static void settle_timed_wait(void)
{
        make(1);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("wait", wait_a_while, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[KEPT] == 0 && mark[RELEASED] == 1);
}

/* Here the time of both is the same, so that they meet without a racy clock. */
static void keep_in_time(void *arg)
{
        rein_sim_block(*(rein_time *)arg);
        keep(NULL);
}

static void wait_until(void *arg)
{
        mark[WAITED] = rein_await(future, NULL, *(rein_time *)arg);
        rein_drop(future);
}

static void settle_at_the_deadline(void)
{
        make(1);
        static rein_time at;
        at = rein_after(REIN_MS(1));
        explore_go();
        explore_start("keep", keep_in_time, &at);
        explore_start("wait", wait_until, &at);
        rein_sim_block(rein_after(REIN_MS(2)));
        explore_calm();
        EXPLORE_CHECK(mark[RELEASED] == 1);
}

static void keep_other(void *arg)
{
        (void)arg;
        rein_promise_keep(other_promise, NULL, NULL);
        rein_promise_drop(other_promise);
}

static void wait_for_any(void *arg)
{
        (void)arg;
        rein_future *both[] = {future, other};
        mark[WAITED] = rein_wait_any(both, 2, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0 || mark[WAITED] == 1);
        EXPLORE_CHECK(rein_code(both[mark[WAITED]]) == 0);
}

static void wait_any(void)
{
        make(1);
        other_promise = rein_promise_new(&other);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("keep other", keep_other, NULL);
        explore_start("wait", wait_for_any, NULL);
        explore_calm();
        rein_drop(other);
        finish(1);
}

static void as_they_come(void *arg)
{
        (void)arg;
        rein_future *both[] = {future, other};
        rein_done it;
        rein_done_open(&it, both, 2);
        int a = rein_done_next(&it, REIN_NEVER), b = rein_done_next(&it, REIN_NEVER);
        mark[WAITED] = a;
        EXPLORE_CHECK(a + b == 1 && (a == 0 || a == 1));
        EXPLORE_CHECK(rein_done_next(&it, REIN_NEVER) == -ENOENT);
        rein_done_close(&it);
}

static void as_completed(void)
{
        make(1);
        other_promise = rein_promise_new(&other);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("keep other", keep_other, NULL);
        explore_start("next", as_they_come, NULL);
        explore_calm();
        rein_drop(other);
        finish(1);
}

/* Only one of them comes. */
static void wait_any_one(void)
{
        make(1);
        other_promise = rein_promise_new(&other);
        explore_go();
        explore_start("keep other", keep_other, NULL);
        explore_start("wait", wait_for_any, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[WAITED] == 1);
        keep(NULL);
        rein_drop(other);
        finish(1);
}

/* It is kept, and the waiter is cancelled afterwards: what was there first wins, whatever woke the waiter in between. */
static rein_scope scope;
static rn_task *waiting;

static void ring(void *arg)
{
        (void)arg;
        rn_unpark(waiting);
}

static void keep_then_cancel(void *arg)
{
        keep(arg);
        rein_scope_cancel(&scope, "no more");
}

static void wait_in_scope(void *arg)
{
        void *v = NULL;
        (void)arg;
        waiting = rn_self();
        rein_scope_open(&scope, REIN_NEVER);
        EXPLORE_CHECK(rein_await(future, &v, REIN_NEVER) == 0 && v == &value);
        mark[WAITED]++;
        EXPLORE_CHECK(rein_scope_close(&scope, 0) == 0);
}

static void next_in_scope(void *arg)
{
        rein_done it;
        (void)arg;
        waiting = rn_self();
        rein_done_open(&it, &future, 1);
        rein_scope_open(&scope, REIN_NEVER);
        EXPLORE_CHECK(rein_done_next(&it, REIN_NEVER) == 0);
        mark[WAITED]++;
        EXPLORE_CHECK(rein_scope_close(&scope, 0) == 0);
        rein_done_close(&it);
}

static void then_cancel(void (*wait)(void *))
{
        make(1);
        explore_start("wait", wait, NULL);
        explore_calm(); /* it waits */
        explore_go();
        explore_start("keep, cancel", keep_then_cancel, NULL);
        explore_start("ring", ring, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[WAITED] == 1);
        finish(1);
}

static void settle_then_cancel(void)
{
        then_cancel(wait_in_scope);
}

static void settle_then_cancel_next(void)
{
        then_cancel(next_in_scope);
}

/* ---- taking ---- */

static void take_it(void *arg)
{
        (void)arg;
        void *v = NULL;
        void (*release)(void *) = NULL;
        mark[ANSWER] = rein_take(future, &v, &release);
        if (mark[ANSWER] == 0)
                release(v);
        else
                EXPLORE_CHECK(mark[ANSWER] == -EBUSY || mark[ANSWER] == REIN_EPENDING);
        rein_drop(future);
}

static void take_drop(void)
{
        make(1);
        rein_ref(future);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("take", take_it, NULL);
        explore_start("drop", drop_reader, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RELEASED] == 1);
}

/* ---- cancelling ---- */

static void cancel(void *arg)
{
        *(int *)arg = 1 + (int)rein_cancel(future, "no more");
}

static void cancel_settle(void)
{
        make(1);
        explore_go();
        explore_start("keep", keep, NULL);
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_calm();
        EXPLORE_CHECK(mark[ANSWER] == 1 + (mark[KEPT] == 0 ? (int)REIN_TOO_LATE : (int)REIN_NEVER_STARTED));
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == (mark[KEPT] == 0 ? 0 : REIN_ECANCELED));
        finish(mark[KEPT] == 0);
}

static void cancel_cancel(void)
{
        make(1);
        explore_go();
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_start("cancel too", cancel, &mark[ANSWER_TOO]);
        explore_calm();
        EXPLORE_CHECK(rein_code(future) == REIN_ECANCELED);
        EXPLORE_CHECK(mark[ANSWER] == 1 + (int)REIN_NEVER_STARTED || mark[ANSWER_TOO] == 1 + (int)REIN_NEVER_STARTED);
        rein_promise_drop(promise);
        finish(0);
}

static void hook(void *arg)
{
        (void)arg;
        mark[HOOKED]++;
        EXPLORE_CHECK(!mark[REMOVED]);
        rein_promise_break(promise, REIN_ECANCELED, "asked to");
        EXPLORE_CHECK(!mark[REMOVED]);
}

static void install(void *arg)
{
        (void)arg;
        rein_promise_on_cancel(promise, hook, NULL);
        rein_promise_on_cancel(promise, NULL, NULL);
        mark[REMOVED] = 1; /* from here on the hook does not run, and will not */
        keep(NULL);
}

static void cancel_hook_remove(void)
{
        make(1);
        explore_go();
        explore_start("install", install, NULL);
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_calm();
        EXPLORE_CHECK(mark[HOOKED] <= 1);
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == REIN_ECANCELED);
        finish(mark[CODE] == 0);
}

/* The function that is told of a failure that nobody looked at may call the library. */
static void calls_back(const rein_error *e, void *arg)
{
        (void)e;
        ++*(int *)arg;
        rein_on_unseen(NULL, NULL);
}

static void unseen_calls_back(void)
{
        make(2);
        rein_on_unseen(calls_back, &mark[CODE]);
        explore_go();
        explore_start("break", break_it, NULL);
        rein_drop(future);
        explore_calm();
        rein_promise_drop(promise);
        EXPLORE_CHECK(mark[BROKE] == 0 && mark[CODE] == 1);
}

/* Two cancel at once: the hook is told once, and the answer stays its writer's. */
static void hook_does_nothing(void *arg)
{
        (void)arg;
        mark[HOOKED]++;
}

static void cancel_cancel_hook(void)
{
        make(1);
        rein_promise_on_cancel(promise, hook_does_nothing, NULL);
        explore_go();
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_start("cancel too", cancel, &mark[ANSWER_TOO]);
        explore_calm();
        EXPLORE_CHECK(mark[HOOKED] == 1);
        EXPLORE_CHECK(mark[ANSWER] == 1 + (int)REIN_ASKED && mark[ANSWER_TOO] == 1 + (int)REIN_ASKED);
        keep(NULL);
        EXPLORE_CHECK(mark[KEPT] == 0);
        finish(1);
}

/* Two remove it while it runs: both wait for its end, and both go on. */
static void hook_with_a_point(void *arg)
{
        mark[HOOKED]++;
        others_may_come();
        EXPLORE_CHECK(!mark[REMOVED]);
        (void)arg;
}

static void remove_hook(void *arg)
{
        (void)arg;
        rein_promise_on_cancel(promise, NULL, NULL);
        mark[REMOVED]++;
}

/* A hook sets another one, which is called at once: whoever removes it waits for both. */
static rn_a32 removed; /* a word: what the hooks see of it is a step, for the reduction as well */

static void inner_hook(void *arg)
{
        (void)arg;
        mark[HOOKED]++;
        EXPLORE_CHECK(!rn_load32(&removed));
}

static void outer_hook(void *arg)
{
        rein_promise_on_cancel(promise, inner_hook, arg);
        EXPLORE_CHECK(!rn_load32(&removed));
}

static void remove_for_good(void *arg)
{
        (void)arg;
        rein_promise_on_cancel(promise, NULL, NULL);
        rn_store32(&removed, 1);
}

static void cancel_hook_hook(void)
{
        make(1);
        rn_set32(&removed, 0);
        rein_promise_on_cancel(promise, outer_hook, NULL);
        explore_go();
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_start("remove", remove_for_good, NULL);
        explore_calm();
        EXPLORE_CHECK(rn_get32(&removed) && mark[HOOKED] <= 1);
        keep(NULL);
        rein_drop(future);
}

static void cancel_hook_remove_remove(void)
{
        make(1);
        rein_promise_on_cancel(promise, hook_with_a_point, NULL);
        explore_go();
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_start("remove", remove_hook, NULL);
        explore_start("remove too", remove_hook, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[REMOVED] == 2 && mark[HOOKED] <= 1);
        mark[KEPT] = rein_promise_keep(promise, NULL, NULL);
        rein_promise_drop(promise);
        finish(0);
}

static const entry list[] = {
        {"settle-settle", settle_settle, {ALL(), BOUNDED(2, .weak = true, .word_locks = true)}},
        {"settle-break-drop", settle_break_drop, {ALL()}},
        {"settle-last-drop", settle_last_drop, {ALL(), BOUNDED(2, .weak = true, .word_locks = true)}},
        {"break-drop", break_drop, {ALL()}},
        {"drop-await-drop", writer_drop_reader_drop, {ALL()}},
        {"settle-then", settle_then, {ALL(), BOUNDED(1, .weak = true, .word_locks = true)}},
        {"settle-then-then", settle_then_then, {ALL()}},
        {"settle-then-memory", settle_then_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
        {"settled-then-drop", settled_then_drop, {ALL()}},
        {"settle-remove", settle_remove, {ALL()}},
        {"settle-then-stop", settle_then_stop, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"settle-wait", settle_wait, {ALL(), BOUNDED(2, .weak = true, .word_locks = true)}},
        {"settle-wait-wait", settle_wait_wait, {ALL()}},
        {"settle-timed-wait", settle_timed_wait, {ALL(), BOUNDED(2, EARLY(2))}},
        {"settle-at-the-deadline", settle_at_the_deadline, {ALL()}},
        {"wait-any", wait_any, {ALL()}},
        {"wait-any-one", wait_any_one, {ALL()}},
        {"as-completed", as_completed, {ALL()}},
        {"settle-then-cancel", settle_then_cancel, {ALL()}},
        {"settle-then-cancel-next", settle_then_cancel_next, {ALL()}},
        {"take-drop", take_drop, {ALL()}},
        {"cancel-settle", cancel_settle, {ALL()}},
        {"cancel-cancel", cancel_cancel, {ALL()}},
        {"unseen-calls-back", unseen_calls_back, {ALL()}},
        {"cancel-cancel-hook", cancel_cancel_hook, {ALL()}},
        {"cancel-hook-remove", cancel_hook_remove, {ALL(), RANDOM(4000, .faults = REIN_SIM_SPURIOUS)}},
        {"cancel-hook-hook", cancel_hook_hook, {ALL()}},
        {"cancel-hook-remove-remove", cancel_hook_remove_remove, {BOUNDED(2)}},
};

const entries future_scenarios = ENTRIES(list);
