/* SPDX-License-Identifier: Apache-2.0 */
/* The library's only atomics. Every operation is sequentially consistent: nobody has to argue about an order, and the
 * door needs it (acquire/release there is a Dekker bug that neither TSan nor sequential exploration sees).
 *
 * Each operation is one scheduling point in the exploring build (REIN_EXPLORE), where rn_point_hook chooses who goes on.
 * In every other build RN_POINT is nothing. */
#ifndef RN_PLAT_ATOMIC_H
#define RN_PLAT_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct rn_a32 {
        _Atomic(uint32_t) v;
} rn_a32;

typedef struct rn_a64 {
        _Atomic(int64_t) v;
} rn_a64;

typedef struct rn_aptr {
        _Atomic(void *) v;
} rn_aptr;

#if defined REIN_EXPLORE && REIN_EXPLORE
extern void (*rn_point_hook)(const volatile void *where);
#define RN_POINT(where) (rn_point_hook ? rn_point_hook(where) : (void)0)
#else
#define RN_POINT(where) ((void)0)
#endif

#define RN_ATOMIC_OPS(T, A, S)                                                                                         \
        static inline T rn_load##S(const A *a)                                                                         \
        {                                                                                                              \
                RN_POINT(a);                                                                                           \
                return atomic_load(&a->v);                                                                             \
        }                                                                                                              \
        static inline void rn_store##S(A *a, T x)                                                                      \
        {                                                                                                              \
                RN_POINT(a);                                                                                           \
                atomic_store(&a->v, x);                                                                                \
        }                                                                                                              \
        static inline T rn_swap##S(A *a, T x)                                                                          \
        {                                                                                                              \
                RN_POINT(a);                                                                                           \
                return atomic_exchange(&a->v, x);                                                                      \
        }                                                                                                              \
        /* true: *a was *old and is now x; false: *old is what *a is */                                                \
        static inline bool rn_cas##S(A *a, T *old, T x)                                                                \
        {                                                                                                              \
                RN_POINT(a);                                                                                           \
                return atomic_compare_exchange_strong(&a->v, old, x);                                                  \
        }

RN_ATOMIC_OPS(uint32_t, rn_a32, 32)
RN_ATOMIC_OPS(int64_t, rn_a64, 64)
RN_ATOMIC_OPS(void *, rn_aptr, ptr)

/* Both return the value after the operation. */
static inline uint32_t rn_add32(rn_a32 *a, uint32_t x)
{
        RN_POINT(a);
        return atomic_fetch_add(&a->v, x) + x;
}

static inline uint32_t rn_sub32(rn_a32 *a, uint32_t x)
{
        RN_POINT(a);
        return atomic_fetch_sub(&a->v, x) - x;
}

#endif
