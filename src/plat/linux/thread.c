/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, the thread-local word, the poke signal, fork and exit. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plat/linux/mapped.h"
#include "plat/plat.h"

/* ---- the word ---- */

static _Thread_local void *self_word __attribute__((tls_model("initial-exec")));

static rn_lock setup_lock;
static rn_a32 key_made;
static pthread_key_t exit_key;
static rn_a64 exit_hook; /* a void (*)(void *word); stored before any thread has a word, and never changed */

/* The coroutines of a thread have a word each: it is changed at every switch, which ThreadSanitizer would call a race. */
#if defined REIN_TSAN
#define OF_COROUTINES __attribute__((noinline, no_sanitize("thread")))
#else
#define OF_COROUTINES __attribute__((noinline))
#endif

OF_COROUTINES void *rn_self_word(void)
{
        return self_word;
}

OF_COROUTINES void rn_self_word_switch(void *word)
{
        self_word = word;
}

static void thread_ends(void *word)
{
        void (*hook)(void *) = (void (*)(void *))(uintptr_t)rn_get64(&exit_hook);
        RN_ASSERT(word, "a thread that ends without a word has no exit hook to run");
        if (hook)
                hook(word);
        rn_self_word_switch(NULL);
}

void rn_thread_word_ends(void *word)
{
        thread_ends(word);
}

static int thread_make_key(void)
{
        if (rn_load32(&key_made))
                return 0;
        rn_stay_mapped(); /* the key's destructor, and every thread of rein's, which come after it */
        rn_lock_take(&setup_lock);
        int rc = rn_load32(&key_made) ? 0 : pthread_key_create(&exit_key, thread_ends);
        if (rc == 0)
                rn_store32(&key_made, 1);
        rn_lock_give(&setup_lock);
        return rc;
}

__attribute__((noinline)) int rn_self_word_set(void *word)
{
        if (rn_virtual()) {
                rn_self_word_switch(word);
                return 0;
        }
        int rc = thread_make_key();
        if (rc == 0)
                rc = pthread_setspecific(exit_key, word);
        if (rc != 0)
                return -rc;
        self_word = word;
        return 0;
}

void rn_on_thread_exit(void (*hook)(void *word))
{
        const int64_t was = rn_peek64(&exit_hook);
        RN_ASSERT(!was || was == (int64_t)(uintptr_t)hook, "there is one exit hook for the process");
        (void)was;
        rn_store64(&exit_hook, (int64_t)(uintptr_t)hook);
}

/* ---- the poke ---- */

static rn_a32 poke_signal; /* 0: not looked for yet; UINT32_MAX: none was free */

static void poke_caught(int signo)
{
        (void)signo; /* its whole work is done by arriving: the system call returns EINTR */
}

int rn_poke_setup(void)
{
        if (rn_virtual())
                return 0;
        rn_lock_take(&setup_lock);
        if (!rn_load32(&poke_signal)) {
                uint32_t found = UINT32_MAX;
                for (int s = SIGRTMAX - 1; s > SIGRTMIN; s--) {
                        struct sigaction had, ours = {.sa_handler = poke_caught, .sa_flags = SA_ONSTACK};
                        sigemptyset(&ours.sa_mask);
                        if (sigaction(s, NULL, &had) != 0 || (had.sa_flags & SA_SIGINFO) || had.sa_handler != SIG_DFL)
                                continue;
                        if (sigaction(s, &ours, NULL) == 0) {
                                found = (uint32_t)s;
                                break;
                        }
                }
                rn_store32(&poke_signal, found);
        }
        rn_lock_give(&setup_lock);
        return rn_load32(&poke_signal) == UINT32_MAX ? -EBUSY : 0;
}

static bool poke_is_known(void)
{
        const uint32_t signo = rn_get32(&poke_signal);
        return signo && signo != UINT32_MAX;
}

void rn_poke(uint32_t thread_id)
{
        const rn_machine *m = rn_virtual();
        if (m) {
                m->poke(thread_id);
                return;
        }
        int saved = errno;
        RN_ASSERT(poke_is_known() && thread_id, "a poke goes to a thread, by the signal that was found for it");
        syscall(SYS_tgkill, getpid(), (pid_t)thread_id, (int)rn_load32(&poke_signal));
        errno = saved;
}

