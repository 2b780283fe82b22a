/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for many descriptors at once, as plat/linux/poller.c does it: one report and it is forgotten, and what is
 * watched is the file, not the number, which may be another's by then. A poller lies in the program's memory, so that a
 * ring which comes after its end is seen. Which of several ready descriptors is told first, the schedule chooses. */
#include "sim/sim.h"

#include <errno.h>

enum { DEPTH = 4 };

typedef struct watched {
        uint64_t serial;
        int events; /* 0: not watched */
} watched;

struct rn_sim_poller {
        int fd;
        bool portable, rung;
        unsigned count; /* of those watched */
        int64_t alarm;
        watched at[RN_SIM_FDS];
};

typedef struct rn_sim_poller poller;

static poller *sim_poller_of(rn_poller *p)
{
        return (poller *)(void *)p;
}

static int sim_poller_new(bool portable, rn_poller **made)
{
        if (rn_sim_fault(2, RN_CHOOSE_FD))
                return -EMFILE;
        poller *p = rn_alloc(sizeof *p);
        if (!p)
                return -ENOMEM;
        p->portable = portable;
        p->alarm = RN_NEVER;
        p->fd = rn_sim_fd_of_poller(p);
        if (p->fd < 0) {
                const int rc = p->fd;
                rn_free(p);
                return rc;
        }
        *made = (rn_poller *)(void *)p;
        return 0;
}

static void sim_poller_free(rn_poller *given)
{
        poller *p = sim_poller_of(given);
        rn_sim->machine.close(p->fd);
        rn_free(p);
}

/* ---- who is watched ---- */

static int sim_poller_watch(rn_poller *given, int fd, int events)
{
        poller *p = sim_poller_of(given);
        if (!rn_sim->machine.owns(fd)) {
                rn_sim_over(REIN_SIM_MISUSE, "'%s' waits for the real descriptor %d", rn_sim->running->name, fd);
                rn_sim_stop();
        }
        if (rn_sim->plan->observe) /* whether the file is still there depends on who closes it */
                rn_sim_fd_point(fd);
        const uint64_t serial = rn_sim_fd_serial(fd);
        if (!serial)
                return -EBADF;
        watched *w = &p->at[fd - RN_SIM_FD];
        RN_ASSERT(events, "a descriptor is watched for something");
        RN_ASSERT(p->count <= RN_SIM_FDS, "no more are watched than there are");
        p->count += !w->events;
        *w = (watched){serial, events};
        return 0;
}

static void sim_poller_unwatch(rn_poller *given, int fd)
{
        poller *p = sim_poller_of(given);
        watched *w = rn_sim->machine.owns(fd) ? &p->at[fd - RN_SIM_FD] : NULL;
        if (!w || !w->events)
                return;
        RN_ASSERT(p->count > 0, "a descriptor that is watched is counted");
        w->events = 0;
        p->count--;
}

/* ---- what there is ---- */

static int sim_poller_events(const poller *p, int i, unsigned depth)
{
        const watched *w = &p->at[i];
        if (!w->events || w->serial != rn_sim_fd_serial(RN_SIM_FD + i))
                return 0;
        return rn_sim_fd_events(RN_SIM_FD + i, w->events, depth);
}

bool rn_sim_poller_ready(const poller *p, unsigned depth)
{
        if (p->rung || p->alarm <= rn_sim->now)
                return true;
        for (int i = 0; p->count && depth < DEPTH && i < RN_SIM_FDS; i++)
                if (sim_poller_events(p, i, depth + 1))
                        return true;
        return false;
}

int64_t rn_sim_poller_due(const poller *p)
{
        return p->alarm;
}

static int sim_poller_take(poller *p, rn_ready *out, int n)
{
        int ready[RN_SIM_FDS] = {0}, count = 0, many = 0;
        if (p->alarm <= rn_sim->now)
                p->alarm = RN_NEVER;
        p->rung = false;
        for (int i = 0; p->count && i < RN_SIM_FDS; i++)
                if (sim_poller_events(p, i, 0))
                        ready[count++] = i;
        const int first = count > 1 ? (int)rn_sim_pick((uint32_t)count, 'u', false) : 0;
        for (; many < count && many < n; many++) {
                const int i = ready[first + many < count ? first + many : first + many - count];
                out[many] = (rn_ready){RN_SIM_FD + i, sim_poller_events(p, i, 0)};
                RN_ASSERT(p->count > 0 && p->at[i].events, "what is told was watched, and counted");
                p->at[i].events = 0;
                p->count--;
        }
        return many;
}

static int sim_poller_wait(rn_poller *given, rn_ready *out, int n, int64_t until)
{
        poller *p = sim_poller_of(given);
        rn_sim_task *me = rn_sim->running;
        const rn_polled own = {.fd = p->fd, .events = RN_POLLIN};
        RN_ASSERT(n > 0, "a poller that is waited for may tell of something");
        if (rn_sim_fault(2, RN_CHOOSE_INTR))
                return 0;
        me->fd = p->fd;
        me->all = &own;
        me->wake = -1;
        me->until = until;
        me->woken = me->poked = false;
        rn_sim_op((rn_op){.kind = RN_OP_POLL,
                          .at = p,
                          .len = 1,
                          .also = p->count ? &rn_sim->files : NULL,
                          .what = "has nothing to do"});
        me->until = RN_NEVER;
        me->all = NULL;
        return me->poked ? 0 : sim_poller_take(p, out, n);
}

static void sim_poller_ring(rn_poller *given)
{
        poller *p = sim_poller_of(given);
        rn_sim_point_at(p->fd, p);
        p->rung = true;
}

/* ---- as a guest of another loop ---- */

static int sim_poller_fd(rn_poller *given)
{
        return sim_poller_of(given)->portable ? -ENOTSUP : sim_poller_of(given)->fd;
}

static void sim_poller_alarm(rn_poller *given, int64_t at)
{
        sim_poller_of(given)->alarm = at;
}

void rn_sim_pollers(rn_machine *m)
{
        m->poller_new = sim_poller_new;
        m->poller_free = sim_poller_free;
        m->poller_watch = sim_poller_watch;
        m->poller_unwatch = sim_poller_unwatch;
        m->poller_wait = sim_poller_wait;
        m->poller_ring = sim_poller_ring;
        m->poller_fd = sim_poller_fd;
        m->poller_alarm = sim_poller_alarm;
}
