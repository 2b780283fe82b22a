/* SPDX-License-Identifier: Apache-2.0 */
/* Two groups, one in the other:
 *
 *      house   background: wait for signals; keep the status line
 *        work  as many lanes as jobs may run side by side, a thread each
 *
 * A lane takes one job after the other from the input, so that the input is not read ahead, and runs it, so that no job
 * changes threads. Whatever stops the run cancels `work`: each job then ends its process by the ladder, within a shield.
 * `house` goes on meanwhile, so that a second Ctrl-C is heard. The main thread runs no job: who is its child in the eyes
 * of the kernel was adopted. */
#include "run.h"
#include "guard.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
        FILES_PER_JOB = 12, /* pipes, pidfd, what is kept of its output; and some to spare */
        FILES_OF_OURS = 64,
        WINDOW = 1024, /* with --keep-order: jobs that may have ended while an earlier one still runs */
        STACK = 512 * 1024
};

void run_stop(struct run *run, enum stop reason, const char *why)
{
        int going = GOING;
        if (atomic_compare_exchange_strong(&run->stopped, &going, (int)reason))
                rein_group_cancel(&run->work, why);
}

void run_out_of_time(struct run *run)
{
        int going = GOING;
        atomic_compare_exchange_strong(&run->stopped, &going, DEADLINE_PASSED);
}

static void output_broken(void *arg)
{
        run_stop(arg, OUTPUT_BROKEN, "the output could not be written");
}

/* ---- signals ---- */

/* From here on these are read, not obeyed. A hang-up that we were started with ignoring stays ignored: nohup(1). Not so
 * an interrupt: a shell makes every background command ignore it. */
static int take_signals(struct run *run)
{
        static const int stop[] = {SIGINT, SIGTERM, SIGHUP};
        sigset_t taken;
        struct sigaction now;
        sigemptyset(&taken);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGCHLD, SIG_DFL); /* ignored, it would take our children's status away */
        bool no_hang_up = sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
        for (size_t i = 0; i < sizeof stop / sizeof *stop; i++)
                if (stop[i] != SIGHUP || !no_hang_up)
                        sigaddset(&taken, stop[i]);
        /* SIGCHLD: blocked everywhere it stays pending; else each child that ends would wake this thread, and whoever
         * reads the signalfd, for nothing. */
        sigset_t blocked = taken;
        sigaddset(&blocked, SIGCHLD);
        sigprocmask(SIG_BLOCK, &blocked, NULL); /* first, so that none is lost */
        signal(SIGINT, SIG_DFL);                /* an ignored signal is not kept while it is blocked */
        signal(SIGTERM, SIG_DFL);
        run->signals = signalfd(-1, &taken, SFD_CLOEXEC);
        return run->signals < 0 ? -errno : 0;
}

/* A background child: the first signal stops everything in order, the next one at once. */
static int heed_signals(void *arg)
{
        struct run *run = arg;
        struct signalfd_siginfo info;
        rein_time first = {0};
        for (int64_t n; (n = rein_read(run->signals, &info, sizeof info, REIN_NEVER)) != REIN_ECANCELED;) {
                char name[16], why[40];
                if (n != sizeof info) { /* no memory, say: while it is not read, no signal stops us */
                        rein_sleep(rein_after(REIN_MS(10)));
                } else if (first.ns == 0) {
                        first = rein_now();
                        run->signo = (int)info.ssi_signo;
                        snprintf(why, sizeof why, "interrupted by %s", signal_name((int)info.ssi_signo, name));
                        run_stop(run, INTERRUPTED, why);
                } else if (rein_now().ns - first.ns > REIN_MS(20)) { /* timeout(1) sends each signal twice */
                        eventfd_write(run->family.hurry, 1);
                }
        }
        return 0;
}

/* ---- the jobs ---- */

/* The next job that is to be run. Returns: 1; 0: the input has ended; REIN_ECANCELED; -errno. */
static int take_job(struct run *run, struct job **job)
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

