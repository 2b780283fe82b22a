/* SPDX-License-Identifier: Apache-2.0 */
/* The loop as a guest of GLib's, by rein/glib.h. The host's own timer and sockets go on. */
#include <rein/glib.h>

#include <glib-unix.h>
#include <sys/socket.h>

#include "support.h"
#include "visit.h"

typedef struct host {
        GMainContext *context;
        GMainLoop *loop;
        GSource *timer;
        rein_executor *guest;
        visit visit;
        int pair[2];
        int turns, gone, last;           /* how often, how often, what turned was told last */
        void (*on_tick)(struct host *h); /* in the timer's callback */
        int rc;
} host;

/* ---- the host ---- */

static gboolean ticks(gpointer arg)
{
        host *h = arg;
        h->visit.ticks++;
        if (h->on_tick)
                h->on_tick(h);
        return G_SOURCE_CONTINUE;
}

static gboolean echoes(gint fd, GIOCondition events, gpointer arg)
{
        char c;
        (void)events;
        (void)arg;
        return read(fd, &c, 1) == 1 && write(fd, &c, 1) == 1 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void is_gone(gpointer arg)
{
        host *h = arg;
        h->gone++;
}

/* Nothing is left: the host may end. */
static gboolean turned(rein_executor *guest, int left, gpointer arg)
{
        host *h = arg;
        h->turns++;
        h->last = left;
        if (left > 0 && guest == h->guest)
                return G_SOURCE_CONTINUE;
        g_main_loop_quit(h->loop);
        return G_SOURCE_REMOVE;
}

static void attach(host *h)
{
        const guint id = rein_g_attach(h->context, h->guest, turned, h, is_gone);
        assert_true(id > 0);
        assert_non_null(g_main_context_find_source_by_id(h->context, id));
}

static void host_init(host *h)
{
        *h = (host){.guest = rein_loop_new(REIN_LOOP(.hosted = true)), .last = 1000};
        h->context = g_main_context_new();
        h->loop = g_main_loop_new(h->context, FALSE);
        h->timer = g_timeout_source_new(1);
        g_source_set_callback(h->timer, ticks, h, NULL);
        g_source_attach(h->timer, h->context);
        attach(h);
}

static GSource *of_guest(host *h)
{
        return g_main_context_find_source_by_user_data(h->context, h);
}

static void leave(host *h)
{
        g_source_destroy(h->timer); /* it has the same data */
        g_source_destroy(of_guest(h));
        g_main_loop_quit(h->loop);
}

static void host_free(host *h)
{
        g_source_destroy(h->timer);
        g_source_unref(h->timer);
        g_main_loop_unref(h->loop);
        g_main_context_unref(h->context);
        assert_int_equal(h->gone, 1);
}

/* ---- what goes well ---- */

static void test_in_a_program_on_glib(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, h.pair), 0);
        h.visit.fd = h.pair[0];
        GSource *echo = g_unix_fd_source_new(h.pair[1], G_IO_IN);
        g_source_set_callback(echo, (GSourceFunc)(void (*)(void))echoes, NULL, NULL);
        g_source_attach(echo, h.context);
        rein_future *f = rein_submit(h.guest, stay, &h.visit, NULL);
        g_main_loop_run(h.loop);
        g_source_unref(echo);
        host_free(&h);
        assert_int_equal(h.last, 0);
        was_well(h.guest, f, &h.visit);
        close(h.pair[1]);
}

static void stop_the_host(host *h)
{
        g_main_loop_quit(h->loop);
        h->on_tick = NULL;
}

/* Whose host ends first goes on in its next run; or is freed, and leaves by its cancel. */
static void test_a_guest_outlives_a_run_of_its_host(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        seat s = {NULL};
        rein_future *sleeper = rein_submit(h.guest, job_sleep, &s, NULL);
        h.on_tick = stop_the_host;
        g_main_loop_run(h.loop);
        gate g = gate_new();
        rein_future *second = rein_submit(h.guest, job_pass, &g, NULL);
        gate_open(&g);
        while (!rein_gone(second))
                g_main_context_iteration(h.context, TRUE);
        assert_true(sits_in(&s, "rein_sleep"));
        assert_int_equal(h.last, 1);
        leave(&h);
        const int before = h.turns;
        rein_executor_free(h.guest); /* turns it */
        assert_int_equal(rein_code(sleeper), REIN_ECANCELED);
        while (g_main_context_iteration(h.context, FALSE))
                ;
        assert_int_equal(h.turns, before);
        host_free(&h);
        rein_drop(sleeper);
        rein_drop(second);
        gate_free(&g);
}

/* ---- a stop, from a callback of the host ---- */

static void begin_a_stop(host *h)
{
        if (h->visit.ticks == TICKS)
                h->rc = rein_executor_stop_begin(h->guest, REIN_STOP_NOW, REIN_NEVER);
}

