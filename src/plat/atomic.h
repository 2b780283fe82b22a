/* SPDX-License-Identifier: Apache-2.0 */
/* The library's only atomics. Every operation is sequentially consistent, but for the few whose comment says otherwise:
 * nobody has to argue about an order, and the door needs it (acquire/release there is a Dekker bug that neither TSan nor
 * sequential exploration sees).
 *
 * Each operation is one scheduling point in the exploring build (REIN_EXPLORE), where the observer chooses who goes on.
 * In every other build there is none. */
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
#define RN_EXPLORING 1
#else
#define RN_EXPLORING 0
#endif

/* ADD: an update whose result nobody looks at, so that two of them commute. */
typedef enum rn_access { RN_ACCESS_READ, RN_ACCESS_WRITE, RN_ACCESS_UPDATE, RN_ACCESS_ADD } rn_access;

#if RN_EXPLORING
/* before: another thread may go first. read: what a load gets, which in a weak memory need not be `newest`. wrote: a
 * store, or the store of an update, took place. NULL: the real thing. Set by the explorer while it runs. */
typedef struct rn_observer {
        void (*before)(rn_access access, const volatile void *where);
        uint64_t (*read)(const volatile void *where, uint64_t newest, rn_access access);
        void (*wrote)(const volatile void *where, uint64_t old, uint64_t now, rn_access access);
} rn_observer;

extern const rn_observer *rn_observe;
#define RN_POINT(access, where) (rn_observe ? rn_observe->before(access, where) : (void)0)
#define RN_READ(T, access, where, newest)                                                                              \
        (rn_observe ? (T)(uintptr_t)rn_observe->read(where, (uint64_t)(uintptr_t)(newest), access) : (newest))
#define RN_WROTE(access, where, old, now)                                                                              \
        (rn_observe ? rn_observe->wrote(where, (uint64_t)(uintptr_t)(old), (uint64_t)(uintptr_t)(now), access)         \
                    : (void)0)
#else
#define RN_POINT(access, where)           ((void)0)
#define RN_READ(T, access, where, newest) (newest)
#define RN_WROTE(access, where, old, now) ((void)0)
#endif

#define RN_ATOMIC_OPS(T, A, S)                                                                                            \
        static inline T rn_load##S(const A *a)                                                                            \
        {                                                                                                                 \
                RN_POINT(RN_ACCESS_READ, a);                                                                              \
                return RN_READ(T, RN_ACCESS_READ, a, atomic_load(&a->v));                                                 \
        }                                                                                                                 \
        static inline void rn_store##S(A *a, T x)                                                                         \
        {                                                                                                                 \
                RN_POINT(RN_ACCESS_WRITE, a);                                                                             \
                RN_WROTE(RN_ACCESS_WRITE, a, atomic_load(&a->v), x);                                                      \
                atomic_store(&a->v, x);                                                                                   \
        }                                                                                                                 \
        /* The first value of a word whose record no other thread has yet, or only one that is late and will see so by \
         * the record's generation: release is enough, and spares a locked instruction. */  \
        static inline void rn_init##S(A *a, T x)                                                                          \
        {                                                                                                                 \
                RN_POINT(RN_ACCESS_WRITE, a);                                                                             \
                RN_WROTE(RN_ACCESS_WRITE, a, atomic_load(&a->v), x);                                                      \
                atomic_store_explicit(&a->v, x, RN_EXPLORING ? memory_order_seq_cst : memory_order_release);              \
        }                                                                                                                 \
        /* Release, no scheduling point: for words that others may look at late, and by which nobody decides anything,  \
         * or only with the lock held under which it was written. */ \
        static inline void rn_tell##S(A *a, T x)                                                                          \
        {                                                                                                                 \
                atomic_store_explicit(&a->v, x, memory_order_release);                                                    \
        }                                                                                                                 \
        static inline T rn_swap##S(A *a, T x)                                                                             \
        {                                                                                                                 \
                RN_POINT(RN_ACCESS_UPDATE, a);                                                                            \
                T old = atomic_exchange(&a->v, x);                                                                        \
                RN_WROTE(RN_ACCESS_UPDATE, a, old, x);                                                                    \
                return old;                                                                                               \
        }                                                                                                                 \
        /* true: *a was *old and is now x; false: *old is what *a is */                                                   \
        static inline bool rn_cas##S(A *a, T *old, T x)                                                                   \
        {                                                                                                                 \
                RN_POINT(RN_ACCESS_UPDATE, a);                                                                            \
                bool done = atomic_compare_exchange_strong(&a->v, old, x);                                                \
                if (done)                                                                                                 \
                        RN_WROTE(RN_ACCESS_UPDATE, a, *old, x);                                                           \
                else                                                                                                      \
                        (void)RN_READ(T, RN_ACCESS_UPDATE, a, *old);                                                      \
                return done;                                                                                              \
        }

RN_ATOMIC_OPS(uint32_t, rn_a32, 32)
RN_ATOMIC_OPS(int64_t, rn_a64, 64)
RN_ATOMIC_OPS(void *, rn_aptr, ptr)

/* The real thing in every build, and no scheduling point. */
static inline uint32_t rn_get32(const rn_a32 *a)
{
        return atomic_load(&a->v);
}

static inline void rn_set32(rn_a32 *a, uint32_t x)
{
        atomic_store(&a->v, x);
}

/* Relaxed, and no scheduling point: for words whose value matters only to the thread that wrote it. */
static inline void *rn_peekptr(const rn_aptr *a)
{
        return atomic_load_explicit(&a->v, memory_order_relaxed);
}

static inline uint32_t rn_peek32(const rn_a32 *a)
{
        return atomic_load_explicit(&a->v, memory_order_relaxed);
}

static inline int64_t rn_peek64(const rn_a64 *a)
{
        return atomic_load_explicit(&a->v, memory_order_relaxed);
}

static inline void rn_add32(rn_a32 *a, uint32_t x)
{
        RN_POINT(RN_ACCESS_ADD, a);
        uint32_t old = atomic_fetch_add(&a->v, x);
        (void)old;
        RN_WROTE(RN_ACCESS_ADD, a, old, old + x);
}

/* The value after the operation. */
static inline uint32_t rn_sub32(rn_a32 *a, uint32_t x)
{
        RN_POINT(RN_ACCESS_UPDATE, a);
        uint32_t old = atomic_fetch_sub(&a->v, x);
        RN_WROTE(RN_ACCESS_UPDATE, a, old, old - x);
        return old - x;
}

#endif
