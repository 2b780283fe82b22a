/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks, the points at which they change over, virtual time.
 *
 * A task at a point has written down its op and asks who is next. Enabled ops compete; the task that wins returns from
 * its point and does what it announced. When nobody is enabled, time jumps to the earliest `until`. When there is none,
 * the run is over: well, if everybody ended; by a deadlock or a task left behind, if not. The clock and hand threads of
 * the simulated library never end and are not counted. */
#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/executor.h"
#include "core/message.h"
#include "core/scope.h"
#include "core/task.h"
#include "core/work.h"
#include "core/world.h"
#include "core/wrong.h"

rn_sim_state *rn_sim;

#if defined REIN_TSAN /* under which a question takes ten times as long as a step */
enum { ASK_EVERY = 64 };
#else
enum { ASK_EVERY = 8 };
#endif
enum { MOST_IDLE_JUMPS = 10000, MOST_LAST_JUMPS = 256 };

/* ---- tasks ---- */

/* Coroutines are kept from one schedule to the next: making one costs a mapping. */
static rn_sim_task *made[RN_SIM_TASKS];
static size_t made_stack;

void rn_sim_tasks_free(void)
{
        for (size_t i = 0; i < RN_SIM_TASKS && made[i]; i++) {
                rn_coro_free(&made[i]->coro);
                rn_host_free(made[i]);
                made[i] = NULL;
        }
}

static rn_sim_task *schedule_choose(void);

/* The coroutine of a task's loop that runs now is told by rein's word. */
rn_coro *rn_sim_here(void)
{
        const uintptr_t word = (uintptr_t)rn_self_word();
        const rn_task *t = word & 1 ? NULL : rn_self_word();
        return t && t->coro ? t->coro : &rn_sim->running->coro;
}

/* The running task leaves for good: `next` goes on, or the host. */
static _Noreturn void task_leave(rn_sim_task *next)
{
        rn_sim_state *s = rn_sim;
        rn_sim_task *me = s->running;
        RN_ASSERT(me && next != me, "the task that leaves is the one that runs, and another one goes on");
        RN_ASSERT(!next || !next->ended, "the task that goes on has not ended");
        rn_coro *from = rn_sim_here();
        s->running = next;
        rn_sim_locals_switch(me, next);
        rn_self_word_switch(next ? next->word : NULL);
        rn_coro_leave(from, next ? next->at : &s->host, RN_CORO_NO_SYNC);
}

_Noreturn void rn_sim_stop(void)
{
        task_leave(NULL);
}

/* The end of a thread closes what it left open, so that others go on; it was forgotten all the same. */
static void task_look_at_what_is_open(const rn_sim_task *t)
{
        char open[160];
        rn_task *self = rn_self_if();
        if (self && rn_scope_unwind(self, NULL, open, sizeof open))
                rn_sim_over(REIN_SIM_LEAK, "'%s' ended with %s", t->name, open);
}

static void task_main(void *arg)
{
        rn_sim_task *t = arg;
        t->main(t->arg);
        if (t->id != 0)
                rn_sim_locals_end();
        task_look_at_what_is_open(t);
        if (rn_self_word())
                rn_thread_word_ends(rn_self_word());
        t->word = NULL;
        t->ended = true;
        rn_sim->progress++;
        rn_sim_task *starter = rn_sim->starter;
        rn_sim->starter = NULL;
        task_leave(starter ? starter : schedule_choose());
}

/* The host waits in here while tasks run. The task that runs is left for good when the run is over. */
static void task_hand_over(rn_sim_task *next)
{
        rn_sim_state *s = rn_sim;
        rn_sim_task *me = s->running;
        RN_ASSERT(next != me, "a task does not hand over to itself");
        RN_ASSERT(!next || !next->ended, "the task that goes on has not ended");
        rn_coro *from = me ? rn_sim_here() : &s->host;
        if (me) {
                me->word = rn_self_word();
                me->at = from;
        }
        s->running = next;
        rn_sim_locals_switch(me, next);
        rn_self_word_switch(next ? next->word : NULL);
        rn_coro_switch(from, next ? next->at : &s->host, RN_CORO_NO_SYNC);
}

