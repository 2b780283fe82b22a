/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 4 of rein.h: what is marked [owner] is refused to everybody else, -EPERM, before anything changes. Each such call is
 * tried by a plain thread, by a job of a pool and by another coroutine of the loop, while its owner, of each kind in turn,
 * has the object open; and afterwards the owner finds it as it was. The marks are read off the headers: a call marked there
 * needs a line in `calls`, and the other way round. */
#include "everywhere.h"

#include <dirent.h>

typedef struct object {
        rein_scope scope;
        rein_group group;
        rein_hook hook;
        rein_mutex *mutex;
        rein_cond *cond;
        rein_promise *promise;
        rein_future *future;
        rein_done done;
        rein_ticket *ticket;
        rein_adopted adopted;
        rein_executor *loop;
        atomic_int count;
} object;

typedef struct call {
        const char *name;          /* as in the headers */
        int (*open)(object *o);    /* by the owner; 0 */
        int (*refused)(object *o); /* by a task that is not */
        int (*works)(object *o);   /* by the owner again: used, and closed; 0 */
        bool hosted;               /* the owner is a thread, and cannot be a coroutine */
        bool also_inside;          /* a coroutine of the hosted loop is a stranger too */
} call;

static int said(void)
{
        return rein_error_code(rein_trail());
}

/* ---- each call ---- */

static int scope_open(object *o)
{
        rein_scope_open(&o->scope, REIN_NEVER);
        return 0;
}

static int scope_close_refused(object *o)
{
        return rein_scope_close(&o->scope, -EIO);
}

static int scope_works(object *o)
{
        OK(rein_checkpoint() == 0);
        rein_scope_cancel(&o->scope, "it is open");
        OK(rein_checkpoint() == REIN_ECANCELED);
        OK(rein_scope_close(&o->scope, REIN_ECANCELED) == REIN_ESTOPPED);
        OK(rein_checkpoint() == 0);
        return 0;
}

static int group_open(object *o)
{
        rein_group_open(&o->group, NULL);
        return 0;
}

static int group_join_refused(object *o)
{
        return rein_group_join(&o->group, REIN_NEVER);
}

static int group_close_refused(object *o)
{
        return rein_group_close(&o->group, -EIO); /* would cancel it */
}

static int group_works(object *o)
{
        rein_spawn(&o->group, in[POOL], job_count, &o->count, NULL);
        OK(rein_group_join(&o->group, REIN_NEVER) == 0);
        OK(o->count == 1);
        rein_spawn(&o->group, in[LOOP], job_count, &o->count, NULL);
        OK(rein_group_close(&o->group, 5) == 5);
        OK(o->count == 2);
        return 0;
}

static int hook_open(object *o)
{
        return rein_hook_open(&o->hook, release_count, &o->count);
}

static int hook_close_refused(object *o)
{
        return rein_hook_close(&o->hook, -EIO);
}

static int hook_works(object *o)
{
        OK(o->count == 0);
        OK(rein_hook_close(&o->hook, 4) == 4);
        return 0;
}

static int mutex_open(object *o)
{
        o->mutex = rein_mutex_new();
        o->cond = rein_cond_new(o->mutex);
        return rein_mutex_lock(o->mutex, REIN_NEVER);
}

static int mutex_unlock_refused(object *o)
{
        return rein_mutex_unlock(o->mutex);
}

static int cond_wait_refused(object *o)
{
        return rein_cond_wait(o->cond, REIN_NEVER);
}

static int mutex_works(object *o)
{
        OK(rein_mutex_lock(o->mutex, REIN_NOWAIT) == REIN_EDEADLOCK); /* it is mine */
        OK(rein_cond_signal(o->cond) == 0);                           /* nobody waits */
        OK(rein_cond_wait(o->cond, REIN_NOWAIT) == REIN_ETIMEOUT);
        OK(rein_mutex_unlock(o->mutex) == 0);
        rein_cond_free(o->cond);
        rein_mutex_free(o->mutex);
        return 0;
}

static int done_open(object *o)
{
        o->promise = rein_promise_new(&o->future);
        rein_done_open(&o->done, &o->future, 1);
        return rein_promise_keep(o->promise, NULL, NULL);
}

static int done_next_refused(object *o)
{
        return rein_done_next(&o->done, REIN_NEVER);
}

