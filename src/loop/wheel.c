/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/wheel.h"

enum { TICK = 16, DIGIT = 6, IN_HEAP = 1, IN_SLOTS = 2, FEW = 8 };

static bool wheel_sooner(const rn_heap_node *a, const rn_heap_node *b)
{
        return RN_ITEM(a, rn_wheel_node, heap)->at < RN_ITEM(b, rn_wheel_node, heap)->at;
}

void rn_wheel_init(rn_wheel *w)
{
        w->cursor = 0;
        w->count = 0;
        w->heap = (rn_heap){.before = wheel_sooner};
        for (unsigned k = 0; k < RN_WHEEL_LEVELS; k++) {
                w->filled[k] = 0;
                for (unsigned s = 0; s < RN_WHEEL_SLOTS; s++)
                        rn_list_init(&w->slots[k][s]);
        }
}

static unsigned wheel_digit(int64_t tick, unsigned level)
{
        return (unsigned)(tick >> (DIGIT * level)) % RN_WHEEL_SLOTS;
}

static void wheel_place(rn_wheel *w, rn_wheel_node *n)
{
        const int64_t tick = n->at < 0 ? 0 : n->at >> TICK;
        if (tick <= w->cursor) {
                n->place = IN_HEAP;
                rn_heap_push(&w->heap, &n->heap);
                return;
        }
        const unsigned highest = 63 - (unsigned)__builtin_clzll((uint64_t)(tick ^ w->cursor));
        const unsigned level = highest / DIGIT, slot = wheel_digit(tick, level);
        RN_ASSERT(level < RN_WHEEL_LEVELS, "the levels of a wheel hold every time there is");
        n->place = (uint16_t)(IN_SLOTS + level * RN_WHEEL_SLOTS + slot);
        n->link = (rn_link){0};
        rn_list_push(&w->slots[level][slot], &n->link);
        w->filled[level] |= UINT64_C(1) << slot;
}

void rn_wheel_push(rn_wheel *w, rn_wheel_node *n, int64_t at)
{
        RN_ASSERT(!rn_wheel_in(n), "what is put on a wheel is on none");
        n->at = at;
        w->count++;
        wheel_place(w, n);
}

void rn_wheel_remove(rn_wheel *w, rn_wheel_node *n)
{
        RN_ASSERT(rn_wheel_in(n) && w->count > 0, "what is taken off a wheel is on it");
        if (n->place == IN_HEAP) {
                rn_heap_remove(&w->heap, &n->heap);
        } else {
                const unsigned which = (unsigned)n->place - IN_SLOTS;
                const unsigned level = which / RN_WHEEL_SLOTS, slot = which % RN_WHEEL_SLOTS;
                RN_ASSERT(w->filled[level] >> slot & 1, "the slot that a timer is in counts as filled");
                rn_list_remove(&n->link);
                if (rn_list_empty(&w->slots[level][slot]))
                        w->filled[level] &= ~(UINT64_C(1) << slot);
        }
        n->place = 0;
        w->count--;
}

/* ---- the soonest slot ---- */

typedef struct soonest {
        unsigned level, slot;
        int64_t tick; /* the slot begins with it */
} soonest;

static bool wheel_find(const rn_wheel *w, soonest *s)
{
        for (unsigned k = 0; k < RN_WHEEL_LEVELS; k++) {
                if (!w->filled[k])
                        continue;
                const unsigned slot = (unsigned)__builtin_ctzll(w->filled[k]);
                const int64_t above = w->cursor >> (DIGIT * k) >> DIGIT; /* the digits that it shares with the cursor */
                *s = (soonest){k, slot, (above << DIGIT | (int64_t)slot) << (DIGIT * k)};
                return true;
        }
        return false;
}

/* The cursor goes to the slot's beginning. */
static void wheel_go_to(rn_wheel *w, const soonest *s)
{
        RN_ASSERT(s->tick > w->cursor, "the cursor of a wheel goes forward");
        rn_link here, *l;
        rn_list_init(&here);
        rn_list_move(&here, &w->slots[s->level][s->slot]);
        w->filled[s->level] &= ~(UINT64_C(1) << s->slot);
        w->cursor = s->tick;
        while ((l = rn_list_pop(&here)))
                wheel_place(w, RN_ITEM(l, rn_wheel_node, link));
}

rn_wheel_node *rn_wheel_pop(rn_wheel *w, int64_t now)
{
        soonest s;
        while (!w->heap.root && wheel_find(w, &s) && s.tick << TICK <= now)
                wheel_go_to(w, &s);
        rn_wheel_node *n = w->heap.root ? RN_ITEM(w->heap.root, rn_wheel_node, heap) : NULL;
        if (!n || n->at > now)
                return NULL;
        rn_wheel_remove(w, n);
        return n;
}

int64_t rn_wheel_next(rn_wheel *w)
{
        soonest s;
        if (!w->heap.root) {
                if (!wheel_find(w, &s))
                        return INT64_MAX;
                if (s.level == 0)
                        wheel_go_to(w, &s);
        }
        if (w->heap.root)
                return RN_ITEM(w->heap.root, rn_wheel_node, heap)->at;
        int64_t first = INT64_MAX;
        unsigned seen = 0;
        RN_LIST_EACH(l, &w->slots[s.level][s.slot]) {
                const rn_wheel_node *n = RN_ITEM(l, rn_wheel_node, link);
                if (++seen > FEW)
                        return s.tick << TICK;
                first = n->at < first ? n->at : first;
        }
        return first;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *wheel_slot_wrong(const rn_wheel *w, unsigned level, unsigned slot, size_t *n)
{
        size_t seen = 0;
        const rn_link *list = &w->slots[level][slot];
        const char *what = rn_list_wrong(list, n);
        if (what || rn_list_empty(list))
                return what ? what : "a slot without a timer counts as filled";
        RN_LIST_EACH(l, list) {
                const rn_wheel_node *node = RN_ITEM(l, rn_wheel_node, link);
                const int64_t tick = node->at >> TICK;
                if (node->place != IN_SLOTS + level * RN_WHEEL_SLOTS + slot)
                        return "a timer in a slot does not know where it is";
                if (tick <= w->cursor || wheel_digit(tick, level) != slot ||
                    (tick ^ w->cursor) >> (DIGIT * level) >> DIGIT != 0)
                        return "a timer is in a slot that is not that of its time";
                if (++seen > RN_LIST_ASKED)
                        break;
        }
        return NULL;
}

static const char *wheel_first_wrong(const rn_wheel *w)
{
        const rn_wheel_node *first = w->heap.root ? RN_ITEM(w->heap.root, rn_wheel_node, heap) : NULL;
        if (first && first->place != IN_HEAP)
                return "a timer in the heap does not know where it is";
        return first && first->at >= 0 && first->at >> TICK > w->cursor ? "a timer is in the heap before its time"
                                                                        : NULL;
}

const char *rn_wheel_wrong(const rn_wheel *w)
{
        size_t count = w->heap.count, n = 0;
        bool all = true;
        const char *what = rn_heap_wrong(&w->heap);
        if (!what)
                what = wheel_first_wrong(w);
        for (unsigned k = 0; k < RN_WHEEL_LEVELS; k++) {
                for (uint64_t left = w->filled[k]; left && !what; left &= left - 1, count += n) {
                        what = wheel_slot_wrong(w, k, (unsigned)__builtin_ctzll(left), &n);
                        all = all && n <= RN_LIST_ASKED;
                }
        }
        return what || !all || count == w->count ? what : "a wheel has not so many timers as it counts";
}

#endif
