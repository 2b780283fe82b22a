/* SPDX-License-Identifier: Apache-2.0 */
/* Every public call, with the k-th allocation failing, for every k until nothing fails any more: once, and from then on
 * for ever; of the calling thread, and of all threads; on a thread rein knows, and on one that calls in for the first
 * time. The same for starting threads and for descriptors. Whatever comes back must be a documented code; nothing may
 * have changed; the same objects must then work; and everything made must have come back.
 *
 * Then the other kinds of chance, which are no failures: interrupted calls, calls that would block after all, waits that
 * end for no reason. Under those everything must simply work.
 *
 * It takes up to ten seconds of a processor: each call is made anew for each of its allocations, on several threads. */
#include "faults.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#if defined __SANITIZE_ADDRESS__ || defined REIN_ASAN
#include <sanitizer/lsan_interface.h>
#define LEAKS() (__lsan_do_recoverable_leak_check() != 0)
#else
#define LEAKS() false
#endif

#define BIT(kind) (1u << (kind))

/* ---- judging ---- */

static const char *scenario_name = "";
static atomic_uint failing_k;
static atomic_bool strict;     /* nothing is made to fail: every call must succeed */
static atomic_bool new_thread; /* the scenario runs on a thread that calls in for the first time */
static atomic_int mistakes;
static balance args, values, keys;

static void mistake(int line, const char *what, int rc)
{
        if (mistakes++ < 60)
                fprintf(stderr, "oom_walk_test.c:%d: %s: %s (%s), k = %u%s\n", line, scenario_name, what,
                        rc < 0 ? rein_code_name(rc) : "ok", failing_k, strict ? ", with nothing failing" : "");
}

#define CHECK(condition)                                                                                               \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        mistake(__LINE__, #condition, 0);                                                              \
        } while (0)

/* Did the call do its work? If not, it must say one of these: what was made to fail, or what the call documents. */
static bool judge(int line, const char *call, int64_t result, const int *also, size_t n)
{
        if (result >= 0)
                return true;
        int rc = (int)result;
        bool known = !strict && ((rc == -ENOMEM && faults.fail_at) || (rc == -EAGAIN && faults.fail_at) ||
                                 (rc == -EMFILE && faults.fail_at));
        for (size_t i = 0; !strict && i < n; i++)
                known |= also[i] == rc;
        if (!known)
                mistake(line, call, rc);
        return false;
}

