/* SPDX-License-Identifier: Apache-2.0 */
#include "io/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/future.h"
#include "core/promise.h"
#include "core/world.h"
#include "core/wrong.h"

typedef rn_lookup lookup;

enum { QUEUED = RN_LOOKUP_QUEUED, RUNNING = RN_LOOKUP_RUNNING, GIVEN_UP = RN_LOOKUP_GIVEN_UP, DONE = RN_LOOKUP_DONE };

/* ---- the lane ---- */

/* Threads that count to the sixteen. */
static uint32_t lane_used(const rn_world *w)
{
        const uint32_t spared =
                w->lookups_given_up < RN_LOOKUPS_GIVEN_UP ? w->lookups_given_up : (uint32_t)RN_LOOKUPS_GIVEN_UP;
        return w->lookup_threads - spared;
}

static bool lane_has_room(const rn_world *w)
{
        return lane_used(w) < RN_LOOKUPS_AT_ONCE;
}

/* Nobody will ever come for what is queued: the threads there are may hang for ever. */
static bool lane_is_dead(const rn_world *w)
{
        return w->lookup_threads == w->lookups_given_up;
}

#if RN_CHECKING

const char *rn_lookups_wrong(const rn_world *w)
{
        if (w->lookups_given_up > w->lookup_threads)
                return "more look-ups were given up than there are threads for them";
        if (lane_used(w) > RN_LOOKUPS_AT_ONCE)
                return "more threads look up names than may";
        size_t n;
        const char *torn = rn_list_wrong(&w->lookups, &n);
        if (torn)
                return torn;
        if (!rn_list_empty(&w->lookups) && lane_is_dead(w))
                return "a name waits to be looked up, and no thread is there";
        RN_LIST_EACH(l, &w->lookups) {
                const lookup *waits = RN_ITEM(l, lookup, link);
                if (!waits->promise || !waits->service || waits->state != QUEUED || waits->shares != 2)
                        return "a name is to be looked up for nobody";
        }
        return NULL;
}

static const char *lookups_ask(const rn_world *w, char *where, size_t n)
{
        snprintf(where, n, "the list of names");
        return rn_lock_held(&w->fd_lock) ? NULL : rn_lookups_wrong(w);
}

__attribute__((constructor)) static void lookups_ask_also(void)
{
        static rn_asker asker = {.world = lookups_ask};
        rn_ask_also(&asker);
}

#endif

static rn_world *lookups_lock(void)
{
        rn_world *world = rn_world_now();
        rn_lock_take(&world->fd_lock);
        RN_SOUND(rn_lookups_wrong(world));
        return world;
}

static void lookups_unlock(rn_world *world)
{
        RN_SOUND(rn_lookups_wrong(world));
        rn_lock_give(&world->fd_lock);
}

/* ---- the promise ---- */

static void lookup_release(lookup *l)
{
        rn_world *world = lookups_lock();
        RN_ASSERT(l->shares > 0 && l->state == DONE, "a share in a look-up is given back once it is done");
        const bool last = --l->shares == 0;
        lookups_unlock(world);
        if (last)
                rn_free(l);
}

static void lookup_list_free(void *list)
{
        rn_sys_addr_free(list);
}

/* What becomes of l is known, and told; the settler's share is given back. */
static void lookup_settle(lookup *l, int rc, const char *why, rn_sys_addr *list)
{
        if (rc < 0)
                rein_promise_break(l->promise, rc, "host %s%s%s, service '%s': %s", l->host[0] ? "'" : "",
                                   l->host[0] ? l->host : "NULL", l->host[0] ? "'" : "", l->service, why);
        else if (rein_promise_keep(l->promise, list, lookup_list_free) < 0)
                rn_sys_addr_free(list);
        rein_promise_drop(l->promise);
        lookup_release(l);
}

/* All that are queued, when the lane is dead; into a list of the caller's, which settles them. */
static void lookups_refuse_locked(rn_world *world, rn_link *refused)
{
        if (!lane_is_dead(world) || lane_has_room(world))
                return;
        RN_LIST_EACH(i, &world->lookups)
                RN_ITEM(i, lookup, link)->state = DONE;
        rn_list_move(refused, &world->lookups);
}

static void lookups_settle(rn_link *refused, int rc, const char *why)
{
        for (rn_link *i; (i = rn_list_pop(refused));)
                lookup_settle(RN_ITEM(i, lookup, link), rc, why, NULL);
}

/* ---- threads ---- */

static const char *const hung =
        "too many look-ups hang that nobody waits for any more: none is begun before one of them ends";

/* l has its answer. What this thread looks up next; NULL: it ends, and is no longer counted. */
static lookup *lookup_answered(lookup *l)
{
        rn_world *world = lookups_lock();
        RN_ASSERT(world->lookup_threads > 0, "a thread that looks up names is counted");
        RN_ASSERT(l->state == RUNNING || l->state == GIVEN_UP, "a look-up that is answered was running");
        world->lookups_given_up -= l->state == GIVEN_UP;
        l->state = DONE;
        rn_link *first = lane_used(world) <= RN_LOOKUPS_AT_ONCE ? rn_list_pop(&world->lookups) : NULL;
        lookup *next = first ? RN_ITEM(first, lookup, link) : NULL;
        if (next)
                next->state = RUNNING;
        else
                world->lookup_threads--;
        lookups_unlock(world);
        return next;
}

