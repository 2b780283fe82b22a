/* SPDX-License-Identifier: Apache-2.0 */
/* The same work twice. With pthreads: threads, a queue, a mutex, a condition, a flag for the end, and no way to stop it.
 * With rein: a group with a deadline, whose children run on a pool, so many at a time. Both print the same sum; then rein's
 * is given too little time, and stops. */
#include <rein/rein.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { ITEMS = 500, THREADS = 4, ROOM = 16 };

/* ---- with pthreads ---- */

typedef struct queue {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        int items[ROOM], count;
        bool over;
        long sum;
} queue;

static void *take_items(void *arg)
{
        queue *q = arg;
        pthread_mutex_lock(&q->lock);
        for (;;) {
                while (q->count == 0 && !q->over)
                        pthread_cond_wait(&q->changed, &q->lock);
                if (q->count == 0)
                        break;
                int n = q->items[--q->count];
                pthread_cond_broadcast(&q->changed);
                pthread_mutex_unlock(&q->lock);
                nanosleep(&(struct timespec){0, 1000000}, NULL); /* whatever it waits for: nothing ends that early */
                pthread_mutex_lock(&q->lock);
                q->sum += (long)n * n;
        }
        pthread_mutex_unlock(&q->lock);
        return NULL;
}

static long with_pthreads(void)
{
        queue q = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
                if (pthread_create(&threads[i], NULL, take_items, &q) != 0)
                        return -1; /* and what of those that were started? */
        for (int n = 1; n <= ITEMS; n++) {
                pthread_mutex_lock(&q.lock);
                while (q.count == ROOM)
                        pthread_cond_wait(&q.changed, &q.lock);
                q.items[q.count++] = n;
                pthread_cond_broadcast(&q.changed);
                pthread_mutex_unlock(&q.lock);
        }
        pthread_mutex_lock(&q.lock);
        q.over = true;
        pthread_cond_broadcast(&q.changed);
        pthread_mutex_unlock(&q.lock);
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        return q.sum;
}

/* ---- with rein ---- */

static atomic_long sum;

static int square(void *arg)
{
        int n = *(int *)arg;
        int rc = rein_sleep(rein_after(REIN_MS(1))); /* whatever it waits for: a cancel and the deadline end it */
        if (rc == 0)
                sum += (long)n * n;
        return rc;
}

static int with_rein(rein_executor *pool, int64_t span_ns)
{
        rein_group g;
        sum = 0;
        rein_group_open(&g, REIN_GROUP(.width = ROOM, .until = rein_after(span_ns)));
        for (int n = 1; n <= ITEMS; n++)
                rein_spawn(&g, pool, square, REIN_COPY(n));
        return rein_group_close(&g, 0); /* all of them are gone */
}

int main(void)
{
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = THREADS));
        if (!pool) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        long expected = with_pthreads();
        int rc = with_rein(pool, REIN_SEC(60));
        printf("pthreads: %ld; rein: %ld, %s\n", expected, sum, rein_code_name(rc));
        int late = with_rein(pool, REIN_MS(5));
        printf("in 5 ms: %s\n", rein_code_name(late));
        rein_executor_free(pool);
        return rc == 0 && late == REIN_ETIMEOUT ? 0 : 1;
}
