/* SPDX-License-Identifier: Apache-2.0 */
/* The library's only atomics. Every operation is sequentially consistent, but for the few whose comment says otherwise:
 * nobody has to argue about an order, and the door needs it (acquire/release there is a Dekker bug that neither TSan nor
 * sequential exploration sees).
 *
 * The order of each operation is written once, in its `order`. The processor gets it, and the observer gets the same: the
 * weak memory of the explorer shows what that order allows, and no other.
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

/* ADD: an update whose result nobody looks at, so that two of them commute. TELL: a store by rn_tell. */
typedef enum rn_access { RN_ACCESS_READ, RN_ACCESS_WRITE, RN_ACCESS_TELL, RN_ACCESS_UPDATE, RN_ACCESS_ADD } rn_access;

#if RN_EXPLORING
/* before: another thread may go first. read: what a load gets, which in a weak memory need not be `newest`. wrote: a
 * store, or the store of an update, is what follows, or took place. after: it did. at_rest: nobody is in the middle of
 * a step, so that records add up. NULL: the real thing. Set by the explorer while it runs. */
typedef struct rn_observer {
        void (*before)(rn_access access, const volatile void *where);
        void (*after)(void);
        bool (*at_rest)(void);
        uint64_t (*read)(const volatile void *where, uint64_t newest, rn_access access, memory_order order);
        void (*wrote)(const volatile void *where, uint64_t old, uint64_t now, rn_access access, memory_order order);
} rn_observer;

extern const rn_observer *rn_observe;
#define RN_POINT(access, where) (rn_observe ? rn_observe->before(access, where) : (void)0)
#define RN_DONE()               (rn_observe ? rn_observe->after() : (void)0)
#define RN_AT_REST()            (!rn_observe || rn_observe->at_rest())
#define RN_READ(T, access, where, newest, order)                                                                       \
        (rn_observe ? (T)(uintptr_t)rn_observe->read(where, (uint64_t)(uintptr_t)(newest), access, order) : (newest))
#define RN_WROTE(access, where, old, now, order)                                                                       \
        (rn_observe ? rn_observe->wrote(where, (uint64_t)(uintptr_t)(old), (uint64_t)(uintptr_t)(now), access, order)  \
                    : (void)0)
#else
#define RN_POINT(access, where) ((void)0)
#define RN_DONE()               ((void)0)
#if defined                                                                                                            \
        REIN_TSAN /* it knows of no order between the steps of a simulation: there the simulator alone asks, in quiet */
#define RN_AT_REST() (!rn_virtual())
#else
#define RN_AT_REST() true
#endif
#define RN_READ(T, access, where, newest, order) (newest)
#define RN_WROTE(access, where, old, now, order) ((void)0)
#endif

/* What is there, for the observer alone. */
#define RN_NOW(a) atomic_load_explicit(&(a)->v, memory_order_relaxed)
/* Of a compare-and-swap that does not swap: it is a load then. */
#define RN_FAILED(order)                                                                                               \
        ((order) == memory_order_acq_rel   ? memory_order_acquire                                                      \
         : (order) == memory_order_release ? memory_order_relaxed                                                      \
                                           : (order))

/* rn_load, rn_store, rn_swap, rn_cas   sequentially consistent. rn_cas: true when *a was *old and is now x; false when *old
 *                                      is what *a is
 * rn_peek   relaxed, and no scheduling point: for a word that only the thread itself writes; for a hint; and where a
 *           stronger operation has told the thread of it before
 * rn_init   release: the first value of a word whose record no other thread has yet, or only one that is late, and will
 *           see so by the record's generation. It spares a locked instruction
 * rn_tell   release: for a word that others may look at late, and by which nobody decides anything, or only with the lock
 *           held under which it was written. A scheduling point only where the search can afford it
 *
 * Where one of the last three is called, a comment says which operation it pairs with. */
