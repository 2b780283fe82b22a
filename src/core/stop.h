/* SPDX-License-Identifier: Apache-2.0 */
/* The stop of an executor: what a harder state does to its works (forbid what is queued, cancel what runs, hand over its
 * continuations), who waits for the end of that, the receipt, the restart and the free.
 *
 * Any number of stops may be under way: each hardens the state as it demands, and waits by its own deadline; the waiting
 * ones are in x->sleepers, and are woken when work or a thread leaves. stop_begin has no thread that waits: a timer
 * stands for it, and its errand on the hand thread. A stop that is over, hard and with nothing left to settle, is not timed
 * any more. A stop frees nothing; a receipt keeps the works it names.
 *
 * The stop that hardens the state cancels the works, without the lock. Another one, whose time is up, may meanwhile come to a
 * work that was not cancelled yet: it cancels it, and then gives it up.
 *
 * Works are sorted under the executor's lock and finished without it, so that user code runs under none. */
#ifndef RN_CORE_STOP_H
#define RN_CORE_STOP_H

#include "core/executor.h"

void rn_stop_init(rein_executor *x);
/* A stop that had its own deadline needs no timer when nothing is left to abandon: the timer holds a reference. Lock held. */
void rn_stop_over_locked(rein_executor *x);
/* The end of a free: stop x within its grace, say how many jobs never ran and what does not leave, let go of x. when: "when
 * it was freed"; stuck: "was freed with work that did not leave". */
void rn_stop_and_let_go(rein_executor *x, const char *when, const char *stuck);
void rn_stop_all_at_exit(void); /* everything, side by side, in a second in all */

#endif
