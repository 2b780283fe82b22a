/* SPDX-License-Identifier: Apache-2.0 */
/* Stocks: a thread's own free records, and the shelf over which they wander between threads. */
#include "core/executor.h"
#include "core/world.h"
#include "rein/rein.h"
#include "support.h"

typedef struct record {
        rn_slab_item in_slab;
        int owner;
} record;

enum { MANY = 10 * RN_BUNDLE + 7 };

static size_t on_shelf(const rn_shelf *s)
{
        size_t n = s->bundle_count * RN_BUNDLE;
        for (const rn_free_record *one = s->loose; one; one = one->next)
                n++;
        return n;
}

static size_t in_stock(const rn_stock *s)
{
        size_t n = s->full ? RN_BUNDLE : 0;
        for (const rn_free_record *one = s->open; one; one = one->next)
                n++;
        return n;
}

static void test_no_record_is_there_twice_and_none_is_lost(void **state)
{
        (void)state;
        static rn_slab s;
        rn_slab_init(&s, sizeof(record));
        rn_stock taker = {.shelf = &s.shelf}, giver = {.shelf = &s.shelf};
        static record *taken[MANY];
        for (int round = 0; round < 3; round++) {
                for (int i = 0; i < MANY; i++) {
                        taken[i] = rn_slab_take_by(&taker);
                        assert_int_equal(rn_slab_generation(&taken[i]->in_slab) % 2, 1);
                        taken[i]->owner = i;
                }
                assert_int_equal(rn_slab_count(&s), MANY);
                for (int i = 0; i < MANY; i++) {
                        assert_int_equal(taken[i]->owner, i);
                        rn_slab_give_by(&giver, taken[i]);
                }
                assert_int_equal(rn_slab_count(&s), 0);
        }
        /* The giver's wandered back to the taker: three rounds needed little more than one. */
        size_t all = on_shelf(&s.shelf) + in_stock(&taker) + in_stock(&giver);
        assert_in_range(all, MANY, MANY + 4 * RN_BUNDLE);
        rn_stock_empty(&taker);
        rn_stock_empty(&giver);
        assert_int_equal(in_stock(&taker) + in_stock(&giver), 0);
        assert_int_equal(on_shelf(&s.shelf), all);
        for (size_t i = 0; i < all; i++)
                assert_non_null(rn_stock_take(&taker));
        assert_null(rn_stock_take(&taker));
}

static void test_a_stock_has_two_bundles_at_most_and_a_shelf_what_it_may(void **state)
{
        (void)state;
        rn_shelf shelf = {0};
        rn_stock mine = {.shelf = &shelf};
        static rn_free_record records[MANY];
        size_t over = 0;
        for (int i = 0; i < MANY; i++) {
                for (rn_free_record *one = rn_stock_give(&mine, &records[i], 2); one; one = one->next)
                        over++;
                assert_in_range(in_stock(&mine), 1, 2 * RN_BUNDLE);
        }
        assert_int_equal(shelf.bundle_count, 2);
        assert_int_equal(over % RN_BUNDLE, 0);
        assert_int_equal(over + in_stock(&mine) + on_shelf(&shelf), MANY);
}

static void test_without_memory_there_is_none(void **state)
{
        (void)state;
        static rn_slab s;
        rn_slab_init(&s, sizeof(record));
        rn_stock mine = {.shelf = &s.shelf};
        support_fail_at = 1;
        assert_null(rn_slab_take_by(&mine));
        support_fail_at = 0;
        record *r = rn_slab_take_by(&mine);
        rn_slab_give_by(&mine, r);
        support_fail_at = 1;
        assert_null(rn_slab_take_by(&mine)); /* also of what is in stock: who runs out is met everywhere */
        support_fail_at = 0;
        assert_ptr_equal(rn_slab_take_by(&mine), r);
}

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

static void *ten_jobs(void *pool)
{
        for (int i = 0; i < 10; i++) {
                rein_future *f = rein_submit(pool, nothing, NULL, NULL);
                rein_await(f, NULL, REIN_NEVER);
                rein_drop(f);
        }
        return NULL;
}

