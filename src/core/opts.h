/* SPDX-License-Identifier: Apache-2.0 */
/* Options structs grow at their end. A caller built against an older header brings a shorter one: the rest is zero. One
 * built against a newer header may bring a longer one, if what we do not know is zero. */
#ifndef RN_CORE_OPTS_H
#define RN_CORE_OPTS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

static inline int rn_opts_take(void *to, size_t to_size, const void *from, size_t from_size, const char **what)
{
        if (from_size < sizeof(size_t)) {
                *what = "the options' size is not set: build them with their macro";
                return -EINVAL;
        }
        for (size_t i = to_size; i < from_size; i++) {
                if (((const char *)from)[i]) {
                        *what = "the options have fields that this version of rein does not know";
                        return -E2BIG;
                }
        }
        memcpy(to, from, from_size < to_size ? from_size : to_size);
        memcpy(to, &to_size, sizeof to_size);
        return 0;
}

#endif
