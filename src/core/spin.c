/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spin.h"

enum {
        LIMIT_NS = 20000, /* about what it takes to be woken on another CPU: so it is never twice what sleeping takes */
        LOOKS = 64,       /* at what is waited for, between two looks at the clock */
        TRY_COLD = 64,    /* one in so many */
        MOST_VAIN = 6,    /* one in 64 of the warm, one in 4096 of the cold */
};

/* 0: not asked yet. */
static rn_a32 cpus;

bool rn_spin_possible(void)
{
        if (rn_virtual())
                return false;
        if (!rn_peek32(&cpus)) /* a number that each thread may find out for itself */
                rn_tell32(&cpus, (uint32_t)rn_cpus_granted());
        return rn_peek32(&cpus) > 1;
}

bool rn_spin_worth(rn_spin *s, bool warm)
{
        RN_ASSERT(s->vain <= MOST_VAIN, "a task does not count more spins in vain than matter");
        const unsigned one_in = (warm ? 1u : (unsigned)TRY_COLD) << s->vain;
        if (++s->left_out < one_in || !rn_spin_possible())
                return false;
        s->left_out = 0;
        return true;
}

void rn_spin_told(rn_spin *s, bool vain)
{
        if (!vain)
                s->vain = 0;
        else if (s->vain < MOST_VAIN)
                s->vain++;
}

void rn_spin_for(int64_t ns)
{
        const int64_t until = rn_clock() + ns;
        do
                rn_pause(0);
        while (rn_clock() < until);
}

static bool spin_comes_by(int64_t until, bool (*done)(const void *arg), const void *arg)
{
        do {
                for (unsigned i = 0; i < LOOKS; i++) {
                        if (done(arg))
                                return true;
                        rn_pause(0);
                }
        } while (rn_clock() < until);
        return false;
}

bool rn_spin_until(rn_spin *s, bool warm, bool (*done)(const void *arg), const void *arg)
{
        if (!rn_spin_worth(s, warm))
                return false;
        const bool came = spin_comes_by(rn_clock() + LIMIT_NS, done, arg);
        rn_spin_told(s, !came);
        return came;
}
