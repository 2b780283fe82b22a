/* SPDX-License-Identifier: Apache-2.0 */
/* Each table that grows, and each place on the stack or in a batch that is only so large: one less than fits, exactly so
 * many, one more. Nothing is lost, nothing is there twice, the order is kept. Those of the command are linked in. */
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "../../cmd/rein/resume.h"
#include "../../cmd/rein/spool.h"
#include "../../cmd/rein/text.h"
#include "coro/arena.h"
#include "core/slab.h"
#include "loop/wheel.h"
#include "loop/loop.h"
#include "need.h"

/* From one less than a step to one more. */
#define AROUND(n, step) for (size_t n = (size_t)(step)-1; n <= (size_t)(step) + 1; n++)

/* ---- pollers ---- */

enum { MOST_FDS = 132, PART = 64 };

/* As many as are watched are told, each once, and afterwards none. */
static void watch_so_many(bool portable, size_t n)
{
        rn_poller *p;
        int fds[MOST_FDS];
        rn_ready found[PART];
        int told[4096] = {0};
        size_t all = 0;
        assert_int_equal(rn_poller_new(portable, &p), 0);
        for (size_t i = 0; i < n; i++) {
                fds[i] = eventfd(1, EFD_CLOEXEC);
                assert_in_range(fds[i], 3, 4095);
                assert_int_equal(rn_poller_watch(p, fds[i], RN_POLLIN), 0);
        }
        for (int got; (got = rn_poller_wait(p, found, PART, 0)) > 0; all += (size_t)got)
                for (int i = 0; i < got; i++)
                        told[found[i].fd]++;
        assert_int_equal(all, n);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(told[fds[i]], 1);
                assert_int_equal(rn_poller_watch(p, fds[i], RN_POLLIN),
                                 0); /* again, and every other one is taken back */
        }
        for (size_t i = 0; i < n; i += 2)
                rn_poller_unwatch(p, fds[i]);
        all = 0;
        for (int got; (got = rn_poller_wait(p, found, PART, 0)) > 0; all += (size_t)got)
                for (int i = 0; i < got; i++)
                        told[found[i].fd] += 10;
        assert_int_equal(all, n / 2);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(told[fds[i]], i % 2 ? 11 : 1);
                close(fds[i]);
        }
        rn_poller_free(p);
}

/* The table of poll(2) has room for 16, its bell among them, and doubles. */
static void test_a_poller_watches_any_number(void **state)
{
        (void)state;
        for (int portable = 0; portable < 2; portable++)
                for (size_t room = 16; room <= 128; room *= 2)
                        AROUND(n, room - 1)
        watch_so_many(portable, n);
}

/* ---- slabs and arenas ---- */

typedef struct record {
        rn_slab_item kept;
        size_t number;
} record;

static void take_so_many(rn_slab *s, rn_stock *stock, size_t n)
{
        enum { MOST = 200 };
        record *all[MOST];
        assert_true(n <= MOST);
        for (size_t i = 0; i < n; i++) {
                all[i] = stock ? rn_slab_take_by(stock) : rn_slab_take(s);
                assert_non_null(all[i]);
                all[i]->number = i;
                assert_int_equal(rn_slab_count(s), i + 1);
        }
        for (size_t i = 0; i < n; i++)
                assert_int_equal(all[i]->number, i);
        for (size_t i = 0; i < n; i++) {
                if (stock)
                        rn_slab_give_by(stock, all[i]);
                else
                        rn_slab_give(s, all[i]);
                assert_int_equal(rn_slab_count(s), n - i - 1);
        }
}

/* A chunk has a bundle of records; a stock two bundles. */
static void test_a_slab_has_any_number_of_records(void **state)
{
        (void)state;
        for (int with_stock = 0; with_stock < 2; with_stock++) {
                rn_slab s = {0};
                rn_stock stock = {.shelf = &s.shelf};
                rn_slab_init(&s, sizeof(record));
                for (size_t step = RN_BUNDLE; step <= 5 * RN_BUNDLE; step += RN_BUNDLE)
                        AROUND(n, step)
                take_so_many(&s, with_stock ? &stock : NULL, n);
                if (with_stock)
                        rn_stock_empty(&stock);
                assert_int_equal(rn_slab_count(&s), 0);
                for (rn_slab_chunk *c; (c = s.chunks);) {
                        s.chunks = c->next;
                        rn_free(c);
                }
        }
}

