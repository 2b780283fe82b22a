/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: the write end, its drop, and the cancel that comes from the read end. */
#include "support.h"

#include "core/promise.h"

static void test_a_promise_dropped_unanswered_is_broken(void **state)
{
        (void)state;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f), *same = rein_promise_ref(p);
        assert_ptr_equal(same, p);
        rein_promise_drop(p);
        assert_int_equal(rein_code(f), REIN_EPENDING); /* one reference is left */
        rein_promise_drop(same);
        assert_int_equal(rein_code(f), REIN_EBROKEN);
        assert_non_null(strstr(rein_error_text(rein_error_of(f)), "promise_test.c")); /* says where it was made */
        rein_drop(f);
}

static void test_a_read_end_dropped_first_leaves_a_value_that_is_released_once(void **state)
{
        (void)state;
        atomic_int released = 0;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_drop(f);
        assert_int_equal(rein_promise_keep(p, &released, release_count), 0);
        assert_int_equal(released, 0);
        rein_promise_drop(p);
        assert_int_equal(released, 1);
}

static void test_nonsense_is_refused_and_settles_nothing(void **state)
{
        (void)state;
        rein_future *f = (rein_future *)&state;
        assert_null(rein_promise_new(NULL));
        assert_int_equal(rein_error_code(rein_trail()), -EINVAL);
        support_fail_at = 1;
        assert_null(rein_promise_new(&f));
        support_fail_at = 0;
        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
        assert_null(f);
        rein_promise *p = rein_promise_new(&f);
        assert_int_equal(rein_promise_break(p, 0, "not a failure"), -EINVAL);
        assert_int_equal(rein_promise_break(p, 3, "not a failure"), -EINVAL);
        assert_int_equal(rein_code(f), REIN_EPENDING);
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(f);
}

/* ---- the cancel of the read end ---- */

static void test_a_cancel_without_a_hook_settles_by_itself(void **state)
{
        (void)state;
        atomic_int released = 0;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        assert_int_equal(rein_cancel(f, "no longer"), REIN_NEVER_STARTED);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        assert_string_equal(rein_error_text(rein_error_of(f)), "no longer");
        assert_int_equal(rein_promise_keep(p, &released, release_count), REIN_EALREADY);
        assert_int_equal(released, 0); /* the loser keeps what it brought */
        rein_promise_drop(p);
        rein_drop(f);
}

typedef struct server {
        rein_promise *promise;
        rein_future *future;
        atomic_int told;
        pthread_t on;
} server;

static void hang_up(void *arg)
{
        server *s = arg;
        s->on = pthread_self();
        atomic_fetch_add(&s->told, 1);
        rein_promise_break(s->promise, -ECONNRESET, "hung up");
}

static void only_note(void *arg)
{
        server *s = arg;
        atomic_fetch_add(&s->told, 1);
}

static void test_a_cancel_tells_the_hook_once_on_the_thread_that_cancels(void **state)
{
        (void)state;
        server s = {0};
        rein_future *f;
        s.promise = rein_promise_new(&f);
        rein_promise_on_cancel(s.promise, hang_up, &s);
        assert_int_equal(rein_cancel(f, NULL), REIN_ASKED);
        assert_int_equal(s.told, 1);
        assert_true(pthread_equal(s.on, pthread_self()));
        assert_int_equal(rein_code(f), -ECONNRESET); /* what the hook broke it with */
        assert_int_equal(rein_cancel(f, NULL), REIN_TOO_LATE);
        assert_int_equal(s.told, 1);
        rein_promise_drop(s.promise);
        rein_drop(f);
}

static void test_a_cancel_that_was_told_leaves_the_answer_to_the_writer(void **state)
{
        (void)state;
        server s = {0};
        rein_future *f;
        s.promise = rein_promise_new(&f);
        rein_promise_on_cancel(s.promise, only_note, &s);
        assert_int_equal(rein_cancel(f, NULL), REIN_ASKED);
        assert_int_equal(rein_cancel(f, NULL), REIN_ASKED); /* twice is once */
        assert_int_equal(s.told, 1);
        assert_int_equal(rein_code(f), REIN_EPENDING);
        assert_int_equal(rein_promise_keep(s.promise, &s, NULL), 0); /* it came all the same */
        assert_int_equal(rein_code(f), 0);
        rein_promise_drop(s.promise);
        rein_drop(f);
}