static rn_sim_task *task_take(uint32_t id, size_t stack)
{
        if (stack != made_stack) {
                rn_sim_tasks_free();
                made_stack = stack;
        }
        rn_sim_task *t = made[id];
        if (t) {
                rn_coro coro = t->coro;
                *t = (rn_sim_task){.coro = coro};
                rn_coro_remake(&t->coro, task_main, t);
        } else {
                t = rn_host_alloc(sizeof *t);
                if (!t)
                        return NULL;
                if (rn_coro_make(&t->coro, stack, task_main, t) < 0) {
                        rn_host_free(t);
                        return NULL;
                }
                made[id] = t;
        }
        return t;
}

/* In the exploring build every access to what is shared is a point, so what comes before the first one is the task's own
 * business and may as well be done at once. */
static void task_run_to_first_point(rn_sim_task *t)
{
        rn_sim_state *s = rn_sim;
        RN_ASSERT(s->running && !s->starter, "one task starts another one at a time");
        s->starter = s->running;
        task_hand_over(t);
}

/* The place of a new task: the next one; when all are taken, that of one that has ended. Not in the exploring build, whose
 * searches tell tasks by their places. -1: all of them are there. */
static int task_free_place(void)
{
        const rn_sim_state *s = rn_sim;
        if (s->count < RN_SIM_TASKS)
                return (int)s->count;
        for (uint32_t i = 0; i < s->count && !s->plan->observe; i++)
                if (s->tasks[i]->ended)
                        return (int)i;
        return -1;
}

static int task_spawn(const char *name, void (*main)(void *), void *arg)
{
        rn_sim_state *s = rn_sim;
        int id = task_free_place();
        RN_ASSERT(id < 0 || (uint32_t)id == s->count || s->tasks[id]->ended,
                  "a new task takes a new place, or that of one that ended");
        rn_sim_task *t = id < 0 ? NULL : task_take((uint32_t)id, s->plan->stack_size);
        if (!t)
                return -1;
        t->id = (uint32_t)id;
        t->started = s->started++;
        s->count += t->id == s->count;
        s->tasks[t->id] = t;
        snprintf(t->name, sizeof t->name, "%s", name && name[0] ? name : "thread");
        t->main = main;
        t->arg = arg;
        t->at = &t->coro;
        t->op.kind = RN_OP_START;
        t->until = RN_NEVER;
        if (s->running)
                memcpy(t->clock, s->running->clock, sizeof t->clock);
        rn_sim_locals_born(t);
        rn_sim_born(t);
        rn_weak_born(t);
        return (int)t->id;
}

int rn_sim_spawn(const char *name, void (*main)(void *), void *arg)
{
        rn_sim_state *s = rn_sim;
        rn_sim_quiet();
        int id = task_spawn(name, main, arg);
        rn_sim_loud();
        if (id >= 0 && s->plan->observe && s->running && !s->starter)
                task_run_to_first_point(s->tasks[id]);
        return id;
}

/* The library's own threads, which live as long as the world. */
static bool task_serves(const rn_sim_task *t)
{
        const rn_world *w = rn_sim->machine.world;
        return w && t->word && (t->word == w->clock.clock_task || t->word == w->clock.hand_task);
}

const char *rn_sim_task_name(const rn_sim_task *t)
{
        return t->name;
}

/* ---- what the ops ask for ---- */

static bool tasks_all_calm(const rn_sim_task *but)
{
        const rn_sim_state *s = rn_sim;
        for (uint32_t i = 0; i < s->count; i++) {
                rn_sim_task *t = s->tasks[i];
                if (t && t != but && !t->ended && t->op.kind != RN_OP_CALM &&
                    (t->op.kind == RN_OP_PAUSE || rn_sim_ready(t)))
                        return false;
        }
        return true;
}

bool rn_sim_ready(rn_sim_task *t)
{
        const rn_sim_state *s = rn_sim;
        if (t->ended)
                return false;
        switch (t->op.kind) {
        case RN_OP_LOCK:
                return !*(const volatile uint32_t *)t->op.at;
        case RN_OP_SLEEP:
                return t->woken || t->poked || t->until <= s->now;
        case RN_OP_POLL:
                return t->woken || t->poked || t->until <= s->now || rn_sim_fd_ready(t);
        case RN_OP_PAUSE:
                return t->unpaused || (!t->op.at && s->progress > t->paused_at);
        case RN_OP_CALM:
                return tasks_all_calm(t);
        default:
                return true;
        }
}

