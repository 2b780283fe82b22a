/* SPDX-License-Identifier: Apache-2.0 */
#include "job.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* What must be done for a child that is stopped bounds its own waits; no cancel cuts it short. */
#define CLEANING_UP REIN_SEC(365LL * 24 * 3600)

enum { KILL_WAIT_S = 5 }; /* for the kernel to end what it was told to kill */

/* ---- making one ---- */

/* Copy `word` to `to`, the argument in place of each {}; to NULL: only count. Returns the length, without the NUL. */
static size_t word_fill_in(const char *word, const char *argument, char *to)
{
        size_t n = 0, argument_n = strlen(argument);
        for (const char *hole; (hole = strstr(word, "{}")); word = hole + 2) {
                size_t plain = (size_t)(hole - word);
                if (to) {
                        memcpy(to + n, word, plain);
                        memcpy(to + n + plain, argument, argument_n); /* NOLINT: the NUL comes with the rest */
                }
                n += plain + argument_n;
        }
        if (to)
                memcpy(to + n, word, strlen(word) + 1);
        return n + strlen(word);
}

/* A vector of words with each {} filled in, and the strings behind it, all in one piece of memory. */
static char **words_new(char *const from[], int n, const char *argument)
{
        size_t bytes = sizeof(char *) * ((size_t)n + 1), strings = bytes;
        for (int i = 0; i < n; i++)
                bytes += word_fill_in(from[i], argument, NULL) + 1;
        char **words = malloc(bytes);
        if (!words)
                return NULL;
        char *to = (char *)words + strings;
        for (int i = 0; i < n; i++) {
                words[i] = to;
                to += word_fill_in(from[i], argument, to) + 1;
        }
        words[n] = NULL;
        return words;
}

static char **command_new(const struct options *o, const char *argument)
{
        static char *const shell[] = {"/bin/sh", "-c", "{}"}, *const hole = "{}";
        if (!o->words)
                return words_new(shell, 3, argument);
        char **words = malloc(sizeof(char *) * ((size_t)o->words_n + 1));
        if (!words)
                return NULL;
        bool holes = false;
        for (int i = 0; i < o->words_n; i++) {
                words[i] = o->words[i];
                holes |= strstr(words[i], hole) != NULL;
        }
        words[o->words_n] = hole; /* without one the argument is the last word */
        char **filled = words_new(words, o->words_n + !holes, argument);
        free(words);
        return filled;
}

struct job *job_new(struct run *run, const char *argument, const char *flaw)
{
        struct job *j = malloc(sizeof *j);
        if (!j)
                return NULL;
        *j = (struct job){.run = run, .flaw = flaw, .words = command_new(&run->options, argument)};
        if (!j->words) {
                free(j);
                return NULL;
        }
        j->number = ++run->known;
        j->key = key_of(j->words);
        return j;
}

/* ---- running one ---- */

/* Our environment, and who it is for: first, because some programs write over the end of theirs. */
static char **environment_new(char *tag, char *number, char *try)
{
        size_t n = 0, mine = 3;
        while (environ[n])
                n++;
        char **all = malloc(sizeof(char *) * (n + mine + 1));
        if (!all)
                return NULL;
        all[0] = tag;
        all[1] = number;
        all[2] = try;
        for (size_t i = 0; i < n; i++)
                if (strncmp(environ[i], "REIN_RUN=", 9) != 0 && strncmp(environ[i], "REIN_JOB=", 9) != 0 &&
                    strncmp(environ[i], "REIN_TRY=", 9) != 0)
                        all[mine++] = environ[i];
        all[mine] = NULL;
        return all;
}

static int job_start_once(struct job *j, struct child *c)
{
        char tag[4096], number[40], try[40];
        family_tag(&j->run->family, j->number, tag, sizeof tag);
        snprintf(number, sizeof number, "REIN_JOB=%llu", (unsigned long long)j->number);
        snprintf(try, sizeof try, "REIN_TRY=%d", j->tries);
        char **environment = environment_new(tag, number, try);
        int rc = environment ? child_start(c, &j->run->launch, j->words, environment, j->voice) : -ENOMEM;
        free(environment);
        return rc;
}

/* While there is no room for a process, wait for some. Returns: 0; REIN_ECANCELED; -errno: it cannot be started. */
static int job_start(struct job *j, struct child *c)
{
        struct run *run = j->run;
        struct patience p = {0};
        if (j->flaw)
                return -EINVAL;
        int rc = rein_sem_acquire(run->starts, 1, REIN_NEVER);
        if (rc < 0)
                return rc;
        while ((rc = job_start_once(j, c)) < 0 && is_not_now(run, rc) && run_not_now(run, &p, -rc))
                ;
        run->not_now = 0;
        rein_sem_release(run->starts, 1);
        return rc < 0 && rein_checkpoint() < 0 ? REIN_ECANCELED : rc;
}

