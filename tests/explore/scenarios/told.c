/* SPDX-License-Identifier: Apache-2.0 */
/* Words that one task writes in passing and others read without a lock: what a task says that it does, what a job was stuck
 * in, and records that are used again under a late reader. Each needs the order that the code gives it, and no more. */
#include <string.h>

#include "core/scope.h"
#include "core/work.h"
#include "core/world.h"
#include "explore/words.h"
#include "scenarios/scenarios.h"

/* ---- what a task says that it does ---- */

enum { SEEN, SAID, FOUND };

static rn_task *task;
static word text; /* stands for the text that `at` points to, which is plain memory */

static void says(void *arg)
{
        (void)arg;
        if (!rn_task_adopt(task))
                return;
        word_store(&text, 7, memory_order_relaxed);
        const rn_doing was = rn_task_doing_for_ever(task, (rn_doing){"a call", (const char *)&text});
        mark[SAID] = 1;
        rn_task_doing_for_ever(task, was);
}

/* As rn_work_note_stuck does. */
static void looks(void *arg)
{
        (void)arg;
        const word *at = rn_loadptr(&task->doing_at);
        if (!at)
                return;
        mark[SEEN] = 1;
        EXPLORE_CHECK(word_load(at, memory_order_relaxed) == 7);
}

static void doing(void)
{
        begin();
        text = (word){0};
        task = rn_task_new();
        explore_go();
        explore_start("says", says, NULL);
        explore_start("looks", looks, NULL);
        explore_calm();
}

/* ---- what a job was stuck in ---- */

static rein_work *work;

static void notes(void *arg)
{
        (void)arg;
        rn_work_note_stuck(work);
}

static void reads_the_note(void *arg)
{
        (void)arg;
        if (!rn_loadptr(&work->stuck))
                return;
        mark[SEEN] = 1;
        EXPLORE_CHECK(strncmp(rn_work_stuck_in(work), "rein_sleep", 10) == 0);
        EXPLORE_CHECK(!rn_work_frames(work)); /* none in a simulation */
}

static int sleeps(void *arg)
{
        (void)arg;
        return rein_sleep(rein_after(REIN_SEC(1)));
}

static void note_stuck(void)
{
        begin();
        rein_executor *pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, sleeps, NULL, REIN_JOB(.on_worker = true));
        work = rn_work_of(f);
        rein_sim_block(rein_after(REIN_MS(1)));
        explore_go();
        explore_start("notes", notes, NULL);
        explore_start("notes too", notes, NULL);
        explore_start("reads", reads_the_note, NULL);
        explore_calm();
        EXPLORE_CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
        rein_drop(f);
        rein_executor_free(pool);
}

/* ---- a record used again ---- */

static rn_scope *record;
static uint32_t generation;
static const char old_life[] = "old", new_life[] = "new";

static void uses_again(void *arg)
{
        (void)arg;
        rn_scope_leave(record);
        rn_scope *next = rn_scope_new(NULL, NULL, RN_NEVER, -1, new_life);
        EXPLORE_CHECK(next == record);
}

static void finds_late(void *arg)
{
        (void)arg;
        if (!rn_scope_find_locked(record, generation))
                return;
        mark[FOUND] = 1;
        EXPLORE_CHECK(record->place == old_life);
        rn_scope_unlock(record);
}

static void scope_again(void)
{
        begin();
        rn_scope *above = rn_scope_new(NULL, NULL, RN_NEVER, -1, "above");
        record = rn_scope_new(above, NULL, RN_NEVER, -1, old_life);
        generation = rn_slab_generation(&record->in_slab);
        explore_go();
        explore_start("uses again", uses_again, NULL);
        explore_start("finds late", finds_late, NULL);
        explore_calm();
        rn_scope_leave(record);
        rn_scope_leave(above);
}

#define WEAKLY(b) BOUNDED(b, .weak = true)
#define AFTER(b)  BOUNDED(b, .after = true)

static const entry list[] = {
        {"told-doing", doing, {ALL(), FULL(.weak = true)}},
        {"told-stuck", note_stuck, {ALL(), WEAKLY(2), AFTER(2)}},
        {"told-scope-again", scope_again, {ALL(), WEAKLY(2)}},
};

const entries told_scenarios = ENTRIES(list);
