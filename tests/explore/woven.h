/* SPDX-License-Identifier: Apache-2.0 */
/* Planted faults of the real code: scripts/weave.py compiles both texts of each into the exploring build, and rn_planted
 * says which one runs. The files of tests/mutants define them; the table is written by the same script. */
#ifndef TESTS_EXPLORE_WOVEN_H
#define TESTS_EXPLORE_WOVEN_H

#include "explore.h"

typedef struct woven {
        const char *name;
        int number; /* what rn_planted is while it is on; 0: nothing is planted */
        const char *scenario, *what;
        explore_plan found_by; /* with the budget in which it must be found */
        int ends;              /* REIN_SIM_FAILED... */
} woven;

extern const woven woven_faults[]; /* ends with one that has no name */
extern int rn_planted;

/* For explore --selftest: how many are not found, or not clean without the fault. Counts them. */
int woven_try_all(int *count);
void woven_list(void);
/* For explore --only NAME and --tell NAME; -1: there is none of that name. */
int woven_only(const char *name);
int woven_tell(const char *name);

/* selftest.c */
const char *ended_name(int ended);

#endif