/* The ladder: asked, and after the grace made to go. Returns: whether it was needed. */
static bool job_stop(struct child *c, struct outcome *o, int64_t grace_ns)
{
        if (child_wait(c, REIN_NOWAIT) == 0) /* it has ended: that wins over the time that is up */
                return false;
        voice_hold(c->voice, true); /* a reader of our output that does not read delays nothing that comes now */
        child_signal(c, SIGTERM);
        child_signal(c, SIGCONT); /* else a stopped one never gets to see it */
        o->stopped_with = "SIGTERM";
        if (c->in_a_hurry || child_wait(c, rein_after(grace_ns)) < 0) {
                child_signal(c, SIGKILL);
                o->stopped_with = "SIGKILL";
                child_wait(c, rein_after(REIN_SEC(KILL_WAIT_S)));
        }
        voice_hold(c->voice, false);
        return true;
}

/* Watch it to its end, and end what it leaves behind. Returns: 0: it ended by itself; REIN_ECANCELED: it was stopped. */
static int job_see_to_its_end(struct job *j, struct child *c, struct outcome *o)
{
        int64_t grace_ns = j->run->options.grace_ns;
        int rc = child_wait(c, REIN_NEVER);
        if (rc < 0)
                snprintf(o->stopped_by, sizeof o->stopped_by, "%s", rein_why() ? rein_why() : rein_code_name(rc));

        rein_scope clean_up;
        rein_shield_open(&clean_up, CLEANING_UP);
        if (rc < 0 && !job_stop(c, o, grace_ns)) {
                o->stopped_by[0] = '\0';
                rc = 0;
        }
        j->run->processes--;
        o->left_behind = family_end(&j->run->family, j->number, c->pid, rc < 0, grace_ns);
        rein_scope_close(&clean_up, 0);

        child_reap(c); /* outside of the shield: it prints, and perhaps no one is reading */
        child_close(c);
        o->code = c->code;
        o->signo = c->signo;
        o->peak_memory = (int64_t)c->memory_max;
        return rc;
}

static enum ended job_how_it_ended(int rc, const struct outcome *o)
{
        if (rc == REIN_ETIMEOUT)
                return TIMED_OUT;
        if (rc == REIN_ECANCELED)
                return STOPPED;
        if (rc < 0)
                return CANNOT_START;
        return o->signo ? SIGNALED : o->code ? EXITED : SUCCEEDED;
}

/* What a successful job printed was not written: so it has to be run again. */
static bool job_is_unheard(const struct job *j)
{
        return j->run->output.outlet.error != 0 && voice_spoke(j->voice);
}

/* One try, within its time, which begins when its process runs. A rein_fn for rein_retry; job_worth_another_try looks at the
 * job, not at the code. */
static int job_run_try(void *arg)
{
        struct job *j = arg;
        struct outcome *o = &j->last;
        struct child c;
        int64_t timeout_ns = j->run->options.timeout_ns;

        j->tries++;
        int rc = job_start(j, &c);
        if (rc == REIN_ECANCELED) { /* it waited for its turn, and never was a try */
                j->tries--;
                return rc;
        }
        rein_time began = rein_now();
        *o = (struct outcome){.began_wall_ns = wall_clock()};
        if (rc == 0) {
                j->run->processes++;
                rein_scope limit;
                rein_scope_open(&limit, timeout_ns ? rein_after(timeout_ns) : REIN_NEVER);
                rc = rein_scope_close(&limit, job_see_to_its_end(j, &c, o));
        }
        o->ended = job_how_it_ended(rc, o);
        if (o->ended == SUCCEEDED && job_is_unheard(j)) {
                o->ended = STOPPED;
                snprintf(o->stopped_by, sizeof o->stopped_by, "what it printed could not be written");
        }
        o->error = o->ended == CANNOT_START ? -rc : 0;
        o->took_ns = rein_now().ns - began.ns;
        report_try(&j->run->report, j, o);
        return o->ended == SUCCEEDED ? 0 : o->ended == STOPPED ? REIN_ECANCELED : REIN_EUSER;
}

static bool job_worth_another_try(int code, const rein_error *e, void *ctx)
{
        const struct job *j = ctx;
        const struct causes *c = &j->run->options.retry_on;
        (void)code;
        (void)e;
        switch (j->last.ended) {
        case EXITED:
                return c->any || c->code[j->last.code & 255];
        case SIGNALED:
                return c->any || c->signal;
        case TIMED_OUT:
                return c->any || c->timeout;
        default:
                return c->any;
        }
}

static void job_say_failure(const struct job *j)
{
        struct text t = {0};
        char how[200];
        outcome_text(&j->last, how);
        text_printf(&t, "rein: job %llu: %s", (unsigned long long)j->number, j->flaw ? j->flaw : how);
        if (j->tries > 1)
                text_printf(&t, ", after %d tries", j->tries);
        text_put(&t, ": ");
        text_words(&t, j->run->options.words ? j->words : j->words + 2, 100); /* of a shell's, its line */
        if (!t.failed)
                voice_say(j->voice, t.at);
        text_free(&t);
}

