/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that are refused: how often one was asked for, and how many of the next are not given. */
#ifndef TESTS_REFUSALS_H
#define TESTS_REFUSALS_H

#include "support.h"

static atomic_int attempts, refusals; /* for a descriptor; how many of the next are refused */
static atomic_bool counts;
static void (*_Atomic at_attempt)(int n);

/* Each accept(2), and each descriptor that a wait makes for itself, asks first. For rn_choose_by. */
static uint32_t refuse(uint32_t n, rn_choice kind)
{
        (void)n;
        if (kind != RN_CHOOSE_FD || !counts)
                return 0;
        const int now = ++attempts;
        void (*at)(int) = at_attempt;
        if (at)
                at(now);
        return refusals > 0 && refusals-- > 0;
}

static inline void begin(int refused, void (*at)(int n))
{
        attempts = 0;
        at_attempt = at;
        refusals = refused;
        counts = true;
}

static inline void end(void)
{
        counts = false;
}

#endif
