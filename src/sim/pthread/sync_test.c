/* SPDX-License-Identifier: Apache-2.0 */
/* Reader-writer locks, semaphores, barriers, once. */
#include "simulate.h"

#include <semaphore.h>

/* ---- reader-writer locks ---- */

static pthread_rwlock_t rwlock;
static int left, right_, readers, most_readers;

static void *writer(void *arg)
{
        (void)arg;
        CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
        left++;
        rein_sim_point("between");
        right_++;
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
        return NULL;
}

static void *reader(void *arg)
{
        (void)arg;
        CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
        readers++;
        rein_sim_point("among readers");
        if (readers > most_readers)
                most_readers = readers;
        readers--;
        CHECK(left == right_);
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
        return NULL;
}

static int read_and_write(void *arg)
{
        pthread_t t[4];
        left = right_ = 0;
        CHECK(pthread_rwlock_init(&rwlock, NULL) == 0);
        for (int i = 0; i < 4; i++)
                t[i] = start_thread(i % 2 && !arg ? writer : reader, NULL);
        for (int i = 0; i < 4; i++)
                join_thread(t[i]);
        CHECK(pthread_rwlock_destroy(&rwlock) == 0);
        return left == (arg ? 0 : 2) ? 0 : -EIO;
}

static void writers_exclude_and_readers_do_not(void **state)
{
        (void)state;
        most_readers = readers = 0;
        assert_int_equal(program_explore(read_and_write, NULL, REIN_SIM_HARMLESS), 0);
        assert_int_equal(program_explore(read_and_write, &left, 0), 0);
        assert_int_equal(most_readers, 4); /* in some schedule all at once */
}

