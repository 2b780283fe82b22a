/* SPDX-License-Identifier: Apache-2.0 */
/* A thread turns an event loop. Two groups, one in the other:
 *
 *      house   in the background: one coroutine for each signal that stops us, and one for the status line
 *        work  the main coroutine reads the input, and starts a coroutine for each job
 *
 * The main coroutine takes one unit of `places` before it reads the next argument, so that the input is not read ahead. It
 * also takes one of `starts`, which a job keeps until its process runs: while no process can be started, a few jobs wait for
 * that, and no more input is taken. Whatever stops the run cancels `work`: each job then ends its process by the ladder,
 * within a shield. `house` goes on meanwhile, so that a second Ctrl-C is heard.
 *
 * Processes are started by the thread of the loop, or, when that takes long, by the threads of a small pool (child.c). No job
 * has a thread of its own: the threads must not use up the room that the jobs need. The main thread turns no loop and starts
 * no process: what is its child in the eyes of the kernel was adopted (family.h). */
#include "run.h"
#include "guard.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
        FILES_PER_JOB = 12, /* pipes, pidfd, what is kept of its output; and some to spare */
        FILES_OF_OURS = 64,
        WINDOW = 1024, /* with --keep-order: jobs that may have ended while an earlier one still runs */
        STACK = 256 * 1024
};

void run_stop(struct run *run, enum stop reason, const char *why)
{
        if (run->stopped != GOING)
                return;
        run->stopped = reason;
        rein_group_cancel(&run->work, why);
}

void run_out_of_time(struct run *run)
{
        if (run->stopped == GOING)
                run->stopped = DEADLINE_PASSED;
}

static void run_output_broken(void *arg)
{
        run_stop(arg, OUTPUT_BROKEN, "the output could not be written");
}

/* ---- signals ---- */

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { STOP_SIGNALS = sizeof stop_signals / sizeof *stop_signals };

struct ear { /* of a coroutine that waits for one signal */
        struct run *run;
        int signo;
};

/* From here on these signals are waited for, not obeyed. A hang-up that was ignored when we were started stays ignored, as
 * nohup(1) wants it. Not so an interrupt: a shell makes every background command ignore it. */
static bool signal_stays_ignored(int signo)
{
        struct sigaction now;
        return signo == SIGHUP && sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static void block_signals(void)
{
        sigset_t blocked;
        sigemptyset(&blocked);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGCHLD, SIG_DFL); /* ignored, it would take our children's status away */
        for (int i = 0; i < STOP_SIGNALS; i++)
                if (!signal_stays_ignored(stop_signals[i]))
                        sigaddset(&blocked, stop_signals[i]);
        /* SIGCHLD: blocked everywhere it stays pending; else each child that ends would wake a thread for nothing. */
        sigaddset(&blocked, SIGCHLD);
        sigprocmask(SIG_BLOCK, &blocked, NULL); /* before any thread is started, so that each inherits it */
        signal(SIGINT, SIG_DFL);                /* an ignored signal is not kept while it is blocked */
        signal(SIGTERM, SIG_DFL);
}

/* The first signal stops everything in order, the next one at once. */
static void run_heed(struct run *run, int signo)
{
        char name[16], why[40];
        if (run->interrupted.ns == 0) {
                run->interrupted = rein_now();
                run->signo = signo;
                snprintf(why, sizeof why, "interrupted by %s", signal_name(signo, name));
                run_stop(run, INTERRUPTED, why);
        } else if (rein_now().ns - run->interrupted.ns > REIN_MS(20)) { /* timeout(1) sends each signal twice */
                rein_promise_keep(run->urge, NULL, NULL);
        }
}

/* A background child. */
static int run_hear(void *arg)
{
        const struct ear *ear = arg;
        for (int rc; (rc = rein_wait_signal(ear->signo, REIN_NEVER)) != REIN_ECANCELED;) {
                if (rc > 0)
                        run_heed(ear->run, ear->signo);
                else /* no memory, say: while it is not waited for, no signal stops us */
                        rein_sleep(rein_after(REIN_MS(10)));
        }
        return 0;
}

/* ---- the jobs ---- */

