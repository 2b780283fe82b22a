/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/wheel.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { CROWD = 3000, ROUNDS = 200000 };

static rn_wheel wheel;

static uint64_t state = 20261122;

static uint64_t chance(void) /* splitmix64 */
{
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

static int by_at(const void *a, const void *b)
{
        int64_t x = ((const rn_wheel_node *)a)->at, y = ((const rn_wheel_node *)b)->at;
        return x < y ? -1 : x > y;
}

static void test_whatever_was_put_in_comes_out_once_in_the_order_of_its_time(void **unused)
{
        (void)unused;
        static rn_wheel_node nodes[CROWD], sorted[CROWD];
        static const int64_t begins[] = {0, 1 << 20, INT64_C(1) << 41, INT64_MAX / 3};
        for (unsigned round = 0; round < sizeof begins / sizeof *begins; round++) {
                rn_wheel_init(&wheel);
                memset(nodes, 0, sizeof nodes);
                for (int i = 0; i < CROWD; i++) {
                        int64_t span = (int64_t)(chance() >> (1 + chance() % 62)); /* of every size there is */
                        int64_t at = span > INT64_MAX - begins[round] ? INT64_MAX : begins[round] + span;
                        rn_wheel_push(&wheel, &nodes[i], at);
                }
                memcpy(sorted, nodes, sizeof nodes);
                qsort(sorted, CROWD, sizeof *sorted, by_at);
                for (int i = 0; i < CROWD; i++) {
                        rn_wheel_node *n = rn_wheel_pop(&wheel, INT64_MAX);
                        assert_non_null(n);
                        assert_false(rn_wheel_in(n));
                        assert_true(n->at == sorted[i].at);
                }
                assert_null(rn_wheel_pop(&wheel, INT64_MAX));
                assert_true(rn_wheel_next(&wheel) == INT64_MAX);
        }
}

/* A plain array knows better: the soonest of those in it. */
static int64_t soonest_of(const rn_wheel_node *nodes, size_t n)
{
        int64_t first = INT64_MAX;
        for (size_t i = 0; i < n; i++)
                if (rn_wheel_in(&nodes[i]) && nodes[i].at < first)
                        first = nodes[i].at;
        return first;
}

static void test_while_time_goes_on_nothing_is_early_late_or_lost(void **unused)
{
        (void)unused;
        enum { N = 40 };
        static rn_wheel_node nodes[N];
        int64_t now = INT64_C(5) << 40;
        size_t in = 0, looks = 0, waits = 0;
        rn_wheel_init(&wheel);
        for (int round = 0; round < ROUNDS; round++) {
                rn_wheel_node *n = &nodes[chance() % N];
                if (rn_wheel_in(n)) {
                        if (chance() % 2) {
                                rn_wheel_remove(&wheel, n);
                                in--;
                        }
                } else {
                        rn_wheel_push(&wheel, n, now + (int64_t)(chance() >> (20 + chance() % 40)) - 1000);
                        in++;
                }
                if (chance() % 3) {
                        int64_t soonest = soonest_of(nodes, N), next = rn_wheel_next(&wheel);
                        assert_true(next <= soonest);
                        waits += next != INT64_MAX && next > now;
                        looks += next != INT64_MAX && next > now && next < soonest;
                        if (next != INT64_MAX && next > now)
                                now = chance() % 8 ? next : now + (next - now) / 2;
                }
                for (rn_wheel_node *due; (due = rn_wheel_pop(&wheel, now)); in--) {
                        assert_true(due->at <= now);
                        assert_true(due->at <= soonest_of(nodes, N));
                }
                assert_true(soonest_of(nodes, N) > now); /* none is late */
                size_t count = 0;
                for (size_t i = 0; i < N; i++)
                        count += rn_wheel_in(&nodes[i]);
                assert_int_equal(count, in);
        }
        assert_true(waits > 1000 && looks * 4 < waits); /* a few times it had to look again */
}

static void test_a_deadline_in_the_past_is_due_at_once_and_never_is_never(void **unused)
{
        (void)unused;
        rn_wheel_node past = {0}, never = {0}, now = {0};
        rn_wheel_init(&wheel);
        rn_wheel_push(&wheel, &never, INT64_MAX);
        rn_wheel_push(&wheel, &now, INT64_C(1) << 50);
        rn_wheel_push(&wheel, &past, INT64_MIN);
        assert_true(rn_wheel_next(&wheel) == INT64_MIN);
        assert_ptr_equal(rn_wheel_pop(&wheel, 0), &past);
        assert_true(rn_wheel_next(&wheel) == INT64_C(1) << 50);
        assert_ptr_equal(rn_wheel_pop(&wheel, INT64_C(1) << 50), &now);
        assert_null(rn_wheel_pop(&wheel, INT64_MAX - 1));
        rn_wheel_remove(&wheel, &never);
        assert_true(rn_wheel_next(&wheel) == INT64_MAX);
}

/* Many of one millisecond: their exact order is the heap's. */
static void test_within_a_tick_the_order_is_exact(void **unused)
{
        (void)unused;
        static rn_wheel_node nodes[CROWD];
        memset(nodes, 0, sizeof nodes);
        rn_wheel_init(&wheel);
        const int64_t begin = INT64_C(77) << 32;
        for (int i = 0; i < CROWD; i++)
                rn_wheel_push(&wheel, &nodes[i], begin + (int64_t)((unsigned)i * 7919u % CROWD));
        assert_true(rn_wheel_next(&wheel) <= begin);
        for (int i = 0; i < CROWD; i++) {
                assert_null(rn_wheel_pop(&wheel, begin + i - 1));
                rn_wheel_node *n = rn_wheel_pop(&wheel, begin + i);
                assert_non_null(n);
                assert_true(n->at == begin + i);
        }
}

#if RN_CHECKING
static void test_a_broken_wheel_says_so(void **unused)
{
        (void)unused;
        rn_wheel_node late = {.place = 0}, later = {.place = 0}, now = {.place = 0};
        rn_wheel_init(&wheel);
        assert_null(rn_wheel_wrong(&wheel));
        rn_wheel_push(&wheel, &late, INT64_C(5) << 16);
        rn_wheel_push(&wheel, &later, INT64_C(70) << 16);
        rn_wheel_push(&wheel, &now, 7);
        BREAKS(wheel.filled[0], 1 << 5 | 1 << 9, rn_wheel_wrong(&wheel), "a slot without a timer counts as filled");
        BREAKS(wheel.filled[1], 0, rn_wheel_wrong(&wheel), "a wheel has not so many timers as it counts");
        BREAKS(late.place, 3, rn_wheel_wrong(&wheel), "a timer in a slot does not know where it is");
        BREAKS(late.at, INT64_C(6) << 16, rn_wheel_wrong(&wheel), "a timer is in a slot that is not that of its time");
        BREAKS(later.at, INT64_C(5000) << 16, rn_wheel_wrong(&wheel),
               "a timer is in a slot that is not that of its time");
        BREAKS(late.link.next, NULL, rn_wheel_wrong(&wheel), "a list ends in nothing");
        BREAKS(now.place, 2, rn_wheel_wrong(&wheel), "a timer in the heap does not know where it is");
        BREAKS(now.at, INT64_C(9) << 16, rn_wheel_wrong(&wheel), "a timer is in the heap before its time");
        BREAKS(now.heap.in, false, rn_wheel_wrong(&wheel), "a node in a heap does not know that it is in one");
        BREAKS(wheel.count, 2, rn_wheel_wrong(&wheel), "a wheel has not so many timers as it counts");
}
#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whatever_was_put_in_comes_out_once_in_the_order_of_its_time),
                cmocka_unit_test(test_while_time_goes_on_nothing_is_early_late_or_lost),
                cmocka_unit_test(test_a_deadline_in_the_past_is_due_at_once_and_never_is_never),
                cmocka_unit_test(test_within_a_tick_the_order_is_exact),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_wheel_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
