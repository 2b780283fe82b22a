/* SPDX-License-Identifier: Apache-2.0 */
/* A quick task and one that goes on for ever, in one event loop; the endless one's work blocks, and so runs in a thread.
 * When the first of them ends the other is stopped: in the thread, by the ladder, down to the foreign call it sits in.
 * The call that ran both returns only when the thread has really left: nothing runs on behind your back. */
#include <rein/rein.h>

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_int running;

static int still_standing(void *lines)
{
        int rc;
        running++;
        while ((rc = rein_sleep(rein_after(REIN_MS(20)))) == 0) {
                printf("I'm still standing\n");
                ++*(int *)lines; /* on the stack of race: it is there as long as this job is */
        }
        printf("the endless job leaves: %s\n", rein_why());
        rein_scope s;
        rein_shield_open(&s, REIN_SEC(1)); /* a second, counted from the cancel, to clean up in peace */
        int cleaned = rein_scope_close(&s, rein_sleep(rein_after(REIN_MS(10))));
        printf("its clean-up could sleep: %s\n", rein_code_name(cleaned));
        running--;
        return rc;
}

static int foreign(void *fd) /* read(2) knows nothing of cancels: a hook region without a function pokes the thread */
{
        char c;
        rein_hook h;
        running++;
        int rc = rein_hook_open(&h, NULL, NULL); /* cancelled already: REIN_ECANCELED */
        if (rc == 0)
                rc = rein_hook_close(&h, read(*(int *)fd, &c, 1) < 0 ? -errno : 0);
        running--;
        return rc;
}

static int endless(void *lines) /* a task of the loop, which goes on with others meanwhile */
{
        return rein_to_thread(still_standing, lines, NULL);
}

static int blocked(void *fd)
{
        return rein_to_thread(foreign, fd, NULL);
}

static int quick(void *arg)
{
        (void)arg;
        return rein_sleep(rein_after(REIN_MS(50)));
}

static int race(void *fd)
{
        int lines = 0;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_ANY)); /* the first end is the group's, and stops the rest */
        rein_spawn(&g, NULL, endless, &lines, REIN_JOB(.name = "endless"));
        rein_spawn(&g, NULL, blocked, fd, REIN_JOB(.name = "blocked"));
        rein_spawn(&g, NULL, quick, NULL, REIN_JOB(.name = "quick"));
        int rc = rein_group_close(&g, 0);
        printf("race: %s; jobs still running: %d\n", rein_code_name(rc), running);
        rein_scope s; /* and the same under a deadline */
        rein_scope_open(&s, rein_after(REIN_MS(50)));
        int timed = rein_scope_close(&s, rein_to_thread(still_standing, &lines, NULL));
        printf("rein_to_thread under a deadline: %s; jobs still running: %d\n", rein_code_name(timed), running);
        return rc == 0 && timed == REIN_ETIMEOUT && running == 0 ? 0 : 1;
}

int main(void)
{
        int ends[2]; /* a pipe into which nobody writes */
        return pipe(ends) == 0 ? rein_run(race, ends, NULL) : 1;
}