static void test_a_thread_that_ends_leaves_its_stock(void **state)
{
        (void)state;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rn_world *w = rn_world_now();
        enum { THREADS = 50 };
        size_t chunks = 0;
        for (int i = 0; i < THREADS; i++) {
                pthread_t t;
                assert_int_equal(pthread_create(&t, NULL, ten_jobs, pool), 0);
                pthread_join(t, NULL);
        }
        rein_executor_free(pool);
        EVENTUALLY(live(&w->scopes) == 0);
        for (const rn_slab_chunk *c = w->scopes.chunks; c; c = c->next)
                chunks++;
        assert_in_range(chunks, 1, 8); /* had each kept what it took, there would be fifty */
}

static int fails(void *arg)
{
        (void)arg;
        return -EIO;
}

static void test_a_record_used_again_has_nothing_of_the_job_before(void **state)
{
        (void)state;
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "p", .threads = 1));
        for (int i = 0; i < 4 * RN_BUNDLE; i++) { /* so many that records come back, from the pool's thread too */
                rein_future *f = rein_submit(pool, fails, NULL, i % 2 ? NULL : REIN_JOB(.name = "named"));
                rein_await(f, NULL, REIN_NEVER);
                const char *where = rein_error_where(rein_error_of(f));
                assert_int_equal(strstr(where, "named") != NULL, i % 2 == 0);
                assert_int_equal(strstr(where, "slab_test.c") != NULL, i % 2 == 1);
                rein_drop(f);
        }
        rein_executor_free(pool);
}

/* What lies loose on the shelf comes to a stock by the bundle as well, and no more than that. */
static void test_a_stock_is_filled_with_a_bundle_of_loose_ones(void **state)
{
        (void)state;
        static rn_slab s;
        rn_slab_init(&s, sizeof(record));
        rn_stock givers[2] = {{.shelf = &s.shelf}, {.shelf = &s.shelf}}, taker = {.shelf = &s.shelf};
        void *taken[2 * 20];
        for (int i = 0; i < 40; i++)
                assert_non_null(taken[i] = rn_slab_take(&s));
        const size_t rest = on_shelf(&s.shelf);
        for (int i = 0; i < 40; i++)
                rn_slab_give_by(&givers[i / 20], taken[i]);
        rn_stock_empty(&givers[0]);
        rn_stock_empty(&givers[1]);
        assert_int_equal(s.shelf.bundle_count, 0);
        assert_int_equal(on_shelf(&s.shelf), rest + 40);
        assert_non_null(rn_stock_take(&taker));
        assert_int_equal(in_stock(&taker), RN_BUNDLE - 1);
        assert_int_equal(taker.count, RN_BUNDLE - 1);
}

/* Two threads with a stock each, of one shelf. */
enum { WANDERERS = 3 * RN_BUNDLE };

typedef struct wanderer {
        rn_slab *slab;
        int wrong;
} wanderer;

static void *wander(void *arg)
{
        wanderer *w = arg;
        rn_stock mine = {.shelf = &w->slab->shelf};
        record *taken[WANDERERS];
        for (int round = 0; round < 200; round++) {
                for (int i = 0; i < WANDERERS; i++) {
                        taken[i] = rn_slab_take_by(&mine);
                        taken[i]->owner = (int)(intptr_t)w;
                }
                for (int i = 0; i < WANDERERS; i++) {
                        w->wrong += taken[i]->owner != (int)(intptr_t)w;
                        rn_slab_give_by(&mine, taken[i]);
                }
        }
        rn_stock_empty(&mine);
        return NULL;
}

static void test_bundles_wander_between_threads(void **state)
{
        (void)state;
        static rn_slab s;
        rn_slab_init(&s, sizeof(record));
        wanderer w[2] = {{&s, 0}, {&s, 0}};
        pthread_t t[2] = {go(wander, &w[0]), go(wander, &w[1])};
        join(t[0]);
        join(t[1]);
        assert_int_equal(w[0].wrong + w[1].wrong, 0);
        assert_int_equal(rn_slab_count(&s), 0);
}

