/* SPDX-License-Identifier: Apache-2.0 */
/* What all wrappers stand on: the tasks and objects of this schedule, queues, memory that ends with the schedule. */
#include "layer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256, CHUNK = 64 * 1024, MOST_TEXT = 256 };

typedef struct chunk {
        struct chunk *next;
        size_t used;
        _Alignas(16) char bytes[CHUNK];
} chunk;

static bool attached;   /* before that a sanitizer's runtime may not be ready for a call of rein's */
static uint64_t number; /* of the schedule all of this is about */
static chunk *chunks;   /* kept for the next schedule */
static rn_p_thread **threads, **of_task;
static uint32_t thread_count, created_count, task_room;
static rn_p_object *table[BUCKETS];
static uint32_t numbers[RN_P_KINDS];

/* ---- the thread sanitizer, if it is there ---- */

extern void __tsan_acquire(void *at) __attribute__((weak));
extern void __tsan_release(void *at) __attribute__((weak));

void rn_p_gives(void *at)
{
        if (__tsan_release)
                __tsan_release(at);
}

void rn_p_gets(void *at)
{
        if (__tsan_acquire)
                __tsan_acquire(at);
}

/* ---- memory ---- */

_Noreturn void rn_p_refuse(const char *fmt, ...)
{
        char text[MOST_TEXT];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        rein_sim_refuse(text);
        abort();
}

/* Not by memset, here and below: the thread sanitizer watches that one. */
static void layer_zero(volatile char *p, size_t n)
{
        while (n-- > 0)
                *p++ = 0;
}

static REIN_PRINTF(3, 0) void layer_print(volatile char *to, size_t n, const char *fmt, va_list ap)
{
        char text[MOST_TEXT];
        int length = vsnprintf(text, n < sizeof text ? n : sizeof text, fmt, ap);
        for (size_t i = 0; length >= 0 && i < n; i++) {
                to[i] = text[i];
                if (!text[i])
                        return;
        }
}

void *rn_p_alloc(size_t n)
{
        n = (n + 15) & ~(size_t)15;
        chunk **at = &chunks;
        while (*at && (*at)->used + n > CHUNK)
                at = &(*at)->next;
        if (!*at)
                *at = n <= CHUNK ? calloc(1, sizeof **at) : NULL;
        if (!*at)
                rn_p_refuse("needs more memory than there is for what the layer for pthreads must remember");
        RN_P_ASSERT((*at)->used + n <= CHUNK, "what is given out lies in its chunk");
        char *p = (*at)->bytes + (*at)->used;
        (*at)->used += n;
        layer_zero(p, n);
        return p;
}

static void layer_reset(void)
{
        number = rein_sim_number();
        for (chunk *c = chunks; c; c = c->next)
                c->used = 0;
        threads = of_task = NULL;
        thread_count = created_count = task_room = 0;
        for (size_t i = 0; i < BUCKETS; i++)
                table[i] = NULL;
        for (size_t i = 0; i < RN_P_KINDS; i++)
                numbers[i] = 0;
        rn_p_keys_reset();
}

/* ---- threads ---- */

enum { FIRST_ROOM = 64 };

static rn_p_thread **layer_longer(rn_p_thread *const *list, uint32_t had, uint32_t room)
{
        rn_p_thread **new = rn_p_alloc(room * sizeof(rn_p_thread *));
        for (uint32_t i = 0; i < had; i++)
                new[i] = list[i];
        return new;
}

void rn_p_name(rn_p_thread *t, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        layer_print(t->name, sizeof t->name, fmt, ap);
        va_end(ap);
}

rn_p_thread *rn_p_thread_new(void)
{
        rn_p_thread *t = rn_p_alloc(sizeof *t);
        if (thread_count % FIRST_ROOM == 0)
                threads = layer_longer(threads, thread_count, thread_count + FIRST_ROOM);
        RN_P_ASSERT(!threads[thread_count], "the number of a new thread is free");
        threads[thread_count++] = t;
        t->number = thread_count;
        return t;
}

uint32_t rn_p_count_created(void)
{
        return ++created_count;
}

rn_p_thread *rn_p_thread_of(pthread_t id)
{
        return id > 0 && id <= thread_count ? threads[id - 1] : NULL;
}

void rn_p_thread_runs(rn_p_thread *t)
{
        uint32_t task = rein_sim_self();
        while (task >= task_room) {
                of_task = layer_longer(of_task, task_room, task_room + FIRST_ROOM);
                task_room += FIRST_ROOM;
        }
        RN_P_ASSERT(!of_task[task] || of_task[task] == t, "a task of the simulation is one thread");
        of_task[task] = t;
}

rn_p_thread *rn_p_self(void)
{
        if (number != rein_sim_number())
                layer_reset();
        uint32_t task = rein_sim_self();
        if (task < task_room && of_task[task])
                return of_task[task];
        rn_p_thread *t = rn_p_thread_new();
        if (task == 0)
                rn_p_name(t, "main");
        else
                rn_p_name(t, "task %u", task);
        rn_p_thread_runs(t);
        return t;
}

