/* SPDX-License-Identifier: Apache-2.0 */
/* A loop of rein's as a guest in one of libuv's: coroutines in a program that has callbacks, on one thread. Needs
 * libuv's own header and library; librein itself knows nothing of them, and rein/rein.h does not include this file.
 *
 * All calls are for the thread that made the guest (REIN_LOOP(.hosted = true)) and runs libuv's loop. A guest that is
 * attached keeps uv_run going, also while it has no jobs: detach it when there is nothing more to do, or uv_unref its
 * poll handle. When libuv's loop ends before the guest's jobs have, they stand still: run it again, or detach and stop
 * or free the guest: that call turns it to its end. */
#ifndef REIN_UV_H
#define REIN_UV_H

#include <rein/error.h>
#include <rein/loop.h>
#include <errno.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_uv rein_uv;
struct rein_uv { /* the caller's memory, from attach until `gone` */
        uv_poll_t poll;                          /* rein's, but for uv_ref and uv_unref */
        rein_executor *guest;
        void (*turned)(rein_uv *a, int left);
        void (*gone)(rein_uv *a);
        void *data;                              /* yours; never touched here */
};

/* Not for you: what libuv calls. */
static inline void rein_uv_turn_(uv_poll_t *poll, int status, int events)
{
        rein_uv *a = (rein_uv *)poll->data;
        const int left = status < 0 ? status : rein_loop_turn(a->guest);
        (void)events;
        if (uv_is_closing((uv_handle_t *)poll)) /* a coroutine has detached it in this turn */
                return;
        if (left < 0)
                uv_poll_stop(poll);
        if (a->turned)
                a->turned(a, left);
        else if (left < 0)
                fprintf(stderr, "rein: a guest of libuv's loop is not turned any more: %s\n",
                        status < 0 ? uv_strerror(status) : rein_error_text(rein_trail()));
}

/* Not for you: what libuv calls. */
static inline void rein_uv_gone_(uv_handle_t *handle)
{
        rein_uv *a = (rein_uv *)handle->data;
        if (a->gone)
                a->gone(a);
}

/* Let libuv's loop turn the guest, from now on, whenever there is something to do. After each turn, outside of every
 * coroutine, turned(a, left) is told how many of the guest's jobs are not gone; it may detach, submit, and begin a
 * stop. left < 0: the guest could not be turned (-EPERM: uv_run on a thread that did not make it; or libuv's code) and
 * is no longer watched; detach it. turned may be NULL: then such an error is printed to stderr.
 * Owns: a is the caller's, and must stay until it is gone; a->data is left as it is.
 * Blocks: no. [owner]: the thread that made the guest.
 * Returns: 0; -EINVAL: no hosted loop; -EPERM: not the thread that made it; -ENOTSUP: a portable one; or libuv's code
 * (UV_EEXIST: it is attached already). After a failure there is nothing to detach. Since 0.1. */
static inline int rein_uv_attach(rein_uv *a, uv_loop_t *uv, rein_executor *guest, void (*turned)(rein_uv *a, int left))
{
        const int fd = rein_loop_fd(guest);
        int rc = fd < 0 ? fd : uv_poll_init(uv, &a->poll, fd);
        if (rc < 0)
                return rc;
        a->guest = guest;
        a->turned = turned;
        a->gone = NULL;
        a->poll.data = a;
        return uv_poll_start(&a->poll, UV_READABLE, rein_uv_turn_); /* a fresh handle: does not fail */
}

/* Turn the guest no more; it may be freed at once, attached again, or turned by other means. gone(a), which
 * may be NULL, is called by libuv's loop in its next turn; the memory of a is the caller's again then. To be called
 * once, before the guest is freed: from `turned`, from any callback of libuv's, or in one of the guest's own
 * coroutines.
 *
 * To end the guest's work from inside: rein_executor_stop_begin, which returns at once, and detach in `turned` when
 * nothing is left. rein_executor_stop turns the guest, and nothing else of libuv's, until it is done: a job that waits
 * for a callback of libuv's leaves by its cancel only (REIN_STOP_NOW, or `until` minus the grace).
 * Blocks: no. [owner]: the thread that made the guest. Since 0.1. */
static inline void rein_uv_detach(rein_uv *a, void (*gone)(rein_uv *a))
{
        a->gone = gone;
        uv_close((uv_handle_t *)&a->poll, rein_uv_gone_);
}

#ifdef __cplusplus
}
#endif
#endif
