/* SPDX-License-Identifier: Apache-2.0 */
/* Mutex, condition, semaphore and event, between threads of a pool and coroutines of a loop: eight workers start together,
 * two of them may be inside at once, two tasks wait until half and until all is counted, and a porter closes the hall behind
 * the last worker. When the group is stopped by its deadline instead, the ones that wait leave their lines, and nothing stays
 * locked. */
#include <rein/rein.h>

#include <stdatomic.h>

enum { WORKERS = 8, STEPS = 100 };

typedef struct hall {
        rein_event *open;
        rein_sem *places;
        rein_mutex *lock; /* over counted and left */
        rein_cond *more, *empty;
        int counted, left;
        atomic_int inside, most;
} hall;

static int work(void *arg)
{
        hall *h = arg;
        int rc = rein_event_wait(h->open, REIN_NEVER);
        if (rc < 0 || (rc = rein_sem_acquire(h->places, 1, REIN_NEVER)) < 0)
                return rc; /* cancelled: it holds no place */
        int now = ++h->inside, most = h->most;
        while (now > most && !atomic_compare_exchange_weak(&h->most, &most, now))
                ;
        for (int i = 0; rc == 0 && i < STEPS; i++) {
                rc = rein_mutex_lock(h->lock, REIN_NEVER);
                if (rc < 0)
                        break;
                h->counted++;
                rein_cond_broadcast(h->more); /* to both: they wait for different counts */
                rein_mutex_unlock(h->lock);
                rc = rein_sleep(REIN_NOWAIT); /* the others of this loop go first */
        }
        h->inside--;
        rein_sem_release(h->places, 1); /* never blocks, and works in a cancelled job too */
        if (rc == 0)
                rc = rein_mutex_lock(h->lock, REIN_NEVER);
        if (rc < 0)
                return rc;
        if (++h->left == WORKERS)
                rein_cond_signal(h->empty); /* one waits for it */
        return rein_mutex_unlock(h->lock);
}

struct watcher {
        hall *hall;
        int count;
};

static int watch(void *arg)
{
        const struct watcher *w = arg;
        hall *h = w->hall;
        int rc = rein_mutex_lock(h->lock, REIN_NEVER);
        if (rc < 0)
                return rc;
        while (rc == 0 && h->counted < w->count) /* a loop: others may have been inside since the signal */
                rc = rein_cond_wait(h->more, REIN_NEVER);
        rein_mutex_unlock(h->lock); /* the wait has locked it again, whatever it returned */
        return rc;
}

static int close_behind_the_last(void *arg)
{
        hall *h = arg;
        int rc = rein_mutex_lock(h->lock, REIN_NEVER);
        if (rc < 0)
                return rc;
        while (rc == 0 && h->left < WORKERS)
                rc = rein_cond_wait(h->empty, REIN_NEVER);
        rein_mutex_unlock(h->lock);
        if (rc == 0)
                rein_event_clear(h->open);
        return rc;
}

static int run(rein_executor *pool, rein_executor *loop, bool opens, rein_time until)
{
        hall h = {.open = rein_event_new(), .places = rein_sem_new(2), .lock = rein_mutex_new()};
        h.more = rein_cond_new(h.lock);
        h.empty = rein_cond_new(h.lock);
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.until = until));
        for (int parts = 1; parts <= 2; parts++) { /* all, and half */
                struct watcher w = {&h, WORKERS * STEPS / parts};
                rein_spawn(&g, loop, watch, REIN_COPY(w));
        }
        rein_spawn(&g, loop, close_behind_the_last, &h, NULL);
        for (int i = 0; i < WORKERS; i++)
                rein_spawn(&g, i % 2 ? pool : loop, work, &h, NULL);
        if (opens)
                rein_event_set(h.open);
        int rc = rein_group_close(&g, 0); /* here all of them are gone: the objects may be freed */
        printf("%s: counted %d, never more than two inside: %s, the hall is %s\n", rein_code_name(rc), h.counted,
               h.most <= 2 ? "yes" : "no", rein_event_wait(h.open, REIN_NOWAIT) == 0 ? "open" : "closed");
        rein_cond_free(h.more);
        rein_cond_free(h.empty);
        rein_mutex_free(h.lock);
        rein_sem_free(h.places);
        rein_event_free(h.open);
        return rc;
}

int main(void)
{
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = WORKERS)), *loop = rein_loop_new(NULL);
        if (!pool || !loop)
                return 1;
        int whole = run(pool, loop, true, REIN_NEVER);
        int stopped = run(pool, loop, false, rein_after(REIN_MS(50))); /* nobody opens: the deadline ends it */
        rein_executor_free(loop);
        rein_executor_free(pool);
        return whole == 0 && stopped == REIN_ETIMEOUT ? 0 : 1;
}
