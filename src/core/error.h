/* SPDX-License-Identifier: Apache-2.0 */
/* Errors are immutable and counted. When memory is short they live in a reserve. A task's reserve has room for a text, which
 * is cut; it is not shared at all, but copied when it is to outlive the trail. Jobs that run inside of each other have one
 * each, but for those nested very deep. A future's reserve, of which there are as many as there are jobs, is the bare error:
 * it has its code, its cause and the place where the job was submitted, and a text that says that there was no memory for
 * one. It is shared by counting the future. */
#ifndef RN_CORE_ERROR_H
#define RN_CORE_ERROR_H

#include <stdarg.h>

#include "plat/plat.h"
#include "rein/error.h"

struct rein_future;
struct rn_task;

struct rein_error {
        rn_a32 refs;
        int code;
        struct rein_future *home; /* of a future's reserve: its count is this one's, and its texts live for ever */
        bool in_task;             /* of a task's reserve */
        const char *text, *where;
        rein_error *cause, *next; /* each a reference */
};

enum { RN_ERROR_TEXT = 160, RN_ERROR_WHERE = 120 };

typedef struct rn_error_reserve {
        rein_error error;
        char text[RN_ERROR_TEXT], where[RN_ERROR_WHERE];
} rn_error_reserve;

void rn_error_reserve_init(rn_error_reserve *r);                                     /* a task's */
void rn_error_bare_init(rein_error *e, struct rein_future *home, const char *place); /* a future's */

/* Make one. where: copied. cause, next: references taken over, in every case. reserve: of a task or a future, used when
 * there is no memory; NULL allowed, and then the result may be NULL. */
rein_error *rn_error_make(rein_error *reserve, int code, const char *where, rein_error *cause, rein_error *next,
                          const char *fmt, ...) REIN_PRINTF(6, 7);
rein_error *rn_error_makev(rein_error *reserve, int code, const char *where, rein_error *cause, rein_error *next,
                           const char *fmt, va_list args) REIN_PRINTF(6, 0);
/* The same error with other `next` (taken over); NULL: no memory. */
rein_error *rn_error_with_next(const rein_error *e, rein_error *next);

/* NULL for NULL, and for a task's reserve when there is no memory to copy it. */
rein_error *rn_error_ref(rein_error *e);
void rn_error_unref(rein_error *e);
void rn_error_set(rein_error **slot, rein_error *e); /* e is taken over */

/* "job 'render' on pool 'pages', page.c:41" for the running task. */
void rn_error_where(char out[RN_ERROR_WHERE], const struct rn_task *t, const char *place);

/* As rein_fail, for rein's own calls: `call` is the public function's name. */
int rn_fail(int code, const char *call, const char *fmt, ...) REIN_PRINTF(3, 4);
/* -EPERM, of an [owner] call by another task, of what is not open, or not innermost: a simulation ends there; elsewhere
 * the process does with REIN_CHECK=1 in the environment, and says so. aloud: it is said on stderr in any case. */
int rn_misused(const char *call, const char *fmt, ...) REIN_PRINTF(2, 3);
int rn_misused_aloud(const char *call, const char *fmt, ...) REIN_PRINTF(2, 3);
void rn_misuse_told(const char *where, const char *text); /* the same without a trail: no call can return it */
bool rn_checked(void); /* is REIN_CHECK=1 in the environment? As it was when the library was loaded */
/* The running task's trail becomes {code, text, cause}; cause is taken over. */
int rn_fail_because(int code, rein_error *cause, const char *call, const char *fmt, ...) REIN_PRINTF(4, 5);

/* The trail of t, if it has this code: moved out. Else NULL. */
rein_error *rn_trail_take(struct rn_task *t, int code);

const char *rn_base_name(const char *place); /* "page.c:41" of "src/page.c:41" */

void rn_unseen(const rein_error *e); /* report it; no lock may be held */

#endif
