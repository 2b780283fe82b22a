/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over all that lives in a world; what asks it; and what the library's checks do when something is wrong: the
 * process ends outside of a simulation, and the schedule inside of one. */
#include "core/wrong.h"

#include "core/executor.h"
#include "core/group.h"
#include "core/hook.h"
#include "core/scope.h"
#include "rein/sim.h"
#include "support.h"

#if RN_CHECKING

static char where[96];

static const char *ask(void)
{
        where[0] = 0;
        return rn_world_wrong(rn_world_now(), where, sizeof where);
}

static void never(void *arg)
{
        (void)arg;
}

/* ---- the walk finds what is wrong, whatever it is reached by, and says of what ---- */

/* In a simulation: there the program is alone, and asked as precisely as may be. The schedule ends as soon as the simulator
 * sees what is broken here, so nothing is a step in between. */
static bool found(const char *what, const char *in, const char *said)
{
        if (said && strcmp(said, what) == 0 && strstr(where, in))
                return true;
        fprintf(stderr, "not '%s' of '%s', but '%s' of '%s'\n", what, in, said ? said : "nothing", where);
        return false;
}

#define FINDS(field, value, in, text)                                                                                  \
        do {                                                                                                           \
                const __auto_type was_ = (field);                                                                      \
                well &= ask() == NULL;                                                                                 \
                (field) = (value);                                                                                     \
                well &= found(text, in, ask());                                                                        \
                (field) = was_;                                                                                        \
        } while (0)

static int break_the_world(void *arg)
{
        (void)arg;
        rn_world *w = rn_world_now();
        bool well = ask() == NULL;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .name = "pages"));
        gate g = gate_new();
        rein_future *f = rein_submit(x, job_pass, &g, NULL);
        rein_group group;
        rein_hook region;
        rein_group_open(&group, REIN_GROUP(.until = rein_after(REIN_SEC(100))));
        if (rein_hook_open(&region, never, NULL) < 0)
                return -EIO;
        rn_scope *s = rn_self()->now->scope;
        rn_hook *h = rn_self()->now->hook;
        rein_work *job = rn_work_of(f);
        FINDS(w->clock.sleeps_until, INT64_MAX, "the clock", "the clock sleeps longer than until the first timer");
        FINDS(w->clock.errands.next, NULL, "the hand", "a list ends in nothing");
        FINDS(w->waiting.next, NULL, "the waits", "a list ends in nothing");
        FINDS(w->executors.prev, NULL, "the list of executors", "two neighbours in a list do not point to each other");
        FINDS(x->unsettled, 5, "'pages'", "its unsettled jobs are not as many as it counts");
        FINDS(job->in_stop, true, "'pages'", "its jobs that are in a stop of it are not as many as it counts");
        FINDS(w->tasks.shelf.loose, NULL, "the slab of tasks",
              "a record is lost: those taken and those on the shelf are fewer than there are");
        FINDS(w->scopes.shelf.loose, NULL, "the slab of scopes",
              "a record is lost: those taken and those on the shelf are fewer than there are");
        FINDS(w->groups.shelf.loose, NULL, "the slab of groups",
              "a record is lost: those taken and those on the shelf are fewer than there are");
        FINDS(w->hooks.shelf.loose, NULL, "the slab of regions",
              "a record is lost: those taken and those on the shelf are fewer than there are");
        FINDS(w->works.bundle_count, 1, "the shelf of jobs", "the shelf has not so many bundles as it counts");
        FINDS(h->task, NULL, "a task in hook region", "a region that it is in is another task's");
        FINDS(s->cancel_at.v, 5, "the scope opened at src/core/wrong_test.c",
              "it is cancelled, and nothing that could be the reason says so");
        FINDS(s->group->foreground, 1, "the scope opened at",
              "more of its children are in the foreground than there are");
        FINDS(s->refs.v, s->refs.v + 1, "the scopes",
              "the heads of families have not so many holders as there are scopes in them");
        FINDS(job->root->refs.v, 2, "the scopes",
              "the heads of families have not so many holders as there are scopes in them");
        FINDS(h->timer.tag, 0, "the scope opened at", "the timer of a region is armed for another generation");
        (void)rein_hook_close(&region, 0);
        FINDS(h->timer.node.in, true, "the region opened at", "the timer of a region that was given back is armed");
        well &= ask() == NULL;
        well &= rein_group_close(&group, 0) == 0;
        gate_open(&g);
        (void)rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        gate_free(&g);
        rein_executor_free(x);
        return well && ask() == NULL ? 0 : -EIO;
}