#define FINE(call, ...)                                                                                                \
        judge(__LINE__, #call, call, (const int[]){0, ##__VA_ARGS__},                                                  \
              sizeof((const int[]){0, ##__VA_ARGS__}) / sizeof(int))
/* It may only succeed, whatever fails. */
#define MUST(call)                                                                                                     \
        do {                                                                                                           \
                int64_t result_ = (call);                                                                              \
                if (result_ < 0)                                                                                       \
                        mistake(__LINE__, #call, (int)result_);                                                        \
        } while (0)

/* ---- what jobs do, and what they are given ---- */

typedef struct thing {
        balance *of;
        int number;
} thing;

static thing *thing_new(balance *of, int number)
{
        thing *t = malloc(sizeof *t);
        *t = (thing){of, number};
        of->made++;
        return t;
}

static void thing_release(void *p)
{
        thing *t = p;
        t->of->back++;
        free(t);
}

static int job_nothing(void *arg)
{
        (void)arg;
        return 7;
}

static int job_value(void *arg)
{
        thing *v = thing_new(&values, arg ? ((thing *)arg)->number : 0);
        int rc = rein_give(v, thing_release);
        if (rc < 0)
                thing_release(v);
        return rc < 0 ? rc : 1;
}

static int job_copy(void *arg)
{
        uint64_t bytes[4] = {1, 2, 3, arg ? *(uint64_t *)arg : 4};
        CHECK(!arg || rein_arg_size() == sizeof(uint64_t));
        return rein_give_copy(bytes, sizeof bytes);
}

static int job_fails(void *arg)
{
        (void)arg;
        rein_fail(-EIO, "no such page: %d", 7);
        return rein_wrap(REIN_EUSER - 1, "rendering %s", "page 7");
}

static int job_fails_plainly(void *arg)
{
        (void)arg;
        return -ENOENT;
}

static atomic_int started;

static int job_sleeps(void *arg)
{
        (void)arg;
        started++;
        return rein_sleep(REIN_NEVER);
}

static int continuation(rein_future *f, void *arg)
{
        CHECK(rein_code(f) != REIN_EPENDING);
        ++*(atomic_int *)arg;
        return 0;
}

static bool settled(rein_future *f)
{
        return rein_code(f) != REIN_EPENDING;
}

/* An await that must end, by the settling of f. Did f succeed? */
static bool await_fine(rein_future *f)
{
        int rc = rein_await(f, NULL, REIN_NEVER);
        if (!FINE(rc, REIN_EFAILED)) {
                EVENTUALLY(settled(f));
                return rc == REIN_EFAILED ? false : rein_code(f) >= 0;
        }
        CHECK(settled(f));
        return true;
}

/* ---- what scenarios work on: made and freed with nothing failing ---- */

static rein_executor *x;
static int ends[2];

static void make_pool(void)
{
        x = rein_pool_new(REIN_POOL(.name = "walked", .threads = 2, .grace_ns = REIN_SEC(20)));
        CHECK(x);
}

static void free_pool(void)
{
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        rein_executor_free(x);
}

static void make_pipe(void)
{
        CHECK(pipe2(ends, O_CLOEXEC) == 0);
}

static void free_pipe(void)
{
        CHECK(rein_close(ends[0]) == 0 && rein_close(ends[1]) == 0);
}

/* ---- scenarios: names, errors, context ---- */

static void names_and_time(void)
{
        CHECK(rein_version()[0]);
        CHECK(rein_after(0).ns >= rein_now().ns - REIN_SEC(3600));
        CHECK(rein_code_name(-EINVAL)[0] && rein_code_name(REIN_EFAILED)[0] && rein_code_name(REIN_EUSER - 7)[0]);
        CHECK(rein_checkpoint() == 0);
        CHECK(rein_why() == NULL);
        CHECK(rein_arg_size() == 0);
}

static void errors(void)
{
        FILE *null = fopen("/dev/null", "w");
        CHECK(rein_fail(-EIO, "the disk %d is gone", 3) == -EIO);
        const rein_error *e = rein_trail();
        CHECK(!strict || e);
        if (e) {
                CHECK(rein_error_code(e) == -EIO && rein_error_is(e, -EIO) && !rein_error_is(e, -EPERM));
                CHECK(strcmp(rein_error_text(e), "the disk 3 is gone") == 0);
                CHECK(strstr(rein_error_where(e), "oom_walk_test.c"));
                CHECK(!rein_error_cause(e) && !rein_error_next(e));
        }
        CHECK(rein_wrap(-EINVAL, "while saving") == -EINVAL);
        CHECK(rein_wrap(REIN_EUSER, "while leaving") == REIN_EUSER);
        e = rein_trail();
        if (e) {
                CHECK(rein_error_code(e) == REIN_EUSER && strcmp(rein_error_text(e), "while leaving") == 0);
                CHECK(!strict || (rein_error_is(e, -EIO) && rein_error_code(rein_error_cause(e)) == -EINVAL));
                for (const rein_error *c = e; c; c = rein_error_cause(c))
                        CHECK(rein_error_text(c)[0]);
        }
        rein_error_print(null, e);
        fclose(null);
}

static void key_release(void *value)
{
        (void)value;
        keys.back++;
}

static void context(void)
{
        static const rein_key one = {"one", key_release}, two = {"two", key_release};
        static char a, b, c;
        void *was_one = rein_context_get(&one), *was_two = rein_context_get(&two);
        if (FINE(rein_context_set(&one, &a))) {
                keys.made++;
                was_one = &a;
        }
        CHECK(rein_context_get(&one) == was_one);
        if (FINE(rein_context_set(&two, &b))) {
                keys.made++;
                was_two = &b;
        }
        if (FINE(rein_context_set(&one, &c))) {
                keys.made++;
                was_one = &c;
        }
        CHECK(rein_context_get(&one) == was_one && rein_context_get(&two) == was_two);
}

/* ---- scenarios: scopes and hook regions ---- */

static atomic_int within_ran;

static int within(void *arg)
{
        (void)arg;
        within_ran++;
        return rein_checkpoint();
}

static void scopes(void)
{
        rein_scope outer, inner, shield;
        rein_scope_open(&outer, rein_after(REIN_SEC(3600)));
        CHECK(!strict || rein_checkpoint() == 0);
        rein_scope_open(&inner, REIN_NEVER);
        bool open = rein_checkpoint() == 0; /* else one of the two is cancelled, being unopened */
        CHECK(open || rein_why());
        rein_scope_cancel(&inner, "the test says so");
        CHECK(rein_checkpoint() == REIN_ECANCELED && rein_why());
        rein_shield_open(&shield, REIN_SEC(3600));
        CHECK(!strict || rein_checkpoint() == 0);
        FINE(rein_scope_close(&shield, 0));
        int rc = rein_scope_close(&inner, REIN_ECANCELED);
        CHECK(rc == REIN_ESTOPPED || (!strict && (rc == -ENOMEM || rc == REIN_ECANCELED)));
        rc = rein_scope_close(&outer, 0);
        FINE(rc);
        CHECK(rc == 0 || !strict);
        CHECK(rein_checkpoint() == 0);
}

/* A limit for which there was no memory must not become no limit. */
static void within_a_deadline(void)
{
        int had = within_ran;
        int rc = rein_within(rein_after(REIN_SEC(3600)), within, NULL);
        CHECK(rc >= 0 || within_ran == had);
        FINE(rc);
        CHECK(rein_checkpoint() == 0);
}

static void stop_nothing(void *arg)
{
        ++*(atomic_int *)arg;
}

static void hooks(void)
{
        atomic_int stops = 0;
        rein_scope s;
        rein_hook function, poke;
        rein_scope_open(&s, REIN_NEVER);
        if (FINE(rein_hook_open(&function, stop_nothing, &stops), REIN_ECANCELED)) {
                if (FINE(rein_hook_open(&poke, REIN_POKE, NULL)))
                        CHECK(rein_hook_close(&poke, 5) == 5);
                rein_scope_cancel(&s, "now");
                CHECK(stops >= 1);
                CHECK(rein_hook_open(&poke, REIN_POKE, NULL) == REIN_ECANCELED);
                CHECK(rein_hook_close(&function, 0) == REIN_ECANCELED);
        }
        FINE(rein_scope_close(&s, 0));
}

/* ---- scenarios: jobs and futures ---- */

static void submit_and_read(void)
{
        size_t n = 99;
        uint64_t number = 41;
        void *value = NULL;
        rein_future *a =
                rein_submit(x, job_value, thing_new(&args, 3), REIN_JOB(.release = thing_release, .name = "a"));
        rein_future *b = rein_submit(x, job_copy, &number, REIN_JOB(.arg_size = sizeof number));
        CHECK(a && b);
        if (await_fine(a)) {
                CHECK(rein_code(a) == 1 && !rein_error_of(a) && rein_gone(a) == rein_gone(a));
                CHECK(((thing *)rein_value(a, &n))->number == 3 && n == 0);
                rein_outcome o = {.size = sizeof o};
                CHECK(rein_outcome_of(a, &o) == 0 && o.code == 1 && o.value == rein_value(a, NULL) && !o.error);
                CHECK(rein_await(a, &value, REIN_NOWAIT) == 0 && value);
                rein_ref(a);
                void (*release)(void *) = NULL;
                CHECK(rein_take(a, &value, &release) == -EBUSY);
                rein_drop(a);
                CHECK(rein_take(a, &value, &release) == 0 && release == thing_release);
                CHECK(rein_take(a, &value, &release) == -ENOENT);
                release(value);
        } else {
                CHECK(rein_error_of(a) && rein_error_code(rein_error_of(a)) == rein_code(a));
                CHECK(rein_value(a, &n) == NULL && n == 0);
        }
        if (await_fine(b)) {
                uint64_t *copy = rein_value(b, &n);
                CHECK(n == 4 * sizeof *copy && copy[3] == 41);
        }
        rein_drop(a);
        rein_drop(b);
}

static void submit_many(void)
{
        enum { N = 5 };
        void *each[N];
        rein_future *f[N];
        for (int i = 0; i < N; i++)
                each[i] = thing_new(&args, i);
        int taken = rein_submit_many(x, job_value, each, N, REIN_JOB(.release = thing_release), f), good = 0;
        CHECK(taken == N || (!strict && taken >= 0));
        for (int i = 0; i < N; i++) {
                good += await_fine(f[i]);
                rein_drop(f[i]);
        }
        CHECK(good <= taken);
}

static void failing_job(void)
{
        rein_future *f = rein_submit(x, job_fails, NULL, NULL);
        int rc = rein_await(f, NULL, REIN_NEVER);
        CHECK(rc == REIN_EFAILED || (!strict && rc == -ENOMEM));
        EVENTUALLY(settled(f));
        if (rein_code(f) == REIN_EUSER - 1) { /* it ran */
                const rein_error *e = rein_error_of(f);
                CHECK(rein_error_code(e) == REIN_EUSER - 1 && rein_error_text(e)[0]);
                CHECK(!strict || (rein_error_is(e, -EIO) && strcmp(rein_error_text(e), "rendering page 7") == 0));
        } else {
                FINE(rein_code(f));
        }
        if (rc == REIN_EFAILED && rein_trail() && rein_error_code(rein_trail()) == rc)
                CHECK(!strict || rein_error_cause(rein_trail()) == rein_error_of(f));
        rein_drop(f);
}

static void posted_job(void)
{
        enum { N = 3 };
        for (size_t i = 0; i < N; i++)
                FINE(rein_post(x, job_value, thing_new(&args, i),
                               REIN_JOB(.release = thing_release, .share = i == 2 ? "posted" : NULL)));
        EVENTUALLY(rein_executor_unfinished(x) == 0);
}

static void cancel_them(void)
{
        started = 0;
        rein_future *run[2], *wait;
        for (int i = 0; i < 2; i++)
                run[i] = rein_submit(x, job_sleeps, NULL, NULL);
        EVENTUALLY(started + settled(run[0]) + settled(run[1]) >= 1 + strict); /* with fewer threads one may wait */
        wait = rein_submit(x, job_value, thing_new(&args, 0), REIN_JOB(.release = thing_release));
        rein_cancel_answer answer = rein_cancel(wait, "not needed");
        CHECK(answer == REIN_NEVER_STARTED || !strict);
        CHECK(rein_cancel(wait, NULL) == REIN_TOO_LATE || !strict);
        for (int i = 0; i < 2; i++) {
                answer = rein_cancel(run[i], "enough");
                CHECK(answer == REIN_ASKED || !strict);
                int rc = rein_await(run[i], NULL, REIN_NEVER);
                CHECK(rc == REIN_EFAILED || !strict);
                EVENTUALLY(settled(run[i]));
                CHECK(rein_code(run[i]) == REIN_ECANCELED || !strict);
                rein_drop(run[i]);
        }
        EVENTUALLY(settled(wait));
        rein_drop(wait);
}

static void continuations(void)
{
        atomic_int ran = 0, removed = 0;
        rein_future *read_end;
        rein_promise *p = rein_promise_new(&read_end);
        if (!p) {
                CHECK(!strict && !read_end);
                return;
        }
        rein_next *stays = rein_then(read_end, x, continuation, &ran);
        rein_next *goes = rein_then(read_end, x, continuation, &removed);
        CHECK(!strict || (stays && goes));
        if (goes)
                MUST(rein_next_remove(goes));
        MUST(rein_promise_keep(p, NULL, NULL));
        if (stays) {
                EVENTUALLY(ran == 1);
                CHECK(rein_next_remove(stays) == REIN_EALREADY);
        }
        rein_next *late = rein_then(read_end, x, continuation, &ran);
        EVENTUALLY(ran == (stays != NULL) + (late != NULL));
        CHECK(removed == 0);
        rein_promise_drop(p);
        rein_drop(read_end);
        EVENTUALLY(rein_executor_unfinished(x) == 0);
}

static void promises(void)
{
        rein_future *f = (rein_future *)&f;
        rein_promise *p = rein_promise_new(&f);
        CHECK(!strict || p);
        if (!p) {
                CHECK(f == NULL && (!rein_trail() || rein_error_code(rein_trail()) == -ENOMEM));
                return;
        }
        rein_promise *second = rein_promise_ref(p);
        thing *v = thing_new(&values, 1), *w = thing_new(&values, 2);
        MUST(rein_promise_keep(p, v, thing_release));
        CHECK(rein_promise_keep(second, w, thing_release) == REIN_EALREADY);
        thing_release(w);
        CHECK(rein_promise_break(second, -EIO, "too late") == REIN_EALREADY);
        rein_promise_drop(p);
        rein_promise_drop(second);
        CHECK(await_fine(f));
        rein_drop(f);

        p = rein_promise_new(&f);
        if (p) {
                atomic_int asked = 0;
                rein_promise_on_cancel(p, stop_nothing, &asked);
                rein_promise_on_cancel(p, NULL, NULL);
                rein_promise_on_cancel(p, stop_nothing, &asked);
                rein_cancel_answer answer = rein_cancel(f, "no more");
                CHECK(asked == 1 && answer == REIN_ASKED);
                MUST(rein_promise_break(p, -EIO, "%s", "because it was asked for"));
                CHECK(rein_code(f) == -EIO);
                rein_promise_on_cancel(p, NULL, NULL);
                rein_promise_drop(p);
                rein_drop(f);
        }
        p = rein_promise_new(&f);
        if (p) {
                rein_promise_drop(p);
                CHECK(rein_code(f) == REIN_EBROKEN && rein_error_text(rein_error_of(f))[0]);
                rein_drop(f);
        }
}

/* ---- scenarios: waiting ---- */

static void wait_for_many(size_t n)
{
        rein_future *f[24] = {NULL};
        rein_done it;
        for (size_t i = 0; i < n; i++)
                f[i] = rein_submit(x, i % 4 == 3 ? job_fails_plainly : job_nothing, NULL, NULL);
        bool all = FINE(rein_wait_all(f, n, REIN_NEVER));
        CHECK(all || n > 16 || new_thread); /* a thread that is new here needs memory to wait at all */
        for (size_t i = 0; i < n; i++)
                EVENTUALLY(settled(f[i]));
        bool any = FINE(rein_wait_any(f, n, REIN_NEVER));
        CHECK(any || n > 16 || new_thread);
        int rc = rein_wait_first(f, n, REIN_NEVER);
        CHECK(rc != -ENOMEM || n > 16 || new_thread);
        FINE(rc, REIN_EFAILED);
        CHECK(rc < 0 || rein_code(f[rc]) >= 0);
        rein_done_open(&it, f, n);
        size_t given = 0;
        while ((rc = rein_done_next(&it, REIN_NEVER)) >= 0)
                given++;
        CHECK(rc == -ENOENT || (!strict && rc == -ENOMEM));
        CHECK(rc != -ENOENT || given == n);
        rein_done_close(&it);
        for (size_t i = 0; i < n; i++)
                rein_drop(f[i]);
}

static void wait_for_few(void)
{
        wait_for_many(5);
}

static void wait_for_more(void)
{
        wait_for_many(24);
}

static void all_of_them_failed(void)
{
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(x, job_fails, NULL, NULL);
        int rc = rein_wait_first(f, 3, REIN_NEVER);
        CHECK(rc == REIN_EFAILED || (!strict && rc == -ENOMEM));
        for (int i = 0; i < 3; i++) {
                EVENTUALLY(settled(f[i]));
                rein_drop(f[i]);
        }
}

static int job_on_here(void *arg)
{
        int rc = rein_on(NULL, job_copy, arg, REIN_JOB(.arg_size = sizeof(uint64_t)));
        return rc < 0 ? rc : 3;
}

static void run_there_wait_here(void)
{
        uint64_t number = 5;
        int local = 0;
        (void)local;
        if (FINE(rein_on(x, job_on_here, &number, NULL)))
                CHECK(number == 5);
        thing *a = thing_new(&args, 1);
        FINE(rein_on(x, job_value, a, REIN_JOB(.release = thing_release, .name = "there")));
        CHECK(args.made == args.back || !strict);
        int rc = rein_on(x, job_fails, NULL, NULL);
        CHECK(rc == REIN_EUSER - 1 || (!strict && (rc == -ENOMEM || rc == -EAGAIN)));
        if (rc == REIN_EUSER - 1)
                CHECK(!strict || rein_error_is(rein_trail(), -EIO));
}

/* A job that waits for jobs of its own pool, deeper than there are threads. */
static int job_nested(void *arg)
{
        uintptr_t depth = (uintptr_t)arg;
        if (!depth)
                return 0;
        rein_future *f = rein_submit(x, job_nested, (void *)(depth - 1), REIN_JOB(.on_worker = depth % 2));
        int rc = rein_await(f, NULL, REIN_NEVER);
        if (rc == REIN_EFAILED)
                rc = rein_code(f);
        else if (rc < 0) /* no thread for it, and this one waits */
                rein_cancel(f, "it cannot be waited for");
        rein_drop(f);
        return rc;
}

static void nested_waits(void)
{
        rein_future *f = rein_submit(x, job_nested, (void *)(uintptr_t)4, NULL);
        await_fine(f);
        FINE(rein_code(f), REIN_EDEADLOCK, REIN_EFAILED);
        rein_drop(f);
}

/* ---- scenarios: groups ---- */

static void group_of(rein_policy policy, rein_fn third, int expected)
{
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = policy, .width = 2, .until = rein_after(REIN_SEC(3600))));
        rein_spawn(&g, x, job_value, thing_new(&args, 1), REIN_JOB(.release = thing_release, .name = "one"));
        rein_future *kept = rein_spawn_future(&g, x, job_copy, NULL, NULL);
        CHECK(kept);
        rein_spawn(&g, x, third, NULL, NULL);
        rein_spawn(&g, x, job_sleeps, NULL, REIN_JOB(.background = true, .name = "background"));
        FINE(rein_group_join(&g, REIN_NEVER), REIN_ETIMEOUT);
        int rc = rein_group_close(&g, 0);
        if (strict)
                CHECK(rc == expected);
        else
                FINE(rc, REIN_EFAILED, REIN_ECANCELED);
        CHECK(rein_checkpoint() == 0);
}

static void groups(void)
{
        group_of(REIN_ALL, job_nothing, 0);
        group_of(REIN_ALL, job_fails, REIN_EFAILED);
        group_of(REIN_FIRST, job_nothing, 0);
        group_of(REIN_EACH, job_fails, 0);
}

static void group_any(void)
{
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_ANY));
        rein_spawn(&g, x, job_nothing, NULL, NULL);
        rein_spawn(&g, x, job_sleeps, NULL, NULL);
        FINE(rein_group_close(&g, 0), REIN_EFAILED, REIN_ECANCELED);
}

