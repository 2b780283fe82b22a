/* SPDX-License-Identifier: Apache-2.0 */
/* A guest in libuv's loop, then in GLib's, for tests/install/run.sh: the installed adapters, C11 and C++20 alike. */
#include <rein/rein.h>
#include <rein/glib.h>
#include <rein/uv.h>

static int doze(void *arg)
{
        (void)arg;
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        return rc < 0 ? rc : 1;
}

static void uv_turned(rein_uv *a, int left)
{
        if (left <= 0)
                rein_uv_detach(a, NULL);
}

static gboolean g_turned(rein_executor *guest, int left, gpointer loop)
{
        (void)guest;
        if (left > 0)
                return G_SOURCE_CONTINUE;
        g_main_loop_quit((GMainLoop *)loop);
        return G_SOURCE_REMOVE;
}

int main(void)
{
        uv_loop_t uv;
        rein_uv a;
        GMainLoop *loop = g_main_loop_new(NULL, FALSE);
        rein_executor *guest = rein_loop_new(REIN_LOOP(.hosted = true));

        rein_future *first = rein_submit(guest, doze, NULL, NULL);
        if (uv_loop_init(&uv) < 0 || rein_uv_attach(&a, &uv, guest, uv_turned) < 0)
                return 1;
        uv_run(&uv, UV_RUN_DEFAULT);
        uv_loop_close(&uv);

        rein_future *second = rein_submit(guest, doze, NULL, NULL);
        if (!rein_g_attach(NULL, guest, g_turned, loop, NULL))
                return 1;
        g_main_loop_run(loop);
        g_main_loop_unref(loop);

        int done = rein_code(first) + rein_code(second);
        rein_drop(first);
        rein_drop(second);
        rein_executor_free(guest);
        return done == 2 ? 0 : 1;
}
