/* SPDX-License-Identifier: Apache-2.0 */
/* Context values: an immutable, counted list that tasks and their children share; setting makes a new front. */
#ifndef RN_CORE_CONTEXT_H
#define RN_CORE_CONTEXT_H

#include "plat/plat.h"
#include "rein/context.h"

typedef struct rn_context rn_context;

rn_context *rn_context_ref(rn_context *c); /* NULL is the empty list */
void rn_context_unref(rn_context *c);      /* may run a key's release: no lock may be held */

#endif
