/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines on top of the processor's switch, and what the tools have to be told.
 *
 * This file is compiled without the address and thread sanitizers (CMakeLists.txt): __tsan_switch_to_fiber called from
 * an instrumented function would pop the other fiber's shadow stack at the end of that function, and AddressSanitizer
 * allows no fake frame between the two halves of a switch.
 *
 * AddressSanitizer: `fake` is the fake stack of a coroutine while it is stopped, NULL otherwise. One that ends passes
 * NULL, so its fake stack is freed; for one that is dropped in the middle that is made up for (asan_drop_fake).
 * ThreadSanitizer: a fiber per coroutine, kept from make to free, because making one costs a mapping (gcc: about a
 * millisecond). The frames that a dropped or ended run left on its shadow stack are popped; otherwise it would be full
 * after some ten thousand runs. */
#include "coro/coro.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "coro/swap.h"
#include "plat/plat.h"

/* ---- AddressSanitizer ---- */

/* Of the runtimes of gcc and clang; NULL: it is not in this program. The library need not be compiled with it: the jobs are. */
extern void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t room) __attribute__((weak));
extern void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *room) __attribute__((weak));
extern void __asan_unpoison_memory_region(const volatile void *at, size_t n) __attribute__((weak));

static bool has_asan(void)
{
        return __sanitizer_start_switch_fiber && __sanitizer_finish_switch_fiber && __asan_unpoison_memory_region;
}

