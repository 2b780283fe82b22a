/* SPDX-License-Identifier: Apache-2.0 */
#include "core/heap.h"

static rn_heap_node *meld(const rn_heap *h, rn_heap_node *a, rn_heap_node *b)
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
static rn_heap_node *meld_siblings(const rn_heap *h, rn_heap_node *first)
{
        rn_heap_node *done = NULL;
        while (first) {
                rn_heap_node *a = first, *b = a->next;
                first = b ? b->next : NULL;
                a->next = a->prev = NULL;
                if (b)
                        b->next = b->prev = NULL;
                a = meld(h, a, b);
                a->next = done;
                done = a;
        }
        rn_heap_node *root = NULL;
        while (done) {
                rn_heap_node *next = done->next;
                done->next = NULL;
                root = meld(h, root, done);
                done = next;
        }
        return root;
}

void rn_heap_push(rn_heap *h, rn_heap_node *n)
{
        n->child = n->next = n->prev = NULL;
        n->in = true;
        h->root = meld(h, h->root, n);
        h->count++;
}

void rn_heap_remove(rn_heap *h, rn_heap_node *n)
{
        if (n == h->root) {
                h->root = meld_siblings(h, n->child);
        } else {
                if (n->prev->child == n)
                        n->prev->child = n->next;
                else
                        n->prev->next = n->next;
                if (n->next)
                        n->next->prev = n->prev;
                h->root = meld(h, h->root, meld_siblings(h, n->child));
        }
        n->child = n->next = n->prev = NULL;
        n->in = false;
        h->count--;
}

rn_heap_node *rn_heap_pop(rn_heap *h)
{
        rn_heap_node *n = h->root;
        if (n)
                rn_heap_remove(h, n);
        return n;
}