/* Count it, and see what that means for the others. */
static void job_settle(struct job *j)
{
        struct run *run = j->run;
        const struct options *o = &run->options;
        char why[80];
        if (j->last.ended == SUCCEEDED) {
                run->succeeded++;
                snprintf(why, sizeof why, "job %llu succeeded (--halt success)", (unsigned long long)j->number);
                if (o->halt == HALT_SUCCESS)
                        run_stop(run, HALTED_BY_SUCCESS, why);
        } else if (j->last.ended == STOPPED) {
                run->stopped_jobs++;
                run_out_of_time(run);
        } else {
                uint64_t failed = ++run->failed;
                snprintf(why, sizeof why, "job %llu failed (--halt fail)", (unsigned long long)j->number);
                if (o->halt == HALT_FAIL && failed >= (uint64_t)o->halt_fails)
                        run_stop(run, HALTED_BY_FAILURE, why);
                if (!o->quiet)
                        job_say_failure(j);
        }
        report_job(&run->report, j);
}

/* A reader of our output that is slow is waited for; once everything is stopped, no longer than the grace. A shield counts
 * it from the moment of the stop, and the ladder of this job may have taken all of it by now: then it begins anew here. */
static void job_say_all(struct job *j)
{
        const int64_t grace_ns = j->run->options.grace_ns;
        const bool stopped = rein_checkpoint() < 0;
        rein_scope clean_up, limit;
        rein_shield_open(&clean_up, stopped ? CLEANING_UP : REIN_SPAN(grace_ns));
        rein_scope_open(&limit, stopped ? rein_after(grace_ns) : REIN_NEVER);
        voice_end(j->voice);
        rein_scope_close(&limit, 0);
        rein_scope_close(&clean_up, 0);
        j->voice = NULL;
}

static void job_never_started(struct job *j)
{
        j->last.ended = NEVER_STARTED;
        j->run->never_started++;
        run_out_of_time(j->run);
        report_job(&j->run->report, j);
}

void job_run(struct job *j)
{
        struct run *run = j->run;
        const struct options *o = &run->options;
        int64_t began_wall_ns = wall_clock();
        rein_time began = rein_now();

        j->ran = true;
        run->running++;
        int rc = rein_retry(REIN_RETRY(.tries = o->retries + 1, .delay_ns = REIN_SPAN(o->delay_ns),
                                       .delay_max_ns = REIN_SPAN(o->delay_max_ns), .again = job_worth_another_try,
                                       .ctx = j),
                            job_run_try, j);
        run->running--;
        if (j->tries == 0) {
                job_never_started(j);
                return;
        }
        if (rc == REIN_ECANCELED && j->last.ended != STOPPED) { /* between two tries */
                j->last.ended = STOPPED;
                snprintf(j->last.stopped_by, sizeof j->last.stopped_by, "%s", rein_why() ? rein_why() : "");
        }
        j->last.began_wall_ns = began_wall_ns;
        j->last.took_ns = rein_now().ns - began.ns;
        job_settle(j);
        job_say_all(j);
}

void job_cannot_run(struct job *j, int error)
{
        j->last.ended = CANNOT_START;
        j->last.error = error;
        job_settle(j);
        job_say_all(j);
        job_free(j);
}

void job_pass_over(struct job *j, enum ended why)
{
        if (why == NEVER_STARTED) {
                job_never_started(j);
        } else {
                j->last.ended = why;
                j->run->skipped++;
                report_job(&j->run->report, j);
        }
        job_free(j);
}

void job_free(struct job *j)
{
        if (j->voice)
                voice_drop(j->voice);
        free(j->words);
        free(j);
}

/* ---- telling ---- */

const char *signal_name(int signo, char room[16])
{
        const char *name = sigabbrev_np(signo);
        if (name)
                snprintf(room, 16, "SIG%s", name);
        else
                snprintf(room, 16, "SIGRTMIN+%d", (unsigned char)(signo - SIGRTMIN));
        return room;
}

void outcome_text(const struct outcome *o, char to[200])
{
        char name[16];
        switch (o->ended) {
        case SUCCEEDED:
                snprintf(to, 200, "succeeded");
                break;
        case EXITED:
                snprintf(to, 200, "exit code %d", o->code);
                break;
        case SIGNALED:
                snprintf(to, 200, "ended by %s", signal_name(o->signo, name));
                break;
        case TIMED_OUT:
                snprintf(to, 200, "timed out, stopped with %s", o->stopped_with ? o->stopped_with : "nothing");
                break;
        case STOPPED:
                snprintf(to, 200, "stopped: %s", o->stopped_by);
                break;
        case CANNOT_START:
                snprintf(to, 200, "cannot be started: %s", strerrordesc_np(o->error));
                break;
        case NEVER_STARTED:
                snprintf(to, 200, "never started");
                break;
        case SKIPPED:
                snprintf(to, 200, "succeeded earlier");
                break;
        }
}