/* The first arena of a size has eight slots, each further one as many as there are. */
static void test_an_arena_has_any_number_of_stacks(void **state)
{
        (void)state;
        enum { MOST = 130, SIZE = 32 << 10 };
        for (size_t step = 8; step <= 128; step *= 2) {
                AROUND(n, step)
                {
                        rn_arena *from[MOST];
                        char *low[MOST];
                        size_t size;
                        for (size_t i = 0; i < n; i++) {
                                assert_int_equal(rn_arena_take(SIZE, &low[i], &size, &from[i]), 0);
                                assert_int_equal(size, SIZE);
                                memcpy(low[i], &i, sizeof i);
                                memcpy(low[i] + SIZE - sizeof i, &i, sizeof i);
                        }
                        assert_int_equal(rn_arenas_now().used, n);
                        for (size_t i = 0; i < n; i++) {
                                assert_memory_equal(low[i], &i, sizeof i);
                                assert_memory_equal(low[i] + SIZE - sizeof i, &i, sizeof i);
                                rn_arena_give(from[i], low[i]);
                        }
                        assert_int_equal(rn_arenas_now().used, 0);
                }
        }
}

/* ---- the wheel: where one level ends and the next begins ---- */

static void test_deadlines_on_both_sides_of_each_level(void **state)
{
        (void)state;
        static rn_wheel w;
        rn_wheel_node node[4 * RN_WHEEL_LEVELS];
        size_t n = 0;
        int64_t last = INT64_MIN;
        rn_wheel_init(&w);
        memset(node, 0, sizeof node);
        for (int level = RN_WHEEL_LEVELS - 1; level >= 0; level--) { /* a tick is 2^16 ns, a level has 64 slots */
                const int shift = 16 + 6 * level;
                const int64_t at = shift < 63 ? INT64_C(1) << shift : INT64_MAX - 2;
                for (int64_t off = -1; off <= 2; off++)
                        rn_wheel_push(&w, &node[n++], at + off);
        }
        assert_int_equal(w.count, n);
        for (size_t popped = 0; popped < n; popped++) {
                const int64_t next = rn_wheel_next(&w);
                rn_wheel_node *first = rn_wheel_pop(&w, next);
                if (!first) { /* at that time more was known */
                        assert_true(rn_wheel_next(&w) > next || rn_wheel_pop(&w, next - 1) == NULL);
                        popped--;
                        continue;
                }
                assert_true(first->at >= last && first->at <= next);
                last = first->at;
        }
        assert_int_equal(w.count, 0);
        assert_true(rn_wheel_next(&w) == INT64_MAX);
}

/* ---- what is on the stack up to a number of futures or cases ---- */

enum { MOST_FUTURES = 40 };