static void test_a_removed_hook_is_not_told(void **state)
{
        (void)state;
        server s = {0};
        rein_future *f;
        s.promise = rein_promise_new(&f);
        rein_promise_on_cancel(s.promise, only_note, &s);
        rein_promise_on_cancel(s.promise, NULL, NULL);
        assert_int_equal(rein_cancel(f, NULL), REIN_NEVER_STARTED);
        assert_int_equal(s.told, 0);
        rein_promise_drop(s.promise);
        rein_drop(f);
}

static void test_a_hook_set_after_the_cancel_is_told_here_and_now(void **state)
{
        (void)state;
        server s = {0};
        rein_future *f;
        s.promise = rein_promise_new(&f);
        rein_cancel(f, NULL);
        rein_promise_on_cancel(s.promise, only_note, &s);
        rein_promise_drop(s.promise);
        rein_drop(f);
        assert_int_equal(s.told, 1);
}

/* Removing waits until a running hook has returned. */
typedef struct slow_hook {
        rein_promise *promise;
        rein_future *future;
        stubborn inside;
        seat remover;
        atomic_int returned, removed_after, over;
} slow_hook;

static void stay_inside(void *arg)
{
        slow_hook *s = arg;
        stubborn_stay(&s->inside);
        atomic_store(&s->returned, 1);
}

/* The same, once another hook was set from inside, which is told here and now. */
static void set_another_and_stay_inside(void *arg)
{
        slow_hook *s = arg;
        server other = {0};
        rein_promise_on_cancel(s->promise, only_note, &other);
        stay_inside(s);
}

static void *cancel_it(void *arg)
{
        slow_hook *s = arg;
        rein_cancel(s->future, NULL);
        return NULL;
}

static void *remove_it(void *arg)
{
        slow_hook *s = arg;
        sit(&s->remover);
        rein_promise_on_cancel(s->promise, NULL, NULL);
        atomic_store(&s->removed_after, atomic_load(&s->returned));
        atomic_store(&s->over, 1);
        return NULL;
}

static void removing_waits_for(void (*hook)(void *))
{
        slow_hook s = {0};
        stubborn_init(&s.inside);
        s.promise = rein_promise_new(&s.future);
        rein_promise_on_cancel(s.promise, hook, &s);
        pthread_t a = go(cancel_it, &s);
        EVENTUALLY(s.inside.inside == 1);
        pthread_t b = go(remove_it, &s);
        EVENTUALLY(s.over ||
                   (atomic_load(&s.remover.task) && rn_load32(&atomic_load(&s.remover.task)->door.word) != 0));
        assert_int_equal(s.returned, 0);
        stubborn_let_go(&s.inside, 1);
        join(a);
        join(b);
        assert_int_equal(s.removed_after, 1);
        rein_promise_drop(s.promise);
        assert_int_equal(rein_code(s.future), REIN_EBROKEN);
        rein_drop(s.future);
}

static void test_removing_waits_for_a_running_hook(void **state)
{
        (void)state;
        removing_waits_for(stay_inside);
}

static void test_removing_waits_for_a_hook_that_has_set_another_one(void **state)
{
        (void)state;
        removing_waits_for(set_another_and_stay_inside);
}

static void remove_inside(void *arg)
{
        server *s = arg;
        rein_promise_on_cancel(s->promise, NULL, NULL); /* does not wait for itself */
        rein_promise_keep(s->promise, NULL, NULL);
        atomic_fetch_add(&s->told, 1);
}

static void test_a_hook_may_remove_itself(void **state)
{
        (void)state;
        server s = {0};
        rein_future *f;
        s.promise = rein_promise_new(&f);
        rein_promise_on_cancel(s.promise, remove_inside, &s);
        assert_int_equal(rein_cancel(f, NULL), REIN_ASKED);
        assert_int_equal(s.told, 1);
        rein_promise_drop(s.promise);
        rein_drop(f);
}

/* ---- on a thread for which there is no memory to make it a task ---- */

