/* SPDX-License-Identifier: Apache-2.0 */
/* The whole contract between rein and the operating system. A port implements this file and nothing else.
 *
 * Two doors make everything above testable. *Waiting* happens only in rn_word_wait and rn_sys_poll (the task's door is
 * built on them, core/door.h). *Chance* enters only through rn_choose: may this allocation fail, is this call
 * interrupted, does this wait end for no reason. In a real build it answers 0, "no surprise".
 *
 * Errors are negative errno values. Points in time are ns on the monotonic clock; INT64_MAX is never. */
#ifndef RN_PLAT_H
#define RN_PLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plat/atomic.h"
#include "plat/check.h"
#include "plat/machine.h"
#include "plat/sanitizer.h"

#define RN_NEVER INT64_MAX

/* ---- choice ---- */

typedef enum rn_choice {
        RN_CHOOSE_ALLOC,    /* 1: this allocation fails */
        RN_CHOOSE_THREAD,   /* 1: this thread cannot be started (EAGAIN) */
        RN_CHOOSE_FD,       /* 1: no descriptor is free (EMFILE) */
        RN_CHOOSE_INTR,     /* 1: this system call is interrupted (EINTR) */
        RN_CHOOSE_AGAIN,    /* 1: this system call would block after all (EAGAIN) */
        RN_CHOOSE_SHORT,    /* 1: this read or write moves a part only */
        RN_CHOOSE_SPURIOUS, /* 1: this wait ends for no reason */
        RN_CHOOSE_KINDS
} rn_choice;

/* What answers, set by tests and by nobody else, before other threads run. NULL: every answer is 0; in a simulation it is
 * the schedule's. Both are told by one word, so that where nothing is unusual a question costs a compare and a branch. */
void rn_choose_by(uint32_t (*chooser)(uint32_t n, rn_choice kind));

extern rn_a32 rn_unusual __attribute__((visibility("hidden")));
__attribute__((cold)) uint32_t rn_choose_unusual(uint32_t n, rn_choice kind);

static inline uint32_t rn_choose(uint32_t n, rn_choice kind)
{
        return __builtin_expect(rn_get32(&rn_unusual) != 0, 0) ? rn_choose_unusual(n, kind) : 0;
}

/* ---- memory ---- */

void *rn_alloc(size_t n); /* zeroed, aligned as malloc does; NULL when there is none */
void rn_free(void *p);
void *rn_alloc_for_ever(size_t n); /* the same, for memory that lives as long as the process */

/* Memory for many stacks: addresses for `size` bytes (whole pages), each page zeroed memory as soon as it is touched and
 * never a part of a huge one. NULL: none. Like all of these it asks no rn_choose: the simulator itself makes stacks. */
void *rn_map_stacks(size_t size);
bool rn_unmap_stacks(void *at, size_t size); /* false: it is all still there, for this process has too many maps */
/* These bytes (whole pages of such memory) fault from now on: without a map of their own where the kernel can (Linux
 * 6.13), else with two of the 65,530 that a process has by default. 0; -ENOMEM: no more of them, nothing was done. */
int rn_guard(void *at, size_t size);
void rn_guard_by_maps(bool only);     /* for tests: new guards as an older kernel has them, or no longer */
void rn_purge(void *at, size_t size); /* its memory is given back, it reads as zeros; what faults goes on to do so */
#define RN_GUARD (64 << 10)           /* below each stack: a frame up to so large faults whatever compiler made it */

/* ---- time and chance ---- */

int64_t rn_clock(void);      /* async-signal-safe */
int64_t rn_clock_late(void); /* the same, up to a few milliseconds ago, and cheaper: to tell ages */
uint64_t rn_random64(void);  /* not for secrets */

/* ---- waiting on a word; locks; spinning ---- */

/* Sleep while *word is `value`, until rn_word_wake or `until`. May return early for no reason. */
void rn_word_wait(rn_a32 *word, uint32_t value, int64_t until);
void rn_word_wake(rn_a32 *word, uint32_t how_many); /* async-signal-safe; *word may be gone: nothing is read */
/* The same for a thread that is known not to be simulated: the door's, which must cost nothing for what could be. */
void rn_word_wait_really(rn_a32 *word, uint32_t value, int64_t until);
void rn_word_wake_really(rn_a32 *word, uint32_t how_many);

/* A lock for short stretches without user code. 0 free, 1 held, 2 held and waited for. Zeroed memory is a free lock. */
typedef struct rn_lock {
        rn_a32 word;
} rn_lock;

void rn_lock_take_slow(rn_lock *l);

