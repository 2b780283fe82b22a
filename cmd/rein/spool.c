/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN_MEMORY = 16 * 1024 };

const char *spool_folder(void)
{
        const char *folder = getenv("TMPDIR");
        return folder && *folder ? folder : "/tmp";
}

static int spool_nameless_file(void)
{
        const char *folder = spool_folder();
        int fd;
        do
                fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        while (fd < 0 && errno == EINTR);
        if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
                return fd < 0 ? -errno : fd;
        char name[4096];
        snprintf(name, sizeof name, "%s/rein-XXXXXX", folder);
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
                unlink(name);
        return fd < 0 ? -errno : fd;
}

static int spool_to_file(int fd, const char *bytes, size_t n, int64_t at)
{
        while (n > 0) {
                ssize_t k = pwrite(fd, bytes, n, at);
                if (k < 0 && errno != EINTR)
                        return -errno;
                if (k > 0) {
                        bytes += k;
                        n -= (size_t)k;
                        at += k;
                }
        }
        return 0;
}

/* All n of them: they are there. */
static int64_t spool_from_file(int fd, char *bytes, size_t n, int64_t at)
{
        size_t done = 0;
        while (done < n) {
                ssize_t k = pread(fd, bytes + done, n - done, at + (int64_t)done);
                if (k < 0 && errno != EINTR)
                        return -errno;
                if (k == 0)
                        break;
                done += k > 0 ? (size_t)k : 0;
        }
        return (int64_t)done;
}

static int spool_in_memory(struct spool *s, const void *bytes, size_t n)
{
        size_t room = s->room ? s->room : 256;
        while (room < (size_t)s->n + n)
                room *= 2;
        if (room > s->room) {
                char *memory = realloc(s->memory, room);
                if (!memory)
                        return -ENOMEM;
                s->memory = memory;
                s->room = room;
        }
        memcpy(s->memory + s->n, bytes, n);
        s->n += (int64_t)n;
        return 0;
}

int spool_add(struct spool *s, const void *bytes, size_t n)
{
        if (!s->file && (size_t)s->n + n <= IN_MEMORY)
                return spool_in_memory(s, bytes, n);
        if (!s->file) {
                int fd = spool_nameless_file(), rc = fd;
                if (rc >= 0)
                        rc = spool_to_file(fd, s->memory, (size_t)s->n, 0);
                if (rc < 0) {
                        if (fd >= 0)
                                close(fd);
                        return rc;
                }
                free(s->memory);
                s->memory = NULL;
                s->room = 0;
                s->file = fd;
        }
        int rc = spool_to_file(s->file, bytes, n, s->n);
        if (rc == 0)
                s->n += (int64_t)n;
        return rc;
}

void spool_cut(struct spool *s, int64_t n)
{
        s->n = n;
}

int64_t spool_read(const struct spool *s, int64_t from, void *bytes, size_t n)
{
        if (s->n - from < (int64_t)n)
                n = (size_t)(s->n - from);
        if (s->file)
                return spool_from_file(s->file, bytes, n, from);
        if (n > 0)
                memcpy(bytes, s->memory + from, n);
        return (int64_t)n;
}

void spool_clear(struct spool *s)
{
        free(s->memory);
        if (s->file)
                close(s->file);
        *s = (struct spool){0};
}
