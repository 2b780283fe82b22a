/* SPDX-License-Identifier: Apache-2.0 */
#include "core/context.h"

#include <errno.h>

#include "core/task.h"

typedef struct box { /* one value, shared by the lists that have it */
        rn_a32 refs;
        const rein_key *key;
        void *value;
} box;

struct rn_context {
        rn_a32 refs;
        box *box;
        rn_context *rest;
};

rn_context *rn_context_ref(rn_context *c)
{
        RN_ASSERT(!c || rn_get32(&c->refs) > 0, "a context that gets another holder has one");
        if (c)
                rn_add32(&c->refs, 1);
        return c;
}

static void box_unref(box *b)
{
        RN_ASSERT(rn_get32(&b->refs) > 0, "a value of the context is not let go more often than it was held");
        if (rn_told_sub32(&b->refs) != 0)
                return;
        if (b->key->release && b->value) {
                rn_owed(b->key->release, b->value, -1);
                b->key->release(b->value);
        }
        rn_free(b);
}

void rn_context_unref(rn_context *c)
{
        while (c && rn_told_sub32(&c->refs) == 0) {
                rn_context *rest = c->rest;
                box_unref(c->box);
                rn_free(c);
                c = rest;
        }
}

/* A new front node; rest is a reference taken over, the box is counted. NULL: no memory, nothing taken over. */
static rn_context *context_cons(box *b, rn_context *rest)
{
        rn_context *c = rn_alloc(sizeof *c);
        if (!c)
                return NULL;
        rn_store32(&c->refs, 1);
        rn_add32(&b->refs, 1);
        c->box = b;
        c->rest = rest;
        return c;
}

/* The list without k: shared from behind k on, copied before it. false: no memory. */
static bool context_without(rn_context *c, const rein_key *k, rn_context **out)
{
        rn_context *at = c;
        while (at && at->box->key != k)
                at = at->rest;
        if (!at) {
                *out = rn_context_ref(c);
                return true;
        }
        rn_context *list = rn_context_ref(at->rest);
        for (rn_context *i = c; i != at; i = i->rest) {
                rn_context *front = context_cons(i->box, list);
                if (!front) {
                        rn_context_unref(list);
                        return false;
                }
                list = front;
        }
        *out = list;
        return true;
}

int rein_context_set(const rein_key *k, void *value)
{
        RN_ASKS(task, NULL);
        if (!k)
                return rn_fail(-EINVAL, "rein_context_set", "no key: pass the address of a static rein_key");
        rn_task *self = rn_self();
        box *b = self ? rn_alloc(sizeof *b) : NULL;
        rn_context *rest = NULL, *front = NULL;
        if (b && context_without(self->now->context, k, &rest)) {
                front = context_cons(b, rest);
                if (!front)
                        rn_context_unref(rest);
        }
        if (!front) {
                rn_free(b);
                return -ENOMEM;
        }
        b->key = k;
        b->value = value;
        rn_owed(value ? k->release : NULL, value, 1);
        rn_context *old = self->now->context;
        self->now->context = front;
        rn_context_unref(old);
        return 0;
}

void *rein_context_get(const rein_key *k)
{
        RN_ASKS(task, NULL);
        rn_task *self = rn_self_if();
        for (rn_context *c = self ? self->now->context : NULL; c; c = c->rest)
                if (c->box->key == k)
                        return c->box->value;
        return NULL;
}
