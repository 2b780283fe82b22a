/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for stacks: mapped, with what lies below it out of bounds. */
#include <sys/mman.h>

#include "plat/plat.h"

void *rn_map_guarded(size_t size)
{
        if (size == 0 || size > SIZE_MAX / 2)
                return NULL;
        /* Reserved as a whole without access, so that the guard needs no memory of its own. */
        char *all =
                mmap(NULL, RN_GUARD + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (all == MAP_FAILED)
                return NULL;
        if (mprotect(all + RN_GUARD, size, PROT_READ | PROT_WRITE) == 0)
                return all + RN_GUARD;
        munmap(all, RN_GUARD + size);
        return NULL;
}

void rn_unmap_guarded(void *low, size_t size)
{
        munmap((char *)low - RN_GUARD, RN_GUARD + size);
}
