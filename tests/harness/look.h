/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the harness share. Each part notes how the program begins, and tells by harness_found what is left. */
#ifndef TESTS_HARNESS_LOOK_H
#define TESTS_HARNESS_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "harness.h"

/* Code of the test program that led to something: the innermost call first, 0 where there are fewer. */
enum { HARNESS_CALLS = 5 };
typedef struct harness_place {
        uintptr_t at[HARNESS_CALLS];
} harness_place;

/* from: __builtin_frame_address(0) of a function that the calls in question led to. Every frame up to the last call in the
 * program has a frame pointer: all of it is compiled so. */
harness_place harness_place_of(void *const *from);

/* place: NULL, or where it was made. Only while the harness looks. */
__attribute__((format(printf, 3, 4))) void harness_found(harness_kind kind, const harness_place *place,
                                                         const char *format, ...);

/* A lock for what the harness counts: it is no scheduling point of a simulation. */
typedef struct harness_lock {
        _Atomic(int) held;
} harness_lock;

void harness_take(harness_lock *l);
void harness_give(harness_lock *l);

bool harness_counts(void);    /* false before the harness has begun, in a forked child, and while the program ends */
bool harness_is_forked(void); /* this is a child of the process that the harness looks at */
int harness_process(void);    /* its number; a child that shares its memory has another */

bool harness_blocks_counted(void);
extern unsigned harness_patience_ms; /* how long what is about to end may take */

bool harness_is_of_rein(uint32_t thread_id); /* the clock's or the hand's */
void harness_process_begins(void);
void harness_process_look(void);
void harness_descriptors_begin(void);
void harness_descriptors_look(void);
void harness_records_look(void);
void harness_records_let_go(void); /* what is kept for later use: by the main thread, the clock, the hand, on shelves */
void harness_memory_look(void);

#endif
