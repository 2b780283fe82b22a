/* SPDX-License-Identifier: Apache-2.0 */
/* The machine: memory, time and chance, words to sleep on, locks, threads.
 *
 * Memory. Every block has a header in a list; what is given back is kept, unusable, until the schedule ends, so that a
 * late use is seen and not somebody else's. Records that live as long as the process live as long as the simulation. */
#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/world.h"

/* What compilers and their runtimes have for this; NULL: the program was compiled without that sanitizer. */
extern void __asan_poison_memory_region(const volatile void *at, size_t n) __attribute__((weak));
extern void __asan_unpoison_memory_region(const volatile void *at, size_t n) __attribute__((weak));
extern void __tsan_write_range(void *at, unsigned long n) __attribute__((weak)); /* declared nowhere */

static void memory_hide(const void *at, size_t n)
{
        if (__asan_poison_memory_region)
                __asan_poison_memory_region(at, n);
}

static void memory_show(const void *at, size_t n)
{
        if (__asan_unpoison_memory_region)
                __asan_unpoison_memory_region(at, n);
}

/* Giving back is a write to all of it. */
static void memory_write_all(void *at, size_t n)
{
        if (__tsan_write_range)
                __tsan_write_range(at, n);
}

/* ---- memory ---- */

enum { IN_USE = 0x5eed, GIVEN_BACK = 0xdead };

typedef struct rn_block {
        struct rn_block *next, *before;
        size_t size;
        uint32_t state;
        bool for_ever;
        _Alignas(16) char bytes[];
} rn_block;

static void *sim_alloc(size_t n, bool for_ever)
{
        rn_sim_state *s = rn_sim;
        rn_block *b = n <= SIZE_MAX - sizeof *b ? rn_host_alloc(sizeof *b + n) : NULL;
        if (!b)
                return NULL;
        b->size = n;
        b->state = IN_USE;
        b->for_ever = for_ever;
        b->next = s->blocks;
        if (b->next)
                b->next->before = b;
        s->blocks = b;
        return b->bytes;
}

/* Looked at where it happens: at the point before, another may give it back as well. */
static void sim_free(void *p)
{
        rn_sim_state *s = rn_sim;
        if (!p)
                return;
        rn_block *b = (rn_block *)(void *)((char *)p - offsetof(rn_block, bytes));
        if (s->plan->observe && s->running && b->state == IN_USE)
                rn_sim_op((rn_op){.kind = RN_OP_FREE, .at = b->bytes, .len = b->size});
        rn_weak_gives_back(b->bytes, b->size);
        if (b->state != IN_USE) {
                rn_sim_over(REIN_SIM_MISUSE, "%s",
                            b->state == GIVEN_BACK ? "memory was given back twice"
                                                   : "memory from outside was given back inside");
                return;
        }
        RN_ASSERT(b->before ? b->before->next == b : s->blocks == b, "a block in use is in the list of those");
        b->state = GIVEN_BACK;
        if (b->next)
                b->next->before = b->before;
        if (b->before)
                b->before->next = b->next;
        else
                s->blocks = b->next;
        b->next = s->freed;
        s->freed = b;
        memory_write_all(b->bytes, b->size);
        memory_hide(b->bytes, b->size);
}

bool rn_sim_freed(const volatile void *at)
{
        const rn_sim_state *s = rn_sim;
        if (!s->plan->observe)
                return false;
        const char *p = (const char *)(uintptr_t)at;
        for (const rn_block *b = s->freed; b; b = b->next)
                if (p >= b->bytes && p < b->bytes + b->size)
                        return true;
        return false;
}

size_t rn_sim_memory_left(size_t *bytes)
{
        size_t count = 0;
        *bytes = 0;
        for (const rn_block *b = rn_sim->blocks; b; b = b->next) {
                if (b->for_ever)
                        continue;
                count++;
                *bytes += b->size;
        }
        return count;
}