static int done_close_refused(object *o)
{
        rein_done_close(&o->done);
        return said();
}

static int done_works(object *o)
{
        OK(rein_done_next(&o->done, REIN_NEVER) == 0);
        OK(rein_done_next(&o->done, REIN_NEVER) == -ENOENT);
        rein_done_close(&o->done);
        OK(rein_done_next(&o->done, REIN_NEVER) == -EPERM);
        rein_promise_drop(o->promise);
        rein_drop(o->future);
        return 0;
}

static int adopt(object *o)
{
        o->ticket = rein_scope_lend();
        return rein_adopt(o->ticket, &o->adopted);
}

static int return_refused(object *o)
{
        return rein_return(&o->adopted, 0);
}

static int return_works(object *o)
{
        OK(rein_return(&o->adopted, 7) == 7);
        OK(rein_return(&o->adopted, 7) == -EPERM);
        rein_ticket_drop(o->ticket);
        return 0;
}

static int host(object *o)
{
        o->loop = rein_loop_new(REIN_LOOP(.hosted = true));
        return o->loop ? 0 : said();
}

static int loop_fd_refused(object *o)
{
        return rein_loop_fd(o->loop);
}

static int loop_turn_refused(object *o)
{
        return rein_loop_turn(o->loop);
}

static int free_refused(object *o)
{
        rein_executor_free(o->loop);
        return said();
}

static int loop_works(object *o)
{
        rein_future *f = rein_submit(o->loop, job_seven, NULL, NULL);
        OK(rein_loop_fd(o->loop) >= 0);
        while (rein_loop_turn(o->loop) > 0)
                ;
        OK(rein_code(f) == 7);
        rein_drop(f);
        rein_executor_free(o->loop);
        return 0;
}

static const call calls[] = {
        {"rein_scope_close", scope_open, scope_close_refused, scope_works, false, false},
        {"rein_group_join", group_open, group_join_refused, group_works, false, false},
        {"rein_group_close", group_open, group_close_refused, group_works, false, false},
        {"rein_hook_close", hook_open, hook_close_refused, hook_works, false, false},
        {"rein_mutex_unlock", mutex_open, mutex_unlock_refused, mutex_works, false, false},
        {"rein_cond_wait", mutex_open, cond_wait_refused, mutex_works, false, false},
        {"rein_done_next", done_open, done_next_refused, done_works, false, false},
        {"rein_done_close", done_open, done_close_refused, done_works, false, false},
        {"rein_return", adopt, return_refused, return_works, false, false},
        {"rein_loop_fd", host, loop_fd_refused, loop_works, true, true},
        {"rein_loop_turn", host, loop_turn_refused, loop_works, true, true},
        {"rein_executor_free", host, free_refused, loop_works, true, false},
};

/* ---- strangers ---- */

typedef struct stranger {
        const call *call;
        object *object;
        int rc, trail;
} stranger;

static int intrude(void *arg)
{
        stranger *s = arg;
        (void)rein_fail(-ENOENT, "nothing yet");
        s->rc = s->call->refused(s->object);
        s->trail = said();
        return 0;
}

static void *intrude_from_a_thread(void *arg)
{
        intrude(arg);
        return NULL;
}

static int inside(const call *c, object *o)
{
        stranger s = {.call = c, .object = o};
        rein_future *f = rein_submit(o->loop, intrude, &s, NULL);
        while (rein_loop_turn(o->loop) > 0)
                ;
        OK(rein_code(f) == 0);
        rein_drop(f);
        OK(s.rc == -EPERM && s.trail == -EPERM);
        return 0;
}

static int owner_main(void *arg)
{
        const call *c = arg;
        object o = {.count = 0};
        OK(c->open(&o) == 0);
        for (int place = 0; place < PLACES; place++) {
                stranger s = {.call = c, .object = &o};
                if (place == PLAIN)
                        join(go(intrude_from_a_thread, &s));
                else
                        OK(there(place, intrude, &s) == 0);
                OK(s.rc == -EPERM);
                OK(s.trail == -EPERM);
        }
        if (c->also_inside)
                OK(inside(c, &o) == 0);
        return c->works(&o);
}

