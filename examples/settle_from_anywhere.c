/* SPDX-License-Identifier: Apache-2.0 */
/* Eight plain threads settle one promise at the same moment: one wins, seven are told REIN_EALREADY and keep what they
 * brought. A thread that waits for the future wakes at once, and a continuation runs exactly once, on the pool it names. */
#include <rein/rein.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS 8

struct racer {
        rein_promise *promise;
        rein_barrier *start;
        rein_time settled;
        int answer;
};

static void *settle(void *arg)
{
        struct racer *r = arg;
        struct racer **value = malloc(sizeof *value);
        if (value)
                *value = r;
        rein_barrier_arrive(r->start, REIN_NEVER); /* nobody goes on before all have come */
        r->settled = rein_now();
        r->answer = rein_promise_keep(r->promise, value, free);
        if (r->answer < 0)
                free(value); /* a loser's value is still its own */
        rein_promise_drop(r->promise);
        return NULL;
}

static atomic_int continued;

static int continuation(rein_future *f, void *told)
{
        continued++;
        return rein_promise_keep(told, NULL, NULL) < 0 ? -1 : rein_code(f);
}

int main(void)
{
        struct racer racers[THREADS];
        pthread_t threads[THREADS];
        rein_future *future, *told;
        rein_promise *promise = rein_promise_new(&future), *tell = rein_promise_new(&told);
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "afterwards", .threads = 1));
        if (!promise || !tell || !pool || !rein_then(future, pool, continuation, tell)) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        rein_barrier *start = rein_barrier_new(THREADS);
        if (!start)
                return 1;
        for (int i = 0; i < THREADS; i++) {
                racers[i] = (struct racer){.promise = rein_promise_ref(promise), .start = start};
                if (pthread_create(&threads[i], NULL, settle, &racers[i]) != 0)
                        return 1;
        }
        void *value = NULL;
        int won = 0, already = 0, rc = rein_await(future, &value, rein_after(REIN_SEC(10)));
        rein_time woke = rein_now();
        for (int i = 0; i < THREADS; i++) {
                pthread_join(threads[i], NULL);
                won += racers[i].answer == 0;
                already += racers[i].answer == REIN_EALREADY;
        }
        if (rc < 0 || !value || rein_await(told, NULL, rein_after(REIN_SEC(10))) < 0)
                return 1;
        const struct racer *winner = *(struct racer **)value;
        printf("%d won, %d were told %s\n", won, already, rein_code_name(REIN_EALREADY));
        printf("the waiter has the value of %s\n", winner->answer == 0 ? "the winner" : "a loser");
        printf("it woke %lld us after the settle\n", (long long)(woke.ns - winner->settled.ns) / 1000);
        printf("the continuation ran on pool '%s', times: %d\n", rein_executor_name(pool), continued);
        rein_executor_free(pool);
        rein_barrier_free(start);
        rein_drop(future);
        rein_drop(told);
        rein_promise_drop(promise);
        rein_promise_drop(tell);
        return won == 1 && already == THREADS - 1 && winner->answer == 0 && continued == 1 ? 0 : 1;
}
