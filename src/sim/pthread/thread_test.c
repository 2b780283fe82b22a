/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, what they have for themselves, and rein's own beside them. */
#include "simulate.h"

#include <signal.h>

/* ---- their life ---- */

static void *answer(void *arg)
{
        return arg;
}

static void *leave_deep(void *arg)
{
        if (arg)
                pthread_exit(arg);
        return NULL;
}

static void note(void *arg)
{
        int *n = arg;
        *n = *n * 10 + 1;
}

static void note_two(void *arg)
{
        int *n = arg;
        *n = *n * 10 + 2;
}

static void *clean_up(void *arg)
{
        pthread_cleanup_push(note, arg);
        pthread_cleanup_push(note_two, arg);
        pthread_cleanup_push(note_two, arg);
        pthread_cleanup_pop(0);
        rein_sim_point("in the middle");
        pthread_exit(arg);
        pthread_cleanup_pop(0);
        pthread_cleanup_pop(0);
        return NULL;
}

static int lives(void *arg)
{
        pthread_t a, b, c;
        void *result;
        int noted[2] = {0, 0};
        (void)arg;
        a = start_thread(answer, &noted[0]);
        b = start_thread(leave_deep, &noted[1]);
        CHECK(pthread_join(a, &result) == 0 && result == &noted[0]);
        CHECK(pthread_join(b, &result) == 0 && result == &noted[1]);
        b = start_thread(clean_up, &noted[0]);
        c = start_thread(clean_up, &noted[1]);
        CHECK(pthread_join(b, &result) == 0 && result == &noted[0]);
        CHECK(pthread_join(c, NULL) == 0);
        CHECK(noted[0] == 21 && noted[1] == 21);
        CHECK(pthread_join(pthread_self(), NULL) == EDEADLK);
        return 0;
}

static void threads_begin_answer_and_leave(void **state)
{
        (void)state;
        program_passes(lives);
}

static pthread_t seen;

static void *who(void *arg)
{
        char name[16];
        CHECK(pthread_equal(pthread_self(), pthread_self()));
        CHECK(!pthread_equal(pthread_self(), *(pthread_t *)arg));
        CHECK(pthread_setname_np(pthread_self(), "the second") == 0);
        CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
        CHECK(strcmp(name, "the second") == 0);
        CHECK(pthread_setname_np(pthread_self(), "a name that is too long") == ERANGE);
        seen = pthread_self();
        return NULL;
}

static int identities(void *arg)
{
        pthread_t me = pthread_self(), other = start_thread(who, &me);
        (void)arg;
        join_thread(other);
        CHECK(pthread_equal(seen, other));
        return 0;
}

static void every_thread_knows_itself(void **state)
{
        (void)state;
        program_passes(identities);
}

static void *wait_for_flag(void *arg)
{
        pthread_mutex_lock(arg);
        pthread_mutex_unlock(arg);
        return NULL;
}

