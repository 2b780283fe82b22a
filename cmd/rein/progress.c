/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"
#include "run.h"
#include "span.h"

#include <string.h>
#include <unistd.h>

static uint64_t progress_done(const struct run *run)
{
        return run->succeeded + run->failed + run->stopped_jobs;
}

/* "rein: 1200 done, 2 running, 3 failed, 48.1/s, 12s left": of ASCII alone, a cell each. */
static void progress_line_text(struct run *run, char to[200])
{
        double seconds = (double)(rein_now().ns - run->began.ns) / 1e9, share = input_share(&run->input);
        uint64_t ended = progress_done(run), known = run->known;
        double rate = seconds > 0 ? (double)ended / seconds : 0;
        int n = snprintf(to, 200, "rein: %llu done, %llu running, %llu failed, %.3g/s", (unsigned long long)ended,
                         (unsigned long long)run->processes, (unsigned long long)run->failed, rate);
        if (run->not_now) {
                snprintf(to + n, 200 - (size_t)n, ", waiting to start more: %s", strerrordesc_np(run->not_now));
                return;
        }
        /* How many there will be: those we know are the share of the input that was taken. */
        if (share > 0 && rate > 0 && n > 0 && n < 150) {
                double all = (double)(known - run->skipped - run->never_started) / share,
                       left = (all - (double)ended) / rate;
                char span[32];
                span_text(span, (int64_t)((left > 0 && left < 1e8 ? left : 0) * 1e9));
                snprintf(to + n, 200 - (size_t)n, ", %s left", span);
        }
}

static bool progress_shown(const struct run *run)
{
        return run->options.progress == PROGRESS_ALWAYS ||
               (run->options.progress == PROGRESS_AUTO && isatty(STDERR_FILENO) && !run->options.quiet);
}

int progress_run(void *arg)
{
        struct run *run = arg;
        bool show = progress_shown(run);
        int64_t every = show && isatty(STDERR_FILENO) ? REIN_MS(200) : REIN_SEC(1);
        char line[200];
        while (rein_sleep(rein_after(every)) == 0) {
                family_reap(&run->family);
                progress_line_text(run, line);
                if (show)
                        outlet_status(&run->output.outlet, line);
        }
        return 0;
}

void progress_end(struct run *run)
{
        char line[200];
        progress_line_text(run, line);
        if (progress_shown(run)) /* on a terminal it goes, elsewhere it is the last word */
                outlet_status(&run->output.outlet, isatty(STDERR_FILENO) ? "" : line);
}
