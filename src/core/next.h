/* SPDX-License-Identifier: Apache-2.0 */
/* Continuations: work reserved when it is asked for, posted by the settler, run by the executor it names.
 *
 * A continuation is in f->nexts until f settles, then in f->spent until f is freed: so a handle answers for as long as
 * its user holds f. Counts: f's list holds one, the executor one from the posting to the end. It holds f until it ran. */
#ifndef RN_CORE_NEXT_H
#define RN_CORE_NEXT_H

#include "core/work.h"

struct rein_next {
        rein_work work;
        rn_link link;  /* in of->nexts or of->spent; of's lock */
        rn_link ready; /* in a settler's list, while it posts */
        rein_future *of;
        int (*fn)(rein_future *, void *);
        void *arg;
};

void rn_next_ref(rein_next *n);
void rn_next_unref(rein_next *n);
void rn_next_chain(rn_link *nexts, rn_link *ready); /* link all of nexts into ready, in order */
void rn_next_post_all(rn_link *ready);              /* no lock held; uses up one reference each */

#endif
