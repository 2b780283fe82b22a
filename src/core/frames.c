/* SPDX-License-Identifier: Apache-2.0 */
#include "core/frames.h"

#include "plat/plat.h"

enum { MOST = 32, LINE = 128 };

struct rn_frames {
        rn_aptr text; /* made when it is first asked for */
        rn_stack_piece piece;
};

rn_frames *rn_frames_take(rn_task *t)
{
        rn_frames *f = rn_virtual() ? NULL : rn_alloc(sizeof *f);
        if (f &&
            rn_stack_copy(rn_load32(&t->thread_id), rn_loadptr(&t->stack_low), rn_loadptr(&t->stack_high), &f->piece))
                return f;
        rn_free(f);
        return NULL;
}

void rn_frames_free(rn_frames *f)
{
        if (!f)
                return;
        rn_free(rn_loadptr(&f->text));
        rn_free(f);
}

static void frame_line(char out[LINE], uintptr_t at, bool first, bool names)
{
        char frame[LINE - 8];
        rn_frame_text(at, names, frame, sizeof frame);
        snprintf(out, LINE, "%s %s", first ? "at" : "from", frame);
}

const char *rn_frames_text(rn_frames *f)
{
        uintptr_t at[MOST];
        char *text = f ? rn_loadptr(&f->text) : NULL;
        if (!f || text)
                return text ? text : "";
        const size_t room = (size_t)MOST * (LINE + 1);
        text = rn_alloc(room);
        if (!text)
                return "";
        const int n = rn_stack_frames(&f->piece, at, MOST);
        size_t used = 0;
        for (int i = 0; i < n; i++) {
                char one[LINE];
                frame_line(one, at[i], i == 0, true);
                used += (size_t)snprintf(text + used, room - used, "%s%s", i ? "\n" : "", one);
        }
        void *was = NULL;
        if (rn_casptr(&f->text, &was, text))
                return text;
        rn_free(text);
        return was;
}

void rn_frames_add(rn_message *m, const rn_frames *f, const char *indent, bool names)
{
        uintptr_t at[MOST];
        const int n = f ? rn_stack_frames(&f->piece, at, MOST) : 0;
        for (int i = 0; i < n; i++) {
                char one[LINE];
                frame_line(one, at[i], i == 0, names);
                rn_message_add(m, "%s%s\n", indent, one);
        }
}
