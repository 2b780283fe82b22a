/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for stacks: mapped in large pieces, parts of which are out of bounds. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plat/plat.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

static bool stack_whole_pages(const void *at, size_t size)
{
        const size_t page = (size_t)sysconf(_SC_PAGESIZE);
        return size > 0 && size % page == 0 && (uintptr_t)at % page == 0;
}

void *rn_map_stacks(size_t size)
{
        RN_ASSERT(stack_whole_pages(NULL, size), "memory for stacks is mapped in whole pages");
        void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
                        0);
        if (at == MAP_FAILED)
                return NULL;
        madvise(at, size, MADV_NOHUGEPAGE); /* fails where there are none */
        return at;
}

bool rn_unmap_stacks(void *at, size_t size)
{
        RN_ASSERT(at && stack_whole_pages(at, size), "memory for stacks is given back in whole pages");
        return munmap(at, size) == 0;
}

void rn_purge(void *at, size_t size)
{
        RN_ASSERT(at && stack_whole_pages(at, size), "what is purged is whole pages, and nobody's neighbour");
        madvise(at, size, MADV_DONTNEED);
}

/* ---- guards ---- */

enum { UNKNOWN, BY_MADVISE, BY_MAPS };

static rn_a32 way; /* each thread may find it out for itself */

/* An emulator that does not know the advice may say yes to it: whether the guard stands is told by a read. */
static bool stack_stands(void *at, size_t size)
{
        return madvise(at, size, MADV_POPULATE_READ) != 0 && errno == EFAULT;
}

static int stack_guard_by_maps(void *at, size_t size)
{
        return mprotect(at, size, PROT_NONE) == 0 ? 0 : -ENOMEM;
}

/* Memory that is locked (mlockall) refuses it too, so a refusal says nothing of the next one. */
int rn_guard(void *at, size_t size)
{
        RN_ASSERT(at && stack_whole_pages(at, size), "a guard is whole pages, and no part of a stack");
        const uint32_t now = rn_get32(&way);
        if (now == BY_MAPS || madvise(at, size, MADV_GUARD_INSTALL) != 0)
                return now != BY_MAPS && errno == ENOMEM ? -ENOMEM : stack_guard_by_maps(at, size);
        if (now == UNKNOWN) {
                const bool good = stack_stands(at, size);
                rn_set32(&way, good ? BY_MADVISE : BY_MAPS);
                if (!good)
                        return stack_guard_by_maps(at, size);
        }
        return 0;
}

void rn_guard_by_maps(bool only)
{
        rn_set32(&way, only ? BY_MAPS : UNKNOWN);
}