typedef struct poor_remover {
        slow_hook *hook;
        atomic_uint thread;
        atomic_int done;
} poor_remover;

static void *remove_without_memory(void *arg)
{
        poor_remover *r = arg;
        support_poor = true;
        atomic_store(&r->thread, rn_thread_id());
        rein_promise_on_cancel(r->hook->promise, NULL, NULL);
        atomic_store(&r->hook->removed_after, atomic_load(&r->hook->returned));
        atomic_store(&r->done, rn_self_if() ? -1 : 1);
        return NULL;
}

static bool sleeps(uint32_t thread)
{
        int64_t cpu, call = 0;
        uint64_t digest;
        (void)rn_thread_probe(thread, &cpu, &call, &digest); /* where the system does not tell, do not wait for it */
        return call >= 0;
}

static void p6_removing_a_hook_waits_for_it_without_memory(void **state)
{
        (void)state;
        slow_hook s = {0};
        poor_remover r = {.hook = &s};
        stubborn_init(&s.inside);
        s.promise = rein_promise_new(&s.future);
        rein_promise_on_cancel(s.promise, stay_inside, &s);
        pthread_t a = go(cancel_it, &s);
        EVENTUALLY(s.inside.inside == 1);
        pthread_t b = go(remove_without_memory, &r);
        EVENTUALLY(r.done || (r.thread && sleeps(r.thread)));
        stubborn_let_go(&s.inside, 1);
        join(a);
        join(b);
        assert_int_equal(r.done, 1);
        assert_int_equal(s.removed_after, 1);
        rein_promise_drop(s.promise);
        rein_drop(s.future);
}

static void *cancel_without_memory(void *arg)
{
        server *s = arg;
        support_poor = true;
        rein_promise_on_cancel(s->promise, remove_inside, s);
        return rein_cancel(s->future, NULL) == REIN_ASKED && !rn_self_if() ? NULL : s;
}

static void p6_a_hook_is_told_without_memory(void **state)
{
        (void)state;
        server s = {0};
        void *wrong;
        s.promise = rein_promise_new(&s.future);
        join_with(go(cancel_without_memory, &s), &wrong);
        assert_null(wrong);
        assert_int_equal(s.told, 1);
        assert_int_equal(rein_code(s.future), 0);
        rein_promise_drop(s.promise);
        rein_drop(s.future);
}

/* ---- P6: settling, cancelling and dropping need no memory ---- */

