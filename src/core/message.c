/* SPDX-License-Identifier: Apache-2.0 */
#include "core/message.h"

#include <string.h>

#include "plat/plat.h"

void rn_message_begin(rn_message *m, FILE *to)
{
        rn_message_begin_in(m, to, m->first, sizeof m->first);
        m->grows = true;
}

void rn_message_begin_in(rn_message *m, FILE *to, char *room, size_t n)
{
        RN_ASSERT(n > 1, "a message has some room");
        m->to = to;
        m->text = room;
        m->room = n;
        m->used = 0;
        m->grows = false;
}

/* ---- room ---- */

static void message_give(rn_message *m, size_t n)
{
        if (n)
                fwrite(m->text, 1, n, m->to);
        m->used -= n;
        memmove(m->text, m->text + n, m->used);
}

static bool message_grow(rn_message *m, size_t more)
{
        size_t room = m->room * 2;
        while (room - m->used <= more)
                room *= 2;
        char *text = m->grows ? rn_alloc(room) : NULL;
        if (!text)
                return false;
        memcpy(text, m->text, m->used);
        if (m->text != m->first)
                rn_free(m->text);
        m->text = text;
        m->room = room;
        return true;
}

static size_t message_left(const rn_message *m)
{
        RN_ASSERT(m->used < m->room, "a message ends inside of its room");
        return m->room - m->used - 1;
}

/* Room for `more` bytes and the zero after them. false: there is as much as can be had. */
static bool message_make_room(rn_message *m, size_t more)
{
        if (more <= message_left(m) || message_grow(m, more))
                return true;
        size_t whole = m->used;
        while (whole && m->text[whole - 1] != '\n')
                whole--;
        message_give(m, whole);
        if (more > message_left(m))
                message_give(m, m->used);
        return more <= message_left(m);
}

/* ---- text ---- */

void rn_message_addv(rn_message *m, const char *fmt, va_list args)
{
        va_list again;
        va_copy(again, args);
        const int n = vsnprintf(m->text + m->used, m->room - m->used, fmt, args);
        if (n > 0 && (size_t)n <= message_left(m)) {
                m->used += (size_t)n;
        } else if (n > 0 && message_make_room(m, (size_t)n)) {
                vsnprintf(m->text + m->used, m->room - m->used, fmt, again);
                m->used += (size_t)n;
        } else if (n > 0) {
                vfprintf(m->to, fmt, again);
        }
        va_end(again);
}

void rn_message_add(rn_message *m, const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        rn_message_addv(m, fmt, args);
        va_end(args);
}

static bool char_is_control(char c)
{
        return (unsigned char)c < 0x20 || (unsigned char)c == 0x7f;
}

void rn_message_add_escaped(rn_message *m, const char *text)
{
        while (*text) {
                int n = 0;
                while (n < RN_MESSAGE_ROOM / 2 && text[n] && !char_is_control(text[n]))
                        n++;
                if (n)
                        rn_message_add(m, "%.*s", n, text);
                else
                        rn_message_add(m, "\\x%02x", (unsigned char)text[n++]);
                text += n;
        }
}

void rn_message_end(rn_message *m)
{
        message_give(m, m->used);
        if (m->grows && m->text != m->first)
                rn_free(m->text);
}

void rn_say(const char *fmt, ...)
{
        rn_message m;
        va_list args;
        rn_message_begin(&m, stderr);
        va_start(args, fmt);
        rn_message_addv(&m, fmt, args);
        va_end(args);
        rn_message_end(&m);
}
