/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines have stacks of their own: they say what was wrong instead of asserting. */
#ifndef TESTS_NEED_H
#define TESTS_NEED_H

#include "support.h"

#define NEED(condition)                                                                                                \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        return rein_fail(-EPROTO, "line %d: %s", __LINE__, #condition);                                \
        } while (0)

#endif