static void test_every_owner_call_is_refused_to_others_and_changes_nothing(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(calls); i++) {
                for (int place = 0; place < PLACES; place++) {
                        if (calls[i].hosted && place == LOOP)
                                continue;
                        call c = calls[i];
                        int rc = there(place, owner_main, &c);
                        if (rc != 0)
                                fail_msg("%s, opened in place %d: %s, line %d", c.name, place,
                                         rein_error_text(rein_trail()), REIN_EUSER - rc);
                }
        }
}

/* ---- what could not be opened, for want of memory, has an owner too ---- */

typedef struct unopened {
        rein_scope scope;
        rein_group group, around;
        rein_done done;
        atomic_bool open;
        atomic_int right;
} unopened;

static int close_unopened(void *arg)
{
        unopened *u = arg;
        rein_scope mine;
        bool open;
        COMES_TRUE(atomic_load(&u->open), open);
        OK(open);
        support_poor = true;
        rein_scope_open(&mine, REIN_NEVER);
        support_poor = false;
        OK(rein_checkpoint() == REIN_ECANCELED);
        int rc[] = {rein_scope_close(&u->scope, 0), rein_group_join(&u->group, REIN_NEVER),
                    rein_group_close(&u->group, 0), rein_done_next(&u->done, REIN_NEVER)};
        (void)rein_fail(-ENOENT, "nothing yet");
        rein_done_close(&u->done);
        bool told = said() == -EPERM, still = rein_checkpoint() == REIN_ECANCELED;
        OK(rein_scope_close(&mine, 0) == -ENOMEM);
        for (size_t i = 0; i < COUNT(rc); i++)
                OK(rc[i] == -EPERM);
        OK(told && still);
        atomic_fetch_add(&u->right, 1);
        return 0;
}

static void *close_unopened_from_a_thread(void *arg)
{
        close_unopened(arg);
        return NULL;
}

static void open_without_memory(unopened *u)
{
        support_poor = true;
        rein_done_open(&u->done, NULL, 0);
        rein_scope_open(&u->scope, REIN_NEVER);
        rein_group_open(&u->group, NULL);
        support_poor = false;
        atomic_store(&u->open, true);
}

static int close_by_the_owner(unopened *u)
{
        OK(rein_checkpoint() == REIN_ECANCELED);
        OK(rein_done_next(&u->done, REIN_NEVER) == -ENOMEM);
        rein_done_close(&u->done);
        OK(rein_done_next(&u->done, REIN_NEVER) == -EPERM);
        OK(rein_group_join(&u->group, REIN_NEVER) == 0);
        OK(rein_group_close(&u->group, 0) == -ENOMEM);
        OK(rein_scope_close(&u->scope, 0) == -ENOMEM);
        OK(rein_scope_close(&u->scope, 0) == -EPERM);
        OK(rein_checkpoint() == 0);
        return 0;
}

/* Those in `around` were spawned before, and are waited for although the owner is cancelled. */
static int owns_unopened(void *arg)
{
        unopened u = {.right = 0};
        (void)arg;
        rein_group_open(&u.around, REIN_GROUP(.policy = REIN_EACH));
        rein_spawn(&u.around, in[POOL], close_unopened, &u, NULL);
        rein_spawn(&u.around, in[LOOP], close_unopened, &u, NULL);
        open_without_memory(&u);
        OK(rein_group_join(&u.around, REIN_NEVER) == 0);
        join(go(close_unopened_from_a_thread, &u));
        OK(close_by_the_owner(&u) == 0);
        OK(rein_group_close(&u.around, 0) == 0);
        OK(u.right == 3);
        return 0;
}

static void test_what_could_not_be_opened_has_an_owner_too(void **state)
{
        (void)state;
        for (int place = 0; place < PLACES; place++)
                assert_int_equal(there(place, owns_unopened, NULL), 0);
}

/* A thread that has no memory to become a task is an owner by its number, and still is when it has become one. */
static void *close_without_a_task(void *arg)
{
        unopened *u = arg;
        support_poor = true;
        atomic_fetch_add(&u->right, rein_scope_close(&u->scope, 0) == -EPERM &&
                                            rein_group_close(&u->group, 0) == -EPERM &&
                                            rein_done_next(&u->done, REIN_NEVER) == -EPERM && !rn_self_if());
        return NULL;
}