/* When nobody is enabled, those that only spin are let go on: they may be counting. */
static bool tasks_spinners_go_on(void)
{
        const rn_sim_state *s = rn_sim;
        bool any = false;
        for (uint32_t i = 0; i < s->count; i++) {
                rn_sim_task *t = s->tasks[i];
                if (!t->ended && t->op.kind == RN_OP_PAUSE)
                        t->unpaused = any = true;
        }
        if (any && s->reduction)
                rn_reduction_calm();
        return any;
}

/* t changed something: who spins on it looks again. */
static void task_unpause(const rn_sim_task *t)
{
        const rn_sim_state *s = rn_sim;
        const volatile char *at = t->op.at;
        for (uint32_t i = 0; at && i < s->count; i++) {
                rn_sim_task *other = s->tasks[i];
                const volatile char *spun = other->op.at;
                if (other != t && !other->ended && other->op.kind == RN_OP_PAUSE && spun && at < spun + other->op.len &&
                    spun < at + t->op.len)
                        other->unpaused = true;
        }
}

static uint32_t tasks_enabled(rn_sim_task **ready)
{
        rn_sim_state *s = rn_sim;
        uint32_t n = 0;
        rn_sim_task *me = s->running;
        const bool spins = me && me->op.kind == RN_OP_PAUSE;
        if (me && !spins && rn_sim_ready(me))
                ready[n++] = me;
        for (uint32_t i = 0; i < s->count; i++)
                if (s->tasks[i] != me && rn_sim_ready(s->tasks[i]))
                        ready[n++] = s->tasks[i];
        if (spins && rn_sim_ready(me))
                ready[n++] = me;
        return n;
}

/* ---- the end of a run ---- */

void rn_sim_over(int ended, const char *fmt, ...)
{
        rn_sim_state *s = rn_sim;
        if (s->over)
                return;
        s->over = true;
        s->result->ended = ended;
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(s->result->text, sizeof s->result->text, fmt, ap);
        va_end(ap);
}

typedef struct list_of_all {
        char text[RN_SIM_TEXT * 3 / 4];
        size_t used;
} list_of_all;

static void list_add_to(list_of_all *all, const char *one)
{
        if (all->used >= sizeof all->text)
                return;
        int put = snprintf(all->text + all->used, sizeof all->text - all->used, "%s%s", all->used ? "; " : "", one);
        all->used += put > 0 ? (size_t)put : 0;
}

static bool task_was_running(const rn_task *t)
{
        for (uint32_t i = 0; i < rn_sim->count; i++)
                if (rn_sim->tasks[i]->word == t && !rn_sim->tasks[i]->ended)
                        return true;
        return false;
}

/* Of loops; NULL: there were none yet. */
static rn_slab *coroutine_slab(void)
{
        rn_slab *fibers = &rn_sim->machine.world->fibers;
        return fibers->item_size ? fibers : NULL;
}

/* Everybody who is still there, one after the other. */
static void schedule_stuck(int ended, const char *what)
{
        const rn_sim_state *s = rn_sim;
        list_of_all all = {"", 0};
        char one[400];
        for (uint32_t i = 0; i < s->count; i++) {
                if (s->tasks[i]->ended || task_serves(s->tasks[i]))
                        continue;
                rn_sim_describe(s->tasks[i], one, sizeof one);
                list_add_to(&all, one);
        }
        rn_slab *fibers = coroutine_slab();
        for (rn_task *t = NULL; fibers && (t = rn_slab_next(fibers, t));) {
                if (!t->coro || !t->now->work || task_was_running(t))
                        continue;
                rn_sim_describe_coroutine(t, one, sizeof one);
                list_add_to(&all, one);
        }
        rn_sim_over(ended, "%s: %s", what, all.text);
}

static bool tasks_alive(bool main_too)
{
        const rn_sim_state *s = rn_sim;
        for (uint32_t i = main_too ? 0 : 1; i < s->count; i++)
                if (!s->tasks[i]->ended && !task_serves(s->tasks[i]))
                        return true;
        return false;
}

