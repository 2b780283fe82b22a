/* SPDX-License-Identifier: Apache-2.0 */
/* A library with threads of its own calls back. Each callback adopts the group it was lent: the group's deadline ends what
 * it waits for, its context values are there, and the group is not closed while one is inside. Later callbacks are told. */
#include <rein/rein.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* ---- somebody else's library ---- */

typedef void (*on_event)(int event, void *data);

struct subscription {
        on_event fn;
        void *data;
        void (*destroy)(void *data);
        atomic_bool over; /* one more event, after that */
        pthread_t thread;
};

static void *deliver(void *arg)
{
        struct subscription *s = arg;
        s->fn(1, s->data);
        s->fn(2, s->data);
        while (!atomic_load(&s->over))
                sched_yield();
        s->fn(3, s->data);
        s->destroy(s->data);
        return NULL;
}

static int subscribe(struct subscription *s, on_event fn, void *data, void (*destroy)(void *))
{
        *s = (struct subscription){.fn = fn, .data = data, .destroy = destroy};
        return -pthread_create(&s->thread, NULL, deliver, s);
}

/* ---- ours ---- */

static const rein_key user = {"user", NULL};

static int handle(int event)
{
        const char *who = rein_context_get(&user);
        int rc = event == 1 ? 0 : rein_sleep(REIN_NEVER); /* the second one waits for something that does not come */
        printf("event %d for %s: %s\n", event, who, rein_code_name(rc));
        return rc;
}

static void on_library_event(int event, void *ticket)
{
        rein_adopted a;
        int rc = rein_adopt(ticket, &a);
        if (rc == 0)
                rein_return(&a, handle(event));
        else
                printf("event %d: %s\n", event, rc == -ESTALE ? "nobody is there any more" : rein_code_name(rc));
}

static void drop_ticket(void *ticket)
{
        rein_ticket_drop(ticket);
}

int main(void)
{
        struct subscription s;
        rein_group g;
        char anna[] = "anna";
        rein_context_set(&user, anna);
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_SEC(1))));
        rein_ticket *t = rein_group_lend(&g);
        int rc = t ? subscribe(&s, on_library_event, t, drop_ticket) : -ENOMEM;
        if (rc == 0)
                rein_sleep(REIN_NEVER); /* until the deadline, which is theirs too */
        else
                rein_ticket_drop(t);
        int closed = rein_group_close(&g, rc < 0 ? rc : REIN_ECANCELED);
        printf("the group: %s\n", rein_code_name(closed));
        if (rc == 0) {
                atomic_store(&s.over, true);
                pthread_join(s.thread, NULL);
        }
        return closed == REIN_ETIMEOUT ? 0 : 1;
}