static void p6_settle_cancel_and_drop_succeed_without_memory(void **state)
{
        (void)state;
        atomic_int released = 0;
        rein_future *kept, *broken, *canceled, *dropped;
        rein_promise *p[4] = {rein_promise_new(&kept), rein_promise_new(&broken), rein_promise_new(&canceled),
                              rein_promise_new(&dropped)};
        support_poor = true;
        assert_int_equal(rein_promise_keep(p[0], &released, release_count), 0);
        assert_int_equal(rein_promise_break(p[1], -EIO, "a long story of %0300d words", 1), 0);
        assert_int_equal(rein_cancel(canceled, "no memory either"), REIN_NEVER_STARTED);
        rein_promise_drop(p[3]);
        assert_int_equal(rein_code(kept), 0);
        assert_int_equal(rein_code(broken), -EIO);
        assert_int_equal(rein_code(canceled), REIN_ECANCELED);
        assert_int_equal(rein_code(dropped), REIN_EBROKEN);
        assert_string_equal(rein_error_text(rein_error_of(broken)), "there was no memory for the text of this failure");
        assert_non_null(strstr(rein_error_where(rein_error_of(canceled)), "promise_test.c:"));
        assert_int_equal(rein_await(broken, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_error_code(rein_trail()), REIN_EFAILED);
        for (int i = 0; i < 3; i++)
                rein_promise_drop(p[i]);
        rein_drop(kept);
        rein_drop(broken);
        rein_drop(canceled);
        rein_drop(dropped);
        support_poor = false;
        assert_int_equal(released, 1);
        rein_fail(0, "let the trail go");
}

/* ---- what is never settled is told at exit ---- */

static void *make_and_drop(void *arg)
{
        for (int i = 0; i < 2000; i++) {
                rein_future *f;
                rein_promise *p = rein_promise_new(&f);
                if (rein_promise_keep(p, NULL, NULL) != 0)
                        return NULL;
                rein_promise_drop(p);
                rein_drop(f);
        }
        return arg;
}

static void test_threads_make_and_drop_promises_side_by_side(void **state)
{
        (void)state;
        pthread_t t[3];
        for (int i = 0; i < 3; i++)
                t[i] = go(make_and_drop, t);
        for (int i = 0; i < 3; i++) {
                void *fine;
                join_with(t[i], &fine);
                assert_non_null(fine);
        }
}

static rein_future *read_ends[32]; /* so that nothing is lost to a leak checker */
static rein_promise *write_ends[32];
static int made;

static void make_one(const char *place)
{
        write_ends[made] = rein_promise_new_at(place, &read_ends[made]);
        made++;
}

static int exit_with_lost_ones(void)
{
        for (int i = 0; i < 5; i++)
                make_one(i % 2 ? "odd.c:1" : "even.c:2");
        make_one("settled.c:3");
        make_one("freed.c:4");
        rein_promise_keep(write_ends[5], NULL, NULL);
        rein_promise_keep(write_ends[6], NULL, NULL);
        rein_promise_drop(write_ends[6]);
        rein_drop(read_ends[6]);
        harness_leaves(HARNESS_BLOCKS, 6, "five promises that are told at exit, and one whose future nobody drops");
        return 0;
}

static int exit_with_many_places(void)
{
        static char places[20][8];
        for (int i = 0; i < 20; i++) {
                snprintf(places[i], sizeof places[i], "p.c:%d", i);
                make_one(places[i]);
        }
        harness_leaves(HARNESS_BLOCKS, 20, "promises that are told at exit");
        return 0;
}

static void keep_late(void *arg)
{
        rein_promise_keep(arg, NULL, NULL);
}

static int sleep_for_ever(void *arg)
{
        (void)arg;
        return rein_sleep(REIN_NEVER);
}

/* The stop of the pool at exit comes first, whether the first promise is older than the pool or younger. */
static int settle_in_stop(bool older)
{
        if (older)
                make_one("older.c:1");
        rein_executor *x = rein_pool_new(NULL);
        make_one("younger.c:2");
        for (int i = 0; i < made; i++)
                rein_drop(rein_submit(x, sleep_for_ever, write_ends[i], REIN_JOB(.release = keep_late)));
        harness_leaves(HARNESS_EXECUTORS, 1, "a pool that is stopped at exit");
        harness_leaves(HARNESS_BLOCKS, 1 + (size_t)made, "the pool, and futures that nobody drops");
        return 0;
}

static int exit_that_settles_older(void)
{
        return settle_in_stop(true);
}

static int exit_that_settles_younger(void)
{
        return settle_in_stop(false);
}

static int exit_of_a_child(void)
{
        int status = -1;
        make_one("parent.c:1");
        pid_t pid = fork();
        if (pid == 0)
                exit(0);
        waitpid(pid, &status, 0);
        pid = fork();
        if (pid == 0) {
                make_one("child.c:2");
                rein_drop(read_ends[0]); /* the parent's: left alone */
                rein_promise_drop(write_ends[0]);
                exit(0);
        }
        waitpid(pid, &status, 0);
        rein_promise_drop(write_ends[0]);
        harness_leaves(HARNESS_BLOCKS, 2, "a future that nobody drops and its error, which would be told");
        return status;
}

static void pass_over_pending(const rein_error *e, void *arg)
{
        if (rein_error_code(e) != REIN_EPENDING)
                rein_error_print(stderr, e);
        (void)arg;
}

static int exit_that_does_not_care(void)
{
        rein_on_unseen(pass_over_pending, NULL);
        make_one("left.c:1");
        harness_leaves(HARNESS_BLOCKS, 1, "a promise that would be told at exit");
        return 0;
}

static const program programs[] = {
        {"lost", exit_with_lost_ones},          {"many", exit_with_many_places}, {"older", exit_that_settles_older},
        {"younger", exit_that_settles_younger}, {"child", exit_of_a_child},      {"careless", exit_that_does_not_care},
};

static int lines_with(const char *text, const char *what)
{
        int n = 0;
        for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
                n++;
        return n;
}

static void p9_what_is_never_settled_is_told_at_exit_by_its_place(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("lost", said, sizeof said), 0);
        assert_int_equal(lines_with(said, "\n"), 2);
        assert_non_null(strstr(said, "3 promises were neither kept nor broken nor dropped (even.c:2)"));
        assert_non_null(strstr(said, "2 promises were neither kept nor broken nor dropped (odd.c:1)"));
        assert_int_equal(program_run("many", said, sizeof said), 0);
        assert_int_equal(lines_with(said, "\n"), 17);
        assert_int_equal(lines_with(said, "a promise was neither"), 16);
        assert_non_null(strstr(said, "(p.c:15)"));
        assert_non_null(strstr(said, "and 4 promises made at other places"));
        assert_int_equal(program_run("child", said, sizeof said), 0);
        assert_int_equal(lines_with(said, "\n"), 1); /* the child's own, once */
        assert_non_null(strstr(said, "(child.c:2)"));
}

