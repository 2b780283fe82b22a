/* SPDX-License-Identifier: Apache-2.0 */
/* A program with locks, threads and pauses of its own, which go straight to the kernel, brought into the simulator: each of
 * its primitives asks whether it is simulated, and then sleeps, wakes and starts there. `sim_layer` lets the simulator find
 * a wake-up that the lock loses when three threads want it; `sim_layer mended` runs for real, and then passes. */
#include <rein/rein.h>

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool mended;

/* ---- the layer: what goes to the kernel, or to the simulator ---- */

/* Sleep while *word is value; it may end early. */
static void word_wait(atomic_uint *word, unsigned value)
{
        if (!rein_simulated())
                syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
        else if (*word == value) /* no other task runs between this look and the sleep */
                rein_sim_sleep_on(word, "waits for a word", REIN_NEVER);
}

static void word_wake_one(atomic_uint *word)
{
        if (rein_sim_wake(word, 1) == -EPERM) /* outside of a simulation */
                syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void pause_ms(int ms)
{
        if (rein_sim_block(rein_after(REIN_MS(ms))) == -EPERM)
                nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

typedef struct thread {
        void (*main)(void *);
        void *arg;
        pthread_t real;
        atomic_uint ended;
} thread;

static void thread_main(void *arg)
{
        thread *t = arg;
        t->main(t->arg);
        t->ended = 1;
        word_wake_one(&t->ended);
}

static void *thread_main_real(void *arg)
{
        thread_main(arg);
        return NULL;
}

static int thread_start(thread *t, void (*main)(void *), void *arg)
{
        *t = (thread){.main = main, .arg = arg};
        return rein_simulated() ? rein_sim_start("thread", thread_main, t)
                                : -pthread_create(&t->real, NULL, thread_main_real, t);
}

static void thread_join(thread *t)
{
        while (!t->ended)
                word_wait(&t->ended, 0);
        if (!rein_simulated())
                pthread_join(t->real, NULL);
}

/* ---- the lock: U. Drepper, "Futexes Are Tricky", 2011 ---- */

typedef struct lock {
        atomic_uint word;  /* 0: free, 1: locked, 2: and perhaps there are waiters */
        atomic_uint owner; /* while simulated */
        atomic_ullong schedule;
} lock;

static _Thread_local int locks_held;
static bool locals_are_own;

/* A schedule that fails ends at once, and leaves its locks locked. */
static void lock_look(lock *l)
{
        rein_sim_point("lock");
        if (l->schedule != rein_sim_number()) {
                l->word = 0;
                l->schedule = rein_sim_number();
        }
}

static void lock_take(lock *l)
{
        lock_look(l);
        if (rein_simulated() && l->word && l->owner == rein_sim_self())
                rein_sim_refuse("takes a lock that it has"); /* and would wait for itself */
        if (!atomic_compare_exchange_strong(&l->word, &(unsigned){0}, 1)) {
                while (atomic_exchange(&l->word, 2)) {
                        word_wait(&l->word, 2);
                        if (!mended && atomic_compare_exchange_strong(&l->word, &(unsigned){0}, 1))
                                break; /* it takes the lock as if nobody else were waiting */
                }
        }
        l->owner = rein_sim_self();
        locks_held++;
}

static void lock_give(lock *l)
{
        rein_sim_point("unlock");
        locks_held--;
        if (atomic_exchange(&l->word, 0) == 2)
                word_wake_one(&l->word);
}

static void thread_ends(void)
{
        rein_sim_check(!locals_are_own || locks_held == 0);
}

/* ---- the program ---- */

enum { THREADS = 3 };

static lock counting;
static int counter;

static void count(void *arg)
{
        (void)arg;
        pause_ms(1);
        lock_take(&counting);
        int was = counter;
        rein_sim_point("between"); /* the lock holds, or others come here too */
        counter = was + 1;
        lock_give(&counting);
}

static int program(void *arg)
{
        thread threads[THREADS];
        (void)arg;
        counter = 0;
        for (int i = 0; i < THREADS; i++)
                if (thread_start(&threads[i], count, NULL) < 0)
                        return rein_fail(-EAGAIN, "no thread");
        for (int i = 0; i < THREADS; i++)
                thread_join(&threads[i]);
        return counter == THREADS ? 0 : rein_fail(REIN_EUSER, "%d threads counted to %d", THREADS, counter);
}

int main(int argc, char **argv)
{
        mended = argc > 1 && strcmp(argv[1], "mended") == 0;
        rein_sim_report report = {.size = sizeof report};
        if (mended)
                printf("for real: %s\n", rein_code_name(program(NULL)));
        locals_are_own = rein_sim_layer(thread_ends) == 0;
        int rc = rein_sim_explore(REIN_SIM(.name = "layer", .faults = REIN_SIM_SPURIOUS, .report = &report), program,
                                  NULL);
        printf("layer: %s, schedules: %llu\n", rein_code_name(rc), (unsigned long long)report.schedules);
        return rc == 0 ? 0 : 1;
}