static void poke_set(sigset_t *set)
{
        RN_ASSERT(poke_is_known(), "the poke is let through after its signal was found");
        sigemptyset(set);
        sigaddset(set, (int)rn_load32(&poke_signal));
}

bool rn_poke_unblock(void)
{
        if (rn_virtual())
                return false;
        sigset_t set, had;
        poke_set(&set);
        pthread_sigmask(SIG_UNBLOCK, &set, &had);
        return sigismember(&had, (int)rn_load32(&poke_signal)) == 1;
}

void rn_poke_land(bool block_again)
{
        if (rn_virtual())
                return;
        int saved = errno;
        syscall(SYS_getppid);
        if (block_again) {
                sigset_t set;
                poke_set(&set);
                pthread_sigmask(SIG_BLOCK, &set, NULL);
        }
        errno = saved;
}

/* ---- threads ---- */

typedef struct start {
        void (*main)(void *);
        void *arg;
        char name[16];
} start;

static void *thread_main(void *p)
{
        start s = *(start *)p;
        rn_free(p);
        if (s.name[0])
                pthread_setname_np(pthread_self(), s.name);
        s.main(s.arg);
        return NULL;
}

uint64_t rn_sys_signals_left(void)
{
        sigset_t blocked;
        uint64_t left = 0;
        if (rn_virtual() || (pid_t)syscall(SYS_gettid) != getpid() || pthread_sigmask(SIG_SETMASK, NULL, &blocked) != 0)
                return 0;
        for (int signo = 1; signo <= 64; signo++) {
                struct sigaction had;
                if (sigismember(&blocked, signo) == 0 && sigaction(signo, NULL, &had) == 0 &&
                    !(had.sa_flags & SA_SIGINFO) && had.sa_handler == SIG_DFL)
                        left |= UINT64_C(1) << (signo - 1);
        }
        return left;
}