/* When t goes on although nobody wakes it. */
static int64_t task_goes_on_at(const rn_sim_task *t)
{
        if (t->ended || (t->op.kind != RN_OP_SLEEP && t->op.kind != RN_OP_POLL))
                return RN_NEVER;
        const int64_t due = t->op.kind == RN_OP_POLL ? rn_sim_fd_due(t) : RN_NEVER;
        return due < t->until ? due : t->until;
}

static int64_t schedule_next_timer(void)
{
        const rn_sim_state *s = rn_sim;
        int64_t next = RN_NEVER;
        for (uint32_t i = 0; i < s->count; i++) {
                const int64_t at = task_goes_on_at(s->tasks[i]);
                next = at < next ? at : next;
        }
        return next;
}

/* The program is over, and the library's own threads have nothing to do now. What they let go of a little later, by a
 * timer, is not left behind. false: that was all. */
static bool schedule_time_after_the_end(void)
{
        rn_sim_state *s = rn_sim;
        size_t bytes;
        int64_t next = schedule_next_timer();
        if (next == RN_NEVER || s->last_jumps++ == MOST_LAST_JUMPS || !rn_sim_memory_left(&bytes))
                return false;
        s->now = next > s->now ? next : s->now;
        if (s->reduction)
                rn_reduction_calm();
        return true;
}

/* Nobody can run now. false: the run is over. */
static bool schedule_time_passes(void)
{
        rn_sim_state *s = rn_sim;
        int64_t next = schedule_next_timer();
        if (next != RN_NEVER && s->idle_jumps++ < MOST_IDLE_JUMPS) {
                s->now = next > s->now ? next : s->now;
                if (s->reduction)
                        rn_reduction_calm();
                return true;
        }
        if (!s->tasks[0]->ended || s->plan->observe)
                schedule_stuck(REIN_SIM_DEADLOCK, "nobody can go on");
        else
                schedule_stuck(REIN_SIM_LEFT_RUNNING, "left behind when the program returned");
        return false;
}

/* ---- one step ---- */

static bool op_changes_something(rn_op_kind k)
{
        return k != RN_OP_PAUSE && k != RN_OP_READ && k != RN_OP_START;
}

static void task_note_progress(const rn_sim_task *t)
{
        if (!op_changes_something(t->op.kind))
                return;
        rn_sim->progress++;
        task_unpause(t);
}

bool rn_sim_at_rest(const rn_sim_task *but)
{
        const rn_sim_state *s = rn_sim;
        for (uint32_t i = 0; i < s->count; i++)
                if (s->tasks[i] != but && !s->tasks[i]->ended && s->tasks[i]->op.between)
                        return false;
        return true;
}

/* Its memory was given back; a wake reads nothing there. */
static void task_look_for_misuse(const rn_sim_task *t)
{
        if (t->op.at && t->op.kind != RN_OP_FREE && t->op.kind != RN_OP_WAKE && rn_sim_freed(t->op.at))
                rn_sim_over(REIN_SIM_MISUSE, "'%s' %s memory that was given back", t->name, rn_sim_op_name(t->op.kind));
}

#if RN_CHECKING
/* A question to all records takes as long as many steps. So a search asks after one in ASK_EVERY of the steps that change
 * something, in each schedule after others; a schedule that is replayed or made short asks after each, and so fails where
 * it goes wrong. */
static bool task_asks_before(const rn_sim_task *t)
{
        const rn_sim_state *s = rn_sim;
        return s->plan->ask_each ||
               (op_changes_something(t->op.kind) && (s->progress + s->machine.generation) % ASK_EVERY == 0);
}

void rn_sim_look(void)
{
        char where[96];
        rn_sim_quiet();
        const char *what = rn_world_wrong(rn_sim->machine.world, where, sizeof where);
        rn_sim_loud();
        if (!what)
                return;
        rn_sim->result->wrong = true;
        rn_sim_over(REIN_SIM_FAILED, "%s does not add up: %s", where, what);
}
#else
static bool task_asks_before(const rn_sim_task *t)
{
        (void)t;
        return true;
}

