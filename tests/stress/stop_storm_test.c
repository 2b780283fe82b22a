/* SPDX-License-Identifier: Apache-2.0 */
/* Executors that are stopped while they are flooded: in the three manners, from several threads at once, with deadlines
 * that pass, begun and joined, restarted, freed; and trees of groups, scopes and shields that are cancelled from
 * everywhere. Every future settles, every argument and value comes back once, no child outlives its group, nothing is
 * cancelled inside a shield, and the slabs are as they were. */
#include "faults.h"

enum { CREW = 4, MAX_FUTURES = 96 };

static _Noreturn void wrong(int line, const char *what, int rc)
{
        fprintf(stderr, "stop_storm_test.c:%d: %s (%s)\n", line, what, rc < 0 ? rein_code_name(rc) : "ok");
        report_everybody();
        abort();
}

#define CHECK_RC(condition, rc)                                                                                        \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        wrong(__LINE__, #condition, rc);                                                               \
        } while (0)
#define CHECK(condition) CHECK_RC(condition, 0)

static struct {
        atomic_llong args_made, args_back, values_made, values_back, nexts, nexts_ran;
        atomic_llong good, failed, canceled, refused, abandoned, late;
        atomic_llong stops, stuck, restarts, receipts, stragglers;
} counts;

/* ---- jobs ---- */

enum { NOTHING, GIVES, FAILS, SLEEPS, COMPUTES, IGNORES, WAITS, CONTINUES, ENDS_ITS_THREAD, KINDS };

typedef struct load {
        int kind;
        rein_executor *x;
        atomic_uint runs, released;
} load;

static void load_release(void *arg)
{
        load *l = arg;
        CHECK(l->released++ == 0);
        counts.args_back++;
        free(l);
}

static void value_release(void *value)
{
        counts.values_back++;
        free(value);
}

static int give_something(void)
{
        void *value = malloc(16);
        counts.values_made++;
        int rc = rein_give(value, value_release);
        CHECK_RC(rc == 0, rc);
        return 0;
}

static int count_next(rein_future *f, void *arg)
{
        (void)arg;
        CHECK(rein_code(f) != REIN_EPENDING);
        counts.nexts_ran++;
        return 0;
}

static int job(void *arg);

static rein_future *submit(rein_executor *x, int kind)
{
        load *l = malloc(sizeof *l);
        *l = (load){.kind = kind, .x = x};
        counts.args_made++;
        return rein_submit(x, job, l,
                           REIN_JOB(.release = load_release, .name = "stormy",
                                    .unheeded = test_random(2) ? REIN_ABANDON_IT : REIN_WAIT_FOR_IT,
                                    .limit_ns = test_random(8) ? 0 : REIN_SPAN((int64_t)test_random(500000)),
                                    .start_by = test_random(8) ? REIN_TIME(0) : rein_after(test_random(2000000))));
}

static void count(int code)
{
        atomic_llong *which = code >= 0                 ? &counts.good
                              : code == REIN_ECANCELED  ? &counts.canceled
                              : code == REIN_EREJECTED  ? &counts.refused
                              : code == REIN_EABANDONED ? &counts.abandoned
                                                        : &counts.failed;
        CHECK_RC(code != REIN_EPENDING && code != -EINVAL && code != -ENOMEM && code != -EPROTO && code != -EPERM,
                 code);
        ++*which;
}

static int job(void *arg)
{
        load *l = arg;
        CHECK(l->runs++ == 0 && l->released == 0);
        int rc = 0;
        rein_future *f;
        switch (l->kind) {
        case GIVES:
                return give_something();
        case FAILS:
                return rein_fail(-EIO, "as it should");
        case SLEEPS:
                return rein_sleep(rein_after(test_random(1000000)));
        case COMPUTES:
                for (int i = 0; i < 200 && rc == 0; i++)
                        rc = rein_checkpoint();
                return rc;
        case IGNORES: { /* and outlasts every grace below, now and then */
                int64_t until = rn_clock() + test_random(1500000);
                while (rn_clock() < until)
                        sched_yield();
                give_something(); /* perhaps too late: released all the same */
                return 0;
        }
        case WAITS:
                f = submit(l->x, NOTHING);
                rc = rein_await(f, NULL, REIN_NEVER);
                if (rc == REIN_ECANCELED)
                        rein_cancel(f, NULL);
                EVENTUALLY(rein_code(f) != REIN_EPENDING);
                count(rein_code(f));
                rein_drop(f);
                return rc == REIN_EFAILED ? 0 : rc;
        case CONTINUES:
                f = submit(l->x, GIVES);
                counts.nexts += rein_then(f, l->x, count_next, NULL) != NULL;
                rein_cancel(f, NULL);
                EVENTUALLY(rein_code(f) != REIN_EPENDING);
                count(rein_code(f));
                rein_drop(f);
                return 0;
        case ENDS_ITS_THREAD:
                if (rn_self()->worker && rn_self()->now->outer == &rn_self()->base) /* it is alone on a pool's thread */
                        pthread_exit(NULL);
                return 0;
        default:
                return 0;
        }
}