/* The next job that is to be run. Returns: 1; 0: the input has ended; REIN_ECANCELED; -errno. */
static int run_take_job(struct run *run, struct job **job)
{
        const struct options *o = &run->options;
        const char *argument, *flaw;
        int rc;
        while ((rc = rein_checkpoint()) == 0 && (rc = output_room(&run->output)) == 0 &&
               (rc = input_next(&run->input, &argument, &flaw)) > 0) {
                if (!o->words && argument[strspn(argument, " \t")] == '\0')
                        continue; /* nothing for the shell to do */
                struct job *j = *job = job_new(run, argument, flaw);
                if (!j)
                        return -ENOMEM;
                if (resume_take(&run->resume, j->key)) {
                        job_pass_over(j, SKIPPED);
                } else if (!(j->voice = voice_new(&run->output, o->tag ? argument : NULL))) {
                        job_free(j);
                        return -ENOMEM;
                } else {
                        return 1;
                }
        }
        return rc;
}

static int run_one_job(void *arg)
{
        job_run(arg);
        return 0;
}

/* Nothing of the job's coroutine is left; perhaps it never ran. */
static void run_job_is_over(void *arg)
{
        struct job *j = arg;
        struct run *run = j->run;
        if (run->spawning == j && rein_checkpoint() == 0) {
                run->spawning = NULL; /* run_start_job has it again */
                return;
        }
        if (j->ran)
                job_free(j);
        else
                job_pass_over(j, NEVER_STARTED);
        rein_sem_release(run->places, 1);
}

static void run_start_job(struct run *run, struct job *j)
{
        struct patience p = {0};
        bool refused;
        do {
                run->spawning = j;
                rein_spawn(&run->work, NULL, run_one_job, j, REIN_JOB(.name = "job", .release = run_job_is_over));
                refused = run->spawning == NULL;
                run->spawning = NULL;
        } while (refused && run_not_now(run, &p, ENOMEM));
        run->not_now = 0;
        if (refused) {
                job_cannot_run(j, ENOMEM);
                rein_sem_release(run->places, 1);
        }
}

/* Run jobs until there are no more, or everything is stopped. Returns: 0; REIN_ECANCELED; -errno: of the input. */
static int run_jobs(struct run *run)
{
        struct job *j = NULL;
        int rc;
        while ((rc = rein_sem_acquire(run->places, 1, REIN_NEVER)) == 0 &&
               (rc = rein_sem_acquire(run->starts, 1, REIN_NEVER)) == 0) {
                rein_sem_release(run->starts, 1); /* to have seen that a process may be started is enough */
                if ((rc = run_take_job(run, &j)) <= 0)
                        break;
                run_start_job(run, j);
                rein_sleep(REIN_NOWAIT); /* the job takes its unit of `starts` before the next look at them */
        }
        return rc;
}

/* What stays of the arguments when everything was stopped is at least reported. (What stays of standard input is not
 * read: it may have no end.) */
static void run_report_the_rest(struct run *run)
{
        const char *argument, *flaw;
        struct job *j;
        while (run->options.arguments && input_next(&run->input, &argument, &flaw) > 0 &&
               (j = job_new(run, argument, flaw)))
                job_pass_over(j, NEVER_STARTED);
}

static void run_do_the_work(struct run *run)
{
        const struct options *o = &run->options;
        struct ear ears[STOP_SIGNALS];
        rein_group house;
        rein_group_open(&house, REIN_GROUP(.policy = REIN_EACH));
        for (int i = 0; i < STOP_SIGNALS; i++) {
                ears[i] = (struct ear){run, stop_signals[i]};
                if (!signal_stays_ignored(stop_signals[i]))
                        rein_spawn(&house, NULL, run_hear, &ears[i], REIN_JOB(.name = "signal", .background = true));
        }
        rein_spawn(&house, NULL, progress_run, run, REIN_JOB(.name = "progress", .background = true));

        rein_group_open(&run->work, REIN_GROUP(.policy = REIN_EACH, .until = run->deadline));
        int rc = run_jobs(run);
        if (rc < 0 && rc != REIN_ECANCELED) {
                fprintf(stderr, "rein run: cannot read the input: %s\n", strerrordesc_np(-rc));
                run_stop(run, rc == -ENOMEM ? NO_MEMORY : INPUT_BROKEN, "the input could not be read");
        }
        if (rein_group_close(&run->work, rc == REIN_ECANCELED ? rc : 0) == REIN_ETIMEOUT)
                run_out_of_time(run);
        run_report_the_rest(run);

        /* A reader of our output that does not read holds us up for no longer than the grace, once we are to stop. */
        rein_scope last_words;
        rein_scope_open(&last_words, run->stopped ? rein_after(o->grace_ns) : REIN_NEVER);
        output_finish(&run->output);
        rein_scope_close(&last_words, 0);
        family_end(&run->family, 0, 0, false, o->grace_ns); /* what no job could be made out for */
        if (rein_group_close(&house, 0) < 0)                /* its children end well, or are cancelled by this */
                rein_error_print(stderr, rein_trail());
        progress_end(run);
}

