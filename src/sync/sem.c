/* SPDX-License-Identifier: Apache-2.0 */
/* Semaphores. Strictly in the order of arrival: one that wants more than there is holds up those behind it. */
#include <errno.h>

#include "rein/sync.h"
#include "sync/line.h"

struct rein_sem {
        rn_lock lock;
        uint32_t process;
        size_t units; /* those free */
        rn_link line;
};

rein_sem *rein_sem_new(size_t units)
{
        RN_CALL();
        rein_sem *s = rn_alloc(sizeof *s);
        if (!s) {
                rn_fail(-ENOMEM, "rein_sem_new", "no memory for a semaphore");
                return NULL;
        }
        s->process = rn_generation();
        s->units = units;
        rn_list_init(&s->line);
        return s;
}

void rein_sem_free(rein_sem *s)
{
        RN_CALL();
        if (s && s->process == rn_generation())
                rn_free(s);
}

/* To those at the front, as far as it goes. */
static void grant(rein_sem *s, rn_wakes *wakes)
{
        for (rn_link *l; (l = rn_list_first(&s->line)) && RN_ITEM(l, rn_stand, link)->wants <= s->units;)
                s->units -= rn_line_choose(&s->line, wakes)->wants;
}

int rein_sem_acquire(rein_sem *s, size_t k, rein_time until)
{
        RN_CALL();
        rn_task *self;
        int rc = rn_sync_enter(&self, s, s ? s->process : 0, "rein_sem_acquire");
        if (rc < 0)
                return rc;
        if (k == 0)
                return rn_fail(-EINVAL, "rein_sem_acquire", "acquire at least one");
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn, .wants = k};
        rn_wakes wakes = {.n = 0};
        rn_lock_take(&s->lock);
        if (rn_list_empty(&s->line) && s->units >= k) {
                s->units -= k;
        } else {
                rc = rn_line_wait(&s->lock, &s->line, &me, until.ns, (rn_doing){"rein_sem_acquire", NULL});
                if (rc < 0)
                        grant(s, &wakes); /* it may have been the one that held up the others */
        }
        rn_lock_give(&s->lock);
        rn_wakes_ring(&wakes);
        return rc;
}

int rein_sem_release(rein_sem *s, size_t k)
{
        RN_CALL();
        int rc = rn_sync_may(s, s ? s->process : 0, "rein_sem_release");
        if (rc < 0)
                return rc;
        rn_wakes wakes = {.n = 0};
        rn_lock_take(&s->lock);
        const bool fits = k <= SIZE_MAX - s->units;
        if (fits) {
                s->units += k;
                grant(s, &wakes);
        }
        rn_lock_give(&s->lock);
        rn_wakes_ring(&wakes);
        return fits ? 0 : rn_fail(-EOVERFLOW, "rein_sem_release", "it cannot count so many");
}
