/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts link the works themselves, so that adding one needs no memory. A work is in one such chain in its life. What
 * an earlier stop abandoned and has not come back by the restart is in an array besides, which the restart, that may
 * fail, has made room for. */
#ifndef RN_CORE_RECEIPT_H
#define RN_CORE_RECEIPT_H

#include "core/message.h"
#include "core/work.h"

struct rein_receipt {
        rein_work *first, *last;
        size_t count;  /* of the chain */
        rein_work *at; /* where the last rein_receipt_at was: number at_index */
        size_t at_index;
        rein_work *pruned;                 /* let go with the receipt: here their last reference may be given back */
        size_t olds, olds_held, olds_room; /* olds come first in the receipt; held: with those that were pruned */
        rein_work *old[];                  /* abandoned by an earlier stop, and still there at the restart after it */
};

rein_receipt *rn_receipt_new(size_t olds);              /* with room for so many; NULL: no memory */
bool rn_receipt_add_old(rein_receipt *r, rein_work *w); /* takes a reference; false: no room */
rein_receipt *rn_receipt_empty(void);                   /* one that cannot be added to, for all */
void rn_receipt_add(rein_receipt *r, rein_work *w);     /* r NULL: nothing but the reference given back */
void rn_receipt_prune(rein_receipt *r);                 /* those that ended by themselves after all leave it */
bool rn_receipt_stuck(const rein_receipt *r);           /* is one of them not gone? */
const char *rn_receipt_wrong(const rein_receipt *r);    /* the executor's lock held, or one's own */
/* On stderr, `first` and the jobs that are not gone: one message. Waits for no lock of the loader's. */
void rn_receipt_say_stuck(const rein_receipt *r, const char *first, ...) REIN_PRINTF(2, 3);

#endif
