/* SPDX-License-Identifier: Apache-2.0 */
/* What a job sends to (rein_job.sends), as core knows it: the head of a channel. A work calls `comes` once, when it is made,
 * and `left` once, when nothing of it will send any more: when its arg is about to be released, or it is abandoned. Which
 * of the two comes first takes work->sends, by an exchange. Neither blocks nor calls user code. */
#ifndef RN_CORE_SENDS_H
#define RN_CORE_SENDS_H

typedef struct rn_sends {
        void (*comes)(struct rn_sends *s);
        void (*left)(struct rn_sends *s);
} rn_sends;

#endif
