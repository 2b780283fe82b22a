/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines and their stacks. The same file tests every switch: it is built once more with ucontext, and for aarch64
 * by scripts/check.sh arm. Assertions are made on the thread's own stack only: they leave by longjmp. */
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>

#include <cmocka.h>

#include "coro/arena.h"
#include "coro/coro.h"
#include "coro/swap.h"
#include "plat/plat.h"

#if defined REIN_ASAN
#include <sanitizer/asan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

enum { STACK = 256 << 10, MANY = 100000 };

static rn_coro home; /* the test itself */

static int setup(void **state)
{
        (void)state;
        rn_coro_of_thread(&home);
        return 0;
}

/* ---- switching ---- */

typedef struct player {
        rn_coro coro;
        unsigned flags;
        int turns, rounds;
        bool ok;
} player;

static void count_turns(void *arg)
{
        player *p = arg;
        for (int i = 0; i < p->rounds; i++) {
                p->turns++;
                rn_coro_switch(&p->coro, &home, p->flags);
        }
        rn_coro_leave(&p->coro, &home, p->flags);
}

static void test_each_switch_runs_the_other_once(void **state)
{
        (void)state;
        for (unsigned flags = 0; flags <= RN_CORO_NO_SYNC; flags++) {
                player p = {.flags = flags, .rounds = 10000};
                assert_int_equal(rn_coro_make(&p.coro, STACK, count_turns, &p), 0);
                assert_int_equal(p.turns, 0);
                for (int i = 1; i <= p.rounds; i++) {
                        rn_coro_switch(&home, &p.coro, flags);
                        assert_int_equal(p.turns, i);
                }
                rn_coro_switch(&home, &p.coro, flags);
                assert_int_equal(p.turns, p.rounds);
                rn_coro_free(&p.coro);
        }
}

typedef struct ring {
        rn_coro coros[8];
        int order[24], n;
} ring;

static ring *the_ring;

static void pass_on(void *arg)
{
        ring *r = the_ring;
        int me = (int)(intptr_t)arg;
        for (int round = 0; round < 3; round++) {
                r->order[r->n++] = me;
                rn_coro_switch(&r->coros[me], me < 7 ? &r->coros[me + 1] : &home, 0);
        }
        rn_coro_leave(&r->coros[me], &home, 0);
}

static void test_coroutines_switch_among_themselves(void **state)
{
        (void)state;
        ring r = {.n = 0};
        the_ring = &r;
        for (intptr_t i = 0; i < 8; i++)
                assert_int_equal(rn_coro_make(&r.coros[i], STACK, pass_on, (void *)i), 0);
        for (int round = 0; round < 3; round++)
                rn_coro_switch(&home, &r.coros[0], 0);
        assert_int_equal(r.n, 24);
        for (int i = 0; i < 24; i++)
                assert_int_equal(r.order[i], i % 8);
        for (int i = 0; i < 8; i++)
                rn_coro_free(&r.coros[i]);
}

/* ---- what survives a switch ---- */

/* The compiler may not know that a value is what it was before. */
#define NEW_VALUE(x) __asm__ volatile("" : "+r"(x))
#if defined __x86_64__
#define NEW_DOUBLE(x) __asm__ volatile("" : "+x"(x))
#elif defined __aarch64__
#define NEW_DOUBLE(x) __asm__ volatile("" : "+w"(x))
#else
#define NEW_DOUBLE(x) ((void)0)
#endif

/* More values alive across a call than there are callee-saved registers, and the frame pointer in use. bare: by rn_swap
 * itself, because functions between save registers too. */
__attribute__((noinline)) static bool keeps_values(rn_coro *from, rn_coro *to, uint64_t seed, double fraction,
                                                   bool bare)
{
        volatile char on_the_stack[20 + seed % 7];
        on_the_stack[19] = (char)seed;
        uint64_t v[14];
        double d[10];
        for (unsigned i = 0; i < 14; i++)
                v[i] = seed * (i + 3);
        for (unsigned i = 0; i < 10; i++)
                d[i] = fraction * (i + 3);
        uint64_t v0 = v[0], v1 = v[1], v2 = v[2], v3 = v[3], v4 = v[4], v5 = v[5], v6 = v[6], v7 = v[7], v8 = v[8],
                 v9 = v[9], v10 = v[10], v11 = v[11], v12 = v[12], v13 = v[13];
        double d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5], d6 = d[6], d7 = d[7], d8 = d[8],
               d9 = d[9];
#define EACH(do, op)                                                                                                   \
        do                                                                                                             \
        (0) op do(1) op do(2) op do(3) op do(4) op do(5) op do(6) op do(7) op do(8) op do(9)
#define MORE(do, op)                                                                                                   \
        do                                                                                                             \
        (10) op do(11) op do(12) op do(13)
#define NEW_V(i)  NEW_VALUE(v##i)
#define NEW_D(i)  NEW_DOUBLE(d##i)
#define SAME_V(i) (v##i == seed * (i + 3))
#define SAME_D(i) (d##i == fraction * (i + 3))
        EACH(NEW_V, ;);
        MORE(NEW_V, ;);
        EACH(NEW_D, ;);
        if (bare)
                rn_swap(&from->sp, to->sp);
        else
                rn_coro_switch(from, to, 0);
        EACH(NEW_V, ;);
        MORE(NEW_V, ;);
        EACH(NEW_D, ;);
        NEW_VALUE(seed);
        return on_the_stack[19] == (char)seed && EACH(SAME_V, &&) && MORE(SAME_V, &&) && EACH(SAME_D, &&);
}

