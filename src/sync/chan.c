/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/chan.h"

#include <errno.h>
#include <string.h>

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *chan_items_wrong(const rein_chan *c)
{
        if (c->count > c->capacity)
                return "a channel has more items than it has room for";
        if (c->capacity ? c->first >= c->capacity : c->first != 0)
                return "the first item of a channel is outside of its buffer";
        return NULL;
}

/* A stand at each end whose turn is still open: only one rein_select may have both. */
static const char *chan_meet_wrong(const rein_chan *c)
{
        const rn_turn *turn = NULL;
        const rn_link *const lines[] = {&c->senders, &c->receivers};
        for (size_t i = 0; i < 2; i++)
                RN_LIST_EACH(l, lines[i]) {
                        const rn_turn *other = RN_ITEM(l, rn_stand, link)->turn;
                        if (rn_get32(&other->chosen))
                                continue;
                        if (turn && turn != other)
                                return "a sender and a receiver wait for each other";
                        turn = other;
                }
        return NULL;
}

static const char *chan_places_wrong(const rein_chan *c)
{
        RN_LIST_EACH(l, &c->senders)
                if (!RN_ITEM(l, rn_stand, link)->from)
                        return "a sender has nothing to send";
        RN_LIST_EACH(l, &c->receivers)
                if (!RN_ITEM(l, rn_stand, link)->to)
                        return "a receiver has nowhere to put an item";
        return NULL;
}

const char *rn_chan_wrong(const rein_chan *c)
{
        rn_line_look senders, receivers;
        const char *what = chan_items_wrong(c);
        if (!what)
                what = rn_line_wrong(&c->senders, &senders);
        if (!what)
                what = rn_line_wrong(&c->receivers, &receivers);
        if (what)
                return what;
        if (c->finished && !c->sending && !c->closed)
                return "a channel is open, and nobody will send to it";
        if (c->closed && (senders.waiting || receivers.waiting))
                return "somebody waits for a channel that is closed";
        if (senders.waiting && c->count < c->capacity)
                return "a sender waits, and there is room";
        if (receivers.waiting && c->count)
                return "a receiver waits, and there is an item";
        if (!senders.whole || !receivers.whole)
                return NULL;
        what = senders.waiting && receivers.waiting ? chan_meet_wrong(c) : NULL;
        return what ? what : chan_places_wrong(c);
}

static const char *chan_ask(const rn_object *o)
{
        return rn_chan_wrong(RN_ITEM(o, rein_chan, object));
}

#endif

/* ---- making ---- */

static rn_a64 chans_made; /* also over a fork */

static int64_t chan_next_age(void)
{
        int64_t age = rn_load64(&chans_made);
        while (!rn_cas64(&chans_made, &age, age + 1))
                ;
        return age;
}

_Static_assert(offsetof(rein_chan, sends) == 0, "a job knows the head of a channel");

static void chan_comes(rn_sends *s);
static void chan_left(rn_sends *s);

rein_chan *rein_chan_new(size_t item_size, size_t capacity, void (*release)(void *item))
{
        RN_CALL();
        if (item_size == 0) {
                rn_fail(-EINVAL, "rein_chan_new", "items have a size; to count, take a semaphore");
                return NULL;
        }
        const bool fits = capacity <= (SIZE_MAX - sizeof(rein_chan)) / item_size;
        rein_chan *c = fits ? rn_alloc(sizeof *c + capacity * item_size) : NULL;
        if (!c) {
                rn_fail(-ENOMEM, "rein_chan_new", "no memory for %zu items of %zu bytes", capacity, item_size);
                return NULL;
        }
        c->sends = (rn_sends){chan_comes, chan_left};
        c->process = rn_generation();
        c->age = chan_next_age();
        c->item_size = item_size;
        c->capacity = capacity;
        c->release = release;
        rn_list_init(&c->senders);
        rn_list_init(&c->receivers);
        RN_OBJECT_MADE(c, "a channel", &c->lock, chan_ask);
        return c;
}

/* ---- the buffer ---- */

static void *chan_slot(rein_chan *c, size_t i)
{
        const size_t to_end = c->capacity - c->first;
        return c->items + (i < to_end ? c->first + i : i - to_end) * c->item_size;
}

static void chan_into_buffer(rein_chan *c, const void *item)
{
        RN_ASSERT(c->count < c->capacity, "an item goes into a buffer that has room");
        memcpy(chan_slot(c, c->count), item, c->item_size);
        c->count++;
}

static void chan_out_of_buffer(rein_chan *c, void *item)
{
        RN_ASSERT(c->count > 0, "an item comes out of a buffer that has one");
        memcpy(item, chan_slot(c, 0), c->item_size);
        c->first = c->first + 1 == c->capacity ? 0 : c->first + 1;
        c->count--;
}

void rein_chan_free(rein_chan *c)
{
        RN_CALL();
        RN_TOLD_USED(c);
        if (!rn_sync_is_there(c, c ? c->process : 0, "rein_chan_free"))
                return;
        rn_chan_lock(c);
        const size_t waiting = rn_line_waiting(&c->senders) + rn_line_waiting(&c->receivers);
        const size_t sending = c->sending;
        const bool may = !waiting && !sending;
        c->inside.freed = may;
        if (may)
                c->process = RN_GIVEN_BACK;
        c->inside.count += may; /* the caller, while it releases what is left */
        rn_chan_unlock(c);
        if (waiting)
                rn_free_refused_waiting("rein_chan_free", waiting);
        else if (sending)
                rn_free_refused("rein_chan_free", "jobs that send to it are not gone: %zu", sending);
        if (!may)
                return;
        for (size_t i = 0; c->release && i < c->count; i++)
                c->release(chan_slot(c, i));
        rn_chan_lock(c);
        c->inside.count--;
        rn_chan_unlock(c);
}

