/* SPDX-License-Identifier: Apache-2.0 */
/* What is different from processor to processor: one file implements it, switch_x86_64.S, switch_aarch64.S or
 * switch_ucontext.c. Called by coro.c alone. */
#ifndef RN_CORO_SWAP_H
#define RN_CORO_SWAP_H

#include <stddef.h>
#include <unwind.h>

/* Save the registers on this stack and their place in *save, go on with those at `to`. Returns when somebody swaps to
 * what *save was. */
void rn_swap(void **save, void *to);

/* What rn_swap goes on with as main(arg) on the stack of size bytes from low on; main never returns, and an unwinder
 * that comes to it finds its caller to be the outermost frame, whose personality (but for ucontext) is
 * rn_swap_personality of coro.c. */
void *rn_swap_frame(char *low, size_t size, void (*main)(void *), void *arg);

_Unwind_Reason_Code rn_swap_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class kind,
                                        struct _Unwind_Exception *thrown, struct _Unwind_Context *context);

#endif
