/* SPDX-License-Identifier: Apache-2.0 */
#include "core/door.h"

#include "core/task.h"

enum { EMPTY, RUNG, ASLEEP, POLLING, RINGING };
enum { LOOK_EVERY_NS = 5000000 };

/* One door over two kinds of words: the operating system's, and a simulation's, which asks its machine. A task has the
 * backend of the world it is made in, so a thread that is not simulated pays nothing for those that are. */
typedef struct words {
        void (*wait)(rn_a32 *word, uint32_t value, int64_t until);
        void (*wake)(rn_a32 *word, uint32_t how_many);
} words;

static const words real = {rn_word_wait_really, rn_word_wake_really}, simulated = {rn_word_wait, rn_word_wake};

static inline __attribute__((always_inline)) void door_park(rn_task *self, int64_t until, const words *w)
{
        rn_a32 *word = &self->door.word;
        uint32_t was = EMPTY;
        RN_ASSERT(self == rn_self_if(), "only its owner sleeps at a door");
        if (rn_cas32(word, &was, ASLEEP))
                w->wait(word, ASLEEP, until);
        RN_ASSERT(was == EMPTY || was == RUNG, "a door whose owner is awake was rung, or was not");
        was = rn_swap32(word, EMPTY);
        rn_told_acquire(word);
        RN_ASSERT(was == ASLEEP || was == RUNG, "an owner that sleeps on the word is woken by a ring only");
}

static inline __attribute__((always_inline)) bool door_unpark(rn_task *t, const words *w)
{
        rn_a32 *word = &t->door.word;
        uint32_t was = rn_load32(word);
        uint32_t next;
        rn_told_release(word);
        do
                next = was == POLLING || was == RINGING ? RINGING : RUNG;
        while (!rn_cas32(word, &was, next));
        if (was == ASLEEP) {
                w->wake(word, 1);
        } else if (was == POLLING) {
                rn_told_acquire(word); /* it made the descriptor before it polled */
                RN_ASSERT(t->door.wake > 0, "an owner that polls has a descriptor by which it is woken");
                rn_sys_wakefd_ring(t->door.wake - 1);
                rn_swap32(word, RUNG);
        }
        return was == ASLEEP || was == POLLING;
}

static void thread_park(rn_task *self, int64_t until)
{
        door_park(self, until, &real);
}

static bool thread_unpark(rn_task *t)
{
        return door_unpark(t, &real);
}

static void simulated_park(rn_task *self, int64_t until)
{
        door_park(self, until, &simulated);
}

static bool simulated_unpark(rn_task *t)
{
        return door_unpark(t, &simulated);
}

/* There is no descriptor now by which this thread could be woken in a poll. So it sleeps on the word, and looks at its
 * descriptors now and then: a wait that failed instead would make a spin of a loop that passes over that. */
static int door_poll_without_bell(rn_task *self, rn_polled *all, int64_t until)
{
        const int64_t soon = rn_clock() + LOOK_EVERY_NS;
        const int rc = all ? rn_sys_poll(all, -1, INT64_MIN) : 0;
        if (rc == 0)
                self->backend->park(self, all && soon < until ? soon : until);
        return rc;
}

static int thread_poll(rn_task *self, rn_awaited *awaited, int64_t until)
{
        rn_door *d = &self->door;
        rn_polled *all = awaited ? &awaited->polled : NULL;
        if (!d->wake) {
                int made = rn_sys_wakefd();
                if (made < 0)
                        return door_poll_without_bell(self, all, until);
                d->wake = made + 1;
        }
        uint32_t was = EMPTY;
        RN_ASSERT(self == rn_self_if(), "only its owner sleeps at a door");
        rn_told_release(&d->word);
        if (!rn_cas32(&d->word, &was, POLLING)) { /* it was rung: no wait, but it may be the only look */
                rn_swap32(&d->word, EMPTY);
                rn_told_acquire(&d->word);
                return all ? rn_sys_poll(all, -1, INT64_MIN) : 0;
        }
        int rc = rn_sys_poll(all, d->wake - 1, until);
        was = POLLING;
        if (rn_cas32(&d->word, &was, EMPTY))
                return rc;
        for (unsigned round = 0; rn_load32(&d->word) == RINGING; round++)
                rn_pause(round);
        RN_ASSERT(rn_get32(&d->word) == RUNG, "whoever rings leaves it rung");
        rn_sys_wakefd_drain(d->wake - 1);
        rn_swap32(&d->word, EMPTY);
        rn_told_acquire(&d->word);
        return rc;
}

static void thread_close(rn_task *self)
{
        const uint32_t now = rn_get32(&self->door.word);
        RN_ASSERT(now == EMPTY || now == RUNG, "a door is closed when nobody sleeps at it, or rings");
        if (self->door.wake)
                rn_sys_close(self->door.wake - 1);
        self->door.wake = 0;
}

static const rn_backend thread_backend = {
        .thread = true,
        .park = thread_park,
        .unpark = thread_unpark,
        .poll = thread_poll,
        .close = thread_close,
};

static const rn_backend simulated_backend = {
        .thread = true,
        .park = simulated_park,
        .unpark = simulated_unpark,
        .poll = thread_poll,
        .close = thread_close,
};

const rn_backend *rn_thread_backend(void)
{
        return rn_virtual() ? &simulated_backend : &thread_backend;
}