/* ---- passing items ---- */

int rn_chan_put(rein_chan *c, const void *item, rn_wakes *wakes)
{
        RN_ASSERT(rn_lock_held(&c->lock), "items are passed under the channel's lock");
        if (c->closed)
                return -EPIPE;
        rn_stand *receiver = rn_line_choose(&c->receivers, wakes);
        if (receiver) {
                RN_ASSERT(c->count == 0, "a receiver that waits has found no item");
                memcpy(receiver->to, item, c->item_size);
                receiver->result = 1;
                return 0;
        }
        if (c->count == c->capacity)
                return RN_CHAN_MUST_WAIT;
        chan_into_buffer(c, item);
        return 0;
}

int rn_chan_take(rein_chan *c, void *item, rn_wakes *wakes)
{
        RN_ASSERT(rn_lock_held(&c->lock), "items are passed under the channel's lock");
        const bool buffered = c->count > 0;
        if (buffered)
                chan_out_of_buffer(c, item);
        rn_stand *sender = rn_line_choose(&c->senders, wakes);
        if (sender) {
                RN_ASSERT(!c->closed, "nobody waits to send to a channel that is closed");
                sender->result = 0;
                if (buffered)
                        chan_into_buffer(c, sender->from);
                else
                        memcpy(item, sender->from, c->item_size);
        }
        if (buffered || sender)
                return 1;
        return c->closed ? 0 : RN_CHAN_MUST_WAIT;
}

int rein_chan_send(rein_chan *c, const void *item, rein_time until)
{
        RN_CALL();
        RN_TOLD_USED(c);
        rn_task *self;
        int rc = rn_sync_enter(&self, c && item, c ? c->process : 0, "rein_chan_send");
        if (rc < 0)
                return rc;
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn, .from = item};
        rn_wakes wakes = {.n = 0};
        rn_chan_lock(c);
        rc = rn_chan_put(c, item, &wakes);
        if (rc == RN_CHAN_MUST_WAIT) {
                rc = rn_line_wait_inside(&c->inside, &c->lock, &c->senders, &me, until.ns,
                                         (rn_doing){"rein_chan_send", NULL});
                rc = rc < 0 ? rc : me.result;
        }
        rn_chan_unlock(c);
        rn_wakes_ring(&wakes);
        return rc;
}

int rein_chan_recv(rein_chan *c, void *item, rein_time until)
{
        RN_CALL();
        RN_TOLD_USED(c);
        rn_task *self;
        int rc = rn_sync_enter(&self, c && item, c ? c->process : 0, "rein_chan_recv");
        if (rc < 0)
                return rc;
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn, .to = item};
        rn_wakes wakes = {.n = 0};
        rn_chan_lock(c);
        rc = rn_chan_take(c, item, &wakes);
        if (rc == RN_CHAN_MUST_WAIT) {
                rc = rn_line_wait_inside(&c->inside, &c->lock, &c->receivers, &me, until.ns,
                                         (rn_doing){"rein_chan_recv", NULL});
                rc = rc < 0 ? rc : me.result;
        }
        rn_chan_unlock(c);
        rn_wakes_ring(&wakes);
        return rc;
}

static void chan_close_locked(rein_chan *c, rn_wakes *wakes)
{
        RN_ASSERT(rn_lock_held(&c->lock), "a channel is closed under its lock");
        c->closed = true;
        rn_line_choose_all(&c->senders, -EPIPE, wakes);
        rn_line_choose_all(&c->receivers, 0, wakes);
}

void rein_chan_close(rein_chan *c)
{
        RN_CALL();
        RN_TOLD_USED(c);
        if (!rn_sync_is_there(c, c ? c->process : 0, "rein_chan_close"))
                return;
        rn_wakes wakes = {.n = 0};
        rn_chan_lock(c);
        chan_close_locked(c, &wakes);
        rn_chan_unlock(c);
        rn_wakes_ring(&wakes);
}

/* ---- jobs that send to it ---- */

static rein_chan *chan_of(rn_sends *s)
{
        return (rein_chan *)(void *)s;
}

static void chan_comes(rn_sends *s)
{
        rein_chan *c = chan_of(s);
        if (c->process != rn_generation())
                return;
        rn_chan_lock(c);
        c->sending++;
        rn_chan_unlock(c);
}

static void chan_left(rn_sends *s)
{
        rein_chan *c = chan_of(s);
        if (c->process != rn_generation())
                return;
        rn_wakes wakes = {.n = 0};
        rn_chan_lock(c);
        RN_ASSERT(c->sending > 0, "a job that leaves a channel had come to it");
        c->sending--;
        if (c->finished && !c->sending)
                chan_close_locked(c, &wakes);
        rn_chan_unlock(c);
        rn_wakes_ring(&wakes);
}

void rein_chan_finish(rein_chan *c)
{
        RN_CALL();
        RN_TOLD_USED(c);
        if (!rn_sync_is_there(c, c ? c->process : 0, "rein_chan_finish"))
                return;
        rn_wakes wakes = {.n = 0};
        rn_chan_lock(c);
        c->finished = true;
        if (!c->sending)
                chan_close_locked(c, &wakes);
        rn_chan_unlock(c);
        rn_wakes_ring(&wakes);
}