static int joins(void *arg)
{
        static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
        struct timespec soon, mono;
        (void)arg;
        pthread_mutex_lock(&gate);
        pthread_t t = start_thread(wait_for_flag, &gate);
        soon = from_now(CLOCK_REALTIME, 10);
        mono = from_now(CLOCK_MONOTONIC, 10);
        CHECK(pthread_tryjoin_np(t, NULL) == EBUSY);
        CHECK(pthread_timedjoin_np(t, NULL, &soon) == ETIMEDOUT);
        CHECK(pthread_clockjoin_np(t, NULL, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
        pthread_mutex_unlock(&gate);
        join_thread(t);
        return 0;
}

static int joins_wrongly(void *arg)
{
        pthread_attr_t attr;
        pthread_t t = start_thread(answer, NULL);
        (void)arg;
        join_thread(t);
        CHECK(pthread_join(t, NULL) == ESRCH);
        CHECK(pthread_detach(t) == ESRCH);
        t = start_thread(answer, NULL);
        CHECK(pthread_detach(t) == 0);
        CHECK(pthread_join(t, NULL) == EINVAL);
        CHECK(pthread_attr_init(&attr) == 0);
        CHECK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0);
        CHECK(pthread_create(&t, &attr, answer, NULL) == 0);
        CHECK(pthread_detach(t) == EINVAL);
        return 0;
}

static void joins_answer_as_the_real_ones(void **state)
{
        (void)state;
        program_passes(joins);
        assert_int_equal(program_explore(joins_wrongly, NULL, 0), 0);
}

static int failures;

static int no_thread(void *arg)
{
        pthread_t t;
        int rc = pthread_create(&t, NULL, answer, NULL);
        (void)arg;
        CHECK(rc == 0 || rc == EAGAIN);
        failures += rc == EAGAIN;
        return rc == 0 ? -pthread_join(t, NULL) : 0;
}

static void no_thread_may_be_left(void **state)
{
        (void)state;
        failures = 0;
        assert_int_equal(program_explore(no_thread, NULL, REIN_SIM_THREAD), 0);
        assert_in_range(failures, 1, SCHEDULES - 1);
}

static void *for_ever(void *arg)
{
        pthread_mutex_lock(arg);
        return NULL;
}

static int left_behind(void *arg)
{
        static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
        (void)arg;
        pthread_mutex_lock(&m);
        return pthread_detach(start_thread(for_ever, &m));
}

static int kills(void *arg)
{
        (void)arg;
        return pthread_kill(pthread_self(), 0);
}

static int leaves_main(void *arg)
{
        pthread_exit(arg);
}

static void mistakes_are_named(void **state)
{
        (void)state;
        program_is_found(left_behind, NULL, REIN_SIM_LEFT_RUNNING, "'thread#1' waits for mutex #1, which 'main' holds");
        program_is_found(kills, NULL, REIN_SIM_MISUSE, "'main' called pthread_kill, which is not simulated");
        program_is_found(leaves_main, NULL, REIN_SIM_MISUSE,
                         "called pthread_exit, but pthread_create did not start it");
}

/* ---- thread-locals ---- */

static _Thread_local int own = 7;
static _Thread_local long zero[4];

static void *use_locals(void *arg)
{
        int mine = *(int *)arg;
        CHECK(own == 7 && zero[3] == 0);
        for (int i = 0; i < 3; i++) {
                own = mine + i;
                zero[3] = mine;
                rein_sim_point("others have theirs");
                CHECK(own == mine + i && zero[3] == mine);
        }
        return NULL;
}

static int locals(void *arg)
{
        int a = 10, b = 20;
        (void)arg;
        CHECK(own == 8); /* the main task goes on with those of the thread */
        pthread_t t = start_thread(use_locals, &a), u = start_thread(use_locals, &b);
        own = 9;
        join_thread(t);
        join_thread(u);
        CHECK(own == 9);
        own = 8;
        return 0;
}

static void every_task_has_its_own_thread_locals(void **state)
{
        (void)state;
        own = 8;
        assert_int_equal(locals(NULL), 0);
        assert_int_equal(rein_sim_layer(NULL), 0);
        assert_int_equal(program_explore(locals, NULL, REIN_SIM_HARMLESS), 0);
        assert_int_equal(own, 8);
        assert_int_equal(zero[3], 0);
}

static int job(void *arg)
{
        CHECK(own == 7);
        own = 30;
        rein_sim_point("others have theirs");
        CHECK(own == 30);
        own = 7;
        return *(int *)arg;
}

/* rein's own word lies in the same segment when it is linked statically, as here. */
static int pool_and_threads(void *arg)
{
        int n = 5, a = 10;
        (void)arg;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *f[2] = {rein_submit(pool, job, REIN_COPY(n)), rein_submit(pool, job, REIN_COPY(n))};
        pthread_t t = start_thread(use_locals, &a);
        CHECK(rein_wait_all(f, 2, REIN_NEVER) >= 0);
        CHECK(rein_code(f[0]) + rein_code(f[1]) == 10);
        join_thread(t);
        rein_drop(f[0]);
        rein_drop(f[1]);
        rein_executor_free(pool);
        return 0;
}

static void threads_and_pools_live_side_by_side(void **state)
{
        (void)state;
        own = 7;
        program_passes(pool_and_threads);
}

/* ---- values by key ---- */

static pthread_key_t key, from_outside;
static int destroyed;

static void destroy(void *value)
{
        int *n = value;
        __atomic_add_fetch(&destroyed, *n, __ATOMIC_SEQ_CST);
}

static void *use_key(void *arg)
{
        CHECK(pthread_getspecific(key) == NULL);
        CHECK(pthread_setspecific(key, arg) == 0);
        rein_sim_point("others have theirs");
        CHECK(pthread_getspecific(key) == arg);
        return NULL;
}

static int keys(void *arg)
{
        int one = 1, two = 2, mine = 0;
        (void)arg;
        destroyed = 0;
        CHECK(pthread_key_create(&key, destroy) == 0);
        CHECK(pthread_setspecific(key, &mine) == 0);
        pthread_t t = start_thread(use_key, &one), u = start_thread(use_key, &two);
        join_thread(t);
        join_thread(u);
        CHECK(pthread_getspecific(key) == &mine);
        CHECK(destroyed == 3);
        CHECK(pthread_key_delete(key) == 0);
        CHECK(pthread_setspecific(key, &mine) == EINVAL);
        return 0;
}

static void destroy_thrice(void *value)
{
        int *n = value;
        if (++*n < 3)
                pthread_setspecific(key, value);
}

/* A value that its destructor sets anew is destroyed anew. */
static int keys_again(void *arg)
{
        int n = 0;
        (void)arg;
        CHECK(pthread_key_create(&key, destroy_thrice) == 0);
        join_thread(start_thread(use_key, &n));
        CHECK(n == 3);
        CHECK(pthread_key_delete(key) == 0);
        return 0;
}

static int key_job(void *arg)
{
        static int four = 4;
        (void)arg;
        return pthread_setspecific(key, &four);
}

static int nap(void *arg)
{
        (void)arg;
        return rein_sleep(rein_after(1));
}

/* When its thread ends nobody can await: the schedule does, so the next one, and the test, see it. */
static int keys_in_a_pool(void *arg)
{
        static bool again;
        (void)arg;
        if (again && destroyed != 4)
                return rein_fail(REIN_EUSER, "destroyed %d", destroyed);
        again = true;
        destroyed = 0;
        CHECK(pthread_key_create(&key, destroy) == 0);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1, .init = key_job));
        CHECK(rein_on(pool, nap, NULL, NULL) == 0);
        rein_executor_free(pool);
        return 0;
}

