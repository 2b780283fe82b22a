/* SPDX-License-Identifier: Apache-2.0 */
/* An executor of one's own: jobs that run on the main thread, between its other work, as a program with windows needs it.
 * Pool threads do the work; what touches the window is spawned on the main thread's executor. */
#include <rein/rein.h>

#include <pthread.h>
#include <stdlib.h>

typedef struct item {
        struct item *next;
        rein_work *work;
} item;

static struct {
        pthread_mutex_t lock;
        pthread_cond_t more;
        item *first, **last;
        bool released;
} inbox = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &inbox.first, false};

static pthread_t main_thread;

static int put(rein_work *w)
{
        item *i = malloc(sizeof *i);
        if (!i)
                return -1;
        *i = (item){.work = w};
        pthread_mutex_lock(&inbox.lock);
        *inbox.last = i;
        inbox.last = &i->next;
        pthread_cond_signal(&inbox.more);
        pthread_mutex_unlock(&inbox.lock);
        return 0;
}

static int accept_job(void *self, rein_work *w)
{
        (void)self;
        return put(w) < 0 ? REIN_EREJECTED : 0;
}

static void post(void *self, rein_work *w) /* a continuation cannot be refused */
{
        (void)self;
        if (put(w) < 0)
                rein_work_run(w);
}

static void released(void *self)
{
        (void)self;
        pthread_mutex_lock(&inbox.lock);
        inbox.released = true;
        pthread_cond_signal(&inbox.more);
        pthread_mutex_unlock(&inbox.lock);
}

/* The main thread's loop: until the executor is freed, and every work that it has taken was run. */
static void events(void)
{
        pthread_mutex_lock(&inbox.lock);
        for (;;) {
                item *i = inbox.first;
                if (!i && inbox.released)
                        break;
                if (!i) {
                        pthread_cond_wait(&inbox.more, &inbox.lock);
                        continue;
                }
                if (!(inbox.first = i->next))
                        inbox.last = &inbox.first;
                pthread_mutex_unlock(&inbox.lock);
                rein_work_run(i->work); /* exactly once, also when the job was cancelled meanwhile */
                free(i);
                pthread_mutex_lock(&inbox.lock);
        }
        pthread_mutex_unlock(&inbox.lock);
}

static int paint(void *arg)
{
        printf("painted %d, on the main thread: %s\n", *(int *)arg,
               pthread_equal(pthread_self(), main_thread) ? "yes" : "no");
        return 0;
}

static int compute(void *window)
{
        int pixels = 6 * 7; /* on the stack: rein_on returns when the painting is gone */
        return rein_on(window, paint, &pixels, REIN_JOB(.on_worker = true));
}

static int last_word(rein_future *f, void *window)
{
        printf("the work: %s\n", rein_code_name(rein_code(f)));
        rein_drop(f);
        rein_executor_free(window);
        return 0;
}

int main(void)
{
        main_thread = pthread_self();
        rein_executor *pool = rein_pool_new(NULL);
        rein_executor *window = rein_executor_new(
                &(rein_executor_ops){
                        .size = sizeof(rein_executor_ops), .accept = accept_job, .post = post, .release = released},
                NULL);
        if (!pool || !window)
                return 1;
        rein_then(rein_submit(pool, compute, window, NULL), pool, last_word, window);
        events();
        rein_executor_free(pool);
        return 0;
}
