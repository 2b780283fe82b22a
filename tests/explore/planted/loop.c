/* SPDX-License-Identifier: Apache-2.0 */
/* Loops: how one falls asleep while others post to it, and how it ends. */
#include "planted.h"

/* ---- posts to a loop that falls asleep ---- */

typedef enum mistake { NONE, LOOKS_TOO_EARLY, RINGS_NOBODY, SLEEPS_AT_ONCE, RINGS_TOO_EARLY } mistake;

static mistake made;
static word mail, asleep, bell, closing;
static uint64_t expected;

static bool makes(mistake m)
{
        return planted_broken && made == m;
}

static void ring_loop(void)
{
        if (!makes(RINGS_NOBODY) && get(&asleep) && word_swap(&asleep, 0, memory_order_seq_cst))
                ring(&bell);
}

static void post(void *arg)
{
        (void)arg;
        if (makes(LOOKS_TOO_EARLY)) {
                const bool sleeps = get(&asleep);
                plus(&mail, 1);
                if (sleeps)
                        ring_loop();
                return;
        }
        plus(&mail, 1);
        ring_loop();
}

static void fall_asleep(bool closes)
{
        word_swap(&asleep, 1, memory_order_seq_cst);
        if (makes(SLEEPS_AT_ONCE) || (!get(&mail) && !(closes && get(&closing))))
                wait_for(&bell);
        put(&bell, 0);
        word_swap(&asleep, 0, memory_order_seq_cst);
}

static void turn(void *arg)
{
        (void)arg;
        for (uint64_t handled = 0; handled < expected;) {
                const uint64_t came = word_swap(&mail, 0, memory_order_seq_cst);
                handled += came;
                if (!came)
                        fall_asleep(false);
        }
        planted_saw[0] = get(&mail);
}

static void posts(mistake m, int posters)
{
        made = m;
        mail = asleep = bell = closing = (word){0};
        expected = (uint64_t)posters;
        explore_start("loop", turn, NULL);
        for (int i = 0; i < posters; i++)
                explore_start("poster", post, NULL);
}

/* Who posts looks whether the loop sleeps, and then posts: it fell asleep in between. */
static void looks_too_early(void)
{
        posts(LOOKS_TOO_EARLY, 2);
}

/* A post without a ring: the loop wakes for its next timer, if it has one. */
static void rings_nobody(void)
{
        posts(RINGS_NOBODY, 1);
}

/* The loop says that it sleeps, and does not look again before it does. */
static void sleeps_at_once(void)
{
        posts(SLEEPS_AT_ONCE, 2);
}

static void turn_until_closed(void *arg)
{
        (void)arg;
        while (!get(&closing))
                fall_asleep(true);
}

static void stop(void *arg)
{
        (void)arg;
        if (makes(RINGS_TOO_EARLY)) {
                ring_loop();
                put(&closing, 1);
        } else {
                put(&closing, 1);
                ring_loop();
        }
}

/* A stop wakes the loop, and then says why. */
static void rings_too_early(void)
{
        made = RINGS_TOO_EARLY;
        mail = asleep = bell = closing = (word){0};
        explore_start("loop", turn_until_closed, NULL);
        explore_start("stopper", stop, NULL);
}

static word gone, news;

static void turn_until_gone(void *arg)
{
        (void)arg;
        for (unsigned turns = 0; !get(&gone); turns++) {
                EXPLORE_CHECK(turns <= 2);
                word_swap(&asleep, 1, memory_order_seq_cst);
                if (!word_swap(&news, 0, memory_order_seq_cst) && !(planted_broken && get(&closing)))
                        wait_for(&bell);
                put(&bell, 0);
                word_swap(&asleep, 0, memory_order_seq_cst);
        }
}

static void take_back(void *arg)
{
        (void)arg;
        put(&gone, 1);
        put(&news, 1);
        ring_loop();
}

/* A loop that is stopped does not sleep any more, although what it waits for is for another thread to do: it turns on
 * the spot until then. Met in rein_run and in the stop of a hosted loop. */
static void turns_on_the_spot(void)
{
        made = NONE;
        asleep = bell = gone = news = (word){0};
        closing = (word){1};
        explore_start("loop", turn_until_gone, NULL);
        explore_start("canceller", take_back, NULL);
}

static word unsettled;

static void stop_and_wait(void *arg)
{
        (void)arg;
        while (get(&unsettled)) {
                wait_for(&bell);
                put(&bell, 0);
        }
}

static void rescue(void *arg)
{
        (void)arg;
        minus(&unsettled, 1);
        if (!planted_broken)
                ring(&bell);
}

/* A continuation for which no thread can be had is given away, and the stop that waits for it is not told. Met in loops
 * and pools. */
static void given_away_untold(void)
{
        bell = (word){0};
        unsettled = (word){1};
        explore_start("stop", stop_and_wait, NULL);
        explore_start("poster", rescue, NULL);
}

/* ---- freed under a poster ---- */

typedef struct small_loop {
        word mail, rings, posters;
} small_loop;

static small_loop *loop;

static void post_and_ring(void *arg)
{
        small_loop *l = arg;
        if (!planted_broken)
                plus(&l->posters, 1);
        put(&l->mail, 1);
        plus(&l->rings, 1);
        if (!planted_broken)
                minus(&l->posters, 1);
}

