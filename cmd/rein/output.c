/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept is a sequence of frames, {stream, n, bytes}, in the order in which they came. Only to print waits: what must
 * hold together is done before or after it. */
#include "output.h"
#include "text.h"

#include <rein/io.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct frame {
        int64_t n;
        int stream;
};

struct voice {
        struct output *output;
        uint64_t turn;
        struct spool kept;
        char *tag;
        bool line_begun[2];
        bool spoke, hold, ended;
};

/* Has the floor while the words of ended jobs are printed, between one speaker and the next. */
static struct voice interlude;

/* BACKLOG: when so much waits for the floor, or for whoever reads our output, no further job is started. */
enum { BLOCK = 32 * 1024, BACKLOG = 1 << 28 };

int output_open(struct output *o, uint64_t window, rein_future *hurried, void (*broken)(void *arg), void *arg)
{
        *o = (struct output){.window = window, .room = rein_event_new()};
        outlet_open(&o->outlet, hurried, broken, arg);
        if (!o->room || (window && !(o->voices = calloc(window, sizeof(struct voice *)))))
                return -ENOMEM;
        return 0;
}

void output_close(struct output *o)
{
        spool_clear(&o->backlog);
        free(o->voices);
        rein_event_free(o->room);
}

static bool output_is_full(const struct output *o)
{
        return o->backlog.n >= BACKLOG || (o->window && o->next - o->turn >= o->window);
}

int output_room(struct output *o)
{
        int rc = 0;
        while (output_is_full(o) && rc == 0) {
                rein_event_clear(o->room);
                rc = rein_event_wait(o->room, REIN_NEVER);
        }
        return rc;
}

struct voice *voice_new(struct output *o, const char *tag)
{
        struct voice *v = calloc(1, sizeof *v);
        if (!v)
                return NULL;
        v->output = o;
        if (tag) {
                struct text t = {0};
                text_words(&t, (char *[]){(char *)tag, NULL}, 4096);
                text_add(&t, "\t", 1);
                if (t.failed) {
                        text_free(&t);
                        free(v);
                        return NULL;
                }
                v->tag = t.at;
        }
        if (o->window) {
                v->turn = o->next++;
                o->voices[v->turn % o->window] = v;
        }
        return v;
}

static void voice_free(struct voice *v)
{
        spool_clear(&v->kept);
        free(v->tag);
        free(v);
}

/* ---- keeping ---- */

/* The whole frame, or nothing of it: what reads it counts on the length that its head has. */
static int spool_add_frame(struct spool *s, int stream, const char *bytes, size_t n)
{
        const struct frame head = {(int64_t)n, stream};
        const int64_t before = s->n;
        int rc = spool_add(s, &head, sizeof head);
        if (rc == 0)
                rc = spool_add(s, bytes, n);
        if (rc < 0)
                spool_cut(s, before);
        return rc;
}

static void output_keeping_failed(struct output *o, int rc)
{
        char where[200] = "memory to keep it in";
        if (rc != -ENOMEM)
                snprintf(where, sizeof where, "it is kept in %.100s (set TMPDIR to a folder with room)",
                         spool_folder());
        outlet_fail(&o->outlet, -rc, where);
}

static void voice_keep(struct voice *v, int stream, const char *bytes, size_t n)
{
        int rc = spool_add_frame(&v->kept, stream, bytes, n);
        if (rc < 0)
                output_keeping_failed(v->output, rc);
}

static int spool_read_whole(const struct spool *s, int64_t at, void *bytes, size_t n)
{
        const int64_t got = spool_read(s, at, bytes, n);
        return got == (int64_t)n ? 0 : got < 0 ? (int)got : -EIO;
}

/* Print what was kept. Others run meanwhile: it may be much.
 * Returns false when it was cut short by a cancel; what is left is then kept. */
static bool output_print(struct output *o, struct spool *kept)
{
        char bytes[BLOCK];
        struct frame frame = {0};
        struct spool rest = {0};
        int rc = 0;
        for (int64_t at = 0; rc == 0 && at < kept->n; at += frame.n) {
                rc = spool_read_whole(kept, at, &frame, sizeof frame);
                at += (int64_t)sizeof frame;
                for (int64_t done = 0, n; rc == 0 && done < frame.n; done += n) {
                        n = frame.n - done < BLOCK ? frame.n - done : BLOCK;
                        rc = spool_read_whole(kept, at + done, bytes, (size_t)n);
                        if (rc < 0)
                                break;
                        const size_t out = rest.n ? 0 : outlet_put(&o->outlet, frame.stream, bytes, (size_t)n);
                        if ((int64_t)out < n)
                                rc = spool_add_frame(&rest, frame.stream, bytes + out, (size_t)n - out);
                        rein_sleep(REIN_NOWAIT);
                }
        }
        if (rc < 0)
                output_keeping_failed(o, rc);
        spool_clear(kept);
        *kept = rest;
        return rest.n == 0;
}

/* ---- the floor ---- */

