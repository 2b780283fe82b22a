/* SPDX-License-Identifier: Apache-2.0 */
/* Small programs whose outcome a memory model allows or forbids: what the weak memory shows of each must be what C11
 * says, with the sequentially consistent order of Lahav et al. (weak.c). Those that the weak memory does not show although
 * C11 allows them are here too, so that it is known. */
#include "planted.h"

#include <stdio.h>

enum { TASKS = 4, STEPS = 3, WORDS = 3, LOADS = 4 };

typedef enum what { END, LOAD, STORE, STORE_TWO, SWAP } what; /* a swap is a load, and stores 3 */

typedef struct instruction {
        what what;
        int on;
        memory_order order;
} instruction;

#define LD(w, o)                                                                                                       \
        {                                                                                                              \
                LOAD, w, memory_order_##o                                                                              \
        }
#define ST(w, o)                                                                                                       \
        {                                                                                                              \
                STORE, w, memory_order_##o                                                                             \
        }
#define ST2(w, o)                                                                                                      \
        {                                                                                                              \
                STORE_TWO, w, memory_order_##o                                                                         \
        }
#define XCHG(w, o)                                                                                                     \
        {                                                                                                              \
                SWAP, w, memory_order_##o                                                                              \
        }

typedef struct litmus {
        const char *name;
        instruction of[TASKS][STEPS];
        const char *saw; /* what the loads got, task by task; afterwards may come what is in x in the end */
        bool shown;
} litmus;

enum { X, Y, Z };

static const litmus *current;
static word words[WORDS];
static int saw[TASKS][STEPS];

static void task(void *arg)
{
        const uintptr_t me = (uintptr_t)arg;
        for (int i = 0, loads = 0; i < STEPS && current->of[me][i].what; i++) {
                const instruction *now = &current->of[me][i];
                word *w = &words[now->on];
                if (now->what == LOAD)
                        saw[me][loads++] = (int)word_load(w, now->order);
                else if (now->what == SWAP)
                        saw[me][loads++] = (int)word_swap(w, 3, now->order);
                else
                        word_store(w, now->what == STORE ? 1 : 2, now->order);
        }
}

static void body(void)
{
        memset(words, 0, sizeof words);
        memset(saw, 0, sizeof saw);
        for (uintptr_t i = 0; i < TASKS && current->of[i][0].what; i++)
                explore_start("task", task, (void *)i);
}

static bool seen;

static int look(void)
{
        char text[TASKS * STEPS + 2];
        size_t n = 0;
        for (int t = 0; t < TASKS; t++)
                for (int i = 0, loads = 0; i < STEPS; i++)
                        if (current->of[t][i].what == LOAD || current->of[t][i].what == SWAP)
                                text[n++] = (char)('0' + saw[t][loads++]);
        text[n++] = (char)('0' + words[X].v);
        text[n] = 0;
        seen |= strncmp(text, current->saw, strlen(current->saw)) == 0;
        return 0;
}

