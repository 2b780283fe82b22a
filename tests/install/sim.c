/* SPDX-License-Identifier: Apache-2.0 */
/* A program of plain pthreads that deadlocks in some schedule, for tests/install/run.sh: the installed layer finds it. */
#include <rein/rein.h>

#include <pthread.h>

static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER, right = PTHREAD_MUTEX_INITIALIZER;

static void *cross(void *arg)
{
        pthread_mutex_t *first = arg, *second = first == &left ? &right : &left;
        pthread_mutex_lock(first);
        pthread_mutex_lock(second);
        pthread_mutex_unlock(second);
        pthread_mutex_unlock(first);
        return NULL;
}

static int program(void *arg)
{
        pthread_t other;
        (void)arg;
        if (pthread_create(&other, NULL, cross, &left) != 0)
                return -1;
        cross(&right);
        return -pthread_join(other, NULL);
}

int main(void)
{
        rein_sim_report report = {.size = sizeof report};
        int rc = rein_sim_explore(REIN_SIM(.name = "cross", .quiet = true, .report = &report), program, NULL);
        return rc == REIN_EFOUND && report.ended == REIN_SIM_DEADLOCK ? 0 : 1;
}