static void asan_thread(rn_coro *c)
{
        if (!has_asan())
                return;
        /* A switch to nowhere and back, for its answer: the bounds of this stack. */
        void *fake;
        __sanitizer_start_switch_fiber(&fake, c, sizeof *c);
        __sanitizer_finish_switch_fiber(fake, &c->bottom, &c->room);
        __sanitizer_start_switch_fiber(&fake, c->bottom, c->room);
        __sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

static void asan_depart(void **fake, const rn_coro *to)
{
        if (has_asan())
                __sanitizer_start_switch_fiber(fake, to->bottom, to->room);
}

static void asan_arrive(rn_coro *c)
{
        if (!has_asan())
                return;
        void *fake = c->fake;
        c->fake = NULL;
        __sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

/* Only a coroutine that leaves for ever frees its fake stack: go there and leave, without any of its code running. */
static void asan_drop_fake(rn_coro *c)
{
        if (!c->fake)
                return;
        void *mine;
        const void *bottom;
        size_t room;
        __sanitizer_start_switch_fiber(&mine, c->bottom, c->room);
        __sanitizer_finish_switch_fiber(c->fake, &bottom, &room);
        c->fake = NULL;
        __sanitizer_start_switch_fiber(NULL, bottom, room);
        __sanitizer_finish_switch_fiber(mine, NULL, NULL);
}

static void asan_forget(rn_coro *c)
{
        if (!has_asan())
                return;
        asan_drop_fake(c);
        /* Below sp every function took its redzones away when it returned. */
        char *sp = c->sp ? c->sp : c->stack.low, *high = c->stack.low + c->stack.size;
        __asan_unpoison_memory_region(sp, (size_t)(high - sp));
}

/* ---- ThreadSanitizer ---- */

extern void *__tsan_get_current_fiber(void) __attribute__((weak));
extern void *__tsan_create_fiber(unsigned flags) __attribute__((weak));
extern void __tsan_destroy_fiber(void *fiber) __attribute__((weak));
extern void __tsan_switch_to_fiber(void *fiber, unsigned flags) __attribute__((weak));
extern size_t __tsan_testonly_shadow_stack_current_size(void) __attribute__((weak)); /* declared by neither compiler */
extern void __tsan_func_exit(void) __attribute__((weak));

enum { TSAN_NO_SYNC = 1 }; /* __tsan_switch_to_fiber_no_sync */

static bool has_tsan(void)
{
        return __tsan_switch_to_fiber && __tsan_release && __tsan_acquire;
}

static void tsan_thread(rn_coro *c)
{
        if (has_tsan())
                c->fiber = __tsan_get_current_fiber();
}

static void tsan_depart(const rn_coro *to, unsigned flags)
{
        if (has_tsan())
                __tsan_switch_to_fiber(to->fiber, flags & RN_CORO_NO_SYNC ? TSAN_NO_SYNC : 0);
}

static void tsan_make(rn_coro *c)
{
        if (has_tsan())
                c->fiber = __tsan_create_fiber(0);
}

static void tsan_forget(rn_coro *c)
{
        if (!has_tsan())
                return;
        void *mine = __tsan_get_current_fiber();
        __tsan_release(c);
        __tsan_switch_to_fiber(c->fiber, TSAN_NO_SYNC);
        __tsan_acquire(c);
        while (__tsan_testonly_shadow_stack_current_size() > 0)
                __tsan_func_exit();
        __tsan_switch_to_fiber(mine, TSAN_NO_SYNC);
}

static void tsan_join(rn_coro *c)
{
        if (!has_tsan())
                return;
        void *mine = __tsan_get_current_fiber();
        __tsan_switch_to_fiber(c->fiber, TSAN_NO_SYNC);
        __tsan_release(c);
        __tsan_switch_to_fiber(mine, TSAN_NO_SYNC);
        __tsan_acquire(c);
}

static void tsan_free(rn_coro *c)
{
        if (!has_tsan())
                return;
        tsan_join(c);
        __tsan_destroy_fiber(c->fiber);
}

/* ---- C++ ---- */

/* Of the Itanium ABI, in libstdc++ and libc++abi: two words. NULL: no C++ in this program when it started. */
extern void *__cxa_get_globals(void) __attribute__((weak));

static rn_aptr opened_later; /* the same, of a runtime that was told of */

static void **exceptions_here(void)
{
        void *(*later)(void) = (void *(*)(void))(uintptr_t)rn_loadptr(&opened_later);
        return __cxa_get_globals ? __cxa_get_globals() : later ? later() : NULL;
}

/* Words that are in use may be those of a coroutine that is stopped: they would be taken for the running one's. */
int rn_coro_keep_exceptions(rn_coro *running, void *(*globals)(void))
{
        void *none = NULL;
        if (__cxa_get_globals)
                return globals == __cxa_get_globals ? 0 : -EEXIST;
        void **now = running && !running->catching ? globals() : NULL;
        if (now && (now[0] || now[1]))
                return -EBUSY;
        if (!rn_casptr(&opened_later, &none, (void *)(uintptr_t)globals) && none != (void *)(uintptr_t)globals)
                return -EEXIST;
        if (now)
                running->catching = now;
        return 0;
}

static inline void exchange_exceptions(rn_coro *from, rn_coro *to)
{
        void **now = from->catching;
        if (!now)
                return;
        memcpy(from->caught, now, sizeof from->caught);
        memcpy(now, to->caught, sizeof to->caught);
        to->catching = now;
}

static rn_aptr tell_of_throw;

void rn_coro_on_throw(void (*tell)(void))
{
        rn_storeptr(&tell_of_throw, (void *)(uintptr_t)tell);
}

/* What the unwinder asks about the outermost frame (swap.h). It looks for a handler first, and comes here when there is
 * none. */
_Unwind_Reason_Code rn_swap_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class kind,
                                        struct _Unwind_Exception *thrown, struct _Unwind_Context *context)
{
        (void)version;
        (void)kind;
        (void)thrown;
        (void)context;
        void (*tell)(void) = (void (*)(void))(uintptr_t)rn_loadptr(&tell_of_throw);
        if (actions & _UA_SEARCH_PHASE && tell)
                tell();
        return _URC_CONTINUE_UNWIND;
}

/* ---- the contract ---- */

/* Does this frame lie where c's frames lie? */
static inline bool runs_here(const rn_coro *c, const void *frame)
{
        uintptr_t at = (uintptr_t)frame, low = (uintptr_t)c->stack.low;
        return !c->stack.low || at - low < c->stack.size;
}

static void coro_begin(void *arg)
{
        rn_coro *c = arg;
        if (rn_sanitized())
                asan_arrive(c);
        c->entry(c->arg);
        __builtin_trap(); /* entry returned: there is nowhere to go on */
}

void rn_coro_of_thread(rn_coro *c)
{
        *c = (rn_coro){.catching = exceptions_here()};
        asan_thread(c);
        tsan_thread(c);
}

int rn_coro_make(rn_coro *c, size_t stack, void (*entry)(void *), void *arg)
{
        RN_ASSERT(entry, "a coroutine has something to do");
        rn_coro made = {0};
        int rc = rn_stack_make(&made.stack, stack);
        if (rc != 0)
                return rc;
        made.bottom = made.stack.low;
        made.room = made.stack.size;
        *c = made;
        tsan_make(c);
        rn_coro_remake(c, entry, arg);
        return 0;
}

void rn_coro_remake(rn_coro *c, void (*entry)(void *), void *arg)
{
        RN_ASSERT(c->stack.low, "a thread's own stack is not made anew");
        RN_ASSERT(!runs_here(c, __builtin_frame_address(0)), "a coroutine that is made anew does not run");
        asan_forget(c);
        tsan_forget(c);
        c->entry = entry;
        c->arg = arg;
        c->err = 0;
        c->caught[0] = c->caught[1] = NULL;
        c->sp = rn_swap_frame(c->stack.low, c->stack.size, coro_begin, c);
}

__attribute__((cold, noinline)) static void coro_switch_told(rn_coro *from, rn_coro *to, unsigned flags)
{
        asan_depart(&from->fake, to);
        tsan_depart(to, flags);
        errno = to->err;
        rn_swap(&from->sp, to->sp);
        asan_arrive(from);
}

void rn_coro_switch(rn_coro *from, rn_coro *to, unsigned flags)
{
        RN_ASSERT(from != to && runs_here(from, __builtin_frame_address(0)),
                  "the coroutine that stops is the one that runs");
        RN_ASSERT(to->sp, "the coroutine that goes on is new or was stopped");
        from->err = errno;
        exchange_exceptions(from, to);
        if (rn_sanitized()) {
                coro_switch_told(from, to, flags);
                return;
        }
        errno = to->err;
        rn_swap(&from->sp, to->sp); /* nothing is left to do after it: it becomes a jump */
}

void rn_coro_leave(rn_coro *from, rn_coro *to, unsigned flags)
{
        RN_ASSERT(from != to && runs_here(from, __builtin_frame_address(0)),
                  "the coroutine that ends is the one that runs");
        RN_ASSERT(to->sp, "the coroutine that goes on is new or was stopped");
        exchange_exceptions(from, to);
        if (rn_sanitized()) {
                asan_depart(NULL, to);
                tsan_depart(to, flags);
        }
        errno = to->err;
        rn_swap(&from->sp, to->sp);
        __builtin_trap(); /* somebody switched to one that has ended */
}

void rn_coro_join(rn_coro *c)
{
        if (c->stack.low)
                tsan_join(c);
}

void rn_coro_free(rn_coro *c)
{
        if (!c->stack.low)
                return;
        RN_ASSERT(!runs_here(c, __builtin_frame_address(0)), "a coroutine that is freed does not run");
        asan_forget(c);
        tsan_free(c);
        rn_stack_free(&c->stack);
        *c = (rn_coro){0};
}
