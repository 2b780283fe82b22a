/* SPDX-License-Identifier: Apache-2.0 */
/* Spans of time and sizes of memory, as people write them. Each answers false when the text is none. */
#ifndef REIN_CMD_SPAN_H
#define REIN_CMD_SPAN_H

#include <rein/base.h>

bool span_parse(const char *s, int64_t *ns);     /* 250ms, 2s, 1.5m, 1h */
bool size_parse(const char *s, uint64_t *bytes); /* 4096, 64K, 1.5G; B and iB may follow */
bool count_parse(const char *s, long least, long most, long *n);
void span_text(char to[32], int64_t ns); /* for people: "1.5s" */

#endif