static void group_cancelled(void)
{
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 4; i++)
                rein_spawn(&g, x, job_sleeps, thing_new(&args, i), REIN_JOB(.release = thing_release));
        rein_group_cancel(&g, "no longer wanted");
        int rc = rein_group_close(&g, REIN_ECANCELED);
        CHECK(rc == REIN_ESTOPPED || !strict);
        FINE(rc == REIN_ESTOPPED ? 0 : rc, REIN_EFAILED, REIN_ECANCELED);
}

static void group_with_many_failures(void)
{
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_FIRST));
        for (int i = 0; i < 20; i++)
                rein_spawn(&g, x, job_fails, NULL, NULL);
        int rc = rein_group_close(&g, 0);
        CHECK(rc == REIN_EFAILED || (!strict && (rc == -ENOMEM || rc == -EAGAIN)));
        if (strict) {
                int told = 0;
                for (const rein_error *e = rein_error_cause(rein_trail()); e; e = rein_error_next(e))
                        told++;
                CHECK(told == 16);
        }
}

/* ---- scenarios: options of jobs ---- */

static void shared_jobs(void)
{
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(x, job_value, thing_new(&args, 9), REIN_JOB(.release = thing_release, .share = "k"));
        for (int i = 0; i < 3; i++) {
                if (await_fine(f[i])) {
                        void *value;
                        void (*release)(void *);
                        CHECK(((thing *)rein_value(f[i], NULL))->number == 9);
                        CHECK(rein_take(f[i], &value, &release) == -EBUSY);
                }
                rein_drop(f[i]);
        }
}

