/* SPDX-License-Identifier: Apache-2.0 */
/* What a number from outside may be, and the words that say so. A number that is out of its range is a mistake, most often
 * an overflow or a minus sign: it is refused at once, and not taken for "no limit". */
#ifndef RN_CORE_RANGES_H
#define RN_CORE_RANGES_H

#include <stdbool.h>
#include <stddef.h>

enum {
        RN_MOST_THREADS = 1 << 22, /* more than any Linux has: the largest number of a thread */
        RN_LEAST_STACK = 16 << 10,
        RN_MOST_QUEUE = 1 << 30,
        RN_MOST_PORT = 65535
};
#define RN_MOST_STACK    ((size_t)1 << 40)
#define RN_STACK_RANGE   "from 16 KiB to 1 TiB"
#define RN_THREADS_RANGE "from 1 to 4194304"
#define RN_QUEUE_RANGE   "from 1 to 1073741824"
#define RN_SPAN_RANGE    "not negative, in nanoseconds"

static inline bool rn_stack_out_of_range(size_t size) /* 0 is the default */
{
        return size && (size < RN_LEAST_STACK || size > RN_MOST_STACK);
}

#endif