/* Memory comes aligned to 16 bytes, wherever the heap happens to be. */
static void test_records_begin_with_a_cache_line(void **state)
{
        (void)state;
        static rn_slab s[16];
        void *between[COUNT(s)];
        for (size_t i = 0; i < COUNT(s); i++) {
                rn_slab_init(&s[i], sizeof(record));
                const record *r = rn_slab_take(&s[i]);
                assert_int_equal((uintptr_t)r % 64, 0);
                assert_ptr_equal(rn_slab_next(&s[i], NULL), r);
                assert_non_null(between[i] = malloc(16 * (i + 1)));
        }
        for (size_t i = 0; i < COUNT(s); i++)
                free(between[i]);
}

#if RN_CHECKING
/* A shelf with two bundles and some loose ones; nothing in the stock. */
static void stock_a_shelf(rn_slab *s, rn_stock *mine)
{
        record *taken[3 * RN_BUNDLE];
        rn_slab_init(s, sizeof(record));
        mine->shelf = &s->shelf;
        for (size_t i = 0; i < COUNT(taken); i++)
                taken[i] = rn_slab_take_by(mine);
        for (size_t i = 0; i < COUNT(taken); i++)
                rn_slab_give_by(mine, taken[i]);
}

static void test_a_broken_shelf_and_a_broken_stock_say_so(void **state)
{
        (void)state;
        static rn_slab s;
        rn_stock mine = {0};
        stock_a_shelf(&s, &mine);
        BREAKS(mine.count, RN_BUNDLE - 1, rn_stock_wrong(&mine),
               "the open bundle of a stock has not so many records as it counts");
        BREAKS(mine.count, RN_BUNDLE + 1, rn_stock_wrong(&mine),
               "the open bundle of a stock has more records than a bundle");
        BREAKS(mine.full, mine.full->next, rn_stock_wrong(&mine), "the full bundle of a stock is not full");
        BREAKS(s.shelf.bundle_count, 0, rn_shelf_wrong(&s.shelf), "the shelf has not so many bundles as it counts");
        BREAKS(s.shelf.bundles, NULL, rn_shelf_wrong(&s.shelf), "the shelf has not so many bundles as it counts");
        BREAKS(s.shelf.bundles->next, NULL, rn_shelf_wrong(&s.shelf),
               "a bundle on the shelf has not the number of records that a bundle has");
        rn_stock_empty(&mine);
        assert_null(rn_slab_wrong(&s, true));
}

static void test_a_broken_slab_says_so(void **state)
{
        (void)state;
        static rn_slab s;
        rn_free_record foreign = {NULL, NULL};
        rn_slab_init(&s, sizeof(record));
        record *one = rn_slab_take(&s);
        rn_slab_item *unused = (rn_slab_item *)(void *)s.shelf.loose;
        BREAKS(unused->generation.v, 1, rn_slab_wrong(&s, false), "a record on the shelf is taken");
        BREAKS(s.shelf.loose, &foreign, rn_slab_wrong(&s, false), "what lies on the shelf is no record of the slab");
        BREAKS(unused->as_free.next, &unused->as_free, rn_slab_wrong(&s, false), "a record lies on the shelf twice");
        BREAKS(s.shelf.loose, unused->as_free.next, rn_slab_wrong(&s, true),
               "a record is lost: those taken and those on the shelf are fewer than there are");
        BREAKS(s.shelf.bundle_count, 1, rn_slab_wrong(&s, true), "the shelf has not so many bundles as it counts");
        s.shelf.loose = unused->as_free.next; /* a thread keeps it */
        assert_null(rn_slab_wrong(&s, false));
        s.shelf.loose = &unused->as_free;
        rn_slab_give(&s, one);
        assert_null(rn_slab_wrong(&s, true));
}
#endif

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_record_is_there_twice_and_none_is_lost),
                cmocka_unit_test(test_a_stock_has_two_bundles_at_most_and_a_shelf_what_it_may),
                cmocka_unit_test(test_without_memory_there_is_none),
                cmocka_unit_test(test_a_thread_that_ends_leaves_its_stock),
                cmocka_unit_test(test_a_record_used_again_has_nothing_of_the_job_before),
                cmocka_unit_test(test_a_stock_is_filled_with_a_bundle_of_loose_ones),
                cmocka_unit_test(test_bundles_wander_between_threads),
                cmocka_unit_test(test_records_begin_with_a_cache_line),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_shelf_and_a_broken_stock_say_so),
                cmocka_unit_test(test_a_broken_slab_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
