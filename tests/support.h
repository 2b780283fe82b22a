/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the library share: gates to hand over by, stubborn jobs, plain threads, programs of their own, a
 * collector of unseen failures, memory that runs out.
 *
 * Assert in the main thread only: cmocka leaves a test by longjmp. Jobs and threads answer by codes and counters. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rein/rein.h>

#include "core/task.h"
#include "core/world.h"
#include "harness.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- waiting for what nobody tells: is it parked, is the thread gone ---- */

static inline void support_nap(void)
{
        struct timespec span = {0, 100000};
        nanosleep(&span, NULL);
}

#define EVENTUALLY(condition)                                                                                          \
        do {                                                                                                           \
                rein_time limit_ = rein_after(REIN_SEC(20));                                                           \
                while (!(condition)) {                                                                                 \
                        if (rein_now().ns > limit_.ns)                                                                 \
                                fail_msg("it never came true: %s", #condition);                                        \
                        support_nap();                                                                                 \
                }                                                                                                      \
        } while (0)

/* The same outside of the main thread: false when it never came true. */
#define COMES_TRUE(condition, answer)                                                                                  \
        do {                                                                                                           \
                rein_time limit_ = rein_after(REIN_SEC(20));                                                           \
                while (!(condition) && rein_now().ns < limit_.ns)                                                      \
                        support_nap();                                                                                 \
                (answer) = (condition);                                                                                \
        } while (0)

/* Where a task says who it is, so that others can see what it does: store rn_self() in it. */
typedef struct seat {
        _Atomic(rn_task *) task;
} seat;

static inline void sit(seat *s)
{
        atomic_store(&s->task, rn_self());
}

static inline bool sits_in(seat *s, const char *doing)
{
        rn_task *t = atomic_load(&s->task);
        const char *what = t ? rn_loadptr(&t->doing) : NULL;
        return what && strcmp(what, doing) == 0;
}

/* It is in a poll, or just before: from here on an unpark rings its bell. */
static inline bool task_polls(rn_task *t)
{
        return t && rn_load32(&t->door.word) == 3; /* POLLING, in door.c */
}

/* It waits without limit, has looked, and found that its wait can end. */
static inline bool sits_and_may_go(seat *s)
{
        rn_world *w = rn_world_now();
        rn_task *t = atomic_load(&s->task);
        rn_lock_take(&w->graph);
        const bool it_does = t && rn_linked(&t->waiting) && t->looked_at;
        rn_lock_give(&w->graph);
        return it_does;
}

/* ---- gates: opened once, passed by any number; a cancel gets a waiter out ---- */

typedef struct gate {
        rein_promise *promise;
        rein_future *open;
} gate;

static inline gate gate_new(void)
{
        gate g = {0};
        g.promise = rein_promise_new(&g.open);
        return g;
}

static inline void gate_open(gate *g)
{
        (void)rein_promise_keep(g->promise, NULL, NULL);
}

static inline int gate_pass(gate *g)
{
        return rein_await(g->open, NULL, REIN_NEVER);
}

static inline void gate_free(gate *g)
{
        gate_open(g);
        rein_promise_drop(g->promise);
        rein_drop(g->open);
}

/* ---- stubborn: foreign code that blocks and knows nothing of rein ---- */

typedef struct stubborn {
        atomic_int inside, left;
        sem_t leave;
} stubborn;

static inline void stubborn_init(stubborn *s)
{
        atomic_init(&s->inside, 0);
        atomic_init(&s->left, 0);
        sem_init(&s->leave, 0, 0);
}

static inline int stubborn_stay(stubborn *s)
{
        atomic_fetch_add(&s->inside, 1);
        while (sem_wait(&s->leave) != 0)
                ;
        atomic_fetch_add(&s->left, 1);
        return 0;
}

static inline void stubborn_let_go(stubborn *s, int n)
{
        while (n--)
                sem_post(&s->leave);
}

static inline int stubborn_job(void *arg)
{
        return stubborn_stay(arg);
}

/* ---- small jobs ---- */

static inline int job_seven(void *arg)
{
        (void)arg;
        return 7;
}

static inline int job_fail(void *arg)
{
        (void)arg;
        return rein_fail(-EIO, "the disk is on fire");
}

static inline int job_count(void *arg)
{
        atomic_fetch_add((atomic_int *)arg, 1);
        return 0;
}

static inline int job_pass(void *arg) /* arg: a gate */
{
        return gate_pass(arg);
}

static inline int job_sleep(void *arg) /* until cancelled; arg: a seat, or NULL */
{
        if (arg)
                sit(arg);
        return rein_sleep(REIN_NEVER);
}

static inline void release_count(void *arg)
{
        atomic_fetch_add((atomic_int *)arg, 1);
}

/* ---- plain threads ---- */

static inline pthread_t go(void *(*fn)(void *), void *arg)
{
        pthread_t t;
        if (pthread_create(&t, NULL, fn, arg) != 0)
                abort();
        return t;
}

/* The thread ends: a test that waited for ever would only be ended by its time limit, which says nothing. Any thread. */
#define join(t)              support_join((t), NULL, __FILE__, __LINE__)
#define join_with(t, result) support_join((t), (result), __FILE__, __LINE__)

static inline void support_join(pthread_t t, void **result, const char *file, int line)
{
        struct timespec limit;
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += 20;
        if (pthread_timedjoin_np(t, result, &limit) == 0)
                return;
        fprintf(stderr, "%s:%d: the thread that is waited for never ends\n", file, line);
        abort();
}

/* ---- failures nobody looked at ---- */

typedef struct unseen {
        atomic_int count;
        _Atomic int code, cause; /* of the last */
} unseen;

static inline void unseen_note(const rein_error *e, void *arg)
{
        unseen *u = arg;
        atomic_store(&u->code, rein_error_code(e));
        atomic_store(&u->cause, rein_error_code(rein_error_cause(e)));
        atomic_fetch_add(&u->count, 1);
}

/* ---- what is alive ---- */

static inline size_t live(rn_slab *s)
{
        return rn_slab_count(s);
}

/* ---- memory that runs out, for the thread that says so or for every thread ---- */

static _Thread_local bool support_poor;
static atomic_bool support_all_poor;
static _Thread_local int support_fail_at; /* the n-th allocation from now fails; 0: none */

static inline uint32_t support_choose(uint32_t n, rn_choice kind)
{
        (void)n;
        if (kind != RN_CHOOSE_ALLOC)
                return 0;
        if (support_fail_at && --support_fail_at == 0)
                return 1;
        return support_poor || atomic_load(&support_all_poor);
}

/* ---- records that are broken by hand ---- */

static inline bool support_says(const char *said, const char *text, const char *broken, int line)
{
        if (said ? text && strcmp(said, text) == 0 : !text)
                return true;
        fprintf(stderr, "line %d, %s: the record says: %s\n", line, broken, said ? said : "nothing");
        return false;
}

/* While `field` is `value`, the question is answered with `text`; before and afterwards with NULL. In a simulation, where
 * nothing may be asserted, by its value; elsewhere BREAKS. */
#define BROKEN(field, value, asked, text)                                                                              \
        __extension__({                                                                                                \
                bool well_ = support_says((asked), NULL, "before " #field " = " #value, __LINE__);                     \
                const __auto_type was_ = (field);                                                                      \
                (field) = (value);                                                                                     \
                well_ = support_says((asked), (text), #field " = " #value, __LINE__) && well_;                         \
                (field) = was_;                                                                                        \
                support_says((asked), NULL, "after " #field " = " #value, __LINE__) && well_;                          \
        })
#define BREAKS(field, value, asked, text) assert_true(BROKEN(field, value, asked, text))

/* ---- a program of its own: this one, started again with a name that main looks up in `programs` ---- */

typedef struct program {
        const char *name;
        int (*main)(void);
} program;

static inline int program_main(const program *programs, size_t n, int argc, char **argv)
{
        for (size_t i = 0; argc == 2 && i < n; i++) {
                if (strcmp(argv[1], programs[i].name) != 0)
                        continue;
                alarm(30); /* a hang is death by SIGALRM */
                return programs[i].main();
        }
        return -1;
}

/* Its exit code, or minus the signal that killed it; what it said on stderr, if `said` is given. */
static inline int program_run(const char *name, char *said, size_t n)
{
        extern char **environ;
        int ends[2];
        pid_t pid;
        posix_spawn_file_actions_t actions;
        char *argv[] = {(char *)"test", (char *)(uintptr_t)name, NULL};
        if (pipe2(ends, O_CLOEXEC) != 0)
                return -1000;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
        posix_spawn_file_actions_addclose(&actions, ends[0]);
        int rc = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        char text[4096];
        char more[512]; /* who writes more than that must not die of it */
        size_t have = 0;
        for (ssize_t got = 1; rc == 0 && got > 0;) {
                const size_t room = sizeof text - 1 - have;
                got = room ? read(ends[0], text + have, room) : read(ends[0], more, sizeof more);
                have += room && got > 0 ? (size_t)got : 0;
        }
        close(ends[0]);
        text[have] = 0;
        if (said)
                snprintf(said, n, "%s", text);
        int status = 0;
        if (rc != 0 || waitpid(pid, &status, 0) != pid)
                return -1000;
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        if (code != 0)
                fprintf(stderr, "program %s ended with %d: %s\n", name, code, text);
        return code;
}

#endif
