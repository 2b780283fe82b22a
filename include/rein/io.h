/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that block, and leave at once when the caller is cancelled. Each call that may block checks the scope at
 * entry, and also returns -ENOMEM in a thread that cannot become a task. The O_NONBLOCK flag of a descriptor that you
 * opened is never changed. Interrupted system calls are continued. In a coroutine (loop.h) none of these calls blocks
 * its thread, and one that never has to wait lets the others run now and then. What cannot be asked so that it answers
 * at once is done by a thread of the loop's pool, and such a call may then also return what rein_on does
 * (REIN_EREJECTED, -ENOMEM, -EAGAIN).
 *
 * A service is a name, or a port: digits that make a number from 0 to 65535, and from 1 for a peer. A host is a name
 * or an address, and not empty. A number of bytes is at most INT64_MAX. Another number, or an empty text, is -EINVAL,
 * and the trail says what it must be. Since 0.1. */
#ifndef REIN_IO_H
#define REIN_IO_H

#include <rein/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sleep. In a coroutine the others that are ready run first, also when `until` has passed (REIN_NOWAIT: just that).
 * Blocks: until `until`, or a cancel; with REIN_NEVER until a cancel. Any thread.
 * Returns: 0 at `until`; REIN_ECANCELED; -ENOMEM. Since 0.1. */
REIN_API int rein_sleep(rein_time until);

/* Wait for poll(2) events. Blocks: until one of them is there, `until`, or a cancel. Any thread.
 * Returns: the events that are there (> 0, POLLERR and POLLHUP included); REIN_ETIMEOUT; REIN_ECANCELED; -EBADF: not
 * open, or closed by rein_close meanwhile; -EINVAL: no such events; -ENOMEM. Since 0.1. */
REIN_API int rein_wait_fd(int fd, int poll_events, rein_time until);

/* Wait for a signal, as sigwait(3): block it in every thread (early in main) so that none is lost between two waits;
 * it is blocked in the calling thread for the time of the call in any case. Process-directed and thread-directed
 * signals count. While there is no descriptor or memory for the wait, it looks for the signal after pauses of at most
 * 50 ms.
 * Blocks: until it comes, `until`, or a cancel. Any thread.
 * Returns: signo; REIN_ETIMEOUT; REIN_ECANCELED; -EINVAL: no signal that one can wait for; -ENOMEM.
 * Since 0.1. */
REIN_API int rein_wait_signal(int signo, rein_time until);

/* Read some bytes, as read(2).
 * Blocks: until there are some, or the end, `until`, or a cancel. A regular file is read whatever `until` says.
 * Any thread.
 * Returns: how many, 0 at the end; REIN_ETIMEOUT; REIN_ECANCELED; -EBADF: not open, or closed by rein_close meanwhile;
 * -EINVAL: n is too large; -ENOMEM; -errno. Since 0.1. */
REIN_API int64_t rein_read(int fd, void *buf, size_t n, rein_time until);

/* Write all of n bytes. No SIGPIPE comes of it.
 * Blocks: until all are written, `until`, or a cancel. A regular file is written whatever `until` says. Any thread.
 * Returns: n; or a code as rein_read's, and then how many were written before it is not told: treat the stream as
 * broken. Since 0.1. */
REIN_API int64_t rein_write(int fd, const void *buf, size_t n, rein_time until);

/* Open a listening TCP socket (non-blocking, close-on-exec, address reuse). host NULL: every address. service "0": a
 * free port, which rein_addr_local tells. backlog: how many connections may wait, from 0; the system has a limit of
 * its own.
 * Owns: the descriptor is the caller's: rein_close.
 * Blocks: no, but for a name that must be looked up, as rein_connect does, which a cancel ends. Any thread.
 * Returns: the descriptor; REIN_ECANCELED; -errno; -EINVAL; -EADDRNOTAVAIL: no such host or service; -EAGAIN: as
 * rein_connect; -ENOMEM. Since 0.1. */
REIN_API int rein_listen(const char *host, const char *service, int backlog);

/* Accept the next connection (close-on-exec, non-blocking). When there is no descriptor or memory for it, it stays
 * where it is, and is tried again, with pauses of at most 50 ms, for a second or up to `until`; only then the call
 * fails, with -EMFILE, -ENFILE, -ENOBUFS or -ENOMEM. So a loop that goes on after an error does not spin.
 * Owns: the descriptor is the caller's: rein_close, or rein_release_fd.
 * Blocks: until there is a connection, `until`, or a cancel. Any thread.
 * Returns: its descriptor; REIN_ETIMEOUT; REIN_ECANCELED; -EBADF: not open, or closed by rein_close meanwhile; -errno.
 * Since 0.1. */
REIN_API int rein_accept(int fd, rein_time until);

/* Open a TCP connection (close-on-exec, non-blocking), trying each address of host in turn. A name is looked up by a
 * thread of rein's, sixteen at once, so that a cancel need not wait for it. A look-up that its caller has left goes on
 * until the resolver answers; it does not count to the sixteen, up to 64 such. When 80 of them hang, every other
 * look-up fails at once. A look-up that fails leaves a trail, with host, service and the resolver's reason.
 * Owns: the descriptor is the caller's: rein_close.
 * Blocks: until the peer has answered, `until`, or a cancel. Any thread.
 * Returns: the descriptor; REIN_ETIMEOUT; REIN_ECANCELED; -errno of the last address; -EINVAL; -EADDRNOTAVAIL: no such
 * host or service; -EAGAIN: the name cannot be looked up now: the resolver says so, no thread can be started, or 80
 * look-ups hang; -ENOMEM. Since 0.1. */
