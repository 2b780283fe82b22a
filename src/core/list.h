/* SPDX-License-Identifier: Apache-2.0 */
/* A doubly linked list whose links are embedded in the items. A link that is in no list has next == NULL; zeroed memory
 * is such a link. Whoever owns the list's lock owns the links. */
#ifndef RN_CORE_LIST_H
#define RN_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "plat/check.h"

typedef struct rn_link {
        struct rn_link *next, *prev;
} rn_link;

#define RN_ITEM(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void rn_list_init(rn_link *list)
{
        list->next = list->prev = list;
}

static inline bool rn_list_empty(const rn_link *list)
{
        return list->next == list;
}

static inline bool rn_linked(const rn_link *l)
{
        return l->next != NULL;
}

static inline void rn_list_insert_after(rn_link *at, rn_link *l)
{
        RN_ASSERT(!rn_linked(l), "what is put into a list is in none");
        l->prev = at;
        l->next = at->next;
        at->next->prev = l;
        at->next = l;
}

static inline void rn_list_push(rn_link *list, rn_link *l) /* at the end */
{
        rn_list_insert_after(list->prev, l);
}

static inline void rn_list_push_front(rn_link *list, rn_link *l)
{
        rn_list_insert_after(list, l);
}

static inline void rn_list_remove(rn_link *l)
{
        RN_ASSERT(rn_linked(l), "what is taken out of a list is in one");
        /* The analyzer does not see that l's neighbours point to each other afterwards, and takes l out twice. */
        /* NOLINTBEGIN(clang-analyzer-core.NullDereference) */
        RN_ASSERT(l->next->prev == l && l->prev->next == l, "the neighbours in a list point to what is between them");
        l->prev->next = l->next;
        /* NOLINTEND(clang-analyzer-core.NullDereference) */
        l->next->prev = l->prev;
        l->next = l->prev = NULL;
}

static inline rn_link *rn_list_first(const rn_link *list) /* NULL: empty */
{
        return list->next == list ? NULL : list->next;
}

static inline rn_link *rn_list_last(const rn_link *list) /* NULL: empty */
{
        return list->prev == list ? NULL : list->prev;
}

static inline rn_link *rn_list_pop(rn_link *list) /* NULL: empty */
{
        rn_link *l = rn_list_first(list);
        if (l)
                rn_list_remove(l);
        return l;
}

/* Move all of `from` to the end of `to`. */
static inline void rn_list_move(rn_link *to, rn_link *from)
{
        if (rn_list_empty(from))
                return;
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        rn_list_init(from);
}

#define RN_LIST_EACH(l, list) for (rn_link *l = (list)->next; l != (list); l = l->next)

enum { RN_LIST_ASKED = 64 }; /* of a longer list a question (plat/check.h) sees the beginning: it is asked often */

/* NULL, or what is wrong with the links. *n: how many items the list has; a number above RN_LIST_ASKED: a long list. */
static inline const char *rn_list_wrong(const rn_link *list, size_t *n)
{
        const rn_link *l = list;
        *n = 0;
        do {
                if (!l->next)
                        return "a list ends in nothing";
                if (l->next->prev != l)
                        return "two neighbours in a list do not point to each other";
                l = l->next;
        } while (l != list && ++*n <= RN_LIST_ASKED);
        return NULL;
}

/* Is this the length of a list that rn_list_wrong has counted? A long one may be of any greater length. */
static inline bool rn_list_has(size_t n, size_t length)
{
        return n == length || (n > RN_LIST_ASKED && length > RN_LIST_ASKED);
}

#endif