static void test_a_stop_begun_by_the_host_tells_when_nothing_is_left(void **state)
{
        (void)state;
        for (int jobs = 0; jobs < 2; jobs++) {
                host h;
                host_init(&h);
                rein_future *f = jobs ? rein_submit(h.guest, job_sleep, NULL, NULL) : NULL;
                h.on_tick = begin_a_stop;
                h.rc = 1;
                g_main_loop_run(h.loop);
                assert_int_equal(h.rc, 0);
                assert_int_equal(h.last, 0);
                if (f)
                        assert_int_equal(rein_code(f), REIN_ECANCELED);
                rein_drop(f);
                host_free(&h);
                assert_int_equal(rein_executor_stop(h.guest, REIN_STOP_NOW, REIN_NOWAIT, NULL), 0);
                rein_executor_free(h.guest);
        }
}

static void stop_at_once(host *h)
{
        h->rc = rein_executor_stop(h->guest, REIN_STOP_NOW, REIN_NEVER, NULL);
        leave(h);
}

static void test_a_stop_in_a_callback_turns_the_guest(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_future *f = rein_submit(h.guest, job_sleep, NULL, NULL);
        h.on_tick = stop_at_once;
        h.rc = 1;
        g_main_loop_run(h.loop);
        assert_int_equal(h.rc, 0);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        rein_drop(f);
        host_free(&h);
        rein_executor_free(h.guest);
}

/* ---- detached from inside ---- */

static int leave_job(void *arg)
{
        leave(arg);
        return 0;
}

static int free_job(void *arg)
{
        host *h = arg;
        leave(h);
        rein_executor_free(h->guest);
        return 0;
}

static void test_a_coroutine_destroys_the_source_and_nothing_is_told_any_more(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_future *f = rein_submit(h.guest, leave_job, &h, NULL);
        g_main_loop_run(h.loop);
        assert_int_equal(h.turns, 0);
        assert_int_equal(h.gone, 1);
        assert_int_equal(rein_code(f), 0);
        rein_drop(f);

        h.gone = 0;
        attach(&h); /* once more */
        f = rein_submit(h.guest, job_seven, NULL, NULL);
        g_main_loop_run(h.loop);
        assert_int_equal(rein_code(f), 7);
        rein_drop(f);
        host_free(&h);
        rein_executor_free(h.guest);
}

static void test_a_coroutine_destroys_the_source_and_frees(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_drop(rein_submit(h.guest, free_job, &h, NULL));
        g_main_loop_run(h.loop);
        assert_int_equal(h.turns, 0);
        host_free(&h);
}

/* ---- what goes wrong ---- */

static void *attach_elsewhere(void *arg)
{
        host *h = arg;
        h->rc = rein_g_attach(h->context, h->guest, turned, h, is_gone) ? 0 : rein_error_code(rein_trail());
        return NULL;
}

static int refused(rein_executor *guest)
{
        GSource *source = rein_g_source_new(guest);
        return source ? 0 : rein_error_code(rein_trail());
}

static void test_what_cannot_be_attached_is_refused(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_executor *own = rein_loop_new(NULL),
                      *portable = rein_loop_new(REIN_LOOP(.hosted = true, .portable = true));
        assert_int_equal(refused(NULL), -EINVAL);
        assert_int_equal(refused(own), -EINVAL);
        assert_int_equal(refused(portable), -ENOTSUP);
        join(go(attach_elsewhere, &h));
        assert_int_equal(h.rc, -EPERM);
        assert_int_equal(h.gone, 0);
        rein_executor_free(own);
        rein_executor_free(portable);
        leave(&h);
        host_free(&h);
        rein_executor_free(h.guest);
}

static void *run_elsewhere(void *arg)
{
        host *h = arg;
        g_main_loop_run(h->loop);
        return NULL;
}

static void test_a_host_on_another_thread_is_told_and_goes_on(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_future *f = rein_submit(h.guest, job_seven, NULL, NULL);
        join(go(run_elsewhere, &h));
        assert_int_equal(h.turns, 1);
        assert_int_equal(h.last, -EPERM);
        assert_int_equal(rein_code(f), REIN_EPENDING);
        host_free(&h);
        rein_executor_free(h.guest);
        rein_drop(f);
}

static void test_a_guest_that_was_freed_first_is_told(void **state)
{
        (void)state;
        host h;
        host_init(&h);
        rein_executor_free(h.guest);
        g_main_loop_run(h.loop);
        assert_int_equal(h.last, -EBADF);
        host_free(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_in_a_program_on_glib),
                cmocka_unit_test(test_a_guest_outlives_a_run_of_its_host),
                cmocka_unit_test(test_a_stop_begun_by_the_host_tells_when_nothing_is_left),
                cmocka_unit_test(test_a_stop_in_a_callback_turns_the_guest),
                cmocka_unit_test(test_a_coroutine_destroys_the_source_and_nothing_is_told_any_more),
                cmocka_unit_test(test_a_coroutine_destroys_the_source_and_frees),
                cmocka_unit_test(test_what_cannot_be_attached_is_refused),
                cmocka_unit_test(test_a_host_on_another_thread_is_told_and_goes_on),
                cmocka_unit_test(test_a_guest_that_was_freed_first_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
