/* SPDX-License-Identifier: Apache-2.0 */
#include "plat/check.h"

#include <stdio.h>
#include <string.h>

#include "plat/plat.h"

#if RN_CHECKING

void rn_check_failed(const char *file, int line, const char *asked, const char *what)
{
        char text[512];
        snprintf(text, sizeof text, "rein is broken: %s:%d: %s: %s\n", file, line, asked, what);
        const rn_machine *m = rn_virtual();
        if (m) {
                text[strcspn(text, "\n")] = 0;
                m->broken(text);
                return;
        }
        fputs(text, stderr);
        rn_abort();
}

#endif
