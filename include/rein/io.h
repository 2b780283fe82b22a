/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that block, and leave at once when the caller is cancelled. Every one checks the scope at entry. A descriptor's
 * O_NONBLOCK flag is never changed on a descriptor you opened. Interrupted system calls are continued. In a coroutine
 * (loop.h) none of them blocks its thread: what cannot be asked so that it answers at once is done by a thread of the
 * loop's pool, and such a call may then also return what rein_on does (REIN_EREJECTED, -ENOMEM, -EAGAIN). Since 0.1. */
#ifndef REIN_IO_H
#define REIN_IO_H

#include <rein/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sleep. Returns: 0 at `until`; REIN_ECANCELED. REIN_NEVER: until cancelled. In a coroutine the others that are ready
 * run first, also when `until` has passed (REIN_NOWAIT: just that). */
REIN_API int rein_sleep(rein_time until);

/* Wait for poll(2) events. Returns: the events that are there (> 0, POLLERR and POLLHUP included); REIN_ETIMEOUT;
 * REIN_ECANCELED; -EBADF: not open, or closed by rein_close meanwhile; -EINVAL; -EMFILE, -ENOMEM. */
REIN_API int rein_wait_fd(int fd, int poll_events, rein_time until);

/* Wait for a signal, as sigwait(3): block it in every thread (early in main) so that none is lost between two waits;
 * it is blocked in the calling thread for the time of the call in any case. Process-directed and thread-directed
 * signals count. Returns: signo; REIN_ETIMEOUT; REIN_ECANCELED; -EINVAL; -EMFILE, -ENOMEM. */
REIN_API int rein_wait_signal(int signo, rein_time until);

/* Read some bytes, as read(2). Returns: how many, 0 at the end; REIN_ETIMEOUT; REIN_ECANCELED; -EBADF: not open, or
 * closed by rein_close meanwhile; -errno. */
REIN_API int64_t rein_read(int fd, void *buf, size_t n, rein_time until);

/* Write all of them. No SIGPIPE. Returns: n; or a code as rein_read's, and then how many were written before it is not
 * told: treat the stream as broken. */
REIN_API int64_t rein_write(int fd, const void *buf, size_t n, rein_time until);

/* A listening TCP socket (non-blocking, close-on-exec, address reuse). host NULL: every address. service: a port or a
 * name. Blocks: no, but for a name that must be looked up, as rein_connect does. Returns: the descriptor; REIN_ECANCELED;
 * -errno; -EINVAL; -EADDRNOTAVAIL: no such host or service. */
REIN_API int rein_listen(const char *host, const char *service, int backlog);

/* The next connection (close-on-exec, non-blocking). Returns: its descriptor; REIN_ETIMEOUT; REIN_ECANCELED; -errno.*/
REIN_API int rein_accept(int fd, rein_time until);

/* A TCP connection (close-on-exec, non-blocking), trying each address of host in turn. A name is looked up by a thread
 * of rein's, sixteen at once, so that a cancel need not wait for it. Returns: the descriptor; REIN_ETIMEOUT; REIN_ECANCELED; -errno of
 * the last address; -EADDRNOTAVAIL: no such host or service. */
REIN_API int rein_connect(const char *host, const char *service, rein_time until);

/* Close; whoever is in a call of rein with fd leaves with -EBADF, and does nothing to a descriptor that gets the same
 * number afterwards. A system call that is under way is ended first if it blocks; what it moved still counts, and fd is
 * then closed by that thread on its way out, so perhaps a moment after this returns.
 * Returns: 0; -errno; -EBADF also for a number that is being closed like that. Blocks: no, but for what close(2) does. */
REIN_API int rein_close(int fd);

#ifdef __cplusplus
}
#endif
#endif
