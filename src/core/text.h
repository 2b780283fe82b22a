/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a string into a field of fixed size, cut where it is full: what snprintf("%s") does, at a tenth of the cost. It
 * stands on the paths of a submit and of a cancel. */
#ifndef RN_CORE_TEXT_H
#define RN_CORE_TEXT_H

#include <string.h>

static inline void rn_text_copy(char *to, size_t room, const char *from)
{
        size_t n = strlen(from);
        if (n >= room)
                n = room - 1;
        memcpy(to, from, n);
        to[n] = 0;
}

#endif
