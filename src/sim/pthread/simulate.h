/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the layer share. Their programs are plain pthread code; they answer by rein_sim_check, which is an
 * abort outside of a simulation. */
#ifndef RN_SIM_PTHREAD_SIMULATE_H
#define RN_SIM_PTHREAD_SIMULATE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rein/rein.h>

#define CHECK rein_sim_check

#define SCHEDULES 300

static rein_sim_report report;
static uint32_t generator = REIN_SIM_MIXED; /* RANDOM: without the racy clock */

static inline int program_explore(rein_fn program, void *arg, uint32_t faults)
{
        report = (rein_sim_report){.size = sizeof report};
        return rein_sim_explore(REIN_SIM(.name = "test", .schedules = SCHEDULES, .generator = generator,
                                         .faults = faults, .report = &report, .quiet = true),
                                program, arg);
}

/* The program does what it says outside of a simulation, and in every schedule that was tried. */
static inline void program_passes(rein_fn program)
{
        assert_int_equal(program(NULL), 0);
        if (program_explore(program, NULL, REIN_SIM_HARMLESS) != 0)
                fail_msg("%s", rein_error_text(rein_trail()));
        assert_int_equal(report.schedules, SCHEDULES);
}

/* Some schedule fails like this, its report has these words, and its trace does it again. */
static inline void program_is_found(rein_fn program, void *arg, int ended, const char *words)
{
        rein_sim_report first;
        assert_int_equal(program_explore(program, arg, 0), REIN_EFOUND);
        if (report.ended != ended || !strstr(rein_error_text(rein_trail()), words))
                fail_msg("it ended as %d: %s", report.ended, rein_error_text(rein_trail()));
        first = report;
        assert_non_null(first.trace);
        char trace[2000];
        assert_true(snprintf(trace, sizeof trace, "%s", first.trace) < (int)sizeof trace);
        report = (rein_sim_report){.size = sizeof report};
        int rc =
                rein_sim_run(REIN_SIM(.name = "test", .replay = trace, .quiet = true, .report = &report), program, arg);
        assert_int_equal(rc, REIN_EFOUND);
        assert_int_equal(report.ended, ended);
        assert_int_equal(report.hash, first.hash);
}

static inline pthread_t start_thread(void *(*main)(void *), void *arg)
{
        pthread_t t;
        CHECK(pthread_create(&t, NULL, main, arg) == 0);
        return t;
}

static inline void join_thread(pthread_t t)
{
        CHECK(pthread_join(t, NULL) == 0);
}

static inline struct timespec from_now(clockid_t clock, long ms)
{
        struct timespec t;
        clock_gettime(clock, &t);
        t.tv_sec += ms / 1000;
        t.tv_nsec += ms % 1000 * 1000000;
        if (t.tv_nsec >= 1000000000) {
                t.tv_sec++;
                t.tv_nsec -= 1000000000;
        }
        return t;
}

#endif
