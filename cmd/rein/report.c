/* SPDX-License-Identifier: Apache-2.0 */
/* The report is a whole JSON value at every moment, so that a kill leaves a readable one: each job is written together
 * with what closes the value, over what closed it before, in one pwrite. */
#include "report.h"
#include "run.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const ended_name[] = {
        [NEVER_STARTED] = "never started",
        [SKIPPED] = "skipped",
        [SUCCEEDED] = "success",
        [EXITED] = "exit",
        [SIGNALED] = "signal",
        [TIMED_OUT] = "timeout",
        [STOPPED] = "stopped",
        [CANNOT_START] = "cannot start",
};

static int open_file(const char *option, const char *name, int flags)
{
        int fd = open(name, O_CREAT | O_CLOEXEC | flags, 0666);
        if (fd < 0)
                fprintf(stderr, "rein run: %s %s: %s; name a file that can be written\n", option, name,
                        strerror(errno));
        return fd;
}

int report_open(struct report *r, const struct options *o)
{
        *r = (struct report){.log = -1, .file = -1, .began_wall_ns = wall_clock()};
        pthread_mutex_init(&r->lock, NULL);
        if (o->log && (r->log = open_file("--log", o->log, O_WRONLY | O_APPEND)) < 0)
                return EXIT_WRONG;
        if (o->report && (r->file = open_file("--report", o->report, O_WRONLY | O_TRUNC)) < 0)
                return EXIT_WRONG;
        struct stat st;
        r->seekable = r->file >= 0 && fstat(r->file, &st) == 0 && S_ISREG(st.st_mode);
        return 0;
}

static void note_error(struct report *r, int error)
{
        int none = 0;
        if (error)
                atomic_compare_exchange_strong(&r->error, &none, error);
}

static void write_all(struct report *r, int fd, const struct text *t, int64_t at)
{
        int error = t->failed ? ENOMEM : 0;
        for (size_t done = 0; !error && done < t->n;) {
                ssize_t k = at >= 0 ? pwrite(fd, t->at + done, t->n - done, at + (int64_t)done)
                                    : write(fd, t->at + done, t->n - done);
                if (k > 0)
                        done += (size_t)k;
                else if (errno != EINTR)
                        error = errno;
        }
        note_error(r, error);
}

/* {"job":12,"command":["echo","a"],"tries":1,"ended":"success", and so on. */
static void put_job(struct text *t, const struct job *j, const struct outcome *o, const char *tries)
{
        char name[16];
        text_printf(t, "{\"job\":%llu,\"command\":", (unsigned long long)j->number);
        text_json_words(t, j->words);
        text_printf(t, ",\"%s\":%d,\"ended\":\"%s\"", tries, j->tries, ended_name[o->ended]);
        if (o->ended == NEVER_STARTED || o->ended == SKIPPED)
                return;
        if (o->ended == CANNOT_START) {
                text_put(t, ",\"error\":");
                text_json(t, j->flaw ? j->flaw : strerrordesc_np(o->error));
        } else if (o->signo) {
                text_printf(t, ",\"signal\":\"%s\"", signal_name(o->signo, name));
        } else {
                text_printf(t, ",\"code\":%d", o->code);
        }
        if (o->stopped_by[0]) {
                text_put(t, ",\"stopped_by\":");
                text_json(t, o->stopped_by);
        }
        if (o->stopped_with)
                text_printf(t, ",\"stopped_with\":\"%s\"", o->stopped_with);
        if (o->left_behind)
                text_printf(t, ",\"left_behind\":%d", o->left_behind);
        text_put(t, ",\"began\":");
        text_json_time(t, o->began_wall_ns);
        text_printf(t, ",\"seconds\":%.6f,\"peak_memory\":%lld", (double)o->took_ns / 1e9, (long long)o->peak_memory);
}