static void wait_for_so_many(size_t n)
{
        gate g[MOST_FUTURES];
        rein_future *f[MOST_FUTURES] = {NULL};
        for (size_t i = 0; i < n; i++) {
                g[i] = gate_new();
                f[i] = g[i].open;
        }
        assert_int_equal(rein_wait_all(f, n, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_wait_any(f, n, REIN_NOWAIT), REIN_ETIMEOUT);
        gate_open(&g[n - 1]);
        assert_int_equal(rein_wait_all(f, n, REIN_NOWAIT), n == 1 ? 0 : REIN_ETIMEOUT);
        assert_int_equal(rein_wait_any(f, n, REIN_NOWAIT), n - 1);
        assert_int_equal(rein_wait_first(f, n, REIN_NOWAIT), n - 1); /* the others are cancelled */
        assert_int_equal(rein_wait_all(f, n, REIN_NEVER), 0);
        bool seen[MOST_FUTURES] = {false};
        rein_done done;
        rein_done_open(&done, f, n);
        for (size_t i = 0; i < n; i++) {
                const int which = rein_done_next(&done, REIN_NOWAIT);
                assert_in_range(which, 0, n - 1);
                assert_false(seen[which]);
                seen[which] = true;
        }
        assert_int_equal(rein_done_next(&done, REIN_NOWAIT), -ENOENT);
        rein_done_close(&done);
        for (size_t i = 0; i < n; i++)
                gate_free(&g[i]);
}

static void select_among_so_many(size_t n)
{
        rein_case cases[MOST_FUTURES];
        rein_chan *c[MOST_FUTURES];
        int item[MOST_FUTURES] = {0};
        for (size_t i = 0; i < n; i++) {
                c[i] = rein_chan_new(sizeof(int), 1, NULL);
                assert_non_null(c[i]);
                cases[i] = (rein_case)REIN_ON_RECV(c[i], &item[i]);
        }
        assert_int_equal(rein_select(cases, n, REIN_NOWAIT), REIN_ETIMEOUT);
        for (size_t i = 0; i < n; i++) {
                const int sent = (int)i + 7;
                assert_int_equal(rein_chan_send(c[i], &sent, REIN_NOWAIT), 0);
                assert_int_equal(rein_select(cases, n, REIN_NEVER), i);
                assert_int_equal(item[i], sent);
        }
        for (size_t i = 0; i < n; i++)
                rein_chan_free(c[i]);
}

static void test_any_number_of_futures_and_cases(void **state)
{
        (void)state;
        wait_for_so_many(1);
        select_among_so_many(1);
        for (size_t step = 8; step <= 32; step *= 2) {
                AROUND(n, step)
                {
                        wait_for_so_many(n);
                        select_among_so_many(n);
                }
        }
        assert_int_equal(rein_wait_all(NULL, 0, REIN_NEVER), 0);
        assert_int_equal(rein_wait_any(NULL, 0, REIN_NEVER), -ENOENT);
        assert_int_equal(rein_wait_first(NULL, 0, REIN_NEVER), -ENOENT);
        assert_int_equal(rein_select(NULL, 0, REIN_NOWAIT), REIN_ETIMEOUT);
}

/* ---- a loop's batches ---- */

enum { MOST_JOBS = 520 };

typedef struct line {
        int said[MOST_JOBS], count;
} line;

typedef struct member {
        line *line;
        int number, fd;
} member;

static int job_say(void *arg)
{
        member *m = arg;
        m->line->said[m->line->count++] = m->number;
        return 0;
}

static int job_read_and_say(void *arg)
{
        member *m = arg;
        uint64_t n;
        int rc = rein_wait_fd(m->fd, POLLIN, REIN_NEVER);
        if (rc != POLLIN || read(m->fd, &n, sizeof n) != sizeof n)
                return rc < 0 ? rc : -EPROTO;
        return job_say(m);
}

/* Before a hosted loop is turned all of them have come. */
static void start_so_many(bool portable, size_t n)
{
        static member members[MOST_JOBS];
        line l = {.count = 0};
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "batch", .hosted = true, .portable = portable));
        for (size_t i = 0; i < n; i++) {
                members[i] = (member){&l, (int)i, -1};
                rein_drop(rein_submit(x, job_say, &members[i], NULL));
        }
        while (rein_loop_turn(x) > 0)
                ;
        assert_int_equal(l.count, n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(l.said[i], i);
        rein_executor_free(x);
}

/* All are ready at one look. Each runs once; they keep stacks for the next ones, but not all. */
static void wake_so_many(bool portable, size_t n)
{
        static member members[MOST_JOBS];
        bool seen[MOST_JOBS] = {false};
        line l = {.count = 0};
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "batch", .hosted = true, .portable = portable));
        for (size_t i = 0; i < n; i++) {
                members[i] = (member){&l, (int)i, eventfd(0, EFD_CLOEXEC)};
                assert_true(members[i].fd >= 0);
                rein_drop(rein_submit(x, job_read_and_say, &members[i], NULL));
        }
        while (rein_executor_queued(x) > 0)
                rein_loop_turn(x);
        assert_int_equal(rein_loop_turn(x), n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(eventfd_write(members[i].fd, 1), 0);
        while (rein_loop_turn(x) > 0)
                ;
        assert_int_equal(l.count, n);
        for (size_t i = 0; i < n; i++) {
                assert_false(seen[l.said[i]]);
                seen[l.said[i]] = true;
                close(members[i].fd);
        }
        assert_true(rn_loop_of(x)->idle_count <= 64);
        assert_int_equal(rn_loop_of(x)->idle_count, n < 64 ? n : 64);
        rein_executor_free(x);
}

