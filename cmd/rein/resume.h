/* SPDX-License-Identifier: Apache-2.0 */
/* Which commands an earlier log says have succeeded. */
#ifndef REIN_CMD_RESUME_H
#define REIN_CMD_RESUME_H

#include <rein/base.h>

/* Two hashes of a command's words: logs tell equal commands by it, whatever bytes they hold. */
struct key {
        uint64_t a, b;
};

struct key key_of(char *const words[]);
void key_text(char to[33], struct key k);

struct resume {
        struct success {
                struct key key;
                uint64_t times; /* successes not taken yet, and one; 0: this place is free */
        } * table;
        size_t used, room; /* room is a power of two */
};

/* Read a log. What is no line of one is passed over: the last may have been cut off by a kill.
 * Returns: 0; -errno. */
int resume_read(struct resume *r, const char *file);

/* Did this command succeed there? Each success counts once. */
bool resume_take(struct resume *r, struct key k);

void resume_free(struct resume *r);

#endif
