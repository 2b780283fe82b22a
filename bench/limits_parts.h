/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the program `limits`: what no library can beat on this machine. One file each. */
#ifndef LIMITS_PARTS_H
#define LIMITS_PARTS_H

#include "bench.h"

void limits_wake(int threads, int producers);   /* round trips between two threads, by way of waking */
void limits_cancel(int threads, int producers); /* one way: a parked thread has returned */
void limits_proc(int threads, int producers);   /* processes: round trips, throughput, spawn, crash */
void limits_cmd(int threads, int producers);    /* 1000 x /bin/true */
void limits_co(int threads, int producers);     /* coroutine switches */
void limits_hand(int threads, int producers);   /* handing jobs from one thread to another */

#endif