REIN_API int rein_connect(const char *host, const char *service, rein_time until);

/* ---- datagrams ---- */

/* Where a datagram comes from or goes to: `len` bytes of a struct sockaddr of any family, the rest zero. Copy it as you
 * like. In a simulation it is a text. */
typedef struct rein_addr {
        uint32_t len, reserved; /* len 0: no address, as of a Unix socket without a name */
        uint64_t bytes[16];
} rein_addr;

/* Open a UDP socket (close-on-exec, non-blocking) at an address of this machine; host NULL: every address (of the
 * first family there is: "::" is IPv6, and IPv4 too where the system says so). service: a port or a name; "0": a free
 * port, which rein_addr_local tells. Owns: the descriptor is the caller's: rein_close. Blocks, returns: as
 * rein_listen. Any thread. Since 0.1. */
REIN_API int rein_udp_bind(const char *host, const char *service);

/* Open a UDP socket (close-on-exec, non-blocking) for one peer: it sends there, and receives from nobody else. Tries
 * each address of host in turn; nothing is sent, so whether somebody is there is told by the calls that follow
 * (-ECONNREFUSED).
 * Owns: the descriptor is the caller's: rein_close.
 * Blocks: while a name is looked up, no longer than `until`, or a cancel. Any thread. Returns: as rein_connect.
 * Since 0.1. */
REIN_API int rein_udp_connect(const char *host, const char *service, rein_time until);

/* Find an address that the datagrams of fd can go to: the first one of its family. fd -1: of any. A name is looked up
 * as by rein_connect.
 * Blocks: while a name is looked up, no longer than `until`, or a cancel. Any thread.
 * Returns: 0; REIN_ETIMEOUT; REIN_ECANCELED; -EADDRNOTAVAIL: no such host or service, or not in this family; -EINVAL;
 * -EAGAIN, -ENOMEM. On failure *out is as it was. Since 0.1. */
REIN_API int rein_addr_find(int fd, const char *host, const char *service, rein_addr *out, rein_time until);

/* Tell the address that fd is bound to. Blocks: no. Any thread. Returns: 0; -EBADF, -ENOTSOCK; -EINVAL: no out. On
 * failure *out is as it was. Since 0.1. */
REIN_API int rein_addr_local(int fd, rein_addr *out);

/* Are these two the same address? Blocks: no. Any thread. Returns: true if so. Since 0.1. */
REIN_API bool rein_addr_equal(const rein_addr *a, const rein_addr *b);

/* Write an address as text: "127.0.0.1:53", "[::1]:53", "/run/x", "@x"; empty when it is none of these. Blocks: no.
 * Any thread. Returns: text. Since 0.1. */
enum { REIN_ADDR_TEXT = 128 };
REIN_API const char *rein_addr_text(const rein_addr *a, char text[REIN_ADDR_TEXT]);

/* Send one datagram, of n bytes and perhaps none, to the address `to`; NULL: to the socket's peer. It goes out at once
 * when there is room, then also with REIN_NOWAIT. Sockets of every kind that has datagrams.
 * Blocks: until there is room for it, `until`, or a cancel. Any thread.
 * Returns: n; REIN_ETIMEOUT, REIN_ECANCELED: nothing was sent; -EMSGSIZE: too long, not sent; -ECONNREFUSED: nobody
 * listened to an earlier one, and this one was not sent; -EDESTADDRREQ: no peer; -EINVAL: `to` is no address; -EBADF:
 * not open, or closed by rein_close meanwhile; -ENOTSOCK; -ENOMEM; -errno. Since 0.1. */
REIN_API int64_t rein_sendto(int fd, const void *buf, size_t n, const rein_addr *to, rein_time until);

/* Receive one datagram; from (may be NULL): where it comes from. Several may wait at one socket: each datagram goes to
 * one.
 * Blocks: until one is there, `until`, or a cancel. Any thread.
 * Returns: its length, 0 for an empty one; -EMSGSIZE: it was longer than n: buf has its first n bytes, *from is told,
 * the rest is lost; REIN_ETIMEOUT; REIN_ECANCELED; -ECONNREFUSED: nobody listens where this socket is connected to;
 * -EBADF: not open, or closed by rein_close meanwhile; -ENOTSOCK; -ENOMEM; -errno. On any other failure than -EMSGSIZE
 * *from is as it was. Since 0.1. */
REIN_API int64_t rein_recvfrom(int fd, void *buf, size_t n, rein_addr *from, rein_time until);

/* Close a descriptor; a task that is in a call of rein with fd leaves with -EBADF, and does nothing to a descriptor
 * that gets the same number afterwards. A system call that is under way is ended first if it blocks; what it moved
 * still counts, and fd is then closed by that thread on its way out, so perhaps a moment after this returns.
 * Blocks: no, but for what close(2) does. Any thread.
 * Returns: 0; -errno; -EBADF also for a number that is being closed like that. Since 0.1. */
REIN_API int rein_close(int fd);

/* Release a descriptor, as the rein_job.release of the job that has it: close the one that arg, an int or a struct
 * that begins with one, holds; none when it is negative. An accept loop hands a connection to its child by
 *
 *      rein_spawn(&g, NULL, serve, REIN_COPY(fd, .release = rein_release_fd));
 *
 * and it is closed once, when the child has ended, and also when it never runs. A child that gives the descriptor to
 * somebody else leaves -1 in its copy. Blocks: as rein_close. Any thread. Since 0.1. */
REIN_API void rein_release_fd(void *fd);

#ifdef __cplusplus
}
#endif
#endif
