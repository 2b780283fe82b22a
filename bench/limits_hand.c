/* SPDX-License-Identifier: Apache-2.0 */
/* Limits for handing jobs over (one producer, one consumer, a ring of 16-byte jobs; and for contrast the textbook pool
 * of mutex, condition variable and malloc), and for switching coroutines. */
#include "limits_parts.h"
#include <ucontext.h>

/* ---- a ring, published one job or a batch at a time ---- */

enum { RING = 4096 };

static struct {
        _Alignas(128) unsigned long head;
        _Alignas(128) unsigned long tail;
        _Alignas(128) struct {
                void (*fn)(void *);
                void *arg;
        } job[RING];
} ring;

static long ran;

static void one_job(void *arg)
{
        (void)arg;
        ran++;
}

static void *ring_consumer(void *arg)
{
        unsigned long n = (unsigned long)arg;
        unsigned long tail = 0;

        while (tail < n) {
                unsigned long head = __atomic_load_n(&ring.head, __ATOMIC_ACQUIRE);

                if (head == tail) {
                        cpu_pause();
                        continue;
                }
                for (; tail < head; tail++)
                        ring.job[tail % RING].fn(ring.job[tail % RING].arg);
                __atomic_store_n(&ring.tail, tail, __ATOMIC_RELEASE);
        }
        return NULL;
}

static void hand_ring(unsigned batch)
{
        unsigned long n = 5000000;
        unsigned long head = 0;
        unsigned long tail = 0;
        pthread_t t;
        uint64_t t0;

        ring.head = 0;
        ring.tail = 0;
        pthread_create(&t, NULL, ring_consumer, (void *)n);
        t0 = now_ns();
        while (head < n) {
                while (head - tail >= RING - batch)
                        tail = __atomic_load_n(&ring.tail, __ATOMIC_ACQUIRE);
                ring.job[head % RING].fn = one_job;
                ring.job[head % RING].arg = NULL;
                head++;
                if (head % batch == 0 || head == n)
                        __atomic_store_n(&ring.head, head, __ATOMIC_RELEASE);
        }
        pthread_join(t, NULL);
        emit_per("pool.ff", param("kind=spsc-spin;batch=%u", batch), t0, (long)n, "ns/job");
}

/* ---- the textbook pool ---- */

struct node {
        struct node *next;
        void (*fn)(void *);
        void *arg;
        int state;
};

static struct {
        pthread_mutex_t lock;
        pthread_cond_t cond;
        struct node *head;
        struct node **end;
        bool stop;
} textbook = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &textbook.head, false};

static void nop(void *arg)
{
        (void)arg;
}

static void *textbook_worker(void *arg)
{
        (void)arg;
        for (;;) {
                struct node *n;

                pthread_mutex_lock(&textbook.lock);
                while (!textbook.head && !textbook.stop)
                        pthread_cond_wait(&textbook.cond, &textbook.lock);
                n = textbook.head;
                if (!n) {
                        pthread_mutex_unlock(&textbook.lock);
                        return NULL;
                }
                textbook.head = n->next;
                if (!textbook.head)
                        textbook.end = &textbook.head;
                pthread_mutex_unlock(&textbook.lock);
                n->fn(n->arg);
                free(n);
                __atomic_fetch_add(&bench_done, 1, __ATOMIC_SEQ_CST);
        }
}

static void textbook_submit(void)
{
        struct node *n = malloc(sizeof *n);

        n->fn = nop;
        n->arg = NULL;
        n->next = NULL;
        pthread_mutex_lock(&textbook.lock);
        *textbook.end = n;
        textbook.end = &n->next;
        pthread_mutex_unlock(&textbook.lock);
        pthread_cond_signal(&textbook.cond);
}

static void hand_textbook(int threads)
{
        long n = 1000000;
        pthread_t t[8];
        uint64_t t0;

        textbook.stop = false;
        bench_done = 0;
        for (int i = 0; i < threads; i++)
                pthread_create(&t[i], NULL, textbook_worker, NULL);
        nap_us(2000);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                textbook_submit();
        while (__atomic_load_n(&bench_done, __ATOMIC_SEQ_CST) < n)
                sched_yield();
        emit_per("pool.ff", param("kind=textbook-mutex-cv;t=%d", threads), t0, n, "ns/job");
        pthread_mutex_lock(&textbook.lock);
        textbook.stop = true;
        pthread_cond_broadcast(&textbook.cond);
        pthread_mutex_unlock(&textbook.lock);
        for (int i = 0; i < threads; i++)
                pthread_join(t[i], NULL);
}

/* No second thread at all: what malloc and an indirect call cost. */
static void hand_inline(void)
{
        void (*volatile fn)(void *) = one_job;
        long n = 10000000;
        uint64_t t0 = now_ns();

        for (long i = 0; i < n; i++) {
                struct node *x = malloc(sizeof *x);

                x->fn = fn;
                x->fn(NULL);
                free(x);
        }
        emit_per("pool.ff", "kind=inline-malloc", t0, n, "ns/job");
}

void limits_hand(int threads, int producers)
{
        (void)threads;
        (void)producers;
        hand_ring(1);
        hand_ring(64);
        hand_textbook(1);
        hand_textbook(2);
        hand_textbook(4);
        hand_inline();
}

/* ---- coroutine switches ---- */

#ifdef __x86_64__
struct stack_at {
        void *sp;
};

static struct stack_at bare_main;
static struct stack_at bare_co;

/* Six callee-saved registers and the stack pointer. */
__attribute__((naked, noinline)) static void bare_switch(struct stack_at *from, struct stack_at *to)
{
        (void)from;
        (void)to;
        __asm__ volatile("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15;"
                         "mov %rsp,(%rdi); mov (%rsi),%rsp;"
                         "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp;"
                         "pop %rdx; jmp *%rdx");
}

static void bare_body(void)
{
        for (;;)
                bare_switch(&bare_co, &bare_main);
}

static void co_bare(void)
{
        enum { STACK = 65536 };
        char *stack = malloc(STACK);
        void **top = (void **)((uintptr_t)(stack + STACK - 64) & ~(uintptr_t)15);
        long n = 20000000;
        uint64_t t0;

        *--top = NULL;
        *--top = (void *)bare_body;
        for (int i = 0; i < 6; i++)
                *--top = NULL;
        bare_co.sp = top;
        bare_switch(&bare_main, &bare_co);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                bare_switch(&bare_main, &bare_co);
        emit_per("co.switch", "kind=bare-asm", t0, 2 * n, "ns");
        free(stack);
}
#else
static void co_bare(void)
{
}
#endif

static ucontext_t u_main;
static ucontext_t u_co;

static void u_body(void)
{
        for (;;)
                swapcontext(&u_co, &u_main);
}

void limits_co(int threads, int producers)
{
        long n = 500000;
        void *stack = malloc(65536);
        uint64_t t0;

        (void)threads;
        (void)producers;
        co_bare();
        getcontext(&u_co);
        u_co.uc_stack.ss_sp = stack;
        u_co.uc_stack.ss_size = 65536;
        u_co.uc_link = &u_main;
        makecontext(&u_co, u_body, 0);
        swapcontext(&u_main, &u_co);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                swapcontext(&u_main, &u_co);
        emit_per("co.switch", "kind=ucontext", t0, 2 * n, "ns");
        free(stack);
}