static inline void rn_lock_take(rn_lock *l)
{
#if RN_EXPLORING
        const rn_machine *m = rn_virtual();
        if (m && m->whole_locks) {
                m->lock_wait(l);
                rn_set32(&l->word, 1);
                return;
        }
#endif
        uint32_t zero = 0;
        if (!rn_cas32(&l->word, &zero, 1))
                rn_lock_take_slow(l);
        rn_told_acquire(l);
}

static inline void rn_lock_give(rn_lock *l)
{
#if RN_EXPLORING
        const rn_machine *m = rn_virtual();
        if (m && m->whole_locks) {
                m->lock_gave(l);
                rn_set32(&l->word, 0);
                RN_DONE();
                return;
        }
#endif
        rn_told_release(l);
        const uint32_t was = rn_swap32(&l->word, 0);
        RN_ASSERT(was == 1 || was == 2, "a lock that is given back was held");
        if (was == 2)
                rn_word_wake(&l->word, 1);
}

/* Does anybody hold it? For assertions: the thread that asks cannot be told from another one that has it. */
static inline bool rn_lock_held(const rn_lock *l)
{
        return rn_get32(&l->word) != 0;
}

/* One turn of a spin that waits for another thread to finish a few instructions; round counts the turns from 0. */
void rn_pause(unsigned round);

/* ---- the running thread ---- */

/* The library's one thread-local word. Both are out of line: a compiler that cached its address across a coroutine
 * switch would read another thread's. rn_self_word is async-signal-safe. */
void *rn_self_word(void);
int rn_self_word_set(void *word); /* -ENOMEM, -EAGAIN: no key for the exit hook */

/* Called on a thread that ends with its word set (the word is cleared afterwards). Set once, before the first word. */
void rn_on_thread_exit(void (*hook)(void *word));

/* ---- the program's thread-locals ---- */

/* Where the calling thread has those of the executable; size 0: there are none. */
typedef struct rn_locals {
        void *at;
        size_t size;
        const void *image; /* what they begin with; zeros after it */
        size_t image_size;
} rn_locals;

int rn_locals_find(rn_locals *l); /* 0; -ENOTSUP: they cannot be exchanged, l is empty */
void rn_locals_save(const rn_locals *l, void *to);
void rn_locals_load(const rn_locals *l, const void *from); /* of what was saved */
void rn_locals_begin(const rn_locals *l);                  /* as a new thread has them */

/* ---- threads ---- */

/* Start a detached thread with asynchronous signals blocked (but the poke). name: cut to 15 bytes. stack 0: default. */
int rn_thread_start(void (*main)(void *), void *arg, const char *name, size_t stack);
uint32_t rn_thread_id(void);
/* Bytes of stack left below this frame; SIZE_MAX when unknown. base: rn_stack_base() of this thread, kept by its owner. */
void *rn_stack_base(void);
size_t rn_stack_left(const void *base, size_t size);
int rn_cpus_granted(void); /* by affinity and cgroup quota, at least 1 */

/* What thread `id` does, in words: "system call read (pipe_read)", "its own code". Empty when the system does not tell. */
void rn_thread_doing(uint32_t id, char *text, size_t n);
/* Its CPU time in ns, and the number of the system call it is in (-1: none) with a digest of its arguments. */
bool rn_thread_probe(uint32_t id, int64_t *cpu_ns, int64_t *call, uint64_t *digest);

/* Where thread `id` is, and which calls have led there, as its stack says: at most n. high: the end of its stack, if known.
 * In a system call it is not disturbed. In code of its own it must be asked by a signal, with `ask`; on that thread
 * rn_frames_by_signal must have been called. How many; 0: it cannot be told. May wait 250 ms, and for the loader's lock. */
int rn_thread_frames(uint32_t id, const void *high, bool ask, uintptr_t *at, int n);
int rn_frames_by_signal(void); /* -EBUSY: no real-time signal is free */
/* "function+0x10 (object+0x5010)". names: also the function's, for which it may wait as long as a dlopen takes; without,
 * "object+0x5010", and no such wait. */
void rn_frame_text(uintptr_t at, bool names, char *text, size_t n);

/* The same in two steps, for a caller that must not wait in the first. Copy a piece of the stack of thread `id`, which is in a system
 * call and runs on the stack from low to high (NULL: wherever): no lock, no wait, nobody disturbed. false: it is not there,
 * or it cannot be told. And look through it, at any time later. */
typedef struct rn_stack_piece {
        uintptr_t pc, sp;
        size_t words;
        uintptr_t word[512];
} rn_stack_piece;

bool rn_stack_copy(uint32_t id, const void *low, const void *high, rn_stack_piece *to);
int rn_stack_frames(const rn_stack_piece *p, uintptr_t *at, int n);

/* ---- the poke: a signal that does nothing but interrupt ---- */

