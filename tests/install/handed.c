/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which the library hands something of the program's from one thread or coroutine to another, in a program that
 * is right. sanitized.sh compiles it with a sanitizer and links it with the library that was built without: no report. The
 * data are plain words without a lock of their own, written before the hand-over and read after it. */
#include <pthread.h>
#include <rein/rein.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
        ((condition) ? (void)0 : (fprintf(stderr, "handed.c:%d: not so: %s\n", __LINE__, #condition), abort()))

enum { ROUNDS = 50, ITEMS = 200 };

static rein_executor *pool, *loop;

/* ---- jobs: the argument goes in, the value comes out ---- */

typedef struct sum {
        int a, b, result;
} sum;

static int add(void *arg)
{
        sum *s = arg;
        s->result = s->a + s->b;
        int *value = malloc(sizeof *value);
        *value = s->result;
        return rein_give(value, free);
}

static void jobs(rein_executor *x)
{
        for (int i = 0; i < ROUNDS; i++) {
                sum s = {.a = i, .b = 1};
                rein_future *f = rein_submit(x, add, &s, NULL);
                CHECK(rein_await(f, NULL, REIN_NEVER) == 0);
                CHECK(s.result == i + 1 && *(int *)rein_value(f, NULL) == i + 1);
                void *taken = NULL;
                void (*release)(void *) = NULL;
                CHECK(rein_take(f, &taken, &release) == 0);
                *(int *)taken = 0;
                release(taken);
                rein_drop(f);
        }
}

/* Without a wait: the codes are asked for until they are there. */
static void jobs_looked_at(rein_executor *x)
{
        for (int i = 0; i < ROUNDS; i++) {
                sum s = {.a = i, .b = 2};
                rein_future *f = rein_submit(x, add, &s, REIN_JOB(.on_worker = true));
                while (!rein_gone(f))
                        rein_sleep(rein_after(10 * 1000));
                CHECK(rein_code(f) == 0 && s.result == i + 2);
                rein_drop(f);
        }
}

/* The release of an argument runs on the thread of the job; the last drop on any. */
static void forget(void *arg)
{
        memset(arg, 0, sizeof(sum));
        free(arg);
}

static int look(void *arg)
{
        const sum *s = arg;
        return s->a;
}

static void arguments_released(rein_executor *x)
{
        for (int i = 0; i < ROUNDS; i++) {
                sum *s = malloc(sizeof *s);
                *s = (sum){.a = i};
                rein_future *f = rein_submit(x, look, s, REIN_JOB(.release = forget));
                if (i % 2)
                        rein_cancel(f, "it may never run");
                rein_drop(f);
        }
        for (int i = 0; i < ROUNDS; i++) {
                sum s = {.a = i};
                rein_drop(rein_submit(x, look, REIN_COPY(s)));
        }
}

/* ---- groups, and failures that others read ---- */

static int fail(void *arg)
{
        return rein_fail(-5, "item %d is broken", *(int *)arg);
}

static void groups(rein_executor *x)
{
        for (int i = 0; i < ROUNDS; i++) {
                sum s[4] = {{.a = i}, {.a = i}, {.a = i}, {.a = i}};
                rein_group g;
                rein_group_open(&g, NULL);
                for (int k = 0; k < 4; k++)
                        rein_spawn(&g, x, add, &s[k], NULL);
                CHECK(rein_group_close(&g, 0) == 0);
                for (int k = 0; k < 4; k++)
                        CHECK(s[k].result == i);
        }
        rein_group g;
        int item = 7;
        rein_group_open(&g, NULL);
        rein_spawn(&g, x, fail, &item, NULL);
        CHECK(rein_group_close(&g, 0) == REIN_EFAILED);
        CHECK(strstr(rein_error_text(rein_error_cause(rein_trail())), "broken"));
}

/* ---- promises and continuations ---- */

typedef struct answer {
        rein_promise *promise;
        int *value;
} answer;

static void *keep(void *arg)
{
        answer *a = arg;
        *a->value += 1;
        CHECK(rein_promise_keep(a->promise, a->value, free) == 0);
        rein_promise_drop(a->promise);
        return NULL;
}

static int seen;

static int then(rein_future *f, void *arg)
{
        seen += *(int *)rein_value(f, NULL);
        return rein_event_set(arg);
}

static void promises(rein_executor *x)
{
        for (int i = 0; i < ROUNDS; i++) {
                rein_future *f;
                answer a = {rein_promise_new(&f), malloc(sizeof(int))};
                rein_event *told = rein_event_new();
                *a.value = i;
                seen = 0;
                CHECK(rein_then(f, x, then, told));
                pthread_t thread;
                CHECK(pthread_create(&thread, NULL, keep, &a) == 0);
                CHECK(rein_event_wait(told, REIN_NEVER) == 0);
                CHECK(seen == i + 1 && *(int *)rein_value(f, NULL) == i + 1);
                rein_drop(f);
                rein_event_free(told);
                pthread_join(thread, NULL);
        }
}

/* ---- objects ---- */

typedef struct shop {
        rein_mutex *mutex;
        rein_cond *cond;
        rein_sem *sem;
        rein_chan *chan;
        rein_barrier *barrier;
        int under_mutex, under_sem, consumed, parts[2];
} shop;

static int produce(void *arg)
{
        shop *s = arg;
        for (int i = 0; i < ITEMS; i++) {
                int *item = malloc(sizeof *item);
                *item = i;
                CHECK(rein_chan_send(s->chan, &item, REIN_NEVER) == 0);
                CHECK(rein_mutex_lock(s->mutex, REIN_NEVER) == 0);
                s->under_mutex++;
                rein_cond_signal(s->cond);
                CHECK(rein_mutex_unlock(s->mutex) == 0);
        }
        return 0;
}

static int consume(void *arg)
{
        shop *s = arg;
        for (int i = 0; i < ITEMS; i++) {
                int *item;
                CHECK(rein_chan_recv(s->chan, &item, REIN_NEVER) == 1);
                CHECK(rein_sem_acquire(s->sem, 1, REIN_NEVER) == 0);
                s->under_sem += *item;
                CHECK(rein_sem_release(s->sem, 1) == 0);
                free(item);
        }
        return 0;
}

static int wait_for_all(void *arg)
{
        shop *s = arg;
        CHECK(rein_mutex_lock(s->mutex, REIN_NEVER) == 0);
        while (s->under_mutex < ITEMS)
                CHECK(rein_cond_wait(s->cond, REIN_NEVER) == 0);
        return rein_mutex_unlock(s->mutex);
}

static int first_part(void *arg)
{
        shop *s = arg;
        s->parts[0] = 1;
        CHECK(rein_barrier_arrive(s->barrier, REIN_NEVER) >= 0);
        CHECK(s->parts[1] == 2);
        return 0;
}

static int second_part(void *arg)
{
        shop *s = arg;
        s->parts[1] = 2;
        CHECK(rein_barrier_arrive(s->barrier, REIN_NEVER) >= 0);
        CHECK(s->parts[0] == 1);
        return 0;
}

static void objects(rein_executor *x, rein_executor *y)
{
        shop s = {.mutex = rein_mutex_new(),
                  .sem = rein_sem_new(1),
                  .chan = rein_chan_new(sizeof(int *), 2, NULL),
                  .barrier = rein_barrier_new(2)};
        s.cond = rein_cond_new(s.mutex);
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, x, produce, &s, NULL);
        rein_spawn(&g, y, consume, &s, NULL);
        rein_spawn(&g, x, wait_for_all, &s, NULL);
        CHECK(rein_group_close(&g, 0) == 0);
        CHECK(s.under_mutex == ITEMS && s.under_sem == ITEMS * (ITEMS - 1) / 2);
        rein_group_open(&g, NULL);
        rein_spawn(&g, x, first_part, &s, NULL);
        rein_spawn(&g, y, second_part, &s, NULL);
        CHECK(rein_group_close(&g, 0) == 0);
        rein_cond_free(s.cond);
        rein_mutex_free(s.mutex);
        rein_sem_free(s.sem);
        rein_chan_free(s.chan);
        rein_barrier_free(s.barrier);
}

/* ---- values of the context: the last to let go is any thread ---- */

static void let_go(void *value)
{
        *(int *)value = -1;
        free(value);
}

static const rein_key key = {.release = let_go};

static int read_context(void *arg)
{
        (void)arg;
        return *(int *)rein_context_get(&key);
}

static int with_context(void *arg)
{
        int *value = malloc(sizeof *value);
        *value = 5;
        CHECK(rein_context_set(&key, value) == 0);
        for (int i = 0; i < ROUNDS; i++)
                rein_drop(rein_submit(arg, read_context, NULL, NULL));
        return rein_on(arg, read_context, NULL, NULL);
}

/* ---- a region whose stop function is called by another thread ---- */

typedef struct region {
        rein_event *open;
        int before, after;
        pthread_mutex_t lock;
        pthread_cond_t cond;
        int stopped;
} region;

static void stop(void *arg)
{
        region *r = arg;
        r->after = r->before + 1;
        pthread_mutex_lock(&r->lock);
        r->stopped = 1;
        pthread_cond_signal(&r->cond);
        pthread_mutex_unlock(&r->lock);
}

static int in_region(void *arg)
{
        region *r = arg;
        rein_hook hook;
        r->before = 41;
        CHECK(rein_hook_open(&hook, stop, r) == 0);
        rein_event_set(r->open);
        pthread_mutex_lock(&r->lock);
        while (!r->stopped)
                pthread_cond_wait(&r->cond, &r->lock);
        pthread_mutex_unlock(&r->lock);
        const int rc = rein_hook_close(&hook, 0);
        CHECK(r->after == 42);
        return rc;
}

static void regions(void)
{
        region r = {.open = rein_event_new(), .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
        rein_future *f = rein_submit(pool, in_region, &r, REIN_JOB(.on_worker = true));
        CHECK(rein_event_wait(r.open, REIN_NEVER) == 0);
        rein_cancel(f, "enough");
        while (!rein_gone(f))
                rein_await(f, NULL, rein_after(1000 * 1000));
        CHECK(rein_code(f) == REIN_ECANCELED && r.after == 42);
        rein_drop(f);
        rein_event_free(r.open);
}

/* ---- threads that wait for a descriptor, woken by another thread ---- */

typedef struct reader {
        int fd;
        rein_event *begun;
} reader;

static int read_nothing(void *arg)
{
        const reader *r = arg;
        char byte;
        rein_event_set(r->begun);
        return (int)rein_read(r->fd, &byte, 1, REIN_NEVER);
}

static void readers(void)
{
        int fds[2];
        CHECK(pipe(fds) == 0);
        for (int i = 0; i < 10; i++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.name = "readers", .threads = 1));
                reader r = {fds[0], rein_event_new()};
                rein_future *f = rein_submit(x, read_nothing, &r, REIN_JOB(.on_worker = true));
                CHECK(rein_event_wait(r.begun, REIN_NEVER) == 0);
                rein_sleep(rein_after(1000 * 1000)); /* in the wait, most of the time: right either way */
                rein_cancel(f, "nothing comes");
                rein_await(f, NULL, REIN_NEVER);
                CHECK(rein_code(f) == REIN_ECANCELED);
                rein_drop(f);
                rein_executor_free(x);
                rein_event_free(r.begun);
        }
        close(fds[0]);
        close(fds[1]);
}

/* ---- coroutines, with frames that have arrays in them ---- */

static int deep(int n)
{
        volatile char frame[100];
        frame[n % 100] = (char)n;
        if (n % 7 == 0)
                rein_sleep(rein_after(10 * 1000));
        return n ? deep(n - 1) + (frame[n % 100] == (char)n) : 0;
}

/* AddressSanitizer then cleans the stack that it takes for the running one, and tells when it cannot. */
static void jump(void)
{
        jmp_buf back;
        if (setjmp(back) == 0)
                longjmp(back, 1);
}

static int coroutine(void *arg)
{
        sum *s = arg;
        jump();
        s->result = deep(40);
        CHECK(rein_sleep(rein_after(100 * 1000)) == 0);
        return rein_to_thread(add, s, NULL);
}

static int coroutines(void *arg)
{
        (void)arg;
        sum s[20] = {{0}};
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 20; i++)
                rein_spawn(&g, NULL, coroutine, &s[i], NULL);
        CHECK(rein_group_close(&g, 0) == 0);
        objects(pool, loop);
        return 0;
}

int main(void)
{
        pool = rein_pool_new(REIN_POOL(.name = "pool", .threads = 4));
        loop = rein_loop_new(REIN_LOOP(.name = "loop"));
        CHECK(pool && loop);
        jobs(pool);
        jobs(loop);
        jobs_looked_at(pool);
        arguments_released(pool);
        arguments_released(loop);
        groups(pool);
        groups(loop);
        promises(pool);
        promises(loop);
        objects(pool, pool);
        objects(pool, loop);
        objects(loop, loop);
        CHECK(rein_on(pool, with_context, loop, NULL) == 5);
        CHECK(rein_on(loop, with_context, pool, NULL) == 5);
        regions();
        readers();
        CHECK(rein_run(coroutines, NULL, NULL) == 0);
        rein_executor_free(loop);
        rein_executor_free(pool);
        puts("handed: done");
        return 0;
}
