/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule as text: "1.<flags>.<count>.<gap><about><pick>of<n>...<digest>", all numbers but the digest decimal. A gap
 * counts the picks of 0 in between. The digest is over every pick with its n and what it was about, so a trace that is
 * played to a program which asks other questions is found out: it is stale, and refused.
 *
 * Example: 1.0.57.12s1of3.3a1of2.9f31c2aa00d1e055 */
#include "sim/sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t rn_trace_digest(const rn_path *path)
{
        uint64_t h = 14695981039346656037u;
        for (size_t i = 0; i < path->count; i++) {
                const rn_pick *p = &path->picks[i];
                h = (h ^ (p->n * 65599u + p->pick * 257u + (unsigned char)p->about)) * 1099511628211u;
        }
        return h;
}

static size_t trace_room_for(const rn_path *path)
{
        size_t surprises = 0;
        for (size_t i = 0; i < path->count; i++)
                surprises += path->picks[i].pick != 0;
        return 80 + surprises * 40;
}

bool rn_trace_write(const rn_path *path, uint32_t flags, char *text, size_t room)
{
        size_t used = 0;
        if (trace_room_for(path) > room)
                return false;
        used += (size_t)snprintf(text, room, "1.%" PRIu32 ".%zu.", flags, path->count);
        size_t gap = 0;
        for (size_t i = 0; i < path->count; i++) {
                const rn_pick *p = &path->picks[i];
                if (!p->pick) {
                        gap++;
                        continue;
                }
                used += (size_t)snprintf(text + used, room - used, "%zu%c%" PRIu32 "of%" PRIu32 ".", gap, p->about,
                                         p->pick, p->n);
                gap = 0;
        }
        RN_ASSERT(used < room, "a trace fits into the room that it was given");
        snprintf(text + used, room - used, "%016" PRIx64, rn_trace_digest(path));
        return true;
}

char *rn_trace_print(const rn_path *path, uint32_t flags)
{
        const size_t room = trace_room_for(path);
        char *text = rn_host_alloc(room);
        if (text)
                (void)rn_trace_write(path, flags, text, room);
        return text;
}

/* A decimal number at *at, which moves behind it. */
static bool trace_take(const char **at, uint64_t *n)
{
        if (**at < '0' || **at > '9')
                return false;
        uint64_t x = 0;
        for (; **at >= '0' && **at <= '9'; ++*at) {
                if (x > UINT32_MAX)
                        return false;
                x = x * 10 + (uint64_t)(**at - '0');
        }
        *n = x;
        return true;
}

static bool trace_past(const char **at, char c)
{
        if (**at != c)
                return false;
        ++*at;
        return true;
}

/* One surprise, "12s1of3.", and the plain picks before it. 0, -EINVAL, -ENOMEM. */
static int trace_take_surprise(const char **at, rn_path *path, uint64_t count)
{
        uint64_t gap, pick, n;
        if (!trace_take(at, &gap) || !**at || path->count + gap >= count)
                return -EINVAL;
        char about = *(*at)++;
        if (!trace_take(at, &pick) || !trace_past(at, 'o') || !trace_past(at, 'f') || !trace_take(at, &n) ||
            !trace_past(at, '.') || pick >= n)
                return -EINVAL;
        for (; gap; gap--)
                if (rn_path_add(path, (rn_pick){0, 0, '0'}) < 0)
                        return -ENOMEM;
        return rn_path_add(path, (rn_pick){(uint32_t)n, (uint32_t)pick, about}) < 0 ? -ENOMEM : 0;
}

int rn_trace_parse(const char *text, rn_path *path, uint32_t *flags, uint64_t *digest, uint64_t *count)
{
        const char *at = text;
        uint64_t version, f;
        path->count = 0;
        if (!trace_take(&at, &version) || version != 1 || !trace_past(&at, '.') || !trace_take(&at, &f) ||
            !trace_past(&at, '.') || !trace_take(&at, count) || !trace_past(&at, '.') || f > UINT32_MAX)
                return -EINVAL;
        *flags = (uint32_t)f;
        while (strchr(at, '.')) {
                int rc = trace_take_surprise(&at, path, *count);
                if (rc < 0)
                        return rc;
        }
        char *stop;
        *digest = strtoull(at, &stop, 16);
        return strlen(at) == 16 && !*stop ? 0 : -EINVAL;
}