static void blocks_free_all(rn_block *b)
{
        while (b) {
                rn_block *next = b->next;
                memory_show(b->bytes, b->size);
                rn_host_free(b);
                b = next;
        }
}

void rn_sim_memory_free(void)
{
        blocks_free_all(rn_sim->blocks);
        blocks_free_all(rn_sim->freed);
        rn_sim->blocks = rn_sim->freed = NULL;
        rn_host_free(rn_sim->owed);
}

/* ---- time and chance ---- */

static int64_t sim_clock(void)
{
        return rn_sim->now;
}

static int64_t sim_clock_at(int64_t due)
{
        rn_sim_state *s = rn_sim;
        if (s->running && due > s->now && due != RN_NEVER && s->plan->faults & REIN_SIM_EARLY &&
            rn_sim_pick(2, 'c', false))
                s->now = due;
        RN_ASSERT(s->now >= 0, "time begins after 0, and goes forward");
        return s->now;
}

/* The same numbers in every schedule: what is random in a program is not what differs between two runs. */
static uint64_t sim_random64(void)
{
        return rn_sim_random(&rn_sim->numbers);
}

const char rn_sim_letters[RN_SIM_FAULTS + 1] = "atfighpclxry";
_Static_assert(RN_CHOOSE_ALLOC == 0 && RN_CHOOSE_SPURIOUS == 6, "the faults of the library come first, in its order");
_Static_assert(REIN_SIM_LOSS == 1 << RN_SIM_LOSS && REIN_SIM_TWICE == 1 << RN_SIM_TWICE, "their bits");

uint32_t rn_sim_fault(uint32_t n, int kind)
{
        const rn_sim_state *s = rn_sim;
        if (!s->running || s->over)
                return 0;
        s->result->waits |= kind == RN_CHOOSE_SPURIOUS && !s->quiet;
        if (!(s->plan->faults >> kind & 1))
                return 0;
        return rn_sim_pick(n, rn_sim_letters[kind], false);
}

static uint32_t sim_choose(uint32_t n, int kind)
{
        return rn_sim_fault(n, kind);
}

/* ---- what a program gives away to have it released ---- */

typedef struct rn_owed {
        void (*release)(void *);
        const void *value;
        int64_t count; /* 0: a free place */
} owed_value;

static owed_value *owed_place(void (*release)(void *), const void *value)
{
        rn_sim_state *s = rn_sim;
        owed_value *free_place = NULL;
        for (size_t i = 0; i < s->owed_room; i++) {
                owed_value *o = &s->owed[i];
                if (o->count && o->release == release && o->value == value)
                        return o;
                if (!o->count && !free_place)
                        free_place = o;
        }
        if (free_place)
                return free_place;
        size_t room = s->owed_room ? 2 * s->owed_room : 32;
        owed_value *more = rn_host_alloc(room * sizeof *more);
        if (!more)
                return NULL;
        if (s->owed_room)
                memcpy(more, s->owed, s->owed_room * sizeof *more);
        rn_host_free(s->owed);
        free_place = &more[s->owed_room];
        s->owed = more;
        s->owed_room = room;
        return free_place;
}

static void sim_owed(void (*release)(void *), const void *value, int change)
{
        rn_sim_quiet();
        owed_value *o = owed_place(release, value);
        rn_sim_loud();
        if (!o)
                return;
        if (!o->count && change < 0) {
                rn_sim_over(REIN_SIM_MISUSE, "a value was released that had been released, or taken, before");
                return;
        }
        o->release = release;
        o->value = value;
        o->count += change;
        RN_ASSERT(o->count >= 0, "what rein owes is not released more often than it was given");
}

size_t rn_sim_owed(void)
{
        size_t n = 0;
        for (size_t i = 0; i < rn_sim->owed_room; i++)
                n += rn_sim->owed[i].count != 0;
        return n;
}

/* ---- points ---- */