static int some_kind(void)
{
        static const int likely[] = {NOTHING, GIVES, FAILS, SLEEPS, SLEEPS, COMPUTES, COMPUTES, WAITS, CONTINUES};
        uint32_t r = test_random(64);
        return r < 3 ? IGNORES : r == 3 ? ENDS_ITS_THREAD : likely[r % (sizeof likely / sizeof *likely)];
}

/* ---- the rounds of a pool's life ---- */

static struct {
        pthread_barrier_t start, end;
        atomic_bool over;
        rein_executor *x;
        bool restarts; /* in this round, somebody restarts it */
} stage;

static rein_stop some_manner(void)
{
        return (rein_stop)test_random(3);
}

static rein_time some_time(void)
{
        switch (test_random(4)) {
        case 0:
                return REIN_NOWAIT;
        case 1:
                return REIN_NEVER;
        default:
                return rein_after(test_random(3000000));
        }
}

/* alone: nobody submits or stops any more, so that what a stop of 0 names is gone. */
static void stop_it(rein_executor *x, rein_stop how, rein_time until, bool alone)
{
        rein_receipt *r = NULL;
        bool wants = test_random(2);
        int rc = rein_executor_stop(x, how, until, wants ? &r : NULL);
        CHECK_RC(rc == 0 || rc == REIN_ESTUCK, rc);
        counts.stops++;
        counts.stuck += rc == REIN_ESTUCK;
        if (!wants)
                return;
        CHECK(r);
        rein_straggler s = {.size = sizeof s};
        for (size_t i = 0; i < rein_receipt_count(r); i++) {
                CHECK(rein_receipt_at(r, i, &s));
                CHECK(s.stopped_by[0] && s.age_ns >= 0);
                CHECK(rc == REIN_ESTUCK || !alone || s.gone);
                counts.stragglers++;
        }
        counts.receipts++;
        rein_receipt_free(r);
}

static void one_of_the_crew(rein_executor *x)
{
        rein_future *f[MAX_FUTURES];
        uint32_t n = 0, steps = 16 + test_random(64);
        for (uint32_t i = 0; i < steps && n < MAX_FUTURES; i++) {
                uint32_t r = test_random(64);
                if (r < 48)
                        f[n++] = submit(x, some_kind());
                else if (r < 52 && n)
                        rein_cancel(f[test_random(n)], "of the crew");
                else if (r == 52)
                        stop_it(x, some_manner(), some_time(), false);
                else if (r == 53)
                        CHECK(rein_executor_stop_begin(x, some_manner(), some_time()) == 0);
                else if (r < 58 && stage.restarts)
                        counts.restarts += rein_executor_restart(x) == 0;
                else if (r == 58)
                        counts.nexts += n && rein_then(f[test_random(n)], x, count_next, NULL) != NULL;
                else if (r == 59)
                        sched_yield();
        }
        stop_it(x, some_manner(), some_time(), false);
        for (uint32_t i = 0; i < n; i++) {
                if (!stage.restarts)
                        CHECK(rein_code(f[i]) != REIN_EPENDING); /* a stop of the whole has returned */
                EVENTUALLY(rein_code(f[i]) != REIN_EPENDING);
                count(rein_code(f[i]));
                rein_drop(f[i]);
        }
}

static void *crew(void *arg)
{
        (void)arg;
        for (;;) {
                pthread_barrier_wait(&stage.start);
                if (stage.over)
                        return NULL;
                one_of_the_crew(stage.x);
                rein_fail(-1, "lets go of what the trail holds");
                pthread_barrier_wait(&stage.end);
        }
}

static void unseen(const rein_error *e, void *arg)
{
        (void)arg;
        counts.late += rein_error_code(e) == REIN_EABANDONED;
}

static int start_thread(void *arg)
{
        (void)arg;
        return 0;
}

static rein_executor *some_pool(void)
{
        bool ini = test_random(4) == 0;
        int threads = 1 + (int)test_random(4);
        rein_executor *x = rein_pool_new(
                REIN_POOL(.threads = threads, .elastic = test_random(4) == 0,
                          .threads_max = threads + (int)test_random(4), .replace_abandoned = (int)test_random(2),
                          .queue_max = test_random(2) ? 4 : 0, .full = (rein_full)test_random(4),
                          .idle_ns = test_random(4) ? 0 : 1, .grace_ns = 1 + test_random(1000000),
                          .init = ini ? start_thread : NULL, .fini = ini ? start_thread : NULL));
        CHECK(x);
        return x;
}