static void end_and_free(void *arg)
{
        small_loop *l = arg;
        while (!get(&l->mail))
                rn_pause(0);
        while (get(&l->posters))
                rn_pause(0);
        rn_free(l);
}

/* What came in was all the loop waited for: it ends, and is freed before who posted it has rung. */
static void freed_under_a_poster(void)
{
        loop = rn_alloc(sizeof *loop);
        explore_start("loop", end_and_free, loop);
        explore_start("poster", post_and_ring, loop);
}

/* ---- two who wake one coroutine ---- */

enum { EMPTY, PERMIT, ASLEEP };

static word door, queued;

static void unpark(void *arg)
{
        (void)arg;
        if (move(&door, ASLEEP, PERMIT))
                plus(&queued, 1);
}

static void fire(void *arg)
{
        (void)arg;
        if (!planted_broken) {
                unpark(NULL);
        } else if (get(&door) == ASLEEP) {
                put(&door, PERMIT);
                plus(&queued, 1);
        }
}

static int queued_once(void)
{
        planted_saw[0] = queued.v;
        return queued.v == 1 ? 0 : -EPROTO;
}

/* Its timer fires while another thread unparks it: both put it among those to run, and its links are in two lists. */
static void queued_twice(void)
{
        door = (word){ASLEEP};
        queued = (word){0};
        explore_start("timer", fire, NULL);
        explore_start("unparker", unpark, NULL);
}

/* ---- a thread that leaves ---- */

static rn_lock lock;
static word running, inbox, ran;

static void loop_thread(void *arg)
{
        (void)arg;
        for (;;) {
                while (get(&inbox)) {
                        minus(&inbox, 1);
                        plus(&ran, 1);
                }
                rn_lock_take(&lock);
                const bool leaves = planted_broken || !get(&inbox);
                if (leaves)
                        put(&running, 0);
                rn_lock_give(&lock);
                if (leaves)
                        return;
        }
}

static void enter(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        const bool start = !get(&running);
        put(&running, 1);
        plus(&inbox, 1);
        rn_lock_give(&lock);
        if (start)
                explore_start("loop again", loop_thread, NULL);
}

static int all_ran(void)
{
        planted_saw[0] = ran.v;
        return ran.v == 1 && inbox.v == 0 ? 0 : -EPROTO;
}

/* The loop's thread found its inbox empty, and leaves without another look: what came in finds a thread, and none runs
 * it. */
static void leaves_its_inbox(void)
{
        lock = (rn_lock){0};
        inbox = ran = (word){0};
        running = (word){1};
        explore_start("loop", loop_thread, NULL);
        explore_start("submitter", enter, NULL);
}

/* ---- who looks at what a loop is busy with ---- */

enum { PINNED = 1, BEGAN = 2 };

static word since, looking, job_gone;

static void tell_of_stall(void *arg)
{
        (void)arg;
        const uint64_t began = get(&since);
        if (!planted_broken)
                put(&looking, 1);
        if (began && move(&since, began, began | PINNED)) {
                if (planted_broken)
                        put(&looking, 1);
                EXPLORE_CHECK(!get(&job_gone));
                planted_saw[0] = move(&since, began | PINNED, began);
        }
        put(&looking, 0);
}

static void end_stretch(void *arg)
{
        (void)arg;
        const uint64_t was = word_swap(&since, 0, memory_order_seq_cst);
        for (unsigned round = 0; (was & PINNED) && get(&looking); round++)
                rn_pause(round);
        put(&job_gone, 1);
}

/* Who tells of a loop that is held up pins the stretch, and says a moment later that it looks: the job returns in
 * between, sees nobody looking, and is gone under him (src/loop/watch.c). */
static void pinned_before_it_looks(void)
{
        since = (word){BEGAN};
        looking = job_gone = (word){0};
        explore_start("teller", tell_of_stall, NULL);
        explore_start("loop", end_stretch, NULL);
}

const planted planted_loops[] = {
        {"loop-looks-too-early", looks_too_early, NULL, BY_DPOR(300), COMPLETELY, REIN_SIM_DEADLOCK},
        {"loop-rings-nobody", rings_nobody, NULL, BY_RANDOM(340), COMPLETELY, REIN_SIM_DEADLOCK},
        {"loop-sleeps-at-once", sleeps_at_once, NULL, BY_PCT(2, 400), COMPLETELY, REIN_SIM_DEADLOCK},
        {"loop-rings-too-early", rings_too_early, NULL, BY_BOUND(1, 80), COMPLETELY, REIN_SIM_DEADLOCK},
        {"loop-turns-on-the-spot", turns_on_the_spot, NULL, BY_DPOR(20), COMPLETELY, REIN_SIM_FAILED},
        {"given-away-untold", given_away_untold, NULL, BY_DPOR(20), COMPLETELY, REIN_SIM_DEADLOCK},
        {"loop-freed-under-a-poster", freed_under_a_poster, NULL, BY_DPOR(40), COMPLETELY, REIN_SIM_MISUSE},
        {"loop-queues-twice", queued_twice, queued_once, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {"loop-pin-unseen", pinned_before_it_looks, NULL, BY_DPOR(80), COMPLETELY, REIN_SIM_FAILED},
        {"loop-leaves-its-inbox", leaves_its_inbox, all_ran, BY_DPOR(40), COMPLETELY, REIN_SIM_FAILED},
        {0},
};
