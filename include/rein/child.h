/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: started, waited for, and stopped with the scope that waits. Linux 5.4 and later; elsewhere -ENOSYS.
 * Not in a simulation (-ENOTSUP). Since 0.1.
 *
 * A child is stopped by a ladder: SIGTERM (and SIGCONT, for one that is stopped) to its whole process group; when it
 * is still there after its grace, SIGKILL to the group. When a stopped child has ended, what is left of its group is
 * killed. A child that ends by itself leaves its group alone. A child is reaped in every case, also when nobody waits
 * for it; a signal never goes to another process that has got its number. Children whose handle is still there when
 * this process exits are killed then; not so when this process is killed itself, or ends by _exit.
 *
 * The child has no signal blocked, and every signal has its default action. Of this process's descriptors it has only
 * its standard input, output and error. ("Ours" is what belongs to this process, the child's parent.) */
#ifndef REIN_CHILD_H
#define REIN_CHILD_H

#include <rein/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rein_child rein_child;

/* What one of the child's standard descriptors is. All zero: ours of the same number. */
typedef struct rein_child_fd {
        int kind, fd;
} rein_child_fd;

enum { REIN_AS_OURS, REIN_AS_FD, REIN_AS_NULL, REIN_AS_PIPE, REIN_AS_OUT }; /* kinds: write the macros below */

/* What the macros below are made of. */
#ifdef __cplusplus
#define REIN_CHILD_AS(kind, fd) (rein_child_fd{kind, fd})
#else
#define REIN_CHILD_AS(kind, fd) ((rein_child_fd){kind, fd})
#endif
/* For the in, out and err of rein_child_opts. */
#define REIN_CHILD_FD(fd) REIN_CHILD_AS(REIN_AS_FD, fd)  /* this descriptor, of whatever number; it stays yours */
#define REIN_CHILD_NULL   REIN_CHILD_AS(REIN_AS_NULL, 0) /* /dev/null */
#define REIN_CHILD_PIPE   REIN_CHILD_AS(REIN_AS_PIPE, 0) /* a new pipe, whose other end rein_child_pipe gives */
#define REIN_CHILD_OUT    REIN_CHILD_AS(REIN_AS_OUT, 0)  /* for err: the same as out */

typedef struct rein_child_limit { /* as setrlimit(2) */
        int resource;
        uint64_t soft, hard;
} rein_child_limit;

typedef struct rein_child_opts {
        size_t size;
        char *const *env;   /* "NAME=value" each, NULL at the end; default: ours */
        const char *cwd;    /* default: ours */
        rein_child_fd in, out, err; /* its standard descriptors, by the macros above; default: ours */
        int64_t grace_ns;   /* from SIGTERM to SIGKILL, when it is stopped; default 2 s */
        bool same_group;    /* stays in our process group: then signals go to it alone */
        bool session;       /* a session of its own: no terminal */
        bool share_fds;     /* it inherits every descriptor without close-on-exec */
        bool keep_ignored;  /* signals that are ignored here are ignored there */
        bool in_place;      /* of a coroutine: its own thread starts it, see rein_child_start */
        const rein_child_limit *limits;
        size_t limits_count;
        rein_time start_until; /* while there is no room for it, try again until then; see rein_child_start. Default:
                                  try once */
} rein_child_opts;
#define REIN_CHILD(...) REIN_OPTS(rein_child_opts, __VA_ARGS__)

/* How it ended. Set `size` before you ask: rein_child_end e = {.size = sizeof e}. */
typedef struct rein_child_end {
        size_t size;
        bool gone;           /* false: it could not be killed so far, and the rest says nothing */
        bool core_dumped;
        int code;            /* its exit code; -1: it was ended by a signal, or another part of the program has
                                reaped it */
        int signo;           /* the signal that ended it, or 0 */
        int stopped_by;      /* the last rung of the ladder that was needed: 0, SIGTERM or SIGKILL */
        int64_t user_ns, system_ns; /* CPU time, of it and the children it waited for */
        uint64_t memory_max; /* the most it had resident, in bytes */
} rein_child_end;

/* Start argv[0], which is sought along PATH when it has no slash, with the arguments argv (NULL at the end). Nothing
 * of argv and opts is needed afterwards.
 *
 * "Not now" is not "never": -EAGAIN (too many processes), -ENOMEM, -EMFILE, -ENFILE and -ETXTBSY (the program is being
 * written) say that there is no room at the moment. With start_until the start is then tried again, after 1 ms, 2 ms
 * and so on up to 64 ms, until it succeeds, until that time, or until a cancel. Only -ENOMEM of a child with limits of
 * its own is not tried again: they may be what leaves no room.
 *
 * Owns: *out is the caller's: rein_child_free.
 * Blocks: until the program runs (a fraction of a millisecond, but longer on a busy machine or from a slow disk), which
 * no cancel shortens; a coroutine leaves that to a thread of its loop's pool. With in_place its own thread does it,
 * which is quicker by two wake-ups, and its loop stands still meanwhile. With start_until also between two tries, which
 * a cancel ends. Any thread.
 * Returns: 0; and where there is no child, and never was one: REIN_ECANCELED at entry, or between two tries; -ENOENT,
 * -EACCES, -E2BIG, -ENOEXEC and others of execve(2), of cwd and of limits: the trail says which; -EMFILE; -EAGAIN: too
 * many processes; -EBADF: a descriptor that is not open; -EINVAL: opts; -ENOSYS; -ENOTSUP; -ENOMEM; in a coroutine
 * also what rein_to_thread returns. Since 0.1. */
REIN_API int rein_child_start(rein_child **out, char *const argv[], const rein_child_opts *opts);

/* Take our end of the pipe that is the child's descriptor `which` (0, 1 or 2). It is close-on-exec and non-blocking,
 * for rein_read and rein_write.
 * Owns: the descriptor is the caller's from now on: rein_close it; closing that of 0 tells the child that there is no
 * more. One that is never asked for is closed by rein_child_free.
 * Blocks: no. Any thread.
 * Returns: the descriptor; -EBADF: it is no pipe, or was taken before; -EPERM: after fork(2). Since 0.1. */
REIN_API int rein_child_pipe(rein_child *c, int which);

/* Tell the child's process number. No other process has it until the child was waited for, or freed. Blocks: no.
 * Any thread. Returns: the number; -EPERM: c was freed. Since 0.1. */
REIN_API int rein_child_pid(const rein_child *c);

/* Tell the child's pidfd, a descriptor that is readable when the child has ended: for rein_wait_fd, and for loops of
 * yours. Owns: the descriptor is the child's, until rein_child_free. Blocks: no. Any thread. Returns: the descriptor;
 * -EPERM: c was freed. Since 0.1. */
REIN_API int rein_child_pidfd(const rein_child *c);

/* Wait until the child has ended; whether others still have its pipes does not matter. Several may wait; each is told.
 * A call that comes when it has ended says so, cancelled or not.
 * Blocks: until it has ended, `until`, or a cancel. A wait that is cancelled stops the child, by the ladder, and takes
 * up to the grace for that (and five seconds more when it cannot be killed). One whose `until` comes leaves it
 * running. Any thread.
 * Returns: 0: it has ended, *end (may be NULL) tells how; REIN_ECANCELED: it was stopped, *end and the trail tell by
 * which rung; REIN_ETIMEOUT: it runs; -ENOMEM: there was no wait; -EINVAL: end without its size; -EPERM:
 * after fork(2). Since 0.1. */
REIN_API int rein_child_wait(rein_child *c, rein_child_end *end, rein_time until);

/* Stop the child by the ladder, whether or not the caller is cancelled. *end (may be NULL) tells how it ended. Blocks:
 * until it is gone, no longer than its grace and five seconds. Any thread.
 * Returns: 0, also when it had ended before; REIN_ESTUCK: it could not be killed so far; -EINVAL, -EPERM as
 * rein_child_wait. Since 0.1. */
REIN_API int rein_child_stop(rein_child *c, rein_child_end *end);

/* Send a signal to the child and its process group. Blocks: no. Any thread. Returns: 0; -ESRCH: it has ended and was
 * waited for; -EINVAL: no such signal; -EPERM: the system forbids it, or after fork(2). Since 0.1. */
REIN_API int rein_child_signal(rein_child *c, int signo);

/* Give a child's handle back: a child that still runs is stopped by the ladder. One that cannot be killed is reaped
 * when it ends all the same, at a later start or free. NULL is allowed. Blocks: until it is gone, as rein_child_stop.
 * Any thread, while no other one is in a call with c. Since 0.1. */
REIN_API void rein_child_free(rein_child *c);

/* What a child said, and what it is given to read. Set `size`: rein_child_said s = {.size = sizeof s}. */
typedef struct rein_child_said {
        size_t size;
        size_t most;    /* of each of the two no more than so many bytes are kept; default 1 MiB */
        const void *in; /* its standard input; NULL: what the options say */
        size_t in_n;
        char *out, *err; /* what it said, with a NUL behind. NULL: the options have it go elsewhere */
        size_t out_n, err_n;
        bool out_cut, err_cut; /* it said more than was kept */
} rein_child_said;

/* Run a program and collect what it says: rein_child_run, with a pipe for out and for err (where opts leaves them
 * zero), which are read while it runs. What is more than `most` is read and thrown away, so that the child never waits
 * for us. Of what other processes write to its pipes, only that counts which is there when it has ended.
 * Owns: s->out and s->err are the caller's: rein_child_said_free, whatever is returned.
 * Blocks: until it has ended; a cancel stops it, by the ladder. Needs three descriptors besides the pipes. Any thread.
 * Returns: as rein_child_run, and s has what was said so far; -EINVAL: s without its size, or a REIN_CHILD_PIPE.
 * Since 0.1. */
REIN_API int rein_child_collect(char *const argv[], const rein_child_opts *opts, rein_child_said *s,
                                rein_child_end *end);

/* Free the out and err of what a child said. Twice is once; NULL is allowed. Blocks: no. Any thread. Since 0.1. */
REIN_API void rein_child_said_free(rein_child_said *s);

/* Start a program, wait until it has ended, and give its handle back. Blocks: until it has ended; a cancel stops it,
 * by the ladder. Any thread.
 * Returns: as rein_child_start and, with REIN_NEVER, rein_child_wait; -EINVAL: with a REIN_CHILD_PIPE, whose other end
 * nobody would have. Since 0.1. */
REIN_API int rein_child_run(char *const argv[], const rein_child_opts *opts, rein_child_end *end);

#ifdef __cplusplus
}
#endif
#endif
