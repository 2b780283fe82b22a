/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes kept until their turn comes: a few in memory, more in a file without a name. */
#ifndef REIN_CMD_SPOOL_H
#define REIN_CMD_SPOOL_H

#include <rein/base.h>

struct spool {
        char *memory;
        size_t room;
        int file; /* 0: none yet (never descriptor 0) */
        int64_t n;
};

int spool_add(struct spool *s, const void *bytes, size_t n);                    /* 0; -errno: nothing was added */
int64_t spool_read(const struct spool *s, int64_t from, void *bytes, size_t n); /* how many; 0 at the end; -errno */
void spool_cut(struct spool *s, int64_t n);                                     /* only the first n bytes are kept */
const char *spool_folder(void); /* where such files are: TMPDIR, or /tmp */
void spool_clear(struct spool *s);

#endif