static void limits(void)
{
        rein_future *slow = rein_submit(x, job_sleeps, NULL, REIN_JOB(.limit_ns = REIN_MS(1)));
        rein_future *late = rein_submit(x, job_nothing, NULL, REIN_JOB(.start_by = rein_after(REIN_SEC(-1))));
        EVENTUALLY(settled(slow) && settled(late));
        CHECK(rein_code(slow) == REIN_ETIMEOUT || !strict);
        CHECK(rein_code(late) == REIN_EREJECTED || !strict);
        rein_drop(slow);
        rein_drop(late);
}

static atomic_bool let_go;

static int job_ignores(void *arg)
{
        (void)arg;
        started++;
        EVENTUALLY(let_go);
        thing *v = thing_new(&values, 1);
        int rc = rein_give(v, thing_release); /* too late: it must be released all the same */
        if (rc < 0)
                thing_release(v);
        return 0;
}

static void abandoned_job(void)
{
        let_go = false;
        started = 0;
        rein_executor *hasty = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1), .replace_abandoned = 1));
        CHECK(hasty || !strict);
        if (!hasty)
                return;
        rein_future *f = rein_submit(hasty, job_ignores, thing_new(&args, 0),
                                     REIN_JOB(.release = thing_release, .unheeded = REIN_ABANDON_IT));
        EVENTUALLY(started || settled(f));
        rein_cancel(f, "leave");
        EVENTUALLY(settled(f));
        CHECK(rein_code(f) == REIN_EABANDONED || !strict);
        rein_future *next = rein_submit(hasty, job_nothing, NULL, NULL);
        await_fine(next);
        let_go = true;
        EVENTUALLY(rein_gone(f));
        rein_drop(f);
        rein_drop(next);
        rein_executor_free(hasty);
}

/* ---- scenarios: executors ---- */

static int job_init(void *arg)
{
        ++*(atomic_int *)arg;
        return 0;
}

static int job_fini(void *arg)
{
        --*(atomic_int *)arg;
        return 0;
}

static void read_receipt(rein_receipt *r)
{
        FILE *null = fopen("/dev/null", "w");
        rein_straggler s = {.size = sizeof s};
        size_t n = rein_receipt_count(r);
        for (size_t i = 0; i < n; i++)
                CHECK(rein_receipt_at(r, i, &s) && s.stopped_by[0] && s.age_ns >= 0);
        CHECK(!rein_receipt_at(r, n, &s));
        rein_receipt_print(null, r);
        rein_receipt_free(r);
        fclose(null);
}

static void pools_and_stops(void)
{
        atomic_int inside = 0;
        rein_executor *p = rein_pool_new(
                REIN_POOL(.threads = 1, .elastic = true, .init = job_init, .fini = job_fini, .init_arg = &inside));
        CHECK(p || (!strict && (!rein_trail() || rein_error_code(rein_trail()) < 0)));
        for (int how = 0; p && how <= REIN_STOP_NOW; how++) {
                rein_receipt *r = NULL;
                rein_future *f[3];
                started = 0;
                f[0] = rein_submit(p, how == REIN_STOP_NOW ? job_sleeps : job_nothing, NULL, REIN_JOB(.name = "first"));
                EVENTUALLY(started || how != REIN_STOP_NOW || settled(f[0]));
                for (int i = 1; i < 3; i++)
                        f[i] = rein_submit(p, job_value, thing_new(&args, i), REIN_JOB(.release = thing_release));
                CHECK(rein_executor_name(p)[0] && rein_executor_queued(p) <= 3 && rein_executor_threads(p) <= 4);
                if (how == REIN_STOP_RUNNING)
                        MUST(rein_executor_stop_begin(p, (rein_stop)how, rein_after(REIN_SEC(3600))));
                int rc = rein_executor_stop(p, (rein_stop)how, REIN_NEVER, &r);
                FINE(rc);
                if (rc == 0) {
                        CHECK(r);
                        for (int i = 0; i < 3; i++)
                                CHECK(settled(f[i]));
                }
                for (int i = 0; i < 3; i++)
                        EVENTUALLY(settled(f[i]));
                read_receipt(r);
                for (int i = 0; i < 3; i++)
                        rein_drop(f[i]);
                if (!FINE(rein_executor_restart(p), -EBUSY))
                        break;
        }
        rein_executor_free(p);
        CHECK(inside == 0);
}

static void full_queues(void)
{
        static const rein_full policies[] = {REIN_FULL_WAIT, REIN_FULL_REJECT, REIN_FULL_CALLER, REIN_FULL_DROP_OLDEST};
        for (size_t i = 0; i < 4; i++) {
                rein_executor *p = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = policies[i]));
                rein_future *f[5];
                CHECK(p || !strict);
                for (int k = 0; p && k < 5; k++)
                        f[k] = rein_submit(p, job_value, thing_new(&args, k), REIN_JOB(.release = thing_release));
                for (int k = 0; p && k < 5; k++) {
                        EVENTUALLY(settled(f[k]));
                        int code = rein_code(f[k]);
                        if (code != REIN_EREJECTED || policies[i] == REIN_FULL_WAIT || policies[i] == REIN_FULL_CALLER)
                                FINE(code);
                        rein_drop(f[k]);
                }
                rein_executor_free(p);
        }
}

/* A user's own executor: a list, and whoever asks runs what is in it. */
typedef struct own {
        pthread_mutex_t lock;
        rein_work *works[32];
        size_t count, value_taken, canceled;
        atomic_bool released;
} own;

static void own_put(own *o, rein_work *w)
{
        pthread_mutex_lock(&o->lock);
        o->works[o->count++] = w;
        o->value_taken++;
        pthread_mutex_unlock(&o->lock);
}

static int own_accept(void *self, rein_work *w)
{
        own *o = self;
        if (o->count >= 8)
                return REIN_EREJECTED;
        own_put(o, w);
        return 0;
}

static void own_post(void *self, rein_work *w)
{
        own_put(self, w);
}

static void own_cancel(void *self, rein_work *w)
{
        own *o = self;
        size_t i = 0;
        while (i < o->count && o->works[i] != w)
                i++;
        if (i == o->count && strict)
                mistake(__LINE__, "cancel of a work that was never accepted", 0);
        o->canceled++;
}

static void own_stop(void *self, rein_stop how)
{
        (void)self;
        (void)how;
}

static void own_release(void *self)
{
        ((own *)self)->released = true;
}

