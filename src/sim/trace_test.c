/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule as text: what is printed is read back, what is garbled or of another program is refused. */
#include "support.h"

#include "crew.h"
#include "sim/sim.h"

static rn_path path_of(const rn_pick *picks, size_t n)
{
        rn_path p = {0};
        for (size_t i = 0; i < n; i++)
                if (rn_path_add(&p, picks[i]) < 0)
                        abort();
        return p;
}

static void what_is_printed_is_read_back(void **state)
{
        (void)state;
        static const rn_pick picks[] = {{3, 0, 's'}, {3, 2, 's'},     {2, 1, 'a'}, {9, 0, 'u'},
                                        {9, 8, 'u'}, {200, 137, 'l'}, {2, 0, 'c'}};
        for (size_t n = 0; n <= COUNT(picks); n++) {
                rn_path p = path_of(picks, n), q = {0};
                char *text = rn_trace_print(&p, 0x1ff);
                uint32_t flags = 0;
                uint64_t digest = 0, count = 0;
                assert_non_null(text);
                assert_int_equal(rn_trace_parse(text, &q, &flags, &digest, &count), 0);
                assert_int_equal(flags, 0x1ff);
                assert_int_equal(count, n);
                assert_true(digest == rn_trace_digest(&p));
                assert_in_range(q.count, 0, n);
                for (size_t i = 0; i < n; i++) /* plain picks at the end need not be there */
                        assert_int_equal(i < q.count ? q.picks[i].pick : 0, picks[i].pick);
                rn_host_free(text);
                rn_path_free(&p);
                rn_path_free(&q);
        }
}

static void the_digest_sees_every_part(void **state)
{
        (void)state;
        static const rn_pick base[] = {{3, 1, 's'}, {4, 0, 'u'}};
        static const rn_pick other[][2] = {{{4, 1, 's'}, {4, 0, 'u'}},
                                           {{3, 2, 's'}, {4, 0, 'u'}},
                                           {{3, 1, 'a'}, {4, 0, 'u'}},
                                           {{4, 0, 'u'}, {3, 1, 's'}}};
        rn_path p = path_of(base, 2);
        for (size_t i = 0; i < COUNT(other); i++) {
                rn_path q = path_of(other[i], 2);
                assert_true(rn_trace_digest(&p) != rn_trace_digest(&q));
                rn_path_free(&q);
        }
        p.count = 1;
        uint64_t shorter = rn_trace_digest(&p);
        p.count = 2;
        assert_true(shorter != rn_trace_digest(&p));
        rn_path_free(&p);
}

/* ---- through the front door ---- */

static void one_point(void *arg)
{
        (void)arg;
        rein_sim_point("one");
}

static int two_tasks(void *arg)
{
        crew c = {0};
        hand h[2];
        crew_go(&c, &h[0], "one", one_point, NULL);
        crew_go(&c, &h[1], "other", one_point, NULL);
        crew_join(&c);
        uint32_t n = rein_sim_choose(5);
        CHECK(!arg || n == 0);
        return 0;
}

static int another(void *arg)
{
        (void)arg;
        return rein_sim_choose(2) ? 1 : 0;
}

static int replay(const char *trace, rein_fn fn, void *arg)
{
        return rein_sim_run(REIN_SIM(.quiet = true, .replay = trace), fn, arg);
}

static void garbled_traces_are_refused(void **state)
{
        (void)state;
        static const char *const garbled[] = {
                "",
                "1",
                "1.",
                "2.0.0.cbf29ce484222325",
                "x.0.0.cbf29ce484222325",
                "1.0.cbf29ce484222325",
                "1.0.0.cbf29ce48422232",
                "1.0.0.cbf29ce4842223255",
                "1.0.0.cbf29ce48422232g",
                "1.0.0.",
                "1.0.1.0s1of2.",
                "1.0.1.0s2of2.cbf29ce484222325",
                "1.0.1.0s1on2.cbf29ce484222325",
                "1.0.1.0s1of.cbf29ce484222325",
                "1.0.1.0s.cbf29ce484222325",
                "1.0.1.1s1of2.cbf29ce484222325",
                "1.0.0.0s1of2.cbf29ce484222325",
                "1.99999999999.0.cbf29ce484222325",
                "1.0.99999999999999999999.cbf29ce484222325",
                "-1.0.0.cbf29ce484222325",
                " 1.0.0.cbf29ce484222325",
        };
        for (size_t i = 0; i < COUNT(garbled); i++) {
                int rc = replay(garbled[i], two_tasks, NULL);
                if (rc != -EINVAL)
                        fail_msg("'%s': %d", garbled[i], rc);
                assert_int_equal(rein_error_code(rein_trail()), -EINVAL);
        }
}

/* Any one character of a good trace, changed to any other, is refused in one of the two ways, or says the same. */
static void no_changed_trace_passes_for_the_old_one(void **state)
{
        (void)state;
        rein_sim_report r = {.size = sizeof r};
        assert_int_equal(rein_sim_explore(REIN_SIM(.quiet = true, .report = &r), two_tasks, &r), REIN_EFOUND);
        char *trace = strdup(r.trace);
        uint64_t hash = r.hash;
        assert_int_equal(replay(trace, two_tasks, &r), REIN_EFOUND);
        int stale = 0, garbled = 0;
        for (char *at = trace; *at; at++) {
                const char was = *at;
                for (const char *c = "0123456789abcdefgs.of-"; *c; c++) {
                        if (*c == was)
                                continue;
                        *at = *c;
                        int rc = rein_sim_run(REIN_SIM(.quiet = true, .replay = trace, .report = &r), two_tasks, &r);
                        stale += rc == -ESTALE;
                        garbled += rc == -EINVAL;
                        /* a letter or a number of choices is told for the reader: the schedule is the same */
                        if (rc != -ESTALE && rc != -EINVAL && (rc != REIN_EFOUND || r.hash != hash))
                                fail_msg("'%s': %d", trace, rc);
                }
                *at = was;
        }
        assert_true(stale > 20 && garbled > 20);
        free(trace);
}

static void a_trace_of_another_program_is_stale(void **state)
{
        (void)state;
        rein_sim_report r = {.size = sizeof r};
        assert_int_equal(rein_sim_explore(REIN_SIM(.quiet = true, .report = &r), two_tasks, &r), REIN_EFOUND);
        char *trace = strdup(r.trace);
        assert_int_equal(replay(trace, another, NULL), -ESTALE);
        assert_int_equal(rein_error_code(rein_trail()), -ESTALE);
        assert_non_null(strstr(rein_error_text(rein_trail()), "another program"));
        assert_int_equal(replay("1.0.0.cbf29ce484222325", two_tasks, NULL), -ESTALE);
        assert_int_equal(replay(trace, two_tasks, NULL), 0); /* mended: the same questions, and it passes */
        free(trace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_printed_is_read_back),
                cmocka_unit_test(the_digest_sees_every_part),
                cmocka_unit_test(garbled_traces_are_refused),
                cmocka_unit_test(no_changed_trace_passes_for_the_old_one),
                cmocka_unit_test(a_trace_of_another_program_is_stale),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
