/* SPDX-License-Identifier: Apache-2.0 */
#include "core/receipt.h"

#include "core/executor.h"
#include "core/opts.h"

struct rein_receipt {
        rein_work *first, *last;
        size_t count;
        rein_work *at; /* where the last rein_receipt_at was: number at_index */
        size_t at_index;
        rein_work *pruned; /* let go with the receipt: here their last reference may be given back */
};

static rein_receipt empty;

rein_receipt *rn_receipt_new(void)
{
        return rn_alloc(sizeof(rein_receipt));
}

rein_receipt *rn_receipt_empty(void)
{
        return &empty;
}

void rn_receipt_add(rein_receipt *r, rein_work *w)
{
        if (!r) {
                w->in_receipt = false;
                rn_future_unref(&w->future); /* never the last: its executor has one */
                return;
        }
        w->receipt_next = NULL;
        if (r->last)
                r->last->receipt_next = w;
        else
                r->first = w;
        r->last = w;
        r->count++;
}

void rn_receipt_prune(rein_receipt *r)
{
        if (!r)
                return;
        rein_work **from = &r->first;
        r->last = NULL;
        while (*from) {
                rein_work *w = *from;
                if (rn_load32(&w->rung) != RN_RUNG_NONE || !rn_future_is(&w->future, RN_GONE)) {
                        r->last = w;
                        from = &w->receipt_next;
                        continue;
                }
                *from = w->receipt_next;
                r->count--;
                w->receipt_next = r->pruned;
                r->pruned = w;
        }
}

size_t rein_receipt_count(const rein_receipt *r)
{
        return r ? r->count : 0;
}

static const char *stopped_by(const rein_work *w)
{
        static const char *const names[] = {"not stopped", "never started", "asked", "hook", "poke", "abandoned"};
        return names[rn_load32(&w->rung)];
}

static void describe(const rein_work *w, rein_straggler *s)
{
        int64_t start = rn_load64(&w->started), end = rn_load64(&w->ended);
        bool ran = rn_load32(&w->rung) != RN_RUNG_NEVER && start;
        *s = (rein_straggler){.size = sizeof *s, .name = w->name, .stopped_by = stopped_by(w)};
        s->stuck_in = ran ? rn_work_stuck_in(w) : "";
        s->age_ns = (end ? end : rn_clock()) - (ran ? start : w->submitted);
        s->gone = rn_future_is(&w->future, RN_GONE);
}

bool rein_receipt_at(const rein_receipt *r, size_t i, rein_straggler *out)
{
        if (!r || !out || i >= r->count || out->size < sizeof out->size)
                return false;
        rein_receipt *cursor = (rein_receipt *)(uintptr_t)r; /* one thread at a time, by the header */
        if (!cursor->at || i < cursor->at_index) {
                cursor->at = r->first;
                cursor->at_index = 0;
        }
        for (; cursor->at_index < i; cursor->at_index++)
                cursor->at = cursor->at->receipt_next;
        rein_straggler s;
        describe(cursor->at, &s);
        s.size = out->size;
        memcpy(out, &s, out->size < sizeof s ? out->size : sizeof s);
        return true;
}

static void print(FILE *to, const rein_receipt *r, bool stuck_only)
{
        for (const rein_work *w = r ? r->first : NULL; w; w = w->receipt_next) {
                rein_straggler s;
                char who[96];
                describe(w, &s);
                if (s.gone && stuck_only)
                        continue;
                rn_work_describe(w, who, sizeof who);
                fprintf(to, "  %s: %s after %.3f s%s%s%s\n", who, s.stopped_by, (double)s.age_ns / 1e9,
                        s.stuck_in[0] ? ", was in " : "", s.stuck_in, s.gone ? "" : "; still running");
        }
}

void rein_receipt_print(FILE *to, const rein_receipt *r)
{
        print(to, r, false);
}

void rn_receipt_print_stuck(FILE *to, const rein_receipt *r)
{
        print(to, r, true);
}

bool rn_receipt_stuck(const rein_receipt *r)
{
        for (const rein_work *w = r ? r->first : NULL; w; w = w->receipt_next)
                if (!rn_future_is(&w->future, RN_GONE))
                        return true;
        return false;
}

static void let_go(rein_work *w)
{
        while (w) {
                rein_work *next = w->receipt_next;
                rn_future_unref(&w->future);
                w = next;
        }
}

void rein_receipt_free(rein_receipt *r)
{
        if (!r || r == &empty)
                return;
        let_go(r->first);
        let_go(r->pruned);
        rn_free(r);
}
