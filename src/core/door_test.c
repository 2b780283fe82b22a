/* SPDX-License-Identifier: Apache-2.0 */
/* The door (P3): a ring is sticky, two are one, and no wake-up is lost in sleep or in poll. A lost one is a hang. */
#include "support.h"

#include <fcntl.h>

#include <poll.h>

static void p3_an_unpark_before_the_park_is_not_lost(void **state)
{
        (void)state;
        rn_task *self = rn_self();
        for (int i = 0; i < 100; i++) {
                rn_unpark(self);
                rn_park(self, RN_NEVER);
                rn_unpark(self);
                assert_int_equal(self->backend->poll(self, NULL, RN_NEVER), 0);
        }
}

static void test_two_rings_are_one_and_none_is_left_over(void **state)
{
        (void)state;
        rn_task *self = rn_self();
        rn_unpark(self);
        rn_unpark(self);
        rn_park(self, RN_NEVER);
        assert_int_equal(rn_load32(&self->door.word), 0);
        int64_t until = rn_clock() + REIN_MS(2);
        while (rn_clock() < until) /* a park may end for no reason, but not by a ring */
                rn_park(self, until);
        assert_int_equal(self->backend->poll(self, NULL, 0), 0);
        assert_int_equal(rn_load32(&self->door.word), 0);
}

typedef struct player {
        _Atomic(rn_task *) task;
        struct player *other;
        atomic_int ball; /* how often it came here */
        int rounds, poll_every;
        bool serves;
} player;

static void wait_for_ball(player *p, int count, int round)
{
        rn_task *self = rn_self();
        while (atomic_load(&p->ball) < count) {
                if (p->poll_every && round % p->poll_every == 0)
                        (void)self->backend->poll(self, NULL, RN_NEVER);
                else
                        rn_park(self, RN_NEVER);
        }
}

static void *play(void *arg)
{
        player *p = arg;
        atomic_store(&p->task, rn_self());
        while (!atomic_load(&p->other->task))
                ;
        rn_task *other = atomic_load(&p->other->task);
        for (int i = 1; i <= p->rounds; i++) {
                if (!p->serves)
                        wait_for_ball(p, i, i);
                atomic_fetch_add(&p->other->ball, 1);
                rn_unpark(other);
                if (p->serves)
                        wait_for_ball(p, i, i);
        }
        while (atomic_load(&p->other->ball) < p->rounds || atomic_load(&p->ball) < p->rounds)
                ;
        return NULL;
}

static void p3_a_rally_of_doors_loses_no_wake_up(void **state)
{
        (void)state;
        for (int poll_every = 0; poll_every <= 3; poll_every++) {
                player a = {.rounds = 20000, .serves = true, .poll_every = poll_every};
                player b = {.rounds = 20000, .poll_every = poll_every ? poll_every % 3 + 1 : 0};
                a.other = &b;
                b.other = &a;
                pthread_t s = go(play, &a), t = go(play, &b);
                join(s);
                join(t);
                assert_int_equal(a.ball, 20000);
                assert_int_equal(b.ball, 20000);
        }
}

static void test_a_poll_tells_events_and_is_ended_by_an_unpark(void **state)
{
        (void)state;
        rn_task *self = rn_self();
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(rn_poll_one(self, ends[0], POLLIN, 0), 0);
        assert_int_equal(write(ends[1], "x", 1), 1);
        assert_true(rn_poll_one(self, ends[0], POLLIN, RN_NEVER) & POLLIN);
        close(ends[0]);
        close(ends[1]);
}

/* ---- slabs: what makes a late unpark harmless ---- */

typedef struct record {
        rn_slab_item in_slab;
        int field;
} record;

static void test_a_record_has_a_new_generation_in_each_life_and_its_memory_stays(void **state)
{
        (void)state;
        static rn_slab s;
        rn_slab_init(&s, sizeof(record));
        record *r = rn_slab_take(&s);
        assert_int_equal((uintptr_t)r % 64, 0); /* wherever its chunk begins */
        uint32_t first = rn_slab_generation(&r->in_slab);
        assert_int_equal(first % 2, 1); /* taken */
        rn_slab_give(&s, r);
        assert_int_equal(rn_slab_generation(&r->in_slab) % 2, 0); /* free, and still readable */
        assert_ptr_equal(rn_slab_take(&s), r);
        assert_int_not_equal(rn_slab_generation(&r->in_slab), first);
        record *many[200];
        for (int i = 0; i < 200; i++) {
                many[i] = rn_slab_take(&s);
                many[i]->field = i;
        }
        assert_int_equal(live(&s), 201);
        for (int i = 0; i < 200; i++) {
                assert_int_equal(many[i]->field, i); /* none twice */
                rn_slab_give(&s, many[i]);
        }
        assert_int_equal(live(&s), 1);
        support_fail_at = 1;
        assert_null(rn_slab_take(&s));
        support_fail_at = 0;
        assert_int_equal(live(&s), 1);
}

/* It has rung for one wait, and does not for the next. */
typedef struct polling {
        _Atomic(rn_task *) task;
        int rc, rings;
} polling;

static void *poll_once(void *arg)
{
        polling *p = arg;
        rn_task *self = rn_self();
        (void)self->backend->poll(self, NULL, 0); /* a ring of the record's earlier life */
        atomic_store(&p->task, self);
        p->rc = self->backend->poll(self, NULL, RN_NEVER);
        struct pollfd bell = {.fd = self->door.wake - 1, .events = POLLIN};
        p->rings = poll(&bell, 1, 0);
        return NULL;
}

static int descriptors(void)
{
        int n = 0;
        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void test_a_bell_rings_for_one_wait_and_goes_with_its_thread(void **state)
{
        (void)state;
        const int before = descriptors();
        for (int i = 0; i < 3; i++) {
                polling p = {.rc = 0};
                pthread_t t = go(poll_once, &p);
                EVENTUALLY(task_polls(atomic_load(&p.task)));
                assert_true(rn_unpark(p.task));
                join(t);
                assert_int_equal(p.rc, 0);
                assert_int_equal(p.rings, 0);
                assert_int_equal(descriptors(), before);
        }
}

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(p3_an_unpark_before_the_park_is_not_lost),
                cmocka_unit_test(test_two_rings_are_one_and_none_is_left_over),
                cmocka_unit_test(p3_a_rally_of_doors_loses_no_wake_up),
                cmocka_unit_test(test_a_poll_tells_events_and_is_ended_by_an_unpark),
                cmocka_unit_test(test_a_record_has_a_new_generation_in_each_life_and_its_memory_stays),
                cmocka_unit_test(test_a_bell_rings_for_one_wait_and_goes_with_its_thread),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