void report_try(struct report *r, const struct job *j, const struct outcome *o)
{
        if (r->log < 0)
                return;
        struct text t = {0};
        char key[33];
        key_text(key, j->key);
        put_job(&t, j, o, "try");
        text_printf(&t, ",\"key\":\"%s\"}\n", key);
        write_all(r, r->log, &t, -1); /* O_APPEND: one write is one line, whoever else writes there */
        text_free(&t);
}

/* What closes the value. complete: it is the last word. */
static void put_summary(struct text *t, const struct run *run, int exit_status, bool complete)
{
        static const char *const why[] = {
                [GOING] = NULL,
                [HALTED_BY_FAILURE] = "halt: a failure",
                [HALTED_BY_SUCCESS] = "halt: a success",
                [INTERRUPTED] = "a signal",
                [DEADLINE_PASSED] = "the deadline",
                [OUTPUT_BROKEN] = "the output could not be written",
                [INPUT_BROKEN] = "the input could not be read",
                [NO_THREAD] = "no thread could be started",
        };
        char name[16];
        text_printf(t,
                    "\n],\"summary\":{\"complete\":%s,\"succeeded\":%llu,\"failed\":%llu,\"stopped\":%llu,"
                    "\"never_started\":%llu,\"skipped\":%llu,\"input_read_to_its_end\":%s",
                    complete ? "true" : "false", (unsigned long long)run->succeeded, (unsigned long long)run->failed,
                    (unsigned long long)run->stopped_jobs, (unsigned long long)run->never_started,
                    (unsigned long long)run->skipped, run->input.ended ? "true" : "false");
        if (why[run->stopped])
                text_printf(t, ",\"stopped_by\":\"%s\"",
                            run->signo ? signal_name(run->signo, name) : why[run->stopped]);
        text_printf(t, ",\"seconds\":%.6f", (double)(rein_now().ns - run->began.ns) / 1e9);
        if (complete)
                text_printf(t, ",\"exit_status\":%d", exit_status);
        text_put(t, "}}\n");
}

static void put_head(struct text *t, const struct report *r)
{
        text_printf(t, "{\"rein\":\"%s\",\"began\":", rein_version());
        text_json_time(t, r->began_wall_ns);
        text_put(t, ",\"jobs\":[\n");
}

/* Write a job, if any, and what closes the value. With r->lock held. */
static void extend(struct report *r, const struct job *j, const struct run *run, int exit_status, bool complete)
{
        struct text t = {0};
        bool first = r->end == 0, any = j != NULL;
        if (first)
                put_head(&t, r);
        if (any) {
                if (r->jobs > 0)
                        text_put(&t, ",\n");
                put_job(&t, j, &j->last, "tries");
                text_put(&t, "}");
        }
        size_t kept = t.n;
        if (r->seekable || complete)
                put_summary(&t, run, exit_status, complete);
        while (r->seekable && !t.failed && r->end + (int64_t)t.n < r->size)
                text_put(&t, " "); /* over what is left of a longer one */
        write_all(r, r->file, &t, r->seekable ? r->end : -1);
        if (!t.failed) {
                r->size = r->end + (int64_t)t.n;
                r->end += (int64_t)kept;
                r->jobs += any;
        }
        text_free(&t);
}

void report_job(struct report *r, const struct job *j)
{
        if (r->file < 0)
                return;
        pthread_mutex_lock(&r->lock);
        extend(r, j, j->run, 0, false);
        pthread_mutex_unlock(&r->lock);
}

/* What was written may be told to have failed only now (NFS, a quota). After EINTR it is closed. */
static void close_file(struct report *r, int fd)
{
        if (close(fd) < 0 && errno != EINTR)
                note_error(r, errno);
}

void report_end(struct report *r, struct run *run, int exit_status)
{
        if (r->file >= 0) {
                extend(r, NULL, run, exit_status, true);
                close_file(r, r->file);
        }
        if (r->log >= 0)
                close_file(r, r->log);
        if (r->error)
                fprintf(stderr, "rein: the log or the report is not whole: %s\n", strerrordesc_np(r->error));
        pthread_mutex_destroy(&r->lock);
}
