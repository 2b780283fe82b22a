/* SPDX-License-Identifier: Apache-2.0 */
/* Macros and types that every other header uses, and the version of the library. */
#ifndef REIN_BASE_H
#define REIN_BASE_H

#if defined __cplusplus && defined __GNUC__
#pragma GCC system_header /* options struct fields left out are zero on purpose: no -Wmissing-field-initializers */
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define REIN_VERSION "0.1.0" /* of these headers; rein_version tells that of the library */

/* What declarations here have: a call of the library; a result that must be looked at; a format and its arguments. */
#if defined __GNUC__
#define REIN_API          __attribute__((visibility("default")))
#define REIN_MUST         __attribute__((warn_unused_result))
#define REIN_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define REIN_API
#define REIN_MUST
#define REIN_PRINTF(f, a)
#endif

/* An options struct on the spot: size first, all that is not named zero. In C++ this needs C++20. */
#ifdef __cplusplus
#define REIN_OPTS(T, ...) (&static_cast<const T &>(T{.size = sizeof(T), __VA_ARGS__}))
#else
#define REIN_OPTS(T, ...) (&(T){.size = sizeof(T), __VA_ARGS__})
#endif

/* The place of a call, "dir/file.c:41": a string that lives for ever. The macros named like a function pass it to the
 * function's `_at` form, so that errors, receipts and dumps can say where a thing was made. */
#define REIN_STR_(x) #x
#define REIN_STR(x)  REIN_STR_(x)
#define REIN_HERE    (__FILE__ ":" REIN_STR(__LINE__))

#ifdef __cplusplus
extern "C" {
#endif

/* The function of a job, or of anything else that rein runs for you; its type is that of a C11 thread's function. A
 * negative return says that it failed. */
typedef int (*rein_fn)(void *arg);

/* Tell the library's version. Blocks: no. Any thread. Returns: "1.2.3", a string that lives for ever. Since 0.1. */
REIN_API const char *rein_version(void);

#ifdef __cplusplus
}
#endif
#endif
