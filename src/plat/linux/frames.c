/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of another thread. Of one that is blocked in a system call the kernel tells where its stack is
 * (/proc/self/task/TID/syscall, proc(5)), and nobody disturbs it. Of one that computes only itself knows that: a signal
 * asks it, and its handler notes two registers and copies a piece of the stack, nothing else.
 *
 *      NOTHING --asker--> WANTED --handler--> TAKING --handler--> TAKEN --asker--> NOTHING
 *                            +--asker, out of patience--> NOTHING
 *
 * One asks at a time (`asking`). The handler takes WANTED by compare-and-swap, so a signal that comes too late, or to
 * another thread, finds nothing to do; the piece is the handler's while TAKING, and the asker's from TAKEN on.
 *
 * What is on a stack is not unwound but looked through for words that point behind a call instruction. So no tables are
 * needed, no frame pointers, and no lock of the loader's in a handler; the price is that a frame may be shown that has
 * returned already, where nothing has been written over it. */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "plat/linux/task_file.h"
#include "plat/plat.h"

typedef rn_stack_piece piece;

enum { WORDS = sizeof((piece *)0)->word / sizeof(uintptr_t) };

/* Memory that may be gone: the kernel answers instead of a fault. How many bytes. */
static size_t memory_peek(uintptr_t from, void *to, size_t n)
{
        struct iovec here = {to, n}, there = {(void *)from, n}; /* NOLINT(performance-no-int-to-ptr) */
        ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
        return got > 0 ? (size_t)got : 0;
}

static size_t stack_words_up_to(uintptr_t sp, const void *high)
{
        const size_t most = WORDS * sizeof(uintptr_t), left = (uintptr_t)high - sp;
        if (high && sp >= (uintptr_t)high)
                return 0;
        return (high && left < most ? left : most) / sizeof(uintptr_t);
}

/* ---- of a thread in a system call ---- */

/* The last two fields of the line are its stack pointer and where it goes on. */
static bool registers_of(const char *line, uintptr_t *sp, uintptr_t *pc)
{
        const char *last = strrchr(line, ' '), *before = last;
        while (before && before > line && *--before != ' ')
                ;
        if (!before || before == line)
                return false;
        *pc = strtoull(last, NULL, 16);
        *sp = strtoull(before, NULL, 16);
        return *sp && *pc;
}

/* It is there before and after: what was read between is one state of it. */
static bool frames_take_blocked(uint32_t id, const void *high, piece *p)
{
        char line[256], again[256];
        if (!rn_task_file(id, "syscall", line, sizeof line) || !registers_of(line, &p->sp, &p->pc))
                return false;
        p->words = memory_peek(p->sp, p->word, stack_words_up_to(p->sp, high) * sizeof *p->word) / sizeof *p->word;
        return rn_task_file(id, "syscall", again, sizeof again) && strcmp(line, again) == 0;
}

/* ---- of a thread that computes ---- */

enum { NOTHING, WANTED, TAKING, TAKEN };

static rn_lock asking; /* one at a time */
static rn_a32 ask_signal, ask_state, ask_thread;
static const void *ask_high;
static piece answer; /* the handler's, while TAKING */
static const int64_t patience = 250000000;

#if defined REIN_ASAN || defined REIN_TSAN
__attribute__((no_sanitize("address"), no_sanitize("thread")))
#endif
static void
copy_words(piece *p)
{
        const volatile uintptr_t *from = (const uintptr_t *)p->sp; /* NOLINT(performance-no-int-to-ptr) */
        for (size_t i = 0; i < p->words; i++)
                p->word[i] = from[i];
}

static void frames_asked(int signo, siginfo_t *info, void *context)
{
        (void)signo;
        (void)info;
        const ucontext_t *u = context;
        const int saved = errno;
        uint32_t was = WANTED;
        if ((uint32_t)syscall(SYS_gettid) == rn_load32(&ask_thread) && rn_cas32(&ask_state, &was, TAKING)) {
#if defined __x86_64__
                answer.pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
                answer.sp = (uintptr_t)u->uc_mcontext.gregs[REG_RSP];
#elif defined __aarch64__
                answer.pc = u->uc_mcontext.pc;
                answer.sp = u->uc_mcontext.sp;
#else
                answer.pc = answer.sp = 0;
#endif
                RN_ASSERT(rn_get32(&ask_state) == TAKING, "the thread that answers has the piece for itself");
                answer.words =
                        ask_high ? stack_words_up_to(answer.sp, ask_high) : 0; /* beyond an end not known, a fault */
                copy_words(&answer);
                rn_store32(&ask_state, TAKEN);
                rn_word_wake_really(&ask_state, 1);
        }
        errno = saved;
}

