/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: everything that the library prints. A message is put together in memory and given to its stream by one fwrite,
 * so that on an unbuffered stream, as stderr is, it is one write(2), and no other thread's text stands inside of it.
 *
 * When memory for a long one is short, the lines that are whole so far are given to the stream, and the rest follows: then
 * each write is of whole lines, but for a single line that is longer than the room there is.
 *
 * One thread puts a message together. It holds no lock: a stream may block. Nothing of it needs memory to succeed. */
#ifndef RN_CORE_MESSAGE_H
#define RN_CORE_MESSAGE_H

#include <stdarg.h>
#include <stdio.h>

#include "rein/base.h"

enum { RN_MESSAGE_ROOM = 768 }; /* a coroutine's stack may be small */

typedef struct rn_message {
        FILE *to;
        char *text;
        size_t used, room;
        bool grows;
        char first[RN_MESSAGE_ROOM];
} rn_message;

void rn_message_begin(rn_message *m, FILE *to);
/* The same in room of the caller's, which is all there is: nothing is allocated, as in a signal handler. */
void rn_message_begin_in(rn_message *m, FILE *to, char *room, size_t n);
void rn_message_add(rn_message *m, const char *fmt, ...) REIN_PRINTF(2, 3);
void rn_message_addv(rn_message *m, const char *fmt, va_list args) REIN_PRINTF(2, 0);
void rn_message_add_escaped(rn_message *m, const char *text); /* control characters as \x1b: it stays one line */
void rn_message_end(rn_message *m);

/* A whole message on stderr. */
void rn_say(const char *fmt, ...) REIN_PRINTF(1, 2);

#endif
