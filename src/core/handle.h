/* SPDX-License-Identifier: Apache-2.0 */
/* Handles that were given back, and are used once more.
 *
 * A record that a program has a handle of knows the process that it was made in, and every call looks at that first. When
 * the program gives its last handle back (the last drop of a future, the free of a mutex), RN_GIVEN_BACK takes the place
 * of the process. So the look that each call makes anyway finds that too, and costs nothing more:
 *
 *      of this process --the last handle is given back--> RN_GIVEN_BACK --its memory is another record's--> any
 *
 * The record may live on after that, for a job that still runs. Its memory is then not used again at once: it rests until
 * RESTING more were given back (rn_retire), so that a call that comes late finds the mark. The records of jobs and promises
 * do not rest, since programs make them by the million: the thread that gives one back uses it next (slab.h), and a late
 * call finds the mark until then. With REIN_CHECK=1 in the environment they rest too, and longer.
 *
 * A sanitizer, and a simulation, see a late use of memory that was given back: for them nothing rests. */
#ifndef RN_CORE_HANDLE_H
#define RN_CORE_HANDLE_H

#include "core/error.h"
#include "core/slab.h"

#define RN_GIVEN_BACK UINT32_MAX

#if defined REIN_ASAN || defined REIN_TSAN
enum { RN_MEMORY_WATCHED = 1 };
#else
enum { RN_MEMORY_WATCHED = 0 };
#endif

enum { RN_MOST_SPARE = 256 /* bundles of one kind on its shelf; of jobs about 9 MB */ };

/* What a handle is called: {"the future", "dropped"}. */
typedef struct rn_handle_words {
        const char *noun, *given_back;
} rn_handle_words;

/* For a call with a handle of another process, or that was given back: the trail says which. The second is said on stderr
 * as well, with `place`, where it was made (NULL: nobody knows). Always -EPERM. No lock may be held. */
__attribute__((cold)) int rn_handle_refused(uint32_t process, const char *call, rn_handle_words words,
                                            const char *place);

/* Nobody has a handle any more, and nothing of the library's touches it: the memory, of rn_alloc, is given back later. */
void rn_retire(void *record);
void rn_retired_let_go(void); /* all that rests, at once: for a look at what is left */

/* Memory for records of which a thread keeps some for itself. mine: its stock of them; NULL: it has none. Not zeroed.
 * *stocked goes with the record, to be said when it is given back. */
static inline void *rn_record_take(rn_stock *mine, size_t n, bool *stocked)
{
        *stocked = !RN_MEMORY_WATCHED && mine;
        if (!*stocked)
                return rn_alloc(n);
        if (rn_choose(2, RN_CHOOSE_ALLOC))
                return NULL;
        void *record = rn_stock_take(mine);
        return record ? record : rn_host_alloc(n);
}

void rn_records_give_over(rn_free_record *over); /* what the shelf has no room for; `next` */

static inline void rn_record_give(rn_stock *mine, void *record, bool stocked)
{
        if (!stocked || !mine) {
                rn_retire(record);
                return;
        }
        rn_free_record *over = rn_stock_give(mine, record, RN_MOST_SPARE);
        if (over)
                rn_records_give_over(over);
}

#endif
