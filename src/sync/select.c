/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the first of several things of different kinds, of which exactly one is then done.
 *
 * Only channels give something away, so only they choose: the caller has one turn and a stand in the line of each (line.h),
 * and all of them are locked together, the oldest first, to look, to stand there, and to leave. A settled future, a ready
 * descriptor and a time that has come stay so: the caller looks at them itself, and if a channel chose it meanwhile, that
 * is what happened.
 *
 * Descriptors are waited for by the door itself, all at once. What a turn of that may find, and what becomes of it:
 *
 *      a channel has chosen     whatever else there is, that is what happened (selection_leave_lines)
 *      a call is shut           rein_close was here: -EBADF, before anything is asked of the number, which may be another's
 *      cancelled                REIN_ECANCELED, unless a channel has chosen or one of the calls is shut
 *      some got something       the first in the order of the cases
 *      the time is over         each is asked once more: what is there wins
 *      nothing                  another turn */
#include "sync/select.h"

#include <errno.h>
#include <limits.h>

#include "core/deadlock.h"

enum { ON_STACK = 8, NONE = RN_SELECT_NONE };

typedef union rn_select_place place;
typedef struct rn_selection selection;

static bool case_is_of_chan(const rein_case *c)
{
        return c->kind == REIN_CASE_RECV || c->kind == REIN_CASE_SEND;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *selection_stands_wrong(const rn_selection *s)
{
        const uint32_t chosen = rn_get32(&s->turn.chosen);
        if (chosen > s->n || (chosen && !case_is_of_chan(&s->cases[chosen - 1])))
                return "a case was chosen that stands in no line";
        for (size_t i = 0; i < s->n; i++) {
                if (!case_is_of_chan(&s->cases[i]))
                        continue;
                const rn_stand *me = &s->places[i].stand;
                if (me->turn != &s->turn || me->index != i)
                        return "a stand is not of the selection that it stands for";
                /* One whose turn has gone to another may have been taken out, by a giver that met it. */
                if (chosen ? chosen == i + 1 && rn_linked(&me->link) : !rn_linked(&me->link))
                        return "a selection is not in the lines of its channels, or still in that of the case that was chosen";
        }
        return NULL;
}

const char *rn_selection_wrong(const rn_selection *s)
{
        if (s->happened < NONE || (s->happened != NONE && (size_t)s->happened >= s->n))
                return "a selection ended by a case that it does not have";
        if (s->chan_count + s->future_count + s->fd_count > s->n || s->watched > s->n || s->fds_begun > s->n)
                return "a selection counts more than its cases";
        for (size_t i = 1; i < s->chan_count; i++)
                if (s->chans[i - 1]->age >= s->chans[i]->age)
                        return "the channels of a selection are not locked in the order of their age";
        return s->stands ? selection_stands_wrong(s) : NULL;
}

#endif

/* ---- what is asked for ---- */

static void selection_happens(selection *s, size_t i, int result)
{
        RN_ASSERT(s->happened == NONE, "one case happens, and no other");
        s->happened = (int)i;
        s->cases[i].result = result;
}

static int case_check(const rein_case *c, size_t i)
{
        static const char call[] = "rein_select";
        for (size_t k = 0; k < sizeof c->reserved / sizeof c->reserved[0]; k++)
                if (c->reserved[k])
                        return rn_fail(-E2BIG, call, "case %zu says what this version of rein does not know", i);
        switch (c->kind) {
        case REIN_CASE_NONE:
        case REIN_CASE_TIME:
                return 0;
        case REIN_CASE_SETTLED:
                if (!c->future)
                        return rn_fail(-EINVAL, call, "the future of case %zu is NULL", i);
                return rn_future_ours(c->future) ? 0 : rn_future_refused(c->future, call);
        case REIN_CASE_RECV:
        case REIN_CASE_SEND:
                if (!c->chan || !(c->kind == REIN_CASE_RECV ? c->to : c->item))
                        return rn_fail(-EINVAL, call, "case %zu has no channel or no item", i);
                return rn_sync_may(true, c->chan->process, call);
        case REIN_CASE_FD:
                if (c->events <= 0 || c->events > SHRT_MAX)
                        return rn_fail(-EINVAL, call, "the events of case %zu are not those of poll(2): from 1 to %d",
                                       i, SHRT_MAX);
                return 0;
        default:
                return rn_fail(-EINVAL, call, "there is no kind %d, of case %zu", c->kind, i);
        }
}

static void selection_add_chan(selection *s, rein_chan *c)
{
        size_t at = s->chan_count;
        while (at && s->chans[at - 1]->age > c->age)
                at--;
        if (at && s->chans[at - 1] == c)
                return;
        for (size_t i = s->chan_count++; i > at; i--)
                s->chans[i] = s->chans[i - 1];
        s->chans[at] = c;
}

static void selection_sort_out(selection *s)
{
        for (size_t i = 0; i < s->n; i++) {
                rein_case *c = &s->cases[i];
                if (case_is_of_chan(c))
                        selection_add_chan(s, c->chan);
                else if (c->kind == REIN_CASE_SETTLED)
                        s->futures[s->future_count++] = c->future;
                else if (c->kind == REIN_CASE_FD)
                        s->fd_count++;
                else if (c->kind == REIN_CASE_TIME && c->at.ns < s->limit)
                        s->limit = c->at.ns;
        }
}

/* ---- channels ---- */

static void selection_lock_chans(selection *s)
{
        for (size_t i = 0; i < s->chan_count; i++)
                rn_chan_lock(s->chans[i]);
        RN_SOUND(rn_selection_wrong(s));
}

static void selection_unlock_chans(selection *s)
{
        RN_SOUND(rn_selection_wrong(s));
        for (size_t i = s->chan_count; i-- > 0;)
                rn_chan_unlock(s->chans[i]);
}

/* Try it: its result, or RN_CHAN_MUST_WAIT. The channels are locked. */
static int case_try(const rein_case *c, rn_wakes *wakes)
{
        bool there = false;
        switch (c->kind) {
        case REIN_CASE_RECV:
                return rn_chan_take(c->chan, c->to, wakes);
        case REIN_CASE_SEND:
                return rn_chan_put(c->chan, c->item, wakes);
        case REIN_CASE_SETTLED:
                there = rn_future_is(c->future, RN_SETTLED);
                break;
        case REIN_CASE_TIME:
                there = c->at.ns != RN_NEVER && c->at.ns <= rn_clock();
                break;
        default:
                break;
        }
        return there ? 0 : RN_CHAN_MUST_WAIT;
}

/* What can be done at once is done: the first. */
static void selection_look(selection *s, rn_wakes *wakes)
{
        for (size_t i = 0; i < s->n && s->happened == NONE; i++) {
                int rc = case_try(&s->cases[i], wakes);
                if (rc != RN_CHAN_MUST_WAIT)
                        selection_happens(s, i, rc);
        }
}

static void selection_stand(selection *s)
{
        RN_ASSERT(!s->stands && !rn_get32(&s->turn.chosen), "a selection stands in its lines once");
        for (size_t i = 0; i < s->n; i++) {
                const rein_case *c = &s->cases[i];
                const bool sends = c->kind == REIN_CASE_SEND;
                if (!sends && c->kind != REIN_CASE_RECV)
                        continue;
                rn_stand *me = &s->places[i].stand;
                *me = (rn_stand){.turn = &s->turn, .index = (uint32_t)i, .to = c->to, .from = c->item};
                rn_list_push(sends ? &c->chan->senders : &c->chan->receivers, &me->link);
                c->chan->inside.count++;
        }
        s->stands = true;
}

/* Do what can be done; else, and if to_wait, stand in the lines. */
static void selection_attempt(selection *s, bool to_wait)
{
        rn_wakes wakes = {.n = 0};
        selection_lock_chans(s);
        selection_look(s, &wakes);
        if (s->happened == NONE && to_wait)
                selection_stand(s);
        selection_unlock_chans(s);
        rn_wakes_ring(&wakes);
}

static void selection_leave_lines(selection *s)
{
        selection_lock_chans(s);
        for (size_t i = 0; i < s->n; i++) {
                if (!case_is_of_chan(&s->cases[i]))
                        continue;
                if (rn_linked(&s->places[i].stand.link))
                        rn_list_remove(&s->places[i].stand.link);
                s->cases[i].chan->inside.count--;
        }
        s->stands = false;
        const uint32_t chosen = rn_load32(&s->turn.chosen);
        if (chosen) {
                s->happened = NONE; /* what else has come stays there */
                selection_happens(s, chosen - 1, s->places[chosen - 1].stand.result);
        }
        selection_unlock_chans(s);
}

/* ---- descriptors ---- */

static void selection_fds_begin(selection *s)
{
        rn_awaited *last = NULL;
        for (; s->fds_begun < s->n && s->happened == NONE; s->fds_begun++) {
                const rein_case *c = &s->cases[s->fds_begun];
                if (c->kind != REIN_CASE_FD)
                        continue;
                place *p = &s->places[s->fds_begun];
                if (rn_fd_begin(&p->fd.call, s->self, c->fd, "rein_select") < 0) {
                        selection_happens(s, s->fds_begun, -EBADF);
                        break;
                }
                p->fd.awaited = (rn_awaited){.polled = {.fd = c->fd, .events = c->events}};
                if (last)
                        last->polled.next = &p->fd.awaited.polled;
                else
                        s->fds = &p->fd.awaited;
                last = &p->fd.awaited;
        }
}

static void selection_fds_end(selection *s)
{
        for (size_t i = 0; i < s->fds_begun; i++)
                if (s->cases[i].kind == REIN_CASE_FD)
                        rn_fd_end(&s->places[i].fd.call);
}

static void selection_fds_shut(selection *s)
{
        for (size_t i = 0; i < s->n && s->happened == NONE; i++)
                if (s->cases[i].kind == REIN_CASE_FD && rn_fd_shut(&s->places[i].fd.call))
                        selection_happens(s, i, -EBADF);
}

static void selection_fds_got(selection *s)
{
        for (size_t i = 0; i < s->n && s->happened == NONE; i++) {
                const int got = s->cases[i].kind == REIN_CASE_FD ? s->places[i].fd.awaited.polled.got : 0;
                if (got)
                        selection_happens(s, i, got & RN_POLLNVAL ? -EBADF : got);
        }
}

/* As rn_fd_turn, for all of them. */
static int selection_fds_turn(selection *s)
{
        rn_task *self = s->self;
        const int64_t at = rn_cancel_at(self);
        selection_fds_shut(s);
        if (s->happened != NONE)
                return 0;
        if (at != RN_NEVER && at <= rn_clock())
                return REIN_ECANCELED;
        const int64_t limit = at < s->limit ? at : s->limit;
        int rc = self->backend->poll(self, s->fds, limit);
        if (rc == 0 && limit != RN_NEVER && limit <= rn_clock())
                rc = rn_sys_poll(&s->fds->polled, -1, INT64_MIN); /* the time came first: what is there wins */
        selection_fds_shut(s);
        if (rc > 0)
                selection_fds_got(s);
        if (rc < 0 || s->happened != NONE)
                return rc < 0 && s->happened == NONE ? rc : 0;
        return s->limit != RN_NEVER && s->limit <= rn_clock() ? REIN_ETIMEOUT : 0;
}

/* ---- waiting ---- */

static void selection_watch_futures(selection *s)
{
        for (; s->watched < s->n; s->watched++) {
                const rein_case *c = &s->cases[s->watched];
                if (c->kind != REIN_CASE_SETTLED)
                        continue;
                rn_watcher *w = &s->places[s->watched].watcher;
                *w = (rn_watcher){.set = &s->set, .f = c->future, .index = s->watched, .for_state = RN_SETTLED};
                if (!rn_future_watch(w))
                        rn_watcher_fire(w);
        }
}

static void selection_unwatch_futures(selection *s)
{
        for (size_t i = 0; i < s->watched; i++)
                if (s->cases[i].kind == REIN_CASE_SETTLED)
                        rn_future_unwatch(&s->places[i].watcher);
}

static bool selection_future_settled(selection *s)
{
        rn_lock_take(&s->set.lock);
        const rn_watcher *first = s->set.first;
        if (first)
                selection_happens(s, first->index, 0);
        rn_lock_give(&s->set.lock);
        return first != NULL;
}

static bool selection_time_came(selection *s)
{
        for (size_t i = 0; i < s->n && s->happened == NONE; i++) {
                const rein_case *c = &s->cases[i];
                if (c->kind == REIN_CASE_TIME && c->at.ns != RN_NEVER && c->at.ns <= rn_clock())
                        selection_happens(s, i, 0);
        }
        return s->happened != NONE;
}

/* In the lines, and until something has happened. */
static int selection_sleep_until_one(selection *s)
{
        rn_wait wait;
        const rn_doing was = rn_task_doing_for_ever(s->self, (rn_doing){"rein_select", NULL});
        selection_watch_futures(s);
        int rc = rn_wait_begin(s->self, &(rn_wait_target){.futures = s->futures, .count = s->future_count, .any = true},
                               false, &wait);
        while (rc == 0 && s->happened == NONE && !rn_load32(&s->turn.chosen) && !selection_future_settled(s)) {
                rc = s->fd_count ? selection_fds_turn(s) : rn_wait_turn(s->self, s->limit);
        }
        selection_leave_lines(s);
        if (rc < 0 && s->happened == NONE && !selection_future_settled(s) && rc == REIN_ETIMEOUT)
                selection_time_came(s);
        selection_unwatch_futures(s);
        rn_wait_end(s->self, &wait);
        rn_task_doing_for_ever(s->self, was);
        return rc;
}

static int selection_run(selection *s)
{
        int rc = 0;
        selection_sort_out(s);
        selection_attempt(s, s->fd_count == 0);
        if (s->happened == NONE && s->fd_count) {
                selection_fds_begin(s);
                if (s->happened == NONE)
                        selection_attempt(s, true);
        }
        if (s->happened == NONE)
                rc = selection_sleep_until_one(s);
        selection_fds_end(s);
        return s->happened == NONE ? rc : s->happened;
}

int rein_select(rein_case cases[], size_t n, rein_time until)
{
        RN_CALL();
        rn_task *self = rn_self();
        if (!self)
                return -ENOMEM;
        rn_stretch_spend(self, RN_SPENDS_CALL);
        if (n && !cases)
                return rn_fail(-EINVAL, "rein_select", "no cases");
        if (n > INT_MAX)
                return rn_fail(-EINVAL, "rein_select", "%zu cases: from 0 to %d can be told apart", n, INT_MAX);
        for (size_t i = 0; i < n; i++) {
                int rc = case_check(&cases[i], i);
                if (rc < 0)
                        return rc;
        }
        if (rn_canceled(self))
                return REIN_ECANCELED;
        place on_stack[ON_STACK];
        rein_chan *chans[ON_STACK];
        rein_future *futures[ON_STACK];
        selection s = {.cases = cases,
                       .n = n,
                       .self = self,
                       .limit = until.ns,
                       .happened = NONE,
                       .turn.task = self,
                       .set.task = self,
                       .places = on_stack,
                       .chans = chans,
                       .futures = futures};
        if (n > ON_STACK) {
                s.places = rn_alloc(n * (sizeof *s.places + sizeof *s.chans + sizeof *s.futures));
                if (!s.places)
                        return -ENOMEM;
                s.chans = (rein_chan **)(void *)&s.places[n];
                s.futures = (rein_future **)(void *)&s.chans[n];
        }
        int rc = selection_run(&s);
        if (n > ON_STACK)
                rn_free(s.places);
        return rc;
}