static void *try_read_lock(void *arg)
{
        struct timespec soon = from_now(CLOCK_REALTIME, 10), mono = from_now(CLOCK_MONOTONIC, 10);
        CHECK(pthread_rwlock_trywrlock(&rwlock) == EBUSY);
        CHECK(pthread_rwlock_timedwrlock(&rwlock, &soon) == ETIMEDOUT);
        CHECK(pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
        if (arg) {
                CHECK(pthread_rwlock_tryrdlock(&rwlock) == 0);
                CHECK(pthread_rwlock_unlock(&rwlock) == 0);
        } else {
                CHECK(pthread_rwlock_tryrdlock(&rwlock) == EBUSY);
                CHECK(pthread_rwlock_timedrdlock(&rwlock, &soon) == ETIMEDOUT);
                CHECK(pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
        }
        return NULL;
}

static int rwlock_answers(void *arg)
{
        (void)arg;
        CHECK(pthread_rwlock_init(&rwlock, NULL) == 0);
        CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
        CHECK(pthread_rwlock_rdlock(&rwlock) == EDEADLK);
        CHECK(pthread_rwlock_wrlock(&rwlock) == EDEADLK);
        join_thread(start_thread(try_read_lock, NULL));
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
        CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
        CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
        join_thread(start_thread(try_read_lock, &rwlock));
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
        CHECK(pthread_rwlock_destroy(&rwlock) == 0);
        return 0;
}

static void an_rwlock_answers_as_the_real_one(void **state)
{
        (void)state;
        program_passes(rwlock_answers);
}

static int upgrades(void *arg)
{
        pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
        (void)arg;
        pthread_rwlock_rdlock(&l);
        return pthread_rwlock_wrlock(&l);
}

static int unlocks_a_free_one(void *arg)
{
        pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
        (void)arg;
        return pthread_rwlock_unlock(&l);
}

static void mistakes_with_an_rwlock_are_named(void **state)
{
        (void)state;
        program_is_found(upgrades, NULL, REIN_SIM_DEADLOCK,
                         "'main' waits to write under rwlock #1, under which others read: 1");
        program_is_found(unlocks_a_free_one, NULL, REIN_SIM_MISUSE, "'main' unlocks rwlock #1, which it does not hold");
}

/* ---- semaphores ---- */

static sem_t sem;
static int inside, most_inside, interrupted;

static void *pass_through(void *arg)
{
        (void)arg;
        int rc;
        while ((rc = sem_wait(&sem)) < 0 && errno == EINTR)
                __atomic_add_fetch(&interrupted, 1, __ATOMIC_SEQ_CST);
        CHECK(rc == 0);
        if (++inside > most_inside)
                most_inside = inside;
        for (int i = 0; i < 5; i++)
                rein_sim_point("inside");
        inside--;
        CHECK(sem_post(&sem) == 0);
        return NULL;
}

static int three_pass_two(void *arg)
{
        pthread_t t[3];
        int value = -1;
        (void)arg;
        inside = 0;
        CHECK(sem_init(&sem, 0, 2) == 0);
        for (int i = 0; i < 3; i++)
                t[i] = start_thread(pass_through, NULL);
        for (int i = 0; i < 3; i++)
                join_thread(t[i]);
        CHECK(sem_getvalue(&sem, &value) == 0 && value == 2);
        CHECK(sem_destroy(&sem) == 0);
        return 0;
}

static void a_semaphore_lets_in_so_many(void **state)
{
        (void)state;
        most_inside = interrupted = 0;
        assert_int_equal(program_explore(three_pass_two, NULL, 0), 0);
        assert_int_equal(interrupted, 0);
        assert_int_equal(program_explore(three_pass_two, NULL, REIN_SIM_HARMLESS), 0);
        assert_int_equal(most_inside, 2);
        assert_true(interrupted > 0); /* in some schedule, as the real one is by a signal */
}

static int sem_answers(void *arg)
{
        struct timespec soon = from_now(CLOCK_REALTIME, 10), mono = from_now(CLOCK_MONOTONIC, 10);
        int rc;
        (void)arg;
        CHECK(sem_init(&sem, 0, 1) == 0);
        CHECK(sem_trywait(&sem) == 0);
        CHECK(sem_trywait(&sem) == -1 && errno == EAGAIN);
        while ((rc = sem_timedwait(&sem, &soon)) < 0 && errno == EINTR)
                ;
        CHECK(rc == -1 && errno == ETIMEDOUT);
        while ((rc = sem_clockwait(&sem, CLOCK_MONOTONIC, &mono)) < 0 && errno == EINTR)
                ;
        CHECK(rc == -1 && errno == ETIMEDOUT);
        CHECK(sem_post(&sem) == 0);
        CHECK(sem_timedwait(&sem, &soon) == 0);
        CHECK(sem_destroy(&sem) == 0);
        return 0;
}

static int waits_for_nobody(void *arg)
{
        (void)arg;
        return sem_wait(&sem);
}

static void a_semaphore_answers_as_the_real_one(void **state)
{
        (void)state;
        program_passes(sem_answers);
        assert_int_equal(sem_init(&sem, 0, 1), 0); /* made outside: its value there */
        assert_int_equal(program_explore(waits_for_nobody, NULL, 0), 0);
        assert_int_equal(sem_wait(&sem), 0);
        program_is_found(waits_for_nobody, NULL, REIN_SIM_DEADLOCK, "'main' waits for semaphore #1, which is 0");
        assert_int_equal(sem_destroy(&sem), 0);
}

/* ---- barriers ---- */

static pthread_barrier_t barrier;
static int arrived, first;

static void *meet(void *arg)
{
        for (int round = 1; round <= 2; round++) {
                __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
                int rc = pthread_barrier_wait(arg);
                CHECK(rc == 0 || rc == PTHREAD_BARRIER_SERIAL_THREAD);
                CHECK(__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) >= 3 * round);
                __atomic_add_fetch(&first, rc != 0, __ATOMIC_SEQ_CST);
        }
        return NULL;
}

static int three_meet_twice(void *arg)
{
        pthread_t t[3];
        (void)arg;
        arrived = first = 0;
        CHECK(pthread_barrier_init(&barrier, NULL, 3) == 0);
        for (int i = 0; i < 3; i++)
                t[i] = start_thread(meet, &barrier);
        for (int i = 0; i < 3; i++)
                join_thread(t[i]);
        CHECK(arrived == 6 && first == 2);
        CHECK(pthread_barrier_destroy(&barrier) == 0);
        return 0;
}

static int one_is_missing(void *arg)
{
        (void)arg;
        CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
        return pthread_barrier_wait(&barrier);
}

static int one_from_outside(void *arg)
{
        return pthread_barrier_wait(arg);
}

static void a_barrier_holds_until_all_are_there(void **state)
{
        (void)state;
        program_passes(three_meet_twice);
        program_is_found(one_is_missing, NULL, REIN_SIM_DEADLOCK, "'main' waits at barrier #1, where 1 of 2 are");
        program_is_found(one_from_outside, &arrived, REIN_SIM_MISUSE,
                         "uses a barrier that was not made in this schedule");
}

/* ---- once ---- */

static pthread_once_t once;
static int made;

static void make(void)
{
        int had = made;
        rein_sim_point("making it");
        made = had + 1;
}

static void *need(void *arg)
{
        (void)arg;
        CHECK(pthread_once(&once, make) == 0);
        CHECK(made == 1);
        return NULL;
}

static int two_need_it(void *arg)
{
        (void)arg;
        if (rein_simulated())
                made = 0; /* every schedule does it again */
        pthread_t a = start_thread(need, NULL), b = start_thread(need, NULL);
        join_thread(a);
        join_thread(b);
        return 0;
}

static int done_outside(void *arg)
{
        (void)arg;
        made = 1;
        need(NULL);
        return 0;
}

static void once_is_once(void **state)
{
        (void)state;
        once = PTHREAD_ONCE_INIT;
        made = 0;
        assert_int_equal(program_explore(two_need_it, NULL, REIN_SIM_HARMLESS), 0);
        made = 0;
        assert_int_equal(two_need_it(NULL), 0);
        assert_int_equal(made, 1);
        assert_int_equal(program_explore(done_outside, NULL, 0), 0); /* what was done outside is not done inside */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writers_exclude_and_readers_do_not),
                cmocka_unit_test(an_rwlock_answers_as_the_real_one),
                cmocka_unit_test(mistakes_with_an_rwlock_are_named),
                cmocka_unit_test(a_semaphore_lets_in_so_many),
                cmocka_unit_test(a_semaphore_answers_as_the_real_one),
                cmocka_unit_test(a_barrier_holds_until_all_are_there),
                cmocka_unit_test(once_is_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
