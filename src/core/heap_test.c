/* SPDX-License-Identifier: Apache-2.0 */
/* The heap gives the first first, takes any item out, and keeps equal ones apart; the clock that is built on it fires in
 * order, and what was disarmed does not fire. */
#include "support.h"

#include "core/clock.h"
#include "core/heap.h"

typedef struct item {
        rn_heap_node node;
        int key;
} item;

static bool before(const rn_heap_node *a, const rn_heap_node *b)
{
        return RN_ITEM(a, item, node)->key < RN_ITEM(b, item, node)->key;
}

enum { ITEMS = 500 };

static void test_whatever_is_pushed_and_removed_comes_out_in_order(void **state)
{
        (void)state;
        static item items[ITEMS];
        uint64_t seed = 1;
        for (int round = 0; round < 50; round++) {
                rn_heap h = {.before = before};
                size_t in = 0;
                memset(items, 0, sizeof items);
                for (int step = 0; step < 4 * ITEMS; step++) {
                        seed = seed * 6364136223846793005u + 1442695040888963407u;
                        item *it = &items[(seed >> 33) % ITEMS];
                        if (it->node.in) {
                                rn_heap_remove(&h, &it->node);
                                in--;
                        } else {
                                it->key = (int)(seed >> 50) % 100;
                                rn_heap_push(&h, &it->node);
                                in++;
                        }
                        assert_int_equal(h.count, in);
                        if (step % 7 == 0 && h.root) {
                                for (int i = 0; i < ITEMS; i++)
                                        assert_false(items[i].node.in && before(&items[i].node, h.root));
                                RN_ITEM(rn_heap_pop(&h), item, node)->key = -1;
                                in--;
                        }
                }
                int last = INT32_MIN;
                for (rn_heap_node *n; (n = rn_heap_pop(&h)); last = RN_ITEM(n, item, node)->key)
                        assert_true(RN_ITEM(n, item, node)->key >= last);
                assert_int_equal(h.count, 0);
                for (int i = 0; i < ITEMS; i++)
                        assert_false(items[i].node.in);
        }
}

/* ---- the clock ---- */

typedef struct alarm_ {
        rn_timer timer;
        atomic_int fired;
        int order;
        uint32_t tag;
} alarm_;

static atomic_int fired_in_all;

static void fire(rn_timer *t, uint32_t tag)
{
        alarm_ *a = RN_ITEM(t, alarm_, timer);
        a->order = atomic_fetch_add(&fired_in_all, 1);
        a->tag = tag;
        atomic_fetch_add(&a->fired, 1);
}

static void test_timers_fire_once_in_order_of_time_with_the_latest_tag(void **state)
{
        (void)state;
        static alarm_ a[20];
        assert_int_equal(rn_clock_start(), 0);
        int64_t base = rn_clock() + REIN_MS(20);
        for (int i = 19; i >= 0; i--) {
                a[i].timer.fire = fire;
                assert_true(rn_timer_arm(&a[i].timer, base + i, 1));
        }
        assert_false(rn_timer_arm(&a[3].timer, base + 3, 77)); /* it was armed */
        for (int i = 0; i < 20; i++)
                EVENTUALLY(a[i].fired == 1);
        for (int i = 0; i < 20; i++) {
                assert_int_equal(a[i].order, i);
                assert_int_equal(a[i].tag, i == 3 ? 77 : 1);
        }
        assert_false(rn_timer_disarm(&a[0].timer));
}

static void test_a_disarmed_timer_does_not_fire_and_an_earlier_one_wakes_the_clock(void **state)
{
        (void)state;
        static alarm_ far, near, gone;
        far.timer.fire = near.timer.fire = gone.timer.fire = fire;
        assert_true(rn_timer_arm(&far.timer, rn_clock() + REIN_SEC(3600), 0));
        assert_true(rn_timer_arm(&gone.timer, rn_clock() + REIN_SEC(1800), 0));
        assert_true(rn_timer_disarm(&gone.timer));
        assert_false(rn_timer_disarm(&gone.timer));
        assert_true(rn_timer_arm(&near.timer, 0, 0)); /* long ago */
        EVENTUALLY(near.fired == 1);
        assert_int_equal(far.fired + gone.fired, 0);
        assert_true(rn_timer_disarm(&far.timer));
}

#if RN_CHECKING
static void test_a_broken_heap_says_so(void **state)
{
        (void)state;
        rn_heap h = {.before = before};
        item a[6] = {{.key = 0}};
        assert_null(rn_heap_wrong(&h));
        for (int i = 0; i < 6; i++) {
                a[i].key = 10 + i;
                rn_heap_push(&h, &a[i].node);
        }
        rn_heap_pop(&h); /* now there is more than one level */
        rn_heap_node *root = h.root, *child = root->child;
        BREAKS(root->next, child, rn_heap_wrong(&h), "the root of a heap has neighbours");
        BREAKS(child->in, false, rn_heap_wrong(&h), "a node in a heap does not know that it is in one");
        BREAKS(child->prev, NULL, rn_heap_wrong(&h), "two neighbours in a heap do not point to each other");
        BREAKS(a[5].key, 0, rn_heap_wrong(&h), "a node in a heap comes before its parent");
        BREAKS(RN_ITEM(root, item, node)->key, 99, rn_heap_wrong(&h), "a node in a heap comes before its parent");
        BREAKS(h.count, 4, rn_heap_wrong(&h), "a heap has more nodes than it counts");
        BREAKS(h.count, 6, rn_heap_wrong(&h), "a heap has fewer nodes than it counts");
        BREAKS(h.root, NULL, rn_heap_wrong(&h), "a heap has fewer nodes than it counts");
}
#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whatever_is_pushed_and_removed_comes_out_in_order),
                cmocka_unit_test(test_timers_fire_once_in_order_of_time_with_the_latest_tag),
                cmocka_unit_test(test_a_disarmed_timer_does_not_fire_and_an_earlier_one_wakes_the_clock),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_heap_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