static void sim_call(const char *function)
{
        if (rn_sim->running && !rn_sim->plan->observe) /* there, what the call does is a point */
                rn_sim_op((rn_op){.kind = RN_OP_CALL, .what = function});
}

static void sim_misuse(const char *call, const char *what)
{
        const rn_sim_task *me = rn_sim->running;
        rn_sim_over(REIN_SIM_MISUSE, "%s, by '%s': %s", call, me ? me->name : "nobody", what);
        if (me && !rn_sim->deciding)
                rn_sim_stop();
}

static void sim_wrong(const char *name, const char *what)
{
        rn_sim_over(REIN_SIM_FAILED, "'%s' does not add up: %s", name, what);
}

static void sim_broken(const char *what)
{
        rn_sim_over(REIN_SIM_FAILED, "%s", what);
        if (rn_sim->running && !rn_sim->deciding)
                rn_sim_stop();
}

static void sim_pause(void)
{
        rn_sim_task *me = rn_sim->running;
        const rn_op last = me->op;
        const bool known = last.at && rn_sim->plan->observe;
        me->paused_at = rn_sim->progress;
        me->unpaused = false;
        rn_sim_spins(me);
        rn_sim_op((rn_op){.kind = RN_OP_PAUSE, .at = known ? last.at : NULL, .len = last.len});
        if (known)
                rn_weak_unpaused(last.at);
}

/* ---- words and locks ---- */

static void sim_word_wait(rn_a32 *word, uint32_t value, int64_t until)
{
        rn_sim_state *s = rn_sim;
        rn_sim_task *me = s->running;
        RN_ASSERT(me, "a task sleeps");
        rn_sim_op((rn_op){.kind = RN_OP_LOOK, .at = word, .len = sizeof *word});
        if (rn_get32(word) != value || rn_sim_fault(2, RN_CHOOSE_SPURIOUS))
                return;
        me->woken = me->poked = false;
        me->until = until;
        me->slept_at = ++s->queue;
        rn_sim_op((rn_op){.kind = RN_OP_SLEEP, .at = word, .len = sizeof *word});
        RN_ASSERT(rn_sim->running == me && (me->woken || me->poked || me->until <= s->now),
                  "a task that slept was woken, or its time has come");
        me->until = RN_NEVER;
}

uint32_t rn_sim_wake(const volatile void *address, uint32_t how_many)
{
        rn_sim_state *s = rn_sim;
        uint32_t woken = 0;
        rn_sim_op((rn_op){.kind = RN_OP_WAKE, .at = address, .len = 1});
        for (; woken < how_many; woken++) {
                rn_sim_task *first = NULL;
                for (uint32_t i = 0; i < s->count; i++) {
                        rn_sim_task *t = s->tasks[i];
                        if (!t->ended && t->op.kind == RN_OP_SLEEP && t->op.at == address && !t->woken &&
                            (!first || t->slept_at < first->slept_at))
                                first = t;
                }
                if (!first)
                        break;
                RN_ASSERT(first != s->running, "a task that sleeps does not run");
                first->woken = true;
        }
        return woken;
}

static void sim_word_wake(rn_a32 *word, uint32_t how_many)
{
        if (rn_sim->running)
                rn_sim_wake(word, how_many);
}

/* Taking and giving records of a slab commutes, but for which record it is. What is done under its lock has no point in
 * the middle of a change, so that nobody has to be kept out. */
bool rn_sim_commutes(const volatile void *lock)
{
        const rn_world *w = rn_sim->machine.world;
#if RN_CHECKING
        if (w && lock == &w->objects_lock)
                return true;
#endif
        return w && !rn_sim->plan->slabs &&
               (lock == &w->tasks.shelf.lock || lock == &w->scopes.shelf.lock || lock == &w->groups.shelf.lock ||
                lock == &w->hooks.shelf.lock || lock == &w->fibers.shelf.lock);
}