/* clang-format off */
static const litmus all[] = {
        {"store, load",                      {{ST(X, seq_cst), LD(Y, seq_cst)}, {ST(Y, seq_cst), LD(X, seq_cst)}}, "00", false},
        {"store, load; one store released",  {{ST(X, release), LD(Y, seq_cst)}, {ST(Y, seq_cst), LD(X, seq_cst)}}, "00", true},
        {"store, load; one load acquired",   {{ST(X, seq_cst), LD(Y, acquire)}, {ST(Y, seq_cst), LD(X, seq_cst)}}, "00", true},
        {"store, load; the other swaps",     {{ST(X, seq_cst), LD(Y, seq_cst)}, {XCHG(Y, seq_cst), XCHG(X, seq_cst)}}, "000", false},
        {"the same, store released",         {{ST(X, release), LD(Y, seq_cst)}, {XCHG(Y, seq_cst), XCHG(X, seq_cst)}}, "000", true},
        {"the same, load acquired",          {{ST(X, seq_cst), LD(Y, acquire)}, {XCHG(Y, seq_cst), XCHG(X, seq_cst)}}, "000", true},
        {"the same, swaps acquire, release", {{ST(X, seq_cst), LD(Y, seq_cst)}, {XCHG(Y, acq_rel), XCHG(X, acq_rel)}}, "000", true},
        {"both swap",                        {{XCHG(X, acq_rel), XCHG(Y, acq_rel)}, {XCHG(Y, acq_rel), XCHG(X, acq_rel)}}, "0000", false},
        {"message",                          {{ST(X, relaxed), ST(Y, release)}, {LD(Y, acquire), LD(X, relaxed)}}, "10", false},
        {"message, not released",            {{ST(X, relaxed), ST(Y, relaxed)}, {LD(Y, acquire), LD(X, relaxed)}}, "10", true},
        {"message, not acquired",            {{ST(X, relaxed), ST(Y, release)}, {LD(Y, relaxed), LD(X, relaxed)}}, "10", true},
        {"message, consistent loads alone",  {{ST(X, relaxed), ST(Y, relaxed)}, {LD(Y, seq_cst), LD(X, seq_cst)}}, "10", true},
        {"message, a consistent word read late", {{ST(X, seq_cst), ST(Y, relaxed)}, {LD(Y, seq_cst), LD(X, seq_cst)}}, "10", true},
        {"message, passed on",               {{ST(X, relaxed), ST(Y, release)}, {LD(Y, acquire), ST(Z, release)}, {LD(Z, acquire), LD(X, relaxed)}}, "110", false},
        {"message, passed on unacquired",    {{ST(X, relaxed), ST(Y, release)}, {LD(Y, relaxed), ST(Z, release)}, {LD(Z, acquire), LD(X, relaxed)}}, "110", true},
        {"message, by a swap in between",    {{ST(X, relaxed), ST(Y, release)}, {XCHG(Y, relaxed)}, {LD(Y, acquire), LD(X, relaxed)}}, "130", false},
        {"two readers of two writers",       {{ST(X, seq_cst)}, {ST(Y, seq_cst)}, {LD(X, seq_cst), LD(Y, seq_cst)}, {LD(Y, seq_cst), LD(X, seq_cst)}}, "1010", false},
        {"the same, loads acquired",         {{ST(X, seq_cst)}, {ST(Y, seq_cst)}, {LD(X, acquire), LD(Y, acquire)}, {LD(Y, acquire), LD(X, acquire)}}, "1010", true},
        {"the same, stores released",        {{ST(X, release)}, {ST(Y, release)}, {LD(X, seq_cst), LD(Y, seq_cst)}, {LD(Y, seq_cst), LD(X, seq_cst)}}, "1010", true},
        {"a reader that writes",             {{ST(X, seq_cst)}, {LD(X, seq_cst), LD(Y, seq_cst)}, {ST(Y, seq_cst), LD(X, seq_cst)}}, "100", false},
        {"the same, second store released",  {{ST(X, seq_cst)}, {LD(X, seq_cst), LD(Y, seq_cst)}, {ST(Y, release), LD(X, seq_cst)}}, "100", true},
        {"two stores, and a look",           {{ST(Y, seq_cst), ST(X, seq_cst)}, {ST2(X, seq_cst), LD(Y, seq_cst)}}, "02", false},
        {"the same, last store released",    {{ST(Y, seq_cst), ST(X, seq_cst)}, {ST2(X, release), LD(Y, seq_cst)}}, "02", true},
        {"the same, first store released",   {{ST(Y, release), ST(X, seq_cst)}, {ST2(X, seq_cst), LD(Y, seq_cst)}}, "02", true},
        {"one word, read twice",             {{ST(X, relaxed)}, {LD(X, relaxed), LD(X, relaxed)}}, "10", false},
        {"one word, stored twice",           {{ST(X, relaxed), ST2(X, relaxed)}, {LD(X, relaxed), LD(X, relaxed)}}, "21", false},
        {"its own store",                    {{ST(X, relaxed), LD(X, relaxed)}}, "0", false},
        /* allowed, and not shown: loads before their store, stores in another order than they were made */
        {"load, store",                      {{LD(X, relaxed), ST(Y, relaxed)}, {LD(Y, relaxed), ST(X, relaxed)}}, "11", false},
        {"two stores each",                  {{ST2(X, relaxed), ST(Y, relaxed)}, {LD(Y, relaxed), ST(X, relaxed)}}, "12", false},
};
/* clang-format on */

int planted_litmus(void)
{
        int wrong = 0;
        const size_t n = sizeof all / sizeof *all;
        for (size_t i = 0; i < n; i++) {
                current = &all[i];
                seen = false;
                const scenario s = {.name = current->name, .body = body, .check = look};
                const explored e = explore_by(&s, &(explore_plan){.how = EXPLORE_FULL, .weak = true}, false);
                if (e.complete && seen == current->shown)
                        continue;
                printf("litmus '%s': %s is %s\n", current->name, current->saw, seen ? "shown" : "not shown");
                wrong++;
        }
        printf("%zu small programs for the weak memory, %d wrong\n", n, wrong);
        return wrong;
}
