/* SPDX-License-Identifier: Apache-2.0 */
#include "core/heap.h"

#include "plat/check.h"

static rn_heap_node *heap_meld(const rn_heap *h, rn_heap_node *a, rn_heap_node *b)
{
        if (!a || !b)
                return a ? a : b;
        if (h->before(b, a)) {
                rn_heap_node *t = a;
                a = b;
                b = t;
        }
        b->prev = a;
        b->next = a->child;
        if (a->child)
                a->child->prev = b;
        a->child = b;
        a->next = a->prev = NULL;
        return a;
}

/* Two passes: meld neighbours from left to right, then the results from right to left. */
static rn_heap_node *heap_meld_siblings(const rn_heap *h, rn_heap_node *first)
{
        rn_heap_node *done = NULL;
        while (first) {
                rn_heap_node *a = first, *b = a->next;
                first = b ? b->next : NULL;
                a->next = a->prev = NULL;
                if (b)
                        b->next = b->prev = NULL;
                a = heap_meld(h, a, b);
                a->next = done;
                done = a;
        }
        rn_heap_node *root = NULL;
        while (done) {
                rn_heap_node *next = done->next;
                done->next = NULL;
                root = heap_meld(h, root, done);
                done = next;
        }
        return root;
}

void rn_heap_push(rn_heap *h, rn_heap_node *n)
{
        RN_ASSERT(!n->in, "what is pushed into a heap is in none");
        n->child = n->next = n->prev = NULL;
        n->in = true;
        h->root = heap_meld(h, h->root, n);
        h->count++;
}

void rn_heap_remove(rn_heap *h, rn_heap_node *n)
{
        RN_ASSERT(n->in && h->count > 0, "what is taken out of a heap is in it");
        if (n == h->root) {
                h->root = heap_meld_siblings(h, n->child);
        } else {
                if (n->prev->child == n)
                        n->prev->child = n->next;
                else
                        n->prev->next = n->next;
                if (n->next)
                        n->next->prev = n->prev;
                h->root = heap_meld(h, h->root, heap_meld_siblings(h, n->child));
        }
        n->child = n->next = n->prev = NULL;
        n->in = false;
        h->count--;
        RN_ASSERT(!h->root == !h->count, "a heap without a root is one that counts no nodes");
}

rn_heap_node *rn_heap_pop(rn_heap *h)
{
        rn_heap_node *n = h->root;
        if (n)
                rn_heap_remove(h, n);
        return n;
}

#if RN_CHECKING

enum { MOST_ASKED = 64 };

static const char *heap_node_wrong(const rn_heap *h, const rn_heap_node *n)
{
        if (!n->in)
                return "a node in a heap does not know that it is in one";
        const rn_heap_node *before = n;
        for (const rn_heap_node *c = n->child; c; before = c, c = c->next) {
                if (c->prev != before)
                        return "two neighbours in a heap do not point to each other";
                if (h->before(c, n))
                        return "a node in a heap comes before its parent";
        }
        return NULL;
}

/* The parent of n; NULL: n is the root. */
static const rn_heap_node *heap_parent_of(const rn_heap_node *n)
{
        while (n->prev && n->prev->child != n)
                n = n->prev;
        return n->prev;
}

/* The next node, parents first; NULL: n was the last. */
static const rn_heap_node *heap_node_after(const rn_heap_node *n)
{
        if (n->child)
                return n->child;
        while (n && !n->next)
                n = heap_parent_of(n);
        return n ? n->next : NULL;
}

const char *rn_heap_wrong(const rn_heap *h)
{
        size_t seen = 0;
        if (h->root && (h->root->prev || h->root->next))
                return "the root of a heap has neighbours";
        for (const rn_heap_node *n = h->root; n && seen < MOST_ASKED; n = heap_node_after(n), seen++) {
                const char *what = seen == h->count ? "a heap has more nodes than it counts" : heap_node_wrong(h, n);
                if (what)
                        return what;
        }
        return seen < MOST_ASKED && seen != h->count ? "a heap has fewer nodes than it counts" : NULL;
}

#endif
