/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool text_make_room(struct text *t, size_t n)
{
        if (t->failed)
                return false;
        if (n < t->room - t->n) /* one byte stays for the NUL */
                return true;
        size_t room = t->room ? t->room : 256;
        while (room - t->n <= n)
                room *= 2;
        char *at = realloc(t->at, room);
        if (!at) {
                t->failed = true;
                return false;
        }
        t->at = at;
        t->room = room;
        return true;
}

void text_add(struct text *t, const char *bytes, size_t n)
{
        if (!text_make_room(t, n))
                return;
        memcpy(t->at + t->n, bytes, n);
        t->n += n;
        t->at[t->n] = '\0';
}

void text_put(struct text *t, const char *string)
{
        text_add(t, string, strlen(string));
}

void text_printf(struct text *t, const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        int n = vsnprintf(NULL, 0, fmt, args);
        va_end(args);
        if (n < 0 || !text_make_room(t, (size_t)n))
                return;
        va_start(args, fmt);
        vsnprintf(t->at + t->n, t->room - t->n, fmt, args);
        va_end(args);
        t->n += (size_t)n;
}

void text_free(struct text *t)
{
        free(t->at);
        *t = (struct text){0};
}

/* How many bytes the UTF-8 sequence at s has, or 0 when it is none (RFC 3629: no surrogates, nothing overlong). */
static size_t text_utf8(const unsigned char *s)
{
        if (s[0] < 0x80)
                return 1;
        size_t n = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
                   : s[0] >= 0xe0 && s[0] <= 0xef ? 3
                   : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                  : 0;
        for (size_t i = 1; i < n; i++)
                if ((s[i] & 0xc0) != 0x80) /* a NUL ends the string here, too */
                        return 0;
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
            (s[0] == 0xf4 && s[1] > 0x8f))
                return 0;
        return n;
}

void text_json(struct text *t, const char *string)
{
        text_add(t, "\"", 1);
        for (const char *s = string; *s;) {
                size_t plain =
                        strcspn(s, "\"\\\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14"
                                   "\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f");
                size_t good = 0, step = 0;
                while (good < plain && (step = text_utf8((const unsigned char *)s + good)) > 0)
                        good += step;
                text_add(t, s, good);
                s += good;
                if (good < plain) {
                        text_put(t, "\\ufffd");
                        s++;
                } else if (*s == '\n') {
                        text_put(t, "\\n");
                        s++;
                } else if (*s == '"' || *s == '\\') {
                        text_printf(t, "\\%c", *s++);
                } else if (*s) {
                        text_printf(t, "\\u%04x", (unsigned char)*s++);
                }
        }
        text_add(t, "\"", 1);
}

void text_json_words(struct text *t, char *const words[])
{
        text_add(t, "[", 1);
        for (int i = 0; words[i]; i++) {
                if (i)
                        text_add(t, ",", 1);
                text_json(t, words[i]);
        }
        text_add(t, "]", 1);
}

void text_words(struct text *t, char *const words[], size_t most)
{
        size_t begin = t->n;
        for (int i = 0; words[i] && t->n - begin <= most; i++) {
                if (i)
                        text_add(t, " ", 1);
                size_t n = strlen(words[i]);
                text_add(t, words[i], n < most ? n : most + 1);
        }
        if (t->failed || t->n == begin)
                return;
        if (t->n - begin > most) {
                t->n = begin + most;
                text_put(t, "...");
        }
        for (size_t i = begin; i < t->n; i++)
                if ((unsigned char)t->at[i] < 0x20 || t->at[i] == 0x7f)
                        t->at[i] = '?';
}

void text_json_time(struct text *t, int64_t wall_ns)
{
        time_t seconds = (time_t)(wall_ns / 1000000000);
        struct tm tm;
        char day[32];
        gmtime_r(&seconds, &tm);
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
        text_printf(t, "\"%s.%03dZ\"", day, (int)(wall_ns / 1000000 % 1000));
}

int64_t wall_clock(void)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}