static void keep_values(void *arg)
{
        player *p = arg;
        p->ok = true;
        for (int i = 0; i < p->rounds; i++)
                p->ok = keeps_values(&p->coro, &home, 0x0123456789abcdef + 77 * (uint64_t)i, i * 0.3, p->flags) &&
                        p->ok;
        p->turns = p->rounds;
        rn_coro_leave(&p->coro, &home, 0);
}

static void values_survive(bool bare)
{
        player p = {.rounds = 100, .flags = bare};
        bool ok = true;
        assert_int_equal(rn_coro_make(&p.coro, STACK, keep_values, &p), 0);
        for (int i = 0; i < p.rounds; i++)
                ok = keeps_values(&home, &p.coro, 0xfedcba9876543210 + 13 * (uint64_t)i, i * 0.7, bare) && ok;
        rn_coro_switch(&home, &p.coro, 0);
        assert_true(ok);
        assert_true(p.ok);
        assert_int_equal(p.turns, p.rounds);
        rn_coro_free(&p.coro);
}

static void test_values_in_registers_survive(void **state)
{
        (void)state;
        values_survive(false);
#if !defined REIN_ASAN && !defined REIN_TSAN /* which must be told */
        values_survive(true);
#endif
}

/* One third and minus one third, of which "to nearest" rounds one up and one down. On x86-64 mxcsr rules the first two,
 * the x87 control word the others. */
typedef struct thirds {
        double plus, minus;
        long double long_plus, long_minus;
} thirds;

__attribute__((noinline)) static thirds divide(void)
{
        volatile double one = 1, minus = -1, three = 3;
        volatile long double long_one = 1, long_minus = -1, long_three = 3;
        return (thirds){one / three, minus / three, long_one / long_three, long_minus / long_three};
}

static bool all_greater(const thirds *a, const thirds *b)
{
        return a->plus > b->plus && a->minus > b->minus && a->long_plus > b->long_plus && a->long_minus > b->long_minus;
}

/* Does everything round as `mode` says, and not as its opposite? */
static bool rounds(int mode)
{
        int had = fegetround();
        thirds now = divide();
        fesetround(mode == FE_UPWARD ? FE_DOWNWARD : FE_UPWARD);
        thirds other = divide();
        fesetround(had);
        return had == mode && (mode == FE_UPWARD ? all_greater(&now, &other) : all_greater(&other, &now));
}

static void round_up(void *arg)
{
        player *p = arg;
        p->ok = rounds(FE_DOWNWARD); /* as its maker */
        fesetround(FE_UPWARD);
        for (int i = 0; i < p->rounds; i++) {
                rn_coro_switch(&p->coro, &home, 0);
                p->ok = p->ok && rounds(FE_UPWARD);
        }
        rn_coro_leave(&p->coro, &home, 0);
}

static void test_rounding_mode_is_each_coroutines_own(void **state)
{
        (void)state;
        if (RUNNING_ON_VALGRIND)
                skip(); /* it rounds to nearest, whatever one says */
        player p = {.rounds = 3};
        bool ok = true;
        int had = fegetround();
        fesetround(FE_DOWNWARD);
        int rc = rn_coro_make(&p.coro, STACK, round_up, &p);
        fesetround(had);
        assert_int_equal(rc, 0);
        fesetround(FE_DOWNWARD);
        for (int i = 0; i <= p.rounds; i++) {
                rn_coro_switch(&home, &p.coro, 0);
                ok = ok && rounds(FE_DOWNWARD);
        }
        fesetround(had);
        assert_true(ok);
        assert_true(p.ok);
        rn_coro_free(&p.coro);
}

static void keep_errno(void *arg)
{
        player *p = arg;
        p->ok = errno == 0;
        for (int i = 1; i <= p->rounds; i++) {
                errno = i;
                rn_coro_switch(&p->coro, &home, 0);
                p->ok = p->ok && errno == i;
        }
        rn_coro_leave(&p->coro, &home, 0);
}

static void test_errno_is_each_coroutines_own(void **state)
{
        (void)state;
        player p = {.rounds = 5};
        assert_int_equal(rn_coro_make(&p.coro, STACK, keep_errno, &p), 0);
        for (int i = 0; i <= p.rounds; i++) {
                errno = 1000 + i;
                rn_coro_switch(&home, &p.coro, 0);
                assert_int_equal(errno, 1000 + i);
        }
        assert_true(p.ok);
        rn_coro_remake(&p.coro, keep_errno, &p);
        rn_coro_switch(&home, &p.coro, 0);
        rn_coro_remake(&p.coro, keep_errno, &p); /* stopped while it was 1 */
        rn_coro_switch(&home, &p.coro, 0);
        assert_true(p.ok);
        rn_coro_free(&p.coro);
}

/* ---- remaking ---- */

static int mappings(void)
{
        FILE *f = fopen("/proc/self/maps", "r");
        int lines = 0;
        for (int c; f && (c = getc(f)) != EOF;)
                lines += c == '\n';
        if (f)
                fclose(f);
        return lines;
}

static long mapped_kib(void)
{
        FILE *f = fopen("/proc/self/status", "r");
        char line[256];
        long kib = -1;
        while (f && kib < 0 && fgets(line, sizeof line, f))
                if (sscanf(line, "VmSize: %ld", &kib) != 1)
                        kib = -1;
        if (f)
                fclose(f);
        return kib;
}