int rn_frames_by_signal(void)
{
        if (rn_virtual())
                return 0;
        rn_lock_take(&asking);
        for (int s = SIGRTMAX - 1; s > SIGRTMIN && !rn_load32(&ask_signal); s--) {
                struct sigaction had,
                        ours = {.sa_sigaction = frames_asked, .sa_flags = SA_ONSTACK | SA_SIGINFO | SA_RESTART};
                sigfillset(&ours.sa_mask);
                if (sigaction(s, NULL, &had) == 0 && !(had.sa_flags & SA_SIGINFO) && had.sa_handler == SIG_DFL &&
                    sigaction(s, &ours, NULL) == 0)
                        rn_store32(&ask_signal, (uint32_t)s);
        }
        rn_lock_give(&asking);
        if (!rn_load32(&ask_signal))
                return -EBUSY;
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, (int)rn_load32(&ask_signal));
        return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static bool frames_take_running(uint32_t id, const void *high, piece *p)
{
        if (!rn_load32(&ask_signal))
                return false;
        rn_lock_take(&asking);
        RN_ASSERT(rn_get32(&ask_state) == NOTHING, "one thread at a time is asked for its frames");
        ask_high = high;
        rn_store32(&ask_thread, id);
        rn_store32(&ask_state, WANTED);
        const int64_t limit = rn_clock() + patience;
        if (syscall(SYS_tgkill, getpid(), (pid_t)id, (int)rn_load32(&ask_signal)) == 0)
                while (rn_load32(&ask_state) == WANTED && rn_clock() < limit)
                        rn_word_wait_really(&ask_state, WANTED, limit);
        uint32_t was = WANTED;
        bool there = !rn_cas32(&ask_state, &was, NOTHING); /* it does not answer: too late from here on */
        for (unsigned round = 0; there && rn_load32(&ask_state) != TAKEN; round++)
                rn_pause(round);
        RN_ASSERT(!there || answer.words <= WORDS, "a piece of a stack fits into its room");
        if (there)
                *p = answer;
        rn_store32(&ask_state, NOTHING);
        rn_lock_give(&asking);
        return there;
}

/* ---- what a stack says ---- */

static bool address_behind_a_call(uintptr_t at)
{
        unsigned char code[8];
        if (at < 4096 || memory_peek(at - sizeof code, code, sizeof code) != sizeof code)
                return false;
#if defined __x86_64__
        if (code[3] == 0xe8) /* call rel32 */
                return true;
        for (int length = 2; length <= 7; length++) { /* call r/m: ff /2, with its operands */
                const unsigned char *c = code + sizeof code - length;
                if (c[0] == 0xff && (c[1] & 0x38) == 0x10)
                        return true;
        }
        return false;
#elif defined __aarch64__
        uint32_t word;
        memcpy(&word, code + 4, sizeof word);
        return (at & 3) == 0 && ((word & 0xfc000000) == 0x94000000 || (word & 0xfffffc1f) == 0xd63f0000); /* bl, blr */
#else
        return false;
#endif
}

/* The loaded object that an address is in. By dl_iterate_phdr, whose lock nobody holds for long: dladdr's is held as long
 * as a dlopen takes, its constructors included. */
typedef struct object {
        uintptr_t at, base;
        char name[64];
} object;

static int object_is_in(struct dl_phdr_info *info, size_t size, void *arg)
{
        object *o = arg;
        (void)size;
        for (unsigned i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                if (p->p_type != PT_LOAD || o->at - info->dlpi_addr - p->p_vaddr >= p->p_memsz)
                        continue;
                const char *name = info->dlpi_name && info->dlpi_name[0] ? info->dlpi_name : program_invocation_name;
                const char *slash = strrchr(name, '/');
                snprintf(o->name, sizeof o->name, "%s", slash ? slash + 1 : name);
                o->base = info->dlpi_addr;
                return 1;
        }
        return 0;
}

static bool find_object(uintptr_t at, object *o)
{
        *o = (object){.at = at};
        return dl_iterate_phdr(object_is_in, o) != 0;
}

bool rn_stack_copy(uint32_t id, const void *low, const void *high, rn_stack_piece *to)
{
        return !rn_virtual() && frames_take_blocked(id, high, to) && to->sp >= (uintptr_t)low &&
               (!high || to->sp < (uintptr_t)high);
}

int rn_stack_frames(const rn_stack_piece *p, uintptr_t *at, int n)
{
        int found = 0;
        object in;
        if (n > 0)
                at[found++] = p->pc;
        for (size_t i = 0; i < p->words && found < n; i++)
                if (p->word[i] != at[found - 1] && address_behind_a_call(p->word[i]) && find_object(p->word[i], &in))
                        at[found++] = p->word[i];
        return found;
}

int rn_thread_frames(uint32_t id, const void *high, bool ask, uintptr_t *at, int n)
{
        piece p;
        if (rn_virtual() || n < 1 ||
            (!frames_take_blocked(id, high, &p) && !(ask && frames_take_running(id, high, &p))))
                return 0;
        return rn_stack_frames(&p, at, n);
}

void rn_frame_text(uintptr_t at, bool names, char *text, size_t n)
{
        object o;
        Dl_info in;
        if (!find_object(at, &o))
                snprintf(text, n, "%#jx", (uintmax_t)at);
        else if (names && dladdr((void *)at, &in) && in.dli_sname) /* NOLINT(performance-no-int-to-ptr) */
                snprintf(text, n, "%s+%#jx (%s+%#jx)", in.dli_sname, (uintmax_t)(at - (uintptr_t)in.dli_saddr), o.name,
                         (uintmax_t)(at - o.base));
        else
                snprintf(text, n, "%s+%#jx", o.name, (uintmax_t)(at - o.base));
}
