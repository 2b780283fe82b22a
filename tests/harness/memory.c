/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: each block that the library allocates, with the calls that led there, until it is given back; and each mapping
 * that the program makes. For this the doors of plat.h, mmap and munmap are wrapped. What is allocated to live as long as
 * the process (rn_alloc_for_ever) is not counted, nor what a task of a simulation allocates: that has its own look. What
 * simulations themselves allocate is.
 *
 * The table holds addresses inverted: the leak check of the address sanitizer must not take it for one who knows them. */
#include "harness/look.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "coro/arena.h"
#include "plat/plat.h"

void *__real_rn_alloc(size_t n);
void *__wrap_rn_alloc(size_t n);
void __real_rn_free(void *p);
void __wrap_rn_free(void *p);
void *__real_rn_host_alloc(size_t n);
void *__wrap_rn_host_alloc(size_t n);
void __real_rn_host_free(void *p);
void __wrap_rn_host_free(void *p);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);

/* Whatever takes a lock here would order threads that the library does not, and hide its races. */
#if defined REIN_TSAN
enum { COUNTED = 0 };
#else
enum { COUNTED = 1 };
#endif

bool harness_blocks_counted(void)
{
        return COUNTED;
}

/* ---- blocks ---- */

typedef struct block {
        uintptr_t inverted; /* the address; 0: a free entry */
        size_t size;
        harness_place place;
} block;

/* Open addressing; an entry that goes pulls those behind it forward. */
typedef struct table {
        harness_lock lock;
        size_t count, room; /* room: a power of two, or 0 */
        block *of;
} table;

enum { TABLES = 64 };
static table tables[TABLES];

static uint64_t hash(uintptr_t address)
{
        return (uint64_t)(address >> 4) * 0x9e3779b97f4a7c15u;
}

static table *table_of(uintptr_t address)
{
        return &tables[hash(address) >> 58];
}

static size_t slot_of(const table *t, uintptr_t address)
{
        size_t i = (hash(address) >> 20) & (t->room - 1);
        while (t->of[i].inverted && t->of[i].inverted != ~address)
                i = (i + 1) & (t->room - 1);
        return i;
}

/* A test may have taken all the memory there is: then what finds no place is not counted. */
static void grow(table *t)
{
        table more = {.count = t->count, .room = t->room ? 2 * t->room : 64};
        more.of = calloc(more.room, sizeof *more.of);
        if (!more.of)
                return;
        for (size_t i = 0; i < t->room; i++)
                if (t->of[i].inverted)
                        more.of[slot_of(&more, ~t->of[i].inverted)] = t->of[i];
        free(t->of);
        t->of = more.of;
        t->room = more.room;
}

static void put_in(const void *p, size_t n, void *const *frame)
{
        if (!p || !COUNTED || !harness_counts())
                return;
        table *t = table_of((uintptr_t)p);
        const block b = {~(uintptr_t)p, n, harness_place_of(frame)};
        harness_take(&t->lock);
        if (2 * (t->count + 1) > t->room)
                grow(t);
        if (t->count + 1 < t->room) {
                block *at = &t->of[slot_of(t, (uintptr_t)p)];
                t->count += at->inverted == 0;
                *at = b;
        }
        harness_give(&t->lock);
}

static void take_out(const void *p)
{
        if (!p || !COUNTED || harness_is_forked())
                return;
        table *t = table_of((uintptr_t)p);
        harness_take(&t->lock);
        size_t hole = t->room ? slot_of(t, (uintptr_t)p) : 0;
        if (t->room && t->of[hole].inverted) {
                t->of[hole].inverted = 0;
                t->count--;
                for (size_t i = (hole + 1) & (t->room - 1); t->of[i].inverted; i = (i + 1) & (t->room - 1)) {
                        const block b = t->of[i];
                        t->of[i].inverted = 0;
                        t->of[slot_of(t, ~b.inverted)] = b;
                }
        }
        harness_give(&t->lock);
}

void *__wrap_rn_alloc(size_t n)
{
        void *p = __real_rn_alloc(n);
        if (!rn_virtual())
                put_in(p, n, __builtin_frame_address(0));
        return p;
}

void __wrap_rn_free(void *p)
{
        if (!rn_virtual())
                take_out(p);
        __real_rn_free(p);
}

void *__wrap_rn_host_alloc(size_t n)
{
        void *p = __real_rn_host_alloc(n);
        put_in(p, n, __builtin_frame_address(0));
        return p;
}

void __wrap_rn_host_free(void *p)
{
        take_out(p);
        __real_rn_host_free(p);
}

/* ---- mappings ---- */

typedef struct mapping {
        uintptr_t from, to;
        harness_place place;
} mapping;

enum { MOST_MAPPINGS = 1024 };
static struct {
        harness_lock lock;
        size_t count;
        mapping of[MOST_MAPPINGS];
} mappings;

static void add_mapping(mapping m)
{
        if (m.from >= m.to)
                return;
        if (mappings.count == MOST_MAPPINGS)
                abort();
        mappings.of[mappings.count++] = m;
}

/* Lock held. */
static void take_range(uintptr_t from, uintptr_t to)
{
        for (size_t i = 0; i < mappings.count;) {
                const mapping m = mappings.of[i];
                if (m.to <= from || m.from >= to) {
                        i++;
                        continue;
                }
                mappings.of[i] = mappings.of[--mappings.count];
                add_mapping((mapping){m.from, from, m.place});
                add_mapping((mapping){to, m.to, m.place});
        }
}

static void change_mappings(const void *at, size_t size, void *const *made_by)
{
        const uintptr_t from = (uintptr_t)at, to = from + ((size + 4095) & ~(size_t)4095);
        if (made_by ? !harness_counts() : harness_is_forked())
                return;
        harness_take(&mappings.lock);
        take_range(from, to);
        if (made_by)
                add_mapping((mapping){from, to, harness_place_of(made_by)});
        harness_give(&mappings.lock);
}

/* Weak: tests/world/wrap.c has its own, which can fail. */
__attribute__((weak)) void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
        void *p = __real_mmap(at, size, prot, flags, fd, offset);
        if (p != MAP_FAILED)
                change_mappings(p, size, __builtin_frame_address(0));
        return p;
}

__attribute__((weak)) int __wrap_munmap(void *at, size_t size)
{
        int rc = __real_munmap(at, size);
        if (rc == 0)
                change_mappings(at, size, NULL);
        return rc;
}

/* ---- the end ---- */

void harness_memory_look(void)
{
        for (size_t k = 0; k < TABLES; k++)
                for (size_t i = 0; i < tables[k].room; i++)
                        if (tables[k].of[i].inverted)
                                harness_found(HARNESS_BLOCKS, &tables[k].of[i].place, "one of %zu bytes",
                                              tables[k].of[i].size);
        for (size_t i = 0; i < mappings.count; i++)
                harness_found(HARNESS_MAPPINGS, &mappings.of[i].place, "one of %zu bytes",
                              (size_t)(mappings.of[i].to - mappings.of[i].from));
        for (size_t i = 0; i < rn_arenas_now().used; i++)
                harness_found(HARNESS_MAPPINGS, NULL, "a stack is in use");
}