static void use(volatile char *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                bytes[i] = (char)i;
}

/* A few frames with arrays, that is with redzones (on the fake stack and on the real one), and then away for ever or for
 * the time being. */
__attribute__((noinline)) static void dive(player *p, int depth, bool leave)
{
        char bytes[100], real[50 + depth % 5];
        use(bytes, sizeof bytes);
        use(real, sizeof real);
        if (depth > 0)
                dive(p, depth - 1, leave);
        else if (leave)
                rn_coro_leave(&p->coro, &home, p->flags);
        else
                rn_coro_switch(&p->coro, &home, p->flags);
        use(bytes, sizeof bytes);
        use(real, sizeof real);
}

static void dive_and_leave(void *arg)
{
        player *p = arg;
        p->turns++;
        dive(p, 5, true);
}

static void dive_and_stop(void *arg)
{
        player *p = arg;
        p->turns++;
        dive(p, p->turns % 20, false);
}

/* What the dropped frames poisoned would be hit here. */
static void use_all(void *arg)
{
        player *p = arg;
        char bytes[STACK / 4];
        use(bytes, sizeof bytes);
        p->ok = bytes[77] == 77;
        rn_coro_leave(&p->coro, &home, p->flags);
}

static void remake_many(void (*entry)(void *), unsigned flags)
{
        player p = {.flags = flags};
        assert_int_equal(rn_coro_make(&p.coro, STACK, entry, &p), 0);
        int maps = 0;
        long kib = 0;
        for (int i = 1; i <= MANY; i++) {
                rn_coro_switch(&home, &p.coro, flags);
                rn_coro_remake(&p.coro, entry, &p);
                if (i == 1000) {
                        maps = mappings();
                        kib = mapped_kib();
                }
        }
        assert_int_equal(p.turns, MANY);
        assert_true(mappings() <= maps + 4);
        assert_true(mapped_kib() <= kib + 4096);
        rn_coro_remake(&p.coro, use_all, &p);
#if defined REIN_ASAN
        assert_null(__asan_region_is_poisoned(p.coro.stack.low, p.coro.stack.size));
#endif
        rn_coro_switch(&home, &p.coro, flags);
        assert_true(p.ok);
        rn_coro_free(&p.coro);
}

static void test_an_ended_one_is_remade_100000_times_without_growth(void **state)
{
        (void)state;
        remake_many(dive_and_leave, 0);
        remake_many(dive_and_leave, RN_CORO_NO_SYNC);
}

static void test_a_stopped_one_is_remade_100000_times_without_growth(void **state)
{
        (void)state;
        remake_many(dive_and_stop, 0);
        remake_many(dive_and_stop, RN_CORO_NO_SYNC);
}

static void test_one_that_never_ran_is_remade_and_freed(void **state)
{
        (void)state;
        player p = {.rounds = 1};
        assert_int_equal(rn_coro_make(&p.coro, STACK, use_all, &p), 0);
        rn_coro_remake(&p.coro, count_turns, &p);
        rn_coro_switch(&home, &p.coro, 0);
        assert_int_equal(p.turns, 1);
        assert_false(p.ok);
        rn_coro_remake(&p.coro, use_all, &p);
        rn_coro_free(&p.coro);
        assert_null(p.coro.stack.low);
}

static void test_a_stack_of_a_stopped_one_is_clean_for_the_next(void **state)
{
        (void)state;
        for (int i = 0; i < 100; i++) {
                player p = {.flags = RN_CORO_NO_SYNC, .turns = 18}, q = {.flags = RN_CORO_NO_SYNC};
                assert_int_equal(rn_coro_make(&p.coro, STACK, dive_and_stop, &p), 0);
                rn_coro_switch(&home, &p.coro, RN_CORO_NO_SYNC);
                char *low = p.coro.stack.low;
                rn_coro_free(&p.coro);
                assert_int_equal(rn_coro_make(&q.coro, STACK, use_all, &q), 0);
                assert_ptr_equal(q.coro.stack.low, low);
                rn_coro_switch(&home, &q.coro, RN_CORO_NO_SYNC);
                assert_true(q.ok);
                rn_coro_free(&q.coro);
        }
}

typedef struct elsewhere {
        rn_coro thread;
        player player;
        bool ok;
} elsewhere;

static void run_elsewhere(void *arg)
{
        elsewhere *e = arg;
        char bytes[1000];
        use(bytes, sizeof bytes);
        e->player.turns++;
        rn_coro_switch(&e->player.coro, &e->thread, RN_CORO_NO_SYNC);
        use(bytes, sizeof bytes);
        e->player.turns++;
        rn_coro_leave(&e->player.coro, &e->thread, RN_CORO_NO_SYNC);
}

static void *thread_with_coroutines(void *arg)
{
        elsewhere *e = arg;
        rn_coro_of_thread(&e->thread);
        e->ok = true;
        for (int i = 0; i < 1000 && e->ok; i++) {
                e->player.turns = 0;
                e->ok = rn_coro_make(&e->player.coro, STACK, run_elsewhere, e) == 0;
                if (!e->ok)
                        break;
                rn_coro_switch(&e->thread, &e->player.coro, RN_CORO_NO_SYNC);
                rn_coro_switch(&e->thread, &e->player.coro, RN_CORO_NO_SYNC);
                rn_coro_free(&e->player.coro);
                e->ok = e->player.turns == 2;
        }
        return NULL;
}

