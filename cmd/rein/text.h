/* SPDX-License-Identifier: Apache-2.0 */
/* A growing text, and JSON strings in it. When memory is short `failed` is set and nothing more is added. */
#ifndef REIN_CMD_TEXT_H
#define REIN_CMD_TEXT_H

#include <rein/base.h>

struct text {
        char *at; /* ends in a NUL; NULL while empty */
        size_t n, room;
        bool failed;
};

void text_add(struct text *t, const char *bytes, size_t n);
void text_put(struct text *t, const char *string);
void text_printf(struct text *t, const char *fmt, ...) REIN_PRINTF(2, 3);
void text_free(struct text *t);

/* A JSON string, quotes included. What is not UTF-8 becomes U+FFFD. */
void text_json(struct text *t, const char *string);
/* A JSON array of strings. */
void text_json_words(struct text *t, char *const words[]);
/* The words with blanks between them, for people: control characters replaced, cut after `most` bytes. */
void text_words(struct text *t, char *const words[], size_t most);
/* The present time, "2026-01-31T12:00:00.123Z", as a JSON string. */
void text_json_time(struct text *t, int64_t wall_ns);
/* Wall-clock nanoseconds, for text_json_time alone: everything else is measured by rein_now. */
int64_t wall_clock(void);

#endif
