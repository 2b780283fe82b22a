/* SPDX-License-Identifier: Apache-2.0 */
/* The thread-local variables of the program: the PT_TLS segment of its executable, as the calling thread has it. Those
 * of shared libraries, the C library's among them, are left alone.
 *
 * Nothing here is instrumented, and nothing after rn_locals_load may need a frame of its own before the stack is
 * switched too: the address sanitizer keeps the place of its frames in the same segment. */
#include <errno.h>
#include <link.h>
#include <string.h>

#include "plat/plat.h"

#define UNWATCHED __attribute__((noinline, no_sanitize("address"), no_sanitize("thread")))

extern void __tsan_acquire(void *at) __attribute__((weak));

/* The first object is the program. */
static int tls_look(struct dl_phdr_info *object, size_t size, void *arg)
{
        rn_locals *l = arg;
        (void)size;
        for (unsigned i = 0; i < object->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &object->dlpi_phdr[i];
                if (p->p_type != PT_TLS || !object->dlpi_tls_data)
                        continue;
                l->at = object->dlpi_tls_data;
                l->size = p->p_memsz;
                l->image = (const char *)object->dlpi_addr + p->p_vaddr; // NOLINT(performance-no-int-to-ptr)
                l->image_size = p->p_filesz;
                RN_ASSERT(l->image_size <= l->size, "what thread-locals begin with is no more than they are");
        }
        return 1;
}

int rn_locals_find(rn_locals *l)
{
        *l = (rn_locals){0};
        if (__tsan_acquire)
                return -ENOTSUP; /* one address, many tasks: it would call every use of them a race */
        dl_iterate_phdr(tls_look, l);
        const char *libc = (const char *)&errno, *at = l->at;
        if (at && libc >= at && libc < at + l->size) {
                *l = (rn_locals){0};
                return -ENOTSUP; /* linked statically: the C library's own are among them */
        }
        return 0;
}

UNWATCHED void rn_locals_save(const rn_locals *l, void *to)
{
        memcpy(to, l->at, l->size);
}

UNWATCHED void rn_locals_load(const rn_locals *l, const void *from)
{
        memcpy(l->at, from, l->size);
}

UNWATCHED void rn_locals_begin(const rn_locals *l)
{
        memcpy(l->at, l->image, l->image_size);
        memset((char *)l->at + l->image_size, 0, l->size - l->image_size);
}
