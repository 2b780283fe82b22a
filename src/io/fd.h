/* SPDX-License-Identifier: Apache-2.0 */
/* One call with one descriptor, as rein_close sees it: in a list of the process from its begin to its end.
 *
 *      IDLE <---enter, leave---> INSIDE         a system call with the number is under way
 *       |                          |
 *       | rein_close               | rein_close
 *       v                          v
 *      CLOSED <-----leave------- CONDEMNED      the number still is the old one, and is kept so
 *
 * A call that is CLOSED answers -EBADF and makes no system call with the number any more (but poll, which changes
 * nothing): it may be somebody else's by then. While a call is inside, the number must not become free: rein_close then
 * leaves the closing to the last one out, and gets those out that may block. So it never waits for them.
 *
 * A call may begin when rein_close has looked and has not closed yet. It has the old file, or already the next one of that
 * number, and nobody knows which. So after the close(2) all calls with the number are woken once, or got out of what may
 * block (INSIDE -> NUDGED, and from there as from INSIDE): each asks the system again, which answers -EBADF, or waits for
 * what the number now is. */
#ifndef RN_IO_FD_H
#define RN_IO_FD_H

#include "core/list.h"
#include "core/task.h"

enum { RN_FD_IDLE, RN_FD_INSIDE, RN_FD_NUDGED, RN_FD_CONDEMNED, RN_FD_CLOSED };

typedef struct rn_fd_call {
        rn_link link; /* in world->fd_calls, by number; those CONDEMNED are first */
        rn_task *task;
        const char *doing;
        struct rn_hook *hook; /* while INSIDE something that may block */
        int fd;
        rn_a32 state;
} rn_fd_call;

struct rn_world;

/* NULL, or what does not add up in the calls with such numbers as fd. fd lock held. Of a long list the
 * beginning is looked at. */
const char *rn_fd_calls_wrong(const struct rn_world *w, int fd);

/* Enter a call that may block, the first thing in it: 0 with the task, REIN_ECANCELED, -ENOMEM. */
int rn_io_enter(rn_task **self);

/* 0; -EINVAL: so many bytes that the answer could not tell. */
int rn_bytes_check(const char *call, size_t n);

/* 0, and rn_fd_end must follow; -EBADF: no such number, or it is about to be closed. */
int rn_fd_begin(rn_fd_call *c, rn_task *self, int fd, const char *doing);
void rn_fd_end(rn_fd_call *c);

/* One turn of a wait for events: > 0: these are there; 0: look again; a code, as rein_wait_fd. */
int rn_fd_turn(rn_fd_call *c, int events, int64_t until);
bool rn_fd_shut(const rn_fd_call *c); /* rein_close was here */

/* Nothing is wrong with the call: there is no descriptor, memory or thread at this moment. */
bool rn_io_is_shortage(int code);

/* As rein_wait_fd. */
int rn_fd_wait(rn_fd_call *c, int events, int64_t until);

/* Around a system call. blocks: in a hook region, so that a cancel and a rein_close get it out (-EINTR). 0, and
 * rn_fd_leave must follow; -EBADF: closed; REIN_ECANCELED; why there is no region. */
int rn_fd_enter(rn_fd_call *c, bool blocks);
void rn_fd_leave(rn_fd_call *c);

#endif