int rn_poke_setup(void); /* find and take a free real-time signal, once; -EBUSY: none is free */
void rn_poke(uint32_t thread_id);
bool rn_poke_unblock(void);          /* let it through to this thread; was it blocked? */
void rn_poke_land(bool block_again); /* one cheap system call, so that a poke on its way lands here and not later */

/* ---- the process ---- */

/* Grows by one in a forked child; async-signal-safe. Asked more often than anything else, so it is no call: the word is 0
 * when nobody asked yet, and while there is a simulation. */
extern rn_a32 rn_forks __attribute__((visibility("hidden")));
__attribute__((cold)) uint32_t rn_generation_of(void);

static inline uint32_t rn_generation(void)
{
        uint32_t g = rn_get32(&rn_forks); /* what is not 0 is right: it changes in a fork's child, by its one thread */
        return __builtin_expect(g != 0, 1) ? g : rn_generation_of();
}
uint32_t rn_generation_really(void); /* the process's also in a simulation */

/* On the first thread of the process: the signals that it does not block and that nobody has a handler for, a bit each, the
 * lowest for number 1. On another thread, or in a simulation: 0. */
uint64_t rn_sys_signals_left(void);
void rn_sys_signals_let_through(uint64_t signals); /* by the calling thread */

int rn_at_exit(void (*fn)(void));     /* once per fn */
const char *rn_errno_name(int err);   /* "EINVAL"; NULL: no such error */
const char *rn_env(const char *name); /* of the environment; NULL also in a set-user-id program */
_Noreturn void rn_abort(void);
/* When the calling thread crashes (a fault, abort), call note first, once, then let it crash. NULL: no more. */
void rn_crash_watch(void (*note)(void));
/* When a thread that has had rn_fault_stack runs into memory it may not touch, ask `explain` for a line, print it, and
 * let it crash as it would have. The first `explain` stays. explain runs in a signal handler. */
void rn_fault_watch(size_t (*explain)(const void *address, char *text, size_t n));
int rn_fault_stack(void **made); /* a stack for signal handlers, if this thread has none; -ENOMEM */
void rn_fault_stack_free(void *made);

/* ---- descriptors ---- */

#define RN_POLLIN   0x001
#define RN_POLLOUT  0x004
#define RN_POLLERR  0x008
#define RN_POLLHUP  0x010
#define RN_POLLNVAL 0x020

/* A descriptor that is waited for, in a list of all that one wait is for. */
typedef struct rn_polled {
        struct rn_polled *next;
        int fd, events;
        int got; /* out: those of `events` that are there, and RN_POLLERR, RN_POLLHUP, RN_POLLNVAL unasked */
} rn_polled;

/* Wait until one of `all` (NULL: none) got something or `wake` (-1: none) is readable, until `until`. For more than 8
 * descriptors it needs memory. Returns: how many of them got something; 0: woken, interrupted or timed out; -errno. */
int rn_sys_poll(rn_polled *all, int wake, int64_t until);

/* The same for one, or for none with fd -1: its events in place of their number. */
static inline int rn_sys_poll_one(int fd, int events, int wake, int64_t until)
{
        rn_polled one = {.fd = fd, .events = events};
        const int rc = rn_sys_poll(fd < 0 ? NULL : &one, wake, until);
        return rc > 0 ? one.got : rc;
}

int rn_sys_wakefd(void);           /* a descriptor for wake */
void rn_sys_wakefd_ring(int wake); /* async-signal-safe */
void rn_sys_wakefd_drain(int wake);

/* Many at once, for a loop. One thread owns a poller; only ring is for any thread, also in a signal handler. */
typedef struct rn_poller rn_poller;
typedef struct rn_ready {
        int fd, events;
} rn_ready;
int rn_poller_new(bool portable, rn_poller **made); /* portable: by poll(2) alone */
void rn_poller_free(rn_poller *p);
/* For one report; again: for these events instead. -EPERM: no stream, it would always be ready. */
int rn_poller_watch(rn_poller *p, int fd, int events);
void rn_poller_unwatch(rn_poller *p, int fd);
void rn_poller_forget(rn_poller *p, int fd); /* any thread: fd is open and will be closed now */
int rn_poller_wait(rn_poller *p, rn_ready *out, int n, int64_t until); /* how many; 0: rung, interrupted, timed out */
void rn_poller_ring(rn_poller *p);
int rn_poller_fd(rn_poller *p); /* readable when wait would find something, or at the alarm; -ENOTSUP: portable */
void rn_poller_alarm(rn_poller *p, int64_t at);

