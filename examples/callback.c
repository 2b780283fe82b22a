/* SPDX-License-Identifier: Apache-2.0 */
/* A library that calls back, turned into a future: a callback keeps the promise, another one breaks it, and a cancel of the
 * future is handed on to the library. */
#include <rein/rein.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* ---- the library: asks somewhere, and calls back on a thread of its own ---- */

typedef struct query {
        void (*done)(struct query *q, int code);
        void *data;
        atomic_bool abort;
        int fails;
        pthread_t thread;
} query;

static void *library(void *arg)
{
        query *q = arg;
        if (q->fails < 0)
                while (!q->abort) /* it would take for ever */
                        rein_sleep(rein_after(REIN_MS(1)));
        q->done(q, q->fails < 0 ? 1 : q->fails);
        return NULL;
}

/* ---- its answer as a future ---- */

static void answered(query *q, int code)
{
        rein_promise *p = q->data;
        if (code == 0)
                rein_promise_keep(p, (void *)(uintptr_t) "an answer", NULL); /* nothing to release */
        else
                rein_promise_break(p, REIN_EUSER - code, "the query failed with %d", code);
        rein_promise_drop(p);
}

static void stop_query(void *arg) /* on the thread that cancels: it must not block */
{
        ((query *)arg)->abort = true;
}

static rein_future *ask(query *q, int fails)
{
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        if (!p)
                return NULL;
        *q = (query){.done = answered, .data = rein_promise_ref(p), .fails = fails}; /* a reference for the callback */
        rein_promise_on_cancel(p, stop_query, q);
        if (pthread_create(&q->thread, NULL, library, q) != 0) {
                rein_promise_break(p, -EAGAIN, "no thread for the query");
                rein_promise_drop(q->data);
        }
        rein_promise_drop(p);
        return f;
}

static void tell(const char *what, rein_future *f, query *q)
{
        void *value;
        int rc = rein_await(f, &value, REIN_NEVER);
        printf("%s: %s\n", what, rc == 0 ? (char *)value : rein_error_text(rein_error_of(f)));
        pthread_join(q->thread, NULL);
        rein_drop(f);
}

int main(void)
{
        query q;
        rein_future *f = ask(&q, 0);
        if (!f)
                return 1;
        tell("asked", f, &q);
        tell("asked again", ask(&q, 7), &q);
        f = ask(&q, -1);
        rein_cancel(f, "nobody wants it any more");
        tell("cancelled", f, &q);
        return 0;
}