#define RN_ATOMIC_OPS(T, A, S)                                                                                         \
        static inline T rn_load##S(const A *a)                                                                         \
        {                                                                                                              \
                const memory_order order = memory_order_seq_cst;                                                       \
                RN_POINT(RN_ACCESS_READ, a);                                                                           \
                return RN_READ(T, RN_ACCESS_READ, a, atomic_load_explicit(&a->v, order), order);                       \
        }                                                                                                              \
        static inline T rn_peek##S(const A *a)                                                                         \
        {                                                                                                              \
                const memory_order order = memory_order_relaxed;                                                       \
                return RN_READ(T, RN_ACCESS_READ, a, atomic_load_explicit(&a->v, order), order);                       \
        }                                                                                                              \
        static inline void rn_store##S(A *a, T x)                                                                      \
        {                                                                                                              \
                const memory_order order = memory_order_seq_cst;                                                       \
                RN_POINT(RN_ACCESS_WRITE, a);                                                                          \
                RN_WROTE(RN_ACCESS_WRITE, a, RN_NOW(a), x, order);                                                     \
                atomic_store_explicit(&a->v, x, order);                                                                \
                RN_DONE();                                                                                             \
        }                                                                                                              \
        static inline void rn_init##S(A *a, T x)                                                                       \
        {                                                                                                              \
                const memory_order order = memory_order_release;                                                       \
                RN_POINT(RN_ACCESS_WRITE, a);                                                                          \
                RN_WROTE(RN_ACCESS_WRITE, a, RN_NOW(a), x, order);                                                     \
                atomic_store_explicit(&a->v, x, order);                                                                \
                RN_DONE();                                                                                             \
        }                                                                                                              \
        static inline void rn_tell##S(A *a, T x)                                                                       \
        {                                                                                                              \
                const memory_order order = memory_order_release;                                                       \
                RN_POINT(RN_ACCESS_TELL, a);                                                                           \
                RN_WROTE(RN_ACCESS_TELL, a, RN_NOW(a), x, order);                                                      \
                atomic_store_explicit(&a->v, x, order);                                                                \
                RN_DONE();                                                                                             \
        }                                                                                                              \
        static inline T rn_swap##S(A *a, T x)                                                                          \
        {                                                                                                              \
                const memory_order order = memory_order_seq_cst;                                                       \
                RN_POINT(RN_ACCESS_UPDATE, a);                                                                         \
                T old = atomic_exchange_explicit(&a->v, x, order);                                                     \
                RN_WROTE(RN_ACCESS_UPDATE, a, old, x, order);                                                          \
                RN_DONE();                                                                                             \
                return old;                                                                                            \
        }                                                                                                              \
        static inline bool rn_cas##S(A *a, T *old, T x)                                                                \
        {                                                                                                              \
                const memory_order order = memory_order_seq_cst;                                                       \
                RN_POINT(RN_ACCESS_UPDATE, a);                                                                         \
                bool done = atomic_compare_exchange_strong_explicit(&a->v, old, x, order, RN_FAILED(order));           \
                if (!done) {                                                                                           \
                        (void)RN_READ(T, RN_ACCESS_UPDATE, a, *old, RN_FAILED(order));                                 \
                        return false;                                                                                  \
                }                                                                                                      \
                RN_WROTE(RN_ACCESS_UPDATE, a, *old, x, order);                                                         \
                RN_DONE();                                                                                             \
                return true;                                                                                           \
        }

RN_ATOMIC_OPS(uint32_t, rn_a32, 32)
RN_ATOMIC_OPS(int64_t, rn_a64, 64)
RN_ATOMIC_OPS(void *, rn_aptr, ptr)

static inline void rn_add32(rn_a32 *a, uint32_t x)
{
        const memory_order order = memory_order_seq_cst;
        RN_POINT(RN_ACCESS_ADD, a);
        uint32_t old = atomic_fetch_add_explicit(&a->v, x, order);
        (void)old;
        RN_WROTE(RN_ACCESS_ADD, a, old, old + x, order);
        RN_DONE();
}

/* The value after the operation. */
static inline uint32_t rn_sub32(rn_a32 *a, uint32_t x)
{
        const memory_order order = memory_order_seq_cst;
        RN_POINT(RN_ACCESS_UPDATE, a);
        uint32_t old = atomic_fetch_sub_explicit(&a->v, x, order);
        RN_WROTE(RN_ACCESS_UPDATE, a, old, old - x, order);
        RN_DONE();
        return old - x;
}

/* ---- not observed ----
 * Relaxed, no scheduling point, and what is there in every build: for the explorer itself; for what RN_ASSERT and RN_SOUND
 * ask; and for the few words by which src/plat knows whether there is an explorer, which are read more often than anything
 * else. They hand nothing over but their value. */

static inline uint32_t rn_get32(const rn_a32 *a)
{
        return atomic_load_explicit(&a->v, memory_order_relaxed);
}

static inline int64_t rn_get64(const rn_a64 *a)
{
        return atomic_load_explicit(&a->v, memory_order_relaxed);
}

static inline void *rn_getptr(const rn_aptr *a)
{
        return atomic_load_explicit(&a->v, memory_order_relaxed);
}

static inline void rn_set32(rn_a32 *a, uint32_t x)
{
        atomic_store_explicit(&a->v, x, memory_order_relaxed);
}

#endif