bool rn_p_inside(void)
{
        return attached && rein_simulated();
}

rn_p_thread *rn_p_enter(const char *call)
{
        if (!rn_p_inside())
                return NULL;
        rein_sim_point(call);
        return rn_p_self();
}

/* Linked in by name, so that a program without a single wrapped call has its thread-locals swapped too. */
extern const char rn_sim_pthread_layer[];
const char rn_sim_pthread_layer[] = "rein's layer for pthreads";

static __attribute__((constructor)) void layer_attach(void)
{
        rein_sim_layer(rn_p_values_destroy);
        attached = true;
}

/* ---- objects ---- */

static rn_p_object **object_bucket(const void *at)
{
        return &table[((uintptr_t)at >> 3) * 0x9e3779b97f4a7c15u >> 56];
}

static rn_p_object **object_place_of(const void *at, rn_p_kind kind)
{
        rn_p_object **o = object_bucket(at);
        while (*o && ((*o)->at != at || (*o)->kind != kind))
                o = &(*o)->next;
        return o;
}

/* One that was forgotten may still be waited for; what comes after it at its place gets its number. */
rn_p_object *rn_p_object_of(const void *at, rn_p_kind kind)
{
        rn_p_object **place = object_place_of(at, kind), *before = *place;
        if (before && !before->forgotten)
                return before;
        rn_p_object *o = rn_p_alloc(sizeof *o);
        o->at = at;
        o->kind = kind;
        o->number = before ? before->number : ++numbers[kind];
        o->next = before ? before->next : NULL;
        *place = o;
        return o;
}

void rn_p_forget(const void *at, rn_p_kind kind)
{
        rn_p_object *o = *object_place_of(at, kind);
        RN_P_ASSERT(!o || o->at == at, "what is forgotten is what lies there");
        if (o)
                o->forgotten = true;
}

const char *rn_p_object_name(const rn_p_object *o, char text[static 32])
{
        static const char *const names[RN_P_KINDS] = {"mutex", "condition", "rwlock", "semaphore", "barrier", "once"};
        snprintf(text, 32, "%s #%u", names[o->kind], o->number);
        return text;
}

/* ---- waiting ---- */

/* The text is read by whoever finds that nobody can go on. */
void rn_p_say(rn_p_thread *me, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        layer_print(me->doing, sizeof me->doing, fmt, ap);
        va_end(ap);
}

void rn_p_queue_up(rn_p_thread *me, rn_p_queue *q)
{
        RN_P_ASSERT(!me->in, "a thread stands in one queue at a time");
        rn_p_thread **last = &q->first;
        while (*last)
                last = &(*last)->next;
        *last = me;
        me->next = NULL;
        me->in = q;
        me->rung = false;
}

static void thread_take_out(rn_p_thread *t)
{
        RN_P_ASSERT(t->in, "what is taken out of a queue stands in one");
        rn_p_thread **at = &t->in->first;
        while (*at && *at != t)
                at = &(*at)->next;
        RN_P_ASSERT(*at == t, "a thread is found in the queue that it stands in");
        if (*at)
                *at = t->next;
        t->in = NULL;
}

/* It may have been rung before it came here: what it did after it had queued up was a point too. */
int rn_p_sleep(rn_p_thread *me, int64_t until, bool spurious)
{
        while (!me->rung) {
                int rc = rein_sim_sleep_on(&me->rung, me->doing, REIN_TIME(until));
                if (!me->rung && (rc == REIN_ETIMEOUT || spurious)) {
                        thread_take_out(me);
                        return rc == REIN_ETIMEOUT ? ETIMEDOUT : EINTR;
                }
        }
        return 0;
}

int rn_p_wait(rn_p_thread *me, rn_p_queue *q, int64_t until)
{
        rn_p_queue_up(me, q);
        return rn_p_sleep(me, until, false);
}

static void thread_ring(rn_p_thread *t)
{
        RN_P_ASSERT(!t->rung, "a thread is rung once for a wait");
        thread_take_out(t);
        t->rung = true;
        rein_sim_wake(&t->rung, 1);
}

void rn_p_ring_one(rn_p_queue *q)
{
        uint32_t n = 0;
        for (const rn_p_thread *t = q->first; t; t = t->next)
                n++;
        if (n == 0)
                return;
        rn_p_thread *t = q->first;
        for (uint32_t i = n > 1 ? rein_sim_choose(n) : 0; i > 0 && t->next; i--)
                t = t->next;
        thread_ring(t);
}

/* Those who queue up meanwhile are not meant. */
void rn_p_ring_all(rn_p_queue *q)
{
        rn_p_queue now = *q;
        *q = (rn_p_queue){NULL};
        for (rn_p_thread *t = now.first; t; t = t->next)
                t->in = &now;
        while (now.first)
                thread_ring(now.first);
}