/* Run jobs until there are no more, or everything is stopped. Each job taken is a reason to open another lane. Who waits
 * for input has `taking`: a cancel ends its wait, and then that of the others. */
static int lane(void *arg)
{
        struct run *run = arg;
        for (;;) {
                struct job *j = NULL;
                pthread_mutex_lock(&run->taking);
                int rc = take_job(run, &j);
                if (rc > 0 && run->more_lanes < run->options.jobs - 1) {
                        run->more_lanes++;
                        rein_spawn(&run->work, run->workers, lane, run, REIN_JOB(.name = "lane", .on_worker = true));
                }
                if (rc < 0 && rc != REIN_ECANCELED) {
                        fprintf(stderr, "rein run: cannot read the input: %s\n", strerrordesc_np(-rc));
                        run_stop(run, INPUT_BROKEN, "the input could not be read");
                }
                pthread_mutex_unlock(&run->taking);
                if (rc <= 0)
                        return rc == REIN_ECANCELED ? rc : 0;
                job_run(j);
        }
}

/* What stays of the arguments when everything was stopped is at least reported. (What stays of standard input is not
 * read: it may have no end.) */
static void report_the_rest(struct run *run)
{
        const char *argument, *flaw;
        struct job *j;
        while (run->options.arguments && input_next(&run->input, &argument, &flaw) > 0 &&
               (j = job_new(run, argument, flaw)))
                job_pass_over(j, NEVER_STARTED);
}

static void do_the_work(struct run *run, rein_executor *house_threads)
{
        const struct options *o = &run->options;
        rein_group house;
        rein_group_open(&house, REIN_GROUP(.policy = REIN_EACH));
        rein_group_open(&run->work, REIN_GROUP(.policy = REIN_EACH, .until = run->deadline));
        rein_spawn(&house, house_threads, heed_signals, run, REIN_JOB(.name = "signals", .background = true));
        rein_spawn(&house, house_threads, progress_run, run, REIN_JOB(.name = "progress", .background = true));

        int rc = rein_on(run->workers, lane, run, REIN_JOB(.name = "lane", .on_worker = true));
        if (rc < 0 && rc != REIN_ECANCELED) {
                rein_error_print(stderr, rein_trail());
                run_stop(run, NO_THREAD, "no thread could be started");
                rc = 0;
        }
        rc = rein_group_close(&run->work, rc);
        if (rc == REIN_ETIMEOUT)
                run_out_of_time(run);
        report_the_rest(run);

        /* Nobody who does not read our output holds us up for longer than the grace, once we are to stop. */
        rein_scope last_words;
        rein_scope_open(&last_words, run->stopped ? rein_after(o->grace_ns) : REIN_NEVER);
        output_finish(&run->output);
        rein_scope_close(&last_words, 0);
        if (rein_group_close(&house, 0) < 0) /* its children end well, or are cancelled by this */
                rein_error_print(stderr, rein_trail());
        progress_end(run);
}

/* ---- before and after ---- */

static int cannot(const char *what, int error)
{
        fprintf(stderr, "rein run: %s: %s\n", what, strerrordesc_np(error));
        return EXIT_WRONG;
}

/* Room for so many open files as the jobs need. The jobs themselves get the limit that we were started with. */
static int raise_files(struct run *run)
{
        const struct options *o = &run->options;
        rlim_t need = FILES_OF_OURS + (rlim_t)o->jobs * FILES_PER_JOB + (o->keep_order ? WINDOW : 0);
        struct rlimit now;
        if (getrlimit(RLIMIT_NOFILE, &now) < 0)
                return cannot("the limit of open files", errno);
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
        return setrlimit(RLIMIT_NOFILE, &now) < 0 ? cannot("the limit of open files", errno) : 0;
}