/* Whatever an executor counts must add up whenever its lock is free. */
void rn_sim_look(void)
{
        const rn_world *w = rn_sim->machine.world;
        if (!w->executors.next)
                return; /* not set up yet */
        RN_LIST_EACH(l, &w->executors) {
                const rein_executor *x = RN_ITEM(l, rein_executor, world);
                const char *what = x->kind->wrong && !rn_get32(&x->lock.word) ? x->kind->wrong(x) : NULL;
                if (what)
                        rn_sim_over(REIN_SIM_FAILED, "'%s' does not add up: %s", x->name, what);
        }
}
#endif

static void task_stepped(rn_sim_task *t, bool preempted)
{
        rn_sim_state *s = rn_sim;
        rn_sim_result *r = s->result;
        RN_ASSERT(!t->ended && t->id < s->count && s->tasks[t->id] == t, "a step is that of a task which is there");
        RN_ASSERT(t->op.kind < RN_OP_KINDS, "the op of a step is one of the ops");
        r->steps++;
        r->preemptions += preempted;
        r->hash = (r->hash ^ (t->id * 31u + (uint32_t)t->op.kind)) * 1099511628211u;
        task_note_progress(t);
        if (!task_serves(t))
                s->idle_jumps = 0;
        if (s->plan->tell)
                rn_sim_tell(t, preempted);
        if (s->reduction)
                rn_reduction_stepped(t);
        task_look_for_misuse(t);
        if (task_asks_before(t) && rn_sim_at_rest(NULL))
                rn_sim_look();
}

/* The last fifth of the steps is fair, so that who only waits for another is not called a livelock. */
static rn_sim_task *tasks_in_turn(rn_sim_task *const *ready, uint32_t n)
{
        const rn_sim_state *s = rn_sim;
        uint32_t last = s->running ? s->running->id : 0;
        rn_sim_task *best = ready[0];
        for (uint32_t i = 0; i < n; i++) {
                uint32_t distance = (ready[i]->id + s->count - last - 1) % s->count;
                if (distance < (best->id + s->count - last - 1) % s->count)
                        best = ready[i];
        }
        return best;
}

static bool schedule_early_timer(void)
{
        rn_sim_state *s = rn_sim;
        if (!(s->plan->faults & REIN_SIM_EARLY) || s->quiet)
                return false;
        int64_t next = RN_NEVER;
        for (uint32_t i = 0; i < s->count; i++) {
                const int64_t at = task_goes_on_at(s->tasks[i]);
                if (at < next && at > s->now)
                        next = at;
        }
        if (next == RN_NEVER || !rn_sim_pick(2, 'c', false))
                return false;
        RN_ASSERT(next > s->now, "time goes forward");
        s->now = next;
        return true;
}

/* Tasks set aside as slow do not compete, as long as others are there. */
static uint32_t tasks_without_the_slow(rn_sim_task **ready, uint32_t n)
{
        rn_sim_state *s = rn_sim;
        if (!(s->plan->faults & REIN_SIM_SLOW) || n < 2)
                return n;
        if (ready[0] == s->running && rn_sim_pick(2, 'l', false))
                ready[0]->slow_until = s->result->steps + 4 + rn_sim_pick(200, 'l', false);
        uint32_t m = 0;
        rn_sim_task *all[RN_SIM_TASKS];
        memcpy(all, ready, n * sizeof *all);
        for (uint32_t i = 0; i < n; i++)
                if (all[i]->slow_until <= s->result->steps)
                        ready[m++] = all[i];
        if (m == 0)
                memcpy(ready, all, n * sizeof *all);
        return m ? m : n;
}

enum { MOST_QUIET_TURNS = 1000000 };

/* The task that runs goes on while it can, then the first that can: nothing is chosen, nothing is counted. */
static rn_sim_task *task_go_on_quietly(rn_sim_task *t)
{
        rn_sim_state *s = rn_sim;
        if (s->quiet_turns++ == MOST_QUIET_TURNS)
                schedule_stuck(REIN_SIM_LIVELOCK, "no end of what nobody looks at");
        task_note_progress(t);
        if (!task_serves(t))
                s->idle_jumps = 0;
        if (s->plan->tell && s->quiet_turns == 1)
                rn_say("        (until everybody rests, and after the last step: not told)\n");
        task_look_for_misuse(t);
        return s->over ? NULL : t;
}

