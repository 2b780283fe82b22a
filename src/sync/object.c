/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/object.h"

#include <stdio.h>

#include "core/world.h"
#include "core/wrong.h"

#if RN_CHECKING

/* No scheduling point in a simulation: there it is set up. */
static rn_world *objects_lock_world(void)
{
        const rn_machine *m = rn_virtual();
        rn_world *w = m ? m->world : rn_world_now();
        rn_lock_take(&w->objects_lock);
        return w;
}

void rn_object_made(rn_object *o, const char *noun, const rn_lock *lock, const char *(*wrong)(const rn_object *o))
{
        o->noun = noun;
        o->lock = lock;
        o->wrong = wrong;
        rn_world *w = objects_lock_world();
        rn_list_push(&w->objects, &o->link);
        rn_lock_give(&w->objects_lock);
}

void rn_object_gone(rn_object *o)
{
        rn_world *w = objects_lock_world();
        if (rn_linked(&o->link))
                rn_list_remove(&o->link);
        rn_lock_give(&w->objects_lock);
}

void rn_objects_without(const rn_lock *lock)
{
        rn_link *next;
        rn_world *w = objects_lock_world();
        for (rn_link *l = w->objects.next; l != &w->objects; l = next) {
                next = l->next;
                if (RN_ITEM(l, rn_object, link)->lock == lock)
                        rn_list_remove(l);
        }
        rn_lock_give(&w->objects_lock);
}

static const char *objects_ask(const rn_world *w, char *where, size_t n)
{
        if (rn_lock_held(&w->objects_lock))
                return NULL;
        RN_LIST_EACH(l, &w->objects) {
                const rn_object *o = RN_ITEM(l, rn_object, link);
                const char *what = rn_lock_held(o->lock) ? NULL : o->wrong(o);
                if (what) {
                        snprintf(where, n, "%s", o->noun);
                        return what;
                }
        }
        return NULL;
}

__attribute__((constructor)) static void objects_ask_also(void)
{
        static rn_asker asker = {.world = objects_ask};
        rn_ask_also(&asker);
}

#endif
