/* SPDX-License-Identifier: Apache-2.0 */
/* What rein leaves with the system outlives a dlclose: its threads, the exit hook of every thread that has been a task, its
 * signal handlers. When the library is part of a plugin (librein.a in a shared object that a program opens by dlopen), the
 * plugin must therefore stay mapped, from the first task on: it is opened once more by its own name, with RTLD_NODELETE.
 * The program itself is never unmapped, and librein.so is linked to stay: there nothing is done, and no lock taken but that
 * of dl_iterate_phdr, which nobody holds for long.
 *
 * A program that is linked statically, C library and all, has no dlopen, and its linker would warn of a reference to one:
 * dlopen is looked up by its name. */
#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "plat/linux/mapped.h"
#include "plat/plat.h"

typedef struct self {
        uintptr_t at;
        unsigned objects; /* looked at so far; the first is the program */
        bool stays;       /* whatever becomes of its handles */
        const char *name; /* the loader's; as long as it is mapped */
} self;

static bool mapped_to_stay(const struct dl_phdr_info *info)
{
        for (unsigned i = 0; i < info->dlpi_phnum; i++) {
                if (info->dlpi_phdr[i].p_type != PT_DYNAMIC)
                        continue;
                const uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
                for (const ElfW(Dyn) *d = (const ElfW(Dyn) *)at; d->d_tag != DT_NULL;
                     d++) // NOLINT(performance-no-int-to-ptr)
                        if (d->d_tag == DT_FLAGS_1 && (d->d_un.d_val & DF_1_NODELETE))
                                return true;
        }
        return false;
}

static int mapped_look(struct dl_phdr_info *info, size_t size, void *arg)
{
        self *s = arg;
        (void)size;
        s->objects++;
        for (unsigned i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                if (p->p_type != PT_LOAD || s->at - info->dlpi_addr - p->p_vaddr >= p->p_memsz)
                        continue;
                s->stays = s->objects == 1 || mapped_to_stay(info);
                s->name = info->dlpi_name;
                return 1;
        }
        return 0;
}

/* The handle is never given back. */
static void mapped_open_once_more(const char *name)
{
        void *(*open)(const char *name, int flags);
        void *found = dlsym(RTLD_DEFAULT, "dlopen");
        memcpy(&open, &found, sizeof open);
        if (found)
                open(name, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static rn_a32 mapped; /* it stays */

void rn_stay_mapped(void)
{
        if (rn_load32(&mapped))
                return;
        self s = {.at = (uintptr_t)&rn_stay_mapped};
        if (dl_iterate_phdr(mapped_look, &s) && !s.stays)
                mapped_open_once_more(s.name);
        rn_store32(&mapped, 1);
}