/* 32 are taken under one lock, 256 begin in a turn, 64 descriptors come at a look, 64 stacks are kept. */
static void test_a_loop_takes_any_number_at_once(void **state)
{
        static const size_t steps[] = {32, 64, 256, 512};
        (void)state;
        for (int portable = 0; portable < 2; portable++)
                for (size_t i = 0; i < COUNT(steps); i++)
                        AROUND(n, steps[i])
        start_so_many(portable, n);
        for (int portable = 0; portable < 2; portable++)
                for (size_t step = 64; step <= 128; step *= 2)
                        AROUND(n, step)
        wake_so_many(portable, n);
}

/* ---- descriptors that share a list ---- */

static int job_wait_there(void *arg)
{
        return rein_wait_fd(*(int *)arg, POLLIN, REIN_NEVER);
}

static int two_of_one_list(void *arg)
{
        int ends[2], *numbers = arg;
        rein_group g;
        rein_future *f[2];
        NEED(pipe2(ends, O_CLOEXEC) == 0);
        NEED((numbers[0] = fcntl(ends[0], F_DUPFD_CLOEXEC, 20)) >= 0);
        NEED((numbers[1] = fcntl(ends[0], F_DUPFD_CLOEXEC, numbers[0] + RN_LOOP_BUCKETS)) ==
             numbers[0] + RN_LOOP_BUCKETS);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        for (int i = 0; i < 2; i++)
                f[i] = rein_spawn_future(&g, NULL, job_wait_there, &numbers[i], NULL);
        rein_sleep(REIN_NOWAIT);
        NEED(rein_close(numbers[0]) == 0);
        rein_await(f[0], NULL, REIN_NEVER);
        NEED(rein_code(f[0]) == -EBADF && rein_code(f[1]) == REIN_EPENDING);
        NEED(write(ends[1], "x", 1) == 1);
        NEED(rein_group_join(&g, REIN_NEVER) == 0 && rein_code(f[1]) == POLLIN);
        NEED(rein_close(numbers[1]) == 0);
        close(ends[0]);
        close(ends[1]);
        return rein_group_close(&g, 0);
}

static void test_descriptors_that_share_a_list_are_told_apart(void **state)
{
        int numbers[2];
        (void)state;
        _Static_assert((int)RN_LOOP_BUCKETS == (int)RN_FD_BUCKETS, "both lists are shared");
        assert_int_equal(rein_run(two_of_one_list, numbers, NULL), 0);
        assert_int_equal(rein_run(two_of_one_list, numbers, REIN_LOOP(.portable = true)), 0);
}

/* ---- lookups: sixteen at once, the rest wait ---- */

static int job_look_up(void *arg)
{
        rein_addr at;
        (void)arg;
        return rein_addr_find(-1, "localhost", "9", &at, REIN_NEVER);
}

static void test_any_number_of_lookups(void **state)
{
        (void)state;
        for (size_t step = 16; step <= 32; step *= 2) {
                AROUND(n, step)
                {
                        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "names"));
                        rein_future *f[MOST_FUTURES];
                        for (size_t i = 0; i < n; i++)
                                f[i] = rein_submit(x, job_look_up, NULL, NULL);
                        assert_int_equal(rein_wait_all(f, n, REIN_NEVER), 0);
                        for (size_t i = 0; i < n; i++) {
                                assert_int_equal(rein_code(f[i]), 0);
                                rein_drop(f[i]);
                        }
                        rein_executor_free(x);
                }
        }
}

/* ---- a pool's queue, a group's failures, texts ---- */