static void sim_lock_wait(rn_lock *l)
{
        if (!rn_sim->running || rn_sim_commutes(l))
                return;
        rn_sim_op((rn_op){.kind = RN_OP_LOCK, .at = &l->word, .len = sizeof l->word});
        RN_ASSERT(!rn_lock_held(l), "a lock that a task may take is free");
        if (rn_sim->machine.whole_locks)
                rn_weak_lock(&l->word, true);
}

static void sim_lock_gave(rn_lock *l)
{
        if (!rn_sim->running || rn_sim_commutes(l))
                return;
        RN_ASSERT(rn_lock_held(l), "a lock that is given back was held");
        if (!rn_sim->quiet)
                rn_reduction_gave(&l->word);
        rn_weak_lock(&l->word, false);
}

/* ---- threads ---- */

static int sim_thread_start(void (*main)(void *), void *arg, const char *name)
{
        sim_call("starts a thread");
        return rn_sim_spawn(name, main, arg) < 0 ? -EAGAIN : 0;
}

static uint32_t sim_thread_id(void)
{
        return rn_sim->running ? rn_sim->running->id + 1 : 0;
}

static rn_sim_task *thread_task_of(uint32_t thread_id)
{
        return thread_id && thread_id <= rn_sim->count ? rn_sim->tasks[thread_id - 1] : NULL;
}

static void sim_thread_doing(uint32_t id, char *text, size_t n)
{
        rn_sim_task *t = thread_task_of(id);
        rn_sim_quiet();
        if (t && !t->ended)
                rn_sim_describe(t, text, n);
        else if (n)
                text[0] = 0;
        rn_sim_loud();
}

/* Only rein_sim_block is a system call that rein does not make. */
static bool sim_thread_probe(uint32_t id, int64_t *cpu_ns, int64_t *call, uint64_t *digest)
{
        const rn_sim_task *t = thread_task_of(id);
        if (!t || t->ended)
                return false;
        *cpu_ns = 0;
        *call = t->op.kind == RN_OP_SLEEP && t->op.at == &t->poked ? 1 : -1;
        *digest = t->slept_at;
        return true;
}

static size_t sim_stack_left(void)
{
        const rn_coro *c = rn_sim->running ? rn_sim_here() : NULL;
        const char *here = __builtin_frame_address(0);
        return c && here > c->stack.low ? (size_t)(here - c->stack.low) : 0;
}

static struct rn_coro *sim_coro(void)
{
        return &rn_sim->running->coro;
}

/* As a signal: whoever sleeps in the kernel leaves; whoever does not, never learns of it. */
static void sim_poke(uint32_t thread_id)
{
        rn_sim_task *t = thread_task_of(thread_id);
        if (rn_sim->running && t)
                rn_sim_op((rn_op){.kind = RN_OP_POKE, .what = t->name, .whom = t->id});
        if (t && !t->ended && (t->op.kind == RN_OP_SLEEP || t->op.kind == RN_OP_POLL))
                t->poked = true;
}

void rn_sim_machine(rn_machine *m)
{
        m->call = sim_call;
        m->misuse = sim_misuse;
        m->wrong = sim_wrong;
        m->broken = sim_broken;
        m->owed = sim_owed;
        m->choose = sim_choose;
        m->alloc = sim_alloc;
        m->free = sim_free;
        m->clock = sim_clock;
        m->clock_at = sim_clock_at;
        m->random64 = sim_random64;
        m->word_wait = sim_word_wait;
        m->word_wake = sim_word_wake;
        m->lock_wait = sim_lock_wait;
        m->lock_gave = sim_lock_gave;
        m->pause = sim_pause;
        m->thread_start = sim_thread_start;
        m->thread_id = sim_thread_id;
        m->thread_doing = sim_thread_doing;
        m->thread_probe = sim_thread_probe;
        m->stack_left = sim_stack_left;
        m->coro = sim_coro;
        m->poke = sim_poke;
}
