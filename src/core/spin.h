/* SPDX-License-Identifier: Apache-2.0 */
/* Spinning instead of sleeping, for a short time, when what is waited for should come at once.
 *
 * To sleep and be woken takes the waker a system call and the sleeper several microseconds, tens of them when the kernel
 * wakes it on another CPU. But who spins keeps a CPU from the one it waits for. So one spins only when the other is known
 * to run on a CPU of its own by now (*warm*): a job that runs, or that found a thread awake; a thread whose last job woke
 * nobody. Two who were warm stay so, and none makes a system call.
 *
 * How two sleepers come to be warm: once in many times one spins although nothing speaks for it. And how they cease: who
 * span in vain leaves it out more and more often. Never on one CPU, nor in a simulation, where it would be no wait at all.
 * It is an optimization: what follows a spin is the wait that would have been there without it. */
#ifndef RN_CORE_SPIN_H
#define RN_CORE_SPIN_H

#include "plat/plat.h"

typedef struct rn_spin { /* the one who spins; zeroed: nothing is known */
        uint16_t vain;   /* how often in a row */
        uint16_t left_out;
} rn_spin;

/* Spin until done says so: true. false: it was not worth it, or took too long. */
bool rn_spin_until(rn_spin *s, bool warm, bool (*done)(const void *arg), const void *arg);

/* The same in pieces, for a caller that finds out later whether it was in vain. */
bool rn_spin_worth(rn_spin *s, bool warm);
void rn_spin_for(int64_t ns);
void rn_spin_told(rn_spin *s, bool vain);

bool rn_spin_possible(void); /* several CPUs, and no simulation */

#endif