static void queue_so_many(size_t room, rein_full full)
{
        atomic_int runs = 0;
        gate g = gate_new();
        rein_future *f[MOST_FUTURES], *last, *first;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "queue", .threads = 1, .queue_max = room, .full = full));
        first = rein_submit(x, job_pass, &g, REIN_JOB(.on_worker = true));
        EVENTUALLY(rein_executor_queued(x) == 0);
        for (size_t i = 0; i < room; i++) {
                f[i] = rein_submit(x, job_count, &runs, REIN_JOB(.on_worker = true, .priority = i % 3 ? 0 : 1));
                assert_int_equal(rein_executor_queued(x), i + 1);
                assert_int_equal(rein_code(f[i]), REIN_EPENDING);
        }
        last = rein_submit(x, job_count, &runs, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_executor_queued(x), room);
        assert_int_equal(rein_code(last), full == REIN_FULL_REJECT ? REIN_EREJECTED : REIN_EPENDING);
        assert_int_equal(rein_code(f[0]), full == REIN_FULL_REJECT ? REIN_EPENDING : REIN_EREJECTED);
        gate_open(&g);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(runs, room);
        for (size_t i = 0; i < room; i++)
                rein_drop(f[i]);
        rein_drop(first);
        rein_drop(last);
        rein_executor_free(x);
        gate_free(&g);
}

static void test_a_queue_is_as_long_as_it_may_be(void **state)
{
        (void)state;
        for (size_t room = 1; room <= 33; room += 16) {
                queue_so_many(room, REIN_FULL_REJECT);
                queue_so_many(room, REIN_FULL_DROP_OLDEST);
        }
}

static int fail_when_all_are_there(void *arg)
{
        (void)gate_pass(arg);
        return rein_fail(-EIO, "mine");
}

/* The first sixteen failures are told whole. */
static void test_a_group_has_any_number_of_failures(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "failing", .threads = 18));
        AROUND(n, 16)
        {
                size_t told = 0;
                gate all = gate_new();
                rein_group g;
                rein_group_open(&g, REIN_GROUP(.policy = REIN_FIRST)); /* no failure stops the others */
                for (size_t i = 0; i < n; i++)
                        rein_spawn(&g, x, fail_when_all_are_there, &all, REIN_JOB(.on_worker = true));
                gate_open(&all);
                assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
                for (const rein_error *e = rein_error_cause(rein_trail()); e; e = rein_error_next(e)) {
                        assert_int_equal(rein_error_code(e), -EIO);
                        told++;
                }
                assert_int_equal(told, n < 16 ? n : 16);
                char count[64];
                snprintf(count, sizeof count, "%zu of the group's %zu children failed", n, n);
                assert_non_null(strstr(rein_error_text(rein_trail()), count));
                assert_int_equal(strstr(rein_error_text(rein_trail()), "the first 16 are told") != NULL, n > 16);
                gate_free(&all);
        }
        rein_executor_free(x);
}

/* The names that a task tells of itself are kept for ever, and so only 512 of them. */
static void test_texts_are_kept_up_to_their_number(void **state)
{
        (void)state;
        const char *kept[520];
        char text[32];
        size_t n = 0;
        for (size_t i = 0; i < COUNT(kept); i++) {
                snprintf(text, sizeof text, "text %zu", i);
                kept[i] = rn_text_for_ever(text);
                n += kept[i] != NULL;
        }
        assert_in_range(n, 400, 512); /* those of this program's pools are among the 512 */
        for (size_t i = 0; i < COUNT(kept); i++) {
                snprintf(text, sizeof text, "text %zu", i);
                assert_ptr_equal(rn_text_for_ever(text), kept[i]);
                assert_int_equal(kept[i] != NULL, i < n);
                if (kept[i])
                        assert_string_equal(kept[i], text);
        }
        /* An executor that has none does its work all the same. */
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "of which no text is kept", .threads = 1));
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        rein_executor_free(x);
}

/* ---- what is told on stderr, up to a number of lines ---- */

static int lines_with(const char *text, const char *piece)
{
        int n = 0;
        for (; (text = strstr(text, piece)); text += strlen(piece))
                n++;
        return n;
}

