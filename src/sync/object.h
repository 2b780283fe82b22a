/* SPDX-License-Identifier: Apache-2.0 */
/* In builds with checks each object of src/sync is in a list of its world, so that the walk over all records
 * (core/wrong.h) finds it. Elsewhere there is no such list. */
#ifndef RN_SYNC_OBJECT_H
#define RN_SYNC_OBJECT_H

#include "core/list.h"
#include "plat/plat.h"

#if RN_CHECKING

typedef struct rn_object {
        rn_link link;        /* in world->objects; its lock */
        const char *noun;    /* "a mutex" */
        const rn_lock *lock; /* that guards it: its own, or that of a condition's mutex */
        const char *(*wrong)(const struct rn_object *o);
} rn_object;

void rn_object_made(rn_object *o, const char *noun, const rn_lock *lock, const char *(*wrong)(const rn_object *o));
void rn_object_gone(rn_object *o);
/* This lock goes: nobody asks what it guards any more. A mutex may be freed before its conditions. */
void rn_objects_without(const rn_lock *lock);

#define RN_OBJECT_MADE(x, noun, lock, ask) rn_object_made(&(x)->object, noun, lock, ask)
#define RN_OBJECT_GONE(x)                  rn_object_gone(&(x)->object)
#define RN_OBJECTS_WITHOUT(lock)           rn_objects_without(lock)

#else

#define RN_OBJECT_MADE(x, noun, lock, ask) ((void)0)
#define RN_OBJECT_GONE(x)                  ((void)0)
#define RN_OBJECTS_WITHOUT(lock)           ((void)0)

#endif
#endif
