/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_PLAT_LINUX_ERROR_H
#define RN_PLAT_LINUX_ERROR_H

#include <errno.h>

#include "plat/check.h"

enum { RN_MOST_ERRNO = 4095 }; /* the kernel answers no larger one */

/* What a system call that has just failed comes to: negative in any case. */
static inline int rn_minus(int error)
{
        RN_ASSERT(error > 0 && error <= RN_MOST_ERRNO, "a system call that fails says why");
        return -error;
}

#endif