static void p9_nothing_is_told_at_exit_of_what_a_stop_settles_or_the_user_passes_over(void **state)
{
        (void)state;
        char said[4096];
        static const char *const names[] = {"older", "younger", "careless"};
        for (size_t i = 0; i < COUNT(names); i++) {
                assert_int_equal(program_run(names[i], said, sizeof said), 0);
                assert_null(strstr(said, "neither kept"));
        }
}

#if RN_CHECKING
static void test_a_broken_promise_says_so(void **state)
{
        (void)state;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        struct {
                rn_link link;
                rn_task *task;
                uint32_t thread;
        } caller = {.thread = 1};
        BREAKS(p->writers.v, UINT32_MAX, rn_promise_wrong(p),
               "its writers have dropped it more often than they held it");
        BREAKS(p->removers.next, NULL, rn_promise_wrong(p), "a list ends in nothing");
        BREAKS(p->callers.prev, NULL, rn_promise_wrong(p), "two neighbours in a list do not point to each other");
        p->canceled = true;
        rn_list_push(&p->callers, &caller.link);
        BREAKS(p->canceled, false, rn_promise_wrong(p), "its hook is called, and nobody has cancelled it");
        BREAKS(caller.thread, 0, rn_promise_wrong(p), "a thread is in its hook that has no number");
        rn_list_remove(&caller.link);
        p->canceled = false;
        BREAKS(p->future.refs.v, 0, rn_promise_ask(p), "nobody holds it, and it was not freed");
        rein_promise_drop(p);
        assert_int_equal(rein_code(f), REIN_EBROKEN);
        rein_drop(f);
}
#endif

int main(int argc, char **argv)
{
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_promise_dropped_unanswered_is_broken),
                cmocka_unit_test(test_a_read_end_dropped_first_leaves_a_value_that_is_released_once),
                cmocka_unit_test(test_nonsense_is_refused_and_settles_nothing),
                cmocka_unit_test(test_a_cancel_without_a_hook_settles_by_itself),
                cmocka_unit_test(test_a_cancel_tells_the_hook_once_on_the_thread_that_cancels),
                cmocka_unit_test(test_a_cancel_that_was_told_leaves_the_answer_to_the_writer),
                cmocka_unit_test(test_a_removed_hook_is_not_told),
                cmocka_unit_test(test_a_hook_set_after_the_cancel_is_told_here_and_now),
                cmocka_unit_test(test_removing_waits_for_a_running_hook),
                cmocka_unit_test(test_removing_waits_for_a_hook_that_has_set_another_one),
                cmocka_unit_test(test_a_hook_may_remove_itself),
                cmocka_unit_test(p6_removing_a_hook_waits_for_it_without_memory),
                cmocka_unit_test(p6_a_hook_is_told_without_memory),
                cmocka_unit_test(test_threads_make_and_drop_promises_side_by_side),
                cmocka_unit_test(p9_what_is_never_settled_is_told_at_exit_by_its_place),
                cmocka_unit_test(p9_nothing_is_told_at_exit_of_what_a_stop_settles_or_the_user_passes_over),
                cmocka_unit_test(p6_settle_cancel_and_drop_succeed_without_memory),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_promise_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