static void test_the_walk_finds_each_record_that_is_wrong(void **state)
{
        (void)state;
#if defined REIN_TSAN
        skip(); /* it writes to what is the clock's, and would be told so */
#endif
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true), break_the_world, NULL), 0);
}

static int leave_out_what_is_locked(void *arg)
{
        (void)arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        x->unsettled++;
        rn_set32(&x->lock.word, 1);
        bool well = ask() == NULL;
        rn_set32(&x->lock.word, 0);
        well &= ask() != NULL;
        x->unsettled--;
        rein_executor_free(x);
        return well ? 0 : -EIO;
}

static void test_a_record_whose_lock_is_held_is_left_out(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true), leave_out_what_is_locked, NULL), 0);
}

/* ---- what other folders add ---- */

static const char *others_world, *others_task;
static unsigned tasks_asked;

static const char *ask_world(const rn_world *w, char *in, size_t n)
{
        (void)w;
        if (others_world)
                snprintf(in, n, "a loop");
        return others_world;
}

static const char *ask_task(const rn_task *t)
{
        tasks_asked += t == rn_self_if();
        return others_task;
}

static rn_asker others = {.world = ask_world, .task = ask_task}, nothing = {.world = NULL};

static void __attribute__((constructor)) ask_others(void)
{
        rn_ask_also(&others);
        rn_ask_also(&nothing);
}

static int break_what_others_have(void *arg)
{
        (void)arg;
        rn_self();
        tasks_asked = 0;
        bool well = ask() == NULL && tasks_asked == 1;
        others_world = "it turns backwards";
        well &= found("it turns backwards", "a loop", ask());
        others_world = NULL;
        others_task = "it stands in no line";
        well &= found("it stands in no line", "a task in", ask());
        others_task = NULL;
        return well ? 0 : -EIO;
}

static void test_others_are_asked_too(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true), break_what_others_have, NULL), 0);
}

/* ---- what happens then ---- */

static const char *says_wrong(void)
{
        return "the sum is wrong";
}

static int assert_program(void)
{
        RN_ASSERT(rn_clock() >= 0, "time is not negative");
        RN_ASSERT(rn_clock() < 0, "time goes backwards");
        return 0;
}

static int sound_program(void)
{
        RN_SOUND(says_wrong());
        return 0;
}

static int boundary_program(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        x->unsettled++;
        (void)rein_executor_unfinished(x);
        return 0;
}

static int break_the_outer_scope(void *arg)
{
        rn_scope *outer = arg;
        outer->inner = outer;
        return 0;
}

/* The close of the inner scope is asked about that one when it begins, and about the outer one when it returns. */
static int return_program(void)
{
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        return rein_within(REIN_NEVER, break_the_outer_scope, rn_self()->now->scope);
}

static const program programs[] = {
        {"assert", assert_program},
        {"sound", sound_program},
        {"boundary", boundary_program},
        {"return", return_program},
};

static void dies_with(const char *name, const char *line)
{
        char said[4096];
        int code = program_run(name, said, sizeof said);
        if (!strstr(said, line))
                fail_msg("%s said: %s", name, said);
        assert_true(code != 0);
#if !defined REIN_ASAN && !defined REIN_TSAN
        assert_int_equal(code, -SIGABRT);
#endif
}

