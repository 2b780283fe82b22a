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

/* A log that ends within a line was cut: by a kill, a full disk, a crash of the machine. One that cannot be read may have
 * been: a newline too many does no harm. */
static bool log_ends_within_a_line(int log, const char *name)
{
        struct stat st;
        char last = '\0';
        if (fstat(log, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
                return false;
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        while (fd >= 0 && pread(fd, &last, 1, st.st_size - 1) < 0 && errno == EINTR)
                ;
        if (fd >= 0)
                close(fd);
        return last != '\n';
}

static int report_open_file(const char *option, const char *name, int flags)
{
        int fd = open(name, O_CREAT | O_CLOEXEC | O_WRONLY | flags, 0666);
        if (fd < 0)
                fprintf(stderr, "rein run: %s %s: %s; name a file that can be written\n", option, name,
                        strerrordesc_np(errno));
        return fd;
}

int report_open(struct report *r, const struct options *o)
{
        *r = (struct report){
                .log = -1, .file = -1, .log_name = o->log, .file_name = o->report, .began_wall_ns = wall_clock()};
        if (o->log && (r->log = report_open_file("--log", o->log, O_APPEND)) < 0)
                return EXIT_WRONG;
        r->log_torn = o->log && log_ends_within_a_line(r->log, o->log);
        if (o->report && (r->file = report_open_file("--report", o->report, O_TRUNC)) < 0)
                return EXIT_WRONG;
        struct stat st;
        r->seekable = r->file >= 0 && fstat(r->file, &st) == 0 && S_ISREG(st.st_mode);
        return 0;
}

static void report_note_error(struct report *r, int error, const char *which)
{
        if (error == 0 || r->error)
                return;
        r->error = error;
        r->which = which;
}

/* Returns: how much was written; less than all: why has been noted. */
static size_t report_write_all(struct report *r, int fd, const struct text *t, int64_t at)
{
        int error = t->failed ? ENOMEM : 0;
        size_t done = 0;
        while (!error && done < t->n) {
                ssize_t k = at >= 0 ? pwrite(fd, t->at + done, t->n - done, at + (int64_t)done)
                                    : write(fd, t->at + done, t->n - done);
                if (k > 0)
                        done += (size_t)k;
                else if (errno != EINTR)
                        error = errno;
        }
        report_note_error(r, error, fd == r->log ? r->log_name : r->file_name);
        return done;
}

/* {"job":12,"command":["echo","a"],"tries":1,"ended":"success", and so on. */
static void report_put_job(struct text *t, const struct job *j, const struct outcome *o, const char *tries)
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
        if (r->log_torn)
                text_put(&t, "\n");
        key_text(key, j->key);
        report_put_job(&t, j, o, "try");
        text_printf(&t, ",\"key\":\"%s\"}\n", key);
        /* O_APPEND: one write is one line, beside others that write there. */
        const size_t done = report_write_all(r, r->log, &t, -1);
        if (done > 0)
                r->log_torn = done < t.n;
        text_free(&t);
}

/* What closes the value. complete: it is the last word. */
static void report_put_summary(struct text *t, const struct run *run, int exit_status, bool complete)
{
        static const char *const why[] = {
                [GOING] = NULL,
                [HALTED_BY_FAILURE] = "halt: a failure",
                [HALTED_BY_SUCCESS] = "halt: a success",
                [INTERRUPTED] = "a signal",
                [DEADLINE_PASSED] = "the deadline",
                [OUTPUT_BROKEN] = "the output could not be written",
                [INPUT_BROKEN] = "the input could not be read",
                [NO_MEMORY] = "there is no memory",
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

static void report_put_head(struct text *t, const struct report *r)
{
        text_printf(t, "{\"rein\":\"%s\",\"began\":", rein_version());
        text_json_time(t, r->began_wall_ns);
        text_put(t, ",\"jobs\":[\n");
}

/* Write a job, if any, and what closes the value. */
static void report_extend(struct report *r, const struct job *j, const struct run *run, int exit_status, bool complete)
{
        struct text t = {0};
        bool first = r->end == 0, any = j != NULL;
        if (first)
                report_put_head(&t, r);
        if (any) {
                if (r->jobs > 0)
                        text_put(&t, ",\n");
                report_put_job(&t, j, &j->last, "tries");
                text_put(&t, "}");
        }
        size_t kept = t.n;
        if (r->seekable || complete)
                report_put_summary(&t, run, exit_status, complete);
        while (r->seekable && !t.failed && r->end + (int64_t)t.n < r->size)
                text_put(&t, " "); /* over what is left of a longer one */
        report_write_all(r, r->file, &t, r->seekable ? r->end : -1);
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
        report_extend(r, j, j->run, 0, false);
}

/* What was written may be told to have failed only now (NFS, a quota). After EINTR it is closed. */
static void report_close_file(struct report *r, int fd, const char *name)
{
        if (close(fd) < 0 && errno != EINTR)
                report_note_error(r, errno, name);
}

int report_end(struct report *r, struct run *run, int exit_status)
{
        if (r->log >= 0)
                report_close_file(r, r->log, r->log_name);
        if (r->error && exit_status != EXIT_BROKEN_PIPE)
                exit_status = EXIT_UNWRITTEN;
        if (r->file >= 0) {
                report_extend(r, NULL, run, exit_status, true);
                report_close_file(r, r->file, r->file_name);
        }
        if (r->error == 0)
                return exit_status;
        fprintf(stderr, "rein: %s is not whole: %s; %s\n", r->which, strerrordesc_np(r->error),
                r->log >= 0 && r->which == r->log_name ? "what it lacks is run again by --resume"
                                                       : "the jobs themselves ended as is told here");
        return exit_status == EXIT_BROKEN_PIPE ? exit_status : EXIT_UNWRITTEN;
}
