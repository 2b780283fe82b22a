/* SPDX-License-Identifier: Apache-2.0 */
/* Hook regions: foreign code that blocks, and how to unblock it.
 *
 * One 64-bit word a region: its generation, and one of these states.
 *
 *      WORKING ------> FINISHED                         close
 *         |               ^
 *         v               |
 *      INTERRUPTING -> INTERRUPTED -> INTERRUPTING ...  the stop is used; again; again
 *         |    ^
 *         v    |
 *         MISSED                                        the region's timer came while its stop was being used
 *
 *      open    bind to the innermost scope; already cancelled: do not make the call
 *      strike  CAS(WORKING or INTERRUPTED -> INTERRUPTING), under the family's lock: by a canceller, or by the region's
 *              timer (the scope's deadline; then the resends, 50 us doubling to 10 ms)
 *      hit     stop(arg) or the poke, without locks, by the thread that has struck; arm the next resend; then
 *              CAS(INTERRUPTING -> INTERRUPTED). The record may be another region's afterwards, so the resend is armed
 *              first. Its timer may come before the CAS: then it stores MISSED, and the thread that hits arms it again.
 *      close   CAS(WORKING or INTERRUPTED -> FINISHED), waiting only while INTERRUPTING or MISSED; then out of the list,
 *              and the timer disarmed. After a poke one cheap system call, so that a signal on its way lands here, not
 *              later.
 *
 * So a stop is repeated until the region closes (one alone may come before the foreign code is ready), never runs
 * outside the region, and one that comes late finds another generation. Regions live in a slab for that reason.
 *
 * A shield opened inside the region holds the hook back: what counts is the cancel_at of the scope the task is in at
 * that moment. What struck before it opened, hits before its opening returns. Function hooks whose time came by the clock run on the hand thread; pokes are sent by the clock itself. */
#ifndef RN_CORE_HOOK_H
#define RN_CORE_HOOK_H

#include "core/clock.h"
#include "core/task.h"
#include "rein/hook.h"

struct rn_scope;

typedef struct rn_hook {
        rn_slab_item in_slab;
        rn_a64 state;  /* generation << 3 | state */
        rn_aptr scope; /* where it was opened; NULL: in none, and then nothing can stop it */
        rn_link link;  /* in scope->hooks */
        rn_task *task;
        struct rein_work *work;  /* it runs; there while the region is open */
        struct rn_hook *outer;   /* of the same task */
        void (*stop)(void *arg); /* NULL: poke */
        void *arg;
        uint32_t thread_id;
        bool was_blocked; /* the poke, before the region */
        bool used;        /* stop was called or the poke sent; written while INTERRUPTING */
        rn_a32 forced;    /* struck although its scope is not cancelled */
        int64_t delay;    /* to the next resend */
        rn_timer timer;
        rn_errand errand;
        struct rn_hook *fire_next;
        const char *place;
        rn_doing was_doing;
} rn_hook;

/* Open one for t. 0; REIN_ECANCELED; -errno. */
int rn_hook_begin(rn_task *t, const char *place, void (*stop)(void *), void *arg, rn_hook **out);
bool rn_hook_finish(rn_task *t, rn_hook *h); /* was stop used? h is t's innermost */

/* By force, whatever its scope says: what it waits for is being closed. The caller sees to it that the region stays open
 * meanwhile; hits it with rn_hooks_hit, without locks; and the resends come as after every strike. */
void rn_hook_strike(rn_hook *h, rn_hook **struck);

/* The region that is the innermost thing t has open, or NULL. */
rn_hook *rn_hook_innermost(const rn_task *t);

/* For scope.c. Strike what is due below s; look again at what a shield no longer holds back; hit what was struck. */
void rn_hooks_strike_locked(struct rn_scope *s, int64_t now, rn_hook **struck);
void rn_hooks_unshield_locked(struct rn_scope *outside);
void rn_hooks_hit(rn_hook *struck);
/* t has opened a shield: what struck its regions before that hits before anything is done in there. Not waited for from
 * inside a stop, which may be the very one. */
void rn_hooks_wait_struck(const struct rn_task *t);

/* The lock of its scope's family held, or alone. */
const char *rn_hook_wrong(const rn_hook *h);

#endif