void rn_sys_signals_let_through(uint64_t signals)
{
        sigset_t set;
        sigemptyset(&set);
        for (int signo = 1; signo <= 64; signo++)
                if (signals >> (signo - 1) & 1)
                        sigaddset(&set, signo);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Every signal a stranger could send; those a thread raises by its own fault stay open. */
static void signals_block_asynchronous(sigset_t *had)
{
        static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
        sigset_t set;
        sigfillset(&set);
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
                sigdelset(&set, faults[i]);
        if (rn_load32(&poke_signal) != UINT32_MAX)
                sigdelset(&set, (int)rn_load32(&poke_signal));
        pthread_sigmask(SIG_SETMASK, &set, had);
}

int rn_thread_start(void (*main)(void *), void *arg, const char *name, size_t stack)
{
        if (rn_choose(2, RN_CHOOSE_THREAD))
                return -EAGAIN;
        const rn_machine *m = rn_virtual();
        if (m)
                return m->thread_start(main, arg, name);
        rn_poke_setup();
        int rc = thread_make_key(); /* the thread itself could tell nobody that there is none */
        if (rc != 0)
                return -rc;
        start *s = rn_alloc(sizeof *s);
        if (!s)
                return -ENOMEM;
        RN_ASSERT(main, "a thread has something to do");
        s->main = main;
        s->arg = arg;
        snprintf(s->name, sizeof s->name, "%.15s", name ? name : "");

        pthread_attr_t attr;
        rc = pthread_attr_init(&attr);
        if (rc == 0) {
                pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
                const size_t least = (size_t)PTHREAD_STACK_MIN;
                if (stack)
                        rc = pthread_attr_setstacksize(&attr, stack < least ? least : stack);
                if (rc == 0) {
                        sigset_t had;
                        pthread_t t;
                        signals_block_asynchronous(&had);
                        rc = pthread_create(&t, &attr, thread_main, s);
                        pthread_sigmask(SIG_SETMASK, &had, NULL);
                }
                pthread_attr_destroy(&attr);
        }
        if (rc != 0)
                rn_free(s);
        return -rc;
}

uint32_t rn_thread_id(void)
{
        const rn_machine *m = rn_virtual();
        if (m)
                return m->thread_id();
        return (uint32_t)syscall(SYS_gettid);
}

__attribute__((noinline)) void *rn_stack_base(void)
{
        return __builtin_frame_address(0);
}

size_t rn_stack_left(const void *base, size_t size)
{
        const rn_machine *m = rn_virtual();
        if (m)
                return m->stack_left();
        if (!base || !size)
                return SIZE_MAX;
        RN_ASSERT((const char *)base >= (const char *)__builtin_frame_address(0),
                  "a stack is asked for by its own thread");
        size_t used = (size_t)((const char *)base - (const char *)__builtin_frame_address(0));
        return used < size ? size - used : 0;
}

/* ---- fork and exit ---- */

rn_aptr rn_simulating;
rn_a32 rn_forks;
static bool simulated; /* setup_lock */
/* 0: nobody has asked yet, and nothing of ours can be older than a fork. Like rn_forks and `watched` it is written under
 * setup_lock, or in a fork's child by its one thread: what is read without the lock, and is not 0, is right. */
static rn_a32 forks;
static rn_a32 watched; /* the fork handler is installed */

/* What everybody may take for the generation without a question. setup_lock */
static void forks_publish(void)
{
        rn_set32(&rn_forks, simulated || !rn_get32(&watched) ? 0 : rn_get32(&forks));
}

/* The child's only thread is the one that forked, and it was not in here: a held setup_lock has lost its holder. */
static void fork_in_child(void)
{
        rn_set32(&setup_lock.word, 0);
        rn_set32(&forks, rn_get32(&forks) + 1);
        forks_publish();
}

uint32_t rn_generation_of(void)
{
        const rn_machine *m = rn_virtual();
        return m ? m->generation : rn_generation_really();
}

/* While there is no memory for the handler, each question tries again. */
uint32_t rn_generation_really(void)
{
        const uint32_t g = rn_get32(&forks); /* `watched` may be seen before it */
        if (g && rn_get32(&watched))
                return g;
        rn_lock_take(&setup_lock);
        if (!rn_get32(&watched)) {
                if (!rn_get32(&forks))
                        rn_set32(&forks, 1);
                if (pthread_atfork(NULL, NULL, fork_in_child) == 0)
                        rn_set32(&watched, 1);
                forks_publish();
        }
        rn_lock_give(&setup_lock);
        return rn_get32(&forks);
}

int rn_at_exit(void (*fn)(void))
{
        if (rn_virtual())
                return 0; /* a simulation ends before the process does */
        return atexit(fn) == 0 ? 0 : -ENOMEM;
}

/* ---- the machine of a simulation ---- */

static rn_a64 simulating_thread; /* where its errno is; 0: nobody */

/* Not by pthread_self: a program linked with the layer for pthreads has that one answer for the task, not the thread. */
__attribute__((noinline)) const rn_machine *rn_virtual_here(void)
{
        return rn_get64(&simulating_thread) == (int64_t)(intptr_t)&errno ? rn_getptr(&rn_simulating) : NULL;
}

/* rn_forks is written under the lock alone: it is the real generation, or 0 while a machine is there. */
int rn_machine_set(const rn_machine *m)
{
        int64_t nobody = 0, me = (int64_t)(intptr_t)&errno;
        RN_ASSERT(m || rn_get64(&simulating_thread) == me, "a simulation is ended by the thread that simulates");
        if (m && rn_get64(&simulating_thread) != me && !rn_cas64(&simulating_thread, &nobody, me))
                return -EBUSY;
        rn_storeptr(&rn_simulating, NULL);
        rn_lock_take(&setup_lock);
        simulated = m != NULL;
        forks_publish();
        rn_lock_give(&setup_lock);
        rn_choose_simulated(m != NULL);
        if (m)
                rn_storeptr(&rn_simulating, (void *)(uintptr_t)m);
        else
                rn_store64(&simulating_thread, 0);
        return 0;
}
