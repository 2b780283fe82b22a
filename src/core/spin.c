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

static bool several_cpus(void)
{
        if (!rn_peek32(&cpus))
                rn_tell32(&cpus, (uint32_t)rn_cpus_granted());
        return rn_peek32(&cpus) > 1;
}

static bool worth_it(rn_spin *s, bool warm)
{
        const unsigned one_in = (warm ? 1u : (unsigned)TRY_COLD) << s->vain;
        if (++s->left_out < one_in)
                return false;
        s->left_out = 0;
        return true;
}

bool rn_spin_until(rn_spin *s, bool warm, bool (*done)(const void *arg), const void *arg)
{
        if (rn_virtual() || !worth_it(s, warm) || !several_cpus())
                return false;
        const int64_t until = rn_clock() + LIMIT_NS;
        do {
                for (unsigned i = 0; i < LOOKS; i++) {
                        if (done(arg)) {
                                s->vain = 0;
                                return true;
                        }
                        rn_pause(0);
                }
        } while (rn_clock() < until);
        if (s->vain < MOST_VAIN)
                s->vain++;
        return false;
}