static int key_from_outside(void *arg)
{
        static int inner = 1;
        CHECK(pthread_getspecific(from_outside) == arg);
        CHECK(pthread_setspecific(from_outside, &inner) == 0);
        CHECK(pthread_getspecific(from_outside) == &inner);
        CHECK(pthread_setspecific(1 << 25, &inner) == EINVAL);
        return 0;
}

static void values_are_each_threads_own(void **state)
{
        int outer = 0;
        (void)state;
        program_passes(keys);
        program_passes(keys_again);
        if (program_explore(keys_in_a_pool, NULL, 0) != 0)
                fail_msg("%s", rein_error_text(rein_trail()));
        assert_int_equal(destroyed, 4);
        assert_int_equal(pthread_key_create(&from_outside, NULL), 0);
        assert_int_equal(pthread_setspecific(from_outside, &outer), 0);
        assert_int_equal(program_explore(key_from_outside, &outer, 0), 0);
        assert_ptr_equal(pthread_getspecific(from_outside), &outer);
        assert_int_equal(pthread_key_delete(from_outside), 0);
}

/* ---- the calls for layers ---- */

static uint64_t number;

static int numbers(void *arg)
{
        (void)arg;
        CHECK(rein_sim_number() != 0 && rein_sim_number() != number);
        number = rein_sim_number();
        CHECK(rein_sim_self() == 0);
        CHECK(rein_sim_layer(NULL) == -EPERM);
        return 0;
}

/* More threads than there are tasks at once, one after the other: each is a new one all the same. */
static _Thread_local int of_a_thread = 7;

static void *a_new_one(void *arg)
{
        uint32_t *self = arg;
        CHECK(of_a_thread == 7 && rein_sim_self() > *self);
        of_a_thread = 8;
        *self = rein_sim_self();
        return pthread_self() ? NULL : arg;
}

static int many_in_a_row(void *arg)
{
        uint32_t self = 0;
        pthread_t last = 0;
        (void)arg;
        for (int i = 0; i < 150; i++) {
                pthread_t t;
                void *result;
                CHECK(pthread_create(&t, NULL, a_new_one, &self) == 0 && t > last);
                CHECK(pthread_join(t, &result) == 0 && !result);
                last = t;
        }
        CHECK(of_a_thread == 7);
        return 0;
}

static void a_thread_in_the_place_of_one_that_ended_is_a_new_one(void **state)
{
        (void)state;
        assert_int_equal(program_explore(many_in_a_row, NULL, 0), 0);
}

static void schedules_and_tasks_have_numbers(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_number(), 0);
        assert_int_equal(rein_sim_self(), 0);
        assert_int_equal(program_explore(numbers, NULL, 0), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(threads_begin_answer_and_leave),
                cmocka_unit_test(every_thread_knows_itself),
                cmocka_unit_test(joins_answer_as_the_real_ones),
                cmocka_unit_test(no_thread_may_be_left),
                cmocka_unit_test(mistakes_are_named),
                cmocka_unit_test(threads_and_pools_live_side_by_side),
                cmocka_unit_test(values_are_each_threads_own),
                cmocka_unit_test(schedules_and_tasks_have_numbers),
                cmocka_unit_test(a_thread_in_the_place_of_one_that_ended_is_a_new_one),
                cmocka_unit_test(every_task_has_its_own_thread_locals), /* the last: it takes the layer's hook away */
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
