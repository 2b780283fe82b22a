/* SPDX-License-Identifier: Apache-2.0 */
#include "core/handle.h"

#include <errno.h>

/* ---- a late call ---- */

int rn_handle_refused(uint32_t process, const char *call, rn_handle_words words, const char *place)
{
        if (process != RN_GIVEN_BACK)
                return rn_fail(-EPERM, call, "%s is from before a fork", words.noun);
        if (!place)
                return rn_misused_aloud(call, "%s was %s before", words.noun, words.given_back);
        return rn_misused_aloud(call, "%s made at %s was %s before", words.noun, place, words.given_back);
}

/* ---- memory that rests ---- */

enum { RESTING = 64, RESTING_CHECKED = 4096 /* with REIN_CHECK=1 */ };

static rn_aptr resting[RESTING_CHECKED];
static rn_a32 places; /* given out, from the last to the first, and round again */

/* Each one takes the place of the oldest. */
void rn_retire(void *record)
{
        if (RN_MEMORY_WATCHED || rn_virtual() || rn_sanitized()) {
                rn_free(record);
                return;
        }
        const uint32_t i = rn_sub32(&places, 1) % (rn_checked() ? RESTING_CHECKED : RESTING);
        rn_free(rn_swapptr(&resting[i], record));
}

void rn_retired_let_go(void)
{
        for (size_t i = 0; i < RESTING_CHECKED; i++)
                rn_free(rn_swapptr(&resting[i], NULL));
}

/* ---- records that a thread keeps some of ---- */

void rn_records_give_over(rn_free_record *over)
{
        while (over) {
                rn_free_record *next = over->next;
                rn_host_free(over);
                over = next;
        }
}