/* Is it v's turn to speak? Then it has the floor. */
static bool voice_take_floor(struct voice *v)
{
        struct output *o = v->output;
        if (!o->floor && (!o->window || o->turn == v->turn))
                o->floor = v;
        return o->floor == v;
}

/* The voice whose turn it is: past those that have ended and said all. */
static struct voice *output_speaker(struct output *o)
{
        struct voice *v = NULL;
        while (o->turn < o->next && (v = o->voices[o->turn % o->window])->ended && v->kept.n == 0) {
                voice_free(v);
                v = NULL;
                o->turn++;
                o->caught_up = false;
                rein_event_set(o->room);
        }
        return o->turn < o->next ? v : NULL;
}

/* What is to be printed next, while the floor is free? */
static bool output_next_words(struct output *o, struct spool *words)
{
        struct spool *from = &o->backlog;
        if (o->window) {
                struct voice *v = output_speaker(o);
                if (!v || (o->caught_up && !v->ended && v->kept.file))
                        return false; /* it prints faster than we can: from here on it does that itself */
                o->caught_up = true;
                from = &v->kept;
        }
        if (from->n == 0)
                return false;
        *words = *from;
        *from = (struct spool){0};
        rein_event_set(o->room);
        return true;
}

/* The floor is given up: print what waits, then it is free. */
static void output_pass_floor(struct output *o)
{
        struct spool words;
        while (output_next_words(o, &words)) {
                o->floor = &interlude;
                if (!output_print(o, &words))
                        o->outlet.lost = true;
                spool_clear(&words);
        }
        o->floor = NULL;
}

void output_finish(struct output *o)
{
        output_pass_floor(o);
}

static void voice_emit(struct voice *v, int stream, const char *bytes, size_t n)
{
        struct output *o = v->output;
        bool mine = !v->hold && voice_take_floor(v);
        size_t done = 0;
        if (mine && output_print(o, &v->kept))
                done = outlet_put(&o->outlet, stream, bytes, n);
        if (done < n)
                voice_keep(v, stream, bytes + done, n - done);
}

static void voice_emit_tagged(struct voice *v, int stream, const char *bytes, size_t n)
{
        struct text block = {0};
        while (n > 0) {
                const char *newline = memchr(bytes, '\n', n);
                size_t line = newline ? (size_t)(newline - bytes) + 1 : n;
                if (!v->line_begun[stream])
                        text_put(&block, v->tag);
                text_add(&block, bytes, line);
                v->line_begun[stream] = !newline;
                bytes += line;
                n -= line;
                if (block.n > BLOCK || n == 0) {
                        voice_emit(v, stream, block.at ? block.at : "", block.n);
                        block.n = 0;
                }
        }
        if (block.failed)
                output_keeping_failed(v->output, -ENOMEM);
        text_free(&block);
}

void voice_write(struct voice *v, int stream, const char *bytes, size_t n)
{
        v->spoke |= n > 0;
        if (v->tag)
                voice_emit_tagged(v, stream, bytes, n);
        else if (n > 0) {
                voice_emit(v, stream, bytes, n);
                v->line_begun[stream] = bytes[n - 1] != '\n';
        }
}

bool voice_spoke(const struct voice *v)
{
        return v->spoke;
}

void voice_hold(struct voice *v, bool hold)
{
        v->hold = hold;
}

bool voice_is_one(const struct voice *v)
{
        return v->output->outlet.one;
}

void voice_say(struct voice *v, const char *line)
{
        const int stream = voice_is_one(v) ? 0 : 1;
        struct text t = {0};
        text_printf(&t, "%s%s\n", v->line_begun[stream] ? "\n" : "", line);
        v->line_begun[stream] = false;
        if (!t.failed)
                voice_emit(v, stream, t.at, t.n);
        text_free(&t);
}

void voice_end(struct voice *v)
{
        struct output *o = v->output;
        for (int stream = 0; stream < 2; stream++)
                if (v->tag && v->line_begun[stream]) /* else the next job's tag would stand within a line */
                        voice_emit(v, stream, "\n", 1);

        v->ended = true;
        bool mine = o->floor == v || (o->floor == NULL && (v->kept.n || o->window) && voice_take_floor(v));
        int rc = 0;
        if (!mine && !o->window && v->kept.n) {
                char bytes[BLOCK];
                int64_t n, before = o->backlog.n;
                for (int64_t at = 0; rc == 0 && (n = spool_read(&v->kept, at, bytes, sizeof bytes)) != 0; at += n)
                        rc = n < 0 ? (int)n : spool_add(&o->backlog, bytes, (size_t)n);
                if (rc < 0)
                        spool_cut(&o->backlog, before); /* whole frames, as in spool_add_frame */
        }
        if (rc < 0)
                output_keeping_failed(o, rc);

        if (mine && !output_print(o, &v->kept))
                o->outlet.lost = true;
        if (mine && o->window)
                spool_clear(&v->kept);
        if (!o->window)
                voice_free(v); /* in order, the voice that passes the floor on does that */
        if (mine)
                output_pass_floor(o);
}

void voice_drop(struct voice *v)
{
        if (!v->output->window) {
                voice_free(v);
                return;
        }
        v->ended = true;
}