static void stops_of_all_kinds(void **state)
{
        (void)state;
        pthread_t t[CREW];
        rein_executor_free(some_pool()); /* the clock's threads are there from now on */
        rein_on_unseen(unseen, NULL);
        phase("stops");
        effort e = effort_of(20000 / TEST_SLOW, 100);
        pthread_barrier_init(&stage.start, NULL, CREW + 1);
        pthread_barrier_init(&stage.end, NULL, CREW + 1);
        census then = census_now();
        for (int i = 0; i < CREW; i++)
                CHECK(pthread_create(&t[i], NULL, crew, NULL) == 0);
        int64_t began = rn_clock();
        long long rounds = 0;
        for (; !effort_done(&e, rounds); rounds++) {
                stage.x = some_pool();
                stage.restarts = test_random(2);
                pthread_barrier_wait(&stage.start);
                pthread_barrier_wait(&stage.end);
                stop_it(stage.x, REIN_STOP_NOW, REIN_NEVER, true);
                EVENTUALLY(rein_executor_unfinished(stage.x) == 0);
                rein_executor_free(stage.x);
                progress();
        }
        stage.over = true;
        pthread_barrier_wait(&stage.start);
        for (int i = 0; i < CREW; i++)
                pthread_join(t[i], NULL);
        census_returns_to(then);
        EVENTUALLY(counts.args_made == counts.args_back && counts.values_made == counts.values_back);
        EVENTUALLY(counts.nexts == counts.nexts_ran);
        printf("%lld pools in %.1f s: %lld stops (%lld stuck), %lld restarts; %lld jobs: %lld good, %lld failed, %lld cancelled, "
               "%lld refused, %lld abandoned (%lld told late); %lld stragglers in %lld receipts\n",
               rounds, (double)(rn_clock() - began) / 1e9, (long long)counts.stops, (long long)counts.stuck,
               (long long)counts.restarts, (long long)counts.args_made, (long long)counts.good,
               (long long)counts.failed, (long long)counts.canceled, (long long)counts.refused,
               (long long)counts.abandoned, (long long)counts.late, (long long)counts.stragglers,
               (long long)counts.receipts);
        assert_true(counts.good > 0 && counts.canceled > 0 && counts.stuck > 0 && counts.restarts > 0);
        assert_int_equal(counts.args_made,
                         counts.good + counts.failed + counts.canceled + counts.refused + counts.abandoned);
        rein_on_unseen(NULL, NULL);
}

/* ---- trees ---- */

enum { DEPTH = 6, SLOTS = 64 };

typedef struct node {
        int depth;
        atomic_int *below; /* the parent's count of children that run */
} node;

/* What may be cancelled from outside: filled in by the task that opens, taken out before the close. */
static struct slot {
        pthread_mutex_t lock;
        rein_group *group;
        rein_scope *scope;
} slots[SLOTS];

static struct {
        rein_executor *x;
        atomic_llong nodes, canceled_inside, canceled_outside, timed_out;
        atomic_bool over;
} trees;

static struct slot *publish(rein_group *g, rein_scope *s)
{
        struct slot *slot = &slots[test_random(SLOTS)];
        pthread_mutex_lock(&slot->lock);
        bool mine = !slot->group && !slot->scope;
        if (mine) {
                slot->group = g;
                slot->scope = s;
        }
        pthread_mutex_unlock(&slot->lock);
        return mine ? slot : NULL;
}

static void withdraw(struct slot *slot)
{
        if (!slot)
                return;
        pthread_mutex_lock(&slot->lock);
        slot->group = NULL;
        slot->scope = NULL;
        pthread_mutex_unlock(&slot->lock);
}

static void *cancels_from_outside(void *arg)
{
        (void)arg;
        while (!trees.over) {
                struct slot *slot = &slots[test_random(SLOTS)];
                pthread_mutex_lock(&slot->lock);
                if (slot->group)
                        rein_group_cancel(slot->group, "from outside");
                if (slot->scope)
                        rein_scope_cancel(slot->scope, "from outside");
                trees.canceled_outside += slot->group || slot->scope;
                pthread_mutex_unlock(&slot->lock);
                for (int i = 0; i < 20; i++)
                        sched_yield();
        }
        return NULL;
}

static void stop_nothing(void *arg)
{
        ++*(atomic_int *)arg;
}

/* A shield of an hour: whatever is cancelled outside, nothing inside may notice. */
static void clean_up_in_a_shield(void)
{
        rein_scope shield;
        rein_shield_open(&shield, REIN_SEC(3600));
        CHECK(rein_checkpoint() == 0);
        int rc = rein_sleep(rein_after(test_random(20000)));
        CHECK_RC(rc == 0, rc);
        CHECK(rein_checkpoint() == 0 && rein_why() == NULL);
        rc = rein_scope_close(&shield, 0);
        CHECK_RC(rc == 0, rc);
}

