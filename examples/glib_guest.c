/* SPDX-License-Identifier: Apache-2.0 */
/* rein inside of a program of GLib's (GTK's, GStreamer's), on its main context and one thread, by rein/glib.h. Two loops of
 * rein's are guests: one for what the user waits for, and one of low priority that has its turn when the program has nothing
 * else to do. A coroutine and a GLib callback talk over a pair of sockets; when both loops are empty the program ends. */
#include <rein/rein.h>
#include <rein/glib.h>

#include <glib-unix.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static GMainLoop *program;
static rein_executor *front, *back;
static int ends[2], guests = 2, steps;

/* ---- GLib's side ---- */

static gboolean answer(gint fd, GIOCondition events, gpointer data)
{
        char text[32];
        ssize_t n = events & G_IO_IN ? read(fd, text, sizeof text) : 0;
        (void)data;
        for (ssize_t i = 0; i < n; i++)
                text[i] = g_ascii_toupper(text[i]);
        return n > 0 && write(fd, text, (size_t)n) == n ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* After each turn of a guest: whether anything is left to do in it. */
static gboolean turned(rein_executor *guest, int left, gpointer data)
{
        (void)data;
        if (left > 0)
                return G_SOURCE_CONTINUE;
        printf("nothing is left in the loop '%s'\n", rein_executor_name(guest));
        if (--guests == 0)
                g_main_loop_quit(program);
        return G_SOURCE_REMOVE;
}

/* ---- rein's ---- */

static int talk(void *arg)
{
        const char *const said[] = {"hello", "are you well?"};
        (void)arg;
        for (int i = 0; i < 2; i++) {
                char heard[32];
                int64_t n = rein_write(ends[0], said[i], strlen(said[i]), rein_after(REIN_SEC(10)));
                if (n > 0)
                        n = rein_read(ends[0], heard, sizeof heard, rein_after(REIN_SEC(10)));
                if (n < 0)
                        return (int)n;
                printf("said %s, heard %.*s\n", said[i], (int)n, heard);
        }
        return 0;
}

static int tidy_up(void *arg)
{
        (void)arg;
        for (steps = 0; steps < 1000; steps++) {
                int rc = rein_sleep(REIN_NOWAIT); /* a long job lets others go first */
                if (rc < 0)
                        return rc;
        }
        return 0;
}

int main(void)
{
        front = rein_loop_new(REIN_LOOP(.name = "front", .hosted = true));
        back = rein_loop_new(REIN_LOOP(.name = "back", .hosted = true));
        if (!front || !back || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return 1;
        program = g_main_loop_new(NULL, FALSE);
        g_unix_fd_add(ends[1], G_IO_IN | G_IO_HUP, answer, NULL);

        rein_future *talked = rein_submit(front, talk, NULL, NULL);
        rein_future *tidied = rein_submit(back, tidy_up, NULL, NULL);
        GSource *low = rein_g_source_new(back); /* a source like any other: its priority is set by GLib's own call */
        if (rein_g_attach(NULL, front, turned, NULL, NULL) == 0 || !low) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        g_source_set_priority(low, G_PRIORITY_LOW);
        g_source_set_callback(low, (GSourceFunc)(void (*)(void))turned, NULL, NULL);
        g_source_attach(low, NULL);
        g_source_unref(low);
        g_main_loop_run(program);

        printf("talked: %s; tidied up: %s, in %d steps\n", rein_code_name(rein_code(talked)),
               rein_code_name(rein_code(tidied)), steps);
        bool well = rein_code(talked) == 0 && rein_code(tidied) == 0;
        rein_drop(talked);
        rein_drop(tidied);
        rein_executor_free(front); /* by the thread that made them */
        rein_executor_free(back);
        rein_close(ends[0]);
        g_main_context_iteration(NULL, FALSE); /* the callback sees that, and is removed */
        rein_close(ends[1]);
        g_main_loop_unref(program);
        return well ? 0 : 1;
}