static int prepare(struct run *run)
{
        const struct options *o = &run->options;
        int rc = raise_files(run);
        if (rc)
                return rc;
        if (o->resume && (rc = resume_read(&run->resume, o->resume)) < 0) {
                fprintf(stderr, "rein run: --resume %s: %s; name a file that --log has written\n", o->resume,
                        strerrordesc_np(-rc));
                return EXIT_WRONG;
        }
        if ((rc = report_open(&run->report, o)))
                return rc;
        if ((rc = take_signals(run)) < 0 || (rc = family_open(&run->family)) < 0 ||
            (rc = input_open(&run->input, o->arguments, o->arguments_n)) < 0 ||
            (rc = output_open(&run->output, o->keep_order ? WINDOW + 2 * (uint64_t)o->jobs : 0, run->family.hurry,
                              output_broken, run)) < 0)
                return cannot("cannot begin", -rc);
        run->launch.memory = o->memory;
        run->launch.hurry = run->family.hurry;
        run->launch.null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return run->launch.null < 0 ? cannot("/dev/null", errno) : 0;
}

static int exit_status(const struct run *run)
{
        switch ((enum stop)run->stopped) {
        case INTERRUPTED:
                return EXIT_INTERRUPTED;
        case DEADLINE_PASSED:
                return EXIT_DEADLINE;
        case OUTPUT_BROKEN:
                return run->output.outlet.error == EPIPE ? EXIT_BROKEN_PIPE : EXIT_WRONG;
        case INPUT_BROKEN:
        case NO_THREAD:
                return EXIT_WRONG;
        case HALTED_BY_SUCCESS:
                return 0;
        default:
                return run->failed < EXIT_MANY ? (int)run->failed : EXIT_MANY;
        }
}

/* Why not all was done, if so. */
static void say_the_end(const struct run *run)
{
        const struct outlet *out = &run->output.outlet;
        char name[16];
        if (out->error && out->error != EPIPE)
                fprintf(stderr, "rein: the output is not whole: %s\n", strerrordesc_np(out->error));
        if (run->options.quiet || out->lost || !run->stopped)
                return;
        if (run->stopped == INTERRUPTED || run->stopped == DEADLINE_PASSED)
                fprintf(stderr, "rein: %s: %llu stopped, %llu never started\n",
                        run->stopped == INTERRUPTED ? signal_name(run->signo, name) : "the deadline has passed",
                        (unsigned long long)run->stopped_jobs, (unsigned long long)run->never_started);
}

int run_main(int argc, char **argv)
{
        static struct run the_run = {.taking = PTHREAD_MUTEX_INITIALIZER}; /* jobs and helpers point to it */
        struct run *run = &the_run;
        enum parsed parsed = options_parse(&run->options, argc, argv);
        if (parsed != PARSED) {
                if (parsed == PARSED_HELP)
                        options_help(stdout);
                return parsed == PARSED_HELP ? 0 : EXIT_WRONG;
        }
        int rc = prepare(run);
        if (rc)
                return rc;
        int guard = guard_start(&run->family);
        if (guard < 0)
                return cannot("the guard process", -guard);
        run->began = rein_now();
        run->deadline = run->options.deadline_ns ? rein_after(run->options.deadline_ns) : REIN_NEVER;

        rein_executor *house = rein_pool_new(REIN_POOL(.name = "house", .threads = 2, .stack_size = STACK));
        run->workers = rein_pool_new(REIN_POOL(.name = "jobs", .threads = run->options.jobs, .stack_size = STACK));
        if (house && run->workers)
                do_the_work(run, house);
        else
                rein_error_print(stderr, rein_trail());
        bool worked = house && run->workers;
        rein_executor_free(run->workers);
        rein_executor_free(house);

        family_end(&run->family, 0, 0, false, run->options.grace_ns); /* what no job could be made out for */
        rc = worked ? exit_status(run) : EXIT_WRONG;
        say_the_end(run);
        report_end(&run->report, run, rc);
        guard_dismiss(&run->family, guard);
        output_close(&run->output);
        input_close(&run->input);
        resume_free(&run->resume);
        return rc;
}
