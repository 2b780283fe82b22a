/* SPDX-License-Identifier: Apache-2.0 */
#include "resume.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a (Fowler, Noll, Vo) from two starting points; the NUL between words counts. */
struct key key_of(char *const words[])
{
        struct key k = {0xcbf29ce484222325, 0x9e3779b97f4a7c15};
        for (int i = 0; words[i]; i++) {
                const char *s = words[i];
                do {
                        k.a = (k.a ^ (unsigned char)*s) * 0x100000001b3;
                        k.b = (k.b ^ (unsigned char)*s) * 0x100000001b3;
                        k.b ^= k.b >> 29; /* else both would collide together */
                } while (*s++);
        }
        return k;
}

void key_text(char to[33], struct key k)
{
        snprintf(to, 33, "%016" PRIx64 "%016" PRIx64, k.a, k.b);
}

static bool key_parse(const char *s, struct key *k)
{
        char half[17];
        if (strlen(s) != 32 || strspn(s, "0123456789abcdef") != 32)
                return false;
        memcpy(half, s, 16);
        half[16] = '\0';
        k->a = strtoull(half, NULL, 16);
        k->b = strtoull(s + 16, NULL, 16);
        return true;
}

/* The place of k, or the free one where it belongs. */
static struct success *resume_place(const struct resume *r, struct key k)
{
        size_t i = k.a & (r->room - 1);
        while (r->table[i].times && (r->table[i].key.a != k.a || r->table[i].key.b != k.b))
                i = (i + 1) & (r->room - 1);
        return &r->table[i];
}

static int resume_grow(struct resume *r)
{
        struct resume bigger = {.room = r->room ? r->room * 2 : 1024, .used = r->used};
        bigger.table = calloc(bigger.room, sizeof *bigger.table);
        if (!bigger.table)
                return -ENOMEM;
        for (size_t i = 0; i < r->room; i++)
                if (r->table[i].times)
                        *resume_place(&bigger, r->table[i].key) = r->table[i];
        free(r->table);
        *r = bigger;
        return 0;
}

static int resume_add(struct resume *r, struct key k)
{
        if (r->used * 4 >= r->room * 3 && resume_grow(r) < 0)
                return -ENOMEM;
        struct success *s = resume_place(r, k);
        if (s->times == 0) {
                *s = (struct success){k, 1};
                r->used++;
        }
        s->times++;
        return 0;
}

int resume_read(struct resume *r, const char *file)
{
        FILE *f = fopen(file, "re");
        if (!f)
                return -errno;
        char *line = NULL;
        size_t room = 0;
        ssize_t n;
        int rc = 0;
        *r = (struct resume){0};
        while (rc == 0 && (n = getline(&line, &room, f)) > 0) {
                struct key k;
                cJSON *json = cJSON_ParseWithLength(line, (size_t)n);
                const cJSON *ended = cJSON_GetObjectItemCaseSensitive(json, "ended");
                const cJSON *key = cJSON_GetObjectItemCaseSensitive(json, "key");
                if (cJSON_IsString(ended) && cJSON_IsString(key) && strcmp(ended->valuestring, "success") == 0 &&
                    key_parse(key->valuestring, &k))
                        rc = resume_add(r, k);
                cJSON_Delete(json);
        }
        if (rc == 0 && !feof(f))
                rc = errno ? -errno : -EIO;
        free(line);
        fclose(f);
        return rc;
}

bool resume_take(struct resume *r, struct key k)
{
        if (r->used == 0)
                return false;
        struct success *s = resume_place(r, k);
        if (s->times < 2)
                return false;
        s->times--;
        return true;
}

void resume_free(struct resume *r)
{
        free(r->table);
}
