/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the scenarios of this folder: first the seeds that ever failed (tests/seeds.txt), then so many schedules of each.
 *
 *      scenarios_test [name]...        only these
 *      REIN_SIM_COUNT                  schedules in all, shared out among the scenarios; the run fails when it did less
 *      REIN_SIM_PART=1/2               every second scenario from the first on, and so much of the count
 *      REIN_SIM_REPLAY=name:trace      that schedule of that scenario, told step by step
 *
 * It prints a line for each scenario and a total. */
#include "sim/scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#if defined REIN_ASAN
enum { DEFAULT_COUNT = 20000 };
#elif defined REIN_TSAN
enum { DEFAULT_COUNT = 50000 };
#else
enum { DEFAULT_COUNT = 60000 };
#endif

enum { LEAST_SCENARIOS = 30, SEED_SCHEDULES = 100 };

static const scenario *const lists[] = {pool_scenarios,   queue_scenarios,  stop_scenarios,
                                        future_scenarios, group_scenarios,  scope_scenarios,
                                        io_scenarios,     memory_scenarios, loop_scenarios};

static const scenario *all[256];
static size_t count_all;

static struct {
        uint64_t schedules, steps, seeds, stale;
        uint32_t longest;
        unsigned failed;
} total;

static int run(void *arg)
{
        const scenario *s = arg;
        return s->run(s->variant);
}

static void add(const rein_sim_report *r)
{
        total.schedules += r->schedules;
        total.steps += r->steps;
        if (r->longest > total.longest)
                total.longest = r->longest;
}

static int explore(const scenario *s, uint64_t schedules)
{
        rein_sim_report r = {.size = sizeof r};
        int rc = rein_sim_explore(REIN_SIM(.name = s->name, .schedules = schedules, .faults = s->faults, .report = &r),
                                  run, (void *)(uintptr_t)s);
        printf("%-28s %8" PRIu64 " schedules %10" PRIu64 " steps, longest %5" PRIu32 "%s\n", s->name, r.schedules,
               r.steps, r.longest, rc < 0 ? "  FAILED" : "");
        fflush(stdout);
        add(&r);
        total.failed += rc < 0;
        return rc;
}

/* ---- seeds ---- */

static const scenario *named(const char *name, size_t n)
{
        for (size_t i = 0; i < count_all; i++)
                if (strlen(all[i]->name) == n && memcmp(all[i]->name, name, n) == 0)
                        return all[i];
        return NULL;
}

/* "name:trace" or "name seed generator depth faults". */
static void seed(char *line)
{
        line[strcspn(line, "\n")] = 0;
        size_t n = strcspn(line, ": ");
        if (!line[0] || line[0] == '#')
                return;
        const scenario *s = named(line, n);
        rein_sim_report r = {.size = sizeof r};
        uint64_t seed = 0;
        uint32_t generator = 0, depth = 0, faults = 0;
        int rc;
        if (!s) {
                rc = -ENOENT;
        } else if (line[n] == ':') {
                rc = rein_sim_run(REIN_SIM(.name = s->name, .replay = line + n + 1, .quiet = true, .report = &r), run,
                                  (void *)(uintptr_t)s);
        } else {
                rc = sscanf(line + n, "%" SCNu64 " %" SCNu32 " %" SCNu32 " %" SCNx32, &seed, &generator, &depth,
                            &faults) == 4
                             ? 0
                             : -EINVAL;
                if (rc == 0)
                        rc = rein_sim_explore(REIN_SIM(.name = s->name, .seed = seed, .generator = generator,
                                                       .depth = depth, .faults = faults, .schedules = SEED_SCHEDULES,
                                                       .report = &r),
                                              run, (void *)(uintptr_t)s);
        }
        add(&r);
        total.seeds++;
        total.stale += rc == -ESTALE;
        if (rc < 0 && rc != -ESTALE) {
                total.failed++;
                printf("seed FAILED: %s: %s\n", line, rein_code_name(rc));
        }
}

static void seeds(void)
{
        char line[8192];
        FILE *in = fopen(REIN_SOURCE_DIR "/tests/seeds.txt", "r");
        if (!in) {
                printf("tests/seeds.txt is missing\n");
                total.failed++;
                return;
        }
        while (fgets(line, sizeof line, in))
                seed(line);
        fclose(in);
}

/* ---- the whole ---- */

static bool chosen(const scenario *s, size_t i, int argc, char **argv, unsigned part, unsigned parts)
{
        bool any = argc < 2;
        for (int k = 1; k < argc; k++)
                any |= strcmp(argv[k], s->name) == 0;
        return any && i % parts == part - 1;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
        const char *text = getenv(name);
        return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
        unsigned part = 1, parts = 1, shares = 0, ran = 0;
        const char *which = getenv("REIN_SIM_PART");
        if (which && (sscanf(which, "%u/%u", &part, &parts) != 2 || !part || part > parts)) {
                fprintf(stderr, "REIN_SIM_PART is not like 1/2\n");
                return 2;
        }
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
                for (const scenario *s = lists[i]; s->name; s++)
                        all[count_all++] = s;
        for (size_t i = 0; i < count_all; i++)
                if (chosen(all[i], i, argc, argv, part, parts))
                        shares += all[i]->share ? all[i]->share : 1;
        const uint64_t asked = (number("REIN_SIM_COUNT", DEFAULT_COUNT) + parts - 1) / parts;
        const bool replays = getenv("REIN_SIM_REPLAY") != NULL;
        if (!replays && argc < 2 && part == 1)
                seeds();
        for (size_t i = 0; i < count_all; i++) {
                if (!chosen(all[i], i, argc, argv, part, parts))
                        continue;
                const char *env = getenv("REIN_SIM_REPLAY");
                size_t n = strlen(all[i]->name);
                if (replays && (strncmp(env, all[i]->name, n) != 0 || env[n] != ':'))
                        continue;
                ran++;
                explore(all[i], asked * (all[i]->share ? all[i]->share : 1) / shares + 1);
        }
        printf("%u scenarios, %" PRIu64 " schedules, %" PRIu64 " steps, longest %" PRIu32 "; %" PRIu64
               " seeds, %" PRIu64 " of them stale; %u failed\n",
               ran, total.schedules, total.steps, total.longest, total.seeds, total.stale, total.failed);
        if (replays)
                return total.failed ? 1 : 0;
        if (!ran || (argc < 2 && count_all < LEAST_SCENARIOS)) {
                printf("too few scenarios\n");
                return 1;
        }
        if (total.schedules < asked) {
                printf("less than the %" PRIu64 " schedules asked for\n", asked);
                return 1;
        }
        return total.failed ? 1 : 0;
}