/* Which task goes on; NULL: the run is over. */
static rn_sim_task *schedule_decide(void)
{
        rn_sim_state *s = rn_sim;
        rn_sim_task *ready[RN_SIM_TASKS];
        for (;;) {
                if (s->over)
                        return NULL;
                uint32_t n = tasks_enabled(ready);
                const bool ended = !tasks_alive(true);
                if (ended && n == 0) {
                        if (schedule_time_after_the_end())
                                continue;
                        s->over = true;
                        return NULL;
                }
                if (n == 0 && tasks_spinners_go_on()) {
                        if (s->idle_jumps++ <= MOST_IDLE_JUMPS)
                                continue;
                        schedule_stuck(REIN_SIM_LIVELOCK, "everybody only spins");
                        return NULL;
                }
                if (n == 0) {
                        if (!schedule_time_passes())
                                return NULL;
                        continue;
                }
                if (s->quiet)
                        return task_go_on_quietly(ready[0]);
                if (!ended && schedule_early_timer())
                        continue;
                if (s->result->steps >= s->plan->max_steps) {
                        schedule_stuck(REIN_SIM_LIVELOCK, "no end after max_steps, the last of them in fair order");
                        return NULL;
                }
                const bool could = s->running && ready[0] == s->running && ready[0]->op.kind != RN_OP_PAUSE;
                n = ended ? 1 : tasks_without_the_slow(ready, n); /* in the end there is nothing to choose */
                const bool first = could && ready[0] == s->running;
                rn_sim_task *t = ready[0];
                if (s->result->steps >= (uint64_t)s->plan->max_steps / 5 * 4) {
                        t = tasks_in_turn(ready, n);
                } else if (n > 1 || s->reduction) {
                        uint32_t i = rn_sim_next(ready, n, first);
                        if (i == UINT32_MAX) {
                                s->result->redundant = true;
                                s->over = true;
                                return NULL;
                        }
                        t = ready[i];
                }
                task_stepped(t, could && t != s->running);
                if (s->over)
                        return NULL;
                return t;
        }
}

static rn_sim_task *schedule_choose(void)
{
        rn_sim_quiet();
        rn_sim->deciding = true;
        rn_sim_task *next = schedule_decide();
        rn_sim->deciding = false;
        rn_sim_loud();
        return next;
}

void rn_sim_op(rn_op op)
{
        rn_sim_state *s = rn_sim;
        rn_sim_task *me = s->running;
        if (s->deciding)
                return; /* the library is only asked what a task waits for */
        RN_ASSERT(me && !me->ended, "a step is that of the running task");
        me->op = op;
        me->word = rn_self_word();
        if ((op.kind == RN_OP_SLEEP || op.kind == RN_OP_POLL) && me->until != RN_NEVER && !s->quiet)
                s->result->timed = true;
        rn_sim_task *next = s->starter ? s->starter : schedule_choose();
        s->starter = NULL;
        if (next != me)
                task_hand_over(next);
        me->op.what = NULL;
}

void rn_sim_after(void)
{
        if (rn_sim->plan->after)
                rn_sim_op((rn_op){.kind = RN_OP_CALL, .what = "goes on", .between = true});
}

void rn_sim_calm(bool quiet_then)
{
        rn_sim_state *s = rn_sim;
        rn_sim_op((rn_op){.kind = RN_OP_CALM});
        if (s->reduction)
                rn_reduction_calm();
        rn_weak_calm();
        s->quiet = quiet_then;
        s->quiet_turns = 0;
}

/* Those that a run which ended early, or a leak, left in the middle. Their frames are dropped. */
static void drop_coroutines(void)
{
        rn_slab *fibers = coroutine_slab();
        for (const rn_task *t = NULL; fibers && (t = rn_slab_next(fibers, t));)
                if (t->coro)
                        rn_coro_free(t->coro);
}

void rn_sim_go(void)
{
        rn_sim_state *s = rn_sim;
        RN_ASSERT(!s->running && s->count > 0, "a run begins with no task running, and one to run");
        rn_coro_of_thread(&s->host);
        rn_sim_task *first = schedule_choose();
        if (first)
                task_hand_over(first);
        s->running = NULL;
        for (uint32_t i = 0; i < s->count; i++)
                rn_coro_join(&s->tasks[i]->coro);
        drop_coroutines();
}
