/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that a program starts itself, inside of the scope of the thread that starts them. Four of them look for a number;
 * the one that finds it cancels the scope, and the others leave. Looked for in vain, all four leave at the deadline. The
 * scope is lent by a ticket, of which each thread has a reference of its own. */
#include <rein/rein.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4 };

typedef struct search {
        rein_scope scope;
        uint64_t mask; /* the number's hash has none of these bits */
        atomic_ullong found;
} search;

typedef struct seeker {
        search *search;
        rein_ticket *ticket;
        uint64_t first;
        int rc;
        pthread_t thread;
} seeker;

static uint64_t hash(uint64_t n) /* the mix of G. Steele, D. Lea, C. Flood: SplitMix, OOPSLA 2014 */
{
        n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
        n = (n ^ n >> 27) * 0x94d049bb133111ebu;
        return n ^ n >> 31;
}

static int seek(search *s, uint64_t first)
{
        for (uint64_t n = first, steps = 1;; n += THREADS, steps++) {
                if ((hash(n) & s->mask) == 0) {
                        atomic_store(&s->found, n);
                        rein_scope_cancel(&s->scope, "it was found");
                        return 0;
                }
                if (steps % 1024 == 0 && rein_checkpoint() < 0)
                        return REIN_ECANCELED;
        }
}

static void *run_seeker(void *arg)
{
        seeker *k = arg;
        rein_adopted inside;
        k->rc = rein_adopt(k->ticket, &inside); /* from here on every call of this thread sees the scope */
        if (k->rc == 0)
                k->rc = rein_return(&inside, seek(k->search, k->first));
        rein_ticket_drop(k->ticket);
        return NULL;
}

static int search_for(uint64_t mask, rein_time until)
{
        search s = {.mask = mask};
        seeker seekers[THREADS];
        int started = 0, left = 0;
        rein_scope_open(&s.scope, until);
        rein_ticket *t = rein_scope_lend();
        for (; t && started < THREADS; started++) {
                seeker *k = &seekers[started];
                *k = (seeker){.search = &s, .ticket = rein_ticket_ref(t), .first = (uint64_t)started + 1};
                if (pthread_create(&k->thread, NULL, run_seeker, k) != 0) {
                        rein_ticket_drop(k->ticket); /* it has no holder */
                        break;
                }
        }
        rein_ticket_drop(t);
        for (int i = 0; i < started; i++) {
                pthread_join(seekers[i].thread, NULL); /* it does not last: they obey the scope */
                left += seekers[i].rc == 0 || seekers[i].rc == REIN_ECANCELED;
        }
        int rc = rein_scope_close(&s.scope, started == THREADS ? rein_checkpoint() : -EAGAIN);
        printf("%s: %s; %d threads have left\n", s.found ? "found" : "not found", rein_code_name(rc), left);
        return s.found && (hash(s.found) & mask) != 0 ? -EINVAL : rc;
}

int main(void)
{
        int found = search_for(0xfffff, REIN_NEVER);
        int in_vain = search_for(UINT64_MAX, rein_after(REIN_MS(50)));
        return found == REIN_ESTOPPED && in_vain == REIN_ETIMEOUT ? 0 : 1;
}