/* ---- before and after ---- */

static int run_cannot(const char *what, int error)
{
        fprintf(stderr, "rein run: %s: %s\n", what, strerrordesc_np(error));
        return EXIT_WRONG;
}

bool is_not_now(const struct run *run, int rc)
{
        return rc == -EAGAIN || rc == -EMFILE || rc == -ENFILE || rc == -ETXTBSY ||
               (rc == -ENOMEM && run->options.memory == 0); /* else it may be that limit that leaves no room */
}

bool run_not_now(struct run *run, struct patience *p, int error)
{
        const rein_time now = rein_now();
        run->not_now = error;
        if (run->processes > 0)
                p->alone.ns = 0; /* one of them will end, and leave its room */
        else if (p->alone.ns == 0)
                p->alone = now;
        else if (now.ns - p->alone.ns >= run->options.start_timeout_ns)
                return false;
        p->nap_ns = p->nap_ns == 0 ? REIN_MS(1) : p->nap_ns < REIN_MS(64) ? 2 * p->nap_ns : p->nap_ns;
        return rein_sleep(rein_after(p->nap_ns)) == 0;
}

/* Room for so many open files as the jobs need. The jobs themselves get the limit that we were started with. */
static int run_raise_files(struct run *run)
{
        const struct options *o = &run->options;
        rlim_t need = FILES_OF_OURS + (rlim_t)o->jobs * FILES_PER_JOB + (o->keep_order ? WINDOW : 0);
        struct rlimit now;
        if (getrlimit(RLIMIT_NOFILE, &now) < 0)
                return run_cannot("the limit of open files", errno);
        run->launch.files = now;
        if (now.rlim_cur >= need)
                return 0;
        if (now.rlim_max < need) {
                fprintf(stderr,
                        "rein run: -j %d needs %llu open files and %llu are allowed; raise that with ulimit -n, or "
                        "use a smaller -j\n",
                        o->jobs, (unsigned long long)need, (unsigned long long)now.rlim_max);
                return EXIT_WRONG;
        }
        now.rlim_cur = need;
        run->launch.files_raised = true;
        return setrlimit(RLIMIT_NOFILE, &now) < 0 ? run_cannot("the limit of open files", errno) : 0;
}

/* The log is opened first: the first run that goes on with its own log finds an empty one. */
static int run_prepare(struct run *run)
{
        const struct options *o = &run->options;
        int rc = run_raise_files(run);
        if (rc || (rc = report_open(&run->report, o)))
                return rc;
        if (o->resume && (rc = resume_read(&run->resume, o->resume)) < 0) {
                fprintf(stderr, "rein run: --resume %s: %s; name a file that --log has written\n", o->resume,
                        strerrordesc_np(-rc));
                return EXIT_WRONG;
        }
        block_signals();
        if ((rc = family_open(&run->family)))
                return rc;
        rc = input_open(&run->input, o->arguments, o->arguments_n);
        run->launch.memory = o->memory;
        return rc < 0 ? run_cannot("cannot begin", -rc) : 0;
}

/* What the coroutines share. */
static int run_set_up(struct run *run)
{
        const struct options *o = &run->options;
        const int starts = o->jobs < rein_cpus() ? o->jobs : rein_cpus();
        run->places = rein_sem_new((size_t)o->jobs);
        run->starts = rein_sem_new((size_t)starts);
        run->urge = rein_promise_new(&run->hurried);
        if (!run->places || !run->starts || !run->urge)
                return -ENOMEM;
        run->family.hurried = run->launch.hurried = run->hurried;
        run->began = rein_now();
        run->deadline = o->deadline_ns ? rein_after(o->deadline_ns) : REIN_NEVER;
        return output_open(&run->output, o->keep_order ? WINDOW + 2 * (uint64_t)o->jobs : 0, run->hurried,
                           run_output_broken, run);
}

