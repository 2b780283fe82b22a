/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of plain pthreads that asks `if` where it must ask `while`: a consumer that was woken finds nothing, because
 * another was quicker. `sim_queue` lets the simulator find that, `sim_queue mended` passes. Nothing here but main knows of
 * rein: the program is linked with rein::sim_pthread, which brings its calls into the simulation. */
#include <rein/rein.h>

#include <pthread.h>
#include <string.h>

static bool mended;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static int items[2], count;

static void put(int item)
{
        pthread_mutex_lock(&lock);
        items[count++] = item;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&lock);
}

static int take(void)
{
        int item = -1;
        pthread_mutex_lock(&lock);
        if (mended) {
                while (count == 0)
                        pthread_cond_wait(&not_empty, &lock);
        } else {
                if (count == 0)
                        pthread_cond_wait(&not_empty, &lock);
        }
        if (count > 0)
                item = items[--count];
        pthread_mutex_unlock(&lock);
        return item;
}

static void *consumer(void *item)
{
        *(int *)item = take();
        return NULL;
}

static int two_consumers(void *arg)
{
        pthread_t threads[2];
        int got[2];
        (void)arg;
        count = 0; /* it is run again and again */
        for (int i = 0; i < 2; i++)
                if (pthread_create(&threads[i], NULL, consumer, &got[i]) != 0)
                        return rein_fail(REIN_EUSER, "no thread");
        put(1);
        put(2);
        for (int i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
        return got[0] + got[1] == 3 ? 0 : rein_fail(REIN_EUSER, "1 and 2 were put, %d and %d taken", got[0], got[1]);
}

int main(int argc, char **argv)
{
        mended = argc > 1 && strcmp(argv[1], "mended") == 0;
        rein_sim_report report = {.size = sizeof report};
        int rc = rein_sim_explore(REIN_SIM(.name = "queue", .report = &report), two_consumers, NULL);
        printf("queue: %s, schedules: %llu\n", rein_code_name(rc), (unsigned long long)report.schedules);
        return rc == 0 ? 0 : 1;
}