static int lose_promises(size_t n)
{
        static char places[MOST_FUTURES][32];
        for (size_t i = 0; i < n; i++) {
                rein_future *f;
                snprintf(places[i], sizeof places[i], "place.c:%zu", i);
                (void)rein_promise_new_at(places[i], &f);
        }
        return 0;
}

/* clang-format off */
#define FUNCTION(n)                                                                                                    \
        static int function_##n(void *arg)                                                                             \
        {                                                                                                              \
                return arg ? n : 0;                                                                                    \
        }
#define TEN(what, n)                                                                                                   \
        what(n##0) what(n##1) what(n##2) what(n##3) what(n##4) what(n##5) what(n##6) what(n##7) what(n##8) what(n##9)
#define ALL(what)                                                                                                      \
        TEN(what, 1)                                                                                                   \
        TEN(what, 2)                                                                                                   \
        TEN(what, 3)                                                                                                   \
        TEN(what, 4) TEN(what, 5) TEN(what, 6) TEN(what, 7) TEN(what, 8) TEN(what, 9) TEN(what, 10) TEN(what, 11)      \
                TEN(what, 12) TEN(what, 13)
/* clang-format on */
#define NAME(n) function_##n,

ALL(FUNCTION)
static const rein_fn functions[] = {ALL(NAME)};

static int measure_stacks(size_t n)
{
        rein_executor *x = rein_loop_new(REIN_LOOP(.name = "deep", .tell_stacks = true));
        for (int round = 0; round < 2; round++)
                for (size_t i = 0; i < n; i++)
                        if (rein_on(x, functions[i], NULL, REIN_JOB(.on_worker = true)) != 0)
                                return 1;
        rein_executor_free(x);
        return 0;
}

/* "promises 17", "stacks 129" */
static int told_main(const char *what)
{
        const size_t n = (size_t)atoi(strchr(what, ' '));
        alarm(60); /* a hang is death by SIGALRM */
        harness_leaves_all("what it loses is what is counted");
        return what[0] == 'p' ? lose_promises(n) : measure_stacks(n);
}

static void tell(const char *what, size_t n, char said[64000])
{
        char name[32], command[300];
        size_t have = 0;
        snprintf(name, sizeof name, "%s %zu", what, n);
        snprintf(command, sizeof command, "exec /proc/%d/exe '%s' 2>&1", getpid(), name);
        FILE *f = popen(command, "r");
        assert_non_null(f);
        have = fread(said, 1, 63999, f);
        said[have] = 0;
        assert_int_equal(pclose(f), 0);
}

static void test_what_is_told_is_so_much_and_the_rest_is_counted(void **state)
{
        static char said[64000];
        (void)state;
        AROUND(n, 16)
        { /* places of lost promises */
                tell("promises", n, said);
                assert_int_equal(lines_with(said, "(place.c:"), n < 16 ? n : 16);
                assert_int_equal(lines_with(said, "\n"), n);
        }
        AROUND(n, 128)
        { /* functions whose stacks are told */
                tell("stacks", n, said);
                assert_int_equal(lines_with(said, " runs: job "), n < 128 ? n : 128);
                assert_int_equal(lines_with(said, "more functions than are told apart"), n > 128);
        }
}

/* ---- the command's tables ---- */

static struct key key_of_number(int i)
{
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        return key_of((char *[]){number, NULL});
}

/* Room for 1,024, doubled when three quarters are taken: so that a free place is always found. */
static void resume_so_many(int n)
{
        struct resume r;
        char key[33], name[] = "/tmp/rein-growth-XXXXXX";
        FILE *log = fdopen(mkostemp(name, O_CLOEXEC), "w");
        assert_non_null(log);
        for (int i = 0; i < n; i++) {
                key_text(key, key_of_number(i));
                fprintf(log, "{\"ended\":\"success\",\"key\":\"%s\"}\n", key);
        }
        fclose(log);
        assert_int_equal(resume_read(&r, name), 0);
        unlink(name);
        assert_int_equal(r.used, n);
        assert_true(n == 0 || (r.room & (r.room - 1)) == 0);
        assert_true(r.used * 4 <= r.room * 3);
        for (int i = n; i-- > 0;) {
                assert_true(resume_take(&r, key_of_number(i)));
                assert_false(resume_take(&r, key_of_number(i))); /* each success counts once */
        }
        assert_false(resume_take(&r, key_of_number(n)));
        resume_free(&r);
}

static void test_a_log_has_any_number_of_successes(void **state)
{
        (void)state;
        resume_so_many(0);
        resume_so_many(1);
        for (int full = 768; full <= 6144; full *= 2)
                AROUND(n, full)
        resume_so_many((int)n);
}

static unsigned char byte_at(size_t i)
{
        return (unsigned char)(i * 31 + i / 256);
}

static void spool_so_many(size_t n, size_t piece)
{
        static unsigned char bytes[70000], back[70000];
        struct spool s = {0};
        for (size_t i = 0; i < n; i++)
                bytes[i] = byte_at(i);
        for (size_t done = 0; done < n; done += piece)
                assert_int_equal(spool_add(&s, bytes + done, n - done < piece ? n - done : piece), 0);
        assert_int_equal(s.n, n);
        assert_int_equal(s.file != 0, n > 16384);
        assert_int_equal(spool_read(&s, 0, back, sizeof back), n);
        assert_memory_equal(back, bytes, n);
        if (n > 1)
                assert_int_equal(spool_read(&s, (int64_t)n - 1, back, 2), 1);
        assert_int_equal(spool_read(&s, (int64_t)n, back, 1), 0);
        spool_clear(&s);
        assert_true(!s.memory && !s.file && !s.n);
}

/* In memory that doubles from 256 bytes on, and above 16 KiB in a file. */
static void test_a_spool_has_any_number_of_bytes(void **state)
{
        (void)state;
        spool_so_many(0, 1);
        for (size_t step = 256; step <= 32768; step *= 2) {
                AROUND(n, step)
                {
                        spool_so_many(n, 7);
                        spool_so_many(n, 4096);
                        spool_so_many(n, n);
                }
        }
}

static void test_a_text_has_any_length(void **state)
{
        (void)state;
        for (size_t step = 256; step <= 4096; step *= 2) {
                AROUND(n, step)
                {
                        struct text a = {0}, b = {0}, c = {0};
                        for (size_t i = 0; i < n; i++)
                                text_add(&a, "x", 1);
                        text_printf(&b, "%*s", (int)n, "");
                        assert_false(a.failed || b.failed);
                        assert_int_equal(a.n, n);
                        assert_int_equal(b.n, n);
                        assert_int_equal(strlen(a.at), n);
                        assert_int_equal(strlen(b.at), n);
                        text_put(&c, a.at);
                        assert_string_equal(c.at, a.at);
                        text_free(&a);
                        text_free(&b);
                        text_free(&c);
                }
        }
}

int main(int argc, char **argv)
{
        if (argc == 2)
                return told_main(argv[1]);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_poller_watches_any_number),
                cmocka_unit_test(test_a_slab_has_any_number_of_records),
                cmocka_unit_test(test_an_arena_has_any_number_of_stacks),
                cmocka_unit_test(test_deadlines_on_both_sides_of_each_level),
                cmocka_unit_test(test_any_number_of_futures_and_cases),
                cmocka_unit_test(test_a_loop_takes_any_number_at_once),
                cmocka_unit_test(test_descriptors_that_share_a_list_are_told_apart),
                cmocka_unit_test(test_any_number_of_lookups),
                cmocka_unit_test(test_a_queue_is_as_long_as_it_may_be),
                cmocka_unit_test(test_a_group_has_any_number_of_failures),
                cmocka_unit_test(test_texts_are_kept_up_to_their_number),
                cmocka_unit_test(test_what_is_told_is_so_much_and_the_rest_is_counted),
                cmocka_unit_test(test_a_log_has_any_number_of_successes),
                cmocka_unit_test(test_a_spool_has_any_number_of_bytes),
                cmocka_unit_test(test_a_text_has_any_length),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