static void run_tear_down(struct run *run)
{
        output_close(&run->output);
        rein_promise_keep(run->urge, NULL, NULL); /* else it would be told as one that was forgotten */
        rein_promise_drop(run->urge);
        rein_drop(run->hurried);
        rein_sem_free(run->starts);
        rein_sem_free(run->places);
}

static int run_exit_status(const struct run *run)
{
        switch (run->stopped) {
        case INTERRUPTED:
                return EXIT_INTERRUPTED;
        case DEADLINE_PASSED:
                return EXIT_DEADLINE;
        case OUTPUT_BROKEN:
                return run->output.outlet.error == EPIPE ? EXIT_BROKEN_PIPE : EXIT_UNWRITTEN;
        case INPUT_BROKEN:
        case NO_MEMORY:
                return EXIT_WRONG;
        case HALTED_BY_SUCCESS:
                return 0;
        default:
                return run->failed < EXIT_MANY ? (int)run->failed : EXIT_MANY;
        }
}

/* Why not all was done, if so. */
static void run_say_the_end(const struct run *run)
{
        const struct outlet *out = &run->output.outlet;
        char name[16];
        if (out->error && out->error != EPIPE)
                fprintf(stderr, "rein: the output is not whole: %s: %s\n", out->failed_at, strerrordesc_np(out->error));
        if (run->options.quiet || out->lost || !run->stopped)
                return;
        if (run->stopped == INTERRUPTED || run->stopped == DEADLINE_PASSED)
                fprintf(stderr, "rein: %s: %llu stopped, %llu never started\n",
                        run->stopped == INTERRUPTED ? signal_name(run->signo, name) : "the deadline has passed",
                        (unsigned long long)run->stopped_jobs, (unsigned long long)run->never_started);
}

/* The main coroutine. Returns the exit status. */
static int run_all(void *arg)
{
        struct run *run = arg;
        int rc = run_set_up(run);
        if (rc < 0)
                rc = run_cannot("cannot begin", -rc);
        else
                run_do_the_work(run);
        if (rc == 0) {
                rc = run_exit_status(run);
                run_say_the_end(run);
        }
        rc = report_end(&run->report, run, rc);
        run_tear_down(run);
        return rc;
}

/* One thread more than may start processes at once: the input may be something that only a thread can wait for. */
static int run_loop(struct run *run)
{
        struct patience p = {0};
        rein_executor *starters =
                rein_pool_new(REIN_POOL(.name = "starts", .threads = rein_cpus() + 1, .stack_size = STACK));
        rein_executor *loop =
                starters ? rein_loop_new(REIN_LOOP(.name = "rein run", .offload = starters, .stack_size = STACK))
                         : NULL;
        int rc = loop ? 0 : -ENOMEM;
        if (loop)
                while ((rc = rein_on(loop, run_all, run, NULL)) < 0 && is_not_now(run, rc) && run_not_now(run, &p, -rc))
                        ; /* there was no thread for it */
        if (rc < 0) {
                rein_error_print(stderr, rein_trail());
                rc = run_cannot("cannot begin", -rc);
        }
        rein_executor_free(loop);
        rein_executor_free(starters);
        return rc;
}

int run_main(int argc, char **argv)
{
        static struct run the_run; /* large */
        struct run *run = &the_run;
        enum parsed parsed = options_parse(&run->options, argc, argv);
        if (parsed != PARSED) {
                if (parsed == PARSED_HELP)
                        options_help(stdout);
                return parsed == PARSED_HELP ? 0 : EXIT_WRONG;
        }
        int rc = run_prepare(run);
        if (rc)
                return rc;
        struct patience p = {0};
        int guard;
        while ((guard = guard_start(&run->family)) < 0 && is_not_now(run, guard) && run_not_now(run, &p, -guard))
                ;
        if (guard < 0)
                return run_cannot("the guard process", -guard);
        rc = run_loop(run);
        guard_dismiss(&run->family, guard);
        input_close(&run->input);
        resume_free(&run->resume);
        return rc;
}