static int grow(void *arg);

static int grow_below(int depth)
{
        rein_group g;
        atomic_int below = 0, stops = 0;
        rein_hook h;
        rein_group_open(&g, REIN_GROUP(.policy = (rein_policy)test_random(4), .width = (int)test_random(3),
                                       .until = test_random(4) ? REIN_TIME(0) : rein_after(test_random(1000000))));
        struct slot *slot = publish(&g, NULL);
        uint32_t children = depth < DEPTH ? test_random(4) : 0;
        for (uint32_t i = 0; i < children; i++) {
                node n = {depth + 1, &below};
                rein_spawn(&g, trees.x, grow, REIN_COPY(n));
        }
        if (test_random(4) == 0)
                clean_up_in_a_shield();
        if (test_random(16) == 0)
                rein_group_cancel(&g, "from inside");
        int opened = rein_hook_open(&h, stop_nothing, &stops);
        CHECK_RC(opened == 0 || opened == REIN_ECANCELED, opened);
        if (opened == 0) {
                sched_yield();
                int rc = rein_hook_close(&h, 0);
                CHECK_RC(rc == (stops ? REIN_ECANCELED : 0), rc);
        }
        int seen = stops;
        int rc = rein_sleep(rein_after(test_random(10000)));
        CHECK_RC(rc == 0 || rc == REIN_ECANCELED, rc);
        withdraw(slot);
        rc = rein_group_close(&g, rc);
        CHECK_RC(rc == 0 || rc == REIN_ECANCELED || rc == REIN_ETIMEOUT || rc == REIN_EFAILED || rc == REIN_ESTOPPED,
                 rc);
        CHECK(below == 0);
        CHECK(stops == seen);
        trees.timed_out += rc == REIN_ETIMEOUT;
        return rc;
}

static int grow(void *arg)
{
        node *n = arg;
        ++*n->below;
        trees.nodes++;
        progress();
        rein_scope s;
        rein_scope_open(&s, test_random(8) ? REIN_NEVER : rein_after(test_random(500000)));
        struct slot *slot = publish(NULL, &s);
        int rc = test_random(16) ? grow_below(n->depth) : rein_fail(-EIO, "a node fails");
        if (rc == REIN_ECANCELED)
                CHECK(rein_why());
        withdraw(slot);
        rc = rein_scope_close(&s, rc);
        if (test_random(8) == 0)
                clean_up_in_a_shield();
        trees.canceled_inside += rc == REIN_ECANCELED;
        --*n->below;
        return rc == REIN_ESTOPPED ? 0 : rc;
}

static void *gardener(void *arg)
{
        const effort *e = arg;
        while (!effort_done(e, trees.nodes)) {
                atomic_int below = 0;
                node root = {0, &below};
                int rc = rein_on(trees.x, grow, REIN_COPY(root));
                CHECK_RC(below == 0, rc);
        }
        rein_fail(-1, "lets go of what the trail holds");
        return NULL;
}

static void trees_of_scopes(void **state)
{
        (void)state;
        pthread_t t[3];
        phase("trees");
        effort e = effort_of(2000000 / TEST_SLOW, 2000);
        rein_on_unseen(unseen, NULL);
        rein_executor_free(rein_pool_new(NULL));
        census then = census_now();
        for (int i = 0; i < SLOTS; i++)
                pthread_mutex_init(&slots[i].lock, NULL);
        trees.x = rein_pool_new(REIN_POOL(.threads = 4));
        int64_t began = rn_clock();
        CHECK(pthread_create(&t[0], NULL, cancels_from_outside, NULL) == 0);
        for (int i = 1; i < 3; i++)
                CHECK(pthread_create(&t[i], NULL, gardener, &e) == 0);
        for (int i = 1; i < 3; i++)
                pthread_join(t[i], NULL);
        trees.over = true;
        pthread_join(t[0], NULL);
        EVENTUALLY(rein_executor_unfinished(trees.x) == 0);
        rein_executor_free(trees.x);
        census_returns_to(then);
        printf("%lld nodes in %.1f s: %lld cancels from outside, %lld nodes cancelled, %lld groups past their deadline\n",
               (long long)trees.nodes, (double)(rn_clock() - began) / 1e9, (long long)trees.canceled_outside,
               (long long)trees.canceled_inside, (long long)trees.timed_out);
        assert_true(trees.canceled_inside > 0 && trees.timed_out > 0);
        rein_on_unseen(NULL, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(stops_of_all_kinds), cmocka_unit_test(trees_of_scopes)};
        watchdog_start();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        watchdog_stop();
        return failed;
}