/* Stacks go from thread to thread through the cache. */
static void test_threads_have_coroutines_of_their_own(void **state)
{
        (void)state;
        elsewhere e[3] = {0};
        pthread_t t[3];
        for (int i = 0; i < 3; i++)
                assert_int_equal(pthread_create(&t[i], NULL, thread_with_coroutines, &e[i]), 0);
        for (int i = 0; i < 3; i++)
                pthread_join(t[i], NULL);
        for (int i = 0; i < 3; i++)
                assert_true(e[i].ok);
}

/* What a child that runs fn comes to: its exit status, or 1000 and the number of the signal that ended it. */
static int child(void (*fn)(void *), void *arg)
{
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                setrlimit(RLIMIT_CORE, &(struct rlimit){0});
                fn(arg);
                _exit(0);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* ---- stacks ---- */

static void test_a_stack_given_back_is_taken_again(void **state)
{
        (void)state;
        rn_stack a, b, c;
        assert_int_equal(rn_stack_make(&a, 100000), 0);
        assert_int_equal(a.size, 128 << 10);
        char *low = a.low;
        a.low[0] = 1;
        rn_stack_free(&a);
        assert_null(a.low);
        assert_int_equal(rn_stack_make(&b, 130000), 0);
        assert_ptr_equal(b.low, low); /* of one class */
        assert_int_equal(rn_stack_make(&c, 64 << 10), 0);
        assert_int_equal(c.size, 64 << 10);
        rn_stack_free(&b);
        rn_stack_free(&c);
}

static void test_stacks_of_every_size(void **state)
{
        (void)state;
        const size_t most = RUNNING_ON_VALGRIND ? 1 << 20 : 1 << 30; /* it dumps all of it when a child crashes */
        for (size_t size = 1; size <= most; size *= 2) {
                rn_stack s[3];
                for (int i = 0; i < 3; i++) {
                        assert_int_equal(rn_stack_make(&s[i], size + (size_t)i), 0);
                        assert_true(s[i].size >= size + (size_t)i);
                        s[i].low[0] = s[i].low[s[i].size - 1] = 1;
                }
                for (int i = 0; i < 3; i++)
                        for (int k = 0; k < i; k++) /* the guard of the higher one is between them */
                                assert_true(s[i].low > s[k].low ? s[i].low >= s[k].low + s[k].size + RN_GUARD
                                                                : s[k].low >= s[i].low + s[i].size + RN_GUARD);
                for (int i = 0; i < 3; i++)
                        rn_stack_free(&s[i]);
        }
}

enum { CROWD = 4 * RN_ARENA_SPARE };
static rn_stack crowd[CROWD];

static void make_crowd(size_t size)
{
        for (int i = 0; i < CROWD; i++) {
                assert_int_equal(rn_stack_make(&crowd[i], size), 0);
                crowd[i].low[crowd[i].size - 1] = 1;
        }
}

static void test_what_is_kept_is_bounded(void **state)
{
        (void)state;
        if (RUNNING_ON_VALGRIND)
                skip(); /* it looks for each of so many stacks */
        const rn_arena_count before = rn_arenas_now();
        make_crowd(64 << 10);
        rn_arena_count now = rn_arenas_now();
        assert_int_equal(now.used, before.used + CROWD);
        const size_t arenas = now.arenas;
        for (int i = 0; i < CROWD; i++)
                rn_stack_free(&crowd[i]);
        now = rn_arenas_now(); /* whole arenas went */
        assert_int_equal(now.used, before.used);
        assert_true(now.arenas < arenas);
        assert_in_range(now.unused, RN_ARENA_SPARE / 2, RN_ARENA_SPARE);
        assert_in_range(now.warm, 1, 2 * RN_ARENA_SPARE + now.used);

        make_crowd(64 << 10);
        for (int i = 0; i < CROWD; i++) /* one in sixteen stays, and with it every arena */
                if (i % 16)
                        rn_stack_free(&crowd[i]);
        now = rn_arenas_now();
        assert_int_equal(now.used, before.used + CROWD / 16);
        assert_in_range(now.warm, RN_ARENA_SPARE, 2 * RN_ARENA_SPARE + now.used);
        for (int i = 0; i < CROWD; i += 16)
                rn_stack_free(&crowd[i]);
}

/* Pages that have memory. */
static size_t resident(const char *low, size_t size)
{
        static unsigned char pages[1024];
        size_t n = 0;
        assert_true(size / 4096 <= 1024);
        assert_int_equal(mincore((void *)(uintptr_t)low, size, pages), 0);
        for (size_t i = 0; i < size / 4096; i++)
                n += pages[i] & 1;
        return n;
}

static void test_a_deep_stack_that_is_given_back_keeps_its_top_alone(void **state)
{
        (void)state;
        if (RUNNING_ON_VALGRIND)
                skip(); /* it goes on to tell of the bytes what they were */
        rn_stack a, b;
        assert_int_equal(rn_stack_make(&a, 1 << 20), 0);
        for (size_t i = 0; i < a.size; i += 4096)
                a.low[i] = 1;
        a.low[a.size - 1] = 2;
        assert_int_equal(resident(a.low, a.size), a.size / 4096);
        char *low = a.low;
        rn_stack_free(&a);
        assert_int_equal(rn_stack_make(&b, 1 << 20), 0);
        assert_ptr_equal(b.low, low);
        assert_int_equal(resident(b.low, b.size), RN_ARENA_KEPT / 4096);
        assert_int_equal(b.low[b.size - 1], 2);
        assert_int_equal(b.low[0], 0);
        rn_stack_free(&b);
}

static bool faults(const char *at)
{
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        const bool refused = write(ends[1], at, 1) < 0 && errno == EFAULT;
        close(ends[0]);
        close(ends[1]);
        return refused;
}

static bool kernel_can_guard(void)
{
        enum { INSTALL = 102 }; /* MADV_GUARD_INSTALL */
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        const bool can = madvise(page, 4096, INSTALL) == 0 && faults(page);
        munmap(page, 4096);
        return can;
}

static void test_a_guard_takes_no_map_where_the_kernel_can(void **state)
{
        (void)state;
        enum { N = 1000 };
        if (RUNNING_ON_VALGRIND)
                skip();
        for (int by_maps = 0; by_maps < 2; by_maps++) {
                rn_guard_by_maps(by_maps);
                const int before = mappings();
                for (int i = 0; i < N; i++)
                        assert_int_equal(rn_stack_make(&crowd[i], by_maps ? 16 << 10 : 32 << 10), 0);
                const int grown = mappings() - before;
                for (int i = 0; i < N; i++)
                        rn_stack_free(&crowd[i]);
                if (!by_maps && kernel_can_guard())
                        assert_in_range(grown, 0, 20);
                else
                        assert_in_range(grown, N, 2 * N + 40);
        }
        rn_guard_by_maps(false);
}

/* As many as an older kernel allows for, and then again. */
static void use_up_the_maps(void *unused)
{
        enum { MOST = 100000, SOME = 5000 };
        static rn_stack s[MOST];
        (void)unused;
        rn_guard_by_maps(true);
        for (int round = 0, n = 0; round < 3; round++) {
                int rc = 0;
                while (n < MOST && (rc = rn_stack_make(&s[n], 16 << 10)) == 0) {
                        s[n].low[0] = 1;
                        n++;
                }
                if (rc != -ENOMEM || n < SOME || s[n].low)
                        _exit(1);
                for (int i = 0; i < SOME; i++)
                        rn_stack_free(&s[--n]);
        }
}

static void test_at_the_limit_of_maps_a_stack_fails_and_later_ones_work(void **state)
{
        (void)state;
        if (RUNNING_ON_VALGRIND)
                skip();
#if defined REIN_TSAN
        skip(); /* it does not live without maps */
#endif
        assert_int_equal(child(use_up_the_maps, NULL), 0);
}

static size_t fill_the_maps(char **filler)
{
        size_t n = 0;
        const size_t all = (size_t)4096 << 17;
        char *room = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        while (2 * n + 1 < all / 4096 && mprotect(room + 4096 * (2 * n + 1), 4096, PROT_READ) == 0)
                n++;
        *filler = room;
        return n;
}

/* Arenas lie beside each other and are one map: to unmap one in the middle takes a map more. */
static void free_without_maps(void *unused)
{
        (void)unused;
        char *filler;
        make_crowd(64 << 10);
        if (fill_the_maps(&filler) < 10000)
                _exit(1);
        for (int i = CROWD / 4; i < CROWD - CROWD / 4; i++) /* those in the middle */
                rn_stack_free(&crowd[i]);
        rn_arena_count now = rn_arenas_now();
        if (now.used != CROWD / 2 || (kernel_can_guard() && now.unused <= RN_ARENA_SPARE))
                _exit(2); /* none that could not be unmapped: nothing was tested */
        munmap(filler, (size_t)4096 << 17);
        for (int i = CROWD / 4; i < CROWD - CROWD / 4; i++) {
                if (rn_stack_make(&crowd[i], 64 << 10) != 0)
                        _exit(3);
                crowd[i].low[0] = 1;
        }
        for (int i = 0; i < CROWD; i++)
                if (!faults(crowd[i].low - 1) || !faults(crowd[i].low - RN_GUARD))
                        _exit(4);
        for (int i = 0; i < CROWD; i++)
                rn_stack_free(&crowd[i]);
        now = rn_arenas_now();
        _exit(now.used == 0 && now.unused <= RN_ARENA_SPARE ? 0 : 5);
}

static void test_an_arena_that_cannot_be_unmapped_is_used_again(void **state)
{
        (void)state;
        if (RUNNING_ON_VALGRIND)
                skip();
#if defined REIN_TSAN || defined REIN_ASAN
        skip(); /* they do not live without maps */
#endif
        assert_int_equal(child(free_without_maps, NULL), 0);
}

static void test_a_stack_that_cannot_be_had(void **state)
{
        (void)state;
        rn_coro c = {.err = 7};
        assert_int_equal(rn_coro_make(&c, SIZE_MAX, count_turns, NULL), -ENOMEM);
        assert_int_equal(rn_coro_make(&c, (size_t)1 << 60, count_turns, NULL), -ENOMEM);
        assert_int_equal(c.err, 7);
        assert_null(c.stack.low);
}

__attribute__((noinline, no_sanitize("address"))) static int fill(size_t n)
{
        volatile char bytes[n];
        for (size_t i = 0; i < n; i++)
                bytes[i] = 1;
        return bytes[n - 1];
}

static void fill_some(void *arg)
{
        player *p = arg;
        p->turns = fill((size_t)p->rounds);
        rn_coro_switch(&p->coro, &home, 0);
        rn_coro_leave(&p->coro, &home, 0);
}

static void test_the_deepest_byte_is_found(void **state)
{
        (void)state;
        enum { MORE = 16 << 10 }; /* what is used besides: frames of the sanitizers, a ucontext */
        player p = {.rounds = 100000};
        assert_int_equal(rn_coro_make(&p.coro, STACK, fill_some, &p), 0);
        rn_stack_paint(&p.coro.stack, false);
        rn_coro_remake(&p.coro, fill_some, &p);
        assert_true(rn_stack_deepest(&p.coro.stack) < MORE);
        rn_coro_switch(&home, &p.coro, 0);
        assert_in_range(rn_stack_deepest(&p.coro.stack), 100000, 100000 + MORE);

        p.rounds = 50000;
        rn_coro_remake(&p.coro, fill_some, &p);
        rn_coro_switch(&home, &p.coro, 0);
        assert_in_range(rn_stack_deepest(&p.coro.stack), 100000, 100000 + MORE);
        rn_stack_paint(&p.coro.stack, false);
        rn_coro_remake(&p.coro, fill_some, &p);
        rn_coro_switch(&home, &p.coro, 0);
        assert_in_range(rn_stack_deepest(&p.coro.stack), 50000, 50000 + MORE);
        rn_coro_free(&p.coro);

        assert_int_equal(rn_coro_make(&p.coro, STACK, fill_some, &p), 0);
        rn_coro_switch(&home, &p.coro, 0);
        assert_int_equal(rn_stack_deepest(&p.coro.stack), 0);
        rn_coro_free(&p.coro);
}

typedef struct depths {
        rn_coro coro;
        size_t depth[3];
} depths;

static void measure_oneself(void *arg)
{
        static const size_t n[] = {90000, 30000, 60000};
        depths *d = arg;
        for (int i = 0; i < 3; i++) {
                rn_stack_paint(&d->coro.stack, true);
                fill(n[i]);
                d->depth[i] = rn_stack_deepest(&d->coro.stack);
        }
        rn_coro_leave(&d->coro, &home, 0);
}

static void test_a_coroutine_measures_one_call_after_the_other(void **state)
{
        (void)state;
        enum { MORE = 16 << 10 };
        depths d = {.depth = {0}};
        assert_int_equal(rn_coro_make(&d.coro, STACK, measure_oneself, &d), 0);
        rn_coro_switch(&home, &d.coro, 0);
        assert_in_range(d.depth[0], 90000, 90000 + MORE);
        assert_in_range(d.depth[1], 30000, 30000 + MORE);
        assert_in_range(d.depth[2], 60000, 60000 + MORE);
        rn_coro_free(&d.coro);
}

/* ---- overflow ---- */

static rn_coro *overflowing;

static void on_fault(int signo, siginfo_t *info, void *context)
{
        (void)signo;
        (void)context;
        uintptr_t at = (uintptr_t)info->si_addr, low = (uintptr_t)overflowing->stack.low;
        _exit(at < low && low - at <= RN_GUARD ? 42 : 43);
}

__attribute__((noinline)) static int recurse(volatile int *depth)
{
        volatile char bytes[200];
        bytes[0] = (char)++*depth;
        return *depth == INT_MAX ? 0 : recurse(depth) + bytes[0];
}

static void overflow_by_recursion(void *arg)
{
        int depth = 0;
        recurse(&depth);
        rn_coro_leave(arg, &home, 0);
}

static void overflow_by_one_frame(void *arg)
{
        if (fill(STACK + 10 * RN_GUARD) != 1)
                return;
        rn_coro_leave(arg, &home, 0);
}

static void watch_for_overflow(rn_coro *c)
{
        static char other_stack[64 << 10];
        sigaltstack(&(stack_t){.ss_sp = other_stack, .ss_size = sizeof other_stack}, NULL);
        struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaction(SIGSEGV, &a, NULL);
        overflowing = c;
}

static void overflow(void *entry)
{
        rn_coro c;
        if (rn_coro_make(&c, STACK, *(void (**)(void *))entry, &c) != 0)
                _exit(1);
        watch_for_overflow(&c);
        rn_coro_switch(&home, &c, 0);
}

static void test_an_overflow_is_a_fault_in_the_guard(void **state)
{
        (void)state;
        if (RUNNING_ON_VALGRIND)
                skip(); /* the fault is reported, as it should */
        void (*entries[])(void *) = {overflow_by_recursion, overflow_by_one_frame};
        for (int i = 0; i < 4; i++) {
                rn_guard_by_maps(i < 2);
                assert_int_equal(child(overflow, &entries[i % 2]), 42);
        }
        rn_guard_by_maps(false);
}

/* ---- fork ---- */

static void overflow_of_the_parents(void *stopped)
{
        watch_for_overflow(stopped);
        rn_coro_switch(&home, stopped, 0);
}

static void overflow_when_resumed(void *arg)
{
        int depth = 0;
        rn_coro_switch(arg, &home, 0);
        recurse(&depth);
        rn_coro_leave(arg, &home, 0);
}

static void test_a_forked_child_has_the_guards_too(void **state)
{
        (void)state;
        if (RUNNING_ON_VALGRIND)
                skip();
        rn_coro c;
        assert_int_equal(rn_coro_make(&c, STACK, overflow_when_resumed, &c), 0);
        rn_coro_switch(&home, &c, 0);
        assert_int_equal(child(overflow_of_the_parents, &c), 42);
        rn_coro_free(&c);
}

static bool enough;

static void *make_and_free(void *unused)
{
        (void)unused;
        for (rn_stack s; !__atomic_load_n(&enough, __ATOMIC_SEQ_CST);)
                if (rn_stack_make(&s, 32 << 10) == 0)
                        rn_stack_free(&s);
        return NULL;
}

static void make_in_the_child(void *parents)
{
        rn_stack s;
        rn_stack_free(parents); /* left alone */
        if (rn_stack_make(&s, 32 << 10) != 0)
                _exit(1);
        s.low[0] = 1;
        const rn_arena_count now = rn_arenas_now();
        rn_stack_free(&s);
        _exit(now.used == 1 && now.arenas == 1 ? 0 : 2);
}

/* Another thread may have the lock at that moment. */
static void test_a_forked_child_makes_stacks_of_its_own(void **state)
{
        (void)state;
        pthread_t t;
        rn_stack s;
        if (RUNNING_ON_VALGRIND)
                skip(); /* the other thread would keep the turn */
        assert_int_equal(rn_stack_make(&s, 32 << 10), 0);
        assert_int_equal(pthread_create(&t, NULL, make_and_free, NULL), 0);
        int end = 0;
        for (int i = 0; i < 50 && end == 0; i++)
                end = child(make_in_the_child, &s);
        __atomic_store_n(&enough, true, __ATOMIC_SEQ_CST);
        pthread_join(t, NULL);
        assert_int_equal(end, 0);
        rn_stack_free(&s);
}

static void switch_to_ended(void *unused)
{
        (void)unused;
        player p = {.rounds = 0};
        signal(SIGILL, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        if (rn_coro_make(&p.coro, STACK, count_turns, &p) != 0)
                _exit(1);
        rn_coro_switch(&home, &p.coro, 0);
        rn_coro_switch(&home, &p.coro, 0);
}

static void test_an_ended_one_does_not_go_on(void **state)
{
        (void)state;
        int end = child(switch_to_ended, NULL);
        assert_true(end == 1000 + SIGILL || end == 1000 + SIGTRAP);
}

/* ---- unwinding ---- */

typedef struct walk {
        rn_coro coro;
        void *functions[64];
        int n;
        _Unwind_Reason_Code end;
} walk;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg)
{
        walk *w = arg;
        if (w->n == 64)
                return _URC_NORMAL_STOP;
        void *at = (void *)(_Unwind_GetIP(context) - 1);
        w->functions[w->n++] = _Unwind_FindEnclosingFunction(at);
        return _URC_NO_REASON;
}

__attribute__((noinline)) static void walk_from_below(walk *w, int depth)
{
        volatile int deeper = depth - 1;
        if (depth > 0)
                walk_from_below(w, deeper);
        else
                w->end = _Unwind_Backtrace(note_frame, w);
        deeper = 0;
}

static void walk_entry(void *arg)
{
        walk *w = arg;
        rn_coro_switch(&w->coro, &home, 0);
        walk_from_below(w, 3);
        rn_coro_leave(&w->coro, &home, 0);
}

static void test_a_backtrace_ends_at_the_entry(void **state)
{
        (void)state;
        walk w = {.n = 0};
        assert_int_equal(rn_coro_make(&w.coro, STACK, walk_entry, &w), 0);
        rn_coro_switch(&home, &w.coro, 0);
        rn_coro_switch(&home, &w.coro, 0);
        assert_int_equal(w.end, _URC_END_OF_STACK);
        for (int i = 0; i < 4; i++)
                assert_ptr_equal(w.functions[i], (void *)walk_from_below);
        assert_ptr_equal(w.functions[4], (void *)walk_entry);
        /* What called it: begin of coro.c and the outermost frame, or makecontext's; the last of all is no frame. */
        assert_int_equal(w.n, 8);
        for (int i = 0; i < w.n - 1; i++)
                assert_true(w.functions[i] != NULL);
        assert_null(w.functions[w.n - 1]);
        rn_coro_free(&w.coro);
}

/* ---- what nobody catches ---- */

typedef struct thrower {
        rn_coro coro;
        struct _Unwind_Exception thrown;
        _Unwind_Reason_Code end;
} thrower;

static int told;

static void tell(void)
{
        told++;
}

__attribute__((noinline)) static void throw_from_below(thrower *t, int depth)
{
        volatile int deeper = depth - 1;
        if (depth > 0)
                throw_from_below(t, deeper);
        else
                t->end = _Unwind_RaiseException(&t->thrown);
        deeper = 0;
}

static void throw_entry(void *arg)
{
        thrower *t = arg;
        throw_from_below(t, 3);
        rn_coro_leave(&t->coro, &home, 0);
}

static void test_a_throw_that_nobody_catches_is_told(void **state)
{
        (void)state;
        thrower t = {.end = _URC_NO_REASON};
        rn_coro_on_throw(tell);
        assert_int_equal(rn_coro_make(&t.coro, STACK, throw_entry, &t), 0);
        /* A ucontext_t is large, and its outermost frame is the C library's. */
        const bool ours = t.coro.stack.low + t.coro.stack.size - (char *)t.coro.sp < 500;
        rn_coro_switch(&home, &t.coro, 0);
        rn_coro_on_throw(NULL);
#if !defined __aarch64__ /* gcc 12's runtime there answers with what was in the register */
        assert_int_equal(t.end, _URC_END_OF_STACK);
#endif
        assert_int_equal(told, ours);
        rn_coro_free(&t.coro);
}

/* ---- what the sanitizers are told ---- */

#if defined REIN_ASAN
static void test_the_bounds_of_the_thread_are_known(void **state)
{
        (void)state;
        uintptr_t here = (uintptr_t)__builtin_frame_address(0);
        assert_true(home.room > 0);
        assert_in_range(here, (uintptr_t)home.bottom, (uintptr_t)home.bottom + home.room - 1);
}
#endif

#if defined REIN_TSAN
static int raced;
static rn_coro *taker;

static void touch(void *arg)
{
        player *p = arg;
        raced++;
        rn_coro_switch(&p->coro, &home, p->flags);
        rn_coro_leave(&p->coro, &home, p->flags);
}

static void touch_by_two(void *flags)
{
        if (!freopen("coro_test.race", "w", stderr))
                _exit(1);
        player a = {.flags = *(unsigned *)flags}, b = {.flags = *(unsigned *)flags};
        if (rn_coro_make(&a.coro, STACK, touch, &a) != 0 || rn_coro_make(&b.coro, STACK, touch, &b) != 0)
                _exit(1);
        rn_coro_switch(&home, &a.coro, a.flags);
        rn_coro_switch(&home, &b.coro, b.flags);
        if (raced != 2)
                _exit(1);
}

static bool race_was_reported(void)
{
        FILE *f = fopen("coro_test.race", "r");
        char line[512];
        bool found = false;
        while (f && fgets(line, sizeof line, f))
                found = found || strstr(line, "ThreadSanitizer: data race");
        if (f)
                fclose(f);
        unlink("coro_test.race");
        return found;
}

static void test_a_race_is_seen_when_switches_order_nothing(void **state)
{
        (void)state;
        unsigned flags = RN_CORO_NO_SYNC;
        assert_int_equal(child(touch_by_two, &flags), 66);
        assert_true(race_was_reported());
        flags = 0;
        assert_int_equal(child(touch_by_two, &flags), 0);
        assert_false(race_was_reported());
}

static void touch_given(void *arg)
{
        raced += *(int *)arg;
        rn_coro_switch(taker, &home, RN_CORO_NO_SYNC);
        rn_coro_leave(taker, &home, RN_CORO_NO_SYNC);
}

/* Whoever makes or remakes a coroutine has done what it did before; and its earlier runs are over. */
static void touch_by_runs(void *unused)
{
        (void)unused;
        static int given[10];
        rn_coro c;
        taker = &c;
        given[0] = 1;
        if (rn_coro_make(&c, STACK, touch_given, &given[0]) != 0)
                _exit(1);
        for (int i = 1; i < 10; i++) {
                rn_coro_switch(&home, &c, RN_CORO_NO_SYNC);
                given[i] = 1;
                rn_coro_remake(&c, touch_given, &given[i]);
        }
        rn_coro_free(&c);
        if (raced != 9)
                _exit(1);
}

static void test_runs_of_one_coroutine_do_not_race(void **state)
{
        (void)state;
        assert_int_equal(child(touch_by_runs, NULL), 0);
}
#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_switch_runs_the_other_once),
                cmocka_unit_test(test_coroutines_switch_among_themselves),
                cmocka_unit_test(test_values_in_registers_survive),
                cmocka_unit_test(test_rounding_mode_is_each_coroutines_own),
                cmocka_unit_test(test_errno_is_each_coroutines_own),
                cmocka_unit_test(test_an_ended_one_is_remade_100000_times_without_growth),
                cmocka_unit_test(test_a_stopped_one_is_remade_100000_times_without_growth),
                cmocka_unit_test(test_one_that_never_ran_is_remade_and_freed),
                cmocka_unit_test(test_a_stack_of_a_stopped_one_is_clean_for_the_next),
                cmocka_unit_test(test_threads_have_coroutines_of_their_own),
                cmocka_unit_test(test_a_stack_given_back_is_taken_again),
                cmocka_unit_test(test_stacks_of_every_size),
                cmocka_unit_test(test_what_is_kept_is_bounded),
                cmocka_unit_test(test_a_deep_stack_that_is_given_back_keeps_its_top_alone),
                cmocka_unit_test(test_a_guard_takes_no_map_where_the_kernel_can),
                cmocka_unit_test(test_at_the_limit_of_maps_a_stack_fails_and_later_ones_work),
                cmocka_unit_test(test_an_arena_that_cannot_be_unmapped_is_used_again),
                cmocka_unit_test(test_a_stack_that_cannot_be_had),
                cmocka_unit_test(test_the_deepest_byte_is_found),
                cmocka_unit_test(test_a_coroutine_measures_one_call_after_the_other),
                cmocka_unit_test(test_an_overflow_is_a_fault_in_the_guard),
                cmocka_unit_test(test_a_forked_child_has_the_guards_too),
                cmocka_unit_test(test_a_forked_child_makes_stacks_of_its_own),
                cmocka_unit_test(test_an_ended_one_does_not_go_on),
                cmocka_unit_test(test_a_backtrace_ends_at_the_entry),
                cmocka_unit_test(test_a_throw_that_nobody_catches_is_told),
#if defined REIN_ASAN
                cmocka_unit_test(test_the_bounds_of_the_thread_are_known),
#endif
#if defined REIN_TSAN
                cmocka_unit_test(test_a_race_is_seen_when_switches_order_nothing),
                cmocka_unit_test(test_runs_of_one_coroutine_do_not_race),
#endif
        };
        return cmocka_run_group_tests(tests, setup, NULL);
}