int rn_sys_close(int fd);
void rn_sys_close_own(int fd); /* a descriptor of the library's own: it is open, and nobody else closes it */
bool rn_sys_is_stream(int fd); /* poll tells the truth about it: pipe, socket, terminal; not a regular file */
bool rn_sys_is_socket(int fd);
int64_t rn_sys_read(int fd, void *buf, size_t n, bool socket);        /* a socket: never blocks; -EAGAIN, -ENOTSOCK */
int64_t rn_sys_write(int fd, const void *buf, size_t n, bool socket); /* the same; no SIGPIPE */
/* The same for what is no socket, and it never blocks: -EAGAIN: it would, now; -ENOTSUP: that cannot be told. */
int64_t rn_sys_read_now(int fd, void *buf, size_t n);
int64_t rn_sys_write_now(int fd, const void *buf, size_t n);
bool rn_sys_may_block(int fd); /* O_NONBLOCK is not set */
#define RN_PIPE_ATOMIC 4096    /* a pipe that polls writable takes so many bytes without blocking */

int rn_interrupt_signal(void);                         /* what ^C sends, if nobody has a handler for it; 0 */
bool rn_is_interrupt(int signo);                       /* what ^C sends */
int rn_sys_signal_block(int signo, bool *was_blocked); /* in this thread; -EINVAL: it cannot be waited for */
void rn_sys_signal_unblock(int signo, bool was_blocked);
int rn_sys_signal_open(int signo);         /* a descriptor, readable when it comes; it is blocked */
int rn_sys_signal_take(int fd, int signo); /* 1: taken; 0: nothing there; -errno. fd -1: without a descriptor */

typedef struct rn_sys_addr { /* one address of a list */
        struct rn_sys_addr *next;
        int family, type, protocol;
        uint32_t len;
        _Alignas(16) unsigned char bytes[128];
} rn_sys_addr;

/* numeric: never blocks, but answers -EADDRNOTAVAIL for a name, of a host or a service. *why: of a failure, a text that lives
 * for ever. */
int rn_sys_lookup(const char *host, const char *service, bool passive, bool datagrams, bool numeric, rn_sys_addr **list,
                  const char **why);
void rn_sys_addr_free(rn_sys_addr *list);
int rn_sys_listen(const rn_sys_addr *a, int backlog);
int rn_sys_accept(int fd);                /* -EAGAIN: non-blocking and nothing there; -ECONNABORTED: one that is gone */
int rn_sys_connect(const rn_sys_addr *a); /* a descriptor whose connection is under way or made */
int rn_sys_connected(int fd);             /* 0 or -errno, once fd is writable */

/* Datagrams. An address is `len` bytes of a struct sockaddr, RN_ADDRESS at most. Neither move ever blocks: -EAGAIN. */
#define RN_ADDRESS 128
int rn_sys_datagrams(const rn_sys_addr *a, bool bound); /* a socket bound there, or connected to there */
int64_t rn_sys_send_to(int fd, const void *buf, size_t n, const void *to, uint32_t len); /* len 0: its peer */
/* -EMSGSIZE: it was longer than n, the rest is lost. from: room for RN_ADDRESS. */
int64_t rn_sys_receive_from(int fd, void *buf, size_t n, void *from, uint32_t *len);
int rn_sys_address(int fd, void *bytes, uint32_t *len);                          /* its own */
bool rn_sys_address_fits(int fd, const rn_sys_addr *a);                          /* can datagrams of fd go there? */
void rn_sys_address_text(const void *bytes, uint32_t len, char *text, size_t n); /* "127.0.0.1:53", "[::1]:53" */

/* ---- child processes ---- */

typedef struct rn_sys_child {
        char *const *argv, *const *env; /* env NULL: ours */
        const char *cwd;                /* NULL: ours */
        int fds[3];                     /* what are its 0, 1 and 2 */
        bool own_group, own_session, share_fds, keep_ignored;
        const struct rein_child_limit *limits;
        size_t limits_count;
        int pid, pidfd;     /* out */
        const char *failed; /* out: at what */
} rn_sys_child;

typedef struct rn_sys_child_end {
        int code, signo; /* code -1: a signal, or nobody tells */
        bool core_dumped;
        int64_t user_ns, system_ns;
        uint64_t memory_max;
} rn_sys_child_end;

int rn_sys_child_start(rn_sys_child *c); /* 0 when the program runs; else there is no child. -ENOSYS: no pidfd here */
int rn_sys_child_signal(int pid, int pidfd, bool group, int signo);
/* Only between an end and its reaping is the number sure to be its own: look first. 1, 0: not so (yet). */
int rn_sys_child_ended(int pidfd);
int rn_sys_child_reap(int pidfd, rn_sys_child_end *end);
int rn_sys_pipe(int fds[2]); /* close-on-exec; above 2 */
int rn_sys_null(void);       /* /dev/null; the same */
int rn_sys_not_blocking(int fd);
bool rn_sys_is_open(int fd);

#endif
