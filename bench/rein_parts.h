/* SPDX-License-Identifier: Apache-2.0 */
/* What rein.c and rein_loop.c share. */
#ifndef REIN_PARTS_H
#define REIN_PARTS_H

#include "bench.h"
#include <rein/rein.h>

/* Ends the program, with the trail, when something is not as it must be. */
void must(bool ok, const char *what);
int job_number(void *arg);
int job_count(void *arg);

void rtt_loop(int t, int producers);
void wakeloop(int t, int producers);
void timer(int t, int producers);
void timer_bare(int t, int producers);
void co_switch(int t, int producers);
void co_create(int t, int producers);
void co_mem(int t, int producers);
void udp(int t, int producers);

#endif
