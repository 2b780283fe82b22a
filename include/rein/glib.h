/* SPDX-License-Identifier: Apache-2.0 */
/* A loop of rein's as a guest in a main context of GLib's (GTK's, GStreamer's): coroutines in a program that has
 * callbacks, on one thread. Needs GLib's own header and library (2.36 or later); librein itself knows nothing of them,
 * and rein/rein.h does not include this file.
 *
 * The calls are for the thread that made the guest (REIN_LOOP(.hosted = true)) and iterates the context. When that ends
 * before the guest's jobs have, they stand still: iterate it again, or destroy the source and stop or free the guest:
 * that call turns it to its end. */
#ifndef REIN_GLIB_H
#define REIN_GLIB_H

#include <rein/error.h>
#include <rein/loop.h>
#include <errno.h>
#include <glib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* After each turn, outside of every coroutine: how many of the guest's jobs are not gone. It may submit, and begin a
 * stop. left < 0: the guest could not be turned (-EPERM: by a thread that did not make it; -EBADF: it was freed); the
 * source is then removed, whatever this returns.
 * Returns: G_SOURCE_CONTINUE, or G_SOURCE_REMOVE: the guest is not turned any more. */
typedef gboolean (*rein_g_turned)(rein_executor *guest, int left, gpointer data);

/* Not for you: the source as GLib has it. */
typedef struct rein_g_source_ {
        GSource source;
        rein_executor *guest;
        gpointer fd;
} rein_g_source_;

/* Not for you: what GLib calls. */
static inline gboolean rein_g_dispatch_(GSource *source, GSourceFunc callback, gpointer data)
{
        rein_g_source_ *s = (rein_g_source_ *)(void *)source;
        const gboolean closed = (g_source_query_unix_fd(source, s->fd) & G_IO_NVAL) != 0;
        const int left = closed ? -EBADF : rein_loop_turn(s->guest);
        gboolean more = G_SOURCE_CONTINUE;
        if (g_source_is_destroyed(source)) /* a coroutine has done so in this turn */
                return G_SOURCE_REMOVE;
        if (callback)
                more = ((rein_g_turned)(void (*)(void))callback)(s->guest, left, data);
        else if (left < 0)
                g_warning("a guest of rein's is not turned any more: %s",
                          left == -EBADF ? "it was freed" : rein_error_text(rein_trail()));
        return left < 0 ? G_SOURCE_REMOVE : more;
}

/* Make a source that turns the guest whenever there is something to do. Set its callback, a rein_g_turned, its
 * priority and its name by GLib's own calls, and attach it to a context that the guest's thread iterates. Without a
 * callback it is there until it is destroyed. To be destroyed before the guest is freed; the guest may be freed at
 * once then.
 *
 * To end the guest's work from inside: rein_executor_stop_begin, which returns at once, and G_SOURCE_REMOVE from the
 * callback when nothing is left. rein_executor_stop turns the guest, and no other source, until it is done: a job that
 * waits for one of those leaves by its cancel only (REIN_STOP_NOW, or `until` minus the grace).
 * Owns: the source is the caller's: g_source_unref; it holds no reference to the guest.
 * Blocks: no. [owner]: the thread that made the guest.
 * Returns: the source; NULL: the trail says why (-EINVAL: no hosted loop; -EPERM: not the thread that made it;
 * -ENOTSUP: a portable one). Since 0.1. */
static inline GSource *rein_g_source_new(rein_executor *guest)
{
        static GSourceFuncs funcs = {NULL, NULL, rein_g_dispatch_, NULL, NULL, NULL}; /* by its descriptor alone */
        const int fd = rein_loop_fd(guest);
        if (fd < 0)
                return NULL;
        GSource *source = g_source_new(&funcs, sizeof(rein_g_source_));
        rein_g_source_ *s = (rein_g_source_ *)(void *)source;
        s->guest = guest;
        s->fd = g_source_add_unix_fd(source, fd, G_IO_IN);
        g_source_set_name(source, "rein");
        return source;
}

/* Make that source and attach it: to context, or to the default one with NULL. turned may be NULL, and so may
 * destroyed, which is called once, when GLib lets go of data; without turned neither means anything.
 * Owns: the context has the only reference to the source. Blocks: no. [owner]: the thread that made the guest.
 * Returns: the id of the source, for g_source_remove in the default context; 0: the trail says why, as above, and
 * destroyed is not called. Since 0.1. */
static inline guint rein_g_attach(GMainContext *context, rein_executor *guest, rein_g_turned turned, gpointer data,
                                  GDestroyNotify destroyed)
{
        GSource *source = rein_g_source_new(guest);
        if (!source)
                return 0;
        if (turned)
                g_source_set_callback(source, (GSourceFunc)(void (*)(void))turned, data, destroyed);
        const guint id = g_source_attach(source, context);
        g_source_unref(source);
        return id;
}

#ifdef __cplusplus
}
#endif
#endif