static void lookup_thread_main(void *arg)
{
        for (lookup *l = arg, *next; l; l = next) {
                rn_sys_addr *list = NULL;
                const char *why = "nobody waits for it any more";
                int rc = REIN_ECANCELED;
                if (!rn_promise_settled(l->promise))
                        rc = rn_sys_lookup(l->host[0] ? l->host : NULL, l->service, l->passive, l->datagrams, false,
                                           &list, &why);
                next = lookup_answered(l);
                lookup_settle(l, rc, why, list);
        }
}

/* There is no thread for l, which counts as running on one. Others take it along; when they may all hang, nobody will look up
 * those either that are queued. */
static void lookup_without_thread(lookup *l, int rc)
{
        rn_link refused;
        rn_list_init(&refused);
        rn_world *world = lookups_lock();
        const bool left = l->state == GIVEN_UP;
        world->lookup_threads--;
        world->lookups_given_up -= left;
        l->state = QUEUED;
        rn_list_push(&world->lookups, &l->link);
        if (left || lane_is_dead(world)) {
                rn_list_remove(&l->link);
                l->state = DONE;
                rn_list_push(&refused, &l->link);
        }
        if (lane_is_dead(world)) {
                RN_LIST_EACH(i, &world->lookups)
                        RN_ITEM(i, lookup, link)->state = DONE;
                rn_list_move(&refused, &world->lookups);
        }
        lookups_unlock(world);
        lookups_settle(&refused, rc, "no thread could be started to look it up");
}

static void lookup_start(lookup *l)
{
        const int rc = rn_thread_start(lookup_thread_main, l, "rein-lookup", 0);
        if (rc < 0)
                lookup_without_thread(l, rc);
}

/* ---- the caller ---- */

/* On a thread of its own, or, when there are enough, on one of those. */
static void lookup_begin(lookup *l)
{
        rn_link refused;
        rn_list_init(&refused);
        rn_world *world = lookups_lock();
        RN_ASSERT(!rn_linked(&l->link), "a name is looked up once");
        const bool more = lane_has_room(world);
        if (more) {
                l->state = RUNNING;
                world->lookup_threads++;
        } else {
                l->state = QUEUED;
                rn_list_push(&world->lookups, &l->link);
                lookups_refuse_locked(world, &refused);
        }
        lookups_unlock(world);
        if (more)
                lookup_start(l);
        lookups_settle(&refused, -EAGAIN, hung);
}

/* The caller waits no longer. A thread that its look-up holds is spared, and the next in the queue gets one of its own. */
static void lookup_leave(lookup *l)
{
        rn_link refused;
        rn_list_init(&refused);
        lookup *next = NULL;
        rn_world *world = lookups_lock();
        const bool queued = l->state == QUEUED;
        if (queued) {
                rn_list_remove(&l->link);
                l->state = DONE;
        } else if (l->state == RUNNING) {
                l->state = GIVEN_UP;
                world->lookups_given_up++;
                rn_link *first = lane_has_room(world) ? rn_list_pop(&world->lookups) : NULL;
                if (first) {
                        next = RN_ITEM(first, lookup, link);
                        next->state = RUNNING;
                        world->lookup_threads++;
                }
                lookups_refuse_locked(world, &refused);
        }
        const bool last = --l->shares == 0;
        lookups_unlock(world);
        if (next)
                lookup_start(next);
        lookups_settle(&refused, -EAGAIN, hung);
        if (queued) /* there is no other settler */
                lookup_settle(l, REIN_ECANCELED, "nobody waits for it any more", NULL);
        else if (last)
                rn_free(l);
}

static lookup *lookup_new(const char *host, const char *service, rein_future **found)
{
        host = host ? host : "";
        const size_t h = strlen(host) + 1, s = strlen(service) + 1;
        lookup *l = rn_alloc(sizeof *l + h + s);
        if (!l)
                return NULL;
        memcpy(l->host, host, h);
        l->service = memcpy(l->host + h, service, s);
        l->shares = 2;
        l->promise = rn_promise_new("rein_connect", found);
        if (l->promise)
                return l;
        rn_free(l);
        return NULL;
}

int rn_lookup_await(const char *call, const char *host, const char *service, bool passive, bool datagrams,
                    int64_t until, rn_sys_addr **list)
{
        rein_future *found = NULL;
        lookup *l = lookup_new(host, service, &found);
        if (!l)
                return rn_fail(-ENOMEM, call, "no memory to look up service '%s'", service);
        l->passive = passive;
        l->datagrams = datagrams;
        lookup_begin(l);
        int rc = rein_await(found, NULL, REIN_TIME(until));
        if (rc < 0 && rc != REIN_EFAILED)
                rein_cancel(found, "nobody waits for this address any more");
        lookup_leave(l);
        void *value = NULL;
        void (*release)(void *);
        if (rc == 0 && rein_take(found, &value, &release) == 0)
                *list = value;
        else if (rc == REIN_EFAILED)
                rc = rn_fail(rein_code(found), call, "%s", rein_error_text(rein_error_of(found)));
        rn_future_seen(found); /* it was told by the code, or to nobody who waits */
        rein_drop(found);
        return rc;
}