static void test_outside_of_a_simulation_the_process_ends_with_a_line(void **state)
{
        (void)state;
        dies_with("assert", "rein is broken: src/core/wrong_test.c:");
        dies_with("assert", ": this is not true: time goes backwards\n");
        dies_with("sound", ": says_wrong(): the sum is wrong\n");
        dies_with("boundary", "rein is broken: src/core/executor.c:");
        dies_with("boundary", ": executor: its unsettled jobs are not as many as it counts\n");
        dies_with("return", ": task: what its task opened inside of it is none of its children\n");
}

static int assert_inside(void *arg)
{
        RN_ASSERT(arg, "the program has an argument");
        return arg ? 0 : 7;
}

#if !defined REIN_TSAN /* where the simulator alone asks: src/plat/atomic.h */
static int sound_inside(void *arg)
{
        (void)arg;
        RN_SOUND(says_wrong());
        return 7;
}

static int boundary_inside(void *arg)
{
        (void)arg;
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        rn_scope *record = rn_self()->now->scope;
        record->inner = record;
        (void)rein_scope_close(&s, 0);
        return 7;
}
#endif

/* No call of the library's, and no record that a call is given: only the question after the steps finds it. */
static int steps_inside(void *arg)
{
        (void)arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        x->unsettled++;
        for (int i = 0; i < 100; i++)
                rein_sim_point("goes on");
        return 7;
}

static void ends_with(rein_fn fn, const char *text)
{
        rein_sim_report r = {.size = sizeof r};
        assert_int_equal(rein_sim_explore(REIN_SIM(.quiet = true, .schedules = 1, .report = &r), fn, NULL),
                         REIN_EFOUND);
        assert_int_equal(r.ended, REIN_SIM_FAILED);
        if (!strstr(rein_error_text(rein_trail()), text))
                fail_msg("not '%s', but: %s", text, rein_error_text(rein_trail()));
        char trace[4096];
        snprintf(trace, sizeof trace, "%s", r.trace);
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true, .replay = trace), fn, NULL), REIN_EFOUND);
}

static void test_in_a_simulation_the_schedule_ends_and_can_be_replayed(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true), assert_inside, where), 0);
        ends_with(assert_inside, "this is not true: the program has an argument");
#if !defined REIN_TSAN
        ends_with(sound_inside, "says_wrong(): the sum is wrong");
        ends_with(boundary_inside, "what its task opened inside of it is none of its children");
#endif
        ends_with(steps_inside, "'pool#1' does not add up: its unsettled jobs are not as many as it counts");
}

static int broken_for_a_while(void *arg)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        x->unsettled++;
        rein_sim_point("one step is enough");
        x->unsettled--;
        rein_executor_free(x);
        *(int *)arg += 1;
        return 0;
}

/* A search asks now and then, in each schedule at other steps: what is broken for one step is found in some schedule, and
 * the shortened one stops right there. */
static void test_what_is_broken_for_one_step_is_found_by_a_search(void **state)
{
        (void)state;
        int ran = 0;
        rein_sim_report r = {.size = sizeof r};
        assert_int_equal(
                rein_sim_explore(REIN_SIM(.quiet = true, .schedules = 100, .report = &r), broken_for_a_while, &ran),
                REIN_EFOUND);
        assert_in_range(ran, 0, 99);
        assert_int_equal(r.preemptions, 0);
        assert_non_null(strstr(rein_error_text(rein_trail()), "does not add up"));
}

#endif

int main(int argc, char **argv)
{
#if RN_CHECKING
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_walk_finds_each_record_that_is_wrong),
                cmocka_unit_test(test_a_record_whose_lock_is_held_is_left_out),
                cmocka_unit_test(test_others_are_asked_too),
                cmocka_unit_test(test_outside_of_a_simulation_the_process_ends_with_a_line),
                cmocka_unit_test(test_in_a_simulation_the_schedule_ends_and_can_be_replayed),
                cmocka_unit_test(test_what_is_broken_for_one_step_is_found_by_a_search),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
#else
        (void)argc;
        (void)argv;
        return 0;
#endif
}
