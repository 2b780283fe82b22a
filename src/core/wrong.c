/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wrong.h"

#include <stdio.h>

#include "core/deadlock.h"
#include "core/executor.h"
#include "core/group.h"
#include "core/hook.h"
#include "core/scope.h"
#include "core/task.h"

#if RN_CHECKING

static rn_asker *askers;

void rn_ask_also(rn_asker *a)
{
        a->next = askers;
        askers = a;
}

typedef struct answer {
        const char *what;
        char *where;
        size_t n;
} answer;

/* Was something wrong? Then its name is written down. */
static bool answer_is_wrong(answer *a, const char *what, const char *noun, const char *name)
{
        a->what = what;
        if (what)
                snprintf(a->where, a->n, "%s%s", noun, name);
        return what != NULL;
}

static bool ask_lists(const rn_world *w, answer *a)
{
        const rn_clockwork *c = &w->clock;
        size_t n;
        return (!rn_lock_held(&c->lock) && answer_is_wrong(a, rn_timers_wrong(c), "the clock", "")) ||
               (!rn_lock_held(&c->hand_lock) && answer_is_wrong(a, rn_errands_wrong(c), "the hand", "")) ||
               (!rn_lock_held(&w->graph) && answer_is_wrong(a, rn_wait_targets_wrong(w), "the waits", "")) ||
               (!rn_lock_held(&w->lock) &&
                answer_is_wrong(a, rn_list_wrong(&w->executors, &n), "the list of executors", ""));
}

static bool ask_executors(const rn_world *w, answer *a)
{
        if (rn_lock_held(&w->lock))
                return false;
        RN_LIST_EACH(l, &w->executors) {
                const rein_executor *x = RN_ITEM(l, rein_executor, world);
                a->what = rn_lock_held(&x->lock) ? NULL : rn_executor_wrong(x);
                if (!a->what)
                        continue;
                snprintf(a->where, a->n, "'%s'", x->name);
                return true;
        }
        return false;
}

static bool ask_slab(const rn_slab *s, const char *noun, answer *a)
{
        /* While it is explored, the lock of a slab keeps nobody out: taking and giving commutes. */
        const bool exact = rn_virtual() && !RN_EXPLORING;
        return s->item_size && !rn_lock_held(&s->shelf.lock) && answer_is_wrong(a, rn_slab_wrong(s, exact), noun, "");
}

static bool ask_slabs(const rn_world *w, answer *a)
{
        return ask_slab(&w->tasks, "the slab of tasks", a) || ask_slab(&w->scopes, "the slab of scopes", a) ||
               ask_slab(&w->groups, "the slab of groups", a) || ask_slab(&w->hooks, "the slab of regions", a) ||
               ask_slab(&w->fibers, "the slab of coroutines", a) ||
               (!rn_lock_held(&w->works.lock) &&
                answer_is_wrong(a, rn_shelf_wrong(&w->works), "the shelf of jobs", "")) ||
               (!rn_lock_held(&w->promises.lock) &&
                answer_is_wrong(a, rn_shelf_wrong(&w->promises), "the shelf of promises", ""));
}

static bool ask_tasks(const rn_slab *s, answer *a)
{
        if (!s->item_size)
                return false;
        for (const rn_task *t = NULL; (t = rn_slab_next(s, t));) {
                if (!t->now)
                        continue; /* it is being made */
                const char *doing = rn_getptr(&t->doing);
                const char *what = rn_task_wrong(t);
                for (const rn_asker *one = askers; one && !what; one = one->next)
                        what = one->task ? one->task(t) : NULL;
                if (answer_is_wrong(a, what, "a task in ", doing ? doing : "code of its own"))
                        return true;
        }
        return false;
}

static bool ask_families(const rn_world *w, answer *a)
{
        for (const rn_scope *s = NULL; (s = rn_slab_next(&w->scopes, s));) {
                const rn_scope *head = rn_scope_is_open(s) ? rn_getptr(&s->family) : NULL;
                if (!head || rn_lock_held(&head->lock))
                        continue;
                const bool top = s == head || !rn_linked(&s->sibling);
                if (answer_is_wrong(a, top ? rn_tree_wrong(s) : NULL, "the scope opened at ", s->place))
                        return true;
        }
        return false;
}

/* Of each scope but the heads: one holder, and one more of its head. So the holders of all are counted by the scopes there
 * are. Not while it is explored: there are steps between the two. */
static const char *holders_wrong(const rn_slab *scopes)
{
        uint32_t holders = 0, wanted = 0;
        for (const rn_scope *s = NULL; (s = rn_slab_next(scopes, s));) {
                const bool head = rn_peekptr(&s->family) == s;
                holders += rn_peek32(&s->refs);
                wanted += head ? !rn_peek32(&s->closed) : 2;
        }
        return holders == wanted ? NULL : "the heads of families have not so many holders as there are scopes in them";
}

static bool ask_holders(const rn_world *w, answer *a)
{
        return rn_virtual() && !RN_EXPLORING && answer_is_wrong(a, holders_wrong(&w->scopes), "the scopes", "");
}

static bool ask_regions(const rn_world *w, answer *a)
{
        for (const rn_hook *h = NULL; (h = rn_slab_next_of_all(&w->hooks, h));) {
                const rn_scope *s = rn_getptr(&h->scope);
                const rn_scope *head = s ? rn_getptr(&s->family) : NULL;
                if (head && rn_lock_held(&head->lock))
                        continue;
                if (answer_is_wrong(a, rn_hook_wrong(h), "the region opened at ", h->place ? h->place : "nowhere"))
                        return true;
        }
        return false;
}

const char *rn_world_wrong(const rn_world *w, char *where, size_t n)
{
        answer a = {.where = where, .n = n};
        if (!w->executors.next || rn_get64(&w->state) % 2)
                return NULL; /* not set up yet */
        if (ask_lists(w, &a) || ask_executors(w, &a) || ask_slabs(w, &a) || ask_tasks(&w->tasks, &a) ||
            ask_tasks(&w->fibers, &a) || ask_families(w, &a) || ask_holders(w, &a) || ask_regions(w, &a))
                return a.what;
        for (const rn_asker *one = askers; one; one = one->next) {
                const char *what = one->world ? one->world(w, where, n) : NULL;
                if (what)
                        return what;
        }
        return NULL;
}

#endif