static int coroutine_closes(void *arg)
{
        unopened *u = arg;
        OK(rein_scope_close(&u->scope, 0) == -EPERM);
        OK(rein_group_close(&u->group, 0) == -EPERM);
        atomic_fetch_add(&u->right, 1);
        return 0;
}

static void *owns_without_a_task(void *arg)
{
        unopened *u = arg;
        open_without_memory(u);
        const bool none = !rn_self_if();
        join(go(close_without_a_task, u));
        rein_executor *loop = rein_loop_new(REIN_LOOP(.hosted = true)); /* a task from here on */
        rein_drop(rein_submit(loop, coroutine_closes, u, NULL));
        while (rein_loop_turn(loop) > 0)
                ;
        rein_executor_free(loop);
        atomic_fetch_add(&u->right, none && rn_self_if() && close_by_the_owner(u) == 0);
        return NULL;
}

static void test_a_thread_without_a_task_owns_what_it_could_not_open(void **state)
{
        (void)state;
        unopened u = {.right = 0};
        join(go(owns_without_a_task, &u));
        assert_int_equal(u.right, 3);
}

/* ---- the marks in the headers ---- */

enum { MOST = 64, TEXT = 64 << 10 };

static size_t read_header(const char *name, char text[TEXT])
{
        char path[512];
        snprintf(path, sizeof path, REIN_SOURCE_DIR "/include/rein/%s", name);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        size_t n = fread(text, 1, TEXT - 1, f);
        assert_true(n < TEXT - 1);
        fclose(f);
        text[n] = 0;
        return n;
}

/* The functions that stand under a comment with the mark, up to the next empty line or comment. */
static size_t marked(const char *text, char names[][64], size_t n)
{
        for (const char *at = text; (at = strstr(at, "/*"));) {
                const char *end = strstr(at, "*/"), *mark = strstr(at, "[owner]");
                assert_non_null(end);
                at = end + 2;
                if (!mark || mark > end)
                        continue;
                const char *empty = strstr(at, "\n\n"), *next = strstr(at, "/*");
                const char *stop = !next || (empty && empty < next) ? empty : next;
                for (const char *api = at; (api = strstr(api, "REIN_API ")) && api < stop;) {
                        const char *name = strstr(api, "rein_"), *open = strchr(api, '(');
                        for (const char *later; (later = strstr(name + 1, "rein_")) && later < open;)
                                name = later;
                        size_t length = (size_t)(open - name);
                        if (length > 3 && memcmp(open - 3, "_at", 3) == 0)
                                length -= 3;
                        assert_true(n < MOST && length < 64);
                        snprintf(names[n++], 64, "%.*s", (int)length, name);
                        api = open;
                }
        }
        return n;
}

static void test_the_calls_tried_here_are_those_the_headers_mark(void **state)
{
        (void)state;
        static char text[TEXT], names[MOST][64];
        size_t n = 0, headers = 0;
        DIR *d = opendir(REIN_SOURCE_DIR "/include/rein");
        assert_non_null(d);
        for (const struct dirent *e; (e = readdir(d));) {
                if (!strstr(e->d_name, ".h"))
                        continue;
                read_header(e->d_name, text);
                n = marked(text, names, n);
                headers++;
        }
        closedir(d);
        assert_true(headers > 10);
        for (size_t i = 0; i < n; i++) {
                bool tried = false;
                for (size_t k = 0; k < COUNT(calls); k++)
                        tried |= strcmp(calls[k].name, names[i]) == 0;
                if (!tried)
                        fail_msg("%s is marked [owner], and `calls` has no line for it", names[i]);
        }
        for (size_t k = 0; k < COUNT(calls); k++) {
                bool found = false;
                for (size_t i = 0; i < n; i++)
                        found |= strcmp(calls[k].name, names[i]) == 0;
                if (!found)
                        fail_msg("no header marks %s as [owner]", calls[k].name);
        }
        assert_int_equal(n, COUNT(calls));
}

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_owner_call_is_refused_to_others_and_changes_nothing),
                cmocka_unit_test(test_what_could_not_be_opened_has_an_owner_too),
                cmocka_unit_test(test_a_thread_without_a_task_owns_what_it_could_not_open),
                cmocka_unit_test(test_the_calls_tried_here_are_those_the_headers_mark),
        };
        return cmocka_run_group_tests(tests, open_places, close_places);
}
