/* SPDX-License-Identifier: Apache-2.0 */
#include "plat/sanitizer.h"

/* What the compilers call when they do not check in line. In every runtime; declared by no header. */
extern void __asan_load8(const void *at) __attribute__((weak));
extern void __tsan_read1(void *at) __attribute__((weak));
extern void __tsan_func_entry(void *caller) __attribute__((weak));
extern void __tsan_func_exit(void) __attribute__((weak));

/* To the sanitizer this is a read of the record by the caller of the public function. */
void rn_handle_is_used(const void *record, const void *caller)
{
        if (__asan_load8)
                __asan_load8(record);
        if (__tsan_read1 && __tsan_func_entry && __tsan_func_exit) {
                __tsan_func_entry((void *)(uintptr_t)caller);
                __tsan_read1((void *)(uintptr_t)record);
                __tsan_func_exit();
        }
}