static void own_run(own *o)
{
        while (o->count) {
                rein_work *w = o->works[--o->count];
                rein_work_run(w);
        }
}

static void own_executor(void)
{
        static const rein_executor_ops ops = {sizeof ops, own_accept, own_post, own_cancel, own_stop, own_release};
        own o = {.lock = PTHREAD_MUTEX_INITIALIZER};
        atomic_int ran = 0;
        rein_executor *e = rein_executor_new(&ops, &o);
        CHECK(e || !strict);
        if (!e)
                return;
        rein_future *f[10];
        for (int i = 0; i < 10; i++)
                f[i] = rein_submit(e, job_value, thing_new(&args, i), REIN_JOB(.release = thing_release));
        bool next = rein_then(f[0], e, continuation, &ran) != NULL;
        rein_cancel(f[1], "not this one");
        own_run(&o);
        own_run(&o);
        for (int i = 0; i < 10; i++) {
                CHECK(settled(f[i]));
                CHECK(!strict || i == 1 || i >= 8 || rein_code(f[i]) == 1);
                rein_drop(f[i]);
        }
        EVENTUALLY(ran == next);
        int rc = rein_executor_stop(e, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        FINE(rc);
        rein_executor_free(e);
        rein_fail(-1, "a trail may hold an error, which holds its future, which holds its executor");
        EVENTUALLY(o.released);
}

/* ---- scenarios: retries ---- */

static int fails_twice(void *arg)
{
        int *tries = arg;
        return ++*tries <= 2 ? rein_fail(-EAGAIN, "try %d", *tries) : 42;
}

static int always_fails(void *arg)
{
        ++*(int *)arg;
        return rein_fail(-EBUSY, "always");
}

static void retries(void)
{
        int tries = 0;
        rein_budget *b = rein_budget_new(100, 1);
        CHECK(b || !strict);
        int rc = rein_retry(REIN_RETRY(.tries = 5, .delay_ns = 1, .each_ns = REIN_SEC(3600), .budget = b), fails_twice,
                            &tries);
        CHECK(rc == 42 || !strict);
        FINE(rc);
        tries = 0;
        rc = rein_retry(REIN_RETRY(.tries = 3, .delay_ns = 1, .until = rein_after(REIN_SEC(3600))), always_fails,
                        &tries);
        CHECK(rc == -EBUSY || (!strict && rc == -ENOMEM));
        CHECK(tries == 3 || !strict);
        if (rein_trail() && rein_error_code(rein_trail()) == -EBUSY)
                for (const rein_error *e = rein_trail(); e; e = rein_error_cause(e))
                        CHECK(rein_error_code(e) == -EBUSY || !strict);
        rein_budget_free(b);
}

/* ---- scenarios: input and output ---- */

static void pipes(void)
{
        char text[8] = "";
        FINE(rein_sleep(rein_after(1)));
        if (FINE(rein_write(ends[1], "rein", 4, REIN_NEVER))) {
                int events = rein_wait_fd(ends[0], POLLIN, REIN_NEVER);
                CHECK(events == POLLIN || !strict);
                FINE(events);
        }
        struct pollfd there = {.fd = ends[0], .events = POLLIN};
        if (poll(&there, 1, 0) == 1) {
                int64_t n = rein_read(ends[0], text, sizeof text, REIN_NEVER);
                if (FINE(n))
                        CHECK(n == 4 && memcmp(text, "rein", 4) == 0);
                else
                        CHECK(read(ends[0], text, sizeof text) == 4); /* it is still there */
        }
        int rc = rein_wait_fd(ends[0], POLLIN, rein_after(REIN_MS(1)));
        CHECK(rc == REIN_ETIMEOUT || (!strict && rc < 0));
}

static void *connects(void *arg)
{
        char port[16], text[4];
        snprintf(port, sizeof port, "%d", *(int *)arg);
        int fd = rein_connect("127.0.0.1", port, REIN_NEVER);
        if (FINE(fd, -ECONNREFUSED, -ECONNRESET)) { /* the other side may have given up */
                FINE(rein_write(fd, "hey", 3, REIN_NEVER), -EPIPE, -ECONNRESET);
                FINE(rein_read(fd, text, sizeof text, rein_after(REIN_SEC(3600))), -ECONNRESET);
                CHECK(rein_close(fd) == 0);
        }
        return (void *)(intptr_t)(fd >= 0);
}

/* The listening side fails; the other one does not wait for it longer than it lives. */
static void sockets(void)
{
        char text[4];
        int fd = rein_listen("127.0.0.1", "0", 8);
        if (!FINE(fd))
                return;
        struct sockaddr_in at;
        socklen_t size = sizeof at;
        CHECK(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
        int port = ntohs(at.sin_port);
        pthread_t other;
        CHECK(pthread_create(&other, NULL, connects, &port) == 0);
        int got = -EAGAIN;
        for (int i = 0; i < 2 && got < 0; i++)
                got = rein_accept(fd, rein_after(REIN_SEC(strict ? 3600 : 0)));
        FINE(got, REIN_ETIMEOUT);
        if (got >= 0) {
                FINE(rein_read(got, text, 3, rein_after(REIN_SEC(strict ? 3600 : 0))), REIN_ETIMEOUT, -ECONNRESET);
                CHECK(rein_close(got) == 0);
        }
        CHECK(rein_close(fd) == 0);
        void *connected;
        pthread_join(other, &connected);
        CHECK(connected || !strict);
}

static void datagrams(void)
{
        char text[4], name[REIN_ADDR_TEXT], port[8];
        rein_addr at = {0}, from = {0}, found = {0};
        int fd = rein_udp_bind("127.0.0.1", "0");
        if (!FINE(fd))
                return;
        MUST(rein_addr_local(fd, &at));
        CHECK(strncmp(rein_addr_text(&at, name), "127.0.0.1:", 10) == 0);
        snprintf(port, sizeof port, "%.5s", name + 10);
        if (FINE(rein_addr_find(fd, "127.0.0.1", port, &found, REIN_NEVER)))
                CHECK(rein_addr_equal(&at, &found));
        else
                CHECK(found.len == 0);
        int client = rein_udp_connect("127.0.0.1", port, REIN_NEVER);
        if (FINE(client)) {
                bool sent = FINE(rein_sendto(client, "hey", 3, NULL, REIN_NEVER));
                int64_t got = rein_recvfrom(fd, text, sizeof text, &from, rein_after(REIN_SEC(sent ? 3600 : 0)));
                CHECK(got == 3 || !strict);
                if (!FINE(got, REIN_ETIMEOUT) && sent)
                        CHECK(recv(fd, text, sizeof text, MSG_DONTWAIT) == 3); /* it is still there */
                if (got == 3)
                        FINE(rein_sendto(fd, "ho", 2, &from, REIN_NEVER));
                CHECK(rein_close(client) == 0);
        }
        CHECK(rein_close(fd) == 0);
}

static void children(void)
{
        static char name[] = "cat";
        char *const argv[] = {name, NULL};
        char text[4];
        rein_child *c = NULL;
        rein_child_end end = {.size = sizeof end};
        int rc = rein_child_start(&c, argv, REIN_CHILD(.in = REIN_CHILD_PIPE, .out = REIN_CHILD_PIPE));
        if (FINE(rc)) {
                int to = rein_child_pipe(c, 0), from = rein_child_pipe(c, 1), pid = rein_child_pid(c);
                CHECK(to >= 0 && from >= 0 && pid > 0);
                MUST(rein_child_signal(c, SIGCONT));
                FINE(rein_write(to, "hey", 3, REIN_NEVER));
                FINE(rein_read(from, text, 3, rein_after(REIN_SEC(strict ? 3600 : 0))), REIN_ETIMEOUT);
                CHECK(rein_child_pidfd(c) >= 0);
                MUST(rein_close(to));
                rc = rein_child_wait(c, &end, REIN_NEVER);
                if (FINE(rc))
                        CHECK(end.gone && end.code == 0);
                else /* the ladder asks for nothing */
                        MUST(rein_child_stop(c, &end));
                CHECK(end.gone && kill(pid, 0) != 0);
                rein_release_fd(&from);
                rein_child_free(c);
        } else {
                CHECK(c == NULL);
        }
        FINE(rein_child_run(argv, REIN_CHILD(.in = REIN_CHILD_NULL, .out = REIN_CHILD_NULL), &end));
        rein_child_said said = {.size = sizeof said, .in = "hey", .in_n = 3};
        if (FINE(rein_child_collect(argv, NULL, &said, &end)) &&
            said.out) /* without memory what it said is lost, and told */
                CHECK(said.out_n == 3 || said.out_cut);
        rein_child_said_free(&said);
        CHECK(rein_cpus() >= 1);
        CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

/* The ticket of a scope and of a group: lent, held, adopted here, over. */
static void tickets(void)
{
        rein_scope s;
        rein_group g;
        rein_adopted a;
        rein_scope_open(&s, REIN_NEVER);
        rein_group_open(&g, NULL);
        rein_ticket *of_scope = rein_scope_lend(), *of_group = rein_group_lend(&g);
        CHECK((of_scope && of_group) || !strict);
        rein_ticket *const all[] = {of_scope, of_group};
        for (int i = 0; i < 2; i++) {
                rein_ticket_drop(rein_ticket_ref(all[i]));
                if (all[i] && FINE(rein_adopt(all[i], &a), -ENOMEM)) {
                        int rc = rein_checkpoint();
                        CHECK(rc == 0 || !strict);
                        CHECK(rein_return(&a, rc) == rc);
                }
        }
        FINE(rein_group_close(&g, 0), REIN_ECANCELED, -ENOMEM);
        FINE(rein_scope_close(&s, 0), REIN_ECANCELED, -ENOMEM);
        if (of_group) {
                int rc = rein_adopt(of_group, &a);
                CHECK(rc == -ESTALE || (!strict && rc == -ENOMEM));
        }
        rein_ticket_drop(of_scope);
        rein_ticket_drop(of_group);
}

static void signals(void)
{
        sigset_t set, had;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_sigmask(SIG_BLOCK, &set, &had);
        pthread_kill(pthread_self(), SIGUSR2);
        int rc = rein_wait_signal(SIGUSR2, REIN_NEVER);
        CHECK(rc == SIGUSR2 || !strict);
        if (!FINE(rc)) {
                int signo;
                CHECK(sigwait(&set, &signo) == 0); /* it was not lost */
        }
        pthread_sigmask(SIG_SETMASK, &had, NULL);
}

/* ---- the table ---- */

typedef struct scenario {
        const char *name;
        void (*act)(void);
        void (*make)(void), (*undo)(void);
} scenario;

#define WITH_POOL make_pool, free_pool
#define WITH_PIPE make_pipe, free_pipe
#define ALONE     NULL, NULL

static const scenario scenarios[] = {
        {"names and time", names_and_time, ALONE},
        {"errors", errors, ALONE},
        {"context values", context, ALONE},
        {"scopes", scopes, ALONE},
        {"within a deadline", within_a_deadline, ALONE},
        {"hook regions", hooks, ALONE},
        {"submit, await, read", submit_and_read, WITH_POOL},
        {"submit many", submit_many, WITH_POOL},
        {"a job that fails", failing_job, WITH_POOL},
        {"jobs that nobody keeps", posted_job, WITH_POOL},
        {"cancels", cancel_them, WITH_POOL},
        {"continuations", continuations, WITH_POOL},
        {"promises", promises, ALONE},
        {"waits for 5", wait_for_few, WITH_POOL},
        {"waits for 24", wait_for_more, WITH_POOL},
        {"all of them failed", all_of_them_failed, WITH_POOL},
        {"run there, wait here", run_there_wait_here, WITH_POOL},
        {"nested waits", nested_waits, WITH_POOL},
        {"groups", groups, WITH_POOL},
        {"a group for any", group_any, WITH_POOL},
        {"a group cancelled", group_cancelled, WITH_POOL},
        {"a group with many failures", group_with_many_failures, WITH_POOL},
        {"shared jobs", shared_jobs, WITH_POOL},
        {"limits", limits, WITH_POOL},
        {"an abandoned job", abandoned_job, ALONE},
        {"pools and stops", pools_and_stops, ALONE},
        {"full queues", full_queues, ALONE},
        {"a user's executor", own_executor, ALONE},
        {"retries", retries, ALONE},
        {"pipes", pipes, WITH_PIPE},
        {"sockets", sockets, ALONE},
        {"datagrams", datagrams, ALONE},
        {"children", children, ALONE},
        {"tickets", tickets, ALONE},
        {"signals", signals, ALONE},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

/* ---- the walk ---- */

static void *act_in_thread(void *arg)
{
        faults_mine = true;
        ((const scenario *)arg)->act();
        return NULL;
}

static void act(const scenario *s, bool fresh)
{
        pthread_t t;
        new_thread = fresh;
        if (!fresh) {
                s->act();
                return;
        }
        if (pthread_create(&t, NULL, act_in_thread, (void *)(uintptr_t)s) != 0 || pthread_join(t, NULL) != 0)
                abort();
}

static void unseen(const rein_error *e, void *arg)
{
        (void)arg;
        (void)rein_error_code(e);
}

typedef struct way { /* how things fail */
        const char *name;
        unsigned kinds;
        bool for_ever, only_mine, fresh;
} way;

/* One run with the k-th question answered badly, and one with nothing failing on the same objects. Did anything fail? */
static bool step(const scenario *s, const way *how, unsigned k, census then)
{
        failing_k = k;
        strict = true;
        if (s->make)
                s->make();
        strict = false;
        faults_at(how->kinds, k, how->for_ever, how->only_mine);
        act(s, how->fresh);
        faults_off();
        bool failed = faults.failed > 0;
        faults.fail_at = 0;
        strict = true;
        act(s, how->fresh);
        if (s->undo)
                s->undo();
        census_returns_to(then);
        rein_fail(-1, "so that the trail holds nothing of the scenario");
        CHECK(balanced(&args) && balanced(&values));
        progress();
        return failed;
}

enum { K_MAX = 3000 };

static void walk(const scenario *s, const way *how)
{
        char text[128];
        scenario_name = s->name;
        snprintf(text, sizeof text, "%s, %s", s->name, how->name);
        phase(text);
        strict = true;
        if (s->make)
                s->make();
        act(s, how->fresh); /* once in peace: what is made once for the process is made now */
        if (s->undo)
                s->undo();
        EVENTUALLY(balanced(&args) && balanced(&values));
        const census then = {.tasks = 3}; /* this thread, the clock and the hand */
        census_returns_to(then);
        unsigned k = 1;
        for (int quiet = 0; quiet < 2 && k < K_MAX; k++)
                quiet = step(s, how, k, then) ? 0 : quiet + 1;
        CHECK(k < K_MAX);
        CHECK(!LEAKS());
        watchdog.phase = NULL;
}

static void walk_all(const way *how)
{
        mistakes = 0;
        for (int i = 0; i < SCENARIOS; i++)
                walk(&scenarios[i], how);
        assert_int_equal(mistakes, 0);
}

#define WALK(test, ...)                                                                                                \
        static void test(void **state)                                                                                 \
        {                                                                                                              \
                (void)state;                                                                                           \
                walk_all(&(way){#test, __VA_ARGS__});                                                                  \
        }

WALK(my_allocation_fails_once, BIT(RN_CHOOSE_ALLOC), false, true, false)
WALK(my_allocations_fail_from_then_on, BIT(RN_CHOOSE_ALLOC), true, true, false)
WALK(an_allocation_anywhere_fails_once, BIT(RN_CHOOSE_ALLOC), false, false, false)
WALK(all_allocations_fail_from_then_on, BIT(RN_CHOOSE_ALLOC), true, false, false)
WALK(an_allocation_of_a_new_thread_fails_once, BIT(RN_CHOOSE_ALLOC), false, true, true)
WALK(allocations_of_a_new_thread_fail_from_then_on, BIT(RN_CHOOSE_ALLOC), true, true, true)
WALK(a_thread_cannot_be_started, BIT(RN_CHOOSE_THREAD), false, false, false)
WALK(no_thread_can_be_started_from_then_on, BIT(RN_CHOOSE_THREAD), true, false, false)
WALK(a_descriptor_cannot_be_had, BIT(RN_CHOOSE_FD), false, false, true)
WALK(no_descriptor_can_be_had_from_then_on, BIT(RN_CHOOSE_FD), true, false, true)

/* ---- chance that is no failure ---- */

static void everything_works_under(const char *what, unsigned kinds, unsigned one_in)
{
        mistakes = 0;
        strict = true;
        for (int round = 0; round < 40 / TEST_SLOW; round++) {
                for (int i = 0; i < SCENARIOS; i++) {
                        const scenario *s = &scenarios[i];
                        scenario_name = s->name;
                        phase(what);
                        if (s->make)
                                s->make();
                        faults_storm(kinds, one_in);
                        act(s, round % 2);
                        faults_off();
                        if (s->undo)
                                s->undo();
                }
        }
        EVENTUALLY(balanced(&args) && balanced(&values));
        CHECK(!LEAKS());
        assert_int_equal(mistakes, 0);
}

static void interrupted_calls_are_continued(void **state)
{
        (void)state;
        for (unsigned n = 2; n <= 5; n++)
                everything_works_under("interruptions", BIT(RN_CHOOSE_INTR), n);
}

static void calls_that_would_block_after_all(void **state)
{
        (void)state;
        for (unsigned n = 2; n <= 5; n++)
                everything_works_under("would block", BIT(RN_CHOOSE_AGAIN), n);
}

static void waits_that_end_for_no_reason(void **state)
{
        (void)state;
        for (unsigned n = 1; n <= 4; n++)
                everything_works_under("spurious wake-ups", BIT(RN_CHOOSE_SPURIOUS), n);
}

static void all_of_that_together(void **state)
{
        (void)state;
        everything_works_under("all of that", BIT(RN_CHOOSE_SPURIOUS) | BIT(RN_CHOOSE_INTR) | BIT(RN_CHOOSE_AGAIN), 3);
}

/* ---- the zone in which nothing is allocated: settle, cancel, drop, stop ---- */

typedef struct zone {
        rein_executor *pool;
        rein_promise *keep, *breaks, *drops, *cancels;
        rein_future *in_slab, *broken, *dropped, *canceled, *running, *queued, *more[4];
        rein_next *next;
        rein_group group;
        rein_stop how;
        atomic_int ran, unwanted;
        thing *value;
} zone;

static void zone_fill(zone *z)
{
        z->pool = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_SEC(20)));
        z->keep = rein_promise_new(&z->in_slab);
        z->breaks = rein_promise_new(&z->broken);
        z->drops = rein_promise_new(&z->dropped);
        z->cancels = rein_promise_new(&z->canceled);
        started = 0;
        z->running = rein_submit(z->pool, job_sleeps, thing_new(&args, 1), REIN_JOB(.release = thing_release));
        EVENTUALLY(started);
        z->queued = rein_submit(z->pool, job_value, thing_new(&args, 2), REIN_JOB(.release = thing_release));
        for (int i = 0; i < 4; i++)
                z->more[i] = rein_submit(z->pool, job_value, thing_new(&args, i), REIN_JOB(.release = thing_release));
        z->next = rein_then(z->broken, z->pool, continuation, &z->unwanted);
        rein_then(z->in_slab, z->pool, continuation, &z->ran);
        z->value = thing_new(&values, 1);
}

/* Everything here must succeed, on whatever thread. */
static void zone_act(zone *z)
{
        MUST(rein_next_remove(z->next));
        MUST(rein_promise_keep(z->keep, z->value, thing_release));
        MUST(rein_promise_break(z->breaks, -EIO, "%s", "a text that is told when there is memory for it"));
        CHECK(rein_promise_break(z->breaks, -EIO, "again") == REIN_EALREADY);
        rein_promise_drop(z->drops);
        CHECK(rein_cancel(z->canceled, "no memory for this") == REIN_NEVER_STARTED);
        CHECK(rein_cancel(z->queued, "no memory for this") == REIN_NEVER_STARTED);
        CHECK(rein_cancel(z->running, "no memory for this") == REIN_ASKED);
        rein_group_cancel(&z->group, "no memory for this");
        MUST(rein_executor_stop_begin(z->pool, z->how, rein_after(REIN_SEC(3600))));
        MUST(rein_executor_stop(z->pool, z->how, rein_after(REIN_SEC(3600)), NULL));
        CHECK(rein_code(z->in_slab) == 0 && rein_code(z->broken) == -EIO && rein_code(z->dropped) == REIN_EBROKEN);
        CHECK(rein_code(z->canceled) == REIN_ECANCELED && rein_code(z->queued) == REIN_ECANCELED);
        CHECK(rein_code(z->running) == REIN_ECANCELED);
        const char *text = rein_error_text(rein_error_of(z->broken));
        CHECK(strstr(text, "when there is memory for it") || strstr(text, "no memory for the text"));
        CHECK(rein_error_text(rein_error_of(z->running))[0]);
        for (int i = 0; i < 4; i++) {
                CHECK(settled(z->more[i]));
                rein_drop(z->more[i]);
        }
        rein_drop(z->in_slab);
        rein_drop(z->broken);
        rein_drop(z->dropped);
        rein_drop(z->canceled);
        rein_drop(z->running);
        rein_drop(z->queued);
        rein_promise_drop(z->keep);
        rein_promise_drop(z->breaks);
        rein_promise_drop(z->cancels);
        rein_executor_free(z->pool);
}

static void *zone_act_in_thread(void *arg)
{
        zone_act(arg);
        return NULL;
}

static void no_memory_is_needed_to_end_things(bool fresh)
{
        mistakes = 0;
        scenario_name = fresh ? "the zone, on a new thread" : "the zone";
        phase(scenario_name);
        strict = true;
        const census then = {.tasks = 3};
        for (int how = 0; how <= REIN_STOP_NOW; how++) {
                zone z = {.how = (rein_stop)how};
                rein_group_open(&z.group, NULL);
                zone_fill(&z);
                rein_spawn(&z.group, z.pool, job_value, thing_new(&args, 1), REIN_JOB(.release = thing_release));
                faults_at(BIT(RN_CHOOSE_ALLOC), 1, true, false);
                pthread_t t;
                if (fresh && pthread_create(&t, NULL, zone_act_in_thread, &z) == 0)
                        pthread_join(t, NULL);
                else
                        zone_act(&z);
                faults_off();
                int closed = rein_group_close(&z.group, 0); /* its child may have ended before the cancel */
                CHECK(closed == 0 || closed == REIN_ESTOPPED);
                EVENTUALLY(z.ran == 1);
                CHECK(z.unwanted == 0);
        }
        census_returns_to(then);
        EVENTUALLY(balanced(&args) && balanced(&values));
        CHECK(!LEAKS());
        assert_int_equal(mistakes, 0);
}

static void ending_things_needs_no_memory(void **state)
{
        (void)state;
        no_memory_is_needed_to_end_things(false);
}

static void ending_things_needs_no_memory_on_a_new_thread(void **state)
{
        (void)state;
        no_memory_is_needed_to_end_things(true);
}

/* An error told without memory lives in a reserve of the task. What is linked to it later must not live there. */
static int job_wraps(void *arg)
{
        (void)arg;
        faults_mine = true;
        faults_at(BIT(RN_CHOOSE_ALLOC), 1, true, true);
        rein_fail(-EIO, "first story");
        faults_off();
        return rein_wrap(-EPIPE, "wrapped");
}

static int job_overwrites(void *arg)
{
        (void)arg;
        faults_at(BIT(RN_CHOOSE_ALLOC), 1, true, true);
        rein_fail(-EBADF, "another story");
        faults_off();
        return 0;
}

static void an_error_outlives_the_task_that_told_it(void **state)
{
        (void)state;
        rein_executor *p = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(p, job_wraps, NULL, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_code(f), -EPIPE);
        assert_int_equal(rein_on(p, job_overwrites, NULL, REIN_JOB(.on_worker = true)), 0);
        const rein_error *cause = rein_error_cause(rein_error_of(f));
        if (cause) /* it may be missing, but it may not become another's */
                assert_string_equal(rein_error_text(cause), "first story");
        rein_drop(f);
        rein_executor_free(p);
        faults_mine = true;
}

/* ---- the first calls of a process: the clock's threads do not run yet ---- */

static void first_pool(void)
{
        rein_executor *p = rein_pool_new(NULL);
        CHECK(p || !strict);
        if (!p)
                return;
        rein_future *f = rein_submit(p, job_value, thing_new(&args, 1), REIN_JOB(.release = thing_release));
        await_fine(f);
        rein_drop(f);
        rein_executor_free(p);
}

static void first_read(void)
{
        make_pipe();
        pipes();
        free_pipe();
}

static const scenario firsts[] = {
        {"first of all, a pool", first_pool, ALONE}, {"first of all, an executor", own_executor, ALONE},
        {"first of all, a hook", hooks, ALONE},      {"first of all, a scope", scopes, ALONE},
        {"first of all, a read", first_read, ALONE}, {"first of all, a promise", promises, ALONE},
        {"first of all, an error", errors, ALONE},   {"first of all, a socket", sockets, ALONE},
};

enum { NOTHING_FAILED = 10, SOMETHING_FAILED = 11, WITH_A_MISTAKE = 2 }; /* exit codes; the last is added */

/* In a process of its own, forked before this one has made anything. */
static _Noreturn void first_call(const scenario *s, unsigned kinds, unsigned k, bool for_ever)
{
        scenario_name = s->name;
        failing_k = k;
        mistakes = 0;
        alarm(PATIENCE_S);
        rein_on_unseen(unseen, NULL);
        faults_mine = true;
        faults_at(kinds, k, for_ever, false);
        s->act();
        faults_off();
        bool failed = faults.failed > 0;
        faults.fail_at = 0;
        strict = true;
        s->act();
        EVENTUALLY(balanced(&args) && balanced(&values));
        exit((failed ? SOMETHING_FAILED : NOTHING_FAILED) + (mistakes ? WITH_A_MISTAKE : 0));
}

/* true: go on with the next k. */
static bool walk_first_call(const scenario *s, unsigned kinds, unsigned k, bool for_ever)
{
        int status;
        pid_t child = fork();
        if (child == 0)
                first_call(s, kinds, k, for_ever);
        assert_int_equal(waitpid(child, &status, 0), child);
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (code == SOMETHING_FAILED || code == NOTHING_FAILED)
                return code == SOMETHING_FAILED;
        mistakes++;
        fprintf(stderr, "%s: ended with status 0x%x, k = %u, kinds 0x%x, %s\n", s->name, status, k, kinds,
                for_ever ? "for ever" : "once");
        return code == SOMETHING_FAILED + WITH_A_MISTAKE;
}

static void walk_first_calls(unsigned kinds, bool for_ever)
{
        for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
                unsigned k = 1;
                while (k < K_MAX && walk_first_call(&firsts[i], kinds, k, for_ever))
                        k++;
                assert_true(k < K_MAX);
        }
}

static void the_first_calls_of_a_process(void **state)
{
        (void)state;
        mistakes = 0;
        for (int for_ever = 0; for_ever <= 1; for_ever++) {
                walk_first_calls(BIT(RN_CHOOSE_ALLOC), for_ever);
                walk_first_calls(BIT(RN_CHOOSE_THREAD), for_ever);
                walk_first_calls(BIT(RN_CHOOSE_FD), for_ever);
        }
        assert_int_equal(mistakes, 0);
}

/* ---- is every call in here? ---- */

static char *contents(const char *path)
{
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        char *text = calloc(1, 1 << 20);
        assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
        fclose(f);
        return text;
}

static void every_public_call_is_walked(void **state)
{
        (void)state;
        static const char *const headers[] = {"base",  "time",     "error", "context", "scope",
                                              "hook",  "executor", "pool",  "future",  "promise",
                                              "group", "wait",     "retry", "io",      "child"};
        char *here = contents(REIN_SOURCE_DIR "/tests/oom_walk_test.c");
        int calls = 0, missing = 0;
        for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
                char path[512];
                snprintf(path, sizeof path, "%s/include/rein/%s.h", REIN_SOURCE_DIR, headers[i]);
                char *text = contents(path);
                for (char *at = text; (at = strstr(at, "\nREIN_API "));) {
                        at = strstr(at + 10, "rein_");
                        size_t n = strcspn(at, "( ;*");
                        while (at[n] != '(') { /* a type before the name */
                                at = strstr(at + n, "rein_");
                                n = strcspn(at, "( ;*");
                        }
                        char name[96];
                        if (n > 3 && strncmp(at + n - 3, "_at", 3) == 0 && strncmp(at, "rein_receipt_at", n) != 0)
                                n -= 3; /* called by its macro */
                        snprintf(name, sizeof name, "%.*s(", (int)n, at);
                        calls++;
                        if (!strstr(here, name)) {
                                missing++;
                                fprintf(stderr, "%s) is not walked\n", name);
                        }
                }
                free(text);
        }
        free(here);
        assert_true(calls > 80);
        assert_int_equal(missing, 0);
}

int main(void)
{
        const struct CMUnitTest pristine[] = {cmocka_unit_test(the_first_calls_of_a_process)};
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(my_allocation_fails_once),
                cmocka_unit_test(my_allocations_fail_from_then_on),
                cmocka_unit_test(an_allocation_anywhere_fails_once),
                cmocka_unit_test(all_allocations_fail_from_then_on),
                cmocka_unit_test(an_allocation_of_a_new_thread_fails_once),
                cmocka_unit_test(allocations_of_a_new_thread_fail_from_then_on),
                cmocka_unit_test(a_thread_cannot_be_started),
                cmocka_unit_test(no_thread_can_be_started_from_then_on),
                cmocka_unit_test(a_descriptor_cannot_be_had),
                cmocka_unit_test(no_descriptor_can_be_had_from_then_on),
                cmocka_unit_test(interrupted_calls_are_continued),
                cmocka_unit_test(calls_that_would_block_after_all),
                cmocka_unit_test(waits_that_end_for_no_reason),
                cmocka_unit_test(all_of_that_together),
                cmocka_unit_test(ending_things_needs_no_memory),
                cmocka_unit_test(ending_things_needs_no_memory_on_a_new_thread),
                cmocka_unit_test(an_error_outlives_the_task_that_told_it),
                cmocka_unit_test(every_public_call_is_walked),
        };
        signal(SIGPIPE, SIG_IGN);
        faults_install();
        int failed = cmocka_run_group_tests_name("first calls", pristine, NULL, NULL);
        faults_mine = true;
        rein_on_unseen(unseen, NULL);
        rein_executor_free(rein_pool_new(NULL)); /* the clock's threads are there from now on */
        watchdog_start();
        failed += cmocka_run_group_tests_name("walks", tests, NULL, NULL);
        watchdog_stop();
        signal(SIGPIPE, SIG_DFL);
        return failed;
}
