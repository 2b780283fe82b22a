/* SPDX-License-Identifier: Apache-2.0 */
#include "core/receipt.h"

#include "core/executor.h"
#include "core/frames.h"
#include "core/opts.h"

static rein_receipt empty;

rein_receipt *rn_receipt_new(size_t olds)
{
        rein_receipt *r = rn_alloc(sizeof *r + olds * sizeof(rein_work *));
        if (r)
                r->olds_room = olds;
        return r;
}

bool rn_receipt_add_old(rein_receipt *r, rein_work *w)
{
        if (r->olds == r->olds_room)
                return false;
        rn_future_ref(&w->future);
        r->old[r->olds++] = w;
        r->olds_held = r->olds;
        return true;
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
        RN_ASSERT(r != &empty, "nothing is put into the receipt that all have in common");
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
        for (size_t i = r->olds; i-- > 0;) {
                rein_work *w = r->old[i];
                if (!rn_future_is(&w->future, RN_GONE))
                        continue;
                r->old[i] = r->old[--r->olds];
                r->old[r->olds] = w;
        }
        rein_work **from = &r->first;
        r->last = NULL;
        while (*from) {
                rein_work *w = *from;
                if (rn_load32(&w->rung) != RN_RUNG_NONE || !rn_future_is(&w->future, RN_GONE)) {
                        r->last = w;
                        from = &w->receipt_next;
                        continue;
                }
                RN_ASSERT(r->count > 0, "a receipt counts the jobs in it");
                *from = w->receipt_next;
                r->count--;
                w->receipt_next = r->pruned;
                r->pruned = w;
        }
}

size_t rein_receipt_count(const rein_receipt *r)
{
        return r ? r->olds + r->count : 0;
}

static const char *straggler_stopped_by(const rein_work *w)
{
        static const char *const names[] = {"not stopped", "never started", "asked", "hook", "poke", "abandoned"};
        return names[rn_load32(&w->rung)];
}

static void straggler_describe(const rein_work *w, rein_straggler *s)
{
        int64_t start = rn_load64(&w->started), end = rn_load64(&w->ended);
        bool ran = rn_load32(&w->rung) != RN_RUNG_NEVER && start;
        *s = (rein_straggler){.size = sizeof *s, .name = w->name, .stopped_by = straggler_stopped_by(w), .frames = ""};
        s->stuck_in = ran ? rn_work_stuck_in(w) : "";
        s->age_ns = (end ? end : rn_clock()) - (ran ? start : w->submitted);
        s->gone = rn_future_is(&w->future, RN_GONE);
}

static const rein_work *receipt_of_chain(const rein_receipt *r, size_t i)
{
        rein_receipt *cursor = (rein_receipt *)(uintptr_t)r; /* one thread at a time, by the header */
        if (!cursor->at || i < cursor->at_index) {
                cursor->at = r->first;
                cursor->at_index = 0;
        }
        for (; cursor->at_index < i; cursor->at_index++)
                cursor->at = cursor->at->receipt_next;
        return cursor->at;
}

bool rein_receipt_at(const rein_receipt *r, size_t i, rein_straggler *out)
{
        if (!r || !out || i >= r->olds + r->count || out->size < sizeof out->size)
                return false;
        rein_straggler s;
        const rein_work *w = i < r->olds ? r->old[i] : receipt_of_chain(r, i - r->olds);
        straggler_describe(w, &s);
        s.size = out->size;
        if (out->size >= sizeof s)
                s.frames = rn_frames_text(rn_work_frames(w));
        memcpy(out, &s, out->size < sizeof s ? out->size : sizeof s);
        return true;
}

static void receipt_add_job(rn_message *m, const rein_work *w, bool stuck_only)
{
        rein_straggler s;
        char who[96];
        straggler_describe(w, &s);
        if (s.gone && stuck_only)
                return;
        rn_work_describe(w, who, sizeof who);
        rn_message_add(m, "  %s: %s after %.3f s%s%s%s\n", who, s.stopped_by, (double)s.age_ns / 1e9,
                       s.stuck_in[0] ? ", was in " : "", s.stuck_in, s.gone ? "" : "; still running");
        rn_frames_add(m, rn_work_frames(w), "        ", !stuck_only);
}

static void receipt_add(rn_message *m, const rein_receipt *r, bool stuck_only)
{
        for (size_t i = 0; r && i < r->olds; i++)
                receipt_add_job(m, r->old[i], stuck_only);
        for (const rein_work *w = r ? r->first : NULL; w; w = w->receipt_next)
                receipt_add_job(m, w, stuck_only);
}

void rein_receipt_print(FILE *to, const rein_receipt *r)
{
        rn_message m;
        rn_message_begin(&m, to);
        receipt_add(&m, r, false);
        rn_message_end(&m);
}

void rn_receipt_say_stuck(const rein_receipt *r, const char *first, ...)
{
        rn_message m;
        va_list args;
        rn_message_begin(&m, stderr);
        va_start(args, first);
        rn_message_addv(&m, first, args);
        va_end(args);
        receipt_add(&m, r, true);
        rn_message_end(&m);
}

bool rn_receipt_stuck(const rein_receipt *r)
{
        for (size_t i = 0; r && i < r->olds; i++)
                if (!rn_future_is(&r->old[i]->future, RN_GONE))
                        return true;
        for (const rein_work *w = r ? r->first : NULL; w; w = w->receipt_next)
                if (!rn_future_is(&w->future, RN_GONE))
                        return true;
        return false;
}

static void receipt_let_go(rein_work *w)
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
        for (size_t i = 0; i < r->olds_held; i++)
                rn_future_unref(&r->old[i]->future);
        receipt_let_go(r->first);
        receipt_let_go(r->pruned);
        rn_free(r);
}

#if RN_CHECKING

const char *rn_receipt_wrong(const rein_receipt *r)
{
        size_t n = 0;
        const rein_work *last = NULL;
        if (r->olds > r->olds_held || r->olds_held > r->olds_room)
                return "a receipt has more old jobs than it has room for";
        for (const rein_work *w = r->first; w && n <= RN_LIST_ASKED; w = w->receipt_next, n++) {
                last = w;
                if (!w->in_receipt || !rn_get32(&w->future.refs))
                        return "a job in a receipt does not know it, or was given back";
        }
        if (n > RN_LIST_ASKED)
                return NULL;
        return n != r->count || last != r->last ? "a receipt has not so many jobs as it counts, or another last one"
                                                : NULL;
}

#endif
