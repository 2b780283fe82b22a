/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that is lost and made again, while five clients use it. One coroutine keeps it; two events say whether it is
 * up or lost; a mutex lets one client at a time ask and hear. The server hangs up after three answers, so twenty questions
 * take seven connections, and none is left without its answer. */
#include <rein/rein.h>

#include <errno.h>
#include <string.h>

enum { CLIENTS = 5, QUESTIONS = 4, PATIENCE = 3 };

typedef struct line {
        char port[8];
        int fd, connections, answers;
        rein_event *up, *lost;
        rein_mutex *mine; /* of the client that asks */
} line;

/* ---- the server: a letter comes, the next one in the alphabet goes back ---- */

static int serve(void *listener)
{
        int fd;
        while ((fd = rein_accept(*(int *)listener, REIN_NEVER)) >= 0) {
                char c;
                for (int i = 0; i < PATIENCE && rein_read(fd, &c, 1, REIN_NEVER) == 1; i++) {
                        c++;
                        rein_write(fd, &c, 1, REIN_NEVER);
                }
                rein_close(fd);
        }
        return fd;
}

/* ---- its clients ---- */

static int connect_once(void *arg)
{
        line *l = arg;
        return l->fd = rein_connect("127.0.0.1", l->port, rein_after(REIN_SEC(10)));
}

static int keep_connected(void *arg)
{
        line *l = arg;
        for (;;) {
                int rc = rein_retry(REIN_RETRY(.tries = 10), connect_once,
                                    l); /* a server that restarts is refused for a while */
                if (rc < 0)
                        return rc;
                l->connections++;
                rein_event_set(l->up);
                rc = rein_event_wait(l->lost, REIN_NEVER);
                rein_event_clear(l->lost);
                rein_close(l->fd);
                if (rc < 0)
                        return rc; /* cancelled: nobody asks any more */
        }
}

static int ask_once(const line *l, char question, char *answer)
{
        int64_t n = rein_write(l->fd, &question, 1, rein_after(REIN_SEC(10)));
        if (n == 1)
                n = rein_read(l->fd, answer, 1, rein_after(REIN_SEC(10)));
        return n == 1 ? 0 : n == 0 ? -EPIPE : (int)n;
}

static int ask(line *l, char question, char *answer)
{
        int rc = rein_mutex_lock(l->mine, REIN_NEVER);
        if (rc < 0)
                return rc;
        do {
                rc = rein_event_wait(l->up, REIN_NEVER);
                if (rc == 0)
                        rc = ask_once(l, question, answer);
                if (rc == -EPIPE || rc == -ECONNRESET) { /* it is asked again, as soon as there is a new one */
                        rein_event_clear(l->up);
                        rein_event_set(l->lost);
                }
        } while (rc == -EPIPE || rc == -ECONNRESET);
        rein_mutex_unlock(l->mine);
        return rc;
}

static int client(void *arg)
{
        line *l = arg;
        for (int i = 0; i < QUESTIONS; i++) {
                char answer = 0;
                int rc = ask(l, (char)('a' + i), &answer);
                if (rc < 0)
                        return rc;
                l->answers += answer == 'a' + i + 1;
        }
        return 0;
}

static int everything(void *arg)
{
        line *l = arg;
        rein_group g;
        rein_addr at;
        char text[REIN_ADDR_TEXT];
        int listener = rein_listen("127.0.0.1", "0", 8);
        if (listener < 0 || rein_addr_local(listener, &at) < 0)
                return listener;
        snprintf(l->port, sizeof l->port, "%s", strrchr(rein_addr_text(&at, text), ':') + 1);
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_SEC(60))));
        rein_spawn(&g, NULL, serve, &listener, REIN_JOB(.background = true)); /* until the clients are gone */
        rein_spawn(&g, NULL, keep_connected, l, REIN_JOB(.background = true));
        for (int i = 0; i < CLIENTS; i++)
                rein_spawn(&g, NULL, client, l, NULL);
        int rc = rein_group_close(&g, 0);
        rein_close(listener);
        return rc;
}

int main(void)
{
        line l = {.up = rein_event_new(), .lost = rein_event_new(), .mine = rein_mutex_new()};
        int rc = l.up && l.lost && l.mine ? rein_run(everything, &l, NULL) : -ENOMEM;
        printf("%s: %d answers over %d connections\n", rein_code_name(rc), l.answers, l.connections);
        rein_event_free(l.up);
        rein_event_free(l.lost);
        rein_mutex_free(l.mine);
        return rc == 0 && l.answers == CLIENTS * QUESTIONS ? 0 : 1;
}
