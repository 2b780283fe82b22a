/* SPDX-License-Identifier: Apache-2.0 */
/* The reduction against the full search, on small programs that nobody thought up: two or three tasks of two or three
 * steps each, drawn by a fixed seed. Both must reach the same set of final states, or both must fail: a reduction that
 * leaves too much out shows nowhere else. And the weak memory must show nothing new of words that are sequentially
 * consistent. */
#include "planted.h"

#include <stdio.h>

enum { TASKS = 3, STEPS = 3, WORDS = 2, PROGRAMS = 1500, MOST_IN_FULL = 6000 };

typedef enum what {
        LOAD,
        STORE,
        ADD,
        COUNT,
        CAS,
        LOCKED,
        WAKE,
        POKE,
        NAP,
        BLOCK,
        SPIN,
        BOTH, /* one step that adds to one word and looks at the other, as a poller does */
        WAIT, /* rare: most programs that wait end in a deadlock */
        KINDS
} what;

typedef struct instruction {
        what what;
        uint32_t on;
} instruction;

static struct {
        uint32_t tasks, steps[TASKS];
        instruction of[TASKS][STEPS];
} program;

static word words[WORDS];
static uint64_t plain[WORDS];
static rn_lock locks[WORDS];

static int64_t soon(int64_t ms)
{
        return rn_sim->now + ms * 1000000;
}

static uint64_t add_and_look(word *to, uint64_t x, const word *at)
{
        rn_sim_op((rn_op){.kind = RN_OP_UPDATE, .at = to, .len = sizeof *to, .also = at});
        word_update(to, to->v + x, memory_order_seq_cst);
        return rn_weak_load(at, at->v, memory_order_seq_cst, false);
}

/* A number that says what the task saw: it goes into all that it does later. */
static uint64_t execute(instruction i, uint64_t me, uint64_t saw)
{
        word *w = &words[i.on];
        switch (i.what) {
        case LOAD:
                return saw * 31 + get(w);
        case STORE:
                put(w, saw + me + 1);
                return saw;
        case ADD:
                return saw * 31 + plus(w, me + 1);
        case COUNT:
                word_count(w, me + 1, memory_order_seq_cst);
                return saw;
        case CAS:
                return saw * 31 + move(w, 0, me + 1);
        case LOCKED:
                rn_lock_take(&locks[i.on]);
                plain[i.on] = plain[i.on] * 5 + me + 1;
                saw = saw * 31 + plain[i.on];
                rn_lock_give(&locks[i.on]);
                return saw;
        case WAKE:
                word_wake(w, 1);
                return saw;
        case POKE:
                rn_virtual()->poke((uint32_t)((me + 1 + i.on) % program.tasks + 2));
                return saw;
        case NAP:
                rein_sim_block((rein_time){soon(1 + i.on)});
                return saw;
        case BLOCK:
                return saw * 31 + (rein_sim_block((rein_time){soon(1)}) == -EINTR);
        case SPIN:
                for (unsigned round = 0; round < 2 && !get(w); round++)
                        rn_pause(round);
                return saw * 31 + get(w);
        case BOTH:
                return saw * 31 + add_and_look(w, me + 1, &words[(i.on + 1) % WORDS]);
        case WAIT:
                word_wait(w, 0);
                return saw;
        case KINDS:
                break;
        }
        return saw;
}

static void task(void *arg)
{
        const uintptr_t me = (uintptr_t)arg;
        uint64_t saw = 0;
        for (uint32_t i = 0; i < program.steps[me]; i++)
                saw = execute(program.of[me][i], me, saw);
        planted_saw[me] = saw;
}

static void body(void)
{
        memset(words, 0, sizeof words);
        memset(plain, 0, sizeof plain);
        memset(locks, 0, sizeof locks);
        memset(planted_saw, 0, sizeof planted_saw);
        for (uintptr_t i = 0; i < program.tasks; i++)
                explore_start("task", task, (void *)i);
}

static uint64_t state(void)
{
        uint64_t h = 14695981039346656037u;
        for (uint32_t i = 0; i < TASKS; i++)
                h = (h ^ planted_saw[i]) * 1099511628211u;
        for (uint32_t i = 0; i < WORDS; i++)
                h = (((h ^ words[i].v) * 1099511628211u) ^ plain[i]) * 1099511628211u;
        return h;
}

static void draw(uint64_t *random)
{
        memset(&program, 0, sizeof program);
        program.tasks = 2 + rn_sim_random(random) % 2;
        for (uint32_t t = 0; t < program.tasks; t++) {
                program.steps[t] = 2 + rn_sim_random(random) % (STEPS - 1);
                for (uint32_t i = 0; i < program.steps[t]; i++) {
                        const uint64_t kind = rn_sim_random(random) % (8 * KINDS);
                        program.of[t][i] = (instruction){(what)(kind < 8 * WAIT    ? kind / 8
                                                                : kind == 8 * WAIT ? WAIT
                                                                                   : 0),
                                                         (uint32_t)(rn_sim_random(random) % WORDS)};
                }
        }
}

static void print_program(void)
{
        static const char *const names[KINDS] = {"load", "store", "add",   "count", "cas",  "locked", "wake",
                                                 "poke", "nap",   "block", "spin",  "both", "wait"};
        for (uint32_t t = 0; t < program.tasks; t++) {
                printf("    task %u:", t);
                for (uint32_t i = 0; i < program.steps[t]; i++)
                        printf(" %s %u;", names[program.of[t][i].what], program.of[t][i].on);
                printf("\n");
        }
}

/* Which search differs from the full one; NULL: none does. */
static const char *differs(const scenario *s, const explored *full, uint64_t *reduced)
{
        const explore_plan by_dpor = {.how = EXPLORE_ALL};
        const explored dpor = explore_by(s, &by_dpor, false);
        *reduced += dpor.schedules;
        if (full->ended != dpor.ended || !dpor.complete != !full->complete ||
            (!full->ended && (full->states != dpor.states || full->states_digest != dpor.states_digest)))
                return "dpor";
        const explore_plan by_weak = {.how = EXPLORE_FULL, .weak = true, .budget = MOST_IN_FULL};
        const explored weak = explore_by(s, &by_weak, false);
        if (full->ended != weak.ended || full->schedules != weak.schedules || full->states_digest != weak.states_digest)
                return "the weak memory, for sequentially consistent words,";
        return NULL;
}

int planted_programs(void)
{
        uint64_t random = 4711, all = 0, reduced = 0, states = 0;
        int wrong = 0, failed = 0, large = 0;
        for (int n = 0; n < PROGRAMS; n++) {
                draw(&random);
                const scenario s = {.name = "program", .body = body, .state = state};
                const explore_plan by_full = {.how = EXPLORE_FULL, .budget = MOST_IN_FULL};
                const explored full = explore_by(&s, &by_full, false);
                if (!full.complete && !full.ended) {
                        large++;
                        continue;
                }
                all += full.schedules;
                states += full.states;
                failed += full.ended != REIN_SIM_PASSED;
                const char *who = differs(&s, &full, &reduced);
                if (!who)
                        continue;
                printf("program %d: %s differs\n", n, who);
                print_program();
                wrong++;
        }
        printf("%d random programs (%d end in a deadlock, %d are too large), %llu final states: %llu schedules by the full "
               "search, %llu by dpor; %d differ\n",
               PROGRAMS, failed, large, (unsigned long long)states, (unsigned long long)all,
               (unsigned long long)reduced, wrong);
        return wrong + (large > PROGRAMS / 10) + (reduced * 20 > all);
}
