/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting on a word by futex(2) (not by a pthread condvar: glibc's loses wake-ups, BZ 25847), and the lock over it
 * (U. Drepper, "Futexes Are Tricky", 2011, mutex 3). */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "plat/plat.h"

#if RN_EXPLORING
const rn_observer *rn_observe;
#endif

rn_a32 rn_unusual; /* written by a test before other threads run, or by the thread that simulates, for itself */
static uint32_t (*chooser)(uint32_t n, rn_choice kind);
enum { CHOSEN = 1, SIMULATED = 2 };

void rn_choose_by(uint32_t (*by)(uint32_t n, rn_choice kind))
{
        chooser = by;
        rn_set32(&rn_unusual, (rn_get32(&rn_unusual) & SIMULATED) | (by ? CHOSEN : 0));
}

void rn_choose_simulated(bool yes)
{
        rn_set32(&rn_unusual, (rn_get32(&rn_unusual) & CHOSEN) | (yes ? SIMULATED : 0));
}

uint32_t rn_choose_unusual(uint32_t n, rn_choice kind)
{
        const rn_machine *m = rn_virtual();
        RN_ASSERT(n > 0 && kind < RN_CHOOSE_KINDS, "a choice is one of a kind, and there is one to take");
        const uint32_t chosen = m ? m->choose(n, (int)kind) : rn_get32(&rn_unusual) & CHOSEN ? chooser(n, kind) : 0;
        RN_ASSERT(chosen < n, "what is chosen was there to choose");
        return chosen;
}

void rn_word_wait(rn_a32 *word, uint32_t value, int64_t until)
{
        const rn_machine *m = rn_virtual();
        if (m)
                m->word_wait(word, value, until);
        else
                rn_word_wait_really(word, value, until);
}

void rn_word_wake(rn_a32 *word, uint32_t how_many)
{
        const rn_machine *m = rn_virtual();
        if (m)
                m->word_wake(word, how_many);
        else
                rn_word_wake_really(word, how_many);
}

void rn_word_wait_really(rn_a32 *word, uint32_t value, int64_t until)
{
        RN_ASSERT(((uintptr_t)word & 3) == 0, "the kernel waits on words that are aligned");
        if (rn_choose(2, RN_CHOOSE_SPURIOUS))
                return;
        struct timespec at, *limit = NULL;
        if (until != RN_NEVER) {
                if (until < 0)
                        until = 0;
                at.tv_sec = (time_t)(until / 1000000000);
                at.tv_nsec = (long)(until % 1000000000);
                limit = &at;
        }
        int saved = errno;
        syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value, limit, NULL, FUTEX_BITSET_MATCH_ANY);
        errno = saved;
}

void rn_word_wake_really(rn_a32 *word, uint32_t how_many)
{
        int saved = errno;
        RN_ASSERT(how_many > 0, "a wake is for somebody");
        syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, how_many > INT_MAX ? INT_MAX : (int)how_many, NULL,
                NULL, 0);
        errno = saved;
}

void rn_lock_take_slow(rn_lock *l)
{
        const rn_machine *m = rn_virtual();
        RN_ASSERT(rn_get32(&l->word) <= 2, "a lock is free, held, or held and waited for");
        if (m && !m->word_locks) {
                for (uint32_t zero = 0; !rn_cas32(&l->word, &zero, 1); zero = 0)
                        m->lock_wait(l);
                return;
        }
        for (unsigned round = 0; round < (m ? 1 : 12); round++) {
                uint32_t zero = 0;
                if (rn_cas32(&l->word, &zero, 1))
                        return;
                rn_pause(round);
        }
        while (rn_swap32(&l->word, 2) != 0)
                rn_word_wait(&l->word, 2, RN_NEVER);
}

void rn_pause(unsigned round)
{
        const rn_machine *m = rn_virtual();
        if (m) {
                m->pause();
                return;
        }
        if (round < 12) {
#if defined __x86_64__ || defined __i386__
                __builtin_ia32_pause();
#elif defined __aarch64__
                __asm__ volatile("yield");
#endif
        } else if (round < 64) {
                sched_yield();
        } else {
                struct timespec nap = {0, 50000};
                nanosleep(&nap, NULL);
        }
}
